"""From a PyMC model to a checked, stored result: modes, sampling, prediction, findings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.predict import calibration_of, predict
from lsm_bayes.declare import Prior
from lsm_bayes.diagnostics import check
from lsm_bayes.diagnostics.result import read_stream
from lsm_bayes.diagnostics.scores import score
from lsm_bayes.inference import Density, find_modes, save
from lsm_bayes.inference.mixture import sample_mixture
from lsm_bayes.inference.point import as_density

# Starts of the search for modes are dispersed beyond the prior in all coordinates: real modes were missed by 20 of 20 ordinary starts.
DISPERSION = 0.7


def calibrate(
    model: pm.Model | Density,
    *,
    starts: int = 24,
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
    cores: int = 2,
    seed: int = 0,
    target_accept: float = 0.95,
    max_treedepth: int = 10,
    predictive_draws: int = 400,
    store: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> xr.DataTree:
    """Calibrate: find the modes, sample them, predict, check.

    Parameters
    ----------
    model : pymc.Model or Density
        From `lsm_bayes.calibration.build_model`, or compiled from it.
    starts : int
        Starts of the search for modes.
    draws, tune, chains, cores : int
        Of the No-U-Turn sampler, for each chain; cores that chains leave free run blocks of sites (see `lsm_bayes.inference.Density`).
    seed : int
        Seed of everything.
    target_accept : float
        Acceptance target of the sampler.
    max_treedepth : int
        Longest trajectory is 2**max_treedepth steps; less shortens the tuning of models with hundreds of parameters.
    predictive_draws : int
        Draws that are run over the whole record for predictions.
    store : path, optional
        Where the result goes (``.zarr``, ``.zarr.zip`` or ``.nc``); finished work is kept beside it while the run lasts.
    resume : bool
        Go on with what an interrupted run of the same model left in `store`.
    progress : bool
        Show progress with time left.

    Returns
    -------
    xarray.DataTree
        Groups as in ArviZ, with ``modes``, ``forcing`` and ``budget``; the model card in ``attrs`` carries the findings: parameters that
        press against a bound. Print ``lsm_bayes.diagnostics.check(tree)`` before calling it a posterior.

    Raises
    ------
    KeyboardInterrupt
        When the search for modes was interrupted; what it has finished is kept for `resume`.
    """
    density = as_density(model, site_threads=cores // chains)
    path = Path(store) if store is not None else None
    modes = find_modes(
        density,
        starts=starts,
        seed=seed,
        spread={n: DISPERSION for n in density.slices if n == "z" or n.startswith("z_")},
        store=path.with_name(path.name + ".modes") if path is not None else None,
        progress=progress,
    )
    if modes.interrupted:
        raise KeyboardInterrupt
    tree = sample_mixture(
        density,
        modes,
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
        target_accept=target_accept,
        max_treedepth=max_treedepth,
        cores=cores,
        progress=progress,
        store=path,
        resume=resume,
    )
    finish(density, tree, draws=predictive_draws, seed=seed)
    if path is not None:
        save(tree, path)
    return tree


def finish(model: pm.Model | Density, tree: xr.DataTree, *, draws: int = 400, seed: int = 0) -> xr.DataTree:
    """Add prior, predictions, the skill of each mode and the findings to a sampled tree.

    Parameters
    ----------
    model : pymc.Model
        From `lsm_bayes.calibration.build_model`.
    tree : xarray.DataTree
        With a ``posterior``.
    draws : int
        Draws to predict with.
    seed : int
        Seed.

    Returns
    -------
    xarray.DataTree
        The same tree.
    """
    density = as_density(model)
    model = density.model
    predict(model, tree, draws=draws, seed=seed)
    tree["prior"] = xr.DataTree(_prior(density, tree["posterior"].to_dataset(), seed))
    if "modes" in tree.children:
        tree["modes"] = xr.DataTree(_mode_skill(model, tree, seed))
    card = dict(model.card)  # set by build_model
    card["findings"] = findings(tree, card)
    tree.attrs["model_card"] = json.dumps(card)
    return tree


def _prior(density: Density, posterior: xr.Dataset, seed: int, draws: int = 2000) -> xr.Dataset:
    """Draws of the prior of what the posterior holds. Parameters with coordinates of their own are log-uniform in their box by design."""
    rng = np.random.default_rng([seed, 1])
    values = density.expand(density.prior_positions(draws, rng))
    c = calibration_of(density.model)
    own = c.process_model.coordinates.parameters if c.process_model.coordinates is not None else ()
    found = {}
    for name, v in posterior.data_vars.items():
        if str(name) not in values:
            continue
        array = values[str(name)]
        if name in own and c.priors[str(name)] == Prior():
            low, high = c.process_model.parameter_table[str(name)][0].bounds
            array = np.exp(rng.uniform(np.log(low), np.log(high), array.shape))
        found[str(name)] = (v.dims, array[None])
    return xr.Dataset(found, coords={k: w for k, w in posterior.coords.items() if k not in ("chain", "draw")})


def _mode_skill(model: pm.Model, tree: xr.DataTree, seed: int) -> xr.Dataset:
    """CRPS of the withheld part of each stream from the draws of each mode that was sampled."""
    table = tree["modes"].to_dataset()
    if "mode" not in table.dims or "mode" not in tree["sample_stats"].data_vars:
        return table
    posterior = tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
    member = tree["sample_stats"]["mode"].stack(sample=("chain", "draw")).values
    for k in np.unique(member):
        chosen = posterior.isel(sample=member == k).isel(sample=slice(None, None, max(1, int((member == k).sum() // 200))))
        draws = chosen.drop_vars(["sample", "chain", "draw"]).rename(sample="draw").expand_dims(chain=[0])
        draws = draws.assign_coords(draw=np.arange(draws.sizes["draw"]))
        one = predict(model, xr.DataTree.from_dict({"/posterior": draws}), draws=200, seed=seed)
        for name in one["observed_data"].data_vars:
            scores = score(read_stream(one, str(name)))
            withheld = scores[(scores["period"] == "withheld") & scores["step"].isin(["daily", "native"])]
            if len(withheld):
                column = f"withheld_crps_{name}"
                if column not in table:
                    table[column] = ("mode", np.full(table.sizes["mode"], np.nan))
                table[column][int(k)] = withheld["crps"].mean()
    return table


def findings(tree: xr.DataTree, card: Mapping[str, Any]) -> dict[str, str]:
    """Say which parameters press against a bound.

    Parameters
    ----------
    tree : xarray.DataTree
        With a ``posterior``.
    card : mapping
        The model card.

    Returns
    -------
    dict of str to str
        A sentence for each parameter that does: the data and the bound disagree, which is a statement about the model's structure.
    """
    tree.attrs["model_card"] = json.dumps(dict(card))
    found: dict[str, str] = {}
    for p in check(tree).findings:
        sentence = f"{100 * p.mass:.0f} % of the posterior lies within 1 % of the range of the {p.side} bound {p.bound:g}" + (
            "; the density rises towards it" if p.rising else ""
        )
        found[p.parameter] = f"{found[p.parameter]}; {sentence}" if p.parameter in found else sentence
    return found
