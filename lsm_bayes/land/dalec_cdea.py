"""DALEC-CDEA (DALEC2, CARDAMOM model 400): six carbon pools, ACM photosynthesis, analytical phenology, fire.

Bloom & Williams (2015), doi 10.5194/bg-12-1299-2015; fire as in Bloom et al. (2016), doi 10.1073/pnas.1515160113. Pools are
gC m-2, fluxes gC m-2 d-1. Each step of `step_length` days starts from the pools at its beginning; fire acts last, on the
pools after all other fluxes.

Traps. The reference temperature of decomposition is 0 degC: ``exp(temperature_exponent * mean temperature)``. The three
allocation fractions are nested: foliage of NPP, labile of what is left, roots of what is left then; wood takes the rest. The
onset and fall days repeat every 365.25 days. The canopy is bistable: a small initial foliage may never recover.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Coordinates, DateShift, Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.land import dalec_constraints
from lsm_bayes.processes import acm, cdea_phenology, cdea_pools, turnover
from lsm_bayes.processes.leaf_area_coordinates import leaf_coordinates

LABILE_LIFESPAN = 1.001  # yr
RESILIENCE = 0.5
ABOVE_A_YEAR = Prior("log_uniform", origin=1.0)
COMPLETENESS = {"labile": 0.1, "foliage": 0.9, "root": 0.1, "wood": 0.1, "litter": 0.5, "soil": 0.01}


class Parameters(NamedTuple):
    """Parameters; bounds are those of CARDAMOM."""

    # One parameter a line.
    # fmt: off
    decomposition_rate: Annotated[float, Parameter("d-1", (1e-5, 0.01), "litter decomposed to soil organic matter per day at 0 degC")] = 1e-3
    f_auto: Annotated[float, Parameter("1", (0.2, 0.8), "autotrophic respiration as a fraction of GPP", level="pft")] = 0.5
    f_foliage: Annotated[float, Parameter("1", (0.01, 0.5), "fraction of NPP allocated directly to leaves", level="pft")] = 0.1
    f_roots: Annotated[float, Parameter("1", (0.01, 1.0), "fraction to fine roots of the NPP that leaves and labile pool leave over", level="pft")] = 0.4
    leaf_lifespan: Annotated[float, Parameter("yr", (1.001, 8.0), "leaf lifespan", ABOVE_A_YEAR, level="pft")] = 1.5
    wood_turnover: Annotated[float, Parameter("d-1", (2.5e-5, 1e-3), "fraction of wood lost per day", level="pft")] = 1e-4
    root_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of fine roots lost per day", level="pft")] = 2e-3
    litter_mineralisation: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of litter respired per day at 0 degC")] = 5e-3
    soil_mineralisation: Annotated[float, Parameter("d-1", (1e-7, 1e-3), "fraction of soil organic matter respired per day at 0 degC")] = 5e-5
    temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.018, 0.08), "exponential temperature sensitivity of decomposition", level="global")] = 0.04
    canopy_efficiency: Annotated[float, Parameter("1", (5.0, 50.0), "canopy efficiency of photosynthesis, ACM coefficient a1", level="pft")] = 20.0
    leaf_onset_day: Annotated[float, Parameter("d", (365.25, 1461.0), "day of the largest labile release", Prior("uniform"), period=365.25)] = 425.0
    f_labile: Annotated[float, Parameter("1", (0.01, 0.5), "fraction to the labile pool of the NPP that direct allocation to leaves leaves over", level="pft")] = 0.1
    labile_release_period: Annotated[float, Parameter("d", (10.0, 100.0), "duration of the labile release", level="pft")] = 35.0
    leaf_fall_day: Annotated[float, Parameter("d", (365.25, 1461.0), "day of the largest leaf fall", Prior("uniform"), period=365.25)] = 645.0
    leaf_fall_period: Annotated[float, Parameter("d", (20.0, 150.0), "duration of leaf fall", level="pft")] = 60.0
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (5.0, 200.0), "leaf carbon per leaf area", level="pft")] = 60.0
    # fmt: on


class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    labile_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in the labile pool at the start")] = 80.0
    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in leaves at the start")] = 100.0
    root_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in fine roots at the start")] = 120.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e5), "carbon in wood at the start")] = 5000.0
    litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in litter at the start")] = 150.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e5), "carbon in soil organic matter at the start")] = 9000.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    day_number: float
    day_of_year: float
    air_temperature_min: float
    air_temperature_max: float
    shortwave_down: float
    co2: float
    burned_area: float
    latitude: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; LAI at its start."""

    nee: Any
    nbe: Any
    gpp: Any
    reco: Any
    lai: Any
    autotrophic_respiration: Any
    litter_respiration: Any
    soil_respiration: Any
    allocation_to_foliage: Any
    allocation_to_labile: Any
    allocation_to_roots: Any
    allocation_to_wood: Any
    labile_release: Any
    leaf_litterfall: Any
    wood_litterfall: Any
    root_litterfall: Any
    litter_decomposition: Any
    temperature_factor: Any
    leaf_fall_factor: Any
    labile_release_factor: Any
    fire_emission: Any
    fire_emission_labile: Any
    fire_emission_foliage: Any
    fire_emission_root: Any
    fire_emission_wood: Any
    fire_emission_litter: Any
    fire_emission_soil: Any
    fire_labile_to_litter: Any
    fire_foliage_to_litter: Any
    fire_root_to_litter: Any
    fire_wood_to_soil: Any
    fire_litter_to_soil: Any


