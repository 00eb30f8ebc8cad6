"""Sequential Monte Carlo from the prior to the posterior: draws, the weights of separate modes, and the log evidence."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from pymc.smc.kernels import IMH
from pymc.smc.kernels import MH as WALK

from lsm_bayes.inference.flat import IMPROPER, FlatSpace, Vector
from lsm_bayes.inference.tree import build_tree

GROUP = "smc"


class CountedIndependent(IMH):
    """Moves of PyMC to independent proposals, which also say what they cost."""

    stats_dtypes_shapes = IMH.stats_dtypes_shapes | {"runs": (float, [])}

    def sample_stats(self) -> dict[str, Any]:
        """Statistics of a stage; ``runs`` are the log-likelihoods that its moves took."""
        return super().sample_stats() | {"runs": float(self.draws * (self.n_steps - 1))}


class CountedWalk(WALK):
    """Random-walk moves of PyMC, which also say what they cost."""

    stats_dtypes_shapes = WALK.stats_dtypes_shapes | {"runs": (float, [])}

    def sample_stats(self) -> dict[str, Any]:
        """Statistics of a stage; ``runs`` are the log-likelihoods that its moves took."""
        return super().sample_stats() | {"runs": float(self.draws * (self.n_steps - 1))}


KERNELS = {"independent": CountedIndependent, "walk": CountedWalk}


@dataclass(frozen=True)
class SmcRuns:
    """Independent runs of SMC as they came.

    Attributes
    ----------
    posterior : xarray.Dataset
        Free variables, constrained, dims ``chain`` and ``draw``: a run each.
    log_evidence : numpy.ndarray
        Of each run, nats.
    stages, forward_runs : numpy.ndarray
        Temperatures and log-likelihoods that each run took.
    seconds : float
        Time of all.
    """

    posterior: xr.Dataset
    log_evidence: Vector
    stages: NDArray
    forward_runs: NDArray
    seconds: float

    @property
    def weights(self) -> Vector:
        """Share of each run in the posterior: runs that found more have more evidence."""
        return np.exp(self.log_evidence - np.logaddexp.reduce(self.log_evidence))

    @property
    def evidence(self) -> tuple[float, float]:
        """Log of the mean evidence of the runs, and its standard error from their spread (NaN for one run), nats."""
        n = self.log_evidence.size
        total = float(np.logaddexp.reduce(self.log_evidence) - np.log(n))
        return total, float(self.log_evidence.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan


def run_smc(
    model: pm.Model,
    draws: int = 2000,
    chains: int = 4,
    seed: int = 0,
    *,
    kernel: str = "independent",
    cores: int = 1,
    progress: bool = False,
) -> SmcRuns:
    """Run ``pymc.sample_smc``, which tempers observations and potentials from the prior of the random variables.

    Parameters
    ----------
    model, draws, chains, seed, kernel, cores, progress
        See `sample_smc`.

    Returns
    -------
    SmcRuns
        The runs.

    Raises
    ------
    ValueError
        For an unknown kernel, or improper priors.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}; choose one of {', '.join(map(repr, KERNELS))}")
    improper = [rv.name for rv in model.free_RVs if rv.owner.op.name in IMPROPER]
    if improper:
        raise ValueError(f"the priors of {', '.join(improper)} are improper, so there is nothing to begin from; give them proper priors")
    began, space = time.perf_counter(), FlatSpace(model)
    rng = np.random.default_rng([seed, 1])
    tree = pm.sample_smc(
        draws=draws,
        # By itself it begins with all particles at the initial value of a variable that was given one.
        start=[_by_value(space, space.prior_positions(draws, rng)) for _ in range(chains)],
        kernel=KERNELS[kernel],
        chains=chains,
        cores=cores,
        model=model,
        random_seed=seed,
        progressbar=progress,
        compute_convergence_checks=False,
        idata_kwargs={"log_likelihood": False},
    )
    stats: Any = tree["sample_stats"]
    # By stage for each run, ragged as runs take different numbers of stages; without the axis of runs where there is one.
    by_run = [stats[name].values if chains > 1 else [stats[name].values] for name in ("log_marginal_likelihood", "runs")]
    evidence, runs = [_finite(v)[-1] for v in by_run[0]], [_finite(v) for v in by_run[1]]  # the last is the evidence of all data
    return SmcRuns(
        tree["posterior"].to_dataset(),
        np.array(evidence),
        np.array([len(r) for r in runs]),
        np.array([draws + r.sum() for r in runs], dtype=int),
        time.perf_counter() - began,
    )


