import numpy as np
import pytest

from lsm_bayes.inference import laplace_at, sample
from lsm_bayes.inference.whiten import Affine, affine_from_draws

from .posteriors import COVARIANCE, MEAN


def test_coordinates_round_trip():
    rng = np.random.default_rng(1)
    affine = Affine(MEAN, np.linalg.cholesky(COVARIANCE))
    position = rng.normal(size=3)
    np.testing.assert_allclose(affine.to_position(affine.to_coordinates(position)), position)


def test_draws_give_coordinates_of_unit_variance():
    draws = np.random.default_rng(2).multivariate_normal(MEAN, COVARIANCE, size=3000)
    affine = affine_from_draws(draws)
    z = np.linalg.solve(affine.scale, (draws - affine.location).T)
    np.testing.assert_allclose(np.cov(z), np.eye(3), atol=0.05)


def test_whitening_takes_fewer_gradients(gaussian):
    arguments = {"tune": 100, "draws": 200, "chains": 2, "seed": 1, "progress": False, "initial": laplace_at(gaussian, MEAN)}
    plain, white = (sample(gaussian, metric=m, **arguments)["sample_stats"]["n_steps"].mean() for m in ("diagonal", "laplace"))
    assert float(white) < 0.6 * float(plain)
    assert float(white) < 8


def test_coordinates_that_the_compiled_map_cannot_follow_are_refused():
    with pytest.raises(ValueError, match="must be lower triangular"):
        Affine(MEAN, np.linalg.cholesky(COVARIANCE).T)
