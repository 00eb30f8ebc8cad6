"""DALEC 990 (DifferLand): six carbon pools and two of water; soil water limits photosynthesis; every pool is held inside limits.

Fang & Gentine (2024), doi 10.1029/2024MS004308, configuration "beta-JS", with the source code; carbon as in DALEC-CDEA
(Bloom & Williams 2015, doi 10.5194/bg-12-1299-2015), water as in Bloom et al. (2020), doi 10.5194/bg-17-6393-2020. Carbon pools are
gC m-2 and carbon fluxes gC m-2 d-1, water pools mm and water fluxes mm d-1. Each step of `step_length` days starts from the pools
at its beginning. No fire: what the source carries along for it (four parameters, burned area) is left out.

Limits. A pool that would leave the bounds of its initial value stays at the bound, and an outflow makes up for it: the release of the
labile pool, the litterfall of leaves, roots and wood, decomposition and then respiration of litter, respiration of soil, drainage and
then evapotranspiration of plant-available water, drainage of the deeper water. `dalec_990` lets these outflows close the budgets. The
source does not in four places, which `dalec_990_original` repeats: litterfall is set to 1 gC m-2 d-1 where leaves reach the lower limit;
at both limits of plant-available water drainage and transfer each take the whole surplus; drainage of the deeper water is not raised at
its upper limit. (The source also replaces NaN by the lower limit, which no step of one day needs; here NaN stays NaN.)

Traps. The reference of decomposition is the mean temperature and precipitation of a stated period, given as forcing. The source's clock
is the day at the start of the step, counted from 1 January 2001; only its remainder by 365.25 matters. Below the wilting point GPP is zero
and knows nothing of `field_capacity`, `wilting_fraction`, `canopy_efficiency`, `leaf_mass_area` or any date, and a pool at its limit
has forgotten its past: `smooth` rounds the corners of the stress factor for searches that start there. With `field_capacity` 1, its lower
bound, there is no stress (the source's configuration "baseline").
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Coordinates, DateShift, DerivedForcing, Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.land import dalec_811, dalec_cdea, dalec_constraints
from lsm_bayes.processes import (
    acm,
    cdea_phenology,
    cdea_pools,
    field_capacity_stress,
    plant_available_water,
    pool_limits,
    reference_climate,
    turnover,
    water_use,
)
from lsm_bayes.processes.leaf_area_coordinates import leaf_coordinates

LIMITS = {
    "labile_carbon": (1.0, 2000.0),
    "foliage_carbon": (1.0, 2000.0),
    "root_carbon": (1.0, 2000.0),
    "wood_carbon": (1.0, 1e5),
    "litter_carbon": (1.0, 2000.0),
    "soil_carbon": (1.0, 2e5),
    "plant_available_water": (1.0, 1e4),
    "plant_unavailable_water": (1.0, 1e4),
}
SOURCE_LEAF_LITTER = 1.0  # gC m-2 d-1, what the source sets where leaves reach their lower limit
PENALTY = 0.01  # of the drainage that the lower limit of plant-available water would turn negative


class Parameters(NamedTuple):
    """Parameters; bounds are those of the source."""

    # One parameter a line.
    # fmt: off
    decomposition_rate: Annotated[float, Parameter("d-1", (1e-5, 0.01), "litter decomposed to soil organic matter per day at mean temperature and precipitation")] = 1e-3
    f_auto: Annotated[float, Parameter("1", (0.2, 0.8), "autotrophic respiration as a fraction of GPP", level="pft")] = 0.5
    f_foliage: Annotated[float, Parameter("1", (0.01, 0.5), "fraction of NPP allocated directly to leaves", level="pft")] = 0.1
    f_roots: Annotated[float, Parameter("1", (0.01, 1.0), "fraction to fine roots of the NPP that leaves and labile pool leave over", level="pft")] = 0.4
    leaf_lifespan: Annotated[float, Parameter("yr", (1.001, 8.0), "leaf lifespan", Prior("log_uniform", origin=1.0), level="pft")] = 1.5
    wood_turnover: Annotated[float, Parameter("d-1", (2.5e-5, 1e-3), "fraction of wood lost per day", level="pft")] = 1e-4
    root_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of fine roots lost per day", level="pft")] = 2e-3
    litter_mineralisation: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of litter respired per day at mean temperature and precipitation")] = 5e-3
    soil_mineralisation: Annotated[float, Parameter("d-1", (1e-7, 1e-3), "fraction of soil organic matter respired per day at mean temperature and precipitation")] = 5e-5
    temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.018, 0.08), "exponential temperature sensitivity of decomposition", level="global")] = 0.04
    precipitation_sensitivity: Annotated[float, Parameter("1", (0.01, 1.0), "sensitivity of decomposition to precipitation relative to its mean", level="global")] = 0.3
    canopy_efficiency: Annotated[float, Parameter("1", (5.0, 50.0), "canopy efficiency of photosynthesis, ACM coefficient a1", level="pft")] = 20.0
    leaf_onset_day: Annotated[float, Parameter("d", (365.25, 1461.0), "day of the largest labile release", Prior("uniform"), period=365.25)] = 425.0
    f_labile: Annotated[float, Parameter("1", (0.01, 0.5), "fraction to the labile pool of the NPP that direct allocation to leaves leaves over", level="pft")] = 0.1
    labile_release_period: Annotated[float, Parameter("d", (30.4375, 100.0), "duration of the labile release", level="pft")] = 35.0
    labile_lifespan: Annotated[float, Parameter("yr", (1.001, 8.0), "lifespan of labile carbon", Prior("log_uniform", origin=1.0), level="pft")] = 1.2
    leaf_fall_day: Annotated[float, Parameter("d", (365.25, 1461.0), "day of the largest leaf fall", Prior("uniform"), period=365.25)] = 645.0
    leaf_fall_period: Annotated[float, Parameter("d", (30.4375, 150.0), "duration of leaf fall", level="pft")] = 60.0
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (5.0, 200.0), "leaf carbon per leaf area", level="pft")] = 60.0
    underlying_water_use_efficiency: Annotated[float, Parameter("gC hPa**0.5 kg-1", (0.5, 30.0), "underlying water use efficiency: GPP times root of vapour pressure deficit per transpiration", level="pft")] = 5.0
    radiation_evaporation: Annotated[float, Parameter("mm MJ-1 m2", (0.01, 0.3), "evapotranspiration without photosynthesis per shortwave radiation")] = 0.05
    field_capacity: Annotated[float, Parameter("mm", (1.0, 1e4), "plant-available water from which on photosynthesis is not limited")] = 300.0
    wilting_fraction: Annotated[float, Parameter("1", (0.01, 0.5), "plant-available water at which photosynthesis stops, as a fraction of field capacity")] = 0.3
    available_water_focal_point: Annotated[float, Parameter("mm", (1.0, 1e5), "plant-available water drains as its square per this")] = 800.0
    percolation_fraction: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of the drainage of plant-available water that goes to deeper water")] = 0.3
    unavailable_water_focal_point: Annotated[float, Parameter("mm", (1.0, 1e5), "deeper water drains as its square per this")] = 500.0
    # fmt: on


class State(NamedTuple):
    """Pools; the declarations are those of the initial values, whose bounds hold at every step."""

    labile_carbon: Annotated[float, Parameter("gC m-2", LIMITS["labile_carbon"], "carbon in the labile pool at the start")] = 80.0
    foliage_carbon: Annotated[float, Parameter("gC m-2", LIMITS["foliage_carbon"], "carbon in leaves at the start")] = 100.0
    root_carbon: Annotated[float, Parameter("gC m-2", LIMITS["root_carbon"], "carbon in fine roots at the start")] = 120.0
    wood_carbon: Annotated[float, Parameter("gC m-2", LIMITS["wood_carbon"], "carbon in wood at the start")] = 5000.0
    litter_carbon: Annotated[float, Parameter("gC m-2", LIMITS["litter_carbon"], "carbon in litter at the start")] = 150.0
    soil_carbon: Annotated[float, Parameter("gC m-2", LIMITS["soil_carbon"], "carbon in soil organic matter at the start")] = 9000.0
    plant_available_water: Annotated[float, Parameter("mm", LIMITS["plant_available_water"], "plant-available water at the start")] = 300.0
    plant_unavailable_water: Annotated[
        float, Parameter("mm", LIMITS["plant_unavailable_water"], "water below the reach of roots at the start")
    ] = 200.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    day_number: float
    day_of_year: float
    air_temperature_min: float
    air_temperature_max: float
    shortwave_down: float
    co2: float
    vapour_pressure_deficit: float
    precipitation: float
    mean_air_temperature: float
    mean_precipitation: float
    latitude: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it, after the limits acted; LAI at its start."""

    nee: Any
    gpp: Any
    reco: Any
    lai: Any
    evapotranspiration: Any
    infiltration: Any
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
    decomposition_factor: Any
    leaf_fall_factor: Any
    labile_release_factor: Any
    soil_moisture_stress: Any
    drainage_plant_available: Any
    percolation: Any
    drainage_plant_unavailable: Any
    water_shortfall_penalty: Any


