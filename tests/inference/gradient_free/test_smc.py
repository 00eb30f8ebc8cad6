"""Sequential Monte Carlo: several modes with their weights, exact evidence, runs put together by what they found."""

import json

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.inference.gradient_free.smc import SmcRuns, run_smc, sample_smc

from ..posteriors import gaussian_model, two_mode_model


def test_modes_have_their_weights() -> None:
    tree = sample_smc(two_mode_model(), draws=1500, chains=2, seed=1)
    x = tree["posterior"]["x"].values
    assert abs((x[..., 0] > 0).mean() - 0.7) < 0.05
    assert abs(x[(x < 0).all(axis=-1)].std(axis=0).mean() - 0.5) < 0.05
    group = tree["smc"].to_dataset()
    # Prior density 1 / 40^2, integrals of the two parts 0.7 and 0.3 times 2 pi.
    assert group.attrs["log_evidence"] == pytest.approx(np.log(2 * np.pi / 1600), abs=0.2)
    cost = json.loads(tree.attrs["cost"])
    assert cost["forward_runs"] == group["forward_runs"].sum() >= 2 * 1500 * 3
    assert float(group["weight"].sum()) == pytest.approx(1.0)


def test_evidence_of_a_regression_is_exact() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30, 3))
    y = x @ np.array([1.0, -1.0, 0.5]) + rng.normal(size=30)
    with pm.Model() as model:
        b = pm.Normal("b", 0.0, 2.0, shape=3)
        pm.Normal("y", x @ b, 1.0, observed=y)
    spread = np.eye(30) + 4.0 * x @ x.T
    exact = -0.5 * (y @ np.linalg.solve(spread, y) + np.linalg.slogdet(2 * np.pi * spread)[1])
    for kernel, chains in (("independent", 2), ("walk", 1)):
        found = run_smc(model, 800, chains, seed=2, kernel=kernel)
        assert found.evidence[0] == pytest.approx(exact, abs=0.3)
        assert found.posterior["b"].mean(("chain", "draw")).values == pytest.approx(np.linalg.lstsq(x, y)[0], abs=0.1)


def test_runs_are_weighted_by_their_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "lsm_bayes.inference.gradient_free.smc.run_smc"
    with pm.Model() as model:
        pm.Normal("x")
    posterior = xr.Dataset({"x": (("chain", "draw"), np.array([np.zeros(1000), np.ones(1000)]))})
    runs = SmcRuns(posterior, np.log([0.25, 0.75]), np.ones(2), np.full(2, 10), 1.0)
    monkeypatch.setattr(module, lambda *a, **k: runs)
    tree = sample_smc(model, 1000, 2)
    assert tree["posterior"]["x"].mean("draw").values == pytest.approx([0.75, 0.75], abs=0.05)
    assert float(tree["posterior"]["x"].mean()) == pytest.approx(0.75, abs=1e-3)
    assert runs.evidence[0] == pytest.approx(np.log(0.5))


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="kernel is 'nuts'; choose one of 'independent', 'walk'"):
        sample_smc(two_mode_model(), kernel="nuts")
    with pytest.raises(ValueError, match="the priors of x are improper, so there is nothing to begin from"):
        sample_smc(gaussian_model())
