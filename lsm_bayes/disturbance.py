"""A process model whose pools lose a part of themselves in one year, so that forests can regrow after a harvest, a fire or a storm."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior, ProcessModel, with_fields
from lsm_bayes.vocabulary import Quantity, unknown

CLOCK = "disturbance_clock"
YEAR = "disturbance_year"
NEVER = -1e6  # yr, far from any date


def lost(pool: str) -> str:
    """Name of the parameter that says how much of a pool the disturbance removes.

    Parameters
    ----------
    pool : str
        State.

    Returns
    -------
    str
        Such as ``wood_carbon_lost``.
    """
    return f"{pool}_lost"


def disturbed(model: ProcessModel, pools: Sequence[str]) -> ProcessModel:
    """Let a process model lose a part of some pools at the start of a year.

    Parameters
    ----------
    model : ProcessModel
        The model, without a nested step.
    pools : sequence of str
        States that lose something.

    Returns
    -------
    ProcessModel
        With the parameters ``disturbance_year`` (a date in years) and, for each pool, ``<pool>_lost`` (fraction), and the forcing
        ``disturbance_clock``: the year at its first step, far in the past at all others (`clock`). What is lost leaves the ecosystem, so
        budgets are not declared.

    Raises
    ------
    KeyError
        For a name that is no state.
    ValueError
        For a model with a nested step.

    Notes
    -----
    A disturbance at a date between two new years is shared between them: the logarithm of what is left is interpolated linearly, so that
    the pools are a continuous function of the date, with corners at whole years.
    """
    if model.nested is not None:
        raise ValueError(f"{model.name} has a nested step; disturbances act on models without one")
    for n in pools:
        if n not in model.state_parameters:
            raise KeyError(f"{model.name}: {unknown('state to disturb', n, model.state_parameters)}")
    flat = Prior("uniform")
    year = Parameter("yr", (-1e4, 1e4), "start of the year in which pools lose a part of themselves", flat)
    fractions = {lost(n): (Parameter("1", (0.0, 0.999), f"fraction of {n} that the disturbance removes", flat), 0.0) for n in pools}
    parameters = with_fields(model.parameters, {YEAR: (year, 0.0), **fractions})
    marks = Quantity(CLOCK, "yr", "the year at its first step, far in the past at other steps")
    forcing = with_fields(model.forcing, {CLOCK: (marks, None)})
    return replace(
        model,
        name=f"{model.name}_disturbed",
        step=_step(model, tuple(pools)),
        parameters=parameters,
        forcing=forcing,
        budgets={},
        equilibrium=None,
        coordinates=None,
        date_shifts=(),
        constraints=(),
    )


def _step(model: ProcessModel, pools: tuple[str, ...]) -> Callable[..., tuple[Any, Any]]:
    n_p, n_f = len(model.parameters._fields), len(model.forcing._fields)  # type: ignore[attr-defined]

    def step(x: Any, f: Any, p: Any) -> tuple[Any, Any]:
        share = pt.maximum(0.0, 1.0 - pt.abs(getattr(f, CLOCK) - getattr(p, YEAR)))
        left = {n: getattr(x, n) * pt.exp(share * pt.log1p(-getattr(p, lost(n)))) for n in pools}
        return model.step(x._replace(**left), model.forcing(*f[:n_f]), model.parameters(*p[:n_p]))

    return step


def clock(time: pd.DatetimeIndex, cycles: int, years: int) -> np.ndarray:
    """Mark the years of a record that is repeated before itself.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Steps of the cycle, which are `years` whole years. Years begin on the date of the first step.
    cycles : int
        How often the cycle runs before the record begins.
    years : int
        Length of a cycle.

    Returns
    -------
    numpy.ndarray
        ``disturbance_clock`` of all cycles.
    """
    single = np.full(len(time), NEVER)
    for k in range(years):
        single[int(np.searchsorted(time, time[0] + pd.DateOffset(years=k)))] = time[0].year + k
    before = np.repeat(np.arange(cycles, 0, -1) * years, len(time))
    repeated = np.tile(single, cycles)
    return np.where(repeated == NEVER, NEVER, repeated - before)
