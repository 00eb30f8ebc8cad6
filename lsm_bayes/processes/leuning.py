"""Photosynthesis coupled to the stomatal conductance of Leuning, solved for the CO2 inside the leaf in closed form.

Leuning (1990), doi 10.1071/PP9900159, appendix, and (1995), doi 10.1111/j.1365-3040.1995.tb00370.x, equation 5.
"""

from typing import Any

import pytensor.tensor as pt


def gross_rate(
    capacity: Any,
    half: Any,
    compensation: Any,
    start: Any,
    respiration: Any,
    co2: Any,
    slope: Any,
    residual: float,
) -> Any:
    """Return the rate of one limitation at the CO2 that the stomata let in.

    Parameters
    ----------
    capacity : tensor
        Vcmax, or a quarter of the electron transport, umol m-2 s-1.
    half : tensor
        What is added to the internal CO2 in the denominator, umol mol-1.
    compensation : tensor
        CO2 compensation point without respiration, umol mol-1: in the quadratic.
    start : tensor
        The compensation point in the numerator of the rate, umol mol-1; FöBAAR takes the one with respiration.
    respiration : tensor
        In the light, umol m-2 s-1.
    co2 : tensor
        Outside the leaf, umol mol-1.
    slope : tensor
        Conductance to CO2 per net assimilation, m2 s mol-1 in these units.
    residual : float
        Conductance of closed stomata, mol m-2 s-1.

    Returns
    -------
    tensor
        umol m-2 s-1: ``capacity (ci - start) / (ci + half)`` at the larger root ci; zero without a real or positive root.
    """
    net = capacity - respiration
    closed = 1.0 - co2 * slope
    product = capacity * compensation + half * respiration
    b2 = residual + slope * net
    b1 = closed * net + residual * (half - co2) - slope * product
    b0 = -closed * product - residual * half * co2
    discriminant = b1**2 - 4.0 * b2 * b0
    impossible = pt.or_(discriminant < 0, pt.eq(b2, 0.0))
    root = pt.sqrt(pt.switch(pt.or_(impossible, pt.eq(discriminant, 0.0)), 1.0, discriminant))
    root = pt.switch(pt.eq(discriminant, 0.0), 0.0, root)
    # Two forms of one root: each without the difference of numbers of like size.
    adding = b1 > 0
    internal = pt.switch(
        adding,
        -2.0 * b0 / pt.switch(adding, b1 + root, 1.0),
        (root - b1) / (2.0 * pt.switch(pt.or_(impossible, adding), 1.0, b2)),
    )
    nothing = pt.or_(impossible, internal < 0)
    return pt.switch(nothing, 0.0, capacity * (internal - start) / (pt.switch(nothing, 1.0, internal) + half))
