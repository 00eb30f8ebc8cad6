"""Aggregated canopy model of photosynthesis (Williams et al. 1997, doi 10.1890/1051-0761(1997)007[0882:PGPPIT]2.0.CO;2).

The coefficients are those of CARDAMOM (Bloom & Williams 2015, doi 10.5194/bg-12-1299-2015, with the source code).
"""

import math
from typing import Any

import pytensor.tensor as pt

WATER_POTENTIAL = 2.0  # MPa, largest soil-to-leaf difference (sign dropped)
HYDRAULIC_RESISTANCE = 1.0  # MPa m2 s mmol-1


def day_length(day_of_year: Any, latitude: Any, pi: float = math.pi) -> Any:
    """Return the hours between sunrise and sunset.

    Parameters
    ----------
    day_of_year : tensor
        d, 1 to 366.
    latitude : tensor
        degrees, positive northwards.
    pi : float
        The number pi; CARDAMOM codes 3.1415927.

    Returns
    -------
    tensor
        h; 0 in polar night, 24 in polar day.
    """
    declination = -23.4 * pt.cos(2 * pi * (day_of_year + 10.0) / 365.0) * pi / 180.0
    m = pt.tan(latitude * pi / 180.0) * pt.tan(declination)
    inside = pt.abs(m) < 1
    return pt.switch(inside, 24.0 / pi * pt.arccos(-pt.switch(inside, m, 0.0)), pt.switch(m >= 1, 24.0, 0.0))


def gross_primary_production(
    lai: Any,
    temperature_max: Any,
    temperature_min: Any,
    shortwave: Any,
    co2: Any,
    hours: Any,
    canopy_efficiency: Any,
) -> Any:
    """Return gross primary production of a canopy.

    Parameters
    ----------
    lai : tensor
        Leaf area index, m2 m-2. At zero or below the result is zero; the gradient there is zero too.
    temperature_max, temperature_min : tensor
        Daily extremes of air temperature, degC.
    shortwave : tensor
        Incoming shortwave radiation, MJ m-2 d-1.
    co2 : tensor
        Atmospheric CO2, umol mol-1.
    hours : tensor
        Day length, h.
    canopy_efficiency : tensor
        Product of nitrogen-use efficiency a1 and leaf nitrogen, CARDAMOM parameter 11.

    Returns
    -------
    tensor
        gC m-2 d-1, positive uptake (Williams et al. 1997, equations 1 to 7; coefficients a2 to a10 of CARDAMOM).
    """
    bare = lai <= 0  # False where the leaf area is NaN, which must come out again
    leaves = pt.switch(bare, 1.0, lai)  # 0/0 below otherwise
    conductance = WATER_POTENTIAL**0.789798 / (0.37836 * HYDRAULIC_RESISTANCE + 0.5 * (temperature_max - temperature_min))
    p = leaves * canopy_efficiency * (pt.exp(0.011136 * temperature_max) / conductance)
    q = 4.22273 - 208.868
    a = co2 + q - p
    internal = 0.5 * (a + pt.sqrt(a**2 - 4 * (co2 * q - p * 4.22273)))
    leaves_squared = leaves**2
    quantum_yield = 7.19298 * leaves_squared / (leaves_squared + 2.1001)
    light_limited = quantum_yield * shortwave
    diffusion_limited = conductance * (co2 - internal)
    rate = light_limited * diffusion_limited / (light_limited + diffusion_limited)
    return pt.switch(bare, 0.0, rate * (0.0156935 * hours + 0.0453194))
