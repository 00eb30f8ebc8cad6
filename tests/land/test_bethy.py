"""BETHY against runs of the source, and the properties of its default form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from cardamom import reference_folder
from interpreted import interpreted
from pytensor.compile.mode import Mode

from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import bethy, bethy_types
from lsm_bayes.land.bethy_declared import DailyParameters, FastFluxes, Nothing, State, WithinDayForcing
from lsm_bayes.land.bethy_step import SOURCE, Form, Structure, hour_of

FILE = "lsm/bethy_runs.nc"
STRUCTURES = {"cold": [4, 5, 6, 8, 11], "warm": [1, 2, 3, 7], "grass": [9, 12, 13], "C4": [10]}
GROUPS = ("base", "pert1", "pert2")
SAME = {  # parameters by their names in the fixture
    "energy_vcmax": "e_v",
    "energy_respiration": "e_rd",
    "leaf_respiration_share": "f_aut_leaf",
    "growth_respiration_fraction": "ccost",
    "lai_max": "lai_max",
    "leaf_temperature": "t_phi",
    "leaf_temperature_range": "t_r",
    "leaf_day_length": "day_c",
    "leaf_day_length_range": "day_r",
    "leaf_growth_rate": "xi",
    "leaf_shedding_rate": "k_l",
    "water_use_time": "tau_w",
    "water_capacity": "w_max",
    "soil_albedo_wet": "rho_soil_wet",
    "soil_albedo_dry": "rho_soil_dry",
    "litter_q10": "q10_fast",
    "slow_q10": "q10_slow",
    "litter_turnover": "tau_f",
    "moisture_exponent": "kappa",
    "slow_fraction": "f_slow",
    "leaf_area": "lai_max",
    "snow_albedo": "rho_soil_dry",
}
C3 = {"jmax_ratio": ("jv_ratio", 1.0), "quantum_yield": ("alpha_q", 1.0), "michaelis_co2": ("kc", 1e6), "michaelis_oxygen": ("ko", 1e3)}
C3 |= {"compensation_slope": ("gamma_slope", 1e6), "energy_michaelis_co2": ("e_c", 1.0), "energy_michaelis_oxygen": ("e_o", 1.0)}
C4 = {"pep_slope": ("jv_ratio", 1e3), "quantum_yield_c4": ("alpha_i", 1.0), "energy_pep": ("e_k", 1.0)}
FLUXES = {
    "gpp": "gpp",
    "npp": "npp",
    "maintenance_respiration": "r_maint",
    "growth_respiration": "r_growth",
    "transpiration": "transp",
    "interception_evaporation": "evap_int",
    "soil_evaporation": "evap_soil",
    "sublimation": "subl",
    "snow_melt": "melt",
    "throughfall": "throughfall",
    "runoff": "runoff",
    "transpiration_demand": "transp_demand",
    "leaf_litterfall": "leaf_shed",
    "litter_respiration": "resp_fast",
    "slow_soil_respiration": "resp_slow",
}
STATES = {
    "leaf_area": "lai",
    "plant_available_water": "w",
    "snow_water": "swe",
    "snow_height": "snow_h",
    "snow_albedo": "snow_albedo",
    "canopy_water": "lint_w",
    "skin_water": "s_evap",
    "temperature_memory": "t_m",
    "water_limited_area": "lai_w",
    "largest_area_memory": "lai_hi",
    "crown_cover": "f_cover",
}


def series(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=float).T


def weather(top: xr.Dataset, cells: list[int], co2: np.ndarray, days: int) -> dict[str, np.ndarray]:
    times = len(co2) // len(cells)
    given = {n: np.tile(series(top[n].values[:days, cells]), (times, 1)) for n in ("tmin", "tmax", "sw", "precip")}
    ones = np.ones((len(co2), days))
    return {
        "day_of_year": ones * (np.arange(days) % 365 + 1.0),
        "latitude": ones * np.tile(top["latitude"].values[cells], times)[:, None],
        "elevation": 0.0 * ones,
        "co2": ones * co2[:, None],
        "air_temperature_min": given["tmin"],
        "air_temperature_max": given["tmax"],
        "shortwave_down": 0.0864 * given["sw"],
        "precipitation": given["precip"],
        "solar_hour": np.tile(np.arange(24) + 0.5, (len(co2), days)),
    }


def warmed_up(temperature: np.ndarray) -> np.ndarray:
    memory = np.zeros(len(temperature))
    for today in temperature.T:
        memory = memory * np.exp(-1 / 30) + today * (1.0 - np.exp(-1 / 30))
    return memory


def values_of(group: xr.Dataset, types: list[int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Parameters and initial states of some cells of a run, and CO2."""
    cells = [t - 1 for t in types]
    given = {str(n)[2:]: np.asarray(v.values[cells], dtype=float) for n, v in group.data_vars.items() if str(n).startswith("p_")}
    found = {ours: given[theirs] for ours, theirs in SAME.items()} | {"vcmax25": 1e6 * given["v_cmax"]}
    found |= {ours: scale * given[theirs] for ours, (theirs, scale) in (C4 if types == [10] else C3).items()}
    for name in ("specific_leaf_area", "vegetation_height", "nitrogen_decline"):
        found[name] = np.array([bethy_types.values(t)[name] for t in types])
    found["litter_per_shed_leaf"] = group["litter_factor"].values[cells]
    found["slow_respiration"] = group["slow_scale"].values[cells]
    found["plant_available_water"] = given["w0_fraction"] * given["w_max"]
    zero = ("water_limited_area", "largest_area_memory", "skin_water", "canopy_water", "snow_water", "snow_height", "litter_carbon")
    found |= {n: np.zeros(len(types)) for n in zero} | {n: np.full(len(types), v) for n, v in (("root_supply", 0.5), ("crown_cover", 1.0))}
    return found, 1e6 * given["ca"]


