"""The command line: what it prints, what it writes, and how it fails."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lsm_bayes import land
from lsm_bayes.cli import UNUSABLE, VERBS, main
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

MODEL = "dalec_cdea"


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    """Give a file of a year of weather at two sites."""
    time = np.arange("2010-01-01", "2011-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    season = np.sin(2 * np.pi * (np.arange(time.size) - 110) / 365)
    columns = {
        "air_temperature_min": 2 + 10 * season,
        "air_temperature_max": 9 + 11 * season,
        "shortwave_down": 11 + 9 * season,
        "co2": np.full(time.size, 390.0),
    }
    data = xr.Dataset(
        {n: (("site", "time"), np.stack([v, v + 1]), QUANTITIES[n].attrs()) for n, v in columns.items()},
        coords={"site": ["XX-Abc", "YY-Def"], "time": time, "latitude": ("site", [50.0, 60.0], {"units": "degrees_north"})},
        attrs={"title": "made up", "citation": "none"},
    )
    path = tmp_path / "towers.nc"
    data.to_netcdf(path)
    return path


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]):
    """Give a function that runs the command, expects one line of error and returns it."""

    def run(*argv: str | Path) -> str:
        assert main([str(a) for a in argv]) == UNUSABLE
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        return lines[0]

    return run


def test_models_are_listed(capsys) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in land.available())


def test_model_is_described_with_units_and_bounds(capsys) -> None:
    assert main(["models", MODEL]) == 0
    text = capsys.readouterr().out
    model = land.get(MODEL)
    assert all(name in text for name in [*model.calibrated, *model.forcing_quantities, *model.flux_quantities])
    line = next(line for line in text.splitlines() if line.split()[:1] == ["leaf_mass_area"])
    assert line.split()[1:6] == ["60", "5", "to", "200", "gC"]


def test_unknown_model_is_one_line_with_the_nearest_name(fails) -> None:
    assert fails("models", "dalec_cdee").startswith("lsm-bayes: error: unknown process model 'dalec_cdee'. Did you mean 'dalec_cdea'?")


def test_data_sets_are_listed(capsys) -> None:
    assert main(["data"]) == 0
    assert {"ch-dav", "fluxnet-daily-water"} <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}


def test_data_are_described(towers: Path, capsys) -> None:
    assert main(["data", str(towers), "--site", "YY-Def", "--start", "2010-03"]) == 0
    text = capsys.readouterr().out
    assert "1 sites, 2010-03-01 to 2010-12-31, 306 steps" in text
    assert "co2" in text and "umol mol-1" in text and "100 %" in text and "XX-Abc" not in text


def test_simulation_equals_the_python_api(towers: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"f_auto": 0.6, "leaf_mass_area": 80}))
    out = tmp_path / "run.nc"
    given = ["simulate", MODEL, towers, "--end", "2010-06", "--parameters", tmp_path / "mine.json", "-p", "f_auto=0.45", "-o", out]
    assert main([str(g) for g in given]) == 0
    assert "XX-Abc, YY-Def, 181 steps" in capsys.readouterr().out
    with xr.open_dataset(out) as found, xr.open_dataset(towers) as forcing:
        values = {"f_auto": 0.45, "leaf_mass_area": 80.0}
        wanted = simulate(land.get(MODEL), forcing.load().sel(time=slice(None, "2010-06")), values)
        assert json.loads(found.attrs["parameters"]) == values
        assert found["nee"].attrs["units"] == "gC m-2 d-1" and found["nee"].attrs["sign"] == "positive to the atmosphere"
        for name in wanted.data_vars:
            np.testing.assert_array_equal(found[name].values, wanted[name].values)


def test_only_the_wanted_outputs_are_written(towers: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.nc"
    assert main(["simulate", MODEL, str(towers), "--site", "XX-Abc", "--only", "nee", "--only", "soil_carbon", "-o", str(out)]) == 0
    with xr.open_dataset(out) as found:
        assert set(found.data_vars) == {"nee", "soil_carbon"}
        assert found["site"].values.tolist() == ["XX-Abc"]


def test_value_outside_the_bounds_is_noted(towers: Path, tmp_path: Path, capsys) -> None:
    assert main(["simulate", MODEL, str(towers), "--only", "nee", "-p", "f_auto=0.95", "-o", str(tmp_path / "run.nc")]) == 0
    assert "note: f_auto = 0.95 is outside its declared bounds 0.2 to 0.8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "f_outo=0.5"], "unknown parameter or initial state 'f_outo'. Did you mean 'f_auto'?"),
        (["-p", "f_auto"], "--parameter 'f_auto' has no value; write NAME=VALUE, such as f_auto=0.45"),
        (["-p", "f_auto=half"], "parameter 'f_auto' is 'half', which is not a number"),
        (["-p", "f_auto=nan"], "parameter 'f_auto' is 'nan'; give a finite number"),
        (["--only", "npp"], "unknown flux or state 'npp'"),
        (["--site", "XX-Abd"], "unknown site of towers.nc 'XX-Abd'. Did you mean 'XX-Abc'?"),
        (["--start", "2012"], "towers.nc has no step from 2012 to None; it covers 2010-01-01 to 2010-12-31"),
        (["--parameters", "absent.json"], "absent.json"),
    ],
)
def test_wrong_arguments_are_one_line(fails, towers: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in fails("simulate", MODEL, towers, "-o", tmp_path / "run.nc", *arguments)
    assert not (tmp_path / "run.nc").exists()


@pytest.mark.parametrize(("content", "message"), [("{f_auto: 1}", "is not JSON"), ("[0.5]", "holds a list")])
def test_wrong_parameter_file_is_one_line(fails, towers: Path, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mine.json").write_text(content)
    assert message in fails("simulate", MODEL, towers, "--parameters", tmp_path / "mine.json", "-o", tmp_path / "run.nc")


def test_folder_of_the_output_must_exist(fails, towers: Path, tmp_path: Path) -> None:
    assert "there is no folder" in fails("simulate", MODEL, towers, "-o", tmp_path / "absent" / "run.nc")


def test_missing_forcing_is_one_line(fails, towers: Path, tmp_path: Path) -> None:
    poorer = tmp_path / "poorer.nc"
    with xr.open_dataset(towers) as data:
        data.drop_vars("co2").to_netcdf(poorer)
    assert "dalec_cdea needs the forcing 'co2'" in fails("simulate", MODEL, poorer, "-o", tmp_path / "run.nc")


def test_file_that_is_no_netcdf_is_one_line(fails, tmp_path: Path) -> None:
    (tmp_path / "broken.nc").write_bytes(b"not a NetCDF file")
    assert "broken.nc" in fails("data", tmp_path / "broken.nc")


def test_unknown_data_set_lists_those_that_exist(fails) -> None:
    assert "ch-dav" in fails("data", "ch-dave")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_help_has_examples_that_parse(verb, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main([verb.name, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert verb.examples and all(example in text for example in verb.examples)
    from lsm_bayes.cli import parser

    for example in verb.examples:
        assert parser().parse_args(example.split()[1:]).run is verb.run


def test_wrong_call_leaves_with_two(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["calibarte"])
    assert left.value.code == UNUSABLE
    assert "invalid choice" in capsys.readouterr().err


def test_traceback_is_shown_on_request() -> None:
    with pytest.raises(KeyError, match="unknown process model"):
        main(["--traceback", "models", "none"])


def test_help_answers_without_importing_the_numerical_libraries() -> None:
    code = "import sys, lsm_bayes.cli as c; c.parser(); print(*(m for m in ('pymc', 'pytensor', 'xarray') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
