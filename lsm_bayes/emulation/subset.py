"""Draws from a normal prior restricted to a region of it, however small: subset simulation.

Au & Beck (2001, doi 10.1016/S0266-8920(01)00019-4), with the conditional moves of Papaioannou et al. (2015,
doi 10.1016/j.probengmech.2015.06.006): ``x' = sqrt(1 - s^2) x + s e`` leaves the prior as it is, and is refused outside of the region.
Between these, moves along differences of other draws (ter Braak 2006, doi 10.1007/s11222-006-8769-1), for thin regions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.2
"""Part of the draws that the next level keeps."""
SMALLEST = 1e-15
"""Probability below which a region counts as empty."""


@dataclass(frozen=True)
class Region:
    """Draws inside of a region.

    Attributes
    ----------
    draws : numpy.ndarray
        Standard normal coordinates, shape (number, d).
    fraction : float
        Probability of the region under the prior.
    relative_error : float
        Of `fraction`, an estimate that takes draws of a level as independent, so a lower bound.
    seen : numpy.ndarray
        All points at which the measure was asked for, shape (m, d).
    measured : numpy.ndarray
        The measure there, shape (m,).
    """

    draws: NDArray
    fraction: float
    relative_error: float
    seen: NDArray
    measured: NDArray


class EmptyRegionError(ValueError):
    """Nothing of a prior lies in a region."""

    def __init__(self, level: float, limit: float) -> None:
        super().__init__(
            "no part of the prior was found where the implausibility is at most its limit; "
            f"the least found exceeds it by {level - limit:.3g}. "
            "The model cannot reproduce these targets: allow for discrepancy, raise the limit, or widen the prior"
        )


def sample_region(
    measure: Callable[[NDArray], NDArray], dimension: int, number: int, rng: np.random.Generator, *, limit: float = 0.0, moves: int = 6
) -> Region:
    """Draw standard normal vectors at which a measure is at most a limit.

    Levels of the measure are lowered step by step; at each, the draws that are below it are moved within it.

    Parameters
    ----------
    measure : callable
        Of points, shape (n, d), numbers of shape (n,); NaN counts as outside.
    dimension : int
        d.
    number : int
        Draws.
    rng : numpy.random.Generator
        Source of randomness.
    limit : float
        The region is where the measure is at most this.
    moves : int
        Moves of each draw at each level; twice as many at the last.

    Returns
    -------
    Region
        Draws and probability. A region of several parts is found as far as the levels before it join them.

    Raises
    ------
    EmptyRegionError
        If the levels come to a stop above the limit: the region is empty, or smaller than 1e-15 of the prior.
    """
    points = rng.standard_normal((number, dimension))
    values = _finite(measure(points))
    seen, measured = [points], [values]
    fraction, error, step = 1.0, 0.0, 0.7
    while True:
        level = max(limit, float(np.quantile(values, SHARE)))
        inside = values <= level
        part = float(inside.mean())
        fraction, error = fraction * part, error + (1.0 - part) / (part * number)
        last = level <= limit
        if last and part == 1.0:
            break
        from_ = rng.choice(np.flatnonzero(inside), size=number, replace=bool(inside.sum() < number))
        points, values = points[from_], values[from_]
        for _ in range(2 * moves if last else moves):
            points, values, step = _move(measure, points, values, level, step, rng)
            seen.append(points.copy())
            measured.append(values.copy())
        if last:
            break
        if fraction < SMALLEST:
            raise EmptyRegionError(float(values.min()), limit)
    return Region(points, fraction, float(np.sqrt(error)), np.concatenate(seen), np.concatenate(measured))


def _finite(values: NDArray) -> NDArray:
    return np.where(np.isfinite(values), values, 1e300)


def _move(
    measure: Callable[[NDArray], NDArray], points: NDArray, values: NDArray, level: float, step: float, rng: np.random.Generator
) -> tuple[NDArray, NDArray, float]:
    """Move along each axis, then along differences between other draws, which know the shape of a thin region (ter Braak 2006)."""
    spread = np.clip(points.std(axis=0), 1e-8, 1.0)
    s = np.minimum(step * spread * rng.uniform(0.3, 1.7), 1.0)
    proposed = np.sqrt(1.0 - s**2) * points + s * rng.standard_normal(points.shape)
    found = _finite(measure(proposed))
    accepted = found <= level
    step = float(np.clip(step * np.exp(accepted.mean() - 0.35), 1e-4, 2.0))
    points, values = np.where(accepted[:, None], proposed, points), np.where(accepted, found, values)
    # Each half moves along differences within the other half, so that the moves are symmetric.
    halves = np.array_split(rng.permutation(len(points)), 2)
    for mine, others in (halves, halves[::-1]):
        first, second = rng.choice(others, len(mine)), rng.choice(others, len(mine))
        length = 1.7 / np.sqrt(points.shape[1]) * rng.uniform(0.1, 1.0, size=(len(mine), 1))
        jump = length * (points[first] - points[second])
        proposed = points[mine] + jump + 1e-3 * spread * rng.standard_normal(jump.shape)
        found = _finite(measure(proposed))
        ratio = 0.5 * (np.sum(points[mine] ** 2, axis=1) - np.sum(proposed**2, axis=1))
        accepted = (found <= level) & (np.log(rng.random(len(mine))) < ratio)
        points[mine] = np.where(accepted[:, None], proposed, points[mine])
        values[mine] = np.where(accepted, found, values[mine])
    return points, values, step
