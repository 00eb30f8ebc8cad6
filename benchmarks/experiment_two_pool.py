"""Two streams of a two-pool model: simultaneous or stepwise, biased, few, correlated (E6). Writes two_pool.md.

The OptIC model (Raupach 2007, doi 10.5194/bg-4-875-2007) as in MacBean et al. (2016, doi 10.5194/gmd-9-3569-2016), whose forcing and noise
were not recovered; the setting here: 500 steps of a day, forcing exp(m - 0.125) with m AR(1) of sd 0.5 and e-folding 10 days, known stores
(4, 8) at the start, both stores observed with noise of 10 % of their mean. Prior: normal, sd 40 % of the range, around a first guess
that is the truth plus such an error, inside the range. Cases of one twin have the same forcing, first guess and random numbers. Each twin
is one file in results/two_pool, so that a stopped run goes on. Run: python benchmarks/experiment_two_pool.py [NUMBER OF TWINS].
"""

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models.two_pool_twin.model import STATED, STEPS, STORES, TRUTH, Twin, made, with_memory
from two_pool_twins import PHI, calibration, fit_missing, fitted, rows

from lsm_bayes.calibration import NotNormalWarning, carry_over
from lsm_bayes.errors import Bias, CorrelatedWith, ErrorModel

HERE, RESULTS = Path(__file__).parent, Path("results/two_pool")
BIAS, RHO = 0.2, 0.8
FEW = np.arange(25, STEPS, 50)
LABELS = {
    "plant only": "s1 only",
    "soil only": "s2 only",
    "stepwise full": "stepwise s1, s2, one normal, full covariance",
    "stepwise mixture": "stepwise s1, s2, mixture of normals",
    "stepwise diagonal": "stepwise, one normal, variances only",
    "stepwise mean": "stepwise, covariance not propagated",
    "simultaneous": "simultaneous",
    "few": "simultaneous, 500 s1 and 10 s2",
    "biased": "s1 +20 % bias, simultaneous",
    "biased few": "s1 +20 % bias, 500 s1 and 10 s2",
    "biased stepwise": "s1 +20 % bias, stepwise, one normal",
    "biased modelled": "s1 +20 % bias, simultaneous, bias inferred",
    "biased modelled few": "s1 +20 % bias, 500 s1 and 10 s2, bias inferred",
    "across ignored": "errors correlated between streams, 0.8: ignored",
    "across modelled": "errors correlated between streams: modelled",
    "memory ignored": "AR(1) errors, 0.9: ignored",
    "memory modelled": "AR(1) errors: modelled, 0.9 not known",
}


