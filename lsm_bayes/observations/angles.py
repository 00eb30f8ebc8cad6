"""Angles of the sun and of sensors, which the vocabulary gives in degrees."""

from typing import Any

import numpy as np
import pytensor.tensor as pt


def radians(degrees: Any) -> Any:
    """Convert degrees.

    Parameters
    ----------
    degrees : tensor or float
        An angle.

    Returns
    -------
    tensor
        rad.
    """
    return pt.cast(degrees, "float64") * (np.pi / 180.0)  # a plain number such as 40.0 would be taken as single precision


def cosine(degrees: Any) -> Any:
    """Return the cosine of an angle.

    Parameters
    ----------
    degrees : tensor or float
        An angle.

    Returns
    -------
    tensor
        -1 to 1.
    """
    return pt.cos(radians(degrees))
