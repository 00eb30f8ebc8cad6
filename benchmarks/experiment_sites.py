"""DALEC-CDEA at four real towers: gates, modes, and skill on the withheld years. Writes benchmarks/sites.md.

Run: make experiments, or python benchmarks/experiment_sites.py [SITE ...]. Needs LSM_BAYES_DATA for all but CH-Dav.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr
from lsm_bayes.models import get

from lsm_bayes import datasets
from lsm_bayes.diagnostics import check, read_stream, score
from lsm_bayes.inference import load
from lsm_bayes.posterior import calibrate
from lsm_bayes.report import write_report

HERE = Path(__file__).parent
SITES = {"FI-Hyy": "fluxnet-daily-water", "US-MMS": "fluxnet-daily-water", "FR-Pue": "fluxnet-daily-water", "CH-Dav": "ch-dav"}
# With 0.95, 0.4 % of the transitions at FR-Pue and 0.16 % at US-MMS diverge, near a tight place of the leaf parameters.
TARGET_ACCEPT = 0.98
RESULTS = Path("results/sites")


def row(site: str, tree: xr.DataTree, seconds: float, cpu: float) -> dict[str, object]:
    """Collect the figures of one site."""
    gates = {g.name: g for g in check(tree).gates}
    cost = json.loads(tree.attrs["cost"])
    nee = score(read_stream(tree, "nee"))
    withheld = nee[nee["period"] == "withheld"].set_index("step")
    modes = tree["modes"].to_dataset()
    smallest = min(g.value for n, g in gates.items() if n.startswith("effective sample size"))
    draws = tree["posterior"].sizes["chain"] * tree["posterior"].sizes["draw"]
    last = tree["budget"]["nee"].isel(site=0).isel(year=slice(-2, None))
    annual = [f"{int(v.year)}: {float(v.mean()):.0f} ± {float(v.std()):.0f}" for v in last.transpose("year", ...)]
    return {
        "site": site,
        "passed": check(tree).passed,
        "R-hat": next(g.value for n, g in gates.items() if n.startswith("R-hat")),
        "smallest ESS": smallest,
        "divergences of draws": f"{int(tree['sample_stats']['diverging'].sum())} / {draws}",
        "evaluations per draw": float(tree["sample_stats"]["n_steps"].mean()),
        "seconds, all": seconds,
        "seconds of processor time, all": cpu,
        "seconds, sampling": cost.get("seconds"),
        "ESS/s": smallest / cost["seconds"] if cost.get("seconds") else np.nan,
        "mode weights": ", ".join(f"{w:.3g}" for w in modes["weight"].values[:4]),
        "withheld CRPS of modes": ", ".join(
            f"{v:.3f}" for v in np.atleast_1d(modes.get("withheld_crps_nee", xr.DataArray(np.nan)).values)[:4]
        ),
        "coverage 90 %, daily NEE": withheld.loc["daily", "coverage_90"],
        "CRPS, daily": withheld.loc["daily", "crps"],
        "CRPS climatology, daily": withheld.loc["daily", "climatology_crps"],
        "CRPS, weekly": withheld.loc["weekly", "crps"],
        "CRPS climatology, weekly": withheld.loc["weekly", "climatology_crps"],
        "annual NEE bias, observed days": withheld.loc["annual", "bias"],
        "annual NEE, posterior ± sd of the model": "; ".join(annual),
        "presses": ", ".join(json.loads(tree.attrs["model_card"])["findings"]),
    }


def main(sites: list[str]) -> None:
    """Run the sites that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for site in sites:
        done, path = RESULTS / f"{site}.json", RESULTS / f"{site}.zarr.zip"
        if SITES[site] != "ch-dav" and "LSM_BAYES_DATA" not in os.environ:
            print(f"{site}: skipped, LSM_BAYES_DATA is not set")
            continue
        started, cpu = time.perf_counter(), time.process_time()
        model = get("dalec_single_site").build(datasets.load(SITES[site], sites=[site]), site)
        if path.exists() and done.exists():
            tree = load(path)
        else:
            tree = calibrate(model, draws=3000, tune=1500, seed=1, target_accept=TARGET_ACCEPT, store=path, progress=False)
        if not done.exists():
            done.write_text(json.dumps(row(site, tree, time.perf_counter() - started, time.process_time() - cpu), default=float))
            write_report(tree, RESULTS / f"{site}.html")
        print(check(tree), flush=True)
    rows = [json.loads(p.read_text()) for s in SITES if (p := RESULTS / f"{s}.json").exists()]
    keys = list(rows[0])[1:]
    lines = [
        "# DALEC-CDEA at four towers",
        "",
        "Made by `python benchmarks/experiment_sites.py`; last two years withheld; times on 2 shared cores.",
        "",
    ]
    lines += ["| | " + " | ".join(r["site"] for r in rows) + " |", "|---|" + "---|" * len(rows)]
    lines += [f"| {k} | " + " | ".join(f"{r[k]:.4g}" if isinstance(r[k], float) else str(r[k]) for r in rows) + " |" for k in keys]
    (HERE / "sites.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(SITES))
