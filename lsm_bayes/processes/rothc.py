"""Partition of carbon in RothC-26.3 (Coleman & Jenkinson 1996, doi 10.1007/978-3-642-61094-3_17), and its factor of soil cover."""

from typing import Any

import pytensor.tensor as pt

TO_MICROBES = 0.46  # of what is not respired; humus takes the rest


def cover_factor(vegetated_fraction: Any) -> Any:
    """Return the factor of decomposition rates with soil cover.

    Parameters
    ----------
    vegetated_fraction : tensor
        Fraction of the ground under vegetation.

    Returns
    -------
    tensor
        1: 0.6 under vegetation, 1 on bare soil (Clark et al. 2011, doi 10.5194/gmd-4-701-2011).
    """
    return 0.6 + 0.4 * (1.0 - vegetated_fraction)


def respired_ratio(clay_fraction: Any) -> Any:
    """Return the carbon respired over the carbon retained when a pool decomposes.

    Parameters
    ----------
    clay_fraction : tensor
        Mass of clay over mass of mineral soil.

    Returns
    -------
    tensor
        1: ``x = 1.67 (1.85 + 1.60 exp(-0.0786 clay percent))``; a fraction x / (x + 1) is respired (Coleman & Jenkinson 1996).
    """
    return 1.67 * (1.85 + 1.60 * pt.exp(-7.86 * clay_fraction))


def retained(clay_fraction: Any) -> tuple[Any, Any]:
    """Return what becomes of decomposed carbon that is not respired.

    Parameters
    ----------
    clay_fraction : tensor
        Mass of clay over mass of mineral soil.

    Returns
    -------
    tuple of tensor
        Fractions of the decomposed carbon that turn into microbial carbon and into humus (Coleman & Jenkinson 1996).
    """
    kept = 1.0 / (1.0 + respired_ratio(clay_fraction))
    return TO_MICROBES * kept, (1.0 - TO_MICROBES) * kept
