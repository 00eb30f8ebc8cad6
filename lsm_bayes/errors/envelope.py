"""Seasonal shape of error standard deviations, from the data and not from the model.

A free heteroscedastic sd lets the error swallow the model misfit of the season; a shape fixed from the variability of the data
cannot. Fast errors follow the spread of single values about their running mean, slow ones the spread of the running mean between
years.
"""

from typing import Literal

import numpy as np
import pandas as pd

WINDOW = 31  # days of the running mean


def _running_mean(values: np.ndarray, time: pd.DatetimeIndex) -> np.ndarray:
    series = pd.Series(values, index=time)
    daily = series.reindex(pd.date_range(time[0], time[-1], freq="D"))
    spacing = max(1, round(float(np.median(np.diff(time.values).astype("timedelta64[D]").astype(float))))) if len(time) > 1 else 1
    mean = daily.rolling(WINDOW, center=True, min_periods=max(1, WINDOW // (2 * spacing))).mean()
    return mean.reindex(time).to_numpy()


def seasonal_envelope(values: np.ndarray, time: pd.DatetimeIndex, kind: Literal["fast", "slow"], exponent: float) -> np.ndarray:
    """Relative error sd by day of the year.

    Parameters
    ----------
    values : numpy.ndarray
        Training observations of one site.
    time : pandas.DatetimeIndex
        Their times.
    kind : {"fast", "slow"}
        Spread of single values about the 31-day running mean, or of that mean between years.
    exponent : float
        0 for a constant, 1 for the full seasonal contrast of the data.

    Returns
    -------
    numpy.ndarray
        (366,), mean square one: two harmonics of the log spread in a circular window of 15 days. Constant where the data are too few.
    """
    if exponent == 0:
        return np.ones(366)
    smooth = _running_mean(values, time)
    x = values - smooth if kind == "fast" else smooth
    day = time.day_of_year.to_numpy()
    good = np.isfinite(x)
    days = np.arange(1, 367)
    spread = np.full(366, np.nan)
    for d in days:
        distance = np.abs(day - d)
        near = x[good & (np.minimum(distance, 366 - distance) <= 7)]
        if near.size >= 8:
            spread[d - 1] = near.std()
    known = np.isfinite(spread) & (spread > 0)
    if known.sum() < 120:
        return np.ones(366)
    angle = 2 * np.pi * days / 366
    basis = np.column_stack([np.ones(366), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    fitted = np.exp(exponent * (basis @ np.linalg.lstsq(basis[known], np.log(spread[known]), rcond=None)[0]))
    return fitted / np.sqrt(np.mean(fitted**2))
