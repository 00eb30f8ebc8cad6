"""Stepwise assimilation: exact where it should be, refused where it cannot be, and its loss measured where it is an approximation."""

import json
import warnings
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from linear_steps import STATED, bent, draws_of, linear, made_up_series
from towers import INITIAL, TOWERS, made_up_towers

from lsm_bayes import datasets
from lsm_bayes.calibration import (
    CarriedPosterior,
    Constraints,
    NotNormalWarning,
    Stream,
    build_model,
    carry_over,
    none,
    partial,
    prior_model,
)
from lsm_bayes.calibration.coordinates import coordinates
from lsm_bayes.declare import Constraint, Parameter, Prior
from lsm_bayes.inference import Density, laplace_at, sample
from lsm_bayes.land import get


@pytest.fixture(scope="module")
def linear_data() -> xr.Dataset:
    return made_up_series()


def test_two_steps_of_a_linear_model_are_one(linear_data: xr.Dataset) -> None:
    first = linear(linear_data, ["nee"])
    exact = laplace_at(Density(first), np.zeros(3))
    carried = carry_over(draws_of(first, exact.mode, exact.scale), first)
    assert carried.components == 1 and carried.departure.modes is None and carried.departure.shift < 0.1
    second, together = Density(linear(linear_data, ["gpp"], prior_from=carried)), Density(linear(linear_data, ["nee", "gpp"]))
    points = np.random.default_rng(3).normal(size=(6, 3))
    steps, whole = ([d(x) for x in points] for d in (second, together))
    np.testing.assert_allclose([s[1] for s in steps], [w[1] for w in whole], rtol=1e-5, atol=1e-5)
    assert np.ptp([s[0] - w[0] for s, w in zip(steps, whole, strict=True)]) < 1e-5
    alone = carry_over(draws_of(first, exact.mode, exact.scale), first, "diagonal")
    np.testing.assert_allclose(alone.covariance, np.diag(exact.sd**2), rtol=1e-5)
    correlation = exact.covariance / np.outer(exact.sd, exact.sd)
    assert alone.largest_correlation == pytest.approx(np.abs(correlation[~np.eye(3, dtype=bool)]).max(), rel=1e-5)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return made_up_towers(sites={"XX-Two": ("DBF", "2010", "2011"), "XX-Six": ("ENF", "2011", "2011")})


def one(data: xr.Dataset, streams: list[Any], **choices: Any) -> pm.Model:
    return build_model(TOWERS, data, streams, **({"sites": ["XX-Two"], "initial": INITIAL} | choices))


@pytest.fixture(scope="module")
def carried(data: xr.Dataset) -> CarriedPosterior:
    first = one(data, ["lai"])
    return carry_over(draws_of(first, 0.4), first)


def log_density(model: pm.Model, points: np.ndarray) -> np.ndarray:
    density = Density(model)
    return np.array([density(x)[0] for x in points])


def normal(carried: CarriedPosterior, points: np.ndarray) -> np.ndarray:
    white = np.linalg.solve(np.linalg.cholesky(carried.covariance), (points - carried.mean).T)
    return -0.5 * (white**2).sum(axis=0)


def test_prior_of_the_next_step_is_the_normal_even_of_a_pool_near_equilibrium(data: xr.Dataset, carried: CarriedPosterior) -> None:
    points = carried.mean + 0.3 * np.random.default_rng(1).normal(size=(5, carried.mean.size))
    prior = prior_model(one(data, ["gpp"], prior_from=carried))
    assert [p.name for p in prior.potentials] == ["soil_carbon_disequilibrium_prior", "earlier_posterior"]
    assert np.ptp(log_density(prior, points) - normal(carried, points)) < 1e-7


