"""Run a process model: with numbers in xarray, or with symbols inside a PyMC model."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, overload

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.basic import Variable

from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import Forcing, forcing_arrays, merged
from lsm_bayes.kernels import CHUNK
from lsm_bayes.lanes import lanes_for
from lsm_bayes.nested import NestedProgram, nested_program
from lsm_bayes.programs import Program, program
from lsm_bayes.trajectory import Trajectory, columns_of
from lsm_bayes.vocabulary import SUBSTEP, unknown

HISTORY_BYTES = 1 << 30  # stored states above this are thinned, and run again in the adjoint


def _chosen(model: ProcessModel, outputs: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the wanted fluxes, states and fluxes of a nested step in the order of the declaration."""
    known = [list(model.flux_quantities), list(model.state._fields), list(model.nested_flux_quantities)]  # type: ignore[attr-defined]
    if outputs is None:
        return tuple(known[0]), tuple(known[1]), tuple(known[2])
    for name in outputs:
        if not any(name in names for names in known):
            raise KeyError(f"{model.name}: {unknown('flux or state', name, [n for names in known for n in names])}")
    fluxes, states, fast = (tuple(n for n in names if n in outputs) for names in known)
    return fluxes, states, fast


def _derived(model: ProcessModel, chosen: tuple[tuple[str, ...], ...], folded: tuple[tuple[str, float], ...]) -> Program | NestedProgram:
    fluxes, states, fast = chosen
    return program(model, fluxes, states, folded) if model.nested is None else nested_program(model, fluxes, fast, folded)


def _flat(model: ProcessModel, varying: Mapping[str, Any]) -> dict[str, Any]:
    """Put the times within each step of a data set behind each other."""
    return {n: v.reshape((*v.shape[:-2], -1)) if n in model.nested_forcing and v.ndim > 1 else v for n, v in varying.items()}


def symbolic_run(
    model: ProcessModel,
    forcing: Forcing | Mapping[str, Any],
    parameters: Mapping[str, Any] | Callable[[Sequence[str]], Any],
    outputs: Sequence[str],
    *,
    members: int | None = None,
    forcing_gradient: bool = False,
    history_bytes: int = HISTORY_BYTES,
) -> dict[str, Any]:
    """Build the trajectory of a process model as a PyTensor expression.

    Parameters
    ----------
    model : ProcessModel
        The model.
    forcing : Forcing or mapping
        From `lsm_bayes.forcing.forcing_arrays`; or name to number, array or tensor of shape (time,) or (members, time). A number for a
        forcing that the model folds becomes a constant of the kernel. Derived forcing is added where it is absent.
    parameters : mapping or callable
        Parameters and initial states: numbers, arrays or tensors, 0-d or of shape (members,). Defaults are used for the rest. Or a
        function of a sequence of names that returns their values as a tensor (names, members): one operation in place of many.
    outputs : sequence of str
        Fluxes and states that are wanted; nothing else is computed.
    members : int, optional
        Number of sites, draws or ensemble members, when it is known; None for one trajectory with 0-d parameters.
    forcing_gradient : bool
        Whether gradients flow to symbolic forcing.
    history_bytes : int
        Stored states are thinned above this size unless states are among the outputs.

    Returns
    -------
    dict of str to tensor
        Fluxes of shape (time,) or (members, time), states with one more time.
    """
    folded: tuple[tuple[str, float], ...]
    if isinstance(forcing, Forcing):
        varying, folded = _flat(model, forcing.varying), forcing.folded
    else:
        forcing = model.completed(forcing) if model.derived_forcing else forcing
        fixed = {n: v for n, v in forcing.items() if n in model.folded and isinstance(v, int | float)}
        varying, folded = {n: v for n, v in forcing.items() if n not in fixed}, tuple(sorted((n, float(v)) for n, v in fixed.items()))
    values = {} if callable(parameters) else merged(model, parameters)
    fluxes, states, fast = chosen = _chosen(model, outputs)
    width = members or 1
    derived = _derived(model, chosen, folded)
    kept_states = derived.state_names

    def matrix(names: Sequence[str]) -> Any:
        if callable(parameters):
            return parameters(names)
        rows = [pt.as_tensor(values[n], dtype="float64") for n in names]
        rows = [pt.alloc(r, width) if r.ndim == 0 else r for r in rows]
        return pt.stack(rows) if rows else pt.zeros((0, width))

    columns = columns_of(derived, varying)
    operation = Trajectory(
        derived,
        lanes=lanes_for(width) if isinstance(derived, Program) else 0,
        keep=_keep(derived, columns, width, bool(states), history_bytes),
        forcing_gradient=forcing_gradient,
    )
    found = operation(matrix(model.parameters._fields), matrix(kept_states), *columns, return_list=True)  # type: ignore[attr-defined]

    def series(array: Any, i: int) -> Any:
        return array[i, :, 0] if members is None else array[i].T

    result = {name: series(found[0], list(kept_states).index(name)) for name in states}
    arrays = found[1:]
    if fluxes:
        result |= {name: series(arrays[0], i) for i, name in enumerate(fluxes)}
    result |= {name: series(arrays[1], i) for i, name in enumerate(fast)}
    return result


