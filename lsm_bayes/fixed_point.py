"""Fixed point of one forcing cycle as a PyTensor operation, with the gradient of the implicit function theorem.

``x = F(x, parameters)``, where ``F`` runs a process model once through its forcing and returns the states at the end. The kernels are
generated around those of the model and the functions of `lsm_bayes.leaps`.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable

from lsm_bayes import entries, leaps, nested
from lsm_bayes.graphs import Graph, cotangents, listing, tangents
from lsm_bayes.kernels import Kernel, Recurrence, Source, scalar_kernel
from lsm_bayes.lanes import lane_kernel, lanes_for
from lsm_bayes.nested import NestedProgram
from lsm_bayes.programs import Program, symbols
from lsm_bayes.trajectory import KernelOp, Trajectory

LIMITS = {"linear": 1, "newton": 60, "brute": 100_000}  # cycles after which a search is given up
TOLERANCE = 1e-8
_COLUMNS = ("column", "fast_column")


class FixedPoint(KernelOp):
    """States that one forcing cycle returns to where they were.

    Parameters
    ----------
    program : Program or NestedProgram
        Model without fluxes.
    free : tuple of int
        Rows of the states that are sought; the others start each cycle from where they are given.
    floor : tuple of float
        Amount of each that counts as nothing.
    method : {"linear", "newton", "brute"}
        One step, which is exact for an affine cycle; Newton's method; or cycle after cycle.
    tolerance : float
        Relative size of the last step; with ``"brute"`` relative change over a cycle.

    Notes
    -----
    Inputs: parameters (n_parameter, members), states to start from (n_state, members) and forcing columns as in
    `lsm_bayes.trajectory.Trajectory`. Outputs: states (n_state, members), NaN where the search fails; Jacobian of a cycle there
    (k, k, members); number of cycles (members,). Only the states have a gradient, to the parameters and to what is not sought.
    """

    __props__ = ("key", "free", "floor", "method", "tolerance")

    def __init__(
        self, program: Program | NestedProgram, free: tuple[int, ...], floor: tuple[float, ...], method: str, tolerance: float = TOLERANCE
    ) -> None:
        self.program = program
        self.key = program.key
        self.free = free
        self.floor = floor
        self.method = method
        self.tolerance = tolerance

    @property
    def meaning(self) -> list[tuple[list[Variable], list[Variable]]]:
        """What `key` does not tell (see `lsm_bayes.signature`)."""
        return self.program.meaning

    def kernel(self) -> Kernel:
        """Return the solver."""
        return solver_kernel(self.program, self.free, self.floor, self.method, self.tolerance)

    def make_node(self, parameter: Any, start: Any, *columns: Any) -> Apply:
        """Apply to symbolic inputs."""
        inputs = Trajectory(self.program).make_node(parameter, start, *columns).inputs
        members, k = inputs[0].type.shape[1], len(self.free)
        shapes = [(inputs[1].type.shape[0], members), (k, k, members), (members,)]
        return Apply(self, inputs, [pt.tensor(dtype="float64", shape=s) for s in shapes])

    def infer_shape(self, node: Apply, shapes: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Shapes of the outputs from those of the inputs."""
        members, k = shapes[0][1], pt.constant(len(self.free), dtype="int64")
        return [(shapes[1][0], members), (k, k, members), (members,)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Which inputs gradients flow to: not to the forcing."""
        return [[i < 2, False, False] for i in range(len(node.inputs))]

    def pullback(self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]) -> list[Any]:
        """Gradient by `FixedPointVJP`."""
        parameter, _, *columns = inputs
        unknown_columns = [disconnected_type() for _ in columns]
        if isinstance(cotangents[0].type, DisconnectedType):
            return [disconnected_type(), disconnected_type(), *unknown_columns]
        found = FixedPointVJP(self)(parameter, outputs[0], outputs[1], *columns, cotangents[0], return_list=True)
        return [*found, *unknown_columns]


class FixedPointVJP(KernelOp):
    """Cotangents of the inputs of a `FixedPoint` by the implicit function theorem.

    Parameters
    ----------
    solver : FixedPoint
        The forward operation.

    Notes
    -----
    Inputs: parameters, states and Jacobian that were found, columns, cotangents of the states. Outputs: cotangents of parameters and of the
    states that the search started from, zero for those that were sought.
    """

    __props__ = ("solver",)

    def __init__(self, solver: FixedPoint) -> None:
        self.solver = solver

    def kernel(self) -> Kernel:
        """Return the kernel."""
        return cotangent_kernel(self.solver.program, self.solver.free)

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to symbolic inputs."""
        given = [pt.as_tensor(v, dtype="float64") for v in inputs]
        return Apply(self, given, [pt.tensor(dtype="float64", shape=v.type.shape) for v in given[:2]])


def is_affine(program: Program | NestedProgram) -> bool:
    """Whether a cycle is an affine map of the states: no derivative of the step depends on a state.

    Parameters
    ----------
    program : Program or NestedProgram
        The program.

    Returns
    -------
    bool
        False for nested steps, which are not examined.
    """
    if isinstance(program, NestedProgram):
        return False
    state, outputs = program.step.body.inputs["state"], program.step.body.outputs[: program.step.n_state]
    bars = symbols("a", len(outputs))
    graph = Graph(program.step.body.inputs | {"bar": bars}, cotangents(outputs, bars, state))
    code = listing(graph)
    used = {a for i in code.instructions for a in i.arguments} | set(code.outputs)
    return used.isdisjoint(code.inputs["state"])


def solver_kernel(program: Program | NestedProgram, free: Sequence[int], floor: Sequence[float], method: str, tolerance: float) -> Kernel:
    """Kernel that finds the fixed points of all members.

    Parameters
    ----------
    program : Program or NestedProgram
        Model without fluxes.
    free : sequence of int
        Rows of the states that are sought.
    floor : sequence of float
        Amount of each that counts as nothing.
    method : str
        One of `LIMITS`.
    tolerance : float
        Relative.

    Returns
    -------
    Kernel
        ``fixed_point(parameter, start, *columns) -> (states, jacobian (k, k, members), cycles (members,))``.
    """
    k, names = len(free), _COLUMNS[: program.n_columns]
    s = Source()
    if method == "brute":
        inner = _plain(leaps.repeat, slopes=_slopes(program, free), once=_once(program))
    else:
        inner = _plain(
            leaps.search, slopes=_slopes(program, free), leap=_plain(leaps.leap, times=_plain(leaps.times), squared=_plain(leaps.squared))
        )
    s.include("search", inner)
    settings = f"free, floor, {tolerance!r}, {LIMITS[method]}, {method == 'linear'}"
    s.add(
        f"def fixed_point(parameter, start, {', '.join(names)}):",
        "    members = parameter.shape[1]",
        "    states = start.copy()",
        f"    jacobian = np.empty(({k}, {k}, members))",
        "    cycles = np.empty(members)",
        f"    free = np.array({list(free)}, dtype=np.int64)",
        f"    floor = np.array({[float(f) for f in floor]!r})",
        "    for b in range(members):",
        "        p = np.ascontiguousarray(parameter[:, b:b + 1])",
        "        x = np.ascontiguousarray(start[:, b:b + 1])",
        *(
            f"        own_{c} = np.ascontiguousarray({c}[:, :, b:b + 1]) if {c}.shape[2] > 1 else np.ascontiguousarray({c}[:, :, 0:1])"
            for c in names
        ),
        f"        pools, slope, ran = search(p, x, ({', '.join(f'own_{c}' for c in names)},), {settings})",
        f"        for i in range({k}):",
        "            states[free[i], b] = pools[i]",
        "        jacobian[:, :, b] = slope",
        "        cycles[b] = ran",
        "    return (states, jacobian, cycles)",
    )
    return s.kernel("fixed_point")


def cotangent_kernel(program: Program | NestedProgram, free: Sequence[int]) -> Kernel:
    """Kernel of the cotangents: one linear system, one run and one adjoint run of a cycle.

    Parameters
    ----------
    program : Program or NestedProgram
        Model without fluxes.
    free : sequence of int
        Rows of the states that were sought.

    Returns
    -------
    Kernel
        ``fixed_point_vjp(parameter, states, jacobian, *columns, states_bar) -> (parameter_bar, start_bar)``.
    """
    names = ", ".join(_COLUMNS[: program.n_columns])
    flags = {"flux_bar": False, "state_bar": True, "column_bar": False}
    s = Source()
    s.include("summed", _plain(leaps.summed, times=_plain(leaps.times), squared=_plain(leaps.squared)))
    if isinstance(program, NestedProgram):
        s.include("run", nested.forward(program))
        s.include("back", nested.adjoint(program, **flags))
    else:
        s.include("run", entries.forward(program, 0))
        s.include("back", entries.adjoint(program, 0, 1, **flags))
    s.add(
        f"def fixed_point_vjp(parameter, states, jacobian, {names}, states_bar):",
        f"    history = run(parameter, states, {names})[0]",
        "    seed = np.zeros(history.shape)",
        "    last = history.shape[1] - 1",
        f"    free = np.array({list(free)}, dtype=np.int64)",
        "    for b in range(parameter.shape[1]):",
        "        given = np.empty(free.size)",
        "        for i in range(free.size):",
        "            given[i] = states_bar[free[i], b]",
        "        found = summed(np.ascontiguousarray(jacobian[:, :, b].T), given)",
        "        for i in range(free.size):",
        "            seed[free[i], last, b] = found[i]",
        f"    parameter_bar, start_bar = back(parameter, {names}, history, seed)",
        "    start_bar = start_bar + states_bar",
        "    for i in range(free.size):",
        "        start_bar[free[i], :] = 0.0",
        "    return (parameter_bar, start_bar)",
    )
    return s.kernel("fixed_point_vjp")


def _once(program: Program | NestedProgram) -> Kernel:
    """One member through one cycle: ``once(parameter, states, columns) -> states``."""
    s = Source()
    if isinstance(program, NestedProgram):
        s.include("run", nested.forward(program))
        call = "    found = run(parameter, states, columns[0], columns[1])[0]"
        s.add("def once(parameter, states, columns):", call, "    return found[:, found.shape[1] - 1, :].copy()")
    else:
        s.include("run", program.forward(0, 0))
        s.add("def once(parameter, states, columns):", "    return run(parameter, states, columns[0], columns[0].shape[1], 1)[0]")
    return s.kernel("once")


def _slopes(program: Program | NestedProgram, free: Sequence[int]) -> Kernel:
    """One member through one cycle with its derivatives, directions in lanes: ``slopes(...) -> (states (n,), jacobian (k, k))``."""
    k = len(free)
    s = Source()
    s.add(
        "def slopes(parameter, states, columns):",
        "    n = states.shape[0]",
        f"    free = np.array({list(free)}, dtype=np.int64)",
        f"    p = np.empty((parameter.shape[0], {k}))",
        f"    both = np.zeros((2 * n, {k}))",
        f"    jacobian = np.empty(({k}, {k}))",
        f"    for j in range({k}):",
        "        p[:, j] = parameter[:, 0]",
        "        both[:n, j] = states[:, 0]",
        "        both[n + free[j], j] = 1.0",
    )
    if isinstance(program, NestedProgram):
        s.include("run", nested.forward(program))
        s.include("tangent", nested.tangent(program, column_dot=False))
        s.add(
            "    history = run(parameter, states, columns[0], columns[1])[0]",
            "    end = history[:, history.shape[1] - 1, 0].copy()",
            "    dots = tangent(p, both[:n].copy(), columns[0], columns[1], np.zeros(p.shape), both[n:].copy())[0]",
            f"    for i in range({k}):",
            f"        for j in range({k}):",
            "            jacobian[i, j] = dots[free[i], dots.shape[1] - 1, j]",
        )
    else:
        lanes = lanes_for(k)
        r = _state_tangent(program)
        s.include("tangent", lane_kernel(r, lanes) if lanes else scalar_kernel(r))
        s.add(
            f"    last = tangent(p, both, columns[0], columns[0].shape[1], {k})[0]",
            "    end = last[:n, 0].copy()",
            f"    for i in range({k}):",
            f"        for j in range({k}):",
            "            jacobian[i, j] = last[n + free[i], j]",
        )
    s.add("    return end, jacobian")
    return s.kernel("slopes")


def _state_tangent(program: Program) -> Recurrence:
    """Tangent to the initial states alone: without tangents of parameters it costs about half."""
    step = program.step
    state, n = step.body.inputs["state"], step.n_state
    x = symbols("dx", n)
    dots = tangents(step.body.outputs[:n], state, x)
    roles = step.body.inputs | {"state": [*state, *x]}
    return Recurrence("tangent", step.constants, Graph(roles, [*step.body.outputs[:n], *dots]), 0, keep=0)


@cache
def _plain(function: Callable[..., Any], **uses: Kernel) -> Kernel:
    """Make a kernel of a function of `leaps`."""
    s = Source()
    for name, used in uses.items():
        s.include(name, used)
    s.add(*inspect.getsource(function).splitlines())
    return s.kernel(function.__name__)
