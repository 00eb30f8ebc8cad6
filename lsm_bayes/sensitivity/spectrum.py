"""Which combinations of parameters the observations know at a point, and which not: the spectrum of the Fisher information."""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.diagnostics.stream_value import stream_value
from lsm_bayes.inference.flat import FlatSpace, Vector
from lsm_bayes.inference.inverse import InverseProblem

from .varied import label_of

KNOWN = 1.0
"""Information, in units of that of the prior, above which a combination is learnt from the observations more than from the prior."""
PARTS = 0.3
"""Size of a part, relative to the largest, from which it is named."""


def information_spectrum(model: pm.Model | FlatSpace, position: Vector, *, vary: list[str] | None = None) -> xr.Dataset:
    """Decompose the expected information of the observations relative to the prior.

    Eigenvalues of L' F L, where F is the Fisher information and L L' the prior covariance: of a combination with eigenvalue e the
    posterior variance is 1 / (1 + e) of the prior variance, in the normal approximation at this point (Spantini et al. 2015, doi
    10.1137/140977308). What F knows of the parameters of the error models is taken out (they are inferred with the rest).

    Parameters
    ----------
    model : pymc.Model, Density or InverseProblem
        Models of `build_model` have the information of their streams with all error models that `stream_value` knows; others that of
        `InverseProblem`, whose errors are normal and held.
    position : numpy.ndarray
        Flat unconstrained vector, as ``find_modes(...).positions[0]`` gives it, shape (dimension,).
    vary : list of str, optional
        Free variables that are decomposed, for models of `build_model`; default the coordinates ``z`` of parameters.

    Returns
    -------
    xarray.Dataset
        Dims ``combination``, ``parameter``: ``eigenvalue``, ``variance_kept`` 1 / (1 + e), ``vector`` (weights of the coordinates in prior
        sd, of unit length), ``contraction`` 1 - posterior sd / prior sd of each parameter, and ``words``: the main parts of each.
        Attribute ``identifiable`` counts eigenvalues above 1.

    Raises
    ------
    ValueError
        For a position of the wrong length, and error models whose information is not known.
    """
    space = model if isinstance(model, FlatSpace) else FlatSpace(model)
    if np.shape(position) != (space.dimension,):
        raise ValueError(f"the position has the shape {np.shape(position)}; the model has {space.dimension} coordinates")
    if isinstance(getattr(space.model, "calibration", None), Calibration) and not isinstance(space, InverseProblem):
        value = stream_value(space.model, position)
        chosen = vary or [n for n in space.slices if n == "z" or n.startswith("z_")]
        active = np.concatenate([np.arange(space.slices[n].start, space.slices[n].stop) for n in chosen])
        prior = value.covariance(())[np.ix_(active, active)]
        posterior = value.covariance(value.streams)[np.ix_(active, active)]
        information = np.linalg.inv(posterior) - np.linalg.inv(prior)
    else:
        problem = space if isinstance(space, InverseProblem) else InverseProblem(space.model)
        active, (_, prior) = problem.active, problem.prior
        slopes = problem.jacobian(np.asarray(position)[active])
        information = slopes.T @ slopes
    return _decomposed([label_of(space, i) for i in active], prior, information)


def _decomposed(names: list[str], prior: NDArray, information: NDArray) -> xr.Dataset:
    root = np.linalg.cholesky(prior)
    values, vectors = np.linalg.eigh(root.T @ information @ root)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    posterior = root @ (vectors / (1 + values)) @ vectors.T @ root.T
    # Weights of the parameters in prior sd: the sum w' x with x = L v has the gradient L'^-1 v.
    weights = np.linalg.solve(root.T, vectors) * np.sqrt(np.diag(prior))[:, None]
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.sign(np.take_along_axis(weights, np.abs(weights).argmax(axis=0)[None], axis=0))
    variables: dict[str, Any] = {
        "eigenvalue": ("combination", values),
        "variance_kept": ("combination", 1 / (1 + values)),
        "vector": (("combination", "parameter"), weights.T),
        "contraction": ("parameter", 1 - np.sqrt(np.diag(posterior) / np.diag(prior))),
        "words": ("combination", [_words(names, w) for w in weights.T]),
    }
    coords = {"parameter": names, "combination": np.arange(values.size)}
    return xr.Dataset(variables, coords=coords, attrs={"method": "spectrum", "identifiable": int(np.sum(values > KNOWN))})


def _words(names: list[str], weights: Vector) -> str:
    order = [int(i) for i in np.argsort(-np.abs(weights)) if abs(weights[i]) > PARTS * np.abs(weights).max()]
    return " ".join(f"{weights[i]:+.2f} {names[i]}" for i in order[:5])
