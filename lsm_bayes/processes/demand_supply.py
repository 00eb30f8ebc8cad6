"""Transpiration as the smaller of what the air demands and what roots supply (Federer 1979, doi 10.1029/WR015i003p00555), as in BETHY."""

from typing import Any, NamedTuple

from lsm_bayes.processes.penman_monteith import LEAST, LEAST_WIDTH, Air
from lsm_bayes.processes.smoothing import floored, quadratic_minimum

SHARPNESS = 0.99
HOUR = 3600.0  # s


class Limited(NamedTuple):
    """Transpiration, kg m-2 s-1, and how dry air closes the stomata."""

    transpiration: Any
    closure: Any  # Pa-1: stomatal conductance is divided by 1 + closure * deficit


def supply(wetness: Any, largest: Any) -> Any:
    """Return what roots supply.

    Parameters
    ----------
    wetness : tensor
        Plant-available water over its capacity.
    largest : tensor
        In wet soil, mm h-1.

    Returns
    -------
    tensor
        kg m-2 s-1.
    """
    return largest / HOUR * wetness


def limited(x: Air, driven: Any, demand: Any, supplied: Any, ratio: Any, deficit: Any) -> Limited:
    """Return transpiration that roots can supply, and the response to dry air with which stomata allow just that.

    Parameters
    ----------
    x : Air
        Properties of air.
    driven : tensor
        Numerator of Penman-Monteith.
    demand, supplied : tensor
        kg m-2 s-1.
    ratio : tensor
        Aerodynamic over unstressed canopy conductance.
    deficit : tensor
        Vapour pressure deficit, Pa.

    Returns
    -------
    Limited
        Penman-Monteith solved for the canopy conductance (Knorr 2000, equation 82).
    """
    wanted = floored(quadratic_minimum(demand, supplied, SHARPNESS), LEAST, LEAST_WIDTH)
    over = (driven / (x.latent_heat * (wanted + 1e-12)) - x.slope) / x.psychrometer - 1.0  # aerodynamic over canopy conductance
    return Limited(wanted, floored((over / ratio - 1.0) / (deficit + 1.0), 0.0, 1e-6))
