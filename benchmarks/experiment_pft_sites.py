"""DALEC-CDEA at 45 towers of four plant functional types in one hierarchy: gates, cost and skill. Writes benchmarks/pft_sites.md.

Run: make experiments, or python benchmarks/experiment_pft_sites.py [DRAWS]. Needs LSM_BAYES_DATA. A run that was killed goes on where it
stopped.
"""

import json
import os
import sys
import time
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
HELD, SPREAD_SD = 0.6, 0.2
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
    return replace(best, mode=mode, scale=scale, log_posterior=density(mode)[0])


def main(draws: int) -> None:
    """Find modes, sample from the best, write the table."""
    if "LSM_BAYES_DATA" not in os.environ:
        print("skipped: LSM_BAYES_DATA is not set")
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    module = get("dalec_pft_fluxnet")
    data = datasets.load("fluxnet2015-daily", sites=module.suitable_sites(datasets.load("fluxnet2015-daily")))
    model = module.build(data)
    density = Density(model)
    # Centred, a hierarchy has no joint mode: climbs go where all members of a type are equal. With the spreads held it has.
    spreads = {v.name: np.full(density.shapes[v.name], HELD) for v in model.free_RVs if v.name.endswith("_spread")}
    inside = Density(pm.do(model, {n: v.astype(model[n].dtype) for n, v in spreads.items()}))
    compiled = time.perf_counter() - began
    print(f"{density.dimension} coordinates, {compiled:.0f} s to compile", flush=True)
    modes = find_modes(inside, starts=STARTS, seed=1, store=RESULTS / "starts", progress=True)
    evidence = sorted((m.log_evidence for m in modes.laplace), reverse=True)
    best = with_spreads(density, inside, modes, spreads)
    searched = time.perf_counter() - began - compiled
    print(f"log evidence {[round(e, 1) for e in evidence]}, {best.repaired} repaired directions, {searched:.0f} s", flush=True)
    store = RESULTS / "posterior.zarr.zip"
    tree = sample(density, draws=draws, tune=TUNE, chains=CHAINS, seed=1, initial=best, metric="laplace", store=store, resume=True)
    rhat, ess = quantities(tree)
    gates, cost = check(tree), json.loads(tree.attrs["cost"])
    print(gates)
    rows = {
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
        "gates that fail": ", ".join(f"{g.name} ({g.parameter})" for g in gates.failed) or "none",
    }
    lines = [
        "# DALEC-CDEA at the forests and grasslands of FLUXNET2015, in one hierarchy",
        "",
        "Made by `python benchmarks/experiment_pft_sites.py`; model `dalec_pft_fluxnet`, two cores.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {k} | {v} |" for k, v in rows.items()),
    ]
    (HERE / "pft_sites.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
