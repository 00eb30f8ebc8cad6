"""Speed of DALEC-CDEA: forward, gradient, lanes, and ratios to simpler ways to derive the same from the same step.

Usage: python benchmarks/speed.py [--days 3653] [--repeats 40] [--no-scan]

Everything is measured in one run, each figure as the minimum over repeats, because other work on the machine only ever adds time.
Writes speed.json and speed.md beside this file. Compare ratios, not nanoseconds, between machines.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import toposort
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key
from pytensor.scalar.basic import Composite, constant, get_scalar_type
from pytensor.tensor.basic import ScalarFromTensor, TensorFromScalar

from lsm_bayes.land import get
from lsm_bayes.lanes import lanes_for
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.programs import program
from lsm_bayes.trajectory import Trajectory

MODEL = get("dalec_cdea")
STREAMS = ("nee", "lai")  # what a calibration asks for
CONSTANT = {"step_length": 1.0, "burned_area": 0.0}
C_ORIGINAL = 268.0  # ns per step, gcc 12 -O2, same class of machine


def best(run: Callable[[], Any], repeats: int) -> float:
    """Shortest of many runs, in seconds."""
    run()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def names(prefix: str, n: int) -> list[str]:
    """Return numbered names."""
    return [f"{prefix}{i}" for i in range(n)]


def one_composite(inputs: list[Any], outputs: list[Any]) -> Any:
    """Lower a graph of 0-d tensors to one scalar Composite, compiled by PyTensor's own Numba dispatch."""
    real = get_scalar_type("float64")
    graph = rewrite_graph(FunctionGraph(inputs, outputs, clone=True), include=("canonicalize", "stabilize", "specialize"))
    scalars = {v: real(name=v.name) for v in graph.inputs}

    def scalar(v: Any) -> Any:
        if v not in scalars:
            scalars[v] = constant(np.asarray(v.data).item(), dtype=v.dtype)
        return scalars[v]

    for node in toposort(graph.outputs, blockers=graph.inputs):
        arguments = [scalar(v) for v in node.inputs]
        if isinstance(node.op, ScalarFromTensor | TensorFromScalar):
            scalars[node.outputs[0]] = arguments[0]
        else:
            scalars.update(zip(node.outputs, node.op.scalar_op.make_node(*arguments).outputs, strict=True))
    composite = Composite([scalar(v) for v in graph.inputs], [scalar(v) for v in graph.outputs])
    return numba_funcify_and_cache_key(composite, node=composite.make_node(*[real() for _ in composite.inputs]))[0]


def prototype(forcing_names: list[str]) -> tuple[Any, Any]:
    """Forward and adjoint in the form of the prototype: the whole step as one Composite, in a scalar loop over time."""
    n_x, n_f, n_p = len(MODEL.state._fields), len(forcing_names), len(MODEL.parameters._fields)  # type: ignore[attr-defined]
    x, f, p = ([pt.dscalar(n) for n in names(s, k)] for s, k in (("x", n_x), ("f", n_f), ("p", n_p)))
    given = dict(zip(forcing_names, f, strict=True)) | {n: pt.constant(v) for n, v in CONSTANT.items()}
    following, fluxes = MODEL.step(MODEL.state(*x), MODEL.forcing(**given), MODEL.parameters(*p))
    outputs = [pt.as_tensor(v) for v in (*following, *(getattr(fluxes, s) for s in STREAMS))]
    n_y = len(STREAMS)
    bars = [pt.dscalar(n) for n in names("b", n_x + n_y)]
    back = pytensor.grad(sum(b * o for b, o in zip(bars, outputs, strict=True)), [*x, *p], disconnected_inputs="ignore")
    xs, ps, ys, bs, gs = names("x", n_x), names("p", n_p), names("y", n_y), names("b", n_x), names("g", n_p)
    unpack = "".join(f"    {n} = p[{i}]\n" for i, n in enumerate(ps))
    now = ", ".join(f"f[t, {i}]" for i in range(n_f))
    forward = (
        f"def forward(p, initial, f):\n    n = f.shape[0]\n    X = np.empty((n + 1, {n_x})); Y = np.empty((n, {n_y}))\n{unpack}"
        + "".join(f"    {n} = initial[{i}]; X[0, {i}] = {n}\n" for i, n in enumerate(xs))
        + f"    for t in range(n):\n        {', '.join([*xs, *ys])} = step({', '.join(xs)}, {now}, {', '.join(ps)})\n"
        + "".join(f"        X[t + 1, {i}] = {n}\n" for i, n in enumerate(xs))
        + "".join(f"        Y[t, {i}] = {n}\n" for i, n in enumerate(ys))
        + "    return X, Y\n"
    )
    adjoint = (
        f"def adjoint(p, f, X, Y_bar):\n    n = f.shape[0]\n{unpack}"
        + "".join(f"    {n} = 0.0\n" for n in [*bs, *gs])
        + f"    for t in range(n - 1, -1, -1):\n        {', '.join([*bs, *(f'd{n}' for n in gs)])} = step("
        + ", ".join([*(f"X[t, {i}]" for i in range(n_x)), now, *ps, *bs, *(f"Y_bar[t, {i}]" for i in range(n_y))])
        + ")\n"
        + "".join(f"        {n} += d{n}\n" for n in gs)
        + f"    return np.array([{', '.join(gs)}]), np.array([{', '.join(bs)}])\n"
    )
    kernels = []
    for name, source, step in (
        ("forward", forward, one_composite([*x, *f, *p], outputs)),
        ("adjoint", adjoint, one_composite([*x, *f, *p, *bars], back)),
    ):
        scope = {"np": np, "step": step}
        exec(source, scope)
        kernels.append(numba.njit(scope[name]))
    return tuple(kernels)


