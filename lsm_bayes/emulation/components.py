"""Principal components of whitened outputs, and what is left out of them.

Outputs are in units of their errors, so a component that varies by much less than 1 changes no posterior and is not emulated. Variance
that is not emulated is carried: components that are left out keep the variance that they had over the runs, and what lies outside the
span of the runs gets that of leave-one-out projections.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Components:
    """An orthonormal basis of outputs.

    Attributes
    ----------
    mean : numpy.ndarray
        Shape (M,).
    kept : numpy.ndarray
        Basis vectors that are emulated, shape (K, M).
    left : numpy.ndarray
        Those that are not, shape (L, M).
    left_variance : numpy.ndarray
        Variance along these, shape (L,).
    outside : float
        Variance along any direction outside of all of these.
    explained : float
        Part of the variance of the runs along the emulated components.
    """

    mean: NDArray
    kept: NDArray
    left: NDArray
    left_variance: NDArray
    outside: float
    explained: float = 1.0

    def scores(self, outputs: NDArray) -> NDArray:
        """Coordinates of outputs along the emulated components, shape (..., K)."""
        return (outputs - self.mean) @ self.kept.T

    def variance(self, of_scores: NDArray) -> NDArray:
        """Variance of each output.

        Parameters
        ----------
        of_scores : numpy.ndarray
            Shape (n, K).

        Returns
        -------
        numpy.ndarray
            Shape (n, M).
        """
        inside = np.sum(self.kept**2, axis=0) + np.sum(self.left**2, axis=0)
        fixed = self.left_variance @ self.left**2 + self.outside * np.maximum(1.0 - inside, 0.0)
        return of_scores @ self.kept**2 + fixed


def principal_components(
    outputs: NDArray,
    slopes: NDArray | None = None,
    *,
    least: float = 0.01,
    explained: float | None = None,
    most: int = 30,
    number: int | None = None,
    outside: bool = True,
) -> Components:
    """Find the components of runs.

    Parameters
    ----------
    outputs : numpy.ndarray
        Whitened outputs, shape (n, M).
    slopes : numpy.ndarray, optional
        Their derivatives along directions of the length of a standard deviation of the design, shape (n, p, M): the basis then spans
        where outputs go from a run, too.
    least : float
        Least variance over the runs, in units of the error variance of one observation, of a component that is kept.
    explained : float, optional
        Part of the variance over the runs at which no more components are kept; ``least`` alone decides without.
    most : int
        Most components.
    number : int, optional
        Keep so many, whatever their variance.
    outside : bool
        Estimate the variance outside of the span; 0 without.

    Returns
    -------
    Components
        At least one is kept.
    """
    mean = outputs.mean(axis=0)
    centred = outputs - mean
    rows = centred if slopes is None else np.concatenate([centred[:, None], slopes], axis=1).reshape(-1, outputs.shape[1])
    _, singular, basis = np.linalg.svd(rows, full_matrices=False)
    basis = basis[singular > 1e-9 * singular[0]]
    along = centred @ basis.T
    variance = np.mean(along**2, axis=0) * len(outputs) / max(len(outputs) - 1, 1)
    # By the runs' own variance: with derivatives the order of the singular values may be another.
    order = np.argsort(-variance, kind="stable")
    basis, variance = basis[order], variance[order]
    part = np.cumsum(variance) / np.sum(variance)
    if number is None:
        number = min(int(np.sum(variance >= least)), most)
        if explained is not None:
            number = min(number, int(np.searchsorted(part, explained)) + 1)
    number = int(np.clip(number, 1, len(basis)))
    beyond = _outside(rows, len(outputs), outputs.shape[1] - len(basis)) if outside else 0.0
    return Components(mean, basis[:number], basis[number:], variance[number:], beyond, explained=float(part[number - 1]))


def _outside(rows: NDArray, runs: int, free: int) -> float:
    """Variance of a new run along each direction that the other runs do not span."""
    if free <= 0:
        return 0.0
    block = len(rows) // runs
    weight = np.tile([1.0] + [0.0] * (block - 1), runs)  # a run is the mean plus a part of the span; a derivative has no mean
    gram = rows @ rows.T
    size = np.trace(gram) / len(rows)
    gram += 1e3 * size * np.outer(weight, weight)
    inverse = np.linalg.inv(gram + 1e-12 * size * np.eye(len(rows)))
    left = [np.linalg.inv(inverse[i * block : (i + 1) * block, i * block : (i + 1) * block])[0, 0] for i in range(runs)]
    return float(max(np.mean(left) - 1e-9 * size, 0.0) / (free + 1))
