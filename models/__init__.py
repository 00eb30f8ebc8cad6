"""The collection of PyMC models: one folder each, with ``model.py`` (``build(data, ...) -> pm.Model``) and ``card.md``.

The folder is scanned: there is no list to keep.
"""

import importlib
from importlib.resources import files
from types import ModuleType

from lsm_bayes.vocabulary import unknown


def available() -> dict[str, str]:
    """List the models.

    Returns
    -------
    dict
        Name to title, the heading of the model's card.
    """
    folders = sorted((f for f in files(__name__).iterdir() if f.joinpath("model.py").is_file()), key=lambda f: f.name)
    return {f.name: f.joinpath("card.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for f in folders}


def get(name: str) -> ModuleType:
    """Import a model of the collection.

    Parameters
    ----------
    name : str
        Such as ``"dalec_single_site"``.

    Returns
    -------
    module
        Its ``model.py``, with ``build``.

    Raises
    ------
    KeyError
        If there is none of that name; the message lists those that exist.
    """
    if name not in available():
        raise KeyError(unknown("model", name, available()))
    return importlib.import_module(f"{__name__}.{name}.model")
