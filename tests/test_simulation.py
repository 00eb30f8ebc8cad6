from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from small_models import TWO_POOLS

from lsm_bayes.forcing import forcing_arrays
from lsm_bayes.programs import program
from lsm_bayes.simulation import simulate, symbolic_run
from lsm_bayes.trajectory import Trajectory

DAYS = 100


def weather(sites: tuple[str, ...] = (), n: int = DAYS) -> xr.Dataset:
    rng = np.random.default_rng(0)
    dims = ("site", "time") if sites else ("time",)
    shape = (len(sites), n) if sites else (n,)
    coords: dict[str, Any] = {"time": pd.date_range("2010-01-01", periods=n)} | ({"site": list(sites)} if sites else {})
    return xr.Dataset(
        {
            "shortwave_down": (dims, rng.uniform(1, 15, shape), {"units": "MJ m-2 d-1"}),
            "air_temperature": (dims, rng.normal(8, 6, shape), {"units": "degC"}),
        },
        coords=coords,
    )


@pytest.fixture(scope="module")
def plain() -> xr.Dataset:
    return simulate(TWO_POOLS, weather())


def test_units_and_clock_come_with_the_result(plain: xr.Dataset) -> None:
    assert plain["nee"].dims == ("time",) and plain["nee"].sizes["time"] == DAYS
    assert plain["nee"].attrs["units"] == "gC m-2 d-1" and plain["nee"].attrs["sign"] == "positive to the atmosphere"
    assert plain["soil_carbon"].dims == ("instant",) and plain["soil_carbon"].sizes["instant"] == DAYS + 1
    assert plain["instant"].values[-1] == np.datetime64("2010-04-11")
    assert plain.attrs["process_model"] == "two_pools" and plain.attrs["non_finite_runs"] == 0
    np.testing.assert_allclose(plain["nee"], plain["reco"] - plain["gpp"], atol=1e-12)


def test_units_are_converted_and_aliases_found(plain: xr.Dataset) -> None:
    data = weather()
    data["air_temperature"] = (data["air_temperature"] + 273.15).assign_attrs(units="K")
    data["shortwave_down"] = (data["shortwave_down"] / 0.0864).assign_attrs(units="W m-2")
    other = simulate(TWO_POOLS, data.rename(air_temperature="TA_F", shortwave_down="SWdown"))
    xr.testing.assert_allclose(other, plain, rtol=1e-11)


def test_parameters_broadcast_over_sites_and_draws(plain: xr.Dataset) -> None:
    data = weather(("A", "B"))
    turnover = xr.DataArray(np.linspace(0.01, 0.05, 9), dims="draw", coords={"draw": np.arange(9)})
    q10 = xr.DataArray([1.5, 2.5], dims="site", coords={"site": ["A", "B"]})
    found = simulate(TWO_POOLS, data, {"turnover": turnover, "q10": q10}, outputs=["nee", "soil_carbon"])
    assert found["nee"].dims == ("draw", "site", "time") and set(found.data_vars) == {"nee", "soil_carbon"}
    single = simulate(
        TWO_POOLS, data.sel(site="B", drop=True), {"turnover": float(turnover[3]), "q10": 2.5}, outputs=["nee", "soil_carbon"]
    )
    chosen = found.sel(site="B", draw=3)
    np.testing.assert_allclose(chosen["nee"], single["nee"], rtol=1e-11)
    np.testing.assert_allclose(chosen["soil_carbon"], single["soil_carbon"], rtol=1e-12)


def test_a_step_that_leaves_its_domain_is_counted() -> None:
    found = simulate(TWO_POOLS, weather(), {"q10": xr.DataArray([1.5, np.nan, 2.0], dims="draw")})
    assert found.attrs["non_finite_runs"] == 1
    assert np.isfinite(found["nee"].isel(draw=[0, 2])).all() and np.isnan(found["nee"].isel(draw=1)).all()


def test_a_missing_column_lists_what_is_there() -> None:
    with pytest.raises(
        KeyError,
        match=r"needs the forcing 'air_temperature' \(air temperature, mean of the step, degC\); the data have shortwave_down, time. Add",
    ):
        simulate(TWO_POOLS, weather().drop_vars("air_temperature"))


def test_missing_values_say_where() -> None:
    data = weather(("A", "B"))
    data["air_temperature"][1, 10:12] = np.nan
    with pytest.raises(
        ValueError, match="forcing 'air_temperature' has 2 missing values, the first at B on 2010-01-11; fill gaps or shorten the period"
    ):
        simulate(TWO_POOLS, data)


def test_an_irregular_time_axis_says_where() -> None:
    data = weather()
    with pytest.raises(
        ValueError, match="the time axis is not regular: between 2010-01-20 00:00:00 and 2010-01-22 00:00:00 there are 2 days, elsewhere 1"
    ):
        simulate(TWO_POOLS, data.isel(time=np.delete(np.arange(DAYS), 20)))


def test_steps_of_given_length_may_be_irregular(plain: xr.Dataset) -> None:
    data = weather()
    data["step_length"] = ("time", np.ones(DAYS), {"units": "d"})
    xr.testing.assert_allclose(simulate(TWO_POOLS, data), plain, rtol=1e-12)
    short = data.isel(time=np.delete(np.arange(DAYS), 20))
    assert simulate(TWO_POOLS, short, outputs=["nee"]).sizes["time"] == DAYS - 1
    with pytest.raises(ValueError, match="the time axis does not increase; give every step once, in order"):
        simulate(TWO_POOLS, data.isel(time=[0, 2, 1]))
    data["step_length"][3] = 0.0
    with pytest.raises(ValueError, match="the step length must be positive, the smallest is 0 d"):
        simulate(TWO_POOLS, data)


