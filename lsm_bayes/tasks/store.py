"""Where results land: one Zarr file for each task, complete or not at all."""

import json
import os
import time
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

FAILED = "failed"
"""Folder of the errors, in the store."""
STALE_SECONDS = 86400.0
"""Age from which an unfinished file belongs to a worker that died."""


def land(result: xr.Dataset | xr.DataTree, path: Path, note: dict[str, Any]) -> None:
    """Write a result as zipped Zarr under another name, then rename it.

    One file for each task, because a folder of Zarr has some fifty files, and a file is replaced in one step.

    Parameters
    ----------
    result : xarray.Dataset or xarray.DataTree
        What to write.
    path : pathlib.Path
        Ends with ``.zarr.zip``.
    note : dict
        What is known of the task; becomes the root attribute ``task``, as JSON.

    Raises
    ------
    FileNotFoundError
        If this machine does not see the folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} on this machine; put the store where all workers can write")
    tree = xr.DataTree(result) if isinstance(result, xr.Dataset) else result.copy()
    tree.attrs = tree.attrs | {"task": json.dumps(note)}
    contents: dict[str, Any] = {}
    tree.to_zarr(zarr.storage.MemoryStore(contents), zarr_format=2, consolidated=True)
    part = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for key in sorted(contents):
                archive.writestr(key, contents[key].to_bytes())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_note(path: Path) -> dict[str, Any] | None:
    """Read what is known of the task of a result, without the result.

    Parameters
    ----------
    path : pathlib.Path
        Result.

    Returns
    -------
    dict or None
        None when the file is damaged or none of a task: it counts as missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(json.loads(archive.read(".zattrs"))["task"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return found if isinstance(found, dict) else None


def read(path: Path, group: str = "") -> xr.Dataset:
    """Read one group of a result into memory.

    Parameters
    ----------
    path : pathlib.Path
        Result.
    group : str
        Group; the root by default. ``lsm_bayes.load_result`` reads complete calibrations.

    Returns
    -------
    xarray.Dataset
        The group.
    """
    with zarr.storage.ZipStore(path, mode="r") as stored:
        return xr.open_dataset(stored, engine="zarr", group=group or None, backend_kwargs={"consolidated": True}).load()  # type: ignore[arg-type]


def landed(folder: Path) -> set[str]:
    """Names of the files of results in a store."""
    return {entry.name for entry in os.scandir(folder) if entry.name.endswith(".zarr.zip")} if folder.is_dir() else set()


def write_failure(folder: Path, file: str, failure: dict[str, Any]) -> None:
    """Keep the error of a task.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    file : str
        Name of the file of the task's result.
    failure : dict
        ``name``, ``fingerprint``, ``error``, ``traceback``, ``seconds``.
    """
    path = _failure(folder, file)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(failure, indent=1), encoding="utf-8")
    os.replace(part, path)


def read_failures(folder: Path, files: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read the errors of tasks.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    files : iterable of str
        Names of the files of the tasks' results.

    Returns
    -------
    dict
        By name of the file, of the tasks that failed.
    """
    there = {entry.name for entry in os.scandir(folder / FAILED)} if (folder / FAILED).is_dir() else set()
    paths = {file: _failure(folder, file) for file in files}
    return {file: json.loads(path.read_text(encoding="utf-8")) for file, path in paths.items() if path.name in there}


def forget_failure(folder: Path, file: str) -> None:
    """Delete the error of a task that has a result now."""
    _failure(folder, file).unlink(missing_ok=True)


def _failure(folder: Path, file: str) -> Path:
    return folder / FAILED / (file.removesuffix(".zarr.zip") + ".json")


def remove_stale(folder: Path) -> None:
    """Delete what workers that died left half written."""
    for path in folder.glob(".*.part"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)
