"""Twins of DALEC 1005 at FI-Hyy with 17 streams: how each is observed, and truths from the constrained prior.

For `experiment_stream_value.py`. The forcing of 2006-2014 is real; the years after it have that of nine years before.
"""

from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from lsm_bayes.models.dalec_single_site.model import INITIAL
from pytensor.compile.mode import Mode

from lsm_bayes import datasets
from lsm_bayes.calibration import Constraints, Stream, build_model
from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.errors import ErrorModel, LogNormal
from lsm_bayes.errors.correlated import draw
from lsm_bayes.land import get
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.observations import get as operator
from lsm_bayes.observations.stocks import chamber_flux
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

LAND = get("dalec_1005")
FIRST, LAST, FUTURE = 2006, 2010, 2020  # fitted years, and the last one of the projection
YEARS = FUTURE - FIRST + 1
FIRE = ("foliar_combustion_completeness", "ligneous_combustion_completeness", "soil_combustion_completeness", "fire_resilience")
POOLS = ("labile_carbon", "foliage_carbon", "root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")
MEMORY = ErrorModel(structural=None, envelope=0.0, correlation=0.8, discrepancy=None)
RANDOM = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
OUTPUTS = ("nee", "gpp", "lai", *POOLS)
TARGETS = ("nee_of_ten_years", *(f"log_{p}_{FUTURE}" for p in POOLS))
PRIOR_DRAWS, BATCHES, TINY = 4000, 10, 1e-6


class Ring(NamedTuple):
    """Ring width without carry-over and trend, which five years do not show."""

    width: Annotated[float, Parameter("mm m2 d gC-1", (0.05, 20.0), "ring width per allocation to wood", Prior("log_normal", 1.0, 0.5))] = (
        1.0
    )


RINGS = ObservationOperator(
    "ring_width_by_year", {"allocation_to_wood": (0.0, 10.0)}, lambda s, p: p.width * s["allocation_to_wood"], Ring, quantity="ring_width"
)
CHAMBERS = ObservationOperator(
    "heterotrophic_respiration_of_two_pools",
    {"litter_respiration": (0.0, 20.0), "soil_respiration": (0.0, 20.0)},
    lambda s, p: chamber_flux(s["litter_respiration"] + s["soil_respiration"], p),
    operator("heterotrophic_respiration").parameters,
    quantity="heterotrophic_respiration",
)


class Plan(NamedTuple):
    """A stream: operator, error model, error sd = floor + fraction of the value, and when it is observed."""

    operator: str | ObservationOperator
    error: ErrorModel
    floor: float
    fraction: float
    when: str
    words: str
    period: str = "day"


def gained(error: ErrorModel, gain: float = 0.1) -> ErrorModel:
    """Add a gain of the product."""
    return ErrorModel(structural=None, envelope=0.0, correlation=error.correlation, discrepancy=None, gain=gain, terms=error.terms)


PLANS = {
    "nee": Plan("nee", MEMORY, 0.5, 0.1, "tower", "daily"),
    "evapotranspiration": Plan("evapotranspiration", MEMORY, 0.2, 0.15, "tower", "daily"),
    "gpp": Plan("gpp", gained(RANDOM), 0.3, 0.1, "tower", "monthly means, gain 10 %", "month"),
    "reco": Plan("reco", gained(RANDOM), 0.3, 0.1, "tower", "monthly means, gain 10 %", "month"),
    "lai": Plan("lai", gained(RANDOM), 0.1, 0.15, "season 16", "every 16 d, March to October, gain 10 %"),
    "fapar": Plan("fapar", gained(MEMORY, 0.05), 0.05, 0.0, "season 8", "every 8 d, March to October, gain 5 %"),
    "ndvi": Plan("ndvi_linear", MEMORY, 0.03, 0.0, "season 8", "every 8 d, March to October; offset and gain unknown"),
    "sif": Plan("sif_linear", MEMORY, 0.1, 0.1, "season 8", "every 8 d, March to October; slope and offset unknown"),
    "vegetation_optical_depth": Plan("vod_water_content", MEMORY, 0.05, 0.0, "season 8", "every 8 d, March to October; three unknowns"),
    "soil_moisture": Plan("soil_moisture_from_store", MEMORY, 0.04, 0.0, "season 4", "every 4 d, March to October; three unknowns"),
    "aboveground_biomass": Plan("aboveground_biomass", RANDOM + LogNormal(), 0.0, 0.2, "inventory", "three inventories, log-normal"),
    "canopy_height": Plan("canopy_height", RANDOM, 2.0, 0.0, "inventory", "three lidar flights; allometry unknown"),
    "wood_increment": Plan("wood_increment", RANDOM + LogNormal(), 0.0, 0.2, "all", "by year, log-normal", "year"),
    "ring_width": Plan(RINGS, RANDOM + LogNormal(), 0.0, 0.2, "all", "by year, log-normal; width per growth unknown", "year"),
    "aboveground_litterfall": Plan("aboveground_litterfall", RANDOM + LogNormal(), 0.0, 0.2, "all", "by year, log-normal", "year"),
    "soil_carbon_to_depth": Plan("soil_carbon_to_depth", RANDOM + LogNormal(), 0.0, 0.2, "inventory", "three campaigns, log-normal"),
    "heterotrophic_respiration": Plan(CHAMBERS, RANDOM, 0.1, 0.25, "season 16", "every 16 d, March to October; chamber factor unknown"),
}
STREAMS = [Stream(n, p.period, p.error, operator=p.operator) for n, p in PLANS.items()]


