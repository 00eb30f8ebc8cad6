# %% [markdown]
# # Which model, and which errors?
#
# Three models of the same observations are compared: two process models, and one of them with two error models. What decides is what each
# says of observations that it was not fitted to; what it costs is a choice of what to leave out.

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import lsm_bayes as lb
from lsm_bayes.comparison import Settings
from lsm_bayes.comparison.gain import information_gain
from lsm_bayes.declare import Prior
from lsm_bayes.inference import local_evidence
from lsm_bayes.vocabulary import QUANTITIES

plt.rcParams["date.converter"] = "concise"
SEED, BLUE, RED, GREY = 1, "#0b3c5d", "#b5402a", "0.55"

# %% [markdown]
# ## Data
#
# Three years of Davos, a spruce forest: weekly NEE, and monthly GPP from the partitioning of the same NEE. Without a network Hyytiälä is
# taken from the folder that `LSM_BAYES_DATA` names.

# %%
try:
    data = lb.load("ch-dav", start="2013", end="2015")
except lb.NotAvailableError as missing:
    print(missing)
    data = lb.load("fluxnet-daily-water", "FI-Hyy", start="2006", end="2008")
data["par_down"] = (0.48 * data["shortwave_down"]).assign_attrs(QUANTITIES["par_down"].attrs())
site = str(data["site"].item())

# %% [markdown]
# ## Three models
#
# VSEM has light and pools, and no temperature. DALEC for evergreens has both. An error model is part of the model: "memory" lets the
# misfit of a week be like that of the week before (AR(1)), "independent" does not. Everything else is the same, and so are the
# observations; scores of other observations could not be compared, and `lb.compare` refuses them.

# %%
MEMORY = lb.ErrorModel(discrepancy=None)
INDEPENDENT = lb.ErrorModel(discrepancy=None, correlation=None)
GPP = lb.ErrorModel(structural=lb.Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)
near = lb.NearEquilibrium(0.5)
LAND = {
    "vsem": {
        "initial": {"soil_carbon": near, "belowground_carbon": near},
        "priors": {"aboveground_carbon": Prior("log_normal", 8000.0, 0.5)},
        # Photosynthesis sees its product with the light extinction alone.
        "fixed": {"leaf_area_ratio": 0.5},
    },
    "dalec_evergreen": {
        "initial": {
            **dict.fromkeys(("root_carbon", "wood_carbon", "litter_carbon", "soil_carbon"), near),
            "foliage_carbon": lb.InProportion("leaf_mass_area", (0.2, 10.0)),
        }
    },
}
CHOICES = {
    "VSEM, memory": ("vsem", MEMORY),
    "DALEC, memory": ("dalec_evergreen", MEMORY),
    "DALEC, independent": ("dalec_evergreen", INDEPENDENT),
}
COLOURS = dict(zip(CHOICES, (RED, BLUE, GREY), strict=True))
models = {
    name: lb.build_model(lb.land.get(land), data, [lb.Stream("nee", "week", error), lb.Stream("gpp", "month", GPP)], **LAND[land])
    for name, (land, error) in CHOICES.items()
}

# %% [markdown]
# Short chains, as in the other notebooks, so that the gates fail; the two figures say by how much.

# %%
CHAINS = {"draws": 600, "tune": 300, "chains": 2, "seed": SEED, "progress": False}
SAMPLER = CHAINS | {"target_accept": 0.9, "max_treedepth": 7, "metric": "laplace"}
results, densities, modes = {}, {}, {}
for name, model in models.items():
    density = densities[name] = lb.Density(model)
    modes[name] = lb.find_modes(density, starts=2, seed=SEED, max_evaluations=400)
    tree = results[name] = lb.sample(density, initial=modes[name], **SAMPLER)
    # Draws of the prior, for the information gained.
    prior = density.expand(density.prior_positions(1000, np.random.default_rng(SEED)))
    tree["prior"] = xr.DataTree(xr.Dataset({n: (v.dims, prior[n][None]) for n, v in tree["posterior"].data_vars.items()}))
    gates = lb.check(tree).gates
    rhat, size = gates[0], gates[1]
    print(f"{name:20} {density.dimension} unknowns; R-hat {rhat.value:.2f} ({rhat.parameter}), effective sample size {size.value:.0f}")

# %% [markdown]
# ## Half a year at a time
#
# `lb.cross_validate` leaves each half year out and scores its joint density, in nats. The draws of the full fit are reweighted towards the
# fit without it (Pareto-smoothed importance sampling). Where the Pareto k says that they do not reach it, the model is sampled again
# without the half year. Reweighting alone flatters: where the score of a model lies far below the others, as that of a model without
# temperature may, this does not change the order. VSEM goes without refits here, to save time; both DALECs get them, because a score from
# a refit must not be compared with a flattered one.

