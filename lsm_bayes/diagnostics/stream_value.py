"""Which streams are worth having: the posterior that each subset of them would give, from expected information at one point.

Keenan et al. (2013, doi 10.1890/12-0747.1) calibrated with subsets of 17 streams and found that few of them held most of the
information. Here the posterior of a subset is the normal distribution whose precision is that of the prior plus the expected information
of its streams: one Jacobian, and a small matrix for each subset.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.diagnostics.information import Moments, expected_information, jacobian, refuse_unknown
from lsm_bayes.diagnostics.stream_subsets import StreamValue
from lsm_bayes.inference import Density
from lsm_bayes.inference.compiled import value_shapes

# Interpreted: a few hundred evaluations, and compiling would take longer.
_MODE = Mode("py", "fast_compile")


def stream_value(model: pm.Model | Density, position: np.ndarray, targets: Mapping[str, Any] | None = None) -> StreamValue:
    """Compute what each stream of a calibration says about parameters and targets.

    Normal approximation at one point: the posterior of the nonlinear model can be wider (curved ridges, several modes) or narrower
    (bounds). The point has to fit the observations roughly; their values enter only through it.

    Parameters
    ----------
    model : pymc.Model or Density
        From `lsm_bayes.calibration.build_model`, with all streams in question: existing ones, or planned ones with made-up values.
    position : numpy.ndarray
        Flat vector of the unconstrained variables, as ``find_modes(...).laplace[0].mode`` or ``Density.flatten`` gives it.
    targets : mapping of str to tensor, optional
        Scalars that the streams shall inform, as expressions of the model's variables: ``simulate(process_model, future,
        {n: model[n] for n in process_model.calibrated}, outputs=["nee"])["nee"].mean()``. Of a pool whose prior spans decades, give the
        logarithm: the normal approximation is in the unit of the target.

    Returns
    -------
    StreamValue
        Covariances, rankings and losses for any subset. Unknowns of the error model of a stream (spread, memory, bias, gain, discrepancy)
        are inferred with it. Constraints count where they bite: the curvature of potentials, without negative parts.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`, or a target is no scalar tensor.
    ValueError
        For a position of the wrong length, or at which a prediction is not finite, a target with the name of a parameter, and error models
        for which the information is not known.
    """
    model = model.model if isinstance(model, Density) else model
    c = calibration_of(model)
    for p in c.streams:
        refuse_unknown(p.stream.error_model)
    x = np.asarray(position, dtype="float64")
    shapes = value_shapes(model)
    size = sum(int(np.prod(s)) for s in shapes.values())
    if x.shape != (size,):
        raise ValueError(f"the position has the shape {x.shape}; the model has {size} unconstrained coordinates, so it has to be ({size},)")
    names = [n for n in c.declared if n not in c.fixed]
    given = {str(k): v for k, v in (targets or {}).items()}
    for name, target in given.items():
        if name in names:
            raise ValueError(f"target {name!r} has the name of a parameter; parameters are always reported, give it another name")
        if getattr(getattr(target, "type", None), "ndim", None) != 0:
            raise TypeError(f"target {name!r} is {target!r}, not a scalar tensor of the model's variables; take its mean or sum")
    laws = [model[p.name].owner.op.dist_params(model[p.name].owner) for p in c.streams]
    graphs = [*(v for law in laws for v in law), *(model[n] for n in names), *given.values()]
    flat = pt.vector("position", dtype="float64", shape=(size,))
    rows = _at(model, graphs, flat, shapes)
    run = pytensor.function([flat], rows, mode=_MODE, on_unused_input="ignore")
    start = [np.asarray(v, dtype=float) for v in run(x)]
    for name, value in zip([p.name for p in c.streams for _ in range(4)] + names + list(given), start, strict=True):
        if not np.isfinite(value).all():
            raise ValueError(f"{name!r} has predictions that are not finite at this position; give the position of a mode")
    slopes, differences = jacobian(lambda v: np.concatenate([np.ravel(o) for o in run(v)]), x)
    places = np.cumsum([v.size for v in start])[:-1]
    blocks = np.split(slopes, places)
    information, less = (_information(c, start, np.split(j, places)) for j in (slopes, slopes - differences))
    first = 4 * len(c.streams)
    labels = [label for n in names for label in _labels(model, n)]
    own = set(c.process_model.calibrated)
    kinds = ["parameter" if label.partition("[")[0] in own else "operator" for label in labels] + ["target"] * len(given)
    index = pd.Index([*labels, *given], name="quantity")
    prior = _prior_precision(model, x, flat, shapes)
    whole, other = (np.diag(sum(i.values(), prior)) for i in (information, less))
    return StreamValue(
        prior,
        information,
        pd.DataFrame(np.concatenate(blocks[first:]), index=index),
        pd.Series(kinds, index=index),
        pd.Series(np.concatenate([np.ravel(v) for v in start[first:]]), index=index),
        float(np.max(np.abs(whole - other) / whole)),
    )


def _information(c: Calibration, values: Sequence[np.ndarray], slopes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the expected information by stream from the four arguments of each likelihood and their slopes."""
    places = [(p, slice(4 * k, 4 * k + 4)) for k, p in enumerate(c.streams)]
    return {p.name: expected_information(_moments(values[k], slopes[k]), p.stream.error_model) for p, k in places}


def _moments(values: Sequence[np.ndarray], slopes: Sequence[np.ndarray]) -> Moments:
    """Spread what is the same for all observations over them."""
    n = max(v.size for v in values[:3])
    mean, sd, correlation = (np.broadcast_to(v.ravel(), (n,)) for v in values[:3])
    of_mean, of_sd, of_correlation = (np.broadcast_to(s, (n, s.shape[1])) for s in slopes[:3])
    return Moments(mean, sd, correlation, of_mean, of_sd, of_correlation, float(values[3].ravel()[0]))


def _pieces(model: pm.Model, flat: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[Any, Any]:
    """Value variables as parts of the flat vector."""
    found, start = {}, 0
    for rv in model.free_RVs:
        value = model.rvs_to_values[rv]
        end = start + int(np.prod(shapes[value.name]))
        found[value] = flat[start:end].reshape(shapes[value.name]).astype(value.dtype)
        start = end
    return found


def _at(model: pm.Model, graphs: Sequence[Any], flat: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[Any]:
    """Write graphs of random variables as functions of the flat vector."""
    replaced = model.replace_rvs_by_values([pt.as_tensor(g, allow_xtensor_conversion=True) for g in graphs])
    return list(graph_replace(replaced, _pieces(model, flat, shapes), strict=False))


def _labels(model: pm.Model, name: str) -> list[str]:
    dims = model.named_vars_to_dims.get(name, ())
    axes = [model.coords[d] for d in dims]
    return [f"{name}[{', '.join(map(str, i))}]" for i in product(*axes)] if dims else [name]


def _prior_precision(model: pm.Model, x: np.ndarray, flat: Any, shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    """Curvature of the prior of the variables, and of the potentials where that is positive."""
    density = model.logp(vars=model.free_RVs, sum=False)
    total = pt.add(0.0, *(pt.sum(d) for d in density))
    parts = [graph_replace([total], _pieces(model, flat, shapes), strict=False)[0]]
    if model.potentials:
        parts += [pt.add(0.0, *_at(model, [pt.sum(p) for p in model.potentials], flat, shapes))]
    slopes = pytensor.function([flat], [pytensor.grad(p, flat, disconnected_inputs="ignore") for p in parts], mode=_MODE)
    found = np.zeros((x.size, x.size))
    for k in range(len(parts)):
        curvature, _ = jacobian(lambda v, k=k: -slopes(v)[k], x)  # type: ignore[misc]
        curvature = 0.5 * (curvature + curvature.T)
        if k:
            eigenvalues, vectors = np.linalg.eigh(curvature)
            curvature = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
        found += curvature
    return found
