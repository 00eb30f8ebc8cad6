"""Snow by temperature alone: what falls as snow, and how much of the pack melts."""

from typing import Any

import pytensor.tensor as pt


def _positive(x: Any) -> Any:
    # pt.maximum would lose a NaN.
    return pt.switch(x <= 0, 0.0, x)


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
    return _positive(below) - _positive(below - 1.0)


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
    return all_of_it - _positive(all_of_it - rate * _positive(temperature - threshold))
