"""Profile likelihood: how much worse the best fit becomes as one parameter is moved and all others follow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import minimize
from scipy.stats import chi2

from lsm_bayes.graphs import COMPILED
from lsm_bayes.inference.compiled import flat_outputs
from lsm_bayes.inference.flat import Vector
from lsm_bayes.inference.laplace import factor, hessian
from lsm_bayes.inference.point import Density, as_density

from .varied import label_of

REACH = 3.0
"""How far to go on either side, in prior sd from the prior mean."""
FLAT = 0.1
"""Nats: a profile that falls less over the whole reach says that the observations do not see the parameter at all."""


@dataclass(frozen=True)
class Profiles:
    """Profiles of parameters, and what they say.

    Attributes
    ----------
    table : pandas.DataFrame
        Index: parameter. ``low``, ``high``: confidence interval in the unconstrained coordinate, NaN on a side where the threshold is not
        reached; ``low_value``, ``high_value``: the same in the unit of the parameter, where it is one of the model's variables;
        ``fall_low``, ``fall_high``: nats lost at the ends of the profile; ``verdict``.
    curves : dict of str to xarray.Dataset
        Dim ``point``: ``coordinate``, ``fall`` (nats below the best), ``value``, and ``position`` of the refitted others.
    threshold : float
        Nats: half the quantile of chi-squared with one degree of freedom.
    evaluations : int
        Gradient evaluations spent.
    interrupted : bool
        True when not all were finished.
    """

    table: pd.DataFrame
    curves: dict[str, xr.Dataset]
    threshold: float
    evaluations: int
    interrupted: bool = False


def profile(
    model: pm.Model | Density,
    position: Vector,
    names: list[str] | None = None,
    *,
    level: float = 0.95,
    points: int = 12,
    max_evaluations: int = 200,
    progress: bool = False,
) -> Profiles:
    """Profile parameters one at a time, refitting all others with gradients from where the last point left them.

    The prior density of the parameter itself is taken out, so that a flat profile means that the observations are silent; the others keep
    theirs, without which a sum would be profiled of which no part is known. Thresholds are those of the likelihood ratio (Raue et al.
    2009, doi 10.1093/bioinformatics/btp358): a parameter that does not reach it on either side within three prior sd is practically not
    identifiable.

    Parameters
    ----------
    model : pymc.Model or Density
        The model.
    position : numpy.ndarray
        Its mode, ``find_modes(...).positions[0]``, shape (dimension,).
    names : list of str, optional
        Which, by label of the flat vector, or by name of the parameter for ``z`` of `build_model`; default all ``z``, else everything.
    level : float
        Of the confidence interval.
    points : int
        Most steps on either side.
    max_evaluations : int
        Most gradients for one point.
    progress : bool
        Whether to show a bar. After an interrupt the finished parameters are returned.

    Returns
    -------
    Profiles
        Table, curves and threshold.

    Raises
    ------
    ValueError
        For unknown names, or where the position has no finite log-density.
    """
    density = as_density(model)
    labels = [label_of(density, i) for i in range(density.dimension)]
    coordinates = [i for n, s in density.slices.items() if n == "z" or n.startswith("z_") for i in range(s.start, s.stop)]
    chosen = coordinates or list(range(density.dimension))
    if names is not None:
        strange = [n for n in names if n not in labels and n not in density.labels]
        if strange:
            raise ValueError(f"unknown parameters {strange}; there are {', '.join(labels)}")
        chosen = [labels.index(n) if n in labels else density.labels.index(n) for n in names]
    if not np.isfinite(density(position)[0]):
        raise ValueError("the position has no finite log-density; give the position of a mode")
    own, limits = _own_prior(density), _limits(density)
    curvature = hessian(density, position)
    began, curves, interrupted = density.evaluations, {}, False
    try:
        for i in track(chosen, description="profiles", disable=not progress, transient=True):
            walk = _Walk(density, own, i, curvature, max_evaluations)
            curves[labels[i]] = walk.both_sides(np.asarray(position, dtype=float), limits[i], chi2.ppf(level, 1) / 2, points)
    except KeyboardInterrupt:
        interrupted = True
    threshold = float(chi2.ppf(level, 1) / 2)
    rows = {}
    for name, curve in curves.items():
        curve.attrs |= {"threshold": threshold, "parameter": name}
        values = density.expand(curve["position"].values)
        if name in values and values[name].ndim == 1:
            curve["value"] = ("point", values[name])
        rows[name] = _row(curve, threshold)
    return Profiles(pd.DataFrame.from_dict(rows, orient="index"), curves, threshold, density.evaluations - began, interrupted)


class _Walk:
    """From the mode outwards along one coordinate, the others refitted at each step."""

    def __init__(self, density: Density, own: Any, index: int, curvature: NDArray, most: int) -> None:
        self._density, self._own, self._index, self._most = density, own, index, most
        self._rest = np.delete(np.arange(density.dimension), index)
        self._scale, _, _, _ = factor(curvature[np.ix_(self._rest, self._rest)])
        self._follow = -self._scale @ (self._scale.T @ curvature[self._rest, index])
        remaining = curvature[index, index] + curvature[index, self._rest] @ self._follow
        self._sd = 1 / np.sqrt(remaining) if remaining > 0 else 1.0

    def both_sides(self, mode: Vector, limits: tuple[float, float], threshold: float, points: int) -> xr.Dataset:
        best = self._refit(mode)
        found = [
            best,
            *(p for side, limit in zip((-1.0, 1.0), limits, strict=True) for p in self._side(best, side, limit, threshold, points)),
        ]
        found.sort(key=lambda f: f[0][self._index])
        values, positions = np.array([v for _, v in found]), np.stack([x for x, _ in found])
        variables = {
            "coordinate": ("point", positions[:, self._index]),
            "fall": ("point", values.max() - values),
            "position": (("point", "unconstrained"), positions),
        }
        return xr.Dataset(variables, attrs={"method": "profile"})

    def _side(self, best: tuple[Vector, float], side: float, limit: float, threshold: float, points: int) -> list[tuple[Vector, float]]:
        (at, value), step, found = best, 0.5 * min(self._sd, 1.0), []
        for k in range(points):
            room = side * (limit - at[self._index])
            if room <= 1e-9 or best[1] - value > 1.5 * threshold:
                break
            # The last point reaches the limit, wherever the walk has come to.
            size = room if k == points - 1 else min(step, room)
            moved, new = self._refit(self._moved(at, side * size, 1.0))
            if not np.isfinite(new):
                moved, new = self._refit(self._moved(at, side * size, 0.0))
            if not np.isfinite(new):
                break
            change = abs(new - value)
            step = size * (2.0 if change < 0.15 * threshold else 0.5 if change > threshold else 1.0)
            at, value = moved, new
            found.append((at, value))
        return found

    def _moved(self, at: Vector, step: float, follow: float) -> Vector:
        """Start of the next point: the others follow as they would in the quadratic at the mode, or stay."""
        start = at.copy()
        start[self._index] += step
        start[self._rest] += follow * step * self._follow
        return start

    def _target(self, x: Vector) -> tuple[float, Vector]:
        value, gradient = self._density(x)
        if not np.isfinite(value):
            return value, gradient
        prior, slope = self._own(x, self._index)
        return value - float(prior), gradient - slope

    def _refit(self, start: Vector) -> tuple[Vector, float]:
        value, _ = self._target(start)
        if not np.isfinite(value):
            return start, -np.inf

        def place(y: Vector) -> Vector:
            x = start.copy()
            x[self._rest] += self._scale @ y
            return x

        def objective(y: Vector) -> tuple[float, Vector]:
            found, gradient = self._target(place(y))
            ok = np.isfinite(found)
            return (-found, -self._scale.T @ gradient[self._rest]) if ok else (1e10 + abs(value), np.zeros(y.size))

        options = {"maxfun": self._most, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-3}
        result = minimize(objective, np.zeros(self._rest.size), jac=True, method="L-BFGS-B", options=options)
        return (place(result.x), -float(result.fun)) if -result.fun > value else (start, value)


def _own_prior(density: Density) -> Any:
    """Log prior density of one element, with its gradient, as a function of the flat vector and of its index."""
    model = density.model
    terms = [pt.as_tensor(model.logp(vars=[rv], sum=False)[0], allow_xtensor_conversion=True) for rv in model.free_RVs]
    flat, found = flat_outputs(model, terms)
    parts = []
    for term, (name, where) in zip(found, density.slices.items(), strict=True):
        size = where.stop - where.start
        # A joint prior of several elements cannot be taken out for one of them.
        parts.append(pt.broadcast_to(term, density.shapes[name]).ravel() if term.ndim == len(density.shapes[name]) else pt.zeros(size))
    index = pt.iscalar("index")
    chosen = pt.concatenate(parts)[index]
    return pytensor.function([flat, index], [chosen, pt.grad(chosen, flat, disconnected_inputs="ignore")], mode=COMPILED)


def _limits(density: Density) -> list[tuple[float, float]]:
    """Three prior sd from the prior mean, on the unconstrained scale; wide for what has an improper prior."""
    drawn = density.prior_positions(500, np.random.default_rng(0))
    mean, sd = np.median(drawn, axis=0), np.diff(np.quantile(drawn, [0.1587, 0.8413], axis=0), axis=0)[0] / 2
    return [(float(m - REACH * s), float(m + REACH * s)) for m, s in zip(mean, sd, strict=True)]


def _row(curve: xr.Dataset, threshold: float) -> dict[str, Any]:
    fall, at = curve["fall"].values, curve["coordinate"].values
    best = int(np.argmin(fall))
    low, high = _crossing(at[: best + 1][::-1], fall[: best + 1][::-1], threshold), _crossing(at[best:], fall[best:], threshold)
    row: dict[str, Any] = {"low": low, "high": high, "fall_low": float(fall[0]), "fall_high": float(fall[-1])}
    if "value" in curve:
        row |= {
            f"{n}_value": float(np.interp(v, at, curve["value"].values)) if np.isfinite(v) else np.nan
            for n, v in (("low", low), ("high", high))
        }
    closed = [np.isfinite(v) for v in (low, high)]
    if all(closed):
        verdict = "identifiable"
    elif any(closed):
        verdict = f"bounded from {'below' if closed[0] else 'above'} only"
    else:
        verdict = "not seen by the observations" if fall.max() < FLAT else "practically not identifiable"
    return row | {"verdict": verdict}


def _crossing(at: NDArray, fall: NDArray, threshold: float) -> float:
    """Where a branch first rises through the threshold; linear in the root of the fall, which is exact for a parabola."""
    above = np.flatnonzero(fall >= threshold)
    if not above.size or above[0] == 0:
        return float("nan")
    k, root = int(above[0]), np.sqrt(np.maximum(fall, 0.0))
    share = (np.sqrt(threshold) - root[k - 1]) / max(root[k] - root[k - 1], 1e-12)
    return float(at[k - 1] + share * (at[k] - at[k - 1]))
