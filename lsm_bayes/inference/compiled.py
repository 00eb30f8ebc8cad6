"""Compile the log-density of a PyMC model, with its gradient, for nutpie and for calls from Python.

The first choice is one function with loops (`lsm_bayes.inference.loops`); models with an array of unknown shape are compiled
operation by operation, as nutpie does it.
"""

import ctypes
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numba
import numpy as np
import nutpie
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numba import carray, types
from numba.core.errors import NumbaError
from nutpie.compile_pymc import CompiledPyMCModel, address_as_void_pointer
from pymc.initial_point import make_initial_point_fn
from pytensor.compile.mode import Mode, get_mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import ancestors
from pytensor.link.numba.cache import compile_numba_function_src

from lsm_bayes.fixed_point import FixedPoint
from lsm_bayes.signature import signature
from lsm_bayes.trajectory import Trajectory

from . import stored
from .loops import Written, write_density
from .views import Unwritable

DOUBLES = types.CPointer(types.double)
LOGP = types.int64(types.uint64, DOUBLES, DOUBLES, DOUBLES, types.voidptr)
EXPAND = types.int64(types.uint64, types.uint64, DOUBLES, DOUBLES, types.voidptr)
# Fusion and in-place work are what the loops do themselves; the distributor takes a quarter of the time and gains nothing.
REWRITES = get_mode("NUMBA").excluding(
    "fusion", "inplace", "fuse_indexed_into_elemwise", "add_mul_fusion", "BlasOpt", "local_greedy_distributor"
)
# Constant folding needs no C compiler, and nobody reads where an intermediate was made.
_QUICK = partial(pytensor.config.change_flags, cxx="", traceback__limit=0)


def flat_graph(model: pm.Model) -> tuple[FunctionGraph, dict[str, tuple[int, ...]]]:
    """Log-density and gradient of a model as functions of one flat vector.

    Parameters
    ----------
    model : pymc.Model
        Any model whose free variables are continuous.

    Returns
    -------
    FunctionGraph and dict of str to tuple of int
        The graph, data as constants; and the shape of each value variable.
    """
    shapes = value_shapes(model)
    with _QUICK():
        return _flat_graph(*_log_density(model, shapes), shapes), shapes


def _log_density(model: pm.Model, shapes: dict[str, tuple[int, ...]]) -> tuple[Variable, list[Variable]]:
    """Log-density with data as constants, and its inputs, of known shape."""
    (logp,), inputs = _with_constants(model, [model.logp()], shapes)
    return logp, inputs


def _with_constants(model: pm.Model, graphs: list[Variable], shapes: dict[str, tuple[int, ...]]) -> tuple[list[Variable], list[Variable]]:
    """Graphs of the value variables with data as constants, and these variables, of known shape."""
    values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    fixed = {v: pt.tensor(v.name, dtype=v.dtype, shape=shapes[v.name]) for v in values}
    data = {v: pt.constant(np.array(v.get_value())) for v in ancestors(graphs) if isinstance(v, SharedVariable)}
    return clone_replace(graphs, {**fixed, **data}, rebuild_strict=False), list(fixed.values())


def flat_outputs(model: pm.Model, graphs: list[Variable]) -> tuple[Variable, list[Variable]]:
    """Write graphs of the value variables as functions of one flat vector, each process model run once.

    Parameters
    ----------
    model : pymc.Model
        Any model whose free variables are continuous.
    graphs : list of tensor
        Functions of its value variables and its data.

    Returns
    -------
    tensor and list of tensor
        The vector, shape (D,), and the functions of it.
    """
    shapes = value_shapes(model)
    with _QUICK():
        outputs, inputs = _with_constants(model, [pt.as_tensor(g, allow_xtensor_conversion=True) for g in graphs], shapes)
        graph = FunctionGraph(inputs, outputs, clone=False)
        rewrite_graph(graph, include=("canonicalize", "stabilize"))
        rewrite_graph(graph, include=("merge",))
        merge_runs(graph)
        position, replace = _slices(graph.inputs, shapes)
        return position, clone_replace(graph.outputs, replace, rebuild_strict=False)


def _slices(inputs: list[Variable], shapes: dict[str, tuple[int, ...]]) -> tuple[Variable, dict[Variable, Variable]]:
    """Make a flat vector, and of each input a slice of it."""
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes.values()]
    position = pt.tensor("position", dtype="float64", shape=(sum(sizes),))
    replace, start = {}, 0
    for v, size in zip(inputs, sizes, strict=True):
        replace[v] = position[start : start + size].reshape(shapes[v.name]).astype(v.dtype)
        start += size
    return position, replace


