"""Chains of several runs side by side, from which a result is put together."""

import warnings
from dataclasses import dataclass, field

import arviz_stats
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .store import attribute

GROUPS = ("posterior", "sample_stats", "unconstrained")
COUNTS = ("gradient_evaluations", "tuning_evaluations", "failed_simulations")


@dataclass
class Pool:
    """Chains of equal length.

    Attributes
    ----------
    groups : dict of str to xarray.Dataset
        ``posterior``, ``sample_stats`` and ``unconstrained`` of all chains; empty before the first run.
    started : list of int
        Laplace mode in which each chain was started; -1 for one started at draws of other chains.
    cost : dict
        Sums over the runs.
    evidence_evaluations : int
        Gradient evaluations spent on evidence.
    interrupted : bool
        Whether the user interrupted.
    """

    groups: dict[str, xr.Dataset] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    cost: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*COUNTS, "runs"), 0))
    evidence_evaluations: int = 0
    interrupted: bool = False

    def add(self, tree: xr.DataTree, started: list[int] | None = None) -> bool:
        """Add the chains of a run; an interrupted run that would shorten all others is left out.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of :func:`lsm_bayes.inference.sample`.
        started : list of int, optional
            Laplace mode of each chain; as the tree says by default.

        Returns
        -------
        bool
            Whether the run was complete.
        """
        cost = attribute(tree, "cost")
        for name in COUNTS:
            self.cost[name] += int(cost.get(name, 0))
        self.cost["runs"] += 1
        self.interrupted |= bool(cost["interrupted"])
        if self.groups and cost["interrupted"]:
            return False
        new = {name: tree[name].to_dataset() for name in GROUPS}
        self.started += [int(k) for k in new["sample_stats"]["mode"].values[:, 0]] if started is None else started
        for name, group in new.items():
            parts = [self.groups[name], group] if self.groups.get(name) is not None else [group]
            together = xr.concat(parts, dim="chain", data_vars="minimal", coords="minimal", compat="override", join="override")
            self.groups[name] = together.assign_coords(chain=np.arange(together.sizes["chain"]))
        return not self.interrupted

    @property
    def positions(self) -> NDArray:
        """Unconstrained draws, shape (chain, draw, D)."""
        return self.groups["unconstrained"]["position"].values

    @property
    def log_posterior(self) -> NDArray:
        """Log-density of the draws, shape (chain, draw)."""
        return self.groups["sample_stats"]["lp"].values

    @property
    def number(self) -> int:
        """Number of chains."""
        return self.positions.shape[0]

    @property
    def length(self) -> int:
        """Draws per chain."""
        return self.positions.shape[1]

    def random_draw(self, rows: tuple[NDArray, NDArray], rng: np.random.Generator) -> NDArray:
        """One of the unconstrained draws at given chains and draws, shape (D,)."""
        return self.positions[rows][rng.integers(len(rows[0]))]

    def select(self, chain: NDArray, draw: NDArray, mode: NDArray | None) -> dict[str, xr.Dataset]:
        """Put the groups of a result together from given draws.

        Parameters
        ----------
        chain, draw : numpy.ndarray
            Where in the pool each draw of the result lies, shape (chain, draw).
        mode : numpy.ndarray or None
            Mode of each draw; as the runs recorded it when None.

        Returns
        -------
        dict of str to xarray.Dataset
            The three groups.
        """
        dims = ("chain", "draw")
        at = {"chain": xr.DataArray(chain, dims=dims), "draw": xr.DataArray(draw, dims=dims)}
        coords = {"chain": np.arange(chain.shape[0]), "draw": np.arange(chain.shape[1])}
        # Variables come out with (chain, draw) first, as they went in.
        groups = {name: group.isel(at).drop_vars(dims).assign_coords(coords) for name, group in self.groups.items()}
        if mode is not None:
            groups["sample_stats"] = groups["sample_stats"].assign(mode=(dims, mode))
        return groups

    def mean(self, rows: tuple[NDArray, NDArray]) -> xr.Dataset:
        """Mean of each variable of the posterior over draws at given chains and draws."""
        at = {name: xr.DataArray(index, dims="at") for name, index in zip(("chain", "draw"), rows, strict=True)}
        return self.groups["posterior"].isel(at).drop_vars(["chain", "draw"]).mean("at")

    def _scalars(self) -> dict[str, NDArray]:
        found: dict[str, NDArray] = {}
        for name, values in self.groups["posterior"].data_vars.items():
            others = [str(d) for d in values.dims if d not in ("chain", "draw")]
            if values.dtype.kind not in "fiub" or any(d.startswith(("time", "year")) for d in others):
                continue
            array = values.transpose("chain", "draw", *others).to_numpy().astype(float)
            labels = [[str(x) for x in values[d].to_numpy()] for d in others]
            for index in np.ndindex(*array.shape[2:]):
                where = ", ".join(labels[k][i] for k, i in enumerate(index))
                found[f"{name}[{where}]" if index else str(name)] = array[(slice(None), slice(None), *index)]
        return found

    @property
    def labels(self) -> list[str]:
        """Names of the scalars of the posterior, series left out: ``"ceff[FI-Hyy]"``."""
        return list(self._scalars())

    def convergence(self, chains: tuple[int, ...]) -> dict[str, NDArray]:
        """Rank-normalised R-hat, bulk and tail effective sample size (Vehtari et al. 2021) of each scalar over some chains.

        Parameters
        ----------
        chains : tuple of int
            Which chains.

        Returns
        -------
        dict of str to numpy.ndarray
            ``rhat``, ``ess_bulk``, ``ess_tail``, shape (scalar,); NaN where a scalar does not move, ``rhat`` also for a single chain.
        """
        if not chains:
            return {name: np.full(len(self.labels), np.nan) for name in ("rhat", "ess_bulk", "ess_tail")}
        data = np.stack([v[list(chains)] for v in self._scalars().values()])
        still = (np.ptp(data, axis=(1, 2)) == 0) | ~np.isfinite(data).all(axis=(1, 2))
        array = xr.DataArray(data, dims=("scalar", "chain", "draw"))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            found = {
                "rhat": arviz_stats.rhat(array, method="rank") if len(chains) > 1 else xr.full_like(array[:, 0, 0], np.nan),
                "ess_bulk": arviz_stats.ess(array, method="bulk"),
                "ess_tail": arviz_stats.ess(array, method="tail"),
            }
        return {name: np.where(still, np.nan, v.to_numpy()) for name, v in found.items()}
