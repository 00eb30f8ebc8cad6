"""The hierarchical model of latent heat at towers, on made-up moments."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from lsm_bayes.models.latent_heat_by_pft.model import build, evaporation

from lsm_bayes.datasets import NotAvailableError, load

DRY = {
    "net_radiation": np.full(3, 500.0),
    "ground_heat": np.full(3, 50.0),
    "air_temperature": np.array([5.0, 25.0, 35.0]),
    "relative_humidity": np.full(3, 30.0),
    "soil_moisture": np.full(3, 0.2),
    "ndvi": np.full(3, 0.6),
    "elevation": np.full(3, 300.0),
}
PARAMETERS = {
    "canopy_coefficient": 1.0,
    "soil_coefficient": 1.0,
    "soil_humidity_scale": 1.0,
    "deficit_half": 3.0,
    "soil_moisture_half": 0.1,
    "optimum_temperature": 25.0,
}


@pytest.fixture(scope="module")
def moments() -> xr.Dataset:
    """Give four towers of two types, ten moments each, and one of open water."""
    rng = np.random.default_rng(4)
    sites = ["XX-Aaa", "XX-Bbb", "XX-Ccc", "XX-Ddd", "XX-Wat"]
    n = 10 * len(sites)
    values = {
        "net_radiation": rng.uniform(200, 700, n),
        "ground_heat": rng.uniform(0, 80, n),
        "air_temperature": rng.uniform(0, 35, n),
        "relative_humidity": rng.uniform(10, 90, n),
        "soil_moisture": rng.uniform(0.05, 0.4, n),
        "ndvi": rng.uniform(0.1, 0.9, n),
        "latent_heat": rng.uniform(20, 300, n),
        "sensible_heat": rng.uniform(20, 300, n),
    }
    return xr.Dataset(
        {name: ("moment", v) for name, v in values.items()},
        coords={
            "site": sites,
            "pft": ("site", ["ENF", "ENF", "GRA", "GRA", "WAT"]),
            "closure_ratio": ("site", [0.7, 0.8, 0.75, 0.65, 0.8]),
            "elevation": ("site", [10.0, 500.0, 1000.0, 2000.0, 100.0]),
            "site_of_moment": ("moment", np.repeat(sites, 10)),
        },
    )


def evaporated(**changed: object) -> np.ndarray:
    """Latent heat of the made-up moments, with changed drivers or parameters."""
    drivers = {name: pt.as_tensor(changed.get(name, value)) for name, value in DRY.items()}
    latent, _ = evaporation(drivers, **{name: changed.get(name, value) for name, value in PARAMETERS.items()})
    return np.asarray(latent.eval(mode="FAST_COMPILE"))


def test_saturated_air_evaporates_at_the_rate_of_priestley_and_taylor() -> None:
    latent, potential = evaporation({n: pt.as_tensor(v) for n, v in (DRY | {"relative_humidity": np.full(3, 100.0)}).items()}, **PARAMETERS)
    wet, equilibrium = latent.eval(mode="FAST_COMPILE"), potential.eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(wet, 1.26 * equilibrium, rtol=1e-12)
    assert (equilibrium < 450.0).all() and (np.diff(equilibrium) > 0).all()


def test_dry_air_and_dry_soil_lessen_it() -> None:
    usual = evaporated()
    assert (usual > 0).all()
    for change in ({"relative_humidity": np.full(3, 15.0)}, {"soil_moisture": np.full(3, 0.05)}, {"canopy_coefficient": 0.7}):
        assert (evaporated(**change) < usual).all(), change


def test_gradient_is_finite_and_withheld_sites_keep_their_parameters(moments: xr.Dataset) -> None:
    model = build(moments, withheld=["XX-Bbb"])
    assert list(model.coords["site"]) == ["XX-Aaa", "XX-Bbb", "XX-Ccc", "XX-Ddd"]
    assert list(model.coords["pft"]) == ["ENF", "GRA"]
    assert model["latent_heat"].eval().shape == (30,)
    assert {rv.name for rv in model.free_RVs} == {rv.name for rv in build(moments).free_RVs}
    point = model.initial_point()
    gradient = model.compile_dlogp(mode="FAST_COMPILE")(point)
    assert np.isfinite(gradient).all() and (gradient != 0).any()


def test_the_prior_puts_latent_heat_within_the_available_energy(moments: xr.Dataset) -> None:
    model = build(moments)
    with model:
        drawn = pm.draw(model["latent_heat"], draws=60, random_seed=2, mode="FAST_COMPILE")
    land = moments.isel(moment=moments["site_of_moment"].values != "XX-Wat")
    available = (land["net_radiation"] - land["ground_heat"]).values
    assert 0.1 < np.median(drawn / available) < 0.6
    assert np.mean(drawn > 1.2 * available) < 0.1


def test_wrong_data_are_refused(moments: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="the data have no ndvi; give those of"):
        build(moments.drop_vars("ndvi"))
    with pytest.raises(ValueError, match="unknown site to withhold 'XX-Aab'. Did you mean 'XX-Aaa'"):
        build(moments, withheld=["XX-Aab"])
    with pytest.raises(ValueError, match="no moment on land has all of"):
        build(moments.sel(site=["XX-Wat"]))


def test_the_tables_of_the_package() -> None:
    try:
        data = load("tower-moments", start="2020", end="2021")
    except NotAvailableError as error:
        pytest.skip(f"neither cached nor downloadable: {error}")
    assert data.sizes["site"] == 63 and set(data["time"].dt.year.values) == {2020, 2021}
    assert data["relative_humidity"].max() <= 100 < data["relative_humidity"].sum()
    closed = (data["latent_heat"] + data["sensible_heat"]).sum() / (data["net_radiation"] - data["ground_heat"]).sum()
    assert 0.6 < closed < 0.95
