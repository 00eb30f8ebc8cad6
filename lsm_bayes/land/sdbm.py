"""SDBM, the Simple Diagnostic Biosphere Model: net primary production from absorbed light, respiration that balances it.

Knorr & Heimann (1995), Tellus 47B, 471-489; Kaminski et al. (2002), doi 10.1029/2001GB001463. The papers have monthly steps; any
step will do here. The forcing `evaporation_ratio` is their water stress, actual over potential evapotranspiration.

The scale of respiration is no parameter: it closes the annual balance. Here it is the state `base_respiration`, which does not change in time
and whose equilibrium is the closure. Start it near equilibrium; the smaller the spread, the closer to the papers. At the default it is just a
number, and the balance is not closed.

Uncertain. No source code was found: the equations follow published descriptions. The default light-use efficiency and Q10 and the
upper bound of the former were not checked against the papers; priors are suggestions of this package.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.processes import decomposition_temperature


class Parameters(NamedTuple):
    """Parameters, one value for each biome in Kaminski et al. (2002)."""

    # One parameter a line.
    # fmt: off
    npp_light_use_efficiency: Annotated[float, Parameter("gC MJ-1", (0.01, 2.0), "NPP per absorbed photosynthetically active radiation without water stress", Prior("log_normal", 0.4, 0.5), level="pft")] = 0.4
    q10: Annotated[float, Parameter("1", (1.0, 3.0), "factor of heterotrophic respiration for 10 degC", Prior("log_normal", 1.5, 0.2), level="pft")] = 1.5
    # fmt: on


class State(NamedTuple):
    """What does not change in time; the declaration is that of the initial value."""

    base_respiration: Annotated[float, Parameter("gC m-2 d-1", (1e-3, 50.0), "respiration at 0 degC without water stress")] = 1.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    fapar: float
    par_down: float
    air_temperature: float
    evaporation_ratio: float


class Fluxes(NamedTuple):
    """Fluxes of one step."""

    nee: Any
    npp: Any
    heterotrophic_respiration: Any
    decomposition_factor: Any


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Diagnose the fluxes of one step.

    Parameters
    ----------
    x : State
        Scale of respiration, gC m-2 d-1.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        The state as it was, and the fluxes: NPP is light-use efficiency times water stress times absorbed radiation, heterotrophic
        respiration is the scale times water stress times ``q10**(T / 10)`` (Kaminski et al. 2002).
    """
    npp = p.npp_light_use_efficiency * (f.evaporation_ratio * f.fapar * f.par_down)
    factor = f.evaporation_ratio * decomposition_temperature.q10(f.air_temperature, p.q10, 0.0)
    respired = x.base_respiration * factor
    return x, Fluxes(nee=respired - npp, npp=npp, heterotrophic_respiration=respired, decomposition_factor=factor)


def equilibrium(means: Mapping[str, Any], p: Parameters) -> dict[str, Any]:
    """Return the scale of respiration at which the net flux over whole years is zero.

    Parameters
    ----------
    means : mapping
        Means over whole years of ``npp`` (gC m-2 d-1) and ``decomposition_factor``.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        ``base_respiration``, gC m-2 d-1: exact; zero where it never rains, as NPP and respiration are zero then whatever the scale.
    """
    factor = means["decomposition_factor"]
    barren = pt.eq(factor, 0.0)
    return {"base_respiration": pt.switch(barren, 0.0, means["npp"] / pt.switch(barren, 1.0, factor))}


SDBM = ProcessModel(
    name="sdbm",
    title="Simple Diagnostic Biosphere Model (SDBM)",
    step=step,
    parameters=Parameters,
    state=State,
    forcing=Forcing,
    fluxes=Fluxes,
    citations=(
        "Knorr & Heimann (1995), Tellus 47B, 471-489",
        "Kaminski et al. (2002), Global Biogeochem. Cycles 16, 1066, doi 10.1029/2001GB001463",
    ),
    equilibrium=Equilibrium(("npp", "decomposition_factor"), equilibrium),
)
