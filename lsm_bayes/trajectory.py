"""Trajectory of a process model as PyTensor operations with exact derivatives, and `simulate`.

`Trajectory` maps (parameters, initial states, forcing columns) to states and fluxes; `TrajectoryVJP` and `TrajectoryJVP` are
its adjoint and tangent. All three run as generated Numba kernels (`lsm_bayes.kernels`); their cache keys hash the generated
source, so an edited step is never served from an old cache. A step that leaves its domain gives NaN from there on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from lsm_bayes import entries, nested
from lsm_bayes.kernels import FASTMATH, Kernel
from lsm_bayes.nested import NestedProgram
from lsm_bayes.programs import Program


class KernelOp(Op):
    """An operation whose work is one generated kernel."""

    def kernel(self) -> Kernel:
        """Return the kernel."""
        raise TypeError(f"{type(self).__name__} declares no kernel")

    @cache  # noqa: B019  operations live as long as their graphs
    def _python_callable(self) -> Callable[..., tuple[Any, ...]]:
        return self.kernel().compiled()

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Run outside Numba graphs."""
        for storage, value in zip(output_storage, self._python_callable()(*inputs), strict=True):
            storage[0] = value


@register_funcify_and_cache_key(KernelOp)
def _numba_kernel(op: KernelOp, node: Apply, **_: Any) -> tuple[Callable[..., Any], str]:
    kernel = op.kernel()
    function = compile_numba_function_src(kernel.text, kernel.name, {**kernel.scope})
    single = len(node.outputs) == 1
    inner = numba_njit(function, fastmath=FASTMATH, error_model="numpy", parallel=kernel.parallel)
    if not single:
        return inner, kernel.key
    # PyTensor passes the value itself, not a tuple, where there is one output.
    names = ", ".join(f"x{i}" for i in range(len(node.inputs)))
    unpacked = compile_numba_function_src(f"def only({names}):\n    return inner({names})[0]\n", "only", {"inner": inner})
    return numba_njit(unpacked), f"{kernel.key}-only"


def _tensor(*shape: int | None) -> Any:
    return pt.tensor(dtype="float64", shape=shape)


class Trajectory(KernelOp):
    """States and fluxes of a process model over a forcing series.

    Parameters
    ----------
    program : Program or NestedProgram
        Model, fluxes and folded forcing.
    lanes : int
        Members of one block of SIMD lanes (`lsm_bayes.lanes.lanes_for`); 0 for one after the other.
    keep : int
        States are returned at every ``keep``-th step and the last. More than 1 bounds memory: the adjoint then runs the
        trajectory between kept states again.
    threads : int
        Among which blocks of lanes are shared out.
    forcing_gradient : bool
        Whether gradients flow to the forcing columns.

    Notes
    -----
    Inputs: parameters (n_parameter, members), initial states (n_state, members), columns (n_column, time, members or 1)
    and, with a nested step, columns of the fast step. Outputs: states (n_state, time + 1, members), fluxes
    (n_flux, time, members) and fast fluxes.
    """

    __props__ = ("key", "lanes", "keep", "threads", "forcing_gradient")

    def __init__(
        self, program: Program | NestedProgram, *, lanes: int = 0, keep: int = 1, threads: int = 1, forcing_gradient: bool = False
    ) -> None:
        self.program = program
        self.key = program.key
        self.lanes = lanes
        self.keep = keep
        self.threads = threads
        self.forcing_gradient = forcing_gradient

    @property
    def meaning(self) -> list[tuple[list[Variable], list[Variable]]]:
        """What `key` does not tell (see `lsm_bayes.signature`)."""
        return self.program.meaning

    def kernel(self) -> Kernel:
        """Return the forward kernel."""
        if isinstance(self.program, NestedProgram):
            return nested.forward(self.program)
        return entries.forward(self.program, self.lanes, self.keep, self.threads)

    def make_node(self, parameter: Any, initial: Any, *columns: Any) -> Apply:
        """Apply to symbolic inputs."""
        inputs = [pt.as_tensor(v, dtype="float64") for v in (parameter, initial, *columns)]
        wanted = (2, 2, *([3] * len(columns)))
        got = tuple(v.type.ndim for v in inputs)
        if got != wanted or len(columns) != self.program.n_columns:
            raise TypeError(
                f"a trajectory takes parameters, initial states and {self.program.n_columns} column arrays "
                f"with {wanted} dimensions, got {got}"
            )
        members, n = inputs[0].type.shape[1], inputs[2].type.shape[1]
        states = _tensor(inputs[1].type.shape[0], None if n is None else self._kept(n), members)
        return Apply(
            self, inputs, [states, *(_tensor(k, inputs[2 + i].type.shape[1], members) for i, k in enumerate(self.program.flux_sizes))]
        )

    def _kept(self, n: Any) -> Any:
        """Count the kept states of n steps."""
        return n + 1 if self.keep == 1 else (n + self.keep - 1) // self.keep + 1

    def infer_shape(self, node: Apply, shapes: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Shapes of the outputs from those of the inputs."""
        members, n = shapes[0][1], shapes[2][1]
        return [
            (shapes[1][0], self._kept(n), members),
            *((size, shapes[2 + i][1], members) for i, size in enumerate(self.program.flux_sizes)),
        ]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Which inputs gradients flow to."""
        flags = [True, True, *([self.forcing_gradient] * (len(node.inputs) - 2))]
        return [[flag] * len(node.outputs) for flag in flags]

    def pullback(self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]) -> list[Any]:
        """Gradient by `TrajectoryVJP`."""
        parameter, _, *columns = inputs
        given = [not isinstance(c.type, DisconnectedType) for c in cotangents]
        operation = TrajectoryVJP(self, flux_bar=any(given[1:]), state_bar=given[0])
        flux_bars = (
            [c if g else pt.zeros_like(o) for c, g, o in zip(cotangents[1:], given[1:], outputs[1:], strict=True)] if any(given[1:]) else []
        )
        found = operation(parameter, *columns, outputs[0], *flux_bars, *([cotangents[0]] if given[0] else []), return_list=True)
        if not self.forcing_gradient:
            return [*found, *(disconnected_type() for _ in columns)]
        # A column shared by all members collects the cotangents of all.
        shared = [pt.switch(pt.eq(c.shape[2], 1), 1, 0) for c in columns]
        bars = [
            pt.switch(s, b.sum(axis=2, keepdims=True), b)[:, :, : c.shape[2]] for s, b, c in zip(shared, found[2:], columns, strict=True)
        ]
        return [*found[:2], *bars]

    def pushforward(self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Any]) -> list[Variable]:
        """Jacobian-vector product by `TrajectoryJVP`."""
        if self.keep != 1:
            raise ValueError(f"tangents need the states at every step; this trajectory keeps every {self.keep}th. Use keep=1.")
        parameter, initial, *columns = inputs
        missing = [t is None or isinstance(t.type, DisconnectedType) for t in tangents]
        dots = [pt.zeros_like(v) if m else t for v, t, m in zip(inputs, tangents, missing, strict=True)]
        operation = TrajectoryJVP(self, column_dot=not all(missing[2:]))
        return operation(parameter, initial, *columns, *(dots if operation.column_dot else dots[:2]), return_list=True)


