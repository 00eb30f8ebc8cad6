"""Parameters, pools, forcing and fluxes of SIPNET; the models are in `sipnet.py`, the step in `sipnet_step.py`."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, get_type_hints

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.vocabulary import Quantity

WINDOW = 5.0  # d, over which NPP is averaged before it is allocated
ENTRIES = 12  # steps that are remembered: enough for a day and a night step

_FLAT = Prior("uniform")


class Parameters(NamedTuple):
    """Parameters; defaults and most bounds are those distributed for Niwot Ridge, rates per year divided by 365."""

    # One parameter a line.
    # fmt: off
    max_assimilation: Annotated[float, Parameter("nmol g-1 s-1", (0.1, 80.0), "largest net assimilation of leaves, per leaf mass", level="pft")] = 8.3
    mean_assimilation_fraction: Annotated[float, Parameter("1", (0.6, 0.95), "mean over a day of the largest assimilation as a fraction of it", _FLAT, level="pft")] = 0.76
    photosynthesis_temperature_min: Annotated[float, Parameter("degC", (-8.0, 8.0), "air temperature at which photosynthesis begins", _FLAT, level="pft")] = 2.0
    photosynthesis_temperature_opt: Annotated[float, Parameter("degC", (9.0, 30.0), "air temperature at which photosynthesis is largest", _FLAT, level="pft")] = 24.0
    vpd_slope: Annotated[float, Parameter("1", (0.01, 0.25), "fraction of photosynthesis lost at a vapour pressure deficit of 1 kPa", level="pft")] = 0.05
    vpd_exponent: Annotated[float, Parameter("1", (1.0, 3.0), "power of the vapour pressure deficit", _FLAT, level="global")] = 2.0
    light_half_saturation: Annotated[float, Parameter("mol m-2 d-1", (4.0, 27.0), "photosynthetically active radiation at which a leaf reaches half of its rate", level="pft")] = 17.0
    light_extinction: Annotated[float, Parameter("1", (0.38, 0.62), "extinction coefficient of light in the canopy", _FLAT, level="pft")] = 0.5
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (5.0, 500.0), "leaf carbon per leaf area", level="pft")] = 270.0
    leaf_carbon_fraction: Annotated[float, Parameter("1", (0.4, 0.5), "carbon in leaf mass", _FLAT, level="global")] = 0.45
    foliar_respiration_fraction: Annotated[float, Parameter("1", (0.03, 0.3), "leaf respiration at the optimum temperature as a fraction of the largest assimilation", level="pft")] = 0.1
    wood_maintenance: Annotated[float, Parameter("d-1", (1.6e-6, 1.7e-4), "fraction of wood respired per day at 0 degC", level="pft")] = 0.006 / 365
    root_maintenance: Annotated[float, Parameter("d-1", (8e-6, 1.7e-3), "fraction of fine roots respired per day at 0 degC", level="pft")] = 0.09 / 365
    coarse_root_maintenance: Annotated[float, Parameter("d-1", (8e-6, 1.7e-3), "fraction of coarse roots respired per day at 0 degC", level="pft")] = 0.006 / 365
    soil_mineralisation: Annotated[float, Parameter("d-1", (8e-6, 1.7e-3), "fraction of soil organic matter respired per day at 0 degC in wet soil")] = 0.06 / 365
    vegetation_q10: Annotated[float, Parameter("1", (1.4, 2.6), "factor of the respiration of leaves and wood for 10 degC", _FLAT, level="global")] = 2.0
    root_q10: Annotated[float, Parameter("1", (1.4, 5.0), "factor of the respiration of fine roots for 10 degC", _FLAT, level="global")] = 2.6
    coarse_root_q10: Annotated[float, Parameter("1", (1.4, 5.0), "factor of the respiration of coarse roots for 10 degC", _FLAT, level="global")] = 2.6
    soil_q10: Annotated[float, Parameter("1", (1.4, 5.0), "factor of decomposition for 10 degC", _FLAT, level="global")] = 2.9
    moisture_exponent: Annotated[float, Parameter("1", (0.0, 2.0), "power of the wetness of the soil in decomposition", _FLAT, level="global")] = 1.0
    frozen_soil_threshold: Annotated[float, Parameter("degC", (-5.0, 5.0), "soil temperature below which the soil counts as frozen", _FLAT)] = 0.0
    frozen_foliar_factor: Annotated[float, Parameter("1", (0.0, 1.0), "leaf respiration over frozen soil as a fraction of that over thawed soil", _FLAT, level="pft")] = 0.0
    frozen_water_fraction: Annotated[float, Parameter("1", (0.0, 1.0), "water that plants can take from frozen soil as a fraction of that from thawed soil", _FLAT, level="pft")] = 0.0
    f_foliage: Annotated[float, Parameter("1", (0.01, 0.6), "fraction of NPP allocated directly to leaves", level="pft")] = 0.2
    f_roots: Annotated[float, Parameter("1", (0.01, 0.95), "fraction to fine roots of the NPP that leaves leave over", level="pft")] = 0.5
    f_wood: Annotated[float, Parameter("1", (0.01, 0.99), "fraction to wood of the NPP that leaves and fine roots leave over; coarse roots take the rest", level="pft")] = 0.5
    leaf_turnover: Annotated[float, Parameter("d-1", (2.7e-6, 3.5e-3), "fraction of leaves lost per day", level="pft")] = 0.13 / 365
    wood_turnover: Annotated[float, Parameter("d-1", (2.7e-6, 2.7e-3), "fraction of wood lost per day", level="pft")] = 0.014 / 365
    root_turnover: Annotated[float, Parameter("d-1", (2.7e-6, 0.01), "fraction of fine roots lost per day", level="pft")] = 0.137 / 365
    coarse_root_turnover: Annotated[float, Parameter("d-1", (2.7e-6, 2.7e-3), "fraction of coarse roots lost per day", level="pft")] = 0.056 / 365
    leaf_onset_degree_days: Annotated[float, Parameter("delta_degC d", (100.0, 900.0), "degree days at which leaves flush", _FLAT)] = 500.0
    leaf_fall_day: Annotated[float, Parameter("d", (243.0, 319.0), "day of the year on which leaves fall", _FLAT)] = 285.0
    leaf_flush: Annotated[float, Parameter("gC m-2", (0.0, 252.0), "carbon of the leaves that flush; 0 for evergreen plants", _FLAT, level="pft")] = 0.0
    leaf_fall_fraction: Annotated[float, Parameter("1", (0.0, 1.0), "fraction of the leaves that fall at leaf-off; 0 for evergreen plants", _FLAT, level="pft")] = 0.0
    flush_reserve_fraction: Annotated[float, Parameter("1", (0.05, 0.5), "largest fraction of wood and coarse roots that a flush takes", _FLAT, level="global")] = 0.2
    water_uptake_fraction: Annotated[float, Parameter("d-1", (1e-3, 0.16), "fraction of the soil water that plants can take per day", level="pft")] = 0.088
    water_use_efficiency: Annotated[float, Parameter("mg kPa g-1", (0.5, 109.0), "CO2 fixed per water transpired at a vapour pressure deficit of 1 kPa", level="pft")] = 10.9
    soil_water_capacity: Annotated[float, Parameter("mm", (5.0, 400.0), "largest amount of plant-available soil water")] = 120.0
    interception_fraction: Annotated[float, Parameter("1", (0.0, 0.2), "fraction of rain that evaporates from the canopy", _FLAT, level="pft")] = 0.1
    surface_runoff_fraction: Annotated[float, Parameter("1", (0.0, 0.2), "fraction of rain and melt that runs off without entering the soil", _FLAT)] = 0.1
    snow_melt_rate: Annotated[float, Parameter("mm delta_degC-1 d-1", (0.5, 2.5), "snow that melts per day and degree above 0 degC", level="global")] = 1.5
    aerodynamic_resistance: Annotated[float, Parameter("1", (1.0, 1500.0), "aerodynamic resistance of the ground times wind speed")] = 36.5
    soil_resistance_dry: Annotated[float, Parameter("1", (1.0, 16.4), "logarithm of the resistance of dry soil to evaporation in s m-1", _FLAT, level="global")] = 8.2
    soil_resistance_slope: Annotated[float, Parameter("1", (0.0, 8.6), "decrease of that logarithm from dry to full soil", _FLAT, level="global")] = 4.3
    # fmt: on


# With a litter pool.
LITTER_PARAMETERS = {
    "litter_breakdown": (
        Annotated[float, Parameter("d-1", (3.5e-4, 3.3e-3), "fraction of litter broken down per day at 0 degC in wet soil")],
        0.4 / 365,
    ),
    "litter_respired_fraction": (
        Annotated[float, Parameter("1", (0.2, 0.8), "fraction respired of the litter that is broken down", _FLAT, level="global")],
        0.5,
    ),
}
LITTER_STATE = {"litter_carbon": (Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in litter at the start")], 400.0)}


class State(NamedTuple):
    """Pools; the declarations are those of the initial values. Behind them come the last values of NPP, the newest first."""

    # fmt: off
    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in leaves at the start")] = 1134.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (100.0, 1e5), "carbon in wood without coarse roots at the start")] = 5760.0
    storage_carbon: Annotated[float, Parameter("gC m-2", (-50.0, 50.0), "NPP that is not allocated yet, part of the wood, at the start", _FLAT, fixed=True)] = 0.0
    root_carbon: Annotated[float, Parameter("gC m-2", (1.0, 3000.0), "carbon in fine roots at the start")] = 1920.0
    coarse_root_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e4), "carbon in coarse roots at the start")] = 1920.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e5), "carbon in soil organic matter at the start")] = 16000.0
    soil_water_storage: Annotated[float, Parameter("mm", (1.0, 400.0), "plant-available soil water at the start")] = 60.0
    snow_water: Annotated[float, Parameter("mm", (0.0, 500.0), "water in snow at the start", _FLAT, fixed=True)] = 0.0
    # fmt: on


class Forcing(NamedTuple):
    """Drivers of one step; what stands last is derived from the others. Behind them come the weights of the window of NPP."""

    air_temperature: float
    soil_temperature: float
    photosynthetically_active_radiation: float
    precipitation: float
    irrigation: float
    vapour_pressure_deficit: float
    soil_vapour_pressure_deficit: float
    vapour_pressure: float
    wind_speed: float
    day_of_year: float
    step_length: float
    day_of_year_before: float
    degree_days: float
    degree_days_before: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; LAI at its start."""

    nee: Any
    gpp: Any
    reco: Any
    lai: Any
    autotrophic_respiration: Any
    heterotrophic_respiration: Any
    foliar_respiration: Any
    wood_respiration: Any
    root_respiration: Any
    coarse_root_respiration: Any
    soil_respiration: Any
    recent_npp: Any
    allocation_to_foliage: Any
    allocation_to_wood: Any
    allocation_to_roots: Any
    allocation_to_coarse_roots: Any
    leaf_flush: Any
    leaf_flush_from_wood: Any
    leaf_litterfall: Any
    wood_litterfall: Any
    root_litterfall: Any
    coarse_root_litterfall: Any
    decomposition_factor: Any
    evapotranspiration: Any
    transpiration: Any
    interception_evaporation: Any
    soil_evaporation: Any
    sublimation: Any
    rainfall: Any
    snowfall: Any
    irrigation: Any
    snow_melt: Any
    surface_runoff: Any
    drainage: Any
    soil_wetness: Any


