"""BEPS: runs of the source, and the properties of the default form, which conserves carbon, water and energy."""

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
from pytensor.compile.mode import Mode

from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import beps_source
from lsm_bayes.land.beps import BEPS, WATER, beps
from lsm_bayes.land.beps_declared import (
    LAYERS,
    SHRUB_ON_LOAM,
    FastFluxes,
    FastState,
    Fluxes,
    Forcing,
    OriginalState,
    Parameters,
    Site,
    State,
)
from lsm_bayes.land.beps_step import STEPS, Form, fast_step_of, roots, slow_step_of
from lsm_bayes.nested import nested_program
from lsm_bayes.processes import allometric_respiration
from lsm_bayes.processes.nine_pools import Inputs, Rates
from lsm_bayes.trajectory import Trajectory, columns_of

HOUR = 1.0 / 24.0
FLOWS = ((18, 19, 20), (8, 9, 10), (11, 12), (13, 14, 15), (16, 17), (24, 25), (21, 23, 22), (26, 28, 27), (29, 30))
PLANTS = {6: allometric_respiration.DECIDUOUS, 13: allometric_respiration.SHRUB, 25: None}


@cache
def reference(site: str, group: str) -> xr.Dataset:
    """A run of the original with the forcing that all runs share, and what the file says about the site."""
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    path = Path(data).resolve().parent / "reference" / "lsm" / f"beps_runs_{site}.nc"
    if not path.exists():
        pytest.skip(f"no reference run {path.name} beside the folder that LSM_BAYES_DATA names")
    with xr.open_dataset(path) as shared, xr.open_dataset(path, group=group) as run:
        found = shared.load().merge(run.load(), compat="override").astype(float)
        return found.assign_attrs(shared.attrs | run.attrs)


def site_of(data: xr.Dataset) -> Site:
    v, k = data.parameter.to_numpy(), data.soilcoef.to_numpy()

    def layers(name: str) -> np.ndarray:
        return data[f"soil_{name}"].to_numpy()

    return Site(
        plants=PLANTS[int(data.site_landcover)],
        over_height=v[29],
        under_height=v[30],
        wind_height=v[31],
        stem_area=(0.2 * v[8], 0.2 * v[9]),
        albedo=(v[22], v[23]),
        ground_albedo=(v[24], v[25]),
        ponding=v[26],
        thickness=tuple(layers("d_soil")),
        porosity=tuple(layers("porosity")),
        wilting=tuple(layers("theta_wp")),
        conductivity=tuple(layers("ksat") / layers("ksat")[0]),
        suction=tuple(layers("psi_sat") - layers("psi_sat")[0]),
        exponent=tuple(layers("b") - layers("b")[0]),
        mineral=tuple(layers("thermal_cond")),
        bulk_density=tuple(layers("density")),
        organic=tuple(layers("f_org")),
        stress_onset=float(data.soil_psi_min),
        stress_steepness=float(data.soil_alpha),
        fine=int(data.site_soil_texture) >= 6,
        annual_lai=float(data.site_lai_yr),
        annual_npp=float(data.site_npp_yr),
        inputs=Inputs(tuple(k[0:4]), tuple(k[4:8])),
        rates=Rates(*(tuple(k[i] for i in f) for f in FLOWS)),
    )


