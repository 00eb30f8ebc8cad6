"""Made-up results, built once per session; tests that change one take a copy."""

import importlib.util
from pathlib import Path

import pytest
import xarray as xr

_FILE = Path(__file__).parents[1] / "example_result.py"


@pytest.fixture(scope="session")
def build():
    spec = importlib.util.spec_from_file_location("example_result", _FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example_result


@pytest.fixture(scope="session")
def one_site(build) -> xr.DataTree:
    return build(1)


@pytest.fixture(scope="session")
def six_sites(build) -> xr.DataTree:
    return build(6, years=4)


@pytest.fixture
def changed(one_site):
    """Return a function that replaces or drops groups and attributes of the one-site result."""

    def change(attrs: dict | None = None, **groups: xr.Dataset | None) -> xr.DataTree:
        known = {k: v.to_dataset() for k, v in one_site.children.items()} | groups
        tree = xr.DataTree.from_dict({k: v for k, v in known.items() if v is not None})
        tree.attrs = {k: v for k, v in (dict(one_site.attrs) | (attrs or {})).items() if v is not None}
        return tree

    return change
