"""Maintenance and growth from labile carbon: what plants want, limited smoothly by what they have (CARDAMOM, model 1100).

A supply s meets a demand d as d (1 - exp(-s / d)): all of a small demand, all of a small supply, never more than either.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import positive_part

NOTHING = 1e-30  # below it the square in the derivative of a quotient may underflow


class Maintenance(NamedTuple):
    """Maintenance respiration."""

    respiration: Any  # gC m-2 d-1
    starved: Any  # fraction of the demand that is not met


class Growth(NamedTuple):
    """Growth of organs."""

    allocation: tuple[Any, ...]  # gC m-2 d-1
    respiration: Any  # gC m-2 d-1


def unmet(supply: Any, demand: Any) -> Any:
    """Return the fraction of a demand that a supply leaves unmet.

    Parameters
    ----------
    supply, demand : tensor
        The same unit. A supply below zero, which rounding makes of nothing, is nothing.

    Returns
    -------
    tensor
        exp(-supply / demand); 0 without a demand.
    """
    none = demand <= NOTHING
    return pt.switch(none, 0.0, pt.exp(-positive_part(supply) / pt.switch(none, 1.0, demand)))


def maintenance(supply: Any, wanted: Any) -> Maintenance:
    """Return maintenance respiration.

    Parameters
    ----------
    supply : tensor
        Labile carbon that could be used in the step, gC m-2 d-1.
    wanted : tensor
        Respiration of well-fed plants, gC m-2 d-1.

    Returns
    -------
    Maintenance
        Respiration, and the fraction of tissue that starves.
    """
    starved = unmet(supply, wanted)
    return Maintenance(wanted * (1.0 - starved), starved)


def growth(supply: Any, demands: Sequence[Any], efficiency: Any) -> Growth:
    """Return the growth of organs.

    Parameters
    ----------
    supply : tensor
        Labile carbon that maintenance leaves over, gC m-2 d-1.
    demands : sequence of tensor
        Growth of each organ with enough carbon, gC m-2 d-1.
    efficiency : tensor
        Fraction of the carbon used that becomes tissue.

    Returns
    -------
    Growth
        Growth of each organ, in proportion to the demands, and growth respiration.
    """
    total = sum(demands[1:], demands[0])
    met = 1.0 - unmet(efficiency * supply, total)
    return Growth(tuple(d * met for d in demands), (1.0 - efficiency) / efficiency * (total * met))
