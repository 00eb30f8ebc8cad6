"""Parameters that differ from year to year."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from towers import TOWERS, made_up_towers, relative_gradient_error

from lsm_bayes.calibration import Stream, build_model, predict
from lsm_bayes.inference import Density
from lsm_bayes.process_noise import deviated, with_yearly_noise
from lsm_bayes.simulation import simulate

NOISY = with_yearly_noise(TOWERS, {"efficiency": 0.4, "q10": 0.3}, years=3)


def one_site() -> xr.Dataset:
    return made_up_towers(sites={"XX-Two": ("DBF", "2010", "2012")}).isel(site=0)


def test_without_deviations_it_is_the_same_model_and_a_deviation_acts_in_its_year_alone() -> None:
    data = one_site()
    plain = simulate(TOWERS, data, outputs=["gpp"])["gpp"].values
    np.testing.assert_allclose(simulate(NOISY, data, outputs=["gpp"])["gpp"], plain, rtol=1e-13)
    moved = simulate(NOISY, data, {"efficiency_year_2": 1.5}, outputs=["gpp"])["gpp"].values
    same = np.isclose(moved, plain, rtol=1e-12)
    year = data["time"].dt.year.values
    assert same[year == 2010].all() and not same[year == 2011].any()
    expected = 0.5 * 1.0
    first = int(np.flatnonzero(year == 2011)[0])
    declared = TOWERS.parameter_table["efficiency"][0]
    factor = float(deviated(np.float64(0.5), np.float64(0.4 * 1.5), declared).eval()) / expected
    assert moved[first] / plain[first] == pytest.approx(factor, rel=1e-9)
    assert factor > 1.0


@pytest.mark.parametrize("name", ["efficiency", "q10", "turnover"])
def test_deviations_stay_inside_the_bounds_and_act_on_the_logit(name: str) -> None:
    declared, default = TOWERS.parameter_table[name]
    low, high = declared.bounds
    logarithmic = declared.prior.distribution.startswith("log_")
    found = np.array([float(deviated(np.float64(default), np.float64(d), declared).eval()) for d in (-30.0, 0.0, 0.7, 30.0)])
    assert found[0] == pytest.approx(low, rel=1e-6) and found[1] == pytest.approx(default) and found[3] == pytest.approx(high, rel=1e-6)

    def logit(value: float) -> float:
        x, a, b = np.log([value, low, high]) if logarithmic else (value, low, high)
        return float(np.log((x - a) / (b - x)))

    assert logit(found[2]) - logit(default) == pytest.approx(0.7, rel=1e-9)


def test_years_beyond_the_last_are_nan() -> None:
    short = with_yearly_noise(TOWERS, {"efficiency": 0.4}, years=2)
    run = simulate(short, one_site(), outputs=["gpp"])["gpp"].values
    year = one_site()["time"].dt.year.values
    assert np.isnan(run[year == 2012][2:]).all() and np.isfinite(run[year < 2012]).all()


def test_a_calibration_has_gradients_and_predicts_withheld_years_with_the_prior() -> None:
    data = made_up_towers(sites={"XX-Two": ("DBF", "2010", "2012")})
    model = build_model(NOISY, data, [Stream("nee")], withheld_years=1)
    density = Density(model)
    assert relative_gradient_error(density, 5) < 1e-6
    values = density.expand(density.prior_positions(6, np.random.default_rng(0)))
    draws: dict[str, Any] = {n: (("chain", "draw", *(f"{n}_{i}" for i in range(v.ndim - 1))), v[None]) for n, v in values.items()}
    tree = predict(model, xr.DataTree.from_dict({"posterior": xr.Dataset(draws)}), draws=6)
    mean = tree["posterior_predictive"]["nee_mean"].isel(site=0).transpose("chain", "draw", ...).values[0]
    assert np.isfinite(mean).all()
    # Runs of single draws with the plain model and the parameters of that year agree in the withheld year only if the prior's draws act.
    assert np.ptp(mean[:, -100:], axis=0).max() > 0


@pytest.mark.parametrize(
    ("noise", "years", "text"),
    [({}, 3, "at least one"), ({"efficiency": 0.4}, 1, "two years"), ({"efficiency": -1.0}, 3, "positive"), ({"peak_day": 0.3}, 3, "date")],
)
def test_bad_choices_are_refused(noise: dict[str, float], years: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        with_yearly_noise(TOWERS, noise, years)


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(KeyError, match="eficiency"):
        with_yearly_noise(TOWERS, {"eficiency": 0.4}, 3)
