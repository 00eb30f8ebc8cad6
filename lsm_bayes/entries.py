"""Complete kernels with one call signature for every kind of program: plain, checkpointed and nested.

``forward(parameter, initial, *columns) -> (states, *fluxes)``;
``adjoint(parameter, *columns, states, *given cotangents) -> (parameter_bar, initial_bar, *column_bars)``;
``tangent(parameter, initial, *columns, parameter_dot, initial_dot, *column_dots) -> (states_dot, *fluxes_dot)``.
Members are the last dimension everywhere, time the one before.
"""

from lsm_bayes.kernels import CHUNK, Kernel, Source
from lsm_bayes.programs import Program

SIZES = ("n = column.shape[1]", "members = parameter.shape[1]")


def _results(names: list[str]) -> str:
    return f"    return ({', '.join(names)},)"


def forward(program: Program, lanes: int, keep: int = 1, threads: int = 1) -> Kernel:
    """Complete forward kernel.

    Parameters
    ----------
    program : Program
        What to run.
    lanes : int
        Members of one block of SIMD lanes; 0 for one after the other.
    keep : int
        States are returned at every ``keep``-th time and at the last; a multiple of `CHUNK` or 1.
    threads : int
        Among which blocks of lanes are shared out.

    Returns
    -------
    Kernel
        ``trajectory(parameter, initial, column) -> (states, [fluxes])``.

    Raises
    ------
    ValueError
        When `keep` is no multiple of `CHUNK`.
    """
    if keep != 1 and keep % CHUNK:
        raise ValueError(f"states are kept at every step or at multiples of {CHUNK} steps, got {keep}")
    names = ["states", *(["written"] if program.fluxes else [])]
    return program.forward(lanes, keep, threads).with_signature("trajectory", ["parameter", "initial", "column"], SIZES, names)


def adjoint(program: Program, lanes: int, keep: int, threads: int = 1, *, flux_bar: bool, state_bar: bool, column_bar: bool) -> Kernel:
    """Complete adjoint kernel.

    Parameters
    ----------
    program : Program
        What to differentiate.
    lanes : int
        Members of one block of SIMD lanes; 0 for one after the other.
    keep : int
        As in `forward`; between kept states the trajectory is run again.
    threads : int
        Among which blocks of lanes are shared out.
    flux_bar, state_bar, column_bar : bool
        Which cotangents are given and whether those of the columns are returned.

    Returns
    -------
    Kernel
        ``trajectory_vjp(parameter, column, states, [flux_bar], [state_bar])``.
    """
    back = program.adjoint(lanes, flux_bar, state_bar and keep == 1, column_bar, threads)
    given = [*(["flux_bar"] if flux_bar else []), *(["state_bar"] if state_bar else [])]
    at_end = "state_bar[:, state_bar.shape[1] - 1, :].copy()" if state_bar else "np.zeros((history.shape[0], members))"
    if keep == 1:
        results = ["sums", "last", *(["written"] if column_bar else [])]
        return back.with_signature("trajectory_vjp", ["parameter", "column", "history", *given], [*SIZES, f"initial = {at_end}"], results)
    bars = ["column_bar"] if column_bar else []
    s = Source()
    s.include("back", back)
    s.include("run", program.forward(lanes, 1, threads))
    s.add(
        f"def trajectory_vjp({', '.join(['parameter', 'column', 'history', *given])}):",
        *(f"    {line}" for line in SIZES),
        f"    carried = {at_end}",
        "    total = np.zeros((parameter.shape[0], members))",
        *(["    column_bar = np.empty((column.shape[0], n, members))"] if column_bar else []),
    )
    s.add(
        f"    for segment in range((n + {keep - 1}) // {keep} - 1, -1, -1):",
        f"        start = segment * {keep}",
        f"        stop = min(n, start + {keep})",
    )
    s.add("        forcing = column[:, start:stop, :]")
    unused = ["written", "last"] if program.fluxes else ["last"]
    s.add(f"        {', '.join(['states', *unused])} = run(parameter, history[:, segment, :].copy(), forcing, stop - start, members)")
    arguments = ["parameter", "carried", "forcing", "states", *(["flux_bar[:, start:stop, :]"] if flux_bar else [])]
    targets = [*(["part_bar"] if column_bar else []), "part", "carried"]
    s.add(f"        {', '.join(targets)} = back({', '.join(arguments)}, stop - start, members)")
    s.add("        total += part", *(["        column_bar[:, start:stop, :] = part_bar"] if column_bar else []))
    s.add(*(["        carried += state_bar[:, segment, :]"] if state_bar else []))
    s.add(_results(["total", "carried", *bars]))
    return s.kernel("trajectory_vjp")


def tangent(program: Program, lanes: int, threads: int = 1, *, column_dot: bool) -> Kernel:
    """Complete tangent kernel; states are always kept at every step.

    Parameters
    ----------
    program : Program
        What to differentiate.
    lanes : int
        Members of one block of SIMD lanes; 0 for one after the other.
    threads : int
        Among which blocks of lanes are shared out.
    column_dot : bool
        Whether tangents of the columns are given.

    Returns
    -------
    Kernel
        ``trajectory_jvp(parameter, initial, column, parameter_dot, initial_dot, [column_dot])``.
    """
    s = Source()
    s.include("run", program.tangent(lanes, column_dot, threads))
    dots = ["column_dot"] if column_dot else []
    names = ["states", *(["written"] if program.fluxes else []), "last"]
    s.add(
        f"def trajectory_jvp({', '.join(['parameter', 'initial', 'column', 'parameter_dot', 'initial_dot', *dots])}):",
        "    both = np.concatenate((parameter, parameter_dot))",
        "    start = np.concatenate((initial, initial_dot))",
        f"    {', '.join(names)} = run({', '.join(['both', 'start', 'column', *dots])}, column.shape[1], parameter.shape[1])",
        "    states_dot = states[initial.shape[0]:]",
        _results(["states_dot", *(["written"] if program.fluxes else [])]),
    )
    return s.kernel("trajectory_jvp")
