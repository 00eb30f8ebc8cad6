"""DALEC 811 and 1005 against CARDAMOM, and what their stores of water do."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from cardamom import FLUXES, POOLS, WATER_FORCING, Outputs, assert_runs_agree, reference_folder, run

from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import defaults
from lsm_bayes.land import dalec_811, dalec_1005, dalec_cdea
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.processes import plant_available_water

# CARDAMOM's order: initial pools stand between the parameters.
ORDER_811 = [
    *dalec_cdea.Parameters._fields,
    *dalec_cdea.State._fields,
    "inherent_water_use_efficiency",
    "available_water_focal_point",
    "water_stress_threshold",
    "plant_available_water",
    "foliar_combustion_completeness",
    "ligneous_combustion_completeness",
    "soil_combustion_completeness",
    "fire_resilience",
    "labile_lifespan",
    "precipitation_sensitivity",
]
ORDER_1005 = [
    *("underlying_water_use_efficiency" if n.startswith("inherent") else n for n in ORDER_811),
    "percolation_fraction",
    "unavailable_water_focal_point",
    "plant_unavailable_water",
    "radiation_evaporation",
]
SOURCE_811 = dalec_811.variant(dalec_811.SOURCE, "dalec_811_source", "DALEC 811 as in the C source")
SOURCE_1005 = dalec_1005.variant(dalec_1005.SOURCE, "dalec_1005_source", "DALEC 1005 as in the C source, version 3")
OLDER_1005 = dalec_1005.variant(
    dalec_1005.SOURCE._replace(carbon=dalec_811.SOURCE), "dalec_1005_older", "DALEC 1005 as in the C source, version 2.2"
)
NAMES_811 = FLUXES | {"temprate": "decomposition_factor", "q_paw": "runoff"}
NAMES_1005 = NAMES_811 | {"q_paw": "drainage_plant_available"}
FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "dalec_water.json").read_text())
RUNS: dict[str, tuple[ProcessModel, list[str], dict[str, str]]] = {
    "dalec811_daily_FI-Hyy.nc": (SOURCE_811, ORDER_811, NAMES_811),
    "dalec811_monthly.nc": (SOURCE_811, ORDER_811, NAMES_811),
    "dalec1005_daily_FI-Hyy.nc": (OLDER_1005, ORDER_1005, NAMES_1005),
    "dalec1005_monthly.nc": (SOURCE_1005, ORDER_1005, NAMES_1005),
}
# Three steps of the specification: step 30.4375 d, latitude 45, fire in the second step.
THREE_STEPS: dict[str, Any] = {
    "day_number": [15.21875, 45.65625, 76.09375],
    "day_of_year": [15.21875, 45.65625, 76.09375],
    "air_temperature_min": [-2, 1, 5],
    "air_temperature_max": [6, 10, 15],
    "shortwave_down": [5, 9, 14],
    "co2": [390] * 3,
    "burned_area": [0, 0.02, 0],
    "vapour_pressure_deficit": [3, 5, 8],
    "precipitation": [2, 1.5, 3],
    "latitude": 45.0,
    "mean_air_temperature": 6.0,
    "mean_precipitation": 2.2,
}
CARBON = [0.001, 0.45, 0.1, 0.4, 1.5, 1e-4, 2e-3, 5e-3, 5e-5, 0.04, 20, 425.25, 0.1, 35, 645.25, 60, 60, 80, 100, 120, 5000, 150, 9000]
FIRE_AND_CLIMATE = [0.8, 0.2, 0.1, 0.5, 1.2, 0.3]


def value(expression: Any) -> float:
    return float(pytensor.function([], expression, mode="FAST_COMPILE")())


def climate(frozen: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "latitude": frozen["latitude"],
        "mean_air_temperature": frozen["mean_temperature"],
        "mean_precipitation": frozen["mean_precipitation"],
    }


def weather(model: ProcessModel, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    names = model.forcing._fields  # type: ignore[attr-defined]
    return plausible_weather(names, np.arange(steps) + 0.5, 1.0, np.random.default_rng(seed)) | {"burned_area": np.zeros(steps)}


def run_with(model: ProcessModel, forcing: Mapping[str, Any], **changes: float) -> Outputs:
    return run(model, {**forcing, "step_length": 1.0}, np.array([list((defaults(model) | changes).values())]))


def test_three_steps_of_the_specification_with_one_store() -> None:
    sample = [*CARBON, 20, 800, 100, 300, *FIRE_AND_CLIMATE]
    pools, fluxes = run(SOURCE_811, THREE_STEPS, np.array([sample], dtype=float), ORDER_811)
    expected = {
        "labile_carbon": (81.97765035, 55.15177677, 24.03849661),
        "foliage_carbon": (103.0195613, 135.8594783, 182.7052475),
        "root_carbon": (123.5570169, 130.6401998, 149.8481902),
        "wood_carbon": (5000.780125, 4949.428119, 4974.781923),
        "litter_carbon": (134.2035239, 119.2871389, 97.90208333),
        "soil_carbon": (9006.613053, 9034.195392, 9034.298296),
        "plant_available_water": (239.4095139, 191.0091751, 176.2649049),
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(pools[name][1:, 0], wanted, rtol=1e-9)
    np.testing.assert_allclose(fluxes["gpp"][:, 0], [1.963693044, 2.945109766, 4.96518595], rtol=1e-9)
    np.testing.assert_allclose(fluxes["nbe"][:, 0], [-0.004958697671, 0.8407006537, -1.281712764], rtol=1e-9)
    np.testing.assert_allclose(fluxes["decomposition_factor"][:, 0], [0.9345860908, 0.9996773304, 1.467471246], rtol=1e-9)
    np.testing.assert_allclose(fluxes["labile_release_factor"][:, 0], [4.052664956e-4, 0.01522945744, 0.038760313], rtol=1e-9)
    assert fluxes["fire_emission"][1, 0] == pytest.approx(1.386946288, rel=1e-9)


def test_three_steps_of_the_specification_with_two_stores() -> None:
    sample = [*CARBON, 5, 800, 100, 300, *FIRE_AND_CLIMATE, 0.3, 500, 200, 0.05]
    pools, fluxes = run(SOURCE_1005, THREE_STEPS, np.array([sample], dtype=float), ORDER_1005)
    expected = {
        "litter_carbon": (134.2035239, 118.693674, 97.45373409),
        "soil_carbon": (9006.613053, 9034.788857, 9034.864494),
        "plant_available_water": (220.0607219, 151.3976731, 107.2615333),
        "plant_unavailable_water": (153.75, 124.6318955, 102.1611475),
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(pools[name][1:, 0], wanted, rtol=1e-9)
    for name, wanted in {
        "evapotranspiration": (0.9302432246, 1.767093128, 3.508733324),
        "drainage_plant_available": (2.587268994, 1.392143939, 0.6589272609),
        "percolation": (1.108829569, 0.5966331167, 0.2823973975),
        "drainage_plant_unavailable": (2.628336756, 1.553285421, 1.020656057),
    }.items():
        np.testing.assert_allclose(fluxes[name][:, 0], wanted, rtol=1e-9)


@pytest.mark.parametrize("file", FROZEN)
def test_frozen_runs_of_the_original(file: str) -> None:
    frozen, (model, order, names) = FROZEN[file], RUNS[file]
    series = {ours: frozen["forcing"][theirs] for theirs, ours in WATER_FORCING.items()} | climate(frozen)
    pools, fluxes = run(model, series, np.array([frozen["parameters"]]), order)
    for theirs, wanted in frozen["pools"].items():
        if theirs in POOLS:
            assert pools[POOLS[theirs]][-1, 0] == pytest.approx(wanted, rel=1e-10)
    for theirs, wanted in frozen["flux_sums"].items():
        assert fluxes[names[theirs]].sum() == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("file", RUNS)
def test_every_sample_of_the_original(file: str, agreement: Any) -> None:
    model, order, names = RUNS[file]
    renamed = {"time_index": "time", "PREC": "TOTAL_PREC"}  # version 3
    with xr.open_dataset(reference_folder(file) / file) as data:
        there = {n: f"in_{n}" if f"in_{n}" in data else f"in_{renamed[n]}" for n in WATER_FORCING}
        series = {ours: data[there[theirs]].values for theirs, ours in WATER_FORCING.items()}
        series |= climate(FROZEN[file])
        samples = data["parameters"].values
        got = run(model, series, samples, order)
        worst = assert_runs_agree(data, got, names, rounding(partial(run, model, series, order=order), samples, got))
    agreement(model.name, file, worst)


def rounding(again: Any, samples: np.ndarray, got: Outputs) -> dict[str, np.ndarray]:
    """What a change of the parameters by one rounding error does, in the few samples that it changes by more than 1e-11.

    An overdrawn store diverges or swings in the C source. Of 66 samples this allows three a larger difference than 1e-10.
    """
    rng, allowance = np.random.default_rng(0), {}
    moved = [again(samples * (1 + 2.2e-16 * rng.choice([-1, 0, 1], samples.shape))) for _ in range(8)]
    with np.errstate(all="ignore"):
        ill = np.zeros(samples.shape[0], dtype=bool)
        for k in (0, 1):
            for name, series in got[k].items():
                spread = np.nanmax([np.nan_to_num(np.abs(m[k][name] - series), posinf=0.0) for m in moved], axis=0)
                allowance[name] = 3 * spread
                if k == 0:
                    ill |= np.nan_to_num(spread / np.abs(series), posinf=0.0).max(axis=0) > 1e-11
    assert ill.sum() <= 7
    return {n: np.where(ill, a, 0.0) for n, a in allowance.items()}


def test_where_the_stores_are_not_overdrawn_the_source_differs_in_the_declared_points_only() -> None:
    # No fire, and a mean temperature of zero, of which half is zero too.
    forcing = weather(dalec_811.DALEC_811, 730) | {"mean_air_temperature": np.zeros(730)}
    mine, theirs = (run_with(m, forcing) for m in (dalec_811.DALEC_811, SOURCE_811))
    assert mine[0]["plant_available_water"].min() > 0
    for k in (0, 1):
        for name, series in mine[k].items():
            np.testing.assert_allclose(series, theirs[k][name], rtol=0, atol=1e-6 * np.abs(series).max() + 1e-15, err_msg=name)


def test_an_overdrawn_store_stays_finite_and_recovers() -> None:
    forcing = weather(dalec_1005.DALEC_1005, 730) | {"precipitation": np.where(np.arange(730) < 365, 0.0, 12.0)}
    pools, fluxes = run_with(dalec_1005.DALEC_1005, forcing, plant_available_water=1.0, radiation_evaporation=0.3)
    water = pools["plant_available_water"][:, 0]
    assert water[365] < 0 < water[-1]
    assert (fluxes["gpp"] >= 0).all() and (fluxes["gpp"][200:365] == 0).all()
    assert (fluxes["runoff"] >= 0).all()


def test_at_most_all_of_the_drainage_percolates() -> None:
    forcing = weather(dalec_1005.DALEC_1005, 200)
    _, fluxes = run_with(dalec_1005.DALEC_1005, forcing, percolation_fraction=1.0, plant_available_water=5000.0)
    assert (fluxes["drainage_plant_available"] == 0).all() and np.isfinite(fluxes["percolation"]).all()


def test_the_stores_settle_where_they_drain_what_they_get() -> None:
    constant = {n: np.full(4000, s.mean()) for n, s in weather(dalec_1005.DALEC_1005, 365).items()} | {"precipitation": np.full(4000, 6.0)}
    p = {"water_stress_threshold": 1.0, "available_water_focal_point": 60.0, "unavailable_water_focal_point": 3.0}
    pools, fluxes = run_with(dalec_1005.DALEC_1005, constant, **p)
    last = {n: float(v[-1, 0]) for n, v in fluxes.items()}
    end = {n: float(v[-1, 0]) for n, v in pools.items()}
    drained = constant["precipitation"][0] - last["evapotranspiration"]
    assert value(plant_available_water.storage_at(pt.as_tensor(drained), 60.0)) == pytest.approx(end["plant_available_water"], rel=1e-3)
    parameters = dalec_1005.Parameters(**{n: pt.as_tensor(v) for n, v in (defaults(dalec_1005.DALEC_1005) | p).items() if n not in end})
    settled = dalec_1005.equilibrium({n: pt.as_tensor(last[n]) for n in ("gpp", "decomposition_factor", "percolation")}, parameters)
    assert value(settled["plant_unavailable_water"]) == pytest.approx(end["plant_unavailable_water"], rel=1e-3)


@pytest.mark.parametrize("storage", [0.5, 10.0, 25.0, 80.0])
def test_a_store_and_its_drainage_invert_each_other(storage: float) -> None:
    drained = plant_available_water.drainage(pt.as_tensor(storage), pt.as_tensor(50.0), 1.0)
    assert value(plant_available_water.storage_at(drained, pt.as_tensor(50.0))) == pytest.approx(storage, rel=1e-14)


def test_drainage_and_its_slope_are_continuous() -> None:
    storage = pt.dvector()
    drained = plant_available_water.drainage(storage, pt.as_tensor(50.0), 1.0)
    f = pytensor.function([storage], [drained, pytensor.grad(drained.sum(), storage)], mode="FAST_COMPILE")
    for corner in (0.0, 25.0):
        values, slopes = f(corner + np.array([-1e-7, 0.0, 1e-7]))
        np.testing.assert_allclose(values, values[1], atol=1e-6)
        np.testing.assert_allclose(slopes, slopes[1], atol=1e-7)


def test_smooth_stress_tends_to_the_exact_one() -> None:
    storage = pt.as_tensor(np.linspace(-50.0, 250.0, 61))
    threshold = pt.as_tensor(100.0)
    wanted = plant_available_water.stress(storage, threshold).eval()
    apart = []
    for width in (0.1, 0.01, 0.001):
        smooth = plant_available_water.smooth_stress(storage, threshold, width)
        apart.append(np.abs(smooth.eval() - wanted).max())
    np.testing.assert_allclose(apart, np.log(2) * np.array([0.1, 0.01, 0.001]), rtol=1e-3)
    wet = pt.dscalar()
    slope = pytensor.grad(plant_available_water.smooth_stress(pt.as_tensor(110.0), wet, 0.05), wet)
    assert slope.eval({wet: 100.0}) < 0 == pytensor.grad(plant_available_water.stress(pt.as_tensor(110.0), wet), wet).eval({wet: 100.0})


def test_a_smooth_variant_runs_near_the_exact_one() -> None:
    forcing = weather(dalec_811.DALEC_811, 365)
    exact = run_with(dalec_811.DALEC_811, forcing)[1]["gpp"].sum()
    form = dalec_811.DEFAULT._replace(stress=partial(plant_available_water.smooth_stress, width=0.01))
    assert run_with(dalec_811.variant(form, "dalec_811_smooth", "smooth"), forcing)[1]["gpp"].sum() == pytest.approx(exact, rel=0.02)


def test_constraints_hold_at_the_defaults_and_fail_where_they_should() -> None:
    def margins(**changes: float) -> dict[str, float]:
        table = dalec_811.DALEC_811.parameter_table
        p = dalec_811.Parameters(**({n: d for n, (_, d) in table.items()} | changes))
        return {c.name: value(pt.as_tensor(c.margin({}, p))) for c in dalec_811.DALEC_811.constraints}

    assert all(margin > 0 for margin in margins().values())
    assert margins(root_turnover=1e-4, soil_mineralisation=1e-3)["roots_faster_than_soil"] == pytest.approx(-np.log(10))
    assert margins(foliar_combustion_completeness=0.1)["leaves_burn_best"] == pytest.approx(-np.log(2))
    assert margins(soil_combustion_completeness=0.9)["leaves_burn_better_than_soil"] < 0
