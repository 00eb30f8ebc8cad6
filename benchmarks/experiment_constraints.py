"""What the constraints of DALEC do to a prior (canopies that live) and to a fit of few data; writes benchmarks/constraints.md.

DALEC-CDEA with all pools free, forcing of FI-Hyy 2006-2008 (or CH-Dav 2013-2015 without LSM_BAYES_DATA). Truths are draws of the
constrained prior; data are leaf area every 16 days and the initial soil carbon. Each twin is one file in results/constraints, so that a
stopped run goes on. Run: python benchmarks/experiment_constraints.py [NUMBER OF TWINS].
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from experiment_twins import INITIAL, base, date_priors

from lsm_bayes.calibration import Constraints, Stream, build_model
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, prior_starts, sample
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/constraints")
LAND = get("dalec_cdea")
NAMES = list(LAND.calibrated)
KINDS = {"without": None, "with": Constraints(0.2, "cardamom")}
ALIVE = (0.1, 0.5)  # m2 m-2, largest leaf area of the last year of a canopy that lives, or that lives well
PRIORS = {"free": {}, "near_equilibrium": INITIAL}
SPACING, LAI_SD, SOIL_SD = 16, 0.5, 0.3  # d, m2 m-2, log
RANDOM_ERROR = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
PRIOR_DRAWS, DRAWS = 2000, 600


class Compiled:
    """Calibration of a twin, compiled once; the data of each twin take the place of the ones before.

    Parameters
    ----------
    data : xarray.Dataset
        Forcing, and the times of leaf area.
    dates : mapping
        Priors of the dates.
    constraints : Constraints or None
        Of the fit.
    prior : Density
        The constrained prior: the same parameters.
    """

    def __init__(self, data: xr.Dataset, dates, constraints, prior: Density) -> None:
        self.data = data
        self.lai, self.soil = np.linspace(1.0, 3.0, observed_days(data).size) + 1e-7, np.array([9.123456])
        model = model_of(with_lai(data, self.lai), dates, constraints)
        with model:
            pm.Normal("soil_seen", pt.log(model["soil_carbon"]), SOIL_SD, observed=self.soil)
        self.density = Density(model)
        assert self.density.slices == prior.slices
        self.density.__dict__["_expand"] = prior._expand  # the same parameters: saves a compilation

    def give(self, lai: np.ndarray, soil: float) -> None:
        """Replace the data in the table of constants of the compiled function, and verify it by the density itself."""
        x = prior_starts(self.density, 1)[0]
        values = {n: np.atleast_1d(v) for n, v in self.density.expand(x).items()}
        predicted = mid_step(runs_of(self.data, values)["lai"].values.ravel())[observed_days(self.data)]
        before, old = self.density(x)[0], self._misfit(predicted, values)
        for now, new in ((self.lai, lai), (self.soil, np.array([soil]))):
            numbers = self.density.compiled.shared_data["0"]
            windows = np.lib.stride_tricks.sliding_window_view(numbers, now.size)
            for k in np.flatnonzero((windows == now).all(axis=1)):
                numbers[k : k + now.size] = new
        self.lai, self.soil = lai, np.array([soil])
        assert np.isclose(self.density(x)[0] - before, old - self._misfit(predicted, values), rtol=1e-6, atol=1e-6)

    def _misfit(self, predicted: np.ndarray, values) -> float:
        soil = np.log(values["soil_carbon"][0])
        return float(0.5 * np.sum(((self.lai - predicted) / LAI_SD) ** 2) + 0.5 * ((self.soil[0] - soil) / SOIL_SD) ** 2)


def observed_days(data: xr.Dataset) -> np.ndarray:
    """Days with leaf area."""
    return np.arange(SPACING // 2, data.sizes["time"], SPACING)


def mid_step(lai: np.ndarray) -> np.ndarray:
    """Leaf area in the middle of each day."""
    return 0.5 * (lai + np.append(lai[1:], lai[-1]))


def with_lai(data: xr.Dataset, values: np.ndarray) -> xr.Dataset:
    """Replace the observed leaf area."""
    series = np.full(data.sizes["time"], np.nan)
    series[observed_days(data)] = values
    return data.assign(lai=(("site", "time"), series[None], data["lai"].attrs))


def model_of(data: xr.Dataset, priors, constraints):
    """Calibration to leaf area: all pools free."""
    return build_model(LAND, data, [Stream("lai", error=RANDOM_ERROR, uncertainty=LAI_SD)], priors=priors, constraints=constraints)


def runs_of(data: xr.Dataset, values: dict[str, np.ndarray]) -> xr.Dataset:
    """Run many parameter sets: NEE and leaf area."""
    parameters = {n: xr.DataArray(np.ravel(values[n]), dims="draw") for n in NAMES}
    return simulate(LAND, data.isel(site=0), parameters, outputs=["nee", "lai"])


def alive(data: xr.Dataset, values: dict[str, np.ndarray]) -> list[float]:
    """Fraction of parameter sets whose canopy lives at the end."""
    largest = runs_of(data, values)["lai"].isel(time=slice(-365, None)).max("time").values
    return [float((largest > limit).mean()) for limit in ALIVE]


def draws_of_prior(data: xr.Dataset, density: Density, draws: int) -> dict[str, object]:
    """E4: draws of the prior without and with constraints, and how many canopies live."""
    raw = density.expand(density.prior_positions(PRIOR_DRAWS, np.random.default_rng(0)))
    began = time.perf_counter()
    starts = prior_starts(density, 4)
    tree = sample(density, draws=draws, tune=draws, chains=4, target_accept=0.9, initial=starts, cores=2, progress=False)
    prior = tree["posterior"].to_dataset()
    known = {n: prior[n].values for n in NAMES}
    margins = {str(n): prior[n].values for n in prior.data_vars if str(n).endswith("_margin")}
    figures = convergence(known)
    return {
        "alive_raw": alive(data, raw),
        "alive": alive(data, known),
        "hard": {n.removesuffix("_margin"): float((m >= 0).mean()) for n, m in margins.items()},
        "hard_raw": {n.removesuffix("_margin"): float((raw[n] >= 0).mean()) for n in margins},
        "hard_all": float(np.all([m >= 0 for m in margins.values()], axis=0).mean()),
        "hard_all_raw": float(np.all([raw[n] >= 0 for n in margins], axis=0).mean()),
        "rhat": float(np.nanmax(figures["rhat"])),
        "ess": float(np.nanmin(figures["ess_bulk"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "number": 4 * draws,
        "seconds": time.perf_counter() - began,
        "draws": {n: v[:, :: draws // 100].ravel().tolist() for n, v in known.items()},
    }


def fit(data, density: Density, truth, nee, ranks, seed: int) -> dict[str, object]:
    """Calibrate one twin: distance to the truth in quantiles of the raw prior, range of the sum of NEE, coverage."""
    began = time.perf_counter()
    starts = prior_starts(density, 2, seed)
    tree = sample(density, draws=DRAWS, tune=DRAWS, chains=2, seed=seed, target_accept=0.9, initial=starts, cores=2, progress=False)
    posterior = tree["posterior"].to_dataset()
    draws = {n: posterior[n].values for n in NAMES}
    sums = runs_of(data, {n: d[:, ::3] for n, d in draws.items()})["nee"].sum("time").values
    low, high = np.quantile(sums, [0.05, 0.95])
    limits = {n: np.quantile(d, [0.05, 0.95]) for n, d in draws.items()}
    figures = convergence(draws)
    return {
        "error": {n: float(np.mean(np.abs(ranks(n, d.ravel()) - ranks(n, truth[n])))) for n, d in draws.items()},
        "median_error": {n: float(abs(ranks(n, np.median(d)) - ranks(n, truth[n]))) for n, d in draws.items()},
        "covered": {n: bool(a <= truth[n] <= b) for n, (a, b) in limits.items()},
        "nee_width": float(high - low),
        "nee_covered": bool(low <= nee <= high),
        "rhat": float(np.nanmax(figures["rhat"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "seconds": time.perf_counter() - began,
    }


def main(number: int) -> None:
    """Draw the priors, run the twins that are not done and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = base()
    dates = date_priors(data)
    found, densities = {}, {}
    for name, initial in PRIORS.items():
        path = RESULTS / f"prior_{name}.json"
        if name == "free" or not path.exists():
            densities[name] = Density(build_model(LAND, data, [], priors=dates, initial=initial, constraints=KINDS["with"]))
        if not path.exists():
            path.write_text(json.dumps(draws_of_prior(data, densities[name], 1000 if name == "free" else 500)))
        found[name] = json.loads(path.read_text())
        print(name, {k: v for k, v in found[name].items() if k != "draws"}, flush=True)
    write_table(found)
    prior, constrained = found["free"], densities["free"]
    values = constrained.expand(constrained.prior_positions(PRIOR_DRAWS, np.random.default_rng(0)))
    raw = {n: np.sort(np.ravel(values[n])) for n in NAMES}

    def ranks(name: str, values):
        return np.searchsorted(raw[name], values) / raw[name].size

    fits = {k: Compiled(data, dates, c, constrained) for k, c in KINDS.items()}
    every = len(prior["draws"][NAMES[0]]) // 40
    for twin in range(number):
        path = RESULTS / f"{twin:02d}.json"
        if path.exists():
            continue
        rng = np.random.default_rng([21, twin])
        truth = {n: prior["draws"][n][twin * every] for n in NAMES}
        run = runs_of(data, {n: np.array([v]) for n, v in truth.items()})
        seen = mid_step(run["lai"].values.ravel())[observed_days(data)]
        seen = seen + LAI_SD * rng.standard_normal(seen.size)
        soil = np.log(truth["soil_carbon"]) + SOIL_SD * rng.standard_normal()
        rows = {}
        for kind, compiled in fits.items():
            compiled.give(seen, soil)
            rows[kind] = fit(data, compiled.density, truth, float(run["nee"].sum()), ranks, twin)
        path.write_text(json.dumps(rows))
        print(
            twin,
            {k: [np.mean(list(r["error"].values())), r["nee_width"], r["rhat"], r["divergences"], r["seconds"]] for k, r in rows.items()},
            flush=True,
        )
        write_table(found)


