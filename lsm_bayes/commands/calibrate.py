"""Calibrate a model of the collection, write the report, check the gates."""

import argparse
import inspect
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsm_bayes.commands import each_site
from lsm_bayes.commands.verb import GATE_FAILED, INTERRUPTED, Verb, add_choice_of_data, read_data

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from lsm_bayes.comparison.folds import Folds
    from lsm_bayes.inference import Density

RESULT = "result.zarr.zip"
ASK_ABOVE = 3600.0  # s of expected sampling, above which a user at a terminal is asked
LEFT_OUT = ("years", "half-years", "sites", "streams")
SETTINGS = {
    "draws": (2000, "draws of each chain after tuning"),
    "tune": (1000, "tuning steps of each chain"),
    "chains": (4, "chains"),
    "cores": (2, "chains that run at a time"),
    "seed": (0, "seed of everything"),
    "starts": (24, "starts of the search for modes"),
    "target_accept": (0.95, "acceptance that the sampler aims at"),
    "max_treedepth": (10, "longest trajectory of the sampler is 2^N steps"),
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model of the collection; `lsm-bayes models` lists them under Calibrations")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", metavar="NAME", help="data set (`lsm-bayes data` lists them), or a NetCDF file")
    source.add_argument("--grid", metavar="FILE", help="NetCDF or Zarr on a grid: each pixel is calibrated, summaries are written as maps")
    add_choice_of_data(parser)
    parser.add_argument(
        "--withheld-years", type=int, metavar="N", help="calendar years at the end that are not fitted; default: the model's"
    )
    for name, (value, meaning) in SETTINGS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), default=value, metavar="N", help=f"{meaning}; default: {value}"
        )
    parser.add_argument(
        "--output", "-o", required=True, metavar="FOLDER", type=Path, help=f"folder for {RESULT} and report.html; made when it is not there"
    )
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run in FOLDER; starts anew when there is none")
    parser.add_argument(
        "--leave-out",
        choices=LEFT_OUT,
        help="score what is left out, in turn, for `lsm-bayes compare`; fitted again without it where importance sampling does not suffice",
    )
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask before a run of more than an hour")
    each_site.add_arguments(parser)


