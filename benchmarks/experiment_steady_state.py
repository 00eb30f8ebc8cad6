"""Periodic equilibrium by a solve against a plain spin-up, with its gradient (experiment E17). Writes steady_state.md.

Usage: python benchmarks/experiment_steady_state.py. Ratios are taken within one run; figures in processor time, compilation not counted.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from test_steady_state import Case

from lsm_bayes.trajectory import Trajectory

CANOPY = {"canopy_efficiency": 40.0, "f_foliage": 0.3, "leaf_mass_area": 40.0}  # which lives under the weather of the test
# Soils and wood as slow as by default; those of the test turn over in years, so that its long runs end.
MODELS: dict[str, dict[str, float]] = {"rothc": {}, "century": {}, "vsem": {}, "dalec_cdea": CANOPY, "dalec_811": CANOPY, "sipnet": {}}
CLOSE = 1e-6  # relative distance from the fixed point at which a spin-up counts as done
SPREAD = 0.1  # of the parameters of a posterior, on the logarithmic scale
DRAWS = 20


def seconds(call: Any, repeats: int) -> float:
    """Processor time of one call."""
    call()  # compiles where that is still to be done
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def spin_up(case: Case, once: Any, parameter: np.ndarray, target: np.ndarray) -> tuple[int, float]:
    """Cycles and processor seconds until all states are close to the fixed point."""
    states, free, cycles = case.start.copy(), list(case.solver.free), 0
    start = time.process_time()
    while cycles < 200_000:
        states[free] = once(parameter, states, case.column)[free]
        cycles += 1
        if cycles % 10 == 0 and np.allclose(states[free], target[free], rtol=CLOSE, atol=1e-9):
            break
    return cycles, time.process_time() - start


def measure(name: str) -> str:
    """One line of the table."""
    case = Case(name, MODELS[name])
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    operation = case.solver
    solve = pytensor.function(inputs, operation(*inputs, return_list=True)[::2], mode="NUMBA")
    once = pytensor.function(inputs, Trajectory(operation.program)(*inputs, return_list=True)[0][:, -1], mode="NUMBA")
    states = operation(*inputs, return_list=True)[0]
    gradient = pytensor.function(inputs, pt.grad(pt.log(states[operation.free[-1]]).sum(), inputs[0]), mode="NUMBA")
    rng = np.random.default_rng(5)
    drift, cycles, free = [], [], list(operation.free)
    for _ in range(DRAWS):
        parameter = case.parameter * np.exp(SPREAD * rng.normal(size=case.parameter.shape))
        found, ran = solve(parameter, case.start, case.column)
        cycles.append(float(ran[0]))
        after = once(parameter, found, case.column)
        scale = np.abs(found[free]) + np.array(operation.floor)[:, None]
        drift.append(float(np.max(np.abs(after - found)[free] / scale)))
    target = solve(case.parameter, case.start, case.column)[0]
    n, spent = spin_up(case, once, case.parameter, target)
    each = seconds(lambda: solve(case.parameter, case.start, case.column), 50)
    slope = seconds(lambda: gradient(case.parameter, case.start, case.column), 50)
    return (
        f"| {name} | {len(operation.free)} | {operation.method} | {np.mean(cycles):.1f} | {n} | {max(drift):.1e} | {each * 1e3:.2f} | "
        f"{spent * 1e3:.0f} | {spent / each:.0f} | {slope / each:.2f} |"
    )


def main() -> None:
    """Measure all models of the test."""
    lines = [
        "# Periodic equilibrium: a solve against a spin-up",
        "",
        "Made by `python benchmarks/experiment_steady_state.py`; one year of daily steps is the cycle, all parameters are the defaults but",
        "for a canopy of DALEC that lives under the made-up weather. A spin-up starts at the declared",
        f"defaults and ends when all states are within {CLOSE:g} of the fixed point; one that has to find out by itself when to stop runs",
        f"longer. Drift: largest relative change of a state over a further cycle, {DRAWS} draws with parameters",
        f"spread by {SPREAD:g} (log). A spin-up of 200,000 cycles was given up. Accuracy against long runs and of the gradient:",
        "`tests/test_steady_state.py`.",
        "",
        "| model | states | method | cycles, solve | cycles, spin-up | drift | solve, ms | spin-up, ms | ratio | with gradient / solve |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sys.argv[1:] or MODELS:
        lines.append(measure(name))
        print(lines[-1], flush=True)
        (Path(__file__).parent / "steady_state.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
