"""Where to run a model: space-filling designs over its prior, and designs informed by positions that a fit has visited."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import norm, qmc

from lsm_bayes.inference.inverse import InverseProblem

KINDS = ("latin_hypercube", "sobol")


def prior_design(
    problem: InverseProblem,
    number: int,
    *,
    kind: Literal["latin_hypercube", "sobol"] = "latin_hypercube",
    seed: int = 0,
    central: float = 0.99,
) -> NDArray:
    """Spread runs over the prior.

    Points that are even in the unit cube are mapped to the normal distribution with the moments of the prior, so that the design is as
    dense as the prior; for parameters of `lsm_bayes.build_model` this is exact.

    Parameters
    ----------
    problem : InverseProblem
        Gives the prior of the active elements.
    number : int
        Runs; of a Sobol sequence best a power of two.
    kind : {"latin_hypercube", "sobol"}
        Latin hypercube, improved by random exchanges (lower centred discrepancy), or scrambled Sobol sequence.
    seed : int
        Seed.
    central : float
        Probability, by parameter, of the part of the prior that is covered; its far tails are not run.

    Returns
    -------
    numpy.ndarray
        Active elements, shape (number, d).

    Raises
    ------
    ValueError
        If an argument is unknown or out of range.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    if number < 2 or not 0.0 < central < 1.0:
        raise ValueError(f"got number={number}, central={central}; give at least 2 runs and a probability between 0 and 1")
    rng = np.random.default_rng(seed)
    if kind == "sobol":
        # Drawn to a power of two and cut: SciPy warns of other numbers.
        unit = qmc.Sobol(problem.size, rng=rng).random_base2(int(np.ceil(np.log2(number))))[:number]
    else:
        unit = qmc.LatinHypercube(problem.size, optimization="random-cd", rng=rng).random(number)
    mean, covariance = problem.prior
    tail = 0.5 * (1.0 - central)
    standard = norm.ppf(tail + (1.0 - 2.0 * tail) * unit)
    return mean + standard @ np.linalg.cholesky(covariance).T


def informed_design(
    problem: InverseProblem,
    positions: NDArray,
    number: int,
    *,
    seed: int = 0,
    widen: float = 1.5,
    prior_share: float = 0.2,
) -> NDArray:
    """Spread runs over where the posterior is, from positions of an ensemble method, of chains or of modes.

    Parameters
    ----------
    problem : InverseProblem
        Gives prior and active elements.
    positions : numpy.ndarray
        Active elements, shape (n, d), or flat unconstrained vectors, shape (n, dimension).
    number : int
        Runs.
    seed : int
        Seed.
    widen : float
        Factor by which positions are moved away from their mean. Ensembles tend to be too narrow, and an emulator must not
        extrapolate.
    prior_share : float
        Part of the runs that is spread over the prior, in case that the positions miss the posterior.

    Returns
    -------
    numpy.ndarray
        Active elements, shape (number, d).

    Raises
    ------
    ValueError
        If positions have another shape, or an argument is out of range.
    """
    if not (0.0 <= prior_share <= 1.0 and widen > 0.0 and number >= 2):
        raise ValueError(f"got number={number}, widen={widen}, prior_share={prior_share}; these are >= 2, > 0 and from 0 to 1")
    near = active_positions(problem, positions)
    rng = np.random.default_rng(seed)
    of_prior = round(prior_share * number)
    wanted = number - of_prior
    mean = near.mean(axis=0)
    wide = mean + widen * (near - mean)
    if len(wide) < wanted:  # fewer positions than runs: neighbours of these, within their own spread
        again = wide[rng.integers(len(wide), size=3 * wanted)]
        wide = np.concatenate([wide, again + 0.3 * widen * near.std(axis=0) * rng.standard_normal(again.shape)])
    chosen = spread_out(wide, wanted, rng)
    if of_prior < 2:
        more = problem.prior_draws(of_prior, rng) if of_prior else np.empty((0, problem.size))
    else:
        more = prior_design(problem, of_prior, seed=seed)
    return np.concatenate([chosen, more])


def active_positions(problem: InverseProblem, positions: NDArray) -> NDArray:
    """Take the active elements of positions given in either form.

    Parameters
    ----------
    problem : InverseProblem
        Says which elements are active.
    positions : numpy.ndarray
        Shape (..., d) or (..., dimension).

    Returns
    -------
    numpy.ndarray
        Shape (n, d), rows that are not finite left out.

    Raises
    ------
    ValueError
        If the last axis fits neither, or nothing is finite.
    """
    found = np.asarray(positions, dtype="float64")
    if found.ndim < 2 or found.shape[-1] not in (problem.size, problem.dimension):
        raise ValueError(
            f"positions have shape {found.shape}; give (n, {problem.size}) active elements or (n, {problem.dimension}) flat vectors"
        )
    found = found.reshape(-1, found.shape[-1])
    if found.shape[1] != problem.size:
        found = found[:, problem.active]
    found = found[np.isfinite(found).all(axis=1)]
    if not len(found):
        raise ValueError("no position is finite")
    return found


def spread_out(points: NDArray, number: int, rng: np.random.Generator) -> NDArray:
    """Choose points that are far from each other, one after the other (greedy maximin), in units of their sd.

    Parameters
    ----------
    points : numpy.ndarray
        Candidates, shape (n, d).
    number : int
        How many; all are returned when there are fewer.
    rng : numpy.random.Generator
        Chooses among at most 5,000 candidates, and the first.

    Returns
    -------
    numpy.ndarray
        Shape (number, d).
    """
    if len(points) <= number:
        return points
    if len(points) > 5000:
        points = points[rng.choice(len(points), 5000, replace=False)]
    spread = points.std(axis=0)
    scaled = points / np.where(spread > 0, spread, 1.0)
    chosen = [int(rng.integers(len(points)))]
    nearest = cdist(scaled, scaled[chosen])[:, 0]
    while len(chosen) < number:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, cdist(scaled, scaled[chosen[-1:]])[:, 0])
    return points[chosen]
