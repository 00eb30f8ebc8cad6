"""Autotrophic respiration from the dark respiration of leaves and the cost of growth: BETHY.

Ryan (1991), doi 10.2307/1941808; Knorr (2000), doi 10.1046/j.1365-2699.2000.00159.x.
"""

from typing import Any, NamedTuple

CARBON = 12.0  # g mol-1


class Respired(NamedTuple):
    """In the unit of what is respired."""

    maintenance: Any
    growth: Any


def autotrophic(gross: Any, dark: Any, leaf_share: Any, growth_cost: Any) -> Respired:
    """Return maintenance and growth respiration.

    Parameters
    ----------
    gross : tensor
        Gross assimilation of the canopy.
    dark : tensor
        Dark respiration of its leaves, in the same unit.
    leaf_share : tensor
        Share of leaves in maintenance respiration.
    growth_cost : tensor
        Growth respiration per assimilate that maintenance leaves.

    Returns
    -------
    Respired
        Growth respiration is negative where maintenance exceeds assimilation, at night: reserves are used that were paid for.
    """
    maintenance = dark / leaf_share
    return Respired(maintenance, growth_cost * (gross - maintenance))