def write_table(priors) -> None:
    """Write benchmarks/constraints.md from what is done."""
    done = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("[0-9]*.json"))]
    lines = [
        "# What the ecological and dynamical constraints do",
        "",
        "Made by `python benchmarks/experiment_constraints.py`: DALEC-CDEA, forcing of FI-Hyy 2006-2008, constraints",
        '`Constraints(0.2, "cardamom")`.',
        "",
        "## Prior",
        "",
        "A canopy lives when the largest leaf area of the last year exceeds 0.1 m2 m-2, and lives well above 0.5. Initial pools: free,",
        "log-uniform in bounds; or near equilibrium, as in the shipped models (leaf and labile carbon: a leaf area of 0.2 to 10).",
        "",
        "| initial pools | constraints | lives | lives well | all inequalities hold | R-hat | fewest effective draws | divergences |",
        "|---" * 8 + "|",
    ]
    for name, prior in priors.items():
        sampled = f"{prior['rhat']:.3f} | {prior['ess']:.0f} | {prior['divergences']}"
        both = {k: " | ".join(f"{v:.3f}" for v in prior[k]) for k in ("alive_raw", "alive")}
        lines += [
            f"| {name.replace('_', ' ')} | none ({PRIOR_DRAWS} draws) | {both['alive_raw']} | {prior['hard_all_raw']:.3f} | – | – | – |",
            f"| | imposed ({prior['number']} draws by NUTS) | {both['alive']} | {prior['hard_all']:.3f} | {sampled} |",
        ]
    for name, prior in priors.items():
        bites = sorted(prior["hard"].items(), key=lambda kv: kv[1])[:6]
        lines += ["", f"Hold least often, {name.replace('_', ' ')}: " + ", ".join(f"{n} {v:.2f}" for n, v in bites) + "."]
    if done:
        lines += [
            "",
            f"## Fits: {len(done)} of 40 twins",
            "",
            f"Truths from the constrained prior; leaf area every {SPACING} days (error {LAI_SD} m2 m-2) and initial soil carbon (log error",
            f"{SOIL_SD}). Error: mean distance of the draws from the truth in quantiles of the prior without constraints, mean of",
            f"{len(NAMES)} parameters and pools. NEE: 90 % range of the sum over three years, gC m-2.",
            "",
        ]
        columns = "error", "error of medians", "NEE range, median", "coverage", "NEE covered", "R-hat, median and largest", "divergences"
        lines += [f"| constraints | {' | '.join(columns)} |", "|---" * 8 + "|"]
        mean = {}
        for kind in KINDS:
            rows = [d[kind] for d in done]
            error, medians = (np.array([list(r[k].values()) for r in rows]).mean() for k in ("error", "median_error"))
            width = np.array([r["nee_width"] for r in rows])
            mean[kind] = (error, medians, width)
            rhat = [r["rhat"] for r in rows]
            covered = np.mean([list(r["covered"].values()) for r in rows])
            lines.append(
                f"| {kind} | {error:.3f} | {medians:.3f} | {np.median(width):.0f} | {covered:.3f}"
                f" | {np.mean([r['nee_covered'] for r in rows]):.2f} | {np.median(rhat):.3f}, {max(rhat):.3f}"
                f" | {sum(r['divergences'] for r in rows)} |"
            )
        a, b = mean["without"], mean["with"]
        change = f"error {b[0] / a[0] - 1:+.0%}, error of medians {b[1] / a[1] - 1:+.0%}, NEE range {np.median(b[2] / a[2]) - 1:+.0%}"
        lines += ["", f"Change by the constraints: {change} (median of the twins). Bloom & Williams (2015) found -34 % and -65 %."]
        lines += ["", "| parameter | error without | error with | covered without | covered with |", "|---|---|---|---|---|"]
        for n in NAMES:
            e = [np.mean([d[k]["error"][n] for d in done]) for k in KINDS]
            h = [np.mean([d[k]["covered"][n] for d in done]) for k in KINDS]
            lines.append(f"| {n} | {e[0]:.3f} | {e[1]:.3f} | {h[0]:.2f} | {h[1]:.2f} |")
    (HERE / "constraints.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