def value_shapes(model: pm.Model) -> dict[str, tuple[int, ...]]:
    """Shapes of the value variables of a model, by name.

    Parameters
    ----------
    model : pymc.Model
        The model.

    Returns
    -------
    dict of str to tuple of int
        From types and coordinates where these say it, for evaluating the model takes a compilation.
    """
    found: dict[str, tuple[int | None, ...]] = {}
    for rv in model.free_RVs:
        value = model.rvs_to_values[rv]
        dims = model.named_vars_to_dims.get(rv.name, ())
        coords = [model.coords.get(d) if d is not None else None for d in dims]
        plain = model.rvs_to_transforms[rv] is None and len(coords) == value.ndim
        by_dims = [len(c) if plain and c is not None else None for c in coords] if plain else [None] * value.ndim
        found[value.name] = tuple(n if n is not None else m for n, m in zip(value.type.shape, by_dims, strict=True))
    if any(n is None for shape in found.values() for n in shape):
        found = {n: np.shape(x) for n, x in model.initial_point(0).items()}
    return {n: tuple(int(k) for k in shape if k is not None) for n, shape in found.items()}


def _flat_graph(logp: Variable, inputs: list[Variable], shapes: dict[str, tuple[int, ...]], threads: int = 1) -> FunctionGraph:
    inner = FunctionGraph(inputs, [logp], clone=False)
    rewrite_graph(inner, include=("canonicalize", "stabilize"))
    rewrite_graph(inner, include=("merge",))
    merge_runs(inner)
    if threads > 1:
        _share_out(inner, threads)
    gradients = pt.grad(inner.outputs[0], inner.inputs, disconnected_inputs="ignore")
    gradient = pt.concatenate([pt.as_tensor(g, allow_xtensor_conversion=True).ravel() for g in gradients])
    position, replace = _slices(inner.inputs, shapes)
    outputs = clone_replace([inner.outputs[0], gradient], replace, rebuild_strict=False)
    graph = FunctionGraph([position], outputs, clone=False)
    REWRITES.optimizer.rewrite(graph)
    return graph


def merge_runs(graph: FunctionGraph) -> None:
    """Replace equal inputs of process model runs, and runs with equal inputs, by one, in place.

    Each term of a log-density has its own copy of the process model, rewritten in its own way, so that comparing graphs does not find
    them equal. Each copy would get an adjoint of its own. Equal inputs are known by their values at random points.

    Parameters
    ----------
    graph : FunctionGraph
        Log-density before its gradient is taken.
    """
    runs = [n for n in graph.toposort() if isinstance(n.op, Trajectory | FixedPoint)]
    rng = np.random.default_rng(0)
    stand_in = {o: o.type() for n in runs for o in n.outputs}
    varying = list(dict.fromkeys(v for n in runs for v in n.inputs if not isinstance(v, Constant)))
    inside = clone_replace(varying, stand_in, rebuild_strict=False)
    evaluate = pytensor.function([*graph.inputs, *stand_in.values()], inside, mode=Mode("py", None), on_unused_input="ignore")
    # Two points: at one, bounds may hide a difference.
    points = [[scale * rng.standard_normal(v.type.shape) for v in graph.inputs] for scale in (0.1, 0.3)]
    outputs = {n: [[rng.random(o.type.shape) for o in n.outputs] for _ in points] for n in runs}
    same: dict[Variable, Variable] = {}
    run_of: dict[Apply, Apply] = {n: n for n in runs}
    for _ in runs:  # an input may wait for the outputs of an earlier run
        found = [evaluate(*x, *(y for n in runs for y in outputs[run_of[n]][k])) for k, x in enumerate(points)]
        values = {v: [f[i] for f in found] for i, v in enumerate(varying)}
        same = {
            v: next(w for w in varying[: i + 1] if v.type == w.type and _all_equal(values[v], values[w])) for i, v in enumerate(varying)
        }
        run_of = {
            n: next(m for m in runs if m.op == n.op and [same.get(v, v) for v in m.inputs] == [same.get(v, v) for v in n.inputs])
            for n in runs
        }
    pairs = [(v, w) for v, w in same.items() if v is not w]
    pairs += [(o, p) for n, m in run_of.items() if n is not m for o, p in zip(n.outputs, m.outputs, strict=True)]
    graph.replace_all(pairs)


def _share_out(graph: FunctionGraph, threads: int) -> None:
    """Let process model runs of more than one block of lanes use several threads, in place."""
    for node in graph.toposort():
        if isinstance(op := node.op, Trajectory) and op.lanes and node.inputs[0].type.shape[1] > op.lanes:
            shared = Trajectory(op.program, lanes=op.lanes, keep=op.keep, threads=threads, forcing_gradient=op.forcing_gradient)
            graph.replace_all(list(zip(node.outputs, shared(*node.inputs, return_list=True), strict=True)))


def usable_threads(wanted: int) -> int:
    """Say how many threads a density may use here.

    Parameters
    ----------
    wanted : int
        How many are asked for.

    Returns
    -------
    int
        No more than there are cores; 1 where Numba has no threads that several chains may use at a time (its layer is "workqueue").
    """
    if wanted <= 1:
        return 1
    threads = min(wanted, numba.get_num_threads())  # starts them, too: what is loaded from the cache does not
    if numba.threading_layer() == "workqueue":
        warnings.warn("Numba finds neither OpenMP nor TBB, so the sites run in one thread; install tbb to use more", stacklevel=3)
        return 1
    return threads


