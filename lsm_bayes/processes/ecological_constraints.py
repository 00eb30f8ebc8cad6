"""Ecological and dynamic constraints on turnover and allocation (Bloom & Williams 2015, Biogeosciences 12, 1299-1315, table 3).

Each function returns a margin: the logarithm of the ratio by which the inequality holds, negative where it does not.
"""

import math
from typing import Any

import pytensor.tensor as pt


def slower(slow: Any, fast: Any) -> Any:
    """Return how far one pool turns over more slowly than another (their constraints 1, 2 and, with factors of temperature, 4).

    Parameters
    ----------
    slow, fast : tensor
        Turnover rates, d-1.

    Returns
    -------
    tensor
        ln(fast / slow).
    """
    return pt.log(fast / slow)


def wood_outlives_leaves(wood_turnover: Any, leaf_lifespan: Any) -> Any:
    """Return how far wood lives longer than leaves (constraint 3).

    Parameters
    ----------
    wood_turnover : tensor
        Rate, d-1.
    leaf_lifespan : tensor
        Years.

    Returns
    -------
    tensor
        -ln(365.25 wood_turnover leaf_lifespan).
    """
    return -pt.log(365.25 * wood_turnover * leaf_lifespan)


def balanced_allocation(to_leaves: Any, to_roots: Any, most: float = 5.0) -> Any:
    """Return how far the allocation to leaves and to roots is within a factor of each other (constraint 5).

    Parameters
    ----------
    to_leaves, to_roots : tensor
        Shares of GPP or NPP, labile carbon counted with the leaves.
    most : float
        The factor.

    Returns
    -------
    tensor
        ln(most) - abs(ln(to_leaves / to_roots)).
    """
    return within_factor(to_leaves / to_roots, most)


def within_factor(ratio: Any, most: float) -> Any:
    """Return how far a ratio is within a factor of 1, above or below (constraints 6 and 9 to 12).

    Parameters
    ----------
    ratio : tensor
        Positive.
    most : float
        The factor.

    Returns
    -------
    tensor
        ln(most) - abs(ln(ratio)).
    """
    return math.log(most) - pt.abs(pt.log(ratio))