# %%
REFIT = Settings(draws=150, tune=150, target_accept=0.85, max_treedepth=5, seed=SEED)
HALF_YEARS = lb.Blocks(0.5)
for name, model in models.items():
    refits = "never" if "VSEM" in name else "where needed"
    scores = lb.cross_validate(model, results[name], HALF_YEARS, refits=refits, draws=600, settings=REFIT, progress=False)
    print(f"{name:20} {int(scores['exact'].sum())} of {scores.sizes['unit']} sampled again; limit of Pareto k {scores.attrs['good_k']:.2f}")
    print("   Pareto k", np.round(scores["pareto_k"].values, 2))

# %% [markdown]
# ## The evidence
#
# The log density of all observations before any of them was seen, by bridge sampling. It judges the priors with the model: a prior that
# is ten times wider than it needs to be costs 2.3 nats for each parameter, whatever the prediction. `lb.log_evidence` goes on to an error
# of 0.2 nats, through intermediate densities; here the bridge is taken as the draws give it.

# %%
for name, density in densities.items():
    tree = results[name]
    drawn, lp = tree["unconstrained"]["position"].values, tree["sample_stats"]["lp"].values
    found = local_evidence(density, drawn, lp, np.random.default_rng(SEED), most_paths=0)
    # Where `lb.compare` looks for it.
    tree.attrs["log_evidence"] = json.dumps({"value": found.log_evidence, "error": found.error})
    print(f"{name:20} log evidence {found.log_evidence:.1f} +- {found.error:.1f}")

# %%
found = lb.compare(results)
shown = ["elpd", "difference", "difference_se", "p_eff", "stacking", "pseudo_bma", "log_evidence", "evidence_weight", "refits", "sound"]
found.table[shown].round(2)

# %% [markdown]
# `difference` is to the best, with the standard error of the paired differences: below 4 nats, or two standard errors, it is not called
# clear. `stacking`: shares of the mixture that predicts best, which is no probability that a model is true. `pseudo_bma`: weights by
# scores, softened where the half years disagree. `evidence_weight`: probabilities of the models if one of them were true. `sound`: half
# years whose score can be trusted, by Pareto k or by a refit that converged (short chains do not pass).

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), gridspec_kw={"width_ratios": [1.6, 1]})
best = found.table.index[0]
others = [n for n in found.by_unit if n != best]
places = np.arange(len(found.by_unit))
for k, name in enumerate(others):
    height = 0.8 / len(others)
    difference = found.by_unit[name] - found.by_unit[best]
    left.barh(places + (k - 0.5 * (len(others) - 1)) * height, difference, height, color=COLOURS[name])
left.axvline(0, color="black", lw=0.8)
left.set_yticks(places, [str(u).removeprefix(f"{site} ") for u in found.by_unit.index])
left.invert_yaxis()
left.set(xlabel=f"score less that of {best} (nats)", title=f"{site}, half years from")
kinds = ["stacking", "pseudo_bma", "evidence_weight"]
for k, name in enumerate(found.table.index):
    right.bar(np.arange(3) + 0.27 * (k - 1), found.table.loc[name, kinds].astype(float), 0.25, color=COLOURS[name], label=name)
right.set_xticks(range(3), ["stacking", "pseudo-BMA+", "evidence"])
right.set(ylabel="weight", ylim=(0, 1.05), yticks=[0, 0.5, 1])
figure.legend(*right.get_legend_handles_labels(), loc="upper center", ncols=3, fontsize=8, frameon=False)
figure.tight_layout(rect=(0, 0, 1, 0.93))

# %% [markdown]
# ## What is left out decides what is asked
#
# Left out alone, a week lies between two neighbours whose errors are known, and with errors that have a memory these predict it, whatever
# the process model says. Pointwise leave-one-out on autocorrelated data thus asks who interpolates best; half a year asks what the
# process model knows. How far the two disagree depends on how long the memory is, which is printed. Weeks are scored without refits and
# without a buffer, which is what pointwise leave-one-out does.

# %%
single = lb.Blocks(1 / 52, by=("site", "stream"), buffer=0)
scored = {
    # On copies: a result keeps one cross-validation.
    "single weeks and months": {
        name: lb.cross_validate(m, results[name].copy(), single, refits="never", draws=600, progress=False) for name, m in models.items()
    },
    "half years": {name: tree["cross_validation"].to_dataset() for name, tree in results.items()},
}
for name, tree in results.items():
    if "nee_phi" in tree["posterior"]:
        print(f"{name:20} correlation of the errors of neighbouring weeks {float(tree['posterior']['nee_phi'].median()):.2f}")
rows = []
for design, by_model in scored.items():
    for name, scores in by_model.items():
        rows.append(
            {
                "left out": design,
                "model": name,
                "units": scores.sizes["unit"],
                "score for each observation": float(scores["elpd"].sum() / scores["observations"].sum()),
                "largest Pareto k": float(scores["pareto_k"].max()),
            }
        )