def values_of(data: xr.Dataset, *, original: bool) -> dict[str, float]:
    """Parameters and initial values of a run, as the source sets them from air, soil temperature and soil water of the site."""
    v, air = data.parameter.to_numpy(), float(data.tair[0])
    apart = float(np.clip(data.site_soil_temp0 - air, -5.0, 5.0))
    warmth = air + apart * np.array([0.4, 0.5, 1.0, 1.2, 1.4])
    water = data.site_soil_water0 * np.array([0.8, 1.0, 1.05, 1.1, 1.15]) * 1000.0 * data.soil_d_soil.to_numpy()
    found = {
        "vcmax25": v[36],
        "vcmax_nitrogen_slope": v[47],
        "leaf_nitrogen": v[46],
        "clumping": data.clumping,
        "stomatal_slope": v[33],
        "stomatal_intercept": v[34],
        "root_decay": v[27],
        "soil_conductivity": float(data.soil_ksat[0]),
        "soil_suction": float(data.soil_psi_sat[0]),
        "soil_exponent": float(data.soil_b[0]),
    }
    for i in LAYERS:
        found |= {
            f"soil_water_{i}": water[i - 1],
            f"soil_temperature_{i}": warmth[i - 1],
            f"soil_ice_{i}": np.clip(-warmth[i - 1], 0.0, 1.0),
        }
    found |= {f"leaf_warmth_{i}": air - 0.5 for i in range(1, 5)} | {"ground_temperature": air}
    if not original:
        return found
    # The source finds a temperature where the sensible heat should be.
    found |= dict.fromkeys(("canopy_sensible_heat", "snow_temperature", "bare_temperature"), air)
    found |= dict.fromkeys(("snow_middle_temperature", "snow_bottom_temperature"), air)
    return found | {"earlier_water_1": water[0], "earlier_water_2": water[1]}


def forcing_of(data: xr.Dataset) -> dict[str, np.ndarray]:
    return {
        "step_length": np.full(data.sizes["time"], HOUR),
        "shortwave_down": data.sw.to_numpy() * 0.0864,
        "air_temperature": data.tair.to_numpy(),
        "relative_humidity": data.rh.to_numpy(),
        "precipitation": data.precip.to_numpy() * 24.0,
        "wind_speed": data.wind.to_numpy(),
        "co2": np.full(data.sizes["time"], 380.0),
        "lai": data.lai.to_numpy(),
        "solar_elevation_sine": data.cosz.to_numpy(),
    }


def test_roots_of_the_source() -> None:
    data = reference("p3", "base")
    fractions = roots(pt.constant(data.parameter.to_numpy()[27], dtype="float64"), site_of(data))
    got = pytensor.function([], [pt.as_tensor(f) for f in fractions], mode="FAST_COMPILE")()
    np.testing.assert_allclose(got, data.soil_f_root.to_numpy(), rtol=1e-9)


def test_first_day_of_the_source() -> None:
    # Twelve hours, round by round, without Numba; the fixture is in single precision.
    data = reference("p3", "base")
    owners = (OriginalState, State, Forcing, Parameters)
    z, x, f, p = (o(*(pt.dscalar(n) for n in o._fields)) for o in owners)
    after, fluxes = beps_source.fast_step_of(site_of(data))(z, x, f, p)
    step = pytensor.function([*z, *f, *p], [*after, *fluxes], mode="FAST_COMPILE", on_unused_input="ignore")
    given, series = values_of(data, original=True), forcing_of(data)
    now = {n: given.get(n, d) for n, d in OriginalState._field_defaults.items()}
    parameters = [given.get(n, d) for n, d in Parameters._field_defaults.items()]
    for hour in range(12):
        now |= {"steps_done": 0.0, "rounds_done": 0.0}
        made: dict[str, float] = {}
        while now["steps_done"] < STEPS:
            found = [float(v) for v in step(*now.values(), *(series[n][hour] for n in Forcing._fields), *parameters)]
            now = dict(zip(OriginalState._fields, found, strict=False))
            made = dict(zip(FastFluxes._fields, (v / beps_source.SOURCE_STEPS for v in found[len(now) :]), strict=True))
        at = data.isel(time=hour)
        assert (made["step_gpp_over"] + made["step_gpp_under"]) / 24.0 == pytest.approx(float(at.gpp), rel=1e-4, abs=1e-9)
        assert made["step_transpiration"] / 24.0 == pytest.approx(float(at.transp), rel=1e-3)
        assert now["ground_temperature"] == pytest.approx(float(at.t_ground), abs=3e-3)
        for i in LAYERS:
            water = now[f"soil_water_{i}"] / (1000.0 * float(data.soil_d_soil[i - 1]))
            assert water == pytest.approx(float(at.theta_layers[i - 1]), rel=1e-4)
            assert now[f"soil_temperature_{i}"] == pytest.approx(float(at.t_soil_layers[i - 1]), abs=1e-3)


