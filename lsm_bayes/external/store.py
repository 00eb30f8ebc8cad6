"""A directory for each run, there when the run is over and not before."""

import json
import os
import shutil
import socket
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lsm_bayes.external.declaration import ExternalModel
from lsm_bayes.vocabulary import unknown

STATUS, VALUES, DECLARATION = "status.json", "outputs.npz", "declaration.json"
STALE_SECONDS = 86400.0
"""Age from which an unfinished run of another machine belongs to a campaign that is no more."""
KEEP = ("outputs", "failed", "all")
Keep = Literal["outputs", "failed", "all"]


@dataclass(frozen=True)
class Run:
    """What is known of a run that is over.

    Attributes
    ----------
    key : str
        Hash of its parameters and of the declaration.
    parameters : dict of str to float
        Rounded values, in their units.
    state : {"done", "failed"}
        Failed runs have outputs of NaN.
    reason : str
        Why it failed.
    folder : str
        What is left of its working directory; empty where there is no store.
    seconds : float
        Wall time, all attempts together.
    attempts : int
        How often it was tried.
    """

    key: str
    parameters: dict[str, float]
    state: Literal["done", "failed"]
    reason: str = ""
    folder: str = ""
    seconds: float = 0.0
    attempts: int = 1


class RunStore:
    """Runs of one declaration, under ``<root>/<name>-<hash of the declaration>/<key>``.

    A run works in a directory of another name, which is renamed when it is over: what has a key is complete, and what a killed campaign
    left is known by its name. Several campaigns may share a store.

    Parameters
    ----------
    root : str or Path
        Folder; made where there is none.
    model : ExternalModel
        The declaration.
    keep : {"outputs", "failed", "all"}
        Which working directories keep their files: none (outputs and status stay), those of runs that failed, all.

    Raises
    ------
    ValueError
        For another `keep`.
    """

    def __init__(self, root: str | Path, model: ExternalModel, keep: Keep = "failed") -> None:
        if keep not in KEEP:
            raise ValueError(unknown("choice of what to keep", keep, KEEP))
        self.model, self.keep = model, keep
        self.folder = self.path(root, model)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / DECLARATION
        if not path.exists():
            _write(path, json.dumps({"name": model.name, "command": list(model.command), "identity": model.identity}, indent=1))
        self._remove_stale()

    @staticmethod
    def path(root: str | Path, model: ExternalModel) -> Path:
        """Name the folder of the runs of a declaration, which need not exist.

        Parameters
        ----------
        root : str or Path
            Folder of the store.
        model : ExternalModel
            The declaration.

        Returns
        -------
        Path
            Absolute.
        """
        return Path(root).resolve() / f"{model.name}-{model.identity[:12]}"

    def begin(self, key: str) -> Path:
        """Make an empty working directory.

        Parameters
        ----------
        key : str
            Of the run.

        Returns
        -------
        Path
            The directory; `land` or `drop` ends it.
        """
        found = self.folder / f".{key}.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part"
        found.mkdir()
        return found

    def land(self, part: Path, run: Run, values: np.ndarray | None) -> Run:
        """Clean up a working directory and give it its name.

        Parameters
        ----------
        part : Path
            From `begin`.
        run : Run
            What is known of it.
        values : numpy.ndarray or None
            Outputs of a run that is done, shape (size,).

        Returns
        -------
        Run
            The same, with its folder.
        """
        final = self.folder / run.key
        found = Run(**{**asdict(run), "folder": str(final), "reason": run.reason.replace(str(part), str(final))})
        if self.keep == "outputs" or (self.keep == "failed" and run.state == "done"):
            _empty(part)
        if values is not None:
            with (part / VALUES).open("wb") as opened:
                np.savez(opened, allow_pickle=False, **{n: values[s] for n, s in self.model.slices.items()})
        _write(part / STATUS, json.dumps({**asdict(found), "folder": ""}, indent=1))
        try:
            part.rename(final)
        except OSError:
            # Another campaign finished the same run first, or an unreadable one is in the way.
            if self.read(run.key) is None:
                shutil.rmtree(final, ignore_errors=True)
                part.rename(final)
            else:
                self.drop(part)
        return found

    @staticmethod
    def drop(part: Path) -> None:
        """Delete a working directory.

        Parameters
        ----------
        part : Path
            From `begin`.
        """
        shutil.rmtree(part, ignore_errors=True)

    def read(self, key: str) -> tuple[Run, np.ndarray] | None:
        """Read a run.

        Parameters
        ----------
        key : str
            Its key.

        Returns
        -------
        (Run, numpy.ndarray) or None
            Outputs, shape (size,), are NaN where it failed; None where there is no such run, or what is there is damaged.
        """
        run = self._status(self.folder / key)
        if run is None:
            return None
        if run.state == "failed":
            return run, np.full(self.model.size, np.nan)
        try:
            with np.load(self.folder / key / VALUES, allow_pickle=False) as stored:
                values = np.concatenate([stored[n] for n in self.model.outputs])
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return (run, values) if values.size == self.model.size else None

    def runs(self) -> Iterator[Run]:
        """Yield what is known of each run that is over, by key."""
        for path in sorted(self.folder.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                run = self._status(path)
                if run is not None:
                    yield run

    def unfinished(self) -> int:
        """Count the runs that go on now, here or elsewhere, or were left by a campaign that died elsewhere."""
        return sum(1 for _ in self.folder.glob(".*.part"))

    def forget(self, key: str) -> None:
        """Delete a run, so that it is run again.

        Parameters
        ----------
        key : str
            Its key.
        """
        shutil.rmtree(self.folder / key, ignore_errors=True)

    @staticmethod
    def _status(path: Path) -> Run | None:
        try:
            return Run(**{**json.loads((path / STATUS).read_text(encoding="utf-8")), "folder": str(path)})
        except (OSError, ValueError, TypeError):
            return None

    def _remove_stale(self) -> None:
        here = socket.gethostname()
        for path in self.folder.glob(".*.part"):
            _, *host, pid, _ = path.name[1:].removesuffix(".part").split(".")
            if (not _alive(int(pid))) if ".".join(host) == here else _age(path) > STALE_SECONDS:
                self.drop(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def describe_failures(runs: Mapping[str, Run], most: int = 5) -> str:
    """Say how many runs failed and why.

    Parameters
    ----------
    runs : mapping of str to Run
        By key.
    most : int
        How many to list.

    Returns
    -------
    str
        One line for each; empty where none failed.
    """
    failed = [r for r in runs.values() if r.state == "failed"]
    if not failed:
        return ""
    lines = [f"{r.key}: {r.reason}" + (f" (kept in {r.folder})" if r.folder else "") for r in failed[:most]]
    more = [f"and {len(failed) - most} more"] if len(failed) > most else []
    return "\n".join([f"{len(failed)} of {len(runs)} runs failed", *lines, *more])
