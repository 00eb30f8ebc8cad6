"""Aerodynamic resistances of a canopy of two storeys and of the ground, with stability from the sensible heat of the step before.

Logarithmic profile above the canopy, exponential inside; the forms and constants of BEPS (Ju et al. 2006, doi
10.1016/j.agrformet.2006.08.014; Liu et al. 2003, doi 10.1016/S0304-3800(02)00315-4).
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import clip, positive_part
from lsm_bayes.processes.thresholds import larger, smaller

STILL = 1.0 / 200.0  # m s-1, all conductances without wind
STILL_GROUND = 300.0  # s m-1
LEAST, MOST = 2.0, 100.0  # s m-1, above the canopy
LEAST_GROUND = 120.0  # s m-1
MOST_LEAF = 40.0  # s m-1
MOST_STABILITY = 10.0
MOST_UNSTABLE = -2.0  # m-1
RESISTANCE_WIDTH = 0.2  # s m-1
STABILITY_WIDTH = 0.02
LENGTH_WIDTH = 0.005  # m-1


class Conductances(NamedTuple):
    """m s-1; resistance of the ground, s m-1."""

    over: Any
    over_leaf: Any
    under: Any
    under_leaf: Any
    ground: Any


class Heights(NamedTuple):
    """m."""

    over: Any
    under: Any
    wind: Any


def _leaf_resistance(wind: Any, temperature: Any, soft: float) -> Any:
    diffusivity, viscosity = (18.9 + 0.07 * temperature) * 1e-6, (13.3 + 0.07 * temperature) * 1e-6
    return smaller(0.05 / (diffusivity * pt.sqrt(0.1 * wind / viscosity)), MOST_LEAF, RESISTANCE_WIDTH * soft)


def conductances(
    heights: Heights, clumping: Any, temperature: Any, wind: Any, sensible: Any, areas: tuple[Any, Any], soft: float = 0.0
) -> Conductances:
    """Return the conductances between leaves, ground and the air at the height of measurement.

    Parameters
    ----------
    heights : Heights
        Of the storeys and of the wind.
    clumping : tensor
        Clumping index.
    temperature : tensor
        Of the air, degC.
    wind : tensor
        m s-1.
    sensible : tensor
        Sensible heat of the overstorey in the step before, W m-2.
    areas : tuple of tensor
        Area of leaves and stems of overstorey and understorey, m2 m-2; that of the understorey has no effect.
    soft : float
        Width of the limits, as a multiple of those of this module; 0: exact.

    Returns
    -------
    Conductances
        From the air to a storey, from a storey to its leaves, and the resistance of the ground.
    """
    calm = wind <= 0
    blowing = pt.switch(calm, 1.0, wind)
    h = heights.over
    above, rough = heights.wind - 0.8 * h, 0.08 * h
    profile = pt.log(above / rough)
    friction = 0.4 * blowing / profile
    length = -0.4 * 9.8 * sensible / (1.225 * 1010.0 * (temperature + 273.3) * friction**3)
    length = larger(length, MOST_UNSTABLE, LENGTH_WIDTH * soft)
    over = clip((profile + 5.0 * above * length) / (0.4 * friction), LEAST, MOST, RESISTANCE_WIDTH * soft)
    # The product is either factor, but for the width: the other is 1.
    stable = positive_part(length, LENGTH_WIDTH / 10.0 * soft)
    shape = (1.0 + 5.0 * above * stable) * (1.0 - 16.0 * above * (length - stable)) ** -0.5
    stability = smaller(shape, MOST_STABILITY, STABILITY_WIDTH * soft)
    top = 1.1 * friction / 0.4
    decay = (0.167 + 0.179 * top) * (clumping * areas[0]) ** (1.0 / 3.0)
    inside = top * pt.exp(-decay * 0.2)
    steep = 0.1 + areas[0] ** 0.75
    mixing = 0.41 * friction * 0.2 * h / stability
    down = 1.0 - heights.under / h
    under = h / (steep * mixing) * (pt.exp(steep * down) - 1.0)
    below = top * pt.exp(-steep * (1.0 - 0.8 * heights.under / h))
    ground = h / (4.0 * mixing) * (math.exp(4.0) - pt.exp(4.0 * down)) + under + over

    def blown(conductance: Any) -> Any:
        return pt.switch(calm, STILL, conductance)

    return Conductances(
        blown(1.0 / over),
        blown(1.0 / _leaf_resistance(inside, temperature, soft)),
        blown(1.0 / (over + under)),
        blown(1.0 / _leaf_resistance(below, temperature, soft)),
        pt.switch(calm, STILL_GROUND, larger(ground, LEAST_GROUND, RESISTANCE_WIDTH * soft)),
    )
