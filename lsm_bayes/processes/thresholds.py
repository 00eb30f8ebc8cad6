"""Limits and events that let NaN through: a comparison with NaN is false, and the branch behind it would hide the NaN."""

from typing import Any

import pytensor.tensor as pt

from lsm_bayes.processes import smoothing

NOTHING = 1e-30  # so that an empty store of which nothing is wanted is no division of zero by zero


def positive_part(x: Any) -> Any:
    """Return x where it is positive, else zero.

    Parameters
    ----------
    x : tensor
        Any unit.

    Returns
    -------
    tensor
        max(x, 0), with gradient 0 below zero.
    """
    return pt.switch(x < 0, 0.0, x)


def smaller(a: Any, b: Any, width: float = 0.0) -> Any:
    """Return the smaller of two numbers, NaN when either is.

    Parameters
    ----------
    a, b : tensor
        The same unit.
    width : float
        In that unit. Zero: exact. Otherwise smooth, below it by at most 0.693 `width`, where both are equal.

    Returns
    -------
    tensor
        min(a, b), with the gradient of the smaller.
    """
    if width > 0:
        return a - smoothing.positive_part(a - b, width)
    return pt.switch(a <= b, a, pt.switch(b < a, b, a + b))


def larger(a: Any, b: Any, width: float = 0.0) -> Any:
    """Return the larger of two numbers, NaN when either is.

    Parameters
    ----------
    a, b : tensor
        The same unit.
    width : float
        In that unit. Zero: exact. Otherwise smooth, above it by at most 0.693 `width`, where both are equal.

    Returns
    -------
    tensor
        max(a, b), with the gradient of the larger.
    """
    if width > 0:
        return a + smoothing.positive_part(b - a, width)
    return pt.switch(a >= b, a, pt.switch(b > a, b, a + b))


def clipped(x: Any, low: float, high: float) -> Any:
    """Return x inside an interval.

    Parameters
    ----------
    x : tensor
        Any unit.
    low, high : float
        The interval.

    Returns
    -------
    tensor
        min(max(x, low), high), with gradient 0 outside.
    """
    return pt.switch(x < low, low, pt.switch(x > high, high, x))


def reached(x: Any, threshold: Any, width: float | None = None) -> Any:
    """Say whether a threshold is reached.

    Parameters
    ----------
    x, threshold : tensor
        The same unit.
    width : float, optional
        Of a logistic function in place of the step, in that unit; it converges to the step with the width
        (at the threshold itself, where it is one half, it does not).

    Returns
    -------
    tensor
        1 from the threshold on, 0 below, with zero gradients; or a logistic function of the distance.
    """
    if width is not None:
        return pt.sigmoid((x - threshold) / width)
    distance = x - threshold
    return pt.switch(distance >= 0, 1.0, pt.switch(distance < 0, 0.0, distance))


def exceeded(x: Any, threshold: float = 0.0) -> Any:
    """Say whether a threshold is exceeded.

    Parameters
    ----------
    x : tensor
        Any unit.
    threshold : float
        The same unit.

    Returns
    -------
    tensor
        1 above the threshold, 0 at it and below, with zero gradients.
    """
    return pt.switch(x > threshold, 1.0, pt.switch(x <= threshold, 0.0, x))


def supplied(wanted: Any, there: Any, soft: float = 0.0) -> Any:
    """Return what a store gives of what is wanted.

    Parameters
    ----------
    wanted, there : tensor
        The same unit, not negative.
    soft : float
        0: exact. Otherwise the quadratic minimum with the sharpness ``1 - 0.01 soft``.

    Returns
    -------
    tensor
        At most what is there.
    """
    if soft > 0:
        # By rounding both may be below zero.
        return smoothing.quadratic_minimum(positive_part(wanted) + NOTHING, positive_part(there), 1.0 - 0.01 * soft, positive=True)
    return smaller(wanted, there)
