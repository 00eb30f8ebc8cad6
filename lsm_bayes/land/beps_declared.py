"""Parameters, states, drivers and fluxes of BEPS, and what it needs to know of a site; the step is in `lsm_bayes.land.beps_step`."""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior, extending
from lsm_bayes.processes.allometric_respiration import SHRUB, Plants
from lsm_bayes.processes.nine_pools import Inputs, Rates
from lsm_bayes.vocabulary import Quantity

_UNIFORM = Prior("uniform")
LAYERS = range(1, 6)


class Site(NamedTuple):
    """What a site has and no calibration changes; layers of soil from above."""

    plants: Plants | None  # None: crops and grass
    over_height: float  # m
    under_height: float  # m
    wind_height: float  # m
    stem_area: tuple[float, float]  # of overstorey and understorey, m2 m-2
    albedo: tuple[float, float]  # of leaves, visible and near infrared
    ground_albedo: tuple[float, float]  # saturated and dry
    ponding: float  # fraction of the water on the ground that a step leaves there; the rest runs off
    thickness: tuple[float, ...]  # m
    porosity: tuple[float, ...]  # m3 m-3
    wilting: tuple[float, ...]  # m3 m-3
    conductivity: tuple[float, ...]  # saturated, per that of the uppermost layer
    suction: tuple[float, ...]  # saturated, above that of the uppermost layer, m
    exponent: tuple[float, ...]  # above that of the uppermost layer
    mineral: tuple[float, ...]  # thermal conductivity, W m-1 K-1
    bulk_density: tuple[float, ...]  # kg m-3
    organic: tuple[float, ...]  # percent
    stress_onset: float  # m of suction
    stress_steepness: float
    fine: bool  # loam and finer
    annual_lai: float  # m2 m-2
    annual_npp: float  # gC m-2
    inputs: Inputs
    rates: Rates


# Shrub on loam in subtropical South America.
SHRUB_ON_LOAM = Site(
    plants=SHRUB,
    over_height=4.0,
    under_height=0.0,
    wind_height=30.0,
    stem_area=(0.66, 0.002),
    albedo=(0.045, 0.28),
    ground_albedo=(0.1, 0.35),
    ponding=0.5,
    thickness=(0.05, 0.1, 0.2, 0.4, 1.25),
    porosity=(0.463,) * 5,
    wilting=(0.12,) * 5,
    conductivity=(1.0, 0.892, 0.8, 0.6, 0.2),
    suction=(0.0, 0.01, 0.02, 0.03, 0.05),
    exponent=(0.0, 0.2, 0.4, 0.6, 0.8),
    mineral=(7.0,) * 5,
    bulk_density=(1300.0, 1500.0, 1517.0, 1517.0, 1517.0),
    organic=(5.0, 2.0, 1.0, 1.0, 0.3),
    stress_onset=33.0,
    stress_steepness=0.4,
    fine=False,
    annual_lai=1.3,
    annual_npp=1184.7,
    inputs=Inputs((0.189428, 0.053605, 0.45, 0.306967), (0.025, 0.04, 0.8, 0.75)),
    rates=Rates(
        coarse=(0.4325, 0.2457, 0.1617),
        surface_structural=(0.7073, 0.3759, 0.3347),
        surface_metabolic=(8.88, 5.92),
        soil_structural=(0.9703, 0.651, 0.4077),
        soil_metabolic=(9.25, 9.25),
        surface_microbial=(3.6, 2.4),
        soil_microbial=(1.8791, 2.1785, 0.03613),
        slow=(0.1375, 0.11216, 0.000345),
        passive=(0.0035, 0.0035),
    ),
)


