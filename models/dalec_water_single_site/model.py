"""DALEC 1005 at one site, from daily NEE, daily evapotranspiration and leaf area together."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pymc as pm
import xarray as xr
from scipy.signal import lfilter

from lsm_bayes.calibration import InProportion, NearEquilibrium, Stream, build_model, date_prior
from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.declare import Prior
from lsm_bayes.errors import Bias, DriverDiscrepancy, LogNormal, Scale, SeasonalBias
from lsm_bayes.land import dalec_811, dalec_1005
from lsm_bayes.processes import plant_available_water

# The sharp corners of the water stress have no gradient on one side: a search that starts on a wet soil would stay there.
LAND = dalec_1005.variant(
    dalec_1005.Form(dalec_811.DEFAULT._replace(stress=partial(plant_available_water.smooth_stress, width=0.05))),
    "dalec_1005_smooth",
    "DALEC 1005: DALEC-CDEA with two stores of water (CARDAMOM 1005), water stress with rounded corners",
)
SLOW_POOLS = ("root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")
INITIAL: dict[str, Initial] = {
    **{pool: NearEquilibrium(0.5) for pool in SLOW_POOLS},
    # Leaf and labile carbon as leaf area: their ratio to leaf mass per area is what the canopy sees.
    "foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
    "labile_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
}
PRIORS = {
    # Carbon and water meet here: with the declared prior GPP runs off, and transpiration follows at no cost.
    "underlying_water_use_efficiency": Prior("log_normal", 10.0, 0.4),
    # mm; more than a metre of water is not within the reach of roots.
    "plant_available_water": Prior("log_normal", 300.0, 0.7),
    "water_stress_threshold": Prior("log_normal", 100.0, 1.0),
}
# Nothing of this reaches NEE, evapotranspiration or leaf area: the store below the roots, and fire without burned area.
UNSEEN = (
    "percolation_fraction",
    "unavailable_water_focal_point",
    "plant_unavailable_water",
    "foliar_combustion_completeness",
    "ligneous_combustion_completeness",
    "soil_combustion_completeness",
    "fire_resilience",
)
CONSTRAINT_WIDTH = 0.2  # log ratio
# Interception and snow are not in the model: a constant and a small seasonal part of evapotranspiration is left to the error model.
# Standard deviations as shares of that of the series. No gain for the energy balance that does not close: two parameters already set the
# scale of evapotranspiration, and a gain only let the soil keep its water (at FI-Hyy it went three prior standard deviations up for that).
OFFSET, SEASON = 0.2, 0.1
# Stated uncertainty of a day over the sd of the series: medians over the nine towers of fluxnet-daily-water that state one.
# What the model lacks in its answer to weather and to past rain, at most towers the larger part of its misfit of NEE: functions of these
# drivers, with the length over which they change, in the driver's unit. Not of evapotranspiration: at US-SRG its functions were not
# those of the withheld years (coverage 0.71 in place of 0.82).
LACKED = {
    "shortwave_down": 8.0,
    "air_temperature_max": 8.0,
    "vapour_pressure_deficit": 8.0,
    "antecedent_precipitation": 1.5,
    "day_of_year": 60.0,
}
MEMORY = 30.0  # d, e-folding time of past rain
TYPICAL = {"nee": 0.136, "evapotranspiration": 0.081, "lai": 0.267}


def streams_of(data: xr.Dataset, discrepancy: bool = False) -> list[Stream]:
    """Choose the streams: NEE and evapotranspiration by day, and leaf area.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data of one site.
    discrepancy : bool
        Add functions of drivers (Kennedy & O'Hagan) to NEE. They make its predictions better, and take from what it says about GPP and
        respiration: parameters are then less known.

    Returns
    -------
    list of Stream
        Those of the three that are observed. Where the data state no uncertainty it is that of a typical tower, as a share of the
        standard deviation of the series.

    Raises
    ------
    ValueError
        When NEE or evapotranspiration is missing.
    """
    chosen = []
    for name in ("nee", "evapotranspiration", "lai"):
        if name not in data or not np.isfinite(data[name].values).any():
            if name == "lai":
                continue
            raise ValueError(f"{name!r} is not observed; this model takes NEE and evapotranspiration, dalec_single_site takes NEE alone")
        size = float(np.nanstd(data[name].values))
        stated = f"{name}_uncertainty" in data and bool(np.isfinite(data[f"{name}_uncertainty"].values).any())
        stream = Stream(name, uncertainty=None if stated else TYPICAL[name] * size)
        error = stream.error_model
        if name == "lai" and float(data[name].min()) > 0:
            error += LogNormal()
        if name == "evapotranspiration":
            error = error + Bias(OFFSET * size) + SeasonalBias(SEASON * size, 2)
        if name == "nee" and discrepancy:
            error += DriverDiscrepancy(LACKED, Scale(0.5))
        chosen.append(replace(stream, error=error))
    return chosen


def with_past(data: xr.Dataset) -> xr.Dataset:
    """Add what the discrepancy reads: exponentially fading mean of past precipitation, and the day of the year.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data of one site.

    Returns
    -------
    xarray.Dataset
        With ``antecedent_precipitation``, mm d-1, and ``day_of_year``.
    """
    rain = data["precipitation"].transpose(..., "time")
    keep = np.exp(-1.0 / MEMORY)
    known = rain.fillna(0.0).values
    past = lfilter([1.0 - keep], [1.0, -keep], known, axis=-1, zi=keep * known.mean(axis=-1, keepdims=True))[0]
    day = data["time"].dt.dayofyear.astype(float).broadcast_like(rain)
    return data.assign(antecedent_precipitation=(rain.dims, past, {"units": "mm d-1"}), day_of_year=(rain.dims, day.values, {"units": "d"}))


def build(data: xr.Dataset, site: str | None = None, *, streams: Sequence[Stream] | None = None, withheld_years: int = 2) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data with dimensions ``site`` and ``time`` in the convention of `lsm_bayes.datasets`, with precipitation and vapour
        pressure deficit.
    site : str, optional
        Which site; needed when the data have several.
    streams : sequence of Stream, optional
        In place of `streams_of`.
    withheld_years : int
        Calendar years at the end of the record that are not fitted.

    Returns
    -------
    pymc.Model
        30 parameters and initial pools, and those of the error models.

    Raises
    ------
    ValueError
        When the data have several sites and none is chosen.
    """
    names = [str(s) for s in np.atleast_1d(data["site"].values)]
    if site is None and len(names) > 1:
        raise ValueError(f"the data have {len(names)} sites; choose one of {', '.join(names)}")
    one = with_past(data.sel(site=[site or names[0]]))
    years = np.unique(one["time"].dt.year)
    training = (one["time"].dt.year <= years[-1 - withheld_years]).values
    onset, fall = observed_turning_days(one.isel(site=0), training)
    table = LAND.parameter_table
    dates = {
        "leaf_onset_day": date_prior(onset, 15.0, table["leaf_onset_day"][0]),
        "leaf_fall_day": date_prior(fall, 15.0, table["leaf_fall_day"][0]),
    }
    return build_model(
        LAND,
        one,
        list(streams or streams_of(one)),
        withheld_years=withheld_years,
        initial=INITIAL,
        priors=PRIORS | dates,
        fixed={n: LAND.calibrated[n][1] for n in UNSEEN},
        constraints=CONSTRAINT_WIDTH,
    )
