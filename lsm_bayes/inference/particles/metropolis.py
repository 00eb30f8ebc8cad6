"""Particle marginal Metropolis-Hastings: parameters of state-space models, by likelihoods that a particle filter estimates."""

from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.inference.flat import Vector
from lsm_bayes.inference.gradient_free.adaptive_metropolis import Adaptive, first_covariance
from lsm_bayes.inference.gradient_free.starts import starting_positions
from lsm_bayes.inference.gradient_free.walk import Plan, walk
from lsm_bayes.inference.log_density import LogDensity

from .filter import StateSpace, Values, particle_filter


def sample_particle_metropolis(
    prior: pm.Model,
    space: StateSpace,
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 2,
    seed: int = 0,
    *,
    particles: int = 200,
    initial: NDArray | None = None,
    covariance: NDArray | None = None,
    still: int = 200,
    thin: int = 1,
    progress: bool = False,
    store: str | Path | None = None,
    resume: bool = False,
    block: int = 50,
) -> xr.DataTree:
    """Draw from the posterior of the parameters of a state-space model (Andrieu, Doucet & Holenstein 2010).

    doi 10.1111/j.1467-9868.2009.00736.x. The draws are of the exact posterior for any number of particles; with too few, chains stay
    where the likelihood was estimated far too high. Choose ``particles`` such that the estimates at one place have a standard deviation
    of one to two nats (`likelihood_spread`).

    Parameters
    ----------
    prior : pymc.Model
        Parameters and their priors; what it observes counts too.
    space : StateSpace
        The state-space model, which is given the values of free variables and deterministics.
    draws, tune, chains, seed, thin, progress, store, resume, block
        See `sample_adaptive_metropolis`, which makes the proposals.
    particles : int
        In each filter.
    initial : array of shape (chains, D), optional
        Unconstrained first positions; draws of the prior by default.
    covariance : numpy.ndarray, optional
        Guess of the posterior covariance of unconstrained values.
    still : int
        Steps before proposals have the covariance of the past.

    Returns
    -------
    xarray.DataTree
        See `build_tree`; ``lp`` in ``sample_stats`` is the estimate that was accepted. ``cost`` counts a forward run for each particle.
    """
    density, rng = LogDensity(prior), np.random.default_rng([seed, 0])
    target = _Estimate(density, space, particles, seed)
    first = first_covariance(density, rng) if covariance is None else np.asarray(covariance, dtype="float64")
    plan = Plan(draws, tune, thin, block, Path(store) if store is not None else None, resume, progress)
    return walk(
        density,
        target,
        Adaptive(first, still),
        lambda: starting_positions(density, target, initial, chains, rng),
        plan,
        method="particle_metropolis",
        seed=seed,
        runs_each=particles,
    )


class _Estimate:
    """Log of prior density times estimated likelihood."""

    def __init__(self, density: LogDensity, space: StateSpace, particles: int, seed: int) -> None:
        self.density, self.space, self.particles, self.seed = density, space, particles, seed

    def __call__(self, positions: NDArray) -> Vector:
        found = self.density.log_densities(positions)
        values = self.density.expand(positions)
        for k in np.flatnonzero(np.isfinite(found)):
            one = {name: v[k] for name, v in values.items()}
            # Random numbers by the place, which no chain proposes twice: a resumed run then finds those of an unbroken one.
            rng = np.random.default_rng([self.seed, *np.ascontiguousarray(positions[k]).view(np.uint32)])
            found[k] += particle_filter(self.space, one, self.particles, rng).log_likelihood
        return found


def likelihood_spread(space: StateSpace, values: Values, particles: int, repeats: int = 20, seed: int = 0) -> float:
    """Repeat a filter, to see how much its log-likelihood varies.

    Parameters
    ----------
    space : StateSpace
        The model.
    values : mapping of str to array
        Parameters, from about the middle of the posterior.
    particles : int
        In each filter.
    repeats : int
        Filters.
    seed : int
        Seed.

    Returns
    -------
    float
        Standard deviation, nats; 1 to 2 is best for `sample_particle_metropolis` (Doucet et al. 2015, doi 10.1093/biomet/asu075).
    """
    rng = np.random.default_rng(seed)
    return float(np.std([particle_filter(space, values, particles, rng).log_likelihood for _ in range(repeats)], ddof=1))
