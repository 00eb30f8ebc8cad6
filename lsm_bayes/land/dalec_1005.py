"""DALEC 1005 (CARDAMOM): DALEC 811 with a second store of water and evapotranspiration by the underlying water-use efficiency.

Beyond DALEC 811: a part of what drains from the plant-available store fills a store below the roots, which drains in the same
way; evapotranspiration has a part with GPP x VPD^0.5 and one with radiation. The second takes water whatever the store holds: a
dry store is overdrawn until it rains. Pools are gC m-2 and mm, fluxes gC m-2 d-1 and mm d-1.

The C source differs in what `dalec_811` says (in version 3 litter chars), and in one more point: from a full store it moves
``x / (1 - x)`` of the drainage down in place of ``x``, so that more water leaves than drains, and the drainage is discontinuous.
`variant` with `SOURCE` repeats version 3, with ``SOURCE._replace(carbon=dalec_811.SOURCE)`` version 2.2.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Equilibrium, Parameter, ProcessModel, extending
from lsm_bayes.land import dalec_811
from lsm_bayes.processes import plant_available_water, water_use

_INHERENT = "inherent_water_use_efficiency"


@extending(dalec_811.Parameters, without=(_INHERENT,))
class Parameters(NamedTuple):
    """Parameters; bounds are those of CARDAMOM."""

    # One parameter a line.
    # fmt: off
    underlying_water_use_efficiency: Annotated[float, Parameter("gC hPa**0.5 kg-1", (0.5, 30.0), "GPP times the root of the vapour pressure deficit over the evapotranspiration that goes with GPP", level="pft")] = 5.0
    percolation_fraction: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of the drainage of plant-available water that reaches the store below the roots")] = 0.3
    unavailable_water_focal_point: Annotated[float, Parameter("mm", (1.0, 1e5), "plant-unavailable water above half of which drainage leaves a quarter of it")] = 500.0
    radiation_evaporation: Annotated[float, Parameter("mm m2 MJ-1", (0.01, 0.3), "evapotranspiration that goes with shortwave radiation", level="pft")] = 0.05
    # fmt: on


@extending(dalec_811.State)
class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    plant_unavailable_water: Annotated[float, Parameter("mm", (1.0, 1e4), "water below the roots at the start")] = 200.0


@extending(dalec_811.Fluxes)
class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; LAI and stress at its start."""

    drainage_plant_available: Any
    percolation: Any
    drainage_plant_unavailable: Any


class Form(NamedTuple):
    """Choices in the equations."""

    carbon: dalec_811.Form = dalec_811.DEFAULT
    excess_percolation: bool = False  # x / (1 - x) from a full store


DEFAULT = Form()
SOURCE = Form(dalec_811.SOURCE._replace(litter_chars=True), excess_percolation=True)


def _step(form: Form, x: Any, f: Any, p: Any) -> tuple[Any, Any]:
    drainage, days, share = form.carbon.drainage, f.step_length, p.percolation_fraction
    pools, fluxes = dalec_811.carbon(form.carbon, x, f, p)
    evapotranspiration = water_use.underlying(
        fluxes["gpp"], f.vapour_pressure_deficit, f.shortwave_down, p.underlying_water_use_efficiency, p.radiation_evaporation
    )
    leaving = drainage(x.plant_available_water, p.available_water_focal_point, days)
    drained, percolated = leaving * (1.0 - share), leaving * share
    if form.excess_percolation:
        full = x.plant_available_water > p.available_water_focal_point / 2
        percolated = pt.switch(full, leaving * share / (1.0 - share), percolated)
    below = drainage(x.plant_unavailable_water, p.unavailable_water_focal_point, days)
    pools["plant_available_water"] = x.plant_available_water + days * (f.precipitation - drained - percolated - evapotranspiration)
    pools["plant_unavailable_water"] = x.plant_unavailable_water + days * (percolated - below)
    fluxes |= {
        "evapotranspiration": evapotranspiration,
        "runoff": drained + below,
        "drainage_plant_available": drained,
        "percolation": percolated,
        "drainage_plant_unavailable": below,
    }
    return State(**pools), Fluxes(**fluxes)


def equilibrium(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Means over whole years of ``gpp`` (gC m-2 d-1), ``decomposition_factor`` and ``percolation`` (mm d-1).
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2, as in DALEC-CDEA, and plant-unavailable water, mm, that drains what percolates
        (its variation within the year neglected).
    """
    unavailable = plant_available_water.storage_at(means["percolation"], p.unavailable_water_focal_point)
    return dalec_811.equilibrium(means, p) | {"plant_unavailable_water": unavailable}


def variant(form: Form, name: str, title: str) -> ProcessModel:
    """Declare the model with other choices in its equations.

    Parameters
    ----------
    form : Form
        `DEFAULT`, `SOURCE`, or one of them with something replaced.
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
        step=partial(_step, form),
        parameters=Parameters,
        state=State,
        forcing=dalec_811.Forcing,
        fluxes=Fluxes,
        citations=(
            *dalec_811.CITATIONS,
            "Zhou et al. (2014), Geophysical Research Letters 41, 5005-5013, doi 10.1002/2014GL060741: underlying water-use efficiency",
            "Boese et al. (2017), Biogeosciences 14, 3015-3026, doi 10.5194/bg-14-3015-2017: evapotranspiration with radiation",
        ),
        budgets={
            "carbon": dalec_811.DALEC_811.budgets["carbon"],
            "water": Budget(("plant_available_water", "plant_unavailable_water"), ("infiltration",), ("evapotranspiration", "runoff")),
        },
        equilibrium=Equilibrium(("gpp", "decomposition_factor", "percolation"), equilibrium),
        constraints=dalec_811.constraints(State),
        **dalec_811.SHARED,
    )


DALEC_1005 = variant(DEFAULT, "dalec_1005", "DALEC 1005: DALEC-CDEA with two stores of water (CARDAMOM 1005)")
