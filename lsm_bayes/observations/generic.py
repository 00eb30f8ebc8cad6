"""What brings a simulated series to what is observed and needs no instrument: mixing, normalisation, quantile matching, composites."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
from pytensor.graph.basic import Variable


def mixed_types(series: Any, fractions: Sequence[float] | np.ndarray, axis: int = -2) -> Any:
    """Average the series of several plant functional types by the fractions of the ground that they cover.

    Parameters
    ----------
    series : array or tensor
        Per ground area of each type, the types along `axis`.
    fractions : array_like
        One for each type, none negative; their sum is 1. Bare ground is a type: its series may be zero.
    axis : int
        Where the types are; by default in front of time.

    Returns
    -------
    array or tensor
        Without that axis.

    Raises
    ------
    ValueError
        When there is not one fraction for each type, or they do not add up to 1.
    """
    weights = np.asarray(fractions, dtype=float)
    types = series.type.shape[axis] if isinstance(series, Variable) else np.shape(series)[axis]
    if weights.ndim != 1 or types not in (None, weights.size):
        raise ValueError(f"one fraction for each of {types} types is needed; got fractions of the shape {weights.shape}")
    if (weights < 0).any() or not np.isclose(weights.sum(), 1.0, atol=1e-6):
        raise ValueError(f"fractions are not negative and add up to 1; got {weights.tolist()}, sum {weights.sum():.6g}")
    total = 0.0
    for k, weight in enumerate(weights):
        total = total + weight * (series.take(k, axis=axis) if isinstance(series, Variable) else np.take(series, k, axis=axis))
    return total


def mixed_footprint(inside: Any, outside: Any, fraction: Any) -> Any:
    """Mix two surfaces by how much of the footprint each fills.

    Parameters
    ----------
    inside, outside : array or tensor
        Series of the two surfaces, time last.
    fraction : array or tensor
        Weight of `inside`, 0 to 1: a number, or a series where the footprint changes.

    Returns
    -------
    array or tensor
        fraction * inside + (1 - fraction) * outside.

    Raises
    ------
    ValueError
        When a numeric fraction lies outside 0 to 1.
    """
    if not isinstance(fraction, Variable) and not ((np.asarray(fraction) >= 0) & (np.asarray(fraction) <= 1)).all():
        raise ValueError(f"the fraction of a footprint lies between 0 and 1; got {np.min(fraction):.6g} to {np.max(fraction):.6g}")
    return fraction * inside + (1.0 - fraction) * outside


def anomaly(series: Any) -> Any:
    """Take the mean over time away.

    Parameters
    ----------
    series : array or tensor
        Time last. Where an observation is missing, leave the step out of both series first: NaN spreads to all.

    Returns
    -------
    array or tensor
        Its mean is zero.
    """
    return series - series.mean(axis=-1, keepdims=True)


def standardised(series: Any) -> Any:
    """Take the mean over time away and divide by the standard deviation.

    Parameters
    ----------
    series : array or tensor
        As for `anomaly`.

    Returns
    -------
    array or tensor
        Mean zero, sd one; not finite for a constant series.
    """
    return anomaly(series) / series.std(axis=-1, keepdims=True)


def percent_of_range(series: Any) -> Any:
    """Express a series in percent of the range between its 5th and 95th percentile (after MacBean et al. 2015).

    Parameters
    ----------
    series : array or tensor
        As for `anomaly`; of tensors the order is taken as given in the gradient.

    Returns
    -------
    array or tensor
        0 at the 5th percentile, 100 at the 95th; beyond them below 0 and above 100. Indices are compared in this way where their
        scale is not trusted (doi 10.5194/bg-12-7185-2015; percentiles from memory).
    """
    low, high = _percentile(series, 5.0), _percentile(series, 95.0)
    return 100.0 * (series - low) / (high - low)


def _percentile(series: Any, percent: float) -> Any:
    if not isinstance(series, Variable):
        return np.percentile(series, percent, axis=-1, keepdims=True)
    ascending = pt.sort(series, axis=-1)
    place = percent / 100.0 * (series.shape[-1] - 1)
    below = pt.cast(pt.floor(place), "int64")
    above = pt.minimum(below + 1, series.shape[-1] - 1)
    low, high = (pt.shape_padright(ascending[..., k]) for k in (below, above))
    # NaN is sorted to the end, where a percentile would not meet it.
    return low + (place - below) * (high - low) + 0.0 * pt.shape_padright(ascending[..., -1])


@dataclass(frozen=True)
class QuantileMap:
    """Monotone piecewise-linear map that gives one series the distribution of another.

    Attributes
    ----------
    source, target : numpy.ndarray
        Quantiles of both; those of the source ascend strictly.
    """

    source: np.ndarray
    target: np.ndarray

    def __call__(self, series: Any) -> Any:
        """Apply to a series.

        Parameters
        ----------
        series : array or tensor
            In the unit of the source.

        Returns
        -------
        array or tensor
            In the unit of the target; beyond the outermost quantiles a line with the slope of the whole range. Differentiable between
            the quantiles.
        """
        # Not the slope of the outermost piece: it is steep where many values of the source are nearly the same.
        whole = (self.target[-1] - self.target[0]) / (self.source[-1] - self.source[0])
        slopes = np.r_[whole, np.diff(self.target) / np.diff(self.source), whole]
        starts, values = (np.r_[v[0], v] for v in (self.source, self.target))
        if isinstance(series, Variable):
            place = pt.searchsorted(pt.as_tensor(self.source), series, side="right")
            start, value, slope = (pt.as_tensor(v)[place] for v in (starts, values, slopes))
        else:
            place = np.searchsorted(self.source, series, side="right")
            start, value, slope = starts[place], values[place], slopes[place]
        return value + slope * (series - start)


def quantile_map(source: np.ndarray, target: np.ndarray, quantiles: int = 21) -> QuantileMap:
    """Match cumulative distributions (Reichle & Koster 2004, doi 10.1029/2004GL020938, with lines between quantiles).

    Parameters
    ----------
    source, target : array_like
        Values of both, not necessarily at the same times; those that are not finite are left out.
    quantiles : int
        How many, the smallest and the largest value included.

    Returns
    -------
    QuantileMap
        From source to target. Where quantiles of the source coincide, theirs of the target are averaged.

    Raises
    ------
    ValueError
        When there are too few values or they are all the same.
    """
    if quantiles < 2:
        raise ValueError(f"a map needs at least 2 quantiles; got {quantiles}")
    levels, found = np.linspace(0.0, 1.0, quantiles), []
    for name, given in (("source", source), ("target", target)):
        values = np.asarray(given, dtype=float)
        values = values[np.isfinite(values)]
        if values.size < quantiles:
            raise ValueError(f"{quantiles} quantiles need as many finite values; the {name} has {values.size}")
        found.append(np.quantile(values, levels))
    distinct, place = np.unique(found[0], return_inverse=True)
    if distinct.size < 2:
        raise ValueError(f"all quantiles of the source are {distinct[0]:.6g}; nothing can be matched")
    return QuantileMap(distinct, np.bincount(place, weights=found[1]) / np.bincount(place))


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
