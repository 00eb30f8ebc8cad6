# %% [markdown]
# # Which parameters?
#
# DALEC-CDEA has 23 parameters and initial pools. Which of them do the observations of one tower see, which can be told apart, and which
# are better left alone? The prior says how far each may go; sensitivities are of parameters as the prior spreads them.

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsm_bayes as lb
from lsm_bayes import sensitivity as sens

plt.rcParams["date.converter"] = "concise"
SEED, BLUE, RED = 1, "#0b3c5d", "#b5402a"

# %% [markdown]
# ## Data and model
#
# Three years of Davos, a spruce forest; the last is withheld. Without a network Hyytiälä is taken from the folder that `LSM_BAYES_DATA`
# names.

# %%
try:
    data = lb.load("ch-dav", start="2014", end="2016")
except lb.NotAvailableError as missing:
    print(missing)
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2006", end="2008")
model = lb.models.get("dalec_single_site").build(data, withheld_years=1)
print(", ".join(model.calibration.declared))

# %% [markdown]
# ## What is asked
#
# A `Response` is one or more scalars of a model as a function of its parameters: here the misfit (RMSE) of each stream. Constraints, which
# are potentials, do not shape what is sampled; the notes say so.

# %%
misfit = sens.response_of(model, "rmse")
print(misfit.table)
print("; ".join(misfit.notes)[:120], "...")

# %% [markdown]
# ## Morris: a first look
#
# A few hundred runs. The bar is the mean size of the change when a parameter crosses the central 95 % of its prior; the red dot is how
# much this change varies: as far out as the bar or farther, the effect depends on where the other parameters are.

# %%
screened = sens.morris(misfit, trajectories=40, seed=SEED)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for axis, output in zip(axes, screened["output"].values, strict=True):
    sens.plot(screened, axis, output=output)
print(f"{screened.attrs['runs']} runs, {screened.attrs['failed_runs']} failed")

# %% [markdown]
# ## Sobol: shares of the variance
#
# Dark: what a parameter does alone; light: with all its interactions. The intervals are wide, for 256 blocks are few; that the light bars
# are so much longer than the dark ones is not noise.

# %%
shares = sens.sobol(misfit, 256, seed=SEED)
figure, axis = plt.subplots(figsize=(6, 4.2), layout="constrained")
sens.plot(shares, axis)
print(f"{shares.attrs['runs']} runs; first-order indices add up to {float(shares['first'][0].sum()):.2f}")

# %% [markdown]
# ## When do they matter?
#
# The same question of the mean NEE of each month. RBD-FAST takes its first-order indices from one sample of runs, however many parameters
# and months there are.

# %%
monthly = sens.rbd_fast(sens.response_of(model, "mean", by="month"), 1024, seed=SEED, resamples=2)
figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
sens.plot(monthly, axis, output="mean nee", number=10)
# %% [markdown]
# ## Gradients over the prior
#
# The adjoint gives the derivatives for all parameters at the cost of about four runs. Their mean square bounds the total Sobol index from
# above: a bound near zero is a safe reason to fix a parameter. The eigenvectors of their outer product are the directions that matter.

# %%
gradients = sens.sample_gradients(misfit, 256, seed=SEED)
bounds, directions = sens.dgsm(gradients), sens.active_subspace(gradients)
safe = bounds["bound_high"].isel(output=0) < 0.02
print("cannot take 2 % of the variance:", ", ".join(bounds["parameter"].values[safe.values]))
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", width_ratios=[1, 1.2])
sens.plot(directions, axes[0])
first = directions["vector"].isel(output=0, direction=0).values @ gradients.coordinates.T
axes[1].plot(first, gradients.values[:, 0], ".", color=BLUE, ms=4)
axes[1].set(xlabel="first active direction", ylabel="RMSE of NEE (gC m$^{-2}$ d$^{-1}$)", yscale="log")
# %% [markdown]
# ## Choosing
#
# `select_parameters` frees parameters one by one, each time the one with which a short refit comes closest to the observations; what is not
# chosen stays at the prior median, or at a draw of the prior that fits better. A strong parameter whose effect others have, or that does
# not help, is left out, and the reason says so. From several starts several sets do as well: `agreed` counts in how many a parameter is.

# %%
choice = sens.select_parameters(model, 10, seed=SEED)
print(choice.describe())
choice.table[["explained", "agreed", "contraction"]].head(14).round(2)

# %%
effects = choice.table.filter(like="effect ").iloc[::-1]
figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
place = np.arange(len(effects))
for k, (name, colour) in enumerate(zip(effects, (BLUE, "#7699b8"), strict=False)):
    axis.barh(place + 0.2 - 0.4 * k, effects[name], 0.4, color=colour, label=name.removeprefix("effect "))
axis.set_yticks(place, [n.replace("_", " ") for n in effects.index])
axis.axhline(len(effects) - len(choice.chosen) - 0.5, color=RED, ls=":")
axis.set(xlabel="effect of a prior sd, in sd of the observations")
axis.legend(frameon=False)
# %% [markdown]
# ## Calibrating ten
#
# `choice.fixed` goes to `build_model(..., fixed=...)`; `apply` rebuilds the model with it.

# %%
reduced = choice.apply(model)
density = lb.Density(reduced)
modes = lb.find_modes(density, starts=2, seed=SEED, max_evaluations=600, progress=False)
print(f"{density.dimension} unknowns in place of {lb.Density(model).dimension}, those of the error models among them")

# %% [markdown]
# ## What the fit knows
#
# Around the fit: a profile moves one parameter and lets all others follow. Where it stays below the dotted line as far as the prior
# reaches, the observations do not fix the parameter.

# %%
profiles = sens.profile(density, modes.positions[0], choice.chosen[:4], points=8, max_evaluations=100)
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained", sharey=True)
for axis, (name, curve) in zip(axes, profiles.curves.items(), strict=True):
    sens.plot(curve, axis)
    axis.set(xlabel=name.replace("_", " "), ylabel="nats below the best fit" if axis is axes[0] else "")
profiles.table[["low_value", "high_value", "verdict"]]

# %% [markdown]
# What the prior predicts is in `lb.sample_prior`; how far a posterior contracted in `lb.diagnostics.shrinkage(tree)`, which
# `sens.plot_contraction` draws, and the combinations that its draws know in `lb.diagnostics.combinations(tree)`.
