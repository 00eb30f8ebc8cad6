"""Fluxes and growth of five forests, where the file is to be had."""

import os

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.datasets import forest_growth, load

pytestmark = pytest.mark.skipif(not os.environ.get("LSM_BAYES_DATA"), reason="LSM_BAYES_DATA is not set: no local data folder")
NAMES = ("nee", "gpp", "reco", "wood_increment")


@pytest.fixture(scope="module")
def forests() -> xr.Dataset:
    return load("forest-growth")


@pytest.fixture(scope="module")
def raw() -> xr.Dataset:
    return xr.load_dataset(forest_growth.SOURCE.fetch())


def test_units_and_uncertainties(forests: xr.Dataset) -> None:
    assert forests.sizes["site"] == 5 and {"latitude", "longitude", "elevation", "pft"} <= set(forests.coords)
    for name in NAMES:
        sd = forests[f"{name}_uncertainty"]
        assert forests[name].attrs["units"] == sd.attrs["units"] == "gC m-2 d-1"
        assert sd.attrs["source"] and not (sd <= 0).any()
        assert not (sd.notnull() & forests[name].isnull()).any()
    assert {"title", "source", "licence", "citation", "history"} <= set(forests.attrs)


def test_fluxes_balance_and_forests_take_up_carbon(forests: xr.Dataset) -> None:
    closure = forests["nee"] - forests["reco"] + forests["gpp"]
    assert abs(float(closure.mean())) < 0.01
    assert (forests["nee"].mean("time") * 365.25 < -50).all()


def test_the_mean_of_a_year_is_its_increment(forests: xr.Dataset, raw: xr.Dataset) -> None:
    year = forests["wood_increment"].groupby("time.year")
    days = forests["time"].groupby("time.year").count()
    sums = (year.mean() * days).reindex(year=raw["year"])
    np.testing.assert_allclose(sums.transpose("site", "year"), raw["WOOD_INC"], rtol=1e-6)
    daily = (forests["wood_increment_uncertainty"] ** 2).groupby("time.year").sum(min_count=1) ** 0.5
    np.testing.assert_allclose(daily.reindex(year=raw["year"]).transpose("site", "year"), raw["WOOD_INC_SD"], rtol=1e-6)
    assert 0.03 < float((forests["wood_increment"] / forests["gpp"].mean("time")).mean()) < 0.3


def test_missing_years_stay_missing(forests: xr.Dataset, raw: xr.Dataset) -> None:
    there = forests["wood_increment"].notnull().groupby("time.year").any().reindex(year=raw["year"], fill_value=False)
    np.testing.assert_array_equal(there.transpose("site", "year"), raw["WOOD_INC"].notnull())


def test_monthly_climate_is_that_of_the_towers() -> None:
    climate = forest_growth.monthly_climate(["US-MMS", "US-NR1"])
    assert climate["shortwave_down"].attrs["units"] == "MJ m-2 d-1"
    tower = load("fluxnet2015-daily", ["US-MMS"], "2001", "2003")
    for name, tolerance in {"air_temperature": 0.5, "shortwave_down": 1.0}.items():
        ours = climate[name].sel(site="US-MMS", time=slice("2001", "2003")).values
        theirs = tower[name].sel(site="US-MMS").resample(time="MS").mean().values
        assert np.abs(ours - theirs).mean() < tolerance, name
