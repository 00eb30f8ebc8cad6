import json

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.inference import laplace_at, load, sample_laplace, save
from lsm_bayes.inference.store import attribute
from lsm_bayes.inference.tree import data_hash, root_attrs

from .posteriors import MEAN, gaussian_model, schools_model


@pytest.fixture(scope="module")
def tree(gaussian):
    return sample_laplace(gaussian, laplace_at(gaussian, MEAN), draws=200, seed=1)


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".zarr.zip"])
def test_stored_and_read_back(tree, tmp_path, suffix):
    path = tmp_path / f"fit{suffix}"
    save(tree, path)
    save(tree, path)  # an existing result is replaced
    back = load(path)
    for group in tree.children:
        xr.testing.assert_equal(back[group].to_dataset(), tree[group].to_dataset())
    assert back.attrs == tree.attrs
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".nc", ".zarr.zip"])
def test_truncated_file(tree, tmp_path, suffix):
    path = save(tree, tmp_path / f"fit{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"Cannot read .*truncated, corrupt .*resume=True"):
        load(path)


def test_truncated_zarr_folder(tree, tmp_path):
    path = save(tree, tmp_path / "fit.zarr")
    (path / ".zmetadata").write_text('{"metadata": ')
    with pytest.raises(ValueError, match=r"Cannot read .*truncated, corrupt"):
        load(path)


def test_corrupt_chunk(tree, tmp_path):
    path = save(tree, tmp_path / "fit.zarr")
    (path / "unconstrained" / "position" / "0.0.0").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"Cannot read .*truncated, corrupt"):
        load(path)


def test_failed_write_keeps_the_old_result(tree, tmp_path, monkeypatch):
    path = save(tree, tmp_path / "fit.nc")
    old = path.read_bytes()

    def full_disk(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(tree, path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_other_files_are_told_apart(tmp_path):
    with pytest.raises(ValueError, match=r"format of 'fit.csv': end it with one of .zarr, .zarr.zip, .nc"):
        load(tmp_path / "fit.csv")
    with pytest.raises(FileNotFoundError, match="No stored result"):
        load(tmp_path / "fit.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match="not a result of save"):
        load(tmp_path / "other.nc")


def test_attributes_carry_card_versions_seed_and_cost(tree):
    assert attribute(tree, "seed") == 1
    assert attribute(tree, "method") == "laplace"
    assert attribute(tree, "cost")["gradient_evaluations"] == 200
    assert attribute(tree, "versions")["pymc"].startswith("6.")
    with pytest.raises(KeyError, match=r"no attribute 'author'; it has .*'cost'"):
        attribute(tree, "author")


def test_model_card_of_the_model_is_kept():
    model = gaussian_model()
    model.card = {"title": "a Gaussian", "sites": np.array(["FI-Hyy"])}
    attrs = root_attrs(model, "nuts", 1, {})
    assert json.loads(attrs["model_card"]) == {"title": "a Gaussian", "sites": ["FI-Hyy"]}


def test_data_hash_changes_with_the_data():
    model = schools_model()
    first = data_hash(model)
    assert data_hash(schools_model()) == first
    with model:
        model.set_data("error", np.full(8, 10.0))
    assert data_hash(model) != first
