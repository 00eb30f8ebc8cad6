"""Paired experiments: elevated CO2, warming, nitrogen, water.

The arms of an experiment are sites of one calibration that share their parameters and differ in their forcing. What they have in common,
such as a wrong leaf area, cancels in the difference or the ratio of the arms, for the model as for the measurements. The functions here
take both alike: arrays of numbers or tensors.

Rings or plots of an arm are its replicates. Trees and dates within one ring share that ring's soil, so that their number does not make
the mean of the arm more certain: the ring is a random effect, whose variance goes into `arm_standard_error`. Where rings are paired
(blocks), take the ratio within each block first and its standard error over the blocks.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable


def difference(treated: Any, ambient: Any) -> Any:
    """Return the response as a difference.

    Parameters
    ----------
    treated, ambient : array or tensor
        Both arms, in one unit.

    Returns
    -------
    array or tensor
        Positive where treatment increases it: for quantities that change sign, such as net exchange.
    """
    return treated - ambient


def log_response_ratio(treated: Any, ambient: Any) -> Any:
    """Return the response as the logarithm of a ratio.

    Parameters
    ----------
    treated, ambient : array or tensor
        Both arms, positive, in one unit. Sums over periods: the mean of daily ratios is dominated by days on which little happens.

    Returns
    -------
    array or tensor
        ln(treated / ambient), dimensionless (Hedges, Gurevitch & Curtis 1999); NaN where an arm is negative.
    """
    ratio = treated / ambient
    return pt.log(ratio) if isinstance(ratio, Variable) else np.log(ratio)


def arm_standard_error(between: Any, within: Any, rings: Any, plots: Any) -> Any:
    """Return the standard error of the mean of an arm with rings as a random effect.

    Parameters
    ----------
    between : array_like
        Standard deviation between rings of one arm, in the unit of the quantity.
    within : array_like
        Standard deviation between plots, trees or dates within a ring.
    rings : array_like
        Number of rings of the arm.
    plots : array_like
        Number of plots in each.

    Returns
    -------
    array
        sqrt(between^2 / rings + within^2 / (rings plots)).
    """
    return np.sqrt(np.square(between) / rings + np.square(within) / (np.asarray(rings) * plots))


def difference_error(treated_error: Any, ambient_error: Any) -> Any:
    """Return the standard error of `difference`.

    Parameters
    ----------
    treated_error, ambient_error : array_like
        Standard errors of the means of the arms, which are independent.

    Returns
    -------
    array
        Root of the sum of squares.
    """
    return np.hypot(treated_error, ambient_error)


def log_response_ratio_error(treated: Any, treated_error: Any, ambient: Any, ambient_error: Any) -> Any:
    """Return the standard error of `log_response_ratio` by the delta method.

    Parameters
    ----------
    treated, ambient : array_like
        Means of the arms.
    treated_error, ambient_error : array_like
        Their standard errors: the standard deviation over the root of the number of replicates, or `arm_standard_error`.

    Returns
    -------
    array
        sqrt(se_t^2 / X_t^2 + se_a^2 / X_a^2): root of the variance of Hedges, Gurevitch & Curtis (1999), doi
        10.1890/0012-9658(1999)080[1150:TMAORR]2.0.CO;2. Good while both means are above three of their standard errors.
    """
    return np.hypot(treated_error / np.asarray(treated), ambient_error / np.asarray(ambient))
