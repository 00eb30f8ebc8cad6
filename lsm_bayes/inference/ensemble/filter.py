"""EnKF and EnKS: an ensemble that is stepped from window to window and updated at the end of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..flat import Vector
from .analysis import Analysis, EnsembleUpdate


@dataclass(frozen=True)
class Filtered:
    """An ensemble through time.

    Attributes
    ----------
    forecast, analysed, smoothed : numpy.ndarray
        Augmented members at the end of each window: before the observations of the window, with them, and with those of all later windows
        within the lag; shape (window, member, element). Smoothed is analysed without smoothing.
    initial : numpy.ndarray
        Smoothed members at the start, shape (member, element).
    failed : numpy.ndarray of int
        Members replaced in each window.
    log_evidence : numpy.ndarray
        Log-density of the whitened observations of each window under the normal forecast, nats, without the constant of the errors.
    """

    forecast: NDArray
    analysed: NDArray
    smoothed: NDArray
    initial: NDArray
    failed: NDArray
    log_evidence: NDArray


def filter_ensemble(
    members: NDArray,
    forecast: Callable[[int, NDArray], tuple[NDArray, NDArray]],
    observed: Sequence[Vector],
    *,
    update: EnsembleUpdate | None = None,
    rng: np.random.Generator,
    smooth: bool = True,
    lag: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> Filtered:
    """Run an ensemble Kalman filter, and smoother, of anything that can be stepped.

    Evensen (2003, doi 10.1007/s10236-003-0036-9). What is estimated stands in one vector, states and parameters behind each other (state
    augmentation). All observations of a window are used at its end, through their covariance with the members there, so that they may
    lie anywhere within it.

    Parameters
    ----------
    members : numpy.ndarray
        Augmented members at the start, shape (N, n).
    forecast : callable
        From the number of a window and members at its start to members at its end, shape (N, n), process noise included, and whitened
        predictions of its observations, shape (N, m); NaN rows of either for members that failed.
    observed : sequence of numpy.ndarray
        Whitened observations of each window, shape (m,), m = 0 for none.
    update : EnsembleUpdate, optional
        How members are updated; a taper of given weights does not fit windows of different length, ``"correlation"`` does.
    rng : numpy.random.Generator
        Source of perturbations and replacements.
    smooth : bool
        Update the members of earlier windows too (EnKS).
    lag : int, optional
        How many windows back; all without.
    advance : callable, optional
        Told which share of the windows is done.

    Returns
    -------
    Filtered
        Members through time.

    Raises
    ------
    RuntimeError
        If nearly all members fail.
    """
    how, number = update or EnsembleUpdate(), len(observed)
    history = np.full((number + 1, *members.shape), np.nan)
    predicted_members, analysed = np.full((2, number, *members.shape), np.nan)
    history[0] = members
    failed, evidence = np.zeros(number, dtype=int), np.zeros(number)
    for k, y in enumerate(observed):
        x, predictions = forecast(k, history[k])
        lost = ~np.isfinite(x).all(axis=1)
        predictions = np.where(lost[:, None], np.nan, predictions)
        # Without observations nothing but lost members is changed.
        analysis = Analysis(predictions if y.size else np.where(lost, np.nan, 0.0)[:, None], y if y.size else np.zeros(1), 1.0, how, rng)
        predicted_members[k] = x
        if y.size or analysis.failed.any():
            first = k + 1 if not smooth else 0 if lag is None else max(0, k + 1 - lag)
            history[k + 1] = x
            for j in range(first, k + 2):
                history[j] = _updated(analysis, history[j], bool(y.size))
            evidence[k] = _log_evidence(predictions[~analysis.failed], y)
        else:
            history[k + 1] = x
        failed[k] = analysis.failed.sum()
        analysed[k] = history[k + 1]
        if advance is not None:
            advance((k + 1) / number)
    return Filtered(predicted_members, analysed, history[1:], history[0], failed, evidence)


def _updated(analysis: Analysis, members: NDArray, seen: bool) -> NDArray:
    found = analysis(members)
    if not seen:
        found[~analysis.failed] = members[~analysis.failed]
    return found


def _log_evidence(predictions: NDArray, observed: Vector) -> float:
    if not observed.size:
        return 0.0
    middle = predictions.mean(axis=0)
    s, residual = (predictions - middle) / np.sqrt(len(predictions) - 1.0), observed - middle
    values, vectors = np.linalg.eigh(s @ s.T)
    values = np.maximum(values, 0.0)
    known = vectors.T @ (s @ residual)
    quadratic = residual @ residual - np.sum(known**2 / (1.0 + values))
    return float(-0.5 * (quadratic + np.sum(np.log1p(values))))
