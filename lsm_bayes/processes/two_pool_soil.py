"""Litter that decays and a slow pool of soil carbon that is too large to change: BETHY.

Knorr (2000), doi 10.1046/j.1365-2699.2000.00159.x; Rayner et al. (2005), doi 10.1029/2004GB002254; public source of CCDAS: BETHY.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

PHOTO_OXIDATION = 1e-3  # of the rate in wet soil, in dry soil
LEAST_WETNESS = 1e-4
YEAR = 365.0  # d


class Decay(NamedTuple):
    """Litter after a day, gC m-2, and what it lost, gC m-2."""

    left: Any
    lost: Any


def moisture(wetness: Any, exponent: Any) -> Any:
    """Return the factor of decomposition with soil water.

    Parameters
    ----------
    wetness : tensor
        Plant-available water over its capacity, 0 to 1.
    exponent : tensor
        Of the wetness, above zero.

    Returns
    -------
    tensor
        1e-3 to 1.
    """
    scaled = (1.0 - 2.0 * LEAST_WETNESS) * wetness + LEAST_WETNESS
    return PHOTO_OXIDATION + (1.0 - PHOTO_OXIDATION) * pt.exp(exponent * pt.log(scaled))


def warmth(celsius: Any, q10: Any) -> Any:
    """Return the factor of decomposition with temperature, one at 0 degC.

    Parameters
    ----------
    celsius : tensor
        degC.
    q10 : tensor
        For ten degrees.

    Returns
    -------
    tensor
        Dimensionless.
    """
    return pt.exp(0.1 * celsius * pt.log(q10))


def decay(litter: Any, litterfall: Any, rate: Any, days: float = 1.0) -> Decay:
    """Let litter decay while it is added to.

    Parameters
    ----------
    litter : tensor
        gC m-2.
    litterfall : tensor
        gC m-2 d-1.
    rate : tensor
        d-1, above zero.
    days : float
        Step length, d.

    Returns
    -------
    Decay
        Exact for a constant rate and litterfall.
    """
    gone = -pt.expm1(-rate * days)
    change = (litterfall / rate - litter) * gone
    return Decay(litter + change, litterfall * days - change)
