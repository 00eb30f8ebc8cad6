"""Structural discrepancy as a smooth function of drivers or of time: a Gaussian process in its Hilbert-space form, linear in the record.

Kennedy & O'Hagan (2001, doi 10.1111/1467-9868.00294) add a Gaussian process to the output of the model. Here it is a sum of one-dimensional
ones, each a weighted sum of sines over an interval somewhat wider than the data (Riutort-Mayol et al. 2023, doi 10.1007/s11222-022-10167-2,
eqs. 8-10). It can stand in for parameters that answer the same drivers: `lsm_bayes.diagnostics.confounding` says how far it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.gp.hsgp_approx import approx_hsgp_hyperparams, calc_eigenvalues

from lsm_bayes.errors.terms import Draws, MeanTerm, Place, Places, Scale

TIME = "time"
LENGTH_SPREAD = 0.4  # sd of the logarithm of the length


@dataclass(frozen=True)
class Sines:
    """Basis over an interval.

    Attributes
    ----------
    middle, half : float
        Centre of the data, and half of the interval of the basis, which is wider.
    low, high : float
        Range of the fitted data; outside, the function is held at its end.
    frequency : numpy.ndarray
        (basis,), square roots of the eigenvalues.
    means : numpy.ndarray
        (basis,), mean of each function over the fitted data, which is taken off.
    """

    middle: float
    half: float
    low: float
    high: float
    frequency: np.ndarray
    means: np.ndarray

    def at(self, x: np.ndarray) -> np.ndarray:
        """Evaluate the basis, (observation, basis)."""
        held = np.clip(x, self.low, self.high) - self.middle
        return _eigenvectors(held, self.half, self.frequency) - self.means

    def root_density(self, sd: Any, length: Any) -> Any:
        """Root of the spectral density of a Matérn process with smoothness 5/2 at each frequency, (..., basis)."""
        rate = np.sqrt(5.0) / length
        # Rasmussen & Williams (2006), eq. 4.15, in one dimension: 16/3 rate^5 (rate^2 + w^2)^-3.
        return sd * np.sqrt(16.0 / 3.0) * rate**2.5 * (rate**2 + self.frequency**2) ** -1.5


def _eigenvectors(x: np.ndarray, half: float, frequency: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(frequency * (x[:, None] + half)) / np.sqrt(half))


def sines(x: np.ndarray, length: float) -> Sines:
    """Lay a basis over data.

    Parameters
    ----------
    x : numpy.ndarray
        (observation,).
    length : float
        Median of the length, in the unit of x.

    Returns
    -------
    Sines
        With as many functions as the shortest length within two spreads needs.

    Raises
    ------
    ValueError
        When all values are the same.
    """
    low, high = float(x.min()), float(x.max())
    if not high > low:
        raise ValueError(f"a discrepancy over a driver needs values that differ; all are {low:g}")
    reach = np.exp(2.0 * LENGTH_SPREAD)
    number, factor = approx_hsgp_hyperparams([low, high], [length / reach, length * reach], "matern52")
    half = 0.5 * (high - low) * factor
    frequency = np.sqrt(calc_eigenvalues(np.array([half]), [number]).ravel())
    basis = _eigenvectors(x - 0.5 * (low + high), half, frequency)
    return Sines(0.5 * (low + high), half, low, high, frequency, basis.mean(axis=0))


@dataclass(frozen=True)
class DriverDiscrepancy(MeanTerm):
    """A smooth function of drivers that the process model lacks, with zero mean over the fitted observations.

    Parameters
    ----------
    over : mapping of str to float
        Median of the length over which the function changes, by driver (forcing of the process model or variable of the data, in its
        unit); ``"time"`` in days. Functions of drivers are shared by all sites, that of time belongs to each site.
    sd : Scale
        Prior of the sd of each function, as a fraction of the sd of the observations about their seasonal cycle.

    Raises
    ------
    ValueError
        Without a driver, and for lengths that are not positive.

    Notes
    -----
    Random variables are ``<stream>_<driver>_discrepancy_sd``, ``_length`` and ``_weights``. Outside the range of the fitted data a
    function of a driver keeps the value at its end; times outside the fitted record get fresh draws.
    """

    over: Mapping[str, float]
    sd: Scale = Scale(0.25)

    def __post_init__(self) -> None:
        if not self.over:
            raise ValueError("a discrepancy over drivers needs at least one, such as DriverDiscrepancy({'air_temperature': 8.0})")
        for name, length in self.over.items():
            if not length > 0:
                raise ValueError(f"the length of a discrepancy over {name!r} is a positive number in its unit, got {length}")

    def __hash__(self) -> int:
        return hash((tuple(self.over.items()), self.sd))

    @property
    def drivers(self) -> tuple[str, ...]:
        """Forcing that it reads."""
        return tuple(self.over)

    def _basis(self, name: str, places: list[Place]) -> Sines:
        fitted = places[0].fitted or {n: np.concatenate([_values(p, n) for p in places]) for n in self.over}
        return sines(fitted[name], self.over[name])

    def mean(self, mean: Any, places: Places) -> Any:
        """Add the functions.

        Parameters
        ----------
        mean : tensor
            (observation,).
        places : Places
            Sites, times and drivers.

        Returns
        -------
        tensor
            (observation,).
        """
        for name, median in self.over.items():
            basis = self._basis(name, list(places.sites))
            matrix = basis.at(np.concatenate([_values(p, name) for p in places.sites]))
            by_site = name == TIME and places.site_dim is not None
            label, dims = _label(places.stream, name), (places.dims if by_site else {})
            # The reference of a shared function is that of the sites' middle one.
            size = places.reference if by_site else np.median(places.reference)
            sd = pm.LogNormal(f"{label}_sd", mu=np.log(self.sd.median * size), sigma=self.sd.spread, **dims)
            length = pm.LogNormal(f"{label}_length", mu=np.log(median), sigma=LENGTH_SPREAD, **dims)
            pm.modelcontext(None).add_coord(f"{label}_sine", np.arange(matrix.shape[1]) + 1)
            axes = (places.site_dim, f"{label}_sine") if by_site else (f"{label}_sine",)
            standard = pm.Normal(f"{label}_weights", 0.0, 1.0, dims=axes)
            if by_site:
                scaled = standard * basis.root_density(pt.shape_padright(sd), pt.shape_padright(length))
                mean = mean + (matrix * scaled[places.site]).sum(axis=1)
            else:
                mean = mean + pt.as_tensor(matrix) @ (standard * basis.root_density(sd, length))
        return mean

    def simulate(self, rng: np.random.Generator, mean: np.ndarray, draws: Draws, stream: str, place: Place, fitted: Place) -> np.ndarray:
        """Add draws of the functions.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers for times outside the fitted record.
        mean : numpy.ndarray
            (draw, observation).
        draws : mapping
            (draw, 1) or (draw, basis) by name.
        stream : str
            Stream.
        place, fitted : Place
            Where to simulate, and where the fitted observations are.

        Returns
        -------
        numpy.ndarray
            (draw, observation).
        """
        for name in self.over:
            label, basis, x = _label(stream, name), self._basis(name, [fitted]), _values(place, name)
            weights, sd, length = (draws[f"{label}_{k}"] for k in ("weights", "sd", "length"))
            added = (weights * basis.root_density(sd, length)) @ basis.at(x).T
            later = x > basis.high if name == TIME else np.zeros(x.size, dtype=bool)
            if later.any():
                further = sines(np.append(x[later], basis.high), self.over[name])
                fresh = rng.standard_normal((weights.shape[0], further.frequency.size)) * further.root_density(sd, length)
                added[:, later] = fresh @ (further.at(x[later]) + further.means).T
            mean = mean + added
        return mean

    def describe(self) -> str:
        """Say over what.

        Returns
        -------
        str
            One clause.
        """
        said = " and ".join(f"{n} (length about {length:g}{' d' if n == TIME else ''})" for n, length in self.over.items())
        return f"smooth discrepancy over {said}, sd about {self.sd.median:g} of that of the anomalies"


def _label(stream: str, driver: str) -> str:
    return f"{stream}_{driver}_discrepancy"


def _values(place: Place, name: str) -> np.ndarray:
    if name not in place.drivers:
        there = ", ".join(place.drivers) or "none"
        raise KeyError(f"a discrepancy over {name!r} was given no such driver; the observations come with {there}")
    return np.asarray(place.drivers[name], dtype=float)
