"""RothC and CENTURY: a step by hand, steady states, and the declared equilibrium of long runs under cycled forcing."""

import numpy as np
import pytest
from runs import equilibrium, run

from lsm_bayes.land import get
from lsm_bayes.land.century import century
from lsm_bayes.land.rothc import rothc
from lsm_bayes.oracles import plausible_weather

ROTHC, CENTURY = get("rothc"), get("century")
MONTH = 365.25 / 12
# Thousands of years after which the slowest pool has settled.
SLOW = {"rothc": 20, "century": 30}


def month_by_month(years: int) -> dict[str, np.ndarray]:
    """Weather of one year again and again, monthly."""
    names = ["litterfall", "soil_temperature", "soil_water"]
    year = plausible_weather(names, MONTH * (np.arange(12) + 0.5), MONTH, np.random.default_rng(5))
    return {n: np.tile(v, years) for n, v in year.items()}


def test_step_of_rothc_by_hand() -> None:
    # Wetness at the optimum and a vegetated surface: the worked numbers of the factors, litter after decomposition.
    start = {
        "decomposable_plant_carbon": 200.0,
        "resistant_plant_carbon": 4000.0,
        "microbial_carbon": 300.0,
        "humus_carbon": 8000.0,
        "inert_soil_carbon": 500.0,
    }
    forcing = {"litterfall": [2.0], "soil_temperature": 10.0, "soil_water": 27.0, "step_length": MONTH}
    found = {n: a[:, 0] for n, a in run(ROTHC, forcing, start).items()}
    lost = np.array([84.919773, 65.775734, 10.746034, 8.8381201])
    kept = (1 - 0.78468165) * lost.sum()
    litter = 2.0 * MONTH
    expected = [
        200.0 - lost[0] + litter * 0.67 / 1.67,
        4000.0 - lost[1] + litter / 1.67,
        300.0 - lost[2] + 0.46 * kept,
        8000.0 - lost[3] + 0.54 * kept,
    ]
    np.testing.assert_allclose([found[n][1] for n in ROTHC.state_parameters], expected, rtol=1e-8)
    assert found["heterotrophic_respiration"][0] * MONTH == pytest.approx(0.78468165 * lost.sum(), rel=1e-7)
    assert found["soil_carbon"][0] == 13000.0


def test_step_of_century_by_hand() -> None:
    start = dict(zip(CENTURY.state_parameters, (100.0, 600.0, 200.0, 3000.0, 5000.0), strict=True))
    forcing = {"litterfall": [2.0], "soil_temperature": 10.0, "soil_water": 18.0, "step_length": 1.0}
    values = {"q10": np.exp(0.69), "lignin_to_nitrogen": 10.0, "structural_lignin": 0.2}
    found = {n: a[:, 0] for n, a in run(CENTURY, forcing, start | values).items()}
    factor = 0.2515785530597565 * 0.494
    years = np.array([0.066, 0.245 * np.exp(0.6), 0.149 / 0.85, 5.48, 241.0])
    metabolic, structural, active, slow, passive = np.array(list(start.values())) * -np.expm1(-factor / years / 365.25)
    to_active = 0.45 * metabolic + 0.45 * 0.8 * structural + 0.42 * slow + 0.45 * passive
    to_slow = 0.7 * 0.2 * structural + 0.282 * active
    to_passive = 0.004 * active + 0.03 * slow
    gains = np.array([2.0 * 0.67 - metabolic, 2.0 * 0.33 - structural, to_active - active, to_slow - slow, to_passive - passive])
    np.testing.assert_allclose([found[n][1] for n in start], np.array(list(start.values())) + gains, rtol=1e-12)
    assert found["temperature_factor"][0] == pytest.approx(0.25157855, rel=1e-7)
    assert found["moisture_factor"][0] == pytest.approx(0.494, rel=1e-12)
    # What is respired: 0.55 of everything but the two flows with other fractions.
    soil = 0.714 * active + 0.55 * slow + 0.55 * passive
    litter = 0.55 * metabolic + 0.55 * 0.8 * structural + 0.3 * 0.2 * structural
    assert found["soil_respiration"][0] == pytest.approx(soil, rel=1e-12)
    assert found["litter_respiration"][0] == pytest.approx(litter, rel=1e-12)


