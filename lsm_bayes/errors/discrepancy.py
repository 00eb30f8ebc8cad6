"""Slow model discrepancy that cannot stand in for the season.

A piecewise linear function of time with a dozen knots a year, times the seasonal envelope. The knots of one season sum to zero over
the training years, so the mean seasonal cycle has to come from the process model; what is left are anomalies of single
seasons and years (drought, management, memory that the model lacks). Years that were not fitted get fresh knots.
"""

from collections.abc import Sequence
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
    fraction = (time.day_of_year.to_numpy() - 0.5) / np.where(time.is_leap_year, 366, 365)
    position = (time.year.to_numpy() - first_year + fraction) * KNOTS_PER_YEAR - 0.5
    position = np.clip(position, 0.0, years * KNOTS_PER_YEAR - 1.0)
    left = np.floor(position).astype(int)
    return Knots(left, np.minimum(left + 1, years * KNOTS_PER_YEAR - 1), position - left, years)


class Layout:
    """Knots of all sites behind each other in one vector.

    Parameters
    ----------
    spans : sequence of (int, int)
        First year and number of years of each site.
    """

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self.spans = list(spans)
        years = np.array([y for _, y in spans])
        self.size = int(years.sum()) * KNOTS_PER_YEAR
        self.starts = np.concatenate([[0], np.cumsum(years)[:-1]]) * KNOTS_PER_YEAR
        self.site = np.repeat(np.arange(years.size), years * KNOTS_PER_YEAR)
        self._years = years
        season = np.tile(np.arange(KNOTS_PER_YEAR), int(years.sum()))
        self._group = self.site * KNOTS_PER_YEAR + season
        # Place of each knot in a table (site, longest record, season) that holds zeros where a site has no year.
        year = np.concatenate([np.repeat(np.arange(y), KNOTS_PER_YEAR) for y in years])
        self._longest = int(years.max())
        self._place = (self.site * self._longest + year) * KNOTS_PER_YEAR + season

    def centred(self, standard: Any) -> Any:
        """Subtract from each knot the mean over the years of its site and season.

        Parameters
        ----------
        standard : tensor
            (knots,), standard normal.

        Returns
        -------
        tensor
            (knots,); the variance drops by the factor 1 - 1/years.
        """
        shape = (self._years.size, self._longest, KNOTS_PER_YEAR)
        if self.size == np.prod(shape):
            table = standard.reshape(shape)
        else:
            table = pt.zeros(int(np.prod(shape)))[self._place].set(standard).reshape(shape)
        means = table.sum(axis=1) / self._years[:, None]
        return standard - means.ravel()[self._group]

    def place(self, times: Sequence[pd.DatetimeIndex]) -> Knots:
        """Locate the observations of all sites.

        Parameters
        ----------
        times : sequence of pandas.DatetimeIndex
            One for each site.

        Returns
        -------
        Knots
            Places in the one vector.
        """
        places = [place(t, first, years) for t, (first, years) in zip(times, self.spans, strict=True)]
        return Knots(
            np.concatenate([p.left + s for p, s in zip(places, self.starts, strict=True)]),
            np.concatenate([p.right + s for p, s in zip(places, self.starts, strict=True)]),
            np.concatenate([p.weight for p in places]),
            int(self._years.sum()),
        )


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
