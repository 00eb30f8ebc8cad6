"""Speed of every land model: forward, value with gradient, one site and 16 members in lanes; compile time cold and warm.

Usage: python benchmarks/speed_models.py [--days 1461] [--repeats 20] [MODEL ...]

Each model runs in processes of its own, the first with empty caches. Figures are minima over repeats; compare ratios. Writes
speed_models.json and speed_models.md beside this file; models that are named replace their own rows only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# ns per step forward of the original codes on this class of machine, gcc or gfortran 12 -O2; measured apart.
ORIGINAL = {"dalec_cdea": 268, "dalec_811": 279, "dalec_1005": 269, "dalec_1100": 744, "sipnet": 341, "vsem": 33, "dalec_990": 14_000}
MEMBERS = 16


def measure(name: str, days: int, repeats: int) -> dict[str, float]:
    """Figures of one model, in this process."""
    import time
    from functools import partial

    import numpy as np
    import pytensor
    import pytensor.tensor as pt
    from speed import best

    from lsm_bayes.land import get
    from lsm_bayes.lanes import lanes_for
    from lsm_bayes.nested import nested_program
    from lsm_bayes.oracles import plausible_forcing
    from lsm_bayes.programs import program
    from lsm_bayes.trajectory import Trajectory, columns_of

    model, rng = get(name), np.random.default_rng(0)
    forcing: dict[str, Any] = plausible_forcing(model, days, 1.0, rng)
    folded = tuple(sorted((n, float(v[0])) for n, v in forcing.items() if n in model.folded and np.ptp(v) == 0))
    streams = tuple(n for n in model.flux_quantities if n in ("nee", "gpp", "evapotranspiration", "lai")) or tuple(model.flux_quantities)
    derived: Any = program(model, streams, (), folded) if model.nested is None else nested_program(model, streams, (), folded)
    columns = columns_of(derived, {n: v for n, v in forcing.items() if n not in dict(folded)})
    p = np.array([[d] for _, d in model.parameter_table.values()]).reshape(-1, 1)
    x = np.array([[model.state_parameters[n][1]] for n in derived.state_names]).reshape(-1, 1)
    w = rng.normal(size=(len(streams), days, 1))

    def kernels(lanes: int) -> tuple[Any, Any]:
        inputs, weights = [pt.dmatrix(), pt.dmatrix(), *(pt.dtensor3() for _ in columns)], pt.dtensor3()
        fluxes = Trajectory(derived, lanes=lanes)(*inputs)[1]
        loss = (fluxes * weights).sum()
        both = [loss, *pytensor.grad(loss, inputs[:2], disconnected_inputs="ignore")]
        settings = {"mode": "NUMBA", "trust_input": True, "on_unused_input": "ignore"}
        return pytensor.function(inputs, fluxes, **settings), pytensor.function([*inputs, weights], both, **settings)

    start = time.perf_counter()
    forward, both = kernels(0)
    forward(p, x, *columns)
    both(p, x, *columns, w)
    found = {"compile": time.perf_counter() - start}
    ns = 1e9 / days
    found["forward"] = ns * best(partial(forward, p, x, *columns), repeats)
    found["gradient"] = ns * best(partial(both, p, x, *columns, w), repeats)
    if model.nested is None:
        lane_forward, lane_both = kernels(lanes_for(MEMBERS))
        many = np.ascontiguousarray(p * rng.uniform(0.99, 1.01, (p.shape[0], MEMBERS)))
        pools, wide = np.repeat(x, MEMBERS, axis=1), np.repeat(w, MEMBERS, axis=2)
        found["forward, lanes"] = ns / MEMBERS * best(partial(lane_forward, many, pools, *columns), repeats)
        found["gradient, lanes"] = ns / MEMBERS * best(partial(lane_both, many, pools, *columns, wide), repeats)
    return found


def apart(name: str, days: int, repeats: int) -> dict[str, float]:
    """Figures of one model from a process with empty caches, then from one with full ones."""
    with tempfile.TemporaryDirectory() as caches:
        flags = ",".join(filter(None, [os.environ.get("PYTENSOR_FLAGS", ""), f"base_compiledir={caches}/pytensor"]))
        environment = os.environ | {"PYTENSOR_FLAGS": flags, "NUMBA_CACHE_DIR": f"{caches}/numba", "OMP_NUM_THREADS": "1"}
        runs = []
        for _ in range(2):
            command = [sys.executable, __file__, "--days", str(days), "--repeats", str(repeats), "--here", name]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    cold, warm = runs
    return {n: min(cold[n], warm[n]) for n in cold if n != "compile"} | {"cold": cold["compile"], "warm": warm["compile"]}


def table(rows: dict[str, dict[str, float]], days: int, repeats: int) -> str:
    """Markdown of all rows."""
    text = f"""Every land model, {days} daily steps (a nested model: with all of its substeps), minimum of 2 x {repeats} runs on one core;
made by `python benchmarks/speed_models.py`. ns per step, and per member and step in lanes of 16 members. The gradient is that of a weighted
sum of the streams, with the forward run. Compile: forward and gradient functions, s, with empty and with full caches. The original:
forward run of the authors' code, measured apart on this class of machine."""
    lines = [
        text,
        "",
        "| model | forward | with gradient | ratio | lanes: forward | with gradient | original / forward | compile cold | warm |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in sorted(rows.items()):
        lanes = [f"{r[n]:.3g}" if n in r else "–" for n in ("forward, lanes", "gradient, lanes")]
        times = f"{ORIGINAL[name] / r['forward']:.2g}" if name in ORIGINAL else "–"
        lines.append(
            f"| `{name}` | {r['forward']:.3g} | {r['gradient']:.3g} | {r['gradient'] / r['forward']:.2f} | {lanes[0]} | {lanes[1]} "
            f"| {times} | {r['cold']:.1f} | {r['warm']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=1461)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--here", action="store_true", help="measure in this process and print JSON")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.models[0], options.days, options.repeats)))
        return
    from lsm_bayes import land

    stored = HERE / "speed_models.json"
    rows = json.loads(stored.read_text()) if stored.exists() and options.models else {}
    for name in options.models or [n for n in land.available() if not n.endswith(("_original", "_litter"))]:
        rows[name] = apart(name, options.days, options.repeats)
        print(name, {k: round(v, 1) for k, v in rows[name].items()}, flush=True)
        stored.write_text(json.dumps(rows, indent=1) + "\n")
        (HERE / "speed_models.md").write_text(table(rows, options.days, options.repeats))


if __name__ == "__main__":
    main()
