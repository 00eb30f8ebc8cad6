import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from towers import TOWERS, made_up_towers

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.comparison import Blocks, Streams, observation_table
from lsm_bayes.comparison.observed import check_separable, memory_of, observation_hash
from lsm_bayes.comparison.pointwise import ObservationDensity, importance, log_mean, positions_of
from lsm_bayes.errors import CorrelatedWith, ErrorModel, Matern, Scale

ERROR = ErrorModel(structural=Scale(0.5), envelope=0.0, discrepancy=None)
INDEPENDENT = ErrorModel(structural=Scale(0.5), envelope=0.0, correlation=None, discrepancy=None)


def calibration(data: xr.Dataset, *streams: Stream) -> pm.Model:
    return build_model(TOWERS, data, streams or (Stream("nee", "week", ERROR), Stream("lai", error=INDEPENDENT)), sites=["XX-Two"])


def test_what_is_fitted_does_not_know_what_is_withheld():
    data = made_up_towers()
    first = calibration(data)
    table, memory = observation_table(first), memory_of(first)
    assert memory == {"nee": 0.0, "lai": None}
    unit = Blocks().units(table, memory)[1]
    year = (data["time"].dt.year == 2011) & (data["site"] == "XX-Two")
    second = calibration(data.assign({n: xr.where(year, data[n] + 0.5, data[n], keep_attrs=True) for n in ("nee", "lai")}))
    other = observation_table(second)
    np.testing.assert_array_equal(table["value"] != other["value"], unit.scored)
    assert observation_hash(table) != observation_hash(other)
    assert observation_hash(table) == observation_hash(table.sample(frac=1, random_state=1))
    position = np.zeros((1, 1, ObservationDensity(first, table).dimension))
    one, two = (ObservationDensity(m, table)(position)[0, 0] for m in (first, second))
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one[~unit.withheld], two[~unit.withheld], rtol=1e-12)
    assert (np.abs(one - two)[unit.scored] > 1e-6).mean() > 0.9
    behind = unit.withheld & ~unit.scored
    assert behind.sum() == 1 and abs(one - two)[behind] > 1e-6


def test_memory_follows_the_error_model():
    smooth = ErrorModel(structural=Scale(0.5), correlation=None, discrepancy=None) + Matern(20.0)
    assert memory_of(calibration(made_up_towers(), Stream("nee", "week", smooth))) == {"nee": 60.0}


def test_streams_with_correlated_errors_are_left_out_together():
    streams = (Stream("nee", "week", INDEPENDENT), Stream("gpp", "week", INDEPENDENT + CorrelatedWith("nee")))
    model = calibration(made_up_towers(), *streams)
    table = observation_table(model)
    check_separable(model, table, Blocks().units(table, {}))
    with pytest.raises(
        ValueError, match="nee cannot be left out alone: the errors of stream 'gpp' are correlated with those of stream 'nee'"
    ):
        check_separable(model, table, Streams().units(table, {}))


def test_importance_weights_turn_one_normal_into_another():
    x = np.random.default_rng(1).normal(size=(2, 5000))
    weights, k = importance(0.5 * x)
    assert np.sum(np.exp(weights) * x.ravel()) == pytest.approx(0.5, abs=0.05)
    assert np.logaddexp.reduce(weights) == pytest.approx(0, abs=1e-9)
    assert k < 0.5
    assert importance(2.5 * x)[1] > 0.7
    assert importance(np.zeros((2, 10)))[1] == -np.inf


def test_error_of_a_log_mean_is_that_of_repetitions():
    rng = np.random.default_rng(2)
    even = np.full(400, -np.log(400))
    found = np.array([log_mean(even, rng.normal(size=(1, 400))) for _ in range(300)])
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.2)


def test_errors_say_what_to_do(right, right_result, table):
    with pytest.raises(TypeError, match="build_model"):
        observation_table(right)
    with pytest.raises(
        ValueError, match=r"the table has {'y': 10} observations, the likelihood of the model {'y': 208}; give a row for each"
    ):
        ObservationDensity(right, table[:10])
    with pytest.raises(ValueError, match="the draws have 3 unconstrained coordinates, the model 4: not of this model"):
        ObservationDensity(right, table)(np.zeros((1, 1, 3)))
    with pytest.raises(ValueError, match=r"no group 'unconstrained' \(it has posterior\)"):
        positions_of(xr.DataTree.from_dict({"/posterior": xr.Dataset()}), 10)
    assert positions_of(right_result, 1000).shape == (2, 500, 4)
    assert isinstance(table, pd.DataFrame)
