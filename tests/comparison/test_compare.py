import json

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.cli import main
from lsm_bayes.comparison import Blocks, compare, cross_validate, evidence_weights, pseudo_bma_weights
from lsm_bayes.comparison.gain import information_gain
from lsm_bayes.inference import save
from lsm_bayes.report import write_comparison


@pytest.fixture(scope="module")
def results(right, right_result, simple, simple_result, table):
    found = {"right": (right, right_result), "simple": (simple, simple_result)}
    for model, tree in found.values():
        cross_validate(model, tree, Blocks(0.5), refits="never", observations=table, memory={"y": 0.0}, progress=False)
    return {name: tree for name, (_, tree) in found.items()}


def changed(tree, **attrs):
    copy = tree.copy()
    scores = copy["cross_validation"].to_dataset()
    copy["cross_validation"] = xr.DataTree(scores.assign_attrs(attrs))
    return copy


def test_the_right_model_wins(results):
    found = compare(results)
    row, other = found.table.loc["right"], found.table.loc["simple"]
    assert list(found.table.index) == ["right", "simple"]
    assert row["difference"] == 0 and row["difference_se"] == 0
    assert other["difference"] < -10
    assert row["stacking"] > 0.9 and row["pseudo_bma"] > 0.9
    np.testing.assert_allclose(found.table[["stacking", "pseudo_bma"]].sum(), 1)
    assert found.by_unit.shape == (8, 2)
    assert other["difference"] == pytest.approx((found.by_unit["simple"] - found.by_unit["right"]).sum())
    assert other["difference_se"] == pytest.approx(np.sqrt(8) * (found.by_unit["simple"] - found.by_unit["right"]).std())
    assert np.isnan(row["log_evidence"])
    assert "Only 8 units" in str(found) and "a block of 1/2 year" in str(found)


def test_evidence_is_shown_where_there_is_one(results):
    trees = {n: t.copy() for n, t in results.items()}
    for tree, value in zip(trees.values(), (-10.0, -13.0), strict=True):
        tree.attrs["log_evidence"] = json.dumps({"value": value, "error": 0.1, "prior_mass": 0.0, "method": "bridge"})
    assert compare(trees).table.loc["right", "evidence_weight"] == pytest.approx(1 / (1 + np.exp(-3)))


def test_other_data_and_other_units_are_refused(results):
    with pytest.raises(ValueError, match=r"'right' and 'simple' were fitted to different observations \(208 and 208 scored\)"):
        compare(results | {"simple": changed(results["simple"], observations_hash="0")})
    with pytest.raises(ValueError, match="were scored with different units: Blocks.* and Sites"):
        compare(results | {"simple": changed(results["simple"], folds="Sites()")})
    with pytest.raises(ValueError, match="'simple' has no group 'cross_validation'; it has .*lsm_bayes.cross_validate"):
        compare(results | {"simple": results["simple"].filter(lambda n: n.name != "cross_validation")})
    with pytest.raises(ValueError, match="at least two results, got 1: right"):
        compare({"right": results["right"]})


def test_weights_of_equal_and_of_unequal_models():
    even = np.tile([[-10.0]], (20, 2))
    np.testing.assert_allclose(pseudo_bma_weights(even), 0.5)
    # Scores so low that their exponentials vanish.
    np.testing.assert_allclose(pseudo_bma_weights(np.array([[-5000.0, -5010.0]] * 5)), [1, 0], atol=1e-6)
    np.testing.assert_allclose(evidence_weights(np.array([-1e4, -1e4 + np.log(3)])), [0.25, 0.75])


def test_information_gain_is_that_of_normals():
    rng = np.random.default_rng(1)
    dims = ("chain", "draw")
    prior = xr.Dataset({n: (dims, rng.normal(size=(1, 8000))) for n in "ab"})
    posterior = xr.Dataset({"a": (dims, rng.normal(0.5, 0.25, (4, 1000))), "b": (dims, rng.normal(size=(4, 1000)))})
    tree = xr.DataTree.from_dict({"/prior": prior, "/posterior": posterior})
    found = information_gain(tree)
    assert found["a"] == pytest.approx(np.log(4) + (0.25**2 + 0.5**2) / 2 - 0.5, abs=0.08)
    assert found["b"] < 0.05
    with pytest.raises(ValueError, match="needs the group 'prior'; the result has posterior"):
        information_gain(tree.filter(lambda n: n.name != "prior"))


def test_page_says_everything_and_the_verb_writes_it(results, tmp_path, capsys):
    for name, tree in results.items():
        save(tree, tmp_path / f"{name}.nc")
    page = tmp_path / "page.html"
    assert main(["compare", str(tmp_path / "right.nc"), f"other={tmp_path / 'simple.nc'}", "--output", str(page)]) == 0
    said = capsys.readouterr().out
    assert "other" in said and f"comparison: {page}" in said
    text = page.read_text()
    for words in (
        "right predicts what was left out better than all others",
        "Which unit prefers which model",
        "XX-One 2002-07-03",
        "Pareto k",
    ):
        assert words in text
    assert "Absent: the evidence of right, other." in text
    assert "http" not in text.split("<style>")[0]
    assert main(["compare", str(tmp_path / "right.nc"), str(tmp_path / "right.nc")]) == 2
    assert "two results are called 'right'" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="of the comparison does not exist"):
        write_comparison(results, tmp_path / "absent" / "page.html")
