"""Maintenance and growth respiration from biomass that follows from the annual leaf area, as in BEPS.

Liu et al. (1997), doi 10.1016/S0034-4257(97)00089-8; biomass of Chen et al. (1999); fine roots of Kurz et al. (1996), doi 10.1139/x26-223.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import smaller

CARBON = 12e-6  # g umol-1
REFERENCE = 25.0  # degC
GROWTH = 0.35
SAPWOOD = 0.35  # kg m-2
NIGHT = 0.01  # cosine of the zenith angle below which leaves respire
HOURS = 24.0
FINE_ROOT = 0.05 * 0.003  # d-1
GROWTH_WIDTH = 1e-3  # g m-2 h-1


class Plants(NamedTuple):
    """Allometry and rates of a land cover; rates per day at 25 degC."""

    biomass: tuple[float, float]  # kg m-2 per leaf area and per its square
    leaf: float  # share of the biomass
    stem: float  # share of the biomass
    root: tuple[float, float]  # factor and power of the biomass
    leaf_area: tuple[float, float]  # largest of overstorey and understorey, m2 m-2
    leaf_rate: float
    stem_rate: float
    coarse_rate: float
    under: tuple[float, float, float]  # leaf, stem and root of the understorey per those of the overstorey


CONIFER = Plants((0.9097, 0.125), 0.05, 0.95, (0.454, 1.0), (4.5, 2.4), 0.0015, 0.002, 0.05 * 0.002, (0.15, 0.02, 0.05))
DECIDUOUS = Plants((1.545, 0.183), 0.04, 0.96, (1.432, 0.639), (4.5, 2.4), 0.009, 0.0021, 0.05 * 0.0025, (0.15, 0.01, 0.01))
EVERGREEN = Plants((1.545, 0.183), 0.04, 0.96, (1.432, 0.639), (4.5, 2.4), 0.015, 0.0035, 0.05 * 0.0025, (0.15, 0.01, 0.01))
SHRUB = Plants((1.545, 0.183), 0.1, 0.9, (1.432, 0.639), (3.3, 0.01), 0.001, 0.002, 0.05 * 0.0015, (0.15, 0.01, 0.01))
HERB_LEAF, HERB_ROOT = 0.05, 0.061  # kg m-2 per annual leaf area
HERB_LEAF_RATE, HERB_ROOT_RATE, HERB_LEAF_AREA = 0.001, 0.0015, 3.3


class Respiration(NamedTuple):
    """Of overstorey and understorey, g m-2 h-1."""

    over: Any
    under: Any


def maintenance(
    plants: Plants | None, annual_lai: Any, lai: tuple[Any, Any], air: Any, soil: Any, cosine: Any, q10: tuple[Any, Any] = (3.22, 0.046)
) -> Respiration:
    """Return the maintenance respiration.

    Parameters
    ----------
    plants : Plants or None
        Land cover; None for grass and crops.
    annual_lai : tensor
        Leaf area index of the year, m2 m-2.
    lai : tuple of tensor
        Leaf area index of overstorey and understorey now, m2 m-2.
    air, soil : tensor
        Temperatures, degC.
    cosine : tensor
        Of the solar zenith angle: leaves respire at night.
    q10 : tuple of tensor
        Factor for ten degrees at 0 degC, and by how much it falls per degree of air temperature.

    Returns
    -------
    Respiration
        g m-2 h-1.
    """
    factor = q10[0] - q10[1] * air
    warm, rooted = (factor ** ((t - REFERENCE) / 10.0) for t in (air, soil))
    night = pt.switch(cosine < NIGHT, 1.0, 0.0)
    per_hour = 1000.0 / HOURS
    if plants is None:
        leaf = HERB_LEAF * annual_lai * HERB_LEAF_RATE * lai[0] / HERB_LEAF_AREA * warm * night
        return Respiration(per_hour * (leaf + HERB_ROOT * annual_lai * HERB_ROOT_RATE * rooted), 0.0 * annual_lai)
    biomass = plants.biomass[0] * annual_lai + plants.biomass[1] * annual_lai**2
    found = []
    for area, most, shares in zip(lai, plants.leaf_area, ((1.0, 1.0, 1.0), plants.under), strict=True):
        leaf, stem = plants.leaf * biomass * shares[0], plants.stem * biomass * shares[1]
        root = plants.root[0] * biomass ** plants.root[1] * shares[2]
        fine = smaller(math.exp(1.007) * root**-0.841, 0.9)
        wood = stem * SAPWOOD / (stem + SAPWOOD) * plants.stem_rate
        below = root * ((1.0 - fine) * plants.coarse_rate + fine * FINE_ROOT)
        found.append(per_hour * (leaf * plants.leaf_rate * area / most * warm * night + wood * warm + below * rooted))
    return Respiration(*found)


def net_primary_production(gross: Any, respired: Any, width: float = 0.0) -> Any:
    """Return what remains after maintenance and growth respiration.

    Parameters
    ----------
    gross, respired : tensor
        Photosynthesis and maintenance respiration, one unit.
    width : float
        In that unit, of the growth respiration, which is zero where respiration exceeds photosynthesis.

    Returns
    -------
    tensor
        In that unit.
    """
    return gross - respired - GROWTH * positive_part(gross - respired, width)
