"""An hourly course of temperature and light from the extremes of temperature and the mean shortwave radiation of a day: BETHY.

Knorr (1997) and the public source of CCDAS: BETHY; direct and diffuse light after Weiss & Norman (1985), doi
10.1016/0168-1923(85)90020-6. Hours are local solar time.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import smaller

SOLAR_PAR = 600.0  # W m-2, PAR outside the atmosphere
PAR_SHARE = 0.43  # of clear-sky shortwave
LEAST_COSINE = 1e-3
HOURS = tuple(i + 0.5 for i in range(24))
SOURCE_HOURS = tuple(float(i + 1) for i in range(24))
STANDARD_PRESSURE = 101325.0  # Pa
CLEAR = 0.9  # ratio of actual to potential radiation without clouds


class Sun(NamedTuple):
    """Course of the sun on one day: the cosine of the zenith angle is ``sine_part - cosine_part * cos(pi * hour / 12)``."""

    sine_part: Any
    cosine_part: Any
    hours: Any  # day length, h
    distance: Any  # inverse square of the distance, relative to its mean


class Light(NamedTuple):
    """Radiation of one time."""

    shortwave: Any  # W m-2
    par: Any  # W m-2
    direct: Any  # fraction of PAR


def sun(day_of_year: Any, latitude: Any) -> Sun:
    """Return the course of the sun.

    Parameters
    ----------
    day_of_year : tensor
        1 on 1 January.
    latitude : tensor
        degrees, positive northwards.

    Returns
    -------
    Sun
        Day length is 0 in the polar night and 24 in the polar day.
    """
    declination = -math.radians(23.4) * pt.cos(2.0 * math.pi / 365.0 * (day_of_year + 10.0))
    angle = latitude * (math.pi / 180.0)
    sine, cosine = pt.sin(angle) * pt.sin(declination), pt.cos(angle) * pt.cos(declination)
    ratio = -sine / cosine
    never, always = ratio > 1, ratio < -1
    inside = pt.switch(pt.or_(never, always), 0.0, ratio)
    hours = pt.switch(never, 0.0, pt.switch(always, 24.0, pt.arccos(inside) * (24.0 / math.pi)))
    turn = 2.0 * math.pi / 365.0 * (day_of_year - 1.0)
    distance = 1.00011 + 0.034221 * pt.cos(turn) + 0.00128 * pt.sin(turn) + 0.000719 * pt.cos(2 * turn) + 0.000077 * pt.sin(2 * turn)
    return Sun(sine, cosine, hours, distance)


def cosine(course: Sun, hour: Any) -> Any:
    """Return the cosine of the zenith angle, negative at night.

    Parameters
    ----------
    course : Sun
        Of the day.
    hour : tensor or float
        h.

    Returns
    -------
    tensor
        -1 to 1.
    """
    turned = math.cos(math.pi / 12.0 * hour) if isinstance(hour, float) else pt.cos(math.pi / 12.0 * hour)
    return course.sine_part - course.cosine_part * turned


def temperature(course: Sun, hour: Any, lowest: Any, highest: Any) -> Any:
    """Return air temperature: highest at 14 h, lowest at sunrise, along a sine by day and a straight line by night.

    Parameters
    ----------
    course : Sun
        Of the day.
    hour : tensor or float
        h.
    lowest, highest : tensor
        Of the day, degC.

    Returns
    -------
    tensor
        degC. With less than 4 h of day it is the mean, with more than 20 h the sine goes on.
    """
    mean, amplitude = 0.5 * (lowest + highest), 0.5 * (highest - lowest)
    half = 0.5 * course.hours
    rise, set_ = 12.0 - half, 12.0 + half

    def by_day(h: Any) -> Any:
        return mean + amplitude * pt.cos(math.pi * (h - 14.0) / (half + 2.0))

    since = hour - set_
    since = pt.switch(since < 0, since + 24.0, since)
    dusk = by_day(set_)
    night = 24.0 - course.hours
    by_night = dusk - (dusk - lowest) * since / pt.switch(night <= 0, 1.0, night)
    light = pt.or_(course.hours > 20, pt.and_(hour > rise, hour < set_))
    return pt.switch(course.hours < 4, mean, pt.switch(light, by_day(hour), by_night))


def _clear(course: Sun, mu: Any, pressure: Any) -> tuple[Any, Any]:
    """PAR on clear days, W m-2, and the direct fraction of it; zero where the sun is down."""
    down = mu < LEAST_COSINE
    above = pt.switch(down, 1.0, mu)
    beam = pt.exp(-0.185 / above * (pressure / STANDARD_PRESSURE))
    whole = 0.4 + 0.6 * beam
    return pt.switch(down, 0.0, SOLAR_PAR * course.distance * above * whole), pt.switch(down, 0.0, beam / whole)


def clearness(course: Sun, shortwave: Any, pressure: Any, hours: tuple[float, ...] = HOURS) -> Any:
    """Return the ratio of actual to potential shortwave radiation of a day.

    Parameters
    ----------
    course : Sun
        Of the day.
    shortwave : tensor
        Mean of the day, W m-2.
    pressure : tensor
        Pa.
    hours : tuple of float
        At which radiation is added up.

    Returns
    -------
    tensor
        0 in the dark; may exceed 1.
    """
    potential: Any = 0.0
    for hour in hours:
        potential = potential + _clear(course, cosine(course, hour), pressure)[0]
    potential = potential / (PAR_SHARE * len(hours))
    dark = pt.or_(potential < 1e-3, shortwave <= 1e-3)
    return pt.switch(dark, 0.0, shortwave / pt.switch(dark, 1.0, potential))


def clearness_of_hour(course: Sun, mu: Any, shortwave: Any, pressure: Any) -> Any:
    """Return the ratio of actual to potential shortwave radiation of one time.

    Parameters
    ----------
    course : Sun
        Of the day.
    mu : tensor
        Cosine of the zenith angle.
    shortwave : tensor
        W m-2.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        0 to 1.2; half where the sun is down.
    """
    potential = _clear(course, mu, pressure)[0] / PAR_SHARE
    dark = potential < 1.0
    return pt.switch(dark, 0.5, smaller(shortwave / pt.switch(dark, 1.0, potential), 1.2))


def daylight_weight(course: Sun, mu: Any, hours: tuple[float, ...] = HOURS) -> Any:
    """Return by how much an hour counts in proportion to the height of the sun.

    Parameters
    ----------
    course : Sun
        Of the day.
    mu : tensor
        Cosine of the zenith angle in the hour.
    hours : tuple of float
        At which heights are added up.

    Returns
    -------
    tensor
        1 in the mean of the day; the night counts a little, and alone in the polar night.
    """
    night = 1e-3

    def height(cosine_: Any) -> Any:
        return night + pt.switch(cosine_ < 0, 0.0, cosine_)

    mean: Any = 0.0
    for hour in hours:
        mean = mean + height(cosine(course, hour))
    return height(mu) * len(hours) / mean


def cloudiness(clear: Any) -> Any:
    """Return the fraction of clouds.

    Parameters
    ----------
    clear : tensor
        Ratio of actual to potential radiation.

    Returns
    -------
    tensor
        0 to 1.
    """
    return smaller((CLEAR - smaller(clear, CLEAR)) / 0.4, 1.0)


def direct_share(course: Sun, mu: Any, clear: Any, pressure: Any) -> Any:
    """Return the direct fraction of PAR (Weiss & Norman 1985, equation 12).

    Parameters
    ----------
    course : Sun
        Of the day.
    mu : tensor
        Cosine of the zenith angle.
    clear : tensor
        Ratio of actual to potential radiation.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        0 to 1.
    """
    gap = (CLEAR - smaller(clear, CLEAR)) / 0.7
    nothing = gap <= 0
    # The source has the exponent 0.6667.
    through = 1.0 - pt.switch(nothing, 0.0, pt.exp(0.6667 * pt.log(pt.switch(nothing, 1.0, gap))))
    return pt.switch(through < 0, 0.0, through) * _clear(course, mu, pressure)[1]


def par_share(mu: Any, clear: Any) -> Any:
    """Return the fraction of shortwave radiation that is PAR, more under clouds.

    Parameters
    ----------
    mu : tensor
        Cosine of the zenith angle.
    clear : tensor
        Ratio of actual to potential radiation.

    Returns
    -------
    tensor
        0.43 to 0.68.
    """
    return PAR_SHARE + 0.25 * (1.0 - smaller(clear, CLEAR)) * mu


def light(course: Sun, hour: Any, clear: Any, pressure: Any) -> Light:
    """Return the radiation of one time.

    Parameters
    ----------
    course : Sun
        Of the day.
    hour : tensor or float
        h.
    clear : tensor
        Ratio of actual to potential radiation.
    pressure : tensor
        Pa.

    Returns
    -------
    Light
        Zero where the sun is down. The mean over the day is below what the ratio was made from, the more so the more clouds there are
        (`kept`).
    """
    mu = cosine(course, hour)
    par = clear * _clear(course, mu, pressure)[0]
    return Light(par / par_share(mu, clear), par, direct_share(course, mu, clear, pressure))


def kept(course: Sun, shortwave: Any, clear: Any, pressure: Any, hours: tuple[float, ...] = HOURS) -> Any:
    """Return the factor with which the course of light has the mean shortwave radiation of the day.

    Parameters
    ----------
    course : Sun
        Of the day.
    shortwave : tensor
        Mean of the day, W m-2.
    clear : tensor
        Ratio of actual to potential radiation.
    pressure : tensor
        Pa.
    hours : tuple of float
        At which radiation is added up.

    Returns
    -------
    tensor
        1 in the dark.
    """
    mean: Any = 0.0
    for hour in hours:
        mean = mean + light(course, hour, clear, pressure).shortwave
    mean = mean / len(hours)
    dark = mean <= 1e-3
    return pt.switch(dark, 1.0, shortwave / pt.switch(dark, 1.0, mean))


def pressure_at(elevation: Any, celsius: Any) -> Any:
    """Return air pressure.

    Parameters
    ----------
    elevation : tensor
        m.
    celsius : tensor
        Mean air temperature of the day, degC.

    Returns
    -------
    tensor
        Pa, with a lapse rate of 6 K km-1.
    """
    lapse = 6e-3
    base = 1.0 + elevation * lapse / (celsius + 273.15)
    return STANDARD_PRESSURE * pt.exp(-9.80665 * 0.028964 / 8.314 / lapse * pt.log(base))
