"""Means over periods: only of observed days, the same on arrays and tensors, no week over two years."""

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes.observations.aggregation import FEWEST, aggregation, combined

TIME = pd.date_range("2003-03-10", "2006-02-20")  # a leap year inside, both ends within a year
PERIODS = ["day", "week", "month", "year"]


def observed(kept: float = 0.7, seed: int = 1) -> np.ndarray:
    found = np.random.default_rng(seed).uniform(size=len(TIME)) < kept
    found[400:470] = False
    return found


def label(period: str) -> pd.Series:
    """Name the period of each day in plain pandas."""
    day = TIME.day_of_year.to_numpy()
    within = {"day": day, "week": np.minimum((day - 1) // 7, 51), "month": TIME.month.to_numpy(), "year": 0 * day}[period]
    return pd.Series([f"{y}-{w:03d}" for y, w in zip(TIME.year, within, strict=True)])


@pytest.mark.parametrize("period", PERIODS)
def test_mean_equals_a_plain_groupby(period: str) -> None:
    mask = observed(0.92)
    values = np.random.default_rng(2).normal(size=len(TIME))
    table = pd.DataFrame({"label": label(period), "value": np.where(mask, values, np.nan)}).groupby("label")["value"].agg(["mean", "count"])
    wanted = table.loc[table["count"] >= FEWEST[period], "mean"].to_numpy()
    found = aggregation(TIME, mask, period)
    np.testing.assert_allclose(found.mean(values), wanted, rtol=1e-12)
    assert len(found.time) == len(found.gap) == len(wanted) > 0


@pytest.mark.parametrize("period", PERIODS)
def test_tensors_give_the_same_as_arrays(period: str) -> None:
    found = aggregation(TIME, observed(0.92), period)
    for shape in ((len(TIME),), (3, len(TIME))):
        values = np.random.default_rng(3).normal(size=shape)
        symbolic = pytensor.function([], found.mean(pt.as_tensor(values)), mode=Mode("py", None))()
        np.testing.assert_allclose(symbolic, found.mean(values), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("period", ["week", "month", "year"])
def test_days_that_were_not_observed_do_not_count(period: str) -> None:
    mask = observed(0.92)
    values = np.random.default_rng(4).normal(size=len(TIME))
    found = aggregation(TIME, mask, period)
    np.testing.assert_array_equal(found.mean(np.where(mask, values, np.nan)), found.mean(values))
    assert mask[found.steps].all()


@pytest.mark.parametrize("period", ["week", "month"])
def test_no_period_spans_two_years(period: str) -> None:
    found = aggregation(TIME, np.ones(len(TIME), dtype=bool), period)
    first = np.concatenate([[0], found.last[:-1]])
    assert (TIME[found.steps[first]].year == TIME[found.steps[found.last - 1]].year).all()
    whole = found.time[(found.time.year == 2004)]
    assert len(whole) == {"week": 52, "month": 12}[period]


def test_periods_with_few_days_are_left_out_and_leave_a_gap() -> None:
    mask = np.ones(len(TIME), dtype=bool)
    mask[(TIME.year == 2004) & (TIME.month == 5) & (TIME.day > 10)] = False
    found = aggregation(TIME, mask, "month")
    assert not ((found.time.year == 2004) & (found.time.month == 5)).any()
    june = (found.time.year == 2004) & (found.time.month == 6)
    assert found.gap[june].tolist() == [2.0] and np.isinf(found.gap[0])
    assert (found.gap[1:][~june[1:]] == 1.0).all()


def test_gap_of_days_is_in_units_of_the_usual_spacing() -> None:
    every = np.zeros(len(TIME), dtype=bool)
    every[::8] = True
    every[160] = False
    found = aggregation(TIME, every, "day")
    assert np.isinf(found.gap[0]) and sorted(set(found.gap[1:])) == [1.0, 2.0]


def test_nothing_observed_gives_nothing() -> None:
    for period in PERIODS:
        found = aggregation(TIME, np.zeros(len(TIME), dtype=bool), period)
        assert len(found.time) == len(found.gap) == 0


@pytest.mark.parametrize("period", PERIODS)
def test_joined_sites_have_the_means_of_each(period: str) -> None:
    rng = np.random.default_rng(5)
    parts = [aggregation(TIME[:n], observed(0.85, seed=n)[:n], period) for n in (900, 1070, 700)]
    series = [rng.normal(size=n) for n in (900, 1070, 700)]
    # In the order in which they were run: the second, the third, the first.
    joined = combined(parts, [1070 + 700, 0, 1070])
    together = np.concatenate([series[1], series[2], series[0]])
    wanted = np.concatenate([p.mean(s) for p, s in zip(parts, series, strict=True)])
    np.testing.assert_allclose(joined.mean(together), wanted, rtol=1e-12)
    symbolic = pytensor.function([], joined.mean(pt.as_tensor(together)), mode=Mode("py", None))()
    np.testing.assert_allclose(symbolic, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(joined.gap, np.concatenate([p.gap for p in parts]))


def test_unknown_period_lists_those_that_exist() -> None:
    with pytest.raises(KeyError, match=r"unknown aggregation period 'mont'. Did you mean 'month'\?"):
        aggregation(TIME, observed(), "mont")
