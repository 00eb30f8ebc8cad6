"""Biochemistry of C3 photosynthesis.

Farquhar et al. (1980), doi 10.1007/BF00386231; Bernacchi et al. (2001), doi 10.1111/j.1365-3040.2001.00668.x.
"""

from typing import Any

import pytensor.tensor as pt

GAS_CONSTANT = 8.3144  # J mol-1 K-1
REFERENCE = 298.1  # K


def arrhenius(temperature: Any, activation: Any, reference: float = REFERENCE, gas_constant: float = GAS_CONSTANT) -> Any:
    """Return the factor of a rate with temperature.

    Parameters
    ----------
    temperature : tensor
        K.
    activation : tensor
        Activation energy, J mol-1.
    reference : float
        Temperature at which it is one, K.
    gas_constant : float
        J mol-1 K-1.

    Returns
    -------
    tensor
        Dimensionless (Bernacchi et al. 2001, equation 8, in its normalised form).
    """
    return pt.exp(activation / (gas_constant * reference) * (1.0 - reference / temperature))


def deactivated(temperature: Any, deactivation: Any, entropy: Any, reference: float = REFERENCE, gas_constant: float = GAS_CONSTANT) -> Any:
    """Return the factor by which heat reduces a rate.

    Parameters
    ----------
    temperature : tensor
        K.
    deactivation : tensor
        Energy, J mol-1.
    entropy : tensor
        J mol-1 K-1.
    reference : float
        Temperature at which it is one, K.
    gas_constant : float
        J mol-1 K-1.

    Returns
    -------
    tensor
        Dimensionless (Leuning 2002, doi 10.1046/j.1365-3040.2002.00898.x, equation 1).
    """
    at_reference = 1.0 + pt.exp((entropy * reference - deactivation) / (gas_constant * reference))
    return at_reference / (1.0 + pt.exp((entropy * temperature - deactivation) / (gas_constant * temperature)))


def peaked(
    temperature: Any, activation: Any, deactivation: Any, entropy: Any, reference: float = REFERENCE, gas_constant: float = GAS_CONSTANT
) -> Any:
    """Return the factor of a rate that falls again where it is hot.

    Parameters
    ----------
    temperature : tensor
        K.
    activation, deactivation : tensor
        Energies, J mol-1.
    entropy : tensor
        J mol-1 K-1.
    reference : float
        Temperature at which it is one, K.
    gas_constant : float
        J mol-1 K-1.

    Returns
    -------
    tensor
        Dimensionless (Leuning 2002, doi 10.1046/j.1365-3040.2002.00898.x, equation 1).
    """
    return arrhenius(temperature, activation, reference, gas_constant) * deactivated(
        temperature, deactivation, entropy, reference, gas_constant
    )


def electron_transport(light: Any, capacity: Any, curvature: Any) -> Any:
    """Return the rate of electron transport.

    Parameters
    ----------
    light : tensor
        Light absorbed by photosystem II, in electrons, umol m-2 s-1.
    capacity : tensor
        Its limit in strong light, umol m-2 s-1, above zero.
    curvature : tensor
        Of the response, below one.

    Returns
    -------
    tensor
        umol m-2 s-1, the smaller root of a quadratic (Farquhar & Wong 1984, doi 10.1071/PP9840191).
    """
    total = light + capacity
    # The form without a difference of numbers of like size.
    return 2.0 * light * capacity / (total + pt.sqrt(total**2 - 4.0 * curvature * light * capacity))
