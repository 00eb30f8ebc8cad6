"""Forcing of a process model from a data set: units, clock, latitude, and clear errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.declare import ProcessModel
from lsm_bayes.vocabulary import QUANTITIES, SUBSTEP, convert, quantity

_CLOCK = ("day_of_year", "day_number", "step_length")
_ZERO_WHEN_ABSENT = ("burned_area", "irrigation")


@dataclass(frozen=True)
class Forcing:
    """Forcing of one run as arrays.

    Attributes
    ----------
    varying : dict
        Name to array of shape (time,) or (site, time); forcing of a nested step (time, substep) or (site, time, substep).
    folded : tuple of (str, float)
        Forcing that is a constant of the kernel.
    time : pandas.DatetimeIndex
        Start of each step.
    sites : list of str or None
        Sites, when the data have that dimension.
    """

    varying: dict[str, np.ndarray]
    folded: tuple[tuple[str, float], ...]
    time: pd.DatetimeIndex
    sites: list[str] | None


def step_lengths(time: pd.DatetimeIndex) -> float:
    """Return the length of the steps of a time axis.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Regular in days or finer, or the first days of months.

    Returns
    -------
    float
        d; the mean length for months.

    Raises
    ------
    ValueError
        When the axis has gaps or repeats; the message says where.
    """
    if len(time) < 2:
        raise ValueError(f"a forcing series needs at least two steps, got {len(time)}")
    days = np.diff(time.values).astype("timedelta64[s]").astype(float) / 86400.0
    if days.min() > 27 and days.max() < 32:
        return float(days.mean())
    odd = np.flatnonzero(np.abs(days - np.median(days)) > 1e-6)
    if odd.size:
        raise ValueError(
            f"the time axis is not regular: between {time[odd[0]]} and {time[odd[0] + 1]} there are {days[odd[0]]:g} days, "
            f"elsewhere {np.median(days):g}; give every step once, in order, with no step missing"
        )
    return float(np.median(days))


def whole_years(time: pd.DatetimeIndex, years: int | None = None) -> tuple[int, int]:
    """Count the steps of the whole years at the start of a time axis.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Start of each step, of any length.
    years : int, optional
        How many years; default as many as there are.

    Returns
    -------
    tuple of int
        Steps and years; all steps and 0 where there is less than a year and no number of years is asked for.

    Raises
    ------
    ValueError
        When there are fewer years than asked for.
    """
    if years is not None and years < 1:
        raise ValueError(f"a cycle has at least one year, got {years}")
    last = time[-1] - time[-2] if len(time) > 1 else pd.Timedelta(0)
    # Months differ in length: the end of the last step is known to within a few days.
    end = time[-1] + 1.5 * last
    found = 0
    while time[0] + pd.DateOffset(years=found + 1) <= end and found != years:
        found += 1
    if years is not None and found < years:
        raise ValueError(f"{years} whole years are asked for; {time[0]:%Y-%m-%d} to {time[-1]:%Y-%m-%d} has {found}")
    return (int((time < time[0] + pd.DateOffset(years=found)).sum()) if found else len(time)), found


def forcing_arrays(model: ProcessModel, data: xr.Dataset) -> Forcing:
    """Collect what a process model is driven by.

    Parameters
    ----------
    model : ProcessModel
        The model.
    data : xarray.Dataset
        Dimensions ``time`` and optionally ``site``; variables under their vocabulary name or an alias, with ``units``. Day of the
        year, day number (from 1 January of the first year) and step length come from the time axis unless they are given: with
        ``step_length`` in the data, steps may differ in length (day and night). Latitude may be a coordinate; burned area and
        irrigation are zero when they are absent. Forcing that the model derives from other forcing need not be given. Forcing of a
        nested step has a last dimension ``substep`` (see `lsm_bayes.datasets.with_substeps`); solar hours that are not given are those of
        the time axis.

    Returns
    -------
    Forcing
        Arrays in the units of the vocabulary.

    Raises
    ------
    KeyError
        When a column is missing; the message lists what is there.
    ValueError
        When units are missing or do not convert, or values are missing; the message says where.
    """
    if "time" not in data.dims:
        raise ValueError(f"the forcing has no dimension 'time'; it has {', '.join(map(str, data.dims)) or 'none'}")
    time = pd.DatetimeIndex(data["time"].values)
    sites = [str(s) for s in data["site"].values] if "site" in data.dims else None
    given = "step_length" in data and "step_length" in model.forcing_quantities
    length: Any = _given_lengths(model, data, time, sites) if given else step_lengths(time)
    middle = (time - pd.Timestamp(time[0].year, 1, 1)) / pd.Timedelta(days=1) + 0.5 * length
    whole = bool(np.all(np.asarray(length) == 1.0))
    of_year = np.asarray(time.day_of_year, dtype=float)
    since_midnight = np.asarray((time - time.normalize()) / pd.Timedelta(days=1), dtype=float)
    clock = {
        "day_of_year": of_year if whole else of_year - 1 + since_midnight + 0.5 * length,
        "day_number": np.asarray(middle, dtype=float),
        "step_length": length,
    }
    shape = (len(sites), time.size) if sites is not None else (time.size,)
    values: dict[str, Any] = {}
    for name in dict.fromkeys((*model.forcing._fields, *model.given_forcing)):  # type: ignore[attr-defined]
        if name in _CLOCK and (name not in data or name == "step_length"):
            values[name] = clock[name]
        elif name in _ZERO_WHEN_ABSENT and _find(name, data) is None:
            values[name] = 0.0
        elif name in model.given_forcing or _find(name, data) is not None:
            values[name] = _column(model, name, data, time, sites)
    made = model.completed({n: _with_site(v, shape) for n, v in values.items()})
    values = {n: made[n] for n in model.forcing_quantities}
    folded = {n: float(values[n]) for n in model.folded if n in values and np.ndim(values[n]) == 0}
    varying = {n: np.broadcast_to(_with_site(v, shape), shape) for n, v in values.items() if n not in folded}
    return Forcing(varying | _nested_forcing(model, data, time, sites), tuple(sorted(folded.items())), time, sites)


def _nested_forcing(model: ProcessModel, data: xr.Dataset, time: pd.DatetimeIndex, sites: list[str] | None) -> dict[str, np.ndarray]:
    if model.nested is None:
        return {}
    shape = (*((len(sites),) if sites is not None else ()), time.size, model.nested.steps)
    found = {}
    for name in model.nested_forcing:
        if name == "solar_hour" and name not in data:
            start = np.asarray((time - time.normalize()) / pd.Timedelta(hours=1), dtype=float)
            length = 24.0 * step_lengths(time) / model.nested.steps
            values = (start[:, None] + (np.arange(model.nested.steps) + 0.5) * length) % 24.0
        else:
            values = _column(model, name, data, time, sites, model.nested.steps)
        found[name] = np.broadcast_to(values, shape)
    return found


def _given_lengths(model: ProcessModel, data: xr.Dataset, time: pd.DatetimeIndex, sites: list[str] | None) -> np.ndarray | float:
    if not time.is_monotonic_increasing or time.has_duplicates:
        raise ValueError("the time axis does not increase; give every step once, in order")
    column = _column(model, "step_length", data, time, sites)
    if not (column > 0).all():
        raise ValueError(f"the step length must be positive, the smallest is {column.min():g} d")
    return float(column) if column.ndim == 0 else column


def _with_site(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value, dtype=float)
    return array[:, None] if array.ndim == 1 and len(shape) == 2 and array.shape[0] == shape[0] != shape[1] else array


def _find(name: str, data: xr.Dataset) -> str | None:
    q = QUANTITIES.get(name)
    candidates = [name, *((*q.fluxnet, *q.alma, *q.cf) if q else ())]
    return next((c for c in candidates if c in data.variables), None)


def _column(
    model: ProcessModel, name: str, data: xr.Dataset, time: pd.DatetimeIndex, sites: list[str] | None, substeps: int | None = None
) -> np.ndarray:
    found = _find(name, data)
    wanted = model.forcing_quantities.get(name) or model.nested_forcing.get(name) or QUANTITIES[name]
    if found is None:
        there = ", ".join(sorted(map(str, data.variables)))
        raise KeyError(
            f"{model.name} needs the forcing {name!r} ({wanted.description}, {wanted.unit}); "
            f"the data have {there}. Add the column or rename it."
        )
    column = data[found]
    unit = column.attrs.get("units")
    if unit is None and name in ("latitude", "elevation"):
        unit = wanted.unit
    if unit is None:
        raise ValueError(f"forcing {found!r} has no units; set data[{found!r}].attrs['units'], {wanted.unit!r} is what {model.name} uses")
    order = [d for d in ("site", "time", SUBSTEP) if d in column.dims]
    accepted = ("site", "time") if substeps is None else ("site", "time", SUBSTEP)
    if set(column.dims) - set(accepted):
        raise ValueError(
            f"forcing {found!r} has the dimensions {', '.join(map(str, column.dims))}; only {' and '.join(accepted)} are accepted"
        )
    if substeps is not None and column.sizes.get(SUBSTEP) != substeps:
        there = ", ".join(f"{d}: {n}" for d, n in column.sizes.items())
        raise ValueError(
            f"{model.name} runs {substeps} times within each step, so the forcing {found!r} needs a dimension {SUBSTEP!r} of that size; "
            f"it has {there}. lsm_bayes.datasets.with_substeps makes it from sub-daily data"
        )
    values = convert(column.transpose(*order).values, str(unit), quantity(name).unit if name in QUANTITIES else wanted.unit)
    missing = ~np.isfinite(values)
    if missing.any():
        first = tuple(int(i) for i in np.argwhere(missing)[0])
        where = f"{time[first[order.index('time')]]:%Y-%m-%d}" if "time" in order else ""
        site = f" at {sites[first[0]]}" if sites is not None and "site" in order else ""
        raise ValueError(
            f"forcing {found!r} has {int(missing.sum())} missing values, the first{site} on {where}; fill gaps or shorten the period"
        )
    return values


def defaults(model: ProcessModel) -> dict[str, float]:
    """Return the declared defaults of parameters and initial states.

    Parameters
    ----------
    model : ProcessModel
        The model.

    Returns
    -------
    dict
        Name to value in the declared unit.
    """
    return {name: default for name, (_, default) in model.calibrated.items()}


def merged(model: ProcessModel, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return all parameters and initial states, defaults where none are given.

    Parameters
    ----------
    model : ProcessModel
        The model.
    parameters : mapping, optional
        Name to value.

    Returns
    -------
    dict
        In the order of the declaration.

    Raises
    ------
    KeyError
        For a name that the model does not have.
    """
    from lsm_bayes.vocabulary import unknown

    given = dict(parameters or {})
    for name in given:
        if name not in model.calibrated:
            raise KeyError(f"{model.name}: {unknown('parameter or initial state', name, model.calibrated)}")
    return defaults(model) | given
