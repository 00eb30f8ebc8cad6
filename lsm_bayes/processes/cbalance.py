"""Carbon of living plants in three pools, green, wood and reserve, that net primary production fills up to what leaves allow: JSBACH.

Goll et al. (2012), doi 10.5194/bg-9-3547-2012; Reick et al. (2021), doi 10.17617/2.3279802, and the public source of ICON-Land. Pools are
gC m-2, fluxes gC m-2 d-1, the step is one day. The green pool holds leaves, fine roots and sugars. What no pool can take is respired; what
the reserve cannot pay is not. Minima of what comes and what there is room for are quadratic in the smooth form: carbon is conserved.
"""

from typing import Any, NamedTuple

from lsm_bayes.processes.layered_bucket import least
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger

GREEN_PER_LEAF = 4.0  # carbon of the green pool over that of leaves
RESERVE_TIME = 365.0  # d
HARVEST_TIME = 365.0  # d
GRAZED_TO_LITTER = 0.3
GREEN_ABOVE, WOOD_ABOVE = 0.5, 0.7  # of litter
HARVESTED = 0.5  # of litter of crops above ground


class Plants(NamedTuple):
    """Carbon of living plants, gC m-2."""

    green: Any
    wood: Any
    reserve: Any


class Traits(NamedTuple):
    """Parameters."""

    area_per_carbon: Any  # m2 gC-1
    largest_area: Any  # m2 m-2
    reserve_ratio: Any  # of the reserve to leaves of the largest area
    largest_wood: Any  # gC m-2
    to_wood: Any  # of net primary production
    to_reserve: Any
    to_exudates: Any
    grazed: Any  # d-1
    wood_time: Any  # d
    shedding: Any  # d-1, at least


class Widths(NamedTuple):
    """Of kinks; zero is exact."""

    carbon: float = 0.5  # gC m-2
    production: float = 0.02  # gC m-2 d-1
    area: float = 2e-5  # m2 m-2, of a day's shedding
    rounding: float = 0.01  # of minima


EXACT, SMOOTH = Widths(*[0.0] * 4), Widths()


class Day(NamedTuple):
    """What a day does."""

    plants: Plants
    green_litter: Any  # of green and reserve pools and of grazers
    wood_litter: Any
    exudates: Any
    grazed_to_air: Any
    respired_excess: Any  # production that found no room
    unpaid: Any  # respiration that nothing could pay


def day(x: Plants, production: Any, area: Any, before: Any, t: Traits, widths: Widths = SMOOTH) -> Day:
    """Advance the pools by a day.

    Parameters
    ----------
    x : Plants
        Carbon at the start.
    production : tensor
        Net primary production, gC m-2 d-1.
    area, before : tensor
        Leaf area at the end and at the start of the day, m2 m-2.
    t : Traits
        Parameters.
    widths : Widths
        Of kinks.

    Returns
    -------
    Day
        Carbon is conserved: production is the change of plants, litter, exudates, what grazers respire and `respired_excess`, less
        `unpaid`.
    """
    rounding = widths.rounding
    per_area = GREEN_PER_LEAF / t.area_per_carbon
    shed = larger(before - area, t.shedding * area, widths.area)
    fallen = least(per_area * positive_part(shed), x.green, rounding)
    green = x.green - fallen
    spare = least(positive_part(green - per_area * area, widths.carbon), green, rounding)
    green = green - spare
    eaten = t.grazed * green
    green = green - eaten
    dead_wood, decayed = x.wood / t.wood_time, x.reserve / RESERVE_TIME
    wood, reserve = x.wood - dead_wood, x.reserve - decayed

    gained = positive_part(production, widths.production)
    paid = least(gained - production, reserve, rounding)
    unpaid = gained - production - paid
    reserve = reserve - paid
    exudates, wanted = t.to_exudates * gained, t.to_wood * gained
    to_wood = least(wanted, positive_part(t.largest_wood - wood, widths.carbon), rounding)
    enough = positive_part(t.reserve_ratio * t.largest_area / t.area_per_carbon - reserve, widths.carbon)
    to_reserve = least(t.to_reserve * gained, enough, rounding)
    rest = gained - exudates - to_wood - to_reserve
    to_green = least(rest, positive_part(per_area * area - green, widths.carbon), rounding)
    also = least(rest - to_green, enough - to_reserve, rounding)
    return Day(
        Plants(green + to_green, wood + to_wood, reserve + to_reserve + also),
        fallen + spare + decayed + GRAZED_TO_LITTER * eaten,
        dead_wood,
        exudates,
        (1.0 - GRAZED_TO_LITTER) * eaten,
        rest - to_green - also,
        unpaid,
    )
