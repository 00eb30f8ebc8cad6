"""RothC-26.3: four pools of soil carbon, fed by litter.

Coleman & Jenkinson (1996), doi 10.1007/978-3-642-61094-3_17, with the temperature, moisture and cover factors of JULES, Clark et al. (2011),
doi 10.5194/gmd-4-701-2011: wetness takes the place of the topsoil moisture deficit. Pools are gC m-2, fluxes gC m-2 d-1. RothC has steps
of a month, JULES of days; pools decay exponentially over a step, then litter is added. RothC itself takes the temperature of
the air; give that as `soil_temperature` to follow it.

Gradients. The moisture factor has kinks at two wetnesses that depend on `wilting_wetness`: gradients to it and to `soil_porosity` are those
of the pieces in which the days lie. `rothc(moisture_width=0.02)` rounds them. Below -10 degC nothing decomposes. Rates, cover, clay and litter
ratio are smooth.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Budget, Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.processes import decomposition_moisture, decomposition_temperature, turnover
from lsm_bayes.processes import rothc as partition

YEAR = 365.25  # d
UNIFORM = Prior("uniform")


class Parameters(NamedTuple):
    """Parameters; rate constants within a factor of two of those of RothC-26.3."""

    # One parameter a line.
    # fmt: off
    decomposable_plant_rate: Annotated[float, Parameter("yr-1", (5.0, 20.0), "decomposition rate of decomposable plant material (DPM)", level="global")] = 10.0
    resistant_plant_rate: Annotated[float, Parameter("yr-1", (0.15, 0.6), "decomposition rate of resistant plant material (RPM)", level="global")] = 0.3
    microbial_rate: Annotated[float, Parameter("yr-1", (0.33, 1.32), "decomposition rate of microbial carbon (BIO)", level="global")] = 0.66
    humus_rate: Annotated[float, Parameter("yr-1", (0.01, 0.04), "decomposition rate of humus (HUM)", level="global")] = 0.02
    decomposable_to_resistant: Annotated[float, Parameter("1", (0.1, 2.0), "decomposable over resistant plant material in litter (DPM/RPM): 0.25 trees, 0.33 shrubs, 0.67 grass, 1.44 crops", level="pft")] = 0.67
    clay_fraction: Annotated[float, Parameter("1", (0.01, 0.8), "mass of clay over mass of mineral soil", UNIFORM)] = 0.2
    soil_porosity: Annotated[float, Parameter("1", (0.3, 0.8), "volumetric water content of the soil at saturation", UNIFORM)] = 0.45
    wilting_wetness: Annotated[float, Parameter("1", (0.02, 0.4), "water content at the wilting point over that at saturation", UNIFORM)] = 0.2
    vegetated_fraction: Annotated[float, Parameter("1", (0.0, 1.0), "fraction of the ground under vegetation", UNIFORM)] = 1.0
    inert_soil_carbon: Annotated[float, Parameter("gC m-2", (0.0, 2e4), "inert organic matter (IOM), part of the soil carbon", UNIFORM)] = 0.0
    # fmt: on


class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    decomposable_plant_carbon: Annotated[float, Parameter("gC m-2", (0.1, 5000.0), "decomposable plant material at the start")] = 35.0
    resistant_plant_carbon: Annotated[float, Parameter("gC m-2", (1.0, 5e4), "resistant plant material at the start")] = 1750.0
    microbial_carbon: Annotated[float, Parameter("gC m-2", (1.0, 5000.0), "microbial carbon at the start")] = 165.0
    humus_carbon: Annotated[float, Parameter("gC m-2", (10.0, 2e5), "humus at the start")] = 6500.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    litterfall: float
    soil_temperature: float
    soil_water: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; soil carbon at its start, inert carbon included."""

    heterotrophic_respiration: Any
    litterfall: Any
    soil_carbon: Any
    decomposition_factor: Any
    decomposable_plant_loss_rate: Any
    resistant_plant_loss_rate: Any
    microbial_loss_rate: Any
    humus_loss_rate: Any


