"""P-model with the SPLASH soil water balance: daily GPP of C3 vegetation from acclimated leaves, light and soil water.

Stocker et al. (2020), doi 10.5194/gmd-13-1545-2020; water by Davis et al. (2017), doi 10.5194/gmd-10-689-2017; memory of the climate that
leaves acclimate to, soil moisture stress and quantum yield as in rsofun (Paredes et al. 2023, doi 10.1101/2023.11.24.568574), whose names
of parameters are kept. Light absorbed (PPFD times fAPAR) is a forcing. Water does not depend on photosynthesis: evapotranspiration is that of
SPLASH.

The order of a day: the memories take up today's weather; GPP follows from them, today's light and temperature, and the soil water at
the start of the day; then rain, melt, condensation and evapotranspiration change the soil water, and what exceeds the capacity runs off.

Thresholds. GPP is zero where the memory of temperature is at or below -5 degC (a jump in ``tau_acclim``), where the parabola of the quantum
yield is negative (``kphio_par_a``, ``kphio_par_b``), and where the cost of electron transport exceeds what it gains (``kc_jmax``,
``beta_unitcostratio``), with an infinite slope beside. Calibrate with ``p_model_smooth`` where days are near the first or the last of these:
its limits are smooth over the widths `ELECTRON_TRANSPORT_WIDTH` and `COLD_WIDTH`, and `smooth_step` makes others.

Traps. ``vcmax25``, ``jmax25`` and ``dark_respiration`` use the temperature responses of Kattge & Knorr (2007), as Stocker et al. do; rsofun
turned later to others, which GPP does not depend on. Its latent heat flux divides water by the energy times s / (s + gamma), not by the heat
of vaporisation; there is none here. Condensation is an input of soil water and not a part of evapotranspiration. Where there is
no PPFD, it is 2.04 umol J-1 times shortwave radiation (Meek et al. 1984).
"""

from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Parameter, Prior, ProcessModel
from lsm_bayes.processes import optimal_photosynthesis as leaf
from lsm_bayes.processes import snow, splash, turnover

COLD = -5.0  # degC, no photosynthesis at or below this temperature of growth
MELT_THRESHOLD = 1.0  # degC
ELECTRON_TRANSPORT_WIDTH, COLD_WIDTH = 0.01, 0.5  # 1, degC
UNIFORM = Prior("uniform")


class Parameters(NamedTuple):
    """Parameters; bounds of the first six and of kc_jmax are those of the published calibration and sensitivity analysis."""

    # One parameter a line.
    # fmt: off
    kphio: Annotated[float, Parameter("1", (0.02, 0.15), "quantum yield of photosynthesis at its optimal temperature, CO2 per photon", UNIFORM, level="pft")] = 0.05
    kphio_par_a: Annotated[float, Parameter("K-2", (-0.004, 0.0), "curvature of the quantum yield with temperature, 0 for none", UNIFORM, level="global")] = -0.0025
    kphio_par_b: Annotated[float, Parameter("degC", (10.0, 30.0), "optimal temperature of the quantum yield", UNIFORM, level="pft")] = 20.0
    soilm_thetastar: Annotated[float, Parameter("mm", (1.0, 500.0), "plant-available water below which photosynthesis is stressed", UNIFORM)] = 144.0
    soilm_betao: Annotated[float, Parameter("1", (0.0, 1.0), "factor of photosynthesis without plant-available water", UNIFORM)] = 0.2
    beta_unitcostratio: Annotated[float, Parameter("1", (50.0, 250.0), "unit cost of carboxylation over that of transpiration", UNIFORM, level="global")] = 146.0
    rd_to_vcmax: Annotated[float, Parameter("1", (0.005, 0.1), "leaf respiration over carboxylation capacity at 25 degC", level="pft")] = 0.014
    tau_acclim: Annotated[float, Parameter("d", (2.0, 60.0), "e-folding time of acclimation to the environment", level="global")] = 30.0
    kc_jmax: Annotated[float, Parameter("1", (0.2, 0.8), "unit cost of electron transport", UNIFORM, level="pft")] = 0.41
    water_holding_capacity: Annotated[float, Parameter("mm", (30.0, 1000.0), "plant-available water that the soil holds")] = 150.0
    rain_temperature: Annotated[float, Parameter("degC", (-2.0, 6.0), "air temperature from which all precipitation is rain", UNIFORM, level="global")] = 2.0
    snow_melt_rate: Annotated[float, Parameter("mm d-1 K-1", (0.5, 8.0), "melt per day and degree above 1 degC", level="global")] = 3.0
    # fmt: on