def _all_equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.allclose(a, b, rtol=1e-10, atol=0.0, equal_nan=False) for a, b in zip(first, second, strict=True))


def _cfunc(written: Written) -> Any:
    # The name: Numba imports the module of a function that it loads from its cache.
    scope = {**written.scope, "__name__": __name__, "carray": carray, "address_as_void_pointer": address_as_void_pointer}
    function = compile_numba_function_src(written.text, "density", scope, cache_key=written.key)
    return numba.cfunc(LOGP, cache=written.key is not None, error_model="numpy")(function)


def _written(model: pm.Model, shapes: dict[str, tuple[int, ...]], threads: int) -> tuple[Written, Any]:
    """Text and compiled function, from an earlier process if it had the same model."""
    with _QUICK():
        logp, inputs = _log_density(model, shapes)
        known = signature([logp], inputs)
        known = f"{known}-{threads}" if known is not None and threads > 1 else known
        if known is not None and (kept := stored.load(known)) is not None:
            try:
                return kept, _cfunc(kept)
            except (NumbaError, NameError):
                pass  # Numba's cache was emptied: the text alone lacks the functions that it calls
        written = write_density(_flat_graph(logp, inputs, shapes, threads))
    function = _cfunc(written)
    if known is not None:
        stored.save(known, written)
    return written, function


def _copy(dim: Any, expanded: Any, x_: Any, out_: Any, data_: Any) -> Any:
    x, out = carray(x_, (dim,)), carray(out_, (dim,))
    for i in range(dim):  # a slice would make Numba compile its error message, two seconds
        out[i] = x[i]
    return 0


class Call:
    """The compiled function with NumPy arrays, for use from Python."""

    def __init__(self, function: Any, dimension: int, data: np.ndarray) -> None:
        self._function = function.ctypes
        self._dimension = dimension
        self._data = ctypes.c_void_p(data.ctypes.data)

    def __call__(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """Return log-density and gradient; NaN where either is not finite."""
        gradient, value = np.empty(self._dimension), np.empty(1)
        double = ctypes.POINTER(ctypes.c_double)
        code = self._function(
            self._dimension,
            position.ctypes.data_as(double),
            gradient.ctypes.data_as(double),
            value.ctypes.data_as(double),
            self._data,
        )
        return (float(value[0]), gradient) if code == 0 else (np.nan, np.full(self._dimension, np.nan))


def compile_model(model: pm.Model, threads: int = 1) -> CompiledPyMCModel:
    """Compile a model for nutpie.

    Parameters
    ----------
    model : pymc.Model
        Any model whose free variables are continuous.
    threads : int
        Among which blocks of sites are shared out, from `usable_threads`.

    Returns
    -------
    nutpie.compile_pymc.CompiledPyMCModel
        ``logp_func(position)`` gives log-density and gradient; deterministics are not part of it.
    """
    shapes = value_shapes(model)
    try:
        written, function = _written(model, shapes, threads)
    except Unwritable as reason:
        warnings.warn(f"the log-density is compiled operation by operation, which takes minutes for a calibration: {reason}", stacklevel=2)
        # An empty var_names keeps deterministics out of the sampler's loop: they are evaluated once, for the draws that are kept.
        return nutpie.compile_pymc_model(model, backend="numba", var_names=[])
    expand = numba.cfunc(EXPAND, cache=True)(_copy)
    # The arrays have to outlive the model; user_data points to them.
    data = np.array([t.ctypes.data for t in written.tables], dtype=np.uint64)
    dimension = sum(int(np.prod(s, dtype=int)) for s in shapes.values())
    names, slices, start = list(shapes), [], 0
    for shape in shapes.values():
        size = int(np.prod(shape, dtype=int))
        slices.append(slice(start, start + size))
        start += size
    return CompiledPyMCModel(
        dims={},
        _n_dim=dimension,
        _coords={},
        _shapes=dict(shapes),
        compiled_logp_func=function,
        compiled_expand_func=expand,
        initial_point_func=_initial_point(model, shapes),
        shared_data={str(k): t for k, t in enumerate(written.tables)},
        shared_var_keys={},
        user_data=data,
        n_expanded=dimension,
        shape_info=(names, slices, list(shapes.values())),
        logp_func=Call(function, dimension, data),
        expand_func=expand,
        reparameterized_names=[],
    )


def _initial_point(model: pm.Model, shapes: Iterable[str]) -> Callable[[int], np.ndarray]:
    made: list[Any] = []  # compiled when first asked for: most runs start from modes

    def point(seed: int) -> np.ndarray:
        if not made:
            made.append(make_initial_point_fn(model=model, jitter_rvs=set(model.free_RVs), return_transformed=True))
        found = made[0](seed)
        return np.concatenate([np.ravel(found[n]) for n in shapes]).astype("float64")

    return point
