"""Prediction at sites that were not calibrated, from the hierarchy of those that were."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr

from lsm_bayes.calibration.build import add_parameters_and_streams
from lsm_bayes.calibration.choices import Calibration, SiteRecord
from lsm_bayes.calibration.groups import Groups, covariates_of, types_of
from lsm_bayes.calibration.members import Members
from lsm_bayes.calibration.operators import driver_of, predicted_series, simulated_inputs
from lsm_bayes.calibration.pooling import none
from lsm_bayes.calibration.predict import calibration_of, error_draws
from lsm_bayes.calibration.records import records_of
from lsm_bayes.calibration.streams import PreparedStream, prepare
from lsm_bayes.calibration.table import grouped
from lsm_bayes.declare import Prior
from lsm_bayes.errors.discrepancy import KNOTS_PER_YEAR
from lsm_bayes.errors.simulation import simulate_errors
from lsm_bayes.errors.terms import Place, days_of
from lsm_bayes.graphs import COMPILED
from lsm_bayes.observations.aggregation import aggregation
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import quantity

CANDIDATES = 8  # of which one is taken by the constraints of the prior
ROUNDS = 10  # in which more candidates are drawn while the constraints allow none


def predict_new_sites(
    model: pm.Model,
    tree: xr.DataTree,
    data: xr.Dataset,
    *,
    priors: Mapping[str, Mapping[str, Prior]] | None = None,
    draws: int = 400,
    seed: int = 0,
) -> xr.DataTree:
    """Predict all streams at sites of which no observation was used.

    Each posterior draw gets new members of its hierarchy: a parameter with partial pooling is drawn around the mean of its type, or what
    its covariates and neighbours say, with the spread of that draw; one that is complete, or by type, is that of the draw; one without
    pooling over sites is drawn from its prior. Of several candidates one is taken with the weight that the prior's constraints give it.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`, of several sites.
    tree : xarray.DataTree
        With a ``posterior`` of that model.
    data : xarray.Dataset
        Forcing of the new sites, in the convention of `lsm_bayes.datasets`, with the coordinate ``pft`` (or ``pft_fraction``, see
        `build_model`) and the covariates of the poolings.
        Observed streams in it say at which times to predict, and with which stated uncertainty; without, every step is predicted,
        without a stated uncertainty.
    priors : mapping of str to mapping of site to Prior, optional
        Of parameters whose prior was given by site, such as dates of phenology.
    draws : int
        Posterior draws that are used, thinned evenly.
    seed : int
        Seed of all draws.

    Returns
    -------
    xarray.DataTree
        ``posterior``: parameters and initial pools (chain, draw, site); ``posterior_predictive``: each stream with its errors, and
        ``<stream>_mean`` without; ``observed_data`` where the data have it; ``constant_data`` with everything marked as withheld. The
        errors of each draw are those of one of the fitted sites, of the same type where there is one, drawn afresh.

    Raises
    ------
    KeyError
        For missing forcing, covariates, and priors by site.
    TypeError
        When the model was not made by `build_model`.
    ValueError
        For a calibration of one site, a type that no fitted site has where values belong to types, and sites that were fitted.
    """
    c = calibration_of(model)
    if not c.groups.several:
        raise ValueError(f"{c.groups.sites[0]} alone was calibrated; a hierarchy over sites is needed to predict others")
    rng = np.random.default_rng(seed)
    records = records_of(c.process_model, data, None, None, 0)
    known = [r.name for r in records if r.name in c.groups.sites]
    if known:
        raise ValueError(f"{', '.join(known)} was calibrated; predict there with lsm_bayes.calibration.predict, or leave it out")
    posterior = tree["posterior"].to_dataset()
    step = max(1, posterior.sizes["chain"] * posterior.sizes["draw"] // draws)
    thinned = posterior.isel(draw=slice(None, None, step))
    flat = thinned.stack(sample=("chain", "draw")).transpose("sample", ...)
    new = _new_calibration(c, records, priors or {})
    values = _parameters(c, new, flat, rng)
    chains = {"chain": thinned["chain"].values, "draw": thinned["draw"].values}
    shape = tuple(v.size for v in chains.values())
    pieces: dict[str, list[xr.Dataset]] = {"posterior_predictive": [], "observed_data": [], "constant_data": []}
    for i, record in enumerate(records):
        own = {n: xr.DataArray(v[:, i].reshape(shape), dims=("chain", "draw"), coords=chains) for n, v in values.items()} | c.fixed
        wanted = {x for p in c.streams for x in simulated_inputs(c.process_model, p.operator)}
        land = {n: v for n, v in own.items() if n in c.process_model.calibrated}
        run = simulate(c.process_model, record.data, land, outputs=sorted(wanted))
        found = [_stream(c, p, record, run, own, thinned, chains, rng) for p in c.streams]
        for group, parts in zip(pieces, zip(*found, strict=True), strict=True):
            pieces[group].append(xr.merge(parts, join="outer", compat="no_conflicts"))
    index = pd.Index([r.name for r in records], name="site")
    groups: dict[str, xr.Dataset | None] = {g: xr.concat(v, dim=index, join="outer") for g, v in pieces.items()}
    groups["posterior"] = xr.Dataset(
        {n: (("chain", "draw", "site"), v.reshape(*shape, -1)) for n, v in values.items()}, coords=chains | {"site": index}
    )
    constant = groups["constant_data"]
    assert constant is not None
    groups["constant_data"] = constant.assign({n: v == 1 for n, v in constant.data_vars.items() if str(n).endswith("_withheld")})
    return xr.DataTree.from_dict({f"/{n}": g for n, g in groups.items()})


def _new_calibration(c: Calibration, records: Sequence[SiteRecord], priors: Mapping[str, Mapping[str, Prior]]) -> Calibration:
    """Choices for the new sites alone: everything by site, no observations."""
    names = [r.name for r in records]
    pfts, largest, fractions = types_of([r.data for r in records])
    asked = list(c.groups.covariates)
    known = [covariates_of(r.data, asked) for r in records]
    groups = Groups(names, pfts, largest, {n: np.array([k[n] for k in known]) for n in asked}, fractions)
    chosen: dict[str, Prior | list[Prior]] = {}
    for name, prior in c.priors.items():
        if isinstance(prior, Prior):
            chosen[name] = prior
            continue
        absent = [s for s in names if s not in priors.get(name, {})]
        if absent:
            raise KeyError(f"the prior of {name!r} was given by site; give priors={{{name!r}: {{site: Prior}}}} for {', '.join(absent)}")
        found = [priors[name][s] for s in names]
        chosen[name] = found if len(found) > 1 else found[0]
    by_site = dict.fromkeys(c.pooling, none("site"))
    # Pooled alike they would be sampled in the model's own coordinates, which the draws are in only where the fitted sites were.
    land = c.process_model if grouped(c) else replace(c.process_model, coordinates=None)
    return replace(c, process_model=land, records=list(records), groups=groups, pooling=by_site, priors=chosen, earlier=None)


def _parameters(c: Calibration, new: Calibration, flat: xr.Dataset, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draws of parameters and initial pools at the new sites, (sample, site)."""
    with pm.Model(coords={"site": new.groups.sites, "pft": new.groups.pfts} if new.groups.several else {}) as built:
        add_parameters_and_streams(new, observed=False)
    (z,) = [v for v in built.free_RVs if v.name in ("z", "z_none_over_site")]
    names = [str(n) for n in built.coords[built.named_vars_to_dims[z.name][0]] or ()]
    wanted = [v for v in built.deterministics if v.name in c.declared]
    evaluate = pytensor.function([z], wanted, mode=COMPILED)
    weigh = pytensor.function([z], sum(pt.sum(v) for v in built.potentials), mode=COMPILED) if built.potentials else None
    members = Members(c, new, flat, names)

    def drawn(k: int) -> np.ndarray:
        return members.draw(k, rng) if new.groups.several else members.draw(k, rng)[:, 0]

    found = {str(v.name): np.empty((flat.sizes["sample"], len(new.records))) for v in wanted}
    for k in range(flat.sizes["sample"]):
        for v, value in zip(wanted, evaluate(_candidate(partial(drawn, k), weigh, rng)), strict=True):
            found[str(v.name)][k] = value
    return found


