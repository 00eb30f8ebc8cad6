"""Leaf area by logistic growth in phases that weather starts and ends: LoGro-P, the phenology of JSBACH, for five kinds of plants.

Reick et al. (2021), JSBACH 3, doi 10.17617/2.3279802; alternating model of bud burst by Murray et al. (1989), doi 10.2307/2404093; public
source of ICON-Land. Temperatures are degC, leaf area m2 m-2, and a step of
the phases is one day.

Phases, heat sums and counters are memory. With exact thresholds phases are 0 or 1 and their timing has no gradient; with widths
they are weights between, thresholds are logistic, and leaf area is the mean of what the phases would do.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger, reached, smaller

SEED = 0.4  # m2 m-2, leaf area with which growth starts
WILTING = 0.351  # relative soil water up to which nothing grows
LONGEST_CHILL = 365.0  # d
LONGEST_CLOCK = 365.0  # d
FEW = 1e-9  # plants that do not count


class Widths(NamedTuple):
    """Of logistic thresholds and rounded kinks; zero is exact."""

    heat: float = 10.0  # degC d
    days: float = 2.0
    temperature: float = 0.5  # degC
    water: float = 0.02
    area: float = 0.02  # m2 m-2
    production: float = 2e-8  # mol m-2 s-1, of net primary production


EXACT, SMOOTH = Widths(*[0.0] * 6), Widths()


class Alternating(NamedTuple):
    """Parameters of summergreens (defaults) and evergreens."""

    base: Any = 4.0  # degC, between days that chill and days that warm
    least_heat: Any = 30.0  # degC d, for bud burst after a long winter
    heat_range: Any = 200.0  # degC d, added without winter
    chill_scale: Any = 25.0  # d
    growth_length: Any = 60.0  # d
    growth_rate: Any = 0.087195  # d-1
    shedding: Any = 0.004  # d-1, in the vegetative phase
    rest_shedding: Any = 0.1  # d-1
    autumn_temperature: Any = 10.0  # degC, of the pseudo soil
    shortest: Any = 90.0  # d, of growth and vegetative phase
    longest: Any = 270.0  # d


SUMMERGREEN = Alternating()
EVERGREEN = Alternating(4.0, 10.0, 150.0, 15.0, 60.0, 0.015, 8e-4)


class Raingreen(NamedTuple):
    """Parameters of raingreens."""

    dry_shedding: Any = 0.12  # d-1, below the wilting point
    ageing: Any = 0.005  # d-1
    growth_rate: Any = 0.08  # d-1
    critical_water: Any = 0.65  # relative soil water from which leaves fall by age alone
    leaf_out_water: Any = 0.4
    wilting: Any = 0.35


class Grass(NamedTuple):
    """Parameters of grass."""

    least_temperature: Any = 4.0  # degC
    growth_rate: Any = 0.09  # d-1
    shedding: Any = 0.015  # d-1
    dry_shedding: Any = 0.015  # d-1


class Season(NamedTuple):
    """Memory of plants with phases; the weight of the vegetative phase is what rest and growth leave."""

    resting: Any  # 0 to 1; always 0 for evergreens
    growing: Any  # 0 to 1
    clock: Any  # d since growth began; 0 before the first time
    counting: Any  # 0 to 1, whether the heat sum has been started
    heat: Any  # degC d
    chill: Any  # d


def grown(area: Any, growth: Any, shedding: Any, largest: Any, days: Any = 1.0) -> Any:
    """Return leaf area after logistic growth with shedding.

    Parameters
    ----------
    area, largest : tensor
        Leaf area at the start and the largest, m2 m-2.
    growth, shedding : tensor
        d-1.
    days : tensor
        Step length, d.

    Returns
    -------
    tensor
        m2 m-2, the exact solution of ``dx/dt = growth (1 - x / largest) x - shedding x``.
    """
    rate = (growth - shedding) * days
    same = pt.abs(rate) < 1e-8
    safe = pt.switch(same, 1.0, rate)
    integral = pt.switch(same, 1.0 - 0.5 * rate, -pt.expm1(-safe) / safe)  # mean of exp(-rate s) over the step
    return area / (growth * days * area / largest * integral + pt.exp(-rate))


def shed(area: Any, rate: Any, days: Any = 1.0) -> Any:
    """Return leaf area after shedding.

    Parameters
    ----------
    area : tensor
        m2 m-2.
    rate : tensor
        d-1.
    days : tensor
        Step length, d.

    Returns
    -------
    tensor
        m2 m-2.
    """
    return area * pt.exp(-rate * days)


def seeded(area: Any, largest: Any, width: float) -> Any:
    """Return leaf area of at least the seed, or the largest where that is smaller.

    Parameters
    ----------
    area, largest : tensor
        m2 m-2.
    width : float
        Of the kink, m2 m-2.

    Returns
    -------
    tensor
        m2 m-2.
    """
    seed = smaller(largest, pt.as_tensor(SEED))
    return area + positive_part(seed - area, width) if width > 0 else larger(area, seed)


def above(x: Any, threshold: Any, width: float) -> Any:
    """Return 1 where a threshold is exceeded.

    Parameters
    ----------
    x, threshold : tensor
        The same unit.
    width : float
        In that unit; above zero a logistic step.

    Returns
    -------
    tensor
        0 to 1; not exceeded at the threshold itself.
    """
    if width > 0:
        return reached(x, threshold, width)
    return pt.switch(x > threshold, 1.0, pt.switch(x <= threshold, 0.0, x + threshold))


def pseudo_soil_temperature(before: Any, temperature: Any, days: Any = 1.0, memory: Any = 10.0) -> Any:
    """Return the air temperature that plants remember.

    Parameters
    ----------
    before : tensor
        degC, at the start.
    temperature : tensor
        Of the air, degC.
    days : tensor
        Step length, d.
    memory : tensor
        d.

    Returns
    -------
    tensor
        degC.
    """
    kept = pt.exp(-days / memory)
    return kept * before + (1.0 - kept) * temperature


def season(
    x: Season, air_temperature: Any, soil_temperature: Any, starting: Any, p: Alternating, evergreen: bool, widths: Widths = SMOOTH
) -> Season:
    """Advance the phases of summergreens or evergreens by a day.

    Parameters
    ----------
    x : Season
        Memory at the start.
    air_temperature : tensor
        Mean of the day before, degC.
    soil_temperature : tensor
        Pseudo soil temperature, degC.
    starting : tensor
        1 on the day of the year on which the heat sum may begin: 1 north of the equator, 183 south of it; else 0.
    p : Alternating
        Parameters.
    evergreen : bool
        Evergreens have no rest: growth follows the vegetative phase.
    widths : Widths
        Of the thresholds.

    Returns
    -------
    Season
        Memory at the end. Heat sum and chill days begin anew at each bud burst; in the smooth form, where plants burst bud over some days,
        when the heat sum begins.
    """
    vegetative = 1.0 - x.resting - x.growing
    waiting = vegetative if evergreen else x.resting
    counting = x.counting + starting * waiting * (1.0 - x.counting)
    clock = x.clock + above(x.clock, 0.0, 0.0) * (1.0 - reached(x.clock, LONGEST_CLOCK))
    warm = reached(soil_temperature, p.base, widths.temperature or None)
    heat = x.heat + counting * warm * (soil_temperature - p.base)
    chill = smaller(x.chill + counting * (1.0 - warm), pt.as_tensor(LONGEST_CHILL))
    critical = p.least_heat + p.heat_range * pt.exp(-chill / p.chill_scale)
    passed = above(heat, critical, widths.heat)
    burst = waiting * counting * passed
    matured = x.growing * above(clock, p.growth_length, widths.days)
    if evergreen:
        fallen: Any = 0.0 * burst
    else:
        cold = above(soil_temperature, air_temperature, widths.temperature)
        cold = cold * above(p.autumn_temperature, soil_temperature, widths.temperature) * above(clock, p.shortest, widths.days)
        late = above(clock, p.longest, widths.days)
        fallen = vegetative * (cold + late - cold * late)
    if widths.heat > 0:
        return _blended(x, Season(x.resting, x.growing, clock, counting, heat, chill), burst, passed, matured, fallen, evergreen)
    kept = 1.0 - burst
    return Season(
        x.resting + fallen if evergreen else x.resting + fallen - burst,
        x.growing + burst - matured,
        kept * clock + burst,
        kept * counting,
        kept * heat,
        kept * chill,
    )


def _blended(x: Season, now: Season, burst: Any, passed: Any, matured: Any, fallen: Any, evergreen: bool) -> Season:
    # Where plants burst bud over some days those that wait keep their heat sum, and the clock is the mean of those with new leaves. Of
    # plants that wait, `counting` is the fraction that may still burst bud in this season.
    waiting = 1.0 - x.resting - x.growing if evergreen else x.resting
    joining = matured if evergreen else 0.0
    stayed = waiting * (1.0 - now.counting * passed) + joining
    counting = (waiting + FEW) * now.counting * (1.0 - passed) / (stayed + FEW)
    share = burst / ((x.growing if evergreen else 1.0 - x.resting) + burst + FEW)
    begun = now.counting - x.counting
    kept = (1.0 - begun) * (1.0 - burst**4)
    resting = x.resting + fallen if evergreen else x.resting + fallen - burst
    return Season(resting, x.growing + burst - matured, now.clock + share * (1.0 - now.clock), counting, kept * now.heat, kept * now.chill)


def leaf_area(area: Any, x: Season, largest: Any, p: Alternating, widths: Widths = SMOOTH) -> Any:
    """Return the leaf area of summergreens or evergreens after a day.

    Parameters
    ----------
    area, largest : tensor
        Leaf area at the start and the largest, m2 m-2.
    x : Season
        Phases on this day.
    p : Alternating
        Parameters.
    widths : Widths
        Of the kink at the seed.

    Returns
    -------
    tensor
        m2 m-2.
    """
    growth = grown(seeded(area, largest, widths.area), p.growth_rate, 0.0, largest)
    vegetative = 1.0 - x.resting - x.growing
    return x.resting * shed(area, p.rest_shedding) + x.growing * growth + vegetative * shed(area, p.shedding)


def raingreen(area: Any, water: Any, production: Any, largest: Any, p: Raingreen, widths: Widths = SMOOTH) -> Any:
    """Return the leaf area of raingreens after a day.

    Parameters
    ----------
    area, largest : tensor
        Leaf area at the start and the largest, m2 m-2.
    water : tensor
        Soil water relative to its capacity.
    production : tensor
        Potential net primary production of the day before, mol m-2 s-1.
    p : Raingreen
        Parameters.
    widths : Widths
        Of the thresholds.

    Returns
    -------
    tensor
        m2 m-2. Leaf area stays where production is negative and soil is moist.
    """
    moist = above(water, WILTING, widths.water)
    out = above(water, p.leaf_out_water, widths.water)
    started = area + out * (seeded(area, largest, widths.area) - area)
    slope = p.growth_rate / (p.critical_water - p.wilting)
    falling = p.ageing + slope * positive_part(p.critical_water - water, widths.water)
    producing = above(production, 0.0, widths.production)
    wet = started + producing * (grown(started, p.growth_rate, falling, largest) - started)
    return moist * wet + (1.0 - moist) * shed(area, p.dry_shedding)


def grass(area: Any, temperature: Any, water: Any, production: Any, largest: Any, p: Grass, widths: Widths = SMOOTH) -> Any:
    """Return the leaf area of grass after a day.

    Parameters
    ----------
    area, largest : tensor
        Leaf area at the start and the largest, m2 m-2.
    temperature : tensor
        Of the air, degC.
    water : tensor
        Soil water relative to its capacity.
    production : tensor
        Potential net primary production of the day before, mol m-2 s-1.
    p : Grass
        Parameters.
    widths : Widths
        Of the thresholds.

    Returns
    -------
    tensor
        m2 m-2.
    """
    fair = above(temperature, p.least_temperature, widths.temperature) * above(water, WILTING, widths.water)
    started = seeded(area, largest, widths.area)
    producing = above(production, 0.0, widths.production)
    growing = producing * grown(started, p.growth_rate, 0.0, largest) + (1.0 - producing) * shed(started, p.shedding)
    return fair * growing + (1.0 - fair) * shed(area, p.dry_shedding)