def _by_value(space: FlatSpace, positions: NDArray) -> dict[str, NDArray]:
    """Positions by the names of the value variables, shape (draw, ...)."""
    n = len(positions)
    return {space.value_names[k]: positions[:, where].reshape((n, *space.shapes[k])) for k, where in space.slices.items()}


def _finite(values: Any) -> Vector:
    flat = np.concatenate([np.atleast_1d(np.asarray(x, dtype=float)) for x in np.atleast_1d(values)])
    return flat[np.isfinite(flat)]


def sample_smc(
    model: pm.Model,
    draws: int = 2000,
    chains: int = 4,
    seed: int = 0,
    *,
    kernel: str = "independent",
    cores: int = 1,
    progress: bool = False,
) -> xr.DataTree:
    """Draw from the posterior by sequential Monte Carlo (Ching & Chen 2007, doi 10.1061/(ASCE)0733-9399(2007)133:7(816)).

    Particles start as draws of the prior and are weighted, resampled and moved while the likelihood is let in by degrees, so that several
    modes are kept with their weights. Runs are independent and are put together in proportion to the evidence that each found; it is
    the spread of the runs, in ``smc``, that says whether a mode was missed by some.

    Parameters
    ----------
    model : pymc.Model
        What to infer. A model with ``pm.Simulator`` gives approximate Bayesian computation (see `sample_abc`).
    draws, chains : int
        Particles of each run, and runs.
    seed : int
        Seed.
    kernel : {"independent", "walk"}
        Moves to draws of a normal distribution fitted to all particles, or random walks: slower, for posteriors far from normal.
    cores : int
        Runs at a time, each in a process of its own.
    progress : bool
        Show progress.

    Returns
    -------
    xarray.DataTree
        See `build_tree`; draws of equal weight, ``sample_stats`` with ``run``, the run that a draw comes from. Group ``smc``:
        ``log_evidence``, ``weight``, ``stages`` and ``forward_runs`` of each run, attributes ``log_evidence`` and ``log_evidence_error``.

    Raises
    ------
    ValueError
        For an unknown kernel, improper priors, or discrete variables.
    """
    space = FlatSpace(model)
    found = run_smc(model, draws, chains, seed, kernel=kernel, cores=cores, progress=progress)
    total, error = found.evidence
    group = xr.Dataset(
        {
            "log_evidence": ("run", found.log_evidence, {"units": "nats"}),
            "weight": ("run", found.weights),
            "stages": ("run", found.stages),
            "forward_runs": ("run", found.forward_runs),
        },
        attrs={"log_evidence": total, "log_evidence_error": error},
    )
    positions = np.array(
        [[space.flatten({n: found.posterior[n].values[c, k] for n in space.slices}) for k in range(draws)] for c in range(chains)]
    )
    run, draw = _shares(found.weights, draws, np.random.default_rng([seed, 2]))
    cost = {"forward_runs": int(found.forward_runs.sum()), "seconds": found.seconds}
    tree = build_tree(space, positions[run, draw], {"run": run}, method="smc", seed=seed, cost=cost)
    tree[GROUP] = xr.DataTree(group)
    return tree


def _shares(weights: Vector, draws: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Run and draw of each draw of the whole, shape (chain, draw), with every chain a sample of all runs."""
    chains = len(weights)
    at = (rng.random() + np.arange(chains * draws)) / (chains * draws)
    run = np.minimum(np.searchsorted(np.cumsum(weights), at), chains - 1)
    draw = np.empty(run.size, dtype=int)
    for k in range(chains):
        own = np.flatnonzero(run == k)
        # Each draw of a run is taken as often as any other, within one.
        draw[own] = np.concatenate([rng.permutation(draws) for _ in range(own.size // draws + 1)])[: own.size]
    order = rng.permutation(run.size)
    return run[order].reshape(chains, draws), draw[order].reshape(chains, draws)
