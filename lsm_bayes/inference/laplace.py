"""Gaussian approximation of the posterior at a mode, on the unconstrained space."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from .flat import Vector
from .point import Density, Differentiable, as_density
from .tree import build_tree

if TYPE_CHECKING:
    from .modes import Modes

LOG_2PI = float(np.log(2 * np.pi))
SMALLEST_EIGENVALUE = 1e-8


@dataclass(frozen=True)
class Laplace:
    """A normal distribution fitted to the curvature at a mode (Tierney & Kadane 1986, eq. 2.2).

    Attributes
    ----------
    mode : numpy.ndarray
        Unconstrained position, shape (D,).
    log_posterior : float
        Unnormalised log-density there, with the Jacobian of the transforms (nats).
    scale : numpy.ndarray
        Lower Cholesky factor of the covariance, shape (D, D).
    log_evidence : float
        ``log_posterior + D/2 log 2 pi + log det scale`` (nats).
    condition_number : float
        Largest over smallest eigenvalue of the covariance.
    repaired : int
        Directions in which the curvature was not positive and was replaced by its absolute value; the evidence is not to be
        trusted when this is not 0.
    newton_decrement : float
        sqrt(g' C g): distance from the exact mode in posterior standard deviations.
    """

    mode: Vector
    log_posterior: float
    scale: NDArray
    log_evidence: float
    condition_number: float
    repaired: int
    newton_decrement: float

    def __post_init__(self) -> None:
        if self.scale.shape != (self.mode.size, self.mode.size) or np.triu(self.scale, 1).any():
            raise ValueError(
                f"the scale, of shape {self.scale.shape}, must be lower triangular, one row and column for each of {self.mode.size} "
                "coordinates; numpy.linalg.cholesky of the covariance makes it, numpy.linalg.qr(root.T)[1].T of any root"
            )

    @property
    def covariance(self) -> NDArray:
        """Covariance of the approximation, shape (D, D)."""
        return self.scale @ self.scale.T

    @property
    def sd(self) -> Vector:
        """Marginal standard deviations, shape (D,)."""
        return np.sqrt(np.sum(self.scale**2, axis=1))

    def standardise(self, position: NDArray) -> NDArray:
        """Coordinates in which the approximation is a standard normal; ``position`` has shape (..., D)."""
        offset = np.asarray(position) - self.mode
        return np.linalg.solve(self.scale, offset.reshape(-1, self.mode.size).T).T.reshape(offset.shape)

    def draws(self, number: int, rng: np.random.Generator) -> NDArray:
        """Draw unconstrained positions, shape (number, D)."""
        return self.mode + rng.standard_normal((number, self.mode.size)) @ self.scale.T

    def logpdf(self, positions: NDArray) -> NDArray:
        """Log-density of the approximation at positions of shape (..., D)."""
        z = self.standardise(positions)
        return -0.5 * np.sum(z**2, axis=-1) - 0.5 * self.mode.size * LOG_2PI - np.sum(np.log(np.diag(self.scale)))


def hessian(density: Differentiable, position: Vector, step: float = 1e-4) -> NDArray:
    """Negative Hessian of the log-posterior by central differences of the exact gradient.

    The step is 1e-4 in unconstrained units; a direction where that is not between 1e-5 and 1e-1 posterior standard deviations
    gets a second pair at 1e-3 of them.

    Parameters
    ----------
    density : Differentiable
        Such as a `Density`.
    position : numpy.ndarray
        Where, shape (D,).
    step : float
        First step, in unconstrained units.

    Returns
    -------
    numpy.ndarray
        Symmetric, shape (D, D).
    """

    def column(index: int, size: float) -> Vector:
        offset = np.zeros(density.dimension)
        offset[index] = size
        (up, above), (down, below) = density(position + offset), density(position - offset)
        if not (np.isfinite(up) and np.isfinite(down)):
            return np.full(density.dimension, np.nan)
        return (below - above) / (2 * size)

    def best(index: int) -> Vector:
        found = column(index, step)
        curvature = abs(found[index])
        sd = 1 / np.sqrt(curvature) if curvature > 0 and np.isfinite(curvature) else 1.0
        if not 1e-5 < step / sd < 1e-1 or not np.isfinite(curvature):
            finer = column(index, min(1e-3 * sd, 1e-2) if np.isfinite(curvature) else step / 100)
            found = np.where(np.isfinite(finer), finer, np.where(np.isfinite(found), found, 0.0))
        return found

    # The compiled density does not hold Python's lock.
    with ThreadPoolExecutor(density.threads) as threads:
        result = np.stack(list(threads.map(best, range(density.dimension))))
    return (result + result.T) / 2


def laplace_at(density: Differentiable, position: Vector, polish: int = 8) -> Laplace:
    """Fit a Laplace approximation, after a few Newton steps towards the exact mode.

    Parameters
    ----------
    density : Differentiable
        Such as a `Density`.
    position : numpy.ndarray
        At or near a mode, shape (D,).
    polish : int
        Most Newton steps to take; each costs 2 D gradients, and none is taken once the Newton decrement is below 1e-3.

    Returns
    -------
    Laplace
        The approximation.

    Raises
    ------
    ValueError
        If the log-posterior is not finite there.
    """
    position = np.array(position, dtype="float64")
    value, gradient = density(position)
    if not np.isfinite(value):
        raise ValueError("The log-posterior is not finite at the given position; start from a mode that find_modes returned.")
    for remaining in range(polish, -1, -1):
        scale, log_det, condition, repaired = factor(hessian(density, position))
        covariant = scale.T @ gradient
        decrement = float(np.sqrt(covariant @ covariant))
        if decrement < 1e-3 or not remaining:
            break
        moved = _newton_step(density, position, value, scale @ covariant)
        if moved is None:
            break
        position, value, gradient = moved
    evidence = value + 0.5 * density.dimension * LOG_2PI + 0.5 * log_det
    return Laplace(position, value, scale, evidence, condition, repaired, decrement)


def _newton_step(density: Differentiable, position: Vector, value: float, direction: Vector) -> tuple[Vector, float, Vector] | None:
    for fraction in (1.0, 0.3, 0.1, 0.01):
        trial = position + fraction * direction
        new, gradient = density(trial)
        if new > value:
            return trial, new, gradient
    return None


def factor(curvature: NDArray) -> tuple[NDArray, float, float, int]:
    """Invert a curvature, replacing eigenvalues that are not positive by their absolute value.

    Parameters
    ----------
    curvature : numpy.ndarray
        Negative Hessian, shape (D, D).

    Returns
    -------
    tuple of numpy.ndarray, float, float and int
        Lower Cholesky factor of the covariance, log-determinant and condition number of the covariance, number of repaired directions.
    """
    # Scaled to unit diagonal first: rates, pools and angles differ by orders of magnitude and eigh would lose the small ones.
    # No direction counts as 1e4 times looser than the median: beside an edge of the domain differences may show no curvature at all.
    found = np.abs(np.diag(curvature))
    typical = np.median(found[found > 0]) if np.any(found > 0) else 1.0
    diagonal = np.sqrt(np.maximum(found, SMALLEST_EIGENVALUE * typical))
    values, vectors = np.linalg.eigh(curvature / np.outer(diagonal, diagonal))
    repaired = int(np.sum(values < SMALLEST_EIGENVALUE))
    values = np.maximum(np.abs(values), SMALLEST_EIGENVALUE)
    root = (vectors / np.sqrt(values)) / diagonal[:, None]
    # QR gives the Cholesky factor without squaring the condition number.
    triangular = np.linalg.qr(root.T, mode="r").T
    triangular = triangular * np.where(np.diag(triangular) < 0, -1.0, 1.0)
    singular = np.linalg.svd(root, compute_uv=False)
    return triangular, float(2 * np.sum(np.log(np.diag(triangular)))), float((singular[0] / singular[-1]) ** 2), repaired


def draw_mixture(
    parts: Sequence[Laplace], weights: NDArray, draws: int, rng: np.random.Generator
) -> tuple[NDArray, NDArray[np.int64], NDArray]:
    """Draw from a mixture of normal approximations.

    Parameters
    ----------
    parts : sequence of Laplace
        The approximations.
    weights : numpy.ndarray
        Of the parts, sum 1.
    draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    tuple of numpy.ndarray
        Positions (draws, D), the part of each, and the log-density of the mixture there.
    """
    chosen = rng.choice(len(parts), size=draws, p=weights)
    positions = np.stack([parts[k].draws(1, rng)[0] for k in chosen])
    mixture = np.logaddexp.reduce([np.log(max(w, 1e-300)) + part.logpdf(positions) for w, part in zip(weights, parts, strict=True)])
    return positions, chosen, mixture


def sample_laplace(model: pm.Model | Density, modes: "Modes | Laplace", draws: int = 1000, seed: int = 0) -> xr.DataTree:
    """Draw from the mixture of Laplace approximations at the modes.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    modes : Modes or Laplace
        Result of :func:`find_modes`, or one approximation.
    draws : int
        Number of draws.
    seed : int
        Seed.

    Returns
    -------
    xarray.DataTree
        As for every method, with one chain; ``sample_stats`` holds ``lp`` and ``log_weight``, the log importance ratio of
        posterior to approximation, by which the draws can be judged or reweighted.
    """
    started, density, rng = time.perf_counter(), as_density(model), np.random.default_rng(seed)
    before = density.evaluations
    parts = [modes] if isinstance(modes, Laplace) else modes.laplace
    weights = np.ones(1) if isinstance(modes, Laplace) else modes.table["weight"].values
    positions, chosen, mixture = draw_mixture(parts, weights, draws, rng)
    lp = np.array([density(row)[0] for row in positions])
    stats = {"lp": lp[None], "log_weight": (lp - mixture)[None], "mode": chosen[None]}
    cost = {"gradient_evaluations": density.evaluations - before, "seconds": time.perf_counter() - started}
    return build_tree(
        density, positions[None], stats, method="laplace", seed=seed, cost=cost, modes=None if isinstance(modes, Laplace) else modes.table
    )
