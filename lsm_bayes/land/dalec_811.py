"""DALEC 811 (CARDAMOM): DALEC-CDEA with a store of plant-available water, evapotranspiration and moisture-dependent decomposition.

Bloom et al. (2020), doi 10.5194/bg-17-6393-2020. Beyond DALEC-CDEA: photosynthesis is reduced in proportion where
plant-available water is below a threshold; evapotranspiration is GPP x VPD over the inherent water-use efficiency;
decomposition depends on the anomaly of precipitation too; labile lifespan and fire parameters are calibrated. Pools are gC m-2
and mm, fluxes gC m-2 d-1 and mm d-1.

`DEFAULT` and `SOURCE` are two forms of the equations. The C source does three things that `variant` with `SOURCE` repeats: its
reference temperature of decomposition is half the mean temperature, here it is the mean; litter that fire reaches and does not
burn stays litter, here it becomes soil organic matter as in DALEC-CDEA; an overdrawn store gives negative photosynthesis and
drains more, so that many points inside the bounds diverge, here it neither drains nor feeds photosynthesis.

Traps. Means of temperature and precipitation are those of the reference climate: the whole forcing series unless the data say
otherwise. Moisture acts through precipitation of the same step, which is spiky at a daily step. What drains in a step does not
depend on its length. `water_stress_threshold` has no gradient while the store is above it, and corners elsewhere:
``variant(DEFAULT._replace(stress=partial(plant_available_water.smooth_stress, width=0.05)), ...)`` rounds them.

Steps are explicit, as in the C source: where a day's unstressed evapotranspiration is above `water_stress_threshold`, the store can
be overdrawn in one step and GPP flickers; above twice the threshold a run can be chaotic, and no derivative means anything. Of 300
draws of the prior, five years of days at FI-Hyy: 27 % overdrawn (DALEC 1005: 89 %, in 38 % by the part with GPP), 1.3 % chaotic
(3.7 %: a change of `f_auto` by 1e-6 of it moved NEE of a day by 1e-3 gC m-2 d-1 and more), none of these with a threshold above
30 mm. CARDAMOM rejects overdrawn stores; ``Constraints(dynamics="cardamom")`` adds a cost that grows with what is overdrawn.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Constraint, Coordinates, DateShift, DerivedForcing, Equilibrium, Parameter, ProcessModel, extending
from lsm_bayes.land import dalec_cdea, dalec_constraints
from lsm_bayes.processes import (
    acm,
    cdea_phenology,
    cdea_pools,
    plant_available_water,
    reference_climate,
    turnover,
    water_use,
)
from lsm_bayes.processes.leaf_area_coordinates import leaf_coordinates


@extending(dalec_cdea.Parameters)
class Parameters(NamedTuple):
    """Parameters; bounds are those of CARDAMOM."""

    # One parameter a line.
    # fmt: off
    labile_release_period: Annotated[float, Parameter("d", (30.4375, 100.0), "duration of the labile release", level="pft")] = 35.0
    leaf_fall_period: Annotated[float, Parameter("d", (30.4375, 150.0), "duration of leaf fall", level="pft")] = 60.0
    inherent_water_use_efficiency: Annotated[float, Parameter("gC hPa kg-1", (10.0, 50.0), "GPP times vapour pressure deficit over evapotranspiration", level="pft")] = 20.0
    available_water_focal_point: Annotated[float, Parameter("mm", (1.0, 1e5), "plant-available water above half of which drainage leaves a quarter of it")] = 800.0
    water_stress_threshold: Annotated[float, Parameter("mm", (1.0, 1e4), "plant-available water below which photosynthesis is reduced")] = 100.0
    foliar_combustion_completeness: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of leaves that fire emits where it burns", level="pft")] = 0.8
    ligneous_combustion_completeness: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of wood, roots and labile carbon that fire emits where it burns", level="pft")] = 0.2
    soil_combustion_completeness: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of soil organic matter that fire emits where it burns", level="pft")] = 0.1
    fire_resilience: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of what fire reaches and does not emit that survives", level="pft")] = 0.5
    labile_lifespan: Annotated[float, Parameter("yr", (1.001, 8.0), "lifespan of labile carbon", dalec_cdea.ABOVE_A_YEAR, level="pft")] = 1.2
    precipitation_sensitivity: Annotated[float, Parameter("1", (0.01, 1.0), "relative change of decomposition per relative anomaly of precipitation", level="global")] = 0.3
    # fmt: on


@extending(dalec_cdea.State)
class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    plant_available_water: Annotated[float, Parameter("mm", (1.0, 1e4), "plant-available water at the start")] = 300.0


@extending(dalec_cdea.Forcing)
class Forcing(NamedTuple):
    """Drivers of one step."""

    vapour_pressure_deficit: float
    precipitation: float
    mean_air_temperature: float
    mean_precipitation: float


@extending(dalec_cdea.Fluxes)
class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; LAI and stress at its start."""

    decomposition_factor: Any
    soil_moisture_stress: Any
    infiltration: Any
    evapotranspiration: Any
    runoff: Any


