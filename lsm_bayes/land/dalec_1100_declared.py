"""Parameters, states, forcing and fluxes of DALEC 1100; the models are in `dalec_1100.py`, the step in `dalec_1100_step.py`.

Layers of soil are numbered from above. Water and heat of the soil are declared per pore volume and per mass of water, so that the
bounds of the initial values hold for soils of any depth: see `processes/soil_heat.py`.
"""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter


class Parameters(NamedTuple):
    """Parameters; bounds are those of CARDAMOM."""

    # One parameter a line.
    # fmt: off
    vcmax_25: Annotated[float, Parameter("umol m-2 s-1", (1.0, 150.0), "largest rate of carboxylation by Rubisco of leaves at 25 degC", level="pft")] = 55.0
    vcmax_q10: Annotated[float, Parameter("1", (1.0, 5.0), "factor of carboxylation for 10 K", level="pft")] = 2.0
    cold_inhibition: Annotated[float, Parameter("K", (213.15, 286.15), "air temperature below which carboxylation is inhibited", level="pft")] = 273.15
    heat_inhibition: Annotated[float, Parameter("K", (249.15, 318.15), "air temperature above which carboxylation is inhibited", level="pft")] = 311.15
    cold_stress_full: Annotated[float, Parameter("K", (258.15, 273.15), "daily minimum of air temperature below which there is no photosynthesis", level="pft")] = 268.15
    cold_stress_none: Annotated[float, Parameter("K", (273.15, 288.15), "daily minimum of air temperature above which photosynthesis is not reduced", level="pft")] = 278.15
    dark_respiration_ratio: Annotated[float, Parameter("1", (0.005, 0.025), "dark respiration of leaves over carboxylation at 25 degC", level="pft")] = 0.015
    dark_respiration_q10: Annotated[float, Parameter("1", (1.0, 5.0), "factor of the dark respiration for 10 K", level="pft")] = 2.0
    stomatal_slope: Annotated[float, Parameter("kPa**0.5", (1.79, 5.79), "slope of stomatal conductance with assimilation (Medlyn)", level="pft")] = 3.0
    aerodynamic_conductance: Annotated[float, Parameter("m s-1", (0.001, 10.0), "conductance of the air above the canopy to water vapour")] = 0.02
    clumping_index: Annotated[float, Parameter("1", (0.35, 1.0), "clumping of leaves, 1 where they are spread at random", level="pft")] = 0.8
    leaf_reflectance_par: Annotated[float, Parameter("1", (0.05, 0.5), "reflectance in photosynthetically active radiation", level="pft")] = 0.1
    leaf_reflectance_nir: Annotated[float, Parameter("1", (0.3, 0.7), "reflectance in the near infrared", level="pft")] = 0.45
    stress_suction: Annotated[float, Parameter("MPa", (0.1, 30.0), "soil suction that halves photosynthesis and transpiration", level="pft")] = 1.5
    stress_steepness: Annotated[float, Parameter("1", (4.1, 50.0), "steepness of water stress with relative suction", level="pft")] = 6.0
    mortality_suction: Annotated[float, Parameter("MPa", (0.1, 30.0), "soil suction at which half of the plants die of hydraulic failure in a month", level="pft")] = 8.0
    mortality_steepness: Annotated[float, Parameter("1", (4.1, 50.0), "steepness of hydraulic failure with relative suction", level="pft")] = 8.0
    deep_root_fraction: Annotated[float, Parameter("1", (0.001, 1.0), "density of roots in layer 2 as a fraction of that in layer 1", level="pft")] = 0.5
    rain_for_full_evaporation: Annotated[float, Parameter("mm d-1", (0.01, 100.0), "precipitation from which on soil evaporates at the full rate")] = 5.0
    phenology_temperature: Annotated[float, Parameter("K", (268.15, 323.15), "mean air temperature of a month at which half of the plants have leaves", level="pft")] = 283.15
    phenology_temperature_spread: Annotated[float, Parameter("K", (0.1, 10.0), "standard deviation of that temperature between plants", level="pft")] = 2.0
    phenology_day_length: Annotated[float, Parameter("h", (2.0, 22.0), "day length at which half of the plants have leaves", level="pft")] = 11.0
    phenology_day_length_spread: Annotated[float, Parameter("h", (0.1, 6.0), "standard deviation of that day length between plants", level="pft")] = 1.0
    leaf_growth_rate: Annotated[float, Parameter("d-1", (0.001, 0.5), "rate at which leaf area nears its limit in season", level="pft")] = 0.05
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (0.001, 0.5), "rate at which leaf area vanishes out of season", level="pft")] = 0.08
    largest_lai: Annotated[float, Parameter("m2 m-2", (0.1, 10.0), "leaf area index that water does not limit", level="pft")] = 5.0
    water_use_time: Annotated[float, Parameter("d", (0.1, 300.0), "time for which plants keep soil water at the rate of transpiration", level="pft")] = 60.0
    leaf_mass_area: Annotated[float, Parameter("gC m-2", (5.0, 200.0), "leaf carbon per leaf area", level="pft")] = 60.0
    root_to_leaf_demand: Annotated[float, Parameter("1", (1e-4, 5.0), "demand of roots in a month as a fraction of the leaf carbon aimed at", level="pft")] = 0.2
    wood_to_leaf_demand: Annotated[float, Parameter("1", (1e-4, 50.0), "demand of wood in a month as a fraction of the leaf carbon aimed at", level="pft")] = 0.5
    growth_efficiency: Annotated[float, Parameter("1", (0.6, 0.95), "fraction of the carbon used for growth that becomes tissue", level="global")] = 0.8
    root_maintenance_rate: Annotated[float, Parameter("d-1", (1e-4, 0.01), "maintenance respiration of roots per carbon at 25 degC", level="pft")] = 1e-3
    wood_maintenance_rate: Annotated[float, Parameter("d-1", (1e-6, 0.005), "maintenance respiration of wood per carbon at 25 degC", level="pft")] = 5e-5
    maintenance_q10: Annotated[float, Parameter("1", (1.0, 5.0), "factor of the maintenance respiration for 10 K", level="global")] = 2.0
    labile_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of labile carbon lost per day", level="pft")] = 1e-3
    foliage_turnover: Annotated[float, Parameter("d-1", (6.8e-4, 0.0334), "fraction of leaves lost per day beside phenology", level="pft")] = 1.5e-3
    root_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of fine roots lost per day", level="pft")] = 2e-3
    wood_turnover: Annotated[float, Parameter("d-1", (2.5e-5, 0.01), "fraction of wood lost per day", level="pft")] = 1e-4
    woody_debris_turnover: Annotated[float, Parameter("d-1", (5e-5, 0.05), "fraction of coarse woody debris decomposed per day at 25 degC")] = 1e-3
    litter_turnover: Annotated[float, Parameter("d-1", (1e-4, 0.1), "fraction of litter decomposed per day at 25 degC")] = 4e-3
    soil_turnover: Annotated[float, Parameter("d-1", (1e-7, 0.01), "fraction of soil organic matter respired per day at 25 degC")] = 1e-4
    woody_debris_to_soil: Annotated[float, Parameter("1", (0.01, 0.99), "fraction of decomposed woody debris that becomes soil organic matter")] = 0.3
    litter_to_soil: Annotated[float, Parameter("1", (0.01, 0.99), "fraction of decomposed litter that becomes soil organic matter")] = 0.3
    decomposition_q10: Annotated[float, Parameter("1", (1.0, 5.0), "factor of decomposition for 10 K", level="global")] = 1.8
    saturation_exponent: Annotated[float, Parameter("1", (1.0, 100.0), "power of relative soil moisture in the saturated fraction of the soil")] = 10.0
    optimal_moisture: Annotated[float, Parameter("1", (0.2, 1.0), "relative moisture of aerated soil at which it decomposes most")] = 0.65
    saturated_decomposition: Annotated[float, Parameter("1", (0.01, 1.0), "decomposition in saturated soil as a fraction of the largest")] = 0.3
    methane_fraction: Annotated[float, Parameter("1", (0.001, 0.9), "fraction of methane in anaerobic respiration at 25 degC")] = 0.05
    methane_q10: Annotated[float, Parameter("1", (1.0, 5.0), "factor of the fraction of methane for 10 K", level="global")] = 2.5
    foliar_combustion_completeness: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of leaves that fire emits where it burns", level="pft")] = 0.8
    ligneous_combustion_completeness: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of wood, roots, labile carbon and woody debris that fire emits where it burns", level="pft")] = 0.2
    soil_combustion_completeness: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of soil organic matter that fire emits where it burns", level="pft")] = 0.1
    fire_resilience: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of what fire reaches and does not emit that survives", level="pft")] = 0.5
    retention_exponent: Annotated[float, Parameter("1", (1.5, 10.0), "power of relative soil moisture in suction (Campbell b)")] = 4.0
    saturated_conductivity: Annotated[float, Parameter("m s-1", (1e-9, 1e-4), "hydraulic conductivity of saturated soil")] = 1e-6
    largest_infiltration: Annotated[float, Parameter("mm d-1", (1.0, 100.0), "infiltration that abundant water tends to")] = 20.0
    field_capacity_suction: Annotated[float, Parameter("MPa", (0.01, 0.1), "suction above which soil does not drain")] = 0.033
    drained_fraction: Annotated[float, Parameter("1", (0.01, 1.0), "fraction of the water beyond field capacity that saturated soil loses in a month")] = 0.3
    porosity_1: Annotated[float, Parameter("1", (0.2, 0.98), "pore volume of layer 1")] = 0.5
    porosity_2: Annotated[float, Parameter("1", (0.2, 0.98), "pore volume of layer 2")] = 0.45
    porosity_3: Annotated[float, Parameter("1", (0.2, 0.8), "pore volume of layer 3")] = 0.4
    thickness_1: Annotated[float, Parameter("m", (0.01, 1.0), "thickness of layer 1")] = 0.3
    thickness_2: Annotated[float, Parameter("m", (0.01, 20.0), "thickness of layer 2")] = 1.0
    thickness_3: Annotated[float, Parameter("m", (0.01, 100.0), "thickness of layer 3")] = 3.0
    dry_heat_capacity_1: Annotated[float, Parameter("J m-3 K-1", (1.3e6, 3e6), "heat capacity of dry soil, layer 1")] = 2e6
    dry_heat_capacity_2: Annotated[float, Parameter("J m-3 K-1", (1.3e6, 3e6), "heat capacity of dry soil, layer 2")] = 2e6
    dry_heat_capacity_3: Annotated[float, Parameter("J m-3 K-1", (1.3e6, 3e6), "heat capacity of dry soil, layer 3")] = 2e6
    soil_heat_conductivity: Annotated[float, Parameter("W m-1 K-1", (0.3, 2.0), "heat conductivity between soil layers")] = 1.2
    surface_heat_conductivity: Annotated[float, Parameter("W m-1 K-1", (0.3, 2.0), "heat conductivity from the surface to the middle of layer 1")] = 0.5
    melt_onset: Annotated[float, Parameter("K", (263.15, 283.15), "skin temperature above which snow melts")] = 272.15
    melt_slope: Annotated[float, Parameter("K-1", (1e-5, 1.0), "fraction of the snow that melts in a month per kelvin above the onset")] = 0.05
    half_cover_snow: Annotated[float, Parameter("mm", (10.0, 1000.0), "snow water at which half of the ground is covered")] = 100.0
    sublimation_rate: Annotated[float, Parameter("mm m2 MJ-1", (0.001, 10.0), "sublimation of full snow cover per shortwave radiation")] = 0.02
    # fmt: on


