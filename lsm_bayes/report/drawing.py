"""Small drawings that stay legible on a phone and in greyscale, as inline SVG."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lsm_bayes.diagnostics.scores import quantiles
from lsm_bayes.report.page import Figure, number, superscript

INK, LINE, BAND_50, BAND_90, SHADE, OTHER = "#111111", "#0b3c5d", "#7699b8", "#bccddd", "#f7f2e4", "#9a4100"
WIDTH = 4.0  # inches; at 10 pt this is read at the width of a phone without zooming

_STYLE = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "lsm_bayes",
    "path.simplify": True,
    "savefig.dpi": 150,
}
_numbers = count(1)


@contextmanager
def canvas(height: float) -> Iterator[tuple[Canvas, Axes]]:
    """Open a drawing with one pair of axes.

    Parameters
    ----------
    height : float
        Height in inches.

    Yields
    ------
    tuple
        The matplotlib figure and its axes.
    """
    with mpl.rc_context(_STYLE):
        drawn = Canvas(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(drawn)
        yield drawn, drawn.subplots()


def finish(drawn: Canvas, alt: str, caption: str) -> Figure:
    """Turn a drawing into inline SVG.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure
        From `canvas`, inside its block.
    alt, caption : str
        Words for those who cannot see it, and for all.

    Returns
    -------
    Figure
        Names inside are made unique, coordinates rounded to a tenth of a point; fonts are left to the page.
    """
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    return Figure(Markup(_compact(text, f"f{next(_numbers)}-")), alt, caption)


def _compact(text: str, prefix: str) -> str:
    """Shorten an SVG and make its names unique; only tags are touched, because labels hold numbers too."""
    used = set(re.findall(r"#([A-Za-z][\w.-]*)[\")]", text))
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda m: _compact_tag(m[0], prefix, used), text)
    text = re.sub(r">\s+<", "><", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 aria-hidden="true" focusable="false"', text, count=1)


def _compact_tag(tag: str, prefix: str, used: set[str]) -> str:
    if "base64" in tag:
        return re.sub(r"\s(?:xlink:)?href=", " href=", tag)
    tag = re.sub(r'\s(?:xmlns|xmlns:xlink|version)="[^"]*"| font-family: [^;"]*;| transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", tag)
    tag = tag.replace("url(#", f"url(#{prefix}").replace('xlink:href="#', f'href="#{prefix}').replace("; ", ";").replace(": ", ":")
    tag = re.sub(r"-?\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), tag)
    tag = re.sub(r"\s+", " ", tag)
    tag = re.sub(r"M ([\d.-]+) ([\d.-]+) L \1 \2(?= [M\"])", r"M\1 \2h0", tag)
    # pairs after a move are lines anyway
    return re.sub(r'(?<=\bd=")[MLz\d. -]+(?=")', lambda m: m[0].replace("L ", ""), tag)


def log_axis(axis: Axis, low: float, high: float) -> None:
    """Give a log axis ticks that can be read: 1, 2 and 5 over a decade or two, powers of ten over more.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis, whose scale is set to log.
    low, high : float
        Range that is shown.
    """
    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    decades = np.log10(high / low)
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    if decades > 2.5:
        ticks = 10.0 ** powers[:: max(1, round(decades / 5))]
    else:
        ticks = np.ravel([np.array([1, 2, 5] if decades > 0.7 else [1, 1.5, 2, 3, 4, 5, 6, 8]) * 10.0**p for p in powers])
    ticks = ticks[(ticks >= low * 0.999) & (ticks <= high * 1.001)]
    if ticks.size < 2:
        ticks = np.linspace(low, high, 4)[1:3]
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_major_formatter(FuncFormatter(lambda v, _: number(v, 2) if decades <= 2.5 else f"10{superscript(str(round(np.log10(v))))}"))
    axis.set_minor_locator(NullLocator())


def dots(ax: Axes, x: np.ndarray, y: np.ndarray, size: float = 2.4, color: str = INK, **options: Any) -> None:
    """Draw points as one path: a tenth of the size of as many markers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    x, y : numpy.ndarray
        Shape (point,); NaN are left out.
    size : float, optional
        Diameter in points.
    color : str, optional
        Colour.
    **options
        Passed to `matplotlib.axes.Axes.plot`.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    step = 1e-4 * (np.ptp(x) or 1.0) if x.size else 0.0
    xs = np.stack([x, x + step, np.full_like(x, np.nan)], axis=1).ravel()
    ys = np.stack([y, y, np.full_like(y, np.nan)], axis=1).ravel()
    with mpl.rc_context({"path.simplify": False}):
        ax.plot(xs, ys, color=color, lw=size, solid_capstyle="round", **options)


def bands(ax: Axes, x: np.ndarray, draws: np.ndarray, *, label: bool = True) -> np.ndarray:
    """Draw the 90 % and 50 % intervals and the median of an ensemble.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    x : numpy.ndarray
        Shape (point,).
    draws : numpy.ndarray
        Shape (draws, point).
    label : bool, optional
        Whether the parts appear in a legend.

    Returns
    -------
    numpy.ndarray
        The quantiles 0.05, 0.25, 0.5, 0.75 and 0.95, shape (5, point).
    """
    q = quantiles(draws)
    for low, high, color, text in ((0, 4, BAND_90, "90 %"), (1, 3, BAND_50, "50 %")):
        ax.fill_between(x, q[low], q[high], color=color, lw=0, label=text if label else None)
    ax.plot(x, q[2], color=LINE, lw=1.1, label="median" if label else None)
    return q


def density(values: np.ndarray, grid: np.ndarray, lower: float = -np.inf, upper: float = np.inf) -> np.ndarray:
    """Kernel density estimate, reflected at the bounds so that mass there is not drawn as a fall.

    Parameters
    ----------
    values : numpy.ndarray
        Draws, any shape.
    grid : numpy.ndarray
        Where, shape (point,).
    lower, upper : float, optional
        Bounds on the scale of `values`.

    Returns
    -------
    numpy.ndarray
        Shape (point,), scaled to a peak of 1.
    """
    x = values.ravel()
    x = x[:: max(x.size // 1500, 1)]
    spread = min(x.std(), np.subtract(*np.quantile(x, [0.75, 0.25])) / 1.349) or x.std() or 1e-12
    width = max(0.9 * spread * x.size**-0.2, 0.3 * float(np.diff(grid).min()))
    sources = [x] + [2 * b - x for b in (lower, upper) if np.isfinite(b)]
    found = sum(np.exp(-0.5 * ((grid[:, None] - s) / width) ** 2).sum(axis=1) for s in sources)
    return np.asarray(found / np.max(found))
