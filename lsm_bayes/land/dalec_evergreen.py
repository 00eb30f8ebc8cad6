"""DALEC evergreen: five carbon pools, ACM photosynthesis, constant turnover (Williams et al. 2005; REFLEX, Fox et al. 2009).

Williams et al. (2005), doi 10.1111/j.1365-2486.2004.00891.x; Fox et al. (2009), doi 10.1016/j.agrformet.2009.05.002. Pools are
gC m-2, fluxes gC m-2 d-1. Each step starts from the pools at its beginning.

Defaults are those of Williams et al. (2005) for ponderosa pine at Metolius; there the canopy efficiency is the product of 2.155
and leaf nitrogen of 2.7 gN m-2. The bounds are those of REFLEX as far as could be recovered; no original run was compared with.

Traps. Photosynthesis sees a leaf area of 0.1 at least, so that a lost canopy grows back: below it the leaf carbon and the leaf
mass per area have no gradient through photosynthesis; ``variant(partial(smooth_leaf_area, width=0.02), ...)`` rounds the corner.
The temperature factor doubles in 10 degC or less, and towards the upper bound of `temperature_exponent` a warm day can remove more
litter than there is.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Equilibrium, Parameter, ProcessModel
from lsm_bayes.land import dalec_constraints
from lsm_bayes.processes import acm, cdea_pools, turnover

LEAST_LEAF_AREA = 0.1  # m2 m-2


class Parameters(NamedTuple):
    """Parameters; bounds are those of REFLEX."""

    # One parameter a line.
    # fmt: off
    decomposition_rate: Annotated[float, Parameter("d-1", (1e-6, 0.01), "litter decomposed to soil organic matter per day at a temperature factor of one")] = 4.41e-6
    f_auto: Annotated[float, Parameter("1", (0.2, 0.7), "autotrophic respiration as a fraction of GPP", level="pft")] = 0.47
    f_foliage: Annotated[float, Parameter("1", (0.01, 0.5), "fraction of NPP allocated to leaves", level="pft")] = 0.315
    f_roots: Annotated[float, Parameter("1", (0.01, 0.5), "fraction to fine roots of the NPP that leaves leave over", level="pft")] = 0.4344
    foliage_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.1), "fraction of leaves lost per day", level="pft")] = 2.665e-3
    wood_turnover: Annotated[float, Parameter("d-1", (1e-6, 0.01), "fraction of wood lost per day", level="pft")] = 2.06e-6
    root_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of fine roots lost per day", level="pft")] = 2.48e-3
    litter_mineralisation: Annotated[float, Parameter("d-1", (1e-5, 0.1), "fraction of litter respired per day at a temperature factor of one")] = 2.28e-2
    soil_mineralisation: Annotated[float, Parameter("d-1", (1e-6, 0.01), "fraction of soil organic matter respired per day at a temperature factor of one")] = 2.65e-6
    temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.05, 0.2), "exponential temperature sensitivity of decomposition", level="global")] = 0.0692
    canopy_efficiency: Annotated[float, Parameter("1", (5.0, 20.0), "canopy efficiency of photosynthesis, ACM coefficient a1 times leaf nitrogen", level="pft")] = 5.8185
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (5.0, 200.0), "leaf carbon per leaf area", level="pft")] = 111.0
    # fmt: on


class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in leaves at the start")] = 57.705
    root_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in fine roots at the start")] = 102.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e5), "carbon in wood at the start")] = 769.86
    litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in litter at the start")] = 40.449
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e5), "carbon in soil organic matter at the start")] = 9896.7


class Forcing(NamedTuple):
    """Drivers of one step."""

    day_of_year: float
    air_temperature_min: float
    air_temperature_max: float
    shortwave_down: float
    co2: float
    latitude: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; LAI at its start."""

    nee: Any
    gpp: Any
    reco: Any
    lai: Any
    autotrophic_respiration: Any
    litter_respiration: Any
    soil_respiration: Any
    allocation_to_foliage: Any
    allocation_to_roots: Any
    allocation_to_wood: Any
    leaf_litterfall: Any
    wood_litterfall: Any
    root_litterfall: Any
    litter_decomposition: Any
    temperature_factor: Any


def leaf_area(foliage: Any, leaf_mass_area: Any) -> Any:
    """Return the leaf area that photosynthesis sees.

    Parameters
    ----------
    foliage : tensor
        gC m-2.
    leaf_mass_area : tensor
        gC m-2.

    Returns
    -------
    tensor
        m2 m-2, at least 0.1 (Williams et al. 2005, source code).
    """
    lai = foliage / leaf_mass_area
    return pt.switch(lai < LEAST_LEAF_AREA, LEAST_LEAF_AREA, lai)  # not a maximum, which would hide NaN


def smooth_leaf_area(foliage: Any, leaf_mass_area: Any, width: float) -> Any:
    """Return `leaf_area` with its corner rounded.

    Parameters
    ----------
    foliage, leaf_mass_area : tensor
        gC m-2.
    width : float
        m2 m-2 over which the corner is rounded; the largest difference from `leaf_area` is 0.69 times this.

    Returns
    -------
    tensor
        m2 m-2; tends to `leaf_area` as the width tends to zero.
    """
    return LEAST_LEAF_AREA + width * pt.softplus((foliage / leaf_mass_area - LEAST_LEAF_AREA) / width)


