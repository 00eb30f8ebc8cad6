"""Water on and in the land as gravimetry sees it, and discharge of rivers."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.observations.recursion import linear_recursion


class Reservoirs(NamedTuple):
    """Two linear reservoirs beside each other."""

    # One parameter a line. Residence times do not overlap: else fast and slow could change places.
    # fmt: off
    fast_fraction: Annotated[float, Parameter("1", (0.0, 1.0), "fraction of runoff that takes the fast way", Prior("normal", 0.5, 0.2))] = 0.5
    fast_residence_time: Annotated[float, Parameter("d", (0.2, 15.0), "mean time in the fast reservoir", Prior("log_normal", 3.0, 0.5))] = 3.0
    slow_residence_time: Annotated[float, Parameter("d", (15.0, 1000.0), "mean time in the slow reservoir", Prior("log_normal", 90.0, 0.7))] = 90.0
    initial_discharge: Annotated[float, Parameter("mm d-1", (0.01, 20.0), "runoff before the first step, with which both reservoirs are in equilibrium", Prior("log_normal", 1.0, 0.8))] = 1.0
    # fmt: on


def routed(runoff: Any, step_length: Any, p: Reservoirs) -> Any:
    """Route runoff through a fast and a slow linear reservoir (after Jakeman & Hornberger 1993: two stores in parallel).

    Parameters
    ----------
    runoff : tensor
        mm d-1, mean of each step, time last.
    step_length : tensor
        d.
    p : Reservoirs
        A reservoir holds its residence time times its outflow.

    Returns
    -------
    tensor
        Discharge per area of the catchment, mm d-1, mean of each step: the exact solution for runoff that is constant over a step,
        so what has entered is either discharged or still stored.
    """
    ratios = (step_length / p.fast_residence_time, step_length / p.slow_residence_time)
    # Plain numbers would be taken as single precision where they fit.
    inflow, start, *passed_by = pt.broadcast_arrays(*(pt.cast(v, "float64") for v in (runoff, p.initial_discharge, *ratios)))
    # Both reservoirs in one dimension: one loop over time.
    passed, first = pt.stack(passed_by), pt.stack([start[..., :1]] * 2)
    gone = -pt.expm1(-passed)
    ends = linear_recursion(pt.exp(-passed), gone * inflow, first[..., 0])
    starts = pt.concatenate([first, ends[..., :-1]], axis=-1)
    outflow = inflow + (starts - inflow) * gone / passed
    fast, slow = outflow[0], outflow[1]
    return p.fast_fraction * fast + (1.0 - p.fast_fraction) * slow


def anomaly_of(stores: tuple[str, ...]) -> Any:
    """Make the function that adds up stores and takes away the mean over the series.

    Parameters
    ----------
    stores : tuple of str
        Names of the vocabulary, mm.

    Returns
    -------
    callable
        ``function(series) -> series``, mm. Observations refer to the mean over some years: give them as anomalies over the same steps,
        or let the error model have a bias.
    """

    def anomaly(series: Mapping[str, Any]) -> Any:
        total = sum((series[n] for n in stores[1:]), start=series[stores[0]])
        return total - total.mean(axis=-1, keepdims=True)

    return anomaly


_GRACE = "Tapley et al. (2004), doi 10.1126/science.1099192"
_GRAVIMETRY = "normal, sd 10 to 30 mm a month, correlated in space"

TERRESTRIAL_WATER_STORAGE = ObservationOperator(
    "terrestrial_water_storage", {"total_water": (0.0, 2000.0)}, anomaly_of(("total_water",)), citation=_GRACE, error=_GRAVIMETRY
)
TERRESTRIAL_WATER_STORAGE_FROM_STORES = ObservationOperator(
    "terrestrial_water_storage_from_stores",
    {"plant_available_water": (0.0, 500.0), "snow_water": (0.0, 300.0)},
    anomaly_of(("plant_available_water", "snow_water")),
    quantity="terrestrial_water_storage",
    citation=f"{_GRACE}; no groundwater, no water on the surface",
    error=_GRAVIMETRY,
)
STREAMFLOW = ObservationOperator(
    "streamflow",
    {"runoff": (0.0, 15.0), "step_length": (1.0, 31.0)},
    lambda s, p: routed(s["runoff"], s["step_length"], p),
    Reservoirs,
    citation="after Jakeman & Hornberger (1993), doi 10.1029/93WR00877: a fast and a slow store in parallel",
    error="normal of the logarithm, 10 to 20 %, autoregressive",
)
