"""Matérn processes as Markov processes of a few numbers, and the Kalman filter that integrates one out of a noisy series.

A Matérn process d of smoothness 1/2, 3/2 or 5/2 is the last of 1, 2 or 3 equal linear stores in a row, the first of which is fed by white
noise (Hartikainen & Särkkä 2010, doi 10.1109/MLSP.2010.5589113; Särkkä & Solin 2019, doi 10.1017/9781108186735, who take d and its
derivatives as coordinates; numbers of equations not checked). Its density at n times then costs a number of operations proportional to
n, whatever the spacing.

Everything here is for a process of unit variance. The filter carries the expected state and the *known part*, the stationary covariance
minus that of the state: it is zero at the start, a step of time multiplies it from both sides by the transition, and the covariance
of the noise is needed nowhere. The step of the filter is arithmetic for symbols and for NumPy arrays alike. With symbols it is the step
of a process model, so that kernel and exact adjoint are derived as those of land models.
"""

import math
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from operator import add
from typing import Annotated, Any

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior, ProcessModel
from lsm_bayes.simulation import symbolic_run
from lsm_bayes.vocabulary import Quantity

SMOOTHNESS = (0.5, 1.5, 2.5)
FAR = 1e4  # lengths: over this distance the correlation is zero in floating point
NEGLIGIBLE = 1e-14  # of the variance of the process: below this, differences of covariances are rounding errors
FLAT = Prior("uniform")


def _stores(smoothness: float) -> int:
    return round(smoothness + 0.5)


def _rate(smoothness: float) -> float:
    """Rate of the stores per length, sqrt(2 nu)."""
    return math.sqrt(2 * smoothness)


@cache
def _stationary(smoothness: float) -> tuple[tuple[float, ...], ...]:
    """Covariance of the stores, d first: integrals of products of their responses to an impulse, s^i exp(-s) / i!."""
    order = range(_stores(smoothness) - 1, -1, -1)
    found = [[math.comb(i + j, i) / 2 ** (i + j + 1) for j in order] for i in order]
    return tuple(tuple(v / found[0][0] for v in row) for row in found)


def _transition(smoothness: float, x: Any, exp: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    """Return exp(-x), and x^k / k! for k = 1, 2: the product of both is the entry of the transition k places right of the diagonal."""
    return exp(-x), [x, 0.5 * x * x][: _stores(smoothness) - 1]


def _ahead(powers: Sequence[Any], column: Sequence[Any]) -> list[Any]:
    """Multiply a column by the powers of a transition, without the decay."""
    return [reduce(add, (column[i], *(c * v for c, v in zip(powers, column[i + 1 :], strict=False)))) for i in range(len(column))]


def _filtered(
    smoothness: float, x: Any, exp: Callable[[Any], Any], mean: Sequence[Any], known: Mapping[tuple[int, int], Any], y: Any, variance: Any
) -> tuple[list[Any], dict[tuple[int, int], Any], Any, Any]:
    """Move by the distance x and learn from an observation y: mean and upper triangle of the known part, surprise and its variance."""
    n = range(len(mean))
    decay, powers = _transition(smoothness, x, exp)
    expected = [decay * v for v in _ahead(powers, mean)]
    columns = [_ahead(powers, [known[min(i, j), max(i, j)] for i in n]) for j in n]
    rows = [_ahead(powers, [columns[j][i] for j in n]) for i in n]
    moved = {(i, j): decay * decay * rows[i][j] for i, j in known}
    gain = [_stationary(smoothness)[0][j] - moved[0, j] for j in n]
    spread = gain[0] + variance
    surprise = y - expected[0]
    after = [e + g / spread * surprise for e, g in zip(expected, gain, strict=True)]
    return after, {(i, j): v + gain[i] * gain[j] / spread for (i, j), v in moved.items()}, surprise, spread


def _triangle(n: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n) for j in range(i, n)]


def _fields(name: str, declared: Mapping[str, Any], default: float | None = None) -> Any:
    made: Any = namedtuple(name, list(declared), defaults=[] if default is None else [default] * len(declared))  # type: ignore[misc]
    made.__annotations__ = {n: Annotated[float, d] for n, d in declared.items()}
    return made


