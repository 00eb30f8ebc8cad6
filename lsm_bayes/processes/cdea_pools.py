"""Carbon pools of DALEC-CDEA and of the models built on it: allocation, turnover, fire and equilibrium.

Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015, table 1 and appendix A; fire as in Bloom et al. (2016), doi
10.1073/pnas.1515160113. Pools are gC m-2 and named ``labile_carbon`` to ``soil_carbon``, fluxes gC m-2 d-1; both carry the
names of the vocabulary.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lsm_bayes.processes import fire

LIVING = ("labile", "foliage", "root", "wood")
POOLS = (*LIVING, "litter", "soil")


class Allocation(NamedTuple):
    """Fractions of GPP; what they leave over is respired."""

    foliage: Any
    labile: Any
    roots: Any
    wood: Any


class Climate(NamedTuple):
    """What drives the pools in one step."""

    gpp: Any
    decomposition: Any  # factor of the decomposition rates
    leaf_fall: Any  # d-1
    labile_release: Any  # d-1


def allocation(f_auto: Any, f_foliage: Any, f_labile: Any, f_roots: Any) -> Allocation:
    """Return where GPP goes.

    Parameters
    ----------
    f_auto : tensor
        Autotrophic respiration as a fraction of GPP.
    f_foliage : tensor
        Leaves, as a fraction of NPP.
    f_labile : tensor
        Labile pool, as a fraction of what leaves leave over.
    f_roots : tensor
        Fine roots, as a fraction of what both leave over; wood takes the rest.

    Returns
    -------
    Allocation
        Fractions of GPP, functions of parameters only, so that they leave the time loop.
    """
    to_npp = 1.0 - f_auto
    to_foliage = to_npp * f_foliage
    to_labile = (to_npp - to_foliage) * f_labile
    to_roots = (to_npp - to_foliage - to_labile) * f_roots
    return Allocation(to_foliage, to_labile, to_roots, to_npp - to_foliage - to_labile - to_roots)


def advance(
    x: Any, p: Any, climate: Climate, step_length: Any, loss_rate: Callable[[Any, Any], Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Advance the six pools by one step, before fire.

    Parameters
    ----------
    x : named tuple
        Pools at the start, gC m-2.
    p : named tuple
        Parameters of DALEC-CDEA.
    climate : Climate
        GPP, and the rates that the weather sets.
    step_length : tensor
        d.
    loss_rate : callable
        `turnover.loss_rate` or `turnover.literal_loss_rate`.

    Returns
    -------
    tuple of dict
        Pools before fire, gC m-2, and fluxes, gC m-2 d-1, NEE and ecosystem respiration with them.
    """
    days, gpp = step_length, climate.gpp
    to = allocation(p.f_auto, p.f_foliage, p.f_labile, p.f_roots)
    respired = p.f_auto * gpp
    foliage_in, labile_in, roots_in, wood_in = to.foliage * gpp, to.labile * gpp, to.roots * gpp, to.wood * gpp
    released = x.labile_carbon * loss_rate(climate.labile_release, days)
    leaf_litter = x.foliage_carbon * loss_rate(climate.leaf_fall, days)
    wood_litter = x.wood_carbon * loss_rate(p.wood_turnover, days)
    root_litter = x.root_carbon * loss_rate(p.root_turnover, days)
    litter_respired = x.litter_carbon * loss_rate(climate.decomposition * p.litter_mineralisation, days)
    soil_respired = x.soil_carbon * loss_rate(climate.decomposition * p.soil_mineralisation, days)
    decomposed = x.litter_carbon * loss_rate(climate.decomposition * p.decomposition_rate, days)
    reco = respired + litter_respired + soil_respired
    pools = {
        "labile_carbon": x.labile_carbon + days * (labile_in - released),
        "foliage_carbon": x.foliage_carbon + days * (foliage_in - leaf_litter + released),
        "root_carbon": x.root_carbon + days * (roots_in - root_litter),
        "wood_carbon": x.wood_carbon + days * (wood_in - wood_litter),
        "litter_carbon": x.litter_carbon + days * (leaf_litter + root_litter - litter_respired - decomposed),
        "soil_carbon": x.soil_carbon + days * (decomposed - soil_respired + wood_litter),
    }
    fluxes = {
        "nee": reco - gpp,
        "reco": reco,
        "autotrophic_respiration": respired,
        "litter_respiration": litter_respired,
        "soil_respiration": soil_respired,
        "allocation_to_foliage": foliage_in,
        "allocation_to_labile": labile_in,
        "allocation_to_roots": roots_in,
        "allocation_to_wood": wood_in,
        "labile_release": released,
        "leaf_litterfall": leaf_litter,
        "wood_litterfall": wood_litter,
        "root_litterfall": root_litter,
        "litter_decomposition": decomposed,
    }
    return pools, fluxes


