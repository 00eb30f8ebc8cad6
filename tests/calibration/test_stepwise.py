"""Stepwise assimilation: exact where it should be, refused where it cannot be, and its loss measured where it is an approximation."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
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
from lsm_bayes.calibration.departure import departure_of
from lsm_bayes.declare import Constraint, Parameter, Prior, ProcessModel
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, laplace_at, sample, sample_laplace
from lsm_bayes.land import get
from lsm_bayes.vocabulary import QUANTITIES

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
WIDE = Prior("normal", 0.0, 1.0)


def draws_of(model: pm.Model, mean: Any = 0.0, root: Any = 0.3, shape: Callable[[Any], Any] = lambda z: z, draws: int = 2000) -> xr.Dataset:
    """Make up draws of the coordinates: mean and covariance are exact where there is one block and the shape is normal."""
    rng, found = np.random.default_rng(5), {}
    for rv in model.free_RVs:
        dims = model.named_vars_to_dims.get(rv.name, ())
        if rv.name.startswith("z"):
            sizes = [len(model.coords[d]) for d in dims]
            white = shape(rng.normal(size=(2 * draws, int(np.prod(sizes)))))
            white = white - white.mean(axis=0)
            white = np.linalg.solve(np.linalg.cholesky(np.atleast_2d(np.cov(white.T))), white.T).T
            z = mean + white @ (np.asarray(root).T if np.ndim(root) == 2 else root * np.eye(white.shape[1]))
            found[rv.name] = (("chain", "draw", *dims), z.reshape(2, draws, *sizes))
    return xr.Dataset(found, coords={d: list(model.coords[d]) for dims, _ in found.values() for d in dims[2:]})


class LinearParameters(NamedTuple):
    a: Annotated[float, Parameter("1", (-50.0, 50.0), "first slope", WIDE)] = 0.0
    b: Annotated[float, Parameter("1", (-50.0, 50.0), "second slope", WIDE)] = 0.0
    c: Annotated[float, Parameter("1", (-50.0, 50.0), "third slope", WIDE)] = 0.0


class OnePool(NamedTuple):
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 10.0), "does not change")] = 5.0


class Weather(NamedTuple):
    shortwave_down: float
    air_temperature: float
    step_length: float


class Fluxes(NamedTuple):
    nee: Any
    gpp: Any


def _linear_step(x: OnePool, f: Weather, p: LinearParameters) -> tuple[OnePool, Fluxes]:
    return x, Fluxes(p.a * f.shortwave_down + p.b * f.air_temperature + p.c, p.b * f.shortwave_down - p.a)


LINEAR = ProcessModel("linear", "Linear in its parameters", _linear_step, LinearParameters, OnePool, Weather, Fluxes)


@pytest.fixture(scope="module")
def linear_data() -> xr.Dataset:
    rng = np.random.default_rng(2)
    values = {n: rng.normal(size=310) for n in ("shortwave_down", "air_temperature", "nee", "gpp")}
    values["shortwave_down"] += 5.0
    return xr.Dataset(
        {n: ("time", v, QUANTITIES[n].attrs()) for n, v in values.items()}, coords={"time": pd.date_range("2001-01-01", periods=310)}
    )


def linear(data: xr.Dataset, streams: list[str], **choices: Any) -> pm.Model:
    known = {"soil_carbon": 5.0}
    return build_model(LINEAR, data, [Stream(s, error=STATED, uncertainty=4.0) for s in streams], fixed=known, **choices)


def test_two_steps_of_a_linear_model_are_one(linear_data: xr.Dataset) -> None:
    first = linear(linear_data, ["nee"])
    exact = laplace_at(Density(first), np.zeros(3))
    carried = carry_over(draws_of(first, exact.mode, exact.scale), first)
    assert carried.departure.modes is None and carried.departure.shift < 0.1
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


def test_draws_that_give_no_covariance_are_refused(linear_data: xr.Dataset) -> None:
    model = linear(linear_data, ["nee"])
    good = draws_of(model)
    with pytest.raises(ValueError, match="unknown covariance to carry over 'none'|covariance"):
        carry_over(good, model, "none")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="the draws have no 'z'"):
        carry_over(good.rename(z="x"), model)
    with pytest.raises(ValueError, match="one chain does not show that it has converged"):
        carry_over(good.isel(chain=[0]), model)
    with pytest.raises(ValueError, match="the draws of 'z' are not of this model"):
        carry_over(good.assign_coords(parameter=["a", "c", "b"]), model)
    apart = good + xr.DataArray([0.0, 1.0], dims="chain") * xr.DataArray([0.0, 1.0, 0.0], dims="parameter")
    with pytest.raises(ValueError, match=r"the chains disagree: R-hat of b at site is \d"):
        carry_over(apart.transpose("chain", "draw", ...), model)
    still = good.copy(deep=True)
    still["z"][..., 1] = 0.5
    with pytest.raises(ValueError, match="not positive definite: b at site do not move"):
        carry_over(still, model)
    alike = good.copy(deep=True)
    alike["z"][..., 1] = 2 * alike["z"][..., 0]
    with pytest.raises(ValueError, match="not positive definite: . at site, . at site, . at site depend on each other"):
        carry_over(alike, model)
    with pytest.raises(TypeError, match="build_model"):
        carry_over(good, pm.Model())
    density = Density(model)
    with pytest.raises(ValueError, match="A Laplace approximation is a normal already and says nothing"):
        carry_over(sample_laplace(density, laplace_at(density, np.zeros(3)), draws=100), model)


def test_draws_too_few_for_their_dimension_are_refused(data: xr.Dataset) -> None:
    model = one(data, ["lai"])
    white = np.random.default_rng(4).normal(size=(1, 8, 8))
    few = xr.Dataset({"z": (("chain", "draw", "parameter"), np.tile(white, (2, 2, 1)))})  # parts of chains agree perfectly
    with pytest.raises(
        ValueError, match=r"\d+ effective draws of .* are too few for a covariance of 8 coordinates; 80 are needed, 10 for each"
    ):
        carry_over(few, model)


def test_departure_is_that_of_the_distribution(linear_data: xr.Dataset) -> None:
    rng = np.random.default_rng(8)
    names = ["one", "two", "three"]

    def measured(draws: np.ndarray) -> Any:
        flat = draws.reshape(-1, 3)
        return departure_of(draws, flat.mean(axis=0), np.linalg.cholesky(np.cov(flat.T)), names, 1)

    mixing = rng.normal(size=(3, 3))
    few = measured(rng.normal(size=(4, 250, 3)) @ mixing)
    assert few.skewness < 0.3 and abs(few.kurtosis) < 0.1 and few.shift < 0.15 and not few.far
    skewed = measured(rng.gamma(4.0, size=(4, 4000, 3)) @ mixing)  # skewness 2 / sqrt(4) and excess kurtosis 6 / 4 of each
    assert skewed.skewness == pytest.approx(1.0, abs=0.2) and skewed.kurtosis == pytest.approx(1.5 / 5, abs=0.15) and skewed.far
    heavy = rng.normal(size=(4, 4000, 3)) / np.sqrt(rng.chisquare(12, size=(4, 4000, 1)) / 12)  # 2 / (12 - 4)
    assert measured(heavy @ mixing).kurtosis == pytest.approx(0.25, abs=0.1)
    model = linear(linear_data, ["nee"])
    with pytest.warns(NotNormalWarning, match="the posterior from nee is carried over as a normal, and it is not one: skewness"):
        carry_over(draws_of(model, shape=np.exp), model)
    modes = xr.Dataset({"weight": ("mode", [0.6, 0.395, 0.005])})
    with pytest.warns(NotNormalWarning, match="2 modes. A simultaneous calibration"):
        carry_over(xr.DataTree.from_dict({"/posterior": draws_of(model), "/modes": modes}), model)


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
