"""Simulation-based calibration: whether true values are uniform among the draws."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


def ranks(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Rank of each true value among its posterior draws.

    Talts et al. (2018, arXiv:1804.06788, section 4): thin the draws until they are nearly independent first.

    Parameters
    ----------
    truth : numpy.ndarray
        Shape (replicate, ...).
    draws : numpy.ndarray
        Shape (draw, replicate, ...).

    Returns
    -------
    numpy.ndarray
        int, shape of `truth`, from 0 to the number of draws.

    Raises
    ------
    ValueError
        If the shapes do not fit or a value is not finite.
    """
    if draws.shape[1:] != truth.shape:
        raise ValueError(f"draws must have the shape (draw, *{truth.shape}), got {draws.shape}. Put the draws on the first axis.")
    if not (np.isfinite(draws).all() and np.isfinite(truth).all()):
        raise ValueError("truth and draws must be finite. Leave out the replicates that failed, and report how many did.")
    return (draws < truth).sum(axis=0)


def interval_coverage(rank: np.ndarray, draws: int, level: float) -> float:
    """Fraction of true values inside the central interval, from their ranks.

    Parameters
    ----------
    rank : numpy.ndarray
        Ranks, any shape.
    draws : int
        Number of draws behind each rank.
    level : float
        Probability of the interval.

    Returns
    -------
    float
        Equal to `level` when calibrated, up to sampling.
    """
    where = (rank + 0.5) / (draws + 1)
    return float((np.abs(where - 0.5) <= level / 2).mean())


@dataclass(frozen=True)
class Uniformity:
    """Test of uniform ranks.

    Parameters
    ----------
    statistic, p_value : float
        Chi-squared over the bins and its probability under uniform ranks.
    counts : numpy.ndarray
        Ranks in each bin.
    expected : numpy.ndarray
        Expected number in each bin: bins hold equal numbers of ranks only when the bins divide the number of ranks.
    """

    statistic: float
    p_value: float
    counts: np.ndarray
    expected: np.ndarray


def uniformity(rank: np.ndarray, draws: int, bins: int = 10) -> Uniformity:
    """Chi-squared test of uniform ranks.

    Parameters
    ----------
    rank : numpy.ndarray
        Ranks, shape (replicate,).
    draws : int
        Number of draws behind each rank.
    bins : int, optional
        Number of bins.

    Returns
    -------
    Uniformity
        Counts and probability.

    Raises
    ------
    ValueError
        If there are fewer than five replicates a bin, or a rank is impossible.
    """
    rank = np.asarray(rank).ravel()
    if rank.size < 5 * bins:
        raise ValueError(
            f"{rank.size} replicates in {bins} bins: the test needs at least 5 a bin. Use at most {rank.size // 5} bins or more replicates."
        )
    if rank.min() < 0 or rank.max() > draws:
        raise ValueError(f"ranks must lie between 0 and {draws}, got {rank.min()} to {rank.max()}.")
    bin_of = np.arange(draws + 1) * bins // (draws + 1)
    expected = rank.size * np.bincount(bin_of, minlength=bins) / (draws + 1)
    counts = np.bincount(bin_of[rank], minlength=bins)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return Uniformity(statistic, float(stats.chi2.sf(statistic, bins - 1)), counts, expected)


@dataclass(frozen=True)
class Band:
    """Empirical distribution of ranks, minus the uniform one, with a simultaneous band.

    Parameters
    ----------
    position : numpy.ndarray
        Where the distribution is evaluated, as a fraction of the ranks.
    difference : numpy.ndarray
        Empirical minus uniform distribution function.
    lower, upper : numpy.ndarray
        Band that a uniform sample leaves nowhere with the given probability.
    inside : bool
        Whether `difference` stays in the band everywhere.
    """

    position: np.ndarray
    difference: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    inside: bool


def ecdf_band(rank: np.ndarray, draws: int, rng: np.random.Generator, probability: float = 0.95, simulations: int = 2000) -> Band:
    """Empirical distribution of ranks with a simultaneous band, by simulation.

    Säilynoja, Bürkner & Vehtari (2022, doi 10.1007/s11222-022-10090-6, section 2.2): pointwise binomial intervals whose
    level is lowered until the stated fraction of uniform samples stays inside everywhere.

    Parameters
    ----------
    rank : numpy.ndarray
        Ranks, shape (replicate,).
    draws : int
        Number of draws behind each rank.
    rng : numpy.random.Generator
        Source of the simulated samples.
    probability : float, optional
        Simultaneous probability of the band.
    simulations : int, optional
        Number of simulated samples.

    Returns
    -------
    Band
        Difference and band.
    """
    rank = np.asarray(rank).ravel()
    n = rank.size
    cut = np.unique(np.linspace(0, draws, min(draws, 100) + 1).astype(int))[:-1]
    position = (cut + 1) / (draws + 1)
    simulated = np.sort(rng.integers(0, draws + 1, size=(simulations, n)), axis=1)
    counts = np.stack([np.searchsorted(s, cut, side="right") for s in simulated])
    # the smallest two-sided tail probability that each simulated sample reaches anywhere
    tail = 2 * np.minimum(stats.binom.cdf(counts, n, position), stats.binom.sf(counts - 1, n, position))
    level = np.quantile(tail.min(axis=1), 1 - probability)
    lower, upper = stats.binom.ppf(level / 2, n, position) / n - position, stats.binom.isf(level / 2, n, position) / n - position
    difference = np.searchsorted(np.sort(rank), cut, side="right") / n - position
    slack = 1e-12
    return Band(position, difference, lower, upper, bool(((difference >= lower - slack) & (difference <= upper + slack)).all()))
