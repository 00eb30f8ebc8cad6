"""Search of the whole space without a gradient: CMA-ES, or differential evolution; the usual alternatives to 4D-Var."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cma
import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import Progress
from scipy.optimize import differential_evolution

from ..flat import FlatSpace, Vector
from ..inverse import InverseProblem, as_problem
from ..laplace import Laplace, draw_mixture, laplace_at
from ..modes import group_ends, mode_table
from ..point import Density
from .cost import AssimilationCost, spent
from .importance import approximate_tree

METHODS = ("cma", "differential_evolution")
WIDTH = 4.0
"""Half the width of the box of differential evolution, in prior standard deviations."""
GOOD_STOPS = {"tolfun", "tolfunhist", "tolfunrel", "tolx", "ftarget"}
"""Criteria of CMA-ES that say it has arrived."""
WORST = 1e100
"""In place of minus the log-density where the run failed: the ranks of CMA-ES know no infinity."""


@dataclass(frozen=True)
class _Target:
    """What is searched, in coordinates where the prior has unit size."""

    space: FlatSpace
    centre: Vector
    root: NDArray
    value: Callable[[Vector], float]
    fit: Callable[[Vector], Laplace]
    embed: Callable[[NDArray], NDArray]
    counts: Callable[[], dict[str, Any]]
    notes: list[str]


def global_search(
    model: pm.Model | InverseProblem | Density,
    *,
    method: str = "cma",
    restarts: int = 3,
    population: int | None = None,
    max_evaluations: int | None = None,
    draws: int = 1000,
    resample: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Climb to the mode or modes of the log-density by ranks alone, and draw from the normal approximation there.

    Of a model or an `InverseProblem`, the log-density of the active elements is searched with forward runs alone, and the covariance is
    the inverse of the Gauss-Newton Hessian by differences of predictions: a model without a gradient will do. Of a `Density`, the whole
    vector is searched, and the covariance is the inverse of its Hessian. Ctrl-C keeps the searches that have ended.

    Parameters
    ----------
    model : pymc.Model, InverseProblem or Density
        What to infer.
    method : {"cma", "differential_evolution"}
        CMA-ES (Hansen & Ostermeier 2001, doi 10.1162/106365601750190398) with doubled population at each restart, from draws of the
        prior; or differential evolution (Storn & Price 1997, doi 10.1023/A:1008202821328) within four prior standard deviations.
    restarts : int
        Searches; their ends are grouped to modes.
    population : int, optional
        Of the first search. Default: ``4 + 3 log D`` of CMA-ES, ``10 D`` of differential evolution.
    max_evaluations : int, optional
        Most runs in each search; 2000 times the number of elements by default.
    draws : int
        Number of draws.
    resample : bool
        Resample the draws by their importance weights.
    seed : int
        Seed.
    progress : bool
        Show progress.

    Returns
    -------
    xarray.DataTree
        As for every method; see :func:`approximate_tree` for the judgement. Groups ``modes`` and ``starts`` (``log_posterior``,
        ``evaluations``, ``converged``, ``reason``, ``mode``).

    Raises
    ------
    ValueError
        If an argument is unknown or too small.
    RuntimeError
        If no run was finite.
    KeyboardInterrupt
        If interrupted before the first search ended.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {METHODS}")
    if restarts < 1 or draws < 1:
        raise ValueError(f"Got restarts={restarts}, draws={draws}; both must be positive.")
    rng = np.random.default_rng(seed)
    target = _density_target(model, rng) if isinstance(model, Density) else _problem_target(as_problem(model))
    before, dimension = target.counts(), len(target.centre)
    most = 2000 * dimension if max_evaluations is None else max_evaluations
    search = _evolve if method == "cma" else _differential
    found: list[dict[str, Any]] = []
    interrupted = False
    with Progress(disable=not progress) as bar:
        task = bar.add_task(method, total=restarts * most)
        for k in range(restarts):
            try:
                found.append(search(target, rng, population, k, most, lambda n: bar.advance(task, n)))
            except KeyboardInterrupt:
                interrupted = True
                break
            bar.update(task, completed=(k + 1) * most)
    if not found:
        raise KeyboardInterrupt("Interrupted before the first search ended; nothing is kept.")
    ends, values = np.array([f.pop("position") for f in found]), np.array([f["log_posterior"] for f in found])
    if not np.isfinite(values).any():
        raise RuntimeError("No run of the search had a finite log-density; check the prior predictive (sample_prior) and model.debug().")
    parts, membership = group_ends(target.value, target.fit, ends, values)
    table = mode_table(target.space, parts, membership, target.embed(np.array([p.mode for p in parts])))
    active, chosen, log_q = draw_mixture(parts, table["weight"].values, draws, rng)
    lp = np.array([target.value(x) for x in active])
    starts = xr.Dataset({k: ("start", np.array([f[k] for f in found])) for k in found[0]}).assign(mode=("start", membership))
    return approximate_tree(
        target.space,
        target.embed(active),
        lp,
        log_q,
        draws=draws,
        resample=resample,
        rng=rng,
        method=method,
        seed=seed,
        cost={**spent(before, target.counts()), "interrupted": interrupted},
        converged=bool(starts["converged"].values[membership == 0].any()),
        notes=target.notes,
        stats={"mode": chosen},
        modes=table,
        groups={"starts": starts},
    )


def _problem_target(problem: InverseProblem) -> _Target:
    cost = AssimilationCost(problem)

    def value(x: Vector) -> float:
        return problem.log_density(problem.positions(x))

    def fit(x: Vector) -> Laplace:
        return cost.laplace(x, value(x), cost.sensitivity(x, differences=True))

    return _Target(problem, cost.mean, cost.root, value, fit, problem.positions, problem.cost, problem.notes)


def _density_target(density: Density, rng: np.random.Generator) -> _Target:
    drawn, began = density.prior_positions(200, rng), time.perf_counter()

    def counts() -> dict[str, Any]:
        seconds = time.perf_counter() - began
        return {"gradient_evaluations": density.evaluations, "failed_simulations": density.failures, "seconds": seconds}

    def value(x: Vector) -> float:
        return density(x)[0]

    sd = np.clip(drawn.std(axis=0), 1e-3, 1e3)
    return _Target(density, np.median(drawn, axis=0), np.diag(sd), value, lambda x: laplace_at(density, x), np.asarray, counts, [])


def _negative(target: _Target, tick: Callable[[int], None]) -> Callable[[Vector], float]:
    def negative(v: Vector) -> float:
        value = target.value(target.centre + target.root @ v)
        tick(1)
        return -value if np.isfinite(value) else WORST

    return negative


def _outcome(target: _Target, v: Vector, cost: float, evaluations: int, converged: bool, reason: str) -> dict[str, Any]:
    return {
        "position": target.centre + target.root @ v,
        "log_posterior": -cost if cost < WORST else -np.inf,
        "evaluations": evaluations,
        "converged": converged,
        "reason": reason,
    }


def _evolve(
    target: _Target, rng: np.random.Generator, population: int | None, restart: int, most: int, tick: Callable[[int], None]
) -> dict[str, Any]:
    dimension = len(target.centre)
    size = (population or 4 + int(3 * np.log(dimension))) * 2**restart
    options = {
        # Its own numbers from our generator: it would otherwise seed NumPy's global state.
        "randn": lambda *shape: rng.standard_normal(shape),
        "seed": np.nan,
        "popsize": size,
        "maxfevals": most,
        "tolfun": 1e-7,
        "tolx": 1e-9,
        "verbose": -9,
        "verb_log": 0,
    }
    # CMA-ES knows no single dimension; the second one has no effect.
    padded = max(dimension, 2)
    start = rng.standard_normal(padded) if restart else np.zeros(padded)
    cost = _negative(target, tick)
    search = cma.CMAEvolutionStrategy(start, 1.0, options)
    while not search.stop():
        points = search.ask()
        search.tell(points, [cost(np.asarray(p)[:dimension]) for p in points])
    reasons = set(search.stop())
    best = search.result
    arrived = bool(reasons & GOOD_STOPS) and best.fbest < WORST
    return _outcome(target, np.asarray(best.xbest)[:dimension], best.fbest, int(best.evaluations), arrived, ", ".join(sorted(reasons)))


def _differential(
    target: _Target, rng: np.random.Generator, population: int | None, restart: int, most: int, tick: Callable[[int], None]
) -> dict[str, Any]:
    dimension = len(target.centre)
    per = max(1, (population or 10 * dimension) // dimension)
    found = differential_evolution(
        _negative(target, tick),
        [(-WIDTH, WIDTH)] * dimension,
        popsize=per,
        # One generation is a run for each member.
        maxiter=max(1, most // (per * dimension) - 1),
        tol=0.0,
        atol=1e-4,
        polish=False,
        rng=rng,
    )
    return _outcome(target, found.x, float(found.fun), int(found.nfev), bool(found.success), str(found.message))
