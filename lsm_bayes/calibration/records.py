"""Sites of a calibration, each with its own record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.calibration.choices import SiteRecord
from lsm_bayes.datasets import validate
from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import forcing_arrays
from lsm_bayes.vocabulary import unknown


def records_of(model: ProcessModel, data: xr.Dataset, sites: Sequence[str] | None, training: Any, withheld_years: int) -> list[SiteRecord]:
    """Take the sites of a calibration from data, each cut to its own record.

    Parameters
    ----------
    model : ProcessModel
        Whose forcing is needed.
    data : xarray.Dataset
        Dimension ``time``, and ``site`` where there are several.
    sites : sequence of str, optional
        Which; all without.
    training : tuple, optional
        First and last day that are fitted.
    withheld_years : int
        Calendar years at the end of each record that are not.

    Returns
    -------
    list of SiteRecord
        In the order of the data, or of `sites`.

    Raises
    ------
    KeyError
        For unknown sites and missing forcing.
    ValueError
        For training periods that are too short.
    """
    if "site" not in data.dims:
        data = data.expand_dims(site=[str(data.attrs.get("site", data.coords["site"].item() if "site" in data.coords else "site"))])
    if sites is not None:
        for s in sites:
            if s not in data["site"].values:
                raise KeyError(unknown("site", s, map(str, data["site"].values)))
        data = data.sel(site=list(sites))
    needed = [
        n for n in model.given_forcing if n not in ("day_of_year", "day_number", "step_length", "latitude", "burned_area", "irrigation")
    ]
    found = []
    for name in map(str, data["site"].values):
        one = _trimmed(data.sel(site=[name]), needed)
        checked = validate(one, model.given_forcing, ()).sel(site=name)
        time = pd.DatetimeIndex(checked["time"].values)
        if training is not None:
            start, end = (pd.Timestamp(str(t)) if t is not None else None for t in training)
            mask = np.ones(time.size, dtype=bool)
            mask &= (time >= start) if start is not None else True
            mask &= (time <= end + pd.Timedelta(days=0)) if end is not None else True
        else:
            years = np.unique(time.year)
            if withheld_years >= years.size:
                raise ValueError(f"{name} has {years.size} years, {years[0]} to {years[-1]}; {withheld_years} cannot be withheld")
            mask = time.year <= years[-1 - withheld_years]
        if mask.sum() < 300:
            raise ValueError(
                f"the training period of {name} has {int(mask.sum())} days of its record "
                f"{time[0]:%Y-%m-%d} to {time[-1]:%Y-%m-%d}; at least 300 are needed"
            )
        found.append(SiteRecord(name, checked, forcing_arrays(model, checked), np.asarray(mask)))
    return found


def _trimmed(data: xr.Dataset, needed: Sequence[str]) -> xr.Dataset:
    """Cut a site to the period in which it has forcing at all: sets of many sites stand on the union of their records."""
    there = [n for n in needed if n in data]
    if not there:
        return data
    known = np.all([np.isfinite(data[n].transpose("site", "time").values).any(axis=0) for n in there if "time" in data[n].dims], axis=0)
    days = np.flatnonzero(known)
    return data.isel(time=slice(days[0], days[-1] + 1)) if days.size else data
