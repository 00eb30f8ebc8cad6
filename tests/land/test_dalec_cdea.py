import json
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from cardamom import FLUXES, FORCING, POOLS, assert_runs_agree, reference_folder, run

from lsm_bayes.land import get
from lsm_bayes.processes import acm, cdea_phenology, turnover

ORIGINAL = get("dalec_cdea_original")
NAMES = FLUXES | {"temprate": "temperature_factor"}
FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "dalec400.json").read_text())


def value(expression: Any) -> float:
    return float(pytensor.function([], expression, mode="FAST_COMPILE")())


def test_photosynthesis_equals_the_unit_fixture() -> None:
    hours = acm.day_length(pt.as_tensor(180.0), pt.as_tensor(45.0), 3.1415927)
    assert value(acm.gross_primary_production(*map(pt.as_tensor, (3.0, 20.0, 10.0, 20.0, 390.0)), hours, 20.0)) == pytest.approx(
        8.75629709935, rel=1e-11
    )


@pytest.mark.parametrize(("lai", "expected"), [(0.0, 0.0), (-1.0, 0.0), (np.nan, np.nan)])
def test_photosynthesis_without_leaves(lai: float, expected: float) -> None:
    leaves = pt.dscalar("lai")
    gpp = acm.gross_primary_production(leaves, *map(pt.as_tensor, (20.0, 10.0, 20.0, 390.0, 12.0, 20.0)))
    assert gpp.eval({leaves: lai}) == pytest.approx(expected, nan_ok=True)
    if expected == 0.0:
        assert pytensor.grad(gpp, leaves).eval({leaves: lai}) == 0.0


@pytest.mark.parametrize(("latitude", "day", "hours"), [(80.0, 172.0, 24.0), (80.0, 355.0, 0.0), (0.0, 100.0, 12.0), (-80.0, 355.0, 24.0)])
def test_day_length_at_its_limits(latitude: float, day: float, hours: float) -> None:
    assert value(acm.day_length(pt.as_tensor(day), pt.as_tensor(latitude))) == pytest.approx(hours, abs=1e-9)


@pytest.mark.parametrize(("lifespan", "offset"), [(1.5, -0.284512333672), (1.001, -0.883179687711), (8.0, -0.0368519235833)])
def test_offset_of_the_phenology(lifespan: float, offset: float) -> None:
    # The fixture agrees to 3e-9 only; the compiled source, in the reference runs below, to 1e-13.
    assert value(cdea_phenology.peak_offset(pt.as_tensor(lifespan), pt.as_tensor(1.0))) == pytest.approx(offset, abs=5e-9)


def test_a_year_of_leaf_fall_leaves_what_the_lifespan_says() -> None:
    days = pt.as_tensor(np.arange(365) + 0.5)
    for lifespan in (1.5, 3.0, 6.0):
        rate = cdea_phenology.event_rate(days, 645.0, 60.0, pt.as_tensor(lifespan))
        assert 1 - value(pt.prod(1 - rate)) == pytest.approx(1 / lifespan, rel=0.06)


@pytest.mark.parametrize("days", [1.0, 7.0, 30.4375])
def test_losses_compound_over_a_long_step(days: float) -> None:
    k, pool = 0.01, 100.0
    left = pool - days * pool * value(turnover.loss_rate(pt.as_tensor(k), days))
    assert left == pytest.approx(pool * (1 - k) ** days, rel=1e-12)


def test_three_steps_of_the_specification() -> None:
    # Compiled original C; step 30.4375 d, latitude 45, fire in the second step.
    forcing = {
        "time_index": [15.21875, 45.65625, 76.09375],
        "T2M_MIN": [-2, 1, 5],
        "T2M_MAX": [6, 10, 15],
        "SSRD": [5, 9, 14],
        "CO2": [390] * 3,
        "BURNED_AREA": [0, 0.02, 0],
    }
    sample = [0.001, 0.45, 0.1, 0.4, 1.5, 1e-4, 2e-3, 5e-3, 5e-5, 0.04, 20, 425.25, 0.1, 35, 645.25, 60, 60, 80, 100, 120, 5000, 150, 9000]
    forcing["DOY"] = forcing["time_index"]
    series = {ours: forcing[theirs] for theirs, ours in FORCING.items()} | {"latitude": 45.0}
    pools, fluxes = run(ORIGINAL, series, np.array([sample], dtype=float))
    expected = {
        "labile_carbon": (82.3783938, 48.63483569, 8.10762941),
        "foliage_carbon": (102.6188179, 142.2096196, 199.0385274),
        "root_carbon": (123.5570169, 130.7176839, 150.8965628),
        "wood_carbon": (5000.780125, 4954.355547, 4981.157579),
        "litter_carbon": (130.6194242, 110.7423561, 91.0456576),
        "soil_carbon": (9005.238373, 9052.076353, 9051.52463),
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(pools[name][1:, 0], wanted, rtol=1e-9)
    np.testing.assert_allclose(fluxes["gpp"][:, 0], [1.963693044, 2.934904744, 5.145030302], rtol=1e-9)
    np.testing.assert_allclose(fluxes["nbe"][:, 0], [0.1579580974, 0.2120987313, -1.413854346], rtol=1e-9)
    np.testing.assert_allclose(fluxes["temperature_factor"][:, 0], [1.083287068, 1.246076731, 1.491824698], rtol=1e-9)
    np.testing.assert_allclose(fluxes["leaf_fall_factor"][:, 0], [4.127627389e-4, 6.172311958e-5, 1.460236522e-5], rtol=1e-9)
    np.testing.assert_allclose(fluxes["labile_release_factor"][:, 0], [2.391216724e-4, 0.01984625372, 0.1491884071], rtol=1e-9)
    assert fluxes["fire_emission"][1, 0] == pytest.approx(0.5223444439, rel=1e-9)
    assert fluxes["fire_emission"][[0, 2], 0] == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("file", FROZEN)
def test_frozen_runs_of_the_original(file: str) -> None:
    frozen = FROZEN[file]
    series = {ours: frozen["forcing"][theirs] for theirs, ours in FORCING.items()} | {"latitude": frozen["latitude"]}
    pools, fluxes = run(ORIGINAL, series, np.array([frozen["parameters"]]))
    for theirs, wanted in frozen["pools"].items():
        assert pools[POOLS[theirs]][-1, 0] == pytest.approx(wanted, rel=1e-10)
    for theirs, wanted in frozen["flux_sums"].items():
        assert fluxes[NAMES[theirs]].sum() == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("file", ["dalec400_daily_FI-Hyy.nc", "dalec400_monthly.nc"])
def test_every_sample_of_the_original(file: str, agreement: Any) -> None:
    with xr.open_dataset(reference_folder(file) / file) as data:
        assert data.sizes["sample"] >= 10
        series = {ours: data[f"in_{theirs}"].values for theirs, ours in FORCING.items()} | {"latitude": data["in_LAT"].values[0]}
        agreement("dalec_cdea", file, assert_runs_agree(data, run(ORIGINAL, series, data["parameters"].values), NAMES))
