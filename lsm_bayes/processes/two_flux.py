"""Light that the layers of a canopy absorb, by the two-flux approximation, and nitrogen that declines with depth: BETHY.

Sellers (1985), doi 10.1080/01431168508948283, for leaves of all angles that reflect as much as they transmit; Knorr (1997) and the
public source of CCDAS: BETHY. JSBACH and D&B use the same.
"""

from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import floored, quadratic_minimum
from lsm_bayes.processes.thresholds import larger

LAYERS = 3
SCATTERING = 0.12  # of leaves, in PAR
LEAST_COSINE = 1e-3  # of the zenith angle, below which nothing is absorbed
LEAST_COVER = 1e-3
_H = float(np.sqrt(1.0 - SCATTERING))
_P1 = 2.0 * (1.0 - 0.5 * SCATTERING + _H) / SCATTERING
_P0 = 1.0 / _P1
SINGULAR = 0.5 / _H  # cosine where the terms of direct light diverge, their sum does not
_AWAY = 1e-6  # of it the terms lose ten digits, of the sum few
NITROGEN_FROM, NITROGEN_TO = 3.0, 6.0  # m2 m-2, leaf area between which nitrogen begins to decline with depth


class Foliage(NamedTuple):
    """What the leaf area alone decides, the same all day."""

    depth: Any  # leaf area per covered ground
    cover: Any
    diffuse: Any  # attenuation of diffuse light in one layer


def foliage(lai: Any, cover: Any) -> Foliage:
    """Return what leaf area and cover decide.

    Parameters
    ----------
    lai : tensor
        m2 m-2.
    cover : tensor
        Fraction of the ground under the crowns; at least 1e-3.

    Returns
    -------
    Foliage
        For `absorbed`.
    """
    cover = larger(cover, LEAST_COVER)
    depth = lai / cover
    return Foliage(depth, cover, pt.exp(-_H / LAYERS * depth))


def par_reflectance(albedo: Any) -> Any:
    """Return the reflectance of the ground in PAR (Price & Bausch 1995, medium soil).

    Parameters
    ----------
    albedo : tensor
        In shortwave.

    Returns
    -------
    tensor
        Not negative.
    """
    dark = 0.92 * albedo - 0.015
    return pt.switch(dark < 0, 0.0, dark)


def absorbed(leaves: Foliage, ground: Any, cosine: Any, direct: Any, *, zero_at_night: bool = True) -> tuple[Any, Any, Any]:
    """Return the fraction of PAR that each layer absorbs.

    Parameters
    ----------
    leaves : Foliage
        Of the canopy.
    ground : tensor
        Reflectance of the ground in PAR.
    cosine : tensor
        Of the zenith angle of the sun.
    direct : tensor
        Fraction of PAR that is direct.
    zero_at_night : bool
        Return zero where the sun is down; otherwise the fraction for a cosine of one half, for light that is zero itself.

    Returns
    -------
    tuple of tensor
        From above, per incident PAR and ground area, cover included.
    """
    down = cosine < LEAST_COSINE
    mu = pt.switch(down, 0.5, cosine)
    distance = mu - SINGULAR
    mu = SINGULAR + pt.switch(pt.abs(distance) < _AWAY, pt.switch(distance < 0, -_AWAY, _AWAY), distance)
    part = 0.5 * SCATTERING / (1.0 - 4.0 * mu**2 * _H**2)
    q1, q0 = (1.0 + 2.0 * mu) * part, (1.0 - 2.0 * mu) * part
    beam = pt.exp(-0.5 / LAYERS / mu * leaves.depth)  # attenuation of direct light in one layer
    e_k, e_h = (e * e * e for e in (beam, leaves.diffuse))
    # Growing terms carry the attenuation of the whole canopy, so that nothing overflows.
    x1, x0 = _P1 - ground, (_P0 - ground) * e_h**2
    x2 = (ground * (1.0 - q1) - q0) * e_k * direct
    entering = 1.0 - direct + q1 * direct
    b1 = (x2 * e_h - entering * x0) / (x1 - x0)
    b0 = (entering * x1 - x2 * e_h) / (x1 - x0)
    growing, falling, straight = (1.0 - _P1) * b1, (1.0 - _P0) * b0, (1.0 - q0 - q1) * direct
    found = []
    straight, falling, growing = straight * (1.0 - beam), falling * (1.0 - leaves.diffuse), growing * (1.0 - leaves.diffuse)
    for _ in range(LAYERS):
        growing = growing / leaves.diffuse
        taken = leaves.cover * (straight + falling - growing)
        found.append(pt.switch(down, 0.0, taken) if zero_at_night else taken)
        straight, falling = straight * beam, falling * leaves.diffuse
    return found[0], found[1], found[2]


def nitrogen(lai: Any, noon_cosine: Any, decline: Any, *, clamped: bool = True) -> tuple[Any, Any, Any]:
    """Return the nitrogen of the layers relative to the top of the canopy.

    Parameters
    ----------
    lai : tensor
        m2 m-2.
    noon_cosine : tensor
        Of the zenith angle at noon.
    decline : tensor
        1 for trees, shrubs and crops, whose nitrogen follows the light; 0 for other plants.
    clamped : bool
        Keep the weight of the decline at one from a leaf area of 6 on; without, as in the source, nitrogen of deep layers becomes negative.

    Returns
    -------
    tuple of tensor
        From above; values at the top of each layer.
    """
    steep = 0.5 / larger(noon_cosine, LEAST_COSINE) / LAYERS
    area = floored(lai, NITROGEN_FROM, 0.1)
    weight = (area - NITROGEN_FROM) / (NITROGEN_TO - NITROGEN_FROM)
    weight = decline * (quadratic_minimum(weight, 1.0, 0.99) if clamped else weight)
    once = pt.exp(-steep * lai)
    return 1.0, 1.0 + weight * (once - 1.0), 1.0 + weight * (once * once - 1.0)
