"""How far the posterior of one method is from the reference posterior of its problem."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr
from scipy.stats import norm

from lsm_bayes.diagnostics.result import scalars

LEVEL = 0.9
QUANTILES = (0.05, 0.95)


@dataclass(frozen=True)
class Score:
    """One method on one problem.

    Attributes
    ----------
    mean_error : float
        Distance of the mean from that of the reference, in sd of the reference: root mean square over parameters.
    worst_mean_error : float
        The largest.
    sd_ratio : float
        Sd over that of the reference: geometric mean over parameters.
    worst_sd_ratio : float
        The one that is furthest from 1, as a ratio.
    coverage : float
        Probability under the reference of the method's 90 % interval: mean over parameters. The reference is taken as normal on either
        side of its median, with the quantiles that it stores.
    forward_run_equivalents : float
        What the method spent, with its search for modes.
    seconds : float
        Processor time of all threads, without compiling where that can be told apart (all but SMC).
    smallest_ess : float
        Bulk effective sample size, the smallest over parameters; NaN where the draws are independent draws of an approximation.
    parameters : int
        How many were compared.
    """

    mean_error: float
    worst_mean_error: float
    sd_ratio: float
    worst_sd_ratio: float
    coverage: float
    forward_run_equivalents: float
    seconds: float
    smallest_ess: float
    parameters: int

    @property
    def ess_per_thousand(self) -> float:
        """Effective draws for a thousand forward runs."""
        return 1000.0 * self.smallest_ess / self.forward_run_equivalents if self.forward_run_equivalents else np.nan


def score(tree: xr.DataTree, reference: Mapping[str, Any], *, chains: bool, seconds: float = np.nan) -> Score:
    """Compare a result with a reference posterior.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a method.
    reference : mapping
        From `lsm_bayes.models.reference_posterior`.
    chains : bool
        Whether the draws come from Markov chains, so that they have an effective sample size.
    seconds : float
        Processor time that the method took.

    Returns
    -------
    Score
        Parameters are those of the reference that the result has; those that a method holds fixed have no sd and are left out.

    Raises
    ------
    ValueError
        When the result has none of them.
    """
    found = scalars(tree["posterior"].to_dataset())
    draws = {n: np.asarray(found[n]) for n in reference["parameters"] if n in found and np.ptp(np.asarray(found[n])) > 0}
    if not draws:
        raise ValueError(f"the result has none of the parameters {', '.join(reference['parameters'])}")
    known = [reference["parameters"][n] for n in draws]
    values = np.stack([np.ravel(v) for v in draws.values()])
    mean, sd = np.array([k["mean"] for k in known]), np.array([k["sd"] for k in known])
    error = (values.mean(axis=1) - mean) / sd
    ratio = np.log(values.std(axis=1, ddof=1) / sd)
    low, high = np.quantile(values, QUANTILES, axis=1)
    covered = [_below(h, k) - _below(x, k) for x, h, k in zip(low, high, known, strict=True)]
    ess = np.nan
    if chains:
        ess = min(float(arviz_stats.ess(xr.DataArray(v, dims=("chain", "draw")))) for v in draws.values())
    cost = json.loads(tree.attrs["cost"])
    return Score(
        mean_error=float(np.sqrt(np.mean(error**2))),
        worst_mean_error=float(np.abs(error).max()),
        sd_ratio=float(np.exp(ratio.mean())),
        worst_sd_ratio=float(np.exp(ratio[np.argmax(np.abs(ratio))])),
        coverage=float(np.mean(covered)),
        forward_run_equivalents=float(cost["forward_run_equivalents"]),
        seconds=seconds,
        smallest_ess=ess,
        parameters=len(draws),
    )


def _below(value: float, known: Mapping[str, float]) -> float:
    """Probability under the reference of being below a value."""
    side = (known["q50"] - known["q5"]) if value < known["q50"] else (known["q95"] - known["q50"])
    return float(norm.cdf((value - known["q50"]) * norm.ppf(0.95) / side))
