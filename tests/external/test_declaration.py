"""Declarations: tables, templates, outputs, and the errors of those that cannot work; the verb of the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.cli import GATE_FAILED, UNUSABLE, main
from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.external import Campaign, ExternalModel, Output, read_declaration, read_parameters
from lsm_bayes.external.outputs import RunFailed

from .programs import SLOW

TABLE = """# made up
name,unit,lower,upper,default,prior,centre,spread,fixed,description
alpha,1,0.1,2,0.8,log_normal,0.8,0.3,,"light use, relative"
beta,degC,-5,10,2,,,,,offset
gamma,d-1,0.01,1,0.1,log_uniform,,,true,decay
"""
DECLARATION = """
name = "slow"
command = ["{python}", "-S", "{base}/slow.py", "{level}", "0", "CRASH"]
timeout = 60
parameter_file = "p.json"
[parameters.level]
unit = "1"
bounds = [0, 100]
default = 50
description = "level of the series"
[outputs.y]
unit = "1"
size = 3
file = "y.txt"
"""


def test_the_same_table_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(TABLE)
    found = read_parameters(tmp_path / "p.csv")
    assert found == {
        "alpha": (Parameter("1", (0.1, 2.0), "light use, relative", Prior("log_normal", 0.8, 0.3)), 0.8),
        "beta": (Parameter("degC", (-5.0, 10.0), "offset", Prior("uniform")), 2.0),
        "gamma": (Parameter("d-1", (0.01, 1.0), "decay", Prior("log_uniform"), fixed=True), 0.1),
    }
    entries = {
        "alpha": {"unit": "1", "bounds": [0.1, 2], "default": 0.8, "prior": "log_normal", "centre": 0.8, "spread": 0.3}
        | {"description": "light use, relative"},
        "beta": {"unit": "degC", "lower": -5, "upper": 10, "default": 2, "description": "offset"},
        "gamma": {"unit": "d-1", "bounds": [0.01, 1], "default": 0.1, "prior": "log_uniform", "fixed": True, "description": "decay"},
    }
    (tmp_path / "p.json").write_text(json.dumps(entries))
    lines = [f"[{n}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in e.items()) for n, e in entries.items()]
    (tmp_path / "p.toml").write_text("".join(lines))
    assert read_parameters(tmp_path / "p.json") == found == read_parameters(tmp_path / "p.toml")
    pytest.importorskip("yaml")
    (tmp_path / "p.yaml").write_text(
        "".join(f"{n}:\n" + "".join(f"  {k}: {json.dumps(v)}\n" for k, v in e.items()) for n, e in entries.items())
    )
    assert read_parameters(tmp_path / "p.yaml") == found


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("name,unit", "nam,unit", "3 rows and the columns nam, unit.*it needs.*a column 'name'"),
        ("beta,", "alpha,", "alpha stands in the table more than once"),
        ("-5,10", "low,10", "p.csv: parameter 'beta': lower is 'low', which is not a number"),
        ("log_normal", "lognormal", "parameter 'alpha': unknown prior distribution 'lognormal'"),
        (",spread,", ",sd,", "parameter 'alpha': unknown column 'sd'"),
        ("0.8,log_normal", ",log_normal", "parameter 'alpha' has no default"),
        (",true,", ",maybe,", "fixed is 'maybe'; write true or false"),
        ("true,decay", "true,decay,of carbon", "row of 'gamma' has more cells than the first line"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, old: str, new: str, text: str) -> None:
    (tmp_path / "p.csv").write_text(TABLE.replace(old, new))
    with pytest.raises(ValueError, match=text):
        read_parameters(tmp_path / "p.csv")


def declared(**changes) -> ExternalModel:
    settings = {
        "name": "m",
        "parameters": {"a": (Parameter("1", (0.0, 2.0), "slope", Prior("uniform")), 1.0)},
        "outputs": {"y": Output("1", 2, file="y.txt")},
        "command": ["{python}", "{a}"],
    }
    return ExternalModel(**settings | changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "a/b"}, "cannot be called 'a/b'"),
        ({"command": "run {a}"}, "the command is the string 'run {a}'; write a list"),
        ({"command": []}, "got neither of a command and a function"),
        ({"function": print}, "got both of a command and a function"),
        ({"command": [], "function": print, "timeout": 3.0}, "timeout cannot be given with a function"),
        ({"outputs": {}}, "no output is declared"),
        ({"outputs": {"y": Output("1", 2)}}, "output 'y' has no file and no reader"),
        ({"outputs": {"y": Output("gC m^^2", 2, file="y.txt")}}, "output 'y': "),
        ({"timeout": 0.0}, "the time-out is 0.0; give positive seconds"),
        ({"retries": -1}, "retries are -1"),
        ({"parameters": {}}, "no parameter is declared"),
        ({"parameters": {"a(1)": (Parameter("1", (0.0, 1.0), "x"), 0.5)}}, r"cannot be called 'a\(1\)'"),
        ({"parameters": {"a": (Parameter("1", (0.0, 1.0), "x", Prior("uniform")), 5.0)}}, "the default 5.0 lies outside the bounds"),
        ({"command": ["{python}", "{b}"]}, r"argument 1 of the command has \{b\}: unknown parameter 'b'"),
        ({"templates": {"in.nml": "x={a:.3z}"}}, r"template in.nml has \{a:.3z\}: .*write a format of a number"),
        ({"command": ["{python}"]}, r"a: no value reaches the program; write \{a\}"),
        ({"command": ["no-such-program-here", "{a}"]}, "there is no program 'no-such-program-here'"),
        ({"templates": {"in.nml": Path("not-there.nml")}}, "not-there.nml"),
    ],
)
def test_declarations_that_cannot_work(changes, text: str) -> None:
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=text):
        declared(**changes)


def test_placeholders_formats_and_braces_that_are_none(tmp_path: Path) -> None:
    model = declared(templates={"sub/in.json": '{"a": {a:.3e}, "x": {}, "run": "{run}"}'}, environment={"A": "{a}"}, digits=6)
    assert model.fill(model.texts["sub/in.json"], {"a": 0.5}, Path("/r")) == '{"a": 5.000e-01, "x": {}, "run": "/r"}'
    assert model.rounded({"a": 1 / 3}) == {"a": 0.333333}
    with pytest.raises(ValueError, match="runs of a command need a folder"):
        Campaign(model)
    with pytest.raises(ValueError, match="unknown choice of what to keep 'none'"):
        Campaign(model, tmp_path, keep="none")


def test_outputs_are_read_from_columns_and_netcdf(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("# run 3\nday, nee; odd, gpp\n1, -2.5, 3\n2, 1e-3, 4\n")
    assert list(Output("1", 2, file="a.csv", column="gpp").read("x", tmp_path)) == [3.0, 4.0]
    (tmp_path / "b.dat").write_text("  1   -2.5\n  2   1.0E-03\n")
    assert list(Output("1", 2, file="b.dat", column=1).read("x", tmp_path)) == [-2.5, 1e-3]
    xr.Dataset({"gpp": (("t", "x"), np.arange(4.0).reshape(2, 2))}).to_netcdf(tmp_path / "c.nc")
    assert list(Output("1", 4, file="c.nc", variable="gpp").read("x", tmp_path)) == [0.0, 1.0, 2.0, 3.0]
    for output, text in (
        (Output("1", 2, file="a.csv", column="lai"), "its first line has no column 'lai': day, nee; odd, gpp"),
        (Output("1", 2, file="b.dat"), "it has 2 columns; declare which one"),
        (Output("1", 4, file="c.nc", variable="lai"), "it has no variable 'lai', but gpp"),
        (Output("1", 2, reader=lambda folder: folder / "x"), "got PosixPath, not numbers"),
        (Output("1", 2, reader=lambda folder: 1 / 0), "its reader raised ZeroDivisionError"),
    ):
        with pytest.raises(RunFailed, match=text):
            output.read("x", tmp_path)
    (tmp_path / "d.nc").write_bytes(b"not netCDF")
    with pytest.raises(RunFailed, match="d.nc cannot be read"):
        Output("1", 4, file="d.nc", variable="gpp").read("x", tmp_path)
    for wrong, text in (
        ({"size": 0}, "0 values"),
        ({"file": "a.nc"}, "a netCDF file needs one"),
        ({"file": "a", "reader": print}, "and a reader"),
        ({"column": 1}, "the column 1"),
    ):
        with pytest.raises(ValueError, match=text):
            Output(**{"unit": "1", "size": 2} | wrong)


def test_the_verb(tmp_path: Path, capsys) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    path = tmp_path / "slow.toml"
    path.write_text(DECLARATION.replace("CRASH", ""))
    assert main(["external", "status", str(path)]) == 0 and "has no run of this declaration" in capsys.readouterr().out
    assert main(["external", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "uniform on [0, 100]" in out and "slow.py 50 0" in out and "mean 51" in out
    assert main(["external", "run", str(path), "--number", "6", "--cores", "2"]) == 0
    assert "slow: 6 runs carried out, 0 from the store, 0 failed" in capsys.readouterr().out
    assert main(["external", "run", str(path), "--number", "8", "-o", str(tmp_path / "e.nc")]) == 0
    assert "slow: 2 runs carried out, 6 from the store, 0 failed" in capsys.readouterr().out
    with xr.open_dataset(tmp_path / "e.nc") as found:
        assert found["y"].shape == (8, 3) and np.allclose(found["y"][:, 0], found["level"])
    assert main(["external", "status", str(path)]) == 0 and "9 runs done, 0 failed, 0 under way" in capsys.readouterr().out
    path.write_text(DECLARATION.replace("CRASH", "status"))
    assert (
        main(["external", "status", str(path)]) == 0 and "before the declaration, the program or an input file" in capsys.readouterr().out
    )
    assert main(["external", "check", str(path)]) == GATE_FAILED and "exit status 7" in capsys.readouterr().err
    assert main(["external", "run", str(path), "--number", "2"]) == 0 and "2 of 2 runs failed" in capsys.readouterr().out
    assert main(["external", "status", str(path)]) == 0 and "soil moisture below zero" in capsys.readouterr().out
    path.write_text(DECLARATION.replace("timeout", "time_out"))
    assert main(["external", "check", str(path)]) == UNUSABLE and "slow.toml: unknown field 'time_out'" in capsys.readouterr().err
    (tmp_path / "slow.ini").write_text("")
    with pytest.raises(ValueError, match=r"ends with '.ini' cannot be read; write TOML, YAML or JSON"):
        read_declaration(tmp_path / "slow.ini")
