"""Snow that falls, melts with temperature, sublimes, settles and darkens with age: BETHY.

Knorr (1997), Loth & Graf (1998), doi 10.1029/97JD01411, and the public source of CCDAS: BETHY. Water is mm, height m; at the
densities used here, kg m-3, one over the other.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import capped, error_step, floored, quadratic_minimum
from lsm_bayes.processes.thresholds import clipped, larger, smaller

MELT_RATE = 3.22  # mm d-1 K-1
LEAST_DENSITY = 30.0  # kg m-3
LARGEST_ALBEDO = 0.8


class Pack(NamedTuple):
    """Snow on the ground."""

    water: Any  # mm
    height: Any  # m
    albedo: Any


class Day(NamedTuple):
    """What a day does, mm d-1."""

    pack: Pack
    snowfall: Any
    melt: Any
    sublimation: Any


def snow_share(celsius: Any) -> Any:
    """Return the fraction of precipitation that falls as snow: all below -1.1 degC, none above 3.3 degC.

    Parameters
    ----------
    celsius : tensor
        Mean of the day, degC.

    Returns
    -------
    tensor
        0 to 1.
    """
    return clipped((3.3 - celsius) / 4.4, 0.0, 1.0)


def fresh_density(celsius: Any) -> Any:
    """Return the density of new snow.

    Parameters
    ----------
    celsius : tensor
        degC.

    Returns
    -------
    tensor
        kg m-3.
    """
    warm = error_step((celsius + 15.0) / 1e-2, rational=True)
    over = floored(celsius + 15.0, 0.0, 1e-2)
    warm_density = 50.0 + 1.7 * over * pt.sqrt(pt.switch(over <= 0, 1.0, over))
    return floored((10.0 + 2.667 * (celsius + 30.0)) * (1.0 - warm) + warm_density * warm, LEAST_DENSITY, 0.1)


def settled_density(pack: Pack, celsius: Any) -> Any:
    """Return the density of old snow after a day under its own weight.

    Parameters
    ----------
    pack : Pack
        Snow at the start.
    celsius : tensor
        degC.

    Returns
    -------
    tensor
        kg m-3, at least 30.
    """
    density = pack.water / larger(pack.height, 1e-6)
    return larger(density * (1.0 + 0.0229 * pt.exp(0.08 * celsius - 0.021 * density) * 0.5 * pack.water), LEAST_DENSITY)


def aged_albedo(albedo: Any, fallen: Any, height: Any, celsius: Any, ground: Any) -> Any:
    """Return the albedo of snow after a day.

    Parameters
    ----------
    albedo : tensor
        At the start.
    fallen : tensor
        Height of new snow, m.
    height : tensor
        Of all snow, m.
    celsius : tensor
        degC.
    ground : tensor
        Albedo of the ground, the least.

    Returns
    -------
    tensor
        New snow brightens, thaw darkens, the more so where there is little snow.
    """
    brighter = capped(albedo + 10.0 * fallen, LARGEST_ALBEDO, 1e-2)
    thaw, deep = error_step(celsius / 1e-2, rational=True), error_step((height - 0.25) / 1e-2, rational=True)
    slow = floored(0.107 - 0.214 * brighter, 0.0, 1e-3)
    return floored(brighter - slow * thaw * deep - 0.071 * thaw * (1.0 - deep) - 0.006 * (1.0 - thaw), ground, 1e-3)


def day(pack: Pack, celsius: Any, precipitation: Any, sublimation: Any, ground: Any, sharpness: float = 0.99) -> Day:
    """Return snow after a day.

    Parameters
    ----------
    pack : Pack
        At the start.
    celsius : tensor
        Mean of the day, degC.
    precipitation : tensor
        mm d-1.
    sublimation : tensor
        Less than the snow at the start and what falls, mm d-1.
    ground : tensor
        Albedo of the ground.
    sharpness : float
        Of the smooth minimum of what can melt and what there is.

    Returns
    -------
    Day
        Water is conserved.
    """
    fallen = precipitation * snow_share(celsius)
    there = pack.water + fallen - sublimation
    melt = quadratic_minimum(floored(MELT_RATE * celsius, 0.0, 1e-2), there, sharpness)
    left = there - melt
    # What is left is new as far as snow fell.
    new = fallen / (pack.water + fallen + 1e-6)
    new_height = new * left / fresh_density(celsius)
    height = new_height + (1.0 - new) * left / settled_density(pack, celsius)
    return Day(Pack(left, height, aged_albedo(pack.albedo, new_height, height, celsius, ground)), fallen, melt, sublimation)


def day_of_source(pack: Pack, celsius: Any, precipitation: Any, potential: Any, ground: Any) -> Day:
    """Return snow after a day as the source has it: limits are smoothed one after the other, so that a little water comes and goes.

    Parameters
    ----------
    pack : Pack
        At the start.
    celsius : tensor
        Mean of the day, degC.
    precipitation : tensor
        mm d-1.
    potential : tensor
        Potential evaporation of the soil, mm d-1.
    ground : tensor
        Albedo of the ground.

    Returns
    -------
    Day
        Nothing happens above 5 degC without snow; snow that falls today does not melt today.
    """
    fallen = precipitation * snow_share(celsius)
    sublimation = smaller(potential, pack.water + fallen)
    density = settled_density(pack, celsius)
    melt = floored(MELT_RATE * celsius, 0.0, 1e-2)
    left = pack.water - melt - sublimation
    melt = melt + capped(left, 0.0, 1e-3)
    left = floored(left, 0.0, 0.1)
    sublimation = floored(sublimation + capped(melt, 0.0, 1e-3), 0.0, 1e-3)
    melt = floored(melt, 0.0, 1e-3)
    new_height = fallen / fresh_density(celsius)
    height = left / density + new_height
    albedo = aged_albedo(pack.albedo, new_height, height, celsius, ground)
    idle = pt.and_(celsius > 5.0, pack.water <= 0)

    def unless_idle(value: Any, otherwise: Any) -> Any:
        return pt.switch(idle, otherwise, value)

    after = Pack(unless_idle(left + fallen, pack.water), unless_idle(height, pack.height), unless_idle(albedo, pack.albedo))
    return Day(after, unless_idle(fallen, 0.0), unless_idle(melt, 0.0), unless_idle(sublimation, 0.0))


def sun_brightening(mu: Any, cloud: Any) -> Any:
    """Return how much brighter snow is with a low sun and under clouds, relative to what it can be.

    Parameters
    ----------
    mu : tensor
        Cosine of the zenith angle.
    cloud : tensor
        Fraction of the sky.

    Returns
    -------
    tensor
        0 at night; the albedo is ``a + (1 - a) * a**3`` times this.
    """
    down = mu <= 0
    low = pt.switch(down, 0.5, smaller(mu, 0.999))
    return pt.switch(down, 0.0, cloud**2 + (1.0 - 1.3 * cloud**2) * pt.exp(1.0 - (1.0 - low) ** -2))
