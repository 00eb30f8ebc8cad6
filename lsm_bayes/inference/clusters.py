"""Which chains sample the same mode: judged by where they are, not by where they started."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .flat import Vector
from .whiten import affine_from_draws

MISPLACED = 0.02
"""Fraction of draws on the wrong side of a border from which two chains overlap."""
GAP = 2.5
"""Distance of the two sides of a divided chain in units of the sum of their standard deviations; a normal cut in half has 1.3."""
OFTEN = 20
"""Crossings of a chain from which its own time in two places tells their weights."""
SHORTEST = 0.05
"""Part of a chain that must lie in a place for the chain to be divided."""
DRAWS = 2000
"""Most draws of a chain or cluster that a border is fitted to."""


@dataclass(frozen=True)
class Border:
    """A hyperplane between two sets of draws: ``x @ direction > threshold`` is the side of the second.

    Attributes
    ----------
    direction : numpy.ndarray
        Shape (D,).
    threshold : float
        As many standard deviations from one set as from the other.
    """

    direction: Vector
    threshold: float

    @classmethod
    def between(cls, first: NDArray, second: NDArray) -> "Border":
        """Fisher's (1936) linear discriminant of two sets of draws, each of shape (n, D)."""
        sets = [draws[:: max(1, len(draws) // DRAWS)] for draws in (first, second)]
        means = [draws.mean(axis=0) for draws in sets]
        whitened = affine_from_draws(np.concatenate([draws - mean for draws, mean in zip(sets, means, strict=True)]))
        z = np.linalg.solve(whitened.scale, means[1] - means[0])
        direction = np.linalg.solve(whitened.scale.T, z)
        at = [float(mean @ direction) for mean in means]
        sd = [float((draws @ direction).std()) + 1e-300 for draws in sets]
        return cls(direction, (at[0] * sd[1] + at[1] * sd[0]) / (sd[0] + sd[1]))

    def beyond(self, positions: NDArray) -> NDArray:
        """Whether positions of shape (n, D) lie on the side of the second set."""
        return positions @ self.direction > self.threshold


def separated(first: NDArray, second: NDArray) -> bool:
    """Whether two chains sample different places: a border drawn from half of each leaves the other halves on either side.

    Parameters
    ----------
    first, second : numpy.ndarray
        Draws, shape (draw, D).

    Returns
    -------
    bool
        False where a chain visits the place of the other one, or wanders so slowly that its halves differ.
    """
    halves = [(draws[: len(draws) // 2], draws[len(draws) // 2 :]) for draws in (first, second)]
    wrong = np.zeros(2)
    for fitted, judged in ((0, 1), (1, 0)):
        border = Border.between(halves[0][fitted], halves[1][fitted])
        wrong += [np.mean(border.beyond(halves[0][judged])) / 2, np.mean(~border.beyond(halves[1][judged])) / 2]
    return bool(np.all(wrong < MISPLACED))


def divide(draws: NDArray) -> NDArray:
    """Tell apart two places that a chain has visited, if it crossed between them only now and then.

    Parameters
    ----------
    draws : numpy.ndarray
        One chain, shape (draw, D).

    Returns
    -------
    numpy.ndarray of bool
        Which draws lie in the second place, shape (draw,); all False where there is one place, or crossings are many.
    """
    number = len(draws)
    none = np.zeros(number, dtype=bool)
    best, most = none, GAP
    for split in np.linspace(0.1, 0.9, 9):
        border = Border.between(draws[: int(split * number)], draws[int(split * number) :])
        side = border.beyond(draws)
        if not SHORTEST < side.mean() < 1 - SHORTEST:
            continue
        # Fitted again to the sides: the split in time is rarely that in space.
        border = Border.between(draws[~side], draws[side])
        side, at = border.beyond(draws), draws @ border.direction
        if not SHORTEST < side.mean() < 1 - SHORTEST:
            continue
        gap = (at[side].mean() - at[~side].mean()) / (at[side].std() + at[~side].std() + 1e-300)
        if gap > most and np.abs(np.diff(side.astype(int))).sum() < OFTEN and separated(draws[~side], draws[side]):
            best, most = side, gap
    return best


def cluster_draws(positions: NDArray) -> NDArray:
    """Group draws by mode: whole chains together where they overlap; a chain that crossed now and then is divided.

    A chain that crosses often makes one group of the places that it visits.

    Parameters
    ----------
    positions : numpy.ndarray
        Unconstrained draws, shape (chain, draw, D).

    Returns
    -------
    numpy.ndarray
        Number of the group of each draw, shape (chain, draw).
    """
    pieces = []
    for chain, draws in enumerate(positions):
        side = divide(draws)
        pieces += [(chain, where) for where in (~side, side) if where.any()]
    group = np.arange(len(pieces))
    for k in range(len(pieces)):
        for other in range(k):
            if group[k] != group[other] and not separated(*(positions[c][where] for c, where in (pieces[k], pieces[other]))):
                group[np.isin(group, (group[k], group[other]))] = min(group[k], group[other])
    labels = np.zeros(positions.shape[:2], dtype=int)
    for (chain, where), k in zip(pieces, np.unique(group, return_inverse=True)[1], strict=True):
        labels[chain, where] = k
    return labels


def stand_for(here: NDArray, chains: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    """Choose the draws that stand for a mode: those of its chains, or, when it has none, the longest stay of a chain that crossed.

    Parameters
    ----------
    here : numpy.ndarray of bool
        Which draws lie in the mode, shape (chain, draw).
    chains : tuple of int
        Chains that lie in it wholly.

    Returns
    -------
    tuple of numpy.ndarray
        Chain and draw of each, shape (n,).
    """
    rows = list(chains) or [int(np.argmax(here.sum(axis=1)))]
    chain, draw = np.nonzero(here[rows])
    return np.array(rows)[chain], draw


class Region:
    """The part of the space that belongs to one cluster: on its side of the border to every other.

    Parameters
    ----------
    draws : list of numpy.ndarray
        Draws of each cluster, shape (n, D).
    own : int
        Which one.
    """

    def __init__(self, draws: list[NDArray], own: int):
        self.borders = [Border.between(other, draws[own]) for k, other in enumerate(draws) if k != own]

    def __call__(self, positions: NDArray) -> NDArray:
        """Say which positions of shape (n, D) lie in the region."""
        return np.all([border.beyond(positions) for border in self.borders] or [np.ones(len(positions), dtype=bool)], axis=0)
