"""Error with a smooth memory beside the independent one: a Matérn process in time, integrated out at a cost linear in the record length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors import state_space
from lsm_bayes.errors.terms import Draws, Places, Scale, Term

if TYPE_CHECKING:
    from lsm_bayes.errors.model import ErrorModel


@dataclass(frozen=True)
class Matern(Term):
    """A zero-mean Gaussian process m(t) with Matérn covariance, beside errors that are independent from one observation to the next.

    observation = operator + m(t) + e, where e has the variance of the error model (stated, structural, terms of the variance). An AR(1) or
    an Ornstein-Uhlenbeck process in contrast is the memory of e itself. m is integrated out exactly by a Kalman filter
    (`lsm_bayes.errors.state_space`; Hartikainen & Särkkä 2010, doi 10.1109/MLSP.2010.5589113), at irregular times and across gaps,
    and starts from its stationary state at each site. A mean over a period is taken at the middle of the period.

    A long process with a free sd fits the season by itself, and the process model need not: give a length well below a season, or a
    narrow prior of the sd.

    Parameters
    ----------
    days : float
        Median of the log-normal prior of the length l, d. The correlation over dt is exp(-r) for smoothness 1/2, (1 + r) exp(-r) for
        3/2 and (1 + r + r^2 / 3) exp(-r) for 5/2, with r = sqrt(2 smoothness) dt / l.
    sd : Scale
        Prior of the sd of m.
    smoothness : float
        0.5 (continuous, the Ornstein-Uhlenbeck process), 1.5 (once differentiable) or 2.5 (twice).
    spread : float
        Standard deviation of the logarithm of the length.

    Raises
    ------
    ValueError
        For a length or a spread that is not positive, and for another smoothness.
    """

    days: float
    sd: Scale = Scale(0.5)
    smoothness: float = 1.5
    spread: float = 0.7

    def __post_init__(self) -> None:
        if not (self.days > 0 and self.spread > 0):
            raise ValueError(f"the length of a Matérn process and its spread are positive, got {self.days} and {self.spread}")
        if self.smoothness not in state_space.SMOOTHNESS:
            raise ValueError(f"the smoothness of a Matérn process is one of {state_space.SMOOTHNESS}, got {self.smoothness}")

    def check(self, error: "ErrorModel") -> None:
        """Refuse an error model that the process cannot be a part of.

        Parameters
        ----------
        error : ErrorModel
            With this term.

        Raises
        ------
        ValueError
            For another memory, and for errors that are not normal.
        """
        if error.correlation is not None:
            raise ValueError(f"two memories: AR(1) below {error.correlation:g} and a Matérn process; set correlation=None")
        if error.memory is not None:
            raise ValueError(f"two memories: {error.memory.describe()} and a Matérn process; leave one out")
        other = "Student-t" if error.heavy_tailed else error.distribution.describe() if error.distribution else None
        if other is not None:
            change = "set heavy_tailed=False" if error.heavy_tailed else "leave it out, or take OrnsteinUhlenbeck where it has a memory"
            raise ValueError(f"a Matérn process is integrated out of normal errors, got the distribution {other}; {change}")

    def variables(self, places: Places) -> tuple[Any, Any]:
        """Add length and sd to the PyMC model in context.

        Parameters
        ----------
        places : Places
            Sites and times.

        Returns
        -------
        tuple of tensor
            Distance of each observation from the one before in lengths, (observation,), and the sd of the process, the same or () for
            one site.
        """
        length = pm.LogNormal(f"{places.stream}_matern_days", mu=np.log(self.days), sigma=self.spread, **places.dims)
        sd = places.scale(f"{places.stream}_matern_sd", self.sd)
        first = np.diff(places.site, prepend=-1) != 0
        distance = np.where(first, 0.0, np.diff(places.days, prepend=0.0)) / places.at_observations(length)
        return distance + state_space.FAR * first, places.at_observations(sd)

    def log_density(self, value: Any, mean: Any, sd: Any, distance: Any, process_sd: Any) -> Any:
        """Return the log density of each observation given those before.

        Parameters
        ----------
        value, mean, sd : tensor
            Observation, operator output and standard deviation of the independent error, (observation,).
        distance, process_sd : tensor
            From `variables`.

        Returns
        -------
        tensor
            (observation,); minus infinity from the first mean on that is not finite.
        """
        residual = (value - mean) / process_sd
        found = state_space.log_density(self.smoothness, residual, (sd / process_sd) ** 2, distance) - pt.log(process_sd)
        return pt.switch(pt.isnan(found), -np.inf, found)

    def draw(self, rng: np.random.Generator, distance: np.ndarray, process_sd: np.ndarray) -> np.ndarray:
        """Draw the process afresh.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers.
        distance, process_sd : numpy.ndarray
            As from `variables`, (draw, observation).

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        return process_sd * state_space.draw(rng, self.smoothness, distance)

    def at_times(self, draws: Draws, stream: str, time: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
        """Return draws of the distances and of the sd at one site.

        Parameters
        ----------
        draws : mapping
            (draw, 1) by name.
        stream : str
            Stream.
        time : pandas.DatetimeIndex
            Times.

        Returns
        -------
        tuple of numpy.ndarray
            Distance from the time before in lengths (draw, observation), and sd (draw, 1).
        """
        length = draws[f"{stream}_matern_days"]
        distance = np.diff(time.values) / np.timedelta64(1, "D") / length
        return np.concatenate([np.full(length.shape, state_space.FAR), distance], axis=1), draws[f"{stream}_matern_sd"]

    def effective_size(self, draws: Draws, stream: str, time: pd.DatetimeIndex, variance: np.ndarray) -> np.ndarray:
        """Count how many independent observations the series is worth for its mean.

        Parameters
        ----------
        draws : mapping
            (draw, 1) by name.
        stream : str
            Stream.
        time : pandas.DatetimeIndex
            Times.
        variance : numpy.ndarray
            Of the independent error, (draw, observation).

        Returns
        -------
        numpy.ndarray
            (draw,): 1' R^-1 1 with R the correlation matrix of the whole error m + e, as for other memories: the number of observations
            without m, and without e what the memory of m leaves of it.
        """
        distance, sd = self.at_times(draws, stream, time)
        noise = np.broadcast_to(variance / sd**2, distance.shape)
        return state_space.information(self.smoothness, np.sqrt(1.0 + noise), noise, distance)

    def describe(self) -> str:
        """Name smoothness, length and sd.

        Returns
        -------
        str
            One clause.
        """
        return (
            f"beside this error m(t), a Matérn process in time of smoothness {round(2 * self.smoothness)}/2, length about {self.days:g} d "
            f"and sd about {self.sd.median:g} of that of the anomalies, integrated out by a Kalman filter"
        )
