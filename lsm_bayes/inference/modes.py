"""Modes of the posterior: L-BFGS from many starts, grouped into distinct modes with weights.

The search is on the unconstrained space and includes the Jacobian of the transforms (see :mod:`lsm_bayes.inference.point`), so
a mode here is where samplers spend their time in these coordinates, not the classical MAP of the constrained parameters.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import minimize

from .flat import FlatSpace, Vector
from .laplace import Laplace, factor, hessian, laplace_at
from .point import Density, Differentiable, as_density
from .store import write_dataset
from .tree import data_hash, model_dataset

SAME_LOG_POSTERIOR = 0.5
"""Most nats by which two end points of one mode may differ."""
SAME_DISTANCE = 0.5
"""Greatest root-mean-square distance, in Laplace standard deviations per dimension, of two end points of one mode."""
BARRIER = 0.5
"""Dip of the log-posterior on the straight line between two end points (nats) above which they are different modes."""
DECREMENT = 0.01
"""Newton decrement (posterior standard deviations) at which a climb has converged."""
MOST_REDRAWS = 20
"""Tries to replace a start that has no finite log-posterior."""
GAIN = 1e-3
"""Gain of a whitened burst (nats) below which a climb has converged."""


@dataclass(frozen=True)
class Modes:
    """Distinct modes, best log-posterior first.

    Attributes
    ----------
    table : xarray.Dataset
        Dim ``mode``: ``log_posterior`` (nats, with Jacobian), ``fraction_of_starts``, ``log_evidence`` (Laplace, nats),
        ``weight``, ``condition_number``, ``repaired``, ``newton_decrement``, ``position`` (mode, unconstrained) and the value
        of each parameter and deterministic.
    starts : xarray.Dataset
        Dim ``start``: first and last ``position``, ``log_posterior``, ``mode`` (-1: failed), ``converged``, ``evaluations``.
    laplace : list of Laplace
        One approximation per mode.
    cost : dict
        ``gradient_evaluations``, ``seconds``, ``failed_simulations``.
    interrupted : bool
        True when not every start was finished.
    """

    table: xr.Dataset
    starts: xr.Dataset
    laplace: list[Laplace]
    cost: dict = field(default_factory=dict)
    interrupted: bool = False

    @property
    def positions(self) -> NDArray:
        """Unconstrained positions, shape (mode, D)."""
        return self.table["position"].values

    @property
    def weights(self) -> NDArray:
        """Weights from the Laplace evidence, sum 1."""
        return self.table["weight"].values


def start_positions(
    density: Density,
    number: int,
    rng: np.random.Generator,
    given: NDArray | Sequence[Mapping[str, object]] | None = None,
    spread: Mapping[str, float] | None = None,
) -> NDArray:
    """Choose the starting points of a search: prior draws, dispersed further where asked, and redrawn where nothing is finite.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    number : int
        How many in all.
    rng : numpy.random.Generator
        Source of randomness.
    given : array of shape (n, D), or sequence of mappings from parameter name to constrained value, optional
        Points to use first, as they are.
    spread : mapping of str to float, optional
        Standard deviation of normal noise added to a parameter's unconstrained value, by parameter. For a rate on a log scale,
        1.5 multiplies it by a factor between 0.2 and 4.5 in two of three starts. Half of the prior draws are dispersed.

    Returns
    -------
    numpy.ndarray
        Shape (number, D).

    Raises
    ------
    KeyError
        If ``spread`` names something that is not a free parameter.
    ValueError
        If a given point has another length.
    """
    unknown = set(spread or ()) - set(density.slices)
    if unknown:
        raise KeyError(f"spread names {sorted(unknown)}; the free parameters are {list(density.slices)}.")
    positions = density.prior_positions(number, rng)
    for name, sd in (spread or {}).items():
        where = density.slices[name]
        positions[1::2, where] += sd * rng.standard_normal(positions[1::2, where].shape)
    positions = _made_finite(density, positions, rng)
    if given is not None:
        rows = [np.asarray(p, dtype="float64") if not isinstance(p, Mapping) else density.flatten(p) for p in given]
        if any(row.shape != (density.dimension,) for row in rows):
            raise ValueError(f"Start points must have {density.dimension} unconstrained values each, got {[row.shape for row in rows]}.")
        positions = np.concatenate([rows, positions])[: max(number, len(rows))]
    return positions


def _made_finite(density: Density, positions: NDArray, rng: np.random.Generator) -> NDArray:
    """Replace positions without a log-posterior: by other prior draws, then by points ever nearer to their median.

    A model of many sites has no finite simulation as soon as one of its sites has none, so most of its prior draws are of no use.

    Returns
    -------
    numpy.ndarray
        Positions, shape (number, D).
    """
    bad = [k for k, row in enumerate(positions) if not np.isfinite(density(row)[0])]
    for _ in range(MOST_REDRAWS):
        if not bad:
            return positions
        positions[bad] = density.prior_positions(len(bad), rng)
        bad = [k for k in bad if not np.isfinite(density(positions[k])[0])]
    centre = np.median(positions, axis=0)
    for _ in range(MOST_REDRAWS):
        positions[bad] = centre + 0.8 * (positions[bad] - centre)
        bad = [k for k in bad if not np.isfinite(density(positions[k])[0])]
    return positions


def climb(density: Differentiable, start: Vector, scale: Vector, max_evaluations: int) -> tuple[Vector, float, bool]:
    """Climb to a mode by L-BFGS-B with exact gradients, in bursts between which the coordinates are whitened with the curvature.

    Whitening costs 2 D gradients and pays: at a condition number of 1e6 L-BFGS alone needs thousands.

    Parameters
    ----------
    density : Differentiable
        Such as a `Density`.
    start : numpy.ndarray
        First position, shape (D,).
    scale : numpy.ndarray
        Typical size of each coordinate, for the first burst, shape (D,).
    max_evaluations : int
        Most gradient evaluations to spend.

    Returns
    -------
    tuple of numpy.ndarray, float and bool
        Last position, log-posterior there (-inf when the start has none), and whether it converged: within 0.01 posterior standard
        deviations of the mode of the local normal approximation, or no gain in a whitened burst.
    """
    value, gradient = density(start)
    if not np.isfinite(value):
        return start, -np.inf, False
    position, transform, converged, whitened = start, np.diag(scale), False, False
    last = density.evaluations + max_evaluations
    while density.evaluations < last and not converged:
        position, gained = _burst(density, position, value, transform, min(50 + 10 * density.dimension, last - density.evaluations))
        value, gradient = density(position)
        converged = whitened and gained < GAIN
        if not converged and density.evaluations + 2 * density.dimension <= last:
            transform, _, _, repaired = factor(hessian(density, position))
            converged = repaired == 0 and float(np.linalg.norm(transform.T @ gradient)) < DECREMENT
            whitened = True
    return position, value, converged


def _burst(density: Differentiable, origin: Vector, value: float, transform: NDArray, evaluations: int) -> tuple[Vector, float]:
    """L-BFGS-B in coordinates ``origin + transform z``: the best position and how much it gained."""

    def objective(z: Vector) -> tuple[float, Vector]:
        logp, gradient = density(origin + transform @ z)
        # A large finite number: L-BFGS-B's line search backs off from it, but stops for good at inf or NaN.
        return (-logp, -transform.T @ gradient) if np.isfinite(logp) else (1e10 + abs(value), np.zeros(z.size))

    options = {"maxfun": evaluations, "maxiter": evaluations, "maxcor": 30, "ftol": 1e-11, "gtol": 1e-5}
    result = minimize(objective, np.zeros(origin.size), jac=True, method="L-BFGS-B", options=options)
    gained = -float(result.fun) - value
    return (origin + transform @ result.x, gained) if gained > 0 else (origin, 0.0)


def find_modes(
    model: pm.Model | Density,
    starts: int = 24,
    seed: int = 0,
    start_points: NDArray | Sequence[Mapping[str, object]] | None = None,
    spread: Mapping[str, float] | None = None,
    max_evaluations: int | None = None,
    store: str | Path | None = None,
    progress: bool = False,
) -> Modes:
    """Find the distinct modes of the posterior from many starts.

    Each finished start is kept in ``store``; called again with the same arguments, a search goes on where it stopped. Ctrl-C
    ends the search and the starts done so far are grouped.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    starts : int
        Number of starts.
    seed : int
        Seed of the starts.
    start_points, spread
        See :func:`start_positions`.
    max_evaluations : int, optional
        Most gradient evaluations per start; 30 for each parameter, and at least 2000, by default. With 500 parameters 9,500 were needed.
    store : path, optional
        Folder for finished starts.
    progress : bool
        Show a progress bar with time left.

    Returns
    -------
    Modes
        Modes, starts and Laplace approximations. The weights assume that each mode is near Gaussian and that no mode was missed.

    Raises
    ------
    RuntimeError
        If the log-posterior is not finite at any start.
    KeyboardInterrupt
        If interrupted before the first start was finished.
    """
    density, began = as_density(model), time.perf_counter()
    before, failures = density.evaluations, density.failures
    rng = np.random.default_rng(seed)
    first = start_positions(density, starts, rng, start_points, spread)
    scale = _typical_scale(first)
    most = max(2000, 30 * density.dimension) if max_evaluations is None else max_evaluations
    folder = _start_folder(density, store, first)
    done: list[xr.Dataset] = []
    interrupted = False
    try:
        for index, start in enumerate(track(first, description="modes", disable=not progress)):
            done.append(_one_start(density, start, scale, most, folder / f"start-{index:03d}.nc" if folder else None))
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    found = xr.concat(done, dim="start")
    if not np.any(np.isfinite(found["log_posterior"])):
        raise RuntimeError(
            f"The log-posterior is not finite at any of {len(done)} starts. Check the prior predictive (sample_prior) and model.debug(), "
            "or give start_points."
        )
    ends, values = found["position"].values, found["log_posterior"].values
    laplace, membership = group_ends(lambda x: density(x)[0], lambda x: laplace_at(density, x), ends, values)
    found["mode"] = ("start", membership)
    table = mode_table(density, laplace, membership, np.array([m.mode for m in laplace]))
    cost = {
        "gradient_evaluations": density.evaluations - before,
        "seconds": time.perf_counter() - began,
        "failed_simulations": density.failures - failures,
    }
    return Modes(table, found, laplace, cost, interrupted)


def _typical_scale(positions: NDArray) -> Vector:
    sd = 1.4826 * np.median(np.abs(positions - np.median(positions, axis=0)), axis=0) if len(positions) > 3 else np.ones(positions.shape[1])
    return np.clip(np.where(sd > 0, sd, 1.0), 1e-3, 1e3)


def _start_folder(density: Density, store: str | Path | None, first: NDArray) -> Path | None:
    if store is None:
        return None
    key = hashlib.sha256(data_hash(density.model).encode() + np.round(first, 9).tobytes()).hexdigest()[:16]
    folder = Path(store) / f"starts-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _one_start(density: Density, start: Vector, scale: Vector, max_evaluations: int, path: Path | None) -> xr.Dataset:
    if path is not None and path.exists():
        with xr.open_dataset(path, engine="netcdf4") as stored:
            found = stored.load()
        # A start of a model with another likelihood has the same name.
        if not np.isfinite(found["log_posterior"]) or density.agrees(found["position"].values, float(found["log_posterior"])):
            return found
    before, began = density.evaluations, time.perf_counter()
    position, value, converged = climb(density, start, scale, max_evaluations)
    result = xr.Dataset(
        {
            "start_position": ("unconstrained", start),
            "position": ("unconstrained", position),
            "log_posterior": value,
            "converged": converged,
            "evaluations": density.evaluations - before,
            "seconds": time.perf_counter() - began,
        }
    )
    if path is not None:
        write_dataset(result, path)
    return result


def group_ends(
    value: Callable[[Vector], float], fit: Callable[[Vector], Laplace], ends: NDArray, values: NDArray
) -> tuple[list[Laplace], NDArray[np.int64]]:
    """Group the end points of several climbs into distinct modes.

    Parameters
    ----------
    value : function
        Log-density at a position.
    fit : function
        Laplace approximation at a position.
    ends : numpy.ndarray
        End points, shape (start, D).
    values : numpy.ndarray
        Log-density there, shape (start,); starts without a finite one failed.

    Returns
    -------
    tuple of list of Laplace and numpy.ndarray
        One approximation for each mode, best first, and the mode of each start (-1: failed).
    """
    laplace: list[Laplace] = []
    membership = np.full(len(ends), -1)
    for index in np.argsort(-values):
        if not np.isfinite(values[index]):
            continue
        for k, known in enumerate(laplace):
            if _same_mode(value, known, ends[index], values[index]):
                membership[index] = k
                break
        else:
            candidate = fit(ends[index])
            # Newton steps may carry an unfinished climb into a mode that is already known.
            twin = next((k for k, m in enumerate(laplace) if _same_mode(value, m, candidate.mode, candidate.log_posterior)), None)
            membership[index] = len(laplace) if twin is None else twin
            if twin is None:
                laplace.append(candidate)
    order = np.argsort([-m.log_posterior for m in laplace])
    rank = np.argsort(order)
    return [laplace[k] for k in order], np.where(membership >= 0, rank[membership], -1)


def _same_mode(density: Callable[[Vector], float], known: Laplace, position: Vector, value: float) -> bool:
    distance = float(np.sqrt(np.mean(known.standardise(position) ** 2)))
    if distance < SAME_DISTANCE and abs(known.log_posterior - value) < SAME_LOG_POSTERIOR:
        return True
    between = [density(known.mode + f * (position - known.mode)) for f in np.linspace(0.1, 0.9, 9)]
    return min(between) > min(value, known.log_posterior) - BARRIER


def mode_table(space: FlatSpace, laplace: Sequence[Laplace], membership: NDArray, positions: NDArray) -> xr.Dataset:
    """Tabulate modes, with the weights that their Laplace evidence gives them.

    Parameters
    ----------
    space : FlatSpace
        Of the model.
    laplace : sequence of Laplace
        One approximation for each mode.
    membership : numpy.ndarray of int
        Mode of each start.
    positions : numpy.ndarray
        Flat unconstrained vectors of the modes, shape (mode, space.dimension).

    Returns
    -------
    xarray.Dataset
        See `Modes`.
    """
    evidence = np.array([m.log_evidence for m in laplace])
    weight = np.exp(evidence - np.logaddexp.reduce(evidence))
    per_mode = {
        "log_posterior": [m.log_posterior for m in laplace],
        "fraction_of_starts": [float(np.mean(membership == k)) for k in range(len(laplace))],
        "log_evidence": evidence,
        "weight": weight,
        "condition_number": [m.condition_number for m in laplace],
        "repaired": [m.repaired for m in laplace],
        "newton_decrement": [m.newton_decrement for m in laplace],
    }
    table = model_dataset(space.model, space.expand(positions), ["mode"]).assign({k: ("mode", np.asarray(v)) for k, v in per_mode.items()})
    table["position"] = (("mode", "unconstrained"), positions)
    return table.assign_coords(mode=np.arange(len(laplace)), unconstrained=np.array(space.labels))
