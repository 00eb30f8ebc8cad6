import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import differland_loss
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr

from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import dalec_990, get
from lsm_bayes.lanes import lanes_for
from lsm_bayes.processes import field_capacity_stress, plant_available_water, water_use
from lsm_bayes.programs import Program, program
from lsm_bayes.trajectory import Trajectory, columns_of

MODEL, ORIGINAL = get("dalec_990"), get("dalec_990_original")
FLUXES, POOLS, PARAMETERS = list(ORIGINAL.flux_quantities), list(ORIGINAL.state_parameters), list(ORIGINAL.parameter_table)
# DifferLand's names. The parameters of its unused fire are not in this list.
PARAMETER_NAMES = {
    "decomposition_rate": "decomposition_rate",
    "f_auto": "f_auto",
    "f_fol": "f_foliage",
    "f_root": "f_roots",
    "leaf_lifespan": "leaf_lifespan",
    "tor_wood": "wood_turnover",
    "tor_root": "root_turnover",
    "tor_litter": "litter_mineralisation",
    "tor_som": "soil_mineralisation",
    "Q10": "temperature_exponent",
    "canopy_efficiency": "canopy_efficiency",
    "Bday": "leaf_onset_day",
    "f_lab": "f_labile",
    "clab_release_period": "labile_release_period",
    "Fday": "leaf_fall_day",
    "leaf_fall_period": "leaf_fall_period",
    "LCMA": "leaf_mass_area",
    "uWUE": "underlying_water_use_efficiency",
    "PAW_Qmax": "available_water_focal_point",
    "field_capacity": "field_capacity",
    "wilting_point_frac": "wilting_fraction",
    "lab_lifespan": "labile_lifespan",
    "moisture_factor": "precipitation_sensitivity",
    "h2o_xfer": "percolation_fraction",
    "PUW_Qmax": "unavailable_water_focal_point",
    "boese_r": "radiation_evaporation",
}
UNUSED = {"foliar_cf", "ligneous_cf", "dom_cf", "resilience"}
FORCING = {
    "time": "day_number",
    "tmin": "air_temperature_min",
    "tmax": "air_temperature_max",
    "rad": "shortwave_down",
    "co2": "co2",
    "doy": "day_of_year",
    "vpd": "vapour_pressure_deficit",
    "precip": "precipitation",
    "lat": "latitude",
    "tmean_train": "mean_air_temperature",
    "meanprecip_train": "mean_precipitation",
}
FLUX_NAMES = {
    "lai": "lai",
    "gpp": "gpp",
    "ET": "evapotranspiration",
    "temperate": "decomposition_factor",
    "respiration_auto": "autotrophic_respiration",
    "leaf_production": "allocation_to_foliage",
    "labile_production": "allocation_to_labile",
    "root_production": "allocation_to_roots",
    "wood_production": "allocation_to_wood",
    "lff": "leaf_fall_factor",
    "lrf": "labile_release_factor",
    "labile_release": "labile_release",
    "leaf_litter": "leaf_litterfall",
    "wood_litter": "wood_litterfall",
    "root_litter": "root_litterfall",
    "respiration_hetero_litter": "litter_respiration",
    "respiration_hetero_som": "soil_respiration",
    "litter_to_som": "litter_decomposition",
    "q_paw": "drainage_plant_available",
    "q_puw": "drainage_plant_unavailable",
    "paw2puw": "percolation",
    "nee": "nee",
    "beta": "soil_moisture_stress",
    "violation": "water_shortfall_penalty",
}
NEXT = ("labile", "foliar", "root", "wood", "litter", "som", "paw", "puw")
NEXT_NAMES = {f"next_{theirs}_pool": ours for theirs, ours in zip(NEXT, POOLS, strict=True)}
FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "dalec990.json").read_text())

