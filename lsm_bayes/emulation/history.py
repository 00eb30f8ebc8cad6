"""History matching: rule out, in waves, what cannot have made the observations (Craig et al. 1997; Vernon et al. 2010; Williamson 2013)."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from lsm_bayes.inference.inverse import InverseProblem, as_problem
from lsm_bayes.inference.tree import build_tree

from .designs import prior_design, spread_out
from .ensemble import Ensemble, run_ensemble
from .extent import standardisation
from .gaussian_process import GaussianProcesses
from .subset import Region, sample_region
from .targets import Targets, block_targets
from .waves import Wave, excesses

OVERCONFIDENT = 2.0
"""Root-mean-square standardised error of new runs above which a warning is given."""


class OverconfidentWarning(UserWarning):
    """Emulators of a wave were far too sure of themselves where they ruled nothing out."""


@dataclass(frozen=True)
class HistoryMatch:
    """What is left after all waves.

    Attributes
    ----------
    problem : InverseProblem
        The model.
    targets : Targets
        What it was compared with.
    waves : list of Wave
        In their order.
    tree : xarray.DataTree
        Draws of the prior restricted to what is left, as every method's result, with group ``waves``. They are no posterior: inside of
        what is left, the data have no say.
    interrupted : bool
        Whether Ctrl-C ended it before the last wave.
    """

    problem: InverseProblem
    targets: Targets
    waves: list[Wave]
    tree: xr.DataTree
    interrupted: bool = field(default=False)

    @property
    def fraction(self) -> float:
        """Part of the prior's probability that is not ruled out."""
        return self.waves[-1].fraction

    def excess(self, x: NDArray) -> NDArray:
        """Largest excess over its cutoff of any wave, shape (n,): above 0 where a point is ruled out.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        return np.max(excesses(self.waves, np.atleast_2d(x), self.targets), axis=0)

    def keeps(self, x: NDArray) -> NDArray:
        """Whether points are not ruled out.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).

        Returns
        -------
        numpy.ndarray of bool
            Shape (n,).
        """
        return self.excess(x) <= 0.0


def history_match(
    model: pm.Model | InverseProblem,
    targets: Targets | None = None,
    *,
    waves: int = 3,
    runs: int | None = None,
    cutoff: float | Sequence[float] = 3.0,
    rank: int | Sequence[int] = 1,
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
    store: str | Path | None = None,
    cores: int = 1,
    progress: bool = False,
) -> HistoryMatch:
    """Rule out parameters in waves.

    Each wave runs the model where no earlier wave has ruled it out, emulates the targets there, and rules out where the implausibility
    exceeds the cutoff. What is left is found by subset simulation, so that it may be a tiny part of the prior. The runs of the next wave
    are new to the emulators of a wave and judge them; after the last wave, a quarter as many more do. Emulators that they find too sure
    of themselves are widened before anything is ruled out, with a warning where it is by much.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to calibrate.
    targets : Targets, optional
        `block_targets` by default, without discrepancy.
    waves : int
        How many.
    runs : int, optional
        Runs of each wave; ten for each parameter by default (Loeppky et al. 2009).
    cutoff : float or sequence
        Largest implausibility that is kept, of all waves or by wave. 3 by Pukelsheim's rule for one target.
    rank : int or sequence
        Which implausibility counts, see `Wave`; 2 or 3 guard against one wrong emulator or one stream that the model cannot fit.
    draws, chains : int
        Draws of what is left, in all, and into how many chains the result divides them.
    seed : int
        Seed.
    store : path, optional
        Folder for the runs; a stopped match goes on from there.
    cores : int
        Processes that run the model; see `run_ensemble`.
    progress : bool
        Show a bar.

    Returns
    -------
    HistoryMatch
        Waves and draws.

    Raises
    ------
    ValueError
        If an argument is out of range, too many runs fail, or nothing is left.
    KeyboardInterrupt
        If interrupted before the first wave was finished.
    """
    problem, began = as_problem(model), time.perf_counter()
    targets = block_targets(problem) if targets is None else targets
    runs = 10 * problem.size if runs is None else runs
    cutoffs, ranks = _by_wave(cutoff, waves, "cutoff"), [int(r) for r in _by_wave(rank, waves, "rank")]
    if min(waves, draws // chains, chains) < 1 or runs < 5 or min(ranks) < 1 or min(cutoffs) <= 0:
        raise ValueError(f"got waves={waves}, runs={runs}, draws={draws}, chains={chains}, cutoff={cutoff}, rank={rank}; all are positive")
    rng = np.random.default_rng(seed)
    mean, covariance = problem.prior
    root = np.linalg.cholesky(covariance)
    ensemble = run_ensemble(problem, prior_design(problem, runs, seed=seed), store=store, cores=cores)
    done: list[Wave] = []
    interrupted = False
    try:
        for k in track(range(waves), description="waves", disable=not progress):
            done.append(_wave(ensemble, targets, cutoffs[k], ranks[k]))
            again = True
            while again:
                region = sample_region(partial(_excess_at, list(done), targets, mean, root), problem.size, max(draws, 5 * runs), rng)
                left = mean + region.draws @ root.T
                if again := np.isnan(done[-1].checked):
                    new = runs if k + 1 < waves else max(5, runs // 4)
                    ensemble = run_ensemble(problem, spread_out(left, new, rng), store=store, cores=cores)
                    done[-1] = _checked(done[-1], ensemble.good, targets, k + 1)
                    again = done[-1].checked > 1.0
            done[-1] = _described(done[-1], left, targets, region)
    except KeyboardInterrupt:
        if not done or done[0].region is None:
            raise
        done, interrupted = [w for w in done if w.region is not None], True
    tree = _tree(problem, done, targets, mean, root, draws, chains, seed, rng, began)
    return HistoryMatch(problem, targets, done, tree, interrupted)


def _excess_at(waves: list[Wave], targets: Targets, mean: NDArray, root: NDArray, z: NDArray) -> NDArray:
    return np.max(excesses(waves, mean + z @ root.T, targets), axis=0)


def _by_wave(given: float | Sequence[float], waves: int, name: str) -> list[float]:
    found = [float(given)] * waves if isinstance(given, int | float) else [float(v) for v in given]
    if len(found) != waves:
        raise ValueError(f"{name} has {len(found)} values for {waves} waves; give one number, or one for each wave")
    return found


def _wave(ensemble: Ensemble, targets: Targets, cutoff: float, rank: int) -> Wave:
    runs, good = len(ensemble.x), ensemble.good
    if len(good.x) < max(5, 0.2 * runs):
        raise ValueError(f"{runs - len(good.x)} of {runs} runs of a wave failed; narrow the prior to where the model runs")
    values = targets.of(good.predictions)
    centre, root = standardisation(good.x)
    average = values.mean(axis=0)
    surrogate = GaussianProcesses.fit(np.linalg.solve(root, (good.x - centre).T).T, values - average)
    left_out, variance = surrogate.leave_one_out(values - average)
    standardised = float(np.sqrt(np.mean((values - average - left_out) ** 2 / variance)))
    return Wave(centre, root, average, surrogate, cutoff, rank, runs, int(ensemble.failed.sum()), standardised=standardised)


def _checked(wave: Wave, fresh: Ensemble, targets: Targets, number: int) -> Wave:
    """Judge emulators by runs that they have not seen, and widen those that are too sure of themselves."""
    if not len(fresh.x):
        return replace(wave, checked=1.0)  # the next wave says that all runs failed
    mean, variance = wave.predict(fresh.x)
    squares = np.mean((targets.of(fresh.predictions) - mean) ** 2 / variance, axis=0)
    worst = float(np.sqrt(squares.max()))
    if worst > OVERCONFIDENT:
        warnings.warn(
            f"wave {number}: errors of the emulator of {targets.names[int(squares.argmax())]} at new runs are {worst:.1f} times what it "
            "said; its variance is widened to that, and less is ruled out: give more runs to a wave",
            OverconfidentWarning,
            stacklevel=3,
        )
    return replace(wave, surrogate=wave.surrogate.widened(np.maximum(1.0, squares)), checked=worst)


def _described(wave: Wave, left: NDArray, targets: Targets, region: Region) -> Wave:
    _, variance = wave.predict(left)
    share = variance / (variance + targets.variance + targets.discrepancy)
    return replace(wave, fraction=region.fraction, emulator_share=float(share.mean()), region=region)


def _tree(
    problem: InverseProblem,
    waves: list[Wave],
    targets: Targets,
    mean: NDArray,
    root: NDArray,
    draws: int,
    chains: int,
    seed: int,
    rng: np.random.Generator,
    began: float,
) -> xr.DataTree:
    region = waves[-1].region
    assert region is not None
    each = draws // chains
    x = mean + rng.permutation(region.draws)[: each * chains] @ root.T
    implausibility = np.max(excesses(waves, x, targets) + np.array([[w.cutoff] for w in waves]), axis=0)
    cost = {**problem.cost(), "seconds": time.perf_counter() - began}
    tree = build_tree(
        problem,
        problem.positions(x).reshape(chains, each, -1),
        {"implausibility": implausibility.reshape(chains, each)},
        method="history matching",
        seed=seed,
        cost=cost,
    )
    table = {n: ("wave", np.array([getattr(w, n) for w in waves])) for n in COLUMNS}
    tree["waves"] = xr.DataTree(xr.Dataset(table, coords={"wave": np.arange(1, len(waves) + 1)}, attrs={"targets": list(targets.names)}))
    return tree


COLUMNS = ("runs", "failures", "cutoff", "rank", "fraction", "standardised", "checked", "emulator_share")
