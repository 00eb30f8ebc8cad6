"""A PyMC model as an inverse problem with normal errors: what ensemble and variational methods need beside the log-density.

Observations ``y = G(x) + e`` with ``e ~ N(0, R)`` and a prior ``x ~ N(m, B)``. Predictions and observations are given whitened, multiplied
by the inverse of a square root of R, so that their errors are independent and of unit variance.

What is approximate here, and is said in `InverseProblem.notes`: the parameters of the error models (sd, correlation) are held at given
values; priors that are not normal on the unconstrained scale are replaced by normal ones of the same mean and covariance; potentials, such
as constraints, are left out. Methods that use the log-density of the model itself see none of these.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import pushforward
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.extra_ops import CumOp

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.graphs import COMPILED

from .compiled import flat_outputs
from .flat import IMPROPER, Vector
from .log_density import LogDensity

PRIOR_DRAWS = 4000
"""From which moments of priors that are not normal are taken."""


class InverseProblem(LogDensity):
    """Predictions, observations, prior and errors of a model.

    Parameters
    ----------
    model : pymc.Model
        Its observed variables are ``Normal``, ``MvNormal``, or streams of `lsm_bayes.build_model` whose errors are normal, independent or
        AR(1).
    hold : mapping of str to array, optional
        Values, constrained, of free variables at which these are held; those of the error models where nothing else is said are held at
        their default starting values, which is rarely what is meant: take them from a fit.
    around : numpy.ndarray, optional
        Flat unconstrained vector, such as that of a mode, in place of the default starting values: where errors are read, and where what
        predictions do not depend on is held.
    cores : int
        Runs of an external model at a time.

    Attributes
    ----------
    names : list of str
        Label of each active element: those of the flat vector on which predictions depend and that are not held.
    active : numpy.ndarray of int
        Where these are in the flat vector.
    base : numpy.ndarray
        Flat vector whose other elements hold, shape (dimension,).
    observed : numpy.ndarray
        Whitened observations, shape (M,).
    log_normaliser : float
        Log-density of the errors at zero whitened residuals, nats.
    forward_runs, failures, tangent_runs, adjoint_runs : int
        What was asked for so far; failures are forward runs without finite predictions.
    notes : list of str
        What is approximate.

    Raises
    ------
    ValueError
        If an observed variable has other errors, a name is unknown or nothing is left to infer.
    """

    def __init__(self, model: pm.Model, hold: Mapping[str, object] | None = None, *, around: Vector | None = None, cores: int = 1) -> None:
        super().__init__(model, cores=cores)
        hold = dict(hold or {})
        unknown = set(hold) - set(self.slices)
        if unknown:
            raise ValueError(f"cannot hold {sorted(unknown)}: the free variables are {', '.join(self.slices)}")
        if not model.observed_RVs:
            raise ValueError("the model has no observed variable, so there is nothing to assimilate")
        self.notes: list[str] = []
        self.tangent_runs = self.adjoint_runs = 0
        parts = [_moments_of(model, rv) for rv in model.observed_RVs]
        means = model.replace_rvs_by_values([p[0] for p in parts])
        shapes = model.replace_rvs_by_values([v for p in parts for v in p[1:]])
        self._position, outputs = flat_outputs(model, [*means, *shapes])
        self._means, spreads = [v.ravel() for v in outputs[: len(means)]], outputs[len(means) :]
        self.base = self._starting(hold, around)
        inside = set(ancestors(means))
        seen = [rv.name for rv in model.free_RVs if model.rvs_to_values[rv] in inside and rv.name not in hold]
        if not seen:
            raise ValueError(f"no prediction depends on a free variable that is not held ({', '.join(hold) or 'none is'})")
        self.active = np.concatenate([np.arange(self.slices[n].start, self.slices[n].stop) for n in seen])
        self.names = [self.labels[i] for i in self.active]
        guessed = [n for n in self.slices if n not in seen and n not in hold]
        if guessed and around is None:
            self.notes.append(f"held at default starting values: {', '.join(guessed)}")
        if model.potentials:
            self.notes.append(f"potentials are left out: {', '.join(v.name for v in model.potentials)}")
        self._note_errors_that_vary(model, shapes, seen, around is not None)
        self._whiteners = self._read_errors(spreads)
        counts = [w.size for w in self._whiteners]
        self._cuts = np.cumsum(counts)[:-1]
        values = [np.ravel(np.asarray(model.rvs_to_values[rv].eval(), dtype=float)) for rv in model.observed_RVs]
        self.observed = self.whiten(np.concatenate(values))
        self.log_normaliser = float(sum(w.log_normaliser for w in self._whiteners))

    def _starting(self, hold: Mapping[str, object], around: Vector | None) -> Vector:
        point = self.model.initial_point(0)
        base = np.concatenate([np.ravel(point[self.value_names[n]]) for n in self.slices]).astype("float64")
        if around is not None:
            if np.shape(around) != base.shape:
                raise ValueError(f"around has shape {np.shape(around)}; give a flat unconstrained vector of shape {base.shape}")
            base = np.array(around, dtype="float64")
        if hold:
            values = self.expand(base)
            flat = self.flatten({n: hold.get(n, values[n]) for n in self.slices})
            for n in hold:
                base[self.slices[n]] = flat[self.slices[n]]
        return base

    def _note_errors_that_vary(self, model: pm.Model, shapes: list[Variable], seen: list[str], given: bool) -> None:
        found = set(ancestors(shapes))
        varying = [n for n in seen if model.rvs_to_values[model[n]] in found]
        if varying:
            where = "around the given position" if given else "at starting values"
            self.notes.append(f"the errors depend on {', '.join(varying)}, and are taken as they are {where}")

    def _read_errors(self, spreads: list[Variable]) -> list["_Whitener"]:
        function = pytensor.function([self._position], spreads, mode=COMPILED, on_unused_input="ignore")
        values, sizes = iter(function(self.base)), [int(v.type.shape[0] or 0) for v in self._means]
        if not all(sizes):
            sizes = [len(v) for v in self._forward(self.base)]
        found = []
        for rv, size in zip(self.model.observed_RVs, sizes, strict=True):
            if rv.owner.op.name == "multivariate_normal":
                found.append(_Whitener.dense(next(values), size))
            elif rv.owner.op.name == "normal":
                found.append(_Whitener.chain(next(values), np.zeros(size), size))
            else:
                found.append(_Whitener.chain(next(values), next(values), size))
            found[-1].check(rv.name)
        return found

    @cached_property
    def _forward(self) -> Callable[[Vector], list[Vector]]:
        function = pytensor.function([self._position], self._means, mode=COMPILED, on_unused_input="ignore")
        function.trust_input = True
        return function

    @cached_property
    def _tangent(self) -> Callable[[Vector, Vector], list[Vector]]:
        direction = pt.tensor("direction", dtype="float64", shape=(self.dimension,))
        # PyTensor's cumulative sum, in the means of periods, has no pushforward. One at a time: a sum within a sum is replaced with it.
        means = self._means
        while sums := [v for v in ancestors(means) if v.owner is not None and type(v.owner.op) is CumOp and v.owner.op.mode == "add"]:
            means = graph_replace(means, {sums[0]: _RunningSum(sums[0].owner.op.axis)(sums[0].owner.inputs[0])}, strict=False)
        moved = pushforward(means, [self._position], [direction], use_op_pushforward=True)
        return pytensor.function([self._position, direction], moved, mode=COMPILED, on_unused_input="ignore")

    @cached_property
    def _adjoint(self) -> Callable[..., tuple[Vector, ...]]:
        weights = [pt.vector(f"weight_{i}") for i in range(len(self._means))]
        total = pt.sum([pt.sum(w * m) for w, m in zip(weights, self._means, strict=True)])
        gradient = pt.grad(total, self._position)
        return pytensor.function([self._position, *weights], [*self._means, gradient], mode=COMPILED, on_unused_input="ignore")

    @property
    def streams(self) -> dict[str, slice]:
        """Where the observations of each observed variable lie in the whitened vector."""
        ends = [*self._cuts.tolist(), self.observed.size]
        names = [rv.name for rv in self.model.observed_RVs]
        return {n: slice(a, b) for n, a, b in zip(names, [0, *ends[:-1]], ends, strict=True)}

    @property
    def size(self) -> int:
        """Number of active elements d."""
        return self.active.size

    def positions(self, x: NDArray) -> NDArray:
        """Flat unconstrained vectors of active elements.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (..., d).

        Returns
        -------
        numpy.ndarray
            Shape (..., dimension), the other elements as they are held.
        """
        x = np.asarray(x, dtype="float64")
        found = np.broadcast_to(self.base, (*x.shape[:-1], self.dimension)).copy()
        found[..., self.active] = x
        return found

    def whiten(self, values: NDArray) -> NDArray:
        """Multiply by the inverse square root of R.

        Parameters
        ----------
        values : numpy.ndarray
            Predictions, observations or residuals, shape (..., M).

        Returns
        -------
        numpy.ndarray
            Shape (..., M).
        """
        parts = np.split(np.asarray(values, dtype=float), self._cuts, axis=-1)
        return np.concatenate([w(v) for w, v in zip(self._whiteners, parts, strict=True)], axis=-1)

    def predict(self, x: NDArray) -> NDArray:
        """Run the model.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (..., d).

        Returns
        -------
        numpy.ndarray
            Whitened predictions, shape (..., M); a run that failed is a row of NaN, counted in ``failures``.
        """
        x = np.asarray(x, dtype="float64")
        rows = self.positions(x.reshape(-1, self.size))
        external = getattr(self.model, "external", None)
        if external is not None:
            external.run_ahead(self.expand(rows), cores=self.cores)
        found = np.full((len(rows), self.observed.size), np.nan)
        for i, row in enumerate(rows):
            try:
                values = np.concatenate(self._forward(row))
            except (ArithmeticError, np.linalg.LinAlgError):
                continue
            if np.all(np.isfinite(values)):
                found[i] = self.whiten(values)
        self.forward_runs += len(rows)
        self.failures += int(np.isnan(found).any(axis=1).sum())
        return found.reshape(*x.shape[:-1], -1)

    def tangent(self, x: Vector, direction: Vector) -> Vector:
        """Differentiate whitened predictions along a direction (the tangent-linear model).

        Parameters
        ----------
        x, direction : numpy.ndarray
            Shape (d,).

        Returns
        -------
        numpy.ndarray
            Shape (M,).
        """
        self.tangent_runs += 1
        full = np.zeros(self.dimension)
        full[self.active] = direction
        return self.whiten(np.concatenate(self._tangent(self.positions(x), full)))

    def jacobian(self, x: Vector) -> NDArray:
        """Differentiate whitened predictions, with one tangent run for each active element.

        Parameters
        ----------
        x : numpy.ndarray
            Shape (d,).

        Returns
        -------
        numpy.ndarray
            Shape (M, d).
        """
        return np.stack([self.tangent(x, e) for e in np.eye(self.size)], axis=1)

    def adjoint(self, x: Vector, weights: Vector) -> Vector:
        """Transposed derivative of whitened predictions times weights (the adjoint model).

        Parameters
        ----------
        x : numpy.ndarray
            Shape (d,).
        weights : numpy.ndarray
            Shape (M,).

        Returns
        -------
        numpy.ndarray
            Shape (d,).
        """
        self.adjoint_runs += 1
        parts = np.split(np.asarray(weights, dtype=float), self._cuts)
        raw = [w.transposed(v) for w, v in zip(self._whiteners, parts, strict=True)]
        return self._adjoint(self.positions(x), *raw)[-1][self.active]

    @cached_property
    def prior(self) -> tuple[Vector, NDArray]:
        """Mean, shape (d,), and covariance B, shape (d, d), of the prior of the active elements.

        Exact for independent normal priors with constant parameters; otherwise moments of draws, which `notes` then says.

        Raises
        ------
        ValueError
            For improper priors.
        """
        improper = [rv.name for rv in self.model.free_RVs if rv.owner.op.name in IMPROPER]
        if improper:
            raise ValueError(f"the priors of {', '.join(improper)} are improper; give them proper ones")
        mean, sd = np.zeros(self.dimension), np.full(self.dimension, np.nan)
        for rv in self.model.free_RVs:
            normal = rv.owner.op.name == "normal" and self.model.rvs_to_transforms[rv] is None
            given = rv.owner.op.dist_params(rv.owner) if normal else []
            if normal and all(isinstance(v, Constant) for v in ancestors(given) if v.owner is None):
                where, shape = self.slices[rv.name], self.shapes[rv.name]
                mean[where], sd[where] = (np.ravel(np.broadcast_to(v.eval(), shape)) for v in given)
        mean, sd = mean[self.active], sd[self.active]
        exact = np.isfinite(sd)
        if exact.all():
            return mean, np.diag(sd**2)
        drawn = self.prior_draws(PRIOR_DRAWS, np.random.default_rng(0))
        self.notes.append(f"prior taken as normal with the moments of {PRIOR_DRAWS} draws: {', '.join(np.array(self.names)[~exact])}")
        covariance = np.atleast_2d(np.cov(drawn, rowvar=False))
        covariance[exact] = 0.0
        covariance[:, exact] = 0.0
        covariance[exact, exact] = sd[exact] ** 2
        return np.where(exact, mean, drawn.mean(axis=0)), covariance

    def prior_draws(self, number: int, rng: np.random.Generator) -> NDArray:
        """Draw active elements from the prior itself, shape (number, d)."""
        return self.prior_positions(number, rng)[:, self.active]

    def cost(self) -> dict[str, Any]:
        """Say what was spent so far, for the root attribute ``cost`` of a result."""
        return super().cost() | {"tangent_runs": self.tangent_runs, "adjoint_runs": self.adjoint_runs}


def as_problem(model: "pm.Model | InverseProblem") -> InverseProblem:
    """Prepare a model, or pass on an `InverseProblem` as it is.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to infer.

    Returns
    -------
    InverseProblem
        The inverse problem.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(model, InverseProblem):
        return model
    if isinstance(model, pm.Model):
        return InverseProblem(model)
    raise TypeError(f"Got {type(model).__name__}; give a pymc.Model, or an InverseProblem made of one.")


