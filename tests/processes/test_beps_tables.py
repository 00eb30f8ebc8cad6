"""Processes of BEPS against tables of the original routines: the exact forms, to 1e-9."""

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

from lsm_bayes.processes import (
    allometric_respiration,
    clumped_canopy,
    clumped_radiation,
    explicit_soil_heat,
    explicit_soil_water,
    ground_evaporation,
    harley_leaf,
    layered_root_stress,
    leaf_heat,
    leaf_interception,
    lying_snow,
    moist_air,
    nine_pools,
    snow_and_ground_temperature,
    two_storey_air,
)

STEP = 360.0
WATER = 1025.0


@cache
def table(name: str) -> xr.Dataset:
    data = os.environ.get("LSM_BAYES_DATA")
    if not data:
        pytest.skip("LSM_BAYES_DATA is not set: no folder of reference tables beside it")
    path = Path(data).resolve().parent / "reference" / "lsm" / f"{name}.nc"
    if not path.exists():
        pytest.skip(f"no reference table {path.name} beside the folder that LSM_BAYES_DATA names")
    with xr.open_dataset(path) as opened:
        return opened.load()


class Columns:
    """Columns of a table as symbols; `evaluate` computes expressions of them."""

    def __init__(self, name: str) -> None:
        self.data = table(name)
        self.used: dict[Any, Any] = {}

    def __call__(self, name: str, layer: int | None = None) -> Any:
        values = self.data[name].to_numpy().astype(float)
        values = values if layer is None else values[:, layer]
        return self.used.setdefault((name, layer), (pt.dvector(name), values))[0]

    def layers(self, name: str) -> list[Any]:
        return [self(name, i) for i in range(self.data[name].shape[1])]

    def evaluate(self, expressions: list[Any]) -> list[np.ndarray]:
        symbols, values = zip(*self.used.values(), strict=True)
        made = pytensor.function(list(symbols), [pt.as_tensor(e) for e in expressions], mode="FAST_COMPILE", on_unused_input="ignore")
        return made(*values)


def worst(c: Columns, expected: Mapping[str, Any], rows: np.ndarray | None = None, floor: float = 0.0) -> float:
    """Largest relative difference; keys are names of outputs or (name, layer)."""
    found = 0.0
    for key, got in zip(expected, c.evaluate(list(expected.values())), strict=True):
        name, layer = key if isinstance(key, tuple) else (key, None)
        wanted = c.data[name].to_numpy().astype(float)
        wanted = wanted if layer is None else wanted[:, layer]
        keep = slice(None) if rows is None else rows
        got, wanted = np.broadcast_to(got, wanted.shape)[keep], wanted[keep]
        off = np.where(got == wanted, 0.0, np.abs(got - wanted) / np.maximum(np.abs(wanted), floor or 1e-300))
        assert np.isfinite(off).all(), name
        found = max(found, float(off.max()))
    return found


def leaf_of(c: Columns) -> tuple[harley_leaf.Kinetics, harley_leaf.Supply]:
    kinetics = harley_leaf.kinetics(c("tk"), c("swabs"), c("vcmax25"))
    humidity = harley_leaf.surface_humidity(c("tk"), c("tleaf"), c("ea"), c("gb"), c("le"))
    return kinetics, harley_leaf.supply(c("gb"), humidity, c("tk"), c("m"), c("b"), c("fw"), 380.0)


def test_leaf() -> None:
    c = Columns("beps_leaf")
    found = harley_leaf.exchange(*leaf_of(c), c("ci0"), c("tk"), original=True)
    usual = c.data.one_real_root.to_numpy() == 0
    outputs = {"gs": found.conductance, "an": found.assimilation, "ci": found.internal_co2}
    # In row 130 the leading coefficient of the cubic nearly vanishes: rounding of its coefficients is 1.6e-9 of the root.
    assert worst(c, outputs, usual & (np.arange(usual.size) != 130)) < 1e-10
    assert worst(c, outputs, usual) < 3e-9
    humidity = harley_leaf.surface_humidity(c("tk"), c("tleaf"), c("ea"), c("gb"), c("le"))
    assert worst(c, {"rh_surface": humidity}) < 1e-12


