import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsm_bayes.forcing import forcing_arrays, whole_years
from lsm_bayes.land import get
from lsm_bayes.vocabulary import QUANTITIES


@pytest.fixture
def data() -> xr.Dataset:
    rng = np.random.default_rng(0)
    means = {
        "air_temperature_min": 3.0,
        "air_temperature_max": 12.0,
        "shortwave_down": 10.0,
        "co2": 400.0,
        "vapour_pressure_deficit": 5.0,
        "precipitation": 2.0,
    }
    made = xr.Dataset(coords={"site": ["A", "B"], "time": pd.date_range("2010-01-01", periods=40), "latitude": ("site", [50.0, 60.0])})
    for name, mean in means.items():
        made[name] = (("site", "time"), mean + rng.random((2, 40)) + np.array([[0.0], [1.0]]), QUANTITIES[name].attrs())
    return made


def test_a_reference_climate_is_the_mean_of_the_series(data: xr.Dataset) -> None:
    arrays = forcing_arrays(get("dalec_811"), data).varying
    wanted = 0.5 * (data["air_temperature_min"] + data["air_temperature_max"]).mean("time").values
    np.testing.assert_allclose(arrays["mean_air_temperature"], np.repeat(wanted[:, None], 40, axis=1), rtol=1e-14)
    one = forcing_arrays(get("dalec_811"), data.sel(site="B")).varying
    np.testing.assert_allclose(one["mean_precipitation"], float(data["precipitation"].sel(site="B").mean()), rtol=1e-14)


def test_a_reference_climate_in_the_data_is_used(data: xr.Dataset) -> None:
    data = data.assign(mean_precipitation=("site", [1.0, 365.25], {"units": "mm year-1"}))
    arrays = forcing_arrays(get("dalec_811"), data).varying["mean_precipitation"]
    np.testing.assert_allclose(arrays[:, 0], [1.0 / 365.25, 1.0], rtol=1e-12)


def test_the_reference_climate_of_members_is_that_of_each(data: xr.Dataset) -> None:
    model = get("dalec_811")
    series = {n: data[n].values for n in ("air_temperature_min", "air_temperature_max", "precipitation")}
    made = model.completed(series)["mean_precipitation"]
    np.testing.assert_allclose(made, np.repeat(series["precipitation"].mean(axis=1)[:, None], 40, axis=1))
    assert model.completed({n: s[0] for n, s in series.items()})["mean_air_temperature"].shape == (40,)


@pytest.mark.parametrize(
    ("time", "years", "expected"),
    [
        (pd.date_range("2010-01-01", "2011-12-31"), None, (730, 2)),
        (pd.date_range("2010-01-01", "2011-12-30"), None, (365, 1)),
        (pd.date_range("2012-03-01", "2015-02-28"), 2, (730, 2)),
        (pd.date_range("2012-01-01", "2012-12-31"), None, (366, 1)),
        (pd.date_range("2010-01-01", periods=30, freq="MS"), None, (24, 2)),
        (pd.date_range("2010-05-01", periods=12, freq="MS"), None, (12, 1)),
        (pd.date_range("2010-01-01", periods=2 * 365 * 24, freq="h"), None, (2 * 365 * 24, 2)),
        (pd.date_range("2010-01-01", periods=100), None, (100, 0)),
    ],
)
def test_whole_years_of_steps_of_any_length(time: pd.DatetimeIndex, years: int | None, expected: tuple[int, int]) -> None:
    assert whole_years(time, years) == expected


def test_more_years_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="3 whole years are asked for; 2010-01-01 to 2011-12-31 has 2"):
        whole_years(pd.date_range("2010-01-01", "2011-12-31"), 3)
    with pytest.raises(ValueError, match="at least one year, got 0"):
        whole_years(pd.date_range("2010-01-01", "2011-12-31"), 0)
