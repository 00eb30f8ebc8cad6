"""A combination that the data know is found with its direction, and its text names the right parameters."""

import json
import re

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.diagnostics import combinations, strongest_pairs


def known_combination(weights, free=0.8, known=0.02, logarithmic=True, draws=2000):
    """Result whose parameters vary by `free`, but for a weighted sum (of logarithms) that varies by `known`."""
    rng, w = np.random.default_rng(7), np.array(list(weights.values()))
    x = free * rng.standard_normal((draws, w.size))
    x += np.outer(known * rng.standard_normal(draws) - x @ w, w) / (w @ w)
    values = np.exp(x) if logarithmic else x
    bounds = [1e-6, 1e6] if logarithmic else [-10, 10]
    posterior = xr.Dataset({n: (("chain", "draw"), v[None]) for n, v in zip(weights, values.T, strict=True)})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    tree.attrs["model_card"] = json.dumps({"parameters": {n: {"bounds": bounds} for n in weights}})
    return tree


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({"rate": 1.0, "pool": 1.0}, r"^rate × pool(\^[01]\.\d+)? is known to a factor of 1\.02 \(one sd\)"),
        ({"rate": 1.0, "pool": -0.5}, r"^rate / pool\^0\.5\d? is known to a factor of 1\.02 \(one sd\)"),
        ({"rate": 1.0, "pool": 1.0, "loss": -1.0}, r"^rate × pool / loss is known to a factor of 1\.02 \(one sd\)"),
    ],
)
def test_combination_that_is_known_has_its_direction(weights, text):
    (found,) = combinations(known_combination(weights))
    a, b = np.array(list(weights.values())), np.array([found.weights[n] for n in weights])
    assert set(found.weights) == set(weights) == found.logarithmic
    assert abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) > np.cos(np.deg2rad(2))
    assert found.gain > 10
    assert re.search(text, str(found))


def test_three_parameters_of_which_the_product_is_known_are_no_pair():
    tree = known_combination({"rate": 1.0, "pool": 1.0, "loss": 1.0})
    assert strongest_pairs(tree)["correlation"].abs().max() < 0.6
    assert len(combinations(tree)) == 1


def test_two_ridges_are_told_apart():
    """Both are known equally well, so that eigenvectors mix them."""
    first, second = known_combination({"rate": 1.0, "pool": 1.0}), known_combination({"efficiency": 1.0, "mass": -1.0})
    second = second["posterior"].to_dataset().isel(draw=slice(None, None, -1)).drop_vars("draw", errors="ignore")
    tree = xr.DataTree.from_dict({"posterior": first["posterior"].to_dataset().merge(second)})
    tree.attrs["model_card"] = json.dumps({"parameters": {n: {"bounds": [1e-6, 1e6]} for n in ("rate", "pool", "efficiency", "mass")}})
    assert {frozenset(c.weights) for c in combinations(tree)} == {frozenset({"rate", "pool"}), frozenset({"efficiency", "mass"})}


def test_combination_on_linear_scales_is_a_sum():
    (found,) = combinations(known_combination({"onset": 1.0, "fall": -1.0}, logarithmic=False))
    assert not found.logarithmic
    assert re.match(r"\+(0\.99\d|1|1\.0\d*) onset -(0\.99\d|1|1\.0\d*) fall is known to 0\.02", str(found))


def test_independent_parameters_have_no_combination():
    tree = known_combination({"rate": 1.0, "pool": 1.0}, known=0.8)
    assert combinations(tree) == []
    assert combinations(known_combination({"rate": 1.0, "pool": 1.0}, draws=9)) == []
