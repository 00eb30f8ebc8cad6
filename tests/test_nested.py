from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor import function
from small_models import HOISTED, MEMORYLESS, TWO_POOLS, TWO_RATES

from lsm_bayes.graphs import listing
from lsm_bayes.nested import nested_program
from lsm_bayes.testing import check_process_model
from lsm_bayes.trajectory import Trajectory, columns_of

N, RATE = 12, 6


def forcing(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"air_temperature": rng.normal(5, 3, N), "shortwave_down": rng.uniform(0, 2, N * RATE)}


def unrolled(p: np.ndarray, x: np.ndarray, data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two-rate model in NumPy, one loop inside another."""
    a, k, w = p
    leaf, soil, water = x
    states, slow, fast = [[leaf, soil, water]], [], []
    for t in range(N):
        uptakes = []
        for light in data["shortwave_down"][t * RATE : (t + 1) * RATE]:
            uptake = 0.1 * a * light * (1 - np.exp(-0.3 * leaf)) * water / (water + w)
            fast.append([uptake, 0.1 * uptake * w])
            water = 0.99 * water + 0.02 - 0.01 * 0.1 * uptake * w
            uptakes.append(uptake)
        water += 0.01 * leaf
        gpp, reco, litter = np.mean(uptakes), k * soil * np.exp(0.05 * data["air_temperature"][t]), 0.05 * leaf
        leaf, soil = leaf + gpp - litter, soil + litter - reco
        states.append([leaf, soil, water])
        slow.append([reco, gpp])
    return tuple(np.array(v).T for v in (states, slow, fast))


def test_a_nested_run_equals_two_loops_in_numpy() -> None:
    derived = nested_program(TWO_RATES, ("reco", "gpp"), ("net_radiation", "evapotranspiration"))
    p, x = np.array([[0.5, 0.4], [0.05, 0.02], [0.3, 0.2]]), np.array([[2.0, 3.0], [5.0, 4.0], [1.0, 2.0]])
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3(), pt.dtensor3()]
    run = function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")
    outputs = run(p, x, *columns_of(derived, forcing()))
    for member in range(2):
        for got, wanted in zip(outputs, unrolled(p[:, member], x[:, member], forcing()), strict=True):
            np.testing.assert_allclose(got[..., member], wanted, rtol=1e-13)


def test_the_battery_holds_for_nested_steps() -> None:
    # Adjoint against differences and scan, tangent against adjoint, budgets: the adjoint runs through both rates.
    report = check_process_model(TWO_RATES, steps=80, points=5)
    assert report.figures["gradient_against_differences"] < 1e-7
    assert report.figures["gradient_against_scan"] < 1e-10
    assert report.figures["dot_product"] < 1e-12
    assert "lanes_against_loop" not in report.figures


def test_a_fast_step_without_memory_sees_the_forcing_of_the_slow_step() -> None:
    derived = nested_program(MEMORYLESS, ("reco", "gpp"), ("net_radiation",))
    assert derived.forcing_names == (["air_temperature"], ["shortwave_down"])
    data = forcing()
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3(), pt.dtensor3()]
    run = function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")
    states, _, fast = run(np.array([[0.5], [0.05], [0.3]]), np.array([[2.0], [5.0]]), *columns_of(derived, data))
    leaves = np.repeat(states[0, :-1, 0], RATE)
    uptake = 0.5 * data["shortwave_down"] * (1 - np.exp(-0.3 * leaves)) * np.exp(-0.05 * np.repeat(data["air_temperature"], RATE))
    np.testing.assert_allclose(fast[0, :, 0], uptake, rtol=1e-13)
    symbolic = columns_of(derived, {n: pt.as_tensor(v) for n, v in data.items()})
    for column, wanted in zip(symbolic, columns_of(derived, data), strict=True):
        np.testing.assert_allclose(column.eval(), wanted, rtol=1e-14)


def test_the_battery_holds_for_a_fast_step_without_memory() -> None:
    report = check_process_model(MEMORYLESS, steps=40, points=3)
    assert report.figures["gradient_against_differences"] < 1e-7
    assert report.figures["gradient_against_scan"] < 1e-10


def test_what_slow_forcing_decides_is_not_done_in_each_fast_step() -> None:
    derived = nested_program(HOISTED, ("reco", "gpp"), ("net_radiation",))
    _, fast = derived.split_steps
    # One number for the parameters, from states and slow forcing; one for the fast forcing; no exponential is left in the fast loop.
    assert fast.n_held >= 1 and len(fast.held.outputs) > fast.n_held
    assert "exp" not in {str(i.op).lower() for i in listing(fast.body).instructions}
    columns, fast_columns = columns_of(derived, forcing())
    assert columns.shape[1] == N and fast_columns.shape[1] == N * RATE


@pytest.mark.parametrize("by_member", [False, True])
def test_hoisted_work_gives_the_same_run(by_member: bool) -> None:
    data = forcing()
    given = {n: np.stack([v, v + 0.1]) for n, v in data.items()} if by_member else data
    derived = nested_program(HOISTED, ("reco", "gpp"), ("net_radiation",))
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3(), pt.dtensor3()]
    run = function(inputs, Trajectory(derived)(*inputs), mode="NUMBA")
    p, x = np.array([[0.5, 0.5], [0.05, 0.05], [0.3, 0.3]]), np.array([[2.0, 2.0], [5.0, 5.0]])
    states, _, fast = run(p, x, *columns_of(derived, given))
    for member in range(2):
        cold, light = (v + 0.1 * member * by_member for v in (data["air_temperature"], data["shortwave_down"]))
        warm, leaves = np.repeat(np.exp(0.05 * cold), RATE), np.repeat(states[0, :-1, member], RATE)
        wanted = 0.125 * np.sqrt(light * warm + 1.0) * np.exp(-0.1 * leaves * warm) * (1.0 + 0.1 * np.repeat(cold, RATE))
        np.testing.assert_allclose(fast[0, :, member], wanted, rtol=1e-13)
    symbolic = columns_of(derived, {n: pt.as_tensor(v) for n, v in given.items()})
    for column, expected in zip(symbolic, columns_of(derived, given), strict=True):
        np.testing.assert_allclose(column.eval(), expected, rtol=1e-14)


def test_the_battery_holds_for_hoisted_work() -> None:
    report = check_process_model(HOISTED, steps=20, points=2)
    assert report.figures["gradient_against_differences"] < 1e-7
    assert report.figures["gradient_against_scan"] < 1e-10
    assert report.figures["dot_product"] < 1e-12


def test_a_plain_model_has_no_nested_program() -> None:
    with pytest.raises(TypeError, match="two_pools has no nested step"):
        _: Any = nested_program(TWO_POOLS, ("gpp",), ()).steps