def scan_gradient(forcing: dict[str, np.ndarray], names_: list[str]) -> Any:
    """Value and gradient of the same sum with `pytensor.scan`."""
    n_x = len(MODEL.state._fields)  # type: ignore[attr-defined]
    p, x, w = pt.dvector(), pt.dvector(), pt.dmatrix()
    numbers = [p[i] for i in range(len(MODEL.parameters._fields))]  # type: ignore[attr-defined]

    def one(*a: Any) -> list[Any]:
        f, now, q = a[: len(names_)], a[len(names_) : len(names_) + n_x], a[len(names_) + n_x :]
        given = dict(zip(names_, f, strict=True)) | {n: pt.constant(v) for n, v in CONSTANT.items()}
        following, fluxes = MODEL.step(MODEL.state(*now), MODEL.forcing(**given), MODEL.parameters(*q))
        return [pt.as_tensor(v) for v in (*following, *(getattr(fluxes, s) for s in STREAMS))]

    start = [x[i] for i in range(n_x)]
    made = pytensor.scan(
        one,
        sequences=[pt.as_tensor(forcing[n]) for n in names_],
        outputs_info=[*start, *([None] * len(STREAMS))],
        non_sequences=numbers,
        return_updates=False,
    )
    loss = sum((v * w[i]).sum() for i, v in enumerate(made[n_x:]))
    return pytensor.function([p, x, w], [loss, *pytensor.grad(loss, [p, x])], mode="NUMBA", trust_input=True)


def kernels(lanes: int) -> tuple[Any, Any]:
    """Forward, and value with gradient, as a calibration runs them."""
    derived = program(MODEL, STREAMS, (), tuple(sorted(CONSTANT.items())))
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    w = pt.dtensor3()
    fluxes = Trajectory(derived, lanes=lanes)(*inputs)[1]
    loss = (fluxes * w).sum()
    forward = pytensor.function(inputs, fluxes, mode="NUMBA", trust_input=True)
    return forward, pytensor.function([*inputs, w], [loss, *pytensor.grad(loss, inputs[:2])], mode="NUMBA", trust_input=True)


