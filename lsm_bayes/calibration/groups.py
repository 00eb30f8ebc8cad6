"""Sites of a calibration: their plant functional types, covariates and distances."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from lsm_bayes.calibration.pooling import Pooling
from lsm_bayes.errors.space import great_circle
from lsm_bayes.vocabulary import unknown

PLACE = ("latitude", "longitude")


@dataclass(frozen=True)
class Groups:
    """Sites and their plant functional types.

    Attributes
    ----------
    sites, pfts : list of str
        Names, each once.
    pft_of_site : numpy.ndarray of int
        Type of each site.
    covariates : mapping of str to numpy.ndarray
        What poolings ask for, (site,), in the units of the data.
    fractions : numpy.ndarray, optional
        Cover of each site by the types, (site, pft), rows sum to one; `pft_of_site` is then the largest. Without, each site is of one type.
    """

    sites: list[str]
    pfts: list[str]
    pft_of_site: np.ndarray
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    fractions: np.ndarray | None = None

    @property
    def weights(self) -> np.ndarray:
        """Cover of each site by the types, (site, pft)."""
        return np.eye(len(self.pfts))[self.pft_of_site] if self.fractions is None else self.fractions

    def of_types(self, values: Any) -> Any:
        """Expand coordinates by type, (parameter, pft), to sites: weighted means by cover, (parameter, site)."""
        return values[:, self.pft_of_site] if self.fractions is None else values @ self.weights.T

    @property
    def several(self) -> bool:
        """Whether there is more than one site."""
        return len(self.sites) > 1

    def standardised(self, names: Sequence[str], values: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        """Scale covariates by their mean and sd over the fitted sites.

        Parameters
        ----------
        names : sequence of str
            Covariates.
        values : mapping of str to numpy.ndarray, optional
            Those of other sites, (site,).

        Returns
        -------
        numpy.ndarray
            (site, covariate).

        Raises
        ------
        ValueError
            When a covariate is the same at all fitted sites.
        """
        columns = []
        for name in names:
            fitted = self.covariates[name]
            if not fitted.std() > 0:
                raise ValueError(f"covariate {name!r} is {fitted[0]:g} at all {fitted.size} sites, so nothing can be regressed on it")
            columns.append(((fitted if values is None else values[name]) - fitted.mean()) / fitted.std())
        return np.stack(columns, axis=1)

    def distances(self, near: tuple[str, ...], values: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        """Measure how far sites are from each other.

        Parameters
        ----------
        near : tuple of str
            ``("latitude", "longitude")`` or covariates.
        values : mapping of str to numpy.ndarray, optional
            Of other sites, which are appended.

        Returns
        -------
        numpy.ndarray
            (site, site), km or sd of covariates.
        """
        together = {n: np.concatenate([self.covariates[n], values[n]]) if values is not None else self.covariates[n] for n in near}
        if near == PLACE:
            return great_circle(together["latitude"], together["longitude"])
        x = self.standardised(near, together)
        return np.sqrt(((x[:, None] - x) ** 2).sum(axis=-1))

    def to_sites(self, block: Any, pooling: Pooling) -> Any:
        """Expand a block of values to one column for each site.

        Parameters
        ----------
        block : tensor
            (parameter,), (parameter, pft) or (parameter, site), as the pooling says.
        pooling : Pooling
            The choice.

        Returns
        -------
        tensor
            (parameter, site).
        """
        if block.ndim == 1:
            return block[:, None] * np.ones((1, len(self.sites)))
        return block if pooling.over == "site" else self.of_types(block)

    def member(self, row: Any, pooling: Pooling) -> Callable[[Pooling], Any]:
        """Return a function that gives a row in the shape of another pooling.

        Parameters
        ----------
        row : tensor
            0-d, (pft,) or (site,).
        pooling : Pooling
            Its pooling.

        Returns
        -------
        callable
            ``f(other)``: expanded to sites where `other` is by site and the row by type, else as it is.
        """
        by_type = self.several and pooling.over == "pft"
        return lambda other: row[self.pft_of_site] if by_type and other.over == "site" else row

    def dim(self, pooling: Pooling) -> str | None:
        """Name of the dimension of the stored values, None for a 0-d value."""
        return pooling.over if self.several and pooling.kind != "complete" else None


def types_of(sites: Sequence[xr.Dataset]) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """Take plant functional types from data: the coordinate ``pft``, or the cover in ``pft_fraction``.

    Parameters
    ----------
    sites : sequence of xarray.Dataset
        Data of one site each. ``pft_fraction`` has one dimension whose coordinate names the types; where it is missing, or in no data,
        the site is wholly of its ``pft``.

    Returns
    -------
    list of str, numpy.ndarray of int, numpy.ndarray or None
        Types, the largest of each site, and `Groups.fractions`, None where every site has one type.

    Raises
    ------
    ValueError
        When the cover of a site is negative or does not sum to one, or its types have no names.
    """
    covers = [_cover(data) for data in sites]
    pfts = sorted({t for cover in covers for t in cover})
    table = np.array([[cover.get(t, 0.0) for t in pfts] for cover in covers])
    return pfts, table.argmax(axis=1), table if (table.max(axis=1) < 1.0).any() else None


def _cover(data: xr.Dataset) -> dict[str, float]:
    label = str(data["pft"].item()) if "pft" in data.variables and data["pft"].ndim == 0 else "unknown"
    if "pft_fraction" not in data.variables or not np.isfinite(data["pft_fraction"]).any():
        return {label: 1.0}
    cover = data["pft_fraction"]
    where = str(data["site"].item()) if "site" in data.coords else "a site"
    if cover.ndim != 1 or cover.dims[0] not in cover.coords:
        raise ValueError(f"'pft_fraction' at {where} has the dimensions {cover.dims}; it has one, whose coordinate names the types")
    found = {str(t): float(v) for t, v in zip(cover[cover.dims[0]].values, cover.fillna(0.0).values, strict=True)}
    if min(found.values()) < 0 or not np.isclose(sum(found.values()), 1.0, atol=1e-3):
        said = ", ".join(f"{t} {v:g}" for t, v in found.items())
        raise ValueError(f"'pft_fraction' at {where} is {said}, sum {sum(found.values()):g}; fractions are not negative and sum to one")
    return {t: v / sum(found.values()) for t, v in found.items() if v > 0}


def covariates_of(data: xr.Dataset, names: Sequence[str]) -> dict[str, float]:
    """Take site covariates from the data of one site.

    Parameters
    ----------
    data : xarray.Dataset
        Of one site.
    names : sequence of str
        Variables or coordinates without other dimensions than ``time``.

    Returns
    -------
    dict of str to float
        Values; the mean over the record of those that have a time.

    Raises
    ------
    KeyError
        When the data have no such variable.
    ValueError
        When it has other dimensions, or nothing finite.
    """
    found = {}
    for name in names:
        if name not in data.variables:
            known = [str(n) for n, v in data.variables.items() if v.dtype.kind == "f" and set(v.dims) <= {"time"}]
            raise KeyError(unknown("site covariate", name, sorted(known)))
        variable = data[name]
        if not set(variable.dims) <= {"time"}:
            raise ValueError(f"covariate {name!r} has the dimensions {variable.dims}; a covariate has one value by site, or a time series")
        values = np.asarray(variable.values, dtype=float)
        if not np.isfinite(values).any():
            where = str(data["site"].item()) if "site" in data.coords else "a site"
            raise ValueError(f"covariate {name!r} is missing at {where}; leave the site or the covariate out, or fill it in the data")
        found[name] = float(np.nanmean(values))
    return found
