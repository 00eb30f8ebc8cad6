"""The two-pool model of OptIC: worked numbers, analytic derivatives, steady states."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from runs import run

from lsm_bayes.land import get
from lsm_bayes.land.optic import SEED, Forcing, Parameters, State, optic, stepper

OPTIC = get("optic")


def test_three_steps_of_the_specification() -> None:
    found = run(OPTIC, {"resource_availability": [1.0, 1.2, 0.8], "step_length": 1.0})
    np.testing.assert_allclose(found["plant_store"][1:, 0], [1.06, 1.18143966713, 1.19165954132], rtol=1e-11)
    np.testing.assert_allclose(found["soil_store"][1:, 0], [1.1, 1.202, 1.31808793343], rtol=1e-11)


@pytest.mark.parametrize("days", [1.0, 0.25])
def test_derivative_of_a_step_is_the_analytic_one(days: float) -> None:
    plant, soil, availability = 1.3, 0.8, 1.4
    p = Parameters(0.9, 1.7, 0.3, 0.08)
    x = pt.dvector("x")
    following, _ = stepper()(State(x[0], x[1]), Forcing(availability, days), p)
    jacobian = pt.stack([pytensor.grad(v, x) for v in following]).eval({x: [plant, soil]}, mode="FAST_COMPILE")
    by_plant = availability * p.plant_half_saturation / (p.plant_half_saturation + plant) ** 2 * soil / (p.soil_half_saturation + soil)
    by_soil = availability * plant / (p.plant_half_saturation + plant) * p.soil_half_saturation / (p.soil_half_saturation + soil) ** 2
    rates = np.array([[by_plant - p.plant_decay_rate, by_soil], [p.plant_decay_rate, -p.soil_decay_rate]])
    np.testing.assert_allclose(jacobian, np.eye(2) + days * rates, rtol=1e-12)


def test_long_run_with_constant_forcing_ends_in_the_active_steady_state() -> None:
    p = Parameters()
    ratio = p.plant_decay_rate / p.soil_decay_rate  # soil store over plant store
    # availability r x^2 = (k1 x - seed) (p1 + x) (p2 + r x), a cubic in the plant store x.
    growth = np.poly1d([ratio, 0.0, 0.0])
    losses = np.poly1d([p.plant_decay_rate, -SEED]) * np.poly1d([1.0, p.plant_half_saturation]) * np.poly1d([ratio, p.soil_half_saturation])
    roots = (growth - losses).roots
    active = roots[np.isreal(roots)].real.max()
    for model in (OPTIC, optic(substeps=3, name="optic_parts")):
        found = run(model, {"resource_availability": np.ones(3000), "step_length": 1.0}, {"plant_store": 5.0, "soil_store": 5.0})
        assert found["plant_store"][-1, 0] == pytest.approx(active, rel=1e-10)
        assert found["soil_store"][-1, 0] == pytest.approx(ratio * active, rel=1e-10)


def test_parts_of_a_step_are_shorter_steps() -> None:
    forcing = np.exp(0.3 * np.random.default_rng(2).normal(size=60))
    parts = run(optic(substeps=3, name="optic_parts"), {"resource_availability": forcing, "step_length": 1.0})
    short = run(OPTIC, {"resource_availability": np.repeat(forcing, 3), "step_length": 1.0 / 3.0})
    for name in ("plant_store", "soil_store"):
        np.testing.assert_allclose(parts[name], short[name][::3], rtol=1e-12)
    for name in ("production", "plant_decay", "soil_decay"):
        np.testing.assert_allclose(parts[name], short[name].reshape(60, 3, 1).mean(axis=1), rtol=1e-12)


def test_a_step_without_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one part, got substeps=0"):
        optic(substeps=0)
