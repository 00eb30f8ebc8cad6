"""Run a process model on arrays, for tests of land models; and evaluate a constant expression."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from lsm_bayes.declare import ProcessModel
from lsm_bayes.programs import Program, program
from lsm_bayes.trajectory import Trajectory, columns_of


def run(model: ProcessModel, forcing: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
    """Return states (time + 1, member) and fluxes (time, member) by name; defaults where no values are given."""
    given = {n: default for n, (_, default) in model.calibrated.items()} | dict(values or {})
    assert len(given) == len(model.calibrated), "a value has a name that the model does not know"
    rows = np.stack(np.broadcast_arrays(*(np.atleast_1d(np.asarray(given[n], dtype=float)) for n in model.calibrated)))
    fluxes, states = tuple(model.flux_quantities), tuple(model.state_parameters)
    derived = program(model, fluxes, states, ())
    length = max(np.size(v) for v in forcing.values())
    columns = columns_of(derived, {n: np.broadcast_to(np.asarray(v, dtype=float), length) for n, v in forcing.items()})
    n = len(model.parameter_table)
    found = _compiled(derived)(np.ascontiguousarray(rows[:n]), np.ascontiguousarray(rows[n:]), *columns)
    return {n: a for names, arrays in zip((states, fluxes), found, strict=True) for n, a in zip(names, arrays, strict=True)}


@cache
def _compiled(derived: Program) -> Any:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    return pytensor.function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")


def equilibrium(model: ProcessModel, found: Mapping[str, np.ndarray], values: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the declared equilibrium for the mean fluxes of a run of one member."""
    assert model.equilibrium is not None
    given = {n: default for n, (_, default) in model.parameter_table.items()} | dict(values or {})
    p = model.parameters(*(number(given[n]) for n in model.parameters._fields))
    pools = model.equilibrium.pools({n: number(found[n].mean()) for n in model.equilibrium.needs}, p)
    return {n: value(v) for n, v in pools.items()}


def value(expression: Any) -> float:
    """Evaluate an expression without inputs."""
    return float(pt.as_tensor(expression).eval(mode="FAST_COMPILE"))


def number(x: float) -> Any:
    """Make a float64 constant; `pt.constant` would take float32 where that holds the number."""
    return pt.constant(float(x), dtype="float64")
