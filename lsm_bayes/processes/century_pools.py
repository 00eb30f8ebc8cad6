"""Three pools of soil organic matter of CENTURY as in ORCHIDEE: active, slow and passive.

Parton et al. (1987), doi 10.2136/sssaj1987.03615995005100050015x; Krinner et al. (2005), doi 10.1029/2003GB002199, and the public
source of ORCHIDEE (stomate_soilcarbon). Explicit daily step: what arrives on a day decomposes on the same day.
"""

from typing import Any, NamedTuple

from lsm_bayes.processes import century
from lsm_bayes.processes.linear_pools import Transfers, arriving, respired

YEAR = 365.0  # d


class Pools(NamedTuple):
    """Carbon, its input, or residence times in the pools."""

    active: Any
    slow: Any
    passive: Any


RESIDENCE = Pools(0.149, 5.48, 241.0)  # yr, at 30 degC in soil without clay that is moist


class Decomposed(NamedTuple):
    """Pools at the end of a step, and what they respired in it."""

    pools: Pools
    respired: Any  # in the unit of the pools per day


def step(pools: Pools, inputs: Pools, clay_fraction: Any, control: Any, days: Any = 1.0, residence: Pools = RESIDENCE) -> Decomposed:
    """Return the pools after a step.

    Parameters
    ----------
    pools : Pools
        Carbon at the start.
    inputs : Pools
        From litter, in the unit of the pools per day.
    clay_fraction : tensor
        Mass of clay over mass of mineral soil.
    control : tensor
        Product of the factors of temperature and moisture (`decomposition_temperature.century`, `decomposition_moisture.century`).
    days : tensor
        Step length, d; shorter than the residence time of the active pool, 54 d.
    residence : Pools
        Residence times at 30 degC, yr.

    Returns
    -------
    Decomposed
        Carbon is conserved.
    """
    active = century.active_transfers(clay_fraction)
    transfers: Transfers = {
        ("active", "slow"): active.slow,
        ("active", "passive"): active.passive,
        ("slow", "active"): century.SLOW_TO_ACTIVE,
        ("slow", "passive"): century.SLOW_TO_PASSIVE,
        ("passive", "active"): century.PASSIVE_TO_ACTIVE,
    }
    full = Pools(*(c + i * days for c, i in zip(pools, inputs, strict=True)))
    out = {n: getattr(full, n) / (getattr(residence, n) * YEAR) * control for n in Pools._fields}
    out["active"] = out["active"] * century.clay_factor(clay_fraction)
    gained = arriving(out, transfers)
    after = Pools(*(getattr(full, n) + days * (gained[n] - out[n]) for n in Pools._fields))
    return Decomposed(after, respired(out, transfers))
