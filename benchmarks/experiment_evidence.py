"""Does comparison find the model that made the data, and is the log evidence right? Writes benchmarks/evidence.md.

Gaussian: regressions with 5 and 10 coefficients, whose evidence is known, by bridge sampling and by SMC. Twins: weekly NEE and leaf area
made by one of three process models with forcing of FI-Hyy 2006-2008 (CH-Dav 2013-2015 without LSM_BAYES_DATA), each fitted by all three;
weights of the right one by evidence, and by stacking and pseudo-BMA+ of half-years left out. SIPNET also reads humidity, wind (2 m s-1)
and soil temperature (a running mean of that of the air), and what it has beyond 23 parameters and pools stays at its defaults for Niwot
Ridge. One file for each fit; a killed run goes on.
Run: python benchmarks/experiment_evidence.py [FOLDER].
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from lsm_bayes.models.sipnet_niwot import model as sipnet_niwot

from lsm_bayes import datasets, land
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.calibration.priors import date_prior
from lsm_bayes.comparison import Blocks, compare, cross_validate, log_evidence
from lsm_bayes.comparison.cross_validation import GROUP
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.inference import Density, find_modes, load, sample, sample_mixture, save
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

HERE = Path(__file__).parent
CANDIDATES = ("dalec_cdea", "sipnet_smooth", "vsem")
TRUTHS = (("dalec_cdea", 0), ("sipnet_smooth", 1), ("vsem", 2))
SIPNET_FREE = (*sipnet_niwot.FREE, "leaf_turnover", "leaf_mass_area", "foliage_carbon", "soil_carbon", "soil_water_storage")
DATA_SETS = 3
MOL_PER_MJ = 4.57  # of photons, in sunlight
UNCERTAINTY = {"nee": 0.8, "lai": 0.3}  # sd of one day; independent
ERROR = ErrorModel(structural=Scale(0.5), envelope=0.0, correlation=None, discrepancy=None)
STREAMS = [Stream("nee", "week", ERROR), Stream("lai", "day", ERROR)]


def gaussian(folder: Path) -> list[dict[str, float]]:
    """Errors of the log evidence of regressions, by dimension and method."""
    rows = []
    for seed in range(DATA_SETS):
        for dimension in (5, 10):
            path = folder / f"gaussian-{dimension}-{seed}.json"
            if not path.exists():
                rng = np.random.default_rng([dimension, seed])
                x = rng.normal(size=(80, dimension)) @ (np.eye(dimension) + 0.5 * np.tril(rng.normal(size=(dimension, dimension)), -1))
                y = x @ rng.normal(size=dimension) + rng.normal(size=80)
                with pm.Model() as model:
                    b = pm.Normal("b", 0.0, 2.0, shape=dimension)
                    pm.Normal("y", x @ b, 1.0, observed=y)
                spread = np.eye(80) + 4.0 * x @ x.T
                exact = float(-0.5 * (y @ np.linalg.solve(spread, y) + np.linalg.slogdet(2 * np.pi * spread)[1]))
                density = Density(model)
                tree = sample(density, draws=1000, tune=500, chains=2, cores=1, seed=seed, progress=False)
                bridge = log_evidence(density, tree, seed=seed)
                smc = log_evidence(model, method="smc", seed=seed, draws=1000, chains=2, cores=1)
                path.write_text(
                    json.dumps(
                        {
                            "dimension": dimension,
                            "bridge": bridge.value - exact,
                            "bridge_error": bridge.error,
                            "smc": smc.value - exact,
                            "smc_error": smc.error,
                        }
                    )
                )
            rows.append(json.loads(path.read_text()))
    return rows


def base() -> xr.Dataset:
    """Three years of real forcing, with the light that VSEM reads, and days on which leaf area was seen."""
    if "LSM_BAYES_DATA" in os.environ:
        data = datasets.load("fluxnet-daily-water", sites=["FI-Hyy"]).sel(time=slice("2006", "2008"))
        seen = np.isfinite(data["lai"].values)
    else:
        data = datasets.load("ch-dav").sel(time=slice("2013", "2015"))
        seen = np.broadcast_to(np.arange(data.sizes["time"]) % 10 == 0, data["nee"].shape)
    air = 0.5 * (data["air_temperature_min"] + data["air_temperature_max"])
    soil = air.rolling(time=20, min_periods=1).mean()
    deficit = data["vapour_pressure_deficit"]
    moist = np.maximum(saturation(air) - deficit, 0.3)
    light = 0.5 * data["shortwave_down"]  # half of the shortwave radiation is photosynthetically active
    made = {
        "par_down": light,
        "photosynthetically_active_radiation": MOL_PER_MJ * light,
        "air_temperature": air,
        "soil_temperature": soil,
        "vapour_pressure": moist,
        "soil_vapour_pressure_deficit": np.maximum(saturation(soil) - moist, 0.01),
        "wind_speed": xr.full_like(air, 2.0),
        "irrigation": xr.zeros_like(air),
    }
    return data.assign({n: v.assign_attrs(QUANTITIES[n].attrs()) for n, v in made.items()} | {"seen": (data["nee"].dims, seen)})


def saturation(temperature: xr.DataArray) -> xr.DataArray:
    """Saturation vapour pressure, hPa (Allen et al. 1998, FAO 56, equation 11)."""
    return 6.108 * np.exp(17.27 * temperature / (temperature + 237.3))


def kept(name: str) -> dict[str, float]:
    """Return what is not calibrated of a process model."""
    model = land.get(name)
    return {n: v for n, (_, v) in model.calibrated.items() if name == "sipnet_smooth" and n not in SIPNET_FREE}


def twin(name: str, seed: int) -> xr.Dataset:
    """Observations of a truth near the defaults of a process model, whose canopy lives."""
    model, data = land.get(name), base()
    rng = np.random.default_rng([25, seed])
    for _ in range(2000):
        truth = {}
        for n, (declared, default) in model.calibrated.items():
            if n in kept(name):
                truth[n] = default
                continue
            low, high = declared.bounds
            moved = default + 10 * rng.normal() if declared.period is not None else default * np.exp(0.25 * rng.normal())
            truth[n] = default if declared.fixed else float(np.clip(moved, low + 0.02 * (high - low), high - 0.02 * (high - low)))
        run = simulate(model, data, truth, outputs=["nee", "lai", "gpp"])
        last = {n: run[n].values.ravel()[-365:] for n in ("lai", "gpp")}
        # A season of the leaf area is what tells the first model from the others.
        if np.isfinite(run["lai"].values).all() and 0.5 < last["lai"].max() < 7 and 1 < last["gpp"].mean() < 6:
            break
    else:
        raise RuntimeError(f"no truth of {name} near its defaults has a living canopy")
    seen = {"nee": np.isfinite(data["nee"].values), "lai": data["seen"].values}
    for n, sd in UNCERTAINTY.items():
        values = run[n].transpose(*data["nee"].dims).values if "site" in run[n].dims else run[n].values.reshape(data["nee"].shape)
        noisy = np.where(seen[n], values + sd * rng.normal(size=values.shape), np.nan)
        attrs = QUANTITIES[n].attrs()
        data = data.assign({n: (data["nee"].dims, noisy, attrs), f"{n}_uncertainty": (data["nee"].dims, np.full(values.shape, sd), attrs)})
    return data


def calibration(name: str, data: xr.Dataset) -> pm.Model:
    """Fit the same streams with the same error models by one of the process models."""
    model = land.get(name)
    # SIPNET's days count within a year and keep their priors.
    table = model.parameter_table
    dates = [n for n in ("leaf_onset_day", "leaf_fall_day") if n in table and table[n][0].period is not None]
    days = observed_turning_days(data.isel(site=0)) if dates else ()
    priors = {n: date_prior(day, 20.0, table[n][0]) for n, day in zip(dates, days, strict=True)}
    return build_model(model, data, STREAMS, priors=priors, fixed=kept(name))


def fit(name: str, data: xr.Dataset, seed: int, path: Path) -> xr.DataTree:
    """Fit, evidence and scores of half-years; read where they are done."""
    if path.exists():
        tree = load(path)
        if GROUP in tree.children:
            return tree
    began = time.perf_counter()
    density = Density(calibration(name, data))
    modes = find_modes(density, starts=4, seed=seed, spread={n: 0.7 for n in density.slices if n == "z"})
    settings = {"draws": 500, "tune": 300, "chains": 2, "cores": 1, "seed": seed, "progress": False}
    tree = sample_mixture(density, modes, rounds=1, **settings)
    log_evidence(density, tree, seed=seed)
    cross_validate(density, tree, Blocks(0.5), draws=1000, refits="never", progress=False)
    save(tree, path)
    print(f"{path.name}: {time.perf_counter() - began:.0f} s", flush=True)
    return tree


def twins(folder: Path) -> list[tuple[str, pd.DataFrame]]:
    """Table of each twin."""
    found = []
    for truth, seed in TRUTHS:
        data = twin(truth, seed)
        results = {n: fit(n, data, seed, folder / f"twin-{seed}-{truth}-by-{n}.nc") for n in CANDIDATES}
        table = compare(results)
        print(truth, seed, table, sep="\n", flush=True)
        found.append((truth, table.table))
        write(folder, found)
    return found


def write(folder: Path, found: list[tuple[str, pd.DataFrame]]) -> None:
    """Write benchmarks/evidence.md from what is done."""
    lines = ["# Evidence and predictive weights", "", "Made by `python benchmarks/experiment_evidence.py`.", "", "## Gaussian", ""]
    lines += [
        f"80 values on correlated regressors, {DATA_SETS} data sets each; error of the log evidence (nats), asked: below 0.2.",
        "",
    ]
    lines += ["| coefficients | method | largest absolute error | mean error | stated standard error, mean |", "|---|---|---|---|---|"]
    rows = pd.DataFrame(gaussian(folder))
    for dimension, part in rows.groupby("dimension"):
        lines += [
            f"| {dimension} | {m} | {part[m].abs().max():.3f} | {part[m].mean():+.3f} | {part[f'{m}_error'].mean():.3f} |"
            for m in ("bridge", "smc")
        ]
    if found:
        lines += twin_table(found)
    (HERE / "evidence.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def twin_table(found: list[tuple[str, pd.DataFrame]]) -> list[str]:
    """Lines on the twins."""
    lines = [
        "",
        "## Twins",
        "",
        "Weekly NEE and leaf area of three years, made by the model in the first column and fitted by three. Units are",
    ]
    lines += ["half-years; elpd differences to the best with their standard errors, log densities in nats.", ""]
    head = ("truth", "fitted by", "elpd difference", "stacking", "pseudo-BMA+", "log evidence", "evidence weight", "largest k", "refits")
    lines += [f"| {' | '.join(head)} | units to be trusted | gates failed |", f"|{'---|' * 11}"]
    for truth, table in found:
        for name, r in table.iterrows():
            lines.append(
                f"| {truth} | {name} | {r['difference']:.1f} ± {r['difference_se']:.1f} | {r['stacking']:.2f} | {r['pseudo_bma']:.2f} | "
                f"{r['log_evidence']:.1f} ± {r['log_evidence_error']:.1f} | {r['evidence_weight']:.3f} | {r['worst_k']:.2f} | "
                f"{r['refits']:.0f} | {r['sound']:.0f} | {r['gates_failed']:.0f} |"
            )
    right = [t.loc[truth] for truth, t in found]
    least = {k: min(r[k] for r in right) for k in ("evidence_weight", "stacking", "pseudo_bma")}
    lines += ["", f"Weight of the right model, smallest of {len(right)} twins: evidence {least['evidence_weight']:.3f}, "]
    lines[-1] += f"stacking {least['stacking']:.2f}, pseudo-BMA+ {least['pseudo_bma']:.2f}; asked: 0.9."
    return lines


if __name__ == "__main__":
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results/evidence")
    results.mkdir(parents=True, exist_ok=True)
    write(results, [])
    twins(results)
