"""Log evidence of a model: the log density of the observations before they were seen."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.build import prior_model
from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.inference import Density, local_evidence, prior_starts, sample, sample_mixture
from lsm_bayes.inference.flat import IMPROPER
from lsm_bayes.inference.gradient_free.smc import run_smc
from lsm_bayes.inference.point import as_density

METHODS = ("bridge", "smc")
ATTRIBUTE = "log_evidence"
AIM = 0.2
"""Standard error (nats) that the bridge aims at."""


@dataclass(frozen=True)
class LogEvidence:
    """Log evidence.

    Attributes
    ----------
    value : float
        Nats.
    error : float
        Standard error; of the bridge see `lsm_bayes.inference.Evidence`, of SMC from the spread of independent runs.
    prior_mass : float
        Log of the integral of prior times potentials, which was subtracted: constraints cut the prior, and what remains counts as 1.
    method : str
        ``"bridge"`` or ``"smc"``.
    """

    value: float
    error: float
    prior_mass: float
    method: str


def log_evidence(
    model: pm.Model | Density,
    tree: xr.DataTree | None = None,
    method: Literal["bridge", "smc"] = "bridge",
    *,
    seed: int = 0,
    draws: int = 2000,
    chains: int = 4,
    cores: int = 2,
    progress: bool = False,
) -> LogEvidence:
    """Compute the log evidence of a model, for models of the same observations.

    It depends on the priors without end: a parameter that the data say nothing of costs nothing, but a prior that is ten times wider than
    the data allow costs 2.3 nats for each parameter, whatever the prediction. Give models that are compared priors that mean what they say,
    or compare by `cross_validate`.

    Parameters
    ----------
    model : pymc.Model or Density
        The model. Its free variables have proper priors.
    tree : xarray.DataTree, optional
        Result of `lsm_bayes.calibrate`, `sample_mixture` or `sample` for the bridge; without it the model is sampled. The value becomes its
        attribute ``log_evidence``.
    method : {"bridge", "smc"}
        ``bridge``: bridge sampling from the draws of each mode, through intermediate densities where needed (`local_evidence`); modes
        that were not found are not counted. ``smc``: `lsm_bayes.inference.gradient_free.run_smc` from the prior, which needs no
        draws and finds modes by itself; it takes thousands of simulations for each of many temperatures.
    seed : int
        Seed.
    draws, chains, cores : int
        Particles of each run and number of runs of SMC; draws per chain and chains where the model is sampled.
    progress : bool
        Show progress.

    Returns
    -------
    LogEvidence
        Value and standard error.

    Raises
    ------
    ValueError
        For an unknown method, improper priors, and draws without log density.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(map(repr, METHODS))}")
    plain = model.model if isinstance(model, Density) else model
    improper = [rv.name for rv in plain.free_RVs if rv.owner.op.name in IMPROPER]
    if improper:
        raise ValueError(f"the priors of {', '.join(improper)} are improper: the evidence is not defined; give them proper priors")
    mass, its_error = _prior_mass(plain, seed)
    if method == "smc":
        value, error = run_smc(plain, draws, chains, seed, cores=cores, progress=progress).evidence
    else:
        value, error = _bridge(as_density(model), tree, seed, draws, chains, cores, progress)
    found = LogEvidence(value - mass, float(np.hypot(error, its_error)), mass, method)
    if tree is not None:
        tree.attrs[ATTRIBUTE] = json.dumps(asdict(found))
    return found


def _bridge(
    density: Density, tree: xr.DataTree | None, seed: int, draws: int, chains: int, cores: int, progress: bool
) -> tuple[float, float]:
    if tree is None:
        tree = sample_mixture(density, draws=draws, chains=chains, cores=cores, seed=seed, progress=progress)
    modes = tree["modes"].to_dataset() if "modes" in tree.children else xr.Dataset()
    # The table of the search for modes has an evidence too, by Laplace's approximation, but no error of it.
    if "log_evidence_error" in modes and modes.sizes["mode"] > 1:
        logs, errors = modes["log_evidence"].values, modes["log_evidence_error"].values
        total = float(np.logaddexp.reduce(logs))
        shares = np.exp(logs - total)
        return total, float(np.sqrt(np.sum((shares * np.where(shares > 1e-3, errors, 0.0)) ** 2)))
    if "unconstrained" not in tree.children or "lp" not in tree["sample_stats"]:
        raise ValueError("the bridge needs the groups 'unconstrained' and 'sample_stats' with lp, as lsm_bayes.sample gives them")
    return _of_draws(density, tree, np.random.default_rng([seed, 7]))


def _of_draws(density: Density, tree: xr.DataTree, rng: np.random.Generator) -> tuple[float, float]:
    """Log evidence and its error from the draws of a result."""
    positions = tree["unconstrained"].to_dataset()["position"].transpose("chain", "draw", "unconstrained").values
    found = local_evidence(density, positions, tree["sample_stats"].to_dataset()["lp"].values, rng, error=AIM)
    return found.log_evidence, found.error


def _prior_mass(model: pm.Model, seed: int) -> tuple[float, float]:
    """Log of the integral of prior times potentials, and its error; 0 without potentials."""
    # Potentials of a model that build_model did not make count as part of the likelihood.
    c = getattr(model, "calibration", None)
    if not model.potentials or not isinstance(c, Calibration):
        return 0.0, 0.0
    density = Density(prior_model(model))
    tree = sample(density, draws=1000, tune=800, chains=4, seed=seed, initial=prior_starts(density, 4, seed), progress=False)
    return _of_draws(density, tree, np.random.default_rng([seed, 8]))
