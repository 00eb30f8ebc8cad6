"""Ranks of a right posterior are uniform; those of a wrong one are not."""

import numpy as np
import pytest

from lsm_bayes.diagnostics import ecdf_band, ranks, uniformity
from lsm_bayes.diagnostics.ranks import interval_coverage


def twin(scale=1.0, shift=0.0, seed=1, n=1000, draws=99):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    y = truth + rng.normal(size=n)
    return ranks(truth, 0.5 * y + shift + scale * np.sqrt(0.5) * rng.normal(size=(draws, n)))


def test_right_posterior_is_uniform_and_covers():
    rank = twin()
    assert uniformity(rank, 99).p_value > 0.01
    assert ecdf_band(rank, 99, np.random.default_rng(0)).inside
    assert interval_coverage(rank, 99, 0.9) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("wrong", [{"scale": 0.6}, {"scale": 1.8}, {"shift": 0.4}])
def test_wrong_posterior_is_found(wrong):
    rank = twin(**wrong)
    assert uniformity(rank, 99).p_value < 1e-4
    assert not ecdf_band(rank, 99, np.random.default_rng(0)).inside


def test_band_has_its_probability():
    rng = np.random.default_rng(7)
    inside = [ecdf_band(rng.integers(0, 51, 60), 50, np.random.default_rng(k), simulations=400).inside for k in range(150)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.06)


def test_bins_that_do_not_divide_the_ranks_are_expected_so():
    found = uniformity(np.repeat(np.arange(8), 20), 7, bins=3)
    assert found.expected.sum() == 160
    assert found.statistic == 0


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="Put the draws on the first axis"):
        ranks(np.zeros(3), np.zeros((3, 5)))
    with pytest.raises(ValueError, match="report how many"):
        ranks(np.array([np.nan]), np.zeros((5, 1)))
    with pytest.raises(ValueError, match="at least 5 a bin"):
        uniformity(np.arange(10), 20)
    with pytest.raises(ValueError, match="between 0 and 20, got 0 to 59"):
        uniformity(np.arange(60), 20)
