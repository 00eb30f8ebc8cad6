"""Emulators of DALEC-CDEA with eight free parameters (E16, E21). Writes emulators.md.

Three years of real forcing, weekly means of NEE and leaf area with known independent errors, made by the model itself at parameters drawn
from the prior (log-normal, sd 20 % around the declared defaults; the other parameters are known). Finished pieces are kept in
results/emulators. Run: python benchmarks/experiment_emulators.py [NUMBER OF TWINS].
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
from experiment_twins import LAND, base
from scipy.stats import wasserstein_distance

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.declare import Prior
from lsm_bayes.emulation import emulated_model, fit_emulator, informed_design, join, prior_design, run_ensemble
from lsm_bayes.emulation.designs import active_positions
from lsm_bayes.emulation.extent import distance_to_runs
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, InverseProblem, sample

HERE, RESULTS = Path(__file__).parent, Path("results/emulators")
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
FREE = (
    "f_auto",
    "f_foliage",
    "leaf_lifespan",
    "root_turnover",
    "litter_mineralisation",
    "temperature_exponent",
    "canopy_efficiency",
    "leaf_mass_area",
)
SLOPED = {"components": 8}  # components of the fits with derivatives, whose cost grows with the cube of the runs times 9
ACCURACY: dict[str, tuple[str, int, bool, dict[str, Any]]] = {
    **{f"PCA + GP, {n} runs": ("gaussian_process", n, False, {}) for n in (20, 40, 75, 150)},
    **{f"PCA + GP with all derivatives, {n} runs": ("gaussian_process", n, True, SLOPED) for n in (10, 20)},
    **{f"PCA + polynomial chaos, {n} runs": ("polynomial_chaos", n, False, {}) for n in (75, 150)},
    "PCA + deep ensemble, 150 runs": ("networks", 150, False, {"members": 10}),
}
ROUNDS = 3
WAYS = {  # part of new runs over the prior, whether far runs are dropped, whether the posterior is held to the runs
    "runs near the posterior alone, held to these": (0.0, True, True),
    "all runs, a quarter of the new ones over the prior": (0.25, False, False),
}
SAMPLING = {"draws": 500, "tune": 300, "chains": 2, "cores": 1, "progress": False, "target_accept": 0.9}


def problem_of() -> InverseProblem:
    """Build the model; what it observes is put in the place of the real data by `observe`."""
    defaults = {n: d for n, (_, d) in LAND.calibrated.items()}
    model = build_model(
        LAND,
        base(),
        [Stream("nee", "week", STATED), Stream("lai", "day", STATED)],
        fixed={n: v for n, v in defaults.items() if n not in FREE},
        priors={n: Prior("log_normal", defaults[n], 0.2) for n in FREE},
    )
    return InverseProblem(model)


def piece(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a finished piece, or make it."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        began = time.perf_counter()
        path.write_text(json.dumps(make()))
        print(name, f"{time.perf_counter() - began:.0f} s", path.read_text()[:300], flush=True)
    return json.loads(path.read_text())


def runs_of(problem: InverseProblem, number: int, sloped: bool, seed: int = 1) -> Any:
    """Run a Latin hypercube."""
    directions = np.eye(problem.size) if sloped else None
    return run_ensemble(problem, prior_design(problem, number, seed=seed), directions=directions, store=RESULTS)


def accuracy(problem: InverseProblem, label: str, seed: int) -> dict[str, Any]:
    """Fit one emulator and judge it by 200 other runs."""
    kind, number, sloped, choices = ACCURACY[label]
    ensemble = runs_of(problem, number, sloped, seed)
    other = run_ensemble(problem, prior_design(problem, 200, kind="sobol", seed=99), store=RESULTS)
    began = time.perf_counter()
    emulator = fit_emulator(ensemble, kind, **choices)
    seconds = time.perf_counter() - began
    v = emulator.validated(other).validation
    return {
        "r2": v.r2,
        "coverage": v.coverage,
        "component_error": v.component_error,
        "sd": v.sd_in_errors,
        "left_out_r2": emulator.validation.r2,
        "left_out_coverage": emulator.validation.coverage,
        "equivalents": ensemble.forward_run_equivalents,
        "components": len(emulator.components.kept),
        "seconds": seconds,
    }


def observe(problem: InverseProblem, number: int) -> np.ndarray:
    """Put observations of a twin into the problem; return its truth."""
    rng = np.random.default_rng([21, number])
    truth = np.clip(rng.standard_normal(problem.size), -1.8, 1.8)
    problem.observed = problem.predict(truth[None])[0] + rng.standard_normal(problem.observed.size)
    return truth


def with_whitened(problem: InverseProblem) -> Density:
    """Density of the model itself with the twin's observations, which for independent errors are whitened ones times sd."""
    model = problem.model
    for rv in model.observed_RVs:
        where, old = problem.streams[rv.name], model.rvs_to_values[rv]
        unit = problem.whiten(np.ones(problem.observed.size))[where]
        new = pt.constant((problem.observed[where] / unit).reshape(old.type.shape).astype(old.dtype), name=rv.name)
        model.rvs_to_values[rv] = new
        model.values_to_rvs[new] = model.values_to_rvs.pop(old)
    return Density(model)


