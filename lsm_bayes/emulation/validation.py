"""How good an emulator is, and the rule that refuses one that is not good enough.

Individual standardised errors, Mahalanobis distance and pivoted Cholesky errors: Bastos & O'Hagan (2009, doi 10.1198/TECH.2009.08019).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf
from scipy.stats import norm

LEVEL = 0.9
LEAST_R2, LEAST_COVERAGE, MOST_ERROR = 0.9, 0.75, 2.0


class EmulatorRefusedError(ValueError):
    """An emulator is not good enough for what it is asked to do."""


@dataclass(frozen=True)
class Validation:
    """Errors of predictions of runs that an emulator has not seen.

    Attributes
    ----------
    source : str
        ``"leave-one-out"`` or ``"other runs"``.
    r2 : float
        1 - squared errors over squared deviations of each output from its mean over the runs, all outputs together.
    r2_of_outputs : numpy.ndarray
        The same by output, shape (M,); NaN where an output does not vary.
    coverage : float
        Part of the outputs inside of the 90 % predictive interval, over runs and outputs.
    standardised : numpy.ndarray
        Errors over predictive sd, shape (n, M).
    component_error : float
        Root-mean-square standardised error of the components; 1 where the variances are right.
    cholesky : numpy.ndarray
        Pivoted Cholesky errors by component, shape (K, n): independent and of unit variance where the emulator is right; large ones
        early in the order say that a variance is too small, late ones that the correlation is wrong. Leave-one-out: standardised
        errors of the components, in the order of the runs.
    mahalanobis : numpy.ndarray
        Squared Mahalanobis distance by component, shape (K,); n where the emulator is right.
    sd_in_errors : float
        Root-mean-square predictive sd over outputs, in units of the sd of an observation's error.
    """

    source: str
    r2: float
    r2_of_outputs: NDArray
    coverage: float
    standardised: NDArray
    component_error: float
    cholesky: NDArray
    mahalanobis: NDArray
    sd_in_errors: float

    def describe(self) -> str:
        """Say the figures in a line."""
        return (
            f"{self.source}, {len(self.standardised)} runs: R2 {self.r2:.3f}, 90 % interval holds {self.coverage:.2f}, "
            f"standardised errors of components {self.component_error:.2f}, predictive sd {self.sd_in_errors:.2f} of an observation's error"
        )

    def require(self, r2: float = LEAST_R2, coverage: float = LEAST_COVERAGE, component_error: float = MOST_ERROR) -> None:
        """Refuse an emulator that is not good enough.

        Parameters
        ----------
        r2, coverage : float
            Least R2 and least coverage of the 90 % interval.
        component_error : float
            Largest root-mean-square standardised error of the components.

        Raises
        ------
        EmulatorRefusedError
            With the figures and what to do.
        """
        wrong = []
        if not self.r2 >= r2:
            wrong.append(f"R2 {self.r2:.3f} is below {r2:g}: add runs, or run where the posterior is (informed_design)")
        if not self.coverage >= coverage:
            wrong.append(f"the 90 % interval holds {self.coverage:.2f}, less than {coverage:g}: its variance is too small; add runs")
        if not self.component_error <= component_error:
            wrong.append(
                f"standardised errors of components are {self.component_error:.2f}, more than {component_error:g}: try shape='matern52', "
                "a smaller range, or more runs"
            )
        if wrong:
            raise EmulatorRefusedError(f"the emulator is refused ({self.source}): {'; '.join(wrong)}. accept=True takes it as it is")


def validation_of(
    outputs: NDArray, mean: NDArray, variance: NDArray, source: str, score_errors: NDArray, score_covariance: NDArray
) -> Validation:
    """Compare predictions with runs.

    Parameters
    ----------
    outputs, mean, variance : numpy.ndarray
        Runs, predictions and their variances, shape (n, M).
    source : str
        Which runs.
    score_errors : numpy.ndarray
        Errors along components, shape (n, K).
    score_covariance : numpy.ndarray
        Their covariances (K, n, n), or variances alone (K, n).

    Returns
    -------
    Validation
        The figures.
    """
    error, sd = outputs - mean, np.sqrt(np.maximum(variance, 1e-300))
    deviation = np.sum((outputs - outputs.mean(axis=0)) ** 2, axis=0)
    squares = np.sum(error**2, axis=0)
    each = np.full(len(deviation), np.nan)
    np.divide(squares, deviation, out=each, where=deviation > 0)
    inside = np.abs(error) <= norm.ppf(0.5 + 0.5 * LEVEL) * sd
    errors = score_errors.T
    marginal = score_covariance if score_covariance.ndim == 2 else np.einsum("kii->ki", score_covariance)
    cholesky = alone = errors / np.sqrt(np.maximum(marginal, 1e-300))
    if score_covariance.ndim == 3:
        cholesky = np.stack([pivoted_cholesky_errors(e, c) for e, c in zip(errors, score_covariance, strict=True)])
    return Validation(
        source,
        float(1.0 - squares.sum() / deviation.sum()) if deviation.sum() > 0 else np.nan,
        1.0 - each,
        float(inside.mean()),
        error / sd,
        float(np.sqrt(np.mean(alone**2))),
        cholesky,
        np.sum(cholesky**2, axis=1),
        float(np.sqrt(np.mean(variance))),
    )


def pivoted_cholesky_errors(errors: NDArray, covariance: NDArray) -> NDArray:
    """Decorrelate errors, those of largest remaining variance first.

    Parameters
    ----------
    errors : numpy.ndarray
        Shape (n,).
    covariance : numpy.ndarray
        Shape (n, n).

    Returns
    -------
    numpy.ndarray
        Shape (n,), in the order of the pivots; unit variance, independent when the covariance is right.
    """
    size = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    scaled = covariance / np.outer(size, size) + 1e-10 * np.eye(len(errors))
    factor, pivot, _, _ = dpstrf(scaled * np.outer(size, size), lower=1)
    lower = np.tril(factor)
    return solve_triangular(lower, errors[pivot - 1], lower=True)
