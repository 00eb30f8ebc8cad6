"""Cost of correlated errors: log-density with gradient of 10,000 daily values, against independent ones. Writes benchmarks/errors.md.

Run: python benchmarks/errors.py. The operator is a line in one driver, so that the error model is all there is; ratios of one run.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm

from lsm_bayes.errors import ErrorModel, Laplace, Matern, OrnsteinUhlenbeck, Scale
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import site_series
from lsm_bayes.inference import Density

DAYS, REPEATS = 10_000, 400
INDEPENDENT = ErrorModel(correlation=None, discrepancy=None)
CASES = {
    "independent": INDEPENDENT,
    "AR(1) with gaps": ErrorModel(discrepancy=None),
    "Ornstein-Uhlenbeck": INDEPENDENT + OrnsteinUhlenbeck(5.0),
    "AR(1), Student-t": ErrorModel(discrepancy=None, heavy_tailed=True),
    "AR(1), Laplace": ErrorModel(discrepancy=None) + Laplace(),
    "AR(1) and slow discrepancy (default)": ErrorModel(discrepancy=Scale(0.25)),
    "Matérn 1/2 and independent": INDEPENDENT + Matern(30.0, smoothness=0.5),
    "Matérn 3/2 and independent": INDEPENDENT + Matern(30.0),
    "Matérn 5/2 and independent": INDEPENDENT + Matern(30.0, smoothness=2.5),
}


def best(density: Density) -> float:
    """Fastest of many evaluations, us."""
    x = density.prior_positions(1, np.random.default_rng(1))[0]
    fastest = np.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        density(x)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest * 1e6


def main() -> None:
    """Measure and write."""
    rng = np.random.default_rng(0)
    days = pd.date_range("1990-01-01", periods=int(DAYS / 0.8))[rng.uniform(size=int(DAYS / 0.8)) < 0.8]
    gap = np.concatenate([[np.inf], np.diff(days.values) / np.timedelta64(1, "D")])
    driver = rng.normal(size=days.size)
    series = site_series(driver + rng.normal(size=days.size), np.full(days.size, 0.3), gap, days, 0.7)
    lines = [
        f"Log-density with gradient of {days.size} daily values with gaps, minimum of {REPEATS} evaluations. Made by",
        "`python benchmarks/errors.py`.",
        "",
        "| error model | us | over independent |",
        "|---|---|---|",
    ]
    first = None
    for name, error in CASES.items():
        with pm.Model(coords={"nee_observation": np.arange(days.size)}) as model:
            mean = pm.Normal("offset") + pm.Normal("slope") * driver
            add_likelihood("nee", error, mean, [series], None)
        spent = best(Density(model))
        first = first or spent
        lines.append(f"| {name} | {spent:.0f} | {spent / first:.2f} |")
        print(lines[-1], flush=True)
    (Path(__file__).parent / "errors.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
