"""Periodic equilibrium of a process model under cycled forcing: the pools that a cycle returns to where they were.

A cycle maps the pools at its start to those at its end. Its fixed point is sought with the derivative of that map: in one cycle where the
map is affine (the matrix approach), else by Newton's method in a few. The gradient is that of the implicit function theorem: it costs one
linear system and one adjoint cycle, however long a spin-up would take.
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.basic import Variable
from scipy import optimize

from lsm_bayes.declare import ProcessModel
from lsm_bayes.fixed_point import TOLERANCE, FixedPoint, is_affine
from lsm_bayes.forcing import Forcing, forcing_arrays, merged
from lsm_bayes.nested import NestedProgram, nested_program
from lsm_bayes.programs import Program, program
from lsm_bayes.simulation import numeric_inputs
from lsm_bayes.trajectory import Trajectory, columns_of
from lsm_bayes.vocabulary import unknown

METHODS = ("auto", "linear", "newton", "anderson", "brute")


def _floor(model: ProcessModel, names: Sequence[str]) -> tuple[float, ...]:
    found = []
    for n in names:
        declared, default = model.state_parameters[n]
        found.append(1e-6 * abs(default) + 1e-9 * (declared.bounds[1] - declared.bounds[0]))
    return tuple(found)


@cache
def _derived(model: ProcessModel, pools: tuple[str, ...], folded: tuple[tuple[str, float], ...]) -> tuple[Any, tuple[str, ...]]:
    if model.nested is not None:
        return nested_program(model, (), (), folded), tuple(model.state_parameters)
    made = program(model, (), pools, folded)
    return made, made.state_names


def held_states(model: ProcessModel, held: Sequence[str] | None) -> tuple[str, ...]:
    """States that are not sought.

    Parameters
    ----------
    model : ProcessModel
        The model.
    held : sequence of str or None
        The user's choice; None for what the model declares.

    Returns
    -------
    tuple of str
        Names.

    Raises
    ------
    KeyError
        For a name that is no state.
    """
    chosen = (model.equilibrium.held if model.equilibrium else ()) if held is None else tuple(held)
    for n in chosen:
        if n not in model.state_parameters:
            raise KeyError(f"{model.name}: {unknown('state to hold', n, model.state_parameters)}")
    return chosen


def solver_of(
    model: ProcessModel,
    folded: tuple[tuple[str, float], ...],
    pools: Sequence[str] | None = None,
    *,
    method: str = "auto",
    held: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[FixedPoint, tuple[str, ...]]:
    """Return the operation for a choice of pools.

    Parameters
    ----------
    model : ProcessModel
        The model.
    folded : tuple of (str, float)
        Forcing that is a constant of the kernel.
    pools, method, held, tolerance
        As in `periodic_equilibrium`.

    Returns
    -------
    FixedPoint and tuple of str
        The operation, and the names of its rows of states.

    Raises
    ------
    KeyError
        For names that are no states.
    ValueError
        For an unknown method, or ``"linear"`` where a cycle is not affine.
    """
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    apart = held_states(model, held)
    wanted = tuple(model.state_parameters) if pools is None else tuple(pools)
    for n in wanted:
        if n not in model.state_parameters:
            raise KeyError(f"{model.name}: {unknown('state', n, model.state_parameters)}")
    derived, rows = _derived(model, tuple(n for n in model.state_parameters if n in wanted), folded)
    free = tuple(i for i, n in enumerate(rows) if n not in apart)
    if not free:
        raise ValueError(f"{model.name}: every state is held; there is nothing to solve for")
    affine = is_affine(derived)
    if method == "linear" and not affine:
        raise ValueError(f"a cycle of {model.name} is not affine in {', '.join(rows[i] for i in free)}; use method='newton'")
    chosen = ("linear" if affine else "newton") if method in ("auto", "anderson") else method
    return FixedPoint(derived, free, _floor(model, [rows[i] for i in free]), chosen, tolerance), rows


def symbolic_equilibrium(
    model: ProcessModel,
    forcing: Forcing | Mapping[str, Any],
    parameters: Mapping[str, Any] | Any,
    pools: Sequence[str] | None = None,
    *,
    members: int | None = None,
    method: str = "auto",
    held: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> dict[str, Any]:
    """Build the periodic equilibrium as a PyTensor expression.

    Parameters
    ----------
    model : ProcessModel
        The model.
    forcing : Forcing or mapping
        One cycle, as in `lsm_bayes.simulation.symbolic_run`.
    parameters : mapping or callable
        As in `lsm_bayes.simulation.symbolic_run`; the initial states are where the search starts.
    pools, method, held, tolerance
        As in `periodic_equilibrium`.
    members : int, optional
        Number of sites, draws or ensemble members; None for 0-d parameters.

    Returns
    -------
    dict of str to tensor
        Pools of shape (), or (members,).

    Raises
    ------
    ValueError
        For methods that run outside graphs only.
    """
    if method == "anderson":
        raise ValueError("Anderson acceleration works on numbers only; inside a graph use 'auto', 'linear', 'newton' or 'brute'")
    if isinstance(forcing, Forcing):
        varying, folded = forcing.varying, forcing.folded
    else:
        completed = model.completed(forcing) if model.derived_forcing else dict(forcing)
        folded = tuple(sorted((n, float(v)) for n, v in completed.items() if n in model.folded and isinstance(v, int | float)))
        varying = {n: v for n, v in completed.items() if n not in dict(folded)}
    operation, rows = solver_of(model, folded, pools, method=method, held=held, tolerance=tolerance)
    values = {} if callable(parameters) else merged(model, parameters)
    width = members or 1

    def matrix(names: Sequence[str]) -> Any:
        if callable(parameters):
            return parameters(names)
        found = [pt.as_tensor(values[n], dtype="float64") for n in names]
        found = [pt.alloc(r, width) if r.ndim == 0 else r for r in found]
        return pt.stack(found) if found else pt.zeros((0, width))

    states = operation(matrix(model.parameters._fields), matrix(rows), *columns_of(operation.program, varying), return_list=True)[0]  # type: ignore[attr-defined]
    chosen = [rows[i] for i in operation.free] if pools is None else pools
    return {n: states[rows.index(n), 0] if members is None else states[rows.index(n)] for n in chosen}


def periodic_equilibrium(
    model: ProcessModel,
    forcing: Any,
    parameters: Any = None,
    *,
    method: str = "auto",
    pools: Sequence[str] | None = None,
    held: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> Any:
    """Pools that cycled forcing brings back to where they were.

    Parameters
    ----------
    model : ProcessModel
        The model.
    forcing : xarray.Dataset or mapping
        One cycle, as in `lsm_bayes.simulation.simulate`: whole years, so that the end meets the start.
    parameters : mapping or xarray.Dataset, optional
        Parameters by name, as in `simulate`. Initial states among them are where the search starts: a model with several equilibria
        goes to the one that it would reach from there. Declared defaults are used for the rest.
    method : {"auto", "linear", "newton", "anderson", "brute"}
        ``"linear"``: one linear system, exact where the step is affine in the states. ``"newton"``: Newton's method in leaps of as many
        cycles as the linearised model can be trusted for. ``"anderson"``: Anderson acceleration of plain cycles, without derivatives, on
        numbers only. ``"brute"``: cycle after cycle. ``"auto"``: the first that applies; outside graphs the third where the second fails.
    pools : sequence of str, optional
        States that are wanted; default all that are sought.
    held : sequence of str, optional
        States that are not sought because nothing balances them (a count of days, a sum without decay): they start each cycle from their
        initial value. Default: what the model declares.
    tolerance : float
        Relative size of the last step of ``"linear"`` and ``"newton"``; relative change over a cycle of the other two, whose error is
        larger by the number of cycles in a turnover time.

    Returns
    -------
    xarray.Dataset or dict of str to tensor
        Numbers: states with dimensions (..., site), units in ``attrs``, and ``cycles``, the number that were run. Symbols, when any
        parameter or forcing is a PyTensor variable: (), or (members,), with the gradient of the implicit function theorem to
        parameters.

    Raises
    ------
    KeyError
        For unknown names, or missing forcing.
    ValueError
        For an unknown method, one that does not apply, or faulty forcing.

    Warns
    -----
    RuntimeWarning
        When no equilibrium is found; it is NaN then, as it is in graphs.
    """
    symbols = [v for v in (parameters or {}).values() if isinstance(v, Variable)]
    if symbols or not isinstance(forcing, xr.Dataset):
        arrays = forcing_arrays(model, forcing) if isinstance(forcing, xr.Dataset) else forcing
        members = len(arrays.sites) if isinstance(arrays, Forcing) and arrays.sites is not None else None
        wide = next((v for v in symbols if v.type.ndim == 1), None)
        if members is None and wide is not None:
            members = wide.type.shape[0]
            if members is None:
                raise ValueError(f"the length of {wide} is not known when the graph is built; use pt.specify_shape")
        return symbolic_equilibrium(model, arrays, parameters or {}, pools, members=members, method=method, held=held, tolerance=tolerance)
    arrays = forcing_arrays(model, forcing)
    operation, rows = solver_of(model, arrays.folded, pools, method=method, held=held, tolerance=tolerance)
    if isinstance(operation.program, NestedProgram):
        raise ValueError(f"{model.name} has a nested step; give symbolic parameters")
    inputs, example, dims = numeric_inputs(model, operation.program, arrays, parameters)
    pieces, failed = [], 0
    for one in inputs:
        states, cycles = _accelerated(operation, *one) if method == "anderson" else _solver(operation)(*one)
        lost = np.isnan(states).any(axis=0)
        if method == "auto" and lost.any():
            states[:, lost], cycles[lost] = _accelerated(operation, one[0][:, lost], one[1][:, lost], one[2])
            lost = np.isnan(states).any(axis=0)
        if lost.any() and not failed:
            first = int(np.flatnonzero(lost)[0])
            reason = _unsettled(operation, rows, one[0][:, [first]], one[1][:, [first]], one[2])
        failed += int(lost.sum())
        pieces.append((states, cycles))
    if failed:
        total = sum(p[1].size for p in pieces)
        warnings.warn(f"{model.name}: no periodic equilibrium found for {failed} of {total} runs. {reason}", RuntimeWarning, stacklevel=2)
    chosen = [rows[i] for i in operation.free] if pools is None else list(pools)
    sizes, sites = [example.sizes[d] for d in dims], arrays.sites

    def labelled(values: list[np.ndarray], attrs: Mapping[str, str]) -> xr.DataArray:
        shaped = [v.reshape(sizes) for v in values]
        if sites is None:
            return xr.DataArray(shaped[0], dims=dims, attrs=attrs)
        return xr.DataArray(np.stack(shaped, axis=-1), dims=[*dims, "site"], attrs=attrs)

    variables = {
        n: labelled([p[0][rows.index(n)] for p in pieces], {"units": model.state_parameters[n][0].unit, "long_name": n.replace("_", " ")})
        for n in chosen
    }
    variables["cycles"] = labelled([p[1] for p in pieces], {"units": "1", "long_name": "cycles that were run"})
    coords: dict[Any, Any] = {d: example.coords[d] for d in dims if d in example.coords} | ({"site": sites} if sites is not None else {})
    return xr.Dataset(variables, coords=coords, attrs={"process_model": model.name, "method": method})


@cache
def _solver(operation: FixedPoint) -> Any:
    inputs = [pt.dmatrix("parameter"), pt.dmatrix("start"), pt.dtensor3("column")]
    states, _, cycles = operation(*inputs, return_list=True)
    return pytensor.function(inputs, [states, cycles], mode="NUMBA")


@cache
def _cycle(derived: Program) -> Any:
    inputs = [pt.dmatrix("parameter"), pt.dmatrix("initial"), pt.dtensor3("column")]
    return pytensor.function(inputs, Trajectory(derived)(*inputs, return_list=True)[0][:, -1], mode="NUMBA")


def _accelerated(operation: FixedPoint, parameter: np.ndarray, start: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Anderson acceleration of plain cycles, one member after the other; NaN where it does not converge."""
    free, floor = list(operation.free), np.array(operation.floor)
    run, states, cycles = _cycle(operation.program), start.copy(), np.zeros(start.shape[1])
    for b in range(start.shape[1]):
        p, x = np.ascontiguousarray(parameter[:, [b]]), start[:, [b]].copy()

        for _ in range(5):  # fast pools settle, and the sizes become plausible
            x[free, 0] = run(p, x, column)[free, 0]
        scale = np.abs(x[free, 0]) + floor

        def change(scaled: np.ndarray, p: np.ndarray = p, x: np.ndarray = x, b: int = b, scale: np.ndarray = scale) -> np.ndarray:
            x[free, 0] = scaled * scale
            cycles[b] += 1
            return (run(p, x, column)[free, 0] - x[free, 0]) / scale

        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of SciPy, on systems that are nearly singular where there is no equilibrium
                found = optimize.anderson(
                    change, x[free, 0] / scale, M=2 * len(free), alpha=1.0, f_tol=operation.tolerance, maxiter=500, line_search=None
                )
        except (optimize.NoConvergence, ValueError, np.linalg.LinAlgError):
            found = np.full(len(free), np.nan)
        # Far away a change of any size is lost in rounding, and passes for none.
        states[free, b] = np.where(np.abs(found).max() < 1e6, found, np.nan) * scale
    return states, cycles


def _unsettled(operation: FixedPoint, rows: Sequence[str], parameter: np.ndarray, start: np.ndarray, column: np.ndarray) -> str:
    """Say what the first run without an equilibrium does."""
    x, cycles, before = start.copy(), 50, start
    free = list(operation.free)
    for _ in range(cycles):
        before = x.copy()
        x[free] = _cycle(operation.program)(parameter, x, column)[free]
    bad = [rows[i] for i in free if not np.isfinite(x[i, 0])]
    if bad:
        return f"The first of them leaves the domain of the model: {', '.join(bad)} is not a number after {cycles} cycles."
    change = np.abs(x - before)[free, 0] / (np.abs(x)[free, 0] + np.array(operation.floor))
    worst = int(np.argmax(change))
    return (
        f"In the first of them {rows[free[worst]]} still changes by {change[worst]:.1e} of itself in the {cycles}th cycle. "
        "Start elsewhere, or leave states that nothing balances out with held=."
    )
