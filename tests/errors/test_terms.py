"""Terms of error models against SciPy's densities, dense covariances and their own simulations."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace
from scipy import stats

from lsm_bayes.errors import (
    Beta,
    Bias,
    Censored,
    ErrorModel,
    Gain,
    Heteroscedastic,
    Laplace,
    LogNormal,
    OrnsteinUhlenbeck,
    SeasonalBias,
    Weight,
    effective_size,
)
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import site_series
from lsm_bayes.errors.simulation import simulate_errors

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
Y, M, S = np.array([0.2, 0.5, 0.7]), np.array([0.3, 0.4, 0.6]), np.array([0.1, 0.05, 0.2])


def density(distribution: Any, value: Any, mean: Any, sd: Any, correlation: Any = 0.0) -> np.ndarray:
    arrays = [pt.as_tensor(np.broadcast_to(np.asarray(a, dtype=float), np.shape(value)).copy()) for a in (value, mean, sd, correlation)]
    return pytensor.function([], distribution.log_density(*arrays), mode=Mode("py", None))()


@pytest.mark.parametrize(
    ("distribution", "oracle"),
    [
        (Laplace(), stats.laplace(M, S / np.sqrt(2))),
        (LogNormal(), stats.lognorm(np.sqrt(np.log1p((S / M) ** 2)), scale=M / np.sqrt(1 + (S / M) ** 2))),
        (Beta(), stats.beta(M * M * (1 - M) / S**2, (1 - M) * M * (1 - M) / S**2)),
    ],
)
def test_densities_are_those_of_scipy(distribution: Any, oracle: Any) -> None:
    np.testing.assert_allclose(density(distribution, Y, M, S), oracle.logpdf(Y), rtol=1e-10)


@pytest.mark.parametrize(
    ("distribution", "sd"), [(Laplace(), S), (LogNormal(), S), (Beta(), np.sqrt(S**2 * M * (1 - M) / (S**2 + M * (1 - M))))]
)
def test_simulations_have_the_predicted_mean_and_sd(distribution: Any, sd: np.ndarray) -> None:
    n = 200_000
    drawn = distribution.simulate(np.random.default_rng(1), np.tile(M, (n, 1)), np.tile(S, (n, 1)), np.zeros((n, 3)))
    np.testing.assert_allclose(drawn.mean(axis=0), M, rtol=0.005)
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.01)


def test_a_censored_value_says_only_that_the_limit_was_reached() -> None:
    errors = Censored(low=0.0, high=1.0)
    value, mean = np.array([0.0, 0.4, 1.0]), np.array([-0.1, 0.5, 1.2])
    oracle = stats.norm(mean, 0.3)
    np.testing.assert_allclose(
        density(errors, value, mean, 0.3), [oracle.logcdf(0.0)[0], oracle.logpdf(0.4)[1], oracle.logsf(1.0)[2]], rtol=1e-12
    )
    drawn = errors.simulate(np.random.default_rng(2), np.full((50_000, 3), mean), np.full((50_000, 3), 0.3), np.zeros((50_000, 3)))
    np.testing.assert_allclose(((drawn == 0) | (drawn == 1)).mean(axis=0), errors.expected(mean, np.full(3, 0.3)), atol=0.01)


def test_a_log_normal_of_a_mean_that_is_not_positive_has_no_density() -> None:
    np.testing.assert_array_equal(density(LogNormal(), Y, np.array([-1.0, 0.0, 0.6]), S) == -np.inf, [True, True, False])


def series(rng: np.random.Generator, days: int = 300) -> Any:
    time = pd.date_range("2001-01-01", periods=days)[rng.uniform(size=days) < 0.4]
    gap = np.concatenate([[np.inf], np.diff(time.values).astype("timedelta64[D]").astype(float)])
    return site_series(rng.normal(size=len(time)) + 3.0, rng.uniform(0.2, 0.5, len(time)), gap, time, 0.0)


def likelihood(error: ErrorModel, sites: list[Any], operator: np.ndarray, given: dict[str, Any]) -> np.ndarray:
    """Evaluate the log density of all observations with value variables as given."""
    with pm.Model(coords={"site": ["a", "b"][: len(sites)], "nee_observation": np.arange(operator.size)}) as model:
        add_likelihood("nee", error, pt.as_tensor(operator), sites, "site" if len(sites) > 1 else None)
    (logp,) = model.logp(vars=model.observed_RVs, sum=False)
    assert {v.name for v in model.continuous_value_vars} == set(given)
    replaced = graph_replace(
        logp, {v: pt.as_tensor(np.asarray(given[v.name], dtype=float)) for v in model.continuous_value_vars}, strict=False
    )
    return pytensor.function([], replaced, mode=Mode("py", None))()


def test_memory_at_irregular_times_equals_a_dense_covariance() -> None:
    rng = np.random.default_rng(3)
    sites = [series(rng), series(rng, 200)]
    operator = rng.normal(size=sum(s.values.size for s in sites))
    found = likelihood(STATED + OrnsteinUhlenbeck(10.0), sites, operator, {"nee_memory_log__": np.log([7.0, 15.0])})
    start = 0
    for s, tau in zip(sites, (7.0, 15.0), strict=True):
        days = (s.time - s.time[0]).days.to_numpy()
        covariance = np.outer(s.uncertainty, s.uncertainty) * np.exp(-np.abs(days[:, None] - days) / tau)
        part = slice(start, start + days.size)
        assert found[part].sum() == pytest.approx(stats.multivariate_normal(operator[part], covariance).logpdf(s.values), rel=1e-9)
        start += days.size


def test_mean_and_spread_terms_act_in_the_likelihood_and_in_simulations_alike() -> None:
    rng = np.random.default_rng(4)
    one = series(rng)
    operator = rng.normal(size=one.values.size)
    error = Bias(0.5) + Gain(0.2) + SeasonalBias(0.3, harmonics=2) + Heteroscedastic(0.1, 0.2, asymmetric=True)
    given = {"nee_offset": 0.3, "nee_log_gain": -0.2, "nee_noise_slope_log__": np.log(0.3), "nee_noise_slope_uptake_log__": np.log(0.1)}
    given |= {"nee_noise_floor_log__": np.log(0.15)} | {f"nee_season_{k}": 0.1 * k for k in (1, 2, 3, 4)}
    angle = 2 * np.pi * (one.time.day_of_year.to_numpy() - 1) / 365.25
    mean = (operator + 0.3) * np.exp(-0.2) + 0.1 * np.cos(angle) + 0.2 * np.sin(angle) + 0.3 * np.cos(2 * angle) + 0.4 * np.sin(2 * angle)
    sd = np.sqrt(one.uncertainty**2 + (0.15 + np.where(mean < 0, 0.1, 0.3) * np.abs(mean)) ** 2)
    np.testing.assert_allclose(likelihood(error, [one], operator, given), stats.norm(mean, sd).logpdf(one.values), rtol=1e-10)
    n = 40_000
    draws = {name.removesuffix("_log__"): np.full(n, np.exp(v) if name.endswith("_log__") else v) for name, v in given.items()}
    gain, systematic, random = simulate_errors(
        rng, error, "nee", draws, one, one.time, one.gap, one.uncertainty, 0, np.tile(operator, (n, 1))
    )
    np.testing.assert_allclose((gain * operator + systematic)[0], mean, rtol=1e-10)
    np.testing.assert_allclose(random.std(axis=0), sd, rtol=0.03)


def test_a_hierarchy_of_biases_has_the_stated_spread() -> None:
    sites = [series(np.random.default_rng(5)) for _ in range(2)]
    size = sum(s.values.size for s in sites)
    with pm.Model(coords={"site": ["a", "b"], "nee_observation": np.arange(size)}):
        add_likelihood("nee", STATED + Bias(2.0, over="hierarchy"), pt.zeros(size), sites, "site")
        drawn = pm.draw(pm.modelcontext(None)["nee_offset"], 20_000, random_seed=1)
    assert drawn.std() == pytest.approx(2.0, rel=0.03)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(0.5, abs=0.03)


def test_effective_size_is_the_information_about_the_mean() -> None:
    gap = np.array([np.inf, 1.0, 1.0, 5.0, 2.0])
    rho = np.where(np.isfinite(gap), 0.7**gap, 0.0)
    place = np.cumsum(np.where(np.isfinite(gap), gap, 0.0))
    inverse = np.linalg.inv(0.7 ** np.abs(place[:, None] - place))
    assert effective_size(rho) == pytest.approx(inverse.sum(), rel=1e-12)


def test_a_weight_is_a_power_with_a_reason() -> None:
    one = series(np.random.default_rng(6))
    operator = np.zeros(one.values.size)
    halved = likelihood(STATED + Weight(0.5, "spatial averages of neighbours"), [one], operator, {})
    np.testing.assert_allclose(halved, 0.5 * likelihood(STATED, [one], operator, {}), rtol=1e-12)
    assert (STATED + Weight(0.5, "because")).describe().endswith("likelihood to the power 0.5 (because)")
    with pytest.raises(ValueError, match="a weight needs a reason"):
        Weight(0.5, " ")
    with pytest.raises(ValueError, match="between 0 and 1, got 2"):
        Weight(2.0, "more")


def test_a_sum_is_described_and_does_not_depend_on_where_it_starts() -> None:
    error = ErrorModel(correlation=None) + Laplace() + Bias(0.5, over="all")
    assert error.describe().endswith(
        "Laplace distribution; additive bias ~ N(0, 0.5) at all sites alike".replace("distribution", "innovations")
    )
    assert "normal" not in error.describe()
    assert (Laplace() + Bias(0.5)).terms == (STATED + Laplace() + Bias(0.5)).terms
    assert Bias(0.5) + ErrorModel() == ErrorModel(terms=(Bias(0.5),))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Laplace() + LogNormal(), "one distribution, got 2: Laplace innovations; log-normal"),
        (lambda: ErrorModel() + Beta(), "are independent here; set correlation=None"),
        (lambda: ErrorModel() + OrnsteinUhlenbeck(5.0), r"two memories: AR\(1\) below 0.6 and .*; set correlation=None"),
        (lambda: ErrorModel(heavy_tailed=True) + Laplace(), r"two distributions: Student-t \(heavy_tailed\) and Laplace"),
        (lambda: Bias(0.0), "the spread of a bias is a positive number, got 0.0"),
        (lambda: Bias(1.0, over="sites"), "Did you mean 'site'"),
        (lambda: SeasonalBias(1.0, harmonics=0), "at least one harmonic, got 0"),
        (lambda: Censored(), "needs a limit"),
        (lambda: Censored(low=1.0, high=0.0), "in the wrong order: low 1.0, high 0.0"),
        (lambda: Heteroscedastic(0.0, 0.1), "the intercept of an error a"),
        (lambda: OrnsteinUhlenbeck(-1.0), "are positive, got -1.0 and 0.7"),
    ],
)
def test_impossible_sums_are_refused(made: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


def test_two_complete_error_models_cannot_be_added() -> None:
    with pytest.raises(TypeError, match="two complete error models cannot be added"):
        ErrorModel() + ErrorModel()
