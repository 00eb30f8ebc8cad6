"""Seasonal shape of the error standard deviation, from the data and not from the model.

A free heteroscedastic sd lets the error swallow the model misfit of the season; a shape fixed from the variability of the data
cannot.
"""

import numpy as np


def seasonal_envelope(values: np.ndarray, day_of_year: np.ndarray, exponent: float) -> np.ndarray:
    """Relative error sd by day of the year.

    Parameters
    ----------
    values : numpy.ndarray
        Training observations of one site, NaN where missing.
    day_of_year : numpy.ndarray
        1 to 366.
    exponent : float
        0 for a constant, 1 for the full seasonal contrast of the data.

    Returns
    -------
    numpy.ndarray
        (366,), mean square one: two harmonics of the log sd in a circular 31-day window about the window mean.
    """
    if exponent == 0:
        return np.ones(366)
    good = np.isfinite(values)
    days = np.arange(1, 367)
    spread = np.full(366, np.nan)
    for day in days:
        distance = np.abs(day_of_year - day)
        near = values[good & (np.minimum(distance, 366 - distance) <= 15)]
        if near.size >= 10:
            spread[day - 1] = near.std()
    known = np.isfinite(spread) & (spread > 0)
    if known.sum() < 30:
        return np.ones(366)
    angle = 2 * np.pi * days / 366
    basis = np.column_stack([np.ones(366), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    fitted = np.exp(exponent * (basis @ np.linalg.lstsq(basis[known], np.log(spread[known]), rcond=None)[0]))
    return fitted / np.sqrt(np.mean(fitted**2))
