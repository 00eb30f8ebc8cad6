"""The log-posterior of a PyMC model as a function of one flat, unconstrained vector.

A PyMC model is a density over its value variables: parameters after their transforms, so that every real vector is allowed.
The log-density here includes the log-Jacobian of these transforms, as every gradient-based sampler needs it. Its maximum is
therefore the mode of the unconstrained density, which moves when a transform is changed; it is not the mode of the density
over the constrained parameters.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pymc as pm
from nutpie.sample import CompiledModel

from .compiled import Call, compile_model, usable_threads
from .flat import FlatSpace, Vector


class Differentiable(Protocol):
    """What a climb needs: log-density and gradient at a vector of ``dimension`` numbers, which ``threads`` may ask for at a time."""

    dimension: int
    evaluations: int
    threads: int

    def __call__(self, position: Vector) -> tuple[float, Vector]:
        """Return log-density and gradient; -inf and zeros where either is not finite."""
        ...


class Density(FlatSpace):
    """Compiled log-posterior and gradient of a model on its unconstrained space.

    Compiles once; every method of :mod:`lsm_bayes.inference` accepts a ``Density`` wherever it accepts a model, so that one
    compilation serves several of them. Make a new one after the model or its data changed.

    Parameters
    ----------
    model : pymc.Model
        Any model whose free variables are continuous.
    site_threads : int
        Threads in which the sites of a calibration run: more than one where there are more cores than chains. Sites with equally long
        records are shared out in blocks of 16, so that 33 and more keep three threads busy; those with a length of their own run in one.

    Attributes
    ----------
    dimension, labels, slices, shapes
        See `FlatSpace`.
    evaluations, failures : int
        Gradient evaluations so far, and how many of these had no finite log-density or gradient.
    compile_seconds : float
        Time that compiling took.
    threads : int
        How many threads may call the density at a time.
    site_threads : int
        How many run the sites.

    Raises
    ------
    ValueError
        If the model has no free variable, or one that is not continuous.
    """

    def __init__(self, model: pm.Model, *, site_threads: int = 1):
        super().__init__(model)
        started = time.perf_counter()
        self.site_threads = usable_threads(site_threads)
        self.compiled = compile_model(model, self.site_threads)
        self.compile_seconds = time.perf_counter() - started
        self.evaluations = self.failures = 0
        self._counting = threading.Lock()
        # The functions of PyTensor keep their results in shared storage.
        self.threads = (os.cpu_count() or 1) if isinstance(self.compiled.logp_func, Call) else 1

    def __call__(self, position: Vector) -> tuple[float, Vector]:
        """Return the log-density (nats) and its gradient; -inf and zeros where either is not finite.

        Parameters
        ----------
        position : numpy.ndarray
            Flat unconstrained vector, shape (dimension,).

        Returns
        -------
        tuple of float and numpy.ndarray
            Log-density and gradient.
        """
        with self._counting:
            self.evaluations += 1
        try:
            value, gradient = self.compiled.logp_func(np.ascontiguousarray(position, dtype="float64"))
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            value, gradient = np.nan, np.full(self.dimension, np.nan)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            return float(value), np.asarray(gradient)
        self.failures += 1
        return -np.inf, np.zeros(self.dimension)

    def agrees(self, position: Vector, log_density: float) -> bool:
        """Whether a stored log-density is that of this model, to what another version of a library may change.

        Parameters
        ----------
        position : numpy.ndarray
            Flat unconstrained vector, shape (dimension,).
        log_density : float
            What was stored with it, nats.

        Returns
        -------
        bool
            False after a change of a prior, of the data or of the process model.
        """
        return bool(np.isclose(self(position)[0], log_density, rtol=1e-7, atol=1e-5))

    def with_logp(self, logp_cfunc: Any, initial_point: Callable[[int], Vector]) -> CompiledModel:
        """Return nutpie's compiled model with another compiled log-density and start."""
        return dataclasses.replace(self.compiled, compiled_logp_func=logp_cfunc, initial_point_func=initial_point)


def as_density(model: pm.Model | Density, *, site_threads: int = 1) -> Density:
    """Compile a model, or pass on a :class:`Density` as it is.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    site_threads : int
        Of a `Density` that is compiled here.

    Returns
    -------
    Density
        The compiled log-posterior.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(model, Density):
        return model
    if isinstance(model, pm.Model):
        return Density(model, site_threads=site_threads)
    raise TypeError(f"Got {type(model).__name__}; give a pymc.Model, or a Density made of one.")
