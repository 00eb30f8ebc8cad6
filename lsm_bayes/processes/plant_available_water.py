"""Stores of soil water that drain faster the fuller they are, and what they leave for photosynthesis.

Bloom et al. (2020), doi 10.5194/bg-17-6393-2020, and CARDAMOM's source (models 811 and 1005). A store may be overdrawn by
evapotranspiration: it is not clamped, so that water is conserved; below zero it neither drains nor feeds photosynthesis.
"""

from typing import Any

import pytensor.tensor as pt


def stress(storage: Any, threshold: Any) -> Any:
    """Return the factor of photosynthesis with plant-available water.

    Parameters
    ----------
    storage : tensor
        mm.
    threshold : tensor
        mm, below which photosynthesis is reduced.

    Returns
    -------
    tensor
        ``storage / threshold`` between 0 and 1 (Bloom et al. 2020, appendix). The derivative with respect to the threshold is
        zero where the store is above it all the time; `smooth_stress` has none of the corners.
    """
    return pt.switch(storage <= 0, 0.0, literal_stress(storage, threshold))


def literal_stress(storage: Any, threshold: Any) -> Any:
    """Return `stress` as the C source has it, negative for an overdrawn store.

    Parameters
    ----------
    storage, threshold : tensor
        mm.

    Returns
    -------
    tensor
        At most 1.
    """
    return pt.switch(storage >= threshold, 1.0, storage / threshold)  # not a minimum, which would hide NaN


def smooth_stress(storage: Any, threshold: Any, width: float) -> Any:
    """Return `stress` with both corners rounded.

    Parameters
    ----------
    storage, threshold : tensor
        mm.
    width : float
        Fraction of the threshold over which a corner is rounded; the largest difference from `stress` is 0.69 times this.

    Returns
    -------
    tensor
        Between 0 and 1, with derivatives of all orders; tends to `stress` as the width tends to zero.
    """
    relative = storage / threshold / width
    return width * (pt.softplus(relative) - pt.softplus(relative - 1.0 / width))


def drainage(storage: Any, focal_point: Any, step_length: Any) -> Any:
    """Return the water that a store loses by drainage.

    Parameters
    ----------
    storage : tensor
        mm, at the start of the step.
    focal_point : tensor
        mm; a store fuller than half of it drains to a quarter of it within one step.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        mm d-1: ``storage^2 / focal_point`` in a step, in a full store ``storage - focal_point / 4``; value and slope are
        continuous (Bloom et al. 2020, appendix; CARDAMOM source). The amount is that of a step of any length: parameters of
        daily and monthly runs differ. Zero for an overdrawn store.
    """
    return literal_drainage(pt.switch(storage <= 0, 0.0, storage), focal_point, step_length)


def literal_drainage(storage: Any, focal_point: Any, step_length: Any) -> Any:
    """Return `drainage` as the C source has it: an overdrawn store drains, the faster the more it is overdrawn, and diverges.

    Parameters
    ----------
    storage, focal_point : tensor
        mm.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        mm d-1.
    """
    return pt.switch(storage > focal_point / 2, storage - focal_point / 4, storage**2 / focal_point) / step_length


def storage_at(drained: Any, focal_point: Any) -> Any:
    """Return the store that drains at a given rate, the inverse of `drainage` for a step of one day.

    Parameters
    ----------
    drained : tensor
        mm d-1, not negative.
    focal_point : tensor
        mm.

    Returns
    -------
    tensor
        mm.
    """
    full = drained > focal_point / 4
    return pt.switch(full, drained + focal_point / 4, pt.sqrt(pt.switch(full, 1.0, drained * focal_point)))
