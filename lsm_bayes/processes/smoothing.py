"""Kinks with an optional width, exact at width zero, and the smooth minima, maxima and steps of BETHY.

Knorr et al. (2010), doi 10.1029/2009JG001119, and the public source of CCDAS: BETHY.
"""

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


def _root(x: Any, y: Any, sharpness: float) -> tuple[Any, Any]:
    """Return the root of the discriminant, and whether both numbers are zero, where it has no gradient."""
    inside = (x + y) ** 2 - 4.0 * sharpness * x * y
    nothing = inside <= 0
    return pt.switch(nothing, 0.0, pt.sqrt(pt.switch(nothing, 1.0, inside))), nothing


def quadratic_minimum(x: Any, y: Any, sharpness: float, *, positive: bool = False) -> Any:
    """Return the smaller root of ``sharpness z**2 - (x + y) z + x y = 0``, at most the smaller of two positive numbers.

    Parameters
    ----------
    x, y : tensor
        The same unit.
    sharpness : float
        Below 1; at 1 the result is the minimum.
    positive : bool
        One of the numbers is above zero, and the other not below by as much: short code for inner loops.

    Returns
    -------
    tensor
        In the same unit. Without a difference of numbers of like size.
    """
    total = x + y
    if positive:
        return 2.0 * x * y / (total + pt.sqrt(total * total - 4.0 * sharpness * x * y))
    root, nothing = _root(x, y, sharpness)
    below = total < 0
    return pt.switch(below, total - root, 2.0 * x * y) / pt.switch(below, 2.0 * sharpness, pt.switch(nothing, 1.0, total + root))


def quadratic_share(x: Any, y: Any, sharpness: float) -> Any:
    """Return by which factor a number has to shrink to be the quadratic minimum of it and another.

    Parameters
    ----------
    x, y : tensor
        Not negative, the same unit.
    sharpness : float
        Below 1; at 1 the result is the minimum over `x`.

    Returns
    -------
    tensor
        ``quadratic_minimum(x, y) / x``, and its limit where `x` is zero; zero where both are.
    """
    root, nothing = _root(x, y, sharpness)
    return 2.0 * y / pt.switch(nothing, 1.0, x + y + root)


def quadratic_maximum(x: Any, y: Any, sharpness: float) -> Any:
    """Return the larger root of ``sharpness z**2 - (x + y) z + x y = 0``, at least the larger of two positive numbers.

    Parameters
    ----------
    x, y : tensor
        Not negative, the same unit.
    sharpness : float
        Below 1; at 1 the result is the maximum. The larger of two numbers that differ much is returned divided by it.

    Returns
    -------
    tensor
        In the same unit.
    """
    root, _ = _root(x, y, sharpness)
    return (x + y + root) / (2.0 * sharpness)


def floored(x: Any, floor: Any, width: float) -> Any:
    """Return a number that does not fall below a floor (CCDAS: BETHY, ``maxx``).

    Parameters
    ----------
    x : tensor
        Any unit.
    floor : tensor
        In the same unit.
    width : float
        In the same unit: over how much the floor is approached.

    Returns
    -------
    tensor
        In the same unit, above the number by at most 0.368 widths, at the floor; the floor where `x` is more than the width below it.
        One derivative is continuous.
    """
    under = x < floor - width
    return pt.switch(under, floor, x + width * pt.exp(-(pt.switch(under, floor, x) - floor) / width - 1.0))


def capped(x: Any, cap: Any, width: float) -> Any:
    """Return a number that does not exceed a cap (CCDAS: BETHY, ``minx``).

    Parameters
    ----------
    x : tensor
        Any unit.
    cap : tensor
        In the same unit.
    width : float
        In the same unit: over how much the cap is approached.

    Returns
    -------
    tensor
        In the same unit, below the number by at most 0.368 widths, at the cap; the cap where `x` is more than the width above it.
        One derivative is continuous.
    """
    over = x > cap + width
    return pt.switch(over, cap, x - width * pt.exp((pt.switch(over, cap, x) - cap) / width - 1.0))


_RATIONAL = (0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223)


def error_step(x: Any, *, rational: bool = False) -> Any:
    """Return a smooth step, ``1 - erfc(x) / 2``: the normal distribution function of ``sqrt(2) x`` (CCDAS: BETHY, ``errf``).

    Parameters
    ----------
    x : tensor
        Dimensionless.
    rational : bool
        With the approximation by Press et al. (Numerical Recipes, section 6.2) to 1.2e-7, as BETHY has it.

    Returns
    -------
    tensor
        0 to 1.
    """
    if not rational:
        return 0.5 * pt.erfc(-x)
    size = pt.abs(x)
    t = 1.0 / (1.0 + 0.5 * size)
    exponent: Any = 0.0
    for c in _RATIONAL:
        exponent = exponent * t + c
    tail = 0.5 * t * pt.exp(exponent - size * size)
    return pt.switch(x < 0, tail, 1.0 - tail)