def test_true_rate_of_a_leaf_solves_the_coupled_equations() -> None:
    # Also where the cubic has one real root; and the original where both agree which rate limits.
    c = Columns("beps_leaf")
    k, s = leaf_of(c)
    sides = []
    for a, b, e in ((k.vcmax, k.half, 1.0), (k.electrons, 8.0 * k.compensation, 4.0)):
        net = harley_leaf.limited_rate(a, b, k.compensation, e, k.respiration, s)
        surface = s.co2 - net / s.boundary
        stomatal = s.residual + pt.switch(net > 0, s.slope * net / surface, 0.0)
        internal = surface - net / stomatal
        sides += [net, a * (internal - k.compensation) / (e * internal + b) - k.respiration]
    both = harley_leaf.exchange(k, s, c("ci0"), c("tk"))

    def light_limits(internal: Any) -> Any:
        rubisco = k.vcmax * (internal - k.compensation) / (internal + k.half)
        return k.electrons * (internal - k.compensation) / (4.0 * internal + 8.0 * k.compensation) < rubisco

    same = pt.eq(light_limits(c("ci0")), light_limits(both.internal_co2))
    *pairs, true, agreed = c.evaluate([*sides, both.assimilation, same])
    for got, wanted in zip(pairs[::2], pairs[1::2], strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-9)
    rows = (c.data.one_real_root.to_numpy() == 0) & agreed & (true > 0)
    assert rows.sum() > 90
    np.testing.assert_allclose(true[rows], c.data.an.to_numpy()[rows], rtol=1e-6)  # its two pi has ten digits


def test_areas_and_capacities() -> None:
    c = Columns("beps_canopy")
    leaf = clumped_canopy.areas(c("lai"), c("lai_u"), c("clumping"), c("cosz"))
    plant = clumped_canopy.areas(c("lai") + c("stem_o"), c("lai_u") + c("stem_u"), c("clumping"), c("cosz"))
    top = c("vcmax25") * c("slope") * c("leafn")
    sun, shade = clumped_canopy.carboxylation(top, c("lai"), c("clumping"), c("cosz"))
    names = ("o_sunlit", "o_shaded", "u_sunlit", "u_shaded")
    expected = {f"lai_{n}": a for n, a in zip(names, leaf, strict=True)} | {f"pai_{n}": a for n, a in zip(names, plant, strict=True)}
    expected |= {"vcmax_sunlit": sun, "vcmax_shaded": shade, "jmax_sunlit": 2.39 * sun - 14.2, "jmax_shaded": 2.39 * shade - 14.2}
    assert worst(c, expected) < 1e-9
    assert worst(c, {"lai_u": clumped_canopy.understorey_area(c("lai"), True)}) < 1e-12


