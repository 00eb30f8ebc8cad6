"""Wood, litter, soil cores and chambers: worked numbers, limits, and what adds up."""

import numpy as np
import pytest

from lsm_bayes import observations

GROWTH = np.array([0.0, 0.8, 2.0])


def test_wood_above_and_below_ground_adds_up() -> None:
    operator = observations.get("wood_increment")
    above = operator.evaluate({"allocation_to_wood": GROWTH}, {"aboveground_fraction": 0.79})
    np.testing.assert_allclose(above + 0.21 * GROWTH, GROWTH, rtol=1e-14)
    # A root-to-shoot ratio of 0.25 is a fraction of 0.8.
    assert operator.defaults["aboveground_fraction"] == pytest.approx(1.0 / 1.25)


def test_traps_catch_all_leaves_and_little_wood() -> None:
    operator = observations.get("aboveground_litterfall")
    series = {"leaf_litterfall": np.array([1.0, 0.0, 2.0]), "wood_litterfall": np.array([0.0, 3.0, 3.0])}
    np.testing.assert_allclose(operator.evaluate(series, {"wood_caught": 0.2}), [1.0, 0.6, 2.6], rtol=1e-14)


def test_soil_carbon_to_depth_is_the_integral_of_an_exponential_profile() -> None:
    operator = observations.get("soil_carbon_to_depth")
    total, scale, depth = 12000.0, 0.4, 0.3
    z = np.linspace(0.0, depth, 20001)
    integral = np.trapezoid(total / scale * np.exp(-z / scale), z)
    found = operator.evaluate({"soil_carbon": np.array([total])}, {"depth_scale": scale, "depth": depth})
    np.testing.assert_allclose(found, integral, rtol=1e-8)


def test_soil_carbon_to_depth_has_half_of_the_upper_metre_in_its_upper_fifth_under_forest() -> None:
    operator = observations.get("soil_carbon_to_depth")
    soil = {"soil_carbon": np.array([9000.0])}
    shares = [operator.evaluate(soil, {"depth_scale": 0.29, "depth": d})[0] for d in (0.2, 1.0)]
    assert shares[0] / shares[1] == pytest.approx(0.5, abs=0.02)


def test_soil_carbon_to_depth_between_nothing_and_all() -> None:
    operator = observations.get("soil_carbon_to_depth")
    depth = np.linspace(0.05, 3.0, 40)[:, None]
    found = operator.evaluate({"soil_carbon": np.full((40, 1), 5000.0)}, {"depth": depth, "depth_scale": 0.15})[:, 0]
    assert (np.diff(found) > 0).all() and found[-1] == pytest.approx(5000.0)
    # Thin samples hold carbon in proportion to their depth.
    thin = operator.evaluate({"soil_carbon": np.array([5000.0])}, {"depth": 0.05, "depth_scale": 3.0})
    np.testing.assert_allclose(thin, 5000.0 * 0.05 / 3.0, rtol=0.01)
    assert operator.parameter_table["depth"][0].fixed


@pytest.mark.parametrize("name", ["soil_efflux", "heterotrophic_respiration"])
def test_chambers_scale_the_flux_and_the_prior_holds_what_was_found(name: str) -> None:
    operator = observations.get(name)
    found = operator.evaluate({name: GROWTH}, {"chamber_bias": 1.45})
    np.testing.assert_allclose(found, 1.45 * GROWTH, rtol=1e-14)
    np.testing.assert_array_equal(operator.evaluate({name: GROWTH}), GROWTH)
    declared = operator.parameter_table["chamber_bias"][0]
    assert declared.bounds[0] < 1.4 < 1.5 < declared.bounds[1] and declared.prior.spread is not None
    assert np.log(1.5) < 2 * declared.prior.spread
