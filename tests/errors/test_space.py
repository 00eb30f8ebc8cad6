"""Errors that are correlated between sites: the density against dense covariance matrices, and where it is refused."""

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

from lsm_bayes.errors import Beta, Censored, ErrorModel, Laplace, LogNormal, Matern, OrnsteinUhlenbeck, SpatialCorrelation
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import SiteSeries, site_series
from lsm_bayes.errors.space import EARTH_RADIUS, great_circle
from lsm_bayes.errors.terms import Place

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
MEMORY = ErrorModel(structural=None, envelope=0.0, correlation=0.9, discrepancy=None)
LATITUDE, LONGITUDE = np.array([61.8, 51.1, 51.3, 43.7]), np.array([24.3, 10.4, 11.1, 3.6])


def series(rng: np.random.Generator, days: np.ndarray, latitude: float, longitude: float) -> SiteSeries:
    time = pd.Timestamp("2001-01-01") + pd.to_timedelta(days, "D")
    place = Place(time, latitude=latitude, longitude=longitude)
    gap = np.concatenate([[np.inf], np.diff(days).astype(float)])
    return site_series(rng.normal(size=days.size), rng.uniform(0.3, 2.0, days.size), gap, time, 0.0, place)


def sites(rng: np.random.Generator, days: list[np.ndarray]) -> list[SiteSeries]:
    return [series(rng, d, LATITUDE[i], LONGITUDE[i]) for i, d in enumerate(days)]


def model_of(error: ErrorModel, observed: list[SiteSeries], mean: Any) -> pm.Model:
    names = [f"XX-{i}" for i in range(len(observed))]
    with pm.Model(coords={"site": names, "nee_observation": np.arange(sum(s.values.size for s in observed))}) as model:
        add_likelihood("nee", error, mean, observed, "site" if len(observed) > 1 else None)
    return model


def each_density(model: pm.Model, given: dict[str, Any]) -> np.ndarray:
    """Evaluate the log density of each observation with value variables as given."""
    (logp,) = model.logp(vars=model.observed_RVs, sum=False)
    assert {v.name for v in model.continuous_value_vars} == set(given)
    values = {v: pt.as_tensor(np.asarray(given[v.name], dtype=float)) for v in model.continuous_value_vars}
    return pytensor.function([], graph_replace(logp, values), mode=Mode("py", None))()


