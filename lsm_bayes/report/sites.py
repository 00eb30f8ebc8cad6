"""Section on sites: forest plots of the parameters that differ between sites or plant functional types."""

import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.result import limits, model_card, scale_of
from lsm_bayes.report.drawing import INK, LINE, canvas, finish, log_axis
from lsm_bayes.report.heading import functional_types
from lsm_bayes.report.page import Block, Figure, Figures, Section, Text, exact, number, unit_text

MARKERS = "osD^vP*X<>"


def sites(tree: xr.DataTree) -> Section | None:
    """Show parameters by site and plant functional type.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    Section or None
        None when no parameter has a dimension ``site`` or ``pft`` of more than one.
    """
    card = model_card(tree)
    data = tree["posterior"].to_dataset()
    declared = card.get("parameters", {})
    kinds = functional_types(card)
    names = [
        str(n)
        for n, v in data.data_vars.items()
        if set(v.dims) - {"chain", "draw"} in ({"site"}, {"pft"}) and v.sizes.get("site", v.sizes.get("pft", 0)) > 1
    ]
    names = [n for n in names if n in declared] or names
    if not names:
        return None
    symbols = {p: MARKERS[k % len(MARKERS)] for k, p in enumerate(sorted(set(kinds.values())))}
    blocks: list[Block] = [
        Text(
            "Thick line: 50 % interval, thin line: 90 %, marker: median, dotted line: median over the rows. Sites are ordered by plant"
            " functional type, which the marker tells."
        )
    ]
    figures = [_forest(n, data[n], declared.get(n, {}), kinds, symbols) for n in names]
    return Section("sites", "Sites and plant functional types", [*blocks, Figures(figures)])


def _forest(name: str, values: xr.DataArray, entry: dict[str, object], kinds: dict[str, str], symbols: dict[str, str]) -> Figure:
    dim = "site" if "site" in values.dims else "pft"
    labels = [str(s) for s in values[dim].to_numpy()]
    draws = values.transpose("chain", "draw", dim).to_numpy().reshape(-1, len(labels))
    order = sorted(range(len(labels)), key=lambda k: (kinds.get(labels[k], ""), labels[k]))
    q = np.quantile(draws, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    unit = unit_text(str(entry.get("unit", "")))
    lower, upper = limits(entry)
    with canvas(0.8 + 0.25 * len(labels)) as (drawn, ax):
        for row, k in enumerate(reversed(order)):
            ax.plot(q[[0, 4], k], [row, row], color=LINE, lw=1.2)
            ax.plot(q[[1, 3], k], [row, row], color=LINE, lw=3.6, solid_capstyle="butt")
            ax.plot(q[2, k], row, symbols.get(kinds.get(labels[k], labels[k]), "o"), color=INK, mfc="white", mew=1.3, ms=6)
        ax.axvline(float(np.median(q[2])), color=INK, lw=0.9, ls=":")
        logarithmic = scale_of(entry) == "log" and q[4].max() / q[0].min() > 5
        if logarithmic:
            ax.set_xscale("log")  # before the limits are read: margins of a linear axis may reach below zero
        first, last = ax.get_xlim()
        for bound in (lower, upper):
            if first <= bound <= last:
                ax.axvline(bound, color=INK, lw=2.5)
        ax.set_yticks(
            range(len(labels)), [f"{labels[k]} ({kinds[labels[k]]})" if labels[k] in kinds else labels[k] for k in reversed(order)]
        )
        ax.tick_params(axis="y", length=0)
        if logarithmic:
            log_axis(ax.xaxis, *ax.get_xlim())
        ax.set(xlabel=unit or "dimensionless", title=name, ylim=(-0.6, len(labels) - 0.4))
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", nbins=5)
        spans = [f"{labels[k]} {number(q[2, k])} ({number(q[0, k])} to {number(q[4, k])})" for k in order[:12]]
        return finish(
            drawn,
            f"{name} by {dim}, median and 90 % interval: {', '.join(spans)}.",
            str(entry.get("description", name)) + f"; bounds {exact(lower)} to {exact(upper)}.",
        )
