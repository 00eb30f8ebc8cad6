"""Aggregated canopy model of photosynthesis (Williams et al. 1997, doi 10.1890/1051-0761(1997)007[0882:PGPPIT]2.0.CO;2)."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytensor.tensor as pt

WATER_POTENTIAL = 2.0  # MPa, largest soil-to-leaf difference (sign dropped)
HYDRAULIC_RESISTANCE = 1.0  # MPa m2 s mmol-1


class Coefficients(NamedTuple):
    """Fitted coefficients a2 to a10 of the canopy model, in its units."""

    day_length: float  # a2, h-1
    co2_compensation: float  # a3, umol mol-1
    co2_half_saturation: float  # a4, umol mol-1
    base: float  # a5
    hydraulic: float  # a6
    quantum_yield: float  # a7, of a dense canopy, gC MJ-1
    temperature: float  # a8, degC-1
    lai_half_saturation: float  # a9, m4 m-4
    water_potential: float  # a10, exponent


# Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015, and CARDAMOM's source.
CARDAMOM = Coefficients(0.0156935, 4.22273, 208.868, 0.0453194, 0.37836, 7.19298, 0.011136, 2.1001, 0.789798)
# Williams et al. (2005), doi 10.1111/j.1365-2486.2004.00891.x: ponderosa pine.
WILLIAMS_2005 = Coefficients(0.0142, 217.9, 0.980, 0.155, 2.653, 4.309, 0.060, 1.062, 0.0006)


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
    coefficients: Coefficients = CARDAMOM,
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
    coefficients : Coefficients
        The other coefficients.

    Returns
    -------
    tensor
        gC m-2 d-1, positive uptake (Williams et al. 1997, equations 1 to 7).
    """
    bare = lai <= 0  # False where the leaf area is NaN, which must come out again
    leaves = pt.switch(bare, 1.0, lai)  # 0/0 below otherwise
    gpp = _equations(leaves, temperature_max, temperature_min, shortwave, co2, hours, canopy_efficiency, coefficients)
    return pt.switch(bare, 0.0, gpp)


def literal_gross_primary_production(
    lai: Any,
    temperature_max: Any,
    temperature_min: Any,
    shortwave: Any,
    co2: Any,
    hours: Any,
    canopy_efficiency: Any,
    coefficients: Coefficients = CARDAMOM,
) -> Any:
    """Return `gross_primary_production` by its equations alone, which the C source also evaluates where they mean nothing.

    Parameters
    ----------
    lai : tensor
        Leaf area index, m2 m-2. Zero gives NaN, a negative one a number without meaning.
    temperature_max, temperature_min, shortwave, co2, hours, canopy_efficiency, coefficients
        As in `gross_primary_production`.

    Returns
    -------
    tensor
        gC m-2 d-1.
    """
    gpp = _equations(lai, temperature_max, temperature_min, shortwave, co2, hours, canopy_efficiency, coefficients, _as_it_stands)
    return _as_it_stands(gpp)


def _as_it_stands(x: Any) -> Any:
    """Keep rewriting from moving factors into a quotient, where they overflow earlier than in the C source."""
    return pt.switch(pt.isnan(x), math.nan, x)


def _unchanged(x: Any) -> Any:
    return x


def _equations(
    lai: Any,
    temperature_max: Any,
    temperature_min: Any,
    shortwave: Any,
    co2: Any,
    hours: Any,
    canopy_efficiency: Any,
    coefficients: Coefficients,
    quotient: Callable[[Any], Any] = _unchanged,
) -> Any:
    a = coefficients
    conductance = WATER_POTENTIAL**a.water_potential / (a.hydraulic * HYDRAULIC_RESISTANCE + 0.5 * (temperature_max - temperature_min))
    p = lai * canopy_efficiency * (pt.exp(a.temperature * temperature_max) / conductance)
    q = a.co2_compensation - a.co2_half_saturation
    b = co2 + q - p
    internal = 0.5 * (b + pt.sqrt(b**2 - 4 * (co2 * q - p * a.co2_compensation)))
    lai_squared = lai**2
    quantum_yield = quotient(a.quantum_yield * lai_squared / (lai_squared + a.lai_half_saturation))
    light_limited = quantum_yield * shortwave
    diffusion_limited = conductance * (co2 - internal)
    rate = light_limited * diffusion_limited / (light_limited + diffusion_limited)
    return rate * (a.day_length * hours + a.base)
