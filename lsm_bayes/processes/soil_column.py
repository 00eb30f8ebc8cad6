"""Water in a column of soil layers: retention, conductivity, drainage of what exceeds field capacity, and exchange between layers.

Power laws of relative soil moisture (Campbell 1974, doi 10.1097/00010694-197406000-00001); the drainage is that of CARDAMOM's model
1100. Water potentials are negative, MPa; relative soil moisture is water per pore volume.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import positive_part, smaller

SATURATED = -0.117 / 100.0  # MPa, water potential of saturated soil
DRIEST = -30.0  # MPa
METRES_PER_MPA = 1e3 / 9.8  # height of a column of water
LEAST = 1e-6  # relative soil moisture, least in powers and quotients
DAY = 86400.0
NOTHING = 1e-30  # mm, below it the square in the derivative of a quotient may underflow


class Layer(NamedTuple):
    """A layer of soil during a step."""

    water: Any  # mm at the start
    capacity: Any  # mm
    liquid: Any  # fraction of the water
    gained: Any  # mm d-1, what enters less what leaves otherwise
    wetness: Any  # relative soil moisture at the start
    potential: Any  # MPa at the start
    thickness: Any  # m


def wetness_at(potential: Any, exponent: Any) -> Any:
    """Return the relative soil moisture at a water potential.

    Parameters
    ----------
    potential : tensor
        MPa, negative.
    exponent : tensor
        Retention exponent b.

    Returns
    -------
    tensor
        1.
    """
    return (potential / SATURATED) ** (-1.0 / exponent)


def water_potential(wetness: Any, exponent: Any) -> Any:
    """Return the water potential, at least -30 MPa.

    Parameters
    ----------
    wetness : tensor
        Relative soil moisture.
    exponent : tensor
        Retention exponent b.

    Returns
    -------
    tensor
        MPa.
    """
    driest = wetness_at(DRIEST, exponent)  # the limit is set on the moisture: no power of zero
    return SATURATED * pt.switch(wetness < driest, driest, wetness) ** (-exponent)


def conductivity(saturated: Any, wetness: Any, exponent: Any) -> Any:
    """Return the hydraulic conductivity of soil.

    Parameters
    ----------
    saturated : tensor
        Conductivity of saturated soil, m s-1.
    wetness : tensor
        Relative soil moisture, positive.
    exponent : tensor
        Retention exponent b.

    Returns
    -------
    tensor
        m s-1: saturated * wetness^(2 b + 3).
    """
    return saturated * wetness ** (2.0 * exponent + 3.0)


def drained_fraction(wetness: Any, exponent: Any, field_capacity: Any, rate: Any) -> Any:
    """Return what a layer loses by drainage in a step.

    Parameters
    ----------
    wetness : tensor
        Relative soil moisture.
    exponent : tensor
        Retention exponent b.
    field_capacity : tensor
        Suction at field capacity, MPa, positive.
    rate : tensor
        Fraction of what exceeds field capacity that saturated soil loses in a step.

    Returns
    -------
    tensor
        Water lost per pore volume (CARDAMOM source, function DRAIN).
    """
    over = positive_part(wetness - 1.0)
    capped = wetness - over
    least = wetness_at(-field_capacity, exponent)
    excess = positive_part(capped - least)
    potential = SATURATED * pt.switch(capped < least, least, capped) ** (-exponent)
    return over + excess * rate * (1.0 - (SATURATED - potential) / (SATURATED + field_capacity))


def openness(potential: Any, liquid: Any, half: Any, steepness: Any) -> Any:
    """Return the fraction of the transport of water in plants that drought leaves.

    Parameters
    ----------
    potential : tensor
        Of soil water, MPa.
    liquid : tensor
        Fraction of the soil water that is liquid, a factor of the result.
    half : tensor
        Suction at which half is left, MPa, positive.
    steepness : tensor
        Of the logistic function of relative suction.

    Returns
    -------
    tensor
        0 to 1.
    """
    return liquid * pt.sigmoid(steepness * (1.0 + potential / half))


def failure(potential: Any, liquid: Any, half: Any, steepness: Any) -> Any:
    """Return what `openness` lacks of one, exact where it is small.

    Parameters
    ----------
    potential, liquid, half, steepness : tensor
        As in `openness`.

    Returns
    -------
    tensor
        0 to 1.
    """
    height = steepness * (1.0 + potential / half)
    return pt.sigmoid(-height) + (1.0 - liquid) * pt.sigmoid(height)


def exchange(
    upper: Layer,
    lower: Layer,
    saturated: Any,
    exponent: Any,
    days: Any,
    metres_per_mpa: float = METRES_PER_MPA,
    implicit: bool = True,
) -> Any:
    """Return the flow of water between two layers (Darcy), limited by liquid water and pore space.

    Parameters
    ----------
    upper, lower : Layer
        The layers.
    saturated : tensor
        Conductivity of saturated soil, m s-1; between layers it is the geometric mean.
    exponent : tensor
        Retention exponent b.
    days : tensor
        Step length, d.
    metres_per_mpa : float
        Height of a column of water with the pressure of 1 MPa.
    implicit : bool
        Whether the response of the potentials to the flow is taken into account (one linear implicit step): without it long steps
        overshoot. It vanishes with the step length.

    Returns
    -------
    tensor
        mm d-1, positive downwards.
    """
    wetness = [pt.switch(n.wetness < LEAST, LEAST, n.wetness) for n in (upper, lower)]
    mean = conductivity(saturated, pt.sqrt(wetness[0] * wetness[1]), exponent)
    gradient = metres_per_mpa / (0.5 * (upper.thickness + lower.thickness))
    wanted = 1000.0 * DAY * mean * (gradient * (upper.potential - lower.potential) + 1.0)
    if implicit:
        stiffness = sum(-exponent * n.potential / (w * n.capacity) for n, w in zip((upper, lower), wetness, strict=True))
        wanted = wanted / (1.0 + days * 1000.0 * DAY * mean * gradient * stiffness)
    down = smaller(smaller(upper.liquid * wanted * days, _space(lower, days)), _available(upper, days))
    up = smaller(smaller(-lower.liquid * wanted * days, _space(upper, days)), _available(lower, days))
    return pt.switch(wanted > 0, down, -up) / days


def _space(layer: Layer, days: Any) -> Any:
    return positive_part(layer.capacity - layer.water - layer.gained * days)


def _available(layer: Layer, days: Any) -> Any:
    return positive_part(layer.liquid * layer.water + layer.gained * days)


def share_of_losses(losses: Any, gain: Any, liquid_water: Any, days: Any) -> Any:
    """Return the factor by which losses must shrink so that a layer holds the water that leaves it.

    Parameters
    ----------
    losses, gain : tensor
        mm d-1.
    liquid_water : tensor
        mm at the start.
    days : tensor
        Step length, d.

    Returns
    -------
    tensor
        At most 1.
    """
    wanted = losses * days
    there = positive_part(liquid_water + gain * days)
    short = wanted > there + NOTHING
    return pt.switch(short, there / pt.switch(short, wanted, 1.0), 1.0)
