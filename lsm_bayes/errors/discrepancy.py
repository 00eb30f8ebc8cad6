"""Slow model discrepancy that cannot stand in for the season.

A piecewise linear function of time with a dozen knots a year, times the seasonal envelope. The knots of one season sum to zero over
the training years, so the mean seasonal cycle has to come from the process model; what is left are anomalies of single
seasons and years (drought, management, memory that the model lacks). Years that were not fitted get fresh knots.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt

KNOTS_PER_YEAR = 12


@dataclass(frozen=True)
class Knots:
    """Place of observations of one site between knots.

    Attributes
    ----------
    left, right : numpy.ndarray of int
        Knots to both sides, counted from the first year.
    weight : numpy.ndarray
        Weight of the right one.
    years : int
        Number of years that the knots cover.
    """

    left: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    years: int

    def interpolate(self, knots: Any) -> Any:
        """Evaluate at the observations.

        Parameters
        ----------
        knots : array or tensor
            Values (..., years * KNOTS_PER_YEAR).

        Returns
        -------
        array or tensor
            (..., observation).
        """
        return knots[..., self.left] * (1.0 - self.weight) + knots[..., self.right] * self.weight


def place(time: pd.DatetimeIndex, first_year: int, years: int) -> Knots:
    """Locate observations between knots.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Times of the observations.
    first_year : int
        Year of the first knots.
    years : int
        Number of years.

    Returns
    -------
    Knots
        Places; before the first and behind the last knot the value is held.
    """
    fraction = (time.dayofyear.to_numpy() - 0.5) / np.where(time.is_leap_year, 366, 365)
    position = (time.year.to_numpy() - first_year + fraction) * KNOTS_PER_YEAR - 0.5
    position = np.clip(position, 0.0, years * KNOTS_PER_YEAR - 1.0)
    left = np.floor(position).astype(int)
    return Knots(left, np.minimum(left + 1, years * KNOTS_PER_YEAR - 1), position - left, years)


def centred(standard: Any, years: int) -> Any:
    """Subtract from each knot the mean over the years of its season.

    Parameters
    ----------
    standard : array or tensor
        (years * KNOTS_PER_YEAR,) standard normal.
    years : int
        Number of years.

    Returns
    -------
    array or tensor
        The same shape. The variance drops by the factor 1 - 1/years.
    """
    table = standard.reshape((years, KNOTS_PER_YEAR))
    return (table - table.mean(axis=0, keepdims=True)).reshape((years * KNOTS_PER_YEAR,))


def fresh(rng: np.random.Generator, draws: int, years: int, fitted_years: int) -> np.ndarray:
    """Draw knots of years that were not fitted.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    draws, years : int
        How many.
    fitted_years : int
        Over how many years the fitted knots sum to zero.

    Returns
    -------
    numpy.ndarray
        (draws, years * KNOTS_PER_YEAR), variance 1 + 1/fitted_years: the mean season was learnt with that error.
    """
    return rng.standard_normal((draws, years * KNOTS_PER_YEAR)) * np.sqrt(1.0 + 1.0 / fitted_years)


def knot_values(standard: Any, scale: Any, years: int) -> Any:
    """Scaled and centred knots of one site.

    Parameters
    ----------
    standard : tensor
        (years * KNOTS_PER_YEAR,).
    scale : tensor
        Standard deviation, unit of the stream.
    years : int
        Number of years.

    Returns
    -------
    tensor
        Unit of the stream.
    """
    return scale * centred(pt.as_tensor(standard), years)
