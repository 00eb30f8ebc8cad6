"""Litter quality and transfers of CENTURY (Parton et al. 1987, doi 10.2136/sssaj1987.03615995005100050015x) as ORCHIDEE has them.

ORCHIDEE takes the fraction of clay where Parton et al. take that of silt and clay.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

METABOLIC_TO_ACTIVE = 0.45
STRUCTURAL_TO_ACTIVE = 0.45  # of the decomposed non-lignin part, in the soil; 0.55 at the surface
LIGNIN_TO_SLOW = 0.7
ACTIVE_TO_PASSIVE = 0.004
SLOW_TO_ACTIVE = 0.42
SLOW_TO_PASSIVE = 0.03
PASSIVE_TO_ACTIVE = 0.45


class ActiveTransfers(NamedTuple):
    """Where decomposed carbon of the active pool goes, as fractions that sum to one."""

    respired: Any
    slow: Any
    passive: Any


def metabolic_fraction(lignin_to_nitrogen: Any) -> Any:
    """Return the fraction of fresh litter that is metabolic; the rest is structural.

    Parameters
    ----------
    lignin_to_nitrogen : tensor
        Mass of lignin over mass of nitrogen, below 47.

    Returns
    -------
    tensor
        1: ``0.85 - 0.018 L/N`` (Parton et al. 1987).
    """
    return 0.85 - 0.018 * lignin_to_nitrogen


def lignin_factor(structural_lignin: Any) -> Any:
    """Return the factor of the decomposition rate of structural litter with its lignin.

    Parameters
    ----------
    structural_lignin : tensor
        Lignin as a fraction of the carbon in structural litter.

    Returns
    -------
    tensor
        1: ``exp(-3 lignin)`` (Parton et al. 1987).
    """
    return pt.exp(-3.0 * structural_lignin)


def clay_factor(clay_fraction: Any) -> Any:
    """Return the factor of the decomposition rate of active soil organic matter with texture.

    Parameters
    ----------
    clay_fraction : tensor
        Mass of clay over mass of mineral soil.

    Returns
    -------
    tensor
        1: ``1 - 0.75 clay`` (Parton et al. 1987).
    """
    return 1.0 - 0.75 * clay_fraction


def active_transfers(clay_fraction: Any) -> ActiveTransfers:
    """Return where decomposed carbon of the active pool goes.

    Parameters
    ----------
    clay_fraction : tensor
        Mass of clay over mass of mineral soil.

    Returns
    -------
    ActiveTransfers
        Fractions: respired ``0.85 - 0.68 clay``, passive 0.004, slow the rest (Parton et al. 1987).
    """
    respired = 0.85 - 0.68 * clay_fraction
    return ActiveTransfers(respired, 1.0 - respired - ACTIVE_TO_PASSIVE, ACTIVE_TO_PASSIVE)
