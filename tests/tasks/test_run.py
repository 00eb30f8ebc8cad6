"""Tasks: the same results with every executor, nothing done twice, and failures that stop nothing else."""

import builtins
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import small_tasks
import xarray as xr

from lsm_bayes.inference import load
from lsm_bayes.tasks import Task, run_tasks
from lsm_bayes.tasks.store import land, read, read_note


def twelve(counts: Path | None = None) -> list[Task]:
    arguments = {} if counts is None else {"counts": counts}
    return [Task(f"site {k}", small_tasks.draw, arguments) for k in range(12)]


def results(store: Path, tasks: list[Task]) -> dict[str, xr.Dataset]:
    return {t.name: read(store / t.file).drop_attrs(deep=False) for t in tasks}


def assert_same(a: dict[str, xr.Dataset], b: dict[str, xr.Dataset]) -> None:
    assert a.keys() == b.keys()
    for name, found in a.items():
        xr.testing.assert_identical(found, b[name])


def test_seeds_follow_from_names_alone(tmp_path: Path) -> None:
    forth, back, few = tmp_path / "forth", tmp_path / "back", tmp_path / "few"
    for store, tasks in ((forth, twelve()), (back, twelve()[::-1]), (few, twelve()[3:5])):
        assert run_tasks(tasks, store, progress=False).complete
    assert_same(results(forth, twelve()), results(back, twelve()))
    assert_same(results(few, twelve()[3:5]), results(forth, twelve()[3:5]))
    values = [float(found["x"][0]) for found in results(forth, twelve()).values()]
    assert len(set(values)) == 12
    run_tasks(twelve(), tmp_path / "other", seed=1, progress=False)
    assert not set(values) & {float(found["x"][0]) for found in results(tmp_path / "other", twelve()).values()}


