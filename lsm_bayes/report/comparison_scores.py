"""Sections of the comparison of models: scores, units, weights, evidence, information gained."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.comparison import Comparison
from lsm_bayes.comparison.gain import information_gain
from lsm_bayes.report.drawing import BAND_50, INK, LINE, OTHER, canvas, finish
from lsm_bayes.report.page import MINUS, Block, Figure, Figures, Section, Table, Text, absent, number

MOST_GAINS = 25
MOST_LABELS = 40


def signed(value: float, digits: int = 3) -> str:
    """Format a difference with its sign.

    Parameters
    ----------
    value : float
        A difference.
    digits : int
        Significant digits.

    Returns
    -------
    str
        With plus or minus.
    """
    return f"+{number(value, digits)}" if value > 0 else number(value, digits)


def plus_minus(value: float, error: float) -> str:
    """Format a value with its standard error, to the tenth of a nat.

    Parameters
    ----------
    value, error : float
        Nats.

    Returns
    -------
    str
        A dash where the value is unknown.
    """
    return f"{value:.1f} ± {error:.1f}".replace("-", MINUS) if np.isfinite(value) else "–"


def _weight(value: float) -> str:
    return "–" if not np.isfinite(value) else "< 0.001" if value < 1e-3 else f"{value:.3f}"


def scores(found: Comparison) -> Section:
    """Show the score of each model and its difference to the best.

    Parameters
    ----------
    found : Comparison
        From `lsm_bayes.compare`.

    Returns
    -------
    Section
        Table and figure.
    """
    rows = [
        (
            str(name),
            plus_minus(r["elpd"], r["elpd_se"]),
            plus_minus(r["difference"], r["difference_se"]) if r["difference"] else "best",
            number(r["elpd_error"], 2),
            number(r["p_eff"]),
            _weight(r["stacking"]),
            _weight(r["pseudo_bma"]),
            number(r["worst_k"], 2),
            str(int(r["refits"])),
            f"{int(r['sound'])} of {len(found.units)}",
        )
        for name, r in found.table.iterrows()
    ]
    columns = (
        "Model",
        "Score (elpd)",
        "Difference to the best",
        "Monte Carlo error",
        "Effective parameters",
        "Stacking weight",
        "Pseudo-BMA+ weight",
        "Largest Pareto k",
        "Units fitted again",
        "Units to be trusted",
    )
    caption = "Log density of what was left out, summed over units (nats); ± standard error over units"
    marked = frozenset(k for k, (_, r) in enumerate(found.table.iterrows()) if r["sound"] < len(found.units))
    blocks: list[Block] = [Text(f"Left out, one unit at a time: {found.unit}."), Table(caption, columns, rows, marked)]
    if len(found.table) > 1:
        blocks.append(Figures([_differences(found)]))
    return Section("scores", "Predictive scores", blocks)


def _differences(found: Comparison) -> Figure:
    table = found.table
    with canvas(0.9 + 0.3 * len(table)) as (drawn, ax):
        for row, (_, r) in enumerate(reversed(list(table.iterrows()))):
            for times, width in ((2, 1.2), (1, 3.6)):
                reach = times * r["difference_se"]
                ax.plot([r["difference"] - reach, r["difference"] + reach], [row, row], color=LINE, lw=width, solid_capstyle="butt")
            ax.plot(r["difference"], row, "o", color=INK, mfc="white", mew=1.3, ms=6)
        ax.axvline(0, color=INK, lw=0.9, ls=":")
        ax.set_yticks(range(len(table)), [str(n) for n in reversed(table.index)])
        ax.tick_params(axis="y", length=0)
        ax.locator_params(axis="x", nbins=5)
        ax.set(xlabel="difference of the score to the best (nats)", ylim=(-0.6, len(table) - 0.4), title="Difference to the best")
        said = "; ".join(f"{n} {plus_minus(r['difference'], r['difference_se'])}" for n, r in table.iterrows())
        return finish(drawn, f"Differences of the predictive score: {said}.", "Thick: one standard error over units, thin: two.")


def by_unit(found: Comparison) -> Section:
    """Show which unit prefers which model.

    Parameters
    ----------
    found : Comparison
        From `lsm_bayes.compare`.

    Returns
    -------
    Section
        Bars for each model against the best, and a table.
    """
    scores = found.by_unit
    best = scores.columns[0]
    difference = scores.sub(scores[best], axis=0)
    winner = scores.idxmax(axis=1)
    rows = [
        (
            str(unit),
            f"{found.units.loc[unit, 'start']:%Y-%m-%d}",
            f"{found.units.loc[unit, 'end']:%Y-%m-%d}",
            str(int(found.units.loc[unit, "observations"])),
            number(scores.loc[unit, best]),
            *(signed(difference.loc[unit, n]) for n in scores.columns[1:]),
            str(winner[unit]),
        )
        for unit in scores.index
    ]
    columns = (
        "Unit",
        "From",
        "To",
        "Observations",
        f"{best}: score",
        *(f"{n}: difference" for n in scores.columns[1:]),
        "Predicted best by",
    )
    counts = winner.value_counts()
    text = "Predicted best: " + ", ".join(f"{n} {counts.get(n, 0)} of {len(scores)}" for n in scores.columns) + " units."
    figures = [_bars(difference[n], str(n), str(best)) for n in scores.columns[1:]]
    caption = f"Score of each unit (nats): {best}, and how much others are above (+) or below ({MINUS}) it"
    return Section("units", "Which unit prefers which model", [Text(text), Figures(figures), Table(caption, columns, rows)])


def _bars(difference: pd.Series, name: str, best: str) -> Figure:
    values = difference.to_numpy()[::-1]
    labels = [str(u) for u in difference.index[::-1]]
    with canvas(max(1.6, 0.7 + 0.2 * min(len(values), MOST_LABELS))) as (drawn, ax):
        ax.barh(range(len(values)), values, color=[OTHER if v > 0 else BAND_50 for v in values], edgecolor=INK, lw=0.6, height=0.75)
        ax.axvline(0, color=INK, lw=0.9)
        if len(values) <= MOST_LABELS:
            ax.set_yticks(range(len(values)), labels)
        else:
            ax.set_yticks([])
        ax.tick_params(axis="y", length=0)
        ax.locator_params(axis="x", nbins=5)
        ax.set(xlabel="difference to the best (nats)", title=name, ylim=(-0.7, len(values) - 0.3))
        most = difference.abs().idxmax()
        text = f"{name} is better in {int((values > 0).sum())} of {len(values)} units; the largest difference is "
        text += f"{signed(float(difference[most]))} nats"
        return finish(drawn, f"{text} in {most}.", f"{text}, in {most}. To the right: better than {best}.")


def weights(found: Comparison) -> Section:
    """Show the weights of each kind.

    Parameters
    ----------
    found : Comparison
        From `lsm_bayes.compare`.

    Returns
    -------
    Section
        Figure.
    """
    kinds = {"stacking": "stacking", "pseudo_bma": "pseudo-BMA+", "evidence_weight": "evidence"}
    known = {k: v for k, v in kinds.items() if found.table[k].notna().all()}
    if not known:
        return Section("weights", "Weights", [absent("the weights", "A unit has no finite score.")])
    shades = dict(zip(known, (LINE, BAND_50, "#ffffff"), strict=False))
    names = [str(n) for n in found.table.index]
    with canvas(0.9 + 0.22 * len(names) * (len(known) + 0.6)) as (drawn, ax):
        height = 0.8 / len(known)
        for k, (column, label) in enumerate(known.items()):
            at = np.arange(len(names))[::-1] + 0.4 - (k + 0.5) * height
            ax.barh(at, found.table[column], height=height, color=shades[column], edgecolor=INK, lw=0.8, label=label)
        ax.set_yticks(range(len(names)), names[::-1])
        ax.tick_params(axis="y", length=0)
        ax.set(xlim=(0, 1), xlabel="weight", title="Weights", ylim=(-0.6, len(names) - 0.4))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=len(known))
        said = "; ".join(f"{n}: " + ", ".join(f"{v} {number(found.table.loc[n, k], 2)}" for k, v in known.items()) for n in names)
        figure = finish(drawn, f"Weights of the models. {said}.", "Weights of the models; each kind sums to 1.")
    return Section("weights", "Weights", [Figures([figure])])


def evidence(found: Comparison) -> Section:
    """Show the log evidence, or say how to get it.

    Parameters
    ----------
    found : Comparison
        From `lsm_bayes.compare`.

    Returns
    -------
    Section
        Table.
    """
    known = found.table[found.table["log_evidence"].notna()]
    missing = [str(n) for n in found.table.index if n not in known.index]
    blocks: list[Block] = []
    if len(known):
        best = known["log_evidence"].max()
        rows = [
            (
                str(n),
                plus_minus(r["log_evidence"], r["log_evidence_error"]),
                signed(r["log_evidence"] - best),
                _weight(r["evidence_weight"]),
            )
            for n, r in known.iterrows()
        ]
        caption = "Log evidence (nats) ± standard error, and posterior probability of models that were equally probable before"
        blocks.append(Table(caption, ("Model", "Log evidence", "Difference to the largest", "Probability"), rows))
    if missing:
        blocks.append(absent(f"the evidence of {', '.join(missing)}", "lsm_bayes.log_evidence(model, result) computes it."))
    return Section("evidence", "Evidence", blocks)


def gains(results: Mapping[str, xr.DataTree], found: Comparison) -> Section:
    """Show what each fit learnt of each parameter.

    Parameters
    ----------
    results : mapping of str to xarray.DataTree
        Results by name.
    found : Comparison
        From `lsm_bayes.compare`.

    Returns
    -------
    Section
        Table of information gained.
    """
    names = [str(n) for n in found.table.index]
    known = {n: information_gain(results[n]) for n in names if "prior" in results[n].children}
    blocks: list[Block] = []
    if known:
        together = pd.DataFrame(known)
        together = together.loc[together.max(axis=1).sort_values(ascending=False).index]
        rows = [(str(p), *(number(v, 2) for v in r)) for p, r in zip(together.index[:MOST_GAINS], together.to_numpy(), strict=False)]
        more = f"; the first {MOST_GAINS} of {len(together)}" if len(together) > MOST_GAINS else ""
        caption = f"Divergence of the marginal posterior from the prior (nats), 0: nothing was learnt{more}"
        blocks.append(Table(caption, ("Parameter", *known), rows))
    missing = [n for n in names if n not in known]
    if missing:
        why = "The result has no draws of the prior; lsm_bayes.calibrate adds them."
        blocks.append(absent(f"the information gained by {', '.join(missing)}", why))
    return Section("gain", "What each fit learnt", blocks)
