"""Tower fluxes with the annual growth of wood beside them (Teets et al. 2022), brought to the data convention."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.datasets.marks import leave_out
from lsm_bayes.datasets.sources import LocalFile, NotAvailableError
from lsm_bayes.vocabulary import QUANTITIES, convert

SOURCE = LocalFile("teets2022_6forests_flux_woodinc.nc")
_NAME = "data set 'forest-growth'"
_FLUXES = {"nee": "NEE", "gpp": "GPP", "reco": "Reco"}
# Distance of the 5th and 95th percentile of a normal distribution, in standard deviations.
_PERCENTILES_TO_SD = 2 * 1.6449
_WINDOW = 15  # days


def load(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """Five North American forests with daily carbon fluxes and the annual increment of wood; no daily drivers.

    The increment of a year is spread evenly over its days, so that the mean of a year, ``Stream("wood_increment", "year")``, is the
    growth of that year per day. Its uncertainty is that of a day for which the mean over a year, of days taken as independent, has the
    stated standard deviation; it is meant for annual means only.

    Parameters
    ----------
    sites : str or iterable of str, optional
        Sites; by default all.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``: ``nee``, ``gpp`` and ``reco`` from the median u* threshold, gap-filled, with half-widths of the u* members
        as uncertainty, and ``wood_increment``, gC m-2 d-1 with its uncertainty.
    """
    raw = choose_sites(_open(), sites, _NAME)
    time = pd.DatetimeIndex(raw["time"].values)
    data = xr.Dataset(coords=_coordinates(raw) | {"time": time.values.astype("datetime64[ns]")})
    for name, stem in _FLUXES.items():
        low, middle, high = (_values(raw[f"{stem}_U{p}"], name, "time") for p in ("05", "50", "95"))
        data[name] = (("site", "time"), middle, QUANTITIES[name].attrs() | {"source_variable": f"{stem}_U50", "comment": "gap-filled"})
        attrs = {
            "units": QUANTITIES[name].unit,
            "long_name": f"uncertainty of {name} from the choice of the u* threshold",
            "source": "ustar percentiles",
            "comment": "distance of the members of the 5th and 95th percentile over 3.29, 15-day root mean square: a slow error; "
            "the random error of a day is not in it",
        }
        data[f"{name}_uncertainty"] = (("site", "time"), np.where(np.isfinite(middle), _slow_spread(low, high), np.nan), attrs)
        none = (data[f"{name}_uncertainty"] == 0).values
        data = leave_out(data, f"{name}_uncertainty", {"uncertainty of zero": none}).drop_vars(f"{name}_uncertainty_dropped")
    growth, sd = (_of_each_day(raw[v], time) for v in ("WOOD_INC", "WOOD_INC_SD"))
    days = np.where(time.is_leap_year, 366, 365)
    data["wood_increment"] = (
        ("site", "time"),
        growth,
        QUANTITIES["wood_increment"].attrs()
        | {"source_variable": "WOOD_INC", "comment": "annual increment of trees in plots, spread evenly over the year"},
    )
    data["wood_increment_uncertainty"] = (
        ("site", "time"),
        sd * np.sqrt(days),
        {
            "units": QUANTITIES["wood_increment"].unit,
            "long_name": "uncertainty of wood_increment",
            "source": "1,000 Monte Carlo draws of tree plots",
            "comment": "sd of the annual mean times the root of the days of the year: for annual means",
        },
    )
    data.attrs = {
        "title": "Daily carbon fluxes and annual increment of wood at five North American forests",
        "source": raw.attrs["source"],
        "licence": raw.attrs["license"],
        "citation": raw.attrs["citation"],
        "history": "fluxes of the median u* threshold; increments, gC m-2 a year in the source, spread over the days of the year",
    }
    return data


def monthly_climate(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """Monthly means of temperature and radiation at the towers, the only drivers of these forests in the file.

    Parameters
    ----------
    sites : str or iterable of str, optional
        Sites; by default all.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``, ``time`` the first day of each month: ``air_temperature`` and ``shortwave_down``.
    """
    raw = choose_sites(_open(), sites, _NAME)
    data = xr.Dataset(coords=_coordinates(raw) | {"time": raw["month_time"].values.astype("datetime64[ns]")})
    for name, variable in {"air_temperature": "TA", "shortwave_down": "SW_IN"}.items():
        data[name] = (
            ("site", "time"),
            _values(raw[variable], name, "month_time"),
            QUANTITIES[name].attrs() | {"source_variable": variable},
        )
    return data


def _open() -> xr.Dataset:
    path = SOURCE.fetch()
    try:
        return xr.load_dataset(path)
    except (OSError, ValueError) as error:
        raise NotAvailableError(f"cannot read {path}, it may be truncated: {error}") from error


def _coordinates(raw: xr.Dataset) -> dict[str, object]:
    places = {"latitude": ("lat", "degrees_north"), "longitude": ("lon", "degrees_east"), "elevation": ("elevation", "m")}
    found: dict[str, object] = {n: ("site", raw[v].values.astype(float), {"units": unit}) for n, (v, unit) in places.items()}
    return found | {"site": raw["site"].values.astype(str), "pft": ("site", raw["IGBP"].values.astype(str))}


def _values(array: xr.DataArray, name: str, time: str) -> np.ndarray:
    return convert(array.transpose("site", time).values.astype(float), array.attrs["units"], QUANTITIES[name].unit)


def _slow_spread(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Half-width of the members: zero by chance on days on which they agree, so that neighbouring days are averaged."""
    squared = pd.DataFrame(((high - low) / _PERCENTILES_TO_SD).T ** 2)
    return np.asarray(squared.rolling(_WINDOW, center=True, min_periods=1).mean().to_numpy().T ** 0.5)


def _of_each_day(annual: xr.DataArray, time: pd.DatetimeIndex) -> np.ndarray:
    """Spread sums of years over their days, gC m-2 d-1: a year of the units has 365.25 days, these have their own number."""
    rate = convert(annual.transpose("site", "year").values.astype(float), annual.attrs["units"], QUANTITIES["wood_increment"].unit)
    by_year = pd.DataFrame(rate.T * 365.25, index=annual["year"].values)
    return np.asarray(by_year.reindex(time.year).to_numpy().T / np.where(time.is_leap_year, 366, 365))
