"""Heat and ice in soil layers with an implicit step that conserves heat; properties of the layers as in BEPS (`explicit_soil_heat`)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lsm_bayes.processes import tridiagonal
from lsm_bayes.processes.explicit_soil_heat import DEEP, FUSION, Layer
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import supplied

WARMTH_WIDTH = 0.1  # K


def warmed(
    layers: Sequence[Layer], conductivities: Sequence[Any], capacities: Sequence[Any], surface: Any, air: Any, seconds: Any
) -> list[Layer]:
    """Return layers after heat moved, without melting and freezing, from temperatures at the end of the step (backward Euler).

    Parameters
    ----------
    layers : sequence of Layer
        From above.
    conductivities : sequence of tensor
        Of each, W m-1 K-1.
    capacities : sequence of tensor
        Of each, J m-3 K-1.
    surface : tensor
        Heat into the uppermost, W m-2.
    air : tensor
        Its temperature, degC: that of the deep soil.
    seconds : tensor
        Step length.

    Returns
    -------
    list of Layer
        With other temperatures.
    """
    halves = [0.5 * layer.thickness / c for layer, c in zip(layers, conductivities, strict=True)]
    between = [1.0 / (a + b) for a, b in pairwise(halves)]
    deep = conductivities[-1] / (DEEP + 0.5 * layers[-1].thickness)
    temperatures = [layer.temperature for layer in layers]
    flows = [k * (a - b) for k, a, b in zip(between, temperatures[:-1], temperatures[1:], strict=True)]
    through = [surface, *flows, deep * (temperatures[-1] - air)]
    stored = [c * layer.thickness / seconds for c, layer in zip(capacities, layers, strict=True)]
    diagonal = [c + a + b for c, a, b in zip(stored, [0.0, *between], [*between, deep], strict=True)]
    outer = [-k for k in between]
    change = tridiagonal.solve(outer, diagonal, outer, [a - b for a, b in pairwise(through)])
    return [layer._replace(temperature=layer.temperature + c) for layer, c in zip(layers, change, strict=True)]


def settled(layer: Layer, capacity: Any, soft: float = 0.0) -> Layer:
    """Return a layer after its ice melted or its water froze: heat is conserved.

    Parameters
    ----------
    layer : Layer
        With the temperature that it would have without either.
    capacity : tensor
        Its heat capacity, J m-3 K-1.
    soft : float
        Width of the onset, times `WARMTH_WIDTH`; 0: exact.

    Returns
    -------
    Layer
        At 0 degC while there is both ice and water.
    """
    latent = FUSION * layer.water
    width = WARMTH_WIDTH * soft
    froze = supplied(positive_part(-layer.temperature, width) * capacity / latent, 1.0 - layer.ice, soft)
    melted = supplied(positive_part(layer.temperature, width) * capacity / latent, layer.ice, soft)
    change = froze - melted
    return layer._replace(temperature=layer.temperature + change * latent / capacity, ice=layer.ice + change)
