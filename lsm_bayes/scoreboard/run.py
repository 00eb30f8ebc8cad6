"""Run routes on problems of the collection, and keep what they scored."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from lsm_bayes import models
from lsm_bayes.reference.case import case_of
from lsm_bayes.scoreboard.routes import ROUTES, Problem
from lsm_bayes.scoreboard.score import Score, score
from lsm_bayes.vocabulary import unknown

FAILED = "failed"


def problems() -> list[str]:
    """Name the models of the collection that have a reference posterior whose checks hold.

    Returns
    -------
    list of str
        Names for `scoreboard`.
    """
    return [n for n in models.available() if (found := models.reference_posterior(n)) is not None and found["passed"]]


def scoreboard(
    of: Sequence[str] | None = None,
    routes: Sequence[str] | None = None,
    *,
    seed: int = 1,
    store: str | Path | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Run every route on every problem and compare with the reference posteriors.

    Parameters
    ----------
    of : sequence of str, optional
        Problems; default all of `problems`.
    routes : sequence of str, optional
        Names of `ROUTES`; default all.
    seed : int
        Seed of all routes.
    store : path, optional
        Folder in which each score is kept as it is done; called again, what is there is not run again.
    progress : bool
        Print each score as it is done.

    Returns
    -------
    pandas.DataFrame
        Index: problem and route. Columns: those of `Score`, ``ess_per_thousand``, and ``remark``: why a route gave no posterior.

    Raises
    ------
    KeyError
        For unknown routes and problems.
    """
    chosen = list(routes or ROUTES)
    for name in chosen:
        if name not in ROUTES:
            raise KeyError(unknown("route", name, ROUTES))
    wanted = list(of or problems())
    for name in wanted:
        if name not in problems():
            raise KeyError(unknown("problem with a reference posterior", name, problems()))
    folder = Path(store) if store is not None else None
    rows = {}
    for name in wanted:
        problem: Problem | None = None
        for route in chosen:
            path = folder / f"{name}.{route}.{seed}.json" if folder else None
            if path is not None and path.exists():
                rows[name, route] = json.loads(path.read_text(encoding="utf-8"))
                continue
            problem = problem or Problem(case_of(name), seed)
            rows[name, route] = _one(problem, name, route, seed)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(rows[name, route]), encoding="utf-8")
            if progress:
                print(name, route, rows[name, route], flush=True)  # noqa: T201
    columns = [*(f.name for f in fields(Score)), "ess_per_thousand", "remark"]
    index = pd.MultiIndex.from_tuples(list(rows), names=["problem", "route"])
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _one(problem: Problem, name: str, route: str, seed: int) -> dict[str, float | str]:
    chosen, reference = ROUTES[route], models.reference_posterior(name)
    assert reference is not None  # problems() has seen it
    try:
        for name in ("modes",) * chosen.from_modes + (chosen.prepare,) * bool(chosen.prepare):
            getattr(problem, name)
        began = time.process_time()
        tree = chosen.run(problem, seed)
        found = score(tree, reference, chains=chosen.chains, seconds=time.process_time() - began)
    except (ValueError, RuntimeError, FloatingPointError, np.linalg.LinAlgError) as reason:
        return {"remark": f"{FAILED}: {reason}"}
    row = {**asdict(found), "ess_per_thousand": found.ess_per_thousand, "remark": ""}
    if chosen.from_modes:
        cost = problem.modes.cost
        row["forward_run_equivalents"] += 4.0 * cost["gradient_evaluations"]
        row["seconds"] += problem.search_seconds
        row["ess_per_thousand"] = 1000.0 * row["smallest_ess"] / row["forward_run_equivalents"]
    return row


def as_markdown(table: pd.DataFrame) -> str:
    """Write a scoreboard as tables, one for each problem.

    Parameters
    ----------
    table : pandas.DataFrame
        From `scoreboard`.

    Returns
    -------
    str
        Markdown. Processor time is given as a ratio to the first route of a problem.
    """
    head = "| route | error of mean (sd): rms; largest | ratio of sd: mean; furthest | coverage | forward runs | ESS a 1,000 | time |"
    parts = []
    for problem, rows in table.groupby(level="problem", sort=False):
        first = rows["seconds"].dropna().iloc[0] if rows["seconds"].notna().any() else np.nan
        lines = [f"## {problem}", "", head, "|" + "---|" * 7]
        for (_, route), r in rows.iterrows():
            title = ROUTES[route].title
            if r["remark"]:
                lines.append(f"| {title} | {r['remark']} | | | | | |")
                continue
            ess = "" if np.isnan(r["ess_per_thousand"]) else f"{r['ess_per_thousand']:.1f}"
            lines.append(
                f"| {title} | {r['mean_error']:.2f}; {r['worst_mean_error']:.2f} | {r['sd_ratio']:.2f}; {r['worst_sd_ratio']:.2f} | "
                f"{r['coverage']:.2f} | {r['forward_run_equivalents']:,.0f} | {ess} | {r['seconds'] / first:.2f} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