@cache
def filter_model(smoothness: float) -> ProcessModel:
    """Declare the filter as a process model.

    Parameters
    ----------
    smoothness : float
        One of `SMOOTHNESS`.

    Returns
    -------
    ProcessModel
        Its flux is the log density of an observation given those before; its forcing ``residual``, ``variance`` and ``distance``, in
        units of the sd, the variance and the length of the process.
    """
    n = _stores(smoothness)
    names = [f"mean_{i}" for i in range(n)] + [f"known_{i}{j}" for i, j in _triangle(n)]
    state = _fields("State", {s: Parameter("1", (-1e6, 1e6), "number that the filter carries", FLAT) for s in names}, 0.0)
    # A parameter, not a literal: what depends on forcing alone leaves the loop, and would be more columns to read and differentiate.
    parameters = _fields("Parameters", {"rate": Parameter("1", (0.0, 10.0), "rate of the stores per length", FLAT)}, 1.0)
    forcing = _fields("Forcing", {s: Quantity(s, "1", f"{s} of the observation") for s in ("residual", "variance", "distance")})
    fluxes = _fields("Fluxes", {"log_density": Quantity("log_density", "1", "log density given the observations before")})

    def step(x: Any, f: Any, p: Any) -> tuple[Any, Any]:
        known = dict(zip(_triangle(n), x[n:], strict=True))
        mean, known, surprise, spread = _filtered(smoothness, p.rate * f.distance, pt.exp, x[:n], known, f.residual, f.variance)
        density = -0.5 * (pt.log(spread) + surprise**2 / spread + math.log(2 * math.pi))
        return state(*mean, *known.values()), fluxes(density)

    name = f"matern_{round(2 * smoothness)}_2"
    return ProcessModel(name, "Filter of a Matérn process with noise", step, parameters, state, forcing, fluxes, folded=())


def log_density(smoothness: float, residual: Any, variance: Any, distance: Any) -> Any:
    """Log density of each observation of a Matérn process of unit variance with independent noise, given those before.

    Parameters
    ----------
    smoothness : float
        One of `SMOOTHNESS`.
    residual, variance : tensor
        Observations minus their mean, and variances of the noise, (observation,).
    distance : tensor
        From the observation before, in lengths, (observation,); `FAR` for the first of a series.

    Returns
    -------
    tensor
        (observation,); the sum is the log density of the multivariate normal distribution.
    """
    forcing = {"residual": residual, "variance": variance, "distance": distance}
    found = symbolic_run(filter_model(smoothness), forcing, {"rate": _rate(smoothness)}, ["log_density"], forcing_gradient=True)
    return found["log_density"]


def information(smoothness: float, shape: np.ndarray, variance: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return how much noisy observations of a Matérn process of unit variance say about the size of a known shape.

    Parameters
    ----------
    smoothness : float
        One of `SMOOTHNESS`.
    shape, variance, distance : numpy.ndarray
        w, variance of the noise, and distance as in `log_density`, (draw, observation).

    Returns
    -------
    numpy.ndarray
        w' S^-1 w with S the covariance of the observations, (draw,).
    """
    x = _rate(smoothness) * distance
    total: Any = np.zeros(shape.shape[0])
    mean, known = [total] * _stores(smoothness), dict.fromkeys(_triangle(_stores(smoothness)), total)
    for i in range(shape.shape[1]):
        mean, known, surprise, spread = _filtered(smoothness, x[:, i], np.exp, mean, known, shape[:, i], variance[:, i])
        total = total + surprise**2 / spread
    return np.asarray(total)


def draw(rng: np.random.Generator, smoothness: float, distance: np.ndarray) -> np.ndarray:
    """Draw Matérn processes of unit variance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    smoothness : float
        One of `SMOOTHNESS`.
    distance : numpy.ndarray
        From the time before, in lengths, (draw, time); `FAR` for the first of a series.

    Returns
    -------
    numpy.ndarray
        (draw, time).
    """
    lengths, which = np.unique(distance, axis=1, return_inverse=True)  # few gaps differ in most records
    n, stationary = _stores(smoothness), np.array(_stationary(smoothness))
    decay, powers = _transition(smoothness, _rate(smoothness) * lengths, np.exp)
    move = np.zeros((*lengths.shape, n, n))
    for right, power in enumerate([np.ones(lengths.shape), *powers]):
        for i in range(n - right):
            move[..., i, i + right] = decay * power
    noise = _root(stationary - move @ stationary @ np.swapaxes(move, -1, -2))
    state = np.zeros((distance.shape[0], n))
    found = np.empty(distance.shape)
    for i, k in enumerate(which.ravel()):
        fresh = rng.standard_normal(state.shape)
        state = (move[:, k] * state[:, None]).sum(axis=-1) + (noise[:, k] * fresh[:, None]).sum(axis=-1)
        found[:, i] = state[:, 0]
    return found


def _root(covariance: np.ndarray) -> np.ndarray:
    """Upper triangular U with U U' = covariance, (..., n, n)."""
    # From the last row on: over a short distance it has nearly all of the noise, and variances of the others may be below rounding.
    found = np.zeros(covariance.shape)
    for j in range(covariance.shape[-1] - 1, -1, -1):
        left = covariance[..., : j + 1, j] - (found[..., : j + 1, j + 1 :] * found[..., j : j + 1, j + 1 :]).sum(axis=-1)
        variance = left[..., j]
        there = variance > NEGLIGIBLE
        found[..., : j + 1, j] = np.where(there, 1.0 / np.sqrt(np.where(there, variance, 1.0)), 0.0)[..., None] * left
    return found
