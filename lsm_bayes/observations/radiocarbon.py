"""Radiocarbon of soil and of the CO2 that it respires, from the curve of the atmosphere.

Delta 14C is relative to the standard of 1950 and already free of decay between growth or sampling and measurement (Stuiver & Polach 1977):
with F = 1 + Delta / 1000, which is the absolute fraction modern, radioactive decay of carbon in the soil is the only decay left in the
balance. Laboratories that report F14C divide by a standard that decays too; `delta_from_fraction_modern` converts.

The bomb curve has a memory of decades: a series that starts after 1955 starts far from a steady state. Give the curve from before 1955,
or use the operators that have the value at the start as a parameter.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator

DECAY = 1.0 / 8267.0  # yr-1: mean life for the half-life of 5730 yr
DAYS = 365.25  # in a year


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


def linear_recursion(factor: Any, gain: Any, start: Any) -> Any:
    """Return x of x(t) = factor(t) x(t - 1) + gain(t), one after the other.

    Parameters
    ----------
    factor, gain : tensor
        (..., time); they broadcast.
    start : tensor
        x before the first step, (...,).

    Returns
    -------
    tensor
        (..., time).
    """
    factor, gain = factor + pt.zeros_like(gain), gain + pt.zeros_like(factor)
    start = start + pt.zeros_like(gain[..., 0])
    found = pytensor.scan(
        lambda a, b, x: a * x + b,
        sequences=[pt.moveaxis(factor, -1, 0), pt.moveaxis(gain, -1, 0)],
        outputs_info=[start],
        return_updates=False,
    )
    return pt.moveaxis(found, 0, -1)


def pool_fraction(entering: Any, rate: Any, step_length: Any, start: Any = None) -> Any:
    """Return the absolute fraction modern of one well-mixed pool.

    Solves dF/dt = rate (F_in - F) - lambda F exactly for values that are constant within a step. It follows from
    d(F C)/dt = inputs F_in - losses F - lambda F C and dC/dt = inputs - losses: losses do not change F.

    Parameters
    ----------
    entering : tensor
        Absolute fraction modern of what enters, (..., time).
    rate : tensor
        Inputs over carbon of the pool, yr-1: a number, or (..., time).
    step_length : tensor
        Days, (..., time) or a number.
    start : tensor, optional
        Fraction of the pool at the start, (..., 1) or a number; default that in equilibrium with the first step.

    Returns
    -------
    tensor
        Mean over each step, (..., time).
    """
    loss = rate + DECAY
    equilibrium = rate / loss * entering
    steps = loss * step_length / DAYS
    gone = -pt.expm1(-steps)
    first = equilibrium[..., :1] if start is None else start + pt.zeros_like(equilibrium[..., :1])
    ends = linear_recursion(pt.exp(-steps), equilibrium * gone, first[..., 0])
    starts = pt.concatenate([first + pt.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    return equilibrium + (starts - equilibrium) * gone / steps


def radiocarbon_in_series(
    atmosphere: Any, inputs: Sequence[Any], losses: Sequence[Any], initial: Sequence[Any], step_length: Any
) -> list[Any]:
    """Return Delta 14C of pools that carbon passes one after the other, such as leaves, litter and soil of a simulation.

    Parameters
    ----------
    atmosphere : tensor
        Delta 14C of CO2, permille, (..., time).
    inputs, losses : sequence of tensor
        All carbon that enters and leaves each pool, gC m-2 d-1, (..., time). What enters a pool has the radiocarbon of the pool before it; what
        of its losses the next does not get is respired, and has that of the pool.
    initial : sequence of tensor
        Carbon of each pool at the start, gC m-2, (...,). Radiocarbon starts in equilibrium with the first step.
    step_length : tensor
        Days, (..., time) or a number.

    Returns
    -------
    list of tensor
        Mean Delta 14C over each step of each pool, permille, (..., time): second order in the length of steps over which pools change
        (Sierra et al. 2014).
    """
    fraction, found = 1.0 + pt.as_tensor(atmosphere) / 1000.0, []
    for gain, loss, carbon in zip(inputs, losses, initial, strict=True):
        change = (pt.as_tensor(gain) - loss) * step_length
        middle = pt.as_tensor(carbon)[..., None] + pt.cumsum(change, axis=-1) - 0.5 * change
        fraction = pool_fraction(fraction, DAYS * pt.as_tensor(gain) / middle, step_length)
        found.append(1000.0 * (fraction - 1.0))
    return found


def delta_from_fraction_modern(fraction_modern: Any, year: Any) -> Any:
    """Convert F14C to Delta 14C.

    Parameters
    ----------
    fraction_modern : array or tensor
        Over the activity of the standard, both on the day of measurement, normalised to delta 13C = -25 permille.
    year : array or tensor
        Year AD in which the sample grew or was taken.

    Returns
    -------
    array or tensor
        1000 (F14C exp((1950 - year) / 8267) - 1), permille (Stuiver & Polach 1977).
    """
    return 1000.0 * (fraction_modern * np.exp((1950.0 - year) * DECAY) - 1.0)


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
