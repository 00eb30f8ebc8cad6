"""Log density of observations under the draws of a model, and of units without them by importance sampling.

The likelihood of a stream is a product of densities of each observation given those before it (one step ahead). Leaving a unit out drops
the densities of its observations from that product:

- What is fitted without it knows nothing of the unit where the errors are independent, or where the buffer behind it covers their memory;
  without a buffer the first density behind the unit still refers to its last error.
- What is scored is the joint density of the unit given what stood before it. The error of the last observation before the unit is thus
  used, and helps to predict the first few: with AR(1) errors of lag-one correlation 0.6 by less than a hundredth of the variance from the
  fifth on. It is the same for all models that are compared.

A single observation as the unit would be a forecast of one step, which the error model makes from its neighbours.
"""

from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from pytensor.graph.replace import graph_replace

from lsm_bayes.graphs import COMPILED
from lsm_bayes.inference import Density
from lsm_bayes.inference.compiled import value_shapes


class ObservationDensity:
    """Log density of each observation given those before it, as a function of the flat vector of unconstrained variables.

    Parameters
    ----------
    model : pymc.Model or Density
        The model.
    table : pandas.DataFrame
        Its observations, streams one behind the other as observed variables of the model have them.

    Raises
    ------
    ValueError
        When the table and the observed variables have different lengths.
    """

    def __init__(self, model: pm.Model | Density, table: pd.DataFrame):
        self.model = model.model if isinstance(model, Density) else model
        names = list(dict.fromkeys(table["stream"]))
        self.counts = {n: int((table["stream"] == n).sum()) for n in names}
        shapes = value_shapes(self.model)
        self.dimension = sum(int(np.prod(s)) for s in shapes.values())
        flat = pt.TensorType("float64", shape=(self.dimension,))("position")
        replace, start = {}, 0
        for rv in self.model.free_RVs:
            value = self.model.rvs_to_values[rv]
            size = int(np.prod(shapes[value.name]))
            replace[value] = flat[start : start + size].reshape(shapes[value.name]).astype(value.dtype)
            start += size
        terms = self.model.logp(vars=[self.model[n] for n in names], sum=False)
        outputs = graph_replace([pt.as_tensor(t, allow_xtensor_conversion=True).ravel() for t in terms], replace, strict=False)
        self._function = pm.compile([flat], outputs, mode=COMPILED, on_unused_input="ignore")
        self._function.trust_input = True
        found = {n: len(v) for n, v in zip(names, self._function(np.zeros(self.dimension)), strict=True)}
        if found != self.counts:
            raise ValueError(f"the table has {self.counts} observations, the likelihood of the model {found}; give a row for each")

    def __call__(self, positions: NDArray) -> NDArray:
        """Evaluate at positions of shape (chain, draw, D).

        Parameters
        ----------
        positions : numpy.ndarray
            Unconstrained draws.

        Returns
        -------
        numpy.ndarray
            Nats, (chain, draw, observation); -inf where a density is not finite.

        Raises
        ------
        ValueError
            When the draws have another dimension.
        """
        if positions.shape[-1] != self.dimension:
            raise ValueError(
                f"the draws have {positions.shape[-1]} unconstrained coordinates, the model {self.dimension}: not of this model"
            )
        rows = [np.concatenate(self._function(np.ascontiguousarray(x))) for x in positions.reshape(-1, self.dimension)]
        found = np.reshape(rows, (*positions.shape[:-1], -1))
        return np.where(np.isfinite(found), found, -np.inf)


def positions_of(tree: xr.DataTree, draws: int) -> NDArray:
    """Read unconstrained draws, evenly thinned.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `lsm_bayes.calibrate` or `lsm_bayes.sample`.
    draws : int
        Most draws in all.

    Returns
    -------
    numpy.ndarray
        (chain, draw, D).

    Raises
    ------
    ValueError
        When the result does not hold them.
    """
    if "unconstrained" not in tree.children:
        raise ValueError(
            f"the result has no group 'unconstrained' (it has {', '.join(tree.children)}); use lsm_bayes.calibrate or lsm_bayes.sample"
        )
    found = tree["unconstrained"].to_dataset()["position"].transpose("chain", "draw", "unconstrained").values
    return found[:, :: max(1, -(-found.shape[0] * found.shape[1] // draws))]


def good_k(draws: int) -> float:
    """Largest Pareto k at which so many draws give a sum to be trusted (Vehtari et al. 2024, JMLR 25(72), section 3.2.4).

    Parameters
    ----------
    draws : int
        Their number.

    Returns
    -------
    float
        ``min(1 - 1 / log10(draws), 0.7)``.
    """
    return float(min(1 - 1 / np.log10(draws), 0.7))


def importance(log_ratio: NDArray) -> tuple[NDArray, float]:
    """Pareto-smoothed importance weights.

    Parameters
    ----------
    log_ratio : numpy.ndarray
        Log ratio of the density that is wanted to that of the draws, (chain, draw).

    Returns
    -------
    numpy.ndarray
        Log weights, (chain * draw,), whose exponentials sum to 1.
    float
        Pareto k; -inf where all ratios are equal, inf where it cannot be estimated.
    """
    flat = log_ratio.ravel()
    if np.ptp(flat) < 1e-12:
        return np.full(flat.size, -np.log(flat.size)), -np.inf
    # arviz takes log likelihoods that are left out: the negative log ratio.
    weights, k = array_stats.psislw(-flat[None], r_eff=efficiency(log_ratio))
    return weights[0], float(k[0]) if np.isfinite(k[0]) else np.inf


def efficiency(series: NDArray) -> float:
    """Effective over actual number of draws for the mean of a series.

    Parameters
    ----------
    series : numpy.ndarray
        (chain, draw).

    Returns
    -------
    float
        Between 0 and 1.
    """
    if np.ptp(series) == 0 or series.shape[-1] < 8 or not np.isfinite(series).all():
        return 1.0
    value: Any = arviz_stats.ess(xr.DataArray(series, dims=("chain", "draw")), method="mean")
    return float(np.clip(float(value) / series.size, 1 / series.size, 1.0)) if np.isfinite(value) else 1.0


def log_mean(log_weights: NDArray, log_density: NDArray) -> tuple[float, float]:
    """Log of a weighted mean of densities, with its Monte Carlo error.

    Parameters
    ----------
    log_weights : numpy.ndarray
        (draw,), whose exponentials sum to 1.
    log_density : numpy.ndarray
        (chain, draw).

    Returns
    -------
    tuple of float
        Nats. The error is that of the delta method, and too small where few draws carry the mean.
    """
    terms = log_weights + log_density.ravel()
    total = float(np.logaddexp.reduce(terms))
    if not np.isfinite(total):
        return total, np.inf
    spread = np.exp(terms - total) - np.exp(log_weights)
    return total, float(np.sqrt(np.sum(spread**2) / efficiency(log_density)))
