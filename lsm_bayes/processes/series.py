"""Forcing made from whole series: sums since 1 January, the step before, means and weights of moving windows. No symbols."""

import numpy as np


def first_of_year(day_of_year: np.ndarray) -> np.ndarray:
    """Say which steps are the first of a calendar year.

    Parameters
    ----------
    day_of_year : numpy.ndarray
        d, shape (..., time).

    Returns
    -------
    numpy.ndarray of bool
        Where the day of the year is smaller than in the step before; False at the start of the series.
    """
    found = np.zeros(day_of_year.shape, dtype=bool)
    found[..., 1:] = day_of_year[..., 1:] < day_of_year[..., :-1]
    return found


def sum_since_new_year(amount: np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Add up amounts from the first step of each calendar year, or from the start of the series.

    Parameters
    ----------
    amount : numpy.ndarray
        Of each step, shape (..., time).
    day_of_year : numpy.ndarray
        d, the same shape.

    Returns
    -------
    numpy.ndarray
        Sum, the step itself included.
    """
    total = np.cumsum(amount, axis=-1)
    first = first_of_year(day_of_year)
    start = np.maximum.accumulate(np.where(first, np.arange(amount.shape[-1]), 0), axis=-1)
    return total - np.take_along_axis(total - amount, start, axis=-1)


def step_before(values: np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Return the value of the step before in the same calendar year.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (..., time).
    day_of_year : numpy.ndarray
        d, the same shape.

    Returns
    -------
    numpy.ndarray
        0 at the first step of a year; at the start of the series the value itself, so that what is past by then is no event.
    """
    shifted = np.concatenate([values[..., :1], values[..., :-1]], axis=-1)
    return np.where(first_of_year(day_of_year), 0.0, shifted)


def trailing_mean(values: np.ndarray, steps: int) -> np.ndarray:
    """Average a series over the last steps.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (..., time).
    steps : int
        How many, the present one included.

    Returns
    -------
    numpy.ndarray
        Shape (..., time); at the beginning the value itself, until there are enough.
    """
    found = np.array(values, dtype=float)
    if steps <= values.shape[-1]:
        found[..., steps - 1 :] = np.lib.stride_tricks.sliding_window_view(values, steps, axis=-1).mean(axis=-1)
    return found


def window_weights(step_length: np.ndarray, window: float, entries: int) -> list[np.ndarray]:
    """Return the weights of the steps before in a mean over a moving window.

    Parameters
    ----------
    step_length : numpy.ndarray
        d, shape (..., time) or ().
    window : float
        d, length of the window, which ends where the step begins.
    entries : int
        Steps that are remembered.

    Returns
    -------
    list of numpy.ndarray
        For the last step, the one before it and so on: fraction of the window that it fills, the same shape. What precedes the
        series counts as one step as long as the window; a single number stands for steps of that length without a beginning.

    Raises
    ------
    ValueError
        When the remembered steps do not fill the window.
    """
    series = np.atleast_1d(step_length)
    before = window if np.ndim(step_length) else float(step_length)
    long = np.concatenate([np.full((*series.shape[:-1], entries), before), series], axis=-1)
    n = series.shape[-1]
    left = np.full(series.shape, float(window))
    weights = []
    for k in range(1, entries + 1):
        inside = np.minimum(long[..., entries - k : entries - k + n], left)
        left = left - inside
        weights.append((inside / window).reshape(np.shape(step_length)))
    if left.max() > 1e-9 * window:
        needed = int(np.ceil(window / series.min() - 1e-9)) + 1
        raise ValueError(
            f"the last {entries} steps do not fill a window of {window:g} days when steps are as short as {series.min():g} d; "
            f"use a model that remembers {needed} steps"
        )
    return weights
