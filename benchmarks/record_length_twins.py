"""Records of experiment_record_length.py: twins of DALEC-CDEA with the drivers of FI-Hyy, and the tower itself, of 1, 2, 4 and 8 years."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from experiment_twins import date_priors
from lsm_bayes.models.dalec_single_site.model import CONSTRAINT_WIDTH, INITIAL

from lsm_bayes import datasets
from lsm_bayes.calibration import Stream, build_model, none
from lsm_bayes.calibration.streams import LEAF_AREA_ERROR
from lsm_bayes.declare import Prior
from lsm_bayes.diagnostics.result import scale_of
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.inference import Density
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

LAND = get("dalec_cdea")
TWINS, YEARS, LAST = 12, (1, 2, 4, 8), 2013
SD, MEMORY, STATED, LEAF_SD, POOL_SD = 0.4, 0.7, 0.1, 0.3, 0.1
RIGHT = ErrorModel(structural=Scale(0.5), envelope=0.0, correlation=0.95, discrepancy=None)
INDEPENDENT = ErrorModel(structural=Scale(0.5), envelope=0.0, correlation=None, discrepancy=None)
PRIOR_DRAWS, SPIN_UP = 3000, 3


@cache
def tower() -> xr.Dataset:
    """Return the real record, leaf area once a month."""
    data = datasets.load("fluxnet-daily-water", sites=["FI-Hyy"]).sel(time=slice("2006", str(LAST + 1)))
    day = pd.DatetimeIndex(data["time"].values).day
    for name in ("lai", "lai_uncertainty"):
        data[name] = data[name].where(xr.DataArray(day == 20, dims="time"))
    return data


def streams_of(error: ErrorModel) -> list[Stream]:
    """Weekly NEE and leaf area."""
    return [Stream("nee", "week", error), Stream("lai", error=LEAF_AREA_ERROR)]


@cache
def prior() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, dict[str, float]]:
    """Parameters, coordinates and shares of draws of the prior, and the sd of each parameter on the scale on which it is judged."""
    model = build_model(LAND, tower(), streams_of(RIGHT), priors=date_priors(tower()))
    names = list(LAND.parameter_table)
    graphs = [*(model[n] for n in names), model["z"], *model.potentials]
    drawn = pm.draw(graphs, PRIOR_DRAWS, random_seed=14, mode="FAST_COMPILE")
    logs = np.sum([np.reshape(v, (PRIOR_DRAWS, -1)).sum(axis=1) for v in drawn[len(names) + 1 :]], axis=0) + np.zeros(PRIOR_DRAWS)
    shares = np.exp(logs - np.logaddexp.reduce(logs))
    values, sds = dict(zip(names, drawn, strict=False)), {}
    for n, v in values.items():
        x = np.log(v) if scale_of(model.card["parameters"][n]) == "log" else v
        sds[n] = float(np.sqrt(np.average((x - np.average(x, weights=shares)) ** 2, weights=shares)))
    order = [list(model.coords["parameter"]).index(n) for n in names]
    return values, drawn[len(names)][:, order], shares, sds


def living(run: xr.Dataset) -> bool:
    """Whether leaf area and GPP stay what a forest has."""
    lai, gpp = run["lai"].values.ravel(), run["gpp"].values.ravel()
    largest = [lai[i : i + 365].max() for i in range(0, lai.size - 364, 365)]
    return bool(np.isfinite(lai).all() and min(largest) > 0.5 and max(largest) < 8 and 1 < gpp.mean() < 8)


@cache
def truths() -> list[tuple[dict[str, float], np.ndarray, xr.Dataset]]:
    """Return parameters of each twin, their coordinates, and the run of the nine years after a spin-up of three times these."""
    values, z, shares, _ = prior()
    data, pools, found = tower().isel(site=0), list(LAND.state_parameters), []
    known = int((shares > 0).sum())
    for k in np.random.default_rng(14).choice(shares.size, size=known, replace=False, p=shares):
        truth, start = {n: float(v[k]) for n, v in values.items()}, dict[str, float]()
        for _ in range(SPIN_UP + 1):
            run = simulate(LAND, data, truth | start, outputs=["nee", "lai", "gpp", *pools])
            start = {n: float(run[n].values.ravel()[-1]) for n in pools}
            if not living(run):
                break
        else:
            found.append((truth, z[k], run))
            if len(found) == TWINS:
                return found
    raise RuntimeError(f"{len(found)} of {PRIOR_DRAWS} draws of the prior have a living canopy, {TWINS} are wanted; raise PRIOR_DRAWS")


def observed(run: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Observations of a run on the days on which the tower has them."""
    data = tower()
    days = pd.DatetimeIndex(data["time"].values)
    seen = np.isfinite(data["nee"].values[0])
    week = (days.year - days.year[0]) * 52 + np.minimum((days.day_of_year - 1) // 7, 51)
    counts = np.bincount(week[seen], minlength=int(week.max()) + 1)
    noise = rng.standard_normal(counts.size)
    for i in range(1, noise.size):
        noise[i] = MEMORY * noise[i - 1] + np.sqrt(1 - MEMORY**2) * noise[i]
    error = np.sqrt(SD**2 + STATED**2 / np.maximum(counts, 1)) * noise
    lai = run["lai"].values.ravel()
    nee = np.where(seen, run["nee"].values.ravel() + error[week], np.nan)
    leaf = np.where(np.isfinite(data["lai"].values[0]), lai + LEAF_SD * rng.standard_normal(lai.size), np.nan)
    for name, series, sd in (("nee", nee, STATED), ("lai", leaf, LEAF_SD)):
        stated = np.where(np.isfinite(series), sd, np.nan)
        data = data.assign({name: data[name].copy(data=series[None]), f"{name}_uncertainty": data[name].copy(data=stated[None])})
    return data


def record(data: xr.Dataset, years: int) -> xr.Dataset:
    """Cut a record to its last years before the forecast, and the forecast."""
    return data.sel(time=slice(str(LAST - years + 1), str(LAST + 1)))


def biased(data: xr.Dataset) -> xr.Dataset:
    """Put light 10 % too high and temperatures 1 K too warm in the place of the drivers."""
    warm = {n: data[n].copy(data=data[n].values + 1.0) for n in ("air_temperature_min", "air_temperature_max")}
    return data.assign(warm | {"shortwave_down": data["shortwave_down"].copy(data=1.1 * data["shortwave_down"].values)})


def pools_at(run: xr.Dataset, years: int) -> dict[str, float]:
    """Pools at the start of a record."""
    days = int((tower()["time"].dt.year <= LAST - years).sum())
    return {n: float(run[n].values.ravel()[days]) for n in LAND.state_parameters}


def together(records: dict[str, xr.Dataset]) -> xr.Dataset:
    """Join records as sites, each on its own years."""
    days = tower()["time"].values
    return xr.concat([d.reindex(time=days).assign_coords(site=[n]) for n, d in records.items()], dim="site")


Site = tuple[str, int, int]
"""Drivers, years and number of a twin."""


def sites_of(drivers: tuple[str, ...]) -> dict[str, Site]:
    """Sites of a calibration by name."""
    return {f"{d}-{y}-{k:02d}": (d, y, k) for d in drivers for y in YEARS for k in range(TWINS)}


def twin_model(error: ErrorModel, sites: dict[str, Site]) -> pm.Model:
    """Calibrate each of some records on its own."""
    seen = [observed(run, np.random.default_rng([14, k, 1])) for k, (_, _, run) in enumerate(truths())]
    priors: dict[str, Any] = dict(date_priors(tower()))
    for i, (n, (declared, _)) in enumerate(LAND.state_parameters.items()):
        priors[n] = {}
        for name, (_, years, k) in sites.items():
            noise = POOL_SD * np.random.default_rng([14, k, 2, i]).standard_normal()
            centre = pools_at(truths()[k][2], years)[n] * np.exp(noise)
            priors[n][name] = Prior("log_normal", float(np.clip(centre, *declared.bounds)), POOL_SD)
    data = together({n: record(biased(seen[k]) if d == "biased" else seen[k], y) for n, (d, y, k) in sites.items()})
    return build_model(LAND, data, streams_of(error), withheld_years=1, priors=priors, pooling={n: none("site") for n in LAND.calibrated})


def real_model() -> pm.Model:
    """Calibrate records of the tower that end at the same time, each on its own."""
    data = together({f"FI-Hyy-{y}": record(tower(), y) for y in YEARS})
    streams = [Stream("nee", error=ErrorModel(discrepancy=None)), Stream("lai")]
    own = {n: none("site") for n in LAND.calibrated}
    priors = date_priors(tower().sel(time=slice(None, str(LAST))))
    return build_model(LAND, data, streams, withheld_years=1, initial=INITIAL, priors=priors, pooling=own, constraints=CONSTRAINT_WIDTH)


def start_of(density: Density, sites: dict[str, Site]) -> np.ndarray:
    """Truth in the coordinates of the calibration; pools at their centres, error models at a draw of their prior."""
    position = density.prior_positions(1, np.random.default_rng(0))[0]
    z, names = np.array([truths()[k][1] for _, _, k in sites.values()]), list(LAND.parameter_table)
    for name in density.slices:
        dims = density.model.named_vars_to_dims.get(name, ())
        labels: list[Any] = list(density.model.coords[dims[0]] or ()) if dims else []
        if set(labels) & set(names):
            rows = [z[:, names.index(n)] if n in names else np.zeros(len(sites)) for n in labels]
            position[density.slices[name]] = np.ravel(rows)
    return position
