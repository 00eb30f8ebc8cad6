"""Saturation, deficit and heat capacity of air as BEPS computes them; vapour pressures in kPa.

Murray (1967), doi 10.1175/1520-0450(1967)006<0203:OTCOSV>2.0.CO;2, with rounded constants, which differ between the saturation pressure
and its slope.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

PRESSURE = 101.35  # kPa
DENSITY = 1.292  # kg m-3
PSYCHROMETER = 0.066  # kPa K-1
SUBLIMATION = 2.83e6  # J kg-1


class Air(NamedTuple):
    """State of the air."""

    temperature: Any  # degC
    vapour_pressure: Any  # kPa
    deficit: Any  # kPa
    slope: Any  # of the saturation pressure, kPa K-1
    heat: Any  # heat capacity, J m-3 K-1


def saturation_pressure(temperature: Any) -> Any:
    """Return the saturation vapour pressure.

    Parameters
    ----------
    temperature : tensor
        degC.

    Returns
    -------
    tensor
        kPa.
    """
    return 0.61078 * pt.exp(17.3 * temperature / (237.3 + temperature))


def air(temperature: Any, humidity: Any) -> Air:
    """Return the state of air with a relative humidity.

    Parameters
    ----------
    temperature : tensor
        degC.
    humidity : tensor
        Relative humidity, percent.

    Returns
    -------
    Air
        Deficit, slope and heat capacity at this temperature.
    """
    saturated = saturation_pressure(temperature)
    pressure = saturated * humidity / 100.0
    shifted = temperature + 237.3
    slope = 2503.0 / shifted**2 * pt.exp(17.27 * temperature / shifted)
    specific = 0.622 * pressure / (PRESSURE - 0.378 * pressure)
    return Air(temperature, pressure, saturated - pressure, slope, DENSITY * 1004.65 * (1.0 + 0.84 * specific))


def vaporisation_heat(temperature: Any) -> Any:
    """Return the latent heat of vaporisation.

    Parameters
    ----------
    temperature : tensor
        degC.

    Returns
    -------
    tensor
        J kg-1.
    """
    return (2.501 - 0.00237 * temperature) * 1e6