# The worked example: three steps of 30.4375 days at 45 degrees north.
MONTHS = {
    "time": [15.21875, 45.65625, 76.09375],
    "tmin": [-2.0, 1.0, 5.0],
    "tmax": [6.0, 10.0, 15.0],
    "rad": [5.0, 9.0, 14.0],
    "co2": [390.0] * 3,
    "vpd": [3.0, 5.0, 8.0],
    "precip": [2.0, 1.5, 3.0],
    "lat": [45.0] * 3,
    "tmean_train": [6.0] * 3,
    "meanprecip_train": [2.2] * 3,
}
MONTHS["doy"] = MONTHS["time"]
LAST = {name: values[2:] for name, values in MONTHS.items()}
EXAMPLE = {
    "decomposition_rate": 0.001,
    "f_auto": 0.45,
    "f_fol": 0.1,
    "f_root": 0.4,
    "leaf_lifespan": 1.5,
    "tor_wood": 1e-4,
    "tor_root": 2e-3,
    "tor_litter": 5e-3,
    "tor_som": 5e-5,
    "Q10": 0.04,
    "canopy_efficiency": 20.0,
    "Bday": 425.25,
    "f_lab": 0.1,
    "clab_release_period": 35.0,
    "Fday": 645.25,
    "LCMA": 60.0,
    "leaf_fall_period": 60.0,
    "uWUE": 5.0,
    "PAW_Qmax": 800.0,
    "field_capacity": 300.0,
    "wilting_point_frac": 0.3,
    "lab_lifespan": 1.2,
    "moisture_factor": 0.3,
    "h2o_xfer": 0.3,
    "PUW_Qmax": 500.0,
    "boese_r": 0.05,
}
START = (80.0, 100.0, 120.0, 5000.0, 150.0, 9000.0, 300.0, 200.0)


@cache
def compiled(derived: Program) -> Any:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    return pytensor.function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")


def vector(named: Mapping[str, float]) -> np.ndarray:
    """Give a column (parameter, 1) in the order of the declaration for DifferLand's names."""
    ours = {PARAMETER_NAMES[n]: v for n, v in named.items() if n not in UNUSED}
    return np.array([[ours[n]] for n in PARAMETERS], dtype=float)


def run(
    forcing: Mapping[str, Any], parameters: np.ndarray, pools: Any, model: ProcessModel = ORIGINAL, days: float = 30.4375
) -> dict[str, np.ndarray]:
    """Pools (time + 1, member) and fluxes (time, member) for DifferLand's names of the forcing."""
    series = {ours: np.asarray(forcing[theirs], dtype=float) for theirs, ours in FORCING.items()} | {"step_length": np.float64(days)}
    # Folded as in all calibrations where the step is a day.
    derived = program(model, tuple(FLUXES), tuple(POOLS), (("step_length", 1.0),) if days == 1.0 else ())
    start = np.asarray(pools, dtype=float).reshape(len(POOLS), -1)
    states, fluxes = compiled(derived)(parameters, start, *columns_of(derived, series))
    return dict(zip(POOLS, states, strict=True)) | dict(zip(FLUXES, fluxes, strict=True))


def value(expression: Any) -> float:
    return float(pytensor.function([], expression, mode="FAST_COMPILE")())


def test_three_steps_of_the_original() -> None:
    found = run(MONTHS, vector(EXAMPLE), START)
    for name, wanted in {
        "gpp": (1.963693085, 1.824014819, 1.818918558),
        "evapotranspiration": (0.9302432388, 1.265724226, 1.728935718),
        "decomposition_factor": (0.8289035038, 0.8866342545, 1.301530239),
        "leaf_fall_factor": (4.127624459e-4, 6.1723078e-5, 1.460236e-5),
        "labile_release_factor": (4.05266832e-4, 0.01522946399, 0.03876030942),
        "litter_respiration": (0.5852024229, 0.5684661651, 0.7303282069),
        "soil_respiration": (0.3727791242, 0.3990613773, 0.5860566625),
        "litter_decomposition": (0.1228304312, 0.1197148913, 0.1574970163),
        "drainage_plant_available": (2.587268994, 1.392143933, 0.7984576189),
        "percolation": (1.108829569, 0.5966331143, 0.3421961224),
        "drainage_plant_unavailable": (2.628336756, 1.553285421, 1.020656056),
        "nee": (-0.1220496498, -0.03568060831, 0.3159796622),
        "soil_moisture_stress": (1.0, 0.6193367687, 0.3650385186),
        "water_shortfall_penalty": (0.0, 0.0, 0.0),
    }.items():
        np.testing.assert_allclose(found[name][:, 0], wanted, rtol=2e-9 if name != "leaf_fall_factor" else 2e-7, err_msg=name)
    for name, wanted in {
        "labile_carbon": (81.9776496, 54.13252082, 18.99215397),
        "foliage_carbon": (103.0195631, 136.4730033, 177.3381948),
        "root_carbon": (123.5570171, 126.1461461, 128.554573),
        "wood_carbon": (5000.780125, 5000.421465, 5000.022432),
        "litter_carbon": (136.7919733, 123.3430881, 103.8378707),
        "soil_carbon": (9007.588558, 9014.284691, 9016.438059),
        "plant_available_water": (220.0607214, 166.6580889, 170.6274598),
        "plant_unavailable_water": (153.75, 124.6318954, 103.9812712),
    }.items():
        np.testing.assert_allclose(found[name][1:, 0], wanted, rtol=1e-9, err_msg=name)


