"""Global measures from gradients over the prior: bounds on Sobol indices, and active subspaces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track
from scipy.special import ndtri
from scipy.stats import norm, qmc

from .response import Response, as_response

FEWEST = 8


@dataclass(frozen=True)
class GradientSample:
    """Outputs and their gradients at points drawn from the prior.

    Attributes
    ----------
    response : Response
        What was asked.
    coordinates : numpy.ndarray
        Standard normal, shape (n, d).
    values : numpy.ndarray
        Shape (n, k).
    gradients : numpy.ndarray
        With respect to the coordinates, shape (n, k, d).
    failed : int
        Points at which a run or its derivative failed; they are left out.
    """

    response: Response
    coordinates: NDArray
    values: NDArray
    gradients: NDArray
    failed: int


def sample_gradients(model: Any, number: int = 256, *, seed: int = 0, progress: bool = False) -> GradientSample:
    """Run the adjoint at points of a scrambled Sobol sequence on the prior.

    Parameters
    ----------
    model : Response, pymc.Model or Density
        What is asked, from `response_of`; a model means the misfit (RMSE) of each stream.
    number : int
        Points, best a power of two; each takes one adjoint run an output.
    seed : int
        Seed.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    GradientSample
        For `dgsm` and `active_subspace`.

    Raises
    ------
    ValueError
        When fewer than eight points succeeded.
    """
    r = as_response(model)
    z = ndtri(np.clip(qmc.Sobol(r.size, rng=np.random.default_rng(seed)).random(number), 1e-12, 1 - 1e-12))
    k = len(r.table)
    values, slopes, done = np.full((number, k), np.nan), np.full((number, k, r.size), np.nan), number
    try:
        for i, row in enumerate(track(z, description="adjoint runs", disable=not progress, transient=True)):
            for j, weights in enumerate(np.eye(k)):
                values[i], slopes[i, j] = r.gradient(row, weights)
                if not np.isfinite(values[i]).all():
                    break
    except KeyboardInterrupt:
        done = i
        r.notes.append(f"interrupted after {i} of {number} points")
    good = np.isfinite(values).all(axis=1) & np.isfinite(slopes).all(axis=(1, 2))
    if good.sum() < FEWEST:
        raise ValueError(f"only {int(good.sum())} of {number} points have finite outputs and gradients; narrow the priors, or ask for more")
    return GradientSample(r, z[good], values[good], slopes[good], int(done - good[:done].sum()))


def dgsm(sample: GradientSample, *, resamples: int = 200, seed: int = 0) -> xr.Dataset:
    """Derivative-based global sensitivity measures, and the bound that they put on total Sobol indices.

    Sobol & Kucherenko (2009, doi 10.1016/j.matcom.2009.01.023): with nu the prior mean of the squared derivative and V the variance of the
    output, the total index of a uniform parameter on the unit interval is at most nu / (pi^2 V); of a standard normal one at most nu / V.
    Any parameter is a function of either, so that both bounds hold, and the smaller is given. A bound close to zero says that a
    parameter can be fixed; a large one says little.

    Parameters
    ----------
    sample : GradientSample
        From `sample_gradients`.
    resamples : int
        Of the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Dims ``output``, ``parameter``: ``nu_normal`` and ``nu_uniform`` (squared unit of the output), ``mean_absolute`` (mean size of the
        derivative with respect to the normal coordinate), ``bound``, and ``bound_low``, ``bound_high``, its 95 % bootstrap interval.
    """
    r, normal = sample.response, sample.gradients**2
    # The uniform coordinate is the normal distribution function of the other.
    uniform = normal / norm.pdf(sample.coordinates)[:, None, :] ** 2

    def bound(rows: NDArray) -> NDArray:
        variance = sample.values[rows].var(axis=0)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.minimum(normal[rows].mean(axis=0), uniform[rows].mean(axis=0) / np.pi**2) / variance

    n, rng = len(normal), np.random.default_rng(seed)
    low, high = np.quantile([bound(rng.integers(n, size=n)) for _ in range(resamples)], [0.025, 0.975], axis=0)
    variables = {
        "nu_normal": normal.mean(axis=0),
        "nu_uniform": uniform.mean(axis=0),
        "mean_absolute": np.abs(sample.gradients).mean(axis=0),
        "bound": bound(np.arange(n)),
        "bound_low": low,
        "bound_high": high,
    }
    counted = {"points": n, "failed_points": sample.failed}
    return r.dataset({m: (("output", "parameter"), v) for m, v in variables.items()}, method="dgsm", **counted)


def active_subspace(sample: GradientSample, *, resamples: int = 200, seed: int = 0) -> xr.Dataset:
    """Directions along which an output changes on average (Constantine 2015, doi 10.1137/1.9781611973860, chapter 3).

    Eigenvectors of the prior mean of the outer product of the gradient with itself, in the standard normal coordinates; the largest gap
    between eigenvalues gives the dimension. Activity scores weigh each parameter's part in these directions (Constantine & Diaz 2017).

    Parameters
    ----------
    sample : GradientSample
        From `sample_gradients`.
    resamples : int
        Of the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Dims ``output``, ``direction``, ``parameter``: ``eigenvalue`` (squared unit of the output) with ``eigenvalue_low`` and
        ``eigenvalue_high`` (95 % bootstrap interval), ``vector`` of unit length, ``share`` of the trace up to a direction, ``dimension`` of
        the active subspace, ``activity`` (output, parameter) within it.
    """
    r, g = sample.response, sample.gradients
    n, k, d = g.shape
    rng = np.random.default_rng(seed)

    def spectrum(rows: NDArray) -> tuple[NDArray, NDArray]:
        outer: NDArray = np.einsum("nki,nkj->kij", g[rows], g[rows]) / n
        values, vectors = np.linalg.eigh(outer)
        return np.maximum(values[:, ::-1], 0.0), np.swapaxes(vectors[:, :, ::-1], 1, 2)

    values, vectors = spectrum(np.arange(n))
    low, high = np.quantile([spectrum(np.asarray(rng.integers(n, size=n)))[0] for _ in range(resamples)], [0.025, 0.975], axis=0)
    # Eigenvalues below rounding are one another's equals: no gap is looked for among them.
    logs = np.log(np.maximum(values, 1e-12 * np.maximum(values[:, :1], 1e-300)))
    dimension = np.argmax(logs[:, :-1] - logs[:, 1:], axis=1) + 1 if d > 1 else np.ones(k, dtype=int)
    signs = np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=2)[..., None], axis=2))
    inside = np.arange(d)[None, :] < dimension[:, None]
    variables: dict[str, tuple[tuple[str, ...], NDArray]] = {
        "eigenvalue": (("output", "direction"), values),
        "eigenvalue_low": (("output", "direction"), low),
        "eigenvalue_high": (("output", "direction"), high),
        "share": (("output", "direction"), np.cumsum(values, axis=1) / np.maximum(values.sum(axis=1, keepdims=True), 1e-300)),
        "vector": (("output", "direction", "parameter"), vectors * signs),
        "dimension": (("output",), dimension),
        "activity": (("output", "parameter"), np.einsum("kj,kji->ki", np.where(inside, values, 0.0), vectors**2)),
    }
    counted = {"points": n, "failed_points": sample.failed}
    return r.dataset(variables, method="active_subspace", **counted).assign_coords(direction=np.arange(d))
