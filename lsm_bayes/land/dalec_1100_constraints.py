"""Constraints of DALEC 1100: inequalities between parameters, and what is likely along a run.

CARDAMOM's source, version 3, after Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015. The inequalities are in all sets. In the set
``cardamom_1100`` the rest are normal densities, as in the source; their hard form, for reports, is two standard deviations.

The source does not say which flows count as gains where a pool has several. Here the labile pool gains GPP, dead pools gain what falls on
them, soil water of all layers gains infiltration. Water between the layers flows both ways, and snow has years without a gain: neither
has a balance here, nor has the heat of the soil, which the mean temperatures of the layers hold.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytensor.tensor as pt

from lsm_bayes.declare import Constraint
from lsm_bayes.processes import ecological_constraints, pool_dynamics

SET = "cardamom_1100"
LAYERS = ("1", "2", "3")
NEAR, TREND = 2.0, 1.1  # factors at one standard deviation
LIKELY = 2.0  # standard deviations that the hard form allows
TRAITS = (1.0399, 0.1956)  # ln(Vcmax25) / ln(leaf mass per area), TRY database
RESERVES = (0.1, 0.05)  # labile carbon as a fraction of living carbon
LAYER_WARMTH = 5.0  # K
LIVING = ("labile_carbon", "foliage_carbon", "root_carbon", "wood_carbon")
GAINS = {
    "labile_carbon": ("gpp",),
    "foliage_carbon": ("allocation_to_foliage",),
    "root_carbon": ("allocation_to_roots",),
    "wood_carbon": ("allocation_to_wood",),
    "woody_debris_carbon": ("wood_litterfall",),
    "litter_carbon": ("leaf_litterfall", "root_litterfall", "labile_litterfall"),
    "soil_carbon": ("woody_debris_decomposition", "litter_decomposition", "fire_woody_debris_to_soil", "fire_litter_to_soil"),
}

_Score = Callable[[Mapping[str, Any], Any, Mapping[str, Any]], Any]


def _slower(slow: str, fast: str, means: Mapping[str, Any], p: Any) -> Any:
    return ecological_constraints.slower(getattr(p, slow), getattr(p, fast))


def _inequality(name: str, description: str, slow: str, fast: str) -> Constraint:
    return Constraint(name, description, partial(_slower, slow, fast))


def _traits(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return (pt.log(p.vcmax_25) / pt.log(p.leaf_mass_area) - TRAITS[0]) / TRAITS[1]


def _reserves(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    living = [run[n].mean(axis=-1) for n in LIVING]
    return (living[0] / sum(living[1:], start=living[0]) - RESERVES[0]) / RESERVES[1]


def _ratio(over: str, under: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pt.log(run[over].mean(axis=-1) / run[under].mean(axis=-1)) / math.log(2.0)


def _layer_warmth(layer: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return (run[f"soil_temperature_{layer}"].mean(axis=-1) - means["skin_temperature"]) / LAYER_WARMTH


def _carbon(pool: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> pool_dynamics.Balance:
    gained = sum(run[n].mean(axis=-1) for n in GAINS[pool])
    return pool_dynamics.balance(run[pool], gained, means["step_length"])


def _water(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> pool_dynamics.Balance:
    stock = sum(_column(getattr(p, f"porosity_{k}") * getattr(p, f"thickness_{k}")) * run[f"relative_moisture_{k}"] for k in LAYERS)
    return pool_dynamics.balance(1e3 * stock, run["infiltration"].mean(axis=-1), means["step_length"])


def _column(x: Any) -> Any:
    return pt.shape_padright(pt.as_tensor(x))


def _start(found: Callable[..., pool_dynamics.Balance], means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return found(means, p, run).start / math.log(NEAR)


def _trend(found: Callable[..., pool_dynamics.Balance], means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    ratios = found(means, p, run)
    return (ratios.start - ratios.mean) / math.log(TREND)


def _within(score: _Score, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return LIKELY - pt.abs(score(means, p, run))


def _density(score: _Score, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return -0.5 * score(means, p, run) ** 2


def _normal(name: str, description: str, score: _Score, needs: tuple[str, ...]) -> Constraint:
    return Constraint(name, f"{description} (CARDAMOM 1100).", partial(_within, score), needs, (SET,), {SET: partial(_density, score)})


def _balances() -> list[Constraint]:
    found: list[Constraint] = []
    cases: dict[str, tuple[Callable[..., pool_dynamics.Balance], tuple[str, ...]]] = {
        pool: (partial(_carbon, pool), (pool, *fluxes)) for pool, fluxes in GAINS.items()
    }
    cases["soil_water"] = (_water, (*(f"relative_moisture_{k}" for k in LAYERS), "infiltration"))
    for name, (balance, needs) in cases.items():
        pool, words = name.removesuffix("_carbon"), name.replace("_", " ").capitalize()
        starts = f"{words} starts at where it settles, to a factor of {NEAR:g} at one standard deviation"
        stays = f"{words} has no trend, to a factor of {TREND:g} at one standard deviation"
        found += [
            _normal(f"{pool}_near_steady", starts, partial(_start, balance), needs),
            _normal(f"{pool}_settled", stays, partial(_trend, balance), needs),
        ]
    return found


CONSTRAINTS = (
    _inequality(
        "litter_faster_than_woody_debris",
        "Litter decomposes faster than woody debris (CARDAMOM source, after Bloom & Williams 2015).",
        "woody_debris_turnover",
        "litter_turnover",
    ),
    _inequality(
        "woody_debris_faster_than_soil",
        "Woody debris decomposes faster than soil organic matter (CARDAMOM source, after Bloom & Williams 2015).",
        "soil_turnover",
        "woody_debris_turnover",
    ),
    _inequality("roots_faster_than_wood", "Fine roots turn over faster than wood (CARDAMOM source).", "wood_turnover", "root_turnover"),
    _inequality(
        "roots_respire_more_than_wood",
        "Maintenance of roots costs more than that of wood (CARDAMOM source).",
        "wood_maintenance_rate",
        "root_maintenance_rate",
    ),
    _inequality(
        "leaves_burn_best",
        "Fire burns leaves more completely than wood (CARDAMOM source).",
        "ligneous_combustion_completeness",
        "foliar_combustion_completeness",
    ),
    _inequality(
        "death_drier_than_stress",
        "Plants die of drought at a larger suction than that at which they close stomata (CARDAMOM source).",
        "stress_suction",
        "mortality_suction",
    ),
    # It reads no series; a flux makes it one of those that a set names.
    _normal("thin_leaves_work_harder", "The logarithms of Vcmax25 and leaf mass per area are in proportion", _traits, ("gpp",)),
    _normal("reserves", "Labile carbon is 0.1 +- 0.05 of living carbon", _reserves, LIVING),
    _normal(
        "foliage_root_ratio",
        "Leaves hold as much carbon as fine roots, to a factor of 2",
        partial(_ratio, "foliage_carbon", "root_carbon"),
        ("foliage_carbon", "root_carbon"),
    ),
    _normal(
        "balanced_allocation",
        "Leaves grow as much as fine roots, to a factor of 2",
        partial(_ratio, "allocation_to_foliage", "allocation_to_roots"),
        ("allocation_to_foliage", "allocation_to_roots"),
    ),
    *(
        _normal(
            f"layer_{k}_as_warm_as_the_skin",
            f"Soil layer {k} has the mean temperature of the skin, to {LAYER_WARMTH:g} K",
            partial(_layer_warmth, k),
            (f"soil_temperature_{k}",),
        )
        for k in LAYERS
    ),
    *_balances(),
)
