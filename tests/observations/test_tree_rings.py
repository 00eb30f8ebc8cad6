"""Tree rings: means by year, carry-over and age, discrimination, and leaf water against worked numbers."""

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.observations.tree_rings import annual_mean, annual_sum

TIME = pd.date_range("2003-03-10", "2006-02-20")


@pytest.mark.parametrize("shape", [(len(TIME),), (2, len(TIME))])
def test_annual_values_equal_a_plain_groupby(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=shape), rng.uniform(size=shape)

    def grouped(x: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(np.atleast_2d(x).T).groupby(np.asarray(TIME.year))

    for found, wanted in (
        (annual_sum, grouped(values).sum()),
        (annual_mean, grouped(values).mean()),
        (lambda v, y: annual_mean(v, y, weight), grouped(values * weight).sum() / grouped(weight).sum()),
    ):
        expected = wanted.to_numpy().T.reshape(*shape[:-1], 4)
        np.testing.assert_allclose(found(values, TIME.year), expected, rtol=1e-12)
        symbolic = pytensor.function([], found(pt.as_tensor(values), TIME.year), mode=Mode("py", None))()
        np.testing.assert_allclose(symbolic, expected, rtol=1e-12)


def test_a_missing_day_spoils_its_own_year_only_and_gradients_pass() -> None:
    values = np.ones(len(TIME))
    values[400] = np.nan
    x = pt.dvector("x")
    total = annual_sum(x, TIME.year)
    both = pytensor.function([x], [total, pytensor.grad((total * np.arange(4.0)).sum(), x)], mode=Mode("py", None))
    found, slope = both(values)
    assert np.isnan(found).tolist() == [False, True, False, False]
    np.testing.assert_array_equal(slope, np.asarray(TIME.year) - 2003.0)


def test_growth_days_outweigh_winter() -> None:
    year = np.repeat([2001, 2002], 4)
    gain = np.array([0.0, 2.0, 2.0, 0.0, 0.0, 1.0, 3.0, 0.0])
    value = np.array([9.0, 1.0, 3.0, 9.0, 9.0, 4.0, 8.0, 9.0])
    np.testing.assert_allclose(annual_mean(value, year, gain), [2.0, 7.0], rtol=1e-14)


def test_width_of_constant_growth_is_the_age_trend() -> None:
    found = observations.get("ring_width").evaluate(
        {"allocation_to_wood": np.full(200, 0.8)}, {"width": 1.5, "carry_over": 0.6, "youth": 2.0, "trend_time": 20.0}
    )
    np.testing.assert_allclose(found, 1.2 * (1.0 + 2.0 * np.exp(-np.arange(200) / 20.0)), rtol=1e-12)
    assert found[0] == pytest.approx(3.6) and found[-1] == pytest.approx(1.2, rel=1e-3)


def test_one_good_year_is_carried_over_and_nothing_is_lost() -> None:
    pulse = np.full(60, 1.0)
    pulse[20] = 2.0
    p = {"width": 1.0, "carry_over": 0.4, "youth": 0.02, "trend_time": 3.0}
    good = observations.get("ring_width").evaluate({"allocation_to_wood": pulse}, p)[20:]
    extra = good - observations.get("ring_width").evaluate({"allocation_to_wood": np.ones(60)}, p)[20:]
    np.testing.assert_allclose(extra[:10], 0.6 * 0.4 ** np.arange(10), rtol=2e-3)
    assert extra.sum() == pytest.approx(1.0, rel=2e-3)


def test_discrimination_between_diffusion_and_carboxylation() -> None:
    operator = observations.get("ring_discrimination")
    p = {"diffusion": 4.4, "carboxylation": 27.0, "after_photosynthesis": 0.0}
    found = operator.evaluate({"ci_to_ca": np.array([0.0, 0.7, 1.0])}, p)
    np.testing.assert_allclose(found, [4.4, 20.22, 27.0], rtol=1e-12)
    lower = operator.evaluate({"ci_to_ca": np.array([0.7])}, {**p, "after_photosynthesis": 2.0})
    assert lower[0] == pytest.approx(18.22)


OXYGEN = {"source_water_oxygen_18": np.array([0.0]), "relative_humidity": np.array([50.0]), "air_temperature": np.array([25.0])}


def oxygen(p: dict[str, float] | None = None, **changed: float) -> float:
    series = {n: np.array([changed.get(n, v[0])]) for n, v in OXYGEN.items()}
    return float(observations.get("ring_oxygen_18").evaluate(series, p)[0])


def test_oxygen_of_cellulose_worked_by_hand() -> None:
    # At 25 degC e+ is 9.4 permille and saturation 31.7 hPa; half saturated air takes up 0.15 x 15.8 / 1013 = 2.35 mmol m-2 s-1, and
    # with 20 mm the Péclet number is 0.318: 85.8 % of (9.4 + 28 x 1.0094) / 2, of which 60 % reaches cellulose, above 27.
    assert oxygen({"kinetic": 28.0, "conductance": 0.15, "path_length": 0.02, "exchange": 0.4, "biological": 27.0}) == pytest.approx(
        27.0 + 0.6 * 0.858 * 18.83, abs=0.05
    )


def test_leaf_water_is_that_of_the_ratios_of_evaporation() -> None:
    # Ratios, without the shorthand in permille: R_e = a+ (a_k R_source (1 - h) + R_vapour h) with R_vapour = R_source / a+.
    plus, kinetic = np.exp(1137.0 / 293.15**2 - 0.4156 / 293.15 - 0.0020667), 1.028
    for h in (0.3, 0.6, 0.9):
        leaf = 1000.0 * (plus * (kinetic * (1.0 - h) + h / plus) - 1.0)
        p = {"kinetic": 28.0, "conductance": 0.01, "path_length": 1e-9, "exchange": 0.0, "biological": 27.0}
        assert oxygen(p, relative_humidity=100.0 * h, air_temperature=20.0) - 27.0 == pytest.approx(leaf, rel=1e-6)


def test_in_saturated_air_cellulose_is_source_water_and_its_fractionation() -> None:
    assert oxygen(relative_humidity=100.0) == pytest.approx(27.0, rel=1e-12)
    wet = oxygen(relative_humidity=100.0, source_water_oxygen_18=-10.0)
    assert (1.0 + wet / 1000.0) == pytest.approx((1.0 - 0.010) * 1.027, rel=1e-12)
    # The Péclet term has no hole at saturation.
    assert oxygen(relative_humidity=99.9999) == pytest.approx(27.0, abs=1e-3)


def test_dry_air_enriches_and_a_long_path_dilutes() -> None:
    values = [oxygen(relative_humidity=h) for h in (90.0, 70.0, 50.0, 30.0)]
    assert (np.diff(values) > 0).all()
    paths = [oxygen({"path_length": length}) for length in (0.001, 0.01, 0.1)]
    assert (np.diff(paths) < 0).all()
    # Without a path it is the Craig-Gordon model, linear in humidity.
    short = {"path_length": 0.001, "conductance": 0.01}
    assert oxygen(short, relative_humidity=40.0) - 27.0 == pytest.approx(2.0 * (oxygen(short, relative_humidity=70.0) - 27.0), rel=1e-3)


def test_more_exchange_erases_the_leaf() -> None:
    assert oxygen({"exchange": 0.8}) - 27.0 == pytest.approx(0.25 * (oxygen({"exchange": 0.2}) - 27.0), rel=1e-9)
