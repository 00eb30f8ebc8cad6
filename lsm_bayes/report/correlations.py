"""Section on the strongest correlations: which parameters the data could not tell apart."""

import numpy as np
import xarray as xr
from matplotlib.ticker import MaxNLocator

from lsm_bayes.diagnostics.combinations import combinations
from lsm_bayes.diagnostics.confounding import SERIOUS, confounding
from lsm_bayes.diagnostics.identifiability import parameter_draws, strongest_pairs
from lsm_bayes.diagnostics.result import model_card, scale_of, variable_of
from lsm_bayes.report.drawing import LINE, OTHER, canvas, dots, finish, log_axis
from lsm_bayes.report.page import Block, Figure, Figures, Section, Table, absent, number, unit_text

DRAWN = 6
STRONG = 0.3  # weaker pairs are not worth a drawing


def correlations(tree: xr.DataTree) -> Section:
    """Show the most correlated pairs.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    Section
        Joint plots of the strongest pairs, and a table.
    """
    pairs = strongest_pairs(tree, 15)
    if pairs.empty:
        return Section("correlations", "Strongest correlations", [absent("correlations", "There are fewer than two parameters that move.")])
    draws = parameter_draws(tree)
    entries = model_card(tree).get("parameters", {})
    diverging = _diverging(tree)
    strength = pairs[["correlation", "rank_correlation"]].abs().max(axis=1)
    drawn = pairs.head(max(2, min(DRAWN, int((strength >= STRONG).sum()))))
    figures = [_joint(r["first"], r["second"], r["rank_correlation"], draws, entries, diverging) for _, r in drawn.iterrows()]
    rows = [(r["first"], r["second"], number(r["correlation"]), number(r["rank_correlation"])) for _, r in pairs.iterrows()]
    table: Block = Table(
        "Pearson with rates and pools on the log scale, Spearman of the ranks", ("First", "Second", "Pearson", "Spearman"), rows
    )
    return Section("correlations", "Strongest correlations", [Figures(figures), table, *_combined(tree), *_confounded(tree)])


def _combined(tree: xr.DataTree) -> list[Block]:
    """Say which combinations the data know better than their parameters."""
    rows = [(str(c).partition(" is known to")[0], number(c.sd), number(c.gain)) for c in combinations(tree)]
    caption = (
        "Combinations that the data know better than the parameters in them; sd is that of the logarithm for products, and gain how many"
        " times greater it would be if the parameters were as uncertain, but independent"
    )
    return [Table(caption, ("Combination", "Sd", "Gain"), rows)] if rows else []


def _confounded(tree: xr.DataTree) -> list[Block]:
    """Parameters for which bias or discrepancy stand in."""
    found = confounding(tree)
    if found.empty or not len(found.columns):
        return []
    largest = found.max(axis=1).sort_values(ascending=False).dropna().head(10)
    rows = [(str(k), *(f"{found.loc[k, s]:.0%}" for s in found.columns)) for k in largest.index]
    caption = (
        "Share of the posterior variance of a parameter that bias and discrepancy of a stream explain; the ten largest. Where it is high"
        f" (marked: above {SERIOUS:.0%}), the data do not say whether the parameter or the error model made the fit"
    )
    marked = frozenset(i for i, k in enumerate(largest.index) if largest[k] > SERIOUS)
    return [Table(caption, ("Parameter", *(f"Errors of {s}" for s in found.columns)), rows, marked)]


def _joint(
    first: str, second: str, rank: float, draws: dict[str, np.ndarray], entries: dict[str, dict[str, object]], diverging: np.ndarray | None
) -> Figure:
    x, y = draws[first], draws[second]
    with canvas(2.7) as (drawn, ax):
        step = max(x.size // 1000, 1)
        dots(ax, x.ravel()[::step], y.ravel()[::step], 1.8, LINE)
        if diverging is not None and diverging.shape == x.shape and diverging.any():
            ax.plot(x[diverging], y[diverging], "x", color=OTHER, ms=6, label="divergence")
            ax.legend()
        for axis, label in (("x", first), ("y", second)):
            entry = entries.get(variable_of(label), {})
            unit = unit_text(str(entry.get("unit", "")))
            getattr(ax, f"set_{axis}label")(f"{label}{f' ({unit})' if unit else ''}")
            values = draws[label]
            # within a factor of three a log axis looks like a linear one
            if scale_of(entry) == "log" and values.max() / values.min() > 3:
                log_axis(getattr(ax, f"{axis}axis"), float(values.min()), float(values.max()))
            else:
                getattr(ax, f"{axis}axis").set_major_locator(MaxNLocator(5))
        return finish(drawn, f"Draws of {first} against {second}; rank correlation {number(rank)}.", f"Rank correlation {number(rank)}.")


def _diverging(tree: xr.DataTree) -> np.ndarray | None:
    if "sample_stats" not in tree.children or "diverging" not in tree["sample_stats"].data_vars:
        return None
    return tree["sample_stats"]["diverging"].transpose("chain", "draw").to_numpy().astype(bool)
