"""Ecological and dynamical constraints of the DALEC family, as the models declare them.

Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015, table 3, and the source of CARDAMOM, whose numbers the descriptions give.
Constraints on parameters alone belong to all sets. Those on a run form four sets:

========================  ==============================================================================================
``cardamom``              proximity to the steady state from gains and losses (CARDAMOM 400 to 1005), as inequalities
``cardamom_1005``         the same as normal densities of ln R_s and of R_s - R_m, as in later versions of CARDAMOM
``cardamom_1100``         the same with the trend as ln(R_s / R_m), as in DALEC 1100
``bloom2015``             the published twelve: growth, exponential decay, and equilibrium within a factor of ten
========================  ==============================================================================================
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_type_hints

import pytensor.tensor as pt

from lsm_bayes.declare import Constraint
from lsm_bayes.processes import cdea_pools, ecological_constraints, pool_dynamics

GRADED = ("cardamom_1005", "cardamom_1100")
CARDAMOM = ("cardamom", *GRADED)
NEAR = 2.0  # EQF of the source
TREND = 0.1  # most abs(R_s - R_m)
GROWTH = 0.1  # yr-1
FAR = 10.0  # EQF of 2015
LEAVES_TO_ROOTS = 5.0
ONE_SD = 2.0  # the same ratio where it is graded
LEAST_WATER = 1e-3  # mm

Gains = Mapping[str, tuple[str | None, tuple[str, ...]]]

# Gains of a pool: the share of GPP that is allocated to it, and fluxes.
CARBON_GAINS: Gains = {
    "labile": ("labile", ()),
    "foliage": ("foliage", ("labile_release",)),
    "root": ("roots", ()),
    "wood": ("wood", ()),
    "litter": (None, ("leaf_litterfall", "root_litterfall", "fire_labile_to_litter", "fire_foliage_to_litter", "fire_root_to_litter")),
    "soil": (None, ("wood_litterfall", "litter_decomposition", "fire_wood_to_soil", "fire_litter_to_soil")),
}
WITHOUT_FIRE: Gains = {
    pool: (share, tuple(n for n in fluxes if not n.startswith("fire"))) for pool, (share, fluxes) in CARBON_GAINS.items()
}
WITHOUT_LABILE: Gains = {
    pool: (share, tuple(n for n in fluxes if n != "labile_release")) for pool, (share, fluxes) in WITHOUT_FIRE.items() if pool != "labile"
}


def _allocation(p: Any) -> cdea_pools.Allocation:
    return cdea_pools.allocation(p.f_auto, p.f_foliage, getattr(p, "f_labile", 0.0), p.f_roots)


def litter_faster_than_soil(means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of constraint 1."""
    return ecological_constraints.slower(p.soil_mineralisation, p.litter_mineralisation)