class TrajectoryVJP(KernelOp):
    """Adjoint of a `Trajectory`.

    Parameters
    ----------
    trajectory : Trajectory
        The forward operation.
    flux_bar, state_bar : bool
        Which cotangents are given.

    Notes
    -----
    Inputs: parameters, columns, states as returned by the trajectory, then the given cotangents of fluxes and states. Outputs:
    cotangents of parameters, initial states and, where the trajectory asks for it, of the columns (always with the full
    number of members).
    """

    __props__ = ("trajectory", "flux_bar", "state_bar")

    def __init__(self, trajectory: Trajectory, *, flux_bar: bool, state_bar: bool) -> None:
        self.trajectory = trajectory
        self.flux_bar = flux_bar
        self.state_bar = state_bar

    def kernel(self) -> Kernel:
        """Return the adjoint kernel."""
        t = self.trajectory
        flags = {"flux_bar": self.flux_bar, "state_bar": self.state_bar, "column_bar": t.forcing_gradient}
        if isinstance(t.program, NestedProgram):
            return nested.adjoint(t.program, **flags)
        return entries.adjoint(t.program, t.lanes, t.keep, t.threads, **flags)

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to symbolic inputs."""
        n = self.trajectory.program.n_columns if self.trajectory.forcing_gradient else 0
        given = [pt.as_tensor(v, dtype="float64") for v in inputs]
        parameter, states, members = (
            given[0].type.shape[0],
            given[1 + self.trajectory.program.n_columns].type.shape[0],
            given[0].type.shape[1],
        )
        columns = [_tensor(*c.type.shape[:2], members) for c in given[1 : 1 + n]]
        return Apply(self, given, [_tensor(parameter, members), _tensor(states, members), *columns])


class TrajectoryJVP(KernelOp):
    """Tangent of a `Trajectory`.

    Parameters
    ----------
    trajectory : Trajectory
        The forward operation.
    column_dot : bool
        Whether tangents of the columns are given.

    Notes
    -----
    Inputs: those of the trajectory, then their tangents. Outputs: tangents of states and fluxes.
    """

    __props__ = ("trajectory", "column_dot")

    def __init__(self, trajectory: Trajectory, *, column_dot: bool) -> None:
        self.trajectory = trajectory
        self.column_dot = column_dot

    def kernel(self) -> Kernel:
        """Return the tangent kernel."""
        t = self.trajectory
        if isinstance(t.program, NestedProgram):
            return nested.tangent(t.program, column_dot=self.column_dot)
        return entries.tangent(t.program, t.lanes, t.threads, column_dot=self.column_dot)

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to symbolic inputs."""
        given = [pt.as_tensor(v, dtype="float64") for v in inputs]
        return Apply(self, given, [_tensor(None, None, None) for _ in range(1 + self.trajectory.program.n_flux_arrays)])


def columns_of(program: Program | NestedProgram, forcing: Mapping[str, Any]) -> tuple[Any, ...]:
    """Compute the forcing columns that a trajectory reads.

    Parameters
    ----------
    program : Program or NestedProgram
        The program.
    forcing : mapping of str to array_like or tensor
        Each of shape (time,), (members, time) or ().

    Returns
    -------
    tuple of array or tensor
        One array (n_column, time, members or 1) for each rate.
    """
    found = program.columns(forcing)
    return found if isinstance(found, tuple) else (found,)