LITTER_FLUXES: dict[str, tuple[Any, None]] = {"litter_respiration": (Any, None), "litter_decomposition": (Any, None)}


def remembered(entries: int) -> dict[str, tuple[Any, float]]:
    """Declare the states that remember NPP.

    Parameters
    ----------
    entries : int
        How many steps.

    Returns
    -------
    dict
        Name to annotation and default.
    """
    return {
        name: (
            Annotated[
                float,
                Parameter("gC m-2 d-1", (-10.0, 30.0), f"NPP remembered at the start as that of the step {k} before", _FLAT, fixed=True),
            ],
            0.0,
        )
        for k, name in enumerate(npp_names(entries), 1)
    }


def weights(entries: int) -> dict[str, tuple[Any, None]]:
    """Declare the forcing that weights the remembered NPP.

    Parameters
    ----------
    entries : int
        How many steps.

    Returns
    -------
    dict
        Name to annotation and None.
    """
    names = weight_names(entries)
    text = "fraction of the averaging window of NPP that the step {} before fills"
    return {n: (Annotated[float, Quantity(n, "1", text.format(k))], None) for k, n in enumerate(names, 1)}


def npp_names(entries: int) -> list[str]:
    """Return the names of the states that remember NPP, the newest first.

    Parameters
    ----------
    entries : int
        How many steps.

    Returns
    -------
    list of str
        Names.
    """
    return [f"npp_{k}_before" for k in range(1, entries + 1)]


def weight_names(entries: int) -> list[str]:
    """Return the names of the weights of the remembered NPP, the newest first.

    Parameters
    ----------
    entries : int
        How many steps.

    Returns
    -------
    list of str
        Names.
    """
    return [f"npp_weight_{k}" for k in range(1, entries + 1)]


def extended(name: str, base: type, *more: Mapping[str, tuple[Any, float | None]]) -> type:
    """Make a NamedTuple class with more fields.

    Parameters
    ----------
    name : str
        Name of the class.
    base : type
        NamedTuple class with the first fields.
    more : mapping of str to tuple
        Annotation and default (None for none) of further fields.

    Returns
    -------
    type
        NamedTuple class.
    """
    annotations = get_type_hints(base, include_extras=True)
    defaults = dict(base._field_defaults)  # type: ignore[attr-defined]
    for fields in more:
        annotations |= {n: a for n, (a, _) in fields.items()}
        defaults |= {n: d for n, (_, d) in fields.items() if d is not None}
    made: Any = namedtuple(name, list(annotations), defaults=list(defaults.values()), module=__name__)  # type: ignore[misc]
    made.__annotations__ = annotations
    made.__doc__ = base.__doc__
    return made
