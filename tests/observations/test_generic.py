"""Mixing, normalisation, quantile matching and composites: the same on arrays and tensors, with gradients and clear refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes.observations.generic import (
    anomaly,
    composites,
    mixed_footprint,
    mixed_types,
    percent_of_range,
    quantile_map,
    standardised,
)

RNG = np.random.default_rng(11)
SERIES = RNG.gamma(2.0, 1.5, (3, 200))
TIME = pd.date_range("2003-12-20", "2005-03-04")  # a leap year inside, both ends within a year


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


def test_matched_values_have_the_distribution_of_the_target() -> None:
    source, target = RNG.normal(3.0, 2.0, 4000), RNG.gamma(2.0, 0.1, 4000)
    found = quantile_map(source, target, 41)(source)
    levels = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(found, levels), np.quantile(target, levels), atol=0.01)


def test_map_of_a_linear_relation_is_that_relation_also_beyond_what_was_seen() -> None:
    source = RNG.uniform(0.0, 1.0, 500)
    found = quantile_map(source, 0.1 + 0.4 * source, 11)
    values = np.array([-1.0, 0.0, 0.33, 1.0, 2.0])
    np.testing.assert_allclose(found(values), 0.1 + 0.4 * values, rtol=1e-10)


def test_map_is_monotone_and_continuous_with_ties() -> None:
    source = np.concatenate([np.zeros(300), RNG.gamma(1.0, 1.0, 300)])
    found = quantile_map(source, np.concatenate([RNG.normal(0, 1, 500), [np.nan]]), 21)
    grid = np.linspace(-1.0, 12.0, 2001)
    values = found(grid)
    assert (np.diff(values) >= 0).all() and (np.diff(found.source) > 0).all()
    near = 1e-12
    np.testing.assert_allclose(found(found.source - near), found(found.source), atol=1e-6)
    # Many equal values make a steep piece, which does not go on beyond what was seen.
    whole = np.ptp(found.target) / np.ptp(found.source)
    np.testing.assert_allclose(found(np.array([found.source[0] - 2.0])), found.target[0] - 2.0 * whole)


def test_maps_that_cannot_be_fitted_are_refused() -> None:
    with pytest.raises(ValueError, match="the target has 3"):
        quantile_map(SERIES[0], np.array([1.0, 2.0, 3.0, np.nan]), 5)
    with pytest.raises(ValueError, match="all quantiles of the source are 2;"):
        quantile_map(np.full(50, 2.0), SERIES[0], 5)
    with pytest.raises(ValueError, match="at least 2 quantiles; got 1"):
        quantile_map(SERIES[0], SERIES[1], 1)


def test_composites_are_the_46_periods_of_modis() -> None:
    year = pd.date_range("2004-01-01", "2004-12-31")
    found = composites(year)
    assert len(found.time) == 46 and found.count[-1] == 6 and (found.count[:-1] == 8).all()
    assert list(found.time.strftime("%j")[:3]) == ["001", "009", "017"] and found.time[-1] == pd.Timestamp("2004-12-26")


@pytest.mark.parametrize("kind", ["mean", "max"])
def test_composites_equal_a_plain_groupby_of_observed_days(kind: str) -> None:
    observed = RNG.uniform(size=len(TIME)) < 0.4
    values = RNG.normal(size=len(TIME))
    label = TIME.year * 100 + (TIME.day_of_year - 1) // 8
    wanted = pd.Series(np.where(observed, values, np.nan)).groupby(label).agg(kind).dropna()
    made = composites(TIME, observed)
    found = made.mean(values) if kind == "mean" else made.maximum(values)
    np.testing.assert_allclose(found, wanted.to_numpy(), rtol=1e-12)
    assert len(made.time) == len(wanted) and made.time.is_monotonic_increasing


def test_a_largest_value_on_the_last_day_of_a_short_period_counts_once() -> None:
    made = composites(pd.date_range("2004-12-20", "2005-01-10"))
    x = pt.dvector("x")
    gradient = pytensor.function([x], pytensor.grad(made.maximum(x).sum(), x), mode=Mode("py", None))(np.arange(22.0))
    assert sorted(set(gradient)) == [0.0, 1.0] and gradient.sum() == len(made.time)


def test_days_that_were_not_observed_do_not_count() -> None:
    observed = RNG.uniform(size=len(TIME)) < 0.5
    values = np.where(observed, 1.0, np.nan)
    made = composites(TIME, observed)
    np.testing.assert_allclose(made.mean(values), 1.0)
    np.testing.assert_allclose(made.maximum(values), 1.0)


def test_composites_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got the shape \(5,\), bool"):
        composites(TIME, np.ones(5, dtype=bool))
    with pytest.raises(ValueError, match="got 0 days"):
        composites(TIME, days=0)
    with pytest.raises(ValueError, match="0 steps"):
        composites(TIME, np.zeros(len(TIME), dtype=bool))
