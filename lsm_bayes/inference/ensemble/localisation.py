"""Localisation: how much each observation may change each element, so that chance correlations of a small ensemble do no harm."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inverse import InverseProblem


def gaspari_cohn(distance: ArrayLike) -> NDArray:
    """Taper with compact support that looks like a bell (Gaspari and Cohn 1999, doi 10.1002/qj.49712555417, equation 4.10).

    Parameters
    ----------
    distance : array-like
        Distance divided by half the distance at which the taper is zero.

    Returns
    -------
    numpy.ndarray
        1 at no distance, 5/24 at 1, 0 from 2 on.
    """
    r = np.abs(np.asarray(distance, dtype=float))
    near = 1 + r**2 * (-5 / 3 + r * (5 / 8 + r * (1 / 2 - r / 4)))
    far = 4 + r * (-5 + r * (5 / 3 + r * (5 / 8 + r * (-1 / 2 + r / 12)))) - 2 / (3 * np.maximum(r, 1.0))
    return np.where(r < 1, near, np.where(r < 2, np.maximum(far, 0.0), 0.0))


def taper_by_distance(elements: ArrayLike, observations: ArrayLike, radius: float) -> NDArray:
    """Weights that fall with the distance between elements and observations.

    Parameters
    ----------
    elements : array-like
        Coordinates of each element, shape (d,) or (d, axes).
    observations : array-like
        Coordinates of each observation, shape (M,) or (M, axes).
    radius : float
        Distance, in the unit of the coordinates, from which observations have no weight.

    Returns
    -------
    numpy.ndarray
        Shape (d, M).

    Raises
    ------
    ValueError
        If the radius is not positive or the axes differ in number.
    """
    if not radius > 0:
        raise ValueError(f"the radius of a taper is positive, got {radius:g}")
    a, b = (v[:, None] if v.ndim == 1 else v for v in (np.asarray(elements, dtype=float), np.asarray(observations, dtype=float)))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"elements have {a.shape[1]} coordinates each and observations {b.shape[1]}; give both the same axes")
    distance = np.sqrt(np.sum((a[:, None] - b[None]) ** 2, axis=2))
    return gaspari_cohn(2.0 * distance / radius)


def taper_by_dependence(problem: InverseProblem, points: int = 2, size: float = 0.5, seed: int = 0) -> NDArray:
    """Weights 1 where a prediction depends on an element at all, 0 where it does not: parameters of one site and data of another.

    Found by moving one element at a time and comparing predictions to the last bit, which costs ``points * (d + 1)`` forward runs.

    Parameters
    ----------
    problem : InverseProblem
        The problem.
    points : int
        Prior draws from which elements are moved: a threshold may hide a dependence at one of these.
    size : float
        Move, in prior standard deviations.
    seed : int
        Seed of the draws.

    Returns
    -------
    numpy.ndarray
        Shape (d, M). Where a run fails, everything is taken to depend on the element.
    """
    mean, covariance = problem.prior
    sd, rng = np.sqrt(np.diag(covariance)), np.random.default_rng(seed)
    found = np.zeros((problem.size, problem.observed.size), dtype=bool)
    for _ in range(points):
        start = mean + 0.5 * sd * rng.standard_normal(problem.size)
        run = problem.predict(np.vstack([start, start + np.diag(size * sd)]))
        found |= ~(run[1:] == run[0])  # NaN counts as a difference
    return found.astype(float)


def taper_by_correlation(elements: NDArray, predictions: NDArray) -> NDArray:
    """Weights from the correlations in the ensemble itself, next to 1 for strong ones and 0 for those that chance gives.

    The weight that makes the expected squared error of a sample covariance least is ``r^2 / (r^2 + (1 + r^2) / N)`` for normal variables
    with correlation r (Furrer and Bengtsson 2007, doi 10.1016/j.jmva.2006.08.003). Here r^2 is that of the sample less what
    chance adds, and zero where ``|r| < 2 / sqrt(N)``.

    Parameters
    ----------
    elements : numpy.ndarray
        Members, shape (N, k).
    predictions : numpy.ndarray
        Their predictions, shape (N, M).

    Returns
    -------
    numpy.ndarray
        Shape (k, M).
    """
    number = len(elements)
    a, s = (v - v.mean(axis=0) for v in (elements, predictions))
    scale = np.sqrt(np.sum(a**2, axis=0))[:, None] * np.sqrt(np.sum(s**2, axis=0))[None]
    squared = (a.T @ s / np.where(scale > 0, scale, 1.0)) ** 2
    chance = 1.0 / (number - 1)
    less = np.clip((squared - chance) / (1.0 - chance), 0.0, 1.0)
    weight = less / (less + (1.0 + less) / number)
    return np.where(squared < 4.0 / number, 0.0, weight)
