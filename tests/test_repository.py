"""The files around the package agree with each other and with no particular machine."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

SUFFIXES = {".py", ".md", ".toml", ".cff", ".sh", ".j2", ".json", ".txt", ".yml", ".yaml", ".cfg", ""}
IGNORED = {".git", ".venv", "results", "build", "dist", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".ipynb_checkpoints"}


def text_files(root: Path) -> Iterator[Path]:
    """Yield the text files of the repository, except this one, which spells out what is forbidden."""
    for folder, inside, names in root.walk():
        inside[:] = sorted(name for name in inside if name not in IGNORED and not name.endswith(".egg-info"))
        for path in (folder / name for name in sorted(names)):
            if path.suffix in SUFFIXES and path != Path(__file__):
                yield path


def lines_with(root: Path, pattern: str) -> list[str]:
    """Return where a pattern occurs, as path:line."""
    found = []
    for path in text_files(root):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")
    return found


def test_no_path_of_one_machine(repository: Path) -> None:
    assert not lines_with(repository, r"(?<![\w.])/(home|root|Users|work|tmp|opt|mnt)/\w|\b[A-Z]:\\\\?\w")


def test_no_package_index_is_named(repository: Path) -> None:
    hosts = "|".join(re.escape(h) for h in ("py" + "pi.org", "python" + "hosted.org", "ana" + "conda.org", "npm" + "js.org"))
    assert not lines_with(repository, hosts)


def test_data_beside_the_checkout_are_known_to_ci_only(repository: Path) -> None:
    found = lines_with(repository, r"\.\./shared")
    assert {line.split(":")[0] for line in found} <= {".ci/run"}


def targets(repository: Path) -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))


def test_makefile_has_what_the_documents_name(repository: Path) -> None:
    documents = [path for path in (repository / "README.md", *(repository / "docs").glob("*.md")) if path.is_file()]
    named = {t for path in documents for t in re.findall(r"(?:^|`|\$ )make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert named <= targets(repository), f"not in the Makefile: {sorted(named - targets(repository))}"
    assert {"demo", "demo-sites", "test", "lint", "experiments", "bench", "notebooks", "clean"} <= targets(repository)


def test_command_line_has_the_verbs_that_the_readme_names(repository: Path) -> None:
    from lsm_bayes.cli import VERBS

    readme = repository / "README.md"
    if not readme.is_file():
        pytest.skip("there is no README.md")
    named = set(
        re.findall(r"\blsm-bayes ([a-z]+)\b", "\n".join(re.findall(r"```.*?```|`[^`\n]+`", readme.read_text(encoding="utf-8"), re.DOTALL)))
    )
    assert named <= {verb.name for verb in VERBS}


def test_version_is_the_same_everywhere(repository: Path) -> None:
    version = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["version"]
    citation = re.search(r"^version: (.+)$", (repository / "CITATION.cff").read_text(), re.MULTILINE)
    changes = re.findall(r"^## \[?([^\]\s]+)", (repository / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation and citation[1].strip("\"'") == version
    assert version in changes
    try:
        assert metadata.version("lsm-bayes") == version
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
