"""Transpiration and evaporation by Penman-Monteith, with parametrised longwave radiation, of a canopy and of the soil below it: BETHY.

Monteith (1965); Knorr (1997, 2000), doi 10.1046/j.1365-2699.2000.00159.x, and the public source of CCDAS: BETHY. Evaporation is
kg m-2 s-1, conductances are m s-1.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import floored, positive_part
from lsm_bayes.processes.thresholds import larger

GAS_CONSTANT = 8.314  # J mol-1 K-1
MELTING = 273.16  # K
STEFAN_BOLTZMANN = 5.6697e-8  # W m-2 K-4
HEAT_CAPACITY = 1005.46  # J kg-1 K-1
AIR_MOLAR_MASS = 0.028964  # kg mol-1
VAPOUR_RATIO = 287.05 / 461.51
SUBLIMATION, SUBLIMATION_OF_SOURCE = 2.834e6, 3.834e6  # J kg-1; the second is a slip
EMISSIVITY, CLEAR_SKY, CLOUDINESS = 0.97, 0.64, 0.22
CANOPY_ALBEDO, UNDER_CANOPY = 0.15, 0.05  # of a dense canopy; of incident shortwave, absorbed by the soil below it
GROUND_HEAT = 0.036  # of net radiation
LEAST, LEAST_WIDTH = 1e-15, 1e-12  # kg m-2 s-1
VON_KARMAN = 0.41


class AirForm(NamedTuple):
    """How ice and water are told apart, and the latent heat of ice."""

    sublimation: float = SUBLIMATION
    deficit_width: float = 1.0  # Pa, of the positive part of the vapour pressure deficit; 0: hard


class Air(NamedTuple):
    """Properties of air for Penman-Monteith."""

    saturation: Any  # Pa
    slope: Any  # Pa K-1, of saturation with temperature
    latent_heat: Any  # J kg-1
    psychrometer: Any  # Pa K-1
    heat: Any  # J m-3 K-1, density times heat capacity


class Radiation(NamedTuple):
    """Net radiation, W m-2."""

    canopy: Any  # less ground heat
    soil: Any  # less ground heat
    total: Any  # ground heat included
    ground_heat: Any
    per_canopy: Any  # of the canopy, per area that it covers


def saturation(celsius: Any, phase: Any = None) -> tuple[Any, Any]:
    """Return saturation vapour pressure and its slope, over water from 0 degC on, over ice below (Magnus).

    Parameters
    ----------
    celsius : tensor
        degC.
    phase : tensor, optional
        Temperature that decides between ice and water, if another one does.

    Returns
    -------
    tuple of tensor
        Pa and Pa K-1.
    """
    frozen = (celsius if phase is None else phase) < 0
    a, b = pt.switch(frozen, 22.33, 17.269), pt.switch(frozen, 271.15, 237.3)
    pressure = 610.78 * pt.exp(a * celsius / (b + celsius))
    return pressure, pressure * a * b / (b + celsius) ** 2


def air(celsius: Any, pressure: Any, form: AirForm) -> Air:
    """Return the properties of air.

    Parameters
    ----------
    celsius : tensor
        degC.
    pressure : tensor
        Pa.
    form : AirForm
        Latent heat of ice.

    Returns
    -------
    Air
        Properties; of latent heat and saturation there is a step at 0 degC, where ice gives way to water.
    """
    kelvin = celsius + MELTING
    latent = pt.switch(celsius < 0, form.sublimation, 3.1512e6 - 2.38e3 * kelvin)
    vapour, slope = saturation(celsius)
    density = AIR_MOLAR_MASS * pressure / (GAS_CONSTANT * kelvin)
    return Air(vapour, slope, latent, pressure * HEAT_CAPACITY / (VAPOUR_RATIO * latent), density * HEAT_CAPACITY)


def vapour_pressure(base: Any, saturated: Any, wetness: Any, form: AirForm) -> tuple[Any, Any]:
    """Return vapour pressure, and the vapour pressure deficit, of an hour from the humidity of the coldest.

    Parameters
    ----------
    base : tensor
        Vapour pressure at the lowest temperature of the day, Pa.
    saturated : tensor
        Saturation vapour pressure of the hour, Pa.
    wetness : tensor
        Of the soil, 0 to 1: wet soil makes the air moister by day.
    form : AirForm
        Width.

    Returns
    -------
    tuple of tensor
        Pa; the pressure is at most the saturation.
    """
    deficit = positive_part(saturated - base - 0.49 * wetness * (saturated - base), form.deficit_width)
    return saturated - deficit, deficit


def net_longwave(celsius: Any, vapour: Any, cloud: Any) -> Any:
    """Return net longwave radiation of a surface at air temperature (Brutsaert 1975, doi 10.1029/WR011i005p00742, with clouds).

    Parameters
    ----------
    celsius : tensor
        degC.
    vapour : tensor
        Vapour pressure, Pa.
    cloud : tensor
        Fraction of the sky.

    Returns
    -------
    tensor
        W m-2, positive downwards; mostly negative.
    """
    kelvin = celsius + MELTING
    emitted = (1.0 + CLOUDINESS * cloud**2) * CLEAR_SKY * pt.exp(0.143 * pt.log(vapour / kelvin))
    return STEFAN_BOLTZMANN * kelvin**4 * (emitted - EMISSIVITY)


def transmitted(lai: Any, cover: Any) -> Any:
    """Return the fraction of diffuse radiation that reaches the ground.

    Parameters
    ----------
    lai : tensor
        m2 m-2.
    cover : tensor
        Fraction of the ground under crowns.

    Returns
    -------
    tensor
        0 to 1.
    """
    least = floored(cover, 1e-3, 1e-2)
    return 1.0 - cover + least * pt.exp(-0.5 * lai / least)


def shares(longwave: Any, shortwave: Any, fapar: Any, albedo: Any, transmission: Any) -> Radiation:
    """Share net radiation between canopy and soil.

    Parameters
    ----------
    longwave : tensor
        Net, W m-2.
    shortwave : tensor
        Incoming, W m-2.
    fapar : tensor
        Fraction of PAR that the canopy absorbs.
    albedo : tensor
        Of the ground.
    transmission : tensor
        As of `transmitted`.

    Returns
    -------
    Radiation
        Knorr (1997), equations 36 to 47.
    """
    by_canopy = (1.0 - CANOPY_ALBEDO - UNDER_CANOPY) * fapar
    by_soil = 1.0 - albedo - (1.0 - albedo - UNDER_CANOPY) * fapar
    total = longwave + (by_canopy + by_soil) * shortwave
    ground = GROUND_HEAT * total
    left = longwave - ground
    closed = 1.0 - transmission
    dense = floored(by_canopy, 1e-6, 1e-3) / floored(closed, 1e-6, 1e-3)
    return Radiation(
        closed * left + by_canopy * shortwave, transmission * left + by_soil * shortwave, total, ground, left + dense * shortwave
    )


def drive(x: Air, radiation: Any, deficit: Any, aerodynamic: Any) -> Any:
    """Return the numerator of the Penman-Monteith equation.

    Parameters
    ----------
    x : Air
        Properties of air.
    radiation : tensor
        Net radiation less ground heat, W m-2.
    deficit : tensor
        Vapour pressure deficit, Pa.
    aerodynamic : tensor
        Conductance, m s-1.

    Returns
    -------
    tensor
        W m-2 Pa K-1.
    """
    return x.slope * radiation + x.heat * deficit * aerodynamic


def evaporation(x: Air, driven: Any, resistance_ratio: Any) -> Any:
    """Return evaporation or transpiration.

    Parameters
    ----------
    x : Air
        Properties of air.
    driven : tensor
        As of `drive`.
    resistance_ratio : tensor
        Aerodynamic over surface conductance; 0 for a wet surface.

    Returns
    -------
    tensor
        kg m-2 s-1, negative for condensation (Monteith 1965).
    """
    return driven / ((x.slope + x.psychrometer * (1.0 + resistance_ratio)) * x.latent_heat)


def soil_evaporation(x: Air, radiation: Any) -> Any:
    """Return what evaporates from wet soil: the equilibrium rate (Priestley & Taylor 1972, with a coefficient of one).

    Parameters
    ----------
    x : Air
        Properties of air.
    radiation : tensor
        Net radiation of the soil less ground heat, W m-2.

    Returns
    -------
    tensor
        kg m-2 s-1, not below 1e-15.
    """
    return floored(x.slope * radiation / ((x.slope + x.psychrometer) * x.latent_heat), LEAST, LEAST_WIDTH)


def canopy_temperature(celsius: Any, x: Air, radiation: Any, transpiration: Any, aerodynamic: Any) -> Any:
    """Return the temperature at which the canopy gives off as sensible heat what it does not transpire.

    Parameters
    ----------
    celsius : tensor
        Air temperature, degC.
    x : Air
        Properties of air.
    radiation : tensor
        Net radiation less ground heat per area that the canopy covers, W m-2.
    transpiration : tensor
        kg m-2 s-1.
    aerodynamic : tensor
        Conductance, m s-1.

    Returns
    -------
    tensor
        degC (Knorr 1997, equation 110).
    """
    return celsius + (radiation - x.latent_heat * transpiration) / (x.heat * aerodynamic)


def neutral_conductance(wind: Any, height: Any) -> Any:
    """Return the aerodynamic conductance of vegetation in neutral air.

    Parameters
    ----------
    wind : tensor
        m s-1, above the canopy.
    height : tensor
        Of the vegetation, m; at least 1 mm.

    Returns
    -------
    tensor
        m s-1, for a wind 2 m above the zero plane and a roughness of a tenth of the height, as in BETHY.
    """
    return VON_KARMAN**2 * wind / pt.log(2.0 / (0.0999995 * larger(height, 1e-3)) + 4.3568) ** 2