def _step(pi: float, loss_rate: Callable[[Any, Any], Any], x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    days = f.step_length
    lai = x.foliage_carbon / p.leaf_mass_area
    hours = acm.day_length(f.day_of_year, f.latitude, pi)
    gpp = acm.gross_primary_production(
        lai, f.air_temperature_max, f.air_temperature_min, f.shortwave_down, f.co2, hours, p.canopy_efficiency
    )
    warmth = pt.exp(p.temperature_exponent * (0.5 * (f.air_temperature_max + f.air_temperature_min)))

    fall = cdea_phenology.event_rate(f.day_number, p.leaf_fall_day, p.leaf_fall_period, p.leaf_lifespan, pi)
    release = cdea_phenology.event_rate(f.day_number, p.leaf_onset_day, p.labile_release_period, LABILE_LIFESPAN, pi)
    climate = cdea_pools.Climate(gpp, warmth, fall, release)
    pools, fluxes = cdea_pools.advance(x, p, climate, days, loss_rate)
    pools, burning = cdea_pools.burn(pools, f.burned_area, COMPLETENESS, RESILIENCE, days)
    return State(**pools), Fluxes(
        nbe=fluxes["nee"] + burning["fire_emission"],
        gpp=gpp,
        lai=lai,
        temperature_factor=warmth,
        leaf_fall_factor=fall,
        labile_release_factor=release,
        **fluxes,
        **burning,
    )


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Advance the pools by one step.

    Parameters
    ----------
    x : State
        Pools at the start, gC m-2.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        Pools at the end, and the fluxes of the step (Bloom & Williams 2015, table 1 and appendix A).
    """
    return _step(math.pi, turnover.loss_rate, x, f, p)


def original_step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Advance the pools as CARDAMOM's source does: pi = 3.1415927 (a difference of 1e-8) and its rounding of small rates.

    Parameters
    ----------
    x : State
        Pools at the start, gC m-2.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        As `step`.
    """
    return _step(3.1415927, turnover.literal_loss_rate, x, f, p)


def equilibrium(means: Mapping[str, Any], p: Parameters) -> dict[str, Any]:
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
        Roots, wood, litter and soil, gC m-2, for a step of one day without fire: pool = input / rate, with the mean
        temperature factor in the rate (covariance with the season neglected).
    """
    return cdea_pools.equilibrium(means["gpp"], means["temperature_factor"], p)


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
        1 at 0 degC.
    """
    return pt.exp(p.temperature_exponent * 0.5 * (means["air_temperature_max"] + means["air_temperature_min"]))


CONSTRAINTS = (
    *dalec_constraints.on_parameters(warmth),
    *dalec_constraints.on_run(State, warmth),
)


def leaf_fall_shift(known: Mapping[str, Any]) -> Any:
    """Return the days from the peak of leaf fall to ``leaf_fall_day``: up to 94 days before it for short-lived leaves.

    Parameters
    ----------
    known : mapping
        ``leaf_lifespan`` and ``leaf_fall_period``.

    Returns
    -------
    tensor
        d, negative.
    """
    return cdea_phenology.event_shift(known["leaf_lifespan"], known["leaf_fall_period"])


def leaf_onset_shift(known: Mapping[str, Any]) -> Any:
    """Return the days from the peak of the labile release to ``leaf_onset_day``.

    Parameters
    ----------
    known : mapping
        ``labile_release_period``.

    Returns
    -------
    tensor
        d, negative.
    """
    return cdea_phenology.event_shift(pt.constant(LABILE_LIFESPAN, dtype="float64"), known["labile_release_period"])


_POOLS = tuple(State._fields)
_DECLARED: dict[str, Any] = {
    "parameters": Parameters,
    "state": State,
    "forcing": Forcing,
    "fluxes": Fluxes,
    "citations": (
        "Williams et al. (1997), Ecological Applications 7, 882-894: photosynthesis (ACM)",
        "Bloom & Williams (2015), Biogeosciences 12, 1299-1315, doi 10.5194/bg-12-1299-2015: DALEC2",
        "Bloom et al. (2016), PNAS 113, 1285-1290, doi 10.1073/pnas.1515160113: fire",
    ),
    "budgets": {"carbon": Budget(_POOLS, ("gpp",), ("reco", "fire_emission"))},
    "equilibrium": Equilibrium(("gpp", "temperature_factor"), equilibrium),
    "coordinates": Coordinates(
        ("f_foliage", "f_labile", "leaf_mass_area"), ("f_auto", "canopy_efficiency", "leaf_lifespan"), leaf_coordinates
    ),
    "date_shifts": (
        DateShift("leaf_fall_day", ("leaf_lifespan", "leaf_fall_period"), leaf_fall_shift),
        DateShift("leaf_onset_day", ("labile_release_period",), leaf_onset_shift),
    ),
    "constraints": CONSTRAINTS,
    "folded": ("step_length", "burned_area"),
}
DALEC_CDEA = ProcessModel(name="dalec_cdea", title="DALEC-CDEA (CARDAMOM 400)", step=step, **_DECLARED)
DALEC_CDEA_ORIGINAL = ProcessModel(
    name="dalec_cdea_original", title="DALEC-CDEA with the rounded pi of the C source", step=original_step, **_DECLARED
)
