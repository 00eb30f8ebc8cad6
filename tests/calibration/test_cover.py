"""Sites that several plant functional types cover."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from towers import INITIAL, TOWERS, made_up_towers, prior_draws

from lsm_bayes.calibration import Stream, build_model, none, partial, predict, predict_new_sites
from lsm_bayes.calibration.groups import Groups, types_of
from lsm_bayes.calibration.hierarchy import add_coordinates
from lsm_bayes.calibration.priors import value

SITES = {"A": ("ENF", "2010", "2010"), "B": ("DBF", "2010", "2010"), "C": ("MF", "2010", "2010")}
COVER = np.array([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
POOLING = {"efficiency": partial("site", "pft", 0.3), "q10": none("pft"), "leaf_mass_area": partial("pft")}


def covered(cover: np.ndarray = COVER, sites=SITES, seed: int = 1) -> xr.Dataset:
    data = made_up_towers(seed=seed, sites=sites)
    return data.assign(pft_fraction=xr.DataArray(cover, dims=("site", "type"), coords={"site": list(sites), "type": ["ENF", "DBF"]}))


def built(data: xr.Dataset) -> pm.Model:
    initial = {"foliage_carbon": INITIAL["foliage_carbon"]}
    return build_model(TOWERS, data, [Stream("nee", "week")], initial=initial, pooling=POOLING)


@pytest.fixture(scope="module")
def model() -> pm.Model:
    return built(covered())


@pytest.fixture(scope="module")
def prior(model: pm.Model) -> xr.DataTree:
    return prior_draws(model, 200)


def z_of(values: xr.DataArray, name: str) -> np.ndarray:
    grid = np.linspace(-6, 6, 20001)
    return np.interp(values.values.ravel(), value(pt.as_tensor(grid), TOWERS.parameter_table[name][0]).eval(), grid)


@pytest.mark.parametrize("name", ["q10", "leaf_mass_area"])
def test_values_by_type_are_weighted_by_cover_where_the_prior_is_normal(prior: xr.DataTree, name: str) -> None:
    draws = prior["posterior"].to_dataset()
    by_type = [z_of(draws[f"{name}_of_type"].sel(pft=t), name) for t in ("DBF", "ENF")]
    assert draws[name].dims == ("chain", "draw", "site")
    np.testing.assert_allclose(z_of(draws[name].sel(site="A"), name), by_type[1], atol=1e-6)
    np.testing.assert_allclose(z_of(draws[name].sel(site="C"), name), 0.7 * by_type[0] + 0.3 * by_type[1], atol=1e-6)


def test_sites_of_several_types_scatter_about_the_weighted_mean() -> None:
    groups = Groups(["a", "b", "c", "d"], ["DBF", "ENF"], np.array([1, 0, 0, 1]), {}, np.array([[0.0, 1], [1, 0], [0.7, 0.3], [0, 1]]))
    names = ["x", "y"]
    with pm.Model(coords={"site": groups.sites, "pft": groups.pfts}) as model:
        ((_, _, z),) = add_coordinates(names, dict.fromkeys(names, partial("site", "pft", 0.6)), groups)
        mean = model["z_partial_over_site_within_pft_0_6_mean"]
        members, centre = (v[:, 0] for v in pm.draw([z, mean], 6000, random_seed=1))
    np.testing.assert_allclose(centre.var(axis=0), 1.0, rtol=0.08)
    away = members - centre @ groups.weights.T
    np.testing.assert_allclose(away.var(axis=0), 0.36, rtol=0.12)
    # What a site deviates by is its own, and says nothing of the means.
    np.testing.assert_allclose(np.corrcoef(np.column_stack([away, centre]).T) - np.eye(6), 0.0, atol=0.06)


def test_cover_of_one_type_is_that_type() -> None:
    pure = made_up_towers(sites={"A": ("ENF", "2010", "2010"), "B": ("DBF", "2010", "2010")})
    labelled, by_cover = built(pure), built(covered(COVER[:2], {k: SITES[k] for k in "AB"}))
    assert by_cover.calibration.groups.fractions is None
    point = labelled.initial_point(0)
    assert float(labelled.compile_logp()(point)) == float(by_cover.compile_logp()(point))


def test_new_sites_and_predictions_know_the_cover(model: pm.Model, prior: xr.DataTree) -> None:
    tree = prior.copy()
    predict(model, tree, draws=20)
    assert np.isfinite(tree["posterior_predictive"]["nee_mean"].sel(site="C")).any()
    data = covered(np.array([[0.5, 0.5]]), {"N": ("MF", "2010", "2010")}, seed=2)
    new = predict_new_sites(model, prior, data, draws=200)["posterior"].to_dataset()
    old = prior["posterior"].to_dataset()
    mixed = np.mean([z_of(old["q10_of_type"].sel(pft=t), "q10") for t in ("DBF", "ENF")], axis=0)
    np.testing.assert_allclose(z_of(new["q10"].sel(site="N"), "q10"), mixed, atol=1e-6)


@pytest.mark.parametrize(("cover", "text"), [([0.5, 0.4], "ENF 0.5, DBF 0.4, sum 0.9"), ([1.2, -0.2], "not negative and sum to one")])
def test_bad_cover_is_refused(cover: list[float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        types_of([covered(np.array([cover]), {"A": SITES["A"]}).isel(site=0)])
