"""Mixtures of normals: density, marginals, normal scores, and the fit to draws."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import arviz_stats
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.linalg import solve_triangular
from scipy.optimize import brentq
from scipy.special import logsumexp, ndtr, ndtri

ROUNDS, CLOSE = 200, 1e-5
"""Most rounds of EM; gain of a round, nats a draw, below which they end."""
STARTS = 2
PATIENCE = 2  # more components than the best that are tried in vain
FITTED = 8000  # most draws that EM sees; neighbours in a chain say the same
PRIOR_DRAWS = 0.01  # that the prior of a mean is worth, as in Fraley & Raftery


@dataclass(frozen=True)
class NormalMixture:
    """Weighted sum of normal densities.

    Attributes
    ----------
    weights : numpy.ndarray
        (K,), positive, of sum 1.
    means, covariances : numpy.ndarray
        (K, D) and (K, D, D).
    """

    weights: NDArray
    means: NDArray
    covariances: NDArray

    @property
    def mean(self) -> NDArray:
        """Mean of the mixture, (D,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> NDArray:
        """Covariance of the mixture, (D, D): within the components and between their means."""
        apart = self.means - self.mean
        return np.einsum("k,kij->ij", self.weights, self.covariances) + (self.weights * apart.T) @ apart

    def marginal(self, rows: Sequence[int]) -> "NormalMixture":
        """Return the distribution of some coordinates, whatever the others are: the same weights, blocks of means and covariances."""
        at = np.asarray(rows)
        return NormalMixture(self.weights, self.means[:, at], self.covariances[:, at[:, None], at[None, :]])

    def log_density(self, positions: NDArray) -> NDArray:
        """Log density (nats) at positions (n, D), shape (n,)."""
        return logsumexp(self._log_terms(positions)[0].sum(axis=2) + np.log(self.weights)[:, None], axis=0)

    def normal_scores(self, positions: NDArray) -> NDArray:
        """Map positions (n, D) to what is independent standard normal where they come from this mixture.

        The transformation of Rosenblatt (1952, doi 10.1214/aoms/1177729394): each coordinate by its distribution given those before it,
        which is a mixture of normals too, and on by the normal quantile. For one normal it is whitening with the Cholesky factor.

        Parameters
        ----------
        positions : numpy.ndarray
            (n, D).

        Returns
        -------
        numpy.ndarray
            (n, D).
        """
        terms, white = self._log_terms(positions)
        before = np.cumsum(terms, axis=2) - terms + np.log(self.weights)[:, None, None]
        given = np.exp(before - logsumexp(before, axis=0))
        below, above = ((given * ndtr(sign * white)).sum(axis=0) for sign in (1.0, -1.0))
        # From the nearer end: 1 - 1e-20 is no number.
        return np.where(below < above, ndtri(np.minimum(below, 0.5)), -ndtri(np.minimum(above, 0.5)))

    def quantile(self, coordinate: int, probability: float) -> float:
        """Quantile of one coordinate."""
        means, sd = self.means[:, coordinate], np.sqrt(self.covariances[:, coordinate, coordinate])
        ends = means + ndtri(probability) * sd
        if ends.max() - ends.min() < 1e-12 * sd.min():
            return float(ends[0])
        return float(brentq(lambda x: self.weights @ ndtr((x - means) / sd) - probability, ends.min(), ends.max()))

    def _log_terms(self, positions: NDArray) -> tuple[NDArray, NDArray]:
        """Log densities of each whitened coordinate given those before it, and whitened coordinates, (K, n, D) both."""
        factors = np.linalg.cholesky(self.covariances)
        white = (positions - self.means[:, None, :]) @ np.linalg.inv(factors).swapaxes(1, 2)
        scale = np.log(np.diagonal(factors, axis1=1, axis2=2))[:, None, :]
        return -0.5 * white**2 - scale - 0.5 * np.log(2 * np.pi), white


def fit_mixture(draws: NDArray, components: int, seed: int = 0) -> NormalMixture:
    """Fit a mixture of normals to draws.

    Expectation and maximisation (EM) with the prior of Fraley & Raftery (2007, doi 10.1007/s00357-007-0004-5) on means and covariances,
    cited from memory: normal times inverse Wishart with D + 2 degrees of freedom and the scale cov / K^(2/D), so that no component
    collapses onto a few draws; and one draw more for each weight. It sets out from k-means++ twice, and the better fit is kept.
    Coordinates may be scaled and turned: the result follows.

    Parameters
    ----------
    draws : numpy.ndarray
        (n, D); of a covariance that is positive definite.
    components : int
        How many. One has mean and covariance of the draws.
    seed : int
        Of the starts.

    Returns
    -------
    NormalMixture
        Heaviest component first.
    """
    location, covariance = draws.mean(axis=0), np.atleast_2d(np.cov(draws.T))
    if components == 1:
        return NormalMixture(np.ones(1), location[None], covariance[None])
    factor = np.linalg.cholesky(covariance)
    white = solve_triangular(factor, (draws[:: -(-len(draws) // FITTED)] - location).T, lower=True).T
    tries = [_em(white, components, np.random.default_rng([seed, components, k])) for k in range(STARTS)]
    best = max(tries, key=lambda t: t[0])[1]
    order = np.argsort(-best.weights, kind="stable")
    return NormalMixture(best.weights[order], location + best.means[order] @ factor.T, factor @ best.covariances[order] @ factor.T)


def _em(white: NDArray, components: int, rng: np.random.Generator) -> tuple[float, NormalMixture]:
    """Fit to whitened draws; log density with that of the prior, nats a draw."""
    number, size = white.shape
    spread = np.eye(size) / components ** (2 / size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster keeps its centre, and EM fills it
        centres, _ = kmeans2(white, components, iter=20, minit="++", rng=rng)
    found = NormalMixture(np.full(components, 1 / components), centres, np.tile(spread, (components, 1, 1)))
    # Log densities are quadratic: with all squares and products at hand a round is two products of matrices.
    rows, columns = np.triu_indices(size)
    powers = np.column_stack([np.ones(number), white, white[:, rows] * white[:, columns]])
    twice = np.where(rows == columns, 1.0, 2.0)
    value = -np.inf
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(found.covariances)
        slope = np.einsum("kij,kj->ki", inverse, found.means)
        volume = np.linalg.slogdet(found.covariances)[1]
        constant = np.log(found.weights) - 0.5 * (size * np.log(2 * np.pi) + volume + (slope * found.means).sum(axis=1))
        logs = np.column_stack([constant, slope, -0.5 * twice * inverse[:, rows, columns]]) @ powers.T
        together = logsumexp(logs, axis=0)
        pulled = np.trace(inverse @ spread, axis1=1, axis2=2) + PRIOR_DRAWS * (slope * found.means).sum(axis=1)
        prior = np.sum(np.log(found.weights) - (size + 2) * volume - 0.5 * pulled)
        before, value = value, float(together.mean() + prior / number)
        if value - before < CLOSE:
            break
        sums = np.exp(logs - together) @ powers
        count, first = sums[:, 0], sums[:, 1 : size + 1]
        second = np.empty_like(found.covariances)
        second[:, rows, columns] = second[:, columns, rows] = sums[:, size + 1 :]
        means = first / (count + PRIOR_DRAWS)[:, None]
        scatter = second - first[:, :, None] * means[:, None, :]  # with the pull of the prior's mean, 0
        covariances = (spread + scatter) / (count + 2 * size + 4)[:, None, None]
        found = NormalMixture((count + 1) / (number + components), means, covariances)
    return value, found


def held_out(draws: NDArray, components: int, seed: int = 0) -> NDArray:
    """Log density of draws under the mixture that the other half of the chains gives.

    Parameters
    ----------
    draws : numpy.ndarray
        (chain, draw, D), at least two chains. Halves of one chain would not do: its draws repeat each other.
    components : int
        How many.
    seed : int
        Of the starts.

    Returns
    -------
    numpy.ndarray
        (chain, draw), nats.
    """
    found = np.empty(draws.shape[:2])
    for half in (0, 1):
        mixture = fit_mixture(draws[half::2].reshape(-1, draws.shape[2]), components, seed)
        judged = draws[1 - half :: 2]
        found[1 - half :: 2] = mixture.log_density(judged.reshape(-1, draws.shape[2])).reshape(judged.shape[:2])
    return found


def choose_components(draws: NDArray, most: int, seed: int = 0) -> int:
    """Choose how many normals hold the shape of draws: by the log density of draws that were not fitted.

    The fewest whose mean log density of withheld draws is within one Monte Carlo standard error (of the difference, with the memory of the
    chains) of the best: the rule of Breiman et al. (1984, Classification and Regression Trees). Draws of a normal so keep one component.

    Parameters
    ----------
    draws : numpy.ndarray
        (chain, draw, D), at least two chains.
    most : int
        Up to how many; two more than the best are tried.
    seed : int
        Of the starts.

    Returns
    -------
    int
        From 1 to `most`.
    """
    scores, best = {1: held_out(draws, 1, seed)}, 1
    for k in range(2, most + 1):
        if k - best > PATIENCE:
            break
        scores[k] = held_out(draws, k, seed)
        if scores[k].mean() > scores[best].mean():
            best = k

    def as_good(k: int) -> bool:
        behind = scores[best] - scores[k]
        return bool(behind.mean() <= arviz_stats.mcse(behind))

    return next(k for k in scores if k == best or as_good(k))
