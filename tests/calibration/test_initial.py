"""Initial pools: inside their bounds, with a prior that is proper and the stated one."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from scipy import stats

from lsm_bayes.calibration import Free, InProportion, NearEquilibrium, ShareOf, build_model
from lsm_bayes.calibration.initial import in_proportion, near_equilibrium
from lsm_bayes.inference import Density

BOUNDS = (10.0, 1e4)
Z = np.linspace(-60, 60, 24001)


def evaluate(*expressions: Any) -> list[np.ndarray]:
    return pytensor.function([], list(expressions), mode=Mode("py", None))()


def pool_and_log_prior(equilibrium: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pool and the log prior density of each z: that of the normal coordinate and the potential."""
    with pm.Model() as model:
        pool = near_equilibrium("soil", pt.as_tensor(Z), pt.constant(equilibrium), NearEquilibrium(spread), BOUNDS)
    # The potential is summed over the places of a vector: here every z is a model of its own, so it is taken apart.
    (potential,) = model.potentials
    (value, each) = evaluate(pool, potential.owner.inputs[0])
    return value, stats.norm.logpdf(Z) + each


@pytest.mark.parametrize("equilibrium", [12.0, 300.0, 9e3, 1e-3, 1e8])
@pytest.mark.parametrize("spread", [0.2, 0.5, 2.0])
def test_pool_near_equilibrium_stays_inside_and_its_prior_is_that_of_the_ratio(equilibrium: float, spread: float) -> None:
    pool, log_prior = pool_and_log_prior(equilibrium, spread)
    assert (pool >= BOUNDS[0] * (1 - 1e-9)).all() and (pool <= BOUNDS[1] * (1 + 1e-9)).all()
    low, high = (np.log(b / equilibrium) / spread for b in BOUNDS)
    # What of N(0, spread) for the log ratio lies inside the bounds; next to nothing where they forbid the equilibrium.
    with np.errstate(under="ignore"):
        mass = np.trapezoid(np.exp(log_prior), Z)
    assert mass == pytest.approx(stats.norm.cdf(high) - stats.norm.cdf(low), rel=2e-3, abs=1e-60)
    log_ratio = np.log(pool / equilibrium) / spread
    inside = (np.exp(spread * Z) * equilibrium > 1.5 * BOUNDS[0]) & (np.exp(spread * Z) * equilibrium < BOUNDS[1] / 1.5)
    np.testing.assert_allclose(log_ratio[inside], Z[inside], atol=0.01 / spread)


@pytest.mark.parametrize("equilibrium", [300.0, 1e-3, 1e8])
def test_prior_falls_in_both_tails(equilibrium: float) -> None:
    _, log_prior = pool_and_log_prior(equilibrium, 0.5)
    far = int(np.argmax(log_prior))
    for tail in (log_prior[far:], log_prior[: far + 1][::-1]):
        assert (np.diff(tail[500:]) < 0).all()
    assert log_prior[[0, -1]].max() < log_prior.max() - 8


def test_pool_in_proportion_stays_inside_and_is_the_product() -> None:
    factor = np.exp(np.linspace(-12, 12, 301))
    (pool,) = evaluate(in_proportion(pt.as_tensor(factor), pt.constant(50.0), BOUNDS))
    assert (pool >= BOUNDS[0] * (1 - 1e-9)).all() and (pool <= BOUNDS[1] * (1 + 1e-9)).all() and (np.diff(pool) >= 0).all()
    product = 50.0 * factor
    inside = (product > 1.5 * BOUNDS[0]) & (product < BOUNDS[1] / 1.5)
    np.testing.assert_allclose(pool[inside], product[inside], rtol=1e-3)


def test_posterior_has_no_flat_direction(one_site_density: Density) -> None:
    labels = one_site_density.labels
    start = one_site_density.prior_positions(1, np.random.default_rng(1))[0]
    coordinates = [k for k, label in enumerate(labels) if label.startswith("z[")]
    assert len(coordinates) == 8
    for k in coordinates:
        for sign in (-1.0, 1.0):
            values = []
            for far in (12.0, 20.0, 30.0):
                position = start.copy()
                position[k] = sign * far
                values.append(one_site_density(position)[0])
            assert values[0] > values[1] > values[2], labels[k]


def test_card_says_how_pools_start(one_site: pm.Model) -> None:
    table = one_site.card["parameters"]
    assert table["soil_carbon"]["prior"] == "periodic equilibrium times exp(d), d ~ N(0, 0.5)"
    assert table["foliage_carbon"]["prior"] == "leaf_mass_area times a factor, log-uniform on [0.2, 10]"
    assert Free().describe() == "free inside its bounds"


@pytest.mark.parametrize(
    ("initial", "error", "message"),
    [
        ({"soil": Free()}, KeyError, "towers: unknown state 'soil'. Known: foliage_carbon, soil_carbon"),
        ({"soil_carbon": InProportion("mass", (1, 2))}, KeyError, "towers: initial soil_carbon: unknown parameter 'mass'"),
        (
            {"foliage_carbon": NearEquilibrium()},
            ValueError,
            "towers declares no equilibrium of 'foliage_carbon'; it does for soil_carbon. Use Free",
        ),
        ({"soil_carbon": ShareOf("roots")}, KeyError, "towers: initial soil_carbon: unknown state 'roots'"),
        (
            {"soil_carbon": ShareOf("foliage_carbon")},
            ValueError,
            "'soil_carbon' is to share with 'foliage_carbon', which is free inside its bounds; let it start InProportion",
        ),
    ],
)
def test_impossible_choices_are_refused(towers: xr.Dataset, land, initial: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_model(land, towers, ["nee"], initial=initial)


def test_two_pools_share_what_one_would_start_with(towers: xr.Dataset, land) -> None:
    initial = {"foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)), "soil_carbon": ShareOf("foliage_carbon", (0.1, 0.9))}
    model = build_model(land, towers, ["nee"], initial=initial)
    assert model.card["parameters"]["soil_carbon"]["prior"] == "a share of what foliage_carbon would start with, uniform on [0.1, 0.9]"
    drawn = pm.draw([model[n] for n in ("foliage_carbon", "soil_carbon", "leaf_mass_area")], draws=400, random_seed=1)
    total, share = drawn[0] + drawn[1], drawn[1] / (drawn[0] + drawn[1])
    # Both well inside their own bounds, at which they are stopped smoothly.
    inside = (drawn[0] > 15.0) & (drawn[0] < 700.0) & (drawn[1] > 150.0)
    of_site = [list(model.coords["pft"]).index(str(p)) for p in towers["pft"].values]
    factor = (total / drawn[2][:, of_site])[inside]
    assert 5.0 < factor.max() < 10.1 and (total[inside] > 165.0).all()
    assert 0.09 < share[inside].min() < 0.25 and 0.8 < share[inside].max() < 0.91


def test_bounds_of_a_share() -> None:
    with pytest.raises(ValueError, match="two numbers that increase, between 0 and 1"):
        ShareOf("foliage_carbon", (0.0, 1.0))
