"""Run the kernels of a process model on plain arrays, for tests against published numbers."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import merged
from lsm_bayes.nested import nested_program
from lsm_bayes.programs import program
from lsm_bayes.trajectory import Trajectory, columns_of


@cache
def _compiled(model: ProcessModel) -> tuple[Any, Any]:
    fluxes, states = tuple(model.flux_quantities), tuple(model.state_parameters)
    if model.nested is None:
        derived: Any = program(model, fluxes, states)
    else:
        derived = nested_program(model, fluxes, model.nested.fluxes._fields)
    inputs = [pt.dmatrix(), pt.dmatrix(), *(pt.dtensor3() for _ in range(derived.n_columns))]
    return derived, pytensor.function(inputs, Trajectory(derived)(*inputs, return_list=True), mode="NUMBA")


def run(model: ProcessModel, forcing: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], ...]:
    """States (time + 1,), fluxes (time,) and, for a nested step, its fluxes, of one trajectory; defaults where nothing is given."""
    derived, function = _compiled(model)
    everything = merged(model, values)
    matrix = np.array([[float(v)] for v in everything.values()])
    n = len(model.parameter_table)
    outputs = function(matrix[:n], matrix[n:], *columns_of(derived, {k: np.asarray(v, dtype=float) for k, v in forcing.items()}))
    names = [model.state_parameters, model.flux_quantities, *([model.nested.fluxes._fields] if model.nested else [])]
    return tuple({k: o[i, :, 0] for i, k in enumerate(ks)} for ks, o in zip(names, outputs, strict=True))
