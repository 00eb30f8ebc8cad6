"""Structural error and remedies (Oberpriller et al. 2021): DALEC 1005 with a swapped temperature response. Writes structural_error.md.

Twins of Oberpriller et al. (doi 10.1111/ele.13728, from a summary of its code): two fluxes with random error of known sd, six parameters
uniform within 30 % of a centre, the rest fixed at the truth, the second flux on all days or on every tenth. The truth has another
temperature response of photosynthesis than the model that is fitted; as a control it has the same. Three years of FI-Hyy are fitted and
two withheld. Needs LSM_BAYES_DATA. Each fit is one file in results/structural_error, so that a stopped run goes on.
Run: python benchmarks/experiment_structural_error.py [NUMBER OF TWINS].
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import xarray as xr
from structural_error_page import write

from lsm_bayes import datasets
from lsm_bayes.calibration import Stream, build_model, predict
from lsm_bayes.declare import Prior, ProcessModel, extending, with_fields
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.diagnostics.scores import coverage, crps
from lsm_bayes.errors import DriverDiscrepancy, ErrorModel, Matern, Scale, Weight
from lsm_bayes.errors.simulation import simulate_errors
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.land import get
from lsm_bayes.process_noise import with_yearly_noise
from lsm_bayes.processes import acm
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

RESULTS = Path("results/structural_error")
# Centres of the calibrated parameters, and what is fixed besides the defaults: an evergreen canopy of about 3 m2 m-2.
CENTRE = {
    "canopy_efficiency": 20.0,
    "leaf_mass_area": 90.0,
    "leaf_lifespan": 3.0,
    "f_labile": 0.12,
    "underlying_water_use_efficiency": 10.0,
    "radiation_evaporation": 0.03,
}
FIXED = {
    "foliage_carbon": 270.0,
    "leaf_onset_day": 500.0,
    "leaf_fall_day": 630.0,
    "leaf_fall_period": 90.0,
    "available_water_focal_point": 20000.0,
    "water_stress_threshold": 20.0,
}
SPREAD = 0.3
NOISE = {"gpp": 0.2, "evapotranspiration": 0.08}  # sd of the random error, gC m-2 d-1 and mm d-1
THINNING = 10  # days between observations of evapotranspiration where the streams are unbalanced
OPTIMUM, WIDTH, SAME = 20.0, 12.0, 15.0  # degC of the daily maximum: bell of the truth, and where both responses agree
DAYS, FITTED = ("2006", "2010"), ("2006-01-01", "2008-12-31")
DRAWS, TUNE, LEVEL, RHAT = 250, 150, 0.9, 1.03


class _None(NamedTuple):
    pass


def _uniform() -> ProcessModel:
    """DALEC 1005 whose calibrated parameters have bounds 30 % from their centres and uniform priors."""
    found = get("dalec_1005")
    narrow = {
        n: (replace(found.parameter_table[n][0], bounds=((1 - SPREAD) * c, (1 + SPREAD) * c), prior=Prior("uniform")), c)
        for n, c in CENTRE.items()
    }
    parameters = extending(found.parameters)(with_fields(_None, narrow))
    return replace(found, name="dalec_1005_narrow", parameters=parameters, coordinates=None, constraints=())


def _swapped(model: ProcessModel) -> ProcessModel:
    """Put a bell of the daily maximum temperature in the place of the exponential in the canopy efficiency of ACM."""
    a8 = acm.CARDAMOM.temperature

    def step(x: Any, f: Any, p: Any) -> tuple[Any, Any]:
        t = f.air_temperature_max
        bell = pt.exp(0.5 * (((SAME - OPTIMUM) / WIDTH) ** 2 - ((t - OPTIMUM) / WIDTH) ** 2))
        return model.step(x, f, p._replace(canopy_efficiency=p.canopy_efficiency * bell * pt.exp(-a8 * (t - SAME))))

    return replace(model, name="dalec_1005_bell", step=step)


LAND = _uniform()
TRUTHS = {"swapped": _swapped(LAND), "right": LAND}
EVERY_YEAR = with_yearly_noise(LAND, {"canopy_efficiency": 0.4, "underlying_water_use_efficiency": 0.4}, years=5)


@dataclass(frozen=True)
class Remedy:
    """An error model for both streams, and the process model that it goes with."""

    error: ErrorModel
    land: ProcessModel = LAND
    weighted: bool = False
    random_known: bool = True  # the random error is stated apart, so that the rest is the error of the model


STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
INFERRED = replace(STATED, structural=Scale(0.5))
OVER_TEMPERATURE = DriverDiscrepancy({"air_temperature": 10.0}, Scale(0.5))
REMEDIES = {
    "stated": Remedy(STATED),
    "inferred": Remedy(INFERRED, random_known=False),
    "weights": Remedy(INFERRED, weighted=True, random_known=False),
    "AR(1) state": Remedy(STATED + Matern(10.0, smoothness=0.5)),
    "KOH time": Remedy(STATED + Matern(60.0, smoothness=2.5)),
    "default": Remedy(ErrorModel()),
    "KOH temperature": Remedy(INFERRED + OVER_TEMPERATURE),
    "yearly noise": Remedy(INFERRED, EVERY_YEAR),
}

CONTROLS = ("stated", "inferred", "AR(1) state", "KOH time", "default")


class Twin(NamedTuple):
    """Data with observations, true fluxes (time,) and true parameters."""

    data: xr.Dataset
    fluxes: dict[str, np.ndarray]
    parameters: dict[str, float]


def twin(forcing: xr.Dataset, truth: str, balance: str, number: int) -> Twin:
    """Make a twin; parameters and random errors depend on the number alone."""
    rng = np.random.default_rng([7, number])
    parameters = {n: float(c * rng.uniform(1 - SPREAD, 1 + SPREAD)) for n, c in CENTRE.items()}
    run = simulate(TRUTHS[truth], forcing, parameters | FIXED, outputs=list(NOISE))
    fluxes = {n: run[n].values.ravel() for n in NOISE}
    fitted = (forcing["time"] <= pd.Timestamp(FITTED[1])).values
    data = forcing
    for n, sd in NOISE.items():
        y = fluxes[n] + sd * rng.standard_normal(fitted.size)
        if n == "evapotranspiration" and balance == "unbalanced":
            y[fitted & (np.arange(fitted.size) % THINNING > 0)] = np.nan
        data = data.assign({n: (forcing["air_temperature"].dims, y.reshape(forcing["air_temperature"].shape), QUANTITIES[n].attrs())})
    return Twin(data, fluxes, parameters)


def streams(remedy: Remedy, balance: str) -> list[Stream]:
    """Return the streams; where weights are asked, the denser one has n_min / n_i."""
    error = dict.fromkeys(NOISE, remedy.error)
    if remedy.weighted:
        error["gpp"] = error["gpp"] + Weight(1 / THINNING if balance == "unbalanced" else 1.0, "number of observations of the other stream")
    return [Stream(n, "day", error[n], uncertainty=sd) for n, sd in NOISE.items()]


def fit(made: Twin, remedy: Remedy, balance: str, seed: int) -> dict[str, Any]:
    """Fit a twin, predict the withheld years, and compare with the truth."""
    began = time.process_time()
    known = {n: v for n, (_, v) in remedy.land.calibrated.items() if n in LAND.calibrated and n not in CENTRE} | FIXED
    model = build_model(remedy.land, made.data, streams(remedy, balance), training=FITTED, fixed=known)
    density = Density(model)
    modes = find_modes(density, starts=2, seed=seed)
    for longer in (1, 4):
        tree = sample(
            density,
            draws=DRAWS * longer,
            tune=TUNE * longer,
            chains=2,
            seed=seed,
            target_accept=0.9,
            initial=modes,
            metric="laplace",
            max_treedepth=7,
            cores=1,
            progress=False,
        )
        figures = convergence({n: tree["posterior"][n].values for n in CENTRE})
        if np.nanmax(figures["rhat"]) < RHAT:
            break
    tree = predict(model, tree, draws=300, seed=seed)
    posterior, predicted = tree["posterior"].to_dataset(), tree["posterior_predictive"].to_dataset().isel(site=0)
    draws = {n: posterior[n].values.ravel() for n in CENTRE}
    rng = np.random.default_rng([seed, 1])
    return {
        "covered": {n: _inside(v[:, None], np.array([made.parameters[n]])) for n, v in draws.items()},
        "error": {n: float((v.mean() - made.parameters[n]) / (CENTRE[n] * SPREAD / np.sqrt(3))) for n, v in draws.items()},
        "sd": {n: float(v.std() / (CENTRE[n] * SPREAD / np.sqrt(3))) for n, v in draws.items()},
        "streams": {p.name: _scores(p, predicted, posterior, made, remedy, rng) for p in model.calibration.streams},
        "errors": {str(n): float(v.mean()) for n, v in posterior.data_vars.items() if v.ndim == 2 and str(n).startswith(tuple(NOISE))},
        "rhat": float(np.nanmax(figures["rhat"])),
        "ess": float(np.nanmin(figures["ess_bulk"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "seconds": time.process_time() - began,
    }


def _inside(draws: np.ndarray, real: np.ndarray) -> float:
    return coverage(draws, real, LEVEL)


def _scores(p: Any, predicted: xr.Dataset, posterior: xr.Dataset, made: Twin, remedy: Remedy, rng: np.random.Generator) -> dict[str, float]:
    """Score a stream on the withheld days."""
    when, axis = p.whole[0].time, f"time_{p.name}"
    later = np.asarray(when > pd.Timestamp(FITTED[1]) + pd.Timedelta(days=1))
    real = made.fluxes[p.name][p.whole[0].steps][later]
    seen = p.values[0][later]
    simulated, mean = (
        predicted[n].transpose("chain", "draw", axis).values.reshape(-1, when.size).astype(float) for n in (p.name, f"{p.name}_mean")
    )
    found = {
        "observed": _inside(simulated[:, later], seen),
        "crps": float(crps(simulated[:, later], seen).mean()),
        "process": _inside(mean[:, later], real),
        "rms": float(np.sqrt(np.mean((mean[:, later].mean(axis=0) - real) ** 2))) / NOISE[p.name],
        "bias": float((mean[:, later].mean(axis=0) - real).mean()),
        "width": float(np.diff(np.quantile(simulated[:, later], [0.05, 0.95], axis=0), axis=0).mean()),
    }
    for season, first in (("winter", 0), ("spring", 3), ("summer", 6), ("autumn", 9)):
        days = when[later].month % 12 // 3 * 3 == first
        found[season] = _inside(simulated[:, later][:, days], seen[days])
    for name, period in (("monthly", when[later].to_period("M")), ("yearly", when[later].to_period("Y"))):
        # Means: errors that are taken as independent average out, those of the model do not.
        member = (period.unique().to_numpy()[:, None] == period.to_numpy()).astype(float)
        member /= member.sum(axis=1, keepdims=True)
        found[name] = _inside(simulated[:, later] @ member.T, member @ seen)
    if remedy.random_known:
        # Everything but the random error: the prediction of the flux itself.
        own = _error_draws(p.name, posterior.sel(draw=predicted["draw"]))
        _, slow, fast = simulate_errors(
            rng, remedy.error, p.name, own, p.series[0], when, p.whole[0].gap, 0.0 * p.uncertainties[0], 0, mean, None, p.places[0]
        )
        found["flux"] = _inside((mean + slow + fast)[:, later], real)
    return found


def _error_draws(stream: str, posterior: xr.Dataset) -> Mapping[str, np.ndarray]:
    """Draws of the parameters of an error model, (draw, ...)."""
    found = {}
    for n, v in posterior.data_vars.items():
        if str(n).startswith(f"{stream}_"):
            values = v.transpose("chain", "draw", ...).values
            found[str(n)] = values.reshape(-1, *values.shape[2:])
    # Where nothing was inferred the number of draws has to be told all the same.
    return found or {"": np.zeros(posterior.sizes["chain"] * posterior.sizes["draw"])}


def planned(truth: str, balance: str, number: int) -> list[str]:
    """Name the remedies of a twin: all where balanced, with weights where not (even twins), controls balanced alone (odd twins)."""
    if truth == "right":
        return [n for n in REMEDIES if n in CONTROLS] if balance == "balanced" and number % 2 == 1 else []
    if balance == "unbalanced" and number % 2 == 1:
        return []
    return [n for n in REMEDIES if not (REMEDIES[n].weighted and balance == "balanced")]


def write_page() -> None:
    """Write the page from the fits that are done."""
    said = f"NUTS, 2 chains x {DRAWS} draws, four times as many where R-hat of a parameter was above {RHAT:g}."
    write(RESULTS, list(REMEDIES), list(NOISE), list(CENTRE), said)


def main(number: int) -> None:
    """Run the fits that are not done and write the page."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    forcing = datasets.load("fluxnet-daily-water", sites=["FI-Hyy"]).sel(time=slice(*DAYS))
    forcing = forcing.drop_vars([n for n in forcing.data_vars if str(n).endswith("_uncertainty")])
    for k in range(number):
        for truth, balance in ((t, b) for t in TRUTHS for b in ("balanced", "unbalanced")):
            made = twin(forcing, truth, balance, k)
            for name in planned(truth, balance, k):
                path = RESULTS / f"{truth}_{balance}_{name.replace(' ', '_')}_{k:02d}.json"
                if not path.exists():
                    found = fit(made, REMEDIES[name], balance, k)
                    path.write_text(json.dumps(found))
                    print(path.stem, f"{found['seconds']:.0f} s", flush=True)
        write_page()
    write_page()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
