"""Tables of experiment_structural_error.py: coverage by remedy and stream, by season, and what was asked against what was seen."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ASKED = (0.85, 0.95)
SYMBOLS = {"gpp": "GPP", "evapotranspiration": "ET"}
TITLES = {
    ("swapped", "balanced"): "Swapped response, both streams daily",
    ("swapped", "unbalanced"): "Swapped response, evapotranspiration every tenth day",
    ("right", "balanced"): "Control: the right response, both streams daily",
}
SEASONS = ("winter", "spring", "summer", "autumn")
HEAD = """# Structural error and its remedies

Made by `python benchmarks/experiment_structural_error.py` after Oberpriller et al. (2021, doi 10.1111/ele.13728), whose
experiment is known here from a summary of its code. They fitted BASFOR to GPP and evapotranspiration; here it is DALEC 1005 over the
weather of FI-Hyy, 2006 to 2008 fitted, 2009 and 2010 withheld. The truth has a bell over the daily maximum temperature (optimum 20 degC,
width 12 degC) in place of the exponential of the canopy efficiency. Random error: 0.2 gC m-2 d-1 and 0.08 mm d-1, independent in time.
Six parameters are uniform within 30 % of a centre, from where the true ones are drawn, so that intervals of the control ought to cover
exactly; the rest is fixed at the truth. Twins fitted: {twins}.
{draws}

| remedy | what it is |
|---|---|
| stated | standard likelihood: independent normal errors, sd known |
| inferred | the same with a further sd inferred for each stream, as in the paper |
| weights | inferred, likelihood of GPP to the power n_min / n_i = 0.1 |
| AR(1) state | stated error beside an AR(1) process (`Matern(10, smoothness=0.5)`), integrated out by a Kalman filter |
| KOH time | Kennedy-O'Hagan discrepancy, a Gaussian process of time (`Matern(60, smoothness=2.5)`), integrated out |
| KOH temperature | Kennedy-O'Hagan discrepancy as a function of air temperature (`DriverDiscrepancy`), beside the inferred sd |
| yearly noise | canopy and water-use efficiency differ from year to year (`with_yearly_noise`), beside the inferred sd |
| default | `ErrorModel()` as it is: structural sd with a seasonal shape, AR(1) with phi < 0.6, slow discrepancy |

What the paper called state-space is a particle filter with process error in the states. The package has none. "AR(1) state" is the linear
Gaussian state-space form of an error of the observed fluxes, which the pools do not see; "yearly noise" is process error that pools do
see, but only from year to year.

Coverage is that of central 90 % intervals. "observed": of withheld observations, mean over twins, +- its standard error, and how many
twins lie in {low} to {high}; "month" and "year": of their means over calendar months and years. "flux": of the true flux without random
error, first by the model at the posterior draws alone, then with what the error model holds besides the random error, where it keeps
the two apart. CRPS of withheld observations, gC m-2 d-1 and mm d-1.
"error": of posterior means, in sds of the uniform prior.

