"""Errors of one stream that are correlated with those of another: net exchange and evapotranspiration come from one anemometer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors.terms import Dependence, Draws, Innovations, Link, Places
from lsm_bayes.vocabulary import unknown


@dataclass(frozen=True)
class CorrelatedWith(Dependence):
    """Innovations of two streams at the same time and site have the correlation rho.

    The term belongs to the later stream, whose density is then conditional on the innovation of the earlier one: normal with mean rho u and
    variance 1 - rho^2 where that has the innovation u, standard normal where it was not observed. Independent errors of both streams
    have the exact joint normal density, whatever is missing. So have AR(1) or Ornstein-Uhlenbeck errors without gaps: a vector
    autoregression with a diagonal matrix, whose first errors have the correlation rho. Across gaps, innovations over intervals of
    different length have the same correlation rho, a proper density too. Each stream names at most one earlier stream, which may name
    one itself.

    The whole errors are correlated, the stated random part with them.

    Parameters
    ----------
    stream : str
        Name of a stream that stands before this one in the calibration, with the same period.
    spread : float
        Sd of atanh(rho), whose prior is normal with mean 0; one rho for each site. 0.7 makes rho about uniform in the middle of (-1, 1);
        above 0.707 its density has two modes.

    Raises
    ------
    ValueError
        For a spread that is not positive.

    Notes
    -----
    The random variable is ``<stream>_correlation_with_<other>``.
    """

    stream: str
    spread: float = 0.7

    def __post_init__(self) -> None:
        if not self.spread > 0:
            raise ValueError(f"the spread of a correlation with {self.stream!r} is positive, got {self.spread}")

    def link(self, places: Places, others: Mapping[str, Innovations]) -> Link:
        """Condition on the innovations of the other stream.

        Parameters
        ----------
        places : Places
            Sites and times.
        others : mapping of str to Innovations
            Earlier streams with normal innovations.

        Returns
        -------
        Link
            Between innovations and what the other stream leaves of them.

        Raises
        ------
        KeyError
            When there is no such stream.
        ValueError
            When the two are nowhere observed at the same time.
        """
        if self.stream not in others:
            raise KeyError(f"the errors of {places.stream!r} are to be correlated: {unknown('earlier stream', self.stream, others)}")
        other = others[self.stream]
        partner = _partner(other, places.site, places.moment)
        if not (partner >= 0).any():
            raise ValueError(
                f"the errors of {places.stream!r} are to be correlated with those of {self.stream!r}, and the two are nowhere observed at "
                "the same time; leave CorrelatedWith out"
            )
        name = _name(places.stream, self.stream)
        rho = pm.Deterministic(name, pt.tanh(pm.Normal(f"{name}_z", 0.0, self.spread, **places.dims)), **places.dims)
        at_each = places.at_observations(rho) * (partner >= 0).astype(float)
        return _Conditional((at_each * other.value[np.maximum(partner, 0)], pt.sqrt(1.0 - at_each**2)))

    def simulate(self, innovation: np.ndarray, draws: Draws, stream: str, moment: np.ndarray, other: Innovations) -> np.ndarray:
        """Correlate innovations with those of the other stream at one site.

        Parameters
        ----------
        innovation : numpy.ndarray
            Independent ones, (draw, observation).
        draws : mapping
            (draw, 1) by name.
        stream : str
            This stream.
        moment : numpy.ndarray of int
            (observation,), as in `Places`.
        other : Innovations
            Of the same draws and site.

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        partner = _partner(other, np.zeros_like(moment), moment)
        rho = draws[_name(stream, self.stream)] * (partner >= 0)
        return rho * other.value[:, np.maximum(partner, 0)] + np.sqrt(1.0 - rho**2) * innovation

    def describe(self) -> str:
        """Say with what.

        Returns
        -------
        str
            One clause.
        """
        return f"innovations correlated with those of {self.stream} at the same time and site, rho = tanh z, z ~ N(0, {self.spread:g})"


@dataclass(frozen=True)
class _Conditional(Link):
    """Given an expected innovation and the sd that is left, (observation,)."""

    inputs: tuple[Any, ...]

    def whiten(self, innovation: Any, *inputs: Any) -> tuple[Any, Any]:
        expected, left = inputs
        return (innovation - expected) / left, left

    def colour(self, innovation: np.ndarray, *inputs: np.ndarray) -> np.ndarray:
        expected, left = inputs
        return expected + left * innovation


def _name(stream: str, other: str) -> str:
    return f"{stream}_correlation_with_{other}"


def _partner(other: Innovations, site: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Place of the other stream's innovation of the same site and time; -1 where there is none."""
    places = pd.MultiIndex.from_arrays([other.site, other.moment])
    return np.asarray(places.get_indexer(pd.MultiIndex.from_arrays([site, moment])))
