"""Errors of streams that are correlated with each other: the joint density against dense covariances, simulation, and refusals."""

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
from scipy import stats
from towers import TOWERS, made_up_towers

from lsm_bayes.calibration import Stream, build_model, predict
from lsm_bayes.errors import CorrelatedWith, ErrorModel, Laplace, Matern, SpatialCorrelation
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import SiteSeries, site_series
from lsm_bayes.errors.space import great_circle
from lsm_bayes.errors.terms import Place
from lsm_bayes.inference import Density

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
MEMORY = ErrorModel(structural=None, envelope=0.0, correlation=0.9, discrepancy=None)
LATITUDE, LONGITUDE = np.array([51.1, 53.3]), np.array([10.4, 11.1])
Observed = dict[str, list[SiteSeries]]


def series(rng: np.random.Generator, days: np.ndarray, site: int = 0) -> SiteSeries:
    time = pd.Timestamp("2001-01-01") + pd.to_timedelta(days, "D")
    gap = np.concatenate([[np.inf], np.diff(days).astype(float)])
    place = Place(time, latitude=LATITUDE[site], longitude=LONGITUDE[site])
    return site_series(rng.normal(size=days.size), rng.uniform(0.3, 2.0, days.size), gap, time, 0.0, place)


def model_of(observed: Observed, errors: dict[str, ErrorModel], cycle: bool = False) -> pm.Model:
    several = len(next(iter(observed.values()))) > 1
    coords: dict[str, Any] = {f"{n}_observation": np.arange(sum(s.values.size for s in o)) for n, o in observed.items()}
    with pm.Model(coords=coords | ({"site": ["a", "b"]} if several else {})) as model:
        slope = pm.Normal("slope") if cycle else 0.0
        others: dict[str, Any] = {}
        for n, o in observed.items():
            season = np.sin(np.concatenate([s.time.day_of_year.to_numpy() for s in o]))
            found = add_likelihood(n, errors[n], slope * pt.as_tensor(season), o, "site" if several else None, others=others)
            if found is not None:
                others[n] = found
    return model


def densities(model: pm.Model, given: dict[str, Any]) -> list[np.ndarray]:
    """Evaluate the log density of each observation of each stream with value variables as given."""
    logp = model.logp(vars=model.observed_RVs, sum=False)
    assert {v.name for v in model.continuous_value_vars} == set(given)
    values = {v: pt.as_tensor(np.asarray(given[v.name], dtype=float)) for v in model.continuous_value_vars}
    return pytensor.function([], graph_replace(logp, values), mode=Mode("py", None))()


def joint(observed: Observed) -> tuple[np.ndarray, ...]:
    """Stream, site, day, uncertainty and value of all observations."""
    rows = [
        np.column_stack([np.full(s.values.size, k), np.full(s.values.size, i), (s.time - pd.Timestamp("2001-01-01")).days, s.uncertainty])
        for k, o in enumerate(observed.values())
        for i, s in enumerate(o)
    ]
    stream, site, day, sd = np.concatenate(rows).T
    return stream.astype(int), site.astype(int), day, sd, np.concatenate([s.values for o in observed.values() for s in o])


