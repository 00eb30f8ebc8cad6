"""Is an approximation of the posterior to be trusted? Importance ratios say, and can repair small faults."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from ..flat import FlatSpace, Vector
from ..tree import build_tree

FEWEST = 25
"""Draws with a finite density below which no Pareto distribution is fitted."""
SAME = 1e-6
"""Range of log ratios (nats) below which an approximation is exact; a Pareto distribution of round-off says nothing."""


@dataclass(frozen=True)
class Judgement:
    """Importance ratios of a density to its approximation.

    Attributes
    ----------
    pareto_k : float
        Shape of the tail of the ratios (Vehtari et al. 2024, J. Mach. Learn. Res. 25(72)); infinite when too few draws have a density.
    limit : float
        ``min(1 - 1 / log10(draws), 0.7)``, above which means taken with the ratios do not converge.
    weights : numpy.ndarray
        Smoothed and normalised, shape (draws,).
    effective_draws : float
        Inverse of the sum of squared weights.
    elbo : float
        Mean log ratio over draws with a finite density, nats: the evidence lower bound.
    log_evidence : float
        Log of the mean ratio, nats.
    failed : int
        Draws without a finite density.
    """

    pareto_k: float
    limit: float
    weights: Vector
    effective_draws: float
    elbo: float
    log_evidence: float
    failed: int

    @property
    def trusted(self) -> bool:
        """Whether the approximation, with its weights, may stand for the posterior."""
        return self.pareto_k <= self.limit

    def __str__(self) -> str:
        """Say it in a sentence."""
        said = f"Pareto k {self.pareto_k:.2f}, limit {self.limit:.2f}, {self.effective_draws:.0f} of {len(self.weights)} draws effective: "
        if self.trusted:
            return said + "the approximation covers the posterior; weights or resample=True remove its remaining error"
        return said + "not to be trusted as a posterior; sample with NUTS"


def judge(lp: Vector, log_q: Vector) -> Judgement:
    """Compare a density with the approximation from which draws were taken.

    Parameters
    ----------
    lp : numpy.ndarray
        Log-density of the draws, up to a constant, shape (draws,); -inf where the model failed.
    log_q : numpy.ndarray
        Log-density of the approximation there, shape (draws,).

    Returns
    -------
    Judgement
        Pareto-smoothed importance ratios.
    """
    number, good = len(lp), np.isfinite(lp) & np.isfinite(log_q)
    limit = min(1.0 - 1.0 / np.log10(max(number, 11)), 0.7)
    ratio = np.where(good, lp - log_q, -np.inf)
    failed = int(number - good.sum())
    elbo = float(ratio[good].mean()) if good.any() else -np.inf
    if number - failed < FEWEST:
        return Judgement(np.inf, limit, good / max(number - failed, 1), float(number - failed), elbo, -np.inf, failed)
    smoothed, k = ratio[good] - ratio[good].max(), 0.0
    if np.ptp(smoothed) > SAME:
        with warnings.catch_warnings():
            # Reported as pareto_k instead.
            warnings.filterwarnings("ignore", message=".*[Pp]areto", category=UserWarning)
            # It takes a log-likelihood and turns the sign itself.
            smoothed, k = array_stats.psislw(-smoothed, axis=-1)
    # All weight on a draw or two leaves no tail to fit.
    k = float(k) if np.isfinite(k) else np.inf
    weights = np.zeros(number)
    weights[good] = np.exp(smoothed - np.logaddexp.reduce(smoothed))
    evidence = ratio[good].max() + np.logaddexp.reduce(ratio[good] - ratio[good].max()) - np.log(number)
    return Judgement(k, limit, weights, float(1.0 / np.sum(weights**2)), elbo, float(evidence), failed)


def approximate_tree(
    space: FlatSpace,
    positions: NDArray,
    lp: Vector,
    log_q: Vector,
    *,
    draws: int,
    resample: bool,
    rng: np.random.Generator,
    method: str,
    seed: int,
    cost: dict[str, Any],
    converged: bool,
    notes: Sequence[str] = (),
    stats: Mapping[str, NDArray] | None = None,
    modes: xr.Dataset | None = None,
    groups: Mapping[str, xr.Dataset] | None = None,
) -> xr.DataTree:
    """Build the result of a method that gives draws from an approximation, with a judgement of it.

    Parameters
    ----------
    space : FlatSpace
        Of the model.
    positions : numpy.ndarray
        Draws from the approximation, shape (n, D).
    lp, log_q : numpy.ndarray
        Log-density of the model and of the approximation there, shape (n,).
    draws : int
        How many to keep: at most n without ``resample``.
    resample : bool
        Keep draws chosen with replacement by their importance weights instead of the first ones.
    rng : numpy.random.Generator
        Source of randomness.
    method, seed, cost, modes
        See :func:`lsm_bayes.inference.tree.build_tree`.
    converged : bool
        Whether the fit of the approximation converged.
    notes : sequence of str
        What is approximate beside that.
    stats : mapping of str to numpy.ndarray, optional
        Further ``sample_stats``, shape (n,).
    groups : mapping of str to xarray.Dataset, optional
        Further groups.

    Returns
    -------
    xarray.DataTree
        As for every method, with one chain. ``sample_stats`` holds ``lp`` and ``log_weight``, the log importance ratio. Root attributes
        beside those of every method, JSON: ``pareto_k``, ``converged``, ``verdict`` (a sentence) and ``approximation`` (see
        `Judgement`, and ``notes``).
    """
    found = judge(lp, log_q)
    # Without a single finite density there is nothing to choose by.
    chosen = rng.choice(len(lp), size=draws, p=found.weights) if resample and found.weights.any() else np.arange(min(draws, len(lp)))
    kept = {"lp": lp, "log_weight": lp - log_q, **(stats or {})}
    tree = build_tree(
        space,
        positions[None, chosen],
        {k: np.asarray(v)[None, chosen] for k, v in kept.items()},
        method=method,
        seed=seed,
        cost=cost,
        modes=modes,
    )
    for name, group in (groups or {}).items():
        tree[name] = xr.DataTree(group)
    figures = {k: getattr(found, k) for k in ("pareto_k", "limit", "trusted", "effective_draws", "elbo", "log_evidence", "failed")}
    tree.attrs["pareto_k"] = json.dumps(found.pareto_k)
    tree.attrs["converged"] = json.dumps(bool(converged))
    tree.attrs["verdict"] = json.dumps(str(found) if converged else f"not converged; {found}")
    tree.attrs["approximation"] = json.dumps({**figures, "resampled": resample, "notes": list(notes)}, default=float)
    return tree
