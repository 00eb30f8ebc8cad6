"""Write the report of a stored result."""

import argparse
from pathlib import Path

from lsm_bayes.commands.calibrate import RESULT
from lsm_bayes.commands.verb import Verb


def stored(path: Path) -> Path:
    """Find the stored result that a user names.

    Parameters
    ----------
    path : pathlib.Path
        A result, or the output folder of a calibration.

    Returns
    -------
    pathlib.Path
        The result.

    Raises
    ------
    FileNotFoundError
        When a folder holds no result.
    """
    if not path.is_dir() or path.suffix == ".zarr":
        return path
    if not (path / RESULT).exists():
        raise FileNotFoundError(f"there is no {RESULT} in the folder {path}; `lsm-bayes calibrate ... --output {path}` makes it")
    return path / RESULT


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", type=Path, help="stored result (.zarr, .zarr.zip, .nc), or the output folder of a calibration")
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, help="HTML file to write; default: report.html beside the result")


def _run(arguments: argparse.Namespace) -> int:
    from lsm_bayes.inference import load
    from lsm_bayes.report import write_report

    path = stored(arguments.result)
    print(write_report(load(path), arguments.output or path.parent / "report.html"))
    return 0


REPORT = Verb(
    "report",
    "write the report of a stored result",
    ("lsm-bayes report results/davos", "lsm-bayes report results/davos/result.zarr.zip --output davos.html"),
    _arguments,
    _run,
)
