"""Variational inference by stochastic gradients: PyMC's ADVI, with mean-field or full-rank normal approximation."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from ..flat import Vector
from ..laplace import Laplace
from ..modes import Modes
from ..point import Density, as_density
from .importance import approximate_tree

FAMILIES = ("mean_field", "full_rank")
DRIFT = 0.1
"""Standard deviations by which the averages of two successive windows may differ when converged, and factor of the sd itself."""


class _Logp(Op):
    """The compiled density in a graph of PyMC, so that one compilation serves all methods, and its evaluations are counted."""

    __props__ = ("density",)
    gufunc_signature = "(n)->(),(n)"

    def __init__(self, density: Density) -> None:
        self.density = density

    def make_node(self, position: Any) -> Apply:
        position = pt.as_tensor(position, dtype="float64")
        return Apply(self, [position], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        value, gradient = self.density(inputs[0])
        output_storage[0][0], output_storage[1][0] = np.asarray(value), gradient

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Variable]:
        return [cotangents[0] * outputs[1]]


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
    """Fit a normal distribution of the unconstrained parameters by PyMC's ADVI (Kucukelbir et al. 2017, J. Mach. Learn. Res. 18(14)).

    Runs ``pm.fit`` with Adam. The result is the average over the last window of steps, and converged when that differs from the one before
    by less than a tenth of a standard deviation and its sd by less than a tenth (after Dhaka et al. 2020, arXiv:2009.00666). Ctrl-C ends
    the fit and keeps it.

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
        Of Adam, in unconstrained units.
    window : int
        Steps over which is averaged.
    initial : Modes, Laplace, array of shape (D,), or None
        Where to start: mean and sd of the approximation at the best mode, a position with sd 0.1, or the model's initial point.
    draws : int
        Number of draws.
    resample : bool
        Resample the draws by their importance weights.
    seed : int
        Seed.
    progress : bool
        Show PyMC's progress bar.

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
    fit = _fit(density, mean, scale, family, int(rng.integers(2**31)), iterations, samples, learning_rate, window, progress)
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
    return mean, 0.1 * np.eye(density.dimension)


class _Fit:
    """What a fit has found, averaged over windows as it goes."""

    def __init__(self, approximation: Any, family: str, window: int) -> None:
        parameters = {p.name: p for p in approximation.params}
        self._mu, self._spread = parameters["mu"], parameters["rho" if family == "mean_field" else "L_tril"]
        self._family, self._window = family, window
        self._total: list[Vector] = [0.0 * self._mu.get_value(), 0.0 * self._spread.get_value()]
        self._counted = 0
        self._earlier: Laplace | None = None
        self.normal = self._normal(self._mu.get_value(), self._spread.get_value())
        self.losses, self.converged = np.empty(0), False

    def __call__(self, _approximation: Any, losses: Vector, step: int) -> None:
        self.losses = losses
        for total, now in zip(self._total, (self._mu, self._spread), strict=True):
            total += now.get_value()
        self._counted += 1
        if self._counted < self._window:
            return
        self._earlier, self.normal = self.normal, self._normal(*(t / self._counted for t in self._total))
        self._total, self._counted = [0.0 * t for t in self._total], 0
        if step >= 2 * self._window:
            moved = np.abs(self.normal.mode - self._earlier.mode) / self.normal.sd
            changed = np.abs(np.log(self.normal.sd / self._earlier.sd))
            self.converged = bool(max(moved.max(), changed.max()) < DRIFT)
            if self.converged:
                raise StopIteration("converged")

    def _normal(self, mu: Vector, spread: Vector) -> Laplace:
        dimension = len(mu)
        if self._family == "mean_field":
            scale = np.diag(np.logaddexp(0.0, spread))
        else:
            scale = np.zeros((dimension, dimension))
            scale[np.tril_indices(dimension)] = spread
            scale[np.diag_indices(dimension)] = np.logaddexp(0.0, np.diag(scale))
        return Laplace(mu, np.nan, scale, np.nan, float(np.linalg.cond(scale) ** 2), 0, np.nan)


def _fit(
    density: Density,
    mean: Vector,
    scale: NDArray,
    family: str,
    seed: int,
    iterations: int,
    samples: int,
    learning_rate: float,
    window: int,
    progress: bool,
) -> _Fit:
    with pm.Model() as flat:
        position = pm.Flat("position", shape=density.dimension, initval=mean)
        pm.Potential("log_density", _Logp(density)(position)[0])
        kind = pm.ADVI if family == "mean_field" else pm.FullRankADVI
        inference = kind(random_seed=seed, start={"position": mean})
    rows = np.log(np.expm1(np.diag(scale)))
    names = {p.name: p for p in inference.approx.params}
    if family == "mean_field":
        names["rho"].set_value(rows)
    else:
        names["L_tril"].set_value((scale - np.diag(np.diag(scale)) + np.diag(rows))[np.tril_indices(density.dimension)])
    fit = _Fit(inference.approx, family, window)
    with flat, _quiet(progress):
        # Without rewrites: the graph is small beside the density, which is compiled already.
        inference.fit(
            iterations,
            obj_n_mc=samples,
            obj_optimizer=pm.adam(learning_rate=learning_rate),
            callbacks=[fit],
            progressbar=progress,
            compile_kwargs={"mode": Mode("py", None)},
        )
    fit.losses = np.array(inference.hist)
    return fit


@contextmanager
def _quiet(progress: bool) -> Iterator[None]:
    logger = logging.getLogger("pymc.variational.inference")
    level = logger.level
    logger.setLevel(level if progress else logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
