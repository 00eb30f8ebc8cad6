"""Stomatal resistance as a product of stress factors (Jarvis 1976, doi 10.1098/rstb.1976.0035), as in Noah-MP.

Niu et al. (2011), doi 10.1029/2010JD015139, and the public source: the resistance is that of a leaf, not divided by
the leaf area as in the older Noah, the light is twice the absorbed PAR, and humidity counts by mixing ratio.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger

LEAST = 1e-4  # of the factors of light and temperature
LEAST_HUMIDITY = 0.01
RATIO = 0.622  # of the molar masses of water and dry air
TEMPERATURE_CURVATURE = 0.0016  # K-2


class Traits(NamedTuple):
    """Parameters of stomata."""

    least_resistance: Any  # s m-1
    largest_resistance: Any = 5000.0  # s m-1
    light: Any = 30.0  # W m-2, rgl
    deficit: Any = 41.69  # hs, per mixing ratio
    optimum: Any = 298.0  # K


class Widths(NamedTuple):
    """Of the kinks; zero is exact."""

    deficit: float = 2e-4  # in mixing ratio
    temperature: float = 0.01  # in the factor, zero 25 K from the optimum


EXACT = Widths(0.0, 0.0)
SMOOTH = Widths()


def mixing_ratio(vapour_pressure: Any, pressure: Any) -> Any:
    """Return the mass of vapour over that of dry air.

    Parameters
    ----------
    vapour_pressure, pressure : tensor
        Pa.

    Returns
    -------
    tensor
        1.
    """
    return RATIO * vapour_pressure / (pressure - vapour_pressure)


def saturation_pressure(temperature: Any) -> Any:
    """Return the saturation vapour pressure with a constant latent heat, as Noah-MP has it for these stomata.

    Parameters
    ----------
    temperature : tensor
        K.

    Returns
    -------
    tensor
        Pa.
    """
    return 611.0 * pt.exp(2.501e6 / 461.0 * (1.0 / 273.15 - 1.0 / temperature))


def resistance(
    light: Any, temperature: Any, vapour_pressure: Any, pressure: Any, soil_factor: Any, p: Traits, widths: Widths = SMOOTH
) -> Any:
    """Return the stomatal resistance of a leaf.

    Parameters
    ----------
    light : tensor
        Absorbed PAR, W m-2.
    temperature : tensor
        Of the leaf, K.
    vapour_pressure, pressure : tensor
        Of the air around it, Pa.
    soil_factor : tensor
        Of soil water, above zero.
    p : Traits
        Parameters.
    widths : Widths
        Of the kinks at saturation and 25 K from the optimum.

    Returns
    -------
    tensor
        s m-1 (Niu et al. 2011).
    """
    f = 2.0 * light / p.light
    bright = larger((p.least_resistance / p.largest_resistance + f) / (1.0 + f), pt.as_tensor(LEAST))
    deficit = mixing_ratio(saturation_pressure(temperature), pressure) - mixing_ratio(vapour_pressure, pressure)
    humid = larger(1.0 / (1.0 + p.deficit * positive_part(deficit, widths.deficit)), pt.as_tensor(LEAST_HUMIDITY))
    warm = LEAST + positive_part(1.0 - TEMPERATURE_CURVATURE * (p.optimum - temperature) ** 2 - LEAST, widths.temperature)
    return p.least_resistance / (bright * humid * warm * soil_factor)
