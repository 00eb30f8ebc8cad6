"""Parameters of JSBACH by kind of plants: what all have, photosynthesis, phenology."""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior, extending

_UNIFORM = Prior("uniform")
_YASSO = "fraction of it that decomposes in a year at 0 degC in moist soil"


def _normal(centre: float, spread: float) -> Prior:
    return Prior("normal", centre, spread)


def _scaled(centre: float, spread: float = 0.2) -> Prior:
    return Prior("log_normal", centre, spread)


class _Common(NamedTuple):
    """Parameters of all plants; defaults of coniferous evergreen trees."""

    # One parameter a line.
    # fmt: off
    vcmax25: Annotated[float, Parameter("umol m-2 s-1", (5.0, 300.0), "largest rate of carboxylation at 25 degC per leaf area", _scaled(62.5), level="pft")] = 62.5
    internal_co2_ratio: Annotated[float, Parameter("1", (0.4, 0.97), "internal over ambient CO2 without water stress", _normal(0.87, 0.0435), level="global")] = 0.87
    energy_vcmax: Annotated[float, Parameter("J mol-1", (4.3e4, 7.4e4), "activation energy of carboxylation", _normal(58520.0, 2926.0), level="global")] = 58520.0
    energy_respiration: Annotated[float, Parameter("J mol-1", (3.3e4, 5.7e4), "activation energy of dark respiration", _normal(45000.0, 2250.0), level="global")] = 45000.0
    leaf_respiration_share: Annotated[float, Parameter("1", (0.1, 0.9), "share of leaves in maintenance respiration", _normal(0.4, 0.1), level="global")] = 0.4
    growth_respiration_fraction: Annotated[float, Parameter("1", (0.1, 0.35), "growth respiration per assimilate that maintenance leaves", _normal(0.2, 0.01), level="global")] = 0.2
    lai_max: Annotated[float, Parameter("m2 m-2", (0.5, 9.0), "largest leaf area index", _scaled(5.0), level="pft")] = 5.0
    critical_wetness: Annotated[float, Parameter("1", (0.4, 0.98), "water of the root zone over field capacity below which stomata close", _normal(0.65, 0.1))] = 0.65
    wilting_wetness: Annotated[float, Parameter("1", (0.1, 0.39), "the same at which they are closed", _normal(0.35, 0.05))] = 0.35
    field_capacity: Annotated[float, Parameter("m3 m-3", (0.1, 0.4), "largest water content of a soil layer", _normal(0.3, 0.06))] = 0.3
    root_depth: Annotated[float, Parameter("m", (0.4, 4.0), "depth of roots", _scaled(1.0, 0.5))] = 1.0
    infiltration_shape: Annotated[float, Parameter("1", (0.01, 0.5), "how much the capacity of the soil varies within the area", _UNIFORM, fixed=True)] = 0.05
    porosity: Annotated[float, Parameter("m3 m-3", (0.41, 0.7), "pore volume of the soil", _UNIFORM, fixed=True)] = 0.45
    soil_conductivity: Annotated[float, Parameter("m s-1", (1e-7, 1e-4), "hydraulic conductivity of saturated soil", _scaled(4e-6, 1.0))] = 4e-6
    suction: Annotated[float, Parameter("m", (0.02, 1.0), "suction of saturated soil", _scaled(0.2, 0.7), fixed=True)] = 0.2
    soil_exponent: Annotated[float, Parameter("1", (2.0, 13.0), "exponent of suction with water content", _UNIFORM, fixed=True)] = 6.0
    pore_index: Annotated[float, Parameter("1", (0.1, 0.9), "pore size distribution index", _UNIFORM, fixed=True)] = 0.3
    soil_heat_capacity: Annotated[float, Parameter("J m-3 K-1", (1e6, 4e6), "heat capacity of the soil", _UNIFORM, fixed=True)] = 2.25e6
    soil_heat_diffusivity: Annotated[float, Parameter("m2 s-1", (2e-7, 1.5e-6), "heat conductivity of the soil over its heat capacity", _scaled(7.4e-7, 0.3))] = 7.4e-7
    roughness: Annotated[float, Parameter("m", (0.005, 4.0), "roughness length for momentum", _scaled(1.4, 0.5), level="pft")] = 1.4
    reference_height: Annotated[float, Parameter("m", (2.0, 50.0), "height of wind and air temperature above the zero plane", _UNIFORM, fixed=True)] = 10.0
    terrain: Annotated[float, Parameter("m", (1.0, 1000.0), "standard deviation of the height of the ground, for snow cover", _UNIFORM, fixed=True)] = 50.0
    canopy_albedo_visible: Annotated[float, Parameter("1", (0.02, 0.15), "albedo of the canopy in visible light", _normal(0.05, 0.01), level="pft")] = 0.05
    canopy_albedo_infrared: Annotated[float, Parameter("1", (0.1, 0.45), "albedo of the canopy in near infrared", _normal(0.26, 0.03), level="pft")] = 0.26
    soil_albedo: Annotated[float, Parameter("1", (0.05, 0.4), "albedo of the soil", _UNIFORM)] = 0.15
    skin_capacity: Annotated[float, Parameter("mm", (0.05, 0.6), "water that a layer of leaves, or the soil, holds on its surface", _scaled(0.2, 0.3))] = 0.2
    specific_leaf_area: Annotated[float, Parameter("m2 gC-1", (0.004, 0.08), "leaf area per carbon in leaves", _scaled(0.00916), level="pft")] = 0.00916
    allocation_to_wood: Annotated[float, Parameter("1", (0.0, 0.6), "fraction of net primary production for wood", _normal(0.3, 0.06), level="pft")] = 0.3
    allocation_to_reserve: Annotated[float, Parameter("1", (0.0, 0.3), "fraction of net primary production for the reserve", _normal(0.05, 0.02), level="pft")] = 0.05
    exudation: Annotated[float, Parameter("1", (0.0, 0.1), "fraction of net primary production that roots exude", _UNIFORM, fixed=True)] = 0.05
    wood_residence_time: Annotated[float, Parameter("a", (0.5, 200.0), "residence time of wood", _scaled(60.0, 0.3), level="pft")] = 60.0
    wood_max: Annotated[float, Parameter("gC m-2", (0.0, 5e4), "largest carbon in wood", _UNIFORM, level="pft", fixed=True)] = 28800.0
    reserve_ratio: Annotated[float, Parameter("1", (0.5, 6.0), "largest reserve over the carbon of the largest leaf area", _UNIFORM, level="pft", fixed=True)] = 2.0
    grazing: Annotated[float, Parameter("d-1", (0.0, 5e-3), "fraction of the green pool that is grazed", _UNIFORM, level="pft", fixed=True)] = 1.37e-4
    least_shedding: Annotated[float, Parameter("d-1", (0.0, 0.01), "rate of shedding that is hidden by growth", _UNIFORM, level="pft", fixed=True)] = 0.0
    nitrogen_decline: Annotated[float, Parameter("1", (0.0, 1.0), "how far leaf nitrogen follows the light in the canopy", _UNIFORM, level="pft", fixed=True)] = 1.0
    stem_area: Annotated[float, Parameter("m2 m-2", (0.0, 3.0), "area of stems that hides snow", _UNIFORM, level="pft", fixed=True)] = 1.5
    leaf_litter_acid: Annotated[float, Parameter("1", (0.0, 0.8), "share of leaf litter that dissolves in acid", _UNIFORM, level="pft", fixed=True)] = 0.4076
    leaf_litter_water: Annotated[float, Parameter("1", (0.0, 0.4), "share of leaf litter that dissolves in water; what nothing dissolves is the rest", _UNIFORM, level="pft", fixed=True)] = 0.1887
    leaf_litter_ethanol: Annotated[float, Parameter("1", (0.0, 0.15), "share of leaf litter that dissolves in ethanol", _UNIFORM, level="pft", fixed=True)] = 0.1279
    acid_rate: Annotated[float, Parameter("a-1", (0.2, 2.5), f"litter that dissolves in acid: {_YASSO}", _scaled(0.72), level="global")] = 0.72
    water_rate: Annotated[float, Parameter("a-1", (1.5, 20.0), f"litter that dissolves in water: {_YASSO}", _scaled(5.9), level="global")] = 5.9
    ethanol_rate: Annotated[float, Parameter("a-1", (0.08, 1.0), f"litter that dissolves in ethanol: {_YASSO}", _scaled(0.28), level="global")] = 0.28
    neutral_rate: Annotated[float, Parameter("a-1", (0.008, 0.12), f"litter that nothing dissolves: {_YASSO}", _scaled(0.031), level="global")] = 0.031
    humus_rate: Annotated[float, Parameter("a-1", (4e-4, 6e-3), f"humus: {_YASSO}", _scaled(0.0016), level="global")] = 0.0016
    # fmt: on


