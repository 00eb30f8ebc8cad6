"""Section on prediction: coverage and CRPS on withheld data against a climatology."""

import numpy as np
import pandas as pd

from lsm_bayes.report.drawing import INK, LINE, OTHER, canvas, finish
from lsm_bayes.report.page import Block, Figure, Figures, Fold, Section, Table, Text, absent, number, unit_text


def skill(table: pd.DataFrame) -> Section:
    """Show how good the predictions are.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of `lsm_bayes.diagnostics.score` for all streams.

    Returns
    -------
    Section
        Table and figures.
    """
    if table.empty:
        return Section(
            "skill",
            "Prediction against climatology",
            [absent("scores", "The result has no posterior predictive. Sample it before writing the report.")],
        )
    withheld = table[table["period"] == "withheld"]
    blocks: list[Block] = []
    if withheld.empty:
        blocks.append(
            absent(
                "withheld data",
                "Everything was used in the fit: the scores below are of the training data and say little about prediction.",
            )
        )
    else:
        blocks.append(Text(_sentence(withheld)))
    blocks.append(
        Text(
            "The climatology predicts each time by what the training years had around the same day of the year (±7 days, or the same"
            " month), as an ensemble; a training year is predicted from the other ones. CRPS is in the unit of the row, smaller is better;"
            " skill is 1 − CRPS/CRPS of the climatology on the same values. Weekly and monthly values are means over observed days, annual"
            " values of fluxes are sums, with the same gaps in model and observations. With few training years the climatology has few"
            " members, and its intervals are too narrow; the CRPS allows for that."
        )
    )
    if not withheld.empty:
        blocks.append(Figures([_figure(withheld[withheld["stream"] == s], str(s)) for s in withheld["stream"].unique()]))
    note = (
        "withheld rows of ten values or more are marked when the climatology is better, or 90 % intervals hold less than 85 or more than 95"
        " % of at least 40 values"
    )
    if not withheld.empty:
        blocks.append(_table(withheld, f"Withheld; {note}"))
    training = _table(table[table["period"] == "training"], "Training: these data were used in the fit")
    blocks.append(Fold("Scores of the training data", [training], is_open=withheld.empty))
    return Section("skill", "Prediction against climatology", blocks)


def _table(scores: pd.DataFrame, caption: str) -> Table:
    rows, marked = [], set()
    for k, (_, r) in enumerate(scores.iterrows()):
        if r["period"] == "withheld" and r["n"] >= 10 and (r["crps_skill"] < 0 or (r["n"] >= 40 and not 0.85 <= r["coverage_90"] <= 0.95)):
            marked.add(k)
        rows.append(
            (
                f"{str(r['stream']).upper()} {r['site']}",
                str(r["step"]),
                unit_text(str(r["unit"])) or "–",
                str(int(r["n"])),
                number(r["coverage_50"], 2),
                number(r["coverage_90"], 2),
                number(r["climatology_coverage_90"], 2),
                number(r["crps"]),
                number(r["climatology_crps"]),
                number(r["crps_skill"], 2),
                number(r["nse"], 2),
                number(r["climatology_nse"], 2),
                number(r["bias"], 2),
                number(r["rmse"]),
            )
        )
    columns = (
        "Stream, site",
        "Step",
        "Unit",
        "n",
        "Coverage of 50 %",
        "Coverage of 90 %",
        "Climatology's 90 %",
        "CRPS",
        "Climatology's CRPS",
        "Skill",
        "Efficiency (R²)",
        "Climatology's R²",
        "Bias",
        "RMSE",
    )
    return Table(caption, columns, rows, frozenset(marked))


def _sentence(withheld: pd.DataFrame) -> str:
    scored = withheld[withheld["n"] >= 10]
    better = int((scored["crps_skill"] > 0).sum())
    finest = withheld.groupby(["stream", "site"], sort=False).first()
    spread = "; ".join(f"{stream.upper()} {number(group['coverage_90'].mean(), 2)}" for stream, group in finest.groupby(level=0))
    return (
        f"On withheld data the model beats the climatology in {better} of {len(scored)} rows of ten values or more. 90 % intervals at the"
        f" finest step hold, as a mean over sites: {spread}."
    )


def _figure(rows: pd.DataFrame, stream: str) -> Figure:
    rows = rows[np.isfinite(rows["crps_skill"]) & (rows["step"] != "annual")].iloc[:24]
    labels = [f"{r['site']} {r['step']}" for _, r in rows.iterrows()]
    y = np.arange(len(rows))[::-1]
    with canvas(1.2 + 0.26 * max(len(rows), 1)) as (drawn, ax):
        ax.hlines(y, rows["crps"], rows["climatology_crps"], color="#aaaaaa", lw=1.5)
        ax.plot(rows["climatology_crps"], y, "s", mfc="white", mec=OTHER, mew=1.5, ms=6, label="climatology")
        ax.plot(rows["crps"], y, "o", color=LINE, ms=6, label="model")
        ax.set_yticks(y, labels)
        ax.set_ylim(-0.6, len(rows) - 0.4)
        unit = unit_text(str(rows["unit"].iloc[0])) if len(rows) else ""
        ax.set(xlabel=f"CRPS ({unit}), smaller is better" if unit else "CRPS", title=f"{stream.upper()}, withheld")
        ax.set_xlim(left=0)
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        drawn.legend(loc="outside lower center", ncols=2)
        better = int((rows["crps"] < rows["climatology_crps"]).sum())
        return finish(
            drawn,
            f"CRPS of model and climatology for withheld {stream.upper()}; the model is better in {better} of {len(rows)} rows.",
            "Annual sums are in the table: they have too few withheld values for a score.",
        )
