"""D&B: light, photosynthesis, energy and water of BETHY on the carbon pools of DALEC.

Knorr et al. (2025), doi 10.5194/gmd-18-2137-2025 (D&B); Knorr (2000), doi 10.1046/j.1365-2699.2000.00159.x (BETHY); Bloom & Williams
(2015), doi 10.5194/bg-12-1299-2015 (DALEC2). Carbon is gC m-2, water mm.

The hour is that of `land.bethy`; its leaf area is leaf carbon over leaf mass per area. The day advances snow, canopy water, the bucket and
six pools. Warmth, day length and soil water set the leaf area that plants aim at (Knorr et al. 2010, doi 10.1029/2009JG001119): below it
leaves are made from the labile pool, above it they are shed, and at all times they age. Net primary production goes to the labile pool,
fine roots and wood in given fractions; on days on which it is negative wood pays, with whose reserves the plant lives through the winter.
Litter and soil decay with soil temperature, a memory of that of the air, and with soil water.

The release of D&B is on an external drive, and was not at hand. Which of its parts are from the paper's idea alone, and not compared with
its code: how leaves are made from the labile pool, who pays for negative production, and the memory of soil temperature.
`tests/land/test_dalec_bethy.py` compares the hour, water and snow with BETHY, whose source was at hand.

Traps. (1) Labile carbon is all that leaves are made of: without it a canopy that was shed does not come back. (2) Leaves age also in
winter. (3) Those of `land.bethy`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Equilibrium, Nested, Parameter, Prior, ProcessModel, extending
from lsm_bayes.land import bethy_day, bethy_step
from lsm_bayes.land import bethy_declared as declared
from lsm_bayes.land.bethy_step import Form, Structure
from lsm_bayes.processes import knorr_phenology, two_pool_soil
from lsm_bayes.processes.smoothing import positive_part, quadratic_minimum

PRODUCTION_WIDTH = 0.02  # gC m-2 d-1
AREA_WIDTH = 1e-3  # m2 m-2
MOBILE = 0.1  # d-1, of the labile pool that can become leaves
SHARP = 0.99
SOIL_MEMORY = 15.0  # d
YEAR = 365.25  # d
_OF_BETHY_SOIL = (
    "litter_q10",
    "slow_q10",
    "litter_turnover",
    "slow_fraction",
    "litter_per_shed_leaf",
    "slow_respiration",
    "specific_leaf_area",
)

_UNIFORM = Prior("uniform")


class _Pools(NamedTuple):
    # One parameter a line.
    # fmt: off
    f_labile: Annotated[float, Parameter("1", (0.05, 0.8), "fraction of NPP to the labile pool, from which leaves are made", Prior("normal", 0.3, 0.1), level="pft")] = 0.3
    f_roots: Annotated[float, Parameter("1", (0.05, 0.9), "fraction to fine roots of the NPP that the labile pool leaves over", Prior("normal", 0.4, 0.15), level="pft")] = 0.4
    leaf_lifespan: Annotated[float, Parameter("yr", (0.3, 10.0), "leaf lifespan", Prior("log_normal", 4.0, 0.5), level="pft")] = 4.0
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (15.0, 250.0), "leaf carbon per leaf area", Prior("log_normal", 90.0, 0.4), level="pft")] = 90.0
    root_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of fine roots lost per day", level="pft")] = 2e-3
    wood_turnover: Annotated[float, Parameter("d-1", (1e-5, 1e-3), "fraction of wood lost per day", level="pft")] = 5e-5
    litter_mineralisation: Annotated[float, Parameter("d-1", (1e-4, 0.02), "fraction of litter respired per day at 0 degC in wet soil")] = 3e-3
    decomposition_rate: Annotated[float, Parameter("d-1", (1e-5, 0.02), "litter decomposed to soil organic matter per day at 0 degC in wet soil")] = 1e-3
    soil_mineralisation: Annotated[float, Parameter("d-1", (1e-7, 1e-3), "fraction of soil organic matter respired per day at 0 degC in wet soil")] = 4e-5
    temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.018, 0.1), "exponential temperature sensitivity of decomposition", Prior("normal", 0.06, 0.015), level="global")] = 0.06
    # fmt: on


@extending(declared.Parameters, without=_OF_BETHY_SOIL)
class Parameters(_Pools):
    """Parameters of C3 plants."""


@extending(declared.DailyParameters, without=_OF_BETHY_SOIL)
class DailyParameters(_Pools):
    """Parameters of C3 plants with daily drivers."""


class State(NamedTuple):
    """States; the declarations are those of the initial values."""

    # fmt: off
    labile_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in the labile pool at the start")] = 150.0
    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in leaves at the start")] = 300.0
    root_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in fine roots at the start")] = 200.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in wood at the start")] = 6000.0
    litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 5000.0), "carbon in litter at the start")] = 200.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e5), "carbon in soil organic matter at the start")] = 9000.0
    soil_temperature: Annotated[float, Parameter("degC", (-30.0, 40.0), "temperature of the soil at the start", _UNIFORM, fixed=True)] = 5.0
    temperature_memory: Annotated[float, Parameter("degC", (-40.0, 40.0), "mean temperature of about a month at the start", _UNIFORM, fixed=True)] = 5.0
    water_limited_area: Annotated[float, Parameter("m2 m-2", (0.0, 8.0), "mean leaf area that water allows over about a month at the start", _UNIFORM, fixed=True)] = 3.0
    largest_area_memory: Annotated[float, Parameter("m2 m-2", (0.0, 8.0), "memory of the largest leaf area at the start", _UNIFORM, fixed=True)] = 3.0
    crown_cover: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of the ground under crowns at the start", _UNIFORM, fixed=True)] = 1.0
    plant_available_water: Annotated[float, Parameter("mm", (5.0, 600.0), "water in the soil at the start", _UNIFORM)] = 100.0
    skin_water: Annotated[float, Parameter("mm", (0.0, 5.0), "water in the skin of the soil at the start", _UNIFORM, fixed=True)] = 2.0
    canopy_water: Annotated[float, Parameter("mm", (0.0, 1.0), "water on leaves at the start", _UNIFORM, fixed=True)] = 0.0
    snow_water: Annotated[float, Parameter("mm", (0.0, 500.0), "snow at the start, as water", _UNIFORM, fixed=True)] = 0.0
    snow_height: Annotated[float, Parameter("m", (0.0, 3.0), "height of snow at the start", _UNIFORM, fixed=True)] = 0.0
    snow_albedo: Annotated[float, Parameter("1", (0.1, 0.85), "albedo of snow at the start", _UNIFORM, fixed=True)] = 0.6
    # fmt: on


class Fluxes(NamedTuple):
    """Fluxes of one day; leaf area and absorbed light are those of its exchange."""

    nee: Any
    gpp: Any
    npp: Any
    reco: Any
    autotrophic_respiration: Any
    maintenance_respiration: Any
    growth_respiration: Any
    heterotrophic_respiration: Any
    litter_respiration: Any
    soil_respiration: Any
    allocation_to_labile: Any
    allocation_to_roots: Any
    allocation_to_wood: Any
    labile_release: Any
    leaf_litterfall: Any
    root_litterfall: Any
    wood_litterfall: Any
    litter_decomposition: Any
    decomposition_factor: Any
    evapotranspiration: Any
    transpiration: Any
    interception_evaporation: Any
    soil_evaporation: Any
    sublimation: Any
    transpiration_demand: Any
    net_radiation: Any
    ground_heat: Any
    latent_heat: Any
    sensible_heat: Any
    lai: Any
    fapar: Any
    precipitation: Any
    snowfall: Any
    snow_melt: Any
    throughfall: Any
    infiltration: Any
    runoff: Any


def as_bethy(x: State, p: Any) -> declared.State:
    """See the states as those of BETHY, whose hour and water they drive.

    Parameters
    ----------
    x : State
        States.
    p : Parameters
        With the leaf mass per area.

    Returns
    -------
    lsm_bayes.land.bethy_declared.State
        Its pools of carbon are zero.
    """
    shared = {n: getattr(x, n) for n in State._fields if n in declared.State._fields and not n.endswith("_carbon")}
    nothing = {n: 0.0 for n in declared.State._fields if n.endswith("_carbon")}
    return declared.State(leaf_area=x.foliage_carbon / p.leaf_mass_area, **shared, **nothing)


def hour_of(structure: Structure, form: Form) -> Callable[..., tuple[declared.Nothing, declared.FastFluxes]]:
    """Return the step of an hour, that of BETHY.

    Parameters
    ----------
    structure : Structure
        Plants and drivers.
    form : Form
        Widths.

    Returns
    -------
    callable
        ``step(nothing, states, forcing, parameters) -> (nothing, fluxes)``.
    """
    hour = bethy_step.hour_of(structure, form)
    return lambda z, x, f, p: hour(z, as_bethy(x, p), f, p)


class _Carbon(NamedTuple):
    pools: dict[str, Any]
    fluxes: dict[str, Any]


def _carbon(x: State, p: Any, npp: Any, wanted: Any, factor: Any) -> _Carbon:
    """Advance the pools by a day, towards the leaf area that is wanted."""
    gained = positive_part(npp, PRODUCTION_WIDTH)
    to_labile = p.f_labile * gained
    to_roots = (1.0 - p.f_labile) * p.f_roots * gained
    to_wood = npp - to_labile - to_roots
    missing = wanted - x.foliage_carbon / p.leaf_mass_area
    grown = positive_part(missing, AREA_WIDTH)
    release = quadratic_minimum(p.leaf_mass_area * grown, MOBILE * x.labile_carbon, SHARP, positive=True)
    shed = p.leaf_mass_area * (grown - missing)
    leaf_fall = shed + (x.foliage_carbon - shed) / (YEAR * p.leaf_lifespan)
    root_fall, wood_fall = p.root_turnover * x.root_carbon, p.wood_turnover * x.wood_carbon
    burned = p.litter_mineralisation * factor * x.litter_carbon
    decomposed = p.decomposition_rate * factor * x.litter_carbon
    mineralised = p.soil_mineralisation * factor * x.soil_carbon
    pools = {
        "labile_carbon": x.labile_carbon + to_labile - release,
        "foliage_carbon": x.foliage_carbon + release - leaf_fall,
        "root_carbon": x.root_carbon + to_roots - root_fall,
        "wood_carbon": x.wood_carbon + to_wood - wood_fall,
        "litter_carbon": x.litter_carbon + leaf_fall + root_fall - burned - decomposed,
        "soil_carbon": x.soil_carbon + wood_fall + decomposed - mineralised,
    }
    fluxes = {
        "npp": npp,
        "nee": burned + mineralised - npp,
        "heterotrophic_respiration": burned + mineralised,
        "litter_respiration": burned,
        "soil_respiration": mineralised,
        "allocation_to_labile": to_labile,
        "allocation_to_roots": to_roots,
        "allocation_to_wood": to_wood,
        "labile_release": release,
        "leaf_litterfall": leaf_fall,
        "root_litterfall": root_fall,
        "wood_litterfall": wood_fall,
        "litter_decomposition": decomposed,
        "decomposition_factor": factor,
    }
    return _Carbon(pools, fluxes)


def day_of(structure: Structure, form: Form) -> Callable[..., tuple[State, declared.Nothing, Fluxes]]:
    """Return the step of a day.

    Parameters
    ----------
    structure : Structure
        Plants and drivers.
    form : Form
        Widths.

    Returns
    -------
    callable
        ``step(states, nothing, means, forcing, parameters) -> (states, nothing, fluxes)``.
    """

    def step(x: State, z: declared.Nothing, m: declared.FastFluxes, f: Any, p: Any) -> tuple[State, declared.Nothing, Fluxes]:
        celsius = m.subdaily_air_temperature if structure.observed_hours else 0.5 * (f.air_temperature_min + f.air_temperature_max)
        b = as_bethy(x, p)
        surface = bethy_day.surface_of(b, p, m, f.precipitation, celsius, form)
        leaves = bethy_day.aimed(structure, form, b, p, f, m.subdaily_transpiration_demand, surface.bucket, celsius)
        crown_cover, largest = knorr_phenology.cover(leaves.area, x.largest_area_memory)
        soil = x.soil_temperature + (celsius - x.soil_temperature) * (1.0 / SOIL_MEMORY)
        factor = pt.exp(p.temperature_exponent * soil) * two_pool_soil.moisture(surface.bucket / p.water_capacity, p.moisture_exponent)
        spent = m.subdaily_maintenance_respiration + m.subdaily_growth_respiration
        carbon = _carbon(x, p, m.subdaily_gpp - spent, leaves.area, factor)
        following = State(
            **carbon.pools,
            soil_temperature=soil,
            temperature_memory=leaves.temperature_memory,
            water_limited_area=leaves.area_memory,
            largest_area_memory=largest,
            crown_cover=crown_cover,
            **surface.states,
        )
        fluxes = Fluxes(
            **carbon.fluxes,
            gpp=m.subdaily_gpp,
            reco=spent + carbon.fluxes["heterotrophic_respiration"],
            autotrophic_respiration=spent,
            maintenance_respiration=m.subdaily_maintenance_respiration,
            growth_respiration=m.subdaily_growth_respiration,
            lai=b.leaf_area,
            **surface.fluxes,
            precipitation=f.precipitation,
        )
        return following, declared.Nothing(), fluxes

    return step


def equilibrium(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Means over whole years of allocation to roots and wood, of leaf litterfall (gC m-2 d-1), and of the factor of decomposition.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Roots, wood, litter and soil, gC m-2 (covariance with the season neglected).
    """
    factor = means["decomposition_factor"]
    litterfall = means["leaf_litterfall"] + means["allocation_to_roots"]
    litter = litterfall / (factor * (p.litter_mineralisation + p.decomposition_rate))
    return {
        "root_carbon": means["allocation_to_roots"] / p.root_turnover,
        "wood_carbon": means["allocation_to_wood"] / p.wood_turnover,
        "litter_carbon": litter,
        "soil_carbon": (means["allocation_to_wood"] + p.decomposition_rate * factor * litter) / (factor * p.soil_mineralisation),
    }


