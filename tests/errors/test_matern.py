"""The Matérn process against dense covariances, differences, its own draws, and in a calibration."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from scipy import optimize, stats
from towers import INITIAL, PHI, SIGMA, TOWERS, made_up_towers

from lsm_bayes.calibration import Stream, build_model, predict
from lsm_bayes.errors import (
    Beta,
    Bias,
    ErrorModel,
    Heteroscedastic,
    Laplace,
    Matern,
    OrnsteinUhlenbeck,
    Scale,
    Weight,
    effective_size,
    state_space,
)
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import SiteSeries, site_series
from lsm_bayes.errors.simulation import effective_values, simulate_errors
from lsm_bayes.inference import Density

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
PYTHON = Mode("py", None)


def correlation(smoothness: float, distance: np.ndarray) -> np.ndarray:
    """Return the Matérn correlation, with distances in lengths."""
    r = np.sqrt(2 * smoothness) * np.abs(distance)
    return {0.5: 1.0, 1.5: 1 + r, 2.5: 1 + r + r**2 / 3}[smoothness] * np.exp(-r)


def series(rng: np.random.Generator, n: int) -> SiteSeries:
    """Make a series at irregular times with gaps, two observations close together among them."""
    hours = np.cumsum(rng.choice([1, 24, 24, 24, 72, 24 * 60], n))
    time = pd.Timestamp("2001-01-01") + pd.to_timedelta(hours, unit="h")
    return site_series(rng.normal(size=n), rng.uniform(0.2, 0.5, n), np.concatenate([[np.inf], np.ones(n - 1)]), time, 0.0)


def days(s: SiteSeries) -> np.ndarray:
    return ((s.time - s.time[0]) / pd.Timedelta(days=1)).to_numpy()


def expression(error: ErrorModel, sites: list[SiteSeries], operator: np.ndarray, given: dict[str, Any]) -> Any:
    """Log density of all observations, with value variables as given."""
    with pm.Model(coords={"site": ["a", "b"][: len(sites)], "nee_observation": np.arange(operator.size)}) as model:
        add_likelihood("nee", error, pt.as_tensor(operator), sites, "site" if len(sites) > 1 else None)
    (logp,) = model.logp(vars=model.observed_RVs, sum=False)
    assert {v.name for v in model.continuous_value_vars} == set(given)
    return graph_replace(logp, {v: pt.as_tensor(given[v.name]) for v in model.continuous_value_vars}, strict=False)


@pytest.mark.parametrize("smoothness", state_space.SMOOTHNESS)
def test_density_equals_the_dense_multivariate_normal(smoothness: float) -> None:
    rng = np.random.default_rng(1)
    sites = [series(rng, 60), series(rng, 25)]
    operator = rng.normal(size=85)
    lengths, sds = np.array([6.0, 20.0]), np.array([0.8, 0.4])
    given = {"nee_matern_days_log__": np.log(lengths), "nee_matern_sd_log__": np.log(sds)}
    found = pytensor.function([], expression(STATED + Matern(10.0, smoothness=smoothness), sites, operator, given), mode=PYTHON)()
    assert found.shape == (85,)
    for s, length, sd, part in zip(sites, lengths, sds, (slice(0, 60), slice(60, 85)), strict=True):
        covariance = sd**2 * correlation(smoothness, (days(s)[:, None] - days(s)) / length) + np.diag(s.uncertainty**2)
        # Each value is the density given those before: sums of the first ones are densities too.
        for n in (1, 10, s.values.size):
            dense = stats.multivariate_normal(operator[part][:n], covariance[:n, :n]).logpdf(s.values[:n])
            assert found[part][:n].sum() == pytest.approx(dense, rel=1e-9, abs=1e-9)


def test_without_noise_smoothness_one_half_is_the_ornstein_uhlenbeck_process() -> None:
    rng = np.random.default_rng(2)
    one = series(rng, 60)
    one.uncertainty[:] = 0.0
    found = expression(
        STATED + Matern(5.0, smoothness=0.5),
        [one],
        np.zeros(60),
        {"nee_matern_days_log__": np.log(7.0), "nee_matern_sd_log__": np.log(0.3)},
    )
    one.uncertainty[:] = 0.3
    other = expression(STATED + OrnsteinUhlenbeck(5.0), [one], np.zeros(60), {"nee_memory_log__": np.log(7.0)})
    matern, known = pytensor.function([], [found, other], mode=PYTHON)()
    np.testing.assert_allclose(matern, known, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("smoothness", state_space.SMOOTHNESS)
def test_gradients_equal_differences(smoothness: float) -> None:
    rng = np.random.default_rng(3)
    n = 12
    inputs = [pt.dvector(name) for name in ("residual", "variance", "distance")]
    weights = rng.normal(size=n)
    total = (weights * state_space.log_density(smoothness, *inputs)).sum()
    compute = pytensor.function(inputs, [total, *pt.grad(total, inputs)], mode=PYTHON)
    point = [rng.normal(size=n), rng.uniform(0.1, 1.0, n), rng.uniform(0.05, 0.5, n)]
    point[2][[0, 7]] = state_space.FAR
    gradients = compute(*point)[1:]
    for k, gradient in enumerate(gradients):
        for i in range(n):
            step = np.zeros(n)
            step[i] = 1e-3
            slopes = [(compute(*_moved(point, k, h * step))[0] - compute(*_moved(point, k, -h * step))[0]) / (2e-3 * h) for h in (1.0, 0.5)]
            assert gradient[i] == pytest.approx((4 * slopes[1] - slopes[0]) / 3, rel=1e-6, abs=1e-7)


def _moved(point: list[np.ndarray], k: int, step: np.ndarray) -> list[np.ndarray]:
    return [p + step if i == k else p for i, p in enumerate(point)]


def test_nothing_grows_with_the_square_of_the_record() -> None:
    sizes = {}
    for n in (500, 2000):
        value = pt.tensor("value", shape=(n,), dtype="float64")
        density = state_space.log_density(1.5, value, pt.ones(n), pt.ones(n)).sum()
        shapes = [v.type.shape for v in ancestors([density, *pt.grad(density, [value])]) if all(k is not None for k in v.type.shape)]
        sizes[n] = sorted(int(np.prod(s)) for s in shapes)
        assert sizes[n][-1] <= 5 * (n + 1)
    # As many arrays for the long record, none more than four times as large.
    assert len(sizes[500]) == len(sizes[2000]) and all(b <= 4 * max(a, 1) for a, b in zip(*sizes.values(), strict=True))


def test_an_observation_without_a_finite_mean_has_no_density() -> None:
    one = series(np.random.default_rng(4), 8)
    mean = np.where(np.arange(8) == 3, np.nan, 0.0)
    given = {"nee_matern_days_log__": np.log(5.0), "nee_matern_sd_log__": np.log(1.0)}
    found = pytensor.function([], expression(STATED + Matern(5.0), [one], mean, given), mode=PYTHON)()
    assert np.isfinite(found[:3]).all() and (found[3:] == -np.inf).all()


@pytest.mark.parametrize("smoothness", state_space.SMOOTHNESS)
@pytest.mark.parametrize("length", [2.0, 1e4])
def test_draws_have_the_covariance(smoothness: float, length: float) -> None:
    # Steps of 1e-4 lengths too: there the variances of the noise of the smoother processes are below rounding.
    time = np.array([0.0, 1.0, 2.0, 5.0, 5.5, 5.5 + 0.3 * length])
    n = 100_000
    distance = np.tile(np.diff(time, prepend=np.nan) / length, (n, 1))
    distance[:, 0] = state_space.FAR
    drawn = state_space.draw(np.random.default_rng(5), smoothness, distance)
    wanted = correlation(smoothness, (time[:, None] - time) / length)
    np.testing.assert_allclose(drawn.T @ drawn / n, wanted, atol=0.015)  # three standard errors
    step = drawn[:, 4] - drawn[:, 3]
    assert step.var() == pytest.approx(2 - 2 * wanted[3, 4], rel=0.03, abs=1e-12)


def simulated(error: ErrorModel, one: SiteSeries, draws: dict[str, np.ndarray], time: pd.DatetimeIndex) -> tuple[np.ndarray, ...]:
    gap = np.concatenate([[np.inf], np.ones(len(time) - 1)])
    return simulate_errors(np.random.default_rng(6), error, "nee", draws, one, time, gap, np.full(len(time), 0.3), 0)


def test_simulated_errors_have_the_covariance_of_the_likelihood() -> None:
    one = series(np.random.default_rng(7), 30)
    n, time = 60_000, pd.DatetimeIndex(["2001-01-01", "2001-01-02", "2001-01-05", "2001-02-05"])
    draws = {"nee_matern_days": np.full(n, 4.0), "nee_matern_sd": np.full(n, 0.6), "nee_offset": np.full(n, 0.2)}
    _, systematic, random = simulated(STATED + Matern(5.0) + Bias(1.0), one, draws, time)
    place = ((time - time[0]) / pd.Timedelta(days=1)).to_numpy()
    wanted = 0.36 * correlation(1.5, (place[:, None] - place) / 4.0) + 0.09 * np.eye(4)
    np.testing.assert_allclose(random.T @ random / n, wanted, atol=0.008)
    np.testing.assert_allclose(systematic, 0.2)


def test_prior_predictive_draws_have_the_covariance_of_the_likelihood() -> None:
    sites = [series(np.random.default_rng(8), 12), series(np.random.default_rng(9), 10)]
    error = STATED + Matern(8.0, Scale(0.5, 1e-6), spread=1e-6)
    with pm.Model(coords={"site": ["a", "b"], "nee_observation": np.arange(22)}) as model:
        add_likelihood("nee", error, pt.zeros(22), sites, "site")
        drawn = pm.draw(model["nee"], 2000, random_seed=1, mode=PYTHON)
    wanted = np.zeros((22, 22))
    for s, part in zip(sites, (slice(0, 12), slice(12, 22)), strict=True):
        covariance = (0.5 * s.reference) ** 2 * correlation(1.5, (days(s)[:, None] - days(s)) / 8.0)
        wanted[part, part] = covariance + np.diag(s.uncertainty**2)
    np.testing.assert_allclose(np.cov(drawn.T), wanted, atol=5 * wanted.max() / np.sqrt(2000))


def test_effective_values_are_the_information_about_the_mean() -> None:
    one = series(np.random.default_rng(10), 40)
    error = STATED + Matern(5.0) + Heteroscedastic(0.1, 0.2)
    mean = np.random.default_rng(11).normal(size=(1, 40))
    draws = {"nee_matern_days": np.array([6.0]), "nee_matern_sd": np.array([0.4])}
    draws |= {"nee_noise_slope": np.array([0.3]), "nee_noise_floor": np.array([0.1])}
    noise = one.uncertainty**2 + (0.1 + 0.3 * np.abs(mean[0])) ** 2
    covariance = 0.16 * correlation(1.5, (days(one)[:, None] - days(one)) / 6.0) + np.diag(noise)
    sd = np.sqrt(np.diag(covariance))
    dense = np.linalg.inv(covariance / np.outer(sd, sd)).sum()
    assert effective_values(error, "nee", draws, one, mean) == pytest.approx(dense, rel=1e-9)
    # Without the process all observations count; without noise it is the count of the Ornstein-Uhlenbeck process.
    draws["nee_matern_sd"] = np.array([1e-6])
    assert effective_values(error, "nee", draws, one, mean) == pytest.approx(40.0, rel=1e-6)
    rho = np.concatenate([[0.0], np.exp(-np.diff(days(one)) / 6.0)])
    half = Matern(5.0, smoothness=0.5).effective_size(
        {"nee_matern_days": np.full((1, 1), 6.0), "nee_matern_sd": np.ones((1, 1))}, "nee", one.time, np.zeros((1, 40))
    )
    assert half == pytest.approx(effective_size(rho), rel=1e-9)


def test_a_weight_is_a_power_of_each_density() -> None:
    one = series(np.random.default_rng(12), 10)
    given = {"nee_matern_days_log__": np.log(5.0), "nee_matern_sd_log__": np.log(1.0)}
    parts = [expression(e, [one], np.zeros(10), given) for e in (STATED + Matern(5.0), STATED + Matern(5.0) + Weight(0.5, "twins"))]
    whole, halved = pytensor.function([], parts, mode=PYTHON)()
    np.testing.assert_allclose(halved, 0.5 * whole, rtol=1e-12)


def test_it_is_described() -> None:
    error = ErrorModel(correlation=None, discrepancy=None) + Matern(20.0, Scale(0.3), 2.5)
    assert error.describe().endswith(
        "independent in time; normal innovations; beside this error m(t), a Matérn process in time of smoothness 5/2, length about 20 d "
        "and sd about 0.3 of that of the anomalies, integrated out by a Kalman filter"
    )
    assert error.equation().startswith("y(t) = h(t) + m(t) + sqrt(u² + (σ s(t))²)·r(t);  r ~ N(0, 1)")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: ErrorModel() + Matern(5.0), r"two memories: AR\(1\) below 0.6 and a Matérn process; set correlation=None"),
        (lambda: OrnsteinUhlenbeck(5.0) + Matern(5.0), "two memories: Ornstein-Uhlenbeck process .* and a Matérn process; leave one out"),
        (lambda: Matern(5.0) + Matern(50.0), "an error model has one Matérn process, got 2"),
        (lambda: Laplace() + Matern(5.0), "of normal errors, got the distribution Laplace innovations; leave it out, or take Ornstein"),
        (lambda: Matern(5.0) + Beta(), "of normal errors, got the distribution Beta"),
        (lambda: ErrorModel(correlation=None, heavy_tailed=True) + Matern(5.0), "distribution Student-t; set heavy_tailed=False"),
        (lambda: Matern(5.0, smoothness=1.0), r"is one of \(0.5, 1.5, 2.5\), got 1.0"),
        (lambda: Matern(-1.0), "are positive, got -1.0 and 0.7"),
    ],
)
def test_impossible_choices_are_refused(made: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


def test_a_calibration_finds_the_memory_of_made_up_errors() -> None:
    # Errors of NEE there: stated ones of sd 0.3 beside an AR(1) of sd SIGMA.
    error = STATED + Matern(5.0, Scale(1.0), smoothness=0.5)
    model = build_model(TOWERS, made_up_towers(), (Stream("nee", error=error),), sites=["XX-Two"], withheld_years=1, initial=INITIAL)
    density = Density(model)
    start = density.prior_positions(1, np.random.default_rng(0))[0]
    found = optimize.minimize(lambda x: [-v for v in density(x)], start, jac=True, method="L-BFGS-B", options={"maxiter": 400})
    at = density.unflatten(found.x)
    sd, length = np.exp(at["nee_matern_sd"]), np.exp(at["nee_matern_days"])
    assert sd == pytest.approx(SIGMA, rel=0.1)
    assert length == pytest.approx(-1 / np.log(PHI), rel=0.25)  # of 589 values
    named = {n: default for n, (_, default) in TOWERS.calibrated.items()} | {"nee_matern_sd": SIGMA, "nee_matern_days": -1 / np.log(PHI)}
    draws = xr.Dataset({n: (("chain", "draw"), np.full((1, 200), v)) for n, v in named.items()}, {"chain": [0], "draw": np.arange(200)})
    tree = predict(model, xr.DataTree.from_dict({"posterior": draws}), draws=200)
    predicted, observed = tree["posterior_predictive"]["nee"], tree["observed_data"]["nee"]
    low, high = (predicted.quantile(q, ("chain", "draw")) for q in (0.05, 0.95))
    assert float(((low < observed) & (observed < high)).mean()) == pytest.approx(0.9, abs=0.04)
    worth, number = (float(tree["constant_data"][f"nee_{n}_values"].sum()) for n in ("effective", "fitted"))
    assert 0.2 * number < worth < 0.7 * number
    assert "Matérn process in time of smoothness 1/2" in model.card["error_models"]["nee"]["words"]
