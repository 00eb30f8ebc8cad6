"""Kinks with an optional width: exact at width zero, infinitely differentiable above it."""

from typing import Any

import pytensor.tensor as pt


def positive_part(x: Any, width: float = 0.0) -> Any:
    """Return the larger of a number and zero.

    Parameters
    ----------
    x : tensor
        Any unit.
    width : float
        In the unit of `x`. Zero: exact. Otherwise ``width * log(1 + exp(x / width))``, which is larger by at most 0.693 `width`, at zero.

    Returns
    -------
    tensor
        In the unit of `x`; NaN where `x` is.
    """
    if width > 0:
        return width * pt.softplus(x / width)
    return pt.switch(x < 0, 0.0, x)


def clip(x: Any, low: float, high: float, width: float = 0.0) -> Any:
    """Return a number kept between two limits.

    Parameters
    ----------
    x : tensor
        Any unit.
    low, high : float
        Limits.
    width : float
        In the unit of `x`. Zero: exact. Otherwise both limits are approached over about this width.

    Returns
    -------
    tensor
        In the unit of `x`; NaN where `x` is.
    """
    if width > 0:
        return low + positive_part(x - low, width) - positive_part(x - high, width)
    return pt.switch(x < low, low, pt.switch(x > high, high, x))
