"""Automatic differentiation variational inference: a normal approximation by stochastic gradients of the evidence lower bound."""

import time

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from ..flat import Vector
from ..laplace import LOG_2PI, Laplace
from ..modes import Modes
from ..point import Density, as_density
from .importance import approximate_tree

FAMILIES = ("mean_field", "full_rank")
DRIFT = 0.1
"""Standard deviations by which the averages of two successive windows may differ when converged, and factor of the sd itself."""
START_SD = 1.0
"""Where no approximation is given, in unconstrained units."""


def advi(
    model: pm.Model | Density,
    *,
    family: str = "mean_field",
    iterations: int = 20_000,
    samples: int = 1,
    learning_rate: float = 0.02,
    window: int = 1000,
    initial: Modes | Laplace | NDArray | None = None,
    draws: int = 1000,
    resample: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Fit a normal distribution of the unconstrained parameters by ADVI (Kucukelbir et al. 2017, J. Mach. Learn. Res. 18(14), eq. 6 to 8).

    The same family and objective as ``pm.fit``, on the compiled density of this package, whose evaluations are counted and whose failed
    runs are skipped. Adam works in units of the initial scale. The result is the average over the last window of steps, and converged
    when that differs from the one before by less than a tenth of a standard deviation and its sd by less than a tenth (after Dhaka et al.
    2020, arXiv:2009.00666). Ctrl-C ends the fit and keeps it.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    family : {"mean_field", "full_rank"}
        Independent parameters, whose sd come out too small where the posterior is correlated; or any covariance.
    iterations : int
        Most steps.
    samples : int
        Gradients in each step.
    learning_rate : float
        Of Adam, in units of the initial standard deviations.
    window : int
        Steps over which is averaged.
    initial : Modes, Laplace, array of shape (D,), or None
        Where to start: mean and sd of the approximation at the best mode, a position with sd 1, or the model's initial point.
    draws : int
        Number of draws.
    resample : bool
        Resample the draws by their importance weights.
    seed : int
        Seed.
    progress : bool
        Show progress over steps.

    Returns
    -------
    xarray.DataTree
        As for every method; see :func:`approximate_tree` for the judgement. Group ``fit``: ``loss`` (step), minus the evidence lower bound
        in nats, and ``mean`` and ``covariance`` of the unconstrained parameters.

    Raises
    ------
    ValueError
        If an argument is unknown, too small, or has another shape.
    """
    if family not in FAMILIES:
        raise ValueError(f"family is {family!r}; choose one of {FAMILIES}")
    if min(samples, draws, window) < 1 or iterations < 2 * window:
        raise ValueError(
            f"Got iterations={iterations}, window={window}, samples={samples}, draws={draws}; all must be positive, iterations at least "
            "two windows, or nothing can be said of convergence."
        )
    density, began = as_density(model), time.perf_counter()
    before, failures, rng = density.evaluations, density.failures, np.random.default_rng(seed)
    mean, scale = _initial(density, initial, family)
    fit = _Fit(density, mean, scale, family, learning_rate, window)
    interrupted = fit.run(iterations, samples, rng, progress)
    positions = fit.normal.draws(draws, rng)
    lp = np.array([density(x)[0] for x in positions])
    labels = np.array(density.labels)
    group = xr.Dataset(
        {
            "loss": ("step", fit.losses),
            "mean": ("unconstrained", fit.normal.mode),
            "covariance": (("unconstrained", "unconstrained_other"), fit.normal.covariance),
        },
        coords={"unconstrained": labels, "unconstrained_other": labels},
    )
    cost = {
        "gradient_evaluations": density.evaluations - before,
        "failed_simulations": density.failures - failures,
        "seconds": time.perf_counter() - began,
        "iterations": len(fit.losses),
        "interrupted": interrupted,
    }
    return approximate_tree(
        density,
        positions,
        lp,
        fit.normal.logpdf(positions),
        draws=draws,
        resample=resample,
        rng=rng,
        method=f"advi ({family})",
        seed=seed,
        cost=cost,
        converged=fit.converged,
        groups={"fit": group},
    )


def _initial(density: Density, initial: Modes | Laplace | NDArray | None, family: str) -> tuple[Vector, NDArray]:
    if isinstance(initial, Modes | Laplace):
        best = initial if isinstance(initial, Laplace) else initial.laplace[0]
        if family == "full_rank":
            return best.mode, best.scale
        # The best independent normal has the sd that each parameter has when the others are known.
        inverse = np.linalg.inv(best.scale)
        return best.mode, np.diag(1.0 / np.sqrt(np.sum(inverse**2, axis=0)))
    if initial is None:
        point = density.model.initial_point(0)
        initial = np.concatenate([np.ravel(point[density.value_names[n]]) for n in density.slices])
    mean = np.asarray(initial, dtype="float64")
    if mean.shape != (density.dimension,):
        raise ValueError(f"initial has shape {mean.shape}; give Modes, Laplace, or a vector of shape {(density.dimension,)}.")
    return mean, START_SD * np.eye(density.dimension)


class _Fit:
    """Adam on the evidence lower bound of ``x = mean + scale (mu + L e)``, averaged over windows as it goes."""

    def __init__(self, density: Density, mean: Vector, scale: NDArray, family: str, rate: float, window: int) -> None:
        dimension = density.dimension
        self._density, self._mean, self._scale = density, mean, scale
        self._rate, self._window = rate, window
        # Below the diagonal of L, where the family has it; the diagonal is positive by its logarithm.
        self._below = np.tril(np.full((dimension, dimension), family == "full_rank"), -1)
        self._values = np.zeros(2 * dimension + int(self._below.sum()))
        self._first, self._second = np.zeros_like(self._values), np.zeros_like(self._values)
        self.losses: list[float] = []
        self.converged = False
        self.normal = self._normal(self._values)

    def _parts(self, values: Vector) -> tuple[Vector, NDArray]:
        dimension = len(self._mean)
        factor = np.diag(np.exp(values[dimension : 2 * dimension]))
        factor[self._below] = values[2 * dimension :]
        return values[:dimension], factor

    def _normal(self, values: Vector) -> Laplace:
        mu, factor = self._parts(values)
        scale = self._scale @ factor
        return Laplace(self._mean + self._scale @ mu, np.nan, scale, np.nan, float(np.linalg.cond(scale) ** 2), 0, np.nan)

    def run(self, iterations: int, samples: int, rng: np.random.Generator, progress: bool) -> bool:
        """Climb until the averages settle; return whether it was interrupted."""
        total = np.zeros_like(self._values)
        try:
            for step in track(range(1, iterations + 1), description="advi", disable=not progress):
                self._step(step, samples, rng)
                total += self._values
                if step % self._window == 0:
                    self.converged = self._settled(self._normal(total / self._window)) and step > self._window
                    total[:] = 0.0
                    if self.converged:
                        break
        except KeyboardInterrupt:
            return True
        return False

    def _settled(self, now: Laplace) -> bool:
        moved = np.abs(now.mode - self.normal.mode) / now.sd
        changed = np.abs(np.log(now.sd / self.normal.sd))
        self.normal = now
        return bool(max(moved.max(), changed.max()) < DRIFT)

    def _step(self, step: int, samples: int, rng: np.random.Generator) -> None:
        dimension = len(self._mean)
        mu, factor = self._parts(self._values)
        # Entropy: the sum of the logarithms of the diagonal.
        gradient = np.concatenate([np.zeros(dimension), np.ones(dimension), np.zeros(len(self._values) - 2 * dimension)])
        bounds = []
        for e in rng.standard_normal((samples, dimension)):
            value, slope = self._density(self._mean + self._scale @ (mu + factor @ e))
            bounds.append(value)
            if np.isfinite(value):
                slope = self._scale.T @ slope
                outer = np.outer(slope, e)
                gradient += np.concatenate([slope, np.diag(outer) * np.diag(factor), outer[self._below]]) / samples
        scale = np.sum(np.log(np.diag(self._scale))) + np.sum(self._values[dimension : 2 * dimension])
        self.losses.append(-float(np.mean(bounds)) - scale - 0.5 * dimension * (1.0 + LOG_2PI))
        if not np.isfinite(bounds).any():
            return
        # Kingma & Ba 2015, algorithm 1.
        self._first = 0.9 * self._first + 0.1 * gradient
        self._second = 0.999 * self._second + 0.001 * gradient**2
        unbiased = self._first / (1.0 - 0.9**step), self._second / (1.0 - 0.999**step)
        self._values = self._values + self._rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
