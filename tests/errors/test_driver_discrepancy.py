"""Smooth discrepancies over drivers and time."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from towers import INDEPENDENT, TOWERS, made_up_towers, relative_gradient_error

from lsm_bayes.calibration import Stream, build_model, predict
from lsm_bayes.errors import DriverDiscrepancy, ErrorModel
from lsm_bayes.errors.driver_discrepancy import sines
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.model import site_series
from lsm_bayes.errors.simulation import simulate_errors
from lsm_bayes.errors.terms import Place, days_of
from lsm_bayes.inference import Density

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)


def observed(rng: np.random.Generator, start: str, days: int = 400, **drivers: np.ndarray) -> Any:
    time = pd.date_range(start, periods=days)
    gap = np.concatenate([[np.inf], np.ones(days - 1)])
    place = Place(time, {"time": days_of(time), **drivers})
    return site_series(rng.normal(size=days), np.full(days, 0.3), gap, time, 0.0, place)


def test_the_basis_has_the_covariance_of_the_process() -> None:
    x = np.linspace(-5.0, 25.0, 200)
    basis = sines(x, 8.0)
    weighted = (basis.at(x) + basis.means) * basis.root_density(1.3, 8.0)
    distance = np.sqrt(5.0) * np.abs(x[:, None] - x) / 8.0
    np.testing.assert_allclose(weighted @ weighted.T, 1.69 * (1 + distance + distance**2 / 3) * np.exp(-distance), atol=0.02)


def test_the_fitted_functions_have_zero_mean_and_are_shared_by_sites() -> None:
    rng = np.random.default_rng(1)
    sites = [observed(rng, "2001-01-01", warmth=rng.normal(10, 5, 400)), observed(rng, "2002-01-01", warmth=rng.normal(5, 5, 400))]
    term = DriverDiscrepancy({"warmth": 6.0, "time": 90.0})
    with pm.Model(coords={"site": ["a", "b"], "nee_observation": np.arange(800)}) as model:
        add_likelihood("nee", STATED + term, pt.zeros(800), sites, "site")
    assert model["nee_warmth_discrepancy_weights"].type.ndim == 1
    assert model.named_vars_to_dims["nee_time_discrepancy_weights"][0] == "site"
    basis = sines(np.concatenate([s.place.drivers["warmth"] for s in sites]), 6.0)
    assert np.abs(basis.at(np.concatenate([s.place.drivers["warmth"] for s in sites])).mean(axis=0)).max() < 1e-12


def test_simulation_repeats_the_fit_and_draws_later_times_afresh() -> None:
    rng = np.random.default_rng(2)
    one = observed(rng, "2001-01-01", warmth=rng.normal(10, 5, 400))
    term, n = DriverDiscrepancy({"warmth": 6.0, "time": 60.0}), 3000
    widths = {k: sines(one.place.drivers[k], term.over[k]).frequency.size for k in term.over}
    draws: dict[str, np.ndarray] = {}
    for k, m in widths.items():
        draws |= {f"nee_{k}_discrepancy_weights": np.tile(rng.normal(size=m), (n, 1)), f"nee_{k}_discrepancy_sd": np.full(n, 0.8)}
        draws[f"nee_{k}_discrepancy_length"] = np.full(n, term.over[k])
    later = pd.date_range("2001-01-01", periods=700)
    warmth = np.concatenate([one.place.drivers["warmth"], np.full(300, 200.0)])
    place = Place(later, {"time": days_of(later), "warmth": warmth}, one.place.drivers)
    gap = np.concatenate([[np.inf], np.ones(699)])
    _, found, _ = simulate_errors(rng, STATED + term, "nee", draws, one, later, gap, np.full(700, 0.3), 0, np.zeros((n, 700)), None, place)
    assert np.ptp(found[:, :400], axis=0).max() < 1e-9
    assert abs(found[0, :400].mean()) < 1e-9
    fresh = found[:, 460:] - found[:, 460:].mean(axis=0)
    assert fresh.std(axis=0).mean() == pytest.approx(0.8, rel=0.06)
    # Far outside its range the driver's function is held: what differs there is the function of time.
    only = {k: v for k, v in draws.items() if "warmth" in k}
    held = simulate_errors(
        rng,
        STATED + replace(term, over={"warmth": 6.0}),
        "nee",
        only,
        one,
        later,
        gap,
        np.full(700, 0.3),
        0,
        np.zeros((n, 700)),
        None,
        place,
    )[1]
    assert np.ptp(held[0, 400:]) < 1e-12


def test_a_calibration_reads_drivers_of_the_data_and_predicts() -> None:
    data = made_up_towers(sites={"XX-One": ("ENF", "2010", "2011")})
    error = replace(INDEPENDENT, terms=(DriverDiscrepancy({"air_temperature": 8.0, "time": 90.0}),))
    model = build_model(TOWERS, data, [Stream("nee", error=error)], withheld_years=1)
    density = Density(model)
    assert relative_gradient_error(density, 3) < 1e-6
    values = density.expand(density.prior_positions(8, np.random.default_rng(0)))
    basis = {n: (f"{n}_basis",) for n, v in values.items() if v.ndim == 2}
    draws = {n: (("chain", "draw", *basis.get(n, ())), v[None]) for n, v in values.items()}
    tree = predict(model, xr.DataTree.from_dict({"posterior": xr.Dataset(draws)}), draws=8)
    added = tree["posterior_predictive"]["nee"] - tree["posterior_predictive"]["nee_mean"]
    assert np.isfinite(added.isel(site=0)).all() and added.sizes["time_nee"] > 500
    with pytest.raises(KeyError, match="air_warmth"):
        build_model(TOWERS, data, [Stream("nee", error=STATED + DriverDiscrepancy({"air_warmth": 8.0}))])


@pytest.mark.parametrize(("over", "text"), [({}, "at least one"), ({"time": 0.0}, "positive")])
def test_bad_choices_are_refused(over: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DriverDiscrepancy(over)


def test_a_driver_that_does_not_vary_is_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        sines(np.full(5, 2.0), 1.0)
