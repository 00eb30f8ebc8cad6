"""The step of DALEC 1100: canopy, then snow, water and heat of the soil, then carbon. `dalec_1100.py` says what it is and declares it."""

from typing import Any

import pytensor.tensor as pt

from lsm_bayes.land.dalec_1100_declared import Fluxes, State
from lsm_bayes.land.dalec_1100_soil import DAY, KELVIN, Form, Soil, left_after, melt_snow, move_heat, move_water, soil_of
from lsm_bayes.processes import acm, fire, jcr_respiration, knorr_phenology, labile_allocation, liu_canopy, soil_column, soil_heat
from lsm_bayes.processes.thresholds import clipped, positive_part, reached, smaller

NOTHING = 1e-30  # below it the square in the derivative of a quotient may underflow
LIVING = ("labile", "foliage", "root", "wood")
POOLS = (*LIVING, "woody_debris", "litter", "soil")


def _per_root(first: Any, second: Any, p: Any) -> Any:
    weight = p.thickness_2 * p.deep_root_fraction
    return (first * p.thickness_1 + second * weight) / (p.thickness_1 + weight)


def _canopy(form: Form, soil: Soil, x: Any, f: Any, p: Any) -> dict[str, Any]:
    """Photosynthesis, water stress and what evaporates where water does not limit it."""
    lai = x.foliage_carbon / p.leaf_mass_area
    air = liu_canopy.Air(
        f.shortwave_down * 1e6 / DAY, f.vapour_pressure_deficit / 10.0, 0.5 * (f.air_temperature_min + f.air_temperature_max), f.co2
    )
    leaf = liu_canopy.Leaf(
        p.vcmax_25,
        p.vcmax_q10,
        p.cold_inhibition,
        p.heat_inhibition,
        p.dark_respiration_ratio,
        p.dark_respiration_q10,
        p.stomatal_slope,
        p.clumping_index,
        p.leaf_reflectance_par,
        p.leaf_reflectance_nir,
    )
    roots = [(soil.potential[i], soil.liquid[i]) for i in (0, 1)]
    open_1, open_2 = (soil_column.openness(*r, p.stress_suction, p.stress_steepness) for r in roots)
    failed_1, failed_2 = (soil_column.failure(*r, p.mortality_suction, p.mortality_steepness) for r in roots)
    cold = liu_canopy.cold_stress(f.air_temperature_min, p.cold_stress_none, p.cold_stress_full)
    stress = smaller(_per_root(open_1, open_2, p), cold)
    light = liu_canopy.extinction(f.day_of_year, f.latitude, form.pi)
    made = liu_canopy.photosynthesis(air, leaf, lai, light, stress, x.labile_carbon, f.step_length, form.least_demand)
    wet = smaller(f.precipitation / p.rain_for_full_evaporation, 1.0)
    transpired = liu_canopy.transpiration(air, leaf, lai, light, made, p.aerodynamic_conductance)
    first, second = open_1 * p.thickness_1, open_2 * p.thickness_2 * p.deep_root_fraction
    closed = first + second <= NOTHING
    share = pt.switch(closed, 0.0, first / pt.switch(closed, 1.0, first + second))
    thawed = soil.liquid[0] + soil.liquid[1]
    unfrozen = clipped((thawed - 2.0) / form.thaw_width + 1.0, 0.0, 1.0) if form.thaw_width else reached(thawed, 2.0)
    return {
        "lai": lai,
        "gpp": made.gross,
        "dark_respiration": made.dark_respiration,
        "leaf_starvation": made.demand.unmet,
        "_fed_leaves": made.demand.met,
        "_supply": made.gross + made.demand.left / f.step_length,
        "photosynthesis_stress": stress,
        "hydraulic_mortality": unfrozen * _per_root(failed_1, failed_2, p),
        "transpiration_1": transpired * share,
        "transpiration_2": pt.switch(closed, 0.0, transpired * (1.0 - share)),
        "soil_evaporation": liu_canopy.soil_evaporation(air, leaf, lai, light, wet),
    }


