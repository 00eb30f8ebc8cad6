"""SIPNET in steps of a day and a night, against a tower by days."""

import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from lsm_bayes.models.sipnet_niwot import model as sipnet_niwot

from lsm_bayes.datasets import load
from lsm_bayes.observations.aggregation import aggregation

DAYS = 6


@pytest.fixture
def steps() -> xr.Dataset:
    """Give days from 6:00 to 16:48 and nights whose middle is 23:24, with other rates in each step."""
    start = pd.date_range("2001-03-01", periods=DAYS)
    time = pd.DatetimeIndex(np.stack([start + pd.Timedelta(hours=6), start + pd.Timedelta(hours=16.8)], axis=1).ravel())
    length = np.tile([0.45, 0.55], DAYS)
    rate = np.random.default_rng(1).normal(0.0, 2.0, 2 * DAYS)
    columns = {"nee": (rate, "gC m-2 d-1"), "step_length": (length, "d")}
    return xr.Dataset({n: (("site", "time"), v[None], {"units": u}) for n, (v, u) in columns.items()}, {"site": ["XX-One"], "time": time})


def test_a_calendar_day_has_half_of_both_nights(steps: xr.Dataset) -> None:
    series = {n: steps[n].values for n in ("nee", "step_length")}
    found = sipnet_niwot.OPERATOR.evaluate(series)[0, ::2]
    # The same by minutes: midnight to midnight, when the clock is moved so that midnight is in the middle of the nights.
    minutes = np.repeat(series["nee"][0], np.rint(1440 * series["step_length"][0]).astype(int))
    first = 648 + 396  # the day, and half of the night
    by_minutes = minutes[first : first + 1440 * (DAYS - 2)].reshape(-1, 1440).mean(axis=1)
    np.testing.assert_allclose(found[1:-1], by_minutes, rtol=1e-12)


def test_observations_stand_at_the_steps_of_daylight(steps: xr.Dataset) -> None:
    days = pd.date_range("2001-02-27", periods=DAYS + 4)
    values = np.arange(days.size, dtype=float)
    values[4] = np.nan
    units = {"units": "gC m-2 d-1"}
    tower = xr.Dataset(
        {"nee": (("site", "time"), values[None], units), "nee_uncertainty": (("site", "time"), 0.1 + values[None], units)},
        {"site": ["XX-One"], "time": days},
    )
    found = sipnet_niwot.with_tower(steps.drop_vars("nee"), tower)
    np.testing.assert_array_equal(found["nee"].values[0, ::2], values[2 : 2 + DAYS])
    assert np.isnan(found["nee"].values[0, 1::2]).all() and found["nee"].attrs["units"] == "gC m-2 d-1"
    np.testing.assert_allclose(found["nee_uncertainty"] - found["nee"], 0.1 + 0.0 * found["nee"])
    early = steps.assign_coords(time=steps["time"] - np.timedelta64(9, "h"))
    hourly = steps.isel(time=slice(0, 2)).assign_coords(time=pd.DatetimeIndex(["2001-03-01 06:00", "2001-03-01 09:00"]))
    assert sipnet_niwot.with_tower(early, tower)["nee"].notnull().sum() == DAYS - 1
    with pytest.raises(ValueError, match="two steps begin in the morning of 2001-03-01; this model takes one for the daylight"):
        sipnet_niwot.with_tower(hourly, tower)


@pytest.mark.skipif(not os.environ.get("LSM_BAYES_DATA"), reason="LSM_BAYES_DATA is not set: no local data folder")
def test_weeks_are_those_of_the_tower() -> None:
    data = sipnet_niwot.reference().data.isel(site=0)
    tower = load("fluxnet2015-daily", sipnet_niwot.NAME, "1999", "2005").isel(site=0)
    means = []
    for one in (data.sel(time=slice("1999", "2005")), tower):
        time = pd.DatetimeIndex(one["time"].values)
        a = aggregation(time, one["nee"].notnull().values, "week")
        means.append(a.mean(one["nee"].values))
    assert means[0].size > 200
    np.testing.assert_allclose(*means, rtol=1e-12)


@pytest.mark.skipif(not os.environ.get("LSM_BAYES_DATA"), reason="LSM_BAYES_DATA is not set: no local data folder")
def test_steps_of_a_day_and_a_night_are_calibrated() -> None:
    found = sipnet_niwot.reference()
    model = sipnet_niwot.build(found.data, **found.arguments)
    choices = model.calibration
    assert set(choices.declared) - set(choices.fixed) == {*sipnet_niwot.FREE, *sipnet_niwot.INITIAL}
    (record,) = choices.records
    assert record.data.sizes["time"] == found.data.sizes["time"]  # two steps a day, none put in
    fitted, whole = choices.streams[0].fitted[0].time, choices.streams[0].whole[0].time
    assert fitted[-1].year == 2003 and whole[-1].year == 2005
