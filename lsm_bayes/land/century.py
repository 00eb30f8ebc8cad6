"""CENTURY soil carbon as ORCHIDEE has it: metabolic and structural litter, and active, slow and passive soil organic matter.

Parton et al. (1987), doi 10.2136/sssaj1987.03615995005100050015x; Krinner et al. (2005), doi 10.1029/2003GB002199. Pools are gC m-2, fluxes
gC m-2 d-1. One layer: litter above ground decomposes like that in the soil. The lignin of structural litter is a parameter, not a
balance. ORCHIDEE steps with ``k C dt``; pools decay exponentially over a step here, then transfers and litter are added, so that months are
possible.

Gradients. The temperature factor stays at 1 above 30 degC, whatever `q10` is. The moisture factor stands at 0.25 in dry soil and at 1 in wet
soil, where the gradient to `soil_porosity` is zero; `century(moisture_width=0.02)` rounds both ends. All else is smooth.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Budget, Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.processes import century as transfers
from lsm_bayes.processes import decomposition_moisture, decomposition_temperature, turnover

YEAR = 365.25  # d
UNIFORM = Prior("uniform")


class Parameters(NamedTuple):
    """Parameters; residence times, at 30 degC and without water stress, within a factor of two of those of ORCHIDEE."""

    # One parameter a line.
    # fmt: off
    q10: Annotated[float, Parameter("1", (1.0, 3.0), "factor of decomposition for 10 degC, exp(0.69) in ORCHIDEE", Prior("log_normal", 1.99, 0.2), level="global")] = 1.99
    metabolic_litter_time: Annotated[float, Parameter("yr", (0.033, 0.132), "residence time of metabolic litter", level="global")] = 0.066
    structural_litter_time: Annotated[float, Parameter("yr", (0.122, 0.49), "residence time of structural litter without lignin", level="global")] = 0.245
    active_soil_time: Annotated[float, Parameter("yr", (0.0745, 0.298), "residence time of active soil organic matter without clay", level="global")] = 0.149
    slow_soil_time: Annotated[float, Parameter("yr", (2.74, 10.96), "residence time of slow soil organic matter", level="global")] = 5.48
    passive_soil_time: Annotated[float, Parameter("yr", (120.5, 482.0), "residence time of passive soil organic matter", level="global")] = 241.0
    lignin_to_nitrogen: Annotated[float, Parameter("1", (2.0, 45.0), "mass of lignin over mass of nitrogen in litter", level="pft")] = 12.0
    structural_lignin: Annotated[float, Parameter("1", (0.05, 0.95), "lignin as a fraction of the carbon in structural litter", UNIFORM, level="pft")] = 0.5
    clay_fraction: Annotated[float, Parameter("1", (0.01, 0.8), "mass of clay over mass of mineral soil", UNIFORM)] = 0.2
    soil_porosity: Annotated[float, Parameter("1", (0.3, 0.8), "volumetric water content of the soil at saturation", UNIFORM)] = 0.45
    # fmt: on


class State(NamedTuple):
    """Pools; the declarations are those of the initial values."""

    metabolic_litter_carbon: Annotated[float, Parameter("gC m-2", (0.1, 5000.0), "carbon in metabolic litter at the start")] = 75.0
    structural_litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2e4), "carbon in structural litter at the start")] = 700.0
    active_soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 5000.0), "carbon in active soil organic matter at the start")] = 150.0
    slow_soil_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in slow soil organic matter at the start")] = 3000.0
    passive_soil_carbon: Annotated[float, Parameter("gC m-2", (10.0, 2e5), "carbon in passive soil organic matter at the start")] = 4500.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    litterfall: float
    soil_temperature: float
    soil_water: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it; litter and soil carbon at its start."""

    heterotrophic_respiration: Any
    litter_respiration: Any
    soil_respiration: Any
    litterfall: Any
    litter_decomposition: Any
    litter_carbon: Any
    soil_carbon: Any
    temperature_factor: Any
    moisture_factor: Any
    metabolic_litter_loss_rate: Any
    structural_litter_loss_rate: Any
    active_soil_loss_rate: Any
    slow_soil_loss_rate: Any
    passive_soil_loss_rate: Any


