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
from lsm_bayes.land import get
from lsm_bayes.land.sipnet import sipnet_model
from lsm_bayes.programs import program
from lsm_bayes.trajectory import Trajectory, columns_of

# Names of the source and ours, with what turns its unit into ours: cm to mm, per year to per day.
PARAMETERS = {
    "max_assimilation": ("aMax", 1.0),
    "mean_assimilation_fraction": ("aMaxFrac", 1.0),
    "photosynthesis_temperature_min": ("psnTMin", 1.0),
    "photosynthesis_temperature_opt": ("psnTOpt", 1.0),
    "vpd_slope": ("dVpdSlope", 1.0),
    "vpd_exponent": ("dVpdExp", 1.0),
    "light_half_saturation": ("halfSatPar", 1.0),
    "light_extinction": ("attenuation", 1.0),
    "leaf_mass_area": ("leafCSpWt", 1.0),
    "leaf_carbon_fraction": ("cFracLeaf", 1.0),
    "foliar_respiration_fraction": ("baseFolRespFrac", 1.0),
    "wood_maintenance": ("baseVegResp", 1 / 365),
    "root_maintenance": ("baseFineRootResp", 1 / 365),
    "coarse_root_maintenance": ("baseCoarseRootResp", 1 / 365),
    "soil_mineralisation": ("baseSoilResp", 1 / 365),
    "vegetation_q10": ("vegRespQ10", 1.0),
    "root_q10": ("fineRootQ10", 1.0),
    "coarse_root_q10": ("coarseRootQ10", 1.0),
    "soil_q10": ("soilRespQ10", 1.0),
    "moisture_exponent": ("soilRespMoistEffect", 1.0),
    "frozen_soil_threshold": ("frozenSoilThreshold", 1.0),
    "frozen_foliar_factor": ("frozenSoilFolREff", 1.0),
    "frozen_water_fraction": ("frozenSoilEff", 1.0),
    "f_foliage": ("leafAllocation", 1.0),
    "leaf_turnover": ("leafTurnoverRate", 1 / 365),
    "wood_turnover": ("woodTurnoverRate", 1 / 365),
    "root_turnover": ("fineRootTurnoverRate", 1 / 365),
    "coarse_root_turnover": ("coarseRootTurnoverRate", 1 / 365),
    "leaf_onset_degree_days": ("gddLeafOn", 1.0),
    "leaf_fall_day": ("leafOffDay", 1.0),
    "leaf_flush": ("leafGrowth", 1.0),
    "leaf_fall_fraction": ("fracLeafFall", 1.0),
    "flush_reserve_fraction": ("leafOnReallocFrac", 1.0),
    "water_uptake_fraction": ("waterRemoveFrac", 1.0),
    "water_use_efficiency": ("wueConst", 1.0),
    "soil_water_capacity": ("soilWHC", 10.0),
    "interception_fraction": ("immedEvapFrac", 1.0),
    "surface_runoff_fraction": ("fastFlowFrac", 1.0),
    "snow_melt_rate": ("snowMelt", 10.0),
    "aerodynamic_resistance": ("rdConst", 1.0),
    "soil_resistance_dry": ("rSoilConst1", 1.0),
    "soil_resistance_slope": ("rSoilConst2", 1.0),
    "litter_breakdown": ("litterBreakdownRate", 1 / 365),
    "litter_respired_fraction": ("fracLitterRespired", 1.0),
}
STATES = {
    "wood_carbon": ("plantWoodC", 1.0),
    "storage_carbon": ("plantCAccountingDelta", 1.0),
    "foliage_carbon": ("plantLeafC", 1.0),
    "root_carbon": ("fineRootC", 1.0),
    "coarse_root_carbon": ("coarseRootC", 1.0),
    "soil_carbon": ("soilC", 1.0),
    "soil_water_storage": ("soilWater", 10.0),
    "snow_water": ("snow", 10.0),
}
FLUXES = {
    "gpp": ("photosynthesis", 1.0),
    "leaf_litterfall": ("leafLitter", 1.0),
    "wood_litterfall": ("woodLitter", 1.0),
    "soil_respiration": ("rSoil", 1.0),
    "rainfall": ("rain", 10.0),
    "transpiration": ("transpiration", 10.0),
    "drainage": ("drainage", 10.0),
    "snowfall": ("snowFall", 10.0),
    "snow_melt": ("snowMelt", 10.0),
    "sublimation": ("sublimation", 10.0),
    "interception_evaporation": ("immedEvap", 10.0),
    "surface_runoff": ("fastFlow", 10.0),
    "soil_evaporation": ("evaporation", 10.0),
    "root_litterfall": ("fineRootLoss", 1.0),
    "coarse_root_litterfall": ("coarseRootLoss", 1.0),
    "allocation_to_roots": ("fineRootCreation", 1.0),
    "allocation_to_coarse_roots": ("coarseRootCreation", 1.0),
    "allocation_to_foliage": ("leafCreation", 1.0),
    "allocation_to_wood": ("woodCreation", 1.0),
    "root_respiration": ("rFineRoot", 1.0),
    "coarse_root_respiration": ("rCoarseRoot", 1.0),
    "leaf_flush": ("leafOnCreation", 1.0),
    "leaf_flush_from_wood": ("leafOnCreationFromWood", 1.0),
    "irrigation": ("eventSoilWater", 10.0),
}
# Sums over a step in the source.
OUTPUTS = {
    "gpp": ("gpp", 1.0),
    "reco": ("rtot", 1.0),
    "autotrophic_respiration": ("ra", 1.0),
    "heterotrophic_respiration": ("rh", 1.0),
    "nee": ("nee", 1.0),
    "evapotranspiration": ("evapotranspiration", 10.0),
}
FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "sipnet.json").read_text())


