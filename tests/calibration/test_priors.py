"""Draws through the map of a prior follow the declared distribution, truncated to the bounds."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from lsm_bayes.calibration.priors import date_prior, describe, value
from lsm_bayes.declare import Parameter, Prior

BOUNDS = (0.5, 20.0)
DRAWS = np.random.default_rng(1).standard_normal(4000)
DATE = Parameter("d", (365.25, 1461.0), "day of something", Prior("uniform"), period=365.25)


def mapped(declared: Parameter, prior: Prior | None = None, z: np.ndarray = DRAWS) -> np.ndarray:
    return pytensor.function([], value(pt.as_tensor(z), declared, prior), mode=Mode("py", None))()


def truncated(exact, low: float, high: float):
    """Return the distribution function inside bounds."""
    return lambda x: (exact.cdf(x) - exact.cdf(low)) / (exact.cdf(high) - exact.cdf(low))


CASES = {
    "uniform": (Prior("uniform"), stats.uniform(0.5, 19.5)),
    "log_uniform": (Prior("log_uniform"), stats.loguniform(0.5, 20.0)),
    "log_uniform with origin": (Prior("log_uniform", origin=0.4), stats.loguniform(0.1, 19.6, loc=0.4)),
    "normal": (Prior("normal", 15.0, 6.0), stats.norm(15.0, 6.0)),
    "normal far outside": (Prior("normal", -10.0, 5.0), stats.norm(-10.0, 5.0)),
    "log_normal": (Prior("log_normal", 3.0, 0.9), stats.lognorm(0.9, scale=3.0)),
    "log_normal with origin": (Prior("log_normal", 3.0, 0.9, origin=0.4), stats.lognorm(0.9, scale=2.6, loc=0.4)),
}


@pytest.mark.parametrize("case", CASES)
def test_draws_follow_the_declared_distribution(case: str) -> None:
    prior, exact = CASES[case]
    x = mapped(Parameter("1", BOUNDS, "anything", prior))
    assert (x > BOUNDS[0]).all() and (x < BOUNDS[1]).all()
    assert stats.kstest(x, truncated(exact, *BOUNDS)).pvalue > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_bounds_hold_far_out_and_the_map_increases(case: str) -> None:
    prior, _ = CASES[case]
    x = mapped(Parameter("1", BOUNDS, "anything"), prior, np.array([-40.0, -8.0, -2.0, 0.0, 2.0, 5.0, 8.0, 40.0]))
    assert np.isfinite(x).all()
    assert (x >= BOUNDS[0] * (1 - 1e-12)).all() and (x <= BOUNDS[1] * (1 + 1e-12)).all()
    assert (np.diff(x) >= 0).all() and (np.diff(x)[1:5] > 0).all()


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_map_is_smooth_many_spreads_from_the_centre(side: float) -> None:
    # Leaves that hardly feel drought lie 7.6 prior sd from the published time for which water lasts.
    declared, prior = Parameter("d", (5.0, 6480.0), "anything"), Prior("log_normal", 180.0, 1.0 / 3.0)
    z = side * 7.6 + np.linspace(-1e-3, 1e-3, 201)
    np.testing.assert_allclose(np.log(mapped(declared, prior, z) / 180.0) * 3.0, z, rtol=1e-6)
    slope = np.diff(mapped(declared, prior, z))
    np.testing.assert_allclose(slope, slope.mean(), rtol=1e-3)


def test_date_stays_within_four_spreads_and_one_period_of_its_centre() -> None:
    prior = date_prior(120.0, 15.0, DATE)
    x = mapped(DATE, prior)
    assert prior.centre == 120.0 + 2 * 365.25
    ends = np.array([-1e3, 1e3])
    np.testing.assert_allclose(mapped(DATE, prior, ends) - prior.centre, [-60.0, 60.0])
    np.testing.assert_allclose(mapped(DATE, date_prior(120.0, 90.0, DATE), ends) - prior.centre, [-182.625, 182.625])
    # A spread far below half a period is that of the normal.
    assert stats.kstest(x, stats.norm(prior.centre, 15.0).cdf).pvalue > 1e-3


@pytest.mark.parametrize("day", [1.0, 100.0, 365.0])
def test_one_period_around_a_date_is_inside_the_bounds(day: float) -> None:
    prior = date_prior(day, 15.0, DATE)
    assert DATE.bounds[0] <= prior.centre - 182.625 and prior.centre + 182.625 <= DATE.bounds[1]
    assert (prior.centre - day) % 365.25 == pytest.approx(0.0, abs=1e-9)


def test_uniform_date_covers_one_period() -> None:
    x = mapped(DATE)
    assert stats.kstest(x, stats.uniform(365.25, 365.25).cdf).pvalue > 1e-3


def test_date_prior_of_what_is_no_date() -> None:
    with pytest.raises(ValueError, match="'anything' declares no period; a date prior needs one"):
        date_prior(120.0, 15.0, Parameter("1", BOUNDS, "anything"))


@pytest.mark.parametrize(
    ("prior", "text"),
    [
        (Prior("log_uniform"), "log-uniform on [0.5, 20]"),
        (Prior("log_uniform", origin=0.4), "log-uniform of (value - 0.4) on [0.5, 20]"),
        (Prior("normal", 3.0, 1.5), "normal(3, 1.5) truncated to [0.5, 20]"),
    ],
)
def test_prior_is_described(prior: Prior, text: str) -> None:
    assert describe(Parameter("1", BOUNDS, "anything"), prior) == text


def test_date_prior_is_described() -> None:
    assert describe(DATE, DATE.prior) == "uniform over one period"
    assert describe(DATE, Prior("normal", 485.0, 15.0)) == "normal(485, 15) folded into 60 days on either side"
