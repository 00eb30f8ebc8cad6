"""Radiocarbon: steady states, steps, the bomb curve, budgets, and the convention of Delta."""

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.observations.radiocarbon_balance import DECAY, delta_from_fraction_modern, pool_fraction, radiocarbon_in_series

YEARS = np.arange(1940, 2020)


def bomb() -> np.ndarray:
    """Rough shape of the atmosphere: 700 permille in 1964, and back with 16 years."""
    return np.where(YEARS < 1955, -20.0, np.where(YEARS < 1964, (YEARS - 1955) * 80.0, 700.0 * np.exp(-(YEARS - 1964) / 16.0)))


def given(curve: np.ndarray, days: float = 365.25) -> dict[str, np.ndarray]:
    return {"atmospheric_radiocarbon": curve, "step_length": np.full(curve.shape, days)}


def number(x: object) -> np.ndarray:
    return np.asarray(pt.as_tensor(x).eval(mode=Mode("py", None)))


def test_under_a_constant_atmosphere_age_is_that_of_the_turnover() -> None:
    # k = lambda F / (1 - F) of a steady state under an atmosphere of F = 1.
    found = observations.get("soil_radiocarbon").evaluate(given(np.zeros(30)), {"turnover_time": 2000.0, "plant_residence_time": 0.1})
    fraction = 1.0 + found / 1000.0
    np.testing.assert_allclose(DECAY * fraction / (1.0 - fraction), 1.0 / 2000.0, rtol=1e-4)
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


def test_step_of_the_atmosphere_is_approached_exponentially() -> None:
    tau, high = 25.0, 300.0
    curve = np.where(np.arange(60) < 10, 0.0, high)
    mean = number(pool_fraction(1.0 + curve / 1000.0, 1.0 / tau, 365.25))
    rate = 1.0 / tau + DECAY
    end = (1.0 + high / 1000.0) / (tau * rate)
    at = lambda t: end + (1.0 / (tau * rate) - end) * np.exp(-rate * t)  # noqa: E731
    fine = (np.arange(1000) + 0.5) / 1000.0
    wanted = [at(fine + k).mean() for k in range(50)]
    np.testing.assert_allclose(mean[10:], wanted, rtol=1e-7)


def test_value_does_not_depend_on_the_length_of_steps() -> None:
    yearly = observations.get("soil_radiocarbon").evaluate(given(bomb()))
    monthly = observations.get("soil_radiocarbon").evaluate(given(np.repeat(bomb(), 12), 365.25 / 12)).reshape(-1, 12).mean(axis=1)
    np.testing.assert_allclose(monthly, yearly, atol=0.5)


def test_fast_soil_follows_the_atmosphere_and_slow_soil_hardly() -> None:
    operator = observations.get("soil_radiocarbon")
    fast = operator.evaluate(given(bomb()), {"turnover_time": 2.0, "plant_residence_time": 0.1})
    assert np.abs(fast[40:] - bomb()[40:]).max() < 40.0
    peak = [operator.evaluate(given(bomb()), {"turnover_time": t}).max() for t in (2.0, 10.0, 50.0, 500.0, 5000.0)]
    assert (np.diff(peak) < 0).all() and peak[-1] < 0.0


def test_bomb_carbon_cannot_tell_fast_from_slow_at_one_time() -> None:
    # The well-known two solutions: soon after the peak, and still rising.
    operator = observations.get("soil_radiocarbon")
    times = np.geomspace(2.0, 300.0, 60)
    found = operator.evaluate({n: np.tile(v, (60, 1)) for n, v in given(bomb()).items()}, {"turnover_time": times[:, None]})[:, -1]
    level = 0.5 * (found.max() + found[0])
    assert (np.diff(np.sign(found - level)) != 0).sum() == 2


def test_plants_hold_the_peak_back() -> None:
    operator = observations.get("soil_radiocarbon")
    peaks = [int(np.argmax(operator.evaluate(given(bomb()), {"plant_residence_time": r, "turnover_time": 10.0}))) for r in (0.1, 5.0, 20.0)]
    assert peaks == sorted(set(peaks))


