"""The collection of PyMC models: a folder each, with ``model.py`` (``build(data, ...) -> pm.Model``), ``card.md`` and ``reference.json``.

The folder is scanned: there is no list to keep. Folders that are appended to ``lsm_bayes.models.__path__`` are scanned as well.
A model with a reference posterior has a function ``reference() -> Reference`` that says what it is of; `lsm_bayes.reference` makes it.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lsm_bayes.vocabulary import unknown

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Reference:
    """What the reference posterior of a model is of.

    Parameters
    ----------
    data : xarray.Dataset
        Data for ``build``.
    arguments : mapping
        Its other arguments.
    starts : sequence of mapping
        Where the search for modes begins, beside draws of the prior: values of all free variables. For posteriors with a false summit that
        climbs from far away end on.
    """

    data: "xr.Dataset"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    starts: Sequence[Mapping[str, Any]] = ()


def _folders() -> dict[str, Path]:
    return {f.name: f for place in __path__ for f in sorted(Path(place).iterdir()) if (f / "model.py").is_file()}


def available() -> dict[str, str]:
    """List the models.

    Returns
    -------
    dict
        Name to title, the heading of the model's card.
    """
    found = sorted(_folders().items())
    return {name: (f / "card.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for name, f in found}


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
    folder(name)
    return importlib.import_module(f"{__name__}.{name}.model")


def folder(name: str) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    name : str
        Such as ``"dalec_single_site"``.

    Returns
    -------
    pathlib.Path
        With ``model.py``, ``card.md`` and, where there is one, ``reference.json``.

    Raises
    ------
    KeyError
        If there is none of that name; the message lists those that exist.
    """
    found = _folders()
    if name not in found:
        raise KeyError(unknown("model", name, sorted(found)))
    return found[name]


def reference_posterior(name: str) -> dict[str, Any] | None:
    """Read the stored reference posterior of a model.

    Parameters
    ----------
    name : str
        Such as ``"vsem_twin"``.

    Returns
    -------
    dict or None
        ``parameters`` (name to mean, sd, quantiles, their Monte Carlo errors, R-hat, effective sample sizes), ``checks`` with their
        thresholds and verdicts, ``passed``, ``seed``, ``versions``, ``data_hash`` and more; None where there is none.
    """
    path = folder(name) / "reference.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
