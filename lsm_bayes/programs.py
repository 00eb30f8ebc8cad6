"""The three kernels of a process model, forward, tangent and adjoint, as recurrences derived from its symbolic step."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import ancestors

from lsm_bayes.declare import ProcessModel
from lsm_bayes.graphs import Graph, SplitStep, cotangents, split, tangents, trace
from lsm_bayes.kernels import Kernel, Recurrence, scalar_kernel
from lsm_bayes.lanes import lane_kernel


def symbols(prefix: str, n: int) -> list[Variable]:
    """Return named 0-d symbols.

    Parameters
    ----------
    prefix : str
        Of their names.
    n : int
        How many.

    Returns
    -------
    list of Variable
        float64 scalars.
    """
    return [pt.dscalar(f"{prefix}{i}") for i in range(n)]


def adjoint_recurrence(step: SplitStep, n_flux: int, *, flux_bar: bool, state_bar: bool, column_bar: bool) -> Recurrence:
    """Derive the adjoint of a split step.

    Parameters
    ----------
    step : SplitStep
        Outputs: next states, then fluxes.
    n_flux : int
        Number of fluxes.
    flux_bar, state_bar : bool
        Which cotangents are given.
    column_bar : bool
        Whether the cotangents of the columns are written.

    Returns
    -------
    Recurrence
        Carries the cotangent of the state backward; reads ``history`` (states at the start of each step) and the given
        cotangents; sums the cotangents of the constants and returns those of the parameters.
    """
    state, column, constant = (step.body.inputs[r] for r in ("state", "column", "constant"))
    carried, fluxes = symbols("a", step.n_state), symbols("b", n_flux)
    bars = [*carried, *(fluxes if flux_bar else [None] * n_flux)]
    wrt = [*state, *column, *constant] if column_bar else [*state, *constant]
    found = cotangents(step.body.outputs, bars, wrt)
    following = found[: len(state)]
    roles = {"state": carried, "constant": constant, "column": column, "history": state}
    if flux_bar:
        roles["flux_bar"] = fluxes
    if state_bar:
        roles["state_bar"] = symbols("s", step.n_state)
        following = [a + b for a, b in zip(following, roles["state_bar"], strict=True)]
    written = found[len(state) : len(state) + len(column)] if column_bar else []
    sums = found[len(found) - len(constant) :]
    given = symbols("t", len(constant))
    parameter = step.constants.inputs["parameter"]
    after = Graph({"parameter": parameter, "sum": given}, cotangents(step.constants.outputs, given, parameter))
    return Recurrence("adjoint", step.constants, Graph(roles, [*following, *written, *sums]), len(written), after, reverse=True, keep=0)


def tangent_recurrence(step: SplitStep, n_flux: int, *, column_dot: bool) -> Recurrence:
    """Derive the tangent of a split step: the step itself with every number accompanied by its derivative.

    Parameters
    ----------
    step : SplitStep
        Outputs: next states, then fluxes.
    n_flux : int
        Number of fluxes.
    column_dot : bool
        Whether tangents of the columns are given.

    Returns
    -------
    Recurrence
        Carries states and their tangents; writes the tangents of the fluxes.
    """
    state, column, constant = (step.body.inputs[r] for r in ("state", "column", "constant"))
    parameter = step.constants.inputs["parameter"]
    x, q, p = symbols("dx", len(state)), symbols("dq", len(constant)), symbols("dp", len(parameter))
    g = symbols("dg", len(column)) if column_dot else []
    dots = tangents(step.body.outputs, [*state, *constant, *(column if column_dot else [])], [*x, *q, *g])
    constants = Graph({"parameter": [*parameter, *p]}, [*step.constants.outputs, *tangents(step.constants.outputs, parameter, p)])
    roles = {"state": [*state, *x], "constant": [*constant, *q], "column": column} | ({"column_dot": g} if column_dot else {})
    n = step.n_state
    return Recurrence("tangent", constants, Graph(roles, [*step.body.outputs[:n], *dots[:n], *dots[n : n + n_flux]]), n_flux)


def evaluate_columns(prepare: Graph, inputs: Sequence[Any]) -> Any:
    """Evaluate a forcing-only graph over time.

    Parameters
    ----------
    prepare : Graph
        Role ``forcing`` -> columns, all 0-d.
    inputs : sequence of array_like or tensor
        One for each forcing input, of shape (time,), (members, time) or ().

    Returns
    -------
    numpy.ndarray or tensor
        Shape (n_column or 1, time, members or 1); symbolic if any input is. One column of zeros, which nothing reads, when
        the step needs none: it carries the number of times.
    """
    if any(isinstance(v, Variable) for v in inputs):
        values = pt.broadcast_arrays(*[pt.as_tensor(v, dtype="float64") for v in inputs])
        replaced = dict(zip(prepare.inputs["forcing"], values, strict=True))
        found = [pt.broadcast_arrays(o, values[0])[0] for o in vectorize_graph(prepare.outputs, replaced)]
        stacked = pt.stack(found or [pt.zeros_like(values[0])])
        return stacked[:, :, None] if stacked.ndim == 2 else stacked.transpose(0, 2, 1)
    arrays = np.broadcast_arrays(*[np.asarray(v, dtype=float) for v in inputs])
    symbolic = [pt.tensor(shape=(None,) * arrays[0].ndim, dtype="float64") for _ in inputs]
    outputs = vectorize_graph(prepare.outputs, dict(zip(prepare.inputs["forcing"], symbolic, strict=True)))
    # Once for each data set, so interpreted: compiling would take longer.
    computed = pytensor.function(symbolic, outputs, mode=Mode("py", None), on_unused_input="ignore")(*[np.array(a) for a in arrays])
    stacked = np.stack([np.broadcast_to(c, arrays[0].shape) for c in computed] or [np.zeros(arrays[0].shape)])
    return np.ascontiguousarray(stacked[:, :, None] if stacked.ndim == 2 else np.moveaxis(stacked, 1, 2))


@dataclass(frozen=True, eq=False)
class Program:
    """Everything derived from one process model for a choice of fluxes and folded forcing.

    Build it with `program`, which keeps one for each choice.
    """

    model: ProcessModel
    fluxes: tuple[str, ...]
    wanted_states: tuple[str, ...]
    folded: tuple[tuple[str, float], ...]
    n_columns = 1

    @property
    def n_flux_arrays(self) -> int:
        """One array of fluxes, none when no flux is wanted."""
        return 1 if self.fluxes else 0

    @property
    def flux_sizes(self) -> tuple[int, ...]:
        """Number of fluxes in each array."""
        return (len(self.fluxes),) if self.fluxes else ()

    def __reduce__(self) -> tuple[Callable[..., "Program"], tuple[Any, ...]]:
        return program, (self.model, self.fluxes, self.wanted_states, self.folded)

    @cached_property
    def step(self) -> SplitStep:
        """The traced and split step."""
        graph, names = self._traced
        everything = list(self.model.state._fields)  # type: ignore[attr-defined]
        kept = [everything.index(name) for name in self.state_names]
        pruned = Graph(graph.inputs | {"state": [graph.inputs["state"][i] for i in kept]}, graph.outputs)
        return split(pruned, [*kept, *(len(everything) + names.index(f) for f in self.fluxes)], len(kept))

    @property
    def meaning(self) -> list[tuple[list[Variable], list[Variable]]]:
        """Inputs and outputs of the parts: steps that compute the same may differ in where they stop gradients."""
        return [(g.flat, g.outputs) for g in (self.step.constants, self.step.body)]

    @cached_property
    def _traced(self) -> tuple[Graph, tuple[str, ...]]:
        return trace(self.model, dict(self.folded))[0], self.model.fluxes._fields  # type: ignore[attr-defined]

    @cached_property
    def state_names(self) -> tuple[str, ...]:
        """States that the wanted fluxes and states depend on; the others are not computed."""
        graph, names = self._traced
        everything = list(self.model.state._fields)  # type: ignore[attr-defined]
        n = len(everything)
        needed = {everything.index(s) for s in self.wanted_states}
        queue = [*needed, *(n + names.index(f) for f in self.fluxes)]
        while queue:
            found = set(ancestors([graph.outputs[queue.pop()]]))
            new = {i for i, v in enumerate(graph.inputs["state"]) if v in found} - needed
            needed |= new
            queue.extend(new)
        return tuple(name for i, name in enumerate(everything) if i in needed)

    @property
    def forcing_names(self) -> list[str]:
        """Forcing that varies, in the order of `columns`."""
        return [n for n in self.model.forcing._fields if n not in dict(self.folded)]  # type: ignore[attr-defined]

    @cached_property
    def key(self) -> str:
        """Hash of the generated forward kernel: two programs with the same key compute the same."""
        return hashlib.sha256(f"{self.forward(0).key}{len(self.forcing_names)}".encode()).hexdigest()

    @cache  # noqa: B019  programs live as long as the process
    def forward(self, lanes: int, keep: int = 1, threads: int = 1) -> Kernel:
        """Kernel of the trajectory."""
        r = Recurrence("forward", self.step.constants, self.step.body, len(self.fluxes), keep=keep)
        return lane_kernel(r, lanes, threads) if lanes else scalar_kernel(r)

    @cache  # noqa: B019
    def adjoint(self, lanes: int, flux_bar: bool, state_bar: bool, column_bar: bool, threads: int = 1) -> Kernel:
        """Kernel of the adjoint."""
        r = adjoint_recurrence(self.step, len(self.fluxes), flux_bar=flux_bar, state_bar=state_bar, column_bar=column_bar)
        return lane_kernel(r, lanes, threads) if lanes else scalar_kernel(r)

    @cache  # noqa: B019
    def tangent(self, lanes: int, column_dot: bool, threads: int = 1) -> Kernel:
        """Kernel of the tangent."""
        r = tangent_recurrence(self.step, len(self.fluxes), column_dot=column_dot)
        return lane_kernel(r, lanes, threads) if lanes else scalar_kernel(r)

    def columns(self, forcing: Mapping[str, Any]) -> Any:
        """Compute what depends on the forcing alone.

        Parameters
        ----------
        forcing : mapping of str to array_like or tensor
            One entry for each of `forcing_names`, each of shape (time,), (members, time) or ().

        Returns
        -------
        numpy.ndarray or tensor
            Shape (n_columns, time, members or 1); symbolic if any input is.
        """
        return evaluate_columns(self.step.prepare, [forcing[name] for name in self.forcing_names])


@cache
def program(
    model: ProcessModel, fluxes: tuple[str, ...], wanted_states: tuple[str, ...] = (), folded: tuple[tuple[str, float], ...] = ()
) -> Program:
    """Return the program of a process model; the same choice gives the same object.

    Parameters
    ----------
    model : ProcessModel
        The declared model.
    fluxes : tuple of str
        Fluxes that are wanted; others are not computed.
    wanted_states : tuple of str
        States that are wanted besides those that the fluxes need.
    folded : tuple of (str, float)
        Forcing that is a constant of the kernel.

    Returns
    -------
    Program
        The program; nothing is compiled yet.
    """
    return Program(model, fluxes, wanted_states, folded)
