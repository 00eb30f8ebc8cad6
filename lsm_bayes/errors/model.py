"""Error model of a stream: what is declared, and the likelihood that it adds to a PyMC model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors import correlated, discrepancy
from lsm_bayes.errors.distributions import Distribution
from lsm_bayes.errors.envelope import seasonal_envelope
from lsm_bayes.errors.terms import MeanTerm, Memory, Places, SpreadTerm, Term, Weight


@dataclass(frozen=True)
class Scale:
    """Log-normal prior of a standard deviation.

    Parameters
    ----------
    median : float
        As a fraction of the sd of the training observations about their seasonal cycle.
    spread : float
        Standard deviation of the logarithm.
    """

    median: float
    spread: float = 0.7


@dataclass(frozen=True)
class ErrorModel:
    """Likelihood of a stream given its operator's output.

    observation = gain * operator + bias + discrepancy + error, where the error has the variance of the stated random uncertainty
    plus an inferred structural variance, and is correlated in time.

    Parameters
    ----------
    structural : Scale or None
        Prior of the structural standard deviation; None takes the stated uncertainty alone, the baseline to beat.
    envelope : float
        Exponent of the seasonal shape of the structural sd: 0 for none, 1 for that of the data.
    correlation : float or None
        Largest lag-one correlation (of one spacing of the stream) that is allowed; its prior is uniform below. A cap keeps correlated
        error from replacing the season. None for independent errors.
    heavy_tailed : bool
        Student-t innovations with an inferred tail in place of normal ones.
    discrepancy : Scale or None
        Prior of the sd of slow anomalies that sum to zero over the years (`lsm_bayes.errors.discrepancy`).
    bias : float or None
        Standard deviation of a normal prior of an additive bias, in the unit of the stream.
    gain : float or None
        Standard deviation of a normal prior of the logarithm of a multiplicative bias.
    terms : tuple of Term
        Further terms, which ``+`` appends: `lsm_bayes.errors` has them. A distribution takes the place of the normal one, a memory that of
        the AR(1).

    Raises
    ------
    ValueError
        For a correlation or an exponent outside their range, two terms for one place, and memory of a distribution that has none.
    """

    structural: Scale | None = Scale(0.5)
    envelope: float = 0.7
    correlation: float | None = 0.6
    heavy_tailed: bool = False
    discrepancy: Scale | None = Scale(0.25)
    bias: float | None = None
    gain: float | None = None
    terms: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        if self.correlation is not None and not 0 < self.correlation < 1:
            raise ValueError(f"the largest correlation lies between 0 and 1, got {self.correlation}; use None for independent errors")
        if not 0 <= self.envelope <= 1.5:
            raise ValueError(f"the exponent of the envelope lies between 0 and 1.5, got {self.envelope}")
        for kind, what in ((Distribution, "distribution"), (Memory, "memory"), (Weight, "weight")):
            found = [t.describe() for t in self.terms if isinstance(t, kind)]
            if len(found) > 1:
                raise ValueError(f"an error model has one {what}, got {len(found)}: {'; '.join(found)}")
        if self.memory is not None and self.correlation is not None:
            raise ValueError(f"two memories: AR(1) below {self.correlation:g} and {self.memory.describe()}; set correlation=None")
        chosen = self.distribution
        if chosen is not None and self.heavy_tailed:
            raise ValueError(f"two distributions: Student-t (heavy_tailed) and {chosen.describe()}; leave one out")
        if chosen is not None and not chosen.correlates and (self.memory is not None or self.correlation is not None):
            raise ValueError(f"errors of the kind '{chosen.describe()}' are independent here; set correlation=None")

    def __add__(self, other: "Term | ErrorModel") -> "ErrorModel":
        if isinstance(other, Term):
            return replace(self, terms=(*self.terms, other))
        if isinstance(other, ErrorModel):
            # A sum of terms came first: what it had besides them is the stated error, which every error model has.
            if replace(self, terms=()) == ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None):
                return replace(other, terms=(*self.terms, *other.terms))
            raise TypeError("two complete error models cannot be added; add terms such as Bias(0.5) to one of them")
        return NotImplemented

    def _one(self, kind: type) -> Any:
        return next((t for t in self.terms if isinstance(t, kind)), None)

    @property
    def distribution(self) -> Distribution | None:
        """What stands in place of the normal or Student-t distribution."""
        found: Distribution | None = self._one(Distribution)
        return found

    @property
    def memory(self) -> Memory | None:
        """What stands in place of the AR(1)."""
        found: Memory | None = self._one(Memory)
        return found

    @property
    def weight(self) -> Weight | None:
        """Power of the likelihood."""
        found: Weight | None = self._one(Weight)
        return found

    def describe(self) -> str:
        """Say in words and symbols what the likelihood is.

        Returns
        -------
        str
            One or two sentences.
        """
        variance = "u^2 + (sigma s(day))^2" if self.structural else "u^2"
        parts = [
            f"error variance {variance}, u the stated uncertainty"
            + (f", s the seasonal shape of the data to the power {self.envelope:g}" if self.structural and self.envelope else "")
        ]
        alone = "independent in time" if self.memory is None else None
        parts += [p for p in (f"AR(1) with phi^gap, phi < {self.correlation:g}" if self.correlation else alone,) if p]
        if self.distribution is None:
            parts.append("Student-t innovations" if self.heavy_tailed else "normal innovations")
        if self.discrepancy:
            parts.append("slow discrepancy with knots of one month that sum to zero over the years")
        parts += [f"additive bias ~ N(0, {self.bias:g})"] if self.bias else []
        parts += [f"log gain ~ N(0, {self.gain:g})"] if self.gain else []
        parts += [t.describe() for t in self.terms]
        return "; ".join(parts)

    def equation(self) -> str:
        """Write the likelihood as an equation.

        Returns
        -------
        str
            Plain text: y observation, h operator, u stated uncertainty, s seasonal shape, r standardised error.
        """
        mean = ("g·h(t)" if self.gain else "h(t)") + (" + b" if self.bias else "") + (" + s'(t)·d(t)" if self.discrepancy else "")
        spread = "sqrt(u² + (σ s(t))²)" if self.structural else "u"
        innovations = "Student-t" if self.heavy_tailed else "N"
        process = (
            f"r_i = φ^Δ r_(i-1) + sqrt(1-φ^2Δ) ε_i, 0 < φ < {self.correlation:g}, ε ~ {innovations}(0, 1)"
            if self.correlation
            else f"r ~ {innovations}(0, 1)"
        )
        further = "".join(f"; {t.describe()}" for t in self.terms)
        return f"y(t) = {mean} + {spread}·r(t);  {process}{further}"


@dataclass(frozen=True)
class SiteSeries:
    """Observations of one stream at one site.

    Attributes
    ----------
    values, uncertainty, gap : numpy.ndarray
        Observation, stated sd of its random error, and distance to the one before in spacings.
    time : pandas.DatetimeIndex
        Times.
    shape, slow_shape : numpy.ndarray
        (366,) seasonal envelopes of the fast error and of the slow discrepancy.
    reference : float
        Sd of the training observations about their seasonal cycle: what relative priors refer to.
    """

    values: np.ndarray
    uncertainty: np.ndarray
    gap: np.ndarray
    time: pd.DatetimeIndex
    shape: np.ndarray
    slow_shape: np.ndarray
    reference: float

    @property
    def years(self) -> tuple[int, int]:
        """First year and number of years."""
        return int(self.time[0].year), int(self.time[-1].year - self.time[0].year + 1)


def site_series(values: np.ndarray, uncertainty: np.ndarray, gap: np.ndarray, time: pd.DatetimeIndex, envelope: float) -> SiteSeries:
    """Prepare the observations of one site.

    Parameters
    ----------
    values, uncertainty, gap : numpy.ndarray
        See `SiteSeries`.
    time : pandas.DatetimeIndex
        Times.
    envelope : float
        Exponent of the seasonal envelope.

    Returns
    -------
    SiteSeries
        With envelope and reference sd.
    """
    angle = 2 * np.pi * time.day_of_year.to_numpy() / 365.25
    basis = np.column_stack([np.ones(angle.size), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    anomaly = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    fast, slow = (seasonal_envelope(values, time, kind, envelope) for kind in ("fast", "slow"))
    return SiteSeries(values, uncertainty, gap, time, fast, slow, float(anomaly.std()))


def _at(shape: np.ndarray, time: pd.DatetimeIndex) -> np.ndarray:
    return shape[time.day_of_year.to_numpy() - 1]


def add_likelihood(
    stream: str, error: ErrorModel, mean: Any, series: Sequence[SiteSeries], site_dim: str | None, operator_sd: Any = None
) -> None:
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
    """
    counts = [s.values.size for s in series]
    site = np.repeat(np.arange(len(series)), counts)
    reference = np.array([s.reference for s in series])
    relative = np.concatenate([_at(s.shape, s.time) for s in series])
    dims = {"dims": site_dim} if site_dim else {}
    size = reference if site_dim else reference[0]

    def scale(name: str, prior: Scale) -> Any:
        return pm.LogNormal(name, mu=np.log(prior.median * size), sigma=prior.spread, **dims)

    def at_observations(value: Any) -> Any:
        return value[site] if site_dim else value

    if error.gain:
        mean = mean * pt.exp(at_observations(pm.Normal(f"{stream}_gain", 0.0, error.gain, **dims)))
    if error.bias:
        mean = mean + at_observations(pm.Normal(f"{stream}_bias", 0.0, error.bias, **dims))
    if error.discrepancy:
        mean = mean + _slow(stream, scale(f"{stream}_tau", error.discrepancy), series, site_dim)
    places = Places(stream, site, [s.time for s in series], site_dim)
    for term in error.terms:
        if isinstance(term, MeanTerm):
            mean = term.mean(mean, places)
    variance: Any = np.concatenate([s.uncertainty for s in series]) ** 2
    if operator_sd is not None:
        variance = variance + operator_sd**2
    if error.structural:
        variance = variance + (at_observations(scale(f"{stream}_sigma", error.structural)) * relative) ** 2
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
    values = np.concatenate([s.values for s in series])

    chosen, power = error.distribution, error.weight.power if error.weight is not None else 1.0

    def logp(value: Any, mean: Any, sd: Any, correlation: Any, tail: Any) -> Any:
        if chosen is None:
            found = correlated.log_density(value, mean, sd, correlation, tail if error.heavy_tailed else 0.0)
        else:
            found = chosen.log_density(value, mean, sd, correlation)
            found = pt.switch(pt.isnan(found), -np.inf, found)
        return found if power == 1.0 else power * found

    def random(mean: Any, sd: Any, correlation: Any, tail: Any, rng: np.random.Generator | None = None, size: Any = None) -> np.ndarray:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(sd), np.shape(correlation))
        centre, *rows = [np.atleast_2d(np.broadcast_to(v, shape)) for v in (mean, sd, correlation)]
        return _drawn(rng or np.random.default_rng(), error, centre, rows[0], rows[1], np.asarray(tail)).reshape(shape)

    pm.CustomDist(stream, mean, sd, correlation, tail, logp=logp, random=random, observed=values, dims=f"{stream}_observation")


