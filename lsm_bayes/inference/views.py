"""Arrays of known shape in flat memory: slices, transposes and reshapes as index arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar.basic import ScalarType
from pytensor.tensor.subtensor import indices_from_subtensor


class Unwritable(Exception):
    """The graph has something that cannot be written as loops; the message says what."""


@dataclass(frozen=True)
class View:
    """Array in flat memory: element (i, j, ...) lies at ``start + i * strides[0] + j * strides[1] + ...``.

    Attributes
    ----------
    base : str
        Name of the memory; of the number itself when `number` is true, or its literal.
    start : int
        Place of the first element.
    strides, shape : tuple of int
        One for each dimension.
    number : bool
        All elements are one number.
    """

    base: str
    start: int
    strides: tuple[int, ...]
    shape: tuple[int, ...]
    number: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def contiguous(self) -> bool:
        """Whether elements lie behind each other in the order of C."""
        return all(n == 1 or s == c for n, s, c in zip(self.shape, self.strides, c_strides(self.shape), strict=True))

    def element(self, indices: Sequence[str]) -> str:
        """Write an element as an expression."""
        if self.number:
            return self.base
        terms = [f"{i} * {s}" if s != 1 else i for i, s in zip(indices, self.strides, strict=True) if s != 0 and i != "0"]
        return f"{self.base}[{' + '.join([*([str(self.start)] if self.start or not terms else []), *terms])}]"

    def ordered(self, order: Sequence[int | str], shape: tuple[int, ...]) -> "View":
        """Permute, drop and add dimensions; ``"x"`` adds one."""
        return View(self.base, self.start, tuple(0 if k == "x" else self.strides[int(k)] for k in order), shape, self.number)

    def reshaped(self, shape: tuple[int, ...]) -> "View":
        """Reshape what is contiguous, or a number."""
        return View(self.base, self.start, c_strides(shape), shape, self.number)

    def broadcast(self, shape: tuple[int, ...]) -> "View":
        """Repeat along new leading dimensions and those of length one."""
        new = len(shape) - len(self.shape)
        kept = (0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True))
        return View(self.base, self.start, (*([0] * new), *kept), shape, self.number)

    def part(self, axis: int, first: int, shape: tuple[int, ...]) -> "View":
        """Take a stretch of one dimension."""
        return View(self.base, self.start + first * self.strides[axis], self.strides, shape, self.number)

    def sliced(self, indices: Sequence[Any]) -> "View":
        """Apply integers and slices."""
        start, strides, shape = self.start, [], []
        for k, n in enumerate(self.shape):
            index = indices[k] if k < len(indices) else slice(None)
            if isinstance(index, slice):
                first, stop, step = index.indices(n)
                strides.append(self.strides[k] * step)
                shape.append(len(range(first, stop, step)))
                start += first * self.strides[k]
            else:
                start += (index + n if index < 0 else index) * self.strides[k]
        return View(self.base, start, tuple(strides), tuple(shape), self.number)


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a contiguous array, in elements."""
    return tuple(int(np.prod(shape[k + 1 :], dtype=int)) for k in range(len(shape)))


def shape_of(v: Variable) -> tuple[int, ...]:
    """Shape of a variable, which has to be known.

    Returns
    -------
    tuple of int
        Its shape.

    Raises
    ------
    Unwritable
        When it is not.
    """
    if isinstance(v.type, ScalarType):
        return ()
    if any(n is None for n in v.type.shape):
        raise Unwritable(f"the shape of {v} is not known: {v.type}")
    return tuple(int(n) for n in v.type.shape)


def constant_indices(node: Apply, first: int) -> list[Any] | None:
    """Integers and slices of an indexing node, whose indices are its inputs from `first` on; None when one is not constant."""
    if not all(isinstance(v, Constant) for v in node.inputs[first:]):
        return None

    def plain(entry: Any) -> Any:
        if isinstance(entry, slice):
            return slice(*(plain(e) for e in (entry.start, entry.stop, entry.step)))
        return int(entry.data) if isinstance(entry, Variable) else entry

    return [plain(e) for e in indices_from_subtensor(node.inputs[first:], node.op.idx_list)]


def taken(node: Apply, first: int = 1) -> tuple[int, np.ndarray] | None:
    """Axis and constant places of ``x[:, places]``; None for any other advanced index."""
    entries = node.op.idx_list
    axes = [k for k, e in enumerate(entries) if not (isinstance(e, slice) and e == slice(None))]
    if len(axes) != 1 or isinstance(entries[axes[0]], slice):
        return None
    places = node.inputs[first]
    if not isinstance(places, Constant) or places.ndim != 1 or "int" not in str(places.dtype):
        return None
    found = places.data.astype("int64")
    return axes[0], np.where(found < 0, found + shape_of(node.inputs[0])[axes[0]], found)