def test_field_capacity_at_its_lower_bound_means_no_stress() -> None:
    # The source's configuration without water stress.
    found = run(MONTHS, vector(EXAMPLE | {"field_capacity": 1.0}), START)
    np.testing.assert_array_equal(found["soil_moisture_stress"], 1.0)
    np.testing.assert_allclose(found["gpp"][:, 0], (1.963693085, 2.945109853, 5.036397564), rtol=1e-9)
    np.testing.assert_allclose(found["evapotranspiration"][:, 0], (0.9302432388, 1.767093166, 3.549016696), rtol=1e-9)
    np.testing.assert_allclose(found["plant_available_water"][1:, 0], (220.0607214, 151.3976718, 106.0354073), rtol=1e-9)


# Start of the two water pools, precipitation, radiation, changed parameters; expected ET, drainages q, tr, qu, pools, penalty.
WATER_CASES = {
    "floor with shortfall": (
        (5, 1.5, 0, 14, {}),
        (0.1314168378, 0, 0, 1.478439425e-4, 1, 1.4955, 0.006080082136),
    ),
    "floor": (
        (25, 200, 0, 3, {"PAW_Qmax": 20}),
        (0.15, 0.4019507187, 0.08655030801, 2.628336756, 1, 122.634375, 0),
    ),
    "both floors": (
        (25, 1, 0, 20, {"PAW_Qmax": 20}),
        (0.7885010267, 0, 0, 0, 1, 1, 0.004480492813),
    ),
    "both saturated": (
        (700, 600, 3, 14, {}),
        (2.869126066, 11.49897331, 4.928131417, 15.60574949, 203.9834754, 275, 0),
    ),
    "both upper limits": (
        (9990, 9990, 60, 14, {"PAW_Qmax": 1e5, "PUW_Qmax": 1e5}),
        (2.869126066, 56.90089447, 57.03231131, 32.78853388, 1e4, 1e4, 0),
    ),
}
WATER = (
    "evapotranspiration",
    "drainage_plant_available",
    "percolation",
    "drainage_plant_unavailable",
    "plant_available_water",
    "plant_unavailable_water",
    "water_shortfall_penalty",
)


def water_case(case: str, model: ProcessModel) -> dict[str, float]:
    (available, deep, rain, light, changed), _ = WATER_CASES[case]
    found = run(LAST | {"precip": [rain], "rad": [light]}, vector(EXAMPLE | changed), (*START[:6], available, deep), model)
    return {n: float(v[-1, 0]) for n, v in found.items()}


@pytest.mark.parametrize("case", WATER_CASES)
def test_water_at_its_limits_in_the_original(case: str) -> None:
    found = water_case(case, ORIGINAL)
    np.testing.assert_allclose([found[n] for n in WATER], WATER_CASES[case][1], rtol=2e-9, atol=1e-12)


@pytest.mark.parametrize("case", WATER_CASES)
def test_water_at_its_limits_closes_the_budget(case: str) -> None:
    (available, deep, rain, *_), _ = WATER_CASES[case]
    found = water_case(case, MODEL)
    lost = found["evapotranspiration"] + found["drainage_plant_available"] + found["drainage_plant_unavailable"]
    change = found["plant_available_water"] + found["plant_unavailable_water"] - available - deep
    assert change == pytest.approx(30.4375 * (rain - lost), rel=1e-12, abs=1e-10)
    assert all(found[n] >= -1e-15 for n in WATER)
    original = water_case(case, ORIGINAL)
    assert found["plant_available_water"] == original["plant_available_water"]
    if case == "both saturated":
        assert found == original


