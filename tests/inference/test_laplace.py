from dataclasses import replace

import numpy as np
import pytest

from lsm_bayes.inference import laplace_at, sample_laplace
from lsm_bayes.inference.laplace import factor, hessian

from .posteriors import COVARIANCE, MEAN


def test_exact_on_a_gaussian(gaussian):
    fit = laplace_at(gaussian, MEAN + np.array([0.5, 0.02, 3.0]))
    np.testing.assert_allclose(fit.mode, MEAN, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, COVARIANCE, rtol=1e-6, atol=1e-6)
    evidence = 0.5 * np.log(np.linalg.det(2 * np.pi * COVARIANCE))
    assert fit.log_evidence == pytest.approx(evidence, abs=1e-6)
    values = np.linalg.eigvalsh(COVARIANCE)
    assert fit.condition_number == pytest.approx(values[-1] / values[0], rel=1e-6)
    assert fit.repaired == 0


def test_hessian_of_a_curved_density(banana):
    curvature = hessian(banana, np.array([0.5, 0.5]))
    # -log p = x^2/2 + y^2/200 + 12.5 (y - 2 x^2)^2
    expected = [[1 + 25 * (4 * 0.5) ** 2 - 25 * 0.0 * 4, -25 * 4 * 0.5], [-25 * 4 * 0.5, 25 + 0.01]]
    np.testing.assert_allclose(curvature, expected, rtol=1e-5)


def test_directions_of_negative_curvature_are_repaired_and_counted():
    scale, log_det, _, repaired = factor(np.diag([4.0, -1.0]))
    assert repaired == 1
    np.testing.assert_allclose(scale, np.diag([0.5, 1.0]))
    assert log_det == pytest.approx(-np.log(4))


def test_draws_have_the_moments_and_the_density(gaussian):
    fit = laplace_at(gaussian, MEAN)
    draws = fit.draws(20_000, np.random.default_rng(1))
    np.testing.assert_allclose(np.cov(draws, rowvar=False), COVARIANCE, rtol=0.05, atol=0.3)
    exact = [gaussian(row)[0] for row in draws[:5]]
    np.testing.assert_allclose(fit.logpdf(draws[:5]) + fit.log_evidence, exact, atol=1e-5)


def test_result_has_importance_weights(gaussian):
    tree = sample_laplace(gaussian, laplace_at(gaussian, MEAN), draws=50, seed=2)
    assert dict(tree["posterior"].sizes) == {"chain": 1, "draw": 50, "parameter": 3}
    np.testing.assert_allclose(tree["sample_stats"]["log_weight"], 0.5 * np.log(np.linalg.det(2 * np.pi * COVARIANCE)), atol=1e-4)


def test_position_without_density_is_refused(two_modes):
    with pytest.raises(ValueError, match="not finite at the given position"):
        laplace_at(two_modes, np.array([100.0, 0.0]))


def test_a_direction_without_curvature_stays_finite():
    scale, log_det, condition, repaired = factor(np.diag([4.0, 0.0, 1.0]))
    assert np.isfinite([log_det, condition]).all() and np.isfinite(scale).all()
    assert repaired == 1
    np.testing.assert_allclose(np.diag(scale)[[0, 2]], [0.5, 1.0])


def test_a_scale_that_is_not_triangular_is_refused(gaussian):
    found = laplace_at(gaussian, np.zeros(gaussian.dimension))
    with pytest.raises(ValueError, match=r"must be lower triangular.*numpy\.linalg\.qr"):
        replace(found, scale=found.scale.T)
    turned = np.linalg.qr(found.scale.T, mode="r").T
    np.testing.assert_allclose(replace(found, scale=turned).covariance, found.covariance, rtol=1e-12)
