"""Every physical quantity once: name, unit, sign convention and the names others use for it.

The names are the ones used in process models, observation streams, data sets and reports. Carbon fluxes follow the
convention of the eddy-covariance community: GPP and RECO are positive numbers, NEE and NBE are positive when carbon
goes to the atmosphere.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pint

CARBON_MOLAR_MASS = 12.011  # g mol-1
SUBSTEP = "substep"  # dimension of the times within a step, for process models with a nested step


@dataclass(frozen=True, slots=True)
class Quantity:
    """One physical quantity.

    Parameters
    ----------
    name : str
        Name used throughout the package, lower case with underscores.
    unit : str
        Unit in the notation of the CF conventions, such as ``"gC m-2 d-1"``; ``"1"`` for dimensionless.
    description : str
        One sentence.
    sign : str, optional
        What a positive value means, where that is not obvious.
    fluxnet, alma, cf : tuple of str, optional
        Names in FLUXNET2015/ONEFlux/AmeriFlux/ICOS files, in ALMA (PLUMBER2) files, and CMIP/CF names.
    """

    name: str
    unit: str
    description: str
    sign: str = ""
    fluxnet: tuple[str, ...] = ()
    alma: tuple[str, ...] = ()
    cf: tuple[str, ...] = ()

    def attrs(self) -> dict[str, str]:
        """Return the xarray attributes of this quantity.

        Returns
        -------
        dict
            ``units``, ``long_name`` and, where it matters, ``sign``.
        """
        found = {"units": self.unit, "long_name": self.description}
        return found | ({"sign": self.sign} if self.sign else {})


_UP = "positive to the atmosphere"
_IN = "positive into the ecosystem"
_FLUX = "gC m-2 d-1"
_POOL = "gC m-2"


def _flux(name: str, description: str, **others: tuple[str, ...]) -> Quantity:
    return Quantity(name, _FLUX, description, "positive in the direction that the name says", **others)


# Kinds of dead carbon: RothC, then CENTURY.
_KINDS_OF_DEAD_CARBON = (
    ("decomposable_plant", "decomposable plant material (DPM)"),
    ("resistant_plant", "resistant plant material (RPM)"),
    ("microbial", "soil microbes (BIO)"),
    ("humus", "humus (HUM)"),
    ("metabolic_litter", "metabolic litter"),
    ("structural_litter", "structural litter"),
    ("active_soil", "active soil organic matter"),
    ("slow_soil", "slow soil organic matter"),
    ("passive_soil", "passive soil organic matter"),
)


def _pool_of_kind(name: str, description: str) -> Quantity:
    return Quantity(f"{name}_carbon", _POOL, f"carbon in {description}")


_LAYERS = (1, 2, 3)  # of soil, from above
_SUBDAILY = {
    "gpp": "gross primary production",
    "leaf_respiration": "dark respiration of leaves, in daylight",
    "root_respiration": "respiration of roots",
    "litter_respiration": "heterotrophic respiration of litter",
    "microbial_respiration": "heterotrophic respiration of soil microbes",
    "slow_soil_respiration": "heterotrophic respiration of slow soil organic matter",
    "passive_soil_respiration": "heterotrophic respiration of passive soil organic matter",
    "maintenance_respiration": "maintenance respiration of all organs",
    "growth_respiration": "growth respiration of all organs",
}
_SUBDAILY_WATER = {
    "transpiration": "transpiration of plants",
    "interception_evaporation": "evaporation of water that the canopy holds back",
    "soil_evaporation": "evaporation of bare soil",
    "sublimation": "sublimation of snow",
    "transpiration_demand": "transpiration that soil water does not limit",
    "canopy_evaporation_potential": "evaporation of a wet canopy",
    "soil_evaporation_potential": "evaporation of wet soil",
}

QUANTITIES: dict[str, Quantity] = {
    q.name: q
    for q in (
        # --- forcing
        Quantity("air_temperature", "degC", "air temperature, mean of the step", "", ("TA_F", "TA_F_MDS", "TA", "TA_F_DAY"), ("Tair",), ("tas", "air_temperature")),
        Quantity("air_temperature_min", "degC", "daily minimum air temperature", "", ("TA_F_MIN",), (), ("tasmin",)),
        Quantity("air_temperature_max", "degC", "daily maximum air temperature", "", ("TA_F_MAX",), (), ("tasmax",)),
        Quantity("air_temperature_ten_day_mean", "degC", "mean of the air temperature over the last ten days"),
        Quantity("air_temperature_min_ten_day_mean", "degC", "mean of the daily minimum air temperature over the last ten days"),
        Quantity("soil_temperature", "degC", "temperature of the uppermost soil layer, mean of the step", "", ("TS_F_MDS_1", "TS"), ("SoilTemp",), ("tsl", "soil_temperature")),
        Quantity("skin_temperature", "degC", "radiative temperature of the land surface, mean of the step", "", (), (), ("ts", "surface_temperature")),
        Quantity("shortwave_down", "MJ m-2 d-1", "incoming shortwave radiation", "positive downwards", ("SW_IN_F", "SW_IN_F_MDS", "SW_IN"), ("SWdown",), ("rsds", "surface_downwelling_shortwave_flux_in_air")),
        Quantity("par_down", "MJ m-2 d-1", "incoming photosynthetically active radiation", "positive downwards", (), (), ("surface_downwelling_photosynthetic_radiative_flux_in_air",)),
        Quantity("photosynthetically_active_radiation", "mol m-2 d-1", "incoming photosynthetically active radiation, photons", "positive downwards"),
        Quantity("ppfd_down", "umol m-2 s-1", "incoming photosynthetic photon flux density", "positive downwards", ("PPFD_IN",), ("PPFD",)),
        Quantity("longwave_down", "W m-2", "incoming longwave radiation", "positive downwards", ("LW_IN_F", "LW_IN_F_MDS", "LW_IN"), ("LWdown",), ("rlds", "surface_downwelling_longwave_flux_in_air")),
        Quantity("net_radiation", "W m-2", "net radiation", "positive downwards", ("NETRAD",), ("Rnet",), ("rss",)),
        Quantity("vapour_pressure_deficit", "hPa", "vapour pressure deficit of the air", "", ("VPD_F", "VPD_F_MDS", "VPD"), ("VPD",), ("vpd", "water_vapor_saturation_deficit_in_air")),
        Quantity("soil_vapour_pressure_deficit", "hPa", "saturation vapour pressure at soil temperature minus vapour pressure of the air"),
        Quantity("vapour_pressure", "hPa", "vapour pressure of the air"),
        Quantity("precipitation", "mm d-1", "precipitation, rain and snow", "positive downwards", ("P_F", "P", "P_ERA"), ("Precip", "Rainf"), ("pr", "precipitation_flux")),
        Quantity("irrigation", "mm d-1", "water put on the soil by people", "positive downwards"),
        Quantity("air_pressure", "kPa", "air pressure at the surface", "", ("PA_F", "PA"), ("Psurf",), ("ps", "surface_air_pressure")),
        Quantity("wind_speed", "m s-1", "horizontal wind speed", "", ("WS_F", "WS"), ("Wind",), ("sfcWind", "wind_speed")),
        Quantity("co2", "umol mol-1", "mole fraction of CO2 in dry air", "", ("CO2_F_MDS", "CO2"), ("CO2air",), ("co2", "mole_fraction_of_carbon_dioxide_in_air")),
        Quantity("mean_air_temperature", "degC", "air temperature of the reference climate"),
        Quantity("mean_precipitation", "mm d-1", "precipitation of the reference climate", "positive downwards"),
        Quantity("fapar", "1", "fraction of photosynthetically active radiation absorbed by green vegetation", "", ("FAPAR",), (), ("fapar",)),
        Quantity("cloud_fraction", "1", "fraction of the day without bright sunshine", "", (), (), ("clt", "cloud_area_fraction")),
        Quantity("evaporation_ratio", "1", "actual over potential evapotranspiration"),
        Quantity("resource_availability", "1", "light and water availability of a didactic model, mean about 1"),
        Quantity("burned_area", "1", "fraction of the area that burns during the step", "", ("BURNED_AREA",), (), ("burntFractionAll",)),
        Quantity("disturbance_removal", _FLUX, "carbon of living vegetation that a disturbance other than fire takes away", "positive out of the ecosystem"),
        Quantity("yield_removal", _FLUX, "carbon of living vegetation that is harvested", "positive out of the ecosystem"),
        Quantity("day_of_year", "d", "day of the year of the middle of the step, 1 to 366"),
        Quantity("day_number", "d", "days since 1 January of the first year, middle of the step: the clock of the phenology"),
        Quantity("solar_hour", "h", "local solar time of the step, 12 at noon"),
        Quantity("step_length", "d", "length of the step"),
        Quantity("day_of_year_before", "d", "day of the year of the step before; 0 at the first step of a year"),
        Quantity("degree_days", "delta_degC d", "air temperatures above 0 degC added up since 1 January, this step included"),
        Quantity("degree_days_before", "delta_degC d", "degree days of the step before; 0 at the first step of a year"),
        Quantity("latitude", "degrees_north", "latitude", "positive northwards", ("LOCATION_LAT",), ("latitude",), ("lat", "latitude")),
        Quantity("elevation", "m", "elevation above sea level", "", ("LOCATION_ELEV",), ("elevation",), ("orog", "surface_altitude")),
        # --- observed and simulated exchange
        Quantity("nee", _FLUX, "net ecosystem exchange of CO2", _UP, ("NEE_VUT_REF", "NEE_CUT_REF", "NEE_VUT_USTAR50", "NEE_CUT_USTAR50", "NEE_F_MDS", "NEE_PI", "NEE", "FC"), ("NEE",), ("nep", "surface_upward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_net_ecosystem_exchange")),
        Quantity("nbe", _FLUX, "net biome exchange of carbon: NEE plus fire", _UP, ("NBE",), (), ("nbp",)),
        Quantity("gpp", _FLUX, "gross primary production", _IN, ("GPP_NT_VUT_REF", "GPP_DT_VUT_REF", "GPP_NT_CUT_REF", "GPP_DT_CUT_REF", "GPP_PI", "GPP_F", "GPP"), ("GPP",), ("gpp", "gross_primary_productivity_of_biomass_expressed_as_carbon")),
        Quantity("npp", _FLUX, "net primary production", _IN, (), (), ("npp", "net_primary_productivity_of_biomass_expressed_as_carbon")),
        Quantity("reco", _FLUX, "ecosystem respiration", _UP, ("RECO_NT_VUT_REF", "RECO_DT_VUT_REF", "RECO_NT_CUT_REF", "RECO_DT_CUT_REF", "RECO_PI", "RECO_F", "RECO"), ("Reco",), ("reco",)),
        Quantity("lai", "m2 m-2", "leaf area index, one-sided, per ground area", "", ("LAI",), ("LAI",), ("lai", "leaf_area_index")),
        Quantity("leaf_out_weight", "1", "how far leaves are being put out, 0 to 1"),
        Quantity("leaf_fall_weight", "1", "how far leaves are falling, 0 to 1"),
        Quantity("evapotranspiration", "mm d-1", "evapotranspiration", _UP, ("ET",), ("Evap", "Qle_mm"), ("evspsbl", "water_evapotranspiration_flux")),
        Quantity("latent_heat", "W m-2", "latent heat flux", _UP, ("LE_F_MDS", "LE_CORR", "LE"), ("Qle",), ("hfls", "surface_upward_latent_heat_flux")),
        Quantity("sensible_heat", "W m-2", "sensible heat flux", _UP, ("H_F_MDS", "H_CORR", "H"), ("Qh",), ("hfss", "surface_upward_sensible_heat_flux")),
        Quantity("ground_heat", "W m-2", "ground heat flux", "positive downwards", ("G_F_MDS", "G"), ("Qg",), ("hfds",)),
        Quantity("soil_water", "percent", "volumetric soil water content of the uppermost sensor", "", ("SWC_F_MDS_1", "SWC"), ("SoilMoist",), ("mrsos",)),
        # --- photosynthesis
        Quantity("light_use_efficiency", "1", "CO2 taken up in gross photosynthesis per photon absorbed, mole per mole"),
        Quantity("ci_to_ca", "1", "ratio of leaf-internal to ambient partial pressure of CO2"),
        Quantity("intrinsic_water_use_efficiency", "umol mol-1", "assimilation per stomatal conductance to water vapour"),
        Quantity("vcmax", "umol m-2 s-1", "largest rate of carboxylation by Rubisco at the temperature of growth, per ground area under full absorption"),
        Quantity("vcmax25", "umol m-2 s-1", "largest rate of carboxylation by Rubisco at 25 degC, per ground area under full absorption"),
        Quantity("jmax", "umol m-2 s-1", "largest rate of electron transport at the temperature of growth, per ground area under full absorption"),
        Quantity("jmax25", "umol m-2 s-1", "largest rate of electron transport at 25 degC, per ground area under full absorption"),
        Quantity("photosynthesis_stress", "1", "factor of the rate that Rubisco limits with soil water and cold, 1 without stress"),
        Quantity("target_lai", "m2 m-2", "leaf area index at the end of the step that phenology aims at"),
        Quantity("water_limited_lai", "m2 m-2", "leaf area index that soil water keeps"),
        Quantity("phenology_warmth", "1", "fraction of plants that are warm enough for leaves"),
        Quantity("phenology_daylight", "1", "fraction of plants whose day is long enough for leaves"),
        Quantity("leaf_starvation", "1", "fraction of the leaves that die in a month because labile carbon cannot feed their dark respiration"),
        Quantity("starvation", "1", "fraction of other living tissue that dies in a month because labile carbon cannot feed its maintenance"),
        Quantity("hydraulic_mortality", "1", "fraction of living tissue that dies in a month of hydraulic failure"),
        _flux("dark_respiration", "mitochondrial respiration of leaves, day and night"),
        # --- water
        Quantity("rainfall", "mm d-1", "precipitation that falls as rain", "positive downwards", (), (), ("prra",)),
        Quantity("snowfall", "mm d-1", "precipitation that falls as snow, water equivalent", "positive downwards", (), ("Snowf",), ("prsn",)),
        Quantity("transpiration", "mm d-1", "transpiration of plants", _UP, (), ("TVeg",), ("tran",)),
        Quantity("interception_evaporation", "mm d-1", "evaporation of water that the canopy holds back", _UP, (), ("ECanop",), ("evspsblveg",)),
        Quantity("soil_evaporation", "mm d-1", "evaporation of bare soil", _UP, (), ("ESoil",), ("evspsblsoi",)),
        Quantity("sublimation", "mm d-1", "sublimation of snow", _UP, (), ("SubSnow",), ("sbl",)),
        Quantity("snow_melt", "mm d-1", "melt of snow", "positive to the soil", (), ("Qsm",), ("snm",)),
        Quantity("surface_runoff", "mm d-1", "water that leaves without entering the soil", "positive out of the ecosystem", (), ("Qs",), ("mrros",)),
        Quantity("drainage", "mm d-1", "water that drains from the soil", "positive out of the ecosystem", (), ("Qsb",)),
        Quantity("soil_wetness", "1", "plant-available soil water as a fraction of the capacity, mean of the start and the end of the step"),
        # --- carbon pools
        Quantity("labile_carbon", _POOL, "carbon in labile plant tissue"),
        Quantity("foliage_carbon", _POOL, "carbon in leaves", "", (), (), ("cLeaf",)),
        Quantity("root_carbon", _POOL, "carbon in fine roots", "", (), (), ("cRoot",)),
        Quantity("wood_carbon", _POOL, "carbon in wood and coarse roots", "", (), (), ("cWood",)),
        Quantity("litter_carbon", _POOL, "carbon in fresh litter", "", (), (), ("cLitter",)),
        Quantity("woody_debris_carbon", _POOL, "carbon in coarse woody debris", "", (), (), ("cCwd",)),
        Quantity("soil_carbon", _POOL, "carbon in soil organic matter", "", (), (), ("cSoil",)),
        Quantity("aboveground_carbon", _POOL, "carbon in vegetation above ground"),
        Quantity("belowground_carbon", _POOL, "carbon in vegetation below ground"),
        *(_pool_of_kind(*pool) for pool in _KINDS_OF_DEAD_CARBON),
        Quantity("nonwoody_carbon", _POOL, "carbon in leaves and fine roots"),
        Quantity("forest_floor_carbon", _POOL, "carbon in litter on the forest floor"),
        Quantity("mineral_soil_carbon", _POOL, "carbon in soil organic matter below the litter"),
        # --- carbon fluxes inside the ecosystem
        _flux("autotrophic_respiration", "autotrophic respiration", cf=("ra",)),
        _flux("heterotrophic_respiration", "heterotrophic respiration", cf=("rh",)),
        _flux("litter_respiration", "heterotrophic respiration of litter"),
        _flux("soil_respiration", "heterotrophic respiration of soil organic matter"),
        _flux("soil_efflux", "CO2 that leaves the soil surface: respiration of roots, litter and soil organic matter"),
        _flux("root_respiration", "respiration of roots"),
        _flux("leaf_respiration", "dark respiration of leaves, in daylight"),
        _flux("maintenance_respiration", "maintenance respiration of wood and roots", cf=("raMaint",)),
        _flux("growth_respiration", "growth respiration of all organs", cf=("raGrowth",)),
        Quantity("methane_emission", _FLUX, "carbon in methane from anaerobic decomposition", _UP, (), (), ("wetlandCH4",)),
        _flux("microbial_respiration", "heterotrophic respiration of soil microbes, the fast soil organic matter"),
        _flux("slow_soil_respiration", "heterotrophic respiration of slow soil organic matter"),
        _flux("passive_soil_respiration", "heterotrophic respiration of passive soil organic matter"),
        _flux("unsupplied_carbon", "carbon in fluxes that no pool supplied: zero in a consistent run"),
        Quantity("subdaily_nee", _FLUX, "net ecosystem exchange of CO2, mean of a step shorter than a day", _UP),
        *(_flux(f"subdaily_{n}", f"{d}, mean of a step shorter than a day") for n, d in _SUBDAILY.items()),
        *(Quantity(f"subdaily_{n}", "mm d-1", f"{d}, mean of a step shorter than a day", _UP) for n, d in _SUBDAILY_WATER.items()),
        *(Quantity(f"subdaily_{n}_heat", "W m-2", f"{n} heat flux, mean of a step shorter than a day", _UP) for n in ("latent", "sensible")),
        Quantity("subdaily_ground_heat", "W m-2", "ground heat flux, mean of a step shorter than a day", "positive downwards"),
        Quantity("subdaily_net_radiation", "W m-2", "net radiation, mean of a step shorter than a day", "positive downwards"),
        Quantity("subdaily_canopy_temperature", "degC", "temperature of leaves, mean of a step shorter than a day"),
        Quantity("subdaily_air_temperature", "degC", "air temperature, mean of a step shorter than a day"),
        Quantity("subdaily_par_down", "W m-2", "incoming photosynthetically active radiation, mean of a step shorter than a day", "positive downwards"),
        Quantity("subdaily_par_absorbed", "W m-2", "photosynthetically active radiation that vegetation absorbs, mean of a step shorter than a day"),
        Quantity("transpiration_demand", "mm d-1", "transpiration that soil water does not limit", _UP),
        Quantity("throughfall", "mm d-1", "precipitation that reaches the ground", "positive downwards"),
        Quantity("subdaily_evapotranspiration", "mm d-1", "evapotranspiration, mean of a step shorter than a day", _UP),
        _flux("allocation_to_labile", "net primary production allocated to the labile pool"),
        _flux("allocation_to_foliage", "net primary production allocated directly to leaves", cf=("nppLeaf",)),
        _flux("allocation_to_roots", "net primary production allocated to fine roots", cf=("nppRoot",)),
        _flux("allocation_to_wood", "net primary production allocated to wood", cf=("nppWood",)),
        _flux("labile_release", "carbon moved from the labile pool to leaves"),
        _flux("litterfall", "carbon of vegetation to litter and soil, all organs", cf=("fVegLitter",)),
        _flux("aboveground_litterfall", "carbon of vegetation above ground to litter and soil"),
        _flux("belowground_litterfall", "carbon of vegetation below ground to litter and soil"),
        _flux("leaf_litterfall", "carbon of leaves to litter"),
        _flux("labile_litterfall", "carbon of the labile pool to litter"),
        _flux("leaf_senescence", "carbon of leaves that phenology sheds to litter"),
        _flux("root_litterfall", "carbon of fine roots to litter or soil organic matter"),
        _flux("wood_litterfall", "carbon of wood to litter or soil organic matter"),
        _flux("leaf_retranslocation", "carbon of falling leaves that moves to the labile pool"),
        _flux("litter_decomposition", "carbon of litter to soil organic matter"),
        _flux("woody_debris_decomposition", "carbon of coarse woody debris to soil organic matter"),
        _flux("fire_emission", "carbon emitted by fire, all pools", cf=("fFire",)),
        *(_flux(f"fire_emission_{pool}", f"carbon emitted by fire from the {pool} pool") for pool in ("labile", "foliage", "root", "wood", "woody_debris", "litter", "soil")),
        _flux("fire_labile_to_litter", "carbon of the labile pool killed by fire, to litter"),
        _flux("fire_foliage_to_litter", "carbon of leaves killed by fire, to litter"),
        _flux("fire_root_to_litter", "carbon of fine roots killed by fire, to litter"),
        _flux("fire_wood_to_soil", "carbon of wood killed by fire, to soil organic matter"),
        _flux("fire_litter_to_soil", "carbon of litter charred by fire, to soil organic matter"),
        _flux("fire_woody_debris_to_soil", "carbon of coarse woody debris charred by fire, to soil organic matter"),
        _flux("biomass_removal", "carbon of living vegetation taken away by harvest and disturbance other than fire"),
        _flux("allocation_to_coarse_roots", "net primary production allocated to coarse roots"),
        _flux("coarse_root_litterfall", "carbon of coarse roots to soil organic matter"),
        _flux("leaf_flush", "carbon moved from wood and coarse roots to leaves at leaf-on"),
        _flux("leaf_flush_from_wood", "the part of the leaf flush that wood gives"),
        _flux("foliar_respiration", "maintenance respiration of leaves"),
        _flux("wood_respiration", "maintenance respiration of wood"),
        _flux("coarse_root_respiration", "maintenance respiration of coarse roots"),
        Quantity("recent_npp", _FLUX, "net primary production, mean of the days before the step", _IN),
        Quantity("decomposition_factor", "1", "factor of decomposition rates with temperature and soil water"),
        Quantity("temperature_factor", "1", "factor of decomposition rates with temperature"),
        Quantity("moisture_factor", "1", "factor of decomposition rates with soil moisture"),
        Quantity("aerobic_factor", "1", "factor of decomposition rates with oxygen"),
        Quantity("anaerobic_factor", "1", "factor of decomposition rates without oxygen"),
        Quantity("methane_share", "1", "fraction of methane in anaerobic respiration"),
        *(Quantity(f"{name}_loss_rate", "d-1", f"fraction lost per day of the carbon in {description}") for name, description in _KINDS_OF_DEAD_CARBON),
        Quantity("leaf_fall_factor", "d-1", "fraction of the leaf carbon lost per day by phenology"),
        Quantity("labile_release_factor", "d-1", "fraction of the labile carbon released per day by phenology"),
        # --- water pools and fluxes
        Quantity("plant_available_water", "mm", "soil water that plants can reach"),
        Quantity("plant_unavailable_water", "mm", "soil water below the roots"),
        Quantity("soil_moisture_stress", "1", "factor of photosynthesis with soil water, 1 without stress"),
        Quantity("infiltration", "mm d-1", "water that enters the soil", "positive into the soil"),
        Quantity("percolation", "mm d-1", "water from the plant-available to the plant-unavailable store", "positive downwards"),
        Quantity("drainage_plant_available", "mm d-1", "water that leaves the soil from the plant-available store", "positive out of the soil"),
        Quantity("drainage_plant_unavailable", "mm d-1", "water that leaves the soil from the plant-unavailable store", "positive out of the soil"),
        Quantity("runoff", "mm d-1", "water that leaves the soil other than to the atmosphere", "positive out of the soil", (), (), ("mrro", "runoff_flux")),
        Quantity("potential_evapotranspiration", "mm d-1", "evapotranspiration that water does not limit", _UP, (), ("PotEvap",), ("evspsblpot",)),
        Quantity("condensation", "mm d-1", "condensation of water vapour at night", "positive downwards"),
        Quantity("snow_water", "mm", "snow pack, as water", "", (), ("SWE",), ("snw",)),
        *(Quantity(f"transpiration_{i}", "mm d-1", f"transpiration with water of soil layer {i}, counted from above", _UP) for i in (1, 2)),
        *(Quantity(f"drainage_{i}", "mm d-1", f"water that leaves the ecosystem from soil layer {i}, counted from above", "positive out of the ecosystem") for i in _LAYERS),
        *(Quantity(f"water_flow_{i}_{i + 1}", "mm d-1", f"water from soil layer {i} to layer {i + 1}, counted from above", "positive downwards") for i in (1, 2)),
        *(Quantity(f"soil_water_{i}", "mm", f"water and ice in soil layer {i}, counted from above") for i in _LAYERS),
        *(Quantity(f"liquid_fraction_{i}", "1", f"fraction of the water in soil layer {i}, counted from above, that is liquid") for i in _LAYERS),
        Quantity("snow_cover_fraction", "1", "fraction of the ground that snow covers", "", (), ("SnowFrac",), ("snc", "surface_snow_area_fraction")),
        # --- heat of the soil
        *(Quantity(f"soil_temperature_{i}", "degC", f"temperature of soil layer {i}, counted from above") for i in _LAYERS),
        *(Quantity(f"heat_flow_{i}_{i + 1}", "W m-2", f"heat from soil layer {i} to layer {i + 1}, conducted and with water", "positive downwards") for i in (1, 2)),
        Quantity("soil_heat_gain", "J m-2 d-1", "heat conducted into the soil from the surface and from the earth below", "positive into the soil"),
        Quantity("infiltration_heat", "J m-2 d-1", "heat above that of ice at 0 K that infiltrating water brings", "positive into the soil"),
        Quantity("water_loss_heat", "J m-2 d-1", "heat above that of ice at 0 K that water takes along when it leaves the soil", "positive out of the soil"),
        # --- what instruments report
        Quantity("nee_daytime", _FLUX, "net ecosystem exchange of CO2, mean over the hours between sunrise and sunset", _UP, ("NEE_VUT_REF_DAY", "NEE_CUT_REF_DAY")),
        Quantity("nee_nighttime", _FLUX, "net ecosystem exchange of CO2, mean over the hours between sunset and sunrise", _UP, ("NEE_VUT_REF_NIGHT", "NEE_CUT_REF_NIGHT")),
        Quantity("gpp_daytime", _FLUX, "gross primary production, mean over the hours between sunrise and sunset", _IN),
        Quantity("evaporative_fraction", "1", "latent heat flux over the sum of latent and sensible heat flux"),
        Quantity("reflectance_red", "1", "hemispherical reflectance of the surface in the red band"),
        Quantity("reflectance_nir", "1", "hemispherical reflectance of the surface in the near-infrared band"),
        Quantity("ndvi", "1", "normalised difference vegetation index", "", ("NDVI",)),
        Quantity("sun_zenith_angle", "degree", "angle between the sun and the vertical at the overpass"),
        Quantity("view_zenith_angle", "degree", "angle between the line of sight and the vertical"),
        Quantity("sif", "mW m-2 nm-1 sr-1", "sun-induced chlorophyll fluorescence at the top of the canopy", _UP),
        Quantity("vegetation_optical_depth", "1", "attenuation of microwaves by vegetation along the vertical"),
        Quantity("aboveground_biomass", "kg m-2", "dry matter of living vegetation above ground", "", ("AGB",)),
        Quantity("canopy_height", "m", "height of the top of the canopy"),
        *(Quantity(f"relative_height_{p}", "m", f"height above ground below which {p} % of the energy of a lidar waveform returns") for p in (25, 50, 75, 98)),
        Quantity("soil_moisture", "m3 m-3", "volumetric water content of the uppermost centimetres of soil", "", (), (), ("mrsol",)),
        Quantity("brightness_temperature", "K", "brightness temperature at the top of the canopy, one polarisation"),
        Quantity("backscatter", "dB", "radar backscattering coefficient", "", (), (), ()),
        Quantity("land_surface_temperature", "K", "radiometric temperature of the land surface"),
        Quantity("canopy_temperature", "degC", "temperature of leaves"),
        Quantity("longwave_up", "W m-2", "outgoing longwave radiation, reflected part included", _UP, ("LW_OUT",), ("LWup",), ("rlus",)),
        Quantity("terrestrial_water_storage", "mm", "anomaly of all water on and in the land"),
        Quantity("streamflow", "mm d-1", "discharge of a river per area of its catchment", "positive out of the catchment"),
        Quantity("total_water", "mm", "all water on and in the land"),
        Quantity("wood_increment", _FLUX, "growth of wood above ground", "positive to wood"),
        Quantity("soil_carbon_to_depth", _POOL, "carbon in soil organic matter down to the depth of sampling"),
        Quantity("soil_radiocarbon", "permille", "radiocarbon of soil organic matter as Delta 14C"),
        Quantity("respired_radiocarbon", "permille", "radiocarbon of respired CO2 as Delta 14C"),
        Quantity("atmospheric_radiocarbon", "permille", "radiocarbon of atmospheric CO2 as Delta 14C"),
        Quantity("ring_width", "mm", "width of tree rings"),
        Quantity("ring_discrimination", "permille", "discrimination against carbon-13 in tree-ring cellulose"),
        Quantity("ring_oxygen_18", "permille", "oxygen-18 of tree-ring cellulose above that of standard mean ocean water"),
        Quantity("source_water_oxygen_18", "permille", "oxygen-18 of the water that plants take up above that of standard mean ocean water"),
        Quantity("relative_humidity", "percent", "relative humidity of the air", "", ("RH",), (), ("hurs",)),
        Quantity("cos_uptake", "pmol m-2 s-1", "uptake of carbonyl sulphide by the ecosystem", _IN),
        Quantity("cos_mole_fraction", "pmol mol-1", "mole fraction of carbonyl sulphide in dry air"),
        Quantity("methane_flux", "nmol m-2 s-1", "net exchange of methane", _UP, ("FCH4", "FCH4_F")),
        Quantity("nitrous_oxide_flux", "ug m-2 h-1", "nitrogen in the emission of nitrous oxide from soil", _UP),
        Quantity("nitrogen_mineralisation", "g m-2 d-1", "net mineralisation of nitrogen", "positive to mineral nitrogen"),
        Quantity("water_filled_pore_space", "1", "fraction of the pore volume of the topsoil that water fills"),
        Quantity("log_response_ratio", "1", "logarithm of a quantity under treatment over that under ambient conditions"),
        Quantity("xco2", "umol mol-1", "column-averaged dry-air mole fraction of CO2"),
        Quantity("water_shortfall_penalty", "mm d-1", "a hundredth of the drainage that would be negative where plant-available water is held at its lower limit"),
    )
}  # fmt: skip


def quantity(name: str) -> Quantity:
    """Look up a quantity by its name or by an alias.

    Parameters
    ----------
    name : str
        Name in this vocabulary, or a FLUXNET, ALMA or CMIP/CF name.

    Returns
    -------
    Quantity
        The quantity.

    Raises
    ------
    KeyError
        If no quantity has that name; the message lists the nearest ones.
    """
    if name in QUANTITIES:
        return QUANTITIES[name]
    found = _aliases().get(name)
    if found is None:
        raise KeyError(unknown("quantity", name, QUANTITIES))
    return QUANTITIES[found]


@cache
def _aliases() -> dict[str, str]:
    found: dict[str, str] = {}
    for q in QUANTITIES.values():
        for alias in (*q.fluxnet, *q.alma, *q.cf):
            found.setdefault(alias, q.name)
    return found


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is unknown and which names exist.

    Parameters
    ----------
    kind : str
        What was looked up, such as ``"parameter"``.
    name : object
        What was got.
    known : iterable of str
        What is accepted.

    Returns
    -------
    str
        Message with the nearest name, if one is near, and the full list.
    """
    import difflib

    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}."


