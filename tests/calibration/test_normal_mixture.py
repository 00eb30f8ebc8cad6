"""Mixtures of normals: what their density, marginals and scores must be, and that the fit finds a mixture again."""

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal

from lsm_bayes.calibration.normal_mixture import NormalMixture, choose_components, fit_mixture, held_out

ROOTS = np.random.default_rng(1).normal(size=(2, 3, 3))
TWO = NormalMixture(np.array([0.7, 0.3]), np.array([[0.0, 0.0, 0.0], [2.0, -1.0, 4.0]]), ROOTS @ ROOTS.swapaxes(1, 2) + 0.1 * np.eye(3))


def drawn(mixture: NormalMixture, number: int, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    of = rng.choice(len(mixture.weights), size=number, p=mixture.weights)
    white = rng.normal(size=(number, mixture.means.shape[1]))
    return mixture.means[of] + np.einsum("nij,nj->ni", np.linalg.cholesky(mixture.covariances)[of], white)


def test_density_and_moments_are_those_of_the_sum() -> None:
    points = drawn(TWO, 20000)
    parts = [w * multivariate_normal(m, c).pdf(points[:50]) for w, m, c in zip(TWO.weights, TWO.means, TWO.covariances, strict=True)]
    np.testing.assert_allclose(TWO.log_density(points[:50]), np.log(np.sum(parts, axis=0)), rtol=1e-10)
    np.testing.assert_allclose(TWO.mean, points.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(TWO.covariance, np.cov(points.T), rtol=0.1, atol=0.1)
    assert np.isfinite(TWO.log_density(np.full((1, 3), 1e4))).all()


def test_marginal_is_the_integral_over_the_other_coordinates() -> None:
    grid = np.linspace(-25, 25, 401)
    other, third = np.meshgrid(grid, grid)
    for x in (-1.0, 0.5, 2.5):
        places = np.column_stack([other.ravel(), np.full(other.size, x), third.ravel()])
        integral = np.exp(TWO.log_density(places)).sum() * (grid[1] - grid[0]) ** 2
        assert np.exp(TWO.marginal([1]).log_density(np.array([[x]])))[0] == pytest.approx(integral, rel=1e-6)
    turned = TWO.marginal([2, 0])
    np.testing.assert_array_equal(turned.covariances[1], TWO.covariances[1][[2, 0]][:, [2, 0]])


def test_scores_are_standard_normal_and_finite_far_out() -> None:
    scores = TWO.normal_scores(drawn(TWO, 5000))
    assert min(kstest(s, "norm").pvalue for s in scores.T) > 0.001
    assert np.abs(np.corrcoef(scores.T) - np.eye(3)).max() < 0.06
    one = fit_mixture(drawn(TWO, 100), 1)
    points = drawn(TWO, 10, 3)
    white = np.linalg.solve(np.linalg.cholesky(one.covariances[0]), (points - one.means[0]).T).T
    np.testing.assert_allclose(one.normal_scores(points), white, atol=1e-8)
    far = TWO.normal_scores(np.array([[-30.0, 0.0, 0.0], [30.0, 0.0, 0.0]]))[:, 0]
    assert far[0] < -5 and far[1] > 5 and np.isfinite(far).all()


def test_quantiles_have_their_probability() -> None:
    for p in (0.05, 0.5, 0.95):
        at = TWO.quantile(2, p)
        assert np.mean(drawn(TWO, 40000)[:, 2] < at) == pytest.approx(p, abs=0.01)


def test_fit_finds_the_mixture_whatever_the_coordinates() -> None:
    draws = drawn(TWO, 3000)
    found = fit_mixture(draws, 2)
    fresh = drawn(TWO, 3000, 4)
    assert np.mean(TWO.log_density(fresh) - found.log_density(fresh)) < 0.02
    np.testing.assert_allclose(found.weights, TWO.weights, atol=0.04)
    turn = np.random.default_rng(5).normal(size=(3, 3)) * [1.0, 1e3, 1e-3]
    turned = fit_mixture(draws @ turn + 7.0, 2)
    np.testing.assert_allclose(turned.means, found.means @ turn + 7.0, rtol=1e-5, atol=1e-5)


def test_no_component_collapses_onto_equal_draws() -> None:
    draws = drawn(TWO, 400)
    draws[:20] = draws[0]
    found = fit_mixture(draws, 6)
    relative = np.linalg.solve(np.linalg.cholesky(np.cov(draws.T)), np.linalg.cholesky(found.covariances))
    assert np.linalg.svd(relative, compute_uv=False).min() > 0.05
    assert found.weights.sum() == pytest.approx(1) and (np.diff(found.weights) <= 0).all()


def test_number_is_what_withheld_draws_ask_for() -> None:
    rng = np.random.default_rng(6)
    assert choose_components(rng.normal(size=(4, 500, 5)), 8) == 1
    two = drawn(TWO, 3000).reshape(3, 1000, 3)
    assert choose_components(two, 8) == 2 and choose_components(two, 1) == 1
    ridge = rng.normal(size=(4, 700, 2))
    ridge[..., 1] = 0.3 * ridge[..., 1] + ridge[..., 0] ** 2
    some = choose_components(ridge, 8)
    assert some > 2 and np.mean(held_out(ridge, some) - held_out(ridge, 1)) > 0.5
