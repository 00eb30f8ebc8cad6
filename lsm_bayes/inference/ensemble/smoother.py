"""ES-MDA: the ensemble smoother that uses the observations several times, each time with a larger error (Emerick and Reynolds 2013)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr

from ..inverse import InverseProblem
from .analysis import Analysis, EnsembleUpdate, as_update
from .members import Members


def ensemble_smoother(
    model: pm.Model | InverseProblem,
    members: int = 100,
    steps: int | Sequence[float] = 4,
    *,
    update: EnsembleUpdate | str = "square_root",
    exact_moments: bool = True,
    seed: int = 0,
    store: str | Path | None = None,
    progress: bool = False,
) -> xr.DataTree:
    """Calibrate by an ensemble smoother with multiple data assimilation.

    Emerick and Reynolds (2013, doi 10.1016/j.cageo.2012.03.011): all observations are used in each step, with the variance of their
    errors multiplied by alpha, and the inverses of all alphas sum to one (equation 10). With predictions that are linear and a prior that
    is normal, the square root gives the posterior of the ensemble's own prior exactly, in one step or several.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    members : int
        Size of the ensemble.
    steps : int or sequence of float
        How many steps with equal alpha, or the alphas. One is the plain ensemble smoother.
    update : EnsembleUpdate or {"square_root", "perturbed"}
        How members are updated; the paper perturbs observations.
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
        The members as draws of one chain; group ``generations``; root attribute ``ensemble``. Members whose run fails take no part in
        a step and are replaced by draws from the normal distribution of the others.

    Raises
    ------
    ValueError
        If the inverses of the alphas do not sum to one.
    RuntimeError
        If nearly all members fail.
    """
    alphas = [float(steps)] * steps if isinstance(steps, int) else [float(a) for a in steps]
    if not alphas or min(alphas) <= 0 or not np.isclose(sum(1.0 / a for a in alphas), 1.0, rtol=1e-9):
        raise ValueError(f"the inverses of the alphas sum to {sum(1.0 / a for a in alphas if a):g}; give positive ones that sum to 1")
    how = as_update(update)
    settings = {"members": members, "alphas": alphas, "exact_moments": exact_moments, **how.describe()}
    with Members(model, "es_mda", settings, seed, store, progress) as run:
        x = run.from_prior(members, exact_moments)
        for k, alpha in enumerate(alphas):
            predicted = run.run(x, alpha=alpha)
            analysis = Analysis(predicted, run.problem.observed, alpha, how, run.rng)
            x = analysis(x)
            run.advance((k + 1) / len(alphas))
        return run.result(x, {"replaced": analysis.failed})
