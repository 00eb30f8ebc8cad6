"""Light in a canopy above soil after Sellers (1985): two diffuse streams, and the beam of the sun that feeds them.

Coefficients of scattering were compared with GEOtop's source; of the numbers of equations only that of the projected leaf area was checked.
Soil reflects alike in all directions. Both solutions hold for any leaf area, leaves of spherical orientation and a beam that fades as
fast as diffuse light included, where the usual formulae divide zero by zero.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt


class _Light(NamedTuple):
    """Diffuse light down: first e^(-decay x) + deep last e^(-decay (L - x)); up: deep first e^(...) + last e^(...)."""

    scattering: Any  # fraction of intercepted light
    inverse_depth: Any  # mean of cosine over projection in a uniform sky
    decay: Any  # per leaf area
    deep: Any  # albedo of infinitely many leaves
    first: Any
    last: Any
    through: Any  # e^(-decay L)


def projection(orientation: Any) -> tuple[Any, Any]:
    """Return the coefficients of the projected leaf area.

    Parameters
    ----------
    orientation : tensor or float
        Ross's index of the orientation of leaves, -0.4 to 0.6.

    Returns
    -------
    tuple of tensor
        phi1, phi2 of G(mu) = phi1 + phi2 mu, the leaf area projected on a plane across a ray whose angle with the vertical has the cosine
        mu, per leaf area (Goudriaan 1977; Sellers 1985, eq. 13 as public codes cite it).
    """
    constant = 0.5 - 0.633 * orientation - 0.33 * orientation**2
    return constant, 0.877 * (1.0 - 2.0 * constant)


def _remainder(y: Any) -> Any:
    """(y - ln(1 + y)) / y^2, by its series near 0: leaves of spherical orientation are no special case."""
    near = pt.abs(y) < 0.03
    far = pt.switch(near, 1.0, y)
    series: Any = 0.0
    for n in range(9, -1, -1):
        series = 1.0 / (n + 2.0) - y * series
    return pt.switch(near, series, (far - pt.log1p(far)) / far**2)


def _mean_transmission(x: Any) -> Any:
    """(1 - e^-x) / x: a beam that fades as fast as diffuse light is no special case."""
    near = pt.abs(x) < 1e-5
    far = pt.switch(near, 1.0, x)
    return pt.switch(near, 1.0 - 0.5 * x + x**2 / 6.0, -pt.expm1(-far) / far)


def _light(leaf_area: Any, leaf: tuple[Any, Any], soil: Any, orientation: Any) -> _Light:
    """Diffuse light under a uniform sky of one unit; `leaf` is reflectance and transmittance."""
    constant, slope = projection(orientation)
    inverse_depth = _remainder(slope / constant) / constant
    scattering = leaf[0] + leaf[1]
    back = 0.5 * (scattering + (leaf[0] - leaf[1]) * (0.5 * (1.0 + orientation)) ** 2)
    lost = 1.0 - scattering + back
    root = pt.sqrt((1.0 - scattering) * (1.0 - scattering + 2.0 * back))
    deep, decay = back / (lost + root), root / inverse_depth
    through = pt.exp(-decay * leaf_area)
    ground = (soil - deep) / (1.0 - soil * deep)
    first = 1.0 / (1.0 + deep * ground * through**2)
    return _Light(scattering, inverse_depth, decay, deep, first, first * ground * through, through)


def white_sky(leaf_area: Any, leaf: tuple[Any, Any], soil: Any, orientation: Any) -> Any:
    """Return the reflectance under a uniform sky.

    Parameters
    ----------
    leaf_area : tensor
        Effective leaf area index, m2 m-2.
    leaf : tuple of tensor
        Reflectance and transmittance of a leaf.
    soil : tensor
        Reflectance of soil.
    orientation : tensor
        Ross's index of the orientation of leaves.

    Returns
    -------
    tensor
        Bihemispherical reflectance, 0 to 1 (Sellers 1985, without beam, solved for an albedo of soil below).
    """
    x = _light(leaf_area, leaf, soil, orientation)
    return x.deep * x.first + x.last * x.through


def black_sky(leaf_area: Any, cosine: Any, leaf: tuple[Any, Any], soil: Any, orientation: Any) -> Any:
    """Return the reflectance of the beam of the sun.

    By reciprocity light that leaves scatter upwards at some depth escapes with the probability that diffuse light from above gets down
    to there, light that they scatter downwards with the probability that it comes back up there. The integral over depth has no
    singularity, unlike the usual particular solution.

    Parameters
    ----------
    leaf_area : tensor
        Effective leaf area index, m2 m-2.
    cosine : tensor
        Cosine of the zenith angle of the sun, above 0.
    leaf : tuple of tensor
        Reflectance and transmittance of a leaf.
    soil : tensor
        Reflectance of soil.
    orientation : tensor
        Ross's index of the orientation of leaves.

    Returns
    -------
    tensor
        Directional-hemispherical reflectance, 0 to 1 (Sellers 1985).
    """
    x = _light(leaf_area, leaf, soil, orientation)
    constant, slope = projection(orientation)
    across = constant + slope * cosine
    extinction = across / cosine
    single = 0.5 * x.scattering * across * _remainder((across + slope * cosine) / (constant * cosine)) / (constant * cosine)
    up = (1.0 / x.inverse_depth + extinction) * single
    down = x.scattering * extinction - up
    falling = leaf_area * _mean_transmission((extinction + x.decay) * leaf_area)
    rising = leaf_area * x.through * _mean_transmission((extinction - x.decay) * leaf_area)
    from_leaves = x.first * (up + x.deep * down) * falling + x.last * (x.deep * up + down) * rising
    return from_leaves + soil * pt.exp(-extinction * leaf_area) * (x.first * x.through + x.deep * x.last)
