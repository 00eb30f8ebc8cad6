"""Pooling: dims and coordinates of every kind, its priors, and what is refused."""

import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr

from lsm_bayes.calibration import Pooling, build_model, complete, none, partial
from lsm_bayes.calibration.groups import Groups
from lsm_bayes.calibration.hierarchy import add_coordinates


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
    assert free[f"{stem}_level"][1:] == ("pft",) and free[f"{stem}_deviation"][1:] == ("site",)
    assert len(free[f"{stem}_spread"]) == 1
    assert dims(three_sites, f"{stem}_mean") == free[f"{stem}_level"]
    axis = free[f"{stem}_level"][0]
    assert three_sites.coords[axis] == ("efficiency",)
    assert free["z_partial_over_site_level"] == free["z_partial_over_site_spread"]


@pytest.mark.parametrize("within", ["pft", None])
@pytest.mark.parametrize("spread", [0.01, 0.7])
def test_partial_pooling_turns_mean_and_deviations(within, spread: float) -> None:
    """At a given spread the coordinates are a rotation of mean and deviations, so these keep their standard normal prior."""
    groups = Groups(["a", "b", "c", "d"], ["ENF", "DBF"], np.array([1, 0, 1, 1]))
    with pm.Model(coords={"site": groups.sites, "pft": groups.pfts}) as model:
        ((_, _, z),) = add_coordinates(["p"], {"p": partial("site", within=within)}, groups)
    stem = "z_partial_over_site" + ("_within_pft" if within else "")
    level, deviation, scale, mean = (model[f"{stem}_{n}"] for n in ("level", "deviation", "spread", "mean"))
    evaluate = pytensor.function([level, deviation, scale], [mean, z])
    label = groups.pft_of_site if within else np.zeros(4, int)
    means = label.max() + 1
    columns = []
    for unit in np.eye(means + 4):
        m, values = evaluate(unit[None, :means] if within else unit[:1], unit[None, means:], [spread])
        m = m.reshape(-1)
        columns.append([*m, *((values[0] - m[label]) / spread)])
    np.testing.assert_allclose(np.array(columns) @ np.array(columns).T, np.eye(means + 4), atol=1e-13)


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
