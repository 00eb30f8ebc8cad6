"""Reflectance and vegetation index: the equations integrated with SciPy, closed forms, limits, and no special angles."""

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy.integrate import solve_bvp

from lsm_bayes import observations

LEAVES = [
    (0.1, 0.05, 0.01, 0.15, 3.0, 0.6),
    (0.45, 0.25, 0.01, 0.3, 3.0, 0.6),
    (0.4, 0.3, -0.35, 0.1, 1.5, 0.95),
    (0.08, 0.03, 0.45, 0.2, 5.0, 0.3),
]


def reflectance(band: str, leaf: tuple[float, float], soil: float, orientation: Any, lai: Any, zenith: Any = None) -> np.ndarray:
    name = f"reflectance_{band}" + ("" if zenith is None else "_beam")
    parameters = {
        f"leaf_reflectance_{band}": leaf[0],
        f"leaf_transmittance_{band}": leaf[1],
        f"soil_reflectance_{band}": soil,
        "leaf_orientation": orientation,
        "clumping": 1.0,
    }
    # Two equal steps a value: the operator takes the middle of the step.
    twice = np.repeat(np.atleast_1d(np.asarray(lai, dtype=float)), 2)
    series = {"lai": twice} | ({} if zenith is None else {"sun_zenith_angle": np.repeat(np.broadcast_to(zenith, twice.size // 2), 2)})
    return observations.get(name).evaluate(series, parameters)[..., ::2]


def integrated(leaf: tuple[float, float], chi: float, soil: float, lai: float, mu: float | None, single: float | None = None) -> float:
    """Reflectance by numerical integration of Sellers (1985), eqs. 1 to 6, in the usual notation."""
    rho, tau = leaf
    phi1 = 0.5 - 0.633 * chi - 0.33 * chi**2
    phi2 = 0.877 * (1 - 2 * phi1)
    mean = (1 - phi1 / phi2 * np.log((phi1 + phi2) / phi1)) / phi2 if chi else 1.0
    omega = rho + tau
    beta = 0.5 * (omega + (rho - tau) * ((1 + chi) / 2) ** 2) / omega
    k, beta0 = 0.0, 0.0
    if mu is not None:
        g = phi1 + phi2 * mu
        k, a, b = g / mu, g + mu * phi2, mu * phi1
        single = 0.5 * omega * g / a * (1 - b / a * np.log((a + b) / b)) if single is None else single
        beta0 = (1 + mean * k) / (omega * mean * k) * single

    def slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        beam = omega * mean * k * np.exp(-k * x)
        up = ((1 - (1 - beta) * omega) * y[0] - omega * beta * y[1] - beta0 * beam) / mean
        down = (-(1 - (1 - beta) * omega) * y[1] + omega * beta * y[0] + (1 - beta0) * beam) / mean
        return np.array([up, down])

    def ends(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        direct = np.exp(-k * lai) if mu is not None else 0.0
        return np.array([top[1] - (mu is None), bottom[0] - soil * (bottom[1] + direct)])

    x = np.linspace(0.0, lai, 41)
    found = solve_bvp(slopes, ends, x, np.full((2, 41), 0.1), tol=1e-9, max_nodes=20000)
    assert found.success
    return float(found.y[0, 0])


@pytest.mark.parametrize(("rho", "tau", "chi", "soil", "lai", "mu"), LEAVES)
def test_both_solutions_agree_with_numerical_integration(rho: float, tau: float, chi: float, soil: float, lai: float, mu: float) -> None:
    diffuse = reflectance("nir", (rho, tau), soil, chi, lai)
    beam = reflectance("nir", (rho, tau), soil, chi, lai, np.degrees(np.arccos(mu)))
    np.testing.assert_allclose(diffuse, integrated((rho, tau), chi, soil, lai, None), rtol=1e-6)
    np.testing.assert_allclose(beam, integrated((rho, tau), chi, soil, lai, mu), rtol=1e-6)


def test_a_beam_that_fades_as_fast_as_diffuse_light_is_no_special_case() -> None:
    # Spherical leaves that reflect as much as they transmit: K = 0.5 / mu, h = sqrt(1 - omega).
    omega, lai, soil = 0.3, 2.0, 0.2
    mu = 0.5 / np.sqrt(1 - omega)
    single = 0.5 * omega * (1 - mu * np.log((1 + mu) / mu))
    angle = np.degrees(np.arccos(mu))
    wanted = integrated((0.15, 0.15), 0.0, soil, lai, mu, single)
    np.testing.assert_allclose(reflectance("red", (0.15, 0.15), soil, 0.0, lai, angle), wanted, rtol=1e-6)
    around = reflectance("red", (0.15, 0.15), soil, 0.0, np.full(41, lai), angle + np.linspace(-0.02, 0.02, 41))
    assert np.abs(np.diff(around, 3)).max() < 1e-12


def test_leaves_of_spherical_orientation_are_no_special_case() -> None:
    for zenith in (None, 40.0):
        found = reflectance("red", (0.1, 0.04), 0.2, 1e-3 * np.arange(-60, 61)[:, None], 2.0, zenith)
        assert found.shape == (121, 1) and np.abs(np.diff(found[:, 0], 3)).max() < 1e-9


def test_without_leaves_it_is_that_of_soil_and_under_many_it_does_not_depend_on_soil() -> None:
    for zenith in (None, 0.0, 60.0):
        np.testing.assert_allclose(reflectance("nir", (0.4, 0.2), 0.23, 0.2, 0.0, zenith), 0.23, rtol=1e-12)
        bright, dark = (reflectance("nir", (0.4, 0.2), soil, 0.2, 60.0, zenith) for soil in (0.5, 0.05))
        np.testing.assert_allclose(bright, dark, rtol=1e-8)


def test_deep_canopy_has_the_closed_form_of_isotropic_scattering() -> None:
    for omega in (0.1, 0.5, 0.9):
        root = np.sqrt(1 - omega)
        np.testing.assert_allclose(reflectance("nir", (omega / 2, omega / 2), 0.1, 0.3, 80.0), (1 - root) / (1 + root), rtol=1e-9)


def test_leaves_and_soil_that_absorb_nothing_send_all_light_back() -> None:
    # The slow decay of light in white leaves is limited by rounding.
    for zenith in (None, 30.0):
        np.testing.assert_allclose(reflectance("nir", (0.6, 0.4 - 1e-9), 1 - 1e-9, 0.1, 3.0, zenith), 1.0, atol=1e-7)


def test_black_leaves_shade_the_soil_twice() -> None:
    # Beam in along mu, diffuse light out with h = 1 / mean depth = 1 for spherical leaves.
    lai, mu, soil = 1.3, 0.7, 0.3
    found = reflectance("red", (1e-12, 1e-12), soil, 0.0, lai, np.degrees(np.arccos(mu)))
    np.testing.assert_allclose(found, soil * np.exp(-0.5 / mu * lai - lai), rtol=1e-8)


def test_leaves_darken_the_red_and_brighten_the_near_infrared() -> None:
    lai = np.linspace(0.0, 8.0, 30)
    for zenith in (None, 50.0):
        assert (np.diff(reflectance("red", (0.07, 0.04), 0.15, 0.1, lai, zenith)) < 0).all()
        assert (np.diff(reflectance("nir", (0.44, 0.25), 0.2, 0.1, lai, zenith)) > 0).all()
    angles = np.linspace(0.0, 75.0, 30)
    assert (np.diff(reflectance("nir", (0.44, 0.25), 0.2, 0.1, np.full(30, 4.0), angles)) > 0).all()  # bright at low sun


@pytest.mark.parametrize("light", ["", "_beam"])
def test_index_is_that_of_the_two_bands_and_rises_with_leaf_area(light: str) -> None:
    series = {"lai": np.linspace(0.0, 8.0, 40), "sun_zenith_angle": np.full(40, 35.0)}
    red, nir, index = (observations.get(f"{n}{light}").evaluate(series) for n in ("reflectance_red", "reflectance_nir", "ndvi"))
    np.testing.assert_allclose(index, (nir - red) / (nir + red), rtol=1e-12)
    assert (np.diff(index[:-1]) > 0).all() and (np.abs(index) < 1).all()


def test_only_the_product_of_clumping_and_leaf_area_counts() -> None:
    operator = observations.get("ndvi")
    lai = np.linspace(0.1, 4.0, 9)
    np.testing.assert_allclose(operator.evaluate({"lai": lai}, {"clumping": 1.0}), operator.evaluate({"lai": 2 * lai}, {"clumping": 0.5}))


def test_linear_index_is_a_line_of_absorbed_light() -> None:
    operator = observations.get("ndvi_linear")
    # 0.1 + 0.8 (1 - exp(-0.5 x 0.75 x 4)) = 0.1 + 0.8 x 0.7768698
    found = operator.evaluate({"lai": [4.0, 4.0]}, {"offset": 0.1, "gain": 0.8, "extinction": 0.5, "clumping": 0.75})
    np.testing.assert_allclose(found, 0.72149587, rtol=1e-7)
    np.testing.assert_allclose(operator.evaluate({"lai": [0.0, 0.0]}, {"offset": 0.07}), 0.07)
    np.testing.assert_allclose(operator.evaluate({"lai": [90.0, 90.0]}, {"offset": 0.07, "gain": 0.6}), 0.67)


def test_gradients_are_finite_without_leaves_and_with_the_sun_in_the_zenith() -> None:
    operator = observations.get("ndvi_beam")
    lai, zenith, orientation = pt.dvector("lai"), pt.dvector("zenith"), pt.dscalar("orientation")
    index = operator({"lai": lai, "sun_zenith_angle": zenith}, {"leaf_orientation": orientation})
    slopes = pytensor.function([lai, zenith, orientation], pytensor.grad(index.sum(), [lai, zenith, orientation]), mode=Mode("py", None))
    for slope in slopes(np.zeros(3), np.zeros(3), 0.0):
        assert np.isfinite(slope).all()
