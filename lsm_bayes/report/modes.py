"""Section on modes: what the search found, how much each weighs and how well it predicts."""

import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.identifiability import parameter_draws
from lsm_bayes.diagnostics.result import variable_of
from lsm_bayes.report.page import Block, Section, Table, Text, absent, number

KNOWN = {"log_posterior": "Log posterior", "fraction_of_starts": "Fraction of starts", "weight": "Weight", "withheld_crps": "Withheld CRPS"}
MOST_DIFFERENT = 12


def modes(tree: xr.DataTree) -> Section:
    """Show the modes.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    Section
        One row for each mode, and the parameters that differ most between them.
    """
    title = "Modes"
    if "modes" not in tree.children:
        return Section(
            "modes",
            title,
            [
                absent(
                    "a search for modes",
                    "The result has no group modes. R-hat compares chains with each other and cannot see a mode in which none of them"
                    " started; run the multi-start search.",
                )
            ],
        )
    data = tree["modes"].to_dataset()
    parameters = set(map(str, tree["posterior"].to_dataset().data_vars))
    columns = [str(n) for n, v in data.data_vars.items() if v.dims == ("mode",) and n not in parameters and v.dtype.kind in "fiub"]
    columns.sort(key=lambda n: list(KNOWN).index(n) if n in KNOWN else len(KNOWN))
    number_of = int(data.sizes.get("mode", 0))
    rows = [(str(k + 1), *(number(data[n].to_numpy()[k], 4) for n in columns)) for k in range(number_of)]
    blocks: list[Block] = [
        Text(
            "One mode was found."
            if number_of == 1
            else f"{number_of} modes were found. Agreement of the starts proves little: chains can leave a mode that all starts agreed on."
        )
    ]
    blocks.append(Table("Modes", ("Mode", *(KNOWN.get(n, n.replace("_", " ").capitalize()) for n in columns)), rows))
    if "weight" not in data and number_of > 1:
        blocks.append(absent("weights", "Without evidence or stacking weights the share of each mode in the posterior is unknown."))
    if not any(n.startswith("withheld") for n in columns):
        blocks.append(
            absent(
                "withheld skill of the modes", "The group modes has no variable withheld_crps, so which mode predicts better is not known."
            )
        )
    compared = _compared(tree, data) if number_of > 1 else None
    return Section("modes", title, [*blocks, compared] if compared is not None else blocks)


def _compared(tree: xr.DataTree, data: xr.Dataset) -> Table | None:
    draws = parameter_draws(tree)
    found = []
    for label, values in draws.items():
        name = variable_of(label)
        if name not in data:
            continue
        variable = data[name]
        others = [d for d in variable.dims if d != "mode"]
        array = variable.transpose("mode", *others).to_numpy().reshape(variable.sizes["mode"], -1)
        same = [k for k in draws if variable_of(k) == name]
        if array.shape[1] != len(same):
            continue
        at = array[:, same.index(label)].astype(float)
        found.append((float(np.ptp(at)) / values.std(), label, at))
    if not found:
        return None
    found.sort(key=lambda r: -r[0])
    rows = [(label, *(number(v) for v in at), number(gap, 2)) for gap, label, at in found[:MOST_DIFFERENT]]
    return Table(
        "Parameters that differ most between the modes",
        ("Parameter", *(f"Mode {k + 1}" for k in range(data.sizes["mode"])), "Largest difference in posterior sd"),
        rows,
    )
