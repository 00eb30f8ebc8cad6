"""VSEM against BayesianTools (`vsem_original`), and what its equations imply (`vsem`)."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from runs import equilibrium, run
from scipy.optimize import brentq

from lsm_bayes.land import get

VSEM, ORIGINAL = get("vsem"), get("vsem_original")
# Parameters of BayesianTools in its order, and its pools, with what turns its unit into ours.
PARAMETERS = {
    "light_extinction": 1.0,
    "leaf_area_ratio": 1.0,
    "light_use_efficiency": 1000.0,
    "f_auto": 1.0,
    "aboveground_residence_time": 1.0,
    "soil_residence_time": 1.0,
    "belowground_residence_time": 1.0,
    "f_aboveground": 1.0,
    "aboveground_carbon": 1000.0,
    "soil_carbon": 1000.0,
    "belowground_carbon": 1000.0,
}
FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "vsem.json").read_text())


def original(samples: np.ndarray, par: np.ndarray) -> dict[str, np.ndarray]:
    """Run the model on parameters (sample, name) of BayesianTools; kgC."""
    values = {n: samples[:, i] * unit for i, (n, unit) in enumerate(PARAMETERS.items())}
    return {n: a / 1000.0 for n, a in run(ORIGINAL, {"par_down": par, "step_length": 1.0}, values).items()}


def test_three_days_of_the_specification() -> None:
    found = run(ORIGINAL, {"par_down": [5.0, 7.5, 10.0], "step_length": 1.0})
    expected = {
        "gpp": (0.00894600775438, 0.0134197234721, 0.0178960315558),
        "nee": (-0.00481942710585, -0.00750352420108, -0.010189176554),
        "aboveground_carbon": (3.00060046899, 3.00254263571, 3.00582634612),
        "soil_carbon": (15.0036194553, 15.0072414759, 15.0108679248),
        "belowground_carbon": (3.00060046899, 3.00254263571, 3.00582634612),
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(found[name][-3:, 0] / 1000.0, wanted, rtol=1e-11, err_msg=name)


def off_the_original(found: dict[str, np.ndarray], output: np.ndarray) -> float:
    """Largest relative difference; NEE is a small difference of GPP and respiration: relative to these."""
    pools = ("aboveground_carbon", "soil_carbon", "belowground_carbon")
    off = [np.abs(found[name][1:].T / output[:, :, i + 1] - 1.0).max() for i, name in enumerate(pools)]
    return float(max(*off, (np.abs(found["nee"].T - output[:, :, 0]) / (found["gpp"] + found["reco"]).T).max()))


def test_frozen_runs_of_the_original() -> None:
    par, samples = np.array(FROZEN["PAR"]), np.array(FROZEN["parameters"])
    assert off_the_original(original(samples, par), np.array(FROZEN["output"])) < 1e-12


def test_every_run_of_the_original(agreement: Any) -> None:
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    file = Path(data).resolve().parent / "reference" / "vsem.nc"
    if not file.exists():
        pytest.skip("no reference runs of VSEM beside the folder that LSM_BAYES_DATA names")
    with xr.open_dataset(file) as reference:
        assert reference.sizes["sample"] == 20
        found = original(reference["parameters"].values, reference["PAR"].values)
        # Columns are NEE, above ground, soil, below ground.
        worst = off_the_original(found, reference["output"].values)
    assert worst < 1e-12
    agreement("vsem", file.name, worst)


def light(days: int) -> np.ndarray:
    """Radiation of the examples of BayesianTools: half a sine a year, with clouds."""
    rng = np.random.default_rng(3)
    return 10.0 * np.abs(np.sin(np.pi * np.arange(1, days + 1) / 365.0) + 0.25 * rng.normal(size=days))


@pytest.mark.parametrize("days", [1.0, 5.0])
def test_carbon_that_the_original_order_of_updates_makes(days: float) -> None:
    found = {n: a[:, 0] for n, a in run(ORIGINAL, {"par_down": light(400), "step_length": days}).items()}
    above, below, soil = (found[n] for n in ("aboveground_carbon", "belowground_carbon", "soil_carbon"))
    gained = np.diff(above + below + soil)
    made = np.diff(above) / 1440.0 + np.diff(below) / 1440.0
    np.testing.assert_allclose(gained, days * (found["npp"] - soil[:-1] / 27370.0 + made), rtol=1e-8)
    np.testing.assert_allclose(found["nee"], soil[1:] / 27370.0 - found["npp"], rtol=1e-10)


def test_change_of_the_pools_is_net_exchange() -> None:
    found = {n: a[:, 0] for n, a in run(VSEM, {"par_down": light(400), "step_length": 1.0}).items()}
    total = found["aboveground_carbon"] + found["belowground_carbon"] + found["soil_carbon"]
    np.testing.assert_allclose(np.diff(total), -found["nee"], rtol=1e-8)


@pytest.mark.parametrize("model", [VSEM, ORIGINAL], ids=lambda m: m.name)
def test_steady_state_under_constant_light(model) -> None:
    # A small 1 - exp(...) by hand: the positive root of the balance above ground, per kgC.
    par, k = 6.0, 0.5 * 1.5
    supply = 0.5 * 1440 * 0.6 * par * 2e-3
    above = brentq(lambda c: c - supply * (1 - np.exp(-k * c)), 1.0, 100.0, xtol=1e-13)
    npp = above / (0.5 * 1440)
    start = {"aboveground_carbon": 4000.0, "belowground_carbon": 4000.0, "soil_carbon": 60000.0}
    found = run(model, {"par_down": np.full(40_000, par), "step_length": 30.0}, start)
    expected = {"aboveground_carbon": above, "belowground_carbon": 0.5 * 1440 * npp, "soil_carbon": 27370 * npp}
    for name, kilograms in expected.items():
        assert found[name][-1, 0] / 1000 == pytest.approx(kilograms, rel=1e-9), name
    slow = equilibrium(model, {n: a[-1:] for n, a in found.items()})
    assert slow == pytest.approx({n: 1000 * expected[n] for n in ("belowground_carbon", "soil_carbon")}, rel=1e-9)


@pytest.mark.parametrize("model", [VSEM, ORIGINAL], ids=lambda m: m.name)
def test_equilibrium_of_a_long_run_under_a_cycle_of_light(model) -> None:
    cycle = light(365)
    found = run(model, {"par_down": np.tile(cycle, 2500), "step_length": 1.0})
    last = {n: a[-365:] for n, a in found.items()}
    for name, expected in equilibrium(model, last).items():
        # The mean of the cycle to rounding, the first day of the year within the season.
        assert found[name][-366:-1].mean() == pytest.approx(expected, rel=1e-8), name
        assert found[name][-366, 0] == pytest.approx(expected, rel=0.06), name