class State(NamedTuple):
    """Water, and the environment that leaves have acclimated to; the declarations are those of the initial values.

    The initial memories are forgotten within a few ``tau_acclim``: fix them at means of the weeks before, or run a year first.
    """

    # fmt: off
    plant_available_water: Annotated[float, Parameter("mm", (1.0, 1000.0), "plant-available soil water at the start")] = 100.0
    snow_water: Annotated[float, Parameter("mm", (0.0, 1000.0), "snow pack at the start, as water", UNIFORM)] = 0.0
    acclimated_temperature: Annotated[float, Parameter("degC", (-30.0, 40.0), "memory of air temperature at the start", UNIFORM)] = 10.0
    acclimated_vapour_pressure_deficit: Annotated[float, Parameter("hPa", (0.1, 50.0), "memory of vapour pressure deficit at the start")] = 5.0
    acclimated_ppfd: Annotated[float, Parameter("umol m-2 s-1", (1.0, 1000.0), "memory of photosynthetic photon flux density at the start")] = 250.0
    acclimated_air_pressure: Annotated[float, Parameter("kPa", (50.0, 110.0), "memory of air pressure at the start", UNIFORM)] = 98.0
    acclimated_co2: Annotated[float, Parameter("umol mol-1", (180.0, 1000.0), "memory of CO2 at the start")] = 390.0
    # fmt: on


