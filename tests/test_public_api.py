"""The public API is one list; its names resolve, and importing the package imports nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lsm_bayes


@pytest.mark.parametrize("name", lsm_bayes.__all__)
def test_each_name_resolves_and_is_documented(name: str) -> None:
    assert getattr(lsm_bayes, name).__doc__
    assert f"`{name}`" in (lsm_bayes.__doc__ or ""), f"say in the docstring of the package what {name} is for"


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(lsm_bayes.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.Import | ast.ImportFrom)
        module = "" if isinstance(node, ast.Import) else (node.module or "").partition("lsm_bayes.")[2]
        seen |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
    assert sorted(seen) == lsm_bayes.__all__
    assert {n: s for n, s in seen.items() if s[0]} == lsm_bayes._SOURCES
    assert [n for n, s in sorted(seen.items()) if not s[0]] == list(lsm_bayes._SUBPACKAGES)


def test_completion_offers_the_list() -> None:
    assert dir(lsm_bayes) == lsm_bayes.__all__


def test_unknown_name_lists_what_exists() -> None:
    with pytest.raises(AttributeError, match="module 'lsm_bayes' has no attribute 'fit'; it has AfterDisturbance, .*write_report"):
        _ = lsm_bayes.fit


def test_import_is_quick() -> None:
    code = "import sys, lsm_bayes; print(sorted({'pymc', 'pytensor', 'numba', 'xarray', 'numpy', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
