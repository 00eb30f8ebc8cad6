"""The PyMC model of an external model: likelihoods, memory, missing values, and methods that need a gradient."""

import pickle

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy.stats import multivariate_normal, norm

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.external import Campaign, ExternalModel, ExternalStream, Output, build_external_model, prior_ensemble
from lsm_bayes.inference import Density
from lsm_bayes.inference.inverse import InverseProblem

TIMES = np.arange(12.0)
TABLE = {
    "rate": (Parameter("d-1", (0.01, 1.0), "decay", Prior("log_uniform")), 0.1),
    "start": (Parameter("gC m-2", (0.0, 20.0), "pool at the start", Prior("normal", 10.0, 3.0)), 10.0),
    "floor": (Parameter("gC m-2", (0.0, 5.0), "what stays", Prior("uniform"), fixed=True), 1.0),
}
CALLS = []


def decay(p: dict[str, float]) -> dict[str, np.ndarray]:
    CALLS.append(p)
    if p["rate"] > 0.5:
        raise ArithmeticError("the pool is empty")
    pool = p["floor"] + p["start"] * np.exp(-p["rate"] * TIMES)
    return {"pool": pool, "flux": p["rate"] * (pool[:3] - p["floor"])}


def model(**changes) -> ExternalModel:
    return ExternalModel(
        **{
            "name": "decay",
            "parameters": TABLE,
            "outputs": {"pool": Output("gC m-2", 12), "flux": Output("gC m-2 d-1", 3)},
            "function": decay,
        }
        | changes
    )


@pytest.fixture
def observed() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    pool = decay({"rate": 0.2, "start": 9.0, "floor": 1.0})["pool"] + 0.3 * rng.standard_normal(12)
    pool[[2, 3, 7]] = np.nan
    return {"pool": pool, "flux": np.array([1.8, 1.5, 1.2])}


def physical(z: np.ndarray) -> tuple[float, float]:
    low, high = norm.cdf((np.array([0.0, 20.0]) - 10.0) / 3.0)
    return float(np.exp(np.log(0.01) + np.log(100.0) * norm.cdf(z[0]))), float(10.0 + 3.0 * norm.ppf(low + (high - low) * norm.cdf(z[1])))


def test_likelihood_is_exact_with_memory_gaps_and_covariance(observed) -> None:
    root = np.tril(np.full((3, 3), 0.05)) + 0.1 * np.eye(3)
    streams = [
        ExternalStream("pool", observed["pool"], sd=0.3, inferred_sd=0.5, inferred_correlation=0.9),
        ExternalStream("flux", observed["flux"], covariance=root @ root.T),
    ]
    built = build_external_model(model(), streams)
    hold = {"pool_sigma": 0.4, "pool_phi_z": 0.2}
    problem = InverseProblem(built, hold=hold)
    z = np.array([0.1, -0.3])
    rate, start = physical(z)
    run = decay({"rate": rate, "start": start, "floor": 1.0})
    seen = np.flatnonzero(np.isfinite(observed["pool"]))
    phi, sd = 0.9 * norm.cdf(0.2), np.hypot(0.3, 0.4)
    covariance = sd**2 * phi ** np.abs(seen[:, None] - seen)
    expected = multivariate_normal.logpdf(observed["pool"][seen], run["pool"][seen], covariance)
    expected += multivariate_normal.logpdf(observed["flux"], run["flux"], root @ root.T) + norm.logpdf(z).sum()
    rest = norm.logpdf(0.2) + norm.logpdf(0.4, scale=0.5) + np.log(2.0) + np.log(0.4)
    assert np.isclose(problem.log_density(problem.positions(z)), expected + rest, rtol=1e-9)
    residual = problem.predict(z) - problem.observed
    assert np.isclose(problem.log_normaliser - 0.5 * residual @ residual + norm.logpdf(z).sum(), expected, rtol=1e-9)
    values = problem.expand(problem.positions(z))
    assert np.isclose(values["rate"], rate) and np.isclose(values["start"], start) and "floor" not in values


