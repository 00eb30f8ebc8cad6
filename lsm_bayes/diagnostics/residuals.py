"""What the model leaves: correlation in time, dependence on drivers, a season of its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lsm_bayes.diagnostics.result import Stream
from lsm_bayes.diagnostics.scores import quantiles


@dataclass(frozen=True)
class Autocorrelation:
    """Autocorrelation of a series with gaps.

    Parameters
    ----------
    lag : numpy.ndarray
        Lags in steps of the series, from 1.
    value : numpy.ndarray
        Correlation at each lag; NaN where there are fewer than 20 pairs.
    pairs : numpy.ndarray
        Number of pairs behind each value.
    """

    lag: np.ndarray
    value: np.ndarray
    pairs: np.ndarray


def residuals(stream: Stream) -> np.ndarray:
    """Return observation minus the posterior mean of the observation operator's output.

    Parameters
    ----------
    stream : Stream
        A stream.

    Returns
    -------
    numpy.ndarray
        Shape (site, time), in the stream's unit, positive where the model is too low; NaN without an observation.

    Raises
    ------
    ValueError
        If the result holds no prediction of the stream.
    """
    centre = stream.mean if stream.mean is not None else stream.predicted
    if centre is None:
        raise ValueError(
            f"the result holds no posterior_predictive[{stream.name + '_mean'!r}] and no posterior_predictive[{stream.name!r}]. Sample the"
            " predictive first."
        )
    return stream.observed - centre.mean(axis=0)


def autocorrelation(values: np.ndarray, max_lag: int = 30) -> Autocorrelation:
    """Autocorrelation over the pairs that are both observed.

    Gaps are not closed up: a lag of 3 steps is 3 steps of time whatever is missing between.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (..., time), regular in time; NaN where missing.
    max_lag : int, optional
        Largest lag, in steps.

    Returns
    -------
    Autocorrelation
        With leading dimensions like those of `values`.

    Raises
    ------
    ValueError
        If the largest lag is not between 1 and the length of the series minus 1.
    """
    n = values.shape[-1]
    if not 1 <= max_lag < n:
        raise ValueError(f"max_lag must lie between 1 and {n - 1} for a series of {n} steps, got {max_lag}.")
    valid = np.isfinite(values)
    count = valid.sum(axis=-1, keepdims=True)
    away = np.where(valid, values, 0.0) - np.where(
        valid, np.where(valid, values, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1), 0.0
    )
    variance = (away**2).sum(axis=-1) / np.maximum(count[..., 0], 1)
    products, pairs = [], []
    for lag in range(1, max_lag + 1):
        products.append((away[..., lag:] * away[..., :-lag]).sum(axis=-1))
        pairs.append((valid[..., lag:] & valid[..., :-lag]).sum(axis=-1))
    number, total = np.stack(pairs, axis=-1), np.stack(products, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where((number >= 20) & (variance[..., None] > 0), total / number / variance[..., None], np.nan)
    return Autocorrelation(np.arange(1, max_lag + 1), value, number)


def expected_autocorrelation(stream: Stream, site: int, max_lag: int = 30, draws: int = 100) -> np.ndarray | None:
    """Autocorrelation that the fitted error model itself produces, with the gaps of the data.

    Parameters
    ----------
    stream : Stream
        A stream.
    site : int
        Index of the site.
    max_lag : int, optional
        Largest lag, in steps.
    draws : int, optional
        Use at most this number of draws, evenly spaced.

    Returns
    -------
    numpy.ndarray or None
        Quantiles 0.05, 0.5 and 0.95, shape (3, max_lag): where the observed autocorrelation should lie. None when the
        result does not hold both the simulated observations and the operator's output.
    """
    if stream.predicted is None or stream.mean is None:
        return None
    pick = np.unique(np.linspace(0, stream.predicted.shape[0] - 1, draws).astype(int))
    # both against the posterior mean, as the residuals of the data are
    error = stream.predicted[pick, site] - stream.mean[:, site].mean(axis=0)
    found = autocorrelation(np.where(np.isfinite(stream.observed[site]), error, np.nan), max_lag).value
    return quantiles(found, [0.05, 0.5, 0.95]) if np.isfinite(found).any(axis=0).all() else None


def against(values: np.ndarray, driver: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Mean residual in bins of a driver that hold equal numbers of values.

    Parameters
    ----------
    values, driver : numpy.ndarray
        Same shape; pairs with a missing member are left out.
    bins : int, optional
        Number of bins.

    Returns
    -------
    pandas.DataFrame
        Columns ``driver`` (median in the bin), ``mean``, ``standard_error`` (of independent values: correlated
        residuals deserve a wider one), ``lower``, ``upper`` (quartiles) and ``n``. Empty with fewer than 10 pairs a bin.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if values.shape != driver.shape:
        raise ValueError(
            f"residuals have shape {values.shape} and the driver {driver.shape}; bring the driver to the stream's own times first."
        )
    columns = ["driver", "mean", "standard_error", "lower", "upper", "n"]
    valid = np.isfinite(values) & np.isfinite(driver)
    if valid.sum() < 10 * bins:
        return pd.DataFrame(columns=columns)
    y, x = values[valid], driver[valid]
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
    group = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(edges.size - 2, 0))
    rows = []
    for k in np.unique(group):
        inside = y[group == k]
        lower, upper = np.quantile(inside, [0.25, 0.75])
        spread = inside.std(ddof=1) if inside.size > 1 else np.nan
        rows.append((np.median(x[group == k]), inside.mean(), spread / np.sqrt(inside.size), lower, upper, inside.size))
    return pd.DataFrame(rows, columns=columns)


def seasonal_cycle(time: np.ndarray, values: np.ndarray, half_window: float = 10.0) -> np.ndarray:
    """Mean over the years by day of the year, smoothed with a circular window.

    Parameters
    ----------
    time : numpy.ndarray
        datetime64, shape (time,).
    values : numpy.ndarray
        Shape (..., time); NaN where missing.
    half_window : float, optional
        Half width of the window, days.

    Returns
    -------
    numpy.ndarray
        Shape (..., 365): value on days 1 to 365; NaN where the window is empty.
    """
    day = pd.DatetimeIndex(time).day_of_year.to_numpy()
    away = np.abs(np.arange(1, 366)[:, None] - day)
    window = (np.minimum(away, 365 - np.minimum(away, 365)) <= half_window).astype(float)
    valid = np.isfinite(values)
    count = valid @ window.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, (np.where(valid, values, 0.0) @ window.T) / count, np.nan)


def seasonal_share(stream: Stream, site: int) -> float:
    """How much of the season the errors take: variance of the residuals' season over that of the observations' season.

    A correlated error that is too free replaces the process model's season; then this share is large while the
    training fit looks good.

    Parameters
    ----------
    stream : Stream
        A stream.
    site : int
        Index of the site.

    Returns
    -------
    float
        0 when the process model carries the season; NaN without data.
    """
    width = max(10.0, stream.step_days)
    left = seasonal_cycle(stream.time, residuals(stream)[site], width)
    seen = seasonal_cycle(stream.time, stream.observed[site], width)
    variance = float(np.nanvar(seen)) if np.isfinite(seen).any() else 0.0
    return float(np.nanvar(left)) / variance if variance > 0 and np.isfinite(left).any() else np.nan
