"""Twins with the year of a disturbance as a parameter: is the soil carbon at the start covered (E17)? Writes disturbance.md.

VSEM with known absorption of light, forcing of FI-Hyy 2006-2008 (or CH-Dav 2013-2015 without LSM_BAYES_DATA): equilibrium, loss of
vegetation and a tenth of the soil in a year between 35 and 2 years before the record, regrowth. Truths are draws of the prior whose
vegetation lives; data are daily NEE (sd 0.5 gC m-2 d-1) and vegetation above ground once a year (10 %). Each twin is one file in
results/disturbance, so that a stopped run goes on. Run: python benchmarks/experiment_disturbance.py [NUMBER OF TWINS].
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from experiment_twins import base

from lsm_bayes.calibration import AfterDisturbance, Cycle, Stream, build_model
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.land import get
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

HERE, RESULTS = Path(__file__).parent, Path("results/disturbance")
LAND = get("vsem")
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
VEGETATION = ObservationOperator("aboveground_carbon", {"aboveground_carbon": (0.0, 4e4)}, lambda s: s["aboveground_carbon"])
NEE_SD, RELATIVE_SD = 0.5, 0.1
KNOWN = {"light_extinction": 0.5, "leaf_area_ratio": 1.5, "f_auto": 0.4}  # seen by these streams in products with others only
SHOWN = ("soil_carbon", "aboveground_carbon", "belowground_carbon", "disturbance_year", "aboveground_carbon_lost")
DRAWS, TUNE = 500, 500


def calibration(data: xr.Dataset, first: int, sd: float) -> Any:
    """Build the calibration of one twin."""
    lost = {"aboveground_carbon": (0.3, 0.95), "belowground_carbon": 0.5, "soil_carbon": 0.1}
    before = AfterDisturbance((first - 35.0, first - 2.0), lost, cycle=Cycle(years=1))
    streams = [
        Stream("nee", error=STATED, uncertainty=NEE_SD),
        Stream("aboveground_carbon", variable="harvested_plots", error=STATED, uncertainty=sd, operator=VEGETATION),
    ]
    return build_model(LAND, data, streams, initial=before, fixed=KNOWN)


def observed(data: xr.Dataset, run: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, float]:
    """Replace the observations by those of a run, with noise."""
    steps = data.sizes["time"]
    nee = run["nee"].values.ravel() + NEE_SD * rng.standard_normal(steps)
    pool = run["aboveground_carbon"].values.ravel()[:steps]
    seen, sd = np.full(steps, np.nan), RELATIVE_SD * float(pool.mean())
    seen[180::365] = pool[180::365] + sd * rng.standard_normal(pool[180::365].size)
    new = {"nee": (nee, "nee"), "harvested_plots": (seen, "aboveground_carbon")}
    return data.assign({n: (("site", "time"), v[None], QUANTITIES[q].attrs()) for n, (v, q) in new.items()}), sd


def twin(number: int, data: xr.Dataset) -> dict[str, Any]:
    """Draw a truth, fit it, and compare."""
    began, rng = time.perf_counter(), np.random.default_rng([17, number])
    first = int(data["time"].dt.year[0])
    blank, _ = observed(data, simulate(LAND, data.isel(site=0), outputs=["nee", "aboveground_carbon"]), rng)
    prior = Density(calibration(blank, first, 300.0))
    values = prior.expand(prior.prior_positions(60, rng))
    alive = np.flatnonzero((values["aboveground_carbon"] > 300) & (values["aboveground_carbon"] < 3e4) & np.isfinite(values["soil_carbon"]))
    truth = KNOWN | {n: float(v[alive[0]]) for n, v in values.items() if v.ndim == 1}
    run = simulate(LAND, data.isel(site=0), {n: truth[n] for n in LAND.calibrated}, outputs=["nee", "aboveground_carbon"])
    made, sd = observed(data, run, rng)
    density = Density(calibration(made, first, sd))
    modes = find_modes(density, starts=4, seed=number)
    tree = sample(density, draws=DRAWS, tune=TUNE, chains=2, seed=number, target_accept=0.9, initial=modes, cores=2, progress=False)
    posterior = tree["posterior"].to_dataset()
    draws = {n: posterior[n].values.reshape(posterior.sizes["chain"], -1) for n in (*LAND.calibrated, *SHOWN[3:]) if n not in KNOWN}
    figures = convergence(draws)
    low, high = (_quantiles(prior.expand(prior.prior_positions(400, rng)), q) for q in (0.05, 0.95))
    return {
        "covered": {n: bool(np.quantile(d, 0.05) <= truth[n] <= np.quantile(d, 0.95)) for n, d in draws.items()},
        "width": {n: float(np.ptp(np.quantile(draws[n], [0.05, 0.95])) / (high[n] - low[n])) for n in SHOWN},
        "rhat": float(np.nanmax(figures["rhat"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "seconds": time.perf_counter() - began,
    }


def _quantiles(values: dict[str, np.ndarray], q: float) -> dict[str, float]:
    return {n: float(np.nanquantile(values[n], q)) for n in SHOWN}


def main(number: int) -> None:
    """Run the twins that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = base()
    par = 0.48 * data["shortwave_down"]  # energies
    data = data.assign(par_down=par.assign_attrs(QUANTITIES["par_down"].attrs()))
    for k in range(number):
        path = RESULTS / f"{k:02d}.json"
        if not path.exists():
            path.write_text(json.dumps(twin(k, data)))
        done = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("*.json"))]
        rhat = [d["rhat"] for d in done]
        diverged = sum(d["divergences"] for d in done)
        lines = [
            "# Soil carbon behind a disturbance",
            "",
            f"{len(done)} twins, made by `python benchmarks/experiment_disturbance.py`: VSEM, equilibrium, a disturbance in an unknown",
            "year, regrowth; three years of daily NEE and yearly vegetation above ground. Width: that of the 90 % interval over that of",
            "the prior.",
            f"R-hat: median {np.median(rhat):.3f}, largest {max(rhat):.3f}; {diverged} divergences.",
            "",
            "| at the start of the record | truth inside the 90 % interval | width |",
            "|---|---|---|",
            *(f"| {n} | {np.mean([d['covered'][n] for d in done]):.2f} | {np.median([d['width'][n] for d in done]):.2f} |" for n in SHOWN),
            f"| all parameters and pools | {np.mean([list(d['covered'].values()) for d in done]):.3f} | |",
        ]
        (HERE / "disturbance.md").write_text("\n".join(lines) + "\n")
        print(k, {n: done[-1]["covered"][n] for n in SHOWN}, round(done[-1]["rhat"], 3), round(done[-1]["seconds"]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