def fast_steps(*forms: Form, weights: np.ndarray | None = None) -> Any:
    """The fast step in some forms as a function of all inputs at once; with weights, the gradient of a sum of its outputs."""
    owners = (FastState, State, Forcing, Parameters)
    z, x, f, p = (o(*(pt.dvector(n) for n in o._fields)) for o in owners)
    made = [fast_step_of(form, SHRUB_ON_LOAM)(z, x, f, p) for form in forms]
    found = [[*after, *fluxes] for after, fluxes in made]
    outputs = [pt.stack(pt.broadcast_arrays(*v)) for v in found]
    if weights is not None:
        loss = sum((w * v).sum() for w, v in zip(weights, found[0], strict=True))
        outputs = pytensor.grad(loss, [*z, *p], disconnected_inputs="ignore")
    # Without rewriting: of so long a graph it would take longer than all else.
    return pytensor.function([*z, *f, *p], outputs, mode=Mode("py", None), on_unused_input="ignore")


def cases(n: int = 60, seed: int = 4) -> dict[str, np.ndarray]:
    """Weather and states of all seasons."""
    rng = np.random.default_rng(seed)
    air = rng.uniform(-8.0, 30.0, n)
    varied = {
        "air_temperature": air,
        "shortwave_down": rng.uniform(0.0, 60.0, n),
        "relative_humidity": rng.uniform(25.0, 98.0, n),
        "precipitation": np.where(rng.uniform(size=n) < 0.5, 0.0, rng.uniform(0.0, 200.0, n)),
        "wind_speed": rng.uniform(0.5, 6.0, n),
        "co2": rng.uniform(360.0, 420.0, n),
        "lai": rng.uniform(0.6, 5.0, n),
        "solar_elevation_sine": rng.uniform(-0.4, 1.0, n),
        "step_length": np.full(n, HOUR),
        "snow_water": np.where(air < 3.0, rng.uniform(0.0, 30.0, n), rng.uniform(0.0, 0.1, n)),
        "snow_over": np.where(air < 3.0, rng.uniform(0.0, 0.2, n), 1e-4),
        "snow_under": np.where(air < 3.0, rng.uniform(0.0, 0.02, n), 1e-5),
        "water_over": rng.uniform(0.0, 0.1, n),
        "water_under": rng.uniform(0.0, 0.01, n),
        "snow_density": rng.uniform(80.0, 240.0, n),
        "pond": rng.uniform(1e-4, 1.0, n),
        "ground_temperature": air + rng.uniform(-3.0, 6.0, n),
        "canopy_sensible_heat": rng.uniform(-60.0, 200.0, n),
        **{f"soil_temperature_{i}": air + rng.uniform(-4.0, 4.0, n) for i in LAYERS},
        **{f"soil_ice_{i}": rng.uniform(0.02, 0.9, n) for i in LAYERS},
        **{f"soil_water_{i}": 1000.0 * d * rng.uniform(0.13, 0.463, n) for i, d in zip(LAYERS, SHRUB_ON_LOAM.thickness, strict=True)},
        **{f"leaf_warmth_{i}": air + rng.uniform(-1.0, 3.0, n) for i in range(1, 5)},
        **{f"stomata_{i}": rng.uniform(5e-4, 8e-3, n) for i in range(1, 5)},
    }
    declared = {k: d for k, (_, d) in BEPS.calibrated.items()}
    return {k: np.full(n, v) for k, v in declared.items()} | varied


