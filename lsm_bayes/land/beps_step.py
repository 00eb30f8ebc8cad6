"""The steps of BEPS in its default form: a tenth of an hour of exchange, snow and soil, and the hour of dead carbon.

A step makes one round of the search for leaf temperatures from those of the step before, so that leaves and the stability of the air follow the
weather within minutes (`HEAT_FOLLOWS`, `LEAVES_FOLLOW`). All branches are finite.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.land.beps_canopy import albedo, canopy, leaves, per_ground
from lsm_bayes.land.beps_declared import LAYERS, FastFluxes, FastState, Fluxes, Forcing, Parameters, Site, State
from lsm_bayes.processes import (
    allometric_respiration,
    clumped_canopy,
    clumped_radiation,
    explicit_soil_heat,
    explicit_soil_water,
    ground_evaporation,
    implicit_soil_heat,
    implicit_soil_water,
    layered_root_stress,
    leaf_heat,
    leaf_interception,
    lying_snow,
    moist_air,
    nine_pools,
    snow_covered_ground,
)
from lsm_bayes.processes.thresholds import supplied

STEPS, PER_DAY, WATER = 10, 86400.0, 1000.0  # WATER: kg m-3
PERCENT = 0.01
RUNOFF_STEP = 360.0  # s, for which `Site.ponding` is meant
HEAT_FOLLOWS, LEAVES_FOLLOW = 0.5, 1.0  # share of the new sensible heat and leaf temperature that the next step starts from
FACTOR_WIDTH = 0.01
NO_DEW_WIDTH = 1e-8  # kg m-2 s-1


class Form(NamedTuple):
    """`soft` scales the widths of all smoothed kinks; 0: exact."""

    soft: float = 1.0


def roots(decay: Any, site: Site) -> list[Any]:
    """Return the fraction of roots in each layer.

    Parameters
    ----------
    decay : tensor
        Fraction that is left below each centimetre.
    site : Site
        Thickness of the layers.

    Returns
    -------
    list of tensor
        The lowest layer has what is left.
    """
    below = [decay ** (100.0 * sum(site.thickness[:i])) for i in range(5)]
    return [a - b for a, b in zip(below, [*below[1:], 0.0], strict=True)]


class Soil(NamedTuple):
    """Layers of soil at the start of a step, from above."""

    water: list[Any]  # m3 m-3
    temperature: list[Any]  # degC
    ice: list[Any]  # fraction of the water
    exponent: list[Any]
    suction: list[Any]  # saturated, m


def soil_of(z: Any, p: Parameters, site: Site) -> Soil:
    """Return the layers of soil.

    Parameters
    ----------
    z : FastState
        States.
    p : Parameters
        Those of the uppermost layer.
    site : Site
        What sets the others apart.

    Returns
    -------
    Soil
        With water as a fraction of the volume.
    """
    return Soil(
        [getattr(z, f"soil_water_{i}") / (WATER * d) for i, d in zip(LAYERS, site.thickness, strict=True)],
        [getattr(z, f"soil_temperature_{i}") for i in LAYERS],
        [getattr(z, f"soil_ice_{i}") for i in LAYERS],
        [p.soil_exponent + e for e in site.exponent],
        [p.soil_suction + s for s in site.suction],
    )


def heat_layers(soil: Soil, site: Site, organic: float) -> list[explicit_soil_heat.Layer]:
    """Return the layers of soil as they conduct heat.

    Parameters
    ----------
    soil : Soil
        States.
    site : Site
        Minerals and organic matter.
    organic : float
        Factor of the percentage of organic matter.

    Returns
    -------
    list of Layer
        From above.
    """
    columns = soil.temperature, soil.ice, soil.water, site.thickness, site.porosity, site.mineral, site.bulk_density
    return [explicit_soil_heat.Layer(*[*v, organic * o]) for *v, o in zip(*columns, site.organic, strict=True)]


def water_layers(soil: Soil, site: Site, p: Parameters, temperature: Sequence[Any], soft: float) -> list[explicit_soil_water.Layer]:
    """Return the layers of soil as they conduct water.

    Parameters
    ----------
    soil : Soil
        States.
    site : Site
        Porosity, wilting point and conductivity.
    p : Parameters
        Conductivity of the uppermost layer.
    temperature : sequence of tensor
        That sets frost, degC.
    soft : float
        Scale of all widths.

    Returns
    -------
    list of Layer
        From above.
    """
    conductivity = [p.soil_conductivity * r for r in site.conductivity]
    columns = soil.water, site.thickness, site.porosity, site.wilting, conductivity, soil.suction, soil.exponent
    return [explicit_soil_water.Layer(*[*v, explicit_soil_water.thawed(t, soft)]) for *v, t in zip(*columns, temperature, strict=True)]


def stress_of(soil: Soil, p: Parameters, site: Site, soft: float) -> layered_root_stress.Stress:
    """Return the soil water factor and the shares of the layers in transpiration.

    Parameters
    ----------
    soil : Soil
        States.
    p, site, soft
        Parameters, site, and the scale of all widths.

    Returns
    -------
    Stress
        Of the profile.
    """
    suctions = [layered_root_stress.suction(*v) for v in zip(soil.water, site.porosity, soil.suction, soil.exponent, strict=True)]
    fractions = roots(p.root_decay, site)
    return layered_root_stress.layered_stress(suctions, soil.temperature, fractions, site.stress_onset, site.stress_steepness, soft)


def fast_step_of(form: Form, site: Site) -> Callable[..., tuple[FastState, FastFluxes]]:
    """Return the step of a tenth of an hour.

    Parameters
    ----------
    form : Form
        Widths.
    site : Site
        What the site has.

    Returns
    -------
    callable
        ``step(fast state, pools, forcing, parameters) -> (fast state, fluxes)``.
    """
    soft = form.soft

    def step(z: FastState, x: State, f: Forcing, p: Parameters) -> tuple[FastState, FastFluxes]:
        seconds = f.step_length * (PER_DAY / STEPS)
        c = canopy(f, p, site)
        over, under = c.leaf_area
        soil = soil_of(z, p, site)

        # Snow and rain on leaves and ground.
        cold = f.air_temperature <= 0
        snowing, raining = (pt.switch(cold, a, b) / PER_DAY for a, b in ((f.precipitation, 0.0), (0.0, f.precipitation)))
        snow_o = leaf_interception.snow(z.snow_over, snowing, over, p.clumping, seconds, soft)
        snow_u = leaf_interception.snow(z.snow_under, snow_o.passed, under, p.clumping, seconds, soft)
        rain_o = leaf_interception.rain(z.water_over, raining, over, p.clumping, seconds, soft=soft)
        rain_u = leaf_interception.rain(z.water_under, rain_o.passed, under, p.clumping, seconds, soft=soft)
        lying = lying_snow.Snow(z.snow_water, z.snow_water / z.snow_density, z.snow_density, z.snow_visible, z.snow_infrared)
        lying, snowy = lying_snow.accumulated(lying, snowing, snow_u.passed, f.air_temperature, seconds, original=False, soft=soft)
        covered = [leaf_interception.COVERED * held.fraction * area for held, area in ((snow_o, over), (snow_u, under))]
        covered = [pt.switch(cold, now, before) for now, before in zip(covered, (z.snowy_over, z.snowy_under), strict=True)]

        # Light and leaves.
        bright = albedo(site, soil.water[1], (lying.visible, lying.infrared), (covered[0], covered[1]), snowy, soft)
        absorbed = clumped_radiation.leaf_shortwave(c.light, c.over, c.under, c.storeys, f.solar_elevation_sine, bright)
        on_ground = clumped_radiation.net_shortwave(c.light, c.over, c.under, c.leaf_area, p.clumping, f.solar_elevation_sine, bright)
        stress = stress_of(soil, p, site, soft)
        wetted = rain_o.fraction + snow_o.fraction, rain_u.fraction + snow_u.fraction
        last = [getattr(z, f"leaf_warmth_{i}") for i in range(1, 5)], [getattr(z, f"stomata_{i}") for i in range(1, 5)]
        found = leaves(c, absorbed, stress.factor, wetted, (*last, None, z.canopy_sensible_heat), f, p, site, soft)
        stomatal, wet = per_ground(c, found)
        width = NO_DEW_WIDTH * soft
        wanted = sum(leaf_heat.no_dew(s / c.heat, width) for s in stomatal)
        evaporated = [
            supplied(leaf_heat.no_dew(held.fraction * w / c.heat, width), held.store / seconds, soft)
            for held, w in zip((rain_o, rain_u), wet, strict=True)
        ]
        sublimed = [
            supplied(leaf_heat.no_dew(held.fraction * w / moist_air.SUBLIMATION, width), held.store / seconds, soft)
            for held, w in zip((snow_o, snow_u), wet, strict=True)
        ]
        stores = [
            held.store - seconds * lost for held, lost in zip((rain_o, rain_u, snow_o, snow_u), (*evaporated, *sublimed), strict=True)
        ]

        # What leaves the soil, at most what is there.
        net_ground = on_ground.ground + found.net.ground
        conductance = 1.0 / found.ground
        near = moist_air.air(z.ground_temperature, f.relative_humidity)
        snow = lying.mass, lying.depth
        lost = ground_evaporation.blended(
            near, c.heat, net_ground, conductance, soil.water[0] / site.porosity[0], z.pond, snow, seconds, soft
        )
        layers = water_layers(soil, site, p, soil.temperature, soft)
        drawn = implicit_soil_water.taken(layers, stress.uptake, wanted / WATER, lost.soil / WATER, seconds, soft)
        transpired, bare = WATER * drawn.roots, WATER * drawn.evaporation

        # Surface, heat in the soil.
        warmth = heat_layers(soil, site, PERCENT)
        conductivities, capacities = (
            [explicit_soil_heat.conductivity(v) for v in warmth],
            [explicit_soil_heat.heat_capacity(v) for v in warmth],
        )
        latent_ground = lost.snow * moist_air.SUBLIMATION + (bare + lost.pond) * c.heat
        mass, pond = lying.mass - lost.snow * seconds, z.pond - lost.pond * seconds
        surface = snow_covered_ground.step(
            z.ground_temperature,
            snow_covered_ground.Surroundings(
                f.air_temperature,
                net_ground - latent_ground,
                c.air.heat * conductance,
                soil.temperature[0],
                2.0 * conductivities[0] / site.thickness[0],
                capacities[0],
                mass,
                lying.density,
                pond,
            ),
            seconds,
            soft,
        )
        mass = mass + (surface.freezing - surface.melt) * seconds
        pond = pond + (surface.melt - surface.freezing) * seconds
        warmed = implicit_soil_heat.warmed(warmth, conductivities, capacities, surface.into_soil, f.air_temperature, seconds)
        warm = [implicit_soil_heat.settled(v, k, soft) for v, k in zip(warmed, capacities, strict=True)]

        # Water in the soil.
        falling = rain_u.passed
        room = explicit_soil_water.able(layers[0])
        entering = supplied(layers[0].thawed * (pond / seconds + falling) / WATER, room, soft)
        left = pond + (falling - WATER * entering) * seconds
        water, risen = implicit_soil_water.moved(layers, entering, drawn.layers, seconds, soft)
        left = left + WATER * risen
        kept = left * site.ponding ** (seconds / RUNOFF_STEP)
        ice = [supplied(w.ice * a / b, pt.constant(1.0), soft) for w, a, b in zip(warm, soil.water, water, strict=True)]

        def following(new: Any, old: Any, share: float) -> Any:
            return new if share == 1.0 else share * new + (1.0 - share) * old

        after: list[Any] = [
            stores[0],
            stores[1],
            stores[2],
            stores[3],
            mass,
            lying.density,
            lying.visible,
            lying.infrared,
            kept,
            *(WATER * d * w for d, w in zip(site.thickness, water, strict=True)),
            *(v.temperature for v in warm),
            *ice,
            surface.temperature,
            following(found.sensible, z.canopy_sensible_heat, HEAT_FOLLOWS),
            *(following(new, old, LEAVES_FOLLOW) for new, old in zip(found.temperature, last[0], strict=True)),
            *found.stomata,
            *covered,
        ]
        carbon = allometric_respiration.CARBON * PER_DAY
        net = c.shortwave * (1.0 - bright.overstorey) + sum(found.net)
        latent = (transpired + sum(evaporated)) * c.heat + sum(sublimed) * moist_air.SUBLIMATION + latent_ground
        return FastState(*after), FastFluxes(
            step_gpp_over=carbon * (found.gross[0] * c.leaf[0] + found.gross[1] * c.leaf[1]),
            step_gpp_under=carbon * (found.gross[2] * c.leaf[2] + found.gross[3] * c.leaf[3]),
            step_transpiration=PER_DAY * transpired,
            step_interception_evaporation=PER_DAY * sum(evaporated),
            step_soil_evaporation=PER_DAY * (bare + lost.pond),
            step_sublimation=PER_DAY * (sum(sublimed) + lost.snow),
            step_latent_heat=latent,
            step_sensible_heat=net - latent - surface.into_ground,
            step_ground_heat=surface.into_ground,
            step_net_radiation=net,
            step_runoff=(left - kept) / seconds * PER_DAY,
        )

    return step


def slow_step_of(form: Form, site: Site) -> Callable[..., tuple[State, Any, Fluxes]]:
    """Return the step of an hour.

    Parameters
    ----------
    form : Form
        Widths.
    site : Site
        What the site has.

    Returns
    -------
    callable
        ``step(pools, fast state, means, forcing, parameters) -> (pools, fast state, fluxes)``.
    """
    soft = form.soft

    def step(x: State, z: Any, m: FastFluxes, f: Forcing, p: Parameters) -> tuple[State, Any, Fluxes]:
        hours = 24.0 * f.step_length
        over = p.lai_scale * f.lai
        lai = over, clumped_canopy.understorey_area(over, site.plants is not None)
        respired = allometric_respiration.maintenance(
            site.plants,
            pt.constant(site.annual_lai, dtype="float64"),
            lai,
            f.air_temperature,
            z.soil_temperature_1,
            f.solar_elevation_sine,
            (p.respiration_q10, 0.046),
        )
        width = allometric_respiration.GROWTH_WIDTH * soft
        gross = m.step_gpp_over / 24.0, m.step_gpp_under / 24.0
        npp = sum(allometric_respiration.net_primary_production(g, r, width) for g, r in zip(gross, respired, strict=True))
        soil = soil_of(z, p, site)
        factors = [
            nine_pools.temperature_factor(soil.temperature[i], FACTOR_WIDTH * soft)
            * nine_pools.moisture_factor(soil.water[i] / site.porosity[i], site.fine, FACTOR_WIDTH * soft)
            for i in (0, 1)
        ]
        fallen = tuple(hours * v for v in nine_pools.litter(site.inputs, site.annual_npp, npp))
        pools, to_air = nine_pools.step(nine_pools.Pools(*x), fallen, site.rates, *(hours * v for v in factors))
        evaporated = m.step_interception_evaporation + m.step_soil_evaporation + m.step_sublimation
        respiration = to_air / f.step_length
        return (
            State(*pools),
            z,
            Fluxes(
                gpp=24.0 * (gross[0] + gross[1]),
                npp=24.0 * npp,
                nee=respiration - 24.0 * npp,
                heterotrophic_respiration=respiration,
                litterfall=sum(fallen) / f.step_length,
                transpiration=m.step_transpiration,
                interception_evaporation=m.step_interception_evaporation,
                soil_evaporation=m.step_soil_evaporation,
                sublimation=m.step_sublimation,
                evapotranspiration=m.step_transpiration + evaporated,
                latent_heat=m.step_latent_heat,
                sensible_heat=m.step_sensible_heat,
                ground_heat=m.step_ground_heat,
                net_radiation=m.step_net_radiation,
                precipitation=f.precipitation,
                runoff=m.step_runoff,
            ),
        )

    return step
