"""Backscatter: the water cloud against worked numbers, limits and directions."""

from typing import Any

import numpy as np
import pytest

from lsm_bayes import observations

ANGLE = np.deg2rad(40.0)


def applied(name: str, parameters: dict[str, float], **series: Any) -> np.ndarray:
    return observations.get(name).evaluate({n: np.full(3, 1.0) * v for n, v in series.items()}, parameters)


@pytest.mark.parametrize("name", ["backscatter", "backscatter_leaf_area"])
def test_defaults_are_as_precise_as_given_values(name: str) -> None:
    given = {n: np.full(3, 0.3) for n in observations.get(name).inputs}
    declared = observations.get(name).defaults
    np.testing.assert_allclose(observations.get(name).evaluate(given), observations.get(name).evaluate(given, declared), rtol=1e-14)


CLOUD = {"attenuation": 0.15, "dry_soil": -18.0, "soil_sensitivity": 35.0, "incidence_angle": 40.0}
FORMS = [("backscatter", {"vegetation_scattering": 0.12}), ("backscatter_leaf_area", {"leaf_scattering": 0.04})]


@pytest.mark.parametrize(("name", "own"), FORMS)
def test_bare_soil_is_linear_in_moisture_in_decibels(name: str, own: dict[str, float]) -> None:
    found = applied(name, CLOUD | own, soil_moisture=np.array([0.0, 0.1, 0.4]), lai=0.0)
    np.testing.assert_allclose(found, [-18.0, -14.5, -4.0])


def test_opaque_vegetation_scatters_by_itself() -> None:
    found = applied("backscatter", CLOUD | {"vegetation_scattering": 0.12}, soil_moisture=0.3, lai=200.0)
    np.testing.assert_allclose(found, 10 * np.log10(0.12 * np.cos(ANGLE)))
    found = applied("backscatter_leaf_area", CLOUD | {"leaf_scattering": 0.04}, soil_moisture=0.3, lai=200.0)
    np.testing.assert_allclose(found, 10 * np.log10(0.04 * 200.0 * np.cos(ANGLE)))


@pytest.mark.parametrize(("name", "own"), FORMS)
def test_leaves_weaken_the_signal_of_moisture(name: str, own: dict[str, float]) -> None:
    swing = [float(np.ptp(applied(name, CLOUD | own, soil_moisture=np.array([0.1, 0.2, 0.4]), lai=v))) for v in (0.0, 1.0, 3.0, 6.0)]
    assert (np.diff(swing) < 0).all()


def test_both_forms_agree_at_a_leaf_area_of_one() -> None:
    given = {"soil_moisture": 0.2, "lai": 1.0}
    np.testing.assert_allclose(
        applied("backscatter", CLOUD | {"vegetation_scattering": 0.1}, **given),
        applied("backscatter_leaf_area", CLOUD | {"leaf_scattering": 0.1}, **given),
    )
