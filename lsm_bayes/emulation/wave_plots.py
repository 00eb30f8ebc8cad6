"""What waves of history matching have left: least implausibility and optical depth for each pair of parameters."""

from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from numpy.typing import NDArray
from scipy.stats import norm

from .history import HistoryMatch
from .waves import excesses

PRIOR_POINTS = 4000
SIZE = 1.35  # inches of one panel


def plot_waves(match: HistoryMatch, *, parameters: list[str] | None = None, bins: int = 16, seed: int = 0) -> Any:
    """Draw minimum implausibility (below the diagonal) and optical depth (above).

    Axes are probabilities of the prior, 0 to 1, so that the prior is even over each panel. Minimum implausibility: the least, over
    everything that a panel does not show, of the largest implausibility of any wave, in units of its cutoff. Optical depth: the part of
    the prior behind a cell that is left. On the diagonal, the same by parameter.

    Parameters
    ----------
    match : HistoryMatch
        From `history_match`.
    parameters : list of str, optional
        Labels to show; all, but eight at most, without.
    bins : int
        Cells along an axis.
    seed : int
        Of the points of the prior at which the implausibility is looked at, beside those of the waves.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    KeyError
        If a parameter is unknown.
    """
    names = match.problem.names
    wanted = list(parameters or names[:8])
    unknown = set(wanted) - set(names)
    if unknown:
        raise KeyError(f"no parameter is called {sorted(unknown)}; there are {', '.join(names)}")
    columns = [names.index(n) for n in wanted]
    mean, covariance = match.problem.prior
    root = np.linalg.cholesky(covariance)
    region = match.waves[-1].region
    assert region is not None
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.standard_normal((PRIOR_POINTS, len(names))), region.seen])
    x = mean + points @ root.T
    cutoffs = np.array([[w.cutoff] for w in match.waves])
    worst = np.max(excesses(match.waves, x, match.targets) / cutoffs + 1.0, axis=0)
    place = np.clip((bins * norm.cdf((x - mean) / np.sqrt(np.diag(covariance)))).astype(int), 0, bins - 1)[:, columns]
    left = mean + region.draws @ root.T
    left_place = np.clip((bins * norm.cdf((left - mean) / np.sqrt(np.diag(covariance)))).astype(int), 0, bins - 1)[:, columns]
    number = len(wanted)
    figure, axes = plt.subplots(number, number, figsize=(SIZE * number + 1.2, SIZE * number + 0.4), squeeze=False, layout="constrained")
    edges = np.linspace(0.0, 1.0, bins + 1)
    lowest = max(match.fraction / 10.0, 1e-8)
    below = above = None
    for i in range(number):
        for j in range(number):
            axis = axes[i, j]
            if i == j:
                depth = match.fraction * bins * np.bincount(left_place[:, i], minlength=bins) / len(left)
                axis.stairs(depth, edges, fill=True, color="#7699b8")
                axis.set(yticks=[], xlim=(0, 1))
            elif i > j:
                below = axis.pcolormesh(edges, edges, _least(place[:, j], place[:, i], worst, bins).T, cmap="viridis_r", vmin=0, vmax=2)
            else:
                counts = np.zeros((bins, bins))
                np.add.at(counts, (left_place[:, j], left_place[:, i]), 1.0)
                depth = match.fraction * bins**2 * counts / len(left)
                above = axis.pcolormesh(
                    edges, edges, np.where(depth > 0, depth, np.nan).T, cmap="magma_r", norm=LogNorm(lowest, 1.0, clip=True)
                )
            axis.tick_params(labelbottom=i == number - 1, labelleft=False, labelsize=7)
            axis.set(xticks=[0, 1], yticks=[] if i == j else [0, 1])
            if i == number - 1:
                axis.set_xlabel(_short(wanted[j]), fontsize=8)
            if j == 0:
                axis.set_ylabel(_short(wanted[i]), fontsize=8, rotation=0, ha="right", va="center")
    if below is not None and above is not None:
        figure.colorbar(below, ax=axes, shrink=0.5, location="right", label="least implausibility / cutoff (below)")
        figure.colorbar(above, ax=axes, shrink=0.5, location="right", label="optical depth (above)")
    figure.suptitle(f"{len(match.waves)} waves leave {match.fraction:.2g} of the prior", fontsize=10)
    return figure


def _short(name: str) -> str:
    """Words below each other: a panel is narrow."""
    return fill(name.removeprefix("z[").removesuffix("]").replace("_", " "), 12, break_long_words=False)


def _least(first: NDArray, second: NDArray, values: NDArray, bins: int) -> NDArray:
    found = np.full((bins, bins), np.inf)
    np.minimum.at(found, (first, second), values)
    return np.where(np.isfinite(found), found, np.nan)
