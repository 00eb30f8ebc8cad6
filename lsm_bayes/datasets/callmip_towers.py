"""Three towers of the calibrated land model intercomparison: complete daily drivers, and NEE, latent and sensible heat to fit together."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from lsm_bayes.datasets import co2
from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.datasets.sources import LocalFile
from lsm_bayes.datasets.tower_sets import MAUNA_LOA, converted, opened
from lsm_bayes.vocabulary import QUANTITIES, convert

DRIVERS = LocalFile("callmip/callmip_drivers_daily_3sites.nc")
FLUXES = LocalFile("callmip/callmip_fluxes.nc")
_DRIVERS = {
    "air_temperature": "TA_F",
    "air_temperature_min": "TA_F_MIN",
    "air_temperature_max": "TA_F_MAX",
    "shortwave_down": "SW_IN_F",
    "longwave_down": "LW_IN_F",
    "vapour_pressure_deficit": "VPD_F",
    "precipitation": "P_F",
    "air_pressure": "PA_F",
    "wind_speed": "WS_F",
    "co2": "CO2_F_MDS",
}
_FLUXES = {"nee": ("NEE_gC", "NEE_uc_gC"), "latent_heat": ("Qle", "Qle_uc"), "sensible_heat": ("Qh", "Qh_uc")}
_RANDOM = "as given: root sum of squares of the half-hourly joint uncertainties, close to the random part alone"


def load(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """CH-Dav, FI-Hyy and FR-Pue, 1996 to 2014, with the fluxes of CalLMIP phase 1b.

    Days of a flux are kept by CalLMIP when three quarters of the half-hours were measured, each flux by itself, which are mostly windy
    ones: compare on these days alone, and do not add them up to years. Heat fluxes are not corrected for the closure of the energy balance;
    their uncertainties are those of the corrected ones.

    Parameters
    ----------
    sites : str or iterable of str, optional
        Sites; by default all three.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``, daily; coordinate ``utc_offset`` (h) besides the usual.
    """
    raw = choose_sites(opened(DRIVERS), sites, "data set 'callmip-towers'")
    fluxes = opened(FLUXES).sel(site=raw["site"].values).reindex(time=raw["time"].values)
    data = converted(raw, _DRIVERS)
    data = data.assign_coords(utc_offset=("site", raw["utc_offset"].values.astype(float), {"units": "h"}))
    background = co2.mauna_loa_file(MAUNA_LOA.fetch(), data["time"].values)
    known = np.isfinite(data["air_temperature"].values)
    data["co2"] = data["co2"].fillna(xr.DataArray(background, dims="time")).where(known).assign_attrs(data["co2"].attrs)
    data["co2"].attrs["comment"] = "measured near the canopy; Mauna Loa (NOAA) where it is missing"
    data["longwave_down"].attrs["comment"] = "gap-filled at the source with downscaled reanalysis"
    for name, (value, spread) in _FLUXES.items():
        unit = QUANTITIES[name].unit
        for label, variable, extra in ((name, value, QUANTITIES[name].attrs()), (f"{name}_uncertainty", spread, {"source": _RANDOM})):
            array = fluxes[variable].transpose("site", "time")
            series = convert(array.values.astype(float), array.attrs["units"], unit)
            if label != name:
                series = np.where(series > 0, series, np.nan)
            data[label] = (("site", "time"), series, extra | {"units": unit, "source_variable": variable})
    data.attrs = {
        "title": "CalLMIP phase 1b: daily drivers and fluxes at three forests",
        "source": f"{raw.attrs['source']}; {fluxes.attrs['source']}",
        "licence": f"{raw.attrs['license']}; {fluxes.attrs['license']}",
        "citation": raw.attrs["citation"],
        "history": "NEE rescaled where the distributed file integrates it wrongly (NEE_scale); units converted",
    }
    return data
