# %% [markdown]
# # Add a land model
#
# A land model is declared once: names, units, bounds and one symbolic step. The compiled forward run, its adjoint, the priors and the
# checks are derived from it. Here: two pools, leaves and soil, driven by light and temperature; then a twin experiment, in which the
# model is calibrated against NEE that it made itself.

# %%
from typing import Annotated, Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import lsm_bayes as lb

plt.rcParams["date.converter"] = "concise"
SEED = 2

# %% [markdown]
# ## Declare
#
# One line for each parameter: unit, bounds, sentence, default. States are declared the same way; the declaration is that of the initial
# value. Forcing and fluxes are names of the vocabulary, which fixes their units and signs.


# %%
class Parameters(NamedTuple):
    light_use: Annotated[float, lb.Parameter("1", (0.1, 2.0), "gC gained per MJ of shortwave radiation by a closed canopy")] = 0.5
    turnover: Annotated[float, lb.Parameter("d-1", (2e-3, 0.1), "fraction of the leaves lost per day")] = 0.01
    decay: Annotated[float, lb.Parameter("d-1", (5e-5, 0.01), "fraction of the soil carbon respired per day at 0 degC")] = 4e-4
    q10: Annotated[float, lb.Parameter("1", (1.2, 3.5), "factor of respiration for 10 degC", lb.Prior("uniform"))] = 2.0


class State(NamedTuple):
    foliage_carbon: Annotated[float, lb.Parameter("gC m-2", (10.0, 1000.0), "leaves at the start")] = 100.0
    soil_carbon: Annotated[float, lb.Parameter("gC m-2", (100.0, 2e4), "soil carbon at the start")] = 3000.0


class Forcing(NamedTuple):
    shortwave_down: float
    air_temperature: float
    step_length: float


class Fluxes(NamedTuple):
    nee: Any
    gpp: Any
    reco: Any


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Advance the pools by one step, with 0-d PyTensor expressions."""
    gpp = p.light_use * f.shortwave_down * x.foliage_carbon / (x.foliage_carbon + 100.0)
    warmth = p.q10 ** (f.air_temperature / 10.0)
    growth = 0.5 * gpp
    litter = p.turnover * x.foliage_carbon
    respired = p.decay * warmth * x.soil_carbon
    following = State(x.foliage_carbon + f.step_length * (growth - litter), x.soil_carbon + f.step_length * (litter - respired))
    reco = gpp - growth + respired
    return following, Fluxes(nee=reco - gpp, gpp=gpp, reco=reco)


two_pools = lb.ProcessModel(
    name="two_pools",
    title="Leaves and soil",
    step=step,
    parameters=Parameters,
    state=State,
    forcing=Forcing,
    fluxes=Fluxes,
    budgets={"carbon": lb.Budget(stock=("foliage_carbon", "soil_carbon"), gain=("gpp",), loss=("reco",))},
)

# %% [markdown]
# A mistake is reported when the model is declared, with what exists:

# %%
try:
    lb.ProcessModel("typo", "Misspelt", lambda x, f, p: step(x, f, p._replace(q10=p.q11)), Parameters, State, Forcing, Fluxes)
except AttributeError as error:
    print(error)

# %% [markdown]
# ## Check
#
# The public battery: gradients against finite differences and `pytensor.scan`, tangent against adjoint, the closed carbon budget, a run
# against two half runs, a batch against a loop, NaN. Every land model that comes with the package passes the same one.

# %%
print(lb.check_process_model(two_pools, points=5, steps=200))

# %% [markdown]
# ## Simulate
#
# Forcing from a data set, parameters by name; what is not given has its default. DataArrays are broadcast: three members at once.

# %%
try:
    data = lb.load("ch-dav", start="2014", end="2016")
except lb.NotAvailableError as missing:
    print(missing)
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2004", end="2006")

run = lb.simulate(two_pools, data, {"light_use": xr.DataArray([0.3, 0.5, 0.7], dims="member")})
figure, axis = plt.subplots(figsize=(8, 2.8))
for k, shade in enumerate(("0.7", "0.4", "0.0")):
    axis.plot(run["time"], run["nee"].isel(member=k, site=0), color=shade, lw=0.8, label=f"light_use {(0.3, 0.5, 0.7)[k]}")
axis.set(ylabel="NEE (gC m$^{-2}$ d$^{-1}$)")
axis.legend(frameon=False, ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
run

# %% [markdown]
# ## A twin
#
# Known parameters, NEE from the model, and an AR(1) error on top: sd 0.5 gC m-2 d-1, of which 0.2 is stated as random uncertainty, and
# correlation 0.4 from day to day. A quarter of the days is missing.

# %%
truth = {"light_use": 0.45, "turnover": 0.02, "decay": 3e-4, "q10": 1.8, "foliage_carbon": 150.0, "soil_carbon": 4000.0}
rng = np.random.default_rng(SEED)
exact = lb.simulate(two_pools, data, truth, outputs=["nee"])["nee"]
error = np.empty(exact.sizes["time"])
error[0] = rng.standard_normal()
for i in range(1, error.size):
    error[i] = 0.4 * error[i - 1] + np.sqrt(1 - 0.4**2) * rng.standard_normal()
made = exact + 0.5 * xr.DataArray(error, dims="time")
twin = data.assign(
    nee=made.where(xr.DataArray(rng.random(error.size) > 0.25, dims="time")).assign_attrs(data["nee"].attrs),
    nee_uncertainty=xr.full_like(made, 0.2).assign_attrs(units=data["nee"].attrs["units"], source="as given"),
)

# %% [markdown]
# The twin has no slow discrepancy, so it is left out of the error model; the structural sd and the correlation are inferred. Over three
# years NEE sees hardly more than the product of decay rate and soil carbon: with both free, the posterior is a ridge along which a tenfold
# soil pool fits as well. Soil carbon is therefore taken as known, as from an inventory. Leave `fixed` out to see the ridge.

# %%
stream = lb.Stream("nee", error=lb.ErrorModel(envelope=0.0, discrepancy=None))
model = lb.build_model(two_pools, twin, [stream], fixed={"soil_carbon": truth["soil_carbon"]})
modes = lb.find_modes(model, starts=6, seed=SEED)
tree = lb.sample(model, draws=800, tune=500, chains=2, seed=SEED, initial=modes, progress=False)
print(lb.check(tree))

# %% [markdown]
# The black line is the truth.

# %%
known = {n: v for n, v in truth.items() if n != "soil_carbon"} | {"nee_sigma": np.sqrt(0.5**2 - 0.2**2), "nee_phi": 0.4}
figure, axes = plt.subplots(2, 4, figsize=(10, 4.5))
for axis, (name, value) in zip(axes.flat, known.items(), strict=False):
    draws = tree["posterior"][name].values.ravel()
    axis.hist(draws, 30, density=True, color="#7699b8")
    axis.axvline(value, color="black")
    axis.set(title=name, yticks=[])
    axis.locator_params(axis="x", nbins=3)
    rank = np.mean(draws < value)
    print(f"{name:15} truth {value:9.4g}, posterior {draws.mean():9.4g} +- {draws.std():8.2g}, rank of the truth {rank:.2f}")
axes.flat[-1].set_visible(False)
figure.tight_layout()

# %% [markdown]
# To keep the model, put the declaration into a file of its own in `lsm_bayes/land/`: the folder is scanned, the battery runs on it, and
# `lsm-bayes models` lists it.
