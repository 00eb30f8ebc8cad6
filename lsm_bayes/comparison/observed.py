"""The observations of a calibration: which they are, how long their errors last, what can be left out alone."""

import hashlib

import numpy as np
import pandas as pd
import pymc as pm

from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.calibration.simultaneous import moments
from lsm_bayes.comparison.folds import Memory, Unit
from lsm_bayes.errors.space import SpatialCorrelation

MATERN_LENGTHS = 3.0
"""A correlation of 0.05 or less is left behind so many lengths of a Matérn process of any smoothness."""


def observation_table(model: pm.Model) -> pd.DataFrame:
    """List the observations of a calibration in the order of its likelihood.

    Parameters
    ----------
    model : pymc.Model
        From `lsm_bayes.build_model`.

    Returns
    -------
    pandas.DataFrame
        A row for each: ``stream``, ``site``, ``time``, ``value``, and ``moment``, the start of its period (s since 1970).

    Raises
    ------
    TypeError
        When the model was not made by `build_model`; for other models make such a table and give it as `observations`.
    """
    c = calibration_of(model)
    parts = []
    for p in c.streams:
        for record, a, series in zip(c.records, p.fitted, p.series, strict=True):
            columns = {"stream": p.name, "site": record.name, "time": a.time, "value": series.values}
            parts.append(pd.DataFrame(columns).assign(moment=moments(a.time, p.stream.period)))
    return pd.concat(parts, ignore_index=True)


def memory_of(model: pm.Model) -> Memory:
    """Say how long the errors of each stream last.

    Parameters
    ----------
    model : pymc.Model
        From `lsm_bayes.build_model`.

    Returns
    -------
    mapping of str to float or None
        None: independent. 0: the error depends on the one before alone. Days: three lengths of a Matérn process.
    """
    found: dict[str, float | None] = {}
    for p in calibration_of(model).streams:
        error = p.stream.error_model
        markov = 0.0 if error.correlation is not None or error.memory is not None else None
        found[p.name] = markov if error.matern is None else MATERN_LENGTHS * error.matern.days
    return found


def observation_hash(table: pd.DataFrame) -> str:
    """SHA-256 of the observations, whatever the order in which a model has them.

    Parameters
    ----------
    table : pandas.DataFrame
        See `observation_table`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    rows = sorted(
        f"{s} {w} {t.isoformat()} {v:.9g}"
        for s, w, t, v in zip(table["stream"], table["site"], pd.DatetimeIndex(table["time"]), table["value"], strict=True)
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def check_separable(model: pm.Model, table: pd.DataFrame, units: list[Unit]) -> None:
    """Refuse units that are still in the likelihood of what is left, because errors are correlated across streams or sites.

    Parameters
    ----------
    model : pymc.Model
        From `lsm_bayes.build_model`.
    table : pandas.DataFrame
        Its observations.
    units : list of Unit
        What is left out.

    Raises
    ------
    ValueError
        For a unit whose withheld observations share their time with fitted ones, to which their errors are correlated.
    """
    streams = {p.name: p.stream.error_model for p in calibration_of(model).streams}
    for name, error in streams.items():
        of, kinds = (table["stream"] == name).to_numpy(), [(error.across.stream, "site")] if error.across is not None else []
        kinds += [(name, "")] if any(isinstance(d, SpatialCorrelation) for d in error.dependences) else []
        for other, same in kinds:
            label = list(zip(table["moment"], table[same] if same else table["moment"], strict=True))
            for unit in units:
                left = {label[i] for i in np.flatnonzero(unit.withheld & (table["stream"] == other).to_numpy())}
                if any(label[i] in left for i in np.flatnonzero(of & ~unit.withheld)):
                    across = f"those of stream {other!r}" if same else "those of other sites"
                    raise ValueError(
                        f"{unit.name} cannot be left out alone: the errors of stream {name!r} are correlated with {across} at one time, "
                        "so that its observations stay in the likelihood of the others; leave blocks of time of all of them out together, "
                        "Blocks(by=())"
                    )
