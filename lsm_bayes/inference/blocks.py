"""The draws of an unfinished run on disk, block by block, so that a killed run loses at most the current block.

Beside the result ``run.zarr`` lies the folder ``run.zarr.blocks``: one sub-folder per segment (the first run, and each time it was
resumed) with ``plan.nc`` and the blocks of each chain. The finished result says how many segments it holds, so that a crash between
writing it and deleting the folder counts nothing twice.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .store import attribute, load, write_dataset

Rows = dict[str, NDArray]


@dataclass
class History:
    """What earlier segments of a run left.

    Attributes
    ----------
    segments : int
        Number of segments so far.
    rows : list of dict
        Draws of each chain after tuning, by statistic and ``position``.
    last : list of numpy.ndarray or None
        Last position of each chain, tuning included.
    mode : list of int
        Mode in which each chain was started.
    tuning_evaluations : int
        Gradient evaluations spent on tuning.
    seconds : float
        Time spent.
    modes : xarray.Dataset or None
        Table of modes of the stored result.
    """

    segments: int = 0
    rows: list[Rows] = field(default_factory=list)
    last: list[NDArray | None] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    tuning_evaluations: int = 0
    seconds: float = 0.0
    modes: xr.Dataset | None = None

    @classmethod
    def empty(cls, chains: int) -> "History":
        """Return the history of a run that begins."""
        return cls(rows=[{} for _ in range(chains)], last=[None] * chains, mode=[0] * chains)

    @property
    def lengths(self) -> list[int]:
        """Draws of each chain so far."""
        return [len(rows["position"]) if rows else 0 for rows in self.rows]


def blocks_folder(store: Path) -> Path:
    """Folder of the unfinished run whose result will be at ``store``."""
    return store.with_name(store.name + ".blocks")


def begin_segment(store: Path, segment: int, identity: dict, mode: list[int]) -> Path:
    """Make the folder of a segment and note what is run.

    Parameters
    ----------
    store : pathlib.Path
        Where the result will be.
    segment : int
        Number of the segment.
    identity : dict
        What must be the same in all segments: data hash, labels.
    mode : list of int
        Mode of each chain.

    Returns
    -------
    pathlib.Path
        Folder of the segment.
    """
    folder = blocks_folder(store) / f"segment-{segment:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    write_dataset(xr.Dataset({"mode": ("chain", np.asarray(mode))}, attrs={"identity": json.dumps(identity)}), folder / "plan.nc")
    return folder


def write_block(folder: Path, chain: int, block: int, rows: Rows, seconds: float) -> None:
    """Write one block of one chain.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the segment.
    chain, block : int
        Which one.
    rows : dict of str to numpy.ndarray
        ``position`` (n, D) and statistics (n,), tuning included.
    seconds : float
        Time since the segment began.
    """
    data = {name: (("draw", "unconstrained") if values.ndim == 2 else "draw", values) for name, values in rows.items()}
    write_dataset(xr.Dataset(data, attrs={"seconds": seconds}), folder / f"chain-{chain:02d}-{block:04d}.nc")


def read_history(store: Path, identity: dict, chains: int) -> History:
    """Everything that earlier segments left: the finished result, then the blocks of segments that it does not hold.

    Parameters
    ----------
    store : pathlib.Path
        Where the result is or will be.
    identity : dict
        Of the model that goes on.
    chains : int
        Number of chains asked for.

    Returns
    -------
    History
        Empty when nothing was stored.

    Raises
    ------
    ValueError
        If the stored run has other data, parameters or number of chains.
    """
    history = History.empty(chains)
    if store.exists():
        _read_result(store, identity, chains, history)
    for folder in sorted(blocks_folder(store).glob("segment-*")):
        if int(folder.name.split("-")[1]) >= history.segments and (folder / "plan.nc").exists():
            _read_segment(folder, identity, chains, history)
    return history


def _check(what: str, found: dict, expected: dict, chains: int, expected_chains: int) -> None:
    for key, value in expected.items():
        if found[key] != value:
            raise ValueError(
                f"{what} belongs to another model: its {key} is {str(found[key])[:80]}, the model's {str(value)[:80]}. "
                "Resume with the model and data of the run, or give another store."
            )
    if chains != expected_chains:
        raise ValueError(f"{what} has {chains} chains, {expected_chains} were asked for. Resume with chains={chains}.")


def _read_result(store: Path, identity: dict, chains: int, history: History) -> None:
    tree = load(store)
    if "unconstrained" not in tree.children:
        raise ValueError(
            f"{store.name} holds no unconstrained draws (groups: {list(tree.children)}): only results of sample() can be resumed."
        )
    flat, stats, cost = tree["unconstrained"].to_dataset(), tree["sample_stats"].to_dataset(), attribute(tree, "cost")
    found = {"data_hash": attribute(tree, "data_hash"), "labels": [str(v) for v in flat["unconstrained"].values]}
    _check(store.name, found, identity, flat.sizes["chain"], chains)
    if "segments" not in cost:
        raise ValueError(
            f"{store.name} was made with method {attribute(tree, 'method')!r}, which cannot be resumed; only nutpie's metrics can."
        )
    for chain in range(chains):
        rows = {str(name): values.values[chain] for name, values in stats.data_vars.items()}
        history.mode[chain] = int(rows.pop("mode")[0])
        history.rows[chain] = {"position": flat["position"].values[chain], **rows}
        history.last[chain] = flat["position"].values[chain, -1]
    history.modes = tree["modes"].to_dataset() if "modes" in tree.children else None
    history.segments, history.seconds, history.tuning_evaluations = cost["segments"], cost["seconds"], cost["tuning_evaluations"]


def _read_segment(folder: Path, identity: dict, chains: int, history: History) -> None:
    with xr.open_dataset(folder / "plan.nc", engine="netcdf4") as plan:
        mode = [int(k) for k in plan["mode"].values]
        _check(f"The unfinished run in {folder.parent.name}", json.loads(plan.attrs["identity"]), identity, len(mode), chains)
    history.mode, history.segments = mode, int(folder.name.split("-")[1]) + 1
    seconds = 0.0
    for chain in range(chains):
        parts = []
        for path in sorted(folder.glob(f"chain-{chain:02d}-*.nc")):
            with xr.open_dataset(path, engine="netcdf4") as block:
                parts.append({str(name): values.values for name, values in block.data_vars.items()})
                seconds = max(seconds, block.attrs["seconds"])
        if parts:
            _append(history, chain, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    history.seconds += seconds


def _append(history: History, chain: int, rows: Rows) -> None:
    tuning = rows.pop("tuning").astype(bool)
    history.last[chain] = rows["position"][-1]
    history.tuning_evaluations += int(rows["n_steps"][tuning].sum())
    kept = {name: values[~tuning] for name, values in rows.items()}
    old = history.rows[chain]
    history.rows[chain] = {name: np.concatenate([old[name], values]) for name, values in kept.items()} if old else kept


def collect(blocks: dict[int, list[Rows]], history: History, seconds: float) -> History:
    """Add a segment that is still in memory to a history.

    Parameters
    ----------
    blocks : dict of int to list of dict
        Rows of each chain, in order.
    history : History
        What came before; changed in place.
    seconds : float
        Time the segment took.

    Returns
    -------
    History
        The same history.
    """
    for chain, parts in blocks.items():
        _append(history, chain, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    history.segments += 1
    history.seconds += seconds
    return history


def discard_blocks(store: Path) -> None:
    """Delete the blocks of a run whose result is stored."""
    shutil.rmtree(blocks_folder(store), ignore_errors=True)
