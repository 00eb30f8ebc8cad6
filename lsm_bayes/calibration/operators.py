"""Observation operators in a calibration: their parameters beside those of the process model, and what they read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
import xarray as xr

from lsm_bayes.calibration.choices import Calibration, SiteRecord
from lsm_bayes.calibration.streams import PreparedStream, Stream, parameter_name
from lsm_bayes.calibration.table import Table
from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import step_lengths
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.vocabulary import SUBSTEP, unknown


def check_inputs(model: ProcessModel, streams: Sequence[Stream], records: Sequence[SiteRecord]) -> None:
    """Verify that everything that the operators read is simulated or given.

    Parameters
    ----------
    model : ProcessModel
        The land model.
    streams : sequence of Stream
        What is fitted.
    records : sequence of SiteRecord
        Sites.

    Raises
    ------
    KeyError
        For an input that the process model does not simulate and the data do not have.
    ValueError
        For one with gaps in the data.
    """
    for stream in streams:
        operator = stream.observation_operator
        for name in operator.inputs:
            if _simulated(model, name):
                continue
            for record in records:
                where = f"stream {stream.name!r}: the operator {operator.name!r} reads {name!r}, which {model.name} does not simulate"
                if not _has(record, name):
                    raise KeyError(f"{where} and the data of {record.name} do not have; add it to the data, or choose another operator")
                missing = int((~np.isfinite(_given(record, name))).sum())
                if missing:
                    raise ValueError(f"{where}, and in the data of {record.name} {missing} of its values are missing; fill these gaps")


def driver_of(record: SiteRecord, name: str) -> np.ndarray:
    """Return a driver that an error model reads.

    Parameters
    ----------
    record : SiteRecord
        The site.
    name : str
        Forcing or variable of the data.

    Returns
    -------
    numpy.ndarray
        (time,).

    Raises
    ------
    KeyError
        When the site has none of that name.
    ValueError
        When it has gaps.
    """
    if not _has(record, name):
        there = sorted({*map(str, record.data.data_vars), *record.forcing.varying})
        raise KeyError(f"the error model reads a driver at {record.name}: {unknown('driver', name, there)}")
    found = _given(record, name)
    missing = int((~np.isfinite(found)).sum())
    if missing:
        raise ValueError(f"the error model reads {name!r}, and at {record.name} {missing} of its values are missing; fill these gaps")
    return found


def simulated_inputs(model: ProcessModel, operator: ObservationOperator) -> set[str]:
    """Return what an operator reads of the process model.

    Parameters
    ----------
    model : ProcessModel
        The land model.
    operator : ObservationOperator
        The operator.

    Returns
    -------
    set of str
        Fluxes and states.
    """
    return {n for n in operator.inputs if _simulated(model, n)}


def observed_series(
    c: Calibration, stream: PreparedStream, run: Mapping[str, Any], table: Table, members: Sequence[int]
) -> tuple[Any, Any | None]:
    """Apply the operator of a stream to a run of several sites.

    Parameters
    ----------
    c : Calibration
        The choices.
    stream : PreparedStream
        The stream.
    run : mapping of str to tensor
        Fluxes (site, time) and states (site, time + 1).
    table : Table
        Parameters by site.
    members : sequence of int
        Which sites ran.

    Returns
    -------
    tuple of tensor
        What is observed, and the standard deviation of the operator where it has one, else None; (site, time).
    """
    operator, steps = stream.operator, c.records[members[0]].fitted_steps
    series: dict[str, Any] = {}
    for name in operator.inputs:
        if name in c.process_model.state_parameters:
            series[name] = 0.5 * (run[name][..., :-1] + run[name][..., 1:])
        elif _simulated(c.process_model, name):
            series[name] = run[name]
        else:
            series[name] = pt.as_tensor(np.stack([_given(c.records[i], name)[:steps] for i in members]))
    names = list(operator.parameter_table)
    rows = table.rows([parameter_name(stream.name, n) for n in names], members) if names else None
    values = {n: pt.shape_padright(rows[k]) for k, n in enumerate(names)} if rows is not None else None
    return operator(series, values), operator.of_spread(series, values) if operator.of_spread is not None else None


def predicted_series(
    c: Calibration, stream: PreparedStream, record: SiteRecord, run: xr.Dataset, parameters: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Apply the operator of a stream to many runs of one site.

    Parameters
    ----------
    c : Calibration
        The choices.
    stream : PreparedStream
        The stream.
    record : SiteRecord
        The site.
    run : xarray.Dataset
        Fluxes (chain, draw, time) and states (chain, draw, instant).
    parameters : mapping of str to DataArray or float
        Values by full name.

    Returns
    -------
    tuple of numpy.ndarray
        What is observed, and the standard deviation of the operator where it has one, else None; (chain, draw, time).
    """
    operator = stream.operator
    series = {}
    for name in operator.inputs:
        if name in c.process_model.state_parameters:
            x = run[name].transpose("chain", "draw", "instant").values
            series[name] = 0.5 * (x[..., :-1] + x[..., 1:])
        elif _simulated(c.process_model, name):
            series[name] = run[name].transpose("chain", "draw", "time").values
        else:
            series[name] = _given(record, name)[None, None]
    values = {n: parameters[parameter_name(stream.name, n)] for n in operator.parameter_table}
    arrays = {
        n: v.transpose("chain", "draw").values[..., None] if isinstance(v, xr.DataArray) else np.full((1, 1, 1), float(v))
        for n, v in values.items()
    }
    found, spread = operator.evaluate(series, arrays), operator.of_spread
    shape = np.broadcast_shapes(found.shape, (run.sizes["chain"], run.sizes["draw"], 1))
    return np.broadcast_to(found, shape), np.broadcast_to(spread.evaluate(series, arrays), shape) if spread is not None else None


def _simulated(model: ProcessModel, name: str) -> bool:
    return name in model.flux_quantities or name in model.state_parameters


def _has(record: SiteRecord, name: str) -> bool:
    known = record.forcing.varying | dict(record.forcing.folded)
    return name in record.data or name in record.data.coords or name in known or name == "step_length"


def _given(record: SiteRecord, name: str) -> np.ndarray:
    if name in record.data or name in record.data.coords:
        found = record.data[name]
        values = np.asarray(found.mean(SUBSTEP, skipna=False) if SUBSTEP in found.dims else found, dtype=float)
    else:  # clocks and what is made of other forcing
        known = record.forcing.varying | dict(record.forcing.folded)
        values = np.asarray(known[name] if name in known else step_lengths(record.forcing.time), dtype=float)
    return np.broadcast_to(values, record.training.shape)
