"""Monte Carlo methods that need log-densities, or simulations, and no gradient."""

from .adaptive_metropolis import sample_adaptive_metropolis
from .de_mcz import sample_de_mcz
from .neural import sample_neural_posterior
from .simulated import sample_abc
from .smc import SmcRuns, run_smc, sample_smc

__all__ = [
    "SmcRuns",
    "run_smc",
    "sample_abc",
    "sample_adaptive_metropolis",
    "sample_de_mcz",
    "sample_neural_posterior",
    "sample_smc",
]
