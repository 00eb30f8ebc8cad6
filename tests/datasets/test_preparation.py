"""Longwave radiation, snow and solar time from what towers measure."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsm_bayes.datasets import preparation as prep
from lsm_bayes.datasets import solar_hour, with_longwave, with_snowfall


def weather(shortwave: np.ndarray, celsius: float = 15.0, freq: str = "D", latitude: float = 50.0) -> xr.Dataset:
    time = pd.date_range("2011-06-01", periods=shortwave.size, freq=freq)
    constant = np.ones((1, shortwave.size))
    return xr.Dataset(
        {
            "air_temperature": (("site", "time"), celsius * constant, {"units": "degC"}),
            "vapour_pressure_deficit": (("site", "time"), 5.0 * constant, {"units": "hPa"}),
            "shortwave_down": (("site", "time"), shortwave[None], {"units": "MJ m-2 d-1"}),
        },
        coords={"site": ["XX-Abc"], "time": time, "latitude": ("site", [latitude])},
    )


def test_longwave_lies_between_clear_and_overcast_sky() -> None:
    clear = 0.75 * prep.mean_extraterrestrial(np.arange(152, 162), 50.0) * 0.0864
    stefan = 5.670374e-8 * 288.15**4
    vapour = 6.108 * np.exp(17.27 * 15 / 252.3) - 5.0
    found = [with_longwave(weather(part * clear))["longwave_down"].values[0] for part in (1.0, 0.0, 0.4)]
    np.testing.assert_allclose(found[0], 1.24 * (vapour / 288.15) ** (1 / 7) * stefan, rtol=1e-3)
    np.testing.assert_allclose(found[1], stefan, rtol=1e-12)
    np.testing.assert_allclose(found[2], 0.6 * found[1] + 0.4 * found[0], rtol=1e-3)


def test_longwave_within_the_day_takes_the_clouds_of_the_day() -> None:
    day = 0.5 * 0.75 * float(prep.mean_extraterrestrial(152, 50.0)) * 0.0864
    course = np.maximum(0.0, np.sin(np.pi * (np.arange(48) - 12) / 24))
    hourly = with_longwave(weather(np.tile(day * course / course.mean(), 3), freq="30min"))["longwave_down"].values[0]
    daily = with_longwave(weather(np.full(3, day)))["longwave_down"].values[0]
    np.testing.assert_allclose(hourly[:48], daily[0], rtol=1e-3)


def test_what_is_measured_stays_and_gives_the_error() -> None:
    data = weather(np.full(60, 20.0))
    made = with_longwave(data)["longwave_down"]
    assert "cannot be compared" in made.attrs["comment"] and "reconstruction_rmse" not in made.attrs
    measured = made.copy(data=np.where(np.arange(60)[None] < 40, made.values + 7.0, np.nan))
    filled = with_longwave(data.assign(longwave_down=measured))
    np.testing.assert_array_equal(filled["longwave_down"][:, :40], measured[:, :40])
    np.testing.assert_array_equal(filled["longwave_down"][:, 40:], made[:, 40:])
    assert filled["longwave_down"].attrs["reconstruction_bias"] == pytest.approx(-7.0)
    assert filled["longwave_down_reconstructed"].sum() == 20
    with pytest.raises(KeyError, match="shortwave_down not in the data"):
        with_longwave(data.drop_vars("shortwave_down"))


def test_polar_night_has_the_clouds_of_the_days_around() -> None:
    data = weather(np.zeros(10), celsius=-20.0, latitude=80.0).assign_coords(time=pd.date_range("2011-12-01", periods=10))
    data["shortwave_down"].values[:] = 0.0
    assert np.isnan(with_longwave(data)["longwave_down"].values).all()  # no sun at all in the record: clouds are unknown
    spring = xr.concat(
        [data, weather(np.full(1, 1.0), -20.0, latitude=80.0).assign_coords(time=pd.date_range("2012-03-20", periods=1))], "time"
    )
    assert np.isfinite(with_longwave(spring)["longwave_down"].values).all()


def test_snow_by_air_and_by_wet_bulb() -> None:
    data = weather(np.ones(1)).assign(precipitation=(("site", "time"), [[10.0]], {"units": "mm d-1"}))
    for celsius, share in ((-2.0, 1.0), (1.0, 2.3 / 4.4), (4.0, 0.0)):
        given = data.assign(air_temperature=data["air_temperature"] * 0 + celsius)
        assert float(with_snowfall(given)["snowfall"].values[0, 0]) == pytest.approx(10 * share)
    assert float(prep.wet_bulb(20.0, 0.5 * float(prep.saturation_vapour_pressure(20.0)))) == pytest.approx(13.7, abs=0.05)  # Stull (2011)
    mild = data.assign(air_temperature=data["air_temperature"] * 0 + 2.0)
    moist = mild.assign(vapour_pressure_deficit=mild["vapour_pressure_deficit"] * 0 + 0.05)
    assert with_snowfall(mild, by="wet_bulb")["snowfall"].values > with_snowfall(moist, by="wet_bulb")["snowfall"].values
    with pytest.raises(ValueError, match="by is 'ice'; choose 'air' or 'wet_bulb'"):
        with_snowfall(data, by="ice")
    with pytest.raises(KeyError, match="precipitation not in the data"):
        with_snowfall(data.drop_vars("precipitation"))


def test_the_sun_is_highest_at_twelve() -> None:
    noon = np.datetime64("2011-02-11T12:00")  # the equation of time is -14.2 minutes, its lowest
    assert solar_hour(noon, 15.0, 1.0)[0] == pytest.approx(12 - 14.2 / 60, abs=0.01)
    assert solar_hour(noon, 0.0, 1.0)[0] == pytest.approx(11 - 14.2 / 60, abs=0.01)
    assert solar_hour(np.datetime64("2011-11-03T00:00"), 15.0, 1.0)[0] == pytest.approx(16.4 / 60, abs=0.01)
