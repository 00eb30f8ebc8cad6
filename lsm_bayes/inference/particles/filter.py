"""Bootstrap particle filter: the likelihood of a series under a state-space model with process error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Values = Mapping[str, Any]
"""Parameter values, constrained, by name."""


class StateSpace(Protocol):
    """A state that moves with process error and is observed with error.

    States are arrays (particle, ...). Random numbers come from the generator that is passed in.
    """

    @property
    def times(self) -> int:
        """Number of times."""

    def begin(self, values: Values, particles: int, rng: np.random.Generator) -> NDArray:
        """Draw states before the first time, shape (particle, ...)."""

    def advance(self, states: NDArray, time: int, values: Values, rng: np.random.Generator) -> NDArray:
        """Move states to a time, counted from 0, with process error."""

    def log_likelihood(self, states: NDArray, time: int, values: Values) -> NDArray:
        """Log density of the observations of a time given states there, shape (particle,); zeros where nothing is observed."""


@dataclass(frozen=True)
class Filtered:
    """What a filter found.

    Attributes
    ----------
    log_likelihood : float
        Log of an unbiased estimate of the likelihood, nats; -inf when all particles failed.
    table : xarray.Dataset
        By ``time``: ``log_likelihood`` of the observations given those before, ``ess`` (effective number of particles after weighting),
        ``resampled``, and, over further dims, ``mean`` and ``sd`` of the state given the observations so far.
    failures : int
        Particles without a finite state or log density, over all times; they get no weight.
    """

    log_likelihood: float
    table: xr.Dataset
    failures: int


def systematic(weights: NDArray, rng: np.random.Generator) -> NDArray:
    """Resample with one random number (Kitagawa 1996, doi 10.1080/10618600.1996.10474692).

    Parameters
    ----------
    weights : numpy.ndarray
        Sum 1, shape (particle,).
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray of int
        Indices, shape (particle,): k appears weights[k] times the number of particles, rounded up or down.
    """
    n = len(weights)
    cumulated = np.cumsum(weights)
    # Rounding may leave the last sum below the last point.
    return np.minimum(np.searchsorted(cumulated / cumulated[-1], (rng.random() + np.arange(n)) / n, side="right"), n - 1)


def particle_filter(
    space: StateSpace, values: Values, particles: int = 500, rng: np.random.Generator | None = None, *, threshold: float = 0.5
) -> Filtered:
    """Run the bootstrap filter (Gordon, Salmond & Smith 1993, doi 10.1049/ip-f-2.1993.0015).

    Particles move by the process, and are weighted by the density of the observations. They are resampled when their effective number
    falls below a share of their number.

    Parameters
    ----------
    space : StateSpace
        The model.
    values : mapping of str to array
        Its parameters.
    particles : int
        How many.
    rng : numpy.random.Generator, optional
        Source of randomness; seed 0 by default.
    threshold : float
        Effective share of particles below which they are resampled; 1 resamples always.

    Returns
    -------
    Filtered
        Likelihood and filtered states.

    Raises
    ------
    ValueError
        For fewer than 2 particles, or a threshold outside 0 to 1.
    """
    if particles < 2 or not 0 <= threshold <= 1:
        raise ValueError(f"got particles={particles}, threshold={threshold}; give at least 2 particles and a threshold between 0 and 1")
    rng = np.random.default_rng(0) if rng is None else rng
    states, log_weights = space.begin(values, particles, rng), np.full(particles, -np.log(particles))
    rows: list[tuple[Any, ...]] = []
    failures = 0
    for time in range(space.times):
        states = space.advance(states, time, values, rng)
        lp = np.asarray(space.log_likelihood(states, time, values), dtype=float)
        good = np.isfinite(states.reshape(particles, -1)).all(axis=1) & ~np.isnan(lp)
        failures += int(particles - good.sum())
        log_weights += np.where(good, lp, -np.inf)
        increment = float(np.logaddexp.reduce(log_weights))
        if not np.isfinite(increment):
            rows += [(-np.inf, 0.0, False, np.full(states.shape[1:], np.nan), np.full(states.shape[1:], np.nan))] * (space.times - time)
            break
        log_weights -= increment
        weights = np.exp(log_weights)
        kept = np.where(good.reshape(-1, *[1] * (states.ndim - 1)), states, 0.0)
        mean = np.tensordot(weights, kept, 1)
        ess = float(1.0 / np.sum(weights**2))
        resampled = ess < threshold * particles or threshold == 1
        rows.append((increment, ess, resampled, mean, np.sqrt(np.tensordot(weights, (kept - mean) ** 2, 1))))
        if resampled:
            states = states[systematic(weights, rng)]
            log_weights = np.full(particles, -np.log(particles))
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    dims = ("time", *[f"state_{k}" for k in range(states.ndim - 1)])
    table = xr.Dataset(
        {
            "log_likelihood": ("time", columns[0]),
            "ess": ("time", columns[1]),
            "resampled": ("time", columns[2]),
            "mean": (dims, columns[3]),
            "sd": (dims, columns[4]),
        }
    )
    return Filtered(float(columns[0].sum()), table, failures)
