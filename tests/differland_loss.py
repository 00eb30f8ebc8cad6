"""The loss that DifferLand minimises with DALEC 990 (Fang & Gentine 2024, doi 10.1029/2024MS004308, with the source code): its data terms
and its soft ecological constraints, as an expression of trajectories, to compare derivatives with those of the original.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad

TRAINING = 1826  # rows of the data terms
CARBON = ("labile_carbon", "foliage_carbon", "root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")
STREAMS = {"gpp": 0, "reco": 8, "evapotranspiration": 4, "lai": 6}  # column of the targets; its mask is the next
GAINS = {
    "labile_carbon": ("allocation_to_labile",),
    "foliage_carbon": ("allocation_to_foliage", "labile_release"),
    "root_carbon": ("allocation_to_roots",),
    "wood_carbon": ("allocation_to_wood",),
    "litter_carbon": ("leaf_litterfall", "root_litterfall"),
    "soil_carbon": ("wood_litterfall", "litter_decomposition"),
}
LOSSES = {
    "labile_carbon": ("labile_release",),
    "foliage_carbon": ("leaf_litterfall",),
    "root_carbon": ("root_litterfall",),
    "wood_carbon": ("wood_litterfall",),
    "litter_carbon": ("litter_respiration", "litter_decomposition"),
    "soil_carbon": ("soil_respiration",),
}


def at_least(a: Any, b: Any, stiffness: float, underflow: Any) -> Any:
    """Penalise a < b: log(1 + exp(u)), u = stiffness (b - a), whose derivative is zero above u = `underflow`.

    The original forms 1 / (1 + exp(u))**2 in its derivative, which underflows above 354.9; infinity gives the true derivative.
    """
    u = stiffness * (b - a)
    return pt.switch(u > underflow, pt.softplus(disconnected_grad(u)), pt.softplus(u))


def loss(
    p: Mapping[str, Any], states: Mapping[str, Any], fluxes: Mapping[str, Any], met: np.ndarray, target: np.ndarray, underflow: Any
) -> Any:
    """Return the loss (members,): parameters (members,), states (time + 1, members), fluxes (time, members)."""
    total: Any = 0.1 * (p["canopy_efficiency"] - 20.0) ** 2 + fluxes["water_shortfall_penalty"].sum(axis=0)
    for name, column in STREAMS.items():
        observed, mask = target[:TRAINING, column], target[:TRAINING, column + 1]
        mean = (mask * observed).sum() / mask.sum()
        spread = (mask * (observed - mean) ** 2).sum()
        misfit = (mask[:, None] * (observed[:, None] - fluxes[name][:TRAINING]) ** 2).sum(axis=0)
        total = total - spread / (spread + misfit)

    to_foliage = (1.0 - p["f_auto"]) * p["f_foliage"]
    to_labile = (1.0 - p["f_auto"] - to_foliage) * p["f_labile"]
    to_roots = (1.0 - p["f_auto"] - to_foliage - to_labile) * p["f_roots"]
    warmth = pt.exp(p["temperature_exponent"] * met[:TRAINING, 13].mean())
    for a, b, stiffness in (
        (p["litter_mineralisation"], p["soil_mineralisation"], 1e5),
        (p["decomposition_rate"], p["soil_mineralisation"], 1e4),
        (1.0 / (365.25 * p["leaf_lifespan"]), p["wood_turnover"], 2e5),
        (p["root_turnover"], p["soil_mineralisation"] * warmth, 10.0),
        (5.0 * to_roots, to_foliage + to_labile, 100.0),
        (5.0 * (to_foliage + to_labile), to_roots, 100.0),
    ):
        total = total + at_least(a, b, stiffness, underflow)

    ends = met[:, 17]
    for name in CARBON:
        pool = states[name]
        mean = (pool[0] + (ends[:, None] * pool[1:]).sum(axis=0)) / (1.0 + ends.sum())
        gain, lost = (sum(fluxes[n].sum(axis=0) for n in names[name]) for names in (GAINS, LOSSES))
        ratio = gain / lost
        scaled = ratio * mean / pool[0]
        total = total + at_least(np.log(2.0), pt.abs(pt.log(scaled)), 3.0, underflow)
        total = total + at_least(0.1, pt.abs(scaled - ratio), 3.0, underflow)
    return total
