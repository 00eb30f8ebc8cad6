"""Heat fluxes and radiometric temperature: worked numbers, closure, limits of canopy and sky."""

from typing import Any

import numpy as np
import pytest

from lsm_bayes import observations
from lsm_bayes.observations.energy import STEFAN_BOLTZMANN


def applied(name: str, series: dict[str, Any], **parameters: float) -> np.ndarray:
    return observations.get(name).evaluate({n: np.atleast_1d(v) for n, v in series.items()}, parameters)


@pytest.mark.parametrize(("degrees", "joules"), [(0.0, 2.5009e6), (20.0, 2.4535e6), (40.0, 2.4060e6)])
def test_evapotranspiration_takes_up_the_tabulated_latent_heat(degrees: float, joules: float) -> None:
    found = applied("latent_heat_closed", {"evapotranspiration": 3.0, "air_temperature": degrees})
    np.testing.assert_allclose(found, 3.0 * joules / 86400.0, rtol=3e-3)


def test_closure_scales_both_heat_fluxes_and_leaves_their_fraction() -> None:
    water, heat = {"evapotranspiration": [1.0, 4.0], "air_temperature": [5.0, 25.0]}, {"sensible_heat": [60.0, -10.0]}
    latent, sensible = applied("latent_heat_closed", water), applied("sensible_heat_closed", heat)
    seen = applied("latent_heat", water, closure=0.8), applied("sensible_heat", heat, closure=0.8)
    np.testing.assert_allclose(seen[0], 0.8 * latent)
    np.testing.assert_allclose(seen[1], 0.8 * sensible)
    before, after = (applied("evaporative_fraction", {"latent_heat": a, "sensible_heat": b}) for a, b in ((latent, sensible), seen))
    np.testing.assert_allclose(after, before)


def test_evaporative_fraction_is_one_less_for_a_bowen_ratio() -> None:
    bowen = np.array([0.0, 0.5, 1.0, 4.0])
    found = applied("evaporative_fraction", {"latent_heat": np.full(4, 80.0), "sensible_heat": 80.0 * bowen})
    np.testing.assert_allclose(found, 1.0 / (1.0 + bowen))


def test_evapotranspiration_is_reported_as_it_is() -> None:
    np.testing.assert_array_equal(applied("evapotranspiration", {"evapotranspiration": [0.0, -0.1, 5.0]}), [0.0, -0.1, 5.0])


@pytest.mark.parametrize("emissivity", [0.92, 0.98, 1.0])
def test_surface_temperature_returns_from_its_own_radiation(emissivity: float) -> None:
    kelvin, sky = np.array([250.0, 290.0, 330.0]), np.array([180.0, 320.0, 400.0])
    up = emissivity * STEFAN_BOLTZMANN * kelvin**4 + (1 - emissivity) * sky
    found = applied("land_surface_temperature", {"longwave_up": up, "longwave_down": sky}, emissivity=emissivity)
    np.testing.assert_allclose(found, kelvin, rtol=1e-12)


def test_a_black_body_of_300_kelvin_emits_459_watts() -> None:
    found = applied("land_surface_temperature", {"longwave_up": 459.3, "longwave_down": 300.0}, emissivity=1.0)
    np.testing.assert_allclose(found, 300.0, atol=0.01)


def test_a_surface_colder_in_emissivity_is_warmer_unless_the_sky_is_as_warm() -> None:
    def found(down: float, emissivity: float) -> float:
        return float(applied("land_surface_temperature", {"longwave_up": 430.0, "longwave_down": down}, emissivity=emissivity)[0])

    assert found(300.0, 0.93) > found(300.0, 0.97) > found(300.0, 1.0)
    # In a closed room emissivity cannot be seen.
    np.testing.assert_allclose(found(430.0, 0.93), found(430.0, 1.0))


def mixture(soil: Any, canopy: Any, lai: Any, **parameters: float) -> np.ndarray:
    parameters = {"extinction": 0.4, "view_angle": 0.0} | parameters
    n = np.ones(3)
    series = {"soil_temperature": soil * n, "canopy_temperature": canopy * n, "lai": lai * n}
    return applied("land_surface_temperature_mixture", series, **parameters)


def test_bare_soil_and_a_closed_canopy_are_seen_alone() -> None:
    np.testing.assert_allclose(mixture(40.0, 25.0, 0.0), 313.15)
    np.testing.assert_allclose(mixture(40.0, 25.0, 100.0), 298.15)


def test_mixture_at_a_worked_point() -> None:
    gap = np.exp(-0.4 * 2.0)
    wanted = ((1 - gap) * 298.15**4 + gap * 313.15**4) ** 0.25
    np.testing.assert_allclose(mixture(40.0, 25.0, 2.0), wanted)
    assert 298.15 + gap * 15.0 < wanted < 313.15  # radiation weighs what is warm more than a mean of temperatures


def test_an_oblique_view_sees_more_canopy() -> None:
    found = [mixture(40.0, 25.0, 1.5, view_angle=a)[0] for a in (0.0, 30.0, 60.0)]
    assert found[0] > found[1] > found[2] > 298.15
    np.testing.assert_allclose(mixture(40.0, 25.0, 1.5, view_angle=60.0), mixture(40.0, 25.0, 3.0))


def test_temperatures_equal_mix_to_themselves() -> None:
    np.testing.assert_allclose(mixture(20.0, 20.0, np.array([0.0, 1.0, 5.0])), 293.15)


def test_defaults_are_as_precise_as_given_values() -> None:
    operator = observations.get("land_surface_temperature_mixture")
    given = {"soil_temperature": np.full(3, 31.0), "canopy_temperature": np.full(3, 22.0), "lai": np.full(3, 1.7)}
    np.testing.assert_allclose(operator.evaluate(given), operator.evaluate(given, operator.defaults), rtol=1e-14)
