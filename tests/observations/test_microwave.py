"""Microwaves that land emits: Fresnel and tau-omega against worked numbers, limits and directions."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.observations.microwave import horizontal_reflectivity, soil_permittivity

ANGLE = np.deg2rad(40.0)


def number(expression: Any) -> np.ndarray:
    return np.asarray(expression.eval(mode=Mode("py", None)))


def applied(name: str, parameters: dict[str, float], **series: Any) -> np.ndarray:
    return observations.get(name).evaluate({n: np.full(3, 1.0) * v for n, v in series.items()}, parameters)


def test_permittivity_agrees_with_the_published_inverse() -> None:
    moisture = np.linspace(0.05, 0.45, 9)
    found = number(soil_permittivity(pt.as_tensor(moisture)))
    back = -5.3e-2 + 2.92e-2 * found - 5.5e-4 * found**2 + 4.3e-6 * found**3  # Topp et al. (1980), equation 10
    np.testing.assert_allclose(back, moisture, atol=0.015)  # two fits to one set of measurements
    assert (np.diff(found) > 0).all()


def test_reflectivity_at_nadir_grazing_and_by_snells_law() -> None:
    eps = 16.0
    np.testing.assert_allclose(number(horizontal_reflectivity(pt.as_tensor(eps), pt.as_tensor(0.0))), (3.0 / 5.0) ** 2)
    np.testing.assert_allclose(number(horizontal_reflectivity(pt.as_tensor(eps), pt.as_tensor(np.pi / 2))), 1.0)
    refracted = np.arcsin(np.sin(ANGLE) / np.sqrt(eps))
    wanted = (np.sin(ANGLE - refracted) / np.sin(ANGLE + refracted)) ** 2  # Fresnel's sine law
    np.testing.assert_allclose(number(horizontal_reflectivity(pt.as_tensor(eps), pt.as_tensor(ANGLE))), wanted)


BARE = {"opacity_of_leaves": 0.0, "opacity_of_stems": 0.0, "scattering_albedo": 0.05, "roughness": 0.1, "incidence_angle": 40.0}


def test_without_vegetation_the_soil_emits_what_it_does_not_reflect() -> None:
    eps = 3.03 + 9.3 * 0.25 + 146.0 * 0.25**2 - 76.7 * 0.25**3
    inside = np.sqrt(eps - np.sin(ANGLE) ** 2)
    r = ((np.cos(ANGLE) - inside) / (np.cos(ANGLE) + inside)) ** 2 * np.exp(-0.1 * np.cos(ANGLE) ** 2)
    found = applied("brightness_temperature", BARE, soil_moisture=0.25, soil_temperature=15.0, lai=3.0)
    np.testing.assert_allclose(found, 288.15 * (1 - r))


def test_opaque_vegetation_hides_the_soil() -> None:
    opaque = BARE | {"opacity_of_stems": 50.0}
    for moisture in (0.05, 0.45):
        found = applied(
            "brightness_temperature_canopy", opaque, soil_moisture=moisture, soil_temperature=30.0, canopy_temperature=20.0, lai=1.0
        )
        np.testing.assert_allclose(found, 0.95 * 293.15)


def test_an_isothermal_scene_without_scattering_or_reflection_is_black() -> None:
    clear = BARE | {"scattering_albedo": 0.0, "opacity_of_stems": 0.7, "roughness": 1e3}
    found = applied("brightness_temperature", clear, soil_moisture=0.3, soil_temperature=20.0, lai=2.0)
    np.testing.assert_allclose(found, 293.15)


def test_an_isothermal_scene_reflects_only_what_crosses_the_canopy_twice() -> None:
    p = BARE | {"scattering_albedo": 0.0, "opacity_of_stems": 0.3}
    bare = applied("brightness_temperature", BARE, soil_moisture=0.3, soil_temperature=20.0, lai=2.0)
    found = applied("brightness_temperature", p, soil_moisture=0.3, soil_temperature=20.0, lai=2.0)
    g = np.exp(-0.3 / np.cos(ANGLE))
    np.testing.assert_allclose(1 - found / 293.15, (1 - bare / 293.15) * g**2)


def test_both_forms_agree_where_canopy_and_soil_are_as_warm() -> None:
    given = {"soil_moisture": 0.2, "soil_temperature": 12.0, "lai": 2.5}
    np.testing.assert_allclose(
        applied("brightness_temperature", {}, **given), applied("brightness_temperature_canopy", {}, canopy_temperature=12.0, **given)
    )


def test_defaults_are_as_precise_as_given_values() -> None:
    operator = observations.get("brightness_temperature")
    given = {n: np.full(3, 0.3) for n in operator.inputs}
    np.testing.assert_allclose(operator.evaluate(given), operator.evaluate(given, operator.defaults), rtol=1e-14)


def test_wet_soil_is_cold_and_leaves_and_roughness_warm_it() -> None:
    def found(lai: float = 1.0, moisture: float = 0.3, **parameters: float) -> float:
        return float(applied("brightness_temperature", parameters, soil_moisture=moisture, soil_temperature=15.0, lai=lai)[0])

    assert found(moisture=0.1) > found(moisture=0.2) > found(moisture=0.4)
    assert found(lai=4.0) > found(lai=1.0) and found(roughness=0.8) > found(roughness=0.1)
    assert found(moisture=0.1, lai=0) - found(moisture=0.4, lai=0) > found(moisture=0.1, lai=5) - found(moisture=0.4, lai=5)


def test_an_empty_store_is_residual_and_a_full_one_saturated() -> None:
    p = {"residual": 0.06, "porosity": 0.46, "capacity": 200.0}
    found = applied("soil_moisture_from_store", p, plant_available_water=np.array([0.0, 50.0, 200.0]))
    np.testing.assert_allclose(found, [0.06, 0.16, 0.46])


def test_soil_moisture_is_reported_as_it_is() -> None:
    np.testing.assert_array_equal(applied("soil_moisture", {}, soil_moisture=np.array([0.1, 0.2, 0.3])), [0.1, 0.2, 0.3])
