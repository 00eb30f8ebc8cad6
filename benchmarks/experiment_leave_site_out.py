"""A site that was not calibrated: complete, partial and no pooling of DALEC-CDEA at eleven towers. Writes benchmarks/leave_site_out.md.

Weekly NEE and leaf area of the first four years with NEE at each site of fluxnet-daily-water. Each site in turn is left out, and its daily
NEE predicted from the other ten (`predict_new_sites`); the prior, that of parameters without pooling, needs no fit. Fits of all eleven
give what calibration at a site itself gains. Posteriors are Laplace approximations at one mode;
with a site left out the climb begins where all sites are best.

Run: python benchmarks/experiment_leave_site_out.py. Needs LSM_BAYES_DATA. One fit a file in results/leave_site_out; goes on where it
stopped.
"""

import json
import time
from pathlib import Path

import numpy as np
import xarray as xr
from lsm_bayes.models.dalec_pft_hierarchical.model import CONSTRAINT_WIDTH, INITIAL, POOLING, first_years
from lsm_bayes.models.dalec_water_single_site.model import TYPICAL
from scipy.optimize import minimize
from scipy.stats import gaussian_kde

from lsm_bayes import datasets
from lsm_bayes.calibration import Stream, build_model, complete, date_prior, none, partial, predict, predict_new_sites
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.diagnostics.scores import crps
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, laplace_at, sample_laplace
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/leave_site_out")
YEARS, DRAWS, STARTS = 4, 800, 1
HOME: dict[str, Density] = {}  # all sites, compiled once
DATES = ("leaf_onset_day", "leaf_fall_day")
KINDS = {
    "complete": complete(),
    "partial": partial("site"),
    "none": none("site"),
    "covariates": partial("site", on=("air_temperature", "precipitation")),
}


def prepared() -> tuple[xr.Dataset, dict[str, dict]]:
    """Four years of each site, and the priors of its dates, which are those of its leaf area."""
    data = first_years(datasets.load("fluxnet-daily-water"), YEARS)
    for name, share in TYPICAL.items():
        if name in ("nee", "lai"):  # AU-DaS and AU-Stp state no uncertainty
            stated = data[f"{name}_uncertainty"]
            unknown = ~stated.notnull().any("time")
            data[f"{name}_uncertainty"] = stated.where(~unknown, share * data[name].std("time")).assign_attrs(stated.attrs)
    table = get("dalec_cdea").parameter_table
    priors: dict[str, dict] = {n: {} for n in DATES}
    for site in map(str, data["site"].values):
        one = data.sel(site=site)
        for name, day in zip(DATES, observed_turning_days(one, np.isfinite(one["shortwave_down"].values)), strict=True):
            priors[name][site] = date_prior(day, 15.0, table[name][0])
    return data, priors


def built(data: xr.Dataset, priors: dict[str, dict], kind: str) -> Density:
    """Calibration of all sites in the data."""
    model = build_model(
        get("dalec_cdea"),
        data,
        [Stream("nee", "week", ErrorModel(discrepancy=None)), Stream("lai")],
        pooling={n: KINDS[kind] for n in POOLING if n not in DATES},
        initial=INITIAL,
        priors=priors,
        constraints=CONSTRAINT_WIDTH,
    )
    return Density(model)


def climbed(density: Density, starts: np.ndarray) -> np.ndarray:
    """Best end of climbs from some positions."""
    best: tuple[float, np.ndarray | None] = (np.inf, None)

    def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density(x)
        return (-value, -gradient) if np.isfinite(value) else (1e12, np.zeros_like(gradient))

    for start in starts:
        found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxcor": 50, "maxiter": 4000, "maxfun": 5000, "ftol": 1e-10})
        best = min(best, (found.fun, found.x), key=lambda b: b[0])
    assert best[1] is not None
    return best[1]


def without(home: Density, position: np.ndarray, left: str) -> np.ndarray:
    """Take the coordinates of one site out of a position of all sites."""
    parts, sites = [], list(map(str, home.model.coords["site"]))
    for name, values in home.unflatten(position).items():
        rv = next(v for v in home.model.free_RVs if v.name == name)
        dims = home.model.named_vars_to_dims.get(rv.name) or ()
        parts.append((np.delete(values, sites.index(left), dims.index("site")) if "site" in dims else values).ravel())
    return np.concatenate(parts)


def log_score(draws: np.ndarray, observed: np.ndarray) -> float:
    """Mean log density of observations under a kernel estimate of each predictive distribution, nats."""
    return float(np.mean([gaussian_kde(draws[:, k]).logpdf(observed[k])[0] for k in range(observed.size)]))


