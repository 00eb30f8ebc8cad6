"""The command `lsm-bayes`: the verbs of the Python API on the command line.

Exit status: 0 when all is well, 1 when a gate fails, 2 for a wrong call or input that cannot be used, 130 when interrupted.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The libraries take seconds to import, so each verb imports what it needs and --help answers at once.
if TYPE_CHECKING:
    import xarray as xr

    from lsm_bayes.declare import ProcessModel

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


def _columns(rows: Iterable[Sequence[object]]) -> None:
    """Print rows with aligned columns; the last one is as wide as it is."""
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)] if table else []
    for row in table:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())


def _models_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="process model to describe; without it, list all")


def _models(arguments: argparse.Namespace) -> int:
    import lsm_bayes.models as models
    from lsm_bayes import land

    if arguments.model:
        _describe(land.get(arguments.model))
        return 0
    print("Process models (lsm_bayes.land):")
    _columns((f"  {name}", land.get(name).title) for name in land.available())
    if models.available():
        print("\nCalibrations (lsm_bayes.models):")
        _columns((f"  {name}", title) for name, title in models.available().items())
    return 0


def _describe(model: "ProcessModel") -> None:
    print(f"{model.name}: {model.title}")
    for title, declared in (("Parameters", model.parameter_table), ("Initial states", model.state_parameters)):
        print(f"\n{title}:")
        header = ("  name", "default", "bounds", "unit", "level", "meaning")
        rows = (
            (f"  {name}", f"{default:g}", f"{p.bounds[0]:g} to {p.bounds[1]:g}", p.unit, p.level, p.description)
            for name, (p, default) in declared.items()
        )
        _columns([header, *rows])
    for title, quantities in (("Forcing", model.forcing_quantities), ("Fluxes", model.flux_quantities)):
        print(f"\n{title}:")
        _columns((f"  {name}", q.unit, q.description) for name, q in quantities.items())
    if model.citations:
        print("\nCitations:", *model.citations, sep="\n  ")


def _choice_of_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", action="append", metavar="NAME", help="site to take, such as FI-Hyy; may be repeated; default: all")
    parser.add_argument("--start", metavar="DATE", help="first day, such as 2001 or 2001-04-01; default: the first with data")
    parser.add_argument("--end", metavar="DATE", help="last day; default: the last with data")


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", help="data set, or a NetCDF file, to describe; without it, list the data sets")
    _choice_of_data(parser)


def _data(arguments: argparse.Namespace) -> int:
    from lsm_bayes import datasets

    if not arguments.data:
        _columns((name, row["summary"], row["source"]) for name, row in datasets.available().iterrows())
        return 0
    data = _read(arguments)
    days = data["time"].dt.strftime("%Y-%m-%d").values
    print(f"{arguments.data}: {data.attrs.get('title', 'untitled')}")
    print(f"{data.sizes['site']} sites, {days[0]} to {days[-1]}, {data.sizes['time']} steps\n")
    _columns(
        [
            ("site", "pft", "latitude", "elevation"),
            *((str(s["site"].item()), *(_coordinate(s, n) for n in ("pft", "latitude", "elevation"))) for _, s in data.groupby("site")),
        ]
    )
    print()
    variables = [str(v) for v in data.data_vars if data[v].dtype.kind == "f" and not str(v).endswith("_coverage")]
    present = {v: f"{100 * float(data[v].notnull().mean()):.0f} %" for v in variables}
    _columns(
        [
            ("variable", "unit", "present", "meaning"),
            *((v, data[v].attrs.get("units", ""), present[v], _meaning(data, v)) for v in variables),
        ]
    )
    for name in ("licence", "citation", "source"):
        if data.attrs.get(name):
            print(f"\n{name.capitalize()}: {data.attrs[name]}")
    return 0


def _coordinate(site: "xr.Dataset", name: str) -> str:
    value = site.coords[name].values.ravel()[0] if name in site.coords else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _meaning(data: "xr.Dataset", name: str) -> str:
    attrs = data[name].attrs
    return str(attrs.get("long_name") or f"from {attrs.get('source', 'an unknown source')}")


def _read(arguments: argparse.Namespace) -> "xr.Dataset":
    """Load a registered data set by name, or read a NetCDF file."""
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


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="process model; `lsm-bayes models` lists them")
    parser.add_argument("data", help="data set with the forcing (`lsm-bayes data` lists them), or a NetCDF file")
    _choice_of_data(parser)
    parser.add_argument(
        "--parameter",
        "-p",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter or initial state in its declared unit; may be repeated; declared defaults are used for the rest",
    )
    parser.add_argument("--parameters", metavar="FILE", type=Path, help="JSON file of names and values; --parameter goes before it")
    parser.add_argument("--only", action="append", metavar="NAME", help="flux or state to write; may be repeated; default: all")
    parser.add_argument("--output", "-o", required=True, metavar="FILE", type=Path, help="NetCDF file to write")


def _simulate(arguments: argparse.Namespace) -> int:
    from lsm_bayes import land
    from lsm_bayes.simulation import simulate

    model = land.get(arguments.model)
    parameters = _parameters(arguments.parameters, arguments.parameter)
    if not arguments.output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(arguments.output.parent)!r} to write {arguments.output.name} into")
    data = _read(arguments)
    run = simulate(model, data, parameters, outputs=arguments.only)
    for name in sorted(set(parameters) & set(model.calibrated)):
        low, high = model.calibrated[name][0].bounds
        if not low <= parameters[name] <= high:
            print(f"lsm-bayes: note: {name} = {parameters[name]:g} is outside its declared bounds {low:g} to {high:g}", file=sys.stderr)
    run.attrs["parameters"] = json.dumps(parameters)
    run.attrs["forcing"] = "; ".join(str(v) for v in (arguments.data, data.attrs.get("citation")) if v)
    run.to_netcdf(arguments.output)
    if run.attrs["non_finite_runs"]:
        print(
            f"lsm-bayes: note: {run.attrs['non_finite_runs']} of the runs left the domain of the model and are NaN from there",
            file=sys.stderr,
        )
    names = ", ".join(map(str, run.data_vars)) if len(run.data_vars) <= 6 else f"{len(run.data_vars)} fluxes and states"
    print(f"{arguments.output}: {names} at {', '.join(run['site'].values)}, {run.sizes['time']} steps")
    return 0


def _parameters(path: Path | None, pairs: Sequence[str]) -> dict[str, float]:
    """Read parameters from a JSON file, then from NAME=VALUE."""
    found: dict[str, Any] = {}
    if path is not None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise ValueError(f'{path} holds a {type(found).__name__}; write an object such as {{"f_auto": 0.45}}')
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--parameter {pair!r} has no value; write NAME=VALUE, such as f_auto=0.45")
        found[name.strip()] = value
    numbers = {}
    for name, value in found.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"parameter {name!r} is {value!r}, which is not a number") from None
        if not math.isfinite(numbers[name]):
            raise ValueError(f"parameter {name!r} is {value!r}; give a finite number")
    return numbers


VERBS = (
    Verb("models", "list the models, or describe one", ("lsm-bayes models", "lsm-bayes models dalec_cdea"), _models_arguments, _models),
    Verb(
        "data",
        "list the data sets, or describe one",
        ("lsm-bayes data", "lsm-bayes data ch-dav --start 2015 --end 2016", "lsm-bayes data my_towers.nc"),
        _data_arguments,
        _data,
    ),
    Verb(
        "simulate",
        "run a process model and write NetCDF",
        (
            "lsm-bayes simulate dalec_cdea ch-dav --start 2013 --end 2016 --output davos.nc",
            "lsm-bayes simulate dalec_cdea fluxnet-daily-water --site FI-Hyy -p f_auto=0.45 -p leaf_mass_area=110 -o hyy.nc",
            "lsm-bayes simulate dalec_cdea my_towers.nc --parameters mine.json --only nee --only gpp -o run.nc",
        ),
        _simulate_arguments,
        _simulate,
    ),
)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
        With one sub-parser for each of `VERBS`.
    """
    whole = argparse.ArgumentParser(
        prog="lsm-bayes",
        description="Bayesian calibration of land carbon and water process models.",
        epilog="`lsm-bayes VERB --help` explains a verb, with examples. "
        "Exit status: 0 all is well, 1 a gate failed, 2 wrong call or unusable input.",
    )
    whole.add_argument("--version", action="version", version=_version())
    whole.add_argument("--traceback", action="store_true", help="show where an error arose")
    verbs = whole.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        own = verbs.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            epilog="\n  ".join(["examples:", *verb.examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.arguments(own)
        own.set_defaults(run=verb.run)
    return whole


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("lsm-bayes")
    except metadata.PackageNotFoundError:
        return "not installed"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments behind the name of the command; default those of the process.

    Returns
    -------
    int
        Exit status.
    """
    arguments = parser().parse_args(argv)
    if arguments.traceback:
        return int(arguments.run(arguments))
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("lsm-bayes: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as head, has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
        # The text of a KeyError is quoted when it is printed as such.
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"lsm-bayes: error: {' '.join(str(text).split())}", file=sys.stderr)
        return UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
