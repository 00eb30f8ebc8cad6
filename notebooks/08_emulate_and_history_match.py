# %% [markdown]
# # Emulate and history match
#
# A run of DALEC takes a millisecond; one of a large land model hours. Then a few dozen runs are all there is, and an emulator stands in
# for the rest. Here the model is cheap, so that the emulated posterior can be laid beside the exact one.

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsm_bayes as lb
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.declare import Prior
from lsm_bayes.emulation import (
    block_targets,
    calibrate_emulate_sample,
    emulated_model,
    fit_emulator,
    history_match,
    plot_waves,
    prior_design,
    run_ensemble,
)
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, InverseProblem, sample
from lsm_bayes.land import get

plt.rcParams["date.converter"] = "concise"
SEED, BLUE, RED, GREY = 1, "#0b3c5d", "#b5402a", "#8a8a8a"
SAMPLING = {"draws": 300, "tune": 200, "chains": 2, "cores": 1, "progress": False, "target_accept": 0.9}

# %% [markdown]
# ## Data and model
#
# Monthly NEE and GPP of three years at Davos, a spruce forest; without a network those of Hyytiälä, from the folder that `LSM_BAYES_DATA`
# names. Six parameters are calibrated, with log-normal priors around the defaults. Errors are independent between months and their sd is
# stated: 0.4 gC m$^{-2}$ d$^{-1}$ for NEE, 0.6 for GPP, more than the instruments' for what the model cannot do. An emulator needs
# errors that are known; take them from a fit (notebook 03) if they are not.

# %%
try:
    data = lb.load("ch-dav", start="2014", end="2016")
except lb.NotAvailableError as missing:
    print(missing)
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2006", end="2008")
of_a_day = {f"{n}_uncertainty": data[n].copy(data=np.full(data[n].shape, sd * np.sqrt(30.4))) for n, sd in (("nee", 0.4), ("gpp", 0.6))}
data = data.assign(of_a_day)

land = get("dalec_cdea")
defaults = {name: default for name, (_, default) in land.calibrated.items()}
FREE = {
    "canopy_efficiency": 0.3,
    "f_auto": 0.15,
    "leaf_lifespan": 0.3,
    "leaf_mass_area": 0.3,
    "litter_mineralisation": 0.4,
    "temperature_exponent": 0.3,
}
stated = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
model = build_model(
    land,
    data,
    [Stream("nee", "month", stated), Stream("gpp", "month", stated)],
    fixed={n: v for n, v in defaults.items() if n not in FREE},
    priors={n: Prior("log_normal", defaults[n], sd) for n, sd in FREE.items()},
)
problem = InverseProblem(model)
names = list(FREE)
print(problem.observed.size, "observations:", {n: s.stop - s.start for n, s in problem.streams.items()})

# %% [markdown]
# ## Runs over the prior, and an emulator of them
#
# Sixty runs, ten for each parameter. Outputs are divided by their errors and turned into principal components; each of these is a
# Gaussian process of the parameters. `validation` leaves runs out, one at a time; `validated` asks runs that the emulator has not seen.

# %%
runs = run_ensemble(problem, prior_design(problem, 60, seed=SEED))
emulator = fit_emulator(runs)
print(emulator.validation.describe())
test = run_ensemble(problem, prior_design(problem, 64, kind="sobol", seed=SEED))
judged = emulator.validated(test)
print(judged.validation.describe())

