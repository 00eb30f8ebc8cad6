"""Particles: state-space models with process error, their likelihood, and their parameters."""

from .filter import Filtered, StateSpace, particle_filter
from .metropolis import likelihood_spread, sample_particle_metropolis
from .process import ProcessStateSpace

__all__ = ["Filtered", "ProcessStateSpace", "StateSpace", "likelihood_spread", "particle_filter", "sample_particle_metropolis"]
