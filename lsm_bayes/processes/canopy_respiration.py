"""Autotrophic respiration from the dark respiration of leaves and the cost of growth: BETHY.

Ryan (1991), doi 10.2307/1941808; Knorr (2000), doi 10.1046/j.1365-2699.2000.00159.x.
"""

from typing import Any, NamedTuple

from lsm_bayes.processes.smoothing import positive_part

CARBON = 12.0  # g mol-1


class Respired(NamedTuple):
    """In the unit of what is respired."""

    maintenance: Any
    growth: Any


def autotrophic(gross: Any, dark: Any, leaf_share: Any, growth_cost: Any, *, paid_ahead: bool = True, width: float = 0.0) -> Respired:
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
    paid_ahead : bool
        Growth respiration is negative where maintenance exceeds assimilation, at night: reserves are used that were paid for. Otherwise
        it is zero there, as in JSBACH.
    width : float
        Of that kink, in the unit of `gross`.

    Returns
    -------
    Respired
        Maintenance and growth respiration.
    """
    maintenance = dark / leaf_share
    left = gross - maintenance
    return Respired(maintenance, growth_cost * (left if paid_ahead else positive_part(left, width)))
