"""Time from the PyMC model of the demo to its first log-density and gradient, with empty and with full caches. Writes compile_demo.md.

Usage: python benchmarks/compile_demo.py. Each figure is a process of its own with its own cache folder; the import of the packages
and the reading of the data are not counted.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = """
import sys, time
import numpy as np
from lsm_bayes import datasets
from lsm_bayes.models import get
model = get("dalec_single_site").build(datasets.load("ch-dav"))
import nutpie
from lsm_bayes.inference.compiled import compile_model
wall, processor = time.perf_counter(), time.process_time()
made = compile_model(model) if sys.argv[1] == "loops" else nutpie.compile_pymc_model(model, backend="numba", var_names=[])
value, gradient = made.logp_func(np.zeros(made.n_dim))
print(time.perf_counter() - wall, time.process_time() - processor, float(value), float(np.abs(gradient).sum()))
call = time.perf_counter()
for _ in range(300):
    made.logp_func(np.zeros(made.n_dim))
print((time.perf_counter() - call) / 300 * 1e3)
"""
NAMES = {"loops": "lsm_bayes: loops", "operations": "nutpie and PyTensor: a function for each operation"}


def run(route: str, cache: str) -> tuple[float, float, float, float, float]:
    """Wall seconds, processor seconds, log-density, sum of the absolute gradient, and milliseconds of one evaluation."""
    environment = os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={cache}", "NUMBA_CACHE_DIR": f"{cache}/numba-files"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, route], env=environment, capture_output=True, text=True, check=True)
    return tuple(float(x) for x in done.stdout.split())  # type: ignore[return-value]


def main() -> None:
    """Measure both routes."""
    lines = [
        "# From the model of the demo to its first log-density and gradient",
        "",
        "Made by `python benchmarks/compile_demo.py`: 123 parameters, 2,922 daily steps, one process for each figure.",
        "",
        "| route | caches | wall, s | processor, s | one evaluation afterwards, ms |",
        "|---|---|---|---|---|",
    ]
    values = []
    for route, name in NAMES.items():
        with tempfile.TemporaryDirectory() as cache:
            for state in ("empty", "full"):
                wall, processor, value, slope, each = run(route, cache)
                values.append((value, slope))
                lines.append(f"| {name} | {state} | {wall:.1f} | {processor:.1f} | {each:.3f} |")
                print(lines[-1], flush=True)
    spread = max(abs(v[k] / values[0][k] - 1) for v in values for k in (0, 1))
    lines += ["", f"Largest relative difference of log-density and gradient between the four: {spread:.1e}."]
    (HERE / "compile_demo.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
