"""Aggregates respect gaps and the border between training and withheld data."""

import numpy as np
import pytest

from lsm_bayes.diagnostics.aggregation import aggregate

TIME = np.arange("2003-01-01", "2006-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


def test_annual_sum_of_a_constant_flux_counts_the_days_of_the_year():
    found = aggregate(TIME, np.full(TIME.size, -2.0), "annual", is_flux=True)
    np.testing.assert_allclose(found.values, [-730, -732, -730])
    assert found.unit("gC m-2 d-1") == "gC m-2 a-1"


def test_annual_value_of_a_state_is_a_mean():
    found = aggregate(TIME, np.full(TIME.size, 3.0), "annual", is_flux=False)
    np.testing.assert_allclose(found.values, 3)
    assert found.unit("m2 m-2") == "m2 m-2"


def test_weeks_need_four_days():
    values = np.ones(TIME.size)
    values[:3], values[7:11] = np.nan, np.nan
    found = aggregate(TIME, values, "weekly", is_flux=True).values
    assert np.isfinite(found[0])
    assert np.isnan(found[1])
    assert found.size == 3 * 52


def test_periods_are_cut_where_the_split_changes():
    split = np.datetime64("2005-01-10") <= TIME
    found = aggregate(TIME, np.where(split, 5.0, 1.0), "monthly", is_flux=True, split=split)
    assert set(found.values[np.isfinite(found.values)]) == {1.0, 5.0}
    assert (found.time[1:] >= found.time[:-1]).all()
    np.testing.assert_array_equal(found.values[found.split & np.isfinite(found.values)], 5.0)


def test_draws_are_aggregated_like_the_observations():
    draws = np.random.default_rng(0).normal(size=(3, TIME.size))
    whole = aggregate(TIME, draws, "monthly", is_flux=True).values
    np.testing.assert_allclose(whole[1], aggregate(TIME, draws[1], "monthly", is_flux=True).values)


def test_own_step_is_left_alone():
    weekly = TIME[::7]
    values = np.arange(weekly.size, dtype=float)
    np.testing.assert_array_equal(aggregate(weekly, values, "weekly", is_flux=True).values, values)
    np.testing.assert_allclose(aggregate(weekly, np.full(weekly.size, 1.0), "annual", is_flux=True).values, [365, 366, 365])


def test_unknown_step_lists_the_known():
    with pytest.raises(ValueError, match=r"unknown step 'yearly'.*Known: annual, daily, monthly, native, weekly"):
        aggregate(TIME, np.ones(TIME.size), "yearly", is_flux=True)
