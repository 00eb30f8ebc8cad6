"""Soil carbon of YASSO07, as in JSBACH: litter in four classes of solubility above and below ground, and humus.

Tuomi et al. (2009), doi 10.1016/j.ecolmodel.2009.05.016, and (2011), doi 10.1016/j.ecolmodel.2010.10.025; Goll et al. (2015), doi
10.1002/2014GB004988 (JSBACH), and the public source of ICON-Land. Pools are carbon per area in any unit, rates are per year. The
step is explicit: a day decomposes at most a few percent. The source floors pools at zero afterwards, which never acts with daily steps
and is left out.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.linear_pools import Transfers, arriving, respired
from lsm_bayes.processes.thresholds import smaller

YEAR = 365.25  # d
RATES = {"acid": 0.72, "water": 5.9, "ethanol": 0.28, "neutral": 0.031}  # yr-1
HUMUS_RATE = 0.0016  # yr-1
TO_HUMUS = 0.0045  # of what leaves any class
# From Tuomi et al. (2009); what does not arrive is respired.
TRANSFERS: Transfers = {
    ("acid", "water"): 0.99,
    ("water", "acid"): 0.48,
    ("water", "neutral"): 0.015,
    ("ethanol", "acid"): 0.01,
    ("ethanol", "neutral"): 0.95,
    ("neutral", "acid"): 0.83,
    ("neutral", "water"): 0.01,
    ("neutral", "ethanol"): 0.02,
    **{(source, "humus"): TO_HUMUS for source in RATES},
}


class Litter(NamedTuple):
    """Carbon, or its split, by the solvent that extracts it: acid, water, ethanol, none."""

    acid: Any
    water: Any
    ethanol: Any
    neutral: Any


class Decomposed(NamedTuple):
    """Rates of change of one layer, in the unit of the pools per day."""

    change: Litter
    to_humus: Any
    respired: Any


def temperature_factor(temperature: Any) -> Any:
    """Return the factor of decomposition with temperature, largest at 33.9 degC.

    Parameters
    ----------
    temperature : tensor
        degC, mean of 15 days or more.

    Returns
    -------
    tensor
        1; one at 0 degC (Tuomi et al. 2009, without the variation within the year).
    """
    return pt.exp(0.095 * temperature - 0.0014 * temperature**2)


def precipitation_factor(precipitation: Any) -> Any:
    """Return the factor of decomposition with precipitation.

    Parameters
    ----------
    precipitation : tensor
        m yr-1, mean of 15 days or more.

    Returns
    -------
    tensor
        0 to 1 (Tuomi et al. 2009).
    """
    return -pt.expm1(-1.21 * precipitation)


def size_factor(diameter: Any) -> Any:
    """Return the factor of the decomposition of woody litter.

    Parameters
    ----------
    diameter : tensor
        cm; 0 for leaves.

    Returns
    -------
    tensor
        1 up to 1.99 cm, falling beyond (Tuomi et al. 2011): a kink in a number that is a constant of the plant.
    """
    return smaller((1.0 - 1.71 * diameter + 0.86 * diameter**2) ** -0.306, pt.as_tensor(1.0))


def decomposed(pools: Litter, climate: Any, size: Any = 1.0, rates: Litter = Litter(**RATES)) -> Decomposed:  # noqa: B008
    """Return what decomposes in one layer.

    Parameters
    ----------
    pools : Litter
        Carbon.
    climate : tensor
        Product of `temperature_factor` and `precipitation_factor`.
    size : tensor
        `size_factor`.
    rates : Litter
        Decomposition rates at 0 degC without dryness, yr-1.

    Returns
    -------
    Decomposed
        Per day.
    """
    out = {n: getattr(rates, n) / YEAR * climate * size * getattr(pools, n) for n in Litter._fields}
    gained = arriving(out, TRANSFERS)
    return Decomposed(Litter(*(gained[n] - out[n] for n in Litter._fields)), gained["humus"], respired(out, TRANSFERS))


def humus_loss(humus: Any, climate: Any, rate: Any = HUMUS_RATE) -> Any:
    """Return what humus respires.

    Parameters
    ----------
    humus : tensor
        Carbon.
    climate : tensor
        Product of `temperature_factor` and `precipitation_factor`; the size of the litter does not matter any more.
    rate : tensor
        yr-1.

    Returns
    -------
    tensor
        In the unit of the pool per day.
    """
    return rate / YEAR * climate * humus
