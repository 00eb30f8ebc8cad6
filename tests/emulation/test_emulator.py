"""Emulators: covariances, predictions, honest variances, graphs, refusal."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from emulation_problems import TRUTH, curved_problem

from lsm_bayes.emulation import (
    EmulatorRefusedError,
    calibrate_emulate_sample,
    emulated_model,
    fit_emulator,
    fit_misfit,
    informed_design,
    join,
    misfit_model,
    prior_design,
    run_ensemble,
)
from lsm_bayes.emulation.calibrate import ExtrapolationWarning, with_emulator
from lsm_bayes.emulation.covariance import Covariance
from lsm_bayes.emulation.emulated import log_likelihood
from lsm_bayes.emulation.emulator import Emulator
from lsm_bayes.emulation.extent import distance_to_runs
from lsm_bayes.emulation.misfit import sums_of_squares
from lsm_bayes.emulation.polynomial_chaos import candidate_terms, polynomials
from lsm_bayes.emulation.validation import pivoted_cholesky_errors
from lsm_bayes.inference import Density, InverseProblem
from lsm_bayes.inference.tree import build_tree

CHOICES = {
    "process": ("gaussian_process", {}),
    "gaussian covariance": ("gaussian_process", {"shape": "gaussian"}),
    "gradients": ("gaussian_process", {}),
    "polynomials": ("polynomial_chaos", {"degree": 5}),
    "networks": ("networks", {"members": 5, "hidden": (8,)}),
}


@pytest.fixture(scope="module")
def parts() -> SimpleNamespace:
    problem = curved_problem()
    x = prior_design(problem, 40, seed=1)
    runs = run_ensemble(problem, x)
    sloped = run_ensemble(problem, x[:16], directions=np.eye(3))
    other = run_ensemble(problem, prior_design(problem, 60, kind="sobol", seed=2))
    fits = {
        label: fit_emulator(sloped if label == "gradients" else runs, kind, **choices).validated(other)
        for label, (kind, choices) in CHOICES.items()
    }
    return SimpleNamespace(problem=problem, runs=runs, sloped=sloped, other=other, fits=fits)


@pytest.mark.parametrize("shape", ["gaussian", "matern52"])
def test_covariances_of_derivatives_are_derivatives_of_covariances(shape: str) -> None:
    rng, step = np.random.default_rng(0), 1e-5
    x, y = rng.normal(size=(2, 4, 3))
    theta = np.log([0.8, 1.3, 2.0, 1.3, 0.7, 0.4])

    def at(values: np.ndarray) -> Covariance:
        return Covariance(np.exp(values[:3]), *np.exp(values[3:]), shape=shape)

    found = at(theta).between(x, y, (True, True))
    assert np.allclose(at(theta).between(x, y)[:, 0, :, 0], found[:, 0, :, 0], rtol=1e-12)
    for i, move in enumerate(step * np.eye(3)):
        difference = at(theta).between(x + move, y, (False, True)) - at(theta).between(x - move, y, (False, True))
        assert np.allclose(found[:, 1 + i], difference[:, 0] / (2 * step), atol=1e-7)
    for slopes in (False, True):
        size = 4 if slopes else 1
        weight = rng.normal(size=(4, size, 4, size))
        sums = [np.sum(weight * at(t).between(x, x, (slopes, slopes))) for e in np.eye(6) for t in (theta + step * e, theta - step * e)]
        assert np.allclose(at(theta).sensitivity(x, weight), (np.array(sums[::2]) - sums[1::2]) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("label", CHOICES)
def test_predictions_and_their_variance(parts: SimpleNamespace, label: str) -> None:
    found = parts.fits[label].validation
    assert found.r2 > (0.9 if label == "networks" else 0.985), found.describe()
    assert 0.7 < found.coverage <= 1.0 and found.component_error < 2.0, found.describe()


def test_gradients_do_with_fewer_runs(parts: SimpleNamespace) -> None:
    plain = fit_emulator(parts.runs.rows(np.arange(16))).validated(parts.other)
    assert 1 - parts.fits["gradients"].validation.r2 < 0.3 * (1 - plain.validation.r2)
    assert parts.sloped.forward_run_equivalents == 16 * (1 + 2 * 3)
    mean, _ = parts.fits["gradients"].predict(parts.sloped.x)
    assert np.allclose(mean, parts.sloped.predictions, atol=0.1 * parts.sloped.predictions.std())


@pytest.mark.parametrize("label", CHOICES)
def test_graphs_agree_with_predictions_and_differentiate(parts: SimpleNamespace, label: str) -> None:
    emulator: Emulator = parts.fits[label]
    x = pt.tensor("x", shape=(3,), dtype="float64")
    mean, variance = emulator.graph(x)
    slope = pt.grad(mean[0] + variance[0], x)
    function = pytensor.function([x], [mean, variance, slope, mean[0] + variance[0]], mode="FAST_COMPILE")
    for point in (parts.other.x[0], parts.runs.x[0]):  # a run itself, where a distance is 0
        got, want = function(point), emulator.predict(point[None])
        assert np.allclose(got[0], want[0][0], rtol=1e-8, atol=1e-8) and np.allclose(got[1], want[1][0], rtol=1e-6, atol=1e-9)
        assert np.all(np.isfinite(got[2]))
    point, step = parts.other.x[0], 1e-5
    numeric = [(function(point + e)[3] - function(point - e)[3]) / (2 * step) for e in step * np.eye(3)]
    assert np.allclose(function(point)[2], numeric, rtol=1e-5, atol=1e-6 * np.abs(numeric).max())


def test_likelihood_has_the_covariance_of_errors_and_emulator(parts: SimpleNamespace) -> None:
    problem, emulator = parts.problem, parts.fits["process"]
    model = emulated_model(problem, emulator)
    density, x, c = Density(model), parts.other.x[3], emulator.components
    scores, spread = emulator.surrogate.predict(emulator.standardise(x[None]))
    basis = np.concatenate([c.kept, c.left])
    covariance = np.eye(30) + (c.kept.T * spread[0]) @ c.kept + (c.left.T * c.left_variance) @ c.left
    covariance += c.outside * (np.eye(30) - basis.T @ basis)
    residual = problem.observed - c.mean - scores[0] @ c.kept
    want = problem.log_normaliser - 0.5 * residual @ np.linalg.solve(covariance, residual) - 0.5 * np.linalg.slogdet(covariance)[1]
    want += -0.5 * x @ x - 1.5 * np.log(2 * np.pi)
    assert np.isclose(density(x)[0], want, rtol=1e-10) and density.labels == problem.names
    plain = log_likelihood(problem, emulator, pt.constant(x), variance=False).eval(mode="FAST_COMPILE")
    assert np.isclose(plain, problem.log_normaliser - 0.5 * residual @ residual, rtol=1e-10)
    assert np.isclose(density(TRUTH)[0], problem.log_density(TRUTH), atol=2.0)  # the emulator is good
    assert not model.observed_RVs and [rv.name for rv in model.free_RVs] == ["x"]


def test_deterministics_and_order_of_a_calibration_are_kept() -> None:
    with pm.Model() as model:
        b = pm.Uniform("b", 0.5, 1.5)
        a = pm.Normal("a", 0.0, 1.0)
        sd = pm.HalfNormal("sd", 1.0)
        pm.Deterministic("twice", 2.0 * a)
        pm.Deterministic("scaled", 2.0 * sd)
        pm.Normal("y", pt.exp(0.3 * a) * b * np.arange(1.0, 5.0), sd, observed=np.ones(4))
    problem = InverseProblem(model, hold={"sd": 0.5})
    runs = run_ensemble(problem, prior_design(problem, 40))
    found = emulated_model(problem, fit_emulator(runs, least=1e-4, shape="gaussian"), accept=True)
    assert [rv.name for rv in found.free_RVs] == ["b", "a"] and [v.name for v in found.deterministics] == ["twice"]
    x = np.array([0.2, 0.1])
    residual, share = problem.predict(x) - problem.observed, 1 / (1 + np.exp(-x[0]))
    prior = np.log(share * (1 - share)) - 0.5 * x[1] ** 2 - 0.5 * np.log(2 * np.pi)
    assert np.isclose(Density(found)(x)[0], problem.log_normaliser - 0.5 * residual @ residual + prior, atol=0.2)


def test_an_emulator_that_is_not_good_enough_is_refused(parts: SimpleNamespace) -> None:
    poor = fit_emulator(parts.runs.rows(np.arange(6)), "polynomial_chaos", degree=1).validated(parts.other)
    with pytest.raises(EmulatorRefusedError, match=r"R2 -?\d\.\d+ is below 0.9: add runs.*accept=True takes it as it is"):
        emulated_model(parts.problem, poor)
    assert emulated_model(parts.problem, poor, accept=True).potentials
    with pytest.raises(ValueError, match="the emulator is of 30 outputs"):
        emulated_model(curved_problem(outputs=7), parts.fits["process"])
    with pytest.raises(ValueError, match="kind is 'spline'; choose one of gaussian_process"):
        fit_emulator(parts.runs, "spline")  # type: ignore[arg-type]


def test_polynomials_are_orthonormal() -> None:
    terms = candidate_terms(2, 3, 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / (2 * np.pi)
    table = polynomials(grid, terms)
    assert len(terms) == 10 and np.allclose(table.T @ (weight[:, None] * table), np.eye(10), atol=1e-10)


def test_pivoted_cholesky_errors_are_independent() -> None:
    rng = np.random.default_rng(0)
    root = np.tril(rng.normal(size=(5, 5))) + 2 * np.eye(5)
    draws = root @ rng.normal(size=(5, 4000))
    found = np.array([pivoted_cholesky_errors(e, root @ root.T) for e in draws.T])
    assert np.allclose(np.cov(found.T), np.eye(5), atol=0.08)


def test_runs_that_fail_are_kept_and_runs_on_disk_are_not_done_again(tmp_path: Path) -> None:
    with pm.Model() as model:
        a = pm.Normal("a", 0.0, 1.0)
        pm.Normal("y", pm.math.switch(a > 1.0, np.nan, a) * np.ones(3), 1.0, observed=np.zeros(3))
    problem = InverseProblem(model)
    x = prior_design(problem, 20, seed=3)
    first = run_ensemble(problem, x, store=tmp_path, piece=6)
    assert np.array_equal(first.failed, x[:, 0] > 1.0) and len(first.good.x) == np.sum(x <= 1.0)
    before = problem.forward_runs
    again = run_ensemble(problem, x, store=tmp_path, piece=6)
    assert problem.forward_runs - before == 1  # the run that tells models apart
    assert np.array_equal(again.predictions, first.predictions, equal_nan=True)
    next(tmp_path.glob("*/*.npz")).unlink()
    assert np.array_equal(run_ensemble(problem, x, store=tmp_path, piece=6).predictions, first.predictions, equal_nan=True)
    assert problem.forward_runs - before == 1 + 1 + 6 or problem.forward_runs - before == 1 + 1 + 2
    assert fit_emulator(first).validation.r2 > 0.99
    with pytest.raises(ValueError, match=r"x has shape \(3,\); give \(n, 1\): a"):
        run_ensemble(problem, np.zeros(3))


@pytest.mark.slow  # each process imports and compiles everything anew
def test_processes_run_what_this_process_runs() -> None:
    problem = curved_problem(outputs=5)
    x = prior_design(problem, 6)
    found = run_ensemble(problem, x, directions=np.eye(3)[:1], cores=2, piece=3)
    assert problem.forward_runs == 6 and problem.tangent_runs == 6
    assert np.allclose(found.predictions, problem.predict(x)) and found.slopes is not None
    assert np.allclose(found.slopes[2, 0], problem.tangent(x[2], np.eye(3)[0]))


def test_runs_are_joined_and_what_lies_beyond_them_is_said(parts: SimpleNamespace) -> None:
    assert np.isclose(distance_to_runs(parts.runs.x, parts.runs.x).max(), 1.0)
    bounded = Density(emulated_model(parts.problem, parts.fits["process"]))
    free = Density(emulated_model(parts.problem, parts.fits["process"], bounded=False))
    out = parts.runs.x.mean(axis=0) + 1.2 / distance_to_runs(parts.runs.x, parts.runs.x.mean(axis=0) + np.eye(3))[:, None] * np.eye(3)
    assert np.allclose([bounded(x)[0] - free(x)[0] for x in out], -0.5 * (0.44 / 0.1) ** 2) and np.isclose(
        bounded(TRUTH)[0], free(TRUTH)[0]
    )
    both = join([parts.sloped, parts.runs])
    assert len(both.x) == 56 and both.slopes is None and join([parts.sloped, parts.sloped]).slopes is not None
    emulator = parts.fits["process"]
    assert not emulator.beyond(parts.runs.x).any() and emulator.beyond(np.array([[0.0, 0.0, 9.0]]))[0]
    with pytest.raises(ValueError, match="runs of other models"):
        join([parts.runs, run_ensemble(curved_problem(outputs=7), parts.runs.x[:2])])
    tree = build_tree(parts.problem, np.full((1, 4, 3), 9.0), {}, method="none", seed=0, cost={})
    with pytest.warns(ExtrapolationWarning, match="100 % of the draws lie beyond the runs of the emulator"):
        with_emulator(tree, parts.problem, emulator, variance=True, seconds=0.0)


def test_designs_fill_the_prior_and_follow_positions(parts: SimpleNamespace) -> None:
    problem = parts.problem
    for kind in ("latin_hypercube", "sobol"):
        x = prior_design(problem, 64, kind=kind, seed=0)
        assert np.allclose(x.mean(axis=0), 0.0, atol=0.1) and np.allclose(x.std(axis=0), 1.0, atol=0.1) and np.abs(x).max() < 2.58
    near = 0.1 * np.random.default_rng(0).normal(size=(200, 3)) + 1.0
    found = informed_design(problem, near, 50, prior_share=0.2, widen=2.0)
    inside = found[np.all(np.abs(found - 1.0) < 1.0, axis=1)]
    assert found.shape == (50, 3) and len(inside) >= 40 and 0.15 < inside[:40].std() < 0.45
    with pytest.raises(ValueError, match=r"positions have shape \(4, 5\); give \(n, 3\)"):
        informed_design(problem, np.zeros((4, 5)), 10)


def test_calibrate_emulate_sample_finds_the_posterior(parts: SimpleNamespace) -> None:
    problem = parts.problem
    rng = np.random.default_rng(0)
    positions = TRUTH + 0.3 * rng.normal(size=(60, 3))
    sampling = {"draws": 300, "tune": 150, "chains": 2, "cores": 1}
    tree = calibrate_emulate_sample(problem, positions, runs=30, seed=1, **sampling)
    draws = tree["unconstrained"]["position"].values.reshape(-1, 3)
    grid = np.stack(np.meshgrid(*[np.linspace(-0.6, 0.6, 25) + c for c in draws.mean(axis=0)], indexing="ij"), axis=-1).reshape(-1, 3)
    log = np.array([-0.5 * np.sum((r - problem.observed) ** 2) for r in problem.predict(grid)]) - 0.5 * np.sum(grid**2, axis=1)
    weight = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 0.2 * sd) and np.allclose(draws.std(axis=0) / sd, 1.0, atol=0.15)
    assert 30 < tree["emulator"].attrs["runs"] <= 90 and float(tree["emulator"]["beyond"]) < 0.01
    with pytest.raises(ValueError, match="got rounds=0; give 1 or more"):
        calibrate_emulate_sample(problem, positions, rounds=0)
    assert float(tree["emulator"]["r2"]) > 0.95 and "emulator" in json.loads(tree.attrs["method"])
    assert json.loads(tree.attrs["cost"])["emulator_gradient_evaluations"] > 0


def test_sums_of_squares_carry_the_likelihood(parts: SimpleNamespace) -> None:
    problem = parts.problem
    near = TRUTH + 0.3 * np.random.default_rng(0).normal(size=(200, 3))
    runs = run_ensemble(problem, informed_design(problem, near, 40, prior_share=0.0))
    test = run_ensemble(problem, near[:50])
    for gradients, chosen in ((False, runs), (True, runs.rows(np.arange(12)))):
        found = fit_misfit(problem, chosen, gradients=gradients)
        mean, variance = found.predict(test.x)
        truth = sums_of_squares(problem, test.predictions)
        assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.15 * truth.std() and np.mean(np.abs(mean - truth) < 2 * np.sqrt(variance)) > 0.7
    density = Density(misfit_model(problem, found, variance=False))
    exact = Density(problem.model)
    values = np.array([[density(x)[0], exact(x)[0]] for x in near[:20]])
    assert np.std(values[:, 0] - values[:, 1]) < 0.15 * np.std(values[:, 1])
    model = misfit_model(problem, found, free_errors=True)
    assert [rv.name for rv in model.free_RVs] == ["x", "emulator_error", "error_factor"] and np.isfinite(model.point_logps()["emulated"])