class Parameters(NamedTuple):
    """Parameters. No ranges are published: they are half to one and a half times the default, as is usual for such models."""

    # fmt: off
    vcmax25: Annotated[float, Parameter("umol m-2 s-1", (28.9, 86.8), "largest rate of carboxylation at 25 degC per leaf area", _UNIFORM, level="pft")] = 57.85
    vcmax_nitrogen_slope: Annotated[float, Parameter("m2 g-1", (0.28, 0.85), "relative change of the rate of carboxylation with leaf nitrogen", _UNIFORM, level="pft")] = 0.5669
    leaf_nitrogen: Annotated[float, Parameter("g m-2", (1.35, 4.05), "nitrogen per leaf area at the top of the canopy", _UNIFORM, level="pft")] = 2.695
    clumping: Annotated[float, Parameter("1", (0.35, 1.0), "clumping index: 1 for leaves at random", _UNIFORM)] = 0.7
    stomatal_slope: Annotated[float, Parameter("1", (4.0, 12.0), "slope of stomatal conductance to water with assimilation and humidity", _UNIFORM, level="pft")] = 8.0
    stomatal_intercept: Annotated[float, Parameter("mol m-2 s-1", (0.00875, 0.02625), "stomatal conductance to water without assimilation", _UNIFORM, level="pft")] = 0.0175
    lai_scale: Annotated[float, Parameter("1", (0.5, 1.5), "leaf area index per that of the forcing", _UNIFORM)] = 1.0
    respiration_q10: Annotated[float, Parameter("1", (1.61, 4.83), "factor of maintenance respiration for ten degrees, at 0 degC", _UNIFORM, level="pft")] = 3.22
    root_decay: Annotated[float, Parameter("1", (0.9, 0.99), "fraction of the roots that is left below each centimetre", _UNIFORM, level="pft")] = 0.95
    soil_conductivity: Annotated[float, Parameter("m s-1", (1.85e-6, 5.55e-6), "saturated hydraulic conductivity of the uppermost layer", _UNIFORM)] = 3.7e-6
    soil_suction: Annotated[float, Parameter("m", (0.055, 0.165), "suction of the saturated uppermost layer", _UNIFORM)] = 0.11
    soil_exponent: Annotated[float, Parameter("1", (2.25, 6.75), "exponent b of the retention of water in the uppermost layer", _UNIFORM)] = 4.5
    # fmt: on


def _pool(default: float, what: str) -> Any:
    return Annotated[float, Parameter("gC m-2", (0.2 * default, 5.0 * default), f"carbon in {what} at the start")]


class State(NamedTuple):
    """Dead carbon."""

    coarse_carbon: _pool(2415.0, "coarse detritus") = 2415.0  # type: ignore[valid-type]
    surface_structural_carbon: _pool(2097.0, "structural litter on the ground") = 2097.0  # type: ignore[valid-type]
    surface_metabolic_carbon: _pool(50.0, "metabolic litter on the ground") = 50.0  # type: ignore[valid-type]
    soil_structural_carbon: _pool(1010.0, "structural litter in the soil") = 1010.0  # type: ignore[valid-type]
    soil_metabolic_carbon: _pool(28.0, "metabolic litter in the soil") = 28.0  # type: ignore[valid-type]
    surface_microbial_carbon: _pool(181.0, "microbes on the ground") = 181.0  # type: ignore[valid-type]
    soil_microbial_carbon: _pool(770.0, "microbes in the soil") = 770.0  # type: ignore[valid-type]
    slow_soil_carbon: _pool(14507.0, "slow soil organic matter") = 14507.0  # type: ignore[valid-type]
    passive_soil_carbon: _pool(4687.0, "passive soil organic matter") = 4687.0  # type: ignore[valid-type]


