"""Do intervals of hyper-parameters cover? Hierarchies drawn from their own prior. Writes benchmarks/hierarchy_twins.md.

VSEM at twelve sites of two plant functional types, two years of made-up light each. Means by type, spreads, members and observations
are drawn from the prior of the calibration itself; each is then fitted. Daily NEE with an error of 0.5 gC m-2 d-1, leaf area every 90 days
with 0.3 m2 m-2.

Run: python benchmarks/experiment_hierarchy_twins.py [TWINS]. One file a twin in results/hierarchy_twins; goes on where it stopped.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from scipy.stats import binom

from lsm_bayes.calibration import Stream, build_model, none, partial
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, sample
from lsm_bayes.land import get
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.vocabulary import QUANTITIES

HERE, RESULTS = Path(__file__).parent, Path("results/hierarchy_twins")
LAND = get("vsem")
SITES, STATED = 12, ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
POOLED = ("light_use_efficiency", "aboveground_residence_time")
FREE = (*POOLED, "aboveground_carbon")
STREAMS = ("nee", "lai")
FORMS = {"not centred": False, "centred": True}
DRAWS, TUNE, MOST = 600, 400, 60
COMPARED = 2  # hierarchies that are fitted in both forms


def weather() -> xr.Dataset:
    """Two years of light at each site, and a place for observations."""
    time_, rng = pd.date_range("2001-01-01", "2002-12-31"), np.random.default_rng(1)
    made = [plausible_weather(["par_down"], np.arange(time_.size) + 0.5, 1.0, rng)["par_down"] for _ in range(SITES)]
    names = [f"S{k + 1:02d}" for k in range(SITES)]
    coords = {"site": names, "time": time_, "pft": ("site", [("ENF", "DBF")[k % 2] for k in range(SITES)])}
    data = xr.Dataset({"par_down": (("site", "time"), np.stack(made), QUANTITIES["par_down"].attrs())}, coords=coords)
    for name, sd, every in (("nee", 0.5, 1), ("lai", 0.3, 90)):
        known = np.arange(time_.size) % every == 0
        attrs = QUANTITIES[name].attrs()
        data[name] = (("site", "time"), np.where(known, 0.0, np.nan) * np.ones((SITES, 1)), attrs)
        data[f"{name}_uncertainty"] = (("site", "time"), np.full((SITES, time_.size), sd), attrs)
    return data


def calibration(data: xr.Dataset, centred: bool = False) -> pm.Model:
    """Build the hierarchy."""
    return build_model(
        LAND,
        data,
        [Stream("nee", error=STATED), Stream("lai", error=STATED)],
        pooling={n: partial("site", "pft", centred=centred) for n in POOLED} | {"aboveground_carbon": none("site")},
        fixed={n: default for n, (_, default) in LAND.calibrated.items() if n not in FREE},
    )


def wanted(model: pm.Model) -> list[str]:
    """Names of hyper-parameters and members."""
    return [n for n in model.named_vars if n.endswith(("_mean", "_spread"))] + list(FREE)


def fit(data: xr.Dataset, truth: dict[str, np.ndarray], seed: int, centred: bool) -> dict:
    """Fit one twin and say what is covered."""
    started = time.perf_counter()
    density = Density(calibration(data, centred))
    tree = sample(density, draws=DRAWS, tune=TUNE, chains=2, seed=seed, target_accept=0.95, progress=False)
    posterior, covered, ranks, scalars = tree["posterior"].to_dataset(), {}, {}, {}
    for name in wanted(density.model):
        draws = posterior[name].transpose("chain", "draw", ...).values
        own = next(t for n, t in truth.items() if n.replace("_centred", "") == name.replace("_centred", ""))
        low, high = np.quantile(draws, [0.05, 0.95], axis=(0, 1))
        kind = name.rpartition("_")[2] if name.startswith("z_") else name
        covered[kind] = np.ravel((own >= low) & (own <= high)).tolist()
        ranks[kind] = np.ravel((draws < own).mean(axis=(0, 1))).tolist()
        scalars |= {f"{name}{k}": c for k, c in enumerate(np.moveaxis(draws.reshape(*draws.shape[:2], -1), -1, 0))}
    figures = convergence(scalars)
    return {
        "covered": covered,
        "ranks": ranks,
        "rhat": float(np.nanmax(figures["rhat"])),
        "ess": float(np.nanmin(figures["ess_bulk"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "evaluations": float(tree["sample_stats"]["n_steps"].mean()),
        "seconds": time.perf_counter() - started,
    }


def write_table() -> None:
    """Coverage by kind of unknown."""
    lines = [
        "# Hierarchies drawn from their own prior",
        "",
        "Made by `python benchmarks/experiment_hierarchy_twins.py`, whose text says what is drawn and fitted. Coverage of 90 % intervals;",
        "beside it where 95 of 100 such counts lie when the coverage is 0.9, values of one hierarchy counted as independent.",
    ]
    for form in FORMS:
        stored = [json.loads(p.read_text()) for p in sorted(RESULTS.glob(f"{form.replace(' ', '_')}_*.json"))]
        if not stored:
            continue
        lines += [
            "",
            f"## {form.capitalize()}, {len(stored)} hierarchies",
            "",
            "| unknown | values | coverage | 95 % when right | mean rank |",
            "|---|---|---|---|---|",
        ]
        for kind in stored[0]["covered"]:
            inside = np.concatenate([r["covered"][kind] for r in stored])
            low, high = binom.interval(0.95, inside.size, 0.9)
            rank = np.mean(np.concatenate([r["ranks"][kind] for r in stored]))
            lines.append(
                f"| {kind} | {inside.size} | {inside.mean():.3f} | {low / inside.size:.3f} to {high / inside.size:.3f} | {rank:.3f} |"
            )
        rhat, ess, steps = (np.array([r[k] for r in stored]) for k in ("rhat", "ess", "evaluations"))
        lines += [
            "",
            f"R-hat {np.median(rhat):.3f} in the median, {rhat.max():.3f} at most; smallest effective sample size {np.median(ess):.0f}, at",
            f"least {ess.min():.0f}; {sum(r['divergences'] for r in stored)} divergences; {np.median(steps):.0f} evaluations a draw.",
        ]
    (HERE / "hierarchy_twins.md").write_text("\n".join(lines) + "\n")


def main(twins: int) -> None:
    """Draw the twins, fit what is missing, write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = weather()
    model = calibration(data)
    names = [*wanted(model), *STREAMS]
    drawn = dict(zip(names, pm.draw([model[n] for n in names], MOST, random_seed=1), strict=True))
    sound = [k for k in range(MOST) if all(np.isfinite(drawn[n][k]).all() for n in names)]
    for k in sound[:twins]:
        own = data.copy(deep=True)
        for name in STREAMS:
            values, start = drawn[name][k], 0
            for i in range(SITES):
                at = np.flatnonzero(np.isfinite(own[name].values[i]))
                own[name].values[i, at] = values[start : start + at.size]
                start += at.size
        for form, centred in FORMS.items():
            path = RESULTS / f"{form.replace(' ', '_')}_{k:02d}.json"
            if not path.exists() and (centred or k in sound[:COMPARED]):
                found = fit(own, {n: drawn[n][k] for n in names}, k, centred)
                path.write_text(json.dumps(found))
                print(
                    path.stem,
                    {n: round(float(np.mean(v)), 2) for n, v in found["covered"].items()},
                    found["rhat"],
                    f"{found['seconds']:.0f} s",
                    flush=True,
                )
    write_table()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
