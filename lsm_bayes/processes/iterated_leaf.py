"""A leaf with Ball-Berry stomata whose internal CO2 follows from three fixed iterations: Noah-MP.

Collatz et al. (1991), doi 10.1016/0168-1923(91)90002-8; Niu et al. (2011), doi 10.1029/2010JD015139, and the public
source. The iterations are the model: they stop before they converge, and start from a fixed fraction of ambient CO2. Rates are
umol m-2 s-1 per leaf area, pressures Pa, and within this file resistances s m2 umol-1 where they are not s m-1.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part, quadratic_minimum
from lsm_bayes.processes.thresholds import larger, smaller

MELTING = 273.16  # K
GAS_CONSTANT = 8.314  # J mol-1 K-1
ITERATIONS = 3
PHOTONS = 4.6  # umol J-1
LEAST_CO2 = 1e-6  # Pa, at the surface of the leaf


class Pathway(NamedTuple):
    """What differs between C3 and C4."""

    c3: bool
    start: float  # internal over ambient CO2
    driest: float  # vapour pressure over saturation


C3, C4 = Pathway(True, 0.7, 0.25), Pathway(False, 0.4, 0.40)


class Form(NamedTuple):
    """How limits are joined."""

    sharpness: float | None = 0.99  # of the three rates; None: hard, as in the source
    width: float = 0.02  # Pa, of internal CO2 above the compensation point and above zero; 0: hard


EXACT, SMOOTH = Form(None, 0.0), Form()


class Rates(NamedTuple):
    """At leaf temperature."""

    vcmax: Any  # umol m-2 s-1
    half: Any  # Michaelis constant with the inhibition by oxygen, Pa
    compensation: Any  # Pa


class Exchange(NamedTuple):
    """What a leaf does."""

    assimilation: Any  # umol m-2 s-1
    resistance: Any  # s m-1, of stomata to water vapour


def kinetics(
    temperature: Any, oxygen: Any, michaelis_co2: Any = 30.0, michaelis_oxygen: Any = 3e4, q10: Any = (2.1, 1.2)
) -> tuple[Any, Any]:
    """Return the Michaelis constant with the inhibition by oxygen, and the compensation point (Collatz et al. 1991).

    Parameters
    ----------
    temperature : tensor
        K.
    oxygen : tensor
        Pa.
    michaelis_co2, michaelis_oxygen : tensor
        At 25 degC, Pa.
    q10 : tuple of tensor
        Factors of these for ten degrees.

    Returns
    -------
    tuple of tensor
        Pa.
    """
    tens = (temperature - MELTING - 25.0) / 10.0
    co2, o2 = michaelis_co2 * q10[0] ** tens, michaelis_oxygen * q10[1] ** tens
    return co2 * (1.0 + oxygen / o2), 0.5 * 0.21 * co2 / o2 * oxygen


def vcmax_factor(temperature: Any, q10: Any) -> Any:
    """Return vcmax relative to 25 degC, where it is below one by the inhibition in heat.

    Parameters
    ----------
    temperature : tensor
        K.
    q10 : tensor
        Factor for ten degrees.

    Returns
    -------
    tensor
        1.
    """
    heat = pt.sigmoid((2.2e5 - 710.0 * temperature) / (GAS_CONSTANT * temperature))
    return q10 ** ((temperature - MELTING - 25.0) / 10.0) * heat


def exchange(
    rates: Rates,
    light: Any,
    quantum_yield: Any,
    co2: Any,
    vapour_pressure: Any,
    saturated: Any,
    pressure: Any,
    air_temperature: Any,
    boundary_resistance: Any,
    slope: Any,
    residual: Any,
    pathway: Pathway,
    form: Form = SMOOTH,
) -> Exchange:
    """Return assimilation and stomatal resistance.

    Parameters
    ----------
    rates : Rates
        At leaf temperature, with the factors of nitrogen, soil water and season.
    light : tensor
        Absorbed PAR, W m-2. In the dark there is no assimilation and the conductance is the residual one.
    quantum_yield : tensor
        CO2 per photon (C4), or electrons over four per photon (C3).
    co2 : tensor
        Ambient, Pa.
    vapour_pressure, saturated : tensor
        Of the air around the leaf, and saturated at leaf temperature, Pa.
    pressure : tensor
        Pa.
    air_temperature : tensor
        K, with which resistances are converted.
    boundary_resistance : tensor
        Of the leaf, s m-1.
    slope : tensor
        Of Ball et al. (1987).
    residual : tensor
        Conductance of closed stomata, umol m-2 s-1.
    pathway : Pathway
        `C3` or `C4`.
    form : Form
        How limits are joined.

    Returns
    -------
    Exchange
        Assimilation is net of photorespiration only, not negative.
    """
    air = pressure / (GAS_CONSTANT * air_temperature) * 1e6  # umol m-3
    boundary = boundary_resistance / air
    electrons = quantum_yield * PHOTONS * light
    humidity = larger(pathway.driest * saturated, smaller(vapour_pressure, saturated)) / saturated

    def least(a: Any, b: Any) -> Any:
        return smaller(a, b) if form.sharpness is None else quadratic_minimum(a, b, form.sharpness)

    internal = pathway.start * co2
    assimilation = resistance = internal
    for _ in range(ITERATIONS):
        if pathway.c3:
            above = positive_part(internal - rates.compensation, form.width)
            by_light = above * electrons / (internal + 2.0 * rates.compensation)
            by_rubisco = above * rates.vcmax / (internal + rates.half)
            by_export = 0.5 * rates.vcmax
        else:
            by_light, by_rubisco, by_export = electrons, rates.vcmax, 4000.0 * rates.vcmax * internal / pressure
        assimilation = least(least(by_light, by_rubisco), by_export)
        surface = larger(co2 - 1.37 * boundary * pressure * assimilation, pt.as_tensor(LEAST_CO2))
        asking = slope * assimilation * pressure / surface
        # a r**2 + b r - rb = 0 for the resistance, larger root.
        a, b = asking * humidity + residual, (asking + residual) * boundary - 1.0
        root = pt.sqrt(b * b + 4.0 * a * boundary)
        closing = b < 0
        resistance = pt.switch(closing, 0.5 * (root - b) / a, 2.0 * boundary / pt.switch(closing, 1.0, b + root))
        internal = positive_part(surface - 1.65 * resistance * pressure * assimilation, form.width)
    dark = light <= 0
    return Exchange(pt.switch(dark, 0.0, assimilation), pt.switch(dark, 1.0 / residual, resistance) * air)
