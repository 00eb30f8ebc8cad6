"""Systematic parts of the error: constant, proportional and seasonal, by site, shared, or of a hierarchy of sites."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors.terms import Draws, MeanTerm, Place, Places, season_of
from lsm_bayes.vocabulary import unknown

SHARED = ("site", "all", "hierarchy")


def _variable(name: str, spread: float, over: str, places: Places) -> Any:
    """One value for each site, or one for all; in a hierarchy the common one has half of the variance."""
    if over == "all" or places.site_dim is None:
        return pm.Normal(name, 0.0, spread) * (pt.ones(len(places.times)) if places.site_dim else 1.0)
    if over == "site":
        return pm.Normal(name, 0.0, spread, dims=places.site_dim)
    share = spread / np.sqrt(2.0)
    mean = pm.Normal(f"{name}_mean", 0.0, share)
    between = pm.HalfNormal(f"{name}_between_sites", share)
    deviation = pm.Normal(f"{name}_z", 0.0, 1.0, dims=places.site_dim)
    return pm.Deterministic(name, mean + between * deviation, dims=places.site_dim)


@dataclass(frozen=True)
class Bias(MeanTerm):
    """Something is added to every observation: an instrument's offset, a flux that the operator leaves out.

    Parameters
    ----------
    spread : float
        Standard deviation of its normal prior, in the unit of the stream.
    over : {"site", "all", "hierarchy"}
        A value for each site, one for all (the instrument's), or values of sites around a common one.

    Raises
    ------
    ValueError
        For a spread that is not positive, or another word.
    """

    spread: float
    over: Literal["site", "all", "hierarchy"] = "site"

    def __post_init__(self) -> None:
        _check(self.spread, self.over)

    def mean(self, mean: Any, places: Places) -> Any:
        """Add the bias.

        Parameters
        ----------
        mean : tensor
            (observation,).
        places : Places
            Sites and times.

        Returns
        -------
        tensor
            (observation,).
        """
        return mean + places.at_observations(_variable(f"{places.stream}_offset", self.spread, self.over, places))

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, draws: Draws, stream: str, place: Place, fitted: Place) -> np.ndarray:
        """Add draws of the bias.

        Parameters
        ----------
        rng : numpy.random.Generator
            Not used.
        mean : numpy.ndarray
            (draw, observation).
        draws : mapping
            (draw, 1) by name.
        stream : str
            Stream.
        place, fitted : Place
            Where to simulate, and where the fitted observations are.

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        return mean + draws[f"{stream}_offset"]

    def describe(self) -> str:
        """Say what is added.

        Returns
        -------
        str
            One clause.
        """
        return f"additive bias ~ N(0, {self.spread:g}) {_said(self.over)}"


@dataclass(frozen=True)
class Gain(MeanTerm):
    """Every observation is multiplied by a factor.

    Parameters
    ----------
    spread : float
        Standard deviation of the normal prior of its logarithm.
    over : {"site", "all", "hierarchy"}
        As in `Bias`.

    Raises
    ------
    ValueError
        For a spread that is not positive, or another word.
    """

    spread: float
    over: Literal["site", "all", "hierarchy"] = "site"

    def __post_init__(self) -> None:
        _check(self.spread, self.over)

    def mean(self, mean: Any, places: Places) -> Any:
        """Multiply by the gain.

        Parameters
        ----------
        mean : tensor
            (observation,).
        places : Places
            Sites and times.

        Returns
        -------
        tensor
            (observation,).
        """
        return mean * pt.exp(places.at_observations(_variable(f"{places.stream}_log_gain", self.spread, self.over, places)))

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, draws: Draws, stream: str, place: Place, fitted: Place) -> np.ndarray:
        """Multiply by draws of the gain.

        Parameters
        ----------
        rng : numpy.random.Generator
            Not used.
        mean : numpy.ndarray
            (draw, observation).
        draws : mapping
            (draw, 1) by name.
        stream : str
            Stream.
        place, fitted : Place
            Where to simulate, and where the fitted observations are.

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        return mean * np.exp(draws[f"{stream}_log_gain"])

    def describe(self) -> str:
        """Say what is multiplied.

        Returns
        -------
        str
            One clause.
        """
        return f"log gain ~ N(0, {self.spread:g}) {_said(self.over)}"


@dataclass(frozen=True)
class SeasonalBias(MeanTerm):
    """A bias with the season: snow and cloud in satellite products, sensors that drift with temperature.

    A process model whose season is wrong will use it; look at the posterior correlation with phenology before you trust either.

    Parameters
    ----------
    spread : float
        Standard deviation of the normal prior of each coefficient, in the unit of the stream.
    harmonics : int
        Annual, semi-annual, ... sines and cosines.

    Raises
    ------
    ValueError
        For a spread that is not positive, or no harmonics.
    """

    spread: float
    harmonics: int = 1

    def __post_init__(self) -> None:
        _check(self.spread, "site")
        if self.harmonics < 1:
            raise ValueError(f"a seasonal bias needs at least one harmonic, got {self.harmonics}")

    def mean(self, mean: Any, places: Places) -> Any:
        """Add the season.

        Parameters
        ----------
        mean : tensor
            (observation,).
        places : Places
            Sites and times.

        Returns
        -------
        tensor
            (observation,).
        """
        for k, wave in enumerate(_waves(places.season, self.harmonics)):
            mean = mean + wave * places.at_observations(pm.Normal(f"{places.stream}_season_{k + 1}", 0.0, self.spread, **places.dims))
        return mean

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, draws: Draws, stream: str, place: Place, fitted: Place) -> np.ndarray:
        """Add draws of the season.

        Parameters
        ----------
        rng : numpy.random.Generator
            Not used.
        mean : numpy.ndarray
            (draw, observation).
        draws : mapping
            (draw, 1) by name.
        stream : str
            Stream.
        place, fitted : Place
            Where to simulate, and where the fitted observations are.

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        for k, wave in enumerate(_waves(season_of(place.time), self.harmonics)):
            mean = mean + wave * draws[f"{stream}_season_{k + 1}"]
        return mean

    def describe(self) -> str:
        """Say how many harmonics there are.

        Returns
        -------
        str
            One clause.
        """
        return f"seasonal bias of {self.harmonics} harmonic{'s' if self.harmonics > 1 else ''}, coefficients ~ N(0, {self.spread:g})"


def _waves(angle: np.ndarray, harmonics: int) -> list[np.ndarray]:
    return [f(k * angle) for k in range(1, harmonics + 1) for f in (np.cos, np.sin)]


def _check(spread: float, over: str) -> None:
    if not spread > 0:
        raise ValueError(f"the spread of a bias is a positive number, got {spread}")
    if over not in SHARED:
        raise ValueError(unknown("choice of what a bias is over", over, SHARED))


def _said(over: str) -> str:
    return {"site": "at each site", "all": "at all sites alike", "hierarchy": "at each site, around a common one"}[over]
