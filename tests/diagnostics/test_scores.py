"""Scores have the properties that make them scores."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from lsm_bayes.diagnostics import climatology, coverage, crps, pit, read_stream, score
from lsm_bayes.diagnostics.scores import quantiles, summary


def test_crps_of_a_large_normal_ensemble_is_the_closed_form():
    rng = np.random.default_rng(1)
    y = np.array([-1.0, 0.0, 2.5])
    closed = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(crps(rng.normal(size=(100_000, 3)), y), closed, atol=0.01)


def test_crps_is_the_double_sum_and_fair():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 1)), np.array([0.3])
    pairs = np.abs(x[:, None, 0] - x[None, :, 0]).sum() / (2 * 5 * 4)
    np.testing.assert_allclose(crps(x, y), np.abs(x[:, 0] - 0.3).mean() - pairs, rtol=1e-12)
    y = rng.normal(size=40_000)
    small, large = crps(rng.normal(size=(3, y.size)), y).mean(), crps(rng.normal(size=(100, y.size)), y).mean()
    assert small == pytest.approx(large, abs=0.015)


def test_crps_leaves_out_missing_members():
    x = np.array([[1.0, 0.0], [2.0, np.nan], [4.0, np.nan]])
    found = crps(x, np.array([2.0, 1.0]))
    np.testing.assert_allclose(found[0], 1.0 - (1 + 3 + 2) / 6)
    assert np.isnan(found[1])


def test_true_distribution_has_the_best_crps():
    rng = np.random.default_rng(3)
    y = rng.normal(size=5000)
    scores = [crps(rng.normal(m, s, (50, y.size)), y).mean() for m, s in ((0, 1), (0.5, 1), (0, 2), (0, 0.5))]
    assert np.argmin(scores) == 0


def test_calibrated_prediction_covers_and_has_uniform_pit():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(400, 5000)), rng.normal(size=5000)
    assert coverage(x, y, 0.9) == pytest.approx(0.9, abs=0.02)
    assert coverage(0.5 * x, y, 0.9) < 0.65
    where = pit(x, y)
    assert stats.kstest(where, "uniform").pvalue > 0.01
    assert where.var() == pytest.approx(1 / 12, abs=0.004)


def test_level_must_be_a_probability():
    with pytest.raises(ValueError, match="between 0 and 1, got 90. A 90 % interval has level 0.9"):
        coverage(np.zeros((2, 1)), np.zeros(1), 90)


def test_efficiency_is_one_for_the_truth_and_zero_for_the_mean():
    y = np.random.default_rng(5).normal(size=200)
    noise = 1e-9 * np.arange(3)[:, None]
    assert summary(y + noise, y)["nse"] == pytest.approx(1)
    flat = y.mean() + 1e-9 * np.arange(200) + noise
    assert summary(flat, y)["nse"] == pytest.approx(0, abs=1e-6)
    assert summary(y + 1 + noise, y)["bias"] == pytest.approx(1)


def test_nothing_observed_gives_nan_and_no_warning():
    found = summary(np.zeros((4, 3)), np.full(3, np.nan))
    assert found["n"] == 0
    assert np.isnan(found["crps"])


def test_quantiles_are_those_of_numpy_and_leave_out_missing_members():
    x = np.random.default_rng(6).normal(size=(37, 5))
    x[3:20, 2], x[:, 4] = np.nan, np.nan
    np.testing.assert_allclose(quantiles(x, [0.05, 0.7])[:, :4], np.nanquantile(x[:, :4], [0.05, 0.7], axis=0))
    assert np.isnan(quantiles(x)[:, 4]).all()


def test_rows_of_a_stream(one_site):
    table = score(read_stream(one_site, "nee"))
    assert set(table["step"]) == {"daily", "weekly", "monthly", "annual"}
    assert set(table["period"]) == {"training", "withheld"}
    daily = table[(table["step"] == "daily") & (table["period"] == "withheld")].iloc[0]
    assert 0.85 < daily["coverage_90"] < 0.95
    assert daily["crps_skill"] == pytest.approx(1 - daily["crps"] / daily["climatology_crps"])
    assert list(table.loc[table["step"] == "annual", "unit"].unique()) == ["gC m-2 a-1"]
    assert list(score(read_stream(one_site, "lai"))["step"].unique()) == ["native", "monthly", "annual"]


def test_each_site_is_scored(six_sites):
    assert len(score(read_stream(six_sites, "nee"), ["weekly"])) == 12


def test_step_finer_than_the_stream_is_refused(one_site):
    with pytest.raises(ValueError, match="step 'daily' is not one of native, monthly, annual"):
        score(read_stream(one_site, "lai"), ["daily"])


def test_scores_of_withheld_data_do_not_depend_on_training_values(one_site):
    stream = read_stream(one_site, "nee")
    far = dataclasses.replace(stream, observed=np.where(stream.withheld, stream.observed, stream.observed + 50))
    first, second = (score(s, ["daily"]).set_index("period").loc["withheld"] for s in (stream, far))
    assert first["crps"] == second["crps"]
    assert second["climatology_crps"] > first["climatology_crps"] + 10


def test_stream_without_prediction_has_no_scores(one_site):
    assert score(dataclasses.replace(read_stream(one_site, "nee"), predicted=None)).empty


class TestClimatology:
    time = np.arange("2001-01-01", "2005-01-01", dtype="datetime64[D]").astype("datetime64[ns]")

    def values(self):
        return np.arange(self.time.size, dtype=float)

    def test_no_value_is_in_its_own_prediction(self):
        training = self.time < np.datetime64("2004-01-01")
        values = self.values()
        members = climatology(self.time, values, training, 0)
        here = members[:, 400]
        assert values[400] not in here[np.isfinite(here)]
        assert np.isfinite(here).sum() == 2
        assert np.isfinite(members[:, -5]).sum() == 3
        assert np.nanmax(members) < values[training].size

    def test_window_is_circular(self):
        members = climatology(self.time, self.values(), self.time < np.datetime64("2004-01-01"), 3)
        assert np.isfinite(members[:, np.flatnonzero(self.time == np.datetime64("2004-01-01"))[0]]).sum() > 3 * 4 - 1

    def test_without_training_there_is_no_prediction(self):
        assert not np.isfinite(climatology(self.time, self.values(), np.zeros(self.time.size, dtype=bool))).any()

    def test_negative_window_is_refused(self):
        with pytest.raises(ValueError, match="0 or more days, got -1"):
            climatology(self.time, self.values(), np.ones(self.time.size, dtype=bool), -1)
