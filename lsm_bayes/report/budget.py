"""Section on the carbon budget: closed per year, with uncertainty, beside the observed annual sums."""

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.diagnostics.aggregation import aggregate
from lsm_bayes.diagnostics.budget import TERMS, annual_budget
from lsm_bayes.diagnostics.result import Stream
from lsm_bayes.diagnostics.scores import quantiles
from lsm_bayes.report.drawing import BAND_50, BAND_90, INK, LINE, SHADE, canvas, finish
from lsm_bayes.report.page import Block, Figure, Figures, Section, Table, Text, absent, number

NAMES = {"gpp": "GPP", "reco": "RECO", "fire_emission": "Fire", "nee": "NEE", "delta_storage": "Change of storage", "closure": "Closure"}


def budget(tree: xr.DataTree, streams: list[Stream], shown: list[int]) -> Section:
    """Show the annual budget and the annual sums.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    streams : list of Stream
        Its streams; annual sums of NEE are drawn.
    shown : list of int
        Sites that are drawn.

    Returns
    -------
    Section
        Figures and table.
    """
    figures = [
        f
        for s in streams
        if s.name == "nee" and s.predicted is not None
        for k in shown
        if k < len(s.sites) and (f := _annual(s, k)) is not None
    ]
    blocks: list[Block] = (
        [Figures(figures)]
        if figures
        else [absent("annual sums against observations", "They need the stream nee with its posterior predictive.")]
    )
    if "budget" not in tree.children:
        return Section(
            "budget",
            "Carbon budget",
            [
                *blocks,
                absent(
                    "the annual carbon budget",
                    "The result has no group budget, so closure cannot be shown. Store the annual sums per draw when predicting.",
                ),
            ],
        )
    try:
        table = annual_budget(tree)
    except ValueError as problem:
        return Section(
            "budget", "Carbon budget", [*blocks, absent("the annual carbon budget", f"{str(problem)[:1].upper()}{str(problem)[1:]}")]
        )
    terms = [t for t in TERMS if t in table]
    rows = []
    for _, r in table.iterrows():
        cells = [number(r[t], 2) if t == "closure" else f"{_whole(r[t])} ± {_whole(r[f'{t}_sd'])}" for t in terms]
        rows.append((f"{r['site']} {r['year']}", *cells, number(r["imbalance"], 2), "yes" if r["closed"] else "NO"))
    worst = float(table["imbalance"].max())
    verdict = (
        "The budget closes in every year"
        if bool(table["closed"].all())
        else f"The budget does not close in {int((~table['closed']).sum())} rows"
    )
    blocks.append(
        Text(
            f"{verdict}: GPP − RECO − fire − change of storage is at most {number(worst, 2)} of GPP over all draws. GPP and RECO are"
            " positive numbers, NEE is positive to the atmosphere, the change of storage is positive when the ecosystem gains carbon."
        )
    )
    open_rows = frozenset(np.flatnonzero(~table["closed"].to_numpy()).tolist())
    heads = [NAMES[t] for t in terms]
    blocks.append(
        Table(
            "Annual sums of the process model without error terms, gC m⁻² a⁻¹, posterior mean ± sd",
            ("Site, year", *heads, "Largest imbalance / GPP", "Closed"),
            rows,
            open_rows,
        )
    )
    return Section("budget", "Carbon budget", blocks)


def _whole(value: float) -> str:
    return number(value, 2) if abs(value) < 10 else f"{value:.0f}".replace("-", "−")


def _annual(stream: Stream, k: int) -> Figure | None:
    assert stream.predicted is not None
    seen = aggregate(stream.time, stream.observed[k], "annual", is_flux=stream.is_flux, split=stream.withheld[k])
    gaps = np.isfinite(stream.observed[k])
    whole = aggregate(
        stream.time, np.where(gaps, stream.predicted[:, k], np.nan), "annual", is_flux=stream.is_flux, split=stream.withheld[k]
    )
    good = np.isfinite(seen.values)
    if not good.any() or not seen.is_sum:
        return None
    year = pd.DatetimeIndex(seen.time[good]).year.to_numpy()
    q, y, kept = quantiles(whole.values[:, good]), seen.values[good], seen.split[good]
    x = np.arange(year.size)
    with canvas(2.4) as (drawn, ax):
        for i in x[kept]:
            ax.axvspan(i - 0.5, i + 0.5, color=SHADE, lw=0)
        ax.vlines(x, q[0], q[4], color=BAND_90, lw=12, label="90 %")
        ax.vlines(x, q[1], q[3], color=BAND_50, lw=12, label="50 %")
        ax.hlines(q[2], x - 0.25, x + 0.25, color=LINE, lw=2)
        ax.plot(x, y, "D", color=INK, ms=4.5, label="observed")
        ax.axhline(0, color=INK, lw=0.6)
        step = max(1, -(-year.size // 8))
        ax.set_xticks(x[::step], [str(v) for v in year[::step]])
        ax.set(xlim=(-0.6, x[-1] + 0.6), ylabel="annual NEE (gC m⁻² a⁻¹)", title=f"{stream.sites[k]}: annual sums (shaded: withheld)")
        ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.13), columnspacing=1.0, handlelength=1.0)
        parts = [
            f"{v} observed {number(o)}, predicted {number(m)} ({number(a)} to {number(b)})"
            for v, o, a, m, b in zip(year, y, q[0], q[2], q[4], strict=True)
        ]
        return finish(
            drawn,
            f"Annual NEE at {stream.sites[k]}, gC m⁻² a⁻¹, 90 % predictive interval: {'; '.join(parts)}.",
            "Mean over observed days times the days of the year, the same days in model and observations; bands include the error terms.",
        )
