"""DE-MC(Z) and adaptive Metropolis: exact posteriors, several modes, resuming draw by draw."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.inference import Density
from lsm_bayes.inference.gradient_free import sample_adaptive_metropolis, sample_de_mcz
from lsm_bayes.inference.log_density import LogDensity, as_log_density

from ..posteriors import COVARIANCE, MEAN, gaussian_model, two_mode_model


@pytest.fixture(scope="module")
def gaussian() -> LogDensity:
    return LogDensity(gaussian_model())


def check_moments(tree: xr.DataTree, slack: float) -> None:
    draws = tree["posterior"]["x"].values
    standard = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (draws - MEAN).reshape(-1, 3).T)
    assert np.abs(standard.mean(axis=1)).max() < slack
    assert np.abs(np.cov(standard) - np.eye(3)).max() < 1.5 * slack


def test_values_are_those_of_the_density_with_gradient() -> None:
    model = two_mode_model()
    plain, density = LogDensity(model), Density(model)
    positions = 5 * np.random.default_rng(0).standard_normal((4, 2))
    assert np.allclose(plain.log_densities(positions), [density(x)[0] for x in positions], rtol=1e-12)
    assert plain.log_density(np.array([30.0, 0.0])) == -np.inf
    assert plain.cost()["forward_runs"] == 5 and plain.cost()["failed_simulations"] == 1
    assert as_log_density(plain) is plain
    with pytest.raises(TypeError, match="Got str; give a pymc.Model, or a LogDensity"):
        as_log_density("model")


@pytest.mark.parametrize(
    "settings", [{}, {"snooker": 1.0}, {"snooker": 0.0, "pairs": 3, "crossovers": 3}], ids=["both", "snooker", "dream"]
)
def test_differential_evolution_is_exact(gaussian: LogDensity, settings: dict) -> None:
    tree = sample_de_mcz(gaussian, 6000, 1500, chains=4, seed=1, initial=MEAN + np.zeros((4, 3)), **settings)
    check_moments(tree, 0.12)
    cost = json.loads(tree.attrs["cost"])
    assert cost["forward_runs"] == cost["forward_run_equivalents"] == 4 * 7500 + 4
    assert 0.1 < float(tree["sample_stats"]["acceptance_rate"].mean()) < 0.7


def test_adaptive_metropolis_is_exact(gaussian: LogDensity) -> None:
    # The first proposals are 100 times too narrow for one coordinate and 10 times too wide for another.
    tree = sample_adaptive_metropolis(gaussian, 8000, 3000, chains=4, seed=1, initial=MEAN + np.zeros((4, 3)), covariance=np.eye(3))
    check_moments(tree, 0.12)
    rate = tree["sample_stats"]["acceptance_rate"].values
    assert 0.2 < rate[:, 2000:].mean() < 0.45


def test_long_jumps_weigh_modes() -> None:
    tree = sample_de_mcz(two_mode_model(), 15000, 1000, chains=4, seed=3)
    x = tree["posterior"]["x"].values
    assert abs((x[..., 0] > 0).mean() - 0.7) < 0.05
    assert abs(x[(x < 0).all(axis=-1)].std(axis=0).mean() - 0.5) < 0.05


@pytest.mark.parametrize("sampler", [sample_de_mcz, sample_adaptive_metropolis])
def test_a_resumed_run_has_the_draws_of_an_unbroken_one(
    gaussian: LogDensity, sampler: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"draws": 60, "tune": 700, "chains": 3, "seed": 2, "initial": MEAN + np.zeros((3, 3)), "thin": 3, "block": 20}
    whole = sampler(gaussian, **arguments)
    calls, original = 0, LogDensity.log_densities

    def stopping(self: LogDensity, positions: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 830:
            raise KeyboardInterrupt
        return original(self, positions)

    monkeypatch.setattr(LogDensity, "log_densities", stopping)
    part = sampler(gaussian, store=tmp_path / "run.nc", **arguments)
    assert json.loads(part.attrs["cost"])["interrupted"] and part["posterior"].sizes["draw"] == 40
    with pytest.raises(FileExistsError, match="holds an unfinished run: go on with resume=True"):
        sampler(gaussian, store=tmp_path / "run.nc", **arguments)
    with pytest.raises(ValueError, match="belongs to another model, method or length of run"):
        sampler(gaussian, store=tmp_path / "run.nc", resume=True, **(arguments | {"draws": 90}))
    resumed = sampler(gaussian, store=tmp_path / "run.nc", resume=True, **arguments)
    assert np.array_equal(resumed["unconstrained"]["position"], whole["unconstrained"]["position"])
    assert resumed.attrs["cost"].count('"forward_runs": 2643')
    assert not (tmp_path / "run.nc.blocks").exists()
    again = sampler(gaussian, store=tmp_path / "run.nc", resume=True, **arguments)
    assert np.array_equal(again["unconstrained"]["position"], whole["unconstrained"]["position"])


def test_failed_runs_are_counted() -> None:
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("domain", pm.math.switch(x > 0, 0.0, np.nan))
    tree = sample_de_mcz(model, 500, 100, seed=0)
    assert tree["posterior"]["x"].values.min() > 0
    assert json.loads(tree.attrs["cost"])["failed_simulations"] > 50


def test_errors_say_what_to_do(gaussian: LogDensity) -> None:
    at = MEAN + np.zeros((3, 3))
    with pytest.raises(ValueError, match=r"archive has shape \(5,\); give at least 2 unconstrained positions, shape \(m, 3\)"):
        sample_de_mcz(gaussian, archive=np.zeros(5))
    with pytest.raises(ValueError, match="snooker=2"):
        sample_de_mcz(gaussian, snooker=2, initial=at)
    with pytest.raises(ValueError, match="got draws=0"):
        sample_de_mcz(gaussian, draws=0, initial=at)
    with pytest.raises(ValueError, match="resume=True needs store"):
        sample_de_mcz(gaussian, resume=True, initial=at)
    with pytest.raises(ValueError, match=r"initial has shape \(3, 3\)"):
        sample_adaptive_metropolis(gaussian, chains=4, initial=at)
    with pytest.raises(ValueError, match=r"covariance has shape \(2, 2\); give \(3, 3\)"):
        sample_adaptive_metropolis(gaussian, covariance=np.eye(2))
    with pytest.raises(ValueError, match=r"not finite at the starts of chains \[0\]"):
        sample_de_mcz(two_mode_model(), chains=1, initial=np.full((1, 2), 99.0))