def test_carbon_at_its_upper_limits() -> None:
    changed = {
        "PAW_Qmax": 1e5,
        "PUW_Qmax": 1e5,
        "tor_wood": 2.5e-5,
        "tor_root": 1e-4,
        "decomposition_rate": 1e-5,
        "tor_litter": 1e-4,
        "tor_som": 1e-7,
    }
    changed |= {"Fday": 500.0, "lab_lifespan": 8.0}
    start = (1999, 1990, 1999, 99999, 1950, 199999, 9000, 9990)
    for model in (ORIGINAL, MODEL):
        found = {n: v[-1, 0] for n, v in run(LAST | {"precip": [60.0]}, vector(EXAMPLE | changed), start, model).items()}
        wanted = {
            "gpp": 12.18368329,
            "decomposition_factor": 10.42291019,
            "leaf_fall_factor": 1.257274063e-3,
            "labile_release_factor": 2.093903766e-3,
            "labile_release": 4.059235539,
            "leaf_litterfall": 4.400796026,
            "wood_litterfall": 3.223844334,
            "root_litterfall": 2.138278153,
            "litter_respiration": 2.001592829,
            "litter_decomposition": 2.894770877,
            "soil_respiration": 6.085761001,
            "nee": 1.386328021,
            "labile_carbon": 1893.803641,
            "foliage_carbon": 2000.0,
            "root_carbon": 2000.0,
            "wood_carbon": 1e5,
            "litter_carbon": 2000.0,
            "soil_carbon": 2e5,
            "plant_available_water": 9785.16448,
            "plant_unavailable_water": 9234.999,
        }
        np.testing.assert_allclose([found[n] for n in wanted], list(wanted.values()), rtol=1e-9)


def test_leaves_at_their_lower_limit() -> None:
    # Leaf fall near its peak in a step of a month, without light: nothing replaces the leaves.
    dark = LAST | {"rad": [0.0], "time": [682.0]}
    start = (1.0, 1.5, *START[2:])
    conserving, original = (run(dark, vector(EXAMPLE | {"leaf_lifespan": 1.001}), start, m) for m in (MODEL, ORIGINAL))
    for found in (conserving, original):
        assert found["foliage_carbon"][1, 0] == 1.0
        assert found["labile_carbon"][1, 0] == 1.0
        assert found["gpp"][0, 0] == 0.0
    assert original["leaf_litterfall"][0, 0] == 1.0  # sets a number
    assert conserving["leaf_litterfall"][0, 0] == pytest.approx(0.5 / 30.4375, rel=1e-12)  # what there was above the limit


def test_drainage_has_no_corner() -> None:
    scale = 800.0
    below, at, above = (value(plant_available_water.drainage(pt.as_tensor(w), scale, 1.0)) for w in (400.0 - 1e-3, 400.0, 400.0 + 1e-3))
    assert at == 200.0
    assert above - at == pytest.approx(at - below, rel=1e-5)


@pytest.mark.parametrize(("water", "factor"), [(50.0, 0.0), (90.0, 0.0), (195.0, 0.5), (300.0, 1.0), (900.0, 1.0), (np.nan, np.nan)])
def test_stress_between_wilting_point_and_field_capacity(water: float, factor: float) -> None:
    assert value(field_capacity_stress.stress_factor(pt.as_tensor(water), 300.0, 0.3)) == pytest.approx(factor, nan_ok=True)


def test_rounded_stress_converges_to_the_exact_one_and_keeps_its_slope() -> None:
    water = pt.dvector("water")
    values = np.linspace(1.0, 500.0, 200)
    exact = field_capacity_stress.stress_factor(water, 300.0, 0.3).eval({water: values})
    for size in (0.1, 0.01, 0.001):
        rounded = field_capacity_stress.stress_factor(water, 300.0, 0.3, size)
        assert np.abs(rounded.eval({water: values}) - exact).max() <= size * np.log(2) * (1 + 1e-12)
    rounded = field_capacity_stress.stress_factor(water, 300.0, 0.3, 0.05)
    assert pytensor.grad(rounded.sum(), water).eval({water: values}).min() > 0


