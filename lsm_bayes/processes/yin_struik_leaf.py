"""Assimilation coupled to stomatal, boundary layer and mesophyll conductance as the root of a cubic: ORCHIDEE.

Yin & Struik (2009), doi 10.1016/j.njas.2009.07.001, appendices B (C3) and C (C4), as in the public source of ORCHIDEE (diffuco_trans_co2).
Rates are umol m-2 s-1 per leaf area, CO2 and oxygen ubar, conductances are to CO2, mol m-2 s-1 bar-1. Each limit, of Rubisco and of
electron transport, gives a cubic; the smaller of the two rates holds. The source solves the C4 cubic with a conductance that responds to
CO2 at the surface of the leaf, and reports one for ambient CO2: an option of the exact form. Where a cubic has no three real roots the
source has no assimilation: nor has the exact form, whose gradient is zero there.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part, quadratic_minimum
from lsm_bayes.processes.thresholds import smaller

OXYGEN = 210000.0  # ubar


class Form(NamedTuple):
    """How limits are joined."""

    sharpness: float | None = 0.99  # of gross rates; None: hard, as in the source
    width: float = 1e-3  # umol m-2 s-1, of the gross rate above zero; 0: hard
    ambient: bool = False  # report the C4 conductance for ambient CO2, not for that at the surface, as the source does


EXACT, SMOOTH = Form(None, 0.0, True), Form()


class Limit(NamedTuple):
    """A carboxylation rate: capacity (Cc - compensation) / (Cc + half + slope O)."""

    capacity: Any  # umol m-2 s-1
    half: Any  # ubar
    oxygen_slope: Any = 0.0  # C4: ubar ubar-1
    supplied: Any = 0.0  # C4: CO2 pumped without regard to internal CO2, umol m-2 s-1
    pump: Any = 0.0  # C4: slope of pumped CO2 with internal CO2, mol m-2 s-1 bar-1


class BundleSheath(NamedTuple):
    """C4 constants (Yin & Struik 2009, table 2)."""

    psii_share: float = 0.4  # of electrons that drive the pump
    q_cycle: float = 1.0
    protons: float = 4.0  # per ATP
    pseudocyclic: float = 0.1
    conductance: float = 0.003  # mol m-2 s-1 bar-1
    psii: float = 0.1  # of photosystem II in the bundle sheath
    pump: float = 0.7  # mol m-2 s-1 bar-1
    diffusion: float = 0.047  # of oxygen relative to CO2


class Exchange(NamedTuple):
    """What a leaf does."""

    net: Any  # umol m-2 s-1
    conductance: Any  # mol m-2 s-1 bar-1
    internal: Any  # ubar


def humidity_factor(deficit: Any, level: Any = 0.85, slope: Any = 0.14) -> Any:
    """Return how conductance responds to the vapour pressure deficit.

    Parameters
    ----------
    deficit : tensor
        kPa, between -1 and 6 for the numbers of C3.
    level, slope : tensor
        a1 and b1, kPa-1; 0.72 and 0.20 for C4.

    Returns
    -------
    tensor
        1 (Yin & Struik 2009).
    """
    return 1.0 / (1.0 / (level - slope * deficit) - 1.0)


def _times(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
    """Multiply polynomials, lowest power first."""
    found: list[Any] = [None] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            found[i + j] = x * y if found[i + j] is None else found[i + j] + x * y
    return found


def _plus(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
    n = max(len(a), len(b))
    return [(a[i] if i < len(a) else 0.0) + (b[i] if i < len(b) else 0.0) for i in range(n)]


def trigonometric_root(p: Any, q: Any, r: Any, turn: float) -> tuple[Any, Any]:
    """Return one of three real roots of ``x**3 + p x**2 + q x + r = 0``.

    Parameters
    ----------
    p, q, r : tensor
        Coefficients.
    turn : float
        0 for the smallest root, 4 pi for the middle one, 2 pi for the largest.

    Returns
    -------
    tuple of tensor
        The root, and whether there are three; zero where there are not.
    """
    size = (p * p - 3.0 * q) / 9.0
    offset = (2.0 * p**3 - 9.0 * p * q + 27.0 * r) / 54.0
    positive = size > 0
    safe = pt.switch(positive, size, 1.0)
    cosine = offset / safe**1.5
    three = pt.and_(positive, pt.abs(cosine) <= 1.0)
    angle = pt.arccos(pt.switch(pt.abs(cosine) < 1.0, cosine, 0.0))
    angle = pt.switch(cosine >= 1.0, 0.0, pt.switch(cosine <= -1.0, math.pi, angle))
    return pt.switch(three, -2.0 * pt.sqrt(safe) * pt.cos((angle + turn) / 3.0) - p / 3.0, 0.0), three


def limits_c3(
    vcmax: Any, electrons: Any, michaelis_co2: Any, michaelis_oxygen: Any, compensation: Any, specificity: Any
) -> tuple[Limit, Limit]:
    """Return the limits of a C3 leaf.

    Parameters
    ----------
    vcmax, electrons : tensor
        At leaf temperature, umol m-2 s-1.
    michaelis_co2, michaelis_oxygen, compensation : tensor
        At leaf temperature, ubar.
    specificity : tensor
        Of Rubisco; oxygen is twice its product with the compensation point, as in the source.

    Returns
    -------
    tuple of Limit
        By Rubisco and by electron transport.
    """
    half = michaelis_co2 * (1.0 + 2.0 * compensation * specificity / michaelis_oxygen)
    return Limit(vcmax, half), Limit(0.25 * electrons, 2.0 * compensation)


def limits_c4(
    vcmax: Any,
    electrons: Any,
    michaelis_co2: Any,
    michaelis_oxygen: Any,
    specificity: Any,
    c: BundleSheath = BundleSheath(),  # noqa: B008
) -> tuple[Limit, Limit]:
    """Return the limits of a C4 leaf.

    Parameters
    ----------
    vcmax, electrons : tensor
        At leaf temperature, umol m-2 s-1.
    michaelis_co2, michaelis_oxygen : tensor
        At leaf temperature, ubar.
    specificity : tensor
        Of Rubisco.
    c : BundleSheath
        Constants.

    Returns
    -------
    tuple of Limit
        By Rubisco, with the pump limited by CO2, and by electron transport.
    """
    calvin = 1.0 - c.psii_share
    cyclic = 1.0 - (4.0 * calvin * (1.0 + c.q_cycle) + 3.0 * c.protons * c.pseudocyclic) / (3.0 * c.protons - 4.0 * calvin)
    all_electrons = electrons / (1.0 - c.pseudocyclic / (1.0 - cyclic))
    atp = (2.0 + c.q_cycle - cyclic) / (c.protons * (1.0 - cyclic))
    light = Limit(calvin * all_electrons * atp / 3.0, 0.0, 7.0 / 6.0 / specificity, c.psii_share * all_electrons * atp / 2.0)
    return Limit(vcmax, michaelis_co2, michaelis_co2 / michaelis_oxygen, 0.0, c.pump), light


def _joined(found: Sequence[tuple[Any, Any]], respiration: Any, form: Form) -> Any:
    gross = []
    for net, real in found:
        assimilated = pt.switch(real, net + respiration, 0.0)
        gross.append(positive_part(assimilated, form.width))
    both = smaller(*gross) if form.sharpness is None else quadratic_minimum(gross[0], gross[1], form.sharpness)
    return both - respiration


def exchange_c3(
    limits: tuple[Limit, Limit],
    compensation: Any,
    respiration: Any,
    co2: Any,
    boundary: Any,
    mesophyll: Any,
    residual: Any,
    humidity: Any,
    form: Form = SMOOTH,
) -> Exchange:
    """Return assimilation and conductance of a C3 leaf.

    Parameters
    ----------
    limits : tuple of Limit
        `limits_c3`.
    compensation : tensor
        CO2 compensation point without dark respiration, ubar.
    respiration : tensor
        Dark respiration, umol m-2 s-1.
    co2 : tensor
        Ambient, ubar.
    boundary, mesophyll, residual : tensor
        Conductances, mol m-2 s-1 bar-1, above zero.
    humidity : tensor
        `humidity_factor`, with the factor of soil water.
    form : Form
        How limits are joined.

    Returns
    -------
    Exchange
        Net assimilation is the smallest root of the cubic (Yin & Struik 2009, appendix B).
    """
    inner, outer = 1.0 / mesophyll, 1.0 / mesophyll + 1.0 / boundary
    steep = residual * inner + humidity
    m = inner + steep * outer
    found = []
    for limit in limits:
        net = limit.capacity - respiration
        near = limit.half + compensation
        a = residual * near + steep * net
        b = co2 * net - compensation * limit.capacity - respiration * limit.half
        c = co2 + limit.half + outer * net
        d = near + inner * net
        p = -(d + inner * net + a * outer + steep * c) / m
        found.append(trigonometric_root(p, (d * net + a * c + steep * b) / m, -a * b / m, 0.0))
    net = _joined(found, respiration, form)
    # With u = Ci - Ci*: (g0 u + f (A + Rd)) (Cs - Ci* - u) = A u.
    start = compensation - respiration * inner
    reach, opening = co2 - net / boundary - start, humidity * (net + respiration)
    b = residual * reach - opening - net
    root = pt.sqrt(b * b + 4.0 * residual * opening * reach)
    rising = b > 0
    u = pt.switch(rising, 0.5 * (b + root) / residual, 2.0 * opening * reach / pt.switch(rising, 1.0, root - b))
    return Exchange(net, residual + opening / u, start + u)


def exchange_c4(
    limits: tuple[Limit, Limit],
    specificity: Any,
    respiration: Any,
    co2: Any,
    boundary: Any,
    residual: Any,
    humidity: Any,
    c: BundleSheath = BundleSheath(),  # noqa: B008
    form: Form = SMOOTH,
) -> Exchange:
    """Return assimilation and conductance of a C4 leaf.

    Parameters
    ----------
    limits : tuple of Limit
        `limits_c4`.
    specificity : tensor
        Of Rubisco.
    respiration : tensor
        Dark respiration, umol m-2 s-1, half of it in the mesophyll.
    co2 : tensor
        Ambient, ubar.
    boundary, residual : tensor
        Conductances, mol m-2 s-1 bar-1, above zero.
    humidity : tensor
        `humidity_factor`, with the factor of soil water.
    c : BundleSheath
        Constants.
    form : Form
        How limits are joined.

    Returns
    -------
    Exchange
        Net assimilation is the middle root of the cubic (Yin & Struik 2009, equations 22 to 26).
    """
    g, rm, half_specificity = c.conductance, 0.5 * respiration, 0.5 / specificity
    oxygen = [OXYGEN, c.psii / (c.diffusion * g)]  # in the bundle sheath, with A
    start = (g * half_specificity * OXYGEN - (1.0 + half_specificity * c.psii / c.diffusion) * respiration + rm) / (g + c.pump)
    # Conductance times CO2 at the surface above the compensation point, with A.
    reach = co2 - start
    opened = [residual * reach + humidity * respiration, humidity - residual / boundary]
    gross = [respiration, 1.0]
    found = []
    for limit in limits:
        spare = [limit.capacity - respiration, -1.0]
        below = _plus([limit.half], [limit.oxygen_slope * o for o in oxygen])
        sheath = _plus([limit.capacity * half_specificity * o for o in oxygen], _times(gross, below))
        internal = _plus([g * s for s in sheath], _times([rm - limit.supplied, 1.0], spare))
        internal = [x / (g + limit.pump) for x in internal]
        outside = _plus(_times(opened, [co2, -1.0 / boundary]), [0.0, -reach, 1.0 / boundary])
        cubic = _plus(_times(internal, opened), [-x for x in _times(spare, outside)])
        found.append(trigonometric_root(cubic[2] / cubic[3], cubic[1] / cubic[3], cubic[0] / cubic[3], 4.0 * math.pi))
    net = _joined(found, respiration, form)
    conductance = (opened[0] + opened[1] * net) / (reach - net / boundary)
    internal_co2 = co2 - net / boundary - net / conductance
    return Exchange(net, residual + humidity * (net + respiration) / reach if form.ambient else conductance, internal_co2)
