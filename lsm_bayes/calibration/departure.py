"""How far draws are from a normal, or from a mixture of normals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lsm_bayes.calibration.normal_mixture import NormalMixture

SKEWED, HEAVY = 0.5, 0.2
"""Skewness a direction and relative excess kurtosis beyond which draws are called far from normal."""
ENDS = (0.05, 0.95)
PAIRED = 2000  # draws that are compared with each other


@dataclass(frozen=True)
class Departure:
    """How far draws are from the normal with their mean and covariance, or from the mixture of normals that was fitted to them.

    Of a mixture, skewness and kurtosis are those of the normal scores (`NormalMixture.normal_scores`), which are standard normal where the
    draws come from it. One normal is the case in which scores are whitened draws. All but `gain` is measured on the draws that were fitted.

    Attributes
    ----------
    skewness : float
        Root mean square over directions, sqrt(b1 / D), with the b1 of Mardia (1970, doi 10.1093/biomet/57.3.519) taken over pairs of draws
        from different chains, so that its expectation is 0 for normal draws however few.
    kurtosis : float
        b2 / (D (D + 2)) - 1 with Mardia's b2: 0 for a normal, positive for heavy tails.
    shift : float
        Largest distance between a 5 % or 95 % quantile of a coordinate and that of the normal or mixture, in posterior sd.
    where : str
        The coordinate with that distance.
    modes : int or None
        Modes of at least 1 % weight that a search has recorded with the draws; None where there was no search.
    components : int
        Normals in the mixture.
    gain : float
        Log density of draws under the mixture that the other half of the chains gives, less that under one normal: nats a draw, mean.
    """

    skewness: float
    kurtosis: float
    shift: float
    where: str
    modes: int | None
    components: int = 1
    gain: float = 0.0

    @property
    def far(self) -> bool:
        """Whether the normal, or the mixture, misses a mode or much of the shape."""
        return self.skewness > SKEWED or abs(self.kurtosis) > HEAVY or (self.modes or 1) > self.components

    def describe(self) -> str:
        """Say the numbers.

        Returns
        -------
        str
            One clause.
        """
        found = "no search for modes recorded" if self.modes is None else f"{self.modes} mode{'s' if self.modes > 1 else ''}"
        of, better = "", ""
        if self.components > 1:
            of = " (of normal scores)"
            better = f"; log density of withheld draws {self.gain:.2f} nats a draw above that of one normal"
        return (
            f"skewness {self.skewness:.2f} a direction, relative excess kurtosis {self.kurtosis:.2f}{of}, "
            f"5 and 95 % quantiles off by up to {self.shift:.2f} sd ({self.where}), {found}{better}"
        )


def departure_of(draws: np.ndarray, mixture: NormalMixture, names: Sequence[str], modes: int | None, gain: float = 0.0) -> Departure:
    """Measure how far draws are from the normal, or mixture of normals, that was fitted to them.

    Parameters
    ----------
    draws : numpy.ndarray
        (chain, draw, D), at least two chains.
    mixture : NormalMixture
        What was fitted.
    names : sequence of str
        Of the coordinates.
    modes : int or None
        How many a search has found.
    gain : float
        What a mixture gains on one normal, nats a withheld draw.

    Returns
    -------
    Departure
        The numbers.
    """
    chains, length, size = draws.shape
    flat = draws.reshape(-1, size)
    white = mixture.normal_scores(flat).reshape(draws.shape)
    thinned = white[:, :: -(-length * chains // PAIRED)]
    # Within a chain, a pair of a draw with itself or with its neighbours would add what has nothing to do with the shape.
    pairs = [np.mean((thinned[a] @ thinned[b].T) ** 3) for a in range(chains) for b in range(a)]
    b2 = float(np.mean((white**2).sum(axis=-1) ** 2))
    sd = np.sqrt(np.diag(mixture.covariance))
    fitted = np.array([[mixture.quantile(i, p) for i in range(size)] for p in ENDS])
    off = np.abs((np.quantile(flat, ENDS, axis=0) - fitted) / sd).max(axis=0)
    worst = int(np.argmax(off))
    skewness = float(np.sqrt(max(0.0, float(np.mean(pairs)) / size)))
    return Departure(skewness, b2 / (size * (size + 2)) - 1.0, float(off[worst]), names[worst], modes, len(mixture.weights), gain)