def _moments_of(model: pm.Model, rv: Variable) -> tuple[Variable, ...]:
    """Mean of an observed variable, and what gives the covariance of its errors."""
    op, name = rv.owner.op, rv.owner.op.name
    if name in {"normal", "multivariate_normal"}:
        mean, spread = op.dist_params(rv.owner)
        return pt.broadcast_to(mean, rv.shape) if name == "normal" else mean, spread
    if getattr(model, "external", None) is not None:
        # Streams of build_external_model are AR(1) or independent, all others have been dealt with.
        mean, sd, correlation, *_ = op.dist_params(rv.owner)
        return mean, sd, correlation
    calibration = getattr(model, "calibration", None)
    if isinstance(calibration, Calibration):
        error = next(p.stream.error_model for p in calibration.streams if p.name == rv.name)
        if error.other_innovations is None and error.matern is None and not error.dependences:
            mean, sd, correlation, *_ = op.dist_params(rv.owner)
            return mean, sd, correlation
    raise ValueError(
        f"the errors of {rv.name!r} are not normal with independent or AR(1) errors; ensemble and variational methods take Normal, "
        "MvNormal, or streams of build_model without heavy tails, other distributions, Matérn processes or errors shared with others"
    )


class _RunningSum(CumOp):
    """A cumulative sum with a pushforward."""

    def pushforward(self, inputs: Any, outputs: Any, tangents: Any) -> Any:
        """Sum the tangents, for the sum is linear."""
        return [self(tangents[0])]


