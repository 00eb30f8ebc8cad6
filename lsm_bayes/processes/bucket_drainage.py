"""Drainage of a bucket of soil water that grows with the square of its content (CARDAMOM source, models 811 to 1005)."""

from typing import Any

import pytensor.tensor as pt


def drainage(water: Any, scale: Any, step_length: Any) -> Any:
    """Return the water that drains from a bucket.

    Parameters
    ----------
    water : tensor
        mm, content.
    scale : tensor
        mm, above zero; a bucket with more than half of it loses all water above a quarter of it.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        mm d-1; value and slope are continuous (Bloom et al. 2020, doi 10.5194/bg-17-6393-2020).
    """
    return pt.switch(water <= 0.5 * scale, water * water / scale, water - 0.25 * scale) / step_length