def cases(twin: Twin) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what fits each case of a twin."""
    x, sd, seed = twin.stores, twin.sd, twin.seed
    plant, soil = (x[n] + sd[n] * e for n, e in zip(STORES, twin.noise, strict=True))
    few = np.full(STEPS, np.nan)
    few[FEW] = soil[FEW]
    offset = BIAS * float(x["plant"].mean())
    series = {"plant": plant, "biased": plant + offset}
    bias = {"plant": STATED + Bias(offset)}  # of prior sd as large as it is
    slow = {n: x[n] + sd[n] * e for n, e in zip(STORES, with_memory(twin.noise, PHI), strict=True)}
    memory = dict.fromkeys(STORES, replace(STATED, correlation=0.99))
    both = {"plant": plant, "soil": x["soil"] + sd["soil"] * (RHO * twin.noise[0] + np.sqrt(1 - RHO**2) * twin.noise[1])}

    @cache
    def first(name: str) -> tuple[pm.Model, dict[str, Any], xr.DataTree]:
        model = calibration(twin, {"plant": series[name]})
        return model, *fitted(model, seed)

    def once(observed: Mapping[str, np.ndarray], errors: Mapping[str, ErrorModel] | None = None) -> Callable[[], dict[str, Any]]:
        return lambda: fitted(calibration(twin, observed, errors), seed)[0]

    def stepwise(name: str, kind: Any, components: Any) -> dict[str, Any]:
        model, _, tree = first(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotNormalWarning)  # its numbers are in the results
            carried = carry_over(tree, model, kind, components)
        found, _ = fitted(calibration(twin, {"soil": soil}, earlier=carried), seed)
        return found | {"departure": {k: getattr(carried.departure, k) for k in ("skewness", "kurtosis", "shift", "components", "gain")}}

    def mean_alone() -> dict[str, Any]:
        priors = {n: replace(p, centre=first("plant")[1]["mean"][n]) for n, p in twin.priors.items()}
        return fitted(calibration(twin, {"soil": soil}, priors=priors), seed)[0]

    return {
        "plant only": lambda: first("plant")[1],
        "soil only": once({"soil": soil}),
        "stepwise full": lambda: stepwise("plant", "full", 1),
        "stepwise mixture": lambda: stepwise("plant", "full", "auto"),
        "stepwise diagonal": lambda: stepwise("plant", "diagonal", 1),
        "stepwise mean": mean_alone,
        "simultaneous": once({"plant": plant, "soil": soil}),
        "few": once({"plant": plant, "soil": few}),
        "biased": once({"plant": series["biased"], "soil": soil}),
        "biased few": once({"plant": series["biased"], "soil": few}),
        "biased stepwise": lambda: stepwise("biased", "full", 1),
        "biased modelled": once({"plant": series["biased"], "soil": soil}, bias),
        "biased modelled few": once({"plant": series["biased"], "soil": few}, bias),
        "across ignored": once(both),
        "across modelled": once(both, {"soil": STATED + CorrelatedWith("plant_observed")}),
        "memory ignored": once(slow),
        "memory modelled": once(slow, memory),
    }


def bars(done: list[dict[str, Any]]) -> list[str]:
    """Compare what was asked of the experiment with what was seen."""

    def error(case: str) -> np.ndarray:
        return np.sqrt(np.mean([[(d[case]["mean"][n] / TRUTH[n] - 1) ** 2 for n in TRUTH] for d in done], axis=0))

    def covered(case: str) -> str:
        return f"{np.mean([list(d[case]['covered'].values()) for d in done]):.2f}"

    def apart(case: str) -> np.ndarray:
        both = [(d[case], d["simultaneous"]) for d in done]
        return np.abs([[(f["mean"][n] - s["mean"][n]) / s["sd"][n] for n in TRUTH] for f, s in both])

    ratios = {k: ", ".join(f"{r:.2f}" for r in error(k) / error("simultaneous")) for k in LABELS if k.startswith("stepwise")}
    (one, some), (one_most, some_most) = ([f(apart(f"stepwise {k}")) for k in ("full", "mixture")] for f in (np.median, np.max))
    skewness = np.median([d["stepwise full"]["departure"]["skewness"] for d in done])
    figures = ("components", "gain", "skewness")
    number, gain, left = (np.array([d["stepwise mixture"]["departure"][k] for d in done]) for k in figures)
    return [
        "| asked | seen |",
        "|---|---|",
        f"| RMSE of stepwise, one normal with full covariance, over simultaneous: 0.85 to 1.15 | {ratios['stepwise full']} |",
        f"| the same of a mixture of normals | {ratios['stepwise mixture']} |",
        f"| the same of one normal, variances only; covariance not propagated | {ratios['stepwise diagonal']}; {ratios['stepwise mean']} |",
        f"| coverage with AR(1) ignored: below 0.5 | {covered('memory ignored')} |",
        f"| coverage with AR(1) modelled: 0.85 to 0.97 | {covered('memory modelled')} |",
        f"| coverage of the s1-bias case with a bias parameter: at least 0.85 | {covered('biased modelled')} |",
        "",
        f"Means of stepwise with one normal are {one:.2f} (median) and up to {one_most:.2f} posterior sd from the simultaneous ones:",
        f"after the first step p1 and p2 lie on a curved ridge, skewness {skewness:.2f} a direction in the median, which a normal has not.",
        f"With a mixture they are {some:.2f} and up to {some_most:.2f} sd from them. It has {number.min()} to {number.max()} normals,",
        f"{np.median(number):.0f} in the median; draws that it was not fitted to have a log density {np.median(gain):.2f} nats above that",
        f"under one normal (median of twins), and {np.median(left):.2f} is the skewness of its normal scores.",
        "",
    ]


def main(number: int) -> None:
    """Run the twins that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    paths = [RESULTS / f"{k:02d}.json" for k in range(number)]
    for k, path in enumerate(paths):
        fit_missing(path, cases(made(k)))
    done = [{n: f for n, f in json.loads(p.read_text()).items() if n in LABELS} for p in paths]
    unsure = sum(f["rhat"] > 1.01 for d in done for f in d.values())
    text = [
        "# Two streams of a two-pool model",
        "",
        f"{len(done)} twins, made by `python benchmarks/experiment_two_pool.py`, whose text has the setting. The bias,",
        f"20 % of the mean of s1, is added. NUTS throughout; in {unsure} of {sum(map(len, done))} fits R-hat stayed above 1.01.",
        "",
    ]
    (HERE / "two_pool.md").write_text("\n".join([*text, *bars(done), *rows(done, LABELS)]) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
