import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lsm_bayes.inference import Density, chains, load, sample, sample_mixture
from lsm_bayes.inference.store import attribute

# A shell starts its background jobs with interrupts ignored, and children inherit that.
SCRIPT = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from slow_model import slow_model
from lsm_bayes.inference import sample
sample(slow_model(), draws=100_000, tune=100, chains=3, seed=1, store=sys.argv[1], block=50, progress=False)
"""

MODEL = """
import numpy as np
import pymc as pm

def slow_model():
    with pm.Model() as model:
        x = pm.Normal("x", 0, 2)
        y = pm.Normal("y", x, 1)
        pm.Potential("work", 1e-12 * pm.math.sin(x * np.linspace(0, 1, 300_000)).sum())
    return model
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    (folder / "slow_model.py").write_text(MODEL)
    scope: dict = {}
    exec(MODEL, scope)  # the same text that the other process imports
    return folder, Density(scope["slow_model"]())


def start_process(folder: Path, store: Path) -> subprocess.Popen:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(folder)]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(store)], env=environment, stderr=subprocess.PIPE, text=True)


def wait_for_blocks(process: subprocess.Popen, store: Path, number: int = 6) -> None:
    deadline = time.monotonic() + 60
    while len(list(store.parent.glob(f"{store.name}.blocks/*/chain-*.nc"))) < number:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_moments(tree) -> None:
    x, y = (tree["posterior"][name].values.ravel() for name in "xy")
    assert x.mean() == pytest.approx(0, abs=0.2)
    assert x.std() == pytest.approx(2, rel=0.08)
    assert y.std() == pytest.approx(np.sqrt(5), rel=0.08)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(2 / np.sqrt(5), abs=0.04)


def test_killed_run_goes_on_from_its_blocks(slow, tmp_path):
    folder, density = slow
    store = tmp_path / "run.nc"
    process = start_process(folder, store)
    try:
        wait_for_blocks(process, store)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not store.exists()
    with pytest.raises(FileExistsError, match="unfinished run: go on with resume=True"):
        sample(density, chains=3, store=store, progress=False)
    tree = sample(density, draws=1, tune=100, chains=3, seed=1, store=store, resume=True, progress=False)
    assert attribute(tree, "cost")["segments"] == 1
    kept = 500
    tree = sample(density, draws=kept, tune=100, chains=3, seed=1, store=store, resume=True, progress=False)
    assert tree["posterior"].sizes["draw"] == kept
    assert not (tmp_path / "run.nc.blocks").exists()
    assert attribute(load(store), "cost")["segments"] == 2
    assert_moments(tree)


def test_ctrl_c_keeps_what_was_drawn(slow, tmp_path):
    folder, _ = slow
    store = tmp_path / "run.zarr"
    process = start_process(folder, store)
    try:
        wait_for_blocks(process, store)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            # Python drops an interrupt that arrives inside a finaliser; a user presses again.
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()  # closes its pipe, whatever happened
    assert process.returncode == 0, errors
    tree = load(store)
    assert attribute(tree, "cost")["interrupted"] is True
    assert tree["posterior"].sizes["chain"] == 3
    assert 0 < tree["posterior"].sizes["draw"] < 100_000


def test_resumed_draws_are_appended_and_valid(slow, tmp_path):
    _, density = slow
    store = tmp_path / "run.nc"
    arguments = {"tune": 200, "chains": 3, "seed": 3, "store": store, "progress": False}
    first = sample(density, draws=300, **arguments)
    second = sample(density, draws=1000, resume=True, **arguments)
    np.testing.assert_array_equal(second["posterior"]["x"].values[:, :300], first["posterior"]["x"].values)
    assert second["posterior"].sizes["draw"] == 1000
    assert_moments(second)
    new = second["posterior"]["x"].values[:, 300:]
    assert new.std() == pytest.approx(2, rel=0.1)
    spent, before = attribute(second, "cost"), attribute(first, "cost")
    assert spent["segments"] == 2
    assert spent["gradient_evaluations"] > before["gradient_evaluations"]
    # asked for no more draws: nothing is run
    third = sample(density, draws=1000, resume=True, **arguments)
    np.testing.assert_array_equal(third["posterior"]["x"], second["posterior"]["x"])


def test_interrupt_while_tuning_goes_on(slow, tmp_path, monkeypatch):
    _, density = slow
    store = tmp_path / "run.nc"

    def press(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(chains.Progress, "update", press)
    with pytest.raises(KeyboardInterrupt, match=r"Interrupted while tuning.*resume=True goes on"):
        sample(density, draws=100, tune=100_000, chains=2, seed=1, store=store, progress=False)
    monkeypatch.undo()
    tree = sample(density, draws=100, tune=100, chains=2, seed=1, store=store, resume=True, progress=False)
    assert tree["posterior"].sizes["draw"] == 100


def test_resume_refuses_another_model_or_number_of_chains(slow, gaussian, schools, tmp_path):
    _, density = slow
    store = tmp_path / "run.nc"
    sample(density, draws=20, tune=50, chains=2, seed=1, store=store, progress=False)
    with pytest.raises(ValueError, match=r"run.nc has 2 chains, 3 were asked for"):
        sample(density, chains=3, store=store, resume=True, progress=False)
    with pytest.raises(ValueError, match=r"belongs to another model: its labels is \['x', 'y'\]"):
        sample(gaussian, chains=2, store=store, resume=True, progress=False)
    with pytest.raises(ValueError, match="belongs to another model: its data_hash"):
        sample(schools, chains=2, store=store, resume=True, progress=False)


def test_resume_refuses_other_priors_of_the_same_names(slow, tmp_path):
    _, density = slow
    scope: dict = {}
    exec(MODEL.replace('pm.Normal("x", 0, 2)', 'pm.Normal("x", 0, 3)'), scope)
    other = Density(scope["slow_model"]())
    for run, store in ((sample, tmp_path / "run.nc"), (sample_mixture, tmp_path / "mixture.nc")):
        run(density, draws=20, tune=50, chains=2, seed=1, store=store, progress=False)
        with pytest.raises(ValueError, match="belongs to another model: the log-density of its last draw"):
            run(other, draws=20, tune=50, chains=2, seed=1, store=store, resume=True, progress=False)
