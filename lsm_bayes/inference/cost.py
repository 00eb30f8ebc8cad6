"""What a run will take, measured before it starts."""

import time
from dataclasses import dataclass

import numpy as np
import pymc as pm

from .point import Density, as_density

EVALUATIONS_PER_PARAMETER, FEWEST_EVALUATIONS = 0.5, 15
"""Gradient evaluations per draw on real tower posteriors, low-rank metric: 31 to 63 with 111 parameters, 255 with 500."""


@dataclass(frozen=True)
class CostEstimate:
    """Expected cost of a NUTS run.

    Attributes
    ----------
    dimension : int
        Number of unconstrained parameters.
    compile_seconds : float
        Time that compiling took.
    gradient_seconds : float
        Median time of one log-density and gradient.
    gradient_evaluations : int
        Expected number.
    seconds : float
        Expected wall-clock time of sampling.
    """

    dimension: int
    compile_seconds: float
    gradient_seconds: float
    gradient_evaluations: int
    seconds: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        wall = f"{self.seconds:.0f} s" if self.seconds < 120 else f"{self.seconds / 60:.0f} min"
        return (
            f"{self.dimension} parameters, {self.gradient_seconds * 1e3:.3g} ms per gradient, "
            f"about {self.gradient_evaluations:,} gradients: expect {wall} (within a factor of 3; posteriors with ridges take longer)"
        )


def estimate_cost(
    model: pm.Model | Density,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int = 2,
    evaluations_per_draw: float | None = None,
    seed: int = 0,
) -> CostEstimate:
    """Measure the gradient and state what a run of :func:`sample` should take.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    draws, tune, chains, cores : int
        As for :func:`sample`.
    evaluations_per_draw : float, optional
        Gradient evaluations per step of a chain; half the number of parameters by default. A result's ``sample_stats.n_steps`` has the
        measured ones.
    seed : int
        Seed of the positions at which the gradient is timed.

    Returns
    -------
    CostEstimate
        Prints as a sentence.
    """
    density = as_density(model)
    positions = density.prior_positions(5, np.random.default_rng(seed))
    density(positions[0])  # the first call of a compiled function loads it
    times: list[float] = []
    while len(times) < 5 or (sum(times) < 0.3 and len(times) < 200):
        began = time.perf_counter()
        density(positions[len(times) % 5])
        times.append(time.perf_counter() - began)
    gradient = float(np.median(times))
    if evaluations_per_draw is None:
        evaluations_per_draw = max(FEWEST_EVALUATIONS, EVALUATIONS_PER_PARAMETER * density.dimension)
    evaluations = int(chains * (draws + tune) * evaluations_per_draw)
    rounds = chains / min(cores, chains)
    return CostEstimate(
        density.dimension, density.compile_seconds, gradient, evaluations, (draws + tune) * evaluations_per_draw * gradient * rounds
    )