class _Pathway3(NamedTuple):
    # fmt: off
    jmax_ratio: Annotated[float, Parameter("1", (1.2, 2.8), "largest rate of electron transport over that of carboxylation at 25 degC", _normal(1.9, 0.095), level="pft")] = 1.9
    quantum_yield: Annotated[float, Parameter("1", (0.2, 0.36), "electrons transported per absorbed photon in dim light", _normal(0.28, 0.014), level="global")] = 0.28
    michaelis_co2: Annotated[float, Parameter("umol mol-1", (300.0, 700.0), "Michaelis constant of CO2 at 25 degC", _normal(460.0, 23.0), level="global")] = 460.0
    michaelis_oxygen: Annotated[float, Parameter("mmol mol-1", (220.0, 450.0), "Michaelis constant of oxygen at 25 degC", _normal(330.0, 16.5), level="global")] = 330.0
    compensation_slope: Annotated[float, Parameter("umol mol-1 delta_degC-1", (1.2, 2.3), "CO2 compensation point per degC", _normal(1.7, 0.085), level="global")] = 1.7
    energy_michaelis_co2: Annotated[float, Parameter("J mol-1", (4.5e4, 7.5e4), "activation energy of the Michaelis constant of CO2", _normal(59356.0, 2968.0), level="global")] = 59356.0
    energy_michaelis_oxygen: Annotated[float, Parameter("J mol-1", (2.6e4, 4.6e4), "activation energy of the Michaelis constant of oxygen", _normal(35948.0, 1797.0), level="global")] = 35948.0
    # fmt: on


