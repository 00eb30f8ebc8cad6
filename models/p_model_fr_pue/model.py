"""P-model at FR-Pue from daily GPP, with the free parameters, priors and likelihood of the calibration of rsofun (Paredes et al. 2023)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from lsm_bayes.models import Reference

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.datasets import load
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

NAME = "FR-Pue"
LAND = get("p_model")
# The prior of the error is wide and log-normal in place of uniform on [0.1, 3]; 1,800 days decide.
ERROR = ErrorModel(structural=Scale(1.0, spread=2.0), envelope=0.0, correlation=None, discrepancy=None)
NO_UNCERTAINTY = 1e-6  # gC m-2 d-1
FIXED = {"tau_acclim": 20.0, "kc_jmax": 0.41, "beta_unitcostratio": 146.0, "rd_to_vcmax": 0.014}
# The drivers of rsofun give all precipitation as rain, whatever the temperature.
SITE = {"water_holding_capacity": 432.375, "rain_temperature": -50.0, "snow_melt_rate": 3.0}
ELEVATION = 270.0  # m, where the data do not say it
EXTINCTION = 0.5  # of light by leaf area
MEMORIES = {n: f"acclimated_{n}" for n in ("vapour_pressure_deficit", "air_pressure", "co2")}
MEMORIES |= {"air_temperature": "acclimated_temperature", "ppfd_down": "acclimated_ppfd"}
SPIN_UP = 10  # times the first year


def with_drivers(data: xr.Dataset) -> xr.Dataset:
    """Add the drivers of the P-model that towers do not report.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data, dimensions ``site`` and ``time``.

    Returns
    -------
    xarray.Dataset
        With what was missing: ``fapar`` from leaf area by Beer's law, leaf area interpolated linearly in time; ``ppfd_down`` from shortwave
        radiation, 2.04 umol J-1 (Meek et al. 1984); ``cloud_fraction`` zero, as in the drivers of rsofun; ``day_of_year``; ``elevation``.

    Raises
    ------
    ValueError
        When there is neither ``fapar`` nor ``lai``.
    """
    if "fapar" not in data and "lai" not in data:
        raise ValueError(f"the P-model needs fapar, or lai to estimate it from; the data have {', '.join(map(str, data.data_vars))}")
    made: dict[str, xr.DataArray] = {}
    if "fapar" not in data:
        lai = data["lai"].interpolate_na("time").interpolate_na("time", method="nearest", fill_value="extrapolate")
        made["fapar"] = 1.0 - xr.ufuncs.exp(-EXTINCTION * lai)
    if "ppfd_down" not in data:
        made["ppfd_down"] = 2.04e6 / 86400.0 * data["shortwave_down"]
    if "cloud_fraction" not in data:
        made["cloud_fraction"] = xr.zeros_like(data["air_temperature"])
    if "day_of_year" not in data:
        made["day_of_year"] = data["time"].dt.dayofyear.astype(float).broadcast_like(data["air_temperature"])
    full = data.assign({n: v.assign_attrs(QUANTITIES[n].attrs()) for n, v in made.items()})
    return full.assign_coords(elevation=data["elevation"].fillna(ELEVATION)) if "elevation" in data.coords else full


def spun_up(data: xr.Dataset, fixed: Mapping[str, float]) -> dict[str, float]:
    """Return the states behind ten times the first 365 days; water and memories do not depend on photosynthesis.

    Parameters
    ----------
    data : xarray.Dataset
        One site, from `with_drivers`.
    fixed : mapping of str to float
        Parameters with known values.

    Returns
    -------
    dict of str to float
        By state.
    """
    drivers = [n for n in LAND.forcing_quantities if n in data.data_vars]
    year = data[drivers].isel(time=np.tile(np.arange(365), SPIN_UP))
    year = year.assign_coords(time=pd.date_range(data["time"].values[0], periods=365 * SPIN_UP))
    first = {state: float(year[n].isel(time=0).values.flat[0]) for n, state in MEMORIES.items()}
    end = simulate(LAND, year, dict(fixed) | first | {"plant_available_water": 0.0}, outputs=list(LAND.state_parameters))
    return {n: float(end[n].isel(instant=-1).values.flat[0]) for n in LAND.state_parameters}


def build(data: xr.Dataset, site: str = NAME, *, fixed: Mapping[str, float] = FIXED, withheld_years: int = 0) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Daily GPP and weather, leaf area or fAPAR.
    site : str
        ``"FR-Pue"``: the capacity of the soil and the elevation are its own.
    fixed : mapping of str to float
        Parameters that are not calibrated, beside those of the site.
    withheld_years : int
        Calendar years at the end that are not fitted.

    Returns
    -------
    pymc.Model
        Five parameters and the sd of the error.

    Raises
    ------
    ValueError
        When another site is asked for.
    """
    if site != NAME:
        raise ValueError(
            f"the capacity of the soil and the elevation here are those of {NAME}, got site {site!r}; give {NAME!r}, or copy the model"
        )
    one = with_drivers(data.sel(site=[site]))
    known = dict(fixed) | SITE
    stream = Stream("gpp", error=ERROR, uncertainty=NO_UNCERTAINTY)
    # What photosynthesis alone depends on is not needed for the spin-up.
    start = spun_up(one, {n: v for n, v in known.items() if n != "kc_jmax"})
    return build_model(LAND, one, [stream], fixed=known | start, withheld_years=withheld_years)


def reference() -> Reference:
    """Say what the reference posterior is of.

    Returns
    -------
    Reference
        FR-Pue 2001-2009 of ``fluxnet-daily-water``.
    """
    return Reference(load("fluxnet-daily-water", NAME))
