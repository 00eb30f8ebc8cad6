"""Draws from the prior and of what it predicts."""

import time
import warnings

import numpy as np
import pymc as pm
import xarray as xr

from .point import IMPROPER, Density
from .tree import root_attrs


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
        and names ``potentials_ignored``: constraints written as potentials do not shape prior draws.

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
