"""Emulators of all outputs of a model: principal components, and for each of them a cheap function with a variance."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable

from .components import Components, principal_components
from .ensemble import Ensemble
from .extent import distance_to_runs, standardisation
from .gaussian_process import GaussianProcesses
from .left_out import leave_out
from .networks import Networks
from .polynomial_chaos import PolynomialChaos
from .validation import Validation, validation_of

KINDS = ("gaussian_process", "polynomial_chaos", "networks")


class Surrogate(Protocol):
    """What an emulator needs of the functions of its components."""

    def predict(self, z: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and variance, (m, K) each."""

    def joint(self, z: NDArray) -> NDArray:
        """Covariances of errors at several points, (K, m, m)."""

    def left_out(self, run: int, data: NDArray) -> tuple[NDArray, NDArray]:
        """Error and variance of one run predicted from the others, (K,) each, in the coordinates of data (n, 1 or 1 + p, K)."""

    def widened(self, factors: NDArray) -> "Surrogate":
        """Multiply the variances, by output."""

    def graph(self, z: Variable) -> tuple[Variable, Variable]:
        """Mean and variance as graphs, (K,) each."""


@dataclass(frozen=True)
class Emulator:
    """A cheap stand-in for the predictions of a model, with its variance.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    names : tuple of str
        Labels of the parameters.
    centre, root : numpy.ndarray
        Parameters are standardised as ``z = inverse(root) (x - centre)``; shapes (d,) and (d, d).
    components : Components
        Basis of the outputs.
    surrogate : Surrogate
        Of the coordinates along this basis.
    runs : Ensemble
        What it was fitted to.
    validation : Validation
        How good it is: leave-one-out, or on the runs of `validated`.
    """

    kind: str
    names: tuple[str, ...]
    centre: NDArray
    root: NDArray
    components: Components
    surrogate: Surrogate
    runs: Ensemble
    validation: Validation

    def standardise(self, x: NDArray) -> NDArray:
        """Standardised parameters, shape (..., d)."""
        return np.linalg.solve(self.root, (np.asarray(x, dtype=float) - self.centre).T).T

    def beyond(self, x: NDArray) -> NDArray:
        """Whether points lie beyond the runs (`distance_to_runs` above 1), where the emulator extrapolates.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).

        Returns
        -------
        numpy.ndarray of bool
            Shape (n,).
        """
        return distance_to_runs(self.runs.x, x) > 1.0 + 1e-9

    def predict(self, x: NDArray) -> tuple[NDArray, NDArray]:
        """Predict whitened outputs.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (n, d).

        Returns
        -------
        tuple of numpy.ndarray
            Mean and variance, shape (n, M) each.
        """
        mean, variance = self.surrogate.predict(self.standardise(x))
        return self.components.mean + mean @ self.components.kept, self.components.variance(variance)

    def scores_graph(self, x: Variable) -> tuple[Variable, Variable]:
        """Mean and variance of the coordinates along the components, as graphs.

        Parameters
        ----------
        x : tensor
            Active elements, shape (d,).

        Returns
        -------
        tuple of tensor
            Two of shape (K,).
        """
        inverse = np.linalg.inv(self.root)
        return self.surrogate.graph(pt.sum(inverse * (x - self.centre)[None, :], axis=1))

    def graph(self, x: Variable) -> tuple[Variable, Variable]:
        """Mean and variance of whitened outputs, as graphs for any PyMC model.

        Parameters
        ----------
        x : tensor
            Active elements, shape (d,).

        Returns
        -------
        tuple of tensor
            Two of shape (M,).
        """
        mean, variance = self.scores_graph(x)
        c = self.components
        fixed = c.variance(np.zeros((1, len(c.kept))))[0]
        spread = pt.sum(variance[:, None] * c.kept**2, axis=0) + fixed
        return c.mean + pt.sum(mean[:, None] * c.kept, axis=0), spread

    def validated(self, runs: Ensemble) -> "Emulator":
        """Judge the emulator by other runs.

        Parameters
        ----------
        runs : Ensemble
            Runs that it was not fitted to; failed ones are left out.

        Returns
        -------
        Emulator
            The same, with another `validation`.
        """
        good = runs.good
        mean, variance = self.predict(good.x)
        z = self.standardise(good.x)
        errors = self.components.scores(good.predictions) - self.surrogate.predict(z)[0]
        return replace(self, validation=validation_of(good.predictions, mean, variance, "other runs", errors, self.surrogate.joint(z)))


