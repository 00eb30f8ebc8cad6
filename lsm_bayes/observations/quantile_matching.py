"""Matching of cumulative distributions: a series gets the distribution of another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable


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
