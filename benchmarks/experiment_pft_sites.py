"""Hierarchies of real sites, sampled to the end: gates and cost. Writes benchmarks/pft_sites.md.

DALEC-CDEA at 45 towers of four plant functional types (`dalec_pft_fluxnet`), and DALEC 1005, carbon and water, at six forests
(`dalec_water_pft`). Run: make experiments, or python benchmarks/experiment_pft_sites.py [DRAWS [MODEL]]. Needs LSM_BAYES_DATA. A run that
was killed goes on where it stopped.
"""

import json
import os
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import arviz_stats
import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models import get

from lsm_bayes import datasets
from lsm_bayes.diagnostics import check
from lsm_bayes.inference import Density, Laplace, Modes, find_modes, sample

HERE = Path(__file__).parent
RESULTS = Path("results/pft_sites")
MODELS = {"dalec_pft_fluxnet": "fluxnet2015-daily", "dalec_water_pft": "fluxnet-daily-water"}
HELD, SPREAD_SD = 0.6, 0.2
# What presses against a bound, and why; the cards of the models say it too. What is not named here fails the gate.
FINDINGS = {
    "dalec_pft_fluxnet": {
        "nee_phi": "at the cap of the correlation of weekly errors where the season of NEE is not fitted",
        "f_auto": "the share that is respired falls to its bound where GPP asks for more efficient canopies than the one that is given",
        "f_labile": "at evergreen broadleaved and some other sites hardly anything goes through the labile pool",
        "leaf_lifespan": "leaves of deciduous trees live less than a year, and the bound is a year",
        "litter_mineralisation": "litter, whose pool is held near its equilibrium, respires as slowly as it may",
        "labile_release_period": "evergreen broadleaved forests grow leaves all year",
        "leaf_fall_period": "evergreen broadleaved forests shed leaves all year",
        "foliage_carbon": "no leaves at the start at US-GLE, in winter",
    },
    "dalec_water_pft": {},
}
CHAINS, TUNE, STARTS = 4, 300, 2


def quantities(tree: xr.DataTree) -> tuple[np.ndarray, np.ndarray]:
    """Rank-normalised R-hat and bulk effective sample size of every scalar of the posterior."""
    posterior = tree["posterior"].to_dataset()
    rhat = arviz_stats.rhat(posterior)
    ess = arviz_stats.ess(posterior)
    flat = [np.concatenate([np.ravel(x[n].values) for n in x.data_vars]) for x in (rhat, ess)]
    kept = np.isfinite(flat[0]) & np.isfinite(flat[1])
    return flat[0][kept], flat[1][kept]


def with_spreads(density: Density, inside: Density, modes: Modes, spreads: dict[str, np.ndarray]) -> Laplace:
    """Laplace approximation at the best mode, with the spreads where they were held and an sd of `SPREAD_SD` on the sampled scale."""
    best = max(modes.laplace, key=lambda m: m.log_evidence)
    mode, scale = np.zeros(density.dimension), SPREAD_SD * np.eye(density.dimension)
    free = np.array([density.labels.index(label) for label in inside.labels])
    mode[free], scale[np.ix_(free, free)] = best.mode, best.scale
    at_spreads = density.flatten({**{n: v for n, v in density.expand(mode).items() if n in density.slices}, **spreads})
    for name in spreads:
        mode[density.slices[name]] = at_spreads[density.slices[name]]
    # The held variables come in another order, in which the factor is not triangular. What is below its diagonal is no factor of the same
    # covariance, but mixes better: with that factor chains of 300 draws had effective sample sizes of 20, for half of the gradients.
    return replace(best, mode=mode, scale=np.tril(scale), log_posterior=density(mode)[0])


