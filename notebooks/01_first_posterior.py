# %% [markdown]
# # A first posterior
#
# DALEC-CDEA is calibrated with two years of tower data and judged by the third. The run is kept short, so the gates at the end **fail**:
# that is what they are for. `make demo` runs the same model on ten years with enough draws.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lsm_bayes as lb

plt.rcParams["date.converter"] = "concise"
STARTS, DRAWS, TUNE, CHAINS = 3, 100, 200, 2
SEED = 1

# %% [markdown]
# ## Data
#
# Davos is downloaded once (35 MB) and kept; without a network a FLUXNET site is taken from the folder that `LSM_BAYES_DATA` names.

# %%
try:
    data = lb.load("ch-dav", start="2014", end="2016")
except lb.NotAvailableError as missing:
    print(missing)
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2006", end="2008")
site = str(data["site"].item())
data

# %% [markdown]
# ## The model
#
# `build` returns a plain `pm.Model`: open it, add terms, sample it with whatever you like. The card says in words what was built.

# %%
model = lb.models.get("dalec_single_site").build(data, withheld_years=1)
print("\n".join(f"{name:28} {entry['prior']}" for name, entry in model.card["parameters"].items() if "prior" in entry))

# %% [markdown]
# The parameters live on a standard normal scale, `z`; their priors map it into the declared bounds. The card has the error models too.

# %%
for name, stream in model.card["streams"].items():
    print(f"{name} by {stream['period']}, {stream['observations']} values: {stream['error_model']}")

# %% [markdown]
# ## What the prior predicts
#
# Before any fit: do the data lie inside what the prior allows? If not, no sampler can help. Grey: single draws of the prior predictive;
# black: the observations.

# %%
prior = lb.sample_prior(model, draws=200, seed=SEED)
nee = model.calibration.streams[0]
time, observed = nee.fitted[0].time, nee.series[0].values
imagined = prior["prior_predictive"]["nee"].values[0]

figure, axis = plt.subplots(figsize=(8, 3))
axis.plot(time, imagined[:30].T, ".", color="0.75", ms=1)
axis.plot(time, observed, ".", color="black", ms=2)
axis.set(ylabel="NEE (gC m$^{-2}$ d$^{-1}$)", title=f"{site}: prior predictive and data", ylim=(-20, 20))
inside = np.mean((observed > np.nanquantile(imagined, 0.05, axis=0)) & (observed < np.nanquantile(imagined, 0.95, axis=0)))
print(f"{100 * inside:.0f} % of the days lie inside the 90 % band of the prior")

# %% [markdown]
# ## Modes
#
# A land carbon posterior can have several. Each start climbs with exact gradients; starts that end at the same place are one mode. A
# real calibration takes 24 starts or more, dispersed further than the prior.

# %%
density = lb.Density(model)
modes = lb.find_modes(density, starts=STARTS, seed=SEED, max_evaluations=400)
modes.table[["log_posterior", "fraction_of_starts", "weight"]].to_dataframe()

# %% [markdown]
# ## Draws
#
# The No-U-Turn sampler, started in the modes. One call of `lb.calibrate(model)` does all of this, and gives the modes their weights.

# %%
tree = lb.sample(density, draws=DRAWS, tune=TUNE, chains=CHAINS, seed=SEED, initial=modes, max_treedepth=6, progress=False)
tree["prior"] = prior["prior"]
lb.predict(model, tree, draws=100, seed=SEED)
tree

# %% [markdown]
# ## Is it a posterior?
#
# The gates are compared unrounded. With 200 draws the effective sample size cannot reach 400, and parameters that press against a bound
# are not yet reported as findings: the verdict says which gates failed and what to do.

# %%
gates = lb.check(tree)
print(gates)

# %% [markdown]
# ## From prior to posterior
#
# Grey: prior; blue: posterior. Where the two agree, the data had nothing to say.

# %%
shown = ["canopy_efficiency", "f_auto", "leaf_lifespan", "leaf_mass_area"]
shown += ["leaf_onset_day", "leaf_fall_day", "temperature_exponent", "nee_phi"]
figure, axes = plt.subplots(2, 4, figsize=(10, 4.5))
for axis, name in zip(axes.flat, shown, strict=True):
    before, after = (tree[group][name].values.ravel() for group in ("prior", "posterior"))
    before = before[np.isfinite(before)]
    edges = np.linspace(min(before.min(), after.min()), max(before.max(), after.max()), 25)
    axis.hist(before, edges, density=True, color="0.75")
    axis.hist(after, edges, density=True, color="#0b3c5d", histtype="step", lw=1.8)
    axis.set(title=name, yticks=[])
figure.tight_layout()

# %% [markdown]
# ## Fit and forecast
#
# Bands hold 50 and 90 % of the simulated observations; the shaded year was withheld.

# %%
simulated = tree["posterior_predictive"]["nee"].isel(site=0)
whole = pd.DatetimeIndex(simulated["time_nee"].values)
low, q25, q75, high = simulated.quantile([0.05, 0.25, 0.75, 0.95], dim=["chain", "draw"]).values
measured = tree["observed_data"]["nee"].isel(site=0).values
withheld = tree["constant_data"]["nee_withheld"].isel(site=0).values

figure, axis = plt.subplots(figsize=(8, 3.2))
axis.fill_between(whole, low, high, color="#bccddd", label="90 %")
axis.fill_between(whole, q25, q75, color="#7699b8", label="50 %")
axis.plot(whole, measured, ".", color="black", ms=2, label="observed")
axis.axvspan(whole[withheld][0], whole[withheld][-1], color="#f7f2e4", zorder=0, label="withheld")
axis.set(ylabel="NEE (gC m$^{-2}$ d$^{-1}$)", title=site)
axis.legend(ncol=4, frameon=False, fontsize=8)
hit = (measured >= low) & (measured <= high)
for period, chosen in (("training", ~withheld), ("withheld", withheld)):
    print(f"the 90 % band holds {100 * hit[chosen].mean():.0f} % of the {period} days")

# %% [markdown]
# Two training years hardly say how much years differ, so the band of the withheld year is too narrow where that year is unusual; the demo
# trains on eight. `lb.write_report(tree, "davos.html")` puts all of this into one file, with scores against climatology, residuals,
# parameter correlations and the closed carbon budget.
