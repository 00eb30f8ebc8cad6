"""Approximate Bayesian computation against exact posteriors; neural estimation says what it needs."""

import importlib.util
import json

import numpy as np
import pymc as pm
import pytest

from lsm_bayes.inference.gradient_free import sample_abc, sample_neural_posterior

from ..posteriors import gaussian_model, two_mode_model

OBSERVED = np.array([1.0])


def prior() -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 2.0)
        pm.Deterministic("twice", 2.0 * x)
    return model


def simulator(values, rng):
    """Mean of y ~ N(x, 0.5), given by a deterministic of the model."""
    return np.atleast_1d(0.5 * values["twice"] + 0.5 * rng.standard_normal())


EXACT_MEAN, EXACT_SD = 1.0 / (1 + 0.25 / 4), np.sqrt(1 / (1 / 4 + 1 / 0.25))


def test_rejection_has_the_exact_posterior_of_a_sufficient_summary() -> None:
    tree = sample_abc(prior(), simulator, OBSERVED, draws=600, accept=0.06, seed=1)
    x = tree["posterior"]["x"].values
    assert x.shape == (1, 600)
    assert abs(x.mean() - EXACT_MEAN) < 4 * EXACT_SD / np.sqrt(600)
    assert abs(x.std() / EXACT_SD - 1) < 0.1
    assert json.loads(tree.attrs["cost"])["forward_runs"] == 10_000
    assert float(tree["sample_stats"]["distance"].max()) < 0.15


# PyMC's own use of PyTensor in pymc.Simulator.
@pytest.mark.filterwarnings("ignore:.*RandomVariable:DeprecationWarning")
def test_smc_has_the_exact_posterior_with_its_tolerance() -> None:
    tree = sample_abc(prior(), simulator, OBSERVED, method="smc", draws=400, chains=1, tolerance=0.5, seed=1)
    x = tree["posterior"]["x"].values
    variance = 1 / (1 / 4 + 1 / (0.25 + 0.25))  # the kernel adds its variance to that of the errors
    assert abs(x.mean() - variance / (0.25 + 0.25)) < 0.12
    assert abs(x.std() / np.sqrt(variance) - 1) < 0.15
    assert json.loads(tree.attrs["method"]) == "abc (smc)"


def test_failed_simulations_are_counted() -> None:
    def failing(values, rng):
        if values["x"] < -1:
            raise ZeroDivisionError
        return simulator(values, rng) if values["x"] < 3 else np.array([np.nan])

    tree = sample_abc(prior(), failing, OBSERVED, draws=50, accept=0.05, seed=1)
    assert 200 < json.loads(tree.attrs["cost"])["failed_simulations"] < 600


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="method is 'mcmc'; choose one of 'rejection', 'smc'"):
        sample_abc(prior(), simulator, OBSERVED, method="mcmc")
    with pytest.raises(ValueError, match="the priors of x are improper"):
        sample_abc(gaussian_model(), simulator, OBSERVED)
    with pytest.raises(ValueError, match="the model has density; give one of priors alone"):
        sample_abc(two_mode_model(), simulator, OBSERVED)
    with pytest.raises(ValueError, match=r"returned summaries of shape \(1,\), the observed ones have \(2,\)"):
        sample_abc(prior(), simulator, np.zeros(2), draws=10)
    with pytest.raises(ValueError, match="accept=0, tolerance=0.1; accept is a share"):
        sample_abc(prior(), simulator, OBSERVED, accept=0)
    with pytest.raises(ValueError, match=r"scales have shape \(3,\), the observed summaries \(1,\)"):
        sample_abc(prior(), simulator, OBSERVED, scales=np.ones(3))
    with pytest.raises(ValueError, match="only 0 of 20 simulations are finite, 10 are to be kept"):
        sample_abc(prior(), lambda values, rng: np.array([np.nan]), OBSERVED, draws=10, accept=0.5)


@pytest.mark.skipif(importlib.util.find_spec("sbi") is not None, reason="sbi is installed")
def test_neural_estimation_says_what_to_install() -> None:
    with pytest.raises(ImportError, match="needs the package sbi .* pip install sbi; or take sample_abc"):
        sample_neural_posterior(prior(), simulator, OBSERVED)


@pytest.mark.skipif(importlib.util.find_spec("sbi") is None, reason="the package sbi is not installed (pip install sbi)")
@pytest.mark.filterwarnings("ignore")  # those of sbi and PyTorch are not ours
def test_neural_estimation_has_about_the_exact_posterior() -> None:
    tree = sample_neural_posterior(prior(), simulator, OBSERVED, simulations=2000, draws=2000, seed=1)
    x = tree["posterior"]["x"].values
    assert x.shape == (1, 2000) and np.allclose(tree["posterior"]["twice"], 2 * x)
    assert abs(x.mean() - EXACT_MEAN) < 0.2 * EXACT_SD and abs(x.std() / EXACT_SD - 1) < 0.2
    assert json.loads(tree.attrs["cost"])["forward_runs"] == 2000