def scored(tree: xr.DataTree, site: str) -> dict[str, float]:
    """Score weekly NEE at one site, and its mean prediction by the day."""
    drawn = tree["posterior_predictive"].to_dataset().sel(site=site)
    observed = tree["observed_data"]["nee"].sel(site=site).values
    known = np.isfinite(observed)
    samples = drawn["nee"].transpose("chain", "draw", "time_nee").values.reshape(-1, known.size)[:, known]
    mean = drawn["nee_mean"].mean(["chain", "draw"]).values[known]
    low, high = np.quantile(samples, [0.05, 0.95], axis=0)
    y = observed[known]
    return {
        "n": int(y.size),
        "elpd": log_score(samples, y) * y.size,
        "crps": float(np.mean(crps(samples, y))),
        "coverage": float(np.mean((y >= low) & (y <= high))),
        "rmse": float(np.sqrt(np.mean((mean - y) ** 2))),
        "bias": float(np.mean(mean - y)),
    }


def daily(parameters: xr.Dataset, data: xr.Dataset, site: str) -> float:
    """RMSE of the mean simulated daily NEE at one site, gC m-2 d-1."""
    land, one = get("dalec_cdea"), first_record(data, site)
    values = {}
    for name in land.calibrated:
        if name in parameters:
            v = parameters[name]
            values[name] = (
                (v.sel(site=site) if "site" in v.dims else v).drop_vars(["site"], errors="ignore").isel(draw=slice(None, None, 4))
            )
    run = simulate(land, one, values, outputs=["nee"])["nee"].mean(["chain", "draw"]).values
    observed = one["nee"].values
    return float(np.sqrt(np.nanmean((run - observed) ** 2)))


def first_record(data: xr.Dataset, site: str) -> xr.Dataset:
    """One site, cut to its four years."""
    one = data.sel(site=site)
    return one.isel(time=np.isfinite(one["shortwave_down"].values))


def fitted(data: xr.Dataset, priors: dict[str, dict], kind: str, left: str | None = None) -> tuple[Density, xr.DataTree, dict[str, float]]:
    """Fit sites together, from the prior, or without one site from where all of them are best."""
    started, kept = time.perf_counter(), RESULTS / f"mode_{kind}.npy"
    sites = [s for s in map(str, data["site"].values) if s != left]
    density = built(data.sel(site=sites), {n: {s: p[s] for s in sites} for n, p in priors.items()}, kind)
    if left is None:
        starts = 0.3 * density.prior_positions(STARTS, np.random.default_rng(1))
    else:
        if kind not in HOME:
            HOME[kind] = built(data, priors, kind)
        starts = without(HOME[kind], np.load(kept), left)[None]
    found = laplace_at(density, climbed(density, starts), polish=3)
    if left is None:
        np.save(kept, found.mode)
    tree = sample_laplace(density, found, draws=DRAWS, seed=1)
    facts = {"log_posterior": found.log_posterior, "repaired": found.repaired, "decrement": found.newton_decrement}
    return density, tree, facts | {"dimension": density.dimension, "seconds": time.perf_counter() - started}


def at_home(data: xr.Dataset, priors: dict[str, dict], kind: str) -> dict:
    """Calibrate all sites and score each where it was calibrated."""
    density, tree, facts = fitted(data, priors, kind)
    predict(density.model, tree, draws=400)
    posterior = tree["posterior"].to_dataset()
    sites = list(map(str, data["site"].values))
    if kind == "none":  # sites do not know of each other: what the ten others are when one is left out
        tree["posterior"].to_dataset().to_netcdf(RESULTS / "none.nc")
    return {"facts": facts, "sites": {s: scored(tree, s) | {"daily_rmse": daily(posterior, data, s)} for s in sites}}


def away(data: xr.Dataset, priors: dict[str, dict], kind: str, left: str) -> dict:
    """Leave one site out and predict it."""
    others = data.sel(site=[s for s in data["site"].values if str(s) != left])
    if kind == "none":
        names = list(map(str, others["site"].values))
        density = built(others, {n: {s: p[s] for s in names} for n, p in priors.items()}, kind)
        tree = xr.DataTree.from_dict({"/posterior": xr.load_dataset(RESULTS / "none.nc").sel(site=names)})
        facts = {}
    else:
        density, tree, facts = fitted(data, priors, kind, left)
    own = {n: {left: p[left]} for n, p in priors.items()}
    new = predict_new_sites(density.model, tree, data.sel(site=[left]), priors=own, draws=400)
    return {"facts": facts, **scored(new, left), "daily_rmse": daily(new["posterior"].to_dataset(), data, left)}


