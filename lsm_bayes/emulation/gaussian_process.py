"""Gaussian processes of several independent outputs, from values and, where they are given, directional derivatives."""

from dataclasses import dataclass, replace

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .covariance import ROOT5, SHAPES
from .one_process import GaussianProcess, Search, along


@dataclass(frozen=True)
class GaussianProcesses:
    """Independent Gaussian processes on the same runs.

    Attributes
    ----------
    z : numpy.ndarray
        Standardised parameters of the runs, shape (n, d).
    directions : numpy.ndarray or None
        Of the derivatives, shape (n, p, d).
    each : tuple of GaussianProcess
        One for each output.
    """

    z: NDArray
    directions: NDArray | None
    each: tuple[GaussianProcess, ...]

    @classmethod
    def fit(
        cls,
        z: NDArray,
        values: NDArray,
        slopes: NDArray | None = None,
        directions: NDArray | None = None,
        *,
        shape: str = "matern52",
        starts: int | None = None,
    ) -> "GaussianProcesses":
        """Fit one process for each output.

        Where the errors of leave-one-out predictions are larger than they should be, on average over runs, variances are multiplied by
        the mean of their squared standardised values (Bachoc 2013, doi 10.1016/j.csda.2013.03.016, estimates the variance so).

        Parameters
        ----------
        z : numpy.ndarray
            Standardised parameters, shape (n, d).
        values : numpy.ndarray
            Outputs, shape (n, K), of mean near 0.
        slopes, directions : numpy.ndarray, optional
            Derivatives of the outputs, shape (n, p, K), along directions of shape (n, p, d).
        shape : {"matern52", "gaussian"}
            Of the stationary part.
        starts : int, optional
            Searches for the parameters of each covariance: two, or one where there are derivatives, which leave less open.

        Returns
        -------
        GaussianProcesses
            The fit.

        Raises
        ------
        ValueError
            If ``shape`` is unknown.
        """
        if shape not in SHAPES:
            raise ValueError(f"shape is {shape!r}; choose one of {', '.join(SHAPES)}")
        each: list[GaussianProcess] = []
        for k in range(values.shape[1]):
            data = values[:, k : k + 1] if slopes is None else np.concatenate([values[:, k : k + 1], slopes[:, :, k]], axis=1)
            with threadpool_limits(1):  # matrices are small: threads of the linear algebra would wait for each other
                each.append(Search(z, data, directions, shape).best(starts or (2 if slopes is None else 1)))
        found = cls(z, directions, tuple(each))
        mean, variance = found.leave_one_out(values)
        widening = np.maximum(1.0, np.mean((values - mean) ** 2 / variance, axis=0))
        return cls(z, directions, tuple(GaussianProcess(**{**vars(g), "widening": float(w)}) for g, w in zip(each, widening, strict=True)))

    def _cross(self, g: GaussianProcess, z: NDArray) -> NDArray:
        """Covariances of values at z with the data, shape (m, N)."""
        found = g.covariance.between(z, self.z, (False, self.directions is not None))[:, 0]
        return along(found, self.directions).reshape(len(z), -1)

    def predict(self, z: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and variance of the outputs of new runs.

        Parameters
        ----------
        z : numpy.ndarray
            Shape (m, d).

        Returns
        -------
        tuple of numpy.ndarray
            Two of shape (m, K).
        """
        found = []
        for g in self.each:
            cross = self._cross(g, z)
            square = np.sum(z**2, axis=1)
            c = g.covariance
            prior = c.stationary + c.line * (1.0 + square) + c.curve * square**2
            variance = np.maximum(prior - np.sum((cross @ g.root.T) ** 2, axis=1), 0.0) + g.nugget[0]
            found.append((g.scale * (cross @ g.weights), g.widening * g.scale**2 * variance))
        return np.stack([f[0] for f in found], axis=1), np.stack([f[1] for f in found], axis=1)

    def joint(self, z: NDArray) -> NDArray:
        """Covariances of the errors of new runs, shape (K, m, m)."""
        found = []
        for g in self.each:
            left = self._cross(g, z) @ g.root.T
            matrix = g.covariance.between(z, z)[:, 0, :, 0] - left @ left.T + g.nugget[0] * np.eye(len(z))
            found.append(g.widening * g.scale**2 * matrix)
        return np.stack(found)

    def leave_one_out(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """Predict each run from the others, its derivatives left out too; the covariances are those of all runs.

        Parameters
        ----------
        values : numpy.ndarray
            The outputs that were fitted, shape (n, K).

        Returns
        -------
        tuple of numpy.ndarray
            Mean and variance, shape (n, K) each (Rasmussen & Williams 2006, equation 5.12, for blocks).
        """
        n = len(self.z)
        mean, variance = np.empty_like(values), np.empty_like(values)
        for k, g in enumerate(self.each):
            block = len(g.weights) // n
            inverse = g.root.T @ g.root
            for i in range(n):
                mine = slice(i * block, (i + 1) * block)
                covariance = np.linalg.inv(inverse[mine, mine])
                mean[i, k] = values[i, k] - g.scale * (covariance @ g.weights[mine])[0]
                variance[i, k] = g.widening * g.scale**2 * covariance[0, 0]
        return mean, variance

    def left_out(self, run: int, data: NDArray) -> tuple[NDArray, NDArray]:
        """Error of one run predicted from the others, in other coordinates of the outputs.

        Parameters
        ----------
        run : int
            Which.
        data : numpy.ndarray
            Values, and derivatives after them, of all runs in these coordinates, shape (n, 1 or 1 + p, K).

        Returns
        -------
        tuple of numpy.ndarray
            Error and variance, shape (K,) each.
        """
        error, variance = np.empty(len(self.each)), np.empty(len(self.each))
        block = data.shape[1]
        mine = slice(run * block, (run + 1) * block)
        for k, g in enumerate(self.each):
            rows = g.root[:, mine].T @ g.root
            covariance = np.linalg.inv(rows[:, mine])
            error[k] = (covariance @ (rows @ data[:, :, k].ravel()))[0]
            variance[k] = g.widening * g.scale**2 * covariance[0, 0]
        return error, variance

    def widened(self, factors: NDArray) -> "GaussianProcesses":
        """Multiply the variances, by output."""
        each = [replace(g, widening=float(g.widening * f)) for g, f in zip(self.each, factors, strict=True)]
        return replace(self, each=tuple(each))

    def graph(self, z: Variable) -> tuple[Variable, Variable]:
        """Mean and variance as PyTensor graphs.

        Parameters
        ----------
        z : tensor
            Standardised parameters, shape (d,).

        Returns
        -------
        tuple of tensor
            Two of shape (K,).
        """
        c = [g.covariance for g in self.each]
        s2, b2, c2 = (np.array([getattr(one, n) for one in c])[:, None] for n in ("stationary", "line", "curve"))
        precision = np.array([1.0 / one.lengths**2 for one in c])  # (K, d)
        apart = z[None, :] - self.z  # (n, d)
        square = pt.sum(precision[:, None, :] * (apart**2)[None], axis=2)  # (K, n)
        if c[0].shape == "gaussian":
            f0 = pt.exp(-0.5 * square)
            f1 = -0.5 * f0
        else:
            # At a run itself the distance is 0, where a square root has no derivative; phi has.
            r = pt.sqrt(square + 1e-20)
            e = pt.exp(-ROOT5 * r)
            f0, f1 = (1.0 + ROOT5 * r + 5.0 / 3.0 * square) * e, -(5.0 / 6.0) * (1.0 + ROOT5 * r) * e
        dot = pt.sum(self.z * z[None, :], axis=1)[None, :]
        cross = s2 * f0 + b2 * (1.0 + dot) + c2 * dot**2
        if self.directions is not None:
            n, p, _ = self.directions.shape
            moved = self.directions * apart[:, None, :]  # (n, p, d)
            steep = pt.sum(moved[None] * precision[:, None, None, :], axis=3)  # (K, n, p)
            ahead = pt.sum(self.directions * z[None, None, :], axis=2)  # (n, p)
            slope = (b2 + 2.0 * c2 * dot)[:, :, None] * ahead[None] - 2.0 * (s2 * f1)[:, :, None] * steep
            cross = pt.concatenate([cross[:, :, None], slope], axis=2).reshape((len(c), n * (1 + p)))
        weights, roots = np.array([g.weights for g in self.each]), np.array([g.root for g in self.each])
        scale, widening = np.array([g.scale for g in self.each]), np.array([g.widening for g in self.each])
        nugget = np.array([g.nugget[0] for g in self.each])
        length = pt.sum(z**2)
        prior = (s2 + b2)[:, 0] + b2[:, 0] * length + c2[:, 0] * length**2
        explained = pt.sum(pt.sum(roots * cross[:, None, :], axis=2) ** 2, axis=1)
        variance = pt.maximum(prior - explained, 0.0) + nugget
        return scale * pt.sum(weights * cross, axis=1), widening * scale**2 * variance
