"""Leaf area index from satellites or on the ground, in m2 m-2."""

from collections.abc import Mapping
from typing import Any

import pytensor.tensor as pt

from lsm_bayes.observations.operator import ObservationOperator


def mid_step(series: Any) -> Any:
    """Return a series of values at the start of each step at the middle of each step.

    Parameters
    ----------
    series : tensor
        Time last.

    Returns
    -------
    tensor
        Mean of the start and the end of each step; the last step keeps its start.
    """
    return 0.5 * (series + pt.concatenate([series[..., 1:], series[..., -1:]], axis=-1))


def _lai(series: Mapping[str, Any]) -> Any:
    return mid_step(series["lai"])


LAI = ObservationOperator(
    "lai", {"lai": (0.0, 12.0)}, _lai, citation="Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015: means of step ends"
)
