"""Ensemble methods for static parameters: exact where the problem is linear and normal, and honest about failed members."""

import json
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.inference.ensemble import (
    EnsembleUpdate,
    ensemble_kalman_inversion,
    ensemble_kalman_sampler,
    ensemble_smoother,
    ensemble_variational,
    unscented_kalman_inversion,
)
from lsm_bayes.inference.ensemble.inversion import next_share
from lsm_bayes.inference.inverse import InverseProblem

MEAN, SD = np.array([1.0, -1.0, 0.5]), np.array([1.0, 2.0, 0.5])


def problem_and_answer() -> tuple[InverseProblem, np.ndarray, np.ndarray]:
    """A linear problem with correlated errors, and its posterior from the normal equations of the unwhitened problem."""
    rng = np.random.default_rng(3)
    maps, root = rng.normal(size=(7, 3)), np.tril(rng.normal(size=(4, 4)), -1) + 2 * np.eye(4)
    data = rng.normal(size=7)
    with pm.Model() as model:
        x = pm.Normal("x", MEAN, SD)
        pm.MvNormal("a", maps[:4] @ x, cov=root @ root.T, observed=data[:4])
        pm.Normal("b", maps[4:] @ x, 0.3, observed=data[4:])
    errors = np.zeros((7, 7))
    errors[:4, :4], errors[4:, 4:] = root @ root.T, 0.09 * np.eye(3)
    covariance = np.linalg.inv(np.diag(SD**-2.0) + maps.T @ np.linalg.solve(errors, maps))
    return InverseProblem(model), covariance @ (MEAN / SD**2 + maps.T @ np.linalg.solve(errors, data)), covariance


PROBLEM, POSTERIOR_MEAN, POSTERIOR_COVARIANCE = problem_and_answer()


def draws_of(tree: xr.DataTree) -> np.ndarray:
    return tree["posterior"]["x"].values[0]


@pytest.mark.parametrize(
    "method",
    [
        lambda: ensemble_smoother(PROBLEM, 20, 1),
        lambda: ensemble_smoother(PROBLEM, 20, [2.0, 4.0, 4.0]),
        lambda: ensemble_kalman_inversion(PROBLEM, 20),
        lambda: ensemble_variational(PROBLEM, 20, exact_moments=True),
        lambda: ensemble_variational(PROBLEM, 20, outer=3, exact_moments=True),
    ],
)
def test_square_roots_are_exact(method) -> None:
    found = draws_of(method())
    assert np.allclose(found.mean(axis=0), POSTERIOR_MEAN, rtol=0, atol=1e-8)
    assert np.allclose(np.cov(found, rowvar=False), POSTERIOR_COVARIANCE, rtol=0, atol=1e-8)


def test_unscented_inversion_is_exact() -> None:
    tree = unscented_kalman_inversion(PROBLEM, 60, tolerance=1e-11)
    assert np.allclose(tree["normal"]["mean"], POSTERIOR_MEAN, rtol=0, atol=1e-8)
    assert np.allclose(tree["normal"]["covariance"], POSTERIOR_COVARIANCE, rtol=0, atol=1e-8)
    found = draws_of(tree)
    assert np.all(np.abs(found.mean(axis=0) - POSTERIOR_MEAN) < 3.5 * np.sqrt(np.diag(POSTERIOR_COVARIANCE) / len(found)))


@pytest.mark.parametrize(
    "method",
    [
        lambda seed: ensemble_smoother(PROBLEM, 60, 4, update="perturbed", exact_moments=False, seed=seed),
        lambda seed: ensemble_kalman_inversion(PROBLEM, 60, update="perturbed", exact_moments=False, seed=seed),
    ],
    ids=["es_mda", "eki"],
)
def test_perturbed_observations_are_unbiased_to_three_standard_errors(method) -> None:
    found = np.array([draws_of(method(s)) for s in range(40)])
    means, variances = found.mean(axis=1), found.var(axis=1, ddof=1)
    # The bias of a finite ensemble is of the order of 1 / N, beside which the standard error of 40 ensembles is small.
    for values, wanted, bias in (
        (means, POSTERIOR_MEAN, 0.05 * np.sqrt(np.diag(POSTERIOR_COVARIANCE))),
        (variances, np.diag(POSTERIOR_COVARIANCE), 0.1 * np.diag(POSTERIOR_COVARIANCE)),
    ):
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - wanted) < 3 * error + bias)


def test_sampler_is_right_to_three_standard_errors() -> None:
    # Independent repetitions: members of one ensemble are not independent in time.
    found = np.array([draws_of(ensemble_kalman_sampler(PROBLEM, 60, warm_up=4, time=1, step=0.5, seed=s)) for s in range(12)])[:, -60:] \
        if False else [draws_of(ensemble_kalman_sampler(PROBLEM, 60, warm_up=4, time=1, step=0.5, seed=s))[-60:] for s in range(12)]
    found = np.array(found)
    for values, wanted in ((found.mean(axis=1), POSTERIOR_MEAN), (found.var(axis=1, ddof=1), np.diag(POSTERIOR_COVARIANCE))):
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        print((values.mean(axis=0) - wanted) / error, error / wanted)
        assert np.all(np.abs(values.mean(axis=0) - wanted) < 3 * error)
