"""How far bias and discrepancy stand in for parameters: the check that a structural error term needs."""

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.diagnostics.identifiability import parameter_draws
from lsm_bayes.diagnostics.result import model_card, scale_of, stream_names, variable_of

_SYSTEMATIC = ("_knots", "_discrepancy_weights", "_discrepancy_sd", "_offset", "_log_gain", "_bias", "_gain", "_tau")
COMPONENTS = 25
SERIOUS = 0.5
"""Share of a parameter's posterior variance from which the report says that the discrepancy stands in for it."""


def confounding(tree: xr.DataTree) -> pd.DataFrame:
    """Measure how much of each parameter's posterior variance the bias and discrepancy of each stream explain.

    Where a share is high, the data do not say whether the parameter or the error model made the fit: the parameter would be known much
    better if the discrepancy were, and its estimate is as good as the prior of the discrepancy (Brynjarsdóttir & O'Hagan 2014, doi
    10.1088/0266-5611/30/11/114007).

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    pandas.DataFrame
        Index: parameter. One column for each stream with systematic error terms: the coefficient of determination of a linear regression
        of the parameter (logarithm for rates and pools) on the leading components of these terms' draws, corrected for the number of
        regressors by the effective number of draws; between 0 and 1. Empty without such terms.
    """
    posterior = tree["posterior"].to_dataset()
    card = model_card(tree).get("parameters", {})
    draws = parameter_draws(tree)
    columns = {s: found for s in stream_names(tree) if (found := _systematic(posterior, s)) is not None}
    rows: dict[str, dict[str, float]] = {}
    for label, values in draws.items():
        entry = card.get(variable_of(label), {})
        y = np.log(np.maximum(values, np.finfo(float).tiny)) if scale_of(entry) == "log" else values
        size = min(float(convergence({label: values})["ess_bulk"][0]), float(values.size))
        rows[label] = {s: _explained(y.ravel(), x, size) for s, x in columns.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))


def _systematic(posterior: xr.Dataset, stream: str) -> np.ndarray | None:
    """Draws (draw, component) of the single systematic error terms of a stream, and of the leading components of those with many."""
    single: list[np.ndarray] = []
    many: list[np.ndarray] = []
    for name in map(str, posterior.data_vars):
        if name.startswith(f"{stream}_") and (name.endswith(_SYSTEMATIC) or f"{stream}_season_" in name):
            values = posterior[name].transpose("chain", "draw", ...).values
            flat = values.reshape(values.shape[0] * values.shape[1], -1)
            (many if name.endswith(("_knots", "_weights")) else single).append(flat - flat.mean(axis=0))
    if many:
        # All are standard normal in the prior: what the data leave open varies most, and that is what can be confounded.
        u, s, _ = np.linalg.svd(np.concatenate(many, axis=1), full_matrices=False)
        single.append((u * s)[:, :COMPONENTS])
    return np.concatenate(single, axis=1) if single else None


def _explained(y: np.ndarray, x: np.ndarray, size: float) -> float:
    """Regress, and adjust the coefficient of determination; NaN where there are too few effective draws for the regressors."""
    if size < 5 * x.shape[1]:
        x = x[:, : max(1, int(size / 5))]
    centred = y - y.mean()
    if size < 20 or not (centred**2).sum() > 0:
        return np.nan
    x = x - x.mean(axis=0)
    left = centred - x @ np.linalg.lstsq(x, centred, rcond=None)[0]
    share = 1.0 - (left**2).sum() / (centred**2).sum()
    return float(max(0.0, 1.0 - (1.0 - share) * (size - 1.0) / max(size - 1.0 - x.shape[1], 1.0)))
