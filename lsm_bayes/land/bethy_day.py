"""The day of BETHY: snow, canopy water, the bucket, leaves and litter."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.land.bethy_declared import FastFluxes, Fluxes, Nothing, State
from lsm_bayes.land.bethy_step import Form, Structure
from lsm_bayes.processes import aging_snow, knorr_phenology, skin_bucket, two_pool_soil
from lsm_bayes.processes import diurnal_course as course
from lsm_bayes.processes.smoothing import capped, floored


def day_of(structure: Structure, form: Form) -> Callable[..., tuple[State, Nothing, Fluxes]]:
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
        ``step(states, nothing, means, forcing, parameters) -> (states, nothing, fluxes)``.
    """

    def step(x: State, z: Nothing, m: FastFluxes, f: Any, p: Any) -> tuple[State, Nothing, Fluxes]:
        celsius = m.subdaily_air_temperature if structure.observed_hours else 0.5 * (f.air_temperature_min + f.air_temperature_max)
        surface = surface_of(x, p, m, f.precipitation, celsius, form)
        wetness = surface.bucket / p.water_capacity
        leaves = aimed(structure, form, x, p, f, m.subdaily_transpiration_demand, surface.bucket, celsius)
        crown_cover, largest = knorr_phenology.cover(leaves.area, x.largest_area_memory)

        fallen = knorr_phenology.shed(x.leaf_area, leaves.area, p.specific_leaf_area, growth=form.growth_shed)
        litterfall = p.litter_per_shed_leaf * fallen
        moist = two_pool_soil.moisture(wetness, p.moisture_exponent)
        rate = moist * two_pool_soil.warmth(celsius, p.litter_q10) * p.litter_turnover / two_pool_soil.YEAR
        litter = two_pool_soil.decay(x.litter_carbon, litterfall, rate)
        litter_respiration = (1.0 - p.slow_fraction) * litter.lost
        slow_respiration = p.slow_respiration * moist * two_pool_soil.warmth(celsius, p.slow_q10)
        autotrophic = m.subdaily_maintenance_respiration + m.subdaily_growth_respiration
        heterotrophic = litter_respiration + slow_respiration
        npp = m.subdaily_gpp - autotrophic

        following = State(
            leaf_area=leaves.area,
            temperature_memory=leaves.temperature_memory,
            water_limited_area=leaves.area_memory,
            largest_area_memory=largest,
            crown_cover=crown_cover,
            **surface.states,
            litter_carbon=litter.left,
            vegetation_carbon=x.vegetation_carbon + npp - litterfall,
            slow_soil_carbon=x.slow_soil_carbon + p.slow_fraction * litter.lost - slow_respiration,
        )
        return (
            following,
            Nothing(),
            Fluxes(
                nee=heterotrophic - npp,
                gpp=m.subdaily_gpp,
                npp=npp,
                reco=autotrophic + heterotrophic,
                autotrophic_respiration=autotrophic,
                maintenance_respiration=m.subdaily_maintenance_respiration,
                growth_respiration=m.subdaily_growth_respiration,
                heterotrophic_respiration=heterotrophic,
                litter_respiration=litter_respiration,
                slow_soil_respiration=slow_respiration,
                litterfall=litterfall,
                leaf_litterfall=fallen,
                lai=x.leaf_area,
                precipitation=f.precipitation,
                **surface.fluxes,
            ),
        )

    return step


class Surface(NamedTuple):
    """Water and energy of a day, by the names of states and fluxes."""

    bucket: Any  # mm
    states: dict[str, Any]
    fluxes: dict[str, Any]


