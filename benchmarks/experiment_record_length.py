"""What does a longer record buy? DALEC-CDEA calibrated on 1, 2, 4 and 8 years, twins and a real tower. Writes benchmarks/record_length.md.

Twins have the drivers of FI-Hyy 2006-2014: parameters drawn from the prior where the canopy lives, weekly NEE with AR(1) errors (sd
0.4 gC m-2 d-1, lag-one correlation 0.7), leaf area once a month (sd 0.3 m2 m-2), pools at the start of the record known to 10 %. All
records end on 31 December 2013, the forecast is of 2014. Each twin is fitted with the right error model and drivers; with drivers that
are biased (light 10 % too high, air 1 K too warm); and with an error model that takes the errors to be independent. At the real tower
daily NEE and leaf area are fitted, with the default error model without its slow discrepancy. All records of one error model are sites
of one calibration that share nothing, so that one compilation serves all; posteriors are Laplace approximations, site by site, found from
the truth (of twins) or the best of some draws of the prior. NUTS checks them. Hill et al. (2012, doi 10.1111/j.1365-2486.2011.02511.x)
put the question; their text could not be checked. Needs LSM_BAYES_DATA.

Run: python benchmarks/experiment_record_length.py [FOLDER]. One calibration a file in results/record_length; goes on where it stopped.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from record_length_page import page
from record_length_twins import INDEPENDENT, LAND, RIGHT, Site, pools_at, prior, real_model, sites_of, start_of, truths, twin_model
from scipy.optimize import minimize

from lsm_bayes.calibration.predict import predict
from lsm_bayes.diagnostics import crps, read_stream
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.diagnostics.result import scale_of
from lsm_bayes.inference import Density, Laplace, sample, sample_laplace
from lsm_bayes.inference.laplace import LOG_2PI, factor

HERE = Path(__file__).parent
CASES = {"correlated": (RIGHT, ("true", "biased")), "independent": (INDEPENDENT, ("true",))}
CHECKED = (1, 8)  # years of the records that NUTS is run on too
DRAWS, REAL_STARTS = 400, 6
BURSTS, STEP = 12, 1e-4


def blocks_of(density: Density) -> np.ndarray:
    """Places of the coordinates of each site, (site, coordinate)."""
    sites = [label.rstrip("]").replace("[", ", ").rpartition(", ")[2] for label in density.labels]
    return np.array([[i for i, s in enumerate(sites) if s == name] for name in density.model.coords["site"] or ()])


def curvature(density: Density, position: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Negative Hessian of each site, (site, coordinate, coordinate): one difference of gradients serves all sites, which share nothing."""
    found = np.zeros((*blocks.shape, blocks.shape[1]))
    for j in range(blocks.shape[1]):
        step = np.zeros(position.size)
        step[blocks[:, j]] = STEP
        found[:, j] = ((density(position - step)[1] - density(position + step)[1]) / (2 * STEP))[blocks]
    return (found + found.transpose(0, 2, 1)) / 2


def climb(density: Density, start: np.ndarray, blocks: np.ndarray) -> Laplace:
    """Climb to the mode of each site by L-BFGS in coordinates whitened anew between bursts, and fit a normal distribution there."""
    position = start
    for _ in range(BURSTS):
        value, gradient = density(position)
        fits = [factor(h) for h in curvature(density, position, blocks)]
        scale = np.zeros((position.size, position.size))
        for rows, (triangular, _, _, _) in zip(blocks, fits, strict=True):
            scale[np.ix_(rows, rows)] = triangular
        decrement = float(np.linalg.norm(scale.T @ gradient) / np.sqrt(len(blocks)))
        if decrement < 0.01:
            break

        def objective(u: np.ndarray, origin=position, scale=scale, value=value) -> tuple[float, np.ndarray]:
            logp, slope = density(origin + scale @ u)
            return (value - logp, -scale.T @ slope) if np.isfinite(logp) else (1e10, np.zeros(u.size))

        found = minimize(objective, np.zeros(position.size), jac=True, method="L-BFGS-B", options={"maxfun": 300, "maxcor": 30})
        position = position + scale @ found.x if found.fun < 0 else position
    log_det = sum(f[1] for f in fits)
    evidence = value + 0.5 * position.size * LOG_2PI + 0.5 * log_det
    return Laplace(position, value, scale, evidence, max(f[2] for f in fits), sum(f[3] for f in fits), decrement)


def best_of(density: Density, fits: list[Laplace], blocks: np.ndarray) -> np.ndarray:
    """Join the best mode of each site: as sites share nothing, one block at a time says which is better."""
    position = max(fits, key=lambda f: f.log_posterior).mode.copy()
    for rows in blocks:
        trials = []
        for f in fits:
            trial = position.copy()
            trial[rows] = f.mode[rows]
            trials.append((density(trial)[0], trial))
        position = max(trials, key=lambda t: t[0])[1]
    return position


