"""The public battery: `check_process_model` verifies everything that is derived from a declared step.

Run it on a model of your own as scikit-learn's ``check_estimator`` is run on an estimator; the tests run it on every file
in ``lsm_bayes/land``.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.gradient import pushforward

from lsm_bayes.declare import ProcessModel
from lsm_bayes.lanes import WIDTHS
from lsm_bayes.nested import nested_program
from lsm_bayes.oracles import differences, extrapolated_derivative, inside, plausible_forcing, scan_gradient
from lsm_bayes.programs import program
from lsm_bayes.trajectory import Trajectory, columns_of

LIMITS = {
    "gradient_against_differences": 1e-6,
    "gradient_against_scan": 1e-6,
    "values_against_scan": 1e-9,
    "dot_product": 1e-10,
    "budgets": 1e-9,
    "two_half_runs": 1e-12,
    "batch_against_loop": 1e-12,
    "lanes_against_loop": 1e-12,
    "compiled_against_perform": 1e-12,
    "checkpointed_against_plain": 1e-10,
    "nan_not_propagated": 0.0,
    "nan_leaks_to_the_past": 0.0,
}
NEGLIGIBLE = 1e-9  # of the largest output: a difference of two such numbers has few digits
EPSILON = float(np.finfo(float).eps)
SHAKEN = 8  # members with values changed by rounding
CERTAIN = 5.0  # times the difference that one rounding error of the values makes
KEEP = 64  # distance of the checkpoints that are tried
LANE_MEMBERS = 17  # one more than full blocks of lanes
SCAN_STEPS = 60  # the oracle is interpreted


@dataclass(frozen=True)
class BatteryReport:
    """What `check_process_model` measured.

    Attributes
    ----------
    model : str
        Name of the process model.
    seed, steps, points : int
        Settings.
    figures : dict of str to float
        Largest relative error of each check; 0 for what is counted.
    where : dict of str to str
        Which parameter, output or budget it belongs to.
    finite_fraction : float
        Fraction of the random points inside the bounds with a finite trajectory.
    """

    model: str
    seed: int
    steps: int
    points: int
    figures: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    finite_fraction: float = 1.0

    def failures(self) -> list[str]:
        """Say which figures are above their limit.

        Returns
        -------
        list of str
            One sentence each; empty when all is well.
        """
        return [
            f"{name.replace('_', ' ')}: {value:.3g}, at most {LIMITS[name]:.0e} is accepted ({self.where[name]})"
            for name, value in self.figures.items()
            if not value <= LIMITS[name]
        ]

    def __str__(self) -> str:
        rows = [f"  {n.replace('_', ' '):32} {v:9.2e}  limit {LIMITS[n]:.0e}  {self.where[n]}" for n, v in self.figures.items()]
        return "\n".join([f"{self.model}: {self.points} points, {self.steps} steps, seed {self.seed}", *rows])


def check_process_model(
    model: ProcessModel,
    *,
    seed: int = 0,
    steps: int = 400,
    points: int = 20,
    step_length: float = 1.0,
    forcing: Mapping[str, Any] | None = None,
) -> BatteryReport:
    """Verify the kernels of a process model at random points inside its declared bounds.

    Parameters
    ----------
    model : ProcessModel
        The model.
    seed : int
        Of the points, the weights and the weather.
    steps : int
        Length of the series; a whole year is needed to see every season.
    points : int
        Random points inside the bounds, log-uniform where the prior is.
    step_length : float
        d.
    forcing : mapping of str to array_like, optional
        Series of ``steps`` values (a nested step: ``steps`` times its own number) to use in place of made-up weather.

    Returns
    -------
    BatteryReport
        The measured figures.

    Raises
    ------
    AssertionError
        When a check fails; the message names all that fail, by how much and where.
    """
    subject = _Subject(model, np.random.default_rng(seed), steps, points, step_length, forcing or {})
    report = BatteryReport(model.name, seed, steps, points, finite_fraction=subject.finite_fraction)
    checks: list[Callable[[_Subject], dict[str, tuple[float, str]]]] = [
        _gradients,
        _scan,
        _dot_product,
        _budgets,
        _halves,
        _batch,
        _perform,
        _not_a_number,
    ]
    for check in checks:
        for name, (value, where) in check(subject).items():
            report.figures[name], report.where[name] = float(value), where
    failed = report.failures()
    if failed:
        raise AssertionError(f"process model {model.name!r} fails its battery (seed {seed}):\n  " + "\n  ".join(failed))
    return report


class _Subject:
    """A model with random points, weather, and its compiled functions."""

    def __init__(
        self, model: ProcessModel, rng: np.random.Generator, steps: int, points: int, step_length: float, given: Mapping[str, Any]
    ) -> None:
        self.model, self.rng, self.steps = model, rng, steps
        self.names = list(model.calibrated)
        self.n_p = len(model.parameter_table)
        self.states = list(model.state_parameters)
        self.fluxes = list(model.flux_quantities)
        self.step_length = step_length
        self.forcing = plausible_forcing(model, steps, step_length, rng, given)
        long = "step_length"
        folded = ((long, step_length),) if long in model.folded and long in model.forcing._fields else ()  # type: ignore[attr-defined]
        if model.nested is None:
            self.program: Any = program(model, tuple(self.fluxes), tuple(self.states), folded)
        else:
            self.program = nested_program(model, tuple(self.fluxes), model.nested.fluxes._fields, folded)  # type: ignore[attr-defined]
        self.columns = columns_of(self.program, {n: v for n, v in self.forcing.items() if n not in dict(folded)})
        self.labels = [self.states, self.fluxes, *([list(model.nested.fluxes._fields)] if model.nested else [])]  # type: ignore[attr-defined]
        self.draw(points)

    def draw(self, points: int) -> None:
        """Draw points until there are enough with finite trajectories."""
        declared = [d for d, _ in self.model.calibrated.values()]
        found: list[np.ndarray] = []
        tried = 0
        while len(found) < points:
            if tried >= 20 * points:
                points_found = f"only {len(found)} of {tried} random points inside the bounds have a finite trajectory"
                raise AssertionError(f"process model {self.model.name!r}: {points_found}")
            drawn = np.array([inside(d, self.rng.uniform(0.03, 0.97, points)) for d in declared])
            ok = np.all([np.isfinite(o).all(axis=(0, 1)) for o in self.run(drawn)], axis=0)
            found += list(drawn.T[ok])
            tried += points
        self.points = np.array(found[:points]).T
        self.finite_fraction = len(found) / tried
        low, high = np.array([d.bounds for d in declared]).T[:, :, None]
        # Steps of the differences stay well inside the bounds and in the linear range.
        self.scale = np.minimum(np.minimum(self.points - low, high - self.points), np.where(self.points == 0, np.inf, np.abs(self.points)))

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Split into parameters and initial states."""
        return np.ascontiguousarray(values[: self.n_p]), np.ascontiguousarray(values[self.n_p :])

    def amount(self, stock: Callable[[Any, Any], Any], states: np.ndarray) -> np.ndarray:
        """Evaluate the stock of a budget for states (n_state, time + 1, points)."""
        x, p = pt.dtensor3(), pt.dmatrix()
        found = stock(
            namedtuple("States", self.states)(*(x[i] for i in range(len(self.states)))),  # fast ones included
            self.model.parameters(*(p[i] for i in range(self.n_p))),
        )
        return pytensor.function([x, p], found, mode="FAST_COMPILE", on_unused_input="ignore")(states, self.points[: self.n_p])

    def weights(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Random weights, so that each output counts as much as the others, if it is more than what the largest leaves by rounding."""
        sizes = [np.sqrt(np.mean(o**2, axis=(1, 2), keepdims=True)) for o in outputs]
        least = NEGLIGIBLE * max(float(s.max(initial=0.0)) for s in sizes)
        return [
            self.rng.normal(size=(*o.shape[:2], 1)) / np.where(s > 0, np.maximum(s, least), 1.0)
            for o, s in zip(outputs, sizes, strict=True)
        ]

    def symbols(self, **options: Any) -> tuple[list[Any], list[Any]]:
        """Symbolic inputs and outputs of a trajectory."""
        inputs = [pt.dmatrix("p"), pt.dmatrix("x"), *(pt.dtensor3(f"c{i}") for i in range(len(self.columns)))]
        return inputs, Trajectory(self.program, **options)(*inputs, return_list=True)

    def function(self, mode: Any = "NUMBA", **options: Any) -> Callable[..., list[np.ndarray]]:
        """Compile outputs and the gradient of their weighted sum."""
        inputs, outputs = self.symbols(**options)
        weights = [pt.tensor(shape=(None, None, 1), dtype="float64") for _ in outputs]
        loss = sum((w * o).sum() for w, o in zip(weights, outputs, strict=True))
        wanted = inputs if options.get("forcing_gradient") else inputs[:2]
        return pytensor.function([*inputs, *weights], [*outputs, *pytensor.grad(loss, wanted, disconnected_inputs="ignore")], mode=mode)

    @cached_property
    def plain(self) -> Callable[..., list[np.ndarray]]:
        """The scalar form with gradients to everything."""
        return self.function(forcing_gradient=True)

    def run(self, values: np.ndarray, columns: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """Return the outputs for (n_input, members)."""
        # Contiguous: Numba compiles once more for every other memory layout.
        columns = self.columns if columns is None else [np.ascontiguousarray(c) for c in columns]
        zeros = [np.zeros((len(n), columns[-1 if i == 2 else 0].shape[1] + (i == 0), 1)) for i, n in enumerate(self.labels)]
        return self.plain(*self.split(values), *columns, *zeros)[: len(self.labels)]


def _apart(
    got: Sequence[np.ndarray], wanted: Sequence[np.ndarray], labels: Sequence[Sequence[str]], least: Sequence[Any] | None = None
) -> tuple[float, str]:
    """Largest difference of each row relative to the size of the row, or to the least that matters, and the name of the worst."""
    worst, name = 0.0, "all equal"
    for a, b, names, floor in zip(got, wanted, labels, least or [0.0] * len(labels), strict=True):
        size = np.max(np.abs(b), axis=tuple(range(1, b.ndim)))
        size = np.maximum(np.where(size > 0, size, 1.0), floor).reshape(-1, *[1] * (b.ndim - 1))
        off = np.abs(a - b) / size
        off = np.where(np.isnan(off), np.inf, off).reshape(len(names), -1).max(axis=1, initial=0.0)
        if off.size and off.max() > worst:
            worst, name = float(off.max()), names[int(off.argmax())]
    return worst, name


def _gradients(s: _Subject) -> dict[str, tuple[float, str]]:
    worst, where = 0.0, "all equal"
    for k in range(s.points.shape[1]):
        point = s.points[:, k]
        outputs = s.run(point[:, None])
        weights = s.weights(outputs)
        gradient = np.concatenate([g[:, 0] for g in s.plain(*s.split(point[:, None]), *s.columns, *weights)[len(outputs) :][:2]])
        tables = differences(s.run, point, 0.05 * s.scale[:, k])
        # Differences are taken of each output before they are added up: a small effect on one is not lost in the size of another.
        terms = [t * w[None] for t, w in zip(tables, weights, strict=True)]
        expected = np.sqrt(sum((t[2] ** 2).sum(axis=(0, 1)) for t in terms))  # of a sum with random weights
        size = np.sqrt(sum(float((w**2 * o**2).sum()) for w, o in zip(weights, outputs, strict=True)))
        step = 0.05 * s.scale[:, k]
        # It adds up over the steps; what a model makes of it, values changed by one rounding error show.
        shaken = s.run(point[:, None] * (1.0 + EPSILON * s.rng.integers(-1, 2, (point.size, SHAKEN))))
        spread = np.std(sum((w * o).sum(axis=(0, 1)) for w, o in zip(weights, shaken, strict=True)))
        rounding = max(EPSILON * np.sqrt(s.steps) * size, CERTAIN * float(spread)) / step
        numeric, _, noise = extrapolated_derivative(sum(t.sum(axis=(1, 2)) for t in terms), rounding)
        # What a parameter does below the rounding of its differences they cannot see.
        reference = np.maximum(np.maximum(np.abs(numeric), 0.1 * expected), noise / LIMITS["gradient_against_differences"])
        off = np.abs(gradient - numeric) / reference
        i = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
        if not off[i] <= worst:
            worst, where = float(off[i]), f"{s.names[i]} at point {k}: adjoint {gradient[i]:.9g}, differences {numeric[i]:.9g}"
    return {"gradient_against_differences": (worst, where)}


def _scan(s: _Subject) -> dict[str, tuple[float, str]]:
    # Every few steps of the series, so that all seasons are seen in a short run.
    stride = max(1, s.steps // SCAN_STEPS)
    rate = s.model.nested.steps if s.model.nested else 1
    slow_names = s.model.forcing._fields  # type: ignore[attr-defined]
    thinned = {n: v[::stride] if n in slow_names else v.reshape(s.steps, rate)[::stride].reshape(-1) for n, v in s.forcing.items()}
    names = s.program.forcing_names
    varying = [*names[0], *names[1]] if isinstance(names, tuple) else names
    columns = columns_of(s.program, {n: thinned[n] for n in varying})
    outputs = s.run(s.points, columns)
    weights = s.weights(outputs)
    n = len(outputs)
    got = s.plain(*s.split(s.points), *columns, *weights)
    wanted = scan_gradient(s.model, thinned)(*s.split(s.points), *weights)
    value = _apart(got[:n], wanted[:n], s.labels)
    mine, oracle = np.concatenate(got[n : n + 2]), np.concatenate(wanted[n:])
    # Relative to the effect of each input over its own range.
    size = np.sqrt(sum((w**2 * o**2).sum(axis=(0, 1)) for w, o in zip(weights, outputs, strict=True)))
    moved = s.points * (1.0 + EPSILON * s.rng.integers(-1, 2, s.points.shape))
    shaken = np.concatenate(s.plain(*s.split(moved), *columns, *weights)[n : n + 2])
    certain = CERTAIN * np.abs(shaken - mine) / LIMITS["gradient_against_scan"]
    off = np.abs(mine - oracle) / np.maximum(np.maximum(np.abs(oracle), 1e-9 * size / s.scale), certain)
    i, k = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
    where = f"{s.names[i]} at point {k}: adjoint {mine[i, k]:.9g}, scan {oracle[i, k]:.9g}"
    return {"values_against_scan": value, "gradient_against_scan": (float(off[i, k]), where)}


def _dot_product(s: _Subject) -> dict[str, tuple[float, str]]:
    inputs, outputs = s.symbols(forcing_gradient=True)
    dots = [v.type() for v in inputs]
    tangent = pytensor.function([*inputs, *dots], pushforward(outputs, inputs, dots, use_op_pushforward=True), mode="NUMBA")
    worst, where = 0.0, "all equal"
    for k in range(s.points.shape[1]):
        values = [*s.split(s.points[:, k : k + 1]), *s.columns]
        directions = [v * s.rng.normal(size=v.shape) for v in values]
        forward = tangent(*values, *directions)
        weights = s.weights(s.run(s.points[:, k : k + 1]))
        backward = s.plain(*values, *weights)[len(outputs) :]
        products = [(a * b).ravel() for a, b in zip(forward, weights, strict=True)]
        left, right = sum(float(p.sum()) for p in products), sum(float((a * b).sum()) for a, b in zip(backward, directions, strict=True))
        size = max(abs(left), abs(right), float(np.sqrt(sum((p**2).sum() for p in products))))
        off = abs(left - right) / size if size > 0 else 0.0
        if not off <= worst:
            worst, where = off, f"point {k}: tangent {left:.12g}, adjoint {right:.12g}"
    return {"dot_product": (worst, where)}


def _budgets(s: _Subject) -> dict[str, tuple[float, str]]:
    if not s.model.budgets:
        return {}
    outputs = s.run(s.points)
    series = dict(zip(s.states, outputs[0], strict=True)) | dict(zip(s.fluxes, outputs[1], strict=True))
    worst, where = 0.0, "closed"
    for label, budget in s.model.budgets.items():
        stock = sum(series[n] for n in budget.stock) if budget.amount is None else s.amount(budget.amount, outputs[0])
        gain, loss = (
            s.step_length * sum((series[n] for n in names), np.zeros(outputs[1].shape[1:])) for names in (budget.gain, budget.loss)
        )
        size = np.abs(stock[1:]) + np.abs(gain) + np.abs(loss)
        each = np.abs(np.diff(stock, axis=0) - gain + loss) / np.where(size == 0, 1.0, size)  # an empty stock that nothing enters
        size = (np.abs(gain) + np.abs(loss)).sum(axis=0)
        whole = np.abs(stock[-1] - stock[0] - (gain - loss).sum(axis=0)) / np.where(size == 0, 1.0, size)
        off = max(float(np.nanmax(each, initial=0.0)), float(np.nanmax(whole, initial=0.0)))
        if off > worst:
            worst, where = off, f"budget {label!r}"
    return {"budgets": (worst, where)}


def _halves(s: _Subject) -> dict[str, tuple[float, str]]:
    half = s.steps // 2
    whole = s.run(s.points)
    cut = [half * (c.shape[1] // s.steps) for c in s.columns]
    first = s.run(s.points, [c[:, :n] for c, n in zip(s.columns, cut, strict=True)])
    second = s.run(np.concatenate([s.points[: s.n_p], first[0][:, -1]]), [c[:, n:] for c, n in zip(s.columns, cut, strict=True)])
    joined = [np.concatenate([a[:, :-1] if i == 0 else a, b], axis=1) for i, (a, b) in enumerate(zip(first, second, strict=True))]
    return {"two_half_runs": _apart(joined, whole, s.labels)}


def _batch(s: _Subject) -> dict[str, tuple[float, str]]:
    values = np.resize(s.points.T, (LANE_MEMBERS, len(s.names))).T
    weights = s.weights(s.run(values))
    n = len(weights)
    labels = [*s.labels, s.names[: s.n_p], s.names[s.n_p :]]

    def measured(f: Callable[..., list[np.ndarray]], v: np.ndarray) -> list[np.ndarray]:
        return f(*s.split(v), *s.columns, *weights)[: n + 2]

    alone = [
        np.concatenate(parts, axis=-1)
        for parts in zip(*(measured(s.plain, values[:, i : i + 1]) for i in range(LANE_MEMBERS)), strict=True)
    ]
    # Other orders of the same operations differ by what rounding of the values does: sums of heat in J m-2 cancel.
    shaken = [measured(s.plain, values * (1.0 + EPSILON * s.rng.integers(-1, 2, values.shape))) for _ in range(SHAKEN // 2)]
    least = [
        CERTAIN / LIMITS["lanes_against_loop"] * np.abs(np.stack(a) - b).max(axis=0).reshape(len(names), -1).max(axis=1, initial=0.0)
        for *a, b, names in zip(*shaken, alone, labels, strict=True)
    ]
    found = {"batch_against_loop": _apart(measured(s.plain, values), alone, labels, least)}
    if s.model.nested is not None:
        return found
    found["lanes_against_loop"] = _apart(measured(s.function(lanes=WIDTHS[0]), values), alone, labels, least)
    # With checkpoints only the kept states are returned, so only they can have weights.
    kept = np.minimum(np.arange((s.steps + KEEP - 1) // KEEP + 1) * KEEP, s.steps)
    only = weights[0][:, kept]
    weights[0] = np.zeros_like(weights[0])
    weights[0][:, kept] = only
    plain = measured(s.plain, values)
    sparse = s.function(keep=KEEP)(*s.split(values), *s.columns, only, *weights[1:])
    found["checkpointed_against_plain"] = _apart(sparse, [plain[0][:, kept], *plain[1:]], labels, least)
    return found


def _perform(s: _Subject) -> dict[str, tuple[float, str]]:
    inputs, outputs = s.symbols()
    perform = pytensor.function(inputs, outputs, mode=Mode("py", None))
    return {"compiled_against_perform": _apart(s.run(s.points), perform(*s.split(s.points), *s.columns), s.labels)}


def _not_a_number(s: _Subject) -> dict[str, tuple[float, str]]:
    """Count outputs that depend on an input, and do not become NaN with it."""
    point = s.points[:, 0]
    n = len(s.names)
    sound = s.run(point[:, None])
    poisoned = np.repeat(point[:, None], n, axis=1)
    poisoned[np.diag_indices(n)] = np.nan
    spoilt = s.run(poisoned)
    steps = 0.05 * s.scale[:, 0]
    moved = s.run(point[:, None] + np.diag(steps))
    missed, where = 0, "all propagate"
    for names, before, bad, other in zip(s.labels, sound, spoilt, moved, strict=True):
        escaped = (np.abs(other - before) > 0) & np.isfinite(bad)
        if escaped.any():
            i, t, j = np.argwhere(escaped)[0]
            missed, where = missed + int(escaped.sum()), f"{names[i]} at step {t} is finite although {s.names[j]} is NaN"
    leaks, at = 0, "none"
    middle = s.steps // 2
    for c, column in enumerate(s.columns):
        broken = [v.copy() for v in s.columns]
        broken[c][:, middle * (column.shape[1] // s.steps) :] = np.nan
        for names, before, bad in zip(s.labels, sound, s.run(point[:, None], broken), strict=True):
            until = middle * (before.shape[1] // s.steps)
            leaked = before[:, :until] != bad[:, :until]
            if leaked.any():
                leaks, at = leaks + int(leaked.sum()), names[int(np.argwhere(leaked)[0][0])]
    return {"nan_not_propagated": (missed, where), "nan_leaks_to_the_past": (leaks, at)}
