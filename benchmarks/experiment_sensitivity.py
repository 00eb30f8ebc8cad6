"""Which parameters of DALEC-CDEA matter at two towers, and what is lost by calibrating ten. Writes benchmarks/sensitivity.md.

Two questions. Do Morris, Sobol and gradients over the prior name the same parameters: Jaccard index of the eight strongest of 23, for the
misfit (RMSE) of NEE. And what do the ten that `select_parameters` chooses keep of the gain in RMSE of NEE that all 23 bring, over the
prior median, in fitted and in withheld years: RMSE of the simulation at the best mode of each, without its error model.

Run: python benchmarks/experiment_sensitivity.py [SITE ...]. CH-Dav is downloaded, FI-Hyy needs LSM_BAYES_DATA. One piece a file in
results/sensitivity; goes on where it stopped.
"""

import json
import sys
import time
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pymc as pm
from lsm_bayes.models import get
from numpy.typing import NDArray

from lsm_bayes import datasets
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.inference import Density, find_modes
from lsm_bayes.sensitivity import dgsm, morris, response_of, sample_gradients, select_parameters, sobol
from lsm_bayes.simulation import simulate

HERE, RESULTS = Path(__file__).parent, Path("results/sensitivity")
SITES = ("CH-Dav", "FI-Hyy")
TOP, TEN, STARTS = 8, 10, 4


@cache
def model_of(site: str) -> pm.Model:
    """Six years, the last two withheld."""
    data = datasets.load("ch-dav", start="2013", end="2018") if site == "CH-Dav" else datasets.load("fluxnet-daily-water", sites=[site])
    years = np.unique(data["time"].dt.year)
    return get("dalec_single_site").build(data.isel(time=(data["time"].dt.year < years[0] + 6).values), site, withheld_years=2)


def rank(site: str) -> dict[str, object]:
    """Rank the parameters three ways."""
    response = response_of(model_of(site), "rmse")
    gradients = sample_gradients(response, 512)
    bound = dgsm(gradients)
    variance, screened = sobol(response, 512), morris(response, 60)
    found = {"sobol": variance["total"], "morris": screened["mu_star"], "adjoint": bound["mean_absolute"], "bound": bound["bound"]}
    nee = {n: v.sel(output="rmse nee").values.tolist() for n, v in found.items()}
    spread = variance["total_interval"].sel(output="rmse nee").values.tolist()
    runs = {"sobol": variance.attrs["runs"], "morris": screened.attrs["runs"], "adjoint": 4 * 512}
    return {
        "names": response.names,
        "nee": nee,
        "sobol_interval": spread,
        "runs": runs,
        "failed": [variance.attrs["failed_runs"], gradients.failed],
    }


def misfit(model: pm.Model, density: Density, position: NDArray) -> tuple[float, float]:
    """RMSE of daily NEE in fitted and withheld years, without the error model."""
    c = calibration_of(model)
    record, stream = c.records[0], c.streams[0]
    values = density.expand(position)
    known = {n: float(np.ravel(values[n])[0]) for n in c.declared if n not in c.fixed} | c.fixed
    run = simulate(c.process_model, record.data, known, outputs=["nee"])["nee"].values.ravel()
    time_, observed = stream.whole[0].time, stream.values[0]
    error = run[np.isin(record.forcing.time, time_)] - observed
    fitted = np.isin(time_, stream.fitted[0].time)
    return float(np.sqrt(np.mean(error[fitted] ** 2))), float(np.sqrt(np.mean(error[~fitted] ** 2)))


def fit(model: pm.Model) -> dict[str, object]:
    """Find the modes of a calibration; what its prior median and its best mode leave of NEE."""
    density = Density(model)
    modes = find_modes(density, starts=STARTS, seed=1, max_evaluations=3000, progress=False)
    return {
        "median": misfit(model, density, np.zeros(density.dimension)),
        "best": misfit(model, density, modes.positions[0]),
        "evaluations": modes.cost["gradient_evaluations"],
        "log_posterior": modes.table["log_posterior"].values.tolist(),
    }


def full(site: str) -> dict[str, object]:
    """Calibrate all parameters."""
    return fit(model_of(site))


