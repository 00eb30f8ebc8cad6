"""Seasonal shape of the error sd."""

import numpy as np
import pandas as pd
import pytest

from lsm_bayes.errors.envelope import seasonal_envelope

TIME = pd.date_range("2001-01-01", "2010-12-31")
ANGLE = 2 * np.pi * TIME.day_of_year.to_numpy() / 366
SPREAD = np.exp(-0.8 * np.cos(ANGLE))  # 0.45 in winter, 2.2 in summer


def season(spread: np.ndarray) -> np.ndarray:
    return -3.0 * np.cos(ANGLE) + spread * np.random.default_rng(1).normal(size=ANGLE.size)


@pytest.mark.parametrize("kind", ["fast", "slow"])
@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0])
def test_mean_square_is_one(kind, exponent: float) -> None:
    shape = seasonal_envelope(season(SPREAD), TIME, kind, exponent)
    assert shape.shape == (366,) and (shape > 0).all()
    assert np.mean(shape**2) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_shape_of_the_fast_error_is_recovered(exponent: float) -> None:
    found = seasonal_envelope(season(SPREAD), TIME, "fast", exponent)
    wanted = np.exp(-0.8 * exponent * np.cos(2 * np.pi * np.arange(1, 367) / 366))
    # 150 values near each day of the year leave 6 % in a spread; two harmonics over the year leave less.
    np.testing.assert_allclose(found, wanted / np.sqrt(np.mean(wanted**2)), rtol=0.12)


def test_shape_of_the_slow_error_is_that_of_differences_between_years() -> None:
    rng = np.random.default_rng(2)
    anomaly = rng.normal(size=(30, 12))
    time = pd.date_range("1981-01-01", "2010-12-31")
    month, year = time.month.to_numpy() - 1, time.year.to_numpy() - 1981
    spread = np.exp(-0.8 * np.cos(2 * np.pi * (np.arange(12) + 0.5) / 12))
    found = seasonal_envelope((anomaly * spread)[year, month], time, "slow", 1.0)
    assert abs(int(found.argmax()) - 183) < 30
    assert 2.5 < found.max() / found.min() < 9.0


def test_constant_spread_gives_a_flat_shape() -> None:
    np.testing.assert_allclose(seasonal_envelope(season(np.ones(ANGLE.size)), TIME, "fast", 1.0), 1.0, atol=0.1)


def test_few_data_give_a_constant() -> None:
    short = slice(0, 60)
    np.testing.assert_array_equal(seasonal_envelope(season(SPREAD)[short], TIME[short], "fast", 1.0), np.ones(366))


def test_gaps_do_not_matter_much() -> None:
    kept = np.random.default_rng(3).uniform(size=ANGLE.size) < 0.6
    values = season(SPREAD)
    whole, part = (seasonal_envelope(values[k], TIME[k], "fast", 1.0) for k in (np.ones_like(kept), kept))
    np.testing.assert_allclose(part, whole, rtol=0.12)
