"""Weights of modes: from the Laplace evidence, and from predictive stacking of chains."""

import warnings

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray


def stacking_weights(log_predictive: NDArray, iterations: int = 10_000, tolerance: float = 1e-10) -> NDArray:
    """Weights that maximise the log score of a mixture of predictive densities.

    Yao, Vehtari & Gelman (2022, J. Mach. Learn. Res. 23(79), eq. 5), solved by expectation maximisation, which is monotone because the
    objective is concave in the weights.

    Parameters
    ----------
    log_predictive : numpy.ndarray
        Log predictive density of each observation under each component, shape (observation, component), nats.
    iterations : int
        Most iterations.
    tolerance : float
        Stop when no weight moves more.

    Returns
    -------
    numpy.ndarray
        Shape (component,), sum 1.
    """
    density = np.exp(log_predictive - log_predictive.max(axis=1, keepdims=True))
    weights = np.full(density.shape[1], 1 / density.shape[1])
    for _ in range(iterations):
        new = weights * np.mean(density / (density @ weights)[:, None], axis=0)
        if np.max(np.abs(new - weights)) < tolerance:
            return new
        weights = new
    return weights


def chain_weights(tree: xr.DataTree) -> xr.Dataset:
    """Stack the chains of a run by their leave-one-out predictive densities.

    Parameters
    ----------
    tree : xarray.DataTree
        With group ``log_likelihood`` (``pm.compute_log_likelihood``); streams are pooled. With autocorrelated errors leaving out a
        single day says little: give a log-likelihood by week or year then.

    Returns
    -------
    xarray.Dataset
        Dim ``chain``: ``weight``, ``elpd`` (nats, sum over observations), ``worst_pareto_k`` (above 0.7: not to be trusted).

    Raises
    ------
    ValueError
        If the tree has no log-likelihood.
    """
    if "log_likelihood" not in tree.children:
        raise ValueError(f"Stacking needs the group log_likelihood (pm.compute_log_likelihood); the result has {list(tree.children)}.")
    pointwise = [v.values.reshape(v.sizes["chain"], v.sizes["draw"], -1) for v in tree["log_likelihood"].data_vars.values()]
    log_likelihood = np.concatenate(pointwise, axis=-1)
    log_likelihood = log_likelihood[..., np.isfinite(log_likelihood).all(axis=(0, 1))]
    scores, worst = [], []
    for chain in log_likelihood:
        with warnings.catch_warnings():
            # Reported as worst_pareto_k instead.
            warnings.filterwarnings("ignore", message=".*[Pp]areto", category=UserWarning)
            # It takes the log-likelihood and turns the sign itself.
            log_weights, k = array_stats.psislw(chain.T, axis=-1)
        scores.append(np.logaddexp.reduce(log_weights + chain.T, axis=-1) - np.logaddexp.reduce(log_weights, axis=-1))
        worst.append(float(np.max(k)))
    predictive = np.stack(scores, axis=1)
    return xr.Dataset(
        {"weight": ("chain", stacking_weights(predictive)), "elpd": ("chain", predictive.sum(axis=0)), "worst_pareto_k": ("chain", worst)},
        coords={"chain": np.arange(len(scores))},
    )


def mode_weights(tree: xr.DataTree) -> xr.Dataset:
    """Weights of the modes in a result, by every way its groups allow.

    Parameters
    ----------
    tree : xarray.DataTree
        With group ``modes``; chains are counted for the mode in which they started (``sample_stats.mode``).

    Returns
    -------
    xarray.Dataset
        Dim ``mode``: ``laplace`` (posterior probability if each mode is near Gaussian), ``chains`` (number), and with a group
        ``log_likelihood`` ``stacking`` (best predictive mixture, which is not a posterior probability); NaN for a mode without chain.

    Raises
    ------
    ValueError
        If the result has no modes.
    """
    if "modes" not in tree.children:
        raise ValueError(f"The result has no group modes (it has {list(tree.children)}): sample with initial=find_modes(model).")
    modes = tree["modes"].to_dataset()
    result = xr.Dataset({"laplace": ("mode", modes["weight"].values)}, coords={"mode": modes["mode"].values})
    started = (
        tree["sample_stats"].to_dataset()["mode"].values[:, 0]
        if "mode" in tree["sample_stats"]
        else np.zeros(tree["posterior"].sizes["chain"], dtype=int)
    )
    number = modes.sizes["mode"]
    counts = np.bincount(started, minlength=number)
    result["chains"] = ("mode", counts)
    if "log_likelihood" in tree.children:
        summed = np.bincount(started, weights=chain_weights(tree)["weight"].values, minlength=number)
        result["stacking"] = ("mode", np.where(counts > 0, summed, np.nan))
    return result
