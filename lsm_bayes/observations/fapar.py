"""Fraction of photosynthetically active radiation that green vegetation absorbs, as satellites report it."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator


class Canopy(NamedTuple):
    """Extinction of light."""

    # One parameter a line.
    # fmt: off
    extinction: Annotated[float, Parameter("1", (0.3, 0.9), "extinction coefficient of light per leaf area", Prior("normal", 0.5, 0.1), level="pft")] = 0.5
    clumping: Annotated[float, Parameter("1", (0.4, 1.0), "clumping index: effective over true leaf area", Prior("normal", 0.75, 0.15), level="pft")] = 0.75
    # fmt: on


def absorbed_fraction(series: Mapping[str, Any], p: Canopy) -> Any:
    """Return the fraction that is absorbed: Beer's law with clumped leaves.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step.
    p : Canopy
        Only the product of the two is seen by this stream.

    Returns
    -------
    tensor
        1 - exp(-k Omega LAI), 0 to 1 (Monsi & Saeki 1953; clumping Nilson 1971).
    """
    return 1.0 - pt.exp(-p.extinction * p.clumping * mid_step(series["lai"]))


FAPAR = ObservationOperator(
    "fapar",
    {"lai": (0.0, 8.0)},
    absorbed_fraction,
    Canopy,
    citation="Monsi & Saeki (1953), reprinted, doi 10.1093/aob/mci052; Nilson (1971), doi 10.1016/0002-1571(71)90092-6",
    error="normal, sd 0.05 to 0.1, and a bias by product",
)
