"""NEE, latent and sensible heat together: BETHY at three forests, by site and by type. Writes benchmarks/bethy.md.

Hourly BETHY with complete daily drivers of callmip-towers (model `bethy_tower`): a year of warm-up, three years that are fitted, two that
are withheld. Each site by itself, and the two of evergreen conifers with the parameters of their type in common: Laplace approximations at
the mode, then NUTS from there (an hour of two cores for a site).
The run of the prior means and a climatology of the fitted years are there to be beaten. What a stream adds: FI-Hyy with some of the
streams, Laplace approximations at the mode.

Run: python benchmarks/experiment_bethy.py [FIT ...]. Needs LSM_BAYES_DATA. One fit a file in results/bethy; goes on where it stopped.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr
from lsm_bayes.models import get

from lsm_bayes import datasets
from lsm_bayes.calibration import predict
from lsm_bayes.comparison.pointwise import importance
from lsm_bayes.diagnostics import check, climatology, read_stream
from lsm_bayes.diagnostics.scores import crps, quantiles
from lsm_bayes.inference import Density, find_modes, sample, sample_laplace
from lsm_bayes.land import bethy, bethy_types
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/bethy")
MODEL = get("bethy_tower")
FITS = {"FI-Hyy": ("FI-Hyy",), "FR-Pue": ("FR-Pue",), "CH-Dav": ("CH-Dav",), "ENF": ("FI-Hyy", "CH-Dav")}
SUBSETS = {
    "NEE": ("nee",),
    "latent heat": ("latent_heat",),
    "sensible heat": ("sensible_heat",),
    "both heat fluxes": ("latent_heat", "sensible_heat"),
    "NEE and latent heat": ("nee", "latent_heat"),
    "all": MODEL.STREAMS,
}
DRAWS, TUNE, CHAINS, STARTS = 400, 150, 4, 2
SHOWN = (
    "vcmax25",
    "jmax_ratio",
    "lai_max",
    "leaf_shedding_rate",
    "water_use_time",
    "root_supply",
    "internal_co2_ratio",
    "water_capacity",
    "slow_respiration",
    "slow_q10",
)
CLOSURE = 0.85


def prior_run(data: xr.Dataset, site: str) -> dict[str, np.ndarray]:
    """Simulate the streams with the prior means of the type; heat fluxes with the typical closure."""
    number = MODEL.bethy_type(data, [site])
    one = MODEL.prepared(data, [site])
    run = simulate(bethy.of_type(number, observed_hours=True), one, bethy_types.values(number), outputs=list(MODEL.STREAMS))
    return {n: np.ravel(run[n].values) * (1.0 if n == "nee" else CLOSURE) for n in MODEL.STREAMS}


def scored(tree: xr.DataTree, name: str, k: int, before: np.ndarray) -> dict[str, float]:
    """Score one stream at one site in the withheld years."""
    s = read_stream(tree, name)
    y, held = s.observed[k], s.withheld[k]
    known = held & np.isfinite(y)
    past = climatology(s.time, y, ~held)[:, known]
    both = np.isfinite(past).any(axis=0)
    mean = np.nanmean(past[:, both], axis=0)
    y, drawn = y[known], s.predicted[:, k][:, known]
    low, high = quantiles(drawn, [0.05, 0.95])
    rmse = {
        "rmse": drawn.mean(axis=0) - y,
        "prior_rmse": before[known] - y,
        "climatology_rmse": mean - y[both],
        "rmse_where_climatology": drawn.mean(axis=0)[both] - y[both],
        "rmse_of_the_model": s.mean[:, k][:, known].mean(axis=0) - y,
    }
    return {
        "n": int(known.sum()),
        "fitted": int((~held & np.isfinite(s.observed[k])).sum()),
        "coverage": float(np.mean((y >= low) & (y <= high))),
        "width": float(np.mean(high - low)),
        "crps": float(np.mean(crps(drawn, y))),
        "climatology_crps": float(np.nanmean(crps(past[:, both], y[both]))),
        "bias": float(np.mean(rmse["rmse"])),
        "sd": float(y.std()),
    } | {n: float(np.sqrt(np.mean(e**2))) for n, e in rmse.items()}


def fit(data: xr.Dataset, name: str, *, nuts: bool) -> dict[str, object]:
    """Fit and score."""
    began, sites = time.perf_counter(), FITS[name]
    model = MODEL.build(data, sites=sites)
    density = Density(model)
    compiled = time.perf_counter() - began
    modes = find_modes(density, starts=STARTS, seed=1, store=RESULTS / f"{name}_starts", progress=True)
    searched = time.perf_counter() - began - compiled
    print(name, density.dimension, "coordinates", modes.table[["log_posterior", "weight"]].to_dataframe(), f"{searched:.0f} s", flush=True)
    best = max(modes.laplace, key=lambda m: m.log_evidence)
    if nuts:
        store = RESULTS / f"{name}.zarr.zip"
        tree = sample(density, DRAWS, TUNE, CHAINS, seed=1, target_accept=0.85, initial=modes, metric="laplace", store=store, resume=True)
    else:
        tree = sample_laplace(density, best, draws=1000, seed=1)
    predict(model, tree, draws=400)
    gates, cost = check(tree, reported=getattr(MODEL, "FINDINGS", {})), json.loads(tree.attrs["cost"])
    if nuts:
        print(gates, flush=True)
    posterior = tree["posterior"].to_dataset()
    runs = {s: prior_run(data, s) for s in sites}
    time_of = {s: MODEL.prepared(data, [s])["time"].values for s in sites}
    streams = {}
    for stream in MODEL.STREAMS:
        found = read_stream(tree, stream)
        for k, site in enumerate(sites):
            where = np.searchsorted(time_of[site], found.time)
            streams[f"{site} {stream}"] = scored(tree, stream, k, runs[site][stream][np.minimum(where, time_of[site].size - 1)])
    return {
        "sites": sites,
        "coordinates": density.dimension,
        "compile": compiled,
        "search": searched,
        "method": "NUTS" if nuts else "Laplace",
        "pareto_k": None if nuts else importance(tree["sample_stats"]["log_weight"].values)[1],
        "modes": modes.table["log_posterior"].values.tolist(),
        "sampling": cost["seconds"],
        "evaluations": cost["gradient_evaluations"],
        "gates": {g.name: [g.value, g.passed, g.parameter] for g in gates.gates} if nuts else {},
        "findings": [f"{f.parameter} ({f.side})" for f in gates.findings],
        "streams": streams,
        "posterior": {
            str(n): [np.ravel(v.mean(("chain", "draw"))).tolist(), np.ravel(v.std(("chain", "draw"))).tolist()]
            for n, v in posterior.data_vars.items()
            if v.ndim <= 3
        },
    }


def subset(data: xr.Dataset, streams: tuple[str, ...], site: str = "FI-Hyy") -> dict[str, object]:
    """Fit some of the streams, and predict all three of the withheld years."""
    density = Density(MODEL.build(data, site, streams=streams))
    modes = find_modes(density, starts=STARTS, seed=1)
    tree = sample_laplace(density, max(modes.laplace, key=lambda m: m.log_posterior), draws=200, seed=1)
    posterior = tree["posterior"].to_dataset()
    number = MODEL.bethy_type(data, [site])
    land, one = bethy.of_type(number, observed_hours=True), MODEL.prepared(data, [site])
    fixed = {n: v for n, v in bethy_types.values(number).items() if n not in posterior}
    drawn = {n: posterior[n].isel(draw=slice(None, None, 5)) for n in land.calibrated if n in posterior}
    run = simulate(land, one, fixed | drawn, outputs=list(MODEL.STREAMS))
    years = one["time"].dt.year.values
    rmse = {}
    for n in MODEL.STREAMS:
        y = one[n].values[0]
        known = (years > years[-1] - 2) & np.isfinite(y)
        closure = 1.0 if n == "nee" else float(posterior[f"{n}_closure"].mean()) if f"{n}_closure" in posterior else CLOSURE
        mean = closure * run[n].mean(("chain", "draw")).values.reshape(-1)
        rmse[n] = float(np.sqrt(np.mean((mean[known] - y[known]) ** 2)))
    return {"rmse": rmse, "posterior": {n: [float(posterior[n].mean()), float(posterior[n].std())] for n in SHOWN}}


def write() -> None:
    """Make the page from what is stored."""
    methods = {"": "NUTS", "laplace_": "Laplace"}
    paths = {f"{n}, {m}": RESULTS / f"{prefix}{n}.json" for n in FITS for prefix, m in methods.items()}
    fits = {n: json.loads(p.read_text()) for n, p in paths.items() if p.exists()}
    parts = {n: json.loads(p.read_text()) for n in SUBSETS if (p := RESULTS / f"subset_{n}.json").exists()}
    lines = [
        "# BETHY at three forests: NEE, latent and sensible heat",
        "",
        "Made by `python benchmarks/experiment_bethy.py`, whose text has the setting.",
        "",
    ]
    lines += ["## Withheld years, days", ""]
    lines += [
        "RMSE of the mean, of the run of prior means (closure 0.85), and of a climatology on the days that it has, beside the mean on the",
        "same days. NEE gC m-2 d-1, heat W m-2.",
        "",
        "| fit | site | stream | days fitted | days | coverage of 90 % | RMSE | prior | climatology; here | CRPS | climatology | bias |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, f in fits.items():
        for label, s in f["streams"].items():
            site, stream = label.split()
            lines.append(
                f"| {name} | {site} | {stream} | {s['fitted']} | {s['n']} | {s['coverage']:.3f} | {s['rmse']:.3g} | {s['prior_rmse']:.3g} "
                f"| {s['climatology_rmse']:.3g}; {s['rmse_where_climatology']:.3g} | {s['crps']:.3g} | {s['climatology_crps']:.3g} "
                f"| {s['bias']:.2g} |"
            )
    lines += ["", "## Fits", "", "| | " + " | ".join(fits) + " |", "|---|" + "---|" * len(fits)]
    rows = {
        "coordinates": lambda f: f["coordinates"],
        "seconds to build and compile, some of it in the cache": lambda f: f"{f['compile']:.0f}",
        "seconds to find modes": lambda f: f"{f['search']:.0f}",
        "log density of the modes": lambda f: ", ".join(f"{m:.1f}" for m in f["modes"]),
        "minutes of sampling": lambda f: f"{f['sampling'] / 60:.1f}",
        "evaluations": lambda f: f["evaluations"],
        "Pareto k of the approximation": lambda f: "" if f.get("pareto_k") is None else f"{f['pareto_k']:.2f}",
        "ms an evaluation": lambda f: f"{2e3 * f['sampling'] / f['evaluations']:.1f}",
        "presses against a bound": lambda f: ", ".join(f["findings"]) or "none",
    }
    lines += [f"| {label} | {' | '.join(str(row(f)) for f in fits.values())} |" for label, row in rows.items()]
    for gate in dict.fromkeys(g for f in fits.values() for g in f["gates"]):
        cells = [f["gates"].get(gate) for f in fits.values()]
        lines.append(
            f"| {gate} | {' | '.join('' if c is None else f'{c[0]:.4g}' + ('' if c[1] else f' (fails, {c[2]})') for c in cells)} |"
        )
    lines += ["", "## Parameters", "", "Posterior mean and sd; prior in the last columns.", ""]
    lines += ["| parameter | " + " | ".join(fits) + " | prior of ENF | of EBF |", "|---|" + "---|" * (len(fits) + 2)]
    priors = [bethy_types.priors(n) | MODEL.PRIORS for n in (5, 3)]
    table = bethy.of_type(5, observed_hours=True).parameter_table
    for n in (*SHOWN, "latent_heat_closure", "sensible_heat_closure"):
        cells = [", ".join(f"{m:.3g} ± {s:.2g}" for m, s in zip(*f["posterior"][n], strict=True)) for f in fits.values()]
        stated = [p.get(n, table[n][0].prior if n in table else MODEL.CLOSURE) for p in priors]
        lines.append(f"| {n} | {' | '.join(cells)} | " + " | ".join(f"{p.distribution} {p.centre:g}, {p.spread:g}" for p in stated) + " |")
    if parts:
        lines += [
            "",
            "## What a stream adds: FI-Hyy",
            "",
            "RMSE of withheld days of the mean of the process model; heat fluxes that are not fitted with closure 0.85.",
        ]
        lines += ["Sd of parameters with these streams over that of the prior.", ""]
        lines += ["| fitted | " + " | ".join(MODEL.STREAMS) + " | " + " | ".join(SHOWN) + " |", "|---|" + "---|" * (len(SHOWN) + 3)]
        sd = prior_sd()
        for n, p in parts.items():
            cells = [f"{p['rmse'][s]:.3g}" for s in MODEL.STREAMS] + [f"{p['posterior'][q][1] / sd[q]:.2f}" for q in SHOWN]
            lines.append(f"| {n} | {' | '.join(cells)} |")
    (HERE / "bethy.md").write_text("\n".join(lines) + "\n")


def prior_sd() -> dict[str, float]:
    """Return the sd of the priors of evergreen conifers, in units of the parameters."""
    table = bethy.of_type(5, observed_hours=True).parameter_table
    found = {}
    for n in SHOWN:
        p = (bethy_types.priors(5) | MODEL.PRIORS).get(n, table[n][0].prior)
        draws = np.random.default_rng(0).normal(size=20000) * p.spread
        values = p.centre * np.exp(draws) if p.distribution == "log_normal" else p.centre + draws
        low, high = table[n][0].bounds
        found[n] = float(values[(values > low) & (values < high)].std())
    return found


def main(names: list[str]) -> None:
    """Run what is missing and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = datasets.load("callmip-towers")
    for name in names:
        path = RESULTS / (f"subset_{name}.json" if name in SUBSETS else f"{name}.json")
        if not path.exists():
            found = subset(data, SUBSETS[name]) if name in SUBSETS else fit(data, name.removeprefix("laplace_"), nuts=name in FITS)
            path.write_text(json.dumps(found))
        write()


if __name__ == "__main__":
    main(sys.argv[1:] or [*(f"laplace_{n}" for n in FITS), *SUBSETS, *FITS])
