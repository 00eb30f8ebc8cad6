"""What workers need to build a model: the data, as a file in the store, and the function."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lsm_bayes.tasks.task import digest

if TYPE_CHECKING:
    import pymc as pm

INPUT = "input.nc"


def build_of(model: "str | Callable[..., pm.Model]") -> "Callable[..., pm.Model]":
    """Return the function that builds a model of the collection, or the given one.

    Parameters
    ----------
    model : str or callable
        Name in the collection, or a function.

    Returns
    -------
    callable
        Takes data and choices.
    """
    if not isinstance(model, str):
        return model
    from lsm_bayes import models

    return models.get(model).build


def write_input(data: xr.Dataset, folder: Path) -> None:
    """Put the data where workers read them, unless they are there.

    Parameters
    ----------
    data : xarray.Dataset
        Dims ``site`` and ``time``.
    folder : pathlib.Path
        The store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, key = folder / INPUT, digest(data)
    if path.exists():
        with xr.open_dataset(path) as there:
            if there.attrs.get("digest") == key:
                return
    part = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        # What the file that the data came from packed stays unpacked: a worker must see the same numbers.
        data.drop_encoding().assign_attrs(digest=key).to_netcdf(part, engine="netcdf4")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_record(path: Path, site: str | None = None, years_off: int = 0) -> xr.Dataset:
    """Read what `write_input` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    site : str, optional
        One site; all by default.
    years_off : int
        Years left out at the end of those in which a site has any data.

    Returns
    -------
    xarray.Dataset
        In memory.

    Raises
    ------
    ValueError
        If no year is left.
    """
    with xr.open_dataset(path) as data:
        names = data["site"].values.astype(str)
        one = data.isel(site=np.flatnonzero((names == site) | (site is None))).load()
    one = one.assign_coords({n: v.astype(str) for n, v in one.coords.items() if v.dtype.kind == "O"}).drop_encoding()
    if not years_off:
        return one
    series = [v for v in one.values() if set(v.dims) == {"site", "time"} and v.dtype.kind == "f"]
    known = np.any([np.isfinite(v.values).any(axis=v.dims.index("site")) for v in series], axis=0)
    years = np.unique(one["time"].dt.year.values[known])
    if years_off >= years.size:
        raise ValueError(f"{site} has {years.size} years with data; a fold without the last {years_off} has none left")
    return one.sel(time=one["time"].dt.year <= years[-1 - years_off])
