"""Errors that are correlated between sites: what a process model lacks, it lacks at the neighbours too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.errors.terms import Dependence, Innovations, Link, Places

EARTH_RADIUS = 6371.0088  # km, mean radius (R1) of the ellipsoid GRS80


@dataclass(frozen=True)
class SpatialCorrelation(Dependence):
    """Innovations of different sites at the same time have the correlation exp(-distance / L).

    Kuppel et al. (2013, doi 10.5194/gmd-6-45-2013, abstract; equations not checked) found that the structural error of NEE simulated by
    ORCHIDEE at twelve temperate broadleaf forests can be approximated by an exponential decay over distance with an e-folding length of
    500 km.

    An innovation is what is new in an error: the standardised error less what the one before at the same site says of it, after AR(1)
    or Ornstein-Uhlenbeck memory. Where no values are missing and the memory of all sites is the same, the errors have exactly the separable
    covariance, correlation in time times correlation in space. Independent errors have the exact one whatever is missing. Across gaps
    it is the density of a sequence: each time's innovations, given the past of the same sites, are correlated with exp(-distance / L)
    however long each site was not observed. That is a proper density, not the marginal of the separable one.

    The density of each observation is the one given the sites before it, in the order of the data, at that time. The whole errors are
    correlated, the stated random part with them, which is independent between instruments: give SpatialCorrelation to a stream whose
    structural error outweighs it. Beside `CorrelatedWith`, it is the part that the other stream leaves that is correlated between sites.
    `lsm_bayes.calibration.predict` simulates each site by itself: right for each, not jointly.

    Parameters
    ----------
    km : float
        Median of the log-normal prior of the e-folding length L, km.
    spread : float
        Standard deviation of its logarithm.

    Raises
    ------
    ValueError
        For numbers that are not positive.

    Notes
    -----
    The random variable is ``<stream>_correlation_km``.
    """

    km: float
    spread: float = 0.7

    def __post_init__(self) -> None:
        if not (self.km > 0 and self.spread > 0):
            raise ValueError(f"the length of a correlation between sites and its spread are positive, got {self.km} and {self.spread}")

    def link(self, places: Places, others: Mapping[str, Innovations]) -> Link:
        """Lay sites and times of the observations out.

        Parameters
        ----------
        places : Places
            Sites and times.
        others : mapping of str to Innovations
            Not used.

        Returns
        -------
        Link
            Between innovations and independent ones.

        Raises
        ------
        ValueError
            With one site, without their positions, for two sites at one place, and when no two are observed at the same time.
        """
        length = pm.LogNormal(f"{places.stream}_correlation_km", mu=np.log(self.km), sigma=self.spread)
        return _between_sites(places, _distances(places), length)

    def describe(self) -> str:
        """Say over which distance.

        Returns
        -------
        str
            One clause.
        """
        return f"innovations correlated between sites with exp(-distance / L), L about {self.km:g} km"


def great_circle(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Return distances between places on a sphere.

    Parameters
    ----------
    latitude, longitude : numpy.ndarray
        Degrees, (site,).

    Returns
    -------
    numpy.ndarray
        (site, site), km.
    """
    north, east = np.radians(latitude), np.radians(longitude)
    # Haversine: exact for near places, where the arc cosine of a scalar product is not.
    half = np.sin(0.5 * (north[:, None] - north)) ** 2
    half = half + np.cos(north[:, None]) * np.cos(north) * np.sin(0.5 * (east[:, None] - east)) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def _distances(places: Places) -> np.ndarray:
    wanted = f"the errors of {places.stream!r} are to be correlated between sites"
    if places.site_dim is None or len(places.sites) < 2:
        raise ValueError(f"{wanted}, and there is one site; leave SpatialCorrelation out")
    names = [str(n) for n in pm.modelcontext(None).coords.get(places.site_dim, range(len(places.sites)))]
    latitude, longitude = (np.array([getattr(p, k) for p in places.sites], dtype=float) for k in ("latitude", "longitude"))
    lost = [n for n, ok in zip(names, np.isfinite(latitude) & np.isfinite(longitude), strict=True) if not ok]
    if lost:
        raise ValueError(
            f"{wanted}, and the data have no latitude or longitude of {', '.join(lost)}; give them as coordinates by site, in degrees"
        )
    found = great_circle(latitude, longitude)
    same = np.argwhere(np.triu(found == 0.0, 1))
    if same.size:
        a, b = same[0]
        raise ValueError(
            f"{names[a]} and {names[b]} are at one place, {latitude[a]:g} N, {longitude[a]:g} E: their errors would be the same, and the "
            "covariance singular; leave one out, or give their positions to more digits"
        )
    return found


def _between_sites(places: Places, distance: np.ndarray, length: Any) -> "_BetweenSites":
    size, sites = places.site.size, len(places.sites)
    moments, row = np.unique(places.moment, return_inverse=True)
    table = np.full((moments.size, sites), size)
    table[row, places.site] = np.arange(size)
    present, pattern = np.unique(table < size, axis=0, return_inverse=True)
    if present.sum(axis=1).max() < 2:
        raise ValueError(f"the errors of {places.stream!r} are to be correlated between sites, and no two are observed at the same time")
    # Of later sites nothing is read: zero times a residual that is not finite would be not finite.
    together = np.where(np.arange(sites) <= places.site[:, None], table[row], size)
    return _BetweenSites((length,), distance, present, pattern.ravel()[row] * sites + places.site, together)


@dataclass(frozen=True)
class _BetweenSites(Link):
    """Observations of sites at the same times.

    Attributes
    ----------
    distance : numpy.ndarray
        (site, site), km.
    present : numpy.ndarray of bool
        (pattern, site), the combinations of sites that are observed together.
    row : numpy.ndarray of int
        (observation,), pattern * sites + site.
    together : numpy.ndarray of int
        (observation, site), place of each site's observation of the same time, up to the own site; the number of observations where
        there is none.
    """

    inputs: tuple[Any, ...]
    distance: np.ndarray
    present: np.ndarray
    row: np.ndarray
    together: np.ndarray

    @property
    def _both(self) -> np.ndarray:
        """Which pairs of different sites a pattern has, (pattern, site, site): the row of an absent site is that of the identity."""
        return self.present[:, :, None] * self.present[:, None, :] * (1.0 - np.eye(self.distance.shape[0]))

    def whiten(self, innovation: Any, *inputs: Any) -> tuple[Any, Any]:
        (length,) = inputs
        kinds, sites = self.present.shape
        root = pt.linalg.cholesky(pt.exp(-self.distance / length) * self._both + np.eye(sites))
        inverse = pt.linalg.solve_triangular(root, np.eye(sites), lower=True, b_ndim=2)
        rows = inverse.reshape((kinds * sites, sites))[self.row]
        padded = pt.concatenate([innovation, np.zeros(1)])
        together = padded[self.together.ravel()].reshape(self.together.shape)
        own = inverse.reshape((kinds * sites * sites,))[self.row * sites + self.row % sites]
        return (rows * together).sum(axis=1), 1.0 / own

    def colour(self, innovation: np.ndarray, *inputs: np.ndarray) -> np.ndarray:
        (length,) = inputs
        kinds, sites = self.present.shape
        root = np.linalg.cholesky(np.exp(-self.distance / np.reshape(length, ())) * self._both + np.eye(sites))
        padded = np.concatenate([innovation, np.zeros((innovation.shape[0], 1))], axis=1)
        return np.asarray((root.reshape(kinds * sites, sites)[self.row] * padded[:, self.together]).sum(axis=-1))
