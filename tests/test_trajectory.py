import pickle
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import cloudpickle
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import small_models
from pytensor.gradient import pushforward
from small_models import TWO_POOLS, two_pools

from lsm_bayes.kernels import CHUNK
from lsm_bayes.lanes import WIDTHS
from lsm_bayes.oracles import differences, extrapolated_derivative
from lsm_bayes.programs import program
from lsm_bayes.trajectory import Trajectory, columns_of

FOLDED = (("step_length", 1.0),)
FLUXES, STATES = ("nee", "gpp", "reco"), ("foliage_carbon", "soil_carbon")
N = 150  # two chunks and a rest


@pytest.fixture(scope="module")
def derived() -> Any:
    return program(TWO_POOLS, FLUXES, STATES, FOLDED)


def case(members: int, n: int = N, seed: int = 0, *, each: bool = False) -> list[np.ndarray]:
    """Parameters, initial states and columns; the columns differ between members when asked for."""
    rng = np.random.default_rng(seed)
    p = np.array([[0.8], [0.02], [1e-3], [1.8]]) * rng.uniform(0.8, 1.2, (4, members))
    x = np.array([[200.0], [3000.0]]) * rng.uniform(0.8, 1.2, (2, members))
    shape = (members, n) if each else (n,)
    forcing = {"shortwave_down": rng.uniform(1, 15, shape), "air_temperature": rng.normal(8, 6, shape)}
    return [p, x, *columns_of(program(TWO_POOLS, FLUXES, STATES, FOLDED), forcing)]


def weights(members: int, n: int = N, kept: int | None = None) -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    return [rng.normal(size=(2, kept or n + 1, members)), rng.normal(size=(3, n, members))]


