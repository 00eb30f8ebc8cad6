# %% [markdown]
# # Does a parameter belong to the plant functional type or to the site?
#
# Land models give all places of a plant functional type (PFT) the same parameters. How wrong is that for what sets the size of the fluxes,
# and does it help at a place without a tower? Six forests are calibrated together, then others are predicted that no fit has seen.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from lsm_bayes.models.dalec_pft_hierarchical.model import first_years

import lsm_bayes as lb
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.diagnostics.scores import crps
from lsm_bayes.inference import laplace_at

plt.rcParams["date.converter"] = "concise"
SEED, YEARS = 1, 2
FITTED = ["DE-Tha", "FI-Hyy", "RU-Fyo", "DE-Hai", "DK-Sor", "US-MMS"]
NEW = ["CA-Man", "CZ-BK1", "US-NR1", "CA-Oas", "FR-Fon", "US-WCr"]
COLOURS = {"ENF": "#0b3c5d", "DBF": "#b5402a"}
dalec = lb.models.get("dalec_pft_fluxnet")
land = lb.land.get("dalec_cdea")
table = land.parameter_table

# %% [markdown]
# ## Data
#
# Evergreen needleleaf (ENF) and deciduous broadleaf forests (DBF) of FLUXNET2015: weekly NEE and monthly GPP of the first two years. Where
# `LSM_BAYES_DATA` is not set, made-up forests stand in. They have the weather of Davos, shifted; two parameters differ between them as is
# written here.


# %%
def made_up(names: list[str]) -> xr.Dataset:
    """Forests with the weather of Davos, colder or warmer, and what DALEC-CDEA does there."""
    davos = lb.load("ch-dav", start="2013", end=str(2012 + YEARS)).isel(site=0).drop_vars("site")
    rng, forests = np.random.default_rng(SEED), []
    for k in range(len(names)):
        forest = davos[["air_temperature_min", "air_temperature_max", "shortwave_down", "co2"]].copy(deep=True)
        for name in ("air_temperature_min", "air_temperature_max"):
            forest[name] = forest[name] + 4.0 + 0.5 * k
        kind = "ENF" if names[k] in (*FITTED[:3], *NEW[:3]) else "DBF"
        truth = {"canopy_efficiency": {"ENF": 14.0, "DBF": 24.0}[kind], "f_auto": 0.5 + 0.08 * rng.normal()}
        run = lb.simulate(land, forest, truth, outputs=["nee", "gpp"])
        for name in ("nee", "gpp"):
            seen = run[name] + 0.5 * rng.normal(size=run.sizes["time"])
            forest[name] = seen.assign_attrs(run[name].attrs)
            forest[f"{name}_uncertainty"] = xr.full_like(seen, 0.5).assign_attrs(run[name].attrs)
        forests.append(forest.assign_coords(pft=kind, latitude=davos["latitude"] + 0.1 * k, longitude=davos["longitude"] + k))
    return xr.concat(forests, pd.Index(names, name="site"), data_vars="all", coords="different", compat="equals", join="exact")


try:
    data = first_years(lb.load("fluxnet2015-daily", [*FITTED, *NEW]), YEARS)
except lb.NotAvailableError as missing:
    print(f"{missing}. Made-up forests are used; their names and places say nothing.")
    data = made_up([*FITTED, *NEW])
pft = dict(zip(data["site"].values.tolist(), data["pft"].values.tolist(), strict=True))
pd.DataFrame({"PFT": pft, "fitted": {s: s in FITTED for s in pft}}).T

# %% [markdown]
# ## Two calibrations that differ in one argument
#
# Photosynthesis scales with `canopy_efficiency`, and what of it is breathed out again with `f_auto`. These two are pooled in one of two
# ways; dates and initial pools belong to each site, the temperature dependence to all, and the rest to the type.

# %%
SIZE = ["canopy_efficiency", "f_auto"]
KINDS = {"partial": lb.partial("site", within="pft", spread=0.7), "none": lb.none("site")}

# %% [markdown]
# - **partial**: sites scatter about the mean of their type, by as much as the data say (prior of the spread: half-normal, 0.7 of the
#   prior's standard deviation);
# - **none**: each site by itself.
#
# A third, `lb.none("pft")`, gives all sites of a type the same value, as land models do. It has to be compiled anew, so at new sites the
# mean of the type from the partially pooled fit stands in for it.
#
# The posterior is the normal (Laplace) approximation at one mode, on the scale on which priors are standard normal: cheap enough for a
# notebook, and only that. `lb.calibrate(model)` samples, and `lb.check` says whether the result may be called a posterior.


