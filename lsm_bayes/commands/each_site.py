"""Calibrate each site of a data set, or each pixel of a grid, by itself: the part of `lsm-bayes calibrate` that runs tasks."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsm_bayes.commands.verb import GATE_FAILED, INTERRUPTED, print_columns, read_data

if TYPE_CHECKING:
    import xarray as xr

STORE = "each"
SUMMARY, GRID, MAPS = "summary.nc", "posterior.nc", "maps.png"
EXECUTORS, METHODS = ("serial", "processes", "dask"), ("nuts", "laplace")
MOST_ROWS = 40
# None stands for "not given", so that an argument which would do nothing can be refused.
_ONLY_HERE = ("executor", "workers", "scheduler", "folds", "method", "keep", "retry_failed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that run sites or pixels by themselves.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the verb.
    """
    own = parser.add_argument_group(
        "each site by itself",
        "Each site, fold or pixel is a task, whose result is kept in FOLDER/each; the same command again does only what is missing.",
    )
    own.add_argument("--each-site", action="store_true", help="calibrate each site by itself; pixels of a --grid always are")
    own.add_argument("--executor", choices=EXECUTORS, help="where tasks run; default: serial, with --scheduler dask")
    own.add_argument("--workers", type=int, metavar="N", help="processes for tasks on this machine; default: 2")
    own.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="running Dask scheduler, such as tcp://10.0.0.5:8786, whose workers see FOLDER under its path",
    )
    own.add_argument("--folds", type=int, metavar="N", help="fits of each site, each ends --withheld-years earlier; default: 1")
    own.add_argument("--method", choices=METHODS, help="NUTS, or the quick Laplace approximation; default: nuts")
    own.add_argument("--keep", action="store_const", const=True, help="keep all draws of each site, for check and report")
    own.add_argument("--retry-failed", action="store_const", const=True, help="run again what has failed")


def wanted(arguments: argparse.Namespace) -> bool:
    """Say whether sites are to be run by themselves.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of the verb.

    Returns
    -------
    bool
        True with --each-site or --grid.

    Raises
    ------
    ValueError
        For arguments that would do nothing.
    """
    if arguments.each_site or arguments.grid:
        if arguments.grid and (arguments.site or arguments.folds):
            raise ValueError("--site and --folds are for --data with --each-site; a --grid is calibrated pixel by pixel")
        return True
    given = [f"--{name.replace('_', '-')}" for name in _ONLY_HERE if getattr(arguments, name) is not None]
    if given:
        raise ValueError(f"{', '.join(given)}: only with --each-site or --grid, where each site or pixel is calibrated by itself")
    return False


def run_each(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Run the tasks, write summaries, print a table.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of the verb.
    settings : dict
        Of `lsm_bayes.calibrate`.

    Returns
    -------
    int
        Exit status.
    """
    from lsm_bayes.tasks.sites import calibrate_sites

    method = arguments.method or "nuts"
    # A task has one core; how many chains run at a time changes no result and must not make a stored one that of another run.
    kept = ("starts", "draws") if method == "laplace" else tuple(n for n in settings if n not in ("seed", "cores"))
    common: dict[str, Any] = {
        "method": method,
        "settings": {n: settings[n] for n in kept},
        "choices": {} if arguments.withheld_years is None else {"withheld_years": arguments.withheld_years},
        "keep": bool(arguments.keep),
        "executor": arguments.executor or ("dask" if arguments.scheduler else "serial"),
        "workers": 2 if arguments.workers is None else arguments.workers,
        "scheduler": arguments.scheduler,
        "seed": settings["seed"],
        "retry_failed": bool(arguments.retry_failed),
        "progress": sys.stderr.isatty(),
    }
    store = arguments.output / STORE
    if arguments.grid:
        found = _grid(arguments, store, common)
    else:
        found = calibrate_sites(arguments.model, read_data(arguments), store, folds=arguments.folds or 1, **common)
        found.to_netcdf(arguments.output / SUMMARY)
        _print_sites(found)
        print(f"\nsummary: {arguments.output / SUMMARY}")
    print(f"results: {store}")
    if found.attrs["interrupted"]:
        print(f"lsm-bayes: interrupted; go on with: {shlex.join(['lsm-bayes', *arguments.given])}", file=sys.stderr)
        return INTERRUPTED
    return _verdict(found, method)


def _grid(arguments: argparse.Namespace, store: Path, common: dict[str, Any]) -> "xr.Dataset":
    import xarray as xr

    from lsm_bayes.datasets.xarray_reader import read_netcdf
    from lsm_bayes.tasks.grid import calibrate_grid, write_grid
    from lsm_bayes.tasks.maps import draw_maps

    path = Path(arguments.grid)
    data = xr.open_zarr(path).load() if path.suffix == ".zarr" else read_netcdf(path)
    chosen = data.sel(time=slice(arguments.start, arguments.end)) if "time" in data.coords else data
    found = calibrate_grid(arguments.model, chosen, store, **common)
    print(f"grid: {write_grid(found, arguments.output / GRID)}")
    if (found["status"] == 1).any():
        draw_maps(found, path=arguments.output / MAPS)
        print(f"maps: {arguments.output / MAPS}")
    return found


def _print_sites(found: "xr.Dataset") -> None:
    table = found.stack(row=("site", "fold")) if "fold" in found.dims else found.rename(site="row")
    columns = [n for n in ("rhat", "ess_bulk", "importance_efficiency", "gpp", "nee") if n in table]
    rows: list[tuple[object, ...]] = [("site", *(("fold",) if "fold" in found.dims else ()), *columns, "")]
    words = table["status"].attrs["flag_meanings"].split()
    for k in range(min(table.sizes["row"], MOST_ROWS)):
        one = table.isel(row=k)
        name = tuple(str(v) for v in one["row"].item()) if "fold" in found.dims else (str(one["row"].item()),)
        state = words[int(one["status"])]
        if state == "done" and "gates_passed" in one:
            state = "all gates passed" if one["gates_passed"] == 1 else "a gate failed"
        rows.append((*name, *(f"{float(one[n]):.4g}" for n in columns), f"{state}: {one['error'].item()}" if state == "failed" else state))
    print_columns(rows)
    if table.sizes["row"] > MOST_ROWS:
        print(f"and {table.sizes['row'] - MOST_ROWS} more")


def _verdict(found: "xr.Dataset", method: str) -> int:
    status = found["status"].values
    done, failed = int((status == 1).sum()), int((status == 2).sum())
    passed = int((found["gates_passed"].values == 1).sum()) if "gates_passed" in found else 0
    print(f"{done} done, {failed} failed" + (f", all gates passed at {passed}" if method == "nuts" else ""))
    return 0 if not failed and (passed == done or method == "laplace") else GATE_FAILED
