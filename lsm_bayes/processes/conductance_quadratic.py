"""Net assimilation of a leaf whose conductance to CO2 grows linearly with it, one quadratic for each limit: CABLE.

Leuning (1990), doi 10.1071/PP9900159; Wang & Leuning (1998), doi 10.1016/S0168-1923(98)00061-6; Kowalczyk et al. (2006); responses to
temperature of Leuning (2002), doi 10.1046/j.1365-3040.2002.00898.x; C4 after Collatz et al. (1992), doi 10.1071/PP9920519; details
as in the public source of CABLE. Rates and conductances are mol m-2 s-1, CO2 is mol mol-1, temperatures K.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import farquhar
from lsm_bayes.processes.smoothing import positive_part, quadratic_minimum
from lsm_bayes.processes.thresholds import smaller

GAS_CONSTANT = 8.3143  # J mol-1 K-1
REFERENCE = 298.2  # K
MELTING = 273.15  # K
MELTING_C4 = 273.16  # K, in the response of C4 vcmax
# Activation and deactivation energies, J mol-1, entropy, J mol-1 K-1, and the normalisation of the source.
VCMAX = (73637.0, 149252.0, 486.0, 1.17461)
JMAX = (50300.0, 152044.0, 495.0, 1.16715)
PEP = 4000.0  # initial slope of C4 assimilation with CO2 over vcmax
WATER_PER_CO2 = 1.57  # of the residual conductance


class Form(NamedTuple):
    """How limits are joined."""

    curvature: float | None = 0.99  # of the co-limitation of net rates above the dark respiration; None: hard, as in the source
    width: float = 1e-6  # mol mol-1, of internal CO2 above zero; 0: hard


EXACT, SMOOTH = Form(None, 0.0), Form()


class Stomata(NamedTuple):
    """Conductance to CO2: residual + slope times net assimilation."""

    residual: Any  # mol m-2 s-1
    slope: Any  # mol mol-1 inverse


def thermal_factor(temperature: Any, response: tuple[float, float, float, float]) -> Any:
    """Return the factor of a C3 rate with temperature.

    Parameters
    ----------
    temperature : tensor
        K.
    response : tuple of float
        `VCMAX` or `JMAX`.

    Returns
    -------
    tensor
        One at 298.2 K but for the rounding of the normalisation (Leuning 2002, equation 1).
    """
    activation, deactivation, entropy, normalisation = response
    growing = farquhar.arrhenius(temperature, activation, REFERENCE, GAS_CONSTANT)
    return normalisation * growing / (1.0 + pt.exp((entropy * temperature - deactivation) / (GAS_CONSTANT * temperature)))


def thermal_factor_c4(temperature: Any) -> Any:
    """Return the factor of vcmax of C4 plants with temperature.

    Parameters
    ----------
    temperature : tensor
        K.

    Returns
    -------
    tensor
        1.
    """
    celsius = temperature - MELTING_C4
    return 2.0 ** ((celsius - 25.0) / 10.0) * pt.sigmoid(0.3 * (celsius - 13.0)) * pt.sigmoid(0.3 * (36.0 - celsius))


def respiration_factor(temperature: Any) -> Any:
    """Return the factor of dark respiration with temperature, whose Q10 falls with warmth (Tjoelker et al. 2001).

    Parameters
    ----------
    temperature : tensor
        K.

    Returns
    -------
    tensor
        One at 25 degC.
    """
    celsius = temperature - MELTING
    return (3.09 - 0.0215 * (celsius + 25.0)) ** ((celsius - 25.0) / 10.0)


def light_response(captured: Any, saturated: Any, curvature: Any) -> Any:
    """Return a rate in light: electron transport over four of C3 plants (from `captured` and `saturated` over four), or C4.

    Parameters
    ----------
    captured : tensor
        Quantum yield times absorbed PAR, mol m-2 s-1.
    saturated : tensor
        Rate in strong light, mol m-2 s-1.
    curvature : tensor
        Below one.

    Returns
    -------
    tensor
        mol m-2 s-1.
    """
    return quadratic_minimum(captured, saturated, curvature)


def limited_c3(capacity: Any, half: Any, compensation: Any, respiration: Any, co2: Any, stomata: Stomata, width: float = 0.0) -> Any:
    """Return net assimilation under one limit, as if it were the only one.

    Parameters
    ----------
    capacity : tensor
        vcmax, or a quarter of electron transport.
    half : tensor
        Michaelis constant with the inhibition by oxygen, or twice the compensation point.
    compensation : tensor
        CO2 compensation point without dark respiration.
    respiration : tensor
        Dark respiration.
    co2 : tensor
        At the surface of the leaf.
    stomata : Stomata
        Conductance to CO2.
    width : float
        Of the kink where internal CO2 would be negative: the rate at no CO2 is taken there.

    Returns
    -------
    tensor
        mol m-2 s-1, at the larger root for internal CO2 (Leuning 1990, appendix, with the residual conductance).
    """
    net, product = capacity - respiration, capacity * compensation + half * respiration
    b2 = stomata.residual + stomata.slope * net
    b1 = (1.0 - co2 * stomata.slope) * net + stomata.residual * (half - co2) - stomata.slope * product
    b0 = -(1.0 - co2 * stomata.slope) * product - stomata.residual * half * co2
    inside = b1**2 - 4.0 * b2 * b0
    impossible = inside < 0
    root = pt.switch(impossible, 0.0, pt.sqrt(pt.switch(impossible, 1.0, inside)))
    internal = positive_part((root - b1) / (2.0 * b2), width)
    return capacity * (internal - compensation) / (internal + half) - respiration


def limited_by_pep(vcmax: Any, respiration: Any, co2: Any, stomata: Stomata) -> Any:
    """Return net assimilation of a C4 leaf limited by PEP carboxylase.

    Parameters
    ----------
    vcmax, respiration : tensor
        mol m-2 s-1.
    co2 : tensor
        At the surface of the leaf.
    stomata : Stomata
        Conductance to CO2.

    Returns
    -------
    tensor
        mol m-2 s-1, the larger root of a quadratic.
    """
    slope = PEP * vcmax
    b1 = stomata.residual + stomata.slope * respiration + slope * (1.0 - stomata.slope * co2)
    b0 = stomata.residual * (respiration - co2 * slope)
    return 0.5 * (pt.sqrt(b1**2 - 4.0 * stomata.slope * b0) - b1) / stomata.slope


def least(rates: tuple[Any, ...], respiration: Any, form: Form = SMOOTH) -> Any:
    """Return the smallest of net rates.

    Parameters
    ----------
    rates : tuple of tensor
        mol m-2 s-1.
    respiration : tensor
        Dark respiration, added before rates are joined and taken off again.
    form : Form
        How limits are joined.

    Returns
    -------
    tensor
        mol m-2 s-1. For C3 in CABLE: Rubisco, light, and half of vcmax less dark respiration. For C4: vcmax and light, less dark
        respiration, and PEP carboxylase.
    """
    found = rates[0]
    for rate in rates[1:]:
        if form.curvature is None:
            found = smaller(found, rate)
        else:
            found = quadratic_minimum(found + respiration, rate + respiration, form.curvature) - respiration
    return found
