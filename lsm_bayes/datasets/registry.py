"""Data sets by name, and where each can come from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets import callmip_towers, ch_dav, forest_growth, sipnet_clim, tower_moments, tower_sets
from lsm_bayes.datasets.sources import Source
from lsm_bayes.vocabulary import unknown

Sites = Iterable[str] | str | None


@dataclass(frozen=True)
class Record:
    """A data set that can be loaded by name.

    Parameters
    ----------
    name : str
        Name.
    summary : str
        One sentence.
    source : LocalFile, WheelMember or Url
        Where its file comes from.
    read : callable
        Takes sites (None for all) and returns the data in the convention of the package.
    """

    name: str
    summary: str
    source: Source
    read: Callable[[Sites], xr.Dataset]


_RECORDS = {
    record.name: record
    for record in (
        Record("ch-dav", "Davos spruce forest 2013-2022, daily fluxes and weather", ch_dav.SOURCE, ch_dav.load),
        Record(
            "fluxnet-daily-water",
            "11 FLUXNET sites, 9 years daily: fluxes, weather, CO2, satellite LAI",
            tower_sets.WATER,
            tower_sets.fluxnet_daily_water,
        ),
        Record(
            "fluxnet2015-daily",
            "167 FLUXNET2015 sites 1994-2014, daily carbon fluxes, no precipitation",
            tower_sets.DAILY,
            tower_sets.fluxnet2015_daily,
        ),
        Record(
            "callmip-towers",
            "3 forests 1996-2014, complete daily drivers with longwave and wind, NEE, latent and sensible heat (CalLMIP phase 1b)",
            callmip_towers.FLUXES,
            callmip_towers.load,
        ),
        Record(
            "forest-growth",
            "5 North American forests 1996-2017, daily carbon fluxes, annual increment of wood, no drivers",
            forest_growth.SOURCE,
            forest_growth.load,
        ),
        Record(
            "sipnet-niwot",
            "Niwot Ridge 1998-2005, forcing of SIPNET in steps of a day and a night, no observations",
            sipnet_clim.SOURCE,
            sipnet_clim.load,
        ),
        Record(
            "tower-moments",
            "63 North American towers at overpasses of ECOSTRESS 2019-2023: energy balance as measured, weather, NDVI, soil moisture",
            tower_moments.SOURCE,
            tower_moments.load,
        ),
    )
}


def available() -> pd.DataFrame:
    """List the data sets.

    Returns
    -------
    pandas.DataFrame
        Index ``name``; columns ``summary`` and ``source``.
    """
    rows = {record.name: (record.summary, record.source.describe()) for record in _RECORDS.values()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["summary", "source"]).rename_axis("name")


def load(name: str, sites: Sites = None, start: str | None = None, end: str | None = None) -> xr.Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str
        Name; see `available`.
    sites : str or iterable of str, optional
        Sites, in the order wanted; by default all.
    start, end : str, optional
        First and last day, such as ``"2006-01-01"`` or ``"2006"``; by default from the first to the last day on which any of the
        sites has data.

    Returns
    -------
    xarray.Dataset
        Daily data with dims ``(site, time)``, names and units of the vocabulary, NaN where missing, licence and citation in the
        attributes. ``tower-moments`` has the dim ``moment`` in place of ``time``.

    Raises
    ------
    KeyError
        If there is no data set or no site of that name.
    ValueError
        If the period holds no data.
    NotAvailableError
        If the data set cannot be had here; the message says how to get it.
    """
    if name not in _RECORDS:
        raise KeyError(unknown("data set", name, _RECORDS))
    data = _RECORDS[name].read(sites)
    if "time" not in data.dims:
        return _moments_between(data, name, start, end)
    whole = data["time"].values
    data = data.sel(time=slice(start, end))
    values = [v for v in data.data_vars if data[v].dtype.kind == "f" and "time" in data[v].dims and v != "co2"]
    any_value = np.logical_or.reduce([data[v].notnull().any("site").values for v in values])
    if not any_value.any():
        raise ValueError(
            f"data set {name!r} has no data from {start} to {end} at {', '.join(data['site'].values)}; "
            f"it covers {str(whole[0])[:10]} to {str(whole[-1])[:10]}"
        )
    first, last = np.flatnonzero(any_value)[[0, -1]]
    if start is None:
        data = data.isel(time=slice(first, None))
        last -= first
    return data if end is not None else data.isel(time=slice(None, last + 1))


def _moments_between(data: xr.Dataset, name: str, start: str | None, end: str | None) -> xr.Dataset:
    """Take the moments of a period, of data that are no regular series."""
    if start is None and end is None:
        return data
    period = pd.Series(0, index=pd.DatetimeIndex(data["time"].values)).sort_index().loc[start:end].index
    (dim,) = data["time"].dims
    chosen = np.isin(data["time"].values, period.values)
    if not chosen.any():
        raise ValueError(f"data set {name!r} has no data from {start} to {end} at {', '.join(data['site'].values)}")
    return data.isel({dim: chosen})
