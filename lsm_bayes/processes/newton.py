"""Equations that a step solves for one unknown: Newton's method with the gradient of the implicit function theorem.

A fixed number of iterations finds the value; gradients do not pass through them. One step more, from the value that was found, has the
derivative ``-(dr/dy)^-1 dr/dtheta`` with respect to everything that the residual holds, which is that of the solution
(Christianson 1994, doi 10.1080/10556789408805572).
"""

from collections.abc import Callable
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad


def _mean(low: Any, high: Any) -> Any:
    return 0.5 * (low + high)


def solve(
    residual: Callable[[Any], Any],
    start: Any,
    iterations: int,
    low: Any | None = None,
    high: Any | None = None,
    middle: Callable[[Any, Any], Any] = _mean,
) -> Any:
    """Solve an equation for one unknown.

    Parameters
    ----------
    residual : callable
        ``residual(y) -> r``, an element-wise expression that is zero at the solution, with a derivative there that is not.
    start : tensor
        First guess; it has no effect on the gradient.
    iterations : int
        Newton steps before the one that has a gradient. There is no test of convergence: choose as many as the worst case needs, and test
        the residual.
    low, high : tensor, optional
        Bounds of the solution. With one of them a step that would leave it goes half of the way there. With both, between which the
        residual rises, the bracket closes in with every iteration, and a step that would leave it goes to its middle.
    middle : callable
        ``middle(low, high)``, in place of the mean.

    Returns
    -------
    tensor
        The solution. NaN where the residual is.

    Raises
    ------
    ValueError
        If no iteration is asked for.
    """
    if iterations < 1:
        raise ValueError(f"got iterations={iterations}; give 1 or more")
    y = pt.as_tensor(start, dtype="float64")
    y = y + pt.zeros_like(pt.as_tensor(residual(y)))  # of the shape of the solution: slopes would be added up otherwise
    for _ in range(iterations):
        r, slope = _with_slope(residual, y)
        moved = y - r / slope
        if low is not None and high is not None:
            under = r < 0
            low, high = pt.switch(under, y, low), pt.switch(under, high, y)
            out = pt.or_(moved < low, moved > high)
            moved = pt.switch(out, middle(low, high), moved)
        elif low is not None or high is not None:
            bound = high if low is None else low
            out = moved >= bound if low is None else moved <= bound
            moved = pt.switch(out, 0.5 * (y + bound), moved)
        # Without this, the graph of every iteration would carry the derivatives of those before it.
        y = disconnected_grad(moved)
    r, slope = _with_slope(residual, y)
    return y - r / disconnected_grad(slope)


def _with_slope(residual: Callable[[Any], Any], y: Any) -> tuple[Any, Any]:
    value = pt.as_tensor(residual(y))
    return value, pt.grad(pt.sum(value), y)
