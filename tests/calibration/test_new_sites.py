"""Prediction at sites that were not calibrated."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats
from towers import INITIAL, TOWERS, made_up_towers, prior_draws

from lsm_bayes.calibration import Stream, build_model, none, partial, predict_new_sites
from lsm_bayes.calibration.new_sites import _candidate, _new_calibration
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.calibration.priors import value
from lsm_bayes.calibration.records import records_of
from lsm_bayes.calibration.table import grouped
from lsm_bayes.land import get
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.vocabulary import QUANTITIES

FITTED = {"XX-One": ("ENF", "2010", "2010"), "XX-Two": ("DBF", "2010", "2010"), "XX-Six": ("ENF", "2010", "2010")}
NEW = {"YY-One": ("ENF", "2011", "2011"), "YY-Two": ("DBF", "2011", "2011")}


def with_position(data: xr.Dataset) -> xr.Dataset:
    count = data.sizes["site"]
    return data.assign_coords(latitude=("site", 50.0 + np.arange(count)), longitude=("site", np.zeros(count)))


@pytest.fixture(scope="module")
def fitted() -> pm.Model:
    pooling = {
        "efficiency": partial("site", "pft", 0.3),
        "respiration": partial("site", near=("latitude", "longitude"), spread=0.5),
        "turnover": partial("site", on=("latitude",)),
        "q10": none("pft"),
        "leaf_mass_area": partial("pft"),
    }
    data = with_position(made_up_towers(sites=FITTED))
    # Soil carbon free: that near equilibrium has a term in the prior, by which candidates would be chosen.
    initial = {"foliage_carbon": INITIAL["foliage_carbon"]}
    return build_model(TOWERS, data, [Stream("nee", "week"), Stream("lai")], initial=initial, pooling=pooling)


@pytest.fixture(scope="module")
def posterior(fitted: pm.Model) -> xr.DataTree:
    """Draws of the prior in place of a posterior: 300 of them, with what a hierarchy makes of them known."""
    return prior_draws(fitted, 300)


@pytest.fixture(scope="module")
def found(fitted: pm.Model, posterior: xr.DataTree) -> xr.DataTree:
    data = with_position(made_up_towers(seed=2, sites=NEW))
    data["lai"] = data["lai"].where(data["site"] != "YY-Two")
    return predict_new_sites(fitted, posterior, data, draws=300, seed=3)


def z_of(values: np.ndarray, name: str) -> np.ndarray:
    grid = np.linspace(-6, 6, 20001)
    return np.interp(values, value(pt.as_tensor(grid), TOWERS.parameter_table[name][0]).eval(), grid)


def test_values_by_type_and_complete_ones_are_those_of_the_draw(found: xr.DataTree, posterior: xr.DataTree) -> None:
    new, old = found["posterior"].to_dataset(), posterior["posterior"].to_dataset()
    for site, pft in (("YY-One", "ENF"), ("YY-Two", "DBF")):
        for name in ("q10", "leaf_mass_area"):
            np.testing.assert_allclose(new[name].sel(site=site), old[name].sel(pft=pft), rtol=1e-10)


def test_a_new_site_scatters_about_the_mean_of_its_type_with_the_spread_of_the_draw(found: xr.DataTree, posterior: xr.DataTree) -> None:
    new, old = found["posterior"].to_dataset(), posterior["posterior"].to_dataset()
    stem = "z_partial_over_site_within_pft_0_3"
    z = z_of(new["efficiency"].sel(site="YY-Two").values[0], "efficiency")
    away = (z - old[f"{stem}_mean"].sel(pft="DBF").values[0, :, 0]) / old[f"{stem}_spread"].values[0, :, 0]
    assert stats.kstest(away, "norm").pvalue > 1e-3


def test_a_regression_reaches_new_sites(found: xr.DataTree, posterior: xr.DataTree) -> None:
    new, old = found["posterior"].to_dataset(), posterior["posterior"].to_dataset()
    stem = "z_partial_over_site_on_latitude"
    assert "turnover" in new and old[f"{stem}_slopes"].shape == (1, 300, 1, 1)
    z = z_of(new["turnover"].sel(site="YY-One").values[0], "turnover")  # at 50 degrees, one degree south of the middle
    centre = old[f"{stem}_mean"].values[0, :, 0] - old[f"{stem}_slopes"].values[0, :, 0, 0] / np.std([50.0, 51.0, 52.0])
    assert stats.kstest((z - centre) / old[f"{stem}_spread"].values[0, :, 0], "norm").pvalue > 1e-3


def test_a_new_site_at_the_place_of_a_fitted_one_is_like_it(found: xr.DataTree, posterior: xr.DataTree) -> None:
    new, old = found["posterior"].to_dataset(), posterior["posterior"].to_dataset()
    z = z_of(new["respiration"].sel(site="YY-One").values[0], "respiration")
    there, far = (z_of(old["respiration"].sel(site=s).values[0], "respiration") for s in ("XX-One", "XX-Six"))
    smooth = old["z_partial_over_site_near_in_latitude_and_longitude_smooth"].values[0, :, 0]
    spread = old["z_partial_over_site_near_in_latitude_and_longitude_spread"].values[0, :, 0]
    expected = (2 * spread**2 * (1 - smooth)).mean()
    assert np.mean((z - there) ** 2) == pytest.approx(expected, rel=0.35)
    assert np.mean((z - far) ** 2) > np.mean((z - there) ** 2)


def test_streams_are_predicted_with_errors_at_the_observed_times(found: xr.DataTree) -> None:
    drawn, observed = found["posterior_predictive"].to_dataset(), found["observed_data"].to_dataset()
    assert set(drawn["nee"].dims) == {"site", "chain", "draw", "time_nee"}
    wider = drawn["nee"].std("draw") / drawn["nee_mean"].std("draw")
    assert float(wider.median()) > 1.0
    known = np.isfinite(observed["nee"])
    assert known.any() and found["constant_data"]["nee_withheld"].values[known.values].all()
    # Leaf area is not observed at YY-Two: every day is predicted.
    assert np.isfinite(drawn["lai"].sel(site="YY-Two")).all(["chain", "draw"]).sum() == 365
    assert np.isnan(observed["lai"].sel(site="YY-Two")).all()


def test_what_cannot_be_predicted_is_refused(fitted: pm.Model, posterior: xr.DataTree) -> None:
    with pytest.raises(ValueError, match="XX-One was calibrated"):
        predict_new_sites(fitted, posterior, with_position(made_up_towers(sites={"XX-One": ("ENF", "2011", "2011")})))
    with pytest.raises(ValueError, match="q10 have values by plant functional type, and no fitted site is GRA"):
        predict_new_sites(fitted, posterior, with_position(made_up_towers(sites={"ZZ-One": ("GRA", "2011", "2011")})))


@pytest.mark.parametrize(("alike", "own"), [(True, True), (False, False)])
def test_new_sites_are_in_the_coordinates_of_the_fitted_ones(alike: bool, own: bool) -> None:
    rng, time = np.random.default_rng(1), pd.date_range("2010-01-01", "2010-12-31")
    drivers = ("air_temperature_min", "air_temperature_max", "shortwave_down", "co2")
    made = [plausible_weather(list(drivers), np.arange(time.size) + 0.5, 1.0, rng) for _ in range(3)]
    data = xr.Dataset({n: (("site", "time"), np.stack([w[n] for w in made]), QUANTITIES[n].attrs()) for n in drivers})
    data = data.assign_coords(site=["a", "b", "c"], time=time, latitude=("site", [50.0] * 3), pft=("site", ["ENF"] * 3))
    data["nee"] = (("site", "time"), rng.normal(size=(3, time.size)), QUANTITIES["nee"].attrs())
    data["nee_uncertainty"] = (data["nee"] * 0 + 0.3).assign_attrs(QUANTITIES["nee"].attrs())
    pooling = {n: none("site") for n in ("f_foliage", "f_labile", "leaf_mass_area")}
    fitted = build_model(
        get("dalec_cdea"), data.isel(site=[0, 1]), ["nee"], pooling=pooling if alike else {"leaf_mass_area": partial("site")}
    )
    c = calibration_of(fitted)
    new = _new_calibration(c, records_of(c.process_model, data.isel(site=[2]), None, None, 0), {})
    assert bool(grouped(c)) == own and bool(grouped(new)) == own


def test_candidates_are_taken_by_the_weight_of_the_constraints() -> None:
    rng = np.random.default_rng(1)
    with np.errstate(divide="ignore"):
        found = [_candidate(lambda: rng.random(1), lambda z: float(np.log(z[0] > 0.9) - 1e4), rng)[0] for _ in range(200)]
    assert np.mean(np.array(found) > 0.9) > 0.99  # 80 candidates that are all too small have a chance of 2 in 10,000
    # All forbidden: a draw as it is.
    assert _candidate(lambda: np.zeros(2), lambda z: -np.inf, rng).shape == (2,)
    weighted = [_candidate(lambda: rng.integers(2, size=1), lambda z: float(z[0]) * np.log(3.0), rng)[0] for _ in range(2000)]
    assert np.mean(weighted) == pytest.approx(0.73, abs=0.05)
