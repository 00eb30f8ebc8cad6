"""Water of soil layers by the Richards equation in its diffusivity form, one implicit step with lagged coefficients: Noah and Noah-MP.

Chen & Dudhia (2001), doi 10.1175/1520-0493(2001)129<0569:CAALSH>2.0.CO;2; Niu et al. (2011), doi 10.1029/2010JD015139; Clapp &
Hornberger (1978), doi 10.1029/WR014i004p00601. Layers are short sequences, unrolled, so that the adjoint of the tridiagonal
solve is exact. Water is conserved: what leaves is drainage at the bottom, roots, evaporation, and what no layer can hold.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import tridiagonal
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger, smaller

DRIEST = 0.01  # of saturation, in conductivity and diffusivity
FROZEN_WET = 0.05  # m3 m-3, water content to which ice reduces the diffusivity
ICE_SCALE = 500.0  # per m3 m-3
LEAST_PORES = 1e-4  # m3 m-3, left by ice


class Hydraulics(NamedTuple):
    """Of soil water in one layer."""

    conductivity: Any  # m s-1
    diffusivity: Any  # m2 s-1


class Soil(NamedTuple):
    """Parameters of a soil."""

    saturation: Any  # m3 m-3
    exponent: Any  # b
    conductivity: Any  # at saturation, m s-1
    diffusivity: Any  # at saturation, m2 s-1


def _power(relative: Any, exponent: Any) -> Any:
    return pt.exp(exponent * pt.log(relative))


def impervious_hydraulics(total: Any, soil: Soil, impervious: Any) -> Hydraulics:
    """Return conductivity and diffusivity of a layer from all of its water; ice makes part of the area impervious (Niu & Yang 2006).

    Parameters
    ----------
    total : tensor
        Liquid water and ice, m3 m-3.
    soil : Soil
        Parameters.
    impervious : tensor
        Fraction of the area.

    Returns
    -------
    Hydraulics
        Of the layer.
    """
    relative = larger(total / soil.saturation, pt.as_tensor(DRIEST))
    return Hydraulics(
        (1.0 - impervious) * soil.conductivity * _power(relative, 2.0 * soil.exponent + 3.0),
        (1.0 - impervious) * soil.diffusivity * _power(relative, soil.exponent + 2.0),
    )


def liquid_hydraulics(liquid: Any, soil: Soil, most_ice: Any) -> Hydraulics:
    """Return conductivity and diffusivity of a layer from its liquid water; ice anywhere reduces the diffusivity (Koren et al. 1999).

    Parameters
    ----------
    liquid : tensor
        m3 m-3.
    soil : Soil
        Parameters.
    most_ice : tensor
        Largest content of ice of all layers, m3 m-3.

    Returns
    -------
    Hydraulics
        Of the layer.
    """
    relative = larger(liquid / soil.saturation, pt.as_tensor(DRIEST))
    frozen = smaller(FROZEN_WET / soil.saturation, relative)
    weight = 1.0 / (1.0 + (ICE_SCALE * most_ice) ** 3)
    part = weight * _power(relative, soil.exponent + 2.0) + (1.0 - weight) * _power(frozen, soil.exponent + 2.0)
    return Hydraulics(soil.conductivity * _power(relative, 2.0 * soil.exponent + 3.0), soil.diffusivity * part)


def step(
    liquid: Sequence[Any],
    driving: Sequence[Any],
    hydraulics: Sequence[Hydraulics],
    thickness: Sequence[float],
    entering: Any,
    uptake: Sequence[Any],
    drainage: Any,
    seconds: Any,
) -> tuple[Any, ...]:
    """Return liquid water after an implicit step; layers may hold more than their pores (`within_pores`).

    Parameters
    ----------
    liquid : sequence of tensor
        m3 m-3 at the start.
    driving : sequence of tensor
        Water content whose gradient drives diffusion, m3 m-3: liquid, or all water with `impervious_hydraulics`.
    hydraulics : sequence of Hydraulics
        Of each layer, at the start.
    thickness : sequence of float
        m.
    entering : tensor
        Infiltration less evaporation from the soil, m s-1.
    uptake : sequence of tensor
        By roots from each layer, m s-1.
    drainage : tensor
        Out of the lowest layer, m s-1, at the start: free drainage is slope times conductivity.
    seconds : tensor
        Step length, s.

    Returns
    -------
    tuple of tensor
        m3 m-3.
    """
    n = len(thickness)
    apart = [0.5 * (thickness[k] + thickness[k + 1]) for k in range(n - 1)]
    flux = [hydraulics[k].diffusivity * (driving[k] - driving[k + 1]) / apart[k] + hydraulics[k].conductivity for k in range(n - 1)]
    into, out = [entering, *flux], [*flux, drainage]
    change = [(i - o - u) / d for i, o, u, d in zip(into, out, uptake, thickness, strict=True)]
    down = [hydraulics[k].diffusivity / apart[k] * seconds for k in range(n - 1)]
    below = [-down[k - 1] / thickness[k] for k in range(1, n)]
    above = [-down[k] / thickness[k] for k in range(n - 1)]
    diagonal = [1.0 - b - a for b, a in zip([0.0, *below], [*above, 0.0], strict=True)]
    moved = tridiagonal.solve(below, diagonal, above, [seconds * c for c in change])
    return tuple(w + m for w, m in zip(liquid, moved, strict=True))


def within_pores(
    liquid: Sequence[Any], ice: Sequence[Any], saturation: Any, thickness: Sequence[float], width: float = 0.0
) -> tuple[tuple[Any, ...], Any]:
    """Move water that a layer cannot hold up, layer by layer, and what the top cannot hold down again.

    Parameters
    ----------
    liquid, ice : sequence of tensor
        m3 m-3.
    saturation : tensor
        m3 m-3.
    thickness : sequence of float
        m.
    width : float
        Of the excess, in water content; water is conserved whatever the width.

    Returns
    -------
    tuple
        Liquid water of each layer, m3 m-3, and what is left over, m.
    """
    water = list(liquid)
    room = [larger(saturation - i, pt.as_tensor(LEAST_PORES)) for i in ice]
    n = len(water)
    for source, target in [*((k, k - 1) for k in range(n - 1, 0, -1)), *((k, k + 1) for k in range(n - 1))]:
        over = positive_part(water[source] - room[source], width)
        water[source] = water[source] - over
        water[target] = water[target] + over * thickness[source] / thickness[target]
    over = positive_part(water[-1] - room[-1], width)
    water[-1] = water[-1] - over
    return tuple(water), over * thickness[-1]