def in_sequence(covariance: np.ndarray, residual: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Log density of each of some normal numbers given those before it in an order, from a dense covariance matrix."""
    root = np.linalg.cholesky(covariance[np.ix_(order, order)])
    found = np.empty(order.size)
    found[order] = stats.norm.logpdf(np.linalg.solve(root, residual[order])) - np.log(np.diag(root))
    return found


def test_ar1_errors_without_gaps_have_the_separable_covariance() -> None:
    rng = np.random.default_rng(1)
    observed = {n: [series(rng, np.arange(40))] for n in ("nee", "et")}
    phi, rho = 0.6, -0.7
    z = stats.norm.ppf(phi / 0.9)
    model = model_of(observed, {"nee": MEMORY, "et": MEMORY + CorrelatedWith("nee")})
    found = np.concatenate(densities(model, {"nee_phi_z": z, "et_phi_z": z, "et_correlation_with_nee_z": np.arctanh(rho)}))
    stream, _, day, sd, value = joint(observed)
    covariance = np.outer(sd, sd) * np.kron([[1, rho], [rho, 1]], phi ** np.abs(np.arange(40)[:, None] - np.arange(40)))
    assert found.sum() == pytest.approx(stats.multivariate_normal(np.zeros(80), covariance).logpdf(value), rel=1e-9)
    np.testing.assert_allclose(found, in_sequence(covariance, value, np.lexsort([stream, day])), rtol=1e-9)


def test_independent_errors_have_the_exact_joint_density_whatever_is_missing() -> None:
    rng = np.random.default_rng(2)
    observed = {n: [series(rng, np.flatnonzero(rng.uniform(size=60) < p), i) for i in range(2)] for n, p in (("nee", 0.5), ("et", 0.7))}
    rho = np.array([0.8, -0.3])
    model = model_of(observed, {"nee": STATED, "et": STATED + CorrelatedWith("nee")})
    found = np.concatenate(densities(model, {"et_correlation_with_nee_z": np.arctanh(rho)}))
    stream, site, day, sd, value = joint(observed)
    same = (day[:, None] == day) & (site[:, None] == site)
    covariance = np.outer(sd, sd) * same * np.where(stream[:, None] == stream, 1.0, rho[site])
    np.testing.assert_allclose(found, in_sequence(covariance, value, np.lexsort([stream, site, day])), rtol=1e-9)
    assert model.named_vars_to_dims["et_correlation_with_nee"] == ("site",)


def test_a_chain_of_streams_at_correlated_sites_has_the_density_of_its_simulation() -> None:
    """A normal density with the covariance of a simulation has the integral one."""
    rng = np.random.default_rng(3)
    kept = {"nee": 0.6, "et": 0.8, "h": 0.7}
    observed = {n: [series(rng, np.flatnonzero(rng.uniform(size=25) < p), i) for i in range(2)] for n, p in kept.items()}
    phi = {"nee": np.array([0.3, 0.7]), "et": np.array([0.8, 0.5]), "h": np.zeros(2)}
    rho = {"nee": np.zeros(2), "et": np.array([0.6, -0.4]), "h": np.array([-0.5, 0.9])}
    km = {"nee": 300.0, "et": 900.0, "h": None}
    errors = {
        "nee": MEMORY + SpatialCorrelation(500.0),
        "et": MEMORY + SpatialCorrelation(500.0) + CorrelatedWith("nee"),
        "h": STATED + CorrelatedWith("et"),
    }
    stream, site, day, sd, value = joint(observed)
    distance = great_circle(LATITUDE, LONGITUDE)
    made, last, innovations = np.zeros((sd.size, sd.size)), {}, {}
    for d in np.unique(day):
        for k, name in enumerate(kept):
            now = np.flatnonzero((day == d) & (stream == k))
            between = np.exp(-distance / km[name]) if km[name] else np.eye(2)
            fresh = np.zeros((now.size, sd.size))
            fresh[:, now] = np.linalg.cholesky(between[np.ix_(site[now], site[now])])
            for i, row in zip(now, fresh, strict=True):
                partner = innovations.get((k - 1, site[i], d))
                r = rho[name][site[i]] if partner is not None else 0.0
                u = innovations[k, site[i], d] = np.sqrt(1 - r**2) * row + (r * partner if partner is not None else 0.0)
                before = last.get((k, site[i]))
                c = phi[name][site[i]] ** (d - day[before]) if before is not None else 0.0
                made[i] = np.sqrt(1 - c**2) * u + (c * made[before] if before is not None else 0.0)
                last[k, site[i]] = i
    covariance = np.outer(sd, sd) * (made @ made.T)
    given: dict[str, Any] = {f"{n}_phi_z": stats.norm.ppf(phi[n] / 0.9) for n in ("nee", "et")}
    given |= {f"{n}_correlation_km_log__": np.log(km[n]) for n in ("nee", "et")}
    given |= {f"{a}_correlation_with_{b}_z": np.arctanh(rho[a]) for a, b in (("et", "nee"), ("h", "et"))}
    found = np.concatenate(densities(model_of(observed, errors), given))
    np.testing.assert_allclose(found, in_sequence(covariance, value, np.lexsort([site, stream, day])), rtol=1e-9, atol=1e-12)


def test_compiled_gradient_with_correlated_sites_equals_differences() -> None:
    rng = np.random.default_rng(4)
    observed = {n: [series(rng, np.flatnonzero(rng.uniform(size=30) < 0.7), i) for i in range(2)] for n in ("nee", "et")}
    errors = {"nee": MEMORY + SpatialCorrelation(500.0), "et": STATED + CorrelatedWith("nee")}
    model = model_of(observed, errors, cycle=True)
    density = Density(model)
    names = [v.name for v in model.continuous_value_vars for _ in range(model.initial_point()[v.name].size)]
    for _ in range(3):
        x, way = rng.normal(size=(2, len(names)))
        x[names.index("nee_correlation_km_log__")] += 6.0
        value, gradient = density(x)
        assert np.isfinite(value)
        slope = [(density(x + h * way)[0] - density(x - h * way)[0]) / (2 * h) for h in (2e-4, 1e-4)]
        assert (4 * slope[1] - slope[0]) / 3 == pytest.approx(gradient @ way, rel=1e-6, abs=1e-6)


def test_pymc_draws_the_streams_jointly() -> None:
    rng = np.random.default_rng(5)
    observed = {"nee": [series(rng, np.arange(0, 30))], "et": [series(rng, np.arange(10, 40))]}
    with pm.Model(coords={"nee_observation": np.arange(30), "et_observation": np.arange(30)}) as model:
        first = add_likelihood("nee", MEMORY, pt.zeros(30), observed["nee"], None)
        add_likelihood("et", STATED + CorrelatedWith("nee"), pt.zeros(30), observed["et"], None, others={"nee": first})
    fixed = pm.do(model, {"et_correlation_with_nee": 0.8, "nee_phi": 0.5})
    nee, et = pm.draw([fixed["nee"], fixed["et"]], 3000, random_seed=1, mode=Mode("py", None))
    r = nee / observed["nee"][0].uncertainty
    u = (r[:, 1:] - 0.5 * r[:, :-1]) / np.sqrt(0.75)
    v = et / observed["et"][0].uncertainty
    np.testing.assert_allclose(v.std(axis=0), 1.0, atol=0.06)
    assert np.mean(u[:, 9:] * v[:, :20]) == pytest.approx(0.8, abs=0.02)
    assert np.mean(u[:, :20] * v[:, 10:]) == pytest.approx(0.0, abs=0.02)


def test_the_correlation_is_recovered() -> None:
    rng = np.random.default_rng(6)
    days, rho = 400, 0.8
    noise = np.linalg.cholesky([[1.0, rho], [rho, 1.0]]) @ rng.standard_normal((2, days))
    observed = {}
    for n, errors in zip(("nee", "et"), noise, strict=True):
        known = np.flatnonzero(rng.uniform(size=days) < 0.8)
        one = series(rng, known)
        observed[n] = [site_series(errors[known], np.ones(known.size), one.gap, one.time, 0.0, one.place)]
    model = model_of(observed, {"nee": STATED, "et": STATED + CorrelatedWith("nee")})
    function = model.compile_fn(model.logp(), mode=Mode("py", None), point_fn=False)
    grid = np.linspace(0.5, 1.6, 111)
    logp = np.array([float(function(np.array(z))) for z in grid])
    weight = np.exp(logp - logp.max()) / np.exp(logp - logp.max()).sum()
    centre = weight @ grid
    spread = np.sqrt(weight @ (grid - centre) ** 2)
    assert spread < 0.08  # the prior has 0.7
    assert abs(centre - np.arctanh(rho)) < 3 * spread


@pytest.mark.parametrize("period", ["day", "week"])
def test_predictions_of_both_streams_are_jointly_right(period: Any) -> None:
    data = made_up_towers(sites={"XX-One": ("ENF", "2010", "2010"), "XX-Two": ("DBF", "2010", "2010")})
    errors = {"nee": MEMORY, "gpp": STATED + CorrelatedWith("nee")}
    fixed = {n: default for n, (_, default) in TOWERS.calibrated.items() if n != "q10"}
    model = build_model(TOWERS, data, [Stream(n, period, e) for n, e in errors.items()], fixed=fixed)
    n, rho, phi = 400, np.array([0.8, -0.6]), 0.4
    by_site = {"gpp_correlation_with_nee": rho, "nee_phi": np.full(2, phi)}
    posterior = xr.Dataset({k: (("chain", "draw", "site"), np.broadcast_to(v, (1, n, 2))) for k, v in by_site.items()})
    posterior = posterior.assign(q10=(("chain", "draw"), np.full((1, n), 1.8))).assign_coords(chain=[0], draw=np.arange(n))
    tree = predict(model, xr.DataTree.from_dict({"posterior": posterior}), draws=n, seed=1)
    drawn, given = tree["posterior_predictive"].to_dataset(), tree["constant_data"].to_dataset()
    for i, p in enumerate(zip(*[s.whole for s in model.calibration.streams], strict=True)):
        nee, gpp = (
            ((drawn[s] - drawn[f"{s}_mean"]) / given[f"{s}_uncertainty"]).isel(site=i, chain=0).sel({f"time_{s}": a.time}).values
            for s, a in zip(errors, p, strict=True)
        )
        c = phi ** p[0].gap[1:]
        u = (nee[:, 1:] - c * nee[:, :-1]) / np.sqrt(1 - c**2)
        days = [a.steps[a.last - 1] // 7 if a.last.size else a.steps for a in p]
        _, at_nee, at_gpp = np.intersect1d(days[0][1:], days[1], return_indices=True)
        assert at_nee.size > 40
        assert np.mean(u[:, at_nee] * gpp[:, at_gpp]) == pytest.approx(rho[i], abs=0.03)
        assert np.mean(u[:, at_nee[1:]] * gpp[:, at_gpp[:-1]]) == pytest.approx(0.0, abs=0.03)
        np.testing.assert_allclose([u.std(), gpp.std()], 1.0, atol=0.03)
    said = model.card["error_models"]["gpp"]
    clause = "innovations correlated with those of nee at the same time and site, rho = tanh z, z ~ N(0, 0.7)"
    assert said["words"].endswith(clause) and said["equation"].endswith(clause)


def test_what_cannot_be_correlated_is_refused() -> None:
    rng = np.random.default_rng(7)
    observed = {"nee": [series(rng, np.arange(10))], "et": [series(rng, np.arange(20, 30))]}
    with pytest.raises(ValueError, match="the two are nowhere observed at the same time"):
        model_of(observed, {"nee": STATED, "et": STATED + CorrelatedWith("nee")})
    with pytest.raises(KeyError, match="unknown earlier stream 'neee'. Did you mean 'nee'"):
        model_of(observed, {"nee": STATED, "et": STATED + CorrelatedWith("neee")})
    for made, message in [
        (lambda: STATED + CorrelatedWith("nee") + CorrelatedWith("h"), "one correlation with another stream, got 2"),
        (
            lambda: STATED + Laplace() + CorrelatedWith("nee"),
            "this needs normal innovations, got Laplace innovations; leave one",
        ),
        (lambda: STATED + Matern(10.0) + CorrelatedWith("nee"), "got beside this error .* Matérn process"),
        (lambda: CorrelatedWith("nee", spread=0.0), "is positive, got 0.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            made()
