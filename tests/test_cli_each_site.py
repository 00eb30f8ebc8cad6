"""The command line with sites and pixels by themselves: what it writes, prints and returns."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import vsem_sites
import xarray as xr

from lsm_bayes import models
from lsm_bayes.cli import GATE_FAILED, INTERRUPTED, UNUSABLE, main

QUICK = ["--method", "laplace", "--starts", "2", "--draws", "200"]


@pytest.fixture(autouse=True)
def collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a quick model in the place of every model of the collection."""
    monkeypatch.setattr(models, "get", lambda name: SimpleNamespace(build=vsem_sites.build))


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    """Give a file of two sites."""
    path = tmp_path / "towers.nc"
    vsem_sites.towers(2).to_netcdf(path)
    return path


def test_each_site_is_calibrated_and_a_rerun_does_nothing(towers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["calibrate", "any", "--data", str(towers), "--each-site", *QUICK, "-o", str(tmp_path / "out")]
    assert main(given) == 0
    text = capsys.readouterr().out
    assert "S0" in text and "a gate failed" in text and "2 done, 0 failed" in text
    with xr.open_dataset(tmp_path / "out" / "summary.nc") as found:
        first = found["light_use_efficiency"].load()
    np.testing.assert_allclose(first, [2.0, 2.2], rtol=0.1)
    results = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "each").glob("*.zip")}
    assert len(results) == 2
    assert main([*given, "--executor", "processes", "--cores", "1"]) == 0  # starts no process, as nothing is missing
    assert results == {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "each").glob("*.zip")}


def test_grid_gives_a_grid_and_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    towers = vsem_sites.towers(2)
    data = towers.drop_vars(["latitude", "longitude"]).rename(site="lat").assign_coords(lat=[50.0, 51.0]).expand_dims(lon=[10.0])
    data["nee"][0, 1] = np.nan
    data.to_netcdf(tmp_path / "grid.nc")
    assert main(["calibrate", "any", "--grid", str(tmp_path / "grid.nc"), *QUICK, "-o", str(tmp_path / "out")]) == 0
    assert "1 done, 0 failed" in capsys.readouterr().out and (tmp_path / "out" / "maps.png").stat().st_size > 10_000
    with xr.open_dataset(tmp_path / "out" / "posterior.nc") as found:
        assert found.attrs["Conventions"] == "CF-1.11" and found["status"].values.ravel().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("status", "passed", "interrupted", "code"),
    [
        ([1, 1], [1, 1], 0, 0),
        ([1, 1], [1, 0], 0, GATE_FAILED),
        ([1, 2], [1, np.nan], 0, GATE_FAILED),
        ([1, 3], [1, np.nan], 1, INTERRUPTED),
    ],
)
def test_exit_status_says_what_became_of_all(
    status: list, passed: list, interrupted: int, code: int, towers: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    words = {"flag_meanings": "left_out done failed missing"}
    found = xr.Dataset(
        {"status": ("site", status, words), "gates_passed": ("site", passed), "error": ("site", ["", "ValueError: no"])},
        coords={"site": ["S0", "S1"]},
        attrs={"interrupted": interrupted},
    )
    asked = {}
    monkeypatch.setattr("lsm_bayes.tasks.sites.calibrate_sites", lambda *a, **k: asked.update(k) or found)
    (tmp_path / "out").mkdir()
    given = ["calibrate", "any", "--data", str(towers), "--each-site", "--scheduler", "tcp://1.2.3.4:8786", "-o", str(tmp_path / "out")]
    assert main(given) == code
    assert asked["executor"] == "dask" and asked["scheduler"] == "tcp://1.2.3.4:8786" and "cores" not in asked["settings"]
    text = capsys.readouterr()
    assert ("failed: ValueError: no" in text.out) == (2 in status)
    assert ("go on with: lsm-bayes calibrate any" in text.err) == bool(interrupted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "3"], "--workers: only with --each-site or --grid"),
        (["--each-site", "--executor", "serial", "--scheduler", "tcp://a:1"], "the executor is 'serial'; give executor='dask'"),
        (["--each-site", "--folds", "2"], "2 folds need withheld years to be judged on"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(arguments: list[str], message: str, towers: Path, tmp_path: Path, capsys) -> None:
    assert main(["calibrate", "any", "--data", str(towers), *arguments, "-o", str(tmp_path / "out")]) == UNUSABLE
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_grid_and_data_exclude_each_other(towers: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["calibrate", "any", "--data", str(towers), "--grid", str(towers), "-o", str(tmp_path)])
    assert "not allowed with argument" in capsys.readouterr().err
    assert main(["calibrate", "any", "--grid", str(towers), "--site", "S0", "-o", str(tmp_path)]) == UNUSABLE
    assert "a --grid is calibrated pixel by pixel" in capsys.readouterr().err
