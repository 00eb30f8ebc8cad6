# %% [markdown]
# # Water and energy
#
# BETHY exchanges carbon, water and heat hour by hour over leaves, snow and soil that change by the day. With it NEE, latent and sensible
# heat of a tower can be used together: what the stomata let out is what they let in, and what does not evaporate warms the air.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lsm_bayes as lb
from lsm_bayes.diagnostics import score
from lsm_bayes.inference import find_modes, sample_laplace

plt.rcParams["date.converter"] = "concise"
LABELS = {"nee": "NEE, gC m$^{-2}$ d$^{-1}$", "latent_heat": "latent heat, W m$^{-2}$", "sensible_heat": "sensible heat, W m$^{-2}$"}

# %% [markdown]
# ## Drivers: days made into hours
#
# Towers distribute daily means more readily than hours. A course of the sun, of temperature and of humidity is made of them, with the
# means of the data. What was not measured, longwave radiation for instance, can be filled first (`with_longwave`, which reports its error).

# %%
tower = lb.models.get("bethy_tower")
try:
    data, site = lb.load("callmip-towers", "FI-Hyy"), "FI-Hyy"
except lb.NotAvailableError as missing:
    print(f"{missing}. Davos is used, of which sensible heat is not at hand, and whose wind is set to 2.5 m s-1.")
    data, site = lb.load("ch-dav", start="2013", end="2018"), "CH-Dav"
    data["wind_speed"] = data["air_temperature"].copy(data=np.full(data["air_temperature"].shape, 2.5)).assign_attrs(units="m s-1")
    tower.WINDOWS[site] = (2013, 2018)
streams = [n for n in tower.STREAMS if n in data]
forcing = tower.prepared(data, [site])
day = forcing.isel(site=0).sel(time=forcing["time"][(forcing["time"].dt.dayofyear == 190).values][0])
figure, axes = plt.subplots(1, 3, figsize=(10, 2.6), sharex=True)
for axis, name in zip(axes, ("shortwave_down", "air_temperature", "vapour_pressure_deficit"), strict=True):
    axis.plot(np.arange(24) + 0.5, day[name])
    axis.set(xlabel="solar hour", title=f"{name.replace('_', ' ')}, {data[name].attrs['units']}")
figure.tight_layout()

# %% [markdown]
# ## The run of the published parameters
#
# Parameters of a plant functional type, as CCDAS: BETHY had them before any calibration; heat fluxes times 0.85, which is how much of the
# turbulent energy towers see on average.

# %%
number = tower.bethy_type(data, [site])
land = lb.land.bethy.of_type(number, observed_hours=True)
before = lb.simulate(
    land, forcing, lb.land.bethy_types.values(number), outputs=[*tower.STREAMS, "net_radiation", "ground_heat", "snow_water", "lai"]
)
months = {}
for name in streams:
    observed = forcing[name].isel(site=0).to_series()
    run = pd.Series(before[name].values.ravel() * (1.0 if name == "nee" else 0.85), observed.index).where(observed.notna())
    months[name] = pd.DataFrame({"observed": observed, "published parameters": run}).groupby(observed.index.month).mean()
figure, axes = plt.subplots(1, len(streams), figsize=(3.4 * len(streams), 3), squeeze=False)
for axis, (name, table) in zip(axes[0], months.items(), strict=True):
    table.plot(ax=axis, style=["k.", "-"], legend=name == streams[-1], xlabel="month", title=LABELS[name], xticks=range(2, 13, 2))
figure.tight_layout()

# %% [markdown]
# Energy is conserved every day: what arrives leaves as latent, sensible or ground heat.

# %%
left = before["net_radiation"] - before["latent_heat"] - before["sensible_heat"] - before["ground_heat"]
print(f"largest residual of a day: {float(np.abs(left).max()):.1e} W m-2 of {float(np.abs(before['net_radiation']).max()):.0f}")

# %% [markdown]
# ## Calibration
#
# Three years are fitted after one of warm-up, two are withheld. A closure by stream and an offset belong to the heat fluxes, a structural
# error with memory to all. Here the posterior is approximated at its mode, which takes a minute; `benchmarks/bethy.md` has NUTS for three
# forests.

# %%
model = tower.build(data, site, streams=streams)
density = lb.Density(model)
modes = find_modes(density, starts=1, seed=1)
posterior = sample_laplace(density, max(modes.laplace, key=lambda m: m.log_posterior), draws=300, seed=1)
lb.predict(model, posterior, draws=200)
print(f"{density.dimension} coordinates, {modes.cost['gradient_evaluations']} gradients")

# %%
for name in streams:
    table = score(lb.diagnostics.read_stream(posterior, name)).iloc[:2]  # days; the rest are weeks, months and years
    print(table.set_index(["stream", "period"])[["n", "rmse", "coverage_90", "crps", "climatology_crps"]].round(3).to_string(), "\n")

# %%
figure, axes = plt.subplots(len(streams), 1, figsize=(10, 2.3 * len(streams)), sharex=True)
for axis, name in zip(axes, streams, strict=True):
    s = lb.diagnostics.read_stream(posterior, name)
    shown = s.withheld[0] & np.isfinite(s.observed[0])
    low, high = np.quantile(s.predicted[:, 0][:, shown], [0.05, 0.95], axis=0)
    axis.vlines(s.time[shown], low, high, alpha=0.3, label="90 % of predictions")
    axis.plot(s.time[shown], s.observed[0, shown], "k.", markersize=2, label="observed, withheld")
    axis.set_ylabel(LABELS[name])
axes[0].legend()
figure.tight_layout()

# %% [markdown]
# ## What the fluxes say of the parameters
#
# Posterior over prior standard deviation: small where the fluxes speak, one where only the prior does. Photosynthesis, the water that soil
# holds and roots supply, and the closure are known; the constants of enzymes are not told apart by fluxes of days.

# %%
prior = lb.sample_prior(model, draws=500, seed=1)["prior"].to_dataset()
found = posterior["posterior"].to_dataset()
names = [n for n in (*land.parameter_table, "latent_heat_closure", "sensible_heat_closure") if n in found and n in prior]
ratio = pd.Series({n: float(found[n].std() / prior[n].std()) for n in names}).sort_values()
figure, axis = plt.subplots(figsize=(7, 7))
axis.barh(ratio.index[::-1].str.replace("_", " "), ratio.values[::-1])
axis.axvline(1.0, color="k", linewidth=0.8)
axis.set_xlabel("posterior / prior standard deviation")
figure.tight_layout()
