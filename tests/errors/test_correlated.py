"""Autoregressive errors with gaps: the density against a dense covariance matrix, and draws against what they should be."""

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from lsm_bayes.errors import correlated


def evaluate(expression: Any) -> np.ndarray:
    """Evaluate without compiling."""
    return pytensor.function([], expression, mode=Mode("py", None))()


def with_gaps(rng: np.random.Generator, steps: int, kept: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the days of some observations and the distance of each to the one before."""
    days = np.flatnonzero(rng.uniform(size=steps) < kept)
    return days, np.concatenate([[np.inf], np.diff(days).astype(float)])


@pytest.mark.parametrize(("phi", "kept"), [(0.1, 0.9), (0.6, 0.5), (0.95, 0.1)])
def test_normal_density_equals_the_dense_multivariate_normal(phi: float, kept: float) -> None:
    rng = np.random.default_rng(1)
    days, gap = with_gaps(rng, 120, kept)
    sd, mean, value = rng.uniform(0.3, 2.0, days.size), rng.normal(size=days.size), rng.normal(size=days.size)
    covariance = sd[:, None] * sd[None, :] * phi ** np.abs(days[:, None] - days[None, :])
    each = evaluate(correlated.log_density(value, pt.as_tensor(mean), sd, correlated.decay(pt.constant(phi), gap), 0.0))
    assert each.shape == days.shape
    assert each.sum() == pytest.approx(stats.multivariate_normal(mean, covariance).logpdf(value), rel=1e-10)


def test_correlation_by_observation_joins_sites() -> None:
    rng = np.random.default_rng(2)
    phis = np.array([0.2, 0.8])
    parts = [with_gaps(rng, 60, 0.6) for _ in phis]
    gap = np.concatenate([g for _, g in parts])
    site = np.repeat([0, 1], [d.size for d, _ in parts])
    value = rng.normal(size=gap.size)
    decay = correlated.decay(pt.constant(phis), gap, site)
    whole = evaluate(correlated.log_density(value, pt.zeros(gap.size), np.ones(gap.size), decay, 0.0))
    alone = 0.0
    for p, (days, _), v in zip(phis, parts, np.split(value, [parts[0][0].size]), strict=True):
        alone += stats.multivariate_normal(np.zeros(days.size), p ** np.abs(days[:, None] - days[None, :])).logpdf(v)
    assert whole.sum() == pytest.approx(alone, rel=1e-10)


def test_correlation_decays_over_gaps() -> None:
    np.testing.assert_allclose(evaluate(correlated.decay(pt.constant(0.5), np.array([np.inf, 1.0, 2.0, 10.0]))), [0, 0.5, 0.25, 0.5**10])
    np.testing.assert_allclose(evaluate(correlated.decay(pt.constant(0.5), np.array([np.inf, 1.0, 1.0]))), [0, 0.5, 0.5])


@pytest.mark.parametrize("tail", [0.02, 0.1, 0.3])
def test_student_density_is_normalised_with_unit_variance(tail: float) -> None:
    # A substitution that reaches far into the tails: of 1/0.3 degrees of freedom they hold much of the variance.
    s = np.linspace(-14, 14, 40001)
    x, weight = np.sinh(s), np.cosh(s)
    flat = np.zeros(x.size)
    density = np.exp(evaluate(correlated.log_density(x, pt.as_tensor(flat), flat + 1.0, pt.as_tensor(flat), pt.constant(tail)))) * weight
    assert np.trapezoid(density, s) == pytest.approx(1.0, abs=1e-8)
    assert np.trapezoid(x**2 * density, s) == pytest.approx(1.0, abs=1e-3)


def test_student_density_tends_to_the_normal_one() -> None:
    rng = np.random.default_rng(3)
    value, gap = rng.normal(size=50), np.concatenate([[np.inf], np.ones(49)])
    decay = correlated.decay(pt.constant(0.4), gap)
    both = [evaluate(correlated.log_density(value, pt.zeros(50), np.ones(50), decay, tail)) for tail in (0.0, pt.constant(1e-6))]
    np.testing.assert_allclose(both[0], both[1], atol=1e-4)


def test_mean_that_is_not_finite_has_no_density() -> None:
    mean = np.array([0.0, np.nan, 0.0, 0.0])
    each = evaluate(correlated.log_density(np.zeros(4), pt.as_tensor(mean), np.ones(4), pt.zeros(4), 0.0))
    assert each[1] == -np.inf and np.isfinite(each[[0, 3]]).all()
    assert each.sum() == -np.inf


@pytest.mark.parametrize("tail", [0.0, 0.15])
def test_draws_have_the_stated_variance_and_autocorrelation(tail: float) -> None:
    rng = np.random.default_rng(4)
    phi, sd = 0.7, np.array([0.5, 1.0, 1.5, 2.0, 0.3])
    gap = np.array([np.inf, 1.0, 2.0, 5.0, 1.0])
    correlation = np.where(np.isfinite(gap), phi ** np.where(np.isfinite(gap), gap, 1.0), 0.0)
    n = 40000
    drawn = correlated.draw(rng, np.broadcast_to(sd, (n, 5)), np.broadcast_to(correlation, (n, 5)), np.full((n, 1), tail))
    # The sd of a sample sd is about 0.7 % for tail 0.15 (kurtosis 7).
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.03)
    days = np.concatenate([[0.0], np.cumsum(gap[1:])])
    np.testing.assert_allclose(np.corrcoef(drawn.T), phi ** np.abs(days[:, None] - days), atol=0.025)


def test_draws_follow_the_density() -> None:
    rng = np.random.default_rng(5)
    drawn = correlated.draw(rng, np.full((20000, 1), 2.0), np.zeros((20000, 1)), np.asarray(0.2))[:, 0]
    exact = stats.t(5, scale=2.0 * np.sqrt(3 / 5))
    assert stats.kstest(drawn, exact.cdf).pvalue > 1e-3
