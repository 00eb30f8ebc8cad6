"""A threshold, exact or smooth: events of phenology that a date or a temperature sets off."""

from typing import Any

import pytensor.tensor as pt


def gate(excess: Any, width: float = 0.0) -> Any:
    """Return whether a threshold is passed, as a weight.

    Parameters
    ----------
    excess : tensor
        Distance above the threshold.
    width : float
        Of the logistic function, in the unit of the excess; 0 for the exact threshold, whose gradient is zero wherever it exists.

    Returns
    -------
    tensor
        1 above, 0 below; at the threshold itself 1 if it is exact and a half if it is smooth. NaN for NaN.
    """
    if width > 0:
        return pt.sigmoid(excess / width)
    return pt.switch(excess >= 0, 1.0, pt.switch(excess < 0, 0.0, excess))


def not_below(value: Any, limit: Any) -> Any:
    """Return the larger of two numbers; NaN if either is, which not every maximum keeps.

    Parameters
    ----------
    value, limit : tensor
        In the same unit.

    Returns
    -------
    tensor
        In that unit; no gradient to the value where the limit holds.
    """
    return pt.switch(value < limit, limit, pt.switch(value >= limit, value, value + limit))


def not_above(value: Any, limit: Any) -> Any:
    """Return the smaller of two numbers; NaN if either is, which not every minimum keeps.

    Parameters
    ----------
    value, limit : tensor
        In the same unit.

    Returns
    -------
    tensor
        In that unit; no gradient to the value where the limit holds.
    """
    return pt.switch(value > limit, limit, pt.switch(value <= limit, value, value + limit))
