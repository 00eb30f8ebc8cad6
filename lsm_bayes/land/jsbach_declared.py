"""States, drivers and fluxes of JSBACH; parameters are in `jsbach_parameters`, plant functional types in `jsbach_types`."""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior, extending
from lsm_bayes.vocabulary import Quantity

_UNIFORM = Prior("uniform")


class State(NamedTuple):
    """States of all plants that change by day; the declarations are those of the initial values."""

    # fmt: off
    leaf_area: Annotated[float, Parameter("m2 m-2", (1e-3, 9.0), "leaf area index at the start")] = 4.0
    pseudo_soil_temperature: Annotated[float, Parameter("degC", (-30.0, 40.0), "air temperature that plants remember, at the start", _UNIFORM, fixed=True)] = 0.0
    temperature_memory: Annotated[float, Parameter("degC", (-30.0, 40.0), "mean air temperature of about a month at the start", _UNIFORM, fixed=True)] = 0.0
    precipitation_memory: Annotated[float, Parameter("mm d-1", (0.0, 30.0), "mean precipitation of about a month at the start", _UNIFORM, fixed=True)] = 2.0
    green_carbon: Annotated[float, Parameter("gC m-2", (1.0, 5000.0), "carbon in leaves, fine roots and sugars at the start")] = 1500.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (0.1, 5e4), "carbon in wood and coarse roots at the start")] = 8000.0
    reserve_carbon: Annotated[float, Parameter("gC m-2", (0.1, 3000.0), "carbon in the reserve at the start")] = 800.0
    leaf_acid_above: Annotated[float, Parameter("gC m-2", (0.1, 5000.0), "carbon of leaf litter above ground that acid dissolves, at the start")] = 150.0
    leaf_water_above: Annotated[float, Parameter("gC m-2", (0.01, 1000.0), "carbon of leaf litter above ground that water dissolves, at the start")] = 20.0
    leaf_ethanol_above: Annotated[float, Parameter("gC m-2", (0.1, 2000.0), "carbon of leaf litter above ground that ethanol dissolves, at the start")] = 60.0
    leaf_neutral_above: Annotated[float, Parameter("gC m-2", (0.1, 1e4), "carbon of leaf litter above ground that nothing dissolves, at the start")] = 900.0
    leaf_acid_below: Annotated[float, Parameter("gC m-2", (0.1, 5000.0), "carbon of leaf litter below ground that acid dissolves, at the start")] = 150.0
    leaf_water_below: Annotated[float, Parameter("gC m-2", (0.01, 1000.0), "carbon of leaf litter below ground that water dissolves, at the start")] = 25.0
    leaf_ethanol_below: Annotated[float, Parameter("gC m-2", (0.1, 2000.0), "carbon of leaf litter below ground that ethanol dissolves, at the start")] = 60.0
    leaf_neutral_below: Annotated[float, Parameter("gC m-2", (0.1, 1e4), "carbon of leaf litter below ground that nothing dissolves, at the start")] = 900.0
    leaf_humus: Annotated[float, Parameter("gC m-2", (10.0, 3e4), "carbon of leaf litter in humus at the start")] = 2500.0
    wood_acid_above: Annotated[float, Parameter("gC m-2", (0.1, 5000.0), "carbon of dead wood above ground that acid dissolves, at the start")] = 200.0
    wood_water_above: Annotated[float, Parameter("gC m-2", (0.01, 1000.0), "carbon of dead wood above ground that water dissolves, at the start")] = 20.0
    wood_ethanol_above: Annotated[float, Parameter("gC m-2", (0.1, 2000.0), "carbon of dead wood above ground that ethanol dissolves, at the start")] = 25.0
    wood_neutral_above: Annotated[float, Parameter("gC m-2", (0.1, 1e4), "carbon of dead wood above ground that nothing dissolves, at the start")] = 1200.0
    wood_acid_below: Annotated[float, Parameter("gC m-2", (0.1, 5000.0), "carbon of dead wood below ground that acid dissolves, at the start")] = 80.0
    wood_water_below: Annotated[float, Parameter("gC m-2", (0.01, 1000.0), "carbon of dead wood below ground that water dissolves, at the start")] = 8.0
    wood_ethanol_below: Annotated[float, Parameter("gC m-2", (0.1, 2000.0), "carbon of dead wood below ground that ethanol dissolves, at the start")] = 10.0
    wood_neutral_below: Annotated[float, Parameter("gC m-2", (0.1, 1e4), "carbon of dead wood below ground that nothing dissolves, at the start")] = 500.0
    wood_humus: Annotated[float, Parameter("gC m-2", (10.0, 3e4), "carbon of dead wood in humus at the start")] = 1500.0
    # fmt: on


