"""What an error model is a sum of: terms of the mean, of the variance, of the distribution, of the memory, and weights.

Terms are added with ``+`` to an `ErrorModel` or to each other; a sum of terms alone has the stated random error and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pymc as pm

if TYPE_CHECKING:
    from lsm_bayes.errors.model import ErrorModel


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
class Place:
    """Where and when the observations of a stream at one site are.

    Attributes
    ----------
    time : pandas.DatetimeIndex
        Times.
    drivers : mapping of str to numpy.ndarray
        Drivers that the terms ask for, means over each observation, (observation,); ``"time"`` is in days since 1970.
    fitted : mapping of str to numpy.ndarray
        The same at the fitted observations of all sites.
    latitude, longitude : float
        Degrees; NaN where the data have none.
    """

    time: pd.DatetimeIndex
    drivers: Mapping[str, np.ndarray] = field(default_factory=dict)
    fitted: Mapping[str, np.ndarray] = field(default_factory=dict)
    latitude: float = np.nan
    longitude: float = np.nan


@dataclass(frozen=True)
class Places:
    """Where the observations of a stream are.

    Attributes
    ----------
    stream : str
        Its name, with which random variables begin.
    site : numpy.ndarray of int
        Site of each observation.
    sites : sequence of Place
        Times, drivers and position of each site.
    site_dim : str or None
        Name of the dimension for parameters by site; None for one site without it.
    reference : numpy.ndarray
        (site,), sd of the fitted observations about their seasonal cycle, to which a `Scale` refers.
    moment : numpy.ndarray of int
        What period each observation is of, the same number at all sites and in all streams of that period.
    """

    stream: str
    site: np.ndarray
    sites: Sequence[Place]
    site_dim: str | None
    reference: np.ndarray
    moment: np.ndarray

    @property
    def times(self) -> list[pd.DatetimeIndex]:
        """Times, one index for each site."""
        return [s.time for s in self.sites]

    @property
    def dims(self) -> dict[str, Any]:
        """Keyword arguments of a random variable with one value for each site."""
        return {"dims": self.site_dim} if self.site_dim else {}

    def scale(self, name: str, prior: Scale) -> Any:
        """Add a standard deviation with the prior of a `Scale` to the PyMC model in context, by site where there are several."""
        size = self.reference if self.site_dim else self.reference[0]
        return pm.LogNormal(name, mu=np.log(prior.median * size), sigma=prior.spread, **self.dims)

    def at_observations(self, value: Any) -> Any:
        """Spread a value by site over the observations."""
        return value[..., self.site] if self.site_dim else value

    @property
    def days(self) -> np.ndarray:
        """Days since the first observation of all, (observation,)."""
        first = min(t[0] for t in self.times)
        return np.concatenate([((t - first) / pd.Timedelta(days=1)).to_numpy() for t in self.times])

    @property
    def season(self) -> np.ndarray:
        """Angle of the season, 2 pi a year, (observation,)."""
        return np.concatenate([season_of(t) for t in self.times])


def season_of(time: pd.DatetimeIndex) -> np.ndarray:
    """Return the angle of the season.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Times.

    Returns
    -------
    numpy.ndarray
        2 pi a year, 0 on 1 January.
    """
    return 2 * np.pi * (time.day_of_year.to_numpy() - 1) / 365.25


Draws = Mapping[str, np.ndarray]


def days_of(time: pd.DatetimeIndex) -> np.ndarray:
    """Return days since 1970.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Times.

    Returns
    -------
    numpy.ndarray
        d, with fractions.
    """
    return np.asarray((time - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1), dtype=float)


def moments_of(time: pd.DatetimeIndex) -> np.ndarray:
    """Return seconds since 1970: by them, observations of different sites and streams are known to be of the same time.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Times, or starts of periods.

    Returns
    -------
    numpy.ndarray of int
        s.
    """
    return np.asarray(time.values.astype("datetime64[s]").astype(np.int64))


@dataclass(frozen=True)
class Innovations:
    """What is new in the errors of a stream: the standardised error less what the one before says of it, scaled to unit variance.

    Attributes
    ----------
    value : tensor or numpy.ndarray
        (observation,), or (draw, observation) of simulated ones.
    site, moment : numpy.ndarray of int
        Site of each, and which period it is of, as in `Places`.
    """

    value: Any
    site: np.ndarray
    moment: np.ndarray


class Term(ABC):
    """A part of an error model."""

    @property
    def drivers(self) -> tuple[str, ...]:
        """Forcing that it reads; ``"time"`` is always there."""
        return ()

    @property
    def shared(self) -> tuple[str, ...]:
        """Random variables that it shares with other streams, whose names do not begin with that of one."""
        return ()

    def __add__(self, other: "Term | ErrorModel") -> "ErrorModel":
        from lsm_bayes.errors.model import ErrorModel

        stated = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
        return stated + self + other

    @abstractmethod
    def describe(self) -> str:
        """Say in words what it does."""


class MeanTerm(Term):
    """Changes the operator output."""

    @abstractmethod
    def mean(self, mean: Any, places: Places) -> Any:
        """Add random variables to the PyMC model in context, and return the mean (observation,) with them."""

    @abstractmethod
    def simulate(self, rng: np.random.Generator, mean: np.ndarray, draws: Draws, stream: str, place: Place, fitted: Place) -> np.ndarray:
        """Return the mean (draw, observation) at one site with draws (draw, 1) or (draw, n) of its random variables."""


class SpreadTerm(Term):
    """Adds to the variance."""

    @abstractmethod
    def variance(self, mean: Any, places: Places) -> Any:
        """Add random variables to the PyMC model in context, and return a variance (observation,)."""

    @abstractmethod
    def simulate(self, mean: np.ndarray, draws: Draws, stream: str) -> np.ndarray:
        """Return the variance (draw, observation) at one site."""


class Memory(Term):
    """Correlation of an error with the one before."""

    @abstractmethod
    def correlation(self, gap: np.ndarray, places: Places) -> Any:
        """Add random variables to the PyMC model in context, and return the correlation (observation,), 0 for the first of a site."""

    @abstractmethod
    def simulate(self, draws: Draws, stream: str, time: pd.DatetimeIndex) -> np.ndarray:
        """Return the correlation (draw, observation) at one site."""


class Link(ABC):
    """A linear map between correlated innovations and independent ones, triangular in the order of the observations.

    Attributes
    ----------
    inputs : tuple of tensor
        What depends on random variables; `whiten` and `colour` get their values.
    """

    inputs: tuple[Any, ...]

    @abstractmethod
    def whiten(self, innovation: Any, *inputs: Any) -> tuple[Any, Any]:
        """Return standard normal numbers that are independent, and the sd of each innovation given those before, (observation,)."""

    @abstractmethod
    def colour(self, innovation: np.ndarray, *inputs: np.ndarray) -> np.ndarray:
        """Return correlated innovations made of independent ones, (draw, observation): the inverse of `whiten`."""


class Dependence(Term):
    """Correlates the normal innovations of a stream with others of the same time."""

    def check(self, error: "ErrorModel") -> None:
        """Refuse an error model without normal innovations.

        Parameters
        ----------
        error : ErrorModel
            With this term.

        Raises
        ------
        ValueError
            For another distribution, and beside a Matérn process, whose innovations are not those of the observations.
        """
        if error.other_innovations is not None:
            raise ValueError(f"{self.describe()}: this needs normal innovations, got {error.other_innovations}; leave one of the two out")

    @abstractmethod
    def link(self, places: Places, others: Mapping[str, Innovations]) -> Link:
        """Add random variables to the PyMC model in context, and return how the innovations depend on each other and on other streams'."""


@dataclass(frozen=True)
class Weight(Term):
    """Raises the likelihood of the stream to a power: a stated judgement that its errors are not what the error model says.

    The posterior is no longer that of the error model; correlated error, discrepancy and bias say what is wrong and weigh by themselves.

    Parameters
    ----------
    power : float
        Exponent of the likelihood, between 0 and 1; 0.1 counts ten observations as one.
    reason : str
        Why; it goes into the card and the report.

    Raises
    ------
    ValueError
        For a power outside (0, 1], and without a reason.
    """

    power: float
    reason: str

    def __post_init__(self) -> None:
        if not 0 < self.power <= 1:
            raise ValueError(f"the power of a likelihood lies between 0 and 1, got {self.power}")
        if not self.reason.strip():
            raise ValueError("a weight needs a reason, which the report shows; give Weight(power, reason='...')")

    def describe(self) -> str:
        """Say what the weight is, and why.

        Returns
        -------
        str
            One clause.
        """
        return f"likelihood to the power {self.power:g} ({self.reason})"
