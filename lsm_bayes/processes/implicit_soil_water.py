"""Water in soil layers with an implicit step that conserves it; retention and conductivity after Campbell (1974), as in BEPS.

Campbell (1974), doi 10.1097/00010694-197406000-00001; conductivity between layers as in BEPS (Ju et al. 2006, doi
10.1016/j.agrformet.2006.08.014). Flows are linear in the change of both layers (one Newton step), so the step is stable where the
explicit one of `explicit_soil_water` has to be cut in parts, and what leaves a layer enters the next. No water leaves the lowest layer.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from lsm_bayes.processes import tridiagonal
from lsm_bayes.processes.explicit_soil_water import Layer
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import supplied

WATER_WIDTH = 1e-3  # m3 m-3, of the room that a layer has
NOTHING = 1e-18  # m s-1, so that nothing of nothing is nothing


def flow(a: Layer, b: Layer) -> tuple[Any, Any, Any]:
    """Return the flow from a layer to the one below.

    Parameters
    ----------
    a, b : Layer
        The upper and the lower one.

    Returns
    -------
    tuple of tensor
        m s-1 downwards, and its derivatives with the water of the upper and of the lower layer, m s-1 per m3 m-3.
    """
    rates, suctions = [], []
    for x in (a, b):
        wetness = x.water / x.porosity
        suctions.append(x.suction * wetness**-x.exponent)
        rates.append(x.thawed * x.conductivity * wetness ** (2.0 * x.exponent + 3.0))
    whole = suctions[0] + suctions[1]
    both = a.exponent + b.exponent
    rate = both / (both + 6.0) * (rates[0] * suctions[0] + rates[1] * suctions[1]) / whole
    apart = 0.5 * (a.thickness + b.thickness)
    gradient = (suctions[1] - suctions[0]) / apart + 1.0
    slopes = []
    for x, r, s, sign in zip((a, b), rates, suctions, (-1.0, 1.0), strict=True):
        wetter = -x.exponent * s / x.water  # of suction
        faster = both / (both + 6.0) * (s * (2.0 * x.exponent + 3.0) * r / x.water + r * wetter) / whole - rate * wetter / whole
        slopes.append(faster * gradient + sign * rate * wetter / apart)
    return rate * gradient, slopes[0], slopes[1]


class Taken(NamedTuple):
    """What soil gives, m s-1."""

    layers: list[Any]  # by each layer
    roots: Any
    evaporation: Any


def taken(layers: Sequence[Layer], uptake: Sequence[Any], roots: Any, evaporation: Any, seconds: Any, soft: float = 0.0) -> Taken:
    """Return what roots and evaporation get.

    Parameters
    ----------
    layers : sequence of Layer
        From above.
    uptake : sequence of tensor
        Share of each layer in what roots take.
    roots, evaporation : tensor
        What roots and evaporation from the uppermost layer would take, m s-1.
    seconds : tensor
        Step length.
    soft : float
        Width of the limits, see `thresholds.supplied`; 0: exact.

    Returns
    -------
    Taken
        At most what layers hold above the wilting point. What one layer cannot give to the roots the others do, in proportion to
        their share and to what they have left.
    """
    there = [positive_part(x.water - x.wilting, WATER_WIDTH * soft) * x.thickness / seconds for x in layers]
    wanted = [u * roots for u in uptake]
    whole = wanted[0] + evaporation + NOTHING
    met = supplied(whole, there[0], soft) / whole
    got = [met * wanted[0], *(supplied(w, t, soft) for w, t in zip(wanted[1:], there[1:], strict=True))]
    left = [there[0] - met * whole, *(t - g for t, g in zip(there[1:], got[1:], strict=True))]
    weights = [u * x for u, x in zip(uptake, left, strict=True)]
    missing = (roots * sum(uptake) - sum(got)) / (sum(weights) + NOTHING)
    got = [g + supplied(missing * w, x, soft) for g, w, x in zip(got, weights, left, strict=True)]
    evaporated = met * evaporation
    return Taken([got[0] + evaporated, *got[1:]], sum(got), evaporated)


def moved(layers: Sequence[Layer], entering: Any, drawn: Sequence[Any], seconds: Any, soft: float = 0.0) -> tuple[list[Any], Any]:
    """Return the water after a step.

    Parameters
    ----------
    layers : sequence of Layer
        Before, from above.
    entering : tensor
        Into the uppermost, m s-1.
    drawn : sequence of tensor
        What roots and evaporation take from each, m s-1.
    seconds : tensor
        Step length.
    soft : float
        Width of the room in a layer, times `WATER_WIDTH`; 0: exact.

    Returns
    -------
    tuple
        Water of each layer, m3 m-3, not above the porosity, and what the uppermost gives back, m: water without room rises.
    """
    flows = [flow(a, b) for a, b in pairwise(layers)]
    through = [entering, *(q for q, _, _ in flows), 0.0]
    last = len(layers) - 1
    diagonal = [
        x.thickness / seconds + (flows[i][1] if i < last else 0.0) - (flows[i - 1][2] if i > 0 else 0.0) for i, x in enumerate(layers)
    ]
    right = [through[i] - through[i + 1] - out for i, out in enumerate(drawn)]
    change = tridiagonal.solve([-a for _, a, _ in flows], diagonal, [b for _, _, b in flows], right)
    water = [x.water + c for x, c in zip(layers, change, strict=True)]
    risen: Any = 0.0
    for i in range(last, -1, -1):
        water[i] = water[i] + risen / layers[i].thickness
        over = positive_part(water[i] - layers[i].porosity, WATER_WIDTH * soft)
        water[i], risen = water[i] - over, over * layers[i].thickness
    return water, risen