class _Pathway4(NamedTuple):
    # fmt: off
    pep_slope: Annotated[float, Parameter("mol m-2 s-1", (0.05, 1.0), "initial slope of assimilation with internal CO2 at 25 degC", _scaled(0.14), level="pft")] = 0.14
    quantum_yield_c4: Annotated[float, Parameter("1", (0.03, 0.055), "CO2 assimilated per absorbed photon in dim light", _normal(0.04, 0.002), level="global")] = 0.04
    energy_pep: Annotated[float, Parameter("J mol-1", (3.8e4, 6.4e4), "activation energy of the initial slope", _normal(50967.0, 2548.0), level="global")] = 50967.0
    # fmt: on


class _Evergreen(NamedTuple):
    # fmt: off
    leaf_growth_rate: Annotated[float, Parameter("d-1", (0.004, 0.3), "rate of growth of leaves after bud burst", _scaled(0.015, 0.3), level="pft")] = 0.015
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (1e-4, 0.02), "rate of shedding in the vegetative phase", _scaled(8e-4, 0.3), level="pft")] = 8e-4
    budburst_base_temperature: Annotated[float, Parameter("degC", (0.0, 8.0), "temperature between days that chill and days that warm", _normal(4.0, 0.5), level="pft")] = 4.0
    budburst_heat: Annotated[float, Parameter("delta_degC d", (1.0, 100.0), "heat sum for bud burst after a long winter", _normal(10.0, 5.0), level="pft")] = 10.0
    budburst_heat_range: Annotated[float, Parameter("delta_degC d", (20.0, 500.0), "what is added to it without winter", _normal(150.0, 40.0), level="pft")] = 150.0
    chill_scale: Annotated[float, Parameter("d", (3.0, 60.0), "days of chill over which that falls", _normal(15.0, 4.0), level="pft")] = 15.0
    # fmt: on


class _Summergreen(NamedTuple):
    # fmt: off
    leaf_growth_rate: Annotated[float, Parameter("d-1", (0.02, 0.4), "rate of growth of leaves after bud burst", _scaled(0.087195, 0.3), level="pft")] = 0.087195
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (4e-4, 0.02), "rate of shedding in the vegetative phase", _scaled(0.004, 0.3), level="pft")] = 0.004
    rest_shedding_rate: Annotated[float, Parameter("d-1", (0.02, 0.5), "rate of shedding in autumn", _scaled(0.1, 0.3), level="pft")] = 0.1
    autumn_temperature: Annotated[float, Parameter("degC", (2.0, 20.0), "memory of air temperature below which leaves fall", _normal(10.0, 1.0), level="pft")] = 10.0
    budburst_base_temperature: Annotated[float, Parameter("degC", (0.0, 8.0), "temperature between days that chill and days that warm", _normal(4.0, 0.5), level="pft")] = 4.0
    budburst_heat: Annotated[float, Parameter("delta_degC d", (1.0, 100.0), "heat sum for bud burst after a long winter", _normal(30.0, 10.0), level="pft")] = 30.0
    budburst_heat_range: Annotated[float, Parameter("delta_degC d", (20.0, 500.0), "what is added to it without winter", _normal(200.0, 40.0), level="pft")] = 200.0
    chill_scale: Annotated[float, Parameter("d", (3.0, 60.0), "days of chill over which that falls", _normal(25.0, 5.0), level="pft")] = 25.0
    # fmt: on