def reference_run(kind: str, days: int, groups: tuple[str, ...] = GROUPS) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], Any]:
    """Forcing and values of the cells of one structure in all runs, and the series of the fixture."""
    path, types = reference_folder(FILE) / FILE, STRUCTURES[kind]
    cells = [t - 1 for t in types]
    runs = [xr.open_dataset(path, group=g).load() for g in groups]
    parts = [values_of(run, types) for run in runs]
    values = {n: np.concatenate([v[n] for v, _ in parts]) for n in parts[0][0]}
    with xr.open_dataset(path) as top:
        co2 = np.concatenate([c for _, c in parts])
        forcing = weather(top, cells, co2, days)
        whole = weather(top, cells, co2, top.sizes["day"])
    temperature = 0.5 * (whole["air_temperature_min"] + whole["air_temperature_max"])
    values["temperature_memory"] = warmed_up(temperature)

    def wanted(name: str, until: int | None = None) -> np.ndarray:
        return np.concatenate([run[name].values[:until, cells] for run in runs], axis=1).astype(float)

    values["litter_carbon"] = spun_up_litter(values, temperature, wanted)
    return forcing, values, lambda name: wanted(name, days)


def spun_up_litter(values: dict[str, np.ndarray], temperature: np.ndarray, wanted: Any) -> np.ndarray:
    """Litter after the source has run the years of the fixture 51 times."""
    water = (1.0 - 2e-4) * wanted("w") / values["water_capacity"] + 1e-4
    moist = 1e-3 + (1.0 - 1e-3) * water ** values["moisture_exponent"]
    rate = moist * values["litter_q10"] ** (temperature.T / 10.0) * values["litter_turnover"] / 365.0
    fallen = values["litter_per_shed_leaf"] * wanted("leaf_shed")
    litter = np.zeros(rate.shape[1])
    for _ in range(51):
        for k, f in zip(rate, fallen, strict=True):
            litter = f / k + (litter - f / k) * np.exp(-k)
    return litter


