"""What the annual increment of wood adds to daily NEE at five forests. Writes benchmarks/wood.md.

DALEC-CDEA with NEE alone and with NEE and the increment of the same eight years: ratio of posterior standard deviations. Increments are
grams of carbon per square metre and year at the source (its README), so nothing is converted but years to days.

Drivers: FLUXNET2015 by day for US-MMS, US-NR1 and US-UMB, and only days on which a quarter of the half-hours was measured; their random
error is that of FLUXNET2015 with the u* spread added. US-Bar and US-Ho1 have no daily drivers: monthly temperature and radiation of the
towers are interpolated to days, the daily range of temperature is that of US-UMB by month, and NEE is fitted as monthly means.

Run: python benchmarks/experiment_wood.py [SITE ...]. Needs LSM_BAYES_DATA. One fit a file in results/wood; goes on where it was stopped.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from lsm_bayes.models import get

from lsm_bayes import datasets
from lsm_bayes.calibration import Stream
from lsm_bayes.calibration.predict import parameters_at
from lsm_bayes.datasets import co2, forest_growth, tower_sets
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/wood")
DAILY, MONTHLY = ("US-MMS", "US-NR1", "US-UMB"), ("US-Bar", "US-Ho1")
YEARS = 8
DRIVERS = ("air_temperature_min", "air_temperature_max", "shortwave_down", "co2")
RANDOM_SHARE = 0.136  # median over nine towers of fluxnet-daily-water of the stated uncertainty of daily NEE over its sd
# The model's wood does not vary from year to year as rings do: that is structural. Allometry errs in all years alike.
GROWTH_ERROR = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None, gain=0.1)
MONTHLY_ERROR = ErrorModel(discrepancy=None)
CHAINS, DRAWS, TUNE, STARTS = 2, 500, 500, 4
POOLS = {
    "allocation_to_wood": "allocation to wood, gC m-2 a-1",
    "wood_share": "share of NPP that goes to wood",
    "wood_carbon": "wood carbon at the start, gC m-2",
    "wood_residence": "residence time of wood, a",
    "wood_litterfall": "litterfall of wood, first day, gC m-2 a-1",
    "allocation_to_leaves": "allocation to leaves and labile pool, gC m-2 a-1",
    "allocation_to_roots": "allocation to roots, gC m-2 a-1",
    "foliage_carbon": "leaf carbon at the start, gC m-2",
    "labile_carbon": "labile carbon at the start, gC m-2",
    "root_carbon": "root carbon at the start, gC m-2",
    "root_residence": "residence time of roots, a",
    "litter_carbon": "litter carbon at the start, gC m-2",
    "soil_carbon": "soil carbon at the start, gC m-2",
    "soil_residence": "residence time of soil carbon at 0 degC, a",
    "f_auto": "autotrophic share of GPP",
    "gpp": "GPP, gC m-2 a-1",
    "npp": "NPP, gC m-2 a-1",
}


def interpolated(site: str, time: pd.DatetimeIndex) -> xr.Dataset:
    """Daily drivers from the monthly climate of a tower."""
    climate = forest_growth.monthly_climate([site])
    middle = climate["time"].values + np.timedelta64(15, "D")
    near = datasets.load("fluxnet2015-daily", ["US-UMB"]).isel(site=0)
    widths = (near["air_temperature_max"] - near["air_temperature_min"]).groupby("time.month").mean()
    half = 0.5 * widths.sel(month=time.month).values
    days = {n: np.interp(time.values.astype(float), middle.astype(float), climate[n].values[0]) for n in climate.data_vars}
    temperature = days["air_temperature"]
    values = (temperature - half, temperature + half, days["shortwave_down"], co2.mauna_loa_file(tower_sets.MAUNA_LOA.fetch(), time.values))
    units = ("degC", "degC", "MJ m-2 d-1", "umol mol-1")
    return xr.Dataset(
        {n: (("site", "time"), v[None], {"units": u}) for n, v, u in zip(DRIVERS, values, units, strict=True)},
        coords={"site": [site], "time": time},
    )


def record(site: str) -> xr.Dataset:
    """Drivers, NEE and growth of the last eight years that have all three."""
    forest = datasets.load("forest-growth", [site])
    both = forest["wood_increment"].notnull() & forest["nee"].notnull()
    if site in DAILY:
        tower = datasets.load("fluxnet2015-daily", [site])
        there = tower["shortwave_down"].notnull().reindex(time=forest["time"], fill_value=False)
        both = both & there
    count = both.isel(site=0).groupby("time.year").sum()
    last = int(count["year"].values[count.values >= 365][-1])
    forest = forest.sel(time=slice(str(last - YEARS + 1), str(last)))
    time = pd.DatetimeIndex(forest["time"].values)
    random = RANDOM_SHARE * float(forest["nee"].std())
    if site in DAILY:
        tower = tower.sel(time=forest["time"])
        forest["nee"] = forest["nee"].where(tower["nee"].notnull())
        random, drivers = tower["nee_uncertainty"].fillna(random), tower[list(DRIVERS)]
    else:
        drivers = interpolated(site, time)
    slow = forest["nee_uncertainty"].fillna(0.0)
    forest["nee_uncertainty"] = ((slow**2 + random**2) ** 0.5).assign_attrs(units="gC m-2 d-1")
    keep = forest[["nee", "nee_uncertainty", "gpp", "wood_increment", "wood_increment_uncertainty"]]
    return xr.merge([keep, drivers.drop_vars([c for c in drivers.coords if c not in ("site", "time")])], combine_attrs="override")


def quantities(model, posterior: xr.Dataset) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of what the table shows."""
    c = model.calibration
    parameters = parameters_at(c, posterior, 0)
    wanted = [
        "gpp",
        "autotrophic_respiration",
        "allocation_to_wood",
        "allocation_to_roots",
        "allocation_to_foliage",
        "allocation_to_labile",
    ]
    run = simulate(c.process_model, c.records[0].data, {n: parameters[n] for n in c.process_model.calibrated}, outputs=wanted)
    annual = {n: run[n].mean("time").transpose("chain", "draw").values * 365.25 for n in wanted}
    found = {n: posterior[n].values for n in POOLS if n in posterior}
    npp = annual["gpp"] - annual["autotrophic_respiration"]
    return found | {
        "gpp": annual["gpp"],
        "npp": npp,
        "allocation_to_wood": annual["allocation_to_wood"],
        "wood_share": annual["allocation_to_wood"] / npp,
        "allocation_to_roots": annual["allocation_to_roots"],
        "allocation_to_leaves": annual["allocation_to_foliage"] + annual["allocation_to_labile"],
        "wood_residence": 1 / (365.25 * posterior["wood_turnover"].values),
        "root_residence": 1 / (365.25 * posterior["root_turnover"].values),
        "soil_residence": 1 / (365.25 * posterior["soil_mineralisation"].values),
        "wood_litterfall": 365.25 * posterior["wood_turnover"].values * posterior["wood_carbon"].values,
    }


