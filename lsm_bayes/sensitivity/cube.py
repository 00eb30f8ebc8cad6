"""The prior as a map from independent standard normals: global methods sample the unit cube, and this carries it over."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace

from lsm_bayes.calibration.priors import standard_cdf
from lsm_bayes.graphs import COMPILED
from lsm_bayes.inference.flat import IMPROPER, FlatSpace, Vector

DRAWS = 4000
"""From which quantiles are taken where a prior has no quantile function."""
GRID = np.linspace(-3.0, 3.0, 61)


class PriorCube:
    """Flat unconstrained vectors as a function of independent standard normal coordinates, one for each element that varies.

    The quantile function of each prior at the normal distribution function, given the variables that it depends on (Rosenblatt 1952);
    where a prior has no quantile function, that of draws, element by element.

    Parameters
    ----------
    space : FlatSpace
        The model's variables.
    active : numpy.ndarray of int
        Elements of the flat vector that vary, shape (d,).
    base : numpy.ndarray
        Flat vector at which the others hold, shape (dimension,).

    Attributes
    ----------
    coordinates : tensor
        Standard normal coordinates, shape (d,).
    position : tensor
        The flat vector, shape (dimension,).
    notes : list of str
        What is approximate.

    Raises
    ------
    ValueError
        For improper priors of what varies.
    """

    def __init__(self, space: FlatSpace, active: NDArray[np.int64], base: Vector):
        model = space.model
        self.notes: list[str] = []
        self.coordinates = pt.tensor("coordinates", dtype="float64", shape=(active.size,))
        full = pt.set_subtensor(pt.zeros(space.dimension)[active], self.coordinates)
        moves = np.zeros(space.dimension, dtype=bool)
        moves[active] = True
        improper = [rv.name for rv in model.free_RVs if rv.owner.op.name in IMPROPER and moves[space.slices[rv.name]].any()]
        if improper:
            raise ValueError(f"the priors of {', '.join(improper)} are improper and have no quantiles; give them proper ones, or hold them")
        held = space.expand(base)
        drawn: NDArray | None = None
        known: dict[Variable, Any] = {}
        parts = []
        for rv in model.free_RVs:
            where, shape, transform = space.slices[rv.name], space.shapes[rv.name], model.rvs_to_transforms[rv]
            chosen, still = moves[where].reshape(shape), base[where].reshape(shape)
            value: Any = pt.constant(still)
            if not chosen.any():
                known[rv] = pt.constant(np.asarray(held[rv.name], dtype=float))
                parts.append(value.ravel())
                continue
            z = full[where].reshape(shape)
            quantile = self._quantile(rv, z)
            if quantile is not None:
                kept, forward = np.asarray(held[rv.name], dtype=float), transform.forward if transform is not None else None
                (x,) = graph_replace([pt.switch(chosen, quantile, kept)], known, strict=False)
                known[rv] = x
                value = x if forward is None else graph_replace([forward(x, *rv.owner.inputs)], known, strict=False)[0]
            else:
                drawn = space.prior_positions(DRAWS, np.random.default_rng(0)) if drawn is None else drawn
                value = pt.switch(chosen, _interpolated(z, drawn[:, where]).reshape(shape), still)
                known[rv] = (
                    value if transform is None else graph_replace([transform.backward(value, *rv.owner.inputs)], known, strict=False)[0]
                )
                self.notes.append(f"{rv.name}: quantiles of {DRAWS} prior draws, element by element, as if independent")
            parts.append(pt.broadcast_to(value, shape).ravel())
        self.position = pt.concatenate(parts)

    @staticmethod
    def _quantile(rv: Any, z: Any) -> Any:
        if rv.owner.op.name == "normal":
            mean, sd = rv.owner.op.dist_params(rv.owner)
            return mean + sd * z
        try:
            return pm.icdf(rv, standard_cdf(z))
        except (NotImplementedError, TypeError):
            return None

    def compile(self) -> Any:
        """Compile the map from coordinates (d,) to a flat vector."""
        return pytensor.function([self.coordinates], self.position, mode=COMPILED)


def _interpolated(z: Any, drawn: NDArray) -> Any:
    """Quantiles of draws (draws, elements) at normal coordinates, linear between the points of `GRID` and beyond."""
    table = np.quantile(drawn, np.asarray(standard_cdf(GRID).eval()), axis=0)
    width, flat = GRID[1] - GRID[0], z.ravel()
    place = pt.clip(pt.floor((flat - GRID[0]) / width), 0, GRID.size - 2).astype("int64")
    columns = np.arange(table.shape[1])
    low, high = pt.constant(table)[place, columns], pt.constant(table)[place + 1, columns]
    return low + (high - low) * ((flat - pt.constant(GRID)[place]) / width)


def held_position(space: FlatSpace, hold: Mapping[str, object]) -> Vector:
    """Flat vector of the model's default starting values, some replaced.

    Parameters
    ----------
    space : FlatSpace
        The model's variables.
    hold : mapping of str to array
        Constrained values by free variable.

    Returns
    -------
    numpy.ndarray
        Shape (dimension,).

    Raises
    ------
    ValueError
        For names that are no free variable.
    """
    strange = set(hold) - set(space.slices)
    if strange:
        raise ValueError(f"cannot hold {sorted(strange)}: the free variables are {', '.join(space.slices)}")
    point = space.model.initial_point(0)
    base = np.concatenate([np.ravel(point[space.value_names[n]]) for n in space.slices]).astype("float64")
    if not hold:
        return base
    values = space.expand(base)
    flat = space.flatten({n: hold.get(n, values[n]) for n in space.slices})
    for n in hold:
        base[space.slices[n]] = flat[space.slices[n]]
    return base
