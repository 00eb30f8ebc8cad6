"""The compiled model of a reference, and the fingerprint of its data."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from lsm_bayes import models
from lsm_bayes.inference import Density, Modes, find_modes
from lsm_bayes.posterior import DISPERSION


@dataclass(frozen=True)
class Case:
    """What a reference posterior is of, ready to be sampled.

    Parameters
    ----------
    density : Density
        Compiled model on its data.
    data_hash : str
        `dataset_hash` of the data.
    starts : sequence of mapping
        Where the search for modes begins, beside draws of the prior.
    """

    density: Density
    data_hash: str
    starts: Sequence[Mapping[str, Any]]


def case_of(name: str) -> Case:
    """Load the reference data of a model and compile it.

    Parameters
    ----------
    name : str
        Model of the collection.

    Returns
    -------
    Case
        Ready to be sampled.

    Raises
    ------
    ValueError
        If the model names no reference data.
    """
    module = models.get(name)
    if not hasattr(module, "reference"):
        raise ValueError(f"model {name!r} names no reference data: give its model.py a function `reference() -> Reference`")
    found = module.reference()
    return Case(Density(module.build(found.data, **found.arguments)), dataset_hash(found.data), found.starts)


def modes_of(case: Case, starts: int, seed: int, progress: bool) -> Modes:
    """Find the modes, as `lsm_bayes.calibrate` does.

    Parameters
    ----------
    case : Case
        The model.
    starts, seed : int
        Of the search.
    progress : bool
        Show progress with time left.

    Returns
    -------
    Modes
        The modes.
    """
    spread = {n: DISPERSION for n in case.density.slices if is_coordinate(n)}
    return find_modes(case.density, starts=starts, seed=seed, start_points=case.starts or None, spread=spread, progress=progress)


def is_coordinate(name: str) -> bool:
    """Say whether a variable holds coordinates of `lsm_bayes.calibration`, of which parameters are functions.

    Parameters
    ----------
    name : str
        Of the variable.

    Returns
    -------
    bool
        True for ``z`` and what begins with ``z_``.
    """
    return name == "z" or name.startswith("z_")


def dataset_hash(data: xr.Dataset) -> str:
    """SHA-256 over names, dimensions, units and values of a data set; numbers in single precision.

    Parameters
    ----------
    data : xarray.Dataset
        The data.

    Returns
    -------
    str
        64 hexadecimal digits. Elementary functions differ in the last place between machines, which single precision does not see.
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, data.variables)):
        values, kind = data[name].values, data[name].dtype.kind
        digest.update(f"{name} {data[name].dims} {values.shape} {data[name].attrs.get('units')}".encode())
        if kind in "mM":
            values = values.astype(f"{kind}8[ns]").astype("int64")
        numbers = values.astype("float32") if kind == "f" else values
        digest.update("\n".join(map(str, values.ravel())).encode() if kind in "OUS" else np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()
