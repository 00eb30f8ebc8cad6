"""Why a value was left out: flag variables that travel with the data, and the table of left-out days."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

# The order is the flag's number and is stored in files: append, never reorder.
REASONS = (
    "kept",
    "no value in the source",
    "too few steps with a value",
    "too few steps measured",
    "day or night not measured",
    "isolated spike",
    "outside the physical range",
    "interpolated between retrievals",
    "uncertainty of zero",
)


def leave_out(data: xr.Dataset, name: str, masks: Mapping[str, xr.DataArray | np.ndarray]) -> xr.Dataset:
    """Set values to NaN and record the reason.

    Parameters
    ----------
    data : xarray.Dataset
        Data with variable `name`, dims ``(site, time)``.
    name : str
        Variable whose values are left out.
    masks : mapping
        Reason, one of `REASONS`, to a boolean array that is true where the value goes. The first reason that holds is recorded.

    Returns
    -------
    xarray.Dataset
        Copy with `name` masked and the CF flag variable ``<name>_dropped``; the coverage stays as it was.
    """
    flag_name = f"{name}_dropped"
    values = data[name]
    if flag_name in data:
        flags = data[flag_name].values.copy()
    else:
        flags = np.where(values.notnull().values, 0, REASONS.index("no value in the source")).astype(np.int8)
    gone = np.zeros(flags.shape, dtype=bool)
    for reason, mask in masks.items():
        mask = np.asarray(mask.transpose(*values.dims) if isinstance(mask, xr.DataArray) else mask)
        mask = np.broadcast_to(mask, flags.shape)
        flags[mask & (flags == 0)] = REASONS.index(reason)
        gone |= mask
    attrs = {
        "long_name": f"why {name} was left out",
        "flag_values": np.arange(len(REASONS), dtype=np.int8),
        "flag_meanings": " ".join(reason.replace(" ", "_") for reason in REASONS),
    }
    masked = values.where(~xr.DataArray(gone, dims=values.dims))
    masked.attrs = values.attrs
    return data.assign({name: masked, flag_name: (values.dims, flags, attrs)})


def dropped_days(data: xr.Dataset, name: str | None = None, *, absent: bool = False) -> pd.DataFrame:
    """Table of the values that were left out and why.

    Parameters
    ----------
    data : xarray.Dataset
        Data of a reader, with variables ``<name>_dropped``.
    name : str, optional
        One variable; by default all.
    absent : bool, optional
        List the days without a value in the source too.

    Returns
    -------
    pandas.DataFrame
        Columns ``variable``, ``site``, ``time``, ``reason``, in time order for each variable and site.
    """
    tables = []
    for variable in data.data_vars:
        stream = str(variable).removesuffix("_dropped")
        if stream == variable or name not in (None, stream):
            continue
        flags = data[variable].transpose("site", "time")
        first = 1 if absent else 2
        rows, columns = np.nonzero(flags.values >= first)
        tables.append(
            pd.DataFrame(
                {
                    "variable": stream,
                    "site": data["site"].values[rows],
                    "time": data["time"].values[columns],
                    "reason": [REASONS[int(code)] for code in flags.values[rows, columns]],
                }
            )
        )
    if not tables:
        return pd.DataFrame({"variable": [], "site": [], "time": pd.DatetimeIndex([]), "reason": []})
    return pd.concat(tables, ignore_index=True)
