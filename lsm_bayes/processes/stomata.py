"""Stomatal conductance that depends on net assimilation, CO2 and humidity at the surface of the leaf, with the boundary layer solved for.

Ball et al. (1987), doi 10.1007/978-94-017-0519-6_48; Medlyn et al. (2011), doi 10.1111/j.1365-2486.2010.02375.x; the closed forms as in
CLM4.5 and CLM5 (Lawrence et al. 2019, doi 10.1029/2018MS001583) and FATES, and their public sources. Conductances are to water vapour,
umol m-2 s-1, as are assimilation rates; pressures are Pa. Humidity at the surface of the leaf is where the fluxes through stomata
and boundary layer are equal, which makes a quadratic for the conductance.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger, smaller

WATER_PER_CO2 = 1.6  # diffusivity in air
WATER_PER_CO2_BOUNDARY = 1.4  # through the boundary layer
DRIEST_AIR = 0.05  # of saturation
LEAST_DEFICIT = 50.0  # Pa
LEAST_NET = 1e-3  # umol m-2 s-1, up to which Medlyn's conductance is the residual one


class Form(NamedTuple):
    """Widths of the kinks; zero is exact."""

    assimilation: float = 0.1  # umol m-2 s-1, of the positive part of net assimilation
    humidity: float = 20.0  # Pa, of the limits of vapour pressure and its deficit


EXACT = Form(0.0, 0.0)
SMOOTH = Form()


def limited_vapour_pressure(vapour_pressure: Any, saturated: Any, width: float = 0.0) -> Any:
    """Return the vapour pressure of air that is neither drier than 5 % nor oversaturated.

    Parameters
    ----------
    vapour_pressure, saturated : tensor
        Of the air, and saturated at leaf temperature, Pa.
    width : float
        Of the kinks, Pa.

    Returns
    -------
    tensor
        Pa.
    """
    if width > 0:
        dry = DRIEST_AIR * saturated
        return dry + positive_part(vapour_pressure - dry, width) - positive_part(vapour_pressure - saturated, width)
    return smaller(larger(vapour_pressure, DRIEST_AIR * saturated), saturated)


def ball_berry(
    net: Any, co2: Any, vapour_pressure: Any, saturated: Any, pressure: Any, boundary: Any, residual: Any, slope: Any, form: Form = SMOOTH
) -> Any:
    """Return the conductance of Ball et al. (1987).

    Parameters
    ----------
    net : tensor
        Net assimilation, umol m-2 s-1.
    co2 : tensor
        At the surface of the leaf, Pa.
    vapour_pressure : tensor
        Outside the boundary layer, Pa; limited to 5 % of saturation and saturation.
    saturated : tensor
        At leaf temperature, Pa.
    pressure : tensor
        Of the air, Pa.
    boundary, residual : tensor
        Conductances of the boundary layer and of closed stomata, umol m-2 s-1.
    slope : tensor
        Dimensionless.
    form : Form
        Widths of the kinks.

    Returns
    -------
    tensor
        umol m-2 s-1: the larger root, the residual conductance without net assimilation.
    """
    asking = slope * positive_part(net, form.assimilation) * pressure / co2
    humidity = limited_vapour_pressure(vapour_pressure, saturated, form.humidity) / saturated
    b = boundary - residual - asking
    c = boundary * (residual + asking * humidity)
    root = pt.sqrt(b**2 + 4.0 * c)
    # Two forms of one root: each without the difference of numbers of like size.
    rising = b > 0
    return pt.switch(rising, 2.0 * c / pt.switch(rising, b + root, 1.0), 0.5 * (root - b))


def medlyn(
    net: Any,
    co2: Any,
    vapour_pressure: Any,
    saturated: Any,
    pressure: Any,
    boundary: Any,
    residual: Any,
    slope: Any,
    factor: Any = 1.0,
    form: Form = SMOOTH,
) -> Any:
    """Return the conductance of Medlyn et al. (2011).

    Parameters
    ----------
    net : tensor
        Net assimilation, umol m-2 s-1.
    co2 : tensor
        At the surface of the leaf, Pa.
    vapour_pressure : tensor
        Outside the boundary layer, Pa.
    saturated : tensor
        At leaf temperature, Pa; the deficit is at least 50 Pa.
    pressure : tensor
        Of the air, Pa.
    boundary, residual : tensor
        Conductances of the boundary layer and of closed stomata, umol m-2 s-1.
    slope : tensor
        g1, kPa0.5.
    factor : tensor
        Of all but the residual conductance, such as a factor of soil water in FATES.
    form : Form
        Widths of the kinks. Exact: the residual conductance up to a net assimilation of 0.001 umol m-2 s-1, where it jumps by
        some 0.01 mol m-2 s-1 per umol m-2 s-1 of that.

    Returns
    -------
    tensor
        umol m-2 s-1: the larger root.
    """
    if form.humidity > 0:
        deficit = LEAST_DEFICIT + positive_part(saturated - vapour_pressure - LEAST_DEFICIT, form.humidity)
    else:
        deficit = larger(saturated - vapour_pressure, pt.as_tensor(LEAST_DEFICIT))
    deficit = deficit * 1e-3
    exact = form.assimilation == 0
    idle = net <= LEAST_NET
    assimilated = pt.switch(idle, 1.0, net) if exact else positive_part(net, form.assimilation)
    term = factor * WATER_PER_CO2 * assimilated * pressure / co2
    q = (slope * term) ** 2 / (boundary * deficit)
    base = residual + term
    b = 2.0 * base + q
    inside = q * (q + 4.0 * (base + boundary))
    found = 0.5 * (b + pt.sqrt(inside))
    return pt.switch(idle, residual, found) if exact else found
