"""Posterior prediction of all streams over the whole record, budgets, and the groups that a report reads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.choices import Calibration, SiteRecord
from lsm_bayes.calibration.operators import predicted_series, simulated_inputs
from lsm_bayes.calibration.simultaneous import correlated_streams, moments
from lsm_bayes.calibration.streams import PreparedStream, parameter_name
from lsm_bayes.errors.simulation import effective_values, simulate_errors, simulate_innovations
from lsm_bayes.errors.terms import Innovations
from lsm_bayes.simulation import simulate

# Fluxes that budgets and reports show where a model has them.
DIAGNOSED = ("gpp", "reco", "nee", "nbe", "autotrophic_respiration", "heterotrophic_respiration", "fire_emission")


def calibration_of(model: pm.Model) -> Calibration:
    """Return what a PyMC model was built from.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.

    Returns
    -------
    Calibration
        The choices.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    """
    found = getattr(model, "calibration", None)
    if not isinstance(found, Calibration):
        raise TypeError("prediction needs a model from lsm_bayes.calibration.build_model; this pm.Model carries no 'calibration'")
    return found


def parameters_at(c: Calibration, posterior: xr.Dataset, site: int) -> dict[str, xr.DataArray]:
    """Draws of all parameters and initial pools at one site.

    Parameters
    ----------
    c : Calibration
        The choices.
    posterior : xarray.Dataset
        Draws with dims ``chain`` and ``draw``.
    site : int
        Place of the site.

    Returns
    -------
    dict of str to DataArray
        (chain, draw), or a number for fixed ones.
    """
    found: dict[str, Any] = {}
    for name in c.declared:
        if name in c.fixed:
            found[name] = c.fixed[name]
            continue
        draws = posterior[name]
        if "site" in draws.dims:
            draws = draws.isel(site=site)
        elif "pft" in draws.dims:
            draws = draws.isel(pft=int(c.groups.pft_of_site[site]))
        found[name] = draws.drop_vars([v for v in draws.coords if v not in ("chain", "draw")])
    return found


def predict(model: pm.Model, tree: xr.DataTree, *, draws: int = 400, seed: int = 0) -> xr.DataTree:
    """Add predictions of all streams, drivers and the carbon budget to a result.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    tree : xarray.DataTree
        With a ``posterior`` group of that model.
    draws : int
        Draws that are run, thinned evenly from all chains.
    seed : int
        Seed of the simulated errors.

    Returns
    -------
    xarray.DataTree
        The same tree with groups ``posterior_predictive`` (simulated observations, and ``<stream>_mean`` for the operator without error;
        training and withheld periods), ``observed_data``, ``constant_data``, ``forcing`` and ``budget``. Errors are simulated afresh: the
        bands of the training period are not drawn to its residuals. Correlation of errors between streams is simulated, that between
        sites is not.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    """
    c = calibration_of(model)
    posterior = tree["posterior"].to_dataset()
    step = max(1, posterior.sizes["chain"] * posterior.sizes["draw"] // draws)
    thinned = posterior.isel(draw=slice(None, None, step))
    rng = np.random.default_rng(seed)
    together = correlated_streams([p.stream for p in c.streams])
    pieces: dict[str, list[xr.Dataset]] = {
        "posterior_predictive": [],
        "observed_data": [],
        "constant_data": [],
        "forcing": [],
        "budget": [],
    }
    for i, record in enumerate(c.records):
        parameters = parameters_at(c, thinned, i)
        run = _site_run(c, record, parameters)
        predicted, observed, constant = [], [], []
        innovations: dict[str, Innovations] = {}
        for p in c.streams:
            k = p.place_of(i)
            if k is None:
                continue
            own = error_draws(p, thinned, k)
            if p.name in together:
                times = moments(p.whole[k].time, p.stream.period)
                innovations[p.name] = simulate_innovations(rng, p.stream.error_model, p.name, own, times, innovations)
            a, b, d = _stream(c, p, k, record, run, parameters, thinned, rng, own, innovations.get(p.name))
            predicted.append(a)
            observed.append(b)
            constant.append(d)
        pieces["posterior_predictive"].append(xr.merge(predicted, join="outer", compat="no_conflicts"))
        pieces["observed_data"].append(xr.merge(observed, join="outer", compat="no_conflicts"))
        pieces["constant_data"].append(xr.merge(constant, join="outer", compat="no_conflicts"))
        pieces["forcing"].append(_drivers(record))
        pieces["budget"].append(_budget(c, record, run))
    for group, parts in pieces.items():
        joined = xr.concat(parts, dim=pd.Index([r.name for r in c.records], name="site"), join="outer")
        for v in joined.variables.values():
            v.encoding = {}
        tree[group] = xr.DataTree(_booleans(joined))
    return tree


def _booleans(data: xr.Dataset) -> xr.Dataset:
    """Masks became floats where sites have different times; a time without observation counts as fitted."""
    return data.assign({n: (v == 1).assign_attrs(v.attrs) for n, v in data.data_vars.items() if str(n).endswith("_withheld")})


def _site_run(c: Calibration, record: SiteRecord, parameters: Mapping[str, Any]) -> xr.Dataset:
    model = c.process_model
    wanted = {i for p in c.streams for i in simulated_inputs(model, p.operator)}
    budget = model.budgets.get("carbon")
    if budget is not None:
        wanted |= {*budget.stock, *budget.gain, *budget.loss, *(n for n in DIAGNOSED if n in model.flux_quantities)}
    return simulate(model, record.data, {n: v for n, v in parameters.items() if n in model.calibrated}, outputs=sorted(wanted))


def _stream(
    c: Calibration,
    p: PreparedStream,
    i: int,
    record: SiteRecord,
    run: xr.Dataset,
    parameters: Mapping[str, Any],
    thinned: xr.Dataset,
    rng: np.random.Generator,
    draws: dict[str, np.ndarray],
    innovations: Innovations | None,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    series, spread = predicted_series(c, p, record, run, parameters)
    whole = p.whole[i]
    mean = whole.mean(series)
    shape = mean.shape
    flat = mean.reshape(-1, shape[-1])
    # Of means over periods too: the error of an operator does not average out.
    uncertain = None if spread is None else whole.mean(spread).reshape(flat.shape)
    start = sum(s.years[1] for s in p.series[:i]) * 12
    gain, systematic, random = simulate_errors(
        rng,
        p.stream.error_model,
        p.name,
        draws,
        p.series[i],
        whole.time,
        whole.gap,
        p.uncertainties[i],
        start,
        flat,
        uncertain,
        p.places[i],
        None if innovations is None else innovations.value,
    )
    simulated = (gain * flat + systematic + random).reshape(shape)
    axis = f"time_{p.name}"
    units = {"units": str(record.data[p.name].attrs.get("units", "")), "long_name": str(record.data[p.name].attrs.get("long_name", p.name))}
    chains = {"chain": thinned["chain"].values, "draw": thinned["draw"].values}
    coords = chains | {axis: whole.time}
    dims = ("chain", "draw", axis)
    predicted = xr.Dataset(
        {p.name: (dims, simulated.astype("float32"), units), f"{p.name}_mean": (dims, mean.astype("float32"), units)}, coords=coords
    )
    observed = xr.Dataset({p.name: (axis, p.values[i], units)}, coords={axis: whole.time})
    # A period belongs to the withheld part when all its steps do.
    last = whole.last - 1 if whole.last.size else np.arange(whole.steps.size)
    withheld = ~record.training[whole.steps[last]]
    fitted = p.series[i]
    at_fitted = p.fitted[i].mean(series).reshape(flat.shape[0], -1)
    its_sd = None if spread is None else p.fitted[i].mean(spread).reshape(at_fitted.shape)
    worth = effective_values(p.stream.error_model, p.name, draws, fitted, at_fitted, its_sd).mean()
    constant = xr.Dataset(
        {
            f"{p.name}_uncertainty": (axis, p.uncertainties[i], units),
            f"{p.name}_withheld": (axis, withheld.astype(float)),
            f"{p.name}_fitted_values": ((), float(fitted.values.size)),
            f"{p.name}_effective_values": ((), float(worth)),
        },
        coords={axis: whole.time},
    )
    return predicted, observed, constant


def error_draws(p: PreparedStream, thinned: xr.Dataset, member: int) -> dict[str, np.ndarray]:
    """Take the draws of the error parameters of a stream at one of its sites.

    Parameters
    ----------
    p : PreparedStream
        The stream.
    thinned : xarray.Dataset
        Draws, dimensions ``chain`` and ``draw``.
    member : int
        Which of the sites where it is observed.

    Returns
    -------
    dict of str to numpy.ndarray
        (chain times draw, ...), those shared with other streams too.
    """
    found, own = {}, {parameter_name(p.name, n) for n in p.operator.parameter_table}
    for name in map(str, thinned.data_vars):
        if (name.startswith(f"{p.name}_") and not name.endswith("_z") and name not in own) or name in p.stream.error_model.shared:
            v = thinned[name]
            for dim in ("site", f"{p.name}_site"):
                if dim in v.dims:
                    v = v.isel({dim: member})
            values = v.transpose("chain", "draw", ...).values
            found[name] = values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])
    return found or {"": np.zeros(thinned.sizes["chain"] * thinned.sizes["draw"])}


def _drivers(record: SiteRecord) -> xr.Dataset:
    names = [n for n, v in record.data.data_vars.items() if n in record.forcing.varying and v.dims == ("time",)]
    found = record.data[names]
    return found.drop_vars([v for v in found.coords if v != "time"]).assign_coords(
        pft=str(record.data.coords["pft"].item()) if "pft" in record.data.coords else "unknown"
    )


def _budget(c: Calibration, record: SiteRecord, run: xr.Dataset) -> xr.Dataset:
    """Annual sums of complete calendar years, gC m-2 yr-1, and what is left over: zero but for rounding."""
    budget = c.process_model.budgets.get("carbon")
    time = record.forcing.time
    years = [y for y in np.unique(time.year) if (time.year == y).sum() >= 365]
    if budget is None or budget.amount is not None or not years:
        return xr.Dataset()
    stock = run[list(budget.stock)].to_array().sum("variable")
    first = [int(np.flatnonzero(time.year == y)[0]) for y in years]
    last = [int(np.flatnonzero(time.year == y)[-1]) + 1 for y in years]
    change = xr.concat(
        [stock.isel(instant=b, drop=True) - stock.isel(instant=a, drop=True) for a, b in zip(first, last, strict=True)], dim="year"
    )
    names = list(dict.fromkeys([*budget.gain, *budget.loss, *(n for n in DIAGNOSED if n in run)]))
    sums = {n: xr.concat([run[n].isel(time=slice(a, b)).sum("time") for a, b in zip(first, last, strict=True)], dim="year") for n in names}
    net = sum(sums[n] for n in budget.gain) - sum(sums[n] for n in budget.loss)
    table = xr.Dataset({**sums, "delta_storage": change, "closure": change - net}).assign_coords(year=years)
    for v in table.data_vars.values():
        v.attrs = {"units": "gC m-2 yr-1"}
    return table