@cache
def _registry() -> pint.UnitRegistry:
    registry: pint.UnitRegistry = pint.UnitRegistry()
    for line in (
        "gC = gram",
        "kgC = 1000 * gram",
        "MgC = 1e6 * gram",
        "PgC = 1e15 * gram",
        "degrees_north = degree",
        "degrees_east = degree",
    ):
        registry.define(line)
    return registry


@cache
def parse_unit(unit: str) -> pint.Unit:
    """Parse a unit in CF notation.

    Parameters
    ----------
    unit : str
        Such as ``"gC m-2 d-1"``, ``"umol m-2 s-1"``, ``"degC"``, ``"1"``.

    Returns
    -------
    pint.Unit
        The unit.

    Raises
    ------
    ValueError
        If pint cannot read it.
    """
    text = re.sub(r"\b(?:umol|µmol|μmol)\s*CO2\b", "umol", unit.strip())
    text = re.sub(r"(?<=[A-Za-z])\^?(-?\d+)(?=\s|$|/|\*)", r"**\1", text)
    text = re.sub(r"(?<=[\w)])\s+(?=[A-Za-z(])", " * ", text)
    try:
        return _registry().Unit(text if text not in ("1", "-", "") else "dimensionless")
    except Exception as error:  # pint raises many kinds, ValueError and AttributeError among them
        raise ValueError(f"cannot read the unit {unit!r}; write it as in the CF conventions, such as 'gC m-2 d-1'") from error


def convert(values: np.ndarray, unit: str, to: str) -> np.ndarray:
    """Convert values between units, moles of CO2 to grams of carbon included.

    Parameters
    ----------
    values : array_like
        Numbers in `unit`.
    unit, to : str
        Units in CF notation.

    Returns
    -------
    numpy.ndarray
        Numbers in `to`.

    Raises
    ------
    ValueError
        If the units do not convert into each other; the message names both.
    """
    source, target = parse_unit(unit), parse_unit(to)
    values = np.asarray(values, dtype=float)
    registry = _registry()
    if source.is_compatible_with(target):
        return np.asarray(registry.Quantity(values, source).to(target).magnitude, dtype=float)
    # Moles of CO2 become grams of carbon, kg m-2 of water become mm (density 1000 kg m-3).
    for factor, unit_of_factor in ((CARBON_MOLAR_MASS, registry.gram / registry.mole), (1e-3, registry.Unit("m**3/kg"))):
        bridge = source * unit_of_factor
        if bridge.is_compatible_with(target):
            return values * factor * float(registry.Quantity(1.0, bridge).to(target).magnitude)
    raise ValueError(f"cannot convert from {unit!r} to {to!r}: they measure different things")
