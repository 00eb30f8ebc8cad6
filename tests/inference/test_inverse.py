"""A model as an inverse problem with normal errors: predictions, derivatives, priors, whitening."""

import json

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from lsm_bayes.models import get

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density
from lsm_bayes.inference.inverse import InverseProblem, as_problem
from lsm_bayes.inference.tree import build_tree


def linear_model(seed: int = 0) -> tuple[pm.Model, np.ndarray, np.ndarray]:
    """Three parameters, observed through a matrix with correlated errors and through another with independent ones."""
    rng = np.random.default_rng(seed)
    maps, root = rng.normal(size=(7, 3)), np.tril(rng.normal(size=(4, 4)), -1) + 2 * np.eye(4)
    with pm.Model() as model:
        x = pm.Normal("x", np.array([1.0, -1.0, 0.5]), np.array([1.0, 2.0, 0.5]))
        pm.MvNormal("a", maps[:4] @ x, cov=root @ root.T, observed=rng.normal(size=4))
        pm.Normal("b", maps[4:] @ x, 0.3, observed=rng.normal(size=3))
    return model, maps, root


def test_linear_problem_is_read_exactly() -> None:
    model, maps, root = linear_model()
    problem = InverseProblem(model)
    x = np.array([0.3, 0.1, -0.2])
    whitened = np.concatenate([np.linalg.solve(root, maps[:4]), maps[4:] / 0.3])
    assert np.allclose(problem.predict(x), whitened @ x, rtol=1e-12)
    assert np.allclose(problem.jacobian(x), whitened, rtol=1e-12)
    weights = np.arange(7.0)
    assert np.allclose(problem.adjoint(x, weights), whitened.T @ weights, rtol=1e-12)
    mean, covariance = problem.prior
    assert np.array_equal(mean, [1.0, -1.0, 0.5]) and np.array_equal(covariance, np.diag([1.0, 4.0, 0.25]))
    assert problem.notes == [] and problem.names == ["x[0]", "x[1]", "x[2]"]
    residual = problem.predict(x) - problem.observed
    prior = -0.5 * np.sum((x - mean) ** 2 / np.diag(covariance)) - 0.5 * np.log(2 * np.pi * np.diag(covariance)).sum()
    assert np.isclose(problem.log_normaliser - 0.5 * residual @ residual + prior, Density(model)(x)[0], rtol=1e-12)
    assert np.isclose(problem.log_density(x), Density(model)(x)[0], rtol=1e-12)
    assert problem.cost()["forward_runs"] == 3 and problem.cost()["tangent_runs"] == 3


def test_a_result_says_its_cost_in_forward_runs() -> None:
    model, _, _ = linear_model()
    problem = InverseProblem(model)
    cost = {"forward_runs": 10, "tangent_runs": 5, "adjoint_runs": 4, "gradient_evaluations": 3}
    tree = build_tree(problem, np.zeros((1, 2, 3)), {}, method="none", seed=0, cost=cost)
    assert json.loads(tree.attrs["cost"])["forward_run_equivalents"] == 10 + 2 * 5 + 3 * 4 + 4 * 3
    assert list(tree["posterior"]["x"].values[0, 0]) == [0.0, 0.0, 0.0]


def vsem(error: ErrorModel, period: str = "day") -> pm.Model:
    module = get("vsem_twin")
    data = module.twin(0)[0].isel(time=slice(0, 365))
    return build_model(module.LAND, data, [Stream("nee", period, error)], fixed=module.RIGHT)


def test_tangent_of_means_of_weeks() -> None:
    problem = InverseProblem(vsem(ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None), "week"))
    rng, step = np.random.default_rng(0), 1e-5
    x, v = 0.3 * rng.standard_normal((2, 6))
    difference = (problem.predict(x + step * v) - problem.predict(x - step * v)) / (2 * step)
    assert np.allclose(problem.tangent(x, v), difference, rtol=1e-6, atol=1e-6 * np.abs(difference).max())
    assert problem.streams == {"nee": slice(0, problem.observed.size)}


def test_tangent_of_sums_of_sums() -> None:
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, shape=4)
        mean = pt.cumsum(x * pt.cumsum(x))
        pm.Normal("y", mean, 0.5, observed=np.zeros(4))
        pm.Normal("u", pt.cumsum(mean)[-1], 2.0, observed=0.0)
    problem = InverseProblem(model)
    x = np.array([0.3, -1.0, 2.0, 0.5])
    lower = np.tril(np.ones((4, 4)))
    slopes = lower @ (np.diag(lower @ x) + np.diag(x) @ lower)
    assert np.allclose(problem.jacobian(x), np.vstack([slopes / 0.5, slopes.sum(axis=0) / 2.0]), rtol=1e-12)


