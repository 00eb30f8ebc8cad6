"""The hour of BETHY: light, photosynthesis, stomata and energy; what its variants have in common is declared here."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.land.bethy_declared import FastFluxes, Nothing, State
from lsm_bayes.processes import aging_snow, canopy_respiration, demand_supply, knorr_phenology, skin_bucket, two_flux
from lsm_bayes.processes import diurnal_course as course
from lsm_bayes.processes import leaf_photosynthesis as leaf
from lsm_bayes.processes import penman_monteith as surface
from lsm_bayes.processes.smoothing import capped, floored, positive_part, quadratic_minimum, quadratic_share
from lsm_bayes.processes.thresholds import larger

SECONDS = 86400.0  # in a day
TO_CARBON = 12.0 * SECONDS  # gC m-2 d-1 per mol m-2 s-1
PHOTON_ENERGY = 2.2e5  # J mol-1
LEAST_CONDUCTANCE = 4e-5  # m s-1
MIDDAY = 13.0  # h, when stomata learn how much water there is
SHARP = 0.99
TO_SPARE = 0.9  # of what a store holds may evaporate in a day
SOIL_TO_SPARE = 0.3
WET_WIDTH = 0.01  # mm d-1


class Form(NamedTuple):
    """How BETHY is written down: widths of what replaces kinks, and quirks of the source. The default has none of the latter."""

    temperature_width: float = 0.5  # K
    deficit_width: float = 1.0  # Pa
    snow_width: float = 0.02  # m, height of snow that covers most of the ground
    whole_hours: bool = False  # the sun and temperature of the end of each hour
    light_lost: bool = False  # the course of light has less than the shortwave of the day where there are clouds
    ice_slip: bool = False  # latent heat of ice 3.834e6 J kg-1
    shifted_snow_light: bool = False  # albedo of snow with the sun of twelve hours before
    water_of_source: bool = False  # see `skin_bucket.day_of_source` and `aging_snow.day_of_source`; partition by day
    growth_shed: bool = False  # leaves that grow are counted as shed
    rational_steps: bool = False  # error function by approximation
    deep_nitrogen: bool = False  # nitrogen of deep layers becomes negative above a leaf area of 6
    frozen_electrons: bool = False  # electron transport goes on below 0 degC, with the other sign


SOURCE = Form(0.0, 0.0, 0.0, *[True] * 9)


class Structure(NamedTuple):
    """What tells plant functional types and drivers apart."""

    pathway: Literal["c3", "c4"] = "c3"
    phenology: knorr_phenology.Kind = "summergreen"
    observed_hours: bool = False


class Weather(NamedTuple):
    """Weather and light of a time."""

    celsius: Any
    pressure: Any  # Pa
    wind: Any  # m s-1
    cosine: Any  # of the zenith angle
    shortwave: Any  # W m-2
    par: Any  # W m-2
    direct: Any  # fraction of PAR
    snow_light: Any  # how much brighter snow is


class Canopy(NamedTuple):
    """What does not change within a day."""

    lai: Any
    wetness: Any  # of the soil
    ground: Any  # albedo without snow
    leaves: two_flux.Foliage
    nitrogen: tuple[Any, Any, Any]
    transmission: Any
    snow: Any  # fraction of the ground


class Unstressed(NamedTuple):
    """State of the surface without water stress."""

    air: surface.Air
    deficit: Any
    net: surface.Radiation
    layers: tuple[Any, Any, Any]  # absorbed fraction of PAR
    light: tuple[Any, Any, Any]  # mol m-2 s-1 per leaf area
    inhibition: Any
    stomata: tuple[Any, Any, Any]  # m s-1 per leaf area
    aerodynamic: Any
    driven: Any
    ratio: Any  # aerodynamic over canopy conductance
    demand: Any  # kg m-2 s-1


def _air_form(form: Form) -> surface.AirForm:
    return surface.AirForm(surface.SUBLIMATION_OF_SOURCE if form.ice_slip else surface.SUBLIMATION, form.deficit_width)


def _leaf_form(form: Form) -> leaf.LeafForm:
    return leaf.BETHY_FORM._replace(warmth_width=form.temperature_width, frozen_electrons=form.frozen_electrons)


def _kinetics(p: Any, pathway: str) -> leaf.Kinetics:
    if pathway == "c4":
        return leaf.Kinetics(
            quantum_yield_c4=p.quantum_yield_c4,
            energy_vcmax=p.energy_vcmax,
            energy_respiration=p.energy_respiration,
            energy_pep=p.energy_pep,
        )
    return leaf.Kinetics(
        michaelis_co2=1e-6 * p.michaelis_co2,
        michaelis_oxygen=1e-3 * p.michaelis_oxygen,
        compensation_slope=1e-6 * p.compensation_slope,
        quantum_yield=p.quantum_yield,
        energy_michaelis_co2=p.energy_michaelis_co2,
        energy_michaelis_oxygen=p.energy_michaelis_oxygen,
        energy_vcmax=p.energy_vcmax,
        energy_respiration=p.energy_respiration,
    )


def _rates(celsius: Any, inhibition: Any, p: Any, structure: Structure, form: Form) -> Any:
    k, f = _kinetics(p, structure.pathway), _leaf_form(form)
    if structure.pathway == "c4":
        return leaf.rates_c4(celsius, inhibition, 1e-6 * p.vcmax25, p.pep_slope, k, f)
    return leaf.rates_c3(celsius, inhibition, 1e-6 * p.vcmax25, p.jmax_ratio, k, f)


def _canopy(x: State, p: Any, noon: Any, form: Form) -> Canopy:
    wetness = x.plant_available_water / p.water_capacity
    wet = capped(floored((wetness - 0.9) / 0.1, 0.0, 1e-3), 1.0, 1e-3)
    height = x.snow_height
    return Canopy(
        x.leaf_area,
        wetness,
        wet * p.soil_albedo_wet + (1.0 - wet) * p.soil_albedo_dry,
        two_flux.foliage(x.leaf_area, x.crown_cover),
        two_flux.nitrogen(x.leaf_area, noon, p.nitrogen_decline, clamped=not form.deep_nitrogen),
        surface.transmitted(x.leaf_area, x.crown_cover),
        -pt.expm1(-height / form.snow_width) if form.snow_width else pt.switch(height > 0, 1.0, 0.0 * height),
    )


def _unstressed(
    x: State, p: Any, c: Canopy, w: Weather, vapour: tuple[Any, Any], longwave: Any, co2: Any, structure: Structure, form: Form
) -> Unstressed:
    air, f = surface.air(w.celsius, w.pressure, _air_form(form)), _leaf_form(form)
    bright = x.snow_albedo + (1.0 - x.snow_albedo) * x.snow_albedo * x.snow_albedo * x.snow_albedo * w.snow_light
    albedo = c.ground + c.snow * (bright - c.ground)
    layers = two_flux.absorbed(c.leaves, two_flux.par_reflectance(albedo), w.cosine, w.direct, zero_at_night=False)
    each = larger(c.lai / two_flux.LAYERS, 1e-12)
    light = tuple(a * w.par / (PHOTON_ENERGY * each) for a in layers)
    inhibition = leaf.light_inhibition(w.shortwave / PHOTON_ENERGY)
    rates = _rates(w.celsius, inhibition, p, structure, form)
    internal = p.internal_co2_ratio * co2
    amount = leaf.air_per_volume(w.celsius, w.pressure, f.zero)
    stomata = []
    for lit, n in zip(light, c.nitrogen, strict=True):
        own = leaf.with_nitrogen(rates, n)
        stomata.append(
            leaf.conductance(leaf.assimilation(own, lit, internal, f) - own.respiration, internal, co2, amount, LEAST_CONDUCTANCE)
        )
    net = surface.shares(longwave, w.shortwave, sum(layers), albedo, c.transmission)
    aerodynamic = surface.neutral_conductance(w.wind, p.vegetation_height)
    driven = surface.drive(air, net.canopy, vapour[1], aerodynamic)
    ratio = aerodynamic / (each * sum(stomata))
    demand = surface.evaporation(air, driven, ratio)
    lit_layers = light[0], light[1], light[2]
    return Unstressed(
        air, vapour[1], net, layers, lit_layers, inhibition, (stomata[0], stomata[1], stomata[2]), aerodynamic, driven, ratio, demand
    )


def _closure(u: Unstressed, p: Any, c: Canopy) -> Any:
    supply = demand_supply.supply(c.wetness, p.root_supply)
    return demand_supply.limited(u.air, u.driven, u.demand, supply, u.ratio, u.deficit).closure


class _Course:
    """Weather within a day with daily drivers."""

    def __init__(self, f: Any, p: Any, x: State, form: Form) -> None:
        self.f, self.p, self.form = f, p, form
        self.mean = 0.5 * (f.air_temperature_min + f.air_temperature_max)
        self.pressure = course.pressure_at(f.elevation, self.mean)
        self.sun = course.sun(f.day_of_year, f.latitude)
        hours = course.SOURCE_HOURS if form.whole_hours else course.HOURS
        shortwave = f.shortwave_down * (1e6 / SECONDS)
        self.clear = course.clearness(self.sun, shortwave, self.pressure, hours)
        self.cloud = course.cloudiness(self.clear)
        self.kept = 1.0 if form.light_lost else course.kept(self.sun, shortwave, self.clear, self.pressure, hours)
        wetness = x.plant_available_water / p.water_capacity
        self.wetness = capped(floored(wetness, 0.0, 1e-3), 1.0, 1e-3)
        self.base = (0.96 + 0.04 * self.wetness) * surface.saturation(f.air_temperature_min, self.mean)[0]

    def weather(self, hour: Any) -> Weather:
        mu = course.cosine(self.sun, hour)
        light = course.light(self.sun, hour, self.clear, self.pressure)
        snow = course.cosine(self.sun, hour - 12.0) if self.form.shifted_snow_light else mu
        return Weather(
            course.temperature(self.sun, hour, self.f.air_temperature_min, self.f.air_temperature_max),
            self.pressure,
            self.p.typical_wind,
            mu,
            self.kept * light.shortwave,
            self.kept * light.par,
            light.direct,
            aging_snow.sun_brightening(snow, self.cloud),
        )

    def humidity(self, w: Weather) -> tuple[tuple[Any, Any], Any]:
        form = _air_form(self.form)
        vapour = surface.vapour_pressure(self.base, surface.saturation(w.celsius)[0], self.wetness, form)
        return vapour, surface.net_longwave(w.celsius, vapour[0], self.cloud)


def _observed(f: Any, sun: course.Sun) -> tuple[Weather, tuple[Any, Any], Any]:
    pressure, shortwave = 1e3 * f.air_pressure, f.shortwave_down * (1e6 / SECONDS)
    mu = course.cosine(sun, f.solar_hour)
    clear = course.clearness_of_hour(sun, mu, shortwave, pressure)
    cloud = course.cloudiness(clear)
    par = shortwave * course.par_share(mu, clear)
    direct = course.direct_share(sun, mu, clear, pressure)
    snow_light = aging_snow.sun_brightening(mu, cloud)
    w = Weather(f.air_temperature, pressure, f.wind_speed, mu, shortwave, par, direct, snow_light)
    deficit = 100.0 * f.vapour_pressure_deficit
    longwave = surface.EMISSIVITY * (f.longwave_down - surface.STEFAN_BOLTZMANN * (f.air_temperature + surface.MELTING) ** 4)
    return w, (surface.saturation(f.air_temperature)[0] - deficit, deficit), longwave


def hour_of(structure: Structure, form: Form) -> Callable[..., tuple[Nothing, FastFluxes]]:
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
        ``step(nothing, states, forcing, parameters) -> (nothing, fluxes)``.
    """

    def step(z: Nothing, x: State, f: Any, p: Any) -> tuple[Nothing, FastFluxes]:
        co2 = 1e-6 * f.co2
        sun = course.sun(f.day_of_year, f.latitude)
        c = _canopy(x, p, sun.sine_part + sun.cosine_part, form)
        if structure.observed_hours:
            w, vapour, longwave = _observed(f, sun)
            u = _unstressed(x, p, c, w, vapour, longwave, co2, structure, form)
            closure = _closure(u, p, c)
        else:
            day = _Course(f, p, x, form)
            noon = day.weather(MIDDAY)
            closure = _closure(_unstressed(x, p, c, noon, *day.humidity(noon), co2, structure, form), p, c)
            w = day.weather(f.solar_hour + 0.5 if form.whole_hours else f.solar_hour)
            u = _unstressed(x, p, c, w, *day.humidity(w), co2, structure, form)
        return Nothing(), _exchange(x, p, c, w, u, closure, co2, course.daylight_weight(sun, w.cosine), structure, form)

    return step


