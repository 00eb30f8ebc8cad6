"""The two-pool test model of the Optimisation Intercomparison (OptIC): plant and soil stores that help each other grow.

Raupach (2007), doi 10.5194/bg-4-875-2007; Trudinger et al. (2007), doi 10.1029/2006JG000367. MacBean et al. (2016),
doi 10.5194/gmd-9-3569-2016, use the same equations for above- and belowground biomass. Stores are dimensionless, a day stands for the
unit of time.

With constant forcing there are one or three steady states; where there are three, the stores settle at the near-extinct or at the active one,
depending on where they start, and only the seed production lifts them from zero. The bounds of the parameters were not checked against
table 1 of Trudinger et al.
"""

from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Budget, Parameter, ProcessModel
from lsm_bayes.vocabulary import Quantity

SEED = 0.01  # d-1, seed production, fixed


class Parameters(NamedTuple):
    """Parameters."""

    # One parameter a line.
    # fmt: off
    plant_half_saturation: Annotated[float, Parameter("1", (0.5, 5.0), "plant store at which production is half of its largest value")] = 1.0
    soil_half_saturation: Annotated[float, Parameter("1", (0.5, 5.0), "soil store at which production is half of its largest value")] = 1.0
    plant_decay_rate: Annotated[float, Parameter("d-1", (0.03, 0.9), "fraction of the plant store that turns into soil per day")] = 0.2
    soil_decay_rate: Annotated[float, Parameter("d-1", (0.01, 0.12), "fraction of the soil store that decays per day")] = 0.1
    # fmt: on


class State(NamedTuple):
    """Stores; the declarations are those of the initial values."""

    plant_store: Annotated[float, Parameter("1", (0.01, 100.0), "plant store at the start")] = 1.0
    soil_store: Annotated[float, Parameter("1", (0.01, 100.0), "soil store at the start")] = 1.0


class Forcing(NamedTuple):
    """Drivers of one step."""

    resource_availability: float
    step_length: float


class Fluxes(NamedTuple):
    """Fluxes of one step, means over it."""

    production: Annotated[Any, Quantity("production", "d-1", "growth of the plant store, seed production included")]
    plant_decay: Annotated[Any, Quantity("plant_decay", "d-1", "plant store to soil store")]
    soil_decay: Annotated[Any, Quantity("soil_decay", "d-1", "loss of the soil store")]


def stepper(substeps: int = 1) -> Any:
    """Return a step of the explicit Euler method.

    Parameters
    ----------
    substeps : int
        Parts that a step is cut into, forcing constant. The stores stay positive where the decay rates times the length of a part are
        below 1. The papers do not say whether OptIC's own runs had parts.

    Returns
    -------
    callable
        ``step(state, forcing, parameters)``: Raupach (2007), Trudinger et al. (2007).

    Raises
    ------
    ValueError
        When there is not at least one part.
    """
    if substeps < 1:
        raise ValueError(f"a step has at least one part, got substeps={substeps}")

    def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
        plant, soil = x
        sums: list[Any] = [0.0, 0.0, 0.0]
        for _ in range(substeps):
            growth = f.resource_availability * (plant / (p.plant_half_saturation + plant)) * (soil / (p.soil_half_saturation + soil))
            rates = growth + SEED, p.plant_decay_rate * plant, p.soil_decay_rate * soil
            part = f.step_length / substeps
            plant, soil = plant + part * (rates[0] - rates[1]), soil + part * (rates[1] - rates[2])
            sums = [s + r / substeps for s, r in zip(sums, rates, strict=True)]
        return State(plant, soil), Fluxes(*sums)

    return step


def optic(substeps: int = 1, name: str = "optic") -> ProcessModel:
    """Declare the model.

    Parameters
    ----------
    substeps : int
        Parts of a step, see `stepper`.
    name : str
        Name of the process model.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    return ProcessModel(
        name=name,
        title="Two-pool model of the Optimisation Intercomparison (OptIC)",
        step=stepper(substeps),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        citations=(
            "Raupach (2007), Biogeosciences 4, 875-887, doi 10.5194/bg-4-875-2007",
            "Trudinger et al. (2007), J. Geophys. Res. 112, G02027, doi 10.1029/2006JG000367",
            "MacBean et al. (2016), Geosci. Model Dev. 9, 3569-3588, doi 10.5194/gmd-9-3569-2016",
        ),
        budgets={"stores": Budget(("plant_store", "soil_store"), ("production",), ("soil_decay",))},
    )


OPTIC = optic()
