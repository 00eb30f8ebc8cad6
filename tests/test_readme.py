"""README.md agrees with the declarations, the command line and the benchmark; its example uses names that exist."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import lsm_bayes


@pytest.fixture(scope="module")
def tables(repository: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location("readme_table", repository / "tools" / "readme_table.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_generated_parts_are_current(tables: ModuleType, repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert tables.updated(text) == text, "run python tools/readme_table.py"
    assert tables.main(["--check"]) == 0


def test_a_changed_table_is_noticed(tables: ModuleType, repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert tables.updated(text.replace("| `f_auto` |", "| `f_other` |")) == text
    with pytest.raises(ValueError, match="README.md has no lines '<!-- parameters -->'"):
        tables.updated(text.replace("<!-- parameters -->", ""))


def test_python_examples_compile_and_use_the_public_api(repository: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        compile(example, "README.md", "exec")
        unknown = {name for name in re.findall(r"\blb\.(\w+)", example) if name not in lsm_bayes.__all__}
        assert not unknown
