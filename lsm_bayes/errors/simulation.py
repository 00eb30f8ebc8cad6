"""Simulated errors of a stream."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lsm_bayes.errors import correlated, discrepancy
from lsm_bayes.errors.memory import effective_size
from lsm_bayes.errors.model import ErrorModel, SiteSeries, on_day
from lsm_bayes.errors.terms import Innovations, MeanTerm, Place, SpreadTerm


def drawn(
    rng: np.random.Generator,
    error: ErrorModel,
    mean: np.ndarray,
    sd: np.ndarray,
    correlation: np.ndarray,
    tail: np.ndarray,
    innovation: np.ndarray | None = None,
) -> np.ndarray:
    """Draw observations with their random error.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    error : ErrorModel
        The error model.
    mean, sd, correlation : numpy.ndarray
        Mean, standard deviation, and correlation of each error with the one before, (draw, observation).
    tail : numpy.ndarray
        (draw, 1) or scalar, 1 / degrees of freedom; 0 for normal.
    innovation : numpy.ndarray, optional
        Standard normal innovations (draw, observation) in place of fresh ones.

    Returns
    -------
    numpy.ndarray
        (draw, observation).
    """
    if innovation is not None:
        return mean + sd * correlated.remembered(innovation, correlation)
    if error.distribution is not None:
        return error.distribution.simulate(rng, mean, sd, correlation)
    return mean + correlated.draw(rng, sd, correlation, tail)


def correlation_at(error: ErrorModel, stream: str, column: Mapping[str, np.ndarray], time: pd.DatetimeIndex, gap: np.ndarray) -> np.ndarray:
    """Return the correlation of each error with the one before, at one site.

    Parameters
    ----------
    error : ErrorModel
        The error model.
    stream : str
        Its stream.
    column : mapping of str to numpy.ndarray
        Draws (draw, 1) of its parameters.
    time, gap
        Times and their distances, (observation,).

    Returns
    -------
    numpy.ndarray
        (draw or 1, observation), 0 for the first.
    """
    if error.memory is not None:
        return error.memory.simulate(column, stream, time)
    finite = np.isfinite(gap)
    if not error.correlation:
        return np.zeros((1, time.size))
    phi = column[f"{stream}_phi"]
    return np.where(finite, phi ** np.where(finite, gap, 0.0), 0.0)


def simulate_innovations(
    rng: np.random.Generator,
    error: ErrorModel,
    stream: str,
    draws: Mapping[str, np.ndarray],
    moment: np.ndarray,
    others: Mapping[str, Innovations],
) -> Innovations:
    """Draw normal innovations at one site that are correlated with those of an earlier stream, where the error model says so.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    error : ErrorModel
        The error model.
    stream : str
        Its stream.
    draws : mapping of str to numpy.ndarray
        As in `simulate_errors`.
    moment : numpy.ndarray of int
        Which period each observation is of, as in `lsm_bayes.errors.terms.Places`.
    others : mapping of str to Innovations
        Of earlier streams, for the same draws and site.

    Returns
    -------
    Innovations
        (draw, observation).
    """
    value = rng.standard_normal((next(iter(draws.values())).shape[0], moment.size))
    if error.across is not None:
        column = {k: v[:, None] for k, v in draws.items() if v.ndim == 1}
        value = error.across.simulate(value, column, stream, moment, others[error.across.stream])
    return Innovations(value, np.zeros_like(moment), moment)


def simulate_errors(
    rng: np.random.Generator,
    error: ErrorModel,
    stream: str,
    draws: Mapping[str, np.ndarray],
    observed: SiteSeries,
    time: pd.DatetimeIndex,
    gap: np.ndarray,
    uncertainty: np.ndarray,
    start: int,
    mean: np.ndarray | float = 0.0,
    operator_sd: np.ndarray | None = None,
    place: Place | None = None,
    innovation: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the gain and everything that is added to the operator output at any times of one site.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    error : ErrorModel
        The error model.
    stream : str
        Its stream.
    draws : mapping of str to numpy.ndarray
        Posterior draws (draw,) of the stream's parameters at this site; ``<stream>_knots`` is (draw, knots of all sites).
    observed : SiteSeries
        The fitted observations.
    time, gap, uncertainty
        Times to simulate at, their distances and stated uncertainties, (observation,).
    start : int
        Place of this site's first knot.
    mean : numpy.ndarray
        Operator output, (draw, observation): terms and distributions may depend on it.
    operator_sd : numpy.ndarray, optional
        Standard deviation of the operator itself, (draw, observation).
    place : Place, optional
        The same times with drivers and position.
    innovation : numpy.ndarray, optional
        From `simulate_innovations`, where the errors are correlated with those of another stream.

    Returns
    -------
    tuple of numpy.ndarray
        Gain (draw, 1), systematic part: bias and discrepancy (draw, observation), and random part (draw, observation).
    """
    n = next(iter(draws.values())).shape[0] if draws else 1
    column = {k: v[:, None] if v.ndim == 1 else v for k, v in draws.items()}
    gain = np.exp(column[f"{stream}_gain"]) if error.gain else np.ones((n, 1))
    systematic = np.zeros((n, time.size)) + (column[f"{stream}_bias"] if error.bias else 0.0)
    if error.discrepancy:
        first, years = observed.years
        size = years * discrepancy.KNOTS_PER_YEAR
        table = draws[f"{stream}_knots"][:, start : start + size].reshape(n, years, -1)
        known = (table - table.mean(axis=1, keepdims=True)).reshape(n, size)
        more = max(0, int(time[-1].year) - first - years + 1)
        knots = np.concatenate([known, discrepancy.fresh(rng, n, more, years)], axis=1) * column[f"{stream}_tau"]
        systematic = systematic + on_day(observed.slow_shape, time) * discrepancy.place(time, first, years + more).interpolate(knots)
    centre = np.broadcast_to(gain * mean + systematic, (n, time.size))
    for term in error.terms:
        if isinstance(term, MeanTerm):
            centre = term.simulate(rng, centre, column, stream, place or Place(time), observed.place)
    systematic = centre - gain * mean
    variance = _variance(error, stream, column, observed, time, uncertainty, centre, operator_sd)
    correlation = np.broadcast_to(correlation_at(error, stream, column, time, gap), (n, time.size))
    tail = column[f"{stream}_tail"] if error.heavy_tailed else np.zeros((n, 1))
    random = drawn(rng, error, centre, np.sqrt(variance), correlation, tail, innovation) - centre
    if error.matern is not None:
        random = random + error.matern.draw(rng, *error.matern.at_times(column, stream, time))
    return gain, systematic, random