pd.DataFrame(rows).set_index(["left out", "model"]).round(3)

# %%
figure, ax = plt.subplots(figsize=(8, 2.6))
for row, by_model in enumerate(scored.values()):
    reference = by_model[best]
    count = int(reference["observations"].sum())
    for k, (name, scores) in enumerate(by_model.items()):
        difference = (scores["elpd"] - reference["elpd"]).values
        error = np.sqrt(difference.size * difference.var(ddof=1)) / count
        label = name if row == 0 else None
        at = {"x": difference.sum() / count, "y": row + 0.2 * (k - 1), "xerr": 2 * error}
        ax.errorbar(**at, fmt="o", color=COLOURS[name], label=label, capsize=2)
ax.axvline(0, color="black", lw=0.8)
ax.margins(y=0.25)
ax.set_yticks(range(len(scored)), [f"{d}\n({s[best].sizes['unit']} units)" for d, s in scored.items()])
ax.invert_yaxis()
ax.set(xlabel=f"score for each observation less that of {best} (nats; bars: two standard errors)")
figure.legend(*ax.get_legend_handles_labels(), loc="upper center", ncols=3, fontsize=8, frameon=False)
figure.tight_layout(rect=(0, 0, 1, 0.9))

# %% [markdown]
# ## The future
#
# A forecast has the past alone. The half years of the last year are predicted once more, from what came before each of them
# (`lb.Future`), and compared with what was said of them when the time after them was known too. One model is enough to show it.

# %%
NAME = "DALEC, memory"
ahead = lb.Future(f"{int(data['time'].dt.year[-1])}-01-01", 0.5)
future = lb.cross_validate(models[NAME], results[NAME].copy(), ahead, draws=600, settings=REFIT, progress=False).to_dataframe()
both = results[NAME]["cross_validation"].to_dataset().to_dataframe().iloc[-len(future) :]
print(f"{NAME}, score for each observation (nats)")
pd.DataFrame(
    {
        "from the past": (future["elpd"] / future["observations"]).values,
        "from past and future": (both["elpd"] / both["observations"]).values,
        "Pareto k, from the past": future["pareto_k"].values,
        "sampled again": future["exact"].values,
    },
    index=future.index,
).round(2)

# %% [markdown]
# ## Fit and complexity
#
# What a model gains by seeing a half year (fit) it has to pay when it has not seen it (prediction). The distance is its effective number
# of parameters; more unknowns need not mean more of them, where priors or data tie them down.

# %%
figure, ax = plt.subplots(figsize=(6, 3.2))
for name, tree in results.items():
    scores = tree["cross_validation"].to_dataset()
    unknowns = densities[name].dimension + (0.15 if "independent" in name else -0.15)
    fit, prediction = (float(scores[k].sum()) for k in ("lpd", "elpd"))
    ax.plot([unknowns] * 2, [fit, prediction], color=COLOURS[name], lw=1.5)
    ax.plot(unknowns, fit, "o", color=COLOURS[name], mfc="white")
    ax.plot(unknowns, prediction, "o", color=COLOURS[name], label=f"{name}: {fit - prediction:.1f} effective")
ax.set(xlabel="unknowns", ylabel="log density (nats)", title="open: fitted; filled: predicted")
ax.margins(x=0.25)
ax.legend(fontsize=8, frameon=False, loc="best")
figure.tight_layout()

# %% [markdown]
# ## What was learnt
#
# The divergence of each posterior from its prior, in nats, parameter by parameter. What each stream is worth is asked in
# 04_many_streams.

# %%
gain = pd.DataFrame({name: information_gain(tree) for name, tree in results.items()})
gain = gain.loc[gain.max(axis=1).sort_values().index[-14:]]
figure, ax = plt.subplots(figsize=(7, 4))
for k, name in enumerate(CHOICES):
    ax.plot(gain[name], np.arange(len(gain)) + 0.15 * (k - 1), "o", color=COLOURS[name], ms=5, label=name)
ax.set_yticks(range(len(gain)), gain.index)
ax.grid(axis="y", color="0.93")
ax.set(xlabel="information gained (nats)", xlim=(-0.05, None))
ax.legend(fontsize=8, frameon=False, loc="lower right")
figure.tight_layout()

# %% [markdown]
# ## One page
#
# The same on a self-contained HTML page, with the gates of every fit; `lsm-bayes compare first=PATH second=PATH` makes it from stored
# results.

# %%
folder = (Path.cwd().parent if Path.cwd().name == "notebooks" else Path.cwd()) / "results"
folder.mkdir(exist_ok=True)
page = lb.write_comparison(results, folder / "comparison.html")
print(f"{page.name}: {page.stat().st_size / 1024:.0f} kB")
