"""Canopy of Liu et al. (2021): photosynthesis of a big leaf of C3 plants, transpiration and evaporation of the soil surface.

Liu et al. (2021), as CARDAMOM's model 1100 codes it: Farquhar photosynthesis with responses to temperature of Collatz type, stomata of
Medlyn et al. (2011, doi 10.1111/j.1365-2486.2010.02375.x), Penman-Monteith in a canopy that absorbs light after Beer. Constants are
those of the code.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.labile_allocation import Supplied, supplied
from lsm_bayes.processes.thresholds import clipped, positive_part, smaller

KELVIN = 273.15
PHOTONS = 1e6 / (2.0 * (2e-25 / 500e-9) * 6.02e23)  # umol J-1: half of the shortwave, at 500 nm
TO_CARBON = 12e-6 * 86400.0  # umol s-1 to g d-1
OXYGEN = 209.0  # mmol mol-1
EVAPORATION_HEAT = 2.26e6  # J kg-1, of this scheme
PSYCHROMETER = 100.0 * 1005.0 / (EVAPORATION_HEAT * 0.622)  # kPa K-1
AIR_HEAT = 1.225 * 1005.0  # J m-3 K-1
PRIESTLEY_TAYLOR = 1.26
CONDUCTED = 0.02405  # m3 mol-1 of air, times 1e-6 and 1e6 of the units
CURVATURE, YIELD = 0.9, 0.3
DRIEST_DEFICIT = 1e-3  # kPa, least: stomata would be open without limit below it


class Air(NamedTuple):
    """Weather of a step, mean of day and night."""

    shortwave: Any  # W m-2
    deficit: Any  # vapour pressure deficit, kPa
    temperature: Any  # degC
    co2: Any  # umol mol-1


class Leaf(NamedTuple):
    """Traits of the canopy."""

    vcmax25: Any  # umol m-2 s-1, of a leaf
    vcmax_q10: Any  # 1
    cold_inhibition: Any  # K
    heat_inhibition: Any  # K
    respiration_ratio: Any  # dark respiration over vcmax, both at 25 degC
    respiration_q10: Any  # 1
    stomatal_slope: Any  # kPa^0.5
    clumping: Any  # 1
    reflectance_par: Any  # 1
    reflectance_nir: Any  # 1


class Assimilation(NamedTuple):
    """What photosynthesis gives."""

    gross: Any  # gC m-2 d-1
    dark_respiration: Any  # gC m-2 d-1
    net_of_leaf: Any  # umol m-2 s-1, of a leaf in the mean light
    internal_co2: Any  # umol mol-1
    demand: Supplied  # of dark respiration by labile carbon: fractions of the leaves that live and die in the step


def extinction(day_of_year: Any, latitude: Any, pi: float = math.pi) -> Any:
    """Return the extinction coefficient of the canopy for the sun near noon.

    Parameters
    ----------
    day_of_year : tensor
        d.
    latitude : tensor
        degrees, positive northwards.
    pi : float
        The number pi; CARDAMOM codes 3.1415927.

    Returns
    -------
    tensor
        0.5 / cos(zenith angle), the angle at most 89 degrees, with the equation of time but no longitude.
    """
    radian = pi / 180.0
    year = 2.0 * pi * (day_of_year - 81.0) / 365.0
    equation_of_time = 9.87 * pt.sin(2.0 * year) - 7.53 * pt.cos(year) - 1.5 * pt.sin(year)  # minutes
    hour_angle = equation_of_time / 4.0  # degrees
    declination = 23.45 * radian * pt.sin(2.0 * pi * (284.0 + day_of_year) / 365.0)
    place = latitude * radian
    sine = pt.sin(place) * pt.sin(declination) + pt.cos(place) * pt.cos(declination) * pt.cos(hour_angle * radian)
    zenith = 0.5 * pi - pt.arcsin(pt.switch(sine > 1.0, 1.0, sine))
    lowest = 89.0 * radian
    return 0.5 / pt.cos(pt.switch(zenith > lowest, lowest, zenith))


def cold_stress(temperature_min: Any, none_above: Any, full_below: Any) -> Any:
    """Return the factor of photosynthesis with the cold of the night.

    Parameters
    ----------
    temperature_min : tensor
        Daily minimum of air temperature, degC.
    none_above, full_below : tensor
        K, above which the factor is 1 and below which it is 0.

    Returns
    -------
    tensor
        Linear between 0 and 1.
    """
    span = none_above - full_below
    return clipped((temperature_min + KELVIN - full_below) / pt.switch(span <= 0, 1e-9, span), 0.0, 1.0)


def _transmitted(leaf: Leaf, lai: Any, coefficient: Any) -> Any:
    return pt.exp(-coefficient * lai * leaf.clumping)


def photosynthesis(
    air: Air, leaf: Leaf, lai: Any, coefficient: Any, stress: Any, labile: Any, days: Any, least: float = 0.0
) -> Assimilation:
    """Return photosynthesis and dark respiration of a canopy.

    Parameters
    ----------
    air : Air
        Weather.
    leaf : Leaf
        Traits.
    lai : tensor
        Leaf area index, m2 m-2.
    coefficient : tensor
        `extinction`.
    stress : tensor
        Factor of the rate that Rubisco limits, 1 without stress.
    labile : tensor
        gC m-2, from which leaves respire: the part that it cannot feed dies.
    days : tensor
        Step length, d.
    least : float
        gC m-2, as in `labile_allocation.supplied`.

    Returns
    -------
    Assimilation
        Rates at the top of the canopy times the leaf area that is lit (Liu et al. 2021, with Farquhar et al. 1980).
    """
    temperature = air.temperature
    shaded = _transmitted(leaf, lai, coefficient)
    light = YIELD * PHOTONS * air.shortwave * (1.0 - leaf.reflectance_par) * (1.0 - shaded)
    lit = (1.0 - shaded) / coefficient
    hot = 1.0 + pt.exp(0.3 * (temperature - (leaf.heat_inhibition - KELVIN)))
    cold = 1.0 + pt.exp(0.3 * ((leaf.cold_inhibition - KELVIN) - temperature))
    above = (temperature - 25.0) / 10.0
    vcmax = leaf.vcmax25 * leaf.vcmax_q10**above / (hot * cold)
    jmax = math.e * vcmax
    both = light + jmax
    electrons = (both - pt.sqrt(both * both - 4.0 * CURVATURE * light * jmax)) / (2.0 * CURVATURE)

    warm = temperature - 25.0
    half = 300.0 * pt.exp(0.074 * warm) * (1.0 + OXYGEN / (300.0 * pt.exp(0.015 * warm)))
    compensation = 36.9 + 1.18 * warm + 0.036 * warm * warm
    deficit = pt.switch(air.deficit < DRIEST_DEFICIT, DRIEST_DEFICIT, air.deficit)
    internal = air.co2 * (1.0 - 1.0 / (1.0 + leaf.stomatal_slope / pt.sqrt(deficit)))
    internal = pt.switch(internal < compensation, compensation, internal)
    gain = internal - compensation
    gross = smaller(vcmax * gain / (internal + half) * stress, electrons * gain / (4.0 * (internal + 2.0 * compensation)))

    respired = leaf.respiration_ratio * leaf.vcmax25 * leaf.respiration_q10**above
    wanted = respired * lit * TO_CARBON
    demand = supplied(labile, wanted * days, least)
    return Assimilation(
        gross * lit * TO_CARBON,
        wanted * demand.met,
        gross - respired * demand.met,
        internal,
        demand,
    )


def _slope(temperature: Any) -> Any:
    """Slope of the saturation vapour pressure, kPa K-1."""
    return 0.04145 * pt.exp(0.06088 * temperature)


def _absorbed(air: Air, leaf: Leaf) -> Any:
    return (1.0 - 0.5 * (leaf.reflectance_par + leaf.reflectance_nir)) * air.shortwave


def transpiration(air: Air, leaf: Leaf, lai: Any, coefficient: Any, made: Assimilation, conductance: Any) -> Any:
    """Return the transpiration of a canopy by Penman-Monteith.

    Parameters
    ----------
    air : Air
        Weather.
    leaf : Leaf
        Traits.
    lai : tensor
        m2 m-2.
    coefficient : tensor
        `extinction`.
    made : Assimilation
        Of the same canopy: stomata open with net assimilation over the gradient of CO2.
    conductance : tensor
        Of the air between canopy and measurement, m s-1.

    Returns
    -------
    tensor
        mm d-1; zero without net assimilation.
    """
    stomata = positive_part(1.6 * made.net_of_leaf / (air.co2 - made.internal_co2) * lai * CONDUCTED)
    slope = _slope(air.temperature)
    energy = slope * _absorbed(air, leaf) * (1.0 - _transmitted(leaf, lai, coefficient)) + AIR_HEAT * air.deficit * conductance
    # Multiplied out by the conductance of stomata, which may be zero.
    return 86400.0 / EVAPORATION_HEAT * energy * stomata / (slope * stomata + PSYCHROMETER * (stomata + conductance))


def soil_evaporation(air: Air, leaf: Leaf, lai: Any, coefficient: Any, wet: Any) -> Any:
    """Return evaporation below the canopy after Priestley and Taylor (1972).

    Parameters
    ----------
    air : Air
        Weather.
    leaf : Leaf
        Traits.
    lai : tensor
        m2 m-2.
    coefficient : tensor
        `extinction`.
    wet : tensor
        Factor with the wetness of the surface, 0 to 1.

    Returns
    -------
    tensor
        mm d-1.
    """
    slope = _slope(air.temperature)
    light = _absorbed(air, leaf) * _transmitted(leaf, lai, coefficient)
    return 86400.0 / EVAPORATION_HEAT * PRIESTLEY_TAYLOR * slope * light / (slope + PSYCHROMETER) * wet
