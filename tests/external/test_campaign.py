"""Runs of a program: failures are data, finished runs are not repeated, and what is killed goes on."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lsm_bayes.external import Campaign, ExternalModel

from .programs import SLOW, slow


def began(folder: Path) -> list[str]:
    path = folder / "log.txt"
    return [line.split()[1] for line in path.read_text().splitlines() if line.startswith("begin")] if path.exists() else []


@pytest.mark.parametrize(
    ("crash", "reason"),
    [
        ("status", r"^exit status 7, expected 0; last lines of stderr.txt: soil moisture below zero in layer 2$"),
        ("signal", r"^ended by signal 6 \(SIGABRT\)"),
        ("nan", r"^output 'y': 1 of 3 values are not finite, the first of them at 1$"),
        ("short", r"^output 'y': got 2 values, expected 3$"),
        ("garbage", r"^output 'y': y.txt cannot be read: .*'\*\*\*'"),
        ("silent", r"^output 'y': the run wrote no y.txt; its directory has stderr.txt, stdout.txt$"),
    ],
)
def test_runs_that_fail_are_nan_with_a_reason(tmp_path: Path, crash: str, reason: str) -> None:
    campaign = Campaign(slow(tmp_path, crash=crash), tmp_path / "runs")
    assert np.isnan(campaign.outputs({"level": 3.0})).all()
    (run,) = campaign.failed
    assert re.search(reason, run.reason), run.reason
    assert (Path(run.folder) / "stderr.txt").exists() and run.parameters == {"level": 3.0}
    assert "1 of 1 runs failed" in campaign.describe() and run.folder in campaign.describe()
    # What failed is data: it is not run again unless it is asked for.
    again = Campaign(slow(tmp_path, crash=crash), tmp_path / "runs")
    assert np.isnan(again.outputs({"level": 3.0})).all() and again.executed == 0 and again.failed[0].reason == run.reason
    retried = Campaign(slow(tmp_path, crash=crash), tmp_path / "runs", rerun_failed=True)
    retried.outputs({"level": 3.0})
    retried.outputs({"level": 3.0})
    assert retried.executed == 1 and len(began(tmp_path)) == 2


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    campaign, before = Campaign(slow(tmp_path, wait="30", timeout=0.5), tmp_path / "runs"), time.perf_counter()
    assert np.isnan(campaign.outputs({})).all() and time.perf_counter() - before < 10
    assert campaign.failed[0].reason == "not finished after 0.5 s, the time-out; it printed nothing"
    assert "end" not in (tmp_path / "log.txt").read_text()


def test_retries(tmp_path: Path) -> None:
    campaign = Campaign(slow(tmp_path, crash="once", retries=1), tmp_path / "runs")
    assert np.array_equal(campaign.outputs({"level": 2.0}), [2.0, 3.0, 4.0])
    assert campaign.seen.popitem()[1].attempts == 2
    hopeless = Campaign(slow(tmp_path, crash="status", retries=2), tmp_path / "runs")
    hopeless.outputs({"level": 2.0})
    assert hopeless.failed[0].reason.endswith("(the last of 3 attempts)")


def test_each_parameter_set_runs_once(tmp_path: Path) -> None:
    campaign = Campaign(slow(tmp_path), tmp_path / "runs")
    levels = np.array([1.0, 2.0, 1.0 + 1e-15, np.nan, 2.0, 3.0])
    campaign.run_ahead({"level": levels, "z": np.zeros((6, 4))}, cores=2)
    assert campaign.executed == 3 and sorted(began(tmp_path)) == ["1.0", "2.0", "3.0"]
    found = campaign.run({"level": np.array([3.0, 1.0])})
    assert np.array_equal(found["y"], [[3.0, 4.0, 5.0], [1.0, 2.0, 3.0]]) and list(found["state"].values) == ["done", "done"]
    assert found["level"].attrs["long_name"] == "level of the series" and campaign.executed == 3
    assert np.isnan(campaign.outputs({"level": np.nan})).all()
    campaign.outputs({"level": 2.0 + 4e-15})
    assert campaign.executed == 3, "the last bit does not make another run"
    other = Campaign(slow(tmp_path, version="2"), tmp_path / "runs")
    other.outputs({"level": 3.0})
    assert other.executed == 1, "another version has runs of its own"
    (tmp_path / "slow.py").write_text(SLOW + "# corrected\n")
    changed = ExternalModel(**{f: getattr(campaign.model, f) for f in ("name", "parameters", "outputs", "command", "base")})
    assert changed.identity != campaign.model.identity, "another program too"


@pytest.mark.parametrize(("keep", "left"), [("outputs", set()), ("failed", {"failed"}), ("all", {"done", "failed"})])
def test_what_is_kept(tmp_path: Path, keep: str, left: set[str]) -> None:
    for crash, state in (("", "done"), ("status", "failed")):
        campaign = Campaign(slow(tmp_path, crash=crash, parameter_file="p.json"), tmp_path / state, keep=keep)
        campaign.outputs({})
        (run,) = campaign.seen.values()
        names = {p.name for p in Path(run.folder).iterdir()}
        own = {"status.json", "outputs.npz"} if state == "done" else {"status.json"}
        assert own <= names and ({"p.json", "stderr.txt"} <= names) == (state in left) and ((names == own) or state in left)


def test_a_damaged_run_is_run_again(tmp_path: Path) -> None:
    first = Campaign(slow(tmp_path), tmp_path / "runs")
    first.outputs({})
    (run,) = first.seen.values()
    (Path(run.folder) / "outputs.npz").write_bytes(b"PK half")
    second = Campaign(slow(tmp_path), tmp_path / "runs")
    assert np.array_equal(second.outputs({}), [50.0, 51.0, 52.0]) and second.executed == 1
    third = Campaign(slow(tmp_path), tmp_path / "runs")
    third.outputs({})
    assert third.executed == 0 and third.reused == 1


CAMPAIGN = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, {tests!r})
from programs import slow
from lsm_bayes.external import Campaign
folder = Path({folder!r})
Campaign(slow(folder, wait="0.25"), folder / "runs").run_ahead({{"level": np.arange(12.0)}}, cores=2)
"""


