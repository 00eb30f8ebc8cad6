"""Indices against functions whose indices are known, and what becomes of runs that fail."""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.sensitivity import active_subspace, dgsm, morris, plot, rbd_fast, response_of, response_of_function, sample_gradients, sobol
from lsm_bayes.sensitivity.response import Response

UNIFORM = Parameter("1", (-np.pi, np.pi), "input", Prior("uniform"))
# Variance of the Ishigami function with a = 7, b = 0.1, and its shares (Ishigami & Homma 1990).
VARIANCE = 7**2 / 8 + 0.1 * np.pi**4 / 5 + 0.1**2 * np.pi**8 / 18 + 0.5
FIRST = np.array([0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2, 7**2 / 8, 0.0]) / VARIANCE
TOTAL = FIRST + np.array([1, 0, 1]) * (8 * 0.1**2 * np.pi**8 / 225) / VARIANCE


@pytest.fixture(scope="module")
def ishigami() -> Response:
    with pm.Model() as model:
        x = pm.Uniform("x", -np.pi, np.pi, shape=3)
        pm.Deterministic("y", pt.sin(x[0]) + 7 * pt.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * pt.sin(x[0]))
    return response_of(model, "y")


def test_sobol_of_ishigami(ishigami: Response) -> None:
    found = sobol(ishigami, 4096, resamples=20)
    assert np.allclose(FIRST, [0.3139, 0.4424, 0.0], atol=1e-4)
    assert np.abs(found["first"].values[0] - FIRST).max() < 0.02
    assert np.abs(found["total"].values[0] - TOTAL).max() < 0.02
    assert found.attrs["runs"] == 4096 * 5 and found["first"].dims == ("output", "parameter")
    assert list(found["parameter"].values) == ["x[0]", "x[1]", "x[2]"]
    pairs = sobol(ishigami, 2048, second_order=True, resamples=5)["second"].values[0]
    assert abs(pairs[0, 2] - (TOTAL - FIRST)[0]) < 0.05 and pairs[0, 2] == pairs[2, 0] and abs(pairs[0, 1]) < 0.05


def test_rbd_fast_of_ishigami(ishigami: Response) -> None:
    found = rbd_fast(ishigami, 4000, resamples=5)["first"].values[0]
    assert np.abs(found - FIRST).max() < 0.04


def test_derivative_measures_bound_the_total_indices(ishigami: Response) -> None:
    sample = sample_gradients(ishigami, 2048)
    found = dgsm(sample)
    # Prior means of the squared derivatives with respect to x in its own unit; the uniform coordinate is (x + pi) / 2 pi.
    exact = [0.5 * (1 + 0.2 * np.pi**4 / 5 + 0.01 * np.pi**8 / 9), 0.5 * 49, 0.5 * 0.16 * np.pi**6 / 7]
    assert np.allclose(found["nu_uniform"].values[0] / (2 * np.pi) ** 2, exact, rtol=0.02)
    assert np.all(found["bound"].values[0] > TOTAL)
    assert np.all((found["bound_low"] < found["bound"]) & (found["bound"] < found["bound_high"]))


def test_linear_function_of_normals_is_exact() -> None:
    weights = np.array([3.0, -1.0, 0.5, 0.0])
    with pm.Model() as model:
        x = pm.Normal("x", [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 0.5, 1.0])
        pm.Deterministic("y", pt.dot(x, weights))
    r = response_of(model, "y")
    slopes = weights * [1.0, 2.0, 0.5, 1.0]
    shares = slopes**2 / np.sum(slopes**2)
    sample = sample_gradients(r, 1024)
    assert np.allclose(sample.gradients[:, 0], slopes)
    assert np.allclose(dgsm(sample)["bound"].values[0], shares, atol=0.02)
    assert np.allclose(sobol(r, 2048, resamples=5)["total"].values[0], shares, atol=0.02)
    space = active_subspace(sample)
    assert space["dimension"].values[0] == 1 and np.allclose(space["eigenvalue"].values[0], [np.sum(slopes**2), 0, 0, 0], atol=1e-9)
    assert np.allclose(space["vector"].values[0, 0], slopes / np.linalg.norm(slopes))
    assert np.allclose(space["activity"].values[0], slopes**2)
    screened = morris(r, 10)
    # Normal quantiles stretch the effect, but keep the order and the sign.
    assert list(np.argsort(-screened["mu_star"].values[0])) == list(np.argsort(-np.abs(slopes)))
    assert np.array_equal(np.sign(screened["mu"].values[0]), np.sign(slopes))
    assert np.allclose(r.jacobian(np.zeros(4)), [slopes], rtol=1e-6)


