"""Paths between a proposal and the posterior through intermediate densities, and the work along them.

In the coordinates of the proposal the density at "temperature" t is ``N(z) r(z)^t``, with r the ratio of the posterior to the
proposal. A path moves t from 0 to 1 (from a draw of the proposal) or from 1 to 0 (from a draw of the posterior), with a
Hamiltonian Monte Carlo step (Duane et al. 1987) at each t between; its work is the sum of ``log r`` times the changes of t
(annealed importance sampling: Neal 2001, Stat. Comput. 11, eq. 3). A single step has no move, and its work is log r.
"""

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .flat import Vector
from .point import Density
from .proposal import LOG_2PI, Proposal

PILOTS = 40
"""Trajectories that set the step size."""
ACCEPTANCE = 0.85
ARC = 1.5
"""Length of a trajectory: a quarter of the period of a standard normal."""
MOST_STEPS = 12


class Bridge:
    """The posterior of a region in the coordinates of a proposal.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    proposal : Proposal
        Standard normal in its coordinates.
    inside : callable
        Says of positions (n, D) which lie in the region; the density is 0 elsewhere.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(self, density: Density, proposal: Proposal, inside: Callable[[NDArray], NDArray], rng: np.random.Generator):
        self.density, self.proposal, self.inside, self.rng = density, proposal, inside, rng
        self.step = 0.0

    def log_ratio(self, z: Vector) -> tuple[float, Vector]:
        """Log ratio of posterior to proposal at coordinates z, and its gradient; -inf and zeros outside the region."""
        nothing = (-np.inf, np.zeros_like(z))
        with np.errstate(over="ignore", invalid="ignore"):
            position, slope, bend = self.proposal.to_position(z)
        if not np.all(np.isfinite(position)) or not self.inside(position[None])[0]:
            return nothing
        value, gradient = self.density(position)
        if not np.isfinite(value):
            return nothing
        value += float(np.sum(np.log(slope))) + self.proposal.log_volume + 0.5 * float(z @ z) + 0.5 * z.size * LOG_2PI
        return value, self.proposal.affine.scale.T @ (gradient * slope + bend) + z

    def tune(self, starts: NDArray) -> None:
        """Set the step size at the posterior's end, from starts (n, D) in its coordinates."""
        log_step = np.log(0.5)
        steps = []
        for k in range(PILOTS):
            self.step = float(np.exp(log_step))
            z = starts[k % len(starts)]
            _, _, accepted = self._move(z, self.log_ratio(z), 1.0)
            log_step += (accepted - ACCEPTANCE) * 2 / np.sqrt(k + 1)
            steps.append(log_step)
        self.step = float(np.exp(np.mean(steps[PILOTS // 2 :])))

    def _move(self, z: Vector, here: tuple[float, Vector], t: float) -> tuple[Vector, tuple[float, Vector], float]:
        """One Hamiltonian trajectory at t: new coordinates, log ratio and gradient there, probability of acceptance."""
        step = self.step * self.rng.uniform(0.8, 1.2)
        momentum = self.rng.standard_normal(z.size)
        start = t * here[0] - 0.5 * (z @ z + momentum @ momentum)
        at, there = z, here
        momentum = momentum + 0.5 * step * (t * there[1] - at)
        for k in range(number := int(np.clip(round(ARC / step), 1, MOST_STEPS))):
            at = at + step * momentum
            there = self.log_ratio(at)
            if not np.isfinite(there[0]):
                return z, here, 0.0
            momentum = momentum + (1.0 if k < number - 1 else 0.5) * step * (t * there[1] - at)
        gain = t * there[0] - 0.5 * (at @ at + momentum @ momentum) - start
        accepted = float(np.exp(np.minimum(0.0, gain)))
        return (at, there, accepted) if self.rng.random() < accepted else (z, here, accepted)

    def work(self, start: Vector, temperatures: NDArray) -> float:
        """Work along a path, counted from the proposal to the posterior whichever way it is walked.

        Parameters
        ----------
        start : numpy.ndarray
            Coordinates of a draw of the density at the first temperature, shape (D,).
        temperatures : numpy.ndarray
            From 0 to 1 or from 1 to 0.

        Returns
        -------
        float
            Log ratio of posterior to proposal along the path (nats); -inf where the path left the region at once.
        """
        z, here, total = start, self.log_ratio(start), 0.0
        for t, following in itertools.pairwise(temperatures):
            total += abs(following - t) * here[0]
            if not np.isfinite(total):
                return -np.inf
            if 0 < following < 1:
                z, here, _ = self._move(z, here, following)
        return total
