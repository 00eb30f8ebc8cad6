"""Processes of BETHY against tables of the original routines, row by row."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from cardamom import reference_folder

from lsm_bayes.processes import aging_snow, demand_supply, knorr_phenology, penman_monteith, skin_bucket, smoothing, two_flux
from lsm_bayes.processes import leaf_photosynthesis as leaf

Table = dict[str, np.ndarray]
SOURCE_AIR = penman_monteith.AirForm(penman_monteith.SUBLIMATION_OF_SOURCE, 0.0)


def table(name: str) -> Table:
    file = f"lsm/bethy_{name}.nc"
    with xr.open_dataset(reference_folder(file) / file) as data:
        return {str(n): np.asarray(v.values, dtype=float) for n, v in data.data_vars.items()}


def compare(rows: Table, found: Mapping[str, Any], least: float = 1e-15, relative: float = 1e-9) -> None:
    values = pytensor.function([], list(found.values()), mode="FAST_COMPILE")()
    for name, got in zip(found, values, strict=True):
        np.testing.assert_allclose(got, rows[name], rtol=relative, atol=least, err_msg=name)


def symbols(rows: Table) -> dict[str, Any]:
    return {n: pt.as_tensor(v) for n, v in rows.items()}


def test_smooth_primitives_and_gates() -> None:
    rows = table("helpers")
    q = symbols(rows)
    x, y = pt.abs(q["x"]), pt.abs(q["y"])
    found = {
        "mins": smoothing.quadratic_minimum(x, y, q["eta"]),
        "maxs": smoothing.quadratic_maximum(x, y, q["eta"]),
        "minx": smoothing.capped(q["x"], q["y"], q["x0"]),
        "maxx": smoothing.floored(q["x"], q["y"], q["x0"]),
        "errf": smoothing.error_step(q["x"], rational=True),
        "hot_gate": leaf.hot_gate(50.0 + 3.0 * q["x"]),
        "cold_gate": leaf.cold_gate(q["x"]),
        "dark_inhibition": leaf.light_inhibition(y * 1e-5),
    }
    compare(rows, found)
    compare(rows, {"errf": smoothing.error_step(q["x"])}, least=1.3e-7)
    compare(rows, {"mins": x * smoothing.quadratic_share(x, y, q["eta"])})


def _rates(q: Mapping[str, Any], path: str) -> Any:
    k = leaf.Kinetics(
        michaelis_co2=q["kc0"],
        michaelis_oxygen=q["ko0"],
        compensation_slope=q["tgam"],
        quantum_yield=q["alpha"],
        quantum_yield_c4=q["alc4"],
        energy_michaelis_co2=q["ec"],
        energy_michaelis_oxygen=q["eo"],
        energy_vcmax=q["ev"],
        energy_respiration=q["er"],
        energy_pep=q["ek"],
    )
    inhibition = leaf.light_inhibition(q["sw"] / 2.2e5)
    if path == "c3":
        rates: Any = leaf.rates_c3(q["t"], inhibition, q["vm"], q["jv"], k, leaf.BETHY_SOURCE)
    else:
        rates = leaf.rates_c4(q["t"], inhibition, q["vm"], 1e3 * q["jv"], k, leaf.BETHY_SOURCE)
    return leaf.with_nitrogen(rates, q["nscl"])


@pytest.mark.parametrize("path", ["c3", "c4"])
def test_leaf_at_given_internal_co2(path: str) -> None:
    rows = table(f"phsyn1_{path}")
    q = symbols(rows)
    rates = _rates(q, path)
    gross = leaf.assimilation(rates, q["par"], q["ci"], leaf.BETHY_SOURCE)
    air = leaf.air_per_volume(q["t"], q["p"], leaf.BETHY_SOURCE.zero)
    found = {
        "a": gross,
        "rd": rates.respiration,
        "gs": leaf.conductance(gross - rates.respiration, q["ci"], q["ca"], air, 4e-5),
    }
    compare(rows, found | ({"rph": leaf.photorespiration(rates, q["ci"])} if path == "c3" else {}), least=0.0)


@pytest.mark.parametrize("path", ["c3", "c4"])
def test_leaf_at_given_conductance(path: str) -> None:
    rows = table(f"phsyn2_{path}")
    q = symbols(rows)
    rates = _rates(q, path)
    conducted = q["gs"] / leaf.WATER_PER_CO2 * leaf.air_per_volume(q["t"], q["p"], leaf.BETHY_SOURCE.zero)
    gross = leaf.assimilation_at_conductance(rates, q["par"], conducted, q["ca"], leaf.BETHY_SOURCE)
    internal = leaf.internal_co2(gross - rates.respiration, conducted, q["ca"])
    found = {"a": gross, "rd": rates.respiration, "ci": internal}
    compare(rows, found | ({"rph": leaf.photorespiration(rates, internal)} if path == "c3" else {}), least=0.0)


def test_light_absorbed_by_layers() -> None:
    rows = table("twoflux")
    q = symbols(rows)
    layers = two_flux.absorbed(two_flux.foliage(q["lai"], q["fc"]), q["rho"], q["mu"], q["fdir"])
    rows |= {f"layer{i}": rows["absorbed"][:, i] for i in range(3)}
    compare(rows, {f"layer{i}": v for i, v in enumerate(layers)} | {"fapar": sum(layers)})


def test_light_is_smooth_where_its_terms_diverge() -> None:
    mu = two_flux.SINGULAR + np.array([-3e-4, -2e-4, -1e-4, 0.0, 1e-4, 2e-4, 3e-4])
    leaves = two_flux.foliage(pt.as_tensor(3.0), pt.as_tensor(0.8))
    for layer in two_flux.absorbed(leaves, pt.as_tensor(0.1), pt.as_tensor(mu), pt.as_tensor(0.7)):
        assert np.abs(np.diff(layer.eval(), 2)).max() < 1e-6


def test_nitrogen_of_layers() -> None:
    rows = table("nscale")
    q = symbols(rows)
    declining = ((rows["veg_class"] <= 2) | (rows["pheno"] >= 6)).astype(float)
    layers = two_flux.nitrogen(q["lai"], q["sin_part"] + q["cos_part"], pt.as_tensor(declining), clamped=False)
    compare({f"layer{i}": rows["nscl"][:, i] for i in range(3)}, {f"layer{i}": pt.as_tensor(v) for i, v in enumerate(layers)})
    clamped = two_flux.nitrogen(pt.as_tensor(np.array([2.0, 5.0, 9.0])), pt.as_tensor(0.8), pt.as_tensor(1.0))
    # Never negative, and the same where leaf area is small.
    assert clamped[2].eval()[0] == 1.0 and clamped[2].eval().min() > 0


def test_surface_energy_and_water_demand() -> None:
    rows = table("surface")
    q = symbols(rows)
    air = penman_monteith.air(q["t"], q["p"], SOURCE_AIR)
    vapour, deficit = penman_monteith.vapour_pressure(q["ea0"], air.saturation, q["fe"], SOURCE_AIR)
    longwave = penman_monteith.net_longwave(q["t"], vapour, q["cloud"])
    transmission = penman_monteith.transmitted(q["lai"], q["fc"])
    net = penman_monteith.shares(longwave, q["sw"], q["fapar"], q["rho_soil"], transmission)
    aerodynamic = penman_monteith.neutral_conductance(q["u"], q["hv"])
    driven = penman_monteith.drive(air, net.canopy, deficit, aerodynamic)
    ratio = aerodynamic / q["gc0"]
    demand = penman_monteith.evaporation(air, driven, ratio)
    supply = demand_supply.supply(q["soil_w"], 0.5)
    closure = demand_supply.limited(air, driven, demand, supply, ratio, deficit).closure
    closure = pt.switch(q["first_hour"] > 0, closure, q["be_prev"])
    open_ = 1.0 / (1.0 + closure * deficit)
    transpired = penman_monteith.evaporation(air, driven, ratio / open_)
    found = {
        "demand": demand,
        "evap_can_pot": penman_monteith.evaporation(air, driven, 0.0),
        "evap_soil_pot": penman_monteith.soil_evaporation(air, net.soil),
        "gc": q["gc0"] * open_,
        "transp": transpired,
        "t_can": penman_monteith.canopy_temperature(q["t"], air, net.per_canopy, transpired, aerodynamic),
    }
    compare(rows, found, least=0.0)
    # A difference of numbers of like size where stomata hardly close.
    compare(rows, {"be": closure}, least=1e-14)


def test_daily_water() -> None:
    rows = table("hydrology")
    q = symbols(rows)
    wet = smoothing.capped(smoothing.floored((q["w"] / q["w_max"] - 0.9) / 0.1, 0.0, 1e-3), 1.0, 1e-3)
    ground = wet * q["rho_wet"] + (1.0 - wet) * q["rho_dry"]
    pack = aging_snow.Pack(q["swe"], q["snow_h"], q["snow_albedo"])
    snow = aging_snow.day_of_source(pack, 0.5 * (q["tmin"] + q["tmax"]), q["precip"], q["evap_soil_pot"], ground)
    stores = skin_bucket.Stores(q["lint_w"], q["s_evap"], q["w"])
    share = skin_bucket.intercepted_share(q["lai"], q["fc"], as_transmitted=True)
    potential = q["transp_cycle"], q["evap_can_pot"], q["evap_soil_pot"]
    day = skin_bucket.day_of_source(stores, q["w_max"], q["precip"], snow.melt, q["lai"], share, *potential)
    found = {
        "w_new": day.stores.bucket,
        "lint_w_new": day.stores.canopy,
        "s_evap_new": day.stores.skin,
        "swe_new": snow.pack.water,
        "snow_h_new": snow.pack.height,
        "snow_albedo_new": snow.pack.albedo,
        "runoff": day.runoff,
        "throughfall": day.throughfall,
        "melt": snow.melt,
        "transp": day.transpiration,
        "evap_int": day.interception,
        "evap_soil": day.soil_evaporation,
        "subl": snow.sublimation,
        "rho_soil": ground,
    }
    compare(rows, found, least=1e-14)


KINDS: dict[int, knorr_phenology.Kind] = dict.fromkeys((1, 2, 3, 7), "evergreen") | dict.fromkeys((4, 5, 6, 8, 11), "summergreen")  # type: ignore[assignment]


def _phenology(kind: knorr_phenology.Kind, rows: Table, some: np.ndarray) -> Callable[..., list[np.ndarray]]:
    inputs = [pt.dvector() for _ in range(8)]
    area, warmth, shortage, largest, temperature, hours, water, transpiration = inputs
    names = ("t_phi", "t_r", "day_c", "day_r", "xi", "k_l", "lai_max", "tau_w")
    traits = knorr_phenology.Traits(*[rows[n][some] for n in names])
    before = knorr_phenology.Leaves(area, warmth, shortage)
    after = knorr_phenology.leaves(kind, traits, before, temperature, hours, water, transpiration, rational=True)
    cover, remembered = knorr_phenology.cover(after.area, largest)
    fallen = knorr_phenology.shed(area, after.area, rows["sla"][some], growth=True)
    return pytensor.function(inputs, [*after, remembered, cover, fallen], mode="FAST_COMPILE", on_unused_input="ignore")


@pytest.mark.parametrize("kind", ["evergreen", "summergreen", "grass"])
def test_two_years_of_leaves(kind: knorr_phenology.Kind) -> None:
    rows = table("phenology")
    some = np.array([KINDS.get(int(p), "grass") == kind for p in rows["pft"]])
    step = _phenology(kind, rows, some)
    days = [[rows[n][some, i] for n in ("t_day", "daylength", "w", "e_pot")] for i in range(730)]
    nothing, warmth = np.zeros(some.sum()), np.zeros(some.sum())
    for temperature, *_ in days:
        warmth = warmth * np.exp(-1 / 30) + temperature * (1.0 - np.exp(-1 / 30))
    state, series = [rows["lai_max"][some], warmth, nothing, nothing], []
    for day in days:
        *state, cover, fallen = step(*state, *day)
        series.append([*state, cover, fallen])
    for name, got in zip(("lai", "t_m", "lai_w", "lai_hi", "f_cover", "leaf_shed"), np.moveaxis(series, 0, -1), strict=True):
        # Where drought takes nearly all leaves, the source has a difference of numbers of like size.
        np.testing.assert_allclose(got, rows[name][some], rtol=1e-9, atol=1e-15 if kind != "evergreen" else 1e-14, err_msg=name)
