"""How a design lies in parameter space: its centre and axes, and the ellipsoid beyond which an emulator of it extrapolates."""

import numpy as np
from numpy.typing import NDArray

CORRELATED = 0.8
"""Correlation of two parameters of a design above which parameters are rotated, too, and not only scaled."""


def standardisation(x: NDArray, rotate: bool | None = None) -> tuple[NDArray, NDArray]:
    """Centre and scale of a design.

    Parameters
    ----------
    x : numpy.ndarray
        Shape (n, d).
    rotate : bool, optional
        See `fit_emulator`.

    Returns
    -------
    tuple of numpy.ndarray
        Mean, shape (d,), and a square root of the covariance or of its diagonal, shape (d, d).
    """
    spread = x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    enough = len(x) > 2 * x.shape[1] and x.shape[1] > 1
    if rotate is None:
        correlation = np.corrcoef(x / spread, rowvar=False) if enough else np.eye(x.shape[1])
        rotate = bool(np.max(np.abs(correlation - np.diag(np.diag(correlation)))) > CORRELATED)
    return x.mean(axis=0), np.linalg.cholesky(np.cov(x, rowvar=False)) if rotate and enough else np.diag(spread)


def distance_to_runs(runs: NDArray, x: NDArray) -> NDArray:
    """Mahalanobis distance of points from the mean of runs, in units of that of the farthest run.

    Parameters
    ----------
    runs : numpy.ndarray
        Shape (n, d).
    x : numpy.ndarray
        Shape (m, d).

    Returns
    -------
    numpy.ndarray
        Shape (m,): at most 1 inside of the ellipsoid around the runs.
    """
    centre, precision = ellipsoid(runs)
    return np.sqrt(np.einsum("md,de,me->m", x - centre, precision, x - centre))


def ellipsoid(runs: NDArray) -> tuple[NDArray, NDArray]:
    """Smallest ellipsoid of the shape of the covariance of runs, around their mean, that holds them all.

    Parameters
    ----------
    runs : numpy.ndarray
        Shape (n, d).

    Returns
    -------
    tuple of numpy.ndarray
        Centre (d,) and P (d, d): ``(x - centre)' P (x - centre) <= 1`` inside.
    """
    centre, root = standardisation(runs, rotate=True)
    inverse = np.linalg.inv(root)
    farthest = np.max(np.sum(((runs - centre) @ inverse.T) ** 2, axis=1))
    return centre, inverse.T @ inverse / farthest
