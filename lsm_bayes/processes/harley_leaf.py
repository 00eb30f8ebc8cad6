"""A C3 leaf with the stomata of Ball and Berry, in closed form: the biochemistry of BEPS.

Baldocchi (1994), doi 10.1093/treephys/14.7-8-9.1069 (cubic); Collatz et al. (1991), doi 10.1016/0168-1923(91)90002-8 (stomata);
kinetics of Harley et al. (1992), doi 10.1111/j.1365-3040.1992.tb00974.x. Stomatal conductance to water is ``b + m f A h / c``
with humidity h and CO2 c at the leaf surface and the soil water factor f on the slope alone. Surface humidity follows from a
latent heat that is given, and is not limited to 1.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad

from lsm_bayes.processes import farquhar
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import reached, smaller

GAS_CONSTANT = 8.314  # J mol-1 K-1
REFERENCE = 298.16  # K
ZERO = 273.13  # K at 0 degC, as in the source
MOLAR_VOLUME = 0.022624 / (273.16 * 1.013)  # m3 mol-1 K-1: conductance in m s-1 is that in mol m-2 s-1 times this and the temperature
OXYGEN = 210.0  # mmol mol-1
OPTIMUM, DEACTIVATION, CAPACITY_ENERGY = 301.0, 2e5, 55000.0  # K, J mol-1, J mol-1
PHOTONS = 4.55 * 0.5  # umol J-1
DARK = 0.5  # umol m-2 s-1, light below which there is no electron transport
DIM = 5.0  # umol m-2 s-1, light above which respiration is inhibited
INHIBITED = 0.4
JMAX_SLOPE, JMAX_OFFSET = 2.39, 14.2  # umol m-2 s-1
DIFFUSION = 1.6  # water over CO2
RATE_WIDTH = 0.05  # umol m-2 s-1: of the smaller of two rates, and of the floor of net assimilation
LIGHT_WIDTH = 0.5  # umol m-2 s-1
TWO_PI = 6.283185307  # as in the source
STEPS = 2  # of Newton's method behind the closed form: they remove its rounding and carry the gradient


class Kinetics(NamedTuple):
    """Rates of a leaf at its temperature."""

    vcmax: Any  # umol m-2 s-1
    electrons: Any  # umol m-2 s-1
    half: Any  # umol mol-1, CO2 at which Rubisco runs at half speed, oxygen included
    compensation: Any  # umol mol-1
    respiration: Any  # umol m-2 s-1


class Supply(NamedTuple):
    """What lets CO2 in, mol m-2 s-1, and the CO2 outside."""

    boundary: Any  # conductance of the boundary layer to CO2
    residual: Any  # conductance of closed stomata to CO2
    slope: Any  # of stomatal conductance to CO2 with net assimilation over CO2 at the surface, 1
    co2: Any  # umol mol-1


class Exchange(NamedTuple):
    """What a leaf does."""

    conductance: Any  # stomatal, to water, m s-1
    assimilation: Any  # net, not below zero, umol m-2 s-1
    internal_co2: Any  # umol mol-1


def kinetics(temperature: Any, shortwave: Any, vcmax25: Any, soft: float = 0.0) -> Kinetics:
    """Return the rates of a leaf.

    Parameters
    ----------
    temperature : tensor
        degC; BEPS takes that of the air.
    shortwave : tensor
        Absorbed short waves, W m-2 of leaf.
    vcmax25 : tensor
        umol m-2 s-1 at 25 degC.
    soft : float
        0: respiration and electron transport step with light as in the source; otherwise logistic weights, 1 for those of this module.

    Returns
    -------
    Kinetics
        At that temperature.
    """
    kelvin = temperature + ZERO

    def scaled(energy: float) -> Any:
        return farquhar.arrhenius(kelvin, energy, REFERENCE, GAS_CONSTANT)

    distance = (kelvin - OPTIMUM) / (GAS_CONSTANT * OPTIMUM * kelvin)
    peaked = DEACTIVATION * pt.exp(CAPACITY_ENERGY * distance)
    peaked = peaked / (DEACTIVATION - CAPACITY_ENERGY * (1.0 - pt.exp(DEACTIVATION * distance)))
    light = PHOTONS * shortwave
    jmax = (JMAX_SLOPE * vcmax25 - JMAX_OFFSET) * peaked
    if soft > 0:
        inhibited = 1.0 - (1.0 - INHIBITED) * reached(light, DIM, LIGHT_WIDTH * soft)
        jmax = positive_part(jmax, RATE_WIDTH * soft)
        there = light + 2.1 * jmax
    else:
        inhibited = pt.switch(light > DIM, INHIBITED, 1.0)
        light = pt.switch(light < DARK, 0.0, light)
        there = light + 2.1 * jmax
    half = 274.6 * scaled(80500.0) * (1.0 + OXYGEN / (419.8 * scaled(14500.0)))
    return Kinetics(
        vcmax25 * peaked,
        jmax * light / there,
        half,
        500.0 * OXYGEN / (2904.12 * scaled(-29000.0)),
        0.004657 * vcmax25 * scaled(38000.0) * inhibited,
    )


def surface_humidity(temperature: Any, leaf: Any, vapour_pressure: Any, boundary: Any, latent: Any) -> Any:
    """Return the relative humidity of the air at a leaf that evaporates.

    Parameters
    ----------
    temperature : tensor
        Of the air, degC.
    leaf : tensor
        Of the leaf, degC; the source puts it into a formula for kelvin.
    vapour_pressure : tensor
        Of the air, kPa.
    boundary : tensor
        Conductance of the boundary layer to water, m s-1.
    latent : tensor
        Latent heat of the leaf, W m-2.

    Returns
    -------
    tensor
        1; above it where much evaporates.
    """
    kelvin = temperature + ZERO
    evaporation_heat = 3149000.0 - 2370.0 * leaf + 333.0
    saturated = pt.exp(54.8781919 - 6790.4985 / kelvin - 5.02808 * pt.log(kelvin))  # hPa
    vapour = latent / evaporation_heat / boundary + 2.165 * vapour_pressure / kelvin  # kg m-3
    return vapour * kelvin / 0.2165 / saturated


def _cubic(a: Any, b: Any, d: Any, e: float | Any, respiration: Any, s: Supply) -> tuple[Any, Any, Any]:
    """Coefficients p, q, r of ``A**3 + p A**2 + q A + r`` for a rate ``a (ci - d) / (e ci + b)`` (Baldocchi 1994, appendix)."""
    alpha = 1.0 + s.residual / s.boundary - s.slope
    beta = s.co2 * (s.boundary * s.slope - 2.0 * s.residual - s.boundary)
    gamma = s.co2**2 * s.boundary * s.residual
    theta = s.boundary * s.slope - s.residual
    shared = e * alpha
    p = (e * beta + b * theta - a * alpha + e * respiration * alpha) / shared
    q = (e * gamma + b * gamma / s.co2 - a * beta + a * d * theta + e * respiration * beta + respiration * b * theta) / shared
    r = (-a * gamma + a * d * gamma / s.co2 + e * respiration * gamma + respiration * b * gamma / s.co2) / shared
    return p, q, r


def _closed(a: Any, b: Any, d: Any, e: float | Any, respiration: Any, s: Supply) -> Any:
    """Rate with stomata at their residual conductance: the smaller root of a quadratic."""
    through = s.residual + s.boundary
    inwards = s.boundary * s.residual
    square = through * e
    linear = -s.co2 * inwards * e - a * through + e * respiration * through - b * inwards
    rest = a * s.co2 * inwards - a * d * inwards - e * respiration * s.co2 * inwards - respiration * b * inwards
    return 2.0 * rest / (-linear + pt.sqrt(linear**2 - 4.0 * square * rest))


def _three(p: Any, q: Any, r: Any) -> tuple[Any, Any, Any, Any]:
    """Half the radius, the cosine of three times the angle, and the shift of the trigonometric roots; whether the radius is real."""
    square = (p * p - 3.0 * q) / 9.0
    turned = (2.0 * p**3 - 9.0 * p * q + 27.0 * r) / 54.0
    real = square >= 0
    radius = pt.sqrt(pt.switch(real, square, 1.0))
    return radius, turned / radius**3, p / 3.0, real


def _bounded(x: Any) -> Any:
    return pt.switch(x < -1.0, -1.0, pt.switch(x > 1.0, 1.0, x))


def original_rate(k: Kinetics, s: Supply, internal_co2: Any) -> Any:
    """Return net assimilation as the source finds it.

    Parameters
    ----------
    k : Kinetics
        Rates.
    s : Supply
        Of CO2.
    internal_co2 : tensor
        umol mol-1, of the step before: it chooses which rate limits.

    Returns
    -------
    tensor
        umol m-2 s-1, not below zero. Where the cubic has one real root, it is no solution of the equations: the argument of the arc cosine
        is held at its limit. Without gradient.
    """
    by_light = k.electrons * (internal_co2 - k.compensation) / (4.0 * internal_co2 + 8.0 * k.compensation)
    by_rubisco = k.vcmax * (internal_co2 - k.compensation) / (internal_co2 + k.half)
    light = by_light < by_rubisco
    a, b, e = (
        pt.switch(light, x, y) for x, y in ((k.electrons, k.vcmax), (8.0 * k.compensation, k.half), (pt.constant(4.0), pt.constant(1.0)))
    )
    arguments = (a, b, k.compensation, e, k.respiration, s)
    radius, cosine, shift, real = _three(*_cubic(*arguments))
    angle = pt.arccos(_bounded(cosine))
    one, two, three = (-2.0 * radius * pt.cos((angle + turn) / 3.0) - shift for turn in (0.0, TWO_PI, -TWO_PI))
    low, high = pt.minimum(one, pt.minimum(two, three)), pt.maximum(one, pt.maximum(two, three))
    middle = pt.maximum(pt.minimum(one, two), pt.minimum(pt.maximum(one, two), three))
    root = pt.switch(low > 0, low, pt.switch(middle > 0, middle, pt.switch(pt.and_(middle < 0, high > 0), high, 0.0)))
    dark = pt.or_(by_light <= k.respiration, by_rubisco <= k.respiration)
    closed = pt.or_(dark, pt.or_(root <= 0, pt.invert(real)))
    found = pt.switch(closed, _closed(*arguments), root)
    return disconnected_grad(pt.switch(found < 0, 0.0, found))


def limited_rate(a: Any, b: Any, d: Any, e: float, respiration: Any, s: Supply) -> Any:
    """Return the net assimilation that solves the coupled equations for one limitation.

    Parameters
    ----------
    a, b, d : tensor
        The rate is ``a (ci - d) / (e ci + b)``.
    e : float
        1 for Rubisco, 4 for electron transport.
    respiration : tensor
        umol m-2 s-1.
    s : Supply
        Of CO2.

    Returns
    -------
    tensor
        umol m-2 s-1: the smallest positive root of the cubic, the only one that joins the rate of closed stomata in the dark; the latter
        where respiration is larger than what CO2 outside allows. The gradient is that of the implicit function.
    """
    arguments = (a, b, d, e, respiration, s)
    p, q, r = _cubic(*arguments)
    radius, cosine, shift, real = _three(p, q, r)
    inside = pt.and_(real, abs(cosine) <= 1.0)
    angle = pt.arccos(pt.switch(inside, cosine, 0.0))
    roots = [-2.0 * radius * pt.cos((angle + turn) / 3.0) - shift for turn in (0.0, 2.0 * math.pi, -2.0 * math.pi)]
    far = 1e9
    least = pt.minimum(*[pt.switch(x > 0, x, far) for x in roots[:2]])
    least = pt.minimum(least, pt.switch(roots[2] > 0, roots[2], far))
    # One real root (Cardano), in the form without a difference of numbers of like size.
    square = (p * p - 3.0 * q) / 9.0
    turned = (2.0 * p**3 - 9.0 * p * q + 27.0 * r) / 54.0
    excess = turned**2 - square**3
    size = (abs(turned) + pt.sqrt(pt.switch(excess > 0, excess, 0.0))) ** (1.0 / 3.0)
    size = pt.switch(size > 0, size, 1.0)
    alone = -pt.sign(turned) * (size + square / size) - shift
    start = disconnected_grad(pt.switch(inside, least, alone))
    for _ in range(STEPS):
        start = disconnected_grad(start)  # the last step has the gradient of them all
        value, slope = ((start + p) * start + q) * start + r, (3.0 * start + 2.0 * p) * start + q
        fixed = disconnected_grad(slope)
        start = start - value / pt.switch(pt.eq(fixed, 0.0), 1.0, fixed)
    lit = a * (s.co2 - d) > respiration * (e * s.co2 + b)
    return pt.switch(lit, start, _closed(*arguments))


def exchange(k: Kinetics, s: Supply, internal_co2: Any, temperature: Any, *, original: bool = False, soft: float = 0.0) -> Exchange:
    """Return assimilation, stomatal conductance and internal CO2.

    Parameters
    ----------
    k : Kinetics
        Rates.
    s : Supply
        Of CO2.
    internal_co2 : tensor
        umol mol-1, of the step before; `original` alone uses it.
    temperature : tensor
        Of the air, degC: conductance in m s-1 is that of a gas of this temperature.
    original : bool
        As in the source (`original_rate`); otherwise the smaller of the two rates that solve the equations.
    soft : float
        Widths of the smaller rate and of the floor at zero, as multiples of `RATE_WIDTH`; 0: exact.

    Returns
    -------
    Exchange
        Of one leaf area.
    """
    if original:
        net = original_rate(k, s, internal_co2)
    else:
        rubisco = limited_rate(k.vcmax, k.half, k.compensation, 1.0, k.respiration, s)
        light = limited_rate(k.electrons, 8.0 * k.compensation, k.compensation, 4.0, k.respiration, s)
        net = positive_part(smaller(rubisco, light, RATE_WIDTH * soft), RATE_WIDTH * soft)
    surface = s.co2 - net / s.boundary
    stomatal = s.residual + s.slope * net / surface
    return Exchange(DIFFUSION * stomatal * (temperature + ZERO) * MOLAR_VOLUME, net, surface - net / stomatal)


def supply(boundary: Any, humidity: Any, temperature: Any, slope: Any, intercept: Any, stress: Any, co2: Any) -> Supply:
    """Return the conductances to CO2.

    Parameters
    ----------
    boundary : tensor
        Conductance of the boundary layer to water, m s-1.
    humidity : tensor
        Relative humidity at the leaf surface.
    temperature : tensor
        Of the air, degC.
    slope : tensor
        Of Ball and Berry, to water.
    intercept : tensor
        Stomatal conductance to water without assimilation, mol m-2 s-1.
    stress : tensor
        Soil water factor of the slope.
    co2 : tensor
        umol mol-1.

    Returns
    -------
    Supply
        mol m-2 s-1.
    """
    molar = boundary / DIFFUSION / ((temperature + ZERO) * MOLAR_VOLUME)
    return Supply(molar, intercept / DIFFUSION, slope * humidity * stress / DIFFUSION, co2)
