"""D&B: the hour, water and snow are those of BETHY, and carbon is conserved in the pools of DALEC."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from interpreted import interpreted

from lsm_bayes.land import bethy, dalec_bethy
from lsm_bayes.land.bethy_declared import FastFluxes

YEARS = 1
SHARED = ("plant_available_water", "snow_water", "canopy_water", "skin_water", "snow_height", "snow_albedo", "crown_cover")
POOLS = dalec_bethy.POOLS


def weather(years: int = YEARS, members: int = 2) -> dict[str, np.ndarray]:
    """A cold and a warm place: latitudes 62 and 46."""
    rng = np.random.default_rng(3)
    days = np.arange(365 * years)
    season = -np.cos(2 * np.pi * (days - 15) / 365)
    mean = np.array([[4.0], [9.0]]) + np.array([[13.0], [9.0]]) * season + rng.normal(0, 2.5, (members, days.size))
    span = rng.uniform(4, 12, (members, days.size))
    light = np.array([[9.5], [12.0]]) + np.array([[9.0], [8.0]]) * season
    rain = rng.exponential(6.0, (members, days.size)) * (rng.random((members, days.size)) < 0.35)
    ones = np.ones((members, days.size))
    return {
        "day_of_year": ones * (days % 365 + 1.0),
        "latitude": ones * np.array([[62.0], [46.0]]),
        "elevation": 150.0 * ones,
        "co2": 385.0 * ones,
        "air_temperature_min": mean - span / 2,
        "air_temperature_max": mean + span / 2,
        "shortwave_down": np.maximum(0.3, light * rng.uniform(0.4, 1.1, (members, days.size))),
        "precipitation": rain,
        "solar_hour": np.tile(np.arange(24) + 0.5, (members, days.size)),
    }


@pytest.fixture(scope="module")
def run() -> dict[str, np.ndarray]:
    return interpreted(dalec_bethy.DALEC_BETHY, weather(), {})


def test_carbon_water_and_energy_are_conserved_every_day(run: dict[str, np.ndarray]) -> None:
    carbon = sum(run[n] for n in POOLS)
    np.testing.assert_allclose(np.diff(carbon, axis=0), -run["nee"], atol=1e-8 * run["gpp"].max())
    np.testing.assert_allclose(run["nee"], run["reco"] - run["gpp"], atol=1e-12)
    water = sum(run[n] for n in ("plant_available_water", "snow_water", "canopy_water"))
    lost = run["evapotranspiration"] + run["runoff"]
    np.testing.assert_allclose(np.diff(water, axis=0), run["precipitation"] - lost, atol=1e-8 * run["precipitation"].max())
    given = run["latent_heat"] + run["sensible_heat"] + run["ground_heat"]
    np.testing.assert_allclose(run["net_radiation"], given, atol=1e-8 * np.abs(run["net_radiation"]).max())


def test_what_production_is_divided_into_adds_up(run: dict[str, np.ndarray]) -> None:
    parts = run["allocation_to_labile"] + run["allocation_to_roots"] + run["allocation_to_wood"]
    np.testing.assert_allclose(parts, run["npp"], atol=1e-12)
    for name in POOLS:
        assert run[name].min() > 0, name


def test_the_day_is_that_of_bethy_where_leaf_area_is_the_same(run: dict[str, np.ndarray]) -> None:
    # One day of BETHY from the states of D&B on some days, all at once.
    chosen = [40, 130, 200, 290]
    area = run["foliage_carbon"] / dalec_bethy.DALEC_BETHY.parameter_table["leaf_mass_area"][1]

    def rows(series: np.ndarray, shift: int = 0) -> np.ndarray:
        return np.concatenate([series[day + shift] for day in chosen])

    kept = (*SHARED, "temperature_memory", "water_limited_area", "largest_area_memory")
    states = {n: rows(run[n]) for n in kept} | {"leaf_area": rows(area)}
    hours = np.tile(np.arange(24) + 0.5, (2 * len(chosen), 1))
    today = {n: hours if n == "solar_hour" else rows(v.T)[:, None] for n, v in weather().items()}
    other = interpreted(bethy.BETHY, today, states)
    for name in ("gpp", "transpiration", "interception_evaporation", "sensible_heat", "runoff", "fapar", "autotrophic_respiration"):
        np.testing.assert_allclose(rows(run[name]), other[name][0], rtol=1e-11, atol=1e-13, err_msg=name)
    for name in SHARED[:-1]:
        np.testing.assert_allclose(rows(run[name], 1), other[name][1], rtol=1e-11, atol=1e-13, err_msg=name)


def test_leaves_come_from_the_labile_pool_and_grow_in_spring(run: dict[str, np.ndarray]) -> None:
    release, labile = run["labile_release"], run["labile_carbon"][:-1]
    assert np.all(release >= 0) and np.all(release <= dalec_bethy.MOBILE * labile + 1e-9)
    spring, winter = release[100:190].mean(axis=0), release[:60].mean(axis=0)
    assert np.all(spring > 3 * winter)


def test_a_canopy_that_is_given_nothing_ages_away() -> None:
    days = 90
    forcing = {n: v[:1, : 24 * days] if n == "solar_hour" else v[:1, :days] for n, v in weather().items()}
    starved = interpreted(dalec_bethy.DALEC_BETHY, forcing, {"labile_carbon": 1e-9, "f_labile": 1e-9})
    foliage = starved["foliage_carbon"]
    assert np.all(np.diff(foliage, axis=0) < 1e-6)
    least = np.exp(-days / 365.25 / dalec_bethy.DALEC_BETHY.parameter_table["leaf_lifespan"][1])
    assert np.all(foliage[-1] < least * foliage[0] * 1.01)


def test_at_equilibrium_what_comes_in_goes_out(run: dict[str, np.ndarray]) -> None:
    declared = dalec_bethy.DALEC_BETHY.equilibrium
    assert declared is not None
    mean = {n: run[n].mean(axis=0) for n in declared.needs}
    p: Any = SimpleNamespace(**{n: d for n, (_, d) in dalec_bethy.DALEC_BETHY.parameter_table.items()})
    pools = declared.pools(mean, p)
    factor = mean["decomposition_factor"]
    decomposed = p.decomposition_rate * factor * pools["litter_carbon"]
    wood, roots = p.wood_turnover * pools["wood_carbon"], p.root_turnover * pools["root_carbon"]
    np.testing.assert_allclose(wood, mean["allocation_to_wood"])
    np.testing.assert_allclose(roots, mean["allocation_to_roots"])
    np.testing.assert_allclose(p.litter_mineralisation * factor * pools["litter_carbon"] + decomposed, roots + mean["leaf_litterfall"])
    np.testing.assert_allclose(p.soil_mineralisation * factor * pools["soil_carbon"], wood + decomposed)


def day(weights: np.ndarray | None = None, **changed: float) -> Any:
    """The pools after a day, and some fluxes, as a function of states and parameters, with the hours held."""
    states = [pt.dvector(n) for n in dalec_bethy.State._fields]
    names = dalec_bethy.DailyParameters._fields
    parameters = [pt.dvector(n) for n in names]
    hours = FastFluxes(**{n: pt.as_tensor(v) for n, v in (HOURS | changed).items()})
    step = dalec_bethy.day_of(dalec_bethy.Structure(), dalec_bethy.Form())
    forcing = dalec_bethy.declared.DailyForcing(*(pt.constant(v) for v in (150.0, 60.0, 100.0, 390.0, 8.0, 18.0, 18.0, 3.0)))
    x, _, fluxes = step(
        dalec_bethy.State(*states), dalec_bethy.declared.Nothing(), hours, forcing, dalec_bethy.DailyParameters(*parameters)
    )
    outputs = [*x, fluxes.nee, fluxes.leaf_litterfall, fluxes.labile_release]
    if weights is not None:
        loss = sum((w * v).sum() for w, v in zip(weights, outputs, strict=True))
        outputs = pytensor.grad(loss, [*states, *parameters], disconnected_inputs="ignore")
    return pytensor.function([*states, *parameters], outputs, mode="FAST_COMPILE", on_unused_input="ignore")


HOURS = dict.fromkeys(FastFluxes._fields, 1.0) | {"subdaily_gpp": 6.0, "subdaily_par_down": 150.0, "subdaily_par_absorbed": 120.0}


def test_on_a_day_of_loss_wood_pays() -> None:
    before = {k: np.array([d]) for k, (_, d) in dalec_bethy.DALEC_BETHY.calibrated.items()}
    given = [before[n] for n in (*dalec_bethy.State._fields, *dalec_bethy.DailyParameters._fields)]
    dark, idle = (day(subdaily_gpp=gpp, subdaily_growth_respiration=0.0)(*given) for gpp in (0.0, 1.0))
    change = {n: (a - b).item() for n, a, b in zip(dalec_bethy.State._fields, dark, idle, strict=False)}
    assert change["wood_carbon"] == pytest.approx(-1.0, abs=0.02)
    assert sum(change[n] for n in POOLS) == pytest.approx(-1.0, abs=1e-12)


def test_gradients_of_a_day_against_differences() -> None:
    rng, n = np.random.default_rng(5), 12
    declared = {k: d for k, (_, d) in dalec_bethy.DALEC_BETHY.calibrated.items()}
    names = [*dalec_bethy.State._fields, *dalec_bethy.DailyParameters._fields]
    given = {k: declared[k] * rng.uniform(0.7, 1.3, n) for k in names}
    given |= {"crown_cover": rng.uniform(0.5, 0.9, n), "snow_water": rng.uniform(5, 20, n), "snow_height": rng.uniform(0.05, 0.2, n)}
    given |= {"canopy_water": rng.uniform(0.1, 0.4, n)}
    step = day()
    weights = 1.0 / np.maximum(np.abs(np.array(step(*given.values()))).mean(axis=1), 1e-6)
    gradient = np.array(day(weights)(*given.values()))
    for k, name in enumerate(names):
        size = 1e-4 * np.maximum(np.abs(given[name]), 1e-3)
        a, b, c, d = (
            (weights[:, None] * np.array(step(*(given | {name: given[name] + t * size}).values()))).sum(axis=0) for t in (1, -1, 2, -2)
        )
        numeric = (8.0 * (a - b) - (c - d)) / (12.0 * size)
        np.testing.assert_allclose(gradient[k], numeric, rtol=1e-6, atol=1e-7 / size.mean(), err_msg=name)


def test_a_state_that_is_not_a_number_is_passed_on() -> None:
    got = interpreted(
        dalec_bethy.DALEC_BETHY,
        {n: v[:1, :48] if n == "solar_hour" else v[:1, :2] for n, v in weather().items()},
        {"foliage_carbon": np.nan},
    )
    assert np.isnan(got["nee"][0]).all() and np.isnan(got["latent_heat"][0]).all()
