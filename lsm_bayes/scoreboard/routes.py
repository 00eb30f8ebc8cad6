"""The ways from a model to a posterior that the scoreboard knows."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.inference import InverseProblem, Modes, sample, sample_laplace
from lsm_bayes.inference.ensemble import (
    ensemble_kalman_inversion,
    ensemble_kalman_sampler,
    ensemble_smoother,
    ensemble_variational,
    unscented_kalman_inversion,
)
from lsm_bayes.inference.gradient_free import sample_adaptive_metropolis, sample_de_mcz, sample_smc
from lsm_bayes.inference.log_density import LogDensity
from lsm_bayes.inference.variational import advi, four_d_var, pathfinder
from lsm_bayes.reference.case import Case, modes_of

STARTS = 4
"""Climbs of the search for modes, from draws of the prior."""


class Problem:
    """A model of the collection on its reference data, with what several routes start from.

    Parameters
    ----------
    case : Case
        From `lsm_bayes.reference.case.case_of`.
    seed : int
        Of the search for modes.

    Attributes
    ----------
    density : Density
        The compiled model.
    search_seconds : float
        Processor time of the search for modes.
    """

    def __init__(self, case: Case, seed: int) -> None:
        self._case, self.seed, self.density = case, seed, case.density
        self.search_seconds = 0.0
        self.density.expand(np.zeros(self.density.dimension))  # compiled before anything is timed

    @property
    def model(self) -> pm.Model:
        """The PyMC model."""
        return self.density.model

    @cached_property
    def modes(self) -> Modes:
        """What a search finds from draws of the prior, and from where the model says."""
        began = time.process_time()
        found = modes_of(self._case, STARTS, self.seed, False)
        self.search_seconds = time.process_time() - began
        return found

    @cached_property
    def inverse(self) -> InverseProblem:
        """The model with its errors as they are at the best mode."""
        best = max(self.modes.laplace, key=lambda m: m.log_evidence)
        found = InverseProblem(self.model, around=best.mode)
        # Each function once, so that compiling it is not part of what a route takes.
        x = best.mode[found.active]
        found.predict(x), found.tangent(x, np.ones_like(x)), found.adjoint(x, found.observed), found.expand(best.mode)
        found.log_density(best.mode)
        return found

    @cached_property
    def log_density(self) -> LogDensity:
        """The log-density without its gradient."""
        found = LogDensity(self.model)
        start = self.modes.laplace[0].mode
        found.log_density(start), found.expand(start)
        return found


@dataclass(frozen=True)
class Route:
    """One way to a posterior.

    Parameters
    ----------
    name : str
        What the user types.
    title : str
        What it is.
    run : callable
        From the problem and a seed to a result.
    chains : bool
        Whether its draws come from Markov chains.
    from_modes : bool
        Whether it begins with the search for modes, whose cost is then counted.
    prepare : str
        Attribute of the problem that it uses, compiled before it is timed.
    """

    name: str
    title: str
    run: Callable[[Problem, int], xr.DataTree]
    chains: bool = False
    from_modes: bool = True
    prepare: str = ""


def _nuts(metric: str) -> Callable[[Problem, int], xr.DataTree]:
    return lambda p, seed: sample(p.density, draws=1000, tune=500, chains=4, seed=seed, initial=p.modes, metric=metric, progress=False)


def _with(method: Callable[..., xr.DataTree], **settings: Any) -> Callable[[Problem, int], xr.DataTree]:
    return lambda p, seed: method(p.inverse, seed=seed, **settings)


def _density(method: Callable[..., xr.DataTree], **settings: Any) -> Callable[[Problem, int], xr.DataTree]:
    return lambda p, seed: method(p.density, seed=seed, **settings)


def _walk(method: Callable[..., xr.DataTree], **settings: Any) -> Callable[[Problem, int], xr.DataTree]:
    return lambda p, seed: method(p.log_density, seed=seed, initial=p.modes, **settings)


ROUTES = {
    route.name: route
    for route in (
        Route("nuts", "NUTS, low-rank metric", _nuts("low_rank"), chains=True),
        Route("nuts-laplace", "NUTS, whitened by the Laplace approximation", _nuts("laplace"), chains=True),
        Route("laplace", "Laplace approximation of each mode", lambda p, seed: sample_laplace(p.density, p.modes, 2000, seed)),
        Route("4dvar", "4D-Var, Gauss-Newton", _with(four_d_var, draws=2000), prepare="inverse"),
        Route("pathfinder", "Pathfinder", _density(pathfinder, draws=2000), from_modes=False),
        Route("advi", "ADVI, mean field", _density(advi, draws=2000), from_modes=False),
        Route("fullrank-advi", "ADVI, full rank", _density(advi, family="full_rank", draws=2000), from_modes=False),
        Route("es-mda", "ES-MDA, 100 members, 4 steps", _with(ensemble_smoother, members=100, steps=4), prepare="inverse"),
        Route("4denvar", "4DEnVar, 50 members", _with(ensemble_variational, members=50), prepare="inverse"),
        Route("eki", "tempered EKI, 100 members", _with(ensemble_kalman_inversion, members=100), prepare="inverse"),
        Route("uki", "unscented Kalman inversion", _with(unscented_kalman_inversion, draws=2000), prepare="inverse"),
        Route("eks", "ensemble Kalman sampler, 100 members", _with(ensemble_kalman_sampler, members=100), prepare="inverse"),
        Route("de-mcz", "DE-MC(Z), 3 x 12,000 runs", _walk(sample_de_mcz, draws=6000, tune=6000), chains=True, prepare="log_density"),
        Route(
            "am",
            "adaptive Metropolis, 4 x 10,000 runs",
            _walk(sample_adaptive_metropolis, draws=5000, tune=5000),
            chains=True,
            prepare="log_density",
        ),
        Route("smc", "sequential Monte Carlo, 2 x 1,000 particles", lambda p, seed: sample_smc(p.model, 1000, 2, seed), from_modes=False),
    )
}
"""By name."""