def write_table() -> None:
    """Make the page from the stored fits."""
    home = {k: json.loads(p.read_text()) for k in KINDS if (p := RESULTS / f"home_{k}.json").exists()}
    sites = list(home["none"]["sites"])
    left = {(k, s): json.loads(p.read_text()) for k in KINDS for s in sites if (p := RESULTS / f"away_{k}_{s}.json").exists()}
    kinds = [k for k in KINDS if all((k, s) in left for s in sites)]
    if "none" not in kinds:
        return
    prior, alone = {s: left["none", s]["daily_rmse"] for s in sites}, {s: home["none"]["sites"][s]["daily_rmse"] for s in sites}
    lines = [
        "# A site that was not calibrated",
        "",
        "Made by `python benchmarks/experiment_leave_site_out.py`, whose text says what it does: DALEC-CDEA, weekly NEE and leaf area,",
        "four years of each tower. `none` away from home is the prior. `covariates`: partial pooling about a regression on mean air",
        "temperature and precipitation. Posteriors are Laplace approximations. elpd: sum over the weeks of the log of each one's",
        "predictive density, by a kernel estimate of 400 draws.",
        "",
        "## Left out",
        "",
        "| pooling | elpd | less than the best: sum, se by site | CRPS | coverage of 90 % | daily RMSE | better than the prior | worst |",
        "|---|---|---|---|---|---|---|---|",
    ]
    elpd = {k: np.array([left[k, s]["elpd"] for s in sites]) for k in kinds}
    best = max(kinds, key=lambda k: elpd[k].sum())
    for k in kinds:
        difference = elpd[k] - elpd[best]
        change = np.array([left[k, s]["daily_rmse"] / prior[s] - 1 for s in sites])
        mean = {n: np.mean([left[k, s][n] for s in sites]) for n in ("crps", "coverage", "daily_rmse")}
        lines.append(
            f"| {k} | {elpd[k].sum():.0f} | {difference.sum():.0f}, {np.sqrt(len(sites)) * difference.std():.0f} | {mean['crps']:.3f} "
            f"| {mean['coverage']:.3f} | {mean['daily_rmse']:.3f} | {(change < 0).sum()} of {len(sites)} | {100 * change.max():+.0f} % |"
        )
    lines += ["", "## At home: all sites calibrated together", ""]
    lines += [
        "| pooling | daily RMSE | gain over the prior, share of that alone | better than the prior | worst |",
        "|---|---|---|---|---|",
    ]
    for k in home:
        rmse = {s: home[k]["sites"][s]["daily_rmse"] for s in sites}
        share = sum(prior[s] - rmse[s] for s in sites) / sum(prior[s] - alone[s] for s in sites)
        change = np.array([rmse[s] / prior[s] - 1 for s in sites])
        mean = np.mean(list(rmse.values()))
        lines.append(f"| {k} | {mean:.3f} | {share:.2f} | {(change < 0).sum()} of {len(sites)} | {100 * change.max():+.0f} % |")
    lines += [
        "",
        "## By site",
        "",
        "Daily RMSE, gC m-2 d-1: prior; alone; left out with " + ", ".join(k for k in kinds if k != "none") + ".",
        "",
    ]
    lines += ["| site | prior | alone | " + " | ".join(k for k in kinds if k != "none") + " |", "|---|" + "---|" * (1 + len(kinds))]
    for s in sites:
        cells = [f"{left[k, s]['daily_rmse']:.2f}" for k in kinds if k != "none"]
        lines.append(f"| {s} | {prior[s]:.2f} | {alone[s]:.2f} | {' | '.join(cells)} |")
    facts = [f["facts"] for f in left.values() if f["facts"]]
    lines += [
        "",
        f"Fits: {len(facts)} with a site left out, {np.median([f['seconds'] for f in facts]):.0f} s each in the median (two busy cores);",
        f"directions in which the curvature was not positive: {np.median([f['repaired'] for f in facts]):.0f} in the median,",
        f"{max(f['repaired'] for f in facts)} at most.",
    ]
    (HERE / "leave_site_out.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run what is missing and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data, priors = prepared()
    sites = list(map(str, data["site"].values))
    work = [(f"home_{k}", at_home, (k,)) for k in ("none", "partial", "complete", "covariates")]
    work += [(f"away_{k}_{s}", away, (k, s)) for k in KINDS for s in sites]
    for name, function, arguments in work:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            found = function(data, priors, *arguments)
            path.write_text(json.dumps(found))
            write_table()
            print(name, found.get("facts"), {n: round(found[n], 3) for n in ("elpd", "crps", "daily_rmse") if n in found}, flush=True)
    write_table()


if __name__ == "__main__":
    main()
