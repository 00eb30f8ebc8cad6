"""The command `lsm-bayes`: the verbs of the Python API on the command line.

Exit status: 0 when all is well, 1 when a gate fails, 2 for a wrong call or input that cannot be used, 130 when interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from lsm_bayes.commands import VERBS
from lsm_bayes.commands.verb import GATE_FAILED, INTERRUPTED, UNUSABLE

__all__ = ["GATE_FAILED", "INTERRUPTED", "UNUSABLE", "VERBS", "main", "parser"]


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
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = parser().parse_args(given)
    arguments.given = given  # for the command that resumes a run
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
