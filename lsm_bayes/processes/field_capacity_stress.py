"""Factor of photosynthesis that falls linearly between field capacity and wilting point."""

from typing import Any

import pytensor.tensor as pt


def stress_factor(water: Any, field_capacity: Any, wilting_fraction: Any, width: float = 0.0) -> Any:
    """Return the water stress factor, 1 without stress.

    Parameters
    ----------
    water : tensor
        mm, plant-available water.
    field_capacity : tensor
        mm, above zero; from there on there is no stress.
    wilting_fraction : tensor
        Wilting point as a fraction of field capacity, below 1; there and below the factor is zero.
    width : float
        0 for the exact factor, whose derivative is zero at and beyond both ends. Above 0 both corners are rounded (softplus) over about
        this width of the factor, and the derivative is positive everywhere; it differs from the exact one by at most ``width * log(2)``.

    Returns
    -------
    tensor
        0 to 1 (Fang & Gentine 2024, doi 10.1029/2024MS004308).
    """
    wilting_point = wilting_fraction * field_capacity
    straight = (water - wilting_point) / (field_capacity - wilting_point)
    if width > 0:
        return width * (pt.softplus(straight / width) - pt.softplus((straight - 1.0) / width))
    return pt.switch(straight <= 0, 0.0, pt.switch(straight >= 1, 1.0, straight))
