"""Parameters, states, drivers and fluxes of BETHY; the plant functional types are in `bethy_types`, the step is in `bethy_step`."""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior, extending

_UNIFORM = Prior("uniform")


def _normal(centre: float, spread: float) -> Prior:
    return Prior("normal", centre, spread)


class Parameters(NamedTuple):
    """Parameters of C3 plants: priors of the evergreen conifer of CCDAS: BETHY; `bethy_types.values` and `priors` have the other types."""

    # One parameter a line.
    # fmt: off
    vcmax25: Annotated[float, Parameter("umol m-2 s-1", (5.0, 300.0), "largest rate of carboxylation at 25 degC per leaf area", Prior("log_normal", 29.0, 0.2), level="pft")] = 29.0
    jmax_ratio: Annotated[float, Parameter("1", (1.2, 2.8), "largest rate of electron transport over that of carboxylation at 25 degC", _normal(1.79, 0.09), level="pft")] = 1.79
    quantum_yield: Annotated[float, Parameter("1", (0.2, 0.36), "electrons transported per absorbed photon in dim light", _normal(0.28, 0.014), level="global")] = 0.28
    michaelis_co2: Annotated[float, Parameter("umol mol-1", (300.0, 700.0), "Michaelis constant of CO2 at 25 degC", _normal(460.0, 23.0), level="global")] = 460.0
    michaelis_oxygen: Annotated[float, Parameter("mmol mol-1", (220.0, 450.0), "Michaelis constant of oxygen at 25 degC", _normal(330.0, 16.5), level="global")] = 330.0
    compensation_slope: Annotated[float, Parameter("umol mol-1 delta_degC-1", (1.2, 2.3), "CO2 compensation point per degC", _normal(1.7, 0.085), level="global")] = 1.7
    energy_michaelis_co2: Annotated[float, Parameter("J mol-1", (4.5e4, 7.5e4), "activation energy of the Michaelis constant of CO2", _normal(59356.0, 2968.0), level="global")] = 59356.0
    energy_michaelis_oxygen: Annotated[float, Parameter("J mol-1", (2.6e4, 4.6e4), "activation energy of the Michaelis constant of oxygen", _normal(35948.0, 1797.0), level="global")] = 35948.0
    energy_vcmax: Annotated[float, Parameter("J mol-1", (4.3e4, 7.4e4), "activation energy of carboxylation", _normal(58520.0, 2926.0), level="global")] = 58520.0
    energy_respiration: Annotated[float, Parameter("J mol-1", (3.3e4, 5.7e4), "activation energy of dark respiration", _normal(45000.0, 2250.0), level="global")] = 45000.0
    leaf_respiration_share: Annotated[float, Parameter("1", (0.1, 0.9), "share of leaves in maintenance respiration", _normal(0.4, 0.1), level="global")] = 0.4
    growth_respiration_fraction: Annotated[float, Parameter("1", (0.15, 0.25), "growth respiration per assimilate that maintenance leaves", _normal(0.2, 0.01), level="global")] = 0.2
    lai_max: Annotated[float, Parameter("m2 m-2", (1.0, 8.0), "largest leaf area index", _normal(5.0, 0.25), level="pft")] = 5.0
    leaf_temperature: Annotated[float, Parameter("degC", (-5.0, 20.0), "mean temperature of a month above which half of the plants have leaves", _normal(10.0, 0.5), level="pft")] = 10.0
    leaf_temperature_range: Annotated[float, Parameter("delta_degC", (0.2, 4.0), "spread of that temperature among plants, 1.41 standard deviations", _normal(2.0, 0.1), level="pft")] = 2.0
    leaf_day_length: Annotated[float, Parameter("h", (6.0, 16.0), "day length above which half of the plants keep their leaves", _normal(10.5, 0.5), level="pft")] = 10.5
    leaf_day_length_range: Annotated[float, Parameter("h", (0.1, 2.0), "spread of that day length among plants, 1.41 standard deviations", _normal(0.5, 0.1), level="pft")] = 0.5
    leaf_growth_rate: Annotated[float, Parameter("d-1", (0.1, 1.0), "rate at which leaf area approaches its limit", _normal(0.5, 0.1), level="pft")] = 0.5
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (2e-3, 0.5), "rate at which leaves are shed where it is cold or dark", _normal(3e-3, 5e-4), level="pft")] = 3e-3
    water_use_time: Annotated[float, Parameter("d", (5.0, 400.0), "time for which leaves make the soil water last", Prior("log_normal", 90.0, 0.33), level="pft")] = 90.0
    root_supply: Annotated[float, Parameter("mm h-1", (0.05, 2.0), "transpiration that roots supply from wet soil", Prior("log_normal", 0.5, 0.4), level="pft")] = 0.5
    water_capacity: Annotated[float, Parameter("mm", (30.0, 600.0), "water that the soil can hold for plants", _normal(150.0, 100.0))] = 150.0
    soil_albedo_wet: Annotated[float, Parameter("1", (0.03, 0.2), "albedo of wet soil", _UNIFORM)] = 0.08
    soil_albedo_dry: Annotated[float, Parameter("1", (0.05, 0.4), "albedo of dry soil", _UNIFORM)] = 0.16
    litter_q10: Annotated[float, Parameter("1", (1.0, 4.0), "factor of the decay of litter for ten degrees", _normal(1.5, 0.75), level="global")] = 1.5
    slow_q10: Annotated[float, Parameter("1", (1.0, 4.0), "factor of the respiration of the slow pool for ten degrees", _normal(1.5, 0.75), level="global")] = 1.5
    litter_turnover: Annotated[float, Parameter("a-1", (0.05, 3.0), "fraction of litter that decays per year in wet soil at 0 degC", _normal(0.66, 0.4), level="global")] = 0.66
    moisture_exponent: Annotated[float, Parameter("1", (0.05, 4.0), "exponent of soil wetness in decomposition", _normal(1.0, 1.0), level="global")] = 1.0
    slow_fraction: Annotated[float, Parameter("1", (0.01, 0.9), "fraction of decayed litter that becomes slow soil carbon", _normal(0.2, 0.2), level="global")] = 0.2
    litter_per_shed_leaf: Annotated[float, Parameter("1", (0.5, 50.0), "litter of all organs per litter of leaves", Prior("log_normal", 5.0, 0.7))] = 5.0
    slow_respiration: Annotated[float, Parameter("gC m-2 d-1", (0.01, 5.0), "respiration of the slow pool in wet soil at 0 degC", Prior("log_normal", 0.4, 0.7))] = 0.4
    specific_leaf_area: Annotated[float, Parameter("m2 kg-1", (3.0, 30.0), "leaf area per dry matter", _UNIFORM, level="pft", fixed=True)] = 4.1
    vegetation_height: Annotated[float, Parameter("m", (0.05, 50.0), "height of the vegetation", level="pft", fixed=True)] = 15.0
    internal_co2_ratio: Annotated[float, Parameter("1", (0.4, 0.95), "internal over ambient CO2 without water stress", _normal(0.65, 0.05), level="pft", fixed=True)] = 0.65
    nitrogen_decline: Annotated[float, Parameter("1", (0.0, 1.0), "how far leaf nitrogen follows the light in the canopy", _UNIFORM, level="pft", fixed=True)] = 1.0
    # fmt: on


