"""Radiocarbon of soil and of the CO2 that it respires, from the curve of the atmosphere.

The bomb curve has a memory of decades: a series that starts after 1955 starts far from a steady state. Give the curve from before 1955,
or use the operators that have the value at the start as a parameter. The balance itself is in `lsm_bayes.observations.radiocarbon_balance`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.observations.radiocarbon_balance import DECAY as DECAY
from lsm_bayes.observations.radiocarbon_balance import delta_from_fraction_modern as delta_from_fraction_modern
from lsm_bayes.observations.radiocarbon_balance import pool_fraction
from lsm_bayes.observations.radiocarbon_balance import radiocarbon_in_series as radiocarbon_in_series
from lsm_bayes.observations.recursion import linear_recursion as linear_recursion


# One parameter a line.
# fmt: off
class SoilPool(NamedTuple):
    """Time that carbon spends in plants and in the soil."""

    plant_residence_time: Annotated[float, Parameter("year", (0.1, 50.0), "mean time between photosynthesis and arrival in the soil", Prior("log_normal", 3.0, 0.5), level="pft")] = 3.0
    turnover_time: Annotated[float, Parameter("year", (2.0, 2e4), "soil carbon over its inputs", Prior("log_normal", 60.0, 0.9))] = 60.0


class StartedSoilPool(NamedTuple):
    """Time that carbon spends in plants and in the soil, and the radiocarbon at the start of the series."""

    plant_residence_time: Annotated[float, Parameter("year", (0.1, 50.0), "mean time between photosynthesis and arrival in the soil", Prior("log_normal", 3.0, 0.5), level="pft")] = 3.0
    turnover_time: Annotated[float, Parameter("year", (2.0, 2e4), "soil carbon over its inputs", Prior("log_normal", 60.0, 0.9))] = 60.0
    start: Annotated[float, Parameter("permille", (-400.0, 400.0), "Delta 14C of the soil carbon at the start of the series", Prior("normal", 50.0, 80.0))] = 50.0


class RespiredCarbon(NamedTuple):
    """Sources of CO2 from the soil."""

    recent_share: Annotated[float, Parameter("1", (0.02, 0.98), "share of carbon fixed in the same year: respiration of roots and their surroundings", Prior("normal", 0.5, 0.15), level="pft")] = 0.5
    plant_residence_time: Annotated[float, Parameter("year", (0.1, 50.0), "mean time between photosynthesis and arrival in litter and soil", Prior("log_normal", 2.0, 0.4), level="pft")] = 2.0
    turnover_time: Annotated[float, Parameter("year", (0.5, 500.0), "mean time in litter and soil of carbon that decomposers respire", Prior("log_normal", 15.0, 0.6))] = 15.0
# fmt: on


def _from_plants(series: Mapping[str, Any], residence_time: Any) -> Any:
    """Fraction of what enters the soil. An exponential distribution of times in plants, since a lag by whole steps has no gradient."""
    return pool_fraction(1.0 + series["atmospheric_radiocarbon"] / 1000.0, 1.0 / residence_time, series["step_length"])


def soil_pool(series: Mapping[str, Any], p: SoilPool) -> Any:
    """Return Delta 14C of one soil pool in steady state, with inputs as old as plants let them be.

    Parameters
    ----------
    series : mapping of str to tensor
        ``atmospheric_radiocarbon``, permille, the curve of the atmosphere for the zone of the site, from before 1955;
        ``step_length``, days.
    p : SoilPool
        A soil that is younger than its turnover, or that was ploughed, is none.

    Returns
    -------
    tensor
        Permille. dF/dt = (F_in - F) / turnover - F / 8267 yr; at the start in equilibrium (Trumbore 2009).
    """
    entering = _from_plants(series, p.plant_residence_time)
    return 1000.0 * (pool_fraction(entering, 1.0 / p.turnover_time, series["step_length"]) - 1.0)


def started_soil_pool(series: Mapping[str, Any], p: StartedSoilPool) -> Any:
    """Return Delta 14C of one soil pool with a known size, from a value at the start.

    Parameters
    ----------
    series : mapping of str to tensor
        As for `soil_pool`; the curve may start after 1955.
    p : StartedSoilPool
        Plants start in equilibrium with the first step, which matters for a few residence times.

    Returns
    -------
    tensor
        Permille.
    """
    entering = _from_plants(series, p.plant_residence_time)
    return 1000.0 * (pool_fraction(entering, 1.0 / p.turnover_time, series["step_length"], 1.0 + p.start / 1000.0) - 1.0)


def respired_carbon(series: Mapping[str, Any], p: RespiredCarbon) -> Any:
    """Return Delta 14C of CO2 that leaves the soil: carbon of the year, and older carbon from decomposition.

    Parameters
    ----------
    series : mapping of str to tensor
        As for `soil_pool`.
    p : RespiredCarbon
        With a share of 0, that of decomposition alone, as in an incubation.

    Returns
    -------
    tensor
        Permille; a mean of the two, weighted by carbon, of one pool in steady state (Trumbore 2000, 2009).
    """
    entering = _from_plants(series, p.plant_residence_time)
    old = 1000.0 * (pool_fraction(entering, 1.0 / p.turnover_time, series["step_length"]) - 1.0)
    return p.recent_share * series["atmospheric_radiocarbon"] + (1.0 - p.recent_share) * old


_INPUTS = {"atmospheric_radiocarbon": (-100.0, 900.0), "step_length": (1.0, 366.0)}
_CITATION = (
    "Trumbore (2009), doi 10.1146/annurev.earth.36.031207.124300; Sierra et al. (2014), doi 10.5194/gmd-7-1919-2014; "
    "Stuiver & Polach (1977), doi 10.1017/S0033822200003672"
)

SOIL_RADIOCARBON = ObservationOperator(
    "soil_radiocarbon", _INPUTS, soil_pool, SoilPool, citation=_CITATION, error="normal, 5 permille, and 30 to 50 permille between cores"
)

SOIL_RADIOCARBON_FROM_START = ObservationOperator(
    "soil_radiocarbon_from_start",
    _INPUTS,
    started_soil_pool,
    StartedSoilPool,
    quantity="soil_radiocarbon",
    citation=_CITATION,
    error="normal, 5 permille, and 30 to 50 permille between cores",
)

RESPIRED_RADIOCARBON = ObservationOperator(
    "respired_radiocarbon",
    _INPUTS,
    respired_carbon,
    RespiredCarbon,
    citation=_CITATION,
    error="normal, 3 to 5 permille, and 10 to 20 permille between places",
)
