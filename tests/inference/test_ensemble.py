"""Ensemble methods for static parameters: exact where the problem is linear and normal, and honest about failed members."""

import itertools
import json
from collections.abc import Callable
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
def test_square_roots_are_exact(method: Callable[[], xr.DataTree]) -> None:
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
def test_perturbed_observations_are_unbiased_to_three_standard_errors(method: Callable[[int], xr.DataTree]) -> None:
    found = np.array([draws_of(method(s)) for s in range(25)])
    means, variances = found.mean(axis=1), found.var(axis=1, ddof=1)
    # The bias of a finite ensemble is of the order of 1 / N, beside which the standard error of 25 ensembles is small.
    for values, wanted, bias in (
        (means, POSTERIOR_MEAN, 0.05 * np.sqrt(np.diag(POSTERIOR_COVARIANCE))),
        (variances, np.diag(POSTERIOR_COVARIANCE), 0.1 * np.diag(POSTERIOR_COVARIANCE)),
    ):
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - wanted) < 3 * error + bias)


def test_sampler_is_right_to_three_standard_errors() -> None:
    # Independent repetitions: members of one ensemble are not independent in time.
    found = np.array([draws_of(ensemble_kalman_sampler(PROBLEM, 60, warm_up=4, time=1, step=0.5, seed=s))[-60:] for s in range(12)])
    for values, wanted in ((found.mean(axis=1), POSTERIOR_MEAN), (found.var(axis=1, ddof=1), np.diag(POSTERIOR_COVARIANCE))):
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - wanted) < 3 * error)


def test_best_fit_is_least_squares_and_says_so() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(20, 3))
    data = maps @ np.array([0.5, 1.0, -0.5]) + rng.normal(size=20)
    with pm.Model() as model:
        pm.Normal("y", maps @ pm.Normal("x", np.zeros(3), 5.0 * np.ones(3)), 1.0, observed=data)
    tree = ensemble_kalman_inversion(model, 30, until="best_fit", noise_level=0.0, most_steps=300)
    fit, *_ = np.linalg.lstsq(maps, data)
    found = draws_of(tree)
    assert np.allclose(found.mean(axis=0), fit, atol=1e-3) and found.std(axis=0).max() < 0.05
    assert json.loads(tree.attrs["ensemble"])["reached"] is False
    noisy = ensemble_kalman_inversion(model, 30, until="best_fit", noise_level=1.1, most_steps=300)
    assert json.loads(noisy.attrs["ensemble"])["reached"] is True and noisy["generations"].sizes["generation"] < 10


def test_shares_of_the_likelihood_sum_to_one() -> None:
    tree = ensemble_kalman_inversion(PROBLEM, 20)
    share, position = tree["generations"]["share"].values, tree["generations"]["position"].values
    assert len(share) > 2 and np.isclose(share.sum(), 1.0) and np.all(share > 0)
    variances = [np.linalg.eigvalsh(np.cov(a, rowvar=False)) for a in position]
    assert all(b[0] > 0.4 * a[0] for a, b in itertools.pairwise(variances))
    # The published controller: one step where the misfits are small.
    observed, predicted = np.zeros(8), 0.1 * np.random.default_rng(0).standard_normal((5, 8))
    assert next_share(predicted, observed, 0.0, np.inf) == 1.0 and next_share(predicted, observed, 0.9, np.inf) == pytest.approx(0.1)


def fragile_problem(threshold: float) -> InverseProblem:
    """A linear problem whose runs fail where the first element is above a threshold."""
    with pm.Model() as model:
        x = pm.Normal("x", np.zeros(2), np.ones(2))
        mean = pm.math.switch(x[0] > threshold, np.nan, pm.math.stack([x[0] + x[1], x[0] - x[1], x[1]]))
        pm.Normal("y", mean, 0.5, observed=np.array([0.2, -0.4, 0.3]))
    return InverseProblem(model)