class _Raingreen(NamedTuple):
    # fmt: off
    leaf_growth_rate: Annotated[float, Parameter("d-1", (0.02, 0.3), "rate of growth of leaves in moist soil", _scaled(0.08, 0.3), level="pft")] = 0.08
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (5e-4, 0.019), "rate of ageing", _scaled(0.005, 0.3), level="pft")] = 0.005
    dry_shedding_rate: Annotated[float, Parameter("d-1", (0.02, 0.5), "rate of shedding in dry soil", _scaled(0.12, 0.3), level="pft")] = 0.12
    leaf_out_wetness: Annotated[float, Parameter("1", (0.36, 0.6), "relative soil water from which leaves grow anew", _normal(0.4, 0.03), level="pft")] = 0.4
    # fmt: on


class _Grass(NamedTuple):
    # fmt: off
    leaf_growth_rate: Annotated[float, Parameter("d-1", (0.02, 0.4), "rate of growth of leaves", _scaled(0.09, 0.3), level="pft")] = 0.09
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (1e-3, 0.1), "rate of shedding", _scaled(0.015, 0.3), level="pft")] = 0.015
    growth_temperature: Annotated[float, Parameter("degC", (-2.0, 12.0), "air temperature above which leaves grow", _normal(4.0, 1.0), level="pft")] = 4.0
    # fmt: on


class _Crop(NamedTuple):
    # fmt: off
    leaf_shedding_rate: Annotated[float, Parameter("d-1", (3e-3, 0.1), "rate of shedding in the growing season", _scaled(0.03333, 0.3), level="pft")] = 0.03333
    rest_shedding_rate: Annotated[float, Parameter("d-1", (0.02, 0.5), "rate of shedding after harvest", _scaled(0.1428, 0.3), level="pft")] = 0.1428
    growth_temperature: Annotated[float, Parameter("degC", (2.0, 16.0), "memory of air temperature above which leaves grow", _normal(10.0, 1.0), level="pft")] = 10.0
    leaf_allocation: Annotated[float, Parameter("1", (0.3, 0.95), "share of leaves in net primary production", _normal(0.8, 0.08), level="pft")] = 0.8
    sprouting_wetness: Annotated[float, Parameter("1", (0.36, 0.6), "relative soil water from which crops sprout", _normal(0.37, 0.02), level="pft")] = 0.37
    # fmt: on


class _Wind(NamedTuple):
    # fmt: off
    typical_wind: Annotated[float, Parameter("m s-1", (1.0, 10.0), "wind speed above the canopy, which daily drivers do not have", _UNIFORM, fixed=True)] = 3.0
    # fmt: on


PHENOLOGIES: dict[str, Any] = {
    "evergreen": _Evergreen,
    "summergreen": _Summergreen,
    "raingreen": _Raingreen,
    "grass": _Grass,
    "crop": _Crop,
}
PATHWAYS: dict[str, Any] = {"c3": _Pathway3, "c4": _Pathway4}


def parameters(phenology: str, pathway: str, observed_hours: bool) -> Any:
    """Return the parameters of a kind of plants.

    Parameters
    ----------
    phenology, pathway : str
        As of `jsbach_step.Structure`.
    observed_hours : bool
        Wind is a driver.

    Returns
    -------
    NamedTuple class
        Common parameters, those of photosynthesis, of phenology, and of the wind.
    """
    made: Any = _Common
    for part in (PATHWAYS[pathway], PHENOLOGIES[phenology], *(() if observed_hours else (_Wind,))):
        made = extending(made)(part)
    made.__name__, made.__qualname__, made.__doc__ = "Parameters", "Parameters", "Parameters of one kind of plants."
    return made
