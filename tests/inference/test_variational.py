"""4D-Var and global search: exact where the problem is linear, every mode where it is not."""

import json

import numpy as np
import pymc as pm
import pytest

from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density
from lsm_bayes.inference.inverse import InverseProblem
from lsm_bayes.inference.variational import AssimilationCost, four_d_var, gauss_newton, global_search, judge

from .test_inverse import linear_model, vsem


def exact(problem: InverseProblem, background: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of a linear problem."""
    mean, prior = background or problem.prior
    seen = problem.jacobian(mean)
    covariance = np.linalg.inv(np.linalg.inv(prior) + seen.T @ seen)
    return mean + covariance @ seen.T @ (problem.observed - problem.predict(mean)), covariance


def folded_model() -> pm.Model:
    """x squared is observed, so that its sign is open: two modes of equal weight but for the prior's mean."""
    with pm.Model() as model:
        x = pm.Normal("x", 0.1, 1.0)
        y = pm.Normal("y", 0.0, 1.0)
        pm.Normal("square", x**2 + 0.0 * y, 0.05, observed=np.array([1.0, 1.02]))
        pm.Normal("sum", y + x**2, 0.1, observed=1.2)
    return model


@pytest.fixture(scope="module")
def linear() -> InverseProblem:
    return InverseProblem(linear_model()[0])


@pytest.fixture(scope="module")
def folded() -> InverseProblem:
    return InverseProblem(folded_model())


@pytest.fixture(scope="module")
def curved() -> InverseProblem:
    model = vsem(ErrorModel(envelope=0.0, discrepancy=None))
    return InverseProblem(model, hold={rv.name: 0.3 for rv in model.free_RVs if rv.name.startswith("nee_")})


@pytest.mark.parametrize(("method", "covariance"), [("gauss_newton", "gauss_newton"), ("gauss_newton", "exact"), ("lbfgs", "gauss_newton")])
def test_linear_problem_is_exact(linear: InverseProblem, method: str, covariance: str) -> None:
    mean, expected = exact(linear)
    tree = four_d_var(linear, method=method, covariance=covariance, draws=200)
    cost = AssimilationCost(linear)
    mode = tree["modes"]["position"].values[0]
    assert np.abs(mode - mean).max() < 1e-8
    found = cost.laplace(mean, cost.log_density(mean), cost.sensitivity(mean))
    assert np.abs(found.covariance - expected).max() < 1e-8
    draws = tree["unconstrained"]["position"].values[0]
    z = np.linalg.solve(np.linalg.cholesky(expected), (draws - mean).T)
    assert np.abs(z.mean(axis=1)).max() < 4 / np.sqrt(200) and np.abs(z.std(axis=1) - 1).max() < 4 / np.sqrt(400)
    assert json.loads(tree.attrs["converged"]) and json.loads(tree.attrs["pareto_k"]) < 0.5
    counted = json.loads(tree.attrs["cost"])
    assert counted["tangent_runs"] > 0 and counted["adjoint_runs"] > 0 and counted["forward_run_equivalents"] > 200
    # The evidence by Laplace is exact too: the density of the observations.
    prior_mean, prior = linear.prior
    spread = np.eye(linear.observed.size) + linear.jacobian(mean) @ prior @ linear.jacobian(mean).T
    r = linear.observed - linear.predict(prior_mean)
    whitened = -0.5 * r @ np.linalg.solve(spread, r) - 0.5 * np.linalg.slogdet(spread)[1]
    assert np.isclose(found.log_evidence, whitened + linear.log_normaliser, rtol=1e-10)


def test_given_background_and_what_the_observations_tell(linear: InverseProblem) -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(3, 3))
    background = (np.array([0.5, 0.2, -1.0]), root @ root.T + 0.1 * np.eye(3))
    mean, covariance = exact(linear, background)
    tree = four_d_var(linear, background=background, draws=50)
    assert np.abs(tree["modes"]["position"].values[0] - mean).max() < 1e-8
    told = 3 - np.trace(covariance @ np.linalg.inv(background[1]))
    assert np.isclose(tree["information"]["degrees_of_freedom"].values[0], told, rtol=1e-8)
    assert json.loads(tree.attrs["pareto_k"]) == 0.0  # judged against the cost that was asked for, which is normal
    from_far = gauss_newton(AssimilationCost(linear, background), np.array([50.0, -80.0, 20.0]))
    assert from_far.converged and from_far.outer <= 3 and np.abs(from_far.position - mean).max() < 1e-8
    with pytest.raises(ValueError, match=r"3 active elements \(x\[0\], x\[1\], x\[2\]\) need \(3,\) and \(3, 3\)"):
        four_d_var(linear, background=(np.zeros(2), np.eye(2)))
    with pytest.raises(ValueError, match="not positive definite"):
        four_d_var(linear, background=(np.zeros(3), -np.eye(3)))