def from_source(raw: Mapping[str, np.ndarray], model: ProcessModel) -> dict[str, np.ndarray]:
    """Parameters and initial pools from those of the source."""
    found = {ours: factor * raw[theirs] for ours, (theirs, factor) in PARAMETERS.items()}
    rest = 1.0 - found["f_foliage"]
    found["f_roots"] = raw["fineRootAllocation"] / rest
    found["f_wood"] = raw["woodAllocation"] / (rest - raw["fineRootAllocation"])
    roots, coarse = raw["fineRootFrac"], raw["coarseRootFrac"]
    found |= {
        "foliage_carbon": raw["laiInit"] * raw["leafCSpWt"],
        "wood_carbon": (1.0 - roots - coarse) * raw["plantWoodInit"],
        "root_carbon": roots * raw["plantWoodInit"],
        "coarse_root_carbon": coarse * raw["plantWoodInit"],
        "soil_carbon": raw["soilInit"],
        "litter_carbon": raw["litterInit"],
        "soil_water_storage": 10.0 * raw["soilWFracInit"] * raw["soilWHC"],
        "snow_water": 10.0 * raw["snowInit"],
    }
    return {n: np.broadcast_to(found.get(n, 0.0), raw["aMax"].shape) for n in model.calibrated}


def forcing_of(data: xr.Dataset, steps: int | None = None) -> dict[str, np.ndarray]:
    """Forcing in the units of the vocabulary from that of the source."""
    clim = {n: data[f"clim_{n}"].values[:steps].astype(float) for n in CLIMATE}
    return in_our_units(clim, irrigation(clim, data.attrs["events_in"]))


CLIMATE = ("year", "day", "time", "length", "tair", "tsoil", "par", "precip", "vpd", "vpdSoil", "vPress", "wspd")


def irrigation(clim: Mapping[str, np.ndarray], events: str) -> np.ndarray:
    """Water put on the soil, cm per step: in the first step of the day of an event."""
    amount = np.zeros(clim["day"].size)
    for line in events.splitlines():
        year, day, kind, centimetres, _ = line.split()
        assert kind == "irrig"
        amount[np.flatnonzero((clim["year"] == float(year)) & (clim["day"] == float(day)))[0]] += float(centimetres)
    return amount