# %%
def fit(pooling):
    """Climb to one mode and draw from the normal approximation there."""
    model = dalec.build(data, FITTED, years=YEARS, pooling=dict.fromkeys(SIZE, pooling))
    density = lb.Density(model)
    start = 0.3 * density.prior_positions(1, np.random.default_rng(SEED))
    modes = lb.find_modes(density, starts=1, start_points=start, max_evaluations=10_000)
    mode = laplace_at(density, modes.positions[0], polish=3)
    return model, lb.sample_laplace(density, mode, draws=400, seed=SEED), mode


fits = {kind: fit(pooling) for kind, pooling in KINDS.items()}
pd.DataFrame(
    {
        kind: {
            "unknowns": mode.mode.size,
            "log posterior (nats)": mode.log_posterior,
            "Newton decrement": mode.newton_decrement,
            "repaired directions": mode.repaired,
        }
        for kind, (_, _, mode) in fits.items()
    }
).T.round(4)

# %% [markdown]
# Newton decrement: how far from the mode the climb ended, in posterior standard deviations; above 0.1 a row is not to be trusted. Repaired:
# directions in which the density did not fall away; there the approximation is a guess.
#
# ## Between the types, or within them?
#
# Both in standard deviations of the prior, 5, 50 and 95 %. Where the types are further apart than the sites of a type scatter, the
# parameter belongs to the type; where it is the other way round, to the site. Where a row only repeats the prior, these data do not say.

# %%
posterior = fits["partial"][1]["posterior"].to_dataset()
axis = next(str(d) for d in posterior.dims if "partial" in str(d) and str(d).endswith("_parameter"))
stem = f"z_{axis.removesuffix('_parameter')}"
spread = posterior[f"{stem}_spread"]
mean = posterior[f"{stem}_mean"]
apart = abs(mean.sel(pft="ENF") - mean.sel(pft="DBF")) / 2
QUANTILES = [0.05, 0.5, 0.95]
rows = {"prior of the spread": np.quantile(0.7 * abs(np.random.default_rng(SEED).standard_normal(20000)), QUANTILES)}
for name in SIZE:
    rows[f"{name}: spread of sites"] = spread.sel({axis: name}).quantile(QUANTILES).values
    rows[f"{name}: types from their mean"] = apart.sel({axis: name}).quantile(QUANTILES).values
pd.DataFrame(rows, index=["5 %", "50 %", "95 %"]).T.round(2)

# %% [markdown]
# ## Sites and their types
#
# `lb.predict_new_sites` draws new members of the hierarchy: with **partial** they scatter about the mean of their type with the spread,
# with **none** nothing is known but the prior. With a spread of zero every new site has the **type mean**. The priors of the dates of
# leaves come from the fluxes of the new sites, as for the fitted ones; without a tower they would come from a satellite.

# %%
new_data = data.sel(site=NEW)
priors: dict[str, dict] = {"leaf_onset_day": {}, "leaf_fall_day": {}}
for site in NEW:
    one = data.sel(site=site)
    days = observed_turning_days(one, np.isfinite(one["shortwave_down"].values))
    for name, day in zip(priors, days, strict=True):
        priors[name][site] = lb.date_prior(day, 15.0, table["leaf_onset_day"][0])
(partial_model, partial_tree, _), (none_model, none_tree, _) = fits.values()
at_mean = partial_tree.copy()
at_mean["posterior"] = xr.DataTree(posterior.assign({f"{stem}_spread": 0 * spread}))
predicted = {
    kind: lb.predict_new_sites(model, tree, new_data, priors=priors, draws=200, seed=SEED)
    for kind, model, tree in (
        ("type mean", partial_model, at_mean),
        ("partial", partial_model, partial_tree),
        ("none", none_model, none_tree),
    )
}

# %% [markdown]
# Two parameters in their own units. Shaded rows are what each fit says of a **further** site of the type.