def exact_posterior(problem: InverseProblem) -> dict[str, Any]:
    """Sample the model itself with NUTS."""
    truth = observe(problem, 0)
    began = time.perf_counter()
    tree = sample(with_whitened(problem), seed=9, initial=np.stack([truth, 0.9 * truth]), **(SAMPLING | {"draws": 1500}))
    np.save(RESULTS / "exact.npy", tree["unconstrained"]["position"].values)
    return {"seconds": time.perf_counter() - began, "equivalents": json.loads(tree.attrs["cost"])["forward_run_equivalents"]}


def posterior(problem: InverseProblem, way: str) -> dict[str, Any]:
    """Compare NUTS on emulators with NUTS on the model: emulator over the prior, then over its own posterior."""
    observe(problem, 0)
    share, near, bounded = WAYS[way]
    exact = np.load(RESULTS / "exact.npy")[..., problem.active]
    flat = exact.reshape(-1, problem.size)
    sd = flat.std(axis=0)
    test = run_ensemble(problem, flat[::150], store=RESULTS)
    ensemble, positions, stages, made = runs_of(problem, 75, False), None, [], 75
    for stage in range(ROUNDS):
        if positions is not None:
            design = informed_design(problem, positions, 75, seed=stage, prior_share=share)
            kept = distance_to_runs(design, ensemble.x) <= 1.0 if near else np.ones(len(ensemble.x), dtype=bool)
            ensemble, made = join([ensemble.rows(kept), run_ensemble(problem, design, store=RESULTS)]), made + 75
        emulator = fit_emulator(ensemble)
        began = time.perf_counter()
        tree = sample(emulated_model(problem, emulator, accept=True, bounded=bounded), seed=stage, **SAMPLING)
        positions = active_positions(problem, tree["unconstrained"]["position"].values)
        mean, variance = emulator.predict(test.x)
        error = test.predictions - mean
        one = {
            "runs": made,
            "fitted": len(ensemble.x),
            "seconds": time.perf_counter() - began,
            "sd": float(np.sqrt(np.mean(variance))),
            "error": float(np.sqrt(np.mean(error**2))),
            "wasserstein": [wasserstein_distance(positions[:, k], flat[:, k]) / sd[k] for k in range(problem.size)],
        }
        print(way, one, flush=True)
        stages.append(one)
    halves = [wasserstein_distance(exact[0, :, k], exact[1, :, k]) / sd[k] for k in range(problem.size)]
    return {"stages": stages, "chains_of_exact": halves}


def covered(problem: InverseProblem, number: int) -> dict[str, Any]:
    """Say which 90 % intervals of a posterior from 20 runs hold the truth, with and without the emulator's variance."""
    emulator = fit_emulator(runs_of(problem, 20, False))
    truth, found = observe(problem, number), {}
    for label, variance in (("carried", True), ("left out", False)):
        model = emulated_model(problem, emulator, variance=variance, accept=True)
        tree = sample(model, seed=number, **(SAMPLING | {"draws": 300, "chains": 2}))
        draws = active_positions(problem, tree["unconstrained"]["position"].values)
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        found[label] = {"covered": [bool(v) for v in (low <= truth) & (truth <= high)], "sd": [float(v) for v in draws.std(axis=0)]}
    return found


