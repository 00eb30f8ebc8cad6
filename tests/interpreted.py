"""Run a process model with a nested step without memory without compiling it: all members and fast steps at once, day by day."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import vectorize_graph

from lsm_bayes.declare import ProcessModel
from lsm_bayes.graphs import Graph
from lsm_bayes.nested import nested_program


def _function(graph: Graph, ndims: Mapping[str, int]) -> Any:
    inputs = [pt.tensor(shape=(None,) * ndims.get(role, 1), dtype="float64") for role, vs in graph.inputs.items() for _ in vs]
    outputs = vectorize_graph(graph.outputs, dict(zip(graph.flat, inputs, strict=True))) if graph.outputs else []
    return pytensor.function(inputs, outputs, mode="FAST_COMPILE", on_unused_input="ignore")


def interpreted(model: ProcessModel, forcing: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return states (day + 1, member), fluxes (day, member) and fast fluxes (day, step, member); forcing is (member, time)."""
    assert model.nested is not None and not model.nested.state._fields  # type: ignore[attr-defined]
    fast_names = model.nested.fluxes._fields  # type: ignore[attr-defined]
    derived = nested_program(model, tuple(model.flux_quantities), fast_names)
    slow, fast = derived.split_steps
    columns, fast_columns = (np.asarray(c) for c in derived.columns(forcing))
    members, days = next(iter(forcing.values())).shape[0], columns.shape[1]
    fast_columns = fast_columns.reshape(len(fast_columns), days, derived.steps, -1)
    given = {n: d for n, (_, d) in model.calibrated.items()} | dict(values)
    p = [np.broadcast_to(np.asarray(given[n], dtype=float), members) for n in model.parameter_table]
    x = [np.broadcast_to(np.asarray(given[n], dtype=float), members) for n in model.state_parameters]
    slow_numbers = _function(slow.constants, {})(*p)
    numbers, hour = _function(fast.constants, {}), _function(fast.body, {"column": 2, "constant": 1})
    day = _function(slow.body, {})
    n_g, n_x = len(slow.prepare.outputs), len(x)
    states, fluxes, fluxes_of_hours = [x], [], []
    for t in range(days):
        held = columns[n_g:, t] if fast.n_held else []
        q = numbers(*p, *x, *held)
        # In the order of the roles: columns, constants, and the parameters that the body does not read.
        roles = {"state": [], "column": list(fast_columns[:, t]), "constant": q}
        made = [np.broadcast_to(v, (derived.steps, members)) for v in hour(*(v for role in fast.body.inputs for v in roles[role]))]
        means = [v.mean(axis=0) for v in made]
        roles = {"state": x, "fast": [], "mean": means, "column": list(columns[:n_g, t]), "constant": slow_numbers}
        out = [np.broadcast_to(v, members) for v in day(*(v for role in slow.body.inputs for v in roles[role]))]
        x = out[:n_x]
        states.append(x)
        fluxes.append(out[n_x:])
        fluxes_of_hours.append(made)
    found = dict(zip(model.state_parameters, np.moveaxis(states, 1, 0), strict=True))
    found |= dict(zip(model.flux_quantities, np.moveaxis(fluxes, 1, 0), strict=True))
    return found | dict(zip(fast_names, np.moveaxis(fluxes_of_hours, 1, 0), strict=True))
