"""Regression machines that are small enough to be part of a symbolic expression: a Gaussian process and an ensemble of neural networks.

They take inputs scaled to about -1 to 1 and standardised outputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

MOST = 300  # training pairs of a Gaussian process: its cost grows with their cube
HIDDEN, MEMBERS = 8, 6
DECAY = 1e-3  # penalty on the mean of squared weights


@dataclass(frozen=True)
class GaussianProcess:
    """Gaussian process with a squared-exponential kernel and one length for each input (Rasmussen & Williams 2006).

    Attributes
    ----------
    x : numpy.ndarray
        Training inputs, scaled, (pair, input).
    y : numpy.ndarray
        Training outputs, standardised, (pair,).
    log_scales : numpy.ndarray
        Logarithms of the standard deviations of signal and noise, and of the lengths.
    """

    x: np.ndarray
    y: np.ndarray
    log_scales: np.ndarray

    @cached_property
    def _solved(self) -> tuple[np.ndarray, np.ndarray]:
        kernel, noise = _kernel(self.x, self.log_scales)
        lower = np.linalg.cholesky(kernel + noise * np.eye(len(self.x)))
        return cho_solve((lower, True), self.y), solve_triangular(lower, np.eye(len(lower)), lower=True)

    def _covariance(self, x: Any) -> Any:
        lengths = np.exp(self.log_scales[2:])
        distance = sum(((x[..., i][..., None] - self.x[:, i]) / lengths[i]) ** 2 for i in range(lengths.size))
        return np.exp(2 * self.log_scales[0]) * pt.exp(-0.5 * distance)

    def mean(self, x: Any) -> Any:
        """Predictive mean (their equation 2.25), (...,), of inputs (..., input)."""
        return pt.dot(self._covariance(x), self._solved[0])

    def variance(self, x: Any) -> Any:
        """Predictive variance of an observation (their equation 2.26, with noise), (...,)."""
        explained = pt.dot(self._covariance(x), self._solved[1].T)
        return np.exp(2 * self.log_scales[0]) + np.exp(2 * self.log_scales[1]) - (explained**2).sum(axis=-1)


@dataclass(frozen=True)
class NetworkEnsemble:
    """Networks with one hidden layer, trained from different starts on resampled blocks (Lakshminarayanan et al. 2017).

    Attributes
    ----------
    weights : tuple of numpy.ndarray
        All weights of each network.
    inputs : int
        Number of inputs.
    noise : float
        Standard deviation of observations about the mean of the ensemble in training, in units of that of the observations.
    """

    weights: tuple[np.ndarray, ...]
    inputs: int
    noise: float

    def _each(self, x: Any) -> list[Any]:
        return [_network(w, x, self.inputs) for w in self.weights]

    def mean(self, x: Any) -> Any:
        """Mean of the networks, (...,), of inputs (..., input)."""
        return sum(self._each(x)) / len(self.weights)

    def variance(self, x: Any) -> Any:
        """Variance of an observation: that between networks and the noise, (...,)."""
        each, mean = self._each(x), self.mean(x)
        return sum((e - mean) ** 2 for e in each) / len(each) + self.noise**2


def _kernel(x: np.ndarray, log_scales: np.ndarray) -> tuple[np.ndarray, float]:
    scaled = x / np.exp(log_scales[2:])
    distance = ((scaled[:, None] - scaled[None]) ** 2).sum(axis=-1)
    return np.exp(2 * log_scales[0] - 0.5 * distance), float(np.exp(2 * log_scales[1]))


def negative_log_evidence(log_scales: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return minus the log marginal likelihood of a Gaussian process (Rasmussen & Williams 2006, equations 5.8 and 5.9).

    Parameters
    ----------
    log_scales : numpy.ndarray
        Logarithms of the standard deviations of signal and noise, and of the lengths.
    x : numpy.ndarray
        (pair, input).
    y : numpy.ndarray
        (pair,).

    Returns
    -------
    tuple of float and numpy.ndarray
        Value, with a weak normal prior of the logarithms about 0, and gradient.
    """
    kernel, noise = _kernel(x, log_scales)
    factor = cho_factor(kernel + noise * np.eye(len(y)), lower=True)
    alpha = cho_solve(factor, y)
    inner = cho_solve(factor, np.eye(len(y))) - np.outer(alpha, alpha)
    weighted = inner * kernel
    slopes = [weighted.sum(), noise * np.trace(inner)]
    slopes += [0.5 * float((weighted * (c[:, None] - c) ** 2).sum()) for c in (x / np.exp(log_scales[2:])).T]
    prior = log_scales * np.array([1.0, 0.1, *np.ones(x.shape[1])])
    value = 0.5 * y @ alpha + np.log(np.diag(factor[0])).sum() + 0.5 * len(y) * np.log(2 * np.pi) + 0.5 * prior @ log_scales
    return float(value), np.array(slopes) + prior