@pytest.mark.parametrize(
    "method",
    [
        lambda p: ensemble_smoother(p, 100, 3),
        lambda p: ensemble_smoother(p, 100, 3, update="perturbed"),
        lambda p: ensemble_kalman_inversion(p, 100),
        lambda p: ensemble_variational(p, 100, outer=4),
        lambda p: ensemble_kalman_sampler(p, 100, warm_up=4, time=3),
        lambda p: unscented_kalman_inversion(p, draws=4000),
    ],
    ids=["es_mda", "perturbed", "eki", "4denvar", "eks", "uki"],
)
def test_failed_members_are_counted_and_do_little_harm(method: Callable[[InverseProblem], xr.DataTree]) -> None:
    problem = fragile_problem(1.0)
    tree = method(problem)
    cost = json.loads(tree.attrs["cost"])
    assert cost["failed_simulations"] == problem.failures == int(tree["generations"]["failed"].sum()) > 0
    assert cost["forward_runs"] == int(np.isfinite(tree["generations"]["position"].values[..., 0]).sum())
    found = draws_of(tree)
    assert np.isfinite(found).all()
    # The posterior lies three of its sd below the threshold; a tenth of the prior draws do not run.
    covariance = np.linalg.inv(np.eye(2) + 4 * np.array([[2.0, 0.0], [0.0, 3.0]]))
    mean = covariance @ (4 * np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 1.0]]) @ np.array([0.2, -0.4, 0.3]))
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(found.mean(axis=0) - mean) < 0.4 * sd)
    assert np.all((found.std(axis=0) / sd > 0.7) & (found.std(axis=0) / sd < 1.4))


def test_too_many_failures_are_refused() -> None:
    for method in (ensemble_smoother, ensemble_kalman_inversion):
        with pytest.raises(RuntimeError, match="20 of 20 members failed, and an analysis needs 3; give more members"):
            method(fragile_problem(-9.0), 20)
    with pytest.raises(RuntimeError, match="the run of the prior mean failed"):
        ensemble_variational(fragile_problem(-9.0), 20)
    with pytest.raises(RuntimeError, match="the run of the central member failed"):
        unscented_kalman_inversion(fragile_problem(-9.0))
    with pytest.raises(RuntimeError, match="20 of 20 members failed"):
        ensemble_kalman_sampler(fragile_problem(-9.0), 20)


def test_stored_runs_are_not_repeated(tmp_path: Path) -> None:
    problem = problem_and_answer()[0]
    first = ensemble_smoother(problem, 20, 3, seed=2, store=tmp_path)
    before = problem.forward_runs
    again = ensemble_smoother(problem, 20, 3, seed=2, store=tmp_path)
    assert problem.forward_runs - before == 3  # one member of each generation, to see that the model is the same
    assert np.array_equal(draws_of(first), draws_of(again))
    ensemble_smoother(problem, 20, [2.0, 4.0, 4.0], seed=2, store=tmp_path)
    assert problem.forward_runs - before == 3 + 1 + 40  # the first generation is that of the prior


def test_result_has_the_groups_of_every_method() -> None:
    tree = ensemble_smoother(PROBLEM, 20, 2, seed=5)
    assert {"posterior", "sample_stats", "unconstrained", "generations", "observed_data"} <= set(tree.children)
    assert json.loads(tree.attrs["method"]) == "es_mda" and json.loads(tree.attrs["seed"]) == 5
    assert json.loads(tree.attrs["cost"])["forward_run_equivalents"] == 40
    settings = json.loads(tree.attrs["ensemble"])
    assert settings["alphas"] == [2.0, 2.0] and settings["notes"] == [] and settings["update"] == "square_root"
    assert tree["generations"]["misfit"].values[-1].mean() < tree["generations"]["misfit"].values[0].mean()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the inverses of the alphas sum to 0\.75"):
        ensemble_smoother(PROBLEM, 20, [2.0, 4.0])
    with pytest.raises(ValueError, match="accepted are 'square_root' and 'perturbed'"):
        ensemble_smoother(PROBLEM, 20, update="cubic")
    with pytest.raises(ValueError, match="accepted are 'posterior' and 'best_fit'"):
        ensemble_kalman_inversion(PROBLEM, 20, until="end")
    with pytest.raises(ValueError, match="most_shrink is a factor above 1, got 1"):
        ensemble_kalman_inversion(PROBLEM, 20, most_shrink=1.0)
    with pytest.raises(ValueError, match="at least one outer loop"):
        ensemble_variational(PROBLEM, 20, outer=0)
    with pytest.raises(ValueError, match="4 members for 3 elements; the sampler needs more than 4"):
        ensemble_kalman_sampler(PROBLEM, 4)
    with pytest.raises(ValueError, match="inflation is positive and relaxation between 0 and 1"):
        EnsembleUpdate(relaxation=2.0)
    with pytest.raises(ValueError, match="the weights of a taper lie between 0 and 1"):
        EnsembleUpdate(taper=2 * np.ones((3, 7)))
    with pytest.raises(ValueError, match=r"the taper has the shape \(2, 7\); \(3, 7\) is needed"):
        ensemble_smoother(PROBLEM, 20, update=EnsembleUpdate(taper=np.ones((2, 7))))
    with pytest.raises(TypeError, match="give a pymc.Model"):
        ensemble_smoother(3, 20)
