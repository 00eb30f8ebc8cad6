"""Likelihood of a stream in a PyMC model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors import correlated, discrepancy
from lsm_bayes.errors.model import ErrorModel, SiteSeries, on_day
from lsm_bayes.errors.simulation import drawn
from lsm_bayes.errors.terms import Innovations, Link, MeanTerm, Places, SpreadTerm, moments_of


def add_likelihood(
    stream: str,
    error: ErrorModel,
    mean: Any,
    series: Sequence[SiteSeries],
    site_dim: str | None,
    operator_sd: Any = None,
    moments: Sequence[np.ndarray] | None = None,
    others: Mapping[str, Innovations] | None = None,
) -> Innovations | None:
    """Add the likelihood of a stream to the PyMC model in context.

    Parameters
    ----------
    stream : str
        Name; random variables are called ``<stream>_sigma``, ``_phi``, ``_tail``, ``_tau``, ``_knots``, ``_bias``, ``_gain``.
    error : ErrorModel
        What it is made of.
    mean : tensor
        Operator output at the observations of all sites, (observation,).
    series : sequence of SiteSeries
        Observations, one for each site.
    site_dim : str or None
        Name of the dimension for parameters by site; None for one site without it.
    operator_sd : tensor, optional
        Standard deviation of the operator itself, (observation,).
    moments : sequence of numpy.ndarray of int, optional
        For each site, which period each observation is of, as in `Places`; without them, observations of one time stamp belong together.
    others : mapping of str to Innovations, optional
        Of the streams before this one.

    Returns
    -------
    Innovations or None
        Of this stream, for those that follow; None where they are not normal.
    """
    counts = [s.values.size for s in series]
    site = np.repeat(np.arange(len(series)), counts)
    moment = np.concatenate(moments if moments is not None else [moments_of(s.time) for s in series])
    places = Places(stream, site, [s.place for s in series], site_dim, np.array([s.reference for s in series]), moment)
    relative = np.concatenate([on_day(s.shape, s.time) for s in series])
    dims = {"dims": site_dim} if site_dim else {}

    def at_observations(value: Any) -> Any:
        return value[site] if site_dim else value

    if error.gain:
        mean = mean * pt.exp(at_observations(pm.Normal(f"{stream}_gain", 0.0, error.gain, **dims)))
    if error.bias:
        mean = mean + at_observations(pm.Normal(f"{stream}_bias", 0.0, error.bias, **dims))
    if error.discrepancy:
        mean = mean + _slow(stream, places.scale(f"{stream}_tau", error.discrepancy), series, site_dim)
    for term in error.terms:
        if isinstance(term, MeanTerm):
            mean = term.mean(mean, places)
    variance: Any = np.concatenate([s.uncertainty for s in series]) ** 2
    if operator_sd is not None:
        variance = variance + operator_sd**2
    if error.structural:
        variance = variance + (at_observations(places.scale(f"{stream}_sigma", error.structural)) * relative) ** 2
    for term in error.terms:
        if isinstance(term, SpreadTerm):
            variance = variance + term.variance(mean, places)
    sd: Any = np.sqrt(variance) if isinstance(variance, np.ndarray) else pt.sqrt(variance)
    correlation: Any = np.zeros(site.size)
    if error.memory is not None:
        correlation = error.memory.correlation(np.concatenate([s.gap for s in series]), places)
    if error.correlation:
        standard = pm.Normal(f"{stream}_phi_z", 0.0, 1.0, **dims)
        phi = pm.Deterministic(f"{stream}_phi", error.correlation * 0.5 * pt.erfc(-standard / np.sqrt(2.0)), **dims)
        correlation = correlated.decay(phi, np.concatenate([s.gap for s in series]), site if site_dim else None)
    tail: Any = 0.0
    if error.heavy_tailed:
        standard = pm.Normal(f"{stream}_tail_z", 0.0, 1.0)
        tail = pm.Deterministic(f"{stream}_tail", 0.45 * 0.5 * pt.erfc(-standard / np.sqrt(2.0)))
    matern = error.matern
    if matern is not None:  # distances and its sd in place of correlations and the tail, which it excludes
        correlation, tail = matern.variables(places)
    values = np.concatenate([s.values for s in series])

    links = [t.link(places, others or {}) for t in error.dependences]
    chosen, power = error.distribution, error.weight.power if error.weight is not None else 1.0

    def logp(value: Any, mean: Any, sd: Any, correlation: Any, tail: Any, *given: Any) -> Any:
        if links:
            found = _dependent(value, mean, sd, correlation, links, given)
        elif matern is not None:
            found = matern.log_density(value, mean, sd, correlation, tail)
        elif chosen is None:
            found = correlated.log_density(value, mean, sd, correlation, tail if error.heavy_tailed else 0.0)
        else:
            found = chosen.log_density(value, mean, sd, correlation)
            found = pt.switch(pt.isnan(found), -np.inf, found)
        return found if power == 1.0 else power * found

    def random(
        mean: Any, sd: Any, correlation: Any, tail: Any, *given: Any, rng: np.random.Generator | None = None, size: Any = None
    ) -> np.ndarray:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(sd), np.shape(correlation))
        centre, *rows = [np.atleast_2d(np.broadcast_to(v, shape)) for v in (mean, sd, correlation)]
        rng = rng or np.random.default_rng()
        if matern is not None:
            process = matern.draw(rng, rows[1], np.asarray(tail))
            return (centre + process + rows[0] * rng.standard_normal(centre.shape)).reshape(shape)
        innovation: np.ndarray | None = None
        for link, inputs in reversed(list(_with_inputs(links, given))):
            innovation = link.colour(rng.standard_normal(centre.shape) if innovation is None else innovation, *inputs)
        return drawn(rng, error, centre, rows[0], rows[1], np.asarray(tail), innovation).reshape(shape)

    inputs = [x for link in links for x in link.inputs]
    dims_of = f"{stream}_observation"
    observed = pm.CustomDist(stream, mean, sd, correlation, tail, *inputs, logp=logp, random=random, observed=values, dims=dims_of)
    if error.other_innovations is not None:
        return None
    # Of the random variable, not of its values: then PyMC's own predictive draws of the streams are joint as well.
    return Innovations(correlated.innovation_of((observed - mean) / sd, correlation)[0], site, moment)


def _with_inputs(links: Sequence[Link], given: Sequence[Any]) -> Iterator[tuple[Link, Sequence[Any]]]:
    """Each link with the values of its inputs."""
    start = 0
    for link in links:
        yield link, given[start : start + len(link.inputs)]
        start += len(link.inputs)


def _dependent(value: Any, mean: Any, sd: Any, correlation: Any, links: Sequence[Link], given: Sequence[Any]) -> Any:
    """Log density of each observation given those before, of this and other streams, (observation,)."""
    innovation, width = correlated.innovation_of((value - mean) / sd, correlation)
    for link, inputs in _with_inputs(links, given):
        innovation, left = link.whiten(innovation, *inputs)
        width = width * left
    found = -0.5 * innovation**2 - 0.5 * np.log(2 * np.pi) - pt.log(width) - pt.log(sd)
    return pt.switch(pt.isnan(found), -np.inf, found)


def _slow(stream: str, tau: Any, series: Sequence[SiteSeries], site_dim: str | None) -> Any:
    """Slow discrepancy at the observations of all sites."""
    layout = discrepancy.Layout([s.years for s in series])
    standard = pm.Normal(f"{stream}_knots", 0.0, 1.0, shape=layout.size)
    knots = layout.centred(standard) * (tau[layout.site] if site_dim else tau)
    places = layout.place([s.time for s in series])
    return np.concatenate([on_day(s.slow_shape, s.time) for s in series]) * places.interpolate(knots)
