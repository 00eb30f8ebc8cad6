"""Pooling: dims and coordinates of every kind, its priors, and what is refused."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.calibration import Pooling, build_model, complete, none, partial


def dims(model: pm.Model, name: str) -> tuple[str, ...]:
    return tuple(model.named_vars_to_dims.get(name) or ())


def test_one_site_has_numbers(one_site: pm.Model) -> None:
    assert {dims(one_site, n) for n in one_site.calibration.process_model.calibrated} == {()}
    assert all(one_site[n].ndim == 0 for n in one_site.calibration.process_model.calibrated)
    assert "site" not in one_site.coords


def test_kinds_give_their_dims(three_sites: pm.Model) -> None:
    wanted = {
        "efficiency": ("site",),  # partial over site within pft
        "turnover": ("site",),  # declared level site
        "respiration": ("site",),  # partial over site
        "q10": (),  # declared level global
        "leaf_mass_area": ("pft",),  # partial over pft
        "soil_carbon": ("site",),
    }
    assert {n: dims(three_sites, n) for n in wanted} == wanted
    assert three_sites.coords["site"] == ("XX-One", "XX-Two", "XX-Six")
    assert three_sites.coords["pft"] == ("DBF", "ENF")


def test_partial_pooling_is_not_centred(three_sites: pm.Model) -> None:
    free = {v.name: dims(three_sites, v.name) for v in three_sites.free_RVs}
    stem = "z_partial_over_site_within_pft"
    assert free[f"{stem}_mean"][1:] == ("pft",) and free[f"{stem}_deviation"][1:] == ("site",)
    assert len(free[f"{stem}_spread"]) == 1
    axis = free[f"{stem}_mean"][0]
    assert three_sites.coords[axis] == ("efficiency",)
    assert free["z_partial_over_site_mean"] == free["z_partial_over_site_spread"]


def test_sites_of_a_type_share_its_mean(towers: xr.Dataset, land) -> None:
    model = build_model(land, towers, ["nee"], withheld_years=1, pooling={"efficiency": partial("site", within="pft", spread=1e-6)})
    drawn = pm.draw(model["efficiency"], 5, random_seed=1)
    # XX-One and XX-Six are both ENF.
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 2], rtol=1e-4)
    assert np.abs(drawn[:, 0] / drawn[:, 1] - 1).min() > 1e-3


def test_card_says_how_a_parameter_is_pooled(three_sites: pm.Model) -> None:
    table = three_sites.card["parameters"]
    assert table["efficiency"]["pooling"] == "partial over site within pft"
    assert table["q10"]["pooling"] == "complete" and table["turnover"]["pooling"] == "none over site"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: none("sites"), "unknown grouping 'sites'. Did you mean 'site'?"),
        (lambda: partial("pft", within="pft"), "values by site can be grouped within 'pft'; got over='pft', within='pft'"),
        (lambda: partial("site", within="site"), "values by site can be grouped within 'pft'; got over='site', within='site'"),
        (lambda: partial("site", spread=0.0), "the spread of the members is positive, got 0.0"),
    ],
)
def test_impossible_pooling_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?").replace("(", r"\(")):
        make()


def test_unknown_parameter_is_refused(towers: xr.Dataset, land) -> None:
    with pytest.raises(KeyError, match=r"towers: unknown parameter or initial state 'efficency'. Did you mean 'efficiency'\?"):
        build_model(land, towers, ["nee"], pooling={"efficency": complete()})


def test_value_that_is_no_pooling_is_refused(towers: xr.Dataset, land) -> None:
    with pytest.raises(TypeError, match=r"pooling of 'q10': got 'complete'; use complete\(\), none\('site'\)"):
        build_model(land, towers, ["nee"], pooling={"q10": "complete"})


def test_choices_are_values() -> None:
    assert partial("site", within="pft") == Pooling("partial", "site", "pft", 0.5)
    assert complete() == complete() and hash(none("pft")) == hash(Pooling("none", "pft"))
