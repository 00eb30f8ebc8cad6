"""Fluorescence: worked numbers in its unit, no light or leaves, and the escape of near-infrared light."""

import numpy as np

from lsm_bayes import observations

LINEAR, LIGHT_USE, NIRV = (observations.get(n) for n in ("sif_linear", "sif_light_use", "sif_nirv"))


def test_linear_is_a_line() -> None:
    found = LINEAR.evaluate({"gpp": [0.0, 10.0]}, {"slope": 0.12, "offset": 0.04})
    np.testing.assert_allclose(found, [0.04, 1.24], rtol=1e-12)


def test_light_use_in_its_unit() -> None:
    # 8.64 MJ m-2 d-1 are 100 W m-2; 46 of it PAR; 1 - exp(-0.375 x 2) absorbed; 4e-5 per nm emitted; half escapes into pi sr.
    parameters = {"extinction": 0.5, "clumping": 0.75, "fluorescence_yield": 4e-5, "escape_probability": 0.5, "par_fraction": 0.46}
    found = LIGHT_USE.evaluate({"shortwave_down": [8.64], "lai": [2.0]}, parameters)
    watt = 46.0 * (1 - np.exp(-0.75)) * 4e-5 * 0.5 / np.pi
    np.testing.assert_allclose(found, 1000 * watt, rtol=1e-12)
    np.testing.assert_allclose(found, 0.15450, rtol=1e-4)


def test_neither_light_nor_leaves_give_fluorescence() -> None:
    for series in ({"shortwave_down": [0.0, 0.0], "lai": [3.0, 3.0]}, {"shortwave_down": [20.0, 20.0], "lai": [0.0, 0.0]}):
        np.testing.assert_array_equal(LIGHT_USE.evaluate(series), 0.0)
    np.testing.assert_array_equal(NIRV.evaluate({"shortwave_down": [0.0, 0.0], "lai": [3.0, 3.0]}), 0.0)
    # Soil of one colour has no vegetation index.
    grey = {"soil_reflectance_red": 0.2, "soil_reflectance_nir": 0.2}
    np.testing.assert_allclose(NIRV.evaluate({"shortwave_down": [20.0, 20.0], "lai": [0.0, 0.0]}, grey), 0.0, atol=1e-12)


def test_more_light_and_more_leaves_give_more_up_to_a_limit() -> None:
    lai = np.linspace(0.0, 8.0, 30)
    for operator in (LIGHT_USE, NIRV):
        found = operator.evaluate({"shortwave_down": np.full(30, 15.0), "lai": lai})[:-1]
        assert (np.diff(found) > 0).all() and (np.diff(found)[1:] < np.diff(found)[:-1])[-10:].all()
        doubled = operator.evaluate({"shortwave_down": np.full(30, 30.0), "lai": lai})[:-1]
        np.testing.assert_allclose(doubled, 2 * found, rtol=1e-12, atol=1e-15)


def test_escape_of_near_infrared_light_is_its_reflectance_over_absorbed_light() -> None:
    series = {"shortwave_down": np.full(5, 12.0), "lai": np.array([1.0, 2.0, 3.0, 4.0, 5.0])}
    index, nir = (observations.get(n).evaluate(series) for n in ("ndvi", "reflectance_nir"))
    absorbed = observations.get("fapar").evaluate(series)
    escape = index * nir / absorbed
    assert ((escape > 0.1) & (escape < 0.9)).all()
    same = {"fluorescence_yield": 5e-5, "par_fraction": 0.46}
    for k in range(5):
        wanted = LIGHT_USE.evaluate(series, same | {"escape_probability": escape[k]})[k]
        np.testing.assert_allclose(NIRV.evaluate(series, same)[k], wanted, rtol=1e-12)
