"""Does the package find all modes with their weights, and say which combination is known? Writes benchmarks/equifinality.md.

Modes: litter on bare soil decays and passes a fraction on to the soil pool; only the respiration of both together is observed. Two sets of
parameters give the same respiration: the fast rate is that of the litter or that of the soil, each with its own fraction. (With the rates
swapped the fraction is 1 - (1 - f) k1 / k2, and the weights are as the rates for a prior uniform in the fraction.) Weights by quadrature
around both, with a simulation of its own; then by `find_modes`, by `sample_mixture`, and by plain NUTS from draws of the prior.

Ridges: of a product and a quotient only the value is known; of DALEC-CDEA from weekly NEE alone, first four parameters with two known
ridges, then all of them. What `combinations` says, against the Jacobian of the process model.

Run: python benchmarks/experiment_equifinality.py [FOLDER]. One fit a file in results/equifinality; goes on where it stopped.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from equifinality_targets import (
    CHAMBER,
    DALEC,
    DAYS,
    EXACT,
    LIGHT,
    LITTER,
    NOISE,
    RIDGES,
    TWO_POOLS,
    Decay,
    dalec_data,
    dalec_model,
    quadrature,
    truth_of,
    two_pool_data,
)

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.diagnostics import combinations
from lsm_bayes.diagnostics.gates import convergence
from lsm_bayes.inference import Density, find_modes, sample, sample_mixture
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

HERE = Path(__file__).parent
SEEDS = 5


def weights_of(tree: xr.DataTree) -> float:
    """Share of the draws in which litter is the fast pool."""
    p = tree["posterior"].to_dataset()
    return float((p["litter_decay_rate"] > p["soil_decay_rate"]).mean())


def fit_modes(seed: int) -> dict[str, Any]:
    """Modes and weights of one data set, by each way."""
    began = time.perf_counter()
    data, seen, litterfall = two_pool_data(seed)
    logs, change = quadrature(seen, litterfall, truth_of(seed))
    start = {n: default for n, (_, default) in TWO_POOLS.state_parameters.items()}
    model = build_model(TWO_POOLS, data, [Stream("heterotrophic_respiration", error=EXACT, operator=CHAMBER)], fixed=start)
    density = Density(model)
    modes = find_modes(density, starts=12, seed=seed)
    settings = {"draws": 500, "tune": 300, "chains": 4, "cores": 1, "seed": seed, "progress": False}
    mixed = sample_mixture(density, modes, **settings)
    table, search = mixed["modes"].to_dataset(), modes.table
    plain = sample(density, initial=density.prior_positions(4, np.random.default_rng(seed)), **settings)
    fast = {k: (t["litter_decay_rate"] > t["soil_decay_rate"]).values for k, t in (("laplace", search), ("bridge", table))}
    chains = (plain["posterior"]["litter_decay_rate"] > plain["posterior"]["soil_decay_rate"]).mean("draw").values
    return {
        "truth": truth_of(seed),
        "quadrature": float(1 / (1 + np.exp(logs[1] - logs[0]))),
        "quadrature_change": change,
        "modes_found": int(search.sizes["mode"]),
        "both": bool(fast["laplace"].any() and (~fast["laplace"]).any()),
        "starts": search["fraction_of_starts"].values.tolist(),
        "laplace": float(search["weight"].values[fast["laplace"]].sum()),
        "bridge": float(table["weight"].values[fast["bridge"]].sum()),
        "draws": weights_of(mixed),
        "plain": weights_of(plain),
        "plain_chains": chains.tolist(),
        "plain_rhat": float(np.nanmax(convergence({n: plain["posterior"][n].values for n in Decay._fields})["rhat"])),
        "seconds": time.perf_counter() - began,
    }


def direction(found: dict[str, float], expected: dict[str, float]) -> float:
    """Angle between two directions, degrees."""
    a, b = (np.array([d.get(n, 0.0) for n in sorted({*found, *expected})]) for d in (found, expected))
    return float(np.degrees(np.arccos(min(1.0, abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)))))


def described(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Collect what `combinations` says."""
    return [{"text": str(c), "weights": c.weights, "gain": c.gain} for c in combinations(tree, 8)]