def _growth(form: Form, x: Any, f: Any, p: Any, out: dict[str, Any], water: Any) -> tuple[Any, Any]:
    """Phenology, maintenance and allocation; return the memories."""
    days = f.step_length
    temperature = 0.5 * (f.air_temperature_min + f.air_temperature_max)
    traits = knorr_phenology.Traits(
        p.phenology_temperature,
        p.phenology_temperature_spread,
        p.phenology_day_length,
        p.phenology_day_length_spread,
        p.leaf_growth_rate,
        p.leaf_shedding_rate,
        p.largest_lai,
        p.water_use_time,
    )
    season = knorr_phenology.season(
        traits,
        out["lai"],
        x.temperature_memory,
        x.leaf_area_memory,
        temperature + KELVIN,
        acm.day_length(f.day_of_year, f.latitude, form.pi),
        water,
        out["transpiration"],
        days,
    )
    aimed = season.leaf_area * p.leaf_mass_area
    warmth = p.maintenance_q10 ** ((temperature - 25.0) / 10.0)
    kept = labile_allocation.maintenance(
        out.pop("_supply"),
        warmth * (p.wood_maintenance_rate * x.wood_carbon + p.root_maintenance_rate * x.root_carbon),
        form.least_demand,
    )
    demands = (
        positive_part(aimed - x.foliage_carbon) / days,
        p.root_to_leaf_demand * aimed / (form.period or days),
        p.wood_to_leaf_demand * aimed / (form.period or days),
    )
    grown = labile_allocation.growth(kept.demand.left, demands, p.growth_efficiency, form.least_demand)
    out["allocation_to_foliage"], out["allocation_to_roots"], out["allocation_to_wood"] = grown.allocation
    out |= {
        "maintenance_respiration": kept.respiration,
        "growth_respiration": grown.respiration,
        "autotrophic_respiration": out["dark_respiration"] + kept.respiration + grown.respiration,
        "starvation": kept.demand.unmet,
        "_fed": kept.demand.met,
        "_labile": grown.left,
        "target_lai": season.leaf_area,
        "phenology_warmth": season.warmth,
        "phenology_daylight": season.daylight,
        "water_limited_lai": season.water_limited,
        "leaf_senescence": positive_part(x.foliage_carbon - aimed) / days,
    }
    return season.temperature_memory, season.area_memory


def _decay(soil: Soil, x: Any, f: Any, p: Any, out: dict[str, Any]) -> dict[str, Any]:
    """Decomposition, growth and leaf senescence; return the carbon pools after them."""
    days = f.step_length
    rates = jcr_respiration.factors(
        soil.temperature[0],
        soil.wetness[0],
        soil.liquid[0],
        q10=p.decomposition_q10,
        saturation_exponent=p.saturation_exponent,
        optimal_wetness=p.optimal_moisture,
        saturated_factor=p.saturated_decomposition,
        methane_fraction=p.methane_fraction,
        methane_q10=p.methane_q10,
    )
    potential = (
        x.woody_debris_carbon * p.woody_debris_turnover,
        x.litter_carbon * p.litter_turnover,
        x.soil_carbon * p.soil_turnover,
    )
    both = rates.aerobic + rates.anaerobic
    debris, litter = both * potential[0] * p.woody_debris_to_soil, both * potential[1] * p.litter_to_soil
    respired = potential[0] * (1.0 - p.woody_debris_to_soil) + potential[1] * (1.0 - p.litter_to_soil) + potential[2]
    methane = rates.methane_fraction * rates.anaerobic * respired
    out |= {
        "aerobic_factor": rates.aerobic,
        "anaerobic_factor": rates.anaerobic,
        "methane_share": rates.methane_fraction,
        "methane_emission": methane,
        "heterotrophic_respiration": both * respired - methane,
        "woody_debris_decomposition": debris,
        "litter_decomposition": litter,
    }
    grown = (out["allocation_to_foliage"], out["allocation_to_roots"], out["allocation_to_wood"])
    net = {
        "foliage": grown[0] - out["leaf_senescence"],
        "root": grown[1],
        "wood": grown[2],
        "woody_debris": -both * potential[0],
        "litter": out["leaf_senescence"] - both * potential[1],
        "soil": debris + litter - both * potential[2],
    }
    # Of labile carbon what is left of the supply: a sum of all its flows would be rounding where plants starve.
    return {"labile": days * out.pop("_labile")} | {n: getattr(x, f"{n}_carbon") + days * g for n, g in net.items()}