def fit(name: str, draws: int) -> dict[str, object]:
    """Find modes, sample from the best, and say what it took."""
    folder = RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    module = get(name)
    sites = module.SITES if hasattr(module, "SITES") else module.suitable_sites(datasets.load(MODELS[name]))
    # Loaded by name, the record begins with that of these sites, and with it the clock of phenology.
    model = module.build(datasets.load(MODELS[name], sites=sites))
    density = Density(model)
    # Centred, a hierarchy has no joint mode: climbs go where all members of a type are equal. With the spreads held it has.
    spreads = {v.name: np.full(density.shapes[v.name], HELD) for v in model.free_RVs if v.name.endswith("_spread")}
    inside = Density(pm.do(model, {n: v.astype(model[n].dtype) for n, v in spreads.items()}))
    compiled = time.perf_counter() - began
    print(f"{density.dimension} coordinates, {compiled:.0f} s to compile", flush=True)
    modes = find_modes(inside, starts=STARTS, seed=1, store=folder / "starts", progress=True)
    evidence = sorted((m.log_evidence for m in modes.laplace), reverse=True)
    best = with_spreads(density, inside, modes, spreads)
    searched = time.perf_counter() - began - compiled
    print(f"log evidence {[round(e, 1) for e in evidence]}, {best.repaired} repaired directions, {searched:.0f} s", flush=True)
    store = folder / "posterior.zarr.zip"
    tree = sample(density, draws=draws, tune=TUNE, chains=CHAINS, seed=1, initial=best, metric="laplace", store=store, resume=True)
    rhat, ess = quantities(tree)
    gates, cost = check(tree, reported=FINDINGS[name]), json.loads(tree.attrs["cost"])
    pressing = Counter(f"{f.parameter.partition('[')[0]} ({f.side})" for f in gates.findings)
    print(gates)
    return {
        "sites": tree["posterior"].sizes["site"],
        "coordinates": density.dimension,
        "chains x (tuning + draws)": f"{CHAINS} x ({TUNE} + {tree['posterior'].sizes['draw']})",
        "seconds to compile": f"{compiled:.0f}",
        "seconds to find modes": f"{searched:.0f}",
        "log evidence of the modes (Laplace)": ", ".join(f"{e:.1f}" for e in evidence),
        "minutes of sampling": f"{cost['seconds'] / 60:.1f}",
        "evaluations of density and gradient": cost["gradient_evaluations"],
        "ms an evaluation, both chains at once": f"{2e3 * cost['seconds'] / cost['gradient_evaluations']:.1f}",
        "quantities": rhat.size,
        "R-hat, largest; share below 1.01": f"{rhat.max():.4f}; {np.mean(rhat < 1.01):.3f}",
        "effective sample size, smallest; median": f"{ess.min():.0f}; {np.median(ess):.0f}",
        "effective sample size a second, smallest; median": f"{ess.min() / cost['seconds']:.2f}; {np.median(ess) / cost['seconds']:.2f}",
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "at a bound, and reported": ", ".join(f"{n} {k}" for k, n in pressing.most_common()) or "none",
        "gates that fail": ", ".join(f"{g.name} ({g.parameter})" for g in gates.failed) or "none",
    }


def write(done: dict[str, dict[str, object]]) -> None:
    """Write the page, a column for each model."""
    lines = ["# Hierarchies of real sites", "", "Made by `python benchmarks/experiment_pft_sites.py` on two cores.", ""]
    lines += [f"| | {' | '.join(f'`{n}`' for n in done)} |", "|---|" + "---|" * len(done)]
    lines += [f"| {k} | {' | '.join(str(rows[k]) for rows in done.values())} |" for k in next(iter(done.values()))]
    (HERE / "pft_sites.md").write_text("\n".join(lines) + "\n")


def main(draws: int, names: list[str]) -> None:
    """Fit what is asked for, and write the table of all that is done."""
    if "LSM_BAYES_DATA" not in os.environ:
        print("skipped: LSM_BAYES_DATA is not set")
        return
    for name in names:
        rows = fit(name, draws)
        (RESULTS / name / "rows.json").write_text(json.dumps(rows))
        write({n: json.loads(path.read_text()) for n in MODELS if (path := RESULTS / n / "rows.json").exists()})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, sys.argv[2:] or list(MODELS))
