"""Annual carbon budget with its uncertainty, and whether it closes."""

import numpy as np
import pandas as pd
import xarray as xr

TERMS = ("gpp", "reco", "fire_emission", "nee", "delta_storage", "closure")
CLOSED = 1e-6
"""A budget is closed when what is left is below this fraction of GPP: round-off, not a leak."""


def annual_budget(tree: xr.DataTree) -> pd.DataFrame:
    """Table of annual sums.

    The identity is ``gpp - reco - fire_emission = delta_storage``; what is left over is the closure.

    Parameters
    ----------
    tree : xarray.DataTree
        Result with the group ``budget`` (chain, draw, site, year), gC m-2 a-1.

    Returns
    -------
    pandas.DataFrame
        One row for each site and year of its record, and a row ``mean`` for each site with the mean over these: for each term
        ``<term>`` (posterior mean), ``<term>_sd``, ``<term>_q05`` and ``<term>_q95``, gC m-2 a-1.
        ``imbalance`` is the largest ``|gpp - reco - fire - delta_storage|`` over the draws, as a fraction of GPP, and
        ``closed`` says whether it is below 1e-6.

    Raises
    ------
    ValueError
        If the group is absent or lacks what the identity needs.
    """
    if "budget" not in tree.children:
        raise ValueError(f"the result has no group 'budget'; it has {sorted(tree.children)}. Store the annual sums when predicting.")
    data = tree["budget"].to_dataset()
    missing = [n for n in ("gpp", "reco", "delta_storage") if n not in data]
    if missing:
        raise ValueError(f"the group 'budget' lacks {', '.join(missing)}; it has {', '.join(map(str, data.data_vars))}.")
    data = data if "site" in data.dims else data.expand_dims("site")
    sites = [str(s) for s in data["site"].to_numpy()] if "site" in data.coords else ["site"]
    terms = {n: data[n].transpose("chain", "draw", "site", "year").to_numpy() for n in TERMS if n in data}
    terms = {n: v.reshape(-1, *v.shape[2:]) for n, v in terms.items()}
    left = terms["gpp"] - terms["reco"] - terms.get("fire_emission", 0.0) - terms["delta_storage"]
    terms.setdefault("closure", left)
    rows = []
    for k, site in enumerate(sites):
        # Sites with records of their own share one axis of years.
        recorded = np.flatnonzero(~np.isnan(terms["gpp"][:, k]).all(axis=0))
        for j in [*recorded, None]:
            year = "mean" if j is None else str(data["year"].to_numpy()[j])
            pick = {n: v[:, k, recorded].mean(axis=1) if j is None else v[:, k, j] for n, v in terms.items()}
            error = np.abs(left[:, k, recorded]).max(axis=1) if j is None else np.abs(left[:, k, j])
            imbalance = float(np.max(error / np.maximum(np.abs(pick["gpp"]), 1.0)))
            row: dict[str, object] = {"site": site, "year": year}
            for name, values in pick.items():
                q05, q95 = np.quantile(values, [0.05, 0.95])
                row |= {name: values.mean(), f"{name}_sd": values.std(ddof=1), f"{name}_q05": q05, f"{name}_q95": q95}
            rows.append(row | {"imbalance": imbalance, "closed": imbalance < CLOSED})
    return pd.DataFrame(rows)
