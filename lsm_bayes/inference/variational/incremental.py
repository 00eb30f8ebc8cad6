"""Incremental 4D-Var: Gauss-Newton outer loops, each a quadratic problem for conjugate gradients with tangent and adjoint."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..flat import Vector
from .cost import AssimilationCost

ENOUGH = 1e-4
"""Part of the decrease expected from the slope that a step must bring (Armijo)."""
NEAR = 1e-3
"""Newton decrement (posterior sd) below which a descent that no step can lower any more has converged."""
MOST_CUTS = 15


@dataclass(frozen=True)
class Descent:
    """Where a minimisation ended.

    Attributes
    ----------
    position : numpy.ndarray
        Active elements, shape (d,).
    cost : float
        J there; infinite when the start has no finite run.
    converged : bool
        Whether a minimum was reached.
    reason : str
        Why it ended.
    outer, inner : int
        Outer loops, and conjugate gradient steps in all of them.
    decrement : float
        Distance from the minimum of the last quadratic problem, in posterior standard deviations.
    """

    position: Vector
    cost: float
    converged: bool
    reason: str
    outer: int
    inner: int
    decrement: float


def gauss_newton(
    cost: AssimilationCost, start: Vector, *, outer: int = 50, inner: int | None = None, tolerance: float = 1e-4, accuracy: float = 1e-10
) -> Descent:
    """Minimise the cost by incremental 4D-Var (Courtier et al. 1994, doi 10.1002/qj.49712051912).

    The Gauss-Newton Hessian is at least the identity in the control variable, so that each step goes down; a line search shortens it
    where the model is far from linear, or fails.

    Parameters
    ----------
    cost : AssimilationCost
        What to minimise.
    start : numpy.ndarray
        Active elements, shape (d,).
    outer : int
        Most outer loops.
    inner : int, optional
        Most conjugate gradient steps in each; twice the number of elements and 20 by default.
    tolerance : float
        Newton decrement, in posterior standard deviations, at which it has converged.
    accuracy : float
        Relative residual at which conjugate gradients end.

    Returns
    -------
    Descent
        The minimum, and how it was reached.
    """
    v = cost.controls(start)
    value, residual = cost.value(v)
    most = 2 * cost.dimension + 20 if inner is None else inner
    steps, decrement = 0, np.inf
    if not np.isfinite(value):
        return Descent(np.array(start), np.inf, False, "the run of the start failed", 0, 0, decrement)
    for loop in range(1, outer + 1):
        here = v
        gradient = cost.gradient(here, residual)
        if not np.all(np.isfinite(gradient)):
            return Descent(cost.states(v), value, False, "the gradient is not finite", loop, steps, decrement)
        step, used = conjugate_gradients(lambda p, at=here: cost.curvature(at, p), -gradient, accuracy, most)  # type: ignore[misc]
        steps += used
        slope = float(gradient @ step)
        decrement = float(np.sqrt(max(-slope, 0.0)))
        moved = _line_search(cost, v, value, step, slope)
        if moved is None:
            near = decrement < max(NEAR, tolerance)
            reason = "no step lowers the cost any more, at its precision" if near else "no step along the descent lowers the cost"
            return Descent(cost.states(v), value, near, reason, loop, steps, decrement)
        v, value, residual = moved
        if decrement < tolerance:
            return Descent(cost.states(v), value, True, "Newton decrement below tolerance", loop, steps, decrement)
    return Descent(cost.states(v), value, False, f"{outer} outer loops did not suffice", outer, steps, decrement)


def conjugate_gradients(product: Callable[[Vector], Vector], right: Vector, accuracy: float, most: int) -> tuple[Vector, int]:
    """Solve a linear problem with a symmetric positive definite matrix (Hestenes & Stiefel 1952).

    Parameters
    ----------
    product : function
        Multiplies the matrix with a vector.
    right : numpy.ndarray
        Right-hand side, shape (d,).
    accuracy : float
        Relative residual at which to end.
    most : int
        Most steps.

    Returns
    -------
    tuple of numpy.ndarray and int
        Solution, and steps taken.
    """
    solution, residual, direction = np.zeros_like(right), right.copy(), right.copy()
    norm = float(residual @ residual)
    target = accuracy**2 * norm
    for used in range(1, most + 1):
        if norm <= target:
            return solution, used - 1
        image = product(direction)
        curved = float(direction @ image)
        if not np.isfinite(curved) or curved <= 0:
            return (solution if used > 1 else right), used
        length = norm / curved
        solution = solution + length * direction
        residual = residual - length * image
        before, norm = norm, float(residual @ residual)
        direction = residual + norm / before * direction
    return solution, most


def _line_search(cost: AssimilationCost, v: Vector, value: float, step: Vector, slope: float) -> tuple[Vector, float, Vector] | None:
    # Costs of thousands of observations are not known better than this.
    slack = 1e-12 * max(1.0, abs(value))
    length = 1.0
    for _ in range(MOST_CUTS):
        new, residual = cost.value(v + length * step)
        if new <= value + ENOUGH * length * slope + slack:
            return v + length * step, new, residual
        # Minimum of the parabola through value, slope and the trial.
        parabola = -slope * length**2 / (2 * (new - value - slope * length)) if np.isfinite(new) else 0.0
        length = min(max(parabola, 0.1 * length), 0.5 * length)
    return None
