"""Kernels of a process model with a faster step inside each step.

The slow loop stores the states once per slow step; the adjoint runs the fast steps of one slow step again, so memory does not
grow with the number of fast steps. The fast loops are the recurrences of `lsm_bayes.kernels`, with the slow states and what follows
from the slow forcing among their parameters: work that does not depend on the fast forcing is done once for each slow step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace

from lsm_bayes.declare import ProcessModel
from lsm_bayes.graphs import Graph, SplitStep, cotangents, listing, split, tangents, trace
from lsm_bayes.kernels import CHUNK, Kernel, Recurrence, Source, scalar_kernel
from lsm_bayes.programs import adjoint_recurrence, evaluate_columns, symbols


@dataclass(frozen=True, eq=False)
class NestedProgram:
    """Everything derived from a process model with a nested step; build it with `nested_program`.

    Attributes
    ----------
    fluxes, fast_fluxes : tuple of str
        What is returned for each slow and each fast step.
    """

    model: ProcessModel
    fluxes: tuple[str, ...]
    fast_fluxes: tuple[str, ...]
    folded: tuple[tuple[str, float], ...]
    n_columns = 2
    n_flux_arrays = 2

    def __reduce__(self) -> tuple[Callable[..., "NestedProgram"], tuple[Any, ...]]:
        return nested_program, (self.model, self.fluxes, self.fast_fluxes, self.folded)

    @property
    def flux_sizes(self) -> tuple[int, int]:
        """Number of slow and of fast fluxes."""
        return len(self.fluxes), len(self.fast_fluxes)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Slow states, then fast states: the order of the initial values."""
        return tuple(self.model.state_parameters)

    @property
    def steps(self) -> int:
        """Fast steps in a slow step."""
        return self._nested.steps

    @property
    def _nested(self) -> Any:
        if self.model.nested is None:
            raise TypeError(f"{self.model.name} has no nested step")
        return self.model.nested

    @cached_property
    def split_steps(self) -> tuple[SplitStep, SplitStep]:
        """The slow and the fast step, split."""
        slow, fast = trace(self.model, dict(self.folded))
        if fast is None:
            raise TypeError(f"{self.model.name} has no nested step")
        n_x, n_z = len(self.model.state._fields), len(self._nested.state._fields)  # type: ignore[attr-defined]
        names = self.model.fluxes._fields  # type: ignore[attr-defined]
        wanted = [*range(n_x + n_z), *(n_x + n_z + names.index(f) for f in self.fluxes)]
        of_both = self.model.forcing._fields  # type: ignore[attr-defined]
        symbols_by_name = dict(zip(self._nested.forcing._fields, fast.inputs["forcing"], strict=True))
        merged = Graph(
            {
                "state": fast.inputs["state"],
                "forcing": [v for n, v in symbols_by_name.items() if n not in of_both],
                "parameter": [*fast.inputs["parameter"], *fast.inputs["outer"]],
                "held": [v for n, v in symbols_by_name.items() if n in of_both],
            },
            fast.outputs,
        )
        return split(slow, wanted, n_x + n_z), split(merged, range(len(fast.outputs)), n_z)

    @cached_property
    def _held(self) -> tuple[Graph, Graph]:
        """From the slow forcing: columns of the slow step with what joins the parameters of the fast step; what joins its forcing."""
        slow, fast = self.split_steps
        inputs = slow.prepare.inputs["forcing"]
        known = dict(zip(self.forcing_names[0], inputs, strict=True))
        known |= {n: pt.constant(v, dtype="float64") for n, v in self.folded}
        names = [n for n in self._nested.forcing._fields if n in known]
        replace = dict(zip(fast.held.inputs["held"], (known[n] for n in names), strict=True))
        found = list(clone_replace(fast.held.outputs, replace=replace))
        joined = [*slow.prepare.outputs, *found[: fast.n_held]]
        return Graph({"forcing": inputs}, joined), Graph({"forcing": inputs}, found[fast.n_held :])

    @property
    def meaning(self) -> list[tuple[list[Variable], list[Variable]]]:
        """Inputs and outputs of the parts: steps that compute the same may differ in where they stop gradients."""
        return [(g.flat, g.outputs) for s in self.split_steps for g in (s.constants, s.body)]

    @property
    def forcing_names(self) -> tuple[list[str], list[str]]:
        """Forcing of the slow step that varies, and that of the fast step which the slow step does not have."""
        all_slow = self.model.forcing._fields  # type: ignore[attr-defined]
        return [n for n in all_slow if n not in dict(self.folded)], [n for n in self._nested.forcing._fields if n not in all_slow]

    @cached_property
    def key(self) -> str:
        """Hash of the generated forward kernel."""
        return forward(self).key

    def columns(self, forcing: Mapping[str, Any]) -> tuple[Any, Any]:
        """Compute what depends on the forcing alone, for the slow and for the fast step.

        Parameters
        ----------
        forcing : mapping of str to array_like or tensor
            Slow forcing of shape (time,) or (members, time), fast forcing with ``steps`` times as many times. Forcing that both
            steps name is that of the slow one.

        Returns
        -------
        tuple of array or tensor
            (n_column, time, members or 1) each.
        """
        _, fast = self.split_steps
        slow_names, fast_names = self.forcing_names
        joined, shared = self._held
        given = [forcing[n] for n in slow_names]
        held: list[Any] = []
        if shared.outputs:
            by_member = any((v.ndim if isinstance(v, Variable) else np.ndim(v)) == 2 for v in given)
            found = evaluate_columns(shared, given)
            held = [_repeated(found[i].T if by_member else found[i][:, 0], self.steps) for i in range(len(shared.outputs))]
        own = [*(forcing[n] for n in fast_names), *held]
        prepare = fast.prepare
        if not own:  # it carries the number of times
            prepare, own = replace(prepare, inputs={"forcing": symbols("t", 1)}), [_repeated(given[0], self.steps)]
        return evaluate_columns(joined, given), evaluate_columns(prepare, own)


