"""Shrinkage, ridges and the part that the errors take are measured as they were made."""

import numpy as np
import pytest

from lsm_bayes.diagnostics import condition, correlated_share, read_stream, shrinkage, strongest_pairs


def test_shrinkage_is_zero_for_the_prior_and_near_one_for_a_spike(changed, one_site):
    posterior, prior = (one_site[g].to_dataset().copy(deep=True) for g in ("posterior", "prior"))
    take = np.random.default_rng(0).choice(prior["ceff"].values.ravel(), posterior["ceff"].shape)
    posterior["ceff"].values[:] = take
    table = shrinkage(changed(posterior=posterior))
    assert abs(table.loc["ceff", "shrinkage"]) < 0.08
    assert table.loc["soil_carbon", "shrinkage"] > 0.9
    assert table.loc["ceff", "q05"] < table.loc["ceff", "q50"] < table.loc["ceff", "q95"]


def test_shrinkage_without_prior_is_nan(changed):
    table = shrinkage(changed(prior=None))
    assert table["shrinkage"].isna().all()
    assert table["mean"].notna().all()


def test_date_near_new_year_keeps_its_spread(changed, one_site):
    data = one_site["posterior"].to_dataset().copy(deep=True)
    data["leaf_day"].values[:] = np.random.default_rng(5).normal(0, 3, data["leaf_day"].shape) % 365.25
    table = shrinkage(changed(posterior=data))
    assert table.loc["leaf_day", "sd"] == pytest.approx(3, rel=0.1)


def test_ridge_comes_first(one_site):
    pairs = strongest_pairs(one_site, 3)
    assert set(pairs.iloc[0][["first", "second"]]) == {"respiration_rate", "soil_carbon"}
    assert pairs.iloc[0]["correlation"] < -0.9
    assert len(pairs) == 3


def test_condition_needs_enough_draws(one_site, changed):
    found = condition(one_site)
    assert found.covariance > found.correlation > 10
    few = one_site["posterior"].to_dataset().isel(draw=slice(0, 5))
    assert np.isnan(condition(changed(posterior=few)).covariance)


def test_correlated_share_finds_the_coefficient(one_site):
    found = correlated_share(read_stream(one_site, "nee"), 0)
    assert found["phi"] == pytest.approx(0.6, abs=0.05)
    assert 0 < found["correlated"] < found["error"] < 1
    assert correlated_share(read_stream(one_site, "lai"), 0)["correlated"] == pytest.approx(0, abs=0.01)
