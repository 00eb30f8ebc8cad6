"""The standard normal coordinates in which a model is sampled, and their draws in a result."""

import json
from collections.abc import Mapping
from typing import Any

import arviz_stats
import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.hierarchy import PARTS

Key = tuple[str, str]
"""Parameter or initial pool; and the site or type whose value it is, empty where there is one value for all."""
RHAT_BELOW = 1.01  # as for a result that is called a posterior
DRAWS_A_COORDINATE = 10  # and component


def coordinates(model: pm.Model, c: Calibration) -> dict[Key, tuple[str, int]]:
    """Find the standard normal coordinates of a model.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`, or on its way.
    c : Calibration
        Its choices.

    Returns
    -------
    dict of Key to (str, int)
        Random variable and element; without those of hierarchies.
    """
    found: dict[Key, tuple[str, int]] = {}
    for rv in model.free_RVs:
        dims = model.named_vars_to_dims.get(rv.name, ())
        if not (rv.name == "z" or rv.name.startswith("z_")) or rv.name.endswith(tuple(f"_{part}" for part in PARTS)):
            continue
        names: Any = model.coords[dims[0]]
        members: Any = model.coords[dims[1]] if len(dims) > 1 else ("",)
        for i, name in enumerate(names):
            for j, member in enumerate(members):
                # A site alone has one block, whatever the pooling; its values are still those of the site or the type.
                own = {"site": c.groups.sites[0], "pft": c.groups.pfts[0]}.get(c.pooling[name].over or "", "") if rv.name == "z" else member
                found[name, own] = rv.name, i * len(members) + j
    return found


def attribute(tree: xr.DataTree | xr.Dataset, name: str) -> Any:
    """Root attribute of a result; None where it has none."""
    return json.loads(tree.attrs[name]) if name in tree.attrs else None


def draws_of(posterior: xr.Dataset, model: pm.Model, places: Mapping[Key, tuple[str, int]]) -> np.ndarray:
    """Draws of the coordinates.

    Parameters
    ----------
    posterior : xarray.Dataset
        With ``chain`` and ``draw``.
    model : pymc.Model
        The model that was sampled.
    places : mapping of Key to (str, int)
        From `coordinates`.

    Returns
    -------
    numpy.ndarray
        (chain, draw, D).

    Raises
    ------
    KeyError
        When there are none.
    ValueError
        When they are of another model.
    """
    blocks, coords = {}, dict[Any, Any](model.coords)
    for name in dict.fromkeys(v for v, _ in places.values()):
        if name not in posterior:
            raise KeyError(
                f"the draws have no {name!r}, the coordinates in which the model is sampled; give the posterior as it was sampled"
            )
        dims: Any = model.named_vars_to_dims[name]
        block = posterior[name].transpose("chain", "draw", ...)
        wanted = tuple(len(coords[d]) for d in dims)
        labels = [(list(map(str, block[d].values)), list(map(str, coords[d]))) for d in dims if d in block.coords]
        if block.shape[2:] != wanted or any(theirs != ours for theirs, ours in labels):
            sizes = dict(zip(dims, wanted, strict=True))
            raise ValueError(f"the draws of {name!r} are not of this model: they have {dict(block.sizes)}, the model has {sizes}")
        blocks[name] = block.values.reshape(*block.shape[:2], -1)
    return np.stack([blocks[v][..., i] for v, i in places.values()], axis=-1)


def check_draws(draws: np.ndarray, names: list[str], method: Any, components: int) -> int:
    """Refuse draws that give no mixture of so many normals.

    Parameters
    ----------
    draws : numpy.ndarray
        (chain, draw, D).
    names : list of str
        Of the coordinates.
    method : str or None
        How they were drawn.
    components : int
        How many normals are wanted.

    Returns
    -------
    int
        How many they allow: one for ten effective draws of each coordinate.

    Raises
    ------
    ValueError
        For a single chain, coordinates that do not move, chains that disagree, and too few draws.
    """
    if draws.shape[0] < 2:
        what = "A Laplace approximation is a normal already and says nothing of what a normal loses." if method == "laplace" else ""
        raise ValueError(f"one chain does not show that it has converged; draw at least two with lsm_bayes.sample. {what}".strip())
    still = [n for n, s in zip(names, np.ptp(draws, axis=(0, 1)), strict=True) if not s > 0]
    if still:
        raise ValueError(f"the covariance of the draws is not positive definite: {', '.join(still)} do not move; fix them in this step")
    array = xr.DataArray(np.moveaxis(draws, -1, 0), dims=("coordinate", "chain", "draw"))
    rhat, ess = (np.asarray(f(array, method=m)) for f, m in ((arviz_stats.rhat, "rank"), (arviz_stats.ess, "bulk")))
    worst = int(np.argmax(rhat))
    if not rhat[worst] < RHAT_BELOW:
        raise ValueError(
            f"the chains disagree: R-hat of {names[worst]} is {rhat[worst]:.3f}, and below {RHAT_BELOW} is needed; sample longer, and from "
            "every mode"
        )
    fewest, each = int(np.argmin(ess)), DRAWS_A_COORDINATE * len(names)
    allowed = int(ess[fewest] // each)
    if allowed < components:
        several = f" and {components} components" if components > 1 else ""
        fewer = f", or give components of at most {allowed}" if allowed else ""
        raise ValueError(
            f"{ess[fewest]:.0f} effective draws of {names[fewest]} are too few for a covariance of {len(names)} coordinates{several}; "
            f"{each * components} are needed, {DRAWS_A_COORDINATE} for each{' in each component' if several else ''}: draw more{fewer}"
        )
    return allowed


def correlation_of(flat: np.ndarray, names: list[str]) -> np.ndarray:
    """Correlation of draws (n, D).

    Parameters
    ----------
    flat : numpy.ndarray
        (n, D).
    names : list of str
        Of the coordinates.

    Returns
    -------
    numpy.ndarray
        (D, D).

    Raises
    ------
    ValueError
        When coordinates depend on each other linearly.
    """
    correlation = np.atleast_2d(np.corrcoef(flat.T))
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < 1e-10:
        alike = [names[i] for i in np.argsort(-np.abs(vectors[:, 0]))[: 3 if len(names) > 2 else 2]]
        raise ValueError(
            f"the covariance of the draws is not positive definite: {', '.join(alike)} depend on each other linearly (smallest eigenvalue "
            f"of the correlation {values[0]:.1e}); fix one of them, or draw more"
        )
    return correlation
