"""The log-posterior of a PyMC model as a function of one flat, unconstrained vector.

A PyMC model is a density over its value variables: parameters after their transforms, so that every real vector is allowed.
The log-density here includes the log-Jacobian of these transforms, as every gradient-based sampler needs it. Its maximum is
therefore the mode of the unconstrained density, which moves when a transform is changed; it is not the mode of the density
over the constrained parameters.
"""

import dataclasses
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from nutpie.sample import CompiledModel
from pymc.initial_point import make_initial_point_fn
from pytensor.graph.replace import graph_replace

from lsm_bayes.graphs import COMPILED

from .compiled import Call, compile_model, usable_threads

Vector = NDArray[np.float64]

IMPROPER = ("flat", "half_flat")
"""PyMC's names of the distributions that cannot be drawn from."""


class Density:
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
    dimension : int
        Length of the flat vector.
    labels : list of str
        Name of each element: free variable plus its coordinate labels, ``"ceff[FI-Hyy]"``.
    slices : dict of str to slice
        Where each free variable lies in the flat vector.
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
        if not model.free_RVs:
            raise ValueError("The model has no free variable: nothing to infer. Give at least one parameter a prior.")
        discrete = [rv.name for rv in model.free_RVs if rv.dtype not in ("float64", "float32")]
        if discrete:
            raise ValueError(f"Free variables {discrete} are not continuous, so the model has no gradient. Marginalise or observe them.")
        started = time.perf_counter()
        self.model = model
        self.site_threads = usable_threads(site_threads)
        self.compiled = compile_model(model, self.site_threads)
        self.compile_seconds = time.perf_counter() - started
        self.evaluations = self.failures = 0
        self._counting = threading.Lock()
        # The functions of PyTensor keep their results in shared storage.
        self.threads = (os.cpu_count() or 1) if isinstance(self.compiled.logp_func, Call) else 1
        value_names, slices, shapes = self.compiled.shape_info
        self.slices: dict[str, slice] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.value_names = dict(zip((rv.name for rv in model.free_RVs), value_names, strict=False))
        for rv, where, shape in zip(model.free_RVs, slices, shapes, strict=False):
            self.slices[rv.name] = slice(int(where.start), int(where.stop))
            self.shapes[rv.name] = tuple(int(n) for n in shape)
        self.dimension = int(self.compiled.n_dim)

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

    @cached_property
    def labels(self) -> list[str]:
        """Name of each element of the flat vector."""
        labels = []
        for name, shape in self.shapes.items():
            dims = self.model.named_vars_to_dims.get(name, (None,) * len(shape))
            axes: list[Iterable[object]] = []
            for size, dim in zip(shape, dims, strict=True):
                values = self.model.coords.get(dim) if dim is not None else None
                axes.append(values if values is not None and len(values) == size else range(size))
            labels += [f"{name}[{', '.join(map(str, index))}]" if shape else name for index in itertools.product(*axes)]
        return labels

    def unflatten(self, position: Vector) -> dict[str, NDArray]:
        """Split a flat vector into arrays of unconstrained values by free variable."""
        return {name: np.asarray(position)[where].reshape(self.shapes[name]) for name, where in self.slices.items()}

    @cached_property
    def _expand(self) -> tuple[list[str], Callable[..., Any]]:
        hidden = set(self.value_names.values()) - set(self.value_names)
        outputs = [variable for variable in self.model.unobserved_value_vars if variable.name not in hidden]
        flat = pt.TensorType("float64", shape=(self.dimension,))("position")
        replace = {}
        for rv in self.model.free_RVs:
            value = self.model.rvs_to_values[rv]
            replace[value] = flat[self.slices[rv.name]].reshape(self.shapes[rv.name]).astype(value.dtype)
        graphs = graph_replace([pt.as_tensor(v, allow_xtensor_conversion=True) for v in outputs], replace, strict=False)
        function = pm.compile([flat], graphs, mode=COMPILED, on_unused_input="ignore")
        function.trust_input = True
        return [variable.name for variable in outputs], function

    def expand(self, positions: NDArray) -> dict[str, NDArray]:
        """Constrained parameters and deterministics at unconstrained positions.

        Parameters
        ----------
        positions : numpy.ndarray
            Shape (..., dimension).

        Returns
        -------
        dict of str to numpy.ndarray
            By name of the variable, shape (..., *shape of the variable).
        """
        positions = np.asarray(positions, dtype="float64")
        names, function = self._expand
        rows = [function(np.ascontiguousarray(row)) for row in positions.reshape(-1, self.dimension)]
        lead = positions.shape[:-1]
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        return {name: np.reshape(np.stack(c), lead + np.shape(c[0])) for name, c in zip(names, columns, strict=True)}

    @cached_property
    def _constrained_to_flat(self) -> Callable[..., Any]:
        model = self.model
        inputs = {rv: rv.type(name=rv.name) for rv in model.free_RVs}
        outputs = []
        for rv in model.free_RVs:
            transform = model.rvs_to_transforms[rv]
            value = inputs[rv] if transform is None else transform.forward(inputs[rv], *rv.owner.inputs)
            outputs.append(pt.as_tensor(value, allow_xtensor_conversion=True).ravel())
        flat = graph_replace([pt.concatenate(outputs)], inputs, strict=False)
        return pm.compile(list(inputs.values()), flat, mode=COMPILED, on_unused_input="ignore")

    def flatten(self, values: Mapping[str, object]) -> Vector:
        """Flat unconstrained vector of constrained parameter values.

        Parameters
        ----------
        values : mapping of str to array-like
            One value per free variable of the model, in its own unit.

        Returns
        -------
        numpy.ndarray
            Shape (dimension,).

        Raises
        ------
        KeyError
            If a name is missing or unknown.
        """
        missing, unknown = set(self.slices) - set(values), set(values) - set(self.slices)
        if missing or unknown:
            raise KeyError(
                f"Values missing for {sorted(missing)}, unknown {sorted(unknown)}; the model's free variables are {list(self.slices)}."
            )
        (flat,) = self._constrained_to_flat(*(np.asarray(values[rv.name], dtype=rv.dtype) for rv in self.model.free_RVs))
        return flat

    @cached_property
    def _prior_point(self) -> Callable[..., Any]:
        improper = {rv for rv in self.model.free_RVs if rv.owner.op.name in IMPROPER}
        start = {rv: "support_point" if rv in improper else "prior" for rv in self.model.free_RVs}
        return make_initial_point_fn(model=self.model, overrides=start, jitter_rvs=improper, return_transformed=True)

    def prior_positions(self, draws: int, rng: np.random.Generator) -> NDArray:
        """Draw unconstrained positions from the prior (improper priors: within one unit of their default point).

        Parameters
        ----------
        draws : int
            How many.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        numpy.ndarray
            Shape (draws, dimension). Potentials are ignored, as in any prior draw of PyMC.
        """
        points = [self._prior_point(int(seed)) for seed in rng.integers(2**32, size=draws)]
        order = [self.value_names[name] for name in self.slices]
        return np.array([np.concatenate([np.ravel(point[name]) for name in order]) for point in points], dtype="float64")

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
