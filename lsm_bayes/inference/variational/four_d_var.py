"""4D-Var: the most probable parameters, and the posterior that the curvature there gives."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from ..flat import Vector
from ..inverse import InverseProblem, as_problem
from ..laplace import Laplace, draw_mixture, laplace_at
from ..modes import climb, find_modes, group_ends, mode_table
from ..point import Density
from .cost import AssimilationCost, Background, spent
from .importance import approximate_tree
from .incremental import Descent, gauss_newton

METHODS = ("gauss_newton", "lbfgs")
COVARIANCES = ("gauss_newton", "exact")
LAST_STEPS = 4


def four_d_var(
    model: pm.Model | InverseProblem | Density,
    *,
    method: str = "gauss_newton",
    background: Background | None = None,
    starts: int = 1,
    start_points: NDArray | Sequence[Mapping[str, object]] | None = None,
    covariance: str | None = None,
    outer: int = 50,
    inner: int | None = None,
    tolerance: float = 1e-4,
    draws: int = 1000,
    resample: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Minimise the cost of strong-constraint 4D-Var, and draw from the normal posterior at its minimum or minima.

    Of a model or an `InverseProblem`, the cost is ``(x-b)' B^-1 (x-b) / 2 + (G(x)-y)' R^-1 (G(x)-y) / 2`` with b and B from
    ``background`` or the prior, and what the problem holds stays held. Of a `Density`, it is minus its log-density: priors and errors as
    they are in the model, minimised by L-BFGS (`find_modes`). Distinct minima are weighted by their Laplace evidence.

    Parameters
    ----------
    model : pymc.Model, InverseProblem or Density
        What to infer.
    method : {"gauss_newton", "lbfgs"}
        ``gauss_newton``: incremental, outer loops with conjugate gradients inside. ``lbfgs``: the full cost with its adjoint.
    background : tuple of numpy.ndarray, optional
        b, shape (d,), and B, shape (d, d), of the active elements.
    starts : int
        Number of starts: the background, and draws from it.
    start_points : array of shape (n, d), or sequence of mappings, optional
        Points to use first, in place of the background; of a `Density` as in `find_modes`.
    covariance : {"gauss_newton", "exact"}, optional
        Inverse Hessian: of the linearised problem, or of the cost itself by differences of gradients. Default: as ``method``.
    outer, inner : int
        Most outer loops, and conjugate gradient steps in each (default: twice the number of elements and 20).
    tolerance : float
        Newton decrement at which the incremental form has converged, in posterior standard deviations.
    draws : int
        Number of draws.
    resample : bool
        Resample the draws by their importance weights.
    seed : int
        Seed.
    progress : bool
        Show progress over starts.

    Returns
    -------
    xarray.DataTree
        As for every method; see :func:`approximate_tree` for the judgement of the approximation against the model's own log-density (with
        a ``background``, against the cost). Group ``modes`` has the minima, ``starts`` each descent (``cost``, ``converged``, ``reason``,
        ``outer``, ``inner``, ``decrement``, ``mode``), ``information`` by minimum the ``degrees_of_freedom`` for signal, that is how many
        independent numbers the observations tell, and the ``signal`` to noise ratio of each direction of the ``control`` space,
        not for a `Density`.

    Raises
    ------
    ValueError
        If an argument is unknown or has another shape.
    RuntimeError
        If no start has a finite run.
    """
    if method not in METHODS or covariance not in (None, *COVARIANCES):
        raise ValueError(f"method is {method!r} and covariance {covariance!r}; choose of {METHODS}, and of {COVARIANCES} or None")
    if starts < 1 or draws < 1:
        raise ValueError(f"Got starts={starts}, draws={draws}; both must be positive.")
    if isinstance(model, Density):
        if method != "lbfgs" or background is not None or covariance == "gauss_newton":
            raise ValueError(
                "a Density is minimised with method='lbfgs', its own priors and exact covariance; for Gauss-Newton or a background give "
                "the pymc.Model or an InverseProblem"
            )
        return _of_density(model, starts, start_points, draws, resample, seed, progress)
    problem = as_problem(model)
    before = problem.cost()
    cost, rng = AssimilationCost(problem, background), np.random.default_rng(seed)
    first = _start_points(cost, starts, start_points, rng)
    descents, interrupted = _descend(cost, first, method, outer, inner, tolerance, progress)
    values = np.array([cost.constant - d.cost for d in descents])
    if not np.isfinite(values).any():
        raise RuntimeError(f"The run failed at all of {len(first)} starts; check the model at the background, or give start_points.")
    kind = covariance or {"gauss_newton": "gauss_newton", "lbfgs": "exact"}[method]

    def fit(x: Vector) -> Laplace:
        return _settled(cost, laplace_at(cost, x) if kind == "exact" else cost.laplace(x, cost.log_density(x), cost.sensitivity(x)))

    parts, membership = group_ends(cost.log_density, fit, np.array([d.position for d in descents]), values)
    table = mode_table(problem, parts, membership, problem.positions(np.array([p.mode for p in parts])))
    active, chosen, log_q = draw_mixture(parts, table["weight"].values, draws, rng)
    positions = problem.positions(active)
    lp = np.array([problem.log_density(p) if background is None else cost.log_density(x) for p, x in zip(positions, active, strict=True)])
    return approximate_tree(
        problem,
        positions,
        lp,
        log_q,
        draws=draws,
        resample=resample,
        rng=rng,
        method=f"4d-var ({method}, {kind} covariance)",
        seed=seed,
        cost={**spent(before, problem.cost()), "interrupted": interrupted},
        converged=bool(np.all([any(d.converged for d, m in zip(descents, membership, strict=True) if m == k) for k in range(len(parts))])),
        notes=problem.notes,
        stats={"mode": chosen},
        modes=table,
        groups={"starts": _starts_table(descents, membership), "information": information(cost, parts)},
    )


