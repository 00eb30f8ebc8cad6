"""Twins of the two-pool model of experiment_two_pool.py and experiment_noise_matrix.py: made, calibrated, sampled, tabled."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from lsm_bayes.calibration import CarriedPosterior, Stream, build_model
from lsm_bayes.declare import Parameter, Prior, ProcessModel
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.land import get
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

OPTIC = get("optic")


class Stores(NamedTuple):
    """The stores of OptIC under the names of the vocabulary, which MacBean et al. give them too."""

    aboveground_carbon: Annotated[float, Parameter("gC m-2", (0.01, 100.0), "plant store at the start")] = 4.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (0.01, 100.0), "soil store at the start")] = 8.0


def _step(x: Any, f: Any, p: Any) -> tuple[Stores, Any]:
    following, fluxes = OPTIC.step(x, f, p)
    return Stores(*following), fluxes


LAND = replace(OPTIC, name="two_stores", step=_step, state=Stores, budgets={})
TRUTH = {n: default for n, (_, default) in LAND.parameter_table.items()}
START = {n: default for n, (_, default) in LAND.state_parameters.items()}
STORES = {"plant": "aboveground_carbon", "soil": "soil_carbon"}
OPERATORS = {n: ObservationOperator(f"{q}_seen", {q: (0.0, 1e5)}, lambda s, q=q: s[q], quantity=q) for n, q in STORES.items()}
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
STEPS, NOISE, PHI = 500, 0.1, 0.9
DRAWS, TUNE, CHAINS = 1500, 500, 2


@dataclass(frozen=True)
class Twin:
    """Forcing, true stores as means over each step, their noise, first guess, and random numbers (stream, time)."""

    data: xr.Dataset
    stores: dict[str, np.ndarray]
    sd: dict[str, float]
    priors: dict[str, Prior]
    noise: np.ndarray
    seed: int


def made(number: int, land: ProcessModel = LAND) -> Twin:
    """Make the twin of a number."""
    rng = np.random.default_rng([6, number])
    memory = np.exp(-0.1)
    m = 0.5 * with_memory(rng.standard_normal(STEPS), memory)
    days = pd.date_range("2001-01-01", periods=STEPS)
    forcing = ("time", np.exp(m - 0.125), QUANTITIES["resource_availability"].attrs())
    data = xr.Dataset({"resource_availability": forcing}, coords={"time": days})
    run = simulate(land, data, outputs=list(STORES.values()))
    ends = {n: run[q].values.ravel() for n, q in STORES.items()}
    stores = {n: 0.5 * (v[1:] + v[:-1]) for n, v in ends.items()}
    priors = {n: _guess(rng, *LAND.parameter_table[n][0].bounds, TRUTH[n]) for n in TRUTH}
    return Twin(data, stores, {n: NOISE * float(v.mean()) for n, v in stores.items()}, priors, rng.standard_normal((2, STEPS)), number)


def with_memory(white: np.ndarray, phi: float) -> np.ndarray:
    """Filter white noise (..., time) to an AR(1) series of the same variance."""
    found = white.copy()
    for t in range(1, white.shape[-1]):
        found[..., t] = phi * found[..., t - 1] + np.sqrt(1 - phi**2) * white[..., t]
    return found


def _guess(rng: np.random.Generator, low: float, high: float, truth: float) -> Prior:
    spread = 0.4 * (high - low)
    while not low < (centre := truth + spread * rng.standard_normal()) < high:
        pass
    return Prior("normal", float(centre), spread)


def calibration(
    twin: Twin,
    observed: Mapping[str, np.ndarray],
    errors: Mapping[str, ErrorModel] | None = None,
    *,
    land: ProcessModel = LAND,
    priors: Mapping[str, Prior] | None = None,
    earlier: CarriedPosterior | None = None,
    sd: Mapping[str, float] | None = None,
) -> pm.Model:
    """Build the calibration of some series; NaN where nothing is observed."""
    data = twin.data.assign({f"{n}_observed": ("time", v, QUANTITIES[STORES[n]].attrs()) for n, v in observed.items()})
    streams = [
        Stream(
            STORES[n],
            variable=f"{n}_observed",
            uncertainty=(sd or twin.sd)[n],
            error=(errors or {}).get(n, STATED),
            operator=OPERATORS[n],
        )
        for n in observed
    ]
    return build_model(land, data, streams, fixed=START, priors=priors or twin.priors, prior_from=earlier)


def fitted(model: pm.Model, seed: int) -> tuple[dict[str, Any], xr.DataTree]:
    """Sample; longer where chains do not agree. Return what the tables need."""
    density = Density(model)
    modes = find_modes(density, starts=3, seed=seed)
    for longer in (1, 4, 12):
        tree = sample(
            density,
            draws=DRAWS * longer,
            tune=TUNE * min(longer, 4),
            chains=CHAINS,
            seed=seed,
            target_accept=0.9,
            initial=modes,
            cores=1,
            progress=False,
        )
        z = tree["posterior"]["z"].transpose("parameter", "chain", "draw").values
        figures = convergence({str(k): v for k, v in enumerate(z)})
        if np.max(figures["rhat"]) < 1.01 and np.min(figures["ess_bulk"]) > 100:
            break
    draws = {n: tree["posterior"][n].values.ravel() for n in TRUTH}
    return {
        "mean": {n: float(v.mean()) for n, v in draws.items()},
        "sd": {n: float(v.std()) for n, v in draws.items()},
        "covered": {n: bool(np.quantile(v, 0.05) <= TRUTH[n] <= np.quantile(v, 0.95)) for n, v in draws.items()},
        "rhat": float(np.max(figures["rhat"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "modes": len(modes.laplace),
    }, tree


def fit_missing(path: Path, fits: Mapping[str, Callable[[], dict[str, Any]]]) -> None:
    """Fit the cases of a twin that its file does not have."""
    done = json.loads(path.read_text()) if path.exists() else {}
    missing, began = {n: f for n, f in fits.items() if n not in done}, time.perf_counter()
    if missing:
        path.write_text(json.dumps(done | {n: f() for n, f in missing.items()}))
        print(path.stem, f"{len(missing)} fits in {time.perf_counter() - began:.0f} s", flush=True)


def rows(done: list[dict[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """Table of relative RMSE, bias and coverage by case."""
    lines = [
        "| case | relative RMSE of p1, p2, k1, k2, % | mean error, % | covered by 90 % intervals | R-hat, largest | divergences |",
        "|---|---|---|---|---|---|",
    ]
    for case, label in labels.items():
        fits = [d[case] for d in done if case in d]
        if fits:
            error = np.array([[100 * (f["mean"][n] / TRUTH[n] - 1) for n in TRUTH] for f in fits])
            rmse, bias = np.sqrt((error**2).mean(axis=0)), error.mean(axis=0)
            covered = np.mean([list(f["covered"].values()) for f in fits])
            lines.append(
                f"| {label} | {', '.join(f'{v:.3g}' for v in rmse)} | {', '.join(f'{v:+.2g}' for v in bias)} | {covered:.2f} "
                f"| {max(f['rhat'] for f in fits):.3f} | {sum(f['divergences'] for f in fits)} |"
            )
    return lines