def burn(
    pools: Mapping[str, Any],
    burned_area: Any,
    completeness: Mapping[str, Any],
    resilience: Any,
    step_length: Any,
    *,
    litter_chars: bool = True,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let fire act on the pools at the end of a step.

    Parameters
    ----------
    pools : mapping
        Pools after all other fluxes, gC m-2.
    burned_area : tensor
        Fraction of the area that burns during the step.
    completeness : mapping
        Combustion completeness of ``labile`` to ``soil``.
    resilience : float or tensor
        Fraction of what fire reaches and does not burn that survives.
    step_length : tensor
        d.
    litter_chars : bool
        Whether litter that fire reaches and does not burn goes to soil organic matter.

    Returns
    -------
    tuple of dict
        Pools, gC m-2, and fire fluxes, gC m-2 d-1.
    """
    days = step_length
    before = {k: pools[f"{k}_carbon"] for k in POOLS}
    burnt = {k: fire.combustion(c, burned_area, completeness[k], days) for k, c in before.items()}
    reached = (*LIVING, "litter") if litter_chars else LIVING
    killed = {k: fire.mortality(before[k], burned_area, completeness[k], resilience, days) for k in reached}
    charred = killed.get("litter", 0.0)
    after = {k: c - days * (burnt[k] + killed.get(k, 0.0)) for k, c in before.items()}
    after["litter"] = after["litter"] + days * (killed["labile"] + killed["foliage"] + killed["root"])
    after["soil"] = after["soil"] + days * (killed["wood"] + charred)
    fluxes = {
        "fire_emission": burnt["labile"] + burnt["foliage"] + burnt["root"] + burnt["wood"] + burnt["litter"] + burnt["soil"],
        **{f"fire_emission_{k}": c for k, c in burnt.items()},
        "fire_labile_to_litter": killed["labile"],
        "fire_foliage_to_litter": killed["foliage"],
        "fire_root_to_litter": killed["root"],
        "fire_wood_to_soil": killed["wood"],
        "fire_litter_to_soil": charred,
    }
    return {f"{k}_carbon": c for k, c in after.items()}, fluxes


def equilibrium(gpp: Any, decomposition: Any, p: Any) -> dict[str, Any]:
    """Return the slow pools at which inputs and losses balance.

    Parameters
    ----------
    gpp : tensor
        Mean over whole years, gC m-2 d-1.
    decomposition : tensor
        Mean factor of the decomposition rates.
    p : named tuple
        Parameters of DALEC-CDEA.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2, for a step of one day without fire: pool = input / rate, with the mean factor in
        the rate (covariance with the season neglected).
    """
    to = allocation(p.f_auto, p.f_foliage, p.f_labile, p.f_roots)
    return balanced(gpp, decomposition, to, p)


def balanced(gpp: Any, decomposition: Any, to: Allocation, p: Any) -> dict[str, Any]:
    """Return `equilibrium` for given fractions of GPP.

    Parameters
    ----------
    gpp, decomposition : tensor
        Means over whole years.
    to : Allocation
        Fractions of GPP; all leaf and labile carbon ends as litter.
    p : named tuple
        Turnover and decomposition rates.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2.
    """
    litter_in = (to.foliage + to.labile + to.roots) * gpp
    decomposed = p.decomposition_rate / (p.decomposition_rate + p.litter_mineralisation)
    return {
        "root_carbon": to.roots * gpp / p.root_turnover,
        "wood_carbon": to.wood * gpp / p.wood_turnover,
        "litter_carbon": litter_in / ((p.litter_mineralisation + p.decomposition_rate) * decomposition),
        "soil_carbon": (to.wood * gpp + litter_in * decomposed) / (p.soil_mineralisation * decomposition),
    }
