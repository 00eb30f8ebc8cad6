"""Figures of what the model leaves: autocorrelation and dependence on drivers."""

import numpy as np
import pandas as pd

from lsm_bayes.diagnostics.identifiability import correlated_share
from lsm_bayes.diagnostics.residuals import against, autocorrelation, expected_autocorrelation, residuals, seasonal_cycle, seasonal_share
from lsm_bayes.diagnostics.result import Stream
from lsm_bayes.report.drawing import BAND_90, INK, LINE, OTHER, canvas, finish
from lsm_bayes.report.page import Figure, number, unit_text

MAX_DRIVERS = 6


def residual_text(stream: Stream, k: int) -> str:
    """Say in a sentence how much of the variance and of the season the errors take.

    Parameters
    ----------
    stream : Stream
        A stream.
    k : int
        Index of the site.

    Returns
    -------
    str
        One or two sentences.
    """
    share, season = correlated_share(stream, k), seasonal_share(stream, k)
    text = (
        f"The season left in the residuals has {number(100 * season, 2)} % of the variance of the observed season."
        if np.isfinite(season)
        else ""
    )
    if np.isfinite(share["error"]):
        part = (
            f"{number(100 * share['correlated'], 2)} % as AR(1) (coefficient {number(share['phi'], 2)} per step)"
            if share["correlated"] > 0
            else "none of it correlated in time"
        )
        text = f"Errors take {number(100 * share['error'], 2)} % of the predictive variance over time, {part}. {text}"
    return text or "The share of the errors cannot be measured without the operator's output."


def residual_figures(
    stream: Stream, k: int, drivers: dict[str, np.ndarray], driver_time: np.ndarray | None, units: dict[str, str]
) -> list[Figure]:
    """Draw autocorrelation, season and driver dependence of the residuals of one site.

    Parameters
    ----------
    stream : Stream
        A stream.
    k : int
        Index of the site.
    drivers : dict
        Name to values of shape (site, time).
    driver_time : numpy.ndarray or None
        datetime64 of the drivers.
    units : dict
        Unit of each driver.

    Returns
    -------
    list of Figure
        As many as the data allow.
    """
    left = residuals(stream)[k]
    figures = []
    if np.isfinite(left).sum() >= 40:
        figures += [_autocorrelation(stream, k, left), _season(stream, k, left)]
    if driver_time is None:
        return figures
    for name, values in list(drivers.items())[:MAX_DRIVERS]:
        here = at_stream(stream, driver_time, values[k])
        table = against(left, here)
        if not table.empty and np.nanstd(here) > 0:
            figures.append(_driver(stream, k, name, units.get(name, ""), table))
    return figures


def at_stream(stream: Stream, time: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Bring a driver to the times of a stream: the mean from one time of the stream to the next.

    Parameters
    ----------
    stream : Stream
        A stream.
    time : numpy.ndarray
        datetime64 of the driver, ascending.
    values : numpy.ndarray
        Driver, shape (time,).

    Returns
    -------
    numpy.ndarray
        Shape of the stream's time; NaN where the driver is missing.
    """
    start = np.searchsorted(time, stream.time)
    step = np.timedelta64(round(stream.step_days * 86400), "s")
    end = np.searchsorted(time, stream.time + step)
    total = np.concatenate([[0.0], np.cumsum(np.where(np.isfinite(values), values, 0.0))])
    count = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count[end] > count[start], (total[end] - total[start]) / (count[end] - count[start]), np.nan)


def _autocorrelation(stream: Stream, k: int, left: np.ndarray) -> Figure:
    lags = min(30, left.size // 4)
    seen = autocorrelation(left, lags)
    expected = expected_autocorrelation(stream, k, lags)
    with canvas(2.3) as (drawn, ax):
        if expected is not None:
            ax.fill_between(seen.lag, expected[0], expected[2], color=BAND_90, lw=0, label="error model, 90 %")
            ax.plot(seen.lag, expected[1], color=LINE, lw=1.2, ls="--")
        ax.vlines(seen.lag, 0, seen.value, color=INK, lw=1)
        ax.plot(seen.lag, seen.value, "o", color=INK, ms=3, label="residuals")
        ax.axhline(0, color=INK, lw=0.6)
        ax.set(
            xlabel=f"lag (steps of {number(stream.step_days, 2)} d)",
            ylabel="correlation",
            title="Residual autocorrelation",
            xlim=(0, lags + 1),
        )
        ax.legend(loc="upper right")
        first = number(seen.value[0])
        note = f"; the error model expects {number(expected[1, 0])}" if expected is not None else ""
        text = "Pairs of observed steps only; gaps are not closed up." + (
            " The residuals should stay in the band that the fitted error model makes." if expected is not None else ""
        )
        return finish(
            drawn, f"Autocorrelation of the residuals of {stream.name.upper()} at {stream.sites[k]}: {first} at lag 1{note}.", text
        )


def _season(stream: Stream, k: int, left: np.ndarray) -> Figure:
    width = max(10.0, stream.step_days)
    day = np.arange(1, 366)
    with canvas(2.1) as (drawn, ax):
        values = []
        for kept, style, color in ((False, "-", LINE), (True, "--", OTHER)):
            pick = stream.withheld[k] == kept
            if np.isfinite(left[pick]).sum() >= 20:
                line = seasonal_cycle(stream.time, np.where(pick, left, np.nan), width)
                values.append(np.nanmax(np.abs(line)))
                ax.plot(day, line, color=color, ls=style, lw=1.5, label="withheld" if kept else "training")
        ax.axhline(0, color=INK, lw=0.6)
        ax.set(xlim=(0, 366), ylabel=f"residual ({unit_text(stream.unit)})", title="Season of the residuals")
        middle = pd.date_range("2001-01-15", periods=12, freq="MS") - pd.Timedelta(days=16)
        ax.set_xticks(middle.day_of_year.to_numpy(), list("JFMAMJJASOND"))
        ax.tick_params(axis="x", length=0)
        ax.legend()
        return finish(
            drawn,
            f"Mean residual of {stream.name.upper()} at {stream.sites[k]} through the year; at most {number(max(values, default=np.nan))}"
            f" {unit_text(stream.unit)} from zero.",
            "Observed minus predicted: above zero where the model is too low.",
        )


def _driver(stream: Stream, k: int, name: str, unit: str, table: pd.DataFrame) -> Figure:
    words = name.replace("_", " ")
    x = table["driver"].to_numpy(dtype=float)
    with canvas(2.1) as (drawn, ax):
        ax.vlines(x, table["lower"], table["upper"], color="#aaaaaa", lw=1.2, label="quartiles")
        ax.errorbar(x, table["mean"], 2 * table["standard_error"], fmt="o", ms=4, color=LINE, capsize=3, lw=1.8, label="mean ± 2 s.e.")
        ax.axhline(0, color=INK, lw=0.6)
        if x.min() >= 0 and np.median(x) < 0.2 * x.max():
            ax.set_xscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
            ax.set_xlim(0, 1.05 * x.max())
        ax.set(
            xlabel=f"{words} ({unit_text(unit)})" if unit else words,
            ylabel=f"residual ({unit_text(stream.unit)})",
            title=f"Residual against {words}",
        )
        slope = number(np.abs(table["mean"]).max())
        return finish(
            drawn,
            f"Residual of {stream.name.upper()} at {stream.sites[k]} in bins of {words}: largest mean {slope} {unit_text(stream.unit)}.",
            "Bins of equal numbers; standard errors as if the residuals were independent.",
        )
