"""Morris, Sobol and RBD-FAST indices from runs on the prior, by SALib.

The unit cube is sampled, and carried over by the quantiles of the prior; indices are of parameters as the prior spreads them.
"""

import warnings
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from SALib.analyze import morris as morris_analysis
from SALib.analyze import rbd_fast as rbd_fast_analysis
from SALib.analyze import sobol as sobol_analysis
from SALib.sample import latin
from SALib.sample import morris as morris_sample
from SALib.sample import sobol as sobol_sample
from scipy.special import ndtri

from .response import Response, as_response

TAIL = 0.025
"""Morris steps between the ends of a grid: those of the central 95 % of each prior."""
LEVELS = 4
REDRAWS = 20
CONFIDENCE = 0.95
FEWEST = 4
"""Trajectories or blocks without which nothing is said."""


def morris(model: Any, trajectories: int = 30, *, seed: int = 0, resamples: int = 200, progress: bool = False) -> xr.Dataset:
    """Screen parameters by elementary effects (Morris 1991, doi 10.2307/1269043; mu*: Campolongo et al. 2007).

    A trajectory in which a run failed is dropped as a whole, because each effect is a difference of two of its runs.

    Parameters
    ----------
    model : Response, pymc.Model or Density
        What is asked, from `response_of`; a model means the misfit (RMSE) of each stream.
    trajectories : int
        How many, of d + 1 runs each.
    seed : int
        Seed.
    resamples : int
        Of the bootstrap.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    xarray.Dataset
        Dims ``output``, ``parameter``: ``mu``, ``mu_star``, ``sigma`` of the change of the output across the central 95 % of the prior, and
        ``mu_star_interval``, half of the 95 % interval. Attributes count ``runs``, ``failed_runs`` and ``dropped_trajectories``.

    Raises
    ------
    ValueError
        When fewer than four trajectories are left.
    """
    r = as_response(model)
    problem = {"num_vars": r.size, "names": r.names, "bounds": [[TAIL, 1 - TAIL]] * r.size}
    u = morris_sample.sample(problem, trajectories, num_levels=LEVELS, seed=seed)
    y = r(ndtri(u), progress=progress).reshape(trajectories, r.size + 1, -1)
    good = np.isfinite(y).all(axis=(1, 2))
    _enough(int(good.sum()), trajectories, "trajectories")
    kept, u = y[good].reshape(-1, y.shape[-1]), u.reshape(trajectories, r.size + 1, -1)[good].reshape(-1, r.size)
    found = [
        morris_analysis.analyze(problem, u, v, num_resamples=resamples, conf_level=CONFIDENCE, num_levels=LEVELS, seed=seed) for v in kept.T
    ]
    names = {"mu": "mu", "mu_star": "mu_star", "sigma": "sigma", "mu_star_interval": "mu_star_conf"}
    return r.dataset(
        {n: (("output", "parameter"), np.array([f[k] for f in found], dtype=float)) for n, k in names.items()},
        method="morris",
        runs=y.shape[0] * y.shape[1],
        failed_runs=int(np.isnan(y[..., 0]).sum()),
        dropped_trajectories=int(trajectories - good.sum()),
        seed=seed,
    )


