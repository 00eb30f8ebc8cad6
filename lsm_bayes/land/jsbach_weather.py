"""Weather of an hour of JSBACH, observed or made of daily drivers as in BETHY."""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import diurnal_course as course
from lsm_bayes.processes import penman_monteith as sky
from lsm_bayes.processes.thresholds import larger, smaller

DAY = 86400.0  # s
OVER_WATER = pt.constant(1.0)  # degC: saturation over water, as at the surface, also in frost


class Weather(NamedTuple):
    """Weather and light of an hour."""

    celsius: Any
    pressure: Any  # Pa
    wind: Any  # m s-1, at least 1
    cosine: Any  # of the zenith angle
    shortwave: Any  # W m-2
    par: Any  # W m-2
    direct: Any  # fraction of PAR
    vapour: Any  # Pa
    longwave: Any  # W m-2


def made_up(f: Any, p: Any, wetness: Any) -> Weather:
    """Return the weather of an hour with daily drivers.

    Parameters
    ----------
    f : WithinDayForcing
        Drivers.
    p : NamedTuple
        Parameters.
    wetness : tensor
        Of the root zone, 0 to 1: wet soil makes the air moister by day.

    Returns
    -------
    Weather
        Vapour pressure is that of dew at the lowest temperature.
    """
    mean = 0.5 * (f.air_temperature_min + f.air_temperature_max)
    pressure, sun = course.pressure_at(f.elevation, mean), course.sun(f.day_of_year, f.latitude)
    shortwave = f.shortwave_down * (1e6 / DAY)
    clear = course.clearness(sun, shortwave, pressure)
    kept, cloud = course.kept(sun, shortwave, clear, pressure), course.cloudiness(clear)
    celsius = course.temperature(sun, f.solar_hour, f.air_temperature_min, f.air_temperature_max)
    light = course.light(sun, f.solar_hour, clear, pressure)
    moist = smaller(wetness, pt.as_tensor(1.0), 1e-3)
    base = (0.96 + 0.04 * moist) * sky.saturation(f.air_temperature_min, OVER_WATER)[0]
    vapour, _ = sky.vapour_pressure(base, sky.saturation(celsius, OVER_WATER)[0], moist, sky.AirForm())
    emitted = sky.EMISSIVITY * sky.STEFAN_BOLTZMANN * (celsius + sky.MELTING) ** 4
    return Weather(
        celsius,
        pressure,
        p.typical_wind,
        course.cosine(sun, f.solar_hour),
        kept * light.shortwave,
        kept * light.par,
        light.direct,
        vapour,
        sky.net_longwave(celsius, vapour, cloud) + emitted,
    )


def observed(f: Any) -> Weather:
    """Return the weather of an observed hour.

    Parameters
    ----------
    f : HourlyForcing
        Drivers.

    Returns
    -------
    Weather
        Direct light follows from the ratio of actual to potential light.
    """
    sun = course.sun(f.day_of_year, f.latitude)
    pressure, shortwave = 1e3 * f.air_pressure, f.shortwave_down * (1e6 / DAY)
    mu = course.cosine(sun, f.solar_hour)
    clear = course.clearness_of_hour(sun, mu, shortwave, pressure)
    return Weather(
        f.air_temperature,
        pressure,
        larger(f.wind_speed, pt.as_tensor(1.0)),
        mu,
        shortwave,
        shortwave * course.par_share(mu, clear),
        course.direct_share(sun, mu, clear, pressure),
        sky.saturation(f.air_temperature, OVER_WATER)[0] - 100.0 * f.vapour_pressure_deficit,
        f.longwave_down,
    )
