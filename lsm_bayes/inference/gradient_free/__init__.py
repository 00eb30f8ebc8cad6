"""Monte Carlo methods that need log-densities, or simulations, and no gradient."""

from .adaptive_metropolis import sample_adaptive_metropolis
from .de_mcz import sample_de_mcz
from .smc import SmcRuns, run_smc, sample_smc

__all__ = ["SmcRuns", "run_smc", "sample_adaptive_metropolis", "sample_de_mcz", "sample_smc"]
