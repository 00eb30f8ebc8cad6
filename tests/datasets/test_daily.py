"""Half-hourly to daily: sums, completeness, reasons, extremes."""

import numpy as np
import pytest

from lsm_bayes.datasets import Completeness, dropped_days, to_daily


def _remove(data, name, where):
    values = data[name].values.copy()
    values[:, where] = np.nan
    return data.assign({name: (("site", "time"), values, data[name].attrs)})


@pytest.mark.parametrize("per_day", [24, 48])
def test_mean_and_extremes_of_complete_days(half_hours, per_day):
    data = half_hours(days=3, per_day=per_day)
    daily = to_daily(data)
    np.testing.assert_allclose(daily["nee"].values[0], data["nee"].values.reshape(3, per_day).mean(axis=1))
    np.testing.assert_allclose(daily["air_temperature_max"].values[0], data["air_temperature"].values.reshape(3, per_day).max(axis=1))
    np.testing.assert_allclose(daily["air_temperature_min"].values[0], data["air_temperature"].values.reshape(3, per_day).min(axis=1))
    assert (daily["nee_coverage"] == 1).all()
    assert str(daily["time"].values[0])[:10] == "2010-03-01"
    assert daily["nee"].attrs["units"] == "gC m-2 d-1"
    assert "25% of the steps measured" in daily.attrs["completeness"]


def test_a_day_without_nights_is_dropped_not_biased(half_hours):
    data = half_hours(days=4)
    truth = to_daily(data)["nee"].values[0]
    night = data["shortwave_down"].values[0] == 0
    daily = to_daily(_remove(data, "nee", night))
    assert daily["nee"].isnull().all()
    assert set(dropped_days(daily, "nee")["reason"]) == {"too few steps with a value"}
    # Half of the nights suffice: day and night are weighted by their length.
    every_second = night & (np.arange(len(night)) % 2 == 0)
    daily = to_daily(_remove(data, "nee", every_second))
    np.testing.assert_allclose(daily["nee"].values[0], truth, rtol=1e-10)


def test_filled_night_counts_when_enough_is_measured(half_hours):
    data = half_hours(days=4)
    night = data["shortwave_down"].values[0] == 0
    coverage = np.where(night, 0.0, 1.0)[None]
    data["nee_coverage"] = (("site", "time"), coverage, {"units": "1"})
    daily = to_daily(data)
    assert daily["nee"].notnull().all()
    np.testing.assert_allclose(daily["nee_coverage"].values, coverage.reshape(4, 48).mean(axis=1)[None])
    strict = to_daily(data, Completeness(measured_night=0.1))
    assert set(dropped_days(strict, "nee")["reason"]) == {"day or night not measured"}
    strict = to_daily(data, Completeness(measured_flux=0.8))
    assert set(dropped_days(strict, "nee")["reason"]) == {"too few steps measured"}


def test_dropped_days_name_day_and_reason(half_hours):
    data = half_hours(days=5)
    gone = np.zeros(5 * 48, dtype=bool)
    gone[48:96] = True
    daily = to_daily(_remove(_remove(data, "nee", gone), "air_temperature", gone))
    table = dropped_days(daily, absent=True)
    assert list(table["variable"]) == ["nee", "air_temperature"]
    assert {str(day)[:10] for day in table["time"]} == {"2010-03-02"}
    assert np.isnan(daily["air_temperature_min"].values[0, 1]) and np.isnan(daily["air_temperature_max"].values[0, 1])
    assert daily["air_temperature_min"].notnull().sum() == 4
    assert daily["nee_dropped"].attrs["flag_meanings"].split()[0] == "kept"


def test_missing_rows_are_missing_steps(half_hours):
    data = half_hours(days=3)
    daily = to_daily(data.isel(time=np.r_[0:48, 90:144]))
    assert daily.sizes["time"] == 3
    assert np.isnan(daily["nee"].values[0, 1])


def test_errors(half_hours):
    data = half_hours(days=3)
    with pytest.raises(ValueError, match="daily already"):
        to_daily(to_daily(data))
    with pytest.raises(ValueError, match="not ascending or has a time twice"):
        to_daily(data.isel(time=[*range(50), *range(40, 144)]))
    with pytest.raises(ValueError, match="must be the start of each step"):
        to_daily(data.assign_coords(time=data["time"] + np.timedelta64(900, "s")))


def test_flags_survive_a_file(half_hours, tmp_path):
    import xarray as xr

    daily = to_daily(_remove(half_hours(days=3), "nee", slice(0, 48)))
    daily.to_netcdf(tmp_path / "daily.nc")
    again = xr.load_dataset(tmp_path / "daily.nc")
    assert dropped_days(again).equals(dropped_days(daily))
