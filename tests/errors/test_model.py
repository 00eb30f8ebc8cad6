"""What an error model says of itself, and the likelihood and simulated errors that it makes."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace
from scipy import stats

from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import site_series
from lsm_bayes.errors.simulation import simulate_errors

PLAIN = ErrorModel(structural=None, correlation=None, discrepancy=None)


def test_default_is_described() -> None:
    assert ErrorModel().describe() == (
        "error variance u^2 + (sigma s(day))^2, u the stated uncertainty, s the seasonal shape of the data to the power 0.7; "
        "AR(1) with phi^gap, phi < 0.6; normal innovations; slow discrepancy with knots of one month that sum to zero over the years"
    )
    assert ErrorModel().equation() == (
        "y(t) = h(t) + s'(t)·d(t) + sqrt(u² + (σ s(t))²)·r(t);  r_i = φ^Δ r_(i-1) + sqrt(1-φ^2Δ) ε_i, 0 < φ < 0.6, ε ~ N(0, 1)"
    )


def test_baseline_is_described() -> None:
    assert PLAIN.describe() == "error variance u^2, u the stated uncertainty; independent in time; normal innovations"
    assert PLAIN.equation() == "y(t) = h(t) + u·r(t);  r ~ N(0, 1)"


def test_every_part_is_described() -> None:
    whole = ErrorModel(heavy_tailed=True, bias=0.2, gain=0.1)
    assert whole.describe().endswith("additive bias ~ N(0, 0.2); log gain ~ N(0, 0.1)")
    assert "Student-t innovations" in whole.describe()
    assert whole.equation().startswith("y(t) = g·h(t) + b + s'(t)·d(t)") and whole.equation().endswith("ε ~ Student-t(0, 1)")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"correlation": 1.0}, "the largest correlation lies between 0 and 1, got 1.0; use None for independent errors"),
        ({"correlation": 0.0}, "the largest correlation lies between 0 and 1, got 0.0"),
        ({"envelope": 2.0}, "the exponent of the envelope lies between 0 and 1.5, got 2.0"),
    ],
)
def test_impossible_choices_are_refused(choice: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ErrorModel(**choice)


def series(rng: np.random.Generator, first: str, days: int):
    time = pd.date_range(first, periods=days)[rng.uniform(size=days) < 0.7]
    gap = np.concatenate([[np.inf], np.diff(time.values).astype("timedelta64[D]").astype(float)])
    return site_series(rng.normal(size=len(time)), rng.uniform(0.2, 0.5, len(time)), gap, time, 0.7)


def test_reference_is_the_sd_about_the_season() -> None:
    time = pd.date_range("2001-01-01", "2004-12-31")
    noise = np.random.default_rng(1).normal(0, 0.4, len(time))
    found = site_series(
        5 - 3 * np.cos(2 * np.pi * time.day_of_year.to_numpy() / 365.25) + noise, np.ones(len(time)), np.ones(len(time)), time, 0.0
    )
    assert found.reference == pytest.approx(0.4, rel=0.05)
    assert found.years == (2001, 4)


@pytest.mark.parametrize(("count", "days"), [(6, 61), (12, 30), (40, 365), (24, 15)])
def test_reference_of_few_observations_is_not_explained_away(count: int, days: int) -> None:
    rng = np.random.default_rng(5)
    time = pd.date_range("2001-06-01", periods=count, freq=f"{days}D")
    found = [site_series(rng.normal(3, 0.5, count), np.ones(count), np.ones(count), time, 0.0).reference ** 2 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.25, rel=0.1)


def test_reference_without_spread_is_the_stated_uncertainty() -> None:
    one = pd.DatetimeIndex(["2001-06-01"])
    assert site_series(np.array([3.0]), np.array([0.7]), np.array([np.inf]), one, 0.0).reference == 0.7


def test_likelihood_of_two_sites_equals_dense_covariances() -> None:
    rng = np.random.default_rng(2)
    sites = [series(rng, "2001-01-01", 400), series(rng, "2003-05-01", 150)]
    error = ErrorModel(discrepancy=None, bias=0.3, gain=0.2)
    operator = rng.normal(size=sum(s.values.size for s in sites))
    with pm.Model(coords={"site": ["a", "b"], "nee_observation": np.arange(operator.size)}) as model:
        add_likelihood("nee", error, pt.as_tensor(operator), sites, "site")
    drawn = {"nee_sigma_log__": np.log([0.5, 0.9]), "nee_phi_z": np.array([0.3, -0.8]), "nee_bias": np.array([0.2, -0.1])}
    drawn["nee_gain"] = np.array([0.1, -0.2])
    (logp,) = model.logp(vars=model.observed_RVs, sum=False)
    assert {v.name for v in model.continuous_value_vars} == set(drawn)
    given = {v: pt.as_tensor(drawn[v.name]) for v in model.continuous_value_vars}
    found = pytensor.function([], graph_replace(logp, given), mode=Mode("py", None))()
    start = 0
    for k, s in enumerate(sites):
        phi = 0.6 * stats.norm.cdf(drawn["nee_phi_z"][k])
        days = (s.time - s.time[0]).days.to_numpy()
        shape = s.shape[s.time.day_of_year.to_numpy() - 1]
        sd = np.sqrt(s.uncertainty**2 + (np.exp(drawn["nee_sigma_log__"][k]) * shape) ** 2)
        mean = operator[start : start + days.size] * np.exp(drawn["nee_gain"][k]) + drawn["nee_bias"][k]
        dense = stats.multivariate_normal(mean, sd[:, None] * sd * phi ** np.abs(days[:, None] - days))
        assert found[start : start + days.size].sum() == pytest.approx(dense.logpdf(s.values), rel=1e-9)
        start += days.size


def test_priors_of_scales_are_in_units_of_the_stream() -> None:
    rng = np.random.default_rng(3)
    one = series(rng, "2001-01-01", 800)
    with pm.Model(coords={"nee_observation": np.arange(one.values.size)}):
        add_likelihood("nee", ErrorModel(structural=Scale(0.5, 0.1)), pt.zeros(one.values.size), [one], None)
        sigma = pm.draw(pm.modelcontext(None)["nee_sigma"], 2000, random_seed=1)
    assert np.median(sigma) == pytest.approx(0.5 * one.reference, rel=0.02)
    assert np.log(sigma).std() == pytest.approx(0.1, rel=0.1)


def test_simulated_errors_have_the_stated_parts() -> None:
    rng = np.random.default_rng(4)
    observed = series(rng, "2001-01-01", 3 * 365)
    n = 3000
    later = pd.date_range("2001-01-01", "2004-12-31")
    draws = {
        "nee_sigma": np.full(n, 0.8),
        "nee_phi": np.full(n, 0.5),
        "nee_tau": np.full(n, 0.3),
        "nee_knots": rng.normal(size=(n, 36)),
        "nee_bias": np.full(n, 0.25),
        "nee_gain": np.full(n, np.log(2.0)),
    }
    gap = np.concatenate([[np.inf], np.ones(len(later) - 1)])
    error = ErrorModel(bias=0.1, gain=0.1)
    gain, systematic, random = simulate_errors(rng, error, "nee", draws, observed, later, gap, np.full(len(later), 0.4), 0)
    np.testing.assert_allclose(gain, 2.0)
    wanted = np.sqrt(0.16 + (0.8 * observed.shape[later.day_of_year.to_numpy() - 1]) ** 2)
    np.testing.assert_allclose(random.std(axis=0), wanted, rtol=0.07)
    lag = np.mean([np.corrcoef(random[:, i], random[:, i + 1])[0, 1] for i in range(0, 1400, 20)])
    assert lag == pytest.approx(0.5, abs=0.02)
    # The anomaly of the fitted years has no mean season beside the bias; that of the year after them has more variance.
    anomaly = systematic - 0.25
    fitted, after = anomaly[:, : 3 * 365], anomaly[:, 3 * 365 :]
    np.testing.assert_allclose(fitted.reshape(n, 3, 365)[:, :, 20:345].mean(axis=1), 0.0, atol=1e-10)
    assert after[:, 60:].var() > 1.5 * fitted.var()