def test_calibration_with_memory_of_errors() -> None:
    model = vsem(ErrorModel(envelope=0.0, discrepancy=None))
    values = {"nee_sigma": 0.7} if "nee_sigma" in {rv.name for rv in model.free_RVs} else {}
    hold = {rv.name: 0.3 for rv in model.free_RVs if rv.name.startswith("nee_")} | values
    problem = InverseProblem(model, hold=hold)
    assert all(n.startswith("z") for n in problem.names) and problem.size == 6
    rng = np.random.default_rng(1)
    density = Density(model)
    points, left = 0.3 * rng.standard_normal((3, 6)), []
    for x in points:
        residual = problem.predict(x) - problem.observed
        position = problem.positions(x)
        held = [v for name, v in zip(density.labels, position, strict=True) if not name.startswith("z")]
        assert len(held) == len(hold)
        # What is left is the prior of the elements that are held and of x: constant but for -x.x/2.
        found = density(position)[0] - (problem.log_normaliser - 0.5 * residual @ residual - 0.5 * x @ x)
        left.append(found)
    assert np.ptp(left) < 1e-8
    x, v, step = points[0], rng.standard_normal(6), 1e-5
    difference = (problem.predict(x + step * v) - problem.predict(x - step * v)) / (2 * step)
    assert np.allclose(problem.tangent(x, v), difference, rtol=1e-6, atol=1e-6 * np.abs(difference).max())
    w = rng.standard_normal(problem.observed.size)
    assert np.isclose(w @ problem.tangent(x, v), v @ problem.adjoint(x, w), rtol=1e-10)


def test_errors_that_vary_are_read_around_a_position() -> None:
    with pm.Model() as model:
        x = pm.Normal("x")
        noise = pm.HalfNormal("noise")
        pm.Normal("y", x * np.ones(2), noise * (1.0 + x**2), observed=np.zeros(2))
    problem = InverseProblem(model, around=np.array([2.0, np.log(0.5)]))
    assert np.allclose(problem.predict(np.array([1.0])), 1.0 / (0.5 * 5.0))
    assert problem.notes == ["the errors depend on x, and are taken as they are around the given position"]
    assert (
        "at starting values" in InverseProblem(model).notes[1] and "held at default starting values: noise" in InverseProblem(model).notes
    )
    with pytest.raises(ValueError, match=r"around has shape \(3,\); give a flat unconstrained vector of shape \(2,\)"):
        InverseProblem(model, around=np.zeros(3))


def test_failed_runs_are_counted_and_other_priors_become_normal() -> None:
    with pm.Model() as model:
        rate = pm.LogNormal("rate", 0.0, 0.5)
        level = pm.Gamma("level", 2.0, 1.0)
        mean = pm.math.switch(rate > 1.0, np.nan, rate) * np.ones(2) + level
        pm.Normal("y", mean, 1.0, observed=np.zeros(2))
    problem = InverseProblem(model)
    found = problem.predict(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all() and problem.failures == 1
    mean_, covariance = problem.prior
    assert np.isclose(np.sqrt(covariance[0, 0]), 0.5, rtol=0.05) and abs(mean_[0]) < 0.05
    assert "moments of 4000 draws" in problem.notes[0]


def test_what_is_not_normal_is_refused() -> None:
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.StudentT("y", 3.0, mu=x, sigma=1.0, observed=0.0)
    with pytest.raises(ValueError, match="errors of 'y' are not normal"):
        InverseProblem(model)
    with pytest.raises(ValueError, match="errors of 'nee' are not normal"):
        InverseProblem(vsem(ErrorModel(heavy_tailed=True, envelope=0.0, discrepancy=None)))
    with pytest.raises(ValueError, match=r"cannot hold \['q'\]: the free variables are x"):
        InverseProblem(linear_model()[0], hold={"q": 1.0})
    with pytest.raises(ValueError, match="no prediction depends on a free variable that is not held"):
        InverseProblem(linear_model()[0], hold={"x": np.zeros(3)})
    with pytest.raises(TypeError, match="Got int; give a pymc.Model"):
        as_problem(3)
