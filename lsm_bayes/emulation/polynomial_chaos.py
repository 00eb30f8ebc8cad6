"""Sparse polynomial chaos: least squares on orthonormal Hermite polynomials, terms chosen by least-angle regression.

Blatman & Sudret (2011, doi 10.1016/j.jcp.2010.12.021): of the least-angle sequence the number of terms with the least leave-one-out
error is taken, and their coefficients are those of ordinary least squares. The variance is that of a linear regression whose residual
variance is estimated from leave-one-out errors.
"""

import itertools
from dataclasses import dataclass, replace
from math import factorial

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from sklearn.linear_model import lars_path


@dataclass(frozen=True)
class PolynomialChaos:
    """Polynomials of standardised parameters, one for each output.

    Attributes
    ----------
    terms : numpy.ndarray of int
        Degree of each parameter in each term that any output has, shape (T, d); the first is the constant.
    coefficients : numpy.ndarray
        Shape (K, T).
    roots : numpy.ndarray
        The variance of the mean is ``residual * |roots p|^2`` at polynomials p, shape (K, T, T).
    residual : numpy.ndarray
        Residual variance, shape (K,).
    leverage : numpy.ndarray
        Of each run, shape (n, K).
    table : numpy.ndarray
        Terms at the runs, shape (n, T).
    """

    terms: NDArray
    coefficients: NDArray
    roots: NDArray
    residual: NDArray
    leverage: NDArray
    table: NDArray

    @classmethod
    def fit(cls, z: NDArray, values: NDArray, *, degree: int = 3, interaction: int = 2) -> "PolynomialChaos":
        """Fit one polynomial to each output.

        Parameters
        ----------
        z : numpy.ndarray
            Standardised parameters, shape (n, d).
        values : numpy.ndarray
            Outputs, shape (n, K).
        degree : int
            Largest total degree of a term.
        interaction : int
            Most parameters in a term.

        Returns
        -------
        PolynomialChaos
            The fit.

        Raises
        ------
        ValueError
            If an argument is not positive.
        """
        if degree < 1 or interaction < 1:
            raise ValueError(f"got degree={degree}, interaction={interaction}; both are at least 1")
        terms = candidate_terms(z.shape[1], degree, interaction)
        table = polynomials(z, terms)
        chosen = [_choose(table, values[:, k]) for k in range(values.shape[1])]
        union = sorted({0}.union(*chosen))
        place = {t: i for i, t in enumerate(union)}
        shape = (values.shape[1], len(union))
        coefficients, roots = np.zeros(shape), np.zeros((*shape, len(union)))
        leverage, residual = np.empty(values.shape), np.empty(shape[0])
        for k, columns in enumerate(chosen):
            part, where = table[:, columns], [place[c] for c in columns]
            found, triangle = np.linalg.qr(part)
            inverse = np.linalg.inv(triangle)
            coefficients[k, where] = inverse @ (found.T @ values[:, k])
            roots[k][np.ix_(range(len(where)), where)] = inverse.T
            leverage[:, k] = np.minimum(np.sum(found**2, axis=1), 1.0 - 1e-6)
            left_out = (values[:, k] - part @ coefficients[k, where]) / (1.0 - leverage[:, k])
            residual[k] = max(np.mean(left_out**2 * (1.0 - leverage[:, k])), 1e-12 * np.var(values[:, k]))
        return cls(terms[union], coefficients, roots, residual, leverage, table[:, union])

    def predict(self, z: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and variance at new points, (m, K) each."""
        table = polynomials(z, self.terms)
        spread = np.sum(np.einsum("kst,mt->mks", self.roots, table) ** 2, axis=2)
        return table @ self.coefficients.T, self.residual * (1.0 + spread)

    def joint(self, z: NDArray) -> NDArray:
        """Covariances of errors at new points, (K, m, m)."""
        left = np.einsum("kst,mt->kms", self.roots, polynomials(z, self.terms))
        return self.residual[:, None, None] * (np.einsum("kms,kns->kmn", left, left) + np.eye(len(z)))

    def leave_one_out(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """Predict each run from the others with the same terms, (n, K) each."""
        free = 1.0 - self.leverage
        return values - (values - self.table @ self.coefficients.T) / free, self.residual / free

    def left_out(self, run: int, data: NDArray) -> tuple[NDArray, NDArray]:
        """Error and variance of one run predicted from the others, from their values in other coordinates (n, 1, K); (K,) each."""
        scaled = np.einsum("kst,nt->kns", self.roots, self.table)
        fitted = np.einsum("ks,kns,nk->k", scaled[:, run], scaled, data[:, 0])
        free = 1.0 - self.leverage[run]
        return (data[run, 0] - fitted) / free, self.residual / free

    def widened(self, factors: NDArray) -> "PolynomialChaos":
        """Multiply the variances, by output."""
        return replace(self, residual=self.residual * factors)

    def graph(self, z: Variable) -> tuple[Variable, Variable]:
        """Mean and variance as PyTensor graphs, (K,) each."""
        highest, d = int(self.terms.max(initial=0)), self.terms.shape[1]
        powers = hermite(z, highest)  # one (d,) for each degree
        flat = pt.concatenate([pt.ones(d), *powers[1:]])
        most = max(1, int((self.terms > 0).sum(axis=1).max()))
        table = pt.ones(len(self.terms))
        for rank in range(most):  # the rank-th parameter of each term; those that have fewer take a one
            place = np.zeros(len(self.terms), dtype="int64")
            for t, term in enumerate(self.terms):
                inside = np.flatnonzero(term)
                if rank < len(inside):
                    place[t] = term[inside[rank]] * d + inside[rank]
            table = table * flat[place]
        spread = pt.sum(pt.sum(self.roots * table[None, None, :], axis=2) ** 2, axis=1)
        return pt.sum(self.coefficients * table[None, :], axis=1), self.residual * (1.0 + spread)


def candidate_terms(parameters: int, degree: int, interaction: int) -> NDArray:
    """List the degrees of all terms: total degree and number of parameters are bounded.

    Parameters
    ----------
    parameters, degree, interaction : int
        Number of parameters, largest total degree, most parameters in a term.

    Returns
    -------
    numpy.ndarray of int
        Shape (T, parameters), the constant first.
    """
    found = [(0,) * parameters]
    for number in range(1, interaction + 1):
        for inside in itertools.combinations(range(parameters), number):
            for degrees in itertools.product(range(1, degree + 1), repeat=number):
                if sum(degrees) <= degree:
                    term = [0] * parameters
                    for i, n in zip(inside, degrees, strict=True):
                        term[i] = n
                    found.append(tuple(term))
    return np.array(found, dtype="int64")


def hermite(z: NDArray, highest: int) -> list[NDArray]:
    """Hermite polynomials, orthonormal under the standard normal density.

    Parameters
    ----------
    z : array or tensor
        Where.
    highest : int
        Highest degree.

    Returns
    -------
    list of array
        One for each degree from 0, each of the shape of ``z``.
    """
    raw = [0.0 * z + 1.0, z]
    for n in range(1, highest):
        raw.append(z * raw[n] - n * raw[n - 1])
    return [raw[n] / np.sqrt(float(factorial(n))) for n in range(highest + 1)]


def polynomials(z: NDArray, terms: NDArray) -> NDArray:
    """Evaluate terms.

    Parameters
    ----------
    z : numpy.ndarray
        Shape (n, d).
    terms : numpy.ndarray of int
        Shape (T, d).

    Returns
    -------
    numpy.ndarray
        Shape (n, T).
    """
    table = np.stack(hermite(z, max(1, int(terms.max(initial=0)))), axis=2)  # (n, d, degree)
    return np.prod([table[:, i, terms[:, i]] for i in range(z.shape[1])], axis=0)


def _choose(table: NDArray, values: NDArray) -> list[int]:
    """Terms with the least leave-one-out error among those of the least-angle sequence."""
    n = len(values)
    columns = table[:, 1:]
    norm = np.linalg.norm(columns - columns.mean(axis=0), axis=0)
    usable = np.flatnonzero(norm > 1e-12)
    scaled = (columns[:, usable] - columns[:, usable].mean(axis=0)) / norm[usable]
    if np.std(values) == 0.0 or not len(usable):
        return [0]
    most = max(1, min(len(usable), int(0.7 * n) - 1))
    _, sequence, _ = lars_path(scaled, (values - values.mean()) / np.std(values), max_iter=most, method="lar")
    best, chosen = np.inf, [0]
    for number in range(len(sequence) + 1):
        columns_now = [0, *(int(usable[j]) + 1 for j in sequence[:number])]
        part = table[:, columns_now]
        found, triangle = np.linalg.qr(part)
        if np.min(np.abs(np.diag(triangle))) < 1e-9 * np.abs(triangle[0, 0]):
            continue
        leverage = np.sum(found**2, axis=1)
        if np.max(leverage) > 1.0 - 1e-9:
            continue
        left_out = (values - found @ (found.T @ values)) / (1.0 - leverage)
        # Correction for few runs (Blatman & Sudret 2011, after Chapelle et al. 2002).
        factor = n / (n - len(columns_now)) * (1.0 + np.sum(np.linalg.inv(triangle) ** 2))
        error = float(np.mean(left_out**2) * factor)
        if error < best:
            best, chosen = error, columns_now
    return chosen
