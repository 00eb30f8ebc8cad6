"""Pathfinder: the normal approximation with the best evidence lower bound along a quasi-Newton path."""

import time
from dataclasses import dataclass

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import minimize

from ..flat import Vector
from ..laplace import Laplace, draw_mixture
from ..modes import start_positions
from ..point import Density, as_density
from .importance import approximate_tree

CURVED = 1e-12
"""Least curvature ``s.z / z.z`` of a step that updates the inverse Hessian."""


@dataclass(frozen=True)
class _Path:
    normal: Laplace | None
    elbo: float
    chosen: int
    length: int
    converged: bool


def pathfinder(
    model: pm.Model | Density,
    *,
    paths: int = 4,
    draws: int = 1000,
    draws_per_path: int = 1000,
    elbo_draws: int = 10,
    history: int = 6,
    max_iterations: int = 1000,
    start_points: NDArray | None = None,
    resample: bool = True,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Approximate the posterior by multi-path Pathfinder (Zhang et al. 2022, J. Mach. Learn. Res. 23(306), algorithms 1 to 5).

    L-BFGS climbs from several starts; at each point of a path the inverse Hessian that its steps imply gives a normal approximation, of
    which the one with the greatest evidence lower bound is kept. Draws of all paths are resampled by smoothed importance weights with the
    density of their mixture. The covariance is held dense, which suits up to a few hundred parameters.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    paths : int
        Number of paths, from draws of the prior.
    draws, draws_per_path : int
        Number of draws to return, and draws from each path to choose from.
    elbo_draws : int
        Draws at each point of a path, for the evidence lower bound.
    history : int
        Steps from which the inverse Hessian is taken.
    max_iterations : int
        Most steps of a path.
    start_points : numpy.ndarray, optional
        Unconstrained positions to start from, shape (n, D).
    resample : bool
        False keeps draws of the equally weighted mixture of paths.
    seed : int
        Seed.
    progress : bool
        Show progress over paths.

    Returns
    -------
    xarray.DataTree
        As for every method; see :func:`approximate_tree` for the judgement. ``sample_stats.path`` is the path of a draw; group ``paths``:
        ``elbo`` (nats), ``chosen`` and ``length`` (steps), ``converged``.

    Raises
    ------
    ValueError
        If a number is not positive.
    RuntimeError
        If all paths failed.
    KeyboardInterrupt
        If interrupted before a path was followed.
    """
    if min(paths, draws, draws_per_path, elbo_draws, history, max_iterations) < 1:
        raise ValueError(
            f"Got paths={paths}, draws={draws}, draws_per_path={draws_per_path}, elbo_draws={elbo_draws}, history={history}, "
            f"max_iterations={max_iterations}; all must be positive."
        )
    density, began, rng = as_density(model), time.perf_counter(), np.random.default_rng(seed)
    before, failures, interrupted = density.evaluations, density.failures, False
    found: list[_Path] = []
    try:
        for start in track(start_positions(density, paths, rng, start_points), description="pathfinder", disable=not progress):
            found.append(_follow(density, start, rng, elbo_draws, history, max_iterations))  # noqa: PERF401  what is done outlives Ctrl-C
    except KeyboardInterrupt:
        if not any(p.normal for p in found):
            raise
        interrupted = True
    parts = [p.normal for p in found if p.normal is not None]
    if not parts:
        raise RuntimeError(
            f"All of {len(found)} paths failed: no approximation on them has a finite log-density. Give start_points, such as those of "
            "find_modes(model).positions."
        )
    number = draws_per_path * len(parts) if resample else draws
    positions, chosen, log_q = draw_mixture(parts, np.full(len(parts), 1.0 / len(parts)), number, rng)
    lp = np.array([density(x)[0] for x in positions])
    table = xr.Dataset(
        {k: ("path", np.array([getattr(p, k) for p in found])) for k in ("elbo", "chosen", "length", "converged")},
        coords={"path": np.arange(len(found))},
    )
    cost = {
        "gradient_evaluations": density.evaluations - before,
        "failed_simulations": density.failures - failures,
        "seconds": time.perf_counter() - began,
        "interrupted": interrupted,
    }
    return approximate_tree(
        density,
        positions,
        lp,
        log_q,
        draws=draws,
        resample=resample,
        rng=rng,
        method="pathfinder",
        seed=seed,
        cost=cost,
        converged=any(p.converged for p in found),
        stats={"path": np.flatnonzero([p.normal is not None for p in found])[chosen]},
        groups={"paths": table},
    )


def _follow(density: Density, start: Vector, rng: np.random.Generator, elbo_draws: int, history: int, max_iterations: int) -> _Path:
    points, gradients, converged = _climb(density, start, history, max_iterations)
    best: Laplace | None = None
    elbo, where = -np.inf, -1
    alpha = np.ones(density.dimension)
    pairs: list[tuple[Vector, Vector]] = []
    for k in range(1, len(points)):
        s, z = points[k] - points[k - 1], gradients[k - 1] - gradients[k]
        if s @ z > CURVED * (z @ z):
            alpha = diagonal(alpha, s, z)
            pairs = [*pairs, (s, z)][-history:]
        normal = _normal(points[k], gradients[k], inverse_hessian(alpha, pairs))
        if normal is None:
            continue
        drawn = normal.draws(elbo_draws, rng)
        bound = float(np.mean([density(x)[0] for x in drawn] - normal.logpdf(drawn)))
        if bound > elbo:
            best, elbo, where = normal, bound, k
    return _Path(best, elbo, where, len(points) - 1, converged)


def _climb(density: Density, start: Vector, history: int, max_iterations: int) -> tuple[list[Vector], list[Vector], bool]:
    """Points of L-BFGS, and gradients of the log-density there."""
    value, gradient = density(start)
    points, gradients, seen = [start], [gradient], {}
    if not np.isfinite(value):
        return points, gradients, False

    def negative(x: Vector) -> tuple[float, Vector]:
        lp, slope = density(x)
        seen[x.tobytes()] = slope
        # SciPy's line search cannot go back from an infinity.
        return (-lp, -slope) if np.isfinite(lp) else (1e100, np.zeros_like(slope))

    def keep(intermediate_result: object) -> None:
        x = np.array(intermediate_result.x)  # type: ignore[attr-defined]
        points.append(x)
        gradients.append(seen[x.tobytes()] if x.tobytes() in seen else density(x)[1])

    options = {"maxcor": history, "maxiter": max_iterations, "maxfun": 20 * max_iterations, "ftol": 1e-13, "gtol": 1e-8}
    found = minimize(negative, start, jac=True, method="L-BFGS-B", callback=keep, options=options)
    return points, gradients, bool(found.success)


def diagonal(alpha: Vector, s: Vector, z: Vector) -> Vector:
    """Update the diagonal from which the inverse Hessian is built (Zhang et al. 2022, algorithm 3).

    Parameters
    ----------
    alpha : numpy.ndarray
        Diagonal so far, positive, shape (D,).
    s, z : numpy.ndarray
        Step, and difference of gradients of minus the log-density, with ``s.z > 0``, shape (D,).

    Returns
    -------
    numpy.ndarray
        Shape (D,), positive.
    """
    a, b, c = float(z @ (alpha * z)), float(z @ s), float(s @ (s / alpha))
    inverse = a / (b * alpha) + z**2 / b - a * s**2 / (b * c * alpha**2)
    with np.errstate(divide="ignore"):
        found = 1.0 / inverse
    return np.where(np.isfinite(found) & (found > 0), found, alpha)


def inverse_hessian(alpha: Vector, pairs: list[tuple[Vector, Vector]]) -> NDArray:
    """Inverse Hessian of L-BFGS in its compact form (Byrd et al. 1994, doi 10.1007/BF01582063, eq. 3.1).

    Parameters
    ----------
    alpha : numpy.ndarray
        Diagonal of the first inverse Hessian, shape (D,).
    pairs : list of tuple of numpy.ndarray
        Steps and differences of gradients, oldest first.

    Returns
    -------
    numpy.ndarray
        Shape (D, D), symmetric and positive definite; it maps the last difference of gradients to the last step.
    """
    if not pairs:
        return np.diag(alpha)
    s, z = (np.stack(v, axis=1) for v in zip(*pairs, strict=True))
    upper = np.triu(s.T @ z)
    scaled = alpha[:, None] * z
    inverse = np.linalg.inv(upper)
    corner = inverse.T @ (np.diag(np.diag(upper)) + z.T @ scaled) @ inverse
    found = np.diag(alpha) + s @ corner @ s.T - s @ inverse.T @ scaled.T - scaled @ inverse @ s.T
    return (found + found.T) / 2


def _normal(x: Vector, gradient: Vector, covariance: NDArray) -> Laplace | None:
    try:
        scale = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    return Laplace(x + covariance @ gradient, np.nan, scale, np.nan, float(np.linalg.cond(covariance)), 0, np.nan)
