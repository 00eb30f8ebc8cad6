"""Leaf area as optical instruments report it: clumped leaves cast shadows on each other, and retrievals assume an orientation of leaves."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.angles import cosine, radians
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.observations.two_stream import projection

ASSUMED_PROJECTION = 0.5  # leaf area projected across the line of sight: what retrievals take, spherical orientation


# One parameter a line.
# fmt: off
class Retrieval(NamedTuple):
    """What lies between true and reported leaf area; only the product of the two is seen by this stream."""

    clumping: Annotated[float, Parameter("1", (0.4, 1.0), "clumping index: effective over true leaf area", Prior("normal", 0.75, 0.15), level="pft")] = 0.75
    retrieval_factor: Annotated[float, Parameter("1", (0.5, 2.0), "reported over effective leaf area, such as by wood in view or saturation", Prior("log_normal", 1.0, 0.2), level="pft")] = 1.0


class Crowns(NamedTuple):
    """How leaves are arranged."""

    nadir_clumping: Annotated[float, Parameter("1", (0.3, 1.0), "clumping index seen from straight above or below", Prior("normal", 0.65, 0.15), level="pft")] = 0.65
    crown_depth_ratio: Annotated[float, Parameter("1", (1.0, 6.0), "depth of crowns over their diameter", Prior("log_normal", 2.0, 0.4), level="pft")] = 2.0
    leaf_orientation: Annotated[float, Parameter("1", (-0.4, 0.6), "orientation of leaves: -1 vertical, 0 spherical, 1 horizontal (Ross)", Prior("normal", 0.1, 0.2), level="pft")] = 0.1
# fmt: on


def effective(series: Mapping[str, Any], p: Retrieval) -> Any:
    """Return the leaf area that a retrieval without clumping reports.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step.
    p : Retrieval
        Clumping and the factor of the retrieval.

    Returns
    -------
    tensor
        m2 m-2: Le = Omega L (Nilson 1971), times the factor.
    """
    return p.retrieval_factor * p.clumping * mid_step(series["lai"])


def clumping_towards(zenith: Any, p: Crowns) -> Any:
    """Return the clumping index along a line of sight: from the side crowns hide the gaps between them.

    Parameters
    ----------
    zenith : tensor
        Angle between the line of sight and the vertical, degree.
    p : Crowns
        Clumping from above and the shape of crowns.

    Returns
    -------
    tensor
        Omega(theta) = Omega0 / (Omega0 + (1 - Omega0) exp(-2.2 theta^q)), q = 3.8 - 0.46 D, theta in radians (Campbell & Norman 1998,
        eq. 15.35; Kustas & Norman 1999, eq. 3; both numbers as public codes cite them). Their q lies between 1 and 3.34: D from 1 to 6.
    """
    angle = radians(zenith)
    # The derivative of 0^q by q is not a number in floating point.
    upright = pt.eq(angle, 0.0)
    steepness = 3.8 - 0.46 * p.crown_depth_ratio
    power = pt.switch(upright, 0.0, pt.switch(upright, 1.0, angle) ** steepness)
    return p.nadir_clumping / (p.nadir_clumping + (1.0 - p.nadir_clumping) * pt.exp(-2.2 * power))


def apparent(series: Mapping[str, Any], p: Crowns) -> Any:
    """Return the leaf area that is inferred from gaps along an inclined line of sight.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step, and ``view_zenith_angle``, degree.
    p : Crowns
        How leaves are arranged.

    Returns
    -------
    tensor
        m2 m-2: -ln P(theta) cos(theta) / 0.5 with the gap probability P = exp(-G Omega L / cos(theta)) (Nilson 1971): a retrieval
        without clumping that takes leaves as of spherical orientation. Near 57.5 degrees all orientations project half of the leaf area.
    """
    return _optical_depth(series, p) * cosine(series["view_zenith_angle"]) / ASSUMED_PROJECTION


def _optical_depth(series: Mapping[str, Any], p: Crowns) -> Any:
    """Leaf area projected on the line of sight; its exponential would be zero in a dense canopy."""
    along = cosine(series["view_zenith_angle"])
    constant, slope = projection(p.leaf_orientation)
    return (constant + slope * along) * clumping_towards(series["view_zenith_angle"], p) * mid_step(series["lai"]) / along


_NILSON = "Nilson (1971), doi 10.1016/0002-1571(71)90092-6"

LAI_EFFECTIVE = ObservationOperator(
    "lai_effective",
    {"lai": (0.0, 12.0)},
    effective,
    Retrieval,
    quantity="lai",
    citation=f"{_NILSON}; Chen (1996), Agric. For. Meteorol. 80, 135-163, doi 10.1016/0168-1923(95)02291-0: effective leaf area",
    error="log-normal, a factor of 1.2 to 2, and a bias by product",
)
LAI_VIEW_GAP = ObservationOperator(
    "lai_view_gap",
    {"lai": (0.0, 8.0), "view_zenith_angle": (0.0, 75.0)},
    apparent,
    Crowns,
    quantity="lai",
    citation=f"{_NILSON}; Campbell & Norman (1998), doi 10.1007/978-1-4612-1626-1, eq. 15.35; Kustas & Norman (1999), doi 10.1016/S0168-1923(99)00005-2, eq. 3",
    error="normal, 10 to 20 % of the value for a plot",
)
