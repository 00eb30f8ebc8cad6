"""The page on several models of the same observations."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.comparison import Comparison, compare
from lsm_bayes.comparison.table import FEW_UNITS
from lsm_bayes.diagnostics.result import attribute, model_card
from lsm_bayes.report.comparison_scores import by_unit, evidence, gains, scores, weights
from lsm_bayes.report.page import Heading, Section, Table, number, render

CLEAR = 2.0
"""Standard errors by which a difference is called clear, and nats below which it is not, however small its error (Sivula et al. 2025)."""
FEWEST_NATS = 4.0
MEANING = {
    "Score (elpd)": "The log of the joint density that a model gives to all observations of a unit before it has seen them, summed over "
    "units. One nat more is a factor of 2.7. It rewards narrow predictions and punishes wrong ones, and judges the error model with the "
    "process model.",
    "Unit": "Errors of neighbouring observations are correlated: left out one by one, each would be predicted by the errors beside it. The "
    "joint density of a unit still uses the error of the last observation before it, which helps with the first few.",
    "Pareto k": "Whether the draws of the full fit, reweighted, reach the posterior without a unit. Above {limit} they do not, and the "
    "model has to be fitted again without the unit. Units to be trusted have a smaller k, or a refit that converged.",
    "Standard error": "Over units, as if these were independent; differences between models are paired. A difference below {nats} nats or "
    "{errors} standard errors is not called clear here.",
    "Effective parameters": "By how much the score falls because the unit was not in the fit.",
    "Stacking weight": "The mixture of the models that predicts best. A model that adds nothing to another gets none; which model is true "
    "it does not say.",
    "Pseudo-BMA+ weight": "Weights by the scores, less sharp where the units disagree.",
    "Evidence": "The log density of all observations under the prior. It depends on how wide the priors are, even where the data exclude "
    "most of their range without effort.",
}


def write_comparison(results: Mapping[str, xr.DataTree], path: str | Path) -> Path:
    """Write one self-contained HTML file that compares models, poolings or error models.

    Parameters
    ----------
    results : mapping of str to xarray.DataTree
        Results by name, each scored by `lsm_bayes.cross_validate` with the same units.
    path : str or pathlib.Path
        File to write; its folder must exist.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        For results that cannot be compared; see `lsm_bayes.compare`.
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the comparison does not exist. Create it, or give another path.")
    found = compare(results)
    page = [
        _models(results, found),
        scores(found),
        by_unit(found),
        weights(found),
        evidence(found),
        gains(results, found),
        _gates(found),
        _meaning(found),
    ]
    path.write_text(render(_heading(results, found), page), encoding="utf-8")
    return path


def _verdict(found: Comparison) -> str:
    best = str(found.table.index[0])
    close = [str(n) for n, r in found.table.iloc[1:].iterrows() if not _clear(r)]
    if close:
        return f"{best} predicts best, but {', '.join(close)} cannot be told from it by these units."
    return f"{best} predicts what was left out better than all others."


def _clear(row: pd.Series) -> bool:
    return bool(row["difference"] < -max(FEWEST_NATS, CLEAR * row["difference_se"]))


def _heading(results: Mapping[str, xr.DataTree], found: Comparison) -> Heading:
    table, units = found.table, len(found.units)
    reasons = [f"{n}: {g.verdict}" for n, g in found.gates.items() if not g.passed]
    unsound = {str(n): units - int(r["sound"]) for n, r in table.iterrows()}
    reasons += [
        f"{n}: the scores of {k} of {units} units cannot be trusted (Pareto k above {number(found.good_k, 2)}, no refit that converged). "
        "What to do: refits='where needed', more draws of the refits."
        for n, k in unsound.items()
        if k
    ]
    if units < FEW_UNITS:
        reasons.append(f"Only {units} units: standard errors and stacking weights are rough. What to do: shorter blocks, more sites.")
    cards = [model_card(results[str(n)]) for n in table.index]
    streams = list(dict.fromkeys(s for c in cards for s in c.get("streams", {})))
    span = f"{units}, {found.units['start'].min():%Y-%m-%d} to {found.units['end'].max():%Y-%m-%d}, "
    span += f"{int(found.units['observations'].sum())} observations scored"
    facts = [
        ("Models", ", ".join(map(str, table.index))),
        ("Streams", ", ".join(s.upper() for s in streams) or "not stated"),
        ("Sites", ", ".join(dict.fromkeys(str(s) for c in cards for s in c.get("sites", []))) or "not stated"),
        ("Left out", found.unit),
        ("Units", span),
    ]
    return Heading("Comparison of models", not reasons, _verdict(found), reasons, facts)


def _models(results: Mapping[str, xr.DataTree], found: Comparison) -> Section:
    rows = []
    for name in map(str, found.table.index):
        card = model_card(results[name])
        parameters = card.get("parameters", {})
        pooling = sorted({str(p.get("pooling", "")) for p in parameters.values()} - {""})
        errors = card.get("error_models", {})
        rows.append(
            (
                name,
                str(card.get("process_model_title") or card.get("process_model") or card.get("title") or "not stated"),
                str(len(parameters)) if parameters else "–",
                "; ".join(pooling) or "–",
                "; ".join(f"{s.upper()}: {e['words']}" for s, e in errors.items()) or "–",
                str(attribute(results[name], "method", "not stated")),
            )
        )
    columns = ("Model", "Process model", "Parameters", "Pooling", "Error models", "Method")
    return Section("models", "Models", [Table("What was fitted to the same observations", columns, rows)])


def _gates(found: Comparison) -> Section:
    rows: list[tuple[str, ...]] = []
    marked: list[int] = []
    for name, gates in ((str(n), found.gates[str(n)]) for n in found.table.index):
        for g in gates.gates:
            if not g.passed:
                marked.append(len(rows))
            value = f"{g.value:.6g}" if np.isfinite(g.value) else "not measured"
            verdict = "passed" if g.passed else "FAILED"
            rows.append(
                (name, g.name, value, f"{g.comparison} {g.threshold:g}", verdict, g.parameter or "–", "–" if g.passed else g.action)
            )
    columns = ("Model", "Gate", "Value", "Must be", "Verdict", "Parameter responsible", "What to do")
    return Section("gates", "Gates of each fit", [Table("Gates, compared unrounded", columns, rows, frozenset(marked))])


def _meaning(found: Comparison) -> Section:
    values = {"limit": number(found.good_k, 2), "nats": number(FEWEST_NATS, 2), "errors": number(CLEAR, 2)}
    rows = [(term, text.format(**values)) for term, text in MEANING.items()]
    return Section("meaning", "What the numbers mean", [Table("Terms of this page", ("Term", "Meaning"), rows)])