def in_sequence(covariance: np.ndarray, residual: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Log density of each of some normal numbers given those before it in an order, from a dense covariance matrix."""
    root = np.linalg.cholesky(covariance[np.ix_(order, order)])
    found = np.empty(order.size)
    found[order] = stats.norm.logpdf(np.linalg.solve(root, residual[order])) - np.log(np.diag(root))
    return found


def flat(observed: list[SiteSeries]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Site, day, uncertainty and value of all observations."""
    site = np.repeat(np.arange(len(observed)), [s.values.size for s in observed])
    day = np.concatenate([(s.time - pd.Timestamp("2001-01-01")).days.to_numpy() for s in observed])
    return site, day, np.concatenate([s.uncertainty for s in observed]), np.concatenate([s.values for s in observed])


def decay(km: float) -> np.ndarray:
    return np.exp(-great_circle(LATITUDE, LONGITUDE) / km)


def test_without_gaps_the_density_is_that_of_the_separable_covariance() -> None:
    rng = np.random.default_rng(1)
    observed = sites(rng, [np.arange(30)] * 3)
    site, day, sd, value = flat(observed)
    mean = rng.normal(size=90)
    z = 0.4
    phi = 0.9 * stats.norm.cdf(z)
    model = model_of(MEMORY + SpatialCorrelation(500.0), observed, pt.as_tensor(mean))
    found = each_density(model, {"nee_phi_z": np.full(3, z), "nee_correlation_km_log__": np.log(800.0)})
    time = phi ** np.abs(np.arange(30)[:, None] - np.arange(30))
    covariance = np.outer(sd, sd) * np.kron(decay(800.0)[:3, :3], time)
    assert found.sum() == pytest.approx(stats.multivariate_normal(mean, covariance).logpdf(value), rel=1e-9)
    np.testing.assert_allclose(found, in_sequence(covariance, value - mean, np.lexsort([site, day])), rtol=1e-9)


def test_independent_errors_have_the_exact_covariance_whatever_is_missing() -> None:
    rng = np.random.default_rng(2)
    # Records of different length, too.
    observed = sites(rng, [np.flatnonzero(rng.uniform(size=n) < 0.6) + start for n, start in ((50, 0), (80, 10), (30, 20), (60, 40))])
    site, day, sd, value = flat(observed)
    found = each_density(model_of(STATED + SpatialCorrelation(500.0), observed, pt.zeros(sd.size)), {"nee_correlation_km_log__": 6.0})
    covariance = np.outer(sd, sd) * decay(np.exp(6.0))[np.ix_(site, site)] * (day[:, None] == day)
    np.testing.assert_allclose(found, in_sequence(covariance, value, np.lexsort([site, day])), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("memory", [MEMORY, STATED + OrnsteinUhlenbeck(5.0)])
def test_across_gaps_it_is_the_density_of_a_sequence_of_correlated_innovations(memory: ErrorModel) -> None:
    """A normal density with the covariance of a simulation has the integral one."""
    rng = np.random.default_rng(3)
    observed = sites(rng, [np.flatnonzero(rng.uniform(size=40) < p) + start for p, start in ((0.5, 0), (0.9, 7), (0.2, 0))])
    site, day, sd, value = flat(observed)
    phi = np.array([0.3, 0.6, 0.8])
    correlation = decay(600.0)[:3, :3]
    # Errors as a linear map of independent numbers.
    made, last = np.zeros((sd.size, sd.size)), {}
    for d in np.unique(day):
        now = np.flatnonzero(day == d)
        innovation = np.zeros((now.size, sd.size))
        innovation[:, now] = np.linalg.cholesky(correlation[np.ix_(site[now], site[now])])
        for k, row in zip(now, innovation, strict=True):
            before = last.get(site[k])
            c = phi[site[k]] ** (day[k] - day[before]) if before is not None else 0.0
            made[k] = np.sqrt(1 - c**2) * row + (c * made[before] if before is not None else 0.0)
            last[site[k]] = k
    covariance = np.outer(sd, sd) * (made @ made.T)
    model = model_of(memory + SpatialCorrelation(500.0), observed, pt.zeros(sd.size))
    ours = {"nee_phi_z": stats.norm.ppf(phi / 0.9)} if memory is MEMORY else {"nee_memory_log__": np.log(-1 / np.log(phi))}
    found = each_density(model, ours | {"nee_correlation_km_log__": np.log(600.0)})
    np.testing.assert_allclose(found, in_sequence(covariance, value, np.lexsort([site, day])), rtol=1e-9, atol=1e-12)


def test_draws_of_the_model_are_what_the_density_makes_independent() -> None:
    rng = np.random.default_rng(4)
    observed = sites(rng, [np.flatnonzero(rng.uniform(size=40) < 0.7) for _ in range(4)])
    model = model_of(STATED + SpatialCorrelation(500.0), observed, pt.zeros(sum(s.values.size for s in observed)))
    site, day, sd, _ = flat(observed)
    drawn = np.stack(pm.draw(model["nee"], 2000, random_seed=1, mode=Mode("py", None))) / sd
    np.testing.assert_allclose(drawn.var(axis=0), 1.0, atol=0.15)
    # The prior of the length is spread: over it, the median correlation is that of the median length.
    shared = [(drawn[:, i] * drawn[:, j]).mean() for i, j in zip(*np.triu_indices(sd.size, 1), strict=True) if day[i] == day[j]]
    pairs = [(site[i], site[j]) for i, j in zip(*np.triu_indices(sd.size, 1), strict=True) if day[i] == day[j]]
    lengths = np.exp(np.log(500.0) + 0.7 * rng.standard_normal(4000))
    wanted = np.exp(-great_circle(LATITUDE, LONGITUDE)[:, :, None] / lengths).mean(axis=-1)
    for pair in set(pairs):
        found = np.mean([r for r, p in zip(shared, pairs, strict=True) if p == pair])
        assert found == pytest.approx(wanted[pair], abs=0.03)


def test_the_length_is_recovered() -> None:
    rng = np.random.default_rng(6)
    truth, days = 700.0, 150
    errors = np.linalg.cholesky(decay(truth)) @ rng.standard_normal((4, days))
    known = rng.uniform(size=(4, days)) < 0.7
    observed = []
    for i in range(4):
        one = series(rng, np.flatnonzero(known[i]), LATITUDE[i], LONGITUDE[i])
        observed.append(site_series(errors[i, known[i]], np.ones(known[i].sum()), one.gap, one.time, 0.0, one.place))
    model = model_of(STATED + SpatialCorrelation(300.0, spread=1.5), observed, pt.zeros(int(known.sum())))
    function = model.compile_fn(model.logp(), mode=Mode("py", None), point_fn=False)
    grid = np.linspace(5.4, 7.8, 25)
    logp = np.array([float(function(np.array(x))) for x in grid])
    weight = np.exp(logp - logp.max()) / np.exp(logp - logp.max()).sum()
    centre = weight @ grid
    spread = np.sqrt(weight @ (grid - centre) ** 2)
    assert spread < 0.3  # the prior has 1.5
    assert abs(centre - np.log(truth)) < 3 * spread


def test_a_mean_that_is_not_finite_has_no_density() -> None:
    observed = sites(np.random.default_rng(7), [np.arange(5)] * 3)
    mean = np.zeros(15)
    mean[7] = np.nan
    found = each_density(model_of(STATED + SpatialCorrelation(500.0), observed, pt.as_tensor(mean)), {"nee_correlation_km_log__": 6.0})
    assert found.sum() == -np.inf
    assert np.isfinite(found[:5]).all() and np.isfinite(found[[5, 6, 9, 10, 11, 14]]).all()


def test_distances_are_those_on_a_sphere() -> None:
    rng = np.random.default_rng(8)
    latitude, longitude = rng.uniform(-90, 90, 20), rng.uniform(-180, 360, 20)
    north, east = np.radians(latitude), np.radians(longitude)
    place = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    angle = np.arctan2(np.linalg.norm(np.cross(place.T[:, None], place.T[None]), axis=-1), place.T @ place)
    np.testing.assert_allclose(great_circle(latitude, longitude), EARTH_RADIUS * angle, rtol=1e-9, atol=1e-9)
    # A minute of arc is a nautical mile; antipodes are half a circle apart.
    assert great_circle(np.array([45.0, 45.0 + 1 / 60]), np.zeros(2))[0, 1] == pytest.approx(1.852, rel=1e-3)
    assert great_circle(np.array([30.0, -30.0]), np.array([10.0, 190.0]))[0, 1] == pytest.approx(np.pi * EARTH_RADIUS)


def test_what_cannot_be_correlated_between_sites_is_refused() -> None:
    rng = np.random.default_rng(9)
    days = np.arange(10)
    near, far = series(rng, days, 50.0, 8.0), series(rng, days + 20, 55.0, 8.0)
    error = STATED + SpatialCorrelation(500.0)
    cases = [
        ([near], "there is one site; leave SpatialCorrelation out"),
        ([near, series(rng, days, 55.0, np.nan)], "no latitude or longitude of XX-1; give them as coordinates"),
        ([near, near], "XX-0 and XX-1 are at one place, 50 N, 8 E"),
        ([near, far], "no two are observed at the same time"),
    ]
    for observed, message in cases:
        with pytest.raises(ValueError, match=message):
            model_of(error, observed, pt.zeros(10 * len(observed)))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: STATED + SpatialCorrelation(500.0) + Laplace(), "this needs normal innovations, got Laplace innovations"),
        (lambda: STATED + LogNormal() + SpatialCorrelation(500.0), "this needs normal innovations, got log-normal"),
        (lambda: STATED + Beta() + SpatialCorrelation(500.0), "this needs normal innovations"),
        (lambda: STATED + Censored(low=0.0) + SpatialCorrelation(500.0), "this needs normal innovations"),
        (lambda: ErrorModel(heavy_tailed=True) + SpatialCorrelation(500.0), r"got Student-t innovations \(heavy_tailed=True\)"),
        (lambda: STATED + Matern(10.0) + SpatialCorrelation(500.0), "got beside this error .* Matérn process"),
        (lambda: STATED + SpatialCorrelation(500.0) + SpatialCorrelation(100.0), "one correlation between sites, got 2"),
        (lambda: SpatialCorrelation(0.0), "are positive, got 0.0 and 0.7"),
    ],
)
def test_impossible_sums_are_refused(made: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


def test_it_is_described() -> None:
    said = "innovations correlated between sites with exp(-distance / L), L about 500 km"
    error = STATED + SpatialCorrelation(500.0)
    assert error.describe().endswith(said) and error.equation().endswith(said)
