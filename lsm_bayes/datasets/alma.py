"""ALMA NetCDF as used by PLUMBER2: one site, dims (time, y, x), meteorology or fluxes."""

import re
from pathlib import Path

import numpy as np
import xarray as xr

from lsm_bayes.datasets.xarray_reader import from_xarray, read_netcdf

_SITE = re.compile(r"(?:^|_)([A-Z]{2}-[A-Za-z0-9]{3})(?=[_.])")


def read_alma(path: str | Path, *more: str | Path, site: str | None = None) -> xr.Dataset:
    """Read ALMA/PLUMBER2 NetCDF files of one site.

    Parameters
    ----------
    path, *more : path-like
        Files of the same site, such as the meteorology and the flux file.
    site : str, optional
        Site; by default from the file name (``FI-Hyy_1996-2014_FLUXNET2015_Met.nc``).

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)`` at the step of the files, `time` the start of the step in local standard time, units of the vocabulary
        (from the files' attributes: K, Pa, kg m-2 s-1, W m-2 and others), ``<name>_coverage`` from the ``_qc`` variables (0 is
        measured) and ``<name>_uncertainty`` from ``_uc``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file is corrupt, a unit is missing, the site cannot be told, or the files do not share their time axis.
    """
    parts = [_one(Path(p), site) for p in (path, *more)]
    first = parts[0]
    for other, name in zip(parts[1:], more, strict=True):
        if not np.array_equal(first["time"].values, other["time"].values) or first["site"].item() != other["site"].item():
            raise ValueError(f"{name} has another site or time axis than {path}; pass files of one site and period")
    return xr.merge(parts, compat="override", join="exact", combine_attrs="override")


def _one(path: Path, site: str | None) -> xr.Dataset:
    raw = read_netcdf(path)
    found = site or next(iter(_SITE.findall(path.name)), None)
    if found is None:
        raise ValueError(f"the file name {path.name!r} does not hold a site such as FI-Hyy; pass site=")
    raw = raw.squeeze([d for d in raw.dims if d != "time" and raw.sizes[d] == 1], drop=True).drop_vars("site", errors="ignore")
    for variable in [str(v) for v in raw.data_vars]:
        if f"{variable}_qc" in raw:
            flag = raw[f"{variable}_qc"]
            raw[f"{variable}_coverage"] = xr.where(flag.isnull(), np.nan, (flag == 0).astype(float))
        if f"{variable}_uc" in raw and "units" not in raw[f"{variable}_uc"].attrs:
            raw[f"{variable}_uc"].attrs["units"] = raw[variable].attrs.get("units", "")
    if "IGBP_veg_short" in raw:
        raw = raw.assign_coords(pft=str(np.asarray(raw["IGBP_veg_short"].values).astype(str).item()).strip())
    return from_xarray(raw, site=found)
