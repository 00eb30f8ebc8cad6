"""Memory of errors at irregular times, and how many independent observations a correlated series is worth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors.terms import Draws, Memory, Places


@dataclass(frozen=True)
class OrnsteinUhlenbeck(Memory):
    """Correlation exp(-dt / tau) of errors dt days apart: the continuous AR(1), for observations at irregular times.

    Parameters
    ----------
    days : float
        Median of the log-normal prior of the e-folding time tau, d.
    spread : float
        Standard deviation of its logarithm.

    Raises
    ------
    ValueError
        For numbers that are not positive.
    """

    days: float
    spread: float = 0.7

    def __post_init__(self) -> None:
        if not (self.days > 0 and self.spread > 0):
            raise ValueError(f"an e-folding time and its spread are positive, got {self.days} and {self.spread}")

    def correlation(self, gap: np.ndarray, places: Places) -> Any:
        """Return the correlation with the observation before.

        Parameters
        ----------
        gap : numpy.ndarray
            Infinite for the first observation of each site.
        places : Places
            Sites and times.

        Returns
        -------
        tensor
            (observation,).
        """
        tau = pm.LogNormal(f"{places.stream}_memory", mu=np.log(self.days), sigma=self.spread, **places.dims)
        distance = np.diff(places.days, prepend=np.nan)
        first = ~np.isfinite(gap)
        rate = np.where(first, 0.0, distance)
        return pt.exp(-rate / places.at_observations(tau)) * (~first).astype(float)

    def simulate(self, draws: Draws, stream: str, time: pd.DatetimeIndex) -> np.ndarray:
        """Return draws of the correlation.

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
        numpy.ndarray
            (draw, observation).
        """
        distance = np.diff(time.values) / np.timedelta64(1, "D")
        found = np.exp(-distance / draws[f"{stream}_memory"])
        return np.concatenate([np.zeros((found.shape[0], 1)), found], axis=1)

    def describe(self) -> str:
        """Say how long errors last.

        Returns
        -------
        str
            One clause.
        """
        return f"Ornstein-Uhlenbeck process in time, e-folding time about {self.days:g} d"


def effective_size(correlation: Any) -> Any:
    """Count how many independent observations a correlated series is worth for its mean.

    Parameters
    ----------
    correlation : array_like or tensor
        With the observation before, 0 for the first, (..., observation).

    Returns
    -------
    array or tensor
        1' R^-1 1 of a first-order Markov series with the correlation matrix R: 1 for the first and (1 - rho) / (1 + rho) for each further
        one, (...,).
    """
    rho = correlation if hasattr(correlation, "type") else np.asarray(correlation)
    return ((1.0 - rho) / (1.0 + rho)).sum(axis=-1)
