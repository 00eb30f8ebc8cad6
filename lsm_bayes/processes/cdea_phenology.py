"""Leaf phenology of the combined deciduous-evergreen analytical model (Bloom & Williams 2015, appendix; CARDAMOM source).

The printed equation has the day-length sine without the leaf-fall day; here, as in the source code, the sine is taken of the
time since the event.
"""

import math
from typing import Any

import pytensor.tensor as pt

_OFFSET = (
    -0.188459767342504,
    0.126972018064287,
    -0.020836027517787,
    -0.005437736864888,
    0.000901865258885,
    0.000332730053021,
    0.000023599784710,
)


def peak_offset(lifespan: Any, width: Any) -> Any:
    """Return the shift that puts the peak of the turnover on the day of the event.

    Parameters
    ----------
    lifespan : tensor
        yr, above 1.
    width : tensor
        d, the period of the event times sqrt(2)/2.

    Returns
    -------
    tensor
        d (polynomial of sixth order in ln(lifespan - 1), CARDAMOM source).
    """
    x = pt.log(lifespan - 1.0)
    total: Any = _OFFSET[-1]
    for coefficient in reversed(_OFFSET[:-1]):
        total = total * x + coefficient
    return total * width


def event_shift(lifespan: Any, period: Any) -> Any:
    """Return the days from the peak of the turnover to the day of the event.

    Parameters
    ----------
    lifespan : tensor
        yr, above 1.
    period : tensor
        d, duration of the event.

    Returns
    -------
    tensor
        d, negative: the event is dated before its peak.
    """
    return peak_offset(lifespan, period * (math.sqrt(2) / 2))


def event_rate(day_number: Any, event_day: Any, period: Any, lifespan: Any, pi: float = math.pi) -> Any:
    """Return the fraction of a pool that an annual event moves per day.

    Parameters
    ----------
    day_number : tensor
        d, clock of the phenology.
    event_day : tensor
        d on that clock; repeats every 365.25 days.
    period : tensor
        d, duration of the event.
    lifespan : tensor
        yr, above 1: about ``1 - 1/lifespan`` of the pool is left after a year.
    pi : float
        The number pi; CARDAMOM codes 3.1415927.

    Returns
    -------
    tensor
        d-1 (Bloom & Williams 2015, equations A7 and A8 in the form of the source code).
    """
    width = period * (math.sqrt(2) / 2)
    scale = 365.25 / pi
    amount = 0.5 * (pt.log(lifespan) - pt.log(lifespan - 1.0))
    phase = pt.sin((day_number - event_day + peak_offset(lifespan, width)) / scale) * (scale / width)
    return (2.0 / math.sqrt(pi)) * (amount / width) * pt.exp(-(phase**2))
