"""How a pool changes along a run: balance of gains and losses, growth and decay, for dynamical constraints.

Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015, section 2.2, and the source of CARDAMOM. Series have the time last: a pool of
n + 1 instants for n steps. Lengths have to be known when the graph is built.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

YEAR = 365.25  # d
LEAST_LOSS = 1e-9  # of the gain; losses are a difference and may be rounded to less than nothing
LEAST_TREND = 1e-6  # differences of the two ratios below this are not told apart
TINY = 1e-12


class Balance(NamedTuple):
    """Logarithms of two ratios of gains to losses."""

    start: Any  # with the losses that the pool has at the start: R_s of the source
    mean: Any  # over the run: R_m


def instants_of(pool: Any) -> int:
    """Return the number of instants of a pool's series.

    Parameters
    ----------
    pool : tensor
        Shape (..., time + 1).

    Returns
    -------
    int
        Steps plus one.

    Raises
    ------
    ValueError
        When the length is not known before the run.
    """
    found = pt.as_tensor(pool).type.shape[-1]
    if found is None:
        raise ValueError("the number of steps has to be known when a dynamical constraint is built; use forcing of fixed length")
    return int(found)


def balance(pool: Any, gained: Any, step_length: float) -> Balance:
    """Compare what a pool gains with what it loses (CARDAMOM source, constraints 7 to 12).

    Parameters
    ----------
    pool : tensor
        Shape (..., time + 1).
    gained : tensor
        Mean gain over the run, per day; the mean loss is what it exceeds the change of the pool by.
    step_length : float
        d.

    Returns
    -------
    Balance
        With J the mean of the pool at the start and each whole number of years after it: ``mean`` = ln(gain / loss) and
        ``start`` = ``mean`` + ln(J / pool at the start). NaN where there is no gain.
    """
    instants = instants_of(pool)
    steps = instants - 1
    lost = gained - (pool[..., -1] - pool[..., 0]) / (steps * step_length)
    mean = pt.log(gained) - pt.log(pt.maximum(lost, LEAST_LOSS * gained))
    # The source divides by the time between the middles of the first and the last step.
    a_year = max(1, int(steps / ((steps - 1) * step_length) * YEAR)) if steps > 1 else 1
    weights = np.zeros(instants)
    weights[np.arange(0, steps // a_year + 1) * a_year] = 1.0 / (steps // a_year + 1)
    return Balance(mean + pt.log((pool * weights).sum(axis=-1)) - pt.log(pool[..., 0]), mean)


def near_steady(found: Balance, most: float) -> Any:
    """Return how far a pool starts within a factor of where it settles (constraints 7 to 12, first part).

    Parameters
    ----------
    found : Balance
        Of the pool.
    most : float
        The factor, EQF of the source.

    Returns
    -------
    tensor
        ln(most) - abs(ln R_s).
    """
    return math.log(most) - pt.abs(found.start)


def settled(found: Balance, most: float) -> Any:
    """Return how far a pool has no trend beyond a tolerance (constraints 7 to 12, second part).

    Parameters
    ----------
    found : Balance
        Of the pool.
    most : float
        The tolerance of abs(R_s - R_m).

    Returns
    -------
    tensor
        ln(most / abs(R_s - R_m)), rounded off where the difference is below 1e-6.
    """
    return math.log(most) - 0.5 * pt.log((pt.exp(found.start) - pt.exp(found.mean)) ** 2 + LEAST_TREND**2)


def normal(log_ratio: Any, most: float) -> Any:
    """Return the graded form of a factor: its logarithm is normal.

    Parameters
    ----------
    log_ratio : tensor
        Logarithm of a ratio that is 1 when all is well.
    most : float
        The factor at one standard deviation.

    Returns
    -------
    tensor
        Log density without its constant.
    """
    return -0.5 * (log_ratio / math.log(most)) ** 2


def normal_trend(found: Balance, most: float) -> Any:
    """Return the graded form of `settled`: the difference of the ratios is normal.

    Parameters
    ----------
    found : Balance
        Of the pool.
    most : float
        The difference at one standard deviation.

    Returns
    -------
    tensor
        Log density without its constant.
    """
    return -0.5 * ((pt.exp(found.start) - pt.exp(found.mean)) / most) ** 2


def _window(instants: int, first: int, last: int) -> np.ndarray:
    weights = np.zeros(instants)
    weights[first:last] = 1.0 / len(weights[first:last])
    return weights


def whole_years(instants: int, step_length: float) -> int:
    """Return the number of years of a run as the source counts them.

    Parameters
    ----------
    instants : int
        Steps plus one.
    step_length : float
        d.

    Returns
    -------
    int
        At least 1. A year has 365 days here, so that no record lacks its last year for want of a leap day.
    """
    return max(1, int((instants - 1) * step_length / 365))


def growth(pool: Any, step_length: float, most: float) -> Any:
    """Return how far a pool grows by less than a fraction of its first year's mean a year (Bloom & Williams 2015, constraint 7).

    Parameters
    ----------
    pool : tensor
        Shape (..., time + 1).
    step_length : float
        d.
    most : float
        yr-1.

    Returns
    -------
    tensor
        ln((1 + most years) mean of the first year / mean of the last).
    """
    instants = instants_of(pool)
    years = whole_years(instants, step_length)
    first = _window(instants, 0, int(YEAR / step_length))
    last = _window(instants, int(YEAR * (years - 1) / step_length), int(YEAR * years / step_length))
    return math.log(1.0 + most * years) + pt.log((pool * first).sum(axis=-1)) - pt.log((pool * last).sum(axis=-1))


def decay(pool: Any, step_length: float) -> Any:
    """Return how far a pool does not decay exponentially with a half-life below the length of the run (constraint 8).

    Parameters
    ----------
    pool : tensor
        Shape (..., time + 1).
    step_length : float
        d.

    Returns
    -------
    tensor
        ln(half-life / length of the run), where the change from the first to the second year shrinks from one step to the next; a
        large number where it does not. It jumps where that change has its sign reversed: for gradients prefer `settled`.

    Raises
    ------
    ValueError
        For a run of less than two years.
    """
    instants = instants_of(pool)
    year = int(365 / step_length)
    if instants < 2 * year + 1:
        raise ValueError(f"the decay of a pool is seen from two years on; the run has {(instants - 1) * step_length:g} days")
    change = _window(instants, year, 2 * year) - _window(instants, 0, year)
    later = np.roll(change, 1)  # the last instant has no weight
    ratio = (pool * later).sum(axis=-1) / (pool * change).sum(axis=-1)
    length = YEAR * whole_years(instants, step_length)

    def margin(shrinking: Any) -> Any:
        return pt.log(math.log(2.0) * step_length / (-pt.log(shrinking) * length))

    inside = pt.clip(ratio, TINY, 1.0 - TINY)
    shrinks = pt.and_(pt.gt(ratio, 0.0), pt.lt(ratio, 1.0))
    return pt.switch(pt.or_(shrinks, pt.isnan(ratio)), margin(inside), margin(pt.as_tensor(1.0 - TINY)))


def overdraft(pool: Any) -> Any:
    """Return how far a store is overdrawn.

    Parameters
    ----------
    pool : tensor
        Shape (..., time + 1).

    Returns
    -------
    tensor
        The mean of its negative part over the mean of its absolute value: zero where it is never negative, else below zero.
    """
    return -pt.maximum(-pool, 0.0).mean(axis=-1) / pt.abs(pool).mean(axis=-1)
