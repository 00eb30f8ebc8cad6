"""Predictions: groups and dims of a result, the withheld period, the budget, and the coverage of a twin at its truth."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.calibration import predict
from lsm_bayes.simulation import simulate

ERRORS = {"sigma": 0.6, "phi": 0.5, "tau": 1e-3, "knots": 0.0}


def at_truth(model: pm.Model, chains: int = 2, draws: int = 150, spread: float = 0.0) -> xr.DataTree:
    """Make draws at the declared defaults, which are the truth of the made-up towers, or near them."""
    c = model.calibration
    rng = np.random.default_rng(1)
    found = {}
    wanted = {n: default for n, (_, default) in c.process_model.calibrated.items()}
    wanted |= {f"{p.name}_{k}": v for p in c.streams for k, v in ERRORS.items() if f"{p.name}_{k}" in model.named_vars}
    for name, value in wanted.items():
        shape = tuple(int(n) for n in model[name].shape.eval()) if model[name].ndim else ()
        dims = [d or f"{name}_dim" for d in model.named_vars_to_dims.get(name) or (None,) * len(shape)]
        coords = {d: list(model.coords[d]) for d in dims if d in model.coords}
        noise = np.exp(spread * rng.normal(size=(chains, draws, *shape)))
        found[name] = xr.DataArray(value * noise, dims=("chain", "draw", *dims), coords=coords)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(found, coords=coords)})


@pytest.fixture(scope="module")
def twin(one_site: pm.Model) -> xr.DataTree:
    return predict(one_site, at_truth(one_site), draws=300, seed=1)


@pytest.fixture(scope="module")
def three(three_sites: pm.Model) -> xr.DataTree:
    return predict(three_sites, at_truth(three_sites, draws=20, spread=0.05), draws=20, seed=1)


@pytest.mark.parametrize("which", ["twin", "three"])
def test_groups_and_dims(which: str, request: pytest.FixtureRequest) -> None:
    tree = request.getfixturevalue(which)
    assert {"posterior_predictive", "observed_data", "constant_data", "forcing", "budget"} <= set(tree.children)
    for stream in ("nee", "gpp", "lai"):
        axis = f"time_{stream}"
        for name in (stream, f"{stream}_mean"):
            assert set(tree["posterior_predictive"][name].dims) == {"chain", "draw", "site", axis}
        for group, name in (("observed_data", stream), ("constant_data", f"{stream}_uncertainty"), ("constant_data", f"{stream}_withheld")):
            assert set(tree[group][name].dims) == {"site", axis}
        assert tree["constant_data"][f"{stream}_withheld"].dtype == bool
        number, worth = (float(tree["constant_data"][f"{stream}_{n}"].sum()) for n in ("fitted_values", "effective_values"))
        assert 1 < worth < number if stream == "nee" else worth == number
        assert tree["observed_data"][stream].attrs["units"] == tree["posterior_predictive"][stream].attrs["units"] != ""
    assert set(tree["forcing"].data_vars) >= {"air_temperature", "shortwave_down"}
    assert set(tree["forcing"]["air_temperature"].dims) == {"site", "time"}
    for name in ("gpp", "reco", "nee", "delta_storage", "closure"):
        assert set(tree["budget"][name].dims) == {"chain", "draw", "site", "year"}


def test_thinned_draws_keep_their_labels(three: xr.DataTree) -> None:
    found = three["posterior_predictive"]
    assert found.sizes["chain"] == 2 and found.sizes["draw"] == 10
    np.testing.assert_array_equal(found["draw"], np.arange(0, 20, 2))


def test_budget_closes(three: xr.DataTree, twin: xr.DataTree) -> None:
    for tree in (three, twin):
        budget = tree["budget"].to_dataset()
        assert np.nanmax(np.abs(budget["closure"])) < 1e-6
        np.testing.assert_allclose(budget["delta_storage"], budget["gpp"] - budget["reco"], atol=1e-6)
    assert np.isnan(three["budget"]["nee"].sel(site="XX-One", year=2012)).all()
    assert np.isfinite(three["budget"]["nee"].sel(site="XX-Two")).all()


def test_last_year_of_each_record_is_withheld(three: xr.DataTree, towers: xr.Dataset) -> None:
    for site, last in (("XX-One", 2011), ("XX-Two", 2012), ("XX-Six", 2012)):
        for stream in ("nee", "lai"):
            axis = f"time_{stream}"
            observed = three["observed_data"][stream].sel(site=site).dropna(axis)
            np.testing.assert_array_equal(observed, towers[stream].sel(site=site).dropna("time"))
            withheld = three["constant_data"][f"{stream}_withheld"].sel(site=site)
            np.testing.assert_array_equal(withheld.sel({axis: observed[axis]}), observed[axis].dt.year == last)
            assert not withheld.where(three["observed_data"][stream].sel(site=site).isnull(), False).any()
        months = three["constant_data"]["gpp_withheld"].sel(site=site)
        assert int(months.sum()) == 12 and (months["time_gpp"][months].dt.year == last).all()


def test_mean_is_the_operator_of_the_run(twin: xr.DataTree, towers: xr.Dataset, land) -> None:
    run = simulate(land, towers.sel(site="XX-Two"))
    mean = twin["posterior_predictive"]["nee_mean"].isel(chain=1, draw=7, site=0)
    np.testing.assert_allclose(mean, run["nee"].sel(time=mean["time_nee"].values), rtol=1e-5, atol=1e-5)
    month = twin["posterior_predictive"]["gpp_mean"].isel(chain=0, draw=0, site=0)
    known = towers["gpp"].sel(site="XX-Two").notnull()
    wanted = run["gpp"].where(known).groupby(run["time"].dt.year * 12 + run["time"].dt.month).mean()
    np.testing.assert_allclose(month, wanted, rtol=1e-5)


def test_each_site_has_its_own_run(three: xr.DataTree, three_sites: pm.Model, towers: xr.Dataset, land) -> None:
    posterior = three["posterior"].to_dataset()
    for site in ("XX-One", "XX-Six"):
        one = posterior.isel(chain=1, draw=4)
        values = {n: one[n] for n in land.calibrated}
        values = {n: float(v.sel(site=site) if "site" in v.dims else v.sel(pft="ENF") if "pft" in v.dims else v) for n, v in values.items()}
        run = simulate(land, towers.sel(site=site).dropna("time", subset=["air_temperature"]), values)
        mean = three["posterior_predictive"]["nee_mean"].sel(site=site, chain=1, draw=4).dropna("time_nee")
        np.testing.assert_allclose(mean, run["nee"].sel(time=mean["time_nee"].values), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_bands_cover_a_twin_as_often_as_they_say(twin: xr.DataTree, level: float) -> None:
    drawn = twin["posterior_predictive"]["nee"].stack(sample=("chain", "draw"))
    low, high = (drawn.quantile(q, "sample") for q in ((1 - level) / 2, (1 + level) / 2))
    observed = twin["observed_data"]["nee"]
    inside = ((observed >= low) & (observed <= high)).where(observed.notnull())
    withheld = twin["constant_data"]["nee_withheld"]
    for part in (withheld, ~withheld):
        # About 290 and 580 days, correlated: a sd of 2 to 3 %.
        assert float(inside.where(part).mean()) == pytest.approx(level, abs=0.07)


def test_simulated_errors_differ_between_draws_but_not_between_calls(one_site: pm.Model) -> None:
    first, again = (predict(one_site, at_truth(one_site, draws=3), draws=6, seed=5)["posterior_predictive"]["nee"] for _ in range(2))
    xr.testing.assert_identical(first, again)
    assert float(first.std("draw").min()) > 0


def test_model_from_elsewhere_is_refused() -> None:
    with pm.Model() as other:
        pm.Normal("x")
    with pytest.raises(
        TypeError, match="prediction needs a model from lsm_bayes.calibration.build_model; this pm.Model carries no 'calibration'"
    ):
        predict(other, xr.DataTree())
