from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
import small_models
from small_models import Fluxes, Forcing, Parameters, State, two_pools

from lsm_bayes.declare import Budget
from lsm_bayes.oracles import RATIO, extrapolated_derivative, plausible_weather
from lsm_bayes.testing import LIMITS, BatteryReport, check_process_model


def test_a_defect_of_each_kind_is_named_with_its_size() -> None:
    def defective(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
        following, fluxes = small_models.step(x, f, p)
        # A staircase without a gradient, a clamp that swallows NaN, and carbon from nowhere.
        dead = following.soil_carbon + pt.floor(1e8 * p.efficiency) / 1e9
        warm = pt.switch(p.q10 > 0, p.q10, 1.0)
        return following._replace(soil_carbon=dead), fluxes._replace(gpp=fluxes.gpp * warm)

    with pytest.raises(AssertionError) as caught:
        check_process_model(two_pools("defective", step=defective), steps=80, points=3)
    text = str(caught.value)
    assert text.startswith("process model 'defective' fails its battery (seed 0):")
    assert "gradient against differences: " in text and "at most 1e-06 is accepted (efficiency at point" in text
    assert "budgets: " in text and "(budget 'carbon')" in text
    assert "nan not propagated: " in text and "is finite although q10 is NaN" in text
    assert "dot product" not in text and "half" not in text and "lanes" not in text


def test_a_budget_may_be_of_what_states_and_parameters_make() -> None:
    def relative(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
        following, fluxes = small_models.step(x._replace(foliage_carbon=x.foliage_carbon * p.q10), f, p)
        return following._replace(foliage_carbon=following.foliage_carbon / p.q10), fluxes

    def amount(x: State, p: Parameters) -> Any:
        return x.foliage_carbon * p.q10 + x.soil_carbon

    budget = Budget(("foliage_carbon", "soil_carbon"), ("gpp",), ("reco",), amount)
    report = check_process_model(two_pools("relative", step=relative, budgets={"carbon": budget}), steps=20, points=2)
    assert report.where["budgets"] == "budget 'carbon'" or report.figures["budgets"] == 0
    with pytest.raises(AssertionError, match="budget 'carbon'"):
        check_process_model(two_pools("relative", step=relative), steps=20, points=2)


def test_bounds_without_a_finite_trajectory_are_reported() -> None:
    def nowhere(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
        following, fluxes = small_models.step(x, f, p)
        return following, fluxes._replace(gpp=pt.log(-p.turnover))

    with pytest.raises(
        AssertionError, match="process model 'nowhere': only 0 of 40 random points inside the bounds have a finite trajectory"
    ):
        check_process_model(two_pools("nowhere", step=nowhere), steps=10, points=2)


def test_a_figure_that_is_not_a_number_fails() -> None:
    report = BatteryReport("m", 0, 1, 1, {"dot_product": float("nan"), "budgets": 0.0}, {"dot_product": "point 3", "budgets": "closed"})
    assert report.failures() == ["dot product: nan, at most 1e-10 is accepted (point 3)"]
    assert "point 3" in str(report)
    assert set(report.figures) <= set(LIMITS)


def test_weather_that_cannot_be_made_up_is_asked_for() -> None:
    with pytest.raises(KeyError, match="no plausible values are known for nbe; give them as forcing=.name: series of 5 values"):
        plausible_weather(["lai", "nbe"], np.arange(5.0), 1.0, np.random.default_rng(0))


def test_weather_has_seasons_days_and_consistent_temperatures() -> None:
    names = ["air_temperature", "air_temperature_min", "air_temperature_max", "shortwave_down", "precipitation", "burned_area"]
    daily = plausible_weather(names, np.arange(730) + 0.5, 1.0, np.random.default_rng(0))
    assert (daily["air_temperature_min"] < daily["air_temperature"]).all() and (
        daily["air_temperature"] < daily["air_temperature_max"]
    ).all()
    assert daily["shortwave_down"][150:210].mean() > 2 * daily["shortwave_down"][:30].mean() > 0
    hourly = plausible_weather(names, (np.arange(480) + 0.5) / 24, 1 / 24, np.random.default_rng(0))
    assert hourly["shortwave_down"].reshape(-1, 24)[:, 0].max() == 0.0 < hourly["shortwave_down"].reshape(-1, 24)[:, 12].min()


@pytest.mark.parametrize("function", [np.exp, np.sin, lambda x: 1 / (1 + x**2)])
def test_extrapolated_differences_are_exact_to_many_digits(function: Any) -> None:
    x = np.array([0.3, 1.1])
    steps = 0.2 / RATIO ** np.arange(6)
    central = np.stack([(function(x + h) - function(x - h)) / (2 * h) for h in steps])
    exact = np.imag(function(x + 1e-30j)) / 1e-30
    found, error, _ = extrapolated_derivative(central)
    np.testing.assert_allclose(found, exact, rtol=1e-11)
    assert (np.abs(found - exact) <= 10 * error + 1e-13).all()


def test_extrapolated_differences_pass_over_a_kink_nearby_and_stay_above_rounding() -> None:
    steps = 0.2 / RATIO ** np.arange(6)

    def central(function: Any, x: float) -> np.ndarray:
        return (function(x + steps) - function(x - steps)) / (2 * steps)

    found, *_ = extrapolated_derivative(central(lambda x: np.exp(x) + 3 * np.abs(x - 1e-4), 0.0))
    assert found == pytest.approx(1 - 3, rel=1e-9)
    rounding = 1e-13 / steps[0]
    noisy = central(np.exp, 0.0) + np.random.default_rng(0).normal(size=6) * rounding * RATIO ** np.arange(6)
    found, error, noise = extrapolated_derivative(noisy, rounding)
    assert abs(found - 1) < 10 * noise <= 10 * error < 1e-8
