"""Sunlit and shaded area of two storeys of clumped leaves, and the carboxylation capacity of each class.

Chen et al. (1999), doi 10.1016/S0304-3800(99)00156-8; vertical nitrogen profile of Chen et al. (2012), doi 10.1029/2010GB003996.
Leaf angles are spherical.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

EXTINCTION = 0.5
NITROGEN_EXTINCTION = 0.3  # of leaf nitrogen with the leaf area above
LEAST = 1e-9  # m2 m-2, shaded area below which its mean is not formed


class Areas(NamedTuple):
    """Area of the four classes, m2 m-2."""

    over_sunlit: Any
    over_shaded: Any
    under_sunlit: Any
    under_shaded: Any


def understorey_area(overstorey: Any, present: bool) -> Any:
    """Return the leaf area of the understorey from that of the overstorey.

    Parameters
    ----------
    overstorey : tensor
        Leaf area index, m2 m-2.
    present : bool
        Whether the land cover has an understorey; crops and grass have a trace.

    Returns
    -------
    tensor
        m2 m-2; a trace where it would exceed the overstorey (Liu et al. 2003, doi 10.1016/S0304-3800(02)00315-4).
    """
    below = 1.18 * pt.exp(-0.99 * overstorey)
    return pt.switch(below > overstorey, 0.01, below) if present else 0.01 + 0.0 * overstorey


def sunlit_area(area: Any, clumping: Any, cosine: Any) -> Any:
    """Return the sunlit part of an area.

    Parameters
    ----------
    area : tensor
        Leaf (and stem) area index, m2 m-2.
    clumping : tensor
        Clumping index, 1 for leaves at random.
    cosine : tensor
        Of the solar zenith angle; no area is sunlit where it is not positive.

    Returns
    -------
    tensor
        m2 m-2 (Chen et al. 1999, equation 17).
    """
    down = cosine <= 0
    above = pt.switch(down, 1.0, cosine)
    return pt.switch(down, 0.0, 2.0 * above * (1.0 - pt.exp(-EXTINCTION * clumping * area / above)))


def areas(overstorey: Any, understorey: Any, clumping: Any, cosine: Any) -> Areas:
    """Return sunlit and shaded areas of two storeys.

    Parameters
    ----------
    overstorey, understorey : tensor
        Area indices, m2 m-2.
    clumping : tensor
        Clumping index.
    cosine : tensor
        Of the solar zenith angle.

    Returns
    -------
    Areas
        The sunlit understorey is what both storeys together have more than the overstorey.
    """
    lit = sunlit_area(overstorey, clumping, cosine)
    below = sunlit_area(overstorey + understorey, clumping, cosine) - lit
    return Areas(lit, overstorey - lit, below, understorey - below)


def carboxylation(top: Any, area: Any, clumping: Any, cosine: Any) -> tuple[Any, Any]:
    """Return the carboxylation capacity of sunlit and of shaded leaves.

    Parameters
    ----------
    top : tensor
        At the top of the canopy, umol m-2 s-1.
    area : tensor
        Leaf area index, m2 m-2.
    clumping : tensor
        Clumping index.
    cosine : tensor
        Of the solar zenith angle; the capacities are zero where it is not positive.

    Returns
    -------
    tuple of tensor
        Means per leaf area of the class, umol m-2 s-1 (Chen et al. 2012, equations 14 and 15).
    """
    down = cosine <= 0
    beam = EXTINCTION * clumping / pt.switch(down, 1.0, cosine)
    both = NITROGEN_EXTINCTION + beam
    lit, weighted = 1.0 - pt.exp(-beam * area), 1.0 - pt.exp(-both * area)
    shaded = area - lit / beam
    none = shaded <= LEAST
    sun = top * beam * weighted / (both * lit)
    whole = (1.0 - pt.exp(-NITROGEN_EXTINCTION * area)) / NITROGEN_EXTINCTION
    shade = top * (whole - weighted / both) / pt.switch(none, 1.0, shaded)
    return pt.switch(down, 0.0, sun), pt.switch(pt.or_(down, none), 0.0, shade)
