"""Variational methods against the exact posterior, on twins of VSEM and of DALEC-CDEA. Writes benchmarks/variational.md.

Errors are as stated and known, so that all methods have the same posterior before them: six parameters and pools of VSEM with NEE and two
pools on 2,048 days; eight parameters of DALEC-CDEA with daily NEE and leaf area every ten days, under three years of forcing of CH-Dav.
The exact posterior is NUTS, which passes its gates. Run: python benchmarks/experiment_variational.py [TWINS].
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models import get as get_model

from lsm_bayes import datasets
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, InverseProblem, find_modes, sample
from lsm_bayes.inference.variational import advi, four_d_var, global_search, pathfinder
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/variational")
DALEC = get("dalec_cdea")
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
FREE = {  # and their true values
    "f_auto": 0.45,
    "canopy_efficiency": 15.0,
    "temperature_exponent": 0.04,
    "leaf_mass_area": 80.0,
    "f_foliage": 0.1,
    "litter_mineralisation": 0.003,
    "soil_mineralisation": 3e-5,
    "foliage_carbon": 150.0,
}
DRAWS, STEPS = 4000, 8000


def vsem(twin: int) -> pm.Model:
    """VSEM with the errors that the observations were made with."""
    module = get_model("vsem_twin")
    return module.build(module.twin(twin)[0], streams=module.published_streams(stated=True))


def dalec(twin: int) -> pm.Model:
    """DALEC-CDEA with the errors that the observations were made with."""
    rng = np.random.default_rng([22, twin])
    data = datasets.load("ch-dav").sel(time=slice("2013", "2015"))
    rest = {n: default for n, (_, default) in DALEC.calibrated.items() if n not in FREE}
    run = simulate(DALEC, data, rest | FREE, outputs=["nee", "lai"])
    nee, lai = (np.asarray(run[n].values).reshape(-1, np.asarray(run[n].values).shape[-1])[0] for n in ("nee", "lai"))
    time_steps = data.sizes["time"]
    nee, lai = nee[:time_steps], lai[:time_steps]
    sds = {"nee": 0.3 + 0.2 * np.abs(nee), "lai": np.full(time_steps, 0.2)}
    seen = {n: v + sds[n] * rng.standard_normal(time_steps) for n, v in (("nee", nee), ("lai", lai))}
    seen["lai"][np.arange(time_steps) % 10 != 0] = np.nan
    units = {"nee": "gC m-2 d-1", "lai": "m2 m-2"}
    for n, values in seen.items():
        for name, v in ((n, values), (f"{n}_uncertainty", sds[n])):
            data[name] = (("site", "time"), v[None], {"units": units[n]})
    return build_model(DALEC, data, [Stream("nee", "day", STATED), Stream("lai", "day", STATED)], fixed=rest)


MODELS: dict[str, Callable[[int], pm.Model]] = {"VSEM": vsem, "DALEC-CDEA": dalec}
Method = Callable[[Density, InverseProblem, int], xr.DataTree]
METHODS: dict[str, Method] = {
    "4D-Var, Gauss-Newton, from the background": lambda d, p, s: four_d_var(p, draws=DRAWS, seed=s),
    "the same, exact covariance": lambda d, p, s: four_d_var(p, covariance="exact", draws=DRAWS, seed=s),
    "the same, exact covariance, resampled": lambda d, p, s: four_d_var(p, covariance="exact", draws=DRAWS, seed=s, resample=True),
    "4D-Var, Gauss-Newton, 8 starts": lambda d, p, s: four_d_var(p, starts=8, draws=DRAWS, seed=s),
    "4D-Var, full cost by L-BFGS": lambda d, p, s: four_d_var(p, method="lbfgs", draws=DRAWS, seed=s),
    "4D-Var, log-density of the model, 8 starts": lambda d, p, s: four_d_var(d, method="lbfgs", starts=8, draws=DRAWS, seed=s),
    "CMA-ES, 3 searches": lambda d, p, s: global_search(p, draws=DRAWS, seed=s),
    "differential evolution, 1 search": lambda d, p, s: global_search(p, method="differential_evolution", restarts=1, draws=DRAWS, seed=s),
    "ADVI, mean field, from the prior's centre": lambda d, p, s: advi(d, iterations=STEPS, draws=DRAWS, seed=s),
    "ADVI, full rank, from the prior's centre": lambda d, p, s: advi(d, family="full_rank", iterations=STEPS, draws=DRAWS, seed=s),
    "ADVI, full rank, from Laplace": lambda d, p, s: advi(
        d, family="full_rank", initial=find_modes(d, starts=4, seed=s), iterations=STEPS, draws=DRAWS, seed=s
    ),
    "Pathfinder, 4 paths": lambda d, p, s: pathfinder(d, draws=DRAWS, seed=s, resample=False),
    "Pathfinder, 4 paths, resampled": lambda d, p, s: pathfinder(d, draws=DRAWS, seed=s),
}


def exact(density: Density, path: Path, twin: int) -> dict[str, object]:
    """Draw the reference posterior, or read it."""
    if not path.exists():
        began = time.process_time()
        before = density.evaluations
        modes = find_modes(density, starts=8, seed=twin)
        searched = density.evaluations - before
        tree = sample(density, draws=800, tune=500, chains=4, seed=twin, initial=modes, cores=1, progress=False)
        seconds = time.process_time() - began
        positions = tree["unconstrained"]["position"]
        figures = convergence({n: positions.values[..., i] for i, n in enumerate(density.labels)})
        flat = positions.values.reshape(-1, density.dimension)
        found = {
            "mean": flat.mean(axis=0).tolist(),
            "sd": flat.std(axis=0).tolist(),
            "rhat": float(np.nanmax(figures["rhat"])),
            "ess": float(np.nanmin(figures["ess_bulk"])),
            "divergences": int(tree["sample_stats"]["diverging"].sum()),
            "equivalents": 4 * searched + json.loads(tree.attrs["cost"])["forward_run_equivalents"],
            "seconds": seconds,
            "modes": modes.table.sizes["mode"],
        }
        path.write_text(json.dumps(found))
    return json.loads(path.read_text())


def score(tree: xr.DataTree, reference: dict[str, object], seconds: float, problem: InverseProblem) -> dict[str, object]:
    """Compare a result with the reference posterior, parameter by parameter, on the unconstrained scale."""
    draws = tree["unconstrained"]["position"].values.reshape(-1, problem.dimension)
    mean, sd = np.array(reference["mean"]), np.array(reference["sd"])
    return {
        "error": (np.abs(draws.mean(axis=0) - mean) / sd).tolist(),
        "ratio": (draws.std(axis=0) / sd).tolist(),
        "equivalents": json.loads(tree.attrs["cost"])["forward_run_equivalents"],
        "seconds": seconds,
        "pareto_k": json.loads(tree.attrs["pareto_k"]),
        "converged": json.loads(tree.attrs["converged"]),
        "signal": float(tree["information"]["degrees_of_freedom"].values[0]) if "information" in tree.children else None,
    }


def warm(density: Density, problem: InverseProblem) -> None:
    """Compile everything: seconds are of runs."""
    x = problem.prior[0]
    density(problem.positions(x))
    problem.log_density(problem.positions(x))
    problem.adjoint(x, problem.predict(x))
    problem.tangent(x, x + 1.0)
    problem.expand(problem.positions(x))


def main(twins: int) -> None:
    """Run what is not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for twin in range(twins):
        for label, build in MODELS.items():
            name = f"{label}-{twin}"
            path = RESULTS / f"{name}.json"
            done = json.loads(path.read_text()) if path.exists() else {}
            wanted = {m: run for m, run in METHODS.items() if m not in done}
            if not wanted:
                continue
            model = build(twin)
            density, problem = Density(model), InverseProblem(model)
            warm(density, problem)
            reference = exact(density, RESULTS / f"{name}-exact.json", twin)
            print(name, {k: v for k, v in reference.items() if k not in ("mean", "sd")}, flush=True)
            for method, run in wanted.items():
                began = time.process_time()
                gradients = density.evaluations
                tree = run(density, problem, twin)
                done[method] = score(tree, reference, time.process_time() - began, problem)
                if "Laplace" in method:  # the search for it counts
                    done[method]["equivalents"] = 4 * (density.evaluations - gradients)
                path.write_text(json.dumps(done))
                write(twins)
                shown = done[method]
                print(
                    f"{method}: error {max(shown['error']):.2f}, ratio {min(shown['ratio']):.2f}-{max(shown['ratio']):.2f}, "
                    f"k {shown['pareto_k']:.2f}, {shown['equivalents']} runs, {shown['seconds']:.1f} s, converged {shown['converged']}",
                    flush=True,
                )