def _no_store(x: Any, p: Any) -> Any:
    return 0.0 * x.plant_available_water


POOLS = ("labile_carbon", "foliage_carbon", "root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")


@cache
def dalec_bethy(name: str, title: str, structure: Structure, form: Form | None = None) -> ProcessModel:
    """Declare a variant of the model.

    Parameters
    ----------
    name, title : str
        As in `ProcessModel`.
    structure : Structure
        Plants and drivers.
    form : Form, optional
        Widths.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    form = form or Form()
    hours = structure.observed_hours
    water = Budget(("plant_available_water", "snow_water", "canopy_water"), ("precipitation",), ("evapotranspiration", "runoff"))
    energy = Budget((), ("net_radiation",), ("latent_heat", "sensible_heat", "ground_heat"), _no_store)
    return ProcessModel(
        name=name,
        title=title,
        step=day_of(structure, form),
        parameters=Parameters if hours else DailyParameters,
        state=State,
        forcing=declared.DayForcing if hours else declared.DailyForcing,
        fluxes=Fluxes,
        nested=Nested(
            hour_of(structure, form),
            declared.Nothing,
            declared.HourlyForcing if hours else declared.WithinDayForcing,
            declared.FastFluxes,
            24,
            finite_branches=True,
        ),
        citations=(
            "Knorr et al. (2025), Geoscientific Model Development 18, 2137-2159, doi 10.5194/gmd-18-2137-2025: D&B",
            "Knorr (2000), Global Ecology and Biogeography 9, 225-252, doi 10.1046/j.1365-2699.2000.00159.x: BETHY",
            "Bloom & Williams (2015), Biogeosciences 12, 1299-1315, doi 10.5194/bg-12-1299-2015: DALEC2",
        ),
        budgets={"carbon": Budget(POOLS, ("gpp",), ("reco",)), "water": water, "energy": energy},
        equilibrium=Equilibrium(("allocation_to_roots", "allocation_to_wood", "leaf_litterfall", "decomposition_factor"), equilibrium),
    )


DALEC_BETHY = dalec_bethy("dalec_bethy", "D&B, trees and shrubs of cold climates, hours made of daily drivers", Structure())
DALEC_BETHY_HOURLY = dalec_bethy(
    "dalec_bethy_hourly", "D&B, trees and shrubs of cold climates, observed hours", Structure(observed_hours=True)
)
DALEC_BETHY_WARM_HOURLY = dalec_bethy(
    "dalec_bethy_warm_hourly", "D&B, trees and shrubs of warm climates, observed hours", Structure("c3", "evergreen", True)
)