def test_prior_of_the_next_step_is_the_mixture_of_what_is_shared(data: xr.Dataset) -> None:
    first = build_model(TOWERS, data, ["lai"], initial={})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotNormalWarning)
        passed = carry_over(draws_of(first, 0.4, shape=bent), first, components=3)
    assert passed.describe() == "posterior of an earlier step, from lai, as a mixture of 3 normals"
    second = build_model(TOWERS, data, ["gpp"], sites=["XX-Two"], initial={}, prior_from=passed)
    entry = second.card["earlier_posterior"]
    assert entry["steps"][0]["components"] == 3 and "What the mixture loses: skewness" in entry["text"]
    density = Density(prior_model(second))
    rows = [passed.keys.index(k) for k in coordinates(second, second.calibration)]
    assert len(rows) < len(passed.keys)
    rng = np.random.default_rng(1)
    near = passed.mean[rows] + 0.3 * rng.normal(size=(4, len(rows)))
    far = passed.mean[rows] + 40 * rng.normal(size=(2, len(rows)))  # where every density is exp(-thousands)
    seen = passed.mixture.marginal(rows)
    for x in [*near, *far]:
        value, gradient = density(x)
        assert value == pytest.approx(seen.log_density(x[None])[0], rel=1e-9, abs=1e-7)
        step = 1e-5 * np.eye(x.size)
        slopes = (seen.log_density(x + step) - seen.log_density(x - step)) / 2e-5
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5 * np.abs(slopes).max())


@pytest.mark.parametrize("components", [0, -1, 2.0, True, "many"])
def test_numbers_of_components_that_are_none_are_refused(linear_data: xr.Dataset, components: Any) -> None:
    model = linear(linear_data, ["nee"])
    with pytest.raises(ValueError, match=f"components is {components!r}; give a whole number of normals from 1, or 'auto'"):
        carry_over(draws_of(model), model, components=components)


def test_mixtures_are_the_same_for_the_same_seed_and_need_covariances(linear_data: xr.Dataset) -> None:
    model = linear(linear_data, ["nee"])
    draws = draws_of(model, shape=bent)
    some, again = (carry_over(draws, model, seed=3) for _ in range(2))
    assert some.components > 1 and np.array_equal(some.mixture.means, again.mixture.means)
    np.testing.assert_allclose(some.mean, draws["z"].mean(("chain", "draw")), atol=0.02)
    with pytest.raises(ValueError, match="components is 3 with variances only: .* give components=1, or covariance='full'"):
        carry_over(draws, model, "diagonal", components=3)
    with pytest.warns(NotNormalWarning, match="as a normal with variances only, .* it is not one"):
        assert carry_over(draws, model, "diagonal").components == 1


def test_prior_of_the_next_step_is_the_normal_in_coordinates_of_the_process_model() -> None:
    tower = datasets.load("ch-dav").sel(time=slice("2013", "2014"))
    land = get("dalec_cdea")
    first = build_model(land, tower, ["nee"], training=("2013", "2013-12-31"))
    passed = carry_over(draws_of(first), first)
    assert passed.own_coordinates
    prior = prior_model(build_model(land, tower, ["nee"], training=("2014", None), prior_from=passed))
    points = 0.3 * np.random.default_rng(1).normal(size=(4, passed.mean.size))
    assert np.ptp(log_density(prior, points) - normal(passed, points)) < 1e-7
    with pytest.raises(ValueError, match="are sampled in coordinates of their own"):
        build_model(land, tower, ["nee"], training=("2014", None), prior_from=replace(passed, own_coordinates=False))


def test_card_says_where_the_prior_comes_from(data: xr.Dataset, carried: CarriedPosterior) -> None:
    second = one(data, [Stream("gpp", "month")], prior_from=carried)
    entry = second.card["earlier_posterior"]
    assert json.loads(json.dumps(entry)) == entry
    assert entry["text"].startswith("The prior is the posterior of an earlier step, from lai, as a normal with full covariance. What")
    assert entry["steps"][0]["streams"][0] | {"observed_days": 0} == {
        "stream": "lai",
        "site": "XX-Two",
        "observed_days": 0,
        "first": "2010-01-04",
        "last": "2011-12-25",
    }
    assert set(entry["carried"]) == set(TOWERS.calibrated) and entry["declared_prior"] == []
    assert second.card["parameters"]["q10"]["prior"].endswith("; declared: normal(2, 0.5) truncated to [1.2, 3]")
    third = one(data, ["nee"], prior_from=carry_over(draws_of(second), second, "diagonal"))
    assert [s["streams"][0]["stream"] for s in third.card["earlier_posterior"]["steps"]] == ["gpp", "lai"]
    assert (
        "from gpp, after a step with lai, as a normal with variances only, correlations of up to"
        in third.card["parameters"]["q10"]["prior"]
    )
    assert "earlier_posterior" not in one(data, ["nee"]).card


