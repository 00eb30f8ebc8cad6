"""TECO at a forest with plots: what enters wood, and the stocks of maps."""

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
import xarray as xr
from lsm_bayes.models.teco_matrix import model as teco_matrix

LAND = teco_matrix.LAND


def forest(days: int) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Fluxes with growth, temperature and maps of two sites."""
    rng = np.random.default_rng(2)
    time = pd.date_range("2001-01-01", periods=days)
    season = 1.0 - np.cos(2 * np.pi * time.day_of_year.to_numpy() / 365.25)
    units = {"units": "gC m-2 d-1"}

    def of_sites(values: np.ndarray, attrs: dict[str, str]) -> tuple[tuple[str, str], np.ndarray, dict[str, str]]:
        return ("site", "time"), np.broadcast_to(values, (2, days)).copy(), attrs

    columns = {"gpp": 3.0 * season, "reco": 2.5 * season + 0.2 * rng.standard_normal(days), "wood_increment": np.full(days, 0.4)}
    fluxes = {n: of_sites(v, units) for n, v in columns.items()}
    fluxes |= {f"{n}_uncertainty": of_sites(np.full(days, 0.1), units) for n in ("reco", "wood_increment")}
    coords = {"site": ["XX-One", "XX-Two"], "time": time, "pft": ("site", ["DBF", "DBF"])}
    measured = columns["reco"].copy()
    measured[10:20] = np.nan
    weather = {"air_temperature": of_sites(10.0 * season, {"units": "degC"}), "reco": of_sites(measured, units)}
    maps = {"ABGB": (("site", "time"), np.array([[np.nan, 8000.0], [5000.0, np.nan]])), "SOM_PRIOR": ("site", [12000.0, np.nan])}
    return xr.Dataset(fluxes, coords), xr.Dataset(weather, coords), xr.Dataset(maps, {"site": ["XX-One", "XX-Two"]})


def test_what_enters_wood_is_the_share_of_allocation() -> None:
    values = {n: default for n, (_, default) in LAND.parameter_table.items()}
    pools = LAND.state(*(default for _, default in LAND.state_parameters.values()))
    forcing = LAND.forcing(gpp=6.0, air_temperature_ten_day_mean=12.0, soil_water=15.0, step_length=0.5)
    symbols = (type(t)(*map(pt.constant, map(float, t))) for t in (pools, forcing, LAND.parameters(**values)))
    _, fluxes = LAND.step(*symbols)
    npp = 6.0 * (1.0 - values["f_auto"])
    share = (1.0 - values["f_foliage"]) * (1.0 - values["f_roots"])
    assert float(fluxes.allocation_to_wood.eval()) == pytest.approx(share * npp, rel=1e-9)
    assert float(fluxes.npp.eval()) == pytest.approx(npp, rel=1e-12)
    assert set(teco_matrix.TECO.flux_quantities) < set(LAND.flux_quantities)


def test_stocks_and_days_that_count() -> None:
    fluxes, weather, maps = forest(60)
    found = teco_matrix.with_stocks(fluxes.isel(site=[0]), weather.isel(site=[0]), maps)
    assert found["biomass_map"].item() == 8000.0 and found["soil_carbon_map"].item() == 12000.0
    assert found["reco"].isnull().values[0].nonzero()[0].tolist() == list(range(10, 20))
    assert found["gpp"].notnull().all() and (found["soil_water"] > 20.0).all()
    with pytest.raises(ValueError, match="'SOM_PRIOR' is missing at XX-Two; leave these sites out"):
        teco_matrix.with_stocks(fluxes, weather, maps)


def test_maps_are_observations_of_the_model() -> None:
    data = teco_matrix.with_stocks(*(d.isel(site=[0]) for d in forest(3 * 365)))
    built = teco_matrix.build(data, "XX-One")
    observed = {v.name: built.rvs_to_values[v].data.item() for v in built.observed_RVs if v.name in teco_matrix.STOCKS}
    assert observed == {"biomass_map": pytest.approx(np.log(8000.0)), "soil_carbon_map": pytest.approx(np.log(12000.0))}
    assert {*LAND.parameter_table, *LAND.state_parameters} <= set(built.named_vars)
