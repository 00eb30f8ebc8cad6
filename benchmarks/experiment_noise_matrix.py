"""Right and wrong error models under five kinds of noise, in the two-pool model of OptIC (E9). Writes noise_matrix.md.

The kinds of noise are those of Trudinger et al. (2007, doi 10.1029/2006JG000367) in outline; model, prior and noise of 10 % of the mean are
those of experiment_two_pool.py. Both stores are observed.

- Gaussian; wrong: half of the sd is stated.
- Log-normal, sd 40 % of the mean of the store; wrong: normal with this sd.
- Correlated, AR(1) with 0.9; wrong: independent.
- Biased forcing: a factor whose logarithm has sd 0.2, drawn anew in each twin; right: the factor is inferred (`with_forcing_bias`).
- 90 % missing; wrong: gaps are filled by linear interpolation and taken for observations.

Run: python benchmarks/experiment_noise_matrix.py [NUMBER OF TWINS].
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
from lsm_bayes.models.two_pool_twin.model import LAND, NOISE, STATED, STEPS, STORES, TRUTH, Twin, made, with_memory
from two_pool_twins import PHI, calibration, fit_missing, fitted, rows

from lsm_bayes.errors import LogNormal
from lsm_bayes.forcing_bias import with_forcing_bias

HERE, RESULTS = Path(__file__).parent, Path("results/noise_matrix")
FORCING_SD, WIDE = 0.2, 0.4


def cases(twin: Twin) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what fits each kind of noise with each error model."""
    rng = np.random.default_rng([9, twin.seed])
    x, sd = twin.stores, twin.sd
    plain = {n: x[n] + sd[n] * e for n, e in zip(STORES, twin.noise, strict=True)}
    slow = {n: x[n] + sd[n] * e for n, e in zip(STORES, with_memory(twin.noise, PHI), strict=True)}
    wide = {n: WIDE / NOISE * sd[n] for n in STORES}
    spread = {n: np.sqrt(np.log1p((wide[n] / x[n]) ** 2)) for n in STORES}
    skewed = {n: x[n] * np.exp(spread[n] * e - 0.5 * spread[n] ** 2) for n, e in zip(STORES, twin.noise, strict=True)}
    few = {n: np.where(rng.random(STEPS) < 0.1, v, np.nan) for n, v in plain.items()}
    filled = {n: np.interp(np.arange(STEPS), np.flatnonzero(np.isfinite(v)), v[np.isfinite(v)]) for n, v in few.items()}
    given = twin.data["resource_availability"] * np.exp(-FORCING_SD * rng.standard_normal())
    biased = replace(twin, data=twin.data.assign(resource_availability=given.assign_attrs(twin.data["resource_availability"].attrs)))
    doubtful = with_forcing_bias(LAND, factors={"resource_availability": FORCING_SD})
    models = {
        "Gaussian, right": calibration(twin, plain),
        "Gaussian, wrong": calibration(twin, plain, sd={n: 0.5 * s for n, s in sd.items()}),
        "log-normal, right": calibration(twin, skewed, dict.fromkeys(STORES, STATED + LogNormal()), sd=wide),
        "log-normal, wrong": calibration(twin, skewed, sd=wide),
        "correlated, right": calibration(twin, slow, dict.fromkeys(STORES, replace(STATED, correlation=0.99))),
        "correlated, wrong": calibration(twin, slow),
        "biased forcing, right": calibration(biased, plain, land=doubtful),
        "biased forcing, wrong": calibration(biased, plain),
        "90 % missing, right": calibration(twin, few),
        "90 % missing, wrong": calibration(twin, filled),
    }
    return {label: partial(_fit, model, twin.seed) for label, model in models.items()}


def _fit(model: pm.Model, seed: int) -> dict[str, Any]:
    return fitted(model, seed)[0]


def main(number: int) -> None:
    """Run the twins that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for k in range(number):
        fit_missing(RESULTS / f"{k:02d}.json", cases(made(k)))
        done = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("*.json"))]
        tolerance = 1.96 * np.sqrt(0.09 / (len(TRUTH) * len(done)))
        text = [
            "# Right and wrong error models",
            "",
            f"{len(done)} twins, made by `python benchmarks/experiment_noise_matrix.py`, whose text says what is wrong. An interval",
            f"of the right error model covers 0.90, give or take {tolerance:.2f} if parameters were independent.",
            "",
        ]
        (HERE / "noise_matrix.md").write_text("\n".join([*text, *rows(done, {n: n for n in done[0]})]) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