@cache
def compiled(lanes: int = 0, keep: int = 1, forcing_gradient: bool = True) -> Callable[..., list[np.ndarray]]:
    """Outputs and gradients of their weighted sum."""
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    w = [pt.dtensor3(), pt.dtensor3()]
    operation = Trajectory(program(TWO_POOLS, FLUXES, STATES, FOLDED), lanes=lanes, keep=keep, forcing_gradient=forcing_gradient)
    outputs = operation(*inputs)
    loss = sum((a * b).sum() for a, b in zip(w, outputs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTensor warns when it falls back to Numba's object mode
        return pytensor.function([*inputs, *w], [*outputs, *pytensor.grad(loss, inputs if forcing_gradient else inputs[:2])], mode="NUMBA")


def assert_same(got: list[np.ndarray], wanted: list[np.ndarray], limit: float = 1e-12) -> None:
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape
        assert np.max(np.abs(a - b)) <= limit * np.max(np.abs(b))


def test_gradient_of_parameters_and_initial_states_equals_differences() -> None:
    p, x, column = case(1)
    w = weights(1)
    gradient = np.concatenate([g[:, 0] for g in compiled()(p, x, column, *w)[2:4]])

    def run(values: np.ndarray) -> list[np.ndarray]:
        m = values.shape[1]
        return compiled()(np.ascontiguousarray(values[:4]), np.ascontiguousarray(values[4:]), column, *weights(m))[:2]

    point = np.concatenate([p, x])[:, 0]
    tables = differences(run, point, 0.05 * point)
    numeric, *_ = extrapolated_derivative(sum((t * v[None]).sum(axis=(1, 2)) for t, v in zip(tables, w, strict=True)))
    np.testing.assert_allclose(gradient, numeric, rtol=1e-9)


@pytest.mark.parametrize("each", [False, True], ids=["shared forcing", "forcing of each member"])
@pytest.mark.parametrize("lanes", [0, *WIDTHS])
def test_gradient_of_forcing_equals_differences(lanes: int, each: bool) -> None:
    p, x, column = case(3, each=each)
    assert column.shape[2] == (3 if each else 1)
    w = weights(3)
    f = compiled(lanes)
    gradient = f(p, x, column, *w)[4]
    assert gradient.shape == column.shape
    direction = np.random.default_rng(4).normal(size=column.shape)

    def loss(h: float) -> float:
        return sum(float((a * b).sum()) for a, b in zip(w, f(p, x, column + h * direction, *w)[:2], strict=True))

    numeric = (8 * (loss(1e-3) - loss(-1e-3)) - (loss(2e-3) - loss(-2e-3))) / 12e-3
    assert (gradient * direction).sum() == pytest.approx(numeric, rel=1e-8)


@pytest.mark.parametrize("each", [False, True], ids=["shared forcing", "forcing of each member"])
@pytest.mark.parametrize("members", [1, 7, 16, 17, 33])
@pytest.mark.parametrize("width", WIDTHS)
def test_lanes_equal_one_member_after_the_other(width: int, members: int, each: bool) -> None:
    values = [*case(members, each=each), *weights(members)]
    assert_same(compiled(width)(*values), compiled()(*values))


@pytest.mark.parametrize("keep", [1, CHUNK])
@pytest.mark.parametrize("width", WIDTHS)
def test_blocks_that_take_turns_equal_each_member_alone(width: int, keep: int) -> None:
    """40 members are several blocks, the last of width 16 not full; 150 times end within a slab."""
    kept = N + 1 if keep == 1 else -(-N // keep) + 1
    values = [*case(40, each=True), *weights(40, kept=kept)]
    together = compiled(width, keep)(*values)
    for b in (0, 15, 16, 31, 32, 39):
        alone = compiled(0, keep)(*(np.ascontiguousarray(v[..., b : b + 1]) for v in values))
        assert_same([np.ascontiguousarray(t[..., b : b + 1]) for t in together], alone)


def test_a_member_does_not_see_the_others() -> None:
    p, x, column = case(4)
    w = weights(4)
    together = compiled()(p, x, column, *w)
    alone = compiled()(p[:, 2:3].copy(), x[:, 2:3].copy(), column, *(v[..., 2:3].copy() for v in w))
    for a, b in zip(together[:4], alone[:4], strict=True):
        np.testing.assert_array_equal(a[..., 2], b[..., 0])


def test_states_are_kept_at_checkpoints_of_a_long_series() -> None:
    n, keep = 5000, 128
    values = case(2, n)
    kept = np.minimum(np.arange(-(-n // keep) + 1) * keep, n)
    sparse, dense = weights(2, n, kept.size), weights(2, n)
    dense[0] = np.zeros_like(dense[0])
    dense[0][:, kept] = sparse[0]
    dense[1] = sparse[1]
    thin, full = compiled(keep=keep)(*values, *sparse), compiled()(*values, *dense)
    np.testing.assert_array_equal(thin[0], full[0][:, kept])
    assert_same(thin[1:], full[1:], 1e-11)


def test_gradients_of_states_and_of_fluxes_add_up() -> None:
    values, w = case(2), weights(2)
    whole = compiled()(*values, *w)[2:4]
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    outputs = Trajectory(program(TWO_POOLS, FLUXES, STATES, FOLDED))(*inputs)
    parts = [
        pytensor.function(inputs, pytensor.grad((o * v).sum(), inputs[:2]), mode="NUMBA")(*values) for o, v in zip(outputs, w, strict=True)
    ]
    assert_same([a + b for a, b in zip(*parts, strict=True)], whole)


def test_tangent_and_adjoint_agree(derived: Any) -> None:
    values, w = case(2, each=True), weights(2)
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    dots = [v.type() for v in inputs]
    outputs = Trajectory(derived, forcing_gradient=True)(*inputs)
    tangent = pytensor.function([*inputs, *dots], pushforward(list(outputs), inputs, dots, use_op_pushforward=True), mode="NUMBA")
    directions = [v * np.random.default_rng(5).normal(size=v.shape) for v in values]
    left = sum((a * b).sum() for a, b in zip(tangent(*values, *directions), w, strict=True))
    right = sum((a * b).sum() for a, b in zip(compiled()(*values, *w)[2:], directions, strict=True))
    assert left == pytest.approx(right, rel=1e-11)


@pytest.mark.parametrize("lanes", [0, *WIDTHS])
def test_nan_stays_with_its_member(lanes: int) -> None:
    values, w = case(9), weights(9)
    sound = compiled(lanes)(*values, *w)
    values[0][1, 4] = np.nan
    broken = compiled(lanes)(*values, *w)
    assert np.isnan(broken[0][:, 1:, 4]).all()
    assert np.isnan(broken[1][:, 2:, 4]).all()
    assert np.isnan(broken[2][:, 4]).any()
    for a, b in zip(sound[:4], broken[:4], strict=True):
        np.testing.assert_array_equal(np.delete(a, 4, axis=-1), np.delete(b, 4, axis=-1))


def test_the_key_changes_with_the_step_of_a_model_of_the_same_name(derived: Any) -> None:
    def other(x: Any, f: Any, p: Any) -> Any:
        following, fluxes = small_models.step(x, f, p)
        return following, fluxes._replace(gpp=fluxes.gpp * 1.0000001)

    changed = program(two_pools(step=other), FLUXES, STATES, FOLDED)
    same = program(two_pools(), FLUXES, STATES, FOLDED)
    assert Trajectory(derived) == Trajectory(same)
    assert Trajectory(derived) != Trajectory(changed)
    assert Trajectory(derived).kernel().key != Trajectory(changed).kernel().key


def test_folded_forcing_is_part_of_the_key(derived: Any) -> None:
    assert program(TWO_POOLS, FLUXES, STATES, (("step_length", 2.0),)).key != derived.key


@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_operations_can_be_sent_to_another_process(derived: Any, module: Any) -> None:
    operation = Trajectory(derived, lanes=8, keep=64, forcing_gradient=True)
    back = module.loads(module.dumps(operation))
    assert back == operation and back.key == operation.key and back.program.fluxes == FLUXES


def test_an_operation_of_a_step_defined_in_place_can_be_sent() -> None:
    def halved(x: Any, f: Any, p: Any) -> Any:
        following, fluxes = small_models.step(x, f, p)
        return following, fluxes._replace(gpp=fluxes.gpp / 2)

    operation = Trajectory(program(two_pools("halved", step=halved), FLUXES, STATES, FOLDED))
    assert cloudpickle.loads(cloudpickle.dumps(operation)) == operation


def test_shapes_are_known_without_running(derived: Any) -> None:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    outputs = Trajectory(derived, keep=64)(*inputs)
    f = pytensor.function(inputs, [o.shape for o in outputs], mode=pytensor.compile.mode.Mode("py", "fast_run"))
    assert not any(isinstance(n.op, Trajectory) for n in f.maker.fgraph.toposort())
    assert [tuple(s) for s in f(*case(5))] == [(2, 4, 5), (3, N, 5)]


def test_inputs_of_wrong_dimension_are_refused(derived: Any) -> None:
    with pytest.raises(
        TypeError, match=r"a trajectory takes parameters, initial states and 1 column arrays with \(2, 2, 3\) dimensions, got \(1, 2, 3\)"
    ):
        Trajectory(derived)(pt.dvector(), pt.dmatrix(), pt.dtensor3())


def test_a_tangent_needs_every_state(derived: Any) -> None:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    outputs = Trajectory(derived, keep=64)(*inputs)
    with pytest.raises(ValueError, match="tangents need the states at every step; this trajectory keeps every 64th. Use keep=1."):
        pushforward(list(outputs), inputs, [v.type() for v in inputs], use_op_pushforward=True)


def test_forcing_is_not_differentiated_unless_asked_for(derived: Any) -> None:
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    loss = Trajectory(derived)(*inputs)[1].sum()
    with pytest.raises(pytensor.gradient.DisconnectedInputError):
        pytensor.grad(loss, inputs[2])


def without_state(x: Any, f: Any, p: Any) -> Any:
    following, _ = small_models.step(x, f, p)
    warmth = p.decay * p.q10 ** (f.air_temperature / 10.0)
    return following, small_models.Fluxes(nee=warmth, gpp=p.efficiency * f.shortwave_down, reco=x.soil_carbon)


@pytest.mark.parametrize("lanes", [0, *WIDTHS])
def test_fluxes_that_depend_on_no_state_run_and_have_gradients(lanes: int) -> None:
    stateless = program(two_pools("without_state", step=without_state), ("nee", "gpp"), (), FOLDED)
    assert stateless.state_names == ()
    rng = np.random.default_rng(3)
    light, warm = rng.uniform(1, 15, N), rng.normal(8, 6, N)
    values = case(3)[0]
    initial = np.zeros((0, 3))
    columns = columns_of(stateless, {"shortwave_down": light, "air_temperature": warm})
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    states, fluxes = Trajectory(stateless, lanes=lanes)(*inputs)
    f = pytensor.function(inputs, [states, fluxes, pytensor.grad(fluxes.sum(), inputs[0])], mode="NUMBA")
    states, fluxes, gradient = f(values, initial, *columns)
    efficiency, _, decay, q10 = values
    power = q10[None] ** (warm[:, None] / 10)
    assert states.shape == (0, N + 1, 3)
    np.testing.assert_allclose(fluxes, [decay * power, efficiency * light[:, None]], rtol=1e-12)
    slope = (decay * power * warm[:, None] / 10 / q10).sum(axis=0)
    np.testing.assert_allclose(gradient, [np.full(3, light.sum()), np.zeros(3), power.sum(axis=0), slope], rtol=1e-11)