def test_the_day_of_the_year_knows_the_hour() -> None:
    class Clock(NamedTuple):
        shortwave_down: float
        air_temperature: float
        step_length: float
        day_of_year: float

    data = weather().isel(time=slice(8)).assign_coords(time=pd.date_range("2010-01-02", periods=8, freq="6h"))
    arrays = forcing_arrays(replace(TWO_POOLS, forcing=Clock), data)
    np.testing.assert_allclose(arrays.varying["day_of_year"], 1.125 + 0.25 * np.arange(8))


def test_units_that_are_absent_or_wrong_are_named() -> None:
    data = weather()
    data["air_temperature"].attrs.clear()
    with pytest.raises(
        ValueError,
        match="forcing 'air_temperature' has no units; set data\\['air_temperature'\\].attrs\\['units'\\], 'degC' is what two_pools uses",
    ):
        simulate(TWO_POOLS, data)
    data["air_temperature"].attrs["units"] = "mm d-1"
    with pytest.raises(ValueError, match="cannot convert from 'mm d-1' to 'degC'"):
        simulate(TWO_POOLS, data)


def test_unknown_names_list_what_exists() -> None:
    with pytest.raises(KeyError, match="two_pools: unknown parameter or initial state 'turnovr'. Did you mean 'turnover'\\?"):
        simulate(TWO_POOLS, weather(), {"turnovr": 0.1})
    with pytest.raises(KeyError, match="two_pools: unknown flux or state 'npp'"):
        simulate(TWO_POOLS, weather(), outputs=["npp"])


def test_an_array_without_dimensions_is_refused() -> None:
    with pytest.raises(
        ValueError, match="parameter 'turnover' is an array without named dimensions; give an xarray.DataArray with dims such as"
    ):
        simulate(TWO_POOLS, weather(), {"turnover": np.array([0.01, 0.02])})


def test_no_time_no_run() -> None:
    with pytest.raises(ValueError, match="the forcing has no dimension 'time'; it has day"):
        simulate(TWO_POOLS, weather().rename(time="day"))


def test_a_pymc_model_has_a_finite_gradient(plain: xr.Dataset) -> None:
    with pm.Model() as model:
        turnover = pm.LogNormal("turnover", np.log(0.02), 0.3)
        pools = {"soil_carbon": pm.LogNormal("soil_carbon", np.log(3000.0), 0.1)}
        simulated = simulate(TWO_POOLS, weather(), {"turnover": turnover, **pools}, outputs=["nee"])["nee"]
        pm.Normal("observed", simulated, 0.5, observed=plain["nee"].values)
    point = model.initial_point()
    f = model.compile_fn([model.logp(), *pytensor.grad(model.logp(), model.value_vars)])
    value, *gradient = f(point)
    assert np.isfinite(value) and all(np.isfinite(g) and g != 0 for g in gradient)
    h = 1e-5
    up, down = (f({**point, "turnover_log__": point["turnover_log__"] + s * h})[0] for s in (1, -1))
    assert gradient[0] == pytest.approx((up - down) / (2 * h), rel=1e-6)


def test_symbols_for_several_members_give_one_row_each(plain: xr.Dataset) -> None:
    turnover = pt.tensor("turnover", shape=(2,), dtype="float64")
    found = simulate(TWO_POOLS, weather(), {"turnover": turnover}, outputs=["nee", "soil_carbon"])
    nee, soil = found["nee"].eval({turnover: [0.02, 0.03]}), found["soil_carbon"].eval({turnover: [0.02, 0.03]})
    assert nee.shape == (2, DAYS) and soil.shape == (2, DAYS + 1)
    np.testing.assert_allclose(nee[0], plain["nee"], rtol=1e-11)


def test_a_vector_of_unknown_length_is_refused() -> None:
    with pytest.raises(
        ValueError, match="the length of turnover is not known when the graph is built; use pt.specify_shape or a shaped PyMC variable"
    ):
        simulate(TWO_POOLS, weather(), {"turnover": pt.dvector("turnover")})


def test_a_long_history_is_thinned_unless_states_are_wanted() -> None:
    forcing = {n: weather(n=1000)[n].values for n in ("shortwave_down", "air_temperature")} | {"step_length": 1.0}

    def keep(outputs: list[str]) -> int:
        found = symbolic_run(TWO_POOLS, forcing, {"turnover": pt.dscalar("turnover")}, outputs, history_bytes=1000)
        (operation,) = {
            a.owner.op for a in pytensor.graph.traversal.ancestors([found[outputs[0]]]) if a.owner and isinstance(a.owner.op, Trajectory)
        }
        return operation.keep

    assert keep(["nee"]) == 64
    assert keep(["soil_carbon"]) == 1


def test_a_monthly_axis_has_the_mean_length_of_its_months() -> None:
    data = weather(n=24).assign_coords(time=pd.date_range("2010-01-01", periods=24, freq="MS"))
    from lsm_bayes.forcing import forcing_arrays

    assert dict(forcing_arrays(TWO_POOLS, data).folded)["step_length"] == pytest.approx(30.43, abs=0.1)
    assert (
        program(TWO_POOLS, ("nee",), (), forcing_arrays(TWO_POOLS, data).folded).key
        != program(TWO_POOLS, ("nee",), (), (("step_length", 1.0),)).key
    )