def _candidate(draw: Callable[[], np.ndarray], weigh: Callable[[np.ndarray], float] | None, rng: np.random.Generator) -> np.ndarray:
    """One of several draws, by the weight that the constraints give them; more are drawn while the constraints allow none."""
    if weigh is None:
        return draw()
    for _ in range(ROUNDS):
        tries = [draw() for _ in range(CANDIDATES)]
        logs = np.array([float(weigh(t)) for t in tries])
        if (allowed := np.isfinite(logs)).any():
            weights = np.where(allowed, np.exp(logs - logs[allowed].max()), 0.0)
            return tries[rng.choice(len(tries), p=weights / weights.sum())]
    return tries[0]


def _stream(
    c: Calibration,
    p: PreparedStream,
    record: SiteRecord,
    run: xr.Dataset,
    parameters: Mapping[str, Any],
    thinned: xr.Dataset,
    chains: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Predictions, observations and constants of one stream at one new site."""
    time = pd.DatetimeIndex(record.data["time"].values)
    there = p.name in record.data and bool(np.isfinite(record.data[p.name].values).any())
    if there:
        alone = prepare(p.stream, [record.data], [record.name], [np.ones(time.size, dtype=bool)], [partial(driver_of, record)])
        whole, uncertainty, place = alone.whole[0], alone.uncertainties[0], alone.places[0]
    else:
        whole = aggregation(time, np.ones(time.size, dtype=bool), p.stream.period)
        known = {n: whole.mean(driver_of(record, n)) for n in p.stream.error_model.drivers if n != "time"}
        uncertainty, place = np.zeros(whole.time.size), Place(whole.time, known | {"time": days_of(whole.time)})
    series, spread = predicted_series(c, p, record, run, parameters)
    mean = whole.mean(series)
    shape = mean.shape
    rows = mean.reshape(-1, shape[-1])
    uncertain = None if spread is None else whole.mean(spread).reshape(rows.shape)
    simulated = np.empty(rows.shape)
    donors = _donors(c, p, record)
    chosen = rng.choice(donors, size=rows.shape[0])
    for k in np.unique(chosen):
        at = np.flatnonzero(chosen == k)
        draws = {n: v[at] for n, v in error_draws(p, thinned, int(k)).items()}
        fitted = p.series[k]
        if f"{p.name}_knots" in draws:  # anomalies of the donor's own years say nothing here
            draws[f"{p.name}_knots"] = rng.standard_normal((at.size, fitted.years[1] * KNOTS_PER_YEAR))
        some = None if uncertain is None else uncertain[at]
        gain, systematic, random = simulate_errors(
            rng, p.stream.error_model, p.name, draws, fitted, whole.time, whole.gap, uncertainty, 0, rows[at], some, place
        )
        simulated[at] = gain * rows[at] + systematic + random
    axis, unit = f"time_{p.name}", {"units": quantity(p.stream.quantity).unit}
    dims = ("chain", "draw", axis)
    predicted = xr.Dataset(
        {p.name: (dims, simulated.reshape(shape).astype("float32"), unit), f"{p.name}_mean": (dims, mean.astype("float32"), unit)},
        coords={**chains, axis: whole.time},
    )
    observed = xr.Dataset({p.name: (axis, alone.values[0], unit)} if there else {}, coords={axis: whole.time})
    constant = xr.Dataset(
        {f"{p.name}_uncertainty": (axis, uncertainty, unit), f"{p.name}_withheld": (axis, np.ones(whole.time.size))},
        coords={axis: whole.time},
    )
    return predicted, observed, constant


def _donors(c: Calibration, p: PreparedStream, record: SiteRecord) -> np.ndarray:
    """Fitted sites with the stream whose errors stand for those of a new one: of the same type where there are any."""
    pft = str(record.data["pft"].item()) if "pft" in record.data.coords or "pft" in record.data else ""
    alike = [k for k, i in enumerate(p.members) if c.groups.pfts[c.groups.pft_of_site[i]] == pft]
    return np.array(alike or range(len(p.members)))