def decomposition_faster_than_soil(means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of constraint 2."""
    return ecological_constraints.slower(p.soil_mineralisation, p.decomposition_rate)


def wood_outlives_leaves(means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of constraint 3, for leaves with a lifespan or with a rate of loss."""
    if hasattr(p, "foliage_turnover"):
        return ecological_constraints.slower(p.wood_turnover, p.foliage_turnover)
    return ecological_constraints.wood_outlives_leaves(p.wood_turnover, p.leaf_lifespan)


def roots_faster_than_soil(warmth: Callable[[Mapping[str, Any], Any], Any], means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of constraint 4, decomposition at the mean temperature faster by `warmth` than its rate says."""
    return ecological_constraints.slower(p.soil_mineralisation * warmth(means, p), p.root_turnover)


def balanced_allocation(means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of constraint 5."""
    to = _allocation(p)
    return ecological_constraints.balanced_allocation(to.foliage + to.labile, to.roots)


def leaves_burn_best(means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of leaves burning more completely than wood."""
    return ecological_constraints.slower(p.ligneous_combustion_completeness, p.foliar_combustion_completeness)


def leaves_burn_better_than_soil(means: Mapping[str, Any], p: Any) -> Any:
    """Return the margin of leaves burning more completely than soil."""
    return ecological_constraints.slower(p.soil_combustion_completeness, p.foliar_combustion_completeness)


def _balance(gains: Gains, pool: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> pool_dynamics.Balance:
    share, fluxes = gains[pool]
    gained = sum((run[n].mean(axis=-1) for n in fluxes), start=0.0)
    if share is not None:
        gained = gained + getattr(_allocation(p), share) * run["gpp"].mean(axis=-1)
    return pool_dynamics.balance(run[f"{pool}_carbon"], gained, means["step_length"])


def _available_water(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> pool_dynamics.Balance:
    return pool_dynamics.balance(run["plant_available_water"], run["infiltration"].mean(axis=-1), means["step_length"])


def _unavailable_water(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> pool_dynamics.Balance:
    return pool_dynamics.balance(run["plant_unavailable_water"], run["percolation"].mean(axis=-1), means["step_length"])


_Found = Callable[[Mapping[str, Any], Any, Mapping[str, Any]], pool_dynamics.Balance]


def _near_steady(found: _Found, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.near_steady(found(means, p, run), NEAR)


def _graded_near_steady(found: _Found, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.normal(found(means, p, run).start, NEAR)


def _settled(found: _Found, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.settled(found(means, p, run), TREND)


def _graded_settled(found: _Found, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.normal_trend(found(means, p, run), TREND)


def _graded_settled_ratio(found: _Found, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    ratios = found(means, p, run)
    return pool_dynamics.normal(ratios.start - ratios.mean, 1.0 + TREND)


def _leaves_to_roots(run: Mapping[str, Any]) -> Any:
    return run["foliage_carbon"].mean(axis=-1) / run["root_carbon"].mean(axis=-1)


def _foliage_root_ratio(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return ecological_constraints.within_factor(_leaves_to_roots(run), LEAVES_TO_ROOTS)


def _graded_foliage_root_ratio(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    ratio = _leaves_to_roots(run)
    return pool_dynamics.normal(pt.log(ratio), ONE_SD)


def _below(pool: str, most: float, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return ecological_constraints.slower(run[pool].mean(axis=-1), most)


def _water_above_threshold(means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    mean = pt.maximum(run["plant_available_water"].mean(axis=-1), LEAST_WATER)
    return ecological_constraints.slower(p.water_stress_threshold, mean)


def _not_overdrawn(store: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.overdraft(run[store])


def _growth(pool: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.growth(run[pool], means["step_length"], GROWTH)


def _decay(pool: str, means: Mapping[str, Any], p: Any, run: Mapping[str, Any]) -> Any:
    return pool_dynamics.decay(run[pool], means["step_length"])


def _equilibrium(
    pool: str, warmth: Callable[[Mapping[str, Any], Any], Any], means: Mapping[str, Any], p: Any, run: Mapping[str, Any]
) -> Any:
    # Litter loses by respiration alone here, and the mean temperature stands for its distribution: so the paper has it.
    to, gpp = _allocation(p), run["gpp"].mean(axis=-1)
    litter = to.foliage + to.labile + to.roots
    decomposed = p.decomposition_rate / (p.decomposition_rate + p.litter_mineralisation)
    share, rate = {
        "soil": (to.wood + litter * decomposed, p.soil_mineralisation * warmth(means, p)),
        "litter": (litter, p.litter_mineralisation * warmth(means, p)),
        "wood": (to.wood, p.wood_turnover),
        "root": (to.roots, p.root_turnover),
    }[pool]
    return ecological_constraints.within_factor(share * gpp / rate / run[f"{pool}_carbon"][..., 0], FAR)


def on_parameters(warmth: Callable[[Mapping[str, Any], Any], Any]) -> tuple[Constraint, ...]:
    """Declare constraints 1 to 5.

    Parameters
    ----------
    warmth : callable
        ``warmth(means, parameters)``: factor of decomposition at the mean temperature.

    Returns
    -------
    tuple of Constraint
        On parameters alone, in all sets.
    """
    where = "(Bloom & Williams 2015, constraint {})."
    return (
        Constraint(
            "litter_faster_than_soil", f"Litter mineralises faster than soil organic matter {where.format(1)}", litter_faster_than_soil
        ),
        Constraint(
            "decomposition_faster_than_soil",
            f"Litter decomposes faster than soil organic matter mineralises {where.format(2)}",
            decomposition_faster_than_soil,
        ),
        Constraint("wood_outlives_leaves", f"Wood lives longer than leaves {where.format(3)}", wood_outlives_leaves),
        Constraint(
            "roots_faster_than_soil",
            f"Roots turn over faster than soil organic matter at the mean temperature {where.format(4)}",
            partial(roots_faster_than_soil, warmth),
        ),
        Constraint(
            "balanced_allocation",
            f"Leaves and labile carbon get between a fifth and five times what roots get {where.format(5)}",
            balanced_allocation,
        ),
    )


def on_fire() -> tuple[Constraint, ...]:
    """Declare the constraints on combustion completeness.

    Returns
    -------
    tuple of Constraint
        On parameters alone, in all sets.
    """
    return (
        Constraint("leaves_burn_best", "Fire burns leaves more completely than wood (CARDAMOM source).", leaves_burn_best),
        Constraint(
            "leaves_burn_better_than_soil",
            "Fire burns leaves more completely than soil organic matter (CARDAMOM source).",
            leaves_burn_better_than_soil,
        ),
    )


def _steady(pool: str, words: str, number: str, needs: tuple[str, ...], found: _Found) -> list[Constraint]:
    says = f"{words} starts within a factor of {NEAR:g} of where it settles (CARDAMOM, constraint {number})."
    stays = f"{words} has hardly a trend: its gain over its loss changes by at most {TREND:g} (CARDAMOM, constraint {number})."
    near = dict.fromkeys(GRADED, partial(_graded_near_steady, found))
    trend = {"cardamom_1005": partial(_graded_settled, found), "cardamom_1100": partial(_graded_settled_ratio, found)}
    return [
        Constraint(f"{pool}_near_steady", says, partial(_near_steady, found), needs, CARDAMOM, near),
        Constraint(f"{pool}_settled", stays, partial(_settled, found), needs, CARDAMOM, trend),
    ]


def on_run(
    state: type, warmth: Callable[[Mapping[str, Any], Any], Any], gains: Gains = CARBON_GAINS, *, limited: bool = False
) -> tuple[Constraint, ...]:
    """Declare the constraints on a run.

    Parameters
    ----------
    state : NamedTuple class
        Pools of the model; the upper bound of an initial pool bounds its mean.
    warmth : callable
        As in `on_parameters`.
    gains : mapping
        Carbon pools, each with the share of GPP that is allocated to it and the fluxes into it.
    limited : bool
        The model itself keeps its pools within bounds: water, whose balance the bounds decide, and the bounds are no constraints.

    Returns
    -------
    tuple of Constraint
        Of all sets, with the numbers of the source in their descriptions.
    """
    hints = get_type_hints(state, include_extras=True)
    upper = {} if limited else {n: hints[n].__metadata__[0].bounds[1] for n in state._fields}  # type: ignore[attr-defined]
    ratio = f"Mean leaf carbon is between a fifth and {LEAVES_TO_ROOTS:g} times mean root carbon (Bloom & Williams 2015, constraint 6)."
    found = [
        Constraint(
            "foliage_root_ratio",
            ratio,
            _foliage_root_ratio,
            ("foliage_carbon", "root_carbon"),
            (*CARDAMOM, "bloom2015"),
            dict.fromkeys(GRADED, _graded_foliage_root_ratio),
        )
    ]
    for number, pool in enumerate(cdea_pools.POOLS, start=7):
        if pool not in gains:
            continue
        share, fluxes = gains[pool]
        needs = (f"{pool}_carbon", *fluxes, *(("gpp",) if share else ()))
        found += _steady(pool, f"The {pool} pool", str(number), needs, partial(_balance, gains, pool))
    if "plant_available_water" in upper:
        needs = ("plant_available_water", "infiltration")
        found += _steady("available_water", "Plant-available water", "13", needs, _available_water)
        says = "Mean plant-available water is above the threshold of water stress (CARDAMOM 811 and 1005, constraints 14 and 15)."
        found.append(Constraint("water_above_threshold", says, _water_above_threshold, ("plant_available_water",), CARDAMOM))
    if "plant_unavailable_water" in upper:
        needs = ("plant_unavailable_water", "percolation")
        found += _steady("unavailable_water", "Water below the roots", "14 of 1005", needs, _unavailable_water)
    for pool, most in upper.items():
        says = f"Mean {pool.replace('_', ' ')} is at most {most:g} (CARDAMOM, constraint 35)."
        found.append(Constraint(f"{pool}_within_bounds", says, partial(_below, pool, most), (pool,), CARDAMOM))
        if pool.endswith("water"):
            says = f"{pool.replace('_', ' ').capitalize()} is never negative (CARDAMOM, constraint 36 and following)."
            found.append(Constraint(f"{pool}_not_overdrawn", says, partial(_not_overdrawn, pool), (pool,), (*CARDAMOM, "bloom2015")))
    published = "(Bloom & Williams 2015, constraint {})."
    for pool in gains:
        name = f"{pool}_carbon"
        grows = f"The {pool} pool grows by less than {GROWTH:.0%} of its first year's mean a year {published.format(7)}"
        lasts = f"The {pool} pool does not decay with a half-life below the length of the run {published.format(8)}"
        found.append(Constraint(f"{pool}_growth", grows, partial(_growth, name), (name,), ("bloom2015",)))
        found.append(Constraint(f"{pool}_decay", lasts, partial(_decay, name), (name,), ("bloom2015",)))
    for number, pool in enumerate(("soil", "litter", "wood", "root"), start=9):
        says = f"The {pool} pool starts within a factor of {FAR:g} of its equilibrium {published.format(number)}"
        needs = (f"{pool}_carbon", "gpp")
        found.append(Constraint(f"{pool}_equilibrium", says, partial(_equilibrium, pool, warmth), needs, ("bloom2015",)))
    return tuple(found)
