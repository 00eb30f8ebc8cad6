"""Leaf area of crops in LoGro-P, the phenology of JSBACH: summer crops, a second crop, or winter crops, by heat sums from fixed dates.

Public source of ICON-Land; Reick et al. (2021), JSBACH 3, doi 10.17617/2.3279802. Temperatures are degC, leaf area m2 m-2. A plot has
summer crops or winter crops in a year. Which, and when they are harvested, follows from comparisons on the day: heat sums and phase have
no gradient to what is calibrated. Leaf area has one, within a phase; the widths round the thresholds that act on it.
"""

from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.processes.logro_p_phenology import SMOOTH, WILTING, Widths, above, grown, seeded, shed
from lsm_bayes.processes.smoothing import positive_part

TROPICS = 30.0  # degrees of latitude up to which there are no phases
DAY = 86400.0
STARTED = float(np.finfo(float).eps)  # degC d, marks a winter heat sum that has begun
SPRING, SUMMER, AUTUMN = 70, 172, 289  # days of the year north of the equator
SOUTH = {SPRING: 252, SUMMER: 354, AUTUMN: 105}
# Phases: growth of winter crops, of the second and the first summer crop, rest of summer crops, of winter crops.
WINTER_GROWTH, SECOND_GROWTH, FIRST_GROWTH, SUMMER_REST, WINTER_REST = 2.0, 1.0, 0.0, -1.0, -2.0


class Crop(NamedTuple):
    """Parameters."""

    least_temperature: Any = 10.0  # degC, of the pseudo soil, for growth
    base: Any = 6.0  # degC, of heat sums
    harvest_heat: Any = 1300.0  # degC d
    sprouting_water: Any = 0.37  # relative soil water
    shedding: Any = 0.03333  # d-1
    rest_shedding: Any = 0.1428  # d-1
    leaf_share: Any = 0.8  # of net primary production


class Season(NamedTuple):
    """Memory."""

    phase: Any
    heat: Any  # degC d, since spring
    winter_heat: Any  # degC d, since autumn; negative from summer to autumn


class Dates(NamedTuple):
    """1 on the day on which a season begins, else 0."""

    spring: Any
    summer: Any
    autumn: Any


def dates(day_of_year: np.ndarray, latitude: np.ndarray) -> Dates:
    """Mark the days on which seasons begin.

    Parameters
    ----------
    day_of_year : numpy.ndarray
        d.
    latitude : numpy.ndarray
        degrees.

    Returns
    -------
    Dates
        Arrays.
    """
    north = np.asarray(latitude) >= 0
    return Dates(*(np.where(np.where(north, d, SOUTH[d]) == day_of_year, 1.0, 0.0) for d in (SPRING, SUMMER, AUTUMN)))


def season(x: Season, soil_temperature: Any, mean_temperature: Any, production: Any, today: Dates, p: Crop) -> Season:
    """Advance phase and heat sums by a day.

    Parameters
    ----------
    x : Season
        Memory at the start.
    soil_temperature : tensor
        Pseudo soil temperature, degC.
    mean_temperature : tensor
        Mean of the extremes of the day before, degC.
    production : tensor
        Potential net primary production of the day before, mol m-2 s-1: heat counts only where it is not clearly negative.
    today : Dates
        Whether seasons begin.
    p : Crop
        Parameters.

    Returns
    -------
    Season
        Memory at the end.
    """
    spring, summer, autumn = (d > 0.5 for d in today)
    phase, heat, winter = x
    ripe = p.harvest_heat

    def winter_crop() -> Any:
        return pt.abs(phase) >= 1.5

    heat = pt.switch(spring, 0.0, heat)
    phase = pt.switch(pt.and_(spring, pt.invert(winter_crop())), SUMMER_REST, phase)

    again = pt.and_(summer, pt.and_(pt.invert(winter_crop()), heat > ripe))
    ended = pt.and_(summer, phase > 1.5)
    heat = pt.switch(again, 0.0, heat)
    phase = pt.switch(again, SECOND_GROWTH, pt.switch(ended, WINTER_REST, phase))
    winter = pt.switch(pt.and_(summer, winter > 0), -winter, winter)

    unripe_winter = pt.and_(pt.abs(winter) < ripe, heat > ripe)
    failed = pt.and_(autumn, pt.and_(winter_crop(), pt.or_(unripe_winter, heat > 2.0 * ripe)))
    phase = pt.switch(failed, SUMMER_REST, phase)
    tried = pt.and_(pt.abs(phase - SECOND_GROWTH) > 0.5, pt.and_(heat < ripe, pt.abs(winter) > ripe))
    tried = pt.and_(autumn, pt.and_(tried, soil_temperature > p.least_temperature))
    phase = pt.switch(tried, WINTER_REST, phase)
    winter = pt.switch(autumn, STARTED, winter)

    warming = pt.switch(production > -1e-10, positive_part(mean_temperature - p.base), 0.0)
    heat = heat + warming
    winter = pt.switch(winter > 0, winter + warming, winter)

    warm = soil_temperature > p.least_temperature
    as_summer = pt.switch(heat > ripe, SUMMER_REST, pt.switch(phase < 0.5, FIRST_GROWTH, phase))
    as_winter = pt.switch(pt.or_(winter > ripe, winter < 0), WINTER_REST, WINTER_GROWTH)
    return Season(pt.switch(warm, pt.switch(winter_crop(), as_winter, as_summer), phase), heat, winter)


def leaf_area(
    area: Any,
    phase: Any,
    latitude: Any,
    soil_temperature: Any,
    water: Any,
    production: Any,
    area_per_carbon: Any,
    largest: Any,
    p: Crop,
    widths: Widths = SMOOTH,
) -> Any:
    """Return the leaf area of crops after a day.

    Parameters
    ----------
    area, largest : tensor
        Leaf area at the start and the largest, m2 m-2.
    phase : tensor
        On this day.
    latitude : tensor
        degrees; within 30 degrees of the equator crops grow whenever it is warm and moist.
    soil_temperature : tensor
        Pseudo soil temperature, degC.
    water : tensor
        Relative water of the upper soil.
    production : tensor
        Potential net primary production, mol m-2 s-1.
    area_per_carbon : tensor
        Specific leaf area, m2 mol-1.
    p : Crop
        Parameters.
    widths : Widths
        Of the thresholds.

    Returns
    -------
    tensor
        m2 m-2.
    """
    warm = above(soil_temperature, p.least_temperature, widths.temperature)
    moist = above(water, WILTING, widths.water)
    sprouting = above(water, p.sprouting_water, widths.water)
    started = area + sprouting * (seeded(area, largest, widths.area) - area)
    gained = p.leaf_share * area_per_carbon * DAY * positive_part(production, widths.production)
    growth = grown(started, gained / pt.switch(started < 1e-6, 1e-6, started), 0.0, largest)
    producing = above(production, 0.0, widths.production)
    growing = producing * growth + (1.0 - producing) * shed(started, p.shedding)
    resting = shed(area, p.rest_shedding)
    tropical = warm * moist * growing + (1.0 - warm * moist) * resting
    in_season = moist * pt.switch(phase > -0.5, 1.0, 0.0)
    seasonal = in_season * (warm * growing + (1.0 - warm) * shed(area, p.shedding)) + (1.0 - in_season) * resting
    return pt.switch(pt.abs(latitude) > TROPICS, seasonal, tropical)