def _repeated(values: Any, steps: int) -> Any:
    """Repeat what each slow step has for its fast steps."""
    return pt.repeat(values, steps, axis=values.ndim - 1) if isinstance(values, Variable) else np.repeat(values, steps, axis=-1)


@cache
def nested_program(
    model: ProcessModel, fluxes: tuple[str, ...], fast_fluxes: tuple[str, ...], folded: tuple[tuple[str, float], ...] = ()
) -> NestedProgram:
    """Return the program of a process model with a nested step; the same choice gives the same object.

    Parameters
    ----------
    model : ProcessModel
        The declared model.
    fluxes, fast_fluxes : tuple of str
        Fluxes of the slow and of the fast step that are wanted.
    folded : tuple of (str, float)
        Slow forcing that is a constant of the kernel.

    Returns
    -------
    NestedProgram
        The program.
    """
    return NestedProgram(model, fluxes, fast_fluxes, folded)


class _Parts:
    """Sizes, symbols and source of one nested kernel."""

    def __init__(self, program: NestedProgram) -> None:
        self.program = program
        self.slow, self.fast = program.split_steps
        self.n_x = len(program.model.state._fields)  # type: ignore[attr-defined]
        self.n_z = self.fast.n_state
        self.n_p = len(program.model.parameters._fields)  # type: ignore[attr-defined]
        self.n_f = len(self.fast.body.outputs) - self.n_z
        self.n_g, self.n_h = len(self.slow.prepare.outputs), self.fast.n_held
        self.n_all_p = self.n_p + self.n_x + self.n_h  # parameters of the fast step
        names = program._nested.fluxes._fields
        self.chosen = [names.index(f) for f in program.fast_fluxes]
        self.chunk = min(CHUNK, program.steps)
        self.source = Source()

    def fast_outputs(self) -> tuple[list[Any], list[Any]]:
        """Next fast states, and all fast fluxes."""
        return self.fast.body.outputs[: self.n_z], self.fast.body.outputs[self.n_z :]

    def function(self, name: str, graph: Graph) -> None:
        """Add a straight-line function of all inputs of a graph."""
        code = listing(graph)
        self.source.function(name, [n for names in code.inputs.values() for n in names], code.instructions, code.outputs)

    def inner_text(self, t: str, doubled: bool = False, column_dot: bool = False) -> list[str]:
        """Lines that set the parameters, state and forcing of the fast loop of one slow step."""
        lines = [
            "            for i in range(z.shape[0]):",
            f"                z[i, 0] = states[{self.n_x} + i, {t}, b]" if not doubled else "",
        ]
        if doubled:
            lines[1] = (
                f"                z[i, 0] = states[{self.n_x} + i, {t}, b] if i < {self.n_z} else dots[{self.n_x - self.n_z} + i, {t}, b]"
            )
        lines += [f"            for i in range({self.n_x}):", f"                p[{self.n_p} + i, 0] = states[i, {t}, b]"]
        if doubled:
            lines.append(f"                p[{self.n_all_p + self.n_p} + i, 0] = dots[i, {t}, b]")
        lines += [
            f"            for i in range({self.n_h}):",
            f"                p[{self.n_p + self.n_x} + i, 0] = column[{self.n_g} + i, {t}, b_slow]",
        ]
        if doubled:
            dot = f"column_dot[{self.n_g} + i, {t}, b_slow]" if column_dot else "0.0"
            lines.append(f"                p[{self.n_all_p + self.n_p + self.n_x} + i, 0] = {dot}")
        steps = self.program.steps
        return [*lines, f"            forcing = fast_column[:, {t} * {steps}:({t} + 1) * {steps}, b_fast:b_fast + 1]"]


