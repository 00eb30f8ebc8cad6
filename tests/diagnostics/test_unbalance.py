"""Misfit against the number of observations: thinning, and a systematic error that is seen where there are few observations."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import chi2
from small_models import TWO_POOLS

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.diagnostics import thin, unbalance
from lsm_bayes.errors import ErrorModel
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
SD = 0.3
STEPS = 400


def twin(factor: float) -> xr.Dataset:
    """Make daily NEE, too small by a factor, and six observations of GPP."""
    rng = np.random.default_rng(3)
    time = pd.date_range("2010-01-01", periods=STEPS)
    weather = plausible_weather(["shortwave_down", "air_temperature"], np.arange(STEPS) + 0.5, 1.0, rng)
    forcing = xr.Dataset({n: ("time", v, QUANTITIES[n].attrs()) for n, v in weather.items()}, coords={"time": time})
    run = simulate(TWO_POOLS, forcing, outputs=["nee", "gpp"])
    nee, gpp = (run[n].values + SD * rng.standard_normal(STEPS) for n in ("nee", "gpp"))
    gpp[np.arange(STEPS) % 70 != 30] = np.nan
    return forcing.assign({n: ("time", v, QUANTITIES[n].attrs()) for n, v in (("nee", factor * nee), ("gpp", gpp))})


def build(data: xr.Dataset):
    fixed = {"q10": 1.8, "turnover": 0.02, "foliage_carbon": 200.0, "soil_carbon": 3000.0}
    return build_model(TWO_POOLS, data, [Stream(n, error=STATED, uncertainty=SD) for n in ("nee", "gpp")], fixed=fixed)


@pytest.mark.parametrize("number", [3, 7, 1000])
def test_thinning_keeps_values_spread_over_those_there(number: int) -> None:
    data = twin(1.0)
    kept = thin(data, ["gpp"], number)
    chosen = np.isfinite(kept["gpp"].values)
    there = np.isfinite(data["gpp"].values)
    assert chosen.sum() == min(number, there.sum()) and not (chosen & ~there).any()
    np.testing.assert_array_equal(kept["gpp"].values[chosen], data["gpp"].values[chosen])
    assert np.flatnonzero(chosen)[[0, -1]].tolist() == np.flatnonzero(there)[[0, -1]].tolist()
    xr.testing.assert_identical(kept.drop_vars("gpp"), data.drop_vars("gpp"))


def test_thinning_is_by_site() -> None:
    data = xr.concat([twin(1.0), twin(1.0).shift(time=30)], pd.Index(["a", "b"], name="site"))
    assert np.isfinite(thin(data, ["nee"], 10)["nee"]).sum("time").values.tolist() == [10, 10]


def test_few_numbers_and_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError, match="no 'le'; they have air_temperature"):
        thin(twin(1.0), ["le"], 10)
    with pytest.raises(ValueError, match="at least 3 observations, got 2"):
        thin(twin(1.0), ["gpp"], 2)
    with pytest.raises(ValueError, match=r"three ascending numbers of observations, got \[10, 5, 20\]"):
        unbalance(build, twin(1.0), ["nee"], numbers=[10, 5, 20])


def test_systematic_error_is_seen_in_the_sparse_stream() -> None:
    numbers = [4, 40, STEPS]
    wrong = unbalance(build, twin(0.5), ["nee"], numbers=numbers, starts=2)
    assert wrong["flagged"].sel(stream="gpp") and wrong["growth"].sel(stream="gpp") > 1.3
    right = unbalance(build, twin(1.0), ["nee"], numbers=numbers, starts=2)
    assert not right["flagged"].any()
    # All observations count, fitted or not.
    assert right["observations"].sel(stream="nee").values.tolist() == [STEPS] * 3
    last = right["standardised_rmse"].isel(number=-1)
    assert last.sel(stream="nee") == pytest.approx(1.0, abs=0.15)
    assert last.sel(stream="gpp") < np.sqrt(chi2.ppf(0.999, 6) / 6)  # six observations
