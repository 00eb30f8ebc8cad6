"""Gridded input to sites, and posterior summaries of sites back to the grid, by the CF conventions."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lsm_bayes.datasets import from_xarray
from lsm_bayes.tasks.sites import STATUS, calibrate_sites

if TYPE_CHECKING:
    import pymc as pm

CONVENTIONS = "CF-1.11"
_AXES = {
    "latitude": {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north"},
    "longitude": {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east"},
}
_SHORT = {"latitude": "lat", "longitude": "lon"}
_LEFT_OUT = ("elevation", "pft", "error")  # of sites


def calibrate_grid(model: "str | Callable[..., pm.Model]", data: xr.Dataset, store: str | Path, **arguments: Any) -> xr.Dataset:
    """Calibrate each pixel of a grid by itself, as CARDAMOM does (Bloom et al. 2016, doi 10.1073/pnas.1515160113).

    Parameters
    ----------
    model : str or callable
        As of `calibrate_sites`.
    data : xarray.Dataset
        Dims ``time`` and those of the grid: ``latitude`` and ``longitude`` (or ``lat``, ``lon``), others with two-dimensional latitude and
        longitude, or one dim of pixels. Names and units as `lsm_bayes.datasets.from_xarray` takes them, observations with
        ``<name>_uncertainty``; a series without dims of the grid holds everywhere. ``mask`` (dims of the grid) is true where pixels are
        calibrated; without it, where all forcing and some observation have values.
    store : path
        Folder of the results, one file for each pixel.
    **arguments
        All further arguments of `calibrate_sites` but `sites` and `folds`.

    Returns
    -------
    xarray.Dataset
        The summaries of `calibrate_sites` on the dims of the grid, with the attributes of the CF conventions. ``status`` is 0 where a pixel
        was left out. Write it with `write_grid`, draw it with `draw_maps`.

    Raises
    ------
    ValueError
        If dims, latitude or longitude are missing, or no pixel is left.
    """
    found = calibrate_sites(model, pixels(data), store, **arguments)
    return on_grid(found, data)


def pixels(data: xr.Dataset) -> xr.Dataset:
    """Turn the pixels of a grid into sites.

    Parameters
    ----------
    data : xarray.Dataset
        As of `calibrate_grid`.

    Returns
    -------
    xarray.Dataset
        Dims ``site`` and ``time`` in the convention of the package, pixels that are left out not among them. Sites are named after
        their places in the grid, such as ``lat003-lon011``.

    Raises
    ------
    ValueError
        If dims, latitude or longitude are missing, or no pixel is left.
    """
    dims = _space(data)
    data = _with_axes(data, dims)
    rest = [k for k in ("pft", "elevation") if k in data.variables and set(data[k].dims) <= set(dims)]
    template = xr.DataArray(np.zeros([data.sizes[d] for d in dims]), dims=dims)
    series = {
        n: v.broadcast_like(template).reset_coords(drop=True).assign_attrs(v.attrs) for n, v in data.data_vars.items() if "time" in v.dims
    }
    flat = xr.Dataset(series, attrs=data.attrs).drop_vars(dims, errors="ignore").stack(site=dims, create_index=False)
    place: dict[Any, Any] = {k: ("site", data[k].broadcast_like(template).transpose(*dims).values.ravel()) for k in (*_AXES, *rest)}
    sites = from_xarray(flat.assign_coords({"site": _names(data, dims)} | place))
    chosen = _chosen(data, dims, sites)
    if not chosen.any():
        raise ValueError(f"no pixel of {chosen.size} is left: each is masked, or has no forcing or no observation at all")
    return sites.isel(site=np.flatnonzero(chosen))


def on_grid(summary: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Put summaries of pixels back to their places.

    Parameters
    ----------
    summary : xarray.Dataset
        Of `calibrate_sites`, for sites of `pixels`.
    data : xarray.Dataset
        The gridded data.

    Returns
    -------
    xarray.Dataset
        On the dims of the grid, with the attributes of the CF conventions.
    """
    dims = _space(data)
    data = _with_axes(data, dims)
    names, shape = _names(data, dims), [data.sizes[d] for d in dims]
    full = summary.drop_vars([n for n in _LEFT_OUT if n in summary.variables]).reindex(
        site=names, fill_value={"status": STATUS["left_out"]}
    )
    found = xr.Dataset(attrs=summary.attrs | {"Conventions": CONVENTIONS, "history": str(data.attrs.get("history", ""))})
    found.attrs["title"] = str(found.attrs.get("title", "")).replace("single sites", "pixels")
    found.attrs["references"] = str(data.attrs.get("references", data.attrs.get("citation", "")))
    for name, v in full.data_vars.items():
        others = [d for d in v.dims if d != "site"]
        array = v.transpose(*others, "site").values
        found[name] = ((*others, *dims), array.reshape(*array.shape[:-1], *shape), v.attrs)
        if "flag_values" in v.attrs and name != "status":
            found[name].encoding = {"dtype": "int8", "_FillValue": np.int8(-1)}
    own = {d: data[d] for d in dims if d in data.coords and d not in _AXES}
    found = found.assign_coords({"quantile": summary["quantile"]} if "quantile" in summary else {}).assign_coords(own)
    for key, attrs in _AXES.items():
        axis = {"axis": "Y" if key == "latitude" else "X"} if data[key].dims == (key,) else {}
        found = found.assign_coords({key: (data[key].dims, data[key].values, data[key].attrs | attrs | axis)})
    return _with_mapping(found, data)