def _losses(form: Form, pools: dict[str, Any], f: Any, p: Any, out: dict[str, Any]) -> dict[str, Any]:
    """Return the carbon pools after removal, fire, death and turnover, each of what the one before leaves."""
    days = f.step_length
    pools = dict(pools)
    to_litter: dict[str, Any] = {}

    def lose(name: str, amount: Any, to: str | None) -> Any:
        pools[name] = pools[name] - days * amount
        if to:
            pools[to] = pools[to] + days * amount
            to_litter[name] = to_litter[name] + amount if name in to_litter else amount
        return amount

    home = {n: "woody_debris" if n == "wood" else "litter" for n in LIVING}
    living = sum((pools[n] for n in LIVING[1:]), pools[LIVING[0]])
    bare = living <= NOTHING
    share = 1.0 / pt.switch(bare, 1.0, living)
    exported, residue = (f.disturbance_removal + f.yield_removal) * share, form.yield_residue * f.yield_removal * share
    whole = {n: pools[n] for n in LIVING}
    out["biomass_removal"] = sum(lose(n, whole[n] * exported, None) for n in LIVING)
    if form.yield_residue:
        for n in LIVING:
            lose(n, whole[n] * residue, home[n])

    foliar, ligneous = p.foliar_combustion_completeness, p.ligneous_combustion_completeness
    completeness = dict.fromkeys(POOLS, ligneous) | {
        "foliage": foliar,
        "litter": 0.5 * (foliar + ligneous),
        "soil": p.soil_combustion_completeness,
    }
    for n in POOLS:
        out[f"fire_emission_{n}"] = lose(n, fire.combustion(pools[n], f.burned_area, completeness[n], days), None)
    out["fire_emission"] = sum(out[f"fire_emission_{n}"] for n in POOLS)

    burnt = f.burned_area * (1.0 - p.fire_resilience)
    unhurt = (1.0 - burnt) * left_after(form, 1.0 - out["hydraulic_mortality"], days)
    fed_leaves, fed = (left_after(form, out.pop(n), days) for n in ("_fed_leaves", "_fed"))
    charred = {n: pools[n] * burnt / days for n in ("woody_debris", "litter")}
    for n in LIVING:
        lose(n, pools[n] * (1.0 - (fed_leaves if n == "foliage" else fed) * unhurt) / days, home[n])
    for n, amount in charred.items():
        out[f"fire_{n}_to_soil"] = amount
        pools[n], pools["soil"] = pools[n] - days * amount, pools["soil"] + days * amount
    for n in LIVING:
        lose(n, pools[n] * getattr(p, f"{n}_turnover"), home[n])
    out |= {f"{'leaf' if n == 'foliage' else n}_litterfall": to_litter[n] for n in LIVING}
    out["leaf_litterfall"] = out["leaf_litterfall"] + out["leaf_senescence"]
    return pools


def step(form: Form, x: Any, f: Any, p: Any) -> tuple[State, Fluxes]:
    """Advance DALEC 1100 by one step.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    x : State
        State at the start.
    f : Forcing
        Drivers.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        State at the end, and fluxes: gC m-2 d-1, mm d-1, W m-2, and J m-2 d-1 for what changes the heat of the soil.
    """
    days = f.step_length
    soil = soil_of(form, x, p)
    out = _canopy(form, soil, x, f, p)
    snow_left = melt_snow(form, x, f, p, out)
    filled = move_water(form, soil, f, p, out)
    out["transpiration"] = out["transpiration_1"] + out["transpiration_2"]
    out["evapotranspiration"] = out["soil_evaporation"] + out["transpiration"] + out["sublimation"]
    water = tuple(pt.switch(w > c, c, w) for w, c in zip(filled, soil.capacity, strict=True))
    for i in range(3):
        source = 1 if form.misbooked_overflow and i == 1 else i + 1
        out[f"drainage_{source}"] = out[f"drainage_{source}"] + positive_part(filled[i] - soil.capacity[i]) / days
    energy = move_heat(form, soil, f, p, out)
    out["runoff"] = out["surface_runoff"] + out["drainage_1"] + out["drainage_2"] + out["drainage_3"]
    rooted = 0.5 * (soil.water[0] + soil.water[1] + water[0] + water[1])
    memories = _growth(form, x, f, p, out, rooted)
    pools = _losses(form, _decay(soil, x, f, p, out), f, p, out)
    out["reco"] = out["autotrophic_respiration"] + out["heterotrophic_respiration"]
    out["nee"] = out["reco"] - out["gpp"]
    out["nbe"] = out["nee"] + out["fire_emission"]
    for i in range(3):
        out[f"soil_temperature_{i + 1}"] = soil.temperature[i] - KELVIN
        out[f"liquid_fraction_{i + 1}"] = soil.liquid[i]
        out[f"soil_water_{i + 1}"] = soil.water[i]
    specific = [soil_heat.specific_energy(*v, form.heat) for v in zip(energy, water, soil.dry, strict=True)]
    wetness = [w / c for w, c in zip(water, soil.capacity, strict=True)]
    following = State._make((*(pools[n] for n in POOLS), *wetness, snow_left, *specific, *memories))
    return following, Fluxes(**out)
