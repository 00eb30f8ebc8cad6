"""Series at coarser steps: means of weeks and months, sums of years, over the days that were observed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lsm_bayes.diagnostics.result import Stream
from lsm_bayes.vocabulary import unknown

STEPS = {"daily": 1.0, "weekly": 7.0, "monthly": 30.44, "annual": 365.25}
COMPLETE = {"daily": 1.0, "weekly": 4 / 7, "monthly": 0.5, "annual": 0.5}
"""Smallest fraction of a period that must be observed for it to have a value."""


@dataclass(frozen=True)
class Aggregated:
    """A series at a coarser step.

    Parameters
    ----------
    time : numpy.ndarray
        datetime64, start of the periods, shape (period,).
    values : numpy.ndarray
        Shape (..., period): mean over the valid times, or that mean times the length of the year for annual fluxes.
    split : numpy.ndarray
        bool, shape (period,): the flag that was given, which never changes inside a period.
    is_sum : bool
        Whether the values are sums.
    """

    time: np.ndarray
    values: np.ndarray
    split: np.ndarray
    is_sum: bool

    def unit(self, unit: str) -> str:
        """Return the unit of the values, given that of the stream.

        Parameters
        ----------
        unit : str
            Unit of the stream.

        Returns
        -------
        str
            Per year instead of per day for sums.
        """
        return f"{unit.removesuffix('d-1')}a-1" if self.is_sum else unit


def available_steps(stream: Stream) -> list[str]:
    """List the steps at which a stream can be looked at.

    Parameters
    ----------
    stream : Stream
        A stream.

    Returns
    -------
    list of str
        The stream's own step first. A stream whose step is none of them, such as LAI every 8 days, starts with
        ``native``, its own values.
    """
    own = stream.step_days
    return ([] if any(_same(own, d) for d in STEPS.values()) else ["native"]) + [s for s, d in STEPS.items() if d > 0.95 * own]


def _same(own: float, days: float) -> bool:
    return abs(own - days) < 0.1 * days


def aggregate(time: np.ndarray, values: np.ndarray, step: str, *, is_flux: bool, split: np.ndarray | None = None) -> Aggregated:
    """Aggregate a series to a coarser step.

    A period has a value when enough of the times that the series has in it are valid (4 of 7 days of a week, half of
    a month or year). Give model and observations the same gaps, then the aggregates are comparable. Weeks count from
    1 January and the last one of a year has 8 or 9 days, so that a week has the same place in every year.

    Parameters
    ----------
    time : numpy.ndarray
        datetime64, shape (time,).
    values : numpy.ndarray
        Shape (..., time); NaN where missing.
    step : str
        ``daily``, ``weekly``, ``monthly`` or ``annual``; the step of the series itself, or ``native``, changes
        nothing.
    is_flux : bool
        Whether the values are rates per day, so that annual values are sums.
    split : numpy.ndarray, optional
        bool, shape (time,): periods are cut where it changes.

    Returns
    -------
    Aggregated
        Periods in the order of time.

    Raises
    ------
    ValueError
        If the step is unknown.
    """
    if step not in (*STEPS, "native"):
        raise ValueError(unknown("step", step, (*STEPS, "native")))
    split = np.zeros(time.size, dtype=bool) if split is None else split
    own = float(np.median(np.diff(time) / np.timedelta64(1, "D"))) if time.size > 1 else 1.0
    if step == "native" or (step != "annual" and _same(own, STEPS[step])):
        return Aggregated(time, values, split, False)
    stamp = pd.DatetimeIndex(time)
    year = stamp.year.to_numpy()
    part = {
        "weekly": np.minimum((stamp.day_of_year.to_numpy() - 1) // 7, 51),
        "monthly": stamp.month.to_numpy(),
        "annual": np.zeros(time.size, dtype=int),
    }[step]
    key = (year * 100 + part) * 2 + split
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    matrix = np.zeros((time.size, first.size))
    matrix[np.arange(time.size), group] = 1.0
    valid = np.isfinite(values)
    count, total = valid @ matrix, np.where(valid, values, 0.0) @ matrix
    # the own step of the series decides how many times a full period has: a record that starts in summer is no full year
    needed = COMPLETE[step] * np.maximum(STEPS[step] / own, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count + 1e-9 >= needed, total / count, np.nan)
    is_sum = is_flux and step == "annual"
    days = np.where(pd.DatetimeIndex(time[first]).is_leap_year, 366, 365) if is_sum else 1
    order = np.argsort(time[first])
    return Aggregated(time[first][order], (mean * days)[..., order], split[first][order], is_sum)