C3_ONLY = ("jmax_ratio", "quantum_yield", "michaelis_co2", "michaelis_oxygen", "compensation_slope")
C3_ENERGIES = ("energy_michaelis_co2", "energy_michaelis_oxygen")


@extending(Parameters, without=(*C3_ONLY, *C3_ENERGIES))
class C4Parameters(NamedTuple):
    """Parameters of C4 plants."""

    # fmt: off
    pep_slope: Annotated[float, Parameter("mol m-2 s-1", (0.05, 0.4), "initial slope of assimilation with internal CO2 at 25 degC", _normal(0.14, 0.028), level="pft")] = 0.14
    quantum_yield_c4: Annotated[float, Parameter("1", (0.03, 0.055), "CO2 assimilated per absorbed photon in dim light", _normal(0.04, 0.002), level="global")] = 0.04
    internal_co2_ratio: Annotated[float, Parameter("1", (0.2, 0.8), "internal over ambient CO2 without water stress", _normal(0.37, 0.04), level="pft", fixed=True)] = 0.37
    energy_pep: Annotated[float, Parameter("J mol-1", (3.8e4, 6.4e4), "activation energy of the initial slope", _normal(50967.0, 2548.0), level="global")] = 50967.0
    # fmt: on


class _Wind(NamedTuple):
    # fmt: off
    typical_wind: Annotated[float, Parameter("m s-1", (0.5, 10.0), "wind speed above the canopy, which daily drivers do not have", _UNIFORM, fixed=True)] = 3.0
    # fmt: on


@extending(Parameters)
class DailyParameters(_Wind):
    """Parameters of C3 plants with daily drivers."""


