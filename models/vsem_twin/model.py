"""VSEM with known truth: three streams of made-up observations, the likelihood of Cameron et al. (2022, doi 10.1111/2041-210X.14002)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from lsm_bayes.models import Reference
from scipy.stats import norm

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel
from lsm_bayes.errors.terms import SpreadTerm
from lsm_bayes.land import get
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

LAND = get("vsem_original")
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
POOLS = {n: ObservationOperator(n, {n: (0.0, 1e6)}, lambda s, n=n: s[n]) for n in ("aboveground_carbon", "soil_carbon")}
FREE = (
    "light_extinction",
    "light_use_efficiency",
    "aboveground_residence_time",
    "soil_residence_time",
    "aboveground_carbon",
    "soil_carbon",
)
TRUTH = {n: default for n, (_, default) in LAND.calibrated.items()}
RIGHT = {n: v for n, v in TRUTH.items() if n not in FREE}
STEPS, SPARSE = 2048, 2 * np.array([1, 202, 390, 550, 750, 920]) - 1
COEFFICIENT = "noise_coefficient"
NOISE, FLOOR = 0.1, 0.5  # coefficient of variation, least sd of NEE in gC m-2 d-1


@dataclass(frozen=True)
class Proportional(SpreadTerm):
    """The random error of the paper: sd c |F|, one c for all streams, uniform on [0.001, 0.5]."""

    floor: float = 0.0

    def variance(self, mean: Any, places: Any) -> Any:
        """Return (c |F|) squared, at least the floor squared."""
        known = pm.modelcontext(None).named_vars.get(COEFFICIENT)
        c = pm.Uniform(COEFFICIENT, 0.001, 0.5) if known is None else known
        return pt.maximum(c * pt.abs(mean), self.floor) ** 2

    def simulate(self, mean: np.ndarray, draws: Any, stream: str) -> np.ndarray:
        """Return draws of (c |F|) squared, at least the floor squared, (draw, observation)."""
        return np.asarray(np.maximum(draws[COEFFICIENT] * np.abs(mean), self.floor) ** 2)

    @property
    def shared(self) -> tuple[str, ...]:
        """Name c, which is that of all streams."""
        return (COEFFICIENT,)

    def describe(self) -> str:
        """Say what the sd is."""
        return f"random error c |F|, at least {self.floor:g}"


def twin(seed: int, *, unbalanced: bool = False, soil_seen: float = 1.0) -> tuple[xr.Dataset, xr.Dataset]:
    """Make light, observations and the true pools.

    Parameters
    ----------
    seed : int
        Number of the twin.
    unbalanced : bool
        Observe vegetation on six days, everything else on 2,048.
    soil_seen : float
        Factor of the observations of soil carbon: a bias of the data when it is not 1.

    Returns
    -------
    tuple of xarray.Dataset
        Data for `build`, and the truth: NEE, and the means of the pools over each day, in gC m-2.
    """
    rng, day = np.random.default_rng([5, seed]), np.arange(1, STEPS + 1)
    light = 10.0 * np.abs(np.sin(np.pi * day / 365.0) + 0.25 * rng.standard_normal(STEPS))
    coords = {"time": pd.date_range("2001-01-01", periods=STEPS)}
    data = xr.Dataset({"par_down": ("time", light, QUANTITIES["par_down"].attrs())}, coords)
    run = simulate(LAND, data, TRUTH, outputs=["nee", *POOLS])
    truth = {"nee": run["nee"].values} | {n: of_day(run[n].values) for n in POOLS}
    for n, x in truth.items():
        sd = np.maximum(NOISE * np.abs(x), FLOOR if n == "nee" else 0.0)
        factor = soil_seen if n == "soil_carbon" else 1.0
        y = factor * (x + sd * rng.standard_normal(STEPS))
        if n == "aboveground_carbon" and unbalanced:
            y[~np.isin(np.arange(STEPS), SPARSE)] = np.nan
        name, attrs = n if n == "nee" else f"{n}_observed", QUANTITIES[n].attrs()
        data = data.assign({name: ("time", y, attrs), f"{name}_uncertainty": ("time", factor * sd, attrs)})
    return data, xr.Dataset({n: ("time", v) for n, v in truth.items()}, coords)


def of_day(pool: np.ndarray) -> np.ndarray:
    """Mean of start and end of each step, which operators see.

    Parameters
    ----------
    pool : numpy.ndarray
        At the ends of steps, shape (..., steps + 1).

    Returns
    -------
    numpy.ndarray
        Shape (..., steps).
    """
    return 0.5 * (pool[..., 1:] + pool[..., :-1])


def stream(name: str, error: ErrorModel = STATED, period: Any = "day") -> Stream:
    """Declare a stream; one called like a pool needs another name.

    Parameters
    ----------
    name : str
        ``"nee"`` or a pool of `POOLS`.
    error : ErrorModel
        Its error model.
    period : str
        Over which observations are averaged.

    Returns
    -------
    Stream
        The stream.
    """
    return Stream(name, period, error) if name == "nee" else Stream(name, period, error, None, POOLS[name], f"{name}_observed")


def published_streams(terms: Mapping[str, Any] | None = None, *, stated: bool = False) -> list[Stream]:
    """Streams with the likelihood of the paper.

    Parameters
    ----------
    terms : mapping of str to error term, optional
        Further terms of single streams.
    stated : bool
        Take the true sd in place of the paper's c |F|.

    Returns
    -------
    list of Stream
        NEE, vegetation above ground, soil carbon.
    """
    found = []
    for n in ("nee", *POOLS):
        error = STATED + terms[n] if terms and n in terms else STATED
        # The term gives the variance; what is stated beside it is next to nothing.
        noisy = replace(stream(n, error + Proportional(FLOOR if n == "nee" else 0.0)), uncertainty=1e-4)
        found.append(stream(n, error) if stated else noisy)
    return found


def build(data: xr.Dataset, *, streams: Sequence[Stream] | None = None, fixed: Mapping[str, float] = RIGHT) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        From `twin`.
    streams : sequence of Stream, optional
        In place of `published_streams`.
    fixed : mapping of str to float
        Parameters and initial pools that are not calibrated, and their values.

    Returns
    -------
    pymc.Model
        Six parameters and initial pools, and the noise coefficient.
    """
    return build_model(LAND, data, list(streams or published_streams()), fixed=fixed)


def reference() -> Reference:
    """Say what the reference posterior is of.

    Returns
    -------
    Reference
        Twin 0 with all observations. Far from the data all climbs end where the noise coefficient is at its bound, so the search begins at
        the truth too.
    """
    bounds = {n: LAND.calibrated[n][0].bounds for n in FREE}
    z = [float(norm.ppf((TRUTH[n] - low) / (high - low))) for n, (low, high) in bounds.items()]
    return Reference(twin(0)[0], starts=[{"z": z, "noise_coefficient": NOISE}])
