"""Section on one stream: fit over time, season, scatter."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lsm_bayes.diagnostics.residuals import seasonal_cycle
from lsm_bayes.diagnostics.result import Stream
from lsm_bayes.diagnostics.scores import pit, quantiles, summary
from lsm_bayes.report.drawing import INK, OTHER, SHADE, bands, canvas, dots, finish
from lsm_bayes.report.heading import stream_title
from lsm_bayes.report.page import Block, Figure, Figures, Fold, Section, Text, absent, number, unit_text
from lsm_bayes.report.residuals import residual_figures, residual_text

YEARS = 12
COARSE = 25  # days; monthly and annual values of all years fit into one drawing
MONTHS = (np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]) + 15, list("JFMAMJJASOND"))


def stream_section(
    stream: Stream, drivers: dict[str, np.ndarray], driver_time: np.ndarray | None, units: dict[str, str], shown: list[int]
) -> Section:
    """Show how one stream is fitted.

    Parameters
    ----------
    stream : Stream
        A stream.
    drivers : dict
        Name to values of shape (site, time).
    driver_time : numpy.ndarray or None
        datetime64 of the drivers.
    units : dict
        Unit of each driver.
    shown : list of int
        Sites that are drawn.

    Returns
    -------
    Section
        A fold for each site.
    """
    key = f"stream-{stream.name}"
    title = stream_title(stream)
    if stream.predicted is None:
        return Section(
            key,
            title,
            [
                absent(
                    f"the fit of {stream.name.upper()}",
                    "The result has no posterior predictive for it. Sample the posterior predictive before writing the report.",
                )
            ],
        )
    blocks: list[Block] = [
        Text(
            "Points: observations. Line: posterior predictive median; bands: 50 % and 90 % of simulated observations, all error terms"
            " included. Shaded background: withheld, not used in the fit."
        ),
    ]
    if not stream.withheld.any():
        blocks.append(absent("withheld data", "Everything was used in the fit, so nothing here tests prediction."))
    if stream.mean is None:
        blocks.append(
            absent(
                "the output of the observation operator without errors",
                f"posterior_predictive has no {stream.name}_mean; residuals are taken against the mean of the simulated observations.",
            )
        )
    if len(shown) < len(stream.sites):
        blocks.append(
            Text(
                f"{len(shown)} of {len(stream.sites)} sites are drawn: the best, the worst and those between by CRPS skill. The tables have"
                " all."
            )
        )
    for k in shown:
        if not np.isfinite(stream.observed[k]).any():
            blocks.append(absent(f"observations at {stream.sites[k]}", f"The site has no {stream.name.upper()} value."))
            continue
        if not np.isfinite(stream.predicted[:, k]).any():
            blocks.append(absent(f"the prediction of {stream.name.upper()} at {stream.sites[k]}", "Every simulated value is missing."))
            continue
        years = _years(stream, k)
        figures: list[Figure] = [_record(stream, k)] if stream.step_days > COARSE else [_year(stream, k, y) for y in years[-YEARS:]]
        figures += [f for f in (_season(stream, k, kept) for kept in (False, True)) if f is not None]
        figures += [_scatter(stream, k), _calibration(stream, k)]
        figures += residual_figures(stream, k, drivers, driver_time, units)
        note = [Text(f"The last {YEARS} of {len(years)} years are drawn.")] if len(years) > YEARS and stream.step_days <= COARSE else []
        blocks.append(
            Fold(
                f"{stream.name.upper()} at {stream.sites[k]}",
                [*note, Text(residual_text(stream, k)), Figures(figures)],
                is_open=k == shown[0],
            )
        )
    return Section(key, title, blocks)


def _years(stream: Stream, k: int) -> list[int]:
    year = pd.DatetimeIndex(stream.time).year.to_numpy()
    return [int(y) for y in np.unique(year[np.isfinite(stream.observed[k])])]


def _year(stream: Stream, k: int, year: int) -> Figure:
    stamp = pd.DatetimeIndex(stream.time)
    pick = np.flatnonzero(stamp.year.to_numpy() == year)
    kept = stream.withheld[k, pick]
    status = "withheld" if kept.all() else "partly withheld" if kept.any() else "training"
    day = stamp.day_of_year.to_numpy()[pick].astype(float)
    return _fit(stream, k, pick, day, stream.step_days, f"{year}: {status}", months=True)


def _record(stream: Stream, k: int) -> Figure:
    days = (stream.time - stream.time[0]) / np.timedelta64(1, "D")
    first = pd.Timestamp(stream.time[0])
    x = first.year + (first.day_of_year - 1 + days) / 365.25
    return _fit(stream, k, np.arange(stream.time.size), x, stream.step_days / 365.25, "whole record", months=False)


def _fit(stream: Stream, k: int, pick: np.ndarray, x: np.ndarray, step: float, title: str, *, months: bool) -> Figure:
    assert stream.predicted is not None
    y, draws = stream.observed[k, pick], stream.predicted[:, k, pick]
    inside = quantiles(draws, (0.05, 0.95))
    seen = np.isfinite(y) & np.isfinite(inside[0])
    hit = float(((y >= inside[0]) & (y <= inside[1]))[seen].mean()) if seen.any() else np.nan
    with canvas(2.1) as (drawn, ax):
        for start, end in _runs(stream.withheld[k, pick]):
            ax.axvspan(x[start] - 0.5 * step, x[end] + 0.5 * step, color=SHADE, lw=0)
        bands(ax, x, draws, label=False)
        dots(ax, x, y, 2.0 if stream.step_days < 3 else 3.5)
        if stream.is_flux:
            ax.axhline(0, color=INK, lw=0.6)
        ax.set(ylim=_limits(stream, k), title=f"{stream.sites[k]} {title}", ylabel=f"{stream.name.upper()} ({unit_text(stream.unit)})")
        if months:
            ax.set_xlim(0, 367)
            ax.set_xticks(*MONTHS)
            ax.tick_params(axis="x", length=0)
        else:
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        text = f"{int(seen.sum())} observations, {number(100 * hit)} % inside the 90 % band."
        return finish(drawn, f"{stream.name.upper()} at {stream.sites[k]}, {title}: {text}", text)


def _limits(stream: Stream, k: int) -> tuple[float, float]:
    """Share one axis among the years of a site, wide enough for every observation."""
    assert stream.predicted is not None
    low, high = quantiles(stream.predicted[:, k], (0.02, 0.98))
    y = stream.observed[k]
    first, last = min(np.nanmin(low), np.nanmin(y)), max(np.nanmax(high), np.nanmax(y))
    return first - 0.04 * (last - first), last + 0.04 * (last - first)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _season(stream: Stream, k: int, kept: bool) -> Figure | None:
    assert stream.predicted is not None
    pick = (stream.withheld[k] == kept) & np.isfinite(stream.observed[k])
    if pick.sum() < 20:
        return None
    width = max(7.0, stream.step_days)
    seen = seasonal_cycle(stream.time, np.where(pick, stream.observed[k], np.nan), width)
    expected = seasonal_cycle(stream.time, np.where(pick, stream.predicted[:, k], np.nan), width)
    day = np.arange(1, 366)
    with canvas(2.3) as (drawn, ax):
        if kept:
            ax.set_facecolor(SHADE)
        q = bands(ax, day, expected)
        ax.plot(day, seen, color=INK, lw=1.6, ls=(0, (1, 1.2)), label="observed")
        if stream.is_flux:
            ax.axhline(0, color=INK, lw=0.6)
        ax.set(
            xlim=(0, 366),
            title=f"Season, {'withheld' if kept else 'training'} years",
            ylabel=f"{stream.name.upper()} ({unit_text(stream.unit)})",
        )
        ax.set_xticks(*MONTHS)
        ax.tick_params(axis="x", length=0)
        ax.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.13), columnspacing=1.0, handlelength=1.5)
        off = float(np.nanmax(np.abs(seen - q[2]))) if np.isfinite(seen).any() else np.nan
        text = f"Mean over the {'withheld' if kept else 'training'} years in a window of ±{width:.0f} days, on observed days only."
        return finish(
            drawn,
            f"Seasonal cycle of {stream.name.upper()} at {stream.sites[k]}, {'withheld' if kept else 'training'} years; largest difference"
            f" of observed and median {number(off)} {unit_text(stream.unit)}.",
            text,
        )


def _scatter(stream: Stream, k: int) -> Figure:
    assert stream.predicted is not None
    mean = stream.predicted[:, k].mean(axis=0)
    y = stream.observed[k]
    parts = []
    with canvas(3.3) as (drawn, ax):
        for kept, color, size, label in ((False, "#8a8a8a", 2.2, "training"), (True, INK, 0.9, "withheld")):
            pick = (stream.withheld[k] == kept) & np.isfinite(y)
            if not pick.any():
                continue
            found = summary(stream.predicted[:, k][:, pick], y[pick])
            parts.append(
                f"{label}: efficiency {number(found['nse'])}, bias {number(found['bias'], 2)}, RMSE {number(found['rmse'])}"
                f" {unit_text(stream.unit)}"
            )
            if kept:
                ax.plot(mean[pick], y[pick], "+", color=color, ms=4, mew=size, label=label)
            else:
                dots(ax, mean[pick], y[pick], size, color)
                ax.plot([], [], ".", color=color, label=label)
        ends = (float(np.nanmin([np.nanmin(mean), np.nanmin(y)])), float(np.nanmax([np.nanmax(mean), np.nanmax(y)])))
        ax.plot(ends, ends, color=OTHER, lw=1.2, ls="--", label="1:1")
        ax.set(
            xlabel=f"predicted mean ({unit_text(stream.unit)})",
            ylabel=f"observed ({unit_text(stream.unit)})",
            title="Scatter",
            aspect="equal",
        )
        ax.legend(loc="upper left", handletextpad=0.4)
        return finish(
            drawn, f"Observed against predicted {stream.name.upper()} at {stream.sites[k]}. {'; '.join(parts)}.", f"{'; '.join(parts)}."
        )


def _calibration(stream: Stream, k: int) -> Figure:
    assert stream.predicted is not None
    pick = np.isfinite(stream.observed[k]) & (stream.withheld[k] if stream.withheld[k].any() else True)
    where = pit(stream.predicted[:, k][:, pick], stream.observed[k, pick])
    where = where[np.isfinite(where)]
    which = "withheld" if stream.withheld[k].any() else "training"
    with canvas(2.3) as (drawn, ax):
        ax.hist(where, np.linspace(0, 1, 11).tolist(), density=True, color="#b9c9d6", edgecolor=INK, lw=0.8)
        ax.axhline(1, color=OTHER, lw=1.4, ls="--")
        ax.set(xlim=(0, 1), xlabel="place in the predictive distribution", ylabel="density", title=f"Calibration (PIT), {which}")
        alt = (
            f"Histogram of the probability integral transform, {which} {stream.name.upper()} at {stream.sites[k]}: mean"
            f" {number(where.mean())} (0.5 when unbiased), variance {number(where.var())} (0.083 when the spread is right)."
        )
        return finish(drawn, alt, "Flat: calibrated. Hump: bands too wide. U: too narrow. Slope: biased.")
