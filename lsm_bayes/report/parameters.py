"""Section on parameters: prior to posterior, with bounds and shrinkage."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from lsm_bayes.diagnostics.gates import Gates
from lsm_bayes.diagnostics.identifiability import parameter_draws
from lsm_bayes.diagnostics.result import limits, model_card, scalars, scale_of, variable_of
from lsm_bayes.report.drawing import BAND_50, INK, LINE, OTHER, canvas, density, finish, log_axis
from lsm_bayes.report.page import Block, Figure, Figures, Section, Table, Text, absent, exact, number, unit_text

BITES = 0.05  # posterior probability of violation from which a constraint is said to bite
RIDGES = 12  # more rows than this do not fit on a phone


def parameters(tree: xr.DataTree, gates: Gates, table: pd.DataFrame) -> Section:
    """Show the prior and posterior of every declared parameter.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    gates : Gates
        Its gates, which know the parameters at their bounds.
    table : pandas.DataFrame
        From `lsm_bayes.diagnostics.shrinkage`.

    Returns
    -------
    Section
        Panels with densities, and a table.
    """
    card: dict[str, Any] = model_card(tree).get("parameters", {})
    raw = scalars(tree["posterior"].to_dataset())
    posterior = {k: raw[k] for k in parameter_draws(tree)}
    prior = scalars(tree["prior"].to_dataset()) if "prior" in tree.children else {}
    pressing = {f.parameter: f.side for f in gates.findings}
    blocks: list[Block] = []
    if not card:
        blocks.append(
            absent("bounds, units and priors", "The result has no model card with parameters; all scalars of the posterior are shown.")
        )
    if not prior:
        blocks.append(absent("prior densities and shrinkage", "The result has no group prior. Draw the prior predictive before sampling."))
    blocks.append(
        Text(
            "Posterior filled, prior dashed, bounds as thick vertical lines, true to scale on the horizontal axis; each density is scaled"
            " to its own peak. Rates and pools are on a log axis."
        )
    )
    groups: dict[str, list[str]] = {}
    for label in posterior:
        groups.setdefault(variable_of(label), []).append(label)
    figures = [_ridges(name, labels, posterior, prior, card.get(name, {}), pressing, table) for name, labels in groups.items()]
    blocks += [Figures(figures), _table(table, card, pressing), *_constraints(model_card(tree).get("constraints", {}), raw, prior)]
    return Section("parameters", "Prior to posterior", blocks)


def _constraints(described: dict[str, str], draws: dict[str, np.ndarray], prior: dict[str, np.ndarray]) -> list[Block]:
    """Say which constraints bite: how often the posterior violates the inequality of each, and by how much."""
    rows: list[tuple[str, ...]] = []
    marked: set[int] = set()
    broken: dict[str, Any] = {}
    for name, words in described.items():
        for label in (k for k in draws if variable_of(k) == f"{name}_margin"):
            q05, q50, q95 = np.quantile(draws[label], [0.05, 0.5, 0.95])
            violated, site = draws[label] < 0, _element(label) or "–"
            broken[site] = broken.get(site, False) | violated
            if violated.mean() > BITES:
                marked.add(len(rows))
            before = f"{(prior[label] < 0).mean():.0%}" if label in prior else "–"
            rows.append((name.replace("_", " "), site, words, *(number(q) for q in (q05, q50, q95)), f"{violated.mean():.0%}", before))
    if not rows:
        return []
    rows += [("all", site, "Every inequality holds.", "–", "–", "–", f"{any_of.mean():.0%}", "–") for site, any_of in broken.items()]
    caption = (
        "Ecological constraints: margin is the log of the ratio by which the inequality holds, negative where it is violated. Marked"
        f" constraints bite: more than {BITES:.0%} of the draws violate them. The dashed prior densities above do not know the constraints,"
        " nor do the prior draws of the last column"
    )
    columns = ("Constraint", "Site", "What it says", "Margin 5 %", "50 %", "95 %", "Violated", "In the prior")
    return [Table(caption, columns, rows, frozenset(marked))]


def _ridges(
    name: str,
    labels: list[str],
    posterior: dict[str, np.ndarray],
    prior: dict[str, np.ndarray],
    entry: dict[str, Any],
    pressing: dict[str, str],
    table: pd.DataFrame,
) -> Figure:
    shown = labels[:RIDGES]
    unit = unit_text(str(entry.get("unit", "")))
    words = unit or ("dimensionless" if "unit" in entry else "unit not stated")
    is_log = scale_of(entry) == "log"
    lower, upper = limits(entry)
    first, last = _range([posterior[k] for k in shown] + [prior[k] for k in shown if k in prior], lower, upper)
    with canvas(1.55 if len(shown) == 1 else 0.9 + 0.42 * len(shown)) as (drawn, ax):
        grid = np.geomspace(first, last, 240) if is_log else np.linspace(first, last, 240)
        for row, label in enumerate(reversed(shown)):
            _ridge(ax, row, label, posterior, prior, grid, (lower, upper), is_log)
        for bound in (lower, upper):
            if np.isfinite(bound):
                ax.axvline(bound, color=INK, lw=2.5)
        ticks = [_element(k) + (" ◄" if pressing.get(k) == "lower" else " ►" if k in pressing else "") for k in reversed(shown)]
        ax.set_yticks(np.arange(len(shown)) + 0.3, ticks if len(shown) > 1 else [""])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        if is_log:
            log_axis(ax.xaxis, first, last)
        else:
            ax.locator_params(axis="x", nbins=6)
        ax.set(
            xlabel=words, title=name + (f": presses on its {pressing[shown[0]]} bound" if len(shown) == 1 and shown[0] in pressing else "")
        )
        ax.set_ylim(-0.08, len(shown) + 0.05)
        spans = [f"{_element(k) or name} {number(table.loc[k, 'q05'])} to {number(table.loc[k, 'q95'])}" for k in shown[:6]]
        alt = (
            f"Prior and posterior density of {name} ({words}); 90 % intervals of the posterior: {', '.join(spans)}; bounds {exact(lower)}"
            f" and {exact(upper)}."
        )
        more = f" The first {RIDGES} of {len(labels)} are drawn; the table has all." if len(labels) > RIDGES else ""
        return finish(drawn, alt, f"{entry.get('description', name)}.{f' Prior: {entry["prior"]}.' if entry.get('prior') else ''}{more}")


def _ridge(
    ax: Axes,
    row: int,
    label: str,
    posterior: dict[str, np.ndarray],
    prior: dict[str, np.ndarray],
    grid: np.ndarray,
    bounds: tuple[float, float],
    is_log: bool,
) -> None:
    def on(x: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(x, np.finfo(float).tiny)) if is_log else x

    low, high = (float(on(np.asarray(b))) if np.isfinite(b) else b for b in bounds)
    values = posterior[label]
    # a narrow posterior falls between the points of the common grid
    near = np.unique(np.concatenate([grid, np.linspace(values.min(), values.max(), 120)]))
    height = 0.85 * density(on(values), on(near), low, high)
    keep = height > 1e-3
    ax.fill_between(near, row, np.where(keep, row + height, row), color=BAND_50, lw=0)
    ax.plot(near[keep], row + height[keep], color=LINE, lw=1.3)
    if label in prior and np.ptp(prior[label]) > 0:
        ax.plot(grid, row + 0.85 * density(on(prior[label]), on(grid), low, high), color=OTHER, lw=1.2, ls="--")
    ax.axhline(row, color="#999999", lw=0.5)


def _range(draws: list[np.ndarray], lower: float, upper: float) -> tuple[float, float]:
    """Bounds where they are finite; else what 99 % of prior and posterior need."""
    both = np.concatenate([d.ravel() for d in draws])
    low, high = np.quantile(both, [0.005, 0.995])
    margin = 0.05 * (high - low) or 1.0
    return (lower if np.isfinite(lower) else low - margin), (upper if np.isfinite(upper) else high + margin)


def _element(label: str) -> str:
    return label.partition("[")[2].rstrip("]")


def _table(table: pd.DataFrame, card: dict[str, Any], pressing: dict[str, str]) -> Table:
    rows = []
    for label, r in table.iterrows():
        entry = card.get(variable_of(str(label)), {})
        lower, upper = limits(entry)
        bounds = (f"{exact(lower)} to {exact(upper)}" if entry.get("bounds") else "none stated") + (
            f", presses {pressing[str(label)]}" if label in pressing else ""
        )
        rows.append(
            (
                str(label),
                unit_text(str(entry.get("unit", ""))) or "–",
                bounds,
                str(entry.get("prior", "–")),
                *(number(r[k]) for k in ("prior_mean", "prior_sd", "mean", "sd", "q05", "q50", "q95")),
                number(r["shrinkage"], 2),
                number(r["shift"], 2),
                f"{r['rhat']:.5g}",
                f"{r['ess_bulk']:.0f}",
                f"{r['ess_tail']:.0f}",
            )
        )
    columns = (
        "Parameter",
        "Unit",
        "Bounds",
        "Prior",
        "Prior mean",
        "Prior sd",
        "Mean",
        "Sd",
        "5 %",
        "50 %",
        "95 %",
        "Shrinkage",
        "Shift",
        "R-hat",
        "ESS bulk",
        "ESS tail",
    )
    marked = frozenset(k for k, label in enumerate(table.index) if label in pressing)
    return Table(
        "Shrinkage is 1 − sd(posterior)/sd(prior), shift is in prior sd, both on the log scale for rates and pools", columns, rows, marked
    )
