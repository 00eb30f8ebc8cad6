"""A leaf whose assimilation and stomatal conductance depend on each other, solved for the CO2 inside it: CLM and FATES.

C3 after Farquhar et al. (1980), doi 10.1007/BF00386231, C4 after Collatz et al. (1992), doi 10.1071/PP9920519; kinetic constants of
Bernacchi et al. (2001), doi 10.1111/j.1365-3040.2001.00668.x; acclimation of Kumarathunge et al. (2019), doi 10.1111/nph.15668; as in
FATES (Koven et al. 2020, doi 10.5194/bg-17-3017-2020) and its public source. Rates are umol m-2 s-1 per leaf area, pressures Pa,
temperatures K.

Internal CO2 is where diffusion and assimilation agree. The difference grows with internal CO2 from below zero at none to above zero
at the CO2 that dark respiration builds up behind closed stomata, so that there is one root between. It is found by a fixed number of Newton
steps on values, dividing the bracket where a step would leave it, and then by one Newton step that is differentiated: its gradient is
that of the implicit function.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import farquhar, newton
from lsm_bayes.processes.smoothing import positive_part, quadratic_minimum
from lsm_bayes.processes.stomata import WATER_PER_CO2, WATER_PER_CO2_BOUNDARY
from lsm_bayes.processes.thresholds import larger, smaller

GAS_CONSTANT = 8.3144598  # J mol-1 K-1
REFERENCE = 298.15  # K
LEAST_CO2 = 1e-6  # Pa, at the surface of the leaf
QUANTUM_YIELD_C4 = 0.05  # CO2 per photon
ELECTRONS = 0.5 * (1.0 - 0.15)  # per absorbed photon, what photosynthesis does not use left out
CURVATURE = 0.7  # of the response of electron transport
NEWTON_STEPS = 12


class Thermal(NamedTuple):
    """Response of a rate to temperature: activation and deactivation energy, J mol-1, and entropy, J mol-1 K-1."""

    activation: Any
    deactivation: Any
    entropy: Any


VCMAX, JMAX, RESPIRATION = Thermal(65330.0, 149250.0, 485.0), Thermal(43540.0, 152040.0, 495.0), Thermal(46390.0, 150650.0, 490.0)


class Form(NamedTuple):
    """How limits are joined."""

    sharpness_c3: float | None = 0.98  # of Rubisco and light (CLM5); None: hard, as in FATES
    sharpness_c4: float = 0.98  # of Rubisco and light
    sharpness_pep: float = 0.95  # of these and PEP carboxylase
    width: float = 0.02  # Pa, of internal CO2 above the compensation point; 0: hard


EXACT = Form(sharpness_c3=None, width=0.0)
SMOOTH = Form()


class Kinetics(NamedTuple):
    """Of Rubisco at leaf temperature, Pa."""

    michaelis_co2: Any
    michaelis_oxygen: Any
    compensation: Any


class Exchange(NamedTuple):
    """What a leaf does at equilibrium."""

    gross: Any  # umol m-2 s-1
    net: Any  # umol m-2 s-1
    conductance: Any  # umol m-2 s-1 of water vapour
    internal: Any  # Pa


def _arrhenius(temperature: Any, activation: Any) -> Any:
    return farquhar.arrhenius(temperature, activation, REFERENCE, GAS_CONSTANT)


def thermal_factor(temperature: Any, response: Thermal) -> Any:
    """Return a rate relative to that at 25 degC.

    Parameters
    ----------
    temperature : tensor
        K.
    response : Thermal
        Energies and entropy.

    Returns
    -------
    tensor
        1 (Lawrence et al. 2019, CLM5 technical note, chapter 9).
    """
    return farquhar.peaked(temperature, *response, REFERENCE, GAS_CONSTANT)


def kinetics(temperature: Any, pressure: Any, oxygen: Any) -> Kinetics:
    """Return the constants of Bernacchi et al. (2001) as partial pressures.

    Parameters
    ----------
    temperature : tensor
        K.
    pressure, oxygen : tensor
        Of the air and its oxygen, Pa. The compensation point is in proportion to oxygen, with 0.209 mol mol-1 as reference.

    Returns
    -------
    Kinetics
        Pa.
    """
    return Kinetics(
        404.9e-6 * pressure * _arrhenius(temperature, 79430.0),
        278.4e-3 * pressure * _arrhenius(temperature, 36380.0),
        42.75e-6 / 0.209 * oxygen * _arrhenius(temperature, 37830.0),
    )


def acclimated(growth: Any, home: Any) -> tuple[Thermal, Thermal, Any]:
    """Return how photosynthesis acclimates to temperature (Kumarathunge et al. 2019).

    Parameters
    ----------
    growth, home : tensor
        Mean temperatures of the last month and of the last decades, degC.

    Returns
    -------
    tuple
        Responses of vcmax and jmax, and the ratio of jmax to vcmax at 25 degC.
    """
    apart = growth - home
    return (
        Thermal((42.6 + 1.14 * growth) * 1e3, 2e5, 645.13 - 0.38 * growth),
        Thermal(40.71e3, 2e5, 658.77 - 0.84 * home - 0.52 * apart),
        2.56 - 0.0375 * home - 0.0202 * apart,
    )


def vcmax_factor_c4(temperature: Any) -> Any:
    """Return vcmax of C4 plants relative to 25 degC, where it is below one by the gates of cold and heat.

    Parameters
    ----------
    temperature : tensor
        K.

    Returns
    -------
    tensor
        1 (CLM5 technical note, chapter 9).
    """
    gates = pt.sigmoid(0.2 * (temperature - 288.15)) * pt.sigmoid(0.3 * (313.15 - temperature))
    return 2.0 ** ((temperature - REFERENCE) / 10.0) * gates


def pep_factor_c4(temperature: Any, width: float = 0.0) -> Any:
    """Return the initial slope of C4 photosynthesis with CO2 relative to 25 degC.

    Parameters
    ----------
    temperature : tensor
        K; above 310 K the factor stays, as in FATES.
    width : float
        Of that kink, K.

    Returns
    -------
    tensor
        1.
    """
    return 2.0 ** ((310.0 - positive_part(310.0 - temperature, width) - REFERENCE) / 10.0)


def rubisco_limited(vcmax: Any, internal: Any, k: Kinetics, oxygen: Any, width: float = 0.0) -> Any:
    """Return gross C3 assimilation limited by Rubisco.

    Parameters
    ----------
    vcmax : tensor
        umol m-2 s-1.
    internal : tensor
        CO2, Pa; below the compensation point there is no assimilation.
    k : Kinetics
        At leaf temperature.
    oxygen : tensor
        Pa.
    width : float
        Of the kink at the compensation point, Pa.

    Returns
    -------
    tensor
        umol m-2 s-1.
    """
    return vcmax * positive_part(internal - k.compensation, width) / (internal + k.michaelis_co2 * (1.0 + oxygen / k.michaelis_oxygen))


def light_limited(electrons: Any, internal: Any, compensation: Any, width: float = 0.0) -> Any:
    """Return gross C3 assimilation limited by the regeneration of RuBP.

    Parameters
    ----------
    electrons : tensor
        Electron transport, umol m-2 s-1.
    internal, compensation : tensor
        CO2 inside and its compensation point, Pa; below it there is no assimilation.
    width : float
        Of the kink at the compensation point, Pa.

    Returns
    -------
    tensor
        umol m-2 s-1.
    """
    return electrons * positive_part(internal - compensation, width) / (4.0 * internal + 8.0 * compensation)


def electron_transport(light: Any, jmax: Any) -> Any:
    """Return electron transport with the yield and the curvature of CLM.

    Parameters
    ----------
    light : tensor
        Absorbed PAR, umol m-2 s-1.
    jmax : tensor
        umol m-2 s-1, above zero.

    Returns
    -------
    tensor
        umol m-2 s-1.
    """
    return farquhar.electron_transport(ELECTRONS * light, jmax, CURVATURE)


def gross_c3(vcmax: Any, electrons: Any, k: Kinetics, oxygen: Any, form: Form = SMOOTH) -> Callable[[Any], Any]:
    """Return gross assimilation of a C3 leaf as a function of internal CO2.

    Parameters
    ----------
    vcmax, electrons : tensor
        At leaf temperature, umol m-2 s-1.
    k : Kinetics
        At leaf temperature.
    oxygen : tensor
        Pa.
    form : Form
        How limits are joined.

    Returns
    -------
    callable
        ``gross(internal)``.
    """

    def gross(internal: Any) -> Any:
        rubisco = rubisco_limited(vcmax, internal, k, oxygen, form.width)
        light = light_limited(electrons, internal, k.compensation, form.width)
        return smaller(rubisco, light) if form.sharpness_c3 is None else quadratic_minimum(rubisco, light, form.sharpness_c3)

    return gross


def gross_c4(vcmax: Any, light: Any, slope: Any, pressure: Any, form: Form = SMOOTH) -> Callable[[Any], Any]:
    """Return gross assimilation of a C4 leaf as a function of internal CO2.

    Parameters
    ----------
    vcmax, slope : tensor
        Rubisco, and initial slope with CO2, at leaf temperature, umol m-2 s-1.
    light : tensor
        Absorbed PAR, umol m-2 s-1.
    pressure : tensor
        Pa.
    form : Form
        How limits are joined.

    Returns
    -------
    callable
        ``gross(internal)``.
    """
    inner = quadratic_minimum(vcmax, QUANTUM_YIELD_C4 * light, form.sharpness_c4)

    def gross(internal: Any) -> Any:
        return quadratic_minimum(inner, slope * positive_part(internal, form.width) / pressure, form.sharpness_pep)

    return gross


def _between(low: Any, high: Any) -> Any:
    # The bracket spans decades: its middle is that of the logarithms.
    return pt.switch(low > 0, pt.sqrt(low * high), 0.1 * high)


def exchange(
    gross: Callable[[Any], Any],
    conductance: Callable[[Any, Any], Any],
    respiration: Any,
    co2: Any,
    pressure: Any,
    boundary: Any,
    residual: Any,
    steps: int = NEWTON_STEPS,
) -> Exchange:
    """Return the equilibrium of assimilation and diffusion.

    Parameters
    ----------
    gross : callable
        ``gross(internal)``, umol m-2 s-1: `gross_c3` or `gross_c4`.
    conductance : callable
        ``conductance(net, surface_co2)`` of stomata to water vapour, umol m-2 s-1: `stomata.ball_berry` or `stomata.medlyn`.
    respiration : tensor
        Dark respiration, umol m-2 s-1.
    co2, pressure : tensor
        Outside the boundary layer, Pa.
    boundary, residual : tensor
        Conductances of the boundary layer and of closed stomata, umol m-2 s-1, above zero.
    steps : int
        Newton steps on values, before the one that is differentiated.

    Returns
    -------
    Exchange
        In the dark internal CO2 is above ambient.
    """

    def at(internal: Any) -> tuple[Any, Any, Any, Any]:
        total = gross(internal)
        net = total - respiration
        surface = larger(co2 - WATER_PER_CO2_BOUNDARY / boundary * net * pressure, pt.as_tensor(LEAST_CO2))
        opened = conductance(net, surface)
        return total, net, opened, internal - co2 + net * pressure * (WATER_PER_CO2_BOUNDARY / boundary + WATER_PER_CO2 / opened)

    high = co2 + respiration * pressure * (WATER_PER_CO2_BOUNDARY / boundary + WATER_PER_CO2 / residual)
    internal = newton.solve(lambda internal: at(internal)[3], 0.7 * co2, steps, low=0.0 * co2, high=high, middle=_between)
    total, net, opened, _ = at(internal)
    return Exchange(total, net, opened, internal)
