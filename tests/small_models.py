"""Two small process models whose kernels compile in a second, for tests of the numerical foundation."""

from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Budget, Nested, Parameter, Prior, ProcessModel


class Parameters(NamedTuple):
    efficiency: Annotated[float, Parameter("1", (0.1, 2.0), "light-use efficiency")] = 0.8
    turnover: Annotated[float, Parameter("d-1", (1e-3, 0.1), "fraction of live carbon lost per day")] = 0.02
    decay: Annotated[float, Parameter("d-1", (1e-4, 0.01), "fraction of dead carbon respired per day at 0 degC")] = 1e-3
    q10: Annotated[float, Parameter("1", (1.2, 3.0), "factor of respiration for 10 degC", Prior("uniform"))] = 1.8


class State(NamedTuple):
    foliage_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1000.0), "live carbon at the start")] = 200.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (100.0, 1e4), "dead carbon at the start")] = 3000.0


class Forcing(NamedTuple):
    shortwave_down: float
    air_temperature: float
    step_length: float


class Fluxes(NamedTuple):
    nee: Any
    gpp: Any
    reco: Any


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    gpp = p.efficiency * f.shortwave_down * x.foliage_carbon / (x.foliage_carbon + 100.0)
    loss = p.turnover * x.foliage_carbon
    respired = p.decay * x.soil_carbon * p.q10 ** (f.air_temperature / 10.0)
    growth = 0.5 * gpp
    live = x.foliage_carbon + f.step_length * (growth - loss)
    dead = x.soil_carbon + f.step_length * (loss - respired)
    return State(live, dead), Fluxes(nee=respired + growth - gpp, gpp=gpp, reco=respired + growth)


def two_pools(name: str = "two_pools", step: Any = step, budgets: Any = None) -> ProcessModel:
    carbon = {"carbon": Budget(("foliage_carbon", "soil_carbon"), ("gpp",), ("reco",))}
    return ProcessModel(
        name=name,
        title="Two carbon pools",
        step=step,
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        budgets=budgets or carbon,
    )


class RateParameters(NamedTuple):
    a: Annotated[float, Parameter("1", (0.1, 1.0), "assimilation per light", Prior("uniform"))] = 0.5
    k: Annotated[float, Parameter("1", (1e-3, 0.1), "decay", Prior("uniform"))] = 0.05
    w: Annotated[float, Parameter("1", (0.1, 1.0), "half saturation and water use", Prior("uniform"))] = 0.3


class SlowState(NamedTuple):
    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 10.0), "leaves at the start")] = 2.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 10.0), "soil at the start")] = 5.0


class FastState(NamedTuple):
    water: Annotated[float, Parameter("mm", (0.5, 5.0), "water at the start")] = 1.0


class SlowForcing(NamedTuple):
    air_temperature: float


class FastForcing(NamedTuple):
    shortwave_down: float


class SlowFluxes(NamedTuple):
    reco: Any
    gpp: Any


class FastFluxes(NamedTuple):
    net_radiation: Any
    evapotranspiration: Any


def fast_step(z: FastState, x: SlowState, f: FastForcing, p: RateParameters) -> tuple[FastState, FastFluxes]:
    uptake = 0.1 * p.a * f.shortwave_down * (1 - pt.exp(-0.3 * x.foliage_carbon)) * z.water / (z.water + p.w)
    lost = 0.1 * uptake * p.w
    return FastState(0.99 * z.water + 0.02 - 0.01 * lost), FastFluxes(uptake, lost)


def slow_step(x: SlowState, z: FastState, m: FastFluxes, f: SlowForcing, p: RateParameters) -> tuple[SlowState, FastState, SlowFluxes]:
    reco = p.k * x.soil_carbon * pt.exp(0.05 * f.air_temperature)
    litter = 0.05 * x.foliage_carbon
    following = SlowState(x.foliage_carbon + m.net_radiation - litter, x.soil_carbon + litter - reco)
    return following, FastState(z.water + 0.01 * x.foliage_carbon), SlowFluxes(reco, m.net_radiation)


TWO_POOLS = two_pools()
TWO_RATES = ProcessModel(
    name="two_rates",
    title="A fast water step in a slow carbon step",
    step=slow_step,
    parameters=RateParameters,
    state=SlowState,
    forcing=SlowForcing,
    fluxes=SlowFluxes,
    nested=Nested(fast_step, FastState, FastForcing, FastFluxes, 6),
    budgets={"carbon": Budget(("foliage_carbon", "soil_carbon"), ("gpp",), ("reco",))},
)


class NoState(NamedTuple):
    pass


class SharedForcing(NamedTuple):
    shortwave_down: float
    air_temperature: float  # of the slow step too: one value for each slow step


def memoryless_step(z: NoState, x: SlowState, f: SharedForcing, p: RateParameters) -> tuple[NoState, FastFluxes]:
    uptake = p.a * f.shortwave_down * (1 - pt.exp(-0.3 * x.foliage_carbon)) * pt.exp(-p.k * f.air_temperature)
    return NoState(), FastFluxes(uptake, p.w * uptake)


def over_memoryless(x: SlowState, z: NoState, m: FastFluxes, f: SlowForcing, p: RateParameters) -> tuple[SlowState, NoState, SlowFluxes]:
    following, _, fluxes = slow_step(x, FastState(1.0), m, f, p)
    return following, NoState(), fluxes


def hoisted_step(z: NoState, x: SlowState, f: SharedForcing, p: RateParameters) -> tuple[NoState, FastFluxes]:
    warm = pt.exp(0.05 * f.air_temperature)  # once for each slow step, for the parameters and for the forcing
    uptake = p.a**3 * pt.sqrt(f.shortwave_down * warm + 1.0) * pt.exp(-0.1 * x.foliage_carbon * warm) * (1.0 + 0.1 * f.air_temperature)
    return NoState(), FastFluxes(uptake, p.w * uptake)


MEMORYLESS = ProcessModel(
    name="memoryless",
    title="A fast step without memory, with forcing of the slow step",
    step=over_memoryless,
    parameters=RateParameters,
    state=SlowState,
    forcing=SlowForcing,
    fluxes=SlowFluxes,
    nested=Nested(memoryless_step, NoState, SharedForcing, FastFluxes, 6),
)
HOISTED = ProcessModel(
    name="hoisted",
    title="A fast step of which slow forcing decides much",
    step=over_memoryless,
    parameters=RateParameters,
    state=SlowState,
    forcing=SlowForcing,
    fluxes=SlowFluxes,
    nested=Nested(hoisted_step, NoState, SharedForcing, FastFluxes, 6, finite_branches=True),
    budgets={"carbon": Budget(("foliage_carbon", "soil_carbon"), ("gpp",), ("reco",))},
)