def _water(
    original: bool, x: State, f: Forcing, p: Parameters, potential_evaporation: Any, days: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the water pools at the end of the step, and its water fluxes."""
    share = p.percolation_fraction
    potential = plant_available_water.literal_drainage(x.plant_available_water, p.available_water_focal_point, days)
    raw = x.plant_available_water + days * (f.precipitation - potential_evaporation - potential)
    available, added = pool_limits.held(raw, *LIMITS["plant_available_water"])
    # Negative where even without drainage the pool would fall below its limit: then evapotranspiration gives the rest.
    drained = potential - added / days
    out, to_deep = (1.0 - share) * drained, share * drained
    short = drained < 0
    if original:
        change = (available - x.plant_available_water) / days
        limited = pt.neq(added, 0.0)
        out = pt.switch(limited, drained + share * change, out)
        to_deep = pt.switch(limited, drained + (1.0 - share) * change, to_deep)
        short = out < 0
    fluxes = {
        "evapotranspiration": potential_evaporation + pt.switch(short, drained, 0.0),
        "drainage_plant_available": pt.switch(short, 0.0, out),
        "percolation": pt.switch(short, 0.0, to_deep),
        "water_shortfall_penalty": pt.switch(out >= 0, 0.0, -PENALTY * out),
    }
    potential = plant_available_water.literal_drainage(x.plant_unavailable_water, p.unavailable_water_focal_point, days)
    gained = fluxes["percolation"]
    deep, added = pool_limits.held(x.plant_unavailable_water + days * (gained - potential), *LIMITS["plant_unavailable_water"])
    given = pt.switch(added <= 0, 0.0, added) if original else added
    fluxes["drainage_plant_unavailable"] = potential - given / days
    return {"plant_available_water": available, "plant_unavailable_water": deep}, fluxes


def _step(original: bool, width: float, x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    days = f.step_length
    lai = x.foliage_carbon / p.leaf_mass_area
    stress = field_capacity_stress.stress_factor(x.plant_available_water, p.field_capacity, p.wilting_fraction, width)
    gpp = stress * acm.gross_primary_production(
        lai,
        f.air_temperature_max,
        f.air_temperature_min,
        f.shortwave_down,
        f.co2,
        acm.day_length(f.day_of_year, f.latitude),
        p.canopy_efficiency,
    )
    potential_evaporation = water_use.underlying(
        gpp, f.vapour_pressure_deficit, f.shortwave_down, p.underlying_water_use_efficiency, p.radiation_evaporation
    )
    warmer = 0.5 * (f.air_temperature_max + f.air_temperature_min) - f.mean_air_temperature
    wetter = f.precipitation / f.mean_precipitation - 1.0
    factor = pt.exp(p.temperature_exponent * warmer) * (wetter * p.precipitation_sensitivity + 1.0)

    to = cdea_pools.allocation(p.f_auto, p.f_foliage, p.f_labile, p.f_roots)
    respired = p.f_auto * gpp
    foliage_in, labile_in, roots_in, wood_in = to.foliage * gpp, to.labile * gpp, to.roots * gpp, to.wood * gpp

    def held(name: str, gain: Any, loss: Any) -> tuple[Any, Any]:
        """Return the pool at the end of the step, and what its limits added to it per day."""
        pool, added = pool_limits.held(getattr(x, name) + days * (gain - loss), *LIMITS[name])
        return pool, added / days

    fall = cdea_phenology.event_rate(f.day_number, p.leaf_fall_day, p.leaf_fall_period, p.leaf_lifespan)
    release = cdea_phenology.event_rate(f.day_number, p.leaf_onset_day, p.labile_release_period, p.labile_lifespan)
    # In this order: each pool is filled by the outflows of those before it, as their limits left them.
    released = x.labile_carbon * turnover.loss_rate(release, days)
    labile, added = held("labile_carbon", labile_in, released)
    released = released - added

    leaf_litter = x.foliage_carbon * turnover.loss_rate(fall, days)
    foliage, added = held("foliage_carbon", foliage_in + released, leaf_litter)
    leaf_litter = pt.switch(added > 0, SOURCE_LEAF_LITTER, leaf_litter - added) if original else leaf_litter - added

    root_litter = x.root_carbon * turnover.loss_rate(p.root_turnover, days)
    roots, added = held("root_carbon", roots_in, root_litter)
    root_litter = root_litter - added

    wood_litter = x.wood_carbon * turnover.loss_rate(p.wood_turnover, days)
    wood, added = held("wood_carbon", wood_in, wood_litter)
    wood_litter = wood_litter - added

    litter_respired = x.litter_carbon * turnover.loss_rate(factor * p.litter_mineralisation, days)
    decomposed = x.litter_carbon * turnover.loss_rate(factor * p.decomposition_rate, days)
    litter, added = held("litter_carbon", leaf_litter + root_litter, litter_respired + decomposed)
    decomposed = decomposed - added
    short = decomposed < 0  # respiration gives what decomposition cannot
    litter_respired = litter_respired + pt.switch(short, decomposed, 0.0)
    decomposed = pt.switch(short, 0.0, decomposed)

    soil_respired = x.soil_carbon * turnover.loss_rate(factor * p.soil_mineralisation, days)
    soil, added = held("soil_carbon", decomposed + wood_litter, soil_respired)
    soil_respired = soil_respired - added

    water, water_fluxes = _water(original, x, f, p, potential_evaporation, days)
    reco = respired + litter_respired + soil_respired
    return State(labile, foliage, roots, wood, litter, soil, **water), Fluxes(
        nee=reco - gpp,
        gpp=gpp,
        reco=reco,
        lai=lai,
        infiltration=f.precipitation,
        autotrophic_respiration=respired,
        litter_respiration=litter_respired,
        soil_respiration=soil_respired,
        allocation_to_foliage=foliage_in,
        allocation_to_labile=labile_in,
        allocation_to_roots=roots_in,
        allocation_to_wood=wood_in,
        labile_release=released,
        leaf_litterfall=leaf_litter,
        wood_litterfall=wood_litter,
        root_litterfall=root_litter,
        litter_decomposition=decomposed,
        decomposition_factor=factor,
        leaf_fall_factor=fall,
        labile_release_factor=release,
        soil_moisture_stress=stress,
        **water_fluxes,
    )


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Advance the pools by one step; outflows at the limits close the budgets.

    Parameters
    ----------
    x : State
        Pools at the start, gC m-2 and mm.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        Pools at the end, and the fluxes of the step (Fang & Gentine 2024, and the source code).
    """
    return _step(False, 0.0, x, f, p)


def original_step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Advance the pools as the source does, with the outflows of the module's docstring that do not close the budgets.

    Parameters
    ----------
    x : State
        Pools at the start, gC m-2 and mm.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        As `step`.
    """
    return _step(True, 0.0, x, f, p)


def equilibrium(means: Mapping[str, Any], p: Parameters) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance, away from their limits.

    Parameters
    ----------
    means : mapping
        Means over whole years of ``gpp`` (gC m-2 d-1) and ``decomposition_factor``.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2, as in DALEC-CDEA: none of them feeds back on photosynthesis.
    """
    return dalec_cdea.equilibrium({"gpp": means["gpp"], "temperature_factor": means["decomposition_factor"]}, p)  # type: ignore[arg-type]


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
    return cdea_phenology.peak_offset(known["labile_lifespan"], known["labile_release_period"] * (math.sqrt(2) / 2))


_CARBON, _WATER = tuple(n for n in LIMITS if n.endswith("carbon")), ("plant_available_water", "plant_unavailable_water")
_BUDGETS = {
    "carbon": Budget(_CARBON, ("gpp",), ("reco",)),
    "water": Budget(_WATER, ("infiltration",), ("evapotranspiration", "drainage_plant_available", "drainage_plant_unavailable")),
}
_DECLARED: dict[str, Any] = {
    "parameters": Parameters,
    "state": State,
    "forcing": Forcing,
    "fluxes": Fluxes,
    "citations": (
        "Williams et al. (1997), Ecological Applications 7, 882-894: photosynthesis (ACM)",
        "Bloom & Williams (2015), Biogeosciences 12, 1299-1315, doi 10.5194/bg-12-1299-2015: carbon pools and phenology",
        "Boese et al. (2017), Biogeosciences 14, 3015-3026, doi 10.5194/bg-14-3015-2017: evapotranspiration",
        "Bloom et al. (2020), Biogeosciences 17, 6393-6422, doi 10.5194/bg-17-6393-2020: water",
        "Fang & Gentine (2024), J. Adv. Model. Earth Syst. 16, e2024MS004308, doi 10.1029/2024MS004308: DALEC 990, water stress",
    ),
    "equilibrium": Equilibrium(("gpp", "decomposition_factor"), equilibrium),
    "coordinates": Coordinates(
        ("f_foliage", "f_labile", "leaf_mass_area"), ("f_auto", "canopy_efficiency", "leaf_lifespan"), leaf_coordinates
    ),
    "date_shifts": (
        DateShift("leaf_fall_day", ("leaf_lifespan", "leaf_fall_period"), dalec_cdea.leaf_fall_shift),
        DateShift("leaf_onset_day", ("labile_lifespan", "labile_release_period"), leaf_onset_shift),
    ),
    "constraints": (
        *dalec_constraints.on_parameters(dalec_811.warmth),
        *dalec_constraints.on_run(State, dalec_811.warmth, dalec_constraints.WITHOUT_FIRE, limited=True),
    ),
    "folded": ("step_length", "mean_air_temperature", "mean_precipitation"),
    "derived_forcing": (DerivedForcing(reference_climate.NAMES, reference_climate.NEEDS, reference_climate.reference_climate),),
}
DALEC_990 = ProcessModel(name="dalec_990", title="DALEC 990 (DifferLand)", step=step, budgets=_BUDGETS, **_DECLARED)
DALEC_990_ORIGINAL = ProcessModel(
    name="dalec_990_original", title="DALEC 990 with the open budgets of the DifferLand source", step=original_step, **_DECLARED
)


def smooth(width: float = 0.05) -> ProcessModel:
    """Make a form of `dalec_990` whose GPP never loses its derivative below the wilting point or above field capacity.

    Parameters
    ----------
    width : float
        Of the rounded corners of the water stress factor; towards 0 the model becomes `dalec_990`.

    Returns
    -------
    ProcessModel
        Named ``dalec_990_smooth``. Parameters and budgets are the same; the limits of the pools stay sharp.

    Raises
    ------
    ValueError
        If the width is not positive.
    """
    if not width > 0:
        raise ValueError(f"the width of the rounded corners must be positive, got {width}; dalec_990 itself is the limit of width 0")
    smooth_step: Callable[[State, Forcing, Parameters], tuple[State, Fluxes]] = partial(_step, False, width)
    return ProcessModel(
        name="dalec_990_smooth", title=f"DALEC 990, stress factor rounded over {width:g}", step=smooth_step, budgets=_BUDGETS, **_DECLARED
    )
