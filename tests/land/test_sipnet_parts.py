"""What SIPNET is made of: events, the moving window, the light response, death; and its run on labelled data."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr

from lsm_bayes import simulate
from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import get
from lsm_bayes.land.sipnet import LIVE, Widths, sipnet_model
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.processes import bucket, pnet, series, snow, thresholds

YEARS = 2
DECIDUOUS = {"leaf_flush": 80.0, "leaf_fall_fraction": 0.9, "foliage_carbon": 20.0, "leaf_onset_degree_days": 400.0, "leaf_fall_day": 284.5}
OUTPUTS = (
    *("nee", "leaf_flush", "leaf_litterfall", "wood_litterfall", "root_litterfall", "coarse_root_litterfall", "soil_respiration"),
    *("decomposition_factor", "recent_npp", "soil_carbon", "soil_water_storage", *LIVE),
)


@cache
def weather() -> xr.Dataset:
    days = np.arange(365 * YEARS) + 0.5
    model = get("sipnet")
    names = [n for n in model.given_forcing if n not in ("day_of_year", "step_length")]
    made = plausible_weather(names, days, 1.0, np.random.default_rng(0))
    units = {n: q.unit for n, q in model.forcing_quantities.items()}
    return xr.Dataset(
        {n: ("time", v, {"units": units[n]}) for n, v in made.items()},
        coords={"time": pd.date_range("2009-01-01", periods=days.size)},
    )


def run(model: ProcessModel, data: xr.Dataset, parameters: dict[str, float]) -> xr.Dataset:
    """Run with given step lengths and the same outputs every time, so that one kernel serves all tests."""
    if "step_length" not in data:
        data = data.assign(step_length=("time", np.ones(data.sizes["time"]), {"units": "d"}))
    return simulate(model, data, parameters, outputs=OUTPUTS)


def value(expression: Any) -> Any:
    return pytensor.function([], expression, mode="FAST_COMPILE")()


def test_the_window_is_that_of_a_list_of_entries() -> None:
    rng = np.random.default_rng(1)
    lengths, rates = rng.uniform(0.3, 0.6, 60), rng.normal(size=60)
    weights = np.array(series.window_weights(lengths, 5.0, 18))
    entries = [[0.0, 5.0]]  # value and weight, the oldest first
    for t in range(60):
        lagged = [rates[t - k] if t >= k else 0.0 for k in range(1, 19)]
        assert weights[:, t] @ lagged == pytest.approx(sum(v * w for v, w in entries) / 5.0, abs=1e-14)
        assert weights[:, t].sum() == pytest.approx(1.0, rel=1e-14)
        left = lengths[t]
        while left > 0:
            taken = min(left, entries[0][1])
            entries[0][1] -= taken
            left -= taken
            if entries[0][1] <= 0:
                entries.pop(0)
        entries.append([rates[t], lengths[t]])


def test_a_number_for_the_step_length_gives_the_weights_of_an_endless_series() -> None:
    np.testing.assert_allclose(series.window_weights(np.float64(2.0), 5.0, 4), [0.4, 0.4, 0.2, 0.0])


def test_a_window_that_is_not_filled_says_what_is_needed() -> None:
    with pytest.raises(
        ValueError, match="the last 12 steps do not fill a window of 5 days when steps are as short as 0.125 d; .* 41 steps"
    ):
        series.window_weights(np.full(100, 0.125), 5.0, 12)


def test_sums_and_the_step_before_begin_with_the_year() -> None:
    day = np.array([[363.0, 364.0, 365.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    amount = np.array([1.0, 2.0, 4.0, 8.0, 16.0]) * np.ones((2, 1))
    np.testing.assert_array_equal(series.sum_since_new_year(amount, day), [[1, 3, 7, 8, 24], [1, 3, 7, 15, 31]])
    np.testing.assert_array_equal(series.step_before(amount, day), [[1, 1, 2, 0, 8], [1, 1, 2, 4, 8]])


@pytest.mark.parametrize("function", [thresholds.positive_part, lambda x: thresholds.clipped(x, 0.0, 1.0), thresholds.exceeded])
def test_limits_let_nan_through(function: Any) -> None:
    assert np.isnan(value(function(pt.constant(np.nan))))


def test_a_smaller_number_and_a_threshold_let_nan_through() -> None:
    one, none = pt.constant(1.0), pt.constant(np.nan)
    for f in (thresholds.smaller, thresholds.larger, thresholds.reached):
        assert np.isnan(value(f(one, none))) and np.isnan(value(f(none, one)))
    assert value(thresholds.smaller(one, one)) == value(thresholds.larger(one, one)) == 1.0
    assert value(thresholds.reached(one, one)) == 1.0 and value(thresholds.exceeded(one, 1.0)) == 0.0


def test_light_response_is_the_integral_over_the_canopy() -> None:
    lai, light, k, half = 4.0, 30.0, 0.5, 17.0
    depth = (np.arange(4000) + 0.5) / 4000
    exact = np.mean(1 - 2 ** (-light * np.exp(-k * lai * depth) / half))
    assert value(pnet.light_factor(*map(pt.constant, (lai, light, k, half)))) == pytest.approx(exact, rel=1e-4)
    assert value(pnet.light_factor(*map(pt.constant, (0.0, half, k, half)))) == pytest.approx(0.5, rel=1e-14)
    assert value(pnet.light_factor(*map(pt.constant, (lai, 0.0, k, half)))) == 0.0


def test_photosynthesis_has_its_temperatures() -> None:
    temperature = pt.constant([-5.0, 2.0, 24.0, 46.0, 50.0])
    np.testing.assert_allclose(value(pnet.temperature_factor(temperature, 2.0, 24.0)), [0, 0, 1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(value(pnet.vpd_factor(pt.constant([1.0, 2.0, 10.0]), 0.05, 2.0)), [0.95, 0.8, 0.0], rtol=1e-14)


def test_snow_sublimes_before_it_melts_and_not_more_than_there_is() -> None:
    lying = pt.constant([0.0, 0.1, 10.0, 10.0])
    warm = pt.constant([5.0, 5.0, 5.0, -5.0])
    sublimed, melted, left = value(list(snow.snowpack(lying, 0.0, warm, pt.constant(0.3), 40.0, 1.5, 0.5)))
    potential = 1.3 * 1005 / 66 / 2835000 * 1e6 * 86.4 * 0.3 / 40 * 0.5
    np.testing.assert_allclose(sublimed, [0, 0.1, potential, potential], rtol=1e-12)
    np.testing.assert_allclose(melted, [0, 0, 3.75, 0], rtol=1e-12)
    np.testing.assert_allclose(left, [0, 0, 10 - potential - 3.75, 10 - potential], rtol=1e-12)


def test_dry_soil_keeps_its_water() -> None:
    wet, dry = (value(bucket.potential_evaporation(pt.constant(w), 1.0, 40.0, 8.2, 4.3)) for w in (1.0, 0.0))
    assert wet / dry == pytest.approx((40 + np.exp(8.2)) / (40 + np.exp(3.9)), rel=1e-12)
    wetness = pt.dscalar()
    factor = bucket.moisture_factor(wetness, 0.5)
    assert factor.eval({wetness: 0.25}) == pytest.approx(0.5) and factor.eval({wetness: 1.5}) == 1.0
    assert np.isfinite(pytensor.grad(factor, wetness).eval({wetness: 0.0}))


def test_leaves_flush_and_fall_once_a_year() -> None:
    found = run(get("sipnet"), weather(), DECIDUOUS)
    day = found["time"].dt.dayofyear.values
    flush, leaves = found["leaf_flush"].values, found["foliage_carbon"].values
    assert (flush > 0).sum() == YEARS and np.allclose(flush[flush > 0], 80.0)
    degree_days = np.maximum(0.0, weather()["air_temperature"].values).reshape(YEARS, 365).cumsum(axis=1)
    np.testing.assert_array_equal(day[flush > 0], [np.flatnonzero(d >= 400.0)[0] + 1 for d in degree_days])
    falls = np.flatnonzero(found["leaf_litterfall"].values > 1.0)
    assert list(day[falls]) == [285] * YEARS
    np.testing.assert_allclose(found["leaf_litterfall"].values[falls] / leaves[falls], 0.9 + 0.13 / 365, rtol=1e-9)


def test_narrow_events_are_the_steps_they_replace() -> None:
    sharp = run(get("sipnet"), weather(), DECIDUOUS)
    narrow = run(sipnet_model("narrow", "", widths=Widths(1e-4, 1e-4, 1e-6)), weather(), DECIDUOUS)
    assert sharp["leaf_flush"].max() > 50 and sharp["leaf_litterfall"].max() > 10
    xr.testing.assert_allclose(narrow, sharp, rtol=1e-9, atol=1e-9)


def test_error_of_smooth_events_falls_with_their_width() -> None:
    days = np.arange(200, 350) + 0.0
    off = []
    for width in (8.0, 4.0, 2.0):
        before, now = (value(thresholds.reached(pt.constant(d), 285.0, width)) for d in (days - 1, days))
        assert np.sum(now - before) == pytest.approx(1.0, abs=1e-3)
        off.append(np.abs(np.cumsum(now - before) - (days >= 285)).sum())
    # The area between a logistic function and the step is 2 ln 2 times the width.
    np.testing.assert_allclose(off, 2 * np.log(2) * np.array([8.0, 4.0, 2.0]), rtol=0.06)


def test_a_threshold_has_a_gradient_when_the_event_is_smooth() -> None:
    threshold = pt.dscalar()
    for width, expected in ((None, 0.0), (3.0, -0.25 / 3.0)):
        gradient = pytensor.grad(thresholds.reached(pt.constant(285.0), threshold, width), threshold, disconnected_inputs="ignore")
        assert gradient.eval({threshold: 285.0}) == pytest.approx(expected)


def test_plants_without_wood_die_and_their_carbon_stays() -> None:
    start = {"wood_carbon": 100.0, "foliage_carbon": 300.0, "wood_maintenance": 0.05, "max_assimilation": 0.1, "wood_turnover": 0.1}
    found = run(get("sipnet"), weather(), start)
    live = sum(found[n] for n in LIVE)
    first = int(np.flatnonzero(live.values == 0)[0])
    assert 0 < first < 365 * YEARS and not live.values[first:].any()
    stock = (live + found["soil_carbon"]).values
    np.testing.assert_allclose(np.diff(stock), -found["nee"].values, atol=1e-9)
    np.testing.assert_allclose(found["nee"].values[first:], found["soil_respiration"].values[first:], rtol=1e-12)


def test_soil_at_equilibrium_stays_there() -> None:
    model = get("sipnet")
    assert model.equilibrium is not None
    found = run(model, weather(), {})
    means = {n: float(found[n].mean()) for n in model.equilibrium.needs}
    values = model.parameters(**{n: d for n, (_, d) in model.parameter_table.items()})
    pool = float(model.equilibrium.pools(means, values)["soil_carbon"])
    soil = run(model, weather(), {"soil_carbon": pool})["soil_carbon"].values
    through = 365 * YEARS * (means["leaf_litterfall"] + means["wood_litterfall"])
    assert abs(soil[-1] - soil[0]) < 0.01 * through


def test_day_and_night_steps_are_read_from_data() -> None:
    daily = weather().isel(time=slice(0, 60))
    start = np.sort(np.concatenate([daily["time"].values, daily["time"].values + np.timedelta64(10, "h")]))
    twice = daily.isel(time=np.repeat(np.arange(60), 2)).assign_coords(time=start)
    twice["step_length"] = ("time", np.tile([10 / 24, 14 / 24], 60), {"units": "d"})
    found, once = run(get("sipnet"), twice, {}), run(get("sipnet"), daily, {})
    np.testing.assert_allclose(found["soil_water_storage"][::2], once["soil_water_storage"], rtol=0.02)
    np.testing.assert_allclose(found["recent_npp"][20::2], once["recent_npp"][10:], rtol=0.02, atol=0.01)
