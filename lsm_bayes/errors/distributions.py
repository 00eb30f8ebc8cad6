"""Distributions of the error: what stands in place of the normal."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from scipy.special import ndtr

from lsm_bayes.errors.correlated import draw, innovation_of, remembered
from lsm_bayes.errors.terms import Term


class Distribution(Term):
    """Density of observations with a mean, a standard deviation and a correlation with the one before."""

    correlates = True  # whether errors can have a memory

    @abstractmethod
    def log_density(self, value: Any, mean: Any, sd: Any, correlation: Any) -> Any:
        """Return the log density of each observation given the one before, (observation,)."""

    @abstractmethod
    def simulate(self, rng: np.random.Generator, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray) -> np.ndarray:
        """Draw observations, (draw, observation)."""


@dataclass(frozen=True)
class Laplace(Distribution):
    """Double exponential innovations, as of eddy fluxes (Richardson et al. 2006, doi 10.1016/j.agrformet.2006.01.007)."""

    def log_density(self, value: Any, mean: Any, sd: Any, correlation: Any) -> Any:
        """Return the log density.

        Parameters
        ----------
        value, mean, sd, correlation : tensor
            (observation,); the scale of the density is sd / sqrt(2).

        Returns
        -------
        tensor
            (observation,).
        """
        u, width = innovation_of((value - mean) / sd, correlation)
        return -np.sqrt(2.0) * pt.abs(u) - 0.5 * np.log(2.0) - pt.log(width) - pt.log(sd)

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray) -> np.ndarray:
        """Draw observations.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers.
        mean, sd, correlation : numpy.ndarray
            (draw, observation).

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        return mean + sd * remembered(rng.laplace(scale=np.sqrt(0.5), size=sd.shape), correlation)

    def describe(self) -> str:
        """Name it.

        Returns
        -------
        str
            One clause.
        """
        return "Laplace innovations"


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Log-normal observations with the predicted mean: leaf area, biomass, soil carbon, stream flow, trace gases.

    The standard deviation, in the unit of the stream, is that of the observation: the variance of its logarithm is ln(1 + (sd / mean)^2).
    """

    def log_density(self, value: Any, mean: Any, sd: Any, correlation: Any) -> Any:
        """Return the log density.

        Parameters
        ----------
        value, mean, sd, correlation : tensor
            (observation,); minus infinity where the mean is not positive.

        Returns
        -------
        tensor
            (observation,).
        """
        sound = mean > 0
        m = pt.switch(sound, mean, 1.0)
        spread = pt.sqrt(pt.log1p((sd / m) ** 2))
        u, width = innovation_of((pt.log(value) - pt.log(m) + 0.5 * spread**2) / spread, correlation)
        found = -0.5 * u**2 - 0.5 * np.log(2 * np.pi) - pt.log(width) - pt.log(spread) - pt.log(value)
        return pt.switch(sound, found, -np.inf)

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray) -> np.ndarray:
        """Draw observations.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers.
        mean, sd, correlation : numpy.ndarray
            (draw, observation).

        Returns
        -------
        numpy.ndarray
            (draw, observation); NaN where the mean is not positive.
        """
        m = np.where(mean > 0, mean, np.nan)
        spread = np.sqrt(np.log1p((sd / m) ** 2))
        return np.asarray(m * np.exp(draw(rng, spread, correlation, np.zeros(1)) - 0.5 * spread**2))

    def describe(self) -> str:
        """Name it.

        Returns
        -------
        str
            One clause.
        """
        return "log-normal with the predicted mean"


@dataclass(frozen=True)
class Beta(Distribution):
    """Beta-distributed fractions: absorbed light, snow cover, evaporative fraction. Independent errors only.

    Mean m and standard deviation s give the precision m (1 - m) / s^2, the sum of both shapes; the variance is then
    s^2 m (1 - m) / (s^2 + m (1 - m)), below any that a fraction can have.
    """

    correlates = False

    def log_density(self, value: Any, mean: Any, sd: Any, correlation: Any) -> Any:
        """Return the log density.

        Parameters
        ----------
        value, mean, sd, correlation : tensor
            (observation,); minus infinity where the mean is no fraction.

        Returns
        -------
        tensor
            (observation,).
        """
        sound = pt.and_(mean > 0, mean < 1)
        m = pt.switch(sound, mean, 0.5)
        precision = m * (1.0 - m) / sd**2
        a, b = m * precision, (1.0 - m) * precision
        found = pt.gammaln(precision) - pt.gammaln(a) - pt.gammaln(b) + (a - 1.0) * pt.log(value) + (b - 1.0) * pt.log1p(-value)
        return pt.switch(sound, found, -np.inf)

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray) -> np.ndarray:
        """Draw observations.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers.
        mean, sd, correlation : numpy.ndarray
            (draw, observation).

        Returns
        -------
        numpy.ndarray
            (draw, observation); NaN where the mean is no fraction.
        """
        sound = (mean > 0) & (mean < 1)
        m = np.where(sound, mean, 0.5)
        precision = m * (1.0 - m) / sd**2
        return np.where(sound, rng.beta(m * precision, (1.0 - m) * precision), np.nan)

    def describe(self) -> str:
        """Name it.

        Returns
        -------
        str
            One clause.
        """
        return "Beta distribution of a fraction"


@dataclass(frozen=True)
class Censored(Distribution):
    """Normal errors of an instrument that cannot report beyond a limit: a value at the limit says only that it was reached.

    Independent errors only.

    Parameters
    ----------
    low, high : float, optional
        Limits, in the unit of the stream.

    Raises
    ------
    ValueError
        Without a limit, or with limits in the wrong order.
    """

    low: float | None = None
    high: float | None = None
    correlates = False

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("a censored error model needs a limit; give Censored(low=...), Censored(high=...) or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"the limits of a censored error model are in the wrong order: low {self.low}, high {self.high}")

    def log_density(self, value: Any, mean: Any, sd: Any, correlation: Any) -> Any:
        """Return the log density, and at the limits the log probability of what lies beyond.

        Parameters
        ----------
        value, mean, sd, correlation : tensor
            (observation,).

        Returns
        -------
        tensor
            (observation,).
        """
        u = (value - mean) / sd
        found = -0.5 * u**2 - 0.5 * np.log(2 * np.pi) - pt.log(sd)
        if self.low is not None:
            found = pt.switch(value <= self.low, _log_tail((mean - self.low) / sd), found)
        if self.high is not None:
            found = pt.switch(value >= self.high, _log_tail((self.high - mean) / sd), found)
        return found

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, sd: np.ndarray, correlation: np.ndarray) -> np.ndarray:
        """Draw observations.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers.
        mean, sd, correlation : numpy.ndarray
            (draw, observation).

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        return np.clip(mean + sd * rng.standard_normal(sd.shape), self.low, self.high)

    def expected(self, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
        """Return the fraction of observations at the limits.

        Parameters
        ----------
        mean, sd : numpy.ndarray
            Any shape.

        Returns
        -------
        numpy.ndarray
            Probability.
        """
        below = ndtr((self.low - mean) / sd) if self.low is not None else 0.0
        above = ndtr((mean - self.high) / sd) if self.high is not None else 0.0
        return np.asarray(below + above)

    def describe(self) -> str:
        """Name the limits.

        Returns
        -------
        str
            One clause.
        """
        sides = [f"{word} {limit:g}" for word, limit in (("below", self.low), ("above", self.high)) if limit is not None]
        return f"normal, censored {' and '.join(sides)}"


def _log_tail(z: Any) -> Any:
    """Logarithm of the normal probability beyond z."""
    return pt.log(0.5 * pt.erfc(z / np.sqrt(2.0)))
