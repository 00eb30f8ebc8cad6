"""The text of a log-density that is kept: found for the same model and data, and for no other."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.traversal import graph_inputs
from small_models import TWO_POOLS, two_pools

from lsm_bayes.inference import compiled, stored
from lsm_bayes.inference.compiled import compile_model
from lsm_bayes.signature import signature
from lsm_bayes.simulation import symbolic_run

RNG = np.random.default_rng(1)
DATA = RNG.standard_normal(40)


def model_of(data: np.ndarray = DATA, scale: float = 1.25) -> pm.Model:
    with pm.Model() as model:
        mean = pm.Normal("mean", 0.0, scale, shape=2)
        sd = pm.HalfNormal("sd")
        pm.Normal("y", mean[0] + mean[1] * np.linspace(0, 1, data.size), sd, observed=data)
    return model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stored, "folder", lambda: tmp_path)
    return tmp_path


def key_of(model: pm.Model) -> str | None:
    return signature([model.logp()], model.value_vars)


def test_equal_models_have_equal_signatures_and_others_do_not() -> None:
    keys = [key_of(m) for m in (model_of(), model_of(), model_of(DATA + 1e-9), model_of(scale=1.5), model_of(DATA[:39]))]
    assert keys[0] is not None and keys[0] == keys[1] and len(set(keys)) == 4


def test_runs_that_differ_in_their_gradient_alone_are_told_apart() -> None:
    def run(step):
        forcing = {n: np.ones(20) for n in TWO_POOLS.forcing_quantities}
        return symbolic_run(two_pools(step=step), forcing, {"q10": pt.dscalar("q")}, ["nee"])["nee"]

    def stopped(x, f, p):
        return TWO_POOLS.step(x, f, p._replace(q10=disconnected_grad(p.q10)))

    found = []
    for step in (TWO_POOLS.step, stopped):
        series = run(step)
        found.append(signature([series.sum()], [v for v in graph_inputs([series]) if v.name == "q"]))
    assert None not in found and found[0] != found[1]


class Opaque(Op):
    """Says nothing about itself."""

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0]


def test_an_operation_without_properties_is_unknown() -> None:
    x = pt.dvector("x")
    assert signature([Opaque()(x)], [x]) is None
    assert signature([x + pt.dscalar("free")], [x]) is None


def test_a_known_model_is_not_written_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_model(model_of())
    assert len(list(folder.glob("*.npz"))) == 1
    monkeypatch.setattr(compiled, "write_density", None)
    again = compile_model(model_of())
    for _ in range(3):
        x = RNG.standard_normal(3)
        (value, slope), (known_value, known_slope) = first.logp_func(x), again.logp_func(x)
        assert value == known_value
        np.testing.assert_array_equal(slope, known_slope)
    with pytest.raises(TypeError):
        compile_model(model_of(DATA + 1.0))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half of one"])
def test_a_damaged_file_is_written_anew(folder: Path, content: bytes) -> None:
    value = compile_model(model_of()).logp_func(np.zeros(3))[0]
    (path,) = folder.glob("*.npz")
    path.write_bytes(content)
    assert compile_model(model_of()).logp_func(np.zeros(3))[0] == value
    assert path.stat().st_size > 100


def test_without_numbas_cache_the_model_is_written_again(folder: Path) -> None:
    value = compile_model(model_of()).logp_func(np.zeros(3))[0]
    (path,) = folder.glob("*.npz")
    with np.load(path) as found:
        # Numba's cache knows no function of this key.
        np.savez(path, **{**found, "key": np.array("0" * 64)})
    assert compile_model(model_of()).logp_func(np.zeros(3))[0] == value


def test_only_the_newest_texts_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "KEPT", 2)
    for i in range(4):
        compile_model(model_of(DATA + i))
    assert len(list(folder.glob("*.npz"))) == 2 and not list(folder.glob("*.part"))


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(stored, "folder", lambda: tmp_path / "file" / "below")
    assert np.isfinite(compile_model(model_of()).logp_func(np.zeros(3))[0])