def _head(arguments: Sequence[str], name: str) -> list[str]:
    return [f"def {name}({', '.join(arguments)}):", "    n = column.shape[1]", "    members = parameter.shape[1]"]


_MEMBER = [
    "    for b in range(members):",
    "        b_slow = b if column.shape[2] > 1 else 0",
    "        b_fast = b if fast_column.shape[2] > 1 else 0",
]


def _listed(template: str, n: int) -> list[str]:
    return [template.format(i) for i in range(n)]


def forward(program: NestedProgram) -> Kernel:
    """Forward kernel: ``trajectory(parameter, initial, column, fast_column) -> (states, fluxes, fast_fluxes)``.

    Parameters
    ----------
    program : NestedProgram
        What to run.

    Returns
    -------
    Kernel
        The kernel.
    """
    c = _Parts(program)
    s, steps, n_all = c.source, program.steps, c.n_x + c.n_z
    following, fluxes = c.fast_outputs()
    body = Graph(c.fast.body.inputs, [*following, *(fluxes[i] for i in c.chosen), *fluxes])
    s.include("fast_loop", scalar_kernel(Recurrence("fast", c.fast.constants, body, len(c.chosen), keep=0), c.chunk))
    c.function("slow_constants", c.slow.constants)
    c.function("slow_step", c.slow.body)
    n_q, n_g, n_y = len(c.slow.constants.outputs), c.n_g, len(program.fluxes)
    s.add(*_head(["parameter", "initial", "column", "fast_column"], "trajectory"))
    s.add(
        f"    states = np.empty(({n_all}, n + 1, members))",
        f"    fluxes = np.empty(({n_y}, n, members))",
        f"    fast = np.empty(({len(c.chosen)}, n * {steps}, members))",
    )
    s.add(f"    p = np.empty(({c.n_all_p}, 1))", f"    z = np.empty(({c.n_z}, 1))", *_MEMBER)
    s.add("        states[:, 0, b] = initial[:, b]", f"        p[:{c.n_p}, 0] = parameter[:, b]")
    q = _listed("q{}", n_q)
    if n_q:
        s.add(f"        {', '.join(q)}, = slow_constants({', '.join(_listed('parameter[{}, b]', c.n_p))})")
    s.add("        for t in range(n):", *c.inner_text("t"))
    s.add(f"            {', '.join([*(['written'] if c.chosen else []), 'sums', 'last'])} = fast_loop(p, z, forcing, {steps}, 1)")
    by_role = {
        "state": _listed("states[{}, t, b]", c.n_x),
        "fast": _listed("last[{}, 0]", c.n_z),
        "mean": [f"sums[{i}, 0] / {steps}" for i in range(c.n_f)],
        "column": _listed("column[{}, t, b_slow]", n_g),
        "constant": q,
    }
    arguments = [a for role in c.slow.body.inputs for a in by_role[role]]
    targets = [*(f"states[{i}, t + 1, b]" for i in range(n_all)), *(f"fluxes[{i}, t, b]" for i in range(n_y))]
    s.add(f"            {', '.join(targets)}, = slow_step({', '.join(arguments)})")
    s.add(*([f"            fast[:, t * {steps}:(t + 1) * {steps}, b] = written[:, :, 0]"] if c.chosen else []))
    s.add("    return (states, fluxes, fast)")
    return s.kernel("trajectory")