def _run(arguments: argparse.Namespace) -> int:
    from lsm_bayes import models

    _check(arguments)
    build = models.get(arguments.model).build
    if each_site.wanted(arguments):
        if arguments.leave_out:
            raise ValueError("--leave-out scores one calibration of all sites; with --each-site, --folds withholds years")
        return each_site.run_each(arguments, {name: getattr(arguments, name) for name in SETTINGS})
    chosen = _choices(arguments, inspect.signature(build).parameters)
    model = build(read_data(arguments), **chosen)
    folds = _folds(model, arguments.leave_out)
    from lsm_bayes.inference import Density

    print(_fitted(model))
    density = Density(model, site_threads=arguments.cores // arguments.chains)
    if not _agreed(density, arguments):
        print("nothing was run")
        return 0
    arguments.output.mkdir(parents=True, exist_ok=True)
    tree = _calibrated(density, arguments)
    if tree is None or (folds is not None and not _left_out(density, tree, folds, arguments)):
        return INTERRUPTED
    from lsm_bayes.diagnostics import check
    from lsm_bayes.report import write_report

    page = write_report(tree, arguments.output / "report.html")
    gates = check(tree)
    print(f"\n{gates}\n\nresult: {arguments.output / RESULT}\nreport: {page}")
    return 0 if gates.passed else GATE_FAILED


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is loaded."""
    for name in ("draws", "chains", "cores", "starts"):
        if getattr(arguments, name) < 1:
            raise ValueError(f"--{name} is {getattr(arguments, name)}; give at least 1")
    if not 0 < arguments.target_accept < 1:
        raise ValueError(f"--target-accept is {arguments.target_accept:g}; give a number between 0 and 1, such as 0.95")
    if arguments.output.exists() and not arguments.output.is_dir():
        raise FileExistsError(f"--output {arguments.output} is a file; give a folder")
    # Draws that are stored without a report were not predicted with yet.
    begun = (arguments.output / RESULT).exists() and not (arguments.output / "report.html").exists()
    if not arguments.resume and (begun or (arguments.output / f"{RESULT}.rounds").exists()):
        raise FileExistsError(
            f"{arguments.output} holds an interrupted run; go on with --resume, choose another --output, or delete the folder to start anew"
        )


def _choices(arguments: argparse.Namespace, accepted: Any) -> dict[str, Any]:
    """Sites and withheld years in the words of the model's ``build``."""
    chosen: dict[str, Any] = {}
    if arguments.withheld_years is not None:
        if arguments.withheld_years < 0:
            raise ValueError(f"--withheld-years is {arguments.withheld_years}; give 0 or more")
        chosen["withheld_years"] = arguments.withheld_years
    if arguments.site and "sites" in accepted:
        chosen["sites"] = arguments.site
    elif arguments.site:
        if len(arguments.site) > 1:
            raise ValueError(
                f"{arguments.model} is fitted to one site, got --site {', '.join(arguments.site)}; run it once for each, or --each-site"
            )
        chosen["site"] = arguments.site[0]
    return chosen


def _fitted(model: "pm.Model") -> str:
    card = model.card
    counts = ", ".join(f"{stream['observations']} of {name} ({stream['period']})" for name, stream in card["streams"].items())
    withheld = "; none withheld" if card["period_withheld"] is None else "; withheld {} to {}".format(*card["period_withheld"])
    return "{}\nfitted {} to {}{withheld}: {counts}".format(card["title"], *card["period_training"], withheld=withheld, counts=counts)


def _agreed(density: "Density", arguments: argparse.Namespace) -> bool:
    """Say what it will cost; ask before a long run at a terminal."""
    from lsm_bayes.inference import estimate_cost

    cost = estimate_cost(density, arguments.draws, arguments.tune, arguments.chains, arguments.cores, seed=arguments.seed)
    print(f"cost of sampling: {cost}; the search for modes and the evidence of each come on top", flush=True)
    if arguments.yes or cost.seconds < ASK_ABOVE or not sys.stdin.isatty():
        return True
    return input("go on? [y/N] ").strip().lower() in ("y", "yes")


def _calibrated(density: "Density", arguments: argparse.Namespace) -> "xr.DataTree | None":
    """Run; None when the user interrupted, after saying how to go on."""
    from lsm_bayes import posterior
    from lsm_bayes.diagnostics.result import attribute

    settings = {name: getattr(arguments, name) for name in SETTINGS}
    store = arguments.output / RESULT
    kept = "nothing is stored yet"
    try:
        tree = posterior.calibrate(density, store=store, resume=arguments.resume, progress=sys.stderr.isatty(), **settings)
        if not (attribute(tree, "cost") or {}).get("interrupted"):
            return tree
        kept = f"{tree['posterior'].sizes['draw']} draws of {tree['posterior'].sizes['chain']} chains are in {store}"
    except KeyboardInterrupt:
        if any(arguments.output.glob(f"{RESULT}*")):
            kept = f"what is done is kept in {arguments.output}"
    _interrupted(arguments, kept)
    return None


def _folds(model: "pm.Model", left_out: str | None) -> "Folds | None":
    """Take what is left out; that there is more than one of it shows before hours of sampling."""
    if left_out is None:
        return None
    from lsm_bayes.comparison import Blocks, Sites, Streams, memory_of, observation_table

    folds: Folds = {"years": Blocks(), "half-years": Blocks(0.5), "sites": Sites(), "streams": Streams()}[left_out]
    folds.units(observation_table(model), memory_of(model))
    return folds


def _left_out(density: "Density", tree: "xr.DataTree", folds: "Folds", arguments: argparse.Namespace) -> bool:
    """Score what is left out and store the scores; False when the user interrupted."""
    from lsm_bayes.comparison import Settings, cross_validate
    from lsm_bayes.inference import save

    settings = Settings(**{n: getattr(arguments, n) for n in SETTINGS if n != "starts"})
    folder = arguments.output / f"without {arguments.leave_out}"
    try:
        cross_validate(density, tree, folds, settings=settings, store=folder, resume=arguments.resume, progress=sys.stderr.isatty())
    except KeyboardInterrupt:
        _interrupted(arguments, f"the result and the refits so far are kept in {arguments.output}")
        return False
    save(tree, arguments.output / RESULT)
    return True


def _interrupted(arguments: argparse.Namespace, kept: str) -> None:
    again = [*arguments.given, *([] if arguments.resume else ["--resume"])]
    print(f"lsm-bayes: interrupted; {kept}; go on with: {shlex.join(['lsm-bayes', *again])}", file=sys.stderr)


CALIBRATE = Verb(
    "calibrate",
    "calibrate a model and write the report",
    (
        "lsm-bayes calibrate dalec_single_site --data ch-dav --output results/davos",
        "lsm-bayes calibrate dalec_single_site --data fluxnet-daily-water --site FI-Hyy --withheld-years 3 -o results/hyy",
        "lsm-bayes calibrate dalec_single_site --data ch-dav --output results/davos --resume",
        "lsm-bayes calibrate dalec_pft_hierarchical --data fluxnet-daily-water -o results/six --draws 500 --yes",
        "lsm-bayes calibrate dalec_single_site --data ch-dav -o results/davos --leave-out years",
        "lsm-bayes calibrate dalec_single_site --data fluxnet-daily-water --each-site --executor dask --workers 4 -o results/each",
        "lsm-bayes calibrate dalec_single_site --grid europe.nc --scheduler tcp://10.0.0.5:8786 -o results/europe",
    ),
    _arguments,
    _run,
)
