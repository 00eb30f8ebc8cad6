"""Compare stored results of the same observations."""

import argparse
from pathlib import Path

from lsm_bayes.commands.report import stored
from lsm_bayes.commands.verb import Verb


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULT",
        help="stored result or output folder, scored by lsm_bayes.cross_validate; NAME=PATH gives it a name other than its file's",
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE", type=Path, default=Path("comparison.html"), help="HTML file; default: %(default)s"
    )


def _run(arguments: argparse.Namespace) -> int:
    from lsm_bayes.comparison import compare
    from lsm_bayes.inference import load
    from lsm_bayes.report import write_comparison

    results = {name: load(path) for name, path in named(arguments.results).items()}
    page = write_comparison(results, arguments.output)
    print(f"{compare(results)}\n\ncomparison: {page}")
    return 0


def named(given: list[str]) -> dict[str, Path]:
    """Name the results that a user gives.

    Parameters
    ----------
    given : list of str
        ``NAME=PATH`` or ``PATH``; a folder's result is called by the folder.

    Returns
    -------
    dict of str to pathlib.Path
        In the order given.

    Raises
    ------
    ValueError
        When two have the same name.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, equals, place = text.partition("=")
        path = Path(place if equals else text)
        called = name if equals else path.name.partition(".")[0]
        if called in found:
            raise ValueError(f"two results are called {called!r}: {found[called]} and {path}; name them, such as first={found[called]}")
        found[called] = stored(path)
    return found


COMPARE = Verb(
    "compare",
    "compare models of the same observations on one page",
    (
        "lsm-bayes compare results/dalec results/vsem --output comparison.html",
        "lsm-bayes compare pooled=results/a.zarr.zip by_site=results/b.zarr.zip",
    ),
    _arguments,
    _run,
)