def arranged(given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [given[n] for o in (FastState, Forcing, Parameters) for n in o._fields]


NAMES = (*FastState._fields, *FastFluxes._fields)


def test_water_and_energy_are_conserved_in_every_step() -> None:
    for form in (Form(), Form(soft=0.0)):
        given = cases(300)
        found = dict(zip(NAMES, fast_steps(form)(*arranged(given))[0], strict=True))
        before, after = (sum(v[n] for n in WATER) for v in (given, found))
        lost = ("transpiration", "interception_evaporation", "soil_evaporation", "sublimation", "runoff")
        change = HOUR / STEPS * (given["precipitation"] - sum(found[f"step_{n}"] for n in lost))
        np.testing.assert_allclose(after - before, change, atol=1e-8 * HOUR / STEPS * 10.0)
        closed = sum(found[f"step_{n}"] for n in ("latent_heat", "sensible_heat", "ground_heat"))
        np.testing.assert_allclose(closed, found["step_net_radiation"], atol=1e-8)
        for name in WATER:
            assert found[name].min() >= -1e-12, name
        for i, porosity in zip(LAYERS, SHRUB_ON_LOAM.porosity, strict=True):
            assert np.all(found[f"soil_water_{i}"] <= 1000.0 * SHRUB_ON_LOAM.thickness[i - 1] * porosity + 1e-9)
            assert found[f"soil_ice_{i}"].min() >= -1e-12 and found[f"soil_ice_{i}"].max() <= 1.0 + 1e-12


def test_carbon_of_an_hour_is_conserved() -> None:
    owners = (State, FastState, FastFluxes, Forcing, Parameters)
    groups = [[pt.dvector(n) for n in o._fields] for o in owners]
    x, z, m, f, p = (o(*g) for o, g in zip(owners, groups, strict=True))
    pools, _, fluxes = slow_step_of(Form(), SHRUB_ON_LOAM)(x, z, m, f, p)
    step = pytensor.function([v for g in groups for v in g], [*pools, *fluxes], mode=Mode("py", None), on_unused_input="ignore")
    given = cases(100)
    made = {n: np.random.default_rng(1).uniform(0.0, 30.0, 100) for n in FastFluxes._fields}
    found = step(*(({**given, **made})[n] for o in owners for n in o._fields))
    after, hour = sum(found[: len(State._fields)]), dict(zip(Fluxes._fields, found[len(State._fields) :], strict=True))
    change = HOUR * (hour["litterfall"] - hour["heterotrophic_respiration"])
    np.testing.assert_allclose(after - sum(given[n] for n in State._fields), change, atol=1e-8 * HOUR * 10.0)
    np.testing.assert_allclose(hour["nee"], hour["heterotrophic_respiration"] - hour["npp"], rtol=1e-12)


def test_gradients_of_a_step_against_differences() -> None:
    given, names = cases(30), (*FastState._fields, *Parameters._fields)
    step = fast_steps(Form())
    level = np.abs(step(*arranged(given))[0]).mean(axis=1)
    weights = np.random.default_rng(5).normal(size=(len(NAMES), 30)) / np.maximum(level, 1e-6)[:, None]
    gradient = np.array([np.broadcast_to(v, 30) for v in fast_steps(Form(), weights=weights)(*arranged(given))])
    # Five points for each input, all at once: the error is of fourth order.
    size = {n: 1e-4 * np.where(given[n] == 0, 1.0, np.abs(given[n])) for n in names}
    moved = [given | {n: given[n] + times * size[n]} for n in names for times in (1.0, -1.0, 2.0, -2.0)]
    fluxes = step(*(np.concatenate(v) for v in zip(*(arranged(m) for m in moved), strict=True)))[0]
    fluxes = fluxes.reshape(len(NAMES), len(names), 4, 30)
    a, b, c, d = np.moveaxis((weights[:, None, None] * fluxes).sum(axis=0), 1, 0)
    steps = np.array([size[n] for n in names])
    numeric = (8.0 * (a - b) - (c - d)) / (12.0 * steps)
    rounding = 1e-9 * np.abs(weights * level[:, None]).sum(axis=0) / steps
    off = np.abs(gradient - numeric) / np.maximum(np.abs(numeric), rounding)
    worst = dict(zip(names, off.max(axis=1), strict=True))
    assert max(worst.values()) < 1e-6, {n: w for n, w in worst.items() if w > 1e-6}


@pytest.mark.slow
def test_the_smooth_form_converges_to_the_hard_one() -> None:
    hard, *smooth = fast_steps(Form(0.0), Form(1.0), Form(0.1), Form(1e-3))(*arranged(cases(200)))
    size = np.abs(hard).max(axis=1) + 1e-9
    off = [np.abs(v - hard).max(axis=1) / size for v in smooth]
    assert np.all(off[1] <= off[0] + 1e-9) and np.all(off[2] < 5e-3)


@cache
def compiled(model: ProcessModel) -> Any:
    assert model.nested is not None
    program = nested_program(model, tuple(model.flux_quantities), (), (("step_length", HOUR),))
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3(), pt.dtensor3()]
    return program, pytensor.function(inputs, Trajectory(program)(*inputs, return_list=True), mode="NUMBA")


