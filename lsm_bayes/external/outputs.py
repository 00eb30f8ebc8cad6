"""How outputs of a run are read."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NETCDF = (".nc", ".nc4", ".cdf")


class RunFailed(Exception):
    """A run that gave nothing to use; the text is the reason."""


@dataclass(frozen=True)
class Output:
    """One series of numbers that a run gives.

    Parameters
    ----------
    unit : str
        CF notation, ``"1"`` for dimensionless.
    size : int
        Number of values.
    file : str, optional
        Name in the working directory: netCDF (``.nc``, ``.nc4``, ``.cdf``), else text in columns between commas, semicolons or blanks.
    variable : str, optional
        Of a netCDF file; its values in the order of its dimensions.
    column : str or int, optional
        Of a text: a name in its first line, or a place from 0 on. Lines that begin with ``#`` are skipped, and so is a first line without
        numbers. Needed where there are several columns.
    reader : callable, optional
        In place of a file: takes the working directory and returns the values.
    description : str
        One sentence.

    Raises
    ------
    ValueError
        When size, file and reader do not fit together.
    """

    unit: str
    size: int
    file: str | None = None
    variable: str | None = None
    column: str | int | None = None
    reader: Callable[[Path], Any] | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"an output of {self.size} values was declared; give at least 1")
        if self.file is not None and self.reader is not None:
            raise ValueError(f"an output has the file {self.file!r} and a reader; give one of them")
        if self.file is not None and (Path(self.file).suffix in NETCDF) != (self.variable is not None):
            raise ValueError(
                f"the output file {self.file!r} came with variable {self.variable!r}; a netCDF file needs one, and other files have none"
            )
        if self.column is not None and (self.file is None or self.variable is not None):
            raise ValueError(f"the column {self.column!r} is of a file of text in columns; got file {self.file!r}")

    def read(self, name: str, folder: Path) -> np.ndarray:
        """Read the values from what a run left.

        Parameters
        ----------
        name : str
            Of the output, for messages.
        folder : Path
            Working directory.

        Returns
        -------
        numpy.ndarray
            Shape (size,).

        Raises
        ------
        RunFailed
            When they cannot be read, or are not as declared.
        """
        if self.reader is not None:
            try:
                found = self.reader(folder)
            except Exception as error:
                raise RunFailed(f"output {name!r}: its reader raised {type(error).__name__}: {error}") from error
            return self.checked(name, found)
        path = folder / str(self.file)
        if not path.is_file():
            there = ", ".join(sorted(p.name for p in folder.iterdir())[:20])
            raise RunFailed(f"output {name!r}: the run wrote no {self.file}; its directory has {there or 'nothing'}")
        try:
            found = self._netcdf(path) if self.variable is not None else self._column(path)
        except (OSError, ValueError, KeyError, IndexError, UnicodeDecodeError, RuntimeError) as error:
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise RunFailed(f"output {name!r}: {self.file} cannot be read: {text}") from error
        return self.checked(name, found)

    def checked(self, name: str, values: Any) -> np.ndarray:
        """Refuse values that are not as declared.

        Parameters
        ----------
        name : str
            Of the output.
        values : array-like
            What a run gave.

        Returns
        -------
        numpy.ndarray
            Shape (size,).

        Raises
        ------
        RunFailed
            For another number of values, and for values that are no finite numbers.
        """
        try:
            found = np.ravel(np.asarray(values, dtype="float64"))
        except (TypeError, ValueError) as error:
            raise RunFailed(f"output {name!r}: got {type(values).__name__}, not numbers: {error}") from error
        if found.size != self.size:
            raise RunFailed(f"output {name!r}: got {found.size} values, expected {self.size}")
        odd = np.flatnonzero(~np.isfinite(found))
        if odd.size:
            raise RunFailed(f"output {name!r}: {odd.size} of {found.size} values are not finite, the first of them at {odd[0]}")
        return found

    def _netcdf(self, path: Path) -> np.ndarray:
        import xarray as xr

        with xr.open_dataset(path, decode_times=False, engine="netcdf4") as opened:
            if self.variable not in opened:
                raise KeyError(f"it has no variable {self.variable!r}, but {', '.join(map(str, opened.variables))}")
            return np.asarray(opened[self.variable].values, dtype="float64")

    def _column(self, path: Path) -> list[float]:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if not lines:
            raise ValueError("it is empty")
        separator = next((s for s in ",;" if s in lines[0]), None)
        rows = (
            [[c.strip() for c in row] for row in csv.reader(lines, delimiter=separator)] if separator else [line.split() for line in lines]
        )
        head = rows[0] if not any(_is_number(c) for c in rows[0]) else None
        if isinstance(self.column, str):
            if head is None or self.column not in head:
                raise ValueError(f"its first line has no column {self.column!r}: {' '.join(lines[0].split())[:200]}")
            place = head.index(self.column)
        elif self.column is None and len(rows[0]) > 1:
            raise ValueError(f"it has {len(rows[0])} columns; declare which one")
        else:
            place = self.column or 0
        return [float(row[place]) for row in (rows if head is None else rows[1:])]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