def stepper(loss: str = "exponential", moisture_width: float = 0.0) -> Any:
    """Return a step.

    Parameters
    ----------
    loss : {"exponential", "forward"}
        ``C (1 - exp(-k dt))`` as in RothC, or ``k C dt`` as in JULES, which turns pools negative over steps that are too long.
    moisture_width : float
        Wetness over which the kinks of the moisture factor are rounded; zero leaves them as published.

    Returns
    -------
    callable
        ``step(state, forcing, parameters)``: Coleman & Jenkinson (1996); modifiers of Clark et al. (2011).

    Raises
    ------
    ValueError
        For another `loss`; the message lists the two.
    """
    loss_rate = turnover.integrated(loss)

    def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
        wet = decomposition_moisture.wetness(f.soil_water, p.soil_porosity)
        factor = (
            decomposition_temperature.rothc(f.soil_temperature)
            * decomposition_moisture.rothc(wet, p.wilting_wetness, moisture_width)
            * partition.cover_factor(p.vegetated_fraction)
        )
        rates = p.decomposable_plant_rate, p.resistant_plant_rate, p.microbial_rate, p.humus_rate
        loss_rates = [loss_rate(k / YEAR * factor, f.step_length) for k in rates]
        lost = [c * r for c, r in zip(x, loss_rates, strict=True)]
        decomposed = lost[0] + lost[1] + lost[2] + lost[3]
        to_microbes, to_humus = (share * decomposed for share in partition.retained(p.clay_fraction))
        decomposable = p.decomposable_to_resistant / (1.0 + p.decomposable_to_resistant) * f.litterfall
        gains = decomposable, f.litterfall - decomposable, to_microbes, to_humus
        following = State(*(c + f.step_length * (g - d) for c, g, d in zip(x, gains, lost, strict=True)))
        return following, Fluxes(
            heterotrophic_respiration=decomposed - to_microbes - to_humus,
            litterfall=f.litterfall,
            soil_carbon=x[0] + x[1] + x[2] + x[3] + p.inert_soil_carbon,
            decomposition_factor=factor,
            decomposable_plant_loss_rate=loss_rates[0],
            resistant_plant_loss_rate=loss_rates[1],
            microbial_loss_rate=loss_rates[2],
            humus_loss_rate=loss_rates[3],
        )

    return step


def equilibrium(means: Mapping[str, Any], p: Parameters) -> dict[str, Any]:
    """Return the pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Means over whole years of ``litterfall`` (gC m-2 d-1) and of the loss rate of each pool (d-1).
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        All pools, gC m-2, means over a cycle: input over mean loss rate. Exact where litter and rates are constant; otherwise the
        covariance of pool and rate within the year is neglected, which matters for decomposable plant material only.
    """
    litter = means["litterfall"]
    to_microbes, to_humus = partition.retained(p.clay_fraction)
    decomposed = litter / (1.0 - to_microbes - to_humus)  # of all pools together: what is respired equals the litter
    decomposable = p.decomposable_to_resistant / (1.0 + p.decomposable_to_resistant) * litter
    gains = {
        "decomposable_plant": decomposable,
        "resistant_plant": litter - decomposable,
        "microbial": to_microbes * decomposed,
        "humus": to_humus * decomposed,
    }
    return {f"{pool}_carbon": gain / means[f"{pool}_loss_rate"] for pool, gain in gains.items()}


def rothc(loss: str = "exponential", moisture_width: float = 0.0, name: str = "rothc") -> ProcessModel:
    """Declare the model.

    Parameters
    ----------
    loss : {"exponential", "forward"}
        See `stepper`.
    moisture_width : float
        See `stepper`.
    name : str
        Name of the process model.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    return ProcessModel(
        name=name,
        title="RothC-26.3 soil carbon with the modifiers of JULES",
        step=stepper(loss, moisture_width),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        citations=(
            "Coleman & Jenkinson (1996), in: Evaluation of Soil Organic Matter Models, 237-246, doi 10.1007/978-3-642-61094-3_17",
            "Clark et al. (2011), Geosci. Model Dev. 4, 701-722, doi 10.5194/gmd-4-701-2011: modifiers of JULES",
        ),
        budgets={"carbon": Budget(tuple(State._fields), ("litterfall",), ("heterotrophic_respiration",))},
        equilibrium=Equilibrium(("litterfall", *(f for f in Fluxes._fields if f.endswith("_loss_rate"))), equilibrium),
    )


ROTHC = rothc()
