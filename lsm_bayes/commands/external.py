"""Check the declaration of an external model, run an ensemble of it, and say how far it is."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lsm_bayes.commands.verb import GATE_FAILED, Verb, print_columns

if TYPE_CHECKING:
    from lsm_bayes.external import ExternalModel

LISTED = 10
"""Failed runs that are listed."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("check", "run", "status"),
        help="check: show the declaration and run it once at the defaults; run: an ensemble from the prior, or what is left of it; "
        "status: what the store has",
    )
    parser.add_argument("declaration", type=Path, help="TOML, YAML or JSON file that declares the model")
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="folder of the runs; default: runs, beside the declaration")
    parser.add_argument("--number", type=int, default=100, metavar="N", help="runs of the ensemble; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the ensemble; default: %(default)s")
    parser.add_argument("--cores", type=int, default=1, metavar="N", help="runs at a time; default: %(default)s")
    parser.add_argument("--keep", choices=("outputs", "failed", "all"), default="failed", help="working directories that keep their files")
    parser.add_argument("--rerun-failed", action="store_true", help="run those again that failed before")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="NetCDF file for parameters and outputs of the ensemble")


def _external(arguments: argparse.Namespace) -> int:
    from lsm_bayes.external import read_declaration

    model = read_declaration(arguments.declaration)
    store = arguments.store or arguments.declaration.resolve().parent / "runs"
    return {"check": _check, "run": _run, "status": _status}[arguments.action](model, store, arguments)


def _check(model: "ExternalModel", store: Path, arguments: argparse.Namespace) -> int:
    from lsm_bayes.calibration.priors import describe
    from lsm_bayes.external import Campaign

    rows = [
        (n, f"{default:g}", p.unit, "fixed" if p.fixed else describe(p, p.prior), p.description) for n, (p, default) in model.table.items()
    ]
    print_columns([("parameter", "default", "unit", "prior", "description"), *rows])
    print()
    print_columns([("output", "values", "unit", "from"), *((n, o.size, o.unit, o.file or "a reader") for n, o in model.outputs.items())])
    print("\ncommand at the defaults:", *(model.fill(text, model.defaults, Path("RUN")) for text in model.command))
    campaign = Campaign(model, store, keep="all", rerun_failed=True)
    values = campaign.outputs({})
    (run,) = campaign.seen.values()
    if run.state == "failed":
        print(f"lsm-bayes: the run at the defaults failed: {run.reason}; its files are in {run.folder}", file=sys.stderr)
        return GATE_FAILED
    print(f"the run at the defaults took {run.seconds:.2f} s; its files are in {run.folder}")
    print_columns([(n, f"mean {values[s].mean():g}", f"from {values[s].min():g} to {values[s].max():g}") for n, s in model.slices.items()])
    return 0


def _run(model: "ExternalModel", store: Path, arguments: argparse.Namespace) -> int:
    from lsm_bayes.external import Campaign, prior_ensemble

    if arguments.cores < 1:
        raise ValueError(f"--cores {arguments.cores}: give at least 1")
    if arguments.output is not None and not arguments.output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(arguments.output.parent)!r} to write {arguments.output.name} into")
    campaign = Campaign(model, store, keep=arguments.keep, rerun_failed=arguments.rerun_failed)
    values = prior_ensemble(model, arguments.number, arguments.seed)
    try:
        campaign.run_ahead(values, arguments.cores, progress=sys.stderr.isatty())
    except KeyboardInterrupt:
        print(f"lsm-bayes: {campaign.executed} runs were carried out; the same command goes on with the rest", file=sys.stderr)
        raise
    print(campaign.describe())
    if arguments.output is not None:
        found = campaign.run(values)
        found.attrs["seed"] = arguments.seed
        found.to_netcdf(arguments.output)
        print(f"{arguments.output}: {', '.join(model.outputs)} of {found.sizes['run']} runs")
    return 0


def _status(model: "ExternalModel", store: Path, arguments: argparse.Namespace) -> int:
    from lsm_bayes.external import RunStore

    folder = RunStore.path(store, model)
    if not folder.is_dir():
        others = sorted(p.name for p in store.glob(f"{model.name}-*")) if store.is_dir() else []
        changed = f"; it has {', '.join(others)}, from before the declaration, the program or an input file changed" if others else ""
        print(f"{store} has no run of this declaration{changed}")
        return 0
    kept = RunStore(store, model)
    runs = list(kept.runs())
    failed = [r for r in runs if r.state == "failed"]
    seconds = sorted(r.seconds for r in runs)
    middle = f", median {seconds[len(seconds) // 2]:.2f} s" if seconds else ""
    print(f"{folder}: {len(runs) - len(failed)} runs done, {len(failed)} failed, {kept.unfinished()} under way{middle}")
    for run in failed[:LISTED]:
        print(f"{run.key}: {run.reason}")
    if len(failed) > LISTED:
        print(f"and {len(failed) - LISTED} more")
    return 0


EXTERNAL = Verb(
    "external",
    "check and run a model that is a program of its own",
    (
        "lsm-bayes external check jules.toml",
        "lsm-bayes external run jules.toml --number 200 --cores 8 --output ensemble.nc",
        "lsm-bayes external status jules.toml",
    ),
    _arguments,
    _external,
)
