"""Leaf area index from satellites or on the ground, in m2 m-2."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from lsm_bayes.observations.operator import ObservationOperator


def mid_step(series: Mapping[str, Any]) -> Any:
    """Return the leaf area index in the middle of each step.

    Parameters
    ----------
    series : mapping
        ``lai`` at the start of each step, time last.

    Returns
    -------
    array or tensor
        Mean of the start and the end of each step; the last step keeps its start.
    """
    lai = series["lai"]
    join = pt.concatenate if isinstance(lai, Variable) else np.concatenate
    return 0.5 * (lai + join([lai[..., 1:], lai[..., -1:]], axis=-1))


LAI = ObservationOperator("lai", ("lai",), mid_step, "Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015: means of step ends")
