"""Allocation in balance with what limits growth, light, water or nitrogen, and a reserve that starts new leaves: ORCHIDEE.

Friedlingstein et al. (1999), doi 10.1046/j.1365-2486.1999.00269.x; Krinner et al. (2005), doi 10.1029/2003GB002199, and the public source
of ORCHIDEE (stomate_alloc).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import clip, positive_part, quadratic_minimum
from lsm_bayes.processes.thresholds import smaller

LEAST_LIMIT, LEAST_ROOT = 0.1, 0.15
LEAST_LEAF, MOST_LEAF = 0.2, 0.5
LEAST_HUMIDITY = 0.5


class Traits(NamedTuple):
    """Parameters."""

    root: Any = 0.3  # R0, to roots without limitation
    sapwood: Any = 0.3  # S0, to sapwood without limitation
    extinction: Any = 0.5  # of light in the canopy
    largest_area: Any = 5.0  # m2 m-2
    leaf_area_per_carbon: Any = 0.02  # m2 g-1
    fruit: Any = 0.1
    reserve: Any = 0.5  # ecureuil, of what goes to leaves and roots; 0.5 deciduous trees, 1 grass
    least_above: Any = 0.2  # of sapwood growth above ground, young trees
    most_above: Any = 0.8  # old trees
    age: Any = 5.0  # yr
    nitrogen_depth: float = 0.2  # m
    leaf_start: Any = 10.0  # d, for half of the largest leaf area out of the reserve


class Widths(NamedTuple):
    """Of the kinks; zero is exact."""

    limit: float = 0.02
    fraction: float = 0.01
    reserve: float = 10.0  # g m-2
    area: float = 0.05  # m2 m-2


EXACT, SMOOTH = Widths(0.0, 0.0, 0.0, 0.0), Widths()


class Fractions(NamedTuple):
    """Of assimilates that remain after respiration, adding up to one."""

    leaf: Any
    sapwood_above: Any
    sapwood_below: Any
    root: Any
    fruit: Any
    reserve: Any


def depth_weights(bottoms: Sequence[float], depth: float) -> tuple[float, ...]:
    """Return the weights of soil layers that decline exponentially with depth.

    Parameters
    ----------
    bottoms : sequence of float
        Lower ends of the layers, m.
    depth : float
        e-folding depth, m.

    Returns
    -------
    tuple of float
        Adding up to one.
    """
    edges = np.exp(-np.concatenate([[0.0], bottoms]) / depth)
    return tuple(float(w) for w in -np.diff(edges) / (1.0 - edges[-1]))


def limitations(lai: Any, moisture: Any, soil_temperature: Any, soil_humidity: Any, p: Traits, widths: Widths = SMOOTH) -> tuple[Any, Any]:
    """Return the availability of light, and of what is scarcer of water and nitrogen.

    Parameters
    ----------
    lai : tensor
        m2 m-2.
    moisture : tensor
        Availability of soil water, mean of a week.
    soil_temperature : tensor
        degC, mean of a month over the depth where nitrogen is.
    soil_humidity : tensor
        0 to 1, the same mean.
    p : Traits
        Parameters.
    widths : Widths
        Of the kinks.

    Returns
    -------
    tuple of tensor
        0.1 to 1 (Friedlingstein et al. 1999).
    """
    light = pt.exp(-p.extinction * lai)
    light = LEAST_LIMIT + positive_part(light - LEAST_LIMIT, widths.limit)
    water = clip(moisture, LEAST_LIMIT, 1.0, widths.limit)
    warm = clip(pt.exp(math.log(2.0) * (soil_temperature - 25.0) / 10.0), LEAST_LIMIT, 1.0, widths.limit)
    humid = clip(soil_humidity, LEAST_HUMIDITY, 1.0, widths.limit)
    nitrogen = clip(humid * warm, LEAST_LIMIT, 1.0, widths.limit)
    return light, quadratic_minimum(water, nitrogen, 0.95) if widths.limit > 0 else smaller(water, nitrogen)


def shares(light: Any, below_ground: Any, lai: Any, p: Traits, widths: Widths = SMOOTH) -> tuple[Any, Any, Any]:
    """Return how leaves, sapwood and roots share what neither fruit nor reserve get.

    Parameters
    ----------
    light, below_ground : tensor
        `limitations`.
    lai : tensor
        m2 m-2; beyond the largest nothing goes to leaves, their share to sapwood.
    p : Traits
        Parameters.
    widths : Widths
        Of the kinks.

    Returns
    -------
    tuple of tensor
        Leaves, sapwood and roots, adding up to one (Friedlingstein et al. 1999, leaves between 0.2 and 0.5).
    """
    root = p.root * 3.0 * light / (light + 2.0 * below_ground)
    root = LEAST_ROOT + positive_part(root - LEAST_ROOT, widths.fraction)
    sapwood = p.sapwood * 3.0 * below_ground / (2.0 * light + below_ground)
    leaf = clip(1.0 - root - sapwood, LEAST_LEAF, MOST_LEAF, widths.fraction)
    root = 1.0 - leaf - sapwood
    if widths.area > 0:
        growing = pt.sigmoid((p.largest_area - lai) / widths.area)
    else:
        growing = pt.switch(lai > p.largest_area, 0.0, pt.switch(lai <= p.largest_area, 1.0, lai))
    return growing * leaf, sapwood + (1.0 - growing) * leaf, root


def fractions(leaf: Any, sapwood: Any, root: Any, age: Any, reserve: Any, p: Traits, tree: bool, widths: Widths = SMOOTH) -> Fractions:
    """Return allocation to all parts.

    Parameters
    ----------
    leaf, sapwood, root : tensor
        `shares`.
    age : tensor
        Of the stand, yr.
    reserve : tensor
        Carbon in the reserve, g m-2; it is filled up to twice the largest mass of leaves.
    p : Traits
        Parameters.
    tree : bool
        The sapwood of grass is above ground.
    widths : Widths
        Of the kinks.

    Returns
    -------
    Fractions
        Adding up to one.
    """
    full = 2.0 * p.largest_area / p.leaf_area_per_carbon
    if widths.reserve > 0:
        filling = pt.sigmoid((full - reserve) / widths.reserve)
    else:
        filling = pt.switch(reserve < full, 1.0, pt.switch(reserve >= full, 0.0, reserve))
    kept = 1.0 / (1.0 + filling * p.reserve * (leaf + root))
    above = p.least_above + (p.most_above - p.least_above) * -pt.expm1(-age / p.age) if tree else 1.0
    growth = (1.0 - p.fruit) * kept
    return Fractions(
        leaf * growth, sapwood * above * growth, sapwood * (1.0 - above) * growth, root * growth, p.fruit, (1.0 - kept) * (1.0 - p.fruit)
    )


def reserve_use(lai: Any, reserve: Any, since_onset: Any, longest: Any, p: Traits, widths: Widths = SMOOTH) -> tuple[Any, Any]:
    """Return what the reserve gives to leaves and roots on a day.

    Parameters
    ----------
    lai : tensor
        m2 m-2; from half of the largest on nothing is given.
    reserve : tensor
        g m-2; cannot be exceeded.
    since_onset : tensor
        Days since growth began.
    longest : tensor
        Days during which the reserve is used: 30 for trees, 20 for grass.
    p : Traits
        Parameters.
    widths : Widths
        Of the kinks. That in days is none of parameters, and stays hard.

    Returns
    -------
    tuple of tensor
        To leaves and to roots, g m-2 d-1.
    """
    enough = 0.5 * p.largest_area
    daily = 2.0 * enough / (p.leaf_area_per_carbon * p.leaf_start)
    if widths.area > 0:
        bare = pt.sigmoid((enough - lai) / widths.area)
        used = reserve - positive_part(reserve - daily, widths.reserve)
    else:
        bare = pt.switch(lai < enough, 1.0, pt.switch(lai >= enough, 0.0, lai))
        used = smaller(reserve, daily)
    early = pt.switch(since_onset < longest, 1.0, pt.switch(since_onset >= longest, 0.0, since_onset))
    given = bare * early * used
    to_leaves = (1.0 - p.root - p.sapwood) / (1.0 - p.sapwood)
    return to_leaves * given, (1.0 - to_leaves) * given
