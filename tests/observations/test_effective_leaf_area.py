"""Leaf area as instruments report it: clumping, the angle of view, and the angle at which the orientation of leaves does not matter."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.observations.two_stream import projection

EFFECTIVE, GAP = observations.get("lai_effective"), observations.get("lai_view_gap")
RANDOM = {"nadir_clumping": 1.0, "leaf_orientation": 0.0}


def seen(angle: float | np.ndarray, lai: float = 3.0, **parameters: float) -> np.ndarray:
    angles = np.atleast_1d(np.asarray(angle, dtype=float))
    return GAP.evaluate({"lai": np.full(angles.shape, lai), "view_zenith_angle": angles}, parameters)


def test_effective_leaf_area_is_the_product() -> None:
    found = EFFECTIVE.evaluate({"lai": [2.0, 4.0, 4.0]}, {"clumping": 0.7, "retrieval_factor": 1.2})
    np.testing.assert_allclose(found, [2.52, 3.36, 3.36], rtol=1e-12)
    np.testing.assert_array_equal(EFFECTIVE.evaluate({"lai": [0.0, 0.0]}), 0.0)


def test_random_leaves_of_spherical_orientation_are_seen_as_they_are_from_every_angle() -> None:
    np.testing.assert_allclose(seen(np.linspace(0.0, 75.0, 16), **RANDOM), 3.0, rtol=1e-12)


def test_worked_numbers_of_the_clumping_index() -> None:
    # Omega0 = 0.6, D = 2: q = 2.88; at 45 degrees theta^q = 0.7853982^2.88 = 0.498728, Omega = 0.6 / (0.6 + 0.4 exp(-1.097202)).
    wanted = 0.6 / (0.6 + 0.4 * 0.333804)
    np.testing.assert_allclose(seen(45.0, nadir_clumping=0.6, crown_depth_ratio=2.0, leaf_orientation=0.0), 3.0 * wanted, rtol=1e-5)
    np.testing.assert_allclose(seen(0.0, nadir_clumping=0.6, crown_depth_ratio=2.0, leaf_orientation=0.0), 1.8, rtol=1e-12)


def test_inverts_a_gap_probability() -> None:
    # Gap by its own formula, then the formula of the retrieval, as an instrument does it.
    theta, chi, lai, omega = 30.0, 0.3, 2.5, 0.8
    phi1 = 0.5 - 0.633 * chi - 0.33 * chi**2
    along = np.cos(np.radians(theta))
    towards = omega / (omega + (1 - omega) * np.exp(-2.2 * np.radians(theta) ** (3.8 - 0.46 * 3.0)))
    gap = np.exp(-(phi1 + 0.877 * (1 - 2 * phi1) * along) * towards * lai / along)
    found = seen(theta, lai, nadir_clumping=omega, crown_depth_ratio=3.0, leaf_orientation=chi)
    np.testing.assert_allclose(found, -np.log(gap) * along / 0.5, rtol=1e-12)


def test_crowns_hide_gaps_towards_the_horizon() -> None:
    angles = np.linspace(0.0, 75.0, 31)
    found = seen(angles, nadir_clumping=0.5, leaf_orientation=0.0)
    assert (np.diff(found) > 0).all() and (found < 3.0).all()
    slender, round_crowns = (seen(60.0, nadir_clumping=0.5, crown_depth_ratio=d) for d in (5.0, 1.0))
    assert abs(float(slender[0] - round_crowns[0])) > 0.01


def test_orientation_hardly_matters_near_57_degrees_and_does_from_above() -> None:
    flat, upright = ({"nadir_clumping": 1.0, "leaf_orientation": x} for x in (0.4, -0.4))
    assert abs(float(seen(57.5, **flat)[0] / seen(57.5, **upright)[0]) - 1.0) < 0.06
    assert float(seen(0.0, **flat)[0]) > 1.5 * float(seen(0.0, **upright)[0])


def test_a_dense_canopy_is_not_lost_to_rounding() -> None:
    np.testing.assert_allclose(seen(75.0, lai=600.0, **RANDOM), 600.0, rtol=1e-12)


def test_gradients_are_finite_straight_down() -> None:
    lai, angle = pt.dvector("lai"), pt.dvector("angle")
    shape = {n: pt.dscalar(n) for n in GAP.parameter_table}
    output = GAP({"lai": lai, "view_zenith_angle": angle}, shape)
    wanted = [lai, angle, *shape.values()]
    slopes = pytensor.function(wanted, pytensor.grad(output.sum(), wanted), mode=Mode("py", None))
    for slope in slopes(np.array([0.0, 2.0]), np.zeros(2), *GAP.defaults.values()):
        assert np.isfinite(slope).all()


def test_projection_of_spherical_leaves_is_a_half() -> None:
    assert projection(0.0) == (0.5, 0.0)
