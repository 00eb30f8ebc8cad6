# %% [markdown]
# # Errors that lie
#
# The uncertainty that comes with a daily flux is the random error of the instrument. Taken for the whole error, it makes thousands of days
# say the same wrong thing with great confidence. Here the same process model is fitted to the same tower twice, with the instrument's noise
# alone and with an error model of the misfit; then once more in a world where the truth is known.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import lsm_bayes as lb
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel, Gain
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.vocabulary import QUANTITIES

plt.rcParams["date.converter"] = "concise"
SEED, BLUE, RED = 1, "#0b3c5d", "#b5402a"

# %% [markdown]
# ## A real tower
#
# Three years of Hyytiälä are fitted and the fourth is withheld (Davos, where `LSM_BAYES_DATA` is not set).

# %%
try:
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2006", end="2009")
except lb.NotAvailableError as missing:
    print(missing)
    data = lb.load("ch-dav", start="2013", end="2016")
site = str(data["site"].item())
dalec = lb.models.get("dalec_single_site")
modelled = dalec.build(data, withheld_years=1)
INSTRUMENT = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
instrument = dalec.build(data, streams=[replace(p.stream, error=INSTRUMENT) for p in modelled.calibration.streams], withheld_years=1)
for name, model in (("instrument", instrument), ("misfit", modelled)):
    print(f"{name:10} {model.card['streams']['nee']['error_model']}")

# %% [markdown]
# ## Two posteriors
#
# Both are kept short here, so neither passes the gates. The modes of the first lie hundreds of nats apart: every day counts as if it were
# exact, and a place that fits a little better leaves nothing to the others.


# %%
def fitted(model):
    density = lb.Density(model)
    modes = lb.find_modes(density, starts=4, seed=SEED, max_evaluations=500)
    tree = lb.sample(density, draws=150, tune=250, chains=2, seed=SEED, initial=modes, max_treedepth=6, progress=False)
    return lb.predict(model, tree, draws=150, seed=SEED), modes


results = {"instrument": fitted(instrument), "misfit": fitted(modelled)}
for name, (tree, modes) in results.items():
    gates = {g.name: g for g in lb.check(tree).gates}
    rhat = next(g.value for n, g in gates.items() if n.startswith("R-hat"))
    places = np.sort(modes.table["log_posterior"].values)[::-1]
    print(f"{name:10} R-hat {rhat:.2f}; log-posterior of the modes below the best: {np.round(places[0] - places[:4], 1)}")

# %% [markdown]
# ## What the instrument's noise cannot explain
#
# Left: the misfit of the best fit in units of the stated uncertainty; the instrument's noise would give the grey curve. Right: its memory.
# Neighbouring days err together, so the number of independent observations is a fraction of the number of days.

# %%
tree = results["instrument"][0]
observed = tree["observed_data"]["nee"].isel(site=0).values
output = tree["posterior_predictive"]["nee_mean"].isel(site=0).mean(("chain", "draw")).values
stated = tree["constant_data"]["nee_uncertainty"].isel(site=0).values
standard = (observed - output) / stated
lags = np.arange(1, 31)
time = pd.DatetimeIndex(tree["observed_data"]["time_nee"].values)
daily = pd.Series(standard, index=time).asfreq("D")
memory = [daily.corr(daily.shift(int(k))) for k in lags]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
x = np.linspace(-15, 15, 300)
left.hist(standard, 60, range=(-15, 15), density=True, color=BLUE, alpha=0.6)
left.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color="0.5")
left.set(xlabel="misfit / stated uncertainty", yticks=[], title=f"{site}: sd {np.nanstd(standard):.1f}, not 1")
right.bar(lags, memory, color=BLUE, alpha=0.6)
right.set(xlabel="lag (d)", ylabel="correlation", ylim=(-0.1, 1), title="of the misfit with itself")
figure.tight_layout()
worth = results["misfit"][0]["constant_data"]
print(f"{int(worth['nee_fitted_values'].item())} fitted days are worth {float(worth['nee_effective_values'].item()):.0f} independent ones")

# %% [markdown]
# ## Confident and wrong
#
# The withheld year decides. Bands hold 90 % of the simulated observations of each posterior.

# %%
withheld = tree["constant_data"]["nee_withheld"].isel(site=0).values
figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, sharey=True)
for axis, (name, colour) in zip(axes, (("instrument", RED), ("misfit", BLUE)), strict=True):
    simulated = results[name][0]["posterior_predictive"]["nee"].isel(site=0)
    low, high = simulated.quantile([0.05, 0.95], dim=["chain", "draw"]).values
    hit = (observed >= low) & (observed <= high)
    axis.fill_between(time[withheld], low[withheld], high[withheld], color=colour, alpha=0.35, lw=0)
    axis.plot(time[withheld], observed[withheld], ".", color="black", ms=3)
    axis.set(ylabel="NEE (gC m$^{-2}$ d$^{-1}$)", title=f"{name}: the 90 % band holds {100 * hit[withheld].mean():.0f} % of the days")
