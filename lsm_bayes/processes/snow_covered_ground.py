"""Temperature of the surface of soil or snow, melt of snow and freezing of water on the ground: energy is conserved.

The surface is a skin of 2 cm of soil, of snow where that is deep, and of both in between. It takes up what net radiation leaves, exchanges
heat with the air and conducts it to the uppermost soil layer, through the snow. The balance is linear in the new temperature. What would
warm snow above 0 degC melts it, and what would cool water on the ground below 0 degC freezes it. Thermal properties of snow as in BEPS
(Chen et al. 2007, doi 10.1016/j.ecolmodel.2006.08.023).
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.snow_and_ground_temperature import ICE, SKIN, snow_conductivity
from lsm_bayes.processes.thresholds import supplied

HIDING = 0.01  # m, snow depth that hides 63 % of the soil skin
FUSION = 3.34e5  # J kg-1
WARMTH_WIDTH = 0.1  # K


class Surroundings(NamedTuple):
    """What acts on the surface in a step."""

    air: Any  # degC
    available: Any  # net radiation less latent heat, W m-2
    exchange: Any  # heat capacity of the air times conductance, W m-2 K-1
    soil: Any  # temperature of the uppermost layer, degC
    conduction: Any  # from the surface of bare soil to the middle of that layer, W m-2 K-1
    capacity: Any  # of the soil skin, J m-3 K-1
    snow: Any  # kg m-2
    density: Any  # of snow, kg m-3
    pond: Any  # water on the ground, kg m-2


class Surface(NamedTuple):
    """What the surface does in a step."""

    temperature: Any  # degC
    melt: Any  # kg m-2 s-1
    freezing: Any  # kg m-2 s-1
    sensible: Any  # W m-2, to the air
    into_soil: Any  # W m-2
    into_ground: Any  # W m-2: warming of the skin, melt and what enters the soil


def step(last: Any, s: Surroundings, seconds: Any, soft: float = 0.0) -> Surface:
    """Return the surface after a step.

    Parameters
    ----------
    last : tensor
        Temperature before, degC.
    s : Surroundings
        In the step.
    seconds : tensor
        Step length.
    soft : float
        Width of the onset of melt and freezing, times `WARMTH_WIDTH`; 0: exact.

    Returns
    -------
    Surface
        ``available = sensible + into_ground``, whatever the width.
    """
    depth = s.snow / s.density
    skin = (s.capacity * SKIN * pt.exp(-depth / HIDING) - ICE * s.density * SKIN * pt.expm1(-depth / SKIN)) / seconds
    conduction = 1.0 / (1.0 / s.conduction + depth / snow_conductivity(s.density))
    total = skin + s.exchange + conduction
    free = last + (s.available + s.exchange * (s.air - last) + conduction * (s.soil - last)) / total
    melt = supplied(positive_part(free, WARMTH_WIDTH * soft) * total / FUSION, s.snow / seconds, soft)
    freezing = supplied(positive_part(-free, WARMTH_WIDTH * soft) * total / FUSION, s.pond / seconds, soft)
    temperature = free - (melt - freezing) * FUSION / total
    sensible = s.exchange * (temperature - s.air)
    return Surface(temperature, melt, freezing, sensible, conduction * (temperature - s.soil), s.available - sensible)
