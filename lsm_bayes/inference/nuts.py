"""NUTS on a plain PyMC model: nutpie with a low-rank metric by default, or PyMC's own sampler."""

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from .blocks import History, Rows, begin_segment, blocks_folder, collect, discard_blocks, read_history, write_block
from .chains import Chain, run_chains
from .flat import Vector
from .laplace import Laplace
from .modes import Modes, find_modes
from .point import Density, as_density
from .store import save
from .tree import build_tree, data_hash
from .whiten import Affine, affine_from_draws

Initial = Modes | Laplace | NDArray | None
METRICS = ("low_rank", "diagonal", "laplace", "pymc")
FEWEST_TUNE = 20
RETUNE = 100
"""Tuning steps of a resumed chain in coordinates whitened with its own earlier draws."""


def sample(
    model: pm.Model | Density,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    target_accept: float = 0.95,
    initial: Initial = None,
    metric: str = "low_rank",
    cores: int = 2,
    max_treedepth: int = 10,
    progress: bool = True,
    store: str | Path | None = None,
    resume: bool = False,
    block: int = 100,
) -> xr.DataTree:
    """Draw from the posterior with the No-U-Turn sampler (Hoffman & Gelman 2014).

    With ``store``, the draws of each chain go to disk in blocks of ``block`` draws (or one second's, when that is more), so a killed
    process loses at most the block it was in. Ctrl-C stores and returns what was drawn, cut to the shortest chain. ``resume=True``
    goes on to ``draws`` in all. Nutpie cannot start from a tuned state: a resumed chain starts at its last position, tunes again (100
    steps in coordinates whitened with the draws of its mode so far, or all ``tune`` steps when these are fewer than ten per
    parameter) and only then adds draws. Each segment is thus a valid Markov chain, with a metric that is fixed while draws are kept.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    draws, tune, chains : int
        Draws per chain after tuning (earlier segments included), tuning steps, chains.
    seed : int
        Seed; segments of a resumed run use streams of their own.
    target_accept : float
        Acceptance that step-size adaptation aims at.
    initial : Modes, Laplace, array of shape (chains, D), or None
        Where chains start: at draws of the Laplace approximation of the modes (chains shared out by weight), at given unconstrained
        positions, or, when None, near the model's initial point.
    metric : {"low_rank", "diagonal", "laplace", "pymc"}
        ``low_rank``, ``diagonal``: nutpie's adaptation. ``laplace``: low-rank adaptation in coordinates whitened with the Laplace
        approximation at the chain's mode. ``pymc``: ``pm.sample`` with its own NUTS; not resumable.
    cores : int
        Chains that run at a time. Where there are fewer chains, a model that is compiled here runs its sites in so many threads more (see
        `Density`).
    max_treedepth : int
        Longest trajectory is 2**max_treedepth steps.
    progress : bool
        Show progress with time left.
    store : path, optional
        Where to keep the result: ``.zarr``, ``.zarr.zip`` or ``.nc``.
    resume : bool
        Go on from ``store``; starts anew when nothing is there.
    block : int
        Draws per chain between two writes to disk.

    Returns
    -------
    xarray.DataTree
        See :func:`lsm_bayes.inference.tree.build_tree`; attribute ``cost`` has ``interrupted``, ``segments``,
        ``gradient_evaluations``, ``failed_simulations``.

    Raises
    ------
    ValueError
        If an argument is unknown, or the stored run does not fit the model.
    FileExistsError
        If ``store`` has an unfinished run and ``resume`` is False.
    KeyboardInterrupt
        If interrupted before every chain had a draw after tuning; blocks stay on disk.
    """
    _check(metric, draws, tune, chains, cores, store, resume)
    density = as_density(model, site_threads=cores // chains)
    store = Path(store) if store is not None else None
    if metric == "pymc":
        tree = _pymc_sample(density, draws, tune, chains, seed, target_accept, initial, cores, max_treedepth, progress)
        return _finish(tree, store)
    identity = {"data_hash": data_hash(density.model), "labels": density.labels}
    history = read_history(store, identity, chains) if resume and store else History.empty(chains)
    _check_density(density, history, store)
    rng = np.random.default_rng([seed, history.segments])
    if metric == "laplace" and not isinstance(initial, Modes | Laplace):
        initial = find_modes(density, starts=8, seed=seed)
    plan = _plan(density, history, initial, metric, draws, tune, rng)
    folder = begin_segment(store, history.segments, identity, history.mode) if store and plan else None
    blocks: dict[int, list[Rows]] = defaultdict(list)
    written: dict[int, int] = defaultdict(int)
    began = time.perf_counter()

    def on_block(chain: int, rows: Rows) -> None:
        blocks[chain].append(rows)
        if folder:
            write_block(folder, chain, written[chain], rows, time.perf_counter() - began)
            written[chain] += 1

    interrupted = bool(plan) and run_chains(
        density,
        plan,
        on_block,
        adaptation="diag" if metric == "diagonal" else "low_rank",
        target_accept=target_accept,
        max_treedepth=max_treedepth,
        cores=cores,
        block=block,
        progress=progress,
    )
    if plan:
        collect(blocks, history, time.perf_counter() - began)
    if not min(history.lengths):
        raise KeyboardInterrupt(
            f"Interrupted while tuning, draws per chain {history.lengths}. " + ("resume=True goes on." if store else "Nothing is kept.")
        )
    tree = _tree(density, history, draws, metric, seed, interrupted, initial)
    return _finish(tree, store)


def _check(metric: str, draws: int, tune: int, chains: int, cores: int, store: str | Path | None, resume: bool) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; choose one of {METRICS}.")
    if min(draws, chains, cores) < 1 or tune < FEWEST_TUNE:
        raise ValueError(
            f"Got draws={draws}, chains={chains}, cores={cores}, tune={tune}; tune must be at least {FEWEST_TUNE}, the others positive."
        )
    if resume and (store is None or metric == "pymc"):
        raise ValueError(
            "resume=True needs store=path of the run to go on with, and one of nutpie's metrics (low_rank, diagonal, laplace)."
        )
    if store is not None and not resume and blocks_folder(Path(store)).exists():
        raise FileExistsError(f"{blocks_folder(Path(store))} holds an unfinished run: go on with resume=True, or delete it to start anew.")


def _check_density(density: Density, history: History, store: Path | None) -> None:
    """Refuse draws of a model with other priors or equations: names and data alone do not tell."""
    for rows in history.rows:
        if rows and len(rows["lp"]) and not density.agrees(rows["position"][-1], rows["lp"][-1]):
            raise ValueError(
                f"{store} belongs to another model: the log-density of its last draw is {rows['lp'][-1]:.4f}, "
                f"the model's {density(rows['position'][-1])[0]:.4f}. Resume with the model of the run, or give another store."
            )


def _finish(tree: xr.DataTree, store: Path | None) -> xr.DataTree:
    if store is not None:
        save(tree, store)
        discard_blocks(store)
    return tree


def share_out(weights: NDArray, chains: int) -> list[int]:
    """Mode of each chain, by largest remainder.

    Parameters
    ----------
    weights : numpy.ndarray
        Weights of the modes, sum 1.
    chains : int
        Number of chains.

    Returns
    -------
    list of int
        Index of a mode for each chain; modes of small weight get none.
    """
    quota = np.asarray(weights) * chains
    counts = np.floor(quota).astype(int)
    for k in np.argsort(counts - quota, kind="stable")[: chains - counts.sum()]:
        counts[k] += 1
    return [int(k) for k in np.repeat(np.arange(len(counts)), counts)]


def start_from(density: Density, laplace: Laplace, rng: np.random.Generator) -> Vector:
    """Draw a start from a Laplace approximation, nearer to the mode when the posterior there is far lower than the approximation says.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    laplace : Laplace
        The approximation.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Unconstrained position, shape (D,).
    """
    offset = laplace.draws(1, rng)[0] - laplace.mode
    for _ in range(20):
        if density(laplace.mode + offset)[0] > laplace.log_posterior - 2 * density.dimension - 10:
            return laplace.mode + offset
        offset = offset / 2
    return laplace.mode


def _starts(
    density: Density, initial: Initial, chains: int, rng: np.random.Generator
) -> tuple[list[Vector], list[int], list[Laplace | None]]:
    if isinstance(initial, Modes | Laplace):
        parts = [initial] if isinstance(initial, Laplace) else initial.laplace
        mode = share_out(np.ones(1) if isinstance(initial, Laplace) else initial.weights, chains)
        return [start_from(density, parts[k], rng) for k in mode], mode, [parts[k] for k in mode]
    if initial is not None:
        given = np.asarray(initial, dtype="float64")
        if given.shape != (chains, density.dimension):
            raise ValueError(
                f"initial has shape {given.shape}; give Modes, Laplace, or unconstrained positions of shape {(chains, density.dimension)}."
            )
        bad = [k for k, row in enumerate(given) if not np.isfinite(density(row)[0])]
        if bad:
            raise ValueError(f"The log-posterior is not finite at initial positions {bad}; find_modes gives positions where it is.")
        return list(given), [0] * chains, [None] * chains
    return [_finite_start(density, rng) for _ in range(chains)], [0] * chains, [None] * chains


def _finite_start(density: Density, rng: np.random.Generator) -> Vector:
    for _ in range(50):
        start = density.compiled.initial_point_func(int(rng.integers(2**32)))
        if np.isfinite(density(start)[0]):
            return start
    raise ValueError(
        "The log-posterior is not finite near the model's initial point (50 tries). Start from modes: initial=find_modes(model)."
    )


def _plan(
    density: Density, history: History, initial: Initial, metric: str, draws: int, tune: int, rng: np.random.Generator
) -> list[Chain]:
    fresh = any(last is None for last in history.last)
    number = len(history.last)
    starts: Sequence[Vector | None] = history.last
    laplace: Sequence[Laplace | None] = [None] * number
    if fresh or metric == "laplace":
        starts, mode, laplace = _starts(density, initial, number, rng)
        history.mode = history.mode if any(history.lengths) else mode
    plan = []
    for chain, seed in enumerate(rng.integers(2**63, size=number)):
        if history.lengths[chain] >= draws:
            continue
        earlier_end = history.last[chain]
        start = starts[chain] if earlier_end is None else earlier_end
        fit = laplace[chain] if metric == "laplace" else None
        affine = Affine(fit.mode, fit.scale) if fit else None
        earlier = _earlier_draws(history, chain)
        steps = tune
        if len(earlier) >= 10 * density.dimension:
            affine, steps = affine_from_draws(earlier), min(RETUNE, tune)
        plan.append(Chain(chain, np.asarray(start), int(seed), steps, draws - history.lengths[chain], affine))
    return plan


def _earlier_draws(history: History, chain: int) -> NDArray:
    """Draws of all chains that started in the mode of this one."""
    same = [rows["position"] for rows, mode in zip(history.rows, history.mode, strict=True) if rows and mode == history.mode[chain]]
    return np.concatenate(same) if same else np.empty((0, 1))


def _tree(density: Density, history: History, draws: int, metric: str, seed: int, interrupted: bool, initial: Initial) -> xr.DataTree:
    length = min([draws, *history.lengths])
    stack = {name: np.stack([rows[name][:length] for rows in history.rows]) for name in history.rows[0]}
    positions = stack.pop("position")
    stack["mode"] = np.repeat(np.asarray(history.mode)[:, None], length, axis=1)
    cost = {
        "gradient_evaluations": history.tuning_evaluations + int(stack["n_steps"].sum()),
        "tuning_evaluations": history.tuning_evaluations,
        "seconds": history.seconds,
        "segments": history.segments,
        "interrupted": interrupted,
        "failed_simulations": int(stack["failed_simulation"].sum()),
    }
    table = initial.table if isinstance(initial, Modes) else history.modes
    return build_tree(density, positions, stack, method=f"nuts ({metric})", seed=seed, cost=cost, modes=table)


def _pymc_sample(
    density: Density,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    target_accept: float,
    initial: Initial,
    cores: int,
    max_treedepth: int,
    progress: bool,
) -> xr.DataTree:
    began = time.perf_counter()
    rng = np.random.default_rng(seed)
    starts, mode, _ = _starts(density, initial, chains, rng)
    values = density.expand(np.array(starts))
    initvals = [{name: values[name][chain] for name in density.slices} for chain in range(chains)]
    trace = pm.sample(
        draws,
        tune=tune,
        chains=chains,
        cores=min(cores, chains),
        random_seed=seed,
        progressbar=progress,
        nuts_sampler="pymc",
        init="adapt_diag",
        initvals=initvals,
        nuts={"target_accept": target_accept, "max_treedepth": max_treedepth},
        compute_convergence_checks=False,
        model=density.model,
        quiet=not progress,
    )
    posterior, stats = trace["posterior"], trace["sample_stats"]
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    flat = [
        density.flatten({name: posterior[name].values[c, d] for name in density.slices}) for c in range(shape[0]) for d in range(shape[1])
    ]
    kept = ("lp", "energy", "energy_error", "acceptance_rate", "tree_depth", "reached_max_treedepth", "n_steps", "step_size", "diverging")
    statistics = {name: stats[name].values for name in kept if name in stats} | {
        "mode": np.repeat(np.asarray(mode)[:, None], shape[1], axis=1)
    }
    cost = {
        "gradient_evaluations": int(stats["n_steps"].sum()),
        "seconds": time.perf_counter() - began,
        "interrupted": shape[1] < draws,
    }
    table = initial.table if isinstance(initial, Modes) else None
    return build_tree(
        density, np.reshape(flat, (*shape, density.dimension)), statistics, method="nuts (pymc)", seed=seed, cost=cost, modes=table
    )
