"""LoGro-P against two years of the original for twenty plots, and its smooth form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from lsm_tables import Table, check_gradients, evaluate, flat, rows, table, worst

from lsm_bayes.processes import logro_p_crop as crop
from lsm_bayes.processes import logro_p_phenology as plants

KINDS = {"summergreen": 1, "evergreen": 2, "raingreen": 3, "grass": 4, "crop": 5}
DAYS = 730


def plots(kind: str) -> Table:
    found = table("jsbach_phenology")
    return rows(found, found["type"] == KINDS[kind])


def stepped(function: Callable[..., Any], start: list[np.ndarray], inputs: Callable[[int], list[np.ndarray]]) -> np.ndarray:
    """Repeat a step of vectors, and return its states (state, plot, day)."""
    symbols = [pt.dvector() for _ in [*start, *inputs(0)]]
    step = pytensor.function(symbols, flat(function(*symbols)), mode="FAST_COMPILE", on_unused_input="ignore")
    state, found = start, []
    for day in range(DAYS):
        state = step(*state, *inputs(day))
        found.append(np.stack(state))
    return np.stack(found, axis=-1)


@pytest.mark.parametrize("kind", ["summergreen", "evergreen"])
def test_trees_with_phases(kind: str) -> None:
    r, evergreen = plots(kind), kind == "evergreen"
    p = plants.EVERGREEN if evergreen else plants.SUMMERGREEN
    zero = np.zeros(len(r["lat"]))

    def step(area: Any, *rest: Any) -> Any:
        after = plants.season(plants.Season(*rest[:6]), rest[6], rest[7], rest[8], p, evergreen, plants.EXACT)
        return plants.leaf_area(area, after, rest[9], p, plants.EXACT), after

    def inputs(day: int) -> list[np.ndarray]:
        starting = np.where(np.where(r["lat"] >= 0, 1, 183) == day % 365 + 1, 1.0, 0.0)
        return [r["t_day"][:, day], r["t_pseudo"][:, day], starting, r["lai_max"]]

    area, resting, growing, _, counting, heat, chill = stepped(
        step, [zero + 0.6, zero if evergreen else zero + 1, zero, zero, zero, zero, zero], inputs
    )
    assert len({*r["phase"].ravel()}) == (2 if evergreen else 3)
    assert worst(area, r["lai"]) < 1e-9
    assert worst(1.0 - 2.0 * resting - growing, r["phase"]) == 0.0
    assert worst(np.where(counting > 0.5, heat, -99.0), r["heat_sum"]) < 1e-9
    assert worst(chill, r["chill_or_winter"]) == 0.0


def test_raingreens() -> None:
    r = plots("raingreen")

    def step(area: Any, water: Any, production: Any, largest: Any) -> Any:
        return plants.raingreen(area, water, production, largest, plants.Raingreen(), plants.EXACT)

    area = stepped(step, [np.full(len(r["lat"]), 0.6)], lambda d: [r["w_fill"][:, d], r["npp"][:, d], r["lai_max"]])
    assert worst(area[0], r["lai"]) < 1e-9


def test_grass() -> None:
    r = plots("grass")

    def step(area: Any, temperature: Any, water: Any, production: Any, largest: Any) -> Any:
        return plants.grass(area, temperature, water, production, largest, plants.Grass(), plants.EXACT)

    area = stepped(step, [np.full(len(r["lat"]), 0.6)], lambda d: [r["t_day"][:, d], r["w_fill"][:, d], r["npp"][:, d], r["lai_max"]])
    assert worst(area[0], r["lai"]) < 1e-9


def test_crops() -> None:
    r = plots("crop")
    zero = np.zeros(len(r["lat"]))

    def step(area: Any, phase: Any, heat: Any, winter: Any, soil: Any, mean: Any, production: Any, water: Any, *rest: Any) -> Any:
        latitude, per_carbon, largest, *today = rest
        after = crop.season(crop.Season(phase, heat, winter), soil, mean, production, crop.Dates(*today), crop.Crop())
        area = crop.leaf_area(area, after.phase, latitude, soil, water, production, per_carbon, largest, crop.Crop(), plants.EXACT)
        return area, after

    def inputs(day: int) -> list[np.ndarray]:
        mean = 0.5 * (r["tmin"][:, day] + r["tmax"][:, day])
        changing = [r["t_pseudo"][:, day], mean, r["npp"][:, day], r["w_fill"][:, day]]
        return [*changing, r["lat"], r["sla_c"], r["lai_max"], *crop.dates(zero + day % 365 + 1, r["lat"])]

    area, phase, heat, winter = stepped(step, [zero + 0.6, zero - 1, zero, zero], inputs)
    assert worst(area, r["lai"]) < 1e-9
    assert worst(phase, r["phase"]) == 0.0
    assert worst(heat, r["heat_sum"]) < 1e-9
    assert worst(winter, r["chill_or_winter"]) < 1e-9


def summergreen(widths: plants.Widths) -> Callable[..., Any]:
    def step(area: Any, resting: Any, growing: Any, clock: Any, heat: Any, chill: Any, air: Any, soil: Any, least: Any, rate: Any) -> Any:
        p = plants.SUMMERGREEN._replace(least_heat=least, growth_rate=rate)
        after = plants.season(plants.Season(resting, growing, clock, 1.0, heat, chill), air, soil, 0.0, p, False, widths)
        return plants.leaf_area(area, after, 5.0, p, widths), after

    return step


POINT = {
    "area": 0.5,
    "resting": 0.6,
    "growing": 0.3,
    "clock": 61.0,
    "heat": 75.0,
    "chill": 30.0,
    "air": 8.0,
    "soil": 9.0,
    "least": 30.0,
    "rate": 0.087,
}


def test_gradients_of_the_smooth_form() -> None:
    check_gradients(summergreen(plants.SMOOTH), POINT)
    check_gradients(
        lambda area, temperature, water, production, rate: plants.grass(
            area, temperature, water, production * 1e-8, 5.0, plants.Grass(growth_rate=rate)
        ),
        {"area": 0.41, "temperature": 4.3, "water": 0.36, "production": 2.0, "rate": 0.09},
    )
    check_gradients(
        lambda area, water, production, rate: plants.raingreen(area, water, production * 1e-8, 5.0, plants.Raingreen(growth_rate=rate)),
        {"area": 0.41, "water": 0.41, "production": 2.0, "rate": 0.08},
    )
    check_gradients(
        lambda area, soil, water, production, share: crop.leaf_area(
            area, pt.as_tensor(1.0), pt.as_tensor(50.0), soil, water, production * 1e-7, 0.4, 5.0, crop.Crop(leaf_share=share)
        ),
        {"area": 0.41, "soil": 10.2, "water": 0.372, "production": 2.0, "share": 0.8},
    )


def test_smooth_form_converges_to_the_exact_one() -> None:
    # With exact thresholds all plants are in one phase.
    values = [np.array([v]) for v in (POINT | {"resting": 1.0, "growing": 0.0}).values()]
    exact = evaluate(summergreen(plants.EXACT), *values)
    off = [worst(evaluate(summergreen(plants.Widths(*(f * w for w in plants.SMOOTH))), *values), exact, 1.0) for f in (1.0, 0.03, 0.001)]
    assert off[0] > 100 * off[2] and off[2] < 1e-6


def test_evergreens_that_burst_bud_over_some_days_grow_leaves() -> None:
    symbols = [pt.dscalar() for _ in range(9)]
    after = plants.season(plants.Season(*symbols[:6]), *symbols[6:], plants.EVERGREEN, True)
    area = plants.leaf_area(pt.as_tensor(3.0), after, 5.0, plants.EVERGREEN)
    step = pytensor.function(symbols, [*after, area - 3.0], mode="FAST_COMPILE", on_unused_input="ignore")
    memory, gained, growing = [0.0, 0.0, 250.0, 0.0, 0.0, 0.0], 0.0, []
    for day in range(1, 366):
        warmth = 8.0 - 14.0 * np.cos(2.0 * np.pi * (day - 20) / 365.0)
        *memory, change = step(*memory, warmth, warmth, float(day == 1))
        gained += change
        growing.append(memory[1])
    # Sixty days of growth in spring, once.
    assert max(growing) > 0.9 and 50 < np.sum(growing) < 75 and growing[-1] < 0.01
    assert 0.2 < gained < 0.5  # 1.1 grown, 0.8 shed


def test_nan_goes_through() -> None:
    for name in ("area", "heat", "air", "soil", "clock", "resting"):
        for widths in (plants.EXACT, plants.SMOOTH):
            values = [np.array([np.nan if n == name else v]) for n, v in POINT.items()]
            assert np.isnan(evaluate(summergreen(widths), *values)[0]).all() or name in {"heat", "air", "clock"}
            assert any(np.isnan(v).any() for v in evaluate(summergreen(widths), *values))


def test_critical_heat_in_the_specification() -> None:
    # Chill of 40 days: 30 + 200 exp(-40 / 25) = 70.379304.
    cold = POINT | {"resting": 1.0, "growing": 0.0, "chill": 39.0, "soil": 3.0}
    growing = [
        evaluate(summergreen(plants.EXACT), *(np.array([v]) for v in (cold | {"heat": heat}).values()))[2].item()
        for heat in (70.3793, 70.37931)
    ]
    assert growing == [0.0, 1.0]