An inferred sd takes in the structural error, which is as large in the withheld years, so that single days can be covered by independent
errors too. Means of months tell the error models apart: what is taken as independent averages out, the error of the model does not. It is
largest in spring, which an sd that is the same all year does not follow.
"""
COLUMNS = (
    "| remedy | twins | GPP observed | inside | ET observed | inside | GPP month, year | ET month, year | GPP flux | ET flux | CRPS GPP "
    "| CRPS ET | parameters covered | median abs. error | R-hat, median and largest | divergences |\n" + "|---" * 16 + "|"
)
Fits = dict[tuple[str, str, str], list[dict[str, Any]]]


def read(folder: Path, remedies: Sequence[str]) -> Fits:
    """Read the fits that are done, by truth, balance and remedy."""
    found: Fits = {}
    for truth, balance in TITLES:
        for name in remedies:
            paths = sorted(folder.glob(f"{truth}_{balance}_{name.replace(' ', '_')}_[0-9][0-9].json"))
            if paths:
                found[truth, balance, name] = [json.loads(p.read_text()) for p in paths]
    return found


def scores(fits: Sequence[dict[str, Any]], stream: str, what: str) -> np.ndarray:
    """One score of all twins."""
    return np.array([f["streams"][stream][what] for f in fits])


def uncertain(values: np.ndarray) -> str:
    """Mean and its standard error."""
    return f"{values.mean():.2f} +- {values.std(ddof=1) / np.sqrt(values.size):.2f}" if values.size > 1 else f"{values.mean():.2f}"


def _row(name: str, fits: Sequence[dict[str, Any]], streams: Sequence[str]) -> str:
    cells = [name, str(len(fits))]
    for s in streams:
        seen = scores(fits, s, "observed")
        cells += [uncertain(seen), str(int(((seen >= ASKED[0]) & (seen <= ASKED[1])).sum()))]
    cells += [", ".join(f"{scores(fits, s, n).mean():.2f}" for n in ("monthly", "yearly")) for s in streams]
    for s in streams:
        whole = f", {scores(fits, s, 'flux').mean():.2f}" if "flux" in fits[0]["streams"][s] else ""
        cells.append(f"{scores(fits, s, 'process').mean():.2f}{whole}")
    cells += [f"{scores(fits, s, 'crps').mean():.3f}" for s in streams]
    covered = np.array([list(f["covered"].values()) for f in fits]).mean(axis=1)
    rhat = [f["rhat"] for f in fits]
    cells += [uncertain(covered), f"{np.median([np.abs(list(f['error'].values())) for f in fits]):.2f}"]
    cells += [f"{np.median(rhat):.3f}, {max(rhat):.3f}", str(sum(f["divergences"] for f in fits))]
    return "| " + " | ".join(cells) + " |"


def _seasons(found: Fits, remedies: Sequence[str], streams: Sequence[str]) -> list[str]:
    lines = ["| remedy | " + " | ".join(f"{SYMBOLS[s]} {n}" for s in streams for n in SEASONS) + " |", "|---" * 9 + "|"]
    for name in remedies:
        fits = found.get(("swapped", "balanced", name))
        if fits:
            lines.append(f"| {name} | " + " | ".join(f"{scores(fits, s, n).mean():.2f}" for s in streams for n in SEASONS) + " |")
    return lines


def _parameters(found: Fits, remedies: Sequence[str], parameters: Sequence[str]) -> list[str]:
    lines = ["| truth | remedy | " + " | ".join(parameters) + " |", "|---" * (2 + len(parameters)) + "|"]
    for truth, name in ((t, n) for t in ("swapped", "right") for n in remedies):
        fits = found.get((truth, "balanced", name))
        if fits:
            cells = [
                f"{np.mean([f['covered'][p] for f in fits]):.2f} ({np.median([f['error'][p] for f in fits]):+.2f})" for p in parameters
            ]
            lines.append(f"| {truth} | {name} | " + " | ".join(cells) + " |")
    return lines


def _asked(found: Fits, streams: Sequence[str]) -> list[str]:
    """Say what was asked and what was seen."""

    def seen(names: Sequence[str], of: Callable[[Sequence[dict[str, Any]], str], np.ndarray]) -> str:
        cells = []
        for n in names:
            for balance in ("balanced", "unbalanced"):
                fits = found.get(("swapped", balance, n))
                if fits:
                    cells.append(f"{n}, {balance}: {', '.join(f'{of(fits, s).mean():.2f}' for s in streams)}")
        return "; ".join(cells)

    standard, remedied = ("stated", "inferred"), ("KOH time", "KOH temperature", "AR(1) state", "yearly noise")
    return [
        "| asked | seen (GPP, ET) |",
        "|---|---|",
        f"| standard likelihood, withheld observations: less than 0.5 | {seen(standard, lambda f, s: scores(f, s, 'observed'))} |",
        f"| the same, means of months | {seen(standard, lambda f, s: scores(f, s, 'monthly'))} |",
        f"| the same for the true fluxes, by the model alone | {seen(standard, lambda f, s: scores(f, s, 'process'))} |",
        f"| KOH and state-space: {ASKED[0]} to {ASKED[1]} | {seen(remedied, lambda f, s: scores(f, s, 'observed'))} |",
        f"| the same, means of months | {seen(remedied, lambda f, s: scores(f, s, 'monthly'))} |",
        f"| the default error model | {seen(('default',), lambda f, s: scores(f, s, 'observed'))} |",
    ]


def write(folder: Path, remedies: Sequence[str], streams: Sequence[str], parameters: Sequence[str], draws: str) -> None:
    """Write the page from the fits that are done."""
    found = read(folder, remedies)
    swapped = found.get(("swapped", "balanced", remedies[0]), [])
    ratios = ", ".join(f"{np.median(scores(swapped, s, 'rms')):.1f} ({SYMBOLS[s]})" for s in streams)
    text = [HEAD.format(twins=len(swapped), draws=draws, low=ASKED[0], high=ASKED[1])]
    text += [f"After the fit with the stated error the true fluxes of withheld years are missed by {ratios} sd of the random error.", ""]
    text += _asked(found, streams)
    for (truth, balance), title in TITLES.items():
        rows = [_row(n, found[truth, balance, n], streams) for n in remedies if (truth, balance, n) in found]
        if rows:
            text += ["", f"## {title}", "", COLUMNS, *rows]
    text += ["", "## Coverage of withheld observations by season, swapped and balanced", "", *_seasons(found, remedies, streams)]
    text += ["", "## Coverage of each parameter, and median error, balanced", ""]
    text += _parameters(found, remedies, parameters)
    (HERE / "structural_error.md").write_text("\n".join(text) + "\n")
