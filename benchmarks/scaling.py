"""Log-density and gradient of a hierarchy against the number of its sites. Writes scaling.md.

DALEC-CDEA, four years of daily forcing at each site (that of plausible weather, another for each), weekly NEE; seven parameters partially
pooled, the rest by site. Times are minima over repeats, all in one run, on one thread and with the sites shared out between two; read the
ratios.

Usage: python benchmarks/scaling.py [--repeats 15] [--sites 1 4 16 64 200]
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import xarray as xr
from lsm_bayes.models.dalec_pft_hierarchical.model import POOLING

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density
from lsm_bayes.land import get
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.vocabulary import QUANTITIES

FEWEST = 17  # sites that fill more than one block of lanes
HERE, LAND = Path(__file__).parent, get("dalec_cdea")
DRIVERS = ("air_temperature_min", "air_temperature_max", "shortwave_down", "co2")


def made(sites: int) -> xr.Dataset:
    """Make forcing and NEE of some sites up."""
    when, rng = pd.date_range("2001-01-01", "2004-12-31"), np.random.default_rng(1)
    weather = [plausible_weather(list(DRIVERS), np.arange(when.size) + 0.5, 1.0, rng) for _ in range(sites)]
    coords = {
        "site": [f"S{k:03d}" for k in range(sites)],
        "time": when,
        "latitude": ("site", np.linspace(30, 60, sites)),
        "pft": ("site", [("DBF", "ENF", "EBF", "GRA")[k % 4] for k in range(sites)]),
    }
    data = xr.Dataset({n: (("site", "time"), np.stack([w[n] for w in weather]), QUANTITIES[n].attrs()) for n in DRIVERS}, coords=coords)
    data["nee"] = (("site", "time"), rng.normal(size=(sites, when.size)), QUANTITIES["nee"].attrs())
    data["nee_uncertainty"] = (("site", "time"), np.full((sites, when.size), 0.3), QUANTITIES["nee"].attrs())
    return data


def measured(sites: int, repeats: int) -> dict[str, float]:
    """Compile, and time one evaluation."""
    started = time.perf_counter()
    stream = Stream("nee", "week", ErrorModel(discrepancy=None))
    model = build_model(LAND, made(sites), [stream], pooling=POOLING)
    densities = [Density(model)]
    compiled = time.perf_counter() - started
    if sites >= FEWEST:
        densities.append(Density(model, site_threads=2))
    position = 0.2 * densities[0].prior_positions(1, np.random.default_rng(2))[0]
    best = np.full(2, np.nan)
    for _ in range(repeats):
        for k, density in enumerate(densities):
            start = time.perf_counter()
            density(position)
            best[k] = np.fmin(best[k], time.perf_counter() - start)
    return {"sites": sites, "dimension": densities[0].dimension, "compile": compiled, "seconds": best[0], "shared": best[0] / best[1]}


def main() -> None:
    """Measure and write the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--sites", type=int, nargs="+", default=[1, 4, 16, 64, 200])
    options = arguments.parse_args()
    rows = [measured(n, options.repeats) for n in options.sites]
    steps = 1461
    first = rows[0]["seconds"]
    lines = [
        "# Cost against the number of sites",
        "",
        "Made by `python benchmarks/scaling.py`, whose text says what is timed: log-density and gradient, one thread, minimum of",
        f"{options.repeats} repeats. Compile: building and compiling, s, with whatever the caches held.",
        "",
        "| sites | coordinates | ms | ns for each site and day | over one site | the same for each site | gain by two threads | compile |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        ratio, shared = r["seconds"] / first, "–" if np.isnan(r["shared"]) else f"{r['shared']:.2f}"
        lines.append(
            f"| {r['sites']} | {r['dimension']} | {1e3 * r['seconds']:.3g} | {1e9 * r['seconds'] / r['sites'] / steps:.0f} "
            f"| {ratio:.3g} | {ratio / r['sites'] * rows[0]['sites']:.2f} | {shared} | {r['compile']:.0f} |"
        )
        print(lines[-1], flush=True)
    known = [r for r in rows if r["sites"] >= 4]
    slope = np.polyfit(np.log([r["sites"] for r in known]), np.log([r["seconds"] for r in known]), 1)[0] if len(known) > 1 else np.nan
    lines += ["", f"Slope of log time over log sites from four sites on: {slope:.2f} (1 is linear)."]
    (HERE / "scaling.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