def test_radiation() -> None:
    c = Columns("beps_radiation")
    kinds = zip(("o", "u", "g"), ("snowfrac_o", "snowfrac_u", "snowfrac_g"), strict=True)
    albedo = clumped_radiation.Albedo(
        *(0.5 * sum(clumped_radiation.blended(c(f"alb_{b}_{n}"), c(f"alb_snow_{b}"), c(f)) for b in "vn") for n, f in kinds)
    )
    over, under = (clumped_radiation.gaps(c(f"lai_{n}"), c(f"pai_{n}"), c("clumping"), c("cosz")) for n in "ou")
    light = clumped_radiation.partition(c("sw"), c("cosz"))
    plants = c("pai_o"), c("pai_u")
    short = clumped_radiation.leaf_shortwave(light, over, under, plants, c("cosz"), albedo)
    net = clumped_radiation.net_shortwave(light, over, under, (c("lai_o"), c("lai_u")), c("clumping"), c("cosz"), albedo)
    air = moist_air.air(c("tair"), c("rh"))
    long = clumped_radiation.net_longwave(c("tair"), air.vapour_pressure, over, under, (c("t_o"), c("t_u"), c("t_g")))
    names = ("o_sunlit", "o_shaded", "u_sunlit", "u_shaded")
    expected = {f"swabs_leaf_{n}": s for n, s in zip(names, short, strict=True)}
    expected |= {f"rnet_{n}": a + b for n, a, b in zip("oug", net, long, strict=True)}
    assert worst(c, expected, floor=1e-3) < 1e-9
    leaves = {f"rnet_leaf_{n}": short[i] + long[i // 2] / plants[i // 2] for i, n in enumerate(names)}
    # In five rows no plant area is sunlit: the source gives the leaves of a class without area the long waves of the whole storey.
    lit = c.data.pai_u_sunlit.to_numpy() > 0
    assert lit.sum() == 145
    assert worst(c, leaves, lit, floor=1e-3) < 1e-9


def test_conductances_of_the_air() -> None:
    c = Columns("beps_aerodynamic")
    heights = two_storey_air.Heights(c("h_o"), c("h_u"), c("z"))
    found = two_storey_air.conductances(heights, c("clumping"), c("tair"), c("wind"), c("h_prev"), (c("pai_o"), c("pai_u")))
    expected = {"ga_o": found.over, "gb_o": found.over_leaf, "ga_u": found.under, "gb_u": found.under_leaf, "ra_g": found.ground}
    assert worst(c, expected) < 1e-9


def test_leaf_heat() -> None:
    c = Columns("beps_leaf_energy")
    air = moist_air.air(c("tair"), c("rh"))
    assert worst(c, {"slope": air.slope, "vpd": air.deficit, "cp": air.heat / moist_air.DENSITY}) < 1e-9
    sun = leaf_heat.temperature(air, c("rn"), leaf_heat.Paths(c("gw"), c("gww"), c("gh")), c("xs") + c("xl"))
    areas = ((sun, c("lai_sun")), (c("tair") - 0.3, c("lai_sh")))
    heat = moist_air.vaporisation_heat(c("tair"))

    def over(conductance: Any) -> Any:
        return sum(a * leaf_heat.latent(air, t, conductance) for t, a in areas)

    expected = {
        "tleaf": sun,
        "trans": leaf_heat.no_dew(over(c("gw")) / heat),
        "evap": leaf_heat.no_dew(over(c("gww")) * c("xl") / heat),
        "subl": leaf_heat.no_dew(over(c("gww")) * c("xs") / moist_air.SUBLIMATION),
        "h": pt.maximum(sum(a * leaf_heat.sensible(air, t, c("gh")) for t, a in areas), -200.0),
        "h_g": leaf_heat.sensible(air, c("tair") + 1.5, 0.004),
    }
    assert worst(c, expected) < 1e-9


def test_interception() -> None:
    c = Columns("beps_interception")
    falling = pt.switch(c("tair") > 0, WATER * c("precip"), 0.0)
    over = leaf_interception.rain(c("water_o"), falling, c("lai_o"), c("clumping"), STEP, original=True)
    warm = pt.switch(c("tair") > 0, over.passed, 0.0)
    under = leaf_interception.rain(c("water_u"), warm, c("lai_u"), c("clumping"), STEP, original=True)
    ground = pt.switch(c("tair") > 0, under.passed / WATER, 0.0)
    expected = {"water_o_new": over.store, "water_u_new": under.store, "wet_o": over.fraction, "wet_u": under.fraction, "rain_g": ground}
    assert worst(c, expected, floor=1e-12) < 1e-9


def test_interception_conserves_water_otherwise() -> None:
    c = Columns("beps_interception")
    falling = WATER * c("precip")
    held = leaf_interception.rain(c("water_o"), falling, c("lai_o"), c("clumping"), STEP)
    before, after, fell, passed = c.evaluate([c("water_o"), held.store, falling * STEP, held.passed * STEP])
    np.testing.assert_allclose(after - before, fell - passed, atol=1e-14)


def test_snow() -> None:
    c = Columns("beps_snow")
    cold = c("tair") <= 0
    falling = pt.switch(cold, WATER * c("precip"), 0.0)
    over = leaf_interception.snow(c("snow_o"), falling, c("lai_o"), c("clumping"), STEP)
    under = leaf_interception.snow(c("snow_u"), over.passed, c("lai_u"), c("clumping"), STEP)
    before = lying_snow.Snow(c("snow_g"), c("depth"), c("density"), c("alb_v"), c("alb_n"))
    first, cover = lying_snow.accumulated(before, falling, under.passed, c("tair"), STEP)
    last, pond = lying_snow.melted(first, c("pond"), c("tair"), c("ts"), c("ts_last"), STEP, WATER)

    def area(held: leaf_interception.Held, leaf: Any) -> Any:
        return pt.switch(cold, leaf_interception.COVERED * held.fraction * leaf, 0.0)

    expected = {
        "snow_o_1": over.store,
        "snow_u_1": under.store,
        "frac_o": over.fraction,
        "frac_u": under.fraction,
        "area_o": area(over, c("lai_o")),
        "area_u": area(under, c("lai_u")),
        "snow_g_1": first.mass,
        "frac_g": cover,
        "density_1": first.density,
        "depth_1": first.depth,
        "alb_v_1": first.visible,
        "alb_n_1": first.infrared,
        "depth_3": last.depth,
        "pond_3": pond,
        "snow_g_3": last.mass,
    }
    # A pond that froze is exactly zero in the source.
    assert worst(c, expected, floor=1e-9) < 1e-9


def test_ground_evaporation() -> None:
    c = Columns("beps_ground_evaporation")
    air = moist_air.air(c("tg_last"), c("rh"))
    heat = moist_air.vaporisation_heat(c("tair"))
    snow = c("snow_mass"), c("snow_depth"), c("snow_density")
    found = ground_evaporation.evaporation(air, heat, c("rn"), c("gh"), c("theta0") / c("porosity"), c("pond"), snow, STEP)
    expected = {
        "snow_frac": found.cover,
        "evap_soil": found.soil,
        "evap_pond": found.pond,
        "subl_snow": found.snow,
        "pond_new": c("pond") - found.pond * STEP / WATER,
        "mass_snow_new": c("snow_mass") - found.snow * STEP,
        "snow_depth_new": (c("snow_mass") - found.snow * STEP) / c("snow_density"),
    }
    assert worst(c, expected) < 1e-9


def test_surface_temperature() -> None:
    c = Columns("beps_surface_temperature")
    air = moist_air.air(c("tair"), c("rh"))
    available = c("rn") - c("ess") * moist_air.SUBLIMATION - (c("es") + c("ew")) * moist_air.vaporisation_heat(c("tair"))
    last = snow_and_ground_temperature.Temperatures(c("ts0"), c("tm0"), c("tsn0"), c("tsm0"), c("tsn1"), c("tsn2"))
    around = snow_and_ground_temperature.Surroundings(
        air=c("tair"),
        canopy=c("tu"),
        available=available,
        exchange=air.heat * c("gh"),
        conductivity=c("lam"),
        capacity=c("cs1"),
        thickness=c("d1"),
        below=c("tm1"),
        inside=c("tm0"),
        downwards=c("g1"),
        depth=c("snow_depth"),
        density=c("rho"),
    )
    now, flux = snow_and_ground_temperature.step(last, around, STEP, original=True)
    names = ("t_ground", "t_any0", "t_snow0", "t_soil0", "t_snow1", "t_snow2")
    # Temperatures are sums of terms of tens of degrees.
    assert worst(c, dict(zip(names, now, strict=True)) | {"g0": flux}, floor=0.1) < 1e-9


def soil_layers(c: Columns) -> list[explicit_soil_heat.Layer]:
    bulk, organic = (1300.0, 1500.0, 1517.0, 1517.0, 1517.0), (5.0, 2.0, 1.0, 1.0, 0.3)
    names = ("tsoil", "ice", "theta", "d_soil", "porosity", "thermal_cond")
    return [explicit_soil_heat.Layer(*(c(n, i) for n in names), bulk[i], organic[i]) for i in range(5)]


def test_soil_heat() -> None:
    c = Columns("beps_soil_heat")
    layers = soil_layers(c)
    conductivities = [explicit_soil_heat.conductivity(x) for x in layers]
    capacities = [explicit_soil_heat.heat_capacity(x) for x in layers]
    fluxes = explicit_soil_heat.fluxes(layers, conductivities, c("g0"), c("tair"))
    after = [explicit_soil_heat.warmed(x, capacities[i], fluxes[i] - fluxes[i + 1], STEP) for i, x in enumerate(layers)]
    expected: dict[Any, Any] = {("gflux", i): g for i, g in enumerate(fluxes)}
    for i in range(5):
        expected |= {("conductivity", i): conductivities[i], ("heatcap", i): capacities[i]}
        expected |= {("tsoil_new", i): after[i].temperature, ("ice_new", i): after[i].ice}
    assert worst(c, expected, floor=1e-3) < 1e-9


def water_layers(c: Columns) -> list[explicit_soil_water.Layer]:
    names = ("theta", "d_soil", "porosity", "theta_wp", "ksat", "psi_sat", "b")
    return [explicit_soil_water.Layer(*(c(n, i) for n in names), explicit_soil_water.thawed(c("tsoil_at_water_step", i))) for i in range(5)]


def test_soil_water() -> None:
    c = Columns("beps_soil_water")
    wet = np.isin(c.data.lc.to_numpy(), (6, 9))
    onset, steep = pt.as_tensor(np.where(wet, 10.0, 33.0)), pt.as_tensor(np.where(wet, 1.5, 0.4))
    layers = water_layers(c)
    suctions = [layered_root_stress.suction(x.water, x.porosity, x.suction, x.exponent) for x in layers]
    stress = layered_root_stress.layered_stress(suctions, c.layers("tsoil"), c.layers("f_root"), onset, steep)
    drawn = [u * c("trans") / WATER for u in stress.uptake]
    drawn[0] = drawn[0] + c("evap_soil") / WATER
    entering = explicit_soil_water.infiltration(layers[0], c("zp"), c("rain_g"), STEP)
    pond = (c("zp") / STEP + c("rain_g") - entering) * STEP * c("drainage")
    # Of the fast rows (parts of 1 s) twelve parts of 30 s say too little: they are in the next test.
    after, last = explicit_soil_water.original(layers, entering, drawn, STEP, 12)
    expected: dict[Any, Any] = {"fw": stress.factor, "pond_new": pond}
    for i in range(5):
        expected |= {("psi", i): suctions[i], ("uptake", i): stress.uptake[i]}
    assert worst(c, expected, floor=1e-9) < 1e-9
    expected = {("theta_new", i): x.water for i, x in enumerate(after)} | {("flow", i): q for i, q in enumerate(last)}
    after_ice = [pt.minimum(1.0, c("ice_at_water_step", i) * c("theta", i) / x.water) for i, x in enumerate(after)]
    expected |= {("ice_after", i): x for i, x in enumerate(after_ice)}
    assert worst(c, expected, slow_rows(c, layers, drawn), floor=1e-9) < 1e-9


def slow_rows(c: Columns, layers: Any, drawn: Any) -> np.ndarray:
    """Rows in which no flow reaches 1e-5 m s-1."""
    first = c.evaluate([abs(q) for q in explicit_soil_water.flows(layers, drawn, STEP)[:-1]])
    rows = np.max(first, axis=0) < explicit_soil_water.FAST
    assert rows.sum() > 130
    return rows


def test_soil_water_in_parts_of_a_second() -> None:
    # 360 parts: the graph of a part, called in a loop on the few rows that need it.
    c = Columns("beps_soil_water")
    layers = water_layers(c)
    drawn = [pt.dvector() for _ in layers]
    flow = explicit_soil_water.flows(layers, drawn, STEP)
    entering, seconds = pt.dvector(), pt.dvector()
    after = explicit_soil_water.moved(layers, entering, flow, drawn, seconds)
    names = ["theta", "d_soil", "porosity", "theta_wp", "ksat", "psi_sat", "b", "tsoil_at_water_step"]
    inputs = [c(n, i) for n in names for i in range(5)]
    part = pytensor.function([*inputs, *drawn, entering, seconds], [*(x.water for x in after), *flow[:-1]], mode="FAST_COMPILE")
    first = explicit_soil_water.infiltration(layers[0], c("zp"), c("rain_g"), STEP)
    values = {(n, i): c.data[n].to_numpy()[:, i].astype(float) for n in names for i in range(5)}
    into = c.evaluate([first])[0]
    taken = c.data.uptake.to_numpy() * c.data.trans.to_numpy()[:, None] / WATER
    taken[:, 0] += c.data.evap_soil.to_numpy() / WATER
    largest, left = np.zeros(into.size), np.full(into.size, STEP)
    while (left > 0).any():
        given = [values[n, i] for n in names for i in range(5)]
        flows = part(*given, *taken.T, into, np.zeros(into.size))[5:]
        largest = np.where(left > 0, np.maximum(largest, np.max(np.abs(flows), axis=0)), largest)
        step = np.where(largest > explicit_soil_water.FAST, 1.0, np.where(largest > explicit_soil_water.MEDIUM, 30.0, STEP))
        step = np.where(left > 0, np.minimum(step, left), 0.0)
        moved = part(*given, *taken.T, into, step)[:5]
        values |= {("theta", i): np.where(step > 0, moved[i], values["theta", i]) for i in range(5)}
        left = left - step
    got = np.stack([values["theta", i] for i in range(5)], axis=1)
    np.testing.assert_allclose(got, c.data.theta_new.to_numpy(), rtol=1e-9)


def carbon_rows(c: Columns, codes: tuple[int, ...]) -> np.ndarray:
    return np.isin(c.data.lc.to_numpy(), codes)


COVERS = {
    (1, 2): allometric_respiration.CONIFER,
    (6,): allometric_respiration.DECIDUOUS,
    (9,): allometric_respiration.EVERGREEN,
    (13,): allometric_respiration.SHRUB,
    (25, 40): None,
}


@pytest.mark.parametrize("codes", COVERS)
def test_plant_respiration(codes: tuple[int, ...]) -> None:
    c = Columns("beps_carbon")
    plants = COVERS[codes]
    lai = c("lai"), clumped_canopy.understorey_area(c("lai"), plants is not None)
    respired = allometric_respiration.maintenance(plants, c("lai_year"), lai, c("tair"), c("tsoil"), c("cosz"))
    expected = {}
    for n, rate in zip("ou", respired, strict=True):
        gross = allometric_respiration.CARBON * 3600.0 * (c(f"gpp_{n}_sunlit") + c(f"gpp_{n}_shaded"))
        expected[f"npp_{n}"] = allometric_respiration.net_primary_production(gross, rate)
    assert worst(c, expected, carbon_rows(c, codes), floor=1e-6) < 1e-9


def test_nine_pools() -> None:
    c = Columns("beps_carbon")
    k = c.layers("coef")
    inputs = nine_pools.Inputs(tuple(k[0:4]), tuple(k[4:8]))
    parts = ((18, 19, 20), (8, 9, 10), (11, 12), (13, 14, 15), (16, 17), (24, 25), (21, 23, 22), (26, 28, 27), (29, 30))
    rates = nine_pools.Rates(*(tuple(k[i] for i in p) for p in parts))
    fine = c.data.texture.to_numpy() >= 6
    factors = [
        pt.switch(fine, *(nine_pools.moisture_factor(c("s", i), kind) for kind in (True, False)))
        * nine_pools.temperature_factor(c("t_layers", i))
        for i in range(2)
    ]
    # The source holds the annual production in single precision.
    annual = pt.cast(pt.cast(c("npp_year"), "float32"), "float64")
    before = nine_pools.Pools(*c.layers("pools"))
    fallen = nine_pools.litter(inputs, annual, c("npp_o") + c("npp_u"))
    after, to_air = nine_pools.step(before, fallen, rates, *factors)
    assert worst(c, {("pools_new", i): p for i, p in enumerate(after)}) < 1e-9
    # NEP of the source counts litter twice, as production and as what the pools gain.
    change = c("npp_o") + c("npp_u") + sum(fallen) - to_air
    assert worst(c, {"nep": change}, floor=1e-3) < 1e-9