def fit_gaussian_process(x: np.ndarray, y: np.ndarray, training: Sequence[np.ndarray], rng: np.random.Generator) -> GaussianProcess:
    """Fit a Gaussian process by its marginal likelihood.

    Parameters
    ----------
    x : numpy.ndarray
        Scaled inputs, (pair, input).
    y : numpy.ndarray
        Standardised outputs, (pair,).
    training : sequence of numpy.ndarray
        Places of the pairs to train on, by block.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    GaussianProcess
        The machine.
    """
    known = np.concatenate(training)
    known = rng.choice(known, min(MOST, known.size), replace=False)
    start = np.array([0.0, np.log(0.3), *np.zeros(x.shape[1])])
    bounds = [(-3.0, 3.0), (np.log(1e-3), 1.0), *([(-4.0, 4.0)] * x.shape[1])]
    found = minimize(negative_log_evidence, start, (x[known], y[known]), jac=True, method="L-BFGS-B", bounds=bounds)
    return GaussianProcess(x[known], y[known], found.x)


def _network(weights: Any, x: Any, inputs: int) -> Any:
    first = weights[: inputs * HIDDEN].reshape((inputs, HIDDEN))
    offset, last = weights[inputs * HIDDEN : (inputs + 1) * HIDDEN], weights[(inputs + 1) * HIDDEN :]
    return pt.dot(pt.tanh(pt.dot(x, first) + offset), last[:HIDDEN]) + last[HIDDEN]


def fit_networks(x: np.ndarray, y: np.ndarray, training: Sequence[np.ndarray], rng: np.random.Generator) -> NetworkEnsemble:
    """Train an ensemble of networks.

    Parameters
    ----------
    x : numpy.ndarray
        Scaled inputs, (pair, input).
    y : numpy.ndarray
        Standardised outputs, (pair,).
    training : sequence of numpy.ndarray
        Places of the pairs to train on, by block.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    NetworkEnsemble
        The machine.
    """
    n = x.shape[1]
    weights, given, wanted = pt.dvector("weights"), pt.dmatrix("given"), pt.dvector("wanted")
    loss = ((_network(weights, given, n) - wanted) ** 2).mean() + DECAY * (weights**2).mean()
    cost = pytensor.function([weights, given, wanted], [loss, pytensor.grad(loss, weights)], mode=Mode("py", None))
    found = []
    for _ in range(MEMBERS):
        some = np.concatenate([training[k] for k in rng.integers(len(training), size=len(training))])
        start = rng.standard_normal((n + 2) * HIDDEN + 1)
        # So few weights that the full Hessian of BFGS costs less than the iterations it saves.
        found.append(minimize(cost, start, (x[some], y[some]), jac=True, method="BFGS", options={"maxiter": 200}).x)
    known = np.concatenate(training)
    ensemble = NetworkEnsemble(tuple(found), n, 0.0)
    residual = y[known] - ensemble.mean(pt.constant(x[known])).eval(mode=Mode("py", None))
    return NetworkEnsemble(ensemble.weights, n, float(np.sqrt(np.mean(residual**2))))


TRAINERS: dict[str, Callable[..., GaussianProcess | NetworkEnsemble]] = {"gaussian_process": fit_gaussian_process, "network": fit_networks}
