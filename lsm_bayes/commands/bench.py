"""Score every route to a posterior against the reference posteriors of the collection."""

import argparse
from pathlib import Path

from lsm_bayes.commands.verb import Verb


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--problem", action="append", metavar="NAME", help="model of the collection with a reference posterior; may be repeated"
    )
    parser.add_argument("--route", action="append", metavar="NAME", help="such as nuts, laplace, 4dvar, eki, de-mcz, smc; may be repeated")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="write the tables to this file, in Markdown")
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("results/scoreboard"),
        metavar="FOLDER",
        help="scores that are done, which are not run again; default: %(default)s",
    )


def _run(arguments: argparse.Namespace) -> int:
    from lsm_bayes.scoreboard import as_markdown, scoreboard

    table = scoreboard(arguments.problem, arguments.route, seed=arguments.seed, store=arguments.store, progress=True)
    text = as_markdown(table)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")
        print(f"tables: {arguments.output}")
    return 0


BENCH = Verb(
    "bench",
    "score every route to a posterior against the reference posteriors of the collection",
    ("lsm-bayes bench --problem vsem_twin --route nuts --route eki", "lsm-bayes bench --output scoreboard.md"),
    _arguments,
    _run,
)
