"""Composites: the periods of MODIS, a plain groupby of observed days, gradients of a maximum and clear refusals."""

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes.observations.composites import composites

RNG = np.random.default_rng(11)
TIME = pd.date_range("2003-12-20", "2005-03-04")  # a leap year inside, both ends within a year


def test_composites_are_the_46_periods_of_modis() -> None:
    year = pd.date_range("2004-01-01", "2004-12-31")
    found = composites(year)
    assert len(found.time) == 46 and found.count[-1] == 6 and (found.count[:-1] == 8).all()
    assert list(found.time.strftime("%j")[:3]) == ["001", "009", "017"] and found.time[-1] == pd.Timestamp("2004-12-26")


@pytest.mark.parametrize("kind", ["mean", "max"])
def test_composites_equal_a_plain_groupby_of_observed_days(kind: str) -> None:
    observed = RNG.uniform(size=len(TIME)) < 0.4
    values = RNG.normal(size=len(TIME))
    label = TIME.year * 100 + (TIME.day_of_year - 1) // 8
    wanted = pd.Series(np.where(observed, values, np.nan)).groupby(label).agg(kind).dropna()
    made = composites(TIME, observed)
    found = made.mean(values) if kind == "mean" else made.maximum(values)
    np.testing.assert_allclose(found, wanted.to_numpy(), rtol=1e-12)
    assert len(made.time) == len(wanted) and made.time.is_monotonic_increasing


def test_a_largest_value_on_the_last_day_of_a_short_period_counts_once() -> None:
    made = composites(pd.date_range("2004-12-20", "2005-01-10"))
    x = pt.dvector("x")
    gradient = pytensor.function([x], pytensor.grad(made.maximum(x).sum(), x), mode=Mode("py", None))(np.arange(22.0))
    assert sorted(set(gradient)) == [0.0, 1.0] and gradient.sum() == len(made.time)


def test_days_that_were_not_observed_do_not_count() -> None:
    observed = RNG.uniform(size=len(TIME)) < 0.5
    values = np.where(observed, 1.0, np.nan)
    made = composites(TIME, observed)
    np.testing.assert_allclose(made.mean(values), 1.0)
    np.testing.assert_allclose(made.maximum(values), 1.0)


def test_composites_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got the shape \(5,\), bool"):
        composites(TIME, np.ones(5, dtype=bool))
    with pytest.raises(ValueError, match="got 0 days"):
        composites(TIME, days=0)
    with pytest.raises(ValueError, match="0 steps"):
        composites(TIME, np.zeros(len(TIME), dtype=bool))
