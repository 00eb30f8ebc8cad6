"""The Kalman analysis of an ensemble, in the space that its members span: perturbed observations or a square root.

Observations and predictions are whitened (errors independent, unit variance), so the analysis costs matrices of members by members
however many observations there are. The map from forecast to analysis can be applied to anything that the members carry.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..flat import Vector
from .localisation import taper_by_correlation

FEWEST = 3
"""Members without which there is no analysis."""


@dataclass(frozen=True)
class EnsembleUpdate:
    """How an ensemble is updated.

    Parameters
    ----------
    kind : {"square_root", "perturbed"}
        Symmetric square root (the transform of Hunt et al. 2007, doi 10.1016/j.physd.2006.11.008), exact for the mean and covariance of the
        ensemble; or observations perturbed by draws of their errors (Burgers et al. 1998), which adds sampling noise.
    taper : array of shape (d, M), or "correlation", optional
        Weight of each observation for each element, 0 to 1: it divides the variance of the error (Hunt et al. 2007). From
        `taper_by_distance` or `taper_by_dependence`; ``"correlation"`` is `taper_by_correlation` at each update.
    inflation : float
        Factor of the forecast anomalies of members and predictions, 1 for none.
    relaxation : float
        Share, 0 to 1, of the lost standard deviation that each element is given back (Whitaker and Hamill 2012,
        doi 10.1175/MWR-D-11-00276.1, equation 2).

    Raises
    ------
    ValueError
        For values that are not accepted.
    """

    kind: Literal["square_root", "perturbed"] = "square_root"
    taper: NDArray | Literal["correlation"] | None = None
    inflation: float = 1.0
    relaxation: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("square_root", "perturbed"):
            raise ValueError(f"got the update {self.kind!r}; accepted are 'square_root' and 'perturbed'")
        if isinstance(self.taper, str) and self.taper != "correlation":
            raise ValueError(f"got the taper {self.taper!r}; accepted are an array (elements, observations), 'correlation' and None")
        if not isinstance(self.taper, str) and self.taper is not None and not (np.min(self.taper) >= 0 and np.max(self.taper) <= 1):
            raise ValueError("the weights of a taper lie between 0 and 1")
        if not (self.inflation > 0 and 0 <= self.relaxation <= 1):
            raise ValueError(f"inflation is positive and relaxation between 0 and 1, got {self.inflation:g} and {self.relaxation:g}")

    def describe(self) -> dict[str, object]:
        """Say what was chosen, for the attributes of a result."""
        taper = self.taper if isinstance(self.taper, str) or self.taper is None else f"weights of shape {np.shape(self.taper)}"
        return {"update": self.kind, "taper": taper, "inflation": self.inflation, "relaxation": self.relaxation}


def as_update(update: "EnsembleUpdate | str") -> EnsembleUpdate:
    """Return an update of that kind, or the update itself."""
    return update if isinstance(update, EnsembleUpdate) else EnsembleUpdate(update)  # type: ignore[arg-type]


class Analysis:
    """One analysis: made from predictions and observations, applied to columns of the members.

    Members whose predictions are not finite take no part; each is replaced by a draw from the normal distribution of the others after
    the analysis, with the same random weights in all columns.

    Parameters
    ----------
    predicted : numpy.ndarray
        Whitened predictions, shape (N, M); NaN rows for failed members.
    observed : numpy.ndarray
        Whitened observations, shape (M,).
    variance : float
        Variance of the whitened errors: 1, or more where the observations are used in parts.
    update : EnsembleUpdate
        How.
    rng : numpy.random.Generator
        Source of perturbations and of replacements.
    centre : numpy.ndarray, optional
        Prediction of the mean member, shape (M,), in place of the mean of predictions.

    Attributes
    ----------
    failed : numpy.ndarray of bool
        Which members failed, shape (N,).

    Raises
    ------
    RuntimeError
        If fewer than `FEWEST` members have predictions.
    """

    def __init__(
        self,
        predicted: NDArray,
        observed: Vector,
        variance: float,
        update: EnsembleUpdate,
        rng: np.random.Generator,
        centre: Vector | None = None,
    ) -> None:
        self.failed = ~np.isfinite(predicted).all(axis=1)
        self._good = predicted[~self.failed]
        number = len(self._good)
        if number < FEWEST:
            raise RuntimeError(
                f"{self.failed.sum()} of {len(predicted)} members failed, and an analysis needs {FEWEST}; give more members, or priors "
                "under which the model runs (sample_prior shows where it does not)"
            )
        self._update, self._variance = update, variance
        middle = self._good.mean(axis=0) if centre is None else centre
        self._s = update.inflation * (self._good - middle) / np.sqrt(number - 1.0)
        self._residual = observed - middle
        self._perturbations: NDArray | None = None
        if update.kind == "perturbed":
            # With mean zero the analysed mean is free of their noise.
            drawn = rng.standard_normal(self._good.shape)
            self._perturbations = np.sqrt(variance) * (drawn - drawn.mean(axis=0))
        self._lots = rng.standard_normal((int(self.failed.sum()), number)) / np.sqrt(number - 1.0)

    def _weights(self, taper: Vector | None) -> tuple[Vector, NDArray]:
        """Weights of the anomalies: in the mean, shape (n,), and in each new anomaly, shape (n, n)."""
        root = np.ones(self._residual.size) if taper is None else np.sqrt(taper)
        s, number = self._s * root, len(self._s)
        values, vectors = np.linalg.eigh(s @ s.T)
        values = np.maximum(values, 0.0)

        def solve(right: NDArray) -> NDArray:
            return vectors @ ((vectors.T @ right).T / (values + self._variance)).T

        mean = solve(s @ (root * self._residual))
        if self._perturbations is None:
            return mean, vectors @ (vectors.T / np.sqrt(1.0 + values / self._variance)[:, None])
        spread = s @ (self._perturbations - np.sqrt(number - 1.0) * s).T / np.sqrt(number - 1.0)
        return mean, np.eye(number) + solve(spread).T

    @cached_property
    def weights(self) -> tuple[Vector, NDArray]:
        """Without taper: weights of the anomalies in the mean, shape (n,), and in each new anomaly, shape (n, n)."""
        return self._weights(None)

    def __call__(self, columns: NDArray, taper: NDArray | None = None) -> NDArray:
        """Analyse what the members carry.

        Parameters
        ----------
        columns : numpy.ndarray
            Shape (N, k).
        taper : numpy.ndarray, optional
            Weights, shape (k, M), in place of those of the update.

        Returns
        -------
        numpy.ndarray
            Shape (N, k).

        Raises
        ------
        ValueError
            If the weights have another shape.
        """
        good = columns[~self.failed]
        number, mean = len(good), good.mean(axis=0)
        anomalies = self._update.inflation * (good - mean) / np.sqrt(number - 1.0)
        tapers = self._tapers(good, taper)
        if tapers is None:
            shift, mix = self.weights
            mean, spread = mean + shift @ anomalies, mix @ anomalies
        else:
            spread = np.empty_like(anomalies)
            mean = mean.copy()
            rows, which = np.unique(tapers, axis=0, return_inverse=True)
            for k, row in enumerate(rows):
                chosen = which.ravel() == k
                shift, mix = self._weights(row)
                mean[chosen] += shift @ anomalies[:, chosen]
                spread[:, chosen] = mix @ anomalies[:, chosen]
        if self._update.relaxation:
            before, after = (np.sqrt(np.sum(v**2, axis=0)) for v in (anomalies, spread))
            spread *= 1.0 + self._update.relaxation * (before - after) / np.where(after > 0, after, 1.0)
        found = np.empty_like(columns)
        found[~self.failed] = mean + np.sqrt(number - 1.0) * spread
        found[self.failed] = mean + np.sqrt(number - 1.0) * self._lots @ spread
        return found

    def _tapers(self, good: NDArray, taper: NDArray | None) -> NDArray | None:
        chosen = self._update.taper if taper is None else taper
        if chosen is None:
            return None
        if isinstance(chosen, str):
            return taper_by_correlation(good, self._good)
        if np.shape(chosen) != (good.shape[1], self._residual.size):
            raise ValueError(
                f"the taper has the shape {np.shape(chosen)}; {(good.shape[1], self._residual.size)} is needed: elements by observations"
            )
        return np.asarray(chosen, dtype=float)
