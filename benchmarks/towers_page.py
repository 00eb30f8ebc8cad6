"""Tables of the eleven towers, for experiment_towers.py."""

import numpy as np

STREAMS = {"nee": "NEE", "evapotranspiration": "ET", "lai": "LAI"}
LABELS = {"full": "the full error model", "plain": "that without discrepancy over drivers", "noise": "instrument noise alone"}
SITES = ("FI-Hyy", "US-MMS", "FR-Pue", "AU-How", "DE-Hai", "DE-Tha", "RU-Fyo", "US-Ton", "US-SRG", "AU-DaS", "AU-Stp")
SEASONS = ("DJF", "MAM", "JJA", "SON")
BAR = (0.85, 0.95)

Rows = dict[tuple[str, str], dict]


def _each(rows: Rows, site: str, stream: str, key: str, kinds: tuple[str, ...] = tuple(LABELS), digits: int = 3) -> str:
    """One figure by error model."""
    found = [rows[site, k]["streams"][stream].get(key) if (site, k) in rows else None for k in kinds]
    return " / ".join("-" if v is None else f"{v:.{digits}f}" for v in found)


def _best(rows: Rows, site: str) -> dict:
    """Row of the most complete error model that was fitted."""
    return next(rows[site, k] for k in LABELS if (site, k) in rows)


def _coverage(rows: Rows, sites: list[str]) -> list[str]:
    lines = [
        "## Coverage of 90 % intervals, withheld years",
        "",
        "Full error model / without discrepancy / instrument noise alone; - not fitted. Width: of the 90 % interval with the first,",
        "over that of the climatology. Fits without discrepancy have normal errors of leaf area, those with it log-normal ones.",
        "",
        "| site | type | " + " | ".join(f"{label} | width" for label in STREAMS.values()) + " |",
        "|---|---|" + "---|---|" * len(STREAMS),
    ]
    for s in sites:
        one = _best(rows, s)
        cells = [f"{_each(rows, s, n, 'coverage')} | {x['width'] / x['climatology_width']:.2f}" for n, x in one["streams"].items()]
        lines.append(f"| {s} | {one['pft']} | {' | '.join(cells)} |")
    lines.append("")
    for kind, label in LABELS.items():
        known = [rows[s, kind]["streams"] for s in sites if (s, kind) in rows]
        if known:
            figures = {x: np.array([k[n]["coverage"] for k in known]) for n, x in STREAMS.items()}
            within = ", ".join(
                f"{x} {np.median(v):.3f} and {((v >= BAR[0]) & (v <= BAR[1])).sum()} of {v.size}" for x, v in figures.items()
            )
            lines.append(f"With {label}, median, and sites between {BAR[0]:g} and {BAR[1]:g}: {within}.")
    best = {x: np.array([_best(rows, s)["streams"][n]["coverage"] for s in sites]) for n, x in STREAMS.items()}
    within = ", ".join(f"{x} {((v >= BAR[0]) & (v <= BAR[1])).sum()} of {v.size}" for x, v in best.items())
    return [*lines, f"With the most complete that was fitted at each site: {within}."]


def _skill(rows: Rows, sites: list[str]) -> list[str]:
    lines = [
        "## Skill in withheld years",
        "",
        "CRPS (gC m-2 d-1, mm d-1, m2 m-2) of full error model / without discrepancy / instrument noise; of the climatology; in brackets",
        "R2 of the mean prediction with the first two. GPP of the model with the first two, and of the tower.",
        "",
        "| site | " + " | ".join(STREAMS.values()) + " | GPP, gC m-2 a-1 |",
        "|---|" + "---|" * (len(STREAMS) + 1),
    ]
    for s in sites:
        one, two = _best(rows, s), ("full", "plain")
        cells = [
            f"{_each(rows, s, n, 'crps')}; {one['streams'][n]['climatology_crps']:.3f} ({_each(rows, s, n, 'nse', two, 2)})"
            for n in STREAMS
        ]
        gpp = " / ".join(f"{rows[s, k]['gpp'][0]:.0f}" if (s, k) in rows else "-" for k in two)
        lines.append(f"| {s} | {' | '.join(cells)} | {gpp}; {one['gpp'][1]:.0f} |")
    return lines


def tables(rows: Rows, settings: dict[str, tuple[int, int, int]]) -> list[str]:
    """Make the page.

    Parameters
    ----------
    rows : dict
        By site and error model, what `fit` found.
    settings : dict
        Draws, tuning and longest tree of each error model.

    Returns
    -------
    list of str
        Lines.
    """
    sites = [s for s in SITES if any((s, k) in rows for k in LABELS)]
    lines = [*_coverage(rows, sites), "", *_skill(rows, sites), ""]
    lines += [
        "## Coverage by season, most complete error model: " + ", ".join(SEASONS),
        "",
        "| site | NEE | ET | LAI |",
        "|---|---|---|---|",
    ]
    for s in sites:
        found = _best(rows, s)["streams"]
        cells = [", ".join(f"{found[n]['coverage_by_season'].get(k, np.nan):.2f}" for k in SEASONS) for n in STREAMS]
        lines.append(f"| {s} | {' | '.join(cells)} |")
    lines += [
        "",
        "## Convergence",
        "",
        f"2 chains x {', '.join(f'{settings[k][0]} draws ({k})' for k in LABELS)}; 3 or 4 starts of the search for modes: short runs, for",
        "coverage; where R-hat is large the draws are not yet a posterior.",
        "",
        "| site, error model | R-hat: median, largest | of | smallest ESS | divergences | longest trees | modes (starts) | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for s in sites:
        for r in (rows[s, k] for k in LABELS if (s, k) in rows):
            modes = ", ".join(f"{m - r['modes'][0]:.1f} ({f:.2f})" for m, f in zip(r["modes"][:3], r["fractions"], strict=False))
            lines.append(
                f"| {s}, {r['kind']} | {r['rhat_median']:.3f}, {r['rhat']:.3f} | {r['rhat_of']} | {r['ess']:.0f} | {r['divergences']} "
                f"| {r['at_depth']:.2f} | {modes} | {r['seconds']['all']:.0f} |"
            )
    lines += ["", "Parameters that press against a bound with the most complete error model:", ""]
    return lines + [f"- {s}: {', '.join(_best(rows, s)['presses']) or 'none'}" for s in sites]
