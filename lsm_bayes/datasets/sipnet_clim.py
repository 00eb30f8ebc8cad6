"""Forcing of SIPNET from its ``.clim`` files, and the one that is distributed for Niwot Ridge."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.datasets.sources import LocalFile, NotAvailableError
from lsm_bayes.vocabulary import QUANTITIES, convert

SOURCE = LocalFile("other/sipnet_niwot.clim")
SITE = "US-NR1"
_COLUMNS = ("year", "day", "hour", "length", "tair", "tsoil", "par", "precip", "vpd", "vpd_soil", "e", "wind")
# Column, unit in the file, and whether it is a sum over the step.
_FORCING = {
    "air_temperature": ("tair", "degC", False),
    "soil_temperature": ("tsoil", "degC", False),
    "photosynthetically_active_radiation": ("par", "mol m-2 d-1", True),
    "precipitation": ("precip", "mm d-1", True),
    "vapour_pressure_deficit": ("vpd", "Pa", False),
    "soil_vapour_pressure_deficit": ("vpd_soil", "Pa", False),
    "vapour_pressure": ("e", "Pa", False),
    "wind_speed": ("wind", "m s-1", False),
}
_LARGEST_GAP = 0.01  # d; the file rounds the length of a step to 0.001 d and its beginning to 0.01 h
_COORDS: dict[str, tuple[float | str, dict[str, str]]] = {
    "latitude": (40.0329, {"units": "degrees_north"}),
    "longitude": (-105.5464, {"units": "degrees_east"}),
    "elevation": (3050.0, {"units": "m"}),
    "pft": ("ENF", {}),
}


def load(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """Niwot Ridge, November 1998 to December 2005: forcing in two steps a day, one of daylight and one of the night; no observations.

    Parameters
    ----------
    sites : str or iterable of str, optional
        ``"US-NR1"`` or None.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``, see `read_clim`.

    Raises
    ------
    NotAvailableError
        If there is no such file, or it cannot be read.
    """
    path = SOURCE.fetch()
    try:
        data = read_clim(path)
    except (OSError, ValueError) as error:
        raise NotAvailableError(f"cannot read {path}, it may be truncated: {error}") from error
    data = data.expand_dims(site=np.array([SITE])).assign_coords({n: ("site", [v], attrs) for n, (v, attrs) in _COORDS.items()})
    data.attrs = {
        "title": "Forcing of SIPNET at Niwot Ridge (US-NR1), November 1998 to December 2005, day and night",
        "source": "github.com/PecanProject/sipnet, tests/smoke/niwot/sipnet.clim",
        "licence": "BSD-3-Clause (SIPNET)",
        "citation": "Sacks et al. (2006), Global Change Biology 12, 240-259, doi 10.1111/j.1365-2486.2005.01059.x: SIPNET at Niwot Ridge; "
        "Monson et al. (2002), Global Change Biology 8, 459-478, doi 10.1046/j.1365-2486.2002.00480.x: the site",
        "history": "sums over a step divided by its length, Pa to hPa; columns of location and soil wetness left out; how gaps were filled "
        "the file does not say",
    }
    return choose_sites(data, sites, "data set 'sipnet-niwot'")


def read_clim(path: Path) -> xr.Dataset:
    """Read a forcing file of SIPNET.

    Parameters
    ----------
    path : pathlib.Path
        Text without header: year, day of the year, hour, length of the step in days (negative: in seconds), temperature of air and soil
        in degC, photons in mol m-2 and precipitation in mm, both summed over the step, vapour pressure deficit of air and soil and vapour
        pressure in Pa, wind speed in m s-1. Old files have a location in front and the wetness of the soil behind, which are left out.

    Returns
    -------
    xarray.Dataset
        Dimension ``time``, the start of each step; rates per day and means in the units of the vocabulary, with ``step_length``, and
        ``day_of_year`` as SIPNET counts it: day plus hour over 24. Values are those of the file: SIPNET itself bounds the deficit.

    Raises
    ------
    ValueError
        For another number of columns, several locations, missing or impossible values, and steps that do not follow each other.
    """
    table = pd.read_csv(path, sep=r"\s+", header=None, comment="!", dtype=float)
    if table.shape[1] not in (12, 14):
        raise ValueError(f"{path.name} has {table.shape[1]} columns; a forcing file of SIPNET has 12, or 14 with location and soil wetness")
    if table.shape[1] == 14:
        if table[0].nunique() > 1:
            raise ValueError(f"{path.name} has {table[0].nunique()} locations; give one file for each")
        table = table.iloc[:, 1:13]
    table.columns = pd.Index(_COLUMNS)
    if table.isna().any(axis=None):
        raise ValueError(f"{path.name}: a value is missing in row {int(table.isna().any(axis=1).to_numpy().argmax()) + 1}")
    length = np.where(table["length"] < 0, -table["length"] / 86400.0, table["length"])
    if not (length > 0).all():
        raise ValueError(f"{path.name}: the length of the step in row {int((length == 0).argmax()) + 1} is zero")
    day = (table["day"] - 1.0 + table["hour"] / 24.0).to_numpy()
    start = pd.to_datetime(table["year"].astype(int).astype(str)) + pd.to_timedelta(np.rint(86400.0 * day), unit="s")
    time = pd.DatetimeIndex(start)
    off = np.abs((time[1:] - time[:-1]) / pd.Timedelta(days=1) - length[:-1])
    if (off > _LARGEST_GAP).any():
        row = int(np.argmax(off > _LARGEST_GAP))
        raise ValueError(
            f"{path.name}: the step of {time[row]:%Y-%m-%d %H:%M} is {length[row]:g} d long, but the next begins on "
            f"{time[row + 1]:%Y-%m-%d %H:%M}; SIPNET needs every step, in order"
        )
    data = xr.Dataset(coords={"time": time.to_numpy().astype("datetime64[ns]")})
    for name, (column, unit, summed) in _FORCING.items():
        values = convert(table[column].to_numpy() / (length if summed else 1.0), unit, QUANTITIES[name].unit)
        data[name] = ("time", values, QUANTITIES[name].attrs() | {"source_variable": column})
    data["step_length"] = ("time", length, QUANTITIES["step_length"].attrs())
    data["day_of_year"] = (
        "time",
        day + 1.0,
        QUANTITIES["day_of_year"].attrs() | {"comment": "day plus hour over 24 at the start of a step"},
    )
    return data
