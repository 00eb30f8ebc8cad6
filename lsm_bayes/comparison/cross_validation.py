"""Expected log predictive density of what is left out: by importance sampling where that is sound, by exact refits where it is not."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from lsm_bayes.comparison.folds import Blocks, Folds, Memory, Unit
from lsm_bayes.comparison.observed import check_separable, memory_of, observation_hash, observation_table
from lsm_bayes.comparison.pointwise import ObservationDensity, efficiency, good_k, importance, log_mean, positions_of
from lsm_bayes.comparison.refit import Settings, converged, file_of, refit
from lsm_bayes.inference import Density
from lsm_bayes.inference.bridge import bridge

GROUP = "cross_validation"
REFITS = ("where needed", "always", "never")


@dataclass(frozen=True)
class _Draws:
    """Draws of the posterior of some observations."""

    positions: NDArray
    log_density: NDArray  # (chain, draw, observation)
    fitted: NDArray  # of bool, (observation,)

    def sum(self, chosen: NDArray) -> NDArray:
        """Joint log density of some observations, (chain, draw)."""
        return self.log_density[..., chosen].sum(axis=-1)

    def towards(self, fitted: NDArray) -> tuple[NDArray, float]:
        """Log weights that make these draws ones of the posterior of other observations, and Pareto k."""
        return importance(self.sum(fitted & ~self.fitted) - self.sum(self.fitted & ~fitted))


def cross_validate(
    model: pm.Model | Density,
    tree: xr.DataTree,
    folds: Folds | None = None,
    *,
    refits: Literal["where needed", "always", "never"] = "where needed",
    draws: int = 4000,
    settings: Settings | None = None,
    store: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    observations: pd.DataFrame | None = None,
    memory: Memory | None = None,
) -> xr.Dataset:
    """Score a model by what it says of observations that it was not fitted to, unit by unit.

    The score of a unit is the log of its joint predictive density (nats), given all that was fitted without it. Pareto-smoothed importance
    sampling (Vehtari, Gelman & Gabry 2017, doi 10.1007/s11222-016-9696-4, with units in place of observations) reweights the draws of the
    full posterior; a Pareto k above the limit says that they do not reach the posterior without the unit, and the model is fitted again
    without it. The score of a refit is the ratio of two normalising constants, by the optimal bridge (Meng & Wong 1996) between draws
    without the unit and draws with it: the plain mean of the densities over the draws without it has a hopeless error where the unit says
    much, such as a whole site.

    `lsm_bayes.comparison.pointwise` says what leaving a unit out of a series with memory means, and what not.

    Parameters
    ----------
    model : pymc.Model or Density
        What `tree` was sampled from.
    tree : xarray.DataTree
        Result; group ``cross_validation`` is added to it.
    folds : Folds, optional
        What is left out: `Blocks` (the default, of a year), `Sites`, `Streams` or `Future`.
    refits : {"where needed", "always", "never"}
        Which units are fitted again.
    draws : int
        Draws of the result that are used, thinned evenly.
    settings : Settings, optional
        How refits are sampled.
    store : path, optional
        Folder with a file for each refit.
    resume : bool
        Read the refits that are in `store`; those of another model, data or settings are made anew.
    progress : bool
        Show progress with time left.
    observations : pandas.DataFrame, optional
        For a model that `build_model` did not make: a row for each observation with ``stream`` (the observed variable), ``site``,
        ``time``, ``value``.
    memory : mapping of str to float or None, optional
        For such a model: how long errors last, see `lsm_bayes.comparison.folds.Memory`; independent by default.

    Returns
    -------
    xarray.Dataset
        Dim ``unit``: ``elpd`` and its Monte Carlo error ``elpd_error`` (nats), ``lpd`` (the same with the unit in the fit; the sum of
        ``lpd - elpd`` is the effective number of parameters), ``pareto_k``, ``exact`` (from a refit), ``converged`` (of the refit, True
        without one), ``rhat``, ``ess``, ``observations`` (scored), ``start``, ``end``. Attributes say what the unit is, the limit of
        Pareto k, and the hash of the observations.

    Raises
    ------
    ValueError
        For an unknown choice, units that cannot be left out, and draws of another model.
    TypeError
        For a model without `observations` that `build_model` did not make.
    FileExistsError
        If `store` has refits and `resume` is False.
    """
    began = time.perf_counter()
    model = model.model if isinstance(model, Density) else model
    folder = _check(refits, store, resume)
    folds, settings = folds or Blocks(), settings or Settings()
    table = observation_table(model) if observations is None else observations.reset_index(drop=True)
    memory = memory or (memory_of(model) if observations is None else {})
    units = folds.units(table, memory)
    if observations is None:
        check_separable(model, table, units)
    density = ObservationDensity(model, table)
    positions = positions_of(tree, draws)
    full = _Draws(positions, density(positions), np.ones(len(table), dtype=bool))
    limit = good_k(full.positions[..., 0].size)
    even = np.full(full.positions[..., 0].size, -np.log(full.positions[..., 0].size))
    known, rows = [full], []
    for unit in track(units, description="cross-validation", disable=not progress):
        bases = known if folds.sequential else [full]
        weights, k, base = _best(bases, unit)
        row = _described(table, unit) | {"pareto_k": k, "exact": False, "converged": True, "rhat": np.nan, "ess": np.nan}
        row["lpd"] = log_mean(even, full.sum(unit.scored))[0]
        if refits == "always" or (refits == "where needed" and not k <= limit):
            found = refit(model, table, unit, _resampled(base.positions, weights), settings, file_of(folder, unit) if folder else None)
            again = _Draws(found["position"].values, density(found["position"].values), ~unit.withheld)
            row |= {"exact": True, "converged": converged(found), "rhat": found.attrs["rhat"], "ess": found.attrs["ess"]}
            row["elpd"], row["elpd_error"] = _exact(again, full, unit, limit)
            known = [full, again]
        else:
            row["elpd"], row["elpd_error"] = log_mean(weights, base.sum(unit.scored))
        rows.append(row)
    names = [r.pop("unit") for r in rows]
    result = xr.Dataset({n: ("unit", np.array([r[n] for r in rows])) for n in rows[0]}, coords={"unit": names})
    result.attrs = {
        "unit": folds.describe(),
        "folds": repr(folds),
        "good_k": limit,
        "observations_hash": observation_hash(table),
        "refits": refits,
        "settings": json.dumps(vars(settings)),
        "draws": int(full.positions[..., 0].size),
        "seconds": time.perf_counter() - began,
    }
    tree[GROUP] = xr.DataTree(result)
    return result


def _check(refits: str, store: str | Path | None, resume: bool) -> Path | None:
    if refits not in REFITS:
        raise ValueError(f"refits is {refits!r}; choose one of {', '.join(map(repr, REFITS))}")
    if store is None:
        if resume:
            raise ValueError("resume=True needs store=folder of the refits to go on with")
        return None
    folder = Path(store)
    if not resume and folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds refits: go on with resume=True, or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _best(bases: list[_Draws], unit: Unit) -> tuple[NDArray, float, _Draws]:
    """Weights, Pareto k and draws of the posterior that is nearest to the one without the unit."""
    found = [(*d.towards(~unit.withheld), d) for d in bases]
    return min(found, key=lambda f: f[1])


def _resampled(positions: NDArray, log_weights: NDArray) -> NDArray:
    """Positions (draw, D), the heavier the more often."""
    flat = positions.reshape(-1, positions.shape[-1])
    return flat[_places(log_weights)]


def _places(log_weights: NDArray) -> NDArray:
    """Systematic resampling, in the order of the draws so that their autocorrelation remains visible."""
    steps = (np.arange(log_weights.size) + 0.5) / log_weights.size
    total = np.cumsum(np.exp(log_weights - np.logaddexp.reduce(log_weights)))
    return np.minimum(np.searchsorted(total, steps), log_weights.size - 1)


def _exact(again: _Draws, full: _Draws, unit: Unit, limit: float) -> tuple[float, float]:
    """Log predictive density of a unit from draws without it, with the help of draws with it where these can be had, and its error."""
    scored = again.sum(unit.scored)
    plain = log_mean(np.full(scored.size, -np.log(scored.size)), scored)
    weights, k = full.towards(~unit.withheld | unit.scored)
    if not k <= limit:
        return plain
    step = max(1, round(1 / efficiency(scored)))
    value, variance = bridge(full.sum(unit.scored).ravel()[_places(weights)][None], scored.ravel()[::step])
    return (value, float(np.sqrt(variance))) if np.isfinite(variance) else plain


def _described(table: pd.DataFrame, unit: Unit) -> dict[str, Any]:
    chosen = table[unit.scored]
    return {
        "unit": unit.name,
        "observations": int(unit.scored.sum()),
        "start": chosen["time"].min().to_datetime64(),
        "end": chosen["time"].max().to_datetime64(),
    }
