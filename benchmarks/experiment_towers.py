"""NEE, evapotranspiration and leaf area together at eleven towers. Writes benchmarks/towers.md.

DALEC 1005 at each site of fluxnet-daily-water, the last two years withheld: coverage of 90 % intervals with the full error model
(structural variance, AR(1), slow anomalies, bias, discrepancy over drivers), without the discrepancy, and with instrument noise alone (the
stated uncertainty, normal, independent) on the same streams.

Run: python benchmarks/experiment_towers.py [SITE ...]. Needs LSM_BAYES_DATA. One fit a file in results/towers; goes on where it stopped.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from lsm_bayes.models import get
from towers_page import LABELS, SEASONS, STREAMS, tables

from lsm_bayes import datasets
from lsm_bayes.calibration.predict import predict
from lsm_bayes.diagnostics import climatology, pit, read_stream, score
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.diagnostics.scores import quantiles
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.posterior import findings

HERE, RESULTS = Path(__file__).parent, Path("results/towers")
SITES = ("FI-Hyy", "US-MMS", "FR-Pue", "AU-How", "DE-Hai", "DE-Tha", "RU-Fyo", "US-Ton", "US-SRG", "AU-DaS", "AU-Stp")
KINDS = tuple(LABELS)
NOISE = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
CHAINS, STARTS = 2, {"full": 3, "plain": 4, "noise": 4}
# Draws, tuning, longest tree 2**n. Instrument noise alone leaves so little spread that its predictions are those of the mode.
SETTINGS = {"full": (300, 400, 8), "plain": (500, 500, 8), "noise": (250, 300, 7)}


def describe(tree: xr.DataTree, name: str) -> dict[str, object]:
    """Score the withheld years of one stream."""
    s = read_stream(tree, name)
    table = score(s)
    withheld = table[table["period"] == "withheld"].set_index("step")
    first = withheld.loc["daily" if "daily" in withheld.index else "native"] if len(withheld) else None
    if first is None:
        return {}
    observed, predicted, held = s.observed[0], s.predicted[:, 0], s.withheld[0]
    known = held & np.isfinite(observed)
    past = climatology(s.time, observed, ~held)[:, known]
    low, high = quantiles(predicted[:, known], [0.05, 0.95])
    below, above = quantiles(past, [0.05, 0.95])
    month = pd.DatetimeIndex(s.time[known]).month.to_numpy()
    season = (month % 12) // 3
    inside = (observed[known] >= low) & (observed[known] <= high)
    bias = s.predicted[:, 0].mean(axis=0)[known] - observed[known]
    operator = s.mean[:, 0].mean(axis=0)
    fitted = ~held & np.isfinite(observed)
    return {
        "n": int(first["n"]),
        "coverage": float(first["coverage_90"]),
        "coverage_50": float(first["coverage_50"]),
        "crps": float(first["crps"]),
        "climatology_crps": float(first["climatology_crps"]),
        "climatology_coverage": float(first["climatology_coverage_90"]),
        "nse": float(first["nse"]),
        "climatology_nse": float(first["climatology_nse"]),
        "bias": float(first["bias"]),
        "width": float((high - low).mean()),
        "climatology_width": float(np.nanmean(above - below)),
        "coverage_by_season": {x: float(inside[season == k].mean()) for k, x in enumerate(SEASONS) if (season == k).any()},
        "bias_by_season": {x: float(bias[season == k].mean()) for k, x in enumerate(SEASONS) if (season == k).any()},
        "pit": np.histogram(pit(predicted[:, known], observed[known]), bins=10, range=(0, 1))[0].tolist(),
        "monthly_coverage": float(withheld.loc["monthly", "coverage_90"]) if "monthly" in withheld.index else None,
        "monthly_crps": float(withheld.loc["monthly", "crps"]) if "monthly" in withheld.index else None,
        "monthly_climatology_crps": float(withheld.loc["monthly", "climatology_crps"]) if "monthly" in withheld.index else None,
        "training_nse_of_the_model": float(1 - np.mean((operator - observed)[fitted] ** 2) / observed[fitted].var()),
        "sd": float(observed[known].std()),
    }


def fit(site: str, kind: str) -> dict[str, object]:
    """Calibrate one site and score it."""
    started = time.perf_counter()
    one = get("dalec_water_single_site")
    data = datasets.load("fluxnet-daily-water", sites=[site])
    streams = one.streams_of(data, discrepancy=kind == "full")
    if kind == "noise":
        streams = [replace(s, error=NOISE) for s in streams]
    model = one.build(data, site, streams=streams)
    density = Density(model)
    modes = find_modes(density, starts=STARTS[kind], seed=1, spread={n: 0.7 for n in density.slices if n == "z"}, progress=False)
    found = time.perf_counter()
    draws, tune, depth = SETTINGS[kind]
    tree = sample(
        density, draws=draws, tune=tune, chains=CHAINS, seed=1, target_accept=0.9, max_treedepth=depth, initial=modes, progress=False
    )
    sampled = time.perf_counter()
    predict(model, tree, draws=400)
    posterior = tree["posterior"].to_dataset()
    scalars = {str(n): v.values for n, v in posterior.data_vars.items() if v.ndim == 2 and not str(n).endswith("_margin")}
    figures = convergence(scalars)
    worst = int(np.nanargmax(figures["rhat"]))
    last = tree["budget"].to_dataset().isel(site=0).isel(year=slice(None, -2))
    tower = float(data["gpp"].isel(time=slice(None, -730)).mean() * 365.25)
    return {
        "site": site,
        "kind": kind,
        "pft": str(data["pft"].values[0]),
        "stated": {n: bool(np.isfinite(data[f"{n}_uncertainty"].values).any()) for n in STREAMS},
        "streams": {n: describe(tree, n) for n in STREAMS},
        "rhat": float(figures["rhat"][worst]),
        "rhat_of": list(scalars)[worst],
        "rhat_median": float(np.nanmedian(figures["rhat"])),
        "ess": float(np.nanmin(figures["ess_bulk"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "at_depth": float((tree["sample_stats"]["tree_depth"] >= depth).mean()),
        "evaluations": float(tree["sample_stats"]["n_steps"].mean()),
        "modes": modes.table["log_posterior"].values.tolist(),
        "fractions": modes.table["fraction_of_starts"].values.tolist(),
        "presses": sorted(findings(tree, model.card)),
        "posterior": {n: [float(v.mean()), float(v.std())] for n, v in scalars.items()},
        "gpp": [float(last["gpp"].mean()), tower],
        "seconds": {"modes": found - started, "sampling": sampled - found, "all": time.perf_counter() - started},
    }


def main(sites: list[str]) -> None:
    """Run the fits that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for site in sites:
        for kind in KINDS:
            path = RESULTS / f"{site}_{kind}.json"
            if path.exists():
                continue
            found = fit(site, kind)
            path.write_text(json.dumps(found))
            coverage = {n: round(d["coverage"], 3) for n, d in found["streams"].items()}
            print(path.stem, coverage, f"R-hat {found['rhat']:.3f}", f"{found['seconds']['all']:.0f} s", flush=True)
    stored = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("*.json"))]
    rows = {(r["site"], r["kind"]): r for r in stored}
    if not rows:
        return
    lines = [
        "# NEE, evapotranspiration and leaf area at eleven towers",
        "",
        "Made by `python benchmarks/experiment_towers.py`: DALEC 1005, model `dalec_water_single_site`, streams together, last two years",
        "withheld.",
        "",
        *tables(rows, SETTINGS),
    ]
    (HERE / "towers.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(SITES))
