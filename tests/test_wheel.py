"""A wheel holds everything that a user needs and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77", reason="building a wheel needs setuptools 77")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy, because setuptools leaves a build folder that would go into the next wheel.
    source = tmp_path_factory.mktemp("source")
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("lsm_bayes", "models", "data"):
        shutil.copytree(repository / folder, source / folder, ignore=skipped)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    target = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "-w",
        str(target),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


@pytest.mark.parametrize(("folder", "inside"), [("lsm_bayes", "lsm_bayes"), ("models", "lsm_bayes/models"), ("data", "lsm_bayes/data")])
def test_every_file_of_the_package_is_in_the_wheel(repository: Path, members: set[str], folder: str, inside: str) -> None:
    here = [p.relative_to(repository / folder) for p in (repository / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert here
    missing = {f"{inside}/{path.as_posix()}" for path in here} - members
    assert not missing, f"add a pattern to package-data in pyproject.toml for {sorted(missing)}"


def test_nothing_else_is_in_the_wheel(members: set[str]) -> None:
    top = {name.split("/")[0] for name in members}
    assert {t for t in top if not t.endswith(".dist-info")} == {"lsm_bayes"}


def test_installed_package_has_collection_and_command(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
        points = next(n for n in opened.namelist() if n.endswith("entry_points.txt"))
        assert "lsm-bayes = lsm_bayes.cli:main" in opened.read(points).decode()
    code = "import lsm_bayes.cli, lsm_bayes.data, lsm_bayes.models as m; print(m.__file__, *m.available(), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    found, *names = done.stdout.split()
    assert Path(found).is_relative_to(tmp_path)
    assert all((tmp_path / "lsm_bayes" / "models" / name / "card.md").is_file() for name in names)
