"""One soil layer of water: evaporation from its surface, respiration response, drainage above its capacity.

Braswell et al. (2005), doi 10.1111/j.1365-2486.2005.00897.x; Sacks et al. (2006), doi 10.1111/j.1365-2486.2005.01059.x, appendix.
"""

from typing import Any

import pytensor.tensor as pt

from lsm_bayes.processes.snow import TO_VAPOUR
from lsm_bayes.processes.thresholds import clipped, positive_part

DRIEST = 1e-12  # fraction of the capacity; keeps the logarithm finite


def potential_evaporation(wetness: Any, deficit: Any, resistance: Any, intercept: Any, slope: Any) -> Any:
    """Return what evaporates from soil that has enough water.

    Parameters
    ----------
    wetness : tensor
        Soil water as a fraction of the capacity.
    deficit : tensor
        Saturation vapour pressure at soil temperature minus that of the air, kPa.
    resistance : tensor
        Aerodynamic resistance, s m-1.
    intercept, slope : tensor
        Logarithm of the resistance of dry soil (s m-1), and its decrease from dry to full.

    Returns
    -------
    tensor
        mm d-1, not negative (Sacks et al. 2006, appendix).
    """
    soil = pt.exp(intercept - slope * clipped(wetness, 0.0, 1.0))
    return positive_part(TO_VAPOUR * deficit / (resistance + soil))


def moisture_factor(wetness: Any, exponent: Any) -> Any:
    """Return the effect of soil water on decomposition.

    Parameters
    ----------
    wetness : tensor
        Soil water as a fraction of the capacity.
    exponent : tensor
        1 in Braswell et al. (2005).

    Returns
    -------
    tensor
        0 to 1 (Braswell et al. 2005, equation A20, with a free exponent).
    """
    return pt.exp(exponent * pt.log(clipped(wetness, DRIEST, 1.0)))
