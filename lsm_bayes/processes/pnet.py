"""Photosynthesis of PnET as SIPNET has it (Aber & Federer 1992; Braswell et al. 2005, doi 10.1111/j.1365-2486.2005.00897.x)."""

import math
from typing import Any

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import positive_part

LAYERS = 6
SIMPSON = (1, 4, 2, 4, 2, 4, 1)
NMOL_TO_DAILY_CARBON = 12.0 * 1e-9 * 86400.0  # nmol s-1 to gC d-1


def temperature_factor(temperature: Any, minimum: Any, optimum: Any) -> Any:
    """Return the effect of temperature on photosynthesis.

    Parameters
    ----------
    temperature : tensor
        Air temperature, degC.
    minimum, optimum : tensor
        degC; the maximum lies as far above the optimum as the minimum below.

    Returns
    -------
    tensor
        0 to 1, a parabola (Braswell et al. 2005, equation A9).
    """
    maximum = 2.0 * optimum - minimum
    return positive_part((maximum - temperature) * (temperature - minimum) / (0.5 * (maximum - minimum)) ** 2)


def vpd_factor(deficit: Any, slope: Any, exponent: Any) -> Any:
    """Return the effect of dry air on photosynthesis.

    Parameters
    ----------
    deficit : tensor
        Vapour pressure deficit, kPa, positive.
    slope, exponent : tensor
        Loss at 1 kPa, and the power of the deficit (2 in Braswell et al. 2005).

    Returns
    -------
    tensor
        0 to 1 (Braswell et al. 2005, equation A10, with a free exponent).
    """
    return positive_part(1.0 - slope * pt.exp(exponent * pt.log(deficit)))


def light_factor(lai: Any, light: Any, extinction: Any, half_saturation: Any) -> Any:
    """Return the effect of light, averaged over the canopy.

    Parameters
    ----------
    lai : tensor
        Leaf area index, m2 m-2.
    light : tensor
        Photosynthetically active radiation above the canopy, mol m-2 d-1, not negative.
    extinction : tensor
        Extinction coefficient.
    half_saturation : tensor
        Light at which a leaf reaches half of its rate, mol m-2 d-1.

    Returns
    -------
    tensor
        0 to 1 (Braswell et al. 2005, equations A11 and A12; Simpson's rule over six layers as in the code, where the paper takes
        the mean of fifty).
    """
    through = pt.exp(extinction * lai * (-1.0 / LAYERS))
    scaled = light * (math.log(2.0) / half_saturation)
    total: Any = 0.0
    passed: Any = 1.0
    for layer, coefficient in enumerate(SIMPSON):
        passed = passed if layer == 0 else passed * through
        total = total + coefficient * pt.exp(-scaled * passed)
    return (3.0 * LAYERS - total) / (3.0 * LAYERS)


def leaf_rate(leaf_mass_area: Any, leaf_carbon_fraction: Any) -> Any:
    """Return what turns a rate per leaf mass into carbon per leaf area.

    Parameters
    ----------
    leaf_mass_area : tensor
        Leaf carbon per leaf area, gC m-2.
    leaf_carbon_fraction : tensor
        Carbon in leaf mass, g g-1.

    Returns
    -------
    tensor
        gC m-2 d-1 per nmol g-1 s-1 and unit of leaf area index (Braswell et al. 2005, equation A8).
    """
    return NMOL_TO_DAILY_CARBON * leaf_mass_area / leaf_carbon_fraction