def test_tangent_adjoint_and_gradient_of_the_cost(curved: InverseProblem) -> None:
    cost, rng = AssimilationCost(curved), np.random.default_rng(0)
    v, a, b = 0.3 * rng.standard_normal((3, curved.size))
    w = rng.standard_normal(curved.observed.size)
    x = cost.states(v)
    assert np.isclose(w @ curved.tangent(x, cost.root @ a), a @ cost.root.T @ curved.adjoint(x, w), rtol=1e-10)
    assert np.isclose(a @ cost.curvature(v, b), b @ cost.curvature(v, a), rtol=1e-10)
    singular, vectors = cost.sensitivity(x)
    assert np.allclose(vectors @ ((1 + singular**2) * (vectors.T @ a)), cost.curvature(v, a), rtol=1e-8, atol=1e-8 * singular[0] ** 2)
    assert np.allclose(cost.sensitivity(x, differences=True)[0], singular, rtol=1e-4, atol=1e-6 * singular[0])
    value, residual = cost.value(v)
    step = 1e-5
    difference = (cost.value(v + step * a)[0] - cost.value(v - step * a)[0]) / (2 * step)
    assert np.isclose(a @ cost.gradient(v, residual), difference, rtol=1e-6)
    assert np.isclose(cost(x)[0], cost.constant - value) and np.allclose(cost.controls(x), v)


def test_both_forms_agree_on_a_land_model(curved: InverseProblem) -> None:
    start = AssimilationCost(curved).mean + 0.5
    incremental = four_d_var(curved, start_points=[start], draws=50)
    full = four_d_var(curved, method="lbfgs", start_points=[start], draws=50)
    sd = full["unconstrained"]["position"].values[0].std(axis=0)[curved.active]
    apart = (incremental["modes"]["position"] - full["modes"]["position"]).values[0][curved.active]
    assert np.max(np.abs(apart) / sd) < 1e-3
    assert all(json.loads(t.attrs["converged"]) for t in (incremental, full))
    held = [i for i in range(curved.dimension) if i not in set(curved.active)]
    assert np.array_equal(np.ptp(incremental["unconstrained"]["position"].values[0][:, held], axis=0), np.zeros(len(held)))


@pytest.mark.parametrize("method", ["gauss_newton", "lbfgs"])
def test_multi_start_finds_both_modes(folded: InverseProblem, method: str) -> None:
    tree = four_d_var(folded, method=method, starts=6, covariance="exact", draws=2000, seed=1)
    modes = tree["modes"].to_dataset()
    assert modes.sizes["mode"] == 2 and set(np.sign(modes["x"].values)) == {-1.0, 1.0}
    grid = np.linspace(-3, 3, 601)
    x, y = np.meshgrid(grid, grid, indexing="ij")
    log = -0.5 * (x - 0.1) ** 2 - 0.5 * y**2 - 0.5 * ((y + x**2 - 1.2) / 0.1) ** 2
    log -= 0.5 * ((x**2 - 1.0) / 0.05) ** 2 + 0.5 * ((x**2 - 1.02) / 0.05) ** 2
    density = np.exp(log - log.max())
    share = density[grid > 0].sum() / density.sum()
    assert abs(float(modes["weight"].values[modes["x"].values > 0][0]) - share) < 0.01
    assert abs(np.mean(tree["posterior"]["x"].values > 0) - share) < 4 * np.sqrt(0.25 / 2000) + 0.01
    assert set(tree["starts"]["mode"].values) == {0, 1} and bool(tree["starts"]["converged"].all())
    assert json.loads(tree.attrs["pareto_k"]) < 0.7


