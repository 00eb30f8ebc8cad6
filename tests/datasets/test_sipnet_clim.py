"""Forcing files of SIPNET: units, clock and errors; and the file of Niwot Ridge, where it is to be had."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.datasets import load, sipnet_clim
from lsm_bayes.vocabulary import QUANTITIES

ROWS = (
    "2003 365 7.00 0.417 -3.5 0.2 10.425 2.085 120 40 300 2.5",
    "2003 365 17.00 0.583 -8.0 0.1 0.0 0.0 80 -20 290 1.5",
    "2004 1 7.00 0.417 -4.0 0.1 4.17 0.0 100 30 310 2.0",
)
needs_data = pytest.mark.skipif(not os.environ.get("LSM_BAYES_DATA"), reason="LSM_BAYES_DATA is not set: no local data folder")


def written(folder: Path, rows: tuple[str, ...]) -> Path:
    path = folder / "place.clim"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_sums_become_rates_in_the_units_of_the_vocabulary(tmp_path: Path) -> None:
    data = sipnet_clim.read_clim(written(tmp_path, ROWS))
    for name in data.data_vars:
        assert data[name].attrs["units"] == QUANTITIES[str(name)].unit
    np.testing.assert_allclose(data["photosynthetically_active_radiation"], [25.0, 0.0, 10.0])
    np.testing.assert_allclose(data["precipitation"], [5.0, 0.0, 0.0])
    np.testing.assert_allclose(data["vapour_pressure_deficit"], [1.2, 0.8, 1.0])
    np.testing.assert_allclose(data["soil_vapour_pressure_deficit"], [0.4, -0.2, 0.3])
    np.testing.assert_allclose(data["day_of_year"], [365 + 7 / 24, 365 + 17 / 24, 1 + 7 / 24])
    assert data["time"].values[[0, -1]].astype("datetime64[m]").astype(str).tolist() == ["2003-12-31T07:00", "2004-01-01T07:00"]


def test_old_files_and_seconds_are_the_same_forcing(tmp_path: Path) -> None:
    data = sipnet_clim.read_clim(written(tmp_path, ROWS))
    old = tuple(f"0\t{row} 0.5" for row in ROWS)
    xr.testing.assert_identical(sipnet_clim.read_clim(written(tmp_path, old)), data)
    seconds = tuple(r.replace(" 0.417 ", f" {-0.417 * 86400:g} ").replace(" 0.583 ", f" {-0.583 * 86400:g} ") for r in ROWS)
    xr.testing.assert_allclose(sipnet_clim.read_clim(written(tmp_path, seconds)), data, rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((ROWS[0], ROWS[2]), "the step of 2003-12-31 07:00 is 0.417 d long, but the next begins on 2004-01-01 07:00"),
        (tuple(r.rsplit(" ", 1)[0] for r in ROWS), "has 11 columns; a forcing file of SIPNET has 12, or 14"),
        (tuple(f"{k} {r} 0.5" for k, r in enumerate(ROWS)), "has 3 locations; give one file for each"),
        ((ROWS[0].replace("0.417", "0.0"), *ROWS[1:]), "the length of the step in row 1 is zero"),
        ((ROWS[0], ROWS[1].replace("-8.0", "NaN"), ROWS[2]), "a value is missing in row 2"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sipnet_clim.read_clim(written(tmp_path, rows))


@needs_data
def test_niwot_ridge_is_that_of_its_tower() -> None:
    data = load("sipnet-niwot")
    assert {"title", "source", "licence", "citation", "history"} <= set(data.attrs)
    assert {"latitude", "longitude", "elevation", "pft"} <= set(data.coords)
    one = data.isel(site=0)
    assert set(np.unique(one["time"].dt.year)) == set(range(1998, 2006))
    np.testing.assert_allclose(one["step_length"].sum(), (one["time"][-1] - one["time"][0]) / np.timedelta64(1, "D") + 0.5, atol=0.5)
    rain = (one["precipitation"] * one["step_length"]).groupby("time.year").sum().sel(year=slice(1999, 2005))
    assert ((rain > 400) & (rain < 1100)).all()
    tower = load("fluxnet2015-daily", "US-NR1", "1999", "2005").isel(site=0)
    light = one.where(one["time"].dt.hour.isin(range(4, 12)), drop=True)
    light = light.assign_coords(time=light["time"].dt.floor("D")).sel(time=slice("1999", "2005"))
    both = xr.align(light["photosynthetically_active_radiation"] * light["step_length"], tower["shortwave_down"])
    assert float(xr.corr(*both)) > 0.95


@needs_data
def test_another_site_is_refused() -> None:
    with pytest.raises(KeyError, match=r"unknown site of data set 'sipnet-niwot' 'US-Ha1'.*US-NR1"):
        load("sipnet-niwot", "US-Ha1")
