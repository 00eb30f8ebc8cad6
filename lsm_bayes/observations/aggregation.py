"""Means over calendar periods of the steps that were observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from lsm_bayes.vocabulary import unknown

PERIODS = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
FEWEST = {"day": 1, "week": 4, "month": 15, "year": 300}  # observed days that a mean needs


@dataclass(frozen=True)
class Aggregation:
    """Which steps make up each observation of one site.

    Attributes
    ----------
    steps : numpy.ndarray of int
        Observed steps, in order.
    last : numpy.ndarray of int
        For each observation, one past the place in `steps` of its last step; empty where each step is an observation.
    time : pandas.DatetimeIndex
        Time of each observation: the step, or the middle of the period.
    gap : numpy.ndarray
        Distance to the previous observation in units of the usual spacing; infinite for the first.
    """

    steps: np.ndarray
    last: np.ndarray
    time: pd.DatetimeIndex
    gap: np.ndarray

    def mean(self, series: Any) -> Any:
        """Average a series over each observation.

        Parameters
        ----------
        series : array or tensor
            Time in the last dimension.

        Returns
        -------
        array or tensor
            Observations in the last dimension.
        """
        chosen = series[..., self.steps]
        if not self.last.size:
            return chosen
        count = np.diff(self.last, prepend=0)
        if isinstance(series, Variable):
            total = pt.cumsum(chosen, axis=-1)[..., self.last - 1]
            before = pt.concatenate([pt.zeros_like(total[..., :1]), total[..., :-1]], axis=-1)
            return (total - before) / count
        first = np.concatenate([[0], self.last[:-1]])
        return np.add.reduceat(chosen, first, axis=-1) / count


def combined(parts: Sequence[Aggregation], offsets: Sequence[int]) -> Aggregation:
    """Join the aggregations of several sites whose series stand behind each other in one vector.

    Parameters
    ----------
    parts : sequence of Aggregation
        One for each site.
    offsets : sequence of int
        Place of the first step of each site in the vector.

    Returns
    -------
    Aggregation
        Its `mean` takes the vector: one operation for all sites.
    """
    counts = np.cumsum([0, *(p.steps.size for p in parts)])
    ragged = any(p.last.size for p in parts)
    return Aggregation(
        np.concatenate([p.steps + o for p, o in zip(parts, offsets, strict=True)]),
        np.concatenate([p.last + c for p, c in zip(parts, counts[:-1], strict=True)]) if ragged else np.empty(0, dtype=int),
        parts[0].time.append([p.time for p in parts[1:]]),
        np.concatenate([p.gap for p in parts]),
    )


def aggregation(time: pd.DatetimeIndex, observed: np.ndarray, period: str) -> Aggregation:
    """Group the observed steps of one site into periods.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Start of each step (days).
    observed : numpy.ndarray of bool
        Which steps were observed.
    period : {"day", "week", "month", "year"}
        Weeks start on 1 January, so that none spans two years; a mean needs 4 observed days of a week, 15 of a month,
        300 of a year.

    Returns
    -------
    Aggregation
        The groups; observed steps of periods with too few are left out.

    Raises
    ------
    KeyError
        For an unknown period.
    """
    if period not in PERIODS:
        raise KeyError(unknown("aggregation period", period, PERIODS))
    steps = np.flatnonzero(observed)
    if period == "day":
        place, spacing = steps.astype(float), None
        chosen, last, when = steps, np.empty(0, dtype=int), time[steps]
    else:
        year, day = time.year.to_numpy(), time.day_of_year.to_numpy()
        within = {"week": np.minimum((day - 1) // 7, 51), "month": time.month.to_numpy() - 1, "year": np.zeros(len(time), dtype=int)}[
            period
        ]
        label = (year - year[0]) * {"week": 52, "month": 12, "year": 1}[period] + within
        kept, counts = np.unique(label[steps], return_counts=True)
        kept = kept[counts >= FEWEST[period]]
        chosen = steps[np.isin(label[steps], kept)]
        groups = label[chosen]
        last = np.flatnonzero(np.diff(groups, append=-1) != 0) + 1
        first = np.concatenate([[0], last[:-1]]).astype(int) if last.size else last
        when = time[(chosen[first] + chosen[last - 1]) // 2] if last.size else time[:0]
        place, spacing = groups[last - 1].astype(float) if last.size else np.empty(0), 1.0
    distance = np.diff(place)
    unit = spacing or (float(np.median(distance)) if distance.size else 1.0)
    return Aggregation(chosen, last, when, np.concatenate([[np.inf], distance / unit])[: len(when)])
