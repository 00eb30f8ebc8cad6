"""Forward selection: parameters added one by one, each time the one with which a short refit lowers a sum of squares most."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsm_bayes.inference.flat import Vector

STEP = 1e-4
"""Of central differences, in prior sd."""
TRIED = (0.03, 1.0, 30.0)
"""Damping of the trial step of each candidate, relative to the curvature."""


@dataclass(frozen=True)
class Path:
    """What was added, and what it brought.

    Attributes
    ----------
    order : list of int
        All parameters, in the order in which they were added.
    misfits : numpy.ndarray
        Half the sum of squares before any was added, and after each, shape (d + 1,).
    places : numpy.ndarray
        Where each refit ended, shape (d + 1, d).
    """

    order: list[int]
    misfits: NDArray
    places: NDArray


def forward_selection(residuals: Callable[[Vector], Vector], start: Vector, first: Sequence[int] = (), *, refits: int = 2) -> Path:
    """Add parameters one by one; those that were not added yet stay where they start.

    Each candidate is judged by what one damped Gauss-Newton step of it and of those taken before brings, as run and not as linearised
    (forward selection of regression with the model run anew; least squares of Levenberg 1944 and Marquardt 1963). Effects that do not
    help to reduce the residuals, or that those taken before can do as well, bring nothing.

    Parameters
    ----------
    residuals : callable
        Residuals (M,) at coordinates (d,); not finite where a run fails.
    start : numpy.ndarray
        Shape (d,).
    first : sequence of int
        Parameters that are added before others.
    refits : int
        Gauss-Newton steps after each addition.

    Returns
    -------
    Path
        For all d parameters.

    Raises
    ------
    ValueError
        When the start has no finite residuals.
    """
    place, fault = np.asarray(start, dtype="float64"), residuals(start)
    if not np.isfinite(fault).all():
        raise ValueError("the run from which the selection starts failed; give other values with at=")
    taken: list[int] = []
    misfits, places = [_half(fault)], [place]
    while len(taken) < place.size:
        slopes = _slopes(residuals, place, fault, range(place.size))
        offered = [i for i in first if i not in taken][:1] or [i for i in range(place.size) if i not in taken]
        trials = [_step(residuals, place, fault, slopes[:, [*taken, i]], [*taken, i], TRIED) for i in offered]
        best = int(np.argmin([_half(f) for _, f in trials]))
        taken.append(offered[best])
        place, fault = trials[best]
        for _ in range(refits):
            place, fault = _step(residuals, place, fault, _slopes(residuals, place, fault, taken), taken, TRIED)
        misfits.append(_half(fault))
        places.append(place)
    return Path(taken, np.array(misfits), np.stack(places))


def _half(fault: Vector) -> float:
    value = 0.5 * float(fault @ fault)
    return value if np.isfinite(value) else np.inf


def _slopes(residuals: Callable[[Vector], Vector], place: Vector, fault: Vector, columns: Sequence[int]) -> NDArray:
    """Differentiate (M, columns); zero for a parameter beside which the runs fail, which is then left where it is."""
    found = np.zeros((fault.size, len(columns)))
    for k, i in enumerate(columns):
        step = STEP * (np.arange(place.size) == i)
        slope = (residuals(place + step) - residuals(place - step)) / (2 * STEP)
        if np.isfinite(slope).all():
            found[:, k] = slope
    return found


def _step(
    residuals: Callable[[Vector], Vector], place: Vector, fault: Vector, slopes: NDArray, columns: list[int], dampings: Sequence[float]
) -> tuple[Vector, Vector]:
    """Best of Gauss-Newton steps of several dampings, or none."""
    best, curvature = (place, fault), slopes.T @ slopes
    for damping in dampings:
        moved = place.copy()
        # A parameter without any slope would make the matrix singular.
        diagonal = damping * np.diag(curvature) + 1e-12
        moved[columns] -= np.linalg.solve(curvature + np.diag(diagonal), slopes.T @ fault)
        found = residuals(moved)
        if _half(found) < _half(best[1]):
            best = moved, found
    return best