# %%
STYLE = {"type mean": ("0.55", -0.25), "partial": ("#0b3c5d", 0.0), "none": ("#d99a2b", 0.25)}
FURTHER = {"further ENF": NEW[0], "further DBF": NEW[-1]}
rows = ["further DBF", *reversed(FITTED[3:]), "further ENF", *reversed(FITTED[:3])]
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), sharey=True)
for ax, name in zip(axes, SIZE, strict=True):
    for kind, (colour, shift) in STYLE.items():
        for row, site in enumerate(rows):
            if site not in FURTHER and kind not in fits:
                continue
            source = predicted[kind] if site in FURTHER else fits[kind][1]
            low, middle, high = source["posterior"][name].sel(site=FURTHER.get(site, site)).quantile(QUANTILES).values
            ax.plot([low, high], [row + shift] * 2, color=colour, lw=2)
            ax.plot(middle, row + shift, "o", color=colour, ms=4, label=kind if row == 0 else None)
    for row, site in enumerate(rows):
        if site in FURTHER:
            ax.axhspan(row - 0.45, row + 0.45, color="0.94", zorder=0)
    for bound in table[name][0].bounds:
        ax.axvline(bound, color="0.8", lw=1, zorder=0)
    ax.set(xlabel=f"{name} (dimensionless)")
axes[0].set_yticks(range(len(rows)), [r if r in FURTHER else f"{r} ({pft[r]})" for r in rows])
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False, title="pooling: median and 90 % interval; grey lines: bounds")
figure.tight_layout(rect=(0, 0, 1, 0.88))

# %% [markdown]
# ## Shrinkage
#
# From the median of each site by itself (top) to that with partial pooling (middle); triangles: a further site of each type. A site of
# which the data say much stays, one of which they say little moves towards its type. Where the spread is large, little moves.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 2.8))
for ax, name in zip(axes, SIZE, strict=True):
    alone, pooled = (fits[k][1]["posterior"][name].median(("chain", "draw")) for k in ("none", "partial"))
    for site in FITTED:
        ax.plot([alone.sel(site=site), pooled.sel(site=site)], [1, 0], "-o", color=COLOURS[pft[site]], ms=4, lw=1)
    for label, site in FURTHER.items():
        middle = predicted["partial"]["posterior"][name].sel(site=site).median()
        ax.plot(middle, -0.35, "^", color=COLOURS[pft[site]], ms=7, label=f"{label}, median")
    ax.set(xlabel=f"{name} (dimensionless)", ylim=(-0.6, 1.3))
    ax.set_yticks([1, 0, -0.35], ["none", "partial", "further site"])
figure.legend(*axes[0].get_legend_handles_labels(), loc="upper center", ncols=2, fontsize=8, frameon=False)
figure.tight_layout(rect=(0, 0, 1, 0.93))
for name in SIZE:
    by_site = {k: fits[k][1]["posterior"][name].median(("chain", "draw")) for k in ("none", "partial")}
    within = {k: float(np.mean([v.sel(site=s).std() / v.sel(site=s).mean() for s in (FITTED[:3], FITTED[3:])])) for k, v in by_site.items()}
    print(f"{name:18} coefficient of variation of site medians within types: none {within['none']:.2f}, partial {within['partial']:.2f}")

# %% [markdown]
# ## On the map
#
# Plain longitude and latitude: nothing that the package depends on has coastlines. Open symbols: sites that were not fitted.

# %%
name = "canopy_efficiency"
value = posterior[name].median(("chain", "draw"))
limits = {"vmin": float(value.min()), "vmax": float(value.max()), "cmap": "viridis"}
west = data["longitude"].values < -30
sides = [west, ~west] if west.any() and not west.all() else [np.ones(west.size, dtype=bool)]
figure, axes = plt.subplots(1, len(sides), figsize=(11, 4), squeeze=False)
for ax, side in zip(axes[0], sides, strict=True):
    for site in data["site"].values[side]:
        x, y = (float(data[c].sel(site=site)) for c in ("longitude", "latitude"))
        marker = {"ENF": "^", "DBF": "o"}[pft[site]]
        if site in FITTED:
            points = ax.scatter(x, y, c=float(value.sel(site=site)), marker=marker, s=90, edgecolor="black", **limits)
        else:
            ax.scatter(x, y, marker=marker, s=90, facecolor="none", edgecolor="0.4")
        # Of neighbours the western one has its name on the left.
        near = (abs(data["longitude"] - x).values < 4) & (abs(data["latitude"] - y).values < 2) & side
        crowded = any(near & (data["longitude"].values > x))
        style = {"xytext": (-8, 4), "ha": "right"} if crowded else {"xytext": (8, 4)}
        colour = "black" if site in FITTED else "0.4"
        ax.annotate(site, (x, y), textcoords="offset points", fontsize=8, color=colour, zorder=5, **style)
    ax.margins(0.35, 0.15)
    ax.set(xlabel="longitude (degrees east)")
