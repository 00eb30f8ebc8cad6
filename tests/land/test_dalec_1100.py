"""DALEC 1100 against CARDAMOM, and what it does otherwise."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from cardamom import reference_folder
from cardamom_1100 import DIAGNOSED, FLUXES, MONTH, PARAMETERS, POOLS, Outputs, run, series_of, values_of
from pytensor.compile.mode import Mode
from pytensor.link.vm import VMLinker

from lsm_bayes.forcing import defaults
from lsm_bayes.land import dalec_1100
from lsm_bayes.land.dalec_1100 import DALEC_1100, DEFAULT, SOURCE
from lsm_bayes.land.dalec_1100_declared import Parameters, State
from lsm_bayes.processes import acm, jcr_respiration, knorr_phenology, labile_allocation, liu_canopy, soil_column, soil_heat

FROZEN = json.loads((Path(__file__).parents[1] / "reference" / "dalec1100.json").read_text())
FILE = "dalec1100_US-NR1.nc"
INTERPRETED = Mode(VMLinker(c_thunks=False), None)
# Three months of the specification: latitude 45, fire in the second.
THREE_MONTHS: dict[str, Any] = {
    "day_of_year": [105, 135.4375, 165.875],
    "air_temperature_min": [4, 9, 12],
    "air_temperature_max": [14, 19, 23],
    "shortwave_down": [15, 19, 21],
    "longwave_down": np.array([26, 28, 30]) * 1e6 / 86400,
    "co2": [400] * 3,
    "burned_area": [0, 0.01, 0],
    "vapour_pressure_deficit": [5, 7, 9],
    "precipitation": [2.5, 3, 2],
    "snowfall": [0.2, 0, 0],
    "skin_temperature": [9, 14, 18],
    "latitude": 45.0,
    "step_length": MONTH,
}
SPECIFIED = defaults(DALEC_1100) | {"thickness_1": 1.0, "surface_heat_conductivity": 0.3}


def numbers(*expressions: Any) -> list[float]:
    return [float(v) for v in pytensor.function([], [pt.as_tensor(e) for e in expressions], mode=INTERPRETED)()]


def constant(value: float) -> Any:
    return pt.constant(value, dtype="float64")


def test_canopy_of_the_specification() -> None:
    air = liu_canopy.Air(*map(constant, (20e6 / 86400, 1.0, 20.0, 390.0)))
    leaf = liu_canopy.Leaf(*map(constant, (60.0, 2.0, 273.15, 311.15, 0.015, 2.0, 3.0, 0.8, 0.1, 0.45)))
    lai, light = constant(3.0), constant(0.6)
    made = liu_canopy.photosynthesis(air, leaf, lai, light, constant(0.9), constant(200.0), MONTH)
    transpired = liu_canopy.transpiration(air, leaf, lai, light, made, constant(0.02))
    evaporated = liu_canopy.soil_evaporation(air, leaf, lai, light, constant(2.0 / 5.0))
    found = numbers(made.gross, made.dark_respiration, made.gross - made.dark_respiration, transpired, evaporated, made.demand.unmet)
    wanted = [19.34739396, 0.8388112639, 18.50858269, 5.467346464, 0.5072268272, 3.974652837e-4]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_extinction_of_the_specification() -> None:
    found = numbers(*(liu_canopy.extinction(constant(d), constant(45.0), 3.1415927) for d in (105, 135.4375, 165.875)))
    np.testing.assert_allclose(found, [0.6148158299, 0.5568455149, 0.5381030463], rtol=2e-10)


def test_phenology_of_the_specification() -> None:
    traits = knorr_phenology.Traits(*map(constant, (283.15, 2.0, 11.0, 1.0, 0.05, 0.08, 5.0, 60.0)))
    hours = acm.day_length(constant(135.0), constant(45.0), 3.1415927)
    s = knorr_phenology.season(traits, *map(constant, (1.5, 281.0, 4.0 / 5.0, 287.0)), hours, constant(300.0), constant(2.0), MONTH)
    found = numbers(s.leaf_area, s.temperature_memory, 5.0 * s.area_memory, s.warmth, s.daylight, s.limited, s.water_limited)
    wanted = [2.475477364, 284.8246792, 3.777637196, 0.7987991506, 0.9998618507, 3.651166347, 3.75]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_allocation_of_the_specification() -> None:
    supply = constant(200.0 / MONTH + 8.0 - 1.0)
    wanted = 2.0 ** ((293.15 - 298.15) / 10) * (1e-4 * 5000 + 1e-3 * 200)
    kept = labile_allocation.maintenance(supply, constant(wanted))
    grown = labile_allocation.growth(supply - kept.respiration, [constant(d) for d in (1.0, 2.0, 0.5)], constant(0.8))
    found = numbers(kept.respiration, grown.respiration, *grown.allocation, kept.demand.unmet)
    np.testing.assert_allclose(found, [0.4949747468, 0.8309443215, 0.9496506532, 1.899301306, 0.4748253266, 1.238350416e-12], rtol=1e-9)


def decomposition(wetness: Any, **changes: float) -> jcr_respiration.Factors:
    given = {"q10": 1.8, "saturation_exponent": 10.0, "optimal_wetness": 0.65, "saturated_factor": 0.3}
    given |= {"methane_fraction": 0.1, "methane_q10": 2.5} | changes
    return jcr_respiration.factors(constant(288.15), wetness, constant(1.0), **{n: constant(v) for n, v in given.items()})


def test_decomposition_of_the_specification() -> None:
    np.testing.assert_allclose(numbers(*decomposition(constant(0.6))), [0.5076524636, 0.0010077696, 0.04], rtol=1e-9)


def test_decomposition_is_continuous_in_saturated_soil() -> None:
    near = numbers(*decomposition(constant(1.0 - 1e-12)))
    np.testing.assert_allclose(numbers(*decomposition(constant(1.0))), near, rtol=1e-9, atol=1e-11)
    assert np.isfinite(numbers(*decomposition(constant(1.0), optimal_wetness=1.0))).all()


def test_soil_water_of_the_specification() -> None:
    found = numbers(
        soil_column.drained_fraction(constant(0.8), constant(4.0), constant(0.033), constant(0.3)),
        soil_column.water_potential(constant(0.5), constant(4.0)),
        soil_column.conductivity(constant(1e-6), constant(0.5), constant(4.0)),
    )
    np.testing.assert_allclose(found, [0.1040028477, -0.01872, 4.8828125e-10], rtol=1e-9)


def test_three_months_of_the_specification() -> None:
    states, fluxes = run(SOURCE, THREE_MONTHS, SPECIFIED)
    for name, wanted in {
        "labile_carbon": (434.0704098, 225.306173, 370.2513181),
        "foliage_carbon": (35.83468782, 137.1360857, 205.5310227),
        "root_carbon": (147.8737652, 163.471932, 190.8121646),
        "wood_carbon": (5998.432369, 6004.344686, 6083.141325),
        "woody_debris_carbon": (812.0444074, 848.7767025, 859.3050352),
        "litter_carbon": (269.278014, 282.8729622, 303.4798958),
        "soil_carbon": (8995.640356, 8988.541297, 8984.907457),
        "relative_moisture_1": np.array([290.2618827, 288.578865, 221.0165836]) / 500,
        "relative_moisture_2": np.array([232.6384411, 217.037045, 171.4105525]) / 450,
        "relative_moisture_3": np.array([789.9502871, 729.023685, 684.1712934]) / 1200,
        "temperature_memory": (281.3705101, 285.0546259, 288.6213778),
        "leaf_area_memory": np.array([4.235881132, 4.677150186, 4.203602479]) / 5,
    }.items():
        np.testing.assert_allclose(states[name][1:, 0], wanted, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(states["snow_water"][1:, 0], [11.15449465, 1.627935791, 0.0], rtol=1e-9)
    for name, wanted in {
        "gpp": (6.325183524, 2.265237444, 14.94898788),
        "dark_respiration": (0.2394864688, 0.167403534, 0.5918212127),
        "autotrophic_respiration": (0.6038917128, 2.068103827, 2.654183135),
        "heterotrophic_respiration": (0.6888661792, 0.7462761778, 0.8950868016),
        "methane_emission": (1.463628221e-05, 1.204736682e-05, 1.757417388e-05),
        "fire_emission": (0.0, 0.8545142718, 0.0),
        "evapotranspiration": (2.350182365, 2.689192282, 4.995235387),
        "transpiration_1": (1.04152323, 0.4108167107, 2.795339136),
        "transpiration_2": (0.5207747571, 0.2053953319, 1.397506275),
        "soil_evaporation": (0.7258143873, 2.034846757, 0.7961361462),
        "snow_melt": (0.4285420945, 0.2748540775, 0.04723071352),
        "sublimation": (0.06206999108, 0.0381334824, 0.006253829917),
        "infiltration": (2.550601662, 3.02079144, 1.945937334),
        "drainage_1": (0.6163814409, 0.5151822342, 0.4979768602),
        "drainage_2": (0.7962319117, 0.1923276704, 0.07669684002),
        "drainage_3": (2.780862026, 2.231783832, 1.574599631),
        "water_flow_1_2": (0.48682075, 0.1152399523, 0.07619053635),
        "water_flow_2_3": (1.136518277, 0.230088485, 0.1010097616),
        "photosynthesis_stress": (0.9, 0.9974025485, 0.9973822914),
        "hydraulic_mortality": (0.0003381117236, 0.0003395097951, 0.000340161588),
        "ground_heat": (0.4009746775, 2.98815616, 4.029308226),
        "leaf_senescence": (1.722817707, 0.0, 0.0),
        "target_lai": (0.6260289342, 2.973305048, 3.769713343),
    }.items():
        np.testing.assert_allclose(fluxes[name][:, 0], wanted, rtol=2e-9, err_msg=name)
    # Energy of the layers, J m-2, and temperature of the first at the start of each month.
    np.testing.assert_allclose(fluxes["soil_temperature_1"][:, 0] + 273.15, [281.3480506, 281.6142169, 284.325162], rtol=1e-9)
    energies = ((844696101.3, 837646101.3, 2477688304.0), (782795928.7, 732712236.3, 2332371939.0))
    for t, wanted in zip((0, -1), energies, strict=True):
        stored = numbers(
            *(
                soil_heat.stored(
                    constant(states[f"water_energy_{i}"][t, 0]),
                    constant(states[f"relative_moisture_{i}"][t, 0] * capacity),
                    constant(2e6 * thickness),
                    SOURCE.heat,
                )
                for i, capacity, thickness in ((1, 500.0, 1.0), (2, 450.0, 1.0), (3, 1200.0, 3.0))
            )
        )
        np.testing.assert_allclose(stored, wanted, rtol=1e-9)


def test_frozen_run_of_the_original() -> None:
    states, fluxes = run(SOURCE, series_of(FROZEN["forcing"], FROZEN["latitude"]), values_of(FROZEN["parameters"]))
    for theirs, ours in POOLS.items():
        assert states[ours][-1, 0] == pytest.approx(FROZEN["pools"][theirs], rel=1e-9), theirs
    for theirs, wanted in FROZEN["flux_sums"].items():
        assert fluxes[FLUXES[theirs]].sum() == pytest.approx(wanted, rel=1e-9), theirs


@cache
def original() -> tuple[Any, dict[str, np.ndarray], dict[str, Any], np.ndarray]:
    with xr.open_dataset(reference_folder(FILE) / FILE) as data:
        data.load()
    source = dict(zip(data.attrs["param_names"].split(), data["parameters"].values.T, strict=True))
    series = series_of({n: data[f"in_{n}"].values for n in FROZEN["forcing"]}, float(data["in_LAT"].values[0]))
    return data, source, series, data["is_posterior"].values == 1


def test_every_complete_sample_of_the_original(agreement: Any) -> None:
    data, source, series, complete = original()
    chosen = {n: v[complete] for n, v in source.items()}
    got = run(SOURCE, series, values_of(chosen))
    allowance = rounding(series, chosen, got)
    worst = {}
    tables = ((POOLS, 0, "pools", "pool_names"), (DIAGNOSED, 1, "pools", "pool_names"), (FLUXES, 1, "fluxes", "flux_names"))
    for table, kind, stored, names in tables:
        for theirs, ours in table.items():
            mine = got[kind][ours]
            wanted = data[stored].values[complete][:, : len(mine), data.attrs[names].split().index(theirs)].T
            # Where nothing is left the source has what rounding leaves: 1e-18 mm.
            off = np.maximum(np.abs(mine - wanted) - allowance[ours] - 1e-12 * np.abs(wanted).max(), 0.0)
            worst[theirs] = float(np.max(np.where(off > 0, off / np.maximum(np.abs(wanted), 1e-300), 0.0)))
    agreement("dalec_1100", FILE, max(worst.values()))
    assert max(worst.values()) < 1e-9, {n: v for n, v in worst.items() if v >= 1e-9}


def rounding(series: dict[str, Any], chosen: dict[str, np.ndarray], got: tuple[Outputs, Outputs]) -> dict[str, np.ndarray]:
    """What a change of the parameters by one rounding error does, times five.

    It exceeds 1e-9 of the value, where that is not next to nothing, for the labile carbon of one sample, which nearly starves.
    """
    rng = np.random.default_rng(0)
    spread = {n: np.zeros_like(v) for kind in got for n, v in kind.items()}
    for _ in range(3):
        moved = {n: v * (1 + 2.2e-16 * rng.choice([-1, 0, 1], v.shape)) for n, v in chosen.items()}
        for kind, again in zip(got, run(SOURCE, series, values_of(moved)), strict=True):
            for n, v in kind.items():
                spread[n] = np.maximum(spread[n], np.abs(again[n] - v))
    return {n: 5 * v for n, v in spread.items()}


def test_most_other_samples_leave_the_domain_where_the_original_does() -> None:
    data, source, series, complete = original()
    states, _ = run(SOURCE, series, values_of({n: v[~complete] for n, v in source.items()}))
    names = data.attrs["pool_names"].split()
    theirs = ~np.isfinite(data["pools"].values[~complete][:, :, [names.index(n) for n in POOLS]]).all(axis=2).T
    mine = ~np.all([np.isfinite(states[n]) for n in POOLS.values()], axis=0)
    first = [np.where(bad.any(axis=0), bad.argmax(axis=0), -1) for bad in (theirs, mine)]
    # The others have a layer with negative water, of which the source takes powers.
    assert (first[0] == first[1]).sum() >= 12


def daily(steps: int, **changes: Any) -> dict[str, Any]:
    season = -np.cos(2 * np.pi * (np.arange(steps) + 40) / 365.25)
    rain = np.where(np.arange(steps) % 5 == 0, 9.0, 0.0)
    mean = 9 + 9 * season
    series: dict[str, Any] = {
        "day_of_year": np.arange(steps) % 365 + 61.0,
        "air_temperature_min": mean - 5,
        "air_temperature_max": mean + 5,
        "shortwave_down": 12 + 9 * season,
        "longwave_down": 300 + 40 * season,
        "co2": 400.0,
        "vapour_pressure_deficit": 6 + 4 * season,
        "precipitation": rain,
        "latitude": 45.0,
        "step_length": 1.0,
    }
    return dalec_1100.DALEC_1100.completed(series | {n: np.zeros(steps) for n in ("burned_area",)}) | changes


def test_short_steps_of_a_moist_thick_soil_are_nearly_those_of_the_source() -> None:
    # Without the gradient of the potential, which the source loses, and warm.
    forcing = daily(40, skin_temperature=np.full(40, 12.0))
    form = DEFAULT._replace(metres_per_mpa=SOURCE.metres_per_mpa, period=None)
    values = SPECIFIED | {"root_to_leaf_demand": 0.007, "wood_to_leaf_demand": 0.02}  # of a day
    mine, theirs = (run(f, forcing, values) for f in (form, SOURCE))
    for k in (0, 1):
        for name, series in mine[k].items():
            off = np.abs(series - theirs[k][name]).max() / (np.abs(series).max() + 1e-12)
            assert off < 0.05, (name, off)


@pytest.mark.parametrize("days", [1.0, MONTH])
def test_a_thin_layer_stays_between_the_temperatures_around_it(days: float) -> None:
    forcing = daily(30, skin_temperature=np.full(30, 15.0)) | {"step_length": days}
    values = SPECIFIED | {"thickness_1": 0.02, "surface_heat_conductivity": 1.5, "soil_heat_conductivity": 1.5}
    temperature = run(DEFAULT, forcing, values)[1]["soil_temperature_1"]
    assert temperature.min() > -20 and temperature.max() < 30
    with np.errstate(all="ignore"):
        diverged = run(SOURCE, forcing, values)[1]["soil_temperature_1"]
    assert not np.abs(diverged).max() < 1000


def test_dry_weather_empties_a_layer_and_no_more() -> None:
    weather = {"vapour_pressure_deficit": 30.0, "air_temperature_min": np.full(12, 15.0), "air_temperature_max": np.full(12, 25.0)}
    forcing = daily(12) | weather | {"precipitation": np.zeros(12), "snowfall": np.zeros(12), "step_length": MONTH}
    dry = {"relative_moisture_1": 0.3, "relative_moisture_2": 0.05, "stress_suction": 30.0, "saturated_conductivity": 1e-9}
    values = SPECIFIED | dry | {"thickness_1": 0.02, "foliage_carbon": 300.0}
    states, fluxes = run(DEFAULT, forcing, values)
    assert -1e-12 < states["relative_moisture_1"].min() < 0.01
    assert all(np.isfinite(v).all() for v in (*states.values(), *fluxes.values()))
    assert not run(SOURCE, forcing, values)[0]["relative_moisture_1"].min() > -0.1


def test_water_flows_up_to_a_dry_layer() -> None:
    values = SPECIFIED | {"relative_moisture_1": 0.2, "relative_moisture_2": 0.6}
    flow = {form: run(form, daily(1), values)[1]["water_flow_1_2"][0, 0] for form in (DEFAULT, SOURCE)}
    assert flow[DEFAULT] < 0 < flow[SOURCE]


def test_what_is_taken_away_is_what_was_asked_for() -> None:
    taken = daily(10, disturbance_removal=0.5, yield_removal=1.5)
    _, fluxes = run(DEFAULT, taken, SPECIFIED)
    np.testing.assert_allclose(fluxes["biomass_removal"], 2.0, rtol=1e-12)
    _, source = run(DEFAULT._replace(yield_residue=SOURCE.yield_residue), taken, SPECIFIED)
    assert source["biomass_removal"][0, 0] == pytest.approx(2.0, rel=1e-12)
    litter = ("labile_litterfall", "leaf_litterfall", "root_litterfall", "wood_litterfall")
    more = sum(source[n][0, 0] - fluxes[n][0, 0] for n in litter)
    assert more == pytest.approx(1.5, rel=0.02)  # of which the turnover of what is left is less


def one_month(form: Any, steps: int) -> Outputs:
    weather = {n: np.asarray(v)[0] if np.ndim(v) else v for n, v in THREE_MONTHS.items()}
    return run(form, weather | {"co2": np.full(steps, 400.0), "step_length": MONTH / steps}, SPECIFIED)[0]


def test_a_step_of_a_month_is_that_of_the_source() -> None:
    literal = one_month(DEFAULT._replace(period=None), 1)
    for name, series in one_month(DEFAULT, 1).items():
        np.testing.assert_allclose(series, literal[name], rtol=1e-12, err_msg=name)


def test_shorter_steps_converge() -> None:
    runs = [one_month(DEFAULT, steps) for steps in (10, 30, 90)]
    for name in State._fields:
        ends = [r[name][-1, 0] for r in runs]
        apart = abs(ends[1] - ends[0]), abs(ends[2] - ends[1])
        assert apart[1] < 0.5 * apart[0] + 1e-9 * abs(ends[0]), (name, ends)


def test_hydraulic_mortality_tends_to_the_exact_one() -> None:
    # Layer 1 holds 5 % ice.
    melting = soil_heat.ICE * soil_heat.MELTING + 0.95 * soil_heat.FUSION
    values = SPECIFIED | {"water_energy_1": melting, "mortality_suction": 0.1, "relative_moisture_1": 0.3, "relative_moisture_2": 0.3}
    found = {w: run(DEFAULT._replace(thaw_width=w), daily(1), values)[1]["hydraulic_mortality"][0, 0] for w in (0.5, 0.1, 0.01, 0.0)}
    assert found[0.5] > found[0.1] > found[0.01] == found[0.0] == 0
    thawed = {w: run(DEFAULT._replace(thaw_width=w), daily(1), SPECIFIED)[1]["hydraulic_mortality"][0, 0] for w in (0.1, 0.0)}
    assert thawed[0.1] == thawed[0.0] > 0


def test_energy_and_its_inverse() -> None:
    energy = pt.as_tensor(np.array([4.7e5, 5.5e5, 6e5, 9e5, 9.06e5, 1.1e6]))
    water, dry = constant(150.0), constant(4e5)
    for constants in (DEFAULT.heat, SOURCE.heat):
        back = soil_heat.specific_energy(soil_heat.stored(energy, water, dry, constants), water, dry, constants)
        np.testing.assert_allclose(back.eval(mode=INTERPRETED), energy.eval(), rtol=1e-12)
    corners = soil_heat.ICE * soil_heat.MELTING + np.array([0.0, soil_heat.FUSION])
    around = (corners[:, None] * (1 + np.array([-1e-13, 0.0, 1e-13]))).ravel()
    np.testing.assert_allclose(soil_heat.temperature(pt.as_tensor(around)).eval(mode=INTERPRETED), soil_heat.MELTING, rtol=1e-12)


def test_implicit_warming_is_exact_for_short_steps_and_balanced_for_long_ones() -> None:
    layers, capacities = [280.0, 275.0, 278.0], [1e6, 2e6, 4e6]
    outside, down, up = [(5.0, 290.0), (1.0, 285.0)], [2.0, 3.0], [2.0, 2.5]

    def warming(days: float) -> np.ndarray:
        return np.array(soil_heat.implicit_warming(layers, capacities, outside, down, up, days))

    explicit = np.array([5 * 10 + 1 * 5 + 2 * -5, 2 * 5 + 2.5 * 3, 3 * -3]) / capacities * 86400
    np.testing.assert_allclose(warming(1e-7) / 1e-7, explicit, rtol=1e-6)
    np.testing.assert_allclose(warming(1e9)[:1] + 280.0, (5 * 290 + 285) / 6, atol=1e-3)


def test_the_dead_pools_settle_at_their_equilibrium() -> None:
    means = {n: np.full(1, v) for n, v in zip(dalec_1100.DALEC_1100.equilibrium.needs, (0.4, 0.2, 0.1, 0.3, 0.35, 0.05), strict=True)}
    p = Parameters(**{n: v for n, v in SPECIFIED.items() if n in Parameters._fields})
    pools = dalec_1100.equilibrium(means, p)
    factor = 0.4
    assert pools["litter_carbon"] * p.litter_turnover * factor == pytest.approx(0.7)
    entering = 0.3 * p.woody_debris_to_soil + 0.7 * p.litter_to_soil
    assert pools["soil_carbon"] * p.soil_turnover * factor == pytest.approx(entering)
    assert pools["woody_debris_carbon"] * p.woody_debris_turnover * factor == pytest.approx(0.3)


def test_every_parameter_of_the_source_has_one_of_ours() -> None:
    assert sorted(PARAMETERS.values()) == sorted((*Parameters._fields, *State._fields))