class State(NamedTuple):
    """Pools and memories; the declarations are those of the initial values."""

    # fmt: off
    labile_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e5), "carbon in the labile pool at the start")] = 300.0
    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in leaves at the start")] = 90.0
    root_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in fine roots at the start")] = 150.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e5), "carbon in wood at the start")] = 6000.0
    woody_debris_carbon: Annotated[float, Parameter("gC m-2", (1.0, 1e5), "carbon in coarse woody debris at the start")] = 800.0
    litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 4000.0), "carbon in litter at the start")] = 200.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e5), "carbon in soil organic matter at the start")] = 9000.0
    relative_moisture_1: Annotated[float, Parameter("1", (0.01, 1.0), "water per pore volume in layer 1 at the start")] = 0.6
    relative_moisture_2: Annotated[float, Parameter("1", (0.01, 1.0), "water per pore volume in layer 2 at the start")] = 0.65
    relative_moisture_3: Annotated[float, Parameter("1", (0.01, 1.0), "water per pore volume in layer 3 at the start")] = 0.7
    snow_water: Annotated[float, Parameter("mm", (1e-6, 1e4), "water in snow at the start")] = 20.0
    water_energy_1: Annotated[float, Parameter("J kg-1", (4.67e5, 1.11e6), "energy of the water in layer 1 above ice at 0 K, at the start: 5.7e5 to 9.1e5 while it melts")] = 9.4e5
    water_energy_2: Annotated[float, Parameter("J kg-1", (4.67e5, 1.11e6), "energy of the water in layer 2 above ice at 0 K, at the start")] = 9.4e5
    water_energy_3: Annotated[float, Parameter("J kg-1", (4.67e5, 1.11e6), "energy of the water in layer 3 above ice at 0 K, at the start")] = 9.4e5
    temperature_memory: Annotated[float, Parameter("K", (268.14, 323.15), "mean air temperature of the month before the start")] = 280.0
    leaf_area_memory: Annotated[float, Parameter("1", (0.01, 1.0), "leaf area that water allows, mean of the month before the start, as a fraction of the largest")] = 0.6
    # fmt: on


