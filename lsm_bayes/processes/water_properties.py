"""Properties of water and moist air as functions of temperature and pressure."""

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt

STANDARD_PRESSURE = 101325.0  # Pa
GAS_CONSTANT = 8.3145  # J mol-1 K-1
KELVIN = 273.15
DRY_AIR_MOLAR_MASS, WATER_MOLAR_MASS = 0.028963, 0.01802  # kg mol-1, Tsilingiris (2008)

# Fisher & Dial (1975), equation of state of pure water, Marine Physical Laboratory: the Tumlirz equation, lowest power first.
_LAMBDA = (1788.316, 21.55053, -0.4695911, 3.096363e-3, -7.341182e-6)
_P0 = (5918.499, 58.05267, -1.1253317, 6.6123869e-3, -1.4661625e-5)
_V_INFINITE = (
    *(0.6980547, -7.435626e-4, 3.704258e-5, -6.315724e-7, 9.829576e-9),
    *(-1.197269e-10, 1.005461e-12, -5.437898e-15, 1.69946e-17, -2.295063e-20),
)
# Chen, Fine & Millero (1977), doi 10.1063/1.434179: density at one atmosphere, secant bulk modulus and its slopes with pressure.
_RHO0 = (
    *(0.99983952, 6.78826e-5, -9.08659e-6, 1.02213e-7, -1.35439e-9),
    *(1.47115e-11, -1.11663e-13, 5.04407e-16, -1.00659e-18),
)
_MODULUS = (19652.17, 148.183, -2.29995, 0.01281, -4.91564e-5, 1.03553e-7)
_MODULUS_A = (3.26138, 5.223e-4, 1.324e-4, -7.655e-7, 8.584e-10)
_MODULUS_B = (7.2061e-5, -5.8948e-6, 8.699e-8, -1.01e-9, 4.322e-12)
# Huber et al. (2009), doi 10.1063/1.3088050: tables 2 and 3, the latter by power of reduced temperature, then of reduced density.
_MU0 = (1.67752, 2.20462, 0.6366564, -0.241605)
_MU1 = (
    (0.520094, 0.222531, -0.281378, 0.161913, -0.0325372, 0.0, 0.0),
    (0.0850895, 0.999115, -0.906851, 0.257399, 0.0, 0.0, 0.0),
    (-1.08374, 1.88797, -0.772479, 0.0, 0.0, 0.0, 0.0),
    (-0.289555, 1.26613, -0.489837, 0.0, 0.0698452, 0.0, -0.00435673),
    (0.0, 0.0, -0.25704, 0.0, 0.0, 0.00872102, 0.0),
    (0.0, 0.120573, 0.0, 0.0, 0.0, 0.0, -0.000593264),
)
# Tsilingiris (2008), doi 10.1016/j.enconman.2007.09.015, equation 47: heat capacity of moist air, kJ kg-1 K-1.
_HEAT_CAPACITY = (1.004571427, 2.05063275e-3, -1.631537093e-4, 6.2123003e-6, -8.830478888e-8, 5.071307038e-10)


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    value: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * x + c
    return value


def density(temperature: Any, pressure: Any) -> Any:
    """Return the density of water by the Tumlirz equation (Fisher & Dial 1975).

    Parameters
    ----------
    temperature : tensor
        degC; below about -30 the polynomials mean nothing.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        kg m-3.
    """
    return 1e3 / (
        _polynomial(temperature, _V_INFINITE) + _polynomial(temperature, _LAMBDA) / (_polynomial(temperature, _P0) + 1e-5 * pressure)
    )


def density_chen(temperature: Any, pressure: Any) -> Any:
    """Return the density of water by the bulk modulus of Chen et al. (1977), as SPLASH does; 4e-5 above `density` at 20 degC.

    Parameters
    ----------
    temperature : tensor
        degC.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        kg m-3.
    """
    bar = 1e-5 * pressure
    modulus = _polynomial(temperature, _MODULUS) + bar * (_polynomial(temperature, _MODULUS_A) + bar * _polynomial(temperature, _MODULUS_B))
    return 1e3 * _polynomial(temperature, _RHO0) * modulus / (modulus - bar)


def viscosity(temperature: Any, pressure: Any) -> Any:
    """Return the dynamic viscosity of water (Huber et al. 2009, equations 2, 11 and 12, without the critical enhancement).

    Parameters
    ----------
    temperature : tensor
        degC.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        Pa s.
    """
    reduced = (temperature + KELVIN) / 647.096
    inverse = 1.0 / reduced
    excess = density(temperature, pressure) / 322.0 - 1.0
    exponent = _polynomial(inverse - 1.0, [_polynomial(excess, row) for row in _MU1])
    return 1e-4 * pt.sqrt(reduced) / _polynomial(inverse, _MU0) * pt.exp((excess + 1.0) * exponent)


def pressure_at(elevation: Any) -> Any:
    """Return the pressure of the standard atmosphere at 25 degC (Allen et al. 1998, FAO 56, equation 7 with this temperature).

    Parameters
    ----------
    elevation : tensor
        m.

    Returns
    -------
    tensor
        Pa.
    """
    lapse = 0.0065  # K m-1
    return STANDARD_PRESSURE * (1.0 - lapse * elevation / 298.15) ** (9.80665 * DRY_AIR_MOLAR_MASS / (GAS_CONSTANT * lapse))


def saturation_slope(temperature: Any) -> Any:
    """Return the slope of saturation vapour pressure with temperature (Allen et al. 1998, equation 13).

    Parameters
    ----------
    temperature : tensor
        degC.

    Returns
    -------
    tensor
        Pa K-1.
    """
    shifted = temperature + 237.3
    return 17.269 * 237.3 * 610.78 * pt.exp(17.269 * temperature / shifted) / shifted**2


def vaporisation_heat(temperature: Any) -> Any:
    """Return the latent heat of vaporisation (Henderson-Sellers 1984, equation 8).

    Parameters
    ----------
    temperature : tensor
        degC.

    Returns
    -------
    tensor
        J kg-1.
    """
    return 1.91846e6 * ((temperature + KELVIN) / (temperature + KELVIN - 33.91)) ** 2


def psychrometric_constant(temperature: Any, pressure: Any) -> Any:
    """Return the psychrometric constant (Allen et al. 1998, equation 8; heat capacity of Tsilingiris 2008, equation 47).

    Parameters
    ----------
    temperature : tensor
        degC; the heat capacity is that of 0 degC below it, where its polynomial was not fitted.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        Pa K-1.
    """
    capacity = 1e3 * _polynomial(pt.switch(temperature <= 0, 0.0, temperature), _HEAT_CAPACITY)
    return capacity * pressure * (DRY_AIR_MOLAR_MASS / WATER_MOLAR_MASS) / vaporisation_heat(temperature)
