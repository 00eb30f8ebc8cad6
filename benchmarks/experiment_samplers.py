"""How much more does a gradient find out than runs alone? NUTS beside DE-MC(Z) and adaptive Metropolis. Writes benchmarks/samplers.md.

VSEM twin (right model, all observations, as in Cameron et al. 2022) and DALEC-CDEA at FI-Hyy (CH-Dav without LSM_BAYES_DATA). All start at
draws around the modes. The others run on the log-density without gradient, each process model once; they are run as recommended, and
once more with what only a gradient can give: an archive of Laplace draws, and the Laplace covariance. Seconds are those of the
processor, one thread, without compiling; tuning counts. One file for each run in results/samplers, so that a stopped run goes on.
Run: python benchmarks/experiment_samplers.py [PROBLEM ...]; of problems that are not named, the page has what is done.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import xarray as xr
from lsm_bayes.models import get

from lsm_bayes import datasets
from lsm_bayes.inference import Density, Modes, find_modes, sample, save
from lsm_bayes.inference.gradient_free import sample_adaptive_metropolis, sample_de_mcz
from lsm_bayes.inference.log_density import LogDensity
from lsm_bayes.inference.store import attribute

HERE, RESULTS = Path(__file__).parent, Path("results/samplers")
LENGTHS = {"vsem": (4000, 8000, 1), "dalec": (15_000, 25_000, 20)}
"""Of the chains without gradient: steps before the first draw, steps after it, steps for each draw that is kept."""
NUTS = {"vsem": (200, 1000, 0.6), "dalec": (500, 500, 0.8)}
"""Tuning steps, draws, acceptance aimed at: few steps are cheapest where the posterior is nearly normal."""
ASKED = {"vsem": (10, 5), "dalec": (None, 50)}
TITLES = {"vsem": "VSEM twin", "dalec": "DALEC-CDEA at one site, daily NEE and leaf area"}
METHODS = {
    "nuts": "NUTS, 4 chains",
    "de_mcz": "DE-MC(Z), snooker, 3 chains, archive of 10 D prior draws",
    "de_mcz_prior": "DE-MC(Z) as the first, started at prior draws",
    "metropolis": "adaptive Metropolis, 4 chains, first covariance from the prior",
    "de_mcz_laplace": "DE-MC(Z), archive of 10 D Laplace draws",
    "metropolis_laplace": "adaptive Metropolis, first covariance of the Laplace approximation",
}


def problem(name: str) -> tuple[Any, dict[str, Any]]:
    """Model, and settings of the search for its modes."""
    if name == "vsem":
        module = get("vsem_twin")
        reference = module.reference()
        return module.build(reference.data), {"starts": 4, "start_points": reference.starts}
    real = "LSM_BAYES_DATA" in os.environ
    data = datasets.load("fluxnet-daily-water", sites=["FI-Hyy"]) if real else datasets.load("ch-dav")
    return get("dalec_single_site").build(data), {"starts": 6}


def run(name: str, method: str, density: Density, plain: LogDensity, modes: Modes) -> xr.DataTree:
    """One run of a method."""
    tune, steps, thin = LENGTHS[name]
    best = modes.laplace[0]
    settings = {"draws": steps // thin, "tune": tune, "thin": thin, "seed": 1, "initial": modes}
    if method == "nuts":
        warm, draws, accept = NUTS[name]
        return sample(density, draws, warm, chains=4, cores=1, seed=1, target_accept=accept, initial=modes, progress=False)
    if method in {"de_mcz", "de_mcz_prior"}:
        return sample_de_mcz(plain, **(settings | {"initial": modes if method == "de_mcz" else None}))
    if method == "de_mcz_laplace":
        return sample_de_mcz(plain, archive=best.draws(10 * plain.dimension, np.random.default_rng(5)), **settings)
    covariance = best.scale @ best.scale.T if method == "metropolis_laplace" else None
    return sample_adaptive_metropolis(plain, chains=4, covariance=covariance, **settings)


def measured(name: str, method: str, inputs: Callable[[], tuple[Density, LogDensity, Modes]]) -> dict[str, float]:
    """Efficiency of a run, from its file where it is done."""
    path = RESULTS / f"{name}-{method}.json"
    if not path.exists():
        density, plain, modes = inputs()
        began = time.process_time()
        tree = run(name, method, density, plain, modes)
        seconds = time.process_time() - began
        save(tree, path.with_suffix(".nc"))
        positions = tree["unconstrained"]["position"].values
        ess = [az.ess(positions[..., k]) for k in range(positions.shape[-1])]
        rhat = [az.rhat(positions[..., k]) for k in range(positions.shape[-1])]
        runs = attribute(tree, "cost")["forward_run_equivalents"]
        row = {"ess": float(np.min(ess)), "median": float(np.median(ess)), "rhat": float(np.max(rhat)), "runs": runs, "seconds": seconds}
        row |= {"dimension": plain.dimension, "highest": float(tree["sample_stats"]["lp"].max())}
        path.write_text(json.dumps(row))
        print(name, method, row, flush=True)
    return json.loads(path.read_text())


def prepared(name: str) -> Callable[[], tuple[Density, LogDensity, Modes]]:
    """Compile a model and find its modes when first asked for."""
    made: list[tuple[Density, LogDensity, Modes]] = []

    def inputs() -> tuple[Density, LogDensity, Modes]:
        if not made:
            model, search = problem(name)
            density, plain = Density(model), LogDensity(model)
            modes = find_modes(density, seed=0, store=RESULTS / name, **search)
            print(name, density.dimension, "modes", modes.table["log_posterior"].values, modes.weights.round(3), flush=True)
            # What compiles once must not count.
            run_short(density, plain, modes)
            made.append((density, plain, modes))
        return made[0]

    return inputs


def run_short(density: Density, plain: LogDensity, modes: Modes) -> None:
    """Compile all that the methods need."""
    sample(density, 10, 20, chains=1, cores=1, initial=modes, progress=False)
    sample_de_mcz(plain, 10, 0, initial=modes)


def table(name: str, rows: dict[str, dict[str, float]]) -> list[str]:
    """Lines on one problem."""
    nuts = rows["nuts"]
    first = next(iter(rows.values()))
    lines = [f"## {TITLES[name]}, {first['dimension']} unknowns", ""]
    lines += [
        "| method | forward-run equivalents | seconds | largest R-hat | smallest bulk ESS | ESS per 1000 runs | ESS/s |",
        "|---|" + "---|" * 6,
    ]
    for method, r in rows.items():
        lines.append(
            f"| {METHODS[method]} | {r['runs']:,.0f} | {r['seconds']:.0f} | {r['rhat']:.3f} | {r['ess']:.0f} | "
            f"{1000 * r['ess'] / r['runs']:.2f} | {r['ess'] / r['seconds']:.3g} |"
        )
    lines += ["", "| NUTS over | ESS per run | ESS/s |", "|---|---|---|"]
    for method, r in rows.items():
        if method != "nuts":
            per_run = (nuts["ess"] / nuts["runs"]) / (r["ess"] / r["runs"])
            lines.append(f"| {METHODS[method]} | {per_run:.1f} | {(nuts['ess'] / nuts['seconds']) / (r['ess'] / r['seconds']):.1f} |")
    per_run, per_second = ASKED[name]
    asked = f"{per_run} times the ESS per run and " if per_run else ""
    return [*lines, "", f"Asked: {asked}{per_second} times the ESS per second of the methods as recommended.", ""]


def main() -> None:
    """Run what is missing and write the page."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = ["# Samplers with and without gradients", "", "Made by `python benchmarks/experiment_samplers.py`.", ""]
    lines += [
        "Smallest bulk effective sample size over all unconstrained unknowns, of the draws after tuning; runs and processor seconds of",
        "tuning count, the search for modes, from which all start, and compiling do not. A gradient counts as four forward runs. Where",
        "R-hat is far above 1.01 the ESS is no more than a guess. DEzs of BayesianTools (R) had 6.3 per 1000 runs, 33 per second, on VSEM.",
        "The acceptance that NUTS aims at on VSEM, 0.6, is the best of six settings tried there (two metrics, three targets); with 0.8",
        "and 500 draws it had 16 per 1000 runs.",
        "",
    ]
    for name in LENGTHS:
        inputs = prepared(name)
        wanted = name in sys.argv[1:] or len(sys.argv) == 1
        # From the prior no chain without gradient finds the posterior of DALEC in the runs of this page.
        chosen = [m for m in METHODS if name == "vsem" or m != "de_mcz_prior"]
        done = [m for m in chosen if wanted or (RESULTS / f"{name}-{m}.json").exists()]
        if "nuts" in done:
            lines += table(name, {method: measured(name, method, inputs) for method in done})
        (HERE / "samplers.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
