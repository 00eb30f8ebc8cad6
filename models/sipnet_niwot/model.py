"""SIPNET at Niwot Ridge, in steps of a day and a night, from the weekly NEE of the tower.

The inversion of Braswell et al. (2005, doi 10.1111/j.1365-2486.2005.00897.x) at the site of Sacks et al. (2006, doi
10.1111/j.1365-2486.2005.01059.x), with exact gradients and errors that have memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from lsm_bayes.models import Reference

from lsm_bayes.calibration import InProportion, Stream, build_model
from lsm_bayes.datasets import load
from lsm_bayes.errors import ErrorModel
from lsm_bayes.land import get
from lsm_bayes.observations import ObservationOperator

NAME = "US-NR1"
LAND = get("sipnet_smooth")
# The set that the parameter file of SIPNET for Niwot Ridge marks as estimated (revision dab96b5 of its repository), and the two base
# rates of roots that its later versions mark: with roots at their defaults, soil respiration falls to its lower bound.
FREE = (
    "max_assimilation",
    "photosynthesis_temperature_min",
    "photosynthesis_temperature_opt",
    "vpd_slope",
    "light_half_saturation",
    "foliar_respiration_fraction",
    "wood_maintenance",
    "vegetation_q10",
    "root_maintenance",
    "coarse_root_maintenance",
    "soil_mineralisation",
    "soil_q10",
    "frozen_soil_threshold",
    "f_foliage",
    "water_uptake_fraction",
    "water_use_efficiency",
    "soil_water_capacity",
    "aerodynamic_resistance",
)
INITIAL = {"soil_water_storage": InProportion("soil_water_capacity", (0.05, 1.0))}
ERROR = ErrorModel(discrepancy=None)
WITHHELD = 2  # years, in the reference


def exchange_of_calendar_day(series: Mapping[str, Any]) -> Any:
    """Return the exchange of a calendar day at its step of daylight.

    Parameters
    ----------
    series : mapping of str to tensor
        ``nee``, gC m-2 d-1, mean of each step, and ``step_length``, d; steps of daylight and of the night take turns, time last.

    Returns
    -------
    tensor
        gC m-2 d-1, positive to the atmosphere: half of the night before, the day, and half of the night after, which is midnight to within
        a quarter of an hour. At the steps of the night it means nothing.
    """
    length = series["step_length"]
    return _with_half_nights(series["nee"] * length) / _with_half_nights(length)


def _with_half_nights(amount: Any) -> Any:
    before = pt.concatenate([amount[..., :1], amount[..., :-1]], axis=-1)
    after = pt.concatenate([amount[..., 1:], amount[..., -1:]], axis=-1)
    return 0.5 * before + amount + 0.5 * after


OPERATOR = ObservationOperator(
    "nee_of_calendar_day",
    {"nee": (-50.0, 50.0), "step_length": (0.2, 0.8)},
    exchange_of_calendar_day,
    quantity="nee",
    citation="mean by definition; the rate is constant within a night, as in SIPNET",
    error="Laplace, sd growing with the flux",
)


def with_tower(forcing: xr.Dataset, tower: xr.Dataset) -> xr.Dataset:
    """Put the daily NEE of a tower beside the forcing of SIPNET.

    Parameters
    ----------
    forcing : xarray.Dataset
        Steps of daylight, which begin in the morning, and of the night; dimensions ``site`` and ``time``.
    tower : xarray.Dataset
        ``nee`` and ``nee_uncertainty`` by day, same site.

    Returns
    -------
    xarray.Dataset
        The forcing with both, at the step of daylight of each day.

    Raises
    ------
    ValueError
        When a day has two such steps.
    """
    time = pd.DatetimeIndex(forcing["time"].values)
    morning = (time.hour > 0) & (time.hour < 12)
    repeated = time.normalize()[morning].duplicated()
    if repeated.any():
        raise ValueError(
            f"two steps begin in the morning of {time.normalize()[morning][repeated][0]:%Y-%m-%d}; "
            "this model takes one for the daylight and one for the night"
        )
    days = tower.sel(site=forcing["site"].values).reindex(time=time.normalize())
    found = forcing
    for n in ("nee", "nee_uncertainty"):
        values = np.where(morning, days[n].transpose("site", "time").values, np.nan)
        found = found.assign({n: (("site", "time"), values, tower[n].attrs)})
    return found


def build(data: xr.Dataset, site: str = NAME, *, error: ErrorModel = ERROR, withheld_years: int = 0) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        From `with_tower`: the forcing of SIPNET with ``step_length``, and NEE.
    site : str
        Which site of the data. What is not calibrated, the pools at the start among it, keeps the values for Niwot Ridge.
    error : ErrorModel
        Of the weekly means.
    withheld_years : int
        Calendar years at the end that are not fitted.

    Returns
    -------
    pymc.Model
        18 parameters, the soil water at the start, and the sd and correlation of the error.
    """
    fixed = {n: default for n, (_, default) in LAND.calibrated.items() if n not in FREE and n not in INITIAL}
    stream = Stream("nee", "week", error, operator=OPERATOR)
    return build_model(LAND, data, [stream], sites=[site], initial=INITIAL, fixed=fixed, withheld_years=withheld_years)


def reference() -> Reference:
    """Say what the reference posterior is of.

    Returns
    -------
    Reference
        Niwot Ridge, November 1998 to December 2003 of ``sipnet-niwot`` and ``fluxnet2015-daily``; two more years are withheld.
    """
    return Reference(with_tower(load("sipnet-niwot"), load("fluxnet2015-daily", NAME)), {"withheld_years": WITHHELD})
