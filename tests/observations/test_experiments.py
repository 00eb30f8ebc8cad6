"""Paired experiments: what cancels, and standard errors against many repetitions."""

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes.observations.experiments import (
    arm_standard_error,
    difference,
    difference_error,
    log_response_ratio,
    log_response_ratio_error,
)

AMBIENT = np.array([[400.0, 900.0], [650.0, 1200.0]])


def test_a_shared_factor_cancels_in_the_ratio_and_a_shared_offset_in_the_difference() -> None:
    treated = AMBIENT * 1.23
    np.testing.assert_allclose(log_response_ratio(0.7 * treated, 0.7 * AMBIENT), np.log(1.23), rtol=1e-13)
    np.testing.assert_allclose(difference(treated - 50.0, AMBIENT - 50.0), difference(treated, AMBIENT), rtol=1e-12)
    np.testing.assert_allclose(log_response_ratio(AMBIENT, treated), -log_response_ratio(treated, AMBIENT), rtol=1e-13)


def test_tensors_give_the_same_as_arrays() -> None:
    treated = AMBIENT * np.array([1.1, 1.4])
    for function in (difference, log_response_ratio):
        symbolic = function(pt.as_tensor(treated), pt.as_tensor(AMBIENT)).eval(mode=Mode("py", None))
        np.testing.assert_allclose(symbolic, function(treated, AMBIENT), rtol=1e-14)


def test_error_of_the_ratio_is_that_of_many_experiments() -> None:
    rng = np.random.default_rng(3)
    rings, trees, between, within = 4, 6, 60.0, 150.0

    def arm(mean: float) -> np.ndarray:
        ring = mean + between * rng.standard_normal((20000, rings))
        return (ring + within * rng.standard_normal((20000, rings, trees)).mean(axis=-1)).mean(axis=-1)

    error = float(arm_standard_error(between, within, rings, trees))
    treated, ambient = arm(1000.0), arm(800.0)
    assert np.std(treated) == pytest.approx(error, rel=0.03)
    assert np.std(difference(treated, ambient)) == pytest.approx(difference_error(error, error), rel=0.03)
    found = log_response_ratio_error(1000.0, error, 800.0, error)
    assert np.std(log_response_ratio(treated, ambient)) == pytest.approx(found, rel=0.03)


def test_error_of_the_ratio_is_that_of_hedges() -> None:
    # v = SD_t^2 / (n_t X_t^2) + SD_a^2 / (n_a X_a^2)
    v = 30.0**2 / (3 * 120.0**2) + 20.0**2 / (5 * 100.0**2)
    found = log_response_ratio_error(120.0, 30.0 / np.sqrt(3), 100.0, 20.0 / np.sqrt(5))
    assert found == pytest.approx(np.sqrt(v), rel=1e-12)


def test_more_trees_in_the_same_rings_leave_the_variance_of_rings() -> None:
    error = arm_standard_error(60.0, 150.0, 3, np.array([1, 10, 1000000]))
    assert (np.diff(error) < 0).all() and error[-1] == pytest.approx(60.0 / np.sqrt(3), rel=1e-4)
