"""Exchange of day and night: the daily mean, constant respiration, polar day and night, warmth, and gradients."""

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.processes.acm import day_length

DAYS = np.arange(5.0, 366.0, 12.0)
RNG = np.random.default_rng(4)
SERIES = {
    "reco": RNG.uniform(1.0, 8.0, DAYS.size),
    "gpp": RNG.uniform(0.0, 14.0, DAYS.size),
    "day_of_year": DAYS,
    "latitude": np.full(DAYS.size, 51.0),
    "air_temperature_min": RNG.uniform(-5.0, 10.0, DAYS.size),
    "air_temperature_max": RNG.uniform(10.0, 28.0, DAYS.size),
}
HOURS = np.asarray(day_length(pt.as_tensor(DAYS), pt.as_tensor(51.0)).eval(mode=Mode("py", None)))


def found(name: str, p: dict[str, float] | None = None, **changed: Any) -> np.ndarray:
    return observations.get(name).evaluate(SERIES | changed, p)


@pytest.mark.parametrize(
    ("suffix", "p"),
    [("", {"night_to_day": 0.7}), ("", {"night_to_day": 1.3}), ("_q10", {"diurnal_q10": 1.6}), ("_q10", {"diurnal_q10": 0.9})],
)
def test_day_and_night_weighted_by_their_hours_are_the_daily_mean(suffix: str, p: dict[str, float]) -> None:
    day, night = found(f"nee_daytime{suffix}", p), found(f"nee_nighttime{suffix}", p)
    np.testing.assert_allclose((HOURS * day + (24.0 - HOURS) * night) / 24.0, SERIES["reco"] - SERIES["gpp"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("suffix", "p"), [("", {"night_to_day": 1.0}), ("_q10", {"diurnal_q10": 1.0})])
def test_with_constant_respiration_the_night_is_its_mean(suffix: str, p: dict[str, float]) -> None:
    np.testing.assert_allclose(found(f"nee_nighttime{suffix}", p), SERIES["reco"], rtol=1e-13)
    np.testing.assert_allclose(found(f"nee_daytime{suffix}", p), SERIES["reco"] - SERIES["gpp"] * 24.0 / HOURS, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found("gpp_daytime"), SERIES["gpp"] * 24.0 / HOURS, rtol=1e-13)


def test_night_over_day_is_the_parameter_whatever_the_season() -> None:
    dark = np.zeros(DAYS.size)
    ratio = found("nee_nighttime", {"night_to_day": 0.8}) / found("nee_daytime", {"night_to_day": 0.8}, gpp=dark)
    np.testing.assert_allclose(ratio, 0.8, rtol=1e-13)


def test_a_warm_day_takes_respiration_from_the_night_by_the_temperatures_of_a_sine() -> None:
    # Means of a sine between the extremes, from a table of the hours of one day.
    hour = (np.arange(240000) + 0.5) / 10000.0
    sine = np.cos(2 * np.pi * (hour - 12.0) / 24.0)
    p, dark = {"diurnal_q10": 1.8}, np.zeros(DAYS.size)
    ratio = found("nee_nighttime_q10", p) / found("nee_daytime_q10", p, gpp=dark)
    for k in (0, 15, 22):
        light = np.abs(hour - 12.0) < 0.5 * HOURS[k]
        half = 0.5 * (SERIES["air_temperature_max"][k] - SERIES["air_temperature_min"][k])
        np.testing.assert_allclose(ratio[k], 1.8 ** (-0.1 * half * (sine[light].mean() - sine[~light].mean())), rtol=1e-4)


NORTH = {"latitude": np.full(2, 78.0), "day_of_year": np.array([172.0, 355.0])} | {
    n: np.array([3.0, 3.0]) for n in ("reco", "gpp", "air_temperature_min", "air_temperature_max")
}


@pytest.mark.parametrize("suffix", ["", "_q10"])
def test_polar_day_and_night_have_the_mean_of_the_step_or_none(suffix: str) -> None:
    day, night = (observations.get(f"nee_{part}{suffix}").evaluate(NORTH) for part in ("daytime", "nighttime"))
    np.testing.assert_array_equal(day, [0.0, np.nan])
    np.testing.assert_array_equal(night, [np.nan, 3.0])
    np.testing.assert_array_equal(observations.get("gpp_daytime").evaluate(NORTH), [3.0, np.nan])


@pytest.mark.parametrize("name", ["nee_daytime", "nee_daytime_q10", "nee_nighttime", "nee_nighttime_q10", "gpp_daytime"])
def test_days_without_the_mean_do_not_spoil_gradients_of_the_others(name: str) -> None:
    operator = observations.get(name)
    symbols = {n: pt.dvector(n) for n in operator.inputs}
    parameters = {n: pt.dscalar(n) for n in operator.parameter_table}
    wanted = [*(symbols[n] for n in ("reco", "gpp") if n in symbols), *parameters.values()]
    output = operator(symbols, parameters)
    here = 1 if "night" in name else 0
    slopes = pytensor.function(
        [*symbols.values(), *parameters.values()], pytensor.grad(output[here], wanted), mode=Mode("py", None), on_unused_input="ignore"
    )
    for slope in slopes(*(NORTH[n] for n in symbols), *operator.defaults.values()):
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", ["nee_nighttime", "nee_daytime", "gpp_daytime"])
@pytest.mark.parametrize("missing", ["latitude", "day_of_year"])
def test_a_missing_place_or_date_is_not_taken_for_polar_night(name: str, missing: str) -> None:
    spoilt = SERIES[missing].copy()
    spoilt[3] = np.nan
    assert np.flatnonzero(np.isnan(found(name, **{missing: spoilt}))).tolist() == [3]


def test_short_days_concentrate_photosynthesis() -> None:
    constant = found("gpp_daytime", gpp=np.full(DAYS.size, 2.0))
    assert constant[HOURS.argmin()] == constant.max() > 2.0 * constant.min()
