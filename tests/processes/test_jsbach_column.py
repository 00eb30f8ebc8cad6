"""Surface, soil water and plant carbon of JSBACH: check values, conservation, limits of the smooth form, gradients."""

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from lsm_tables import check_gradients

from lsm_bayes.processes import cbalance, layered_bucket
from lsm_bayes.processes import implicit_surface as skin

SOIL = layered_bucket.Soil(0.45, 0.3, 0.105, 4e-6, 0.2, 6.0, 0.3)
TRAITS = cbalance.Traits(0.00916, 5.0, 2.0, 28800.0, 0.3, 0.05, 0.05, 1.37e-4, 21915.0, 0.0)


def number(x: float) -> Any:
    return pt.constant(np.float64(x))


def value(result: Any) -> list[float]:
    return [float(v) for v in pytensor.function([], list(result), mode="FAST_COMPILE")()]


def test_infiltration_of_the_specification() -> None:
    (entered,) = value([layered_bucket.infiltrated(number(20.0), number(60.0), number(100.0), 0.2, 0.0)])
    assert 20.0 - entered == pytest.approx(3.5169642, rel=1e-7)
    full = [layered_bucket.infiltrated(number(a), number(60.0), number(100.0), 0.2, 0.0) for a in (0.0, 1e3)]
    assert value(full) == pytest.approx([0.0, 40.0], abs=1e-10)


def test_roots_fill_layers_from_above() -> None:
    depths = value(layered_bucket.rooted(number(1.5)))
    assert depths == pytest.approx([0.065, 0.254, 0.913, 0.268, 0.0])
    smooth = value(layered_bucket.rooted(number(1.5), width=0.02))
    assert sum(smooth) == pytest.approx(1.5) and smooth == pytest.approx(depths, abs=1e-3)


@pytest.mark.parametrize("widths", [layered_bucket.EXACT, layered_bucket.SMOOTH])
def test_soil_water_is_conserved_and_below_field_capacity(widths: layered_bucket.Widths) -> None:
    rng = np.random.default_rng(1)
    thickness = np.array(layered_bucket.THICKNESS)
    fraction = rng.uniform(0.2, 1.0, (5, 200))
    water = fraction * 300.0 * thickness[:, None]
    gained = [rng.exponential(2.0, 200), *(-rng.uniform(0.0, 0.2, (4, 200)))]
    symbols = [pt.dvector() for _ in range(10)]
    found = layered_bucket.step(symbols[:5], symbols[5:], SOIL, 3600.0, widths=widths)
    *after, drained = pytensor.function(symbols, [*found.water, found.drainage], mode="FAST_COMPILE")(*water, *gained)
    np.testing.assert_allclose(np.sum(after, axis=0) + drained, water.sum(axis=0) + np.sum(gained, axis=0), rtol=1e-13)
    assert np.all(drained >= 0) and np.all(np.array(after) > 0)
    assert np.all(np.array(after) <= 300.0 * thickness[:, None] * (1 + 1e-12) + (0 if widths == layered_bucket.EXACT else 0.02))


def test_wet_soil_percolates_and_dry_soil_draws_water_up() -> None:
    top = [18.0, 40.0, 150.0, 500.0, 1000.0]
    calm = [0.0] * 5
    after = value(layered_bucket.step([number(w) for w in top], calm, SOIL, 3600.0).water)
    assert after[0] < top[0] and after[1] > top[1]
    dry = [8.0, 70.0, 250.0, 800.0, 1600.0]
    after = value(layered_bucket.step([number(w) for w in dry], calm, SOIL, 3600.0).water)
    assert after[0] > dry[0]


def surface(ts: Any, t2: Any, shortwave: Any, wind: Any, vapour: Any, roughness: Any, snow: Any) -> skin.Balance:
    humid = skin.specific_humidity(ts, 1e5)
    richardson = 98.0 * (15.0 - ts) / (wind**2 * 288.0)
    drag = skin.drag(skin.neutral_drag(10.0, roughness), richardson, 10.0, roughness)
    cover = skin.snow_cover(snow, 50.0)
    wet = ((cover, cover * vapour, skin.SUBLIMATION), (0.5 * (1.0 - cover), 0.5 * (1.0 - cover) * vapour, skin.VAPORISATION))
    return skin.balance([ts, t2], [1.5e5, 6e5], [10.0], shortwave, 320.0, 1.2 * drag * wind, 15.0, humid, wet, 3600.0)


