"""Forcing of a step within the day, beside daily data."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from lsm_bayes.datasets import uncertainty as un
from lsm_bayes.datasets.daily import whole_days
from lsm_bayes.vocabulary import SUBSTEP, unknown


def with_substeps(daily: xr.Dataset, data: xr.Dataset, steps: int, names: Iterable[str]) -> xr.Dataset:
    """Add to daily data what drives the nested step of a process model.

    Parameters
    ----------
    daily : xarray.Dataset
        From `to_daily`; some of its days may have been left out.
    data : xarray.Dataset
        The half-hourly or hourly data that it was made from: dims ``(site, time)``, `time` the start of each step.
    steps : int
        Substeps of a day: ``model.nested.steps``.
    names : iterable of str
        Variables: ``model.nested_forcing``, less what follows from the clock.

    Returns
    -------
    xarray.Dataset
        `daily` with these variables, dims ``(site, time, substep)``, in place of daily means of the same name: means over each substep,
        missing where any of its values is.

    Raises
    ------
    KeyError
        For a variable that the data do not have.
    ValueError
        When the steps of the data are not a multiple of the substeps.
    """
    per_day = un.steps_per_day(data["time"].values)
    if steps < 1 or per_day % steps:
        raise ValueError(f"{per_day} values a day cannot be averaged to {steps} substeps; give a divisor of {per_day}")
    whole = whole_days(data, per_day)
    days = whole["time"].values[::per_day].astype("datetime64[D]").astype("datetime64[ns]")
    found = daily
    for name in names:
        if name not in whole:
            raise KeyError(unknown("variable", name, map(str, whole.data_vars)))
        values = whole[name].transpose("site", "time").values.reshape(whole.sizes["site"], len(days), steps, per_day // steps)
        series = xr.DataArray(
            np.mean(values, axis=-1), dims=("site", "time", SUBSTEP), coords={"site": whole["site"], "time": days}, attrs=whole[name].attrs
        )
        found = found.drop_vars(name, errors="ignore").assign({name: series.reindex(time=daily["time"])})
    return found