def ten(site: str) -> dict[str, object]:
    """Choose ten without that calibration, and calibrate them."""
    model = model_of(site)
    began = time.perf_counter()
    chosen = select_parameters(model, TEN)
    spent = time.perf_counter() - began
    table = chosen.table
    why = {"chosen": chosen.chosen, "reasons": table["reason"].to_dict(), "agreed": table["agreed"].to_dict()}
    return {**fit(chosen.apply(model)), **why, "runs": chosen.runs, "seconds": spent}


def jaccard(one: set[str], other: set[str]) -> float:
    """Share of the names of either that are in both."""
    return len(one & other) / len(one | other)


def lines_of_ranks(ranked: dict) -> list[str]:
    """Write how far the methods agree."""
    names = np.array(ranked["names"])
    top = {n: set(names[np.argsort(-np.array(v))[:TOP]]) for n, v in ranked["nee"].items()}
    lines = [f"Jaccard index of the {TOP} strongest of {names.size} parameters, RMSE of NEE:", ""]
    lines += ["| pair | index |", "| --- | --- |", *(f"| {a}, {b} | {jaccard(top[a], top[b]):.2f} |" for a, b in combinations(top, 2)), ""]
    lines += ["| parameter | total Sobol index | its bound from gradients | rank: Sobol | Morris | adjoint |", "| --- " * 6 + "|"]
    place = {n: np.argsort(np.argsort(-np.array(v))) + 1 for n, v in ranked["nee"].items()}
    for i in np.argsort(place["sobol"]):
        s, w, b = (ranked[k][i] if k == "sobol_interval" else ranked["nee"][k][i] for k in ("sobol", "sobol_interval", "bound"))
        lines.append(f"| {names[i]} | {s:.3f} ± {w:.3f} | {b:.2g} | {place['sobol'][i]} | {place['morris'][i]} | {place['adjoint'][i]} |")
    runs = ranked["runs"]
    return [*lines, "", f"Forward-run equivalents: Sobol {runs['sobol']}, Morris {runs['morris']}, adjoint {runs['adjoint']}.", ""]


def lines_of_ten(whole: dict, some: dict) -> list[str]:
    """Write what calibrating ten keeps."""
    rows = {"prior median": whole["median"], f"all {len(some['reasons'])} calibrated": whole["best"], f"{TEN} calibrated": some["best"]}
    lines = ["RMSE of daily NEE (gC m-2 d-1), simulation at the best mode:", "", "| parameters | fitted years | withheld years |"]
    lines += ["| --- | --- | --- |", *(f"| {label} | {v[0]:.3f} | {v[1]:.3f} |" for label, v in rows.items())]
    kept = [(whole["median"][k] - some["best"][k]) / (whole["median"][k] - whole["best"][k]) for k in (0, 1)]
    lines += [f"| share of the gain kept | {kept[0]:.1%} | {kept[1]:.1%} |", ""]
    lines += ["More than all of the gain can be kept, for the posterior weighs other streams, the prior and correlated errors too.", ""]
    lines += [f"Gradients for the modes: {whole['evaluations']} with all, {some['evaluations']} with {TEN}; runs for the choice:"]
    lines += [f"{some['runs']}. Best log posterior: {max(whole['log_posterior']):.1f} and {max(some['log_posterior']):.1f}.", ""]
    lines += ["Why, and in brackets the share of the starts from which a parameter is chosen:", ""]
    return [*lines, *(f"- {n} ({some['agreed'][n]:.2f}): {words}" for n, words in some["reasons"].items()), ""]


def main(sites: list[str]) -> None:
    """Run what is not done and write the page."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = ["# Which parameters matter, and what calibrating ten of them keeps", ""]
    lines += [
        "Made by `python benchmarks/experiment_sensitivity.py`: DALEC-CDEA, model `dalec_single_site`, six years, the last two withheld.",
        "",
    ]
    lines += [
        "Adjoint: prior mean of the size of the derivative with respect to the normal coordinate; bound: on the total Sobol index.",
        "",
    ]
    for site in sites:
        stored: dict[str, dict] = {}
        for name, work in (("full", full), ("ten", ten), ("rank", rank)):
            path = RESULTS / f"{site}_{name}.json"
            if not path.exists():
                path.write_text(json.dumps(work(site)))
                print(path.name, flush=True)
            stored[name] = json.loads(path.read_text())
        lines += [f"## {site}", "", *lines_of_ranks(stored["rank"]), *lines_of_ten(stored["full"], stored["ten"])]
        (HERE / "sensitivity.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(SITES))