def test_failed_runs_have_no_likelihood(observed) -> None:
    problem = InverseProblem(build_external_model(model(), [ExternalStream("pool", observed["pool"], sd=0.3)]))
    found = problem.predict(np.array([[3.0, 0.0], [0.0, 0.0]]))
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all() and problem.failures == 1
    assert problem.log_density(np.array([3.0, 0.0])) == -np.inf
    assert problem.model.compile_logp()({"z": np.array([3.0, 0.0])}) == -np.inf
    (run,) = problem.model.external.failed
    assert run.reason == "the function raised ArithmeticError: the pool is empty" and run.parameters["rate"] > 0.5


def test_runs_are_remembered_and_pickled(observed, tmp_path) -> None:
    built = build_external_model(model(), [ExternalStream("pool", observed["pool"], sd=0.3)], store=tmp_path)
    problem, before = InverseProblem(built), len(CALLS)
    points = np.random.default_rng(1).normal(scale=0.3, size=(20, 2))
    problem.predict(points)
    for x in points:
        problem.log_density(x)
    assert len(CALLS) - before == 20 == built.external.executed
    sent = pickle.loads(pickle.dumps(built.external))
    assert np.isfinite(sent.run({"rate": [0.1], "start": [1.0]})["pool"]).all()
    again = build_external_model(model(), [ExternalStream("pool", observed["pool"], sd=0.3)], store=tmp_path)
    InverseProblem(again).predict(points)
    assert again.external.executed == 0 and again.external.reused == 20


def test_an_interrupt_is_no_failed_run(observed) -> None:
    def interrupted(p: dict[str, float]) -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    problem = InverseProblem(build_external_model(model(function=interrupted), [ExternalStream("pool", observed["pool"], sd=0.3)]))
    with pytest.raises(KeyboardInterrupt):
        problem.log_density(np.zeros(2))
    with pytest.raises(KeyboardInterrupt):
        problem.predict(np.zeros((3, 2)))
    assert not problem.model.external.seen


def test_methods_with_gradients_say_what_to_use(observed) -> None:
    built = build_external_model(model(), [ExternalStream("pool", observed["pool"], sd=0.3)])
    problem = InverseProblem(built)
    text = "the external model 'decay' is a black box without a gradient.*DE-MC"
    with pytest.raises(NotImplementedError, match=text):
        Density(built)
    with pytest.raises(NotImplementedError, match=text):
        problem.jacobian(np.zeros(2))
    with pytest.raises(NotImplementedError, match=text):
        problem.adjoint(np.zeros(2), np.zeros(problem.observed.size))


def test_pymc_samples_it(observed) -> None:
    built = build_external_model(model(), [ExternalStream("pool", observed["pool"], sd=0.3, correlation=0.3)])
    with built:
        steps = pm.Metropolis(tune_interval=50)
        trace = pm.sample(300, tune=300, chains=1, cores=1, step=steps, random_seed=1, progressbar=False, compute_convergence_checks=False)
        # With Numba, PyMC warns of every CustomDist that it draws from.
        drawn = pm.sample_posterior_predictive(trace, random_seed=2, progressbar=False, compile_kwargs={"mode": "FAST_COMPILE"})
    assert abs(float(trace["posterior"]["rate"].mean()) - 0.2) < 0.05 and abs(float(trace["posterior"]["start"].mean()) - 9.0) < 1.0
    seen = np.isfinite(observed["pool"])
    assert np.abs(drawn["posterior_predictive"]["pool"].mean(("chain", "draw")).values - observed["pool"][seen]).max() < 1.0
    assert list(drawn["posterior_predictive"]["pool_observation"].values) == list(np.flatnonzero(seen))


