"""Ensemble Kalman inversion: tempered, so that it ends at the posterior, or untempered, which seeks the best fit in the span of its members."""

from pathlib import Path
from typing import Literal

import numpy as np
import pymc as pm
import xarray as xr

from ..flat import Vector
from ..inverse import InverseProblem
from .analysis import Analysis, EnsembleUpdate, as_update
from .members import Members


def next_share(misfits: Vector, observations: int, used: float) -> float:
    """Share of the likelihood to use next: the data misfit controller of Iglesias and Yang (2021, doi 10.1088/1361-6420/abd29b).

    The share bounds the symmetrised Kullback-Leibler divergence between the tempered posteriors before and after.

    Parameters
    ----------
    misfits : numpy.ndarray
        Half the sum of squared whitened residuals of each member; NaN is left out.
    observations : int
        Number of observations M.
    used : float
        Share used before, below 1.

    Returns
    -------
    float
        ``max(M / (2 mean), sqrt(M / (2 var)))``, at most what is left of 1.
    """
    good = misfits[np.isfinite(misfits)]
    mean, variance = max(float(good.mean()), 1e-300), max(float(good.var()), 1e-300)
    return min(max(observations / (2.0 * mean), float(np.sqrt(observations / (2.0 * variance)))), 1.0 - used)


def ensemble_kalman_inversion(
    model: pm.Model | InverseProblem,
    members: int = 100,
    *,
    until: Literal["posterior", "best_fit"] = "posterior",
    most_steps: int = 100,
    noise_level: float = 1.0,
    update: EnsembleUpdate | str = "square_root",
    exact_moments: bool = True,
    seed: int = 0,
    store: str | Path | None = None,
    progress: bool = False,
) -> xr.DataTree:
    """Calibrate by ensemble Kalman inversion.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    members : int
        Size of the ensemble.
    until : {"posterior", "best_fit"}
        ``"posterior"``: steps use shares of the likelihood, chosen by `next_share`, that sum to one; then, with linear predictions and a
        normal prior, the members are draws of the posterior. ``"best_fit"``: each step uses all observations anew (Iglesias et al. 2013,
        doi 10.1088/0266-5611/29/4/045001, algorithm 1) until their mean prediction fits them to the noise; the members draw
        together, and their spread means nothing.
    most_steps : int
        At most so many steps; the last takes what is left of the likelihood, or the search ends where it is.
    noise_level : float
        Of ``"best_fit"``: stop when the root mean square of whitened residuals of the mean prediction is below this.
    update : EnsembleUpdate or {"square_root", "perturbed"}
        How members are updated; the papers perturb observations.
    exact_moments : bool
        Give the first members the mean and covariance of the prior exactly, where they are more than the elements.
    seed : int
        Seed.
    store : path, optional
        Folder for finished steps; called again with the same arguments, the method goes on where it stopped.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        The members as draws of one chain; group ``generations`` with ``share``, the part of the likelihood used in a step. Failed
        members as in `ensemble_smoother`.

    Raises
    ------
    ValueError
        For another ``until``.
    RuntimeError
        If nearly all members fail.
    """
    if until not in ("posterior", "best_fit"):
        raise ValueError(f"got until={until!r}; accepted are 'posterior' and 'best_fit'")
    how = as_update(update)
    settings = {"members": members, "until": until, "exact_moments": exact_moments, **how.describe()}
    with Members(model, "eki" if until == "posterior" else "eki_best_fit", settings, seed, store, progress) as run:
        x, used, reached, observed = run.from_prior(members, exact_moments), 0.0, False, run.problem.observed
        failed = np.zeros(members, dtype=bool)
        for step in range(most_steps):
            predicted = run.run(x)
            if until == "best_fit":
                share = 1.0
                residual = np.nanmean(predicted, axis=0) - observed
                reached = bool(np.sqrt(np.mean(residual**2)) < noise_level)
                if reached:
                    break
                run.advance(step / most_steps)
            else:
                share = next_share(run.misfits, observed.size, used) if step < most_steps - 1 else 1.0 - used
                used += share
                reached = used > 1.0 - 1e-12
                run.advance(used)
            run.keep(share=share)
            analysis = Analysis(predicted, observed, 1.0 / share, how, run.rng)
            x, failed = analysis(x), analysis.failed
            if reached:
                break
        return run.result(x, {"replaced": failed}, reached=reached)
