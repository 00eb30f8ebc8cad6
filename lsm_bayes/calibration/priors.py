"""From standard normal coordinates to parameters inside their bounds.

The map is the quantile function of the declared prior at the normal distribution function: the prior is exactly the declared one,
truncated to the bounds, the bounds are enforced, and the sampler sees standard normal tails.
"""

import math
from typing import Any

import numpy as np
import pytensor.tensor as pt
from scipy.special import ndtr

from lsm_bayes.declare import Parameter, Prior

FARTHEST = 4.0
"""Prior standard deviations from its centre that a date can reach."""


def standard_cdf(z: Any) -> Any:
    """Distribution function of the standard normal.

    Parameters
    ----------
    z : tensor
        Any shape.

    Returns
    -------
    tensor
        In (0, 1), exact in the lower tail.
    """
    return 0.5 * pt.erfc(-z / math.sqrt(2.0))


def _truncated(z: Any, low: Any, high: Any) -> Any:
    """Quantile of a standard normal between two limits, at the probability of a standard normal coordinate."""
    # From the nearer tail: as a distance from one half a small probability keeps few of its digits, and a parameter six or more prior sd
    # from its centre would move in steps.
    below, beyond = ndtr(low), ndtr(-high)
    inside = np.where(np.asarray(low) < 0, ndtr(high) - below, ndtr(-low) - beyond)
    lower, upper = below + inside * standard_cdf(z), beyond + inside * standard_cdf(-z)
    down = lower < 0.5
    lower, upper = pt.switch(down, lower, 0.5), pt.switch(down, 0.5, upper)
    return math.sqrt(2.0) * pt.switch(down, -pt.erfcinv(2.0 * lower), pt.erfcinv(2.0 * upper))


def value(z: Any, declared: Parameter, prior: Prior | None = None) -> Any:
    """Map a standard normal coordinate to a parameter.

    Parameters
    ----------
    z : tensor
        Standard normal.
    declared : Parameter
        Bounds, and the prior unless another is given.
    prior : Prior, optional
        In place of the declared one.

    Returns
    -------
    tensor
        In the parameter's unit, inside its bounds. A date with a period stays within half a period of its centre, and within
        `FARTHEST` prior sd.
    """
    prior = prior or declared.prior
    low, high = declared.bounds
    if declared.period is not None:
        return _date(z, declared, prior)
    logarithmic = prior.distribution.startswith("log_")
    origin = prior.origin if logarithmic else 0.0
    a, b = (math.log(low - origin), math.log(high - origin)) if logarithmic else (low, high)
    if prior.distribution in ("uniform", "log_uniform"):
        x = a + (b - a) * standard_cdf(z)
    else:
        centre = np.log(np.asarray(prior.centre) - origin) if logarithmic else np.asarray(prior.centre)
        spread = float(prior.spread or 1.0)  # Prior has checked that it is given
        x = centre + spread * _truncated(z, (a - centre) / spread, (b - centre) / spread)
    return pt.exp(x) + origin if logarithmic else x


def _date(z: Any, declared: Parameter, prior: Prior) -> Any:
    """Keep a date near the centre, tails folded in smoothly, so that no equivalent date is sampled twice."""
    if prior.distribution == "normal":
        centre, spread = prior.centre or 0.0, prior.spread or 0.0
        reach = _reach(declared, prior)
        return centre + reach * pt.tanh(spread / reach * z)
    return declared.bounds[0] + (declared.period or 0.0) * standard_cdf(z)


def _reach(declared: Parameter, prior: Prior) -> float:
    # Far from the day that is seen, leaves would stand in for something else, as their growth in autumn does for drought at FR-Pue.
    return min(0.5 * (declared.period or 0.0), FARTHEST * (prior.spread or 0.0))


def date_prior(day_of_year: float, spread: float, declared: Parameter) -> Prior:
    """Prior of a date that repeats, one period of it inside the bounds.

    Parameters
    ----------
    day_of_year : float
        Most likely day, 1 to 366.
    spread : float
        Standard deviation, d.
    declared : Parameter
        Bounds and period.

    Returns
    -------
    Prior
        Normal around the first such day that lies a whole period inside the lower bound, so that one period around it, and
        a shift between the date and what is seen, stay inside.

    Raises
    ------
    ValueError
        When the parameter is no date.
    """
    if declared.period is None:
        raise ValueError(f"{declared.description!r} declares no period; a date prior needs one")
    centre = day_of_year
    while centre - declared.period < declared.bounds[0]:
        centre += declared.period
    return Prior("normal", centre, spread)


def describe(declared: Parameter, prior: Prior) -> str:
    """Say a prior in words.

    Parameters
    ----------
    declared : Parameter
        Bounds and unit.
    prior : Prior
        The prior in use.

    Returns
    -------
    str
        Such as ``"log-uniform on [0.2, 0.8]"``.
    """
    low, high = declared.bounds
    shown = f"[{low:g}, {high:g}]"
    if declared.period is not None:
        return (
            f"normal({prior.centre:g}, {prior.spread:g}) folded into {_reach(declared, prior):g} days on either side"
            if prior.distribution == "normal"
            else "uniform over one period"
        )
    if prior.distribution in ("uniform", "log_uniform"):
        origin = f" of (value - {prior.origin:g})" if prior.origin else ""
        return f"{prior.distribution.replace('_', '-')}{origin} on {shown}"
    return f"{prior.distribution.replace('_', '-')}({prior.centre:g}, {prior.spread:g}) truncated to {shown}"
