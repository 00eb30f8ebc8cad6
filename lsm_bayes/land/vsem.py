"""VSEM, the Very Simple Ecosystem Model: light-use efficiency and three carbon pools.

Hartig, Minunno & Paul, R package BayesianTools (https://github.com/florianhartig/BayesianTools), help page VSEM. Pools are gC m-2 and
fluxes gC m-2 d-1 here, kgC in the package; bounds and defaults are those of the package, except that initial pools start at 1 gC m-2 in
place of 0. The package has steps of a day.

Traps. Photosynthesis sees the light extinction and the leaf area ratio only as their product. The package feeds the soil with litter of the
pools after the step, so that carbon is not conserved and its NEE is not the change of the pools: `vsem` takes all fluxes from the pools
at the start, as the equations of the help page read; `vsem_original` is the package. Its error parameter is no part of the process
model: observations of NEE, vegetation and soil there have sds proportional to the modelled value.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Equilibrium, Parameter, Prior, ProcessModel

UNIFORM = Prior("uniform")


class Parameters(NamedTuple):
    """Parameters; bounds are those of BayesianTools."""

    # One parameter a line.
    # fmt: off
    light_extinction: Annotated[float, Parameter("1", (0.2, 1.0), "light extinction coefficient of the canopy, per leaf area", UNIFORM, level="pft")] = 0.5
    leaf_area_ratio: Annotated[float, Parameter("m2 kgC-1", (0.2, 3.0), "leaf area per carbon in vegetation above ground", UNIFORM, level="pft")] = 1.5
    light_use_efficiency: Annotated[float, Parameter("gC MJ-1", (0.5, 4.0), "GPP per absorbed photosynthetically active radiation", UNIFORM, level="pft")] = 2.0
    f_auto: Annotated[float, Parameter("1", (0.2, 0.6), "autotrophic respiration as a fraction of GPP", UNIFORM, level="pft")] = 0.4
    aboveground_residence_time: Annotated[float, Parameter("d", (500.0, 3000.0), "residence time of carbon in vegetation above ground", UNIFORM, level="pft")] = 1440.0
    soil_residence_time: Annotated[float, Parameter("d", (4000.0, 50000.0), "residence time of carbon in the soil", UNIFORM)] = 27370.0
    belowground_residence_time: Annotated[float, Parameter("d", (500.0, 3000.0), "residence time of carbon in vegetation below ground", UNIFORM, level="pft")] = 1440.0
    f_aboveground: Annotated[float, Parameter("1", (0.2, 1.0), "fraction of NPP allocated to vegetation above ground", UNIFORM, level="pft")] = 0.5
    # fmt: on


class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    aboveground_carbon: Annotated[float, Parameter("gC m-2", (1.0, 4e5), "vegetation above ground at the start", UNIFORM)] = 3000.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e6), "soil organic matter at the start", UNIFORM)] = 15000.0
    belowground_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e5), "vegetation below ground at the start", UNIFORM)] = 3000.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    par_down: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step; LAI at its start."""

    nee: Any
    gpp: Any
    npp: Any
    reco: Any
    lai: Any
    autotrophic_respiration: Any
    heterotrophic_respiration: Any
    aboveground_litterfall: Any
    belowground_litterfall: Any


def step(x: State, f: Forcing, p: Parameters, *, sequential: bool = False) -> tuple[State, Fluxes]:
    """Advance the pools by one step.

    Parameters
    ----------
    x : State
        Pools at the start, gC m-2.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.
    sequential : bool
        Litter that reaches the soil and respiration from the pools at the end of the step, as in the source code of BayesianTools. Carbon
        is then not conserved: the pools gain ``npp - soil_carbon / soil_residence_time`` of the start plus the change of the litterfall
        over the step.

    Returns
    -------
    tuple of State and Fluxes
        Pools at the end, and the fluxes of the step (BayesianTools, help page VSEM).
    """
    days = f.step_length
    lai = p.leaf_area_ratio * x.aboveground_carbon / 1000.0
    gpp = f.par_down * p.light_use_efficiency * (1.0 - pt.exp(-p.light_extinction * lai))
    respired = p.f_auto * gpp
    npp = gpp - respired
    above, below, soil = x.aboveground_carbon, x.belowground_carbon, x.soil_carbon
    following_above = above + days * (p.f_aboveground * npp - above / p.aboveground_residence_time)
    following_below = below + days * ((1.0 - p.f_aboveground) * npp - below / p.belowground_residence_time)
    if sequential:
        above, below = following_above, following_below
    above_litter, below_litter = above / p.aboveground_residence_time, below / p.belowground_residence_time
    following_soil = soil + days * (above_litter + below_litter - soil / p.soil_residence_time)
    heterotrophic = (following_soil if sequential else soil) / p.soil_residence_time
    reco = respired + heterotrophic
    return State(following_above, following_soil, following_below), Fluxes(
        nee=reco - gpp,
        gpp=gpp,
        npp=npp,
        reco=reco,
        lai=lai,
        autotrophic_respiration=respired,
        heterotrophic_respiration=heterotrophic,
        aboveground_litterfall=above_litter,
        belowground_litterfall=below_litter,
    )


def equilibrium(means: Mapping[str, Any], p: Parameters) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Mean over whole years of ``npp``, gC m-2 d-1.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Vegetation below ground and soil, gC m-2, their means over a cycle: exact, as the rates do not vary. Vegetation above ground is left
        out, because the leaf area, and with it NPP, depends on it.
    """
    return {
        "belowground_carbon": (1.0 - p.f_aboveground) * means["npp"] * p.belowground_residence_time,
        "soil_carbon": means["npp"] * p.soil_residence_time,
    }


_DECLARED: dict[str, Any] = {
    "parameters": Parameters,
    "state": State,
    "forcing": Forcing,
    "fluxes": Fluxes,
    "citations": ("Hartig, Minunno & Paul, R package BayesianTools, https://github.com/florianhartig/BayesianTools, help page VSEM",),
    "equilibrium": Equilibrium(("npp",), equilibrium),
}
VSEM = ProcessModel(
    name="vsem",
    title="Very Simple Ecosystem Model (VSEM)",
    step=step,
    budgets={"carbon": Budget(tuple(State._fields), ("gpp",), ("reco",))},
    **_DECLARED,
)
VSEM_ORIGINAL = ProcessModel(
    name="vsem_original",
    title="VSEM with the order of updates of its source code, which does not conserve carbon",
    step=partial(step, sequential=True),
    **_DECLARED,
)
