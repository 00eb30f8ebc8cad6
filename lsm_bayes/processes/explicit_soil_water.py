"""Water in soil layers with an explicit step, as in BEPS (Ju et al. 2006, doi 10.1016/j.agrformet.2006.08.014).

Retention and conductivity after Campbell (1974), doi 10.1097/00010694-197406000-00001. Traps of the source, kept with `original`: water is
clipped to the wilting point and to the porosity, and what is clipped is created or lost; water density is 1025 kg m-3.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import smoothing
from lsm_bayes.processes.layered_root_stress import suction
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger, smaller

FROZEN = 0.1  # of the conductivity below -1 degC
THAW_WIDTH = 0.05  # K
MEDIUM, FAST = 1e-6, 1e-5  # m s-1, fluxes above which the step is shorter
FLUX_WIDTH = 1e-9  # m s-1


class Layer(NamedTuple):
    """A layer of soil, from above."""

    water: Any  # m3 m-3
    thickness: Any  # m
    porosity: Any  # m3 m-3
    wilting: Any  # m3 m-3
    conductivity: Any  # saturated, m s-1
    suction: Any  # saturated, m
    exponent: Any  # Campbell's b
    thawed: Any  # factor of the conductivity with frost


def thawed(temperature: Any, soft: float = 0.0) -> Any:
    """Return the factor of the conductivity with frost.

    Parameters
    ----------
    temperature : tensor
        degC.
    soft : float
        Width of the limits, times `THAW_WIDTH`; 0: exact.

    Returns
    -------
    tensor
        0.1 to 1, linear between -1 and 0 degC.
    """
    return FROZEN + (1.0 - FROZEN) * smoothing.clip(temperature + 1.0, 0.0, 1.0, THAW_WIDTH * soft)


def able(top: Layer) -> Any:
    """Return how much water the soil can take.

    Parameters
    ----------
    top : Layer
        Uppermost layer.

    Returns
    -------
    tensor
        m s-1.
    """
    gradient = 1.0 + (top.porosity - top.water) * top.suction * top.exponent / (top.porosity * top.thickness)
    return top.thawed * top.conductivity * gradient


def infiltration(top: Layer, pond: Any, rain: Any, seconds: float, soft: float = 0.0) -> Any:
    """Return the water that enters the soil.

    Parameters
    ----------
    top : Layer
        Uppermost layer.
    pond : tensor
        Water on the ground, m.
    rain : tensor
        At the ground, m s-1.
    seconds : float
        Step length.
    soft : float
        Width of the limit, times `FLUX_WIDTH`; 0: exact.

    Returns
    -------
    tensor
        m s-1, at most what lies there and what the soil can take.
    """
    return positive_part(smaller(able(top), top.thawed * (pond / seconds + rain), FLUX_WIDTH * soft))


def flows(layers: Sequence[Layer], drawn: Sequence[Any], seconds: float, soft: float = 0.0) -> list[Any]:
    """Return the flow from each layer to the next.

    Parameters
    ----------
    layers : sequence of Layer
        From above.
    drawn : sequence of tensor
        What roots and evaporation take from each, m s-1.
    seconds : float
        Step length of the free space below.
    soft : float
        Width of that limit, times `FLUX_WIDTH`; 0: exact.

    Returns
    -------
    list of tensor
        m s-1 downwards, at most what fills the layer below; none leaves the lowest.
    """
    suctions = [suction(x.water, x.porosity, x.suction, x.exponent) for x in layers]
    rates = [x.thawed * x.conductivity * (x.water / x.porosity) ** (2.0 * x.exponent + 3.0) for x in layers]
    found = []
    for i, (a, b) in enumerate(pairwise(layers)):
        weighted = (rates[i] * suctions[i] + rates[i + 1] * suctions[i + 1]) / (suctions[i] + suctions[i + 1])
        both = a.exponent + b.exponent
        flow = weighted * both / (both + 6.0) * (2.0 * (suctions[i + 1] - suctions[i]) / (a.thickness + b.thickness) + 1.0)
        free = (b.porosity - b.water) * b.thickness / seconds + drawn[i + 1]
        found.append(smaller(flow, free, FLUX_WIDTH * soft))
    return [*found, 0.0]


def moved(
    layers: Sequence[Layer], entering: Any, flow: Sequence[Any], drawn: Sequence[Any], seconds: Any, *, clip: bool = True
) -> list[Layer]:
    """Return the layers after water moved.

    Parameters
    ----------
    layers : sequence of Layer
        Before, from above.
    entering : tensor
        Into the uppermost, m s-1.
    flow, drawn : sequence of tensor
        As in `flows`.
    seconds : tensor
        Step length.
    clip : bool
        Keep water between wilting point and porosity.

    Returns
    -------
    list of Layer
        After.
    """
    after = []
    for x, above, below, taken in zip(layers, [entering, *flow[:-1]], flow, drawn, strict=True):
        water = x.water + (above - below - taken) * seconds / x.thickness
        after.append(
            x._replace(water=pt.switch(water < x.wilting, x.wilting, pt.switch(water > x.porosity, x.porosity, water)) if clip else water)
        )
    return after


def original(
    layers: Sequence[Layer], entering: Any, drawn: Sequence[Any], seconds: float, medium: int, fast: int = 0
) -> tuple[list[Layer], list[Any]]:
    """Return the layers after a step as the source makes it, in parts that are shorter after faster flows.

    Parameters
    ----------
    layers : sequence of Layer
        Before, from above.
    entering : tensor
        m s-1.
    drawn : sequence of tensor
        m s-1.
    seconds : float
        Step length.
    medium : int
        Parts of 30 s that are allowed for: 12 are a step of 360 s.
    fast : int
        Parts of 1 s that are allowed for: 360 in the source; 0 takes those of 30 s in their place.

    Returns
    -------
    tuple
        The layers and the last flows, m s-1. Parts that are not needed change nothing. The largest flow of the step decides,
        and is not forgotten within it.
    """
    now = list(layers)
    largest: Any = 0.0
    left: Any = pt.constant(float(seconds))
    last: list[Any] = []
    for _ in range(max(medium, fast, 1)):
        going = left > 0
        flow = flows(now, drawn, seconds)
        for q in flow[:-1]:
            largest = larger(largest, pt.switch(going, abs(q), 0.0))
        part = pt.switch(largest > MEDIUM, 30.0, float(seconds))
        if fast:
            part = pt.switch(largest > FAST, 1.0, part)
        part = pt.switch(going, smaller(part, left), 0.0)
        after = moved(now, entering, flow, drawn, part)
        now = [a._replace(water=pt.switch(going, b.water, a.water)) for a, b in zip(now, after, strict=True)]
        last = [pt.switch(going, q, before) for q, before in zip(flow, last or flow, strict=True)]
        left = left - part
    return now, last
