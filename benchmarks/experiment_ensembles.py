"""Ensemble methods against NUTS on twins of VSEM and DALEC (experiment E22). Writes benchmarks/ensembles.md.

Three problems: VSEM with stated errors (2,048 days of three streams, 6 parameters and pools); DALEC-CDEA over three years at FI-Hyy (CH-Dav
without LSM_BAYES_DATA) with 22 parameters and pools; and the same with the settings of LAVENDAR (Pinnington et al. 2020): 50 members, 7
parameters with normal priors of 25 %, errors of 10, 5 and 5 % of the mean of GPP, leaf area and a stock, drawn with 1 %.
Finished pieces are kept under results/ensembles. Run: python benchmarks/experiment_ensembles.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from experiment_twins import base
from lsm_bayes.models import get as get_model
from scipy.stats import norm

from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.inference.ensemble import (
    EnsembleUpdate,
    ensemble_kalman_filter,
    ensemble_kalman_inversion,
    ensemble_kalman_sampler,
    ensemble_smoother,
    ensemble_variational,
    unscented_kalman_inversion,
)
from lsm_bayes.inference.inverse import InverseProblem
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/ensembles")
SEEDS = (0, 1, 2)
MEAN_BAR, SPREAD_BARS = 0.25, (0.8, 1.25)
DALEC, VSEM = get("dalec_cdea"), get_model("vsem_twin")
DATES = ("leaf_onset_day", "leaf_fall_day")
SEVEN = ("f_auto", "f_foliage", "f_roots", "f_labile", "temperature_exponent", "canopy_efficiency", "leaf_mass_area")
TAPERED = EnsembleUpdate(taper="correlation")
METHODS: dict[str, tuple[Callable[[InverseProblem, int], xr.DataTree], tuple[str, ...]]] = {}


def method(label: str, *cases: str):
    """Enter a method into the table; for the named cases only, where some are named."""

    def enter(run):
        METHODS[label] = (run, cases)
        return run

    return enter


method("ES-MDA, 4 steps, perturbed, 100 members")(
    lambda p, s: ensemble_smoother(p, 100, 4, update="perturbed", exact_moments=False, seed=s)
)
method("ES-MDA, 4 steps, square root, 100 members")(lambda p, s: ensemble_smoother(p, 100, 4, seed=s))
method("ES-MDA, 16 steps, square root, 100 members")(lambda p, s: ensemble_smoother(p, 100, 16, seed=s))
method("4DEnVar, LAVENDAR: 50 members, one loop")(lambda p, s: ensemble_variational(p, 50, seed=s))
method("4DEnVar, 50 members, up to 20 loops")(lambda p, s: ensemble_variational(p, 50, 20, seed=s))
method("EKI, published controller, perturbed, 100 members")(
    lambda p, s: ensemble_kalman_inversion(p, 100, most_shrink=np.inf, update="perturbed", exact_moments=False, seed=s)
)
method("EKI, at most halving variances, square root, 100 members")(lambda p, s: ensemble_kalman_inversion(p, 100, seed=s))
method("EKI, the same, 50 members")(lambda p, s: ensemble_kalman_inversion(p, 50, seed=s))
method("EKI, the same, 50 members, correlation taper")(lambda p, s: ensemble_kalman_inversion(p, 50, update=TAPERED, seed=s))
method("UKI")(lambda p, s: unscented_kalman_inversion(p, draws=4000, seed=s))
method("EKS, 100 members")(lambda p, s: ensemble_kalman_sampler(p, 100, seed=s))
method("EnKF in months, square root, 100 members", "VSEM")(lambda p, s: ensemble_kalman_filter(p, 100, "month", smooth=False, seed=s))


def vsem(seed: int) -> pm.Model:
    """VSEM twin with stated errors."""
    return VSEM.build(VSEM.twin(seed)[0], streams=VSEM.published_streams(stated=True))


def at_site(values: dict[str, object], outputs: list[str]):
    """Run DALEC at the site."""
    return simulate(DALEC, base().isel(site=0), values, outputs=outputs)


def of_day(pool):
    """Mean of start and end of each step."""
    return 0.5 * (pool[..., 1:] + pool[..., :-1])


def dalec(seed: int) -> pm.Model:
    """DALEC: priors are normal in the probit of the place between the bounds (of logarithms), 0.4 wide about the defaults; dates 10 d."""
    rng = np.random.default_rng([22, seed])
    names = [n for n in DALEC.calibrated if n != "decomposition_rate"]

    def values(z, cdf, exp):
        found = {}
        for k, n in enumerate(names):
            (low, high), default = DALEC.calibrated[n][0].bounds, DALEC.calibrated[n][1]
            if n in DATES:
                found[n] = default + 10.0 * z[k]
            else:
                width = np.log(high / low)
                found[n] = exp(np.log(low) + width * cdf(norm.ppf(np.log(default / low) / width) + 0.4 * z[k]))
        return found

    for _ in range(200):
        truth = rng.standard_normal(len(names))
        run = at_site(values(truth, norm.cdf, np.exp), ["nee", "lai", "gpp"])
        if 1.0 < run["lai"].values[-365:].max() < 8.0 and 1.0 < run["gpp"].values[-365:].mean() < 8.0:
            break
    else:
        raise RuntimeError("no truth with a living canopy")
    when = {"nee": np.flatnonzero(rng.random(run.sizes["time"]) < 0.5), "lai": np.arange(0, run.sizes["time"], 16)}
    lai_sd = 0.1 * float(run["lai"].mean())
    with pm.Model(coords={"parameter": names}) as model:
        z = pm.Normal("z", 0.0, 1.0, dims="parameter")
        found = simulate(DALEC, base().isel(site=0), values(z, lambda v: 0.5 * pt.erfc(-v / np.sqrt(2.0)), pt.exp), outputs=["nee", "lai"])
        for n, sd in (("nee", 0.5), ("lai", lai_sd)):
            seen = run[n].values[when[n]]
            pm.Normal(n, found[n][when[n]], sd, observed=seen + sd * rng.standard_normal(seen.size))
    return model


def lavendar(seed: int) -> pm.Model:
    """DALEC with the settings of LAVENDAR; wood takes the place of canopy height. The prior mean is a draw about the truth."""
    rng = np.random.default_rng([23, seed])
    truth = np.array([DALEC.calibrated[n][1] for n in SEVEN])
    middle = truth * (1.0 + 0.25 * np.clip(rng.standard_normal(truth.size), -1.5, 1.5))
    run = at_site(dict(zip(SEVEN, truth, strict=True)), ["gpp", "lai", "wood_carbon"])
    right = {"gpp": run["gpp"].values, "lai": run["lai"].values, "wood_carbon": of_day(run["wood_carbon"].values)}
    with pm.Model(coords={"parameter": list(SEVEN)}) as model:
        x = pm.Normal("x", middle, 0.25 * truth, dims="parameter")
        found = simulate(DALEC, base().isel(site=0), {n: x[k] for k, n in enumerate(SEVEN)}, outputs=list(right))
        found["wood_carbon"] = of_day(found["wood_carbon"])
        for n, share, every in (("gpp", 0.1, 1), ("lai", 0.05, 10), ("wood_carbon", 0.05, 10)):
            seen = right[n][::every] * (1.0 + 0.01 * rng.standard_normal(right[n][::every].size))
            pm.Normal(n, found[n][::every], share * float(np.mean(right[n])), observed=seen)
    return model


CASES = {"VSEM": vsem, "DALEC": dalec, "LAVENDAR": lavendar}


def reference(model: pm.Model, problem: InverseProblem, path: Path) -> dict[str, object]:
    """Exact posterior by NUTS on the unconstrained scale."""
    if path.exists():
        return json.loads(path.read_text())
    density = Density(model)
    modes = find_modes(density, starts=6, seed=1)
    tree = sample(density, draws=1500, tune=700, chains=2, seed=1, target_accept=0.9, initial=modes, cores=1, progress=False)
    z = tree["unconstrained"]["position"].values[..., problem.active]
    figures = convergence({n: z[..., k] for k, n in enumerate(problem.names)})
    flat = z.reshape(-1, problem.size)
    found = {
        "mean": flat.mean(axis=0).tolist(),
        "sd": flat.std(axis=0, ddof=1).tolist(),
        "rhat": float(np.max(figures["rhat"])),
        "modes": int(modes.table.sizes["mode"]),
        "equivalents": json.loads(tree.attrs["cost"])["forward_run_equivalents"],
    }
    path.write_text(json.dumps(found))
    return found


def compare(case: str, seed: int) -> None:
    """Run the methods that are not done on one twin."""
    model = CASES[case](seed)
    problem = InverseProblem(model)
    exact = reference(model, problem, RESULTS / f"{case}-{seed}-reference.json")
    mean, sd = np.array(exact["mean"]), np.array(exact["sd"])
    for label, (run, cases) in METHODS.items():
        path = RESULTS / f"{case}-{seed}-{label.replace(' ', '_').replace(',', '').replace(':', '')}.json"
        if path.exists() or (cases and case not in cases):
            continue
        row: dict[str, object] = {"case": case, "seed": seed, "method": label}
        try:
            tree = run(problem, seed)
            z = tree["unconstrained"]["position"].values[0][:, problem.active]
            cost = json.loads(tree.attrs["cost"])
            row |= {"bias": ((z.mean(axis=0) - mean) / sd).tolist(), "ratio": (z.std(axis=0, ddof=1) / sd).tolist()}
            row |= {"runs": cost["forward_runs"], "failed": cost["failed_simulations"]}
        except (RuntimeError, np.linalg.LinAlgError) as error:
            row["error"] = str(error)
        path.write_text(json.dumps(row))
        print(
            case,
            seed,
            label,
            *(f"{np.max(np.abs(row['bias'])):.2f} {min(row['ratio']):.2f} {max(row['ratio']):.2f}",) if "bias" in row else (row["error"],),
            flush=True,
        )


def line(rows: list[dict]) -> str:
    """One line of the table from the twins of one case."""
    good = [r for r in rows if "bias" in r]
    if not good:
        return f"| {rows[0]['method']} | | | | 0 | {len(rows)} |"
    bias, ratio = (np.array([r[k] for r in good]) for k in ("bias", "ratio"))
    inside = (np.abs(bias) <= MEAN_BAR) & (ratio >= SPREAD_BARS[0]) & (ratio <= SPREAD_BARS[1])
    passed = int(inside.all(axis=1).sum())
    return (
        f"| {rows[0]['method']} | {np.mean([r['runs'] for r in good]):.0f} | {np.median(np.abs(bias)):.2f}, {np.abs(bias).max():.2f} "
        f"| {ratio.min():.2f}-{ratio.max():.2f} | {inside.mean():.2f} | {passed} of {len(rows)} | {sum(r['failed'] for r in good)} |"
    )


def write() -> None:
    """Write the table."""
    rows = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("*.json")) if not p.stem.endswith("reference")]
    lines = [
        "# Ensemble methods against the exact posterior",
        "",
        "Made by `python benchmarks/experiment_ensembles.py`. Mean and sd of each element on the",
        "unconstrained scale against those of NUTS (2 chains x 1,500 draws). Bars: mean within 0.25 posterior sd, ratio of sd 0.8 to",
        "1.25. Misfit of means: median and largest over elements and twins, in posterior sd. Runs: forward runs of one twin. A method",
        "passes a twin when all its elements are within the bars. Where R-hat of NUTS is above 1.01 the reference is itself uncertain.",
        "The halving of variances in EKI and the projection in 4DEnVar with loops were chosen on VSEM twin 0, before the others were run.",
    ]
    titles = {
        "VSEM": "VSEM, three streams of 2,048 days, 6 elements",
        "DALEC": "DALEC-CDEA, three years of NEE on half of the days (sd 0.5 gC m-2 d-1) and leaf area (10 %), 22 elements",
        "LAVENDAR": "DALEC-CDEA with the settings of LAVENDAR, 7 elements",
    }
    for case, title in titles.items():
        exact = [json.loads(p.read_text()) for p in sorted(RESULTS.glob(f"{case}-*-reference.json"))]
        mine = [r for r in rows if r["case"] == case]
        if not mine:
            continue
        nuts = (
            f"NUTS: R-hat at most {max(e['rhat'] for e in exact):.3f}; modes {', '.join(str(e['modes']) for e in exact)}; "
            f"{np.mean([e['equivalents'] for e in exact]):,.0f} forward-run equivalents, tuning included."
        )
        lines += [
            "",
            f"## {title}; {len(exact)} {'twin' if len(exact) == 1 else 'twins'}",
            "",
            nuts,
            "",
            "| method | runs | misfit of means | ratio of sd | elements within bars | twins passed | failed runs |",
            "|---|---|---|---|---|---|---|",
            *(line(found) for label in METHODS if (found := [r for r in mine if r["method"] == label])),
        ]
    (HERE / "ensembles.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run what is not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        for case in CASES:
            compare(case, seed)
            write()


if __name__ == "__main__":
    main()
