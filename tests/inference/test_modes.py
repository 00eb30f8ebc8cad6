import numpy as np
import pymc as pm
import pytest

from lsm_bayes.inference import find_modes
from lsm_bayes.inference import modes as modes_module

from .posteriors import MEAN


def test_both_modes_are_found_with_their_weights(two_modes):
    modes = find_modes(two_modes, starts=16, seed=1)
    assert modes.table.sizes["mode"] == 2
    weight = {round(float(v)): w for v, w in zip(modes.table["x"].values[:, 0], modes.weights, strict=True)}
    assert weight[3] == pytest.approx(0.7, abs=0.05)
    assert weight[-3] == pytest.approx(0.3, abs=0.05)
    assert modes.table["fraction_of_starts"].sum() == 1
    assert list(modes.table["log_posterior"].values) == sorted(modes.table["log_posterior"].values, reverse=True)


def test_one_mode_of_an_ill_conditioned_gaussian(gaussian):
    modes = find_modes(gaussian, starts=6, seed=1)
    assert modes.table.sizes["mode"] == 1
    np.testing.assert_allclose(modes.positions[0], MEAN, rtol=1e-5)
    assert modes.cost["gradient_evaluations"] < 1000


def test_end_points_on_a_curved_ridge_are_one_mode(banana):
    assert find_modes(banana, starts=8, seed=2).table.sizes["mode"] == 1


def test_dispersed_starts_find_a_mode_outside_the_prior():
    with pm.Model() as model:
        rate = pm.Normal("log_rate", 0, 1)
        pm.Potential("data", pm.math.logaddexp(-0.5 * (rate / 0.1) ** 2, 60 - 0.5 * ((rate - 6) / 0.1) ** 2))
    ordinary = find_modes(model, starts=12, seed=3)
    dispersed = find_modes(model, starts=12, seed=3, spread={"log_rate": 6.0})
    assert ordinary.table.sizes["mode"] == 1
    assert dispersed.table.sizes["mode"] == 2
    assert dispersed.table["log_posterior"][0] > ordinary.table["log_posterior"][0] + 30


def test_given_start_points_come_first(schools):
    point = {"mean": 4.0, "spread": 3.0, "standard": np.zeros(8)}
    modes = find_modes(schools, starts=3, seed=1, start_points=[point])
    np.testing.assert_allclose(modes.starts["start_position"].values[0], schools.flatten(point))
    assert modes.starts.sizes["start"] == 3


def test_finished_starts_are_not_repeated(two_modes, tmp_path, monkeypatch):
    climb, calls = modes_module.climb, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return climb(*arguments)

    monkeypatch.setattr(modes_module, "climb", interrupted)
    first = find_modes(two_modes, starts=6, seed=1, store=tmp_path)
    assert first.interrupted
    assert first.starts.sizes["start"] == 3
    second = find_modes(two_modes, starts=6, seed=1, store=tmp_path)
    assert not second.interrupted
    assert len(calls) == 4 + 3
    monkeypatch.undo()
    whole = find_modes(two_modes, starts=6, seed=1)
    np.testing.assert_allclose(second.starts["position"], whole.starts["position"])


def test_unknown_parameter_to_spread(schools):
    with pytest.raises(KeyError, match=r"spread names \['tau'\]; the free parameters are \['mean', 'spread', 'standard'\]"):
        find_modes(schools, starts=2, spread={"tau": 1.0})


def test_start_points_of_wrong_length(schools):
    with pytest.raises(ValueError, match="10 unconstrained values each"):
        find_modes(schools, starts=2, start_points=np.zeros((1, 3)))


def test_no_finite_start():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("never", pm.math.log(-1 - x**2))
    with pytest.raises(RuntimeError, match="not finite at any of 2 starts"):
        find_modes(model, starts=2)
