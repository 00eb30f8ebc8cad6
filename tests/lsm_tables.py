"""Tables of single routines of other land models, beside the data folder; and evaluation of process functions on whole tables."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr

Table = dict[str, np.ndarray]


@cache
def _read(name: str) -> Table | None:
    folder = os.environ.get("LSM_BAYES_DATA")
    path = Path(folder or ".").parent / "reference" / "lsm" / f"{name}.nc"
    if not folder or not path.is_file():
        return None
    with xr.open_dataset(path) as data:
        return {str(n): np.asarray(v.values, dtype=float) for n, v in data.variables.items()}


def table(name: str) -> Table:
    """Read a table, or skip the test where it is not there."""
    found = _read(name)
    if found is None:
        pytest.skip(f"the table {name}.nc is not in reference/lsm beside the folder LSM_BAYES_DATA")
    return found


def rows(found: Table, chosen: np.ndarray) -> Table:
    """Return rows of a table; what has another first dimension stays."""
    return {n: v[chosen] if v.shape[:1] == chosen.shape else v for n, v in found.items()}


def columns(values: np.ndarray) -> list[np.ndarray]:
    """Split layers or pools into vectors."""
    return [np.ascontiguousarray(v) for v in np.moveaxis(values, -1, 0)]


def evaluate(function: Callable[..., Any], *arguments: Any) -> list[np.ndarray]:
    """Evaluate a symbolic function of vectors; arguments may be lists of vectors."""
    symbols: list[Any] = []
    values: list[np.ndarray] = []

    def symbol(value: Any) -> Any:
        if isinstance(value, list):
            return [symbol(v) for v in value]
        symbols.append(pt.dvector())
        values.append(np.asarray(value, dtype=float))
        return symbols[-1]

    given = [symbol(a) for a in arguments]
    outputs = flat(function(*given))
    compiled = pytensor.function(symbols, outputs, mode="FAST_COMPILE", on_unused_input="ignore")
    return [np.asarray(v) for v in compiled(*values)]


def flat(found: Any) -> list[Any]:
    """Return the tensors of a nested tuple."""
    if isinstance(found, (tuple, list)):
        return [t for part in found for t in flat(part)]
    return [pt.as_tensor(found)]


def worst(got: Sequence[np.ndarray] | np.ndarray, wanted: Sequence[np.ndarray] | np.ndarray, least: float = 1e-300) -> float:
    """Return the largest relative difference; NaN counts as infinite."""
    got, wanted = np.broadcast_arrays(np.asarray(got, dtype=float), np.asarray(wanted, dtype=float))
    off = np.where(got == wanted, 0.0, np.abs(got - wanted) / np.maximum(np.abs(wanted), least))
    return float(np.max(np.where(np.isnan(off), np.inf, off)))


def check_gradients(function: Callable[..., Any], point: Mapping[str, Any], limit: float = 1e-6) -> None:
    """Compare gradients of a weighted sum of all outputs with differences of fourth order, at each element of vectors in the point.

    Relative to the effect of a change by the size of each input; an effect below a thousandth of the value is compared with that.
    """
    x0 = np.stack(np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=float)) for v in point.values())))
    symbols = {n: pt.dvector(n) for n in point}
    outputs = [t for t in flat(function(**symbols)) if t.owner is not None]
    first = pytensor.function(list(symbols.values()), outputs, mode="FAST_COMPILE", on_unused_input="ignore")
    sizes = np.maximum(np.abs(np.stack([np.broadcast_to(v, x0.shape[1:]) for v in first(*x0)])).max(axis=1), 1e-12)
    weights = np.random.default_rng(3).uniform(0.5, 1.5, len(sizes)) / sizes
    total: Any = sum(w * o for w, o in zip(weights, outputs, strict=True))
    derived = pytensor.grad(total.sum(), list(symbols.values()), disconnected_inputs="ignore")
    both = pytensor.function(list(symbols.values()), derived, mode="FAST_COMPILE", on_unused_input="ignore")
    gradient = np.stack([np.broadcast_to(g, x0.shape[1:]) for g in both(*x0)])
    assert np.all(np.isfinite(gradient)), gradient
    size = np.maximum(np.abs(x0), 1e-3)
    for k, name in enumerate(point):
        step = np.zeros_like(x0)
        step[k] = 2e-5 * size[k]
        f = {s: sum(w * o for w, o in zip(weights, first(*(x0 + s * step)), strict=True)) for s in (-2, -1, 1, 2)}
        numeric = (f[-2] - 8 * f[-1] + 8 * f[1] - f[2]) / (12 * step[k])
        off = np.abs(gradient[k] - numeric) * size[k] / np.maximum(np.abs(numeric) * size[k], 1e-3 * len(outputs))
        assert np.max(off) < limit, f"{name}: gradient {gradient[k]}, differences {numeric}"
