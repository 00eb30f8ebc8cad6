"""Sites calibrated by themselves, and the chains of one model: complete, reproducible, and right where the truth is known."""

from pathlib import Path

import numpy as np
import pytest
import vsem_sites
import xarray as xr

from lsm_bayes.inference import load
from lsm_bayes.tasks.chains import calibrate_chains
from lsm_bayes.tasks.input import read_record, write_input
from lsm_bayes.tasks.sites import calibrate_sites
from lsm_bayes.tasks.summary import QUANTILES, cf_attrs


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Give two good sites and one without observations."""
    found = vsem_sites.towers(3)
    found["nee"][2] = np.nan
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the results of a run."""
    return tmp_path_factory.mktemp("sites") / "store"


@pytest.fixture(scope="module")
def found(data: xr.Dataset, store: Path) -> xr.Dataset:
    """Calibrate the three sites."""
    return calibrate_sites(vsem_sites.build, data, store, **vsem_sites.arguments(keep=True))


def test_site_that_fails_is_reported_and_the_others_are_done(found: xr.Dataset) -> None:
    assert found["status"].values.tolist() == [1, 1, 2]
    assert found["error"].values[:2].tolist() == ["", ""] and "stream 'nee' at S2 has 0 observed days" in found["error"].values[2]
    assert np.isnan(found["light_use_efficiency"].values).tolist() == [False, False, True]
    assert found["latitude"].values.tolist() == [50.0, 51.0, 52.0] and found.attrs["interrupted"] == 0


def test_truth_is_found_at_each_site(found: xr.Dataset) -> None:
    good = found.isel(site=[0, 1])
    away = (good["light_use_efficiency"] - np.array([2.0, 2.2])) / good["light_use_efficiency_sd"]
    assert np.abs(away).max() < 3 and float(good["light_use_efficiency_sd"].max()) < 0.1
    assert found["quantile"].values.tolist() == list(QUANTILES)
    assert (np.diff(good["gpp_quantile"].transpose("quantile", "site"), axis=0) > 0).all()
    # NEE is what the pools gain: their means over the record follow from the parameters, with names of their own beside the initial pools.
    assert {"soil_carbon", "soil_carbon_initial", "soil_carbon_initial_sd", "nee", "aboveground_carbon_sd"} <= set(found.data_vars)
    assert found["gpp"].attrs["units"] == "g m-2 d-1" and found["gpp"].attrs["cell_methods"] == "time: mean"
    assert (good["importance_efficiency"] > 0.5).all() and (good["gates_passed"] == 0).all() and (good["modes"] == 1).all()


def test_complete_result_is_one_that_can_be_loaded(found: xr.Dataset, store: Path) -> None:
    tree = load(store / "S1.zarr.zip")
    assert tree["posterior"]["light_use_efficiency"].sizes == {"chain": 1, "draw": 200}
    np.testing.assert_allclose(found["light_use_efficiency"].sel(site="S1"), tree["posterior"]["light_use_efficiency"].mean(), rtol=1e-12)


def test_rerun_reads_what_is_there_and_data_that_changed_are_refused(data: xr.Dataset, found: xr.Dataset, store: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in store.glob("*.zip")}
    again = calibrate_sites(vsem_sites.build, data.isel(site=[1, 0]), store, **vsem_sites.arguments(keep=True, executor="dask"))
    assert before == {p: p.stat().st_mtime_ns for p in store.glob("*.zip")}
    xr.testing.assert_identical(again.isel(site=0).drop_attrs(), found.isel(site=1).drop_attrs())
    with pytest.raises(ValueError, match="holds a result of 'S1' with another function, other arguments, data or seed"):
        calibrate_sites(vsem_sites.build, data.isel(site=[1]) * 1.01, store, **vsem_sites.arguments(keep=True))


def test_folds_end_before_what_they_are_judged_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    years = []

    def fake(*, years_off: int, **_: object) -> xr.DataTree:
        years.append(years_off)
        return xr.DataTree.from_dict({"/summary": xr.Dataset({"x": float(years_off)})})

    fake.__qualname__ = "fake"
    monkeypatch.setattr("lsm_bayes.tasks.sites.calibrate_site", fake)
    data = vsem_sites.towers(2, 1000)
    found = calibrate_sites(vsem_sites.build, data, tmp_path, folds=3, **vsem_sites.arguments(choices={"withheld_years": 1}))
    assert found["x"].dims == ("site", "fold") and found["x"].values.tolist() == [[0, 1, 2], [0, 1, 2]] and len(years) == 6
    with pytest.raises(ValueError, match="3 folds need withheld years to be judged on; the model withholds 0"):
        calibrate_sites(vsem_sites.build, data, tmp_path, folds=3, **vsem_sites.arguments())


