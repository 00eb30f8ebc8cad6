"""Covariance functions of emulators, between values and derivatives of one function, and how they change with their parameters.

``k(x, y) = b^2 (1 + x.y) + c^2 (x.y)^2 + s^2 phi(r^2)``, ``r^2 = sum_i (x_i - y_i)^2 / l_i^2``: a straight line and a quadratic with
coefficients of their own variances, and a stationary rest. Derivatives of the function are linear in it, so their covariances are
derivatives of ``k`` (Rasmussen & Williams 2006, section 9.4).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

SHAPES = ("gaussian", "matern52")
ROOT5 = np.sqrt(5.0)


@dataclass(frozen=True)
class Covariance:
    """A covariance function.

    Attributes
    ----------
    lengths : numpy.ndarray
        l, shape (d,).
    stationary, line, curve : float
        s^2, b^2 and c^2.
    shape : {"gaussian", "matern52"}
        ``phi``: exp(-r^2 / 2), or Matérn's of smoothness 5/2.
    """

    lengths: NDArray
    stationary: float
    line: float
    curve: float
    shape: str

    def between(self, x: NDArray, y: NDArray, slopes: tuple[bool, bool] = (False, False)) -> NDArray:
        """Covariances of value, and derivative along each axis, at ``x`` with those at ``y``.

        Parameters
        ----------
        x, y : numpy.ndarray
            Shapes (n, d) and (m, d).
        slopes : tuple of bool
            Whether derivatives are wanted at x, and at y.

        Returns
        -------
        numpy.ndarray
            Shape (n, 1 or 1 + d, m, 1 or 1 + d).
        """
        dot = x @ y.T
        if not any(slopes):
            found = self.stationary * self._phi(cdist(x / self.lengths, y / self.lengths)) + self.line * (1.0 + dot) + self.curve * dot**2
            return found[:, None, :, None]
        scaled, f0, f1, f2, _ = self._parts(x, y)
        first, second = self.line + 2.0 * self.curve * dot, 2.0 * self.curve
        d = x.shape[1]
        found = np.empty((len(x), 1 + d * slopes[0], len(y), 1 + d * slopes[1]))
        found[:, 0, :, 0] = self.stationary * f0 + self.line * (1.0 + dot) + self.curve * dot**2
        steep = 2.0 * self.stationary * f1[:, :, None] * scaled / self.lengths
        if slopes[0]:
            found[:, 1:, :, 0] = np.moveaxis(steep + first[:, :, None] * y[None], 2, 1)
        if slopes[1]:
            found[:, 0, :, 1:] = first[:, :, None] * x[:, None] - steep
        if all(slopes):
            block = np.einsum("nm,nmi,nmj->nimj", -4.0 * self.stationary * f2, scaled / self.lengths, scaled / self.lengths)
            block += np.einsum("mi,nj->nimj", second * y, x)
            for i in range(d):
                block[:, i, :, i] += first - 2.0 * self.stationary * f1 / self.lengths[i] ** 2
            found[:, 1:, :, 1:] = block
        return found

    def _phi(self, r: NDArray) -> NDArray:
        if self.shape == "gaussian":
            return np.exp(-0.5 * r**2)
        return (1.0 + ROOT5 * r + 5.0 / 3.0 * r**2) * np.exp(-ROOT5 * r)

    def _parts(self, x: NDArray, y: NDArray) -> tuple[NDArray, ...]:
        """Scaled differences (n, m, d), and phi with its first three derivatives by r^2."""
        scaled = (x[:, None] - y[None]) / self.lengths
        square = np.sum(scaled**2, axis=2)
        if self.shape == "gaussian":
            f = np.exp(-0.5 * square)
            return scaled, f, -0.5 * f, 0.25 * f, -0.125 * f
        r = np.sqrt(square)
        e = np.exp(-ROOT5 * r)
        # The third derivative has a pole at 0, where what it multiplies is of fourth order.
        third = -(25.0 * ROOT5 / 24.0) * e / np.maximum(r, 1e-12)
        return scaled, (1.0 + ROOT5 * r + 5.0 / 3.0 * square) * e, -(5.0 / 6.0) * (1.0 + ROOT5 * r) * e, (25.0 / 12.0) * e, third

    def sensitivity(self, x: NDArray, weight: NDArray) -> NDArray:
        """Differentiate ``sum(weight * between(x, x))`` by the logarithms of l, s^2, b^2 and c^2.

        Parameters
        ----------
        x : numpy.ndarray
            Shape (n, d).
        weight : numpy.ndarray
            Shape (n, a, n, a), a 1 or 1 + d.

        Returns
        -------
        numpy.ndarray
            Shape (d + 3,).
        """
        slopes = weight.shape[1] > 1
        scaled, f0, f1, f2, f3 = self._parts(x, x)
        dot, u = x @ x.T, scaled / self.lengths
        w00 = weight[:, 0, :, 0]
        inner = w00 * f1  # sum over the entries at two points of weight times derivative by r^2
        stationary, line, curve = np.sum(w00 * f0), np.sum(w00 * (1.0 + dot)), np.sum(w00 * dot**2)
        lengths = np.zeros(x.shape[1])
        if slopes:
            w10, w01 = np.moveaxis(weight[:, 1:, :, 0], 1, 2), weight[:, 0, :, 1:]
            w11 = np.moveaxis(weight[:, 1:, :, 1:], 2, 1)  # (n, m, i, j)
            cross = 2.0 * f1[:, :, None] * u * (w10 - w01)
            outer = np.einsum("nmij,nmj->nmi", w11, u)
            other = np.einsum("nmij,nmi->nmj", w11, u)
            squares = -4.0 * f2[:, :, None] * u
            level = -2.0 * f1[:, :, None] * np.einsum("nmii->nmi", w11) / self.lengths**2
            inner = inner + np.sum(2.0 * f2[:, :, None] * u * (w10 - w01), axis=2)
            inner += -4.0 * f3 * np.sum(u * outer, axis=2) - 2.0 * f2 * np.sum(np.einsum("nmii->nmi", w11) / self.lengths**2, axis=2)
            # Each index carries 1 / l twice, in the difference and in the unit of the derivative; the diagonal term only once.
            lengths += np.sum(-2.0 * cross - 2.0 * squares * (outer + other) - 2.0 * level, axis=(0, 1))
            stationary += np.sum(cross) + np.sum(squares * outer) + np.sum(level)
            along = np.sum(w10 * x[None], axis=2), np.sum(w01 * x[:, None], axis=2)
            trace = np.einsum("nmii->nm", w11)
            line += np.sum(along[0] + along[1] + trace)
            curve += np.sum(2.0 * dot * (along[0] + along[1] + trace)) + 2.0 * np.einsum("nmij,mi,nj->", w11, x, x, optimize=True)
        lengths += -2.0 * np.einsum("nm,nmi->i", inner, scaled**2)
        return np.concatenate([self.stationary * lengths, [self.stationary * stationary, self.line * line, self.curve * curve]])
