import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr

from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import get, p_model
from lsm_bayes.processes import optimal_photosynthesis as leaf
from lsm_bayes.processes import snow, splash
from lsm_bayes.processes import water_properties as water
from lsm_bayes.programs import Program, program
from lsm_bayes.trajectory import Trajectory, columns_of

MODEL, SMOOTH = get("p_model"), get("p_model_smooth")
FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "p_model.json").read_text())
# rsofun's names and units: ours, and the factor to the unit of the vocabulary.
FORCING = {
    "temp": ("air_temperature", 1.0),
    "vpd": ("vapour_pressure_deficit", 1e-2),
    "ppfd": ("ppfd_down", 1e6),
    "fapar": ("fapar", 1.0),
    "co2": ("co2", 1.0),
    "patm": ("air_pressure", 1e-3),
    "rain": ("precipitation", 86400.0),
    "ccov": ("cloud_fraction", 1.0),
}
MEMORIES = {n: f"acclimated_{FORCING[n][0]}" for n in ("vpd", "patm", "co2")}
MEMORIES |= {"temp": "acclimated_temperature", "ppfd": "acclimated_ppfd"}
OUTPUTS = {
    "gpp": "gpp",
    "aet": "evapotranspiration",
    "pet": "potential_evapotranspiration",
    "cond": "condensation",
    "netrad": "net_radiation",
    "chi": "ci_to_ca",
    "wcont": "plant_available_water",
}
# Net radiation is a small difference of numbers that the original has in single precision.
NET = {n: 1e-3 if n == "netrad" else 0.0 for n in OUTPUTS}
# The site of the reference run. Its rain is given as liquid whatever the temperature.
SITE = {"latitude": 43.741390228271484, "elevation": 270.0}
CAPACITY, NO_SNOW = 432.375, -50.0
SPIN_UP = 10  # years


@cache
def compiled(derived: Program) -> Any:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    return pytensor.function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")


def run(
    forcing: Mapping[str, Any], values: Mapping[str, Any], names: tuple[str, ...] | None = None, model: ProcessModel = MODEL
) -> dict[str, np.ndarray]:
    """Fluxes (time, member) and states at the end of each step, for values of parameters and initial states: numbers or members."""
    fluxes = tuple(model.flux_quantities) if names is None else names
    states = tuple(model.state_parameters)
    derived = program(model, fluxes, states, (("step_length", 1.0),))
    given = [np.atleast_1d(values.get(n, default)) for n, (_, default) in model.calibrated.items()]
    table = np.ascontiguousarray(np.stack(np.broadcast_arrays(*given)), dtype=float)
    n = len(model.parameter_table)
    found_states, found = compiled(derived)(table[:n].copy(), table[n:].copy(), *columns_of(derived, forcing))
    return dict(zip(fluxes, found, strict=True)) | {s: v[1:] for s, v in zip(states, found_states, strict=True)}


def converted(forcing: Mapping[str, Any]) -> dict[str, Any]:
    """Forcing of rsofun as ours."""
    days = len(next(iter(forcing.values())))
    found = {ours: np.asarray(forcing[theirs], dtype=float) * factor for theirs, (ours, factor) in FORCING.items()}
    return found | {"day_of_year": np.arange(days) % 365 + 1.0} | {n: np.float64(v) for n, v in SITE.items()}


def numbers(expression: Any) -> np.ndarray:
    return np.asarray(pytensor.function([], expression, mode="FAST_COMPILE")())


def assert_gpp(got: np.ndarray, wanted: np.ndarray, p: Mapping[str, np.ndarray], run_: Mapping[str, np.ndarray], temperature: Any) -> None:
    """Equal to 1e-5, apart from the single precision of the original where differences of nearly equal numbers are small.

    These are one minus (cost / m)^(2/3) under a square root, and the parabola of the quantum yield. Arrays are (time, member).
    """
    tc = np.asarray(temperature)[:, None]
    parabola = 1 + p["kphio_par_a"] * (tc - p["kphio_par_b"]) ** 2
    # m from the limit itself: light use efficiency = kphio * parabola * m * limit * stress, and r = limit^2 = 1 - (cost / m)^(2/3).
    lit = wanted > 0
    assert np.array_equal(lit, got > 0)
    scaled = np.where(lit, run_["light_use_efficiency"] / (p["kphio"] * parabola * run_["soil_moisture_stress"]), 1.0)
    m = p["kc_jmax"] + 0 * scaled
    for _ in range(200):  # m^2 = scaled^2 + cost^(2/3) m^(4/3)
        m = np.sqrt(scaled**2 + p["kc_jmax"] ** (2 / 3) * m ** (4 / 3))
    r = 1 - (p["kc_jmax"] / m) ** (2 / 3)
    allowed = 1e-5 + 5e-7 / np.where(lit, r, 1.0) + 2.5e-7 / np.where(lit, parabola, 1.0)
    off = np.abs(got - wanted) / np.where(lit, wanted, 1.0) / allowed
    assert off.max() < 1, f"{off.max()} of what is allowed, day and sample {np.unravel_index(int(off.argmax()), off.shape)}"


