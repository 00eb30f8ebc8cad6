"""Which of 17 streams are worth having? Twins of DALEC 1005 at FI-Hyy; writes benchmarks/stream_value.md.

Real forcing 2006-2010 and the real times of the tower's observations; truth drawn from the prior under its constraints, where the canopy
lives and the run is not chaotic. Expected information ranks the streams at the truth of each twin; for the first twin also at the mode of
its data, where NUTS says what the best stream, the best five and all of them give, and independent draws what none does. Each fit is one
file in results/stream_value, so that a stopped run goes on. Needs LSM_BAYES_DATA.
Run: python benchmarks/experiment_stream_value.py [NUMBER OF TWINS] [--fits].
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from experiment_twins import date_priors
from stream_value_twins import (
    FIRE,
    FIRST,
    FUTURE,
    LAND,
    LAST,
    PLANS,
    POOLS,
    TARGETS,
    Truths,
    forcing,
    model_of,
    symbolic_targets,
    targets_of,
    with_streams,
)

from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.diagnostics.stream_subsets import MEASURES
from lsm_bayes.diagnostics.stream_value import stream_value
from lsm_bayes.inference import Density, find_modes, sample
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

HERE, RESULTS = Path(__file__).parent, Path("results/stream_value")
DRAWS, TUNE, PRIOR_RESAMPLED = 300, 200, 500


def ranking(found) -> dict[str, object]:
    """Order, shares and losses by each measure."""
    rows = {}
    for measure in MEASURES:
        ranked, lost = found.greedy(measure), found.leave_one_out(measure)
        rows[measure] = {
            "order": list(ranked.index),
            "share": ranked["share"].tolist(),
            "alone": lost["alone_share"].to_dict(),
            "loss": lost["loss_share"].to_dict(),
        }
    return rows


def coordinates_of(model: pm.Model) -> list[str]:
    """Names of the standard normal coordinates, process parameters first, with those of the error models behind."""
    c = model.calibration
    return [n for n in c.declared if n not in c.fixed] + [rv.name for rv in model.free_RVs if rv.name != "z"]


def fit(model: pm.Model, truth: dict[str, float], future: xr.Dataset, name: str) -> dict[str, object]:
    """Posterior by NUTS, from the mode nearest to the truth: spread of targets, covariance of the process parameters' coordinates."""
    began = time.perf_counter()
    density = Density(model)
    compiled = time.perf_counter()
    start = np.array([truth[n] for n in coordinates_of(model)])
    best = find_modes(density, starts=1, start_points=start[None]).laplace[0]
    tree = sample(density, draws=DRAWS, tune=TUNE, chains=2, seed=15, target_accept=0.9, initial=best, metric="laplace", progress=False)
    posterior = tree["posterior"].to_dataset()
    names = [n for n in LAND.calibrated if n not in FIRE]
    targets = targets_at({n: posterior[n].values for n in names}, future)
    figures = {k: convergence(v) for k, v in {"parameters": {n: posterior[n].values for n in names}, "targets": targets}.items()}
    z = posterior["z"].values.reshape(-1, posterior["z"].shape[-1])[:, : len(names)]
    return spread_of(targets, z) | {
        "name": name,
        "mode": best.mode.tolist(),
        "rhat": {k: float(np.nanmax(f["rhat"])) for k, f in figures.items()},
        "ess": {k: float(np.nanmin(f["ess_bulk"])) for k, f in figures.items()},
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "seconds": [compiled - began, time.perf_counter() - compiled],
    }


def targets_at(values: dict[str, np.ndarray], future: xr.Dataset) -> dict[str, np.ndarray]:
    """Targets of draws (chain, draw)."""
    given = {n: xr.DataArray(v, dims=("chain", "draw")) for n, v in values.items()}
    run = simulate(LAND, future.isel(site=0), given, outputs=["nee", *POOLS])
    return targets_of({n: run[n].transpose("chain", "draw", ...).values for n in run.data_vars})


def spread_of(targets: dict[str, np.ndarray], z: np.ndarray) -> dict[str, object]:
    """Medians and sds of targets, and covariance of coordinates (draw, coordinate)."""
    quantiles = {n: np.quantile(v, [0.1587, 0.5, 0.8413]) for n, v in targets.items()}
    return {
        "median": {n: float(q[1]) for n, q in quantiles.items()},
        "sd": {n: float(q[2] - q[0]) / 2 for n, q in quantiles.items()},
        "covariance": np.cov(z.T).tolist(),
    }


