"""The step of BEPS as its source has it, hard limits and slips included: one round of the search for leaf temperatures at a time.

The source searches until no leaf changes by more than 0.02 K, at most 23 times, ten times an hour; in a third of the hours of a warm site it does
not converge, and what it happens to have found is its result. So a fast step here is a round, there are 230 of them in an hour, and those that
are not needed change nothing. The fluxes of the hour are those of its last 360 s: no other fast step has any.

Slips: surfaces start each hour within 2 K of the air, leaves half a degree below it, and water on the ground is forgotten; albedo and
evaporation see the soil water of the step before; rain has 1025 kg m-3; latent heat of melting snow is ten times too large, and snow melts only
when its temperature changes sign; organic matter counts a hundredfold; twice the conducted heat enters the soil; water in soil and on leaves
is clipped, which creates and loses it; heat that phase changes do not need is lost; absorbed light adds up to more than there is. The
source cuts steps of soil water in parts where flows exceed 1e-6 m s-1, which they do in none of its runs that are compared; here they are whole.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.land.beps_canopy import INTERNAL, albedo, canopy, leaves, per_ground
from lsm_bayes.land.beps_declared import LAYERS, FastFluxes, Forcing, OriginalState, Parameters, Site, State
from lsm_bayes.land.beps_step import PER_DAY, STEPS, Form, heat_layers, slow_step_of, soil_of, stress_of, water_layers
from lsm_bayes.processes import (
    allometric_respiration,
    clumped_radiation,
    explicit_soil_heat,
    explicit_soil_water,
    ground_evaporation,
    leaf_heat,
    leaf_interception,
    lying_snow,
    moist_air,
    snow_and_ground_temperature,
)
from lsm_bayes.processes.smoothing import clip, positive_part
from lsm_bayes.processes.thresholds import larger, smaller

ROUNDS = 23
SOURCE_STEPS = STEPS * ROUNDS
FIRST_STOMATA = (1 / 200, 1 / 200, 1 / 300, 1 / 300)  # m s-1, in the first round
CONVERGED = 0.02  # K
COOLER = 0.5  # K below the air: leaves at the start of an hour
NEAR = 2.0  # K from the air: surfaces at the start of an hour
COLDEST_HEAT = -200.0  # W m-2
WATER = ground_evaporation.WATER
MILLIMETRES = 1000.0  # in a metre


class _Progress(NamedTuple):
    """Where the hour and the search are."""

    going: Any
    first_step: Any
    first_round: Any
    last_round: Any
    last_step: Any


def _progress(z: Any) -> _Progress:
    return _Progress(
        z.steps_done < STEPS - 0.5,
        z.steps_done < 0.5,
        z.rounds_done < 0.5,
        z.rounds_done > ROUNDS - 1.5,
        z.steps_done > STEPS - 1.5,
    )


def fast_step_of(site: Site) -> Callable[..., tuple[OriginalState, FastFluxes]]:
    """Return the step of a round.

    Parameters
    ----------
    site : Site
        What the site has.

    Returns
    -------
    callable
        ``step(fast state, pools, forcing, parameters) -> (fast state, fluxes)``.
    """

    def step(z: Any, x: State, f: Forcing, p: Parameters) -> tuple[OriginalState, FastFluxes]:
        at = _progress(z)
        seconds = f.step_length * (PER_DAY / STEPS)
        c = canopy(f, p, site)
        over, under = c.leaf_area
        soil = soil_of(z, p, site)
        surfaces = [z.ground_temperature, z.snow_temperature, z.bare_temperature, z.snow_middle_temperature, z.snow_bottom_temperature]
        surfaces = [pt.switch(at.first_step, f.air_temperature + clip(t - f.air_temperature, -NEAR, NEAR), t) for t in surfaces]
        ground, snow_top, bare, middle, bottom = surfaces
        pond = pt.switch(at.first_step, 0.0, z.pond / MILLIMETRES)
        seen = [w / (MILLIMETRES * d) for w, d in zip((z.earlier_water_1, z.earlier_water_2), site.thickness, strict=False)]

        # Snow and rain on leaves and ground.
        cold = f.air_temperature <= 0
        falling = f.precipitation * (WATER / MILLIMETRES) / PER_DAY
        snowing, raining = pt.switch(cold, falling, 0.0), pt.switch(cold, 0.0, falling)
        snow_o = leaf_interception.snow(z.snow_over, snowing, over, p.clumping, seconds)
        snow_u = leaf_interception.snow(z.snow_under, snow_o.passed, under, p.clumping, seconds)
        lying = lying_snow.Snow(z.snow_water, z.snow_water / z.snow_density, z.snow_density, z.snow_visible, z.snow_infrared)
        lying, snowy = lying_snow.accumulated(lying, snowing, snow_u.passed, f.air_temperature, seconds)
        rain_o = leaf_interception.rain(z.water_over, raining, over, p.clumping, seconds, original=True)
        passed = pt.switch(cold, 0.0, rain_o.passed)
        rain_u = leaf_interception.rain(z.water_under, passed, under, p.clumping, seconds, original=True)
        rain = pt.switch(cold, 0.0, rain_u.passed)
        covered = [leaf_interception.COVERED * held.fraction * area for held, area in ((snow_o, over), (snow_u, under))]
        covered = [pt.switch(cold, now, before) for now, before in zip(covered, (z.snowy_over, z.snowy_under), strict=True)]

        # Light, and a round of the search.
        bright = albedo(site, seen[1], (lying.visible, lying.infrared), (covered[0], covered[1]), snowy, 0.0)
        absorbed = clumped_radiation.leaf_shortwave(c.light, c.over, c.under, c.storeys, f.solar_elevation_sine, bright)
        net_short = clumped_radiation.net_shortwave(c.light, c.over, c.under, c.leaf_area, p.clumping, f.solar_elevation_sine, bright)
        stress = stress_of(soil, p, site, 0.0)
        wetted = rain_o.fraction + snow_o.fraction, rain_u.fraction + snow_u.fraction
        anew = pt.and_(at.first_step, at.first_round)
        last = [pt.switch(anew, f.air_temperature - COOLER, getattr(z, f"leaf_warmth_{i}")) for i in range(1, 5)]
        stomata = [pt.switch(at.first_round, s, getattr(z, f"stomata_{i}")) for i, s in enumerate(FIRST_STOMATA, 1)]
        inside = [pt.switch(at.first_round, INTERNAL * f.co2, getattr(z, f"internal_co2_{i}")) for i in range(1, 5)]
        found = leaves(c, absorbed, stress.factor, wetted, (last, stomata, inside, z.canopy_sensible_heat), f, p, site, 0.0)
        farthest: Any = 0.0
        for a, b in zip(found.temperature, last, strict=True):
            farthest = larger(farthest, abs(a - b))
        near = farthest < CONVERGED
        done = pt.or_(near, at.last_round)

        # Fluxes of the canopy.
        stomatal, wet = per_ground(c, found)
        transpired = sum(leaf_heat.no_dew(s / c.heat) for s in stomatal)
        evaporated = [leaf_heat.no_dew(held.fraction * w / c.heat) for held, w in zip((rain_o, rain_u), wet, strict=True)]
        sublimed = [leaf_heat.no_dew(held.fraction * w / moist_air.SUBLIMATION) for held, w in zip((snow_o, snow_u), wet, strict=True)]
        stores = [
            positive_part(held.store - seconds * lost)
            for held, lost in zip((rain_o, rain_u, snow_o, snow_u), (*evaporated, *sublimed), strict=True)
        ]
        warmed = sum(c.plant[i] * leaf_heat.sensible(c.air, found.temperature[i], found.through[i].heat) for i in range(4))

        # The ground.
        net_ground = net_short.ground + found.net.ground
        conductance = 1.0 / found.ground
        on_ground = moist_air.air(ground, f.relative_humidity)
        snow = lying.mass, lying.depth, lying.density
        lost = ground_evaporation.evaporation(on_ground, c.heat, net_ground, conductance, seen[0] / site.porosity[0], pond, snow, seconds)
        pond = pond - lost.pond * seconds / WATER
        mass = lying.mass - lost.snow * seconds
        lying = lying._replace(mass=mass, depth=mass / lying.density)
        layers = heat_layers(soil, site, 1.0)
        conductivities, capacities = (
            [explicit_soil_heat.conductivity(v) for v in layers],
            [explicit_soil_heat.heat_capacity(v) for v in layers],
        )
        latent_ground = lost.snow * moist_air.SUBLIMATION + (lost.soil + lost.pond) * c.heat
        around = snow_and_ground_temperature.Surroundings(
            air=f.air_temperature,
            canopy=sum(found.temperature[i] * c.plant[i] for i in (2, 3)) / c.storeys[1],
            available=net_ground - latent_ground,
            exchange=c.air.heat * conductance,
            conductivity=conductivities[0],
            capacity=capacities[0],
            thickness=site.thickness[0],
            below=soil.temperature[1],
            inside=soil.temperature[0],
            downwards=z.soil_heat_flux,
            depth=lying.depth,
            density=lying.density,
        )
        before = snow_and_ground_temperature.Temperatures(ground, soil.temperature[0], snow_top, bare, middle, bottom)
        surface, into_soil = snow_and_ground_temperature.step(before, around, seconds, original=True)
        lying, pond = lying_snow.melted(lying, pond, f.air_temperature, surface.snow, snow_top, seconds, WATER)
        sensible_ground = leaf_heat.sensible(c.air, surface.ground, conductance)

        # Soil heat, then soil water.
        heat_flux = explicit_soil_heat.fluxes(layers, conductivities, into_soil, f.air_temperature)
        warm = [explicit_soil_heat.warmed(v, capacities[i], heat_flux[i] - heat_flux[i + 1], seconds) for i, v in enumerate(layers)]
        drawn = [u * transpired / WATER for u in stress.uptake]
        drawn[0] = drawn[0] + lost.soil / WATER
        wetting = water_layers(soil, site, p, [v.temperature for v in warm], 0.0)
        fallen = rain / WATER
        entering = explicit_soil_water.infiltration(wetting[0], pond, fallen, seconds)
        left = (pond / seconds + fallen - entering) * seconds
        flow = explicit_soil_water.flows(wetting, drawn, seconds)
        water = explicit_soil_water.moved(wetting, entering, flow, drawn, seconds)
        ice = [smaller(w.ice * a / b.water, 1.0) for w, a, b in zip(warm, soil.water, water, strict=True)]

        # Until the search is done only the leaves change; after the last step of the hour nothing does.
        kept = [pt.switch(near, b, pt.switch(at.last_round, f.air_temperature, a)) for a, b in zip(found.temperature, last, strict=True)]
        moved = {
            **dict(zip(("water_over", "water_under", "snow_over", "snow_under"), stores, strict=True)),
            "snow_water": lying.mass,
            "snow_density": lying.density,
            "snow_visible": lying.visible,
            "snow_infrared": lying.infrared,
            "pond": MILLIMETRES * left * site.ponding,
            **{f"soil_water_{i}": MILLIMETRES * site.thickness[i - 1] * water[i - 1].water for i in LAYERS},
            **{f"soil_temperature_{i}": warm[i - 1].temperature for i in LAYERS},
            **{f"soil_ice_{i}": ice[i - 1] for i in LAYERS},
            "ground_temperature": surface.ground,
            "snowy_over": covered[0],
            "snowy_under": covered[1],
            "snow_temperature": surface.snow,
            "bare_temperature": surface.soil,
            "snow_middle_temperature": surface.middle,
            "snow_bottom_temperature": surface.bottom,
            "soil_heat_flux": heat_flux[1],
            "earlier_water_1": z.soil_water_1,
            "earlier_water_2": z.soil_water_2,
            "steps_done": z.steps_done + 1.0,
        }
        searched = {
            "canopy_sensible_heat": pt.switch(done, larger(found.sensible, COLDEST_HEAT), found.sensible),
            **{f"leaf_warmth_{i}": kept[i - 1] for i in range(1, 5)},
            **{f"stomata_{i}": found.stomata[i - 1] for i in range(1, 5)},
            **{f"internal_co2_{i}": found.internal[i - 1] for i in range(1, 5)},
            "rounds_done": pt.switch(done, 0.0, z.rounds_done + 1.0),
        }
        stepped = pt.and_(at.going, done)
        after = {n: pt.switch(stepped, v, getattr(z, n)) for n, v in moved.items()}
        after |= {n: pt.switch(at.going, v, getattr(z, n)) for n, v in searched.items()}
        carbon = allometric_respiration.CARBON * PER_DAY
        seen_now = pt.switch(pt.and_(stepped, at.last_step), float(SOURCE_STEPS), 0.0)
        latent = (transpired + sum(evaporated)) * c.heat + sum(sublimed) * moist_air.SUBLIMATION + latent_ground
        made = FastFluxes(
            step_gpp_over=carbon * (found.gross[0] * c.leaf[0] + found.gross[1] * c.leaf[1]),
            step_gpp_under=carbon * (found.gross[2] * c.leaf[2] + found.gross[3] * c.leaf[3]),
            step_transpiration=PER_DAY * transpired,
            step_interception_evaporation=PER_DAY * sum(evaporated),
            step_soil_evaporation=PER_DAY * (lost.soil + lost.pond),
            step_sublimation=PER_DAY * (sum(sublimed) + lost.snow),
            step_latent_heat=latent,
            step_sensible_heat=warmed + sensible_ground,
            step_ground_heat=into_soil,
            step_net_radiation=sum(net_short) + sum(found.net),
            step_runoff=(1.0 - site.ponding) * left * WATER / seconds * PER_DAY,
        )
        return OriginalState(**after), FastFluxes(*(seen_now * v for v in made))

    return step


def hour_of(site: Site) -> Callable[..., tuple[State, OriginalState, Any]]:
    """Return the step of an hour.

    Parameters
    ----------
    site : Site
        What the site has.

    Returns
    -------
    callable
        As of `beps_step.slow_step_of`; the next hour starts from the beginning.
    """
    plain = slow_step_of(Form(soft=0.0), site)

    def step(x: State, z: OriginalState, m: FastFluxes, f: Forcing, p: Parameters) -> tuple[State, OriginalState, Any]:
        pools, after, fluxes = plain(x, z, m, f, p)
        return pools, after._replace(steps_done=0.0 * z.steps_done, rounds_done=0.0 * z.rounds_done), fluxes

    return step