# %%
mean, variance = emulator.predict(test.x)
where = problem.streams["nee"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
axes[0].plot(test.predictions.ravel(), mean.ravel(), ".", color=BLUE, ms=2, rasterized=True)
low, high = np.min(test.predictions), np.max(test.predictions)
axes[0].plot([low, high], [low, high], color=RED, lw=1)
axes[0].set(xlabel="model, in errors of an observation", ylabel="emulator")
standardised = judged.validation.standardised.ravel()
axes[1].hist(standardised, np.linspace(-5, 5, 51), density=True, color=BLUE)
line = np.linspace(-5, 5, 201)
axes[1].plot(line, np.exp(-0.5 * line**2) / np.sqrt(2 * np.pi), color=RED)
axes[1].set(xlabel="error of the emulator, in its own sd", ylabel="density")

# %% [markdown]
# Narrower than the red line: the emulator is too modest. Wider would be the dangerous side.
#
# ## History matching
#
# Before any posterior: what can be ruled out? Targets are means over blocks of months. A target that is more than three sd away, of
# emulator, error and discrepancy together, rules a point out. Each wave runs the model in what is left, and the new runs first judge the
# emulators that sent them there. The discrepancy says how wrong the best model may be: here as much again as the errors of a month.

# %%
targets = block_targets(problem, {"nee": 6, "gpp": 6}).with_discrepancy(sd=2.0)
match = history_match(problem, targets, waves=2, draws=600, seed=SEED)
match.tree["waves"].to_dataset().to_dataframe().round(4)

# %%
figure = plot_waves(match, bins=12)

# %% [markdown]
# What is left is no posterior: inside, the data have no say.
#
# ## Sampling the emulator
#
# The emulated model is a PyMC model with the same priors, whose likelihood has the emulator's variance in it. Of runs over the prior
# alone it is honest and wide. `calibrate_emulate_sample` runs the model where this posterior is and fits a second emulator there: here
# from what history matching left.

# %%
wide = sample(emulated_model(problem, emulator, accept=True), seed=SEED, **SAMPLING)
left = match.tree["unconstrained"]["position"].values
near = calibrate_emulate_sample(problem, left, runs=60, rounds=2, accept=True, seed=SEED, **SAMPLING)
print(near["emulator"].to_dataset())

# %% [markdown]
# ## Against the model itself, and without the emulator's variance
#
# The exact posterior takes tens of thousands of runs. The emulator of a few runs over the prior is too wide where it carries its
# variance; where it does not, it is sure of what it does not know.

# %%
exact = sample(Density(model), seed=SEED, initial=near["unconstrained"]["position"].values[:, -1], **SAMPLING)
few = fit_emulator(run_ensemble(problem, prior_design(problem, 15, seed=SEED)))
carried = sample(emulated_model(problem, few, accept=True), seed=SEED, **SAMPLING)
left_out = sample(emulated_model(problem, few, variance=False, accept=True), seed=SEED, **SAMPLING)


# %%
def values(tree, name):
    """Draws of a parameter, all chains together."""
    return tree["posterior"][name].values.ravel()


shown = {
    "model itself": (exact, "black", "-"),
    "60 runs over the prior": (wide, GREY, "-"),
    "and 2 x 60 near the posterior": (near, BLUE, "-"),
    "15 runs": (carried, RED, "-"),
    "15 runs, variance left out": (left_out, RED, ":"),
}
figure, axes = plt.subplots(2, 3, figsize=(11, 5.6), layout="constrained")
for axis, name in zip(axes.flat, names, strict=True):
    reach = np.quantile(np.concatenate([values(t, name) for t, _, _ in shown.values()]), [0.002, 0.998])
    grid = np.linspace(*reach, 300)
    for label, (tree, colour, style) in shown.items():
        draws = values(tree, name)
        width = 1.06 * draws.std() * draws.size**-0.2
        height = np.exp(-0.5 * ((grid[:, None] - draws) / width) ** 2).mean(axis=1) / width / np.sqrt(2 * np.pi)
        axis.plot(grid, height / height.max(), color=colour, ls=style, label=label)
    axis.set(xlabel=name.replace("_", " "), yticks=[])
figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)

# %%
for label, (tree, _, _) in shown.items():
    away = [(values(tree, n).mean() - values(exact, n).mean()) / values(exact, n).std() for n in names]
    ratio = [values(tree, n).std() / values(exact, n).std() for n in names]
    print(f"{label:32} mean off by {np.abs(away).max():5.2f} sd at most, sd times {np.min(ratio):.2f} to {np.max(ratio):.2f}")

# %% [markdown]
# A posterior that lies at the edge of an emulator's runs is held there and `beyond` in group ``emulator`` says how much of it; run the
# model there too. For hours-long models give `run_ensemble` a `store=`: what is done is not done again.