def forcing() -> tuple[xr.Dataset, xr.Dataset]:
    """Record, and the same with the years after it, whose forcing is that of nine years before."""
    data = datasets.load("fluxnet-daily-water", sites=["FI-Hyy"])
    whole = pd.date_range(f"{FIRST}-01-01", f"{FUTURE}-12-31")
    known = pd.DatetimeIndex(data["time"].values)
    source = [t if t <= known[-1] else (t.replace(day=28) if (t.month, t.day) == (2, 29) else t).replace(year=t.year - 9) for t in whole]
    future = data.sel(time=pd.DatetimeIndex(source)).assign_coords(time=whole)
    return data, future.drop_vars([v for v in future.data_vars if not np.isfinite(future[v].values.astype(float)).all()])


def days_of(data: xr.Dataset, name: str) -> np.ndarray:
    """When a stream is observed."""
    when, time = PLANS[name].when, pd.DatetimeIndex(data["time"].values)
    inside = time.year <= LAST
    if when == "tower":
        return inside & np.isfinite(data[name].values.ravel())
    if when == "inventory":
        return inside & (time.month == 7) & (time.day == 1) & (time.year % 2 == 0)
    if when == "all":
        return inside
    return inside & (time.month >= 3) & (time.month <= 10) & (np.arange(time.size) % int(when.split()[1]) == 0)


def with_streams(data: xr.Dataset, values=None, sds=None) -> xr.Dataset:
    """Put the streams into the data set: one number and sd for each observation, or made-up ones."""
    found = {}
    for name, plan in PLANS.items():
        seen = days_of(data, name)
        time = pd.DatetimeIndex(data["time"].values)
        key = {"day": np.arange(time.size), "month": time.year * 12 + time.month, "year": time.year}[plan.period]
        group = np.unique(np.asarray(key)[seen], return_inverse=True)[1]
        count = np.bincount(group)
        full = count >= {"day": 1, "month": 15, "year": 300}[plan.period]
        place = np.cumsum(full) - 1
        series = np.full((2, time.size), np.nan)
        series[0, seen] = np.where(full[group], values[name][place[group]], np.nan) if values else 1.0
        # The mean of n days has the sd of one day over the root of n.
        series[1, seen] = np.where(full[group], sds[name][place[group]], np.nan) * np.sqrt(count[group]) if values else 1.0
        series[1] = np.where(np.isfinite(series[0]), series[1], np.nan)
        attrs = {"units": QUANTITIES[name].unit}
        found |= {name: (("site", "time"), series[:1], attrs), f"{name}_uncertainty": (("site", "time"), series[1:], attrs)}
    dropped = [n for n in data.data_vars if str(n).removesuffix("_uncertainty").removesuffix("_dropped") in PLANS]
    return data.drop_vars(dropped).assign(found)


def model_of(data: xr.Dataset, dates, names) -> pm.Model:
    """Calibration with some of the streams; none at all is the constrained prior."""
    chosen = [s for s in STREAMS if s.quantity in names]
    years = (f"{FIRST}-01-01", f"{LAST}-12-31")
    fixed = {n: LAND.parameter_table[n][1] for n in FIRE}
    return build_model(LAND, data, chosen, training=years, initial=INITIAL, priors=dates, fixed=fixed, constraints=Constraints(0.2))


def targets_of(run, log=np.log):
    """NEE over the projection, gC m-2 yr-1, and the logarithms of the pools at its end, plus 1 gC m-2."""
    begin = (pd.Timestamp(f"{LAST + 1}-01-01") - pd.Timestamp(f"{FIRST}-01-01")).days
    return {TARGETS[0]: 365.25 * run["nee"][..., begin:].mean(axis=-1)} | {
        t: log(run[p][..., -1] + 1.0) for t, p in zip(TARGETS[1:], POOLS, strict=True)
    }


