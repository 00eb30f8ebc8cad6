"""How closely each land model repeats the runs of the original codes: collected from the tests that compare them.

Usage: python benchmarks/references.py. Needs LSM_BAYES_DATA, with the folder of reference runs beside it. Writes references.json and
references.md beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).parent


def collect() -> dict[str, dict[str, float]]:
    """Run the tests and read what they noted: model to reference to largest relative difference."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tests.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "tests/land",
            "-k",
            "original or rsofun or reference",
            "-m",
            "",
            f"--junitxml={file}",
            "-o",
            "junit_family=xunit1",
        ]
        subprocess.run(command, cwd=HERE.parent, check=True)
        found: dict[str, dict[str, float]] = {}
        for entry in ElementTree.parse(file).iter("property"):
            if entry.get("name") == "agreement":
                model, reference, error = json.loads(str(entry.get("value")))
                found.setdefault(model, {})[reference] = error
    return found


def main() -> None:
    """Collect and write."""
    if "LSM_BAYES_DATA" not in os.environ:
        print("skipped: LSM_BAYES_DATA is not set, and the reference runs stand beside the folder that it names")
        return
    found = collect()
    lines = [
        "Largest relative difference from the runs of the original codes, over all samples, states and fluxes (of the column's maximum for",
        "DALEC 990 and the P-model; without three samples of DALEC 811 and 1005 whose runs rounding alone changes by more; of DALEC 1100",
        "beyond what one rounding error of the parameters does). Made by",
        "`python benchmarks/references.py` from the tests in `tests/land`.",
        "",
        "| model | reference | largest relative difference |",
        "|---|---|---|",
        *(f"| `{m}` | {r} | {e:.1e} |" for m, rows in sorted(found.items()) for r, e in sorted(rows.items())),
    ]
    (HERE / "references.md").write_text("\n".join(lines) + "\n")
    (HERE / "references.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
