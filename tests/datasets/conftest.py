"""Generated half-hourly data of a made-up site, with everything known."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.vocabulary import QUANTITIES


def _half_hours(days: int = 20, per_day: int = 48, noise: float = 0.0, seed: int = 1) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    step = np.arange(days * per_day)
    hour = (step % per_day + 0.5) * 24 / per_day
    light = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    values = {
        "nee": 3.0 - 12.0 * light + noise * rng.standard_normal(len(step)),
        "air_temperature": 10 + 5 * np.sin((hour - 9) / 12 * np.pi),
        "shortwave_down": 40.0 * light,
        "vapour_pressure_deficit": 5 * light,
    }
    time = np.datetime64("2010-03-01", "ns") + step * np.timedelta64(86400 // per_day, "s")
    data = xr.Dataset(coords={"site": ["XX-Abc"], "time": time.astype("datetime64[ns]"), "latitude": ("site", [50.0])})
    for name, series in values.items():
        data[name] = (("site", "time"), series[None], QUANTITIES[name].attrs())
    return data


@pytest.fixture
def half_hours() -> Callable[..., xr.Dataset]:
    """Give the function that makes half-hourly data."""
    return _half_hours


@pytest.fixture
def daily_data() -> xr.Dataset:
    """Give a month of daily data of two sites in the convention of the package."""
    rng = np.random.default_rng(3)
    time = np.arange("2010-01-01", "2010-02-01", dtype="datetime64[D]").astype("datetime64[ns]")
    sites = ["XX-Abc", "YY-Def"]
    data = xr.Dataset(coords={"site": sites, "time": time, "latitude": ("site", [50.0, 60.0]), "elevation": ("site", [100.0, np.nan])})
    for name, mean in {"air_temperature": 5.0, "shortwave_down": 8.0, "precipitation": 2.0, "nee": -1.0, "co2": 390.0}.items():
        data[name] = (("site", "time"), mean + rng.random((2, len(time))), QUANTITIES[name].attrs())
    data["nee_uncertainty"] = (("site", "time"), np.full((2, len(time)), 0.3), {"units": "gC m-2 d-1", "source": "as given"})
    return data
