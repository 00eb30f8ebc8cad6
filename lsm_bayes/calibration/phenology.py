"""Dates of leaf onset and leaf fall from the mean seasonal cycle of an observed series."""

import numpy as np
import pandas as pd
import xarray as xr


def turning_days(time: pd.DatetimeIndex, values: np.ndarray) -> tuple[float, float]:
    """Find the days of the steepest rise and the steepest fall of the mean seasonal cycle.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Times.
    values : numpy.ndarray
        Leaf area index, or gross primary production where there is none; NaN where missing.

    Returns
    -------
    tuple of float
        Days of the year, 1 to 365, of two harmonics fitted to the values.

    Raises
    ------
    ValueError
        When fewer than 24 values in at least 8 months are known.
    """
    good = np.isfinite(values)
    if good.sum() < 24 or len(set(time.month[good])) < 8:
        raise ValueError(f"a seasonal cycle needs at least 24 values in 8 months, got {int(good.sum())} in {len(set(time.month[good]))}")

    def basis(day: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * day / 365.25
        return np.column_stack([np.ones(day.size), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])

    day = time.day_of_year.to_numpy().astype(float)
    fitted = np.linalg.lstsq(basis(day[good]), values[good], rcond=None)[0]
    days = np.arange(1.0, 366.0)
    slope = np.gradient(basis(days) @ fitted)
    return float(days[np.argmax(slope)]), float(days[np.argmin(slope)])


def observed_turning_days(data: xr.Dataset, training: np.ndarray | None = None) -> tuple[float, float]:
    """Find the turning days of one site in the best series that its data have.

    Parameters
    ----------
    data : xarray.Dataset
        One site, dimension ``time``.
    training : numpy.ndarray of bool, optional
        Steps to use.

    Returns
    -------
    tuple of float
        As `turning_days`, from ``lai``, else ``gpp``, else minus ``nee``.

    Raises
    ------
    ValueError
        When the data have none of them.
    """
    time = pd.DatetimeIndex(data["time"].values)
    chosen = np.ones(time.size, dtype=bool) if training is None else training
    for name, sign in (("lai", 1.0), ("gpp", 1.0), ("nee", -1.0)):
        if name in data and np.isfinite(data[name].values[chosen]).sum() >= 24:
            return turning_days(time[chosen], sign * data[name].values[chosen].astype(float))
    raise ValueError(f"no leaf area, GPP or NEE to take the season from; the data have {', '.join(sorted(map(str, data.data_vars)))}")
