"""A quick calibration of VSEM from made-up data of a year, whose function the workers of tests import."""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

KNOWN = ("light_use_efficiency", "soil_carbon")
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
TRUTH = {n: default for n, (_, default) in get("vsem").calibrated.items()}


def build(data: xr.Dataset, withheld_years: int = 0) -> pm.Model:
    """Build a model of two unknowns, with the stated error of daily NEE."""
    fixed = {n: v for n, v in TRUTH.items() if n not in KNOWN}
    return build_model(get("vsem"), data, [Stream("nee", error=STATED)], fixed=fixed, withheld_years=withheld_years)


def towers(sites: int = 2, days: int = 365) -> xr.Dataset:
    """Make data of sites that differ in light and in light-use efficiency (2 and 10 % more from site to site)."""
    time = np.datetime64("2010-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    par = 5.0 - 4.0 * np.cos(2 * np.pi * np.arange(days) / 365.25)
    names = [f"S{k}" for k in range(sites)]
    data = xr.Dataset(
        {"par_down": (("site", "time"), par * (1 + 0.02 * np.arange(sites)[:, None]), QUANTITIES["par_down"].attrs())},
        coords={"site": names, "time": time, "latitude": ("site", 50.0 + np.arange(sites)), "longitude": ("site", np.full(sites, 10.0))},
        attrs={"title": "made up"},
    )
    efficiency = xr.DataArray(2.0 * 1.1 ** np.arange(sites), dims="site", coords={"site": names})
    nee = simulate(get("vsem"), data, TRUTH | {"light_use_efficiency": efficiency}, outputs=["nee"])["nee"].transpose("site", "time")
    noise = np.random.default_rng(1).normal(0.0, 0.3, nee.shape)
    data["nee"] = (("site", "time"), nee.values + noise, QUANTITIES["nee"].attrs())
    data["nee_uncertainty"] = xr.full_like(data["nee"], 0.3)
    return data


def arguments(**more: Any) -> dict[str, Any]:
    """Give the arguments of a quick run."""
    return {"method": "laplace", "settings": {"starts": 2, "draws": 200}, "progress": False} | more
