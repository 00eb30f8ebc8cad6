"""The registered data sets themselves, where they are to be had."""

import os

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.datasets import NotAvailableError, dropped_days, from_xarray, load, uncertainty, validate, with_longwave
from lsm_bayes.datasets.sources import LocalFile
from lsm_bayes.vocabulary import QUANTITIES

needs_data = pytest.mark.skipif(not os.environ.get("LSM_BAYES_DATA"), reason="LSM_BAYES_DATA is not set: no local data folder")
DALEC_FORCING = ("air_temperature_min", "air_temperature_max", "shortwave_down", "co2", "day_of_year", "burned_area", "latitude")


def _check_convention(data):
    for name in data.data_vars:
        stem = str(name).removesuffix("_uncertainty").removesuffix("_ustar_spread").removesuffix("_daytime_partitioned")
        if str(name).endswith(("_coverage", "_dropped")):
            continue
        assert data[name].attrs["units"] == QUANTITIES[stem].unit, name
        if str(name).endswith("_uncertainty"):
            assert data[name].attrs["source"] and not (data[name] <= 0).any(), name
    assert {"title", "source", "licence", "citation", "history"} <= set(data.attrs)
    assert {"latitude", "longitude", "elevation", "pft"} <= set(data.coords)
    assert data["time"].dtype == "datetime64[ns]"


@pytest.fixture(scope="module")
def ch_dav():
    try:
        return load("ch-dav")
    except NotAvailableError as error:
        pytest.skip(f"neither cached nor downloadable: {error}")


def test_ch_dav_follows_the_convention_and_calibrates(ch_dav):
    _check_convention(ch_dav)
    assert ch_dav.sizes["time"] == 3652
    validate(ch_dav, [*DALEC_FORCING, "vapour_pressure_deficit", "precipitation", "elevation"], ["nee", "gpp", "reco", "latent_heat"])


def test_ch_dav_is_physical(ch_dav):
    data = ch_dav.isel(site=0)
    sunshine, rain = (data[name].groupby("time.year").sum() for name in ("shortwave_down", "precipitation"))
    assert ((sunshine > 4300) & (sunshine < 5400)).all()  # MJ m-2 a year in the Alps
    assert ((rain > 550) & (rain < 1300)).all()
    np.testing.assert_allclose(data["nee"], data["reco"] - data["gpp"], atol=0.01)
    assert 3 < data["air_temperature"].mean() < 6 and (data["air_temperature_max"] >= data["air_temperature"]).all()
    growing = data.sel(time=data["time"].dt.month.isin([6, 7, 8]))
    assert 5 < growing["gpp"].mean() < 10 and growing["nee"].mean() < -0.5
    assert 0.3 < data["nee_uncertainty"].mean() < 0.6


def test_ch_dav_says_what_was_dropped(ch_dav):
    table = dropped_days(ch_dav, "nee")
    assert set(table["reason"]) <= {"too few steps measured", "day or night not measured"} and 500 < len(table) < 1500
    assert len(table) + int(ch_dav["nee"].notnull().sum()) == 3652


def test_ch_dav_second_load_needs_no_network(ch_dav, monkeypatch):
    import subprocess

    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("the network was used"))
    xr.testing.assert_identical(load("ch-dav", ["CH-Dav"]), ch_dav)


@needs_data
def test_ch_dav_agrees_with_fluxnet2015(ch_dav):
    other = load("fluxnet2015-daily", ["CH-Dav"], "2013", "2014")
    ours = ch_dav.sel(time=slice("2013", "2014"))
    for name, tolerance in {"air_temperature": 0.05, "shortwave_down": 0.15, "vapour_pressure_deficit": 0.02}.items():
        assert abs(float((ours[name] - other[name]).mean())) < tolerance, name


@needs_data
def test_fluxnet_daily_water():
    data = load("fluxnet-daily-water")
    _check_convention(data)
    assert data.sizes["site"] == 11
    one = load("fluxnet-daily-water", ["FI-Hyy"])
    assert one.sizes["time"] == 3287
    validate(one, [*DALEC_FORCING, "vapour_pressure_deficit", "precipitation"], ["nee", "gpp", "reco", "lai"])
    assert int(one["lai"].notnull().sum()) == 9 * 36