def test_leaves_equal_pyrealm() -> None:
    given = FROZEN["pyrealm"]["leaves"]
    x = {k: np.array(v) for k, v in given["inputs"].items()}
    t, pressure, kphio = x["temperature"], x["pressure"], x["kphio"]
    a = leaf.acclimate(pt.as_tensor(t), pt.as_tensor(x["vapour_pressure_deficit"]), x["co2"], pressure, 146.0)
    limit, transport = leaf.electron_transport_limit(a.assimilation, 0.41)
    ours = {
        "viscosity": water.viscosity(pt.as_tensor(t), pressure),
        "density": water.density(pt.as_tensor(t), pressure),
        "density_chen": water.density_chen(pt.as_tensor(t), pressure),
        "psychrometric_constant": water.psychrometric_constant(pt.as_tensor(t), pressure),
        "compensation_point": leaf.compensation_point(pt.as_tensor(t), pressure),
        "michaelis_constant": leaf.michaelis_constant(pt.as_tensor(t), pressure),
        "ci_to_ca": a.ci_to_ca,
        "m": a.assimilation,
        "light_use_efficiency": kphio * a.assimilation * limit,
        "vcmax": kphio * x["ppfd"] * a.carboxylation * limit,
        "jmax": 4 * kphio * x["ppfd"] * transport,
    }
    assert ours.keys() == given["outputs"].keys()
    for name, wanted in given["outputs"].items():
        np.testing.assert_allclose(numbers(ours[name]), wanted, rtol=1e-10, err_msg=name)


def test_radiation_and_evapotranspiration_equal_pyrealm() -> None:
    given = FROZEN["pyrealm"]["days"]
    x = {k: pt.as_tensor(np.array(v, dtype=float)) for k, v in given["inputs"].items()}
    sun = splash.radiation(x["day_of_year"], x["latitude"], x["elevation"], x["temperature"], 1.0 - x["sunshine"])
    ours = sun._asdict() | splash.evaporation(sun, x["temperature"], x["elevation"], x["relative_water"])._asdict()
    for name, wanted in given["outputs"].items():
        np.testing.assert_allclose(numbers(ours[name]), wanted, rtol=1e-10, atol=1e-10, err_msg=name)


def test_evapotranspiration_is_the_integral_of_the_smaller_of_supply_and_demand() -> None:
    day, latitude, elevation, temperature, clouds, relative = 172.0, 61.8, 181.0, 16.0, 0.3, 0.15
    sun = splash.radiation(*map(pt.as_tensor, (day, latitude, elevation, temperature, clouds)))
    made = splash.evaporation(sun, pt.as_tensor(temperature), elevation, relative)
    u, v, w, longwave, actual, potential = (
        float(numbers(e)) for e in (sun.constant, sun.amplitude, sun.shortwave, sun.net_longwave, made.actual, made.potential)
    )
    hours = (np.arange(200_000) + 0.5) * 24 / 200_000 - 12
    net = w * (u + v * np.cos(hours * np.pi / 12)) - longwave
    demand = potential * np.maximum(net, 0) / np.maximum(net, 0).mean() / 24
    assert demand.max() > 1.05 * relative > 0
    assert actual == pytest.approx(np.minimum(demand, 1.05 * relative).mean() * 24, rel=1e-8)


def test_gradient_of_evapotranspiration_where_supply_meets_demand_never_and_always() -> None:
    relative = pt.dscalar()
    sun = splash.radiation(*map(pt.as_tensor, (172.0, 78.0, 40.0, 3.0, 0.1)))
    actual = splash.evaporation(sun, pt.as_tensor(3.0), 40.0, relative).actual
    function = pytensor.function([relative], [actual, pytensor.grad(actual, relative)], mode="FAST_COMPILE")
    for value in (0.01, 0.05, 0.1, 0.2, 1.0):
        slope = (function(value * 1.0001)[0] - function(value * 0.9999)[0]) / (0.0002 * value)
        assert function(value)[1] == pytest.approx(slope, rel=1e-4, abs=1e-9)
    assert function(1.0)[1] == 0.0
    assert function(0.01)[1] == pytest.approx(24 * splash.SUPPLY_RATE)


