"""Random error that grows with the signal."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors.terms import Draws, Places, SpreadTerm


@dataclass(frozen=True)
class Heteroscedastic(SpreadTerm):
    """Standard deviation a + b |F|, with F the predicted value (Richardson et al. 2006, doi 10.1016/j.agrformet.2006.01.007, figure 3).

    A free slope lets the error of a daily flux swallow the season of the model's misfit; it belongs to half-hourly fluxes and to
    streams without a stated uncertainty, with narrow priors.

    Parameters
    ----------
    intercept : float
        Median of the log-normal prior of a, in the unit of the stream.
    slope : float
        Median of the log-normal prior of b.
    spread : float
        Standard deviation of both logarithms.
    asymmetric : bool
        A slope of its own where the prediction is negative (uptake), as Richardson et al. found for NEE.

    Raises
    ------
    ValueError
        For medians or a spread that are not positive.
    """

    intercept: float
    slope: float
    spread: float = 0.5
    asymmetric: bool = False

    def __post_init__(self) -> None:
        for name in ("intercept", "slope", "spread"):
            if not getattr(self, name) > 0:
                raise ValueError(f"the {name} of an error a + b |F| is a positive number, got {getattr(self, name)}")

    def variance(self, mean: Any, places: Places) -> Any:
        """Return (a + b |F|) squared.

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

        def by_site(name: str, median: float) -> Any:
            found = pm.LogNormal(f"{places.stream}_{name}", mu=np.log(median), sigma=self.spread, **places.dims)
            return places.at_observations(found)

        slope = by_site("noise_slope", self.slope)
        if self.asymmetric:
            slope = pt.switch(mean < 0, by_site("noise_slope_uptake", self.slope), slope)
        return (by_site("noise_floor", self.intercept) + slope * pt.abs(mean)) ** 2

    def simulate(self, mean: np.ndarray, draws: Draws, stream: str) -> np.ndarray:
        """Return draws of (a + b |F|) squared.

        Parameters
        ----------
        mean : numpy.ndarray
            (draw, observation).
        draws : mapping
            (draw, 1) by name.
        stream : str
            Stream.

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        slope = draws[f"{stream}_noise_slope"]
        if self.asymmetric:
            slope = np.where(mean < 0, draws[f"{stream}_noise_slope_uptake"], slope)
        return np.asarray((draws[f"{stream}_noise_floor"] + slope * np.abs(mean)) ** 2)

    def describe(self) -> str:
        """Say what the standard deviation is.

        Returns
        -------
        str
            One clause.
        """
        sides = ", one slope for uptake and one for release" if self.asymmetric else ""
        return f"further random error of sd a + b |F|, a about {self.intercept:g}, b about {self.slope:g}{sides}"