def test_record_ends_where_the_site_has_data(tmp_path: Path) -> None:
    data = vsem_sites.towers(2, 1200)
    late = data["time"].dt.year == 2013
    data = data.map(lambda v: v.where(~(late & (data["site"] == "S1"))), keep_attrs=True).transpose("site", "time")
    write_input(data, tmp_path)
    last = {(s, k): str(read_record(tmp_path / "input.nc", s, k)["time"].values[-1])[:4] for s in ("S0", "S1") for k in (1, 2)}
    assert last == {("S0", 1): "2012", ("S0", 2): "2011", ("S1", 1): "2011", ("S1", 2): "2010"}
    one = read_record(tmp_path / "input.nc", "S1")
    np.testing.assert_array_equal(one["nee"].values, data["nee"].sel(site=["S1"]).values)
    with pytest.raises(ValueError, match="S1 has 3 years with data; a fold without the last 3 has none left"):
        read_record(tmp_path / "input.nc", "S1", 3)


def test_numbers_reach_workers_unpacked(tmp_path: Path) -> None:
    data = vsem_sites.towers(1, 30)
    data["nee"].encoding = {"dtype": "int16", "scale_factor": 0.1}
    write_input(data, tmp_path)
    np.testing.assert_array_equal(read_record(tmp_path / "input.nc", "S0")["nee"], data["nee"])


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"method": "mcmc"}, ValueError, "method is 'mcmc'; choose one of nuts, laplace"),
        ({"sites": ["S9"]}, KeyError, "unknown site of the data 'S9'"),
        ({"folds": 0}, ValueError, "folds is 0; give 1"),
    ],
)
def test_wrong_arguments_say_what_is_accepted(more: dict, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        calibrate_sites(vsem_sites.build, vsem_sites.towers(1, 30), tmp_path, **vsem_sites.arguments(**more))
    assert not list(tmp_path.iterdir())


def test_grid_is_sent_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sites need 'site' and 'time', grids calibrate_grid"):
        calibrate_sites(vsem_sites.build, vsem_sites.towers(1, 30).isel(site=0), tmp_path)


def test_units_are_ones_of_udunits() -> None:
    assert cf_attrs("gC m-2 d-1", "flux") == {"units": "g m-2 d-1", "long_name": "flux, mass as carbon"}
    assert cf_attrs("m2 kgC-1", "x")["units"] == "m2 kg-1" and cf_attrs("degC", "x") == {"units": "degC", "long_name": "x"}
    assert cf_attrs("delta_degC d", "x")["units"] == "K d" and "units" not in cf_attrs("", "x")


def test_full_calibration_says_how_good_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsm_bayes.inference.mixture._need", lambda *_: [])  # one round is enough here
    settings = {"starts": 2, "draws": 150, "tune": 100, "chains": 2, "predictive_draws": 50}
    run = {"method": "nuts", "settings": settings, "choices": {"withheld_years": 1}, "targets": ["gpp"], "progress": False}
    found = calibrate_sites(vsem_sites.build, vsem_sites.towers(1, 730), tmp_path, **run)
    assert found["status"].item() == 1 and 0.99 < found["rhat"].item() < 1.2 and 10 < found["ess_bulk"].item() < 1000
    assert found["divergent_fraction"].item() < 0.1 and "importance_efficiency" not in found and "nee_sd" not in found
    # The error model is the one that made the data, and the withheld year is like the fitted one.
    assert 0.8 < found["nee_withheld_coverage_90"].item() < 0.98
    assert 0.1 < found["nee_withheld_crps"].item() < 0.25 and found["nee_withheld_crps"].attrs["units"] == "g m-2 d-1"


def test_chains_that_ran_by_themselves_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"starts": 2, "draws": 150, "tune": 100, "chains": 2, "predictive_draws": 20}
    data = vsem_sites.towers(1)
    run = {"settings": settings, "executor": "serial", "progress": False}
    with monkeypatch.context() as patched:
        patched.setattr("lsm_bayes.inference.mixture._need", lambda *_: [])  # no further rounds: only what the tasks drew
        tree = calibrate_chains(vsem_sites.build, data, tmp_path, **run)
    chains = [load(tmp_path / f"chain {k}.zarr.zip")["posterior"]["light_use_efficiency"].values[0] for k in range(2)]
    assert not np.array_equal(*chains)
    drawn = tree["posterior"]["light_use_efficiency"].values
    assert sorted(drawn[:, 0]) == sorted(c[0] for c in chains) and drawn.shape == (2, 150)
    assert "posterior_predictive" in tree.children
    # A second call goes on from the result.
    monkeypatch.setattr("lsm_bayes.tasks.chains.run_tasks", None)
    np.testing.assert_array_equal(calibrate_chains(vsem_sites.build, data, tmp_path, **run)["posterior"]["light_use_efficiency"], drawn)
