"""Constraints of the process model as part of the prior: free where they hold, a Gaussian cost of the violation where they do not."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.table import Table


def add_constraints(c: Calibration, table: Table) -> None:
    """Add a potential and a margin for each constraint to the PyMC model in context.

    Parameters
    ----------
    c : Calibration
        The choices; `c.constraints` is the width of the cost.
    table : Table
        Parameters by site.

    Notes
    -----
    With ``m`` the margin (the logarithm of the ratio by which the inequality holds), the log prior changes by
    ``-0.5 (min(m, 0) / width)**2``: one-sided and once differentiable. A logistic edge as sharp as the inequality itself made a
    quarter of the transitions diverge. ``<constraint>_margin`` stays in the posterior, so that a report can say which constraint bites.
    """
    if c.constraints is None:
        return
    model = c.process_model
    p = model.parameters(*[table.get(n) for n in model.parameters._fields])  # type: ignore[attr-defined]
    means: dict[str, Any] = {
        n: np.array([np.mean(r.forcing.varying[n][: r.fitted_steps]) for r in c.records]) for n in c.records[0].forcing.varying
    }
    for constraint in model.constraints:
        margin = constraint.margin(means, p)
        name = f"{constraint.name}_margin"
        pm.Deterministic(name, margin if c.site_dim else margin[0], dims=c.site_dim)
        pm.Potential(f"{constraint.name}_constraint", -0.5 * pt.sum((pt.minimum(margin, 0.0) / c.constraints) ** 2))
