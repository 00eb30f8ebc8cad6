"""Inference from simulations alone, without a likelihood: approximate Bayesian computation."""

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from lsm_bayes.inference.flat import IMPROPER, FlatSpace, Vector
from lsm_bayes.inference.tree import build_tree

from .smc import sample_smc

Values = Mapping[str, Any]
Simulator = Callable[[Values, np.random.Generator], NDArray]
"""Summaries of a simulation with its random errors, shape (S,), from the values of free variables and deterministics."""
METHODS = ("rejection", "smc")
SIMULATED = "simulated_summaries"


def sample_abc(
    prior: pm.Model,
    simulator: Simulator,
    observed: NDArray,
    *,
    scales: NDArray | None = None,
    method: str = "rejection",
    draws: int = 1000,
    accept: float = 0.01,
    tolerance: float = 0.1,
    chains: int = 2,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Draw from an approximate posterior by comparing simulated with observed summaries (Beaumont 2010).

    doi 10.1146/annurev-ecolsys-102209-144621. The posterior is wider than that of the summaries, by an amount that shrinks with what is
    accepted or tolerated; repeat with less until it no longer changes.

    Parameters
    ----------
    prior : pymc.Model
        Parameters and their proper priors, without observations.
    simulator : callable
        Takes parameter values and a generator, returns summaries of shape (S,).
    observed : numpy.ndarray
        Summaries of the observations, shape (S,).
    scales : numpy.ndarray, optional
        By which differences are divided, shape (S,); for rejection by default the spread (median absolute deviation) of the simulations
        from the prior, for SMC 1.
    method : {"rejection", "smc"}
        ``rejection`` keeps the nearest prior draws. ``smc`` lets ``pymc.sample_smc`` move particles, with the weight
        exp(-1/2 sum((difference / scale / tolerance)^2)), the kernel of `pymc.Simulator`.
    draws : int
        Draws that are kept, in each of the runs of SMC.
    accept : float
        Share of prior draws that rejection keeps.
    tolerance : float
        Sd of the kernel of SMC, in scaled differences.
    chains : int
        Runs of SMC. Rejection gives one chain.
    seed : int
        Seed.
    progress : bool
        Show progress.

    Returns
    -------
    xarray.DataTree
        See `build_tree`; ``sample_stats`` of rejection has ``distance``, the root mean square of the scaled differences.

    Raises
    ------
    ValueError
        For an unknown method, improper priors, models that observe something, or summaries of other shape.
    """
    observed = np.asarray(observed, dtype="float64")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(map(repr, METHODS))}")
    check_prior(prior, observed)
    if not 0 < accept <= 1 or not tolerance > 0:
        raise ValueError(f"got accept={accept}, tolerance={tolerance}; accept is a share, the tolerance positive")
    if scales is not None and np.shape(scales) != observed.shape:
        raise ValueError(f"scales have shape {np.shape(scales)}, the observed summaries {observed.shape}")
    if method == "smc":
        scales = np.ones(observed.size) if scales is None else np.asarray(scales, dtype="float64")
        model = _with_simulator(prior, simulator, observed, tolerance * scales)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Numba will use object mode")  # a simulator is Python
            tree = sample_smc(model, draws, chains, seed, progress=progress)
        tree.attrs["method"] = '"abc (smc)"'
        return tree
    space, began = FlatSpace(prior), time.perf_counter()
    positions, found = prior_simulations(space, simulator, int(np.ceil(draws / accept)), observed.size, seed, progress)
    good = np.isfinite(found).all(axis=1)
    if good.sum() < draws:
        raise ValueError(
            f"only {int(good.sum())} of {len(found)} simulations are finite, {draws} are to be kept; accept less, or check them"
        )
    if scales is None:
        scales = 1.4826 * np.median(np.abs(found[good] - np.median(found[good], axis=0)), axis=0)
    distance = np.full(len(found), np.inf)
    distance[good] = np.sqrt(np.mean(((found[good] - observed) / scales) ** 2, axis=1))
    nearest = np.sort(np.argsort(distance, kind="stable")[:draws])
    cost = {"forward_runs": len(found), "failed_simulations": int((~good).sum()), "seconds": time.perf_counter() - began}
    stats = {"distance": distance[None, nearest]}
    return build_tree(space, positions[None, nearest], stats, method="abc (rejection)", seed=seed, cost=cost)


def check_prior(prior: pm.Model, observed: NDArray) -> None:
    """Refuse what simulations cannot be drawn or compared for."""
    improper = [rv.name for rv in prior.free_RVs if rv.owner.op.name in IMPROPER]
    if improper:
        raise ValueError(f"the priors of {', '.join(improper)} are improper: simulations need draws of them; give them proper priors")
    if prior.observed_RVs or prior.potentials:
        names = [v.name for v in [*prior.observed_RVs, *prior.potentials]]
        raise ValueError(f"the model has {', '.join(names)}; give one of priors alone, for the observations enter by their summaries")
    if observed.ndim != 1 or not np.isfinite(observed).all():
        raise ValueError(f"observed summaries have shape {observed.shape}; give finite numbers of shape (S,)")


def prior_simulations(space: FlatSpace, simulator: Simulator, number: int, size: int, seed: int, progress: bool) -> tuple[NDArray, NDArray]:
    """Draw from the prior and simulate.

    Parameters
    ----------
    space : FlatSpace
        Of the prior.
    simulator : callable
        See `Simulator`.
    number, size : int
        How many simulations, and how many summaries of each.
    seed : int
        Seed.
    progress : bool
        Show progress.

    Returns
    -------
    tuple of numpy.ndarray
        Positions, shape (number, D), and summaries, shape (number, size); a simulation that failed is a row of NaN.

    Raises
    ------
    ValueError
        If the simulator returns another number of summaries.
    """
    rng = np.random.default_rng([seed, 4])
    positions = space.prior_positions(number, rng)
    values = space.expand(positions)
    found = np.full((number, size), np.nan)
    for k in track(range(number), description="simulations", disable=not progress):
        try:
            row = np.asarray(simulator({n: v[k] for n, v in values.items()}, rng), dtype="float64")
        except (ArithmeticError, np.linalg.LinAlgError):
            continue
        if row.shape != (size,):
            raise ValueError(f"the simulator returned summaries of shape {row.shape}, the observed ones have {(size,)}")
        found[k] = row
    return positions, found


def _axes(name: str, number: int) -> str:
    """Axes of a parameter in a signature, such as ``(x_0,x_1)``."""
    return f"({','.join(f'{name}_{k}' for k in range(number))})"


def _with_simulator(prior: pm.Model, simulator: Simulator, observed: Vector, widths: Vector) -> pm.Model:
    """Copy of a model of priors that observes simulated summaries."""
    model = prior.copy()
    names = [rv.name for rv in model.free_RVs] + [v.name for v in model.deterministics]

    def simulate(rng: np.random.Generator, *given: Any) -> NDArray:
        # The last argument is the shape of the observed summaries.
        values = dict(zip(names, given[:-1], strict=True))
        row = np.asarray(simulator(values, rng), dtype="float64") / widths
        return np.where(np.isfinite(row), row, 1e10)

    with model:
        pm.Simulator(
            SIMULATED,
            simulate,
            *[model[n] for n in names],
            epsilon=1.0,
            observed=observed / widths,
            signature=f"{','.join(_axes(n, model[n].ndim) for n in names)}->()",
        )
    return model
