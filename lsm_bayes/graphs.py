"""From a declared step to small graphs of scalars: trace, differentiate, split by what varies, and list the instructions.

A step is traced once with named 0-d tensors. What depends on the forcing alone is split off (``prepare``), and what depends
on the parameters alone (``constants``), so that only the rest (``body``) is in the time loop. Derivatives are taken of the
split parts, symbolically, before any code is generated.
"""

import hashlib
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import get_mode
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar.basic import ScalarType
from pytensor.tensor.basic import ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import Elemwise

from lsm_bayes.signature import folder, keep, signature
from lsm_bayes.vocabulary import unknown

KEPT = 1024  # listings on disk
# PyTensor 3.3 makes element-wise operations on (1, 1) out of scalars alone, which its Numba dispatch cannot compile.
COMPILED = get_mode("NUMBA").excluding("scalarize")


@dataclass(frozen=True)
class Graph:
    """Inputs by role, and outputs, all 0-d tensors; `lean`: choices stay outside of products when it is written down.

    Otherwise ``switch(c, 0, a) * b`` becomes ``switch(c, 0, a * b)``: zero also where ``b`` is not finite, but in the adjoint of a long
    step each choice is repeated in all that comes before it, which doubles the code.
    """

    inputs: dict[str, list[Variable]]
    outputs: list[Variable]
    lean: bool = False

    @property
    def flat(self) -> list[Variable]:
        """All inputs in the order of the roles."""
        return [v for role in self.inputs.values() for v in role]


@dataclass(frozen=True)
class SplitStep:
    """A step split into what leaves the time loop and what stays.

    ``prepare`` maps the forcing to the columns that the loop reads, ``constants`` maps the parameters to the numbers that it
    reads, ``body`` maps (state, column, constant[, outer]) to the next states followed by the outputs. Of a fast step, ``held`` maps
    the forcing that a whole loop has in common to numbers: the first ``n_held`` join the parameters, the others the forcing.
    """

    prepare: Graph
    constants: Graph
    body: Graph
    n_state: int
    held: Graph = field(default_factory=lambda: Graph({"held": []}, []))
    n_held: int = 0


def _symbols(prefix: str, names: Sequence[str]) -> list[Variable]:
    return [pt.dscalar(f"{prefix}_{name}") for name in names]


def _outputs(model: str, role: str, owner: type, got: Any) -> list[Variable]:
    if not isinstance(got, owner):
        raise TypeError(
            f"{model}: the step returned {type(got).__name__} where {role} {owner.__name__} is expected; return {owner.__name__}(...)"
        )
    found = []
    for name, value in zip(owner._fields, got, strict=True):  # type: ignore[attr-defined,call-overload]
        tensor = pt.as_tensor(value)
        if tensor.type.ndim != 0:
            raise TypeError(f"{model}: {role} {name!r} of the step has {tensor.type.ndim} dimensions; every output is a 0-d expression")
        found.append(pt.cast(tensor, "float64"))
    return found


def _fold(names: Sequence[str], symbols: list[Variable], folded: Mapping[str, float]) -> tuple[list[Variable], list[Variable]]:
    """Return the values to trace with, constants where folded, and the symbols that are left as inputs."""
    values = [pt.constant(folded[n], dtype="float64") if n in folded else v for n, v in zip(names, symbols, strict=True)]
    return values, [v for n, v in zip(names, symbols, strict=True) if n not in folded]


