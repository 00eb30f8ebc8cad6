"""Sections on convergence: the gate table and the sampler's own statistics."""

import arviz_stats
import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.gates import Gates, convergence
from lsm_bayes.diagnostics.identifiability import condition
from lsm_bayes.diagnostics.result import attribute, scalars
from lsm_bayes.report.drawing import INK, LINE, OTHER, canvas, finish
from lsm_bayes.report.page import Block, Figure, Figures, Section, Table, Text, absent, exact, number


def gate_table(gates: Gates) -> Section:
    """Show every gate.

    Parameters
    ----------
    gates : Gates
        From `lsm_bayes.diagnostics.check`.

    Returns
    -------
    Section
        Table of unrounded values, and the parameters at their bounds.
    """
    rows = [
        (
            g.name,
            f"{g.value:.8g}" if np.isfinite(g.value) else "not measured",
            f"{g.comparison} {g.threshold:g}",
            "passed" if g.passed else "FAILED",
            g.parameter or "–",
            "–" if g.passed else g.action,
            g.note or "–",
        )
        for g in gates.gates
    ]
    failed = frozenset(k for k, g in enumerate(gates.gates) if not g.passed)
    blocks: list[Block] = [
        Table(
            "Gates, compared unrounded",
            ("Gate", "Value", "Must be", "Verdict", "Parameter responsible", "What to do", "Note"),
            rows,
            failed,
        )
    ]
    if gates.findings:
        found = [
            (f.parameter, f"{f.side}, {exact(f.bound)}", number(f.mass), "yes" if f.rising else "no", f.reported or "NOT REPORTED")
            for f in gates.findings
        ]
        unreported = frozenset(k for k, f in enumerate(gates.findings) if not f.reported)
        blocks.append(
            Table(
                "Parameters that press against a bound: a conflict of data and bounds, which is structural error speaking",
                ("Parameter", "Bound", "Mass within 1 % of the range", "Density still rising", "Reported as"),
                found,
                unreported,
            )
        )
    return Section("gates", "Gates", blocks)


def sampler(tree: xr.DataTree) -> Section:
    """Show what the sampler did.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    Section
        A row for each chain, cost, energy and the traces of the slowest parameters.
    """
    posterior = scalars(tree["posterior"].to_dataset())
    moving = {k: v for k, v in posterior.items() if np.ptp(v) > 0}
    blocks: list[Block] = []
    figures: list[Figure] = []
    if "sample_stats" in tree.children:
        stats = tree["sample_stats"].to_dataset()
        blocks.append(_chains(stats))
        if "energy" in stats:
            figures.append(_energy(stats["energy"].transpose("chain", "draw").to_numpy()))
    else:
        blocks.append(absent("sampler statistics", "The result has no group sample_stats; methods other than NUTS may record none."))
    blocks.append(_cost(tree, moving))
    shape = condition(tree)
    if np.isfinite(shape.covariance):
        blocks.append(
            Text(
                f"Condition number of the posterior covariance {_two(shape.covariance)} and of the correlation matrix"
                f" {_two(shape.correlation)} ({shape.parameters} parameters, rates and pools on the log scale, {shape.draws} draws)."
            )
        )
    else:
        blocks.append(
            absent(
                "the condition number of the posterior",
                f"{shape.draws} draws of {shape.parameters} parameters are too few: five draws a parameter are needed.",
            )
        )
    if moving:
        rhat = convergence(moving)["rhat"]
        order = np.argsort(-np.nan_to_num(rhat, nan=np.inf))[:2]
        figures += [_trace(list(moving)[k], list(moving.values())[k], float(rhat[k])) for k in order]
    return Section("sampler", "Sampler", [*blocks, Figures(figures)])


def _two(value: float) -> str:
    return number(float(f"{value:.2g}"), 2)


def _chains(stats: xr.Dataset) -> Table:
    columns: dict[str, np.ndarray] = {}
    if "diverging" in stats:
        columns["Divergences"] = stats["diverging"].sum("draw").to_numpy()
    steps = next((n for n in ("n_steps", "tree_size") if n in stats), None)
    if steps:
        columns["Gradient evaluations per draw"] = stats[steps].mean("draw").to_numpy()
    rate = next((n for n in ("mean_tree_accept", "acceptance_rate") if n in stats), None)
    if rate:
        columns["Acceptance"] = stats[rate].mean("draw").to_numpy()
    if "step_size" in stats:
        columns["Step size"] = stats["step_size"].isel(draw=-1).to_numpy()
    if "energy" in stats:
        columns["BFMI"] = np.atleast_1d(arviz_stats.bfmi(stats["energy"]).to_numpy() if stats.sizes["draw"] > 2 else np.nan)
    rows = [(str(c), *(number(v[k]) for v in columns.values())) for k, c in enumerate(stats["chain"].to_numpy())]
    return Table("Each chain. BFMI below 0.3 means that the energy is explored badly", ("Chain", *columns), rows)


def _cost(tree: xr.DataTree, moving: dict[str, np.ndarray]) -> Block:
    cost = attribute(tree, "cost", {})
    if not isinstance(cost, dict) or not cost:
        return absent(
            "the cost", "The result has no attribute cost, so gradient evaluations and effective draws per second cannot be stated."
        )
    draws = next(iter(moving.values())).size if moving else 0
    known = {
        "gradient_evaluations": "Gradient evaluations, all chains",
        "seconds": "Seconds",
        "ess_per_second": "Smallest effective sample size per second",
    }
    rows = [(known.get(k, k.replace("_", " ")), number(v, 4)) for k, v in cost.items() if isinstance(v, int | float)]
    if draws and isinstance(cost.get("gradient_evaluations"), int | float):
        rows.append(("Gradient evaluations per kept draw, tuning included", number(cost["gradient_evaluations"] / draws)))
    return Table("Cost", ("What", "Value"), rows)


def _energy(energy: np.ndarray) -> Figure:
    centred, change = (energy - energy.mean()).ravel(), np.diff(energy, axis=1).ravel()
    first, last = np.quantile(np.concatenate([centred, change]), [0.001, 0.999]) if np.ptp(centred) > 0 else (-1.0, 1.0)
    edges = np.linspace(float(first), float(last), 40).tolist()
    with canvas(2.3) as (drawn, ax):
        ax.hist(centred, edges, density=True, histtype="stepfilled", color="#b9c9d6", label="energy")
        ax.hist(change, edges, density=True, histtype="step", color=INK, ls="--", lw=1.4, label="change per draw")
        ax.set(xlabel="energy minus its mean (nats)", ylabel="density", title="Energy")
        ax.legend()
        return finish(
            drawn,
            f"Histograms of the energy, sd {number(centred.std())}, and of its change from draw to draw, sd {number(change.std())}.",
            "The change per draw should be nearly as wide as the energy itself.",
        )


def _trace(label: str, values: np.ndarray, rhat: float) -> Figure:
    with canvas(2.3) as (drawn, ax):
        step = max(values.shape[1] // 400, 1)
        for k, chain in enumerate(values):
            ax.plot(
                np.arange(values.shape[1])[::step],
                chain[::step],
                lw=0.7,
                color=(LINE, OTHER, "#555555", "#000000")[k % 4],
                ls=("-", "--", ":", "-.")[k % 4],
            )
        ax.set(xlabel="draw", title=label)
        return finish(
            drawn,
            f"Trace of {label} in {len(values)} chains; R-hat {number(rhat, 5)}.",
            f"{label}: every chain should wander over the same range (R-hat {number(rhat, 5)}).",
        )
