"""Particle filter and particle Metropolis against the Kalman filter and exact posteriors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.inference.particles import ProcessStateSpace, likelihood_spread, particle_filter, sample_particle_metropolis
from lsm_bayes.inference.particles.filter import systematic
from lsm_bayes.simulation import simulate

from ...small_models import TWO_POOLS

SPREAD, NOISE, FIRST = 0.5, 0.7, 1.2


class Linear:
    """x' = a x + NOISE e, y = x + SPREAD e, for two independent coordinates of which the second is seen at every other time."""

    def __init__(self, series: np.ndarray) -> None:
        self.series = series

    @property
    def times(self) -> int:
        return len(self.series)

    def begin(self, values, particles, rng):
        return FIRST * rng.standard_normal((particles, 2))

    def advance(self, states, time, values, rng):
        return float(values["a"]) * states + NOISE * rng.standard_normal(states.shape)

    def log_likelihood(self, states, time, values):
        z = (self.series[time] - states) / SPREAD
        return np.nansum(-0.5 * z**2 - np.log(SPREAD) - 0.5 * np.log(2 * np.pi), axis=1)


def kalman(series: np.ndarray, a: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Exact log-likelihood, filtered means and sds."""
    total, mean, variance = 0.0, np.zeros(2), np.full(2, FIRST**2)
    means, sds = [], []
    for y in series:
        mean, variance = a * mean, a**2 * variance + NOISE**2
        seen, spread = np.isfinite(y), variance + SPREAD**2
        surprise = np.where(seen, y - mean, 0.0)
        total += float(np.sum(np.where(seen, -0.5 * surprise**2 / spread - 0.5 * np.log(2 * np.pi * spread), 0.0)))
        gain = np.where(seen, variance / spread, 0.0)
        mean, variance = mean + gain * surprise, (1 - gain) * variance
        means.append(mean)
        sds.append(np.sqrt(variance))
    return total, np.array(means), np.array(sds)


@pytest.fixture(scope="module")
def linear() -> Linear:
    rng, x, rows = np.random.default_rng(11), FIRST * np.random.default_rng(8).standard_normal(2), []
    for k in range(30):
        x = 0.8 * x + NOISE * rng.standard_normal(2)
        rows.append(x + SPREAD * rng.standard_normal(2))
        rows[-1][1] = np.nan if k % 2 else rows[-1][1]
    return Linear(np.array(rows))


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_likelihood_is_that_of_the_kalman_filter(linear: Linear, threshold: float) -> None:
    exact, means, sds = kalman(linear.series, 0.8)
    rng = np.random.default_rng(1)
    runs = [particle_filter(linear, {"a": 0.8}, 400, rng, threshold=threshold) for _ in range(100)]
    # The likelihood, not its logarithm, is estimated without bias.
    ratio = np.exp([r.log_likelihood - exact for r in runs])
    assert abs(ratio.mean() - 1.0) < 3 * ratio.std(ddof=1) / 10
    assert ratio.std(ddof=1) < 1.0
    found = np.mean([r.table["mean"].values for r in runs], axis=0)
    assert np.sqrt(np.mean(((found - means) / sds) ** 2)) < 0.03
    assert np.allclose(np.sqrt(np.mean([r.table["sd"].values ** 2 for r in runs], axis=0)), sds, rtol=0.08)
    often = np.mean([r.table["resampled"].mean() for r in runs])
    assert often == 1.0 if threshold == 1.0 else 0.1 < often < 0.9


def test_systematic_resampling_takes_each_as_often_as_it_weighs() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(50))
    counts = np.array([np.bincount(systematic(weights, rng), minlength=50) for _ in range(4000)])
    assert np.abs(counts - 50 * weights).max() < 1.0 + 1e-9
    assert np.abs(counts.mean(axis=0) - 50 * weights).max() < 0.04


def prior() -> pm.Model:
    with pm.Model() as model:
        pm.Uniform("a", 0.0, 1.0)
    return model


def test_particle_metropolis_has_the_exact_posterior(linear: Linear) -> None:
    linear = Linear(linear.series[:15])
    grid = np.linspace(0.0005, 0.9995, 1000)
    lp = np.array([kalman(linear.series, a)[0] for a in grid])
    weight = np.exp(lp - lp.max()) / np.exp(lp - lp.max()).sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    tree = sample_particle_metropolis(prior(), linear, 800, 200, chains=2, seed=1, particles=80, covariance=np.eye(1))
    a = tree["posterior"]["a"].values
    assert 0.5 < likelihood_spread(linear, {"a": mean}, 80) < 2.0
    assert abs(a.mean() - mean) < 0.2 * sd
    assert abs(a.std() / sd - 1) < 0.15
    assert json.loads(tree.attrs["cost"])["forward_runs"] == 80 * (2 * 1000 + 2)


def test_particle_metropolis_resumes(linear: Linear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Linear(linear.series[:5])
    arguments = {"draws": 30, "tune": 20, "chains": 2, "particles": 20, "block": 10, "initial": np.zeros((2, 1)), "covariance": np.eye(1)}
    whole = sample_particle_metropolis(prior(), short, **arguments)
    original, calls = Linear.begin, 0

    def stopping(self, *given):
        nonlocal calls
        calls += 1
        if calls > 80:
            raise KeyboardInterrupt
        return original(self, *given)

    monkeypatch.setattr(Linear, "begin", stopping)
    part = sample_particle_metropolis(prior(), short, store=tmp_path / "r.nc", **arguments)
    assert part["posterior"].sizes["draw"] == 10
    monkeypatch.undo()
    resumed = sample_particle_metropolis(prior(), short, store=tmp_path / "r.nc", resume=True, **arguments)
    assert np.array_equal(resumed["posterior"]["a"], whole["posterior"]["a"])


def forcing(days: int) -> xr.Dataset:
    day = np.arange(days)
    light = 8 + 6 * np.sin(2 * np.pi * day / 365)
    return xr.Dataset(
        {
            "shortwave_down": ("time", light, {"units": "MJ m-2 d-1"}),
            "air_temperature": ("time", light, {"units": "degC"}),
        },
        {"time": pd.date_range("2001-01-01", periods=days)},
    )


def test_segments_without_noise_are_one_run() -> None:
    data = forcing(40)
    whole = simulate(TWO_POOLS, data, {"turnover": 0.05})
    nee = whole["nee"].values.reshape(5, 8).mean(axis=1)
    space = ProcessStateSpace(
        TWO_POOLS,
        data,
        8,
        noise={"foliage_carbon": "s"},
        observed={"nee": nee, "soil_carbon": np.full(5, np.nan)},
        errors={"nee": 0.1, "soil_carbon": 5.0},
    )
    found = particle_filter(space, {"turnover": 0.05, "s": 0.0}, 3)
    assert found.log_likelihood == pytest.approx(-5 * np.log(0.1 * np.sqrt(2 * np.pi)), rel=1e-12)
    assert np.allclose(found.table["mean"].values[-1], [whole["foliage_carbon"][-1], whole["soil_carbon"][-1], nee[-1]], rtol=1e-12)


def test_particles_follow_a_disturbed_pool() -> None:
    data = forcing(160)
    truth = {"s": 0.1, "turnover": 0.02}
    empty = {"foliage_carbon": np.full(20, np.nan), "nee": np.full(20, np.nan)}
    settings = {"noise": {"foliage_carbon": "s"}, "errors": {"foliage_carbon": 4.0, "nee": 0.2}}
    series = ProcessStateSpace(TWO_POOLS, data, 8, observed=empty, **settings).simulate(truth, np.random.default_rng(3))
    space = ProcessStateSpace(TWO_POOLS, data, 8, observed=series, **settings)
    likely = [
        np.mean([particle_filter(space, {**truth, "s": s}, 300, np.random.default_rng(k)).log_likelihood for k in range(3)])
        for s in (0.02, 0.1, 0.5)
    ]
    assert likely[1] > likely[0] + 3 and likely[1] > likely[2] + 3
    after = particle_filter(space, truth, 300)
    assert np.sqrt(np.mean((after.table["mean"].values[:, 0] - series["foliage_carbon"]) ** 2)) < 6.0


def test_dead_particles_are_data() -> None:
    class Dying(Linear):
        def advance(self, states, time, values, rng):
            return np.where(np.arange(len(states))[:, None] < 5 * time, np.nan, states)

    found = particle_filter(Dying(np.zeros((3, 2))), {}, 8, threshold=0.0)
    assert np.isfinite(found.table["log_likelihood"].values[:2]).all() and found.log_likelihood == -np.inf
    assert found.failures == 5 + 8


def test_errors_say_what_to_do(linear: Linear) -> None:
    with pytest.raises(ValueError, match="got particles=1, threshold=0.5; give at least 2 particles"):
        particle_filter(linear, {"a": 0.8}, 1)
    data, given = forcing(16), {"noise": {}, "observed": {"nee": np.zeros(2)}, "errors": {"nee": 1.0}}
    with pytest.raises(ValueError, match="16 steps, which is no multiple of the segment of 7; cut it"):
        ProcessStateSpace(TWO_POOLS, data, 7, **given)
    with pytest.raises(KeyError, match="leaves"):
        ProcessStateSpace(TWO_POOLS, data, 8, **(given | {"noise": {"leaves": 0.1}}))
    with pytest.raises(ValueError, match="there are 1 segments"):
        ProcessStateSpace(TWO_POOLS, data, 16, **given)
    with pytest.raises(KeyError, match="give both for each"):
        ProcessStateSpace(TWO_POOLS, data, 8, **(given | {"errors": {}}))