def fit(site: str, growth: bool) -> dict[str, object]:
    """Calibrate one site and describe the posterior."""
    started = time.perf_counter()
    data = record(site)
    nee = Stream("nee") if site in DAILY else Stream("nee", "month", MONTHLY_ERROR)
    streams = [nee, *([Stream("wood_increment", "year", GROWTH_ERROR)] if growth else [])]
    model = get("dalec_single_site").build(data, site, streams=streams, withheld_years=0)
    density = Density(model)
    modes = find_modes(density, starts=STARTS, seed=1, spread={n: 0.7 for n in density.slices if n == "z"}, progress=False)
    tree = sample(
        density, draws=DRAWS, tune=TUNE, chains=CHAINS, seed=1, target_accept=0.9, max_treedepth=8, initial=modes, cores=2, progress=False
    )
    posterior = tree["posterior"].to_dataset()
    draws = quantities(model, posterior)
    figures = convergence(draws)
    scalars = {str(n): v.values for n, v in posterior.data_vars.items() if v.ndim == 2}
    everything = convergence(scalars)
    low, middle, high = ({n: float(np.quantile(v, q)) for n, v in draws.items()} for q in (0.05, 0.5, 0.95))
    return {
        "site": site,
        "years": f"{data['time'].dt.year.values[0]}-{data['time'].dt.year.values[-1]}",
        "observed": float(data["wood_increment"].mean() * 365.25),
        "sd": {n: float(np.log(v).std()) for n, v in draws.items()},
        "low": low,
        "median": middle,
        "high": high,
        "rhat": dict(zip(draws, map(float, figures["rhat"]), strict=True)),
        "ess": dict(zip(draws, map(float, figures["ess_bulk"]), strict=True)),
        "largest_rhat": float(np.nanmax(everything["rhat"])),
        "smallest_ess": float(np.nanmin(everything["ess_bulk"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "modes": modes.table["log_posterior"].values.tolist(),
        "aboveground": float(posterior["wood_increment_aboveground_fraction"].mean()) if growth else None,
        "sigma_growth": float(posterior["wood_increment_sigma"].mean() * 365.25) if growth else None,
        "seconds": time.perf_counter() - started,
    }


def table(fits: dict[str, tuple[dict, dict]]) -> list[str]:
    """Ratios by site, with the medians."""
    sites = list(fits)
    lines = [
        "| sd of the logarithm, with / without growth | " + " | ".join(sites) + " | median, all | median, daily drivers |",
        "|---|" + "---|" * (len(sites) + 2),
    ]
    for name, label in POOLS.items():
        ratio = {s: both[1]["sd"][name] / both[0]["sd"][name] for s, both in fits.items()}
        daily = [v for s, v in ratio.items() if s in DAILY]
        shown = [f"{v:.2f}" + ("*" if max(one["rhat"][name] for one in fits[s]) > 1.05 else "") for s, v in ratio.items()]
        lines.append(
            f"| {label} | {' | '.join(shown)} | {np.median(list(ratio.values())):.2f} | {f'{np.median(daily):.2f}' if daily else ''} |"
        )
    lines += [
        "",
        "| shift of the median of the logarithm by growth, in sd with NEE alone | " + " | ".join(sites) + " |",
        "|---|" + "---|" * len(sites),
    ]
    for name, label in POOLS.items():
        shift = [np.log(b[1]["median"][name] / b[0]["median"][name]) / b[0]["sd"][name] for b in fits.values()]
        lines.append(f"| {label} | {' | '.join(f'{v:+.1f}' for v in shift)} |")
    lines += ["", "| median and 90 % interval | " + " | ".join(sites) + " |", "|---|" + "---|" * len(sites)]
    for name in ("allocation_to_wood", "wood_share", "wood_carbon", "wood_residence", "wood_litterfall", "npp", "gpp"):
        for k, label in enumerate(("NEE", "NEE and growth")):
            cells = [f"{b[k]['median'][name]:.3g} [{b[k]['low'][name]:.3g}, {b[k]['high'][name]:.3g}]" for b in fits.values()]
            lines.append(f"| {POOLS[name]}: {label} | {' | '.join(cells)} |")
    lines += ["", "| fit | " + " | ".join(sites) + " |", "|---|" + "---|" * len(sites)]
    lines.append("| years | " + " | ".join(b[0]["years"] for b in fits.values()) + " |")
    lines.append("| observed increment, above ground, gC m-2 a-1 | " + " | ".join(f"{b[0]['observed']:.0f}" for b in fits.values()) + " |")
    lines.append("| year-to-year error of growth, gC m-2 a-1 | " + " | ".join(f"{b[1]['sigma_growth']:.0f}" for b in fits.values()) + " |")
    for key, label in (
        ("largest_rhat", "largest R-hat"),
        ("smallest_ess", "smallest ESS"),
        ("divergences", "divergences"),
        ("seconds", "s"),
    ):
        cells = [", ".join(f"{one[key]:.3f}" if key == "largest_rhat" else f"{one[key]:.0f}" for one in b) for b in fits.values()]
        lines.append(f"| {label}: NEE, NEE and growth | {' | '.join(cells)} |")
    return lines


def main(sites: list[str]) -> None:
    """Run the fits that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for site in sites:
        for growth in (False, True):
            path = RESULTS / f"{site}_{'nee_wood' if growth else 'nee'}.json"
            if path.exists():
                continue
            found = fit(site, growth)
            path.write_text(json.dumps(found))
            print(path.stem, {k: found[k] for k in ("largest_rhat", "smallest_ess", "divergences", "seconds")}, flush=True)
    paths = {s: [RESULTS / f"{s}_{k}.json" for k in ("nee", "nee_wood")] for s in (*DAILY, *MONTHLY)}
    fits = {s: tuple(json.loads(p.read_text()) for p in both) for s, both in paths.items() if all(p.exists() for p in both)}
    if not fits:
        return
    lines = [
        "# What the growth of wood adds to NEE",
        "",
        f"Made by `python benchmarks/experiment_wood.py`: DALEC-CDEA, {YEARS} years a site, {CHAINS} chains x {DRAWS} draws. NEE by day at",
        f"{', '.join(DAILY)}; by month, with drivers interpolated from months, at {', '.join(MONTHLY)}.",
        "A star: R-hat of this quantity above 1.05 in one of the two fits.",
        "",
        *table(fits),
    ]
    (HERE / "wood.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or [*DAILY, *MONTHLY])
