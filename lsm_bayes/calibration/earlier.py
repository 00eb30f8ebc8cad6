"""An earlier step in a calibration: which coordinates it shares, what forbids it, its density as prior."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.coordinates import Key, coordinates
from lsm_bayes.calibration.initial import Free, NearEquilibrium, is_derived
from lsm_bayes.calibration.priors import describe
from lsm_bayes.calibration.stepwise import CarriedPosterior
from lsm_bayes.declare import Prior


def _free(c: Calibration) -> list[str]:
    return [n for n in c.declared if n not in c.fixed and not is_derived(c.initial.get(n, Free()))]


def _hierarchical(c: Calibration, name: str) -> bool:
    return c.groups.several and c.pooling[name].kind == "partial"


def shared(c: Calibration) -> list[Key]:
    """Return the coordinates that a calibration takes over from the earlier step.

    Parameters
    ----------
    c : Calibration
        With an earlier posterior.

    Returns
    -------
    list of Key
        Parameters that are free in both, of sites and types that are in both. Initial pools only where the record starts on the same day;
        those near an equilibrium, which depends on the record, where all records are fitted over the same days.
    """
    assert c.earlier is not None
    first, free = c.earlier.calibration, set(_free(c))
    members = {"", *c.groups.sites, *c.groups.pfts}
    return [k for k in c.earlier.keys if k[0] in free and k[1] in members and (k[0] not in c.initial or _same_pool(first, c, *k))]


def _same_pool(first: Calibration, c: Calibration, name: str, member: str) -> bool:
    spans = [{r.name: (r.forcing.time[0], r.fitted_steps) for r in k.records} for k in (first, c)]
    if isinstance(c.initial[name], NearEquilibrium):
        return spans[0] == spans[1]
    if member in spans[0]:
        return spans[0][member][0] == spans[1][member][0]
    return {n: s[0] for n, s in spans[0].items()} == {n: s[0] for n, s in spans[1].items()}


def check_earlier(c: Calibration) -> None:
    """Refuse an earlier step that cannot be the prior of a calibration.

    Parameters
    ----------
    c : Calibration
        The choices.

    Raises
    ------
    TypeError
        When the earlier step is no `CarriedPosterior`.
    ValueError
        For another process model, parameters that differ in bounds, prior or pooling, hierarchies, parameters that were calibrated and are
        fixed now, constraints in both steps, observations used before, and steps that share nothing.
    """
    if c.earlier is None:
        return
    if not isinstance(c.earlier, CarriedPosterior):
        raise TypeError(f"prior_from is {type(c.earlier).__name__}; give carry_over(tree, model) of the earlier step")
    first = c.earlier.calibration
    if first.process_model.name != c.process_model.name:
        raise ValueError(
            f"the earlier step calibrated {first.process_model.name}, this one {c.process_model.name}; parameters mean the same in one "
            "model only"
        )
    if first.constraints is not None and c.constraints is not None:
        raise ValueError("both steps impose constraints, which would count twice; leave them out here: the earlier posterior knows them")
    before, now = _free(first), _free(c)
    for name in (n for n in now if n in before):
        _check_parameter(first, c, name)
    for name in c.fixed:
        if name in before and name not in c.initial:
            raise ValueError(f"{name!r} was calibrated in the earlier step and is fixed here; leave it free, or fix it in both")
        if name in first.fixed and name not in c.initial and first.fixed[name] != c.fixed[name]:
            raise ValueError(f"{name!r} is fixed at {first.fixed[name]:g} in the earlier step and at {c.fixed[name]:g} here; use one value")
    _check_observations(c)
    if not shared(c):
        raise ValueError(f"the steps share no coordinate: the earlier one calibrated {', '.join(before)}; this one {', '.join(now)}")


def _check_parameter(first: Calibration, c: Calibration, name: str) -> None:
    if _hierarchical(first, name) or _hierarchical(c, name):
        raise ValueError(
            f"{name!r} has partial pooling, and a hierarchy cannot be carried over: with its spread it is no normal. Use complete() or "
            "none() in both steps, or calibrate all streams together"
        )
    pooled = [k.pooling[name].over for k in (first, c)]
    if pooled[0] != pooled[1]:
        said = [f"by {p}" if p else "one for all" for p in pooled]
        raise ValueError(f"{name!r} has values {said[0]} in the earlier step and {said[1]} here; pool it alike")
    if name in c.initial and first.initial[name] != c.initial[name]:
        raise ValueError(
            f"the initial pool {name!r} is {first.initial[name].describe()} in the earlier step, here {c.initial[name].describe()}; "
            "choose alike"
        )
    declared = [k.declared[name][0] for k in (first, c)]
    sites = [s for s in c.groups.sites if s in first.groups.sites]
    pairs = [[_prior(k, name, s) for k in (first, c)] for s in sites] or [[_prior(k, name, k.groups.sites[0]) for k in (first, c)]]
    for priors in pairs:
        same = (declared[0].bounds, declared[0].unit, declared[0].period) == (declared[1].bounds, declared[1].unit, declared[1].period)
        if not same or priors[0] != priors[1]:
            said = [f"{describe(d, p)} {d.unit}".removesuffix(" 1") for d, p in zip(declared, priors, strict=True)]
            raise ValueError(
                f"the prior of {name!r} is {said[0]} in the earlier step and {said[1]} here; coordinates mean the same only with the same "
                "bounds and prior, so give both steps the same"
            )


def _prior(c: Calibration, name: str, site: str) -> Prior:
    found = c.priors[name]
    return found if isinstance(found, Prior) else found[c.groups.sites.index(site)]


def _observed(c: Calibration) -> dict[tuple[str, str], tuple[str, pd.Series]]:
    """Observed days of each stream and site, with the quantity."""
    return {
        (p.name, r.name): (
            p.stream.quantity,
            pd.Series(np.asarray(r.data[p.name].values, dtype=float)[a.steps], pd.DatetimeIndex(r.data["time"].values)[a.steps]),
        )
        for p in c.streams
        for r, a in zip([c.records[i] for i in p.members], p.fitted, strict=True)
    }


def _check_observations(c: Calibration) -> None:
    now, step = _observed(c), c.earlier
    while step is not None:
        for (old, site), (quantity, then) in _observed(step.calibration).items():
            for (new, place), (same, here) in now.items():
                days = then.index.intersection(here.index)
                if site != place or not len(days):
                    continue
                # Another name does not make the same numbers new.
                if old == new or (quantity == same and len(days) > 2 and np.array_equal(then[days].to_numpy(), here[days].to_numpy())):
                    raise ValueError(
                        f"{len(days)} days of {new!r} at {site}, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}, were used in an earlier step "
                        f"(as {old!r}) and would count twice; leave the stream out, or choose another training period"
                    )
        step = step.calibration.earlier


def add_earlier(c: Calibration) -> None:
    """Replace the prior of the shared coordinates by the earlier posterior, in the PyMC model in context.

    Parameters
    ----------
    c : Calibration
        The choices; all coordinates and the terms that belong to their prior have been added.

    Raises
    ------
    ValueError
        When the process model's own coordinates of a group of parameters are in use in one step only, or not all of them are shared.
    """
    if c.earlier is None:
        return
    model = pm.modelcontext(None)
    keys, places = shared(c), coordinates(model, c)
    group = c.process_model.coordinates
    own = "coordinates_prior" in model.named_vars
    in_group = [k for k in places if group is not None and k[0] in (*group.parameters, *group.needs)]
    if group is not None and (own != c.earlier.own_coordinates or (own and any(k not in keys for k in in_group))):
        raise ValueError(
            f"{', '.join(group.parameters)} are sampled in coordinates of their own, which these and {', '.join(group.needs)} define; in "
            "both steps leave all of them free, with their declared priors, at the same sites"
        )
    names = list(dict.fromkeys(places[k][0] for k in keys))
    sizes = [sum(v == n for v, _ in places.values()) for n in names]
    start = dict(zip(names, np.cumsum([0, *sizes[:-1]]), strict=True))
    flat: Any = pt.concatenate([model[n].ravel() for n in names]) if len(names) > 1 else model[names[0]].ravel()
    index = np.array([start[places[k][0]] + places[k][1] for k in keys])
    z = flat if index.tolist() == list(range(sum(sizes))) else flat[index]
    # Of what is not shared the earlier posterior is integrated out.
    mixture = c.earlier.mixture.marginal([c.earlier.keys.index(k) for k in keys])
    factors = np.linalg.cholesky(mixture.covariances)
    white = (np.linalg.inv(factors) * (z[None, :] - mixture.means)[:, None, :]).sum(axis=2)
    volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    logs = np.log(mixture.weights) - volume - 0.5 * (white**2).sum(axis=1)
    # Constant in the gradient, as it cancels: far from all components the largest term stays exp(0).
    largest = disconnected_grad(logs.max())
    ratio = 0.5 * (z**2).sum() + largest + pt.log(pt.exp(logs - largest).sum())
    # These belong to the prior that the earlier posterior has in it already.
    near = [f"{n}_disequilibrium_prior" for n, _ in keys if isinstance(c.initial.get(n), NearEquilibrium)]
    for name in [*(["coordinates_prior"] if own else []), *dict.fromkeys(near)]:
        ratio = ratio - model[name]
    pm.Potential("earlier_posterior", ratio)


def earlier_card(c: Calibration) -> dict[str, Any] | None:
    """Describe the earlier step.

    Parameters
    ----------
    c : Calibration
        The choices.

    Returns
    -------
    dict or None
        Plain values that JSON can hold; None without an earlier step.
    """
    if c.earlier is None:
        return None
    names, steps = {n for n, _ in shared(c)}, []
    step: CarriedPosterior | None = c.earlier
    while step is not None:
        found = [
            {"stream": p, "site": s, "observed_days": len(v), "first": f"{v.index[0]:%Y-%m-%d}", "last": f"{v.index[-1]:%Y-%m-%d}"}
            for (p, s), (_, v) in _observed(step.calibration).items()
        ]
        steps.append({"streams": found, "covariance": step.kind, "components": step.components, "departure": step.departure.describe()})
        step = step.calibration.earlier
    lossy = "normal" if c.earlier.components == 1 else "mixture"
    return {
        "text": f"The prior is the {c.earlier.describe()}. What the {lossy} loses: {c.earlier.departure.describe()}.",
        "carried": [n for n in _free(c) if n in names],
        "declared_prior": [n for n in _free(c) if n not in names],
        "steps": steps,
    }
