"""What experiment_equifinality.py calibrates: two pools seen through one flux, a product of three parameters, DALEC-CDEA from NEE alone."""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from scipy.optimize import least_squares

from lsm_bayes import datasets, land
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.declare import Parameter, Prior, ProcessModel
from lsm_bayes.errors import ErrorModel
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

EXACT = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
DAYS, NOISE, LITTER = 400, 0.03, 500.0
RATE, FRACTION = (1e-3, 0.1), (0.05, 0.95)
DALEC = land.get("dalec_cdea")
RIDGES = (("soil_mineralisation", "soil_carbon"), ("canopy_efficiency", "leaf_mass_area"))


class Decay(NamedTuple):
    """Parameters of the two pools."""

    litter_decay_rate: Annotated[float, Parameter("d-1", RATE, "fraction of litter lost per day")] = 0.03
    soil_decay_rate: Annotated[float, Parameter("d-1", RATE, "fraction of soil organic matter lost per day")] = 0.01
    passed_on: Annotated[float, Parameter("1", FRACTION, "fraction of litter lost that becomes soil organic matter", Prior("uniform"))] = (
        0.8
    )


class Pools(NamedTuple):
    """Pools."""

    litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e4), "litter at the start")] = LITTER
    soil_carbon: Annotated[float, Parameter("gC m-2", (1e-3, 1e4), "soil organic matter at the start")] = 1e-3


class Input(NamedTuple):
    """Drivers."""

    litterfall: float
    step_length: float


class Respired(NamedTuple):
    """Fluxes."""

    heterotrophic_respiration: Any


def decay(x: Pools, f: Input, p: Decay) -> tuple[Pools, Respired]:
    """Advance the pools by one day."""
    lost, mineralised = p.litter_decay_rate * x.litter_carbon, p.soil_decay_rate * x.soil_carbon
    pools = Pools(
        x.litter_carbon + f.step_length * (f.litterfall - lost), x.soil_carbon + f.step_length * (p.passed_on * lost - mineralised)
    )
    return pools, Respired((1.0 - p.passed_on) * lost + mineralised)


class Uptake(NamedTuple):
    """Three parameters of which one combination matters."""

    light_use_efficiency: Annotated[float, Parameter("gC MJ-1", (0.05, 5.0), "GPP per absorbed light")] = 0.8
    absorbed_share: Annotated[float, Parameter("1", (0.05, 5.0), "share of light that is absorbed, times a scale")] = 0.7
    stress: Annotated[float, Parameter("1", (0.1, 10.0), "divisor of GPP")] = 1.2


class Light(NamedTuple):
    """Drivers."""

    par_down: float
    step_length: float


class Nothing(NamedTuple):
    """A state is needed; this one does not change."""

    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e3), "leaves")] = 100.0


class Gained(NamedTuple):
    """Fluxes."""

    gpp: Any


def uptake(x: Nothing, f: Light, p: Uptake) -> tuple[Nothing, Gained]:
    """Return GPP, which knows a product and a quotient of three parameters."""
    return x, Gained(p.light_use_efficiency * p.absorbed_share / p.stress * f.par_down)


def declared(name: str, title: str, step: Any, parts: tuple[Any, Any, Any, Any]) -> ProcessModel:
    """Declare a process model of this experiment."""
    parameters, state, forcing, fluxes = parts
    return ProcessModel(name=name, title=title, step=step, parameters=parameters, state=state, forcing=forcing, fluxes=fluxes, budgets={})


TWO_POOLS = declared("bare_soil", "Litter on bare soil", decay, (Decay, Pools, Input, Respired))
LIGHT = declared("light_product", "GPP from a product", uptake, (Uptake, Nothing, Light, Gained))
CHAMBER = ObservationOperator(
    "respired", {"heterotrophic_respiration": (0.0, 1e4)}, lambda s: s["heterotrophic_respiration"], quantity="heterotrophic_respiration"
)


def truth_of(seed: int) -> dict[str, float]:
    """Rates and fraction whose second set lies inside the bounds too."""
    rng = np.random.default_rng([19, seed])
    slow, ratio = float(np.exp(rng.uniform(np.log(0.006), np.log(0.012)))), rng.uniform(2.0, 4.0)
    # The second fraction is 1 - (1 - first) ratio.
    first = 1 - rng.uniform(0.3, 0.8) / ratio
    return {"litter_decay_rate": slow * ratio, "soil_decay_rate": slow, "passed_on": float(np.clip(first, 0.1, 0.9))}


