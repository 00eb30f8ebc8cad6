"""The log-posterior of a PyMC model without its gradient: one forward run each, for methods that need no more."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytensor
from numpy.typing import NDArray

from lsm_bayes.graphs import COMPILED

from .compiled import flat_outputs
from .flat import FlatSpace, Vector


class LogDensity(FlatSpace):
    """Compiled log-posterior of a model on its unconstrained space, each process model run once, no adjoint.

    Parameters
    ----------
    model : pymc.Model
        Any model whose free variables are continuous.
    cores : int
        Runs of an external model at a time.

    Attributes
    ----------
    dimension, labels, slices, shapes
        See `FlatSpace`.
    forward_runs, failures : int
        Log-densities asked for so far, and how many of these were not finite.

    Raises
    ------
    ValueError
        If the model has no free variable, or one that is not continuous.
    """

    def __init__(self, model: pm.Model, *, cores: int = 1):
        super().__init__(model)
        self.cores = cores
        self.forward_runs = self.failures = 0
        self._began = time.perf_counter()

    @cached_property
    def _log_density(self) -> Callable[[Vector], Vector]:
        position, (value,) = flat_outputs(self.model, [self.model.logp()])
        function = pytensor.function([position], value, mode=COMPILED, on_unused_input="ignore")
        function.trust_input = True
        return function

    def log_density(self, position: Vector) -> float:
        """Log-posterior of the model itself, without a gradient: one forward run.

        Parameters
        ----------
        position : numpy.ndarray
            Flat unconstrained vector, shape (dimension,).

        Returns
        -------
        float
            Nats, with the Jacobian of the transforms; -inf where it is not finite, counted in ``failures``.
        """
        self.forward_runs += 1
        try:
            value = float(self._log_density(np.ascontiguousarray(position, dtype="float64")))
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            value = np.nan
        if np.isfinite(value):
            return value
        self.failures += 1
        return -np.inf

    def log_densities(self, positions: NDArray) -> Vector:
        """Log-posteriors of several positions; runs of an external model are made ``cores`` at a time.

        Parameters
        ----------
        positions : numpy.ndarray
            Shape (n, dimension).

        Returns
        -------
        numpy.ndarray
            Nats, shape (n,).
        """
        external = getattr(self.model, "external", None)
        if external is not None:
            external.run_ahead(self.expand(positions), cores=self.cores)
        return np.array([self.log_density(row) for row in positions])

    def cost(self) -> dict[str, Any]:
        """Say what was spent so far, for the root attribute ``cost`` of a result."""
        return {"forward_runs": self.forward_runs, "failed_simulations": self.failures, "seconds": time.perf_counter() - self._began}


def as_log_density(model: pm.Model | LogDensity) -> LogDensity:
    """Prepare a model, or pass on a `LogDensity` as it is.

    Parameters
    ----------
    model : pymc.Model or LogDensity
        What to infer.

    Returns
    -------
    LogDensity
        The log-posterior.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(model, LogDensity):
        return model
    if isinstance(model, pm.Model):
        return LogDensity(model)
    raise TypeError(f"Got {type(model).__name__}; give a pymc.Model, or a LogDensity made of one.")