def adjoint(program: NestedProgram, *, flux_bar: bool, state_bar: bool, column_bar: bool) -> Kernel:
    """Adjoint kernel.

    Parameters
    ----------
    program : NestedProgram
        What to differentiate.
    flux_bar, state_bar, column_bar : bool
        Which cotangents are given and whether those of the columns are returned.

    Returns
    -------
    Kernel
        ``trajectory_vjp(parameter, column, fast_column, states, [fluxes_bar, fast_bar], [state_bar])``.
    """
    c = _Parts(program)
    s, steps, n_all = c.source, program.steps, c.n_x + c.n_z
    following, fluxes = c.fast_outputs()
    history = Graph(c.fast.body.inputs, [*following, *fluxes])
    s.include("fast_loop", scalar_kernel(Recurrence("fast", c.fast.constants, history, 0), c.chunk))
    back = adjoint_recurrence(c.fast, c.n_f, flux_bar=True, state_bar=False, column_bar=column_bar)
    lean = program.model.nested is not None and program.model.nested.finite_branches
    s.include("fast_back", scalar_kernel(replace(back, body=replace(back.body, lean=lean)), c.chunk))
    c.function("slow_constants", c.slow.constants)
    n_q, n_g, n_y = len(c.slow.constants.outputs), c.n_g, len(program.fluxes)
    carried, given = symbols("a", n_all), symbols("b", n_y)
    roles = c.slow.body.inputs
    wrt = [v for role in ("state", "fast", "mean", "column", "constant") for v in roles[role]]
    bars = cotangents(c.slow.body.outputs, [*carried, *(given if flux_bar else [None] * n_y)], wrt)
    c.function("slow_back", Graph(roles | {"carried": carried} | ({"flux_bar": given} if flux_bar else {}), bars))
    q_bar, parameter = symbols("q", n_q), c.slow.constants.inputs["parameter"]
    c.function("after", Graph({"parameter": parameter, "sum": q_bar}, cotangents(c.slow.constants.outputs, q_bar, parameter)))

    extra = [*(["flux_bar", "fast_bar"] if flux_bar else []), *(["state_bar"] if state_bar else [])]
    s.add(*_head(["parameter", "column", "fast_column", "states", *extra], "trajectory_vjp"))
    s.add(f"    total = np.zeros(({c.n_p}, members))", f"    carried = np.zeros(({n_all}, members))")
    if column_bar:
        s.add(
            "    column_bar = np.empty((column.shape[0], n, members))",
            f"    fast_column_bar = np.empty((fast_column.shape[0], n * {steps}, members))",
        )
    s.add(f"    p = np.empty(({c.n_all_p}, 1))", f"    z = np.empty(({c.n_z}, 1))", f"    z_bar = np.empty(({c.n_z}, 1))")
    s.add(f"    bar = np.empty(({c.n_f}, {steps}, 1))", f"    q_bar = np.empty({max(1, n_q)})", *_MEMBER)
    s.add(
        f"        p[:{c.n_p}, 0] = parameter[:, b]",
        "        q_bar[:] = 0.0",
        *(["        carried[:, b] = state_bar[:, n, b]"] if state_bar else []),
    )
    q = _listed("q{}", n_q)
    if n_q:
        s.add(f"        {', '.join(q)}, = slow_constants({', '.join(_listed('parameter[{}, b]', c.n_p))})")
    s.add("        for t in range(n - 1, -1, -1):", *c.inner_text("t"))
    s.add(f"            history, sums, last = fast_loop(p, z, forcing, {steps}, 1)")
    by_role = {
        "state": _listed("states[{}, t, b]", c.n_x),
        "fast": _listed("last[{}, 0]", c.n_z),
        "mean": [f"sums[{i}, 0] / {steps}" for i in range(c.n_f)],
        "column": _listed("column[{}, t, b_slow]", n_g),
        "constant": q,
    }
    arguments = (
        [a for role in roles for a in by_role[role]]
        + _listed("carried[{}, b]", n_all)
        + (_listed("flux_bar[{}, t, b]", n_y) if flux_bar else [])
    )
    x_bar, m_bar, g_bar, d = _listed("x_bar{}", c.n_x), _listed("m_bar{}", c.n_f), _listed("g_bar{}", n_g), _listed("d{}", n_q)
    targets = [*x_bar, *_listed("z_bar[{}, 0]", c.n_z), *m_bar, *g_bar, *d]
    s.add(f"            {', '.join(targets)}, = slow_back({', '.join(arguments)})")
    s.add(*(f"            q_bar[{i}] += d{i}" for i in range(n_q)))
    s.add(f"            for i in range({steps}):", *(f"                bar[{k}, i, 0] = m_bar{k} / {steps}" for k in range(c.n_f)))
    if flux_bar:
        s.add(*(f"                bar[{k}, i, 0] += fast_bar[{j}, t * {steps} + i, b]" for j, k in enumerate(c.chosen)))
    parts = ", ".join([*(["part_bar"] if column_bar else []), "part", "first"])
    s.add(f"            {parts} = fast_back(p, z_bar, forcing, history, bar, {steps}, 1)")
    s.add(*(f"            total[{i}, b] += part[{i}, 0]" for i in range(c.n_p)))
    s.add(*(f"            carried[{i}, b] = x_bar{i} + part[{c.n_p + i}, 0]" for i in range(c.n_x)))
    s.add(*(f"            carried[{c.n_x + i}, b] = first[{i}, 0]" for i in range(c.n_z)))
    s.add(*(["            carried[:, b] += state_bar[:, t, b]"] if state_bar else []))
    if column_bar:
        s.add(*(f"            column_bar[{i}, t, b] = g_bar{i}" for i in range(n_g)))
        s.add(*(f"            column_bar[{n_g + i}, t, b] = part[{c.n_p + c.n_x + i}, 0]" for i in range(c.n_h)))
        s.add(f"            fast_column_bar[:, t * {steps}:(t + 1) * {steps}, b] = part_bar[:, :, 0]")
    if n_q:
        received = ", ".join([*_listed("parameter[{}, b]", c.n_p), *_listed("q_bar[{}]", n_q)])
        s.add(f"        {', '.join(_listed('p_bar{}', c.n_p))}, = after({received})")
        s.add(*(f"        total[{i}, b] += p_bar{i}" for i in range(c.n_p)))
    s.add(f"    return (total, carried{', column_bar, fast_column_bar' if column_bar else ''})")
    return s.kernel("trajectory_vjp")