def test_start_is_forgotten_with_the_turnover() -> None:
    operator = observations.get("soil_radiocarbon_from_start")
    low, high = (operator.evaluate(given(bomb()), {"turnover_time": 20.0, "start": s}) for s in (-50.0, 150.0))
    ratio = (high - low)[1:] / (high - low)[:-1]
    np.testing.assert_allclose(ratio, np.exp(-(1.0 / 20.0 + DECAY)), rtol=1e-9)
    steady = observations.get("soil_radiocarbon").evaluate(given(bomb()), {"turnover_time": 20.0})
    same = operator.evaluate(given(bomb()), {"turnover_time": 20.0, "start": steady[0]})
    np.testing.assert_allclose(same, steady, atol=0.3)


def test_respired_carbon_lies_between_air_and_soil() -> None:
    operator, soil = observations.get("respired_radiocarbon"), observations.get("soil_radiocarbon")
    times = {"plant_residence_time": 2.0, "turnover_time": 15.0}
    old = soil.evaluate(given(bomb()), times)
    for share in (0.02, 0.5, 0.98):
        found = operator.evaluate(given(bomb()), {**times, "recent_share": share})
        np.testing.assert_allclose(found, share * bomb() + (1 - share) * old, rtol=1e-12, atol=1e-9)


def test_series_of_pools_in_steady_state_is_the_operator() -> None:
    curve, flow = bomb(), np.full(YEARS.size, 1.2)
    plants, soil = radiocarbon_in_series(curve, [flow, flow], [flow, flow], [1.2 * 365.25 * 3.0, 1.2 * 365.25 * 60.0], 365.25)
    wanted = observations.get("soil_radiocarbon").evaluate(given(curve), {"plant_residence_time": 3.0, "turnover_time": 60.0})
    np.testing.assert_allclose(number(soil), wanted, rtol=1e-10)
    assert number(plants).max() > number(soil).max()


def test_radiocarbon_of_a_growing_pool_is_conserved() -> None:
    # Carbon-14 that stays is what came in, less what left and what decayed: to second order in the step.
    def residual(per_year: int) -> float:
        days, n = 365.25 / per_year, 40 * per_year
        t = (np.arange(n) + 0.5) / per_year
        gain, loss, initial = 2.0 + 0.5 * np.sin(t), 1.0 + 0.3 * np.cos(t), 8000.0
        atmosphere = 200.0 * np.exp(-t / 20.0)
        fraction = 1.0 + number(radiocarbon_in_series(atmosphere, [gain], [loss], [initial], days)[0]) / 1000.0
        carbon = initial + np.cumsum((gain - loss) * days) - 0.5 * (gain - loss) * days
        stock = fraction * carbon
        middle = 0.5 * (stock[1:] + stock[:-1])
        flow = gain * (1.0 + atmosphere / 1000.0) - loss * fraction
        flow = 0.5 * (flow[1:] + flow[:-1])
        return float(np.abs(np.diff(stock) - days * (flow - DECAY / 365.25 * middle)).sum() / (days * gain.sum()))

    coarse, fine = residual(4), residual(8)
    assert coarse < 1e-3 and fine < 0.4 * coarse


def test_losses_matter_only_through_the_size_of_the_pool() -> None:
    curve, gain = bomb(), np.full(YEARS.size, 1.0)
    grown, steady = (number(radiocarbon_in_series(curve, [gain], [loss], [5000.0], 365.25)[0]) for loss in (0.5 * gain, gain))
    assert grown[1] == pytest.approx(steady[1], rel=0.05) and grown[-1] != pytest.approx(steady[-1], rel=0.01)


def test_delta_corrects_the_decay_of_the_standard() -> None:
    # Fraction modern 1 measured in 1950 is Delta 0; a sample of 2010 has lost 7.2 permille of it to the standard's decay.
    assert delta_from_fraction_modern(1.0, 1950.0) == 0.0
    assert delta_from_fraction_modern(1.0, 2010.0) == pytest.approx(-7.2, abs=0.05)
    assert delta_from_fraction_modern(0.5, 1950.0) == pytest.approx(-500.0)
    assert np.log(2.0) / DECAY == pytest.approx(5730.0, abs=1.0)
