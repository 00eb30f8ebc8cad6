"""Emulation of the sums of squares of the streams, in place of their outputs (Fer et al. 2018, doi 10.5194/bg-15-5801-2018).

With normal errors the likelihood depends on the model through one number for each stream: the sum of squares of its whitened residuals.
It is emulated by a Gaussian process, whose quadratic part is exact for a linear model (its logarithm would be sharp at the minimum).
Whatever the number of outputs, that is one process for each stream; and the gradient of a sum of squares costs one adjoint run, not one
tangent run for each parameter.
"""

from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray

from lsm_bayes.inference.inverse import InverseProblem
from lsm_bayes.inference.tree import FORWARD_RUNS

from .emulated import LIKELIHOOD, active_vector, priors_of
from .ensemble import Ensemble
from .extent import standardisation
from .gaussian_process import GaussianProcesses
from .validation import Validation, validation_of

EMULATOR_ERROR, ERROR_FACTOR = "emulator_error", "error_factor"


@dataclass(frozen=True)
class MisfitEmulator:
    """Gaussian processes of the sums of squares.

    Attributes
    ----------
    streams : tuple of str
        Observed variables.
    names : tuple of str
        Labels of the parameters.
    counts : numpy.ndarray
        Observations by stream.
    centre, root : numpy.ndarray
        Standardisation of the parameters.
    mean : numpy.ndarray
        Over the runs, shape (S,).
    surrogate : GaussianProcesses
        Of what differs from it.
    validation : Validation
        Leave-one-out.
    forward_run_equivalents : int
        Cost of the runs, and of the adjoint runs where gradients were used.
    """

    streams: tuple[str, ...]
    names: tuple[str, ...]
    counts: NDArray
    centre: NDArray
    root: NDArray
    mean: NDArray
    surrogate: GaussianProcesses
    validation: Validation
    forward_run_equivalents: int

    def predict(self, x: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and variance of each sum of squares.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).

        Returns
        -------
        tuple of numpy.ndarray
            Two of shape (n, S).
        """
        mean, variance = self.surrogate.predict(np.linalg.solve(self.root, (x - self.centre).T).T)
        return self.mean + mean, variance


def sums_of_squares(problem: InverseProblem, predictions: NDArray) -> NDArray:
    """Sum of squares of whitened residuals by stream.

    Parameters
    ----------
    problem : InverseProblem
        Gives the observations.
    predictions : numpy.ndarray
        Whitened, shape (n, M).

    Returns
    -------
    numpy.ndarray
        Shape (n, S).
    """
    squares = (predictions - problem.observed) ** 2
    return np.stack([squares[:, where].sum(axis=1) for where in problem.streams.values()], axis=1)


def fit_misfit(problem: InverseProblem, runs: Ensemble, *, gradients: bool = False, shape: str = "matern52") -> MisfitEmulator:
    """Emulate the sums of squares of a model.

    Parameters
    ----------
    problem : InverseProblem
        The model and its observations.
    runs : Ensemble
        Best from `informed_design`, for far from the posterior a sum of squares says little about it.
    gradients : bool
        Use the gradient of each sum of squares too, from one adjoint run for each run and stream.
    shape : {"matern52", "gaussian"}
        Of the covariance.

    Returns
    -------
    MisfitEmulator
        The fit.

    Raises
    ------
    ValueError
        If fewer than five runs have finite predictions.
    """
    good = runs.good
    if len(good.x) < 5:
        raise ValueError(f"{len(good.x)} of {len(runs.x)} runs have finite predictions; an emulator needs at least 5")
    squares = sums_of_squares(problem, good.predictions)
    centre, root = standardisation(good.x)
    z, mean = np.linalg.solve(root, (good.x - centre).T).T, squares.mean(axis=0)
    slopes = directions = None
    if gradients:
        slopes = np.empty((len(z), z.shape[1], len(problem.streams)))
        for i, (x, y) in enumerate(zip(good.x, good.predictions, strict=True)):
            for s, where in enumerate(problem.streams.values()):
                weights = np.zeros(problem.observed.size)
                weights[where] = 2.0 * (y - problem.observed)[where]
                slopes[i, :, s] = root.T @ problem.adjoint(x, weights)
        directions = np.broadcast_to(np.eye(z.shape[1]), (len(z), z.shape[1], z.shape[1]))
    surrogate = GaussianProcesses.fit(z, squares - mean, slopes, directions, shape=shape)
    left_out, variance = surrogate.leave_one_out(squares - mean)
    error = squares - mean - left_out
    found = validation_of(squares, mean + left_out, variance, "leave-one-out", error, variance.T)
    cost = len(runs.x) + (FORWARD_RUNS["adjoint_runs"] * len(z) * len(problem.streams) if gradients else 0)
    counts = np.array([where.stop - where.start for where in problem.streams.values()])
    return MisfitEmulator(tuple(problem.streams), tuple(problem.names), counts, centre, root, mean, surrogate, found, cost)


def misfit_model(
    problem: InverseProblem, emulator: MisfitEmulator, *, variance: bool = True, free_errors: bool = False, accept: bool = False
) -> pm.Model:
    """Build a PyMC model whose likelihood is that of emulated sums of squares.

    Parameters
    ----------
    problem : InverseProblem
        Gives priors.
    emulator : MisfitEmulator
        From `fit_misfit`.
    variance : bool
        Carry the emulator's variance: one standard normal variable ``emulator_error`` for each stream moves the sum within it, as
        Fer et al. draw from the process at each proposal.
    free_errors : bool
        Infer a factor on the sd of each stream's errors, ``error_factor``, of half-normal prior with sd 2; the sum of squares is
        sufficient for it.
    accept : bool
        Take an emulator that the stop rule refuses.

    Returns
    -------
    pymc.Model
        The model, with a potential ``emulated``.

    Raises
    ------
    EmulatorRefusedError
        If the emulator is not good enough.
    """
    if not accept:
        emulator.validation.require()
    model = priors_of(problem)
    with model:
        x = active_vector(problem, model)
        inverse = np.linalg.inv(emulator.root)
        mean, spread = emulator.surrogate.graph(pt.sum(inverse * (x - emulator.centre)[None, :], axis=1))
        squares = emulator.mean + mean
        number = len(emulator.streams)
        if variance:
            squares = squares + pt.sqrt(spread) * pm.Normal(EMULATOR_ERROR, 0.0, 1.0, shape=number)
        value = problem.log_normaliser - 0.5 * pt.sum(squares)
        if free_errors:
            factor = pm.HalfNormal(ERROR_FACTOR, 2.0, shape=number)
            # Not below a small part of what is expected: a factor near 0 would make a negative sum a likelihood without bound.
            least = pt.maximum(squares, 0.1 * emulator.counts) / factor**2
            value = problem.log_normaliser - 0.5 * pt.sum(least) - pt.sum(emulator.counts * pt.log(factor))
        pm.Potential(LIKELIHOOD, value)
    return model