class Form(NamedTuple):
    """Choices in the equations."""

    pi: float = math.pi
    loss_rate: Callable[[Any, Any], Any] = turnover.loss_rate
    photosynthesis: Callable[..., Any] = acm.gross_primary_production
    stress: Callable[[Any, Any], Any] = plant_available_water.stress
    drainage: Callable[[Any, Any, Any], Any] = plant_available_water.drainage
    reference: float = 1.0  # reference temperature of decomposition, as a fraction of the mean temperature
    litter_chars: bool = True


DEFAULT = Form()
SOURCE = Form(
    pi=3.1415927,
    loss_rate=turnover.literal_loss_rate,
    photosynthesis=acm.literal_gross_primary_production,
    stress=plant_available_water.literal_stress,
    drainage=plant_available_water.literal_drainage,
    reference=0.5,
    litter_chars=False,
)


def carbon(form: Form, x: Any, f: Any, p: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Advance the carbon pools by one step, for this model and for those that differ in the water below.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    x : named tuple
        Pools at the start, plant-available water with them.
    f, p : named tuple
        Drivers and parameters.

    Returns
    -------
    tuple of dict
        Pools at the end, gC m-2, and fluxes, gC m-2 d-1 (Bloom et al. 2020; CARDAMOM source).
    """
    days = f.step_length
    lai = x.foliage_carbon / p.leaf_mass_area
    hours = acm.day_length(f.day_of_year, f.latitude, form.pi)
    stress = form.stress(x.plant_available_water, p.water_stress_threshold)
    gpp = stress * form.photosynthesis(
        lai, f.air_temperature_max, f.air_temperature_min, f.shortwave_down, f.co2, hours, p.canopy_efficiency
    )
    temperature = 0.5 * (f.air_temperature_max + f.air_temperature_min) - form.reference * f.mean_air_temperature
    warmth = pt.exp(p.temperature_exponent * temperature)
    decomposition = warmth * ((f.precipitation / f.mean_precipitation - 1.0) * p.precipitation_sensitivity + 1.0)
    fall = cdea_phenology.event_rate(f.day_number, p.leaf_fall_day, p.leaf_fall_period, p.leaf_lifespan, form.pi)
    release = cdea_phenology.event_rate(f.day_number, p.leaf_onset_day, p.labile_release_period, p.labile_lifespan, form.pi)
    pools, fluxes = cdea_pools.advance(x, p, cdea_pools.Climate(gpp, decomposition, fall, release), days, form.loss_rate)
    ligneous, foliar = p.ligneous_combustion_completeness, p.foliar_combustion_completeness
    completeness = dict.fromkeys(cdea_pools.LIVING, ligneous) | {
        "foliage": foliar,
        "litter": 0.5 * (foliar + ligneous),
        "soil": p.soil_combustion_completeness,
    }
    pools, burning = cdea_pools.burn(pools, f.burned_area, completeness, p.fire_resilience, days, litter_chars=form.litter_chars)
    return pools, fluxes | burning | {
        "nbe": fluxes["nee"] + burning["fire_emission"],
        "gpp": gpp,
        "lai": lai,
        "temperature_factor": warmth,
        "decomposition_factor": decomposition,
        "leaf_fall_factor": fall,
        "labile_release_factor": release,
        "soil_moisture_stress": stress,
        "infiltration": f.precipitation,
    }


def _step(form: Form, x: Any, f: Any, p: Any) -> tuple[Any, Any]:
    pools, fluxes = carbon(form, x, f, p)
    fluxes["evapotranspiration"] = water_use.inherent(fluxes["gpp"], f.vapour_pressure_deficit, p.inherent_water_use_efficiency)
    fluxes["runoff"] = form.drainage(x.plant_available_water, p.available_water_focal_point, f.step_length)
    gained = f.precipitation - fluxes["runoff"] - fluxes["evapotranspiration"]
    return State(**pools, plant_available_water=x.plant_available_water + f.step_length * gained), Fluxes(**fluxes)


def equilibrium(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Means over whole years of ``gpp`` (gC m-2 d-1) and ``decomposition_factor``.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2, as in DALEC-CDEA. Plant-available water, which GPP depends on, is not among them: at
        its own equilibrium it is ``plant_available_water.storage_at(precipitation - evapotranspiration, focal point)``.
    """
    return cdea_pools.equilibrium(means["gpp"], means["decomposition_factor"], p)


def leaf_onset_shift(known: Mapping[str, Any]) -> Any:
    """Return the days from the peak of the labile release to ``leaf_onset_day``.

    Parameters
    ----------
    known : mapping
        ``labile_lifespan`` and ``labile_release_period``.

    Returns
    -------
    tensor
        d, negative.
    """
    return cdea_phenology.event_shift(known["labile_lifespan"], known["labile_release_period"])


def warmth(means: Mapping[str, Any], p: Any) -> Any:
    """Return the factor of decomposition at the mean temperature, which is its reference: roots and soil are compared without a factor.

    Parameters
    ----------
    means : mapping
        Mean forcing.
    p : Parameters
        Parameters.

    Returns
    -------
    float
        1.
    """
    return 1.0


def constraints(state: type) -> tuple[Constraint, ...]:
    """Declare the constraints of this model, and of those with more water pools.

    Parameters
    ----------
    state : NamedTuple class
        Pools.

    Returns
    -------
    tuple of Constraint
        On parameters, fire and runs.
    """
    return (*dalec_constraints.on_parameters(warmth), *dalec_constraints.on_fire(), *dalec_constraints.on_run(state, warmth))


CITATIONS = (
    *dalec_cdea.DALEC_CDEA.citations,
    "Bloom et al. (2020), Biogeosciences 17, 6393-6422, doi 10.5194/bg-17-6393-2020: plant-available water",
)
SHARED: dict[str, Any] = {
    "coordinates": Coordinates(
        ("f_foliage", "f_labile", "leaf_mass_area"), ("f_auto", "canopy_efficiency", "leaf_lifespan"), leaf_coordinates
    ),
    "date_shifts": (
        DateShift("leaf_fall_day", ("leaf_lifespan", "leaf_fall_period"), dalec_cdea.leaf_fall_shift),
        DateShift("leaf_onset_day", ("labile_lifespan", "labile_release_period"), leaf_onset_shift),
    ),
    "folded": ("step_length", "burned_area"),
    "derived_forcing": (DerivedForcing(reference_climate.NAMES, reference_climate.NEEDS, reference_climate.reference_climate),),
}


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
        forcing=Forcing,
        fluxes=Fluxes,
        citations=(
            *CITATIONS,
            "Beer et al. (2009), Global Biogeochemical Cycles 23, GB2018, doi 10.1029/2008GB003233: water-use efficiency",
        ),
        budgets={
            "carbon": dalec_cdea.DALEC_CDEA.budgets["carbon"],
            "water": Budget(("plant_available_water",), ("infiltration",), ("evapotranspiration", "runoff")),
        },
        equilibrium=Equilibrium(("gpp", "decomposition_factor"), equilibrium),
        constraints=constraints(State),
        **SHARED,
    )


DALEC_811 = variant(DEFAULT, "dalec_811", "DALEC 811: DALEC-CDEA with plant-available water (CARDAMOM 811)")