@cache
def declared(site: str, form: Form | None) -> ProcessModel:
    return beps(f"beps_{site}", "a site of the source", form, site_of(reference(site, "base")))


def run(site: str, group: str, form: Form | None) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """States and hourly fluxes."""
    data, model = reference(site, group), declared(site, form)
    program, function = compiled(model)
    values = {n: default for n, (_, default) in model.calibrated.items()} | values_of(data, original=form is None)
    column = np.array([[values[n]] for n in model.calibrated])
    n = len(model.parameter_table)
    forcing = {k: v for k, v in forcing_of(data).items() if k != "step_length"}
    states, fluxes, *_ = function(column[:n], column[n:], *columns_of(program, forcing))
    return (
        {k: a[:, 0] for k, a in zip(program.state_names, states, strict=True)},
        {k: a[:, 0] for k, a in zip(model.flux_quantities, fluxes, strict=True)},
    )


def explained(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(1.0 - np.sum((got - wanted) ** 2) / np.sum((wanted - wanted.mean()) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize("group", ["base", "pert1", "pert2"])
@pytest.mark.parametrize("site", ["p1", "p3"])
def test_years_of_the_source(site: str, group: str) -> None:
    data = reference(site, group)
    _, fluxes = run(site, group, None)
    gpp, transpiration = fluxes["gpp"] / 24.0, fluxes["transpiration"] / 24.0
    # At p1 two dozen hours of winter, with soil near 0 degC, hang on the last digit of what the fixture keeps in single precision.
    assert explained(gpp, data.gpp.to_numpy()) > (0.9999 if site == "p3" or group != "pert1" else 0.9995)
    assert gpp.sum() == pytest.approx(float(data.gpp.sum()), rel=1e-3)
    assert transpiration.sum() == pytest.approx(float(data.transp.sum()), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["base", "pert1", "pert2"])
@pytest.mark.parametrize("site", ["p1", "p3"])
def test_years_in_the_default_form(site: str, group: str) -> None:
    data = reference(site, group)
    states, fluxes = run(site, group, Form())
    gpp, transpiration = fluxes["gpp"] / 24.0, fluxes["transpiration"] / 24.0
    assert gpp.sum() == pytest.approx(float(data.gpp.sum()), rel=1e-2)
    # The source makes water where it clips dry soil, and takes 1000 kg from soil for 1025 kg that transpire.
    assert transpiration.sum() == pytest.approx(float(data.transp.sum()), rel=3.5e-2)
    water = np.diff(sum(states[n] for n in WATER))
    passed = HOUR * (fluxes["precipitation"] - fluxes["evapotranspiration"] - fluxes["runoff"])
    np.testing.assert_allclose(water, passed, atol=1e-8 * np.abs(fluxes["precipitation"]).max() * HOUR)