figure.tight_layout()

# %% [markdown]
# The same in parameters and in the annual balance: the first posterior claims a precision that it does not have.

# %%
shown = ["canopy_efficiency", "f_auto", "leaf_lifespan", "temperature_exponent"]
figure, axes = plt.subplots(1, 5, figsize=(12, 2.6))
for axis, name in zip(axes, [*shown, "annual NEE"], strict=True):
    values = {
        k: (t["budget"]["nee"].isel(site=0, year=-1) if name == "annual NEE" else t["posterior"][name]).values.ravel()
        for k, (t, _) in results.items()
    }
    edges = np.linspace(min(v.min() for v in values.values()), max(v.max() for v in values.values()), 30)
    for key, colour in (("misfit", BLUE), ("instrument", RED)):
        axis.hist(values[key], edges, density=True, color=colour, alpha=0.5, label=key)
    axis.set(title=name, yticks=[])
axes[0].legend(frameon=False, fontsize=8)
figure.tight_layout()

# %% [markdown]
# ## A world where the truth is known
#
# VSEM (Cameron et al. 2022) with forcing of the same site. Soil carbon is reported a fifth too low, as where stones and depth were
# misjudged. NEE is seen every day and above-ground vegetation six times. With the ordinary likelihood everything is bent to fit the biased
# stream, with great confidence; with a factor on soil carbon, of which no more is said than a standard deviation of 0.3 of its logarithm,
# the truth (black) is within reach of the posterior again.

# %%
land = lb.land.get("vsem")
forcing = data.isel(site=0) if "site" in data.dims else data
par = (0.48 * forcing["shortwave_down"]).assign_attrs(QUANTITIES["par_down"].attrs())
world = xr.Dataset({"par_down": par})
truth = {name: default for name, (_, default) in land.calibrated.items()}
run = lb.simulate(land, world, truth, outputs=["nee", "soil_carbon", "aboveground_carbon"])
rng, steps = np.random.default_rng(SEED), world.sizes["time"]
pools = {n: 0.5 * (run[n].values[1:] + run[n].values[:-1]) for n in ("soil_carbon", "aboveground_carbon")}
seen = {
    "nee": (run["nee"].values, 0.5),
    "soil": (0.8 * pools["soil_carbon"], 0.02 * pools["soil_carbon"].mean()),
    "plots": (np.where(np.arange(steps) % 240 == 100, pools["aboveground_carbon"], np.nan), 0.05 * pools["aboveground_carbon"].mean()),
}
kinds = {"nee": "nee", "soil": "soil_carbon", "plots": "aboveground_carbon"}
for name, (values, sd) in seen.items():
    world[name] = ("time", values + sd * rng.standard_normal(steps), QUANTITIES[kinds[name]].attrs())

operators = {n: ObservationOperator(n, {n: (0.0, 1e5)}, lambda s, n=n: s[n]) for n in pools}
fixed = {n: truth[n] for n in truth if n not in ("light_use_efficiency", "soil_residence_time", "soil_carbon", "aboveground_carbon")}


def streams(soil_error):
    soil, plots = (operators[kinds[n]] for n in ("soil", "plots"))
    return [
        Stream("nee", error=INSTRUMENT, uncertainty=seen["nee"][1]),
        Stream("soil_carbon", variable="soil", operator=soil, error=soil_error, uncertainty=seen["soil"][1]),
        Stream("aboveground_carbon", variable="plots", operator=plots, error=INSTRUMENT, uncertainty=seen["plots"][1]),
    ]


figure, axes = plt.subplots(1, 4, figsize=(12, 2.6))
for label, error, colour in (("stated error", INSTRUMENT, RED), ("with a factor", INSTRUMENT + Gain(0.3), BLUE)):
    density = lb.Density(build_model(land, world, streams(error), fixed=fixed))
    modes = lb.find_modes(density, starts=2, seed=SEED)
    posterior = lb.sample(density, draws=300, tune=300, chains=2, seed=SEED, initial=modes, progress=False)["posterior"]
    for axis, name in zip(axes, [n for n in truth if n not in fixed], strict=True):
        low, high = np.quantile(posterior[name].values, [0.05, 0.95])
        axis.hist(posterior[name].values.ravel(), 30, density=True, color=colour, alpha=0.5, label=label)
        print(f"{label:14} {name:22} {low / truth[name]:.2f} to {high / truth[name]:.2f} of the truth")
for axis, name in zip(axes, [n for n in truth if n not in fixed], strict=True):
    axis.axvline(truth[name], color="black", lw=1)
    axis.set(title=name, yticks=[])
axes[0].legend(frameon=False, fontsize=8)
figure.tight_layout()

# %% [markdown]
# What is not modelled as an error is explained as a parameter. `lsm_bayes.errors` has the terms (bias, factor, season, memory, discrepancy
# over time or drivers, correlation between streams and sites), they are added with `+`, and `lb.diagnostics.confounding` says how far they
# stand in for parameters.
