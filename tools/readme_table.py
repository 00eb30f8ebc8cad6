"""Write the generated parts of README.md between their markers: land models, parameters, verbs of the command line, speed.

Usage: python tools/readme_table.py [--check]

With ``--check`` nothing is written, and the exit status says whether README.md is current.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from lsm_bayes import land, observations
from lsm_bayes.calibration.priors import describe
from lsm_bayes.cli import VERBS
from lsm_bayes.vocabulary import QUANTITIES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def model_table() -> str:
    """Tabulate the land models: what each holds, what it can be compared with, and where it comes from.

    Returns
    -------
    str
        Markdown; variants of the same equations (original code, smooth forms) are left out. Differences from the original and speeds are
        those of the last run of `benchmarks/references.py` and `benchmarks/speed_models.py`.
    """
    benchmarks = ROOT / "benchmarks"
    references, speeds = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for path in (benchmarks / "references.json", benchmarks / "speed_models.json")
    )
    rows = [
        "| model | what | parameters | states | step | streams | water | off the original | ns per step, with gradient | papers |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in land.available():
        if name.endswith(("_original", "_smooth")):
            continue
        model = land.get(name)
        streams = ", ".join(s.upper() for s in STREAMS if s in model.flux_quantities) or "–"
        water = "yes" if "water" in model.budgets else "no"
        papers = [(re.match(r".*?\(\d{4}\)", c) or re.match(r"[^,]*", c))[0] for c in model.citations]  # type: ignore[index]
        sizes = f"{len(model.parameter_table)} | {len(model.state_parameters)}"
        step = f"day, {model.nested.steps} inside" if model.nested else "any" if "step_length" in model.forcing_quantities else "day"
        # Forms of a model that repeat its source are called by its name and a suffix.
        found = [e for n, errors in references.items() if n == name or n.startswith(f"{name}_") for e in errors.values()]
        off = f"{max(found):.0e}" if found else "worked numbers"
        speed = f"{speeds[name]['forward']:.0f}, {speeds[name]['gradient']:.0f}" if name in speeds else "–"
        rows.append(f"| `{name}` | {model.title} | {sizes} | {step} | {streams} | {water} | {off} | {speed} | {'; '.join(papers)} |")
    return "\n".join(rows)


def parameter_table(model: str = "dalec_cdea") -> str:
    """Tabulate the parameters and initial pools of a process model.

    Parameters
    ----------
    model : str
        Name of the process model.

    Returns
    -------
    str
        Markdown.
    """
    rows = ["| name | meaning | unit | bounds | default | prior | level |", "|---|---|---|---|---|---|---|"]
    for name, (p, default) in land.get(model).calibrated.items():
        prior = describe(p, p.prior).replace(f" on [{p.bounds[0]:g}, {p.bounds[1]:g}]", "")
        rows.append(f"| `{name}` | {p.description} | {p.unit} | {p.bounds[0]:g} to {p.bounds[1]:g} | {default:g} | {prior} | {p.level} |")
    return "\n".join(rows)


def stream_table() -> str:
    """Tabulate the observation operators: what each gives, reads and estimates.

    Returns
    -------
    str
        Markdown, sorted by the quantity that is observed.
    """
    rows = ["| operator | gives | reads | own parameters | papers | usual error |", "|---|---|---|---|---|---|"]
    for operator in sorted((observations.get(n) for n in observations.available()), key=lambda o: (o.quantity, o.name)):
        given = QUANTITIES[operator.quantity]
        papers = "; ".join(re.findall(r"[A-ZÉ][^;()]*?\(\d{4}[a-z]?\)", operator.citation)) or "–"
        rows.append(
            f"| `{operator.name}` | {given.description}, {given.unit} | {', '.join(operator.inputs)} | "
            f"{', '.join(operator.parameter_table) or '–'} | {papers} | {operator.error or '–'} |"
        )
    return "\n".join(rows)


def verb_table() -> str:
    """Tabulate the verbs of the command line, each with an example.

    Returns
    -------
    str
        Markdown.
    """
    return "\n".join(["| verb | what | example |", "|---|---|---|", *(f"| `{v.name}` | {v.summary} | `{v.examples[0]}` |" for v in VERBS)])


def speed_table() -> str:
    """Take over the figures of the last benchmark run.

    Returns
    -------
    str
        Markdown.
    """
    return (ROOT / "benchmarks" / "speed.md").read_text(encoding="utf-8").strip()


STREAMS = ("nee", "gpp", "reco", "lai")
PARTS = {"models": model_table, "streams": stream_table, "parameters": parameter_table, "verbs": verb_table, "speed": speed_table}


def updated(text: str) -> str:
    """Replace what stands between the markers.

    Parameters
    ----------
    text : str
        README.md.

    Returns
    -------
    str
        The same with current tables.

    Raises
    ------
    ValueError
        When a pair of markers is missing.
    """
    for name, make in PARTS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no lines '<!-- {name} -->' and '<!-- end {name} -->' to write between")
        table = make()
        text = pattern.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)  # type: ignore[misc]
    return text


def main(arguments: Sequence[str]) -> int:
    """Update README.md, or check it.

    Parameters
    ----------
    arguments : sequence of str
        ``--check`` or nothing.

    Returns
    -------
    int
        0 when README.md is, or was made, current.
    """
    old = README.read_text(encoding="utf-8")
    new = updated(old)
    if "--check" in arguments:
        if new != old:
            print("README.md is not current: run python tools/readme_table.py", file=sys.stderr)
        return int(new != old)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
