"""Implicit solves inside a step: the solution, its derivatives, and the kernels that are derived from them."""

from typing import Annotated, Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from runs import number, value

from lsm_bayes.declare import Budget, Parameter, Prior, ProcessModel
from lsm_bayes.processes import newton, tridiagonal
from lsm_bayes.testing import check_process_model


class Parameters(NamedTuple):
    conductivity: Annotated[float, Parameter("mm d-1", (0.5, 5.0), "flow between layers", Prior("uniform"))] = 2.0
    curvature: Annotated[float, Parameter("1", (0.2, 2.0), "of the loss", Prior("uniform"))] = 0.7


class Column(NamedTuple):
    relative_moisture_1: Annotated[float, Parameter("mm", (1.0, 10.0), "first layer")] = 5.0
    relative_moisture_2: Annotated[float, Parameter("mm", (1.0, 10.0), "second layer")] = 3.0
    soil_water_storage: Annotated[float, Parameter("mm", (1.0, 10.0), "third layer")] = 8.0


class Forcing(NamedTuple):
    precipitation: float
    step_length: float


class Fluxes(NamedTuple):
    evapotranspiration: Any
    rainfall: Any


def step(x: Column, f: Forcing, p: Parameters) -> tuple[Column, Fluxes]:
    # What leaves, e, is such that e + curvature (exp(e) - 1) is a tenth of the first layer.
    lost = newton.solve(lambda e: e + p.curvature * (pt.exp(e) - 1.0) - 0.1 * x.relative_moisture_1, 0.1, 6, low=0.0)
    k = p.conductivity * f.step_length
    layers = tridiagonal.solve(
        [-k, -k],
        [1.0 + k, 1.0 + 2.0 * k, 1.0 + k],
        [-k, -k],
        [x.relative_moisture_1 + f.step_length * (f.precipitation - lost), x.relative_moisture_2, x.soil_water_storage],
    )
    return Column(*layers), Fluxes(lost, f.precipitation)


def test_a_tridiagonal_system_is_solved() -> None:
    rng = np.random.default_rng(0)
    below, above, right = rng.normal(size=4), rng.normal(size=4), rng.normal(size=5)
    diagonal = 3.0 + rng.random(5)
    matrix = np.diag(diagonal) + np.diag(below, -1) + np.diag(above, 1)
    found = tridiagonal.solve(*([number(v) for v in row] for row in (below, diagonal, above, right)))
    np.testing.assert_allclose([value(v) for v in found], np.linalg.solve(matrix, right), rtol=1e-12)
    assert value(tridiagonal.solve([], [number(2.0)], [], [number(3.0)])[0]) == 1.5
    with pytest.raises(ValueError, match="got 1 factors below, 3 on, 2 above the diagonal and 3 right-hand sides"):
        tridiagonal.solve([1.0], [1.0] * 3, [1.0] * 2, [1.0] * 3)


def test_the_gradient_is_that_of_the_solution_wherever_the_iteration_started() -> None:
    theta, start = pt.dscalar(), pt.dscalar()
    y = newton.solve(lambda y: y**3 + theta * y - 5.0, start, 12)
    run = pytensor.function([theta, start], [y, pt.grad(y, theta), pt.grad(y, start, disconnected_inputs="ignore")], mode="FAST_COMPILE")
    for first in (0.5, 1.0, 4.0):
        found, slope, of_start = run(2.0, first)
        assert found**3 + 2.0 * found == pytest.approx(5.0, rel=1e-14)
        assert slope == pytest.approx(-found / (3 * found**2 + 2.0), rel=1e-12) and of_start == 0.0


def test_tables_are_solved_at_once() -> None:
    rows = pt.dvector()
    y = newton.solve(lambda y: y**3 + rows * y - 5.0, 1.0, 12)
    found = pytensor.function([rows], y, mode="FAST_COMPILE")([0.5, 2.0, 7.0])
    np.testing.assert_allclose(found**3 + np.array([0.5, 2.0, 7.0]) * found, 5.0, rtol=1e-13)


def test_a_bracket_holds_and_nan_comes_through() -> None:
    y = newton.solve(lambda y: pt.log(y) + number(8.0), number(1.0), 60, low=0.0)  # the first step of Newton leaves the domain
    assert value(y) == pytest.approx(np.exp(-8.0), rel=1e-12)
    high = newton.solve(lambda y: pt.exp(y) - number(100.0), number(0.1), 60, low=0.0, high=5.0)
    assert value(high) == pytest.approx(np.log(100.0), rel=1e-12)
    assert np.isnan(value(newton.solve(lambda y: y - number(np.nan), number(1.0), 3, low=0.0, high=2.0)))
    with pytest.raises(ValueError, match="got iterations=0"):
        newton.solve(lambda y: y, 1.0, 0)


def test_kernels_of_a_step_with_implicit_solves_pass_the_battery() -> None:
    model = ProcessModel(
        name="implicit",
        title="A column of water with implicit flow",
        step=step,
        parameters=Parameters,
        state=Column,
        forcing=Forcing,
        fluxes=Fluxes,
        budgets={"water": Budget(Column._fields, ("rainfall",), ("evapotranspiration",))},
    )
    report = check_process_model(model, steps=60, points=5)
    assert report.finite_fraction == 1.0
