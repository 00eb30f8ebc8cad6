"""Composites of satellites: the mean or the largest value of the observed days of each period."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
from pytensor.graph.basic import Variable


@dataclass(frozen=True)
class Composites:
    """Which observed steps make up each composite.

    Attributes
    ----------
    steps : numpy.ndarray of int
        Shape (composite, longest): places in the series; short composites repeat their last step.
    count : numpy.ndarray of int
        Steps of each composite.
    time : pandas.DatetimeIndex
        First day of the period of each.
    """

    steps: np.ndarray
    count: np.ndarray
    time: pd.DatetimeIndex

    def mean(self, series: Any) -> Any:
        """Average.

        Parameters
        ----------
        series : array or tensor
            Time last.

        Returns
        -------
        array or tensor
            Composite last.
        """
        return (series[..., self.steps] * (self._own() / self.count[:, None])).sum(axis=-1)

    def maximum(self, series: Any) -> Any:
        """Take the largest value, as maximum-value composites of vegetation indices do (Holben 1986, doi 10.1080/01431168608948945).

        Parameters
        ----------
        series : array or tensor
            Time last.

        Returns
        -------
        array or tensor
            Composite last.
        """
        # Without the repeated steps: the gradient of a maximum goes to each that reaches it.
        choose = pt.where if isinstance(series, Variable) else np.where
        return choose(self._own(), series[..., self.steps], -np.inf).max(axis=-1)

    def _own(self) -> np.ndarray:
        return np.arange(self.steps.shape[1]) < self.count[:, None]


def composites(time: pd.DatetimeIndex, observed: np.ndarray | None = None, days: int = 8) -> Composites:
    """Find the periods of composites, which begin anew each year: those of 8 days are the 46 of MODIS.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Of each step, ascending.
    observed : numpy.ndarray of bool, optional
        Which steps count, such as those without clouds; default all.
    days : int
        Length of a period; the last of a year is what is left.

    Returns
    -------
    Composites
        Only of periods with an observed step.

    Raises
    ------
    ValueError
        When times do not ascend, the mask does not fit or nothing is observed.
    """
    mask = np.ones(len(time), dtype=bool) if observed is None else np.asarray(observed)
    if mask.shape != (len(time),) or mask.dtype != bool:
        raise ValueError(f"the mask has one truth value for each of {len(time)} steps; got the shape {mask.shape}, {mask.dtype}")
    if days < 1 or not mask.any() or not time.is_monotonic_increasing:
        raise ValueError(
            f"composites need ascending times, observed steps and a period of at least a day; got {days} days, {mask.sum()} steps"
        )
    chosen = np.flatnonzero(mask)
    year, period = time.year.to_numpy()[chosen], (time.day_of_year.to_numpy()[chosen] - 1) // days
    first = np.flatnonzero(np.r_[True, (np.diff(year) != 0) | (np.diff(period) != 0)])
    count = np.diff(np.r_[first, chosen.size])
    inside = np.minimum(np.arange(count.max()), count[:, None] - 1)
    start = pd.to_datetime(pd.Series(year[first]).astype(str)) + pd.to_timedelta(period[first] * days, unit="D")
    return Composites(chosen[first[:, None] + inside], count, pd.DatetimeIndex(start))
