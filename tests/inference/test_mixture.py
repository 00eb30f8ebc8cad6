import numpy as np
import pymc as pm
import pytest

from lsm_bayes.diagnostics import check
from lsm_bayes.inference import Density, find_modes, load, mixture, sample, sample_mixture
from lsm_bayes.inference.store import attribute

QUICK = {"tune": 200, "draws": 600, "progress": False}
DIMENSION = 8


@pytest.fixture(scope="module")
def pair():
    """0.8 N(3, 1) + 0.2 N(-3, 0.5^2) jointly in all dimensions, and its modes."""
    with pm.Model() as model:
        x = pm.Uniform("x", -30, 30, shape=DIMENSION, default_transform=None, initval=np.zeros(DIMENSION))
        near = np.log(0.8) - 0.5 * pm.math.sum((x - 3) ** 2)
        far = np.log(0.2) - 0.5 * pm.math.sum(((x + 3) / 0.5) ** 2) - DIMENSION * np.log(0.5)
        pm.Potential("density", pm.math.logaddexp(near, far))
    density = Density(model)
    points = np.array([np.full(DIMENSION, 3.0), np.full(DIMENSION, -3.0)])
    return density, find_modes(density, starts=2, seed=1, start_points=points)


@pytest.fixture(scope="module")
def mixed(pair):
    return sample_mixture(*pair, seed=1, **QUICK)


def test_weights_and_means_of_two_modes(mixed):
    table = mixed["modes"].to_dataset()
    np.testing.assert_allclose(table["weight"], [0.8, 0.2], atol=0.02)
    assert np.all(np.abs(table["weight"] - [0.8, 0.2]) < 4 * table["weight_error"] + 1e-3)
    exact = np.log([0.8, 0.2]) + DIMENSION * (0.5 * np.log(2 * np.pi) - np.log(60))
    np.testing.assert_allclose(table["log_evidence"], exact, atol=0.05)
    np.testing.assert_allclose(table["laplace_log_evidence"], exact, atol=0.01)
    np.testing.assert_allclose(table["x"], np.repeat([[3.0], [-3.0]], DIMENSION, axis=1), atol=0.2)
    posterior = mixed["posterior"]["x"]
    assert posterior.shape == (4, 600, DIMENSION)
    np.testing.assert_allclose(posterior.mean(("chain", "draw")), 1.8, atol=0.15)
    assert float(posterior.var(("chain", "draw")).mean()) == pytest.approx(0.8 + 0.2 * 0.25 + 0.16 * 36, rel=0.1)


def test_draws_are_labelled_and_taken_once(mixed):
    mode, x = mixed["sample_stats"]["mode"].values, mixed["posterior"]["x"].values
    np.testing.assert_array_equal(mode == 0, x.mean(axis=-1) > 0)
    assert len(np.unique(x[..., 0])) > 0.99 * x[..., 0].size  # a chain stays where it is now and then
    assert (np.abs((mode == 1).mean(axis=1) - mixed["modes"]["weight"].values[1]) < 1 / 600).all()
    np.testing.assert_array_equal(mixed["unconstrained"]["position"], x)


def test_gates_are_those_within_modes(mixed):
    gates = check(mixed)
    assert gates.passed, str(gates)
    within = mixed["within_modes"].to_dataset()
    assert gates.gates[0].value == float(within["rhat"].max())
    assert list(within["chains"].values) == [4, 2]


def test_cost_is_that_of_all_rounds(mixed):
    cost = attribute(mixed, "cost")
    assert cost["runs"] == 2
    assert cost["gradient_evaluations"] > cost["evidence_evaluations"] + int(mixed["sample_stats"]["n_steps"].sum())
    assert set(mixed.children) == {"posterior", "sample_stats", "unconstrained", "modes", "laplace_modes", "within_modes"}


