"""Process models with a nested step on data: daily with a dimension of substeps."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from small_models import MEMORYLESS, TWO_RATES

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.datasets import to_daily, with_substeps
from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import forcing_arrays
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

DAYS, STEPS = 40, 6


def hourly(days: int = DAYS, sites: tuple[str, ...] = ("A", "B")) -> xr.Dataset:
    rng = np.random.default_rng(0)
    time = pd.date_range("2010-01-01", periods=24 * days, freq="h")
    shape = (len(sites), time.size)
    return xr.Dataset(
        {
            "shortwave_down": (("site", "time"), rng.uniform(1, 15, shape), {"units": "MJ m-2 d-1"}),
            "air_temperature": (("site", "time"), rng.normal(8, 6, shape), {"units": "degC"}),
            "nee": (("site", "time"), rng.normal(0, 1, shape), {"units": "gC m-2 d-1"}),
            "nee_uncertainty": (("site", "time"), np.full(shape, 0.5), {"units": "gC m-2 d-1"}),
        },
        coords={"time": time, "site": list(sites), "latitude": ("site", [50.0] * len(sites), {"units": "degrees_north"})},
    )


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return with_substeps(to_daily(hourly()), hourly(), STEPS, ["shortwave_down"])


def test_substeps_are_means_of_their_times(data: xr.Dataset) -> None:
    assert data["shortwave_down"].dims == ("site", "time", "substep") and data["shortwave_down"].attrs["units"] == "MJ m-2 d-1"
    wanted = hourly()["shortwave_down"].values.reshape(2, DAYS, STEPS, 4).mean(axis=-1)
    np.testing.assert_allclose(data["shortwave_down"].values, wanted, rtol=1e-12)
    np.testing.assert_allclose(data["air_temperature"].values, hourly()["air_temperature"].values.reshape(2, DAYS, 24).mean(axis=-1))


def test_a_gap_is_missing_in_its_substep_only() -> None:
    gappy = hourly()
    gappy["shortwave_down"][0, 5] = np.nan
    found = with_substeps(to_daily(hourly()), gappy, STEPS, ["shortwave_down"])["shortwave_down"].values
    assert np.isnan(found[0, 0, 1]) and np.isnan(found).sum() == 1
    with pytest.raises(ValueError, match="'shortwave_down' has 1 missing values, the first at A on 2010-01-01; fill gaps"):
        forcing_arrays(TWO_RATES, with_substeps(to_daily(hourly()), gappy, STEPS, ["shortwave_down"]))


def test_what_cannot_be_averaged_is_refused() -> None:
    daily = to_daily(hourly())
    with pytest.raises(ValueError, match="24 values a day cannot be averaged to 7 substeps; give a divisor of 24"):
        with_substeps(daily, hourly(), 7, ["shortwave_down"])
    with pytest.raises(KeyError, match="unknown variable 'shortwave'. Did you mean 'shortwave_down'"):
        with_substeps(daily, hourly(), STEPS, ["shortwave"])
    with pytest.raises(
        ValueError, match=r"runs 6 times within each step.*it has site: 2, time: 40. lsm_bayes.datasets.with_substeps makes it"
    ):
        simulate(TWO_RATES, daily)


@pytest.mark.parametrize("model", [TWO_RATES, MEMORYLESS], ids=["with memory", "without"])
def test_a_run_on_data_is_that_on_plain_series(model: ProcessModel, data: xr.Dataset) -> None:
    found = simulate(model, data, {"k": xr.DataArray([0.02, 0.05], dims="draw")})
    assert found["reco"].dims == ("draw", "site", "time") and found["evapotranspiration"].dims == ("draw", "site", "time", "substep")
    assert found["soil_carbon"].sizes["instant"] == DAYS + 1 and found.attrs["non_finite_runs"] == 0
    one = data.isel(site=1)
    series = {n: one[n].values.reshape(-1) for n in ("shortwave_down", "air_temperature")}
    symbolic = simulate(model, series, {"k": 0.05}, outputs=["reco", "evapotranspiration", "soil_carbon"])
    for name, wanted in symbolic.items():
        np.testing.assert_allclose(found[name].isel(draw=1, site=1).values.reshape(-1), wanted.eval(), rtol=1e-12)
    np.testing.assert_allclose(found["gpp"], found["net_radiation"].mean("substep"), rtol=1e-12)


def test_fobaar_runs_on_a_data_set() -> None:
    model = get("fobaar")
    assert set(model.nested_forcing) == {"solar_hour", "air_temperature", "soil_temperature", "ppfd_down", "vapour_pressure_deficit"}
    days = 400
    time = pd.date_range("2010-01-01", periods=24 * days, freq="h")
    hour, season = time.hour.values, -np.cos(2 * np.pi * time.day_of_year.values / 365)
    light = np.maximum(0, np.sin(np.pi * (hour + 0.5 - 6) / 12)) * (1000 + 600 * season)
    columns = {
        "air_temperature": (10 + 10 * season + 5 * np.sin(np.pi * (hour - 9) / 12), "degC"),
        "soil_temperature": (10 + 8 * season, "degC"),
        "ppfd_down": (light, "umol m-2 s-1"),
        "vapour_pressure_deficit": (6 + 4 * season, "hPa"),
        "precipitation": (np.full(time.size, 2.5), "mm d-1"),
        "co2": (np.full(time.size, 390.0), "umol mol-1"),
    }
    sub = xr.Dataset(
        {n: (("site", "time"), v[None], {"units": u}) for n, (v, u) in columns.items()},
        coords={"time": time, "site": ["A"], "latitude": ("site", [48.0], {"units": "degrees_north"})},
    )
    forced = with_substeps(to_daily(sub), sub, 24, [n for n in model.nested_forcing if n != "solar_hour"])
    # Nobody gave the solar hour: it is that of the middle of each substep.
    np.testing.assert_allclose(forcing_arrays(model, forced).varying["solar_hour"][0], np.tile(np.arange(24) + 0.5, (days, 1)))
    found = simulate(model, forced, outputs=["gpp", "lai", "subdaily_gpp"]).isel(site=0)
    np.testing.assert_allclose(found["subdaily_gpp"].mean("substep"), found["gpp"], atol=1e-12)
    assert float(found["lai"].max()) > 1 and float(found["gpp"][:365].sum()) > 300
    # The sun is highest at noon, so assimilation has its largest values around the middle of the day.
    assert 9 <= int(found["subdaily_gpp"].sum("time").values.argmax()) <= 15


def test_a_model_with_a_nested_step_is_calibrated() -> None:
    sub = hourly(400, ("A",))
    forced = with_substeps(to_daily(sub), sub, STEPS, ["shortwave_down"])
    forced["reco"] = forced["nee"].copy(data=np.abs(forced["nee"].values)).assign_attrs(units="gC m-2 d-1")
    forced["reco_uncertainty"] = (0 * forced["reco"] + 0.5).assign_attrs(units="gC m-2 d-1")
    model = build_model(TWO_RATES, forced, [Stream("reco")])
    assert isinstance(model, pm.Model)
    point = model.initial_point()
    function, gradient = model.compile_logp(), model.compile_dlogp()
    base = gradient(point)
    assert np.isfinite(base).all() and np.abs(base).max() > 0
    names = [v.name for v in model.value_vars]
    z = next(n for n in names if n == "z")
    start = sum(int(np.size(point[n])) for n in names[: names.index(z)])
    for i in range(np.size(point[z])):
        moved = []
        for h in (1e-5, -1e-5):
            changed = {n: np.array(v, dtype=float, copy=True) for n, v in point.items()}
            changed[z][i] += h
            moved.append(float(function(changed)))
        assert base[start + i] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-4, abs=1e-4)
