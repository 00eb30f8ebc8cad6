"""The day of JSBACH: leaves by LoGro-P, carbon of plants by CBALANCE, dead carbon by YASSO."""

from collections.abc import Callable
from typing import Any

import pytensor.tensor as pt

from lsm_bayes.land.jsbach_declared import STATES, FastFluxes, FastState, Fluxes
from lsm_bayes.land.jsbach_step import TO_CARBON, Form, Structure
from lsm_bayes.processes import cbalance, logro_p_crop, yasso
from lsm_bayes.processes import implicit_surface as skin
from lsm_bayes.processes import logro_p_phenology as logro_p

YEAR = 365.25  # d
MEMORY = 30.0  # d, of the climate of decomposition
NORTH, SOUTH = 1.0, 183.0  # days of the year from which buds count warmth
WOOD_SPLIT = yasso.Litter(0.69, 0.015, 0.015, 0.28)
WOOD_SIZE = 4.0  # cm
KINDS = yasso.Litter._fields


def _widths(form: Form) -> logro_p.Widths:
    return logro_p.Widths(*(form.smooth * w for w in logro_p.SMOOTH))


def _alternating(p: Any, evergreen: bool) -> logro_p.Alternating:
    base = logro_p.EVERGREEN if evergreen else logro_p.SUMMERGREEN
    own = {} if evergreen else {"rest_shedding": p.rest_shedding_rate, "autumn_temperature": p.autumn_temperature}
    return base._replace(
        base=p.budburst_base_temperature,
        least_heat=p.budburst_heat,
        heat_range=p.budburst_heat_range,
        chill_scale=p.chill_scale,
        growth_rate=p.leaf_growth_rate,
        shedding=p.leaf_shedding_rate,
        **own,
    )


def _crop_dates(f: Any) -> logro_p_crop.Dates:
    north, days = f.latitude >= 0, (logro_p_crop.SPRING, logro_p_crop.SUMMER, logro_p_crop.AUTUMN)
    begins = [pt.switch(north, float(d), float(logro_p_crop.SOUTH[d])) for d in days]
    return logro_p_crop.Dates(*(pt.switch(pt.eq(pt.floor(f.day_of_year), d), 1.0, 0.0) for d in begins))


def _leaves(x: Any, m: FastFluxes, f: Any, p: Any, soil: Any, production: Any, s: Structure, form: Form) -> tuple[Any, dict[str, Any]]:
    """Leaf area after the day, and the memory of the season; production is mol m-2 s-1."""
    widths, air, area, wet = _widths(form), m.subdaily_air_temperature, x.leaf_area, m.subdaily_soil_wetness
    if s.phenology in ("evergreen", "summergreen"):
        evergreen = s.phenology == "evergreen"
        own = _alternating(p, evergreen)
        today = pt.switch(pt.eq(pt.floor(f.day_of_year), pt.switch(f.latitude >= 0, NORTH, SOUTH)), 1.0, 0.0)
        before = logro_p.Season(x.resting, x.growing, x.leaf_clock, x.heat_counting, x.heat_sum, x.chill_days)
        after = logro_p.season(before, air, soil, today, own, evergreen, widths)
        names = ("resting", "growing", "leaf_clock", "heat_counting", "heat_sum", "chill_days")
        return logro_p.leaf_area(area, after, p.lai_max, own, widths), dict(zip(names, after, strict=True))
    if s.phenology == "raingreen":
        rain = logro_p.Raingreen(p.dry_shedding_rate, p.leaf_shedding_rate, p.leaf_growth_rate, leaf_out_water=p.leaf_out_wetness)
        return logro_p.raingreen(area, wet, production, p.lai_max, rain, widths), {}
    if s.phenology == "grass":
        grass = logro_p.Grass(p.growth_temperature, p.leaf_growth_rate, p.leaf_shedding_rate, p.leaf_shedding_rate)
        return logro_p.grass(area, air, wet, production, p.lai_max, grass, widths), {}
    crop = logro_p_crop.Crop(
        p.growth_temperature,
        sprouting_water=p.sprouting_wetness,
        shedding=p.leaf_shedding_rate,
        rest_shedding=p.rest_shedding_rate,
        leaf_share=p.leaf_allocation,
    )
    sown = logro_p_crop.Season(x.crop_phase, x.heat_sum, x.winter_heat_sum)
    grown = logro_p_crop.season(sown, soil, air, production, _crop_dates(f), crop)
    per_mole = 12.01 * p.specific_leaf_area
    area = logro_p_crop.leaf_area(area, grown.phase, f.latitude, soil, wet, production, per_mole, p.lai_max, crop, widths)
    return area, {"crop_phase": grown.phase, "heat_sum": grown.heat, "winter_heat_sum": grown.winter_heat}


def _decomposed(
    x: Any, size: str, litter: Any, exudates: Any, split: yasso.Litter, above: float, climate: Any, factor: Any, p: Any
) -> tuple[dict[str, Any], Any]:
    """Pools of one size of litter after the day, and what they respire."""
    rates = yasso.Litter(p.acid_rate, p.water_rate, p.ethanol_rate, p.neutral_rate)
    after, humus, respired = {}, getattr(x, f"{size}_humus"), pt.as_tensor(0.0)
    to_humus: Any = 0.0
    for place, share in (("above", above), ("below", 1.0 - above)):
        names = [f"{size}_{kind}_{place}" for kind in KINDS]
        pools = yasso.Litter(*(getattr(x, n) for n in names))
        done = yasso.decomposed(pools, climate, factor, rates)
        for name, kind, pool, change, part in zip(names, KINDS, pools, done.change, split, strict=True):
            roots = exudates if (kind, place) == ("water", "below") else 0.0
            after[name] = pool + change + share * litter * part + roots
        to_humus, respired = to_humus + done.to_humus, respired + done.respired
    lost = yasso.humus_loss(humus, climate, p.humus_rate)
    after[f"{size}_humus"] = humus + to_humus - lost
    return after, respired + lost


