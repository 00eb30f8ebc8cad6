"""Linear recursion over time: pools, reservoirs and what growth carries over."""

from typing import Any

import pytensor
import pytensor.tensor as pt


def linear_recursion(factor: Any, gain: Any, start: Any) -> Any:
    """Return x of x(t) = factor(t) x(t - 1) + gain(t), one after the other.

    Parameters
    ----------
    factor, gain : tensor
        (..., time); they broadcast.
    start : tensor
        x before the first step, (...,).

    Returns
    -------
    tensor
        (..., time).
    """
    factor, gain = factor + pt.zeros_like(gain), gain + pt.zeros_like(factor)
    start = start + pt.zeros_like(gain[..., 0])
    found = pytensor.scan(
        lambda a, b, x: a * x + b,
        sequences=[pt.moveaxis(factor, -1, 0), pt.moveaxis(gain, -1, 0)],
        outputs_info=[start],
        return_updates=False,
    )
    return pt.moveaxis(found, 0, -1)
