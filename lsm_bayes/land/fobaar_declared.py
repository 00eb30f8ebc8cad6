"""Parameters, pools, drivers and fluxes of FöBAAR; the step is in `lsm_bayes.land.fobaar`."""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior

WARM = 100.0  # degC, above any temperature
_UNIFORM = Prior("uniform")


class Parameters(NamedTuple):
    """Parameters; bounds are those of the source for FR-Hes, rates turned into fractions per day at 0 degC."""

    # One parameter a line.
    # fmt: off
    decomposition_rate: Annotated[float, Parameter("d-1", (5e-7, 0.05), "litter decomposed to soil organic matter per day at 0 degC")] = 6e-4
    decomposition_temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.01, 0.1), "temperature sensitivity of the decomposition of litter to soil organic matter", _UNIFORM, level="pft")] = 0.05
    growth_respiration_fraction: Annotated[float, Parameter("1", (0.1, 0.5), "fraction of assimilation after leaf respiration that is respired for growth and maintenance", _UNIFORM, level="pft")] = 0.3
    f_foliage: Annotated[float, Parameter("1", (0.1, 1.0), "fraction of NPP allocated to leaves while they are put out", _UNIFORM, level="pft")] = 0.4
    f_roots: Annotated[float, Parameter("1", (0.2, 0.8), "fraction to fine roots of the NPP that leaves leave over; wood takes the rest", _UNIFORM, level="pft")] = 0.5
    leaf_fall_rate: Annotated[float, Parameter("d-1", (1e-6, 0.63), "fraction of leaves lost per day while they fall", level="pft")] = 0.05
    wood_turnover: Annotated[float, Parameter("d-1", (1e-8, 1e-3), "fraction of wood lost per day", level="pft")] = 3e-5
    root_turnover: Annotated[float, Parameter("d-1", (1e-8, 0.1), "fraction of fine roots lost per day", level="pft")] = 1e-3
    litter_mineralisation: Annotated[float, Parameter("d-1", (1.2e-6, 1.2), "fraction of litter respired per day at 0 degC", level="pft")] = 7e-4
    litter_temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.001, 0.1), "temperature sensitivity of litter respiration", _UNIFORM, level="pft")] = 0.05
    microbial_mineralisation: Annotated[float, Parameter("d-1", (1.2e-5, 0.12), "fraction of microbial carbon respired per day at 0 degC", level="pft")] = 3e-3
    slow_mineralisation: Annotated[float, Parameter("d-1", (1.2e-9, 1.2), "fraction of slow soil organic matter respired per day at 0 degC", level="pft")] = 1.5e-5
    passive_mineralisation: Annotated[float, Parameter("d-1", (1.2e-11, 1.2e-4), "fraction of passive soil organic matter respired per day at 0 degC", level="pft")] = 4e-6
    soil_temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.01, 0.5), "temperature sensitivity of the respiration of soil organic matter", _UNIFORM, level="pft")] = 0.07
    microbial_transfer: Annotated[float, Parameter("1", (0.03, 0.8), "carbon passed from microbes to slow soil organic matter per carbon respired by them", _UNIFORM, level="pft")] = 0.3
    slow_transfer: Annotated[float, Parameter("1", (0.1, 0.8), "carbon passed from slow to passive soil organic matter per carbon respired by the slow", _UNIFORM, level="pft")] = 0.3
    root_respiration_rate: Annotated[float, Parameter("d-1", (1.2e-6, 1.2), "fraction of root carbon respired per day at 0 degC", level="pft")] = 5e-4
    root_temperature_exponent: Annotated[float, Parameter("1 / delta_degC", (0.05, 0.5), "temperature sensitivity of root respiration", _UNIFORM, level="pft")] = 0.08
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (10.0, 100.0), "leaf carbon per leaf area", _UNIFORM, level="pft")] = 40.0
    vcmax25: Annotated[float, Parameter("umol m-2 s-1", (30.0, 100.0), "largest rate of carboxylation at 25 degC per leaf area", _UNIFORM, level="pft")] = 60.0
    electron_transport_curvature: Annotated[float, Parameter("1", (0.4, 0.7), "curvature of the response of electron transport to light", _UNIFORM, level="pft")] = 0.6
    stomatal_slope: Annotated[float, Parameter("1", (4.0, 10.0), "slope of stomatal conductance with assimilation", _UNIFORM, level="pft")] = 7.0
    vpd_sensitivity: Annotated[float, Parameter("kPa", (0.2, 1.2), "vapour pressure deficit that halves stomatal conductance", _UNIFORM, level="pft")] = 0.7
    leaf_respiration25: Annotated[float, Parameter("umol m-2 s-1", (0.001, 0.011), "dark respiration of leaves at 25 degC", _UNIFORM, level="pft")] = 0.005
    leaf_respiration_q10: Annotated[float, Parameter("1", (0.4, 2.8), "factor of dark respiration for ten degrees", _UNIFORM, level="pft")] = 2.0
    photosynthesis_degree_days: Annotated[float, Parameter("delta_degC d", (100.0, 600.0), "degree-days at which photosynthetic capacity is full", _UNIFORM, level="pft")] = 300.0
    budburst_degree_days: Annotated[float, Parameter("delta_degC d", (50.0, 400.0), "degree-days of bud burst; without gradient unless smooth", _UNIFORM)] = 200.0
    degree_day_start: Annotated[float, Parameter("d", (60.0, 120.0), "day of the year from which degree-days of bud burst count; without gradient unless smooth", _UNIFORM)] = 90.0
    leaf_drop_temperature: Annotated[float, Parameter("degC", (0.1, 18.0), "mean minimum temperature of ten days below which leaves begin to fall; without gradient unless smooth", _UNIFORM)] = 7.0
    leaf_shed_fraction: Annotated[float, Parameter("1", (0.3, 0.8), "fraction of the carbon of falling leaves that becomes litter; the labile pool takes the rest", _UNIFORM, level="pft")] = 0.6
    labile_release_rate: Annotated[float, Parameter("d-1", (0.0316, 0.317), "fraction of the labile pool moved to leaves per day while they are put out", level="pft")] = 0.1
    drought_threshold: Annotated[float, Parameter("1", (0.0, 1.0), "soil water per holding capacity below which photosynthesis is limited", _UNIFORM)] = 0.4
    drainage_fraction: Annotated[float, Parameter("d-1", (0.001, 0.05), "fraction of soil water drained per day")] = 0.01
    water_holding_capacity: Annotated[float, Parameter("mm", (200.0, 800.0), "water that the soil can hold for plants", _UNIFORM)] = 400.0
    # fmt: on


