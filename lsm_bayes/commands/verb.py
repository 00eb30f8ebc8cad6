"""What a verb is, and what several of them share."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

GATE_FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130


@dataclass(frozen=True)
class Verb:
    """One verb of the command.

    Parameters
    ----------
    name : str
        What the user types.
    summary : str
        One line for ``lsm-bayes --help``.
    examples : tuple of str
        Complete calls for the end of the verb's own help.
    arguments : callable
        Adds the arguments to the verb's parser.
    run : callable
        Takes the parsed arguments and returns the exit status.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def print_columns(rows: Iterable[Sequence[object]]) -> None:
    """Print rows with aligned columns; the last one is as wide as it is.

    Parameters
    ----------
    rows : iterable of sequences
        As many cells in each.
    """
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)] if table else []
    for row in table:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())


def add_choice_of_data(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose sites and a period.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of a verb.
    """
    parser.add_argument("--site", action="append", metavar="NAME", help="site to take, such as FI-Hyy; may be repeated; default: all")
    parser.add_argument("--start", metavar="DATE", help="first day, such as 2001 or 2001-04-01; default: the first with data")
    parser.add_argument("--end", metavar="DATE", help="last day; default: the last with data")


def read_data(arguments: argparse.Namespace) -> "xr.Dataset":
    """Load a registered data set by name, or read a NetCDF file.

    Parameters
    ----------
    arguments : argparse.Namespace
        With ``data``, ``site``, ``start`` and ``end``.

    Returns
    -------
    xarray.Dataset
        The chosen sites and period.

    Raises
    ------
    ValueError
        When nothing lies in the period.
    """
    from lsm_bayes import datasets
    from lsm_bayes.datasets.choose import choose_sites
    from lsm_bayes.datasets.xarray_reader import read_netcdf

    path = Path(arguments.data)
    if path.suffix not in (".nc", ".nc4"):
        return datasets.load(arguments.data, arguments.site, arguments.start, arguments.end)
    data = choose_sites(datasets.from_xarray(read_netcdf(path)), arguments.site, path.name)
    chosen = data.sel(time=slice(arguments.start, arguments.end))
    if not chosen.sizes["time"]:
        first, last = (str(t)[:10] for t in data["time"].values[[0, -1]])
        raise ValueError(f"{path.name} has no step from {arguments.start} to {arguments.end}; it covers {first} to {last}")
    return chosen