class Forcing(NamedTuple):
    """Drivers of one step; those behind the step length are made from the others where data do not give them."""

    air_temperature_min: float
    air_temperature_max: float
    shortwave_down: float
    longwave_down: float
    vapour_pressure_deficit: float
    precipitation: float
    co2: float
    burned_area: float
    day_of_year: float
    latitude: float
    step_length: float
    skin_temperature: float
    snowfall: float
    disturbance_removal: float
    yield_removal: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; properties of canopy, snow and soil are those at its start."""

    nee: Any
    nbe: Any
    gpp: Any
    reco: Any
    lai: Any
    autotrophic_respiration: Any
    dark_respiration: Any
    maintenance_respiration: Any
    growth_respiration: Any
    heterotrophic_respiration: Any
    methane_emission: Any
    aerobic_factor: Any
    anaerobic_factor: Any
    methane_share: Any
    allocation_to_foliage: Any
    allocation_to_roots: Any
    allocation_to_wood: Any
    target_lai: Any
    phenology_warmth: Any
    phenology_daylight: Any
    water_limited_lai: Any
    leaf_senescence: Any
    labile_litterfall: Any
    leaf_litterfall: Any
    root_litterfall: Any
    wood_litterfall: Any
    woody_debris_decomposition: Any
    litter_decomposition: Any
    fire_emission: Any
    fire_emission_labile: Any
    fire_emission_foliage: Any
    fire_emission_root: Any
    fire_emission_wood: Any
    fire_emission_woody_debris: Any
    fire_emission_litter: Any
    fire_emission_soil: Any
    fire_woody_debris_to_soil: Any
    fire_litter_to_soil: Any
    biomass_removal: Any
    photosynthesis_stress: Any
    leaf_starvation: Any
    starvation: Any
    hydraulic_mortality: Any
    evapotranspiration: Any
    transpiration: Any
    transpiration_1: Any
    transpiration_2: Any
    soil_evaporation: Any
    sublimation: Any
    rainfall: Any
    snowfall: Any
    snow_melt: Any
    infiltration: Any
    surface_runoff: Any
    runoff: Any
    drainage_1: Any
    drainage_2: Any
    drainage_3: Any
    water_flow_1_2: Any
    water_flow_2_3: Any
    net_radiation: Any
    latent_heat: Any
    sensible_heat: Any
    ground_heat: Any
    heat_flow_1_2: Any
    heat_flow_2_3: Any
    soil_heat_gain: Any
    infiltration_heat: Any
    water_loss_heat: Any
    snow_cover_fraction: Any
    soil_temperature_1: Any
    soil_temperature_2: Any
    soil_temperature_3: Any
    liquid_fraction_1: Any
    liquid_fraction_2: Any
    liquid_fraction_3: Any
    soil_water_1: Any
    soil_water_2: Any
    soil_water_3: Any
