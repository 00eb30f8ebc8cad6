"""Evidence of a region of the posterior from draws in it, by bridge sampling.

Half of the draws shape a proposal whose density is known, the other half and as many draws of the proposal give the ratio of the
normalising constants; then the halves change places. The proposal is a normal distribution seen through a monotone map of each
coordinate, which takes up skewness and heavy tails: without it a skewed posterior of many dimensions hardly overlaps with a normal one.

Where the overlap is still too small for the error asked for, as is usual from 50 dimensions on, draws of both ends are carried
towards each other through ever more intermediate densities (see :mod:`lsm_bayes.inference.annealing`), and the same estimator takes
the work along these paths in place of the log ratio of the two densities.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import arviz_stats
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .annealing import Bridge
from .point import Density
from .proposal import Proposal

FEWEST_STEPS, MOST_STEPS = 8, 32
"""Changes of temperature along a path."""
FEWEST_PATHS, MOST_PATHS = 100, 400
"""Paths from each end, for each half of the draws."""
OVERLAP = 0.6
"""Error (nats) above which paths need more steps, below which more paths do: these add to the ones there are."""
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Evidence:
    """Log evidence of a region, with its standard error.

    Attributes
    ----------
    log_evidence : float
        Log of the integral of the unnormalised posterior over the region (nats).
    error : float
        Standard error (nats): sampling error (Frühwirth-Schnatter 2004, Econometrics J. 7, eq. 17, with the effective sample size
        of the draws) and half the difference between the two halves; infinite where draws and proposal do not overlap.
    steps : int
        Changes of temperature between proposal and posterior; 1 where the plain bridge was good enough.
    """

    log_evidence: float
    error: float
    steps: int


def local_evidence(
    density: Density,
    positions: NDArray,
    log_posterior: NDArray,
    rng: np.random.Generator,
    inside: Callable[[NDArray], NDArray] | None = None,
    error: float = 0.2,
    most_paths: int = MOST_PATHS,
) -> Evidence:
    """Evidence of the region in which chains have been drawing.

    Optimal bridge of Meng & Wong (1996, Statist. Sinica 6, eq. 4.1), as Gronau et al. (2017, J. Math. Psychol. 81) advise; with paths
    it is the acceptance ratio of Bennett (1976, J. Comput. Phys. 22, eq. 12), valid for work by Crooks (2000, Phys. Rev. E 61, eq. 4).

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
    error : float
        Standard error (nats) to reach, if `most_paths` paths of 32 steps from each end can: about 30,000 gradients for an error of
        0.25 and 300,000 at most in 100 dimensions.
    most_paths : int
        Most paths from each end.

    Returns
    -------
    Evidence
        Log evidence and its standard error.
    """
    where = inside or (lambda x: np.ones(len(x), dtype=bool))
    half = positions.shape[1] // 2
    parts = [slice(0, half), slice(half, 2 * half)]
    ends = [
        _Ends(density, positions[:, a], positions[:, b], log_posterior[:, b], own, where)
        for (a, b), own in zip((parts, parts[::-1]), rng.spawn(2), strict=True)
    ]
    # Side by side: the compiled density does not hold Python's lock.
    with ThreadPoolExecutor(min(len(ends), density.threads)) as threads:
        return _refined(ends, threads, error, most_paths)


def _refined(ends: list["_Ends"], threads: ThreadPoolExecutor, error: float, most_paths: int) -> Evidence:
    best = _combine(list(threads.map(_Ends.plain, ends)), 1)
    steps, paths = FEWEST_STEPS, FEWEST_PATHS
    while best.error > error and steps <= MOST_STEPS and paths <= most_paths:
        found = _combine(list(threads.map(_Ends.annealed, ends, [steps] * len(ends), [paths] * len(ends))), steps)
        best = min(best, found, key=lambda e: e.error)
        if not found.error < OVERLAP:
            steps *= 4
        elif paths < most_paths:
            paths = min(int(1.2 * paths * max(1.0, (found.error / error) ** 2)), most_paths)
        else:
            break
    return best


def _combine(halves: list[tuple[float, float]], steps: int) -> Evidence:
    values, variances = np.array(halves).T
    # The halves share the draws, so their errors are not independent: no gain from the mean is claimed.
    return Evidence(float(values.mean()), float(np.sqrt(variances.mean() + ((values[0] - values[1]) / 2) ** 2)), steps)


class _Ends:
    """A proposal fitted to one half of the draws, and the other half in its coordinates."""

    def __init__(
        self,
        density: Density,
        fitted: NDArray,
        kept: NDArray,
        log_posterior: NDArray,
        rng: np.random.Generator,
        inside: Callable[[NDArray], NDArray],
    ):
        rows, flat = (x.reshape(-1, x.shape[-1]) for x in (fitted, kept))
        proposal = Proposal.fit(rows[inside(rows)])
        self.path = Bridge(density, proposal, inside, rng)
        self.within = inside(flat).reshape(log_posterior.shape)
        self.draws: NDArray = proposal.to_coordinates(flat).reshape(kept.shape)
        self.works: dict[int, tuple[list[float], dict[int, float]]] = {}
        volume = np.sum(np.log(proposal.to_position(self.draws)[1]), axis=-1) + proposal.log_volume
        self.ratio = log_posterior + volume + 0.5 * np.sum(self.draws**2, axis=-1) + 0.5 * kept.shape[-1] * np.log(2 * np.pi)

    def plain(self) -> tuple[float, float]:
        """Log evidence and its variance without intermediate densities."""
        proposed = self.path.rng.standard_normal((self.ratio.size, self.path.density.dimension))
        up = np.array([self.path.log_ratio(z)[0] for z in proposed])
        return bridge(self.ratio, up, self.within)

    def annealed(self, steps: int, paths: int) -> tuple[float, float]:
        """Log evidence and its variance from so many paths of so many steps; those walked before are kept."""
        usable = self.draws[self.within]
        if not self.path.step:
            self.path.tune(usable[self.path.rng.integers(len(usable), size=50)])
        temperatures = np.sin(np.linspace(0, np.pi / 2, steps + 1)) ** 2
        temperatures[-1] = 1.0
        up, down = self.works.setdefault(steps, ([], {}))
        for z in self.path.rng.standard_normal((paths - len(up), usable.shape[1])):
            up.append(self.path.work(z, temperatures))
        # Draws spread evenly over the chains, however many paths there will be in the end.
        for at in ((np.arange(1, min(paths, len(usable)) + 1) * GOLDEN) % 1 * len(usable)).astype(int):
            if at not in down:
                down[at] = self.path.work(usable[at], temperatures[::-1])
        return bridge(np.array([[down[at] for at in sorted(down)]]), np.array(up))


def bridge(drawn: NDArray, proposed: NDArray, within: NDArray | None = None) -> tuple[float, float]:
    """Log ratio of normalising constants from log ratios (or work) at draws of both densities.

    Parameters
    ----------
    drawn : numpy.ndarray
        Log ratio posterior / proposal at draws of the posterior, shape (chain, draw).
    proposed : numpy.ndarray
        The same at independent draws of the proposal, shape (n,); -inf outside the region.
    within : numpy.ndarray of bool, optional
        Draws of the posterior that lie in the region; the others are left out.

    Returns
    -------
    tuple of float and float
        Log ratio, and its variance; infinite where the two do not overlap.
    """
    within = np.ones(drawn.shape, dtype=bool) if within is None else within
    size = _effective(np.where(within, drawn, np.median(drawn[within])))
    log_share, log_rest = np.log(size / (size + len(proposed))), np.log(len(proposed) / (size + len(proposed)))

    def terms(estimate: float) -> tuple[NDArray, NDArray]:
        # p / (s p + (1 - s) g) at draws of g, g / (s p + (1 - s) g) at draws of p, with p = posterior / exp(estimate).
        above = proposed - estimate - np.logaddexp(log_share + proposed - estimate, log_rest)
        return above, -np.logaddexp(log_share + drawn - estimate, log_rest)

    estimate = float(np.median(drawn[within]))
    for _ in range(1000):
        above, below = terms(estimate)
        change = float(np.logaddexp.reduce(above) - np.log(len(above)) - np.logaddexp.reduce(below[within]) + np.log(within.sum()))
        if not np.isfinite(change):
            return estimate, np.inf
        estimate += change
        if abs(change) < 1e-8:
            break
    above, below = terms(estimate)
    up, down = np.exp(above - above.max()), np.exp(below - below[within].max())
    down = np.where(within, down, np.mean(down[within]))
    variance = np.var(up) / np.mean(up) ** 2 / len(up) + np.var(down) / np.mean(down) ** 2 / _effective(down)
    return estimate, float(variance)


def _effective(series: NDArray) -> float:
    """Effective number of draws for the mean of a series of shape (chain, draw)."""
    if np.ptp(series) == 0 or series.shape[1] < 8:
        return float(series.size)
    value = float(arviz_stats.ess(xr.DataArray(series, dims=("chain", "draw")), method="mean"))
    return float(np.clip(value, 1.0, series.size)) if np.isfinite(value) else 1.0
