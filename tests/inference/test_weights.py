import numpy as np
import pytest
import xarray as xr
from scipy import stats

from lsm_bayes.inference import chain_weights, find_modes, mode_weights, sample, stacking_weights


def normal_log_density(y, mean):
    return -0.5 * (y - mean) ** 2 - 0.5 * np.log(2 * np.pi)


def test_stacking_recovers_the_mixture_that_made_the_data():
    rng = np.random.default_rng(1)
    y = np.where(rng.random(4000) < 0.7, rng.normal(3, 1, 4000), rng.normal(-3, 1, 4000))
    weights = stacking_weights(np.stack([normal_log_density(y, 3), normal_log_density(y, -3), normal_log_density(y, 20)], axis=1))
    np.testing.assert_allclose(weights, [0.7, 0.3, 0], atol=0.03)


def test_result_reports_laplace_and_stacking(two_modes):
    modes = find_modes(two_modes, starts=12, seed=1)
    tree = sample(two_modes, initial=modes, seed=2, tune=100, draws=200, progress=False)
    assert set(mode_weights(tree).data_vars) == {"laplace", "chains"}
    y = np.random.default_rng(3).normal(3, 1, 60)
    location = tree["posterior"]["x"].values[:, :, :1]
    tree["log_likelihood"] = xr.DataTree(xr.Dataset({"y": (("chain", "draw", "obs"), normal_log_density(y, 3 + 0.1 * (location - 3)))}))
    weights = mode_weights(tree)
    heavy = int(np.argmax(modes.weights))
    assert float(weights["laplace"][heavy]) == pytest.approx(0.7, abs=0.05)
    assert float(weights["stacking"].sum()) == pytest.approx(1)
    assert float(weights["stacking"][heavy]) > 0.8
    assert list(weights["chains"].values[[heavy, 1 - heavy]]) == [3, 1]


def test_leave_one_out_densities_are_the_exact_ones():
    rng = np.random.default_rng(4)
    y, draws = rng.normal(1, 1, 30), 20_000
    # Mean with prior N(0, 10^2), unit noise: posterior and leave-one-out predictive are normal.
    precision = 0.01 + y.size
    mean = rng.normal(y.sum() / precision, precision**-0.5, (1, draws))
    tree = xr.DataTree.from_dict({"/log_likelihood": xr.Dataset({"y": (("chain", "draw", "obs"), normal_log_density(y, mean[..., None]))})})
    left = precision - 1
    exact = stats.norm.logpdf(y, (y.sum() - y) / left, np.sqrt(1 + 1 / left)).sum()
    found = chain_weights(tree)
    assert float(found["elpd"][0]) == pytest.approx(exact, abs=0.02)
    assert float(found["worst_pareto_k"][0]) < 0.5


def test_what_is_missing_is_named(gaussian):
    tree = sample(gaussian, seed=2, tune=50, draws=20, chains=1, progress=False)
    with pytest.raises(ValueError, match=r"needs the group log_likelihood .* has \['posterior'"):
        chain_weights(tree)
    with pytest.raises(ValueError, match=r"no group modes .* initial=find_modes"):
        mode_weights(tree)