def _exchange(
    x: State, p: Any, c: Canopy, w: Weather, u: Unstressed, closure: Any, co2: Any, weight: Any, structure: Structure, form: Form
) -> FastFluxes:
    """Exchange of carbon, water and energy with stomata that water has closed."""
    f = _leaf_form(form)
    open_ = 1.0 / (1.0 + closure * u.deficit)
    transpired = surface.evaporation(u.air, u.driven, u.ratio / open_)
    celsius = surface.canopy_temperature(w.celsius, u.air, u.net.per_canopy, transpired, u.aerodynamic)
    rates = _rates(celsius, u.inhibition, p, structure, form)
    to_co2 = open_ * leaf.air_per_volume(celsius, w.pressure, f.zero) / leaf.WATER_PER_CO2
    gross: Any = 0.0
    for lit, n, stoma in zip(u.light, c.nitrogen, u.stomata, strict=True):
        gross = gross + leaf.assimilation_at_conductance(leaf.with_nitrogen(rates, n), lit, stoma * to_co2, co2, f)
    carbon = TO_CARBON * larger(c.lai / two_flux.LAYERS, 1e-12) * leaf.cold_gate(celsius)
    gpp = carbon * gross
    spent = canopy_respiration.autotrophic(
        gpp, carbon * sum(c.nitrogen) * rates.respiration, p.leaf_respiration_share, p.growth_respiration_fraction
    )

    wet_canopy = SECONDS * surface.evaporation(u.air, u.driven, 0.0)
    wet_soil = SECONDS * surface.soil_evaporation(u.air, u.net.soil)
    transpiration = SECONDS * transpired
    if form.water_of_source:  # shared out by the day
        intercepted, sublimed, soil = 0.0 * wet_soil, 0.0 * wet_soil, skin_bucket.skin_wetness(x.skin_water) * wet_soil
    else:
        # What a store may lose in a day is spread over its hours in proportion to the height of the sun.
        at_most = TO_SPARE * weight
        share = skin_bucket.intercepted_share(x.leaf_area, x.crown_cover)
        wanted = share * positive_part(wet_canopy, WET_WIDTH)
        wet = quadratic_share(wanted, at_most * x.canopy_water, SHARP)
        intercepted, transpiration = wet * wanted, transpiration * (1.0 - wet * share)
        sublimed = quadratic_minimum(wet_soil, at_most * x.snow_water, SHARP, positive=True)
        bare = skin_bucket.skin_wetness(x.skin_water) * (wet_soil - sublimed)
        soil = quadratic_minimum(bare, SOIL_TO_SPARE * weight * x.plant_available_water, SHARP, positive=True)
    latent = (u.air.latent_heat * (transpiration + intercepted + soil) + surface.SUBLIMATION * sublimed) / SECONDS
    return FastFluxes(
        gpp,
        spent.maintenance,
        spent.growth,
        transpiration,
        intercepted,
        soil,
        sublimed,
        SECONDS * u.demand,
        wet_canopy,
        wet_soil,
        u.net.total,
        u.net.ground_heat,
        latent,
        u.net.total - u.net.ground_heat - latent,
        w.celsius,
        celsius,
        w.par,
        w.par * sum(u.layers),
    )
