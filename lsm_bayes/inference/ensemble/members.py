"""The members of an inverse problem: where they start, their runs with storage and progress, and the result they leave."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import Progress

from ..flat import Vector
from ..inverse import InverseProblem, as_problem
from ..store import write_dataset
from ..tree import build_tree, data_hash


def matched(draws: NDArray, mean: Vector, covariance: NDArray) -> NDArray:
    """Shift and stretch draws so that their sample mean and covariance are those given.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (N, d), N > d.
    mean, covariance : numpy.ndarray
        Shapes (d,) and (d, d).

    Returns
    -------
    numpy.ndarray
        Shape (N, d).
    """
    centred = draws - draws.mean(axis=0)
    own = np.linalg.cholesky(np.atleast_2d(np.cov(centred, rowvar=False)))
    return np.asarray(mean + np.linalg.solve(own, centred.T).T @ np.linalg.cholesky(covariance).T)


class Members:
    """Runs of an ensemble method on one problem: counted, stored and kept for the result.

    Use as a context, which closes the progress bar.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.
    method : str
        Name in the result and in the store.
    settings : mapping
        What the user chose; goes to the attributes of the result.
    seed : int
        Seed of everything random.
    store : path, optional
        Folder for finished generations; the method is repeated from its seed, and runs that are stored are not run again.
    progress : bool
        Show a bar.

    Attributes
    ----------
    problem : InverseProblem
        The problem.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(
        self,
        model: "pm.Model | InverseProblem",
        method: str,
        settings: Mapping[str, Any],
        seed: int,
        store: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.problem = as_problem(model)
        self.rng = np.random.default_rng(seed)
        self._method, self._settings, self._seed = method, dict(settings), seed
        self._before = self.problem.cost()
        self._steps: list[dict[str, Any]] = []
        self._folder = self._make_folder(store)
        self._bar = Progress(disable=not progress)
        self._task = self._bar.add_task(method, total=1.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def _make_folder(self, store: str | Path | None) -> Path | None:
        if store is None:
            return None
        key = hashlib.sha256(f"{self._method} {self._seed} {data_hash(self.problem.model)}".encode()).hexdigest()[:16]
        folder = Path(store) / f"members-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def advance(self, share: float) -> None:
        """Say which share of the work is done, 0 to 1."""
        self._bar.update(self._task, completed=share)

    def from_prior(self, number: int, exact_moments: bool) -> NDArray:
        """Draw the first generation.

        Parameters
        ----------
        number : int
            How many members.
        exact_moments : bool
            Give them the mean and covariance of the prior exactly, where they are more than the elements.

        Returns
        -------
        numpy.ndarray
            Shape (number, d).
        """
        mean, covariance = self.problem.prior
        draws = self.problem.prior_draws(number, self.rng)
        return matched(draws, mean, covariance) if exact_moments and number > self.problem.size + 1 else draws

    def run(self, x: NDArray, **figures: float) -> NDArray:
        """Run members, or read their runs from the store, and keep positions and misfits for the result.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (N, d).
        **figures : float
            What else to keep of this generation.

        Returns
        -------
        numpy.ndarray
            Whitened predictions, shape (N, M); NaN rows for failed members.
        """
        predicted = self._stored(x)
        misfit = 0.5 * np.sum((predicted - self.problem.observed) ** 2, axis=1)
        self._steps.append({"position": x.copy(), "misfit": misfit, **figures})
        return predicted

    def keep(self, **figures: float) -> None:
        """Add figures to the last generation."""
        self._steps[-1].update(figures)

    def _stored(self, x: NDArray) -> NDArray:
        if self._folder is None:
            return self.problem.predict(x)
        path = self._folder / f"generation-{len(self._steps):04d}.nc"
        if path.exists():
            with xr.open_dataset(path, engine="netcdf4") as stored:
                found = stored.load()
            # A changed prior or setting leads elsewhere, and a changed process model gives other predictions: one member is run to see.
            if found["position"].shape == x.shape and np.allclose(found["position"].values, x, rtol=1e-9, atol=1e-12):
                values = found["predicted"].values
                if values.shape[1] == self.problem.observed.size and np.allclose(
                    values[0], self.problem.predict(x[:1])[0], rtol=1e-7, atol=1e-7, equal_nan=True
                ):
                    return np.asarray(values)
        predicted = self.problem.predict(x)
        write_dataset(xr.Dataset({"position": (("member", "element"), x), "predicted": (("member", "observation"), predicted)}), path)
        return predicted

    @property
    def misfits(self) -> Vector:
        """Half the sum of squared whitened residuals of the last generation, shape (N,); NaN where a member failed."""
        return np.asarray(self._steps[-1]["misfit"])

    def result(self, x: NDArray, stats: Mapping[str, NDArray] | None = None, **attrs: Any) -> xr.DataTree:
        """Build the result.

        Parameters
        ----------
        x : numpy.ndarray
            Draws of active elements, shape (N, d).
        stats : mapping of str to numpy.ndarray, optional
            Statistics by draw, shape (N,).
        **attrs
            Further entries of the attribute ``ensemble``.

        Returns
        -------
        xarray.DataTree
            See `lsm_bayes.inference.tree.build_tree`; group ``generations`` has positions and misfits of all that was run, and the
            root attribute ``ensemble`` the settings, failures and what is approximate.
        """
        cost = {k: v - self._before[k] for k, v in self.problem.cost().items()}
        found = {k: np.asarray(v)[None] for k, v in (stats or {"weight": np.full(len(x), 1.0 / len(x))}).items()}
        tree = build_tree(self.problem, self.problem.positions(x)[None], found, method=self._method, seed=self._seed, cost=cost)
        if self._steps:
            tree["generations"] = xr.DataTree(self._generations())
        settings = {**self._settings, **attrs, "notes": self.problem.notes}
        tree.attrs["ensemble"] = json.dumps(settings, default=float)
        return tree

    def _generations(self) -> xr.Dataset:
        most = max(len(s["position"]) for s in self._steps)
        position = np.full((len(self._steps), most, self.problem.size), np.nan)
        misfit = np.full((len(self._steps), most), np.nan)
        for k, step in enumerate(self._steps):
            position[k, : len(step["position"])], misfit[k, : len(step["misfit"])] = step["position"], step["misfit"]
        names = sorted({n for s in self._steps for n in s} - {"position", "misfit"})
        failed = [int(np.isnan(s["misfit"]).sum()) for s in self._steps]
        return xr.Dataset(
            {
                "position": (("generation", "member", "element"), position),
                "misfit": (("generation", "member"), misfit, {"long_name": "half the sum of squared whitened residuals"}),
                "failed": ("generation", failed, {"long_name": "members without finite predictions"}),
                **{n: ("generation", [float(s.get(n, np.nan)) for s in self._steps]) for n in names},
            },
            coords={"element": self.problem.names},
        )