def test_priors_of_any_kind_are_sampled_by_their_quantiles() -> None:
    with pm.Model() as model:
        a = pm.LogNormal("a", 0.3, 0.5)
        b = pm.Exponential("b", a)
        c = pm.Gamma("c", 2.0, 1.0)
        pm.Deterministic("y", pt.stack([a, b * a, c]))
    r = response_of(model, "y")
    z = np.random.default_rng(0).standard_normal((4000, 3))
    y = r(z)
    assert np.allclose(y[:, 0], np.exp(0.3 + 0.5 * z[:, 0]))
    # An exponential of rate a, times a, is one of rate 1 whatever a: the quantile is that of the conditional prior.
    assert abs(y[:, 1].mean() - 1) < 0.05 and abs(np.corrcoef(y[:, 0], y[:, 1])[0, 1]) < 0.05
    assert abs(y[:, 2].mean() - 2) < 0.1 and abs(y[:, 2].var() - 2) < 0.3
    assert r.gradient(z[0], np.array([1.0, 0, 0]))[1][0] == pytest.approx(0.5 * y[0, 0])


def failing(values: dict[str, float]) -> float:
    if values["a"] > 2.2:
        raise ValueError("no such run")
    return np.nan if values["b"] > 2.8 else values["a"] + 2 * values["b"]


def test_failed_runs_are_dropped_with_their_trajectory_and_replaced_with_their_block() -> None:
    r = response_of_function(failing, {"a": UNIFORM, "b": UNIFORM, "c": UNIFORM}, ["y"])
    screened = morris(r, 40)
    assert screened.attrs["failed_runs"] > 0 and 0 < screened.attrs["dropped_trajectories"] < 40
    # Exact effects of a linear function, whatever was dropped: the grid spans 95 % of 2 pi.
    assert np.allclose(screened["mu"].values[0], [0.95 * 2 * np.pi, 2 * 0.95 * 2 * np.pi, 0.0])
    assert np.allclose(screened["sigma"].values[0], 0.0, atol=1e-9)
    found = sobol(r, 512)
    assert found.attrs["replaced_blocks"] > 0 and found.attrs["dropped_blocks"] == 0 and np.isfinite(found["total"].values).all()
    assert abs(found["total"].values[0, 2]) < 1e-12 and found["total"].values[0, 1] > found["total"].values[0, 0] > 0.1
    fast = rbd_fast(r, 500)
    # A share of 1 - (1 - 0.150) (1 - 0.054) of the prior fails.
    assert 80 < fast.attrs["failed_runs"] < 117 and np.isfinite(fast["first"].values).all()
    with pytest.raises(TypeError, match="without derivatives"):
        sample_gradients(r, 16)
    never = response_of_function(lambda values: np.nan, {"a": UNIFORM, "b": UNIFORM}, ["y"])
    for method, text in ((morris, "trajectories"), (sobol, "blocks"), (rbd_fast, "runs succeeded")):
        with pytest.raises(ValueError, match=text):
            method(never, 16)


def test_what_cannot_be_asked_is_refused() -> None:
    with pm.Model() as model:
        pm.Flat("x")
        pm.Deterministic("y", model["x"] * 2)
        pm.Normal("obs", model["x"], 1.0, observed=1.0)
    with pytest.raises(ValueError, match="improper"):
        response_of(model, "y")
    with pytest.raises(ValueError, match=r"unknown outputs \['nee'\]"):
        response_of(model, "nee")
    with pytest.raises(ValueError, match="needs the times"):
        response_of(model, "mean", by="month")
    with pytest.raises(ValueError, match=r"cannot vary \['q'\]"):
        response_of(model, "y", vary=["q"])
    with pytest.raises(TypeError, match="Got int"):
        response_of(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="powers of two"):
        sobol(model, 100)


def test_every_result_is_drawn(ishigami: Response) -> None:
    sample = sample_gradients(ishigami, 64)
    results = [morris(ishigami, 8), sobol(ishigami, 32), rbd_fast(ishigami, 100), dgsm(sample), active_subspace(sample)]
    figure, axes = plt.subplots(1, len(results))
    for axis, result in zip(axes, results, strict=True):
        assert plot(result, axis) is axis and axis.get_xlabel() and axis.has_data()
    totals = results[1]["total"].isel(output=0)
    assert axes[1].get_yticklabels()[0].get_text() == str(totals["parameter"].values[np.argmax(totals.values)])
    plt.close(figure)
    with pytest.raises(ValueError, match="of the method None"):
        plot(sample.response.dataset({}), axes[0])
    with pytest.raises(KeyError, match="no output 'q'"):
        plot(results[0], axes[0], output="q")
