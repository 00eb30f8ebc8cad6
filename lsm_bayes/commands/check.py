"""Check the gates of a stored result, the reference posteriors of the collection, or everything that is derived from a process model."""

import argparse
import sys
from pathlib import Path
from typing import Any

from lsm_bayes.commands.report import stored
from lsm_bayes.commands.verb import GATE_FAILED, Verb, print_columns

COLLECTION = "models"


def _arguments(parser: argparse.ArgumentParser) -> None:
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "subject",
        nargs="*",
        default=[],
        help="stored result, or the output folder of a calibration: print its gates; or the word `models` and names of calibrations "
        "(`lsm-bayes models` lists them; default: all with reference data): sample them anew and compare with their reference posteriors",
    )
    subject.add_argument("--model", metavar="NAME", help="process model: compare its kernels with differences, scan and budgets instead")
    parser.add_argument("--make", action="store_true", help="with `models`: make the reference posteriors and write them beside the models")
    parser.add_argument("--seed", type=int, metavar="N", help="with `models`: seed; default: that of the reference plus 1, to make one 1")
    parser.add_argument("--draws", type=int, metavar="N", help="with `models`: draws of each chain; default: those of the reference")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.subject[:1] == [COLLECTION]:
        return _collection(arguments)
    given = [f"--{n}" for n in ("make", "seed", "draws") if getattr(arguments, n) not in (None, False)]
    if given:
        raise ValueError(f"{', '.join(given)}: of reference posteriors only, `lsm-bayes check models [NAME ...]`")
    if len(arguments.subject) > 1:
        raise ValueError(f"check takes one result, got {', '.join(arguments.subject)}; or `lsm-bayes check models [NAME ...]`")
    return _process_model(arguments.model) if arguments.model else _result(Path(arguments.subject[0]))


def _result(path: Path) -> int:
    from lsm_bayes.diagnostics import check
    from lsm_bayes.inference import load

    gates = check(load(stored(path)))
    print(gates)
    return 0 if gates.passed else GATE_FAILED


def _process_model(name: str) -> int:
    from lsm_bayes import land, testing

    try:
        print(testing.check_process_model(land.get(name)))
    except AssertionError as error:
        print(error)
        return GATE_FAILED
    return 0


def _collection(arguments: argparse.Namespace) -> int:
    """Make or verify reference posteriors; one that cannot be had here is skipped with its reason."""
    from lsm_bayes import models
    from lsm_bayes.datasets import NotAvailableError

    names = arguments.subject[1:] or [n for n in models.available() if hasattr(models.get(n), "reference")]
    rows: list[tuple[object, ...]] = [("model", "verdict", "largest difference", "of")]
    problems: list[str] = []
    failed = False
    for name in names:
        try:
            if arguments.make:
                row = _made(name, arguments)
            elif not arguments.subject[1:] and models.reference_posterior(name) is None:
                row = ("skipped: no reference yet, --make makes it", "", "")
            else:
                row, found = _verified(name, arguments)
                problems += [f"{name}: {p}" for p in found]
        except NotAvailableError as reason:
            row = (f"skipped: {reason}", "", "")
        failed = failed or row[0].startswith("FAILS")
        rows.append((name, *row))
    print_columns(rows)
    for problem in problems:
        print(problem)
    return GATE_FAILED if failed else 0


def _made(name: str, arguments: argparse.Namespace) -> tuple[str, str, str]:
    from lsm_bayes.commands.models import verdict
    from lsm_bayes.reference import make_reference

    settings: dict[str, Any] = {n: getattr(arguments, n) for n in ("seed", "draws") if getattr(arguments, n) is not None}
    record = make_reference(name, progress=sys.stderr.isatty(), **settings)
    return f"{'made' if record['passed'] else 'FAILS'}: {verdict(record)}", "", ""


def _verified(name: str, arguments: argparse.Namespace) -> tuple[tuple[str, str, str], tuple[str, ...]]:
    from lsm_bayes.reference import check_reference

    found = check_reference(name, seed=arguments.seed, draws=arguments.draws, progress=sys.stderr.isatty())
    what, by = found.largest
    size = f"{by:+.1f} standard errors" if what else ""
    return ("holds" if found.passed else "FAILS", size, what), found.problems


CHECK = Verb(
    "check",
    "check a stored result, reference posteriors, or a process model",
    (
        "lsm-bayes check results/davos",
        "lsm-bayes check my_result.nc",
        "lsm-bayes check models",
        "lsm-bayes check models vsem_twin two_pool_twin --seed 7",
        "lsm-bayes check models vsem_twin --make",
        "lsm-bayes check --model dalec_cdea",
    ),
    _arguments,
    _run,
)
