"""Water of soil layers of which none holds more than its field capacity: the five layers of JSBACH.

Hagemann & Stacke (2015), doi 10.1007/s00382-014-2221-6; infiltration after Duemenil & Todini (1992); percolation with the
conductivity of van Genuchten (1980), doi 10.2136/sssaj1980.03615995004400050002x; diffusion after Clapp & Hornberger (1978), doi
10.1029/WR014i004p00601; public source of ICON-Land. Water is mm, of a step. Water is conserved whatever the widths. The source lets
half of the water in before diffusion and half after it, and water that percolates into a full layer back up; here what no layer can hold
goes down, layer by layer, at the end.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import richards
from lsm_bayes.processes.smoothing import clip, positive_part, quadratic_minimum
from lsm_bayes.processes.thresholds import larger, smaller

THICKNESS = (0.065, 0.254, 0.913, 2.902, 5.7)  # m
SLOW, FAST = 0.001 / 3600.0, 0.1 / 3600.0  # mm s-1, drainage of a layer at field capacity, and what it adds when saturated
FAST_FROM = 0.9  # of field capacity
DRIEST = 0.01  # of saturation, in diffusivity
NEARLY_FULL = 0.998


class Soil(NamedTuple):
    """Properties of a soil."""

    porosity: Any  # m3 m-3
    field_capacity: Any  # m3 m-3
    wilting: Any  # m3 m-3, below which nothing percolates
    conductivity: Any  # at saturation, m s-1
    suction: Any  # at saturation, m
    exponent: Any  # b
    pore_index: Any


class Widths(NamedTuple):
    """Of kinks; zero is exact."""

    relative: float = 0.005  # of water content relative to field capacity
    excess: float = 0.02  # mm
    rounding: float = 0.01  # one less the sharpness of minima


EXACT, SMOOTH = Widths(0.0, 0.0, 0.0), Widths()


class Wetted(NamedTuple):
    """After a step."""

    water: tuple[Any, ...]  # mm
    drainage: Any  # mm


def least(a: Any, b: Any, rounding: float) -> Any:
    """Return the smaller of two numbers that are not negative.

    Parameters
    ----------
    a, b : tensor
        The same unit.
    rounding : float
        Zero: exact. Otherwise the quadratic minimum with a sharpness of one less this.

    Returns
    -------
    tensor
        In the same unit, at most the minimum.
    """
    return quadratic_minimum(a + 1e-30, b + 1e-30, 1.0 - rounding, positive=True) if rounding > 0 else smaller(a, b)


def rooted(depth: Any, thickness: Sequence[float] = THICKNESS, width: float = 0.0) -> tuple[Any, ...]:
    """Return how much of each layer roots reach.

    Parameters
    ----------
    depth : tensor
        Of roots, m.
    thickness : sequence of float
        m.
    width : float
        Of the kinks at the bounds of layers, m.

    Returns
    -------
    tuple of tensor
        m. They add up to the depth, if it is less than that of the layers.
    """
    below, top = [depth], 0.0
    for d in thickness[:-1]:
        top += d
        below.append(positive_part(depth - top, width))
    return tuple(a - b for a, b in zip(below, [*below[1:], 0.0], strict=True))


def infiltrated(arriving: Any, water: Any, capacity: Any, shape: Any, width: float) -> Any:
    """Return the part of water on the ground that enters soil whose capacity varies within the area (Duemenil & Todini 1992).

    Parameters
    ----------
    arriving : tensor
        mm.
    water, capacity : tensor
        Of the root zone, mm.
    shape : tensor
        0.01 on flat ground to 0.5 in mountains.
    width : float
        Of the kink where soil is full, relative to its capacity.

    Returns
    -------
    tensor
        mm, at most what arrives. The derivative is continuous where the whole area gets full.
    """
    room = positive_part(1.0 - water / capacity, width)
    if not width:
        room = larger(room, pt.as_tensor(1e-12))
    dry = pt.exp(pt.log(room) / (1.0 + shape)) - arriving / ((1.0 + shape) * capacity)
    some = dry > 0
    left = pt.switch(some, pt.exp((1.0 + shape) * pt.log(pt.switch(some, dry, 1.0))), 0.0 * dry)
    return capacity * (room - left)


def _percolating(water: Any, content: Any, thickness: float, soil: Soil, seconds: float, w: Widths) -> Any:
    """Water that leaves a layer by gravity, mm."""
    free = 1e3 * thickness * (content - soil.wilting)
    share = clip(free / (1e3 * thickness * (soil.field_capacity - soil.wilting)), 0.0, NEARLY_FULL, w.relative)
    if not w.relative:
        share = larger(share, pt.as_tensor(1e-12))
    m = soil.pore_index / (soil.pore_index + 1.0)
    opened = 1.0 - pt.exp(m * pt.log1p(-pt.exp(pt.log(share) / m)))
    flux = 1e3 * seconds * soil.conductivity * pt.sqrt(share) * opened**2
    return least(flux, positive_part(free, w.excess), w.rounding)


def _draining(content: Any, thickness: float, soil: Soil, seconds: float, w: Widths) -> Any:
    """Water that leaves a layer sideways, mm: less than what it holds."""
    slow = positive_part((content - soil.wilting) / (soil.field_capacity - soil.wilting), w.relative)
    full = FAST_FROM * soil.field_capacity
    fast = positive_part((content - full) / (soil.porosity - full), w.relative)
    if not w.relative:
        fast = fast + 1e-14
    return seconds * (SLOW * slow + (FAST - SLOW) * fast * pt.sqrt(fast))


def step(
    water: Sequence[Any], gained: Sequence[Any], soil: Soil, seconds: float, thickness: Sequence[float] = THICKNESS, widths: Widths = SMOOTH
) -> Wetted:
    """Advance soil water by a step: percolation, diffusion, drainage and overflow.

    Parameters
    ----------
    water : sequence of tensor
        Of each layer, mm.
    gained : sequence of tensor
        Infiltration less what roots and evaporation take from each layer, in the step, mm.
    soil : Soil
        Properties, of all layers.
    seconds : float
        Step length.
    thickness : sequence of float
        m.
    widths : Widths
        Of kinks.

    Returns
    -------
    Wetted
        Water of each layer and drainage. With zero widths no layer holds more than its field capacity.
    """
    n = len(thickness)
    contents = [w / (1e3 * d) for w, d in zip(water, thickness, strict=True)]
    wet = soil.exponent * soil.conductivity * soil.suction / soil.porosity
    within = []
    for content in contents:
        relative = larger(content / soil.porosity, pt.as_tensor(DRIEST))
        within.append(wet * pt.exp((soil.exponent + 2.0) * pt.log(relative)))
    hydraulics = []
    for k in range(n - 1):
        weighted = (within[k + 1] * thickness[k] + within[k] * thickness[k + 1]) / (thickness[k] + thickness[k + 1])
        falling = _percolating(water[k], contents[k], thickness[k], soil, seconds, widths)
        hydraulics.append(richards.Hydraulics(falling / (1e3 * seconds), within[k] * within[k + 1] / weighted))
    aside = [_draining(c, d, soil, seconds, widths) for c, d in zip(contents, thickness, strict=True)]
    taken = [(a - g) / (1e3 * seconds) for a, g in zip(aside, gained, strict=True)]
    moved = richards.step(contents, contents, hydraulics, thickness, 0.0, taken, 0.0, seconds)
    left, over = [], pt.as_tensor(0.0)
    for content, d in zip(moved, thickness, strict=True):
        now = 1e3 * d * content + over
        over = positive_part(now - 1e3 * d * soil.field_capacity, widths.excess)
        left.append(now - over)
    return Wetted(tuple(left), sum(aside) + over)