class FastState(NamedTuple):
    """Water, snow, soil and leaves; the declarations are those of the initial values."""

    # fmt: off
    water_over: Annotated[float, Parameter("mm", (0.0, 0.3), "water on leaves of the overstorey", _UNIFORM)] = 0.0
    water_under: Annotated[float, Parameter("mm", (0.0, 0.03), "water on leaves of the understorey", _UNIFORM)] = 0.0
    snow_over: Annotated[float, Parameter("mm", (0.0, 0.3), "snow on leaves of the overstorey", _UNIFORM)] = 0.0
    snow_under: Annotated[float, Parameter("mm", (0.0, 0.03), "snow on leaves of the understorey", _UNIFORM)] = 0.0
    snow_water: Annotated[float, Parameter("mm", (0.0, 100.0), "snow on the ground, as water", _UNIFORM)] = 0.0
    snow_density: Annotated[float, Parameter("kg m-3", (70.0, 250.0), "density of snow on the ground", _UNIFORM, fixed=True)] = 250.0
    snow_visible: Annotated[float, Parameter("1", (0.7, 0.94), "albedo of snow for visible light", _UNIFORM, fixed=True)] = 0.94
    snow_infrared: Annotated[float, Parameter("1", (0.42, 0.8), "albedo of snow for near infrared", _UNIFORM, fixed=True)] = 0.8
    pond: Annotated[float, Parameter("mm", (0.0, 5.0), "water on the ground", _UNIFORM, fixed=True)] = 0.0
    soil_water_1: Annotated[float, Parameter("mm", (6.5, 22.0), "water and ice in soil layer 1", _UNIFORM)] = 7.9
    soil_water_2: Annotated[float, Parameter("mm", (13.0, 44.0), "water and ice in soil layer 2", _UNIFORM)] = 19.8
    soil_water_3: Annotated[float, Parameter("mm", (26.0, 88.0), "water and ice in soil layer 3", _UNIFORM)] = 41.6
    soil_water_4: Annotated[float, Parameter("mm", (52.0, 176.0), "water and ice in soil layer 4", _UNIFORM)] = 87.2
    soil_water_5: Annotated[float, Parameter("mm", (162.5, 550.0), "water and ice in soil layer 5", _UNIFORM)] = 283.75
    soil_temperature_1: Annotated[float, Parameter("degC", (0.5, 30.0), "temperature of soil layer 1", _UNIFORM)] = 20.0
    soil_temperature_2: Annotated[float, Parameter("degC", (0.5, 30.0), "temperature of soil layer 2", _UNIFORM)] = 20.3
    soil_temperature_3: Annotated[float, Parameter("degC", (0.5, 30.0), "temperature of soil layer 3", _UNIFORM)] = 21.8
    soil_temperature_4: Annotated[float, Parameter("degC", (0.5, 30.0), "temperature of soil layer 4", _UNIFORM)] = 22.4
    soil_temperature_5: Annotated[float, Parameter("degC", (0.5, 30.0), "temperature of soil layer 5", _UNIFORM)] = 23.0
    soil_ice_1: Annotated[float, Parameter("1", (0.0, 1.0), "frozen fraction of the water of soil layer 1", _UNIFORM, fixed=True)] = 0.0
    soil_ice_2: Annotated[float, Parameter("1", (0.0, 1.0), "frozen fraction of the water of soil layer 2", _UNIFORM, fixed=True)] = 0.0
    soil_ice_3: Annotated[float, Parameter("1", (0.0, 1.0), "frozen fraction of the water of soil layer 3", _UNIFORM, fixed=True)] = 0.0
    soil_ice_4: Annotated[float, Parameter("1", (0.0, 1.0), "frozen fraction of the water of soil layer 4", _UNIFORM, fixed=True)] = 0.0
    soil_ice_5: Annotated[float, Parameter("1", (0.0, 1.0), "frozen fraction of the water of soil layer 5", _UNIFORM, fixed=True)] = 0.0
    ground_temperature: Annotated[float, Parameter("degC", (-30.0, 45.0), "temperature of the surface of soil or snow", _UNIFORM, fixed=True)] = 18.8
    canopy_sensible_heat: Annotated[float, Parameter("W m-2", (-200.0, 500.0), "sensible heat of the overstorey that sets the stability of the air", _UNIFORM, fixed=True)] = 0.0
    leaf_warmth_1: Annotated[float, Parameter("degC", (-30.0, 50.0), "temperature of sunlit leaves of the overstorey", _UNIFORM, fixed=True)] = 18.3
    leaf_warmth_2: Annotated[float, Parameter("degC", (-30.0, 50.0), "temperature of shaded leaves of the overstorey", _UNIFORM, fixed=True)] = 18.3
    leaf_warmth_3: Annotated[float, Parameter("degC", (-30.0, 50.0), "temperature of sunlit leaves of the understorey", _UNIFORM, fixed=True)] = 18.3
    leaf_warmth_4: Annotated[float, Parameter("degC", (-30.0, 50.0), "temperature of shaded leaves of the understorey", _UNIFORM, fixed=True)] = 18.3
    stomata_1: Annotated[float, Parameter("m s-1", (0.0, 0.05), "conductance to water of the stomata of sunlit leaves of the overstorey", _UNIFORM, fixed=True)] = 0.005
    stomata_2: Annotated[float, Parameter("m s-1", (0.0, 0.05), "conductance to water of the stomata of shaded leaves of the overstorey", _UNIFORM, fixed=True)] = 0.005
    stomata_3: Annotated[float, Parameter("m s-1", (0.0, 0.05), "conductance to water of the stomata of sunlit leaves of the understorey", _UNIFORM, fixed=True)] = 0.0033
    stomata_4: Annotated[float, Parameter("m s-1", (0.0, 0.05), "conductance to water of the stomata of shaded leaves of the understorey", _UNIFORM, fixed=True)] = 0.0033
    snowy_over: Annotated[float, Parameter("m2 m-2", (0.0, 0.1), "leaf area of the overstorey whose albedo snow changes", _UNIFORM, fixed=True)] = 0.0
    snowy_under: Annotated[float, Parameter("m2 m-2", (0.0, 0.01), "leaf area of the understorey whose albedo snow changes", _UNIFORM, fixed=True)] = 0.0
    # fmt: on


