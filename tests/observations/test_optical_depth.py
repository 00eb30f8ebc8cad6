"""Optical depth of vegetation: worked numbers, no vegetation, and drying."""

import numpy as np

from lsm_bayes import observations

WATER, BIOMASS, LEAF = (observations.get(n) for n in ("vod_water_content", "vod_biomass", "vod_leaf"))


def test_water_content_times_attenuation() -> None:
    # A crop with 0.5 kg m-2 of water per leaf area (leaf area 4) and b = 0.12: 0.24. With 10 kgC m-2 of wood: + 0.12 x 8 kg m-2.
    parameters = {"attenuation": 0.12, "leaf_water": 0.5, "wood_water": 0.8}
    np.testing.assert_allclose(WATER.evaluate({"lai": [4.0], "wood_carbon": [0.0]}, parameters), 0.24, rtol=1e-12)
    np.testing.assert_allclose(WATER.evaluate({"lai": [4.0], "wood_carbon": [10000.0]}, parameters), 1.2, rtol=1e-12)


def test_biomass_that_dries() -> None:
    # (0.05 x 8 + 0.04 x 5) (1 - 0.3 x 0.5) = 0.6 x 0.85
    series = {"wood_carbon": [8000.0], "lai": [5.0], "soil_wetness": [0.5]}
    found = BIOMASS.evaluate(series, {"per_wood": 0.05, "per_leaf_area": 0.04, "drying": 0.3})
    np.testing.assert_allclose(found, 0.51, rtol=1e-12)


def test_leaves_that_dry() -> None:
    found = LEAF.evaluate({"lai": [3.0], "soil_wetness": [0.2]}, {"rest": 0.1, "per_leaf_area": 0.2, "drying": 0.25})
    np.testing.assert_allclose(found, 0.7 * 0.8, rtol=1e-12)


def test_bare_ground_does_not_attenuate() -> None:
    bare = {"lai": [0.0, 0.0], "wood_carbon": [0.0, 0.0], "soil_wetness": [0.0, 1.0]}
    for operator, parameters in ((WATER, {}), (BIOMASS, {}), (LEAF, {"rest": 0.0})):
        np.testing.assert_array_equal(operator.evaluate(bare, parameters), 0.0)


def test_wet_soil_leaves_the_depth_of_the_dry_matter_and_dry_soil_takes_a_fraction() -> None:
    wetness = np.linspace(0.0, 1.0, 11)
    for operator in (BIOMASS, LEAF):
        series = {"lai": np.full(11, 3.0), "wood_carbon": np.full(11, 5000.0), "soil_wetness": wetness}
        found = operator.evaluate(series, {"drying": 0.3})
        assert (np.diff(found) > 0).all()
        np.testing.assert_allclose(found[0], 0.7 * found[-1], rtol=1e-12)


def test_leaf_area_is_that_of_the_middle_of_the_step() -> None:
    steps = {"lai": [1.0, 3.0, 3.0], "wood_carbon": [1000.0] * 3, "soil_wetness": [0.6] * 3}
    middle = {"lai": [2.0, 2.0, 2.0]} | {n: steps[n] for n in ("wood_carbon", "soil_wetness")}
    for operator in (WATER, BIOMASS, LEAF):
        assert operator.evaluate(steps)[0] == operator.evaluate(middle)[0]
