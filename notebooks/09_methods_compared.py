# %% [markdown]
# # One problem, every route
#
# Land models have been calibrated by 4D-Var, ensemble Kalman methods, random walks, sequential Monte Carlo and gradients. Here all of
# them get the same model, and are scored against a posterior whose convergence has been checked: how far off is the mean, how wide is the
# interval, and what did it cost?

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsm_bayes as lb
from lsm_bayes.inference import InverseProblem
from lsm_bayes.inference.ensemble import ensemble_kalman_inversion, ensemble_smoother, unscented_kalman_inversion
from lsm_bayes.inference.variational import four_d_var
from lsm_bayes.reference.case import case_of, modes_of
from lsm_bayes.scoreboard import ROUTES, scoreboard

# %% [markdown]
# ## The problem
#
# VSEM (Cameron et al. 2022): net exchange, vegetation and soil carbon of 2,048 days, six parameters and the coefficient of variation of
# the noise. The reference posterior ships with the model, with the checks that it passed.

# %%
reference = lb.models.reference_posterior("vsem_twin")
for name, check in reference["checks"].items():
    print(f"{name:12s} {check['value']:.4g} {check['comparison']} {check['threshold']:g}")

# %%
case = case_of("vsem_twin")
modes = modes_of(case, 4, 1, progress=False)
best = max(modes.laplace, key=lambda m: m.log_evidence)
print(f"log-posterior of the best mode {best.log_posterior:.1f}, {modes.cost['gradient_evaluations']} gradients to find it")

# %% [markdown]
# ## What ensemble and variational methods see of a model
#
# They need predictions, observations and errors of known size. The noise here grows with the prediction; it is read at the mode and held
# there. What is approximate is said.

# %%
problem = InverseProblem(case.density.model, around=best.mode)
print(problem.names)
print("\n".join(problem.notes))

# %% [markdown]
# ## Four of them by hand
#
# Each gives the same kind of result as NUTS: draws in `posterior`, and what it cost in forward runs.

# %%
results = {
    "4D-Var": four_d_var(problem, seed=1),
    "ES-MDA, 4 steps": ensemble_smoother(problem, members=100, steps=4, seed=1),
    "tempered EKI": ensemble_kalman_inversion(problem, members=50, seed=1),
    "unscented inversion": unscented_kalman_inversion(problem, seed=1),
}
reference_runs = lb.sample(case.density, draws=500, tune=300, chains=2, initial=modes, seed=2, progress=False)
results["NUTS"] = reference_runs

declared = lb.models.get("vsem_twin").LAND.calibrated
shown = [n for n in reference["parameters"] if n != "noise_coefficient"]
figure, axes = plt.subplots(2, 3, figsize=(11, 5.5), layout="constrained")
for axis, name in zip(axes.flat, shown, strict=True):
    known = reference["parameters"][name]
    axis.axvspan(known["q5"], known["q95"], color="0.85", lw=0)
    axis.axvline(known["mean"], color="0.5", lw=1)
    for row, tree in enumerate(results.values()):
        draws = tree["posterior"][name].values.ravel()
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
        axis.plot([low, high], [row, row], lw=3, color=f"C{row}", solid_capstyle="butt")
        axis.plot(middle, row, "o", color=f"C{row}", ms=6, mec="white")
    axis.set_yticks(range(len(results)), list(results) if axis in axes[:, 0] else [""] * len(results))
    unit = declared[name][0].unit
    axis.set_xlabel(f"{name.replace('_', ' ')}{f' ({unit})' if unit != '1' else ''}")
    axis.invert_yaxis()
figure.suptitle("90 % intervals and medians; grey: the reference")
plt.show()

# %% [markdown]
# Four steps of ES-MDA are too few for data this strong: each step trusts a linear fit across an ensemble that is still as wide as the
# prior. The inversion with adaptive steps takes more of them.

# %% [markdown]
# ## Scored
#
# The scoreboard does this for every route; `lsm-bayes bench` prints it for all problems of the collection. A gradient counts four forward
# runs, and the search for the mode counts where a route begins there.

# %%
table = scoreboard(["vsem_twin"], ["nuts", "laplace", "4dvar", "pathfinder", "es-mda", "eki", "uki", "4denvar"])
COLUMNS = ["mean_error", "worst_mean_error", "sd_ratio", "coverage", "forward_run_equivalents", "ess_per_thousand"]
table.loc["vsem_twin"][COLUMNS].round(2)

# %%
rows = table.loc["vsem_twin"]
figure, axis = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
axis.axhspan(0.01, 0.25, color="0.92", lw=0)
for k, (route, row) in enumerate(rows.sort_values("forward_run_equivalents").iterrows()):
    place = (row["forward_run_equivalents"], max(row["worst_mean_error"], 0.01))
    axis.plot(*place, "o", ms=7)
    axis.annotate(ROUTES[route].name, place, (0, 8 if k % 2 else -14), textcoords="offset points", ha="center")
axis.margins(0.1)
axis.set(xscale="log", yscale="log", xlabel="forward runs", ylabel="largest error of a mean (sd of the reference)")
axis.set_title("Grey: within a quarter of a standard deviation")
plt.show()

# %% [markdown]
# Cheap and good are not rivals here: this posterior is nearly normal, so that methods which assume that are right to a third of a
# standard deviation. What is left of 4D-Var and of the inversions is the noise, which they hold at its size around the mode and which
# in the model grows with the prediction. Methods that use the data a few times, from an ensemble as wide as the prior, are far off. On
# a posterior with ridges or several modes the ranking changes: see `benchmarks/ensembles.md` for DALEC with 22 elements.
