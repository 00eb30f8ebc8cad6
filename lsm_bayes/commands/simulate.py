"""Run a process model and write NetCDF."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsm_bayes.commands.verb import Verb, add_choice_of_data, read_data


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="process model; `lsm-bayes models` lists them")
    parser.add_argument("data", help="data set with the forcing (`lsm-bayes data` lists them), or a NetCDF file")
    add_choice_of_data(parser)
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
    data = read_data(arguments)
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


SIMULATE = Verb(
    "simulate",
    "run a process model and write NetCDF",
    (
        "lsm-bayes simulate dalec_cdea ch-dav --start 2013 --end 2016 --output davos.nc",
        "lsm-bayes simulate dalec_cdea fluxnet-daily-water --site FI-Hyy -p f_auto=0.45 -p leaf_mass_area=110 -o hyy.nc",
        "lsm-bayes simulate dalec_cdea my_towers.nc --parameters mine.json --only nee --only gpp -o run.nc",
    ),
    _simulate_arguments,
    _simulate,
)
