"""Chains that need log-densities alone: the loop around their moves, with draws on disk in blocks and exact resuming."""

import json
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from lsm_bayes.inference.blocks import blocks_folder
from lsm_bayes.inference.flat import FlatSpace, Vector
from lsm_bayes.inference.store import load, save
from lsm_bayes.inference.tree import build_tree, data_hash

Target = Callable[[NDArray], Vector]
"""Log-densities, shape (n,), at positions of shape (n, D); -inf where there is none. May be unbiased estimates of a density."""
State = dict[str, NDArray]
"""All that a walk remembers: ``positions`` (chain, D), their log-densities ``lp`` (chain,), and what its kind of move adds."""
Rows = dict[str, NDArray]


class Move(ABC):
    """One way to move chains."""

    @abstractmethod
    def prepare(self, state: State, rng: np.random.Generator) -> None:
        """Add to the state of a new walk what the moves remember."""

    @abstractmethod
    def advance(self, state: State, steps: int, target: Target, rng: np.random.Generator) -> Rows:
        """Move all chains and change the state.

        Parameters
        ----------
        state : dict of str to numpy.ndarray
            See `State`.
        steps : int
            Steps of each chain.
        target : callable
            See `Target`.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict of str to numpy.ndarray
            ``position`` (step, chain, D), ``lp`` and ``accepted`` (step, chain), and ``failed`` (step, chain): no log-density at the
            proposal.
        """


def accept(state: State, proposal: NDArray, correction: Vector | float, target: Target, log_uniform: Vector, rows: Rows, step: int) -> None:
    """Accept or refuse proposals of all chains (Metropolis et al. 1953), and note it.

    Parameters
    ----------
    state : dict of str to numpy.ndarray
        ``positions`` and ``lp`` are changed in place.
    proposal : numpy.ndarray
        Shape (chain, D).
    correction : numpy.ndarray or float
        Logarithm of the factor of the ratio of densities, shape (chain,).
    target : callable
        See `Target`.
    log_uniform : numpy.ndarray
        Logarithms of uniform random numbers, shape (chain,).
    rows : dict of str to numpy.ndarray
        From `empty_rows`.
    step : int
        Where to note it.
    """
    lp = target(proposal)
    # The log-density of the present position is never computed anew: for estimated densities that would be another chain.
    moved = log_uniform < lp - state["lp"] + correction
    state["positions"][moved] = proposal[moved]
    state["lp"][moved] = lp[moved]
    rows["position"][step], rows["lp"][step], rows["accepted"][step] = state["positions"], state["lp"], moved
    rows["failed"][step] = ~np.isfinite(lp)


def empty_rows(steps: int, chains: int, dimension: int) -> Rows:
    """Make arrays for the steps of a block."""
    shape = (steps, chains)
    return {
        "position": np.empty((*shape, dimension)),
        "lp": np.empty(shape),
        "accepted": np.empty(shape, dtype=bool),
        "failed": np.empty(shape, dtype=bool),
    }


@dataclass(frozen=True)
class Plan:
    """Length of a walk and where it is kept.

    Attributes
    ----------
    draws, tune, thin : int
        Draws kept per chain, each ``thin`` steps from the one before; steps before the first.
    block : int
        Draws between two writes to disk, and steps of tuning between them divided by ``thin``.
    store : pathlib.Path or None
        Where the result goes.
    resume : bool
        Go on with what is there.
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError
        For numbers that are not positive, and resuming without a store.
    """

    draws: int
    tune: int
    thin: int = 1
    block: int = 500
    store: Path | None = None
    resume: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.draws, self.thin, self.block) < 1 or self.tune < 0:
            raise ValueError(
                f"got draws={self.draws}, thin={self.thin}, block={self.block}, tune={self.tune}; tune is at least 0, the others positive"
            )
        if self.resume and self.store is None:
            raise ValueError("resume=True needs store=path of the run to go on with")

    @property
    def blocks(self) -> list[tuple[int, bool]]:
        """Steps of each block, and whether its draws are kept."""
        most = self.block * self.thin
        tuning = [min(most, self.tune - k) for k in range(0, self.tune, most)]
        kept = [min(most, self.draws * self.thin - k) for k in range(0, self.draws * self.thin, most)]
        return [(n, False) for n in tuning] + [(n, True) for n in kept]