def trace(model: Any, folded: Mapping[str, float] | None = None) -> tuple[Graph, Graph | None]:
    """Call the step of a process model with symbols.

    Parameters
    ----------
    model : ProcessModel
        The declared model.
    folded : mapping of str to float, optional
        Forcing that is a constant of the kernel.

    Returns
    -------
    tuple of Graph
        The (slow) step with roles ``state``, ``forcing``, ``parameter`` and, when there is a nested step, ``fast`` and ``mean``
        (outputs: next states, next fast states, fluxes); and the fast step or None.

    Raises
    ------
    TypeError
        When the step returns something else than declared; other errors name the model.
    AttributeError
        When the step reads a name that is not declared; the message lists those that are.
    """
    state, forcing, parameter = (
        _symbols(r, owner._fields) for r, owner in (("x", model.state), ("f", model.forcing), ("p", model.parameters))
    )
    values, forcing = _fold(model.forcing._fields, forcing, folded or {})
    x, f, p = model.state(*state), model.forcing(*values), model.parameters(*parameter)
    nested = model.nested
    if nested is None:
        try:
            got = model.step(x, f, p)
        except AttributeError as error:
            raise AttributeError(f"{model.name}: {_explain(error, model)}") from error
        if not (isinstance(got, tuple) and len(got) == 2):
            raise TypeError(f"{model.name}: the step returned {type(got).__name__}; it returns (State(...), Fluxes(...))")
        outputs = _outputs(model.name, "state", model.state, got[0]) + _outputs(model.name, "flux", model.fluxes, got[1])
        return Graph({"state": state, "forcing": forcing, "parameter": parameter}, outputs), None
    fast, fast_forcing, mean = (_symbols(r, o._fields) for r, o in (("z", nested.state), ("g", nested.forcing), ("m", nested.fluxes)))
    outer = _symbols("x", model.state._fields)
    outer_parameter = _symbols("p", model.parameters._fields)
    got = nested.step(nested.state(*fast), model.state(*outer), nested.forcing(*fast_forcing), model.parameters(*outer_parameter))
    inner = Graph(
        {"state": fast, "forcing": fast_forcing, "parameter": outer_parameter, "outer": outer},
        _outputs(model.name, "fast state", nested.state, got[0]) + _outputs(model.name, "fast flux", nested.fluxes, got[1]),
    )
    fast_end = _symbols("z", nested.state._fields)
    got = model.step(x, nested.state(*fast_end), nested.fluxes(*mean), f, p)
    if not (isinstance(got, tuple) and len(got) == 3):
        raise TypeError(f"{model.name}: the step of a model with a nested step returns (State, FastState, Fluxes)")
    outputs = (
        _outputs(model.name, "state", model.state, got[0])
        + _outputs(model.name, "fast state", nested.state, got[1])
        + _outputs(model.name, "flux", model.fluxes, got[2])
    )
    return Graph({"state": state, "fast": fast_end, "mean": mean, "forcing": forcing, "parameter": parameter}, outputs), inner


def _explain(error: AttributeError, model: Any) -> str:
    owners = {o.__name__: o for o in (model.state, model.forcing, model.parameters)}
    owner = owners.get(type(error.obj).__name__)
    return unknown(f"field of {type(error.obj).__name__}", error.name, owner._fields) if owner else str(error)


def _rewritten(
    inputs: list[Variable], outputs: list[Variable], *, keep_views: bool = False, lean: bool = False
) -> tuple[list[Variable], list[Variable]]:
    graph = FunctionGraph(inputs, outputs, clone=True)
    # Rewrites for C code search for a BLAS, which costs seconds and warns, and match nothing here. The distributor takes half of
    # the time and makes the kernels no faster.
    # What has yet to be differentiated must not hold a power as a chain of squares: that has no gradient.
    exclude = ["cxx_only", "local_greedy_distributor"]
    exclude += ["local_view_op", "local_pow_to_nested_squaring"] if keep_views else []
    exclude += ["local_mul_switch_sink", "local_div_switch_sink"] if lean else []
    rewrite_graph(graph, include=("canonicalize", "stabilize", "specialize"), exclude=exclude)
    return list(graph.inputs), list(graph.outputs)