def in_our_units(clim: Mapping[str, np.ndarray], watered: np.ndarray | float) -> dict[str, np.ndarray]:
    return {
        "air_temperature": clim["tair"],
        "soil_temperature": clim["tsoil"],
        "photosynthetically_active_radiation": clim["par"],
        "precipitation": 10.0 * clim["precip"] / clim["length"],
        "irrigation": 10.0 * watered / clim["length"],
        "vapour_pressure_deficit": 10.0 * clim["vpd"],
        "soil_vapour_pressure_deficit": 10.0 * clim["vpdSoil"],
        "vapour_pressure": 10.0 * clim["vPress"],
        "wind_speed": clim["wspd"],
        "day_of_year": clim["day"] + clim["time"] / 24.0,
        "step_length": clim["length"],
    }


@cache
def compiled(model: ProcessModel) -> Any:
    derived = program(model, tuple(model.flux_quantities), tuple(model.state_parameters))
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    return derived, pytensor.function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")


def run(model: ProcessModel, forcing: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """States (time + 1, member) and fluxes (time, member)."""
    derived, function = compiled(model)
    members = np.broadcast_shapes(*(np.shape(values[n]) for n in model.calibrated), (1,))
    rows = [np.broadcast_to(values[n], members) for n in model.calibrated]
    n = len(model.parameter_table)
    states, fluxes = function(np.array(rows[:n]), np.array(rows[n:]), *columns_of(derived, model.completed(forcing)))
    return dict(zip(model.state_parameters, states, strict=True)) | dict(zip(model.flux_quantities, fluxes, strict=True))


@pytest.fixture(scope="module")
def reference() -> Path:
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    folder = Path(data).resolve().parent / "reference"
    if not (folder / "sipnet_niwot.nc").exists():
        pytest.skip(f"no reference runs in {folder.name!r} beside the folder that LSM_BAYES_DATA names")
    return folder


ORIGINALS = {
    "sipnet_niwot.nc": get("sipnet_original"),
    # Steps of three hours: 40 in five days.
    "sipnet_russell_1.nc": sipnet_model("sipnet_three_hours", "SIPNET with steps of three hours", original=True, entries=41),
}


def apart(got: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference relative to the largest value of each run."""
    size = np.abs(wanted).max(axis=0)
    return float((np.abs(got - wanted) / np.where(size > 0, size, 1.0)).max())


@pytest.mark.parametrize("file", ORIGINALS)
def test_every_run_of_the_original(reference: Path, file: str, agreement: Any) -> None:
    model = ORIGINALS[file]
    with xr.open_dataset(reference / file) as opened:
        data = opened.load()
    raw = dict(zip(data.attrs["param_names"].split(), data["parameters"].values.T, strict=True))
    assert raw["aMax"].size >= 20
    forcing = forcing_of(data)
    found = run(model, forcing, from_source(raw, model))
    steps = data["sub_step"].values
    off = {n: apart(found[n][steps + 1], k * data[f"sub_state_{theirs}"].values.T) for n, (theirs, k) in STATES.items()}
    for table, prefix, scale in ((FLUXES, "sub_cum_flux", 1.0), (OUTPUTS, "sub_cum_out", forcing["step_length"][:, None])):
        for n, (theirs, k) in table.items():
            # What never happens in a run is not stored.
            wanted = data.get(f"{prefix}_{theirs}", xr.zeros_like(data["sub_cum_out_gpp"])).values.T
            off[f"{prefix} {n}"] = apart(np.cumsum(scale * found[n], axis=0)[steps], k * wanted)
    assert max(off.values()) < 1e-9, {n: v for n, v in off.items() if not v < 1e-9}
    agreement("sipnet", file, max(off.values()))


@pytest.mark.parametrize("file", FROZEN)
def test_frozen_runs_of_the_original(file: str) -> None:
    frozen, model = FROZEN[file], get("sipnet_original")
    clim = {n: np.array(v) for n, v in frozen["forcing"].items()}
    raw = {theirs: np.float64(0.0) for theirs, _ in PARAMETERS.values()} | {"snowInit": 0.0, "litterInit": 0.0, "laiInit": 0.0}
    raw |= {n: np.float64(v) for n, v in frozen["parameters"].items()}
    found = run(model, in_our_units(clim, 0.0), from_source(raw, model))
    for ours, (theirs, k) in STATES.items():
        assert found[ours][-1, 0] == pytest.approx(k * frozen["states"][theirs], rel=1e-10, abs=1e-12), ours
    for ours, (theirs, k) in FLUXES.items():
        assert found[ours].sum() == pytest.approx(k * frozen["flux_sums"].get(theirs, 0.0), rel=1e-10, abs=1e-12), ours


# Printed by the compiled C with the parameters of Niwot Ridge: first records of the data, with and without a pool of litter.
RECORDS = (
    (1998, 305, 0, 0.292, 1.5314, 0.8162, 0, 0, 105.7962, 70.1711, 711.6313, 0.92),
    (1998, 305, 7, 0.417, 3.6460, 1.8311, 5.6016, 0, 125.7018, 23.5578, 809.4069, 1.127),
    (1998, 305, 17, 0.583, 1.9850, 1.3510, 0, 0, 108.1324, 75.9155, 732.7946, 1.135),
    (1998, 306, 7, 0.417, 2.2580, 1.4513, 2.7104, 1.0, 114.1442, 71.6831, 741.8206, 0.969),
)


def first_records() -> dict[str, np.ndarray]:
    clim = dict(zip(CLIMATE, np.array(RECORDS, dtype=float).T, strict=True))
    clim["par"] = clim["par"] / clim["length"]
    clim["precip"] = 0.1 * clim["precip"]
    clim |= {n: 1e-3 * clim[n] for n in ("vpd", "vpdSoil", "vPress")}
    return in_our_units(clim, 0.0)


def test_four_steps_of_the_original_with_the_declared_defaults() -> None:
    model = get("sipnet_original")
    found = run(model, first_records(), {n: default for n, (_, default) in model.calibrated.items()})
    wood = found["wood_carbon"] + found["storage_carbon"]
    days = first_records()["step_length"]
    np.testing.assert_allclose(wood[1:, 0], [5759.611919, 5759.240355, 5758.496812, 5758.021734], rtol=1e-9)
    np.testing.assert_allclose(found["foliage_carbon"][1:, 0], [1133.882064, 1133.708262, 1133.458289, 1133.268303], rtol=1e-9)
    np.testing.assert_allclose(found["soil_carbon"][1:, 0], [16000.06003, 16000.07778, 16000.14922, 16000.1941], rtol=1e-9)
    np.testing.assert_allclose(found["soil_water_storage"][1:, 0] / 10, [5.99697874, 5.994573299, 5.987951804, 6.064470956], rtol=1e-9)
    np.testing.assert_allclose(days * found["nee"][:, 0], [0.7424323272, 0.9671263657, 1.557515609, 1.108290174], rtol=1e-9)
    np.testing.assert_allclose(days * found["gpp"][:, 0], [0, 0.2211896411, 0, 0.01865861248], rtol=1e-9)
    water = days * found["evapotranspiration"][:, 0] / 10
    np.testing.assert_allclose(water, [0.003021260324, 0.002405440942, 0.006621494726, 0.0144808481], rtol=1e-9)


def test_pool_of_litter(request: pytest.FixtureRequest) -> None:
    model = get("sipnet_litter")
    defaults = {n: default for n, (_, default) in model.calibrated.items()}
    found = run(model, first_records(), defaults)
    np.testing.assert_allclose(found["soil_carbon"][[1, 3], 0], [15999.91249, 15999.50626], rtol=1e-9)
    np.testing.assert_allclose(found["litter_carbon"][[1, 3], 0], [400.1126375, 400.4787993], rtol=1e-9)
    assert 0.292 * found["nee"][0, 0] == pytest.approx(0.7773375892, rel=1e-9)
    with xr.open_dataset(request.getfixturevalue("reference") / "sipnet_niwot.nc") as data:
        found = run(model, forcing_of(data, 1999), defaults)
    # After 1999 steps the water differs from that of the source by what it loses, a few 1e-5 mm.
    assert found["soil_carbon"][1999, 0] == pytest.approx(15239.60581, rel=1e-8)
    assert found["litter_carbon"][1999, 0] == pytest.approx(579.2681173, rel=1e-6)
