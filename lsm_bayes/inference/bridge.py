"""Evidence of a region of the posterior from draws in it, by bridge sampling.

Half of the draws shape a proposal whose density is known, the other half and as many draws of the proposal give the ratio of the
normalising constants; then the halves change places. The proposal is a normal distribution seen through a monotone map of each
coordinate, which takes up skewness and heavy tails: without it a skewed posterior of many dimensions hardly overlaps with a normal one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import arviz_stats
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize

from .point import Density, Vector
from .whiten import Affine, affine_from_draws

LOG_2PI = float(np.log(2 * np.pi))
PENALTY = 4.0
"""Weight, in draws, of a normal prior with sd 1 on skew and log tail weight."""
MAP_DRAWS = 1000
"""Draws that the maps of the coordinates are fitted to: more do not change them."""
LARGEST_TAIL = 0.7
"""Largest size of the log tail weight."""


@dataclass(frozen=True)
class Evidence:
    """Log evidence of a region, with its standard error.

    Attributes
    ----------
    log_evidence : float
        Log of the integral of the unnormalised posterior over the region (nats).
    error : float
        Standard error (nats): sampling error of both halves (Frühwirth-Schnatter 2004, Econometrics J. 7, eq. 17, with the effective
        sample size of the draws) and half the difference between the two.
    """

    log_evidence: float
    error: float


@dataclass(frozen=True)
class Proposal:
    """A normal distribution seen through a monotone map of each coordinate.

    ``y = sinh(tail asinh(u) - skew)`` with ``u = (x - centre) / spread`` is normal: the sinh-arcsinh family (Jones & Pewsey 2009,
    Biometrika 96, eq. 2).

    Attributes
    ----------
    centre, spread, skew, tail : numpy.ndarray
        Of each coordinate, shape (D,).
    affine : Affine
        Coordinates in which y is a standard normal.
    """

    centre: Vector
    spread: Vector
    skew: Vector
    tail: Vector
    affine: Affine

    @classmethod
    def fit(cls, draws: NDArray) -> "Proposal":
        """Fit to draws of shape (n, D): each coordinate by maximum likelihood, then mean and covariance."""
        centre, spread = np.median(draws, axis=0), np.maximum(draws.std(axis=0), 1e-300)
        u = (draws - centre) / spread
        thinned = u[:: max(1, len(u) // MAP_DRAWS)]
        skew, tail = np.array([_shape(column) for column in thinned.T]).T
        return cls(centre, spread, skew, tail, affine_from_draws(np.sinh(tail * np.arcsinh(u) - skew)))

    def draws(self, number: int, rng: np.random.Generator) -> NDArray:
        """Draw positions, shape (number, D)."""
        y = self.affine.to_position(rng.standard_normal((number, self.centre.size)))
        return self.centre + self.spread * np.sinh((np.arcsinh(y) + self.skew) / self.tail)

    def logpdf(self, positions: NDArray) -> NDArray:
        """Log-density at positions of shape (n, D)."""
        u = (positions - self.centre) / self.spread
        bent = self.tail * np.arcsinh(u) - self.skew
        z = np.linalg.solve(self.affine.scale, (np.sinh(bent) - self.affine.location).T).T
        slope = np.log(self.tail) + _log_cosh(bent) - 0.5 * np.log1p(u**2) - np.log(self.spread)
        return (
            -0.5 * np.sum(z**2, axis=1)
            - 0.5 * self.centre.size * LOG_2PI
            - np.sum(np.log(np.diag(self.affine.scale)))
            + np.sum(slope, axis=1)
        )


def _log_cosh(x: NDArray) -> NDArray:
    return np.logaddexp(x, -x) - np.log(2)


def _shape(u: Vector) -> tuple[float, float]:
    """Skew and tail weight of one coordinate by penalised maximum likelihood; location and scale are profiled out."""
    bent, half = np.arcsinh(u), 0.5 * np.log1p(u**2)

    def loss(shape: Vector) -> float:
        moved = np.exp(np.clip(shape[1], -LARGEST_TAIL, LARGEST_TAIL)) * bent - shape[0]
        slope = np.clip(shape[1], -LARGEST_TAIL, LARGEST_TAIL) + _log_cosh(moved) - half
        return len(u) * (0.5 * np.log(np.var(np.sinh(moved)) + 1e-300) - slope.mean()) + 0.5 * PENALTY * float(shape @ shape)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-2, "fatol": 1e-2, "initial_simplex": START_SHAPES}).x
    return float(found[0]), float(np.exp(np.clip(found[1], -LARGEST_TAIL, LARGEST_TAIL)))


START_SHAPES = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]])


def local_evidence(
    density: Density,
    positions: NDArray,
    log_posterior: NDArray,
    rng: np.random.Generator,
    inside: Callable[[NDArray], NDArray] | None = None,
    most: int = 8000,
) -> Evidence:
    """Evidence of the region in which chains have been drawing.

    Optimal bridge of Meng & Wong (1996, Statist. Sinica 6, eq. 4.1), as Gronau et al. (2017, J. Math. Psychol. 81) advise.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    positions : numpy.ndarray
        Draws of the chains in the region, shape (chain, draw, D).
    log_posterior : numpy.ndarray
        Log-density there, with the Jacobian of the transforms, shape (chain, draw).
    rng : numpy.random.Generator
        Source of randomness.
    inside : callable, optional
        Says of positions (n, D) which lie in the region; everywhere by default. Elsewhere the density counts as 0.
    most : int
        Most draws of each proposal; each costs one evaluation.

    Returns
    -------
    Evidence
        Log evidence and its standard error; the error is infinite where draws and proposal do not overlap.
    """
    inside = inside or (lambda x: np.ones(len(x), dtype=bool))
    half = positions.shape[1] // 2
    parts = [slice(0, half), slice(half, 2 * half)]
    found = [_bridge(density, positions[:, a], positions[:, b], log_posterior[:, b], rng, inside, most) for a, b in (parts, parts[::-1])]
    values, variances = np.array(found).T
    # The halves share the draws, so their errors are not independent: no gain from the mean is claimed.
    return Evidence(float(values.mean()), float(np.sqrt(variances.mean() + ((values[0] - values[1]) / 2) ** 2)))


def _bridge(
    density: Density,
    fitted: NDArray,
    kept: NDArray,
    log_posterior: NDArray,
    rng: np.random.Generator,
    inside: Callable[[NDArray], NDArray],
    most: int,
) -> tuple[float, float]:
    """Log evidence and its variance, from a proposal for one half of the draws bridged to the other half."""
    dimension = kept.shape[-1]
    rows = fitted.reshape(-1, dimension)
    proposal = Proposal.fit(rows[inside(rows)])
    flat = kept.reshape(-1, dimension)
    ratio = log_posterior.ravel() - proposal.logpdf(flat)
    within = inside(flat)
    proposed = proposal.draws(min(most, len(flat)), rng)
    reached = np.full(len(proposed), -np.inf)
    for k in np.flatnonzero(inside(proposed)):
        reached[k] = density(proposed[k])[0]
    drawn_ratio = reached - proposal.logpdf(proposed)
    return _solve(ratio, within, drawn_ratio, log_posterior.shape)


def _solve(ratio: NDArray, within: NDArray, proposed: NDArray, shape: tuple[int, ...]) -> tuple[float, float]:
    """Fixed point of the optimal bridge from log ratios posterior / proposal, at draws of each."""
    effective = max(1.0, _effective(np.where(within, ratio, np.median(ratio[within])).reshape(shape)))
    share = effective / (effective + len(proposed))
    log_share, log_rest = np.log(share), np.log1p(-share)

    def terms(estimate: float) -> tuple[NDArray, NDArray]:
        # p / (s p + (1 - s) g) at draws of g, g / (s p + (1 - s) g) at draws of p, with p = posterior / exp(estimate).
        above = proposed - estimate - np.logaddexp(log_share + proposed - estimate, log_rest)
        below = np.where(within, -np.logaddexp(log_share + ratio - estimate, log_rest), -np.inf)
        return above, below

    estimate = float(np.median(ratio[within]))
    for _ in range(1000):
        above, below = terms(estimate)
        change = float(np.logaddexp.reduce(above) - np.log(len(above)) - np.logaddexp.reduce(below[within]) + np.log(within.sum()))
        if not np.isfinite(change):
            return estimate, np.inf
        estimate += change
        if abs(change) < 1e-8:
            break
    above, below = terms(estimate)
    up, down = np.exp(above - above.max()), np.exp(below - below.max())
    variance = np.var(up) / np.mean(up) ** 2 / len(up)
    down_at = np.where(within, down, np.mean(down[within]))
    variance += np.var(down_at) / np.mean(down_at) ** 2 / max(1.0, _effective(down_at.reshape(shape)))
    return estimate, float(variance)


def _effective(series: NDArray) -> float:
    """Effective number of draws for the mean of a series of shape (chain, draw)."""
    if np.ptp(series) == 0 or series.shape[1] < 8:
        return float(series.size)
    value = float(arviz_stats.ess(xr.DataArray(series, dims=("chain", "draw")), method="mean"))
    return min(value, float(series.size)) if np.isfinite(value) else 1.0