def split(graph: Graph, outputs: Sequence[int], n_state: int) -> SplitStep:
    """Split a traced step into forcing-only, parameter-only and remaining parts.

    Parameters
    ----------
    graph : Graph
        With roles ``state``, ``forcing``, ``parameter``, optionally ``held``, forcing that does not change within the loop, and others,
        which stay in the body.
    outputs : sequence of int
        Which outputs are wanted, next states included.
    n_state : int
        How many of the first outputs are next states.

    Returns
    -------
    SplitStep
        The parts. What depends on parameters and held forcing is not in the loop either.
    """
    # Views stay: disconnected_grad is one, and it has to stop gradients, which are taken of the parts.
    inputs, wanted = _rewritten(graph.flat, [graph.outputs[i] for i in outputs], keep_views=True)
    renamed = dict(zip((id(v) for v in graph.flat), inputs, strict=True))
    roles = {role: [renamed[id(v)] for v in variables] for role, variables in graph.inputs.items()}
    kind: dict[Variable, str] = {v: role for role, variables in roles.items() for v in variables}
    frontier: dict[str, dict[Variable, None]] = {"forcing": {}, "parameter": {}, "held": {}, "held_forcing": {}}

    def note(variable: Variable, user: str) -> None:
        if isinstance(variable, Constant):
            return
        of = kind[variable]
        if of == "held" and user != "held":
            frontier["held_forcing" if user == "forcing" else "held"].setdefault(variable)
        if user == "mixed" and of in ("forcing", "parameter", "held"):
            frontier["forcing" if of == "forcing" else "parameter"].setdefault(variable)

    for node in toposort(wanted):
        kinds = {kind[v] for v in node.inputs if not isinstance(v, Constant)}
        varying = kinds - {"held"}
        here = next(iter(varying)) if len(varying) == 1 else ("mixed" if varying else "held" if kinds else "parameter")
        here = here if here in ("forcing", "parameter", "held") else "mixed"
        for v in node.outputs:
            kind[v] = here
        for v in node.inputs:
            note(v, here)
    for v in wanted:
        note(v, "mixed")
    columns, numbers = list(frontier["forcing"]), list(frontier["parameter"])

    def new(prefix: str, found: Sequence[Variable]) -> tuple[list[Variable], dict[Variable, Variable]]:
        made = [pt.dscalar(f"{prefix}{i}") for i in range(len(found))]
        return made, {o: pt.cast(v, o.dtype) for v, o in zip(made, found, strict=True)}

    new_columns, as_columns = new("g", columns)
    new_numbers, as_numbers = new("q", numbers)
    held, as_held = new("h", list(frontier["held"]))
    held_forcing, as_held_forcing = new("k", list(frontier["held_forcing"]))
    body = clone_replace(wanted, replace=as_columns | as_numbers)
    others = {role: v for role, v in roles.items() if role not in ("state", "forcing", "parameter", "held")}
    return SplitStep(
        Graph({"forcing": [*roles["forcing"], *held_forcing]}, list(clone_replace(columns, replace=as_held_forcing))),
        Graph({"parameter": [*roles["parameter"], *held]}, list(clone_replace(numbers, replace=as_held))),
        Graph({"state": roles["state"], "column": new_columns, "constant": new_numbers} | others, list(body)),
        n_state,
        Graph({"held": roles.get("held", [])}, [*frontier["held"], *frontier["held_forcing"]]),
        len(held),
    )


def cotangents(outputs: Sequence[Variable], bars: Sequence[Variable | None], wrt: Sequence[Variable]) -> list[Variable]:
    """Differentiate sum(bar * output).

    The sum, not ``pytensor.gradient.pullback`` with all outputs: where one output is an intermediate of another (GPP and NEE),
    pullback takes the given cotangent in place of the accumulated one.

    Returns
    -------
    list of Variable
        The cotangents of `wrt`.
    """
    terms = [b * o for b, o in zip(bars, outputs, strict=True) if b is not None]
    if not terms:
        return [pt.constant(0.0) for _ in wrt]
    return pytensor.grad(pt.add(*terms) if len(terms) > 1 else terms[0], list(wrt), disconnected_inputs="ignore")


def tangents(outputs: Sequence[Variable], wrt: Sequence[Variable], dots: Sequence[Variable]) -> list[Variable]:
    """Jacobian-vector products by differentiating the adjoint, which is linear in its cotangents."""
    bars = [pt.dscalar(f"v{i}") for i in range(len(outputs))]
    adjoint = cotangents(outputs, bars, wrt)
    found = cotangents(adjoint, list(dots), bars)
    # The result does not depend on the cotangents, but the graph may still mention them.
    zeros = {v: pt.constant(0.0, dtype="float64") for v in bars}
    return list(clone_replace(found, replace=zeros))


