"""Constraints of the process model as part of the prior: free where they hold, a Gaussian cost of the violation where they do not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.table import Table
from lsm_bayes.declare import Constraint


def needs_of(c: Calibration) -> set[str]:
    """Return the fluxes and states that the constraints read.

    Parameters
    ----------
    c : Calibration
        The choices.

    Returns
    -------
    set of str
        Empty where all constraints are on parameters alone.
    """
    return {n for k in c.constraints.chosen(c.process_model) for n in k.needs} if c.constraints is not None else set()


def add_constraints(c: Calibration, table: Table) -> None:
    """Add a potential and a margin for each constraint on parameters alone to the PyMC model in context.

    Parameters
    ----------
    c : Calibration
        The choices.
    table : Table
        Parameters by site.

    Notes
    -----
    With ``m`` the margin (the logarithm of the ratio by which the inequality holds), the log prior changes by
    ``-0.5 (min(m, 0) / width)**2``: one-sided and once differentiable, with a slope wherever it is missed, so that any draw of the prior
    is a point to start from. A logistic edge as sharp as the inequality itself made a quarter of the transitions diverge.
    ``<constraint>_margin`` stays in the posterior, so that a report can say which constraint bites.
    """
    if c.constraints is None:
        return
    everywhere = list(range(len(c.records)))
    means, p = _means(c, everywhere), _parameters(c, table, everywhere)
    for constraint in c.constraints.chosen(c.process_model):
        if not constraint.needs:
            _impose(c, constraint, constraint.margin(means, p), None)


def add_run_constraints(c: Calibration, table: Table, groups: Sequence[Sequence[int]], runs: Sequence[Mapping[str, Any]]) -> None:
    """Add a potential and a margin for each constraint on the run to the PyMC model in context.

    Parameters
    ----------
    c : Calibration
        The choices.
    table : Table
        Parameters by site.
    groups : sequence of sequence of int
        Sites that run together.
    runs : sequence of mapping
        Their series (site, time) of what `needs_of` names, and of more.

    Notes
    -----
    The run is that of the fitted period. Graded constraints add the log density that they declare; their margin is that of the inequality.
    """
    if c.constraints is None:
        return
    order = np.argsort([i for members in groups for i in members])
    given = [(_means(c, m), _parameters(c, table, m), run) for m, run in zip(groups, runs, strict=True)]

    def by_site(function: Any) -> Any:
        found = [function(*g) for g in given]
        return pt.concatenate(found)[order] if len(found) > 1 else found[0]

    for constraint in c.constraints.chosen(c.process_model):
        if constraint.needs:
            graded = constraint.graded.get(c.constraints.dynamics or "")
            _impose(c, constraint, by_site(constraint.margin), by_site(graded) if graded is not None else None)


def _means(c: Calibration, members: Sequence[int]) -> dict[str, Any]:
    """Mean forcing of the fitted period by site; folded forcing, and the length of steps, as one number."""
    records = [c.records[i] for i in members]
    found: dict[str, Any] = dict(records[0].forcing.folded)
    found |= {n: np.array([np.mean(r.forcing.varying[n][: r.fitted_steps]) for r in records]) for n in records[0].forcing.varying}
    return found | ({"step_length": float(np.mean(found["step_length"]))} if "step_length" in found else {})


def _parameters(c: Calibration, table: Table, members: Sequence[int]) -> Any:
    model = c.process_model
    rows = [table.get(n) for n in model.parameters._fields]  # type: ignore[attr-defined]
    everywhere = list(members) == list(range(len(c.records)))
    return model.parameters(*(rows if everywhere else [r[np.array(members)] for r in rows]))


def _impose(c: Calibration, constraint: Constraint, margin: Any, log_density: Any) -> None:
    assert c.constraints is not None  # callers have seen it
    pm.Deterministic(f"{constraint.name}_margin", margin if c.site_dim else margin[0], dims=c.site_dim)
    cost = -0.5 * (pt.minimum(margin, 0.0) / c.constraints.width) ** 2 if log_density is None else log_density
    pm.Potential(f"{constraint.name}_constraint", pt.sum(cost))