def measure(days: int, repeats: int, with_scan: bool) -> dict[str, float]:
    """Run everything once."""
    rng = np.random.default_rng(0)
    derived = program(MODEL, STREAMS, (), tuple(sorted(CONSTANT.items())))
    forcing = plausible_weather(derived.forcing_names, np.arange(days) + 0.5, 1.0, rng)
    column = derived.columns(forcing)
    p = np.array([[d] for _, d in MODEL.parameter_table.values()])
    everything = MODEL.state_parameters
    full = np.array([everything[n][1] for n in everything])
    x = np.array([[everything[n][1]] for n in derived.state_names])
    w = rng.normal(size=(len(STREAMS), days, 1))
    found: dict[str, float] = {}

    start = time.perf_counter()
    forward, both = kernels(lanes=0)
    value = both(p, x, column, w)
    found["compile: forward and gradient, s (cold only without a cache)"] = time.perf_counter() - start
    ns = 1e9 / days
    found["one site: forward, ns per step"] = ns * best(lambda: forward(p, x, column), repeats)
    found["one site: value and gradient, ns per step"] = ns * best(lambda: both(p, x, column, w), repeats)

    old_forward, old_adjoint = prototype(derived.forcing_names)
    table = np.ascontiguousarray(np.stack([forcing[n] for n in derived.forcing_names], axis=1))
    weights = np.ascontiguousarray(w[:, :, 0].T)
    states, fluxes = old_forward(p[:, 0].copy(), full, table)
    np.testing.assert_allclose((fluxes * weights).sum(), value[0], rtol=1e-9)
    np.testing.assert_allclose(old_adjoint(p[:, 0].copy(), table, states, weights)[0], value[1][:, 0], rtol=1e-7)
    found["prototype: forward, ns per step"] = ns * best(lambda: old_forward(p[:, 0], full, table), repeats)
    found["prototype: adjoint, ns per step"] = ns * best(lambda: old_adjoint(p[:, 0], table, states, weights), repeats)

    for members in (8, 16, 64):
        lane_forward, lane_both = kernels(lanes_for(members))
        many = np.ascontiguousarray(p * rng.uniform(0.97, 1.03, (p.shape[0], members)))
        pools, wide = np.repeat(x, members, axis=1), np.repeat(w, members, axis=2)
        arguments = (many, pools, column)
        name, each = f"{members} members in lanes", ns / members
        found[f"{name}: forward, ns per site-step"] = each * best(partial(lane_forward, *arguments), max(5, repeats // 2))
        found[f"{name}: value and gradient, ns per site-step"] = each * best(partial(lane_both, *arguments, wide), max(5, repeats // 2))
    if with_scan:
        start = time.perf_counter()
        by_scan = scan_gradient(forcing, derived.forcing_names)
        flat = (p[:, 0].copy(), full, np.ascontiguousarray(w[:, :, 0]))
        got = by_scan(*flat)
        found["scan: compile, s (cold only without a cache)"] = time.perf_counter() - start
        np.testing.assert_allclose(got[1], value[1][:, 0], rtol=1e-7)
        found["scan: value and gradient, ns per step"] = ns * best(lambda: by_scan(*flat), max(3, repeats // 8))
    return found


def ratios(found: dict[str, float]) -> dict[str, float]:
    """Return what can be compared between machines."""
    one, both = found["one site: forward, ns per step"], found["one site: value and gradient, ns per step"]
    made = {
        "forward: prototype / this": found["prototype: forward, ns per step"] / one,
        "forward: C original (its own measurement, 268 ns) / this": C_ORIGINAL / one,
        "value and gradient: prototype (forward + adjoint) / this": (
            found["prototype: forward, ns per step"] + found["prototype: adjoint, ns per step"]
        )
        / both,
        "value and gradient / forward, one site": both / one,
        "forward: one site / 64 members in lanes": one / found["64 members in lanes: forward, ns per site-step"],
    }
    if "scan: value and gradient, ns per step" in found:
        made["value and gradient: scan / this"] = found["scan: value and gradient, ns per step"] / both
    return made


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=3653)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--no-scan", action="store_true", help="leave out pytensor.scan, which takes a minute to compile")
    options = parser.parse_args()
    figures = measure(options.days, options.repeats, not options.no_scan)
    result = {
        "figures": figures,
        "ratios": ratios(figures),
        "settings": {
            "days": options.days,
            "repeats": options.repeats,
            "streams": STREAMS,
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "pytensor": pytensor.__version__,
            "numpy": np.__version__,
        },
    }
    lines = ["| what | measured |", "|---|---|", *(f"| {k} | {v:.3g} |" for part in ("figures", "ratios") for k, v in result[part].items())]  # type: ignore[attr-defined]
    text = "\n".join(lines) + "\n"
    print(text)
    here = Path(__file__).parent
    (here / "speed.json").write_text(json.dumps(result, indent=1) + "\n")
    (here / "speed.md").write_text(f"DALEC-CDEA, {options.days} daily steps, minimum of {options.repeats} runs, one core.\n\n{text}")


if __name__ == "__main__":
    main()
