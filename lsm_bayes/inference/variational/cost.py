"""The cost of 4D-Var, with its derivatives in the control variable and in the parameters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..flat import Vector
from ..inverse import InverseProblem
from ..laplace import LOG_2PI, Laplace

Background = tuple[NDArray, NDArray]


class AssimilationCost:
    """``J = v.v / 2 + |G(x) - y|**2 / 2`` with ``x = b + L v`` and ``L L' = B`` (Bannister 2017, doi 10.1002/qj.2982).

    Predictions G and observations y are whitened by R. As a function of the active elements x it is minus the log-density of the
    parameters and data, up to its constant; called, it gives log-density and gradient, as a `lsm_bayes.inference.Density` does.

    Parameters
    ----------
    problem : InverseProblem
        Predictions, observations, errors.
    background : tuple of numpy.ndarray, optional
        Mean b, shape (d,), and covariance B, shape (d, d), in place of the prior of the problem.

    Attributes
    ----------
    dimension : int
        Number of active elements d.
    evaluations, threads : int
        Gradients so far; how many may be asked for at a time.
    mean, root : numpy.ndarray
        b and the lower Cholesky factor L.

    Raises
    ------
    ValueError
        If the background has other shapes, or B is not positive definite.
    """

    def __init__(self, problem: InverseProblem, background: Background | None = None):
        mean, covariance = (np.asarray(v, dtype="float64") for v in (problem.prior if background is None else background))
        self.problem, self.dimension, self.evaluations, self.threads = problem, problem.size, 0, 1
        if mean.shape != (self.dimension,) or covariance.shape != (self.dimension, self.dimension):
            raise ValueError(
                f"background has a mean of shape {mean.shape} and a covariance of shape {covariance.shape}; the {self.dimension} active "
                f"elements ({', '.join(problem.names)}) need {(self.dimension,)} and {(self.dimension, self.dimension)}"
            )
        try:
            self.root = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError as error:
            raise ValueError(f"the background covariance is not positive definite ({error}); give a symmetric one of full rank") from error
        self.mean = mean
        self._seen: dict[tuple[bytes, bool], tuple[NDArray, NDArray]] = {}
        self.constant = problem.log_normaliser - 0.5 * self.dimension * LOG_2PI - float(np.sum(np.log(np.diag(self.root))))

    def states(self, v: NDArray) -> NDArray:
        """Active elements of control variables, shape (..., d)."""
        return self.mean + v @ self.root.T

    def controls(self, x: NDArray) -> NDArray:
        """Control variables of active elements, shape (..., d)."""
        return np.linalg.solve(self.root, (np.asarray(x) - self.mean).reshape(-1, self.dimension).T).T.reshape(np.shape(x))

    def value(self, v: Vector) -> tuple[float, Vector]:
        """Cost and whitened residuals, with one forward run; infinite where the run failed."""
        residual = self.problem.predict(self.states(v)) - self.problem.observed
        cost = 0.5 * float(v @ v) + 0.5 * float(residual @ residual)
        return (cost, residual) if np.isfinite(cost) else (np.inf, residual)

    def gradient(self, v: Vector, residual: Vector) -> Vector:
        """Gradient of the cost in the control variable, with one adjoint run."""
        return v + self.root.T @ self.problem.adjoint(self.states(v), residual)

    def curvature(self, v: Vector, direction: Vector) -> Vector:
        """Product of the Gauss-Newton Hessian ``I + L'G'GL`` with a direction: a tangent and an adjoint run."""
        x = self.states(v)
        return direction + self.root.T @ self.problem.adjoint(x, self.problem.tangent(x, self.root @ direction))

    def log_density(self, x: Vector) -> float:
        """Log-density at active elements (nats): a forward run."""
        return self.constant - self.value(self.controls(x))[0]

    def __call__(self, position: Vector) -> tuple[float, Vector]:
        """Return log-density (nats) and gradient at active elements; -inf and zeros where either is not finite."""
        self.evaluations += 1
        v = self.controls(position)
        cost, residual = self.value(v)
        if np.isfinite(cost):
            gradient = self.gradient(v, residual)
            if np.all(np.isfinite(gradient)):
                return self.constant - cost, -np.linalg.solve(self.root.T, gradient)
        return -np.inf, np.zeros(self.dimension)

    def sensitivity(self, x: Vector, *, differences: bool = False) -> tuple[NDArray, NDArray]:
        """Directions of the control space, by how well the observations see them.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (d,).
        differences : bool
            By central differences of forward runs, for a model without a tangent: 2 d of them in place of d tangent runs.

        Returns
        -------
        tuple of numpy.ndarray
            Singular values (d,) of ``G L``, largest first, and its right singular vectors, shape (d, d), a column each.
        """
        key = (np.asarray(x).tobytes(), differences)
        if key not in self._seen:
            self._seen[key] = self._decompose(x, differences)
        return self._seen[key]

    def _decompose(self, x: Vector, differences: bool) -> tuple[NDArray, NDArray]:
        if differences:
            step = 1e-4
            up, down = (self.problem.predict(x + sign * step * self.root.T) for sign in (1, -1))
            seen = (up - down).T / (2 * step)
        else:
            seen = self.problem.jacobian(x) @ self.root
        # A direction in which the run fails tells nothing: the prior's width stays, and Pareto k will say so.
        seen = np.nan_to_num(seen)
        # The R of QR has the same singular values, at a size that does not grow with the number of observations.
        triangular = np.linalg.qr(seen, mode="r")
        _, values, rows = np.linalg.svd(triangular, full_matrices=True)
        return np.concatenate([values, np.zeros(self.dimension - len(values))]), rows.T

    def laplace(self, x: Vector, value: float, sensitivity: tuple[NDArray, NDArray]) -> Laplace:
        """Fit a normal distribution with the Gauss-Newton covariance ``L (I + L'G'GL)^-1 L'``.

        Parameters
        ----------
        x : numpy.ndarray
            At a minimum of the cost, shape (d,).
        value : float
            Log-density there, nats.
        sensitivity : tuple of numpy.ndarray
            From `sensitivity` there.

        Returns
        -------
        Laplace
            Its ``newton_decrement`` is not computed: NaN.
        """
        values, vectors = sensitivity
        root = self.root @ (vectors / np.sqrt(1.0 + values**2))
        triangular = np.linalg.qr(root.T, mode="r").T
        triangular = triangular * np.where(np.diag(triangular) < 0, -1.0, 1.0)
        singular = np.linalg.svd(root, compute_uv=False)
        evidence = value + 0.5 * self.dimension * LOG_2PI + float(np.sum(np.log(np.diag(triangular))))
        return Laplace(np.array(x), value, triangular, evidence, float((singular[0] / singular[-1]) ** 2), 0, np.nan)


def spent(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Cost of one call, from the counts of a problem before and after it."""
    return {k: v - before[k] for k, v in after.items()}
