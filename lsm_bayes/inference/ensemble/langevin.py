"""The ensemble Kalman sampler: interacting Langevin dynamics without gradients (Garbuno-Inigo, Hoffmann, Li and Stuart 2020)."""

from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from ..inverse import InverseProblem
from .analysis import FEWEST
from .members import Members


def ensemble_kalman_sampler(
    model: pm.Model | InverseProblem,
    members: int = 100,
    *,
    warm_up: float = 4.0,
    time: float = 2.0,
    step: float = 1.0,
    most_steps: int = 500,
    seed: int = 0,
    store: str | Path | None = None,
    progress: bool = False,
) -> xr.DataTree:
    """Calibrate by the ensemble Kalman sampler.

    Garbuno-Inigo et al. (2020, doi 10.1137/19M1251655), equation 2.7: members follow Langevin dynamics that the covariance of the
    ensemble preconditions, where covariances of members and predictions stand in for the gradient. Two things are not those of that paper:
    the correction for finite ensembles of Nuesken and Reich (2019, arXiv:1908.10890), ``(d + 1) / N`` times the deviation from the mean,
    without which a small ensemble is too narrow; and the time step, which is the trapezoidal rule for the linear part, because its
    stationary distribution with linear predictions is exact at any length where that of the Euler step of the paper is too wide. The length
    adapts as in the paper: ``step`` over the norm of the interactions.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    members : int
        Size of the ensemble; more than elements plus one.
    warm_up : float
        Artificial time that is left out; one unit is the time in which deviations from the posterior shrink by e.
    time : float
        Artificial time after that; all members of its steps are the draws.
    step : float
        Factor of the length of steps.
    most_steps : int
        At most so many steps. If warm-up takes them all, the draws are the last members.
    seed : int
        Seed.
    store : path, optional
        Folder for finished steps; called again with the same arguments, the method goes on where it stopped.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        Draws as one chain, step by step, so that neighbours are members of one time; group ``generations`` with ``time``. Members whose
        run fails stand still in the drift and are moved back among the others.

    Raises
    ------
    ValueError
        If the members are too few.
    RuntimeError
        If nearly all members fail.
    """
    settings = {"members": members, "warm_up": warm_up, "time": time, "step": step}
    with Members(model, "eks", settings, seed, store, progress) as run:
        problem, now, kept = run.problem, 0.0, []
        if members <= problem.size + 1:
            raise ValueError(f"{members} members for {problem.size} elements; the sampler needs more than {problem.size + 1}")
        mean, covariance = problem.prior
        precision = np.linalg.inv(covariance)
        x = run.from_prior(members, exact_moments=False)
        for _ in range(most_steps):
            predicted = run.run(x)
            good = np.isfinite(predicted).all(axis=1)
            if good.sum() < max(FEWEST, problem.size + 2):
                raise RuntimeError(f"{(~good).sum()} of {members} members failed; give more members, or priors under which the model runs")
            moved, length = _move(x[good], predicted[good] - problem.observed, mean, precision, step, run.rng)
            x = x.copy()
            x[good] = moved
            deviation = moved - moved.mean(axis=0)
            lots = run.rng.standard_normal((int((~good).sum()), len(moved)))
            x[~good] = moved.mean(axis=0) + lots @ deviation / np.sqrt(len(moved))
            run.keep(time=now, length=length)
            now += length
            run.advance(min(now / (warm_up + time), 1.0))
            if now > warm_up:
                kept.append(x)
            if now > warm_up + time:
                break
        return run.result(np.concatenate(kept or [x]), warmed_up=now > warm_up, reached=now > warm_up + time)


def _move(x: NDArray, residual: NDArray, mean: NDArray, precision: NDArray, step: float, rng: np.random.Generator) -> tuple[NDArray, float]:
    """One step of the members, shape (n, d), and its length in time."""
    number, size = x.shape
    deviation, spread = x - x.mean(axis=0), residual - residual.mean(axis=0)
    own, cross = deviation.T @ deviation / number, deviation.T @ spread / number
    interaction = spread @ residual.T / number
    length = step / (float(np.linalg.norm(interaction)) + 1.0)
    drift = -residual @ cross.T - (x - mean) @ precision @ own + (size + 1.0) / number * deviation
    # The covariance times the precision of the posterior, as the ensemble has it.
    stiffness = cross @ np.linalg.solve(own, cross).T + own @ precision
    noise = np.sqrt(2.0 * length / number) * rng.standard_normal((number, number)) @ deviation
    moved = np.linalg.solve(np.eye(size) + 0.5 * length * stiffness, (length * drift + noise).T).T
    return x + moved, length
