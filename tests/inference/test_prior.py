import numpy as np
import pymc as pm
import pytest

from lsm_bayes.inference import sample_prior
from lsm_bayes.inference.store import attribute

from .posteriors import gaussian_model


def test_prior_and_what_it_predicts(schools):
    tree = sample_prior(schools.model, draws=300, seed=1)
    assert float(tree["prior"]["mean"].std()) == pytest.approx(5, rel=0.2)
    assert tree["prior_predictive"]["effect"].dims == ("chain", "draw", "school")
    assert attribute(tree, "cost")["failed_simulations"] == 0
    again = sample_prior(schools, draws=300, seed=1)
    np.testing.assert_array_equal(again["prior"]["mean"], tree["prior"]["mean"])


def test_failed_simulations_are_counted():
    with pm.Model() as model:
        x = pm.Normal("x")
        root = pm.Deterministic("root", pm.math.sqrt(x))
        pm.Normal("y", root, 1, observed=0.0)
        pm.Potential("constraint", -(x**2))
    tree = sample_prior(model, draws=200, seed=1)
    cost = attribute(tree, "cost")
    assert cost["failed_simulations"] == int((tree["prior"]["x"] < 0).sum())
    assert 60 < cost["failed_simulations"] < 140
    assert cost["potentials_ignored"] == ["constraint"]


def test_improper_prior():
    with pytest.raises(ValueError, match=r"priors of \['x'\] are improper"):
        sample_prior(gaussian_model(), draws=2)
