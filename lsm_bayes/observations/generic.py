"""What brings a simulated series to what is observed and needs no instrument: mixing of surfaces, and normalisation over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from lsm_bayes.observations.composites import Composites as Composites
from lsm_bayes.observations.composites import composites as composites
from lsm_bayes.observations.quantile_matching import QuantileMap as QuantileMap
from lsm_bayes.observations.quantile_matching import quantile_map as quantile_map


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
        scale is not trusted (doi 10.5194/bg-12-7185-2015; which percentiles was not checked in the paper).
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
