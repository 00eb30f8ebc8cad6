"""Results on disk: Zarr (folder or zip) or NetCDF by suffix, written whole or not at all."""

import json
import os
import shutil
import uuid
import zipfile
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

SUFFIXES = (".zarr", ".zarr.zip", ".nc")


def _suffix(path: Path) -> str:
    for suffix in (".zarr.zip", ".zarr", ".nc"):
        if path.name.endswith(suffix):
            return suffix
    raise ValueError(f"Cannot tell the format of {path.name!r}: end it with one of {', '.join(SUFFIXES)}.")


def _beside(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replace(new: Path, path: Path) -> None:
    # os.replace cannot put a folder over a filled folder: the old one steps aside first and comes back if the second step fails.
    if not path.is_dir():
        os.replace(new, path)
        return
    old = _beside(path)
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a small dataset as NetCDF, whole or not at all.

    Parameters
    ----------
    dataset : xarray.Dataset
        What to write.
    path : pathlib.Path
        Where; an existing file is replaced.
    """
    new = _beside(path)
    try:
        dataset.to_netcdf(new, engine="netcdf4")
        os.replace(new, path)
    finally:
        _remove(new)


def save(tree: xr.DataTree, path: str | Path) -> Path:
    """Store a result; the file appears complete or not at all, and an existing one is replaced.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of an inference method; model card, versions, seed, method, data hash and cost are its root attributes.
    path : path
        Ends with ``.zarr`` (folder), ``.zarr.zip`` (one file) or ``.nc``.

    Returns
    -------
    pathlib.Path
        Where it lies.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    """
    path = Path(path)
    suffix = _suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(path)
    try:
        if suffix == ".nc":
            tree.to_netcdf(new, engine="netcdf4")
        elif suffix == ".zarr":
            tree.to_zarr(new, zarr_format=2, consolidated=True)
        else:
            _save_zip(tree, new)
        _replace(new, path)
    finally:
        _remove(new)
    return path


def _save_zip(tree: xr.DataTree, path: Path) -> None:
    folder = path.with_suffix("")
    try:
        tree.to_zarr(folder, zarr_format=2, consolidated=True)
        # Stored, not deflated: the chunks are compressed already.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(folder).as_posix())
    finally:
        _remove(folder)


def load(path: str | Path) -> xr.DataTree:
    """Read a stored result into memory.

    Parameters
    ----------
    path : path
        What :func:`save` wrote.

    Returns
    -------
    xarray.DataTree
        The result.

    Raises
    ------
    FileNotFoundError
        If nothing lies there.
    ValueError
        If the suffix is unknown, or the file is truncated, corrupt or not a result.
    """
    path = Path(path)
    suffix = _suffix(path)
    if not path.exists():
        raise FileNotFoundError(f"No stored result at {path}.")
    try:
        if suffix == ".nc":
            with xr.open_datatree(path, engine="netcdf4") as tree:
                result = tree.load()
        elif suffix == ".zarr":
            result = xr.open_datatree(path, engine="zarr", consolidated=True).load()
        else:
            with zarr.storage.ZipStore(path, mode="r") as stored:
                result = xr.open_datatree(stored, engine="zarr", consolidated=True).load()  # type: ignore[arg-type]
    except Exception as error:
        raise ValueError(
            f"Cannot read {path}: it is truncated, corrupt or not a result of save() ({type(error).__name__}: {error}). "
            "Restore it from a copy or run again; a run that was cut short goes on with resume=True."
        ) from error
    if "method" not in result.attrs:
        raise ValueError(
            f"{path} opens, but is not a result of save(): it has no attribute 'method'. Groups found: {list(result.children)}."
        )
    return result


def attribute(tree: xr.DataTree, name: str) -> Any:
    """Decode one root attribute of a result.

    Parameters
    ----------
    tree : xarray.DataTree
        A result.
    name : str
        ``model_card``, ``versions``, ``seed``, ``method``, ``data_hash``, ``created`` or ``cost``.

    Returns
    -------
    object
        The decoded JSON value.

    Raises
    ------
    KeyError
        If the result has no such attribute.
    """
    if name not in tree.attrs:
        raise KeyError(f"The result has no attribute {name!r}; it has {list(tree.attrs)}.")
    return json.loads(tree.attrs[name])
