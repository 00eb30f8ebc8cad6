"""What the data said about each parameter, and which parameters they could not tell apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.diagnostics.result import Stream, model_card, scalars, scale_of, unrolled, variable_of


def parameter_draws(tree: xr.DataTree) -> dict[str, np.ndarray]:
    """Return the draws of the parameters that the model card names, or of all scalars without a card.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    dict
        Label to draws of shape (chain, draw); scalars that never move are left out, circular ones are unrolled.
    """
    data = tree["posterior"].to_dataset()
    entries = model_card(tree).get("parameters", {})
    found = scalars(data, [n for n in entries if n in data] or None)
    return {k: unrolled(v, entries.get(variable_of(k), {})) for k, v in found.items() if np.ptp(v) > 0}


def shrinkage(tree: xr.DataTree) -> pd.DataFrame:
    """Compare prior and posterior of every parameter.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    pandas.DataFrame
        Index: parameter. Columns in the parameter's unit: ``mean``, ``sd``, ``q05``, ``q50``, ``q95``, ``prior_mean``,
        ``prior_sd``. ``shrinkage`` is 1 - sd(posterior) / sd(prior), on the log scale for rates and pools: 1 when the
        data fix the parameter, 0 when they say nothing, negative when they contradict the prior. ``shift`` is the
        change of the mean in prior sd on that scale. ``rhat``, ``ess_bulk``, ``ess_tail`` unrounded. Prior columns are
        NaN when the result holds no prior.
    """
    card = model_card(tree).get("parameters", {})
    posterior = parameter_draws(tree)
    prior = scalars(tree["prior"].to_dataset()) if "prior" in tree.children else {}
    mixing = convergence(posterior) if posterior else {}
    rows = {}
    for k, (label, values) in enumerate(posterior.items()):
        scale = scale_of(card.get(variable_of(label), {}))
        q05, q50, q95 = np.quantile(values, [0.05, 0.5, 0.95])
        row = {
            "mean": values.mean(),
            "sd": values.std(ddof=1),
            "q05": q05,
            "q50": q50,
            "q95": q95,
            "prior_mean": np.nan,
            "prior_sd": np.nan,
            "shrinkage": np.nan,
            "shift": np.nan,
        }
        if label in prior and np.ptp(prior[label]) > 0:
            start = unrolled(prior[label], card.get(variable_of(label), {}))
            before, after = _on(start, scale), _on(values, scale)
            row |= {"prior_mean": start.mean(), "prior_sd": start.std(ddof=1), "shrinkage": 1 - after.std(ddof=1) / before.std(ddof=1)}
            row["shift"] = (after.mean() - before.mean()) / before.std(ddof=1)
        rows[label] = row | {key: float(v[k]) for key, v in mixing.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def strongest_pairs(tree: xr.DataTree, number: int = 10) -> pd.DataFrame:
    """List the most correlated pairs of parameters.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    number : int, optional
        How many pairs.

    Returns
    -------
    pandas.DataFrame
        Columns ``first``, ``second``, ``correlation`` (Pearson, rates and pools on the log scale) and ``rank_correlation``
        (Spearman: much larger than the former where the ridge is curved), sorted by the larger magnitude of the two.
    """
    draws = parameter_draws(tree)
    names = list(draws)
    if len(names) < 2:
        return pd.DataFrame(columns=["first", "second", "correlation", "rank_correlation"])
    data = on_their_scales(draws, model_card(tree))
    linear = np.atleast_2d(np.corrcoef(data))
    rank = np.atleast_2d(np.corrcoef(data.argsort(axis=1).argsort(axis=1)))
    i, j = np.triu_indices(len(names), k=1)
    order = np.argsort(-np.maximum(np.abs(linear[i, j]), np.abs(rank[i, j])))[:number]
    rows = [(names[i[k]], names[j[k]], linear[i[k], j[k]], rank[i[k], j[k]]) for k in order]
    return pd.DataFrame(rows, columns=["first", "second", "correlation", "rank_correlation"])


@dataclass(frozen=True)
class Condition:
    """How stretched the posterior is.

    Parameters
    ----------
    covariance : float
        Ratio of the largest to the smallest eigenvalue of the covariance, rates and pools on the log scale.
    correlation : float
        The same of the correlation matrix, which does not depend on units.
    parameters, draws : int
        Size of the matrix and number of draws behind it.
    """

    covariance: float
    correlation: float
    parameters: int
    draws: int


def condition(tree: xr.DataTree) -> Condition:
    """Measure the condition number of the posterior.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    Condition
        NaN when there are fewer than five draws a parameter, because sampling noise would decide.
    """
    draws = parameter_draws(tree)
    data = on_their_scales(draws, model_card(tree)) if draws else np.zeros((0, 0))
    n, size = data.shape
    if n < 2 or size < 5 * n:
        return Condition(np.nan, np.nan, n, size)
    covariance, correlation = (np.linalg.eigvalsh(m) for m in (np.cov(data), np.corrcoef(data)))
    return Condition(_ratio(covariance), _ratio(correlation), n, size)


def _ratio(values: np.ndarray) -> float:
    return float(values[-1] / values[0]) if values[0] > 0 else np.inf


def correlated_share(stream: Stream, site: int) -> dict[str, float]:
    """Share of the variance over time that the error model, and its correlated part, takes from the process model.

    The correlated part of the error is found from its autocovariance c over the draws: an AR(1) with white noise has
    ``c(k) = v phi^k`` for lags k > 0, hence ``v = c(1)^2 / c(2)`` and ``phi = c(2) / c(1)``.

    Parameters
    ----------
    stream : Stream
        A stream with its simulated observations and its operator's output.
    site : int
        Index of the site.

    Returns
    -------
    dict
        ``error`` (variance of all errors over that of the simulated observations), ``correlated`` (of the AR(1) part)
        and ``phi``, each a posterior mean; NaN where the result does not hold what is needed.
    """
    nothing = {"error": np.nan, "correlated": np.nan, "phi": np.nan}
    if stream.predicted is None or stream.mean is None or stream.time.size < 10:
        return nothing
    simulated, output = stream.predicted[:, site], stream.mean[:, site]
    seen = np.isfinite(simulated).all(axis=0) & np.isfinite(output).all(axis=0)
    error = np.where(seen, simulated - output, np.nan)
    if seen.sum() < 10:
        return nothing
    away = error - np.nanmean(error, axis=1, keepdims=True)
    first, second = (float(np.nanmean(away[:, k:] * away[:, :-k])) for k in (1, 2))
    total = float(np.nanvar(np.where(seen, simulated, np.nan), axis=1).mean())
    whole = float(np.nanvar(error, axis=1).mean())
    correlated = min(first**2 / second, whole) if first > 0 and second > 0 else 0.0
    return {"error": whole / total, "correlated": correlated / total, "phi": min(second / first, 1.0) if first > 0 and second > 0 else 0.0}


def on_their_scales(draws: dict[str, np.ndarray], card: dict[str, Any]) -> np.ndarray:
    """Stack draws, those of rates and pools as logarithms.

    Parameters
    ----------
    draws : dict
        Label to draws, from `parameter_draws`.
    card : dict
        The model card.

    Returns
    -------
    numpy.ndarray
        (parameter, draw), chains behind each other.
    """
    entries = card.get("parameters", {})
    return np.stack([_on(v, scale_of(entries.get(variable_of(k), {}))).ravel() for k, v in draws.items()])


def _on(values: np.ndarray, scale: str) -> np.ndarray:
    return np.log(np.maximum(values, np.finfo(float).tiny)) if scale == "log" else values
