"""Check the gates of a stored result, or everything that is derived from a process model."""

import argparse
from pathlib import Path

from lsm_bayes.commands.report import stored
from lsm_bayes.commands.verb import GATE_FAILED, Verb


def _arguments(parser: argparse.ArgumentParser) -> None:
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("result", nargs="?", type=Path, help="stored result, or the output folder of a calibration: print its gates")
    subject.add_argument("--model", metavar="NAME", help="process model: compare its kernels with differences, scan and budgets instead")


def _run(arguments: argparse.Namespace) -> int:
    return _process_model(arguments.model) if arguments.model else _result(arguments.result)


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


CHECK = Verb(
    "check",
    "check a stored result, or a process model",
    ("lsm-bayes check results/davos", "lsm-bayes check my_result.nc", "lsm-bayes check --model dalec_cdea"),
    _arguments,
    _run,
)
