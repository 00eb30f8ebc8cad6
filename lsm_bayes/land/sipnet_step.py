"""One step of SIPNET: photosynthesis, water, respiration, growth and events, all from the state at its start, then the pools.

Equation numbers A are those of Braswell et al. (2005), doi 10.1111/j.1365-2486.2005.00897.x.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import bucket, pnet, snow
from lsm_bayes.processes.thresholds import exceeded, positive_part, reached, smaller

LEAST = 1e-6  # kPa, m s-1, gC m-2 d-1, gC m-2: below this the source takes zero, or this
DUST = snow.DUST  # mm
CO2_PER_CARBON = 44.0 / 12.0


class Widths(NamedTuple):
    """Widths of the logistic functions that replace the events of SIPNET."""

    degree_days: float
    days: float
    temperature: float


class Variant(NamedTuple):
    """Which SIPNET: the classes of the declaration and the options of the step."""

    state: Any
    fluxes: Any
    entries: int
    litter: bool
    original: bool
    widths: Widths | None


class _Water(NamedTuple):
    """Water after a step, and fluxes in mm d-1."""

    soil: Any
    snow: Any
    gpp: Any
    fluxes: dict[str, Any]


def _gpp_and_transpiration(potential: Any, deficit: Any, thawed: Any, x: Any, p: Any) -> tuple[Any, Any]:
    """Limit photosynthesis by what plants can take from the soil (A13 to A17)."""
    efficiency = p.water_use_efficiency / deficit  # g CO2 per kg water
    wanted = potential * CO2_PER_CARBON / efficiency  # mm d-1
    usable = thawed + (1.0 - thawed) * p.frozen_water_fraction
    taken = smaller(x.soil_water_storage, p.soil_water_capacity) * p.water_uptake_fraction * usable
    active = reached(potential, LEAST)
    limited = exceeded(wanted - taken) * active
    transpired = active * smaller(wanted, taken)
    return potential + limited * (taken * efficiency / CO2_PER_CARBON - potential), transpired


def _water(potential: Any, deficit: Any, thawed: Any, x: Any, f: Any, p: Any, original: bool) -> _Water:
    """Move water through canopy, snow and soil (Sacks et al. 2006, appendix)."""
    days = f.step_length
    gpp, transpired = _gpp_and_transpiration(potential, deficit, thawed, x, p)
    rain, snowfall = snow.split_precipitation(f.precipitation, f.air_temperature)
    intercepted = rain * p.interception_fraction
    resistance = p.aerodynamic_resistance / pt.switch(f.wind_speed < LEAST, LEAST, f.wind_speed)
    sublimed, melted, lying = snow.snowpack(
        x.snow_water, snowfall, f.air_temperature, 0.1 * f.vapour_pressure, resistance, p.snow_melt_rate, days
    )
    dust = lying * (1.0 - reached(lying, DUST))
    lying = lying - dust
    if not original:
        melted = melted + dust
    entering = (rain - intercepted) * days + melted
    runoff = entering * p.surface_runoff_fraction
    filled = x.soil_water_storage + (entering - runoff) - transpired * days
    wetness = x.soil_water_storage / p.soil_water_capacity
    bare = 1.0 - exceeded(x.snow_water)
    potential_evaporation = bucket.potential_evaporation(
        wetness, 0.1 * f.soil_vapour_pressure_deficit, resistance, p.soil_resistance_dry, p.soil_resistance_slope
    )
    # A little is left, so that rounding does not make the soil drier than dry. The source lets nearly dry soil take up dew for this.
    most = filled - DUST
    evaporated = bare * smaller(potential_evaporation * days, most if original else positive_part(most))
    drained = positive_part(filled - evaporated - p.soil_water_capacity)
    soil = filled - evaporated - drained + f.irrigation * days
    if original:
        soil = positive_part(soil)
    fluxes = {
        "evapotranspiration": transpired + intercepted + (evaporated + sublimed) / days,
        "transpiration": transpired,
        "interception_evaporation": intercepted,
        "soil_evaporation": evaporated / days,
        "sublimation": sublimed / days,
        "rainfall": rain,
        "snowfall": snowfall,
        "irrigation": f.irrigation,
        "snow_melt": melted / days,
        "surface_runoff": runoff / days,
        "drainage": drained / days,
        "soil_wetness": 0.5 * (wetness + soil / p.soil_water_capacity),
    }
    return _Water(soil, lying, gpp, fluxes)


def _leaf_events(x: Any, f: Any, p: Any, widths: Widths | None) -> tuple[Any, Any, Any]:
    """Return the carbon that flushes in the step, the part from wood, and the fraction of leaves that fall."""
    wide = widths or Widths(None, None, None)  # type: ignore[arg-type]
    before = reached(f.degree_days_before, p.leaf_onset_degree_days, wide.degree_days)
    onset = reached(f.degree_days, p.leaf_onset_degree_days, wide.degree_days) - before
    stock = x.wood_carbon + x.coarse_root_carbon
    flushed = onset * smaller(p.leaf_flush, stock * p.flush_reserve_fraction)
    something = exceeded(stock)
    from_wood = flushed * something * x.wood_carbon / (stock + (1.0 - something))
    over = reached(f.day_of_year_before, p.leaf_fall_day, wide.days)
    falling = reached(f.day_of_year, p.leaf_fall_day, wide.days) - over
    # Of the leaves that are left: together the steps of a smooth fall take leaf_fall_fraction.
    left = 1.0 - p.leaf_fall_fraction * over
    some = exceeded(left, 1e-9)
    fallen = p.leaf_fall_fraction * positive_part(falling) * some / (left * some + (1.0 - some))
    return flushed, from_wood, fallen


def _creation(npp: Any, fallen: Any, x: Any, p: Any, days: Any, original: bool) -> dict[str, Any]:
    """Allocate recent NPP; what a pool cannot give wood or the other roots give."""
    rest = 1.0 - p.f_foliage
    to_roots = rest * p.f_roots
    to_wood = (rest - to_roots) * p.f_wood
    made = {
        "foliage": npp * p.f_foliage,
        "wood": npp * to_wood,
        "roots": npp * to_roots,
        "coarse_roots": npp * (rest - to_roots - to_wood),
    }
    # The source forgets leaves that fall in the same step, and sets a negative pool to zero.
    kept = x.foliage_carbon * (1.0 - p.leaf_turnover * days - (0.0 if original else fallen))
    short = _negative_part(kept / days + made["foliage"])
    fine = x.root_carbon * (1.0 / days - p.root_turnover) + made["roots"]
    coarse = x.coarse_root_carbon * (1.0 / days - p.coarse_root_turnover) + made["coarse_roots"]
    shift = _negative_part(coarse) * reached(fine, 0.0) - _negative_part(fine) * reached(coarse, 0.0)
    return {
        "foliage": made["foliage"] - short,
        "wood": made["wood"] + short,
        "roots": made["roots"] + shift,
        "coarse_roots": made["coarse_roots"] - shift,
    }


def _negative_part(x: Any) -> Any:
    return -positive_part(-x)


def step(v: Variant, x: Any, f: Any, p: Any) -> tuple[Any, Any]:
    """Advance the pools by one step.

    Parameters
    ----------
    v : Variant
        Which SIPNET.
    x : NamedTuple
        State at the start.
    f : NamedTuple
        Drivers of the step.
    p : NamedTuple
        Parameters.

    Returns
    -------
    tuple of NamedTuple
        State at the end, and the fluxes of the step.
    """
    days = f.step_length
    deficit = 0.1 * f.vapour_pressure_deficit
    deficit = pt.switch(deficit < LEAST, LEAST, deficit)
    thawed = reached(f.soil_temperature, p.frozen_soil_threshold, v.widths and v.widths.temperature)

    # Photosynthesis (A5 to A12).
    lai = x.foliage_carbon / p.leaf_mass_area
    per_rate = pnet.leaf_rate(p.leaf_mass_area, p.leaf_carbon_fraction)
    respiring = p.foliar_respiration_fraction * p.max_assimilation * per_rate * lai
    light = positive_part(f.photosynthetically_active_radiation)
    effects = pnet.temperature_factor(
        f.air_temperature, p.photosynthesis_temperature_min, p.photosynthesis_temperature_opt
    ) * pnet.vpd_factor(deficit, p.vpd_slope, p.vpd_exponent)
    gross = p.max_assimilation * (p.mean_assimilation_fraction + p.foliar_respiration_fraction) * per_rate
    potential = gross * effects * (lai * pnet.light_factor(lai, light, p.light_extinction, p.light_half_saturation))
    water = _water(potential, deficit, thawed, x, f, p, v.original)
    gpp = water.gpp

    # Respiration (A18 to A20; roots: Zobitz et al. 2008).
    log_vegetation = 0.1 * pt.log(p.vegetation_q10)
    wood = x.wood_carbon + x.storage_carbon
    foliar = (
        respiring
        * pt.exp(log_vegetation * (f.air_temperature - p.photosynthesis_temperature_opt))
        * (thawed + (1.0 - thawed) * p.frozen_foliar_factor)
    )
    wooden = p.wood_maintenance * wood * pt.exp(log_vegetation * f.air_temperature)
    fine = p.root_maintenance * x.root_carbon * pt.exp(0.1 * pt.log(p.root_q10) * f.soil_temperature)
    coarse = p.coarse_root_maintenance * x.coarse_root_carbon * pt.exp(0.1 * pt.log(p.coarse_root_q10) * f.soil_temperature)
    wet = bucket.moisture_factor(x.soil_water_storage / p.soil_water_capacity, p.moisture_exponent)
    decomposing = pt.switch(f.soil_temperature < 0, 1.0, wet) * pt.exp(0.1 * pt.log(p.soil_q10) * f.soil_temperature)
    soil = x.soil_carbon * p.soil_mineralisation * decomposing
    broken = x.litter_carbon * p.litter_breakdown * decomposing if v.litter else 0.0
    litter = broken * p.litter_respired_fraction if v.litter else 0.0
    autotrophic = foliar + wooden + fine + coarse
    heterotrophic = soil + litter
    npp = gpp - autotrophic

    # Growth and losses.
    memory = [getattr(x, n) for n in x._fields[-v.entries :]]
    recent: Any = sum(w * m for w, m in zip(f[-v.entries :], memory, strict=True))
    flushed, from_wood, fallen = _leaf_events(x, f, p, v.widths)
    if not v.original:
        fallen = smaller(fallen, 1.0 - p.leaf_turnover * days)
    made = _creation(recent, fallen, x, p, days, v.original)
    leaves_lost = x.foliage_carbon * (p.leaf_turnover * days + fallen)
    lost = {
        "wood": wood * p.wood_turnover,
        "fine": x.root_carbon * p.root_turnover,
        "coarse": x.coarse_root_carbon * p.coarse_root_turnover,
    }

    foliage_left = x.foliage_carbon + days * made["foliage"] - leaves_lost
    # Where the leaves run short this is zero but for rounding.
    foliage_after = flushed + (foliage_left if v.original else positive_part(foliage_left))
    wood_after = x.wood_carbon + days * (made["wood"] - lost["wood"]) - from_wood
    storage_after = x.storage_carbon + days * (npp - recent)
    roots_after = x.root_carbon + days * (made["roots"] - lost["fine"])
    coarse_after = x.coarse_root_carbon + days * (made["coarse_roots"] - lost["coarse"]) - (flushed - from_wood)
    above = leaves_lost + days * lost["wood"]
    below = days * (lost["fine"] + lost["coarse"])
    soil_after = x.soil_carbon + below - days * soil + (days * (broken - litter) if v.litter else above)
    litter_after = x.litter_carbon + above - days * broken if v.litter else None

    # Plants without wood or without roots die.
    alive = exceeded(wood_after, LEAST) * exceeded(wood_after + storage_after, LEAST) * exceeded(roots_after + coarse_after, LEAST)
    dead = 1.0 - alive
    above_ground = foliage_after + wood_after + storage_after
    pools = {
        "foliage_carbon": foliage_after * alive,
        "wood_carbon": wood_after * alive,
        "storage_carbon": storage_after * alive,
        "root_carbon": roots_after * alive,
        "coarse_root_carbon": coarse_after * alive,
        "soil_carbon": soil_after + dead * (roots_after + coarse_after + (0.0 if v.litter else above_ground)),
        "soil_water_storage": water.soil,
        "snow_water": water.snow,
    }
    if v.litter:
        pools["litter_carbon"] = litter_after + dead * above_ground
    if v.original:
        pools |= {n: positive_part(pools[n]) for n in pools if n.endswith("_carbon") and n != "storage_carbon"}
    memory = [m * alive for m in (npp, *memory[:-1])]

    fluxes = {
        "nee": autotrophic + heterotrophic - gpp,
        "gpp": gpp,
        "reco": autotrophic + heterotrophic,
        "lai": lai,
        "autotrophic_respiration": autotrophic,
        "heterotrophic_respiration": heterotrophic,
        "foliar_respiration": foliar,
        "wood_respiration": wooden,
        "root_respiration": fine,
        "coarse_root_respiration": coarse,
        "soil_respiration": soil,
        "recent_npp": recent,
        **{f"allocation_to_{k}": a for k, a in made.items()},
        "leaf_flush": flushed / days,
        "leaf_flush_from_wood": from_wood / days,
        "leaf_litterfall": leaves_lost / days,
        "wood_litterfall": lost["wood"],
        "root_litterfall": lost["fine"],
        "coarse_root_litterfall": lost["coarse"],
        "decomposition_factor": decomposing,
    }
    if v.litter:
        fluxes |= {"litter_respiration": litter, "litter_decomposition": broken - litter}
    named = dict(zip(x._fields[-v.entries :], memory, strict=True))
    return v.state(**pools, **named), v.fluxes(**fluxes, **water.fluxes)
