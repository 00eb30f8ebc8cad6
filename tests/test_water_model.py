"""The model of carbon and water at one tower."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from lsm_bayes.models.dalec_water_single_site.model import INITIAL, LAND, TYPICAL, UNSEEN, build, streams_of

from lsm_bayes.inference import Density
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

OBSERVED = ("nee", "evapotranspiration", "lai")


@pytest.fixture(scope="module")
def tower() -> xr.Dataset:
    """Give three years of weather, and what the model makes of it, with leaf area every tenth day."""
    time = pd.date_range("2010-01-01", "2012-12-31")
    drivers = ("air_temperature_min", "air_temperature_max", "shortwave_down", "co2", "vapour_pressure_deficit", "precipitation")
    weather = plausible_weather(drivers, np.arange(time.size) + 0.5, 1.0, np.random.default_rng(3))
    data = xr.Dataset(coords={"site": ["XX-Abc"], "time": time, "latitude": ("site", [50.0]), "pft": ("site", ["DBF"])})
    for name in drivers:
        data[name] = (("site", "time"), weather[name][None], QUANTITIES[name].attrs())
    run = simulate(LAND, data.isel(site=0), {}, outputs=list(OBSERVED))
    for name in OBSERVED:
        values = run[name].values.copy()
        if name == "lai":
            values[np.arange(time.size) % 10 != 0] = np.nan
        data[name] = (("site", "time"), values[None], QUANTITIES[name].attrs())
    data["nee_uncertainty"] = (data["nee"] * 0 + 0.3).assign_attrs(units="gC m-2 d-1")
    return data


def test_streams_take_what_is_stated_and_else_a_typical_uncertainty(tower: xr.Dataset) -> None:
    nee, water, leaves = streams_of(tower)
    assert [s.name for s in (nee, water, leaves)] == list(OBSERVED)
    assert nee.uncertainty is None
    for stream in (water, leaves):
        assert stream.uncertainty == pytest.approx(TYPICAL[stream.name] * float(tower[stream.name].std()))
    assert "seasonal bias" in water.error_model.describe() and "seasonal bias" not in nee.error_model.describe()
    assert [s.name for s in streams_of(tower.drop_vars("lai"))] == ["nee", "evapotranspiration"]
    with pytest.raises(ValueError, match="'evapotranspiration' is not observed"):
        streams_of(tower.drop_vars("evapotranspiration"))


def test_density_and_gradient_are_finite(tower: xr.Dataset) -> None:
    model = build(tower, withheld_years=1)
    assert model.card["streams"] and all(n in model.named_vars for n in INITIAL)
    density = Density(model)
    logp, gradient = density(density.prior_positions(1, np.random.default_rng(1))[0])
    assert np.isfinite(logp) and np.isfinite(gradient).all() and (gradient != 0).mean() > 0.9


def test_fixed_parameters_do_not_reach_the_streams(tower: xr.Dataset) -> None:
    one = tower.isel(site=0)
    reference = simulate(LAND, one, {}, outputs=list(OBSERVED))
    moved = simulate(LAND, one, {n: 0.5 * LAND.calibrated[n][1] for n in UNSEEN}, outputs=list(OBSERVED))
    for name in OBSERVED:
        np.testing.assert_allclose(moved[name], reference[name], rtol=1e-9)


def test_several_sites_are_refused(tower: xr.Dataset) -> None:
    two = xr.concat([tower, tower.assign_coords(site=["YY-Def"])], dim="site")
    with pytest.raises(ValueError, match="2 sites; choose one of XX-Abc, YY-Def"):
        build(two)
