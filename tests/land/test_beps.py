"""BEPS: the first hours of runs of the original, whole years of them, the form for inference, and budgets."""

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
from lsm_bayes.land.beps import ORIGINAL, beps
from lsm_bayes.land.beps_declared import LAYERS, FastFluxes, Forcing, OriginalState, Parameters, Site, State
from lsm_bayes.land.beps_step import STEPS, Form, fast_step_of, roots
from lsm_bayes.nested import nested_program
from lsm_bayes.processes import allometric_respiration
from lsm_bayes.processes.nine_pools import Inputs, Rates
from lsm_bayes.trajectory import Trajectory, columns_of

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
        drainage=v[26],
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


def values_of(data: xr.Dataset, form: Form) -> dict[str, float]:
    """Parameters and initial values of a run, as the source sets them from air, soil temperature and soil water of the site."""
    v, air = data.parameter.to_numpy(), float(data.tair[0])
    apart = float(np.clip(data.site_soil_temp0 - air, -5.0, 5.0))
    warmth = air + apart * np.array([0.4, 0.5, 1.0, 1.2, 1.4])
    water = data.site_soil_water0 * np.array([0.8, 1.0, 1.05, 1.1, 1.15])
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
    found |= {f"{n}_temperature": air for n in ("ground", "snow", "bare", "snow_middle", "snow_bottom")}
    found |= {f"leaf_warmth_{i}": air - 0.5 for i in range(1, 5)}
    # The source finds a temperature where the sensible heat should be.
    return found | ({"canopy_sensible_heat": air, "earlier_water_1": water[0], "earlier_water_2": water[1]} if form.original else {})


def forcing_of(data: xr.Dataset) -> dict[str, np.ndarray]:
    return {
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
    # Step by step, without compilation; the tables are in single precision.
    data = reference("p3", "base")
    form = ORIGINAL._replace(parts=1, iterations=6)
    owners = (OriginalState, State, Forcing, Parameters)
    z, x, f, p = (o(*(pt.dscalar(n) for n in o._fields)) for o in owners)
    after, fluxes = fast_step_of(form, site_of(data))(z, x, f, p)
    step = pytensor.function([*z, *f, *p], [*after, *fluxes], mode="FAST_COMPILE", on_unused_input="ignore")
    given, series = values_of(data, form), forcing_of(data)
    state = [given.get(n, OriginalState._field_defaults[n]) for n in OriginalState._fields]
    parameters = [given.get(n, Parameters._field_defaults[n]) for n in Parameters._fields]
    hours = range(6, 12)  # sunrise; the state before it is that of the run
    assert len(hours) == 6
    for hour in range(12):
        state[OriginalState._fields.index("steps_done")] = 0.0
        for _ in range(STEPS):
            found = step(*state, *(series[n][hour] for n in Forcing._fields), *parameters)
            state = [float(v) for v in found[: len(state)]]
        made = dict(zip(FastFluxes._fields, (float(v) for v in found[len(state) :]), strict=True))
        now = dict(zip(OriginalState._fields, state, strict=True))
        at = data.isel(time=hour)
        assert (made["step_gpp_over"] + made["step_gpp_under"]) / 24.0 == pytest.approx(float(at.gpp), rel=1e-4, abs=1e-9)
        assert made["step_transpiration"] / 24.0 == pytest.approx(float(at.transp), rel=1e-3)
        assert now["ground_temperature"] == pytest.approx(float(at.t_ground), abs=1e-3)
        for i in LAYERS:
            assert now[f"soil_water_{i}"] == pytest.approx(float(at.theta_layers[i - 1]), rel=1e-4)
            assert now[f"soil_temperature_{i}"] == pytest.approx(float(at.t_soil_layers[i - 1]), abs=1e-3)


@cache
def compiled(model: ProcessModel) -> Any:
    assert model.nested is not None
    program = nested_program(model, tuple(model.flux_quantities), model.nested.fluxes._fields, ())  # type: ignore[attr-defined]
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3(), pt.dtensor3()]
    return program, pytensor.function(inputs, Trajectory(program)(*inputs, return_list=True), mode="NUMBA")


@cache
def declared(site: str, form: Form) -> ProcessModel:
    return beps(f"beps_{site}", "a site of the source", form, site_of(reference(site, "base")))


def run(site: str, group: str, form: Form) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """States, hourly fluxes and fluxes of each step."""
    data, model = reference(site, group), declared(site, form)
    program, function = compiled(model)
    values = {n: default for n, (_, default) in model.calibrated.items()} | values_of(data, form)
    column = np.array([[values[n]] for n in model.calibrated])
    n = len(model.parameter_table)
    states, fluxes, fast = function(column[:n], column[n:], *columns_of(program, forcing_of(data)))
    return (
        {k: a[:, 0] for k, a in zip(program.state_names, states, strict=True)},
        {k: a[:, 0] for k, a in zip(model.flux_quantities, fluxes, strict=True)},
        {k: a[:, 0] for k, a in zip(FastFluxes._fields, fast, strict=True)},
    )


def explained(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(1.0 - np.sum((got - wanted) ** 2) / np.sum((wanted - wanted.mean()) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize("group", ["base", "pert1", "pert2"])
@pytest.mark.parametrize("site", ["p1", "p3"])
def test_years_of_the_source(site: str, group: str) -> None:
    data = reference(site, group)
    _, _, fast = run(site, group, ORIGINAL)
    gpp = (fast["step_gpp_over"] + fast["step_gpp_under"])[STEPS - 1 :: STEPS] / 24.0
    transpiration = fast["step_transpiration"][STEPS - 1 :: STEPS] / 24.0
    assert explained(gpp, data.gpp.to_numpy()) > 0.9999
    assert gpp.sum() == pytest.approx(float(data.gpp.sum()), rel=1e-3)
    assert transpiration.sum() == pytest.approx(float(data.transp.sum()), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["base", "pert1", "pert2"])
@pytest.mark.parametrize("site", ["p1", "p3"])
def test_years_in_the_form_for_inference(site: str, group: str) -> None:
    data = reference(site, group)
    _, fluxes, _ = run(site, group, Form())
    gpp, transpiration = fluxes["gpp"] / 24.0, fluxes["transpiration"] / 24.0
    assert gpp.sum() == pytest.approx(float(data.gpp.sum()), rel=1e-2)
    assert transpiration.sum() == pytest.approx(float(data.transp.sum()), rel=1e-2)
