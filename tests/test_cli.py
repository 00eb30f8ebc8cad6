"""The command line: what it prints, what it writes, and how it fails."""

import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes import land, models, posterior, testing
from lsm_bayes.cli import GATE_FAILED, INTERRUPTED, UNUSABLE, VERBS, main
from lsm_bayes.commands.calibrate import RESULT, SETTINGS
from lsm_bayes.inference import save
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


@pytest.fixture(scope="module")
def result() -> xr.DataTree:
    """Give a made-up result that passes every gate."""
    spec = importlib.util.spec_from_file_location("example_result", Path(__file__).parent / "example_result.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example_result(1)


def with_divergences(result: xr.DataTree) -> xr.DataTree:
    changed = result.copy()
    stats = changed["sample_stats"].to_dataset()
    changed["sample_stats"] = xr.DataTree(stats.assign(diverging=stats["diverging"] | (stats["draw"] < 9)))
    return changed


def interrupted(result: xr.DataTree) -> xr.DataTree:
    changed = result.copy()
    changed.attrs["cost"] = json.dumps(json.loads(changed.attrs["cost"]) | {"interrupted": True})
    return changed


def test_check_prints_the_gates(result: xr.DataTree, tmp_path: Path, capsys) -> None:
    path = save(result, tmp_path / RESULT)
    assert main(["check", str(path)]) == 0
    text = capsys.readouterr().out
    assert "R-hat" in text and "divergent" in text and "A posterior: every gate passes." in text
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == text


def test_check_leaves_with_one_when_a_gate_fails(result: xr.DataTree, tmp_path: Path, capsys) -> None:
    path = save(with_divergences(result), tmp_path / "result.nc")
    assert main(["check", str(path)]) == GATE_FAILED
    text = capsys.readouterr().out
    assert "Not a posterior: 1 of" in text and "divergent transitions" in text


def test_check_of_a_process_model(capsys, monkeypatch) -> None:
    monkeypatch.setattr(testing, "check_process_model", lambda model: f"{model.name} is sound")
    assert main(["check", "--model", MODEL]) == 0
    assert capsys.readouterr().out == "dalec_cdea is sound\n"

    def fail(model) -> None:
        raise AssertionError(f"process model {model.name!r} fails its battery")

    monkeypatch.setattr(testing, "check_process_model", fail)
    assert main(["check", "--model", MODEL]) == GATE_FAILED
    assert "'dalec_cdea' fails its battery" in capsys.readouterr().out


def test_check_takes_a_result_or_a_model(capsys) -> None:
    for given in ([], ["result.nc", "--model", MODEL]):
        with pytest.raises(SystemExit) as left:
            main(["check", *given])
        assert left.value.code == UNUSABLE
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["check", "report"])
def test_result_that_cannot_be_read_is_one_line(fails, tmp_path: Path, verb: str) -> None:
    assert "No stored result at" in fails(verb, tmp_path / "absent.nc")
    assert f"there is no {RESULT} in the folder" in fails(verb, tmp_path)
    assert "Cannot tell the format of 'result.txt'" in fails(verb, tmp_path / "result.txt")
    (tmp_path / RESULT).write_bytes(b"PK half a file")
    assert "it is truncated, corrupt or not a result" in fails(verb, tmp_path)


def test_report_is_written_beside_the_result_or_where_it_is_wanted(result: xr.DataTree, tmp_path: Path, capsys) -> None:
    save(result, tmp_path / RESULT)
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert "Toy light-use model at FI-Hyy" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(tmp_path / RESULT), "--output", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").stat().st_size > 100_000


class Runs:
    """Stands in for the model of the collection, the long run and the page."""

    def __init__(self, outcome: xr.DataTree | type[BaseException]) -> None:
        self.outcome, self.built, self.settings = outcome, {}, {}

    def build(self, data: xr.Dataset, site: str | None = None, *, withheld_years: int = 2) -> pm.Model:
        self.built = {"sites": data["site"].values.tolist(), "site": site, "withheld_years": withheld_years}
        with pm.Model() as model:
            pm.Normal("x")
        streams = {"nee": {"observations": 300, "period": "day"}}
        model.card = {"title": "Made up", "streams": streams, "period_training": ["2010-01-01", "2010-12-31"], "period_withheld": None}
        return model

    def write_report(self, tree: xr.DataTree, path: Path) -> Path:
        path.write_text(tree.attrs["method"])
        return path

    def calibrate(self, model: pm.Model, *, store: Path, resume: bool, progress: bool, **settings: object) -> xr.DataTree:
        self.settings = settings | {"store": store, "resume": resume}
        (store.parent / f"{store.name}.rounds").mkdir(exist_ok=True)
        if isinstance(self.outcome, xr.DataTree):
            return self.outcome
        raise self.outcome


@pytest.fixture
def runs(monkeypatch):
    """Give a function that replaces what takes long."""

    def replace(outcome: xr.DataTree | type[BaseException]) -> Runs:
        found = Runs(outcome)
        monkeypatch.setattr(models, "get", lambda name: SimpleNamespace(build=found.build))
        monkeypatch.setattr(posterior, "calibrate", found.calibrate)
        monkeypatch.setattr("lsm_bayes.report.write_report", found.write_report)
        return found

    return replace


