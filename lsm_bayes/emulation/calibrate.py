"""Calibrate, emulate, sample (Cleary et al. 2021, doi 10.1016/j.jcp.2020.109716): positions of any ensemble method train the emulator."""

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.inference.inverse import InverseProblem, as_problem
from lsm_bayes.inference.nuts import sample
from lsm_bayes.inference.tree import FORWARD_RUNS

from .designs import active_positions, informed_design
from .emulated import emulated_model
from .emulator import Emulator, fit_emulator
from .ensemble import Ensemble, join, run_ensemble
from .extent import distance_to_runs

MOST_BEYOND = 0.2
"""Part of the draws beyond the runs of the emulator above which a warning is given."""


class ExtrapolationWarning(UserWarning):
    """A posterior lies where its emulator has no runs."""


def calibrate_emulate_sample(
    model: pm.Model | InverseProblem,
    positions: NDArray,
    *,
    predictions: NDArray | None = None,
    runs: int | None = None,
    rounds: int = 3,
    variance: bool = True,
    accept: bool = False,
    kind: Any = "gaussian_process",
    choices: dict[str, Any] | None = None,
    seed: int = 0,
    store: str | Path | None = None,
    cores: int = 1,
    progress: bool = False,
    **sampling: Any,
) -> xr.DataTree:
    """Sample with NUTS from a model whose emulator was trained where an ensemble method went.

    The posterior of one round says where the model is run for the next. An emulator is fitted to the runs near its own posterior alone,
    and the posterior is held to where these are (`emulated_model`): one of runs over the prior and of a cluster of runs together takes
    its variance from the many that are close to each other, and is far too sure of itself elsewhere.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    positions : numpy.ndarray
        All iterations of an ensemble method, draws, or modes: active elements (..., d), or flat vectors (..., dimension).
    predictions : numpy.ndarray, optional
        Whitened predictions at the positions, shape (n, M), where they are known; then nothing is run again.
    runs : int, optional
        Runs of a round, spread over the positions or the posterior of the round before (`informed_design`, no part of them over the
        prior); 10 for each parameter by default.
    rounds : int
        Rounds. With predictions the first one runs nothing. On DALEC-CDEA with eight parameters and 75 runs a round two were not
        enough, and three brought every marginal to within 0.07 sd of the posterior of the model (`benchmarks/emulators.md`).
    variance, accept
        See `emulated_model`.
    kind : str
        Of emulator.
    choices : dict, optional
        Further arguments of `fit_emulator`.
    seed : int
        Seed.
    store : path, optional
        Folder for the runs.
    cores : int
        Processes that run the model.
    progress : bool
        Show bars.
    **sampling
        Arguments of `lsm_bayes.inference.sample`.

    Returns
    -------
    xarray.DataTree
        Result of `sample` on the emulated model, with group ``emulator`` (figures of its validation) and the runs in ``cost``.

    Raises
    ------
    EmulatorRefusedError
        If the emulator is not good enough and ``accept`` is False.
    ValueError
        If shapes do not fit, or there is no round.
    """
    if rounds < 1:
        raise ValueError(f"got rounds={rounds}; give 1 or more")
    problem, began = as_problem(model), time.perf_counter()
    if predictions is not None:
        x = np.asarray(positions, dtype=float)
        x = x if x.shape[-1] == problem.size else x[..., problem.active]
        found = np.asarray(predictions, dtype=float)
        if x.ndim != 2 or found.shape != (len(x), problem.observed.size):
            raise ValueError(f"predictions have shape {found.shape}; with {len(x)} positions give ({len(x)}, {problem.observed.size})")
        ensemble = Ensemble(x, found, names=tuple(problem.names))
    else:
        ensemble = _near(problem, None, positions, runs, seed, store, cores, progress)
    for k in range(rounds):
        emulator = fit_emulator(ensemble, kind, **(choices or {}))
        emulated = emulated_model(problem, emulator, variance=variance, accept=accept or k + 1 < rounds)
        tree = sample(emulated, seed=seed + k, progress=progress, **sampling)
        if k + 1 < rounds:
            draws = tree["unconstrained"].to_dataset()["position"].values
            ensemble = _near(problem, ensemble, draws, runs, seed + k + 1, store, cores, progress)
    return with_emulator(tree, problem, emulator, variance=variance, seconds=time.perf_counter() - began)


def _near(
    problem: InverseProblem,
    earlier: Ensemble | None,
    positions: NDArray,
    runs: int | None,
    seed: int,
    store: str | Path | None,
    cores: int,
    progress: bool,
) -> Ensemble:
    """Run the model around positions, and add the earlier runs that lie among these runs."""
    near = active_positions(problem, positions)
    design = informed_design(problem, near, 10 * problem.size if runs is None else runs, seed=seed, prior_share=0.0)
    found = run_ensemble(problem, design, store=store, cores=cores, progress=progress)
    return found if earlier is None else join([earlier.rows(distance_to_runs(design, earlier.x) <= 1.0), found])


def with_emulator(tree: xr.DataTree, problem: InverseProblem, emulator: Emulator, *, variance: bool, seconds: float) -> xr.DataTree:
    """Say in a result that it is of an emulator, how good that is, and what its runs cost.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of an inference method on an emulated model; changed in place.
    problem : InverseProblem
        That ran the model.
    emulator : Emulator
        The emulator.
    variance : bool
        Whether its variance is in the likelihood.
    seconds : float
        Time that all took.

    Returns
    -------
    xarray.DataTree
        The same. Gradients of an emulator cost no run of the model: they are counted apart, as ``emulator_gradient_evaluations``.
    """
    v = emulator.validation
    x = active_positions(problem, np.asarray(tree["unconstrained"]["position"].values))
    beyond = float(emulator.beyond(x).mean())
    if beyond > MOST_BEYOND:
        warnings.warn(
            f"{100 * beyond:.0f} % of the draws lie beyond the runs of the emulator, where it extrapolates: run the model there too "
            "(informed_design of these draws) and fit to all runs together (join)",
            ExtrapolationWarning,
            stacklevel=3,
        )
    figures = {"beyond": beyond, "r2": v.r2, "coverage": v.coverage, "component_error": v.component_error, "sd_in_errors": v.sd_in_errors}
    attrs = {"kind": emulator.kind, "source": v.source, "runs": len(emulator.runs.x), "variance_carried": int(variance)}
    tree["emulator"] = xr.DataTree(xr.Dataset({k: float(value) for k, value in figures.items()}, attrs=attrs))
    cost = json.loads(tree.attrs["cost"])
    cost["emulator_gradient_evaluations"] = cost.pop("gradient_evaluations", 0)
    cost |= problem.cost() | {"seconds": seconds}
    cost["forward_run_equivalents"] = sum(n * cost.get(k, 0) for k, n in FORWARD_RUNS.items())
    tree.attrs["cost"] = json.dumps(cost)
    tree.attrs["method"] = json.dumps(f"{json.loads(tree.attrs['method'])} on an emulator ({emulator.kind})")
    return tree