def sobol(
    model: Any, number: int = 512, *, second_order: bool = False, seed: int = 0, resamples: int = 100, progress: bool = False
) -> xr.Dataset:
    """Split the variance of each output among parameters (Sobol 2001; estimators of Saltelli et al. 2010, doi 10.1016/j.cpc.2009.09.018).

    The design is made of blocks: a point A, a point B, and A with one coordinate of B at a time. A block in which a run failed is replaced
    by one made of new random points until all of its runs succeed, at most twenty times, then dropped. Where many fail, indices are thus
    those of the region in which blocks run, which is not a box; the attributes say how many.

    Parameters
    ----------
    model : Response, pymc.Model or Density
        What is asked, from `response_of`; a model means the misfit (RMSE) of each stream.
    number : int
        Blocks, a power of two; each has d + 2 runs, 2 d + 2 for the second order.
    second_order : bool
        Whether pairs are looked at.
    seed : int
        Seed.
    resamples : int
        Of the bootstrap.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    xarray.Dataset
        Dims ``output``, ``parameter``: ``first`` (share of the variance by a parameter alone), ``total`` (with all interactions) and
        ``first_interval``, ``total_interval``, halves of 95 % intervals; ``second``, ``second_interval`` with ``other``. Attributes count
        ``runs``, ``failed_runs``, ``replaced_blocks``, ``dropped_blocks``.

    Raises
    ------
    ValueError
        For a number that is not a power of two, and when fewer than four blocks are left.
    """
    if number < FEWEST or number & (number - 1):
        raise ValueError(f"number={number}: the Sobol sequence is balanced at powers of two; give 256, 512, 1024, ...")
    r = as_response(model)
    problem = {"num_vars": r.size, "names": r.names, "bounds": [[0.0, 1.0]] * r.size}
    u = sobol_sample.sample(problem, number, calc_second_order=second_order, scramble=True, seed=seed).reshape(number, -1, r.size)
    began, failed = r.runs, r.failures
    y = _blocks(r, u, progress)
    bad = np.flatnonzero(~np.isfinite(y).all(axis=(1, 2)))
    first, rng = bad.size, np.random.default_rng([seed, 1])
    for _ in range(REDRAWS):
        if not bad.size or any("interrupted" in n for n in r.notes):
            break
        y[bad] = _blocks(r, _saltelli(rng.random((bad.size, 2, r.size)), second_order), progress)
        bad = bad[~np.isfinite(y[bad]).all(axis=(1, 2))]
    _enough(number - bad.size, number, "blocks")
    kept = np.delete(y, bad, axis=0).reshape(-1, y.shape[-1])
    with warnings.catch_warnings():
        # An output that does not move has no indices: NaN, which the result shows.
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        options: dict[str, Any] = {"calc_second_order": second_order, "num_resamples": resamples, "conf_level": CONFIDENCE, "seed": seed}
        found = [sobol_analysis.analyze(problem, v, **options) for v in kept.T]
    names = {"first": "S1", "first_interval": "S1_conf", "total": "ST", "total_interval": "ST_conf"}
    variables = {n: (("output", "parameter"), np.array([f[k] for f in found], dtype=float)) for n, k in names.items()}
    tree = r.dataset(
        variables,
        method="sobol",
        runs=r.runs - began,
        failed_runs=r.failures - failed,
        replaced_blocks=int(first - bad.size),
        dropped_blocks=int(bad.size),
        seed=seed,
    )
    if second_order:
        for n, k in (("second", "S2"), ("second_interval", "S2_conf")):
            upper = np.array([f[k] for f in found], dtype=float)
            tree[n] = (("output", "parameter", "other"), np.where(np.isnan(upper), np.swapaxes(upper, 1, 2), upper))
        tree = tree.assign_coords(other=r.names)
    return tree


def _blocks(r: Response, u: NDArray, progress: bool) -> NDArray:
    return r(ndtri(np.clip(u.reshape(-1, r.size), 1e-12, 1 - 1e-12)), progress=progress).reshape(*u.shape[:2], -1)


def _saltelli(pairs: NDArray, second_order: bool) -> NDArray:
    """Blocks of two points (n, 2, d) each, in the order of SALib: A, A with a coordinate of B, (B with one of A,) B."""
    a, b = pairs[:, :1], pairs[:, 1:]
    chosen = np.eye(a.shape[-1], dtype=bool)
    middle = [np.where(chosen, b, a), *([np.where(chosen, a, b)] if second_order else [])]
    return np.concatenate([a, *middle, b], axis=1)


def rbd_fast(
    model: Any, number: int = 1024, *, seed: int = 0, resamples: int = 100, harmonics: int = 10, progress: bool = False
) -> xr.Dataset:
    """First-order indices from one Latin hypercube, whatever the number of parameters (Tarantola et al. 2006; Plischke 2010).

    Runs that failed are dropped: the method sorts what it is given.

    Parameters
    ----------
    model : Response, pymc.Model or Density
        What is asked, from `response_of`; a model means the misfit (RMSE) of each stream.
    number : int
        Runs.
    seed : int
        Seed.
    resamples : int
        Of the bootstrap.
    harmonics : int
        Of the Fourier series by which first-order effects are fitted.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    xarray.Dataset
        Dims ``output``, ``parameter``: ``first`` and ``first_interval``, half of the 95 % interval. Attributes count ``runs`` and
        ``failed_runs``.

    Raises
    ------
    ValueError
        When fewer runs than 2 ``harmonics`` + 2 are left.
    """
    r = as_response(model)
    problem = {"num_vars": r.size, "names": r.names, "bounds": [[0.0, 1.0]] * r.size}
    u = latin.sample(problem, number, seed=seed)
    y = r(ndtri(u), progress=progress)
    good = np.isfinite(y).all(axis=1)
    if good.sum() < 2 * harmonics + 2:
        raise ValueError(f"only {int(good.sum())} of {number} runs succeeded; give a prior that runs, or a larger number")
    options = {"M": harmonics, "num_resamples": resamples, "conf_level": CONFIDENCE, "seed": seed}
    found = [rbd_fast_analysis.analyze(problem, u[good], v, **options) for v in y[good].T]
    names = {"first": "S1", "first_interval": "S1_conf"}
    return r.dataset(
        {n: (("output", "parameter"), np.array([f[k] for f in found], dtype=float)) for n, k in names.items()},
        method="rbd_fast",
        runs=number,
        failed_runs=int(number - good.sum()),
        seed=seed,
    )


def _enough(left: int, number: int, what: str) -> None:
    if left < FEWEST:
        raise ValueError(f"only {left} of {number} {what} have no failed run; narrow the priors, or ask for more")
