"""Random uncertainty against simulated data whose error is known."""

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.datasets import to_daily, uncertainty


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_differencing_finds_a_known_constant_error(half_hours, sigma):
    data = half_hours(days=200, noise=sigma)
    sd = uncertainty.from_differences(data, "nee")
    np.testing.assert_allclose(sd.mean(), sigma, rtol=0.05)
    daily = to_daily(data)
    np.testing.assert_allclose(daily["nee_uncertainty"].mean(), sigma / np.sqrt(48), rtol=0.05)
    assert daily["nee_uncertainty"].attrs["source"] == "24-hour differencing"


def test_differencing_finds_an_error_that_grows_with_the_flux(half_hours):
    rng = np.random.default_rng(5)
    data = half_hours(days=400)
    truth = 0.4 + 0.2 * np.abs(data["nee"].values)
    data["nee"] = data["nee"] + truth * rng.laplace(scale=1 / np.sqrt(2), size=truth.shape)
    data["nee"].attrs["units"] = "gC m-2 d-1"
    sd = uncertainty.from_differences(data, "nee").values
    np.testing.assert_allclose(np.sqrt((sd**2).mean()), np.sqrt((truth**2).mean()), rtol=0.05)
    big = truth > 1.8
    np.testing.assert_allclose(sd[big].mean(), truth[big].mean(), rtol=0.1)


def test_the_daily_error_is_the_scatter_of_repeated_days(half_hours):
    rng = np.random.default_rng(8)
    data = half_hours(days=300)
    clean = to_daily(data)["nee"].values
    noisy = data.assign(nee=(data["nee"].dims, data["nee"].values + rng.standard_normal(data["nee"].shape), data["nee"].attrs))
    daily = to_daily(noisy)
    scatter = (daily["nee"].values - clean).std()
    np.testing.assert_allclose(daily["nee_uncertainty"].mean(), scatter, rtol=0.12)


def test_filled_values_do_not_enter_the_differences(half_hours):
    data = half_hours(days=120, noise=1.0)
    step = np.arange(data.sizes["time"])
    filled = (step // 7) % 3 == 0
    nee = data["nee"].values.copy()
    nee[:, filled] = 0.0
    data["nee"] = (("site", "time"), nee, data["nee"].attrs)
    data["nee_coverage"] = (("site", "time"), np.where(filled, 0.0, 1.0)[None])
    np.testing.assert_allclose(uncertainty.from_differences(data, "nee").mean(), 1.0, rtol=0.1)


def test_pairs_in_different_weather_are_left_out(half_hours):
    data = half_hours(days=100, noise=1.0)
    warm = (np.arange(data.sizes["time"]) // 48 // 2) % 2 == 0  # two warm days, two cold ones
    data["air_temperature"] = data["air_temperature"] + 20.0 * warm
    data["nee"] = (("site", "time"), data["nee"].values + 10.0 * warm, data["nee"].attrs)
    np.testing.assert_allclose(uncertainty.from_differences(data, "nee").mean(), 1.0, rtol=0.1)


def test_too_few_pairs_is_an_error_and_leaves_a_trace(half_hours):
    data = half_hours(days=3)
    with pytest.raises(ValueError, match="XX-Abc: 96 pairs of measured values in similar weather, at least 100"):
        uncertainty.from_differences(data, "nee")
    daily = to_daily(data)
    assert "nee_uncertainty" not in daily
    assert "no uncertainty of nee" in daily.attrs["history"]


def test_order_of_the_sources(half_hours):
    data = half_hours(days=40, noise=1.0)
    data["nee_ustar16"], data["nee_ustar84"] = data["nee"] - 0.7, data["nee"] + 0.7
    daily = to_daily(data)
    assert daily["nee_uncertainty"].attrs["source"] == "ustar percentiles"
    np.testing.assert_allclose(daily["nee_uncertainty"], 0.7)
    data["nee_uncertainty"] = xr.full_like(data["nee"], 2.0).assign_attrs(source="RANDUNC", units="gC m-2 d-1")
    data["gpp"] = data["nee"]
    data["gpp_ustar16"], data["gpp_ustar84"] = data["gpp"] - 0.1, data["gpp"] + 0.1
    daily = to_daily(data)
    assert daily["nee_uncertainty"].attrs["source"] == "RANDUNC"
    np.testing.assert_allclose(daily["nee_uncertainty"], 2 / np.sqrt(48))
    np.testing.assert_allclose(daily["nee_ustar_spread"], 0.7)
    np.testing.assert_allclose(daily["gpp_uncertainty"], np.hypot(2 / np.sqrt(48), 0.1))
    assert daily["gpp_uncertainty"].attrs["source"] == "RANDUNC of NEE and ustar percentiles"
    assert "nee_ustar16" not in daily


def test_daily_from_steps_ignores_missing_steps():
    sd = np.array([[2.0, np.nan, 2.0, np.nan], [np.nan] * 4])
    np.testing.assert_allclose(uncertainty.daily_from_steps(sd), [1.0, np.nan])


def test_daily_data_cannot_be_differenced(daily_data):
    with pytest.raises(ValueError, match="needs sub-daily data"):
        uncertainty.from_differences(daily_data, "nee")