def test_density_itself_and_its_two_modes(two_modes: Density) -> None:
    tree = four_d_var(two_modes, method="lbfgs", starts=16, draws=500, seed=1)
    assert np.allclose(np.sort(tree["modes"]["weight"].values), [0.3, 0.7], atol=0.05)
    assert np.allclose(np.sort(tree["modes"]["x"].values[:, 0]), [-3, 3], atol=0.05)
    assert json.loads(tree.attrs["pareto_k"]) < 0.7 and json.loads(tree.attrs["cost"])["gradient_evaluations"] > 500
    with pytest.raises(ValueError, match="a Density is minimised with method='lbfgs'"):
        four_d_var(two_modes)


@pytest.mark.parametrize("method", ["cma", "differential_evolution"])
def test_global_search(linear: InverseProblem, two_modes: Density, method: str) -> None:
    mean, covariance = exact(linear)
    tree = global_search(linear, method=method, restarts=1, draws=500, seed=2)
    assert np.max(np.abs(tree["modes"]["position"].values[0] - mean) / np.sqrt(np.diag(covariance))) < 0.02
    assert json.loads(tree.attrs["converged"]) and json.loads(tree.attrs["pareto_k"]) < 0.5
    counted = json.loads(tree.attrs["cost"])
    assert counted["adjoint_runs"] == counted["tangent_runs"] == 0 and counted["forward_runs"] > int(tree["starts"]["evaluations"].sum())
    draws = tree["unconstrained"]["position"].values[0]
    assert np.allclose(np.cov(draws, rowvar=False), covariance, rtol=0.25, atol=0.25 * np.diag(covariance).max())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    many = global_search(two_modes, method=method, restarts=5, draws=100, seed=3)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert np.isclose(float(many["modes"]["log_posterior"].max()), max(two_modes(np.full(2, s))[0] for s in (-3.0, 3.0)), atol=0.01)


def test_failed_runs_are_data() -> None:
    with pm.Model() as model:
        rate = pm.Normal("rate", 0.0, 1.0)
        mean = pm.math.switch(rate > 1.5, np.nan, pm.math.exp(rate)) * np.ones(4)
        pm.Normal("y", mean, 0.5, observed=np.array([3.5, 4.0, 4.2, 3.8]))
    problem = InverseProblem(model)
    tree = four_d_var(problem, start_points=[np.array([-3.0])], draws=400)
    assert problem.failures > 0 and json.loads(tree.attrs["cost"])["failed_simulations"] > 0
    assert json.loads(tree.attrs["approximation"])["failed"] > 0
    with pytest.raises(RuntimeError, match="The run failed at all of 1 starts"):
        four_d_var(problem, start_points=[np.array([2.0])])
    searched = global_search(problem, restarts=1, draws=50)
    assert json.loads(searched.attrs["cost"])["failed_simulations"] > 0


def test_bad_arguments(linear: InverseProblem) -> None:
    with pytest.raises(ValueError, match="method is 'newton' and covariance None; choose of"):
        four_d_var(linear, method="newton")
    with pytest.raises(ValueError, match="Got starts=0"):
        four_d_var(linear, starts=0)
    with pytest.raises(ValueError, match=r"3 active elements each, got \[\(2,\)\]"):
        four_d_var(linear, start_points=[np.zeros(2)])
    with pytest.raises(ValueError, match="method is 'ga'; choose one of"):
        global_search(linear, method="ga")


def test_judgement_tells_good_from_bad() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(2000)
    log_q = -0.5 * x**2
    good, narrow, exact_ = judge(-0.5 * (x / 0.9) ** 2, log_q), judge(-0.5 * (x / 3.0) ** 2, log_q), judge(log_q - 7.0, log_q)
    assert good.trusted and not narrow.trusted and narrow.pareto_k > 0.7 and "sample with NUTS" in str(narrow)
    assert exact_.pareto_k == 0.0 and np.isclose(exact_.effective_draws, 2000) and np.isclose(exact_.log_evidence, -7.0)
    assert np.isclose(good.log_evidence, np.log(0.9), atol=0.02)  # ratio of the normalisers
    failed = judge(np.where(x > 1, -np.inf, log_q), log_q)
    assert failed.failed == int((x > 1).sum()) and failed.weights[x > 1].sum() == 0
    nothing = judge(np.full(2000, -np.inf), log_q)
    assert nothing.pareto_k == np.inf and not nothing.trusted
