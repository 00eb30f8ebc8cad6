"""Localisation and inflation of ensemble updates."""

import numpy as np
import pymc as pm
import pytest

from lsm_bayes.inference.ensemble import EnsembleUpdate, ensemble_smoother, gaspari_cohn, taper_by_dependence, taper_by_distance
from lsm_bayes.inference.ensemble.analysis import Analysis
from lsm_bayes.inference.ensemble.localisation import taper_by_correlation
from lsm_bayes.inference.inverse import InverseProblem

SITES = 12


def site_model() -> tuple[pm.Model, np.ndarray, np.ndarray]:
    """One parameter of each site, seen at that site alone, and one that all share: posterior of the sites by arithmetic."""
    rng = np.random.default_rng(2)
    slopes, data = rng.uniform(0.5, 1.5, SITES), rng.normal(size=(SITES, 2))
    with pm.Model(coords={"site": range(SITES)}) as model:
        x = pm.Normal("x", 0.0, 1.0, dims="site")
        pm.Normal("y", pm.math.stack([slopes * x, x], axis=1).ravel(), 0.5, observed=data.ravel())
    precision = 1.0 + 4.0 * (slopes**2 + 1.0)
    return model, 4.0 * (slopes * data[:, 0] + data[:, 1]) / precision, precision**-0.5


MODEL, MEAN, SD = site_model()
PROBLEM = InverseProblem(MODEL)


def test_gaspari_cohn_is_the_published_curve() -> None:
    # Auto-convolution of a triangle over a ball in three dimensions, in closed form at these places.
    assert np.allclose(gaspari_cohn([0.0, 1.0, 2.0, 3.0]), [1.0, 5 / 24, 0.0, 0.0], atol=1e-15)
    assert np.allclose(gaspari_cohn(0.5), 1 - 5 / 12 + 5 / 64 + 1 / 32 - 1 / 128)
    r = np.linspace(0.0, 2.5, 2001)
    assert np.all(np.diff(gaspari_cohn(r)) <= 0) and np.abs(np.diff(gaspari_cohn(r), 2)).max() < 1e-5
    points = np.linspace(0, 10, 60)
    assert np.linalg.eigvalsh(taper_by_distance(points, points, 4.0))[0] > -1e-10


def test_taper_by_distance() -> None:
    found = taper_by_distance([0.0, 1.0], [0.0, 0.5, 3.0], 2.0)
    assert found.shape == (2, 3) and found[0, 0] == 1.0 and found[0, 2] == 0.0 and np.isclose(found[0, 1], found[1, 1])
    assert np.isclose(taper_by_distance([[0.0, 0.0]], [[3.0, 4.0]], 10.0)[0, 0], 5 / 24)
    with pytest.raises(ValueError, match="the radius of a taper is positive, got 0"):
        taper_by_distance([0.0], [0.0], 0.0)
    with pytest.raises(ValueError, match="elements have 2 coordinates each and observations 1"):
        taper_by_distance([[0.0, 0.0]], [0.0], 1.0)


def test_dependence_is_found() -> None:
    before = PROBLEM.forward_runs
    taper = taper_by_dependence(PROBLEM)
    assert np.array_equal(taper, np.repeat(np.eye(SITES), 2, axis=1)) and PROBLEM.forward_runs - before == 2 * (SITES + 1)


def test_localisation_saves_a_small_ensemble() -> None:
    """Eight members for twelve sites: without localisation the ensemble collapses, with it each site has its posterior."""
    taper = taper_by_dependence(PROBLEM)
    found: dict[str, list[np.ndarray]] = {"none": [], "structure": [], "correlation": []}
    for seed in range(12):
        for name, chosen in (("none", None), ("structure", taper), ("correlation", "correlation")):
            x = ensemble_smoother(PROBLEM, 8, 1, update=EnsembleUpdate(taper=chosen), seed=seed)["posterior"]["x"].values[0]
            found[name].append([np.sqrt(np.mean(((x.mean(axis=0) - MEAN) / SD) ** 2)), np.mean(x.std(axis=0, ddof=1) / SD)])
    error, ratio = ({k: np.mean(v, axis=0)[i] for k, v in found.items()} for i in (0, 1))
    assert ratio["structure"] > 0.85 and ratio["none"] < 0.8
    assert error["structure"] < 0.5 * error["none"] and error["correlation"] < error["none"]


def test_localised_square_root_is_exact_by_site() -> None:
    x = ensemble_smoother(PROBLEM, 40, 1, update=EnsembleUpdate(taper=taper_by_dependence(PROBLEM)))["posterior"]["x"].values[0]
    assert np.allclose(x.mean(axis=0), MEAN, atol=1e-8) and np.allclose(x.std(axis=0, ddof=1), SD, atol=1e-8)


def test_a_taper_of_ones_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    x, g, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 5)), rng.normal(size=5)
    for kind in ("square_root", "perturbed"):
        plain, tapered = (Analysis(g, y, 1.0, EnsembleUpdate(kind, taper=t), np.random.default_rng(1))(x) for t in (None, np.ones((3, 5))))
        assert np.allclose(plain, tapered, rtol=0, atol=1e-12)
        untouched = Analysis(g, y, 1.0, EnsembleUpdate(kind, taper=np.zeros((3, 5))), np.random.default_rng(1))(x)
        assert np.allclose(untouched, x, rtol=0, atol=1e-12)


def test_correlation_taper_keeps_signal_and_drops_chance() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(100, 2))
    predictions = np.hstack([x[:, :1] + 0.3 * rng.normal(size=(100, 1)), rng.normal(size=(100, 400))])
    weights = taper_by_correlation(x, predictions)
    assert weights[0, 0] > 0.95 and np.mean(weights[:, 1:] > 0) < 0.08


def test_inflation_and_relaxation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 1))
    y = np.array([0.7])

    def updated(**options: float) -> np.ndarray:
        return Analysis(x, y, 1.0, EnsembleUpdate(**options), np.random.default_rng(1))(x)

    prior, plain = x.var(ddof=1), updated()
    assert np.isclose(plain.var(ddof=1), prior / (1 + prior))
    assert np.isclose(updated(inflation=1.5).var(ddof=1), 2.25 * prior / (1 + 2.25 * prior))
    half = updated(relaxation=0.5)
    assert np.isclose(half.std(ddof=1), 0.5 * (x.std(ddof=1) + plain.std(ddof=1))) and np.isclose(half.mean(), plain.mean())
