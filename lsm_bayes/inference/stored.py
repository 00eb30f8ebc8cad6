"""Keep the text of a compiled log-density: a model with the same graph and data as before is not rewritten and written again.

Numba's own cache knows a function by its text; making the text of a calibration takes seconds. Here the unrewritten graph of the
log-density is hashed, with its constants, the code of this package and the versions of those it builds on. What is hashed is what
the text follows from: an operation that cannot be told apart for certain makes the model unknown, and nothing is kept.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pymc
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import toposort
from pytensor.graph.type import Type
from pytensor.scalar.basic import Composite, ScalarOp

from lsm_bayes.fixed_point import FixedPoint
from lsm_bayes.nested import NestedProgram
from lsm_bayes.trajectory import Trajectory

from .loops import Written

KEPT = 64  # texts; the oldest go


class _UnknownError(Exception):
    """Something whose meaning its parts do not tell."""


def signature(outputs: Sequence[Variable], inputs: Sequence[Variable]) -> str | None:
    """Hash a graph with its constants.

    Parameters
    ----------
    outputs, inputs : sequence of Variable
        The graph.

    Returns
    -------
    str or None
        Equal for graphs that compute the same in the same way; None when an operation cannot be told apart for certain.
    """
    found = hashlib.sha256(_versions().encode())
    try:
        for text in _graph(outputs, inputs):
            found.update(text)
    except _UnknownError:
        return None
    return found.hexdigest()


@cache
def _versions() -> str:
    """Versions, and the code of this package: what is written depends on all of it."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    versions = (pytensor.__version__, pymc.__version__, numba.__version__, np.__version__)
    return f"{versions} {pytensor.config.floatX} {pytensor.config.numba__fastmath} {code.hexdigest()}"


def _graph(outputs: Sequence[Variable], inputs: Sequence[Variable]) -> Any:
    place: dict[Variable, int] = {}

    def name(v: Variable) -> bytes:
        place[v] = len(place)
        return _token(v.type)

    for v in inputs:
        yield name(v)
    for node in toposort(outputs, blockers=inputs):
        for v in node.inputs:
            if v not in place:
                yield name(v) + _leaf(v)
        yield _token(node.op) + repr([place[v] for v in node.inputs]).encode()
        for v in node.outputs:
            yield name(v)
    for v in outputs:
        if v not in place:
            yield name(v) + _leaf(v)
    yield repr([place[v] for v in outputs]).encode()


def _leaf(v: Variable) -> bytes:
    if isinstance(v, Constant):
        return _token(v.data)
    if isinstance(v, SharedVariable):
        return _token(np.asarray(v.get_value()))
    raise _UnknownError(v)


def _token(x: Any) -> bytes:
    if x is None or isinstance(x, bool | int | float | str | bytes | np.generic):
        return f"{type(x).__name__} {x!r};".encode()
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        return f"{x.dtype} {x.shape} {x.strides}".encode() + hashlib.sha256(np.ascontiguousarray(x)).digest()
    if isinstance(x, slice):
        return b"slice" + _token((x.start, x.stop, x.step))
    if isinstance(x, tuple | list):
        return f"{type(x).__name__} {len(x)}".encode() + b"".join(map(_token, x))
    if isinstance(x, Mapping):
        return f"mapping {len(x)}".encode() + b"".join(_token(k) + _token(x[k]) for k in sorted(x))
    if isinstance(x, np.dtype | Type):
        return f"{type(x).__name__} {x!r};".encode()
    if isinstance(x, type):
        return f"{x.__module__}.{x.__qualname__};".encode()
    if isinstance(x, Variable):
        return _token(x.type) + _leaf(x)
    if isinstance(x, Op):
        return _operation(x)
    raise _UnknownError(x)


def _operation(op: Op) -> bytes:
    own = _token(type(op))
    if isinstance(op, Trajectory | FixedPoint):
        # Steps that compute the same may differ in where they stop gradients.
        steps = op.program.split_steps if isinstance(op.program, NestedProgram) else (op.program.step,)
        parts = [g for s in steps for g in (s.constants, s.body)]
        own += b"".join(part for g in parts for part in _graph(g.outputs, g.flat))
    properties = getattr(op, "__props__", None)
    if properties is not None:
        return own + b"".join(_token(getattr(op, p)) for p in properties)
    if isinstance(op, ScalarOp) and not isinstance(op, Composite) and not hasattr(op, "fgraph"):
        return own + _token(getattr(op, "o_type", None))
    raise _UnknownError(op)


def _folder() -> Path:
    return Path(pytensor.config.base_compiledir) / "lsm_bayes"


def load(key: str) -> Written | None:
    """Read what was kept.

    Parameters
    ----------
    key : str
        From `signature`.

    Returns
    -------
    Written or None
        Without the functions that it calls, which Numba's cache holds; None when nothing readable is there.
    """
    path = _folder() / f"{key}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            written = Written(str(found["text"]), {"np": np}, (found["numbers"], found["places"]), str(found["key"]))
        os.utime(path)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return written


def save(key: str, written: Written) -> None:
    """Keep a text; a folder that cannot be written to keeps nothing.

    Parameters
    ----------
    key : str
        From `signature`.
    written : Written
        With a key of its own.
    """
    if written.key is None:
        return
    numbers, places = written.tables
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=_folder(), suffix=".part", delete=False) as file:
            np.savez(file, text=np.array(written.text), key=np.array(written.key), numbers=numbers, places=places)
        os.replace(file.name, _folder() / f"{key}.npz")
        for old in sorted(_folder().glob("*.npz"), key=lambda p: p.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return
