"""Random walk whose proposals have the covariance of its own past: adaptive Metropolis."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.inference.flat import FlatSpace
from lsm_bayes.inference.log_density import LogDensity, as_log_density

from .starts import Initial, starting_positions
from .walk import Move, Plan, Rows, State, Target, accept, empty_rows, walk

REGULAR = 1e-6
"""Part of the first covariance that stays in every proposal, so that none is degenerate."""
FIRST = 0.1
"""Standard deviation of the first proposals in those of the prior."""
PRIOR_DRAWS = 200


@dataclass(frozen=True)
class Adaptive(Move):
    """Normal proposals (Haario, Saksman & Tamminen 2001, doi 10.2307/3318737), each chain by itself.

    Attributes
    ----------
    covariance : numpy.ndarray
        First covariance, shape (D, D).
    still : int
        Steps before proposals have the covariance of the past.
    refresh : int
        Steps between two updates of this covariance.
    """

    covariance: NDArray
    still: int = 500
    refresh: int = 100

    def prepare(self, state: State, rng: np.random.Generator) -> None:
        """Begin with the first covariance."""
        n, d = state["positions"].shape
        state["mean"], state["scatter"], state["step"] = np.zeros((n, d)), np.zeros((n, d, d)), np.zeros(1, dtype=int)
        state["root"] = np.broadcast_to(self._root(self.covariance), (n, d, d)).copy()

    def _root(self, covariance: NDArray) -> NDArray:
        """Root of the covariance of proposals: that of the past times 2.38^2 / D."""
        d = len(covariance)
        return np.linalg.cholesky(2.38**2 / d * (covariance + REGULAR * np.diag(np.diag(self.covariance))))

    def advance(self, state: State, steps: int, target: Target, rng: np.random.Generator) -> Rows:
        """Move all chains, and learn."""
        n, d = state["positions"].shape
        rows, done = empty_rows(steps, n, d), 0
        while done < steps:
            step = int(state["step"][0])
            piece = min(steps - done, self.refresh - step % self.refresh)
            moves = np.einsum("cij,scj->sci", state["root"], rng.standard_normal((piece, n, d)))
            log_uniform = np.log(rng.random((piece, n)))
            for k in range(piece):
                accept(state, state["positions"] + moves[k], 0.0, target, log_uniform[k], rows, done + k)
            self._learn(state, rows["position"][done : done + piece], step)
            done += piece
        return rows

    def _learn(self, state: State, rows: NDArray, step: int) -> None:
        """Add positions, shape (step, chain, D), to the moments of the past (Chan et al. 1983)."""
        m, total = len(rows), step + len(rows)
        mean = rows.mean(axis=0)
        moved = mean - state["mean"]
        centred = rows - mean
        state["scatter"] += np.einsum("sci,scj->cij", centred, centred)
        state["scatter"] += (step * m / total) * moved[:, :, None] * moved[:, None, :]
        state["mean"] += m / total * moved
        state["step"] = np.array([total])
        if total % self.refresh == 0 and total >= self.still:
            for c, scatter in enumerate(state["scatter"]):
                state["root"][c] = self._root(scatter / (total - 1))


def first_covariance(space: FlatSpace, rng: np.random.Generator) -> NDArray:
    """Covariance of first proposals from the spread of the prior, shape (D, D)."""
    drawn = space.prior_positions(PRIOR_DRAWS, rng)
    return np.diag((FIRST * drawn.std(axis=0)) ** 2)


def sample_adaptive_metropolis(
    model: pm.Model | LogDensity,
    draws: int = 5000,
    tune: int = 5000,
    chains: int = 4,
    seed: int = 0,
    *,
    initial: Initial = None,
    covariance: NDArray | None = None,
    still: int | None = None,
    thin: int = 1,
    progress: bool = False,
    store: str | Path | None = None,
    resume: bool = False,
    block: int = 500,
) -> xr.DataTree:
    """Draw from the posterior with adaptive Metropolis (Haario, Saksman & Tamminen 2001, doi 10.2307/3318737).

    Parameters
    ----------
    model : pymc.Model or LogDensity
        What to infer.
    draws, tune, chains : int
        Draws per chain, steps per chain before the first, chains.
    seed : int
        Seed.
    initial : Modes, Laplace, array of shape (chains, D), or None
        See `starting_positions`.
    covariance : numpy.ndarray, optional
        Guess of the posterior covariance of unconstrained values, shape (D, D), for the first proposals; a tenth of the prior's standard
        deviations by default.
    still : int, optional
        Steps before proposals have the covariance of the past; 500 by default, and at least 20 D, for that of fewer is degenerate.
    thin, progress, store, resume, block
        See `sample_de_mcz`.

    Returns
    -------
    xarray.DataTree
        See `build_tree`; ``sample_stats`` has ``lp`` and ``acceptance_rate``.

    Raises
    ------
    ValueError
        For a covariance of other shape, and what `walk` says.
    """
    density, rng = as_log_density(model), np.random.default_rng([seed, 0])
    first = first_covariance(density, rng) if covariance is None else np.asarray(covariance, dtype="float64")
    if first.shape != (density.dimension, density.dimension):
        raise ValueError(f"covariance has shape {first.shape}; give {(density.dimension, density.dimension)}")
    plan = Plan(draws, tune, thin, block, Path(store) if store is not None else None, resume, progress)
    target = density.log_densities
    return walk(
        density,
        target,
        Adaptive(first, max(500, 20 * density.dimension) if still is None else still),
        lambda: starting_positions(density, target, initial, chains, rng),
        plan,
        method="adaptive_metropolis",
        seed=seed,
    )
