"""Carbon pools that lose a fraction per day and pass a part of it on: the matrix form dX/dt = B u + A K X.

Luo et al. (2003), doi 10.1029/2002GB001923, equation 1; Xu et al. (2006), doi 10.1029/2005GB002468, equation 1. The matrix A is a
mapping from (source, target) to the fraction of what leaves the source that enters the target; the rest is respired.
"""

from collections.abc import Mapping
from typing import Any

Transfers = Mapping[tuple[str, str], Any]


def arriving(outflow: Mapping[str, Any], transfers: Transfers) -> dict[str, Any]:
    """Return what each pool receives from the others.

    Parameters
    ----------
    outflow : mapping of str to tensor
        What leaves each pool, gC m-2 d-1.
    transfers : mapping of (source, target) to float or tensor
        Fraction of the outflow of the source that enters the target.

    Returns
    -------
    dict of str to tensor
        gC m-2 d-1; pools that receive nothing are absent.
    """
    found: dict[str, Any] = {}
    for (source, target), fraction in transfers.items():
        part = outflow[source] if isinstance(fraction, float) and fraction == 1.0 else fraction * outflow[source]
        found[target] = found[target] + part if target in found else part
    return found


def respired(outflow: Mapping[str, Any], transfers: Transfers) -> Any:
    """Return the part of the outflows that enters no pool.

    Parameters
    ----------
    outflow : mapping of str to tensor
        What leaves each pool, gC m-2 d-1.
    transfers : mapping of (source, target) to float or tensor
        Fraction of the outflow of the source that enters the target.

    Returns
    -------
    tensor
        gC m-2 d-1.
    """
    total: Any = 0.0
    for pool, out in outflow.items():
        left: Any = 1.0
        for (source, _), fraction in transfers.items():
            left = left - fraction if source == pool else left
        if not (isinstance(left, float) and abs(left) < 1e-12):  # fractions that add up to one, but for rounding
            total = total + left * out
    return total


def throughflow(inputs: Mapping[str, Any], transfers: Transfers) -> dict[str, Any]:
    """Return what flows through each pool at equilibrium; the pool is this divided by its loss rate.

    Parameters
    ----------
    inputs : mapping of str to tensor
        What enters each pool from outside, gC m-2 d-1, for all pools.
    transfers : mapping of (source, target) to float or tensor
        Fraction of the outflow of the source that enters the target.

    Returns
    -------
    dict of str to tensor
        gC m-2 d-1: the solution y of y = input + A' y, by elimination. The pivots are positive because no carbon circulates without loss.
    """
    pools = list(inputs)
    rows: dict[str, dict[str, Any]] = {i: {s: f for (s, t), f in transfers.items() if t == i} for i in pools}
    right = dict(inputs)
    for k, pivot in enumerate(pools):
        own = rows[pivot].pop(pivot, None)
        if own is not None:
            rows[pivot] = {s: f / (1.0 - own) for s, f in rows[pivot].items()}
            right[pivot] = right[pivot] / (1.0 - own)
        for later in pools[k + 1 :]:
            share = rows[later].pop(pivot, None)
            if share is None:
                continue
            right[later] = right[later] + share * right[pivot]
            for s, f in rows[pivot].items():
                rows[later][s] = rows[later][s] + share * f if s in rows[later] else share * f
    found: dict[str, Any] = {}
    for pool in reversed(pools):
        found[pool] = right[pool]
        for s, f in rows[pool].items():
            found[pool] = found[pool] + f * found[s]
    return {pool: found[pool] for pool in pools}
