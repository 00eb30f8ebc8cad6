# %% [markdown]
# # Many streams
#
# Carbon and water fluxes and leaf area of one tower constrain one process model together. What each instrument reports is an observation
# operator; what each stream is worth can be asked before anything is sampled.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lsm_bayes as lb
from lsm_bayes.diagnostics import stream_value

plt.rcParams["date.converter"] = "concise"
SEED = 1

# %% [markdown]
# ## What instruments report
#
# An operator declares what it reads of a process model, in which range its equation holds, its own parameters, and where it comes from.

# %%
operator = lb.observations.get("sif_light_use")
print(operator.citation)
pd.DataFrame(
    [(n, p.unit, *p.bounds, p.description) for n, (p, _) in operator.parameter_table.items()],
    columns=["parameter", "unit", "low", "high", "description"],
)

# %% [markdown]
# There are many of them, and adding one touches one file:

# %%
found = [lb.observations.get(n) for n in lb.observations.available()]
print(
    len(found),
    "operators for",
    len({o.quantity for o in found}),
    "quantities, such as",
    ", ".join(sorted({o.quantity for o in found})[::7]),
)

# %% [markdown]
# ## Three streams at one tower
#
# DALEC with two stores of water (CARDAMOM 1005), with daily NEE and evapotranspiration and leaf area seen from space. The card says which
# errors each stream has: interception and snow are not in the model, so evapotranspiration has a small bias that varies with the season.

# %%
try:
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2006", end="2009")
except lb.NotAvailableError as missing:
    print(f"{missing}. Davos is used, which has the latent heat flux and no leaf area.")
    data = lb.load("ch-dav", start="2013", end="2016")
    for name in ("", "_uncertainty"):  # 2.45 MJ evaporate a millimetre
        data[f"evapotranspiration{name}"] = (data[f"latent_heat{name}"] * 86400 / 2.45e6).assign_attrs(units="mm d-1")
model = lb.models.get("dalec_water_single_site").build(data, withheld_years=1)
for name, stream in model.card["streams"].items():
    print(f"{name} by {stream['period']}, {stream['observations']} values: {stream['error_model']}\n")

# %%
density = lb.Density(model)
modes = lb.find_modes(density, starts=4, seed=SEED, max_evaluations=600)
best = int(np.argmax(modes.table["log_posterior"].values))
modes.table[["log_posterior", "fraction_of_starts", "weight"]].to_dataframe()

# %% [markdown]
# ## What is each stream worth?
#
# The posterior of every subset follows from the expected information of its streams at the mode (after Keenan et al. 2013): one Jacobian,
# no sampling. The measure is the information in nats about all parameters and initial pools. It is that of the normal approximation: where
# a posterior is curved or presses against bounds, as here, take the order and not the digits.

# %%
value = stream_value(density, modes.laplace[best].mode)
print(value.describe())
figure, axis = plt.subplots(figsize=(5, 3))
value.plot(axis)
figure.tight_layout()

# %% [markdown]
# Which parameters does each stream see? Posterior standard deviation over that of the prior, for NEE alone and for more:

# %%
ranked = list(value.greedy().index)
subsets = {" + ".join(ranked[:k]) or "prior": ranked[:k] for k in range(len(ranked) + 1)}
sd = value.sd(subsets).to_dataframe()
sd.head()

# %% [markdown]
# ## The joint posterior
#
# Kept short, so that the gates fail; `lb.calibrate(model)` takes the time that it needs.

# %%
tree = lb.sample(density, draws=150, tune=250, chains=2, seed=SEED, initial=modes, max_treedepth=6, progress=False)
lb.predict(model, tree, draws=150, seed=SEED)
print(lb.check(tree))

# %%
streams = value.streams
figure, axes = plt.subplots(len(streams), 1, figsize=(9, 2.2 * len(streams)), sharex=True)
for axis, name in zip(axes, streams, strict=True):
    simulated = tree["posterior_predictive"][name].isel(site=0)
    time = pd.DatetimeIndex(simulated[f"time_{name}"].values)
    low, high = simulated.quantile([0.05, 0.95], dim=["chain", "draw"]).values
    observed = tree["observed_data"][name].isel(site=0).values
    withheld = tree["constant_data"][f"{name}_withheld"].isel(site=0).values
    axis.fill_between(time, low, high, color="#bccddd", lw=0)
    axis.plot(time, observed, ".", color="black", ms=2)
    axis.axvspan(time[withheld][0], time[withheld][-1], color="#f7f2e4", zorder=0)
    hit = ((observed >= low) & (observed <= high))[withheld].mean()
    axis.set(ylabel=data[name].attrs["units"], title=f"{name}: {100 * hit:.0f} % of the withheld year inside the 90 % band")
figure.tight_layout()

# %% [markdown]
# ## How many observations are they really?
#
# Days whose errors go together count for less. With this no stream needs a weight by hand.

# %%
constant = tree["constant_data"]
for name in streams:
    fitted, worth = (constant[f"{name}_{k}_values"].item() for k in ("fitted", "effective"))
    print(f"{name:20} {fitted:5.0f} fitted values, worth {worth:5.0f} independent ones")

# %% [markdown]
# Streams can also be assimilated one after the other (`lb.carry_over`), which loses what a mixture of normals cannot hold and warns about
# it, and their errors can be correlated with each other (`lb.errors.CorrelatedWith`). What an additional stream would bring is asked of
# `stream_value` with a planned stream of made-up values, before anyone climbs a tower.
