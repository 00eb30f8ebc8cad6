"""A small land model with parameters of every level, and made-up towers that it fits exactly."""

from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from lsm_bayes.calibration import InProportion, NearEquilibrium, Stream
from lsm_bayes.declare import Budget, Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.inference import Density
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

# Records: three years, the first two, the last two.
SITES = {"XX-One": ("ENF", "2010", "2011"), "XX-Two": ("DBF", "2010", "2012"), "XX-Six": ("ENF", "2011", "2012")}
UNCERTAINTY = {"nee": 0.3, "gpp": 0.3, "lai": 0.2}
SIGMA, PHI = 0.6, 0.5  # of the structural error of NEE


class Parameters(NamedTuple):
    efficiency: Annotated[float, Parameter("1", (0.05, 2.0), "light-use efficiency", level="pft")] = 0.5
    turnover: Annotated[float, Parameter("d-1", (1e-3, 0.1), "fraction of leaves lost per day", Prior("log_normal", 0.01, 0.5))] = 0.02
    respiration: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of soil respired per day at 0 degC")] = 1e-3
    q10: Annotated[float, Parameter("1", (1.2, 3.0), "factor for 10 degC", Prior("normal", 2.0, 0.5), level="global")] = 1.8
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (20.0, 200.0), "leaf carbon per leaf area", level="pft")] = 60.0
    peak_day: Annotated[float, Parameter("d", (365.25, 1461.0), "day of the largest efficiency", Prior("uniform"), period=365.25)] = 560.0


class State(NamedTuple):
    foliage_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1000.0), "leaves at the start")] = 150.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (100.0, 1e5), "soil at the start")] = 2000.0


class Forcing(NamedTuple):
    day_number: float
    shortwave_down: float
    air_temperature: float
    step_length: float


class Fluxes(NamedTuple):
    nee: Any
    gpp: Any
    reco: Any
    lai: Any
    temperature_factor: Any


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    season = 1.0 + 0.4 * pt.cos((2 * np.pi / 365.25) * (f.day_number - p.peak_day))
    gpp = p.efficiency * season * f.shortwave_down * x.foliage_carbon / (x.foliage_carbon + 100.0)
    warmth = p.q10 ** (f.air_temperature / 10.0)
    respired = p.respiration * warmth * x.soil_carbon
    litter = p.turnover * x.foliage_carbon
    following = State(x.foliage_carbon + f.step_length * (0.5 * gpp - litter), x.soil_carbon + f.step_length * (litter - respired))
    return following, Fluxes(respired - 0.5 * gpp, gpp, respired + 0.5 * gpp, x.foliage_carbon / p.leaf_mass_area, warmth)


TOWERS = ProcessModel(
    name="towers",
    title="Leaves and soil",
    step=step,
    parameters=Parameters,
    state=State,
    forcing=Forcing,
    fluxes=Fluxes,
    budgets={"carbon": Budget(("foliage_carbon", "soil_carbon"), ("gpp",), ("reco",))},
    equilibrium=Equilibrium(
        ("gpp", "temperature_factor"),
        lambda means, p: {"soil_carbon": 0.5 * means["gpp"] / (p.respiration * means["temperature_factor"])},
    ),
    folded=("step_length",),
)


def errors(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Draw stated random errors of NEE and structural ones with memory."""
    structural = rng.normal(size=steps)
    for t in range(1, steps):
        structural[t] = PHI * structural[t - 1] + np.sqrt(1 - PHI**2) * structural[t]
    return SIGMA * structural + UNCERTAINTY["nee"] * rng.normal(size=steps)


def made_up_towers(seed: int = 1, sites: dict[str, tuple[str, str, str]] = SITES, parameters: dict[str, float] | None = None) -> xr.Dataset:
    """Make forcing and observations of a truth that the model can reach, on the union of the records."""
    rng = np.random.default_rng(seed)
    time = pd.date_range(min(s[1] for s in sites.values()), f"{max(s[2] for s in sites.values())}-12-31")
    pieces = []
    for pft, first, last in sites.values():
        own = pd.date_range(first, f"{last}-12-31")
        weather = plausible_weather(["shortwave_down", "air_temperature"], np.arange(own.size) + 0.5, 1.0, rng)
        forcing = xr.Dataset({n: ("time", v, QUANTITIES[n].attrs()) for n, v in weather.items()}, coords={"time": own})
        run = simulate(TOWERS, forcing, parameters)[["nee", "gpp", "lai"]]
        observed = {}
        for stream, sd in UNCERTAINTY.items():
            error = errors(rng, own.size) if stream == "nee" else sd * rng.normal(size=own.size)
            known = rng.uniform(size=own.size) < 0.8 if stream != "lai" else np.arange(own.size) % 8 == 3
            observed[stream] = ("time", np.where(known, run[stream].values + error, np.nan), QUANTITIES[stream].attrs())
            observed[f"{stream}_uncertainty"] = ("time", np.full(own.size, sd), QUANTITIES[stream].attrs() | {"source": "as given"})
        pieces.append(forcing.assign(observed).reindex(time=time).assign_coords(pft=pft, latitude=50.0))
    return xr.concat(pieces, pd.Index(list(sites), name="site"), join="outer").assign_attrs(title="made up", licence="CC0")


INITIAL = {"foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)), "soil_carbon": NearEquilibrium(0.5)}
INDEPENDENT = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)
STREAMS = (Stream("nee"), Stream("gpp", "month", INDEPENDENT), Stream("lai"))


def relative_gradient_error(density: Density, seed: int) -> float:
    """Compare with central differences along random directions, extrapolated once."""
    rng = np.random.default_rng(seed)
    worst = 0.0
    for position in density.prior_positions(3, rng):
        value, gradient = density(position)
        assert np.isfinite(value)
        for _ in range(6):
            direction = rng.normal(size=position.size)
            slope = [(density(position + h * direction)[0] - density(position - h * direction)[0]) / (2 * h) for h in (2e-4, 1e-4)]
            worst = max(worst, abs((4 * slope[1] - slope[0]) / 3 - gradient @ direction) / np.linalg.norm(gradient * direction))
    return worst


def prior_draws(model: pm.Model, draws: int) -> xr.DataTree:
    """Give draws of the prior in place of a posterior: what a hierarchy makes of them is known."""
    density = Density(model)
    values = density.expand(density.prior_positions(draws, np.random.default_rng(1)))
    dims = {n: ("chain", "draw", *(model.named_vars_to_dims.get(n) or [f"{n}_{k}" for k in range(v.ndim - 1)])) for n, v in values.items()}
    coords = {k: list(v) for k, v in model.coords.items() if v} | {"chain": [0], "draw": np.arange(draws)}
    return xr.DataTree.from_dict({"/posterior": xr.Dataset({n: (dims[n], v[None]) for n, v in values.items()}, coords=coords)})
