"""Section on where everything comes from: equations, versions, seed, data."""

import xarray as xr

from lsm_bayes.diagnostics.result import attribute, model_card
from lsm_bayes.report.page import Block, Section, Table, Text, absent


def provenance(tree: xr.DataTree) -> Section:
    """List the citations of the equations, and what is needed to repeat the run.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    Section
        Citations and a table.
    """
    blocks: list[Block] = []
    citations = model_card(tree).get("citations") or []
    citations = [citations] if isinstance(citations, str) else citations
    if citations:
        blocks.append(Table("Equations and data", ("No.", "Source"), [(str(k + 1), str(c)) for k, c in enumerate(citations)]))
    else:
        blocks.append(absent("citations", "The model card names none."))
    versions = attribute(tree, "versions", {})
    rows = [(f"version of {k}", str(v)) for k, v in versions.items()] if isinstance(versions, dict) else [("versions", str(versions))]
    for key in ("seed", "method", "data_hash", "created"):
        value = attribute(tree, key)
        rows.append((key.replace("_", " "), "not recorded" if value is None else str(value)))
    blocks.append(Table("To repeat this run", ("What", "Value"), rows, frozenset(k for k, r in enumerate(rows) if r[1] == "not recorded")))
    missing = [r[0] for r in rows if r[1] == "not recorded"]
    if missing:
        blocks.append(Text(f"Without {', '.join(missing)} this run cannot be repeated exactly.", "warning"))
    return Section("provenance", "Sources", blocks)