def test_what_is_shared_are_values_of_the_same_site_type_and_day(data: xr.Dataset) -> None:
    first = build_model(TOWERS, data, ["lai"], initial=INITIAL)
    passed = carry_over(draws_of(first), first)
    assert ("efficiency", "ENF") in passed.keys and ("turnover", "XX-Two") in passed.keys and ("q10", "") in passed.keys
    entry = one(data, ["nee"], prior_from=passed).card["earlier_posterior"]
    # Its equilibrium is that of other records, so that the coordinate means something else.
    assert entry["declared_prior"] == ["soil_carbon"]
    later = data.sel(time=slice("2011", None))
    entry = build_model(TOWERS, later, ["nee"], initial=INITIAL, prior_from=passed).card["earlier_posterior"]
    assert entry["declared_prior"] == ["soil_carbon"]
    entry = build_model(TOWERS, later, ["nee"], initial=INITIAL, sites=["XX-Two"], prior_from=passed).card["earlier_posterior"]
    assert entry["declared_prior"] == ["foliage_carbon", "soil_carbon"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"priors": {"q10": Prior("uniform")}},
            r"prior of 'q10' is normal\(2, 0.5\) truncated to \[1.2, 3\] in the earlier step and uniform on",
        ),
        ({"fixed": {"q10": 2.0}}, "'q10' was calibrated in the earlier step and is fixed here"),
        ({"pooling": {"q10": none("site")}}, "'q10' has values one for all in the earlier step and by site here"),
        ({"initial": {}}, "initial pool 'foliage_carbon' is leaf_mass_area times a factor, .* here free inside its bounds"),
        (
            {"sites": None, "pooling": {"efficiency": partial("pft")}},
            "'efficiency' has partial pooling, and a hierarchy cannot be carried over",
        ),
    ],
)
def test_coordinates_of_another_meaning_are_refused(data: xr.Dataset, carried: CarriedPosterior, choices: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(data, ["gpp"], prior_from=carried, **choices)


def test_other_bounds_models_and_things_are_refused(data: xr.Dataset, carried: CarriedPosterior) -> None:
    class Parameters(TOWERS.parameters):  # type: ignore[misc, name-defined]
        pass

    Parameters.__annotations__ = TOWERS.parameters.__annotations__ | {
        "q10": Annotated[float, Parameter("1", (1.0, 4.0), "factor for 10 degC", Prior("normal", 2.0, 0.5), level="global")]
    }
    wider = replace(TOWERS, parameters=Parameters)
    with pytest.raises(ValueError, match=r"truncated to \[1.2, 3\] in the earlier step and .* \[1, 4\] here"):
        build_model(wider, data, ["gpp"], sites=["XX-Two"], initial=INITIAL, prior_from=carried)
    with pytest.raises(ValueError, match="the earlier step calibrated towers, this one others; parameters mean the same in one model only"):
        build_model(replace(TOWERS, name="others"), data, ["gpp"], sites=["XX-Two"], initial=INITIAL, prior_from=carried)
    with pytest.raises(TypeError, match="prior_from is Dataset; give carry_over"):
        one(data, ["gpp"], prior_from=data)


def test_observations_count_once(data: xr.Dataset, carried: CarriedPosterior) -> None:
    with pytest.raises(ValueError, match=r"days of 'lai' at XX-Two, 2010-01-04 to 2011-12-25, were used in an earlier step"):
        one(data, ["lai"], prior_from=carried)
    copied = data.assign(leaves=data["lai"], leaves_uncertainty=data["lai_uncertainty"])
    with pytest.raises(ValueError, match=r"days of 'leaves' at XX-Two, .* \(as 'lai'\) and would count twice"):
        one(copied, [Stream("lai", variable="leaves")], prior_from=carried)
    second = one(data, ["gpp"], prior_from=carried)
    with pytest.raises(ValueError, match="days of 'lai' at XX-Two"):
        one(data, ["nee", "lai"], prior_from=carry_over(draws_of(second), second))
    # Another instrument, and the same one at another time, are new.
    other = data.assign(leaves=data["lai"] + 0.1, leaves_uncertainty=data["lai_uncertainty"])
    assert "earlier_posterior" in one(other, [Stream("lai", variable="leaves")], prior_from=carried).named_vars
    early = one(data, ["lai"], training=("2010", "2010-12-31"), initial={})
    late = one(data, ["lai"], training=("2011", None), initial={}, prior_from=carry_over(draws_of(early), early))
    assert late.card["earlier_posterior"]["declared_prior"] == []


def _margin(means: Any, p: Any) -> Any:
    return pt.log(p.q10)


def test_constraints_count_once(data: xr.Dataset) -> None:
    land = replace(TOWERS, constraints=(Constraint("warm", "Q10 is above one.", _margin),))
    first = build_model(land, data, ["lai"], sites=["XX-Two"], constraints=0.2)
    passed = carry_over(draws_of(first), first)
    with pytest.raises(ValueError, match="both steps impose constraints, which would count twice"):
        build_model(land, data, ["gpp"], sites=["XX-Two"], constraints=Constraints(0.2), prior_from=passed)
    build_model(land, data, ["gpp"], sites=["XX-Two"], prior_from=passed)


def test_steps_that_share_nothing_are_refused(data: xr.Dataset) -> None:
    known = {n: default for n, (_, default) in TOWERS.calibrated.items()}
    first = one(data, ["lai"], initial={}, fixed={n: v for n, v in known.items() if n != "turnover"})
    passed = carry_over(draws_of(first), first)
    with pytest.raises(ValueError, match="'peak_day' is fixed at 560 in the earlier step and at 600 here"):
        one(data, ["gpp"], initial={}, fixed={"peak_day": 600.0}, prior_from=passed)
    with pytest.raises(ValueError, match="the steps share no coordinate: the earlier one calibrated turnover; this one .*respiration"):
        one(data, ["gpp"], sites=["XX-Six"], initial={}, prior_from=passed)


def test_two_years_in_turn_are_two_years_at_once(data: xr.Dataset) -> None:
    known = {n: v for n, (_, v) in TOWERS.calibrated.items() if n not in ("efficiency", "turnover", "foliage_carbon")}
    gpp = [Stream("gpp", error=STATED)]

    def sampled(model: pm.Model) -> xr.DataTree:
        density = Density(model)
        start = laplace_at(density, np.zeros(density.dimension))
        return sample(density, draws=600, tune=300, chains=2, seed=1, target_accept=0.9, initial=start, cores=1, progress=False)

    first = one(data, gpp, training=("2010", "2010-12-31"), initial={}, fixed=known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotNormalWarning)
        passed = carry_over(sampled(first), first)
    steps = sampled(one(data, gpp, training=("2011", None), initial={}, fixed=known, prior_from=passed))["posterior"]["z"]
    whole = sampled(one(data, gpp, initial={}, fixed=known))["posterior"]["z"]
    before = np.sqrt(np.diag(passed.covariance))
    axes = ("chain", "draw")
    assert (abs(steps.mean(axes) - whole.mean(axes)) < 0.35 * whole.std(axes)).all()
    assert (abs(np.log(steps.std(axes) / whole.std(axes))) < 0.2).all()
    assert (whole.std(axes).values < before).all()
