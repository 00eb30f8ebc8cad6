"""List the data sets, or describe one."""

import argparse
from typing import TYPE_CHECKING

from lsm_bayes.commands.verb import Verb, add_choice_of_data, print_columns, read_data

if TYPE_CHECKING:
    import xarray as xr


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", help="data set, or a NetCDF file, to describe; without it, list the data sets")
    add_choice_of_data(parser)


def _data(arguments: argparse.Namespace) -> int:
    from lsm_bayes import datasets

    if not arguments.data:
        print_columns((name, row["summary"], row["source"]) for name, row in datasets.available().iterrows())
        return 0
    data = read_data(arguments)
    days = data["time"].dt.strftime("%Y-%m-%d").values
    print(f"{arguments.data}: {data.attrs.get('title', 'untitled')}")
    print(f"{data.sizes['site']} sites, {days[0]} to {days[-1]}, {data.sizes['time']} steps\n")
    print_columns(
        [
            ("site", "pft", "latitude", "elevation"),
            *((str(s["site"].item()), *(_coordinate(s, n) for n in ("pft", "latitude", "elevation"))) for _, s in data.groupby("site")),
        ]
    )
    print()
    variables = [str(v) for v in data.data_vars if data[v].dtype.kind == "f" and not str(v).endswith("_coverage")]
    present = {v: f"{100 * float(data[v].notnull().mean()):.0f} %" for v in variables}
    print_columns(
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


DATA = Verb(
    "data",
    "list the data sets, or describe one",
    ("lsm-bayes data", "lsm-bayes data ch-dav --start 2015 --end 2016", "lsm-bayes data my_towers.nc"),
    _data_arguments,
    _data,
)