def _keep(derived: Any, columns: Sequence[Any], width: int, all_states: bool, limit: int) -> int:
    if not isinstance(derived, Program) or all_states or isinstance(columns[0], Variable):
        return 1
    n = columns[0].shape[1]
    if len(derived.state_names) * (n + 1) * width * 8 <= limit:
        return 1
    # The square root of the length balances kept states against the segment that is run again.
    return CHUNK * max(1, math.ceil(math.sqrt(n) / CHUNK))


@overload
def simulate(
    model: ProcessModel,
    forcing: xr.Dataset,
    parameters: Mapping[str, Any] | xr.Dataset | None = None,
    *,
    outputs: Sequence[str] | None = None,
) -> xr.Dataset: ...
@overload
def simulate(
    model: ProcessModel, forcing: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, *, outputs: Sequence[str] | None = None
) -> dict[str, Any]: ...
def simulate(model: ProcessModel, forcing: Any, parameters: Any = None, *, outputs: Sequence[str] | None = None) -> Any:
    """Run a process model.

    Parameters
    ----------
    model : ProcessModel
        The model, for instance ``lsm_bayes.land.get("dalec_cdea")``.
    forcing : xarray.Dataset or mapping
        Data set with dimensions ``time`` and optionally ``site`` and with units (see `lsm_bayes.forcing.forcing_arrays`).
    parameters : mapping or xarray.Dataset, optional
        Parameters and initial states by name: numbers, DataArrays with any dimensions (``site``, ``draw``, ``chain``, ``member``, ...),
        which are broadcast, or PyTensor variables. Declared defaults are used for the rest.
    outputs : sequence of str, optional
        Fluxes and states that are wanted; default all. What is not wanted is not computed.

    Returns
    -------
    xarray.Dataset or dict of str to tensor
        Numbers: fluxes with dimensions (..., site, time), those of a nested step (..., site, time, substep), and states with
        (..., site, instant), where ``instant`` has one more entry than ``time``; units in ``attrs``. Symbols, when any parameter or
        forcing is a PyTensor variable: 0-d parameters give series (time,), vectors of parameters give (members, time).

    Raises
    ------
    KeyError
        For unknown parameters, outputs or missing forcing.
    ValueError
        For wrong units, gaps in the forcing, or an irregular time axis.
    """
    symbols = [v for v in (parameters or {}).values() if isinstance(v, Variable)]
    if symbols or not isinstance(forcing, xr.Dataset):
        arrays = forcing_arrays(model, forcing) if isinstance(forcing, xr.Dataset) else forcing
        wide = next((v for v in symbols if v.type.ndim == 1), None)
        members = len(arrays.sites) if isinstance(arrays, Forcing) and arrays.sites is not None else None
        if members is None and wide is not None:
            members = wide.type.shape[0]
            if members is None:
                raise ValueError(
                    f"the length of {wide} is not known when the graph is built; use pt.specify_shape or a shaped PyMC variable"
                )
        chosen = outputs if outputs is not None else [*model.flux_quantities, *model.state._fields]  # type: ignore[attr-defined]
        return symbolic_run(model, arrays, parameters or {}, chosen, members=members, forcing_gradient=not isinstance(forcing, xr.Dataset))
    return _numeric(model, forcing, parameters, outputs)


def numeric_inputs(
    model: ProcessModel, derived: Program | NestedProgram, forcing: Forcing, parameters: Any
) -> tuple[list[tuple[np.ndarray, ...]], xr.DataArray, list[Any]]:
    """Arrays that a kernel takes, for each site.

    Parameters
    ----------
    model : ProcessModel
        The model.
    derived : Program or NestedProgram
        Its program.
    forcing : Forcing
        Forcing of all sites.
    parameters : mapping or xarray.Dataset, optional
        As in `simulate`.

    Returns
    -------
    list of tuple of array
        Parameters (n_parameter, members), initial states (n_state, members) and columns (n_column, time, 1), one for each rate, of each
        site.
    xarray.DataArray
        With the dimensions of all parameters.
    list
        Names of those that are members.

    Raises
    ------
    ValueError
        For arrays without named dimensions.
    """
    given = {n: v if isinstance(v, xr.DataArray) else xr.DataArray(v) for n, v in merged(model, parameters).items()}
    for name, value in given.items():
        unnamed = [d for d in value.dims if str(d).startswith("dim_")]
        if unnamed:
            raise ValueError(
                f"parameter {name!r} is an array without named dimensions; give an xarray.DataArray with dims such as ('draw',)"
            )
    broadcast = xr.broadcast(*given.values())
    dims = [d for d in broadcast[0].dims if d != "site"]
    everything = columns_of(derived, _flat(model, forcing.varying))
    sites = forcing.sites if forcing.sites is not None else [None]
    found = []
    for i, site in enumerate(sites):
        chosen = {n: (b.sel(site=site) if "site" in b.dims else b) for n, b in zip(given, broadcast, strict=True)}
        stack = {n: c.transpose(*dims).values.reshape(-1) for n, c in chosen.items()}
        members = next(iter(stack.values())).size
        matrix = np.stack([stack[n] for n in model.parameters._fields]) if model.parameters._fields else np.zeros((0, members))  # type: ignore[attr-defined]
        initial = np.stack([stack[n] for n in derived.state_names]) if derived.state_names else np.zeros((0, members))
        columns = [e[:, :, i : i + 1] if e.shape[2] > 1 else e for e in everything]
        found.append(tuple(np.ascontiguousarray(a) for a in (matrix, initial, *columns)))
    return found, broadcast[0], dims


