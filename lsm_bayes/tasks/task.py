"""A task: independent work with a name, from which its seed follows."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import xarray as xr

LONGEST_NAME = 200  # characters of the file; file systems allow 255
Result = xr.Dataset | xr.DataTree


@dataclasses.dataclass(frozen=True)
class Task:
    """One piece of work that waits for no other: a site, a pixel, a fold, a chain.

    Parameters
    ----------
    name : str
        Name that no other task of the run has; the file of the result is named after it.
    function : callable
        Called as ``function(seed=..., **arguments)``; returns an `xarray.Dataset` or `xarray.DataTree`. It stands at the top level of a
        module that the workers can import.
    arguments : mapping of str to object
        Numbers, text, paths, arrays, datasets, functions, and sequences, mappings and data classes of them. A task goes to its worker
        with its arguments: give large data as the path of a file that the workers can read.

    Raises
    ------
    ValueError
        If the name is empty or too long, or `seed` is among the arguments.
    TypeError
        If the function cannot be called, or is no function of a module.
    """

    name: str
    function: Callable[..., Result]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or len(self.file) > LONGEST_NAME:
            raise ValueError(f"the name of a task has 1 to {LONGEST_NAME} characters, got {self.name!r}")
        if not callable(self.function):
            raise TypeError(f"task {self.name!r}: the function is a {type(self.function).__name__}; give a function")
        if "<" in getattr(self.function, "__qualname__", "<"):
            raise TypeError(
                f"task {self.name!r}: {self.function!r} cannot be sent to a worker; define the function at the top level of a module"
            )
        if "seed" in self.arguments:
            raise ValueError(f"task {self.name!r}: 'seed' is not an argument to give; it follows from the name and the seed of the run")

    @property
    def file(self) -> str:
        """Name of the file of the result: the task's own, with what file systems refuse as ``%XX``."""
        plain = quote(self.name, safe="=,+ ")
        return f"{'%2E' + plain[1:] if plain.startswith('.') else plain}.zarr.zip"

    def seed(self, base: int) -> int:
        """Seed of this task: the same in every order, on every worker and with every executor.

        Parameters
        ----------
        base : int
            Seed of the run, 0 or more.

        Returns
        -------
        int
            Below 2**32.
        """
        return int(np.random.SeedSequence([base, *self.name.encode()]).generate_state(1)[0])

    def fingerprint(self, base: int) -> str:
        """Hash of the function's name, the arguments and the seed: a stored result with another one is that of another task.

        Parameters
        ----------
        base : int
            Seed of the run.

        Returns
        -------
        str
            32 hexadecimal digits. Of a path only the last part counts, so that a store may be moved.
        """
        return digest([self.function, self.arguments, base])


def digest(value: Any) -> str:
    """Hash plain values, arrays, datasets and data classes by content.

    Parameters
    ----------
    value : object
        What `Task` takes as arguments.

    Returns
    -------
    str
        32 hexadecimal digits, the same in every session.

    Raises
    ------
    TypeError
        For objects whose content cannot be told.
    """
    found = hashlib.blake2b(digest_size=16)
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        found.update(f"{type(value).__name__} {value!r};".encode())
    elif isinstance(value, Path):
        found.update(f"path {value.name!r};".encode())
    elif isinstance(value, np.ndarray):
        values = value.astype(str) if value.dtype.kind == "O" else value
        found.update(f"array {values.dtype.str} {values.shape};".encode() + np.ascontiguousarray(values).tobytes())
    elif isinstance(value, xr.Dataset | xr.DataArray):
        parts = value.to_dataset(name="array") if isinstance(value, xr.DataArray) else value
        for name in sorted(map(str, parts.variables)):
            _feed(found, [name, parts[name].dims, parts[name].values, parts[name].attrs])
    elif isinstance(value, Mapping):
        found.update(f"mapping {len(value)};".encode())
        for key in sorted(value, key=str):
            _feed(found, [key, value[key]])
    elif isinstance(value, list | tuple):
        found.update(f"sequence {len(value)};".encode())
        for part in value:
            _feed(found, part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _feed(found, [type(value).__qualname__, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}])
    elif callable(value) and hasattr(value, "__qualname__"):
        found.update(f"function {value.__qualname__};".encode())
    else:
        raise TypeError(
            f"cannot tell the content of a {type(value).__name__}; arguments of a task are numbers, text, paths, arrays, datasets, "
            "functions, and sequences, mappings and data classes of them"
        )
