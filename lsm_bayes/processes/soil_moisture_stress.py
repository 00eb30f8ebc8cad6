"""Factors by which dry soil limits plants, from the water of the soil layers that hold roots: CABLE and Noah-MP.

CABLE: Kowalczyk et al. (2006), doi 10.4225/08/58615c6a9a51d; Haverd et al. (2016), doi 10.5194/gmd-9-3111-2016 (after Lai & Katul
2000). Noah-MP: Niu et al. (2011), doi 10.1029/2010JD015139. All from the public
sources. With a width above zero the kinks are rounded (softplus) over that width of the quantity that is limited.
"""

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import clip, positive_part
from lsm_bayes.processes.thresholds import larger

LEAST = 1e-9  # of the relative water of a layer in CABLE
LEAST_NOAH = 1e-6
DRIEST = 0.01  # of saturation, in the matric potential
STEEP_SSIB = 5.8


def available(water: Any, wilting: Any, field_capacity: Any) -> Any:
    """Return plant-available water relative to its capacity.

    Parameters
    ----------
    water, wilting, field_capacity : tensor
        Volumetric water content, m3 m-3, and its values at the wilting point and at field capacity.

    Returns
    -------
    tensor
        1; negative below the wilting point, above one beyond field capacity.
    """
    return (water - wilting) / (field_capacity - wilting)


def root_weighted(relative: Sequence[Any], roots: Sequence[Any], sensitivity: Any = 1.0, width: float = 0.0) -> Any:
    """Return the factor that grows linearly with the water that roots find (CABLE, standard).

    Parameters
    ----------
    relative : sequence of tensor
        `available` of each layer.
    roots : sequence of tensor
        Fraction of the roots in each layer; they sum to one.
    sensitivity : tensor
        vbeta of CABLE, with Leuning's stomata: 2 or 4. One with Medlyn's.
    width : float
        Of the kinks, in relative water.

    Returns
    -------
    tensor
        0 to 1.
    """
    total = sum(f * clip(r, LEAST, 1.0, width) for r, f in zip(relative, roots, strict=True))
    return clip(sensitivity * total, LEAST, 1.0, width)


def nonlinear(relative: Sequence[Any], roots: Sequence[Any], threshold: Any, width: float = 0.0) -> Any:
    """Return the factor that is a parabola through 0, 0.9 and 1 at the wilting point, half way and field capacity (CABLE, non-linear).

    Parameters
    ----------
    relative : sequence of tensor
        `available` of each layer.
    roots : sequence of tensor
        Fraction of the roots in each layer; they sum to one.
    threshold : tensor
        Relative water from which there is no stress: 0.02 m3 m-3 below field capacity in CABLE, where the factor jumps.
    width : float
        Of the kinks, in the factor; above zero the jump is a logistic step of this width in relative water.

    Returns
    -------
    tensor
        0 to 1. The parabola exceeds one from 0.8 on, and is capped.
    """
    total = sum(f * positive_part(r, width) for r, f in zip(relative, roots, strict=True))
    factor = clip(total * (2.6 - 1.6 * total), 0.0, 1.0, width)
    if width > 0:
        moist = pt.sigmoid((total - threshold) / width)
        return factor + moist * (1.0 - factor)
    return pt.switch(total < threshold, factor, pt.switch(total >= threshold, 1.0, total))


def lai_katul(above_wilting: Sequence[Any], saturation: Any, steepness: Any = 0.01, width: float = 0.0) -> Any:
    """Return the factor of the layer from which plants can draw most easily (Lai & Katul 2000, as in CABLE).

    Parameters
    ----------
    above_wilting : sequence of tensor
        Water content above the wilting point in each layer, m3 m-3; at least 1e-4 counts.
    saturation : tensor
        Water content at saturation, m3 m-3.
    steepness : tensor
        gamma, m3 m-3.
    width : float
        Of the largest of the layers, in the logarithm of the factor; the smooth maximum is above it by at most the width times the
        logarithm of the number of layers.

    Returns
    -------
    tensor
        0 to 1: ``(x / saturation)**(gamma / x)``.
    """
    logs = []
    for x in above_wilting:
        wet = 1e-4 + positive_part(x - 1e-4, 0.1 * width)
        logs.append(steepness / wet * pt.log(wet / saturation))
    if width > 0:
        top: Any = logs[0]
        for x in logs[1:]:
            top = top + width * pt.softplus((x - top) / width)
        return pt.exp(top)
    top = logs[0]
    for x in logs[1:]:
        top = larger(top, x)
    return pt.exp(top)


def matric_potential(water: Any, saturation: Any, at_saturation: Any, exponent: Any, at_wilting: Any) -> Any:
    """Return the matric potential of a layer (Clapp & Hornberger 1978), not below that at the wilting point.

    Parameters
    ----------
    water, saturation : tensor
        Liquid water content and its value at saturation, m3 m-3; at least 0.01 m3 m-3 counts, as in Noah-MP.
    at_saturation : tensor
        Suction at saturation, m, positive.
    exponent : tensor
        b.
    at_wilting : tensor
        Potential at the wilting point, m, negative.

    Returns
    -------
    tensor
        m, negative.
    """
    wet = larger(water, pt.as_tensor(DRIEST)) / saturation
    return larger(-at_saturation * wet ** (-exponent), at_wilting)


def clm_type(potential: Any, at_saturation: Any, at_wilting: Any) -> Any:
    """Return the factor of a layer that grows linearly with its potential (Noah-MP, CLM type).

    Parameters
    ----------
    potential, at_wilting : tensor
        m, negative.
    at_saturation : tensor
        Suction at saturation, m, positive.

    Returns
    -------
    tensor
        Zero at the wilting point, one at saturation.
    """
    return (1.0 - potential / at_wilting) / (1.0 + at_saturation / at_wilting)


def ssib_type(potential: Any, at_wilting: Any) -> Any:
    """Return the factor of a layer that grows with the logarithm of its potential (Noah-MP, SSiB type; Xue et al. 1991).

    Parameters
    ----------
    potential, at_wilting : tensor
        m, negative.

    Returns
    -------
    tensor
        Zero at the wilting point, below one.
    """
    return 1.0 - (at_wilting / potential) ** -STEEP_SSIB


def thickness_weighted(factors: Sequence[Any], thickness: Sequence[Any], width: float = 0.0) -> Any:
    """Return the mean of the factors of the layers that hold roots (Noah-MP).

    Parameters
    ----------
    factors : sequence of tensor
        Of each layer: `available`, `clm_type` or `ssib_type`.
    thickness : sequence of tensor
        Of each layer, m; zero where there are no roots.
    width : float
        Of the kinks, in the factor.

    Returns
    -------
    tensor
        1e-6 to 1.
    """
    depth: Any = sum(thickness)
    total: Any = 0.0
    for f, d in zip(factors, thickness, strict=True):
        total = total + pt.switch(d <= 0, 0.0, larger(d / depth * clip(f, 0.0, 1.0, width), pt.as_tensor(LEAST_NOAH)))
    return total