def test_units_are_converted_and_a_given_memory_spans_gaps(observed) -> None:
    kilograms = xr.DataArray(observed["pool"] / 1000.0, dims="time", attrs={"units": "kgC m-2"})
    pair = [
        InverseProblem(build_external_model(model(), [s]))
        for s in (
            ExternalStream("pool", observed["pool"], sd=0.3, correlation=0.4),
            ExternalStream("pool", kilograms, sd=3e-4, correlation=0.4),
        )
    ]
    assert np.allclose(pair[0].observed, pair[1].observed) and np.isclose(*(p.log_density(np.zeros(2)) for p in pair))
    rate, start = physical(np.zeros(2))
    run, seen = decay({"rate": rate, "start": start, "floor": 1.0})["pool"], np.flatnonzero(np.isfinite(observed["pool"]))
    covariance = 0.3**2 * 0.4 ** np.abs(seen[:, None] - seen)
    expected = multivariate_normal.logpdf(observed["pool"][seen], run[seen], covariance) + 2 * norm.logpdf(0.0)
    assert np.isclose(pair[0].log_density(np.zeros(2)), expected, rtol=1e-9)


def test_prior_ensemble_grows_by_its_end() -> None:
    few, many = prior_ensemble(model(), 50, seed=3), prior_ensemble(model(), 4000, seed=3)
    assert list(few) == ["rate", "start"] and all(np.array_equal(few[n], many[n][:50]) for n in few)
    assert abs(np.log(many["rate"]).mean() - np.log(0.1)) < 0.1 and abs(many["start"].mean() - 10.0) < 0.2
    assert many["rate"].min() >= 0.01 and many["rate"].max() <= 1.0
    with pytest.raises(ValueError, match="ensemble of 0 runs was asked for"):
        prior_ensemble(model(), 0)


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        ({"output": "pol"}, "unknown output 'pol'.*pool"),
        ({"observed": np.zeros(5)}, "stream 'pool' has 5 observations, and the output 12 values; write NaN"),
        ({"observed": np.full(12, np.nan)}, "stream 'pool' has no observation that is finite"),
        ({"sd": None}, "no sd of its errors; give sd, inferred_sd or covariance"),
        ({"sd": 0.0}, "an sd is not positive and finite"),
        ({"sd": np.ones(3)}, "got 3 sds, expected 1 or 12"),
        ({"covariance": np.eye(12)}, "has a covariance and sd"),
        ({"sd": None, "covariance": np.eye(3)}, r"covariance has shape \(3, 3\), expected \(12, 12\)"),
        ({"correlation": 1.0}, r"a correlation lies in \[0, 1\)"),
        ({"correlation": 0.5, "inferred_correlation": 0.9}, "a given and an inferred correlation"),
    ],
)
def test_streams_that_do_not_fit(stream, text: str) -> None:
    with pytest.raises((ValueError, KeyError), match=text):
        build_external_model(model(), [ExternalStream(**{"output": "pool", "observed": np.zeros(12), "sd": 1.0} | stream)])


def test_choices_that_do_not_fit() -> None:
    stream = ExternalStream("pool", np.zeros(12), sd=1.0)
    with pytest.raises(KeyError, match="unknown parameter 'rat'"):
        build_external_model(model(), [stream], fixed={"rat": 1.0})
    with pytest.raises(ValueError, match="all parameters are fixed"):
        build_external_model(model(), [stream], fixed={"rate": 0.1, "start": 1.0})
    with pytest.raises(ValueError, match="'pool' is given twice"):
        build_external_model(model(), [stream, stream])
    with pytest.raises(ValueError, match=r"numbers of values are \{'rate': 2, 'start': 1\}"):
        Campaign(model()).run_ahead({"rate": np.zeros(2), "start": np.zeros(1)})
    freed = build_external_model(model(), [stream], priors={"floor": Prior("uniform")})
    assert list(freed.coords["parameter"]) == ["rate", "start", "floor"]
