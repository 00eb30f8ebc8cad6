"""One Gaussian process, and the search for the parameters of its covariance.

These are of highest posterior density: marginal likelihood times weak priors, which keep few runs from being read as noise or as nothing
but noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from .covariance import Covariance

LEAST_NUGGET, MOST_NUGGET = 1e-8, 1.0
PRIOR_SD = {"length": 0.8, "stationary": 1.5, "line": 2.0, "curve": 2.0, "nugget": 3.0}
PRIOR_NUGGET = 1e-5
"""Variance, in parts of that of the output, that no covariance explains: thresholds of a model."""


@dataclass(frozen=True)
class GaussianProcess:
    """One output.

    Attributes
    ----------
    covariance : Covariance
        Of the output divided by `scale`.
    nugget : tuple of float
        Variances of what is not smooth, of values and of derivatives.
    scale : float
        Standard deviation of the values.
    weights : numpy.ndarray
        Inverse of the covariance matrix times data, shape (N,).
    root : numpy.ndarray
        Inverse of the Cholesky factor of the covariance matrix, shape (N, N).
    widening : float
        Factor on variances; see `GaussianProcesses.fit`.
    """

    covariance: Covariance
    nugget: tuple[float, float]
    scale: float
    weights: NDArray
    root: NDArray
    widening: float = 1.0


def along(matrix: NDArray, directions: NDArray | None) -> NDArray:
    """Turn derivatives along axes, the last axis after the value, into those along directions: (..., n, 1 + d) to (..., n, 1 + p)."""
    if directions is None:
        return matrix
    return np.concatenate([matrix[..., :1], np.einsum("...nd,npd->...np", matrix[..., 1:], directions)], axis=-1)


class Search:
    """Search for the parameters of one covariance: logarithms of l, s^2, b^2, c^2 and of the nuggets."""

    def __init__(self, z: NDArray, data: NDArray, directions: NDArray | None, shape: str) -> None:
        spread = float(np.std(data[:, 0]))
        self.scale = spread if spread > 0 else 1.0
        self.z, self.directions, self.shape, self.d = z, directions, shape, z.shape[1]
        self.block = data.shape[1]
        self.data = (data / self.scale).ravel()
        nuggets = 1 if directions is None else 2
        centre = [np.log(2.0 * np.sqrt(self.d))] * self.d + [0.0, np.log(0.3), np.log(0.03)] + [np.log(PRIOR_NUGGET)] * nuggets
        sd = [PRIOR_SD["length"]] * self.d + [PRIOR_SD[n] for n in ("stationary", "line", "curve")] + [PRIOR_SD["nugget"]] * nuggets
        self.centre, self.sd = np.array(centre), np.array(sd)
        low, high = np.full(self.centre.size, -12.0), np.full(self.centre.size, 6.0)
        low[: self.d], high[: self.d] = np.log(0.1), np.log(100.0)
        low[self.d + 3 :], high[self.d + 3 :] = np.log(LEAST_NUGGET), np.log(MOST_NUGGET)
        self.bounds = list(zip(low, high, strict=True))

    def covariance(self, theta: NDArray) -> Covariance:
        """Make the covariance function of parameters."""
        values = np.exp(theta)
        stationary, line, curve = (float(v) for v in values[self.d : self.d + 3])
        return Covariance(values[: self.d], stationary, line, curve, self.shape)

    def factor(self, theta: NDArray) -> tuple[Covariance, NDArray, NDArray]:
        """Covariance, its matrix factored, and the nugget of each datum."""
        c, slopes, n = self.covariance(theta), self.directions is not None, len(self.z)
        full = c.between(self.z, self.z, (slopes, slopes))
        if slopes:
            half = along(full, self.directions)
            full = np.moveaxis(along(np.moveaxis(half, (0, 1), (2, 3)), self.directions), (2, 3), (0, 1))
        nuggets = np.tile(np.exp(theta[self.d + 3 :])[np.minimum(np.arange(self.block), len(theta) - self.d - 4)], n)
        matrix = full.reshape(n * self.block, -1) + np.diag(nuggets)
        return c, np.linalg.cholesky(matrix), nuggets

    def __call__(self, theta: NDArray) -> tuple[float, NDArray]:
        """Negative log-posterior of the parameters and its gradient."""
        away = (theta - self.centre) / self.sd
        try:
            c, lower, nuggets = self.factor(theta)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        weights = cho_solve((lower, True), self.data)
        value = 0.5 * self.data @ weights + np.sum(np.log(np.diag(lower))) + 0.5 * away @ away
        weight = 0.5 * (cho_solve((lower, True), np.eye(len(lower))) - np.outer(weights, weights))
        parts = np.diag(weight) * nuggets
        kind = np.tile(np.minimum(np.arange(self.block), len(theta) - self.d - 4), len(self.z))
        weight = weight.reshape(len(self.z), self.block, len(self.z), self.block)
        if self.directions is not None:
            weight = np.moveaxis(self._back(np.moveaxis(self._back(weight), (0, 1), (2, 3))), (2, 3), (0, 1))
        gradient = np.concatenate([c.sensitivity(self.z, weight), np.bincount(kind, parts)])
        return float(value), gradient + away / self.sd

    def _back(self, weight: NDArray) -> NDArray:
        """Transpose of `along` on the last two axes."""
        assert self.directions is not None
        return np.concatenate([weight[..., :1], np.einsum("...np,npd->...nd", weight[..., 1:], self.directions)], axis=-1)

    def best(self, starts: int) -> GaussianProcess:
        """Search from the centre of the prior and from shorter and longer lengths."""
        found = None
        for k in range(starts):
            start = self.centre.copy()
            start[: self.d] += (0.0, -0.7, 0.7)[k % 3]
            result = minimize(self, start, jac=True, method="L-BFGS-B", bounds=self.bounds, options={"maxiter": 60})
            found = result if found is None or result.fun < found.fun else found
        assert found is not None
        theta = found.x
        c, lower, _ = self.factor(theta)
        nugget = np.exp(theta[self.d + 3 :])
        root = solve_triangular(lower, np.eye(len(lower)), lower=True)
        return GaussianProcess(c, (float(nugget[0]), float(nugget[-1])), self.scale, cho_solve((lower, True), self.data), root)
