"""Twenty DALEC twins: do 90 % intervals cover the truth, with and without correlated error in the fit? Writes benchmarks/twins.md.

Forcing of FI-Hyy 2006-2008 (or CH-Dav 2013-2015 without LSM_BAYES_DATA); truth drawn from the prior where the canopy
lives; NEE and leaf area with errors drawn from the default error model. What priors take from the observations (reference
sd, seasonal envelopes, dates) is that of the real ones in truth and fit. Run: python benchmarks/experiment_twins.py [NUMBER].
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from lsm_bayes.models.dalec_single_site.model import INITIAL

from lsm_bayes import datasets
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.calibration.priors import date_prior
from lsm_bayes.calibration.streams import LEAF_AREA_ERROR
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.errors.simulation import simulate_errors
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/twins")
LAND = get("dalec_cdea")
PLAIN = ErrorModel(correlation=None, discrepancy=None)
PLAIN_TWINS = 8  # of the twins, how many are fitted without correlated error too


def base():
    """Three years of real forcing and of times at which the streams are observed."""
    if "LSM_BAYES_DATA" in os.environ:
        return datasets.load("fluxnet-daily-water", sites=["FI-Hyy"]).sel(time=slice("2006", "2008"))
    data = datasets.load("ch-dav").sel(time=slice("2013", "2015"))
    lai = data["gpp"].copy(data=np.where(np.arange(data.sizes["time"]) % 10 == 0, 2.0 + 0 * data["gpp"].values, np.nan))
    return data.assign(lai=lai.assign_attrs(units="m2 m-2"), lai_uncertainty=(0 * lai + 0.2).assign_attrs(units="m2 m-2"))


def date_priors(data):
    """Priors of the dates from the real observations: those of a noisy twin would put them where its truth is not."""
    table = LAND.parameter_table
    onset, fall = observed_turning_days(data.isel(site=0))
    return {
        "leaf_onset_day": date_prior(onset, 15.0, table["leaf_onset_day"][0]),
        "leaf_fall_day": date_prior(fall, 15.0, table["leaf_fall_day"][0]),
    }


def model_of(data, error: ErrorModel, priors) -> pm.Model:
    """Calibration of one twin."""
    return build_model(LAND, data, [Stream("nee", error=error), Stream("lai", error=LEAF_AREA_ERROR)], initial=INITIAL, priors=priors)


def prior_weight(model: pm.Model):
    """Compile, as a function of the value variables, the log density of the prior beyond the standard normal coordinates."""
    terms = model.replace_rvs_by_values(model.potentials)
    total = pt.add(*[pt.sum(t) for t in terms])
    return pm.compile(model.value_vars, total, mode="NUMBA", on_unused_input="ignore")


def draw_truth(model: pm.Model, density: Density, weight, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One draw of the prior whose canopy lives: LAI between 0.5 and 8, GPP between 1 and 8 gC m-2 d-1. By importance resampling."""
    record = model.calibration.records[0]
    positions = density.prior_positions(200, rng)
    names = {density.value_names[n]: n for n in density.slices}
    points = [density.unflatten(x) for x in positions]
    logs = np.array([float(weight(*(p[names[v.name]] for v in model.value_vars))) for p in points])
    logs = np.where(np.isfinite(logs), logs, -np.inf)
    values = density.expand(positions)
    for k in rng.choice(len(logs), size=len(logs), p=np.exp(logs - np.logaddexp.reduce(logs))):
        one = {name: v[k] for name, v in values.items()}
        parameters = {n: float(one[n]) for n in LAND.calibrated}
        run = simulate(LAND, record.data, parameters, outputs=["nee", "lai", "gpp"])
        lai, gpp = run["lai"].values, run["gpp"].values
        if np.isfinite(lai).all() and 0.5 < lai[-365:].max() < 8 and 1 < gpp[-365:].mean() < 8:
            return one | {"run": run}
    raise RuntimeError("no draw of the prior has a living canopy; raise their number")