def tangent(program: NestedProgram, *, column_dot: bool) -> Kernel:
    """Tangent kernel.

    Parameters
    ----------
    program : NestedProgram
        What to differentiate.
    column_dot : bool
        Whether tangents of the columns are given.

    Returns
    -------
    Kernel
        ``trajectory_jvp(parameter, initial, column, fast_column, and their tangents) -> (states_dot, fluxes_dot, fast_dot)``.
    """
    c = _Parts(program)
    s, steps, n_all = c.source, program.steps, c.n_x + c.n_z
    n_q, n_g, n_y = len(c.slow.constants.outputs), c.n_g, len(program.fluxes)

    fast = _doubled(c.fast, column_dot)
    n_f, n_z = c.n_f, c.n_z
    out = fast.body.outputs
    following, fluxes = [*out[:n_z], *out[n_z + n_f : 2 * n_z + n_f]], [*out[n_z : n_z + n_f], *out[2 * n_z + n_f :]]
    body = replace(fast.body, outputs=[*following, *(fluxes[n_f + i] for i in c.chosen), *fluxes])
    s.include("fast_loop", scalar_kernel(Recurrence("fast", fast.constants, body, len(c.chosen), keep=0), c.chunk))
    slow = _doubled(c.slow, column_dot)
    c.function("slow_constants", slow.constants)
    c.function("slow_step", slow.body)

    dots = ["column_dot", "fast_column_dot"] if column_dot else []
    s.add(*_head(["parameter", "initial", "column", "fast_column", "parameter_dot", "initial_dot", *dots], "trajectory_jvp"))
    s.add(f"    states = np.empty(({n_all}, n + 1, members))", f"    dots = np.empty(({n_all}, n + 1, members))")
    s.add(f"    fluxes = np.empty(({n_y}, n, members))", f"    fast = np.empty(({len(c.chosen)}, n * {steps}, members))")
    s.add(f"    p = np.empty(({2 * c.n_all_p}, 1))", f"    z = np.empty(({2 * n_z}, 1))", *_MEMBER)
    s.add("        states[:, 0, b] = initial[:, b]", "        dots[:, 0, b] = initial_dot[:, b]")
    s.add(f"        p[:{c.n_p}, 0] = parameter[:, b]", f"        p[{c.n_all_p}:{c.n_all_p + c.n_p}, 0] = parameter_dot[:, b]")
    q = _listed("q{}", 2 * n_q)
    if n_q:
        received = ", ".join([*_listed("parameter[{}, b]", c.n_p), *_listed("parameter_dot[{}, b]", c.n_p)])
        s.add(f"        {', '.join(q)}, = slow_constants({received})")
    s.add("        for t in range(n):", *c.inner_text("t", doubled=True, column_dot=column_dot))
    fast_dot = [f"fast_column_dot[:, t * {steps}:(t + 1) * {steps}, b_fast:b_fast + 1]"] if column_dot else []
    returned = ", ".join([*(["written"] if c.chosen else []), "sums", "last"])
    s.add(f"            {returned} = fast_loop({', '.join(['p', 'z', 'forcing', *fast_dot, str(steps), '1'])})")
    by_role = {
        "state": _listed("states[{}, t, b]", c.n_x),
        "state_dot": _listed("dots[{}, t, b]", c.n_x),
        "fast": _listed("last[{}, 0]", n_z),
        "fast_dot": [f"last[{n_z + i}, 0]" for i in range(n_z)],
        "mean": [f"sums[{i}, 0] / {steps}" for i in range(n_f)],
        "mean_dot": [f"sums[{n_f + i}, 0] / {steps}" for i in range(n_f)],
        "column": _listed("column[{}, t, b_slow]", n_g),
        "column_dot": _listed("column_dot[{}, t, b_slow]", n_g),
        "constant": q,
    }
    arguments = [a for role in slow.body.inputs for a in by_role[role]]
    targets = [
        *(f"states[{i}, t + 1, b]" for i in range(n_all)),
        *(f"y{i}" for i in range(n_y)),
        *(f"dots[{i}, t + 1, b]" for i in range(n_all)),
        *(f"fluxes[{i}, t, b]" for i in range(n_y)),
    ]
    s.add(f"            {', '.join(targets)}, = slow_step({', '.join(arguments)})")
    s.add(*([f"            fast[:, t * {steps}:(t + 1) * {steps}, b] = written[:, :, 0]"] if c.chosen else []))
    s.add("    return (dots, fluxes, fast)")
    return s.kernel("trajectory_jvp")


def _doubled(step: SplitStep, column_dot: bool) -> SplitStep:
    """Accompany every number of a split step by its tangent; outputs are those of the step, then their tangents."""
    parameter = step.constants.inputs["parameter"]
    p = symbols("dp", len(parameter))
    constants = Graph({"parameter": [*parameter, *p]}, [*step.constants.outputs, *tangents(step.constants.outputs, parameter, p)])
    dots = {role: symbols(f"d{role}", len(v)) for role, v in step.body.inputs.items() if role != "column" or column_dot}
    wrt = [v for role in dots for v in step.body.inputs[role]]
    found = tangents(step.body.outputs, wrt, [d for role in dots for d in dots[role]])
    roles: dict[str, list[Any]] = {}
    for role, variables in step.body.inputs.items():
        if role == "constant" or (role == "state" and "fast" not in step.body.inputs):
            roles[role] = [*variables, *dots[role]]  # carried, or computed together
        else:
            roles[role] = variables
            if role in dots:
                roles[f"{role}_dot"] = dots[role]
    return SplitStep(step.prepare, constants, Graph(roles, [*step.body.outputs, *found]), step.n_state)