@extending(C4Parameters)
class DailyC4Parameters(_Wind):
    """Parameters of C4 plants with daily drivers."""


class State(NamedTuple):
    """States; the declarations are those of the initial values."""

    # fmt: off
    leaf_area: Annotated[float, Parameter("m2 m-2", (1e-3, 8.0), "leaf area index at the start", _UNIFORM)] = 5.0
    temperature_memory: Annotated[float, Parameter("degC", (-40.0, 40.0), "mean temperature of about a month at the start", _UNIFORM, fixed=True)] = 5.0
    water_limited_area: Annotated[float, Parameter("m2 m-2", (0.0, 8.0), "mean leaf area that water allows over about a month at the start", _UNIFORM, fixed=True)] = 3.0
    largest_area_memory: Annotated[float, Parameter("m2 m-2", (0.0, 8.0), "memory of the largest leaf area at the start", _UNIFORM, fixed=True)] = 3.0
    crown_cover: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of the ground under crowns at the start", _UNIFORM, fixed=True)] = 1.0
    plant_available_water: Annotated[float, Parameter("mm", (5.0, 600.0), "water in the soil at the start", _UNIFORM)] = 100.0
    skin_water: Annotated[float, Parameter("mm", (0.0, 5.0), "water in the skin of the soil at the start", _UNIFORM, fixed=True)] = 2.0
    canopy_water: Annotated[float, Parameter("mm", (0.0, 1.0), "water on leaves at the start", _UNIFORM, fixed=True)] = 0.0
    snow_water: Annotated[float, Parameter("mm", (0.0, 500.0), "snow at the start, as water", _UNIFORM)] = 0.0
    snow_height: Annotated[float, Parameter("m", (0.0, 3.0), "height of snow at the start", _UNIFORM, fixed=True)] = 0.0
    snow_albedo: Annotated[float, Parameter("1", (0.1, 0.85), "albedo of snow at the start", _UNIFORM, fixed=True)] = 0.6
    litter_carbon: Annotated[float, Parameter("gC m-2", (10.0, 5000.0), "carbon in litter at the start")] = 500.0
    vegetation_carbon: Annotated[float, Parameter("gC m-2", (100.0, 3e4), "carbon in vegetation at the start; nothing depends on it", fixed=True)] = 5000.0
    slow_soil_carbon: Annotated[float, Parameter("gC m-2", (500.0, 5e4), "carbon in slow soil organic matter at the start; nothing depends on it", fixed=True)] = 1e4
    # fmt: on


class Nothing(NamedTuple):
    """The fast step has no memory."""


class DailyForcing(NamedTuple):
    """Drivers of one day, from which the course within it is made."""

    day_of_year: float
    latitude: float
    elevation: float
    co2: float
    air_temperature_min: float
    air_temperature_max: float
    shortwave_down: float
    precipitation: float


class WithinDayForcing(NamedTuple):
    """Drivers of one hour of a made-up course; all but the hour are those of the day."""

    day_of_year: float
    latitude: float
    elevation: float
    co2: float
    air_temperature_min: float
    air_temperature_max: float
    shortwave_down: float
    solar_hour: float


class DayForcing(NamedTuple):
    """Drivers of one day beside those of its hours."""

    day_of_year: float
    latitude: float
    co2: float
    precipitation: float


class HourlyForcing(NamedTuple):
    """Drivers of one hour, observed; the first three are those of the day."""

    day_of_year: float
    latitude: float
    co2: float
    solar_hour: float
    air_temperature: float
    shortwave_down: float
    longwave_down: float
    vapour_pressure_deficit: float
    air_pressure: float
    wind_speed: float


class FastFluxes(NamedTuple):
    """Fluxes of one hour."""

    subdaily_gpp: Any
    subdaily_maintenance_respiration: Any
    subdaily_growth_respiration: Any
    subdaily_transpiration: Any
    subdaily_interception_evaporation: Any
    subdaily_soil_evaporation: Any
    subdaily_sublimation: Any
    subdaily_transpiration_demand: Any
    subdaily_canopy_evaporation_potential: Any
    subdaily_soil_evaporation_potential: Any
    subdaily_net_radiation: Any
    subdaily_ground_heat: Any
    subdaily_latent_heat: Any
    subdaily_sensible_heat: Any
    subdaily_air_temperature: Any
    subdaily_canopy_temperature: Any
    subdaily_par_down: Any
    subdaily_par_absorbed: Any


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
    slow_soil_respiration: Any
    litterfall: Any
    leaf_litterfall: Any
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
