"""Plots of sensitivities, as people expect them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

DARK, LIGHT, RED, INK = "#0b3c5d", "#bccddd", "#b5402a", "#111111"


def plot(result: xr.Dataset, axes: Any, *, output: str | None = None, number: int = 12) -> Any:
    """Draw a result of this part: bars of indices with intervals, a heat map where outputs have a time, or a spectrum.

    Parameters
    ----------
    result : xarray.Dataset
        Of `morris`, `sobol`, `rbd_fast`, `dgsm`, `active_subspace`, `information_spectrum`, or a curve of `profile`.
    axes : matplotlib.axes.Axes
        Where to draw.
    output : str, optional
        Which output; default the first.
    number : int
        Most parameters, the strongest; of a spectrum, combinations.

    Returns
    -------
    matplotlib.axes.Axes
        The same axes.

    Raises
    ------
    KeyError
        For an unknown output.
    ValueError
        For a data set of another kind.
    """
    kind = result.attrs.get("method")
    if kind not in DRAWN:
        raise ValueError(f"the data set is of the method {kind!r}; there are {', '.join(DRAWN)}")
    if "output" in result.dims:
        names = list(dict.fromkeys(result["output"].values.tolist()))
        chosen = names[0] if output is None else output
        if chosen not in names:
            raise KeyError(f"no output {chosen!r}; there are {', '.join(names)}")
        result = result.isel(output=np.flatnonzero(result["output"].values == chosen))
        axes.set_title(_title(chosen), loc="left", fontsize=10)
        if result.sizes["output"] > 1 and kind in STRENGTH:
            return _heat_map(result, STRENGTH[kind], axes, number)
        result = result.isel(output=0)
    DRAWN[kind](result, axes, number)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def plot_contraction(table: pd.DataFrame, axes: Any) -> Any:
    """Draw how far the observations narrowed each prior.

    Parameters
    ----------
    table : pandas.DataFrame
        From `lsm_bayes.diagnostics.shrinkage`, or with a column ``contraction``, as of `Selection`.
    axes : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same axes: a bar for each parameter, 1 where it is known, 0 where the posterior is the prior.
    """
    values = table["shrinkage" if "shrinkage" in table else "contraction"].dropna().sort_values()
    axes.barh([_pretty(n) for n in values.index], values, color=np.where(values < 0, RED, DARK))
    axes.axvline(0, color=INK, lw=0.8)
    axes.set(xlabel="1 - posterior sd / prior sd")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def _pretty(name: Any) -> str:
    return str(name).replace("_", " ")


def _title(output: str) -> str:
    measure, _, stream = output.partition(" ")
    said = {"rmse": "RMSE of", "log_likelihood": "log-likelihood of", "mean": "mean"}.get(measure)
    return f"{said} {_pretty(stream)}" if said and stream else _pretty(output)


def _strongest(values: xr.DataArray, number: int) -> np.ndarray:
    found: np.ndarray = np.argsort(-np.nan_to_num(values.values))[:number]
    return found


def _bars(axes: Any, names: Any, values: Any, half: Any, colour: str, label: str | None, offset: float = 0.0, height: float = 0.75) -> None:
    place = np.arange(len(names))
    axes.barh(place + offset, values, height, xerr=half, color=colour, label=label, error_kw={"lw": 1, "ecolor": INK})
    axes.set_yticks(place, [_pretty(n) for n in names])
    if not axes.yaxis_inverted():
        axes.invert_yaxis()


def _morris(r: xr.Dataset, axes: Any, number: int) -> None:
    r = r.isel(parameter=_strongest(r["mu_star"], number))
    _bars(axes, r["parameter"].values, r["mu_star"].values, r["mu_star_interval"].values, LIGHT, "mu*: mean size of the effect")
    axes.plot(r["sigma"], np.arange(r.sizes["parameter"]), "o", color=RED, ms=4, label="sigma: how much it varies")
    axes.set(xlabel="change over the central 95 % of the prior, unit of the output")
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _sobol(r: xr.Dataset, axes: Any, number: int) -> None:
    r = r.isel(parameter=_strongest(r["total"], number))
    names = r["parameter"].values
    _bars(axes, names, r["total"].values, r["total_interval"].values, LIGHT, "total", 0.2, 0.38)
    _bars(axes, names, r["first"].values, r["first_interval"].values, DARK, "first order", -0.2, 0.38)
    axes.set(xlabel="share of the variance of the output")
    axes.axvline(0, color=INK, lw=0.8)
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _rbd_fast(r: xr.Dataset, axes: Any, number: int) -> None:
    r = r.isel(parameter=_strongest(r["first"], number))
    _bars(axes, r["parameter"].values, r["first"].values, r["first_interval"].values, DARK, None)
    axes.set(xlabel="share of the variance of the output, first order")


def _dgsm(r: xr.Dataset, axes: Any, number: int) -> None:
    r = r.isel(parameter=_strongest(r["bound"], number))
    v = r["bound"].values
    half = np.abs(np.stack([v - r["bound_low"].values, r["bound_high"].values - v]))
    _bars(axes, r["parameter"].values, v, half, LIGHT, None)
    axes.axvline(1, color=INK, ls=":", lw=1)
    axes.set(xlabel="bound of the total Sobol index (idle above 1)")


def _eigenvalues(values: np.ndarray, low: np.ndarray | None, high: np.ndarray | None, axes: Any) -> None:
    place = np.arange(1, values.size + 1)
    if low is not None and high is not None:
        axes.fill_between(place, np.maximum(low, 1e-12 * values[0]), high, color=LIGHT, label="95 %")
    axes.semilogy(place, np.maximum(values, 1e-12 * values[0]), "o-", color=DARK, ms=4)
    axes.set(ylabel="eigenvalue")
    axes.locator_params(axis="x", integer=True)


def _active_subspace(r: xr.Dataset, axes: Any, number: int) -> None:
    k = min(number, r.sizes["direction"])
    values, low, high = (r[n].values[:k] for n in ("eigenvalue", "eigenvalue_low", "eigenvalue_high"))
    _eigenvalues(values, low, high, axes)
    axes.axvline(float(r["dimension"]) + 0.5, color=RED, ls=":", lw=1, label="largest gap")
    axes.set(xlabel="direction")
    axes.legend(frameon=False, fontsize=8)


def _spectrum(r: xr.Dataset, axes: Any, number: int) -> None:
    _eigenvalues(r["eigenvalue"].values, None, None, axes)
    axes.axhline(1, color=RED, ls=":", lw=1, label="as the prior")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.set(xlabel="combination of parameters", ylabel="information / that of the prior")


def _profile(r: xr.Dataset, axes: Any, number: int) -> None:
    x = r["value"] if "value" in r else r["coordinate"]
    axes.plot(x, r["fall"], "o-", color=DARK, ms=3)
    axes.axhline(r.attrs["threshold"], color=RED, ls=":", lw=1)
    axes.set(xlabel=_pretty(r.attrs["parameter"]) + ("" if "value" in r else ", coordinate"), ylabel="nats below the best fit")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", nbins=4)


def _heat_map(r: xr.Dataset, variable: str, axes: Any, number: int) -> Any:
    """Draw indices over time, strongest parameters on top."""
    values = r[variable]
    order = _strongest(values.mean("output", skipna=True), number)
    shown = values.isel(parameter=order).transpose("parameter", "output").values
    image = axes.imshow(shown, aspect="auto", cmap="Blues", interpolation="nearest", vmin=0)
    axes.set_yticks(np.arange(order.size), [_pretty(n) for n in r["parameter"].values[order]])
    time = pd.Index(r["time"].values)
    dates = np.issubdtype(np.asarray(time).dtype, np.datetime64)
    stamps = pd.DatetimeIndex(time) if dates else None
    step = max(1, len(time) // 8)
    axes.set_xticks(np.arange(0, len(time), step), [t.strftime("%b %y") for t in stamps[::step]] if stamps is not None else time[::step])
    axes.tick_params(axis="x", labelsize=8)
    axes.figure.colorbar(
        image, ax=axes, label={"total": "total Sobol index", "first": "first-order index"}.get(variable, variable.replace("_", " "))
    )
    return axes


DRAWN: dict[str, Callable[[xr.Dataset, Any, int], None]] = {
    "morris": _morris,
    "sobol": _sobol,
    "rbd_fast": _rbd_fast,
    "dgsm": _dgsm,
    "active_subspace": _active_subspace,
    "spectrum": _spectrum,
    "profile": _profile,
}
STRENGTH = {"morris": "mu_star", "sobol": "total", "rbd_fast": "first", "dgsm": "bound"}
