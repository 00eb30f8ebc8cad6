"""Plain xarray data to the convention of the package: names or aliases in, vocabulary names and units out."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from lsm_bayes.vocabulary import QUANTITIES, convert, quantity, unknown

# CMIP counts these positive into the land, the package positive to the atmosphere.
_OPPOSITE_SIGN = ("nep", "nbp")
# "C" alone is coulomb to a unit parser, and no data file means that.
_UNIT_SPELLINGS = {
    "C": "degC",
    "deg C": "degC",
    "degree_C": "degC",
    "degrees_C": "degC",
    "%": "percent",
    "mm day-1": "mm d-1",
    "fraction": "1",
}
# Endings of companions here, and what others call them.
_COMPANIONS = {"_coverage": ("_coverage",), "_uncertainty": ("_uncertainty", "_RANDUNC", "_unc", "_uc")}


def from_xarray(data: xr.Dataset, names: Iterable[str] | None = None, site: str | None = None) -> xr.Dataset:
    """Bring a dataset to the convention of the package.

    Parameters
    ----------
    data : xarray.Dataset
        Variables named as in the vocabulary or by a FLUXNET, ALMA or CMIP/CF alias, each with ``attrs["units"]``, dims ``time``
        or ``(site, time)`` (further dims of length one are dropped). Companions ``<name>_uncertainty`` (same unit),
        ``<name>_coverage`` and coordinates ``latitude``, ``longitude``, ``elevation``, ``pft`` are kept.
    names : iterable of str, optional
        Variables of `data` to take; by default all that the vocabulary knows. Those named here, or as in
        the vocabulary, must convert; an alias that measures something else is left out and listed in ``attrs["history"]``.
    site : str, optional
        Name of the site, where `data` has no dim or coordinate ``site``.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``, names and units of the vocabulary.

    Raises
    ------
    KeyError
        If a name in `names` is not in the data.
    ValueError
        If a variable has no or an unfit unit, two variables mean the same quantity, or there is no time or site.
    """
    data = _site_and_time(data, site)
    chosen = _chosen(data, names)
    if not chosen:
        raise ValueError(
            f"no variable has a name that is known; got {', '.join(map(str, data.data_vars))}; "
            "see lsm_bayes.vocabulary.QUANTITIES for the names"
        )
    out = xr.Dataset(
        coords={"site": data["site"].values.astype(str), "time": data["time"].values.astype("datetime64[ns]")}, attrs=dict(data.attrs)
    )
    left_out = []
    for name, variable in chosen.items():
        array = data[variable]
        try:
            values = _converted(array, variable, name)
        except ValueError as error:
            if names is not None or variable == name or "has no units" in str(error):
                raise
            left_out.append(f"{variable} left out: {error}")
            continue
        sign = -1.0 if variable in _OPPOSITE_SIGN else 1.0
        out[name] = (("site", "time"), sign * values, QUANTITIES[name].attrs() | {"source_variable": variable})
        for ending, spellings in _COMPANIONS.items():
            found = [f"{stem}{spelling}" for stem in (variable, name) for spelling in spellings if f"{stem}{spelling}" in data]
            if found:
                out[f"{name}{ending}"] = _companion(data[found[0]], found[0], name, ending)
    for key, unit in (("latitude", "degrees_north"), ("longitude", "degrees_east"), ("elevation", "m")):
        out = out.assign_coords({key: ("site", _per_site(data, key, np.nan, float), {"units": unit})})
    out = out.assign_coords(pft=("site", _per_site(data, "pft", "", str)))
    if left_out:
        out.attrs["history"] = "; ".join([*filter(None, [data.attrs.get("history")]), *left_out])
    return out


def read_netcdf(path: str | Path) -> xr.Dataset:
    """Open a NetCDF file, with a clear error when it is not one.

    Parameters
    ----------
    path : path-like
        File.

    Returns
    -------
    xarray.Dataset
        Contents, in memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is corrupt, truncated or of another format.
    """
    try:
        return xr.load_dataset(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # the backends raise OSError, ValueError, RuntimeError and h5py's own
        raise ValueError(f"cannot read {path} as NetCDF, it may be truncated or of another format: {error}") from error


def _site_and_time(data: xr.Dataset, site: str | None) -> xr.Dataset:
    if "time" not in data.dims:
        raise ValueError(f"there is no dim 'time'; dims are {', '.join(map(str, data.dims))}; rename the time dim to 'time'")
    if data["time"].dtype.kind != "M":
        raise ValueError(f"the coordinate 'time' is {data['time'].dtype}, not datetime64; give it CF units such as 'days since 2000-01-01'")
    extra = [d for d in data.dims if d not in ("site", "time") and data.sizes[d] == 1]
    data = data.squeeze(extra, drop=True)
    if "site" not in data.dims:
        name = site if site is not None else str(data["site"].item()) if "site" in data.coords and data["site"].ndim == 0 else None
        if name is None:
            raise ValueError("there is no dim or coordinate 'site'; pass site='XX-Abc'")
        data = data.drop_vars("site", errors="ignore").expand_dims(site=[name])
    return data


def _chosen(data: xr.Dataset, names: Iterable[str] | None) -> dict[str, str]:
    """Map vocabulary name to the variable of the data; a name of the vocabulary itself beats an alias, the first alias the later ones."""
    time_series = [str(v) for v in data.data_vars if set(data[v].dims) == {"site", "time"}]
    if names is not None:
        for name in names:
            if name not in time_series:
                raise KeyError(unknown("variable", name, time_series))
        time_series = list(names)
    chosen: dict[str, str] = {}
    for variable in time_series:
        try:
            found = quantity(variable)
        except KeyError:
            if names is not None:
                raise
            continue
        before = chosen.get(found.name)
        if before is not None and names is not None:
            raise ValueError(f"{before!r} and {variable!r} both mean {found.name!r}; name one of them")
        if before is None or _rank(found.name, variable) < _rank(found.name, before):
            chosen[found.name] = variable
    return chosen


def _rank(name: str, variable: str) -> int:
    known = QUANTITIES[name]
    return (name, *known.fluxnet, *known.alma, *known.cf).index(variable)


def _values(array: xr.DataArray) -> np.ndarray:
    values = array.transpose("site", "time").values.astype(float)
    return np.where(values == -9999.0, np.nan, values)


def _unit(array: xr.DataArray, variable: str, name: str) -> str:
    unit = str(array.attrs.get("units", "")).strip()
    if not unit and QUANTITIES[name].unit != "1":
        raise ValueError(f"variable {variable!r} has no units; set its attrs['units'], such as {QUANTITIES[name].unit!r}")
    return _UNIT_SPELLINGS.get(unit, unit or "1")


def _converted(array: xr.DataArray, variable: str, name: str) -> np.ndarray:
    try:
        return convert(_values(array), _unit(array, variable, name), QUANTITIES[name].unit)
    except ValueError as error:
        raise ValueError(f"variable {variable!r}: {error}") from error


def _companion(array: xr.DataArray, variable: str, name: str, ending: str) -> tuple[tuple[str, str], np.ndarray, dict[str, str]]:
    if ending == "_coverage":
        return ("site", "time"), _values(array), {"units": "1", "source_variable": variable}
    source = "RANDUNC" if variable.endswith("_RANDUNC") else str(array.attrs.get("source", "as given"))
    return (
        ("site", "time"),
        _difference(array, variable, name),
        {"units": QUANTITIES[name].unit, "source": source, "source_variable": variable},
    )


def _difference(array: xr.DataArray, variable: str, name: str) -> np.ndarray:
    """Convert a standard deviation: as a difference, so that the offset of a temperature scale drops out."""
    ends = xr.zeros_like(array), array
    zero, value = (_converted(part.assign_attrs(array.attrs), variable, name) for part in ends)
    return np.asarray(np.abs(value - zero))


def _per_site(data: xr.Dataset, key: str, missing: object, kind: type) -> np.ndarray:
    short = {"latitude": "lat", "longitude": "lon", "elevation": "elevation", "pft": "IGBP"}[key]
    found = next((k for k in (key, short) if k in data.variables and "time" not in data[k].dims), None)
    if found is None:
        return np.full(data.sizes["site"], missing)
    return np.broadcast_to(data[found].values, (data.sizes["site"],)).astype(kind)
