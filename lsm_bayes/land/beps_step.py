"""The steps of BEPS: 360 s of exchange, snow and soil, and the hour of dead carbon."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.land.beps_declared import LAYERS, FastFluxes, FastState, Fluxes, Forcing, OriginalState, Parameters, Site, State
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
from lsm_bayes.processes.smoothing import clip, positive_part
from lsm_bayes.processes.thresholds import larger, smaller

SECONDS, STEPS = 360.0, 10
PER_DAY = 86400.0
RADIATION = 1e6 / PER_DAY  # MJ m-2 d-1 to W m-2
NIGHT_STOMATA = 1e-4  # m s-1
FIRST_STOMATA = (1 / 200, 1 / 200, 1 / 300, 1 / 300)  # m s-1, before the first iteration
INTERNAL = 0.7  # of the CO2 outside, before the first iteration
CONVERGED = 0.02  # K
COOLER = 0.5  # K below the air: leaves at the start of an hour in the source
NEAR = 2.0  # K from the air: surfaces at the start of an hour in the source
COLDEST_HEAT = -200.0  # W m-2


class Form(NamedTuple):
    """Form of the equations.

    `original` follows the source with its quirks: each hour it starts leaves from the air, brings surfaces within 2 K of it and forgets the
    water on the ground; albedo and evaporation see the soil water of the step before; leaf temperatures are iterated until they change
    by less than 0.02 K, at most `iterations` times; water on leaves and in soil is clipped. `soft` scales the widths of all
    smoothed kinks; `parts` are those of a step of soil water.
    """

    original: bool = False
    soft: float = 1.0
    iterations: int = 3
    parts: int = 4


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
    depths = [100.0 * sum(site.thickness[:i]) for i in range(5)]
    below = [decay**d for d in depths]
    return [a - b for a, b in zip(below, [*below[1:], 0.0], strict=True)]


class _Leaves(NamedTuple):
    """What the iteration of leaf temperatures finds."""

    now: list[Any]  # temperatures of fluxes
    kept: list[Any]  # temperatures that the next step starts from
    gross: list[Any]  # umol m-2 s-1 of leaf
    through: list[leaf_heat.Paths]
    net: clumped_radiation.Longwave
    sensible: Any
    ground: Any  # resistance, s m-1


class _Canopy(NamedTuple):
    """What does not change while leaf temperatures are sought."""

    air: moist_air.Air
    light: bool | Any  # whether the sun is up
    leaf: clumped_canopy.Areas
    plant: clumped_canopy.Areas
    storeys: tuple[Any, Any]  # leaves and stems
    over: clumped_radiation.Gaps
    under: clumped_radiation.Gaps
    shortwave: clumped_radiation.Areas
    capacity: tuple[Any, Any]
    stress: Any
    wetted: tuple[Any, Any]


def _iterate(c: _Canopy, f: Forcing, p: Parameters, site: Site, form: Form, start: list[Any], sensible: Any) -> _Leaves:
    heights = two_storey_air.Heights(site.over_height, site.under_height, site.wind_height)
    soft, air = form.soft, c.air
    rates = [harley_leaf.kinetics(air.temperature, c.shortwave[i], c.capacity[i % 2], soft) for i in range(4)]
    stomata: list[Any] = [pt.constant(s) for s in FIRST_STOMATA]
    internal: list[Any] = [INTERNAL * f.co2] * 4
    last, going, found = list(start), pt.constant(1.0), None
    for number in range(form.iterations):
        g = two_storey_air.conductances(heights, p.clumping, air.temperature, f.wind_speed, sensible, c.storeys, soft)
        mean = [sum(last[i + j] * c.plant[i + j] for j in (0, 1)) / c.storeys[i // 2] for i in (0, 2)]
        temperatures = (mean[0], mean[1], air.temperature)
        long = clumped_radiation.net_longwave(air.temperature, air.vapour_pressure, c.over, c.under, temperatures, 0.01 * soft)
        now, gross, through, opened, inside = [], [], [], [], []
        for i in range(4):
            canopy, leaf = (g.over, g.over_leaf) if i < 2 else (g.under, g.under_leaf)
            storey = c.storeys[i // 2]
            if form.original:  # a class without area gets the long waves of the storey
                storey = pt.switch(c.plant[i] > 0, storey, 1.0)
            net = c.shortwave[i] + long[i // 2] / storey
            before = leaf_heat.paths(canopy, leaf, stomata[i])
            latent = leaf_heat.latent(air, last[i], before.stomatal)
            humidity = harley_leaf.surface_humidity(air.temperature, last[i], air.vapour_pressure, leaf, latent)
            supply = harley_leaf.supply(leaf, humidity, air.temperature, p.stomatal_slope, p.stomatal_intercept, c.stress, f.co2)
            made = harley_leaf.exchange(rates[i], supply, internal[i], air.temperature, original=form.original, soft=soft)
            opened.append(pt.switch(c.light, made.conductance, NIGHT_STOMATA))
            gross.append(pt.switch(c.light, made.assimilation, 0.0))
            inside.append(pt.switch(c.light, made.internal_co2, INTERNAL * f.co2))
            through.append(leaf_heat.paths(canopy, leaf, opened[i]))
            now.append(leaf_heat.temperature(air, net, through[i], c.wetted[i // 2], soft))
        heat = sum(c.plant[i] * leaf_heat.sensible(air, now[i], through[i].heat) for i in (0, 1))
        fresh = _Leaves(now, now, gross, through, long, heat, g.ground)
        if not form.original:
            found, last, stomata, internal, sensible = fresh, now, opened, inside, heat
            continue
        # Once converged nothing changes any more; the start of the next step is that of the last iteration.
        near = pt.constant(1.0)
        for a, b in zip(now, last, strict=True):
            near = pt.switch(abs(a - b) < CONVERGED, near, 0.0)
        kept = last if number < form.iterations - 1 else [pt.switch(near > 0, a, air.temperature) for a in last]
        fresh = fresh._replace(kept=kept)
        found = fresh if found is None else _chosen(going, fresh, found)
        going = pt.switch(near > 0, 0.0, going)
        sensible = found.sensible
        last = [pt.switch(going > 0, a, b) for a, b in zip(now, last, strict=True)]
        stomata, internal = opened, inside
    assert found is not None  # at least one iteration
    return found


def _chosen(going: Any, fresh: _Leaves, old: _Leaves) -> _Leaves:
    """Take the new iteration where it is still going on."""

    def pick(a: Any, b: Any) -> Any:
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return type(a)(*(pick(x, y) for x, y in zip(a, b, strict=True)))
        if isinstance(a, list):
            return [pick(x, y) for x, y in zip(a, b, strict=True)]
        return pt.switch(going > 0, a, b)

    picked: _Leaves = pick(fresh, old)
    return picked


def fast_step_of(form: Form, site: Site) -> Callable[..., tuple[Any, FastFluxes]]:
    """Return the step of 360 s.

    Parameters
    ----------
    form : Form
        Of the equations.
    site : Site
        What the site has.

    Returns
    -------
    callable
        ``step(fast state, pools, forcing, parameters) -> (fast state, fluxes)``.
    """
    soft, original = form.soft, form.original

    def step(z: Any, x: State, f: Forcing, p: Parameters) -> tuple[Any, FastFluxes]:
        up = f.solar_elevation_sine > 0
        cosine = f.solar_elevation_sine
        shortwave = pt.switch(up, f.shortwave_down * RADIATION, 0.0)
        air = moist_air.air(f.air_temperature, f.relative_humidity)
        heat = moist_air.vaporisation_heat(f.air_temperature)
        over = p.lai_scale * f.lai
        under = clumped_canopy.understorey_area(over, site.plants is not None)
        storeys = over + site.stem_area[0], under + site.stem_area[1]
        leaf = clumped_canopy.areas(over, under, p.clumping, cosine)
        plant = clumped_canopy.areas(*storeys, p.clumping, cosine)
        top = p.vcmax25 * p.vcmax_nitrogen_slope * p.leaf_nitrogen
        capacity = clumped_canopy.carboxylation(top, over, p.clumping, cosine)

        soil_water = [getattr(z, f"soil_water_{i}") for i in LAYERS]
        soil_temperature = [getattr(z, f"soil_temperature_{i}") for i in LAYERS]
        soil_ice = [getattr(z, f"soil_ice_{i}") for i in LAYERS]
        surfaces = [z.ground_temperature, z.snow_temperature, z.bare_temperature, z.snow_middle_temperature, z.snow_bottom_temperature]
        leaves = [getattr(z, f"leaf_warmth_{i}") for i in range(1, 5)]
        pond, seen = z.pond, soil_water[:2]
        if original:
            first = z.steps_done < 1
            surfaces = [pt.switch(first, f.air_temperature + clip(t - f.air_temperature, -NEAR, NEAR), t) for t in surfaces]
            leaves = [pt.switch(first, f.air_temperature - COOLER, t) for t in leaves]
            pond = pt.switch(first, 0.0, pond)
            seen = [z.earlier_water_1, z.earlier_water_2]
        ground, snow_top, bare, middle, bottom = surfaces

        # Snow and rain on leaves and ground.
        cold = f.air_temperature <= 0
        falling = f.precipitation * (explicit_soil_water_density(original) / 1000.0) / PER_DAY
        snowing, raining = pt.switch(cold, falling, 0.0), pt.switch(cold, 0.0, falling)
        snow_o = leaf_interception.snow(z.snow_over, snowing, over, p.clumping, SECONDS, soft)
        snow_u = leaf_interception.snow(z.snow_under, snow_o.passed, under, p.clumping, SECONDS, soft)
        lying = lying_snow.Snow(z.snow_mass, z.snow_mass / z.snow_density, z.snow_density, z.snow_visible, z.snow_infrared)
        lying, snowy = lying_snow.accumulated(lying, snowing, snow_u.passed, f.air_temperature, SECONDS)
        rain_o = leaf_interception.rain(z.water_over, raining, over, p.clumping, SECONDS, original=original, soft=soft)
        passed = pt.switch(cold, 0.0, rain_o.passed) if original else rain_o.passed
        rain_u = leaf_interception.rain(z.water_under, passed, under, p.clumping, SECONDS, original=original, soft=soft)
        rain = pt.switch(cold, 0.0, rain_u.passed) if original else rain_u.passed
        covered = [
            pt.switch(cold, leaf_interception.COVERED * held.fraction * area, before)
            for held, area, before in ((snow_o, over, z.snowy_over), (snow_u, under, z.snowy_under))
        ]

        # Radiation.
        saturated, dry = site.ground_albedo
        least = 0.5 * site.wilting[1]
        soil_albedo = dry + (saturated - dry) * (seen[1] - least) / (site.porosity[1] - least)
        soil_albedo = pt.switch(seen[1] < least, dry, soil_albedo)
        bare_albedo = ((site.albedo, covered[0]), (site.albedo, covered[1]), ((2.0 / 3.0 * soil_albedo, 4.0 / 3.0 * soil_albedo), snowy))
        white = lying.visible, lying.infrared
        albedo = clumped_radiation.Albedo(
            *(0.5 * sum(clumped_radiation.blended(b, w, part) for b, w in zip(bands, white, strict=True)) for bands, part in bare_albedo)
        )
        light = clumped_radiation.partition(shortwave, cosine)
        gaps_o, gaps_u = (clumped_radiation.gaps(a, b, p.clumping, cosine) for a, b in zip((over, under), storeys, strict=True))
        absorbed = clumped_radiation.leaf_shortwave(light, gaps_o, gaps_u, storeys, cosine, albedo)
        net_short = clumped_radiation.net_shortwave(light, gaps_o, gaps_u, (over, under), p.clumping, cosine, albedo)

        # Soil water and stress.
        exponents = [p.soil_exponent + e for e in site.exponent]
        saturated_suction = [p.soil_suction + s for s in site.suction]
        suctions = [layered_root_stress.suction(*v) for v in zip(soil_water, site.porosity, saturated_suction, exponents, strict=True)]
        fractions = roots(p.root_decay, site)
        stress = layered_root_stress.layered_stress(suctions, soil_temperature, fractions, site.stress_onset, site.stress_steepness, soft)

        wetted = rain_o.fraction + snow_o.fraction, rain_u.fraction + snow_u.fraction
        canopy = _Canopy(air, up, leaf, plant, storeys, gaps_o, gaps_u, absorbed, capacity, stress.factor, wetted)
        made = _iterate(canopy, f, p, site, form, leaves, z.canopy_sensible_heat)

        # Fluxes of the canopy.
        no_dew = 1e-7 * soft
        transpired, evaporated, sublimed, warmed = [], [], [], []
        for k, (rain_held, snow_held) in enumerate(((rain_o, snow_o), (rain_u, snow_u))):
            both = range(2 * k, 2 * k + 2)
            stomatal = sum(leaf[i] * leaf_heat.latent(air, made.now[i], made.through[i].stomatal) for i in both)
            wet = sum(plant[i] * leaf_heat.latent(air, made.now[i], made.through[i].wet) for i in both)
            transpired.append(leaf_heat.no_dew(stomatal / heat, no_dew))
            water = leaf_heat.no_dew(rain_held.fraction * wet / heat, no_dew)
            ice = leaf_heat.no_dew(snow_held.fraction * wet / moist_air.SUBLIMATION, no_dew)
            if not original:  # at most what is there
                water, ice = (smaller(a, held.store / SECONDS) for a, held in ((water, rain_held), (ice, snow_held)))
            evaporated.append(water)
            sublimed.append(ice)
            warmed.append(sum(plant[i] * leaf_heat.sensible(air, made.now[i], made.through[i].heat) for i in both))
        stores = [
            positive_part(held.store - SECONDS * lost)
            for held, lost in zip((rain_o, rain_u, snow_o, snow_u), (*evaporated, *sublimed), strict=True)
        ]
        sensible_over = larger(made.sensible, COLDEST_HEAT)

        # The ground.
        net_ground = net_short.ground + made.net.ground
        conductance = 1.0 / made.ground
        moisture = seen[0] / site.porosity[0]
        on_ground = moist_air.air(ground, f.relative_humidity)
        snow = lying.mass, lying.depth, lying.density
        lost = ground_evaporation.evaporation(on_ground, heat, net_ground, conductance, moisture, pond, snow, SECONDS, soft)
        density = ground_evaporation.WATER
        pond = pond - lost.pond * SECONDS / density
        mass = lying.mass - lost.snow * SECONDS
        lying = lying._replace(mass=mass, depth=mass / lying.density)
        layers = [
            explicit_soil_heat.Layer(*v)
            for v in zip(
                soil_temperature,
                soil_ice,
                soil_water,
                site.thickness,
                site.porosity,
                site.mineral,
                site.bulk_density,
                site.organic,
                strict=True,
            )
        ]
        conductivities = [explicit_soil_heat.conductivity(v) for v in layers]
        capacities = [explicit_soil_heat.heat_capacity(v) for v in layers]
        available = net_ground - lost.snow * moist_air.SUBLIMATION - (lost.soil + lost.pond) * heat
        under_canopy = sum(made.now[i] * plant[i] for i in (2, 3)) / storeys[1]
        around = snow_and_ground_temperature.Surroundings(
            air=f.air_temperature,
            canopy=under_canopy,
            available=available,
            exchange=air.heat * conductance,
            conductivity=conductivities[0],
            capacity=capacities[0],
            thickness=site.thickness[0],
            below=soil_temperature[1],
            inside=soil_temperature[0],
            downwards=z.soil_heat_flux,
            depth=lying.depth,
            density=lying.density,
        )
        before = snow_and_ground_temperature.Temperatures(ground, soil_temperature[0], snow_top, bare, middle, bottom)
        surface, into_soil = snow_and_ground_temperature.step(before, around, SECONDS, original=original, soft=soft)
        lying, pond = lying_snow.melted(lying, pond, f.air_temperature, surface.snow, snow_top, SECONDS, density)
        sensible_ground = leaf_heat.sensible(air, surface.ground, conductance)

        # Soil heat, then soil water.
        heat_flux = explicit_soil_heat.fluxes(layers, conductivities, into_soil, f.air_temperature)
        warm = [explicit_soil_heat.warmed(v, capacities[i], heat_flux[i] - heat_flux[i + 1], SECONDS) for i, v in enumerate(layers)]
        transpiration = transpired[0] + transpired[1]
        drawn = [u * transpiration / density for u in stress.uptake]
        drawn[0] = drawn[0] + lost.soil / density
        soil = [
            explicit_soil_water.Layer(*v, explicit_soil_water.thawed(w.temperature))
            for *v, w in zip(
                soil_water,
                site.thickness,
                site.porosity,
                site.wilting,
                [p.soil_conductivity * r for r in site.conductivity],
                saturated_suction,
                exponents,
                warm,
                strict=True,
            )
        ]
        fallen = rain / density
        entering = explicit_soil_water.infiltration(soil[0], pond, fallen, SECONDS, soft)
        left = (pond / SECONDS + fallen - entering) * SECONDS
        pond = left * site.drainage
        if original:
            wet_soil, _ = explicit_soil_water.original(soil, entering, drawn, SECONDS, form.parts)
        else:
            wet_soil = list(soil)
            for _ in range(form.parts):
                flow = explicit_soil_water.flows(wet_soil, drawn, SECONDS, soft)
                wet_soil = explicit_soil_water.moved(wet_soil, entering, flow, drawn, SECONDS / form.parts)
        ice = [smaller(w.ice * a.water / b.water, 1.0) for w, a, b in zip(warm, soil, wet_soil, strict=True)]
        stored = sum((b.water - a.water) * a.thickness for a, b in zip(soil, wet_soil, strict=True)) * density
        balance = stored - (entering * density - transpiration - lost.soil) * SECONDS
        excess = positive_part(-balance)
        after = FastState(
            stores[0],
            stores[1],
            stores[2],
            stores[3],
            lying.mass,
            lying.density,
            lying.visible,
            lying.infrared,
            pond,
            *(v.water for v in wet_soil),
            *(v.temperature for v in warm),
            *ice,
            surface.ground,
            surface.snow,
            surface.soil,
            surface.middle,
            surface.bottom,
            heat_flux[1],
            sensible_over,
            *made.kept,
            *covered,
        )
        carbon = allometric_respiration.CARBON * PER_DAY
        evaporation = sum(evaporated) + sum(sublimed) + lost.soil + lost.pond + lost.snow
        vapour = (transpiration + sum(evaporated) + lost.soil + lost.pond) * heat + (sum(sublimed) + lost.snow) * moist_air.SUBLIMATION
        fluxes = FastFluxes(
            step_gpp_over=carbon * (made.gross[0] * leaf[0] + made.gross[1] * leaf[1]),
            step_gpp_under=carbon * (made.gross[2] * leaf[2] + made.gross[3] * leaf[3]),
            step_transpiration=transpiration * PER_DAY,
            step_evaporation=evaporation * PER_DAY,
            step_latent_heat=vapour,
            step_sensible_heat=warmed[0] + warmed[1] + sensible_ground,
            step_net_radiation=sum(a + b for a, b in zip(net_short, made.net, strict=True)),
            step_runoff=((1.0 - site.drainage) * left * density + excess) / SECONDS * PER_DAY,
            step_unsupplied_water=(excess + balance) / SECONDS * PER_DAY,
        )
        if original:
            return OriginalState(*after, soil_water[0], soil_water[1], z.steps_done + 1.0), fluxes
        return after, fluxes

    return step


def explicit_soil_water_density(original: bool) -> float:
    """Return the mass of a metre of precipitation.

    Parameters
    ----------
    original : bool
        The source takes 1025 kg m-3 for rain, too.

    Returns
    -------
    float
        kg m-3.
    """
    return ground_evaporation.WATER if original else 1000.0


def slow_step_of(form: Form, site: Site) -> Callable[..., tuple[State, Any, Fluxes]]:
    """Return the step of an hour.

    Parameters
    ----------
    form : Form
        Of the equations.
    site : Site
        What the site has.

    Returns
    -------
    callable
        ``step(pools, fast state, means, forcing, parameters) -> (pools, fast state, fluxes)``.
    """

    def step(x: State, z: Any, m: FastFluxes, f: Forcing, p: Parameters) -> tuple[State, Any, Fluxes]:
        soft = form.soft
        over = p.lai_scale * f.lai
        lai = over, clumped_canopy.understorey_area(over, site.plants is not None)
        deep = sum(getattr(z, f"soil_temperature_{i}") for i in LAYERS[:1])
        respired = allometric_respiration.maintenance(
            site.plants,
            pt.constant(site.annual_lai, dtype="float64"),
            lai,
            f.air_temperature,
            deep,
            f.solar_elevation_sine,
            (p.respiration_q10, 0.046),
        )
        width = allometric_respiration.GROWTH_WIDTH * soft
        gross = m.step_gpp_over / 24.0, m.step_gpp_under / 24.0
        npp = sum(allometric_respiration.net_primary_production(g, r, width) for g, r in zip(gross, respired, strict=True))
        factors = [
            nine_pools.temperature_factor(getattr(z, f"soil_temperature_{i}"), 0.01 * soft)
            * nine_pools.moisture_factor(getattr(z, f"soil_water_{i}") / site.porosity[i - 1], site.fine, 0.01 * soft)
            for i in (1, 2)
        ]
        fallen = nine_pools.litter(site.inputs, site.annual_npp, npp)
        pools, to_air = nine_pools.step(nine_pools.Pools(*x), fallen, site.rates, *factors)
        after = z._replace(steps_done=0.0) if form.original else z
        fluxes = Fluxes(
            gpp=24.0 * (gross[0] + gross[1]),
            npp=24.0 * npp,
            nee=24.0 * (to_air - npp),
            heterotrophic_respiration=24.0 * to_air,
            litterfall=24.0 * sum(fallen),
            transpiration=m.step_transpiration,
            evapotranspiration=m.step_transpiration + m.step_evaporation,
            latent_heat=m.step_latent_heat,
            sensible_heat=m.step_sensible_heat,
            precipitation=f.precipitation,
            runoff=m.step_runoff,
            unsupplied_water=m.step_unsupplied_water,
        )
        return State(*pools), after, fluxes

    return step