def judged(tree: xr.DataTree, card: dict[str, Any], truth: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Mean and sd of each parameter on its scale, and whether the 90 % interval has the truth, by site."""
    posterior, found = tree["posterior"].to_dataset(), {}
    for name in map(str, posterior["site"].values):
        row = {}
        for n in LAND.calibrated:
            v = posterior[n].sel(site=name).values.ravel()
            x = np.log(v) if scale_of(card["parameters"][n]) == "log" else v
            low, high = np.quantile(v, [0.05, 0.95])
            row[n] = {"mean": float(x.mean()), "sd": float(x.std())}
            row[n] |= {"covered": bool(low <= truth[name][n] <= high)} if name in truth else {}
        found[name] = row
    return found


def forecasts(model: pm.Model, tree: xr.DataTree, runs: dict[str, xr.Dataset]) -> dict[str, dict[str, float]]:
    """Score NEE of the withheld year: with all errors against observations, and of the process model alone against the true NEE."""
    predict(model, tree, draws=200, seed=14)
    s, found = read_stream(tree, "nee"), {}
    for k, name in enumerate(s.sites):
        held = s.withheld[k] & np.isfinite(s.observed[k])
        found[name] = {"crps": float(np.mean(crps(s.predicted[:, k, held], s.observed[k, held])))}
        if name in runs:
            p, days = model.calibration.streams[0], len(model.calibration.records[k].forcing.time)
            true = pd.Series(p.whole[k].mean(runs[name]["nee"].values.ravel()[-days:]), p.whole[k].time).reindex(s.time).values
            found[name]["crps_of_truth"] = float(np.mean(crps(s.mean[:, k, held], true[held])))
    return found


def fit(path: Path, model: pm.Model, sites: dict[str, Site]) -> None:
    """Fit all sites of a calibration and forecast."""
    began = time.perf_counter()
    density = Density(model)
    compiled = time.perf_counter()
    blocks = blocks_of(density)
    first = [start_of(density, sites)] if sites else list(density.prior_positions(REAL_STARTS, np.random.default_rng(14)))
    fits = [climb(density, x, blocks) for x in first if np.isfinite(density(x)[0])]
    best = climb(density, best_of(density, fits, blocks), blocks) if len(fits) > 1 else fits[0]
    searched = time.perf_counter()
    tree = sample_laplace(density, best, draws=DRAWS, seed=14)
    truth = {n: truths()[k][0] | pools_at(truths()[k][2], y) for n, (_, y, k) in sites.items()}
    runs = {n: truths()[k][2] for n, (_, _, k) in sites.items()}
    found: dict[str, Any] = {"sites": judged(tree, model.card, truth), "forecasts": forecasts(model, tree, runs)}
    found |= {"repaired": best.repaired, "decrement": best.newton_decrement, "evaluations": density.evaluations, "starts": len(fits)}
    found["seconds"] = [compiled - began, searched - compiled, time.perf_counter() - searched]
    path.write_text(json.dumps(found))
    print(path.stem, [round(t) for t in found["seconds"]], density.evaluations, best.repaired, best.newton_decrement, flush=True)


def check(path: Path, years: int) -> None:
    """Compare the Laplace approximation with NUTS: first twin, right error model."""
    sites = {f"true-{years}-00": ("true", years, 0)}
    model = twin_model(RIGHT, sites)
    density = Density(model)
    best = climb(density, start_of(density, sites), np.arange(density.dimension)[None])
    settings = {"draws": 500, "tune": 300, "chains": 2, "cores": 1, "seed": 14, "target_accept": 0.9, "progress": False}
    tree = sample(density, initial=best, metric="laplace", max_treedepth=8, **settings)
    found: dict[str, Any] = {}
    for name, draws in (("nuts", tree), ("laplace", sample_laplace(density, best, draws=1000, seed=14))):
        values = {n: draws["posterior"][n].values for n in LAND.calibrated}
        logs = {n: np.log(v) if scale_of(model.card["parameters"][n]) == "log" else v for n, v in values.items()}
        found[name] = {n: [float(v.mean()), float(v.std())] for n, v in logs.items()}
    figures = convergence({n: tree["posterior"][n].values for n in LAND.calibrated})
    found |= {"rhat": float(np.nanmax(figures["rhat"])), "ess": float(np.nanmin(figures["ess_bulk"]))}
    found["divergences"] = int(tree["sample_stats"]["diverging"].sum())
    found["evaluations"] = float(tree["sample_stats"]["n_steps"].mean())
    path.write_text(json.dumps(found))
    print(path.stem, found["rhat"], found["ess"], found["evaluations"], flush=True)


def main(folder: Path) -> None:
    """Do what is not done and write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prior.json").write_text(json.dumps(prior()[3]))

    sites = {case: sites_of(drivers) for case, (_, drivers) in CASES.items()}
    jobs = {
        "correlated": lambda path: fit(path, twin_model(RIGHT, sites["correlated"]), sites["correlated"]),
        "real": lambda path: fit(path, real_model(), {}),
        **{f"check_{y}": lambda path, y=y: check(path, y) for y in CHECKED},
        "independent": lambda path: fit(path, twin_model(INDEPENDENT, sites["independent"]), sites["independent"]),
    }
    for name, job in jobs.items():
        path = folder / f"{name}.json"
        if not path.exists():
            job(path)
            (HERE / "record_length.md").write_text(page(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/record_length"))