def _allocation(p: Any) -> cdea_pools.Allocation:
    return cdea_pools.allocation(p.f_auto, p.f_foliage, 0.0, p.f_roots)  # no labile pool


def _step(seen: Callable[[Any, Any], Any], x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    days = f.step_length
    lai = seen(x.foliage_carbon, p.leaf_mass_area)
    gpp = acm.gross_primary_production(
        lai,
        f.air_temperature_max,
        f.air_temperature_min,
        f.shortwave_down,
        f.co2,
        acm.day_length(f.day_of_year, f.latitude),
        p.canopy_efficiency,
        acm.WILLIAMS_2005,
    )
    warmth = 0.5 * pt.exp(p.temperature_exponent * (0.5 * (f.air_temperature_max + f.air_temperature_min)))
    to = _allocation(p)
    respired = p.f_auto * gpp
    foliage_in, roots_in, wood_in = to.foliage * gpp, to.roots * gpp, to.wood * gpp
    leaf_litter = x.foliage_carbon * turnover.loss_rate(p.foliage_turnover, days)
    wood_litter = x.wood_carbon * turnover.loss_rate(p.wood_turnover, days)
    root_litter = x.root_carbon * turnover.loss_rate(p.root_turnover, days)
    litter_respired = x.litter_carbon * turnover.loss_rate(warmth * p.litter_mineralisation, days)
    soil_respired = x.soil_carbon * turnover.loss_rate(warmth * p.soil_mineralisation, days)
    decomposed = x.litter_carbon * turnover.loss_rate(warmth * p.decomposition_rate, days)
    reco = respired + litter_respired + soil_respired
    return State(
        foliage_carbon=x.foliage_carbon + days * (foliage_in - leaf_litter),
        root_carbon=x.root_carbon + days * (roots_in - root_litter),
        wood_carbon=x.wood_carbon + days * (wood_in - wood_litter),
        litter_carbon=x.litter_carbon + days * (leaf_litter + root_litter - litter_respired - decomposed),
        soil_carbon=x.soil_carbon + days * (decomposed + wood_litter - soil_respired),
    ), Fluxes(
        nee=reco - gpp,
        gpp=gpp,
        reco=reco,
        lai=lai,
        autotrophic_respiration=respired,
        litter_respiration=litter_respired,
        soil_respiration=soil_respired,
        allocation_to_foliage=foliage_in,
        allocation_to_roots=roots_in,
        allocation_to_wood=wood_in,
        leaf_litterfall=leaf_litter,
        wood_litterfall=wood_litter,
        root_litterfall=root_litter,
        litter_decomposition=decomposed,
        temperature_factor=warmth,
    )


def equilibrium(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Means over whole years of ``gpp`` (gC m-2 d-1) and ``temperature_factor``.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2, for a step of one day, with the mean temperature factor in the rates. Leaves, which
        GPP depends on, are not among them.
    """
    return cdea_pools.balanced(means["gpp"], means["temperature_factor"], _allocation(p), p)


def warmth(means: Mapping[str, Any], p: Any) -> Any:
    """Return the factor of decomposition at the mean temperature.

    Parameters
    ----------
    means : mapping
        Mean forcing.
    p : Parameters
        Parameters.

    Returns
    -------
    tensor
        Dimensionless, as in the step.
    """
    return 0.5 * pt.exp(p.temperature_exponent * 0.5 * (means["air_temperature_max"] + means["air_temperature_min"]))


def variant(seen: Callable[[Any, Any], Any], name: str, title: str) -> ProcessModel:
    """Declare the model with another leaf area that photosynthesis sees.

    Parameters
    ----------
    seen : callable
        `leaf_area`, or `smooth_leaf_area` with a width.
    name, title : str
        Of the model.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    return ProcessModel(
        name=name,
        title=title,
        step=partial(_step, seen),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        citations=(
            "Williams et al. (1997), Ecological Applications 7, 882-894: photosynthesis (ACM)",
            "Williams et al. (2005), Global Change Biology 11, 89-105, doi 10.1111/j.1365-2486.2004.00891.x: DALEC",
            "Fox et al. (2009), Agricultural and Forest Meteorology 149, 1597-1615, doi 10.1016/j.agrformet.2009.05.002: REFLEX",
        ),
        budgets={"carbon": Budget(State._fields, ("gpp",), ("reco",))},
        equilibrium=Equilibrium(("gpp", "temperature_factor"), equilibrium),
        constraints=(
            *dalec_constraints.on_parameters(warmth),
            *dalec_constraints.on_run(State, warmth, dalec_constraints.WITHOUT_LABILE),
        ),
    )


DALEC_EVERGREEN = variant(leaf_area, "dalec_evergreen", "DALEC evergreen (Williams 2005, REFLEX)")
