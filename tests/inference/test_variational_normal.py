"""ADVI and Pathfinder: exact for normal posteriors of their family, and said where they are not to be trusted."""

import json
from itertools import pairwise

import numpy as np
import pytest

from lsm_bayes.inference import Density, laplace_at
from lsm_bayes.inference.variational import advi, pathfinder
from lsm_bayes.inference.variational.pathfinder import diagonal, inverse_hessian

from .posteriors import COVARIANCE, MEAN


def test_inverse_hessian_is_that_of_the_recursion() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    curvature = root @ root.T + np.eye(5)
    points = rng.normal(size=(6, 5))
    pairs = [(b - a, curvature @ (b - a)) for a, b in pairwise(points)]
    alpha = np.ones(5)
    for s, z in pairs:
        alpha = diagonal(alpha, s, z)
    found = inverse_hessian(alpha, pairs)
    expected = np.diag(alpha)
    for s, z in pairs:  # Nocedal & Wright 2006, eq. 6.17
        left = np.eye(5) - np.outer(s, z) / (s @ z)
        expected = left @ expected @ left.T + np.outer(s, s) / (s @ z)
    assert np.allclose(found, expected, rtol=1e-9) and np.linalg.eigvalsh(found).min() > 0 and (alpha > 0).all()
    assert np.allclose(found @ pairs[-1][1], pairs[-1][0], rtol=1e-9)
    assert np.array_equal(inverse_hessian(alpha, []), np.diag(alpha))


def test_pathfinder_finds_a_correlated_normal(gaussian: Density) -> None:
    starts = MEAN + np.random.default_rng(1).normal(size=(3, 3))
    tree = pathfinder(gaussian, start_points=starts, paths=3, draws=2000, history=10)
    draws = tree["unconstrained"]["position"].values[0]
    sd = np.sqrt(np.diag(COVARIANCE))
    assert draws.shape == (2000, 3) and np.max(np.abs(draws.mean(axis=0) - MEAN) / sd) < 0.15
    assert np.allclose(np.corrcoef(draws, rowvar=False), COVARIANCE / np.outer(sd, sd), atol=0.1)
    assert np.allclose(draws.std(axis=0), sd, rtol=0.1)
    assert json.loads(tree.attrs["pareto_k"]) < 0.7 and json.loads(tree.attrs["converged"])
    assert tree["paths"].sizes["path"] == 3 and set(np.unique(tree["sample_stats"]["path"].values)) <= {0, 1, 2}
    counted = json.loads(tree.attrs["cost"])
    assert counted["forward_run_equivalents"] == 4 * counted["gradient_evaluations"] > 4 * 3000


def test_a_ridge_is_not_to_be_trusted(banana: Density) -> None:
    tree = pathfinder(banana, paths=2, draws=500)
    assert json.loads(tree.attrs["pareto_k"]) > 0.7
    assert "not to be trusted" in json.loads(tree.attrs["verdict"])
    assert not json.loads(tree.attrs["approximation"])["trusted"]


@pytest.mark.parametrize("family", ["mean_field", "full_rank"])
def test_advi_of_a_normal(gaussian: Density, family: str) -> None:
    # The full rank has to find the correlation itself.
    start = laplace_at(gaussian, MEAN + 0.3) if family == "mean_field" else MEAN + 0.05
    tree = advi(gaussian, family=family, initial=start, iterations=6000, window=1000, draws=1500, seed=4)
    covariance = tree["fit"]["covariance"].values
    conditional = 1 / np.sqrt(np.diag(np.linalg.inv(COVARIANCE)))
    if family == "full_rank":
        sd = np.sqrt(np.diag(covariance))
        assert np.allclose(sd, np.sqrt(np.diag(COVARIANCE)), rtol=0.15) and abs(covariance[0, 1] / (sd[0] * sd[1]) - 0.95) < 0.03
        assert json.loads(tree.attrs["pareto_k"]) < 0.7
    else:  # the best independent normal is narrower: sd given the other parameters
        assert np.allclose(np.sqrt(np.diag(covariance)), conditional, rtol=0.15)
        assert np.array_equal(covariance, np.diag(np.diag(covariance))) and conditional[0] < 0.5 * np.sqrt(COVARIANCE[0, 0])
    assert np.max(np.abs(tree["fit"]["mean"].values - MEAN) / np.sqrt(np.diag(COVARIANCE))) < 0.3
    counted = json.loads(tree.attrs["cost"])
    assert counted["gradient_evaluations"] >= counted["iterations"] + 1500 and json.loads(tree.attrs["converged"])
    assert np.allclose(tree["posterior"]["x"].values, tree["unconstrained"]["position"].values)
    # The bound is the evidence less the divergence of the family from the posterior.
    divergence = 0.5 * (
        np.log(np.diag(covariance) / conditional**2).sum() + np.log(np.linalg.det(COVARIANCE) / np.prod(np.diag(covariance)))
    )
    if family == "mean_field":
        evidence = gaussian(MEAN)[0] + 0.5 * np.linalg.slogdet(2 * np.pi * COVARIANCE)[1]
        assert np.isclose(np.mean(tree["fit"]["loss"].values[-1000:]), divergence - evidence, atol=0.1)


def test_what_has_not_converged_says_so(gaussian: Density) -> None:
    tree = advi(gaussian, initial=MEAN + np.array([20.0, 0.0, 0.0]), iterations=60, window=20, draws=100, samples=2, resample=True)
    assert not json.loads(tree.attrs["converged"]) and "not converged" in json.loads(tree.attrs["verdict"])
    assert json.loads(tree.attrs["cost"])["gradient_evaluations"] >= 2 * 60
    assert json.loads(tree.attrs["approximation"])["resampled"]


def test_bad_arguments(gaussian: Density) -> None:
    with pytest.raises(ValueError, match="family is 'flow'; choose one of"):
        advi(gaussian, family="flow")
    with pytest.raises(ValueError, match="iterations at least two windows"):
        advi(gaussian, iterations=100, window=80)
    with pytest.raises(ValueError, match=r"initial has shape \(2,\); give Modes, Laplace, or a vector of shape \(3,\)"):
        advi(gaussian, initial=np.zeros(2))
    with pytest.raises(ValueError, match="Got paths=0"):
        pathfinder(gaussian, paths=0)
