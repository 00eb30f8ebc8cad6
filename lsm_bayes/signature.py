"""Know a graph again: a hash of what it computes, and a folder for what followed from it.

The unrewritten graph is hashed, with its constants, the code of this package and the versions of those it builds on. An operation
that cannot be told apart for certain makes a graph unknown, and nothing is kept.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

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
    for path in sorted(Path(__file__).parent.rglob("*.py")):
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
    for inputs, outputs in getattr(op, "meaning", ()):  # of runs of a process model: what their properties do not tell
        own += b"".join(_graph(outputs, inputs))
    properties = getattr(op, "__props__", None)
    if properties is not None:
        return own + b"".join(_token(getattr(op, p)) for p in properties)
    if isinstance(op, ScalarOp) and not isinstance(op, Composite) and not hasattr(op, "fgraph"):
        return own + _token(getattr(op, "o_type", None))
    raise _UnknownError(op)


def folder() -> Path:
    """Folder of what is kept, beside what PyTensor keeps.

    Returns
    -------
    pathlib.Path
        It need not exist.
    """
    return Path(pytensor.config.base_compiledir) / "lsm_bayes"


def keep(path: Path, write: Callable[[BinaryIO], None], number: int) -> None:
    """Write a file in one go; a folder that cannot be written to keeps nothing.

    Parameters
    ----------
    path : pathlib.Path
        Of the file.
    write : callable
        Writes to an open file.
    number : int
        How many files of this suffix stay in the folder; the oldest go.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            write(file)  # type: ignore[arg-type]
        os.replace(file.name, path)
        for old in sorted(path.parent.glob(f"*{path.suffix}"), key=lambda p: p.stat().st_mtime)[:-number]:
            old.unlink(missing_ok=True)
    except OSError:
        return
