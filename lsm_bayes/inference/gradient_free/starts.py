"""Where chains without gradients start."""

import numpy as np
from numpy.typing import NDArray

from lsm_bayes.inference.flat import FlatSpace, Vector
from lsm_bayes.inference.laplace import Laplace
from lsm_bayes.inference.modes import Modes
from lsm_bayes.inference.nuts import share_out

from .walk import Target

Initial = Modes | Laplace | NDArray | None
TRIES = 100
"""Prior draws for each chain before it is given up."""
HALVINGS = 20


def starting_positions(space: FlatSpace, target: Target, initial: Initial, chains: int, rng: np.random.Generator) -> NDArray:
    """Choose a start for each chain.

    Parameters
    ----------
    space : FlatSpace
        Where the chains walk.
    target : callable
        Log-densities at positions.
    initial : Modes, Laplace, array of shape (chains, D), or None
        Draws of the Laplace approximations of the modes, the chains shared out by weight; given positions; or draws of the prior.
    chains : int
        Number of chains.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Shape (chains, D), of finite log-density.

    Raises
    ------
    ValueError
        If given positions have another shape, or no prior draw has a finite log-density.
    """
    if isinstance(initial, Modes | Laplace):
        parts = [initial] if isinstance(initial, Laplace) else initial.laplace
        weights = np.ones(1) if isinstance(initial, Laplace) else initial.weights
        return np.array([_near(parts[k], target, rng) for k in share_out(weights, chains)])
    if initial is not None:
        given = np.asarray(initial, dtype="float64")
        if given.shape != (chains, space.dimension):
            raise ValueError(
                f"initial has shape {given.shape}; give Modes, Laplace, or unconstrained positions of shape {(chains, space.dimension)}"
            )
        return given
    found: list[Vector] = []
    for _ in range(TRIES):
        rows = space.prior_positions(chains, rng)
        found += list(rows[np.isfinite(target(rows))])
        if len(found) >= chains:
            return np.array(found[:chains])
    raise ValueError(
        f"only {len(found)} of {TRIES * chains} prior draws have a finite log-posterior, {chains} chains need a start each; "
        "give initial=find_modes(model)"
    )


def _near(laplace: Laplace, target: Target, rng: np.random.Generator) -> Vector:
    """Draw from an approximation, nearer to its mode where the posterior is far lower than it says."""
    offset = laplace.draws(1, rng)[0] - laplace.mode
    least = laplace.log_posterior - 2 * offset.size - 10
    for _ in range(HALVINGS):
        if target((laplace.mode + offset)[None])[0] > least:
            return laplace.mode + offset
        offset = offset / 2
    return laplace.mode