def test_calibrate_says_what_it_costs_and_writes_the_report(result: xr.DataTree, runs, towers: Path, tmp_path: Path, capsys) -> None:
    done = runs(result)
    given = ["calibrate", "any", "--data", towers, "--site", "YY-Def", "--withheld-years", "1", "--draws", "50", "-o", tmp_path / "a" / "b"]
    assert main([str(g) for g in given]) == 0
    text = capsys.readouterr().out
    assert "Made up\nfitted 2010-01-01 to 2010-12-31; none withheld: 300 of nee (day)\ncost of sampling: 1 parameters" in text
    assert "every gate passes" in text and str(tmp_path / "a" / "b" / "report.html") in text
    assert (tmp_path / "a" / "b" / "report.html").exists()
    assert done.built == {"sites": ["YY-Def"], "site": "YY-Def", "withheld_years": 1}
    assert done.settings["draws"] == 50 and done.settings["tune"] == 1000 and done.settings["resume"] is False
    assert done.settings["store"] == tmp_path / "a" / "b" / RESULT


def test_calibrate_leaves_with_one_when_a_gate_fails(result: xr.DataTree, runs, towers: Path, tmp_path: Path, capsys) -> None:
    runs(with_divergences(result))
    assert main(["calibrate", "any", "--data", str(towers), "-o", str(tmp_path)]) == GATE_FAILED
    assert "Not a posterior" in capsys.readouterr().out and (tmp_path / "report.html").exists()


def test_interrupted_run_tells_how_to_go_on(result: xr.DataTree, runs, towers: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "my run"
    given = ["calibrate", "any", "--data", str(towers), "-o", str(folder)]
    runs(KeyboardInterrupt)
    assert main(given) == INTERRUPTED
    assert f"what is done is kept in {folder}; go on with: lsm-bayes calibrate any" in (said := capsys.readouterr().err)
    assert said.rstrip().endswith(f"-o '{folder}' --resume")
    runs(interrupted(result))
    assert main([*given, "--resume"]) == INTERRUPTED
    assert "200 draws of 4 chains are in" in (said := capsys.readouterr().err) and said.count("--resume") == 1
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("left", [f"{RESULT}.rounds", RESULT])
def test_interrupted_run_is_not_begun_anew_unasked(
    left: str, runs, result: xr.DataTree, towers: Path, fails, tmp_path: Path, capsys
) -> None:
    (tmp_path / left).mkdir()
    done = runs(result)
    assert "holds an interrupted run; go on with --resume, choose another --output" in fails(
        "calibrate", "any", "--data", towers, "-o", tmp_path
    )
    assert main(["calibrate", "any", "--data", str(towers), "-o", str(tmp_path), "--resume"]) == 0
    assert done.settings["resume"] is True


@pytest.mark.parametrize(("answer", "outcome"), [("n", False), ("", False), ("yes", True)])
def test_long_run_is_begun_when_the_user_agrees(
    answer: str, outcome: bool, runs, result: xr.DataTree, towers: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    done = runs(result)
    monkeypatch.setattr("lsm_bayes.inference.estimate_cost", lambda *a, **k: SimpleNamespace(seconds=1e5))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda text: answer)
    assert main(["calibrate", "any", "--data", str(towers), "-o", str(tmp_path / "out")]) == 0
    assert bool(done.settings) is outcome
    assert ("nothing was run" in capsys.readouterr().out) is not outcome
    assert (tmp_path / "out").exists() is outcome


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--site", "XX-Abd"], "unknown site of towers.nc 'XX-Abd'. Did you mean 'XX-Abc'?"),
        (["--site", "XX-Abc", "--site", "YY-Def"], "is fitted to one site, got --site XX-Abc, YY-Def; run it once for each"),
        (["--draws", "0"], "--draws is 0; give at least 1"),
        (["--target-accept", "1.5"], "--target-accept is 1.5; give a number between 0 and 1, such as 0.95"),
        (["--withheld-years", "-1"], "--withheld-years is -1; give 0 or more"),
    ],
)
def test_wrong_arguments_of_calibrate_are_one_line(runs, fails, towers: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    runs(RuntimeError)
    assert message in fails("calibrate", "any", "--data", towers, "-o", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_output_that_is_a_file_is_refused(runs, fails, towers: Path) -> None:
    runs(RuntimeError)
    assert "is a file; give a folder" in fails("calibrate", "any", "--data", towers, "-o", towers)


def test_unknown_model_and_data_of_calibrate_are_one_line(fails, towers: Path, tmp_path: Path) -> None:
    text = fails("calibrate", "dalec_single_sit", "--data", towers, "-o", tmp_path)
    assert text.startswith("lsm-bayes: error: unknown model 'dalec_single_sit'. Did you mean 'dalec_single_site'?")
    assert "ch-dav" in fails("calibrate", "dalec_single_site", "--data", "ch-dave", "-o", tmp_path)


def test_data_without_observations_are_one_line(fails, towers: Path, tmp_path: Path) -> None:
    given = ["calibrate", "dalec_single_site", "--data", towers, "--withheld-years", "0", "-o", tmp_path / "out"]
    assert "the data have 2 sites; choose one of XX-Abc, YY-Def" in fails(*given)
    assert "no leaf area, GPP or NEE to take the season from" in fails(*given, "--site", "XX-Abc")


def test_defaults_of_calibrate_are_those_of_the_python_api() -> None:
    declared = inspect.signature(posterior.calibrate).parameters
    assert {name: value for name, (value, _) in SETTINGS.items()} == {name: declared[name].default for name in SETTINGS}


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