def fit_product() -> dict[str, Any]:
    """Fit the product and quotient, by NUTS."""
    days, rng = pd.date_range("2001-01-01", periods=365), np.random.default_rng(19)
    light = 6 - 4 * np.cos(2 * np.pi * np.arange(365) / 365.25) * rng.uniform(0.4, 1.0, 365)
    data = xr.Dataset({"par_down": ("time", light, QUANTITIES["par_down"].attrs())}, coords={"time": days})
    gpp = simulate(LIGHT, data, outputs=["gpp"])["gpp"].values.ravel() + 0.3 * rng.standard_normal(365)
    attrs = QUANTITIES["gpp"].attrs()
    data = data.assign(gpp=("time", gpp, attrs), gpp_uncertainty=("time", np.full(365, 0.3), attrs))
    model = build_model(LIGHT, data, [Stream("gpp", error=EXACT)], fixed={"foliage_carbon": 100.0})
    tree = sample(model, draws=1000, tune=500, chains=2, cores=1, seed=19, progress=False)
    tree.attrs["model_card"] = json.dumps(model.card)
    found = described(tree)
    expected = {"light_use_efficiency": 1.0, "absorbed_share": 1.0, "stress": -1.0}
    return {"combinations": found, "angle": direction(found[0]["weights"], expected) if found else None}


def fit_four() -> dict[str, Any]:
    """Fit four parameters of DALEC-CDEA on two ridges, the others known; by NUTS."""
    data, truth, slopes = dalec_data()
    free = [n for pair in RIDGES for n in pair]
    model = dalec_model(data, {n: v for n, v in truth.items() if n not in free})
    tree = sample(model, draws=3000, tune=1000, chains=2, cores=1, seed=19, progress=False)
    tree.attrs["model_card"] = json.dumps(model.card)
    found, rows = described(tree), {}
    for i, pair in enumerate(RIDGES):
        vector = np.linalg.svd(slopes[:, 2 * i : 2 * i + 2], full_matrices=False)
        expected = dict(zip(pair, vector[2][0].tolist(), strict=True))
        named = [c for c in found if set(c["weights"]) == set(pair)]
        rows[" and ".join(pair)] = {
            "expected": expected,
            "singular_values": vector[1].tolist(),
            "angle": direction(named[0]["weights"], expected) if named else None,
        }
    figures = convergence({n: tree["posterior"][n].values for n in free})
    return {"combinations": found, "ridges": rows, "rhat": float(np.nanmax(figures["rhat"]))}