class _Whitener:
    """Inverse square root of a block of R."""

    def __init__(self, size: int, sd: Vector, correlation: Vector, factor: NDArray | None) -> None:
        self.size, self._sd, self._correlation, self._factor = size, sd, correlation, factor
        self._width = np.sqrt(1.0 - correlation**2)
        logs = np.log(sd) + np.log(self._width) if factor is None else np.log(np.diag(factor))
        self.log_normaliser = float(-np.sum(logs) - 0.5 * size * np.log(2.0 * np.pi))

    @classmethod
    def chain(cls, sd: Any, correlation: Any, size: int) -> "_Whitener":
        """Errors that depend on the one before."""
        return cls(size, np.broadcast_to(np.ravel(sd), size), np.broadcast_to(np.ravel(correlation), size), None)

    @classmethod
    def dense(cls, covariance: Any, size: int) -> "_Whitener":
        """Any covariance."""
        return cls(size, np.ones(size), np.zeros(size), np.linalg.cholesky(np.asarray(covariance, dtype=float)))

    def check(self, name: str) -> None:
        """Refuse errors that no number can be divided by."""
        if not (np.all(np.isfinite(self._sd)) and np.all(self._sd > 0) and np.all(np.isfinite(self._width)) and np.all(self._width > 0)):
            raise ValueError(f"an sd of the errors of {name!r} is not positive and finite, or a correlation is 1 in size, where it is held")

    def __call__(self, values: NDArray) -> NDArray:
        if self._factor is not None:
            return np.linalg.solve(self._factor, values.reshape(-1, self.size).T).T.reshape(values.shape)
        standard = values / self._sd
        before = np.concatenate([np.zeros_like(standard[..., :1]), standard[..., :-1]], axis=-1)
        return (standard - self._correlation * before) / self._width

    def transposed(self, weights: Vector) -> Vector:
        """Transpose of the map."""
        if self._factor is not None:
            return np.linalg.solve(self._factor.T, weights)
        scaled = weights / self._width
        after = np.concatenate([(self._correlation * scaled)[1:], [0.0]])
        return (scaled - after) / self._sd
