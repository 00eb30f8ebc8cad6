"""Imports run one way, and names avoid the words that say nothing. Read from the source, not from what happens to be imported."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From a declaration to its trajectory.
SIMULATION = ("graphs", "lane_math", "declare", "kernels", "lanes", "programs", "nested", "entries", "trajectory", "forcing", "simulation")
# From the bottom up: a part may import what stands before it, and itself.
ORDER = (
    {"vocabulary", "lane_math", "leaps", "signature"},
    {"graphs", "datasets"},
    {"declare", "kernels"},
    {"lanes"},
    {"programs", "disturbance", "forcing_bias", "process_noise"},
    {"nested", "entries"},
    {"trajectory", "forcing"},
    {"simulation", "fixed_point"},
    {"steady_state"},
    {"observations", "errors"},
    {"calibration"},
    {"external"},
    {"inference"},
    {"emulation"},
    {"diagnostics"},
    {"sensitivity"},
    {"comparison"},
    {"report"},
    {"models", "posterior"},
    {"tasks", "reference"},
    {"scoreboard"},
    {"commands"},
    {"cli"},
)
# These do not follow the order: all that they may import is said here.
SPECIAL = {
    "processes": set(),
    "data": set(),
    "land": {"processes", "declare", "vocabulary"},
    "datasets": {"vocabulary"},
    "testing": {"oracles", "land", "vocabulary", *SIMULATION},
    "testing_operators": {"oracles", "observations", "calibration", "vocabulary", *SIMULATION},
    "oracles": {"vocabulary", *SIMULATION},
}
# Process models are looked up by name from here; the layers between take them as arguments.
SEES_LAND = {"models", "commands", "testing"}
# Parameterisations are functions of numbers; some instruments see what they compute.
SEES_PROCESSES = {"observations"}
# The battery of process models is a verb of the command line.
SEES_TESTING = {"commands"}
EMPTY_WORDS = {"engine", "manager", "handler", "core", "util", "utils", "utility", "utilities", "framework", "wrapper", "helper", "helpers"}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield dotted names, as imported, and files."""
    for package, folder in (("lsm_bayes", "lsm_bayes"), ("lsm_bayes.models", "models"), ("lsm_bayes.data", "data")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *parts]).removesuffix(".__init__"), path


MODULES = dict(modules())


def part(module: str) -> str:
    """Return the part of the package that a module belongs to; empty for the package itself."""
    return ([*module.split("."), ""])[1]


def imported(module: str, path: Path) -> Iterator[str]:
    """Yield the modules of the package that a module imports, those inside functions too."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "lsm_bayes")
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base == "lsm_bayes":
                yield from (f"{base}.{alias.name}" for alias in node.names)
            elif base.startswith("lsm_bayes."):
                yield base


def allowed(importer: str) -> set[str]:
    """Return the parts that a part may import."""
    if importer in SPECIAL:
        return SPECIAL[importer] | {importer}
    rank = next(i for i, layer in enumerate(ORDER) if importer in layer)
    more = ({"land", "processes"} if importer in SEES_LAND else set()) | ({"testing"} if importer in SEES_TESTING else set())
    more |= {"processes"} if importer in SEES_PROCESSES else set()
    return set().union(*ORDER[:rank]) | {importer} | more


PLACED = set().union(*ORDER) | SPECIAL.keys()


def test_every_part_has_a_place_in_the_order() -> None:
    unplaced = {part(m) for m in MODULES} - PLACED - {""}
    assert not unplaced, f"give {sorted(unplaced)} a place in ORDER or SPECIAL of this file"


@pytest.mark.parametrize("module", [m for m in MODULES if part(m) in PLACED])
def test_imports_run_one_way(module: str) -> None:
    wrong = {name for name in imported(module, MODULES[module]) if part(name) not in allowed(part(module))}
    assert not wrong, f"{module} imports {sorted(wrong)}; {part(module)} may import {sorted(allowed(part(module)))}"


def test_public_api_does_not_import_the_command_line() -> None:
    assert not {"cli", "commands"} & {part(name) for name in imported("lsm_bayes", MODULES["lsm_bayes"])}


def test_import_reader_sees_every_form(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(
        "import lsm_bayes.report\nfrom lsm_bayes import land, cli as c\nfrom . import near\nfrom .. import kernels\n"
        "from ..report.page import Text\ndef f():\n    from lsm_bayes.models.x import build\nimport numpy\n"
    )
    found = set(imported("lsm_bayes.errors.example", path))
    assert {part(name) for name in found} == {"report", "land", "cli", "errors", "kernels", "models"}


def words(name: str) -> set[str]:
    """Split a snake_case or CamelCase name into lower-case words."""
    return {w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize("folder", ["lsm_bayes", "models", "benchmarks", "notebooks", "tests", "tools"])
def test_names_avoid_empty_words(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = [path.stem, *(n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))]
        found += [f"{path.relative_to(ROOT)}: {name}" for name in names if words(name) & EMPTY_WORDS]
    assert not found, f"say what it does instead: {found}"


def test_words_are_split() -> None:
    assert words("RunManager_of_coreUtils") == {"run", "manager", "of", "core", "utils"}
    assert not words("scored_hardcore") & EMPTY_WORDS