def test_smooth_form_converges_and_has_a_gradient_below_the_wilting_point() -> None:
    dry = (*START[:6], 60.0, 200.0)
    exact = run(MONTHS, vector(EXAMPLE), dry, MODEL)["gpp"]
    off = [np.abs(run(MONTHS, vector(EXAMPLE), dry, dalec_990.smooth(w))["gpp"] - exact).max() for w in (0.1, 0.02)]
    assert 0 < off[1] < 0.2 * off[0]
    for model, seen in ((MODEL, False), (dalec_990.smooth(0.1), True)):
        p = pt.dvector("p")
        found = model.step(
            model.state(*dry),
            model.forcing(**{ours: pt.constant(MONTHS[theirs][2]) for theirs, ours in FORCING.items()}, step_length=pt.constant(1.0)),
            model.parameters(*(p[i] for i in range(len(PARAMETERS)))),
        )
        slope = pytensor.grad(found[1].gpp, p, disconnected_inputs="ignore").eval({p: vector(EXAMPLE)[:, 0]})
        assert bool(slope[PARAMETERS.index("canopy_efficiency")] > 0) is seen


def test_a_width_that_rounds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="the width of the rounded corners must be positive, got 0.0"):
        dalec_990.smooth(0.0)


def test_saturated_air_has_no_photosynthetic_evapotranspiration_and_finite_slopes() -> None:
    gpp, dry = pt.dscalar(), pt.dscalar()
    found = water_use.underlying(gpp, dry, 10.0, 5.0, 0.05)
    assert found.eval({gpp: 3.0, dry: 0.0}) == 0.5
    assert [g.eval({gpp: 3.0, dry: 0.0}) for g in pytensor.grad(found, [gpp, dry])] == [0.0, 0.0]
    assert np.isnan(found.eval({gpp: 3.0, dry: np.nan}))


def test_a_pool_that_is_not_a_number_is_not_healed() -> None:
    found = run(MONTHS, vector(EXAMPLE), (np.nan, *START[1:]))
    assert np.isnan(found["labile_carbon"]).all() and np.isnan(found["gpp"][1:]).all()


def test_frozen_run_of_the_original() -> None:
    parameters = vector(FROZEN["parameters"])
    found = run(FROZEN["forcing"], parameters, list(FROZEN["initial"].values()), days=1.0)
    for theirs, wanted in FROZEN["pools"].items():
        assert found[NEXT_NAMES[theirs]][-1, 0] == pytest.approx(wanted, rel=1e-12)
    for theirs, wanted in FROZEN["flux_sums"].items():
        assert found[FLUX_NAMES[theirs]].sum() == pytest.approx(wanted, rel=1e-10, abs=1e-12)


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference runs beside it")
    file = Path(data).resolve().parent / "reference" / "dalec990_daily_FI-Hyy.nc"
    if not file.exists():
        pytest.skip(f"no {file.name} in {file.parent.name!r} beside the folder that LSM_BAYES_DATA names")
    with xr.open_dataset(file) as found:
        return found.load()


def reference_inputs(reference: xr.Dataset) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    met = dict(zip(json.loads(reference.attrs["met_columns"]), reference["met"].values.T, strict=True))
    order = json.loads(reference.attrs["param_order"])
    assert set(order) == PARAMETER_NAMES.keys() | UNUSED
    columns = [order.index(theirs) for ours in PARAMETERS for theirs, o in PARAMETER_NAMES.items() if o == ours]
    return met, reference["param_physical"].values.T[columns].copy(), reference["pool_physical"].values.T.copy()


@pytest.fixture(scope="module")
def evaluated(reference: xr.Dataset) -> dict[str, Any]:
    """Run all vectors at once, in lanes, with the loss of the original and its derivatives with respect to physical values."""
    met, parameters, pools = reference_inputs(reference)
    members = parameters.shape[1]
    series = {ours: met[theirs] for theirs, ours in FORCING.items()}
    derived = program(ORIGINAL, tuple(FLUXES), tuple(POOLS), (("step_length", 1.0),))
    p, x, underflow = pt.dmatrix(), pt.dmatrix(), pt.dscalar()
    states, fluxes = Trajectory(derived, lanes=lanes_for(members))(p, x, *columns_of(derived, series), return_list=True)
    each = differland_loss.loss(
        *({n: a[i] for i, n in enumerate(names)} for names, a in ((PARAMETERS, p), (POOLS, states), (FLUXES, fluxes))),
        reference["met"].values,
        reference["target"].values,
        underflow,
    )
    function = pytensor.function([p, x, underflow], [states, fluxes, each, *pytensor.grad(each.sum(), [p, x])], mode="NUMBA")
    found = dict(zip(("states", "fluxes", "loss", "dp", "dx"), function(parameters, pools, 354.9), strict=True))
    return found | {"true_dp": function(parameters, pools, np.inf)[3]}


