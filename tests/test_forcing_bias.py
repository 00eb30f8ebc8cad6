"""Forcing with an inferred factor or offset: what the process model sees, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
import xarray as xr
from runs import run
from small_models import TWO_RATES, two_pools

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.declare import Constraint, DerivedForcing, Prior
from lsm_bayes.errors import ErrorModel
from lsm_bayes.forcing_bias import with_forcing_bias
from lsm_bayes.inference import Density, laplace_at
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

LAND = two_pools()
DOUBTFUL = with_forcing_bias(LAND, factors={"shortwave_down": 0.1}, offsets={"air_temperature": 0.5})
RNG = np.random.default_rng(4)
WEATHER = {"shortwave_down": RNG.uniform(1, 20, 400), "air_temperature": RNG.uniform(-5, 25, 400), "step_length": 1.0}


def test_model_sees_the_forcing_with_its_bias() -> None:
    true = run(LAND, WEATHER | {"shortwave_down": 1.2 * WEATHER["shortwave_down"], "air_temperature": WEATHER["air_temperature"] + 0.7})
    seen = run(DOUBTFUL, WEATHER, {"shortwave_down_factor": 1.2, "air_temperature_offset": 0.7})
    same, plain = run(DOUBTFUL, WEATHER), run(LAND, WEATHER)
    for name in ("nee", "soil_carbon"):
        np.testing.assert_allclose(seen[name], true[name], rtol=1e-10)
        np.testing.assert_allclose(same[name], plain[name], rtol=1e-10)
    assert np.abs(seen["nee"] - plain["nee"]).max() > 0.1


def test_parameters_are_declared_with_what_is_known_of_the_driver() -> None:
    factor, start = DOUBTFUL.parameter_table["shortwave_down_factor"]
    assert start == 1.0 and factor.prior == Prior("log_normal", 1.0, 0.1) and factor.level == "site"
    np.testing.assert_allclose(np.log(factor.bounds), [-0.4, 0.4])
    offset, start = DOUBTFUL.parameter_table["air_temperature_offset"]
    assert (start, offset.unit, offset.bounds, offset.prior) == (0.0, "degC", (-2.0, 2.0), Prior("normal", 0.0, 0.5))
    assert list(DOUBTFUL.parameter_table)[: len(LAND.parameter_table)] == list(LAND.parameter_table)
    assert DOUBTFUL.budgets == LAND.budgets


def _warmth(means: Any, p: Any) -> Any:
    return pt.log(means["air_temperature"] * p.q10)


def test_constraints_see_means_with_the_bias() -> None:
    constrained = replace(LAND, constraints=(Constraint("warm", "It is warm.", _warmth, graded={"set": _warmth}),))
    (found,) = with_forcing_bias(constrained, offsets={"air_temperature": 0.5}).constraints
    p = DOUBTFUL.parameters(*[0.0] * 3, 2.0, 1.0, 3.0)  # type: ignore[call-arg]
    for margin in (found.margin, found.graded["set"]):
        assert float(margin({"air_temperature": pt.constant(5.0)}, p).eval(mode="FAST_COMPILE")) == pytest.approx(np.log(16.0))


def test_calibration_finds_a_factor_that_the_data_know() -> None:
    weather = {n: ("time", v, QUANTITIES[n].attrs()) for n, v in WEATHER.items() if n != "step_length"}
    data = xr.Dataset(weather, coords={"time": pd.date_range("2001-01-01", periods=400)})
    data["gpp"] = simulate(DOUBTFUL, data, {"shortwave_down_factor": 1.15}, outputs=["gpp"])["gpp"]
    known = {n: v for n, (_, v) in DOUBTFUL.calibrated.items() if n != "shortwave_down_factor"}
    stated = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
    density = Density(build_model(DOUBTFUL, data, [Stream("gpp", error=stated, uncertainty=0.5)], fixed=known))
    found = laplace_at(density, np.zeros(1))
    factor = density.expand(np.stack([found.mode, found.mode + found.sd]))["shortwave_down_factor"]
    assert factor[0] == pytest.approx(1.15, abs=1e-3) and 0 < factor[1] - factor[0] < 0.01


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({}, ValueError, "no bias; give factors="),
        ({"factors": {"rain": 0.1}}, KeyError, "forcing 'rain'"),
        ({"offsets": {"air_temperature": 0.0}}, ValueError, "prior sd of the bias of 'air_temperature' is positive, got 0"),
        (
            {"factors": {"step_length": 0.1}},
            ValueError,
            "'step_length' is a clock or a constant of the kernel and has no bias; forcing that may",
        ),
    ],
)
def test_what_cannot_be_biased_is_refused(choices: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        with_forcing_bias(LAND, **choices)


def test_forcing_that_other_forcing_is_made_from_is_refused() -> None:
    made = DerivedForcing(("air_temperature",), ("shortwave_down",), dict)
    with pytest.raises(ValueError, match="air_temperature is made from 'shortwave_down' before the run and would not see its bias"):
        with_forcing_bias(replace(LAND, derived_forcing=(made,)), factors={"shortwave_down": 0.1})
    with pytest.raises(ValueError, match="two_rates has a nested step"):
        with_forcing_bias(TWO_RATES, offsets={"air_temperature": 0.1})