def day_of(structure: Structure, form: Form) -> Callable[..., tuple[Any, FastState, Fluxes]]:
    """Return the step of a day.

    Parameters
    ----------
    structure : Structure
        Plants and drivers.
    form : Form
        Widths and quirks.

    Returns
    -------
    callable
        ``step(states, fast_state, means, forcing, parameters) -> (states, fast_state, fluxes)``.
    """
    state, smooth = STATES[structure.phenology], form.smooth
    widths = cbalance.Widths(*(smooth * w for w in cbalance.SMOOTH))

    def step(x: Any, z: FastState, m: FastFluxes, f: Any, p: Any) -> tuple[Any, FastState, Fluxes]:
        maintenance, growth = m.subdaily_maintenance_respiration, m.subdaily_growth_respiration
        potential = m.subdaily_gpp - maintenance - growth
        soil = logro_p.pseudo_soil_temperature(x.pseudo_soil_temperature, m.subdaily_air_temperature)
        area, season = _leaves(x, m, f, p, soil, potential / TO_CARBON, structure, form)

        traits = cbalance.Traits(
            p.specific_leaf_area,
            p.lai_max,
            p.reserve_ratio,
            p.wood_max,
            p.allocation_to_wood,
            p.allocation_to_reserve,
            p.exudation,
            p.grazing,
            YEAR * p.wood_residence_time,
            p.least_shedding,
        )
        plants = cbalance.Plants(x.green_carbon, x.wood_carbon, x.reserve_carbon)
        carbon = cbalance.day(plants, potential, area, x.leaf_area, traits, widths)
        litter, harvest, sold = carbon.green_litter, {}, pt.as_tensor(0.0)
        if structure.phenology == "crop":
            taken = cbalance.GREEN_ABOVE * cbalance.HARVESTED * litter
            sold = (x.harvested_carbon + taken) / cbalance.HARVEST_TIME
            litter, harvest = litter - taken, {"harvested_carbon": x.harvested_carbon + taken - sold}

        kept = pt.exp(pt.as_tensor(-1.0 / MEMORY))
        warmth = kept * x.temperature_memory + (1.0 - kept) * m.subdaily_air_temperature
        rain = kept * x.precipitation_memory + (1.0 - kept) * f.precipitation
        climate = yasso.temperature_factor(warmth) * yasso.precipitation_factor(1e-3 * YEAR * rain)
        soluble = p.leaf_litter_acid, p.leaf_litter_water, p.leaf_litter_ethanol
        leaf_split = yasso.Litter(*soluble, 1.0 - sum(soluble))
        small, first = _decomposed(x, "leaf", litter, carbon.exudates, leaf_split, cbalance.GREEN_ABOVE, climate, 1.0, p)
        size = yasso.size_factor(pt.as_tensor(WOOD_SIZE))
        large, second = _decomposed(x, "wood", carbon.wood_litter, 0.0, WOOD_SPLIT, cbalance.WOOD_ABOVE, climate, size, p)

        autotrophic = maintenance + growth + carbon.respired_excess - carbon.unpaid
        heterotrophic = first + second + carbon.grazed_to_air + sold
        npp = m.subdaily_gpp - autotrophic
        following = state(
            leaf_area=area,
            pseudo_soil_temperature=soil,
            temperature_memory=warmth,
            precipitation_memory=rain,
            green_carbon=carbon.plants.green,
            wood_carbon=carbon.plants.wood,
            reserve_carbon=carbon.plants.reserve,
            **small,
            **large,
            **season,
            **harvest,
        )
        evaporated = m.subdaily_transpiration + m.subdaily_interception_evaporation + m.subdaily_soil_evaporation + m.subdaily_sublimation
        dark = m.subdaily_par_down <= 0
        return (
            following,
            z,
            Fluxes(
                nee=heterotrophic - npp,
                gpp=m.subdaily_gpp,
                npp=npp,
                reco=autotrophic + heterotrophic,
                autotrophic_respiration=autotrophic,
                maintenance_respiration=maintenance,
                growth_respiration=growth,
                heterotrophic_respiration=heterotrophic,
                litterfall=carbon.green_litter + carbon.wood_litter,
                wood_litterfall=carbon.wood_litter,
                allocation_to_wood_pool=carbon.plants.wood - x.wood_carbon + carbon.wood_litter,
                evapotranspiration=evaporated,
                transpiration=m.subdaily_transpiration,
                interception_evaporation=m.subdaily_interception_evaporation,
                soil_evaporation=m.subdaily_soil_evaporation,
                sublimation=m.subdaily_sublimation,
                net_radiation=m.subdaily_net_radiation,
                latent_heat=m.subdaily_latent_heat,
                sensible_heat=m.subdaily_sensible_heat,
                ground_heat=m.subdaily_ground_heat,
                melt_heat=m.subdaily_snow_melt * (skin.FUSION / skin.DAY),
                skin_temperature=m.subdaily_skin_temperature,
                lai=x.leaf_area,
                fapar=pt.switch(dark, 0.0, m.subdaily_par_absorbed / pt.switch(dark, 1.0, m.subdaily_par_down)),
                soil_moisture_stress=m.subdaily_soil_moisture_stress,
                precipitation=f.precipitation,
                snowfall=m.subdaily_snowfall,
                snow_melt=m.subdaily_snow_melt,
                throughfall=m.subdaily_throughfall,
                surface_runoff=m.subdaily_surface_runoff,
                drainage=m.subdaily_drainage,
                runoff=m.subdaily_surface_runoff + m.subdaily_drainage,
            ),
        )

    return step
