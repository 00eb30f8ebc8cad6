"""Unscented Kalman inversion: a normal posterior from sigma points, without random numbers (Huang, Schneider and Stuart 2022)."""

from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from ..flat import Vector
from ..inverse import InverseProblem
from .members import Members

MOST_RETREATS = 6
"""Times that a failed sigma point is moved half the way to the centre."""


def unscented_kalman_inversion(
    model: pm.Model | InverseProblem,
    most_steps: int = 50,
    *,
    tolerance: float = 0.01,
    draws: int = 1000,
    seed: int = 0,
    store: str | Path | None = None,
    progress: bool = False,
) -> xr.DataTree:
    """Calibrate by unscented Kalman inversion.

    Huang, Schneider and Stuart (2022, doi 10.1016/j.jcp.2022.111262): the observations are filtered again and again, with the covariance
    doubled before each analysis and that of the errors doubled too, so that the fixed point with linear predictions is the posterior. The
    prior enters as further observations of the elements. Expectations are taken with the modified unscented transform of that
    paper: 2 d + 1 runs a step, the mean being that of the central run. Far from the fixed point the error halves with each step.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    most_steps : int
        At most so many steps.
    tolerance : float
        Stop when a step moves the mean by less than this in posterior standard deviations, and no standard deviation along an axis changes
        by more than this share.
    draws : int
        Draws of the normal posterior in the result.
    seed : int
        Seed of these draws.
    store : path, optional
        Folder for finished steps; called again with the same arguments, the method goes on where it stopped.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        Draws of the normal posterior as one chain; ``mean`` and ``covariance`` of active elements in group ``normal``; group
        ``generations`` with the central member first, and ``moved``. A sigma point whose run fails is moved half the way to the
        centre, several times if need be.

    Raises
    ------
    RuntimeError
        If the central run fails.
    """
    settings = {"most_steps": most_steps, "tolerance": tolerance, "draws": draws}
    with Members(model, "uki", settings, seed, store, progress) as run:
        mean, covariance = prior_mean, prior_covariance = run.problem.prior
        root = np.linalg.cholesky(prior_covariance)
        converged = False
        for step in range(most_steps):
            factor = np.linalg.cholesky(2.0 * covariance)
            points, predicted = _sigma_runs(run, mean, factor)
            # The prior as observations with unit errors; the errors of all are doubled.
            seen = np.hstack([predicted, np.linalg.solve(root, (points - prior_mean).T).T]) / np.sqrt(2.0)
            wanted = np.concatenate([run.problem.observed, np.zeros(mean.size)]) / np.sqrt(2.0)
            scale = np.sqrt(0.5) / _reach(mean.size)
            a, s = scale * (points[1:] - mean), scale * (seen[1:] - seen[0])
            values, vectors = np.linalg.eigh(s @ s.T)
            values = np.maximum(values, 0.0)
            shift = a.T @ (vectors @ ((vectors.T @ (s @ (wanted - seen[0]))) / (1.0 + values)))
            following = (vectors.T @ a).T @ ((vectors.T @ a) / (1.0 + values)[:, None])
            following = 0.5 * (following + following.T)
            inverse_root = np.linalg.inv(np.linalg.cholesky(following))
            change = np.sqrt(np.linalg.eigvalsh(inverse_root @ covariance @ inverse_root.T))
            moved = float(np.linalg.norm(inverse_root @ shift))
            mean, covariance = mean + shift, following
            run.keep(moved=moved)
            run.advance((step + 1) / most_steps)
            converged = moved < tolerance and float(np.max(np.abs(change - 1.0))) < tolerance
            if converged:
                break
        x = mean + run.rng.standard_normal((draws, mean.size)) @ np.linalg.cholesky(covariance).T
        tree = run.result(x, converged=converged)
    names = run.problem.names
    dims = {"mean": ("element", mean), "covariance": (("element", "other_element"), covariance)}
    tree["normal"] = xr.DataTree(xr.Dataset(dims, coords={"element": names, "other_element": names}))
    return tree


def _reach(size: int) -> float:
    """Distance of sigma points from the centre, in columns of the factor (definition 1 of the paper)."""
    return min(np.sqrt(4.0 / size), 1.0) * np.sqrt(size)


def _sigma_runs(run: Members, mean: Vector, factor: NDArray) -> tuple[NDArray, NDArray]:
    """Sigma points, shape (2 d + 1, d), and whitened predictions; of points that fail, what nearer points say when they are stretched."""
    offsets = _reach(mean.size) * np.vstack([np.zeros(mean.size), factor.T, -factor.T])
    predicted = run.run(mean + offsets)
    if not np.isfinite(predicted[0]).all():
        raise RuntimeError("the run of the central member failed; give priors under which the model runs")
    stretch = np.ones(len(offsets))
    for _ in range(MOST_RETREATS):
        bad = ~np.isfinite(predicted).all(axis=1)
        if not bad.any():
            break
        stretch[bad] *= 0.5
        predicted[bad] = run.run(mean + stretch[bad, None] * offsets[bad])
    bad = ~np.isfinite(predicted).all(axis=1)
    if bad.any():
        raise RuntimeError(f"{bad.sum()} sigma points fail however near to the centre; give priors under which the model runs")
    predicted = predicted[0] + (predicted - predicted[0]) / stretch[:, None]
    return mean + offsets, predicted