@dataclass(frozen=True)
class Instruction:
    """One scalar operation: ``target = op(*arguments)``; arguments are names or literals."""

    target: str
    op: Any
    node: Any
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """Straight-line scalar code of a graph: named inputs, instructions, and the names or literals of the outputs."""

    inputs: dict[str, list[str]]
    instructions: tuple[Instruction, ...]
    outputs: tuple[str, ...]


def _literal(data: Any) -> str:
    value = np.asarray(data).item()
    if isinstance(value, bool):
        return repr(value)
    value = float(value) if isinstance(value, float) else value
    return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}.get(repr(value), repr(value))


def listing(graph: Graph) -> Listing:
    """Rewrite a graph and write it down as scalar instructions, equal ones once.

    Parameters
    ----------
    graph : Graph
        Graph of 0-d tensors.

    Returns
    -------
    Listing
        The instructions in an order in which they can run.

    Raises
    ------
    TypeError
        When an operation is not elementwise; the message names it.
    """
    known = signature(graph.outputs, graph.flat)
    path = None if known is None else folder() / f"{hashlib.sha256(f'{known}{_shape(graph)}'.encode()).hexdigest()}.listing"
    found = None if path is None else _read(path)
    if found is None:
        found = _written_down(graph)
        if path is not None:
            keep(path, lambda file: pickle.dump(_packed(found), file), KEPT)
    return found


def _shape(graph: Graph) -> list[tuple[str, int]]:
    return [(role, len(variables)) for role, variables in graph.inputs.items()]


def _packed(code: Listing) -> Any:
    """Take out what many instructions have in common: an operation on numbers of some types."""
    operations: dict[tuple[Any, ...], int] = {}
    rows = []
    for i in code.instructions:
        kinds = tuple(v.dtype for v in i.node.inputs)
        rows.append((i.target, operations.setdefault((i.op, kinds), len(operations)), i.arguments))
    return code.inputs, list(operations), rows, code.outputs


def _read(path: Path) -> Listing | None:
    try:
        with path.open("rb") as file:
            inputs, operations, rows, outputs = pickle.load(file)  # written by `listing`
        os.utime(path)
    except (OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError, AttributeError, ImportError):
        return None
    nodes = [op.make_node(*[ScalarType(k)() for k in kinds]) for op, kinds in operations]
    return Listing(inputs, tuple(Instruction(t, operations[k][0], nodes[k], a) for t, k, a in rows), outputs)


def _written_down(graph: Graph) -> Listing:
    inputs, outputs = _rewritten(graph.flat, graph.outputs, lean=graph.lean)
    names: dict[Variable, str] = {}
    by_role: dict[str, list[str]] = {}
    position = iter(inputs)
    for number, (role, variables) in enumerate(graph.inputs.items()):
        by_role[role] = []
        for i in range(len(variables)):
            label = f"i{number}_{i}"
            names[next(position)] = label
            by_role[role].append(label)
    seen: dict[tuple[Any, ...], str] = {}
    instructions: list[Instruction] = []

    def name(v: Variable) -> str:
        if v not in names and isinstance(v, Constant):
            names[v] = _literal(v.data)
        return names[v]

    for node in toposort(outputs, blockers=inputs):
        arguments = tuple(name(v) for v in node.inputs)
        if isinstance(node.op, ScalarFromTensor | TensorFromScalar):
            names[node.outputs[0]] = arguments[0]
            continue
        if not isinstance(node.op, Elemwise) or len(node.outputs) != 1:
            raise TypeError(
                f"the step uses {node.op}, which does not work on single numbers; "
                "write it with scalar arithmetic and pytensor.tensor functions"
            )
        op = node.op.scalar_op
        scalar_node = op.make_node(*[ScalarType(v.dtype)() for v in node.inputs])
        key = (type(op), scalar_node.outputs[0].type, str(op), arguments)
        if key not in seen:
            seen[key] = f"v{len(seen)}"
            instructions.append(Instruction(seen[key], op, scalar_node, arguments))
        names[node.outputs[0]] = seen[key]
    return Listing(by_role, tuple(instructions), tuple(name(v) for v in outputs))


def depends_on(outputs: Sequence[Variable], inputs: Sequence[Variable]) -> bool:
    """Whether any output depends on any of the inputs."""
    return not set(inputs).isdisjoint(ancestors(outputs))