def _numeric(model: ProcessModel, data: xr.Dataset, parameters: Any, outputs: Sequence[str] | None) -> xr.Dataset:
    forcing = forcing_arrays(model, data)
    chosen = _chosen(model, outputs)
    derived = _derived(model, chosen, forcing.folded)
    inputs, example, dims = numeric_inputs(model, derived, forcing, parameters)
    pieces = [compiled_run(derived, lanes_for(i[0].shape[1]) if isinstance(derived, Program) else 0)(*i) for i in inputs]
    return _labelled(model, derived, forcing, example, dims, chosen, pieces)


@cache
def compiled_run(derived: Program | NestedProgram, lanes: int) -> Any:
    """Compile runs of a program, once.

    Parameters
    ----------
    derived : Program or NestedProgram
        The program.
    lanes : int
        From `lsm_bayes.lanes.lanes_for`.

    Returns
    -------
    callable
        Function of the arrays of `numeric_inputs` that returns states (n_state, time + 1, members) and fluxes (n_flux, time, members).
    """
    inputs = [pt.dmatrix("parameter"), pt.dmatrix("initial"), *(pt.dtensor3("column") for _ in range(derived.n_columns))]
    return pytensor.function(inputs, Trajectory(derived, lanes=lanes)(*inputs, return_list=True), mode="NUMBA")


def _labelled(
    model: ProcessModel,
    derived: Program | NestedProgram,
    forcing: Forcing,
    example: xr.DataArray,
    dims: list[Any],
    chosen: tuple[tuple[str, ...], ...],
    pieces: list[Any],
) -> xr.Dataset:
    fluxes, states, fast = chosen
    sizes = [example.sizes[d] for d in dims]
    step = forcing.time[1] - forcing.time[0]
    instants = forcing.time.append(pd.DatetimeIndex([forcing.time[-1] + step]))
    coords: dict[Any, Any] = {d: example.coords[d] for d in dims if d in example.coords} | {"time": forcing.time}
    if states:
        coords["instant"] = ("instant", instants, {"long_name": "start of each step and end of the last"})
    if forcing.sites is not None:
        coords["site"] = forcing.sites
    table = {**model.flux_quantities, **model.nested_flux_quantities}
    variables: dict[str, Any] = {}

    def assemble(position: int, row: int, axes: tuple[str, ...], attrs: dict[str, str]) -> xr.DataArray:
        within = (model.nested.steps,) if model.nested and SUBSTEP in axes else ()
        arrays = [p[position][row].T.reshape(*sizes, -1, *within) for p in pieces]
        if forcing.sites is None:
            return xr.DataArray(arrays[0], dims=[*dims, *axes], attrs=attrs)
        return xr.DataArray(np.stack(arrays, axis=len(dims)), dims=[*dims, "site", *axes], attrs=attrs)

    for row, name in enumerate(fluxes):
        variables[name] = assemble(1, row, ("time",), table[name].attrs())
    for row, name in enumerate(fast):
        variables[name] = assemble(2, row, ("time", SUBSTEP), table[name].attrs())
    for name in states:
        declared = model.state_parameters[name][0]
        variables[name] = assemble(
            0, derived.state_names.index(name), ("instant",), {"units": declared.unit, "long_name": name.replace("_", " ")}
        )
    found = xr.Dataset(
        variables, coords=coords, attrs={"process_model": model.name, "title": model.title, "citations": "; ".join(model.citations)}
    )
    along = {"time", "instant", SUBSTEP}
    bad = [~np.isfinite(v.values).all(axis=tuple(k for k, d in enumerate(v.dims) if d in along)) for v in found.data_vars.values()]
    return found.assign_attrs(non_finite_runs=int(np.any(bad, axis=0).sum()) if bad else 0)
