"""Radiocarbon of pools: decay, exchange with what enters, and the convention in which it is reported.

Delta 14C is relative to the standard of 1950 and already free of decay between growth or sampling and measurement (Stuiver & Polach 1977):
with F = 1 + Delta / 1000, which is the absolute fraction modern, radioactive decay of carbon in the soil is the only decay left in the
balance. Laboratories that report F14C divide by a standard that decays too; `delta_from_fraction_modern` converts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.observations.recursion import linear_recursion

DECAY = 1.0 / 8267.0  # yr-1: mean life for the half-life of 5730 yr
DAYS = 365.25  # in a year


def pool_fraction(entering: Any, rate: Any, step_length: Any, start: Any = None) -> Any:
    """Return the absolute fraction modern of one well-mixed pool.

    Solves dF/dt = rate (F_in - F) - lambda F exactly for values that are constant within a step. It follows from
    d(F C)/dt = inputs F_in - losses F - lambda F C and dC/dt = inputs - losses: losses do not change F.

    Parameters
    ----------
    entering : tensor
        Absolute fraction modern of what enters, (..., time).
    rate : tensor
        Inputs over carbon of the pool, yr-1: a number, or (..., time).
    step_length : tensor
        Days, (..., time) or a number.
    start : tensor, optional
        Fraction of the pool at the start, (..., 1) or a number; default that in equilibrium with the first step.

    Returns
    -------
    tensor
        Mean over each step, (..., time).
    """
    loss = rate + DECAY
    equilibrium = rate / loss * entering
    steps = loss * step_length / DAYS
    gone = -pt.expm1(-steps)
    first = equilibrium[..., :1] if start is None else start + pt.zeros_like(equilibrium[..., :1])
    ends = linear_recursion(pt.exp(-steps), equilibrium * gone, first[..., 0])
    starts = pt.concatenate([first + pt.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    return equilibrium + (starts - equilibrium) * gone / steps


def radiocarbon_in_series(
    atmosphere: Any, inputs: Sequence[Any], losses: Sequence[Any], initial: Sequence[Any], step_length: Any
) -> list[Any]:
    """Return Delta 14C of pools that carbon passes one after the other, such as leaves, litter and soil of a simulation.

    Parameters
    ----------
    atmosphere : tensor
        Delta 14C of CO2, permille, (..., time).
    inputs, losses : sequence of tensor
        All carbon that enters and leaves each pool, gC m-2 d-1, (..., time). What enters a pool has the radiocarbon of the pool before it; what
        of its losses the next does not get is respired, and has that of the pool.
    initial : sequence of tensor
        Carbon of each pool at the start, gC m-2, (...,). Radiocarbon starts in equilibrium with the first step.
    step_length : tensor
        Days, (..., time) or a number.

    Returns
    -------
    list of tensor
        Mean Delta 14C over each step of each pool, permille, (..., time): second order in the length of steps over which pools change
        (Sierra et al. 2014).
    """
    fraction, found = 1.0 + pt.as_tensor(atmosphere) / 1000.0, []
    for gain, loss, carbon in zip(inputs, losses, initial, strict=True):
        change = (pt.as_tensor(gain) - loss) * step_length
        middle = pt.as_tensor(carbon)[..., None] + pt.cumsum(change, axis=-1) - 0.5 * change
        fraction = pool_fraction(fraction, DAYS * pt.as_tensor(gain) / middle, step_length)
        found.append(1000.0 * (fraction - 1.0))
    return found


def delta_from_fraction_modern(fraction_modern: Any, year: Any) -> Any:
    """Convert F14C to Delta 14C.

    Parameters
    ----------
    fraction_modern : array or tensor
        Over the activity of the standard, both on the day of measurement, normalised to delta 13C = -25 permille.
    year : array or tensor
        Year AD in which the sample grew or was taken.

    Returns
    -------
    array or tensor
        1000 (F14C exp((1950 - year) / 8267) - 1), permille (Stuiver & Polach 1977).
    """
    return 1000.0 * (fraction_modern * np.exp((1950.0 - year) * DECAY) - 1.0)
