"""Runs of process models on the forcing, and with the parameters, of the runs of CARDAMOM that tests compare with."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr

from lsm_bayes.declare import ProcessModel
from lsm_bayes.programs import Program, program
from lsm_bayes.trajectory import Trajectory, columns_of

FORCING = {
    "time_index": "day_number",
    "DOY": "day_of_year",
    "T2M_MIN": "air_temperature_min",
    "T2M_MAX": "air_temperature_max",
    "SSRD": "shortwave_down",
    "CO2": "co2",
    "BURNED_AREA": "burned_area",
}
WATER_FORCING = FORCING | {"VPD": "vapour_pressure_deficit", "PREC": "precipitation"}
POOLS = {
    "C_lab": "labile_carbon",
    "C_fol": "foliage_carbon",
    "C_roo": "root_carbon",
    "C_woo": "wood_carbon",
    "C_lit": "litter_carbon",
    "C_som": "soil_carbon",
    "H2O_PAW": "plant_available_water",
    "H2O_PUW": "plant_unavailable_water",
}
FLUXES = {
    "gpp": "gpp",
    "resp_auto": "autotrophic_respiration",
    "fol_prod": "allocation_to_foliage",
    "lab_prod": "allocation_to_labile",
    "root_prod": "allocation_to_roots",
    "wood_prod": "allocation_to_wood",
    "lab_release": "labile_release",
    "leaffall_fact": "leaf_fall_factor",
    "fol2lit": "leaf_litterfall",
    "woo2som": "wood_litterfall",
    "roo2lit": "root_litterfall",
    "resp_het_lit": "litter_respiration",
    "resp_het_som": "soil_respiration",
    "lit2som": "litter_decomposition",
    "lab_release_fact": "labile_release_factor",
    "f_total": "fire_emission",
    "f_lab": "fire_emission_labile",
    "f_fol": "fire_emission_foliage",
    "f_roo": "fire_emission_root",
    "f_woo": "fire_emission_wood",
    "f_lit": "fire_emission_litter",
    "f_som": "fire_emission_soil",
    "fx_lab2lit": "fire_labile_to_litter",
    "fx_fol2lit": "fire_foliage_to_litter",
    "fx_roo2lit": "fire_root_to_litter",
    "fx_woo2som": "fire_wood_to_soil",
    "fx_lit2som": "fire_litter_to_soil",
    "et": "evapotranspiration",
    "paw2puw": "percolation",
    "q_puw": "drainage_plant_unavailable",
}

Outputs = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def run(model: ProcessModel, series: Mapping[str, Any], samples: np.ndarray, order: Sequence[str] | None = None) -> Outputs:
    """Pools (time + 1, sample) and fluxes (time, sample) for parameters and initial pools in the given order of names."""
    names, fluxes, pools = list(model.calibrated), tuple(model.flux_quantities), tuple(model.state_parameters)
    series = {n: np.asarray(v, dtype=float) for n, v in series.items()}
    days = float(series.get("step_length", series["day_number"][1] - series["day_number"][0]))
    series["step_length"] = np.float64(days)
    # Folded as in all calibrations where the step is a day; a column elsewhere, so that one kernel serves all long steps.
    derived = program(model, fluxes, pools, (("step_length", 1.0),) if days == 1.0 else ())
    columns = [list(order or names).index(n) for n in names]
    values = np.ascontiguousarray(samples[:, columns].T)
    n = len(model.parameter_table)
    states, made = compiled(derived)(values[:n].copy(), values[n:].copy(), *columns_of(derived, series))
    return dict(zip(pools, states, strict=True)), dict(zip(fluxes, made, strict=True))


@cache
def compiled(derived: Program) -> Any:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    return pytensor.function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")


def reference_folder(*files: str) -> Path:
    """Give the folder of complete runs beside the data, or skip."""
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    folder = Path(data).resolve().parent / "reference"
    if not all((folder / f).exists() for f in files):
        pytest.skip(f"no reference runs in {folder.name!r} beside the folder that LSM_BAYES_DATA names")
    return folder


def assert_runs_agree(
    data: xr.Dataset, got: Outputs, names: Mapping[str, str], allowance: Mapping[str, np.ndarray] | None = None, tolerance: float = 1e-10
) -> float:
    """Compare all pools and fluxes with a run of the original: not finite in the same places, equal elsewhere.

    An allowance (time, sample) for what rounding does to a run may come on top of the relative tolerance. Returns the largest relative
    difference where there is none.
    """
    worst = 0.0
    for kind, ours, table in (("pools", got[0], POOLS), ("fluxes", got[1], names)):
        original = data[kind].values
        for i, name in enumerate(data.attrs["flux_names" if kind == "fluxes" else "pool_names"].split()):
            if name not in table:
                assert name == "D_LAI"  # version 3 stores it as a pool
                continue
            mine, wanted = ours[table[name]], original[:, :, i].T
            finite = np.isfinite(wanted)
            np.testing.assert_array_equal(np.isfinite(mine), finite, err_msg=name)
            extra = allowance[table[name]] if allowance else np.zeros_like(wanted)
            allowed = np.where(finite, tolerance * np.abs(np.where(finite, wanted, 0.0)) + extra, 0.0)
            off = np.abs(np.where(finite, mine, 0.0) - np.where(finite, wanted, 0.0)) - allowed
            assert np.all(off <= 0), f"{name}: sample and step {np.unravel_index(int(np.argmax(off.T)), off.T.shape)}"
            plain = finite & (extra == 0) & (wanted != 0)
            worst = max(worst, float(np.max(np.abs(mine[plain] / wanted[plain] - 1.0), initial=0.0)))
    return worst