def test_one_mode_is_sampled_as_by_sample(gaussian):
    modes = find_modes(gaussian, starts=4, seed=1)
    arguments = {"tune": 300, "draws": 1500, "seed": 3, "progress": False}
    whole, plain = sample_mixture(gaussian, modes, **arguments), sample(gaussian, initial=modes, **arguments)
    np.testing.assert_array_equal(whole["posterior"]["x"], plain["posterior"]["x"])
    assert "within_modes" not in whole.children
    assert whole["modes"]["weight"].values.tolist() == [1.0]
    assert whole["modes"]["weight_error"].values.tolist() == [0.0]


def test_a_mode_of_little_weight_stays_in_the_table_only(pair):
    tree = sample_mixture(*pair, seed=2, least_weight=0.3, **QUICK)
    assert tree["modes"].sizes["mode"] == 2
    assert tree["posterior"].sizes["chain"] == 4
    assert (tree["posterior"]["x"].mean("draw") > 0).all()


def test_chains_that_cross_are_one_mode():
    with pm.Model() as model:
        x = pm.Normal("x", 0, 5, shape=2)
        pm.Potential("density", pm.math.logaddexp(-0.5 * pm.math.sum((x - 1.6) ** 2), -0.5 * pm.math.sum((x + 1.6) ** 2)))
    tree = sample_mixture(model, find_modes(model, starts=8, seed=1), tune=200, draws=1500, seed=1, progress=False)
    assert tree["modes"].sizes["mode"] == 1


def test_interrupted_round_goes_on(pair, tmp_path, monkeypatch):
    store, calls = tmp_path / "run.zarr", []

    def interrupted(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return sample(*arguments, **named)

    monkeypatch.setattr(mixture, "sample", interrupted)
    tree = sample_mixture(*pair, seed=1, store=store, **QUICK)
    assert attribute(tree, "cost")["interrupted"]
    assert list(tree["modes"]["chains"].values) == [3, 1]
    with pytest.raises(FileExistsError, match="unfinished run: go on with resume=True"):
        sample_mixture(*pair, seed=1, store=store, **QUICK)
    whole = sample_mixture(*pair, seed=1, store=store, resume=True, **QUICK)
    assert not (tmp_path / "run.zarr.rounds").exists()
    assert list(whole["modes"]["chains"].values) == [4, 2]
    np.testing.assert_array_equal(load(store)["posterior"]["x"], whole["posterior"]["x"])
    again = sample_mixture(*pair, seed=1, store=store, resume=True, **QUICK)
    np.testing.assert_array_equal(again["posterior"]["x"], whole["posterior"]["x"])
    with pytest.raises(ValueError, match="finished with 600 draws per chain, 700 were asked for"):
        sample_mixture(*pair, store=store, resume=True, draws=700)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"least_weight": 0.5}, "least_weight at least 0 and below 0.5"), ({"rounds": 0}, "rounds=0"), ({"resume": True}, "needs store=path")],
)
def test_errors_say_what_to_do(pair, change, text):
    with pytest.raises(ValueError, match=text):
        sample_mixture(*pair, **{**QUICK, **change})


def test_a_chain_that_crossed_shows_a_mode_and_is_set_aside(pair, monkeypatch):
    calls = []

    def crossing(*arguments, **named):
        tree = sample(*arguments, **named)
        calls.append(named["chains"])
        if len(calls) == 1:  # the chain in the far mode came there from the near one
            for name in ("posterior", "sample_stats", "unconstrained"):
                for variable in tree[name].to_dataset().data_vars.values():
                    variable.values[0, :300] = variable.values[1, :300]
        return tree

    monkeypatch.setattr(mixture, "sample", crossing)
    tree = sample_mixture(*pair, seed=1, **QUICK)
    table = tree["modes"].to_dataset()
    assert calls == [4, 3]  # one more in the near mode, two in the far one
    assert attribute(tree, "cost")["chains_that_crossed"] == 1
    assert list(table["chains"].values) == [4, 2]
    np.testing.assert_allclose(table["weight"], [0.8, 0.2], atol=0.02)