def write_grid(grid: xr.Dataset, path: str | Path) -> Path:
    """Write a dataset of `calibrate_grid` as NetCDF or Zarr, compressed.

    Parameters
    ----------
    grid : xarray.Dataset
        The dataset.
    path : path
        Ends with ``.nc`` or ``.zarr``; replaced when it is there.

    Returns
    -------
    pathlib.Path
        Where it lies.

    Raises
    ------
    ValueError
        For another ending.
    """
    path = Path(path)
    if path.suffix == ".nc":
        packed = {str(n): {"zlib": True, **v.encoding} for n, v in grid.data_vars.items() if v.ndim}
        grid.to_netcdf(path, engine="netcdf4", encoding=packed)
    elif path.suffix == ".zarr":
        grid.to_zarr(path, mode="w", zarr_format=2, consolidated=True)
    else:
        raise ValueError(f"cannot tell the format of {path.name!r}; end it with .nc or .zarr")
    return path


def _space(data: xr.Dataset) -> list[str]:
    """Dims of the grid, in the order of the variable that has most."""
    if "time" not in data.dims or "site" in data.dims:
        raise ValueError(f"dims are {', '.join(map(str, data.dims))}; a grid has 'time' and no 'site' (those are for calibrate_sites)")
    series = [v for v in data.data_vars.values() if "time" in v.dims]
    dims = max(([str(d) for d in v.dims if d != "time"] for v in series), key=len, default=[])
    if not dims or any(not set(v.dims) <= {*dims, "time"} for v in series):
        raise ValueError(
            f"series have dims {sorted({', '.join(map(str, v.dims)) for v in series})}; a grid has 'time' and the same one or two dims, "
            "such as latitude and longitude"
        )
    return dims


def _with_axes(data: xr.Dataset, dims: list[str]) -> xr.Dataset:
    """Find latitude and longitude by standard name or name, and call them so; dims keep their names."""
    for key, short in _SHORT.items():
        named = [k for k, v in data.variables.items() if v.attrs.get("standard_name") == key]
        found = next((k for k in (key, *named, short) if k in data.variables and set(data[k].dims) <= set(dims)), None)
        if found is None:
            raise ValueError(f"there is no {key} on {', '.join(dims)}; got {', '.join(map(str, data.coords))}; add it as a coordinate")
        if found != key:
            data = data.assign_coords({key: (data[found].dims, data[found].values, data[found].attrs)})
        data = data.set_coords(key)
    return data


def _names(data: xr.Dataset, dims: list[str]) -> list[str]:
    sizes = [data.sizes[d] for d in dims]
    return ["-".join(f"{d[:3]}{k:03d}" for d, k in zip(dims, index, strict=True)) for index in np.ndindex(*sizes)]


def _chosen(data: xr.Dataset, dims: list[str], sites: xr.Dataset) -> np.ndarray:
    """Say which pixels are calibrated, in the order of the names."""
    known = {str(n): np.isfinite(v.values).any(axis=v.dims.index("time")) for n, v in sites.data_vars.items() if v.dims == ("site", "time")}
    seen = [n for n in known if f"{n}_uncertainty" in known]
    driving = [n for n in known if n not in seen and not n.endswith(("_uncertainty", "_coverage"))]
    there = np.all([known[n] for n in driving if known[n].any()], axis=0) & (np.any([known[n] for n in seen], axis=0) if seen else True)
    if "mask" in data:
        mask = data["mask"].transpose(*dims).values.ravel()
        there = np.isfinite(mask.astype(float)) & (mask.astype(float) != 0)
    return np.broadcast_to(there, sites.sizes["site"])


def _with_mapping(found: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Take over the map projection of the data."""
    names = {v.attrs.get("grid_mapping") or v.encoding.get("grid_mapping") for v in data.data_vars.values()} & set(data.variables)
    for name in names:
        found[name] = data[name]
        for v in found.data_vars.values():
            if set(_space(data)) <= set(v.dims):
                v.attrs["grid_mapping"] = str(name)
    return found