def walk(
    space: FlatSpace, target: Target, move: Move, starts: Callable[[], NDArray], plan: Plan, *, method: str, seed: int, runs_each: int = 1
) -> xr.DataTree:
    """Run chains and build their result.

    Parameters
    ----------
    space : FlatSpace
        Where the chains walk.
    target : callable
        See `Target`.
    move : Move
        How they walk.
    starts : callable
        Gives first positions, shape (chain, D); asked only when nothing is resumed.
    plan : Plan
        How long.
    method : str
        Name of the method.
    seed : int
        Seed of the moves.
    runs_each : int
        Forward runs that a log-density takes.

    Returns
    -------
    xarray.DataTree
        See `build_tree`; attribute ``cost`` has ``forward_runs``, ``failed_simulations``, ``seconds`` and ``interrupted``.

    Raises
    ------
    ValueError
        If the stored run is of another model or method.
    FileExistsError
        If the store has an unfinished run and ``resume`` is False.
    KeyboardInterrupt
        If interrupted before a draw was kept.
    """
    store, rng = plan.store, np.random.default_rng([seed, 1])
    identity = json.dumps(
        {"data": data_hash(space.model), "labels": space.labels, "method": method, "plan": plan.blocks, "thin": plan.thin}
    )
    folder = blocks_folder(store) if store else None
    if folder and folder.exists() and not plan.resume:
        raise FileExistsError(f"{folder} holds an unfinished run: go on with resume=True, or delete it to start anew")
    if plan.resume and store and store.exists() and not (folder and folder.exists()):
        return load(store)
    state, done = _resumed(folder, identity, rng) if folder and folder.exists() else ({}, 0)
    if not state:
        first = starts()
        state = {"positions": np.array(first, dtype="float64"), "lp": target(first), "seconds": np.zeros(1), "failed": np.zeros(1)}
        state["runs"] = np.array([len(first)])
        _check_starts(state["lp"])
        move.prepare(state, rng)
    kept = [_read(folder, k) for k in range(done)] if folder else []
    interrupted, began, before = False, time.perf_counter(), float(state["seconds"][0])
    try:
        for index, (steps, keep) in enumerate(track(plan.blocks[done:], description=method, disable=not plan.progress), start=done):
            rows = move.advance(state, steps, target, rng)
            state["runs"] += rows["failed"].size
            state["failed"] += rows.pop("failed").sum()
            state["seconds"][0] = before + time.perf_counter() - began
            kept.append(_thinned(rows, plan.thin) if keep else {})
            if folder:
                _write(folder, index, kept[-1], state, rng, identity)
    except KeyboardInterrupt:
        if not any(kept):
            raise
        interrupted = True
    kept = [rows for rows in kept if rows]
    stack = {name: np.concatenate([rows[name] for rows in kept]).swapaxes(0, 1) for name in kept[0]}
    cost = {
        "forward_runs": int(state["runs"][0]) * runs_each,
        "failed_simulations": int(state["failed"][0]),
        "seconds": float(state["seconds"][0]),
        "interrupted": interrupted,
    }
    tree = build_tree(space, stack.pop("position"), stack, method=method, seed=seed, cost=cost)
    if store:
        save(tree, store)
        if folder and folder.exists() and not interrupted:
            shutil.rmtree(folder)
    return tree


def _check_starts(lp: Vector) -> None:
    bad = np.flatnonzero(~np.isfinite(lp))
    if bad.size:
        raise ValueError(f"the log-posterior is not finite at the starts of chains {bad.tolist()}; give others, such as find_modes(model)")


def _thinned(rows: Rows, thin: int) -> Rows:
    accepted = rows["accepted"].reshape(-1, thin, rows["accepted"].shape[1]).mean(axis=1)
    return {"position": rows["position"][thin - 1 :: thin], "lp": rows["lp"][thin - 1 :: thin], "acceptance_rate": accepted}


def _write(folder: Path, index: int, rows: Rows, state: State, rng: np.random.Generator, identity: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"block-{index:05d}.npz", **rows)  # type: ignore[arg-type]
    words = {"generator": np.array(json.dumps(rng.bit_generator.state)), "identity": np.array(identity), "done": np.array(index + 1)}
    new = folder / "state.new.npz"
    np.savez(new, **state, **words)  # type: ignore[arg-type]
    new.replace(folder / "state.npz")  # the block counts only with the state after it


def _read(folder: Path | None, index: int) -> Rows:
    if folder is None:
        return {}
    with np.load(folder / f"block-{index:05d}.npz") as found:
        return dict(found)


def _resumed(folder: Path, identity: str, rng: np.random.Generator) -> tuple[State, int]:
    """State after the last whole block, and how many there are; the generator is set to its state."""
    if not (folder / "state.npz").exists():
        return {}, 0
    with np.load(folder / "state.npz") as found:
        state: dict[str, Any] = dict(found)
    stored, done = str(state.pop("identity")), int(state.pop("done"))
    if stored != identity:
        raise ValueError(f"{folder} belongs to another model, method or length of run; resume with the call of that run, or delete it")
    rng.bit_generator.state = json.loads(str(state.pop("generator")))
    return state, done