def observe(model: pm.Model, truth, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the observations of the truth, by stream."""
    found = {}
    for p in model.calibration.streams:
        draws = {k: np.asarray(v)[None] for k, v in truth.items() if k.startswith(f"{p.name}_") and not k.endswith("_z")}
        a = p.fitted[0]
        _, systematic, random = simulate_errors(
            rng, p.stream.error_model, p.name, draws, p.series[0], a.time, a.gap, p.series[0].uncertainty, 0
        )
        found[p.name] = truth["run"][p.name].values[a.steps] + systematic[0] + random[0]
    return found


def with_observations(model: pm.Model, observed: dict[str, np.ndarray]) -> pm.Model:
    """Put other numbers in the place of the observations; priors that were taken from the real ones stay."""
    for name, values in observed.items():
        rv = model[name]
        old = model.rvs_to_values[rv]
        new = pt.constant(values.astype(old.dtype), name=name)
        assert new.type.shape == old.type.shape
        model.rvs_to_values[rv] = new
        model.values_to_rvs[new] = model.values_to_rvs.pop(old)
    return model


def fit(data, observed, truth, error: ErrorModel, priors, seed: int) -> dict[str, object]:
    """Calibrate one twin and say which parameters are covered."""
    density = Density(with_observations(model_of(data, error, priors), observed))
    modes = find_modes(density, starts=6, seed=seed, spread={"z": 0.7})
    tree = sample(density, draws=1000, tune=700, chains=2, seed=seed, target_accept=0.9, initial=modes, cores=2, progress=False)
    posterior = tree["posterior"].to_dataset()
    names = list(LAND.calibrated)
    covered, width = {}, {}
    for n in names:
        low, high = np.quantile(posterior[n].values, [0.05, 0.95])
        covered[n], width[n] = bool(low <= truth[n] <= high), float(high - low)
    figures = convergence({n: posterior[n].values for n in names})
    return {
        "covered": covered,
        "width": width,
        "rhat": float(np.nanmax(figures["rhat"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def main(number: int) -> None:
    """Run the twins that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = base()
    priors = date_priors(data)
    template = model_of(data, ErrorModel(), priors)
    density, weight = Density(template), prior_weight(template)
    for twin in range(number):
        path = RESULTS / f"{twin:02d}.json"
        if path.exists():
            continue
        started = time.perf_counter()
        rng = np.random.default_rng([20, twin])
        truth = draw_truth(template, density, weight, rng)
        seen = observe(template, truth, rng)
        errors = {"default": ErrorModel(), **({"independent": PLAIN} if twin < PLAIN_TWINS else {})}
        rows = {k: fit(data, seen, truth, error, priors, twin) for k, error in errors.items()}
        path.write_text(json.dumps(rows))
        print(
            twin, {k: np.mean(list(v["covered"].values())) for k, v in rows.items()}, f"{time.perf_counter() - started:.0f} s", flush=True
        )
    done = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("*.json"))]
    lines = [
        "# Coverage of 90 % intervals in DALEC twins",
        "",
        f"Made by `python benchmarks/experiment_twins.py`: {len(done)} twins, {len(LAND.calibrated)} parameters and pools each.",
        "",
    ]
    lines += [
        "Truth drawn from the prior (canopy alive: largest leaf area of the last year 0.5 to 8, GPP 1 to 8 gC m-2 d-1 on average), errors",
        "from the default error model; 2 chains x 1,000 draws. +-: standard error over twins, whose parameters are not independent.",
        "",
        "| error model of the fit | twins | coverage | R-hat, median and largest | divergences |",
        "|---|---|---|---|---|",
    ]
    both = [d for d in done if "independent" in d]
    for label, kind, twins in (
        ("default", "default", done),
        ("default, the same twins as below", "default", both),
        ("independent errors: no AR(1), no discrepancy", "independent", both),
    ):
        hits = np.array([list(d[kind]["covered"].values()) for d in twins])
        rhat = [d[kind]["rhat"] for d in twins]
        error = hits.mean(axis=1).std(ddof=1) / np.sqrt(len(twins))
        lines.append(
            f"| {label} | {len(twins)} | {hits.mean():.3f} +- {error:.3f} | {np.median(rhat):.3f}, {max(rhat):.3f} "
            f"| {sum(d[kind]['divergences'] for d in twins)} |"
        )
    default = np.mean([list(d["default"]["covered"].values()) for d in done], axis=0)
    plain = np.mean([list(d["independent"]["covered"].values()) for d in both], axis=0)
    lines += [
        "",
        "| parameter | default | independent |",
        "|---|---|---|",
        *(f"| {n} | {x:.2f} | {y:.2f} |" for n, x, y in zip(LAND.calibrated, default, plain, strict=True)),
    ]
    (HERE / "twins.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
