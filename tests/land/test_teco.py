import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from model_runs import run

from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import get, teco
from lsm_bayes.processes import linear_pools

SEVEN, EIGHT = get("teco_7pool"), get("teco_8pool")
AMBIENT = {"microbial_turnover": 8.534e-3}  # of the source; outside the published bounds
# Where the environmental factor is one.
NEUTRAL = 10.0 * (1.0 - np.log(0.65) / np.log(2.2))


def steady(gpp: float, steps: int, days: float = 1.0) -> dict[str, Any]:
    ones = np.ones(steps)
    return {"gpp": gpp * ones, "air_temperature_ten_day_mean": NEUTRAL * ones, "soil_water": 30.0 * ones, "step_length": days * ones}


def pools_of(states: dict[str, np.ndarray], at: Any = -1) -> np.ndarray:
    return np.array([s[at] for s in states.values()])


def matrices(model: ProcessModel, values: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The matrix A K and the vector B."""
    form = teco._seven_pool_form if model is SEVEN else teco._eight_pool_form
    p = model.parameters(**values)
    shares, transfers, _ = form(p)
    names = [n.removesuffix("_carbon") for n in model.state_parameters]
    a = -np.eye(len(names))
    for (source, target), fraction in transfers.items():
        a[names.index(target), names.index(source)] = fraction
    rates = np.array([getattr(p, f"{n}_turnover") for n in names])
    return a * rates, np.array([shares.get(n, 0.0) for n in names])


def defaults(model: ProcessModel) -> dict[str, float]:
    return {n: d for n, (_, d) in model.parameter_table.items()}


def test_three_days_of_the_seven_pool_source() -> None:
    # Program of Xu et al. (2006), ambient CO2: canopy carbon fixation is scaled by 2.
    forcing = {
        "gpp": 2 * np.array([2.0, 3.0, 1.0]),
        "air_temperature_ten_day_mean": [12.0, 15.0, 9.0],
        "soil_water": [25.0, 18.0, 12.0],
        "step_length": [1.0] * 3,
    }
    states, fluxes = run(SEVEN, forcing, AMBIENT)
    np.testing.assert_allclose(fluxes["decomposition_factor"], [0.7610231934, 0.867695223, 0.3604311678], rtol=1e-9)
    expected = [
        [469.371821, 4100.887656, 63.40184255, 694.0467843, 122.8351348, 1385.264575, 923.0038591],
        [470.1550228, 4102.331454, 62.73138859, 694.1003324, 122.6433855, 1385.565862, 923.0082549],
        [470.3567758, 4102.783439, 62.45843098, 694.1227545, 122.5619988, 1385.690834, 923.0100788],
    ]
    for day, wanted in enumerate(expected, 1):
        np.testing.assert_allclose(pools_of(states, day), wanted, rtol=1e-9)


def test_observation_mapping_of_the_seven_pool_source() -> None:
    # The source evaluates it with the pools after the step, and does not scale the input in it.
    start = [470.3567758, 4102.783439, 62.45843098, 694.1227545, 122.5619988, 1385.690834, 923.0100788]
    forcing = {"gpp": [1.0], "air_temperature_ten_day_mean": [9.0], "soil_water": [12.0], "step_length": [1.0]}
    _, fluxes = run(SEVEN, forcing, AMBIENT | dict(zip(SEVEN.state_parameters, start, strict=True)))
    assert fluxes["soil_efflux"][0] == pytest.approx(0.8741581942, rel=1e-9)
    assert fluxes["aboveground_litterfall"][0] == pytest.approx(0.3348044105, rel=1e-9)
    assert fluxes["forest_floor_carbon"][0] == pytest.approx(0.75 * (start[2] + start[3]))


def tutorial() -> ProcessModel:
    """The seven pools with all of the input allocated."""

    def form(p: Any) -> Any:
        return {"nonwoody": 0.45, "wood": 0.55}, teco.TRANSFERS, teco.Q10

    return ProcessModel(
        name="tutorial",
        title="Pools of the matrix tutorial",
        parameters=SEVEN.parameters,
        **teco._declared(form, teco.SevenPools, teco.SevenPoolFluxes, teco._seven_pool_diagnostics),
    )


def test_worked_numbers_of_the_matrix_tutorial() -> None:
    model, gpp = tutorial(), 2.245e-5 * 86400
    empty = dict.fromkeys(model.state_parameters, 0.0) | AMBIENT
    states, _ = run(model, steady(gpp, 3), empty)
    expected = [
        [0.872856, 1.066824, 0, 0, 0, 0, 0],
        [1.744175773, 2.133541207, 0.001094254179, 0.000548765731, 0, 0, 0],
        [2.613962024, 3.200151631, 0.0032573452, 0.001645044924, 1.069867136e-5, 1.275194367e-7, 0],
    ]
    for day, wanted in enumerate(expected, 1):
        np.testing.assert_allclose(pools_of(states, day), wanted, rtol=1e-9, atol=1e-15)
    at_rest = [495.9409091, 10657.15656, 28.96102705, 1559.697836, 107.674475, 7068.041438, 7335.606809]
    assert model.equilibrium
    found = model.equilibrium.pools({"gpp": gpp, "decomposition_factor": 1.0}, model.parameters(**AMBIENT))
    np.testing.assert_allclose(list(found.values()), at_rest, rtol=1e-9)
    assert sum(found.values()) / gpp / 365 == pytest.approx(38.49396292, rel=1e-4)


def test_worked_numbers_of_the_eight_pools() -> None:
    empty = dict.fromkeys(EIGHT.state_parameters, 0.0)
    states, fluxes = run(EIGHT, steady(3.37, 3), empty)
    expected = [
        [0.4718, 0.8762, 0.4718, 0, 0, 0, 0, 0],
        [0.942382756, 1.752348655, 0.942472398, 0.00132104, 0.00107515132, 0, 0, 0],
        [1.411751408, 2.628445967, 1.412019889, 0.00394535523, 0.003221959533, 6.760584482e-6, 2.808832824e-7, 0],
    ]
    for day, wanted in enumerate(expected, 1):
        np.testing.assert_allclose(pools_of(states, day), wanted, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(fluxes["npp"], 0.54 * 3.37)
    at_rest = [182.8682171, 14952.21843, 197.4058577, 47.61284404, 1369.284211, 81.11121241, 6128.83566, 826.5097742]
    assert EIGHT.equilibrium
    found = EIGHT.equilibrium.pools({"gpp": 3.37, "decomposition_factor": 1.0}, EIGHT.parameters())
    np.testing.assert_allclose(list(found.values()), at_rest, rtol=1e-9)


@pytest.mark.parametrize("model", [SEVEN, EIGHT], ids=["seven", "eight"])
def test_step_equals_the_matrix_equation(model: ProcessModel) -> None:
    a_k, b = matrices(model, defaults(model))
    assert np.all(a_k.sum(axis=0) <= 1e-18)
    rng = np.random.default_rng(3)
    gpp, temperature, water = rng.uniform(0, 10, 50), rng.uniform(-5, 25, 50), rng.uniform(5, 40, 50)
    forcing = {"gpp": gpp, "air_temperature_ten_day_mean": temperature, "soil_water": water, "step_length": np.full(50, 1.0)}
    states, fluxes = run(model, forcing, {})
    x = pools_of(states, 0)
    for t in range(50):
        factor = 0.65 * 2.2 ** ((temperature[t] - 10) / 10) * (1 if water[t] >= 20 else 1 - 5 * (0.2 - 0.01 * water[t]))
        x = x + factor * a_k @ x + b * gpp[t]
        np.testing.assert_allclose(pools_of(states, t + 1), x, rtol=1e-12)
    np.testing.assert_allclose(fluxes["reco"] - fluxes["gpp"], fluxes["nee"], rtol=1e-10)


@pytest.mark.parametrize("model", [SEVEN, EIGHT], ids=["seven", "eight"])
def test_a_long_run_ends_at_the_declared_equilibrium(model: ProcessModel) -> None:
    # Explicit steps of any length have the same fixed point.
    values = defaults(model) | {"passive_soil_turnover": 9e-6}
    forcing = steady(4.0, 300_000, 20.0)
    states, fluxes = run(model, forcing, values)
    assert model.equilibrium
    means = {n: fluxes[n][-365:].mean() for n in model.equilibrium.needs}
    found = model.equilibrium.pools(means, model.parameters(**values))
    assert list(found) == list(model.state_parameters)
    np.testing.assert_allclose(list(found.values()), pools_of(states), rtol=1e-9)
    a_k, b = matrices(model, values)
    np.testing.assert_allclose(a_k @ np.array(list(found.values())) + 4.0 * b, 0.0, atol=1e-12)


def test_throughflow_solves_any_set_of_transfers() -> None:
    rng = np.random.default_rng(0)
    names = list("abcdef")
    matrix = rng.uniform(0, 0.9 / 6, (6, 6))  # of carbon that stays in its own pool, too
    inputs = rng.uniform(0, 1, 6)
    transfers = {(s, t): matrix[i, j] for j, s in enumerate(names) for i, t in enumerate(names)}
    found = linear_pools.throughflow(dict(zip(names, inputs, strict=True)), transfers)
    np.testing.assert_allclose(list(found.values()), np.linalg.solve(np.eye(6) - matrix, inputs), rtol=1e-13)


@pytest.fixture(scope="module")
def spruce() -> dict[str, np.ndarray]:
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    path = Path(data).resolve().parent / "reference" / "teco_spruce.nc"
    if not path.exists():
        pytest.skip(f"no teco_spruce.nc in {path.parent.name!r} beside the folder that LSM_BAYES_DATA names")
    names = [
        "day",
        "gpp",
        "nee",
        "reco",
        "foliage",
        "foliage_growth",
        "wood",
        "wood_growth",
        "root",
        "root_growth",
        "soil",
        "phenology",
        "lai",
    ]
    with xr.open_dataset(path) as found:
        return dict(zip(names, found["run_O2_r8"].values.T, strict=True))


def test_wood_and_roots_of_teco_spruce_lose_carbon_with_one_factor(spruce: dict[str, np.ndarray]) -> None:
    # In winter nothing grows: from the factor that its wood shows (residence time 40 years), follow its roots (0.8 years).
    growing = np.flatnonzero(spruce["wood_growth"] + spruce["root_growth"] > 0)
    n = int(growing[0]) - 1
    assert n > 40
    factor = -np.diff(spruce["wood"][: n + 1]) / spruce["wood"][:n] * 40 * 365
    assert np.all((factor > 0.08) & (factor < 1))
    water = 100 * (0.2 - (1 - factor.mean()) / 5)
    forcing = steady(0.0, n) | {"soil_water": np.full(n, water)}
    values = {"wood_turnover": 1 / (40 * 365), "root_turnover": 1 / (0.8 * 365)}
    start = {"wood_carbon": spruce["wood"][0], "root_carbon": spruce["root"][0]}
    states, _ = run(EIGHT, forcing, values | start)
    np.testing.assert_allclose(states["root_carbon"], spruce["root"][: n + 1], rtol=2e-3)
    np.testing.assert_allclose(states["wood_carbon"], spruce["wood"][: n + 1], rtol=1e-5)
