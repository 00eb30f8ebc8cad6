import pytest

from lsm_bayes.inference import estimate_cost, sample
from lsm_bayes.inference.store import attribute


def test_estimate_counts_and_measures(schools):
    estimate = estimate_cost(schools, draws=500, tune=500, chains=4, cores=2, evaluations_per_draw=20)
    assert estimate.gradient_evaluations == 80_000
    assert estimate.dimension == 10
    assert estimate.seconds == pytest.approx(estimate.gradient_seconds * 40_000)
    assert "10 parameters" in str(estimate)
    assert "expect" in str(estimate)


def test_estimate_is_of_the_right_size(schools):
    tree = sample(schools, draws=1000, tune=500, seed=1, progress=False)
    per_draw = float(tree["sample_stats"]["n_steps"].mean())
    evaluations = estimate_cost(schools, draws=1000, tune=500, evaluations_per_draw=per_draw).gradient_evaluations
    assert evaluations == pytest.approx(attribute(tree, "cost")["gradient_evaluations"], rel=0.5)