def killed_campaign(folder: Path) -> int:
    """Start a campaign of twelve runs, kill it after four have finished, and return how many the store has."""
    code = CAMPAIGN.format(tests=str(Path(__file__).parent), folder=str(folder))
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=os.environ, start_new_session=True)

    def finished() -> int:
        return len([p for p in folder.glob("runs/*/*/status.json") if not p.parent.name.startswith(".")])

    limit = time.monotonic() + 120
    while finished() < 4:
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.1)
    child.kill()
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    return finished()


def test_a_killed_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    before = killed_campaign(tmp_path)
    assert 4 <= before < 12
    campaign = Campaign(slow(tmp_path, wait="0.25"), tmp_path / "runs")
    assert not list(campaign.store.folder.glob(".*.part")), "what was left half done is deleted"
    campaign.run_ahead({"level": np.arange(12.0)}, cores=2)
    assert campaign.executed == 12 - before and campaign.reused == before and len(list(campaign.store.runs())) == 12
    assert len(began(tmp_path)) <= 12 + 2, "only the two that ran when it was killed began twice"
    assert np.array_equal(campaign.run({"level": np.arange(12.0)})["y"].values[:, 0], np.arange(12.0))


def test_an_interrupt_ends_the_programs_and_keeps_what_is_done(tmp_path: Path) -> None:
    campaign = Campaign(slow(tmp_path, wait="30"), tmp_path / "runs")
    done = Campaign(slow(tmp_path), tmp_path / "other")
    done.outputs({"level": 1.0})
    began_before = len(began(tmp_path))

    def interrupt() -> None:
        limit = time.monotonic() + 60
        while len(began(tmp_path)) < began_before + 2 and time.monotonic() < limit:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        campaign.run_ahead({"level": np.arange(5.0)}, cores=2)
    assert time.perf_counter() - before < 20 and campaign.executed == 0 and not campaign.seen
    assert not [p for p in campaign.store.folder.iterdir() if p.name != "declaration.json"], "no half run is left"
    assert len(began(tmp_path)) == began_before + 2, "those that waited did not start"
    assert not campaign.failed