class Truths:
    """Draws of the constrained prior, by importance resampling, and what is observed of them.

    Parameters
    ----------
    model : pymc.Model
        With all streams; its observations do not matter.
    future : xarray.Dataset
        Forcing of the projection.
    """

    def __init__(self, model: pm.Model, future: xr.Dataset) -> None:
        self.model, self.future = model, future
        values = [model.rvs_to_values[rv] for rv in model.free_RVs]
        laws = [model[s.quantity].owner.op.dist_params(model[s.quantity].owner)[:3] for s in STREAMS]
        self.names = [n for n in LAND.calibrated if n not in FIRE]
        potentials = [sum(pm.math.sum(p) for p in model.potentials)]
        graphs = [*(model[n] for n in self.names), *(law[k] for law in laws for k in (0, 2))]
        mode = Mode("py", "fast_compile")
        # The constraints on parameters need no run, so that they are cheap to evaluate for many draws.
        self.log_weight, self.run = (
            pytensor.function(values, model.replace_rvs_by_values(g), mode=mode, on_unused_input="ignore") for g in (potentials, graphs)
        )

    def draw(self, rng: np.random.Generator):
        """Position, values and observations of one truth whose canopy lives and whose run is not chaotic."""
        for _ in range(BATCHES):
            draws, chosen, _ = self.weighted(rng, 2000)
            for k in dict.fromkeys(chosen):
                row = self.run(*(d[k] for d in draws))
                if not all(np.isfinite(v).all() for v in row):
                    continue
                values = dict(zip(self.names, map(float, row[: len(self.names)]), strict=True))
                run = self._plausible(values)
                if run is not None:
                    position = np.concatenate([np.ravel(d[k]) for d in draws])
                    return position, values | {n: float(v) for n, v in targets_of(run).items()}, row[len(self.names) :]
        raise RuntimeError("no draw of the prior has a living canopy and a run that is not chaotic; raise PRIOR_DRAWS or BATCHES")

    def weighted(self, rng: np.random.Generator, count: int):
        """Draws of the prior without constraints, which of them are chosen by importance resampling, and how many that is worth."""
        draws = pm.draw(self.model.free_RVs, PRIOR_DRAWS, random_seed=rng)
        logs = np.array([float(self.log_weight(*(d[k] for d in draws))[0]) for k in range(PRIOR_DRAWS)])
        logs = np.where(np.isfinite(logs), logs, -np.inf)
        weights = np.exp(logs - np.logaddexp.reduce(logs))
        return draws, rng.choice(logs.size, size=count, p=weights), 1 / float((weights**2).sum())

    def _plausible(self, values: dict[str, float]) -> dict[str, np.ndarray] | None:
        """Run the model where the canopy lives and the run is not chaotic: a tiny change of a parameter stays tiny."""
        nearby = xr.DataArray(values["f_auto"] * np.array([1.0, 1.0 + TINY]), dims="nearby")
        both = simulate(LAND, self.future.isel(site=0), values | {"f_auto": nearby}, outputs=OUTPUTS)
        run = {n: v.isel(nearby=0).values for n, v in both.items()}
        gpp, lai = (run[n][: 365 * YEARS].reshape(YEARS, 365) for n in ("gpp", "lai"))
        lives = 1 < gpp.mean() < 6 and gpp.mean(1).min() > 0.5 and lai.max(1).min() > 0.5 and lai.max() < 8
        # A store of water that is overdrawn in one daily step makes GPP flicker, and then no derivative means anything.
        steady = np.abs(np.diff(both["nee"].transpose("nearby", "time").values, axis=0)).max() < 1e3 * TINY
        return run if np.isfinite(run["nee"]).all() and lives and steady else None

    def observe(self, moments, rng: np.random.Generator):
        """Observations with errors, and their sds."""
        values, sds = {}, {}
        for k, (name, plan) in enumerate(PLANS.items()):
            mean, correlation = np.asarray(moments[2 * k]), np.asarray(moments[2 * k + 1])
            correlation = np.broadcast_to(correlation, mean.shape)
            sd = np.maximum(plan.floor + plan.fraction * np.abs(mean), 1e-6)
            law = plan.error.distribution
            one = (mean[None], sd[None], correlation[None])
            values[name] = (law.simulate(rng, *one) if law is not None else mean + draw(rng, one[1], one[2], np.zeros(1)))[0]
            sds[name] = sd
        return values, sds


def symbolic_targets(model: pm.Model, future: xr.Dataset):
    """Targets as expressions of the model's variables."""
    values = {n: model[n] for n in LAND.calibrated if n not in FIRE}
    return targets_of(simulate(LAND, future.isel(site=0), values, outputs=["nee", *POOLS]), pt.log)
