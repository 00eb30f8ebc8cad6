"""Biomass, height and lidar waveforms: worked numbers, a waveform that is added up numerically, and limits."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes import observations

BIOMASS, HEIGHT = observations.get("aboveground_biomass"), observations.get("canopy_height")
SHARES = {25: 0.25, 50: 0.5, 75: 0.75, 98: 0.98}


def heights(percent: int, lai: float | np.ndarray, wood: float = 9000.0, **parameters: float) -> np.ndarray:
    area = np.atleast_1d(np.asarray(lai, dtype=float))
    twice = np.repeat(area, 2)
    operator = observations.get(f"relative_height_{percent}")
    return operator.evaluate({"wood_carbon": np.full(twice.shape, wood), "lai": twice}, parameters)[::2]


def test_biomass_worked_number() -> None:
    # (0.8 x 10 kg + 0.4 kg) / 0.48 = 17.5 kg m-2, 175 Mg ha-1.
    parameters = {"belowground_fraction": 0.2, "carbon_fraction": 0.48}
    found = BIOMASS.evaluate({"wood_carbon": [10000.0], "foliage_carbon": [400.0]}, parameters)
    np.testing.assert_allclose(found, 17.5, rtol=1e-12)


def test_biomass_conserves_carbon() -> None:
    # Carbon of the dry matter above ground, roots below: all of it.
    wood, leaves, below, carbon = 7000.0, 300.0, 0.25, 0.5
    found = BIOMASS.evaluate(
        {"wood_carbon": [wood], "foliage_carbon": [leaves]}, {"belowground_fraction": below, "carbon_fraction": carbon}
    )
    np.testing.assert_allclose(1000 * carbon * found + below * wood, wood + leaves, rtol=1e-12)


def test_height_worked_number() -> None:
    # TRIFFID, broadleaf trees: h = C / (a_ws eta) (a_wl / C)^(3/5), a_wl = 0.65, a_ws eta = 0.1, C = 6.5546176 kgC m-2.
    carbon = 6.5546176
    wanted = carbon / 0.1 * (0.65 / carbon) ** 0.6
    parameters = {"belowground_fraction": 0.25, "height_scale": 0.65**0.6 / 0.1, "height_exponent": 0.4}
    np.testing.assert_allclose(HEIGHT.evaluate({"wood_carbon": [1000 * carbon / 0.75]}, parameters), wanted, rtol=1e-12)
    assert (np.diff(HEIGHT.evaluate({"wood_carbon": np.linspace(100.0, 20000.0, 20)})) > 0).all()


@pytest.mark.parametrize("percent", SHARES)
@pytest.mark.parametrize(("lai", "heavy", "ratio"), [(5.0, 0.4, 0.67), (7.0, -0.6, 1.5), (1.0, 0.0, 0.3), (2.5, 0.85, 0.67)])
def test_equals_a_waveform_that_is_added_up(percent: int, lai: float, heavy: float, ratio: float) -> None:
    k, top = 0.45, 8.0 * (0.78 * 9.0) ** 0.4
    level = np.linspace(0.0, 1.0, 400001)
    density = 1 - heavy + 2 * heavy * level  # leaf area per relative height, over leaf area
    step = level[1]
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1])) * step])
    gap = np.exp(-k * lai * (1 - below))
    energy = k * lai * density * gap  # returned by leaves per relative height; reflectance 1
    total = ratio * gap[0] + np.concatenate([[0.0], np.cumsum(0.5 * (energy[1:] + energy[:-1])) * step])
    wanted = top * np.interp(SHARES[percent] * total[-1], total, level, left=0.0)
    found = heights(percent, lai, nadir_extinction=k, top_heaviness=heavy, ground_to_leaf=ratio)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-9)


def test_percentiles_are_in_order_between_the_ground_and_the_top() -> None:
    lai = np.linspace(0.0, 8.0, 33)
    found = np.array([heights(percent, lai) for percent in SHARES])
    top = HEIGHT.evaluate({"wood_carbon": [9000.0]})[0]
    assert (np.diff(found, axis=0) >= 0).all() and (found >= 0).all() and (found <= top).all()


def test_bare_ground_returns_all_light_and_a_dense_canopy_from_its_top() -> None:
    top = HEIGHT.evaluate({"wood_carbon": [9000.0]})[0]
    for percent in SHARES:
        np.testing.assert_array_equal(heights(percent, 0.0), 0.0)
        np.testing.assert_allclose(heights(percent, 500.0), top, rtol=0.01)


def test_there_is_no_jump_where_the_ground_alone_returns_the_share() -> None:
    lai = np.linspace(0.5, 6.0, 20001)
    found = heights(25, lai)
    assert found[0] == 0.0 and found[-1] > 1.0
    assert np.abs(np.diff(found)).max() < 0.01


def test_more_leaves_at_the_top_and_a_darker_ground_raise_the_return() -> None:
    for percent in SHARES:
        bottom, heavy = (heights(percent, 5.0, top_heaviness=m)[0] for m in (-0.5, 0.5))
        bright, dark = (heights(percent, 5.0, ground_to_leaf=r)[0] for r in (1.5, 0.3))
        assert heavy > bottom and dark > bright


def test_gradients_are_finite_without_leaves() -> None:
    operator = observations.get("relative_height_50")
    wood, lai = pt.dvector("wood"), pt.dvector("lai")
    shape = {n: pt.dscalar(n) for n in operator.parameter_table}
    wanted = [wood, lai, *shape.values()]
    output = operator({"wood_carbon": wood, "lai": lai}, shape)
    slopes = pytensor.function(wanted, pytensor.grad(output.sum(), wanted), mode=Mode("py", None))
    for values in (np.zeros(3), np.array([0.0, 0.5, 6.0])):
        for slope in slopes(np.full(3, 5000.0), values, *operator.defaults.values()):
            assert np.isfinite(slope).all()