@extending(FastState)
class OriginalState(NamedTuple):
    """What the source keeps besides, and how far it is within an hour and within the search for leaf temperatures."""

    # fmt: off
    snow_temperature: Annotated[float, Parameter("degC", (-30.0, 45.0), "temperature of the snow surface", _UNIFORM, fixed=True)] = 18.8
    bare_temperature: Annotated[float, Parameter("degC", (-30.0, 45.0), "temperature of the soil surface without snow", _UNIFORM, fixed=True)] = 18.8
    snow_middle_temperature: Annotated[float, Parameter("degC", (-30.0, 45.0), "temperature of the second layer of snow", _UNIFORM, fixed=True)] = 18.8
    snow_bottom_temperature: Annotated[float, Parameter("degC", (-30.0, 45.0), "temperature of the third layer of snow", _UNIFORM, fixed=True)] = 18.8
    soil_heat_flux: Annotated[float, Parameter("W m-2", (-100.0, 100.0), "heat from the first to the second soil layer in the step before", _UNIFORM, fixed=True)] = 0.0
    earlier_water_1: Annotated[float, Parameter("mm", (0.0, 25.0), "water of soil layer 1 a step before", _UNIFORM, fixed=True)] = 7.9
    earlier_water_2: Annotated[float, Parameter("mm", (0.0, 50.0), "water of soil layer 2 a step before", _UNIFORM, fixed=True)] = 19.8
    internal_co2_1: Annotated[float, Parameter("umol mol-1", (100.0, 400.0), "internal CO2 of leaves of class 1", _UNIFORM, fixed=True)] = 266.0
    internal_co2_2: Annotated[float, Parameter("umol mol-1", (100.0, 400.0), "internal CO2 of leaves of class 2", _UNIFORM, fixed=True)] = 266.0
    internal_co2_3: Annotated[float, Parameter("umol mol-1", (100.0, 400.0), "internal CO2 of leaves of class 3", _UNIFORM, fixed=True)] = 266.0
    internal_co2_4: Annotated[float, Parameter("umol mol-1", (100.0, 400.0), "internal CO2 of leaves of class 4", _UNIFORM, fixed=True)] = 266.0
    steps_done: Annotated[float, Parameter("1", (0.0, 10.0), "steps of this hour that are done", _UNIFORM, fixed=True)] = 0.0
    rounds_done: Annotated[float, Parameter("1", (0.0, 23.0), "rounds of the search for leaf temperatures that are done in this step", _UNIFORM, fixed=True)] = 0.0
    # fmt: on


class Forcing(NamedTuple):
    """Drivers of an hour, or of another step of that length."""

    step_length: float
    shortwave_down: float
    air_temperature: float
    relative_humidity: float
    precipitation: float
    wind_speed: float
    co2: float
    lai: float
    solar_elevation_sine: Annotated[
        float, Quantity("solar_elevation_sine", "1", "sine of the elevation of the sun, the cosine of its zenith angle")
    ]


def _of_step(name: str, unit: str, what: str) -> Any:
    return Annotated[Any, Quantity(name, unit, f"{what}, mean of a step of 360 s")]


class FastFluxes(NamedTuple):
    """Of a step of 360 s."""

    step_gpp_over: _of_step("step_gpp_over", "gC m-2 d-1", "gross primary production of the overstorey")  # type: ignore[valid-type]
    step_gpp_under: _of_step("step_gpp_under", "gC m-2 d-1", "gross primary production of the understorey")  # type: ignore[valid-type]
    step_transpiration: _of_step("step_transpiration", "mm d-1", "transpiration")  # type: ignore[valid-type]
    step_interception_evaporation: _of_step("step_interception_evaporation", "mm d-1", "evaporation of water on leaves")  # type: ignore[valid-type]
    step_soil_evaporation: _of_step("step_soil_evaporation", "mm d-1", "evaporation of soil and of water on it")  # type: ignore[valid-type]
    step_sublimation: _of_step("step_sublimation", "mm d-1", "sublimation of snow on leaves and on the ground")  # type: ignore[valid-type]
    step_latent_heat: _of_step("step_latent_heat", "W m-2", "latent heat flux")  # type: ignore[valid-type]
    step_sensible_heat: _of_step("step_sensible_heat", "W m-2", "sensible heat flux")  # type: ignore[valid-type]
    step_ground_heat: _of_step("step_ground_heat", "W m-2", "heat into soil and snow")  # type: ignore[valid-type]
    step_net_radiation: _of_step("step_net_radiation", "W m-2", "net radiation")  # type: ignore[valid-type]
    step_runoff: _of_step("step_runoff", "mm d-1", "water lost from the ground")  # type: ignore[valid-type]


class Fluxes(NamedTuple):
    """Of an hour."""

    gpp: Any
    npp: Any
    nee: Any
    heterotrophic_respiration: Any
    litterfall: Any
    transpiration: Any
    interception_evaporation: Any
    soil_evaporation: Any
    sublimation: Any
    evapotranspiration: Any
    latent_heat: Any
    sensible_heat: Any
    ground_heat: Any
    net_radiation: Any
    precipitation: Any
    runoff: Any