def write(twins: int) -> None:
    """Write the table from what is stored, after each piece: a run that is cut off leaves it."""
    lines = [
        "# Variational methods against the exact posterior",
        "",
        f"Made by `python benchmarks/experiment_variational.py {twins}`: {twins} twin(s) of each model, errors stated and known.",
        f"{DRAWS:,} draws of each approximation are compared with NUTS (8 starts, 4 chains x 800 draws) on",
        "the unconstrained scale, over all parameters and twins: distance of the means in posterior sd (median, largest; chance gives",
        "0.02 to 0.03), ratio of sd to that of NUTS (smallest, largest), Pareto k (largest; above 0.7 the result says that it is not",
        "to be trusted), forward runs (mean; a tangent is two, an adjoint three, a gradient four; weights of the draws",
        f"alone take {DRAWS:,} with forward runs and {4 * DRAWS:,} with gradients) and processor seconds, compiled, in those of NUTS",
        f"in the same run. ADVI takes at most {STEPS:,} steps. Resampling takes the draws that there are: it mends means, and thins tails.",
        "",
    ]
    for label in MODELS:
        done = [k for k in range(twins) if (RESULTS / f"{label}-{k}.json").exists()]
        if not done:
            lines += [f"## {label}", "", "Not run yet.", ""]
            continue
        rows, exacts = ([json.loads((RESULTS / f"{label}-{k}{end}.json").read_text()) for k in done] for end in ("", "-exact"))
        signal = [r["4D-Var, Gauss-Newton, from the background"]["signal"] for r in rows]
        lines += [
            f"## {label}, {len(exacts[0]['mean'])} parameters",
            "",
            (
                f"NUTS: R-hat at most {max(e['rhat'] for e in exacts):.3f}, bulk ESS at least {min(e['ess'] for e in exacts):,.0f}, "
                f"{sum(e['divergences'] for e in exacts)} divergences, {max(e['modes'] for e in exacts)} mode(s). Degrees of freedom for"
            ),
            f"signal at the minimum: {min(signal):.2f} to {max(signal):.2f} of {len(exacts[0]['mean'])}.",
            "",
            "| method | error of mean | ratio of sd | Pareto k | converged | runs | processor time / NUTS |",
            "|---|---|---|---|---|---|---|",
            f"| NUTS | | | | | {np.mean([e['equivalents'] for e in exacts]):,.0f} | 1 |",
        ]
        for method in METHODS:
            pairs = [(r[method], e) for r, e in zip(rows, exacts, strict=True) if method in r]
            found = [f for f, _ in pairs]
            if not found:
                lines.append(f"| {method} | not run yet | | | | | |")
                continue
            errors, ratios = (np.concatenate([f[k] for f in found]) for k in ("error", "ratio"))
            seconds = np.mean([f["seconds"] / e["seconds"] for f, e in pairs])
            lines.append(
                f"| {method} | {np.median(errors):.2f}, {errors.max():.2f} | {ratios.min():.2f}, {ratios.max():.2f} "
                f"| {max(f['pareto_k'] for f in found):.2f} | {sum(f['converged'] for f in found)} of {len(found)} "
                f"| {np.mean([f['equivalents'] for f in found]):,.0f} | {seconds:.2g} |"
            )
        lines.append("")
    (HERE / "variational.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