def surface_of(x: State, p: Any, m: FastFluxes, precipitation: Any, celsius: Any, form: Form) -> Surface:
    """Advance snow, canopy water and the bucket by a day.

    Parameters
    ----------
    x : State
        At the start of the day.
    p : Parameters
        Parameters.
    m : FastFluxes
        Means over the hours.
    precipitation : tensor
        mm d-1.
    celsius : tensor
        Mean temperature, degC.
    form : Form
        Widths and quirks.

    Returns
    -------
    Surface
        At its end.
    """
    snow, water = (_water_of_source if form.water_of_source else _water)(x, p, m, precipitation, celsius)
    dark = m.subdaily_par_down <= 0
    states = {
        "plant_available_water": water.stores.bucket,
        "skin_water": water.stores.skin,
        "canopy_water": water.stores.canopy,
        "snow_water": snow.pack.water,
        "snow_height": snow.pack.height,
        "snow_albedo": snow.pack.albedo,
    }
    fluxes = {
        "evapotranspiration": water.transpiration + water.interception + water.soil_evaporation + snow.sublimation,
        "transpiration": water.transpiration,
        "interception_evaporation": water.interception,
        "soil_evaporation": water.soil_evaporation,
        "sublimation": snow.sublimation,
        "transpiration_demand": m.subdaily_transpiration_demand,
        "net_radiation": m.subdaily_net_radiation,
        "ground_heat": m.subdaily_ground_heat,
        "latent_heat": m.subdaily_latent_heat,
        "sensible_heat": m.subdaily_sensible_heat,
        "fapar": pt.switch(dark, 0.0, m.subdaily_par_absorbed / pt.switch(dark, 1.0, m.subdaily_par_down)),
        "snowfall": snow.snowfall,
        "snow_melt": snow.melt,
        "throughfall": water.throughfall,
        "infiltration": water.infiltration,
        "runoff": water.runoff,
    }
    return Surface(water.stores.bucket, states, fluxes)


def aimed(structure: Structure, form: Form, x: State, p: Any, f: Any, demand: Any, bucket: Any, celsius: Any) -> knorr_phenology.Leaves:
    """Return the leaf area that plants aim at after a day, and advance its memories.

    Parameters
    ----------
    structure : Structure
        Plants.
    form : Form
        Quirks.
    x : State
        At the start of the day.
    p : Parameters
        Parameters.
    f : DailyForcing or DayForcing
        With the day of the year and the latitude.
    demand : tensor
        Transpiration without water stress, mm d-1.
    bucket : tensor
        Water in the soil, mm.
    celsius : tensor
        Mean temperature, degC.

    Returns
    -------
    lsm_bayes.processes.knorr_phenology.Leaves
        At the end of the day.
    """
    traits = knorr_phenology.Traits(
        p.leaf_temperature,
        p.leaf_temperature_range,
        p.leaf_day_length,
        p.leaf_day_length_range,
        p.leaf_growth_rate,
        p.leaf_shedding_rate,
        p.lai_max,
        p.water_use_time,
    )
    before = knorr_phenology.Leaves(x.leaf_area, x.temperature_memory, x.water_limited_area)
    hours = course.sun(f.day_of_year, f.latitude).hours
    return knorr_phenology.leaves(structure.phenology, traits, before, celsius, hours, bucket, demand, rational=form.rational_steps)


def _water(x: State, p: Any, m: FastFluxes, precipitation: Any, celsius: Any) -> tuple[aging_snow.Day, skin_bucket.Day]:
    pack = aging_snow.Pack(x.snow_water, x.snow_height, x.snow_albedo)
    snow = aging_snow.day(pack, celsius, precipitation, m.subdaily_sublimation, p.soil_albedo_dry)
    stores = skin_bucket.Stores(x.canopy_water, x.skin_water, x.plant_available_water)
    share = skin_bucket.intercepted_share(x.leaf_area, x.crown_cover)
    parts = m.subdaily_interception_evaporation, m.subdaily_transpiration, m.subdaily_soil_evaporation
    return snow, skin_bucket.day(stores, p.water_capacity, precipitation - snow.snowfall, snow.melt, x.leaf_area, share, *parts)


def _water_of_source(x: State, p: Any, m: FastFluxes, precipitation: Any, celsius: Any) -> tuple[aging_snow.Day, skin_bucket.Day]:
    wet = capped(floored((x.plant_available_water / p.water_capacity - 0.9) / 0.1, 0.0, 1e-3), 1.0, 1e-3)
    ground = wet * p.soil_albedo_wet + (1.0 - wet) * p.soil_albedo_dry
    soil = m.subdaily_soil_evaporation_potential
    pack = aging_snow.Pack(x.snow_water, x.snow_height, x.snow_albedo)
    snow = aging_snow.day_of_source(pack, celsius, precipitation, soil, ground)
    stores = skin_bucket.Stores(x.canopy_water, x.skin_water, x.plant_available_water)
    share = skin_bucket.intercepted_share(x.leaf_area, x.crown_cover, as_transmitted=True)
    wanted = m.subdaily_transpiration, m.subdaily_canopy_evaporation_potential, soil
    return snow, skin_bucket.day_of_source(stores, p.water_capacity, precipitation, snow.melt, x.leaf_area, share, *wanted)
