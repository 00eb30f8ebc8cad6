"""Carbon exchange over the hours of daylight and over those of the night, from a process model with steps of a day or longer.

A daily mean hides what a tower sees best: at night respiration alone, in daylight the balance of two large fluxes. Both means are rates in
gC m-2 d-1 over their own hours, so that weighted by the hours, not added up, they make the daily mean. Day is from sunrise to sunset at the
latitude of the site, as in the FLUXNET columns that end in _DAY and _NIGHT, not by a threshold of measured radiation.

The process model gives photosynthesis, all of it in daylight, and respiration as means of the step; how respiration is shared between night
and day is a parameter. A stream of the day and one of the night each have their own: their priors are the same, their posteriors need not be.
In polar night there is no mean of daylight and in polar day none of the night: NaN, as towers have none there; the other mean is that of
the step. Leave such days out of the observations of the stream that has none.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.processes.acm import day_length


# One parameter a line.
# fmt: off
class NightRespiration(NamedTuple):
    """Share of the night; medians over the days at 12 FLUXNET2015 towers: 0.76 to 0.97 by night-time partitioning, 0.66 to 0.97 by that of daytime."""

    night_to_day: Annotated[float, Parameter("1", (0.4, 2.0), "respiration of the night over that of daylight, rates", Prior("log_normal", 0.9, 0.15))] = 0.9


class DiurnalWarmth(NamedTuple):
    """How respiration follows the temperature of the air within a day; the same medians by night-time partitioning give 1.08 to 1.55."""

    diurnal_q10: Annotated[float, Parameter("1", (0.7, 2.5), "apparent increase of respiration within a day for 10 K of the air", Prior("log_normal", 1.2, 0.15))] = 1.2
# fmt: on


def daylight(series: Mapping[str, Any]) -> Any:
    """Return the part of the day between sunrise and sunset.

    Parameters
    ----------
    series : mapping of str to tensor
        ``day_of_year``, 1 to 366, and ``latitude``, degrees north.

    Returns
    -------
    tensor
        0 in polar night to 1 in polar day; NaN where one of the two is.
    """
    # The hours alone would take a missing latitude or date for polar night.
    missing = 0.0 * (series["latitude"] + series["day_of_year"])
    return day_length(series["day_of_year"], series["latitude"]) / 24.0 + missing


def temperature_difference(light: Any, series: Mapping[str, Any]) -> Any:
    """Return by how much daylight is warmer than the night, means of the air.

    Parameters
    ----------
    light : tensor
        Part of the day with daylight.
    series : mapping of str to tensor
        ``air_temperature_min`` and ``air_temperature_max`` of the day, degC.

    Returns
    -------
    tensor
        K: of a sine between the two with its maximum at noon, (max - min) / 2 sin(pi d) / (pi d (1 - d)), half of the range at most 1.27
        times. Measured differences at the 12 towers are 0.23 to 0.45 of the range, not 0.64 as on such a day of 12 hours, because the
        maximum comes later: the Q10 is an apparent one.
    """
    middle = light * (1.0 - light)
    polar = pt.eq(middle, 0.0)
    shape = pt.switch(polar, 1.0, pt.sin(np.pi * light) / (np.pi * pt.switch(polar, 1.0, middle)))
    return 0.5 * (series["air_temperature_max"] - series["air_temperature_min"]) * shape


def shared_respiration(respiration: Any, light: Any, night_to_day: Any) -> tuple[Any, Any]:
    """Share respiration between daylight and night.

    Parameters
    ----------
    respiration : tensor
        Mean of the step.
    light : tensor
        Part of the day with daylight, d.
    night_to_day : tensor
        Ratio of the two rates, r.

    Returns
    -------
    tuple of tensor
        Rates in daylight, R / (d + (1 - d) r), and at night, r times that, in the unit of the respiration: d times the first and (1 - d)
        times the second add up to it.
    """
    of_day = respiration / (light + (1.0 - light) * night_to_day)
    return of_day, night_to_day * of_day


def _over(flux: Any, part: Any) -> Any:
    """Rate over a part of the day of a flux that is zero in the rest of it; NaN where there is no such part."""
    none = pt.eq(part, 0.0)
    return pt.switch(none, np.nan, flux / pt.switch(none, 1.0, part))


def _only(flux: Any, part: Any) -> Any:
    return pt.switch(pt.eq(part, 0.0), np.nan, flux)


def photosynthesis_of_daylight(series: Mapping[str, Any]) -> Any:
    """Return gross primary production over the hours of daylight.

    Parameters
    ----------
    series : mapping of str to tensor
        ``gpp``, gC m-2 d-1, mean of the step; ``day_of_year`` and ``latitude``.

    Returns
    -------
    tensor
        gC m-2 d-1: GPP times 24 over the day length in hours; NaN in polar night.
    """
    return _over(series["gpp"], daylight(series))


def exchange_of_daylight(series: Mapping[str, Any], night_to_day: Any) -> Any:
    """Return net ecosystem exchange over the hours of daylight.

    Parameters
    ----------
    series : mapping of str to tensor
        ``reco`` and ``gpp``, gC m-2 d-1, means of the step; ``day_of_year`` and ``latitude``.
    night_to_day : tensor
        Respiration of the night over that of daylight.

    Returns
    -------
    tensor
        gC m-2 d-1, positive to the atmosphere: respiration in daylight minus GPP times 24 over the day length; NaN in polar night.
    """
    light = daylight(series)
    return shared_respiration(series["reco"], light, night_to_day)[0] - _over(series["gpp"], light)


def exchange_of_night(series: Mapping[str, Any], night_to_day: Any) -> Any:
    """Return net ecosystem exchange over the hours of the night, which is respiration.

    Parameters
    ----------
    series : mapping of str to tensor
        ``reco``, gC m-2 d-1, mean of the step; ``day_of_year`` and ``latitude``.
    night_to_day : tensor
        Respiration of the night over that of daylight.

    Returns
    -------
    tensor
        gC m-2 d-1, positive to the atmosphere; NaN in polar day.
    """
    light = daylight(series)
    return _only(shared_respiration(series["reco"], light, night_to_day)[1], 1.0 - light)


def ratio_of_temperatures(series: Mapping[str, Any], p: DiurnalWarmth) -> Any:
    """Return the respiration of the night over that of daylight where it follows the temperature of the air.

    Parameters
    ----------
    series : mapping of str to tensor
        ``air_temperature_min`` and ``air_temperature_max``, degC; ``day_of_year`` and ``latitude``.
    p : DiurnalWarmth
        Smaller than the Q10 over seasons, because soil is damped and late and leaves respire less in the light.

    Returns
    -------
    tensor
        Q10^(-D / 10), dimensionless, with the difference D of mean temperatures.
    """
    return p.diurnal_q10 ** (-0.1 * temperature_difference(daylight(series), series))


_PLACE: dict[str, tuple[float, float]] = {"day_of_year": (1.0, 366.0), "latitude": (-66.0, 66.0)}
_RESPIRATION: dict[str, tuple[float, float]] = {"reco": (0.0, 50.0)}
_BOTH: dict[str, tuple[float, float]] = {**_RESPIRATION, "gpp": (0.0, 50.0)}
_WARMTH: dict[str, tuple[float, float]] = {"air_temperature_min": (-30.0, 25.0), "air_temperature_max": (-20.0, 40.0)}
_SHARED = "means by definition; night-time exchange is respiration, as in Reichstein et al. (2005), doi 10.1111/j.1365-2486.2005.001002.x"
_DAY_ERROR = "Laplace, sd growing with the flux"
_NIGHT_ERROR = "Laplace, and a bias of calm nights: those of low friction velocity are left out"

NEE_DAYTIME = ObservationOperator(
    "nee_daytime",
    {**_BOTH, **_PLACE},
    lambda s, p: exchange_of_daylight(s, p.night_to_day),
    NightRespiration,
    citation=_SHARED,
    error=_DAY_ERROR,
)
NEE_DAYTIME_Q10 = ObservationOperator(
    "nee_daytime_q10",
    {**_BOTH, **_PLACE, **_WARMTH},
    lambda s, p: exchange_of_daylight(s, ratio_of_temperatures(s, p)),
    DiurnalWarmth,
    quantity="nee_daytime",
    citation=_SHARED,
    error=_DAY_ERROR,
)
NEE_NIGHTTIME = ObservationOperator(
    "nee_nighttime",
    {**_RESPIRATION, **_PLACE},
    lambda s, p: exchange_of_night(s, p.night_to_day),
    NightRespiration,
    citation=_SHARED,
    error=_NIGHT_ERROR,
)
NEE_NIGHTTIME_Q10 = ObservationOperator(
    "nee_nighttime_q10",
    {**_RESPIRATION, **_PLACE, **_WARMTH},
    lambda s, p: exchange_of_night(s, ratio_of_temperatures(s, p)),
    DiurnalWarmth,
    quantity="nee_nighttime",
    citation=_SHARED,
    error=_NIGHT_ERROR,
)
GPP_DAYTIME = ObservationOperator(
    "gpp_daytime", {"gpp": (0.0, 50.0), **_PLACE}, photosynthesis_of_daylight, citation="mean by definition", error=_DAY_ERROR
)
