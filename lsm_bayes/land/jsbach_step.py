"""The hour of JSBACH: light, photosynthesis, stomata, energy and water of a column of five layers of soil under snow and plants."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.land.jsbach_declared import FastFluxes, FastState
from lsm_bayes.land.jsbach_weather import DAY, Weather, made_up, observed
from lsm_bayes.processes import aging_snow, canopy_respiration, layered_bucket, two_flux
from lsm_bayes.processes import diurnal_course as course
from lsm_bayes.processes import implicit_surface as skin
from lsm_bayes.processes import leaf_photosynthesis as leaf
from lsm_bayes.processes.smoothing import clip, positive_part
from lsm_bayes.processes.thresholds import larger, reached, smaller

HOUR = 3600.0  # s
TO_CARBON = 12.01 * DAY  # gC m-2 d-1 per mol m-2 s-1
PHOTON_ENERGY = 2.2e5  # J mol-1
CLOSED = 3.0  # m2 m-2, leaf area of closed crowns
CLUMPING = 2.0  # m2 m-2
INTERCEPTED = 0.25  # of rain, where there is room
SNOW_VISIBLE, SNOW_INFRARED = (0.52, 0.90), (0.30, 0.65)  # albedo at 0 and at -5 degC
COLD_SNOW = 5.0  # K
LAYERS = layered_bucket.THICKNESS
_MIDDLES = np.cumsum(LAYERS) - 0.5 * np.array(LAYERS)
APART = tuple(float(d) for d in np.diff(_MIDDLES))  # m
WATER = tuple(f"soil_water_{i + 1}" for i in range(len(LAYERS)))
HEAT = tuple(f"soil_temperature_{i + 1}" for i in range(len(LAYERS)))


class Form(NamedTuple):
    """How JSBACH is written down: a factor of all widths, and what the source does otherwise. The default has none of the latter."""

    smooth: float = 1.0
    frozen_runoff: bool = False  # nothing infiltrates where the surface is below 0 degC
    uniform_uptake: bool = False  # roots take water in proportion to their depth, not to the water that they reach
    saturated_closure: bool = False  # stomata close where the air is more humid than saturated air at the surface


SOURCE = Form(0.0, True, True, True)


class Structure(NamedTuple):
    """What tells plant functional types and drivers apart."""

    phenology: Literal["evergreen", "summergreen", "raingreen", "grass", "crop"] = "evergreen"
    pathway: Literal["c3", "c4"] = "c3"
    observed_hours: bool = False

    @property
    def forest(self) -> bool:
        """Whether snow lies below the crowns."""
        return self.phenology in ("evergreen", "summergreen", "raingreen")


class Canopy(NamedTuple):
    """Exchange of leaves."""

    gpp: Any  # gC m-2 d-1
    maintenance: Any
    growth: Any
    conductance: Any  # m s-1, of the canopy
    absorbed: Any  # fraction of PAR


def _leaf_form(form: Form) -> leaf.LeafForm:
    s = form.smooth
    if not s:
        return leaf.JSBACH_SOURCE
    return leaf.JSBACH_SOURCE._replace(sharpness=1.0 - 0.01 * s, warmth_width=0.5 * s, added_jmax=True, idle_frost=False)


def bucket_widths(form: Form) -> layered_bucket.Widths:
    """Return the widths of soil water.

    Parameters
    ----------
    form : Form
        Of the model.

    Returns
    -------
    Widths
        Scaled.
    """
    return layered_bucket.Widths(*(form.smooth * w for w in layered_bucket.SMOOTH))


def _kinetics(p: Any, pathway: str) -> leaf.Kinetics:
    energies = {"energy_vcmax": p.energy_vcmax, "energy_respiration": p.energy_respiration}
    if pathway == "c4":
        return leaf.JSBACH._replace(quantum_yield_c4=p.quantum_yield_c4, energy_pep=p.energy_pep, **energies)
    return leaf.JSBACH._replace(
        michaelis_co2=1e-6 * p.michaelis_co2,
        michaelis_oxygen=1e-3 * p.michaelis_oxygen,
        compensation_slope=1e-6 * p.compensation_slope,
        quantum_yield=p.quantum_yield,
        energy_michaelis_co2=p.energy_michaelis_co2,
        energy_michaelis_oxygen=p.energy_michaelis_oxygen,
        **energies,
    )


def _exchange(lai: Any, p: Any, w: Weather, ground: Any, stress: Any, noon: Any, co2: Any, s: Structure, form: Form) -> Canopy:
    """Both stages of photosynthesis: without water stress, and with the conductance that it leaves. Leaves are as warm as the air."""
    f, kinetics = _leaf_form(form), _kinetics(p, s.pathway)
    leaves = two_flux.foliage(lai, smaller(lai / CLOSED, pt.as_tensor(1.0), 0.02 * form.smooth))
    layers = two_flux.absorbed(leaves, two_flux.par_reflectance(ground), w.cosine, w.direct, zero_at_night=False)
    each = larger(lai / two_flux.LAYERS, pt.as_tensor(1e-12))
    inhibition = leaf.light_inhibition(2.0 * w.par / PHOTON_ENERGY)
    make, second = (leaf.rates_c4, p.pep_slope) if s.pathway == "c4" else (leaf.rates_c3, p.jmax_ratio)
    rates: Any = make(w.celsius, inhibition, 1e-6 * p.vcmax25, second, kinetics, f)
    amount = leaf.air_per_volume(w.celsius, w.pressure, f.zero, f.gas_constant)
    internal = p.internal_co2_ratio * co2
    gross: Any = 0.0
    dark: Any = 0.0
    opened: Any = 0.0
    for share, n in zip(layers, two_flux.nitrogen(lai, noon, p.nitrogen_decline), strict=True):
        own, light = leaf.with_nitrogen(rates, n), share * w.par / (PHOTON_ENERGY * each)
        net = leaf.assimilation(own, light, internal, f) - own.respiration
        stoma = stress * leaf.conductance(net, internal, co2, amount, 1e-5 * form.smooth)
        gross = gross + leaf.assimilation_at_conductance(own, light, stoma * amount / leaf.WATER_PER_CO2, co2, f)
        dark, opened = dark + own.respiration, opened + stoma
    carbon = TO_CARBON * each
    gpp = carbon * gross
    spent = canopy_respiration.autotrophic(
        gpp, carbon * dark, p.leaf_respiration_share, p.growth_respiration_fraction, paid_ahead=False, width=0.05 * form.smooth
    )
    return Canopy(gpp, spent.maintenance, spent.growth, each * opened, sum(layers))


def _albedo(lai: Any, p: Any, covered: Any, frost: Any, cosine: Any, s: Structure) -> tuple[Any, Any]:
    """Albedo of the surface, and of the ground in visible light."""
    closed = -pt.expm1(-p.lai_max / CLUMPING)
    shaded = -closed * pt.expm1(-lai)
    canopy = 0.5 * (p.canopy_albedo_visible + p.canopy_albedo_infrared)
    visible, infrared = (low + (high - low) * frost for low, high in (SNOW_VISIBLE, SNOW_INFRARED))
    bright = 0.5 * (visible + infrared)
    plain = shaded * canopy + (1.0 - shaded) * p.soil_albedo
    if s.forest:
        seen = 1.0 + closed * pt.expm1(-(lai + p.stem_area) * (2.0 - cosine))
        whole = plain + seen * covered * (bright - p.soil_albedo)
    else:
        whole = plain + covered * (bright - plain)
    return whole, p.soil_albedo + covered * (visible - p.soil_albedo)


def _uptake(wanted: Any, water: Sequence[Any], roots: Sequence[Any], p: Any, form: Form) -> tuple[list[Any], Any]:
    """Water that roots take from each layer, mm, and all of it."""
    width = 0.02 * form.smooth
    reached_ = []
    for content, root, thickness in zip(water, roots, LAYERS, strict=True):
        free = positive_part(content - 1e3 * thickness * p.field_capacity * p.wilting_wetness, width)
        reached_.append(root / thickness * free)
    if form.uniform_uptake:
        parts = [skin.available(wanted * r / p.root_depth, a, 0.05 * form.smooth) for r, a in zip(roots, reached_, strict=True)]
        return parts, sum(parts)
    there = sum(reached_) + skin.NOTHING
    taken = skin.available(wanted, there, 0.05 * form.smooth)
    share = taken / there
    return [share * (a + skin.NOTHING / len(LAYERS)) for a in reached_], taken


def hour_of(structure: Structure, form: Form) -> Callable[..., tuple[FastState, FastFluxes]]:
    """Return the step of an hour.

    Parameters
    ----------
    structure : Structure
        Plants and drivers.
    form : Form
        Widths and quirks.

    Returns
    -------
    callable
        ``step(fast_state, states, forcing, parameters) -> (fast_state, fluxes)``.
    """
    width = form.smooth

    def step(z: FastState, x: Any, f: Any, p: Any) -> tuple[FastState, FastFluxes]:
        lai, water = x.leaf_area, [getattr(z, n) for n in WATER]
        temperatures = [getattr(z, n) for n in HEAT]
        roots = layered_bucket.rooted(p.root_depth, LAYERS, 0.02 * width)
        capacity = 1e3 * p.field_capacity * sum(roots)
        held = sum(c * r / d for c, r, d in zip(water, roots, LAYERS, strict=True))
        wetness = held / capacity
        stress = clip((wetness - p.wilting_wetness) / (p.critical_wetness - p.wilting_wetness), 0.0, 1.0, 0.02 * width)
        w = observed(f) if structure.observed_hours else made_up(f, p, wetness)
        sun = course.sun(f.day_of_year, f.latitude)

        # Precipitation
        fallen = f.precipitation * (HOUR / DAY)
        flakes = fallen * aging_snow.snow_share(w.celsius)
        snow, rain = z.snow_water + flakes, fallen - flakes
        most = p.skin_capacity * (1.0 + lai)
        wetted = z.skin_water + INTERCEPTED * rain
        dripping = positive_part(wetted - most, 0.01 * width)
        wetted, throughfall = wetted - dripping, (1.0 - INTERCEPTED) * rain + dripping

        # Radiation and carbon
        covered = skin.snow_cover(snow, p.terrain)
        frost = clip(-temperatures[0] / COLD_SNOW, 0.0, 1.0, 0.02 * width)
        albedo, ground = _albedo(lai, p, covered, frost, w.cosine, structure)
        humid = skin.specific_humidity(temperatures[0], w.pressure)
        vapour = skin.VAPOUR_RATIO * w.vapour / (w.pressure - (1.0 - skin.VAPOUR_RATIO) * w.vapour)
        gaping = stress * reached(humid[0], vapour, 2e-5 * width or None) if form.saturated_closure else stress
        canopy = _exchange(lai, p, w, ground, gaping, sun.sine_part + sun.cosine_part, 1e-6 * f.co2, structure, form)

        # Energy
        kelvin = w.celsius + skin.MELTING
        lifted = w.celsius + p.reference_height * (skin.GRAVITY / skin.AIR_HEAT)
        richardson = skin.GRAVITY * p.reference_height * (lifted - temperatures[0]) / (w.wind**2 * kelvin)
        neutral = skin.neutral_drag(p.reference_height, p.roughness)
        speed = w.wind * skin.drag(neutral, richardson, p.reference_height, p.roughness)
        exchange = speed * w.pressure / (skin.DRY_AIR * kelvin * (1.0 + 0.61 * vapour))
        potential = HOUR * exchange * (humid[0] - vapour)
        # Where a store would not last the step it covers less.
        share = wetted / most
        covered = covered / larger(pt.as_tensor(1.0), covered * potential / (snow + 1e-6), 0.05 * width)
        share = share / larger(pt.as_tensor(1.0), potential / most, 0.05 * width)
        plants = pt.expm1(-p.lai_max / CLUMPING) * pt.expm1(-lai / CLUMPING)
        # Under crowns snow does not meet the air.
        white = (1.0 - plants) * covered if structure.forest else covered
        leafy = plants if structure.forest else plants * (1.0 - covered)
        crust = smaller(water[0] / (1e3 * LAYERS[0] * p.field_capacity), pt.as_tensor(1.0), 0.01 * width)
        relative = 0.5 * (1.0 - pt.cos(np.pi * crust))
        bare = (1.0 - plants) * (1.0 - covered) * (1.0 - share) * reached(relative * humid[0], vapour, 1e-4 * width or None)
        transpiring = leafy * (1.0 - share) * canopy.conductance / (canopy.conductance + speed)
        parts = (
            (white, white * vapour, skin.SUBLIMATION),
            ((1.0 - white) * share, (1.0 - white) * share * vapour, skin.VAPORISATION),
            (transpiring, transpiring * vapour, skin.VAPORISATION),
            (bare * relative, bare * vapour, skin.VAPORISATION),
        )
        capacities = [d * p.soil_heat_capacity for d in LAYERS]
        conduction = p.soil_heat_capacity * p.soil_heat_diffusivity
        resistances = [APART[0] / conduction + snow / (skin.SNOW_DENSITY * skin.SNOW_CONDUCTIVITY), *(d / conduction for d in APART[1:])]
        absorbed = (1.0 - albedo) * w.shortwave
        found = skin.balance(
            temperatures, capacities, [1.0 / r for r in resistances], absorbed, w.longwave, exchange, lifted, humid, parts, HOUR
        )

        # What stores can give; what they cannot warms the surface.
        wanted = [HOUR * e for e in found.evaporation]
        sublimed = skin.available(wanted[0], snow, 0.01 * width)
        evaporated = skin.available(wanted[1], positive_part(wetted), 0.01 * width)
        uptake, transpired = _uptake(wanted[2], water, roots, p, form)
        dried = skin.available(wanted[3], 0.9 * (water[0] - uptake[0]), 0.01 * width)
        spared = skin.SUBLIMATION * (wanted[0] - sublimed) + skin.VAPORISATION * (sum(wanted[1:]) - evaporated - transpired - dried)
        surface = found.temperatures[0] + spared / capacities[0]
        latent = (skin.SUBLIMATION * sublimed + skin.VAPORISATION * (evaporated + transpired + dried)) / HOUR
        snow = snow - sublimed
        melted = layered_bucket.least(capacities[0] * positive_part(surface, 0.05 * width) / skin.FUSION, snow, 0.01 * width)
        snow, surface = snow - melted, surface - melted * skin.FUSION / capacities[0]

        # Soil water
        arriving = throughfall + melted
        entered = layered_bucket.infiltrated(arriving, held, capacity, p.infiltration_shape, 0.005 * width)
        if form.frozen_runoff:
            entered = entered * reached(temperatures[0], 0.0, 0.5 * width or None)
        soil = layered_bucket.Soil(
            p.porosity,
            p.field_capacity,
            p.wilting_wetness * p.field_capacity,
            p.soil_conductivity,
            p.suction,
            p.soil_exponent,
            p.pore_index,
        )
        gained = [(entered - dried if k == 0 else 0.0) - u for k, u in enumerate(uptake)]
        wetted_soil = layered_bucket.step(water, gained, soil, HOUR, LAYERS, bucket_widths(form))

        by_day = DAY / HOUR
        return (
            FastState(*(wetted - evaporated, snow, *wetted_soil.water, surface, *found.temperatures[1:])),
            FastFluxes(
                canopy.gpp,
                canopy.maintenance,
                canopy.growth,
                by_day * transpired,
                by_day * evaporated,
                by_day * dried,
                by_day * sublimed,
                found.net_radiation,
                latent,
                found.sensible_heat,
                found.net_radiation - latent - found.sensible_heat,
                w.celsius,
                w.par,
                w.par * canopy.absorbed,
                by_day * melted,
                by_day * flakes,
                by_day * throughfall,
                by_day * (arriving - entered),
                by_day * wetted_soil.drainage,
                surface,
                stress,
                wetness,
            ),
        )

    return step
