"""Exact refits: the same model without the densities of what is left out, one file for each."""

import hashlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pymc.model.fgraph import clone_model

from lsm_bayes.comparison.folds import Unit
from lsm_bayes.diagnostics.gates import ESS_ABOVE, RHAT_BELOW, convergence
from lsm_bayes.inference import Density, sample
from lsm_bayes.inference.store import attribute, write_dataset

WITHHELD = "withheld_density"


@dataclass(frozen=True)
class Settings:
    """How refits are sampled.

    Attributes
    ----------
    draws, tune, chains, cores : int
        Of the No-U-Turn sampler.
    target_accept : float
        Acceptance that it aims at.
    max_treedepth : int
        Its longest trajectory has 2**max_treedepth steps.
    seed : int
        Seed.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 2
    cores: int = 2
    target_accept: float = 0.95
    max_treedepth: int = 10
    seed: int = 0


def without(model: pm.Model, table: pd.DataFrame, withheld: NDArray) -> pm.Model:
    """Copy a model and drop the densities of some observations from its likelihood.

    Whatever else was taken from the observations stays as it is: reference sds, seasonal envelopes, knots of slow discrepancies. The
    simulation runs through, and latent variables of the time that is left out follow their prior.

    Parameters
    ----------
    model : pymc.Model
        The model.
    table : pandas.DataFrame
        Its observations.
    withheld : numpy.ndarray of bool
        What is dropped, (observation,).

    Returns
    -------
    pymc.Model
        With a further potential, ``withheld_density``: minus their log density.
    """
    with warnings.catch_warnings():
        # PyTensor remarks that the simulation of an observed variable, which nobody asks for here, has no compiled form.
        warnings.filterwarnings("ignore", message="Numba will use object mode", category=UserWarning)
        copy = clone_model(model)
    terms = []
    with copy:
        for name in dict.fromkeys(table["stream"]):
            chosen = withheld[(table["stream"] == name).to_numpy()].astype("float64")
            if chosen.any():
                observed = copy[name]
                # A factor for every observation, not an index of some: all folds then have the same compiled function.
                terms.append(pt.sum(pt.constant(chosen) * pm.logp(observed, copy.rvs_to_values[observed]).ravel()))
        pm.Potential(WITHHELD, -sum(terms[1:], terms[0]))
    return copy


def order_in(copy: Density, model: pm.Model) -> NDArray:
    """Say where each coordinate of a copy lies in the flat vector of the model: copies may have their variables in another order.

    Parameters
    ----------
    copy : Density
        Compiled copy.
    model : pymc.Model
        What it was made of.

    Returns
    -------
    numpy.ndarray of int
        ``position[order]`` is the copy's vector of the model's ``position``.
    """
    sizes = {rv.name: int(np.prod(copy.shapes[rv.name])) for rv in model.free_RVs}
    first = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1], strict=True))
    return np.concatenate([first[n] + np.arange(sizes[n]) for n in copy.slices])


def refit(model: pm.Model, table: pd.DataFrame, unit: Unit, starts: NDArray, settings: Settings, path: Path | None = None) -> xr.Dataset:
    """Draw from the posterior without a unit.

    Chains start at draws of a posterior of more data: a mode that only appears without the unit is not found.

    Parameters
    ----------
    model : pymc.Model
        The model with all observations.
    table : pandas.DataFrame
        Its observations.
    unit : Unit
        What is left out.
    starts : numpy.ndarray
        Unconstrained positions to choose starts from, (draw, D).
    settings : Settings
        Of the sampler.
    path : pathlib.Path, optional
        File of the result; read when it is there and of the same model, data, unit and settings.

    Returns
    -------
    xarray.Dataset
        ``position`` (chain, draw, unconstrained) in the order of the model's variables; attributes ``rhat``, ``ess``, ``divergences``.

    Raises
    ------
    KeyboardInterrupt
        When interrupted; nothing of this unit is kept.
    """
    density = Density(without(model, table, unit.withheld))
    order = order_in(density, model)
    if path is not None and path.exists():
        with xr.open_dataset(path, engine="netcdf4") as stored:
            found = stored.load()
        same = found.attrs.get("settings") == repr(settings) and found.sizes["unconstrained"] == density.dimension
        # The log density knows the data, the unit and the priors; names do not.
        if same and density.agrees(found["position"].values[-1, -1][order], float(found["log_posterior"])):
            return found
    seed = int(np.random.SeedSequence([settings.seed, *unit.name.encode()]).generate_state(1)[0])
    chosen = starts[np.random.default_rng(seed).integers(len(starts), size=settings.chains)][:, order]
    tree = sample(
        density,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=seed,
        target_accept=settings.target_accept,
        max_treedepth=settings.max_treedepth,
        initial=chosen,
        progress=False,
    )
    if attribute(tree, "cost")["interrupted"]:
        raise KeyboardInterrupt
    drawn = tree["unconstrained"].to_dataset()["position"].values
    figures = convergence({str(k): drawn[..., k] for k in range(drawn.shape[-1])})
    result = xr.Dataset(
        {"position": (("chain", "draw", "unconstrained"), drawn[..., np.argsort(order)]), "log_posterior": density(drawn[-1, -1])[0]},
        attrs={
            "settings": repr(settings),
            "unit": unit.name,
            "rhat": float(np.nanmax(figures["rhat"])) if settings.chains > 1 else np.nan,
            "ess": float(np.nanmin(np.minimum(figures["ess_bulk"], figures["ess_tail"]))),
            "divergences": int(tree["sample_stats"]["diverging"].sum()),
        },
    )
    if path is not None:
        write_dataset(result, path)
    return result


def converged(result: xr.Dataset) -> bool:
    """Whether a refit passes the gates of R-hat and effective sample size.

    Parameters
    ----------
    result : xarray.Dataset
        From `refit`.

    Returns
    -------
    bool
        Unrounded values count.
    """
    return bool(result.attrs["rhat"] < RHAT_BELOW and result.attrs["ess"] > ESS_ABOVE)


def file_of(folder: Path, unit: Unit) -> Path:
    """Name the file of a refit.

    Parameters
    ----------
    folder : pathlib.Path
        Where refits are kept.
    unit : Unit
        What is left out.

    Returns
    -------
    pathlib.Path
        Readable, and different for different units.
    """
    key = hashlib.sha256(unit.name.encode() + unit.withheld.tobytes()).hexdigest()[:8]
    return folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', unit.name)}-{key}.nc"
