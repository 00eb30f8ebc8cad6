"""The space of unconstrained vectors on which a PyMC model is a density: names, order, and the way there and back."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.initial_point import make_initial_point_fn
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace

from lsm_bayes.graphs import COMPILED

from .compiled import value_shapes

Vector = NDArray[np.float64]

IMPROPER = ("flat", "half_flat")
"""PyMC's names of the distributions that cannot be drawn from."""


class FlatSpace:
    """The free variables of a model, unconstrained, one behind the other in a vector.

    Parameters
    ----------
    model : pymc.Model
        Any model whose free variables are continuous.

    Attributes
    ----------
    dimension : int
        Length of the flat vector.
    labels : list of str
        Name of each element: free variable plus its coordinate labels, ``"ceff[FI-Hyy]"``.
    slices : dict of str to slice
        Where each free variable lies in the flat vector.
    shapes : dict of str to tuple of int
        Shape of each unconstrained free variable.

    Raises
    ------
    ValueError
        If the model has no free variable, or one that is not continuous.
    """

    def __init__(self, model: pm.Model):
        if not model.free_RVs:
            raise ValueError("The model has no free variable: nothing to infer. Give at least one parameter a prior.")
        discrete = [rv.name for rv in model.free_RVs if rv.dtype not in ("float64", "float32")]
        if discrete:
            raise ValueError(f"Free variables {discrete} are not continuous, so the model has no gradient. Marginalise or observe them.")
        self.model = model
        known, start = value_shapes(model), 0
        self.slices: dict[str, slice] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.value_names = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
        for name, value in self.value_names.items():
            self.shapes[name] = known[value]
            stop = start + int(np.prod(known[value], dtype=int))
            self.slices[name], start = slice(start, stop), stop
        self.dimension = start

    def as_function_of(self, flat: Variable, graphs: list[Variable]) -> list[Variable]:
        """Write graphs of the value variables as graphs of one flat vector.

        Parameters
        ----------
        flat : tensor
            Shape (dimension,).
        graphs : list of tensor
            Functions of the value variables of the model.

        Returns
        -------
        list of tensor
            Functions of ``flat``.
        """
        replace = {}
        for rv in self.model.free_RVs:
            value = self.model.rvs_to_values[rv]
            replace[value] = flat[self.slices[rv.name]].reshape(self.shapes[rv.name]).astype(value.dtype)
        return graph_replace([pt.as_tensor(v, allow_xtensor_conversion=True) for v in graphs], replace, strict=False)

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
        graphs = self.as_function_of(flat, outputs)
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