def _settled(cost: AssimilationCost, part: Laplace) -> Laplace:
    """Take Newton steps with the curvature that is known, while the gradient shrinks: near the minimum the cost itself no longer tells."""
    gradient = cost(part.mode)[1]
    length = np.linalg.norm(part.scale.T @ gradient)
    for _ in range(LAST_STEPS):
        moved = part.mode + part.scale @ (part.scale.T @ gradient)
        found, gradient = cost(moved)
        shorter = np.linalg.norm(part.scale.T @ gradient)
        if not (np.isfinite(found) and shorter < length):
            break
        length = shorter
        evidence = part.log_evidence + found - part.log_posterior
        part = replace(part, mode=moved, log_posterior=found, log_evidence=evidence, newton_decrement=float(length))
    return part


def _start_points(
    cost: AssimilationCost, number: int, given: NDArray | Sequence[Mapping[str, object]] | None, rng: np.random.Generator
) -> NDArray:
    drawn = cost.states(rng.standard_normal((number, cost.dimension)))
    drawn[0] = cost.mean
    if given is None:
        return drawn
    problem = cost.problem
    rows = [problem.flatten(p)[problem.active] if isinstance(p, Mapping) else np.asarray(p, dtype="float64") for p in given]
    if any(row.shape != (cost.dimension,) for row in rows):
        raise ValueError(f"start points must have {cost.dimension} active elements each, got {[row.shape for row in rows]}")
    return np.concatenate([rows, drawn[1:]])[: max(number, len(rows))]


def _descend(
    cost: AssimilationCost, first: NDArray, method: str, outer: int, inner: int | None, tolerance: float, progress: bool
) -> tuple[list[Descent], bool]:
    found: list[Descent] = []
    try:
        for start in track(first, description="4d-var", disable=not progress):
            if method == "gauss_newton":
                found.append(gauss_newton(cost, start, outer=outer, inner=inner, tolerance=tolerance))
            else:
                before = cost.evaluations
                x, value, converged = climb(cost, start, np.sqrt(np.diag(cost.root @ cost.root.T)), max(2000, 30 * cost.dimension))
                reason = "within 0.01 posterior sd, or no gain" if converged else "the run failed, or too many gradients"
                found.append(Descent(x, cost.constant - value, converged, reason, cost.evaluations - before, 0, np.nan))
    except KeyboardInterrupt:
        if not found:
            raise
        return found, True
    return found, False


def _starts_table(descents: Sequence[Descent], membership: NDArray) -> xr.Dataset:
    columns = {
        k: ("start", np.array([getattr(d, k) for d in descents])) for k in ("cost", "converged", "reason", "outer", "inner", "decrement")
    }
    return xr.Dataset({**columns, "mode": ("start", membership)}, coords={"start": np.arange(len(descents))})


def information(cost: AssimilationCost, parts: Sequence[Laplace]) -> xr.Dataset:
    """Say what the observations tell at each minimum (Rodgers 2000, Inverse Methods for Atmospheric Sounding, eq. 2.56).

    Parameters
    ----------
    cost : AssimilationCost
        The cost.
    parts : sequence of Laplace
        The minima.

    Returns
    -------
    xarray.Dataset
        ``signal`` (mode, control): singular values of the whitened model, above 1 where observations tell more than the background;
        ``direction`` (mode, control, active): what these are directions of, in active elements; ``degrees_of_freedom`` (mode).
    """
    found = [cost.sensitivity(p.mode) for p in parts]
    signal = np.array([values for values, _ in found])
    return xr.Dataset(
        {
            "signal": (("mode", "control"), signal),
            "direction": (("mode", "control", "active"), np.array([(cost.root @ vectors).T for _, vectors in found])),
            "degrees_of_freedom": ("mode", np.sum(signal**2 / (1.0 + signal**2), axis=1)),
        },
        coords={"mode": np.arange(len(parts)), "active": np.array(cost.problem.names)},
    )


def _of_density(
    density: Density,
    starts: int,
    start_points: NDArray | Sequence[Mapping[str, object]] | None,
    draws: int,
    resample: bool,
    seed: int,
    progress: bool,
) -> xr.DataTree:
    modes = find_modes(density, starts=starts, seed=seed, start_points=start_points, progress=progress)
    before, failures, rng = density.evaluations, density.failures, np.random.default_rng([seed, 1])
    positions, chosen, log_q = draw_mixture(modes.laplace, modes.weights, draws, rng)
    lp = np.array([density(x)[0] for x in positions])
    starts_found = modes.starts
    counted = {
        **modes.cost,
        "gradient_evaluations": modes.cost["gradient_evaluations"] + density.evaluations - before,
        "failed_simulations": modes.cost["failed_simulations"] + density.failures - failures,
        "interrupted": modes.interrupted,
    }
    reached = [bool(starts_found["converged"].values[starts_found["mode"].values == k].any()) for k in range(len(modes.laplace))]
    return approximate_tree(
        density,
        positions,
        lp,
        log_q,
        draws=draws,
        resample=resample,
        rng=rng,
        method="4d-var (lbfgs, exact covariance)",
        seed=seed,
        cost=counted,
        converged=all(reached),
        stats={"mode": chosen},
        modes=modes.table,
        groups={"starts": starts_found},
    )
