"""Residual checks find what was put into the residuals."""

import dataclasses

import numpy as np
import pytest
from scipy import signal

from lsm_bayes.diagnostics import autocorrelation, read_stream, residuals, seasonal_cycle
from lsm_bayes.diagnostics.residuals import against, expected_autocorrelation, seasonal_share


def ar1(phi, n, rng):
    return signal.lfilter([np.sqrt(1 - phi**2)], [1, -phi], rng.normal(size=n))


def test_autocorrelation_is_that_of_the_process_with_and_without_gaps():
    rng = np.random.default_rng(1)
    values = ar1(0.7, 20_000, rng)
    np.testing.assert_allclose(autocorrelation(values, 4).value, 0.7 ** np.arange(1, 5), atol=0.04)
    values[rng.uniform(size=values.size) < 0.6] = np.nan
    np.testing.assert_allclose(autocorrelation(values, 4).value, 0.7 ** np.arange(1, 5), atol=0.06)


def test_few_pairs_give_nan():
    values = np.full(100, np.nan)
    values[::10] = 1.0
    assert np.isnan(autocorrelation(values, 5).value).all()


def test_lag_must_fit():
    with pytest.raises(ValueError, match="between 1 and 9 for a series of 10 steps, got 30"):
        autocorrelation(np.zeros(10))


def test_band_of_the_right_error_model_holds_the_residuals(one_site):
    stream = read_stream(one_site, "nee")
    band = expected_autocorrelation(stream, 0, 10)
    seen = autocorrelation(residuals(stream)[0], 10).value
    assert ((seen > band[0] - 0.05) & (seen < band[2] + 0.05)).all()
    white = dataclasses.replace(stream, predicted=stream.mean + 0.6 * np.random.default_rng(0).normal(size=stream.mean.shape))
    assert seen[0] > expected_autocorrelation(white, 0, 10)[2, 0] + 0.1


def test_dependence_on_a_driver_is_seen_and_missing_pairs_are_left_out():
    rng = np.random.default_rng(2)
    driver = rng.uniform(0, 10, 2000)
    values = 0.3 * (driver - 5) + rng.normal(size=2000)
    values[:100], driver[100:150] = np.nan, np.nan
    table = against(values, driver)
    np.testing.assert_allclose(table["mean"], 0.3 * (table["driver"] - 5), atol=0.35)
    assert table["n"].sum() == 1850


def test_few_values_give_no_bins_and_shapes_must_agree():
    assert against(np.zeros(20), np.arange(20.0)).empty
    with pytest.raises(ValueError, match="bring the driver to the stream's own times"):
        against(np.zeros(3), np.zeros(4))


def test_seasonal_cycle_recovers_a_sine_and_wraps():
    time = np.arange("2001-01-01", "2005-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    day = (time - time.astype("datetime64[Y]")) / np.timedelta64(1, "D") + 1
    values = np.sin(2 * np.pi * day / 365.25)
    values[::3] = np.nan
    found = seasonal_cycle(time, values, 5)
    np.testing.assert_allclose(found, np.sin(2 * np.pi * np.arange(1, 366) / 365.25), atol=0.02)
    assert np.isfinite(seasonal_cycle(time[:200], values[:200])[-5:]).all()


def test_season_left_to_the_errors_is_measured(one_site):
    stream = read_stream(one_site, "nee")
    assert seasonal_share(stream, 0) < 0.15
    flat = dataclasses.replace(stream, mean=np.full_like(stream.mean, stream.mean.mean()))
    assert seasonal_share(flat, 0) == pytest.approx(1, abs=0.01)


def test_residuals_need_a_prediction(one_site):
    with pytest.raises(ValueError, match="no posterior_predictive"):
        residuals(dataclasses.replace(read_stream(one_site, "nee"), predicted=None, mean=None))


def test_unknown_stream_lists_the_known(one_site):
    with pytest.raises(KeyError, match="unknown stream 'gpp'.*Known: lai, nee"):
        read_stream(one_site, "gpp")
