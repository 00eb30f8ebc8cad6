"""Maps of posterior summaries: one page with mean and spread of each quantity, and what became of each pixel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from lsm_bayes.report.drawing import INK
from lsm_bayes.tasks.sites import STATUS
from lsm_bayes.vocabulary import unknown

MOST_VARIABLES = 4
WIDTH, HEIGHT = 8.3, 2.6  # inches: of the page, and of a row
# Light to dark, so that they are told apart in greyscale.
_OUTCOMES = {
    "left out": "#ffffff",
    "gates passed": "#bccddd",
    "gates failed": "#5b83a7",
    "error": "#9a4100",
    "missing": "#111111",
}


def draw_maps(grid: xr.Dataset, variables: Sequence[str] | None = None, path: str | Path | None = None) -> Figure:
    """Draw posterior mean and spread as maps, and where gates passed.

    Parameters
    ----------
    grid : xarray.Dataset
        From `calibrate_grid`.
    variables : sequence of str, optional
        Parameters, fluxes or pools; by default up to four of the fluxes and pools, else of the parameters.
    path : path, optional
        File to write: ``.png``, ``.pdf`` or ``.svg``.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each variable: posterior mean, and posterior sd relative to it (as it is, where the mean changes its sign). Below: what
        became of each pixel, and the largest R-hat; of the Laplace approximation the importance efficiency.

    Raises
    ------
    KeyError
        If a variable is unknown; the message lists those that exist.
    """
    known = [str(n) for n in grid.data_vars if f"{n}_sd" in grid]
    chosen = list(variables) if variables is not None else _typical(grid, known)
    for name in chosen:
        if name not in known:
            raise KeyError(unknown("variable of the grid", name, known))
    with mpl.rc_context({"font.size": 9, "axes.titlesize": 9, "axes.titlelocation": "left", "axes.edgecolor": INK, "text.color": INK}):
        figure = Figure(figsize=(WIDTH, HEIGHT * (len(chosen) + 1)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(chosen) + 1, 2, squeeze=False, sharex=True, sharey=True)
        for row, name in zip(axes[:-1], chosen, strict=True):
            mean, sd = grid[name], grid[f"{name}_sd"]
            signed = float(mean.min()) < 0 < float(mean.max())
            largest = float(np.abs(mean).max())
            colours = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest} if signed else {"cmap": "viridis"}
            _map(figure, row[0], mean, name.replace("_", " "), str(mean.attrs.get("units", "")), **colours)
            shown, unit = (sd, str(sd.attrs.get("units", ""))) if signed else (100 * sd / np.abs(mean), "%")
            _map(figure, row[1], shown, "posterior sd" if signed else "posterior sd / mean", unit, cmap="cividis", vmin=0)
        _outcomes(figure, axes[-1, 0], grid)
        quality = "importance_efficiency" if "importance_efficiency" in grid else "rhat"
        if quality in grid:
            words = {"importance_efficiency": "importance efficiency of the draws", "rhat": "largest R-hat"}[quality]
            _map(figure, axes[-1, 1], grid[quality], words, "", cmap="cividis")
        else:
            axes[-1, 1].set_axis_off()
        for ax in axes[:, 0]:
            ax.set_ylabel("latitude (°)")
        for ax in axes[-1]:
            ax.set_xlabel("longitude (°)")
        if path is not None:
            figure.savefig(path, dpi=150)
    return figure


def _typical(grid: xr.Dataset, known: list[str]) -> list[str]:
    means = [n for n in known if "cell_methods" in grid[n].attrs]
    first = [n for n in ("gpp", "nee", "wood_carbon", "soil_carbon") if n in means]
    return [*first, *(n for n in means or known if n not in first)][:MOST_VARIABLES]


def _map(figure: Figure, ax: Any, values: xr.DataArray, title: str, label: str, **colours: Any) -> None:
    drawn = _draw(ax, values, values.values, **colours)
    ax.set_title(title)
    figure.colorbar(drawn, ax=ax, label=label)


def _draw(ax: Any, like: xr.DataArray, values: np.ndarray, **colours: Any) -> Any:
    """Draw cells on a grid, points where pixels are a list or the grid is a single row."""
    x, y = like["longitude"], like["latitude"]
    ax.set_facecolor("#eeeeee")
    if like.ndim == 2 and min(like.shape) > 1:
        across = like.dims if x.ndim == 2 else (*y.dims, *x.dims)
        return ax.pcolormesh(x.values, y.values, np.transpose(values, [like.dims.index(d) for d in across]), shading="nearest", **colours)
    east, north = (v.broadcast_like(like).transpose(*like.dims).values.ravel() for v in (x, y))
    return ax.scatter(east, north, c=values.ravel(), marker="s", **colours)


def _outcomes(figure: Figure, ax: Any, grid: xr.Dataset) -> None:
    status = grid["status"]
    passed = grid["gates_passed"].values == 1 if "gates_passed" in grid else np.zeros(status.shape, dtype=bool)
    code = np.select(
        [status.values == STATUS["left_out"], status.values == STATUS["failed"], status.values == STATUS["missing"], passed],
        [0, 3, 4, 1],
        2,
    )
    cmap = ListedColormap(list(_OUTCOMES.values()))
    drawn = _draw(ax, status, code, cmap=cmap, norm=BoundaryNorm(np.arange(len(_OUTCOMES) + 1) - 0.5, cmap.N))
    ax.set_title("pixels")
    bar = figure.colorbar(drawn, ax=ax, ticks=range(len(_OUTCOMES)))
    bar.ax.set_yticklabels([f"{word} ({(code == k).sum()})" for k, word in enumerate(_OUTCOMES)])
