"""Sampling in coordinates in which a given normal distribution is standard.

``x = location + scale z``: the sampler moves in z, the model is evaluated at x. The map is compiled around nutpie's compiled
log-density, so it costs D squared multiplications per gradient and no Python.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import carray, types
from numpy.typing import NDArray
from nutpie.compile_pymc import address_as_void_pointer
from nutpie.sample import CompiledModel

from .flat import Vector
from .point import Density


@dataclass(frozen=True)
class Affine:
    """Coordinates z of positions ``x = location + scale z``, with a lower triangular scale."""

    location: Vector
    scale: NDArray

    def __post_init__(self) -> None:
        if np.triu(self.scale, 1).any():  # the compiled map reads only what is below
            raise ValueError("the scale of whitened coordinates must be lower triangular; take a Cholesky factor")

    def to_position(self, z: NDArray) -> NDArray:
        """Positions of coordinates, shape (..., D)."""
        return self.location + z @ self.scale.T

    def to_coordinates(self, position: NDArray) -> NDArray:
        """Coordinates of one position, shape (D,)."""
        return np.linalg.solve(self.scale, position - self.location)


def affine_from_draws(draws: NDArray) -> Affine:
    """Coordinates in which the given draws are uncorrelated with unit variance.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (n, D) with n well above D.

    Returns
    -------
    Affine
        From the mean and the covariance, the latter shrunk towards its diagonal with the weight of D draws.
    """
    number, dimension = draws.shape
    covariance = np.atleast_2d(np.cov(draws, rowvar=False))
    diagonal = np.diag(np.maximum(np.diag(covariance), 1e-300))
    weight = dimension / (number + dimension)
    return Affine(draws.mean(axis=0), np.linalg.cholesky((1 - weight) * covariance + weight * diagonal))


def whitened_model(density: Density, affine: Affine | None, start: Vector) -> CompiledModel:
    """Nutpie model that samples in given coordinates and starts at one position.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    affine : Affine or None
        Coordinates; None for those of the model.
    start : numpy.ndarray
        Unconstrained position of the start, shape (D,).

    Returns
    -------
    nutpie.CompiledModel
        To be given to ``nutpie.sample``.
    """
    logp = density.compiled.compiled_logp_func if affine is None else _Whitened(density, affine)
    first = start if affine is None else affine.to_coordinates(start)
    tries = itertools.count()

    def initial_point(seed: int) -> Vector:
        # Nutpie refuses a start where an element of the gradient is exactly 0, so the second try is a little off.
        noise = np.random.default_rng(seed).standard_normal(first.size)
        return first + (1e-4 * noise if next(tries) else 0.0)

    return density.with_logp(logp, initial_point)


class _Whitened:
    """A compiled log-density with the arrays that its machine code points to."""

    def __init__(self, density: Density, affine: Affine):
        self.inner = density.compiled.compiled_logp_func
        self.arrays = np.ascontiguousarray(np.concatenate([affine.location, affine.scale.ravel()]))
        self.function = _compile(density.dimension, self.inner.ctypes, self.arrays.ctypes.data)
        self.address = self.function.address


def _compile(n: int, inner: Any, arrays_address: int) -> Any:
    double = types.CPointer(types.double)

    def logp(dim: Any, z_: Any, out_: Any, logp_: Any, user_data_: Any) -> Any:
        z, out = carray(z_, (n,)), carray(out_, (n,))
        arrays = carray(address_as_void_pointer(arrays_address), (n + n * n,), np.float64)
        location, scale = arrays[:n], arrays[n:].reshape((n, n))
        x, gradient = np.empty(n), np.empty(n)
        for i in range(n):
            total = location[i]
            for j in range(i + 1):
                total += scale[i, j] * z[j]
            x[i] = total
        code = inner(dim, x.ctypes, gradient.ctypes, logp_, user_data_)
        for j in range(n):
            out[j] = 0.0
        for i in range(n):
            for j in range(i + 1):
                out[j] += scale[i, j] * gradient[i]
        return code

    return numba.cfunc(types.int64(types.uint64, double, double, double, types.voidptr))(logp)
