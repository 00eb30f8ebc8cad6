"""From two calibrations with scores of what is left out to the page that compares them, at the command line."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from small_models import TWO_POOLS

from lsm_bayes import models
from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.cli import INTERRUPTED, UNUSABLE, main
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.inference import load
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

ERROR = ErrorModel(structural=Scale(0.3), envelope=0.0, correlation=None, discrepancy=None)


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    time = np.arange("2010-01-01", "2012-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    season = np.sin(2 * np.pi * (np.arange(time.size) - 110) / 365)
    columns = {"shortwave_down": 11 + 9 * season, "air_temperature": 5 + 10 * season}
    where = {"time": time, "site": "XX-Abc", "latitude": 50.0}
    data = xr.Dataset({n: (("time",), v, QUANTITIES[n].attrs()) for n, v in columns.items()}, coords=where)
    nee = simulate(TWO_POOLS, data, {}, outputs=["nee"])["nee"].values
    data["nee"] = ("time", nee + np.random.default_rng(1).normal(0, 0.5, nee.size), QUANTITIES["nee"].attrs())
    data["nee_uncertainty"] = ("time", np.full(nee.size, 0.5), QUANTITIES["nee"].attrs())
    path = tmp_path / "weather.nc"
    data.assign_attrs(title="made up", citation="none").to_netcdf(path)
    return path


def build_with(fixed: dict[str, float]):
    def build(data: xr.Dataset, site: str | None = None):
        return build_model(TWO_POOLS, data, [Stream("nee", "week", ERROR)], fixed={"soil_carbon": 3000.0, "foliage_carbon": 200.0} | fixed)

    return build


def test_left_out_half_years_are_compared_on_a_page(weather: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    chosen = {"free": build_with({}), "cold": build_with({"q10": 1.25})}
    monkeypatch.setattr(models, "get", lambda name: SimpleNamespace(build=chosen[name]))
    monkeypatch.setattr("lsm_bayes.report.write_report", lambda tree, path: path.touch() or path)
    few = ["--starts", "1", "--draws", "100", "--tune", "100", "--chains", "2", "--cores", "1", "--leave-out", "half-years"]
    stop = pytest.MonkeyPatch()
    stop.setattr("lsm_bayes.comparison.cross_validation.refit", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    stop.setattr("lsm_bayes.comparison.cross_validation.good_k", lambda n: -1.0)
    given = ["calibrate", "free", "--data", str(weather), "-o", str(tmp_path / "free"), *few]
    assert main(given) == INTERRUPTED
    assert "the refits so far are kept" in (said := capsys.readouterr().err) and said.rstrip().endswith("--resume")
    stop.undo()
    main([*given, "--resume"])
    main(["calibrate", "cold", "--data", str(weather), "-o", str(tmp_path / "cold"), *few])
    scores = load(tmp_path / "free" / "result.zarr.zip")["cross_validation"].to_dataset()
    assert scores.sizes["unit"] == 4 and np.isfinite(scores["elpd"]).all()
    page = tmp_path / "page.html"
    assert main(["compare", str(tmp_path / "free"), str(tmp_path / "cold"), "-o", str(page)]) == 0
    table = capsys.readouterr().out
    assert table.index("\nfree") < table.index("\ncold") and page.exists()


def test_what_cannot_be_left_out_shows_before_sampling(weather: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(models, "get", lambda name: SimpleNamespace(build=build_with({})))
    given = ["calibrate", "any", "--data", str(weather), "-o", str(tmp_path / "out")]
    assert main([*given, "--leave-out", "sites"]) == UNUSABLE
    assert "gives 1 unit" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert main([*given, "--leave-out", "years", "--each-site"]) == UNUSABLE
    assert "--folds withholds years" in capsys.readouterr().err
