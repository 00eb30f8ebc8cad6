"""Forms of partial pooling: priors, what they share, gradients, sites without a stream."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from towers import INITIAL, TOWERS, relative_gradient_error

from lsm_bayes.calibration import Stream, build_model, partial, predict
from lsm_bayes.calibration.groups import Groups, covariates_of
from lsm_bayes.calibration.hierarchy import add_coordinates, covariance
from lsm_bayes.errors import CorrelatedWith, ErrorModel
from lsm_bayes.inference import Density

SITES = 7
LATITUDE = np.array([40.0, 40.1, 41.0, 50.0, 50.5, 60.0, 61.0])
GROUPS = Groups(
    [f"s{k}" for k in range(SITES)],
    ["ENF", "DBF"],
    np.array([0, 1, 0, 1, 0, 1, 0]),
    {"latitude": LATITUDE, "longitude": np.linspace(0, 30, SITES), "clay": np.array([5.0, 20, 10, 40, 35, 15, 25])},
)


def drawn(choice, names=("a", "b"), draws: int = 4000) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with pm.Model(coords={"site": GROUPS.sites, "pft": GROUPS.pfts}) as model:
        ((_, _, z),) = add_coordinates(list(names), dict.fromkeys(names, choice), GROUPS)
        wanted = [*model.free_RVs, *model.deterministics]
        values = pm.draw([z, *wanted], draws, random_seed=1)
    return values[0], {v.name.removeprefix("z_"): x for v, x in zip(wanted, values[1:], strict=True)}


@pytest.mark.parametrize("within", [None, "pft"])
def test_members_have_the_same_prior_centred_or_not(within) -> None:
    samples = [drawn(partial("site", within, 0.6, centred=c))[0] for c in (False, True)]
    for k in (0, 3):
        assert stats.ks_2samp(*[s[:, 0, k] for s in samples]).pvalue > 1e-3
    # A level of sd 1, and a spread with mean square 0.36.
    np.testing.assert_allclose([s.var() for s in samples], 1.36, rtol=0.08)
    both = [np.corrcoef(s[:, 0, 0], s[:, 0, 2])[0, 1] for s in samples]
    np.testing.assert_allclose(both, 1 / 1.36, atol=0.04)
    apart = [np.corrcoef(s[:, 0, 0], s[:, 0, 1])[0, 1] for s in samples]
    np.testing.assert_allclose(apart, 0.0 if within else 1 / 1.36, atol=0.05)


def test_members_are_linear_in_their_covariates() -> None:
    z, given = drawn(partial("site", on=("clay", "latitude"), spread=1e-9))
    x = np.column_stack([np.ones(SITES), GROUPS.standardised(("clay", "latitude"))])
    found = np.linalg.lstsq(x, z[:50, 0].T, rcond=None)[0]
    np.testing.assert_allclose(found[1:].T, given["partial_over_site_on_clay_and_latitude_1e-09_slopes"][:50, 0], atol=1e-6)
    np.testing.assert_allclose(x @ found, z[:50, 0].T, atol=1e-6)


def test_near_sites_are_alike() -> None:
    z, given = drawn(partial("site", near=("latitude", "longitude"), length=800.0, spread=1.0))
    deviation = (z - given["partial_over_site_near_in_latitude_and_longitude_1_800_mean"][..., None])[:, 0]
    deviation /= given["partial_over_site_near_in_latitude_and_longitude_1_800_spread"][:, :1]
    found = np.corrcoef(deviation.T)
    smooth = given["partial_over_site_near_in_latitude_and_longitude_1_800_smooth"][:, 0]
    length = given["partial_over_site_near_in_latitude_and_longitude_1_800_length"][:, 0]
    distance = GROUPS.distances(("latitude", "longitude"))
    scaled = np.sqrt(3) * distance / length[:, None, None]
    wanted = (smooth[:, None, None] * (1 + scaled) * np.exp(-scaled)).mean(axis=0)
    off = ~np.eye(SITES, dtype=bool)
    np.testing.assert_allclose(found[off], wanted[off], atol=0.06)
    assert found[0, 1] > found[0, 3] > found[0, 6]


def test_covariance_is_positive_definite_for_sites_at_one_place() -> None:
    distance = np.zeros((3, 3))
    assert np.linalg.eigvalsh(covariance(distance, 1.0, 1.0).eval()).min() > 0


@pytest.mark.parametrize("count", [2, 3])
def test_correlations_of_a_block_have_their_lkj_prior(count: int) -> None:
    names = [f"p{k}" for k in range(count)]
    z, given = drawn(partial("site", block="leaf", spread=0.5), names, 3000)
    r = given["partial_over_site_correlated_in_leaf_correlation"]
    np.testing.assert_allclose(np.diagonal(r, axis1=1, axis2=2), 1.0, atol=1e-12)
    # Each correlation of an LKJ matrix: (r + 1) / 2 ~ Beta(a, a), a = shape - 1 + n / 2 (Lewandowski et al. 2009).
    beta = stats.beta(1.0 + count / 2, 1.0 + count / 2)
    for i, j in [(0, 1), (count - 1, 0), (count - 1, count - 2)]:
        assert stats.kstest((r[:, i, j] + 1) / 2, beta.cdf).pvalue > 1e-3
    stem = "partial_over_site_correlated_in_leaf"
    scaled = (z - given[f"{stem}_mean"][..., None]) / given[f"{stem}_spread"][..., None]
    # Within a draw the sites scatter about its own correlation, seven of them.
    slope = np.polyfit(r[:, 0, 1], (scaled[:, 0] * scaled[:, 1]).mean(axis=1), 1)
    np.testing.assert_allclose(slope, [1.0, 0.0], atol=0.1)


@pytest.fixture(scope="module")
def several(towers: xr.Dataset) -> pm.Model:
    """Give a calibration with every form of partial pooling; leaf area is missing at one site."""
    data = towers.copy()
    data["lai"] = data["lai"].where(data["site"] != "XX-One")
    pooling = {
        "efficiency": partial("site", on=("air_temperature",)),
        "turnover": partial("site", near=("air_temperature",)),
        "respiration": partial("site", block="soil"),
        "q10": partial("site", block="soil"),
        "leaf_mass_area": partial("site", "pft", centred=True),
    }
    return build_model(TOWERS, data, [Stream("nee"), Stream("lai")], withheld_years=1, initial=INITIAL, pooling=pooling)


@pytest.fixture(scope="module")
def density(several: pm.Model) -> Density:
    return Density(several)


def test_gradient_of_every_form(density: Density) -> None:
    assert relative_gradient_error(density, 3) < 1e-6


def test_a_stream_has_error_parameters_only_where_it_is_observed(several: pm.Model, density: Density) -> None:
    assert several.coords["lai_site"] == ("XX-Two", "XX-Six")
    assert several.named_vars_to_dims["lai_sigma"] == ("lai_site",) and several.named_vars_to_dims["nee_sigma"] == ("site",)
    assert several.card["streams"]["lai"]["sites"] == ["XX-Two", "XX-Six"]
    draws = density.expand(density.prior_positions(3, np.random.default_rng(1)))
    dims = {n: ("chain", "draw", *(several.named_vars_to_dims.get(n) or [f"{n}_{k}" for k in range(v.ndim - 1)])) for n, v in draws.items()}
    prior = xr.Dataset({n: (dims[n], v[None]) for n, v in draws.items()}, coords={k: list(v) for k, v in several.coords.items() if v})
    found = predict(several, xr.DataTree.from_dict({"/posterior": prior}), draws=3)
    lai = found["posterior_predictive"]["lai"]
    assert np.isnan(lai.sel(site="XX-One")).all() and np.isfinite(lai.sel(site="XX-Two")).any()
    assert not found["constant_data"]["lai_withheld"].sel(site="XX-One").any()


def test_yearly_values_are_a_form_of_pooling(towers: xr.Dataset) -> None:
    built = build_model(TOWERS, towers, ["nee"], pooling={"efficiency": partial("year", spread=0.3, walk=True)})
    years = [n for n in built.named_vars if n.startswith("efficiency_year_")]
    assert len(years) == 3 and "efficiency_variability" in built.named_vars
    assert "efficiency" in built.named_vars
    with pytest.raises(KeyError, match="'effort'"):
        build_model(TOWERS, towers, ["nee"], pooling={"effort": partial("year")})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"over": "pft", "on": ("clay",)}, "belong to sites"),
        ({"walk": True}, "over years"),
        ({"over": "year", "centred": True}, "yearly deviations"),
        ({"near": ("clay",), "block": "a"}, "near and block are different forms"),
        ({"length": -1.0, "near": ("clay",)}, "positive"),
        ({"over": "decade"}, "decade"),
    ],
)
def test_combinations_without_meaning_are_refused(arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        partial(**arguments)


def test_bad_covariates_are_refused(towers: xr.Dataset) -> None:
    one = towers.sel(site="XX-One")
    with pytest.raises(KeyError, match="site covariate 'clay'"):
        covariates_of(one, ["clay"])
    with pytest.raises(ValueError, match="missing at XX-One"):
        covariates_of(one.assign(clay=np.nan), ["clay"])
    with pytest.raises(ValueError, match="5 at all 7 sites"):
        Groups(GROUPS.sites, GROUPS.pfts, GROUPS.pft_of_site, {"clay": np.full(7, 5.0)}).standardised(("clay",))
    with pytest.raises(ValueError, match="'a' alone is in the block 'leaf'"):
        drawn(partial("site", block="leaf"), ["a"])


def test_correlated_streams_at_different_sites_are_refused(towers: xr.Dataset) -> None:
    data = towers.copy()
    data["nee"] = data["nee"].where(data["site"] != "XX-One")
    error = ErrorModel() + CorrelatedWith("nee")
    with pytest.raises(ValueError, match="not observed at the same sites"):
        build_model(TOWERS, data, [Stream("nee"), Stream("gpp", error=error)])
