"""Heat and ice in soil layers with an explicit step, as in BEPS (Ju et al. 2006, doi 10.1016/j.agrformet.2006.08.014).

Conductivity after Johansen. The heat capacity of organic matter is counted a hundred times in the source, which takes a percentage for a
fraction.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import clip
from lsm_bayes.processes.thresholds import larger

DRY = 0.15  # W m-1 K-1
FUSION = 3.34e8  # J m-3
DEEP = 6.0  # m, below which the soil has the temperature of the air
LARGEST_FLUX = 200.0  # W m-2


class Layer(NamedTuple):
    """A layer of soil, from above."""

    temperature: Any  # degC
    ice: Any  # fraction of the water
    water: Any  # m3 m-3
    thickness: Any  # m
    porosity: Any  # m3 m-3
    mineral: Any  # conductivity of dry minerals, W m-1 K-1
    bulk_density: Any  # kg m-3
    organic: Any  # percent


def conductivity(layer: Layer) -> Any:
    """Return the thermal conductivity of a layer.

    Parameters
    ----------
    layer : Layer
        Of soil.

    Returns
    -------
    tensor
        W m-1 K-1.
    """
    frozen, liquid = layer.water * layer.ice, layer.water * (1.0 - layer.ice)
    saturated = layer.mineral ** (1.0 - layer.porosity) * 2.1 ** (1.2 * frozen) * 0.61**liquid
    return larger((saturated - DRY) * layer.water / layer.porosity + DRY, DRY)


def heat_capacity(layer: Layer) -> Any:
    """Return the heat capacity of a layer without the heat of melting.

    Parameters
    ----------
    layer : Layer
        Of soil.

    Returns
    -------
    tensor
        J m-3 K-1.
    """
    water = layer.water * (4.2 * (1.0 - layer.ice) + 2.09 * layer.ice)
    return 2000.0 * layer.bulk_density / 2.65 + 1e6 * water + 2.5e6 * layer.organic


def fluxes(layers: Sequence[Layer], conductivities: Sequence[Any], surface: Any, air: Any) -> list[Any]:
    """Return the heat that enters each layer from above, and leaves the lowest.

    Parameters
    ----------
    layers : sequence of Layer
        From above.
    conductivities : sequence of tensor
        Of each, W m-1 K-1.
    surface : tensor
        Into the uppermost, W m-2.
    air : tensor
        Its temperature, degC: that of the deep soil.

    Returns
    -------
    list of tensor
        W m-2, downwards.
    """
    halves = [0.5 * layer.thickness / c for layer, c in zip(layers, conductivities, strict=True)]
    inner = [(a.temperature - b.temperature) / (r + s) for a, b, r, s in zip(layers, layers[1:], halves, halves[1:], strict=False)]
    deep = conductivities[-1] * (layers[-1].temperature - air) / (DEEP + 0.5 * layers[-1].thickness)
    return [clip(g, -LARGEST_FLUX, LARGEST_FLUX) for g in (surface, *inner, deep)]


def warmed(layer: Layer, capacity: Any, gained: Any, seconds: float) -> Layer:
    """Return a layer after it gained heat.

    Parameters
    ----------
    layer : Layer
        Before.
    capacity : tensor
        Its heat capacity, J m-3 K-1.
    gained : tensor
        W m-2.
    seconds : float
        Step length.

    Returns
    -------
    Layer
        At 0 degC in a step in which it would cross it, while there is ice to melt or water to freeze; what does not fit is lost.
    """
    now = layer.temperature + gained / (capacity * layer.thickness) * seconds
    changed = layer.ice - now * capacity / FUSION / layer.water
    freezing = pt.and_(pt.and_(layer.temperature >= 0, now < 0), layer.ice < 1)
    melting = pt.and_(pt.and_(layer.temperature <= 0, now > 0), layer.ice > 0)
    held = pt.or_(freezing, melting)
    return layer._replace(temperature=pt.switch(held, 0.0, now), ice=pt.switch(held, clip(changed, 0.0, 1.0), layer.ice))