def fit_emulator(
    runs: Ensemble,
    kind: Literal["gaussian_process", "polynomial_chaos", "networks"] = "gaussian_process",
    *,
    least: float = 0.01,
    explained: float | None = None,
    components: int = 30,
    rotate: bool | None = None,
    **choices: Any,
) -> Emulator:
    """Fit an emulator to runs of a model.

    Parameters
    ----------
    runs : Ensemble
        From `run_ensemble`; failed runs are left out. Where they have derivatives, Gaussian processes use these, the other kinds do not.
    kind : {"gaussian_process", "polynomial_chaos", "networks"}
        What each principal component is emulated by.
    least, explained, components
        Which components are emulated, ``components`` at most: see `principal_components`.
    rotate : bool, optional
        Standardise parameters by their whole covariance in the design and not only by their sd; by default where two of them are
        correlated there by more than 0.8, as in a design from a posterior.
    **choices
        Of the kind: ``shape`` and ``starts`` of `GaussianProcesses.fit`, ``degree`` and ``interaction`` of `PolynomialChaos.fit`,
        ``members``, ``hidden`` and ``seed`` of `Networks.fit`.

    Returns
    -------
    Emulator
        With leave-one-out figures in ``validation``.

    Raises
    ------
    ValueError
        If the kind is unknown or too few runs are left.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    good = runs.good
    if len(good.x) < 5:
        raise ValueError(f"{len(good.x)} of {len(runs.x)} runs have finite predictions; an emulator needs at least 5")
    centre, root = standardisation(good.x, rotate)
    z = np.linalg.solve(root, (good.x - centre).T).T
    slopes = directions = None
    if kind == "gaussian_process" and good.slopes is not None and good.directions is not None:
        directions = np.linalg.solve(root, np.moveaxis(good.directions, 2, 0).reshape(len(centre), -1)).T.reshape(good.directions.shape)
        # Derivatives along directions of unit length in z: then they are of the size of differences between runs.
        length = np.linalg.norm(directions, axis=2, keepdims=True)
        slopes, directions = good.slopes / length, directions / length
    basis = principal_components(good.predictions, slopes, least=least, explained=explained, most=components)
    scores = basis.scores(good.predictions)
    surrogate: Surrogate
    if kind == "gaussian_process":
        surrogate = GaussianProcesses.fit(z, scores, None if slopes is None else slopes @ basis.kept.T, directions, **choices)
    elif kind == "polynomial_chaos":
        surrogate = PolynomialChaos.fit(z, scores, **choices)
    else:
        surrogate = Networks.fit(z, scores, **choices)
    basis, surrogate, found = _judged(basis, surrogate, good.predictions, slopes, fixed=kind == "networks")
    return Emulator(kind, good.names, centre, root, basis, surrogate, good, found)


def _judged(
    basis: Components, surrogate: Surrogate, outputs: NDArray, slopes: NDArray | None, *, fixed: bool
) -> tuple[Components, Surrogate, Validation]:
    """Widen variances to what leave-one-out errors say, and say how good the result is."""
    tested = leave_out(surrogate, basis, outputs, slopes, fixed=fixed)
    factors = np.maximum(1.0, np.mean(tested.errors**2 / tested.variance, axis=0))
    surrogate, variance = surrogate.widened(factors), tested.variance * factors
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the last components have no estimate without a run
        left = np.nanmean(tested.left**2, axis=0)
    basis = replace(basis, left_variance=np.fmax(basis.left_variance, left))
    mean, spread = np.empty((len(tested.runs), outputs.shape[1])), np.empty((len(tested.runs), outputs.shape[1]))
    for row, (i, one) in enumerate(zip(tested.runs, tested.bases, strict=True)):
        number = len(one.kept)
        scores = one.scores(outputs[i]) - tested.errors[row, :number]
        mean[row] = one.mean + scores @ one.kept
        one = replace(one, left_variance=basis.left_variance[: len(one.left)])
        spread[row] = one.variance(variance[row : row + 1, :number])[0]
    return basis, surrogate, validation_of(outputs[tested.runs], mean, spread, "leave-one-out", tested.errors, variance.T)
