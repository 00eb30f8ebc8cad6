"""Validation before a calibration: each kind of bad input has its own clear error."""

import numpy as np
import pytest

from lsm_bayes.datasets import validate

NEEDED = ("air_temperature", "shortwave_down")


def _set(data, name, where, value):
    values = data[name].values.copy()
    values[where] = value
    return data.assign({name: (data[name].dims, values, data[name].attrs)})


def test_good_data_pass_unchanged(daily_data):
    data = validate(daily_data, [*NEEDED, "day_of_year", "latitude"], ["nee"])
    np.testing.assert_array_equal(data["nee"], daily_data["nee"])
    assert data["air_temperature"].attrs["filled_days"] == 0


def test_short_gaps_are_filled_and_counted(daily_data):
    data = _set(_set(daily_data, "air_temperature", (0, slice(5, 8)), np.nan), "precipitation", (1, 4), np.nan)
    filled = validate(data, ["air_temperature", "precipitation"])
    series = filled["air_temperature"].values[0]
    np.testing.assert_allclose(series[4:9], np.linspace(series[4], series[8], 5))
    assert filled["air_temperature"].attrs["filled_days"] == 3
    assert filled["precipitation"].values[1, 4] == 0.0
    assert data["air_temperature"].isnull().sum() == 3  # the input is left alone


def test_missing_rows_are_gaps(daily_data):
    filled = validate(daily_data.isel(time=np.r_[0:10, 12:31]), NEEDED)
    assert filled.sizes["time"] == 31 and filled["air_temperature"].attrs["filled_days"] == 4


def test_long_gap_names_the_period(daily_data):
    data = _set(daily_data, "air_temperature", (1, slice(5, 9)), np.nan)
    with pytest.raises(
        ValueError, match="'air_temperature' is missing at YY-Def from 2010-01-06 to 2010-01-09 .4 days., longer than 3 days"
    ):
        validate(data, NEEDED)
    assert validate(data, NEEDED, longest_gap=4)["air_temperature"].notnull().all()
    data = _set(daily_data, "air_temperature", (0, slice(29, None)), np.nan)
    with pytest.raises(ValueError, match="from 2010-01-30 to 2010-01-31 .2 days., at the edge of the period"):
        validate(data, NEEDED)


def test_no_burned_area_is_no_fire(daily_data):
    data = validate(daily_data, ["burned_area"])
    assert (data["burned_area"] == 0).all() and "no fire" in data["burned_area"].attrs["source"]


def test_missing_forcing(daily_data):
    with pytest.raises(KeyError, match="'vapour_pressure_deficit' is needed by the model"):
        validate(daily_data, ["vapour_pressure_deficit"])
    with pytest.raises(ValueError, match="forcing 'air_temperature' has no value at XX-Abc"):
        validate(_set(daily_data, "air_temperature", (0,), np.nan), NEEDED)
    with pytest.raises(ValueError, match="coordinate 'elevation' is missing at YY-Def"):
        validate(daily_data, ["elevation"])
    with pytest.raises(KeyError, match="coordinate 'latitude' is needed"):
        validate(daily_data.drop_vars("latitude"), ["latitude"])


def test_units(daily_data):
    data = daily_data.copy(deep=True)
    data["air_temperature"].attrs["units"] = "K"
    with pytest.raises(ValueError, match="'air_temperature' has units 'K'; accepted is 'degC'"):
        validate(data, NEEDED)
    del data["air_temperature"].attrs["units"]
    with pytest.raises(ValueError, match="'air_temperature' has no units"):
        validate(data, NEEDED)
    data = daily_data.copy(deep=True)
    data["nee"].attrs["units"] = "umol m-2 s-1"
    with pytest.raises(ValueError, match="'nee' has units 'umol m-2 s-1'"):
        validate(data, NEEDED, ["nee"])
    data["nee"].attrs["units"] = "gC/m2/d"
    assert validate(data, NEEDED, ["nee"])["nee"].notnull().all()


@pytest.mark.parametrize(("name", "factor", "offset"), [("air_temperature", 1, 273.15), ("shortwave_down", 11.57, 0)])
def test_numbers_of_another_unit_than_stated(daily_data, name, factor, offset):
    data = daily_data.assign({name: (daily_data[name] * factor + offset).assign_attrs(daily_data[name].attrs)})
    with pytest.raises(ValueError, match="Is it in another unit than attrs"):
        validate(data, [name])


def test_streams(daily_data):
    with pytest.raises(KeyError, match="The stream 'gpp' is needed"):
        validate(daily_data, NEEDED, ["gpp"])
    with pytest.raises(ValueError, match="stream 'nee' has no value at YY-Def from 2010-01-01 to 2010-01-31"):
        validate(_set(daily_data, "nee", (1,), np.nan), NEEDED, ["nee"])
    with pytest.raises(ValueError, match="infinite values"):
        validate(_set(daily_data, "nee", (1, 3), np.inf), NEEDED, ["nee"])
    with pytest.raises(ValueError, match="no variable 'nee_uncertainty'"):
        validate(daily_data.drop_vars("nee_uncertainty"), NEEDED, ["nee"])
    with pytest.raises(ValueError, match="no uncertainty at XX-Abc: 'nee_uncertainty' is missing on all 31 days"):
        validate(_set(daily_data, "nee_uncertainty", (0,), np.nan), NEEDED, ["nee"])
    with pytest.raises(ValueError, match="zero or negative at XX-Abc on 1 days"):
        validate(_set(daily_data, "nee_uncertainty", (0, 2), 0.0), NEEDED, ["nee"])


def test_single_missing_uncertainties_become_the_median(daily_data):
    data = validate(_set(daily_data, "nee_uncertainty", (0, slice(0, 3)), np.nan), NEEDED, ["nee"])
    assert (data["nee_uncertainty"].values[0, :3] == 0.3).all() and data["nee_uncertainty"].attrs["filled_days"] == 3


def test_axes_and_sites(daily_data):
    with pytest.raises(KeyError, match="unknown site of the data 'FI-Hyy'. Known: XX-Abc, YY-Def"):
        validate(daily_data, NEEDED, sites=["FI-Hyy"])
    assert validate(daily_data, NEEDED, sites=["YY-Def"])["site"].values.tolist() == ["YY-Def"]
    with pytest.raises(ValueError, match="no dim 'site'"):
        validate(daily_data.isel(site=0), NEEDED)
    with pytest.raises(ValueError, match="not ascending or has a day twice, near 2010-01-31"):
        validate(daily_data.isel(time=[*range(31), 30]), NEEDED)
    with pytest.raises(ValueError, match="1 day; at least two"):
        validate(daily_data.isel(time=[0]), NEEDED)


def test_sub_daily_data_are_sent_to_to_daily(half_hours):
    with pytest.raises(ValueError, match="aggregate them first with lsm_bayes.datasets.to_daily"):
        validate(half_hours(days=3), ["air_temperature"])
