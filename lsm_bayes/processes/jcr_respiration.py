"""Factors of decomposition with and without oxygen, and the share of methane (JCR of CARDAMOM).

Ma et al. (2022), as CARDAMOM's model 1100 codes it. The soil is taken apart into a volume with air, in which moisture has an optimum,
and one that is saturated.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.thresholds import smaller

REFERENCE = 298.15  # K
DRIEST = 1e-9  # relative soil moisture, least in powers


class Factors(NamedTuple):
    """Factors of turnover."""

    aerobic: Any
    anaerobic: Any
    methane_fraction: Any  # of anaerobic respiration


def factors(
    temperature: Any,
    wetness: Any,
    liquid: Any,
    *,
    q10: Any,
    saturation_exponent: Any,
    optimal_wetness: Any,
    saturated_factor: Any,
    methane_fraction: Any,
    methane_q10: Any,
) -> Factors:
    """Return the factors of decomposition.

    Parameters
    ----------
    temperature : tensor
        Of the soil, K.
    wetness : tensor
        Relative soil moisture, 0 to 1.
    liquid : tensor
        Fraction of the soil water that is liquid.
    q10 : tensor
        Increase of decomposition for 10 K.
    saturation_exponent : tensor
        Power of relative moisture in the fraction of the soil that is saturated.
    optimal_wetness : tensor
        Relative moisture of the aerated volume at which it decomposes most.
    saturated_factor : tensor
        Decomposition in saturated soil, as a fraction of the largest.
    methane_fraction : tensor
        Fraction of methane in anaerobic respiration at 25 degC.
    methane_q10 : tensor
        Its increase for 10 K.

    Returns
    -------
    Factors
        Aerobic and anaerobic factor, and the fraction of methane, at most 1 (Ma et al. 2022). In saturated soil the moisture of the
        aerated volume is its limit, 1 - 1 / `saturation_exponent`, where the equation has 0 / 0.
    """
    above = (temperature - REFERENCE) / 10.0
    warmth = q10**above * liquid
    moist = pt.switch(wetness < DRIEST, DRIEST, wetness)
    filled = saturation_exponent * pt.log(moist)
    aerated = -pt.expm1(filled)
    full = aerated <= 0
    saturated = pt.switch(full, 1.0, pt.exp(filled))  # 1 - aerated would lose its digits where the soil is dry
    aerated = pt.switch(full, 0.0, aerated)
    local = 1.0 - pt.switch(full, 1.0 / saturation_exponent, (1.0 - moist) / pt.switch(full, 1.0, aerated))
    room = pt.switch(optimal_wetness >= 1.0, 1.0, 1.0 - optimal_wetness)
    drying = local / optimal_wetness
    wetting = saturated_factor + (1.0 - saturated_factor) * (1.0 - local) / room
    moisture = pt.switch(local < 0, 0.0, pt.switch(local < optimal_wetness, drying, wetting))
    methane = smaller(methane_fraction * methane_q10**above * liquid, 1.0)
    return Factors(moisture * warmth * aerated, saturated_factor * warmth * saturated, methane)
