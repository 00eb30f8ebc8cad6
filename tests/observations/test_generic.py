"""Mixing and normalisation, and what all that needs no instrument has in common: the same on arrays and tensors, with gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes.observations.composites import composites
from lsm_bayes.observations.generic import anomaly, mixed_footprint, mixed_types, percent_of_range, standardised
from lsm_bayes.observations.quantile_matching import quantile_map

RNG = np.random.default_rng(11)
SERIES = RNG.gamma(2.0, 1.5, (3, 200))


def on_tensor(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    x = pt.tensor("x", dtype="float64", shape=(None,) * values.ndim)
    return np.asarray(pytensor.function([x], function(x), mode=Mode("py", None))(values))


def slope_and_difference(function: Callable[[Any], Any], values: np.ndarray) -> tuple[float, float]:
    """Gradient of a random sum along a random direction, and its central difference."""
    x = pt.tensor("x", dtype="float64", shape=(None,) * values.ndim)
    weights = np.random.default_rng(1).normal(size=on_tensor(function, values).shape)
    direction = np.random.default_rng(2).normal(size=values.shape)
    total = (weights * function(x)).sum()
    value, gradient = (pytensor.function([x], e, mode=Mode("py", None)) for e in (total, pytensor.grad(total, x)))
    h = 1e-7
    return float((gradient(values) * direction).sum()), float(value(values + h * direction) - value(values - h * direction)) / (2 * h)


FUNCTIONS = {
    "mixed_types": lambda s: mixed_types(s, [0.2, 0.5, 0.3]),
    "anomaly": anomaly,
    "standardised": standardised,
    "percent_of_range": percent_of_range,
    "quantile_map": quantile_map(1.02 * SERIES[0] + 0.003, np.log(SERIES[1]), 11),
    "mean": composites(pd.date_range("2004-01-03", periods=200)).mean,
    "maximum": composites(pd.date_range("2004-01-03", periods=200)).maximum,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tensors_give_the_same_as_arrays(name: str) -> None:
    np.testing.assert_allclose(on_tensor(FUNCTIONS[name], SERIES), FUNCTIONS[name](SERIES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_equals_differences(name: str) -> None:
    exact, numeric = slope_and_difference(FUNCTIONS[name], SERIES)
    np.testing.assert_allclose(exact, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("symbolic", [False, True])
def test_a_missing_value_is_not_hidden(name: str, symbolic: bool) -> None:
    spoilt = SERIES.copy()
    spoilt[:, 70] = np.nan
    found = on_tensor(FUNCTIONS[name], spoilt) if symbolic else FUNCTIONS[name](spoilt)
    sound = FUNCTIONS[name](SERIES)
    assert np.isnan(found).any(axis=-1).all()
    assert not np.isnan(sound).any()


def test_types_are_mixed_by_their_cover() -> None:
    carbon = np.array([[1.0, 2.0], [10.0, 20.0]])
    np.testing.assert_allclose(mixed_types(carbon, [0.75, 0.25]), [3.25, 6.5])
    np.testing.assert_allclose(mixed_types(carbon.T, [0.75, 0.25], axis=-1), [3.25, 6.5])
    np.testing.assert_allclose(mixed_types(SERIES[:1], [1.0]), SERIES[0])


def test_fractions_that_do_not_cover_the_ground_are_refused() -> None:
    with pytest.raises(ValueError, match=r"add up to 1; got \[0.5, 0.4\], sum 0.9"):
        mixed_types(SERIES[:2], [0.5, 0.4])
    with pytest.raises(ValueError, match=r"not negative and add up to 1; got \[1.2, -0.2\]"):
        mixed_types(SERIES[:2], [1.2, -0.2])
    with pytest.raises(ValueError, match=r"each of 3 types is needed; got fractions of the shape \(2,\)"):
        mixed_types(SERIES, [0.5, 0.5])


def test_a_footprint_lies_between_its_surfaces() -> None:
    a, b = SERIES[0], SERIES[1]
    share = RNG.uniform(0, 1, 200)
    found = mixed_footprint(a, b, share)
    assert (found <= np.maximum(a, b)).all() and (found >= np.minimum(a, b)).all()
    np.testing.assert_array_equal(mixed_footprint(a, b, 1.0), a)
    np.testing.assert_allclose(on_tensor(lambda x: mixed_footprint(x, b, share), a), found)
    with pytest.raises(ValueError, match="between 0 and 1; got 1.4 to 1.4"):
        mixed_footprint(a, b, 1.4)


def test_anomaly_and_standardised_forget_offset_and_scale() -> None:
    np.testing.assert_allclose(anomaly(SERIES + 5.0), anomaly(SERIES), atol=1e-12)
    np.testing.assert_allclose(standardised(3.0 * SERIES + 5.0), standardised(SERIES), atol=1e-12)
    np.testing.assert_allclose([standardised(SERIES).mean(), standardised(SERIES).std()], [0.0, 1.0], atol=1e-12)


def test_percent_of_range_at_worked_points() -> None:
    ramp = np.arange(101.0) * 2.0 + 7.0
    np.testing.assert_allclose(percent_of_range(ramp)[[5, 50, 95]], [0.0, 50.0, 100.0], atol=1e-12)
    np.testing.assert_allclose(percent_of_range(-4.0 + 9.0 * SERIES), percent_of_range(SERIES), atol=1e-9)
    np.testing.assert_allclose(percent_of_range(SERIES), 100 * _between(SERIES), rtol=1e-12)


def _between(series: np.ndarray) -> np.ndarray:
    low, high = np.quantile(series, [0.05, 0.95], axis=-1)[..., None]
    return (series - low) / (high - low)