@extending(State)
class SeasonState(NamedTuple):
    """States of evergreens and summergreens."""

    # fmt: off
    resting: Annotated[float, Parameter("1", (0.0, 0.98), "fraction of plants at rest at the start", _UNIFORM, fixed=True)] = 0.0
    growing: Annotated[float, Parameter("1", (0.0, 0.02), "fraction of plants with growing leaves at the start", _UNIFORM, fixed=True)] = 0.0
    leaf_clock: Annotated[float, Parameter("d", (0.0, 365.0), "time since bud burst at the start", _UNIFORM, fixed=True)] = 200.0
    heat_counting: Annotated[float, Parameter("1", (0.0, 1.0), "whether the heat sum has begun at the start", _UNIFORM, fixed=True)] = 0.0
    heat_sum: Annotated[float, Parameter("delta_degC d", (0.0, 500.0), "heat sum at the start", _UNIFORM, fixed=True)] = 0.0
    chill_days: Annotated[float, Parameter("d", (0.0, 365.0), "days of chill at the start", _UNIFORM, fixed=True)] = 0.0
    # fmt: on


@extending(State)
class CropState(NamedTuple):
    """States of crops."""

    # fmt: off
    crop_phase: Annotated[float, Parameter("1", (-2.0, 2.0), "phase of crops at the start", _UNIFORM, fixed=True)] = -1.0
    heat_sum: Annotated[float, Parameter("delta_degC d", (0.0, 6000.0), "heat sum since spring at the start", _UNIFORM, fixed=True)] = 0.0
    winter_heat_sum: Annotated[float, Parameter("delta_degC d", (-3000.0, 3000.0), "heat sum since autumn at the start", _UNIFORM, fixed=True)] = 0.0
    harvested_carbon: Annotated[float, Parameter("gC m-2", (1e-3, 2000.0), "carbon in the harvest at the start")] = 100.0
    # fmt: on


STATES: dict[str, Any] = {"evergreen": SeasonState, "summergreen": SeasonState, "raingreen": State, "grass": State, "crop": CropState}


class FastState(NamedTuple):
    """States that change by hour; layers are counted from above."""

    # fmt: off
    skin_water: Annotated[float, Parameter("mm", (0.0, 2.0), "water on leaves and soil at the start", _UNIFORM, fixed=True)] = 0.0
    snow_water: Annotated[float, Parameter("mm", (0.0, 500.0), "snow at the start, as water", _UNIFORM)] = 0.0
    soil_water_1: Annotated[float, Parameter("mm", (0.5, 26.0), "water of soil layer 1 at the start", _UNIFORM, fixed=True)] = 17.0
    soil_water_2: Annotated[float, Parameter("mm", (5.0, 100.0), "water of soil layer 2 at the start", _UNIFORM, fixed=True)] = 70.0
    soil_water_3: Annotated[float, Parameter("mm", (30.0, 365.0), "water of soil layer 3 at the start", _UNIFORM)] = 255.0
    soil_water_4: Annotated[float, Parameter("mm", (100.0, 1160.0), "water of soil layer 4 at the start", _UNIFORM, fixed=True)] = 800.0
    soil_water_5: Annotated[float, Parameter("mm", (200.0, 2280.0), "water of soil layer 5 at the start", _UNIFORM, fixed=True)] = 1550.0
    soil_temperature_1: Annotated[float, Parameter("degC", (-40.0, 40.0), "temperature of the surface at the start", _UNIFORM, fixed=True)] = 0.0
    soil_temperature_2: Annotated[float, Parameter("degC", (-30.0, 35.0), "temperature of soil layer 2 at the start", _UNIFORM, fixed=True)] = 1.0
    soil_temperature_3: Annotated[float, Parameter("degC", (-20.0, 32.0), "temperature of soil layer 3 at the start", _UNIFORM, fixed=True)] = 3.0
    soil_temperature_4: Annotated[float, Parameter("degC", (-15.0, 30.0), "temperature of soil layer 4 at the start", _UNIFORM, fixed=True)] = 5.0
    soil_temperature_5: Annotated[float, Parameter("degC", (-15.0, 30.0), "temperature of soil layer 5 at the start", _UNIFORM, fixed=True)] = 5.0
    # fmt: on


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
    precipitation: float
    solar_hour: float


