"""Error model of a stream: what is declared, and the observations that it is about."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lsm_bayes.errors.across import CorrelatedWith
from lsm_bayes.errors.distributions import Distribution
from lsm_bayes.errors.envelope import seasonal_envelope
from lsm_bayes.errors.matern import Matern
from lsm_bayes.errors.space import SpatialCorrelation
from lsm_bayes.errors.terms import Dependence, Memory, Place, Scale, Term, Weight

PER_COEFFICIENT = 10  # observations for each coefficient of a seasonal cycle that is taken out
SINGLE = {
    Distribution: "distribution",
    Memory: "memory",
    Matern: "Matérn process",
    CorrelatedWith: "correlation with another stream",
    SpatialCorrelation: "correlation between sites",
    Weight: "weight",
}


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
        for kind, what in SINGLE.items():
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
        for term in (self.matern, *self.dependences):
            if term is not None:
                term.check(self)

    def __add__(self, other: "Term | ErrorModel") -> "ErrorModel":
        if isinstance(other, Term):
            return replace(self, terms=(*self.terms, other))
        if isinstance(other, ErrorModel):
            # A sum of terms came first: what it had besides them is the stated error, which every error model has.
            if replace(self, terms=()) == ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None):
                return replace(other, terms=(*self.terms, *other.terms))
            raise TypeError("two complete error models cannot be added; add terms such as Bias(0.5) to one of them")
        return NotImplemented

    @property
    def shared(self) -> tuple[str, ...]:
        """Random variables that terms share with other streams."""
        return tuple(dict.fromkeys(n for t in self.terms for n in t.shared))

    def _one(self, kind: type) -> Any:
        return next((t for t in self.terms if isinstance(t, kind)), None)

    @property
    def drivers(self) -> tuple[str, ...]:
        """Forcing that the terms read."""
        return tuple(dict.fromkeys(n for t in self.terms for n in t.drivers))

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
    def matern(self) -> Matern | None:
        """Matérn process beside the error."""
        found: Matern | None = self._one(Matern)
        return found

    @property
    def across(self) -> CorrelatedWith | None:
        """Correlation with another stream."""
        found: CorrelatedWith | None = self._one(CorrelatedWith)
        return found

    @property
    def dependences(self) -> list[Dependence]:
        """Correlations of innovations: with another stream first, then between sites of what that leaves."""
        return [t for t in (self.across, self._one(SpatialCorrelation)) if t is not None]

    @property
    def other_innovations(self) -> str | None:
        """What takes the place of normal innovations; None for these."""
        if self.heavy_tailed:
            return "Student-t innovations (heavy_tailed=True)"
        found = self.distribution or self.matern
        return found.describe() if found is not None else None

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
        mean += " + m(t)" if self.matern else ""
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
        Sd of the training observations about their seasonal cycle (about their mean where they are few): what relative priors refer to.
    place : Place
        Times, drivers and position.
    """

    values: np.ndarray
    uncertainty: np.ndarray
    gap: np.ndarray
    time: pd.DatetimeIndex
    shape: np.ndarray
    slow_shape: np.ndarray
    reference: float
    place: Place

    @property
    def years(self) -> tuple[int, int]:
        """First year and number of years."""
        return int(self.time[0].year), int(self.time[-1].year - self.time[0].year + 1)


def site_series(
    values: np.ndarray, uncertainty: np.ndarray, gap: np.ndarray, time: pd.DatetimeIndex, envelope: float, place: Place | None = None
) -> SiteSeries:
    """Prepare the observations of one site.

    Parameters
    ----------
    values, uncertainty, gap : numpy.ndarray
        See `SiteSeries`.
    time : pandas.DatetimeIndex
        Times.
    envelope : float
        Exponent of the seasonal envelope.
    place : Place, optional
        The same times with drivers and position.

    Returns
    -------
    SiteSeries
        With envelope and reference sd.
    """
    fast, slow = (seasonal_envelope(values, time, kind, envelope) for kind in ("fast", "slow"))
    return SiteSeries(values, uncertainty, gap, time, fast, slow, _about_season(values, uncertainty, time), place or Place(time))


def _about_season(values: np.ndarray, uncertainty: np.ndarray, time: pd.DatetimeIndex) -> float:
    """Sd about the seasonal cycle, of as many harmonics (at most two) as the observations bear: few would all be explained by it."""
    angle, harmonics = 2 * np.pi * time.day_of_year.to_numpy() / 365.25, min(2, (values.size // PER_COEFFICIENT - 1) // 2)
    waves = [f(k * angle) for k in range(1, harmonics + 1) for f in (np.cos, np.sin)]
    basis = np.column_stack([np.ones(angle.size), *waves])
    coefficients, _, rank, _ = np.linalg.lstsq(basis, values, rcond=None)
    squares = float(((values - basis @ coefficients) ** 2).sum())
    # One observation, or equal ones, have no spread of their own.
    return float(np.sqrt(squares / (values.size - rank))) if squares > 0 and values.size > rank else float(np.median(uncertainty))


def on_day(shape: np.ndarray, time: pd.DatetimeIndex) -> np.ndarray:
    """Return a seasonal envelope at some times.

    Parameters
    ----------
    shape : numpy.ndarray
        (366,), by day of the year.
    time : pandas.DatetimeIndex
        Times.

    Returns
    -------
    numpy.ndarray
        (observation,).
    """
    found: np.ndarray = shape[time.day_of_year.to_numpy() - 1]
    return found
