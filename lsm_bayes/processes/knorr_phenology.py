"""Leaf area that follows warmth, day length and water (Knorr et al. 2010, JGR Biogeosciences 115, G04017, doi 10.1029/2009JG001119).

Temperature and water act through their means over about a month, which are states of the model. All functions are smooth but for the
flat ends of the smooth maximum. `season` is the form of CARDAMOM, with steps of any length; `leaves` and `cover` are that of
CCDAS: BETHY, with steps of a day.
"""

import math
from typing import Any, Literal, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import error_step, floored, quadratic_maximum, quadratic_minimum

MEMORY = 30.0  # d
SHARPNESS = 0.99
LEAST_AREA, AREA_WIDTH = 1e-9, 5e-3  # m2 m-2
LEAST_TRANSPIRATION, TRANSPIRATION_WIDTH = 1e-3, 2e-2  # mm d-1
COVER_MEMORY = 5.0 * 365.0  # d
CLOSED = 3.0  # m2 m-2, leaf area from which crowns cover the ground
CARBON_PER_DRY_MATTER = 0.45
SHED_WIDTH = 1e-3  # m2 m-2

Kind = Literal["evergreen", "summergreen", "grass"]
"""What limits leaves: water alone (evergreen and raingreen plants of warm climates), warmth and day length (trees, shrubs and tundra
of cold climates, evergreen ones with a low rate of shedding), or warmth and water (grass, crops and swamps)."""


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
    used = floored(transpiration, LEAST_TRANSPIRATION, TRANSPIRATION_WIDTH)
    kept_by_water = water * leaf_area / (traits.water_use_time * used)
    limited = quadratic_minimum(traits.largest_area, kept_by_water, SHARPNESS)
    share = area_memory * kept + limited / traits.largest_area * (1.0 - kept)
    limit = floored(traits.growth_rate * share * traits.largest_area * leafy / rate, LEAST_AREA, AREA_WIDTH)
    aim = limit - (limit - leaf_area) * pt.exp(-rate * days)
    return Season(aim, memory, share, warmth, daylight, kept_by_water, limited)


class Leaves(NamedTuple):
    """Leaf area and the memories of phenology."""

    area: Any  # m2 m-2
    temperature_memory: Any  # degC
    area_memory: Any  # m2 m-2, that water keeps


def leaves(
    kind: Kind,
    traits: Traits,
    before: Leaves,
    temperature: Any,
    hours: Any,
    water: Any,
    transpiration: Any,
    *,
    rational: bool = False,
) -> Leaves:
    """Return leaf area and memories after a day (Knorr et al. 2010, in the form of CCDAS: BETHY).

    Parameters
    ----------
    kind : {"evergreen", "summergreen", "grass"}
        Which limits act.
    traits : Traits
        Parameters; temperatures in degC. Spreads are those of `error_step`.
    before : Leaves
        At the start of the day.
    temperature : tensor
        Mean of the day, degC.
    hours : tensor
        Day length, h.
    water : tensor
        Soil water in reach, mm.
    transpiration : tensor
        Of plants without water stress, mm d-1.
    rational : bool
        Steps by the approximation of the source.

    Returns
    -------
    Leaves
        At the end of the day. Memories that do not act stay.
    """
    kept = math.exp(-1.0 / MEMORY)
    warmth, shortage = before.temperature_memory, before.area_memory
    leafy: Any = 1.0
    if kind != "evergreen":
        warmth = warmth * kept + temperature * (1.0 - kept)
        leafy = error_step((warmth - traits.temperature) / traits.temperature_spread, rational=rational)
    if kind == "summergreen":
        leafy = leafy * error_step((hours - traits.hours) / traits.hours_spread, rational=rational)
    else:
        used = floored(transpiration, LEAST_TRANSPIRATION, TRANSPIRATION_WIDTH)
        limited = quadratic_minimum(water * before.area / (traits.water_use_time * used), traits.largest_area, 0.9)
        shortage = shortage * kept + limited * (1.0 - kept)
    if kind == "evergreen":
        rate, limit = traits.growth_rate, shortage
    else:
        rate = traits.growth_rate * leafy + traits.shedding_rate * (1.0 - leafy) + 1e-9
        largest = traits.largest_area if kind == "summergreen" else shortage
        limit = floored(traits.growth_rate * leafy * largest / rate, LEAST_AREA, AREA_WIDTH)
    return Leaves(limit - (limit - before.area) * pt.exp(-rate), warmth, shortage)


def shed(before: Any, after: Any, specific_area: Any, *, growth: bool = False) -> Any:
    """Return the carbon of leaves that are shed.

    Parameters
    ----------
    before, after : tensor
        Leaf area, m2 m-2.
    specific_area : tensor
        m2 per kg of dry matter.
    growth : bool
        Take growth for it, as the source does.

    Returns
    -------
    tensor
        gC m-2; a little, 1.7 over the specific area in ten days, where leaf area does not change.
    """
    lost = after - before if growth else before - after
    return floored(lost, 0.0, SHED_WIDTH) / specific_area * (1000.0 * CARBON_PER_DRY_MATTER)


def cover(area: Any, largest: Any) -> tuple[Any, Any]:
    """Return the fraction of the ground under crowns after a day, and advance the memory of leaf area.

    Parameters
    ----------
    area : tensor
        Leaf area at the end of the day, m2 m-2.
    largest : tensor
        Memory at the start, m2 m-2.

    Returns
    -------
    tuple of tensor
        Cover, and the largest leaf area, which is forgotten over five years.
    """
    sharp = 0.99999
    largest = quadratic_maximum(area, largest, sharp) * math.exp(-1.0 / COVER_MEMORY)
    return quadratic_minimum(quadratic_maximum(largest / CLOSED, area / CLOSED, sharp), 1.0, sharp), largest
