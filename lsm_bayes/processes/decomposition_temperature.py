"""Factors of decomposition rates with temperature: the forms that soil carbon models use."""

from typing import Any

import pytensor.tensor as pt


def q10(temperature: Any, factor: Any, reference: float) -> Any:
    """Return the factor that is multiplied by the same number for every 10 degC.

    Parameters
    ----------
    temperature : tensor
        degC.
    factor : tensor
        Q10, above zero.
    reference : float
        degC, where the result is 1.

    Returns
    -------
    tensor
        1.
    """
    return factor ** ((temperature - reference) / 10.0)


def century(temperature: Any, factor: Any, reference: float = 30.0) -> Any:
    """Return the Q10 form of ORCHIDEE's CENTURY, which does not exceed 1.

    Parameters
    ----------
    temperature : tensor
        degC.
    factor : tensor
        Q10, above 1; ORCHIDEE has exp(0.69).
    reference : float
        degC, above which the result stays 1. The kink is in the temperature alone: gradients to the parameters are exact everywhere
        else and zero above it.

    Returns
    -------
    tensor
        1 (Krinner et al. 2005, doi 10.1029/2003GB002199; ORCHIDEE source, stomate_litter).
    """
    hot = temperature > reference
    return q10(pt.switch(hot, reference, temperature), factor, reference)


def rothc(temperature: Any) -> Any:
    """Return the temperature factor of RothC.

    Parameters
    ----------
    temperature : tensor
        degC.

    Returns
    -------
    tensor
        1; 1 near 9.25 degC, zero at and below -10 degC, where it jumps by 1.4e-4. Clark et al. (2011), doi 10.5194/gmd-4-701-2011,
        soil respiration with four pools: ``47.9 / (1 + exp(106 / (T + 18.3)))``; Coleman & Jenkinson (1996) print 47.91, 106.06 and 18.27.
    """
    frozen = temperature <= -10.0
    safe = pt.switch(frozen, 0.0, temperature)  # the denominator crosses zero at -18.3 degC
    return pt.switch(frozen, 0.0, 47.9 / (1.0 + pt.exp(106.0 / (safe + 18.3))))


def lloyd_taylor(temperature: Any, activation: Any = 308.56, reference: float = 10.0) -> Any:
    """Return the Arrhenius form whose activation energy falls with temperature.

    Parameters
    ----------
    temperature : tensor
        degC.
    activation : tensor
        K, above zero.
    reference : float
        degC, where the result is 1.

    Returns
    -------
    tensor
        1; zero at and below -46.02 degC (Lloyd & Taylor 1994, doi 10.2307/2389824, equation 11).
    """
    frozen = temperature <= -46.02
    safe = pt.switch(frozen, reference, temperature)
    return pt.switch(frozen, 0.0, pt.exp(activation * (1.0 / (reference + 46.02) - 1.0 / (safe + 46.02))))
