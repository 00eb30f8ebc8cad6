"""The log-density as loops: equal to PyTensor's own function for every kind of operation, shared between data sets, with a way back."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from vsem_sites import build, towers

from lsm_bayes.inference import Density
from lsm_bayes.inference.compiled import compile_model, flat_graph, usable_threads
from lsm_bayes.inference.loops import write_density
from lsm_bayes.inference.views import Unwritable

SIZE = 12
RNG = np.random.default_rng(3)
DATA, WEIGHT, PLACES = RNG.standard_normal(SIZE), RNG.random((3, 4)), np.array([2, 0, 1, 1])

# Each takes a vector of 12 and gives something to add up; together they use every operation that is written as a loop.
TERMS = {
    "arithmetic": lambda x: (x * DATA - x / (2.0 + x**2) + 1.0 / (3.0 + pt.abs(x))) ** 2,
    "functions": lambda x: (
        pt.exp(0.1 * x) + pt.log(2.0 + x**2) + pt.sqrt(1.0 + x**2) + pt.tanh(x) + pt.erfc(x) + pt.softplus(x) + pt.gammaln(3 + x**2)
    ),
    "powers": lambda x: (1.0 + x**2) ** 1.7 + (2.0 + pt.tanh(x)) ** pt.tanh(x[0]),
    "choices": lambda x: pt.switch(pt.and_(x > -1.0, pt.or_(x < 1.0, x >= 1.5)), x**2, 3.0 * x) + pt.maximum(x, 0.3) * pt.minimum(x, 2.0),
    "tests": lambda x: pt.switch(pt.isinf(1.0 / (x - x[0])), 2.0 * x, x) + pt.switch(pt.isnan(pt.log(x)), x, 0.5 * x) + (x > 0).sum() * x,
    "slices": lambda x: x[1:] * x[:-1] + x[::-1][:11] ** 2 + x[-1] * x[3] + x[2:8:2].sum(),
    "matrices": lambda x: (x.reshape((3, 4)).T @ pt.constant(WEIGHT) + x.reshape((3, 4)).sum(axis=0)[:, None]) ** 2,
    "dimensions": lambda x: (x.reshape((3, 4)) * x[:3][:, None] + x[None, :4]).T.ravel() * DATA,
    "reductions": lambda x: x.reshape((2, 6)).max(axis=1) + x.reshape((2, 3, 2)).sum(axis=(0, 2)).min() + pt.prod(1.0 + 0.1 * x),
    "places": lambda x: x[PLACES] * x[PLACES + 3] + x.reshape((3, 4))[:, PLACES].sum(axis=0) ** 2,
    "setting": lambda x: pt.zeros(SIZE)[3:9].set(x[:6] ** 2) + pt.zeros(SIZE)[PLACES].inc(x[:4]) + pt.set_subtensor(x[PLACES], x[0]) ** 2,
    "joining": lambda x: pt.concatenate([x[:2], pt.stack([x[0] * x[1], x[5]]), x[4:]]) ** 2 * pt.concatenate([x, x])[::2],
    "running sums": lambda x: pt.cumsum(x) ** 2 + pt.cumsum(x.reshape((3, 4)), axis=0).ravel() * DATA,
    "repeated": lambda x: pt.alloc(x[0] * x[1], 3, 4).ravel() * x + pt.sum(pt.ones((3, 4)) * x[:4]) * 0.1,
    "a call": lambda x: pt.linalg.cholesky(pt.eye(3) * 4.0 + x[:3][:, None] * x[:3]).ravel() * x[:9],
}


def model_of(*terms: str) -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", shape=SIZE)
        for name in terms:
            pm.Potential(name, pt.sum(TERMS[name](x)))
    return model


def assert_equal_to_pytensor(model: pm.Model, scale: float = 0.5) -> None:
    density = Density(model)
    logp, gradient = (pm.compile(model.value_vars, f, mode="NUMBA") for f in (model.logp(), model.dlogp()))
    rng = np.random.default_rng(4)
    for _ in range(5):
        position = scale * rng.standard_normal(density.dimension)
        values = {density.value_names[n]: v for n, v in density.unflatten(position).items()}
        given = [values[v.name] for v in model.value_vars]
        value, slope = density(position)
        assert value == pytest.approx(float(logp(*given)), rel=1e-12)
        np.testing.assert_allclose(slope, gradient(*given), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("term", TERMS)
def test_equal_to_pytensor(term: str) -> None:
    model = model_of(term)
    write_density(flat_graph(model)[0])  # nothing falls back
    assert_equal_to_pytensor(model)


def test_equal_to_pytensor_together() -> None:
    assert_equal_to_pytensor(model_of(*TERMS))


def test_transforms_and_data_variables() -> None:
    with pm.Model(coords={"place": [1, 2, 3]}) as model:
        sd = pm.HalfNormal("sd", dims="place")
        share = pm.Uniform("share", 0.0, 2.0)
        pm.Dirichlet("parts", np.ones(3))
        pm.StudentT("y", 4, mu=share * pm.Data("x", np.arange(3.0)), sigma=sd, observed=[0.1, 0.2, 0.9])
    assert_equal_to_pytensor(model)


def test_data_of_the_same_shape_share_the_code() -> None:
    def written(data: np.ndarray) -> str | None:
        with pm.Model() as model:
            sd = pm.LogNormal("sd", np.log(data.std()), 0.5)
            pm.Normal("y", pm.Normal("x", data.mean() + 0.123), sd, observed=data)
        return write_density(flat_graph(model)[0]).key

    assert written(np.arange(5.0)) == written(np.arange(5.0) ** 2)
    assert written(np.arange(5.0)) != written(np.arange(6.0))


def test_what_cannot_be_written_is_left_to_pytensor() -> None:
    with pm.Model() as model:
        x = pm.Normal("x", shape=4)
        positive = x[pt.nonzero(x > 0)]
        pm.Potential("term", pt.sum(positive**2))
    with pytest.raises(Unwritable, match="does not give float64"):
        write_density(flat_graph(model)[0])
    with pytest.warns(UserWarning, match="operation by operation"):
        assert_equal_to_pytensor(model)


def test_outside_the_domain_is_not_finite() -> None:
    with pm.Model() as model:
        x = pm.Flat("x", shape=2)
        pm.Potential("term", pt.sum(pt.log(x)))
    compiled = compile_model(model)
    assert np.isfinite(compiled.logp_func(np.array([1.0, 2.0]))[0])
    assert np.isnan(compiled.logp_func(np.array([-1.0, 2.0]))[0])
    density = Density(model)
    assert density(np.array([-1.0, 2.0]))[0] == -np.inf
    assert density.failures == 1


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core")
def test_sites_in_threads_give_the_same_density() -> None:
    model = build(towers(sites=20, days=365))
    one, two = Density(model), Density(model, site_threads=2)
    assert two.site_threads == 2
    position = one.prior_positions(1, np.random.default_rng(1))[0]
    for a, b in zip(one(position), two(position), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with ThreadPoolExecutor(4) as chains:  # as chains do
        found = list(chains.map(lambda _: two(position)[0], range(40)))
    assert set(found) == {two(position)[0]}


def test_without_a_threading_layer_for_several_chains_sites_run_in_one_thread(monkeypatch) -> None:
    monkeypatch.setattr("numba.threading_layer", lambda: "workqueue")
    with pytest.warns(UserWarning, match="neither OpenMP nor TBB"):
        assert usable_threads(2) == 1
