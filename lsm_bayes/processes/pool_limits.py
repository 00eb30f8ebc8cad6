"""A pool that is held between two values, with what that adds, so that an outflow can give it."""

from typing import Any

import pytensor.tensor as pt


def held(raw: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Hold a pool between two values.

    Parameters
    ----------
    raw : tensor
        Pool after all potential fluxes.
    low, high : tensor
        Limits, in the unit of the pool.

    Returns
    -------
    tuple of tensor
        The pool, and what was added to `raw` (negative: removed; zero between the limits). An outflow reduced by that amount closes the
        budget. NaN stays NaN. At a limit the derivative of the pool is zero.
    """
    # Not the difference of the pool and raw: rounding would make it differ from zero between the limits.
    added = pt.switch(raw < low, low - raw, pt.switch(raw <= high, 0.0, high - raw))
    return pt.switch(raw < low, low, pt.switch(raw > high, high, raw)), added