def _variance(
    error: ErrorModel,
    stream: str,
    column: Mapping[str, np.ndarray],
    observed: SiteSeries,
    time: pd.DatetimeIndex,
    uncertainty: np.ndarray,
    centre: np.ndarray,
    operator_sd: np.ndarray | None,
) -> np.ndarray:
    """Variance of the error, (draw, observation), with the matrix of means `centre`."""
    variance = np.broadcast_to(uncertainty**2 + (0.0 if operator_sd is None else operator_sd**2), centre.shape)
    if error.structural:
        variance = variance + (column[f"{stream}_sigma"] * on_day(observed.shape, time)) ** 2
    for term in error.terms:
        if isinstance(term, SpreadTerm):
            variance = variance + term.simulate(centre, column, stream)
    return variance


def effective_values(
    error: ErrorModel,
    stream: str,
    draws: Mapping[str, np.ndarray],
    observed: SiteSeries,
    mean: np.ndarray,
    operator_sd: np.ndarray | None = None,
) -> np.ndarray:
    """Count how many independent observations the fitted ones of one site are worth for their mean.

    Parameters
    ----------
    error : ErrorModel
        The error model.
    stream : str
        Its stream.
    draws : mapping of str to numpy.ndarray
        As in `simulate_errors`.
    observed : SiteSeries
        The fitted observations.
    mean, operator_sd : numpy.ndarray
        Operator output at these and its standard deviation, if it has one, (draw, observation). Beside a Matérn process, terms of the
        variance are taken at this output, without gain and bias.

    Returns
    -------
    numpy.ndarray
        (draw or 1,).
    """
    column = {k: v[:, None] if v.ndim == 1 else v for k, v in draws.items()}
    if error.matern is None:
        return np.asarray(effective_size(correlation_at(error, stream, column, observed.time, observed.gap)))
    variance = _variance(error, stream, column, observed, observed.time, observed.uncertainty, mean, operator_sd)
    return error.matern.effective_size(column, stream, observed.time, variance)
