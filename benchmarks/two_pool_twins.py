"""Twins of the two-pool model of experiment_two_pool.py and experiment_noise_matrix.py: calibrated, sampled, tabled."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models.two_pool_twin.model import LAND, TRUTH, Twin, build, with_observations

from lsm_bayes.calibration import CarriedPosterior
from lsm_bayes.declare import Prior, ProcessModel
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, find_modes, sample

PHI = 0.9
DRAWS, TUNE, CHAINS = 1500, 500, 2


def calibration(
    twin: Twin,
    observed: Mapping[str, np.ndarray],
    errors: Mapping[str, ErrorModel] | None = None,
    *,
    land: ProcessModel = LAND,
    priors: Mapping[str, Prior] | None = None,
    earlier: CarriedPosterior | None = None,
    sd: Mapping[str, float] | None = None,
) -> pm.Model:
    """Build the calibration of some series; NaN where nothing is observed."""
    data = with_observations(twin, observed, sd)
    return build(data, priors=priors or twin.priors, errors=errors, earlier=earlier, land=land)


def fitted(model: pm.Model, seed: int) -> tuple[dict[str, Any], xr.DataTree]:
    """Sample; longer where chains do not agree. Return what the tables need."""
    density = Density(model)
    modes = find_modes(density, starts=3, seed=seed)
    for longer in (1, 4, 12):
        tree = sample(
            density,
            draws=DRAWS * longer,
            tune=TUNE * min(longer, 4),
            chains=CHAINS,
            seed=seed,
            target_accept=0.9,
            initial=modes,
            cores=1,
            progress=False,
        )
        z = tree["posterior"]["z"].transpose("parameter", "chain", "draw").values
        figures = convergence({str(k): v for k, v in enumerate(z)})
        if np.max(figures["rhat"]) < 1.01 and np.min(figures["ess_bulk"]) > 100:
            break
    draws = {n: tree["posterior"][n].values.ravel() for n in TRUTH}
    return {
        "mean": {n: float(v.mean()) for n, v in draws.items()},
        "sd": {n: float(v.std()) for n, v in draws.items()},
        "covered": {n: bool(np.quantile(v, 0.05) <= TRUTH[n] <= np.quantile(v, 0.95)) for n, v in draws.items()},
        "rhat": float(np.max(figures["rhat"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "modes": len(modes.laplace),
    }, tree


def fit_missing(path: Path, fits: Mapping[str, Callable[[], dict[str, Any]]]) -> None:
    """Fit the cases of a twin that its file does not have."""
    done = json.loads(path.read_text()) if path.exists() else {}
    missing, began = {n: f for n, f in fits.items() if n not in done}, time.perf_counter()
    if missing:
        path.write_text(json.dumps(done | {n: f() for n, f in missing.items()}))
        print(path.stem, f"{len(missing)} fits in {time.perf_counter() - began:.0f} s", flush=True)


def rows(done: list[dict[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """Table of relative RMSE, bias and coverage by case."""
    lines = [
        "| case | relative RMSE of p1, p2, k1, k2, % | mean error, % | covered by 90 % intervals | R-hat, largest | divergences |",
        "|---|---|---|---|---|---|",
    ]
    for case, label in labels.items():
        fits = [d[case] for d in done if case in d]
        if fits:
            error = np.array([[100 * (f["mean"][n] / TRUTH[n] - 1) for n in TRUTH] for f in fits])
            rmse, bias = np.sqrt((error**2).mean(axis=0)), error.mean(axis=0)
            covered = np.mean([list(f["covered"].values()) for f in fits])
            lines.append(
                f"| {label} | {', '.join(f'{v:.3g}' for v in rmse)} | {', '.join(f'{v:+.2g}' for v in bias)} | {covered:.2f} "
                f"| {max(f['rhat'] for f in fits):.3f} | {sum(f['divergences'] for f in fits)} |"
            )
    return lines