def _drawn(
    rng: np.random.Generator, error: ErrorModel, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray, tail: np.ndarray
) -> np.ndarray:
    if error.distribution is not None:
        return error.distribution.simulate(rng, mean, sd, correlation)
    return mean + correlated.draw(rng, sd, correlation, tail)


def _slow(stream: str, tau: Any, series: Sequence[SiteSeries], site_dim: str | None) -> Any:
    """Slow discrepancy at the observations of all sites."""
    layout = discrepancy.Layout([s.years for s in series])
    standard = pm.Normal(f"{stream}_knots", 0.0, 1.0, shape=layout.size)
    knots = layout.centred(standard) * (tau[layout.site] if site_dim else tau)
    places = layout.place([s.time for s in series])
    return np.concatenate([_at(s.slow_shape, s.time) for s in series]) * places.interpolate(knots)


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

    Returns
    -------
    tuple of numpy.ndarray
        Gain (draw, 1), systematic part: bias and discrepancy (draw, observation), and random part (draw, observation).
    """
    n = next(iter(draws.values())).shape[0] if draws else 1
    column = {k: v[:, None] for k, v in draws.items() if v.ndim == 1}
    relative = _at(observed.shape, time)
    gain = np.exp(column[f"{stream}_gain"]) if error.gain else np.ones((n, 1))
    systematic = np.zeros((n, time.size)) + (column[f"{stream}_bias"] if error.bias else 0.0)
    if error.discrepancy:
        first, years = observed.years
        size = years * discrepancy.KNOTS_PER_YEAR
        table = draws[f"{stream}_knots"][:, start : start + size].reshape(n, years, -1)
        known = (table - table.mean(axis=1, keepdims=True)).reshape(n, size)
        more = max(0, int(time[-1].year) - first - years + 1)
        knots = np.concatenate([known, discrepancy.fresh(rng, n, more, years)], axis=1) * column[f"{stream}_tau"]
        systematic = systematic + _at(observed.slow_shape, time) * discrepancy.place(time, first, years + more).interpolate(knots)
    centre = np.broadcast_to(gain * mean + systematic, (n, time.size))
    for term in error.terms:
        if isinstance(term, MeanTerm):
            centre = term.simulate(centre, column, stream, time)
    systematic = centre - gain * mean
    variance = np.broadcast_to(uncertainty**2 + (0.0 if operator_sd is None else operator_sd**2), (n, time.size))
    if error.structural:
        variance = variance + (column[f"{stream}_sigma"] * relative) ** 2
    for term in error.terms:
        if isinstance(term, SpreadTerm):
            variance = variance + term.simulate(centre, column, stream)
    correlation = np.broadcast_to(correlation_at(error, stream, column, time, gap), (n, time.size))
    tail = column[f"{stream}_tail"] if error.heavy_tailed else np.zeros((n, 1))
    return gain, systematic, _drawn(rng, error, centre, np.sqrt(variance), correlation, tail) - centre
