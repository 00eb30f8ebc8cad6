"""4DEnVar: a variational analysis in the space that an ensemble spans, without adjoint (LAVENDAR; Pinnington et al. 2020)."""

from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from ..flat import Vector
from ..inverse import InverseProblem
from .analysis import FEWEST
from .members import Members

MOST_HALVINGS = 8
"""Times that a step of an outer loop is halved."""


def ensemble_variational(
    model: pm.Model | InverseProblem,
    members: int = 50,
    outer: int = 1,
    *,
    tolerance: float = 0.01,
    exact_moments: bool = False,
    seed: int = 0,
    store: str | Path | None = None,
    progress: bool = False,
) -> xr.DataTree:
    """Calibrate by four-dimensional ensemble variational assimilation (4DEnVar).

    Pinnington et al. (2020, doi 10.5194/gmd-13-55-2020): the analysis is the prior mean plus anomalies of the ensemble with weights w; the
    cost is ``w.w / 2`` plus half the squared whitened residuals, predictions being linear in w, around the run of the mean. That cost
    is quadratic, so its minimum is solved for and not searched. The analysed anomalies are those of the prior times the
    inverse square root of its Hessian. Further outer loops run the mean and an ensemble of the spread of the analysis again
    (the transform of the iterative ensemble Kalman smoother; Bocquet and Sakov 2014, doi 10.1002/qj.2236): Gauss-Newton in ensemble space,
    for predictions that are far from linear over the prior.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    members : int
        Size of the ensemble; 50 in LAVENDAR.
    outer : int
        Outer loops; 1 in LAVENDAR.
    tolerance : float
        Outer loops end when the mean moves less than this, in standard deviations of the analysis.
    exact_moments : bool
        Give the members the mean and covariance of the prior exactly, where they are more than the elements.
    seed : int
        Seed.
    store : path, optional
        Folder for finished outer loops; called again with the same arguments, the method goes on where it stopped.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        The analysed members as draws of one chain; group ``generations``, which has the runs of the means too. Members whose run fails
        are left out of that outer loop.

    Raises
    ------
    ValueError
        If there is no outer loop.
    RuntimeError
        If the run of the first mean, or nearly all members, fail.
    """
    if outer < 1:
        raise ValueError(f"outer={outer}: at least one outer loop is needed")
    settings = {"members": members, "outer": outer, "exact_moments": exact_moments}
    with Members(model, "4denvar", settings, seed, store, progress) as run:
        first = run.from_prior(members, exact_moments)
        mean, observed = first.mean(axis=0), run.problem.observed
        anomalies = (first - mean) / np.sqrt(members - 1.0)
        weights, transform, step = np.zeros(members), np.eye(members), np.zeros(members)
        spanned = np.linalg.svd(anomalies, full_matrices=False)[0]
        moved, halved, root, before = np.inf, 0, np.sqrt(members - 1.0), np.inf
        for k in range(outer):
            middle = run.run((mean + weights @ anomalies)[None])[0]
            if k == 0 and not np.isfinite(middle).all():
                raise RuntimeError("the run of the prior mean failed; give priors under which the model runs")
            # Gauss-Newton may step too far: back towards the last mean until the cost falls.
            for _ in range(MOST_HALVINGS):
                cost = _cost(weights, middle - observed)
                if cost <= before:
                    break
                step, halved = 0.5 * step, halved + 1
                weights = weights - step
                middle = run.run((mean + weights @ anomalies)[None])[0]
            before = cost
            predicted = run.run(mean + weights @ anomalies + root * transform @ anomalies)
            failed = ~np.isfinite(predicted).all(axis=1)
            sensitivity = _sensitivity(predicted, middle, transform, root)
            if outer > 1:
                # What is not linear in the elements would be taken for a sensitivity to weights that change no element.
                sensitivity = spanned @ (spanned.T @ sensitivity)
            values, vectors = np.linalg.eigh(sensitivity @ sensitivity.T)
            values = np.maximum(values, 0.0)
            gradient = weights - sensitivity @ (observed - middle)
            step = -vectors @ ((vectors.T @ gradient) / (1.0 + values))
            weights = weights + step
            transform = vectors @ (vectors.T / np.sqrt(1.0 + values)[:, None])
            # In standard deviations of the analysis: those of the prior say nothing where the data are strong.
            moved = float(np.sqrt(step @ (vectors @ ((1.0 + values) * (vectors.T @ step)))))
            run.advance((k + 1) / outer)
            if moved < tolerance:
                break
        x = mean + weights @ anomalies + root * transform @ anomalies
        return run.result(x, {"replaced": failed}, moved=moved, converged=moved < tolerance, halved=halved)


def _cost(weights: Vector, residual: Vector) -> float:
    found = 0.5 * float(weights @ weights + residual @ residual)
    return found if np.isfinite(found) else np.inf


def _sensitivity(predicted: NDArray, middle: Vector, transform: NDArray, root: float) -> NDArray:
    """Differentiate predictions by weight, shape (N, M), with the members that ran."""
    good = np.isfinite(predicted).all(axis=1)
    if good.sum() < FEWEST:
        raise RuntimeError(f"{(~good).sum()} of {good.size} members failed, and an analysis needs {FEWEST}; give other priors")
    difference = (predicted[good] - middle) / root
    if good.all():
        return np.asarray(np.linalg.solve(transform, difference))
    # Least squares: what the members that ran say, and no change along what they do not.
    return np.asarray(np.linalg.pinv(transform[good]) @ difference)
