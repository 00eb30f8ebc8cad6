"""Short and long waves on two storeys of clumped leaves and on the ground, and on the leaves of each class.

Chen et al. (1999), doi 10.1016/S0304-3800(99)00156-8; Liu et al. (2003), doi 10.1016/S0304-3800(02)00315-4, as in BEPS.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.clumped_canopy import EXTINCTION, Areas
from lsm_bayes.processes.smoothing import clip
from lsm_bayes.processes.thresholds import clipped, smaller

SOLAR_CONSTANT = 1367.0  # W m-2
BRIGHTEST = 0.7 * 1362.0  # W m-2, largest direct light on a leaf
STEFAN_BOLTZMANN = 5.67e-8  # W m-2 K-4
LEAF, GROUND = 0.98, 0.96  # emissivities
KELVIN = 273.15
LOWEST_SUN = 0.001


class Albedo(NamedTuple):
    """Reflected fraction of short waves."""

    overstorey: Any
    understorey: Any
    ground: Any


class Light(NamedTuple):
    """Direct and diffuse short waves, W m-2 of ground."""

    direct: Any
    diffuse: Any


class Gaps(NamedTuple):
    """Fractions of light that pass the leaves of a storey."""

    beam: Any  # along the sun's rays
    diffuse: Any
    with_stems: Any  # diffuse, leaves and stems


class Longwave(NamedTuple):
    """Net long waves, W m-2 of ground."""

    overstorey: Any
    understorey: Any
    ground: Any


def blended(bare: Any, snow: Any, fraction: Any) -> Any:
    """Return the albedo of a surface that is partly covered by snow.

    Parameters
    ----------
    bare, snow : tensor
        Albedo without and under snow.
    fraction : tensor
        Covered by snow.

    Returns
    -------
    tensor
        1.
    """
    return bare * (1.0 - fraction) + snow * fraction


def partition(shortwave: Any, cosine: Any) -> Light:
    """Split short waves into direct and diffuse.

    Parameters
    ----------
    shortwave : tensor
        W m-2.
    cosine : tensor
        Of the solar zenith angle.

    Returns
    -------
    Light
        All is diffuse where the sun is on the horizon or below it (Black et al. 1991, doi 10.1139/x91-114, with a fifth-order fit).
    """
    down = cosine < LOWEST_SUN
    ratio = shortwave / (SOLAR_CONSTANT * pt.switch(down, 1.0, cosine))
    inside = pt.switch(ratio > 0.8, 0.8, ratio)
    fit = 0.943 + 0.734 * inside - 4.9 * inside**2 + 1.796 * inside**3 + 2.058 * inside**4
    diffuse = shortwave * clipped(pt.switch(ratio > 0.8, 0.13, fit), 0.0, 1.0)
    diffuse = pt.switch(down, shortwave, diffuse)
    return Light(shortwave - diffuse, diffuse)


def gaps(leaf: Any, with_stems: Any, clumping: Any, cosine: Any) -> Gaps:
    """Return what passes a storey.

    Parameters
    ----------
    leaf, with_stems : tensor
        Area index of leaves, and of leaves and stems, m2 m-2.
    clumping : tensor
        Clumping index.
    cosine : tensor
        Of the solar zenith angle.

    Returns
    -------
    Gaps
        1; diffuse light comes from a mean angle that depends on the leaf area alone.
    """
    mean = 0.537 + 0.025 * leaf
    down = cosine <= 0
    beam = pt.exp(-EXTINCTION * clumping * leaf / pt.switch(down, 1.0, cosine))
    return Gaps(pt.switch(down, 0.0, beam), *(pt.exp(-EXTINCTION * clumping * a / mean) for a in (leaf, with_stems)))


def _scattered(light: Light, leaf: Any, cosine: Any) -> Any:
    """Multiple scattering of direct light in a canopy (Norman 1982)."""
    return light.direct * (1.1 - 0.1 * leaf) * pt.exp(-cosine)


def leaf_shortwave(light: Light, over: Gaps, under: Gaps, with_stems: tuple[Any, Any], cosine: Any, albedo: Albedo) -> Areas:
    """Return the short waves that leaves of each class absorb.

    Parameters
    ----------
    light : Light
        Above the canopy.
    over, under : Gaps
        Of the storeys.
    with_stems : tuple of tensor
        Area of leaves and stems of the storeys, m2 m-2.
    cosine : tensor
        Of the solar zenith angle.
    albedo : Albedo
        Of the surfaces.

    Returns
    -------
    Areas
        W m-2 of leaf.
    """
    down = cosine < LOWEST_SUN
    direct = pt.switch(down, 0.0, smaller(EXTINCTION * light.direct / pt.switch(down, 1.0, cosine), BRIGHTEST))
    p_over, p_under = with_stems
    upper = light.diffuse * (1.0 - over.with_stems) / p_over + 0.07 * _scattered(light, p_over, cosine)
    lower = light.diffuse * over.diffuse * (1.0 - under.with_stems) / p_under + 0.05 * over.beam * _scattered(light, p_under, cosine)
    a, b = 1.0 - albedo.overstorey, 1.0 - albedo.understorey
    return Areas(a * (direct + upper), a * upper, b * (direct + lower), b * lower)


def net_shortwave(light: Light, over: Gaps, under: Gaps, leaf: tuple[Any, Any], clumping: Any, cosine: Any, albedo: Albedo) -> Longwave:
    """Return the net short waves of the storeys and of the ground.

    Parameters
    ----------
    light : Light
        Above the canopy.
    over, under : Gaps
        Of the storeys.
    leaf : tuple of tensor
        Leaf area of the storeys, m2 m-2.
    clumping : tensor
        Clumping index.
    cosine : tensor
        Of the solar zenith angle.
    albedo : Albedo
        Of the surfaces.

    Returns
    -------
    Longwave
        W m-2 of ground, by surface. Scattered light is added to what the canopy absorbs and taken from nowhere: they do not add up to
        what comes in.
    """
    a, b, c = (1.0 - x for x in albedo)
    scattering = 0.21 * clumping
    upper = light.direct * (a - b * over.beam) + light.diffuse * (a - b * over.diffuse) + scattering * _scattered(light, leaf[0], cosine)
    lower = (
        light.direct * over.beam * (b - c * under.beam)
        + light.diffuse * over.diffuse * (b - c * under.diffuse)
        + scattering * over.beam * _scattered(light, leaf[1], cosine)
    )
    ground = c * (light.direct * over.beam * under.beam + light.diffuse * over.diffuse * under.diffuse)
    return Longwave(upper, lower, ground)


def net_longwave(
    air: Any, vapour_pressure: Any, over: Gaps, under: Gaps, temperatures: tuple[Any, Any, Any], width: float = 0.0
) -> Longwave:
    """Return the net long waves of the storeys and of the ground.

    Parameters
    ----------
    air : tensor
        Air temperature, degC.
    vapour_pressure : tensor
        kPa.
    over, under : Gaps
        Of the storeys.
    temperatures : tuple of tensor
        Of overstorey, understorey and ground, degC.
    width : float
        Of the limits of the emissivity of the air (`smoothing.clip`).

    Returns
    -------
    Longwave
        W m-2 of ground; the emissivity of the air is that of Satterlund (1979), doi 10.1029/WR015i006p01649, between 0.7 and 1.
    """
    kelvin = air + KELVIN
    emissivity = clip(1.0 - pt.exp(-((10.0 * vapour_pressure) ** (kelvin / 1200.0))), 0.7, 1.0, width)
    sky = emissivity * STEFAN_BOLTZMANN * kelvin**4
    upper, lower = (LEAF * STEFAN_BOLTZMANN * (t + KELVIN) ** 4 for t in temperatures[:2])
    ground = GROUND * STEFAN_BOLTZMANN * (temperatures[2] + KELVIN) ** 4
    t, u = over.diffuse, under.diffuse
    under_canopy = sky * t + upper * (1.0 - t)  # comes down below the overstorey
    above_ground = lower * (1.0 - u) + ground * u  # goes up above the understorey
    net_over = (LEAF * (sky + above_ground) - 2.0 * upper) * (1.0 - t) + LEAF * (1.0 - LEAF) * (1.0 - u) * under_canopy
    net_under = (
        (LEAF * (under_canopy + ground) - 2.0 * lower) * (1.0 - u)
        + (1.0 - GROUND) * (under_canopy * u + lower * (1.0 - u))
        + LEAF * (1.0 - LEAF) * above_ground * (1.0 - t)
    )
    net_ground = GROUND * (under_canopy * u + lower * (1.0 - u)) - ground + (1.0 - LEAF) * ground * (1.0 - u)
    return Longwave(net_over, net_under, net_ground)
