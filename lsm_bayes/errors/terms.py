"""What an error model is a sum of: terms of the mean, of the variance, of the distribution, of the memory, and weights.

Terms are added with ``+`` to an `ErrorModel` or to each other; a sum of terms alone has the stated random error and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from lsm_bayes.errors.model import ErrorModel


@dataclass(frozen=True)
class Places:
    """Where the observations of a stream are.

    Attributes
    ----------
    stream : str
        Its name, with which random variables begin.
    site : numpy.ndarray of int
        Site of each observation.
    times : sequence of pandas.DatetimeIndex
        Times, one index for each site.
    site_dim : str or None
        Name of the dimension for parameters by site; None for one site without it.
    """

    stream: str
    site: np.ndarray
    times: Sequence[pd.DatetimeIndex]
    site_dim: str | None

    @property
    def dims(self) -> dict[str, Any]:
        """Keyword arguments of a random variable with one value for each site."""
        return {"dims": self.site_dim} if self.site_dim else {}

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


class Term(ABC):
    """A part of an error model."""

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
    def simulate(self, mean: np.ndarray, draws: Draws, stream: str, time: pd.DatetimeIndex) -> np.ndarray:
        """Return the mean (draw, observation) at one site with draws (draw, 1) of its random variables."""


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
