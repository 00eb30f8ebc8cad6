"""Evaporation of bare soil, of water on it and of snow by Penman-Monteith, as in BEPS.

Soil resistance of Sellers et al. (1992), doi 10.1029/92JD01096, equation 19.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.moist_air import PSYCHROMETER, SUBLIMATION, Air
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger, smaller, supplied

WET = 0.01  # m s-1, conductance of water and of snow
SHARE = 0.8  # of net radiation over water and snow
COVERING = 0.02  # m, snow depth from which nothing of the ground is seen
COVERED = 0.025  # m, depth that covers it in proportion
MOST_DEW = 0.002 / 360.0  # kg m-2 s-1
WATER = 1025.0  # kg m-3, as in the source
WIDTH = 1e-7  # kg m-2 s-1
FILM = 0.01  # kg m-2, water that wets half of the ground


class GroundEvaporation(NamedTuple):
    """kg m-2 s-1, and the cover of snow."""

    soil: Any
    pond: Any
    snow: Any
    cover: Any


def _power(air: Air, net: Any, drying: Any, conductance: Any, surface: Any) -> Any:
    return (air.slope * net + drying) / (air.slope + PSYCHROMETER * (1.0 + conductance / surface))


def evaporation(
    air: Air,
    heat: Any,
    net: Any,
    conductance: Any,
    wetness: Any,
    pond: Any,
    snow: tuple[Any, Any, Any],
    seconds: float,
    soft: float = 0.0,
) -> GroundEvaporation:
    """Return what evaporates from the ground.

    Parameters
    ----------
    air : Air
        Humidity of the air with saturation at the temperature of the ground.
    heat : tensor
        Latent heat of vaporisation, J kg-1.
    net : tensor
        Net radiation of the ground, W m-2.
    conductance : tensor
        From the ground to the air, m s-1.
    wetness : tensor
        Relative soil moisture of the uppermost layer.
    pond : tensor
        Water on the ground, m.
    snow : tuple of tensor
        Its mass (kg m-2), depth (m) and density (kg m-3).
    seconds : float
        Step length.
    soft : float
        Width of the floors, times `WIDTH`; 0: exact.

    Returns
    -------
    GroundEvaporation
        Soil evaporates only when it is free of water and snow, and water when it is free of snow; at most what is there.
    """
    mass, depth, density = snow
    cover = pt.switch(depth > COVERING, 1.0, smaller(mass / (COVERED * density), 1.0))
    bare = pt.and_(pond <= 0, depth <= 0)
    drying = air.heat * air.deficit * conductance
    soil_conductance = 0.25 * pt.exp(4.2 * wetness - 8.2)

    soil = pt.switch(bare, positive_part((1.0 - cover) * _power(air, net, drying, conductance, soil_conductance) / heat, WIDTH * soft), 0.0)
    wet = _power(air, SHARE * net, drying, conductance, WET)
    ponded = smaller(larger(wet / heat, -MOST_DEW, WIDTH * soft), pond * WATER / seconds, WIDTH * soft)
    ponded = pt.switch(pt.and_(pond > 0, depth <= 0), ponded, 0.0)
    sublimed = smaller(larger(cover * wet / SUBLIMATION, -MOST_DEW, WIDTH * soft), mass / seconds, WIDTH * soft)
    return GroundEvaporation(soil, ponded, pt.switch(depth > 0, sublimed, 0.0), cover)


def blended(
    air: Air,
    heat: Any,
    net: Any,
    conductance: Any,
    wetness: Any,
    pond: Any,
    snow: tuple[Any, Any],
    seconds: Any,
    soft: float = 0.0,
) -> GroundEvaporation:
    """Return what evaporates from ground of which snow and water cover parts.

    Parameters
    ----------
    air, heat, net, conductance, wetness : tensor
        As in `evaporation`.
    pond : tensor
        Water on the ground, kg m-2.
    snow : tuple of tensor
        Its mass (kg m-2) and depth (m).
    seconds : tensor
        Step length.
    soft : float
        Widths of the floors, times `WIDTH`, and of full cover (`thresholds.supplied`); 0: exact.

    Returns
    -------
    GroundEvaporation
        Soil evaporates where it is free of water and snow, in proportion to their cover; stores give at most what they have. Dew falls on
        water and snow.
    """
    mass, depth = snow
    cover = supplied(depth / COVERED, pt.constant(1.0), soft)
    drying = air.heat * air.deficit * conductance
    dry = _power(air, net, drying, conductance, 0.25 * pt.exp(4.2 * wetness - 8.2)) / heat
    wet = _power(air, SHARE * net, drying, conductance, WET)
    film = pond / (pond + FILM)

    def given(share: Any, latent: Any, store: Any) -> Any:
        lost = supplied(share * positive_part(wet / latent, WIDTH * soft), store / seconds, soft)
        return lost - share * smaller(positive_part(-wet / latent, WIDTH * soft), MOST_DEW, WIDTH * soft)

    soil = (1.0 - cover) * (1.0 - film) * positive_part(dry, WIDTH * soft)
    return GroundEvaporation(soil, given((1.0 - cover) * film, heat, pond), given(cover, SUBLIMATION, mass), cover)