@pytest.mark.parametrize("days", [45, pytest.param(730, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", STRUCTURES)
def test_runs_of_the_source(kind: str, days: int) -> None:
    forcing, values, wanted = reference_run(kind, days)
    model = bethy.of_type(STRUCTURES[kind][0], original=True)
    got = interpreted(model, forcing, values)
    for names, shift in ((FLUXES, 0), (STATES, 1)):
        for ours, theirs in names.items():
            # Most of the fixture is stored with 24 bits.
            exact = theirs in ("gpp", "w", "lai")
            expected = wanted(theirs)
            tolerance = {"rtol": 1e-9 if exact else 1e-7, "atol": 1e-9 * max(1e-3, np.abs(expected).max())}
            np.testing.assert_allclose(got[ours][shift:], expected, **tolerance, err_msg=ours)
    evaporated = sum(wanted(n) for n in ("transp", "evap_int", "evap_soil", "subl"))
    np.testing.assert_allclose(got["evapotranspiration"], evaporated, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got["lai"], np.vstack([values["leaf_area"], wanted("lai")[:-1]]), rtol=1e-9)


@pytest.fixture(scope="module")
def default_run() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A year of the default form with the weather and parameters of the fixture: forcing, values, outputs."""
    forcing, values, _ = reference_run("cold", 365, ("base",))
    return forcing, values, interpreted(bethy.BETHY, forcing, values)


def test_water_and_carbon_are_conserved_every_day(default_run: Any) -> None:
    forcing, _, got = default_run
    water = sum(got[n] for n in ("plant_available_water", "snow_water", "canopy_water"))
    gain, loss = got["precipitation"], got["evapotranspiration"] + got["runoff"]
    np.testing.assert_allclose(np.diff(water, axis=0), gain - loss, atol=1e-8 * np.abs(gain).max())
    carbon = sum(got[n] for n in ("litter_carbon", "vegetation_carbon", "slow_soil_carbon"))
    np.testing.assert_allclose(np.diff(carbon, axis=0), -got["nee"], atol=1e-8 * got["gpp"].max())
    np.testing.assert_allclose(got["precipitation"], forcing["precipitation"].T)


def test_stores_stay_positive(default_run: Any) -> None:
    _, values, got = default_run
    for name in ("plant_available_water", "snow_water", "canopy_water", "skin_water", "snow_height", "leaf_area", "litter_carbon"):
        assert got[name].min() >= -1e-12, name
    assert np.all(got["plant_available_water"] <= values["water_capacity"] + 0.1)  # dew
    assert np.all((got["snow_albedo"] > 0) & (got["snow_albedo"] < 1)) and np.all((got["crown_cover"] > 0) & (got["crown_cover"] <= 1))


def test_hours_add_up_to_the_day(default_run: Any) -> None:
    forcing, _, got = default_run
    for name in ("gpp", "transpiration", "interception_evaporation", "soil_evaporation", "sublimation", "latent_heat", "sensible_heat"):
        np.testing.assert_allclose(got[f"subdaily_{name}"].mean(axis=1), got[name], rtol=1e-12, atol=1e-12, err_msg=name)
    closed = got["subdaily_latent_heat"] + got["subdaily_sensible_heat"] + got["subdaily_ground_heat"]
    np.testing.assert_allclose(closed, got["subdaily_net_radiation"], atol=1e-10)
    # 2.3 to 2.83 MJ kg-1, and no more evaporation of snow and canopy than they held.
    heat = got["latent_heat"] * 0.0864 / np.where(got["evapotranspiration"] > 0.05, got["evapotranspiration"], np.nan)
    assert np.nanmin(heat) > 2.3 and np.nanmax(heat) < 2.84
    assert np.all(got["sublimation"] <= got["snow_water"][:-1] + 1e-12)
    assert np.all(got["interception_evaporation"] <= got["canopy_water"][:-1] + 1e-12)
    # The light of the course is that of the day.
    light = got["subdaily_par_down"].mean(axis=1)
    bright = forcing["shortwave_down"].T / 0.0864 > 20.0
    assert np.all((light > 0.4 * forcing["shortwave_down"].T / 0.0864)[bright]) and np.all(
        (light < 0.7 * forcing["shortwave_down"].T / 0.0864)[bright]
    )


def test_the_default_is_near_the_source(default_run: Any) -> None:
    # Its quirks matter, so that no number is exact; gross errors would show.
    _, _, got = default_run
    _, _, wanted = reference_run("cold", 365, ("base",))
    gpp = got["gpp"].sum(axis=0) / wanted("gpp").sum(axis=0)
    assert np.all((gpp > 0.85) & (gpp < 1.35))
    evaporated = got["evapotranspiration"].sum(axis=0) / sum(wanted(n) for n in ("transp", "evap_int", "evap_soil", "subl")).sum(axis=0)
    assert np.all((evaporated > 0.5) & (evaporated < 1.3))


def hours(*forms: Form, weights: np.ndarray | None = None) -> Any:
    """The step of an hour in some forms, as a function of all inputs at once; with weights, the gradient of a sum of its fluxes."""
    owners = (State, WithinDayForcing, DailyParameters)
    groups = [[pt.dvector(n) for n in o._fields] for o in owners]
    state, forcing, values = (o(*g) for o, g in zip(owners, groups, strict=True))
    found = [hour_of(Structure(), form)(Nothing(), state, forcing, values)[1] for form in forms]
    outputs = [pt.stack(pt.broadcast_arrays(*fluxes)) for fluxes in found]
    if weights is not None:
        loss = sum((w * v).sum() for w, v in zip(weights, found[0], strict=True))
        outputs = pytensor.grad(loss, [*groups[0], *groups[2]], disconnected_inputs="ignore")
    # Without rewriting: of so long a graph it would take longer than all else.
    return pytensor.function([v for g in groups for v in g], outputs, mode=Mode("py", None), on_unused_input="ignore")


def cases(n: int = 60, seed: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    lowest = rng.uniform(-12, 20, n)
    varied = {
        "day_of_year": rng.integers(1, 366, n).astype(float),
        "latitude": rng.uniform(-60, 66, n),
        "elevation": rng.uniform(0, 2000, n),
        "co2": rng.uniform(370, 420, n),
        "air_temperature_min": lowest,
        "air_temperature_max": lowest + rng.uniform(3, 14, n),
        "shortwave_down": rng.uniform(1, 24, n),
        "solar_hour": rng.integers(0, 24, n) + 0.5,
        "leaf_area": rng.uniform(0.2, 6, n),
        "crown_cover": rng.uniform(0.3, 1, n),
        "plant_available_water": rng.uniform(10, 140, n),
        "snow_water": rng.uniform(0, 30, n),
        "snow_height": rng.uniform(0, 0.2, n),
        "canopy_water": rng.uniform(0.01, 0.5, n),
    }
    declared = {k: d for k, (_, d) in bethy.BETHY.calibrated.items()}
    return {k: np.full(n, v) for k, v in declared.items()} | varied


def arranged(given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [given[n] for o in (State, WithinDayForcing, DailyParameters) for n in o._fields]


def test_gradients_of_an_hour_against_differences() -> None:
    given, names = cases(30), (*State._fields, *DailyParameters._fields)
    step = hours(Form())
    weights = 1.0 / np.maximum(np.abs(step(*arranged(given))[0]).mean(axis=1), 1e-6)
    gradient = np.array(hours(Form(), weights=weights)(*arranged(given)))
    # Five points for each input, all at once: the error is of fourth order.
    size = {n: 1e-4 * np.maximum(np.abs(given[n]), 1e-3) for n in names}
    moved = [given | {n: given[n] + times * size[n]} for n in names for times in (1.0, -1.0, 2.0, -2.0)]
    fluxes = step(*(np.concatenate(v) for v in zip(*(arranged(m) for m in moved), strict=True)))[0]
    a, b, c, d = np.moveaxis((weights[:, None] * fluxes).sum(axis=0).reshape(len(names), 4, 30), 1, 0)
    steps = np.array([size[n] for n in names])
    numeric = (8.0 * (a - b) - (c - d)) / (12.0 * steps)
    level = (weights[:, None] * np.abs(step(*arranged(given))[0])).sum(axis=0)
    off = np.abs(gradient - numeric) / np.maximum(np.abs(numeric), 1e-9 * level / steps)
    worst = dict(zip(names, off.max(axis=1), strict=True))
    assert max(worst.values()) < 1e-6, {n: w for n, w in worst.items() if w > 1e-6}


def test_the_smooth_form_converges_to_the_hard_one() -> None:
    widths = (0.0, 1.0, 0.1, 1e-4)
    hard, *smooth = hours(*(Form(0.5 * w, 1.0 * w, 0.02 * w) for w in widths))(*arranged(cases(200)))
    off = [np.abs(v - hard).max(axis=1) for v in smooth]
    size = np.abs(hard).max(axis=1)
    assert np.all(off[1] <= off[0] + 1e-9 * size) and np.all(off[2] < 1e-4 * size)


def test_quirks_change_what_they_are_about() -> None:
    about = {
        "whole_hours": "subdaily_air_temperature",
        "light_lost": "subdaily_par_down",
        "ice_slip": "subdaily_canopy_evaporation_potential",
        "shifted_snow_light": "subdaily_net_radiation",
        "water_of_source": "subdaily_soil_evaporation",
        "deep_nitrogen": "subdaily_gpp",
        "frozen_electrons": "subdaily_gpp",
    }
    plain, *changed = hours(Form(), *(Form()._replace(**{quirk: True}) for quirk in about))(*arranged(cases()))
    names = FastFluxes._fields
    for (quirk, flux), found in zip(about.items(), changed, strict=True):
        assert np.abs(found - plain)[names.index(flux)].max() > 1e-6, quirk
    assert all(SOURCE[3:])


@pytest.mark.parametrize("number", range(1, 14))
def test_plant_types_have_values_and_priors_of_their_model(number: int) -> None:
    model: ProcessModel = bethy.of_type(number)
    table, given = model.parameter_table, bethy_types.values(number)
    assert given.keys() <= table.keys()
    for name, value in given.items():
        assert table[name][0].bounds[0] <= value <= table[name][0].bounds[1], name
    for name, prior in bethy_types.priors(number).items():
        assert prior.centre == given[name]
    assert bethy.of_type(number) is model


def test_an_unknown_plant_type_lists_what_exists() -> None:
    with pytest.raises(KeyError, match="unknown plant functional type 14.*5 \\(evergreen conifer\\)"):
        bethy.of_type(14)
