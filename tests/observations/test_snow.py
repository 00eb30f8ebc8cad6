"""Snow cover from snow water: limits, scale and the ageing of snow."""

from typing import Any

import numpy as np
import pytest

from lsm_bayes import observations

FORMS = ["snow_cover_fraction", "snow_cover_fraction_tanh"]


def cover(name: str, water: Any, **parameters: float) -> np.ndarray:
    return observations.get(name).evaluate({"snow_water": np.atleast_1d(water)}, parameters)


@pytest.mark.parametrize("name", FORMS)
def test_cover_rises_from_nothing_to_everything(name: str) -> None:
    found = cover(name, np.linspace(0.0, 100.0, 50))
    assert found[0] == 0 and (np.diff(found) > 0).all() and found[-1] < 1
    assert cover(name, 1e6)[0] > 0.9999


def test_half_of_the_ground_is_covered_at_the_scale() -> None:
    np.testing.assert_allclose(cover("snow_cover_fraction", [7.0, 21.0], half_cover_snow=7.0), [0.5, 0.75])


def test_tanh_at_a_worked_point() -> None:
    # 50 mm at 200 kg m-3 lie 0.25 m deep; 2.5 * 0.01 m * 2^1.6 = 0.0758 m; tanh(3.299) = 0.9973.
    found = cover("snow_cover_fraction_tanh", 50.0, snow_density=200.0, ground_roughness=0.01, melting_factor=1.6)
    np.testing.assert_allclose(found, 0.9973, atol=5e-5)


def test_fresh_snow_covers_as_depth_over_roughness_whatever_the_exponent() -> None:
    found = [
        cover("snow_cover_fraction_tanh", 2.0, snow_density=100.0, ground_roughness=0.02, melting_factor=m)[0] for m in (0.6, 1.0, 2.5)
    ]
    np.testing.assert_allclose(found, np.tanh(0.02 / 0.05))


def test_old_rough_and_patchy_ground_is_covered_less() -> None:
    def found(**changed: float) -> float:
        base = {"snow_density": 250.0, "ground_roughness": 0.01, "melting_factor": 1.6}
        return float(cover("snow_cover_fraction_tanh", 10.0, **(base | changed))[0])

    assert found() > found(snow_density=400.0) and found() > found(ground_roughness=0.03) and found() > found(melting_factor=2.2)
