"""Composition of the page from its sections."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.diagnostics.gates import check
from lsm_bayes.diagnostics.identifiability import shrinkage
from lsm_bayes.diagnostics.result import Stream, model_card, read_stream, stream_names
from lsm_bayes.diagnostics.scores import score
from lsm_bayes.report.budget import budget
from lsm_bayes.report.convergence import gate_table, sampler
from lsm_bayes.report.correlations import correlations
from lsm_bayes.report.heading import errors, heading
from lsm_bayes.report.modes import modes
from lsm_bayes.report.page import Section, absent, render
from lsm_bayes.report.parameters import parameters
from lsm_bayes.report.provenance import provenance
from lsm_bayes.report.sites import sites
from lsm_bayes.report.skill import skill
from lsm_bayes.report.streams import YEARS, stream_section

DRAWN_SITES = 8
POINTS = 30_000  # times drawn in all; about 100 bytes each keep the file below 6 MB
NOT_DRIVERS = ("co2", "day_of_year", "day_number", "step_length", "latitude", "elevation", "burned_area")


def write_report(tree: xr.DataTree, path: str | Path, reported: dict[str, str] | None = None) -> Path:
    """Write one self-contained HTML file that a reviewer can judge alone.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration. Groups that are absent are named in the page, with the reason.
    path : str or pathlib.Path
        File to write; its folder must exist.
    reported : dict, optional
        Parameter to a sentence, for bounds that are known to bite; see `lsm_bayes.diagnostics.check`.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the result has no posterior.
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the report does not exist. Create it, or give another path.")
    gates = check(tree, reported)
    streams = [read_stream(tree, n) for n in _ordered(tree)]
    scores = [t for t in (score(s) for s in streams) if not t.empty]
    table = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame()
    shown = _shown(streams, table)
    drivers, time, units = _drivers(tree)
    fits = [stream_section(s, drivers, time, units, [k for k in shown if k < len(s.sites)]) for s in streams]
    by_site = sites(tree)
    page = [
        gate_table(gates),
        errors(tree, streams),
        *(
            fits
            or [Section("streams", "Streams", [absent("observations", "The result has no group observed_data with a time dimension.")])]
        ),
        skill(table),
        budget(tree, streams, shown),
        parameters(tree, gates, shrinkage(tree)),
        *([by_site] if by_site is not None else []),
        correlations(tree),
        modes(tree),
        sampler(tree),
        provenance(tree),
    ]
    path.write_text(render(heading(tree, gates, streams), page), encoding="utf-8")
    return path


def _ordered(tree: xr.DataTree) -> list[str]:
    """Put the streams in the order of the model card; others follow."""
    names, wanted = stream_names(tree), list(model_card(tree).get("streams", []))
    return sorted(names, key=lambda n: wanted.index(n) if n in wanted else len(wanted))


def _shown(streams: list[Stream], table: pd.DataFrame) -> list[int]:
    """Choose which sites are drawn: all, or evenly from the best to the worst by skill when there are many."""
    number = max((len(s.sites) for s in streams), default=0)
    times = sum(min(s.time.size, int(YEARS * 366 / s.step_days)) for s in streams)
    most = min(DRAWN_SITES, max(1, POINTS // max(times, 1)))
    if number <= most:
        return list(range(number))
    first = max(streams, key=lambda s: len(s.sites))
    skills = {}
    for k, site in enumerate(first.sites):
        rows = table[(table["stream"] == first.name) & (table["site"] == site)] if not table.empty else table
        skills[k] = float(rows["crps_skill"].iloc[-1]) if len(rows) else np.nan
    order = sorted(skills, key=lambda k: -np.nan_to_num(skills[k], nan=-np.inf))
    return sorted(order[i] for i in np.unique(np.linspace(0, number - 1, most).astype(int)))


def _drivers(tree: xr.DataTree) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[str, str]]:
    if "forcing" not in tree.children:
        return {}, None, {}
    data = tree["forcing"].to_dataset()
    if "time" not in data.coords:
        return {}, None, {}
    wanted = [
        n
        for n, v in data.data_vars.items()
        if "time" in v.dims and n not in NOT_DRIVERS and not str(n).endswith(("_uncertainty", "_coverage", "_min", "_max"))
    ]
    number = data.sizes.get("site", 1)
    values = {
        str(n): np.broadcast_to(
            (data[n] if "site" in data[n].dims else data[n].expand_dims("site")).transpose("site", "time").to_numpy(),
            (number, data.sizes["time"]),
        )
        for n in wanted
    }
    return values, data["time"].to_numpy().astype("datetime64[ns]"), {str(n): str(data[n].attrs.get("units", "")) for n in wanted}
