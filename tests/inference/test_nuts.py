import arviz_stats
import numpy as np
import pytest

from lsm_bayes.inference import find_modes, sample
from lsm_bayes.inference.nuts import share_out, start_from
from lsm_bayes.inference.store import attribute

from .posteriors import COVARIANCE, MEAN

QUICK = {"tune": 200, "draws": 500, "progress": False}


@pytest.mark.parametrize("metric", ["low_rank", "diagonal", "laplace"])
def test_moments_of_a_correlated_gaussian(gaussian, metric):
    tree = sample(gaussian, metric=metric, seed=1, **QUICK)
    draws = tree["posterior"]["x"].values.reshape(-1, 3)
    effective = arviz_stats.ess(tree)["x"].values.min()
    assert effective > 200
    np.testing.assert_allclose((draws.mean(axis=0) - MEAN) / np.sqrt(np.diag(COVARIANCE)), 0, atol=4 / np.sqrt(effective))
    sd = draws.std(axis=0) / np.sqrt(np.diag(COVARIANCE))
    np.testing.assert_allclose(sd, 1, atol=4 / np.sqrt(effective))
    assert np.corrcoef(draws[:, 0], draws[:, 1])[0, 1] == pytest.approx(0.95, abs=0.03)


def test_eight_schools(schools):
    tree = sample(schools, seed=2, initial=find_modes(schools, starts=4), tune=400, draws=1500, progress=False)
    # posteriordb, eight_schools_noncentered reference draws: mu 4.40, tau 3.59, theta[1] 6.23
    mean = tree["posterior"].mean(("chain", "draw"))
    assert float(mean["mean"]) == pytest.approx(4.4, abs=0.3)
    assert float(mean["spread"]) == pytest.approx(3.6, abs=0.4)
    assert float(mean["true"].sel(school="A")) == pytest.approx(6.2, abs=0.5)
    assert set(tree.children) >= {"posterior", "sample_stats", "unconstrained", "observed_data", "constant_data", "modes"}
    assert list(tree["observed_data"]["effect"]["school"].values) == list("ABCDEFGH")
    assert attribute(tree, "method") == "nuts (low_rank)"
    cost = attribute(tree, "cost")
    assert cost["gradient_evaluations"] == cost["tuning_evaluations"] + int(tree["sample_stats"]["n_steps"].sum())


def test_banana(banana):
    tree = sample(banana, seed=3, draws=1000, tune=400, progress=False)
    draws = tree["posterior"]
    assert float(tree["sample_stats"]["diverging"].mean()) < 0.01
    # y | x is narrow around 2 x^2, and the prior of y takes little: E y is near 2 E x^2
    assert float(draws["y"].mean()) == pytest.approx(2 * float((draws["x"] ** 2).mean()), rel=0.02)
    assert float(draws["x"].mean()) == pytest.approx(0, abs=0.2)


def test_chains_start_in_modes_by_weight(two_modes):
    modes = find_modes(two_modes, starts=16, seed=1)
    tree = sample(two_modes, initial=modes, seed=4, tune=100, draws=100, progress=False)
    where = tree["posterior"]["x"].values[:, 0, 0].round() > 0
    heavy = int(np.argmax(modes.weights))
    assert list(tree["sample_stats"]["mode"].values[:, 0] == heavy) == list(where)
    assert where.sum() == 3


def test_same_seed_same_draws(gaussian):
    first, second, other = (sample(gaussian, seed=s, draws=50, tune=50, chains=3, progress=False) for s in (5, 5, 6))
    np.testing.assert_array_equal(first["posterior"]["x"], second["posterior"]["x"])
    assert not np.array_equal(first["posterior"]["x"], other["posterior"]["x"])


def test_pymc_sampler_gives_the_same_groups(gaussian):
    tree = sample(gaussian, metric="pymc", draws=150, tune=150, chains=2, cores=1, seed=1, progress=False, target_accept=0.9)
    assert set(tree.children) == {"posterior", "sample_stats", "unconstrained"}
    np.testing.assert_allclose(tree["unconstrained"]["position"], tree["posterior"]["x"])
    assert float(tree["posterior"]["x"].sel(parameter="b").mean()) == pytest.approx(-2, abs=0.1)


def test_share_out_by_largest_remainder():
    assert share_out(np.array([0.7, 0.3]), 4) == [0, 0, 0, 1]
    assert share_out(np.array([0.98, 0.02]), 4) == [0, 0, 0, 0]
    assert share_out(np.array([0.4, 0.35, 0.25]), 4) == [0, 0, 1, 2]


def test_start_moves_towards_the_mode_where_the_approximation_is_bad(banana):
    modes = find_modes(banana, starts=4)
    rng = np.random.default_rng(1)
    fit = modes.laplace[0]
    for _ in range(50):
        start = start_from(banana, fit, rng)
        assert banana(start)[0] > fit.log_posterior - 2 * banana.dimension - 10


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"metric": "dense"}, "metric is 'dense'; choose one of .*low_rank"),
        ({"tune": 5}, "tune must be at least 20"),
        ({"resume": True}, "resume=True needs store"),
        ({"initial": np.full((4, 3), np.nan)}, r"not finite at initial positions \[0, 1, 2, 3\]"),
        ({"initial": np.zeros((2, 3))}, r"initial has shape \(2, 3\); .* of shape \(4, 3\)"),
    ],
)
def test_errors_say_what_to_do(gaussian, change, text):
    with pytest.raises(ValueError, match=text):
        sample(gaussian, **{**QUICK, **change})
