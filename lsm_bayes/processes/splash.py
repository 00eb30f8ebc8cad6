"""SPLASH: radiation and evapotranspiration of a day from orbit, temperature and sunshine.

Davis et al. (2017), doi 10.5194/gmd-10-689-2017. Over a day the net radiation is a cosine of the hour angle minus a constant,
``r_w (r_u + r_v cos h) - R_nl``; evaporative demand is in proportion to it, supply in proportion to soil water. All integrals over
the day are closed forms of three hour angles: sunset, where net radiation is zero, and where supply meets demand.

At each of these angles the integrand is continuous, so the derivatives of the integrals with respect to the angle are zero. The angles are
therefore taken as constants in gradients, which stay exact and lose the infinite slope of the arc cosine at its ends.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad

from lsm_bayes.processes import water_properties as water

SOLAR_CONSTANT = 1360.8  # W m-2
SHORTWAVE_ALBEDO = 0.17
ENTRAINMENT = 0.26  # Priestley & Taylor (1972)
SUPPLY_RATE = 1.05  # mm h-1 from a full soil, Federer (1982)
DAY = 86400.0  # s
# Orbit of the year 2000 (Berger 1978): eccentricity, obliquity, longitude of perihelion.
ECCENTRICITY, OBLIQUITY, PERIHELION = 0.0167, math.radians(23.44), math.radians(283.0)
# Mean longitude of the vernal equinox.
_ROOT = math.sqrt(1.0 - ECCENTRICITY**2)
_EQUINOX = 2.0 * (
    (ECCENTRICITY / 2 + ECCENTRICITY**3 / 8) * (1 + _ROOT) * math.sin(PERIHELION)
    - ECCENTRICITY**2 / 4 * (0.5 + _ROOT) * math.sin(2 * PERIHELION)
    + ECCENTRICITY**3 / 8 * (1 / 3 + _ROOT) * math.sin(3 * PERIHELION)
)


class DailyRadiation(NamedTuple):
    """Radiation of a day; the first four are the terms of the cosine in the module's description."""

    constant: Any  # r_u, 1
    amplitude: Any  # r_v, 1
    shortwave: Any  # r_w, W m-2
    net_longwave: Any  # R_nl, W m-2, positive upwards
    crossover: Any  # hour angle at which net radiation is zero, rad
    positive: Any  # net radiation while it is positive, J m-2 d-1
    negative: Any  # net radiation while it is negative, J m-2 d-1


class DailyEvaporation(NamedTuple):
    """Water fluxes of a day, mm d-1."""

    actual: Any
    potential: Any
    condensation: Any


def orbit(day_of_year: Any) -> tuple[Any, Any]:
    """Return the distance factor and the declination of the sun (Berger 1978, to third order in eccentricity).

    Parameters
    ----------
    day_of_year : tensor
        d; a year has 365.

    Returns
    -------
    tuple of tensor
        Ratio of the radiation at the top of the atmosphere to its mean, and declination in rad.
    """
    e = ECCENTRICITY
    anomaly = _EQUINOX + (day_of_year - 80.0) * (2 * math.pi / 365.0) - PERIHELION
    true = anomaly + (2 * e - e**3 / 4) * pt.sin(anomaly) + 5 / 4 * e**2 * pt.sin(2 * anomaly) + 13 / 12 * e**3 * pt.sin(3 * anomaly)
    distance = ((1.0 + e * pt.cos(true)) / (1.0 - e**2)) ** 2
    return distance, pt.arcsin(pt.sin(true + PERIHELION) * math.sin(OBLIQUITY))


def _hour_angle(cosine: Any) -> Any:
    """Arc cosine, 0 above one and pi below minus one; a constant in gradients. NaN stays NaN."""
    outside = pt.abs(cosine) >= 1
    angle = pt.arccos(pt.switch(outside, 0.0, cosine))
    return disconnected_grad(pt.switch(cosine >= 1, 0.0, pt.switch(cosine <= -1, math.pi, angle)))


def radiation(day_of_year: Any, latitude: Any, elevation: Any, temperature: Any, cloud_fraction: Any) -> DailyRadiation:
    """Return the daily course of net radiation, and its integrals by day and by night (Davis et al. 2017).

    Parameters
    ----------
    day_of_year : tensor
        d.
    latitude : tensor
        degrees, positive northwards, not a pole.
    elevation : tensor
        m.
    temperature : tensor
        Air temperature, degC.
    cloud_fraction : tensor
        0 to 1: one minus the fraction of bright sunshine.

    Returns
    -------
    DailyRadiation
        Terms and integrals.
    """
    distance, declination = orbit(day_of_year)
    phi = latitude * (math.pi / 180.0)
    u, v = pt.sin(declination) * pt.sin(phi), pt.cos(declination) * pt.cos(phi)
    sunshine = 1.0 - cloud_fraction
    transmissivity = (0.25 + 0.5 * sunshine) * (1.0 + 2.67e-5 * elevation)  # Linacre (1968), Allen (1996)
    longwave = (0.2 + 0.8 * sunshine) * (107.0 - temperature)  # Linacre (1968), Monteith & Unsworth (1990)
    w = (1.0 - SHORTWAVE_ALBEDO) * SOLAR_CONSTANT * transmissivity * distance
    sunset = _hour_angle(-u / v)
    crossover = _hour_angle((longwave - w * u) / (w * v))
    positive = (w * u - longwave) * crossover + w * v * pt.sin(crossover)
    negative = w * u * (sunset - crossover) + w * v * (pt.sin(sunset) - pt.sin(crossover)) - longwave * (math.pi - crossover)
    return DailyRadiation(u, v, w, longwave, crossover, DAY / math.pi * positive, DAY / math.pi * negative)


def evaporation(r: DailyRadiation, temperature: Any, elevation: Any, relative_water: Any) -> DailyEvaporation:
    """Return what demand and supply let evaporate, the smaller of the two at each hour (Davis et al. 2017; Federer 1982).

    Parameters
    ----------
    r : DailyRadiation
        From `radiation`.
    temperature : tensor
        Air temperature, degC.
    elevation : tensor
        m; pressure is that of the standard atmosphere there.
    relative_water : tensor
        Soil water as a fraction of its capacity at the start of the day, 1.

    Returns
    -------
    DailyEvaporation
        Actual and potential evapotranspiration, positive to the atmosphere, and condensation at night, positive downwards.
        Supply may exceed what a capacity below 25 mm holds: the caller closes the balance.
    """
    pressure = water.pressure_at(elevation)
    slope = water.saturation_slope(temperature)
    heat = water.vaporisation_heat(temperature) * water.density_chen(temperature, pressure)
    per_energy = 1e3 * slope / (heat * (slope + water.psychrometric_constant(temperature, pressure)))  # mm (J m-2)-1
    demand = 3600.0 * (1.0 + ENTRAINMENT) * per_energy  # mm h-1 (W m-2)-1
    supply = SUPPLY_RATE * relative_water
    swing = demand * r.shortwave * r.amplitude
    level = demand * (r.shortwave * r.constant - r.net_longwave)
    meeting = _hour_angle((supply - level) / swing)
    actual = (24.0 / math.pi) * (supply * meeting + swing * (pt.sin(r.crossover) - pt.sin(meeting)) + level * (r.crossover - meeting))
    return DailyEvaporation(actual, (1.0 + ENTRAINMENT) * per_energy * r.positive, per_energy * pt.abs(r.negative))
