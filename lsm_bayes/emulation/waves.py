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
    centre, root : numpy.ndarray
        Of the design, shapes (d,) and (d, d): parameters are standardised as ``inverse(root) (x - centre)``.
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
    checked : float
        The same of new runs where this wave ruled nothing out; the largest of all targets. Above 1 the emulators were too sure of
        themselves there: their variances are multiplied by its square, by target, before anything is ruled out.
    emulator_share : float
        Part of the variance in the implausibility that is the emulators'; a further wave gains where this is large.
    region : Region
        Draws of what is left, and all points looked at.
    """

    centre: NDArray
    root: NDArray
    mean: NDArray
    surrogate: GaussianProcesses
    cutoff: float
    rank: int
    runs: int
    failures: int
    fraction: float = 1.0
    standardised: float = np.nan
    checked: float = np.nan
    emulator_share: float = np.nan
    region: Region | None = None

    def predict(self, x: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and variance of the targets.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).

        Returns
        -------
        tuple of numpy.ndarray
            Two of shape (n, q).
        """
        mean, variance = self.surrogate.predict(np.linalg.solve(self.root, (x - self.centre).T).T)
        return self.mean + mean, variance

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
        return _implausibility(*self.predict(x), targets)


def _implausibility(mean: NDArray, variance: NDArray, targets: Targets) -> NDArray:
    return np.abs(mean - targets.observed) / np.sqrt(variance + targets.variance + targets.discrepancy)


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


def excesses(waves: Sequence[Wave], x: NDArray, targets: Targets) -> NDArray:
    """Implausibility that counts, less the cutoff, by wave.

    For a target, a wave has a say only where it is surer than all waves before it. Where it is not, it has no runs near: there
    its emulator extrapolates, which its variance understates.

    Parameters
    ----------
    waves : sequence of Wave
        In their order.
    x : numpy.ndarray
        Active elements, shape (n, d).
    targets : Targets
        Observations and variances.

    Returns
    -------
    numpy.ndarray
        Shape (waves, n): above 0 where a wave rules a point out.
    """
    found, surest = np.empty((len(waves), len(x))), np.full((len(x), len(targets.observed)), np.inf)
    for k, wave in enumerate(waves):
        mean, variance = wave.predict(x)
        implausible = np.where(variance < surest, _implausibility(mean, variance, targets), 0.0)
        found[k], surest = ranked(implausible, wave.rank) - wave.cutoff, np.minimum(surest, variance)
    return found
