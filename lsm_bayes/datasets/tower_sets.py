"""Two multi-site daily files of the local data folder, brought to the data convention."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets import co2
from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.datasets.marks import leave_out
from lsm_bayes.datasets.sources import LocalFile, NotAvailableError
from lsm_bayes.vocabulary import QUANTITIES, convert

WATER = LocalFile("fluxnet_daily_water.nc")
DAILY = LocalFile("fluxnet2015_daily.nc")
MAUNA_LOA = LocalFile("other/co2_mm_mlo.csv")

_MEASURED = 0.25
_RANGE = {"nee": (-25.0, 20.0), "gpp": (-8.0, 35.0), "reco": (-3.0, 35.0)}  # gC m-2 d-1, the largest crops and forests have about 25
_REMARKS = {
    "AU-ASM": "labelled ENF at the source, changed to SAV: a mulga savanna",
    "AU-TTE": "hardly photosynthesises",
    "ES-Amo": "hardly photosynthesises",
    "SJ-Blv": "hardly photosynthesises",
}
_RANDOM_COMMENT = (
    "an estimate and a prior scale, not a known sigma: median ratio 1.13 (0.96 to 1.34) to the ONEFlux uncertainty at 15 sites, "
    "1.8 where it was compared at a daily step"
)


def fluxnet_daily_water(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """Eleven FLUXNET sites with nine years of daily fluxes, weather and satellite LAI.

    The LAI is a ten-day product interpolated to days. Only the days that hold a retrieval are kept: the 10th, the 20th and the
    last day of each month, where all the corners of the interpolated series lie. Soil water is left out, its unit being unknown.

    Parameters
    ----------
    sites : str or iterable of str, optional
        Sites; by default all.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``.
    """
    raw = choose_sites(opened(WATER), sites, "data set 'fluxnet-daily-water'")
    names = {
        "air_temperature_min": "TA_F_MIN",
        "air_temperature_max": "TA_F_MAX",
        "shortwave_down": "SW_IN_F",
        "co2": "CO2",
        "vapour_pressure_deficit": "VPD_F",
        "precipitation": "P_F",
        "air_pressure": "PA_F",
        "nee": "NEE",
        "gpp": "GPP",
        "reco": "RECO",
        "lai": "LAI",
        "evapotranspiration": "ET",
    }
    data = converted(raw, names)
    for name in ("nee", "gpp", "reco", "lai", "evapotranspiration"):
        source = {
            "long_name": f"uncertainty of {name}",
            "source": "as given",
            "comment": "as in the source file, whose paper says what it means",
        }
        sd = _values(raw[f"{names[name]}_unc"], name)
        data = data.assign({f"{name}_uncertainty": (("site", "time"), sd, {"units": QUANTITIES[name].unit} | source)})
        data = leave_out(data, f"{name}_uncertainty", {"uncertainty of zero": sd == 0}).drop_vars(f"{name}_uncertainty_dropped")
    mean = (data["air_temperature_min"] + data["air_temperature_max"]) / 2
    data["air_temperature"] = mean.assign_attrs(QUANTITIES["air_temperature"].attrs() | {"source": "mean of the daily minimum and maximum"})
    days = pd.DatetimeIndex(data["time"].values)
    retrieval = (days.day == 10) | (days.day == 20) | days.is_month_end
    data = leave_out(data, "lai", {"interpolated between retrievals": np.broadcast_to(~retrieval, data["lai"].shape)})
    data["lai_uncertainty"] = data["lai_uncertainty"].where(data["lai"].notnull())
    data["lai"].attrs["comment"] = "satellite; only the days of the ten-day product, the days between were interpolated at the source"
    data["co2"].attrs["comment"] = "measured near the canopy, daily means up to 100 umol mol-1 above the background at forest sites"
    data.attrs = {
        "title": "Daily drivers and fluxes at 11 FLUXNET sites",
        "source": raw.attrs["source"],
        "licence": raw.attrs["license"],
        "citation": "Fang et al., DifferLand v1.0; Pastorello et al. (2020), Scientific Data 7, 225, doi:10.1038/s41597-020-0534-3",
        "history": "uncertainties as given in the source; uncertainties of zero set to missing; soil water left out (unit unknown); "
        "longitude and elevation unknown",
    }
    return data


def converted(raw: xr.Dataset, names: dict[str, str]) -> xr.Dataset:
    """Bring variables of a file to the data convention.

    Parameters
    ----------
    raw : xarray.Dataset
        With coordinates ``lat`` and ``IGBP``, and units in attributes.
    names : dict of str to str
        Name of the vocabulary, and name in the file.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``.
    """
    number = raw.sizes["site"]
    coords = {
        "site": raw["site"].values.astype(str),
        "time": raw["time"].values.astype("datetime64[ns]"),
        "latitude": ("site", raw["lat"].values.astype(float), {"units": "degrees_north"}),
        "longitude": (
            "site",
            raw["lon"].values.astype(float) if "lon" in raw.coords else np.full(number, np.nan),
            {"units": "degrees_east"},
        ),
        "elevation": (
            "site",
            raw["elevation"].values.astype(float) if "elevation" in raw.coords else np.full(number, np.nan),
            {"units": "m"},
        ),
        "pft": ("site", raw["IGBP"].values.astype(str)),
    }
    data = xr.Dataset(coords=coords)
    for name, variable in names.items():
        data[name] = (("site", "time"), _values(raw[variable], name), QUANTITIES[name].attrs() | {"source_variable": variable})
    return data


def _values(array: xr.DataArray, name: str) -> np.ndarray:
    return convert(array.transpose("site", "time").values.astype(float), array.attrs["units"], QUANTITIES[name].unit)


def opened(source: LocalFile) -> xr.Dataset:
    """Read a file of the local data folder.

    Parameters
    ----------
    source : LocalFile
        The file.

    Returns
    -------
    xarray.Dataset
        Its content, in memory.

    Raises
    ------
    NotAvailableError
        When it is not there or cannot be read.
    """
    path = source.fetch()
    try:
        return xr.load_dataset(path)
    except (OSError, ValueError) as error:
        raise NotAvailableError(f"cannot read {path}, it may be truncated: {error}") from error


def fluxnet2015_daily(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """167 FLUXNET2015 sites, daily carbon fluxes and weather; no precipitation, latent heat or measured CO2.

    Left out, each with its reason: days with less than a quarter of the half-hours measured, isolated spikes (more than ten robust
    standard deviations from the running median), and what is outside the range of any ecosystem. CO2 is Mauna Loa's.

    Parameters
    ----------
    sites : str or iterable of str, optional
        Sites; by default all.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``; the coordinate ``remark`` warns about single sites.
    """
    raw = choose_sites(opened(DAILY), sites, "data set 'fluxnet2015-daily'")
    names = {
        "air_temperature": "TA_F",
        "air_temperature_min": "TA_F_MIN",
        "air_temperature_max": "TA_F_MAX",
        "shortwave_down": "SW_IN_F",
        "vapour_pressure_deficit": "VPD_F",
        "nee": "NEE_VUT_REF",
        "gpp": "GPP_NT_VUT_REF",
        "reco": "RECO_NT_VUT_REF",
    }
    data = converted(raw, names)
    daytime = raw["GPP_DT_VUT_REF"]
    data["gpp_daytime_partitioned"] = (
        ("site", "time"),
        _values(daytime, "gpp"),
        QUANTITIES["gpp"].attrs() | {"source_variable": daytime.name},
    )
    for name, flag in (("air_temperature", "TA_F_QC"), ("shortwave_down", "SW_IN_F_QC"), ("vapour_pressure_deficit", "VPD_F_QC")):
        attrs = {"units": "1", "long_name": "fraction measured or well filled"}
        data[f"{name}_coverage"] = (("site", "time"), raw[flag].transpose("site", "time").values.astype(float), attrs)
    measured = raw["NEE_FRAC_MEASURED"].transpose("site", "time").values.astype(float)
    random = _values(raw["NEE_RANDUNC_EST"], "nee")
    for name, (low, high) in _RANGE.items():
        spike = _spikes(data[name])
        masks: dict[str, xr.DataArray | np.ndarray] = {
            "outside the physical range": (data[name] < low) | (data[name] > high),
            "isolated spike": spike,
            "too few steps measured": measured < _MEASURED,
        }
        data = leave_out(data, name, masks)
        data[f"{name}_coverage"] = (("site", "time"), measured, {"units": "1", "long_name": "fraction of the half-hours measured (QC 0)"})
        attrs = {
            "units": "gC m-2 d-1",
            "source": "24-hour differencing" if name == "nee" else "24-hour differencing of NEE",
            "comment": _RANDOM_COMMENT,
        }
        data[f"{name}_uncertainty"] = (("site", "time"), np.where(data[name].notnull() & (random > 0), random, np.nan), attrs)
    growth = co2.mauna_loa_file(MAUNA_LOA.fetch(), data["time"].values)
    everywhere = np.where(data["air_temperature"].notnull(), growth[None], np.nan)
    data["co2"] = (("site", "time"), everywhere, QUANTITIES["co2"].attrs() | {"source": co2.FILE_SOURCE})
    igbp = np.where(data["site"].values == "AU-ASM", "SAV", data["pft"].values)
    data = data.assign_coords(pft=("site", igbp), remark=("site", [_REMARKS.get(site, "") for site in data["site"].values]))
    data.attrs = {
        "title": "FLUXNET2015, 167 sites, daily",
        "source": raw.attrs["source"],
        "licence": raw.attrs["license"],
        "citation": raw.attrs["citation"],
        "history": f"{raw.attrs['history']}; at least {_MEASURED:.0%} of the half-hours measured, "
        "spikes and impossible values left out (see *_dropped)",
    }
    return data


def _spikes(values: xr.DataArray) -> np.ndarray:
    """Days further from the running median than ten robust standard deviations: at CA-Man, CA-NS2, AU-Tum and others up to 76 gC."""
    table = pd.DataFrame(values.transpose("time", "site").values)
    away = (table - table.rolling(31, center=True, min_periods=8).median()).abs()
    scale = 1.4826 * away.rolling(91, center=True, min_periods=20).median()
    # Dormant seasons have hardly any scatter, so a day of plausible uptake there would count as a spike without a floor.
    return np.asarray((away > 10 * scale.clip(lower=0.5)).to_numpy().T)