POINT = {
    "ts": [18.0, 5.0],
    "t2": 12.0,
    "shortwave": [500.0, 0.0],
    "wind": [3.0, 1.5],
    "vapour": 0.007,
    "roughness": 1.0,
    "snow": [0.1, 20.0],
}


def test_the_surface_conserves_energy() -> None:
    symbols = {n: pt.dvector(n) for n in POINT}
    b = surface(**symbols)
    outputs = [*b.temperatures, b.net_radiation, b.sensible_heat, *b.evaporation]
    values = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=float)) for v in POINT.values()))
    t1, t2, net, heat, ice, water = pytensor.function(list(symbols.values()), outputs, mode="FAST_COMPILE")(*values)
    stored = (1.5e5 * (t1 - values[0]) + 6e5 * (t2 - values[1])) / 3600.0
    np.testing.assert_allclose(net - heat - skin.SUBLIMATION * ice - skin.VAPORISATION * water, stored, atol=1e-9)
    np.testing.assert_allclose(10.0 * (t1 - t2), 6e5 * (t2 - values[1]) / 3600.0, atol=1e-9)  # with temperatures at the end


def test_gradients_of_the_surface() -> None:
    check_gradients(surface, POINT)


def test_stable_air_exchanges_less() -> None:
    weak, neutral, strong = value([skin.drag(number(0.02), number(r), 10.0, 1.0) for r in (0.2, 0.0, -0.2)])
    assert weak < 0.5 * neutral < strong and neutral == pytest.approx(0.02)


def carbon(green: Any, wood: Any, reserve: Any, production: Any, area: Any, before: Any, widths: Any = cbalance.SMOOTH) -> cbalance.Day:
    return cbalance.day(cbalance.Plants(green, wood, reserve), production, area, before, TRAITS, widths)


CARBON = {"green": [1500.0, 2150.0, 800.0, 10.0], "wood": [8000.0, 28700.0, 8000.0, 100.0], "reserve": [800.0, 1091.0, 0.5, 5.0]}
CARBON |= {"production": [4.0, 6.0, -3.0, 0.01], "area": [4.0, 5.0, 3.0, 0.1], "before": [3.95, 4.97, 3.2, 0.101]}


@pytest.mark.parametrize("widths", [cbalance.EXACT, cbalance.SMOOTH])
def test_plant_carbon_is_conserved(widths: cbalance.Widths) -> None:
    symbols = {n: pt.dvector(n) for n in CARBON}
    d = carbon(**symbols, widths=widths)
    outputs = [pt.as_tensor(v) for v in (*d.plants, *d[1:])]
    g, w, r, litter, dead, exudates, grazed, excess, unpaid = pytensor.function(list(symbols.values()), outputs, mode="FAST_COMPILE")(
        *CARBON.values()
    )
    before = sum(np.array(CARBON[n]) for n in ("green", "wood", "reserve"))
    gone = litter + dead + exudates + grazed + excess - unpaid
    np.testing.assert_allclose(g + w + r - before, np.array(CARBON["production"]) - gone, atol=1e-10)
    assert np.all(np.array([g, w, r, litter, excess]) >= -1e-12)
    assert unpaid[2] > 2.0 and np.all(np.delete(unpaid, 2) < 0.03)  # reserves that are gone pay no respiration


def test_plant_carbon_converges_to_the_hard_form() -> None:
    symbols = {n: pt.dvector(n) for n in CARBON}
    forms = (cbalance.EXACT, *(cbalance.Widths(*(s * w for w in cbalance.SMOOTH)) for s in (1.0, 1e-3)))
    outputs = [pt.stack([*d.plants, *d[1:]]) for d in (carbon(**symbols, widths=w) for w in forms)]
    hard, wide, narrow = pytensor.function(list(symbols.values()), outputs, mode="FAST_COMPILE")(*CARBON.values())
    assert np.abs(narrow - hard).max() < 0.05 < np.abs(wide - hard).max() < 1.0


def test_gradients_of_plant_carbon() -> None:
    def larger_outputs(**inputs: Any) -> Any:
        d = carbon(**inputs)
        return *d.plants, d.green_litter, d.wood_litter, d.unpaid  # what is respired in excess is the rounding of the others here

    check_gradients(larger_outputs, CARBON)