@pytest.mark.parametrize("model", [ROTHC, CENTURY], ids=lambda m: m.name)
def test_equilibrium_is_the_steady_state_of_constant_forcing(model) -> None:
    years = 1000 * SLOW[model.name]
    forcing = {"litterfall": np.full(years, 1.5), "soil_temperature": 12.0, "soil_water": 22.0, "step_length": 365.25}
    found = run(model, forcing)
    expected = equilibrium(model, found)
    assert list(expected) == list(model.state_parameters)
    for name, pool in expected.items():
        assert found[name][-1, 0] == pytest.approx(pool, rel=1e-9), name
    assert found["heterotrophic_respiration"][-1, 0] == pytest.approx(1.5, rel=1e-9)


# What the covariance of pool and rate within the year does to the mean of each pool: twice what was measured.
NEGLECTED = {
    "rothc": {"humus_carbon": 3e-4, "microbial_carbon": 0.01, "resistant_plant_carbon": 0.01, "decomposable_plant_carbon": 0.1},
    "century": {
        "passive_soil_carbon": 1e-7,
        "slow_soil_carbon": 1e-5,
        "active_soil_carbon": 0.01,
        "structural_litter_carbon": 3e-3,
        "metabolic_litter_carbon": 1e-3,
    },
}


@pytest.mark.parametrize("model", [ROTHC, CENTURY], ids=lambda m: m.name)
def test_equilibrium_of_a_long_run_under_cycled_forcing(model) -> None:
    found = run(model, month_by_month(1000 * SLOW[model.name]) | {"step_length": MONTH})
    last = {n: a[-12:] for n, a in found.items()}
    expected = equilibrium(model, last)
    losses = {}
    for name, pool in expected.items():
        during = found[name][-13:-1]
        assert found[name][-13, 0] == pytest.approx(found[name][-1, 0], rel=1e-9), f"{name} has not settled"
        losses[name] = (during * last[f"{name.removesuffix('_carbon')}_loss_rate"]).mean()
        assert during.mean() == pytest.approx(pool, rel=NEGLECTED[model.name][name]), name
    # Without the covariance the balance is exact: the mean loss of each pool is that of its equilibrium.
    for name, pool in expected.items():
        rate = last[f"{name.removesuffix('_carbon')}_loss_rate"].mean()
        assert pool * rate == pytest.approx(losses[name], rel=1e-8), name


@pytest.mark.parametrize(("declare", "name"), [(rothc, "rothc"), (century, "century")])
def test_exponential_and_forward_losses_converge_as_the_step_shortens(declare, name: str) -> None:
    start = {n: declared for n, (_, declared) in get(name).state_parameters.items()}
    forward = declare(loss="forward", name=f"{name}_forward")
    off = []
    for parts in (30, 120):
        forcing = {"litterfall": np.full(parts, 1.0), "soil_temperature": 15.0, "soil_water": 25.0, "step_length": 30.0 / parts}
        ends = [run(m, forcing, start) for m in (get(name), forward)]
        off.append(max(abs(ends[0][n][-1, 0] / ends[1][n][-1, 0] - 1) for n in start))
    assert off[0] / off[1] == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize(("declare", "name"), [(rothc, "rothc"), (century, "century")])
def test_rounded_moisture_factor_converges_to_the_exact_model(declare, name: str) -> None:
    forcing = month_by_month(3) | {"step_length": MONTH}
    exact = run(get(name), forcing)["heterotrophic_respiration"]
    rounded = run(declare(moisture_width=1e-4, name=f"{name}_rounded"), forcing)["heterotrophic_respiration"]
    np.testing.assert_allclose(rounded, exact, rtol=1e-3)
    assert (rounded != exact).any()
