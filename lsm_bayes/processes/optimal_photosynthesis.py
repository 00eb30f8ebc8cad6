"""Optimal photosynthesis of C3 leaves: the P-model.

Leaves balance the costs of transpiration and carboxylation (Prentice et al. 2014, doi 10.1111/ele.12211) and coordinate the capacities of
carboxylation and electron transport with the light of past weeks (Wang et al. 2017, doi 10.1038/s41477-017-0006-8), as collected by
Stocker et al. (2020), doi 10.5194/gmd-13-1545-2020. Temperatures are in degC, pressures in Pa.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.water_properties import GAS_CONSTANT, KELVIN, STANDARD_PRESSURE, viscosity

CARBON_MOLAR_MASS = 12.0107  # g mol-1 as in Stocker et al. (2020); the 12.011 of unit conversions is 2.5e-5 larger
OXYGEN = 0.209476  # mole fraction
REFERENCE = 298.15  # K
DEACTIVATION = 200_000.0  # J mol-1, Kattge & Knorr (2007)


class Acclimated(NamedTuple):
    """What leaves have acclimated to, per absorbed photon."""

    ci_to_ca: Any  # 1
    assimilation: Any  # m of Stocker et al. (2020), 1: light-limited assimilation without a limit to electron transport
    carboxylation: Any  # ratio of light-limited to Rubisco-limited assimilation factors, 1
    drawdown: Any  # ca - ci, Pa


def arrhenius(temperature: Any, activation: float) -> Any:
    """Return a rate relative to that at 25 degC.

    Parameters
    ----------
    temperature : tensor
        degC.
    activation : float
        Activation energy, J mol-1.

    Returns
    -------
    tensor
        1.
    """
    kelvin = temperature + KELVIN
    return pt.exp(activation / (GAS_CONSTANT * REFERENCE) * (kelvin - REFERENCE) / kelvin)


def peaked_arrhenius(temperature: Any, growth_temperature: Any, activation: float, entropy: tuple[float, float]) -> Any:
    """Return a rate relative to that at 25 degC with an optimum that follows growth temperature.

    Kattge & Knorr (2007), doi 10.1111/j.1365-3040.2007.01690.x.

    Parameters
    ----------
    temperature, growth_temperature : tensor
        degC.
    activation : float
        Activation energy, J mol-1.
    entropy : tuple of float
        Intercept and slope of the entropy term with growth temperature, J mol-1 K-1 and J mol-1 K-2.

    Returns
    -------
    tensor
        1.
    """
    kelvin = temperature + KELVIN
    s = entropy[0] + entropy[1] * growth_temperature
    reference = 1.0 + pt.exp((REFERENCE * s - DEACTIVATION) / (GAS_CONSTANT * REFERENCE))
    return arrhenius(temperature, activation) * reference / (1.0 + pt.exp((kelvin * s - DEACTIVATION) / (GAS_CONSTANT * kelvin)))


def compensation_point(temperature: Any, pressure: Any) -> Any:
    """Return the photorespiratory compensation point (Bernacchi et al. 2001, in partial pressure by Stocker et al. 2020).

    Parameters
    ----------
    temperature : tensor
        degC.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        Pa.
    """
    return 4.332 / STANDARD_PRESSURE * pressure * arrhenius(temperature, 37_830.0)


def michaelis_constant(temperature: Any, pressure: Any) -> Any:
    """Return the effective Michaelis constant of Rubisco in air (Bernacchi et al. 2001, in partial pressure by Stocker et al. 2020).

    Parameters
    ----------
    temperature : tensor
        degC.
    pressure : tensor
        Pa.

    Returns
    -------
    tensor
        Pa.
    """
    oxygen = OXYGEN / 27_480.0 * pressure / arrhenius(temperature, 36_380.0)
    return 39.97 * arrhenius(temperature, 79_430.0) * (1.0 + oxygen)


def acclimate(temperature: Any, vapour_pressure_deficit: Any, co2: Any, pressure: Any, cost_ratio: Any) -> Acclimated:
    """Return the optimal ratio of internal to ambient CO2 and what follows from it (Stocker et al. 2020, equations 8 and 9).

    Parameters
    ----------
    temperature : tensor
        degC.
    vapour_pressure_deficit : tensor
        Pa; zero or below counts as saturated air.
    co2 : tensor
        umol mol-1.
    pressure : tensor
        Pa.
    cost_ratio : tensor
        Unit cost of carboxylation over that of transpiration, 1.

    Returns
    -------
    Acclimated
        Ratios.
    """
    ambient = 1e-6 * co2 * pressure
    compensation = compensation_point(temperature, pressure)
    michaelis = michaelis_constant(temperature, pressure)
    relative_viscosity = viscosity(temperature, pressure) / viscosity(25.0, STANDARD_PRESSURE)
    xi = pt.sqrt(cost_ratio * (michaelis + compensation) / (1.6 * relative_viscosity))
    saturated = vapour_pressure_deficit <= 0
    dryness = pt.switch(saturated, 0.0, pt.sqrt(pt.switch(saturated, 1.0, vapour_pressure_deficit)))
    span = ambient - compensation
    above = span * xi / (xi + dryness)  # ci less the compensation point
    light = above + 3.0 * compensation
    return Acclimated((above + compensation) / ambient, above / light, (above + compensation + michaelis) / light, span - above)


def electron_transport_limit(assimilation: Any, cost: Any, width: float = 0.0) -> tuple[Any, Any]:
    """Return how far the cost of electron transport limits assimilation (Wang et al. 2017, as in Stocker et al. 2020).

    Parameters
    ----------
    assimilation : tensor
        m, 1.
    cost : tensor
        Unit cost of electron transport, 1; 0.41 by Wang et al. (2017).
    width : float
        The limit is sqrt(r) with r = 1 - (cost / m)^(2/3). Where the cost exceeds m the optimum is no photosynthesis: the limit is zero,
        with zero gradient, and its slope is infinite on the other side. With a positive width r is (r + sqrt(r^2 + width^2)) / 2, which
        differs by width^2 / 4r where r is much larger than the width.

    Returns
    -------
    tuple of tensor
        m' / m, and the largest rate of electron transport per 4 phi0 times absorbed light.
    """
    share = (cost / assimilation) ** (2.0 / 3.0)
    r = 1.0 - share
    if width:
        root = pt.sqrt(0.5 * (r + pt.sqrt(r**2 + width**2)))
    else:
        none = r <= 0
        root = pt.switch(none, 0.0, pt.sqrt(pt.switch(none, 1.0, r)))
    return root, root / pt.sqrt(share)


def soil_moisture_stress(soil_water: Any, threshold: Any, at_wilting: Any) -> Any:
    """Return the factor by which dry soil reduces light use efficiency: a parabola below a threshold (Stocker et al. 2020).

    Parameters
    ----------
    soil_water : tensor
        Plant-available water, mm.
    threshold : tensor
        Water above which there is no stress, mm, positive.
    at_wilting : tensor
        Factor without plant-available water, 1.

    Returns
    -------
    tensor
        1; value and slope are continuous at the threshold. In Stocker et al. the threshold is 0.6 of the capacity and the factor at
        wilting a function of mean aridity; here both are parameters, as in Paredes et al. (2023).
    """
    dry = soil_water / threshold - 1.0
    return pt.switch(dry > 0, 1.0, 1.0 - (1.0 - at_wilting) * dry**2)


def quantum_yield_factor(temperature: Any, curvature: Any, optimum: Any) -> Any:
    """Return the factor of the quantum yield with temperature: a parabola, zero where it would be negative (Paredes et al. 2023).

    Parameters
    ----------
    temperature : tensor
        degC.
    curvature : tensor
        degC-2, zero or negative.
    optimum : tensor
        degC.

    Returns
    -------
    tensor
        0 to 1; the gradient is zero where the factor is.
    """
    factor = 1.0 + curvature * (temperature - optimum) ** 2
    return pt.switch(factor <= 0, 0.0, factor)


def dark_respiration_factor(temperature: Any) -> Any:
    """Return leaf respiration relative to that at 25 degC (Heskel et al. 2016, doi 10.1073/pnas.1520282113).

    Parameters
    ----------
    temperature : tensor
        degC.

    Returns
    -------
    tensor
        1.
    """
    return pt.exp(0.1012 * (temperature - 25.0) - 0.0005 * (temperature**2 - 625.0))
