"""Tables of experiment_record_length.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

YEARS = (1, 2, 4, 8)
INFORMED = 0.5  # contraction with eight years above which a parameter counts as informed
LABELS = {
    ("correlated", "true"): "right error model and drivers",
    ("correlated", "biased"): "biased drivers",
    ("independent", "true"): "errors taken to be independent",
}

Sites = dict[str, dict[str, dict[str, Any]]]


def _by_years(sites: Sites, drivers: str) -> dict[int, list[dict[str, dict[str, Any]]]]:
    """Twins in order, by years of their record."""
    return {y: [sites[n] for n in sorted(sites) if n.startswith(f"{drivers}-{y}-")] for y in YEARS}


def _slopes(twins: dict[int, list[dict[str, dict[str, Any]]]], name: str) -> np.ndarray:
    """Exponent of the posterior sd against the length of the record, of each twin."""
    logs = np.log([[t[name]["sd"] for t in twins[y]] for y in YEARS])
    found: np.ndarray = np.polyfit(np.log(YEARS), logs, 1)[0]
    return found


def _coverage(twins: list[dict[str, dict[str, Any]]], names: list[str]) -> str:
    inside = [t[n]["covered"] for t in twins for n in names]
    low, high = binom.interval(0.95, len(inside), 0.9)
    return f"{np.mean(inside):.3f} ({low / len(inside):.3f} to {high / len(inside):.3f})"


def _twins(folder: Path, done: dict[str, dict[str, Any]]) -> list[str]:
    """Spread, coverage and forecasts of twins."""
    prior = json.loads((folder / "prior.json").read_text())
    right = _by_years(done["correlated"]["sites"], "true")
    contraction = {n: 1 - np.mean([t[n]["sd"] for t in right[8]]) / sd for n, sd in prior.items()}
    informed = [n for n in prior if contraction[n] > INFORMED]
    others = [n for n in prior if n not in informed]
    count = len(right[8])
    lines = [
        f"## {count} twins",
        "",
        f"Informed: contraction 1 - sd / prior sd above {INFORMED} with eight years of the right error model, mean over twins;",
        f"{len(informed)} of {len(prior)} parameters. Exponent: median and range. Coverage of 90 % intervals; in brackets where 95 of 100",
        "such counts lie when it is 0.9 and parameters and twins are independent. CRPS of weekly NEE of the withheld year, gC m-2 d-1:",
        "of observations with all errors, and of the true NEE with the process model alone. Change: 8 years less 1, with standard error.",
        "",
        "| fit | years | exponent of sd, informed | coverage, informed | coverage, others | CRPS, observations | CRPS, truth |",
        "|---|---|---|---|---|---|---|",
    ]
    for (case, drivers), label in LABELS.items():
        if case not in done:
            continue
        twins = _by_years(done[case]["sites"], drivers)
        slopes = [float(_slopes(twins, n).mean()) for n in informed]
        scores = {y: [f for n, f in sorted(done[case]["forecasts"].items()) if n.startswith(f"{drivers}-{y}-")] for y in YEARS}
        for y in YEARS:
            shown = f"{np.median(slopes):.2f}, {min(slopes):.2f} to {max(slopes):.2f}" if y == YEARS[0] else ""
            means = " | ".join(f"{np.mean([s[k] for s in scores[y]]):.3f}" for k in ("crps", "crps_of_truth"))
            lines.append(f"| {label} | {y} | {shown} | {_coverage(twins[y], informed)} | {_coverage(twins[y], others)} | {means} |")
        change = {k: np.array([b[k] - a[k] for a, b in zip(scores[1], scores[8], strict=True)]) for k in ("crps", "crps_of_truth")}
        moved = " | ".join(f"{v.mean():+.3f} ± {v.std(ddof=1) / np.sqrt(v.size):.3f}" for v in change.values())
        lines.append(f"| {label} | change | | | | {moved} |")
    lines += [
        "",
        "With the right error model, by parameter: exponent with its standard error over twins, and coverage with 1 and 8 years.",
        "",
    ]
    lines += ["| parameter | contraction with 8 years | exponent | covered, 1 year | covered, 8 years |", "|---|---|---|---|---|"]
    for n in sorted(prior, key=lambda n: -contraction[n]):
        s = _slopes(right, n)
        a, b = (np.mean([t[n]["covered"] for t in right[y]]) for y in (1, 8))
        lines.append(f"| {n} | {contraction[n]:.2f} | {s.mean():+.2f} ± {s.std(ddof=1) / np.sqrt(s.size):.2f} | {a:.2f} | {b:.2f} |")
    return [*lines, ""]


def _real(found: dict[str, Any]) -> list[str]:
    """Forecasts of the tower."""
    lines = ["## FI-Hyy, daily NEE of 2014", "", "| years | CRPS, gC m-2 d-1 | sd of the parameters over that with one year, median |"]
    lines.append("|---|---|---|")
    names = list(found["sites"]["FI-Hyy-1"])
    first = np.array([found["sites"]["FI-Hyy-1"][n]["sd"] for n in names])
    for y in YEARS:
        ratio = np.array([found["sites"][f"FI-Hyy-{y}"][n]["sd"] for n in names]) / first
        lines.append(f"| {y} | {found['forecasts'][f'FI-Hyy-{y}']['crps']:.3f} | {np.median(ratio):.2f} |")
    return [*lines, ""]


def _checks(done: dict[str, dict[str, Any]]) -> list[str]:
    """Laplace approximation against NUTS."""
    rows = [
        "## Laplace approximation against NUTS, first twin",
        "",
        "Sd by the Laplace approximation over that by NUTS; distance of the means in sd of NUTS.",
        "",
        "| years | ratio of sd: median, range | distance: median, largest | R-hat | effective draws | divergences |",
        "|---|---|---|---|---|---|",
    ]
    for key in sorted(k for k in done if k.startswith("check_")):
        r = done[key]
        nuts, laplace = (np.array(list(r[k].values())) for k in ("nuts", "laplace"))
        ratio, away = laplace[:, 1] / nuts[:, 1], np.abs(laplace[:, 0] - nuts[:, 0]) / nuts[:, 1]
        rows.append(
            f"| {key.partition('_')[2]} | {np.median(ratio):.2f}, {ratio.min():.2f} to {ratio.max():.2f} | {np.median(away):.2f}, "
            f"{away.max():.2f} | {r['rhat']:.3f} | {r['ess']:.0f} | {r['divergences']} |"
        )
    return [*rows, ""]


def page(folder: Path) -> str:
    """Write the page from what is done.

    Parameters
    ----------
    folder : pathlib.Path
        Results.

    Returns
    -------
    str
        Markdown.
    """
    done = {p.stem: json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))}
    lines = ["# Record length", "", "Made by `python benchmarks/experiment_record_length.py`, whose text has the setting.", ""]
    lines += _twins(folder, done) if "correlated" in done else []
    lines += _real(done["real"]) if "real" in done else []
    lines += _checks(done) if any(k.startswith("check_") for k in done) else []
    return "\n".join(lines).rstrip() + "\n"
