"""Checks and summary of a run."""

from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.gates import RHAT_BELOW, convergence
from lsm_bayes.diagnostics.result import model_card, scalars, unrolled, variable_of
from lsm_bayes.reference.case import is_coordinate

ESS_ABOVE = 1000.0
E_BFMI_ABOVE = 0.2
"""Least Bayesian fraction of missing information (Betancourt 2016, arXiv 1604.00695) of any chain."""
MOST_PARAMETERS = 60
"""Above, parameters of single sites are checked but not stored."""
DIGITS = 9


def checks_of(tree: xr.DataTree) -> dict[str, dict[str, Any]]:
    """Judge a run.

    Parameters
    ----------
    tree : xarray.DataTree
        From `lsm_bayes.inference.sample`.

    Returns
    -------
    dict
        Of each check: verdict, value, how it must relate to its threshold, and the parameter that is responsible.
    """
    draws = _moving(tree)
    labels, figures = list(draws), convergence(draws)
    found: dict[str, dict[str, Any]] = {}
    for key, comparison, threshold in (("rhat", "<", RHAT_BELOW), ("ess_bulk", ">", ESS_ABOVE), ("ess_tail", ">", ESS_ABOVE)):
        worst = int(np.argmax(figures[key]) if comparison == "<" else np.argmin(figures[key]))
        found[key] = _check(figures[key][worst], comparison, threshold, labels[worst])
    found["divergences"] = _check(tree["sample_stats"].to_dataset()["diverging"].values.sum(), "=", 0.0)
    found["e_bfmi"] = _check(float(arviz_stats.bfmi(tree["sample_stats"]["energy"]).min()), ">", E_BFMI_ABOVE)
    return found


def _check(value: float, comparison: str, threshold: float, parameter: str = "") -> dict[str, Any]:
    passed = value < threshold if comparison == "<" else value > threshold if comparison == ">" else value == threshold
    return {"passed": bool(passed), "value": rounded(value), "comparison": comparison, "threshold": threshold, "parameter": parameter}


def summary_of(tree: xr.DataTree) -> dict[str, dict[str, float]]:
    """Summarise the parameters that are stored.

    Parameters
    ----------
    tree : xarray.DataTree
        From `lsm_bayes.inference.sample`.

    Returns
    -------
    dict
        By parameter: mean, sd and their Monte Carlo standard errors, quantiles, R-hat, effective sample sizes.
    """
    posterior, draws = tree["posterior"].to_dataset(), _moving(tree)
    draws = {k: v for k, v in draws.items() if not is_coordinate(variable_of(k))}
    if len(draws) > MOST_PARAMETERS:
        draws = {k: v for k, v in draws.items() if "site" not in posterior[variable_of(k)].dims}
    array = xr.DataArray(np.stack(list(draws.values())), dims=("scalar", "chain", "draw"))
    over = ("chain", "draw")
    columns = {"mean": array.mean(over), "mcse_mean": arviz_stats.mcse(array, method="mean")}
    columns |= {"sd": array.std(over, ddof=1), "mcse_sd": arviz_stats.mcse(array, method="sd")}
    columns |= {f"q{100 * q:g}": array.quantile(q, over) for q in (0.05, 0.5, 0.95)}
    table = {n: v.to_numpy() for n, v in columns.items()} | convergence(draws)
    return {label: {n: rounded(v[i]) for n, v in table.items()} for i, label in enumerate(draws)}


def _moving(tree: xr.DataTree) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of every scalar that is not a constant."""
    entries = model_card(tree).get("parameters", {})
    draws = {k: unrolled(v, entries.get(variable_of(k), {})) for k, v in scalars(tree["posterior"].to_dataset()).items()}
    return {k: v for k, v in draws.items() if np.ptp(v) != 0}  # NaN stays, and fails


def rounded(value: float) -> float:
    """Round to the digits that are stored.

    Parameters
    ----------
    value : float
        A number.

    Returns
    -------
    float
        With nine digits.
    """
    return float(f"{float(value):.{DIGITS}g}")
