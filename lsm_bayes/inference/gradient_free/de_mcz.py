"""Differential evolution Markov chains that learn from an archive of their past: DE-MC(Z), with snooker updates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.inference.log_density import LogDensity, as_log_density

from .starts import Initial, starting_positions
from .walk import Move, Plan, Rows, State, Target, accept, empty_rows, walk

JITTER = 1e-6
"""Standard deviation of the normal noise added to each proposal, unconstrained; it makes every place reachable."""
SNOOKER_FACTORS = (1.2, 2.2)


@dataclass(frozen=True)
class DifferentialEvolution(Move):
    """Moves along differences of past positions (ter Braak & Vrugt 2008; subspaces and several pairs as in Vrugt et al. 2009).

    Attributes
    ----------
    archive : numpy.ndarray
        First past positions, shape (m, D).
    snooker : float
        Share of snooker updates.
    long_jumps : float
        Share of the other updates with the whole difference, which carry chains from mode to mode.
    spread : float
        Each factor of a difference is multiplied by a number between 1 - spread and 1 + spread.
    append : int
        Steps between two entries of all chains into the archive.
    pairs : int
        Differences in a proposal.
    crossovers : int
        Proposals move a share k / crossovers of the coordinates, k drawn from 1 to crossovers; 1 moves all of them.
    """

    archive: NDArray
    snooker: float = 0.1
    long_jumps: float = 0.1
    spread: float = 0.2
    append: int = 10
    pairs: int = 1
    crossovers: int = 1

    def prepare(self, state: State, rng: np.random.Generator) -> None:
        """Begin the archive."""
        state["archive"], state["step"] = np.array(self.archive, dtype="float64"), np.zeros(1, dtype=int)

    def advance(self, state: State, steps: int, target: Target, rng: np.random.Generator) -> Rows:
        """Move all chains."""
        n, d = state["positions"].shape
        rows, first = empty_rows(steps, n, d), int(state["step"][0])
        full = len(state["archive"]) + n * ((first + steps) // self.append - first // self.append)
        archive, used = np.empty((full, d)), len(state["archive"])
        archive[:used] = state["archive"]
        # All random numbers of a block at once: a call of the generator takes as long as a step of a small model.
        sizes = used + n * ((first + np.arange(steps)) // self.append - first // self.append)[:, None, None]
        one = (rng.random((steps, n, self.pairs)) * sizes).astype(int)
        other = (one + 1 + (rng.random((steps, n, self.pairs)) * (sizes - 1)).astype(int)) % sizes
        third = (rng.random((steps, n)) * sizes[:, :, 0]).astype(int)
        snooker, log_uniform = rng.random((steps, n)) < self.snooker, np.log(rng.random((steps, n)))
        factor = self._factors(rng, steps, n, d)
        stretch, noise = rng.uniform(*SNOOKER_FACTORS, (steps, n)), JITTER * rng.standard_normal((steps, n, d))
        for k in range(steps):
            x = state["positions"]
            difference = archive[one[k]].sum(axis=1) - archive[other[k]].sum(axis=1)
            proposal, correction = x + factor[k] * difference + noise[k], np.zeros(n)
            for i in np.flatnonzero(snooker[k]):
                pair = archive[one[k, i, 0]] - archive[other[k, i, 0]]
                proposal[i], correction[i] = _snooker(x[i], archive[third[k, i]], pair, stretch[k, i])
            accept(state, proposal, correction, target, log_uniform[k], rows, k)
            if (first + k + 1) % self.append == 0:
                archive[used : used + n] = state["positions"]
                used += n
        state["archive"], state["step"] = archive, np.array([first + steps])
        return rows

    def _factors(self, rng: np.random.Generator, steps: int, n: int, d: int) -> NDArray:
        """Factors of the differences, shape (step, chain, D); 0 for coordinates that stay."""
        moved = np.ones((steps, n, d), dtype=bool)
        if self.crossovers > 1:
            share = rng.integers(1, self.crossovers + 1, (steps, n, 1)) / self.crossovers
            moved = rng.random((steps, n, d)) < share
            moved |= rng.integers(d, size=(steps, n, 1)) == np.arange(d)
        scale = 2.38 / np.sqrt(2.0 * self.pairs * moved.sum(axis=2))
        scale = np.where(rng.random((steps, n)) < self.long_jumps, 1.0, scale) * (1.0 + self.spread * rng.uniform(-1.0, 1.0, (steps, n)))
        return scale[:, :, None] * moved


def _snooker(x: NDArray, centre: NDArray, pair: NDArray, factor: float) -> tuple[NDArray, float]:
    """Move along the line to another position, by the projection of a difference on it; and the logarithm of its correction."""
    line = x - centre
    square = float(line @ line)
    if square == 0.0:
        return x, 0.0
    moved = x + factor * (pair @ line) / square * line
    after = float(np.linalg.norm(moved - centre))
    # In D dimensions the volume at a distance r from the centre grows as r^(D - 1).
    return moved, (x.size - 1) * float(np.log(after) - 0.5 * np.log(square)) if after > 0 else -np.inf


def sample_de_mcz(
    model: pm.Model | LogDensity,
    draws: int = 5000,
    tune: int = 5000,
    chains: int = 3,
    seed: int = 0,
    *,
    initial: Initial = None,
    archive: NDArray | None = None,
    snooker: float = 0.1,
    pairs: int = 1,
    crossovers: int = 1,
    thin: int = 1,
    progress: bool = False,
    store: str | Path | None = None,
    resume: bool = False,
    block: int = 500,
) -> xr.DataTree:
    """Draw from the posterior with DE-MC(Z) and snooker updates (ter Braak & Vrugt 2008, doi 10.1007/s11222-008-9104-9).

    It needs no gradient, and is the usual choice for land models without one. Chains propose differences of positions in an archive of
    their past, which they share. With ``pairs=3, crossovers=3`` proposals are those of DREAM(ZS) (Vrugt 2016,
    doi 10.1016/j.envsoft.2015.08.013), without adaptation of the crossover probabilities and treatment of outlier chains.

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
    archive : numpy.ndarray, optional
        First past positions, shape (m, D); 10 D draws of the prior by default, at least 20.
    snooker : float
        Share of snooker updates.
    pairs, crossovers : int
        See `DifferentialEvolution`.
    thin : int
        Steps for each draw that is kept.
    progress : bool
        Show progress with time left.
    store : path, optional
        Where to keep the result; blocks of draws lie beside it until it is complete.
    resume : bool
        Go on with an unfinished run: the draws are those of a run that was never stopped. A result that is complete is returned.
    block : int
        Draws between two writes to disk.

    Returns
    -------
    xarray.DataTree
        See `build_tree`; ``sample_stats`` has ``lp`` and ``acceptance_rate``.

    Raises
    ------
    ValueError
        For an archive of other shape or of fewer than 2 positions, and what `walk` says.
    """
    density, rng = as_log_density(model), np.random.default_rng([seed, 0])
    past = density.prior_positions(max(20, 10 * density.dimension), rng) if archive is None else np.asarray(archive, dtype="float64")
    if past.ndim != 2 or past.shape[1] != density.dimension or len(past) < 2:
        raise ValueError(f"archive has shape {past.shape}; give at least 2 unconstrained positions, shape (m, {density.dimension})")
    if chains < 1 or not 0 <= snooker <= 1 or min(pairs, crossovers) < 1:
        raise ValueError(
            f"got chains={chains}, snooker={snooker}, pairs={pairs}, crossovers={crossovers}; snooker is a share, others count"
        )
    move = DifferentialEvolution(past, snooker=snooker, pairs=pairs, crossovers=crossovers)
    plan = Plan(draws, tune, thin, block, Path(store) if store is not None else None, resume, progress)
    target = density.log_densities
    return walk(density, target, move, lambda: starting_positions(density, target, initial, chains, rng), plan, method="de_mcz", seed=seed)
