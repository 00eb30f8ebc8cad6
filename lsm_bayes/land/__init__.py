"""Process models, one self-contained file each. The folder is scanned: there is no list to keep.

A file declares one or more `lsm_bayes.declare.ProcessModel` objects at module level; each is found under its ``name``.
"""

import importlib
import pkgutil
from functools import cache

from lsm_bayes.declare import ProcessModel
from lsm_bayes.vocabulary import unknown


@cache
def _found() -> dict[str, ProcessModel]:
    found: dict[str, ProcessModel] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, ProcessModel):
                found[value.name] = value
    return found


def available() -> list[str]:
    """Return the names of the process models.

    Returns
    -------
    list of str
        Sorted names.
    """
    return sorted(_found())


def get(name: str) -> ProcessModel:
    """Look up a process model by name.

    Parameters
    ----------
    name : str
        Such as ``"dalec_cdea"``.

    Returns
    -------
    ProcessModel
        The declaration.

    Raises
    ------
    KeyError
        If there is none of that name; the message lists those that exist.
    """
    if name not in _found():
        raise KeyError(unknown("process model", name, _found()))
    return _found()[name]
