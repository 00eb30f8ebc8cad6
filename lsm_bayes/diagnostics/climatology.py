"""The forecast to beat: what the training years had at the same time of the year."""

import numpy as np
import pandas as pd


def climatology(time: np.ndarray, values: np.ndarray, training: np.ndarray, half_window: float = 7.0) -> np.ndarray:
    """Predict a series from the training years alone, as an ensemble.

    Each time is predicted by the values that the training years had within a circular window around the same day of
    the year. The ensemble has its own spread, so that its CRPS and coverage can be set beside the model's. A training
    year is predicted from the other training years, so that no value is part of its own prediction.

    Parameters
    ----------
    time : numpy.ndarray
        datetime64, shape (time,).
    values : numpy.ndarray
        Shape (time,); NaN where missing.
    training : numpy.ndarray
        bool, shape (time,): what may be used.
    half_window : float, optional
        Half width of the window, days. Series with a coarser step use the nearest half step instead.

    Returns
    -------
    numpy.ndarray
        Shape (members, time), padded with NaN; a series without training data gives no finite member.

    Raises
    ------
    ValueError
        If the half width is negative.
    """
    if half_window < 0:
        raise ValueError(f"half_window must be 0 or more days, got {half_window}.")
    stamp = pd.DatetimeIndex(time)
    day, year = stamp.day_of_year.to_numpy().astype(float), stamp.year.to_numpy()
    step = float(np.median(np.diff(time) / np.timedelta64(1, "D"))) if time.size > 1 else 1.0
    width = max(half_window, 0.5 * step)
    used = training & np.isfinite(values)
    source, days, years = values[used], day[used], year[used]
    columns = []
    for d, y, own in zip(day, year, training, strict=True):
        away = np.abs(days - d)
        near = np.minimum(away, 365.25 - away) <= width
        columns.append(source[near & (years != y)] if own else source[near])
    members = np.full((max([1, *(c.size for c in columns)]), time.size), np.nan)
    for k, column in enumerate(columns):
        members[: column.size, k] = column
    return members
