"""Neural posterior estimation through the package sbi."""

import importlib
import time
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.inference.flat import FlatSpace
from lsm_bayes.inference.tree import build_tree

from .simulated import Simulator, check_prior, prior_simulations


def sample_neural_posterior(
    prior: pm.Model,
    simulator: Simulator,
    observed: NDArray,
    *,
    simulations: int = 2000,
    draws: int = 2000,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Draw from a posterior that a neural density estimator learnt from simulations (Papamakarios & Murray 2016; Greenberg et al. 2019).

    A normalising flow is trained on pairs of parameters, drawn from the prior, and summaries, and is then given the observed summaries.
    Nothing checks it but more simulations: compare with `sample_abc`, or by simulation-based calibration.

    Parameters
    ----------
    prior : pymc.Model
        Parameters and their proper priors, without observations.
    simulator : callable
        Takes parameter values and a generator, returns summaries of shape (S,).
    observed : numpy.ndarray
        Summaries of the observations, shape (S,).
    simulations : int
        To train on; those that are not finite are left out and counted.
    draws : int
        Draws of the posterior.
    seed : int
        Seed; PyTorch's too, whose state is put back.
    progress : bool
        Show progress of the simulations, the training and the draws.

    Returns
    -------
    xarray.DataTree
        See `build_tree`, one chain of independent draws.

    Raises
    ------
    ImportError
        If sbi is not installed.
    ValueError
        For improper priors, models that observe something, or summaries of other shape.
    """
    inference, torch = _packages()
    observed = np.asarray(observed, dtype="float64")
    check_prior(prior, observed)
    space, began = FlatSpace(prior), time.perf_counter()
    positions, found = prior_simulations(space, simulator, simulations, observed.size, seed, progress)
    good = np.isfinite(found).all(axis=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # Positions are unconstrained, so that no draw of the flow can leave the prior and no density of it is needed.
        learning = inference.NPE(show_progress_bars=progress)
        learning.append_simulations(_tensor(torch, positions[good]), _tensor(torch, found[good])).train()
        posterior = learning.build_posterior()
        drawn = posterior.sample((draws,), x=_tensor(torch, observed), show_progress_bars=progress)
    rows = np.asarray(drawn.detach().cpu().numpy(), dtype="float64")
    cost = {"forward_runs": simulations, "failed_simulations": int((~good).sum()), "seconds": time.perf_counter() - began}
    return build_tree(space, rows[None], {}, method="neural posterior", seed=seed, cost=cost)


def _tensor(torch: Any, values: NDArray) -> Any:
    return torch.as_tensor(np.asarray(values, dtype="float32"))


def _packages() -> tuple[Any, Any]:
    try:
        return importlib.import_module("sbi.inference"), importlib.import_module("torch")
    except ImportError as missing:
        raise ImportError(
            "neural posterior estimation needs the package sbi (0.23 or later) and PyTorch, which are not installed: pip install sbi; "
            "or take sample_abc, which needs neither"
        ) from missing
