"""Worst relative errors of the battery of every process model that ships. Writes battery.md and battery.json beside this file.

Run: python benchmarks/battery.py [MODEL ...]. Half an hour for all; models that are named replace their own rows only.
"""

import json
import sys
from pathlib import Path

from lsm_bayes import land
from lsm_bayes.testing import LIMITS, check_process_model

HERE = Path(__file__).parent
SHOWN = {
    "gradient_against_differences": "gradient, differences",
    "gradient_against_scan": "gradient, scan",
    "values_against_scan": "values, scan",
    "dot_product": "tangent and adjoint",
    "budgets": "budgets",
    "two_half_runs": "two half runs",
    "lanes_against_loop": "lanes",
}


def main(names: list[str]) -> None:
    """Check the models and write the table."""
    stored = HERE / "battery.json"
    rows = json.loads(stored.read_text()) if stored.exists() and names else {}
    for name in names or land.available():
        rows[name] = check_process_model(land.get(name)).figures
        stored.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
        lines = [
            "Largest relative errors of `check_process_model` (20 random points inside the bounds, 400 daily steps). Made by",
            "`python benchmarks/battery.py`. No output hid a NaN of an input, and no NaN went back in time.",
            "",
            f"| model | {' | '.join(SHOWN.values())} |",
            "|---" * (len(SHOWN) + 1) + "|",
            f"| limit | {' | '.join(f'{LIMITS[n]:.0e}' for n in SHOWN)} |",
            *(f"| `{m}` | {' | '.join(f'{r[n]:.1e}' if n in r else '–' for n in SHOWN)} |" for m, r in sorted(rows.items())),
        ]
        (HERE / "battery.md").write_text("\n".join(lines) + "\n")
        print(lines[-1] if len(rows) == 1 else f"{name}: {rows[name]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