class Forcing(NamedTuple):
    """Drivers of one step; temperature and vapour pressure deficit are best those of the daytime."""

    air_temperature: float
    vapour_pressure_deficit: float
    ppfd_down: float
    fapar: float
    co2: float
    air_pressure: float
    precipitation: float
    cloud_fraction: float
    day_of_year: float
    latitude: float
    elevation: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it."""

    gpp: Any
    evapotranspiration: Any
    potential_evapotranspiration: Any
    condensation: Any
    rainfall: Any
    snowfall: Any
    snow_melt: Any
    runoff: Any
    net_radiation: Any
    light_use_efficiency: Any
    soil_moisture_stress: Any
    ci_to_ca: Any
    intrinsic_water_use_efficiency: Any
    vcmax: Any
    vcmax25: Any
    jmax: Any
    jmax25: Any
    dark_respiration: Any


def _photosynthesis(widths: tuple[float, float], x: State, f: Forcing, p: Parameters) -> dict[str, Any]:
    """Photosynthesis of leaves with the memories of `x`, and soil water."""
    growth = x.acclimated_temperature
    cold = growth <= COLD
    bearable = pt.switch(cold, COLD, growth)  # the properties of supercooled water diverge
    pressure = 1e3 * x.acclimated_air_pressure
    a = leaf.acclimate(bearable, 100.0 * x.acclimated_vapour_pressure_deficit, x.acclimated_co2, pressure, p.beta_unitcostratio)
    limit, transport = leaf.electron_transport_limit(a.assimilation, p.kc_jmax, widths[0])
    active = pt.sigmoid((growth - COLD) / widths[1]) if widths[1] else pt.switch(cold, 0.0, 1.0)
    # Light is used with the quantum yield of today's temperature.
    phi = active * p.kphio * leaf.quantum_yield_factor(f.air_temperature, p.kphio_par_a, p.kphio_par_b)
    stress = leaf.soil_moisture_stress(x.plant_available_water, p.soilm_thetastar, p.soilm_betao)
    efficiency = phi * a.assimilation * limit * stress
    vcmax = phi * x.acclimated_ppfd * a.carboxylation * limit
    jmax = 4.0 * phi * x.acclimated_ppfd * transport
    vcmax25 = vcmax / leaf.peaked_arrhenius(bearable, bearable, 71_513.0, (668.39, -1.07))
    mass_per_day = leaf.CARBON_MOLAR_MASS * 86400e-6
    return {
        "gpp": f.fapar * f.ppfd_down * mass_per_day * efficiency,
        "light_use_efficiency": efficiency,
        "soil_moisture_stress": stress,
        "ci_to_ca": a.ci_to_ca,
        "intrinsic_water_use_efficiency": 1e6 / 1.6 * a.drawdown / pressure,
        "vcmax": vcmax,
        "vcmax25": vcmax25,
        "jmax": jmax,
        "jmax25": jmax / leaf.peaked_arrhenius(bearable, bearable, 49_884.0, (659.70, -0.75)),
        "dark_respiration": mass_per_day * f.fapar * p.rd_to_vcmax * vcmax25 * leaf.dark_respiration_factor(f.air_temperature),
    }


def _step(widths: tuple[float, float], x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    days = f.step_length
    taken_up = days * turnover.loss_rate(1.0 / p.tau_acclim, days)
    memories = {
        name: (now := getattr(x, f"acclimated_{name}")) + taken_up * (today - now)
        for name, today in (
            ("temperature", f.air_temperature),
            ("vapour_pressure_deficit", f.vapour_pressure_deficit),
            ("ppfd", f.ppfd_down),
            ("air_pressure", f.air_pressure),
            ("co2", f.co2),
        )
    }
    x = x._replace(**{f"acclimated_{name}": value for name, value in memories.items()})
    made = _photosynthesis(widths, x, f, p)

    sun = splash.radiation(f.day_of_year, f.latitude, f.elevation, f.air_temperature, f.cloud_fraction)
    water = splash.evaporation(sun, f.air_temperature, f.elevation, x.plant_available_water / p.water_holding_capacity)
    snowfall = f.precipitation * snow.snow_fraction(f.air_temperature, p.rain_temperature)
    rainfall = f.precipitation - snowfall
    melt = snow.degree_day_melt(x.snow_water, f.air_temperature, p.snow_melt_rate, MELT_THRESHOLD, days)
    after = x.plant_available_water + days * (rainfall + melt + water.condensation - water.actual)
    # These comparisons are false for NaN, which must come out again.
    excess = pt.switch(after <= p.water_holding_capacity, 0.0, after - p.water_holding_capacity)
    deficit = pt.switch(after >= 0, 0.0, -after)  # only with a small capacity or a long step
    return x._replace(plant_available_water=after - excess + deficit, snow_water=x.snow_water + days * (snowfall - melt)), Fluxes(
        evapotranspiration=water.actual - deficit / days,
        potential_evapotranspiration=water.potential,
        condensation=water.condensation,
        rainfall=rainfall,
        snowfall=snowfall,
        snow_melt=melt,
        runoff=excess / days,
        net_radiation=(sun.positive + sun.negative) / splash.DAY,
        **made,
    )


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    """Advance water and memories by one step.

    Parameters
    ----------
    x : State
        Water and memories at the start.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.

    Returns
    -------
    tuple of State and Fluxes
        Water and memories at the end, and the fluxes of the step.
    """
    return _step((0.0, 0.0), x, f, p)


def smooth_step(
    x: State,
    f: Forcing,
    p: Parameters,
    electron_transport_width: float = ELECTRON_TRANSPORT_WIDTH,
    cold_width: float = COLD_WIDTH,
) -> tuple[State, Fluxes]:
    """Advance as `step` does, with smooth limits of photosynthesis by cold and by the cost of electron transport.

    Parameters
    ----------
    x : State
        Water and memories at the start.
    f : Forcing
        Drivers of the step.
    p : Parameters
        Parameters.
    electron_transport_width : float
        Of `lsm_bayes.processes.optimal_photosynthesis.electron_transport_limit`, 1.
    cold_width : float
        Scale of a logistic curve around -5 degC, in degC.

    Returns
    -------
    tuple of State and Fluxes
        As `step`, to which they converge as the widths go to zero.
    """
    return _step((electron_transport_width, cold_width), x, f, p)


_DECLARED: dict[str, Any] = {
    "parameters": Parameters,
    "state": State,
    "forcing": Forcing,
    "fluxes": Fluxes,
    "citations": (
        "Prentice et al. (2014), Ecology Letters 17, 82-91, doi 10.1111/ele.12211: optimal ratio of internal to ambient CO2",
        "Wang et al. (2017), Nature Plants 3, 734-741, doi 10.1038/s41477-017-0006-8: cost of electron transport",
        "Davis et al. (2017), Geoscientific Model Development 10, 689-708, doi 10.5194/gmd-10-689-2017: SPLASH",
        "Stocker et al. (2020), Geoscientific Model Development 13, 1545-1581, doi 10.5194/gmd-13-1545-2020: P-model",
    ),
    "budgets": {
        "water": Budget(("plant_available_water", "snow_water"), ("rainfall", "snowfall", "condensation"), ("evapotranspiration", "runoff"))
    },
}
P_MODEL = ProcessModel(name="p_model", title="P-model with SPLASH soil water", step=step, **_DECLARED)
P_MODEL_SMOOTH = ProcessModel(
    name="p_model_smooth", title="P-model with SPLASH soil water, smooth limits of photosynthesis", step=smooth_step, **_DECLARED
)