def stepper(loss: str = "exponential", moisture_width: float = 0.0) -> Any:
    """Return a step.

    Parameters
    ----------
    loss : {"exponential", "forward"}
        ``C (1 - exp(-k dt))``, or ``k C dt`` as in ORCHIDEE, which turns pools negative over steps of months.
    moisture_width : float
        Value of the moisture factor over which its limits are rounded; zero leaves them as published.

    Returns
    -------
    callable
        ``step(state, forcing, parameters)``: Parton et al. (1987), Krinner et al. (2005).

    Raises
    ------
    ValueError
        For another `loss`; the message lists the two.
    """
    loss_rate = turnover.integrated(loss)

    def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
        days = f.step_length
        warmth = decomposition_temperature.century(f.soil_temperature, p.q10)
        wetness = decomposition_moisture.wetness(f.soil_water, p.soil_porosity)
        moisture = decomposition_moisture.century(wetness, moisture_width)
        rates = (
            1.0 / p.metabolic_litter_time,
            transfers.lignin_factor(p.structural_lignin) / p.structural_litter_time,
            transfers.clay_factor(p.clay_fraction) / p.active_soil_time,
            1.0 / p.slow_soil_time,
            1.0 / p.passive_soil_time,
        )
        loss_rates = [loss_rate(k / YEAR * (warmth * moisture), days) for k in rates]
        metabolic, structural, active, slow, passive = (c * r for c, r in zip(x, loss_rates, strict=True))

        fate = transfers.active_transfers(p.clay_fraction)
        litter_to_active, litter_to_slow = _from_litter(metabolic, structural, p)
        slow_in = litter_to_slow + fate.slow * active
        active_in = litter_to_active + transfers.SLOW_TO_ACTIVE * slow + transfers.PASSIVE_TO_ACTIVE * passive
        passive_in = fate.passive * active + transfers.SLOW_TO_PASSIVE * slow
        kept_slow = transfers.SLOW_TO_ACTIVE + transfers.SLOW_TO_PASSIVE
        litter_respired = metabolic + structural - litter_to_active - litter_to_slow
        soil_respired = fate.respired * active + (1.0 - kept_slow) * slow + (1.0 - transfers.PASSIVE_TO_ACTIVE) * passive
        metabolic_in = transfers.metabolic_fraction(p.lignin_to_nitrogen) * f.litterfall
        return State(
            x.metabolic_litter_carbon + days * (metabolic_in - metabolic),
            x.structural_litter_carbon + days * (f.litterfall - metabolic_in - structural),
            x.active_soil_carbon + days * (active_in - active),
            x.slow_soil_carbon + days * (slow_in - slow),
            x.passive_soil_carbon + days * (passive_in - passive),
        ), Fluxes(
            heterotrophic_respiration=litter_respired + soil_respired,
            litter_respiration=litter_respired,
            soil_respiration=soil_respired,
            litterfall=f.litterfall,
            litter_decomposition=litter_to_active + litter_to_slow,
            litter_carbon=x.metabolic_litter_carbon + x.structural_litter_carbon,
            soil_carbon=x.active_soil_carbon + x.slow_soil_carbon + x.passive_soil_carbon,
            temperature_factor=warmth,
            moisture_factor=moisture,
            metabolic_litter_loss_rate=loss_rates[0],
            structural_litter_loss_rate=loss_rates[1],
            active_soil_loss_rate=loss_rates[2],
            slow_soil_loss_rate=loss_rates[3],
            passive_soil_loss_rate=loss_rates[4],
        )

    return step


def _from_litter(metabolic: Any, structural: Any, p: Parameters) -> tuple[Any, Any]:
    """Carbon of decomposed litter that reaches the active and the slow pool."""
    lignin = p.structural_lignin * structural
    to_active = transfers.METABOLIC_TO_ACTIVE * metabolic + transfers.STRUCTURAL_TO_ACTIVE * (structural - lignin)
    return to_active, transfers.LIGNIN_TO_SLOW * lignin


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
        covariance of pool and rate within the year is neglected, which matters for litter and active soil organic matter only.
    """
    metabolic = transfers.metabolic_fraction(p.lignin_to_nitrogen) * means["litterfall"]
    structural = means["litterfall"] - metabolic
    to_active, to_slow = _from_litter(metabolic, structural, p)
    fate = transfers.active_transfers(p.clay_fraction)
    # What the slow and the passive pool return to the active one, per decomposed slow carbon.
    returned = transfers.SLOW_TO_ACTIVE + transfers.PASSIVE_TO_ACTIVE * transfers.SLOW_TO_PASSIVE
    active = (to_active + returned * to_slow) / (1.0 - returned * fate.slow - transfers.PASSIVE_TO_ACTIVE * fate.passive)
    slow = to_slow + fate.slow * active
    gains = {
        "metabolic_litter": metabolic,
        "structural_litter": structural,
        "active_soil": active,
        "slow_soil": slow,
        "passive_soil": fate.passive * active + transfers.SLOW_TO_PASSIVE * slow,
    }
    return {f"{pool}_carbon": gain / means[f"{pool}_loss_rate"] for pool, gain in gains.items()}


def century(loss: str = "exponential", moisture_width: float = 0.0, name: str = "century") -> ProcessModel:
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
        title="CENTURY soil carbon as in ORCHIDEE: two litter and three soil pools",
        step=stepper(loss, moisture_width),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        citations=(
            "Parton et al. (1987), Soil Sci. Soc. Am. J. 51, 1173-1179, doi 10.2136/sssaj1987.03615995005100050015x",
            "Krinner et al. (2005), Global Biogeochem. Cycles 19, GB1015, doi 10.1029/2003GB002199: ORCHIDEE",
        ),
        budgets={"carbon": Budget(tuple(State._fields), ("litterfall",), ("heterotrophic_respiration",))},
        equilibrium=Equilibrium(("litterfall", *(f for f in Fluxes._fields if f.endswith("_loss_rate"))), equilibrium),
    )


CENTURY = century()
