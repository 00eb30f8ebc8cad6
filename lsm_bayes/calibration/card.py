"""Description of a calibration, stored with every result."""

from typing import Any

import numpy as np

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.earlier import earlier_card
from lsm_bayes.calibration.initial import Free
from lsm_bayes.calibration.priors import describe
from lsm_bayes.declare import Prior


def card(c: Calibration) -> dict[str, Any]:
    """Describe what is fitted to what.

    Parameters
    ----------
    c : Calibration
        The choices.

    Returns
    -------
    dict
        Plain values that JSON can hold.
    """
    model = c.process_model
    periods = [(r.forcing.time[r.training][[0, -1]], r.forcing.time[~r.training]) for r in c.records]
    withheld = [w for _, w in periods if w.size]
    parameters: dict[str, Any] = {}
    earlier = earlier_card(c)
    carried = earlier["carried"] if earlier is not None else []
    for name, (declared, default) in c.declared.items():
        prior = c.priors[name]
        choice = c.initial.get(name, Free())
        shown = describe(declared, prior if isinstance(prior, Prior) else prior[0]) if isinstance(choice, Free) else choice.describe()
        if name in carried and c.earlier is not None:
            shown = f"{c.earlier.describe()}; declared: {shown}"
        parameters[name] = {
            "unit": declared.unit,
            "bounds": _bounds(c, name),
            "description": declared.description,
            "prior": f"fixed at {c.fixed[name]:g}" if name in c.fixed else shown,
            "pooling": c.pooling[name].describe(),
            "default": default,
            **({"period": declared.period} if declared.period is not None else {}),
        }
    return {
        "title": f"{model.title} at {', '.join(r.name for r in c.records[:6])}{' and others' if len(c.records) > 6 else ''}",
        "process_model": model.name,
        "process_model_title": model.title,
        "sites": [r.name for r in c.records],
        "pft": {s: c.groups.pfts[k] for s, k in zip(c.groups.sites, c.groups.pft_of_site, strict=True)},
        "streams": {
            p.name: {
                "period": p.stream.period,
                "operator": p.operator.name,
                "operator_citation": p.operator.citation,
                "error_model": p.stream.error_model.describe(),
                "sites": [c.records[i].name for i in p.members],
                "observations": int(sum(a.time.size for a in p.fitted)),
                "reference_sd": [round(s.reference, 6) for s in p.series],
                "uncertainty_source": [
                    str(data.get(f"{p.name}_uncertainty", data[p.name]).attrs.get("source", "given"))
                    for data in (c.records[i].data for i in p.members)
                ],
            }
            for p in c.streams
        },
        "error_models": {
            p.name: {
                "words": p.stream.error_model.describe(),
                "equation": p.stream.error_model.equation(),
                **({"caps": {f"{p.name}_phi": p.stream.error_model.correlation}} if p.stream.error_model.correlation else {}),
            }
            for p in c.streams
        },
        "period_training": [f"{min(t[0] for t, _ in periods):%Y-%m-%d}", f"{max(t[1] for t, _ in periods):%Y-%m-%d}"],
        "period_withheld": [f"{min(w[0] for w in withheld):%Y-%m-%d}", f"{max(w[-1] for w in withheld):%Y-%m-%d}"] if withheld else None,
        "parameters": parameters,
        "constraints": {k.name: c.constraints.describe(k) for k in c.constraints.chosen(model)} if c.constraints is not None else {},
        **({"earlier_posterior": earlier} if earlier is not None else {}),
        "citations": list(model.citations),
        "data": {k: str(v) for k, v in c.records[0].data.attrs.items() if k in ("title", "source", "licence", "license", "citation")},
        "days": int(sum(np.size(r.training) for r in c.records)),
    }


def _bounds(c: Calibration, name: str) -> list[float]:
    """Bounds that hold: one period around the centre for a date, which may be shifted against the day that its prior is about."""
    declared, prior = c.declared[name][0], c.priors[name]
    if declared.period is not None and isinstance(prior, Prior):
        if prior.distribution == "normal" and prior.centre is not None:
            return [prior.centre - 0.5 * declared.period, prior.centre + 0.5 * declared.period]
        return [declared.bounds[0], declared.bounds[0] + declared.period]
    return list(declared.bounds)