@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_workers_that_are_killed_cost_nothing(executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if executor == "dask":
        pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("lsm_bayes.tasks.processes.MOST_DEATHS", 2)
    monkeypatch.setattr("lsm_bayes.tasks.cluster.MOST_DEATHS", 2)

    def tasks(where: Path) -> list[Task]:
        where.mkdir()
        killed = Task("killed", small_tasks.die_once, {"mark": where / "mark", "counts": where})
        large = Task("large", small_tasks.product, {"size": 300})
        return [*twelve(where)[:5], killed, large, *twelve(where)[5:]]

    # Without the mark the serial run would kill the test.
    serial, beside = tasks(tmp_path / "serial"), tasks(tmp_path / "beside")
    (tmp_path / "serial" / "mark").touch()
    assert run_tasks(serial, tmp_path / "a", progress=False).complete
    deadly = Task("deadly", small_tasks.die)
    outcome = run_tasks([*beside, deadly], tmp_path / "b", executor=executor, workers=2, progress=False)
    assert (tmp_path / "beside" / "mark").exists()
    assert outcome.done == tuple(t.name for t in beside) and sorted(outcome.ran) == sorted([*outcome.done, "deadly"])
    assert_same(results(tmp_path / "a", serial), results(tmp_path / "b", beside))
    # No task was done twice, and the workers that died left nothing unfinished.
    assert len(list((tmp_path / "beside").glob("*-*"))) == 13 and not list((tmp_path / "b").glob(".*"))
    # A task that kills every worker is given up, and stops no other.
    assert outcome.failed.keys() == {"deadly"}
    assert outcome.failed["deadly"].startswith("WorkerDied: 2 workers died while they had this task: killed, out of memory or crashed.")
    assert json.loads((tmp_path / "b" / "failed" / "deadly.json").read_text())["deaths"] == 2


def test_scheduler_that_runs_already_is_used(scheduler: str, tmp_path: Path) -> None:
    failing = Task("failing", small_tasks.fail, {"mended": tmp_path / "mended"})
    outcome = run_tasks([*twelve(), failing], tmp_path / "a", executor="dask", scheduler=scheduler, progress=False)
    assert outcome.done == tuple(t.name for t in twelve()) and outcome.failed == {"failing": "ValueError: the canopy is dead"}
    run_tasks(twelve(), tmp_path / "b", progress=False)
    assert_same(results(tmp_path / "a", twelve()), results(tmp_path / "b", twelve()))


def test_workers_that_cannot_start_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsm_bayes.tasks.processes._serve", small_tasks.leave)
    with pytest.raises(RuntimeError, match="a worker process ended before it was ready"):
        run_tasks(twelve(), tmp_path, executor="processes", workers=1, progress=False)


def test_rerun_does_only_what_is_missing(tmp_path: Path) -> None:
    counts, store = tmp_path / "counts", tmp_path / "store"
    counts.mkdir()
    tasks = twelve(counts)
    assert run_tasks(tasks[:7], store, progress=False).complete
    before = {t.name: (store / t.file).read_bytes() for t in tasks[:7]}
    outcome = run_tasks(tasks, store, progress=False)
    assert outcome.complete and outcome.ran == tuple(t.name for t in tasks[7:])
    assert len(list(counts.iterdir())) == 12
    assert before == {t.name: (store / t.file).read_bytes() for t in tasks[:7]}
    assert run_tasks(tasks, store, executor="dask", progress=False).ran == ()  # starts no cluster


def test_failed_task_is_kept_and_retried_when_asked(tmp_path: Path) -> None:
    store, mended = tmp_path / "store", tmp_path / "mended"
    tasks = [*twelve(), Task("dry/site", small_tasks.fail, {"mended": mended}), Task("none", small_tasks.nothing)]
    outcome = run_tasks(tasks, store, progress=False)
    assert len(outcome.done) == 12 and not outcome.complete and not outcome.missing
    assert outcome.failed["dry/site"] == "ValueError: the canopy is dead"
    assert outcome.failed["none"] == "TypeError: nothing returned a NoneType; return an xarray Dataset or DataTree"
    assert "12 of 14 tasks done" in str(outcome) and "dry/site: ValueError" in str(outcome)
    kept = json.loads((store / "failed" / "dry%2Fsite.json").read_text())
    assert kept["name"] == "dry/site" and "small_tasks.py" in kept["traceback"]
    mended.touch()
    again = run_tasks(tasks, store, progress=False)
    assert again.ran == () and again.failed == outcome.failed
    third = run_tasks(tasks[:-1], store, retry_failed=True, progress=False)
    assert third.complete and third.ran == ("dry/site",) and not (store / "failed" / "dry%2Fsite.json").exists()


def test_interrupted_run_keeps_what_is_done(tmp_path: Path) -> None:
    tasks = [*twelve()[:4], Task("long", small_tasks.interrupt, {"mark": tmp_path / "mark"}), *twelve()[4:]]
    outcome = run_tasks(tasks, tmp_path / "store", progress=False)
    assert outcome.interrupted and len(outcome.done) == 4 and len(outcome.missing) == 9 and "run again to go on" in str(outcome)
    again = run_tasks(tasks, tmp_path / "store", progress=False)
    assert again.complete and again.ran == outcome.missing


def test_result_of_another_task_is_refused(tmp_path: Path) -> None:
    run_tasks(twelve(), tmp_path, progress=False)
    with pytest.raises(ValueError, match="holds a result of 'site 0' with another function, other arguments, data or seed"):
        run_tasks([Task("site 0", small_tasks.draw, {"size": 4})], tmp_path, progress=False)
    with pytest.raises(ValueError, match="or seed; choose another store"):
        run_tasks(twelve(), tmp_path, seed=1, progress=False)


def test_damaged_result_counts_as_missing(tmp_path: Path) -> None:
    run_tasks(twelve(), tmp_path, progress=False)
    file = tmp_path / twelve()[2].file
    file.write_bytes(file.read_bytes()[:100])
    assert run_tasks(twelve(), tmp_path, progress=False).ran == ("site 2",)
    assert zipfile.ZipFile(file).testzip() is None


def test_result_appears_complete_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise OSError("disk full")

    data = small_tasks.draw(seed=1)
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", stop)
        with pytest.raises(OSError, match="disk full"):
            land(data, tmp_path / "a.zarr.zip", {})
    assert not list(tmp_path.iterdir())
    land(data, tmp_path / "a.zarr.zip", {"name": "a"})
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr.zip"] and read_note(tmp_path / "a.zarr.zip") == {"name": "a"}
    with pytest.raises(FileNotFoundError, match="put the store where all workers can write"):
        land(data, tmp_path / "absent" / "a.zarr.zip", {})


def test_results_that_do_not_arrive_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsm_bayes.tasks.run.SEEN_SECONDS", 0.0)
    monkeypatch.setattr("lsm_bayes.tasks.perform.land", lambda *_: None)
    with pytest.raises(RuntimeError, match="12 results are written, such as site 0.zarr.zip, but they are not in"):
        run_tasks(twelve(), tmp_path, progress=False)


def test_results_are_results(tmp_path: Path) -> None:
    run_tasks(twelve()[:1], tmp_path, progress=False)
    tree = load(tmp_path / "site 0.zarr.zip")
    np.testing.assert_array_equal(tree["x"], small_tasks.draw(seed=Task("site 0", small_tasks.draw).seed(0))["x"])
    assert tree["x"].attrs == {"units": "1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executor": "slurm"}, "executor is 'slurm'; choose one of serial, processes, dask"),
        ({"scheduler": "tcp://1:2"}, "the executor is 'serial'; give executor='dask', or no scheduler"),
        ({"workers": 0}, "got workers=0, seed=0; give at least 1 worker"),
    ],
)
def test_wrong_arguments_say_what_is_accepted(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run_tasks(twelve(), tmp_path, progress=False, **arguments)


def test_names_are_unique_whatever_the_case(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two tasks are called 'A' and 'a'"):
        run_tasks([Task("A", small_tasks.draw), Task("a", small_tasks.draw)], tmp_path)


def test_wrong_tasks_are_refused_when_they_are_made() -> None:
    with pytest.raises(TypeError, match="define the function at the top level of a module"):
        Task("a", lambda seed: xr.Dataset())
    with pytest.raises(ValueError, match="1 to 200 characters"):
        Task("", small_tasks.draw)
    with pytest.raises(ValueError, match="it follows from the name"):
        Task("a", small_tasks.draw, {"seed": 1})
    with pytest.raises(TypeError, match="cannot tell the content of a set"):
        Task("a", small_tasks.draw, {"size": {1}}).fingerprint(0)


def test_fingerprint_is_that_of_the_content() -> None:
    def one(**arguments: object) -> str:
        return Task("a", small_tasks.draw, arguments).fingerprint(0)

    data = xr.Dataset({"x": ("t", [1.0, 2.0]), "y": 3.0})
    assert one(a=data, b=[1, "c"]) == one(b=[1, "c"], a=data.copy(deep=True)[["y", "x"]])
    assert one(a=Path("there") / "data.nc") == one(a=Path("here") / "data.nc") != one(a=Path("here") / "other.nc")
    assert len({one(a=1), one(a=1.0), one(a="1"), one(a=np.ones(1)), one(a=[1]), one(a=data), one(a=data + 1), one(b=1)}) == 8


def test_missing_package_and_scheduler_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("lsm_bayes.tasks.cluster.CONNECT_SECONDS", 0.2)
    with pytest.raises(OSError, match="no Dask scheduler answers at 'tcp://127.0.0.1:1' .*start one with `dask scheduler`"):
        run_tasks(twelve(), tmp_path, executor="dask", scheduler="tcp://127.0.0.1:1", progress=False)
    usual = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.split(".")[0] in ("dask", "distributed"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return usual(name, *rest)

    monkeypatch.setattr("builtins.__import__", without)
    with pytest.raises(RuntimeError, match=r"pip install 'lsm-bayes\[dask\]', or take executor='processes'"):
        run_tasks(twelve(), tmp_path, executor="dask", progress=False)
