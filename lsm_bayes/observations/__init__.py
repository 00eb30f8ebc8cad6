"""Observation operators: what an instrument reports, from the trajectory of a process model.

One file per family of instrument; the folder is scanned, there is no list to keep.
"""

import importlib
import pkgutil
from functools import cache

from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.vocabulary import unknown

__all__ = ["ObservationOperator", "available", "get"]


@cache
def _found() -> dict[str, ObservationOperator]:
    found: dict[str, ObservationOperator] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, ObservationOperator):
                found[value.name] = value
    return found


def available() -> list[str]:
    """Return the names of the observation operators.

    Returns
    -------
    list of str
        Sorted names.
    """
    return sorted(_found())


def get(name: str) -> ObservationOperator:
    """Look up an observation operator.

    Parameters
    ----------
    name : str
        Such as ``"nee"``.

    Returns
    -------
    ObservationOperator
        The operator.

    Raises
    ------
    KeyError
        If there is none of that name; the message lists those that exist.
    """
    if name not in _found():
        raise KeyError(unknown("observation operator", name, _found()))
    return _found()[name]
