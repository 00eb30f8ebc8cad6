import re
from functools import partial
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
import pytest
import small_models
from small_models import TWO_POOLS, Fluxes, two_pools

from lsm_bayes import entries
from lsm_bayes.graphs import Graph, cotangents, listing, split, trace
from lsm_bayes.kernels import CHUNK, Recurrence, scalar_kernel
from lsm_bayes.lanes import WIDTHS, lane_kernel, lanes_for
from lsm_bayes.programs import program

FOLDED = (("step_length", 1.0),)
FORMS = ("scalar", *(f"lanes {w}" for w in WIDTHS))


def weather(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"shortwave_down": rng.uniform(1, 15, n), "air_temperature": rng.normal(8, 6, n)}


def by_hand(p: np.ndarray, x: np.ndarray, forcing: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The step of the two pools in NumPy."""
    efficiency, turnover, decay, q10 = p
    states, fluxes = [x], []
    for light, warm in zip(forcing["shortwave_down"], forcing["air_temperature"], strict=True):
        live, dead = states[-1]
        gpp = efficiency * light * live / (live + 100.0)
        loss, respired = turnover * live, decay * dead * q10 ** (warm / 10.0)
        states.append(np.array([live + 0.5 * gpp - loss, dead + loss - respired]))
        fluxes.append([respired - 0.5 * gpp, gpp, respired + 0.5 * gpp])
    return np.moveaxis(np.array(states), 1, 0), np.moveaxis(np.array(fluxes), 1, 0)


@pytest.fixture(scope="module")
def members() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    p = np.array([[0.8], [0.02], [1e-3], [1.8]]) * rng.uniform(0.8, 1.2, (4, 33))
    return p, np.array([[200.0], [3000.0]]) * rng.uniform(0.8, 1.2, (2, 33))


@pytest.fixture(scope="module")
def forward() -> dict[str, Any]:
    derived = program(TWO_POOLS, ("nee", "gpp", "reco"), ("foliage_carbon", "soil_carbon"), FOLDED)
    return {"program": derived, "scalar": derived.forward(0).compiled(), **{f"lanes {w}": derived.forward(w).compiled() for w in WIDTHS}}


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
@pytest.mark.parametrize("form", FORMS)
def test_series_of_any_length_equal_a_loop_in_numpy(forward: Any, members: Any, form: str, n: int) -> None:
    forcing = weather(n)
    p, x = (np.ascontiguousarray(v[:, :3]) for v in members)
    states, fluxes, last = forward[form](p, x, forward["program"].columns(forcing), n, 3)
    wanted = by_hand(p, x, forcing)
    np.testing.assert_allclose(states, wanted[0], rtol=1e-13)
    np.testing.assert_allclose(fluxes, wanted[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(last, states[:, -1])


@pytest.mark.parametrize("width", WIDTHS)
def test_lanes_are_vectorised(forward: Any, members: Any, width: int) -> None:
    p, x = (np.ascontiguousarray(v[:, :width]) for v in members)
    run = forward[f"lanes {width}"]
    run(p, x, forward["program"].columns(weather(3)), 3, width)
    text = "".join(run.inspect_llvm().values())
    assert re.search(r"fdiv \w*\s*\w*\s*\w*\s*<\d+ x double>", text), "the loop over members is not in SIMD lanes"


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core")
@pytest.mark.parametrize("keep", [1, CHUNK])
def test_threads_share_out_the_blocks(forward: Any, members: Any, keep: int) -> None:
    numba.get_num_threads()  # starts them
    (p, x), forcing = members, weather(2 * CHUNK)
    columns = forward["program"].columns(forcing)
    alone, shared = (forward["program"].forward(8, keep, threads).compiled()(p, x, columns, 2 * CHUNK, 33) for threads in (1, 2))
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(one, other)


def test_few_members_run_alone_some_in_a_narrow_block_many_in_wide_ones() -> None:
    assert [lanes_for(m) for m in (1, 2, 3, 8, 9, 16, 17, 1000)] == [0, 0, 8, 8, 16, 16, 16, 16]


def test_work_that_does_not_depend_on_the_state_leaves_the_loop() -> None:
    graph, _ = trace(TWO_POOLS, dict(FOLDED))
    parts = split(graph, [0, 1, 2], 2)
    # The power of temperature waits for a parameter and for the forcing, but the division of temperature only for the forcing.
    assert len(parts.prepare.inputs["forcing"]) == 2
    assert len(parts.constants.outputs) <= 4
    assert {len(parts.body.inputs[r]) for r in ("state", "column")} == {2}


def test_what_is_not_wanted_is_not_computed() -> None:
    only = program(TWO_POOLS, ("gpp",), (), FOLDED)
    assert only.state_names == ("foliage_carbon",)
    assert len(listing(only.step.body).outputs) == 2


def test_equal_choices_give_the_same_program() -> None:
    assert program(TWO_POOLS, ("gpp",), (), FOLDED) is program(TWO_POOLS, ("gpp",), (), FOLDED)


def test_a_column_shared_by_all_and_one_for_each_agree(forward: Any, members: Any) -> None:
    p, x = (np.ascontiguousarray(v[:, :5]) for v in members)
    column = forward["program"].columns(weather(70))
    each = np.ascontiguousarray(np.repeat(column, 5, axis=2))
    for form in FORMS:
        for shared, own in zip(forward[form](p, x, column, 70, 5), forward[form](p, x, each, 70, 5), strict=True):
            np.testing.assert_array_equal(shared, own)


def test_an_operation_on_arrays_is_refused_by_name() -> None:
    def sorting(x: Any, f: Any, p: Any) -> Any:
        return x, Fluxes(pt.sort(pt.stack([x.foliage_carbon, f.air_temperature]))[0], f.air_temperature, f.air_temperature)

    model = two_pools("sorting", step=sorting)
    with pytest.raises(
        TypeError, match="which does not work on single numbers; write it with scalar arithmetic and pytensor.tensor functions"
    ):
        program(model, ("nee",), (), FOLDED).forward(0)


def test_checkpoints_lie_at_multiples_of_a_chunk(forward: Any) -> None:
    with pytest.raises(ValueError, match=f"states are kept at every step or at multiples of {CHUNK} steps, got 10"):
        entries.forward(forward["program"], 0, 10)


def test_an_output_that_feeds_another_keeps_both_contributions() -> None:
    a, b, c = (pt.dscalar(n) for n in "abc")
    y = a**2
    (bar,) = cotangents([y, 3 * y], [b, c], [a])
    assert bar.eval({a: 2.0, b: 1.0, c: 1.0}) == pytest.approx(16.0)


@pytest.mark.parametrize("make", [scalar_kernel, partial(lane_kernel, lanes=8)])
def test_the_key_changes_with_the_step_and_only_with_it(make: Any) -> None:
    def key(model: Any) -> str:
        step = split(trace(model, dict(FOLDED))[0], [0, 1, 2], 2)
        return make(Recurrence("forward", step.constants, step.body, 1)).key

    def other(x: Any, f: Any, p: Any) -> Any:
        following, fluxes = small_models.step(x, f, p)
        return following, fluxes._replace(nee=fluxes.nee * 1.0000001)

    assert key(two_pools("first")) == key(two_pools("second"))
    assert key(two_pools("first")) != key(two_pools("first", step=other))


def test_literals_of_any_kind_run() -> None:
    def constant(x: Any, f: Any, p: Any) -> Any:
        return x, Fluxes(1, x.foliage_carbon > 5, pt.switch(x.foliage_carbon > 1e9, np.inf, -2.5))

    derived = program(two_pools("constant", step=constant), ("nee", "gpp", "reco"), (), FOLDED)
    ones = np.ones((4, 1)), np.full((1, 1), 7.0)
    for lanes in (0, *WIDTHS):
        written = derived.forward(lanes).compiled()(*ones, derived.columns(weather(3)), 3, 1)[1]
        np.testing.assert_array_equal(written[:, :, 0], [[1.0] * 3, [1.0] * 3, [-2.5] * 3])


def test_conditions_of_forcing_parameters_and_states_combine(members: Any) -> None:
    def step(x: Any, f: Any, p: Any) -> Any:
        bright, hot, small = f.shortwave_down > 8.0, p.q10 > 1.8, x.foliage_carbon < 200.0
        chosen = pt.switch(pt.or_(bright, pt.and_(hot, pt.invert(small))), 2.0, 1.0)
        return x, Fluxes(chosen, pt.switch(pt.and_(bright, hot), 1.0, 0.0), pt.switch(pt.or_(hot, small), 1.0, 0.0))

    derived = program(two_pools(step=step, budgets={}), ("nee", "gpp", "reco"), ("foliage_carbon",), FOLDED)
    p, x = members
    forcing = weather(5)
    bright, hot, small = forcing["shortwave_down"][:, None] > 8, p[3] > 1.8, x[0] < 200
    wanted = [np.where(bright | (hot & ~small), 2, 1), bright & hot, np.broadcast_to(hot | small, (5, p.shape[1]))]
    column = derived.columns(forcing)
    for lanes in (0, WIDTHS[0]):
        _, fluxes, *_ = derived.forward(lanes).compiled()(p, np.ascontiguousarray(x[:1]), column, 5, p.shape[1])
        np.testing.assert_array_equal(fluxes, np.array(wanted, dtype=float))


def test_a_listing_writes_equal_instructions_once() -> None:
    a, b = pt.dscalar("a"), pt.dscalar("b")
    code = listing(Graph({"state": [a], "constant": [b]}, [pt.exp(a * b) + 1, pt.exp(a * b) + 2]))
    assert sum(type(i.op).__name__ == "Exp" for i in code.instructions) == 1
