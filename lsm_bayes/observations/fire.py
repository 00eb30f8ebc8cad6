"""Fire as satellites report it: burned area, and the carbon that it emits."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.processes.fire import combustion


# One parameter a line.
# fmt: off
class Completeness(NamedTuple):
    """Fraction of the carbon on burned ground that is emitted."""

    foliar: Annotated[float, Parameter("1", (0.3, 1.0), "combustion completeness of leaves", Prior("normal", 0.85, 0.15), level="pft")] = 0.85
    ligneous: Annotated[float, Parameter("1", (0.01, 0.6), "combustion completeness of wood, fine roots and labile carbon", Prior("log_normal", 0.1, 0.6), level="pft")] = 0.1
    litter: Annotated[float, Parameter("1", (0.1, 1.0), "combustion completeness of litter", Prior("normal", 0.5, 0.2), level="pft")] = 0.5
    soil: Annotated[float, Parameter("1", (0.001, 0.2), "combustion completeness of soil organic matter", Prior("log_normal", 0.01, 0.7), level="pft")] = 0.01
# fmt: on


def emission(series: Mapping[str, Any], p: Completeness) -> Any:
    """Return the carbon that fire emits, for process models without fire of their own.

    Pools are means of the start and the end of a step: where a process model burns them itself, its ``fire_emission`` is exact.

    Parameters
    ----------
    series : mapping of str to tensor
        ``burned_area``, fraction of the area in the step; ``step_length``, d; carbon of the pools, gC m-2.
    p : Completeness
        Of each kind of pool.

    Returns
    -------
    tensor
        gC m-2 d-1, positive to the atmosphere: sum of completeness x burned area x pool (after Seiler & Crutzen 1980; number of the equation not
        checked).
    """
    kinds = {
        "labile_carbon": p.ligneous,
        "foliage_carbon": p.foliar,
        "root_carbon": p.ligneous,
        "wood_carbon": p.ligneous,
        "litter_carbon": p.litter,
        "soil_carbon": p.soil,
    }
    return sum(combustion(series[pool], series["burned_area"], found, series["step_length"]) for pool, found in kinds.items())


BURNED_AREA = ObservationOperator("burned_area", {"burned_area": (0.0, 1.0)}, lambda s: s["burned_area"], error="zero-inflated gamma")
FIRE_EMISSION = ObservationOperator(
    "fire_emission", {"fire_emission": (0.0, 500.0)}, lambda s: s["fire_emission"], error="log-normal, 50 %"
)
FIRE_EMISSION_COMPLETENESS = ObservationOperator(
    "fire_emission_completeness",
    {
        "burned_area": (0.0, 0.2),
        "step_length": (1.0, 31.0),
        "labile_carbon": (0.0, 500.0),
        "foliage_carbon": (0.0, 1000.0),
        "root_carbon": (0.0, 1000.0),
        "wood_carbon": (0.0, 25000.0),
        "litter_carbon": (0.0, 2000.0),
        "soil_carbon": (0.0, 30000.0),
    },
    emission,
    Completeness,
    quantity="fire_emission",
    citation="after Seiler & Crutzen (1980), doi 10.1007/BF00137988; by pool as in Bloom et al. (2016), doi 10.1073/pnas.1515160113",
    error="log-normal, 50 %",
)
