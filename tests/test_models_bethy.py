"""Choices that the models of BETHY and D&B at towers make about the data."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from lsm_bayes.models.bethy_tower import model as tower
from lsm_bayes.models.dalec_bethy_pft import model as together

from lsm_bayes.vocabulary import SUBSTEP

UNITS = {
    "air_temperature": ("degC", 8.0),
    "air_temperature_min": ("degC", 4.0),
    "air_temperature_max": ("degC", 13.0),
    "shortwave_down": ("MJ m-2 d-1", 10.0),
    "longwave_down": ("W m-2", 300.0),
    "vapour_pressure_deficit": ("hPa", 3.0),
    "air_pressure": ("kPa", 95.0),
    "wind_speed": ("m s-1", 2.0),
    "precipitation": ("mm d-1", 2.0),
    "co2": ("umol mol-1", 380.0),
    "nee": ("gC m-2 d-1", -1.0),
    "latent_heat": ("W m-2", 40.0),
    "sensible_heat": ("W m-2", 30.0),
}


@pytest.fixture
def towers() -> xr.Dataset:
    """Give drivers of XX-One in 2001-2004, of the others in 2002-2005."""
    time, sites = pd.date_range("2001-01-01", "2005-12-31"), ["XX-One", "XX-Two", "XX-Elm"]
    known = np.array([time.year <= 2004, time.year >= 2002, time.year >= 2002])
    noise = np.random.default_rng(0).normal(1.0, 0.02, known.shape)
    data = {n: (("site", "time"), np.where(known, v * noise, np.nan), {"units": u}) for n, (u, v) in UNITS.items()}
    sd = {f"{n}_uncertainty": (("site", "time"), np.where(known, 1.0, np.nan), {"units": UNITS[n][0]}) for n in tower.STREAMS}
    coords = {"site": sites, "time": time, "latitude": ("site", [60.0, 47.0, 45.0]), "pft": ("site", ["ENF", "ENF", "DBF"])}
    return xr.Dataset(data | sd, coords=coords)


def test_the_first_year_of_each_site_is_not_fitted(towers: xr.Dataset) -> None:
    made = tower.prepared(towers, ["XX-One", "XX-Two"])
    assert made["shortwave_down"].dims == ("site", "time", SUBSTEP) and made.sizes[SUBSTEP] == 24
    for site, driven, fitted in (("XX-One", range(2001, 2005), range(2002, 2005)), ("XX-Two", range(2002, 2006), range(2003, 2006))):
        one = made.sel(site=site)
        assert set(one["time"].dt.year.values[np.isfinite(one["air_temperature"].values[:, 0])]) == set(driven)
        for name in tower.STREAMS:
            assert set(one["time"].dt.year.values[np.isfinite(one[name].values)]) == set(fitted)


def test_one_model_is_of_one_type(towers: xr.Dataset) -> None:
    assert tower.bethy_type(towers, ["XX-One", "XX-Two"]) == 5 and tower.bethy_type(towers, ["XX-Elm"]) == 4
    with pytest.raises(ValueError, match="choose sites of one type"):
        tower.bethy_type(towers, ["XX-One", "XX-Elm"])
    wet = towers.assign_coords(pft=("site", ["WET", "ENF", "DBF"]))
    with pytest.raises(ValueError, match="no type of BETHY for 'WET'; there are ENF"):
        tower.bethy_type(wet, ["XX-One"])


def test_traits_are_common_and_soils_are_not(towers: xr.Dataset) -> None:
    for model in (
        tower.build(towers, sites=["XX-One", "XX-Two"], withheld_years=1),
        together.build(towers, ["XX-One", "XX-Two"], withheld_years=1),
    ):
        dims = model.named_vars_to_dims
        assert dims["vcmax25"] == ("pft",) and dims["water_capacity"] == dims["latent_heat_closure"] == ("site",)
        assert set(model.card["streams"]) == set(tower.STREAMS)
        for stream in model.card["streams"].values():
            assert stream["observations"] == 2 * 2 * 365 + 1  # 2004 is a leap year and fitted at one site only


def test_streams_can_be_chosen(towers: xr.Dataset) -> None:
    model = tower.build(towers, "XX-One", streams=("latent_heat",), withheld_years=1)
    assert set(model.card["streams"]) == {"latent_heat"} and "sensible_heat_closure" not in model.named_vars


def test_leaf_phenology_that_is_not_declared_is_refused(towers: xr.Dataset) -> None:
    grass = towers.assign_coords(pft=("site", ["GRA", "ENF", "DBF"]))
    with pytest.raises(KeyError, match="C3 grass is grass"):
        together.build(grass, ["XX-One"])