axes[0, 0].set(ylabel="latitude (degrees north)")
figure.colorbar(points, ax=axes[0].tolist(), label=f"{name} (dimensionless)")
figure.suptitle("triangles: ENF, circles: DBF")
plt.show()

# %% [markdown]
# ## Sites that no fit has seen
#
# Weekly NEE, against what each pooling says of it. So few sites say little: read each difference with its standard error.

# %%
rows, by_site = [], {}
for kind, new in predicted.items():
    scores = []
    for site in NEW:
        seen = new["observed_data"]["nee"].sel(site=site).values
        known = np.isfinite(seen)
        one = new["posterior_predictive"].to_dataset().sel(site=site).transpose("chain", "draw", ...)
        draws = one["nee"].values.reshape(-1, known.size)[:, known]
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        mean_nee = one["nee_mean"].mean(("chain", "draw")).values[known]
        scores.append(
            {
                "CRPS": np.mean(crps(draws, seen[known])),
                "RMSE": np.sqrt(np.mean((mean_nee - seen[known]) ** 2)),
                "covered by 90 %": np.mean((seen[known] >= low) & (seen[known] <= high)),
                "width of 90 %": np.mean(high - low),
            }
        )
    by_site[kind] = pd.DataFrame(scores, index=NEW)
    rows.append(by_site[kind].mean().rename(kind))
print("weekly NEE, gC m-2 d-1, mean of the new sites")
pd.DataFrame(rows).round(2)

# %%
for kind in ("type mean", "none"):
    difference = by_site[kind]["CRPS"] - by_site["partial"]["CRPS"]
    error = difference.std() / np.sqrt(len(NEW))
    wins = f"{(difference > 0).sum()} of {len(NEW)}"
    print(f"CRPS of {kind} minus that of partial: {difference.mean():+.3f} +- {error:.3f}; partial is better at {wins}")
pd.concat({kind: scores["CRPS"] for kind, scores in by_site.items()}, axis=1).assign(PFT=pft).round(2)

# %% [markdown]
# One of each type, with 90 % bands of weekly NEE.

# %%
SHOWN_NEW = [NEW[1], NEW[-1]]
figure, axes = plt.subplots(len(SHOWN_NEW), 1, figsize=(9, 5), sharey=True)
for ax, site in zip(axes, SHOWN_NEW, strict=True):
    for kind in ("partial", "type mean", "none"):
        one = predicted[kind]["posterior_predictive"]["nee"].sel(site=site).stack(sample=("chain", "draw")).transpose("sample", "time_nee")
        known = np.isfinite(one.values).all(axis=0)  # sites have years of their own
        low, high = np.quantile(one.values[:, known], [0.05, 0.95], axis=0)
        time = one["time_nee"].values[known]
        if kind == "partial":
            ax.fill_between(time, low, high, color="#bccddd", lw=0, label=kind)
            continue
        for k, edge in enumerate((low, high)):
            ax.plot(time, edge, color={"type mean": "#b5402a", "none": "#d99a2b"}[kind], lw=1, label=kind if k == 0 else None)
    seen = predicted["partial"]["observed_data"]["nee"].sel(site=site, time_nee=time)
    ax.plot(seen["time_nee"].values, seen.values, ".", color="black", ms=3, label="observed")
    ax.set(ylabel="NEE (gC m$^{-2}$ d$^{-1}$)", title=f"{site} ({pft[site]})")
figure.legend(*axes[0].get_legend_handles_labels(), loc="upper center", ncols=4, fontsize=8, frameon=False)
figure.tight_layout(rect=(0, 0, 1, 0.96))

# %% [markdown]
# `benchmarks/experiment_leave_site_out.py` leaves eleven towers out one by one, with four years each.
