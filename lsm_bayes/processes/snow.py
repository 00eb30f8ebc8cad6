"""What falls as snow, and how a snowpack sublimes and melts with temperature."""

from typing import Any

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import exceeded, positive_part, smaller

# Air of 1.3 kg m-3, 1005 J kg-1 K-1, psychrometer constant 66 Pa K-1: kPa s m-1 to W m-2, and to mm d-1 by the latent heat.
HEAT = 1.3 * 1005.0 / 66.0 * 1000.0 * 86400.0
TO_VAPOUR = HEAT / 2501000.0
TO_VAPOUR_FROM_SNOW = HEAT / 2835000.0
PRESSURE_OVER_SNOW = 0.6  # kPa, saturation near 0 degC
DUST = 1e-5  # mm
NOTHING = 1e-30  # mm, below it the square in the derivative of a quotient may underflow


def split_precipitation(precipitation: Any, temperature: Any) -> tuple[Any, Any]:
    """Split precipitation into rain and snow at 0 degC.

    Parameters
    ----------
    precipitation : tensor
        mm d-1.
    temperature : tensor
        Air temperature, degC.

    Returns
    -------
    tuple of tensor
        Rain and snow, mm d-1.
    """
    cold = temperature <= 0
    return pt.switch(cold, 0.0, precipitation), pt.switch(cold, precipitation, 0.0)


def snowpack(
    snow: Any, snowfall: Any, temperature: Any, vapour_pressure: Any, resistance: Any, melt_rate: Any, days: Any
) -> tuple[Any, Any, Any]:
    """Let snow sublime and melt, in that order (Sacks et al. 2006, doi 10.1111/j.1365-2486.2005.01059.x, appendix).

    Parameters
    ----------
    snow : tensor
        Snow at the start, mm.
    snowfall : tensor
        mm d-1.
    temperature : tensor
        Air temperature, degC.
    vapour_pressure : tensor
        Of the air, kPa.
    resistance : tensor
        Aerodynamic resistance, s m-1.
    melt_rate : tensor
        mm degC-1 d-1.
    days : tensor
        Step length, d.

    Returns
    -------
    tuple of tensor
        Sublimation and melt, mm in the step, and the snow that is left, mm. Without snow at the start nothing sublimes or melts.
    """
    lying = exceeded(snow)
    there = snow + snowfall * days
    sublimed = lying * smaller(positive_part(TO_VAPOUR_FROM_SNOW * (PRESSURE_OVER_SNOW - vapour_pressure) / resistance) * days, there)
    there = there - sublimed
    melted = lying * smaller(melt_rate * positive_part(temperature) * days, there)
    return sublimed, melted, there - melted


def snow_fraction(temperature: Any, rain_temperature: Any, span: float = 2.0) -> Any:
    """Return the fraction of precipitation that falls as snow: 0 above a temperature, 1 below, linear over a span.

    Parameters
    ----------
    temperature : tensor
        Air temperature, degC.
    rain_temperature : tensor
        From this temperature on all precipitation is rain, degC.
    span : float
        Below `rain_temperature` by this much all is snow, K.

    Returns
    -------
    tensor
        1.
    """
    below = (rain_temperature - temperature) / span
    return positive_part(below) - positive_part(below - 1.0)


def degree_day_melt(snow: Any, temperature: Any, rate: Any, threshold: float, step_length: Any) -> Any:
    """Return the melt of a snow pack in proportion to temperature above a threshold, at most the pack.

    Parameters
    ----------
    snow : tensor
        Snow pack at the start of the step, mm.
    temperature : tensor
        Air temperature, degC.
    rate : tensor
        mm d-1 K-1.
    threshold : float
        degC.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        mm d-1.
    """
    all_of_it = snow / step_length
    return all_of_it - positive_part(all_of_it - rate * positive_part(temperature - threshold))


def relative_melt(snow: Any, snowfall: Any, sublimation: Any, melted: Any, cover_half: Any, step_length: Any) -> tuple[Any, Any, Any]:
    """Let a fraction of a snow pack melt and its cover sublime (CARDAMOM source, model 1100).

    Parameters
    ----------
    snow : tensor
        Snow at the start, mm.
    snowfall : tensor
        mm d-1.
    sublimation : tensor
        Of full cover, mm d-1.
    melted : tensor
        Fraction of the pack that melts in the step.
    cover_half : tensor
        Snow at which half of the ground is covered, mm.
    step_length : tensor
        d.

    Returns
    -------
    tuple of tensor
        Melt and sublimation, mm d-1, which share the pack where together they exceed it, and the snow that is left, mm.
    """
    there = snow + snowfall * step_length
    cover = snow_cover(there, cover_half)
    melt, sublimed = melted * there, sublimation * cover * step_length
    wanted = melt + sublimed
    short = wanted > there + NOTHING
    share = pt.switch(short, there / pt.switch(short, wanted, 1.0), 1.0)
    left = pt.switch(short, 0.0, positive_part(there - wanted))
    return share * melt / step_length, share * sublimed / step_length, left


def snow_cover(snow: Any, cover_half: Any) -> Any:
    """Return the fraction of the ground that snow covers.

    Parameters
    ----------
    snow : tensor
        mm.
    cover_half : tensor
        Snow at which half of the ground is covered, mm.

    Returns
    -------
    tensor
        0 to 1.
    """
    return snow / (snow + cover_half)
