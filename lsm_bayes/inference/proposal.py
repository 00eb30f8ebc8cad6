"""A density of many dimensions with skew and tails, fitted to draws, that can be drawn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .flat import Vector
from .whiten import Affine, affine_from_draws

LOG_2PI = float(np.log(2 * np.pi))
PENALTY = 4.0
"""Weight, in draws, of a normal prior with sd 1 on skew and log tail weight."""
MAP_DRAWS = 1000
"""Draws that the maps of the coordinates are fitted to: more do not change them."""
LARGEST_TAIL = 0.7
"""Largest size of the log tail weight."""
START_SHAPES = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]])


@dataclass(frozen=True)
class Proposal:
    """A normal distribution seen through a monotone map of each coordinate.

    ``y = sinh(tail asinh(u) - skew)`` with ``u = (x - centre) / spread`` is normal: the sinh-arcsinh family (Jones & Pewsey 2009,
    Biometrika 96, eq. 2). ``y = location + scale z`` with a standard normal z.

    Attributes
    ----------
    centre, spread, skew, tail : numpy.ndarray
        Of each coordinate, shape (D,).
    affine : Affine
        From z to y.
    """

    centre: Vector
    spread: Vector
    skew: Vector
    tail: Vector
    affine: Affine

    @classmethod
    def fit(cls, draws: NDArray) -> "Proposal":
        """Fit to draws of shape (n, D): each coordinate by maximum likelihood, then mean and covariance."""
        centre, spread = np.median(draws, axis=0), np.maximum(draws.std(axis=0), 1e-300)
        u = (draws - centre) / spread
        thinned = u[:: max(1, len(u) // MAP_DRAWS)]
        skew, tail = np.array([_shape(column) for column in thinned.T]).T
        return cls(centre, spread, skew, tail, affine_from_draws(np.sinh(tail * np.arcsinh(u) - skew)))

    def to_position(self, z: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Positions of coordinates z of shape (..., D), with slopes dx/dy and the gradient of their logarithm in y."""
        y = self.affine.to_position(z)
        root = np.sqrt(1 + y**2)
        bent = (np.arcsinh(y) + self.skew) / self.tail
        slope = self.spread * np.cosh(bent) / (self.tail * root)
        return self.centre + self.spread * np.sinh(bent), slope, np.tanh(bent) / (self.tail * root) - y / root**2

    def to_coordinates(self, positions: NDArray) -> NDArray:
        """Coordinates z of positions of shape (n, D)."""
        y = np.sinh(self.tail * np.arcsinh((positions - self.centre) / self.spread) - self.skew)
        return np.linalg.solve(self.affine.scale, (y - self.affine.location).T).T

    @property
    def log_volume(self) -> float:
        """Log-determinant of dy/dz."""
        return float(np.sum(np.log(np.diag(self.affine.scale))))


def _log_cosh(x: NDArray) -> NDArray:
    return np.logaddexp(x, -x) - np.log(2)


def _shape(u: Vector) -> tuple[float, float]:
    """Skew and tail weight of one coordinate by penalised maximum likelihood; location and scale are profiled out."""
    bent, half = np.arcsinh(u), 0.5 * np.log1p(u**2)

    def loss(shape: Vector) -> float:
        moved = np.exp(np.clip(shape[1], -LARGEST_TAIL, LARGEST_TAIL)) * bent - shape[0]
        slope = np.clip(shape[1], -LARGEST_TAIL, LARGEST_TAIL) + _log_cosh(moved) - half
        return len(u) * (0.5 * np.log(np.var(np.sinh(moved)) + 1e-300) - slope.mean()) + 0.5 * PENALTY * float(shape @ shape)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-2, "fatol": 1e-2, "initial_simplex": START_SHAPES}).x
    return float(found[0]), float(np.exp(np.clip(found[1], -LARGEST_TAIL, LARGEST_TAIL)))