def test_frozen_days_of_rsofun() -> None:
    frozen = FROZEN["rsofun"]
    p = {n: np.array(v) for n, v in frozen["parameters"].items()}
    start = {MEMORIES[n]: np.array(v) * FORCING[n][1] for n, v in frozen["memories"].items()}
    got = run(
        converted(frozen["forcing"]),
        p | start | {"plant_available_water": frozen["soil_water"], "water_holding_capacity": CAPACITY, "rain_temperature": NO_SNOW},
    )
    for theirs, ours in OUTPUTS.items():
        np.testing.assert_allclose(got[ours].T, frozen["outputs"][theirs], rtol=1e-5, atol=NET[theirs], err_msg=theirs)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    file = Path(data).resolve().parent / "reference" / "pmodel_FR-Pue.nc"
    if not file.exists():
        pytest.skip(f"no {file.name} in {file.parent.name!r} beside the folder that LSM_BAYES_DATA names")
    with xr.open_dataset(file) as found:
        days = found.sizes["time"]
        order = np.concatenate([np.tile(np.arange(365), SPIN_UP), np.arange(days)])
        forcing = converted({n: found[f"in_{n}"].values[order] for n in FORCING})
        p = dict(zip(found.attrs["param_names"].split(), found["parameters"].values.T, strict=True))
        outputs = dict(zip(found.attrs["output_columns"].split(), np.moveaxis(found["output"].values, -1, 0), strict=True))
    first = {state: forcing[FORCING[n][0]][0] for n, state in MEMORIES.items()}
    values = p | first | {"plant_available_water": 0.0, "water_holding_capacity": CAPACITY, "rain_temperature": NO_SNOW}
    got = {n: v[-days:] for n, v in run(forcing, values).items()}
    return {"parameters": p, "wanted": {n: v.T for n, v in outputs.items()}, "got": got, "temperature": forcing["air_temperature"][-days:]}


def test_every_sample_of_rsofun(reference: dict[str, Any], agreement: Any) -> None:
    got, wanted = reference["got"], reference["wanted"]
    assert wanted["gpp"].shape == (2190, 10)
    assert_gpp(got["gpp"], wanted["gpp"], reference["parameters"], got, reference["temperature"])
    size = np.abs(wanted["gpp"]).max(axis=0)
    worst = np.abs((got["gpp"] - wanted["gpp"]) / size).max()
    assert worst < 1e-3
    agreement("p_model", "pmodel_FR-Pue.nc", worst)
    np.testing.assert_allclose(got["gpp"].sum(axis=0), wanted["gpp"].sum(axis=0), rtol=2e-5)
    for theirs, ours in OUTPUTS.items():
        if theirs != "gpp":
            np.testing.assert_allclose(got[ours], wanted[theirs], rtol=1e-5, atol=NET[theirs], err_msg=theirs)
    np.testing.assert_allclose(1e-6 * got["intrinsic_water_use_efficiency"], wanted["iwue"], rtol=2e-5)


def test_capacity_of_carboxylation_equals_that_of_rsofun_with_its_temperature_response(reference: dict[str, Any]) -> None:
    # rsofun later took the response of Kumarathunge et al. (2019), doi 10.1111/nph.15668; where GPP is not near its limits.
    growth = reference["got"]["acclimated_temperature"]
    kelvin, gas = growth + 273.15, 8.314
    entropy = 645.13 - 0.38 * growth

    def deactivated(at: Any) -> Any:
        return 1 + np.exp((at * entropy - 2e5) / (gas * at))

    response = np.exp((42_600 + 1_140 * growth) * (kelvin - 298.15) / (298.15 * gas * kelvin)) * deactivated(298.15) / deactivated(kelvin)
    ours = 1e-6 * reference["got"]["vcmax"] / response
    wanted = reference["wanted"]["vcmax25"]
    assert np.quantile(np.abs(ours - wanted)[wanted > 0] / wanted[wanted > 0], 0.99) < 2e-4