def fit_all() -> dict[str, Any]:
    """Fit all parameters and pools of DALEC-CDEA from NEE alone, by NUTS."""
    data, _, _ = dalec_data()
    model = dalec_model(data, {})
    density = Density(model)
    modes = find_modes(density, starts=4, seed=19, spread={"z": 0.7})
    settings = {"draws": 600, "tune": 600, "chains": 2, "cores": 1, "seed": 19, "target_accept": 0.9, "progress": False}
    tree = sample(density, initial=modes, max_treedepth=8, **settings)
    tree.attrs["model_card"] = json.dumps(model.card)
    figures = convergence({n: tree["posterior"][n].values for n in DALEC.calibrated})
    return {
        "combinations": described(tree),
        "modes": int(modes.table.sizes["mode"]),
        "rhat": [float(np.nanmedian(figures["rhat"])), float(np.nanmax(figures["rhat"]))],
        "ess": float(np.nanmin(figures["ess_bulk"])),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def page(done: dict[str, dict[str, Any]]) -> str:
    """Write what is done."""
    lines = ["# Equifinality", "", "Made by `python benchmarks/experiment_equifinality.py`, whose text has the setting.", ""]
    rows = [done[n] for n in sorted(done) if n.startswith("modes")]
    if rows:
        lines += [
            "## Two modes",
            "",
            f"{DAYS} days of respiration with errors of {NOISE} gC m-2 d-1, {LITTER:g} gC m-2 of litter at the start. Weight of the",
            "mode in which litter is the fast pool. Plain NUTS: four chains from draws of the prior; share of its draws, and of each.",
            "",
            "| truth: rates, fraction | modes, of 2 | quadrature (change with grid) | Laplace | bridge | draws | plain NUTS | R-hat |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for r in rows:
            k1, k2, f = r["truth"].values()
            chains = ", ".join(f"{c:.2f}" for c in r["plain_chains"])
            lines.append(
                f"| {k1:.4f}, {k2:.4f}, {f:.2f} | {r['modes_found']}{'' if r['both'] else ', one of them missed'} | {r['quadrature']:.3f} "
                f"({r['quadrature_change']:.4f}) | {r['laplace']:.3f} | {r['bridge']:.3f} | {r['draws']:.3f} | {r['plain']:.3f} ({chains}) "
                f"| {r['plain_rhat']:.2f} |"
            )
        worst = {k: max(abs(r[k] - r["quadrature"]) for r in rows) for k in ("laplace", "bridge", "draws", "plain")}
        lines += [
            "",
            "| asked | seen |",
            "|---|---|",
            f"| all modes found | {sum(r['both'] for r in rows)} of {len(rows)} data sets |",
            f"| weights of `sample_mixture` within 0.05 of quadrature | largest error {worst['bridge']:.3f} |",
            f"| the same of the Laplace weights of `find_modes` | {worst['laplace']:.3f} |",
            f"| the same of plain NUTS, not asked | {worst['plain']:.3f} |",
            "",
        ]
    if "product" in done:
        lines += ["## Ridges", "", "GPP of which a product and quotient is known, by NUTS; asked: the direction within a few degrees.", ""]
        lines += [f"- {c['text']}." for c in done["product"]["combinations"]]
        lines += [f"- Angle to the exact direction: {done['product']['angle']:.2f} degrees.", ""]
    if "four" in done:
        r = done["four"]
        lines += [f"DALEC-CDEA from weekly NEE, four parameters free, by NUTS (R-hat {r['rhat']:.3f}):", ""]
        lines += [f"- {c['text']}." for c in r["combinations"]]
        for pair, row in r["ridges"].items():
            a, b = row["expected"].values()
            angle = "not reported as a combination" if row["angle"] is None else f"{row['angle']:.2f} degrees from it"
            s = row["singular_values"]
            lines.append(
                f"- {pair}: by the Jacobian NEE knows {a / b:+.3f} to 1 of their logarithms, {s[0] / s[1]:.1f} times better than what is "
                f"perpendicular; {angle}."
            )
        lines.append("")
    if "all" in done:
        r = done["all"]
        lines += [
            f"All 17 parameters and 6 pools from weekly NEE alone, by NUTS (R-hat {r['rhat'][0]:.3f} in the median, {r['rhat'][1]:.3f} at",
            f"most; at least {r['ess']:.0f} effective draws; {r['divergences']} divergences):",
            "",
        ]
        lines += [f"- {c['text']}." for c in done["all"]["combinations"]]
    return "\n".join(lines).rstrip() + "\n"


def main(folder: Path) -> None:
    """Do what is not done and write the page."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, Any] = {f"modes_{k}": lambda k=k: fit_modes(k) for k in range(SEEDS)}
    jobs |= {"product": fit_product, "four": fit_four, "all": fit_all}
    done: dict[str, dict[str, Any]] = {}
    for name, job in jobs.items():
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(job()))
            print(name, path.read_text()[:600], flush=True)
        done[name] = json.loads(path.read_text())
        (HERE / "equifinality.md").write_text(page(done), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/equifinality"))
