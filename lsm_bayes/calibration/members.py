"""Members of a hierarchy that were not fitted, drawn from the posterior of those that were."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.hierarchy import covariance, label_of
from lsm_bayes.calibration.pooling import Pooling


class Members:
    """Standard normal coordinates of all parameters at new sites.

    Parameters
    ----------
    c, new : Calibration
        Of the fitted sites, and of the new ones.
    flat : xarray.Dataset
        Posterior draws, dimension ``sample`` first.
    names : sequence of str
        Parameters and initial pools, in the order of the rows.

    Raises
    ------
    ValueError
        When a parameter has values by type and no fitted site is of the type of a new one.
    """

    def __init__(self, c: Calibration, new: Calibration, flat: xr.Dataset, names: Sequence[str]) -> None:
        self._c, self._new, self._names = c, new, list(names)
        self._blocks: dict[Pooling, list[str]] = {}
        for name in names:
            self._blocks.setdefault(c.pooling[name], []).append(name)
        missing = sorted(set(new.groups.pfts) - set(c.groups.pfts))
        # Cover of the new sites by the fitted types, and then by those that are new.
        self._types = [*c.groups.pfts, *missing]
        order = [new.groups.pfts.index(t) if t in new.groups.pfts else None for t in self._types]
        self._cover = np.stack([np.zeros(len(new.groups.sites)) if k is None else new.groups.weights[:, k] for k in order], axis=1)
        typed = [n for n in names if c.pooling[n].within == "pft" or (c.pooling[n].over == "pft" and c.pooling[n].kind == "none")]
        if missing and typed:
            raise ValueError(
                f"{', '.join(typed)} have values by plant functional type, and no fitted site is {' or '.join(missing)}; fitted are "
                f"{', '.join(c.groups.pfts)}"
            )
        self._values = {str(n): v.values for n, v in flat.data_vars.items() if str(n).startswith("z_")}
        self._order = {p: [str(x) for x in flat[f"{self._axis(p)}"].values] for p in self._blocks if self._axis(p) in flat.coords}
        self._apart = {p: self._distances(p) for p in self._blocks if p.near}

    def _axis(self, choice: Pooling) -> str:
        return f"{label_of(choice)}_parameter"

    def _distances(self, choice: Pooling) -> np.ndarray:
        return self._c.groups.distances(choice.near, {n: self._new.groups.covariates[n] for n in choice.near})

    def draw(self, sample: int, rng: np.random.Generator) -> np.ndarray:
        """Draw all coordinates once.

        Parameters
        ----------
        sample : int
            Which posterior draw.
        rng : numpy.random.Generator
            Random numbers.

        Returns
        -------
        numpy.ndarray
            (parameter, new site).
        """
        sites = len(self._cover)
        found = np.empty((len(self._names), sites))
        for choice, members in self._blocks.items():
            if choice.kind == "none" and choice.over == "site":
                block, order = rng.standard_normal((len(members), sites)), members
            else:
                block, order = self._block(choice, sample, rng), self._order[choice]
            for name in members:
                found[self._names.index(name)] = block[order.index(name)]
        return found

    def _block(self, choice: Pooling, sample: int, rng: np.random.Generator) -> np.ndarray:
        stem = f"z_{label_of(choice)}"
        if choice.kind != "partial":
            values = self._values[stem][sample]
            return values @ self._cover.T if choice.over == "pft" else np.repeat(values[:, None], len(self._cover), axis=1)
        part = {k: self._values[f"{stem}_{k}"][sample] for k in ("mean", "spread")}
        mean, spread = part["mean"], part["spread"][:, None]
        if choice.over == "pft":
            return self._by_type(choice, stem, sample, rng)
        centre = mean @ self._cover.T if choice.within else mean[:, None]
        if choice.on:
            covariates = {n: self._new.groups.covariates[n] for n in choice.on}
            centre = centre + self._values[f"{stem}_slopes"][sample] @ self._c.groups.standardised(choice.on, covariates).T
        deviation = rng.standard_normal((spread.size, len(self._cover)))
        if choice.block:
            deviation = np.linalg.cholesky(self._values[f"{stem}_correlation"][sample]) @ deviation
        if choice.near:
            deviation = self._beside(choice, stem, sample, deviation)
        return np.asarray(centre + spread * deviation)

    def _by_type(self, choice: Pooling, stem: str, sample: int, rng: np.random.Generator) -> np.ndarray:
        """Values by type: those of the fitted types, and draws for others."""
        fitted = self._c.groups.pfts
        mean, spread = (self._values[f"{stem}_{k}"][sample] for k in ("mean", "spread"))
        deviation = self._values[f"{stem}_deviation"][sample]
        if not choice.centred and not choice.block:
            level, n = self._values[f"{stem}_level"][sample], len(fitted)
            size = np.sqrt(1.0 + spread**2 / n)
            known = (level * size)[:, None] + spread[:, None] * (deviation - deviation.mean(axis=1, keepdims=True))
        else:
            known = self._values[f"{stem}_member"][sample] if choice.centred else np.empty((spread.size, len(fitted)))
            if choice.block:
                known = mean[:, None] + spread[:, None] * (np.linalg.cholesky(self._values[f"{stem}_correlation"][sample]) @ deviation)
        fresh = mean[:, None] + spread[:, None] * rng.standard_normal((spread.size, len(self._types) - len(fitted)))
        return np.asarray(np.concatenate([known, fresh], axis=1) @ self._cover.T)

    def _beside(self, choice: Pooling, stem: str, sample: int, fresh: np.ndarray) -> np.ndarray:
        """Deviations given those of the fitted sites (Rasmussen & Williams 2006, eqs. 2.23-2.24)."""
        fitted = len(self._c.groups.sites)
        white, length, smooth = (self._values[f"{stem}_{k}"][sample] for k in ("deviation", "length", "smooth"))
        rows = []
        for k in range(fresh.shape[0]):
            factor = np.linalg.cholesky(covariance(self._apart[choice], length[k], smooth[k], np.exp))
            # The factor of all sites, fitted ones first: its lower rows are regression on them and what that leaves.
            rows.append(factor[fitted:, :fitted] @ white[k] + factor[fitted:, fitted:] @ fresh[k])
        return np.stack(rows)
