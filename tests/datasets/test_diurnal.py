"""Hours made of days."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsm_bayes.datasets import with_diurnal_course
from lsm_bayes.vocabulary import SUBSTEP


def daily(latitude: float = 50.0, days: int = 365, lowest: float = 5.0, highest: float = 17.0, **changed: float) -> xr.Dataset:
    values = {
        "air_temperature": 11.5,
        "air_temperature_min": lowest,
        "air_temperature_max": highest,
        "shortwave_down": 12.0,
        "vapour_pressure_deficit": 4.0,
        "longwave_down": 300.0,
        "air_pressure": 95.0,
        "wind_speed": 2.5,
        "precipitation": 2.0,
    } | changed
    units = {"air_temperature": "degC", "shortwave_down": "MJ m-2 d-1", "longwave_down": "W m-2"}
    ones = np.ones((1, days))
    return xr.Dataset(
        {n: (("site", "time"), v * ones, {"units": units.get(n, "1")}) for n, v in values.items()},
        coords={"site": ["XX-Abc"], "time": pd.date_range("2011-01-01", periods=days), "latitude": ("site", [latitude])},
    )


@pytest.mark.parametrize("latitude", [0.0, 50.0, -62.0, 80.0])
@pytest.mark.parametrize("deficit", [0.0, 4.0, 15.0])
def test_means_of_days_are_those_of_the_data(latitude: float, deficit: float) -> None:
    data = daily(latitude, vapour_pressure_deficit=deficit)
    made = with_diurnal_course(data)
    for name in ("air_temperature", "shortwave_down", "vapour_pressure_deficit", "longwave_down", "air_pressure", "wind_speed"):
        assert made[name].dims == ("site", "time", SUBSTEP) and made[name].attrs["units"] == data[name].attrs["units"]
        np.testing.assert_allclose(made[name].mean(SUBSTEP), data[name], rtol=1e-12, atol=1e-12)
    assert float(made["vapour_pressure_deficit"].min()) >= 0 and float(made["shortwave_down"].min()) >= 0
    assert made["precipitation"].dims == ("site", "time")


def test_the_course_is_that_of_sun_and_warmth() -> None:
    made = with_diurnal_course(daily())
    light, warmth = made["shortwave_down"].values[0], made["air_temperature"].values[0]
    lit = (light > 0).sum(axis=-1)
    assert lit[171] == 16 and lit[354] == 8  # day lengths at 50 degrees north, 16.2 and 7.8 h
    np.testing.assert_allclose(light, light[:, ::-1], atol=1e-12)
    assert set(warmth.argmax(axis=-1)) <= {13, 14} and set(warmth.argmin(axis=-1)) <= set(range(3, 9))
    np.testing.assert_allclose(np.ptp(warmth, axis=-1), 12.0, rtol=0.15)
    dew = 6.108 * np.exp(17.27 * warmth / (warmth + 237.3)) - made["vapour_pressure_deficit"].values[0]
    dry = (made["vapour_pressure_deficit"].values[0] > 0).all(axis=-1)
    np.testing.assert_allclose(np.ptp(dew[dry], axis=-1), 0.0, atol=1e-9)


def test_the_range_of_the_day_follows_the_extremes() -> None:
    narrow = with_diurnal_course(daily(lowest=10.0, highest=13.0))["air_temperature"]
    assert float((narrow.max(SUBSTEP) - narrow.min(SUBSTEP)).max()) <= 3.0


def test_half_hours_and_missing_days() -> None:
    data = daily(days=4)
    data["air_temperature_max"][0, 2] = np.nan
    made = with_diurnal_course(data, 48)
    assert made.sizes[SUBSTEP] == 48
    assert np.isnan(made["air_temperature"].values[0, 2]).all() and np.isfinite(made["air_temperature"].values[0, 3]).all()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="air_temperature_min, latitude not in the data"):
        with_diurnal_course(daily().drop_vars(["air_temperature_min", "latitude"]))
    with pytest.raises(ValueError, match="steps is 1"):
        with_diurnal_course(daily(), 1)
