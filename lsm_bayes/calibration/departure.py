"""How far draws are from a normal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SKEWED, HEAVY = 0.5, 0.2
"""Skewness a direction and relative excess kurtosis beyond which draws are called far from normal."""
QUANTILE = 1.6448536269514722  # of the standard normal, 95 %
PAIRED = 2000  # draws that are compared with each other


@dataclass(frozen=True)
class Departure:
    """How far draws are from the normal with their mean and covariance.

    Attributes
    ----------
    skewness : float
        Root mean square over directions, sqrt(b1 / D), with the b1 of Mardia (1970, doi 10.1093/biomet/57.3.519) taken over pairs of draws
        from different chains, so that its expectation is 0 for normal draws however few.
    kurtosis : float
        b2 / (D (D + 2)) - 1 with Mardia's b2: 0 for a normal, positive for heavy tails.
    shift : float
        Largest distance between a 5 % or 95 % quantile of a coordinate and that of the normal, in posterior sd.
    where : str
        The coordinate with that distance.
    modes : int or None
        Modes of at least 1 % weight that a search has recorded with the draws; None where there was no search.
    """

    skewness: float
    kurtosis: float
    shift: float
    where: str
    modes: int | None

    @property
    def far(self) -> bool:
        """Whether a normal misses a mode, or much of the shape."""
        return self.skewness > SKEWED or abs(self.kurtosis) > HEAVY or (self.modes or 1) > 1

    def describe(self) -> str:
        """Say the numbers.

        Returns
        -------
        str
            One clause.
        """
        found = "no search for modes recorded" if self.modes is None else f"{self.modes} mode{'s' if self.modes > 1 else ''}"
        return (
            f"skewness {self.skewness:.2f} a direction, relative excess kurtosis {self.kurtosis:.2f}, 5 and 95 % quantiles off by up to "
            f"{self.shift:.2f} sd ({self.where}), {found}"
        )


def departure_of(draws: np.ndarray, mean: np.ndarray, factor: np.ndarray, names: Sequence[str], modes: int | None) -> Departure:
    """Measure how far draws are from the normal with their mean and covariance.

    Parameters
    ----------
    draws : numpy.ndarray
        (chain, draw, D), at least two chains.
    mean, factor : numpy.ndarray
        Mean (D,) and lower Cholesky factor of the covariance (D, D).
    names : sequence of str
        Of the coordinates.
    modes : int or None
        How many a search has found.

    Returns
    -------
    Departure
        The numbers.
    """
    chains, length, size = draws.shape
    white = np.linalg.solve(factor, (draws - mean).reshape(-1, size).T).T.reshape(draws.shape)
    thinned = white[:, :: -(-length * chains // PAIRED)]
    # Within a chain, a pair of a draw with itself or with its neighbours would add what has nothing to do with the shape.
    pairs = [np.mean((thinned[a] @ thinned[b].T) ** 3) for a in range(chains) for b in range(a)]
    b2 = float(np.mean((white**2).sum(axis=-1) ** 2))
    sd = np.linalg.norm(factor, axis=1)
    ends = np.quantile(draws.reshape(-1, size), [0.05, 0.95], axis=0)
    off = np.abs((ends - mean) / sd - np.array([[-QUANTILE], [QUANTILE]])).max(axis=0)
    worst = int(np.argmax(off))
    skewness = float(np.sqrt(max(0.0, float(np.mean(pairs)) / size)))
    return Departure(skewness, b2 / (size * (size + 2)) - 1.0, float(off[worst]), names[worst], modes)