def without_streams(truths: Truths, future: xr.Dataset) -> dict[str, object]:
    """Prior under its constraints by importance resampling: independent draws, of which no chain is needed."""
    draws, chosen, effective = truths.weighted(np.random.default_rng([15, 0, 1]), PRIOR_RESAMPLED)
    count = len(truths.names)
    rows = np.array([[float(v) for v in truths.run(*(d[k] for d in draws))[:count]] for k in chosen])
    targets = targets_at({n: rows[None, :, i] for i, n in enumerate(truths.names)}, future)
    finite = np.all([np.isfinite(v[0]) for v in targets.values()], axis=0)
    z = np.array([np.concatenate([np.ravel(d[k]) for d in draws])[:count] for k in chosen])[finite]
    worth = min(effective, int(finite.sum()))
    return spread_of({n: v[0, finite] for n, v in targets.items()}, z) | {"name": "none", "ess": {"parameters": worth, "targets": worth}}


def twin_of(number: int, truths: Truths):
    """Truth, its position by name, and its observations."""
    rng = np.random.default_rng([15, number])
    position, values, moments = truths.draw(rng)
    return position, dict(zip(coordinates_of(truths.model), position, strict=True)), values, truths.observe(moments, rng)


def main(number: int, fits: bool) -> None:
    """Do what is not done, and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data, future = forcing()
    dates = date_priors(data)
    truths = Truths(model_of(with_streams(data), dates, PLANS), future)
    for k in range(number):
        path = RESULTS / f"twin{k:02d}.json"
        if not path.exists():
            position, _, values, seen = twin_of(k, truths)
            model = model_of(with_streams(data, *seen), dates, PLANS)
            found = stream_value(model, position, symbolic_targets(model, future))
            path.write_text(json.dumps({"truth": values, "roughness": found.roughness, "ranking": ranking(found)}))
            print(k, found.describe("sd"), flush=True)
    if fits:
        _, coordinates, _, seen = twin_of(0, truths)
        observed = with_streams(data, *seen)
        order = json.loads((RESULTS / "twin00.json").read_text())["ranking"]["sd"]["order"]
        for name, streams in {"none": [], "all": order, "five": order[:5], "one": order[:1]}.items():
            path, model = RESULTS / f"fit_{name}.json", model_of(observed, dates, streams)
            if not path.exists():
                path.write_text(json.dumps(fit(model, coordinates, future, name) if streams else without_streams(truths, future)))
                print(name, json.loads(path.read_text()).get("seconds"), flush=True)
            if name == "all" and not (RESULTS / "at_mode.json").exists():
                found = stream_value(model, np.array(json.loads(path.read_text())["mode"]), symbolic_targets(model, future))
                subsets = {"all": order, "five": order[:5], "one": order[:1], "none": []}
                table = found.sd(subsets)["sd"]
                chosen = {n: {str(q): float(table.sel(subset=n, quantity=q)) for q in TARGETS} for n in subsets}
                scores = {m: {n: found.score(s, m) for n, s in subsets.items()} for m in MEASURES}
                ranked = {"sd": chosen, "score": scores, "ranking": ranking(found), "roughness": found.roughness}
                (RESULTS / "at_mode.json").write_text(json.dumps(ranked))
    write_table()


def write_table() -> None:
    """Write benchmarks/stream_value.md from what is done."""
    twins = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("twin*.json"))]
    lines = [
        "# Which of 17 streams are worth having",
        "",
        "Made by `python benchmarks/experiment_stream_value.py`: twins of DALEC 1005, forcing of FI-Hyy, five years",
        f"({FIRST}-{LAST}) observed; truths from the prior under its constraints (`Constraints(0.2)`) whose canopy lives",
        "and whose run is not chaotic: when `f_auto` changes by a millionth, daily NEE changes by less than 1e-3 gC m-2 d-1 in all of the",
        "15 years. (Where the store of water is overdrawn in one daily step, GPP flickers, and no derivative means anything.)",
        f"Targets: mean NEE of the ten years after, and the logarithms of the six carbon pools at their end ({FUTURE}), plus 1 gC m-2.",
        "",
        "Measures: `variance` and `sd` are the mean over the seven targets of 1 - variance / prior variance and of 1 - sd / prior sd;",
        "`information` is half the fall of the log-determinant of the covariance of the 33 process parameters and pools, in nats. A share",
        "is that of what all 17 streams reach. The prior is linearised at the same point.",
        "",
        "## Streams",
        "",
        "| stream | observed | error sd | correlated in time |",
        "|---|---|---|---|",
    ]
    for name, plan in PLANS.items():
        unit = QUANTITIES[name].unit
        floor = f"{plan.floor:g}{'' if unit == '1' else f' {unit}'}"
        sd = " + ".join([floor] * (plan.floor > 0) + [f"{plan.fraction:.0%}"] * (plan.fraction > 0))
        lines.append(f"| {name} | {plan.words} | {sd} | {'AR(1), inferred' if plan.error.correlation else 'no'} |")
    lines += [
        "",
        "Bars of 90 % for the greedy best five streams, by expected information at the truth:",
        "",
        "| measure | twins | share of the best five: mean, smallest | twins with 90 % | streams needed for 90 %: median, most |",
        "|---|---|---|---|---|",
    ]
    for measure in MEASURES:
        shares = np.array([t["ranking"][measure]["share"] for t in twins])
        five, needed = shares[:, 4], np.argmax(shares >= 0.9, axis=1) + 1
        counts = f"{int((five >= 0.9).sum())} of {len(twins)} | {np.median(needed):g}, {needed.max()}"
        lines.append(f"| {measure} | {len(twins)} | {five.mean():.3f}, {five.min():.3f} | {counts} |")
    lines += ["", "Means over the twins, by `sd` and by `information`:", ""]
    columns = [f"{c}, {m}" for m in ("sd", "information") for c in ("in the best five", "alone", "lost without")]
    lines += [f"| stream | {' | '.join(columns)} |", "|---" * 7 + "|"]

    def mean(measure: str, name: str) -> list[float]:
        chosen = np.mean([name in t["ranking"][measure]["order"][:5] for t in twins])
        return [float(chosen), *(float(np.mean([t["ranking"][measure][k][name] for t in twins])) for k in ("alone", "loss"))]

    for name in sorted(PLANS, key=lambda n: -np.mean([-t["ranking"]["sd"]["order"].index(n) for t in twins])):
        a, b = mean("sd", name), mean("information", name)
        lines.append(f"| {name} | {a[0]:.2f} | {a[1]:.3f} | {a[2]:.4f} | {b[0]:.2f} | {b[1]:.3f} | {b[2]:.4f} |")
    rough = max(t["roughness"] for t in twins)
    lines += ["", f"With another step of the differences no precision of a coordinate changes by more than {rough:.2g} (relative)."]
    lines += against_nuts() if (RESULTS / "at_mode.json").exists() else ["", "Not compared with posteriors by NUTS: that takes `--fits`."]
    (HERE / "stream_value.md").write_text("\n".join(lines) + "\n")


def against_nuts() -> list[str]:
    """Lines that compare with the posteriors of NUTS."""
    linear = json.loads((RESULTS / "at_mode.json").read_text())
    fits = {
        n: json.loads((RESULTS / f"fit_{n}.json").read_text())
        for n in ("none", "one", "five", "all")
        if (RESULTS / f"fit_{n}.json").exists()
    }
    order = json.loads((RESULTS / "twin00.json").read_text())["ranking"]["sd"]["order"]
    lines = [
        "",
        "## Against NUTS, first twin",
        "",
        f"One: {order[0]}. Five: {', '.join(order[:5])}.",
        f"Expected information at the mode of all streams. NUTS: 2 chains x {DRAWS} draws after {TUNE}, of which sd is half the range of",
        f"the central 68 %; without streams {PRIOR_RESAMPLED} draws of the prior under its constraints, by importance resampling.",
        "R-hat: largest, and effective draws: fewest, of parameters and pools, then of targets.",
        "",
        "| streams | R-hat | effective draws | divergences |",
        "|---|---|---|---|",
        *(
            f"| {n} | {', '.join(f'{v:.3f}' for v in f['rhat'].values()) if 'rhat' in f else '-'} "
            f"| {', '.join(f'{v:.0f}' for v in f['ess'].values())} | {f.get('divergences', '-')} |"
            for n, f in fits.items()
        ),
        "",
        "Posterior sd of the targets, expected information / NUTS (gC m-2 yr-1, and 1):",
        "",
        f"| target | {' | '.join(fits)} |",
        "|---" * (1 + len(fits)) + "|",
    ]
    for target in TARGETS:
        cells = [f"{linear['sd'][n][target]:.3g} / {f['sd'][target]:.3g}" for n, f in fits.items()]
        lines.append(f"| {target} | {' | '.join(cells)} |")
    if {"none", "all"} <= set(fits):
        sds = {n: np.array([f["sd"][t] for t in TARGETS]) for n, f in fits.items()}
        logs = {n: np.linalg.slogdet(np.array(f["covariance"]))[1] for n, f in fits.items()}
        real = {
            "variance": {n: float(np.mean(1 - (s / sds["none"]) ** 2)) for n, s in sds.items()},
            "sd": {n: float(np.mean(1 - s / sds["none"])) for n, s in sds.items()},
            "information": {n: 0.5 * (logs["none"] - v) for n, v in logs.items()},
        }
        lines += ["", "Reduction of uncertainty, and its share of that by all streams:", ""]
        lines += ["| measure | streams | expected information | share | NUTS | share |", "|---|---|---|---|---|---|"]
        for m in MEASURES:
            for n in fits:
                if n != "none":
                    a, b = linear["score"][m], real[m]
                    lines.append(f"| {m} | {n} | {a[n]:.3g} | {a[n] / a['all']:.3f} | {b[n]:.3g} | {b[n] / b['all']:.3f} |")
    return lines


if __name__ == "__main__":
    given = [a for a in sys.argv[1:] if a != "--fits"]
    main(int(given[0]) if given else 8, "--fits" in sys.argv)
