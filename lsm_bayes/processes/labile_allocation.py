"""Maintenance and growth from labile carbon: what plants want, limited smoothly by what they have (CARDAMOM, model 1100).

A supply s meets a demand d as d (1 - exp(-s / d)): all of a small demand, all of a small supply, never more than either.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import positive_part

NOTHING = 1e-30  # below it the square in the derivative of a quotient may underflow


class Supplied(NamedTuple):
    """Fractions of a demand, and what is left of the supply."""

    met: Any
    unmet: Any
    left: Any  # in the unit of the supply


class Maintenance(NamedTuple):
    """Maintenance respiration."""

    respiration: Any  # gC m-2 d-1
    demand: Supplied  # by labile carbon


class Growth(NamedTuple):
    """Growth of organs."""

    allocation: tuple[Any, ...]  # gC m-2 d-1
    respiration: Any  # gC m-2 d-1
    left: Any  # gC m-2 d-1, of the supply


def supplied(supply: Any, demand: Any, least: float = 0.0) -> Supplied:
    """Return how far a supply meets a demand.

    Parameters
    ----------
    supply, demand : tensor
        The same unit. A supply below zero, which rounding makes of nothing, is nothing.
    least : float
        In that unit, added to the demand: where supply and demand are next to nothing their ratio is rounding.

    Returns
    -------
    Supplied
        The unmet fraction is exp(-supply / demand), 0 without a demand; all are exact where they are small.
    """
    whole = demand + least
    none = whole <= NOTHING
    there = positive_part(supply)
    ratio = there / pt.switch(none, 1.0, whole)
    met = -pt.expm1(-ratio)
    left = whole * _excess(ratio) + least * met  # there - demand * met
    return Supplied(pt.switch(none, 1.0, met), pt.switch(none, 0.0, pt.exp(-ratio)), pt.switch(none, there, left))


def _excess(x: Any) -> Any:
    """Return x - 1 + exp(-x), by its series where the terms cancel."""
    small = x < 0.1
    y = pt.switch(small, x, 0.0)
    series = 1.0
    for n in (10, 9, 8, 7, 6, 5, 4, 3):
        series = 1.0 - y / n * series
    return pt.switch(small, 0.5 * y * y * series, x + pt.expm1(-x))


def maintenance(supply: Any, wanted: Any, least: float = 0.0) -> Maintenance:
    """Return maintenance respiration.

    Parameters
    ----------
    supply : tensor
        Labile carbon that could be used in the step, gC m-2 d-1.
    wanted : tensor
        Respiration of well-fed plants, gC m-2 d-1.
    least : float
        gC m-2 d-1, as in `supplied`.

    Returns
    -------
    Maintenance
        Respiration, and the fractions of tissue that are fed and that starve.
    """
    demand = supplied(supply, wanted, least)
    return Maintenance(wanted * demand.met, demand)


def growth(supply: Any, demands: Sequence[Any], efficiency: Any, least: float = 0.0) -> Growth:
    """Return the growth of organs.

    Parameters
    ----------
    supply : tensor
        Labile carbon that maintenance leaves over, gC m-2 d-1.
    demands : sequence of tensor
        Growth of each organ with enough carbon, gC m-2 d-1.
    efficiency : tensor
        Fraction of the carbon used that becomes tissue.
    least : float
        gC m-2 d-1, as in `supplied`.

    Returns
    -------
    Growth
        Growth of each organ, in proportion to the demands, and growth respiration.
    """
    total = sum(demands[1:], demands[0])
    demand = supplied(efficiency * supply, total, least)
    respiration = (1.0 - efficiency) / efficiency * (total * demand.met)
    return Growth(tuple(d * demand.met for d in demands), respiration, demand.left / efficiency)
