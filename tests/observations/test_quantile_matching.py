"""Quantile matching: distributions, linear relations, ties and clear refusals."""

import numpy as np
import pytest

from lsm_bayes.observations.quantile_matching import quantile_map

RNG = np.random.default_rng(11)
SERIES = RNG.gamma(2.0, 1.5, (3, 200))


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
