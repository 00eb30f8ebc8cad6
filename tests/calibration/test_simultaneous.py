"""Which observations are of the same time, and which pairs of streams are refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lsm_bayes.calibration import Stream
from lsm_bayes.calibration.simultaneous import check_correlated, correlated_streams, moments
from lsm_bayes.errors import CorrelatedWith, ErrorModel, Laplace, Matern
from lsm_bayes.observations.aggregation import aggregation

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
WITH_NEE = STATED + CorrelatedWith("nee")


@pytest.mark.parametrize("period", ["day", "week", "month", "year"])
def test_means_of_a_period_belong_together_whatever_was_observed(period: str) -> None:
    rng = np.random.default_rng(1)
    time = pd.date_range("2003-04-10", "2006-07-20")
    whole = pd.date_range("2003-01-01", "2006-12-31")
    all_days = aggregation(whole, np.ones(whole.size, dtype=bool), period)
    number = np.searchsorted(all_days.last, np.arange(whole.size), side="right") if period != "day" else np.arange(whole.size)
    found = []
    for start in (0, 200):
        observed = (rng.uniform(size=time.size) < 0.9) & (np.arange(time.size) >= start)
        a = aggregation(time, observed, period)
        steps = a.steps[a.last - 1] if a.last.size else a.steps
        moment = moments(a.time, period)
        assert np.unique(moment).size == moment.size == a.time.size
        found.append(dict(zip(number[whole.get_indexer(time[steps])], moment, strict=True)))
    shared = found[0].keys() & found[1].keys()
    assert len(shared) > 0
    assert all(found[0][k] == found[1][k] for k in shared)
    assert not {found[0][k] for k in found[0].keys() - shared} & {found[1][k] for k in found[1].keys() - shared}


@pytest.mark.parametrize(
    ("streams", "kind", "message"),
    [
        ([Stream("gpp", error=WITH_NEE)], KeyError, "correlated with those of 'nee': unknown stream 'nee'"),
        (
            [Stream("gpp", error=WITH_NEE), Stream("nee")],
            ValueError,
            "does not stand before it; the order is gpp, nee: give Corr",
        ),
        ([Stream("nee", error=WITH_NEE)], ValueError, "does not stand before it"),
        ([Stream("nee", "week", STATED), Stream("gpp", "month", WITH_NEE)], ValueError, "means over a month and a week"),
        ([Stream("nee", error=STATED + Laplace()), Stream("gpp", error=WITH_NEE)], ValueError, "no normal innovations but Laplace"),
        ([Stream("nee", error=STATED + Matern(9.0)), Stream("gpp", error=WITH_NEE)], ValueError, "Matérn process.*; leave one of the two"),
        ([Stream("nee", error=ErrorModel(heavy_tailed=True)), Stream("gpp", error=WITH_NEE)], ValueError, "but Student-t innovations"),
    ],
)
def test_streams_that_cannot_be_correlated_are_refused(streams: list[Stream], kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        check_correlated(streams)


def test_both_of_a_pair_are_drawn_together() -> None:
    streams = [Stream("nee", error=STATED), Stream("lai", error=STATED), Stream("gpp", error=WITH_NEE)]
    check_correlated(streams)
    assert correlated_streams(streams) == {"nee", "gpp"}