def respiration(litter_rate: np.ndarray, soil_rate: np.ndarray, passed_on: np.ndarray, litterfall: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the respiration of each day of many parameter sets, without the package."""
    litter, soil = np.full(litter_rate.shape, LITTER), np.full(litter_rate.shape, 1e-3)
    for fall in litterfall:
        lost, mineralised = litter_rate * litter, soil_rate * soil
        yield (1 - passed_on) * lost + mineralised
        litter, soil = litter + fall - lost, soil + passed_on * lost - mineralised


def quadrature(seen: np.ndarray, litterfall: np.ndarray, truth: dict[str, float]) -> tuple[list[float], float]:
    """Integrate prior times likelihood around the truth and around its mirror image (logarithms), both known in advance.

    The grids are regular in coordinates in which each is nearly a standard normal, and reach as far as seven of its sd; the prior is
    constant in the logarithms of the rates and in the fraction. Also how much the weight of the first changes on a coarser grid.
    """

    def misfit(x: np.ndarray) -> np.ndarray:
        run = respiration(*(np.array([v]) for v in (np.exp(x[0]), np.exp(x[1]), x[2])), litterfall)
        return (np.concatenate(list(run)) - seen) / NOISE

    def integral(start: list[float], side: int) -> float:
        best = least_squares(misfit, start, x_scale=[0.1, 0.1, 0.1])
        root = np.linalg.cholesky(np.linalg.inv(best.jac.T @ best.jac))
        along = np.linspace(-7, 7, side)
        grid = best.x[:, None] + root @ np.stack([g.ravel() for g in np.meshgrid(along, along, along)])
        inside = (
            (FRACTION[0] < grid[2])
            & (grid[2] < FRACTION[1])
            & (np.abs(grid[:2] - np.log(RATE).mean()) < np.log(RATE[1] / RATE[0]) / 2).all(0)
        )
        grid = grid[:, inside]
        run = respiration(np.exp(grid[0]), np.exp(grid[1]), grid[2], litterfall)
        squares = sum((r - y) ** 2 for r, y in zip(run, seen, strict=True))
        cell = 3 * np.log(along[1] - along[0]) + np.log(np.diag(root)).sum()
        return float(np.logaddexp.reduce(-0.5 * squares / NOISE**2) + cell)

    fast, slow, passed = truth.values()
    starts = [np.log(fast), np.log(slow), passed], [np.log(slow), np.log(fast), 1 - (1 - passed) * fast / slow]
    found, other = ([integral(x, n) for x in starts] for n in (29, 23))
    weight = [1 / (1 + np.exp(b - a)) for a, b in (found, other)]
    return found, float(abs(weight[0] - weight[1]))


def two_pool_data(seed: int) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """Daily respiration of the truth, with the litterfall that made it."""
    days = pd.date_range("2001-01-01", periods=DAYS)
    litterfall = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(DAYS) / 365.25)
    clean = np.concatenate(list(respiration(*(np.array([v]) for v in truth_of(seed).values()), litterfall)))
    seen = clean + NOISE * np.random.default_rng([19, seed, 1]).standard_normal(DAYS)
    attrs = {n: QUANTITIES[n].attrs() for n in ("litterfall", "heterotrophic_respiration")}
    observed = {"heterotrophic_respiration": seen, "heterotrophic_respiration_uncertainty": np.full(DAYS, NOISE)}
    data = {n: ("time", v, attrs["heterotrophic_respiration"]) for n, v in observed.items()}
    return xr.Dataset(data | {"litterfall": ("time", litterfall, attrs["litterfall"])}, coords={"time": days}), seen, litterfall


def dalec_data() -> tuple[xr.Dataset, dict[str, float], np.ndarray]:
    """Three years of weekly NEE of DALEC-CDEA at FI-Hyy, truth, and Jacobian of NEE to the logarithms of the parameters of the ridges."""
    data = datasets.load("fluxnet-daily-water", sites=["FI-Hyy"]).sel(time=slice("2006", "2008"))
    truth = {n: default for n, (_, default) in DALEC.calibrated.items()}

    def nee(change: dict[str, float]) -> np.ndarray:
        values: np.ndarray = simulate(DALEC, data.isel(site=0), truth | change, outputs=["nee"])["nee"].values.ravel()
        return values

    names = [n for pair in RIDGES for n in pair]
    step = 1e-3
    slopes = [(nee({n: truth[n] * np.exp(step)}) - nee({n: truth[n] * np.exp(-step)})) / (2 * step) for n in names]
    noisy = nee({}) + 0.8 * np.random.default_rng(19).standard_normal(data.sizes["time"])
    attrs = data["nee"].attrs
    data["nee"] = (data["nee"].dims, noisy[None], attrs)
    data["nee_uncertainty"] = (data["nee"].dims, np.full_like(noisy, 0.8)[None], attrs)
    return data, truth, np.stack(slopes, axis=1)


def dalec_model(data: xr.Dataset, fixed: dict[str, float]) -> pm.Model:
    """Calibrate on weekly NEE alone."""
    return build_model(DALEC, data, [Stream("nee", "week", EXACT)], fixed=fixed)