def weather(days: int = 200, seed: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    season = np.sin(2 * np.pi * np.arange(days) / 365)
    return {
        "air_temperature": 4 + 14 * season + 3 * rng.normal(size=days),
        "vapour_pressure_deficit": 4 + 3 * season + rng.uniform(size=days),
        "ppfd_down": 300 + 250 * season,
        "fapar": 0.5 + 0.3 * season,
        "co2": np.full(days, 400.0),
        "air_pressure": np.full(days, 98.0),
        "precipitation": np.where(rng.uniform(size=days) < 0.4, 20.0 * rng.uniform(size=days), 0.0),
        "cloud_fraction": rng.uniform(size=days),
        "day_of_year": np.arange(days) % 365 + 1.0,
        "latitude": np.float64(60.0),
        "elevation": np.float64(200.0),
    }


def test_smooth_limits_converge_to_the_exact_ones() -> None:
    # Elementwise: one day of many leaves, frozen and not, with costs of electron transport below and above what it gains.
    growth, cost = (v.ravel() for v in np.meshgrid(np.linspace(-12.0, 30.0, 43), np.linspace(0.3, 0.8, 26)))
    x = p_model.State()._replace(acclimated_temperature=pt.as_tensor(growth))
    f = p_model.Forcing(15.0, 6.0, 300.0, 0.7, 400.0, 98.0, 1.0, 0.3, 100.0, 50.0, 200.0, 1.0)
    p = p_model.Parameters()._replace(kc_jmax=pt.as_tensor(cost), tau_acclim=50.0)

    def gpp(step: Any, *widths: float) -> np.ndarray:
        return numbers(
            step(
                p_model.State(*map(pt.as_tensor, x)),
                p_model.Forcing(*map(pt.as_tensor, f)),
                p_model.Parameters(*map(pt.as_tensor, p)),
                *widths,
            )[1].gpp
        )

    exact = gpp(p_model.step)
    assert 0.1 < (exact == 0).mean() < 0.9
    off = [np.abs(gpp(p_model.smooth_step, w, 50 * w) - exact).mean() / exact.mean() for w in (1e-2, 1e-3, 1e-4)]
    assert off[0] < 0.1
    assert off[1] < off[0] / 3 and off[2] < off[1] / 3
    np.testing.assert_array_equal(gpp(p_model.smooth_step, 0.0, 0.0), exact)


def test_a_cost_beyond_the_gain_stops_photosynthesis_and_its_gradient_stays_finite() -> None:
    m, cost = pt.dscalars("m", "cost")
    for width in (0.0, 0.01):
        limit, transport = leaf.electron_transport_limit(m, cost, width)
        function = pytensor.function([m, cost], [limit, transport, *pytensor.grad(limit, [m, cost])], mode="FAST_COMPILE")
        for at in ((0.5, 0.7), (0.5, 0.5), (0.7, 0.41)):
            assert np.isfinite(function(*at)).all()
        assert (function(0.5, 0.7)[0] == 0) == (width == 0)
        assert (function(0.5, 0.7)[2] == 0) == (width == 0)
        assert np.isnan(function(np.nan, 0.41)[0])


def test_saturated_air_and_dry_soil() -> None:
    d = pt.dscalar()
    ratio = leaf.acclimate(pt.as_tensor(20.0), d, 400.0, 101325.0, 146.0).ci_to_ca
    function = pytensor.function([d], [ratio, pytensor.grad(ratio, d)], mode="FAST_COMPILE")
    assert function(0.0)[0] == pytest.approx(1.0) and np.isfinite(function(0.0)[1])
    stress = [float(numbers(leaf.soil_moisture_stress(pt.as_tensor(w), 100.0, 0.3))) for w in (0.0, 50.0, 100.0, 150.0)]
    assert stress == pytest.approx([0.3, 0.825, 1.0, 1.0])


def test_snow_falls_in_the_cold_melts_in_the_warm_and_never_more_than_there_is() -> None:
    t = pt.as_tensor(np.array([-3.0, 0.0, 1.0, 2.0, 9.0]))
    np.testing.assert_allclose(numbers(snow.snow_fraction(t, 2.0)), [1, 1, 0.5, 0, 0])
    np.testing.assert_allclose(numbers(snow.degree_day_melt(pt.as_tensor(10.0), t, 3.0, 1.0, 1.0)), [0, 0, 0, 3, 10])


def test_a_small_soil_gives_no_more_water_than_it_has() -> None:
    dry = weather(60) | {"precipitation": np.zeros(60), "cloud_fraction": np.zeros(60), "day_of_year": 150.0 + np.arange(60)}
    got = run(dry, {"water_holding_capacity": 10.0, "plant_available_water": 10.0})
    water_left = got["plant_available_water"]
    assert (water_left >= 0).all() and (water_left == 0).any()
    change = np.diff(water_left[:, 0], prepend=10.0)
    flow = got["condensation"] - got["evapotranspiration"] - got["runoff"]
    np.testing.assert_allclose(change, flow[:, 0], atol=1e-12)