class DayForcing(NamedTuple):
    """Drivers of one day beside those of its hours."""

    day_of_year: float
    latitude: float
    co2: float
    precipitation: float


class HourlyForcing(NamedTuple):
    """Drivers of one hour, observed; the first four are those of the day."""

    day_of_year: float
    latitude: float
    co2: float
    precipitation: float
    solar_hour: float
    air_temperature: float
    shortwave_down: float
    longwave_down: float
    vapour_pressure_deficit: float
    air_pressure: float
    wind_speed: float


def _mean(name: str, unit: str, what: str) -> Quantity:
    return Quantity(name, unit, f"{what}, mean of a step shorter than a day")


class FastFluxes(NamedTuple):
    """Fluxes of one hour."""

    # fmt: off
    subdaily_gpp: Any
    subdaily_maintenance_respiration: Any
    subdaily_growth_respiration: Any
    subdaily_transpiration: Any
    subdaily_interception_evaporation: Any
    subdaily_soil_evaporation: Any
    subdaily_sublimation: Any
    subdaily_net_radiation: Any
    subdaily_latent_heat: Any
    subdaily_sensible_heat: Any
    subdaily_ground_heat: Any
    subdaily_air_temperature: Any
    subdaily_par_down: Any
    subdaily_par_absorbed: Any
    subdaily_snow_melt: Annotated[Any, _mean("subdaily_snow_melt", "mm d-1", "melt of snow")]
    subdaily_snowfall: Annotated[Any, _mean("subdaily_snowfall", "mm d-1", "precipitation that falls as snow")]
    subdaily_throughfall: Annotated[Any, _mean("subdaily_throughfall", "mm d-1", "rain that reaches the ground")]
    subdaily_surface_runoff: Annotated[Any, _mean("subdaily_surface_runoff", "mm d-1", "water that leaves without entering the soil")]
    subdaily_drainage: Annotated[Any, _mean("subdaily_drainage", "mm d-1", "water that drains from the soil")]
    subdaily_skin_temperature: Annotated[Any, _mean("subdaily_skin_temperature", "degC", "temperature of the surface")]
    subdaily_soil_moisture_stress: Annotated[Any, _mean("subdaily_soil_moisture_stress", "1", "factor of stomatal conductance with soil water")]
    subdaily_soil_wetness: Annotated[Any, _mean("subdaily_soil_wetness", "1", "water of the root zone over field capacity")]
    # fmt: on


class Fluxes(NamedTuple):
    """Fluxes of one day; leaf area and absorbed light are those of its exchange."""

    # fmt: off
    nee: Any
    gpp: Any
    npp: Any
    reco: Any
    autotrophic_respiration: Any
    maintenance_respiration: Any
    growth_respiration: Any
    heterotrophic_respiration: Any
    litterfall: Any
    wood_litterfall: Any
    allocation_to_wood_pool: Annotated[Any, Quantity("allocation_to_wood_pool", "gC m-2 d-1", "growth of the wood pool, without its litter")]
    evapotranspiration: Any
    transpiration: Any
    interception_evaporation: Any
    soil_evaporation: Any
    sublimation: Any
    net_radiation: Any
    latent_heat: Any
    sensible_heat: Any
    ground_heat: Any
    melt_heat: Annotated[Any, Quantity("melt_heat", "W m-2", "heat that melts snow", "positive into the snow")]
    skin_temperature: Any
    lai: Any
    fapar: Any
    soil_moisture_stress: Any
    precipitation: Any
    snowfall: Any
    snow_melt: Any
    throughfall: Any
    surface_runoff: Any
    drainage: Any
    runoff: Any
    # fmt: on