class State(NamedTuple):
    """Pools and memories; the declarations are those of the initial values. A run is best started on 1 January, without leaves."""

    # fmt: off
    foliage_carbon: Annotated[float, Parameter("gC m-2", (0.0, 400.0), "carbon in leaves at the start", _UNIFORM)] = 0.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (500.0, 3e4), "carbon in wood at the start")] = 8000.0
    root_carbon: Annotated[float, Parameter("gC m-2", (50.0, 2000.0), "carbon in fine roots at the start")] = 500.0
    labile_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1000.0), "carbon in the labile pool at the start")] = 120.0
    litter_carbon: Annotated[float, Parameter("gC m-2", (50.0, 2000.0), "carbon in litter at the start")] = 400.0
    microbial_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1000.0), "carbon in microbes at the start")] = 100.0
    slow_soil_carbon: Annotated[float, Parameter("gC m-2", (500.0, 2e4), "carbon in slow soil organic matter at the start")] = 5000.0
    passive_soil_carbon: Annotated[float, Parameter("gC m-2", (500.0, 2e4), "carbon in passive soil organic matter at the start")] = 5000.0
    plant_available_water: Annotated[float, Parameter("mm", (50.0, 800.0), "water in the soil at the start", _UNIFORM)] = 400.0
    budburst_warmth: Annotated[float, Parameter("delta_degC d", (0.0, 400.0), "degree-days of bud burst at the start", _UNIFORM)] = 0.0
    photosynthesis_warmth: Annotated[float, Parameter("delta_degC d", (0.0, 600.0), "degree-days of photosynthetic capacity at the start", _UNIFORM)] = 0.0
    autumn_minimum: Annotated[float, Parameter("degC", (-30.0, WARM), "lowest ten-day mean of the minimum temperature since day 200 at the start; no autumn yet at its upper bound", _UNIFORM)] = WARM
    # fmt: on


class Nothing(NamedTuple):
    """The fast step has no memory."""


class Forcing(NamedTuple):
    """Drivers of one day."""

    day_of_year: float
    air_temperature_min: float
    air_temperature_max: float
    air_temperature_min_ten_day_mean: float
    precipitation: float
    co2: float
    latitude: float


class FastForcing(NamedTuple):
    """Drivers of one step within the day; the first five are those of the day."""

    day_of_year: float
    air_temperature_min: float
    air_temperature_max: float
    co2: float
    latitude: float
    solar_hour: float
    air_temperature: float
    soil_temperature: float
    ppfd_down: float
    vapour_pressure_deficit: float


class FastFluxes(NamedTuple):
    """Fluxes of one step within the day."""

    subdaily_nee: Any
    subdaily_gpp: Any
    subdaily_leaf_respiration: Any
    subdaily_root_respiration: Any
    subdaily_litter_respiration: Any
    subdaily_microbial_respiration: Any
    subdaily_slow_soil_respiration: Any
    subdaily_passive_soil_respiration: Any
    subdaily_evapotranspiration: Any


class Fluxes(NamedTuple):
    """Fluxes of one day; LAI at its start."""

    nee: Any
    gpp: Any
    reco: Any
    lai: Any
    evapotranspiration: Any
    autotrophic_respiration: Any
    heterotrophic_respiration: Any
    litter_respiration: Any
    root_respiration: Any
    soil_efflux: Any
    allocation_to_foliage: Any
    allocation_to_roots: Any
    allocation_to_wood: Any
    labile_release: Any
    leaf_retranslocation: Any
    leaf_litterfall: Any
    root_litterfall: Any
    wood_litterfall: Any
    litter_decomposition: Any
    leaf_out_weight: Any
    leaf_fall_weight: Any
    unsupplied_carbon: Any
    precipitation: Any
    runoff: Any
    drainage_plant_available: Any
