"""A C3 leaf with Leuning's stomata, as in FöBAAR: assimilation, respiration and transpiration without iteration.

Keenan et al. (2011), doi 10.1007/s00442-011-1979-3, and the public source; constants of Bernacchi et al. (2001), doi
10.1111/j.1365-3040.2001.00668.x.
"""

from typing import Any, NamedTuple, Protocol

import pytensor.tensor as pt

from lsm_bayes.processes import farquhar, leuning
from lsm_bayes.processes.thresholds import smaller

OXYGEN = 207305.0  # umol mol-1
JMAX_PER_VCMAX = 2.1
ELECTRONS = 0.85 / 2.6  # per absorbed photon
RESIDUAL_CONDUCTANCE = 0.01  # mol m-2 s-1
ENTROPY = 710.0  # J mol-1 K-1
WATER_PER_CONDUCTANCE = 1.6 * 1000.0 / 101300.0 * 18.0 / 1000.0  # kg mol-1 kPa-1


class Traits(Protocol):
    """Parameters of a leaf.

    Attributes
    ----------
    leaf_respiration25 : tensor
        Dark respiration at 25 degC, umol m-2 s-1.
    leaf_respiration_q10 : tensor
        Its factor for ten degrees.
    electron_transport_curvature : tensor
        Below one.
    stomatal_slope : tensor
        Dimensionless.
    vpd_sensitivity : tensor
        kPa.
    """

    @property
    def leaf_respiration25(self) -> Any: ...  # noqa: D102

    @property
    def leaf_respiration_q10(self) -> Any: ...  # noqa: D102

    @property
    def electron_transport_curvature(self) -> Any: ...  # noqa: D102

    @property
    def stomatal_slope(self) -> Any: ...  # noqa: D102

    @property
    def vpd_sensitivity(self) -> Any: ...  # noqa: D102


class Exchange(NamedTuple):
    """Net assimilation and dark respiration, umol m-2 s-1, and transpiration, kg m-2 s-1, per leaf area."""

    assimilation: Any
    respiration: Any
    transpiration: Any


def exchange(temperature: Any, light: Any, vpd: Any, co2: Any, vcmax25: Any, p: Traits, *, respiration_added: bool = False) -> Exchange:
    """Return the exchange of a leaf.

    Parameters
    ----------
    temperature : tensor
        degC.
    light : tensor
        Absorbed light, umol m-2 s-1.
    vpd : tensor
        kPa.
    co2 : tensor
        umol mol-1.
    vcmax25 : tensor
        umol m-2 s-1, water stress included.
    p : Traits
        Leaf respiration, stomata and curvature.
    respiration_added : bool
        Add dark respiration to what diffuses in where internal CO2 is below the compensation point, as the source does: a jump
        where it begins, and a leaf that assimilates nothing then gains more than one that does.

    Returns
    -------
    Exchange
        Net assimilation is zero where it would be negative.
    """
    kelvin = temperature + 273.1
    dead = vcmax25 <= 0
    living = pt.switch(dead, 1.0, vcmax25)
    vcmax = living * farquhar.peaked(kelvin, 76459.0, 220121.0, ENTROPY)
    jmax = JMAX_PER_VCMAX * living * farquhar.peaked(kelvin, 44370.0, 213908.0, ENTROPY)
    compensation = 42.22 * farquhar.arrhenius(kelvin, 37830.0)
    half = 404.9 * farquhar.arrhenius(kelvin, 79430.0) * (1.0 + OXYGEN / (278400.0 * farquhar.arrhenius(kelvin, 36380.0)))
    respiration = p.leaf_respiration25 * p.leaf_respiration_q10 ** ((temperature - 25.0) / 10.0)
    electrons = farquhar.electron_transport(ELECTRONS * light, jmax, p.electron_transport_curvature)
    # The compensation point with respiration, where it makes sense.
    spare = vcmax - respiration
    start = (compensation * vcmax + half * respiration) / pt.switch(spare > 0, spare, 1.0)
    start = pt.switch(pt.or_(spare <= 0, pt.or_(start < compensation, start > co2)), compensation, start)
    dryness = 1.0 + vpd / p.vpd_sensitivity
    slope = p.stomatal_slope / ((co2 - start) * dryness)
    a_c, a_j = (
        leuning.gross_rate(capacity, halved, compensation, start, respiration, co2, slope, RESIDUAL_CONDUCTANCE)
        for capacity, halved in ((vcmax, half), (0.25 * electrons, 2.0 * start))
    )
    net = smaller(a_c, a_j) - respiration
    closed = pt.or_(dead, net <= 0)
    net = pt.switch(closed, 0.0, net)
    conductance = RESIDUAL_CONDUCTANCE + 1.6 * slope * net
    # Internal CO2 below the compensation point: only what diffuses in.
    usual = pt.or_(closed, dryness <= p.stomatal_slope)
    diffusing = net * p.stomatal_slope / dryness
    assimilated = pt.switch(usual, net, diffusing + respiration if respiration_added else diffusing)
    return Exchange(assimilated, respiration, conductance * WATER_PER_CONDUCTANCE * vpd)
