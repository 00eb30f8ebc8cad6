"""Draws from the prior and of what it predicts."""

import time
import warnings

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.calibration.build import prior_model

from .flat import IMPROPER
from .nuts import sample
from .point import Density, as_density
from .tree import root_attrs

TRIES = 50
"""Prior draws for each start, of which it is the most probable."""


def sample_prior(model: pm.Model | Density, draws: int = 500, seed: int = 0) -> xr.DataTree:
    """Draw parameters from the prior and simulate the data they predict.

    Parameters
    ----------
    model : pymc.Model or Density
        The model.
    draws : int
        Number of draws.
    seed : int
        Seed.

    Returns
    -------
    xarray.DataTree
        Groups ``prior``, ``prior_predictive``, ``sample_stats_prior`` (``failed_simulation`` (chain, draw): some predicted or derived
        value of the draw is not finite), ``observed_data``, ``constant_data``. Attribute ``cost`` counts ``failed_simulations``
        and names ``potentials_ignored``: constraints written as potentials do not shape prior draws; those of
        `sample_constrained_prior` know them.

    Raises
    ------
    ValueError
        If a prior is improper (pm.Flat, pm.HalfFlat) and cannot be drawn from.
    """
    model = model.model if isinstance(model, Density) else model
    improper = [rv.name for rv in model.free_RVs if rv.owner.op.name in IMPROPER]
    if improper:
        raise ValueError(f"The priors of {improper} are improper and cannot be drawn from; give these parameters a proper prior.")
    began = time.perf_counter()
    with warnings.catch_warnings():
        # Reported as attribute potentials_ignored instead.
        warnings.filterwarnings("ignore", message="The effect of Potentials", category=UserWarning)
        tree = pm.sample_prior_predictive(draws=draws, model=model, random_seed=seed)
    failed = np.zeros((1, draws), dtype=bool)
    for group in {"prior", "prior_predictive"} & set(tree.children):
        for values in tree[group].data_vars.values():
            if values.dtype.kind == "f":
                failed |= ~np.isfinite(values.values.reshape(1, draws, -1)).all(axis=-1)
    tree["sample_stats_prior"] = xr.DataTree(xr.Dataset({"failed_simulation": (("chain", "draw"), failed)}))
    cost = {
        "draws": draws,
        "failed_simulations": int(failed.sum()),
        "potentials_ignored": [p.name for p in model.potentials],
        "seconds": time.perf_counter() - began,
    }
    tree.attrs = root_attrs(model, "prior", seed, cost)
    return tree


def prior_starts(model: pm.Model | Density, number: int = 4, seed: int = 0) -> NDArray:
    """Choose points to start chains from among draws of the prior.

    No search for a first admissible point: constraints are finite wherever the run is, and slope towards where they hold.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    number : int
        How many starts.
    seed : int
        Seed.

    Returns
    -------
    numpy.ndarray
        Unconstrained positions (number, D), each the most probable of fifty draws: for ``sample(..., initial=...)``.

    Raises
    ------
    ValueError
        When no draw has a finite log-posterior.
    """
    density = as_density(model)
    rng = np.random.default_rng([seed, 2])
    found = []
    for _ in range(number):
        positions = density.prior_positions(TRIES, rng)
        values = [density(x)[0] for x in positions]
        if not np.isfinite(values).any():
            raise ValueError(f"none of {TRIES} draws of the prior has a finite run; check the forcing and the bounds of the process model")
        found.append(positions[int(np.argmax(values))])
    return np.array(found)


def sample_constrained_prior(
    model: pm.Model | Density,
    draws: int = 500,
    tune: int = 800,
    chains: int = 4,
    seed: int = 0,
    target_accept: float = 0.95,
    cores: int = 2,
    progress: bool = False,
) -> xr.DataTree:
    """Draw from the prior with the constraints of the calibration, by NUTS.

    Chains start at draws of the prior without constraints (`prior_starts`) and climb from there.

    Parameters
    ----------
    model : pymc.Model or Density
        From `lsm_bayes.calibration.build_model`; its observations do not matter.
    draws, tune, chains : int
        Draws per chain after tuning, tuning steps, chains.
    seed : int
        Seed.
    target_accept : float
        Acceptance that step-size adaptation aims at.
    cores : int
        Chains that run at a time.
    progress : bool
        Show progress with time left.

    Returns
    -------
    xarray.DataTree
        Groups ``prior`` and ``sample_stats_prior``: parameters and initial pools, and the margin of each constraint.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    ValueError
        When no draw of the prior has a finite run.
    """
    density = Density(prior_model(model.model if isinstance(model, Density) else model))
    tree = sample(
        density,
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
        target_accept=target_accept,
        cores=cores,
        progress=progress,
        initial=prior_starts(density, chains, seed),
    )
    found = xr.DataTree.from_dict({"/prior": tree["posterior"].to_dataset(), "/sample_stats_prior": tree["sample_stats"].to_dataset()})
    found.attrs = dict(tree.attrs)
    return found
