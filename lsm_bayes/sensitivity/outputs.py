"""Scalars of a model of which sensitivities are asked: misfit, log-likelihood and mean prediction of each stream, whole or by period."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pymc.distributions.moments import mean as mean_of

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.priors import value
from lsm_bayes.declare import ProcessModel
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import unknown

Period = Literal["record", "year", "month", "month_of_year", "step"]
PERIODS = {"record": "all of it", "year": "", "month": "", "month_of_year": "", "step": "each observation"}
MEASURES = {
    "rmse": "root mean square of prediction less observation, in the unit of the stream",
    "mean": "mean prediction, in the unit of the stream",
    "log_likelihood": "log density of the observations, nats",
}


def predictions(model: pm.Model) -> dict[str, Any]:
    """Mean of each observed variable, before its errors.

    Parameters
    ----------
    model : pymc.Model
        Any model.

    Returns
    -------
    dict of str to tensor
        By name, shape (observation,).

    Raises
    ------
    ValueError
        For a distribution whose mean PyMC does not know.
    """
    ours = isinstance(getattr(model, "calibration", None), Calibration)
    found = {}
    for rv in model.observed_RVs:
        streams = {p.name for p in model.calibration.streams} if ours else set()
        try:
            mean = rv.owner.op.dist_params(rv.owner)[0] if rv.name in streams else mean_of(rv)
        except NotImplementedError as reason:
            raise ValueError(f"the mean of {rv.name!r} is not known ({reason}); name a Deterministic of the model as output") from reason
        found[rv.name] = pt.broadcast_to(pt.as_tensor(mean, allow_xtensor_conversion=True), _observed(model, rv).shape).ravel()
    return found


def _observed(model: pm.Model, rv: Any) -> NDArray:
    return np.asarray(model.rvs_to_values[rv].eval(), dtype=float)


def stream_outputs(model: pm.Model, measure: str, by: Period) -> tuple[list[Any], pd.DataFrame]:
    """Write a measure of each stream as a tensor.

    Parameters
    ----------
    model : pymc.Model
        With observed variables.
    measure : {"rmse", "mean", "log_likelihood"}
        Which.
    by : {"record", "year", "month", "month_of_year", "step"}
        Over which period; those of the calendar are known for models of `build_model`.

    Returns
    -------
    list of tensor
        Vectors, functions of the model's random variables.
    pandas.DataFrame
        A row for each of their elements: ``output``, ``stream``, ``time``.

    Raises
    ------
    ValueError
        For a model without observations, unknown periods, and calendar periods of a model whose times are not known.
    """
    if by not in PERIODS:
        raise ValueError(unknown("period", by, PERIODS))
    if not model.observed_RVs:
        raise ValueError(f"the model has no observed variable, so it has no {measure}; name variables of the model as outputs")
    times, tensors, rows = _times(model, by), [], []
    means = predictions(model) if measure != "log_likelihood" else {}
    for rv in model.observed_RVs:
        observed = _observed(model, rv).ravel()
        if measure == "log_likelihood":
            terms = pt.as_tensor(model.logp(vars=[rv], sum=False)[0], allow_xtensor_conversion=True).ravel()
            if by != "record" and rv.owner.op.ndim_supp:
                raise ValueError(f"{rv.name!r} has one log density for all observations; give by='record', or another measure")
        else:
            terms = (means[rv.name] - observed) ** 2 if measure == "rmse" else means[rv.name]
        if by == "record":
            whole = pt.sum(terms) if measure == "log_likelihood" else pt.mean(terms)
            values, labels = whole[None], [np.nan]
        else:
            values, labels = _grouped(terms, times.get(rv.name), by, observed.size, measure != "log_likelihood")
        tensors.append(pt.sqrt(values) if measure == "rmse" else values)
        rows += [(f"{measure} {rv.name}", rv.name, t) for t in labels]
    if measure == "log_likelihood" and by == "record" and len(tensors) > 1:
        tensors.insert(0, pt.sum(pt.concatenate(tensors))[None])
        rows.insert(0, ("log_likelihood", "all", np.nan))
    return tensors, pd.DataFrame(rows, columns=["output", "stream", "time"])


def _times(model: pm.Model, by: Period) -> dict[str, pd.DatetimeIndex]:
    c = getattr(model, "calibration", None)
    if isinstance(c, Calibration):
        return {p.name: pd.DatetimeIndex(np.concatenate([a.time for a in p.fitted])) for p in c.streams}
    if by not in ("record", "step"):
        raise ValueError(f"by={by!r} needs the times of the observations, which models of build_model have; use 'record' or 'step'")
    return {}


def _grouped(terms: Any, time: pd.DatetimeIndex | None, by: Period, size: int, average: bool) -> tuple[Any, list[Any]]:
    """Sum or average over periods; with the label of each."""
    if by == "step" or time is None:
        return terms, list(time) if time is not None else list(range(size))
    keys = time.month if by == "month_of_year" else time.to_period("M" if by == "month" else "Y").to_timestamp()
    labels, members = np.unique(np.asarray(keys), return_inverse=True)
    sums = np.zeros((labels.size, size))
    sums[members, np.arange(size)] = 1.0
    return pt.dot(pt.constant(sums / sums.sum(axis=1, keepdims=True) if average else sums), terms), list(labels)


def named_outputs(given: Mapping[str, Any]) -> tuple[list[Any], pd.DataFrame]:
    """Label tensors of the model's variables as outputs.

    Parameters
    ----------
    given : mapping of str to tensor
        By name; each element of a vector is an output of its own.

    Returns
    -------
    list of tensor
        Vectors.
    pandas.DataFrame
        As of `stream_outputs`.
    """
    tensors, rows = [], []
    for name, tensor in given.items():
        flat = pt.as_tensor(tensor, allow_xtensor_conversion=True)
        scalar = flat.ndim == 0
        size = 1 if scalar else int(np.prod(flat.shape.eval()))
        tensors.append(pt.atleast_1d(flat).ravel())
        rows += [(name, name, np.nan if scalar else i) for i in range(size)]
    return tensors, pd.DataFrame(rows, columns=["output", "stream", "time"])


def prior_of_process_model(
    land: ProcessModel, data: xr.Dataset, outputs: Sequence[str], by: Period
) -> tuple[pm.Model, list[Any], pd.DataFrame]:
    """Give the parameters and initial pools of a process model their declared priors, and run it.

    Parameters
    ----------
    land : ProcessModel
        The land model.
    data : xarray.Dataset
        Forcing of one site.
    outputs : sequence of str
        Fluxes, states or quantities of the model; their mean over each period.
    by : {"record", "year", "month", "month_of_year", "step"}
        The periods.

    Returns
    -------
    pymc.Model
        Standard normal coordinates ``z``, by parameter.
    list of tensor
        As of `stream_outputs`.
    pandas.DataFrame
        As of `stream_outputs`.

    Raises
    ------
    ValueError
        For an unknown period and data of several sites.
    """
    if by not in PERIODS:
        raise ValueError(unknown("period", by, PERIODS))
    if "site" in data.dims:
        if data.sizes["site"] > 1:
            raise ValueError(f"the data have {data.sizes['site']} sites; choose one with data.isel(site=0)")
        data = data.isel(site=0)
    declared = {n: d for n, (d, _) in {**land.parameter_table, **land.state_parameters}.items() if not d.fixed}
    with pm.Model(coords={"parameter": list(declared)}) as model:
        z = pm.Normal("z", 0.0, 1.0, dims="parameter")
        values = {n: pm.Deterministic(n, value(z[i], d)) for i, (n, d) in enumerate(declared.items())}
        run = simulate(land, data, values, outputs=list(outputs))
    tensors, rows, time = [], [], pd.DatetimeIndex(data["time"].values)
    for name in outputs:
        # States have an instant more than there are steps: the last.
        series = run[name][: time.size]
        found, labels = (pt.mean(series)[None], [np.nan]) if by == "record" else _grouped(series, time, by, time.size, True)
        tensors.append(found)
        rows += [(f"mean {name}", name, t) for t in labels]
    return model, tensors, pd.DataFrame(rows, columns=["output", "stream", "time"])
