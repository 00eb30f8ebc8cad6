"""The battery of observation operators: `check_observation_operator` verifies one of your own as the tests verify every one that ships."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from scipy.optimize import least_squares

from lsm_bayes.calibration import priors
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.oracles import extrapolated_derivative

STEPS = 360
POINTS = 5
RECOVERIES = 16  # parameters to recover, at least; in as many twins as that takes
TWINS = (3, 8)  # fewest and most
NOISE = 0.03  # of the sd of the output
NEAR = 1.5  # prior sd within which the truth of a twin lies
LIMITS = {"gradient": 1e-6, "broadcast": 1e-12, "nan_not_propagated": 0.0, "not_finite": 0.0}
RECOVERED = 0.75  # least fraction of parameters within two sd; 95 % are expected, but errors of one twin go together


@dataclass(frozen=True)
class OperatorReport:
    """What `check_observation_operator` measured.

    Attributes
    ----------
    operator : str
        Its name.
    figures : dict of str to float
        Largest relative error of each check, or a count.
    where : dict of str to str
        What it belongs to.
    recovered : float or None
        Fraction of the parameters of inverse twins within two posterior sd of the truth; None without parameters.
    informed : dict of str to float
        Mean posterior sd of each parameter in units of its prior sd: 1 where such observations say nothing.
    """

    operator: str
    figures: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    recovered: float | None = None
    informed: dict[str, float] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """Say what is not as it should be.

        Returns
        -------
        list of str
            One sentence each; empty when all is well.
        """
        found = [
            f"{name.replace('_', ' ')}: {value:.3g}, at most {LIMITS[name]:.0e} is accepted ({self.where[name]})"
            for name, value in self.figures.items()
            if not value <= LIMITS[name]
        ]
        if self.recovered is not None and self.recovered < RECOVERED:
            found.append(f"inverse twins: {self.recovered:.2f} of the parameters within two sd, at least {RECOVERED} is expected")
        return found


def check_observation_operator(operator: ObservationOperator, *, seed: int = 0, steps: int = STEPS) -> OperatorReport:
    """Verify an observation operator on random inputs inside its ranges.

    Parameters
    ----------
    operator : ObservationOperator
        The operator.
    seed : int
        Of inputs, parameters and noise.
    steps : int
        Length of the series.

    Returns
    -------
    OperatorReport
        The measured figures: gradients to parameters and inputs against differences, several members against one after the other, NaN,
        and inverse twins, which recover parameters from noisy observations with their declared priors.

    Raises
    ------
    AssertionError
        When a check fails; the message names all that fail, by how much and where.
    """
    subject = _Subject(operator, np.random.default_rng(seed), steps)
    figures: dict[str, tuple[float, str]] = {}
    for check in (_finite, _gradient, _broadcast, _not_a_number):
        figures |= check(subject)
    recovered, informed = _twins(subject) if subject.names else (None, {})
    report = OperatorReport(
        operator.name, {n: v for n, (v, _) in figures.items()}, {n: w for n, (_, w) in figures.items()}, recovered, informed
    )
    if report.failures():
        said = "\n  ".join(report.failures())
        raise AssertionError(f"observation operator {operator.name!r} fails its battery (seed {seed}):\n  {said}")
    return report


class _Subject:
    """An operator with random inputs, and its compiled functions of standard normal coordinates of the parameters."""

    def __init__(self, operator: ObservationOperator, rng: np.random.Generator, steps: int) -> None:
        self.operator, self.rng, self.steps = operator, rng, steps
        self.names = list(operator.parameter_table)
        self.inputs = np.stack([self._series(low, high) for low, high in operator.inputs.values()])
        z, x = pt.dvector("z"), pt.dmatrix("x")
        values = {n: priors.value(z[i], operator.parameter_table[n][0]) for i, n in enumerate(self.names)}
        output = operator({n: x[i] for i, n in enumerate(operator.inputs)}, values)
        if output.type.ndim != 1:
            raise AssertionError(f"observation operator {operator.name!r}: series (time,) give {output.type.ndim} dimensions")
        w = pt.dvector("w")
        gradients = pytensor.grad((w * output).sum(), [z, x], disconnected_inputs="ignore")
        mode = Mode("py", None)
        self.run: Callable[..., np.ndarray] = pytensor.function([z, x], output, mode=mode, on_unused_input="ignore")
        self.both = pytensor.function([z, x, w], [output, *gradients], mode=mode, on_unused_input="ignore")

    def _series(self, low: float, high: float) -> np.ndarray:
        """Season with noise, between 5 and 95 % of the range."""
        season = 0.5 + 0.3 * np.sin(2 * np.pi * (np.arange(self.steps) / self.steps + self.rng.uniform()))
        inside = np.clip(season + 0.15 * self.rng.standard_normal(self.steps), 0.05, 0.95)
        return low + (high - low) * inside

    def point(self) -> np.ndarray:
        """Coordinates of random parameters."""
        return np.clip(self.rng.standard_normal(len(self.names)), -NEAR, NEAR)


def _finite(s: _Subject) -> dict[str, tuple[float, str]]:
    worst, where = 0, "all finite"
    for _ in range(POINTS):
        z = s.point()
        missing = int((~np.isfinite(s.run(z, s.inputs))).sum())
        if missing > worst:
            worst, where = missing, f"of {s.steps} values at coordinates {np.round(z, 2).tolist()}"
    return {"not_finite": (worst, where)}


def _gradient(s: _Subject) -> dict[str, tuple[float, str]]:
    worst, where = 0.0, "all equal"
    spans = np.array([high - low for low, high in s.operator.inputs.values()])
    for k in range(POINTS):
        z = s.point()
        size = float(np.std(s.run(z, s.inputs))) or 1.0
        w = s.rng.standard_normal(s.steps) / size
        _, by_z, by_x = s.both(z, s.inputs, w)
        direction = s.rng.standard_normal(s.inputs.shape) * 0.01 * spans[:, None]

        def slope(move: Callable[[float], np.ndarray]) -> tuple[float, float]:
            steps = 0.1 / 4.0 ** np.arange(8)
            table = np.array([(move(h) - move(-h)) / (2 * h) for h in steps])
            numeric, _, noise = extrapolated_derivative((table * w).sum(axis=1), 1e-15 * np.sqrt(s.steps), ratio=4.0)  # noqa: B023
            return float(numeric), max(float(np.sqrt(((table[2] * w) ** 2).sum())), float(noise) / LIMITS["gradient"])  # noqa: B023

        cases: list[tuple[str, float, tuple[float, float]]] = []
        for i, name in enumerate(s.names):
            unit = np.eye(len(z))[i]
            cases.append((name, float(by_z[i]), slope(lambda h: s.run(z + h * unit, s.inputs))))  # noqa: B023
        cases.append(("inputs", float((by_x * direction).sum()), slope(lambda h: s.run(z, s.inputs + h * direction))))  # noqa: B023
        for name, exact, (numeric, scale) in cases:
            off = abs(exact - numeric) / max(abs(numeric), 0.1 * scale, 1e-12)
            if not off <= worst:
                worst, where = off, f"{name} at point {k}: gradient {exact:.9g}, differences {numeric:.9g}"
    return {"gradient": (worst, where)}


def _broadcast(s: _Subject) -> dict[str, tuple[float, str]]:
    points = [s.point() for _ in range(3)]
    table = s.operator.parameter_table
    values = {
        n: np.array([float(priors.value(pt.constant(z[i], dtype="float64"), table[n][0]).eval(mode=Mode("py", None))) for z in points])
        for i, n in enumerate(s.names)
    }
    shifted = [np.roll(s.inputs, k, axis=1) for k in range(3)]
    together = s.operator.evaluate(
        {n: np.stack([x[i] for x in shifted]) for i, n in enumerate(s.operator.inputs)}, {n: v[:, None] for n, v in values.items()}
    )
    alone = np.stack(
        [
            s.operator.evaluate({n: x[i] for i, n in enumerate(s.operator.inputs)}, {n: v[k] for n, v in values.items()})
            for k, x in enumerate(shifted)
        ]
    )
    if together.shape != alone.shape:
        return {"broadcast": (np.inf, f"three members give the shape {together.shape}, one after the other {alone.shape}")}
    return {"broadcast": (float(np.max(np.abs(together - alone)) / max(float(np.abs(alone).max()), 1e-300)), "three members")}


def _not_a_number(s: _Subject) -> dict[str, tuple[float, str]]:
    z, t = s.point(), s.steps // 2
    sound = s.run(z, s.inputs)
    missed, where = 0, "all propagate"
    for i, (name, (low, high)) in enumerate(s.operator.inputs.items()):
        moved, spoilt = s.inputs.copy(), s.inputs.copy()
        moved[i, t] += 0.02 * (high - low)
        spoilt[i, t] = np.nan
        escaped = (s.run(z, moved) != sound) & np.isfinite(s.run(z, spoilt))
        if escaped.any():
            missed, where = missed + int(escaped.sum()), f"{name} at step {t}"
    for i, name in enumerate(s.names):
        other, lost = z.copy(), z.copy()
        other[i] += 0.05
        lost[i] = np.nan
        escaped = (s.run(other, s.inputs) != sound) & np.isfinite(s.run(lost, s.inputs))
        if escaped.any():
            missed, where = missed + int(escaped.sum()), name
    return {"nan_not_propagated": (missed, where)}


def _twins(s: _Subject) -> tuple[float, dict[str, float]]:
    """Maximum of the posterior of noisy observations, with the curvature there, against the truth."""
    within, sds = [], []
    fewest, most = TWINS
    for _ in range(min(most, max(fewest, math.ceil(RECOVERIES / len(s.names))))):
        truth = s.point()
        clean = s.run(truth, s.inputs)
        sd = NOISE * (float(np.std(clean)) or 1.0)
        seen = clean + sd * s.rng.standard_normal(s.steps)

        def residuals(z: np.ndarray) -> np.ndarray:
            return np.concatenate([(s.run(z, s.inputs) - seen) / sd, z])  # noqa: B023

        tries: list[Any] = [least_squares(residuals, start, x_scale=1.0, bounds=(-6, 6)) for start in (np.zeros(len(truth)), s.point())]
        best = min(tries, key=lambda r: r.cost)
        spread = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
        within.append(np.abs(best.x - truth) <= 2 * spread)
        sds.append(spread)
    return float(np.mean(within)), {n: float(v) for n, v in zip(s.names, np.mean(sds, axis=0), strict=True)}
