"""First-order autoregressive errors with gaps, normal or Student-t.

The error standardised by its sd follows an AR(1) process. Over a gap of g spacings the correlation is phi**g and the
innovation variance 1 - phi**(2 g): exact for normal errors; for Student-t the conditional distribution over a gap is again
taken as Student-t of that variance.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt


def decay(phi: Any, gap: np.ndarray, site: np.ndarray | None = None) -> Any:
    """Correlation with the previous observation.

    Parameters
    ----------
    phi : tensor
        Correlation over one spacing, in (0, 1); 0-d, or (site,).
    gap : numpy.ndarray
        Distance to the previous observation in spacings; infinite where there is none.
    site : numpy.ndarray of int, optional
        Site of each observation; needed with one phi for each site.

    Returns
    -------
    tensor
        phi**gap, (observation,); zero for infinite gaps.
    """
    finite = np.isfinite(gap)
    # An exponential for each observation, in lanes, costs less than to collect the gradients of few powers one after the other.
    rate = pt.log(phi) if site is None else pt.log(phi)[site]
    return pt.exp(rate * np.where(finite, gap, 1.0)) * finite.astype(float)


def log_density(value: Any, mean: Any, sd: Any, correlation: Any, tail: Any) -> Any:
    """Log density of each observation given the previous one.

    Parameters
    ----------
    value, mean, sd : tensor
        Observation, operator output and standard deviation, (observation,).
    correlation : tensor
        From `decay`.
    tail : tensor
        1 / degrees of freedom of the innovations, below 1/2; 0 for normal. The innovations have unit variance for any value.

    Returns
    -------
    tensor
        (observation,); minus infinity where the mean is not finite.
    """
    residual = (value - mean) / sd
    previous = pt.concatenate([pt.zeros_like(residual[:1]), residual[:-1]])
    left = 1.0 - correlation**2  # variance of the innovation; its square root is not needed
    u2 = (residual - correlation * previous) ** 2 / left
    normal = isinstance(tail, int | float) and tail == 0
    if normal:
        density = -0.5 * u2 - 0.5 * np.log(2 * np.pi)
    else:
        nu = 1.0 / tail
        density = pt.gammaln((nu + 1) / 2) - pt.gammaln(nu / 2) - 0.5 * pt.log(np.pi * (nu - 2)) - (nu + 1) / 2 * pt.log1p(u2 / (nu - 2))
    found = density - 0.5 * pt.log(left * sd**2)
    return pt.switch(pt.isnan(found), -np.inf, found)


def innovation_of(residual: Any, correlation: Any) -> tuple[Any, Any]:
    """Return what is new in each error.

    Parameters
    ----------
    residual : tensor
        Standardised errors, (observation,).
    correlation : tensor
        With the one before; zero for the first of a site.

    Returns
    -------
    tuple of tensor
        Standardised innovation, and its sd before that, sqrt(1 - correlation^2).
    """
    previous = pt.concatenate([pt.zeros_like(residual[:1]), residual[:-1]])
    width = pt.sqrt(1.0 - correlation**2)
    return (residual - correlation * previous) / width, width


def remembered(innovation: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Give innovations a memory: the inverse of `innovation_of`.

    Parameters
    ----------
    innovation : numpy.ndarray
        Of unit variance, (draw, observation).
    correlation : numpy.ndarray
        With the error before, zero for the first, (draw, observation).

    Returns
    -------
    numpy.ndarray
        Standardised errors, (draw, observation).
    """
    width, state = np.sqrt(1.0 - correlation**2), np.zeros(innovation.shape[0])
    found = np.empty(innovation.shape)
    for i in range(innovation.shape[1]):
        state = correlation[:, i] * state + width[:, i] * innovation[:, i]
        found[:, i] = state
    return found


def draw(rng: np.random.Generator, sd: np.ndarray, correlation: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Draw errors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    sd : numpy.ndarray
        (draws, observation).
    correlation : numpy.ndarray
        (draws, observation), from phi**gap, zero for the first.
    tail : numpy.ndarray
        (draws, 1) or scalar, 1 / degrees of freedom; 0 for normal.

    Returns
    -------
    numpy.ndarray
        (draws, observation).
    """
    tail = np.broadcast_to(np.asarray(tail, dtype=float), (sd.shape[0], 1)) if np.ndim(tail) < 2 else np.asarray(tail, dtype=float)
    innovation = rng.standard_normal(sd.shape)
    heavy = tail[:, 0] > 0
    if heavy.any():
        nu = np.where(heavy, 1.0 / np.where(heavy, tail[:, 0], 1.0), 1.0)[:, None]
        scale = np.sqrt((nu - 2.0) / rng.chisquare(nu, size=sd.shape), where=heavy[:, None], out=np.ones(sd.shape))
        innovation = innovation * scale
    return remembered(innovation, correlation) * sd
