"""One DataTree whatever the method: groups, dims, coords and root attributes of a result."""

import datetime
import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from arviz_base import dict_to_dataset
from numpy.typing import NDArray
from pymc.backends.arviz import coords_and_dims_for_inferencedata, find_constants, find_observations

from .flat import FlatSpace

FORWARD_RUNS = {"forward_runs": 1, "tangent_runs": 2, "adjoint_runs": 3, "gradient_evaluations": 4}
"""What each kind of run counts in forward runs. A gradient evaluation is a forward and an adjoint run together."""
PACKAGES = ("lsm_bayes", "pymc", "pytensor", "nutpie", "numba", "arviz", "numpy", "scipy", "xarray")


def data_hash(model: pm.Model) -> str:
    """SHA-256 over names, shapes, types and values of a model's observed and constant data.

    Parameters
    ----------
    model : pymc.Model
        The model.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for group in (find_observations(model), find_constants(model)):
        for name in sorted(group):
            values = np.ma.filled(np.ma.asarray(group[name]), np.nan) if np.ma.isMaskedArray(group[name]) else np.asarray(group[name])
            digest.update(f"{name} {values.shape} {values.dtype.str}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def root_attrs(model: pm.Model, method: str, seed: int | None, cost: dict) -> dict[str, str]:
    """Root attributes of a result, each a JSON string.

    Parameters
    ----------
    model : pymc.Model
        The model; its attribute ``card``, a dict, becomes ``model_card`` when it has one.
    method : str
        Name of the inference method.
    seed : int or None
        Seed given by the user.
    cost : dict
        ``gradient_evaluations``, ``seconds`` and what else the method counts; ``forward_run_equivalents`` is added, see `FORWARD_RUNS`.

    Returns
    -------
    dict of str to str
        ``model_card``, ``versions``, ``seed``, ``method``, ``data_hash``, ``created``, ``cost``.
    """
    values = {
        "model_card": getattr(model, "card", None) or {"title": model.name or "unnamed model"},
        "versions": package_versions(),
        "seed": seed,
        "method": method,
        "data_hash": data_hash(model),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cost": {**cost, "forward_run_equivalents": sum(n * cost.get(kind, 0) for kind, n in FORWARD_RUNS.items())},
    }
    return {key: json.dumps(value, default=_plain) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else str(value)


def model_dataset(model: pm.Model, values: dict[str, NDArray], sample_dims: list[str]) -> xr.Dataset:
    """Arrays of model variables as a dataset with the model's dims and coords.

    Parameters
    ----------
    model : pymc.Model
        Gives dims and coords.
    values : dict of str to numpy.ndarray
        By variable name; leading axes are ``sample_dims``.
    sample_dims : list of str
        Names of the leading axes.

    Returns
    -------
    xarray.Dataset
        The arrays, named and labelled.
    """
    coords, dims = coords_and_dims_for_inferencedata(model)
    used: dict = {name: dims[name] for name in values if name in dims}
    needed = {dim for names in used.values() for dim in names}
    return dict_to_dataset(
        values, coords={k: v for k, v in coords.items() if k in needed}, dims=used, sample_dims=sample_dims, check_conventions=False
    )


def data_groups(model: pm.Model) -> dict[str, xr.Dataset]:
    """Return the groups ``observed_data`` and ``constant_data`` of a model, where it has any."""
    groups = {"observed_data": find_observations(model), "constant_data": find_constants(model)}
    return {name: model_dataset(model, values, []) for name, values in groups.items() if values}


def build_tree(
    density: FlatSpace,
    positions: NDArray,
    stats: dict[str, NDArray],
    *,
    method: str,
    seed: int | None,
    cost: dict,
    modes: xr.Dataset | None = None,
) -> xr.DataTree:
    """Build the result of a method that gives draws on the unconstrained space.

    Parameters
    ----------
    density : FlatSpace
        Such as the compiled log-posterior of the model.
    positions : numpy.ndarray
        Draws, shape (chain, draw, D).
    stats : dict of str to numpy.ndarray
        Sampler statistics, leading axes (chain, draw).
    method, seed, cost
        See :func:`root_attrs`.
    modes : xarray.Dataset, optional
        Table of modes, stored as group ``modes``.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` (constrained parameters and deterministics), ``sample_stats``, ``unconstrained`` (the draws as
        the sampler saw them: ``position`` (chain, draw, unconstrained)), ``observed_data``, ``constant_data``, ``modes``.
    """
    sample_dims = ["chain", "draw"]
    flat = xr.Dataset(
        {"position": (("chain", "draw", "unconstrained"), positions)},
        coords={"chain": np.arange(positions.shape[0]), "draw": np.arange(positions.shape[1]), "unconstrained": np.array(density.labels)},
    )
    groups = {
        "posterior": model_dataset(density.model, density.expand(positions), sample_dims),
        "sample_stats": dict_to_dataset(stats, sample_dims=sample_dims, check_conventions=False),
        "unconstrained": flat,
        **data_groups(density.model),
    }
    if modes is not None:
        groups["modes"] = modes
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    tree.attrs = root_attrs(density.model, method, seed, cost)
    return tree
