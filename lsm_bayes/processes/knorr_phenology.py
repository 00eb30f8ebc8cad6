"""Leaf area that follows warmth, day length and water (Knorr et al. 2010, JGR Biogeosciences 115, G04017, doi 10.1029/2009JG001119).

Temperature and water act through their means over about a month, which are states of the model. All functions are smooth but for the
flat ends of the smooth maximum.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt

MEMORY = 30.0  # d
SHARPNESS = 0.99
LEAST_AREA, AREA_WIDTH = 1e-9, 5e-3  # m2 m-2
LEAST_TRANSPIRATION, TRANSPIRATION_WIDTH = 1e-3, 2e-2  # mm d-1


class Traits(NamedTuple):
    """Parameters of phenology."""

    temperature: Any  # K, above which half of the plants have leaves
    temperature_spread: Any  # K
    hours: Any  # h, day length above which half of the plants have leaves
    hours_spread: Any  # h
    growth_rate: Any  # d-1
    shedding_rate: Any  # d-1
    largest_area: Any  # m2 m-2
    water_use_time: Any  # d, for which soil water lasts at the rate of transpiration


class Season(NamedTuple):
    """What phenology asks for."""

    leaf_area: Any  # m2 m-2 at the end of the step
    temperature_memory: Any  # K
    area_memory: Any  # fraction of the largest area
    warmth: Any  # 1
    daylight: Any  # 1
    water_limited: Any  # m2 m-2, that soil water keeps
    limited: Any  # m2 m-2, the smaller of that and the largest area


def smooth_minimum(x: Any, y: Any, sharpness: float = SHARPNESS) -> Any:
    """Return the smaller root of a quadratic, at most the smaller of two numbers (Knorr et al. 2010).

    Parameters
    ----------
    x, y : tensor
        Not negative, the same unit.
    sharpness : float
        Below 1; at 1 the result is the minimum.

    Returns
    -------
    tensor
        In the same unit.
    """
    total = x + y
    inside = total * total - 4.0 * sharpness * x * y
    return (total - pt.sqrt(pt.switch(inside < 1e-18, 1e-18, inside))) / (2.0 * sharpness)


def smooth_maximum(x: Any, floor: float, width: float) -> Any:
    """Return a number that does not fall below a floor (Knorr et al. 2010).

    Parameters
    ----------
    x : tensor
        Any unit.
    floor, width : float
        In the same unit: over how much the floor is approached.

    Returns
    -------
    tensor
        In the same unit; at the floor where `x` is more than the width below it.
    """
    under = x < floor - width
    return pt.switch(under, floor, x + width * pt.exp(-(pt.switch(under, floor, x) - floor) / width - 1.0))


def _normal(x: Any) -> Any:
    return 0.5 * pt.erfc(-x / math.sqrt(2.0))


def season(
    traits: Traits,
    leaf_area: Any,
    temperature_memory: Any,
    area_memory: Any,
    temperature: Any,
    hours: Any,
    water: Any,
    transpiration: Any,
    days: Any,
) -> Season:
    """Return the leaf area that plants aim at, and advance their memories.

    Parameters
    ----------
    traits : Traits
        Parameters.
    leaf_area : tensor
        m2 m-2 at the start.
    temperature_memory : tensor
        Mean air temperature of about a month, K.
    area_memory : tensor
        Mean leaf area that water limits, as a fraction of the largest.
    temperature : tensor
        Air temperature, K.
    hours : tensor
        Day length, h.
    water : tensor
        Soil water in reach, mean of the step, mm.
    transpiration : tensor
        mm d-1.
    days : tensor
        Step length, d; the update is exact for constant limits.

    Returns
    -------
    Season
        Leaf area and memories at the end (Knorr et al. 2010, equations 1 to 14).
    """
    kept = pt.exp(-days / MEMORY)
    memory = temperature_memory * kept + temperature * (1.0 - kept)
    warmth = _normal((memory - traits.temperature) / traits.temperature_spread)
    daylight = _normal((hours - traits.hours) / traits.hours_spread)
    leafy = warmth * daylight
    rate = traits.growth_rate * leafy + (1.0 - leafy) * traits.shedding_rate
    used = smooth_maximum(transpiration, LEAST_TRANSPIRATION, TRANSPIRATION_WIDTH)
    kept_by_water = water * leaf_area / (traits.water_use_time * used)
    limited = smooth_minimum(traits.largest_area, kept_by_water)
    share = area_memory * kept + limited / traits.largest_area * (1.0 - kept)
    limit = smooth_maximum(traits.growth_rate * share * traits.largest_area * leafy / rate, LEAST_AREA, AREA_WIDTH)
    aim = limit - (limit - leaf_area) * pt.exp(-rate * days)
    return Season(aim, memory, share, warmth, daylight, kept_by_water, limited)
