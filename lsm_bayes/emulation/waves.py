"""One wave of history matching: emulators of targets, and how implausible a point is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .gaussian_process import GaussianProcesses
from .subset import Region
from .targets import Targets


@dataclass(frozen=True)
class Wave:
    """One wave: emulators of the targets, and the limit that they are held to.

    Attributes
    ----------
    centre, spread : numpy.ndarray
        Of the design, shape (d,): parameters are standardised with these.
    mean : numpy.ndarray
        Of the targets over the runs, shape (q,).
    surrogate : GaussianProcesses
        Of the targets.
    cutoff : float
        Implausibility above which a point is ruled out.
    rank : int
        Which implausibility counts: 1 the largest over targets, 2 the second largest, 3 the third.
    runs, failures : int
        Of the wave.
    fraction : float
        Part of the prior's probability that is left after this wave.
    standardised : float
        Root-mean-square of standardised leave-one-out errors of the emulators.
    emulator_share : float
        Part of the variance in the implausibility that is the emulators'; a further wave gains where this is large.
    region : Region
        Draws of what is left, and all points looked at.
    """

    centre: NDArray
    spread: NDArray
    mean: NDArray
    surrogate: GaussianProcesses
    cutoff: float
    rank: int
    runs: int
    failures: int
    fraction: float = 1.0
    standardised: float = np.nan
    emulator_share: float = np.nan
    region: Region | None = None

    def implausibility(self, x: NDArray, targets: Targets) -> NDArray:
        """Distance of each target from its observation, in sd of emulator, discrepancy and observation together.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).
        targets : Targets
            Observations and variances.

        Returns
        -------
        numpy.ndarray
            Shape (n, q).
        """
        mean, variance = self.surrogate.predict((x - self.centre) / self.spread)
        return np.abs(self.mean + mean - targets.observed) / np.sqrt(variance + targets.variance + targets.discrepancy)

    def excess(self, x: NDArray, targets: Targets) -> NDArray:
        """Implausibility that counts, less the cutoff: what is ruled out is above 0. Shape (n,)."""
        return ranked(self.implausibility(x, targets), self.rank) - self.cutoff


def ranked(implausibility: NDArray, rank: int) -> NDArray:
    """Largest, second or third largest implausibility over targets.

    Parameters
    ----------
    implausibility : numpy.ndarray
        Shape (n, q).
    rank : int
        1, 2, 3 ...; the smallest is taken where there are fewer targets.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    place = max(implausibility.shape[1] - rank, 0)
    return np.partition(implausibility, place, axis=1)[:, place]


def total_excess(waves: Sequence[Wave], x: NDArray, targets: Targets) -> NDArray:
    """Largest excess over its cutoff of any wave, shape (n,)."""
    return np.max([w.excess(x, targets) for w in waves], axis=0)