def page(
    rows: dict[str, list[dict[str, Any]]], exact: dict[str, Any], fits: dict[str, dict[str, Any]], twins: list[dict[str, Any]], outputs: int
) -> list[str]:
    """Write the table."""
    best = next(iter(fits.values()))
    halves, last = best["chains_of_exact"], best["stages"][-1]
    lines = [
        "# Emulators of DALEC-CDEA with eight parameters (E16, E21)",
        "",
        f"Made by `python benchmarks/experiment_emulators.py {len(twins)}`: {outputs} outputs (weekly NEE, leaf area),",
        "log-normal priors of sd 20 % around the declared defaults, judged by 200 runs of a Sobol sequence.",
        "R2 and coverage over all outputs, whitened by their errors.",
        "Cost in forward runs, a tangent run counting two.",
        "",
        "| emulator | designs | cost | components | R2 | 90 % coverage | leave-one-out R2, coverage | predictive sd, in errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, found in rows.items():
        mean = {k: np.mean([f[k] for f in found]) for k in found[0]}
        lines.append(
            f"| {label} | {len(found)} | {mean['equivalents']:.0f} | {mean['components']:.0f} | {mean['r2']:.4f} | {mean['coverage']:.3f} "
            f"| {mean['left_out_r2']:.4f}, {mean['left_out_coverage']:.2f} | {mean['sd']:.2f} |"
        )
    lines += [
        "",
        "## Posterior against that of the model itself",
        "",
        "Wasserstein distance of each parameter's posterior, over its sd. The first emulator is of runs over the prior; each next",
        "one has runs over the posterior of the one before, widened by half. NUTS, 2 chains x 500 draws, and 2 x 1,500 of the model",
        f"itself, which differ from each other by {np.mean(halves):.3f} on average, {np.max(halves):.3f} at most.",
        "Error and predictive sd: at draws of the exact posterior, in errors of an observation.",
        "",
        "| way | runs made | runs fitted | mean distance | largest | emulator's error | predictive sd |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {way} | {s['runs']} | {s['fitted']} | {np.mean(s['wasserstein']):.3f} | {max(s['wasserstein']):.3f} "
            f"| {s['error']:.3f} | {s['sd']:.3f} |"
            for way, fit in fits.items()
            for s in fit["stages"]
        ),
        "",
        f"NUTS on the model itself took {exact['equivalents']} forward-run equivalents, {exact['equivalents'] / last['runs']:.0f} times",
        "the last emulator's. The bar is 0.1 sd.",
    ]
    if twins:
        lines += [
            "",
            f"## Variance of an emulator of 20 runs, {len(twins)} twins",
            "",
            "| emulator's variance | 90 % intervals that hold the truth | mean posterior sd, in prior sd |",
            "|---|---|---|",
        ]
        for label in ("carried", "left out"):
            hits = np.array([t[label]["covered"] for t in twins])
            error = hits.mean(axis=1).std(ddof=1) / np.sqrt(len(twins))
            lines.append(f"| {label} | {hits.mean():.3f} +- {error:.3f} | {np.mean([t[label]['sd'] for t in twins]):.3f} |")
    return lines


def main(twins: int) -> None:
    """Make what is not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    problem = problem_of()
    outputs = problem.observed.size
    rows: dict[str, list[dict[str, Any]]] = {}
    for label in ACCURACY:
        seeds = (1, 2, 3) if label == "PCA + GP, 20 runs" else (1,)
        rows[label] = [piece(f"{label} {s}".replace(" ", "_"), lambda label=label, s=s: accuracy(problem, label, s)) for s in seeds]
    exact = piece("exact", lambda: exact_posterior(problem_of()))
    fits = {way: piece(f"posterior {way}".replace(" ", "_"), lambda way=way: posterior(problem_of(), way)) for way in WAYS}
    found = [piece(f"twin_{k:02d}", lambda k=k: covered(problem, k)) for k in range(twins)]
    (HERE / "emulators.md").write_text("\n".join(page(rows, exact, fits, found, outputs)) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
