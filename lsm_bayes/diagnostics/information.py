"""Expected (Fisher) information of a stream of observations, from the moments that its error model predicts and their Jacobian."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from lsm_bayes.errors import Beta, ErrorModel, Laplace, LogNormal, OrnsteinUhlenbeck, Weight
from lsm_bayes.errors.terms import MeanTerm, SpreadTerm

Matrix = np.ndarray


@dataclass(frozen=True)
class Moments:
    """What an error model takes from parameters, at one point, with derivatives.

    Attributes
    ----------
    mean, sd, correlation : numpy.ndarray
        Predicted observation, standard deviation of its error, and correlation with the error before (0 for the first), (observation,).
    mean_slope, sd_slope, correlation_slope : numpy.ndarray
        Their derivatives, (observation, coordinate).
    tail : float
        1 / degrees of freedom of Student-t innovations; 0 for normal ones.
    """

    mean: np.ndarray
    sd: np.ndarray
    correlation: np.ndarray
    mean_slope: Matrix
    sd_slope: Matrix
    correlation_slope: Matrix
    tail: float = 0.0


def expected_information(moments: Moments, error: ErrorModel) -> Matrix:
    """Return the expected information of a stream.

    Each observation given the one before has the mean m_i + a_i (y_(i-1) - m_(i-1)) with a_i = rho_i s_i / s_(i-1), and the variance
    v_i = s_i^2 (1 - rho_i^2). With d for derivatives its expected information is, for normal errors,
    (dm_i - a_i dm_(i-1))^2 / v_i + (s_(i-1) da_i)^2 / v_i + (d log v_i)^2 / 2: together J' R^-1 J of the means, with the covariance R of
    the correlated errors, and the information on spread and memory.

    Parameters
    ----------
    moments : Moments
        Predictions and Jacobian.
    error : ErrorModel
        The error model. Innovations of Student-t and Laplace kind change the weights; log-normal errors are normal after the logarithm;
        Beta errors have their own information of both shapes; a weight multiplies. The tail of a Student-t counts as known.

    Returns
    -------
    numpy.ndarray
        (coordinate, coordinate), symmetric, no eigenvalue negative but for rounding.

    Raises
    ------
    ValueError
        For error models for which it is not implemented, such as censored errors, and where a mean lies outside the range of the
        distribution.
    """
    refuse_unknown(error)
    power = error.weight.power if error.weight is not None else 1.0
    if isinstance(error.distribution, Beta):
        rows = _beta_rows(moments)
    else:
        m = _logarithmic(moments) if isinstance(error.distribution, LogNormal) else moments
        rows = _markov_rows(m, *_weights(error, moments.tail))
    found: Matrix = power * (rows.T @ rows)
    return found


def refuse_unknown(error: ErrorModel) -> None:
    """Raise an error for an error model whose expected information is not implemented.

    Parameters
    ----------
    error : ErrorModel
        The error model.

    Raises
    ------
    ValueError
        For a term that acts otherwise than through mean, variance, an AR(1) or a weight, and for distributions other than normal,
        Student-t, Laplace, log-normal and Beta.
    """
    known = (MeanTerm, SpreadTerm, OrnsteinUhlenbeck, Weight, Laplace, LogNormal, Beta)
    for term in error.terms:
        if not isinstance(term, known):
            raise ValueError(
                f"the expected information with the term '{term.describe()}' is not implemented; leave the stream out, or give it normal, "
                "Student-t, Laplace, log-normal or Beta errors, with an AR(1), OrnsteinUhlenbeck or no memory"
            )


def _weights(error: ErrorModel, tail: float) -> tuple[float, float]:
    """Information on location, times the variance, and on the log of the scale: 1 and 2 for normal innovations."""
    if isinstance(error.distribution, Laplace):
        return 2.0, 1.0
    if tail > 0:
        nu = 1.0 / tail
        return nu * (nu + 1) / ((nu - 2) * (nu + 3)), 2 * nu / (nu + 3)
    return 1.0, 2.0


def _markov_rows(m: Moments, location: float, scale: float) -> Matrix:
    rho, width = m.correlation, np.sqrt(1.0 - m.correlation**2)
    relative = m.sd_slope / m.sd[:, None]

    def before(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(x[:1]), x[:-1]])

    previous_sd = np.concatenate([np.ones(1), m.sd[:-1]])
    means = m.mean_slope / m.sd[:, None] - (rho / previous_sd)[:, None] * before(m.mean_slope)
    memory = m.correlation_slope + rho[:, None] * (relative - before(relative))
    spread = relative - (rho / width**2)[:, None] * m.correlation_slope
    parts = [np.sqrt(location) * means / width[:, None], np.sqrt(location) * memory / width[:, None], np.sqrt(scale) * spread]
    return np.concatenate(parts)


def _logarithmic(m: Moments) -> Moments:
    """Moments of the logarithm of log-normal observations with these moments."""
    if not (m.mean > 0).all():
        raise ValueError(f"log-normal errors need positive predictions; {int((m.mean <= 0).sum())} of {m.mean.size} are not, at this point")
    squared = (m.sd / m.mean) ** 2
    variance = np.log1p(squared)
    relative = m.mean_slope / m.mean[:, None]
    growth = 2 * (squared / (1 + squared))[:, None] * (m.sd_slope / m.sd[:, None] - relative)
    sd = np.sqrt(variance)
    return Moments(
        np.log(m.mean) - 0.5 * variance, sd, m.correlation, relative - 0.5 * growth, growth / (2 * sd[:, None]), m.correlation_slope
    )


def _beta_rows(m: Moments) -> Matrix:
    if not ((m.mean > 0) & (m.mean < 1)).all():
        raise ValueError("Beta errors need predictions between 0 and 1; some are not, at this point")
    precision = m.mean * (1 - m.mean) / m.sd**2
    slope = ((1 - 2 * m.mean) / m.sd**2)[:, None] * m.mean_slope - 2 * (precision / m.sd)[:, None] * m.sd_slope
    a, b = m.mean * precision, (1 - m.mean) * precision
    of_a = m.mean_slope * precision[:, None] + m.mean[:, None] * slope
    of_b = slope - of_a
    shared = polygamma(1, precision)
    first, cross, second = polygamma(1, a) - shared, -shared, polygamma(1, b) - shared
    root = np.sqrt(first)
    rest = np.sqrt(second - cross**2 / first)
    return np.concatenate([root[:, None] * of_a + (cross / root)[:, None] * of_b, rest[:, None] * of_b])


def jacobian(function: Callable[[np.ndarray], np.ndarray], position: np.ndarray, step: float = 1e-3) -> tuple[Matrix, Matrix]:
    """Differentiate a vector by central differences of fourth order.

    Values exist for every operation; tangents do not (fixed points, cumulative sums), and some rules of PyTensor return zero where one
    input is constant.

    Parameters
    ----------
    function : callable
        Of a vector (coordinate,), with values (output,).
    position : numpy.ndarray
        Where.
    step : float
        Larger of the two steps, in the unit of the coordinates; the other is half of it.

    Returns
    -------
    numpy.ndarray
        (output, coordinate).
    numpy.ndarray
        Difference between the two steps, (output, coordinate): three times the error that was removed, so that a kink shows.
    """
    columns, differences = [], []
    for k in range(position.size):
        unit = np.zeros(position.size)
        unit[k] = 1.0
        coarse, fine = ((function(position + h * unit) - function(position - h * unit)) / (2 * h) for h in (step, step / 2))
        columns.append((4 * fine - coarse) / 3)
        differences.append(fine - coarse)
    return np.stack(columns, axis=1), np.stack(differences, axis=1)
