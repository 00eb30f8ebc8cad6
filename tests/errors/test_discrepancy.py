"""Slow discrepancy: no mean season, a continuous line, and fresh years."""

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes.errors.discrepancy import KNOTS_PER_YEAR, Layout, fresh, place


@pytest.mark.parametrize("years", [(3,), (2, 4, 1), (3, 3)])
def test_knots_of_a_season_sum_to_zero_over_the_years_of_each_site(years: tuple[int, ...]) -> None:
    layout = Layout([(2000 + i, n) for i, n in enumerate(years)])
    standard = np.random.default_rng(1).normal(size=layout.size)
    centred = pytensor.function([], layout.centred(pt.as_tensor(standard)), mode=Mode("py", None))()
    assert centred.shape == (sum(years) * KNOTS_PER_YEAR,)
    for before, after in zip(*(np.split(v, layout.starts[1:]) for v in (standard, centred)), strict=True):
        table, raw = after.reshape(-1, KNOTS_PER_YEAR), before.reshape(-1, KNOTS_PER_YEAR)
        np.testing.assert_allclose(table.sum(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(table, raw - raw.mean(axis=0), atol=1e-12)


def test_interpolation_is_continuous_and_passes_through_the_knots() -> None:
    time = pd.date_range("2003-01-01", "2006-12-31")
    knots = np.random.default_rng(2).normal(size=4 * KNOTS_PER_YEAR)
    line = place(time, 2003, 4).interpolate(knots)
    # Between two knots, a twelfth of a year apart, a line moves by their difference.
    steepest = np.abs(np.diff(knots)).max() * KNOTS_PER_YEAR / 365
    assert np.abs(np.diff(line)).max() <= steepest * (1 + 1e-9)
    at_knot = [np.interp(k + 0.5, KNOTS_PER_YEAR * np.linspace(0.5 / 1461, 4 - 0.5 / 1461, 1461), line) for k in range(1, 47)]
    np.testing.assert_allclose(at_knot, knots[1:47], atol=steepest)
    assert line[0] == knots[0] and line[-1] == knots[-1]


def test_constant_knots_give_a_constant() -> None:
    time = pd.date_range("2003-03-07", "2004-12-31", freq="3D")
    np.testing.assert_allclose(place(time, 2003, 2).interpolate(np.full(24, 1.7)), 1.7, rtol=1e-14)


def test_each_site_reads_its_own_knots() -> None:
    layout = Layout([(2003, 2), (2001, 1), (2003, 3)])
    times = [pd.date_range(f"{first}-01-01", f"{first + n - 1}-12-31") for first, n in layout.spans]
    line = layout.place(times).interpolate(layout.site.astype(float))
    np.testing.assert_array_equal(line, np.repeat([0.0, 1.0, 2.0], [len(t) for t in times]))


def test_fresh_years_carry_the_error_of_the_mean_season() -> None:
    drawn = fresh(np.random.default_rng(3), 20000, 1, 4)
    assert drawn.shape == (20000, KNOTS_PER_YEAR)
    assert drawn.var() == pytest.approx(1.25, rel=0.02)