def test_every_column_of_the_original(reference: xr.Dataset, evaluated: dict[str, Any], agreement: Any) -> None:
    wanted = reference["output"].values
    assert wanted.shape[0] == 8
    columns = json.loads(reference.attrs["output_columns"])
    assert columns.keys() == FLUX_NAMES.keys() | NEXT_NAMES.keys()
    worst = {}
    for name, column in columns.items():
        if name in FLUX_NAMES:
            got = evaluated["fluxes"][FLUXES.index(FLUX_NAMES[name])]
        else:
            got = evaluated["states"][POOLS.index(NEXT_NAMES[name])][1:]
        size = np.abs(wanted[:, :, column]).max(axis=1)
        worst[name] = float((np.abs(got.T - wanted[:, :, column]).max(axis=1) / np.where(size > 0, size, 1.0)).max())
    assert max(worst.values()) < 1e-9, worst
    agreement("dalec_990", "dalec990_daily_FI-Hyy.nc", max(worst.values()))


def test_loss_and_gradient_of_the_original(reference: xr.Dataset, evaluated: dict[str, Any]) -> None:
    np.testing.assert_allclose(evaluated["loss"], reference["loss"].values, rtol=1e-12)
    order = json.loads(reference.attrs["param_order"])

    def normalised(gradient: np.ndarray, physical: np.ndarray, z: np.ndarray, low: Any, high: Any) -> np.ndarray:
        """Derivatives by z, where a value is low (high / low)**(1/2 + atan(z) / pi), the ratio in single precision."""
        ratio = np.asarray(high, dtype=np.float32) / np.asarray(low, dtype=np.float32)
        return gradient * physical * np.log(ratio.astype(float)) / (np.pi * (1 + z**2))

    _, parameters, pools = reference_inputs(reference)
    full = np.zeros((len(order), 8))
    physical = np.ones_like(full)
    for theirs, ours in PARAMETER_NAMES.items():
        row, mine = order.index(theirs), PARAMETERS.index(ours)
        full[row], physical[row] = evaluated["dp"][mine], parameters[mine]
    got = normalised(full.T, physical.T, reference["param_normalised"].values, reference.attrs["param_min"], reference.attrs["param_max"])
    wanted = reference["dloss_dparam"].values
    size = np.abs(wanted).max(axis=1, keepdims=True)
    assert np.abs(got - wanted).max() > 0  # not compared with itself
    assert (np.abs(got - wanted) / size).max() < 1e-9
    np.testing.assert_array_equal(wanted[:, [order.index(n) for n in UNUSED]], 0.0)
    got = normalised(
        evaluated["dx"].T, pools.T, reference["pool_normalised"].values, reference.attrs["pool_min"], reference.attrs["pool_max"]
    )
    wanted = reference["dloss_dpool"].values
    assert (np.abs(got - wanted) / size).max() < 1e-9


def test_where_the_original_loses_a_derivative(evaluated: dict[str, Any]) -> None:
    # Of vector 7 the penalty on wood exceeds 354.9.
    same = np.isclose(evaluated["dp"], evaluated["true_dp"], rtol=1e-9, atol=0.0).all(axis=0)
    np.testing.assert_array_equal(same, [True] * 7 + [False])


def test_closed_budgets_change_the_carbon_of_the_original_only_where_leaves_reach_their_limit(
    reference: xr.Dataset, evaluated: dict[str, Any]
) -> None:
    met, parameters, pools = reference_inputs(reference)
    found = run(met, parameters, pools, MODEL, days=1.0)
    states = dict(zip(POOLS, evaluated["states"], strict=True))
    free = (states["foliage_carbon"] > dalec_990.LIMITS["foliage_carbon"][0]).all(axis=0)
    assert free.sum() == 6
    for name in (*differland_loss.CARBON, "plant_available_water"):
        np.testing.assert_allclose(found[name][:, free], states[name][:, free], rtol=1e-11, err_msg=name)