@needs_data
def test_callmip_towers_have_complete_drivers_and_three_fluxes():
    data = load("callmip-towers")
    _check_convention(data)
    drivers = [*DALEC_FORCING, "longwave_down", "wind_speed", "air_pressure", "precipitation", "vapour_pressure_deficit"]
    validate(data.sel(site=["FI-Hyy"]), drivers, ["nee", "latent_heat", "sensible_heat"])
    counts = {n: data[n].notnull().sum("time").values.tolist() for n in ("nee", "latent_heat", "sensible_heat")}
    assert counts == {"nee": [91, 1296, 1006], "latent_heat": [2846, 1763, 2205], "sensible_heat": [3683, 1823, 1461]}
    assert data["utc_offset"].values.tolist() == [1.0, 2.0, 1.0]
    rebuilt = with_longwave(data.assign(longwave_down=data["longwave_down"].where(data["time"].dt.year % 2 == 0)))
    assert rebuilt["longwave_down"].attrs["reconstruction_rmse"] < 20
    odd = data["time"].dt.year % 2 == 1
    error = (rebuilt["longwave_down"] - data["longwave_down"]).where(odd)
    assert float(np.sqrt((error**2).mean())) < 20 and abs(float(error.mean())) < 6


@needs_data
def test_the_corners_of_the_interpolated_lai_are_the_days_that_are_kept():
    raw = xr.load_dataset(LocalFile("fluxnet_daily_water.nc").fetch())["LAI"]
    kept = load("fluxnet-daily-water")["lai"]
    bend = np.abs(raw.values[:, 2:] - 2 * raw.values[:, 1:-1] + raw.values[:, :-2]) > 3e-4
    assert bend.sum() > 2000
    assert kept.reindex(time=raw["time"]).notnull().values[:, 1:-1][bend].all()


@needs_data
def test_fluxnet2015_daily():
    sites = ["FI-Hyy", "CA-Man", "AU-ASM", "CA-NS2"]
    data = load("fluxnet2015-daily", sites)
    _check_convention(data)
    assert data["pft"].sel(site="AU-ASM") == "SAV" and "savanna" in data["remark"].sel(site="AU-ASM").item()
    assert float(data["gpp"].max()) < 25
    table = dropped_days(data, "gpp")
    assert (table[table["site"] == "CA-Man"]["reason"] == "isolated spike").sum() > 10
    assert (data["nee_coverage"].where(data["nee"].notnull()) >= 0.25).sum() == data["nee"].notnull().sum()
    assert 355 < float(data["co2"].sel(time="1996").mean()) < 370


@needs_data
def test_official_subset_with_randunc_as_plain_xarray():
    data = from_xarray(xr.load_dataset(LocalFile("fluxnet2015_US-AR1_subset_dd.nc").fetch()))
    assert data["nee_uncertainty"].attrs["source"] == "RANDUNC"
    assert 0.05 < float(data["nee_uncertainty"].median()) < 1.0
    assert 10 < float(data["shortwave_down"].mean()) < 25
    assert data["pft"].item() == "GRA"
    validate(data, ["air_temperature", "shortwave_down", "vapour_pressure_deficit", "precipitation", "air_pressure", "wind_speed"], ["nee"])


@needs_data
def test_differencing_agrees_with_oneflux_at_fi_hyy():
    raw = xr.load_dataset(LocalFile("fluxnet2015_halfhourly.nc").fetch()).sel(site="FI-Hyy")
    time = raw["time_local_start"].values
    keep = ~np.isnat(time)
    data = xr.Dataset(coords={"site": ["FI-Hyy"], "time": time[keep]})
    columns = {"nee": ("NEE_VUT_REF", 12.011e-6 * 86400), "air_temperature": ("TA_F", 1), "shortwave_down": ("SW_IN_F", 0.0864)}
    for name, (column, factor) in columns.items():
        data[name] = (("site", "time"), raw[column].values[None, keep] * factor, {"units": QUANTITIES[name].unit})
    data["nee_coverage"] = (("site", "time"), (raw["NEE_VUT_REF_QC"].values[None, keep] == 0).astype(float))
    sd = uncertainty.from_differences(data, "nee").isel(site=0)
    daily = np.sqrt((sd**2).resample(time="D").mean() / 48)
    official = xr.load_dataset(LocalFile("callmip/callmip_fluxes.nc").fetch())["NEE_uc_gC"].sel(site="FI-Hyy")
    ratio = daily / official
    assert 0.7 < float(ratio.median()) < 1.5
